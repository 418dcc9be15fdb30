# Fills in a page of the manual. A line '.\" lines FILE' stands for the lines of FILE in contrib, '.\" options FILE' for
# those of postern.conf that its comment has, and '.\" tables' for what postern-milter says of --import.
# awk -v contrib=FOLDER -v milter=PROGRAM -f include.awk PAGE
function literal(line)
{
    gsub(/\\/, "\\e", line)
    gsub(/`/, "\\(ga", line)
    gsub(/'/, "\\(aq", line)
    gsub(/\^/, "\\(ha", line)
    gsub(/~/, "\\(ti", line)
    return line ~ /^\./ ? "\\&" line : line
}

function fail(what)
{
    print what ": cannot be read" > "/dev/stderr"
    failed = 1
    exit 1
}

function include(wanted, path,    line, count)
{
    print ".Bd -literal -offset indent"
    while ((status = (getline line < path)) > 0) {
        commented = line ~ /^(#|dnl)/
        if (wanted == "lines" && !commented && line != "")
            print literal(line)
        if (wanted == "options" && sub(/^(#|dnl)   /, "", line)) {
            if (line ~ /^\[/ && count > 0)
                print ""
            print literal(line)
            count++
        }
    }
    if (status < 0)
        fail(path)
    close(path)
    print ".Ed"
    ended = 1
}

/^\.\\" (lines|options) / {
    include($2, contrib "/" $3)
    next
}

/^\.\\" tables$/ {
    while (((milter " --document-import") | getline line) > 0) {
        print line
        found = 1
    }
    if (!found)
        fail(milter)
    next
}

{
    if (ended && !/^\.(It|El|Sh) ?/)
        print ".Pp"
    ended = 0
    print
}

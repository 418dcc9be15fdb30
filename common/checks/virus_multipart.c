#include "checks/virus_multipart.h"

#include <string.h>

static const char field_name[] = "Content-Type";
static const char multipart[] = "multipart";
static const char unheard_of[] = "multipart/x";
static const char *const passed_over[] = {"signed", "parallel", "plain", "html", "enriched", "richtext"};

static gboolean is_line_end(char octet)
{
    return octet == '\r' || octet == '\n';
}

static gboolean is_space(char octet)
{
    return g_ascii_isspace(octet) || octet == '\v' || octet == '\0';
}

/* Where the value of the field begins that begins here, or 0: it is another. */
static gsize find_value(const char *line, gsize length)
{
    gsize at = strlen(field_name);
    if (length <= at || g_ascii_strncasecmp(line, field_name, at) != 0)
        return 0;
    while (at < length && line[at] != ':' && !is_line_end(line[at]))
        at++;
    return at < length && line[at] == ':' ? at + 1 : 0;
}

/* TRUE: the line end here is that of the field, not a fold. */
static gboolean ends_field(const char *text, gsize length, gsize at)
{
    if (text[at] == '\r' && at + 1 < length && text[at + 1] == '\n')
        at++;
    return is_line_end(text[at]) && (at + 1 == length || (text[at + 1] != ' ' && text[at + 1] != '\t'));
}

/*
 * Octets up to the parameters or the end of the field; kind: the type among them as libclamav reads it, in
 * lower case, without comments, quotes, backslashes and white space. FALSE: a comment does not end.
 */
static gboolean read_kind(const char *text, gsize length, gboolean comments, GString *kind, gsize *ret_octets)
{
    guint depth = 0;
    gboolean quoted = FALSE;
    gsize at = 0;
    g_string_truncate(kind, 0);
    for (; at < length && !ends_field(text, length, at); at++) {
        char octet = text[at];
        if (octet == ';' && depth == 0)
            break;
        if (octet == '"')
            quoted = !quoted;
        else if (octet == '(' && !quoted && comments)
            depth++;
        else if (octet == ')' && depth > 0)
            depth--;
        else if (depth == 0 && octet != '\\' && !is_space(octet))
            g_string_append_c(kind, g_ascii_tolower(octet));
    }
    *ret_octets = at;
    return depth == 0;
}

static gboolean is_passed_over(const GString *kind)
{
    if (strstr(kind->str, multipart) == NULL)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(passed_over); i++)
        if (strstr(kind->str, passed_over[i]) != NULL)
            return TRUE;
    return FALSE;
}

/* The next place behind at where a line begins, or length. */
static gsize next_line(const char *octets, gsize length, gsize at)
{
    const char *newline = memchr(octets + at, '\n', length - at);
    gsize line = newline != NULL ? (gsize)(newline - octets) + 1 - at : length - at;
    const char *bare = memchr(octets + at, '\r', line);
    return bare != NULL ? (gsize)(bare - octets) + 1 : at + line;
}

/* The next kind to be renamed at or behind *at, a line's begin, as *at is left; its octets, or 0: there is
 * none. */
static gsize find_next(const char *octets, gsize length, gsize *at, gsize *ret_start)
{
    g_autoptr(GString) kind = g_string_new(NULL);
    gsize found = 0;
    while (*at < length && found == 0) {
        gsize value = find_value(octets + *at, length - *at);
        *ret_start = *at + value;
        if (value > 0 && !read_kind(octets + *ret_start, length - *ret_start, TRUE, kind, &found))
            (void)read_kind(octets + *ret_start, length - *ret_start, FALSE, kind, &found);
        if (found > 0 && !is_passed_over(kind))
            found = 0;
        *at = next_line(octets, length, *ret_start);
    }
    return found;
}

gboolean postern_virus_multipart_rename(char *octets, gsize length)
{
    gboolean any = FALSE;
    gsize at = 0;
    gsize start = 0;
    gsize kind;
    while ((kind = find_next(octets, length, &at, &start)) > 0) {
        memset(octets + start, ' ', kind);
        memcpy(octets + start, unheard_of, strlen(unheard_of));
        any = TRUE;
    }
    return any;
}

gboolean postern_virus_multipart_is_hidden(const char *octets, gsize length)
{
    gsize at = 0;
    gsize start = 0;
    return find_next(octets, length, &at, &start) > 0;
}

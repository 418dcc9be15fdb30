-- What miltertest(8) asks postern-milter at the socket PLACE, with a client at CLIENT and an external one at EXTERNAL.

local function connect(address)
    local conn = mt.connect(PLACE, 40, 0.05)
    if conn == nil then error("no connection to " .. PLACE) end
    if mt.conninfo(conn, "client.example", address) ~= nil then error("conninfo") end
    if mt.helo(conn, "client.example") ~= nil then error("helo") end
    return conn
end

local function expect(conn, reply, what)
    local got = mt.getreply(conn)
    if got ~= reply then
        error(what .. ": " .. string.char(got) .. " instead of " .. string.char(reply))
    end
end

local function envelope(conn)
    mt.macro(conn, SMFIC_MAIL, "i", "LUA")
    if mt.mailfrom(conn, "<a@pass.example>") ~= nil then error("mailfrom") end
    expect(conn, SMFIR_CONTINUE, "MAIL")
    if mt.rcptto(conn, "<b@example.org>") ~= nil then error("rcptto") end
end

local function header(conn)
    mt.header(conn, "From", " a@pass.example")
    mt.header(conn, "Authentication-Results", " mx.example.org; spf=pass")
    mt.header(conn, "Subject", " lua")
    if mt.eoh(conn) ~= nil then error("eoh") end
end

local function finish(conn)
    if mt.eom(conn) ~= nil then error("eom") end
end

-- Accepted: marked, and the forged field is gone.
local conn = connect(CLIENT)
envelope(conn)
header(conn)
mt.bodystring(conn, "Hello.\r\n")
finish(conn)
expect(conn, SMFIR_ACCEPT, "clean message")
if not mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results") then error("no results inserted") end
if not mt.eom_check(conn, MT_HDRDELETE, "Authentication-Results") then error("forged results stay") end

-- Refused, with our reply, and the connection goes on.
envelope(conn)
header(conn)
mt.bodystring(conn, EICAR .. "\r\n")
finish(conn)
expect(conn, SMFIR_REPLYCODE, "virus")

-- Aborted in the middle, and empty.
envelope(conn)
header(conn)
mt.abort(conn)
envelope(conn)
if mt.eoh(conn) ~= nil then error("eoh") end
finish(conn)
expect(conn, SMFIR_ACCEPT, "empty message")
mt.disconnect(conn)

-- An external client, and one who vanishes.
conn = connect(EXTERNAL)
envelope(conn)
header(conn)
mt.bodyrandom(conn, 100000)
finish(conn)
expect(conn, SMFIR_REPLYCODE, "external client")
envelope(conn)
mt.disconnect(conn, false)

-- A client of a family that nobody knows.
conn = connect("unspec")
envelope(conn)
header(conn)
finish(conn)
expect(conn, SMFIR_ACCEPT, "unknown family")
mt.disconnect(conn)

-- A message is as good as any after what came before it on the connection, or on others.
local function whole(conn, body)
    envelope(conn)
    header(conn)
    if body ~= nil then mt.bodystring(conn, body) end
    finish(conn)
    expect(conn, SMFIR_ACCEPT, "message after trouble")
end

local steps = {envelope, header, function(conn) mt.bodystring(conn, "Hello.\r\n") end}
for count = 0, #steps do
    conn = connect(CLIENT)
    for number = 1, count do steps[number](conn) end
    mt.abort(conn)
    whole(conn, "Hello.\r\n")
    for number = 1, count do steps[number](conn) end
    mt.disconnect(conn, false)
end

-- Out of order: a header and its end without a message, RCPT before MAIL.
conn = connect(CLIENT)
mt.header(conn, "From", " a@pass.example")
mt.abort(conn)
mt.rcptto(conn, "<b@example.org>")
mt.abort(conn)
whole(conn, nil)
mt.disconnect(conn)

-- Many recipients. (Fields as big as milters may get them are too big for miltertest itself.)
conn = connect(CLIENT)
envelope(conn)
for number = 1, 9999 do mt.rcptto(conn, "<b" .. number .. "@example.org>") end
header(conn)
finish(conn)
expect(conn, SMFIR_ACCEPT, "10,000 recipients")
mt.disconnect(conn)
mt.echo("all as it should be")

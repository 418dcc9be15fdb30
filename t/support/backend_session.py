"""One session of the recording back-end: the server's side of SMTP, as options say."""

import asyncio
import ipaddress
import re

STRICT_END = re.compile(rb"(?:\A|(?<=\r\n))\.\r\n")
CARELESS_END = re.compile(rb"(?:\A|(?<=[\r\n]))\.(?:\r\n|\n|\r)")
STRICT_DOT = re.compile(rb"(?:\A|(?<=\r\n))\.")
CARELESS_DOT = re.compile(rb"(?:\A|(?<=[\r\n]))\.")
PATH = re.compile(r"(?:FROM|TO): ?<([^>]*)>(?: (.*))?", re.IGNORECASE)
XTEXT = re.compile(r"\+([0-9A-F]{2})")
ATTRIBUTES = {"XCLIENT": ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"),
              "XFORWARD": ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")}
ANNOUNCED = {"XCLIENT": "NAME ADDR PORT PROTO HELO LOGIN",
             "XFORWARD": "NAME ADDR PORT PROTO HELO IDENT SOURCE"}
LINE_MAX = 65536
ENDLESS_LINES = 200000


class Drop(Exception):
    """The connection is to be cut here."""


class BackendSession:
    """state that a test may look at in a rule: client (XCLIENT), sender, recipients, helo, connection."""

    def __init__(self, backend, connection, reader, writer):
        self.backend = backend
        self.connection = connection
        self.reader = reader
        self.writer = writer
        self.peer = writer.get_extra_info("peername")
        self.client = {}
        self.forward = {}
        self.overridden = False
        self.rejected = False
        self.tls = None  # the ssl.SSLObject, once TLS has begun
        self.transactions = 0
        self.buffer = b""
        self.forget_greeting()

    @property
    def options(self):
        return self.backend.options

    def forget_greeting(self):
        self.helo = None
        self.extended = False
        self.forget_mail()

    def forget_mail(self):
        self.sender = None
        self.sender_parameters = ""
        self.recipients = []
        self.recipient_parameters = []

    async def run(self):
        """Serves the connection until one side ends it."""
        try:
            await self.greet()
            while (line := await self.read_line()) is not None:
                self.backend.note(self.connection, "command", line)
                if not await self.serve(line.decode("utf-8", "surrogateescape")):
                    return
        except (Drop, ConnectionError):
            pass

    async def greet(self):
        limit = self.options.max_connections
        if limit and self.backend.connections > limit:
            await self.send_as("plain", f"421 4.7.0 {self.options.hostname} Error: too many connections")
            raise Drop
        code = await self.answer("greeting", f"220 {self.options.hostname} ESMTP")
        self.rejected = code >= 500

    async def serve(self, line):
        verb, _, argument = line.partition(" ")
        command = getattr(self, f"do_{verb.lower()}", None)
        if not verb.isascii() or not verb.isalnum() or command is None:
            await self.answer("*", "502 5.5.2 Error: command not recognized")
            return True
        if self.rejected and verb.upper() != "QUIT":
            await self.answer("*", "503 5.7.0 Error: access denied")
            return True
        return await command(argument.strip()) is not False

    async def read_line(self):
        while b"\n" not in self.buffer:
            if len(self.buffer) > LINE_MAX or not await self.fill():
                return None
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    async def fill(self):
        octets = await self.reader.read(65536)
        self.buffer += octets
        return bool(octets)

    async def answer(self, step, usual, address=None):
        """
        Replies to a step: what a rule says, else what options.refuse says, else usual; after the pause that
        is due, in the form that is. Returns the code. A 421 closes.
        """
        options = self.options
        ruled = options.rule(self, step, address) if options.rule else None
        reply = ruled or options.at(options.refuse, step, address) or usual
        if pause := options.at(options.pause, step, address):
            await asyncio.sleep(pause)
        if options.drops(step, address):
            raise Drop
        await self.send_as(options.at(options.form, step, address) or "plain", reply)
        code = int(reply[:3])
        if code == 421:
            raise Drop
        return code

    async def send_as(self, form, reply):
        lines = reply.split("\n")
        code, texts = lines[0][:3], [line[4:] for line in lines]
        self.backend.note(self.connection, "reply", reply.encode("utf-8", "surrogateescape"))
        if form == "endless":
            return await self.send_endless(code)
        raw = _shaped(form, code, texts)
        if form != "split":
            self.writer.write(raw)
            return await self.writer.drain()
        for octet in raw:
            self.writer.write(bytes([octet]))
            await self.writer.drain()
            await asyncio.sleep(0.001)

    async def send_endless(self, code):
        block = f"{code}-and so on\r\n".encode() * 1000
        for _ in range(ENDLESS_LINES // 1000):
            self.writer.write(block)
            await self.writer.drain()
        raise Drop

    async def do_helo(self, name):
        if await self.answer("helo", f"250 {self.options.hostname}") < 400:
            self.forget_greeting()
            self.helo = name

    async def do_ehlo(self, name):
        options = self.options
        words = [f"SIZE {options.size}" if word == "SIZE" else word for word in options.keywords]
        if options.xclient in ("keep", "refuse") or options.xclient == "once" and not self.overridden:
            words.append(f"XCLIENT {ANNOUNCED['XCLIENT']}")
        if options.tls and not self.tls:
            words.append("STARTTLS")
        if options.xforward:
            words.append(f"XFORWARD {ANNOUNCED['XFORWARD']}")
        if await self.answer("ehlo", "\n".join(f"250 {text}" for text in [options.hostname, *words])) < 400:
            self.forget_greeting()
            self.helo, self.extended = name, True

    async def do_starttls(self, _):
        if not self.options.tls or self.tls:
            return await self.answer("starttls", "503 5.5.1 Error: not now")
        if await self.answer("starttls", "220 2.0.0 Ready to start TLS") != 220:
            return None
        self.buffer = b""
        try:
            await self.writer.start_tls(self.options.tls)
        except OSError:
            raise Drop from None
        self.tls = self.writer.get_extra_info("ssl_object")
        self.backend.note(self.connection, "tls", self.tls.version().encode())
        self.forget_greeting()
        return None

    def read_attributes(self, verb, argument):
        """The attributes of XCLIENT or XFORWARD, or the 501 that they deserve."""
        values = {}
        for word in argument.split():
            name, equals, value = word.partition("=")
            if not equals or name.upper() not in ATTRIBUTES[verb]:
                return None, f"501 5.5.4 Bad {verb} attribute name: {name}"
            value = XTEXT.sub(lambda match: chr(int(match[1], 16)), value)
            if value.upper() in ("[UNAVAILABLE]", "[TEMPUNAVAIL]"):
                value = value.upper()
            elif name.upper() == "ADDR" and not _address(value):
                return None, f"501 5.5.4 Bad ADDR syntax: {value}"
            values[name.upper()] = value
        return (values, None) if values else (None, f"501 5.5.4 Syntax: {verb} attribute=value...")

    async def do_xclient(self, argument):
        mode = self.options.xclient
        if mode == "absent":
            return await self.answer("xclient", "502 5.5.2 Error: command not recognized")
        if mode == "refuse" or mode == "once" and self.overridden:
            return await self.answer("xclient", "550 5.7.0 Error: insufficient authorization")
        if self.sender is not None:
            return await self.answer("xclient", "503 5.5.1 Error: MAIL transaction in progress")
        values, mistake = self.read_attributes("XCLIENT", argument)
        if await self.answer("xclient", mistake or f"220 {self.options.hostname} ESMTP") == 220:
            self.overridden = True
            self.forget_greeting()
            self.client.update(values)

    async def do_xforward(self, argument):
        values, mistake = self.read_attributes("XFORWARD", argument)
        if not self.options.xforward:
            mistake = "502 5.5.2 Error: command not recognized"
        elif self.sender is not None:
            mistake = "503 5.5.1 Error: MAIL transaction in progress"
        if await self.answer("xforward", mistake or "250 2.0.0 Ok") == 250:
            self.forward.update(values)

    async def do_mail(self, argument):
        address, parameters = _path(argument, "FROM")
        size = re.search(r"\bSIZE=(\d+)", parameters, re.IGNORECASE)
        usual = "250 2.1.0 Ok"
        if self.helo is None:
            usual = "503 5.5.1 Error: send HELO/EHLO first"
        elif self.sender is not None:
            usual = "503 5.5.1 Error: nested MAIL command"
        elif address is None:
            usual = "501 5.5.4 Syntax: MAIL FROM:<address>"
        elif size and int(size[1]) > self.options.size:
            usual = "552 5.3.4 Message size exceeds fixed limit"
        if await self.answer("mail", usual, address) == 250:
            self.sender, self.sender_parameters = address, parameters

    def may_relay(self, address):
        """Own domains for everybody; all others for clients on loopback only."""
        if not address.rpartition("@")[1] or address.rpartition("@")[2].lower() in self.options.domains:
            return True
        client = _address(self.client.get("ADDR", self.peer[0]))
        return client is not None and client.is_loopback

    async def do_rcpt(self, argument):
        address, parameters = _path(argument, "TO")
        usual = "250 2.1.5 Ok"
        if self.sender is None:
            usual = "503 5.5.1 Error: need MAIL command"
        elif not address:
            usual = "501 5.5.4 Syntax: RCPT TO:<address>"
        elif not self.may_relay(address):
            usual = f"554 5.7.1 <{address}>: Relay access denied"
        if await self.answer("rcpt", usual, address) in (250, 251):
            self.recipients.append(address)
            self.recipient_parameters.append(parameters)

    async def do_data(self, _):
        usual = "354 End data with <CR><LF>.<CR><LF>"
        if self.sender is None:
            usual = "503 5.5.1 Error: need MAIL command"
        elif not self.recipients:
            usual = "554 5.5.1 Error: no valid recipients"
        early = len(self.buffer)
        if await self.answer("data", usual) != 354:
            return
        message = await self.read_message()
        self.transactions += 1
        await self.finish_message(message, early)
        self.forget_mail()

    async def read_message(self):
        """The message's octets, its dots removed; the rest of the input stays in the buffer."""
        careless = self.options.careless
        end, dot = (CARELESS_END, CARELESS_DOT) if careless else (STRICT_END, STRICT_DOT)
        received, scanned = bytearray(self.buffer), 0
        while True:
            match = end.search(received, max(0, scanned - 4) if scanned else 0)
            if match and careless and match[0] == b".\r" and match.end() == len(received):
                self.buffer = b""
                await self.fill_within(0.2)
                received += self.buffer
                match = end.search(received, match.start())
            if match:
                self.buffer = bytes(received[match.end():])
                return dot.sub(b"", received[:match.start()])
            scanned = len(received)
            self.buffer = b""
            if not await self.fill():
                raise Drop
            if self.options.drops("body"):
                raise Drop
            received += self.buffer

    async def fill_within(self, seconds):
        try:
            await asyncio.wait_for(self.fill(), seconds)
        except TimeoutError:
            pass

    async def finish_message(self, message, early):
        options = self.options
        if len(message) > options.size:
            return await self.answer("dot", "552 5.3.4 Message size exceeds fixed limit")
        ruled = options.rule(self, "message", message) if options.rule else None
        refusal = ruled or options.at(options.refuse, "dot")
        if refusal and refusal[0] != "2":
            return await self.answer("dot", refusal)
        if options.drops("dot"):
            raise Drop
        name = await self.backend.record(self, bytes(message), early)
        if options.drops("recorded"):
            raise Drop
        if options.drops("half-reply"):
            self.writer.write(b"250 2.0.0 O")
            await self.writer.drain()
            raise Drop
        return await self.answer("dot", f"250 2.0.0 Ok: queued as {name}")

    async def do_rset(self, _):
        self.forget_mail()
        await self.answer("rset", "250 2.0.0 Ok")

    async def do_noop(self, _):
        await self.answer("noop", "250 2.0.0 Ok")

    async def do_vrfy(self, _):
        await self.answer("vrfy", "252 2.0.0 Cannot VRFY user")

    async def do_quit(self, _):
        await self.answer("quit", "221 2.0.0 Bye")
        return False


def _shaped(form, code, texts):
    """The octets of a reply in one of the forms."""
    if form == "garbage":
        return b"\x00\xff\xfe{ not a reply }\r\n"
    if form == "code":
        return f"{code}\r\n".encode()
    if form == "multiline":
        texts = ["first of several lines", "", *texts]
    if form in ("long", "overlong"):
        texts = texts[:-1] + [texts[-1].ljust(1900 if form == "long" else 20000, "x")]
    end = "\n" if form == "newline" else "\r\n"
    lines = [f"{code}-{text}{end}" for text in texts[:-1]] + [f"{code} {texts[-1]}{end}"]
    return "".join(lines).encode("utf-8", "surrogateescape")


def _path(argument, keyword):
    """The address in FROM:<…> or TO:<…>, None where there is none, and the parameters behind it."""
    match = PATH.fullmatch(argument)
    if not match or not argument.upper().startswith(keyword):
        return None, ""
    return match[1], match[2] or ""


def _address(text):
    """An address as XCLIENT writes it, or None."""
    try:
        return ipaddress.ip_address(re.sub(r"(?i)\AIPV6:", "", text))
    except ValueError:
        return None

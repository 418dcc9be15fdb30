"""A mail server's side of the milter protocol, version 6: exact packets out and in."""

import re
import socket
import struct

ADD_HEADERS, CHANGE_HEADERS, QUARANTINE, SET_MACROS = 0x01, 0x10, 0x20, 0x100
NO_REPLY_MAIL, NO_REPLY_RCPT, NO_REPLY_BODY = 0x4000, 0x8000, 0x80000
SKIP, LEADING_SPACE = 0x400, 0x100000
# What Postfix 3.7 offers.
ACTIONS = 0x1FF
STEPS = 0x1FFFFF

# Command letter -> the bit that says that no reply comes for it.
WITHOUT_REPLY = {b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"T": 0x10000, b"U": 0x20000,
                 b"L": 0x80, b"N": 0x40000, b"B": 0x80000}


FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")


class Closed(ConnectionError):
    """The milter has closed the connection."""


class Outcome:
    """What the milter says at the end of a message: the last letter, the reply's text, the edits."""

    def __init__(self):
        self.letter = ""
        self.reply = ""
        self.inserted = []  # (index, name, value)
        self.changed = []   # (occurrence from 1, name, value; "" removes)
        self.quarantine = None
        self.progress = 0

    @property
    def is_accepted(self):
        return self.letter in "ac"

    @property
    def code(self):
        """The code of the reply, or what a server makes of a refusal without one."""
        return int(self.reply[:3]) if self.reply else {"r": 550, "t": 451}.get(self.letter, 250)

    def header(self, name):
        """The value that was inserted under that name, or None."""
        return next((value for _, field, value in self.inserted if field == name), None)

    def __repr__(self):
        return f"<{self.letter} {self.reply!r} {self.inserted} {self.changed} {self.quarantine!r}>"


class MilterClient:
    """A connection to a milter at address: (host, port), or the path of a unix socket."""

    def __init__(self, address, actions=ACTIONS, steps=STEPS, timeout=30.0, negotiate=True, version=6):
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(address))
        self._buffer = b""
        self.actions = self.steps = 0
        self.macro_lists = {}
        try:
            if negotiate:
                self.negotiate(actions, steps, version)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, letter, payload=b""):
        """One packet."""
        self.send_octets(packet(letter, payload))

    def send_octets(self, octets):
        self.socket.sendall(octets)

    def receive(self):
        """The next packet: its letter and its payload."""
        while len(self._buffer) < 4 or len(self._buffer) < 4 + struct.unpack(">I", self._buffer[:4])[0]:
            try:
                octets = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError) as error:
                raise Closed(str(error)) from None
            if not octets:
                raise Closed(f"closed; unread: {self._buffer[:80]!r}")
            self._buffer += octets
        length = struct.unpack(">I", self._buffer[:4])[0]
        content, self._buffer = self._buffer[4:4 + length], self._buffer[4 + length:]
        return content[:1], content[1:]

    def negotiate(self, actions=ACTIONS, steps=STEPS, version=6):
        self.send(b"O", struct.pack(">III", version, actions, steps))
        letter, payload = self.receive()
        if letter != b"O":
            raise ValueError(f"no answer to the offer: {letter!r}")
        _, self.actions, self.steps = struct.unpack(">III", payload[:12])
        rest = payload[12:]
        while len(rest) > 4:
            stage = struct.unpack(">I", rest[:4])[0]
            words, _, rest = rest[4:].partition(b"\0")
            self.macro_lists[stage] = words.decode()

    def command(self, letter, payload=b""):
        """A packet, and the reply where one comes: (letter, payload), else None."""
        self.send(letter, payload)
        if WITHOUT_REPLY.get(letter, 0) & self.steps:
            return None
        return self.receive()

    def macros(self, letter, **values):
        """Macros for a command; the names of long ones get their braces."""
        names = {name: name if len(name) == 1 else "{" + name + "}" for name in values}
        text = "".join(f"{names[name]}\0{value}\0" for name, value in values.items())
        self.send(b"D", letter + text.encode("utf-8", "surrogateescape"))

    def connect(self, name="client.example", address="192.0.2.7", port=4321, **macros):
        if macros:
            self.macros(b"C", **macros)
        family = b"6" if ":" in address else b"L" if address.startswith("/") else b"4"
        return self.command(b"C", name.encode() + b"\0" + family + struct.pack(">H", port) + address.encode()
                            + b"\0")

    def connect_unknown(self, name="unknown"):
        return self.command(b"C", name.encode() + b"\0U")

    def helo(self, name="client.example"):
        return self.command(b"H", name.encode() + b"\0")

    def mail(self, sender, *parameters, **macros):
        if macros:
            self.macros(b"M", **macros)
        return self.command(b"M", arguments(f"<{sender}>", *parameters))

    def recipient(self, recipient):
        return self.command(b"R", arguments(f"<{recipient}>"))

    def field(self, name, value):
        return self.command(b"L", name + b"\0" + value + b"\0")

    def header(self, message):
        """All fields of message (CRLF), as a server that keeps leading spaces sends them, and the end."""
        for field in split(message)[0]:
            name, _, value = field.replace(b"\r\n", b"\n").partition(b":")
            self.field(name, value if self.steps & LEADING_SPACE else value.lstrip(b" \t"))
        return self.command(b"N")

    def body(self, octets, size=65535):
        """The body in pieces, until it is skipped; whether it was."""
        for start in range(0, len(octets), size):
            reply = self.command(b"B", octets[start:start + size])
            if reply is not None and reply[0] == b"s":
                return True
            if reply is not None and reply[0] != b"c":
                raise ValueError(f"a body refused: {reply}")
        return False

    def end(self, **macros):
        """The end of the message, and what the milter says to it."""
        if macros:
            self.macros(b"E", **macros)
        self.send(b"E")
        return self.outcome()

    def outcome(self):
        outcome = Outcome()
        while True:
            letter, payload = self.receive()
            words = payload.rstrip(b"\0").decode("utf-8", "surrogateescape")
            if letter == b"i":
                name, value = payload[4:].rstrip(b"\0").decode("utf-8", "surrogateescape").split("\0", 1)
                outcome.inserted.append((struct.unpack(">I", payload[:4])[0], name, value))
            elif letter == b"m":
                name, value = payload[4:-1].decode("utf-8", "surrogateescape").split("\0", 1)
                outcome.changed.append((struct.unpack(">I", payload[:4])[0], name, value))
            elif letter == b"q":
                outcome.quarantine = words
            elif letter == b"p":
                outcome.progress += 1
            else:
                outcome.letter = letter.decode()
                outcome.reply = words if letter == b"y" else ""
                return outcome

    def deliver(self, sender, recipients, message, queue="Q1"):
        """A whole message; the refusal of MAIL, else what is said at the end."""
        reply = self.mail(sender, i=queue)
        if reply is not None and reply[0] != b"c":
            return _refusal(reply)
        for recipient in recipients:
            self.recipient(recipient)
        self.header(message)
        self.body(split(message)[1])
        return self.end(i=queue)

    def abort(self):
        self.send(b"A")

    def quit(self):
        self.send(b"Q")
        self.close()


def _refusal(reply):
    outcome = Outcome()
    outcome.letter = reply[0].decode()
    outcome.reply = reply[1].rstrip(b"\0").decode() if reply[0] == b"y" else ""
    return outcome


def split(message):
    """
    The fields of a message without their last line end, and its body. As in mail servers a first line of a
    mailbox ("From ") is left out, and the body begins at the first line that is neither field nor
    continuation, with or without an empty line before it.
    """
    fields, lines = [], re.sub(rb"\A>?From [^\r\n]*\r\n", b"", message).split(b"\r\n")
    for index, line in enumerate(lines):
        if fields and line[:1] in (b" ", b"\t"):
            fields[-1] += b"\r\n" + line
        elif FIELD.match(line):
            fields.append(line)
        else:
            return fields, b"\r\n".join(lines[index + (line == b""):])
    return fields, b""


def packet(letter, payload=b""):
    """The octets of one packet."""
    return struct.pack(">I", 1 + len(payload)) + letter + payload


def arguments(*words):
    """The payload of MAIL and RCPT."""
    return b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)

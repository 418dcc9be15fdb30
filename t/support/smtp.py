"""An SMTP client for tests: exact octets out and in, pipelining, partial writes, a transcript."""

import re
import socket
import subprocess
import time

REPLY_LINE = re.compile(rb"(\d{3})([ -]?)(.*)", re.DOTALL)
ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)")


class Closed(ConnectionError):
    """The peer has closed the connection."""


class Reply:
    """One reply: its code, the texts of its lines, and its octets as they came."""

    def __init__(self, raw):
        self.raw = raw
        lines = [REPLY_LINE.fullmatch(line) for line in raw.rstrip(b"\r\n").split(b"\r\n")]
        if not all(lines):
            raise ValueError(f"not an SMTP reply: {raw!r}")
        self.code = int(lines[0][1])
        self.lines = [line[3].decode("utf-8", "surrogateescape") for line in lines]

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def enhanced(self):
        """The RFC 3463 code, or None."""
        match = ENHANCED.match(self.lines[-1])
        return match[1] if match else None

    @property
    def is_positive(self):
        return 200 <= self.code < 400

    def __repr__(self):
        return f"<{self.code} {self.text!r}>"


class Pipe:
    """A program that speaks SMTP on its standard input and output, in the place of a connection."""

    def __init__(self, command, environment):
        self.program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=environment, bufsize=0)

    def sendall(self, octets):
        self.program.stdin.write(octets)

    def recv(self, size):
        return self.program.stdout.read(size)

    def settimeout(self, seconds):
        """It does not wait for the network."""

    def close(self):
        self.program.stdin.close()
        self.program.stdout.close()
        self.program.wait(20)


class Client:
    """
    A connection. Waits have a deadline of timeout seconds, then TimeoutError. transcript is a list of
    ("C" or "S", octets); watch, where given, is called with the same two as they happen. pipe takes the place
    of a connection. told is the address that it gives with XCLIENT, for a loopback address tells nothing of
    a sender.
    """

    def __init__(self, port, host="127.0.0.1", source=None, timeout=20.0, greet=True, watch=None, pipe=None,
                 told=None):
        self.timeout = timeout
        self.told = told
        self.transcript = []
        self.watch = watch
        self.capabilities = {}
        self._buffer = b""
        self.socket = pipe or self._connect(host, port, source)
        try:
            self.greeting = self.reply() if greet else None
        except BaseException:
            self.socket.close()
            raise

    def _connect(self, host, port, source):
        connection = socket.create_connection((host, port), self.timeout, (source, 0) if source else None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a TCP reset, as a machine that vanishes does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def shut_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _note(self, side, octets):
        self.transcript.append((side, octets))
        if self.watch:
            self.watch(side, octets)

    def send(self, octets):
        """Exactly these octets."""
        self._note("C", octets)
        self.socket.sendall(octets)

    def send_slowly(self, octets, size=1, pause=0.0):
        """These octets in pieces of size, each a packet of its own as far as TCP allows."""
        self._note("C", octets)
        for start in range(0, len(octets), size):
            self.socket.sendall(octets[start:start + size])
            if pause:
                time.sleep(pause)

    def line(self):
        """The next line with its end; Closed when the peer closes before it."""
        deadline = time.monotonic() + self.timeout
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no whole line in {self.timeout} seconds, only {self._buffer[:200]!r}")
            self.socket.settimeout(left)
            try:
                octets = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError) as error:
                raise Closed(str(error)) from None
            finally:
                self.socket.settimeout(self.timeout)
            if not octets:
                raise Closed(f"closed by the peer; unread: {self._buffer[:200]!r}")
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    def reply(self):
        """The next whole reply."""
        raw = b""
        while True:
            line = self.line()
            raw += line
            if line[3:4] != b"-":
                break
        self._note("S", raw)
        return Reply(raw)

    def command(self, text):
        """Sends one command line and reads its reply."""
        self.send(_octets(text) + b"\r\n")
        return self.reply()

    def pipeline(self, *commands):
        """Sends all command lines in one write and reads a reply for each."""
        self.send(b"".join(_octets(command) + b"\r\n" for command in commands))
        return [self.reply() for _ in commands]

    def ehlo(self, name="client.example"):
        """EHLO; capabilities gets the keywords in capitals, each with its parameters."""
        reply = self.command(f"EHLO {name}")
        if self.told and reply.code == 250:
            told, self.told = self.command(f"XCLIENT ADDR={self.told} NAME=[UNAVAILABLE]"), None
            assert told.code == 220, told.text
            return self.ehlo(name)
        if reply.code == 250:
            words = [line.split() for line in reply.lines[1:] if line.split()]
            self.capabilities = {word[0].upper(): word[1:] for word in words}
        return reply

    def envelope(self, sender, *recipients, mail_parameters=""):
        """MAIL and every RCPT, one after the other; their replies."""
        mail = self.command(f"MAIL FROM:<{sender}>{' ' if mail_parameters else ''}{mail_parameters}")
        return [mail] + [self.command(f"RCPT TO:<{recipient}>") for recipient in recipients]

    def message(self, octets):
        """DATA, the message with its dots doubled, the final dot; the last reply that came."""
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        self.send(stuffed(octets))
        return self.reply()

    def deliver(self, sender, recipients, octets):
        """A whole transaction; the first refusal, else the reply to the final dot."""
        for reply in self.envelope(sender, *recipients):
            if not reply.is_positive:
                return reply
        return self.message(octets)

    def quit(self):
        reply = self.command("QUIT")
        self.close()
        return reply

    def wait_closed(self, seconds=None):
        """Waits for the peer to close and returns what it still sent."""
        self.socket.settimeout(seconds or self.timeout)
        try:
            while octets := self.socket.recv(65536):
                self._buffer += octets
        except (ConnectionResetError, BrokenPipeError):
            pass
        rest, self._buffer = self._buffer, b""
        if rest:
            self._note("S", rest)
        return rest

    def is_silent(self, seconds=0.3):
        """Whether nothing comes, not even a close, for that long."""
        if self._buffer:
            return False
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        except ConnectionResetError:
            pass
        finally:
            self.socket.settimeout(self.timeout)
        return False

    def transcript_text(self):
        return "\n".join(f"{side}: {octets!r}" for side, octets in self.transcript)


def _octets(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def stuffed(message):
    """What goes over the wire for a message: dots doubled, CRLF dot CRLF after it (RFC 5321 4.5.2)."""
    if message and not message.endswith(b"\r\n"):
        raise ValueError("an SMTP message ends with CRLF")
    octets = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if octets.startswith(b".") else b"") + octets + b".\r\n"


def crlf(text):
    """A message written with the newlines of Python, as octets with CRLF."""
    return re.sub(r"\r?\n", "\r\n", text).encode("utf-8", "surrogateescape")

"""
Mail clients under load: threads that deliver messages through a port, try again as a queue would, and know of
every attempt what they were told. support.ledger compares that with what was recorded.
"""

import dataclasses
import enum
import hashlib
import random
import threading
import time

from support import smtp

DOMAIN = "load.example"
SIZES = (300, 1500, 4000, 20000, 90000, 400000)
SIZE_WEIGHTS = (6, 6, 4, 3, 2, 1)
RETRY_SECONDS = 0.1


class Outcome(enum.Enum):
    """What a client knows of an attempt when it is over."""

    ACKNOWLEDGED = "acknowledged"  # 2xx to the final dot
    REFUSED = "refused"            # 4xx or 5xx, at any step
    CUT = "cut"                    # the connection ended before the whole dot was out
    UNKNOWN = "unknown"            # it ended after that, without a reply


@dataclasses.dataclass
class Message:
    """One message, by its id; octets are what has to arrive."""

    identifier: str
    octets: bytes
    infected: bool = False

    def __post_init__(self):
        self.sha256 = hashlib.sha256(self.octets).hexdigest()


@dataclasses.dataclass(eq=False)
class Attempt:
    """One try to deliver a message. Its sender is its own, so that log and recorder tell attempts apart."""

    message: Message
    number: int
    connection: object = None
    step: str = "connect"
    code: int = 0       # of the reply that decided, 0: none came
    text: str = ""
    outcome: Outcome = Outcome.CUT
    hung: bool = False  # the client waited in vain
    mail_taken: bool = False
    answered: int = 0   # recipients that had a reply
    accepted: list = dataclasses.field(default_factory=list)  # recipients that had a 2xx
    began: float = 0.0
    ended: float = 0.0

    @property
    def sender(self):
        return f"{self.message.identifier}.{self.number}@{DOMAIN}"

    def refuse(self, reply):
        self.code, self.text, self.outcome = reply.code, reply.text, Outcome.REFUSED


class Connection:
    """A client's connection, and when it was open."""

    def __init__(self, port, timeout):
        self.began = time.monotonic()
        self.ended = None
        self.client = None
        try:
            self.client = smtp.Client(port, timeout=timeout)
        finally:
            if self.client is None:
                self.close()

    def close(self):
        if self.client is not None:
            self.client.close()
        self.ended = self.ended or time.monotonic()

    def was_open_within(self, span):
        """Whether it was open at any moment of span."""
        return self.began <= span.ended and (self.ended is None or span.began <= self.ended)


def ordinary_message(identifier, chance):
    """A message with dots, octets over 127, empty and long lines, of one of many sizes."""
    size = chance.choices(SIZES, SIZE_WEIGHTS)[0]
    lines = [f"From: <{identifier}@{DOMAIN}>", "To: <bob@example.org>", f"Subject: load {identifier}",
             f"Message-ID: <{identifier}@{DOMAIN}>", f"X-Load-Id: {identifier}", "MIME-Version: 1.0",
             "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", ""]
    body = []
    while sum(map(len, body)) < size:
        line = chance.randbytes(chance.choice((0, 10, 60, 200, 900))).hex()[:chance.choice((40, 72, 998))]
        body.append(chance.choice(("", ".", "..", "ü", "")) + line)
    return Message(identifier, smtp.crlf("\n".join(lines + body + ["."] * chance.choice((0, 1)) + [""])))


class Load:
    """
    clients threads that deliver messages to port until stop(). A message that was neither acknowledged nor
    refused for good is tried again, also after stop(), for settle_seconds at most. make(identifier, chance)
    makes the messages; their number is bounded by most.
    """

    def __init__(self, port, clients=6, most=4000, make=ordinary_message, seed=1, timeout=30.0,
                 settle_seconds=40.0, recipients=3, pause=0.0):
        self.port = port
        self.make = make
        self.timeout = timeout
        self.settle_seconds = settle_seconds
        self.recipients = recipients
        self.pause = pause
        self.seed = seed
        self.messages = []
        self.attempts = []
        self.failures = []  # exceptions that no peer can cause
        self._left = most
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._deadline = None
        self._threads = [threading.Thread(target=self._run, args=(index,), daemon=True)
                         for index in range(clients)]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        """Begins no more messages, waits until all that were begun are settled or time is up."""
        self._deadline = time.monotonic() + self.settle_seconds
        self._ending.set()
        for thread in self._threads:
            thread.join(self.settle_seconds + self.timeout + 10)
            if thread.is_alive():
                self.failures.append(RuntimeError("a client does not end"))
        if self.failures:
            raise self.failures[0]
        return self

    def count(self, outcome):
        """How many attempts ended so."""
        return sum(1 for attempt in list(self.attempts) if attempt.outcome is outcome and attempt.ended)

    def unsettled(self):
        """Messages without a last word, for all the attempts."""
        settled = {id(attempt.message) for attempt in self.attempts if is_settled(attempt)}
        return [message for message in self.messages if id(message) not in settled]

    def _next_message(self, index, chance):
        with self._lock:
            if self._ending.is_set() or self._left == 0:
                return None
            self._left -= 1
            number = len(self.messages) + 1
            message = self.make(f"m{number:05d}c{index}s{self.seed}", chance)
            self.messages.append(message)
            return message

    def _run(self, index):
        try:
            self._deliver_all(index, random.Random(f"{self.seed}/{index}"))
        except Exception as failure:  # pylint: disable=broad-exception-caught
            self.failures.append(failure)

    def _deliver_all(self, index, chance):
        connection = None
        while (message := self._next_message(index, chance)) is not None:
            number = 0
            while True:
                number += 1
                attempt, connection = self._attempt(message, number, connection, chance)
                if is_settled(attempt):
                    break
                if self._deadline is not None and time.monotonic() > self._deadline:
                    break
                time.sleep(RETRY_SECONDS * chance.uniform(0.5, 1.5))
            if connection is not None and chance.random() < 0.3:
                connection = self._leave(connection, chance)
            time.sleep(self.pause)
        if connection is not None:
            self._leave(connection, chance)

    @staticmethod
    def _leave(connection, chance):
        try:
            if chance.random() < 0.8:
                connection.client.command("QUIT")
        except OSError:
            pass
        finally:
            connection.close()

    def _attempt(self, message, number, connection, chance):
        """One attempt on connection, or on a new one; it and the connection, None where that is over."""
        attempt = Attempt(message, number, connection, began=time.monotonic())
        with self._lock:
            self.attempts.append(attempt)
        usable = False
        try:
            if connection is None:
                connection = attempt.connection = Connection(self.port, self.timeout)
                self._greet(attempt)
            if attempt.outcome is not Outcome.REFUSED:
                self._transact(attempt, chance)
            usable = attempt.code != 421 and attempt.code < 500
        except TimeoutError:
            attempt.hung = True
        except OSError:
            pass
        attempt.ended = time.monotonic()
        if not usable and connection is not None:
            connection.close()
        return attempt, connection if usable else None

    def _greet(self, attempt):
        attempt.step = "greeting"
        client = attempt.connection.client
        if not client.greeting.is_positive:
            return attempt.refuse(client.greeting)
        attempt.step = "ehlo"
        if not (reply := client.ehlo("client.example")).is_positive:
            attempt.refuse(reply)

    def _transact(self, attempt, chance):
        client = attempt.connection.client
        recipients = [f"bob{number}@example.org" for number in range(chance.randint(1, self.recipients))]
        reply = self._envelope(attempt, recipients, pipelined=chance.random() < 0.5)
        if reply is None:
            return
        octets = smtp.stuffed(attempt.message.octets)
        half = chance.randrange(len(octets)) if chance.random() < 0.3 else 0
        attempt.step = "body"
        client.send(octets[:half])
        client.send(octets[half:])
        attempt.step = "dot"
        attempt.outcome = Outcome.UNKNOWN
        reply = client.reply()
        attempt.code, attempt.text = reply.code, reply.text
        attempt.outcome = Outcome.ACKNOWLEDGED if reply.code // 100 == 2 else Outcome.REFUSED

    def _envelope(self, attempt, recipients, pipelined):
        """MAIL to DATA; the 354, or None where it came to nothing."""
        client = attempt.connection.client
        commands = [f"MAIL FROM:<{attempt.sender}>", *(f"RCPT TO:<{address}>" for address in recipients),
                    "DATA"]
        if pipelined:
            client.send("".join(f"{command}\r\n" for command in commands).encode())
        refusal = None
        for step, command in zip(["mail"] + ["rcpt"] * len(recipients) + ["data"], commands):
            attempt.step = step
            reply = client.reply() if pipelined else client.command(command)
            if step == "mail":
                attempt.mail_taken = reply.is_positive
            if step == "rcpt":
                attempt.answered += 1
            if step == "rcpt" and reply.is_positive:
                attempt.accepted.append(recipients[attempt.answered - 1])
            elif not reply.is_positive:
                refusal = refusal or reply
            if reply.code == 421 or refusal and not pipelined and step != "rcpt":
                break
        if reply.code == 354:
            return reply
        attempt.refuse(refusal or reply)
        if reply.code != 421:
            client.command("RSET")
        return None


def is_settled(attempt):
    """Whether a queue would now forget the message: acknowledged, or refused for good."""
    return (attempt.outcome is Outcome.ACKNOWLEDGED
            or attempt.outcome is Outcome.REFUSED and attempt.code >= 500)

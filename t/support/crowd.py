"""
Many clients at once: a crowd that does one thing over and over from few or many addresses, and good senders
beside it. All of it on the loopback, bounded in number and time.
"""

import asyncio
import dataclasses
import itertools
import resource
import threading
import time

from support import smtp

GOOD = 20
MESSAGE = smtp.crlf("From: <good@load.example>\nTo: <bob@example.org>\nSubject: good\n\nGood mail\n" * 2)


def allow_many_descriptors():
    """As many as this process may have."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def addresses(count, network=1):
    """So many addresses of the loopback."""
    return [f"127.{network}.{number // 250}.{1 + number % 250}" for number in range(count)]


def told_address(source):
    """The one that a peer at source gives with XCLIENT: a loopback address tells nothing of a sender."""
    return source.replace("127.", "203.", 1)


class Peer:
    """One connection of the crowd, in the crowd's loop; source is its address."""

    def __init__(self, reader, writer, source):
        self.reader = reader
        self.writer = writer
        self.source = source

    async def reply(self):
        """The code of the next reply; ConnectionError where none comes any more."""
        while True:
            line = await self.reader.readline()
            if not line:
                raise ConnectionResetError("closed")
            if line[3:4] != b"-":
                return int(line[:3])

    async def send(self, octets):
        self.writer.write(octets)
        await self.writer.drain()

    async def command(self, text):
        await self.send(text.encode() + b"\r\n")
        return await self.reply()

    async def envelope(self, parameters="", sender="crowd@load.example", told=None):
        """Up to one RCPT; its code. told: the address to give with XCLIENT."""
        await self.reply()
        await self.command("EHLO crowd.example")
        if told and await self.command(f"XCLIENT ADDR={told}") != 220:
            raise ConnectionRefusedError("XCLIENT is not taken")
        if told:
            await self.command("EHLO crowd.example")
        await self.command(f"MAIL FROM:<{sender}>{parameters}")
        return await self.command("RCPT TO:<bob@example.org>")


# What a peer of a crowd does. The pause is between its steps.

async def recipients(peer, pause):
    """One RCPT after the other."""
    await peer.envelope()
    while await peer.command("RCPT TO:<bob@example.org>") != 421:
        await asyncio.sleep(pause)


async def noops(peer, pause):
    """Nothing, while it holds what its RCPT has got it."""
    await peer.envelope()
    while await peer.command("NOOP") != 421:
        await asyncio.sleep(pause)


async def trickle(peer, pause):
    """A message that comes at 2.7 kB a second."""
    await peer.envelope()
    if await peer.command("DATA") != 354:
        return
    await peer.send(b"Subject: slow\r\n\r\n")
    while True:
        await peer.send(b"x" * int(2700 * pause - 2) + b"\r\n")
        await asyncio.sleep(pause)


async def silent_data(peer, pause):
    """DATA for as much as it may declare, and not an octet."""
    await peer.envelope(" SIZE=50000000")
    if await peer.command("DATA") == 354:
        await asyncio.sleep(60)
    await asyncio.sleep(pause)


async def hoard(peer, pause):
    """A megabyte at once, and then no more."""
    await peer.envelope()
    if await peer.command("DATA") == 354:
        await peer.send(b"Subject: much\r\n\r\n" + (b"x" * 998 + b"\r\n") * 1024)
        await asyncio.sleep(60)
    await asyncio.sleep(pause)


async def ahead(peer, pause):
    """All that is taken, without a look at the answers."""
    await peer.envelope()
    for _ in range(100):
        await peer.send(b"RCPT TO:<" + b"b" * 500 + b"@example.org>\r\n" * 100)
    await asyncio.sleep(pause)


async def lame(peer, pause, numbers=itertools.count()):
    """A sender whose SPF record asks for 10 names that no server answers for, in 10 domains."""
    await peer.envelope(sender=f"a@d{next(numbers)}.attack.test", told=told_address(peer.source))
    if await peer.command("DATA") == 354:
        await peer.send(b"Subject: lame\r\n\r\nx\r\n.\r\n")
        await peer.reply()
    await asyncio.sleep(pause)


async def idle(peer, pause):
    """It is there."""
    await peer.reply()
    await peer.command("EHLO crowd.example")
    await peer.reply()
    await asyncio.sleep(pause)


async def silent_sender(peer, _):
    """It is there, with a sender and no recipient."""
    await peer.reply()
    await peer.command("EHLO crowd.example")
    await peer.command("MAIL FROM:<crowd@load.example>")
    await peer.reply()


async def silent_message(peer, _):
    """It is there, with a message of which nothing comes."""
    await peer.envelope()
    await peer.command("DATA")
    await peer.reply()


async def drip(peer, pause):
    """A message that comes octet by octet."""
    await peer.envelope()
    await peer.command("DATA")
    while True:
        await peer.send(b"x")
        await asyncio.sleep(pause)


async def slow_commands(peer, pause):
    """It is there, greeted once, and says something now and then."""
    await peer.reply()
    await peer.command("EHLO crowd.example")
    for _ in range(8):
        await asyncio.sleep(pause)
        await peer.command("RSET")


async def spammer(peer, _, patience=60):
    """It speaks before it is greeted, waits for its answers, but not for ever, and goes at the first no."""
    async def attempt():
        await peer.send(b"EHLO crowd.example\r\n")
        for line in (None, None, "MAIL FROM:<crowd@load.example>", "RCPT TO:<nobody@elsewhere.example>"):
            if (await (peer.command(line) if line else peer.reply())) >= 400:
                return
    try:
        await asyncio.wait_for(attempt(), patience)
    except asyncio.TimeoutError:
        pass


async def deaf(peer, pause):
    """It reads no replies."""
    await peer.send(b"EHLO crowd.example\r\nMAIL FROM:<crowd@load.example>\r\n")
    while True:
        await peer.send(b"RCPT TO:<bob@example.org>\r\n" * 100)
        await asyncio.sleep(pause)


class Crowd:
    """count peers from the addresses of sources in turn, each of which comes again when it is let go."""

    def __init__(self, port, script, sources, count, pause=0.42):
        self.port = port
        self.script = script
        self.sources = sources
        self.count = count
        self.pause = pause
        self.turned_away = 0
        self.connected = 0
        self._began = {}  # of those that are connected: when
        self._held_seconds = 0.0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        self._ready.wait(20)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(20)

    async def _run(self):
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        tasks = [asyncio.create_task(self._peer(number)) for number in range(self.count)]
        await asyncio.sleep(1)
        self._ready.set()
        await self._ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def held_seconds(self):
        """How long they were connected, all together."""
        now = time.monotonic()
        return self._held_seconds + sum(now - began for began in list(self._began.values()))

    async def _peer(self, number):
        source = self.sources[number % len(self.sources)]
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
                self.connected += 1
                self._began[number] = time.monotonic()
                await self.script(Peer(reader, writer, source), self.pause)
            except (OSError, ValueError):
                self.turned_away += 1
            finally:
                if writer is not None:
                    writer.close()
                    self._held_seconds += time.monotonic() - self._began.pop(number, time.monotonic())
            await asyncio.sleep(self.pause)


@dataclasses.dataclass
class Sent:
    """What became of a good sender's message."""

    code: int
    text: str
    seconds: float


def send_good(port, source, message=MESSAGE, told=False):
    """One message from a sender that is in no way slow."""
    began = time.monotonic()
    given = told_address(source) if told else None
    try:
        with smtp.Client(port, source=source, timeout=40, told=given) as client:
            reply = client.greeting
            if reply.is_positive and (reply := client.ehlo()).is_positive:
                reply = client.deliver(f"good@{source}.example", ["bob@example.org"], message)
            return Sent(reply.code, reply.text, time.monotonic() - began)
    except OSError as error:
        return Sent(0, str(error), time.monotonic() - began)


def good_senders(port, count=GOOD, network=9, rounds=1, message=MESSAGE, told=False):
    """
    count senders at once, each from its own address, rounds times; all their Sent. told: each gives another
    address with XCLIENT.
    """
    sent = []

    def run(source):
        for _ in range(rounds):
            sent.append(send_good(port, source, message, told))

    threads = [threading.Thread(target=run, args=(source,)) for source in addresses(count, network)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def percentile(sent, part):
    """The time below which that part of them was."""
    times = sorted(one.seconds for one in sent)
    return times[min(len(times) - 1, int(len(times) * part))]

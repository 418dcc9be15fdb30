"""
The same transcript direct to a mail server and through postern-proxy before it: the classes of the replies
(2xx to 5xx), and where the connection ends, are compared command by command.
"""

import asyncio
import collections
import dataclasses
import re
import ssl

from support.transcripts import shown

REPLY = re.compile(rb"(?:\d{3}-[^\n]*\n)*(\d)\d\d(?: [^\n]*)?\r?\n")
ANSWER_SECONDS, SILENT_SECONDS, READ_OCTETS = 30.0, 1.5, 65536
SOURCES = 200
END, SILENT, NO_REPLY = "end", "silent", "no reply"


class Ended(Exception):
    """The server has closed; or it is silent (then the argument says so)."""


class Talk:
    """One run of a transcript; heard has a list of (class, octets) for each step, and one for the end."""

    def __init__(self, patience):
        self.patience = patience
        self.heard = []
        self._buffer = b""
        self._reader = self._writer = None

    async def run(self, port, source, transcript):
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(source, 0), limit=1 << 20)
        try:
            self.heard.append([])
            await self._hear(1)
            for step in transcript.steps:
                if step.if_asked and self._last_class() != "3":
                    self.heard.append([])
                    continue
                await self._take(step)
            self.heard.append([])
            await self._hear_all()
        except Ended:
            pass
        except (ConnectionError, ssl.SSLError):
            self.heard[-1].append((END, b""))
        finally:
            self._writer.close()
        return self.heard

    def _last_class(self):
        return next((entries[-1][0] for entries in reversed(self.heard) if entries), None)

    async def _take(self, step):
        self.heard.append([])
        if step.unread:
            self._write(step.octets)
            await self._hear_all()
            return
        self._write(step.octets)
        await self._hear(step.replies)
        if step.tls and self._last_class() == "2":
            await self._begin_tls()

    def _write(self, octets):
        self._writer.write(octets)

    async def _begin_tls(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await asyncio.wait_for(self._writer.start_tls(context), ANSWER_SECONDS)
        self.heard[-1].append(("TLS", b""))

    async def _hear(self, replies, seconds=None):
        for _ in range(replies):
            while not (match := REPLY.match(self._buffer)):
                await self._read(seconds or ANSWER_SECONDS)
            self._buffer = self._buffer[match.end():]
            self.heard[-1].append((match[1].decode(), match[0]))

    async def _read(self, seconds):
        try:
            octets = await asyncio.wait_for(self._reader.read(READ_OCTETS), seconds)
        except TimeoutError:
            self.heard[-1].append((SILENT, self._buffer))
            raise Ended from None
        if not octets:
            self.heard[-1].append((NO_REPLY if self._buffer else END, self._buffer))
            raise Ended
        self._buffer += octets

    async def _hear_all(self):
        while True:
            await self._hear(1, SILENT_SECONDS * self.patience)


@dataclasses.dataclass
class Difference:
    """step is the first that differs, 0 the greeting; direct and through are what was heard at it."""

    transcript: object
    step: int
    direct: list
    through: list

    @property
    def command(self):
        if self.step == 0:
            return "(connection)"
        steps = self.transcript.steps
        return "(end)" if self.step > len(steps) else steps[self.step - 1].verb

    @property
    def kind(self):
        return (f"{self.transcript.family}: {self.command}: {classes(self.direct)} direct,"
                f" {classes(self.through)} through")

    def __str__(self):
        steps = self.transcript.steps[:self.step]
        texts = [" ".join(shown(octets, 160) or kind for kind, octets in heard) or "nothing"
                 for heard in (self.direct, self.through)]
        said = " | ".join(shown(step.octets, 90) for step in steps)
        return f"{said}\n      = {texts[0]}\n      + {texts[1]}"


def classes(heard):
    """A list as text: "250"s as 2, with repeats once."""
    kinds = [kind for kind, _ in heard] or ["nothing"]
    return " ".join(kind if count == 1 else f"{kind}×{count}" for kind, count in _runs(kinds))


def _runs(kinds):
    runs = []
    for kind in kinds:
        if runs and runs[-1][0] == kind:
            runs[-1][1] += 1
        else:
            runs.append([kind, 1])
    return runs


def compare(transcript, direct, through):
    """The Difference, or None."""
    for index in range(max(len(direct), len(through))):
        pair = [heard[index] if index < len(heard) else [(END, b"")] for heard in (direct, through)]
        if [kind for kind, _ in pair[0]] != [kind for kind, _ in pair[1]]:
            return Difference(transcript, index, *pair)
    return None


async def _run_pairs(direct, through, transcripts, at_once, patience):
    places = asyncio.Semaphore(at_once)
    sources = collections.deque(f"127.1.0.{number + 1}" for number in range(SOURCES))

    async def pair(transcript):
        async with places:
            source = sources.popleft()
            try:
                heard = await asyncio.gather(Talk(patience).run(direct, source, transcript),
                                             Talk(patience).run(through, source, transcript))
            finally:
                sources.append(source)
        return compare(transcript, *heard)

    found = await asyncio.gather(*(pair(transcript) for transcript in transcripts))
    return [difference for difference in found if difference]


def differences(direct, through, transcripts, at_once=30):
    """
    Those of transcripts between two ports, at_once at a time. What differs is run again with more patience:
    what was chance is none.
    """
    found = asyncio.run(_run_pairs(direct, through, transcripts, at_once, 1))
    again = [difference.transcript for difference in found]
    return asyncio.run(_run_pairs(direct, through, again, max(at_once // 4, 1), 4))

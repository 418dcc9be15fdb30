"""
No harm: a day of a mail server, compressed, in front of it the screen with the settings that the manual
recommends. Wanted senders (single hosts, pools, slow links, list servers, hosts without a name, senders whose
connection breaks within the message and who come again) and 2 % suspects. No wanted message may be refused,
or take more than 2 s beyond the greeting pause and its own slowness; how many suspects were held is printed.
"""

import asyncio
import collections
import os
import random
import sys
import time
import unittest

from support import ports
from support.proxy import ProxyTestCase

MESSAGES = int(os.environ.get("POSTERN_BENCH_MESSAGES", "3000"))
DAY_SECONDS = float(os.environ.get("POSTERN_BENCH_DAY", "60"))
SUSPECT_PATIENCE = 20.0  # seconds that a suspect gives one delivery
PAUSE, HARM_MAX, SUSPECTS = 2.0, 2.0, 0.02
RECOMMENDED = {
    "screen": {"pause": "unknown", "greeting_pause": f"{PAUSE:g}s"},
    "policy": {"checks": "spf", "client_listed": "reject", "client_listed_from": "5", "helo_ours": "reject"},
    "list strong": {"zone": "strong.example", "weight": "5"},
    "list weak": {"zone": "weak.example", "weight": "2"},
    "list friends": {"zone": "friends.example", "allow": "yes"},
}
# Share of all, number of hosts, and what they are like.
WANTED = {
    "single hosts": (0.36, 200, {}),
    "pools": (0.20, 60, {"pool": 20}),
    "slow links": (0.10, 20, {"pause": 0.15}),
    "list servers": (0.10, 5, {"recipients": 15, "unknown": 1}),
    "cut off": (0.04, 20, {"breaks": True}),
    "without a name": (0.08, 20, {"nameless": True}),
    "on a weak list": (0.05, 10, {"listed": "weak"}),
    "literal HELO": (0.05, 10, {"literal": True}),
}


class Server:
    """The mail server behind: takes all but recipients called nobody."""

    async def serve(self, reader, writer):
        with_data = False
        writer.write(b"220 server.example\r\n")
        try:
            while line := await reader.readline():
                word = line[:4].upper()
                if with_data:
                    with_data = line != b".\r\n"
                    if not with_data:
                        writer.write(b"250 2.0.0 Ok\r\n")
                elif word == b"EHLO":
                    writer.write(b"250-server.example\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n"
                                 b"250 XCLIENT NAME ADDR PORT PROTO HELO REVERSE_NAME DESTADDR DESTPORT\r\n")
                elif word == b"XCLI":
                    writer.write(b"220 server.example\r\n")
                elif word == b"DATA":
                    with_data = True
                    writer.write(b"354 go\r\n")
                elif word == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"550 5.1.1 nobody\r\n" if b"<nobody" in line else b"250 2.0.0 Ok\r\n")
        except ConnectionError:
            pass
        writer.close()


class Sender:
    """One host; elapsed is what its deliveries took, without its own pauses."""

    def __init__(self, kind, number, address, traits):
        self.kind, self.number, self.address, self.traits = kind, number, address, traits
        group = number // traits["pool"] if "pool" in traits else number
        self.domain = f"{kind.replace(' ', '-')}-{group}.example".lower()
        self.name = f"mx{number}.{self.domain}"
        self.breaks = False

    async def reply(self):
        while True:
            line = await self.reader.readline()
            if not line:
                return 0
            if line[3:4] != b"-":
                return int(line[:3])

    async def say(self, line):
        pause = self.traits.get("pause", 0)
        if pause:
            await asyncio.sleep(pause)
            self.slept += pause
        self.writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def deliver(self, port):
        """(the last reply's code, seconds without its own)"""
        self.slept, began = 0.0, time.monotonic()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            code = await self.session()
        except ConnectionError:
            code = 0
        self.writer.close()
        return code, time.monotonic() - began - self.slept

    async def session(self):
        self.writer.write(f"PROXY TCP4 {self.address} 192.0.2.1 40000 25\r\n".encode())
        code = await self.reply()
        if code != 220:
            return code
        helo = f"[{self.address}]" if self.traits.get("literal") else self.name
        code = await self.say(f"EHLO {helo}")
        if code != 250:
            return code
        await self.say(f"MAIL FROM:<sender@{self.domain}>")
        wanted, unknown = self.traits.get("recipients", 1), self.traits.get("unknown", 0)
        codes = [await self.say(f"RCPT TO:<{'nobody' if number < unknown else 'user'}{number}@dest.example>")
                 for number in range(wanted)]
        if codes.count(250) != wanted - unknown:
            return next(code for code in codes[unknown:] if code != 250)
        code = await self.say("DATA")
        if code != 354:
            return code
        if self.breaks:
            self.writer.write(b"Subject: no harm\r\n\r\ntext\r\n")
            raise ConnectionAbortedError
        code = await self.say(f"From: sender@{self.domain}\r\nSubject: no harm\r\n\r\n" + "text\r\n" * 40
                              + ".")
        await self.say("QUIT")
        return code


class Suspect(Sender):
    """One of five habits, by its number."""

    HABITS = ("early talker", "harvester", "on a strong list", "our own name", "another's address")

    async def session(self):
        self.writer.write(f"PROXY TCP4 {self.address} 192.0.2.1 40000 25\r\n".encode())
        habit = self.HABITS[self.number % len(self.HABITS)]
        helo = {"our own name": "proxy.example", "another's address": "[192.0.2.200]"}.get(habit, self.name)
        if habit == "early talker":
            self.writer.write(f"EHLO {helo}\r\n".encode())
        code = await self.reply()
        if code != 220:
            return code
        code = await self.reply() if habit == "early talker" else await self.say(f"EHLO {helo}")
        if code != 250:
            return code
        await self.say(f"MAIL FROM:<x@{self.domain}>")
        for number in range(30 if habit == "harvester" else 0):
            if await self.say(f"RCPT TO:<nobody{number}@dest.example>") in (0, 421):
                return 421
        code = await self.say("RCPT TO:<user@dest.example>")
        if code != 250:
            return code
        await self.say("DATA")
        return await self.say("Subject: spam\r\n\r\n" + "spam\r\n" * 40 + ".")


class NoHarmBench(ProxyTestCase):
    def make_senders(self):
        """(kind -> senders, what the DNS says of them)"""
        senders, world, number = {}, [], 0
        for zone in ("strong", "weak", "friends"):
            world.append(f"2.0.0.127.{zone}.example A 127.0.0.2")
        kinds = {kind: (hosts, traits) for kind, (_, hosts, traits) in WANTED.items()}
        kinds["suspects"] = (25, {})
        for kind, (hosts, traits) in kinds.items():
            made = senders[kind] = []
            for host in range(hosts):
                address = f"198.51.{100 + number // 250}.{1 + number % 250}"
                number += 1
                one = (Suspect if kind == "suspects" else Sender)(kind, host, address, traits)
                made.append(one)
                reverse = ".".join(reversed(address.split(".")))
                if not traits.get("nameless"):
                    world += [f"{reverse}.in-addr.arpa PTR {one.name}", f"{one.name} A {address}"]
                if traits.get("listed"):
                    world.append(f"{reverse}.{traits['listed']}.example A 127.0.0.2")
                if kind == "suspects" and host % len(Suspect.HABITS) == 2:
                    world.append(f"{reverse}.strong.example A 127.0.0.2")
            for domain in {one.domain for one in made}:
                world.append(f'{domain} TXT "v=spf1 ip4:198.51.100.0/22 -all"')
        return senders, "\n".join(world) + "\n"

    async def one(self, sender, at, results):
        """A delivery at a second of the day; what is put off is tried again, as mail servers do."""
        await asyncio.sleep(at)
        if isinstance(sender, Suspect):
            try:
                code, _ = await asyncio.wait_for(sender.deliver(self.server.port), SUSPECT_PATIENCE)
            except asyncio.TimeoutError:
                code = -1
            results[sender.kind].append((code, SUSPECT_PATIENCE))
            return
        for attempt in range(4):
            mail = Sender(sender.kind, sender.number, sender.address, sender.traits)
            mail.breaks = attempt == 0 and sender.traits.get("breaks", False)
            code, seconds = await mail.deliver(self.server.port)
            if code == 250 or code >= 500:
                break
            await asyncio.sleep(1 + attempt)
        results[sender.kind].append((code if attempt == 0 or code != 250 else 251, seconds))

    async def day(self, senders):
        chance = random.Random(7)
        results = collections.defaultdict(list)
        server = await asyncio.start_server(Server().serve, "127.0.0.1", self.backend_port, backlog=500)
        kinds = list(WANTED)
        weights = [WANTED[kind][0] for kind in kinds]
        jobs = []
        for _ in range(MESSAGES):
            kind = "suspects" if chance.random() < SUSPECTS else chance.choices(kinds, weights)[0]
            at = min(max(chance.gauss(0.5, 0.2), 0), 1) * DAY_SECONDS  # most mail comes at noon
            jobs.append(self.one(chance.choice(senders[kind]), at, results))
        await asyncio.gather(*jobs)
        server.close()
        return results

    def test_no_harm(self):
        senders, world = self.make_senders()
        self.backend_port = ports.free_port()

        class Behind:
            port = self.backend_port
        self.server = self.proxy(Behind, ready=False, answers=world, **RECOMMENDED,
                                 proxy={"inspect": "yes", "proxy_protocol": "127.0.0.1", "threads": 1,
                                        "recipient_domains": "dest.example", "relay_probe": "no",
                                        "backend_connections": 100})
        self.server.program.wait_for_port(self.server.port)
        results = asyncio.run(self.day(senders))
        missed = []
        for kind in WANTED:
            rows = results[kind]
            refused = sum(code not in (250, 251) for code, _ in rows)
            late = sorted(seconds for _, seconds in rows) or [0.0]
            print(f"{kind:15} {len(rows):5} messages, {refused} refused, {sum(c == 251 for c, _ in rows)} "
                  f"retried; p50 {late[len(late) // 2]:.2f} s, most {late[-1]:.2f} s")
            if not rows or refused or late[-1] > PAUSE + HARM_MAX:
                missed.append(kind)
        suspects = collections.Counter("delivered" if code == 250 else "held" if code == -1 else "refused"
                                       for code, _ in results["suspects"])
        total = sum(suspects.values())
        print(f"suspects        {total:5} messages, {dict(suspects)}: held or refused "
              f"{1 - suspects['delivered'] / max(total, 1):.0%} (in {SUSPECT_PATIENCE:g} s each)")
        sys.stdout.flush()
        self.assertEqual(missed, [], "wanted mail that was harmed")


if __name__ == "__main__":
    unittest.main()

"""
Greylisting by identity: proxy and milter ask who is new to come back, pools of senders pass by their domain,
and what they know outlives restarts and kill -9.
"""

import contextlib
import re
import signal
import sqlite3
import unittest
from pathlib import Path

from support.milter import MilterTestCase
from support.process import wait_until
from support.proxy import TOLD
from support.smtp import Client, crlf

RECIPIENT = "b@example.org"
POOL = [f"192.0.2.{number}" for number in (7, 8, 9)]
ANSWERS = """
pool.example TXT "v=spf1 ip4:192.0.2.0/24 -all"
other.example TXT "v=spf1 ip4:198.51.100.0/24 ?all"
2.0.0.127.friends.example A 127.0.0.2
5.113.0.203.friends.example A 127.0.0.2
"""
MESSAGE = crlf("From: a@pool.example\nSubject: x\n\nx\n")
DELAY = 300
GREYLISTED = re.compile(r"451 4\.7\.1 Greylisted: mail of yours is taken from in (\d+) seconds on")


class GreylistTest(MilterTestCase):
    def groups(self):
        folder = self.subfolder("state")
        folder.chmod(0o777)
        self.file = folder / "greylist"
        return {"greylist": {"file": self.file, "delay": f"{DELAY}s"},
                "policy": {"greylist": "tempfail", "checks": "spf; dkim", "exempt_recipients": "postmaster"}}

    def ask_proxy(self, server, address, sender, recipient=RECIPIENT):
        with Client(server.port, timeout=60) as client:
            client.ehlo("front.example")
            client.command(f"XCLIENT ADDR={address} NAME=[UNAVAILABLE]")
            client.ehlo("client.example")
            client.envelope(sender, recipient)
            reply = client.message(MESSAGE)
            return f"{reply.code} {reply.text}"

    def ask_milter(self, milter, address, sender, recipient=RECIPIENT):
        with milter.client(timeout=60) as client:
            client.connect(name=f"[{address}]", address=address)
            client.helo("client.example")
            client.mail(sender, i="Q1")
            client.recipient(recipient)
            client.header(MESSAGE)
            client.body(b"x\r\n")
            return client.end(i="Q1").reply or "250"

    def age(self, seconds=DELAY):
        """All that is known is so much older."""
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as database, database:
            database.execute("UPDATE entry SET first = first - ?, last = last - ?", (seconds, seconds))

    def judge(self, door, ask, restart):
        """One door: new, too early, restarted, known; then its pool, and who is not of it."""
        self.assertRegex(ask(door, POOL[0], "a@pool.example"), GREYLISTED)
        self.assertRegex(ask(door, "203.0.113.4", "a@other.example"), GREYLISTED)
        again = GREYLISTED.match(ask(door, POOL[1], "b@pool.example"))
        self.assertLessEqual(int(again[1]), DELAY)
        self.assertEqual(ask(door, "203.0.113.4", "a@other.example", "postmaster@example.org")[:3], "250")
        restart(door)
        self.assertRegex(ask(door, POOL[0], "a@pool.example"), GREYLISTED)
        self.age()
        self.assertEqual(ask(door, POOL[2], "a@pool.example")[:3], "250")
        restart(door)
        self.assertEqual(ask(door, POOL[0], "c@pool.example")[:3], "250")
        self.assertEqual(ask(door, "203.0.113.99", "x@other.example")[:3], "250")  # of the network
        self.assertRegex(ask(door, "203.0.114.1", "a@other.example"), GREYLISTED)

    @staticmethod
    def kill(door):
        door.program.kill()
        door.start()

    @staticmethod
    def stop_and_start(door):
        door.stop()
        door.start()

    def test_proxy_over_kill(self):
        server = self.proxy(self.backend(), answers=ANSWERS, proxy={**TOLD, "threads": 2}, **self.groups())
        self.judge(server, self.ask_proxy, self.kill)
        lines = server.closing_lines("message")
        self.assertEqual([line["greylist"] for line in lines][-1], "new")
        self.assertEqual(lines[-1]["check"], "greylist")

    def test_milter_over_restarts(self):
        milter = self.milter(answers=ANSWERS, **self.groups())
        self.judge(milter, self.ask_milter, self.stop_and_start)

    def not_asked(self):
        """The groups with which a list vouches for 203.0.113.5, and the administrator for 203.0.113.6."""
        networks = self.subfolder("table") / "networks"
        networks.parent.chmod(0o755)
        networks.write_text("203.0.113.6 accept\n")
        return {**self.groups(), "clients": {"networks": networks},
                "list friends": {"zone": "friends.example", "allow": "yes"}}

    def test_who_is_not_asked_to_wait(self):
        groups = self.not_asked()
        server = self.proxy(self.backend(), answers=ANSWERS, proxy=TOLD, **groups)
        milter = self.milter(answers=ANSWERS, **groups)
        for door, ask in ((server, self.ask_proxy), (milter, self.ask_milter)):
            for address in ("203.0.113.5", "203.0.113.6"):
                self.assertEqual(ask(door, address, "a@other.example")[:3], "250", address)
            self.assertRegex(ask(door, "203.0.113.7", "a@other.example"), GREYLISTED)
        for recipient in ("postmaster@example.org", RECIPIENT):  # the first makes it one who is known
            self.assertEqual(self.ask_proxy(server, "198.18.7.7", "a@other.example", recipient)[:3], "250")
        self.assertRegex(self.ask_proxy(server, "198.18.7.8", "a@other.example"), GREYLISTED)

    def test_observing(self):
        server = self.proxy(self.backend(), answers=ANSWERS, proxy={**TOLD, "mode": "observe"},
                            **self.groups())
        self.assertEqual(self.ask_proxy(server, "203.0.113.4", "a@other.example")[:3], "250")
        line = server.closing_lines("message")[-1]
        self.assertEqual((line["would"], line["greylist"]), ("tempfail", "new"))
        self.assertRegex(line["would_reply"], GREYLISTED)

    def test_turned_on_by_a_reload(self):
        groups = self.groups()
        policy = {**groups.pop("policy"), "greylist": "accept"}
        groups["policy"] = policy
        server = self.proxy(self.backend(), answers=ANSWERS, proxy={**TOLD, "threads": 2}, **groups)
        milter = self.milter(answers=ANSWERS, **groups)
        new = iter(f"198.18.{number}.4" for number in range(255))
        for door, ask in ((server, self.ask_proxy), (milter, self.ask_milter)):
            self.assertEqual(ask(door, "203.0.113.4", "a@other.example")[:3], "250")
            for action in ("tempfail", "accept", "tempfail"):
                lines = door.log_now().count("was read again")
                door.configure(policy={"greylist": action})
                door.program.send_signal(signal.SIGHUP)
                wait_until(lambda: door.log_now().count("was read again") > lines, what="the reload")
            wait_until(lambda: GREYLISTED.match(ask(door, next(new), "a@other.example")), what="greylisting")

    def test_starts_with_a_file_that_cannot_be_used(self):
        """A damaged one is set aside; a newer version's is left alone, and nobody is greylisted."""
        groups = self.groups()
        doors = ((lambda: self.proxy(self.backend(), answers=ANSWERS, proxy=TOLD, **groups), self.ask_proxy),
                 (lambda: self.milter(answers=ANSWERS, **groups), self.ask_milter))
        for make, ask in doors:
            door = make()
            door.stop()
            damaged = b"SQLite format 3\0" + b"this is no database" * 500
            for path in self.file.parent.glob("greylist-*"):  # which would make up for the damage
                path.unlink()
            self.file.write_bytes(damaged)
            door.start()
            self.assertRegex(ask(door, "203.0.113.4", "a@other.example"), GREYLISTED)
            aside = re.search(r"was damaged: it is kept as (\S+),", door.log_now())[1]
            self.assertEqual(Path(aside).read_bytes(), damaged)
            with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as database:
                database.execute("PRAGMA user_version = 2")
            door.stop()
            door.start()
            self.assertEqual(ask(door, "198.18.0.4", "a@other.example")[:3], "250")
            self.assertRegex(door.log_now(), "a newer version of this program .*nobody is greylisted")
            door.stop()
            self.file.write_text("what somebody needs")
            door.start()
            self.assertEqual(ask(door, "198.18.0.4", "a@other.example")[:3], "250")
            self.assertRegex(door.log_now(), "is no database of SQLite.*nobody is greylisted")
            self.assertEqual(self.file.read_text(), "what somebody needs")
            door.stop()
            self.file.write_bytes(b"")

    def test_one_file_for_both_and_a_store_that_fails(self):
        groups = self.groups()
        server = self.proxy(self.backend(), answers=ANSWERS, proxy={**TOLD, "threads": 1}, **groups)
        milter = self.milter(answers=ANSWERS, **groups)
        self.assertRegex(self.ask_proxy(server, POOL[0], "a@pool.example"), GREYLISTED)
        self.age()
        self.assertEqual(self.ask_milter(milter, POOL[1], "a@pool.example")[:3], "250")
        self.assertEqual(self.ask_proxy(server, POOL[2], "a@pool.example")[:3], "250")
        with open(self.file, "r+b") as file:  # garbage in the place of all that is kept
            file.write(b"SQLite format 3\0".ljust(self.file.stat().st_size, b"x"))
        for _ in range(3):
            self.assertNotEqual(self.ask_proxy(server, "203.0.113.4", "a@other.example")[0], "5")
            self.assertNotEqual(self.ask_milter(milter, "203.0.113.5", "a@other.example")[0], "5")


if __name__ == "__main__":
    unittest.main()

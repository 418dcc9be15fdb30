"""
Attackers of many addresses hold nine tenths of the memory for messages and stall, or trickle: small mail
passes at once, and so does large mail once it is known who is slow: the slowest goes for it.
"""

import re
import threading
import unittest
import urllib.request

from support import ports
from support import proxy as proxies
from support import smtp
from support.process import wait_until

LINE = b"0123456789abcdef" * 4 + b"\r\n"
HEADER = b"Subject: room\r\nFrom: <a@load.example>\r\n\r\n"
SMALL, HALF, LARGE = HEADER + LINE, HEADER + LINE * 8000, HEADER + LINE * 13000
TRICKLE = LINE * 115  # twice a second: enough for HALF in a minute, not for when no room is left
ATTACKERS = 24
MEMORY = 8 << 20


class MemoryAttack(proxies.ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.recorder = self.backend()
        self.http = ports.free_port()
        self.front = self.proxy(self.recorder, proxy={
            "message_size": "1M", "message_memory": MEMORY, "burst_size": "1M", "threads": 2,
            "client_data_timeout": "5m"}, http={"listen": f"127.0.0.1:{self.http}"})
        self.ended = threading.Event()
        self.addCleanup(self.ended.set)

    def client(self, source, parameters=""):
        client = smtp.Client(self.front.port, source=source, timeout=60)
        self.addCleanup(client.close)
        client.ehlo()
        replies = client.envelope("x@load.example", "bob@example.org", mail_parameters=parameters)
        self.assertEqual([reply.code for reply in replies], [250, 250])
        return client

    def attack(self, trickles):
        """Those that were given 354 send half a message each, and not its end."""
        attackers = []
        for number in range(ATTACKERS):
            client = self.client(f"127.2.0.{number + 1}")
            if client.command("DATA").code == 354:
                client.send(HALF)
                attackers.append(client)
        wait_until(lambda: self.used() >= MEMORY * 0.9, 20, "memory that is full")
        if trickles:
            thread = threading.Thread(target=self.trickle, args=(attackers,))
            thread.start()
            self.addCleanup(thread.join)
            self.addCleanup(self.ended.set)

    def trickle(self, attackers):
        while not self.ended.wait(0.5):
            for client in attackers:
                try:
                    client.send(TRICKLE)
                except OSError:
                    pass

    def used(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=10) as page:
            return float(re.search(r"^\w*memory_used_octets\S* (\S+)$", page.read().decode(), re.M)[1])

    def deliver(self, octets, source):
        with smtp.Client(self.front.port, source=source, timeout=60) as client:
            client.ehlo()
            return client.deliver("good@load.example", ["bob@example.org"], octets).code

    def check(self, trickles):
        self.attack(trickles)
        self.assertEqual([self.deliver(SMALL, f"127.4.0.{number + 1}") for number in range(10)], [250] * 10)
        wait_until(lambda: self.deliver(LARGE, "127.4.1.1") == 250, 20, "room for a large message", pause=0.5)
        self.assertGreaterEqual(self.recorder.messages()[-1].octets.count(LINE), 13000)
        lines = self.front.wait_for_closing_lines("session", 1)
        slow = [line for line in lines if line["ended"] in ("too-slow", "no-room")]
        self.assertIn("no-room", [line["ended"] for line in slow])
        self.assertTrue(all(line["client"].startswith("127.2.") for line in slow), slow)

    def test_they_stall(self):
        self.check(trickles=False)

    def test_they_trickle(self):
        self.check(trickles=True)


if __name__ == "__main__":
    unittest.main()

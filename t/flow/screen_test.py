"""What the screen makes of clients: pauses, slow replies, limits by class, DNS lists, and observing."""

import re
import socket
import sys
import time
import unittest

from support.certificates import Certificate
from support import together
from support.proxy import ProxyTestCase
from support.smtp import Client

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
HERE = {"networks": "127.0.0.0/8"}  # nobody on this machine is a suspect but by a class that names it
SLOW = {"pause": "unknown", "greeting_pause": "600ms", "trickle": "20ms", "reply_time": "10s"}
LIAR = b"EHLO [192.0.2.250]\r\n"  # a suspect with NAMED, whenever it comes
NAMED = {**SLOW, "pause": "nobody", "slow_from": "1", "points": "no_name=0"}
LISTS = """
2.0.0.127.bad.example A 127.0.0.2
66.0.0.127.bad.example A 127.0.0.4
67.0.0.127.bad.example A 127.0.0.2
68.0.0.127.bad.example A 127.255.255.254
2.0.0.127.good.example A 127.0.0.2
66.0.0.127.wild.example A 127.0.0.2
2.0.0.127.wild.example A 127.0.0.2
1.0.0.127.wild.example A 127.0.0.2
"""


def load_tests(loader, tests, pattern):
    return together.Suite(tests, 4)


class ScreenTest(ProxyTestCase):
    def serve(self, **groups):
        groups = {"class here": dict(HERE), "screen": {}, **groups}
        groups["proxy"] = {"threads": 1, **groups.get("proxy", {})}
        return self.proxy(self.backend(), **groups)

    def connect(self, server, source):
        one = socket.create_connection(("127.0.0.1", server.port), 30, (source, 0))
        self.addCleanup(one.close)
        return one

    @staticmethod
    def hear(one, end=rb"^\d{3} .*\r\n\Z"):
        """(what was said up to the end of a reply, in how many pieces it came)"""
        text, pieces, deadline = b"", 0, time.monotonic() + 60
        while not re.search(end, text, re.MULTILINE):
            octets = one.recv(4096)
            if not octets:
                raise EOFError(text)
            if time.monotonic() > deadline:
                raise TimeoutError(text)
            text, pieces = text + octets, pieces + 1
        return text.decode(), pieces

    def send(self, server, source, sender=SENDER):
        with Client(server.port, source=source) as client:
            replies = [client.command(line) for line in ("EHLO client.example", f"MAIL FROM:<{sender}>",
                                                         f"RCPT TO:<{RECIPIENT}>", "DATA")]
            if replies[-1].code == 354:
                replies.append(client.command("Subject: x\r\n\r\nx\r\n."))
            return replies

    def test_pause_and_early_talker(self):
        server = self.serve(screen=SLOW)
        patient, hasty = self.connect(server, "127.0.0.20"), self.connect(server, "127.0.0.21")
        for one in (patient, hasty):
            self.assertEqual(self.hear(one, rb"\n\Z")[0], "220-proxy.example ESMTP\r\n")
        began = time.monotonic()
        hasty.sendall(b"EHLO hasty.example\r\n")
        self.assertRegex(self.hear(patient)[0], r"\A220 proxy\.example ESMTP \w+\r\n\Z")
        self.assertGreater(time.monotonic() - began, 0.3)
        patient.sendall(b"NOOP\r\n")
        self.assertEqual(self.hear(patient), ("250 2.0.0 Ok\r\n", 1))
        text, pieces = self.hear(hasty, rb"^250 .*\r\n\Z")  # the session goes on, an octet at a time
        self.assertIn("250-PIPELINING", text)
        self.assertGreater(pieces, 5)
        hasty.sendall(b"QUIT\r\n")
        self.hear(hasty, rb"^221 .*\r\n\Z")
        lines = server.wait_for_closing_lines("suspect", 1)
        self.assertEqual([(line["client"], line["reasons"]) for line in lines],
                         [("127.0.0.21", "early_talker,no_name")])
        # It is remembered, and what is accepted makes good.
        again = self.connect(server, "127.0.0.21")
        self.assertEqual(self.hear(again, rb"\n\Z")[0], "220-proxy.example ESMTP\r\n")
        self.assertGreater(self.hear(again)[1], 5)
        self.assertEqual(self.send(server, "127.0.0.20")[-1].code, 250)
        good = self.connect(server, "127.0.0.20")
        self.assertRegex(self.hear(good)[0], r"\A220 proxy")

    def test_pipelining_before_it_is_offered(self):
        server = self.serve(screen={**SLOW, "pause": "nobody", "points": "no_name=0", "slow_from": 3})
        polite, bold, old = (self.connect(server, f"127.0.0.{number}") for number in (23, 24, 25))
        for one in (polite, bold, old):
            self.hear(one)
        bold.sendall(f"EHLO bold.example\r\nMAIL FROM:<{SENDER}>\r\n".encode())
        old.sendall(f"HELO old.example\r\nMAIL FROM:<{SENDER}>\r\n".encode())
        polite.sendall(b"EHLO polite.example\r\n")
        self.hear(polite, rb"^250 .*\r\n\Z")
        polite.sendall(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\n".encode())
        self.hear(polite, rb"^250 2\.1\.5 .*\r\n\Z")
        for one in (polite, bold, old):
            one.sendall(b"QUIT\r\n")
            self.hear(one, rb"^221 .*\r\n\Z")
        lines = server.wait_for_closing_lines("suspect", 2)
        self.assertEqual({(line["client"], line["reasons"]) for line in lines},
                         {("127.0.0.24", "pipelining"), ("127.0.0.25", "pipelining")})

    def test_many_trickled(self):
        server = self.serve(screen={**SLOW, "pause": "nobody"}, proxy={"max_connections_per_client": 500})
        first = self.connect(server, "127.0.0.30")
        first.sendall(b"EHLO proxy.example\r\n")
        self.hear(first, rb"^250 .*\r\n\Z")
        crowd = [self.connect(server, "127.0.0.30") for _ in range(100)]
        for one in crowd:
            text, pieces = self.hear(one)
            self.assertRegex(text, r"\A220 proxy\.example ESMTP \w+\r\n\Z")
        for one in crowd[:50]:
            one.close()
        for one in crowd[50:]:
            one.sendall(b"QUIT\r\n")
        for one in crowd[50:]:
            self.assertEqual(self.hear(one)[0], "221 2.0.0 Bye\r\n")

    def test_within_tls(self):
        """A suspect that begins TLS is still slowed, and what it says ahead is not lost."""
        own = Certificate(self.folder, "proxy.example")
        server = self.serve(screen={**NAMED, "trickle": "5ms", "reply_time": "2s"},
                            proxy={"tls": "may"}, tls={"certificates": own.certificate, "keys": own.key})
        first = self.connect(server, "127.0.0.31")
        self.hear(first)
        first.sendall(LIAR)
        self.hear(first)
        first.sendall(b"STARTTLS\r\n")
        self.hear(first)
        with own.context().wrap_socket(first, server_hostname="proxy.example") as protected:
            protected.sendall(b"EHLO again\r\n" + (b"NOOP " + b"x" * 90 + b"\r\n") * 50)
            text, pieces = self.hear(protected, rb"(?s)^250 LIMITS.*(^250 2.0.0 Ok\r\n){50}")
            self.assertGreater(pieces, len(text) // 50)

    def test_slowed_go_first(self):
        server = self.serve(screen={**NAMED, "trickle": "2s", "reply_time": "4h"},
                            proxy={"max_connections": 4, "client_timeout": "9h"})
        slowed = [self.connect(server, f"127.0.0.{80 + number}") for number in range(2)]
        for number, one in enumerate(slowed):
            one.sendall(LIAR)
            server.wait_for_closing_lines("suspect", number + 1)  # who is the oldest is certain
        patient = [self.connect(server, f"127.0.0.{90 + number}") for number in range(2)]
        for one in patient:
            self.hear(one)
        for number, suspect in enumerate(slowed):  # the oldest, in the middle of its reply
            self.hear(self.connect(server, f"127.0.0.{95 + number}"))
            self.assertIn("421 4.3.2 ", self.hear(suspect, rb"^421 .*\r\n\Z")[0])
        for one in patient:
            one.sendall(b"NOOP\r\n")
            self.assertEqual(self.hear(one)[0], "250 2.0.0 Ok\r\n")

    def test_throttle(self):
        """Messages are read as fast as the class says; few octets are under way from a suspect."""
        server = self.serve(screen={**SLOW, "pause": "nobody", "trickle": 0, "data_rate": "1K",
                                    "receive_window": "4K"},
                            **{"class slow": {"networks": "127.0.0.70/32", "client_data_rate": "100K"}})
        began = time.monotonic()
        with Client(server.port, source="127.0.0.70") as client:
            client.command("EHLO client.example")
            for _ in range(3):
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], (b"x" * 98 + b"\r\n") * 1000).code, 250)
        self.assertGreater(time.monotonic() - began, 1.2)  # 300 kB, a second's worth of them at once
        self.assertEqual(server.wait_for_closing_lines("session", 1)[0]["throttled"], "client_data_rate")
        suspect = self.connect(server, "127.0.0.71")
        suspect.sendall(b"EHLO proxy.example\r\n")  # our name
        self.hear(suspect, rb"^250 .*\r\n\Z")
        suspect.sendall(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode())
        self.hear(suspect, rb"^354 .*\r\n\Z")
        suspect.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        suspect.settimeout(0.5)
        sent = 0
        with self.assertRaises(TimeoutError):
            while sent < 10 ** 6:
                sent += suspect.send(b"x" * 98 + b"\r\n")
        self.assertLess(sent, 150000)

    def test_limits_and_classes(self):
        server = self.serve(**{
            "class": {"message_rate": 2}, "class close": {"networks": "127.0.0.42", "over_limit": "close"},
            "class partner": {"networks": "127.0.0.43/32", "message_rate": 0},
            "class harvest": {"networks": "127.0.0.44/32", "refused_recipient_rate": 2},
            "class connections": {"networks": "127.0.0.45/32", "connection_rate": 2},
            "screen": {"rate_window": "1h"}})
        for source, code in (("127.0.0.41", 450), ("127.0.0.42", 421)):
            for _ in range(2):
                self.assertEqual(self.send(server, source)[-1].code, 250)
            with Client(server.port, source=source) as client:
                client.command("EHLO client.example")
                reply = client.command(f"MAIL FROM:<{SENDER}>")
            self.assertEqual(reply.code, code)
            self.assertIn("message_rate", str(reply))
        for _ in range(4):
            self.assertEqual(self.send(server, "127.0.0.43")[-1].code, 250)
        for _ in range(2):
            self.connect(server, "127.0.0.45")
        self.assertRegex(self.hear(self.connect(server, "127.0.0.45"))[0],
                         r"421 4\.7\.1 proxy\.example .*connection_rate")

    def test_lists(self):
        lists = {f"list {name}": {"zone": f"{name}.example"} for name in ("bad", "good", "wild")}
        lists["list bad"]["codes"] = "127.0.0.4/31"
        lists["list good"]["allow"] = "yes"
        server = self.serve(answers=LISTS, screen={**SLOW, "pause": "nobody", "slow_from": 3,
                                                   "points": "no_name=0"}, **lists)
        with Client(server.port, source="127.0.0.60") as client:  # the lists are tested
            client.command("NOOP")
        for source in ("127.0.0.66", "127.0.0.67", "127.0.0.68"):
            with Client(server.port, source=source) as client:
                client.command("EHLO client.example")
        sessions = server.wait_for_closing_lines("session", 4)
        self.assertEqual([(line["client"], line.get("suspicion"), line.get("reasons")) for line in sessions],
                         [("127.0.0.60", None, None), ("127.0.0.66", "3", "listed"),
                          ("127.0.0.67", None, None), ("127.0.0.68", None, None)])
        self.assertRegex(server.log_now(), r"warning: \[list wild\] wild\.example: lists everybody or nobody")

    def test_observe(self):
        server = self.serve(screen={**SLOW, "refuse_from": 6, "rate_window": "1h"},
                            proxy={"mode": "observe"}, **{"class": {"message_rate": 1}})
        one = self.connect(server, "127.0.0.50")
        one.sendall(b"EHLO proxy.example\r\n")
        began = time.monotonic()
        self.assertRegex(self.hear(one, rb"^250 .*\r\n\Z")[0], r"\A220 proxy")
        self.assertLess(time.monotonic() - began, 20)
        one.sendall(b"NOOP\r\nQUIT\r\n")
        self.hear(one, rb"^221 .*\r\n\Z")
        line = server.wait_for_closing_lines("suspect", 1)[0]
        self.assertRegex(line["reasons"], "early_talker|helo_ours")
        self.assertEqual(line["would"], "slow")
        line = server.wait_for_closing_lines("session", 1)[0]
        self.assertIn("suspicious", line["would_reply"])
        for _ in range(2):
            self.assertEqual(self.send(server, "127.0.0.51")[-1].code, 250)
        messages = server.wait_for_closing_lines("message", 2)
        self.assertNotIn("would_reply", messages[0])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"])

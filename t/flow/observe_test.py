"""
What each door refuses, by one table: the reply is the same at every door; with mode = observe it passes, and
the log says what would have been done.
"""

import unittest

from support.demo_messages import infected
from support.milter import MilterTestCase
from support.proxy import run_program
from support.smtp import Client, crlf

CLIENT = "198.51.100.9"
ANSWERS = 'silent.example TXT "v=spf1 -all"\n'
SENDER, RECIPIENT = "a@sender.example", "b@example.org"
POLICY = {"spf_fail": "reject", "from_invalid": "reject", "header_ambiguous": "reject", "too_large": "reject"}
MESSAGE = crlf("From: a@sender.example\nSubject: doors\n\nHello.\n")
PLAIN = b"From: a@sender.example\r\n"

# What the verdict refuses: name, sender, message, what the reply begins with.
VERDICTS = (
    ("spf", "x@silent.example", MESSAGE, "550 5.7.23 "),
    ("virus", SENDER, infected(), "550 5.7.1 Message refused: virus found"),
    ("two authors", SENDER, b"From: x@one.example\r\n" + MESSAGE, "550 5.7.1 "),
    ("fields", SENDER, PLAIN + b"A: b\r\n" * 10001 + b"\r\nx\r\n", "552 5.3.4 "),
    ("header", SENDER, PLAIN + b"".join(b"A: " + b"b" * 900 + b"\r\n" for _ in range(1300)) + b"\r\nx\r\n",
     "552 5.3.4 "),
)

# What the proxy alone refuses: name, its options, sender, recipient, octets of the message, reply.
OWN = (
    ("bare LF", {}, SENDER, RECIPIENT, b"A: b\r\n\r\nx\ny\r\n", "550 5.5.2 "),
    ("bare CR", {}, SENDER, RECIPIENT, b"A: b\r\n\r\nx\ry\r\n", "550 5.5.2 "),
    ("bare dot", {}, SENDER, RECIPIENT, b"A: b\r\n\r\nx\n.\nMAIL FROM:<e@x.example>\r\n", "550 5.5.2 "),
    ("NUL", {"refuse_nul": "yes"}, SENDER, RECIPIENT, b"A: b\r\n\r\nx\0y\r\n", "550 5.6.0 "),
    ("long line", {"refuse_long_lines": "yes"}, SENDER, RECIPIENT, b"A: b\r\n\r\n" + b"x" * 999 + b"\r\n",
     "550 5.6.0 "),
    ("comment in MAIL", {}, "a(c)@x.example", RECIPIENT, MESSAGE, "501 5.1.7 "),
    ("comment in RCPT", {}, SENDER, "b(c)@example.org", MESSAGE, "501 5.1.3 "),
)


def words(reply):
    """A reply without the id of the message."""
    return f"{reply.code} {reply.text}".rpartition(" [")[0]


class DoorTestCase(MilterTestCase):
    def start_proxy(self, **options):
        recorder = self.backend()
        server = self.proxy(recorder, answers=ANSWERS, policy=POLICY, virus={"database": self.signatures()},
                            proxy={"inspect": "yes", **options})
        return recorder, server

    def say(self, port, sender, recipient, octets, client_by=None):
        """The reply that decided: the first that is negative, else that to the dot."""
        with Client(port, timeout=90) as client:
            client.ehlo()
            if client_by:
                client.command(f"{client_by} ADDR={CLIENT} NAME=[UNAVAILABLE]")
            if client_by == "XCLIENT":
                client.ehlo()
            for reply in client.envelope(sender, recipient):
                if not reply.is_positive:
                    return reply
            return client.message(octets)


class SameReplyTest(DoorTestCase):
    def setUp(self):
        super().setUp()
        self.said = {}

    def note(self, door, name, reply):
        self.said.setdefault(name, {})[door] = reply

    def ask_filter(self):
        _, server = self.start_proxy(role="before_queue_filter", trusted_clients="127.0.0.1")
        for name, sender, octets, _ in VERDICTS:
            self.note("filter", name, words(self.say(server.port, sender, RECIPIENT, octets, "XFORWARD")))

    def ask_proxy(self):
        _, server = self.start_proxy(trusted_clients="127.0.0.1")
        for name, sender, octets, _ in VERDICTS:
            self.note("proxy", name, words(self.say(server.port, sender, RECIPIENT, octets, "XCLIENT")))
        return server.path

    def ask_milter(self):
        milter = self.milter(answers=ANSWERS, policy=POLICY)
        for name, sender, octets, _ in VERDICTS:
            with milter.client() as client:
                client.connect(address=CLIENT)
                client.helo()
                outcome = client.deliver(sender, [RECIPIENT], octets)
                self.note("milter", name, outcome.reply.rpartition(" [")[0])

    def ask_scan(self, configuration):
        for name, sender, octets, _ in VERDICTS:
            path = self.folder / "message.eml"
            path.write_bytes(octets)
            said = run_program("postern-scan", "--config", configuration, "--client", CLIENT,
                               "--sender", sender, "--recipient", RECIPIENT, path)
            self.note("scan", name, said.stdout.partition("REJECT ")[2].partition("\n")[0])

    def test_the_doors_say_the_same(self):
        path = self.ask_proxy()
        self.ask_filter()
        self.ask_milter()
        self.ask_scan(path)
        for name, _, _, expected in VERDICTS:
            with self.subTest(name):
                self.assertEqual(len(self.said[name]), 4)
                self.assertEqual(len(set(self.said[name].values())), 1, self.said[name])
                self.assertTrue(self.said[name]["proxy"].startswith(expected), self.said[name])


class ObserveTest(DoorTestCase):
    def assert_would(self, line, expected):
        self.assertTrue(line.get("would_reply", "").startswith(expected.rstrip()), line)
        self.assertEqual(line["would"], "reject", line)

    def test_proxy(self):
        recorder, server = self.start_proxy(mode="observe", refuse_nul="yes", refuse_long_lines="yes",
                                            trusted_clients="127.0.0.1")
        rows = [(name, {}, sender, RECIPIENT, octets, said) for name, sender, octets, said in VERDICTS]
        for count, (name, _, sender, recipient, octets, expected) in enumerate([*rows, *OWN], 1):
            with self.subTest(name):
                self.assertEqual(self.say(server.port, sender, recipient, octets, "XCLIENT").code, 250)
                lines = server.wait_for_closing_lines("message", count)
                self.assert_would(lines[-1], expected)
                self.assertEqual(len(recorder.messages()), count)
                if not name.startswith("bare"):
                    self.assertEqual(recorder.messages()[-1].octets, octets)

    def test_what_is_observed_is_refused_otherwise(self):
        for options in ({}, {"refuse_nul": "yes"}, {"refuse_long_lines": "yes"}):
            recorder, server = self.start_proxy(**options)
            for name, needed, sender, recipient, octets, expected in OWN:
                if needed == options:
                    with self.subTest(name):
                        reply = self.say(server.port, sender, recipient, octets)
                        self.assertTrue(f"{reply.code} {reply.text}".startswith(expected), reply)
            self.assertEqual(recorder.messages(), [])

    def test_milter(self):
        milter = self.milter(answers=ANSWERS, policy=POLICY, milter={"mode": "observe"})
        for count, (name, sender, octets, expected) in enumerate(VERDICTS, 1):
            with self.subTest(name), milter.client() as client:
                client.connect(address=CLIENT)
                client.helo()
                outcome = client.deliver(sender, [RECIPIENT], octets)
                self.assertTrue(outcome.is_accepted, outcome)
                self.assertEqual((outcome.inserted, outcome.changed), ([], []))
                self.assert_would(milter.wait_for_closing_lines("message", count)[-1], expected)


if __name__ == "__main__":
    unittest.main()

"""
What mail servers do seldom and a broken one might: aborts and lost connections at every step, commands out
of order, too much of everything, macros that are missing. One message's trouble never is another's.
"""

import os
import stat
import struct
import unittest

from support import milter_messages as mail
from support.milter import HOSTNAME, MilterTestCase
from support.milter_client import (ADD_HEADERS, CHANGE_HEADERS, NO_REPLY_BODY, NO_REPLY_MAIL, SKIP, Closed,
                                   arguments, packet)
from support.milter_messages import CLIENT, EXTERNAL, RECIPIENT
from support.ports import free_port
from support.process import wait_until

SENDER = "a@pass.example"
MEBIBYTE = 1024 * 1024

# A whole message, packet by packet.
STEPS = [packet(b"M", arguments(f"<{SENDER}>")), packet(b"R", arguments(f"<{RECIPIENT}>")),
         packet(b"L", b"From\0 a@pass.example\0"), packet(b"L", b"Subject\0 odd\0"), packet(b"N"),
         packet(b"B", b"Hello.\r\n"), packet(b"B", b"More.\r\n"), packet(b"E")]


class MilterOddTest(MilterTestCase):

    def start(self, **options):
        return self.milter(answers=mail.ANSWERS, **options)

    def connected(self, milter, address=CLIENT, **options):
        client = milter.client(**options)
        self.addCleanup(client.close)
        client.connect(address=address)
        client.helo()
        return client

    def assert_serves(self, client):
        """A virus is found and a clean message passes, on this connection."""
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.INFECTED).code, 550)
        outcome = client.deliver(SENDER, [RECIPIENT], mail.CLEAN)
        self.assertTrue(outcome.is_accepted, outcome)
        self.assertIn("spf=pass", outcome.header("Authentication-Results"))

    def test_abort_at_every_step(self):
        client = self.connected(self.start())
        # Without replies but to MAIL and the body, steps can be sent in one go; their replies are read here.
        for count in range(len(STEPS)):
            with self.subTest(steps=count):
                replies = sum(step[4:5] in (b"M", b"B") for step in STEPS[:count])
                client.send_octets(b"".join(STEPS[:count]) + packet(b"A"))
                self.assertEqual([client.receive()[0] for _ in range(replies)], [b"c"] * replies)
                outcome = client.deliver(SENDER, [RECIPIENT], mail.CLEAN)
                self.assertTrue(outcome.is_accepted, outcome)
        self.assert_serves(client)

    def test_connection_lost_at_every_step(self):
        milter = self.start()
        serving = milter.serving_pid()
        begin = packet(b"C", b"client.example\0004" + struct.pack(">H", 25) + CLIENT.encode() + b"\0")
        octets = begin + b"".join(STEPS)
        for end in [*range(0, len(octets), 7), len(octets)]:
            client = milter.client()
            client.send_octets(octets[:end])
            client.close()
        self.assert_serves(self.connected(milter))
        self.assertEqual(milter.serving_pid(), serving)
        wait_until(lambda: milter.threads() < 20, 30, "threads that end with their sessions")
        # Nothing is under way any more: it ends at once.
        self.assertEqual(milter.stop(), 0)
        self.assertRegex(milter.log(), r"draining: 0 messages")

    def test_commands_out_of_order(self):
        milter = self.start()
        serving = milter.serving_pid()
        letters = [b"M", b"R", b"L", b"N", b"B", b"E", b"A", b"H", b"C", b"T", b"U"]
        payloads = {b"M": STEPS[0][5:], b"R": STEPS[1][5:], b"L": STEPS[2][5:], b"B": b"x", b"H": b"helo\0",
                    b"C": b"x\0U", b"U": b"XYZZY\0"}
        for first in letters:
            for second in letters:
                for third in (b"E", b"B", b"M"):
                    client = milter.client()
                    client.send_octets(b"".join(packet(letter, payloads.get(letter, b""))
                                                for letter in (first, second, third)) + packet(b"Q"))
                    client.close()
        self.assert_serves(self.connected(milter))
        self.assertEqual(milter.serving_pid(), serving)

    def test_malformed_packets(self):
        # Not among them: a macro without a value, which libmilter 8.17.1 itself reads past the end of.
        milter = self.start()
        serving = milter.serving_pid()
        for octets in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1?", b"\0\0\0\1M", b"\0\0\0\2M\0",
                       b"\0\0\0\3Mab", packet(b"C"), packet(b"C", b"name"), packet(b"C", b"name\0"),
                       packet(b"C", b"name\0004"),
                       packet(b"C", b"name\0004\0\0999.1.1.1\0"), packet(b"C", b"name\0006\0\0zz\0"),
                       packet(b"C", b"name\0L\0\0/run/x\0"), packet(b"C", b"name\0?\0\0x\0"),
                       packet(b"D"), packet(b"D", b"M"), packet(b"D", b"Mi"),
                       packet(b"D", b"?x\0y\0"), packet(b"L", b"no value"), packet(b"O", b"short"),
                       packet(b"H", b"\0"), packet(b"Z", b"z")):
            client = milter.client()
            client.send_octets(octets + b"".join(STEPS))
            client.close()
        for octets in (b"", b"\0", packet(b"O"), packet(b"O", b"\0" * 12), b"GET / HTTP/1.0\r\n\r\n"):
            client = milter.client(negotiate=False)
            client.send_octets(octets)
            client.close()
        self.assert_serves(self.connected(milter))
        self.assertEqual(milter.serving_pid(), serving)

    def test_ten_thousand_recipients(self):
        milter = self.start(policy={"exempt_recipients": "abuse", "spf_fail": "reject"})
        client = self.connected(milter, EXTERNAL)
        for count, last, code in ((1000, "abuse", 250), (10000, "abuse", 550), (2, "bob", 550)):
            with self.subTest(count=count, last=last):
                client.mail(SENDER)
                for _ in range(count - 1):
                    client.recipient("abuse@example.org")
                client.recipient(f"{last}@example.org")
                client.header(mail.CLEAN)
                client.body(b"Hello.\r\n")
                outcome = client.end()
                self.assertEqual(outcome.code, code, outcome)
        lines = milter.closing_lines("message")
        self.assertEqual([line["recipients"] for line in lines], ["1000", "10000", "2"])

    def test_empty_messages(self):
        client = self.connected(self.start())
        for octets in (b"\r\n", b"Subject: x\r\n\r\n", b"Subject:\r\n\r\n", b"\r\n\r\n", b"\r\n.\r\n"):
            with self.subTest(octets):
                self.assertTrue(client.deliver(SENDER, [RECIPIENT], octets).is_accepted)
        client.mail("")
        client.recipient(RECIPIENT)
        self.assertTrue(client.end().is_accepted)

    def test_big_headers(self):
        client = self.connected(self.start())
        for size in (65535, 65536, 100 * 1024, MEBIBYTE - 4096):
            with self.subTest(size):
                field = b"X-Big: " + b"x" * size
                outcome = client.deliver(SENDER, [RECIPIENT], field + b"\r\n" + mail.CLEAN)
                self.assertTrue(outcome.is_accepted, outcome)
        many = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(1000))
        self.assertTrue(client.deliver(SENDER, [RECIPIENT], many + mail.CLEAN).is_accepted)
        # Forged fields could stand behind what is looked at: such a message is not taken.
        outcome = client.deliver(SENDER, [RECIPIENT], many * 2 + mail.CLEAN)
        self.assertEqual(outcome.code // 100, 5, outcome)
        self.assert_serves(client)

    def test_forged_fields_of_every_count(self):
        client = self.connected(self.start())
        forged = f"Authentication-Results: {HOSTNAME}; spf=pass\r\n".encode()
        other = b"Authentication-Results: other.example; none\r\n"
        outcome = client.deliver(SENDER, [RECIPIENT], other + forged * 3 + other + forged + mail.CLEAN)
        self.assertEqual([occurrence for occurrence, _, _ in outcome.changed], [6, 4, 3, 2])
        self.assertEqual({value for _, _, value in outcome.changed}, {""})
        self.assertEqual([index for index, _, _ in outcome.inserted], [0])
        outcome = client.deliver(SENDER, [RECIPIENT], forged * 1000 + mail.CLEAN)
        self.assertEqual(outcome.code // 100, 5, outcome)

    def test_too_big_a_message(self):
        milter = self.start(milter={"message_size": "64K"}, policy={"unscannable": "quarantine"})
        big = mail.CLEAN + b"x" * 70 * 1024 + b"\r\n"
        signed = mail.SIGNED + b"x" * 70 * 1024 + b"\r\n"
        infected = mail.INFECTED + b"x" * 70 * 1024 + b"\r\n"
        for steps in (0x1FFFFF, 0x1FFFFF & ~SKIP):
            client = self.connected(milter, steps=steps)
            self.assertEqual(bool(client.steps & NO_REPLY_BODY), not steps & SKIP)
            for octets, code, quarantined in ((big, 250, True), (signed, 250, True), (infected, 550, False)):
                client.mail(SENDER)
                client.recipient(RECIPIENT)
                client.header(octets)
                skipped = client.body(octets.partition(b"\r\n\r\n")[2], size=8192)
                self.assertEqual(skipped, bool(steps & SKIP))
                outcome = client.end()
                self.assertEqual((outcome.code, outcome.quarantine is not None), (code, quarantined), outcome)
                self.assertNotIn("dkim=fail", outcome.header("Authentication-Results") or "")
            self.assert_serves(client)

    def test_memory_is_used_up(self):
        milter = self.start(milter={"message_size": "1M", "message_memory": "1M"})
        first, second = self.connected(milter), self.connected(milter)
        body = b"x" * 900 * 1024 + b"\r\n"
        for client in (first, second):
            client.mail(SENDER)
            client.recipient(RECIPIENT)
            client.header(mail.CLEAN)
        self.assertFalse(first.body(body))
        self.assertTrue(second.body(body))
        outcome = second.end()
        self.assertRegex(outcome.reply, r"^452 4\.3\.1 ")
        self.assertTrue(first.end().is_accepted)
        self.assertTrue(second.deliver(SENDER, [RECIPIENT], mail.CLEAN + body).is_accepted)

    def test_clients_of_all_kinds(self):
        milter = self.start()
        clients = (
            # who, how the message is sent, what SPF says
            (lambda client: client.connect(address=CLIENT), {}, "pass"),
            (lambda client: client.connect(address=EXTERNAL), {}, "refused"),
            (lambda client: client.connect(address="2001:db8::1"), {}, "refused"),
            (lambda client: client.connect(address="IPv6:2001:db8::1"), {}, "refused"),
            (lambda client: client.connect(name="localhost", address="127.0.0.1"), {}, None),
            (lambda client: client.connect(name="localhost", address="::1"), {}, None),
            (lambda client: client.connect(name="localhost", address="/run/socket"), {}, None),
            (lambda client: client.connect(name="localhost", address="/run/socket", client_addr=EXTERNAL), {},
             "refused"),
            (lambda client: client.connect_unknown(), {}, None),
            (lambda client: client.connect_unknown(name=""), {}, None),
            (lambda client: None, {}, None),
            (lambda client: client.connect(address=EXTERNAL), {"auth_authen": "ada", "auth_type": "PLAIN"},
             None),
            (lambda client: client.connect(address=EXTERNAL), {"auth_authen": ""}, "refused"),
            (lambda client: client.connect(address=EXTERNAL), {"auth_type": "PLAIN"}, "refused"),
        )
        for number, (connect, macros, spf) in enumerate(clients):
            with self.subTest(number):
                client = milter.client()
                self.addCleanup(client.close)
                connect(client)
                if number % 2:
                    client.helo()
                client.mail(SENDER, "SIZE=100", **macros)
                client.recipient(RECIPIENT)
                client.header(mail.CLEAN)
                outcome = client.end()
                if spf == "refused":
                    self.assertRegex(outcome.reply, r"^550 5\.7\.23 ")
                else:
                    self.assertTrue(outcome.is_accepted, outcome)
                    results = outcome.header("Authentication-Results") or ""
                    self.assertEqual("spf=pass" in results, spf == "pass")
                client.quit()
        lines = milter.wait_for_closing_lines("message", len(clients))
        self.assertEqual([line.get("login") for line in lines if "login" in line], ["ada"])
        self.assertEqual({line["name"] for line in lines if "name" in line}, {"client.example", "localhost"})

    def test_login_is_of_one_message(self):
        client = self.connected(self.start(), EXTERNAL)
        client.mail(SENDER, auth_authen="ada", i="Q1")
        client.recipient(RECIPIENT)
        client.header(mail.CLEAN)
        self.assertTrue(client.end().is_accepted)
        client.mail(SENDER, i="Q2")
        client.recipient(RECIPIENT)
        client.header(mail.CLEAN)
        self.assertEqual(client.end().code, 550)

    def test_new_client_on_an_old_connection(self):
        client = self.connected(self.start(), EXTERNAL)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 550)
        # libmilter takes "quit, a new client follows" here alone, and ignores it elsewhere.
        client.command(b"U", b"NOOP\0")
        client.send(b"K")
        client.connect(address=CLIENT)
        client.helo()
        self.assert_serves(client)

    def test_servers_with_less(self):
        milter = self.start(policy={"spf_fail": "quarantine", "dkim_fail": "mark"})
        servers = ((ADD_HEADERS | CHANGE_HEADERS, 0, 2), (0x3F, 0x7F, 2), (0x1FF, 0x1FFFFF, 6))
        for actions, steps, version in servers:
            client = self.connected(milter, EXTERNAL, actions=actions, steps=steps, version=version)
            self.assertEqual(client.actions & ~actions, 0)
            self.assertEqual(client.steps & ~steps, 0)
            self.assertEqual(client.steps & NO_REPLY_MAIL, 0)
            outcome = client.deliver(SENDER, [RECIPIENT], mail.CLEAN)
            self.assertTrue(outcome.is_accepted, outcome)
            self.assertRegex(outcome.header("Postern-Quarantine"), r"^ ?spf_fail: ")
            self.assertEqual(outcome.quarantine is not None, bool(actions & 0x20))
            leading = bool(client.steps & 0x100000)
            self.assertEqual(outcome.header("Postern-Quarantine").startswith(" "), leading)
            signed = client.deliver("ada@signed.example", [RECIPIENT], mail.SIGNED)
            self.assertEqual("dkim=pass" in signed.header("Authentication-Results"), leading)
        with self.assertRaises(Closed):
            milter.client(actions=ADD_HEADERS)
        self.assertIn("cannot add and change header fields", milter.log())

    def test_unix_socket(self):
        path = self.subfolder("socket") / "milter.sock"
        milter = self.start(socket=f"unix:{path}", milter={"socket_mode": "0666"})
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o666)
        self.assert_serves(self.connected(milter))
        second = self.milter(ready=False, socket=f"unix:{path}")
        self.assertEqual(second.program.wait(30), 1)
        self.assertIn("Address already in use", second.log())
        self.assert_serves(self.connected(milter))
        os.kill(milter.serving_pid(), 9)
        milter.wait_ready(2)
        self.assert_serves(self.connected(milter))
        self.assertEqual(milter.stop(), 0)
        self.assertFalse(path.exists())

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a socket away")
    def test_unix_socket_has_a_group(self):
        path = self.subfolder("socket") / "milter.sock"
        self.start(socket=f"unix:{path}", milter={"socket_group": "daemon"})
        status = path.stat()
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_gid), (0o660, 1))
        self.assertNotEqual(status.st_uid, 0)

    def test_inet6_socket(self):
        milter = self.start(socket=f"inet6:{free_port('::1')}@::1")
        self.assert_serves(self.connected(milter))

    def test_taken_port(self):
        milter = self.start()
        second = self.milter(ready=False, socket=milter.socket)
        self.assertEqual(second.program.wait(30), 1)
        self.assertIn("Address already in use", second.log())


if __name__ == "__main__":
    unittest.main()

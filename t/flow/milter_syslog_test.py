"""
libmilter writes to the system log by itself. Nothing that a mail server rightly does may make it write there:
whatever was negotiated, a step without a reply gets none, the others get theirs.
"""

import itertools
import os
import sys
import unittest

from support import milter_messages as mail, ports
from support.milter import MilterTestCase, administrator_lines
from support.milter_client import LEADING_SPACE, NO_REPLY_BODY, SKIP, STEPS, WITHOUT_REPLY
from support.milter_messages import CLIENT, RECIPIENT
from support.milter_servers import main_cf
from support.postfix import Postfix
from support.postfix import Unavailable as PostfixUnavailable
from support.process import wait_until
from support.sendmail import Sendmail
from support.sendmail import Unavailable as SendmailUnavailable
from support.smtp import Client
from support.system_log import SystemLog

SENDER = "a@pass.example"
MESSAGES = 1000
NO_DATA, NO_UNKNOWN = 0x200, 0x100
SILENT = sum(WITHOUT_REPLY.values())
MEBIBYTE = 1024 * 1024


class MilterSystemLogTest(MilterTestCase):
    def start(self, **options):
        self.system_log = SystemLog()
        milter = self.milter(answers=mail.ANSWERS, system_log=self.system_log, **options)
        self.addCleanup(self.system_log.close)
        return milter

    def assert_silence(self, milter):
        """Nothing was logged: the first line is the one that is provoked here."""
        client = milter.client(negotiate=False)
        client.send(b"O", b"short")
        with self.assertRaises(ConnectionError):
            client.receive()
        lines = wait_until(self.system_log.lines, what="a line in the system log")
        self.assertRegex(lines[0], "postern-milter: st_optionneg.*too short", lines)

    def test_thousands_of_messages(self):
        milter = self.start()
        client = milter.client()
        self.addCleanup(client.close)
        client.connect(address=CLIENT)
        client.helo()
        for number in range(MESSAGES):
            octets = mail.INFECTED if number % 10 == 0 else mail.CLEAN
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], octets).code, 250 if number % 10 else 550)
        self.assert_silence(milter)

    def try_offer(self, milter, steps, version=6):
        with milter.client(steps=steps, version=version) as client:
            self.assertEqual(client.steps & ~steps, 0)
            client.connect(address=CLIENT)
            client.helo()
            if not client.steps & NO_UNKNOWN:
                client.command(b"U", b"XYZZY\0")
            outcome = client.deliver(SENDER, [RECIPIENT, "c@example.org"], mail.CLEAN)
            self.assertTrue(outcome.is_accepted, (hex(steps), outcome))
            client.mail(SENDER)
            client.recipient(RECIPIENT)
            if not client.steps & NO_DATA:
                client.command(b"T")
            client.header(mail.CLEAN)
            client.body(b"x" * 200000)
            client.abort()
            # The next client comes on the same connection: what was negotiated still holds.
            client.send(b"K")
            client.connect(address=CLIENT)
            client.helo()
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.INFECTED).code, 550)
            client.quit()

    def test_every_combination(self):
        recipients = self.subfolder("tables") / "recipients"
        recipients.write_text("other@example.org strict\n")
        for options in ({}, {"clients": {"recipients": recipients}, "policy strict": {"spf_fail": "reject"}}):
            milter = self.start(**options)
            bits = [*WITHOUT_REPLY.values()]
            for bit in (0, *bits):  # each step's silence is offered alone, and all but it
                for others in (SKIP | LEADING_SPACE, SKIP, LEADING_SPACE, 0):
                    for extra in (NO_DATA | NO_UNKNOWN, 0):
                        self.try_offer(milter, bit | others | extra)
                        self.try_offer(milter, SILENT & ~bit | others | extra)
            self.try_offer(milter, STEPS)
            self.assert_silence(milter)

    def test_body_over_the_limit(self):
        milter = self.start(milter={"message_size": "100K"}, policy={"unscannable": "mark"})
        for steps in (STEPS, STEPS & ~SKIP, STEPS & ~SKIP & ~NO_REPLY_BODY):
            with milter.client(steps=steps) as client:
                client.connect(address=CLIENT)
                client.helo()
                self.assertTrue(client.deliver(SENDER, [RECIPIENT], mail.CLEAN + b"x" * MEBIBYTE).is_accepted)
        self.assert_silence(milter)

    def test_real_servers(self):
        port = ports.free_port()
        parameters = main_cf()
        parameters["smtpd_milters"] = parameters["smtpd_milters"].replace(":8891", f":{port}")
        lines = administrator_lines("sendmail", "postern-milter.m4").replace(":8891@", f":{port}@")
        with Postfix(parameters=parameters) as postfix, Sendmail(lines) as sendmail:
            milter = self.start(socket=f"inet:{port}@127.0.0.1")
            for server, count in itertools.product((postfix, sendmail), (1, 20)):
                with Client(server.port, timeout=60) as client:
                    client.ehlo()
                    client.command("XYZZY")
                    for _ in range(count):
                        client.command("RSET")
                        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
                        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.INFECTED).code, 550)
                        client.envelope(SENDER, RECIPIENT)
            self.assert_silence(milter)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: a /dev of its own needs root")
        sys.exit(77)
    try:
        Postfix().close()
        Sendmail().close()
    except (PostfixUnavailable, SendmailUnavailable) as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

"""
Which policy a message goes by: that of its client's class and of its recipients; refusals at MAIL; the client
that a trusted relay names. Through the protocol, and through real mail servers.
"""

import contextlib
import os
import select
import signal
import sys
import time
import unittest

from support import milter_messages as mail
from support.milter import MilterTestCase
from support.milter_client import NO_REPLY_RCPT
from support.milter_messages import CLIENT, EXTERNAL, RECIPIENT
from support.milter_servers import SENDER, PostfixTestCase, SendmailTestCase
from support.postfix import Postfix, Unavailable
from support.process import wait_until
from support.smtp import Client, crlf

RELAY = "192.0.2.25"
STRICT, LAX = "strict@example.org", "b@example.org"
ALIKE = {STRICT: "a@strict.example.org", LAX: "c@example.org"}
TABLE = f"{STRICT} strict\nstrict.example.org strict\n"
LAX_POLICY = {"spf_fail": "mark", "dkim_fail": "mark"}
STRICT_POLICY = {"spf_fail": "reject", "virus": "reject"}
BY_RELAY = crlf(f"""\
Received: from mail.example ({{name}} [{{address}}])
\tby relay.example (Postfix) with ESMTP id 4XyZ
\tfor <{RECIPIENT}>; Fri, 05 Jun 2026 10:05:00 +0000
From: a@pass.example
To: {RECIPIENT}
Subject: relayed
Message-ID: <relayed@pass.example>
Date: Fri, 05 Jun 2026 10:05:00 +0000

Hello.
""").decode()


def table_for(case):
    """The table of recipients, in a file that the milter can read."""
    folder = case.subfolder("table")
    folder.chmod(0o755)
    path = folder / "recipients"
    path.write_text(TABLE)
    return path


def options_for(case):
    """Two policies, one for the recipients of the table."""
    return {"clients": {"recipients": table_for(case)}, "policy": LAX_POLICY, "policy strict": STRICT_POLICY}


class PolicyTest(MilterTestCase):
    def start(self, **options):
        return self.milter(answers=mail.ANSWERS, **options)

    def connected(self, milter, address=EXTERNAL, **options):
        client = milter.client(**options)
        self.addCleanup(client.close)
        client.connect(address=address)
        client.helo()
        return client

    def end(self, client, octets=mail.CLEAN):
        client.header(octets)
        client.body(octets.partition(b"\r\n\r\n")[2])
        return client.end()

    def test_recipients_with_policies_of_their_own(self):
        milter = self.start(**options_for(self))
        client = self.connected(milter)
        self.assertEqual(client.steps & NO_REPLY_RCPT, 0)
        for first, second, code in ((STRICT, LAX, 550), (LAX, STRICT, 250)):
            with self.subTest(first):
                client.mail(SENDER)
                self.assertEqual(client.recipient(first)[0], b"c")
                letter, text = client.recipient(second)
                self.assertEqual((letter, text[:9]), (b"y", b"452 4.5.3"))
                self.assertRegex(text, rb" \[\w+\]\0$")
                self.assertEqual(client.recipient(ALIKE[first])[0], b"c")
                self.assertEqual(self.end(client).code, code)
        lines = milter.wait_for_closing_lines("message", 2)
        self.assertEqual([line["recipients"] for line in lines], ["2", "2"])

    def test_recipients_with_policies_of_their_own_are_only_observed(self):
        milter = self.start(**options_for(self), milter={"mode": "observe"})
        client = self.connected(milter)
        client.mail(SENDER)
        self.assertEqual([client.recipient(recipient)[0] for recipient in (STRICT, LAX)], [b"c", b"c"])
        self.assertTrue(self.end(client).is_accepted)
        line = milter.wait_for_closing_lines("message", 1)[0]
        self.assertEqual((line["recipients"], line["would"]), ("2", "reject"))

    def test_a_table_that_comes_with_a_reload(self):
        milter = self.start(policy=LAX_POLICY, **{"policy strict": STRICT_POLICY})
        client = self.connected(milter)
        self.assertTrue(client.steps & NO_REPLY_RCPT)
        table = milter.folder / "recipients"
        table.write_text(TABLE)
        milter.configure(clients={"recipients": table})
        milter.program.send_signal(signal.SIGHUP)
        milter.program.wait_for_log("read again")
        # On a connection where RCPT has no reply only the end of the message can say it.
        client.mail(SENDER)
        client.recipient(STRICT)
        client.recipient(LAX)
        self.assertRegex(self.end(client).reply, r"^452 4\.5\.3 ")
        client.mail(SENDER)
        client.recipient(LAX)
        self.assertTrue(self.end(client).is_accepted)
        second = self.connected(milter)
        second.mail(SENDER)
        self.assertEqual([second.recipient(recipient)[0] for recipient in (STRICT, LAX)], [b"c", b"y"])

    def test_a_table_that_is_wrong_changes_nothing(self):
        milter = self.start(**options_for(self))
        path = milter.groups["clients"]["recipients"]
        path.write_text("strict.example.org no-such-policy\n")
        milter.program.send_signal(signal.SIGHUP)
        milter.program.wait_for_log("nothing was changed by the reload.*no-such-policy")
        client = self.connected(milter)
        client.mail(SENDER)
        client.recipient(STRICT)
        self.assertEqual(self.end(client).code, 550)
        # A process that is started anew goes by what was right, too.
        os.kill(milter.serving_pid(), signal.SIGKILL)
        path.write_text(TABLE)
        milter.wait_ready(2)

    def test_own_clients_have_one_policy_for_all_recipients(self):
        options = options_for(self)
        options["clients"]["own_networks"] = f"{EXTERNAL}/32"
        client = self.connected(self.start(**options))
        client.mail(SENDER)
        self.assertEqual([client.recipient(recipient)[0] for recipient in (STRICT, LAX)], [b"c", b"c"])
        self.assertTrue(self.end(client).is_accepted)

    def test_refused_at_mail(self):
        milter = self.start(milter={"refuse_at_mail": "yes"})
        client = self.connected(milter)
        letter, text = client.mail(SENDER, "SIZE=100")
        self.assertEqual((letter, text[:10]), (b"y", b"550 5.7.23"))
        line = milter.wait_for_closing_lines("message", 1)[0]
        self.assertEqual((line["action"], line["check"], line["spf"]), ("reject", "spf_fail", "fail"))
        self.assertIn(line["message"].encode(), text)
        self.assertEqual(client.mail("a@softfail.example")[0], b"c")
        client.recipient(RECIPIENT)
        self.assertTrue(self.end(client).is_accepted)
        self.assertEqual(client.mail(SENDER, auth_authen="ada")[0], b"c")
        client.abort()
        self.assertEqual(client.mail(SENDER, i="Q2")[0], b"y")
        self.assertEqual(self.connected(milter, CLIENT).mail(SENDER)[0], b"c")

    def test_not_refused_at_mail(self):
        for options in ({"policy": {"spf_fail": "mark"}}, {"milter": {"mode": "observe"}},
                        {"policy": {"exempt_recipients": "postmaster"}},
                        {"policy": {"allow_clients": EXTERNAL}}):
            with self.subTest(options):
                milter = self.start(**{**options, "milter": {"refuse_at_mail": "yes",
                                                             **options.get("milter", {})}})
                client = self.connected(milter)
                self.assertEqual(client.mail(SENDER)[0], b"c")
                client.abort()
                self.assertEqual(milter.stop(), 0)

    def test_mail_does_not_wait_for_ever(self):
        milter = self.start(milter={"refuse_at_mail": "yes", "inspection_timeout": "2s"})
        client = self.connected(milter)
        self.assertEqual(client.mail(SENDER)[0], b"y")
        with inspectors_stopped(milter):
            began = time.monotonic()
            self.assertEqual(client.mail(SENDER)[0], b"c")
            waited = time.monotonic() - began
        self.assertGreater(waited, 1.5)
        self.assertLess(waited, 8)
        client.recipient(RECIPIENT)
        self.assertEqual(self.end(client).code, 550)

    def test_slow_external_clients_do_not_take_all_room(self):
        """Who waits at MAIL leaves room to those at the end, and external clients there to our own."""
        milter = self.start(milter={"refuse_at_mail": "yes", "max_waiting": 4,
                                    "inspection_timeout": "15s"})
        external = [self.connected(milter) for _ in range(4)]
        guest, user = self.connected(milter, CLIENT), self.connected(milter, CLIENT)
        with inspectors_stopped(milter):
            for client in external:
                client.send(b"M", b"<a@pass.example>\0")
            # Two wait, two are decided on at the end, and who comes then is not put off.
            others = wait_until(lambda: len(ready := readable(external)) == 2 and ready, 10)
            self.assertEqual([client.receive()[0] for client in others], [b"c", b"c"])
            self.assertEqual(guest.mail(SENDER)[0], b"c")
            others[0].recipient(RECIPIENT)
            others[0].header(mail.CLEAN)
            others[0].send(b"E")
            wait_until(lambda: guest.mail(SENDER)[0] == b"y", 10)
            self.assertEqual(user.mail(SENDER, auth_authen="ada")[0], b"c")
            user.recipient(RECIPIENT)
            user.header(mail.CLEAN)
            user.send(b"E")
        self.assertTrue(user.outcome().is_accepted)

    def test_the_client_of_a_trusted_relay(self):
        milter = self.start(clients={"trusted_relays": RELAY})
        client = self.connected(milter, RELAY)
        for count, (address, code) in enumerate(
                ((CLIENT, 250), (EXTERNAL, 550), ("IPv6:2001:db8::7", 550)), start=1):
            octets = BY_RELAY.format(name="mail.example", address=address).encode()
            outcome = client.deliver(SENDER, [RECIPIENT], octets)
            self.assertEqual(outcome.code, code, outcome)
            line = milter.wait_for_closing_lines("message", count)[-1]
            self.assertEqual((line["class"], line["origin"]), ("trusted_relay", address.replace("IPv6:", "")))
        # Without such a field nobody knows whose SPF it would be.
        outcome = client.deliver(SENDER, [RECIPIENT], mail.CLEAN)
        self.assertTrue(outcome.is_accepted, outcome)
        self.assertEqual(milter.wait_for_closing_lines("message", 4)[-1]["spf"], "not_checked")
        # An external client's word is not taken.
        external = self.connected(milter, EXTERNAL)
        octets = BY_RELAY.format(name="mail.example", address=CLIENT).encode()
        self.assertEqual(external.deliver(SENDER, [RECIPIENT], octets).code, 550)


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def readable(clients):
    """Those that have an answer."""
    ready = select.select([client.socket for client in clients], [], [], 0)[0]
    return [client for client in clients if client.socket in ready]


@contextlib.contextmanager
def inspectors_stopped(milter):
    """No verdict comes meanwhile."""
    pids = [pid for pid in milter.program.processes() if comm(pid).startswith("postern-inspect")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class PostfixPolicyTest(PostfixTestCase):
    def test_refused_at_mail(self):
        milter = self.start_milter(milter={"refuse_at_mail": "yes"})
        client = self.client(EXTERNAL)
        reply = client.envelope(SENDER)[0]
        self.assertEqual((reply.code, reply.enhanced), (550, "5.7.23"), reply)
        self.assertEqual(client.envelope("a@softfail.example")[0].code, 250)
        self.assertEqual(self.client().deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        self.assertEqual(milter.closing_lines("message")[0]["action"], "reject")
        self.assertEqual(self.postfix.queue("hold", "deferred"), [])

    def test_recipients_with_policies_of_their_own(self):
        self.start_milter(**{**options_for(self), "policy": {**LAX_POLICY, "virus": "mark"}})
        client = self.client()
        replies = client.envelope(SENDER, "a@example.org", "b@example.org")
        self.assertEqual([reply.code for reply in replies], [250, 250, 250])
        client.command("RSET")
        replies = client.envelope(SENDER, RECIPIENT, STRICT)
        self.assertEqual([reply.code for reply in replies][:2], [250, 250])
        self.assertEqual((replies[2].code, replies[2].enhanced), (452, "4.5.3"), replies)
        before = len(self.postfix.messages())
        self.assertEqual(client.message(mail.CLEAN).code, 250)
        delivered = self.postfix.wait_for_messages(before + 1)[-1]
        self.assertIn(f"Delivered-To: {RECIPIENT}".encode(), delivered)
        # What was put off is sent separately, by the policy of that recipient.
        self.assertEqual(client.deliver(SENDER, [STRICT], mail.INFECTED).code, 550)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.INFECTED).code, 250)


class SendmailPolicyTest(SendmailTestCase):
    def test_refused_at_mail(self):
        if self.address is None:
            self.skipTest("this machine has no address but those of its loopback interface")
        milter = self.start_milter(milter={"refuse_at_mail": "yes"})
        with Client(self.sendmail.port, self.address, timeout=60) as client:
            client.ehlo()
            reply = client.envelope(SENDER)[0]
            self.assertEqual((reply.code, reply.enhanced), (550, "5.7.23"), reply)
            self.assertEqual(client.deliver("a@softfail.example", [RECIPIENT], mail.CLEAN).code, 250)
        self.assertEqual(len(self.sendmail.take()), 1)
        self.assertEqual(milter.closing_lines("message")[0]["action"], "reject")

    def test_recipients_with_policies_of_their_own(self):
        self.start_milter(**{**options_for(self), "policy": {**LAX_POLICY, "virus": "mark"}})
        with Client(self.sendmail.port, timeout=60) as client:
            client.ehlo()
            replies = client.envelope(SENDER, LAX, STRICT)
            self.assertEqual([reply.code for reply in replies][:2], [250, 250])
            self.assertEqual((replies[2].code, replies[2].enhanced), (452, "4.5.3"), replies)
            self.assertEqual(client.message(mail.CLEAN).code, 250)
            queued = self.sendmail.take()[0]
            self.assertIn(LAX, queued.text)
            self.assertNotIn(STRICT, queued.text)
            self.assertEqual(client.deliver(SENDER, [STRICT], mail.INFECTED).code, 550)
            self.assertEqual(client.deliver(SENDER, [LAX], mail.INFECTED).code, 250)


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

"""Verdicts of postern-milter through a real Postfix, with the lines for main.cf that administrators get."""

import os
import re
import signal
import sys
import time
import unittest

from support import milter_messages as mail
from support.load import Load, Outcome, ordinary_message
from support.milter import HOSTNAME
from support.milter_messages import CLIENT, EXTERNAL, RECIPIENT
from support.milter_servers import SENDER, PostfixTestCase, main_cf, message_of
from support.postfix import Postfix, Unavailable, without_trace
from support.process import wait_until
from support.proxy import run_program
from support.smtp import Client


class PostfixMilterTest(PostfixTestCase):
    def assert_refused(self, reply, code, enhanced, log):
        self.assertEqual((reply.code, reply.enhanced), (code, enhanced), reply)
        self.assertRegex(reply.text, rf"\[{log['message']}\]$")

    def test_lines_fit_the_default_configuration(self):
        dump = run_program("postern-milter", "--dump-config").stdout
        socket = re.search(r"^socket\s*=\s*inet:(\d+)@(\S+)$", dump, re.MULTILINE)
        self.assertEqual(main_cf()["smtpd_milters"], f"inet:{socket[2]}:{socket[1]}")

    def test_verdicts(self):
        milter = self.start_milter()
        clean = self.arrived(mail.CLEAN)
        self.assertIn(f"Authentication-Results: {HOSTNAME};\n\tspf=pass".encode(), clean)
        self.assertEqual(clean.count(b"Authentication-Results:"), 1)
        signed = self.arrived(mail.SIGNED, sender="ada@signed.example")
        self.assertIn(b"dkim=pass header.d=signed.example", signed)
        for octets, sender, address, code, enhanced in (
                (mail.INFECTED, "a@pass.example", CLIENT, 550, "5.7.1"),
                (mail.PLAINLY_INFECTED, "a@pass.example", CLIENT, 550, "5.7.1"),
                (mail.CLEAN, "a@pass.example", EXTERNAL, 550, "5.7.23"),
                (mail.CLEAN, "a@pass.example", "2001:db8::9", 550, "5.7.23"),
                (mail.BROKEN, "ada@signed.example", CLIENT, 550, "5.7.20"),
                (mail.BROKEN_HEADER, "ada@signed.example", CLIENT, 550, "5.7.20")):
            count = len(milter.closing_lines("message"))
            reply = self.deliver(octets, sender=sender, address=address)
            line = milter.wait_for_closing_lines("message", count + 1)[-1]
            self.assert_refused(reply, code, enhanced, line)
            self.assertRegex(line["queue"], r"^[0-9A-F]{6,}$")
            self.assertEqual(line["client"], address)
        self.assertEqual(self.postfix.queue("hold", "active", "incoming"), [])

    def test_a_client_that_never_greets(self):
        table = self.subfolder("table") / "networks"
        table.parent.chmod(0o755)
        table.write_text(f"{EXTERNAL} reject No mail from you\n")
        self.start_milter(clients={"networks": table, "refuse_at": "helo"},
                          policy={"exempt_recipients": "", "checks": "spf"})
        for address, refused in ((EXTERNAL, True), (CLIENT, False)):
            with Client(self.postfix.port, timeout=60) as client:
                client.ehlo()
                client.command(f"XCLIENT NAME=[UNAVAILABLE] ADDR={address} PROTO=SMTP")
                lines = f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>"
                replies = [client.command(line) for line in lines]
            self.assertEqual("No mail from you" in f"{replies[0]} {replies[1]}", refused, replies)
            self.assertEqual(replies[1].code == 250, not refused)

    def test_name_is_that_of_the_server(self):
        self.start_milter(milter={"hostname": ""}, proxy={"hostname": ""})
        arrived = self.arrived(mail.FORGED.replace(b"mx.example.org", b"postfix.example"))
        self.assertIn(b"Authentication-Results: postfix.example;\n\tspf=pass", arrived)
        self.assertEqual(arrived.lower().count(b"postfix.example;"), 1, arrived)

    def test_one_connection_goes_on_after_each_verdict(self):
        self.start_milter()
        client = self.client()
        before = len(self.postfix.messages())
        codes = [client.deliver("a@pass.example", [RECIPIENT], octets).code
                 for octets in (mail.CLEAN, mail.INFECTED, mail.CLEAN, mail.PLAINLY_INFECTED, mail.CLEAN)]
        self.assertEqual(codes, [250, 550, 250, 550, 250])
        client.envelope("a@pass.example", RECIPIENT)
        client.command("RSET")
        self.assertEqual(client.deliver("a@pass.example", [RECIPIENT], mail.CLEAN).code, 250)
        self.postfix.wait_for_messages(before + 4)

    def test_temporary_errors(self):
        self.start_milter(policy={"spf_error": "tempfail"})
        reply = self.deliver(mail.CLEAN, sender="a@temperror.example")
        self.assertEqual((reply.code, reply.enhanced), (451, "4.7.24"), reply)

    def test_percent_signs_and_strange_senders(self):
        self.start_milter()
        reply = self.deliver(mail.CLEAN, sender="100%d%s%n@pass.example", address=EXTERNAL)
        self.assertEqual(reply.code, 550, reply)
        self.assertEqual(self.deliver(mail.CLEAN, sender="").code, 250)

    def test_forged_results_are_removed(self):
        self.start_milter()
        delivered = self.arrived(mail.FORGED)
        self.assertEqual(message_of(delivered), mail.UNFORGED.replace(b"\r\n", b"\n"))
        self.assertNotIn(b"forged.example", delivered)
        ours = re.findall(rb"(?im)^authentication-results:[^\n]*mx\.example\.org", delivered)
        self.assertEqual(len(ours), 1)
        above = delivered.index(b"spf=pass smtp.mailfrom=a@pass.example")
        self.assertLess(above, delivered.index(b"kept.example"))

    def test_quarantine_holds_the_message(self):
        milter = self.start_milter(policy={"spf_fail": "quarantine"})
        reply = self.deliver(mail.CLEAN, address=EXTERNAL)
        self.assertEqual(reply.code, 250, reply)
        held = self.postfix.queue("hold")
        self.assertEqual(len(held), 1)
        self.assertEqual(milter.closing_lines("message")[-1]["queue"], held[0])
        header = self.postfix.run("postcat", "-h", "-q", held[0])
        self.assertRegex(header, r"(?m)^Postern-Quarantine: spf_fail: ")
        self.assertIn("spf=fail", header)
        self.postfix.run("postsuper", "-d", "ALL")

    def test_discard_drops_in_silence(self):
        milter = self.start_milter(policy={"virus": "discard"})
        before = len(self.postfix.messages())
        self.assertEqual(self.deliver(mail.INFECTED).code, 250)
        self.assertEqual(milter.wait_for_closing_lines("message", 1)[-1]["action"], "discard")
        self.arrived(mail.CLEAN)
        self.assertEqual(len(self.postfix.messages()), before + 1)

    def test_observe_changes_nothing(self):
        milter = self.start_milter(milter={"mode": "observe"})
        for octets in (mail.INFECTED, mail.FORGED, mail.BROKEN):
            delivered = self.arrived(octets, address=EXTERNAL)
            self.assertEqual(without_trace(delivered), octets)
        self.assertEqual([line["would"] for line in milter.closing_lines("message")], ["reject"] * 3)

    def test_messages_stay_as_they_are(self):
        self.start_milter(policy={"dkim_fail": "mark"})
        for name, octets in mail.SHAPES.items():
            with self.subTest(name):
                through = self.arrived(octets)
                before = len(self.postfix.messages())
                bare = self.client(port=self.bare_port)
                self.assertEqual(bare.deliver("a@pass.example", [RECIPIENT], octets).code, 250)
                directly = self.postfix.wait_for_messages(before + 1)[-1]
                self.assertEqual(message_of(through), message_of(directly))
                self.assertIn(f"\nAuthentication-Results: {HOSTNAME};".encode(), through)

    def test_nothing_is_accepted_while_the_milter_is_away(self):
        milter = self.start_milter()
        milter.stop()
        with Client(self.postfix.port) as client:
            client.ehlo()
            replies = [client.greeting, *client.envelope("a@pass.example", RECIPIENT)]
            self.assertTrue(any(400 <= reply.code < 500 for reply in replies), replies)

    def test_kills_under_load(self):
        milter = self.start_milter(policy={"spf_fail": "mark", "dkim_fail": "mark"})
        before = len(self.postfix.messages())
        serving = 1
        with Load(self.postfix.port, clients=5, make=message_with_viruses, settle_seconds=90) as load:
            for number in range(6):
                wanted = load.count(Outcome.ACKNOWLEDGED) + 10
                wait_until(lambda: load.count(Outcome.ACKNOWLEDGED) >= wanted, 60, "ten messages more")
                if number == 3:
                    milter.program.kill()
                    milter.program = None
                    time.sleep(0.5)
                    milter.start()
                    serving = 1
                    continue
                os.kill(milter.serving_pid(), signal.SIGKILL)
                serving += 1
                milter.wait_ready(serving)
        infected = {message.identifier for message in load.messages if message.infected}
        acknowledged = {attempt.message.identifier for attempt in load.attempts
                        if attempt.outcome is Outcome.ACKNOWLEDGED}
        delivered = self.postfix.wait_for_messages(before + load.count(Outcome.ACKNOWLEDGED), 60)[before:]
        arrived = [re.search(rb"X-Load-Id: (\w+)", message)[1].decode() for message in delivered]
        print(f"killed: {len(load.messages)} messages, {len(infected)} infected, {len(acknowledged)}"
              f" acknowledged, {load.count(Outcome.REFUSED)} refusals, {len(delivered)} delivered",
              flush=True)
        self.assertEqual(acknowledged & infected, set())
        self.assertEqual(acknowledged - set(arrived), set())
        self.assertEqual(infected & set(arrived), set())
        self.assertEqual([name for name, message in zip(arrived, delivered)
                          if f"Authentication-Results: {HOSTNAME};".encode() not in message], [])
        self.assertEqual([message.identifier for message in load.unsettled()], [])


def message_with_viruses(identifier, chance):
    """One in five is infected."""
    message = ordinary_message(identifier, chance)
    if chance.random() < 0.2:
        octets = mail.INFECTED.replace(b"Subject: ", f"X-Load-Id: {identifier}\r\nSubject: ".encode(), 1)
        return type(message)(identifier, octets, infected=True)
    return message


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

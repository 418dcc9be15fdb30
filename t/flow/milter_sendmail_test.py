"""Verdicts of postern-milter through a real Sendmail, with the lines that administrators get."""

import re
import sys
import unittest

from support import milter_messages as mail, outcome
from support.milter import HOSTNAME, administrator_lines
from support.milter_messages import RECIPIENT
from support.milter_servers import SENDER, SendmailTestCase, comparable
from support.process import wait_until
from support.proxy import run_program
from support.sendmail import Sendmail, Unavailable
from support.smtp import Client

RESULTS = "Authentication-Results"


class SendmailMilterTest(SendmailTestCase):
    def test_lines_fit_the_default_configuration(self):
        dump = run_program("postern-milter", "--dump-config").stdout
        place = re.search(r"^socket\s*=\s*(inet:\S+)$", dump, re.MULTILINE)[1]
        self.assertIn(f"`S={place}, F=T, ", administrator_lines("sendmail", "postern-milter.m4"))

    def test_verdicts(self):
        milter = self.start_milter()
        clean = self.queued(mail.CLEAN)
        self.assertEqual(sum(field.startswith(f"{RESULTS}: {HOSTNAME};") for field in clean.fields), 1)
        line = milter.wait_for_closing_lines("message", 1)[0]
        self.assertEqual((line["queue"], line["client"]), (clean.identifier, "127.0.0.1"))
        self.assertEqual(line["spf"], "not_checked")
        signed = self.queued(mail.SIGNED, sender="ada@signed.example")
        self.assertIn("dkim=pass header.d=signed.example", "\n".join(signed.fields))
        for octets, enhanced in ((mail.INFECTED, "5.7.1"), (mail.PLAINLY_INFECTED, "5.7.1"),
                                 (mail.BROKEN, "5.7.20"), (mail.BROKEN_HEADER, "5.7.20")):
            count = len(milter.closing_lines("message"))
            reply = self.deliver(octets)
            self.assertEqual((reply.code, reply.enhanced), (550, enhanced), reply)
            line = milter.wait_for_closing_lines("message", count + 1)[-1]
            self.assertRegex(reply.text, rf"\[{line['message']}\]$")
        self.assertEqual(self.sendmail.queued(), [])

    def test_name_is_that_of_the_server(self):
        self.start_milter(milter={"hostname": ""}, proxy={"hostname": ""})
        queued = self.queued(mail.FORGED.replace(b"mx.example.org", b"sendmail.example"))
        results = [field for field in queued.fields if "sendmail.example" in field and
                   field.lower().startswith("authentication-results")]
        self.assertEqual(len(results), 1, queued.fields)
        self.assertTrue(results[0].startswith(f"{RESULTS}: sendmail.example;"), results)

    def test_a_client_that_never_greets(self):
        if self.address is None:
            self.skipTest("this machine has no address but those of its loopback interface")
        table = self.subfolder("table") / "networks"
        table.parent.chmod(0o755)
        table.write_text(f"{self.address} reject No mail from you\n")
        self.start_milter(clients={"networks": table, "refuse_at": "helo", "own_networks": ""},
                          policy={"exempt_recipients": "", "checks": "spf"})
        for host, refused in ((self.address, True), ("127.0.0.1", False)):
            with Client(self.sendmail.port, host, timeout=60) as client:
                reply = client.command(f"MAIL FROM:<{SENDER}>")
            self.assertEqual(reply.code, 550 if refused else 250)
            self.assertEqual("No mail from you" in reply.text, refused)

    def test_external_clients(self):
        if self.address is None:
            self.skipTest("this machine has no address but those of its loopback interface")
        self.start_milter(f'mine.example TXT "v=spf1 ip4:{self.address} -all"\n')
        reply = self.deliver(mail.CLEAN, host=self.address)
        self.assertEqual((reply.code, reply.enhanced), (550, "5.7.23"), reply)
        self.assertIn(f"{self.address} is not allowed", reply.text)
        passed = self.queued(mail.CLEAN, sender="a@mine.example", host=self.address)
        self.assertIn("spf=pass", "\n".join(passed.fields))
        reply = self.deliver(mail.CLEAN, sender="100%d%s%n@pass.example", host=self.address)
        self.assertEqual(reply.code, 550, reply)

    def test_one_connection_goes_on_after_each_verdict(self):
        self.start_milter()
        with Client(self.sendmail.port, timeout=60) as client:
            client.ehlo()
            codes = [client.deliver(SENDER, [RECIPIENT], octets).code
                     for octets in (mail.CLEAN, mail.INFECTED, mail.CLEAN, mail.PLAINLY_INFECTED, mail.CLEAN)]
            self.assertEqual(codes, [250, 550, 250, 550, 250])
            client.envelope(SENDER, RECIPIENT)
            client.command("RSET")
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        self.assertEqual(len(self.sendmail.take(4)), 4)

    def test_forged_results_are_removed(self):
        self.start_milter()
        queued = self.queued(mail.FORGED)
        plain = self.queued(mail.UNFORGED, server=self.bare)
        results = [field for field in queued.fields if HOSTNAME in field.lower()]
        self.assertEqual(len(results), 1)
        self.assertEqual(comparable(queued.without(RESULTS)), comparable(plain.fields))
        self.assertLess(queued.fields.index(results[0]),
                        next(number for number, field in enumerate(queued.fields) if "kept.example" in field))

    def test_quarantine_holds_the_message(self):
        self.start_milter(policy={"virus": "quarantine"})
        held = self.queued(mail.INFECTED)
        self.assertRegex(held.quarantine, r"^postern: virus: .*Eicar.* \[\w+\]$")
        self.assertTrue(any(field.startswith("Postern-Quarantine: virus: ") for field in held.fields))
        self.assertIsNone(self.queued(mail.CLEAN).quarantine)

    def test_what_is_held_is_listed_and_released(self):
        """As postern-sendmail(7) says."""
        self.start_milter(policy={"virus": "quarantine"})
        self.assertEqual(self.deliver(mail.INFECTED).code, 250)
        held = wait_until(lambda: list(self.sendmail.queue_folder.glob("hf*")), 20, "a message that is held")
        self.assertIn("postern: virus: ", self.sendmail.run("-bp", "-qQ"))
        self.sendmail.run("-Q", "-qQ", f"-qI{held[0].name[2:]}")
        self.assertEqual([message.quarantine for message in self.sendmail.queued()], [None])

    def test_discard_drops_in_silence(self):
        self.start_milter(policy={"virus": "discard"})
        self.assertEqual(self.deliver(mail.INFECTED).code, 250)
        self.assertEqual(self.sendmail.queued(), [])

    def test_observe_changes_nothing(self):
        milter = self.start_milter(milter={"mode": "observe"})
        for octets in (mail.INFECTED, mail.FORGED, mail.BROKEN):
            self.assert_same(self.queued(octets), self.queued(octets, server=self.bare))
        lines = [line for line in milter.closing_lines("message") if line.get("would")]
        self.assertEqual([line["would"] for line in lines], ["reject"] * 2)

    def assert_same(self, queued, plain):
        self.assertEqual(comparable(queued.fields), comparable(plain.fields))
        self.assertEqual(queued.body, plain.body)

    def test_messages_stay_as_they_are(self):
        self.start_milter(policy={"dkim_fail": "mark"})
        for name, octets in mail.SHAPES.items():
            with self.subTest(name):
                queued, plain = self.queued(octets), self.queued(octets, server=self.bare)
                self.assertEqual(comparable(queued.without(RESULTS)), comparable(plain.fields))
                self.assertEqual(queued.body, plain.body)

    def test_nothing_is_accepted_while_the_milter_is_away(self):
        self.start_milter().stop()
        with Client(self.sendmail.port, timeout=60, greet=False) as client:
            replies = [client.reply()]
            if replies[0].code == 220:
                client.ehlo()
                replies += client.envelope(SENDER, RECIPIENT)
            self.assertTrue(any(400 <= reply.code < 500 for reply in replies), replies)
        self.assertEqual(self.sendmail.queued(), [])


if __name__ == "__main__":
    try:
        Sendmail().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    outcome.main()

"""
DMARC failure reports (RFC 9991): messages through proxy and milter that fail, and the mails that
postern-report makes of them.
"""

import email
import unittest

from support.process import wait_until
from support.proxy import run_program
from support.report import EX_TEMPFAIL, OTHER, SIGNER, ReportTestCase, message

ANSWERS = """
own.example TXT "v=spf1 ip4:192.0.2.7 -all"
_dmarc.own.example TXT "v=DMARC1; p=reject; ruf=mailto:f@own.example,mailto:x@far.example; fo=1"
own.example._report._dmarc.far.example TXT "v=DMARC1"
_dmarc.denied.example TXT "v=DMARC1; p=none; ruf=mailto:a@victim.example"
_dmarc.moved.example TXT "v=DMARC1; p=none; ruf=mailto:a@far.example"
moved.example._report._dmarc.far.example TXT "v=DMARC1; ruf=mailto:new@far.example"
_dmarc.silent.example TXT "v=DMARC1; p=none; rua=mailto:a@silent.example"
""" + SIGNER.record()


class FailureTest(ReportTestCase):
    answers = ANSWERS

    def setUp(self):
        super().setUp()
        self.configure(report={"dmarc": "no", "failures": "yes", "failure_rate": 3})

    def wait_for_failures(self, incidents):
        wait_until(lambda: self.select("SELECT total(incidents) FROM failure")[0][0] >= incidents,
                   what=f"{incidents} incidents in the store")

    def failures(self, *arguments, status=0):
        result = run_program("postern-report", "failures", "--config", self.configuration, *arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertNotIn("Sanitizer", result.stderr)
        return result.stdout

    def open_report(self, octets):
        """The mail of a report, its fields, and the header that it tells of."""
        mail = email.message_from_bytes(octets)
        self.assertEqual(mail.get_content_type(), "multipart/report")
        self.assertEqual(mail.get_param("report-type"), "feedback-report")
        text, fields, header = mail.get_payload()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertEqual(fields.get_content_type(), "message/feedback-report")
        self.assertEqual(header.get_content_type(), "text/rfc822-headers")
        return (mail, email.message_from_string(fields.get_payload()[0].as_string()),
                email.message_from_string(header.get_payload()))

    def test_from_both_doors_to_a_mailbox(self):
        server = self.start_proxy()
        milter = self.milter(answers=self.answers, **self.groups)
        forged = SIGNER.sign(message("Joe Doe <joe.doe@own.example>", "private words"))
        forged = forged.replace(b"private words", b"other words")
        for _ in range(3):
            self.send(server, forged, "joe.doe@own.example", address=OTHER)
        self.send(server, message("joe.doe@own.example"), "", address=OTHER)  # a bounce, or a report
        automatic = b"Auto-Submitted: auto-replied\r\n" + forged
        self.send(server, automatic, "joe.doe@own.example", address="192.0.2.99")
        with milter.client(timeout=60) as client:
            client.connect(name="[192.0.2.8]", address="192.0.2.8")
            client.helo("client.example")
            client.mail("joe.doe@own.example", i="Q1")
            client.recipient("b@example.org")
            client.header(message("joe.doe@own.example"))
            client.body(b"x\r\n")
            client.end(i="Q1")
        self.wait_for_failures(4)
        self.assertEqual(self.failures("--send"), "")  # the hour is not over
        self.age()
        self.assertIn("3 messages, to f@own.example", self.failures())
        self.failures("--send")
        sent = sorted(self.receiver.messages(), key=lambda one: b"192.0.2.8" in one.octets)
        self.assertEqual(len(sent), 2)
        for one in sent:
            self.assertEqual((one.sender, one.recipients), ("", ["f@own.example", "x@far.example"]))
            for private in (b"joe.doe", b"Joe", b"words", b"b@example.org"):
                self.assertNotIn(private, one.octets)
        mail, fields, header = self.open_report(sent[0].octets)
        self.assertEqual(mail["From"], '"Ours & <Co>" <dmarc@org.example>')
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        for name, value in {"Feedback-Type": "auth-failure", "Auth-Failure": "dmarc", "Incidents": "3",
                            "Identity-Alignment": "dkim, spf", "Source-IP": OTHER,
                            "Delivery-Result": "reject", "Reported-Domain": "own.example",
                            "DKIM-Domain": "own.example",
                            "SPF-DNS": 'txt : own.example : "v=spf1 ip4:192.0.2.7 -all"'}.items():
            self.assertEqual(fields[name], value, name)
        self.assertRegex(fields["Original-Mail-From"], r"^<[A-Za-z0-9+/]{16}@own\.example>$")
        self.assertEqual(header["From"], fields["Original-Mail-From"])
        self.assertIn("d=own.example", header["DKIM-Signature"])
        self.assertNotIn("Subject", header)
        self.assertEqual(self.select("SELECT DISTINCT fields, header FROM failure"), [("", "")])
        self.assertEqual(self.failures("--send"), "", "a report was sent twice")

    def test_who_may_have_them_and_how_many(self):
        server = self.start_proxy()
        for domain in ("denied", "moved", "silent"):
            self.send(server, message(f"a@{domain}.example"), f"a@{domain}.example")
        for number in range(1, 9):
            self.send(server, message("a@own.example"), "a@own.example", address=f"192.0.2.{100 + number}")
        self.wait_for_failures(5)
        self.assertEqual(self.select("SELECT count(*) FROM failure WHERE domain = 'own.example'"), [(3,)])
        self.age()
        told = self.failures("--send", "--domain", "denied.example")
        self.assertIn("a@victim.example has not agreed to get it", told)
        self.assertEqual(self.receiver.messages(), [])
        result = run_program("postern-report", "--send", "--config", self.configuration)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(mail.recipients[0] for mail in self.receiver.messages()),
                         ["f@own.example"] * 3 + ["new@far.example"])

    def test_retries_have_a_bound(self):
        server = self.start_proxy()
        self.send(server, message("a@own.example"), "a@own.example", address=OTHER)
        self.wait_for_failures(1)
        self.age()
        self.receiver.options.refuse["dot"] = "451 4.3.0 Not now"
        for _ in range(8):
            self.assertIn("Not now", self.failures("--send", status=EX_TEMPFAIL))
        self.receiver.options.refuse.clear()
        self.assertEqual(self.failures("--send"), "")
        self.assertEqual(self.select("SELECT fields, header FROM failure"), [("", "")])


if __name__ == "__main__":
    unittest.main()

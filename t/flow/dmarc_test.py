"""DMARC through the real inspector: what postern-scan says of messages, and what comes of them."""

import json
import unittest

from support.dkim_signer import Signer
from support.scan import ACCEPT, QUARANTINE, REJECT, TEMPFAIL, ScanTestCase
from support.smtp import crlf

CLIENT = "192.0.2.7"
ANSWERS = """
reject.example TXT "v=spf1 ip4:192.0.2.7 -all"
bounces.reject.example TXT "v=spf1 ip4:192.0.2.7 -all"
evil.example TXT "v=spf1 ip4:192.0.2.7 -all"
slow.reject.example TXT !TIMEOUT
_dmarc.reject.example TXT "v=DMARC1; p=reject; sp=quarantine; np=none"
shop.reject.example A 192.0.2.1
_dmarc.quarantine.example TXT "v=DMARC1; p=quarantine"
_dmarc.none.example TXT "v=DMARC1; p=none"
_dmarc.testing.example TXT "v=DMARC1; p=reject; t=y"
_dmarc.strict.example TXT "v=DMARC1; p=reject; aspf=s; adkim=s"
bounces.strict.example TXT "v=spf1 ip4:192.0.2.7 -all"
_dmarc.sick.example TXT !SERVFAIL
_dmarc.registry.example TXT "v=DMARC1; p=reject; psd=y"
neighbour.registry.example TXT "v=spf1 ip4:192.0.2.7 -all"
"""


def message(author):
    return crlf(f"From: {author}\nTo: b@example.org\nSubject: test\n\nHello.\n")


class DmarcTest(ScanTestCase):
    def setUp(self):
        super().setUp()
        self.answers.write_text(ANSWERS + Signer("mail.reject.example").record())
        self.configure(virus={"scan": "no"}, policy={
            "virus": "accept", "dmarc_reject": "reject", "dmarc_quarantine": "quarantine",
            "dmarc_error": "tempfail", "spf_fail": "mark"})

    def check(self, octets, sender, status, *arguments, **expected):
        """The verdict on a message; expected are members of "dmarc"."""
        path = self.folder / "message.eml"
        path.write_bytes(octets)
        result = self.scan("--json", "--client", CLIENT, "--helo", "client.example", "--sender", sender,
                           *arguments, path)
        self.assertTrue(result.stdout, result.stderr)
        verdict = json.loads(result.stdout)
        self.assertEqual({name: verdict["dmarc"].get(name) for name in expected}, expected, verdict)
        self.assertEqual(result.returncode, status, verdict)
        return verdict

    def test_pass(self):
        for sender in ("a@reject.example", "a@bounces.reject.example"):
            with self.subTest(sender=sender):
                verdict = self.check(message("Ann <a@reject.example>"), sender, ACCEPT, result="pass",
                                     domain="reject.example", policy="reject", disposition="none",
                                     record_domain="reject.example", organizational_domain="reject.example")
                self.assertIn("dmarc=pass", verdict["authentication_results"])
                self.assertIn("header.from=reject.example", verdict["authentication_results"])

    def test_pass_by_signature_alone(self):
        signer = Signer("mail.reject.example")
        signed = signer.sign(message("a@shop.reject.example"))
        self.check(signed, "x@elsewhere.example", ACCEPT, result="pass", domain="shop.reject.example",
                   policy="quarantine", disposition="none")
        self.check(signed.replace(b"Hello", b"Hullo"), "x@elsewhere.example", QUARANTINE, result="fail")

    def test_fail(self):
        for domain, status, policy, disposition in (
                ("reject.example", REJECT, "reject", "reject"),
                ("shop.reject.example", QUARANTINE, "quarantine", "quarantine"),
                ("ghost.reject.example", ACCEPT, "none", "none"),
                ("quarantine.example", QUARANTINE, "quarantine", "quarantine"),
                ("none.example", ACCEPT, "none", "none"),
                ("testing.example", QUARANTINE, "quarantine", "quarantine"),
                ("bank.registry.example", REJECT, "reject", "reject")):
            with self.subTest(domain=domain):
                verdict = self.check(message(f"a@{domain}"), "x@evil.example", status, result="fail",
                                     domain=domain, policy=policy, disposition=disposition)
                self.assertIn("dmarc=fail", verdict["authentication_results"])
                self.assertEqual(verdict["spf"]["result"], "pass")

    def test_default_is_no_refusal(self):
        self.configure(policy={"dmarc_reject": "quarantine"})
        self.check(message("a@reject.example"), "x@evil.example", QUARANTINE, result="fail", policy="reject")

    def test_neighbours_do_not_vouch(self):
        self.check(message("a@bank.registry.example"), "x@neighbour.registry.example", REJECT, result="fail",
                   organizational_domain="bank.registry.example")
        self.check(message("a@strict.example"), "x@bounces.strict.example", REJECT, result="fail")

    def test_none(self):
        verdict = self.check(message("a@unknown.example"), "x@evil.example", ACCEPT, result="none",
                             domain="unknown.example", disposition="none", policy=None)
        self.assertIn("dmarc=none", verdict["authentication_results"])

    def test_temperror(self):
        self.check(message("a@sick.example"), "x@evil.example", TEMPFAIL, result="temperror")
        self.check(message("a@reject.example"), "x@slow.reject.example", TEMPFAIL, result="temperror")

    def test_from_that_readers_differ_on(self):
        for author in ("a@evil.example, b@reject.example", "a@evil.example\nFrom: b@reject.example",
                       "<@reject.example:a@evil.example>", "b@reject.example <a@evil.example>"):
            with self.subTest(author=author):
                self.check(message(author), "x@evil.example", REJECT, result="fail", domain="reject.example")
        verdict = self.check(message("a@evil.example (<b@reject.example>)"), "x@evil.example", QUARANTINE,
                             result="permerror")
        self.assertIn("comment", verdict["dmarc"]["reason"])

    def test_text(self):
        path = self.folder / "message.eml"
        path.write_bytes(message("a@testing.example"))
        result = self.scan("--client", CLIENT, "--helo", "client.example", "--sender", "x@evil.example", path)
        self.assertIn("DMARC", result.stdout)
        self.assertIn("fail testing.example (policy quarantine of testing.example, testing)", result.stdout)

    def test_explained(self):
        path = self.folder / "message.eml"
        path.write_bytes(message("a@ghost.reject.example"))
        result = self.scan("--explain", "--client", CLIENT, "--sender", "x@evil.example", path)
        for step in ("_dmarc.ghost.reject.example: nxdomain", "ghost.reject.example does not exist",
                     "policy for ghost.reject.example: none, by the record of reject.example"):
            self.assertIn(step, result.stdout, result.stderr)


if __name__ == "__main__":
    unittest.main()

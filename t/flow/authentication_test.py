"""
What SPF, DKIM and DMARC make of messages that other verifiers and readers take, or that somebody means to get
past them: postern-scan from the message to its verdict, and HELO at the proxy.
"""

import json
import unittest

from support.dkim_signer import Signer
from support.proxy import TOLD, ProxyTestCase
from support.scan import ACCEPT, QUARANTINE, REJECT, ScanTestCase
from support.smtp import Client, crlf

HELO = "mx.partner.example"
ANSWERS = f"""
example.com TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.example.com TXT "v=DMARC1; p=reject"
_dmarc.twice.example TXT "v=DMARC1; p=reject; p=reject"
_dmarc.dead.example TXT !TIMEOUT
elsewhere.example TXT "v=spf1 -all"
{HELO} TXT "v=spf1 -all"
"""


def message(author="Ann <a@example.com>", body="Hello.\n"):
    return crlf(f"From: {author}\nTo: b@example.org\nSubject: hi\n\n{body}")


class AuthenticationTest(ScanTestCase):
    def setUp(self):
        super().setUp()
        self.signer = Signer("example.com")
        self.answers.write_text(ANSWERS + self.signer.record())
        self.configure(policy={"dmarc_reject": "reject"})

    def judge(self, octets, sender="x@elsewhere.example", client="192.0.2.9"):
        """(exit status, what --json says)."""
        path = self.folder / "message.eml"
        path.write_bytes(octets)
        result = self.scan("--json", "--no-mbox", "--client", client, "--helo", HELO, "--sender", sender,
                           "--recipient", "b@example.org", path)
        return result.returncode, json.loads(result.stdout)

    def dkim(self, octets):
        """The results of the signatures, and the status."""
        status, said = self.judge(octets)
        return [signature["result"] for signature in said["dkim"]], status

    def test_body_replaced_behind_length(self):
        """l=0 signs nothing that anybody sees."""
        signed = self.signer.sign(message(body="Hello.\n"), length=0).replace(b"Hello", b"Evil!")
        status, said = self.judge(signed)
        self.assertEqual(status, REJECT)
        self.assertEqual((said["dkim"][0]["result"], said["dmarc"]["result"]), ("policy", "fail"))
        self.assertEqual((said["dkim"][0]["body_covered"], said["dkim"][0]["body_unsigned"]), (0, 8))
        self.assertIn("dkim=policy reason=\"only the first 0 of 8 octets of the body are signed (l=)\"",
                      said["authentication_results"])
        self.configure(inspector={"dkim_partial_body": "yes"})
        status, said = self.judge(signed)
        self.assertEqual((said["dkim"][0]["result"], said["dmarc"]["result"]), ("pass", "pass"))
        self.assertIn("0 of 8 octets", said["authentication_results"])

    def test_length_of_all(self):
        """l= that counts every octet is as none; a part alone is none that fails."""
        self.configure(policy={"dkim_fail": "reject", "dmarc_reject": "accept"})
        self.assertEqual(self.dkim(self.signer.sign(message(), length=8)), (["pass"], ACCEPT))
        self.assertEqual(self.dkim(self.signer.sign(message(), length=7)), (["policy"], ACCEPT))
        self.assertEqual(self.dkim(self.signer.sign(message(), length=8).replace(b"Hello", b"Jello")),
                         (["fail"], REJECT))

    def test_key_is_gone(self):
        """RFC 6376 6.1: as if unsigned; a signature that is wrong is another thing."""
        self.configure(policy={"dkim_fail": "reject", "dmarc_reject": "accept"})
        gone = Signer("example.com", selector="gone").sign(message())
        self.assertEqual(self.dkim(gone), (["permerror"], ACCEPT))
        self.assertEqual(self.dkim(gone.replace(b"DKIM-", b"X-DKIM-")), ([], ACCEPT))
        wrong = self.signer.sign(message()).replace(b"Hello", b"Jello")
        self.assertEqual(self.dkim(wrong), (["fail"], REJECT))

    def test_misread(self):
        """What libopendkim reads otherwise passes as it should."""
        for tags, name in (("", "b "), (" bb=x;", "b"), (" i=j\u00f6rg@example.com;", "b")):
            signed = self.signer.sign(message(), tags=tags, name=name)
            self.assertEqual(self.dkim(signed), (["pass"], ACCEPT), (tags, name))
            self.assertEqual(self.dkim(signed.replace(b"Hello", b"Jello")), (["fail"], REJECT), (tags, name))

    def test_flood(self):
        """Whoever adds signatures, on top or below, does not push out the right one."""
        false = self.signer.sign(message()).partition(b"From: ")[0].replace(b"bh=", b"bh=A")
        signed = self.signer.sign(message())
        for octets in (false * 60 + signed, signed.replace(b"From: ", false * 60 + b"From: ", 1)):
            status, said = self.judge(octets)
            self.assertEqual((status, said["dmarc"]["result"], len(said["dkim"])), (ACCEPT, "pass", 61))
            self.assertIn("dkim=pass", said["authentication_results"])

    def test_names(self):
        """One author for all readers."""
        for author in ("Acme, Inc. <a@example.com>", "=?utf-8?Q?Acme,_Inc.?= <a@example.com>",
                       "=?iso-8859-1?Q?Shop;_R=EDo?= <a@example.com>", "Jane @ Acme <a@example.com>"):
            status, said = self.judge(message(author), "a@example.com", "192.0.2.1")
            self.assertEqual((status, said["dmarc"]["result"]), (ACCEPT, "pass"), author)
            status, said = self.judge(message(author))
            self.assertEqual((status, said["dmarc"]["result"]), (REJECT, "fail"), author)
        for author in ("b@elsewhere.example, A <a@example.com>", "A @ elsewhere.example <a@example.com>"):
            status, said = self.judge(message(author), "a@example.com", "192.0.2.1")
            self.assertEqual(status, QUARANTINE, author)

    def test_no_author(self):
        status, said = self.judge(message("Automated:;"), "a@example.com", "192.0.2.1")
        self.assertEqual((status, said["dmarc"]["result"]), (ACCEPT, "none"))
        self.assertIn("names no author", said["dmarc"]["reason"])

    def test_record_with_a_tag_twice(self):
        status, said = self.judge(message("a@twice.example"))
        self.assertEqual((status, said["dmarc"]["result"]), (ACCEPT, "none"))
        self.assertNotIn("policy.dmarc", said["authentication_results"])

    def test_policy_that_is_not_known(self):
        """What the DNS did not say is not told as p=none."""
        status, said = self.judge(message("a@dead.example"))
        self.assertEqual((status, said["dmarc"]["result"]), (ACCEPT, "temperror"))
        self.assertNotIn("policy", said["dmarc"])
        self.assertNotIn("policy.dmarc", said["authentication_results"])

    def test_allowed_senders(self):
        """By what is authenticated, never by From."""
        self.configure(policy={"allow_senders": "example.com", "spf_fail": "reject"})
        self.assertEqual(self.judge(message())[0], REJECT)
        self.assertEqual(self.judge(self.signer.sign(message()))[0], ACCEPT)
        self.assertEqual(self.judge(self.signer.sign(message()).replace(b"Hello", b"Jello"))[0], REJECT)
        self.assertEqual(self.judge(message("a@elsewhere.example"), "a@example.com", "192.0.2.1")[0], ACCEPT)

    def test_helo(self):
        """RFC 7208 2.3: HELO beside MAIL FROM, where it is wanted."""
        status, said = self.judge(message(), "a@example.com", "192.0.2.1")
        self.assertEqual((status, "spf_helo" in said), (ACCEPT, False))
        for engine in ("postern", "libspf2"):
            self.configure(policy={"spf_helo": "reject"}, inspector={"spf_engine": engine})
            status, said = self.judge(message(), "a@example.com", "192.0.2.1")
            self.assertEqual((status, said["spf"]["result"], said["spf_helo"]["result"]),
                             (REJECT, "pass", "fail"))
            self.assertIn(f"spf=fail smtp.helo={HELO}", said["authentication_results"])
        status, said = self.judge(message(), "", "192.0.2.1")
        self.assertEqual((said["spf"]["identity"], "spf_helo" in said), ("helo", False))


class ProxyHeloTest(ProxyTestCase):
    def test_refused(self):
        recorder = self.backend()
        server = self.proxy(recorder, answers=ANSWERS + 'pass.example TXT "v=spf1 ip4:192.0.2.7 -all"\n',
                            proxy=TOLD, virus={"database": self.signatures()},
                            policy={"spf_helo": "reject"})
        for name, code in ((HELO, 550), ("other.example", 250)):
            with Client(server.port, told="192.0.2.7") as client:
                client.ehlo(name)
                client.envelope("a@pass.example", "b@example.org")
                reply = client.message(message("a@pass.example"))
            self.assertEqual(reply.code, code, reply.text)
            self.assertEqual("5.7.23 SPF check of HELO failed" in reply.text, code == 550)


if __name__ == "__main__":
    unittest.main()

"""
What is queued for a message that the milter has edited: octet for octet what the same mail server queues
without it, but for the edits that the manual names, each at its place.
"""

import re
import sys
import unittest

from support import milter_messages as mail, outcome
from support.dkim_verifiers import dkimpy, missing
from support.milter import HOSTNAME
from support.milter_messages import EXTERNAL
from support.milter_servers import PostfixTestCase, SendmailTestCase, comparable, delivered_header
from support.postfix import Postfix, Unavailable
from support.proxy import run_program, unprivileged_user
from support.sign_keys import SignKeys
from support.smtp import crlf

SENDER = "a@softfail.example"
TAG = "[suspect]"
POLICY = {"spf_softfail": "mark", "dkim_fail": "mark", "header_ambiguous": "mark", "ambiguous": "mark",
          "virus_status": "all", "subject_tag": TAG, "received_spf": "yes"}
FIELD = re.compile(r"^(?=[!-9;-~]+:)", re.MULTILINE)
TRACE = re.compile(r"\AReceived: from client\.example .*\Z", re.DOTALL)
TOLD = re.compile(r"\A(?:X-Virus-Status: (?:Clean|ambiguous \(.*)|Postern-Mark: header_ambiguous)\Z",
                  re.DOTALL)
OURS = re.compile(rf"\AAuthentication-Results:[ \t]+{re.escape(HOSTNAME)};", re.DOTALL)
# Several fields of a name, of which some go and one stays, around one that is changed.
TANGLED = crlf("Authentication-Results: mx.example.org; spf=pass\nSubject:  first, with\n\ta fold \n"
               "Postern-Quarantine: forged\nX-Virus-Status: Clean\nX-Subject: Subject: x\n"
               "x-virus-STATUS:\n Clean\nPostern-Mark:\n\tforged\n"
               "Authentication-Results: other.example; none\n"
               "Subject: second\nAuthentication-Results: MX.example.org; dkim=pass\n"
               "From: a@softfail.example\nTo: b@example.org\nMessage-ID: <tangled@softfail.example>\n"
               "Date: Fri, 05 Jun 2026 10:05:00 +0000\n\nHello.\n.\n")
NO_SUBJECT = mail.CLEAN.replace(b"Subject: clean\r\n", b"")
MESSAGES = {"clean": mail.CLEAN, "forged": mail.FORGED, "tangled": TANGLED, "a broken signature": mail.BROKEN,
            "no Subject": NO_SUBJECT, **mail.SHAPES}


SIGNED_MESSAGES = {name: octets.replace(b"From: a@pass.example", b"From: a@signed.example")
                   for name, octets in {**mail.SHAPES, "odd spaces": mail.UNSIGNED}.items()
                   if name not in ("clean", "signed")}


def rebuilt(fields, body):
    """A message as it goes out over the wire again."""
    body = body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape")
    header = "".join(f"{field}\n" for field in fields).encode("utf-8", "surrogateescape")
    return (header + b"\n" + body).replace(b"\n", b"\r\n")


def is_forged(field):
    name, _, value = field.partition(":")
    if name.lower() in ("postern-quarantine", "postern-mark", "x-virus-status"):
        return True
    results = re.sub(r"\A\s*(\([^)]*\)\s*)?", "", value).lower()
    return name.lower() == "authentication-results" and results.startswith(HOSTNAME)


def expected(fields):
    """Fields as they are queued without the milter, with our edits below those that are inserted."""
    kept = [field for field in fields if not is_forged(field)]
    for number, field in enumerate(kept):
        name, _, value = field.partition(":")
        if name.lower() == "subject":
            kept[number] = f"Subject: {TAG} {value.lstrip(' ')}"
            return kept
    return [f"Subject: {TAG}", *kept]


class EditsTests:
    """A subclass says how a message goes through its server: fields(octets, milter) and the body."""

    def assert_edited(self, octets):
        plain, plain_body = self.through_bare(octets)
        edited, body = self.through_milter(octets)
        inserted = [field.partition(":")[0] for field in edited[:2]]
        self.assertEqual(inserted, ["Authentication-Results", "Received-SPF"], edited[:4])
        self.assertRegex(edited[0], OURS)
        told = [field for field in edited if TOLD.match(field)]
        self.assertEqual(sum(field.startswith("X-Virus-Status") for field in told), 1, edited)
        self.assertEqual(edited[2:2 + len(told)], told)
        self.assertEqual(edited[2 + len(told):], expected(plain))
        self.assertEqual(body, plain_body)

    def sign_with(self, **groups):
        """Starts a milter that signs the mail of loopback; what it signs with."""
        keys = SignKeys(self.subfolder("keys"), user=unprivileged_user())
        keys.add_key("signed.example", "rsa", bits=2048)
        keys.add_key("signed.example", "ed", algorithm="ed25519")
        milter = self.start_milter(sign={"table": keys.table}, clients={"own_networks": "127.0.0.0/8"},
                                   **{"policy submission": {"sign": "yes"}}, **groups)
        return milter, run_program("postern-inspector", "--config", milter.path, "--print-keys").stdout

    @unittest.skipIf(missing(), missing())
    def test_signed_messages(self):
        milter, zone = self.sign_with()
        for name, octets in SIGNED_MESSAGES.items():
            with self.subTest(name):
                plain, plain_body = self.through_bare(octets, own=True)
                edited, body = self.through_milter(octets, own=True)
                self.assertEqual([field.partition(":")[0] for field in edited[:2]], ["DKIM-Signature"] * 2)
                self.assertEqual(edited[2:], plain)
                self.assertEqual(body, plain_body)
                self.assertEqual(dkimpy(rebuilt(edited, body), zone), [True, True])
        lines = milter.closing_lines("message")
        self.assertEqual([line.get("signed") for line in lines], ["signed.example"] * len(SIGNED_MESSAGES))
        # Nobody else's mail is signed.
        edited, _ = self.through_milter(mail.CLEAN, own=True)
        self.assertNotIn("DKIM-Signature", edited[0])

    def test_marked_messages(self):
        self.start_milter(policy=POLICY)
        for name, octets in MESSAGES.items():
            with self.subTest(name):
                self.assert_edited(octets)


class PostfixEditsTest(EditsTests, PostfixTestCase):
    def split(self, delivered):
        header, _, body = delivered_header(delivered).decode("utf-8", "surrogateescape").partition("\n\n")
        fields = [field.rstrip("\n") for field in FIELD.split(header + "\n") if field]
        return [TRACE.sub("Received: from client.example", field) for field in fields], body

    def through_bare(self, octets, own=False):
        return self.split(self.arrived(octets, sender=SENDER, address="127.0.0.1" if own else EXTERNAL,
                                       port=self.bare_port))

    def through_milter(self, octets, own=False):
        return self.split(self.arrived(octets, sender=SENDER, address="127.0.0.1" if own else EXTERNAL))


class SendmailEditsTest(EditsTests, SendmailTestCase):
    def setUp(self):
        super().setUp()
        if self.address is None:
            self.skipTest("this machine has no address but those of its loopback interface")

    def through_bare(self, octets, own=False):
        return self.split(self.queued(octets, sender=SENDER, server=self.bare))

    def through_milter(self, octets, own=False):
        return self.split(self.queued(octets, sender=SENDER, host="127.0.0.1" if own else self.address))

    def split(self, queued):
        # Return-Path is a note of its own in the queue: it is only made at a delivery.
        return comparable(queued.without("Return-Path")), queued.body


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    outcome.main()

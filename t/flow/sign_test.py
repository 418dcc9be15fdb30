"""Other verifiers find what postern-inspector signed right, with the records that it prints."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import outcome
from support.dkim_verifiers import dkimpy, mail_dkim, missing
from support.inspector import Inspector
from support.process import program_path
from support.sign_keys import OPENSSL, SignKeys

REASON = missing() or (None if OPENSSL else "openssl is not installed")

AUTHOR = b"From: Alice <alice@mail.example.org>\r\n"
MESSAGES = {
    "plain": AUTHOR + b"To: bob@example.net\r\nSubject: Hello\r\n"
                      b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nHi.\r\n",
    "folded": AUTHOR + b"Subject: two\r\n   lines\r\n\tof  it \r\n"
                       b"To: a@example.net,\r\n b@example.net\r\n\r\nx\r\n",
    "empty body": AUTHOR + b"Subject: nothing\r\n\r\n",
    "no body at all": AUTHOR + b"Subject: nothing\r\n",
    "trailing blanks": AUTHOR + b"\r\na \t \r\n  b\r\n \r\n\r\n\r\n",
    "long lines": AUTHOR + (b"\r\n" + b"x y\t" * 249 + b"xy") * 1000 + b"\r\n",
    "8 bit": AUTHOR + "Subject: für\r\n\r\nGrüße\r\n".encode() + b"\xff\xfe\x80\r\n",
    "no last line end": AUTHOR + b"\r\nno end",
    "repeated fields": AUTHOR + b"Resent-To: a@x.example\r\nResent-To: b@x.example\r\n"
                                b"Cc: c@x.example\r\n\r\nx\r\n",
    "list": AUTHOR + b"List-Unsubscribe: <https://example.org/u>\r\n"
                     b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                     b"Content-Type: text/plain\r\n\r\nx\r\n",
    "a body of one line end": AUTHOR + b"\r\n\r\n",
}


@unittest.skipIf(REASON, REASON)
class SignTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-sign-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.inspector = Inspector(workers=1)
        cls.addClassCleanup(cls.inspector.__exit__)
        keys = SignKeys(cls.inspector.folder / "sign")
        keys.add_key("example.org", "pkcs8", bits=2048)
        keys.add_key("example.org", "pkcs1", bits=1024, traditional=True)
        keys.add_key("example.org", "ed", algorithm="ed25519")
        keys.add_key("example.org", "large", bits=4096)
        cls.inspector.more = keys.configuration()
        cls.inspector.configure()
        cls.inspector.start()
        cls.inspector.wait_for_log("notice: ready to sign: 4 keys, 1 workers")
        cls.zone = cls.print_keys(cls.inspector.configuration).stdout

    @staticmethod
    def print_keys(configuration):
        command = [program_path("postern-inspector"), "--config", str(configuration), "--print-keys"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def sign(self, *messages):
        results = self.inspector.ask(*messages, arguments=["--sign"])
        for result in results:
            self.assertIsNone(result.unsigned, result)
        return ["".join(f"DKIM-Signature: {field}\r\n" for field in result.fields).encode() + message
                for result, message in zip(results, messages)]

    def test_other_verifiers_agree(self):
        for (name, message), signed in zip(MESSAGES.items(), self.sign(*MESSAGES.values())):
            with self.subTest(name):
                self.assertEqual(dkimpy(signed, self.zone), [True] * 4)
                results = mail_dkim(signed, self.zone, self.folder)
                self.assertEqual({key: results[key] for key in ("pkcs8", "pkcs1", "large")},
                                 {"pkcs8": "pass", "pkcs1": "pass", "large": "pass"})

    def test_they_see_changes(self):
        signed, = self.sign(MESSAGES["plain"])
        header = signed[:-len(MESSAGES["plain"])]
        plain = MESSAGES["plain"]
        for changed in (plain.replace(b"Hi.", b"Ho."), plain.replace(b"bob", b"rob"),
                        b"Subject: another\r\n" + plain, b"From: b@x.example\r\n" + plain):
            self.assertEqual(dkimpy(header + changed, self.zone), [False] * 4)
            self.assertNotIn("pass", mail_dkim(header + changed, self.zone, self.folder).values())

    def test_whose_mail_is_signed(self):
        for author, domain in (("a@example.org", "example.org"), ("a@x.y.example.org", "example.org"),
                               ("a@example.net", None), ("a@example.org, b@example.net", None)):
            result, = self.inspector.ask(f"From: {author}\r\n\r\nx\r\n".encode(), arguments=["--sign"])
            self.assertEqual((result.signed, result.unsigned, len(result.fields)),
                             (domain, None, 4 if domain else 0))

    def test_printed_records(self):
        names = [f"{selector}._domainkey.example.org." for selector in ("pkcs8", "pkcs1", "ed", "large")]
        self.assertEqual(re.findall(r"^(\S+) IN TXT ", self.zone, re.M), names)
        self.assertNotIn("PRIVATE", self.zone)

    def test_keys_that_cannot_be_printed(self):
        nothing = self.inspector.folder / "nothing.conf"
        nothing.write_text("[sign]\n")
        done = self.print_keys(nothing)
        self.assertEqual((done.returncode, done.stdout), (78, ""))
        self.assertIn("[sign] table is empty", done.stderr)
        table = self.inspector.folder / "bad-table"
        table.write_text("\nexample.org s /nowhere/key.pem\n")
        nothing.write_text(f"[sign]\ntable = {table}\n")
        done = self.print_keys(nothing)
        self.assertEqual((done.returncode, done.stdout), (78, ""))
        self.assertIn(f"{table}:2: reading /nowhere/key.pem: No such file", done.stderr)


if __name__ == "__main__":
    outcome.main()

"""Quarantine by the proxy: a field that the lines of contrib/postfix make a real Postfix hold."""

import re
import sys
import unittest

from support.milter import administrator_lines
from support.postfix import Postfix, Unavailable
from support.process import source_folder, wait_until
from support.proxy import TOLD, ProxyTestCase
from support.smtp import Client, crlf

RECIPIENT = "b@example.org"
ANSWERS = 'silent.example TXT "v=spf1 -all"\n'
MESSAGE = crlf("From: a@sender.example\nSubject: held or not\n\nHello.\n")
FORGED = b"Postern-Quarantine: virus: forged\r\n" + MESSAGE
FORWARDED = crlf("From: a@sender.example\nSubject: forwarded\nMIME-Version: 1.0\n"
                 'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nSee below.\n'
                 "--b\nContent-Type: message/rfc822\n\nPostern-Quarantine: spf_fail: an old one\n"
                 "Subject: inside\n\nHello.\n--b--\n")


def main_cf():
    """contrib/postfix/main.cf.quarantine as a table, with the path of our header_checks."""
    lines = administrator_lines("postfix", "main.cf.quarantine").splitlines()
    pairs = (re.fullmatch(r"(\w+) =(?: (.*))?", line) for line in lines if line and line[0] != "#")
    table = {match[1]: match[2] or "" for match in pairs}
    ours = source_folder() / "contrib" / "postfix" / "header_checks.quarantine"
    return {name: value.replace("/etc/postfix/header_checks.quarantine", str(ours))
            for name, value in table.items()}


class QuarantineTest(ProxyTestCase):
    @classmethod
    def setUpClass(cls):
        cls.postfix = Postfix(parameters=main_cf()).start()
        cls.addClassCleanup(cls.postfix.close)

    def deliver(self, sender, octets):
        with Client(self.server.port, timeout=60, told="192.0.2.7") as client:
            client.ehlo()
            self.assertEqual(client.deliver(sender, [RECIPIENT], octets).code, 250)
            client.quit()

    def test_held_and_released(self):
        self.server = self.proxy(self.postfix.port, answers=ANSWERS, proxy=TOLD,
                                 virus={"database": self.signatures()}, policy={"spf_fail": "quarantine"})
        for octets in (MESSAGE, FORGED, FORWARDED):
            self.deliver("a@sender.example", octets)
        self.postfix.wait_for_messages(3)
        self.assertEqual(self.postfix.queue("hold"), [])
        self.deliver("a@silent.example", MESSAGE)
        held = wait_until(lambda: self.postfix.queue("hold"), 10, "a message on hold")
        self.assertEqual(self.server.wait_for_closing_lines("message", 4)[-1]["action"], "quarantine")
        self.postfix.wait_for_log("Postern: spf_fail: ")
        self.assertEqual(len(self.postfix.messages()), 3)
        self.assertIn(f"{held[0]}!", self.postfix.run("postqueue", "-p"))
        self.postfix.run("postsuper", "-H", held[0])
        self.postfix.run("postqueue", "-f")
        self.assertIn(b"Postern-Quarantine: spf_fail: ", self.postfix.wait_for_messages(4)[-1])


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main(verbosity=2)

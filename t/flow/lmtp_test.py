"""
A real Dovecot behind the proxy, which takes mail by LMTP on a Unix socket or a port: it answers for each
recipient after the dot, and the client hears what is so for all.
"""

import sys
import unittest

from support import dovecot
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SENDER = "good@sender.example"
BOB, ALICE, CAROL = (f"{user}@example.org" for user in ("bob", "alice", "carol"))
MESSAGE = crlf("From: good@sender.example\nSubject: by LMTP\n\n.a line with a dot\n")
ALONE = {"client_address": "none", "recipient_domains": "example.org", "relay_probe_recipient": BOB}


class Lmtp(ProxyTestCase):
    def setUp(self):
        super().setUp()
        try:
            self.server = dovecot.Dovecot(["bob", "alice"], broken=["carol"])
        except dovecot.Unavailable as error:
            self.skipTest(str(error))
        self.addCleanup(self.server.stop)

    def _front(self, backend, **options):
        return self.proxy(0, proxy={"backend": backend, **options})

    def _send(self, front, *recipients):
        """The codes that a message for them gets: of each RCPT, and of the dot."""
        with Client(front.port) as client:
            self.announced = client.ehlo()
            codes = [reply.code for reply in client.envelope(SENDER, *recipients)][1:]
            return codes, client.message(MESSAGE)

    def test_socket(self):
        """One recipient a message: another is to come separately, so that each hears what became of his."""
        front = self._front(f"lmtp:unix:{self.server.socket}", **ALONE)
        codes, reply = self._send(front, BOB)
        self.assertEqual((codes, reply.code), ([250], 250), reply)
        codes, reply = self._send(front, "nobody@example.org", BOB, ALICE)
        self.assertEqual((codes, reply.code), ([550, 250, 452], 250), reply)
        self.assertIn("RCPTMAX=1", str(self.announced))
        codes, reply = self._send(front, CAROL)
        self.assertEqual((codes, reply.code), ([250], 451), reply)
        lines = front.wait_for_closing_lines("message", 3)
        self.assertEqual([line["delivery"] for line in lines], ["accepted", "accepted", "refused"])
        self.assertEqual([len(self.server.messages(user)) for user in ("bob", "alice")], [2, 0])
        self.assertIn(b"\n.a line with a dot\n", self.server.messages("bob")[0])

    def test_several_recipients(self):
        """By option: what some have and others do not is told as a refusal, and stands in the log."""
        front = self._front(f"lmtp:unix:{self.server.socket}", lmtp_recipients=10, **ALONE)
        codes, reply = self._send(front, BOB, ALICE)
        self.assertEqual((codes, reply.code), ([250, 250], 250), reply)
        codes, reply = self._send(front, BOB, CAROL)
        self.assertEqual((codes, reply.code), ([250, 250], 451), reply)
        self.assertIn("Only 1 of 2 recipients have the message", reply.text)
        lines = front.wait_for_closing_lines("message", 2)
        self.assertEqual([line["delivery"] for line in lines], ["accepted", "partial"])
        self.assertEqual([len(self.server.messages(user)) for user in ("bob", "alice")], [2, 1])

    def test_port(self):
        """It is told of the client by XCLIENT, and greeted again."""
        front = self._front(f"lmtp:127.0.0.1:{self.server.port}", relay_probe_recipient=BOB)
        codes, reply = self._send(front, ALICE)
        self.assertEqual((codes, reply.code), ([250], 250), reply)
        self.assertIn(b"Received: from client.example", self.server.messages("alice")[0])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

"""A real Postfix runs from the build folder, takes mail and XCLIENT, survives a kill, and leaves nothing."""

import os
import pathlib
import smtplib
import sys
import unittest

from support.postfix import Postfix, Unavailable, without_trace
from support.smtp import Client, crlf

MESSAGE = crlf("Subject: octets\nFrom: a@sender.example\n\n.dot\n..dots\n\u00e4 \t \ntail\n")
OVERRIDE = "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7 PROTO=ESMTP HELO=there.example"


class PostfixTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postfix = Postfix().start()
        cls.addClassCleanup(cls.postfix.close)

    def test_message_arrives_octet_for_octet(self):
        before = len(self.postfix.messages())
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=20) as client:
            client.sendmail("a@sender.example", ["b@example.org"], MESSAGE, ["BODY=8BITMIME"])
        message = self.postfix.wait_for_messages(before + 1)[-1]
        self.assertEqual(without_trace(message), MESSAGE)
        self.assertIn(b"Delivered-To: b@example.org", message)

    def test_xclient_is_taken(self):
        before = len(self.postfix.messages())
        with Client(self.postfix.port) as client:
            client.ehlo()
            self.assertIn("XCLIENT", client.capabilities)
            self.assertEqual(client.command(OVERRIDE).code, 220)
            client.ehlo()
            self.assertNotIn("XCLIENT", client.capabilities)
            codes = [reply.code for reply in client.envelope("a@sender.example", "x@elsewhere.example")]
            self.assertEqual(codes, [250, 554])
            client.command("RSET")
            self.assertEqual(client.deliver("a@sender.example", ["b@example.org"], MESSAGE).code, 250)
        message = self.postfix.wait_for_messages(before + 1)[-1]
        self.assertIn(b"192.0.2.7", message)

    def test_xclient_can_be_closed(self):
        with Postfix(parameters={"smtpd_authorized_xclient_hosts": ""}) as postfix:
            with Client(postfix.port) as client:
                client.ehlo()
                self.assertNotIn("XCLIENT", client.capabilities)
                self.assertEqual(client.command(OVERRIDE).code, 550)

    def test_queue_survives_a_kill(self):
        with Postfix(parameters={"smtpd_sender_restrictions": "static:HOLD"}) as postfix:
            with Client(postfix.port) as client:
                client.ehlo()
                self.assertEqual(client.deliver("a@sender.example", ["b@example.org"], MESSAGE).code, 250)
            held = postfix.queue("hold")
            self.assertEqual(len(held), 1)
            self.assertIn(held[0], postfix.run("postqueue", "-p"))
            postfix.kill()
            self.assertEqual(postfix.queue(), held)
            postfix.start()
            postfix.run("postsuper", "-H", "ALL")
            postfix.run("postqueue", "-f")
            self.assertEqual(without_trace(postfix.wait_for_messages(1)[0]), MESSAGE)
            self.assertEqual(postfix.queue("hold"), [])

    def test_nothing_is_left(self):
        passwd = pathlib.Path("/etc/passwd").read_bytes()
        postfix = Postfix().start()
        self.assertEqual(pathlib.Path("/etc/passwd").read_bytes(), passwd)
        pids = processes_of(postfix)
        self.assertGreaterEqual(len(pids), 2)
        postfix.close()
        self.assertEqual([pid for pid in pids if os.path.exists(f"/proc/{pid}")], [])
        self.assertFalse(postfix.folder.exists())


def processes_of(postfix):
    """All processes that see the mounts of postfix."""
    namespace = os.readlink(f"/proc/{postfix.master_pid}/ns/mnt")
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/ns/mnt") == namespace:
                found.append(int(name))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

"""
An inspector that is busy, or has no worker to give, lets no forgery pass: what could not be found out is
refused for now wherever policy would do something about it.
"""

import signal
import threading
import unittest

from support.inspector import bomb_message, children, kill, pools, role_of
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

ANSWERS = """
good.example TXT "v=spf1 ip4:192.0.0.0/16 -all"
forged.example TXT "v=spf1 -all"
_dmarc.forged.example TXT "v=DMARC1; p=reject"
"""
STRICT = {"spf_fail": "reject", "dmarc_reject": "reject"}


def text(domain):
    return crlf(f"From: a@{domain}\nSubject: x\n\nHello.\n")


class BusyInspectorTest(ProxyTestCase):
    def start(self, policy=None, inspection_timeout="60s", **groups):
        self.recorder = self.backend()
        self.server = self.proxy(
            self.recorder, answers=ANSWERS, policy={**STRICT, **(policy or {})},
            proxy={"inspect": "yes", "inspection_timeout": inspection_timeout, "backend_connections": 40,
                   "max_connections_per_client": 40, "trusted_clients": "127.0.0.1"},
            inspector={"workers": 1}, virus={"database": self.signatures()}, **groups)
        wait_until(lambda: self.send("192.0.0.2", "good.example").code == 250, 60)

    def send(self, source, domain, octets=None):
        with Client(self.server.port, timeout=100, told=source) as client:
            client.ehlo("client.example")
            return client.deliver(f"a@{domain}", ["b@example.org"], octets or text(domain))

    def stop_workers(self, *roles):
        """Stops the workers of these roles, and the templates, so that no others take their place."""
        templates = [pid for pool in pools(self.server.program.pid) for pid in children(pool)
                     if role_of(pid) in roles]
        self.assertEqual(len(templates), len(roles))
        for template in templates:
            for pid in wait_until(lambda: children(template), 20):
                kill(pid, signal.SIGSTOP)
            kill(template, signal.SIGSTOP)

    def test_bombs(self):
        """One scanning worker, one client with bombs: twenty others are served, forgeries are refused."""
        self.start()
        bomb, replies = bomb_message(), []

        def send_bombs():
            while len(replies) < 100 and not self.over.is_set():
                try:
                    replies.append(self.send("192.0.9.9", "good.example", bomb).code)
                except OSError:
                    return  # the proxy has ended

        self.over = threading.Event()
        threads = [threading.Thread(target=send_bombs) for _ in range(6)]
        for thread in threads:
            thread.start()
            self.addCleanup(thread.join)
        self.addCleanup(self.server.stop)
        self.addCleanup(self.over.set)
        wait_until(lambda: replies, 100, "the first bomb's reply")
        for number in range(20):
            self.assertEqual(self.send(f"192.0.1.{number + 1}", "good.example").code, 250)
            if number % 4 == 0:
                reply = self.send(f"192.0.2.{number + 1}", "forged.example")
                self.assertEqual(reply.code, 550, reply)
        self.assertFalse([code for code in replies if code not in (250, 451)])
        self.over.set()

    def test_no_worker_at_all(self):
        """Nothing could be found out: refused for now, whoever it is from."""
        self.start({"checks": "spf; dkim; dmarc"}, inspection_timeout="1s")
        recorded = len(self.recorder.messages())
        self.stop_workers("scan", "light")
        for domain in ("forged.example", "good.example"):
            reply = self.send("192.0.0.3", domain)
            self.assertEqual((reply.code, reply.text[:33]), (451, "4.3.0 Message could not be checked"[:33]))
        self.assertEqual(len(self.recorder.messages()), recorded)
        self.assertEqual(self.server.closing_lines("message")[-1]["check"], "inspection")

    def test_no_worker_for_the_whole(self):
        """SPF was found out before: that is enough to refuse."""
        self.start({"checks": "spf; dkim; dmarc"}, inspection_timeout="6s")
        self.stop_workers("scan")
        self.assertEqual(self.send("192.0.0.3", "forged.example").code, 550)
        self.assertEqual(self.send("192.0.0.3", "good.example").code, 250, "DMARC passes by SPF")

    def test_a_policy_that_only_marks(self):
        """Where nothing would be done about a failure, there is no reason to wait."""
        self.start({"checks": "spf; dkim; dmarc", "spf_fail": "mark", "dmarc_reject": "mark",
                    "dmarc_quarantine": "mark", "from_invalid": "mark"}, inspection_timeout="1s")
        self.stop_workers("scan", "light")
        self.assertEqual(self.send("192.0.0.3", "forged.example").code, 250)
        self.assertIn(b"spf=temperror", self.recorder.messages()[-1].octets)


if __name__ == "__main__":
    unittest.main()

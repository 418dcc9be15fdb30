"""
A message whose scan takes longer than the program waits is refused with 451, and the retry of its sender, a
real Postfix with a queue, is answered by what the inspector has found in the meantime.
"""

import sys

from support import milter_messages as mail, outcome
from support.before_queue import Place
from support.inspector import EICAR, slow_archive
from support.milter import MilterTestCase
from support.milter_servers import PostfixTestCase
from support.postfix import Postfix, Unavailable
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client

WAITS = {"inspection_timeout": "1s"}
# A message that is due again while its delivery still ends is left alone by Postfix, and never looked for.
QUEUE = {"default_transport": "smtp", "minimal_backoff_time": "4s", "maximal_backoff_time": "4s",
         "queue_run_delay": "2s", "relay_transport": "smtp"}


class Retry:
    """Messages through a Postfix that tries again, to a server whose replies are in lines()."""

    def start_origin(self, port):
        self.origin = Postfix(domains=("origin.example",),
                              parameters={**QUEUE, "relayhost": f"[127.0.0.1]:{port}"}).start()
        self.addCleanup(self.origin.close)

    def send(self, octets):
        """Its closing lines, once Postfix has nothing left to do."""
        before = len(self.lines())
        with Client(self.origin.port, timeout=100) as client:
            client.ehlo()
            reply = client.deliver("", [mail.RECIPIENT], octets)
        self.assertEqual(reply.code, 250, reply)
        wait_until(lambda: len(self.lines()) > before and self.origin.queue() == [], 100, "an empty queue")
        return self.lines()[before:]

    def check(self):
        for octets, code in ((slow_archive(), "250"), (slow_archive(EICAR), "550")):
            with self.subTest(code):
                codes = [line.get("reply", "250")[:3] for line in self.send(octets)]
                self.assertEqual((codes[0], codes[-1]), ("451", code), codes)


class MilterTest(Retry, PostfixTestCase):
    def test_milter(self):
        milter = self.start_milter(milter=WAITS, inspector={"workers": 1})
        self.lines = lambda: milter.closing_lines("message")
        self.start_origin(self.postfix.port)
        self.check()


class BeforeQueueTest(Retry, MilterTestCase):
    def test_other_received_each_time(self):
        place = Place()
        postfix = place.postfix().start()
        self.addCleanup(postfix.close)
        server = self.proxy(place.ports["behind"], answers=mail.ANSWERS,
                            proxy={"inspect": "yes", **place.proxy_options(), **WAITS},
                            virus={"database": self.signatures()}, inspector={"workers": 1})
        self.lines = lambda: server.closing_lines("message")
        self.start_origin(place.ports["smtp"])
        self.check()


class ProxyTest(ProxyTestCase):
    def test_proxy(self):
        server = self.proxy(self.backend(), proxy={"inspect": "yes", **WAITS}, inspector={"workers": 1},
                            virus={"database": self.signatures()})
        slow = slow_archive()

        def code():
            with Client(server.port, timeout=100) as client:
                client.ehlo()
                return client.deliver("a@sender.example", ["b@example.org"], slow).code
        self.assertEqual(code(), 451)
        wait_until(lambda: code() == 250, 20, "the verdict", 0.5)


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(outcome.SKIPPED)
    outcome.main()

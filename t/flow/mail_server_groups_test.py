"""
Postfix, Exim and OpenSMTPD as three servers of one group (by weight, one killed, one drained), and as groups
of their own that a table of routes leads to. What is accepted is there once.
"""

import signal
import sys
import unittest

from support import exim, opensmtpd, postfix
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SENDER = "a@sender.example"
DOMAINS = ["postfix.example", "exim.example", "opensmtpd.example"]
MAKERS = (lambda: postfix.Postfix(DOMAINS, {"mynetworks": "127.0.0.1/32"}),
          exim.Exim, lambda: opensmtpd.OpenSMTPD(DOMAINS))


class MailServerGroupsTest(ProxyTestCase):
    def start(self):
        self.servers = []
        for make in MAKERS:
            self.servers.append(make().start())
            self.addCleanup(self.servers[-1].close)
        self.places = [f"127.0.0.1:{server.port}" for server in self.servers]

    def front(self, backend, proxy=(), **groups):
        """A proxy whose servers all have been found up."""
        front = self.proxy(1, log={"level": "debug"}, proxy={
            "backend": backend, "threads": 1, "client_address": "none", "recipient_domains": DOMAINS,
            **dict(proxy)}, **groups)
        for place in self.places:
            wait_until(lambda place=place: f"server {place}: unknown -> up" in front.log_now(), what=place)
        return front

    def counts(self):
        mail, queue, other = self.servers
        return [len(mail.messages()), len(list((queue.folder / "spool").glob("input/**/*-H"))),
                len(other.messages())]

    def wait_for(self, counts):
        wait_until(lambda: self.counts() == counts, what=f"{counts} messages, not {self.counts()}")

    def deliver(self, front, times=1, domain=DOMAINS[0]):
        for number in range(times):
            with Client(front.port, timeout=60) as client:
                client.ehlo()
                reply = client.deliver(SENDER, [f"good@{domain}"], crlf(f"Subject: {number}\n\nHello.\n"))
                self.assertEqual(reply.code, 250, reply)

    def test_one_group(self):
        self.start()
        drain = self.subfolder("drain") / "drain"
        front = self.front([f"{self.places[0]} weight=2", *self.places[1:]], {"drain_file": drain},
                           servers={"balance": "round_robin", "check": "1s", "slow_start": "0s"})
        self.deliver(front, 8)
        self.wait_for([4, 2, 2])
        self.servers[1].program.stop(signal.SIGKILL)
        self.deliver(front, 6)
        self.wait_for([8, 2, 4])
        drain.write_text(f"{self.places[2]}\n")
        wait_until(lambda: f"drained: {self.places[2]}" in front.log_now(), what="the file being read")
        self.deliver(front, 3)
        self.wait_for([11, 2, 4])
        self.servers[1].start()
        wait_until(lambda: f"back-end {self.places[1]}: it serves again" in front.log_now(), what="Exim")
        drain.unlink()
        wait_until(lambda: "drained: no server" in front.log_now(), what="the file being gone")
        before = sum(self.counts())
        self.deliver(front, 8)
        wait_until(lambda: sum(self.counts()) == before + 8, what="eight more")
        self.assertGreater(self.counts()[1], 2)
        self.assertGreater(self.counts()[2], 4)

    def test_routes(self):
        self.start()
        routes = self.subfolder("routes") / "routes"
        routes.write_text("".join(f"{domain} {domain.split('.')[0]}\n" for domain in DOMAINS))
        front = self.front(self.places[0], {"routes": routes}, **{
            f"servers {domain.split('.')[0]}": {"address": place}
            for domain, place in zip(DOMAINS, self.places)})
        for times, domain in enumerate(DOMAINS, 1):
            self.deliver(front, times, domain)
        self.wait_for([1, 2, 3])
        with Client(front.port, timeout=60) as client:
            client.ehlo()
            replies = client.envelope(SENDER, *(f"good@{domain}" for domain in DOMAINS))
            self.assertEqual([reply.code for reply in replies[1:]], [250, 452, 452])
            self.assertEqual(client.message(crlf("Subject: one\n\nHello.\n")).code, 250)
        self.wait_for([2, 2, 3])


if __name__ == "__main__":
    try:
        for make in MAKERS:
            make().close()
    except (postfix.Unavailable, exim.Unavailable, opensmtpd.Unavailable) as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

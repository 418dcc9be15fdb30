"""Servers by name: the proxy asks a real name server, again by TTL, and follows it; no session ends."""

import signal
import sys
import unittest

from support import ports
from support.nsd import Nsd
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SENDER = "a@sender.example"
RECIPIENT = "b@example.org"
MESSAGE = crlf("From: a@sender.example\nSubject: names\n\nHello.\n")
ZONE = "servers.test"


class ServerNamesTest(ProxyTestCase):
    def serve(self, lines, backend, **groups):
        """A proxy whose back-end is written so, and the name server that it asks."""
        self.nsd = Nsd({ZONE: lines})
        self.addCleanup(self.nsd.stop)
        return self.proxy(1, proxy={"backend": backend, "threads": 2}, log={"level": "debug"},
                          dns={"answers": None, "servers": self.nsd.address}, **groups)

    def wait_until_up(self, proxy, *names):
        """Servers of these names have been proved."""
        for name in names:
            wait_until(lambda name=name: f"server {name}: unknown -> up" in proxy.log_now(), what=name)

    def backends(self, count):
        """Servers at 127.0.0.1, 127.0.0.2 …, all at one port."""
        port = ports.free_port()
        return [self.backend(host=f"127.0.0.{number}", port=port) for number in range(1, count + 1)]

    def deliver(self, proxy, times=1):
        for _ in range(times):
            with Client(proxy.port) as client:
                client.ehlo()
                reply = client.deliver(SENDER, [RECIPIENT], MESSAGE)
                self.assertEqual(reply.code, 250, reply)

    @staticmethod
    def counts(backends):
        return [len(backend.messages()) for backend in backends]

    def test_addresses_come_and_go(self):
        backends = self.backends(3)
        port = backends[0].port
        proxy = self.serve("mail 1 A 127.0.0.1\n", f"mail.{ZONE}:{port}",
                           servers={"balance": "round_robin", "slow_start": "0s"})
        self.deliver(proxy, 2)
        self.assertEqual(self.counts(backends), [2, 0, 0])
        with Client(proxy.port) as client:
            client.ehlo()
            self.assertEqual(client.envelope(SENDER, RECIPIENT)[-1].code, 250)
            self.nsd.update(ZONE, "mail 1 A 127.0.0.2\nmail 1 A 127.0.0.3\nmail 1 AAAA 2001:db8::1\n")
            self.wait_until_up(proxy, *(f"mail.{ZONE}[127.0.0.{last}]:{port}" for last in (2, 3)))
            self.deliver(proxy, 4)
            self.assertEqual(self.counts(backends), [2, 2, 2])
            self.assertEqual(client.message(MESSAGE).code, 250)  # there, or where its envelope is repeated
        self.assertEqual(sum(self.counts(backends)), 7)
        wait_until(lambda: backends[0].connections == 0, what="no connection to the server that is gone")

        # Its own health: one of two is killed, and nobody hears of it.
        backends[2].stop()
        self.deliver(proxy, 4)
        self.assertEqual(sum(self.counts(backends[:2])) + len(backends[2].messages()), 11)

        # A name that is lost keeps its servers.
        self.nsd.update(ZONE, "other 1 A 127.0.0.1\n")
        wait_until(lambda: "what it had last stays in service" in proxy.log_now(), what="the name being lost")
        before = len(backends[1].messages())
        self.deliver(proxy)
        self.assertEqual(len(backends[1].messages()), before + 1)

    def test_srv_records(self):
        """The lowest priority serves, by weight; the next if it is dead."""
        first, second, third = (self.backend() for _ in range(3))
        proxy = self.serve(f"_smtp._tcp 1 SRV 10 3 {first.port} one\n"
                           f"_smtp._tcp 1 SRV 10 1 {second.port} one\n"
                           f"_smtp._tcp 1 SRV 20 0 {third.port} one\none 1 A 127.0.0.1\n",
                           f"srv:_smtp._tcp.{ZONE}", servers={"balance": "round_robin", "slow_start": "0s"})
        self.wait_until_up(proxy, *(f"one.{ZONE}[127.0.0.1]:{server.port}"
                                    for server in (first, second, third)))
        self.deliver(proxy, 8)
        self.assertEqual(self.counts((first, second, third)), [6, 2, 0])
        first.stop()
        second.stop()
        self.deliver(proxy, 4)
        self.assertEqual(len(third.messages()), 4)
        self.nsd.update(ZONE, f"_smtp._tcp 1 SRV 0 0 {third.port} one\none 1 A 127.0.0.1\n")
        listed = f"_smtp._tcp.{ZONE}: the DNS has one.{ZONE}[127.0.0.1]:{third.port}\n"
        wait_until(lambda: listed in proxy.log_now(), what=listed)
        self.deliver(proxy, 2)
        self.assertEqual(len(third.messages()), 6)

    def test_a_name_that_is_not_there(self):
        """Mail is put off, the log says why; it is found after a reload."""
        backend = self.backend()
        proxy = self.serve("other 1 A 127.0.0.1\n", f"mail.{ZONE}:{backend.port}")
        why = f"the DNS has no address for mail.{ZONE}"
        wait_until(lambda: why in proxy.log_now(), what=why)
        with Client(proxy.port) as client:
            client.ehlo()
            self.assertEqual(client.envelope(SENDER, RECIPIENT)[-1].code, 451)
        self.nsd.update(ZONE, "other 1 A 127.0.0.1\nmail 1 A 127.0.0.1\n")
        proxy.configure(proxy={"backend": f"other.{ZONE}:{backend.port}"})
        proxy.program.send_signal(signal.SIGHUP)
        self.wait_until_up(proxy, f"other.{ZONE}[127.0.0.1]:{backend.port}")
        self.deliver(proxy)
        self.assertIn(why, proxy.wait_for_closing_lines("message", 1)[0].get("error", proxy.log()))


if __name__ == "__main__":
    sys.exit(unittest.main())

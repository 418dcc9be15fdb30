"""
What back-ends are told of clients by a PROXY header: real servers that expect one, those that do not, those
that would relay, and a second proxy.
"""

import sys
import unittest

from support import ports
from support.certificates import Certificate, anybody
from support.exim import Exim
from support.exim import Unavailable as EximUnavailable
from support.opensmtpd import OpenSMTPD
from support.opensmtpd import Unavailable as OpenSMTPDUnavailable
from support.postfix import Postfix, Unavailable
from support.proxy import ProxyTestCase
from support.sendmail import Sendmail
from support.sendmail import Unavailable as SendmailUnavailable
from support.smtp import Client, crlf

SENDER, RECIPIENT, FOREIGN = "a@sender.example", "b@example.org", "x@elsewhere.example"
MESSAGE = crlf("From: a@sender.example\nSubject: told\n\nHello.\n")
ANSWERS = "7.0.0.127.in-addr.arpa PTR seven.example\nseven.example A 127.0.0.7\n"
WAYS = ("proxy-v1", "proxy-v2")
SERVICE = "127.0.0.1:{port} inet n - n - - smtpd\n -o smtpd_upstream_proxy_protocol=haproxy{more}\n"


class ToldTest(ProxyTestCase):
    @classmethod
    def setUpClass(cls):
        cls.safe, cls.open = ports.free_port(), ports.free_port()
        cls.postfix = Postfix(
            services=SERVICE.format(port=cls.safe, more="") +
            SERVICE.format(port=cls.open, more="\n -o mynetworks=0.0.0.0/0"),
            parameters={"mynetworks": "127.0.0.1/32", "default_transport": "discard:"}).start()
        cls.addClassCleanup(cls.postfix.close)

    def front(self, port, way, ready=True, **groups):
        return self.proxy(port, ready, answers=ANSWERS, proxy={
            "threads": 1, "client_address": way, "backend_wait": "2s", **groups.pop("proxy", {})}, **groups)

    def client(self, server, source="127.0.0.7"):
        client = Client(server.port, source=source, timeout=60)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def assert_not_used(self, server, reason):
        client = self.client(server)
        reply = client.envelope(SENDER, RECIPIENT)[-1]
        self.assertEqual((reply.code, reply.enhanced), (451, "4.3.0"), reply)
        client.close()
        server.program.wait_for_log(reason)
        server.stop()

    def test_postfix(self):
        for way in WAYS:
            with self.subTest(way):
                before = len(self.postfix.messages())
                server = self.front(self.safe, way)
                client = self.client(server)
                self.assertIn("DSN", client.capabilities)
                self.assertEqual(client.envelope(SENDER, FOREIGN)[-1].code, 554)
                self.assertEqual(client.command("RSET").code, 250)
                for _ in range(2):
                    self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
                other = self.client(server, "127.0.0.8")
                self.assertEqual(other.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
                messages = self.postfix.wait_for_messages(before + 3)[before:]
                named = [b"from client.example (unknown [127.0.0.%d])" % number for number in (7, 7, 8)]
                self.assertEqual([sum(name in message for message in messages) for name in named], [2, 2, 1])
                server.stop()

    def test_helo_client(self):
        server = self.front(self.safe, "proxy-v2")
        client = Client(server.port, source="127.0.0.7", timeout=60)
        self.addCleanup(client.close)
        self.assertEqual(client.command("HELO old.example").code, 250)
        before = len(self.postfix.messages())
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        self.assertIn(b"from old.example (unknown [127.0.0.7])\n\tby postfix.example (Postfix) with SMTP",
                      self.postfix.wait_for_messages(before + 1)[before])

    def test_relay(self):
        """Who is an open relay is found out by this way too, and not used."""
        for way in WAYS:
            with self.subTest(way):
                self.assert_not_used(self.front(self.open, way), "it is an open relay")

    def test_servers_without_proxy(self):
        """They take it for a command, if for anything; whether recipient_domains is set or not."""
        servers = [("Postfix", self.postfix.port)]
        for kind in (Exim, Sendmail, OpenSMTPD):
            server = kind().start()
            self.addCleanup(server.close)
            servers.append((kind.__name__, server.port))
        for name, port in servers:
            for way, domains in (("proxy-v1", None), ("proxy-v2", "example.org")):
                with self.subTest(name, way=way):
                    self.assert_not_used(self.front(port, way, proxy={"recipient_domains": domains}),
                                         "the back-end ")

    def test_without_relay_probe_it_must_be_taken_all_the_same(self):
        server = self.front(self.postfix.port, "proxy-v1", proxy={"relay_probe": "no"})
        self.assert_not_used(server, "the back-end does not expect a PROXY header")
        server = self.front(self.safe, "proxy-v1", proxy={"relay_probe": "no"})
        self.assertEqual(self.client(server).envelope(SENDER, RECIPIENT)[-1].code, 250)

    def test_opensmtpd(self):
        port = ports.free_port()
        server = OpenSMTPD(
            before=f"listen on 127.0.0.1 port {port} hostname opensmtpd.example proxy-v2").start()
        self.addCleanup(server.close)
        front = self.front(port, "proxy-v2", proxy={"relay_probe_recipient": RECIPIENT})
        client = self.client(front)
        self.assertEqual(client.envelope(SENDER, FOREIGN)[-1].code, 550)
        self.assertEqual(client.command("RSET").code, 250)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        self.assertIn(b"client.example (", server.wait_for_messages(1)[0])
        self.assertIn("127.0.0.7", server.messages()[0].decode())

    def test_a_second_proxy(self):
        """It hears of the client, its port, its TLS and its session."""
        backend = self.backend()
        second = self.proxy(backend, answers=ANSWERS, proxy={
            "threads": 1, "proxy_protocol": "127.0.0.1", "recipient_domains": "example.org"})
        certificate = Certificate(self.folder, "mx.example.org")
        first = self.front(second.port, "proxy-v2", proxy={"tls": "may"}, tls={
            "certificates": certificate.certificate, "keys": certificate.key})
        client = self.client(first)
        self.assertEqual(client.command("STARTTLS").code, 220)
        client.socket = anybody().wrap_socket(client.socket)
        client.ehlo()
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        told = backend.messages()[-1].xclient
        self.assertEqual((told["ADDR"], told["NAME"], told["PORT"]),
                         ("127.0.0.7", "seven.example", str(client.socket.getsockname()[1])))
        line = second.wait_for_closing_lines("message", 2)[-1]  # the first is that of the relay probe
        self.assertRegex(line["tls"], r"TLSv1\.3 TLS_")


if __name__ == "__main__":
    try:
        for module in (Postfix, Exim, Sendmail, OpenSMTPD):
            module().close()
    except (Unavailable, EximUnavailable, SendmailUnavailable, OpenSMTPDUnavailable) as unavailable:
        print(f"skipped: {unavailable}")
        sys.exit(77)
    unittest.main()

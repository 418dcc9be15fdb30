"""Balancers that say whose connection it is (PROXY protocol 1 and 2), an HAProxy among them."""

import socket
import struct
import sys
import unittest

from support import packages, ports
from support.certificates import Certificate, anybody
from support.process import Program
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
MESSAGE = crlf("Subject: balanced\n\nHello.\n")
NAMED = "192.0.2.7"
ANSWERS = "7.2.0.192.in-addr.arpa PTR named.example\nnamed.example A 192.0.2.7\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CONFIGURATION = """
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend plain
  bind 127.0.0.1:{plain}
  default_backend one
frontend secure
  bind 127.0.0.1:{secure} ssl crt {certificate}
  unique-id-format haproxy-%pid
  default_backend two
backend one
  server postern 127.0.0.1:{port} source 127.0.0.3 send-proxy check inter 100ms
backend two
  server postern 127.0.0.1:{port} source 127.0.0.3 send-proxy-v2 proxy-v2-options {options}
"""


def version_1(address=NAMED, port=1234):
    return f"PROXY TCP4 {address} 198.51.100.2 {port} 25\r\n".encode()


def version_2(address=NAMED, port=1234, items=b"", command=0x21):
    body = socket.inet_aton(address) + socket.inet_aton("198.51.100.2") + struct.pack("!HH", port, 25) + items
    return SIGNATURE + bytes([command, 0x11]) + struct.pack("!H", len(body)) + body


def item(kind, value):
    return bytes([kind]) + struct.pack("!H", len(value)) + value


class ProxyProtocolTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.running = self.backend()
        self.server = self.proxy(self.running, answers=ANSWERS, proxy={
            "threads": 1, "proxy_protocol": "127.0.0.3; 127.0.0.4", "proxy_protocol_late": "127.0.0.5",
            "max_connections_per_client": 2})

    def client(self, header, source="127.0.0.3", slowly=False):
        """A client behind a balancer; what the balancer says goes first, then the greeting comes."""
        client = Client(self.server.port, source=source, greet=False)
        self.addCleanup(client.close)
        (client.send_slowly if slowly else client.send)(header)
        return client

    def deliver(self, client):
        self.assertEqual(client.reply().code, 220)
        client.ehlo()
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        return self.running.messages()[-1]

    def test_the_client_is_who_it_names(self):
        for header in (version_1(), version_2(), version_2(items=item(4, b"\0" * 9) + item(5, b"id-1"))):
            for slowly in (False, True):
                with self.subTest(header=header, slowly=slowly):
                    client = self.client(header, slowly=slowly)
                    told = self.deliver(client).xclient
                    self.assertEqual([told[key] for key in ("ADDR", "PORT", "NAME")],
                                     [NAMED, "1234", "named.example"])
                    client.quit()
                    client.close()
        for line in self.server.wait_for_closing_lines("message", 6):
            self.assertEqual((line["client"], line["name"]), (NAMED, "named.example"))

    def test_the_balancer_itself(self):
        for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0"):
            client = self.client(header)
            self.assertEqual(self.deliver(client).xclient["ADDR"], "127.0.0.3")
            client.quit()
            client.close()

    def test_limits_are_the_clients(self):
        """Not the balancer's, which may have many."""
        clients = [self.client(version_1(), source) for source in ("127.0.0.3", "127.0.0.4", "127.0.0.3")]
        self.assertEqual([client.reply().code for client in clients], [220, 220, 421])
        others = [self.client(version_2(f"192.0.2.{number}")) for number in range(20, 24)]
        self.assertEqual({client.reply().code for client in others}, {220})
        clients[0].quit()
        clients[0].close()
        self.server.wait_for_closing_lines("session", 1)
        self.assertEqual(self.client(version_1()).reply().code, 220)
        refused = self.server.wait_for_closing_lines("refused", 1)[0]
        self.assertEqual((refused["client"], refused["limit"]), (NAMED, "max_connections_per_client"))

    def test_who_is_no_balancer(self):
        """A header of somebody who is not listed is what he says, and what is none ends the connection."""
        external = Client(self.server.port, source="127.0.0.9")
        self.addCleanup(external.close)
        self.assertEqual(external.command(version_1().decode().strip()).code, 500)
        for octets in (b"EHLO client.example\r\n", SIGNATURE + b"\x21\x11\xff\xff", b"PROXY TCP4 1\r\n"):
            self.assertEqual(self.client(octets).wait_closed(), b"")
        lines = self.server.wait_for_closing_lines("refused", 1)
        self.assertEqual({line["client"] for line in lines}, {"127.0.0.3"})
        self.assertIn("proxy_protocol", lines[0])

    def test_header_with_the_clients_first_octets(self):
        client = Client(self.server.port, source="127.0.0.5", greet=False)
        self.addCleanup(client.close)
        self.assertEqual(client.reply().code, 220)
        client.send(version_2() + b"EHLO client.example\r\n")
        self.assertEqual(client.reply().code, 250)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        self.assertEqual(self.running.messages()[-1].xclient["ADDR"], NAMED)

    def test_tls_of_the_balancer(self):
        """Who speaks TLS with the balancer is protected, and the log says how, parked meanwhile or not."""
        tls = bytes([1, 0, 0, 0, 1]) + item(0x21, b"TLSv1.3") + item(0x23, b"TLS_AES_128_GCM_SHA256")
        client = self.client(version_2(items=item(0x20, tls)))
        self.assertEqual(client.reply().code, 220)
        client.ehlo()
        self.assertTrue(client.is_silent())
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        line = self.server.wait_for_closing_lines("message", 1)[0]
        self.assertEqual(line["tls"], "TLSv1.3 TLS_AES_128_GCM_SHA256")

    def test_haproxy(self):
        certificate = Certificate(self.folder, "mx.example.org")
        plain, secure = ports.free_port(), ports.free_port()
        path = self.folder / "haproxy.cfg"
        path.write_text(CONFIGURATION.format(
            plain=plain, secure=secure, port=self.server.port, certificate=certificate.both,
            options="ssl,ssl-cipher,authority,unique-id,crc32c"))
        folder = packages.unpack("haproxy")
        haproxy = Program(folder / "usr" / "sbin" / "haproxy", "-db", "-f", path, folder=self.folder,
                          environment=packages.environment(folder))
        self.addCleanup(haproxy.stop)
        for port in (plain, secure):
            haproxy.wait_for_port(port)
        for port in (plain, secure):
            with self.subTest(port=port):
                client = Client(port, source="127.0.0.21", greet=False)
                self.addCleanup(client.close)
                if port == secure:
                    client.socket = anybody().wrap_socket(client.socket, server_hostname="mx.example.org")
                told = self.deliver(client).xclient
                self.assertEqual(told["ADDR"], "127.0.0.21")
                self.assertEqual(client.quit().code, 221)
        lines = self.server.wait_for_closing_lines("message", 2)
        self.assertRegex(lines[1]["tls"], r"TLSv1\.3 TLS_")


if __name__ == "__main__":
    try:
        packages.unpack("haproxy")
    except packages.Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

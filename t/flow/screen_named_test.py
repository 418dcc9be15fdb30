"""Clients that XCLIENT, XFORWARD or a PROXY header names are counted as themselves, and together."""

import contextlib
import sys
import unittest

from support.proxy import ProxyTestCase
from support.smtp import Client

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
ONE, OTHER = "198.51.100.1", "198.51.100.2"
LIMITS = {"class": {"message_rate": 2}, "screen": {"rate_window": "1h", "pause": "nobody"}}


class NamedTest(ProxyTestCase):
    def greet(self, client, way, named):
        """The reply to the MAIL, or to all, of a client that is named that way."""
        if way == "proxy":
            client.send(f"PROXY TCP4 {named} 198.51.100.9 1234 25\r\n".encode())
            reply = client.reply()
            if not reply.is_positive:
                return reply
        client.command("EHLO client.example")
        if way == "xclient":
            self.assertEqual(client.command(f"XCLIENT ADDR={named}").code, 220)
            client.command("EHLO client.example")
        if way == "xforward":
            self.assertEqual(client.command(f"XFORWARD ADDR={named}").code, 250)
        return client.command(f"MAIL FROM:<{SENDER}>")

    @staticmethod
    def connect(server, way):
        source = {"proxy": "127.0.0.3"}.get(way, "127.0.0.2")
        return Client(server.port, source=source, greet=way != "proxy")

    def begin(self, stack, server, way, named):
        return self.greet(stack.enter_context(self.connect(server, way)), way, named)

    def send(self, server, way, named):
        """The last reply to the message of a client that is named that way."""
        with self.connect(server, way) as client:
            reply = self.greet(client, way, named)
            if reply.is_positive:
                client.command(f"RCPT TO:<{RECIPIENT}>")
                client.command("DATA")
                reply = client.command("Subject: x\r\n\r\nx\r\n.")
            client.command("QUIT")
            return reply

    def expect(self, reply, limit=None):
        self.assertEqual(reply.code, 450 if limit else 250, reply)
        self.assertIn(limit or "", str(reply))

    def test_proxy_and_xclient(self):
        server = self.proxy(self.backend(), proxy={"trusted_clients": "127.0.0.2", "threads": 1,
                                                 "proxy_protocol": "127.0.0.3"}, **LIMITS)
        self.expect(self.send(server, "proxy", ONE))
        self.expect(self.send(server, "xclient", ONE))
        for way in ("proxy", "xclient"):
            self.expect(self.send(server, way, ONE), "message_rate")
            self.expect(self.send(server, way, OTHER))
            self.expect(self.send(server, way, "203.0.113." + str(len(way))))

    def test_connections_at_once(self):
        """Two that stand are all that a client may have, however it is named."""
        limits = {"class": {"max_connections": 2}, "screen": {"pause": "nobody"}}
        edge = self.proxy(self.backend(), proxy={"trusted_clients": "127.0.0.2", "threads": 1,
                                                 "proxy_protocol": "127.0.0.3"}, **limits)
        filter_server = self.proxy(self.backend(), proxy={"trusted_clients": "127.0.0.2", "threads": 1,
                                                          "role": "before_queue_filter"}, **limits)
        for number, (server, way) in enumerate(((edge, "proxy"), (edge, "xclient"),
                                                (filter_server, "xforward"))):
            one, other = f"198.51.{number}.1", f"198.51.{number}.2"
            with contextlib.ExitStack() as stack:
                for named, code in ((one, 250), (one, 250), (other, 250), (one, 450)):
                    reply = self.begin(stack, server, way, named)
                    self.assertEqual(reply.code, 421 if (way, code) == ("proxy", 450) else code, reply)
                self.assertIn("max_connections_per_client", str(reply))

    def test_xforward(self):
        server = self.proxy(self.backend(), proxy={"trusted_clients": "127.0.0.2", "threads": 1,
                                                   "role": "before_queue_filter"}, **LIMITS)
        for _ in range(2):
            self.expect(self.send(server, "xforward", ONE))
        self.expect(self.send(server, "xforward", ONE), "message_rate")
        self.expect(self.send(server, "xforward", OTHER))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"])

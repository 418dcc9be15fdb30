"""The control socket: what an administrator asks, and who else would like to."""

import os
import socket
import stat
import sys
import unittest

from support.proxy import ProxyTestCase, run_program
from support.smtp import Client

HERE = {"networks": "127.0.0.0/8"}
ANSWERS = """
25.2.0.192.in-addr.arpa PTR mx.partner.example
mx.partner.example A 192.0.2.25
27.2.0.192.in-addr.arpa PTR !TIMEOUT
"""
GARBAGE = (b"\n", b"\0\n", b"explain\n", b"explain x\n", b"explain 192.0.2.7 and more\n",
           b"block 192.0.2.7\n", b"block 192.0.2.7 x\n", b"block 192.0.2.7 -1\n",
           b"block 192.0.2.7 99999999999999999999\n", b"release ::ffff:\n", b"release 192.0.2.7\n",
           b"status \xff\n", b"status\r\n", b" status\n")


class ControlTest(ProxyTestCase):
    def serve(self):
        folder = self.subfolder("control")
        folder.chmod(0o777)  # whoever the proxy becomes
        self.socket = folder / "control"
        return self.proxy(self.backend(), answers=ANSWERS, screen={"control": self.socket, "pause": "nobody"},
                          **{"class here": HERE, "class partner": {"names": "partner.example"}})

    def ask(self, server, *arguments):
        return run_program("postern-proxy", "--config", server.path, *arguments)

    def connect(self, octets=b""):
        one = socket.socket(socket.AF_UNIX)
        self.addCleanup(one.close)
        one.settimeout(30)
        one.connect(str(self.socket))
        one.sendall(octets)
        return one

    @staticmethod
    def hear(one):
        text = b""
        try:
            while octets := one.recv(4096):
                text += octets
        except ConnectionResetError:
            pass
        return text.decode()

    def test_requests(self):
        server = self.serve()
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)
        with Client(server.port, source="127.0.0.7") as client:
            client.command("EHLO client.example")
            self.assertRegex(self.ask(server, "--status").stdout,
                             r"\A1 connections, 0 of them slowed; .*\n127\.0\.0\.7 points=")
            with Client(server.port, source="127.0.0.9") as other:
                self.assertIn("it is blocked", self.ask(server, "--block-client", "127.0.0.7").stdout)
                self.assertIn("4.7.1 You are blocked", str(client.reply()))
                self.assertEqual(other.command("NOOP").code, 250)
        self.assertRegex(self.ask(server, "--status").stdout, r"\n127\.0\.0\.7 points=.* blocked=3\d+s")
        with socket.create_connection(("127.0.0.1", server.port), 30, ("127.0.0.7", 0)) as refused:
            self.assertRegex(self.hear(refused), r"\A421 4\.7\.1 .*blocked")
        self.assertIn("no suspect", self.ask(server, "--release-client", "127.0.0.7").stdout)
        released = self.ask(server, "--release-client", "127.0.0.7", "--seconds", "0")
        self.assertIn("not slowed", released.stdout)
        with Client(server.port, source="127.0.0.7") as client:
            self.assertEqual(client.command("NOOP").code, 250)
        self.assertIn("not known", self.ask(server, "--explain-client", "2001:db8::1").stdout)
        self.assertRegex(self.ask(server, "--explain-client", "192.0.2.25").stdout,
                         r"name is mx\.partner\.example\n  it is of \[class partner\], by its name\n")
        self.assertRegex(self.ask(server, "--explain-client", "192.0.2.26").stdout,
                         r"has no verified name\n  it is of \[class\]\n")
        unknown = self.ask(server, "--explain-client", "192.0.2.27")
        self.assertRegex(unknown.stdout, r"it is of \[class\]\n  its name was not looked up")
        self.assertIn("the DNS gives no answer", unknown.stderr)
        for option in ("--explain-client", "--block-client", "--release-client"):
            wrong = self.ask(server, option, "x")
            self.assertEqual((wrong.returncode, wrong.stdout), (64, ""))
            self.assertIn("an IP address is expected", wrong.stderr)
        second = run_program("postern-proxy", "--config", server.path)  # it takes the place of no other
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("connections, ", self.ask(server, "--status").stdout)

    def test_attacks(self):
        server = self.serve()
        for line in GARBAGE:
            self.assertRegex(self.hear(self.connect(line)),
                             r"\Aerror\n(an IP address is expected|no such request)\n\Z")
        self.assertEqual(self.hear(self.connect(b"status" + b" " * 600 + b"\n")), "")
        self.assertEqual(self.hear(self.connect(b"x" * 5000)), "")
        endless = self.connect()
        with self.assertRaises(ConnectionError):
            for _ in range(1000):
                endless.sendall(b"x" * 65536)
        crowd = [self.connect(b"sta" if i % 2 else b"status\n") for i in range(100)]  # they stall
        with Client(server.port, source="127.0.0.8") as client:
            self.assertEqual(client.command("NOOP").code, 250)
        self.assertIn("connections, ", self.ask(server, "--status").stdout)
        for one in crowd:
            one.close()
        if os.geteuid() == 0:
            os.chmod(self.socket, 0o666)  # the kernel says who asks
            other = run_program("postern-proxy", "--config", server.path, "--status", user=4242)
            self.assertEqual((other.returncode != 0, other.stdout), (True, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"])

"""Servers are drained by a file and by the control socket: nobody new comes, and nothing is lost."""

import os
import signal
import sys
import unittest

from support.process import wait_until
from support.proxy import ProxyTestCase, run_program
from support.smtp import Client, crlf

SENDER = "a@sender.example"
RECIPIENT = "b@example.org"
MESSAGE = crlf("From: a@sender.example\nSubject: drained\n\nHello.\n")


class DrainTest(ProxyTestCase):
    def serve(self):
        """A proxy before two servers; who is drained is written into a file that is not there at first."""
        folder = self.subfolder("drain")
        folder.chmod(0o777)  # whoever the proxy becomes
        self.file, self.control = folder / "drain", folder / "control"
        self.backends = [self.backend() for _ in range(2)]
        self.names = [f"127.0.0.1:{backend.port}" for backend in self.backends]
        return self.proxy(1, proxy={"backend": self.names, "drain_file": self.file, "threads": 2},
                          servers={"balance": "round_robin"}, screen={"control": self.control})

    def ask(self, proxy, *arguments):
        return run_program("postern-proxy", "--config", proxy.path, *arguments)

    def state(self, proxy, number):
        line = next(line for line in self.ask(proxy, "--status").stdout.splitlines()
                    if line.startswith(f"server {self.names[number]} "))
        return line.partition("state=")[2].split()[0]

    def wait_for(self, proxy, number, state):
        wait_until(lambda: self.state(proxy, number) == state, what=f"server {number} being {state}")

    def deliver(self, proxy, times):
        for _ in range(times):
            with Client(proxy.port) as client:
                client.ehlo()
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)

    def counts(self):
        return [len(backend.messages()) for backend in self.backends]

    def test_by_file(self):
        proxy = self.serve()
        for number in range(2):
            self.wait_for(proxy, number, "up")
        self.deliver(proxy, 4)
        self.assertEqual(self.counts(), [2, 2])
        with Client(proxy.port) as first, Client(proxy.port) as second:
            for client in (first, second):  # one on each server, in the middle of a message
                client.ehlo()
                self.assertEqual(client.envelope(SENDER, RECIPIENT)[-1].code, 250)
                self.assertEqual(client.command("DATA").code, 354)
                client.send(b"Subject: held\r\n\r\n")
            self.file.write_text(f"# they are mended\n{self.names[0]}\nno-server:25\n")
            wait_until(lambda: f"drained: {self.names[0]}\n" in proxy.log_now(), what="the file being read")
            self.assertIn("'no-server:25' is no server", proxy.log_now())
            self.assertIn(self.state(proxy, 0), ("draining", "drained"))
            self.deliver(proxy, 4)
            self.assertEqual(self.counts(), [2, 6])
            for client in (first, second):
                client.send(b"x\r\n.\r\n")
                self.assertEqual(client.reply().code, 250)
        self.wait_for(proxy, 0, "drained")
        wait_until(lambda: self.backends[0].connections == 0, what="no connection to it")
        self.assertEqual(sum(self.counts()), 10)
        self.file.write_text("\n".join(self.names))
        self.wait_for(proxy, 1, "drained")
        with Client(proxy.port) as client:
            client.ehlo()
            self.assertEqual(client.envelope(SENDER, RECIPIENT)[-1].code, 451)
        self.file.unlink()
        for number in range(2):
            self.wait_for(proxy, number, "up")
        self.deliver(proxy, 2)
        self.assertEqual(sum(self.counts()), 12)

    def test_another_file(self):
        """What a file says that the configuration no longer names is forgotten, even without another."""
        proxy = self.serve()
        self.file.write_text(self.names[0])
        self.wait_for(proxy, 0, "drained")
        proxy.configure(proxy={"drain_file": self.file.with_name("another")})
        proxy.program.send_signal(signal.SIGHUP)
        self.wait_for(proxy, 0, "up")

    def test_fifo(self):
        """A FIFO is not waited for."""
        proxy = self.serve()
        self.wait_for(proxy, 0, "up")
        os.mkfifo(self.file)
        wait_until(lambda: "it is no regular file; servers are drained as before" in proxy.log_now(),
                   what="the FIFO being refused")
        self.assertEqual(self.state(proxy, 0), "up")
        self.file.unlink()
        self.file.write_text(self.names[0])
        self.wait_for(proxy, 0, "drained")

    def test_from_the_start(self):
        """One that is drained is probed like the others: once, and not again and again."""
        backend = self.backend()
        names = [f"127.0.0.1:{backend.port}", f"127.0.0.1:{self.backend().port}"]
        control = self.subfolder("drain") / "control"
        self.names = [names[1]]
        proxy = self.proxy(1, proxy={"backend": [f"{names[0]} drain", names[1]]}, screen={"control": control})
        self.wait_for(proxy, 0, "up")
        self.deliver(proxy, 3)
        wait_until(lambda: backend.connections == 0, what="no connection to it")
        self.assertLess(backend.total_connections, 10)

    def test_by_control(self):
        proxy = self.serve()
        self.wait_for(proxy, 0, "up")
        self.wait_for(proxy, 1, "up")
        for wrong in ("127.0.0.1:1", "", "x\ny"):
            self.assertNotEqual(self.ask(proxy, "--drain-server", wrong).returncode, 0, wrong)
        self.assertNotEqual(self.ask(proxy, "--undrain-server", self.names[1]).returncode, 0)
        answer = self.ask(proxy, "--drain-server", self.names[1])
        self.assertIn(f"server {self.names[1]} group=default state=drain", answer.stdout, answer)
        self.deliver(proxy, 3)
        self.assertEqual(self.counts(), [3, 0])
        answer = self.ask(proxy, "--undrain-server", self.names[1])
        self.assertIn(f"server {self.names[1]} group=default state=up", answer.stdout, answer)
        self.deliver(proxy, 2)
        self.assertGreater(self.counts()[1], 0)


if __name__ == "__main__":
    sys.exit(unittest.main())

"""What a service manager is told (sd_notify): ready, reloading, stopping; by no private inspector."""

import os
import signal
import socket
import unittest

from support.milter import Milter
from support.process import Program
from support.proxy import Proxy, ProxyTestCase


class Manager:
    """The socket of a service manager."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(30)
        os.chmod(path, 0o666)
        self.environment = {"NOTIFY_SOCKET": str(path)}

    def lines(self):
        """The next datagram."""
        return self.socket.recv(4096).decode().split("\n")

    def is_silent(self):
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        return False


class NotifyTest(ProxyTestCase):
    def check(self, name, server, *arguments, reloads=1):
        manager = Manager(server.folder / "notify")
        self.addCleanup(manager.socket.close)
        program = Program(name, "--config", server.path, *arguments, folder=server.folder,
                          environment=manager.environment)
        self.addCleanup(program.stop)
        self.assertEqual(manager.lines(), ["READY=1"])
        program.send_signal(signal.SIGHUP)
        for _ in range(reloads):
            reloading, since = manager.lines()
            self.assertEqual(reloading, "RELOADING=1")
            self.assertRegex(since, "^MONOTONIC_USEC=[0-9]+$")
            self.assertEqual(manager.lines(), ["READY=1"])
        program.send_signal(signal.SIGTERM)
        self.assertEqual(manager.lines(), ["STOPPING=1"])
        self.assertEqual(program.wait(30), 0)
        self.assertTrue(manager.is_silent())

    def test_proxy(self):
        server = Proxy(self.subfolder("proxy"), self.backend().port, proxy={"inspect": "yes"},
                       virus={"scan": "no"})
        self.check("postern-proxy", server)

    def test_milter(self):
        server = Milter(self.subfolder("milter"), virus={"scan": "no"})
        self.check("postern-milter", server, reloads=2)  # the supervisor, and what serves

    def test_shared_inspector(self):
        server = Proxy(self.subfolder("inspector"), 1, virus={"scan": "no"})
        self.check("postern-inspector", server, "--socket", server.folder / "socket")


if __name__ == "__main__":
    unittest.main()

"""
What a service manager is told (sd_notify): ready, reloading, stopping, a status, and a watchdog that each
daemon is alive; by no private inspector.
"""

import signal
import unittest

from support.milter import Milter
from support.process import Program, wait_until
from support.proxy import Proxy, ProxyTestCase
from support.service_manager import ServiceManager


class NotifyTest(ProxyTestCase):
    def check(self, name, server, *arguments, processes=1, status):
        manager = ServiceManager(server.folder / "notify")
        self.addCleanup(manager.close)
        manager.environment["WATCHDOG_USEC"] = "2000000"
        program = Program(name, "--config", server.path, *arguments, folder=server.folder,
                          environment=manager.environment)
        self.addCleanup(program.stop)
        self.assertEqual(manager.lines(), ["READY=1"])
        wait_until(lambda: manager.status == status, 30, "a status")
        wait_until(lambda: manager.beats > 3, 30, "a watchdog that is fed")
        program.send_signal(signal.SIGHUP)
        for _ in range(processes):
            reloading, since = manager.lines()
            self.assertEqual(reloading, "RELOADING=1")
            self.assertRegex(since, "^MONOTONIC_USEC=[0-9]+$")
        self.assertEqual(manager.lines(), ["READY=1"])
        program.send_signal(signal.SIGTERM)
        self.assertEqual(manager.lines(), ["STOPPING=1"])
        self.assertEqual(program.wait(30), 0)
        self.assertEqual(manager.told, [])

    def test_proxy(self):
        server = Proxy(self.subfolder("proxy"), self.backend().port, proxy={"inspect": "yes"},
                       virus={"scan": "no"})
        self.check("postern-proxy", server, status="serving 0 clients")

    def test_milter(self):
        server = Milter(self.subfolder("milter"), virus={"scan": "no"})
        self.check("postern-milter", server, processes=2,  # what serves is ready last
                   status="serving: 0 messages under way")

    def test_shared_inspector(self):
        server = Proxy(self.subfolder("inspector"), 1, virus={"scan": "no"})
        self.check("postern-inspector", server, "--socket", server.folder / "socket",
                   status="serving: 0 programs connected, 0 requests")


if __name__ == "__main__":
    unittest.main()

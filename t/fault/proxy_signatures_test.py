"""While a proxy's inspector loads its first signatures no message passes, and none is refused for good."""

import os
import signal
import unittest

from support import outcome, signatures
from support.inspector_processes import InspectorProcesses
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SIGNATURES = 200_000  # so that the load takes longer than we do


class SignaturesTest(ProxyTestCase):
    def send(self):
        with Client(self.server.port, timeout=60) as client:
            client.ehlo("client.example")
            return client.deliver("a@ours.example", ["b@example.org"],
                                  crlf("From: a@ours.example\nSubject: x\n\nHello.\n"))

    def test_first_load(self):
        database = self.subfolder("database")
        os.chmod(database, 0o755)
        signatures.make(database, SIGNATURES)
        backend = self.backend()
        self.server = self.proxy(backend, False, proxy={"inspect": "yes", "inspection_timeout": "2s"},
                                 virus={"database": database, "warn_days": 0})
        processes = InspectorProcesses(self.server.program)
        template, = processes.wait_for("template")
        os.kill(template, signal.SIGSTOP)
        self.assertEqual(processes.of("worker"), [], "it has loaded them already")
        reply = self.send()
        self.assertEqual(reply.code, 451, reply)
        self.assertEqual(backend.messages(), [])
        self.assertIn("signatures are being loaded", self.server.log())
        os.kill(template, signal.SIGCONT)
        wait_until(lambda: self.send().code == 250, 60, "the signatures")


if __name__ == "__main__":
    outcome.main()

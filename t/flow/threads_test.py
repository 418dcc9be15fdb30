"""
Clients go to the first thread while it has time, also where the sockets are those of the process before.
"""

import pathlib
import re
import signal
import unittest

from support.process import wait_until
from support.proxy import Proxy, ProxyTestCase
from support.service_manager import ServiceManager
from support.smtp import Client

THREADS, CLIENTS = 4, 40


def switches(pid):
    """How often each thread that serves clients has slept, the first one's first."""
    tasks = sorted(pathlib.Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name))
    texts = [(task / "status").read_text() for task in tasks if (task / "comm").read_text() == "proxy\n"]
    return [int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)[1]) for text in texts]


class ThreadsTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.server = Proxy(self.subfolder("proxy"), self.backend().port, proxy={"threads": THREADS})
        self.manager = ServiceManager(self.server.folder / "notify")
        self.addCleanup(self.manager.close)

    def _start(self):
        program = self.manager.start("postern-proxy", "--config", self.server.path, folder=self.server.folder)
        self.addCleanup(program.stop)
        self.assertEqual(self.manager.lines(), ["READY=1"])
        return program

    def _work_of_threads(self, program):
        wait_until(lambda: len(switches(program.pid)) == THREADS, 10, "threads")
        with Client(self.server.port) as client:  # the first threads have looked at the server
            client.ehlo()
            reply = client.deliver("a@sender.example", ["b@example.org"], b"Subject: one\r\n\r\n")
            self.assertEqual(reply.code, 250)
        before = switches(program.pid)
        for _ in range(CLIENTS):
            with Client(self.server.port) as client:
                client.ehlo()
        return [after - earlier for after, earlier in zip(switches(program.pid), before)]

    def _check_restart(self):
        program = self._start()
        first, *others = self._work_of_threads(program)
        print(f"waits of the first thread {first}, of the others {others}", flush=True)
        self.assertGreater(first, CLIENTS)
        self.assertLess(sum(others), CLIENTS / 4)
        program.send_signal(signal.SIGTERM)
        self.assertEqual(self.manager.lines()[0], "STOPPING=1")
        self.assertEqual(program.wait(60), 0)

    def test_first_thread_serves(self):
        for _ in range(3):
            self._check_restart()

    def test_all_threads_serve(self):
        self._check_restart()
        self.server.configure(proxy={"threads": THREADS, "gather_clients": "no"})
        program = self._start()
        waits = self._work_of_threads(program)
        print(f"waits of the threads {waits}", flush=True)
        self.assertGreater(min(waits), 0)


if __name__ == "__main__":
    unittest.main()

"""
Ten thousand clients at once before a server that takes fifty connections: it never sees more, they are kept
from message to message, every client is served in time, and a message costs as much as with few clients.
"""

import os
import sys
import tempfile
import unittest

from support import crowd, peers
from support import proxy as proxies

CLIENTS = int(os.environ.get("POSTERN_BENCH_CLIENTS", "10000"))
FEW = 50
LIMIT = 50
MESSAGES = 3  # a session
TIME = 1.5    # times the processor time of a message with few clients
REUSED = 20   # messages a connection, at least


class MultiplexBench(proxies.ProxyTestCase):
    def _run(self, clients):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        front = proxies.Proxy(self.enterContext(tempfile.TemporaryDirectory()), sink.port, proxy={
            "client_address": "xforward", "recipient_domains": "dest.example", "threads": 2,
            "max_connections": 20000, "max_connections_per_client": 20000, "backend_connections": LIMIT})
        front.start(ready=False)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        before = peers.cpu_seconds(front.program.pid)
        messages = MESSAGES * CLIENTS
        told = peers.load(front.port, clients, messages, MESSAGES, 1024, addresses=clients)
        time = (peers.cpu_seconds(front.program.pid) - before) / messages * 1000
        lines = front.closing_lines("message")
        waits = sorted(int(line.get("backend_wait", 0)) for line in lines)
        front.stop()
        connections, most = sink.stop()
        print(f"{clients} clients: {told['messages']:.0f} of {messages} messages, "
              f"{told['messages'] / told['seconds']:.0f} a second, p50 {told['p50_ms']:.0f} ms, "
              f"p99 {told['p99_ms']:.0f} ms; {time:.3f} CPU seconds per 1,000; backend_wait p50 "
              f"{waits[len(waits) // 2]} ms, most {waits[-1]} ms; the server saw {most} connections at once "
              f"(at most {LIMIT}), {connections} in all", flush=True)
        self.assertEqual((told["messages"], told["failed"]), (messages, 0))
        self.assertLessEqual(most, LIMIT)
        self.assertGreaterEqual(messages / connections, REUSED)
        return time

    def test_many_clients(self):
        crowd.allow_many_descriptors()
        few, many = self._run(FEW), self._run(CLIENTS)
        print(f"processor time of a message: {many / few:.2f} times (at most {TIME})")
        self.assertLessEqual(many / few, TIME)


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

"""
Mail through postern-proxy without inspection beside the same mail through HAProxy, which relays octets and
knows no SMTP: rate and processor time, the two interleaved, medians and their ratios. A cell is missed if a
ratio is beyond its bound.
"""

import os
import statistics
import sys
import tempfile
import unittest

from support import peers
from support import proxy as proxies

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "7"))
CONNECTIONS = 10
CELLS = [  # name, messages, messages a connection, octets, least rate, most processor time
    ("1 kB, a connection each", 3000, 1, 1024, 1.0, 0.9),
    ("1 kB, twenty a connection", 6000, 20, 1024, 0.8, 1.2),
    ("100 kB, twenty a connection", 1000, 20, 102400, 0.9, 1.0),
    ("5 MB, twenty a connection", 40, 20, 5 * 1024 * 1024, 0.9, 1.2),
]


class ProxyBench(proxies.ProxyTestCase):
    def _measure(self, port, pids, cell):
        _, messages, a_connection, octets, _, _ = cell
        before = peers.cpu_seconds(*pids)
        told = peers.load(port, CONNECTIONS, messages, a_connection, octets)
        self.assertEqual((told["messages"], told["failed"]), (messages, 0))
        return messages / told["seconds"], (peers.cpu_seconds(*pids) - before) / messages * 1000

    def test_throughput(self):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        haproxy = peers.HAProxy(folder, sink.port)
        self.addCleanup(haproxy.stop)
        front = proxies.Proxy(folder, sink.port, proxy={
            "client_address": "xforward", "recipient_domains": "dest.example", "threads": 2,
            "max_connections_per_client": 1000, "backend_connections": 50}, log={"level": "warning"})
        front.start(ready=False)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        ways = {"direct": (sink.port, []), "haproxy": (haproxy.port, [haproxy.pid]),
                "postern": (front.port, [front.program.pid])}
        for port, _ in ways.values():
            peers.load(port, CONNECTIONS, 200, 1, 1024)
        missed = [cell[0] for cell in CELLS if not self._compare(cell, ways)]
        self.assertEqual(missed, [])

    def _compare(self, cell, ways):
        name, _, _, _, least_rate, most_time = cell
        results = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (port, pids) in ways.items():
                results[way].append(self._measure(port, pids, cell))
        print(f"{name}:")
        for way, figures in results.items():
            rate, time = (statistics.median(column) for column in zip(*figures))
            print(f"    {way:8} {rate:8.0f} messages/s  {time:7.3f} CPU seconds per 1,000 messages")
        rate, time = (statistics.median(ours[i] / theirs[i] for ours, theirs in
                                        zip(results["postern"], results["haproxy"])) for i in (0, 1))
        good = rate >= least_rate and time <= most_time
        print(f"    postern to haproxy: rate {rate:.2f} (at least {least_rate}), processor time {time:.2f} "
              f"(at most {most_time}){'' if good else ': MISSED'}", flush=True)
        return good


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

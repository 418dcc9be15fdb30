"""
Mail through postern-proxy without inspection beside the same mail through HAProxy, which relays octets and
knows no SMTP: rate and processor time, the two interleaved, medians and their ratios. A cell is missed if a
ratio is beyond its bound. Then by how much the proxy grows while one very large message passes.
"""

import os
import pathlib
import re
import statistics
import sys
import tempfile
import time
import unittest

from support import peers, smtp
from support import proxy as proxies

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "7"))
CONNECTIONS = 10
LARGE_OCTETS = int(os.environ.get("POSTERN_BENCH_LARGE_OCTETS", str(5 * 10**9)))
GROWTH_OCTETS = 10**6
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

    def _set_up(self, **options):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        front = proxies.Proxy(folder, sink.port, log={"level": "warning"}, proxy={
            "client_address": "xforward", "recipient_domains": "dest.example", "threads": 2,
            "max_connections_per_client": 1000, "backend_connections": 50, **options})
        front.start(ready=False)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        return sink, front, folder

    def test_throughput(self):
        sink, front, folder = self._set_up()
        haproxy = peers.HAProxy(folder, sink.port)
        self.addCleanup(haproxy.stop)
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


    def test_growth(self):
        """A message of any size needs as much memory as one that is a little larger than a burst."""
        _, front, _ = self._set_up(message_size="8G")
        self._send(front.port, 10**6)
        before = self._most_octets(front.program.pid)
        began = time.monotonic()
        self._send(front.port, LARGE_OCTETS)
        seconds = time.monotonic() - began
        growth = self._most_octets(front.program.pid) - before
        print(f"one message of {LARGE_OCTETS / 10**9:g} GB, {LARGE_OCTETS / seconds / 10**6:.0f} MB/s: "
              f"growth {growth / 1000:.0f} kB (at most {GROWTH_OCTETS / 1000:.0f})")
        self.assertLessEqual(growth, GROWTH_OCTETS)

    def _send(self, port, octets):
        lines = (b"0123456789abcdef" * 4 + b"\r\n") * 10000
        with smtp.Client(port, timeout=120) as client:
            client.ehlo()
            client.envelope("a@load.example", "b@dest.example")
            self.assertEqual(client.command("DATA").code, 354)
            client.send(b"Subject: large\r\n\r\n")
            for _ in range(octets // len(lines)):
                client.send(lines)
            client.send(b".\r\n")
            self.assertEqual(client.reply().code, 250)

    @staticmethod
    def _most_octets(pid):
        """The most memory that the process had in RAM so far."""
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)[1]) * 1024


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

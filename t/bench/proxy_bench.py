"""
Mail through postern-proxy without inspection beside the same mail through HAProxy and a bare relay, which
pass octets on and know no SMTP, and through nginx's mail proxy: rate, processor time and latency, all
interleaved, medians and their ratios to HAProxy's. The floor is what the sender and the sink take themselves.
A figure beyond its bound is marked, and fails the run. Then with all limits as they are by default, before a
real Postfix, beside idle clients, with one thread and with two; and by how much the proxy grows while one
very large message passes.
"""

import os
import pathlib
import re
import socket
import statistics
import sys
import tempfile
import time
import unittest

from support import crowd, peers, smtp
from support import proxy as proxies

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "7"))
LARGE_OCTETS = int(os.environ.get("POSTERN_BENCH_LARGE_OCTETS", str(5 * 10**9)))
GROWTH_OCTETS = 10**6
LATENCY_MS = 0.30  # that a whole session takes longer, one at a time
IDLE = (1, 1000, 15000)
IDLE_TIME = 1.15   # times what it takes with the fewest
THREADS_RATE, THREADS_TIME = 1.8, 1.05
SENDER_CORES = 2   # that the sender and the sink want for themselves
CELLS = [  # name, connections, messages, messages a connection, octets, least rate, most processor time
    ("1 kB, 10 sessions, a message each", 10, 3000, 1, 1024, 1.15, 0.65),
    ("1 kB, 100 sessions, a message each", 100, 3000, 1, 1024, 1.15, 0.65),
    ("1 kB, 10 sessions, twenty each", 10, 6000, 20, 1024, 1.0, 0.8),
    ("100 kB, 10 sessions, twenty each", 10, 1000, 20, 102400, 1.1, 0.65),
    ("5 MB, 10 sessions, twenty each", 10, 40, 20, 5 * 1024 * 1024, 1.0, 1.0),
]
LIMITED = ("1 kB, twenty each, default limits", 10, 4000, 20, 1024)
BEFORE_POSTFIX = ("1 kB, five each", 10, 500, 5, 1024)
ONE = ("1 kB, one at a time", 1, 500, 1, 1024)


class ProxyBench(proxies.ProxyTestCase):
    def _measure(self, port, pids, cell):
        """Messages a second, CPU seconds per 1,000 messages, the sender's own, the median session in ms."""
        _, connections, messages, a_connection, octets = cell[:5]
        before = peers.cpu_seconds(*pids)
        told = peers.load(port, connections, messages, a_connection, octets)
        self.assertEqual((told["messages"], told["failed"]), (messages, 0))
        return (messages / told["seconds"], (peers.cpu_seconds(*pids) - before) / messages * 1000,
                told["cpu"] / messages * 1000, told["session_p50_ms"])

    def _folder(self):
        return self.enterContext(tempfile.TemporaryDirectory())

    def _sink(self):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        return sink

    def _postern(self, backend, **options):
        front = proxies.Proxy(self._folder(), backend, log={"level": "warning"}, proxy={
            "client_address": "xforward", "recipient_domains": "dest.example", "threads": 2,
            "max_connections_per_client": 1000, "backend_connections": 50, **options})
        front.start(ready=False)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        return front.port, [front.program.pid]

    def _peer(self, kind, backend):
        peer = kind(self._folder(), backend)
        self.addCleanup(peer.stop)
        return peer.port, peer.pids() if hasattr(peer, "pids") else [peer.pid]

    def _rounds(self, cell, ways, rounds=ROUNDS):
        """The figures of each way, a row a round; what is first in a round is another one each time."""
        results = {way: [] for way in ways}
        for number in range(rounds):
            names = list(ways)
            for way in names[number % len(names):] + names[:number % len(names)]:
                results[way].append(self._measure(*ways[way], cell))
        print(f"{cell[0]}:")
        for way, figures in results.items():
            rate, cpu, _, session = (statistics.median(column) for column in zip(*figures))
            print(f"    {way:16} {rate:8.0f} messages/s  {cpu:7.3f} CPU seconds per 1,000 messages  "
                  f"session {session:7.3f} ms", flush=True)
        return results

    @staticmethod
    def _ratio(results, column, way, other):
        return statistics.median(ours[column] / theirs[column]
                                 for ours, theirs in zip(results[way], results[other]))

    def _judge(self, missed, what, figure, bound, least=False):
        good = figure >= bound if least else figure <= bound
        side = "least" if least else "most"
        print(f"    {what} {figure:.2f} (at {side} {bound:g}){'' if good else ': MISSED'}", flush=True)
        missed += [] if good else [what]

    def _all_ways(self):
        sink = self._sink()
        ways = {"direct": (sink.port, [sink.pid]), "haproxy": self._peer(peers.HAProxy, sink.port),
                "nginx": self._peer(peers.Nginx, sink.port),
                "bare relay": self._peer(peers.BareRelay, sink.port), "postern": self._postern(sink.port)}
        for port, _ in ways.values():
            peers.load(port, 10, 200, 1, 1024)
        return ways

    def test_throughput(self):
        ways, missed = self._all_ways(), []
        for cell in CELLS:
            results = self._rounds(cell, ways)
            floor = statistics.median(row[1] + row[2] for row in results["direct"])
            print(f"    floor            {floor:33.3f} CPU seconds per 1,000 messages")
            self._judge(missed, "postern to haproxy: rate", self._ratio(results, 0, "postern", "haproxy"),
                        cell[5], least=True)
            self._judge(missed, "postern to haproxy: processor time",
                        self._ratio(results, 1, "postern", "haproxy"), cell[6])
        self.assertEqual(missed, [])

    def test_latency(self):
        """What is between client and server makes a whole session so much longer."""
        missed, results = [], self._rounds(ONE, self._all_ways())
        for way in results:
            added = statistics.median(ours[3] - direct[3]
                                      for ours, direct in zip(results[way], results["direct"]))
            if way == "postern":
                self._judge(missed, "postern adds ms", added, LATENCY_MS)
            elif way != "direct":
                print(f"    {way} adds ms {added:.2f}")
        self.assertEqual(missed, [])

    def test_default_limits(self):
        """The limits for clients, as they are, cost next to nothing."""
        sink = self._sink()
        results = self._rounds(LIMITED, {
            "direct": (sink.port, [sink.pid]), "haproxy": self._peer(peers.HAProxy, sink.port),
            "postern": self._postern(sink.port, max_connections_per_client=None, backend_connections=None)})
        for column, what in ((0, "rate"), (1, "processor time")):
            print(f"    postern to haproxy: {what} {self._ratio(results, column, 'postern', 'haproxy'):.2f}")

    def test_before_postfix(self):
        """A real server behind, told of the clients by XFORWARD."""
        from support.postfix import Postfix
        with Postfix(domains=("dest.example",), parameters={
                "smtpd_authorized_xforward_hosts": "127.0.0.1", "smtpd_client_connection_count_limit": "0",
                "relay_transport": "discard", "local_transport": "discard", "virtual_transport": "discard",
                "default_transport": "discard", "smtpd_peername_lookup": "no"}) as server:
            results = self._rounds(BEFORE_POSTFIX, {
                "direct": (server.port, []), "haproxy": self._peer(peers.HAProxy, server.port),
                "postern": self._postern(server.port)})
        for column, what in ((0, "rate"), (1, "processor time")):
            print(f"    postern to haproxy: {what} {self._ratio(results, column, 'postern', 'haproxy'):.2f}")

    def test_idle_clients(self):
        """A message costs as much whoever else is connected and says nothing."""
        crowd.allow_many_descriptors()
        sink, held, times, missed = self._sink(), [], {}, []
        port, pids = self._postern(sink.port, max_connections=20000, client_timeout="1h")
        cell = CELLS[2]
        self.addCleanup(lambda: [one.close() for one in held])
        for count in IDLE:
            while len(held) < count:
                source = f"127.1.{len(held) // 250}.{1 + len(held) % 250}"
                one = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))
                held.append(one)
                self.assertEqual(one.recv(4096)[:3], b"220")
            time.sleep(2)  # they are parked
            results = self._rounds((f"{cell[0]}, {count} idle", *cell[1:]), {"postern": (port, pids)})
            times[count] = statistics.median(row[1] for row in results["postern"])
        for count in IDLE[1:]:
            self._judge(missed, f"{count} idle to {IDLE[0]}: processor time", times[count] / times[IDLE[0]],
                        IDLE_TIME)
        self.assertEqual(missed, [])

    def test_second_thread(self):
        """Two threads do twice the work, if there are cores for them; else they cost no more."""
        sink, missed = self._sink(), []
        ways = {f"{threads} threads": self._postern(sink.port, threads=threads) for threads in (1, 2)}
        results = self._rounds(CELLS[2], ways)
        if os.cpu_count() >= 2 + SENDER_CORES:
            self._judge(missed, "2 threads to 1: rate", self._ratio(results, 0, "2 threads", "1 threads"),
                        THREADS_RATE, least=True)
        else:
            self._judge(missed, "2 threads to 1: processor time",
                        self._ratio(results, 1, "2 threads", "1 threads"), THREADS_TIME)
        self.assertEqual(missed, [])

    def test_growth(self):
        """A message of any size needs as much memory as one that is a little larger than a burst."""
        port, (pid,) = self._postern(self._sink().port, message_size="8G")
        self._send(port, 10**6)
        before = self._most_octets(pid)
        began = time.monotonic()
        self._send(port, LARGE_OCTETS)
        seconds = time.monotonic() - began
        growth = self._most_octets(pid) - before
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

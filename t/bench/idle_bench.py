"""
What a message costs the proxy with 1, 1,000 and 15,000 idle sessions beside it (POSTERN_BENCH_IDLE: others),
and with one thread and with two: processor time, medians of rounds that take turns. Neither may grow.
"""

import os
import statistics
import sys
import tempfile
import unittest

from support import crowd, peers, suspects
from support import proxy as proxies

IDLE = [int(count) for count in os.environ.get("POSTERN_BENCH_IDLE", "1 1000 15000").split()]
MESSAGES = int(os.environ.get("POSTERN_BENCH_MESSAGES", "4000"))
ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "5"))
CONNECTIONS, A_CONNECTION, OCTETS = 10, 20, 1024
GROWTH = 1.05  # processor time of a message, at most
RATE = 1.8     # messages a second with two threads, at least, where there are cores for them


class IdleBench(proxies.ProxyTestCase):
    def _front(self, threads):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        front = proxies.Proxy(self.enterContext(tempfile.TemporaryDirectory()), sink.port, proxy={
            "client_address": "xforward", "recipient_domains": "dest.example", "threads": threads,
            "max_connections": 20000, "max_connections_per_client": 20000, "client_timeout": "1h"},
            screen={"pause": "nobody"})
        front.start(ready=False)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        self._cost(front)  # connections to the back-end are open
        return front

    def _cost(self, front):
        """CPU seconds for 1,000 messages, and messages a second."""
        before = peers.cpu_seconds(front.program.pid)
        told = peers.load(front.port, CONNECTIONS, MESSAGES, A_CONNECTION, OCTETS)
        self.assertEqual((told["messages"], told["failed"]), (MESSAGES, 0))
        used = peers.cpu_seconds(front.program.pid) - before
        return used / MESSAGES * 1000, told["messages"] / told["seconds"]

    def _compare(self, what, fronts):
        """Medians of cost and of rate for each of fronts, whose keys say what they are."""
        figures = {name: [] for name in fronts}
        for _ in range(ROUNDS):
            for name, front in fronts.items():
                figures[name].append(self._cost(front))
        medians = {}
        for name, rounds in figures.items():
            cost, rate = (statistics.median(column) for column in zip(*rounds))
            medians[name] = cost, rate
            print(f"{name} {what}: {cost:.4f} CPU seconds per 1,000 messages, {rate:.0f} messages a second",
                  flush=True)
        return medians

    def test_idle_sessions(self):
        crowd.allow_many_descriptors()
        fronts = {count: self._front(1) for count in IDLE}
        held = [suspects.Held(front.port, count, crowd.addresses(min(count, 250)), rb"\n\Z")
                for count, front in fronts.items()]
        for one in held:
            one.say(b"EHLO idle.example\r\n", rb"^250 .*\r\n\Z")
        medians = self._compare("idle sessions", fronts)
        for one in held:
            one.close()
        growth = max(cost for cost, _ in medians.values()) / medians[IDLE[0]][0]
        print(f"processor time of a message: {growth:.3f} times at most (at most {GROWTH})")
        self.assertLessEqual(growth, GROWTH)

    def test_threads(self):
        medians = self._compare("threads", {threads: self._front(threads) for threads in (1, 2)})
        cost, rate = (medians[2][figure] / medians[1][figure] for figure in range(2))
        print(f"two threads: {rate:.2f} times the rate (at least {RATE}), or {cost:.3f} times the processor "
              f"time of a message (at most {GROWTH})")
        self.assertTrue(rate >= RATE or cost <= GROWTH)


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

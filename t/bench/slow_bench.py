"""
Slow readers and writers: 10,000 clients with valid recipients, a third each slow between commands, between
RCPTs and within DATA, and 100 good senders beside them. The mail server never sees more connections than its
limit of 20, and the good senders' p99 is at most twice that without slow clients.
"""

import multiprocessing
import os
import sys
import time
import unittest

from support import crowd, suspects
from support.process import wait_until

CLIENTS = int(os.environ.get("POSTERN_BENCH_CLIENTS", "10000"))
SECONDS = float(os.environ.get("POSTERN_BENCH_SECONDS", "60"))
SERVER_CONNECTIONS, GOOD, PAUSE = 20, 100, 15
P99_FACTOR_MAX, GRAIN = 2.0, 0.05
KINDS = (crowd.slow_commands, crowd.recipients, crowd.drip)


class SlowClients:
    """A crowd in a process of its own, that is not in the way of those whose time is taken."""

    def __init__(self, port, kind, sources, count):
        self._numbers = multiprocessing.Array("L", 2)  # connected, turned away
        self._end = multiprocessing.Event()
        self._process = multiprocessing.Process(target=self._run, args=(port, kind, sources, count))
        self._process.start()

    def _run(self, port, kind, sources, count):
        with crowd.Crowd(port, kind, sources, count, PAUSE) as one:
            while not self._end.wait(0.5):
                self._numbers[:] = [one.connected, one.turned_away]

    connected = property(lambda self: self._numbers[0])
    turned_away = property(lambda self: self._numbers[1])

    def stop(self):
        self._end.set()
        self._process.join(30)
        self._process.kill()


class SlowBench(suspects.SuspectsCase):
    def test_slow(self):
        each = CLIENTS // len(KINDS)
        server = self.backend()
        front = self.postern({}, server.port, proxy={
            "backend_connections": SERVER_CONNECTIONS, "client_timeout": "5m", "backend_wait": "60s"})
        quiet = crowd.good_senders(front.port, count=GOOD, rounds=5)
        crowds = [SlowClients(front.port, kind, crowd.addresses(each, 20 + number), each)
                  for number, kind in enumerate(KINDS)]
        for slow in crowds:
            self.addCleanup(slow.stop)
        wait_until(lambda: min(slow.connected for slow in crowds) >= each, 120, "the slow clients")
        began, beside = time.monotonic(), []
        while time.monotonic() - began < SECONDS:
            beside += crowd.good_senders(front.port, count=GOOD, rounds=1)
            time.sleep(1)
        turned_away = sum(slow.turned_away for slow in crowds)
        octets = suspects.uss(front.program.pid)
        one, other = (crowd.percentile(sent, 0.99) for sent in (quiet, beside))
        print(f"{len(KINDS) * each} slow clients for {SECONDS:.0f} s, {turned_away} times let go; "
              f"{sum(sent.code == 250 for sent in beside)} of {len(beside)} good messages served; "
              f"{octets / 2**20:.0f} MiB")
        halves = (crowd.percentile(sent, 0.5) for sent in (quiet, beside))
        print("  good senders: median {:.3f} s alone, {:.3f} s beside them; ".format(*halves) +
              f"p99 {one:.3f} s, {other:.3f} s")
        self.judge("good messages not served", sum(sent.code != 250 for sent in quiet + beside), 0)
        self.judge("connections to the mail server", server.maximum_connections, SERVER_CONNECTIONS)
        self.judge("p99 of good senders, to that alone", max(0.0, other - GRAIN) / one, P99_FACTOR_MAX)
        self.assertEqual(self.missed, [])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

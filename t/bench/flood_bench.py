"""
A flood of connections from very many addresses, as fast as what proxy and good senders leave of this machine
allows, for POSTERN_BENCH_SECONDS: memory is bounded, good senders beside it are served in at most twice the
time, and limits are exact over threads.
"""

import multiprocessing
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest

from support import crowd, peers, suspects
from support.process import program_path

SECONDS = float(os.environ.get("POSTERN_BENCH_SECONDS", "60"))
P99_FACTOR_MAX, GRAIN = 2.0, 0.05
CLIENTS_REMEMBERED, CONNECTIONS_MAX, FLOODERS = 20000, 2000, 2
# What is remembered of a client (and not of its mail), and what one costs that is connected and not parked.
OCTETS_MAX = CLIENTS_REMEMBERED * 600 + CONNECTIONS_MAX * 8192
LIMIT, SIMULTANEOUS = 500, 8


class Flooder:
    """A process of its own, that is not in the way of those whose time is taken: one connection of each of
    12.5 million addresses after the other."""

    def __init__(self, port, networks):
        self.counts = multiprocessing.Array("L", 2, lock=False)  # greeted, failed
        self._end = multiprocessing.Event()
        self._process = multiprocessing.Process(target=self._run, args=(port, networks))
        self._process.start()

    def _run(self, port, networks):
        os.nice(10)
        number = 0
        while number % 100 or not self._end.is_set():
            number += 1
            try:
                with socket.socket() as one:
                    network = f"127.{networks[number // 62500 % len(networks)]}.{number // 250 % 250}"
                    one.bind((f"{network}.{1 + number % 250}", 0))
                    one.settimeout(5)
                    one.connect(("127.0.0.1", port))
                    self.counts[0] += bool(one.recv(100))
            except OSError:
                self.counts[1] += 1

    def stop(self):
        self._end.set()
        self._process.join(30)
        self._process.kill()


class FloodBench(suspects.SuspectsCase):
    def test_flood(self):
        control = self.subfolder("control") / "socket"
        control.parent.chmod(0o777)
        front = self.postern({"max_clients": str(CLIENTS_REMEMBERED), "control": control, "pause": "nobody"},
                             self.backend().port,
                             proxy={"max_connections": str(CONNECTIONS_MAX), "client_timeout": "60s"})
        pid = front.program.pid
        quiet = crowd.good_senders(front.port, rounds=10)
        before = suspects.uss(pid)
        flooders = [Flooder(front.port, range(20 + number, 220, FLOODERS)) for number in range(FLOODERS)]
        for flooder in flooders:
            self.addCleanup(flooder.stop)
        began, beside = time.monotonic(), []
        while time.monotonic() - began < SECONDS:
            beside += crowd.good_senders(front.port, rounds=1)
        for flooder in flooders:
            flooder.stop()
        counts = [sum(numbers) for numbers in zip(*(flooder.counts for flooder in flooders))]
        more = suspects.uss(pid) - before
        status = subprocess.run([program_path("postern-proxy"), "--config", front.path, "--status"],
                                capture_output=True, text=True, check=True).stdout
        known = int(re.search(r"(\d+) clients and networks known", status)[1])
        one, other = (crowd.percentile(sent, 0.99) for sent in (quiet, beside))
        print(f"flood: {counts[0] / SECONDS:.0f} a second for {SECONDS:.0f} s, {counts[1]} failed, "
              f"{sum(one.code == 250 for one in beside)} of {len(beside)} good messages served, p99 "
              f"{one:.3f} s quiet, {other:.3f} s beside it; {more / 1024:.0f} KiB more")
        self.judge("good messages not served", sum(one.code != 250 for one in quiet + beside), 0)
        self.judge("KiB more", more / 1024, OCTETS_MAX / 1024)
        self.judge("p99 of good senders, to the quiet one", max(0.0, other - GRAIN) / one, P99_FACTOR_MAX)
        self.judge("clients and networks remembered", known, CLIENTS_REMEMBERED * 1.1)
        self.assertEqual(self.missed, [])

    def _count_greeted(self, port, each, hold, addresses=("127.9.9.9",)):
        """Of each connections from addresses in turn by 8 at once: how many were let in; hold: they stay."""
        greeted, kept = [], []

        def come():
            for number in range(each):
                one = socket.create_connection(("127.0.0.1", port), 30,
                                               (addresses[number % len(addresses)], 0))
                greeted.append(one.recv(100).startswith(b"220"))
                if hold:
                    kept.append(one)
                else:
                    one.close()
        threads = [threading.Thread(target=come) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in kept:
            one.close()
        return sum(greeted)

    def test_exact(self):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        front = self.postern({"pause": "nobody", "rate_window": "1h"}, sink.port, proxy={"threads": 2},
                             **{"class": {"connection_rate": LIMIT}})
        let_in = self._count_greeted(front.port, 150, False)
        print(f"limit of {LIMIT} connections in an hour, two threads: {let_in} of 1200 were let in")
        self.judge("off the limit", abs(let_in - LIMIT), 1)
        front.stop()
        front = self.postern({"pause": "nobody", "rate_window": "1h"}, sink.port, proxy={"threads": 2},
                             **{"class crowd": {"networks": "127.9.0.0/16", "connection_rate": LIMIT // 10,
                                                "total_factor": 10}})
        let_in = self._count_greeted(front.port, 150, False, crowd.addresses(150, 9))
        print(f"limit of {LIMIT} connections of all in an hour, two threads: {let_in} of 1200 were let in")
        self.judge("off the limit", abs(let_in - LIMIT), 1)
        front.stop()
        front = self.postern({"pause": "nobody"}, sink.port, proxy={"threads": 2},
                             **{"class": {"max_connections": SIMULTANEOUS}})
        let_in = self._count_greeted(front.port, 20, True)
        print(f"limit of {SIMULTANEOUS} connections at once, two threads: {let_in} of 160 were let in")
        self.judge("off the limit", abs(let_in - SIMULTANEOUS), 1)
        self.assertEqual(self.missed, [])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

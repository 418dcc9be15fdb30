"""
A flood of connections from very many addresses, as fast as this machine can, for POSTERN_BENCH_SECONDS:
memory is bounded and good senders beside it are served; and limits are exact over threads.
"""

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
CLIENTS_REMEMBERED = 20000
LIMIT, SIMULTANEOUS = 500, 8


class FloodBench(suspects.SuspectsCase):
    def _flood(self, port, stop, counts):
        number = 0
        while not stop.is_set():
            number += 1
            try:
                with socket.socket() as one:
                    network = f"127.{20 + number // 62500 % 200}.{number // 250 % 250}"
                    one.bind((f"{network}.{1 + number % 250}", 0))
                    one.settimeout(5)
                    one.connect(("127.0.0.1", port))
                    counts[0] += bool(one.recv(100))
            except OSError:
                counts[1] += 1

    def test_flood(self):
        control = self.subfolder("control") / "socket"
        control.parent.chmod(0o777)
        front = self.postern({"max_clients": str(CLIENTS_REMEMBERED), "control": control, "pause": "nobody"},
                             self.backend().port, proxy={"max_connections": "2000", "client_timeout": "60s"})
        pid = front.program.pid
        quiet = crowd.good_senders(front.port, rounds=5)
        before, stop, counts = suspects.uss(pid), threading.Event(), [0, 0]
        threads = [threading.Thread(target=self._flood, args=(front.port, stop, counts)) for _ in range(4)]
        for thread in threads:
            thread.start()
        began, beside = time.monotonic(), []
        while time.monotonic() - began < SECONDS:
            beside += crowd.good_senders(front.port, rounds=1)
        stop.set()
        for thread in threads:
            thread.join()
        status = subprocess.run([program_path("postern-proxy"), "--config", front.path, "--status"],
                                capture_output=True, text=True, check=True).stdout
        known = int(re.search(r"(\d+) clients and networks known", status)[1])
        print(f"flood: {counts[0] / SECONDS:.0f} a second for {SECONDS:.0f} s, {counts[1]} failed, "
              f"{sum(one.code == 250 for one in beside)} of {len(beside)} good messages served; "
              f"{(suspects.uss(pid) - before) / 1024:.0f} KiB more")
        self.judge("good messages not served", sum(one.code != 250 for one in beside), 0)
        one, other = (crowd.percentile(sent, 0.99) for sent in (quiet, beside))
        self.judge("p99 of good senders, to the quiet one", max(0.0, other - GRAIN) / one, P99_FACTOR_MAX)
        self.judge("clients and networks remembered", known, CLIENTS_REMEMBERED * 1.1)
        self.assertEqual(self.missed, [])

    def _count_greeted(self, port, each, hold):
        """Of each connections from one address by 8 at once: how many were let in; hold: they stay."""
        greeted, kept = [], []

        def come():
            for _ in range(each):
                one = socket.create_connection(("127.0.0.1", port), 30, ("127.9.9.9", 0))
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
        front = self.postern({"pause": "nobody"}, sink.port, proxy={"threads": 2},
                             **{"class": {"max_connections": SIMULTANEOUS}})
        let_in = self._count_greeted(front.port, 20, True)
        print(f"limit of {SIMULTANEOUS} connections at once, two threads: {let_in} of 160 were let in")
        self.judge("off the limit", abs(let_in - SIMULTANEOUS), 1)
        self.assertEqual(self.missed, [])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

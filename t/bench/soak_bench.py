"""
Many messages with inspection on ten connections: the memory of each process is printed as it goes, and must
not grow once everything has been used. POSTERN_BENCH_MESSAGES is how many, 100,000 if unset.
"""

import os
import sys
import unittest

from inspect_bench import CLIENT, InspectBench, role_pids
from support import usage

MESSAGES = int(os.environ.get("POSTERN_BENCH_MESSAGES", "100000"))
STEPS, WARM = 10, 2  # the first steps fill caches and pools
GROWTH = 1.1
MEBIBYTE = 1024 * 1024


class Soak(InspectBench):
    def _resident(self, pid):
        """Octets of the proxy, of the pool and of the largest worker of each kind."""
        return {role: max(usage.resident_octets(one) for one in pids)
                for role, pids in role_pids(pid).items() if pids}

    def test_memory_stays_flat(self):
        front, files = self._front(self._sink()), self._small(200)
        seen = []
        for step in range(1, STEPS + 1):
            self._load(front.port, 10, MESSAGES // STEPS, 20, files, client=CLIENT, seconds=1200)
            seen.append(self._resident(front.program.pid))
            print(f"{step * MESSAGES // STEPS:8} messages: MiB " + ", ".join(
                f"{role} {octets / MEBIBYTE:.1f}" for role, octets in seen[-1].items()), flush=True)
        warm, last = seen[WARM - 1], seen[-1]
        grown = [role for role in warm if last.get(role, 0) > GROWTH * warm[role] + MEBIBYTE]
        self.assertEqual(grown, [])


if __name__ == "__main__":
    suite = unittest.TestSuite([Soak("test_memory_stays_flat")])
    sys.exit(not unittest.TextTestRunner().run(suite).wasSuccessful())

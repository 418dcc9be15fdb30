"""
Servers that fail under load: ten thousand kills (POSTERN_BENCH_KILLS: so many), and stops (SIGSTOP, SIGCONT)
beside them, also between dot and reply. Nothing acknowledged may be lost, what comes twice must be logged as
delivery=unknown, and the counts of the servers are those of the log. One round has at most a thousand.
"""

import os
import sys
import unittest

from support.failing_servers import FailoverCase

KILLS = int(os.environ.get("POSTERN_BENCH_KILLS", "10000"))
ROUND = 1000
SEED = int(os.environ.get("POSTERN_BENCH_SEED", "1"))


class FailoverBench(FailoverCase):
    def test_failures(self):
        unknown = 0
        for number, begun in enumerate(range(0, KILLS, ROUND)):
            with self.subTest(seed=SEED + number):
                unknown += self.check_failover(min(ROUND, KILLS - begun), seed=SEED + number)
        print(f"{KILLS} kills: {unknown} messages lost their server between dot and reply")
        self.assertGreater(unknown, KILLS / 100)  # else that was not tried


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

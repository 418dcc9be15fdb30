"""
Servers that are killed, stopped and started under load, also between dot and reply: nothing acknowledged is
lost, and what comes twice is logged delivery=unknown. t/bench/failover_bench.py does it for hours.
"""

import os
import unittest

from support.failing_servers import FailoverCase

FAILURES = int(os.environ.get("POSTERN_FAILURES", "60"))


class Failover(FailoverCase):
    def test_servers_fail(self):
        self.check_failover(FAILURES)


if __name__ == "__main__":
    unittest.main()

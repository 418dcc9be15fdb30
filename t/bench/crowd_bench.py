"""
Good senders beside crowds: how long their mail takes alone, and while a crowd does what it can against it.
Each line has the 99th percentile; it is judged if the crowd has fewer addresses than there are connections to
the back-end: twice the quiet one at most. With more, each may hold a connection for its half second.
"""

import sys
import unittest

from support import crowd
from support import proxy as proxies

ROUNDS = 5
GRAIN = 0.05  # seconds: what the interpreter's threads take of each other
MEMORY = {"message_memory": "64M", "message_size": "8M"}
CROWDS = [  # name, what it does, addresses, peers, options, whether judged
    ("recipients, 2 addresses", crowd.recipients, 2, 80, {}, True),
    ("recipients, 60 addresses, 10 connections", crowd.recipients, 60, 60, {"backend_connections": 10},
     False),
    ("NOOP, 250 addresses", crowd.noops, 250, 250, {}, False),
    ("DATA at 2.7 kB/s, 2 addresses", crowd.trickle, 2, 80, {}, True),
    ("DATA without a message, 5 addresses", crowd.silent_data, 5, 100, MEMORY, True),
    ("DATA that stays, 5 addresses", crowd.hoard, 5, 100, MEMORY, True),
    ("idle, 20 addresses", crowd.idle, 20, 1000, {"max_connections": 1000}, True),
]


class Crowds(proxies.ProxyTestCase):
    def test_crowds(self):
        crowd.allow_many_descriptors()
        missed = []
        for name, script, addresses, peers, options, judged in CROWDS:
            front = self.proxy(self.backend(), proxy={"threads": 1, **options})
            quiet = crowd.good_senders(front.port, rounds=ROUNDS)
            with crowd.Crowd(front.port, script, crowd.addresses(addresses), peers):
                beside = crowd.good_senders(front.port, rounds=ROUNDS)
            front.stop()
            served = sum(one.code == 250 for one in beside)
            one, other = crowd.percentile(quiet, 0.99), crowd.percentile(beside, 0.99)
            print(f"{name}: {served} of {len(beside)} served, p99 quiet {one * 1000:.0f} ms, beside "
                  f"{other * 1000:.0f} ms{'' if judged else ' (not judged)'}", flush=True)
            if served < len(beside) or judged and other > max(2 * one, GRAIN):
                missed.append(name)
        self.assertEqual(missed, [])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

"""SIGKILL of the back-end in the middle of load, and cuts at every step: nothing acknowledged is lost."""

import random
import time
import unittest

from support import smtp
from support.load import Load, Outcome
from support.load_case import LoadTestCase
from support.process import wait_until

KILLS = 5
CUTS = ("greeting", "ehlo", "xclient", "mail", "rcpt", "data", "body", "dot", "recorded",
        "half-reply")


class BackendKill(LoadTestCase):
    def _kill_often(self, backend, proxy, seed, *more):
        """Load, with the back-end killed and started again KILLS times; the books."""
        load = self.load(proxy, seed=seed)
        chance = random.Random(seed)
        for _ in range(KILLS):
            self.wait_for_acknowledged(load, 8)
            time.sleep(chance.uniform(0, 0.3))
            backend.wait_for_count(backend.count() + 1)
            backend.kill()
            time.sleep(chance.choice((0, 0.2, 1.2)))
            backend.start(*more)
        self.wait_for_acknowledged(load, 8)
        load.stop()
        return self.check_books(load, proxy, backend.records(), kills=KILLS)

    def test_killed_under_load(self):
        backend = self.backend_program()
        proxy = self.proxy(backend.port, proxy={"threads": 2})
        self._kill_often(backend, proxy, 1)

    def test_killed_between_dot_and_reply(self):
        """Each message that was recorded is logged delivery=unknown, and its client hears 451."""
        backend = self.backend_program("--pause=dot=0.3")
        proxy = self.proxy(backend.port, proxy={"threads": 1})
        ledger = self._kill_often(backend, proxy, 2)
        unacknowledged = ledger.unacknowledged()
        self.assertGreaterEqual(len(unacknowledged), KILLS, "no kill came between dot and reply")
        self.assertEqual({attempt.code for attempt in unacknowledged}, {451})
        self.assertGreaterEqual(ledger.counts()["logged unknown"], len(unacknowledged))

    def test_killed_while_the_proxy_drains(self):
        """A message that waits for its reply when both end: 451, unknown, and the proxy ends in time."""
        backend = self.backend_program("--pause=dot=20")
        proxy = self.proxy(backend.port)
        with smtp.Client(proxy.port) as client:
            client.ehlo()
            client.envelope("a@load.example", "bob@example.org")
            client.command("DATA")
            client.send(smtp.stuffed(b"Subject: waits\r\n\r\n"))
            backend.wait_for_count(1)
            proxy.program.send_signal(15)
            proxy.program.wait_for_log("draining")
            backend.kill()
            self.assertEqual(client.reply().code, 451)
            self.assertEqual(client.reply().code, 421)
        self.assertEqual(proxy.program.wait(5), 0)
        self.assertEqual(proxy.closing_lines("message")[0]["delivery"], "unknown")


class BackendCut(LoadTestCase):
    def test_cut_at_each_step(self):
        """
        A back-end that cuts every connection at one step: no acknowledgement comes, no good message is
        refused for good, and the next back-end on that port gets all of it.
        """
        backend = self.backend_program()
        proxy = self.proxy(backend.port, proxy={"threads": 2})
        load = Load(proxy.port, seed=7, clients=4, pause=0.02)
        load.start()
        for step in CUTS:
            self.wait_for_acknowledged(load, 3)
            backend.kill()
            backend.start(f"--drop={step}")
            acknowledged, refused, recorded = (
                load.count(Outcome.ACKNOWLEDGED), load.count(Outcome.REFUSED), backend.count())
            wait_until(lambda: load.count(Outcome.REFUSED) >= refused + 4, 20)
            if step in ("recorded", "half-reply"):
                backend.wait_for_count(recorded + 1)
            self.assertEqual(load.count(Outcome.ACKNOWLEDGED), acknowledged, f"with a cut at {step}")
            backend.kill()
            backend.start()
        self.wait_for_acknowledged(load, 8)
        load.stop()
        ledger = self.check_books(load, proxy, backend.records(), kills=2 * len(CUTS))
        self.assertGreaterEqual(len(ledger.unacknowledged()), 2)


if __name__ == "__main__":
    unittest.main()

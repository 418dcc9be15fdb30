"""Clients that are slow on purpose: they hold what others need for as long as nobody needs it, no longer."""

import unittest

from support import crowd
from support import proxy as proxies


def setUpModule():
    crowd.allow_many_descriptors()


class SlowClients(proxies.ProxyTestCase):
    def _expect_all_served(self, front, rounds=1):
        sent = crowd.good_senders(front.port, rounds=rounds)
        print(f"{self.id().rpartition('.')[2]}: median {crowd.percentile(sent, 0.5):.2f} s, slowest "
              f"{crowd.percentile(sent, 1):.2f} s", flush=True)
        self.assertEqual([one.code for one in sent], [250] * len(sent), sent)

    def _front(self, **options):
        self.recorder = self.backend()
        return self.proxy(self.recorder, proxy={"threads": 1, **options})

    def test_recipients_of_two_addresses(self):
        front = self._front()
        with crowd.Crowd(front.port, crowd.recipients, crowd.addresses(2), 80):
            self._expect_all_served(front)
        self.assertLessEqual(self.recorder.maximum_connections, 50)

    def test_recipients_of_more_addresses_than_connections(self):
        front = self._front(backend_connections=10)
        with crowd.Crowd(front.port, crowd.recipients, crowd.addresses(60), 60):
            self._expect_all_served(front)
        self.assertLessEqual(self.recorder.maximum_connections, 10)

    def test_noops_of_many_addresses(self):
        front = self._front()
        with crowd.Crowd(front.port, crowd.noops, crowd.addresses(250), 250):
            self._expect_all_served(front)

    def test_messages_that_trickle(self):
        front = self._front()
        with crowd.Crowd(front.port, crowd.trickle, crowd.addresses(2), 80):
            self._expect_all_served(front)

    def test_messages_that_trickle_with_inspection(self):
        self.recorder = self.backend()
        front = self.proxy(self.recorder, virus={"scan": "no"}, proxy={"threads": 1, "inspect": "yes"})
        with crowd.Crowd(front.port, crowd.trickle, crowd.addresses(80), 80):
            self._expect_all_served(front)

    def test_data_that_does_not_come(self):
        front = self._front(message_memory="64M")
        with crowd.Crowd(front.port, crowd.silent_data, crowd.addresses(5), 100):
            self._expect_all_served(front)

    def test_data_that_stays(self):
        front = self._front(message_memory="64M")
        with crowd.Crowd(front.port, crowd.hoard, crowd.addresses(5), 100):
            self._expect_all_served(front)

    def test_recipients_that_nobody_waits_for(self):
        front = self._front(message_memory="8M", message_size="1M", max_refused_recipients="0")
        with crowd.Crowd(front.port, crowd.ahead, crowd.addresses(5), 50):
            self._expect_all_served(front)

    def test_idle_clients_fill_all_connections(self):
        front = self._front(max_connections=1000)
        with crowd.Crowd(front.port, crowd.idle, crowd.addresses(20), 1000):
            self._expect_all_served(front, rounds=3)
        self.assertIn("let-go", [line["ended"] for line in front.closing_lines("session")])

    def test_one_connection(self):
        """However few there are."""
        front = self._front(backend_connections=1)
        with crowd.Crowd(front.port, crowd.recipients, crowd.addresses(2), 20):
            self._expect_all_served(front)
        self.assertEqual(self.recorder.maximum_connections, 1)


if __name__ == "__main__":
    unittest.main()

"""Clients that are slow on purpose: they hold what others need for as long as nobody needs it, no longer."""

import unittest

from support import crowd, dns, together
from support import proxy as proxies


def load_tests(loader, tests, pattern):
    crowd.allow_many_descriptors()
    return together.Suite(tests, 4)


def answer_of(query):
    """Records of good senders take two more questions; those of the crowd ten that nobody answers."""
    if query.name.endswith(".attack.test"):
        number = query.name.split(".")[0]
        terms = " ".join(f"a:n{term}.{number}x{term}.test" for term in range(10))
        return query.answer(text_record(f"v=spf1 {terms} -all")) if query.kind == "TXT" else query.answer()
    if not query.name.endswith(".example"):
        return query.answer(rcode=dns.NXDOMAIN) if query.name.endswith(".arpa") else None
    if query.kind == "TXT":
        return query.answer(text_record(f"v=spf1 a:one.{query.name} a:two.{query.name} ?all"))
    address = dns.record(b"\xc0\x0c", "A", bytes([192, 0, 2, 1]))
    return query.answer(address) if query.kind == "A" else query.answer()


def text_record(text):
    return dns.record(b"\xc0\x0c", "TXT", bytes([len(text)]) + text.encode())


class SlowClients(proxies.ProxyTestCase):
    def _expect_all_served(self, front, rounds=1, told=False):
        sent = crowd.good_senders(front.port, rounds=rounds, told=told)
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
        front = self._front(message_memory="64M", message_size="8M")
        with crowd.Crowd(front.port, crowd.silent_data, crowd.addresses(5), 100):
            self._expect_all_served(front)

    def test_data_that_stays(self):
        front = self._front(message_memory="64M", message_size="8M")
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
        self.assertIn("let-go", [line["ended"] for line in front.wait_for_closing_lines("session", 1)])

    def test_clients_in_the_middle_of_a_message_fill_all_connections(self):
        for script in (crowd.silent_sender, crowd.silent_message, crowd.drip, crowd.deaf):
            with self.subTest(script=script.__name__):
                front = self._front(max_connections=400)
                with crowd.Crowd(front.port, script, crowd.addresses(8), 400):
                    self._expect_all_served(front, rounds=2)
                ends = front.wait_for_closing_lines("session", 1)
                self.assertIn("let-go", [line["ended"] for line in ends])

    def test_names_that_nobody_answers_for(self):
        """What others ask the DNS for makes no good mail's result uncertain."""
        with dns.Server(answer_of) as server:
            self.recorder = self.backend()
            front = self.proxy(self.recorder, virus={"scan": "no"}, policy={"checks": "spf"},
                               proxy={"threads": 1, "inspect": "yes", "trusted_clients": "127.0.0.0/8"},
                               dns={"answers": None, "servers": server.address})
            with crowd.Crowd(front.port, crowd.lame, crowd.addresses(8), 200):
                self._expect_all_served(front, rounds=3, told=True)
            asked = {query.name for query in server.queries if query.name.startswith("n")}
            self.assertGreater(len(asked), 500)
        results = [line["spf"] for line in front.closing_lines("message")
                   if line["from"].startswith("<good@")]
        self.assertEqual(len(results), 60)
        self.assertEqual({result.split()[0] for result in results}, {"neutral"}, results)

    def test_one_connection(self):
        """However few there are."""
        front = self._front(backend_connections=1)
        with crowd.Crowd(front.port, crowd.recipients, crowd.addresses(2), 20):
            self._expect_all_served(front)
        self.assertEqual(self.recorder.maximum_connections, 1)


if __name__ == "__main__":
    unittest.main()

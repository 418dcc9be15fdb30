"""
What one client's mail costs is counted against that client: others are served, whatever it sends. No time is
judged, only who is served before whom, and how.
"""

import signal
import unittest

from support.inspector import Inspector, bomb_message, kill, message, parse_results, with_attachment
from support.process import wait_until

HEAVY = "203.0.113.66"
ANSWERS = 'fail.example TXT "v=spf1 -all"\n'


class FairTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bomb_octets = bomb_message()

    def start(self, **options):
        inspector = Inspector(workers=1, **options)
        self.addCleanup(inspector.__exit__)
        inspector.start()
        self.bomb = inspector.save(self.bomb_octets, "bomb.eml")
        self.plain = inspector.save(message(), "plain.eml")
        return inspector

    def flood(self, inspector, count, *arguments):
        """A client that sends count bombs at once, running."""
        client = inspector.ask_later(self.bomb, arguments=["--content-only", "--client", HEAVY, "--repeat",
                                                           count, "--parallel", count, *arguments])
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        return client

    def test_one_scanning_worker(self):
        """Twenty others are served while one client's bombs are waited for."""
        inspector = self.start()
        client = self.flood(inspector, 30)
        inspector.wait_for_busy_worker()
        for number in range(20):
            result, = inspector.ask(self.plain, arguments=["--client", f"198.51.100.{number}"])
            self.assertEqual((result.virus, result.error), ("clean", None))
        self.assertIsNone(client.poll(), "the bombs are over: they kept nobody waiting")
        inspector.wait_for_log(f"mail of client {HEAVY}, asked for by user [0-9]+, took more than", 60)
        # The workers that are for it alone are no more than the regular ones.
        self.assertLessEqual(len(inspector.workers()), 2)
        for number in range(20):
            result, = inspector.ask(self.plain, arguments=["--client", f"198.51.100.{number}"])
            self.assertEqual((result.virus, result.error), ("clean", None))
        self.assertIsNone(client.poll(), "the bombs are over")

    def test_many_addresses(self):
        """A bomb of a new client holds a worker for half a second, not for its whole time."""
        inspector = self.start()
        clients = [self.flood(inspector, 1, "--client", f"203.0.113.{number}") for number in range(1, 3)]
        inspector.wait_for_busy_worker()
        result, = inspector.ask(self.plain, arguments=["--client", "198.51.100.1"])
        self.assertEqual(result.virus, "clean")
        for client in clients:
            self.assertEqual([result.virus for result in parse_results(client.communicate(timeout=100)[0])],
                             ["unscannable"])

    def test_small_messages_do_not_wait_for_large_ones(self):
        """One large message is with the scanning worker, another waits for that: a small one passes both."""
        inspector = self.start()
        large = inspector.save(with_attachment(bytes(200_000)), "large.eml")
        worker, = inspector.workers()
        kill(worker, signal.SIGSTOP)
        # On one connection, so that the pool has them in this order.
        client = inspector.ask_later(large, large, self.plain, arguments=[
            "--content-only", "--parallel", 3, "--client", "203.0.113.1,203.0.113.2,198.51.100.1"])
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        first, = parse_results(client.stdout.readline())
        self.assertEqual((first.file, first.virus), (str(self.plain), "clean"))
        kill(worker, signal.SIGCONT)
        others = parse_results(client.stdout.read())
        self.assertEqual([(result.file, result.virus) for result in others], 2 * [(str(large), "clean")])

    def test_a_heavy_client_may_not_fill_the_queue(self):
        inspector = self.start()
        client = self.flood(inspector, 5)
        inspector.wait_for_log(f"mail of client {HEAVY}, .* took more than", 60)
        results = inspector.ask(self.plain, arguments=["--client", HEAVY, "--content-only", "--repeat", 40,
                                                       "--parallel", 40])
        refused = [result for result in results if "takes too much time to scan" in (result.error or "")]
        self.assertGreater(len(refused), 10)
        self.assertEqual({result.virus for result in results if result not in refused}, {"clean"})
        self.assertEqual({result.virus for result in parse_results(client.communicate(timeout=100)[0])},
                         {"unscannable"})
        # What was started for it alone ends when there is nothing left to do.
        wait_until(lambda: len(inspector.workers()) == 1, 60, "the end of the spare worker")

    def test_time_outs_are_counted(self):
        inspector = self.start(scan_timeout="100ms")
        results = inspector.ask(self.bomb, arguments=["--content-only", "--client", HEAVY, "--repeat", 24])
        self.assertEqual({result.virus for result in results}, {"error"})
        self.assertIn("too long", results[0].reason)
        self.assertIn("it must pause", results[-1].reason)
        self.assertIn(f"mail of client {HEAVY}, asked for by user", inspector.log())
        self.assertIn("cost 20 workers", inspector.log())
        # A busy machine may need more than that time for it, too.
        other = ["--client", "198.51.100.1"]
        wait_until(lambda: inspector.ask(self.plain, arguments=other)[0].virus == "clean", 20,
                   "a message of another client")

    def test_light_stages_need_no_scanning_worker(self):
        inspector = self.start()
        answers = inspector.save(ANSWERS.encode(), "answers")
        inspector.wait_for_log("ready for envelopes and headers")
        for pid in inspector.workers():
            kill(pid, signal.SIGSTOP)
        result, = inspector.ask(self.plain, arguments=["--sender", "a@fail.example", "--answers", answers,
                                                       "--deadline", 6000])
        self.assertEqual((result.spf, result.virus), ("fail", "error"))

    def test_light_workers_are_replaced(self):
        inspector = self.start()
        wait_until(inspector.light_workers, 20)
        for pid in inspector.light_workers():
            kill(pid, signal.SIGKILL)
        answers = inspector.save(ANSWERS.encode(), "answers")
        result, = inspector.ask(self.plain, arguments=["--sender", "a@fail.example", "--answers", answers])
        self.assertEqual((result.spf, result.virus), ("fail", "clean"))


if __name__ == "__main__":
    unittest.main()

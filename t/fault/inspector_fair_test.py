"""
What one client's mail costs is counted against that client: others are served, whatever it sends. No time is
judged, only who is served before whom, and how.
"""

import os
import signal
import unittest

from support.inspector import Inspector, bomb_message, kill, message, parse_results, with_attachment, zipped
from support.process import wait_until

HEAVY = "203.0.113.66"
WAIT = 300  # seconds, for what takes a few: the machine may be busy, and a sanitizer slow
ANSWERS = 'fail.example TXT "v=spf1 -all"\n'


class FairTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bomb_octets = bomb_message()

    def start(self, **options):
        """(Bombs end by what they unpack to, and not by their processor time, on the slowest machine.)"""
        inspector = Inspector(workers=1, **{"scan_timeout": "10m", **options})
        self.addCleanup(inspector.__exit__)
        inspector.start()
        self.bomb = inspector.save(self.bomb_octets, "bomb.eml")
        self.plain = inspector.save(message(), "plain.eml")
        return inspector

    def flood(self, inspector, count, *arguments):
        """A client that sends count bombs at once, running."""
        client = inspector.ask_later(self.bomb, arguments=[
            "--content-only", "--client", HEAVY, "--repeat", count, "--parallel", count,
            "--deadline", 600_000, *arguments])
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
        inspector.wait_for_log(f"mail of client {HEAVY}, asked for by user [0-9]+, took more than", WAIT)
        # One that is for it alone, as many as regular ones, and one to take a regular one's place.
        self.assertLessEqual(len(inspector.workers()), 3)
        for number in range(20):
            result, = inspector.ask(self.plain, arguments=["--client", f"198.51.100.{number}"])
            self.assertEqual((result.virus, result.error), ("clean", None))
        self.assertIsNone(client.poll(), "the bombs are over")

    def test_many_addresses(self):
        """Bombs each of a new client: one is scanned, the others put off, and a small message passes them."""
        inspector = self.start()
        clients = [self.flood(inspector, 1, "--client", f"203.0.113.{number}") for number in range(1, 4)]
        wait_until(lambda: inspector.log().count("its request takes long, and is put off") >= 2, WAIT)
        result, = inspector.ask(self.plain, arguments=["--client", "198.51.100.1"])
        self.assertEqual(result.virus, "clean")
        self.assertEqual([client.poll() for client in clients], 3 * [None], "a bomb is over")
        for client in clients:
            self.assertEqual([result.virus for result in parse_results(client.communicate(timeout=WAIT)[0])],
                             ["unscannable"])

    def test_large_wanted_mail_behind_bombs(self):
        """Bombs of twenty new clients wait for spare workers, and were there first."""
        inspector = self.start()
        clients = [self.flood(inspector, 1, "--client", f"203.0.113.{number}") for number in range(1, 21)]
        wait_until(lambda: inspector.log().count("its request takes long, and is put off") >= 10, WAIT)
        wanted = inspector.save(with_attachment(os.urandom(4_000_000)), "wanted.eml")
        result, = inspector.ask(wanted, arguments=["--content-only", "--client", "198.51.100.1", "--deadline",
                                                   600_000], timeout=WAIT)
        self.assertEqual((result.virus, result.error), ("clean", None), result.line)
        over = sum(client.poll() is not None for client in clients)
        self.assertLess(over, 10, "it waited for the bombs")

    def test_much_wanted_mail_of_one_client(self):
        """Each of many messages takes too long for a regular worker: none is refused, if late."""
        inspector = self.start()
        page = b'<a href="http://x.example/">x</a><p><b>&#65;</b>' * 40_000
        pages = [inspector.save(with_attachment(zipped(page + b"%d" % number), "page.zip"), f"{number}.eml")
                 for number in range(60)]
        results = inspector.ask(*pages, arguments=["--content-only", "--parallel", len(pages)])
        self.assertEqual([result for result in results if "too many" in (result.error or "")], [])
        self.assertGreater(inspector.log().count("is put off"), 20, "these messages are too quick")

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
        client = self.flood(inspector, 2)
        inspector.wait_for_log(f"mail of client {HEAVY}, .* took more than", WAIT)
        results = inspector.ask(self.plain, timeout=WAIT, arguments=[
            "--client", HEAVY, "--content-only", "--repeat", 40, "--parallel", 40, "--deadline", 600_000])
        refused = [result for result in results if "takes too much time to scan" in (result.error or "")]
        self.assertGreater(len(refused), 10)
        others = [result for result in results if result not in refused]
        self.assertEqual([result.line for result in others if result.virus != "clean"], [])
        first, = parse_results(client.stdout.readline())
        self.assertEqual(first.virus, "unscannable")
        client.kill()
        # What was started for it alone ends when there is nothing left to do.
        wait_until(lambda: len(inspector.workers()) == 1, WAIT, "the end of the spare worker")

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

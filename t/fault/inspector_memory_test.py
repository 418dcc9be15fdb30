"""
What the inspector remembers of a message: what was found after its client had given up, and that it costs
workers. It is known again from another client, with other Received fields on top, and nothing else is taken
for it.
"""

import os
import pathlib
import re
import shutil
import signal
import tempfile
import unittest

from support.inspector import (EICAR, Inspector, is_alive, message, parse_results, slow_message,
                               with_attachment, zipped)
from support.process import wait_until

SIGNED = b"no one writes this."  # own.ndb of support/inspector.py has a signature of it
REMEMBERED = "its message is remembered"
RECALLED = "of a message that is remembered"


def received(text):
    """A field that a server puts on top."""
    return b"Received: from a.example (a.example [192.0.2.1])\r\n\tby mx.example; " + text + b"\r\n"


class MemoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.slow = slow_message()

    def start(self, more="", **options):
        inspector = Inspector(workers=1, more=more, **options)
        self.addCleanup(inspector.__exit__)
        return inspector.start()

    def ask(self, inspector, octets, *arguments, all_checks=False):
        """The result of octets, asked about as proxy and milter do."""
        checks = [] if all_checks else ["--content-only"]
        result, = inspector.ask(octets, arguments=[*checks, "--remember", *arguments])
        return result

    def ask_too_late(self, inspector, octets, all_checks=False):
        """The client gives up at once; what is found is remembered."""
        before = inspector.log().count(REMEMBERED)
        result = self.ask(inspector, octets, "--deadline", 300, all_checks=all_checks)
        self.assertEqual(result.virus, "error", "the message is not slow enough for this test")
        wait_until(lambda: inspector.log().count(REMEMBERED) > before, 60, "the end of the scan")

    def recalled(self, inspector):
        return inspector.log().count(RECALLED)

    def test_late_findings(self):
        inspector = self.start()
        for octets, virus in ((self.slow, "clean"), (slow_message(SIGNED), "infected")):
            with self.subTest(virus):
                self.ask_too_late(inspector, received(b"Mon, 1 Jan 2024") + octets)
                before = self.recalled(inspector)
                for again in (received(b"Mon, 1 Jan 2024"), received(b"Tue, 2 Jan 2024"), b""):
                    result = self.ask(inspector, again + octets, "--client", "203.0.113.9")
                    self.assertEqual(result.virus, virus, result)
                self.assertEqual(self.recalled(inspector), before + 3)

    def start_with_rules(self, field):
        """Rules that ask for text of the slow message, and for a field."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-rules-"))
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        rules = folder / "rules"
        rules.write_text(f"""slow-mail mark
    text /See the attachment/
of-field mark
    header {field} /Mon/
""")
        rules.chmod(0o644)
        return self.start(more=f"[content]\nrules = {rules}\n")

    def test_late_rules(self):
        """They are remembered, too, unless they hang on the fields that are another each time."""
        for field, matches in (("Subject", ["slow-mail"]), ("Received", ["slow-mail", "of-field"])):
            inspector = self.start_with_rules(field)
            self.ask_too_late(inspector, received(b"Tue") + self.slow, all_checks=True)
            before = self.recalled(inspector)
            result = self.ask(inspector, received(b"Mon") + self.slow, all_checks=True)
            self.assertEqual((result.virus, self.recalled(inspector)), ("clean", before + 1), result)
            self.assertEqual(re.findall('rule="([^"]*)"', result.line), matches)

    def test_growth(self):
        """A message for which a worker takes much of its memory costs that worker."""
        inspector = self.start(worker_memory="100M")
        worker, = inspector.workers()
        grows = with_attachment(zipped(b"".join(b"%d words\n" % number for number in range(4_500_000))))
        self.ask(inspector, grows)
        inspector.wait_for_log(f"worker {worker} grew by its message")
        wait_until(lambda: inspector.workers() and worker not in inspector.workers(), 20, "a new worker")
        self.assertEqual(self.ask(inspector, message()).virus, "clean")
        self.assertEqual(inspector.log().count("grew by its message"), 1)

    def test_other_octets_are_another_message(self):
        inspector = self.start()
        self.ask_too_late(inspector, received(b"Mon") + self.slow)
        for octets in (self.slow + b"\r\n", b"X-Field: x\r\n" + self.slow,
                       received(b"Mon\r\nX: y") + self.slow):
            self.assertEqual(self.ask(inspector, octets).virus, "clean")
        self.assertEqual(self.recalled(inspector), 0)
        result = self.ask(inspector, self.slow, "--scan-octets", 1000)
        self.assertEqual(result.virus, "unscannable", result)
        self.assertEqual(self.recalled(inspector), 0)

    def test_nothing_hides_in_what_is_not_compared(self):
        """What stands in a Received field is scanned each time, and what was found there is of no other."""
        inspector = self.start()
        self.ask_too_late(inspector, received(b"Mon") + self.slow)
        result = self.ask(inspector, received(SIGNED) + self.slow)
        self.assertEqual((result.virus, self.recalled(inspector)), ("infected", 1))
        inspector = self.start()
        result = self.ask(inspector, received(SIGNED) + self.slow)
        self.assertEqual(result.virus, "infected", result)
        result = self.ask(inspector, received(b"Mon") + self.slow)
        self.assertEqual((result.virus, self.recalled(inspector)), ("clean", 0))

    def test_new_signatures_look_anew(self):
        inspector = self.start()
        self.ask_too_late(inspector, self.slow)
        path = inspector.database / "test.ndb"
        path.write_text(f"Test.Words:0:*:{b'A particular text'.hex()}\n")
        os.chmod(path, 0o644)
        inspector.program.send_signal(signal.SIGHUP)
        wait_until(lambda: inspector.log().count("notice: ready: ") > 1, 30, "the new signatures")
        self.assertEqual(self.ask(inspector, self.slow).virus, "clean")
        self.assertEqual(self.recalled(inspector), 0)

    def kill_busy(self, inspector, client, number):
        worker = inspector.wait_for_busy_worker()
        self.assertIsNone(client.poll(), "the message is not slow enough for this test")
        os.kill(worker, number)
        wait_until(lambda: not is_alive(worker), 5)

    def kill_twice(self, inspector, octets, number):
        """Its result, once two workers have died of it."""
        client = inspector.ask_later(inspector.save(octets), arguments=["--content-only", "--remember"])
        self.kill_busy(inspector, client, number)
        self.kill_busy(inspector, client, number)
        result, = parse_results(client.communicate(timeout=100)[0])
        self.assertEqual(result.virus, "error", result)

    def test_a_message_that_kills(self):
        inspector = self.start()
        self.kill_twice(inspector, received(b"Mon") + self.slow + EICAR, signal.SIGABRT)
        inspector.wait_for_log("a message for user [0-9]+ has cost two workers")
        workers = inspector.workers()
        for client in ("192.0.2.1", "203.0.113.9"):
            result = self.ask(inspector, received(b"Tue") + self.slow + EICAR, "--client", client)
            self.assertEqual(result.virus, "unscannable", result)
            self.assertIn("cost two workers", result.reason)
        self.assertEqual(inspector.workers(), workers)
        self.assertEqual(self.ask(inspector, self.slow).virus, "clean")
        # What else is asked about it is found out; by its body, nothing is.
        result, = inspector.ask(received(b"Tue") + self.slow + EICAR, arguments=["--remember"])
        self.assertEqual((result.virus, result.spf, result.error), ("unscannable", "none", None), result)
        self.assertIn("cost two workers", result.undecided)

    def test_the_kernel_kills_for_other_reasons(self):
        """Want of memory on the machine, and a person's kill -9, are no message's fault."""
        inspector = self.start()
        self.kill_twice(inspector, self.slow, signal.SIGKILL)
        self.assertEqual(self.ask(inspector, self.slow).virus, "clean")
        self.assertNotIn("has cost two workers", inspector.log())

    def test_a_message_that_takes_too_long(self):
        inspector = self.start(scan_timeout="2s")
        results = []
        while len(results) < 20 and set(results) <= {"error"}:
            # A worker that gets little processor time is killed, and no message is to blame.
            results.append(self.ask(inspector, self.slow + EICAR).virus)
        self.assertEqual((results[:2], results[-1]), (["error", "error"], "unscannable"))
        inspector.wait_for_log("a message for user [0-9]+ has cost two workers")
        result = self.ask(inspector, received(b"Mon") + self.slow + EICAR, "--client", "203.0.113.9")
        self.assertEqual(result.virus, "unscannable", result)
        inspector.program.send_signal(signal.SIGHUP)
        wait_until(lambda: inspector.log().count("notice: ready: ") > 1, 30, "the end of the reload")
        result = self.ask(inspector, self.slow + EICAR)
        self.assertEqual(result.virus, "error", "a reload gives another chance")

    def test_a_worker_that_was_kept_waiting(self):
        """By a machine that is too busy, or a stopped process: that is no message's fault."""
        inspector = self.start(scan_timeout="3s")
        mail = slow_message(count=1_000_000)
        path = inspector.save(mail)
        for _ in range(2):
            workers = inspector.workers()
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            client = inspector.ask_later(path, arguments=["--content-only", "--remember"])
            result, = parse_results(client.communicate(timeout=100)[0])
            self.assertEqual(result.virus, "error", result)
            wait_until(lambda: not all(map(is_alive, workers)), 30, "the end of the worker")
            for worker in filter(is_alive, workers):
                os.kill(worker, signal.SIGCONT)
            wait_until(inspector.workers, 30, "another worker")
        self.assertEqual(self.ask(inspector, message()).virus, "clean")
        result = self.ask(inspector, mail)
        self.assertNotIn("cost two workers", result.reason)
        self.assertNotIn("has cost two workers", inspector.log())


if __name__ == "__main__":
    unittest.main()

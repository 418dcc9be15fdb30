"""
[virus] reload = stop_first: there is never more than one set of signatures in memory. No message is refused
for that, and what cannot be loaded leaves the signatures that were in use.
"""

import os
import shutil
import signal
import threading
import unittest

from support import outcome
from support.inspector import EICAR, READY, Inspector, message, parse_results, slow_message, with_attachment
from support.process import wait_until

PATTERN, OTHER = b"a very particular text", b"another particular text"
CONTENT = ["--content-only"]


def signature(name, pattern):
    return f"Test.{name}:0:*:{pattern.hex()}\n"


class StopFirstTest(unittest.TestCase):
    def setUp(self):
        self.inspector = Inspector(workers=1)
        self.addCleanup(self.inspector.__exit__)
        self.inspector.virus["reload"] = "stop_first"
        self.inspector.configure()
        self.put("test.ndb", signature("Particular", PATTERN))
        self.inspector.start()

    def put(self, name, text):
        new = self.inspector.folder / "new"
        new.write_text(text)
        os.chmod(new, 0o644)
        os.rename(new, self.inspector.database / name)

    def scan(self, *texts):
        return [result.virus for result in self.inspector.ask(*map(message, texts), arguments=CONTENT)]

    def next_template(self, number=signal.SIGSTOP):
        """The template that comes after the one that is there is stopped at once; its pid."""
        old, = self.inspector.templates()
        found = []

        def stop():
            new = [pid for pid in self.inspector.templates() if pid != old]
            for pid in new:
                os.kill(pid, number)
                self.assertNotIn(old, self.inspector.templates(), "two at once")
            found.extend(new)
            return new
        watcher = threading.Thread(target=lambda: wait_until(stop, 60))
        watcher.start()
        return found, watcher

    def wait_for_ready(self, count):
        wait_until(lambda: self.inspector.log().count(READY) >= count, 60, f"{count} times ready")

    def test_new_ones(self):
        """Messages wait meanwhile, and get their answer."""
        stopped, watcher = self.next_template()
        self.put("other.ndb", signature("Other", OTHER))
        watcher.join()
        client = self.inspector.ask_later(self.inspector.save(message(OTHER)), arguments=CONTENT)
        self.assertEqual(self.inspector.templates(), stopped)
        self.assertIsNone(client.poll())
        os.kill(stopped[0], signal.SIGCONT)
        result, = parse_results(client.communicate(timeout=60)[0])
        self.assertEqual((result.virus, result.error), ("infected", None), result)
        self.assertEqual(self.scan(PATTERN, b"none\r\n"), ["infected", "clean"])

    def test_slow_scan(self):
        """What is being scanned is either answered first or scanned anew, but not refused."""
        client = self.inspector.ask_later(self.inspector.save(slow_message()), arguments=CONTENT)
        self.inspector.wait_for_busy_worker()
        self.inspector.program.send_signal(signal.SIGHUP)
        self.wait_for_ready(2)
        result, = parse_results(client.communicate(timeout=120)[0])
        self.assertEqual((result.virus, result.error), ("clean", None), result)

    def test_damaged_and_gone(self):
        cases = {"damaged": lambda: self.put("bad.ndb", "no signature\n"),
                 "gone": lambda: shutil.rmtree(self.inspector.database)}
        for count, (case, spoil) in enumerate(cases.items(), 2):
            with self.subTest(case):
                spoil()
                self.wait_for_ready(count)
                said = "error: the new signatures cannot serve, those before were loaded again"
                self.assertEqual(self.inspector.log().count(said), count - 1)
                self.assertEqual(self.scan(PATTERN, b"none\r\n"), ["infected", "clean"])
        self.inspector.database.mkdir(mode=0o755)
        self.put("other.ndb", signature("Other", OTHER) + signature("More", OTHER + OTHER))
        self.wait_for_ready(4)
        self.assertEqual(self.scan(OTHER, EICAR, PATTERN), ["infected", "infected", "clean"])

    def test_loading_ends_the_process(self):
        """Files that libclamav, or the machine, cannot bear to load: those that were held serve again."""
        stopped, watcher = self.next_template()
        self.put("other.ndb", signature("Other", OTHER))
        watcher.join()
        os.kill(stopped[0], signal.SIGKILL)
        self.wait_for_ready(2)
        self.inspector.wait_for_log("those before were loaded again: the process that loaded them has ended")
        result, = self.inspector.ask(with_attachment(EICAR), arguments=CONTENT)
        self.assertEqual((result.virus, self.scan(PATTERN, OTHER)), ("infected", ["infected", "clean"]))

    def test_what_was_found_meanwhile(self):
        """By those that were loaded again, it is not taken for what the new ones find."""
        stopped, watcher = self.next_template()
        self.put("other.ndb", signature("Other", OTHER))
        watcher.join()
        os.kill(stopped[0], signal.SIGKILL)
        self.wait_for_ready(2)
        remember = [*CONTENT, "--remember"]
        slow = slow_message(OTHER)
        result, = self.inspector.ask(slow, arguments=remember)
        self.assertEqual(result.virus, "clean", result)
        self.inspector.wait_for_log("its message is remembered")
        self.inspector.program.send_signal(signal.SIGHUP)
        self.wait_for_ready(3)
        result, = self.inspector.ask(slow, arguments=remember)
        self.assertEqual(result.virus, "infected", result)

    def test_template_dies_later(self):
        """With its files gone, too."""
        shutil.rmtree(self.inspector.database)
        self.wait_for_ready(2)
        template, = self.inspector.templates()
        os.kill(template, signal.SIGKILL)
        self.wait_for_ready(3)
        self.assertEqual(self.scan(PATTERN), ["infected"])


if __name__ == "__main__":
    outcome.main()

"""The workers of postern-inspector that sign: who has the keys, and what happens when one dies."""

import base64
import os
import pathlib
import re
import signal
import time
import unittest

from support import outcome
from support.inspector import EICAR, Inspector, is_alive, kill, message, parse_results, with_attachment
from support.process import wait_until
from support.sign_keys import OPENSSL, SignKeys

READY = "notice: ready to sign: "
PIECE, OVERLAP = 1 << 20, 1 << 10
SHADOW = 1 << 32  # a larger map is a sanitizer's own
SLOW_OCTETS = 40_000_000  # some tenths of a second for each of four keys


def pieces_of(memory, start, end):
    """What is readable between two addresses, in pieces that overlap."""
    for place in range(start, end, PIECE):
        try:
            memory.seek(place)
            yield memory.read(min(PIECE + OVERLAP, end - place))
        except (OSError, ValueError, OverflowError):
            return


def memory_has(pid, needles):
    """Whether any needle is in the memory of pid."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end = (int(bound, 16) for bound in line.split()[0].split("-"))
            if "r" not in line.split()[1] or "[v" in line or end - start > SHADOW:
                continue
            if any(needle in piece for piece in pieces_of(memory, start, end) for needle in needles):
                return True
    return False


def needles_of(path):
    """What gives a private key away: pieces of its PEM text, of what that stands for, of its numbers."""
    lines = path.read_text().splitlines()[1:-1]
    encoded = base64.b64decode("".join(lines))
    return [lines[len(lines) // 2].encode()[:48], encoded[-32:], encoded[-32:][::-1],
            encoded[len(encoded) // 2:][:24]]


@unittest.skipUnless(OPENSSL, "openssl is not installed")
class SignCase(unittest.TestCase):
    def start(self, keys=1, workers=1, **options):
        """An inspector with a number of keys of example.org."""
        self.inspector = Inspector(workers=workers, **options)
        self.addCleanup(self.inspector.__exit__)
        self.keys = SignKeys(self.inspector.folder / "sign")
        for number in range(keys):
            self.keys.add_key("example.org", f"s{number}")
        self.inspector.more = self.keys.configuration() if keys else ""
        self.inspector.configure()
        self.inspector.start()
        if keys:
            self.inspector.wait_for_log(READY)

    def sign(self, octets=message()):
        result, = self.inspector.ask(octets, arguments=["--sign"])
        return result

    def sign_later(self, octets=message()):
        return self.inspector.ask_later(self.inspector.save(octets, "later.eml"), arguments=["--sign"])

    def result_of(self, client):
        result, = parse_results(client.communicate(timeout=60)[0])
        return result

    def reload(self, pattern):
        before = len(re.findall(pattern, self.inspector.log()))
        self.inspector.program.send_signal(signal.SIGHUP)
        wait_until(lambda: len(re.findall(pattern, self.inspector.log())) > before, 30, pattern)


class SecrecyTest(SignCase):
    @unittest.skipIf(os.geteuid() != 0, "only root may read the memory of others")
    def test_only_signing_processes_have_the_keys(self):
        self.start(keys=2, workers=2)
        ed25519 = self.keys.add_key("example.org", "ed", algorithm="ed25519")
        self.reload(READY)
        wait_until(lambda: (len(self.inspector.key_templates()), len(self.inspector.templates())) == (1, 1)
                   and len(self.inspector.workers()) == 2, 10, "the end of the old templates")
        needles = needles_of(self.keys.folder / "s0.pem") + needles_of(self.keys.folder / "s1.pem")
        needles += [ed25519.read_bytes().split(b"\n")[1][16:]]
        self.assertEqual(len(self.sign().fields), 3)
        self.assertEqual(self.inspector.ask(with_attachment(EICAR))[0].virus, "infected")
        inspecting = [self.inspector.program.pid, *self.inspector.templates(), *self.inspector.workers()]
        signing = [*self.inspector.key_templates(), *self.inspector.signers()]
        self.assertEqual(len(inspecting), 4)
        self.assertEqual(len(signing), 3)
        for pid in signing:
            self.assertTrue(memory_has(pid, needles), "this test cannot see a key where there is one")
            self.assertTrue(memory_has(pid, needles[-1:]))
        for pid in inspecting:
            self.assertFalse(memory_has(pid, needles), pid)

    def test_no_keys_no_second_pool(self):
        self.start(keys=0)
        self.assertEqual(self.inspector.key_templates(), [])
        result = self.sign()
        self.assertEqual(result.fields, [])
        self.assertIn("[sign] table is empty", result.unsigned)
        self.assertEqual(self.inspector.ask(with_attachment(EICAR))[0].virus, "infected")

    @unittest.skipIf(os.geteuid() != 0, "the tests' own user may read it")
    def test_unreadable_key(self):
        self.start()
        self.keys.protect(self.keys.folder / "s0.pem", 0o600)
        self.reload("the new keys cannot serve, those in use stay: ")
        self.assertRegex(self.inspector.log(),
                         rf"{self.keys.table}:2: reading \S+/s0\.pem: Permission denied: this is "
                         r"user nobody; chown root:nobody and chmod 0640")
        self.assertEqual(self.sign().signed, "example.org")

    def test_warnings(self):
        self.start()
        short = self.keys.add_key("example.org", "short", bits=1024)
        self.keys.protect(short, 0o644)
        self.reload(READY)
        self.assertRegex(self.inspector.log(), r"warning: everybody may read the private key \S+/short\.pem")
        self.assertRegex(self.inspector.log(), r"warning: \S+/short\.pem is an RSA key of 1024 bits")


class DeathTest(SignCase):
    def test_one_death_is_retried(self):
        self.start()
        worker, = self.inspector.signers()
        os.kill(worker, signal.SIGSTOP)
        client = self.sign_later()
        self.inspector.wait_for_request(worker)
        os.kill(worker, signal.SIGKILL)
        result = self.result_of(client)
        self.assertEqual((result.signed, result.unsigned), ("example.org", None), result)
        self.assertRegex(self.inspector.log(), rf"worker {worker} died while it signed a message")

    def test_second_death_is_a_problem(self):
        self.start(keys=4)
        inspecting = self.inspector.workers()
        client = self.sign_later(message(b"a few words \r\n" * (SLOW_OCTETS // 14)))
        killed = set()
        while len(killed) < 2:
            worker, = wait_until(lambda: [pid for pid in self.inspector.signers() if pid not in killed], 20)
            self.inspector.wait_for_request(worker)
            self.assertIsNone(client.poll(), "the message is not slow enough for this test")
            os.kill(worker, signal.SIGABRT)
            killed.add(worker)
            wait_until(lambda: not is_alive(worker), 5)
        result = self.result_of(client)
        self.assertEqual(result.fields, [])
        self.assertIn("two workers died of this request", result.unsigned)
        self.assertEqual(self.sign().signed, "example.org")
        self.assertEqual(self.inspector.workers(), inspecting, "who inspects has nothing to do with it")

    def test_crashes_renew_the_keys_alone(self):
        self.start()
        signatures, keys = self.inspector.templates(), self.inspector.key_templates()
        for _ in range(3):
            self.assertEqual(self.sign().signed, "example.org")
            worker, = self.inspector.signers()
            os.kill(worker, signal.SIGABRT)
            wait_until(lambda: not is_alive(worker), 10)
        self.inspector.wait_for_log("the keys are loaded anew, to another place in memory")
        wait_until(lambda: self.inspector.key_templates() not in ([], keys), 20)
        wait_until(lambda: not is_alive(keys[0]), 20, "the end of the old template")
        self.assertEqual(self.sign().signed, "example.org")
        self.assertEqual(self.inspector.templates(), signatures)

    def test_template_dies(self):
        self.start()
        template, = self.inspector.key_templates()
        os.kill(template, signal.SIGKILL)
        self.assertEqual(self.sign().signed, "example.org")
        self.assertEqual(self.inspector.ask(with_attachment(EICAR))[0].virus, "infected")

    def test_hanging_signer_is_killed(self):
        self.start(scan_timeout="1s")
        worker, = self.inspector.signers()
        os.kill(worker, signal.SIGSTOP)
        result = self.sign()
        self.assertIn("took too long", result.unsigned)
        wait_until(lambda: not is_alive(worker), 5)
        self.assertEqual(self.sign().signed, "example.org")

    def test_drain(self):
        self.start()
        processes = [*self.inspector.signers(), *self.inspector.key_templates()]
        os.kill(processes[0], signal.SIGSTOP)
        client = self.sign_later()
        self.inspector.wait_for_request(processes[0])
        self.inspector.program.send_signal(signal.SIGTERM)
        self.inspector.wait_for_log("ending, on signal 15")
        self.assertTrue(self.inspector.program.is_running())
        os.kill(processes[0], signal.SIGCONT)
        self.assertEqual(self.result_of(client).signed, "example.org")
        self.assertEqual(self.inspector.program.wait(), 0)
        wait_until(lambda: not any(map(is_alive, processes)), 5, "the end of all that signs")

    def test_all_die_at_once(self):
        self.start(workers=2)
        for pid in (*self.inspector.key_templates(), *self.inspector.signers()):
            kill(pid)
        self.assertEqual(self.sign().signed, "example.org")


class ReloadTest(SignCase):
    def test_new_key(self):
        self.start()
        old, = self.inspector.key_templates()
        self.keys.add_key("example.org", "new", algorithm="ed25519")
        self.reload(READY)
        result = self.sign()
        self.assertEqual([re.search(r"s=(\w+);", field)[1] for field in result.fields], ["s0", "new"])
        wait_until(lambda: not is_alive(old), 10, "the end of the old template")

    def test_busy_signer_finishes_with_the_old_keys(self):
        self.start()
        worker, = self.inspector.signers()
        os.kill(worker, signal.SIGSTOP)
        client = self.sign_later()
        self.inspector.wait_for_request(worker)
        self.keys.add_key("example.org", "new", algorithm="ed25519")
        self.reload(READY)
        self.assertEqual(len(self.sign().fields), 2)
        os.kill(worker, signal.SIGCONT)
        self.assertEqual(len(self.result_of(client).fields), 1)
        wait_until(lambda: not is_alive(worker), 10, "the end of the old worker")

    def test_bad_table_changes_nothing(self):
        self.start()
        self.keys.lines.append("example.org only-two-words")
        self.keys.write()
        self.reload("the new keys cannot serve, those in use stay: ")
        self.assertIn(f"{self.keys.table}:3: a line has three words", self.inspector.log())
        self.assertEqual(self.sign().signed, "example.org")

    def test_table_comes_and_goes(self):
        self.start(keys=0)
        self.keys.add_key("example.org", "new")
        self.inspector.more = self.keys.configuration()
        self.inspector.configure()
        self.reload(READY)
        self.assertEqual(self.sign().signed, "example.org")
        self.inspector.more = ""
        self.inspector.configure()
        self.reload("notice: the keys are given up")
        self.assertIn("[sign] table is empty", self.sign().unsigned)
        wait_until(lambda: self.inspector.key_templates() == [], 10, "the end of all that has keys")

    def test_table_that_is_bad_from_the_start(self):
        inspector = Inspector(workers=1, more="[sign]\ntable = /nowhere/keys\n")
        self.addCleanup(inspector.__exit__)
        inspector.start()
        self.inspector = inspector
        began = time.monotonic()
        result = self.sign()
        self.assertIn("/nowhere/keys", result.unsigned)
        self.assertLess(time.monotonic() - began, 40)
        self.assertEqual(inspector.ask(with_attachment(EICAR))[0].virus, "infected")


if __name__ == "__main__":
    outcome.main()

"""
Signatures that are missing, damaged or new: what cannot be loaded is never scanned with as if it were, what
is in use stays, and what freshclam fetches is loaded without a signal and without a pause.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from support import outcome
from support.inspector import EICAR, READY, Inspector, message, with_attachment, zipped
from support.process import program_path, wait_until

PATTERN = b"a very particular text"
SIGNATURE = f"Test.Particular:0:*:{PATTERN.hex()}\n"
CONTENT = ["--content-only"]


class SignaturesTest(unittest.TestCase):
    def inspector(self, **options):
        inspector = Inspector(workers=1, **options)
        self.addCleanup(inspector.__exit__)
        return inspector

    def put(self, inspector, name, text, mode=0o644):
        """A file of the database, in one step, as freshclam does it."""
        path = inspector.database / name
        new = inspector.folder / "new"
        new.write_text(text)
        os.chmod(new, mode)
        os.rename(new, path)
        return path

    def empty(self, inspector):
        for path in inspector.database.iterdir():
            path.unlink()

    def check_configuration(self, inspector):
        return subprocess.run([program_path("postern-inspector"), "--check-config", "--config",
                               str(inspector.configuration)], capture_output=True, text=True, check=False)

    # Each makes the database unusable, by what an administrator or a full disk does.

    def missing(self, inspector):
        shutil.rmtree(inspector.database)

    def mistyped(self, inspector):
        inspector.virus["database"] = "/usr/share"
        inspector.configure()

    def unreadable(self, inspector):
        os.chmod(inspector.database, 0o700)

    def unreadable_file(self, inspector):
        self.put(inspector, "more.ndb", SIGNATURE, 0o600)

    def damaged(self, inspector):
        self.put(inspector, "daily.cvd", "ClamAV-VDB:cut")

    def damaged_file(self, inspector):
        inspector.virus["database"] = self.put(inspector, "one.ndb", "no signature\n")
        inspector.configure()

    def cases(self):
        cases = {"missing": self.missing, "mistyped": self.mistyped, "damaged": self.damaged,
                 "a damaged file": self.damaged_file}
        if os.geteuid() == 0:
            cases.update({"unreadable": self.unreadable, "an unreadable file": self.unreadable_file})
        return cases

    def test_at_start(self):
        for case, spoil in self.cases().items():
            with self.subTest(case):
                inspector = self.inspector()
                spoil(inspector)
                inspector.start(ready=False)
                said = inspector.wait_for_log("error: NO MESSAGE CAN BE SCANNED FOR VIRUSES.*")
                self.assertIn("freshclam", inspector.log(), said)
                self.assertIn("[virus] database", inspector.log())
                inspector.wait_for_log("notice: ready, but not to scan for viruses")
                for data in message(), with_attachment(EICAR):
                    result, = inspector.ask(data)
                    self.assertEqual(result.virus, "error", result)
                    self.assertIn("[virus] database", result.reason)
                    self.assertEqual(result.spf, "none", "what needs no signatures is done")
                done = self.check_configuration(inspector)
                self.assertEqual(done.returncode, 78, done)
                self.assertIn("[virus] database", done.stderr)
                inspector.program.stop()

    def test_at_reload(self):
        cases = {**self.cases(), "emptied": self.empty}
        for case, spoil in cases.items():
            with self.subTest(case):
                inspector = self.inspector()
                self.put(inspector, "test.ndb", SIGNATURE)
                inspector.start()
                spoil(inspector)
                inspector.program.send_signal(signal.SIGHUP)
                inspector.wait_for_log("the new signatures cannot serve, those in use stay: .*database")
                result, = inspector.ask(message(PATTERN), arguments=CONTENT)
                self.assertEqual(result.virus, "infected", result)
                inspector.program.stop()

    def test_empty_folder(self):
        """The one case that goes on without: but nothing is called clean."""
        inspector = self.inspector()
        self.empty(inspector)
        inspector.start()
        inspector.wait_for_log(f"warning: no virus signatures in {inspector.database}.*freshclam")
        plain, infected = inspector.ask(message(), with_attachment(EICAR), arguments=CONTENT)
        self.assertEqual((plain.virus, infected.virus), ("no_signatures", "infected"))
        done = self.check_configuration(inspector)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("no virus signatures", done.stdout)

    def test_a_file(self):
        inspector = self.inspector()
        inspector.virus["database"] = self.put(inspector, "one.ndb", SIGNATURE)
        inspector.configure()
        inspector.start()
        found, clean = inspector.ask(message(PATTERN), message(), arguments=CONTENT)
        self.assertEqual((found.virus, clean.virus), ("infected", "clean"))
        self.assertEqual(self.check_configuration(inspector).returncode, 0)

    def test_default_that_is_not_there(self):
        """Nobody named a folder, and ClamAV is not installed: as an empty one."""
        if os.path.exists("/var/lib/clamav"):
            self.skipTest("ClamAV has signatures on this machine")
        inspector = self.inspector()
        inspector.virus["database"] = ""
        inspector.configure()
        inspector.start()
        inspector.wait_for_log("warning: no virus signatures in /var/lib/clamav")
        result, = inspector.ask(message(), arguments=CONTENT)
        self.assertEqual(result.virus, "no_signatures")

    def test_noticed(self):
        """New files are loaded without a signal; a damaged one is told of once, and changes nothing."""
        inspector = self.inspector()
        inspector.start()
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "clean")
        self.put(inspector, "test.ndb", SIGNATURE)
        inspector.wait_for_log("the files of .virus. database have changed")
        wait_until(lambda: inspector.log().count(READY) == 2, 30, "the new signatures")
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")
        self.put(inspector, "bad.ndb", "no signature\n")
        inspector.wait_for_log("the new signatures cannot serve, those in use stay")
        time.sleep(1)
        self.assertEqual(inspector.log().count("those in use stay"), 1)
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")
        (inspector.database / "bad.ndb").unlink()
        wait_until(lambda: inspector.log().count(READY) == 3, 30, "the mended signatures")

    def test_noticed_by_looking(self):
        """What the kernel does not tell of: here a file beyond a link that stands in the folder."""
        inspector = self.inspector()
        inspector.virus["self_check"] = "200ms"
        elsewhere = inspector.folder / "elsewhere"
        elsewhere.mkdir(mode=0o755)
        target = elsewhere / "real.ndb"
        target.write_text("Test.Other:0:*:00112233445566778899\n")
        (inspector.database / "test.ndb").symlink_to(target)
        inspector.configure()
        inspector.start()
        target.write_text(SIGNATURE)
        wait_until(lambda: inspector.log().count(READY) == 2, 60, "the new signatures")
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")

    def test_replaced_folder(self):
        """By a rename, and by a link that leads elsewhere; then it is gone, as is a mount, and comes back."""
        inspector = self.inspector()
        real, link = inspector.folder / "one", inspector.folder / "link"
        os.rename(inspector.database, real)
        link.symlink_to(real)
        inspector.virus["database"] = link
        inspector.configure()
        inspector.start()
        other = inspector.folder / "two"
        shutil.copytree(real, other)
        (other / "test.ndb").write_text(SIGNATURE)
        new = inspector.folder / "new"
        new.symlink_to(other)
        os.rename(new, link)
        wait_until(lambda: inspector.log().count(READY) == 2, 60, "what the link leads to")
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")
        os.rename(other, inspector.folder / "away")
        inspector.wait_for_log("those in use stay: .virus. database: .* does not exist", 60)
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")
        os.rename(inspector.folder / "away", other)
        wait_until(lambda: inspector.log().count(READY) == 3, 60, "the folder that is back")

    def test_several_changes_are_one_load(self):
        inspector = self.inspector()
        inspector.start()
        for number in range(5):
            self.put(inspector, f"test{number}.ndb", SIGNATURE.replace("Particular:", f"Particular{number}:"))
        wait_until(lambda: inspector.log().count(READY) == 2, 60, "the new signatures")
        self.assertIn("ready: 7 signatures", inspector.log())
        self.assertEqual(inspector.log().count("files of [virus] database have changed"), 1)

    def test_told_again(self):
        """What is wrong is told again while it lasts, and tried again: here it was mended unnoticed."""
        inspector = self.inspector()
        inspector.virus.update(self_check=0, reminder="1s")
        self.put(inspector, "test.ndb", SIGNATURE)
        inspector.configure()
        inspector.start()
        self.put(inspector, "test.ndb", "no signature\n")
        inspector.program.send_signal(signal.SIGHUP)
        wait_until(lambda: inspector.log().count("those in use stay") >= 3, 60, "that it is told again")
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")
        self.put(inspector, "test.ndb", SIGNATURE)
        wait_until(lambda: inspector.log().count(READY) == 2, 60, "the mended signatures")

    def test_told_again_that_there_are_none(self):
        inspector = self.inspector()
        inspector.virus.update(self_check=0, reminder="1s")
        inspector.configure()
        self.damaged(inspector)
        inspector.start(ready=False)
        said = "NO MESSAGE CAN BE SCANNED"
        wait_until(lambda: inspector.log().count(said) >= 3, 60, "that again")
        (inspector.database / "daily.cvd").unlink()
        inspector.wait_for_log(READY, 60)

    def test_most_are_gone(self):
        """A folder that has lost a file, or a file that was cut, is damaged unless one says it is not."""
        inspector = self.inspector()
        lines = [f"Test.Many.{number}:0:*:{PATTERN.hex()}{number:02x}\n" for number in range(20)]
        self.put(inspector, "test.ndb", SIGNATURE + "".join(lines))
        inspector.start()
        self.put(inspector, "test.ndb", "".join(lines[:8]))
        inspector.wait_for_log("those in use stay: .*only 10 signatures, fewer than half of those in use", 60)
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")
        inspector.program.send_signal(signal.SIGHUP)
        inspector.wait_for_log("ready: 10 signatures", 60)
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "clean")

    def test_old(self):
        inspector = self.inspector()
        old = time.time() - 9 * 24 * 3600
        os.utime(inspector.database / "own.ndb", (old, old))
        inspector.virus["warn_days"] = 10
        inspector.configure()
        inspector.start()
        self.assertNotIn("days old", inspector.log())
        inspector.virus["warn_days"] = 7
        inspector.configure()
        inspector.program.send_signal(signal.SIGHUP)
        inspector.wait_for_log("warning: the newest virus signatures are 9 days old", 60)

    def test_another_path(self):
        inspector = self.inspector()
        inspector.start()
        other = inspector.folder / "other"
        other.mkdir(mode=0o755)
        (other / "test.ndb").write_text(SIGNATURE)
        inspector.virus["database"] = other
        inspector.configure()
        inspector.program.send_signal(signal.SIGHUP)
        wait_until(lambda: inspector.log().count(READY) == 2, 60, "the signatures of the other folder")
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")

    def test_no_memory(self):
        """Those in use stay until there is memory for two, here as a file in place of /proc/meminfo says."""
        if os.geteuid() != 0:
            self.skipTest("needs root, for a mount of its own")
        inspector = self.inspector()
        inspector.virus.update(reload="if_memory_allows", reminder="1s")
        inspector.configure()
        told = inspector.folder / "meminfo"
        told.write_text("MemAvailable: 1024 kB\n")
        mount = f"mount --make-rprivate / && mount --bind {told} /proc/meminfo && exec \"$@\""
        inspector.wrap = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", mount, "sh"]
        inspector.start()
        self.put(inspector, "test.ndb", SIGNATURE)
        said = "there are 1 MiB of memory for new signatures"
        wait_until(lambda: inspector.log().count(said) >= 2, 60, "that it is told again")
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "clean")
        told.write_text("MemAvailable: 8388608 kB\n")
        wait_until(lambda: inspector.log().count(READY) == 2, 60, "the new signatures")
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")

    def test_while_the_first_are_loaded(self):
        """Nobody is told that there is nothing, or that it is clean: who cannot wait is told why."""
        inspector = self.inspector()
        inspector.virus["database"] = inspector.folder / "slow"
        inspector.virus["database"].mkdir(mode=0o755)
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(inspector.folder / "notify"))
        os.chmod(inspector.folder / "notify", 0o666)
        inspector.environment = {"NOTIFY_SOCKET": str(inspector.folder / "notify")}
        inspector.configure()
        inspector.start(ready=False)
        for template in wait_until(inspector.templates, 20, "the template"):
            os.kill(template, signal.SIGSTOP)
        result, = inspector.ask(with_attachment(EICAR), arguments=[*CONTENT, "--deadline", "1000"])
        self.assertNotIn(result.virus, ("clean", "no_signatures"), result)
        self.assertIn("signatures are being loaded", result.reason + (result.error or ""))
        manager.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                self.assertTrue(manager.recv(1000).startswith(b"STATUS="))
        manager.settimeout(60)
        for template in inspector.templates():
            os.kill(template, signal.SIGCONT)
        while (told := manager.recv(1000)) != b"READY=1":
            self.assertTrue(told.startswith(b"STATUS="), told)
        inspector.wait_for_log(READY)

    def test_noticed_after_a_start_without(self):
        inspector = self.inspector()
        inspector.virus["self_check"] = "200ms"
        shutil.rmtree(inspector.database)
        inspector.configure()
        inspector.start(ready=False)
        inspector.wait_for_log("ready, but not to scan")
        inspector.database.mkdir(mode=0o755)
        self.put(inspector, "test.ndb", SIGNATURE)
        inspector.wait_for_log(READY, 30)
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")

    def test_serves_while_it_loads(self):
        """A template that takes long to load, here one that is stopped, is waited for by nobody."""
        inspector = self.inspector()
        inspector.virus["self_check"] = "200ms"
        inspector.configure()
        inspector.start()
        old, = inspector.templates()
        stopped = []

        def stop_the_new_one():
            new = [pid for pid in inspector.templates() if pid != old]
            for pid in new:
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
            return new

        # So many that it is still loading them when it is stopped.
        many = "".join(f"Test.Many{number}:0:*:{number:032x}\n" for number in range(100_000))
        self.put(inspector, "many.ndb", many)
        watcher = threading.Thread(target=lambda: wait_until(stop_the_new_one, 20))
        watcher.start()
        self.put(inspector, "test.ndb", SIGNATURE)
        watcher.join()
        for _ in range(5):
            result, = inspector.ask(with_attachment(zipped(EICAR)), arguments=CONTENT)
            self.assertEqual(result.virus, "infected", result)
        self.assertEqual(inspector.log().count(READY), 1)
        os.kill(stopped[0], signal.SIGCONT)
        wait_until(lambda: inspector.log().count(READY) == 2, 60, "the new signatures")
        score = pathlib.Path(f"/proc/{stopped[0]}/oom_score_adj").read_text()
        self.assertEqual(score, pathlib.Path("/proc/self/oom_score_adj").read_text())
        self.assertEqual(inspector.ask(message(PATTERN), arguments=CONTENT)[0].virus, "infected")


if __name__ == "__main__":
    outcome.main()

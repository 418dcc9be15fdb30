"""postern-inspector when its processes die, hang, or are told to end: requests survive, nothing is left."""

import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from support.inspector import (CLIENT, EICAR, Inspector, children, is_alive, kill, message, parse_results,
                               run_client, slow_message, with_attachment, zipped)
from support.process import Program, program_path, wait_until


def left_over(inspector):
    """Directories of workers that are still there."""
    return list(inspector.temporary.glob("postern-inspector-*"))


def is_unlocked(directory):
    """Whether no process uses an inspector's directory any more; a worker may have begun a moment ago."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


class CrashTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.slow = slow_message()

    def start(self, **options):
        inspector = Inspector(**options)
        self.addCleanup(inspector.__exit__)
        return inspector.start()

    def end(self, inspector):
        """Ends it by SIGTERM; nothing may be left."""
        processes = [inspector.program.pid, *inspector.templates(), *inspector.workers()]
        self.assertEqual(inspector.program.stop(), 0)
        wait_until(lambda: not any(map(is_alive, processes)), 5, "the end of all processes")
        self.assertEqual(inspector.program.orphans, [])
        self.assertEqual(left_over(inspector), [])
        self.assertFalse(inspector.socket.exists())

    def ask_stopped(self, inspector, *data):
        """The client, asking a worker that is stopped; and that worker."""
        worker, = wait_until(inspector.workers, 10)
        os.kill(worker, signal.SIGSTOP)
        paths = [inspector.save(item, f"stopped-{index}.eml") for index, item in enumerate(data)]
        client = inspector.ask_later(*paths, arguments=["--content-only"])
        inspector.wait_for_request(worker)
        return client, worker

    def result_of(self, client):
        output, _ = client.communicate(timeout=60)
        return parse_results(output)[0]

    def test_one_death_is_retried(self):
        inspector = self.start(workers=1)
        client, worker = self.ask_stopped(inspector, with_attachment(zipped(EICAR)))
        os.kill(worker, signal.SIGKILL)
        result = self.result_of(client)
        self.assertEqual(result.virus, "infected", result)
        self.assertIn("died while it inspected a message", inspector.log())
        self.end(inspector)

    def test_second_death_is_an_error(self):
        inspector = self.start(workers=1)
        client = inspector.ask_later(inspector.save(self.slow), arguments=["--content-only"])
        killed = set()
        while len(killed) < 2:
            worker = inspector.wait_for_busy_worker()
            self.assertIsNone(client.poll(), "the message is not slow enough for this test")
            os.kill(worker, signal.SIGABRT)
            killed.add(worker)
            wait_until(lambda: not is_alive(worker), 5)
        result = self.result_of(client)
        self.assertEqual(result.virus, "error", result)
        self.assertIn("two workers died of this request", result.reason)
        self.assertRegex(inspector.log(), r"worker \d+ ended by signal 6")
        self.assertEqual(inspector.ask(message())[0].virus, "clean")
        self.end(inspector)

    def test_crashes_renew_the_template(self):
        inspector = self.start(workers=1)
        before = inspector.templates()
        for _ in range(3):
            # Its answer shows that it has proved itself: what dies before that is no crash.
            self.assertEqual(inspector.ask(message())[0].virus, "clean")
            worker, = inspector.workers()
            os.kill(worker, signal.SIGABRT)
            wait_until(lambda: not is_alive(worker), 10)
        inspector.wait_for_log("loaded anew, to another place in memory")
        wait_until(lambda: inspector.templates() and before[0] not in inspector.templates(), 20)
        self.assertEqual(inspector.ask(with_attachment(EICAR))[0].virus, "infected")
        self.end(inspector)

    def test_template_dies(self):
        inspector = self.start(workers=1)
        client, worker = self.ask_stopped(inspector, with_attachment(zipped(EICAR)))
        template, = inspector.templates()
        os.kill(template, signal.SIGKILL)
        self.assertEqual(self.result_of(client).virus, "infected")
        wait_until(lambda: not is_alive(worker), 5, "the end of the template's worker")
        self.assertEqual(len(left_over(inspector)), 1)
        wait_until(lambda: len(inspector.worker_directories()) == 1, 5, "the removal of its directory")
        self.end(inspector)

    def test_pool_dies(self):
        inspector = self.start()
        processes = [*inspector.templates(), *inspector.workers()]
        os.kill(inspector.program.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, processes)), 5, "the end of template and workers")
        wait_until(lambda: not any(left_over(inspector)[0].iterdir()) if left_over(inspector) else True, 5)
        inspector.start()
        self.assertEqual(len(left_over(inspector)), 1, "the stale directory is removed by the next start")
        self.assertEqual(inspector.ask(with_attachment(EICAR))[0].virus, "infected")
        self.end(inspector)

    def test_all_die_at_once(self):
        inspector = self.start()
        for pid in (inspector.program.pid, *inspector.templates(), *inspector.workers()):
            kill(pid)
        inspector.program.popen.wait(5)
        wait_until(lambda: all(map(is_unlocked, left_over(inspector))), 5, "the end of all")
        inspector.start()
        self.assertEqual(len(left_over(inspector)), 1)
        self.end(inspector)

    def test_hanging_worker_is_killed(self):
        inspector = self.start(workers=1, scan_timeout="1s")
        client, worker = self.ask_stopped(inspector, message())
        result = self.result_of(client)
        self.assertEqual(result.virus, "error", result)
        self.assertIn("took too long", result.reason)
        self.assertLess(result.milliseconds, 40_000, "it was its client that gave up")
        wait_until(lambda: not is_alive(worker), 5)
        self.assertEqual(inspector.ask(with_attachment(EICAR))[0].virus, "infected")
        self.end(inspector)

    def test_client_deadline(self):
        inspector = self.start(workers=1)
        worker, = inspector.workers()
        os.kill(worker, signal.SIGSTOP)
        result, = inspector.ask(message(), arguments=["--content-only", "--deadline", 500])
        self.assertEqual(result.virus, "error")
        wait_until(lambda: not is_alive(worker), 5, "the end of the worker at its client's deadline")
        self.end(inspector)

    def test_drain(self):
        inspector = self.start(workers=1)
        client, worker = self.ask_stopped(inspector, with_attachment(EICAR))
        inspector.program.send_signal(signal.SIGTERM)
        inspector.wait_for_log("ending, on signal 15")
        self.assertTrue(inspector.program.is_running())
        os.kill(worker, signal.SIGCONT)
        self.assertEqual(self.result_of(client).virus, "infected")
        self.assertEqual(inspector.program.wait(), 0)
        self.assertEqual(left_over(inspector), [])

    def test_too_many_requests(self):
        inspector = Inspector(workers=1)
        self.addCleanup(inspector.__exit__)
        inspector.program = Program("prlimit", "--nofile=360:360", program_path("postern-inspector"),
                                    "--config", inspector.configuration, "--socket", inspector.socket,
                                    folder=inspector.folder)
        inspector.wait_for_log("notice: ready: ")
        stopped = [*inspector.templates(), *inspector.workers()]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        client = inspector.ask_later(inspector.save(message()),
                                     arguments=["--content-only", "--repeat", 40, "--parallel", 40])
        refusals = "".join(client.stdout.readline() for _ in range(11))
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        results = parse_results(refusals + client.stdout.read())
        refused = [result for result in results if "too many requests" in (result.error or "")]
        served = [result for result in results if result.virus == "clean"]
        self.assertEqual(len(results), 40)
        self.assertGreater(len(refused), 10)
        self.assertGreater(len(served), 5)
        self.assertEqual(len(refused) + len(served), 40)
        self.end(inspector)

    def test_inspector_comes_late_and_again(self):
        inspector = Inspector()
        self.addCleanup(inspector.__exit__)
        client = inspector.ask_later(inspector.save(with_attachment(EICAR)))
        time.sleep(0.3)
        inspector.start()
        self.assertEqual(self.result_of(client).virus, "infected")
        self.end(inspector)

    def test_no_inspector(self):
        results = run_client("--socket", "/nonexistent/socket", __file__, "--repeat", 3)
        self.assertEqual([result.virus for result in results], ["error"] * 3)
        self.assertLess(results[0].milliseconds, 40_000)
        self.assertLess(results[2].milliseconds, results[0].milliseconds, "it is known to be down")


class ReloadTest(unittest.TestCase):
    def setUp(self):
        self.inspector = Inspector(workers=1)
        self.addCleanup(self.inspector.__exit__)
        self.inspector.start()

    def ready_count(self):
        return self.inspector.log().count("notice: ready: ")

    def signature(self, text):
        path = self.inspector.database / "test.ndb"
        path.write_text(text)
        os.chmod(path, 0o644)

    def reload(self):
        before = self.ready_count()
        self.inspector.program.send_signal(signal.SIGHUP)
        wait_until(lambda: self.ready_count() > before, 30, "the new signatures")

    def test_new_signatures(self):
        pattern = b"a very particular text"
        self.assertEqual(self.inspector.ask(message(pattern))[0].virus, "clean")
        self.signature(f"Test.Particular:0:*:{pattern.hex()}\n")
        old, = self.inspector.templates()
        self.reload()
        result, = self.inspector.ask(message(pattern))
        self.assertEqual(result.virus, "infected", result)
        self.assertIn("Test.Particular", result.name)
        wait_until(lambda: not is_alive(old), 10, "the end of the old template")
        self.assertEqual(len(self.inspector.worker_directories()), 1)

    def test_busy_worker_finishes_first(self):
        worker, = self.inspector.workers()
        os.kill(worker, signal.SIGSTOP)
        client = self.inspector.ask_later(self.inspector.save(with_attachment(zipped(EICAR))),
                                          arguments=["--content-only"])
        self.inspector.wait_for_request(worker)
        self.reload()
        self.assertEqual(self.inspector.ask(message(b"other"))[0].virus, "clean")
        os.kill(worker, signal.SIGCONT)
        self.assertEqual(parse_results(client.communicate(timeout=30)[0])[0].virus, "infected")
        wait_until(lambda: not is_alive(worker), 10, "the end of the old worker")

    def test_bad_signatures_change_nothing(self):
        self.signature("this is no signature\n")
        self.inspector.program.send_signal(signal.SIGHUP)
        self.inspector.wait_for_log("the new signatures cannot serve, those in use stay")
        self.assertEqual(self.inspector.ask(with_attachment(EICAR))[0].virus, "infected")

    def test_bad_configuration_changes_nothing(self):
        self.inspector.configure(workers="many")
        self.inspector.program.send_signal(signal.SIGHUP)
        self.inspector.wait_for_log("nothing was changed by the reload: .*workers")
        self.assertEqual(self.inspector.ask(with_attachment(EICAR))[0].virus, "infected")

    def test_more_workers(self):
        self.inspector.configure(workers=3)
        self.reload()
        wait_until(lambda: len(self.inspector.workers()) == 3, 10)


    def reload_often(self, times):
        """Reloads before the last one can be done; yields after each."""
        for count in range(1, times + 1):
            self.inspector.program.send_signal(signal.SIGHUP)
            wait_until(lambda count=count: self.inspector.log().count("notice: reloading ") >= count, 10,
                       "a reload", pause=0.001)
            yield

    def test_killed_amid_reloads(self):
        """What is just being started finds nobody whose death could be told to it."""
        for _ in self.reload_often(20):
            pass
        self.inspector.program.popen.kill()
        self.inspector.program.wait()
        wait_until(lambda: not self.inspector.program.processes(), 5, "the end of all that it started")

    def test_many_reloads_load_once_at_a_time(self):
        most = max(len(self.inspector.templates()) for _ in self.reload_often(30))
        self.assertLessEqual(most, 4)  # in use, being ended, being started
        self.assertEqual(self.inspector.ask(with_attachment(EICAR))[0].virus, "infected")


class UnavailableTest(unittest.TestCase):
    def test_signatures_that_cannot_be_loaded(self):
        with Inspector(workers=1) as inspector:
            path = inspector.database / "test.ndb"
            path.write_text("this is no signature\n")
            os.chmod(path, 0o644)
            inspector.start(ready=False)
            result, = inspector.ask(message())
            self.assertEqual(result.virus, "error", result)
            self.assertLess(result.milliseconds, 15000)
            self.assertIn("Malformed database", result.reason)
            path.unlink()
            inspector.program.send_signal(signal.SIGHUP)
            inspector.wait_for_log("notice: ready: ", 30)
            self.assertEqual(inspector.ask(with_attachment(EICAR))[0].virus, "infected")


class PrivateInspectorTest(unittest.TestCase):
    """An inspector that a program starts for itself ends with it, however that ends."""

    def setUp(self):
        self.inspector = Inspector(workers=1)
        self.addCleanup(self.inspector.__exit__)
        self.runtime = pathlib.Path(tempfile.mkdtemp(prefix="postern-private-"))
        self.addCleanup(shutil.rmtree, self.runtime, True)
        shutil.copy(CLIENT, self.runtime / "client")
        os.symlink(program_path("postern-inspector"), self.runtime / "postern-inspector")
        self.sockets = self.runtime / "sockets"
        self.sockets.mkdir()

    def start(self, *arguments):
        self.client = subprocess.Popen(
            [str(self.runtime / "client"), "--spawn", "--config", str(self.inspector.configuration),
             *arguments, str(self.inspector.save(with_attachment(zipped(EICAR))))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "RUNTIME_DIRECTORY": str(self.sockets)})
        self.addCleanup(self.client.stdout.close)
        self.addCleanup(self.client.stdin.close)
        self.addCleanup(self.client.kill)
        lines = [self.client.stdout.readline(), self.client.stdout.readline()]
        self.assertIn("inspector process=", lines[0])
        self.assertEqual(parse_results(lines[1])[0].virus, "infected", lines)
        pool = int(lines[0].split("process=")[1].split()[0])
        templates = children(pool)
        return [pool, *templates, *(worker for template in templates for worker in children(template))]

    def assert_nothing_left(self, processes):
        wait_until(lambda: not any(map(is_alive, processes)), 5, "the end of all its processes")
        wait_until(lambda: left_over(self.inspector) == [], 2, "the removal of its temporary directory")
        if os.geteuid() == 0:
            # The inspector is another user than the program was; it cannot remove what the next start does.
            self.start()
            self.client.wait(10)
        wait_until(lambda: list(self.sockets.iterdir()) == [], 2, "the removal of its socket")

    def test_ends_with_its_program(self):
        processes = self.start("--hold")
        self.assertGreaterEqual(len(processes), 3)
        self.client.stdin.close()
        self.assertEqual(self.client.wait(10), 0)
        self.assert_nothing_left(processes)

    def test_ends_when_its_program_is_killed(self):
        processes = self.start("--hold")
        self.client.kill()
        self.client.wait(5)
        self.assert_nothing_left(processes)

    def test_is_started_again(self):
        processes = self.start("--watch", "--repeat", "400", "--content-only")
        os.kill(processes[0], signal.SIGKILL)
        lines = self.client.stdout.read().splitlines()
        self.assertEqual(self.client.wait(60), 0)
        self.assertEqual([line for line in lines if line.startswith("inspector ")],
                         [f"inspector process {processes[0]} ended by signal 9 (Killed)"])
        results = parse_results("\n".join(lines))
        self.assertEqual(len(results), 399)
        self.assertEqual({result.virus for result in results}, {"infected"})
        self.assert_nothing_left(processes)

    def test_not_found(self):
        (self.runtime / "postern-inspector").unlink()
        done = subprocess.run([str(self.runtime / "client"), "--spawn", __file__], stderr=subprocess.PIPE,
                              text=True, timeout=10, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(str(self.runtime / "postern-inspector"), done.stderr)


if __name__ == "__main__":
    unittest.main()

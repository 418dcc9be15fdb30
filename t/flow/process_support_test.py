"""Nothing that a test starts outlives it: not what is stopped or forgotten, not when the test is killed."""

import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from support import ports, proc
from support.process import Program, wait_until

# One process in the program's session, one that has left it.
FAMILY = ["/bin/sh", "-c", "setsid sleep 600 & echo started; sleep 600"]
SCRIPT = f"""
import sys, time
from support.process import Program
program = Program(*{FAMILY!r}, folder=sys.argv[1])
program.wait_for_log("started")
print(program.pid, program.mark, flush=True)
if sys.argv[2] == "stay":
    time.sleep(600)
"""


class ProcessTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-process-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def start_test(self, how):
        """Another Python that starts the family: its process, and what identifies the family."""
        test = subprocess.Popen([sys.executable, "-B", "-c", SCRIPT, self.folder, how],
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(test.wait)
        self.addCleanup(test.kill)
        self.addCleanup(test.stdout.close)
        pid, mark = test.stdout.readline().split()
        return test, (int(pid), mark)

    def test_stop_ends_all_and_names_orphans(self):
        program = Program(*FAMILY, folder=self.folder)
        program.wait_for_log("started")
        wait_until(lambda: len(program.processes()) >= 3)
        self.assertEqual(program.stop(), -signal.SIGTERM)
        self.assertEqual(program.processes(), [])
        self.assertGreaterEqual(len(program.orphans), 1)

    def test_forgotten_program_ends_with_the_test(self):
        test, family = self.start_test("leave")
        self.assertEqual(test.wait(20), 0)
        self.assertEqual(proc.processes(*family), [])

    def test_killed_test_leaves_nothing(self):
        test, family = self.start_test("stay")
        self.assertGreaterEqual(len(proc.processes(*family)), 2)
        test.kill()
        wait_until(lambda: proc.processes(*family) == [], 20, "the end of all processes")

    def test_deadlines(self):
        program = Program("sleep", "600", folder=self.folder)
        self.addCleanup(program.stop)
        with self.assertRaises(TimeoutError):
            program.wait(0.1)
        with self.assertRaises(TimeoutError):
            program.wait_for_log("never", 0.1)
        program.kill()
        self.assertEqual(program.status, -signal.SIGKILL)
        with self.assertRaisesRegex(RuntimeError, "ended with -9"):
            program.wait_for_log("never")
        with self.assertRaisesRegex(RuntimeError, "ended before it listened"):
            program.wait_for_port(ports.free_port())

    def test_ports(self):
        self.assertEqual(len(set(ports.free_ports(20))), 20)
        wanted = ports.free_port()
        self.assertEqual(ports.first_free_port(wanted), wanted)
        self.assertFalse(ports.is_listening(wanted))


if __name__ == "__main__":
    unittest.main()

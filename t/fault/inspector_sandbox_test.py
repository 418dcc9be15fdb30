"""What a worker of postern-inspector may not do: each call, made inside its sandbox, must end the process."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest

from support.process import build_folder

PROGRAM = build_folder() / "t" / "fault" / "denied_call"
SANITIZED = any(line.startswith("POSTERN_SANITIZE:") and line.split("=", 1)[1]
                for line in (build_folder() / "CMakeCache.txt").read_text().splitlines())

KILLED = ("socket", "unix-socket", "connect", "execve", "fork", "kill", "ptrace", "io_uring",
          "raise-file-size", "rename", "symlink", "unshare")


class SandboxTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-sandbox-"))
        os.chmod(self.folder, 0o777)
        self.inside = self.folder / "inside"
        self.inside.mkdir()
        os.chmod(self.inside, 0o777)
        self.addCleanup(shutil.rmtree, self.folder, True)

    def make(self, call, *arguments):
        """The exit status of the process that makes call, negative for a signal."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        done = subprocess.run([str(PROGRAM), call, str(self.inside), str(self.folder / "outside"),
                               *arguments],
                              stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 2, done.stderr)
        return done.returncode

    def test_allowed(self):
        self.assertEqual(self.make("nothing"), 0)
        self.assertEqual(self.make("write-inside"), 0)

    def test_denied_calls_kill(self):
        for call in KILLED:
            with self.subTest(call):
                self.assertEqual(self.make(call), -signal.SIGSYS)
        self.assertFalse((self.folder / "outside").exists())

    @unittest.skipIf(SANITIZED, "a sanitizer maps what it needs")
    def test_executable_memory_kills(self):
        self.assertEqual(self.make("executable-memory"), -signal.SIGSYS)

    def test_limits_kill(self):
        self.assertEqual(self.make("write-much"), -signal.SIGXFSZ)
        self.assertEqual(self.make("spin"), -signal.SIGXCPU)

    def test_other_files_are_out_of_reach(self):
        self.assertEqual(self.make("read-outside"), 3)
        self.assertEqual(self.make("write-outside"), 3)
        self.assertFalse((self.folder / "outside").exists())

    def test_a_signer_has_no_files(self):
        self.assertEqual(self.make("nothing", "signs"), 0)
        for call in (*KILLED, "read-outside", "write-outside", "write-inside"):
            with self.subTest(call):
                self.assertEqual(self.make(call, "signs"), -signal.SIGSYS)
        self.assertEqual(list(self.inside.iterdir()), [])


if __name__ == "__main__":
    unittest.main()

"""What a worker of postern-inspector may not do: each call, made inside its sandbox, must end the process."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest

from support import outcome
from support.process import build_folder

PROGRAM = build_folder() / "t" / "fault" / "denied_call"
SANITIZED = any(line.startswith("POSTERN_SANITIZE:") and line.split("=", 1)[1]
                for line in (build_folder() / "CMakeCache.txt").read_text().splitlines())

KILLED = ("socket", "unix-socket", "connect", "execve", "fork", "kill", "ptrace", "io_uring",
          "raise-file-size", "rename", "symlink", "unshare", "change-mode", "change-mode-of-file")

# Of each call that takes a command: the commands that exist (and some that do not yet), and those that may
# pass.
# fcntl 8 and 10 are F_SETOWN and F_SETSIG, which together send any signal to any process of the same user.
FUTEX_PRIVATE, FUTEX_REALTIME = 128, 256
COMMANDS = {
    "fcntl": ([*range(0, 18), *range(36, 39), *range(1024, 1042), 1 << 32, (1 << 32) | 8],
              {0, 1, 2, 3, 1030, 1033, 1034}),
    "futex": ([command | flag for command in range(0, 15) for flag in (0, FUTEX_PRIVATE)]
              + [FUTEX_PRIVATE | FUTEX_REALTIME | 9, 512],
              {command | flag for command in (0, 1, 9, 10) for flag in (0, FUTEX_PRIVATE)}
              | {FUTEX_PRIVATE | FUTEX_REALTIME | 9}),
    "madvise": ([*range(0, 26), 100, 101],
                {0, 1, 2, 3, 4, 8, 14, 15} | ({16} if SANITIZED else set())),
    "seccomp": (range(0, 4), set()),
    "clone": ([0x11, 0x10000000, 0x10f00], set()),
    "memfd_create": ([0, 1, 2, 3, 4, 7, 8, 16], {1, 3}),
    "fallocate": ([0, 1, 2, 3, 8, 16, 32, 64], {0}),
    "clock_gettime": ([*range(0, 12), -2, -6, -14, (-100 << 3) | 2], {0, 1, 2, 3, 4, 5, 6, 7}),
    "prlimit64": (range(0, 16), {0}),
    "prlimit64-of": ([0, 1], {0}),
}
UNSANITIZED_COMMANDS = {
    "ioctl": ([0x5401, 0x5412, 0x5421, 0x8901, 0x8902], set()),
    "prctl": (range(0, 70), set()),
    "mmap": (range(0, 8), {0, 1, 2, 3}),
}


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

    def check_commands(self, commands, *arguments):
        for call, (numbers, allowed) in commands.items():
            for number in numbers:
                with self.subTest(f"{call} {number}"):
                    status = self.make(f"{call} {number}", *arguments)
                    if number in allowed:
                        self.assertIn(status, (0, 3))
                    else:
                        self.assertEqual(status, -signal.SIGSYS)

    def test_commands_that_are_not_needed_kill(self):
        self.check_commands(COMMANDS)
        self.check_commands({"fcntl": COMMANDS["fcntl"]}, "signs")

    @unittest.skipIf(SANITIZED, "a sanitizer needs these calls")
    def test_commands_that_only_a_sanitizer_needs_kill(self):
        self.check_commands(UNSANITIZED_COMMANDS)

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

    def test_modes_stay(self):
        """Landlock does not keep chmod() to a folder: it is said to be done, and is not."""
        outside = self.folder / "outside"
        outside.write_text("x")
        outside.chmod(0o666)
        shutil.chown(outside, "nobody")
        before = outside.stat().st_mode, self.inside.stat().st_mode
        self.assertEqual(self.make("pretend-mode"), 0)
        self.assertEqual(self.make("change-mode"), -signal.SIGSYS)
        self.assertEqual((outside.stat().st_mode, self.inside.stat().st_mode), before)
        self.assertEqual(self.make("pretend-mode", "signs"), -signal.SIGSYS)

    def test_a_signer_has_no_files(self):
        self.assertEqual(self.make("nothing", "signs"), 0)
        for call in (*KILLED, "read-outside", "write-outside", "write-inside"):
            with self.subTest(call):
                self.assertEqual(self.make(call, "signs"), -signal.SIGSYS)
        self.assertEqual(list(self.inside.iterdir()), [])


if __name__ == "__main__":
    outcome.main()

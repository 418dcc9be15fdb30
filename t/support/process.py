"""Real programs, each in a session of its own, with its output in a file; none outlives its test."""

import atexit
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

from support import guard, proc

PR_SET_PDEATHSIG = 1
PATIENCE = 6  # a machine that is slow, and has other work, gets so many times what a test calls long

_libc = ctypes.CDLL(None, use_errno=True)
_running = {}
_guard = []


def build_folder():
    """The build folder whose programs are tested."""
    folder = os.environ.get("POSTERN_BUILD")
    if not folder:
        raise RuntimeError("POSTERN_BUILD must name the build folder")
    return pathlib.Path(folder)


def source_folder():
    """The top folder of the sources."""
    return pathlib.Path(os.environ.get("POSTERN_SOURCE") or pathlib.Path(__file__).resolve().parents[2])


def shared_folder():
    """Published test data that is no part of the project; else what of it contrib/unpack-suites has."""
    beside = pathlib.Path(os.environ.get("POSTERN_SHARED", source_folder().parent / "shared" / "data"))
    return beside if beside.exists() else build_folder() / "suites"


def program_path(name):
    """The path of one of our programs, or of one of the system when we have none of that name."""
    if os.sep in str(name):
        return str(name)
    ours = pathlib.Path(os.environ.get("POSTERN_BUILD", "/nonexistent")) / "bin" / name
    found = str(ours) if ours.exists() else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"no program {name} in {ours.parent} nor in the PATH")
    return found


def _prepare_child():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for_quiet(read, quiet=0.2, seconds=5.0):
    """What read() returns once it has not changed for so long: a log comes a little after the reply."""
    end = time.monotonic() + seconds
    text, since = read(), time.monotonic()
    while time.monotonic() < end and time.monotonic() < since + quiet:
        time.sleep(0.02)
        if (new := read()) != text:
            text, since = new, time.monotonic()
    return text


def wait_until(condition, seconds=10.0, what="the condition", pause=0.01):
    """Calls condition until its result is true and returns that; TimeoutError after PATIENCE * seconds."""
    deadline = time.monotonic() + PATIENCE * seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true in {PATIENCE} * {seconds} seconds")
        time.sleep(pause)


class Program:
    """
    A running program. It is in a session of its own, and dies with the thread that started it: start it from
    the test's main thread. folder gets its output, NAME.log. After stop(), orphans has the pids of what it
    had not ended itself. descriptors: those that it inherits, by their numbers.
    """

    def __init__(self, name, *arguments, folder=None, environment=None, stdin=None, directory=None,
                 descriptors=()):
        self.name = pathlib.Path(str(name)).name
        self.command = [program_path(name), *map(str, arguments)]
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="postern-"))
        self.log_path = self.folder / f"{self.name}.log"
        self.mark = uuid.uuid4().hex
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                self.command, stdin=stdin or subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory,
                env={**os.environ, **(environment or {}), proc.MARK: self.mark}, start_new_session=True,
                pass_fds=descriptors, preexec_fn=_prepare_child)
        self.pid = self.popen.pid
        self.orphans = []
        _running[self.mark] = self
        if not _guard:
            _guard.append(guard.start())
        guard.tell(_guard[0], "+", self.pid, self.mark)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def log(self):
        """What it has written so far to standard output and standard error."""
        return self.log_path.read_text(errors="replace")

    def is_running(self):
        return self.popen.poll() is None

    @property
    def status(self):
        """The exit status, negative for a signal, None while it runs."""
        return self.popen.poll()

    def wait(self, seconds=10.0):
        """Waits until it ends by itself and returns the exit status."""
        try:
            return self.popen.wait(PATIENCE * seconds)
        except subprocess.TimeoutExpired:
            text = f"{self.name} still runs after {PATIENCE} * {seconds} seconds:\n{self.log()}"
            raise TimeoutError(text) from None

    def wait_for_log(self, pattern, seconds=10.0):
        """Waits until a regular expression matches in its log and returns the match."""
        def look():
            match = re.search(pattern, self.log())
            if match is None and not self.is_running():
                raise RuntimeError(f"{self.name} ended with {self.status}:\n{self.log()}")
            return match
        return wait_until(look, seconds, f"{pattern!r} in the log of {self.name}")

    def wait_for_port(self, port, host="127.0.0.1", seconds=20.0):
        """Waits until it listens on port."""
        from support import ports
        try:
            ports.wait_for_port(port, host, seconds, self.is_running)
        except (RuntimeError, TimeoutError) as error:
            raise RuntimeError(f"{self.name}: {error}:\n{self.log()}") from None

    def send_signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """SIGKILL to the program alone, as a crash would be; what it started is ended too, after it."""
        if self.is_running():
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        self._end_rest()

    def stop(self, number=signal.SIGTERM, seconds=10.0):
        """Ends it by a signal, after seconds by SIGKILL, with all that it started; returns the status."""
        if self.is_running():
            self.popen.send_signal(number)
            try:
                self.popen.wait(PATIENCE * seconds)
            except subprocess.TimeoutExpired:
                self.popen.send_signal(signal.SIGKILL)
                self.popen.wait()
        self._end_rest()
        return self.status

    def processes(self):
        """The pids of all processes of it that are alive, it among them."""
        return proc.processes(self.pid, self.mark)

    def _end_rest(self):
        try:
            wait_until(lambda: not self.processes(), 3)
        except TimeoutError:
            self.orphans = self.processes()
        proc.kill_all(self.pid, self.mark)
        guard.tell(_guard[0], "-", self.pid, self.mark)
        _running.pop(self.mark, None)


@atexit.register
def stop_all():
    """Ends every program that a test forgot."""
    for program in list(_running.values()):
        program.stop(signal.SIGKILL)
    for running in _guard:
        running.stdin.close()
        running.wait(10)

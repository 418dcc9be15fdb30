"""
The programs of the project as tests run them: a configuration in a folder of the test, postern-proxy before a
back-end, postern-scan, and a test case that starts both and leaves nothing behind.
"""

import itertools
import os
import pathlib
import pwd
import re
import subprocess
import tempfile
import unittest

from support import ports
from support.demo_messages import eicar_signature
from support.process import Program, program_path, wait_for_quiet, wait_until
from support.recording_backend import RecordingBackend

# [proxy] options of one that inspects, and is told of clients with XCLIENT (Client(told=ADDRESS)).
TOLD = {"inspect": "yes", "trusted_clients": "127.0.0.1"}
READY_SECONDS = 60
STARTED = ": notice: postern-proxy "
MEMORY = pathlib.Path("/dev/shm")  # the back-end synchronises each message: costs nothing there
PAIR = re.compile(r' ([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"\\=]+))')
CLOSING_LINE = re.compile(
    r"(?:message|session|sender|recipient|login|refused|suspect|repeated)(?:" + PAIR.pattern + ")*")
ESCAPE = re.compile(r'\\(?:x([0-9a-f]{2})|(["\\]))')


def unprivileged_user():
    """Who the programs become: nobody where the test runs as root, else who runs it."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def configuration_text(groups):
    """A configuration file; groups is a table of tables, lists are joined, None leaves a key out."""
    lines = []
    for group, values in groups.items():
        lines.append(f"[{group}]")
        for key, value in values.items():
            text = "; ".join(value) if isinstance(value, (list, tuple)) else value
            if value is not None:
                lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def unescape(text):
    """What a value of a log line was before it was escaped."""
    return ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], text)


def closing_line(line):
    """A closing line of the log as (kind, {key: value}); None for any other line."""
    text = line.partition(": info: ")[2]
    if not CLOSING_LINE.fullmatch(text):
        return None
    values = {match[1]: unescape(match[2] if match[2] is not None else match[3])
              for match in PAIR.finditer(text)}
    return text.split(" ", 1)[0], values


def closing_lines(log, kind):
    """The values of all closing lines of a kind in the text of a log, in their order."""
    parsed = [closing_line(line) for line in log.splitlines()]
    return [values for entry in parsed if entry for line_kind, values in [entry] if line_kind == kind]


class Proxy:
    """
    postern-proxy with a configuration of its own in folder. groups, one a keyword, replace or add to the
    usual options. DNS answers are those of answers, the text of a file for [dns] answers.
    """

    def __init__(self, folder, backend_port, answers="", **groups):
        self.folder = pathlib.Path(folder)
        self.port = ports.free_port()
        self.path = self.folder / "postern.conf"
        (self.folder / "answers").write_text(answers)
        user = unprivileged_user()
        self.groups = {
            "log": {"level": "info"},
            "proxy": {"listen": f"127.0.0.1:{self.port}", "hostname": "proxy.example",
                      "backend": f"127.0.0.1:{backend_port}", "inspect": "no", "user": user},
            "dns": {"answers": self.folder / "answers"},
            "inspector": {"user": user, "workers": 1},
        }
        self.configure(**groups)
        self.program = None

    def configure(self, **groups):
        """Writes the configuration anew with these options changed."""
        for group, values in groups.items():
            self.groups.setdefault(group, {}).update(values)
        self.path.write_text(configuration_text(self.groups))

    def start(self, ready=True):
        self.starts = self.log_now().count(STARTED) if self.program else 0  # it goes on with the same log
        self.program = Program("postern-proxy", "--config", self.path, folder=self.folder)
        if ready:
            wait_until(self._is_ready, READY_SECONDS, "postern-proxy being ready")
        return self

    def _is_ready(self):
        if not self.program.is_running():
            raise RuntimeError(f"postern-proxy ended with {self.program.status}:\n{self.log()}")
        return self.log().count(STARTED) > self.starts

    def stop(self):
        if self.program is not None:
            self.program.stop()

    def log_now(self):
        """All that it has logged, wherever the configuration says."""
        destination = self.groups["log"].get("destination")
        path = pathlib.Path(destination) if destination else None
        return self.program.log() + (path.read_text() if path and path.exists() else "")

    def log(self):
        """The same, once it is quiet: a line comes a little after the reply."""
        return wait_for_quiet(self.log_now, seconds=1.0)

    def closing_lines(self, kind):
        """The values of all closing lines of a kind, in their order, once the log is quiet."""
        return closing_lines(wait_for_quiet(self.log_now), kind)

    def wait_for_closing_lines(self, kind, count, seconds=10.0):
        """Waits for that many of them and returns all, those that come right behind too."""
        wait_until(lambda: len(closing_lines(self.log_now(), kind)) >= count, seconds,
                   f"{count} closing lines of kind {kind}")
        return self.closing_lines(kind)


def run_program(name, *arguments, stdin=b"", seconds=60.0, environment=None, user=None):
    """Runs one of the programs to its end; the result has returncode, stdout and stderr as text."""
    result = subprocess.run(
        [program_path(name), *map(str, arguments)], input=stdin, capture_output=True, timeout=seconds,
        check=False,
        env={**os.environ, **(environment or {})}, user=user, extra_groups=[] if user is not None else None)
    result.stdout = result.stdout.decode("utf-8", "replace")
    result.stderr = result.stderr.decode("utf-8", "replace")
    return result


class ProxyTestCase(unittest.TestCase):
    """A folder for each test; back-ends and proxies that end with it, and must not leave processes behind."""

    def setUp(self):
        place = MEMORY if os.access(MEMORY, os.W_OK) else None
        folder = tempfile.TemporaryDirectory(prefix="postern-flow-", dir=place, ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self._numbers = itertools.count(1)

    def subfolder(self, name):
        """A new folder that everybody may read."""
        folder = self.folder / f"{name}-{next(self._numbers)}"
        folder.mkdir(mode=0o755)
        return folder

    def backend(self, **options):
        """A recording back-end that runs until the test is over."""
        backend = RecordingBackend(self.subfolder("messages"), **options).start()
        self.addCleanup(backend.stop)
        return backend

    def proxy(self, backend, ready=True, **groups):
        """A proxy before backend (or a port) that runs until the test is over; all its threads serve."""
        port = backend if isinstance(backend, int) else backend.port
        groups["proxy"] = {"gather_clients": "no", **groups.get("proxy", {})}
        proxy = Proxy(self.subfolder("proxy"), port, **groups)
        self.addCleanup(self._stop_proxy, proxy)
        return proxy.start(ready)

    def _stop_proxy(self, proxy):
        proxy.stop()
        self.assertEqual(proxy.program.orphans, [], "processes that outlived postern-proxy")
        self.assertNotIn("Sanitizer", proxy.log())

    def signatures(self):
        """A folder with the one signature that finds the EICAR test file."""
        folder = self.subfolder("signatures")
        (folder / "test.ndb").write_text(eicar_signature())
        return folder

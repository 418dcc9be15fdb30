"""postern-milter as tests run it, and the files that administrators get."""

import pathlib
import re

from support import ports
from support.demo_messages import DATA, eicar_signature
from support.milter_client import MilterClient
from support.process import Program, build_folder, program_path, source_folder, wait_for_quiet, wait_until
from support.proxy import ProxyTestCase, closing_lines, configuration_text, unprivileged_user

READY_SECONDS = 60
SANITIZER_ENVIRONMENT = {"G_SLICE": "always-malloc"}  # GLib's own allocator hides who owns what
HOSTNAME = "mx.example.org"
READY = " is ready on "


class Milter:
    """
    postern-milter with a configuration of its own in folder; groups, one a keyword, replace or add to the
    usual options. socket: where it listens, as [milter] socket has it; a port of loopback where it is None.
    system_log: a SystemLog that takes what goes to syslog(3).
    """

    def __init__(self, folder, socket=None, answers=None, system_log=None, **groups):
        self.folder = pathlib.Path(folder)
        self.port = ports.free_port()
        self.socket = socket or f"inet:{self.port}@127.0.0.1"
        self.path = self.folder / "postern.conf"
        signatures = self.folder / "signatures"
        signatures.mkdir()
        (signatures / "test.ndb").write_text(eicar_signature())
        (self.folder / "answers").write_text((DATA / "answers").read_text() if answers is None else answers)
        user = unprivileged_user()
        self.groups = {
            "log": {"level": "info"},
            "milter": {"socket": self.socket, "hostname": HOSTNAME, "user": user},
            "proxy": {"hostname": HOSTNAME},
            "dns": {"answers": self.folder / "answers"},
            "inspector": {"user": user, "workers": 1},
            "virus": {"database": signatures},
            "policy": {"spf_fail": "reject", "dkim_fail": "reject"},
        }
        self.configure(**groups)
        self.system_log = system_log
        self.program = None

    def configure(self, **groups):
        """Writes the configuration anew with these options changed."""
        for group, values in groups.items():
            self.groups.setdefault(group, {}).update(values)
        self.path.write_text(configuration_text(self.groups))

    @property
    def address(self):
        """What a MilterClient connects to."""
        kind, _, rest = self.socket.partition(":")
        if kind == "unix":
            return rest
        port, _, host = rest.partition("@")
        return host.strip("[]"), int(port)

    def client(self, **options):
        return MilterClient(self.address, **options)

    def start(self, ready=True):
        command = [program_path("postern-milter"), "--config", self.path]
        if self.system_log is not None:
            command = self.system_log.command(command)
        times = self.log_now().count(READY) if self.program else 0  # it goes on with the same log
        self.program = Program(*command, folder=self.folder,
                               environment=SANITIZER_ENVIRONMENT if is_sanitized() else None)
        if ready:
            self.wait_ready(times + 1)
        return self

    def wait_ready(self, times):
        """Waits until it has become ready that many times, counted over its whole log."""
        def look():
            if not self.program.is_running():
                raise RuntimeError(f"postern-milter ended with {self.program.status}:\n{self.log()}")
            return self.log().count(READY) >= times
        return wait_until(look, READY_SECONDS, "postern-milter being ready")

    def stop(self):
        if self.program is not None:
            return self.program.stop()
        return None

    def serving_pid(self):
        """The pid of the serving process."""
        for child in _children(self.program.pid):
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "milter-serving":
                return child
        raise ProcessLookupError("no serving process")

    def memory_octets(self):
        """What the serving process has in memory of its own (RssAnon)."""
        return int(self._status("RssAnon")) * 1024

    def threads(self):
        return int(self._status("Threads"))

    def _status(self, name):
        text = pathlib.Path(f"/proc/{self.serving_pid()}/status").read_text()
        return re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1]

    def log_now(self):
        """All that it has logged."""
        return self.program.log()

    def log(self):
        """The same, once it is quiet: a line comes a little after the reply."""
        return wait_for_quiet(self.log_now, seconds=1.0)

    def closing_lines(self, kind):
        """The values of all closing lines of a kind, in their order, once the log is quiet."""
        return closing_lines(wait_for_quiet(self.log_now), kind)

    def wait_for_closing_lines(self, kind, count, seconds=10):
        """Waits until there are count of that kind, and returns all, those that come right behind too."""
        wait_until(lambda: len(closing_lines(self.log_now(), kind)) >= count, seconds,
                   f"{count} closing lines of kind {kind}")
        return self.closing_lines(kind)


def _children(pid):
    try:
        return list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


class MilterTestCase(ProxyTestCase):
    """Milters that end with their test, and must not leave processes behind."""

    def milter(self, ready=True, **options):
        milter = Milter(self.subfolder("milter"), **options)
        self.addCleanup(self._stop_milter, milter)
        return milter.start(ready)

    def _stop_milter(self, milter):
        milter.stop()
        self.assertEqual(milter.program.orphans, [], "processes that outlived postern-milter")
        self.assertNotIn("Sanitizer", milter.log())


def is_sanitized():
    """Whether the programs are built with a sanitizer: it keeps what was freed, and needs more of all."""
    cache = (build_folder() / "CMakeCache.txt").read_text()
    return bool(re.search(r"^POSTERN_SANITIZE:\w+=.", cache, re.MULTILINE))


def administrator_lines(*path):
    """A file under contrib, as an administrator copies it."""
    return (source_folder() / "contrib").joinpath(*path).read_text()

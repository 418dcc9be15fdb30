"""
A real OpenSMTPD, unpacked into the build folder,
with a queue of its own. Nothing of it is installed: its users
and folders exist only inside its private mount namespace, its processes live in a process namespace of their
own. It takes mail for its domains into one maildir and relays none. Needs root.
"""

import os
import pathlib
import shutil
import signal
import tempfile

from support import packages, ports
from support.process import Program, wait_until
from support.smtp import Client

USER_ID, QUEUE_ID = 64104, 64105
CONFIGURATION = """\
table users {{ "@" = "nobody" }}
table domains {{ {domains} }}
{before}
listen on 127.0.0.1 port {port} hostname opensmtpd.example {options}
action "deliver" maildir "{folder}/mail" user nobody virtual <users>
match from any for domain <domains> action "deliver"
"""
# As PID 1 of its namespaces. The paths are compiled in.
START = """
mount --make-rprivate / && mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/hosts" /etc/hosts &&
mount --bind "$1/spool" /var/spool && mount --bind "$1/lib" /var/lib && mount --bind "$1/run" /run &&
mount --bind "$2/usr/libexec" /usr/libexec && exec "$2/usr/sbin/smtpd" -d -f "$1/smtpd.conf"
"""


class Unavailable(RuntimeError):
    """No OpenSMTPD can run here; the text says why."""


class OpenSMTPD:
    """
    before are lines of its configuration, options are words for its listener on port of 127.0.0.1. start()
    returns when it answers; close() leaves no process.
    """

    def __init__(self, domains=("example.org",), before="", options=""):
        if os.geteuid() != 0:
            raise Unavailable("OpenSMTPD needs root: it changes users")
        try:
            self.programs = packages.unpack("opensmtpd")
        except packages.Unavailable as error:
            raise Unavailable(str(error)) from None
        self.options = options
        self.port = ports.free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-opensmtpd-"))
        self._make_folders()
        (self.folder / "smtpd.conf").write_text(CONFIGURATION.format(
            domains=", ".join(f'"{domain}"' for domain in domains), before=before, port=self.port,
            options=options, folder=self.folder))
        self.program = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def _make_folders(self):
        for name, mode, owner, group in (
                ("", 0o755, 0, 0), ("mail", 0o700, 65534, 65534), ("run", 0o755, 0, 0), ("lib", 0o755, 0, 0),
                ("lib/opensmtpd", 0o755, 0, 0), ("lib/opensmtpd/empty", 0o755, 0, 0), ("spool", 0o755, 0, 0),
                ("spool/smtpd", 0o711, 0, 0), ("spool/smtpd/offline", 0o770, 0, QUEUE_ID),
                *((f"spool/smtpd/{folder}", 0o700, QUEUE_ID, 0)
                  for folder in ("corrupt", "incoming", "purge", "queue", "temporary"))):
            path = self.folder / name
            path.mkdir(exist_ok=True)
            os.chown(path, owner, group)
            path.chmod(mode)
        for name, own in (
                ("passwd", "".join(f"{user}:x:{number}:{number}::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n"
                                   for user, number in (("opensmtpd", USER_ID), ("opensmtpq", QUEUE_ID)))),
                ("group", f"opensmtpd:x:{USER_ID}:\nopensmtpq:x:{QUEUE_ID}:\n")):
            (self.folder / name).write_text(own + pathlib.Path("/etc", name).read_text())
        (self.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n")

    def start(self, seconds=30.0):
        self.program = Program(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", START,
            "sh", self.folder, self.programs, folder=self.folder,
            environment=packages.environment(self.programs), directory="/")
        try:
            self.program.wait_for_port(self.port, seconds=seconds)
            if "proxy-v2" not in self.options:
                Client(self.port, timeout=seconds).quit()
        except (RuntimeError, OSError) as error:
            self.program.stop(signal.SIGKILL)
            raise Unavailable(f"{error}\n{self.program.log()}") from None
        return self

    def close(self):
        """Ends it; all its folders go."""
        if self.program is not None:
            self.program.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def messages(self):
        """What is delivered, the oldest first, with LF for a newline."""
        paths = sorted((self.folder / "mail" / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in paths]

    def wait_for_messages(self, count, seconds=20.0):
        return wait_until(lambda: len(self.messages()) >= count and self.messages(), seconds,
                          f"a delivery of {count} messages")

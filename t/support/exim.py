"""
A real Exim, unpacked into the build folder, with a spool of its own. Nothing of it is installed. It takes
mail for everybody into its spool and delivers none. Needs root.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from support import packages, ports
from support.process import Program, wait_until
from support.smtp import Client

USER_ID = 64103
CONFIGURATION = """\
primary_hostname = exim.example
exim_path = {programs}/usr/sbin/exim4
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
{listener}
queue_only = {queue}
acl_smtp_rcpt = {recipients}
acl_smtp_data = {content}
keep_environment =
{lines}
"""
# Lines for a listener, which the lines of a test may have in place of these.
LISTENER = """\
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
host_lookup =
rfc1413_hosts =
smtp_accept_max = 400"""
# It starts itself again with its set-user-id bit, and then finds libraries through the cache alone.
START = """
mount --make-rprivate / && /sbin/ldconfig -X -f "$1/ld.so.conf" -C "$1/ld.so.cache" &&
mount --bind "$1/ld.so.cache" /etc/ld.so.cache &&
mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
exec "$2/usr/sbin/exim4" -C "$1/exim.conf" -bdf
"""
FIELD = re.compile(rb"(\d{3,})(.) ")
TRACE = re.compile(rb"\AReceived: [^\n]*\n(?:[ \t][^\n]*\n)*")


class Unavailable(RuntimeError):
    """No Exim can run here; the text says why."""


class Spooled:
    """A message in the spool: its envelope sender, and its octets with LF, without the trace of Exim."""

    def __init__(self, path):
        text = path.read_bytes()
        self.sender = text.split(b"\n", 3)[2].strip(b"<>").decode()
        left, fields = text.split(b"\n\n", 1)[1], []
        while match := FIELD.match(left):
            end = match.end() + int(match[1])
            if match[2] != b"*":  # that is one which Exim has replaced
                fields.append(left[match.end():end])
            left = left[end:]
        body = path.with_name(f"{path.name[:-2]}-D").read_bytes().partition(b"\n")[2]
        self.octets = TRACE.sub(b"", b"".join(fields)) + b"\n" + body


class Exim:
    """
    lines follow the main part of its configuration, recipients and content are its ACLs for RCPT and DATA.
    Its daemon is on port of 127.0.0.1; without listener lines say so, with port 10025 for it. Without queue
    it delivers, as lines say.
    """

    def __init__(self, lines="tls_advertise_hosts =\n", recipients="accept", content="accept", queue=True,
                 listener=True):
        if os.geteuid() != 0:
            raise Unavailable("Exim needs root: it changes users")
        try:
            self.programs = packages.unpack("exim4-daemon-light")
        except packages.Unavailable as error:
            raise Unavailable(str(error)) from None
        self.port = ports.free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-exim-"))
        self.folder.chmod(0o755)
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, USER_ID, USER_ID)
        user = f"Debian-exim:x:{USER_ID}:{USER_ID}::/nonexistent:/usr/sbin/nologin\n"
        for name, entry in (("passwd", user), ("group", f"Debian-exim:x:{USER_ID}:\n")):
            (self.folder / name).write_text(entry + pathlib.Path("/etc", name).read_text())
        libraries = packages.environment(self.programs).get("LD_LIBRARY_PATH", "").replace(":", "\n")
        (self.folder / "ld.so.conf").write_text(f"include /etc/ld.so.conf\n{libraries}\n")
        (self.folder / "exim.conf").write_text(
            CONFIGURATION.format(folder=self.folder, programs=self.programs, recipients=recipients,
                                 listener=LISTENER.format(port=self.port) if listener else "",
                                 lines=lines if listener else lines.replace("10025", str(self.port)),
                                 content=content, queue="true" if queue else "false"))
        self.program = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def start(self, seconds=30.0):
        self.program = Program("unshare", "--mount", "/bin/sh", "-c", START, "sh", self.folder, self.programs,
                               folder=self.folder, environment=packages.environment(self.programs),
                               directory="/")
        try:
            self.program.wait_for_port(self.port, seconds=seconds)
            Client(self.port, timeout=seconds).quit()
        except (RuntimeError, OSError) as error:
            self.program.stop(signal.SIGKILL)
            raise Unavailable(f"{error}\n{self.program.log()}") from None
        return self

    def close(self):
        """Ends it; all its folders go."""
        if self.program is not None:
            self.program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *arguments, stdin=b"", seconds=60.0, configuration=None):
        """
        Runs exim(8) as a user of the machine does, where its own user is known; the output. configuration
        takes the place of its own.
        """
        result = subprocess.run(
            ["nsenter", "--target", str(self.program.pid), "--mount",
             self.programs / "usr" / "sbin" / "exim4", "-C", configuration or self.folder / "exim.conf",
             *map(str, arguments)],
            input=stdin, capture_output=True, env={**os.environ, **packages.environment(self.programs)},
            timeout=seconds, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"exim: {result.returncode}: {result.stdout + result.stderr}")
        return result.stdout.decode(errors="replace")

    def envelope(self, identifier):
        """The sender and the recipients of a message in the spool, by the id that its 250 tells."""
        text = (self.folder / "spool" / "input" / f"{identifier}-H").read_text("utf-8", "surrogateescape")
        sender = re.search(r"^<(.*)>$", text, re.MULTILINE)[1]
        match = re.search(r"^(\d+)\n((?:.*\n)*?)\n", text, re.MULTILINE)
        return sender, match[2].splitlines()[:int(match[1])]

    def take(self, count, seconds=20.0):
        """Waits for count messages in the spool, returns them and empties it."""
        folder = self.folder / "spool" / "input"
        wait_until(lambda: len(list(folder.glob("**/*-H"))) >= count, seconds,
                   f"{count} messages in the spool")
        paths = list(folder.glob("**/*-H"))
        messages = [Spooled(path) for path in paths]
        for path in paths:
            path.with_name(f"{path.name[:-2]}-D").unlink()
            path.unlink()
        return messages

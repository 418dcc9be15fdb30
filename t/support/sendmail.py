"""
A real Sendmail, unpacked into the build folder, with a queue of its own. Nothing of it is installed. It takes
mail for everybody into its queue and delivers none. Needs root.
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
from support.smtp import Client, Pipe

# Own lines of sendmail.mc before and behind those of a test. All is queued: delivery is not what is tested.
BEFORE = """\
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `sendmail.example')dnl
define(`confCF_VERSION', `test')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`STATUS_FILE', `')dnl
define(`ALIAS_FILE', `')dnl
define(`HELP_FILE', `')dnl
define(`confPID_FILE', `{folder}/sendmail.pid')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/service.switch')dnl
define(`confHOSTS_FILE', `/etc/hosts')dnl
define(`confDELIVERY_MODE', `queueonly')dnl
define(`confPRIVACY_FLAGS', `noetrn')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')dnl
define(`confMAX_DAEMON_CHILDREN', `40')dnl
define(`confREFUSE_LA', `0')dnl
define(`confQUEUE_LA', `0')dnl
define(`confDELAY_LA', `0')dnl
define(`confTO_IDENT', `0')dnl
define(`confTO_ICONNECT', `15s')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`no_default_msa')dnl
{listeners}
"""
BEHIND = "MAILER(`smtp')dnl\n"
# submit.mc: what sendmail(1) hands over to the daemon; its own queue is for a daemon that is away.
SUBMISSION = """\
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `sendmail.example')dnl
define(`confCF_VERSION', `test')dnl
define(`MSP_QUEUE_DIR', `{folder}/client-queue')dnl
define(`MSP_STATUS_FILE', `')dnl
define(`confPID_FILE', `{folder}/client.pid')dnl
define(`confRUN_AS_USER', `nobody:nogroup')dnl
define(`confTRUSTED_USER', `nobody')dnl
define(`confTO_IDENT', `0')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {port}')dnl
FEATURE(`msp', `[127.0.0.1]')dnl
"""
# It sleeps for a minute where its machine's name has no dot: it gets one of its own.
START = """
mount --make-rprivate / && mount --bind "$1/hosts" /etc/hosts &&
echo sendmail.example >/proc/sys/kernel/hostname &&
exec "$1/sendmail" -C "$1/sendmail.cf" -bD
"""
QUOTED = re.compile(rb"\xff([\x80-\x9f\xff])")
HEADER_LINE = re.compile(r"^H\?[^?]*\?", re.MULTILINE)


class Unavailable(RuntimeError):
    """No Sendmail can run here; the text says why."""


class Queued:
    """A message in the queue: what Sendmail has added on top comes off with without()."""

    def __init__(self, control):
        self.identifier = control.name[2:]
        # In the file some octets over 127 have a mark of Sendmail's own before them.
        octets = QUOTED.sub(rb"\1", control.read_bytes())
        self.text = octets.decode("utf-8", "surrogateescape")
        self.body = control.with_name(f"df{self.identifier}").read_bytes()
        header = self.text.partition("\nH?")[2]
        lines = HEADER_LINE.split(f"\nH?{header}".split("\n.\n")[0] + "\n")
        self.fields = [line.rstrip("\n") for line in lines if line.strip()]
        match = re.search(r"^q(.*)$", self.text, re.MULTILINE)
        self.quarantine = match[1] if match else None

    def without(self, *names):
        """The fields but the first of each of these names."""
        fields, left = [], list(names)
        for field in self.fields:
            name = field.partition(":")[0]
            if name in left:
                left.remove(name)
            else:
                fields.append(field)
        return fields


class Sendmail:
    """
    lines are for sendmail.mc; it relays for everybody, or takes mail for domains alone. Its daemon is on port
    of each of hosts; without hosts lines say so, with port 10025 for it.
    start() returns when it answers; close() leaves no process.
    """

    def __init__(self, lines="", hosts=("127.0.0.1",), port=None, domains=None):
        if os.geteuid() != 0:
            raise Unavailable("Sendmail needs root: it changes users")
        try:
            self.programs = packages.unpack("sendmail-bin")
            self.cf = packages.unpack("sendmail-cf") / "usr" / "share" / "sendmail" / "cf"
            self.m4 = packages.unpack("m4")
        except packages.Unavailable as error:
            raise Unavailable(str(error)) from None
        self.hosts = hosts
        self.port = port or ports.free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-sendmail-"))
        self.folder.chmod(0o755)
        self.queue_folder = self.folder / "queue"
        self.queue_folder.mkdir(mode=0o700)
        (self.folder / "service.switch").write_text("hosts files\naliases files\npasswd files\n")
        (self.folder / "hosts").write_text("127.0.0.1 sendmail.example localhost\n"
                                           "::1 sendmail.example localhost\n")
        self.program_path = self.folder / "sendmail"
        # The package's own has a set-group-id bit, with which it would not look for its libraries here.
        shutil.copyfile(self.programs / "usr" / "libexec" / "sendmail" / "sendmail", self.program_path)
        self.program_path.chmod(0o755)
        self.program = None
        relaying = "".join(f"RELAY_DOMAIN(`{domain}')dnl\n" for domain in domains or ())
        relaying += "FEATURE(`relay_hosts_only')dnl\n" if domains else ""
        if not hosts:
            lines = lines.replace("Port=10025", f"Port={self.port}")
            lines = lines.replace("FEATURE(`no_default_msa')dnl\n", "")
        self._configure((relaying or "FEATURE(`promiscuous_relay')dnl\n") + lines)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def _configure(self, lines):
        listeners = "\n".join(
            f"DAEMON_OPTIONS(`{'Family=inet6, ' if ':' in host else ''}Port={self.port}, Addr={host},"
            f" Name=MTA{number}')dnl" for number, host in enumerate(self.hosts))
        self._make_cf("sendmail", BEFORE.format(folder=self.folder, listeners=listeners) + lines + BEHIND)
        (self.folder / "client-queue").mkdir(mode=0o700)
        shutil.chown(self.folder / "client-queue", "nobody", "nogroup")
        self._make_cf("submit", SUBMISSION.format(folder=self.folder, port=self.port))

    def _make_cf(self, name, text):
        source = self.folder / f"{name}.mc"
        source.write_text(text)
        result = subprocess.run(
            [self.m4 / "usr" / "bin" / "m4", f"-D_CF_DIR_={self.cf}/", self.cf / "m4" / "cf.m4", source],
            env={**os.environ, **packages.environment(self.m4)}, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Unavailable(f"m4 fails: {result.stderr}")
        (self.folder / f"{name}.cf").write_text(result.stdout)

    def start(self, seconds=30.0):
        self.program = Program("unshare", "--mount", "--uts", "/bin/sh", "-c", START, "sh", self.folder,
                               folder=self.folder, environment=packages.environment(self.programs),
                               directory="/")
        try:
            hosts = self.hosts or ("127.0.0.1",)
            for host in hosts:
                self.program.wait_for_port(self.port, host, seconds)
            Client(self.port, hosts[0], timeout=seconds).quit()
        except (RuntimeError, OSError) as error:
            self.program.stop(signal.SIGKILL)
            raise Unavailable(f"{error}\n{self.program.log()}") from None
        return self

    def close(self):
        """Ends it; all its folders go."""
        if self.program is not None:
            self.program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *arguments, stdin=b"", seconds=20.0, cf="sendmail.cf"):
        """Runs sendmail(8) as a user of the machine does, where its name is known; the output."""
        result = subprocess.run(self._command(cf, *arguments), env=self._environment, input=stdin,
                                capture_output=True, timeout=seconds, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"sendmail: {result.returncode}: {result.stdout + result.stderr}")
        return result.stdout.decode(errors="replace")

    def pipe(self):
        """A Client of a sendmail(8) of its own on a pipe, with the configuration of the daemon."""
        return Client(None, pipe=Pipe(self._command("sendmail.cf", "-bs"), self._environment))

    def _command(self, cf, *arguments):
        return ["nsenter", "--target", str(self.program.pid), "--mount", "--uts", self.program_path, "-C",
                self.folder / cf, *map(str, arguments)]

    @property
    def _environment(self):
        return {**os.environ, **packages.environment(self.programs)}

    def submit(self, sender, recipient, octets):
        """sendmail(1), which hands the message over to the daemon before it ends."""
        self.run("-Am", "-i", "-odi", "-f", sender, recipient, stdin=octets.replace(b"\r\n", b"\n"),
                 cf="submit.cf")

    def queued(self):
        """All that is in the queue, the oldest first."""
        controls = sorted([*self.queue_folder.glob("qf*"), *self.queue_folder.glob("hf*")],
                          key=lambda path: path.stat().st_mtime_ns)
        return [Queued(control) for control in controls]

    def take(self, count=1, seconds=20.0):
        """Waits for count messages in the queue, returns them and empties it."""
        wait_until(lambda: len(self.queued()) >= count, seconds, f"{count} messages in the queue")
        messages = self.queued()
        for path in self.queue_folder.iterdir():
            path.unlink()
        return messages

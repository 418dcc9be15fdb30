"""
A real Postfix, unpacked into the build folder, on loopback with a queue of its own. Nothing of it is
installed: the users it needs exist only inside its private mount namespace, its processes live in a process
namespace of their own and end with it. It delivers into one maildir and sends nothing elsewhere. Needs root.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from support import packages, ports
from support.process import Program, wait_until
from support.smtp import Client

MAIL_OWNER, SETGID_GROUP = "postfix", "postdrop"
OWNER_ID, SETGID_ID = 64101, 64102
QUEUES = ("incoming", "active", "deferred", "hold", "corrupt", "maildrop")
OWNED_FOLDERS = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                 "saved", "trace")

# As PID 1 of its namespaces: the users appear, then master takes this process over.
START = """
mount --make-rprivate / && mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
exec "$2/usr/lib/postfix/sbin/master" -i -c "$1/etc"
"""

SERVICES = """
{host}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
pickup unix n - n 60 1 pickup
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Unavailable(RuntimeError):
    """No Postfix can run here; the text says why."""


class Postfix:
    """
    parameters are of main.cf, beside or in place of our own; services are lines for master.cf. Its smtpd is
    on port; XCLIENT is open to 127.0.0.1. Recipients in domains are delivered, others refused to clients
    that are not on loopback. environment is for its services. start() returns when it answers; stop() and
    kill() leave no process.
    """

    def __init__(self, domains=("example.org",), parameters=None, services="", port=None, host="127.0.0.1",
                 environment=None):
        if os.geteuid() != 0:
            raise Unavailable("Postfix needs root: its master starts processes of two other users")
        if not shutil.which("unshare"):
            raise Unavailable("no unshare (util-linux)")
        try:
            self.program_folder = packages.unpack("postfix")
        except packages.Unavailable as error:
            raise Unavailable(str(error)) from None
        self.host = host
        self.port = port or ports.free_port(host)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-postfix-"))
        self.queue_folder = self.folder / "queue"
        self.maildir = self.folder / "mail" / "inbox"
        self.log_path = self.folder / "log" / "mail.log"
        self.own_environment = environment or {}
        self.program = None
        self._make_folders()
        self._make_users()
        self._configure(list(domains), parameters or {}, services)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def _make_folders(self):
        self.folder.chmod(0o755)
        for name, mode, owner, group in (
                ("etc", 0o755, 0, 0), ("log", 0o755, 0, 0),
                ("queue", 0o755, 0, 0), ("queue/pid", 0o755, 0, 0),
                ("data", 0o700, OWNER_ID, 0), ("mail", 0o700, OWNER_ID, OWNER_ID),
                ("queue/public", 0o710, OWNER_ID, SETGID_ID), ("queue/maildrop", 0o730, OWNER_ID, SETGID_ID),
                *((f"queue/{name}", 0o700, OWNER_ID, 0) for name in OWNED_FOLDERS)):
            path = self.folder / name
            path.mkdir()
            os.chown(path, owner, group)
            path.chmod(mode)

    def _make_users(self):
        passwd = pathlib.Path("/etc/passwd").read_text()
        group = pathlib.Path("/etc/group").read_text()
        (self.folder / "passwd").write_text(
            f"{MAIL_OWNER}:x:{OWNER_ID}:{OWNER_ID}::/nonexistent:/usr/sbin/nologin\n{passwd}")
        (self.folder / "group").write_text(
            f"{MAIL_OWNER}:x:{OWNER_ID}:\n{SETGID_GROUP}:x:{SETGID_ID}:\n{group}")

    def _configure(self, domains, parameters, services):
        libraries = self.program_folder / "usr" / "lib" / "postfix"
        own = {
            "compatibility_level": "3.6", "queue_directory": self.queue_folder,
            "data_directory": self.folder / "data", "daemon_directory": libraries / "sbin",
            "command_directory": self.program_folder / "usr" / "sbin", "shlib_directory": libraries,
            "meta_directory": self.folder / "etc", "mail_owner": MAIL_OWNER, "setgid_group": SETGID_GROUP,
            "default_privs": "nobody",
            "import_environment": "MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH SASL_PATH",
            "export_environment": "MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH",
            "maillog_file": self.log_path, "maillog_file_prefixes": self.folder,
            "inet_interfaces": self.host, "inet_protocols": "all", "mynetworks": "127.0.0.0/8 [::1]/128",
            "myhostname": "postfix.example", "mydestination": "", "alias_maps": "", "alias_database": "",
            "local_recipient_maps": "", "virtual_mailbox_domains": ", ".join(domains),
            "virtual_mailbox_base": self.folder / "mail", "virtual_mailbox_maps": "static:inbox/",
            "virtual_uid_maps": f"static:{OWNER_ID}", "virtual_gid_maps": f"static:{OWNER_ID}",
            "default_transport": "error:5.7.1 nothing is sent from here", "notify_classes": "",
            "relay_transport": "error:5.7.1 nothing is sent from here", "disable_dns_lookups": "yes",
            "smtpd_peername_lookup": "no", "local_header_rewrite_clients": "", "hash_queue_names": "defer",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "smtpd_authorized_xclient_hosts": "127.0.0.1", "smtpd_client_connection_count_limit": "0",
            "message_size_limit": "104857600", "virtual_mailbox_limit": "0", "mailbox_size_limit": "0",
            "smtpd_tls_security_level": "none"}
        main = "".join(f"{name} = {value}\n" for name, value in {**own, **parameters}.items())
        (self.folder / "etc" / "main.cf").write_text(main)
        master = SERVICES.format(host=self.host, port=self.port)
        (self.folder / "etc" / "master.cf").write_text(f"{master}{services}\n")
        os.utime(self.folder / "etc" / "main.cf", (0, 0))  # Postfix waits where it has just been written

    @property
    def environment(self):
        libraries = packages.environment(self.program_folder).get("LD_LIBRARY_PATH", "")
        own = self.program_folder / "usr" / "lib" / "postfix"
        return {"LD_LIBRARY_PATH": f"{own}:{libraries}".rstrip(":"), **self.own_environment}

    def start(self, seconds=30.0):
        """
        Starts master and waits for the greeting of smtpd; also after stop() and kill(). Master listens before
        it handles signals, and as PID 1 it would lose a SIGTERM until then.
        """
        self.program = Program(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", START,
            "sh", self.folder, self.program_folder, folder=self.folder, environment=self.environment,
            directory="/")
        try:
            self.program.wait_for_port(self.port, self.host, seconds)
            Client(self.port, self.host, timeout=seconds).quit()
        except (RuntimeError, OSError) as error:
            self.kill()
            raise Unavailable(f"{error}\n{self.log()}") from None
        return self

    @property
    def master_pid(self):
        """The pid of master as seen from outside; None when it does not run."""
        pid = self.program.pid
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def stop(self, seconds=20.0):
        """Asks master to end, which ends all others."""
        self._signal(signal.SIGTERM)
        try:
            self.program.wait(seconds)
        finally:
            self.program.stop(signal.SIGKILL)

    def kill(self):
        """SIGKILL to all of it at once, as when the power fails; the queue stays as it is."""
        self._signal(signal.SIGKILL)
        self.program.stop(signal.SIGKILL)

    def close(self):
        """stop(), and all its folders go."""
        try:
            if self.program is not None and self.program.is_running():
                self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number):
        pid = self.master_pid
        if pid is not None:
            os.kill(pid, number)

    def run(self, command, *arguments, seconds=20.0, stdin=""):
        """Runs one of its commands (postqueue, sendmail, postsuper …) where its users exist; the output."""
        path = self.program_folder / "usr" / "sbin" / command
        result = subprocess.run(
            ["nsenter", "--target", str(self.master_pid), "--mount", "--pid", path, *map(str, arguments)],
            env={**os.environ, **self.environment, "MAIL_CONFIG": str(self.folder / "etc")}, input=stdin,
            capture_output=True, text=True, timeout=seconds, check=True)
        return result.stdout

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_for_log(self, text, seconds=10.0):
        """Waits until the mail log has text."""
        return wait_until(lambda: text in self.log(), seconds, f"{text!r} in the log of Postfix")

    def queue(self, *names):
        """The queue identifiers in the queues of these names, or in all."""
        folders = [self.queue_folder / name for name in names or QUEUES]
        return [path.name for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]

    def messages(self):
        """What is delivered, the oldest first: the files as Postfix wrote them, with LF for a newline."""
        new = self.maildir / "new"
        paths = sorted(new.iterdir(), key=lambda path: path.stat().st_mtime_ns) if new.exists() else []
        return [path.read_bytes() for path in paths]

    def wait_for_messages(self, count, seconds=20.0):
        """Waits until at least count messages are delivered and returns them."""
        return wait_until(lambda: len(self.messages()) >= count and self.messages(), seconds,
                          f"a delivery of {count} messages")


def without_trace(message):
    """A delivered message as it was sent: without the fields that Postfix put before it, CRLF again."""
    lines = message.split(b"\n")
    index = next(number for number, line in enumerate(lines) if line.startswith(b"Received: ")) + 1
    while lines[index][:1] in (b" ", b"\t"):
        index += 1
    return b"\r\n".join(lines[index:])

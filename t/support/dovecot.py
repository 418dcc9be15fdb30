"""
A real Dovecot, unpacked into the build folder, that takes mail by LMTP on a Unix socket and on a port of the
loopback. Nothing of it is installed. Needs root: its processes run as two users.
"""

import os
import pathlib
import signal
import tempfile

from support import packages, ports
from support.process import Program, wait_until

CONFIGURATION = """\
protocols = lmtp
base_dir = {folder}/run
state_dir = {folder}/state
import_environment = LD_LIBRARY_PATH
log_path = {folder}/log
ssl = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = daemon
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/mail
login_trusted_networks = 127.0.0.0/8
recipient_delimiter = +
postmaster_address = postmaster@{domain}
hostname = dovecot.example
submission_host = 127.0.0.1:9
userdb {{
    driver = passwd-file
    args = username_format=%Lu {folder}/users
}}
passdb {{
    driver = passwd-file
    args = username_format=%Lu {folder}/users
}}
service lmtp {{
    unix_listener {folder}/lmtp {{
        mode = 0666
    }}
    inet_listener lmtp {{
        address = 127.0.0.1
        port = {port}
    }}
}}
service anvil {{
    chroot =
}}
service stats {{
    chroot =
}}
"""


# In namespaces of its own its packages stand where they would be installed.
START = """
mount --make-rprivate / && mount -t overlay overlay -o "lowerdir=$1:/usr" /usr && exec dovecot -F -c "$2"
"""


class Unavailable(RuntimeError):
    """No Dovecot can run here; the text says why."""


class Dovecot:
    """
    users have mailboxes in domain; those of broken are known, but their mailboxes cannot be written to: what
    comes for them is refused with 451, after the dot.
    """

    def __init__(self, users, broken=(), domain="example.org"):
        if os.geteuid() != 0:
            raise Unavailable("Dovecot needs root: its processes run as two other users")
        try:
            core = packages.unpack("dovecot-core", "dovecot-lmtpd")
        except packages.Unavailable as error:
            raise Unavailable(str(error)) from None
        temporary = tempfile.TemporaryDirectory(prefix="postern-dovecot-", ignore_cleanup_errors=True)
        self.clean_up = temporary.cleanup
        self.folder = pathlib.Path(temporary.name)
        self.folder.chmod(0o755)
        self.port = ports.free_port()
        self.socket = self.folder / "lmtp"
        self.domain = domain
        for user in users:
            self._home(user).mkdir(parents=True)
            os.chown(self._home(user), 65534, 65534)
        for user in broken:
            self._home(user).write_text("no folder")
        (self.folder / "users").write_text("".join(
            f"{user}@{domain}:{{PLAIN}}x:65534:65534::{self._home(user)}::\n" for user in [*users, *broken]))
        path = self.folder / "dovecot.conf"
        path.write_text(CONFIGURATION.format(folder=self.folder, port=self.port, domain=domain))
        layers = ":".join(str(folder / "usr") for folder in (core, core.parent / "dovecot-lmtpd"))
        self.program = Program("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                               "/bin/sh", "-c", START, "sh", layers, path, folder=self.folder,
                               environment=packages.environment(core), directory="/")
        try:
            self.program.wait_for_port(self.port)
            wait_until(self.socket.exists, 20, "Dovecot's socket")
        except BaseException:
            self.stop()
            raise

    def _home(self, user):
        return self.folder / "homes" / user

    def messages(self, user):
        """The messages that are in the mailbox of user."""
        return [path.read_bytes() for path in sorted((self._home(user) / "mail" / "new").glob("*"))]

    def log(self):
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def stop(self):
        self.program.stop(signal.SIGKILL)
        self.clean_up()

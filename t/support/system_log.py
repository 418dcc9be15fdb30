"""What a program writes by syslog(3), in a /dev of its own: no syslogd is needed nor disturbed."""

import pathlib
import shutil
import socket
import tempfile
import threading

OCTETS_MAX = 65536
# The devices of the machine appear in a folder beside our log, which then stands in the place of /dev.
START = """
mount --make-rprivate / && for name in null zero full random urandom tty; do
    : >"$1/$name" && mount --bind "/dev/$name" "$1/$name" || exit 70
done
ln -s /proc/self/fd "$1/fd" && mkdir "$1/shm" && mount --rbind /dev/shm "$1/shm" &&
mount --rbind "$1" /dev && shift && exec "$@"
"""


class SystemLog:
    """A /dev/log for the commands that it makes; needs root. close() when they have ended."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-dev-"))
        self.folder.chmod(0o755)
        path = self.folder / "log"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        self._lines = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def command(self, command):
        """command as it is run with this log; it keeps its pid."""
        return ["unshare", "--mount", "/bin/sh", "-c", START, "sh", self.folder, *command]

    def lines(self):
        """All that has come so far, without the priority."""
        return [line.partition(">")[2] for line in self._lines]

    def close(self):
        # An empty datagram is the end: a thread that waits in recv() does not notice that its socket closes.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", str(self.folder / "log"))
        self._thread.join()
        self.socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self):
        while octets := self.socket.recv(OCTETS_MAX):
            self._lines.append(octets.decode("utf-8", "replace"))

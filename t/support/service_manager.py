"""A service manager, as systemd is one: told of states (sd_notify), it keeps sockets for the next process."""

import os
import socket
import sys
import threading

from support.process import Program, program_path, wait_until

HAND_OVER = """
import fcntl, os, sys
numbers = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 500) for one in filter(None, sys.argv[1].split(","))]
for place, number in enumerate(numbers):
    os.dup2(number, 3 + place)
os.closerange(3 + len(numbers), 1000)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(numbers)),
                  LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


class ServiceManager:
    """Listens at path; what it is told is in told, in its order, until lines() has taken it."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        os.chmod(path, 0o666)
        self.environment = {"NOTIFY_SOCKET": str(path)}
        self.told, self.kept, self.names, self.beats, self.status = [], [], [], 0, None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while True:
            try:
                octets, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 253)
            except OSError:
                return
            with self._lock:
                self._hear(octets.decode().split("\n"), [socket.socket(fileno=one) for one in descriptors])

    def _hear(self, lines, sockets):
        if lines[0] == "end":
            self.socket.close()
        elif lines[0] == "FDSTOREREMOVE=1":
            self._forget(lines[1].removeprefix("FDNAME="))
        elif lines[0] == "FDSTORE=1":  # the last first, as systemd has them
            self.kept[:0] = sockets
            self.names[:0] = [lines[1].removeprefix("FDNAME=")] * len(sockets)
        elif lines[0] == "WATCHDOG=1":
            self.beats += 1
        elif lines[0].startswith("STATUS="):
            self.status = lines[0].partition("=")[2]
        else:
            self.told.append(lines)

    def _forget(self, name=None):
        for place in reversed(range(len(self.kept))):
            if name in (None, self.names[place]):
                self.kept.pop(place).close()
                self.names.pop(place)

    def lines(self):
        """What it is told next of a new state."""
        wait_until(lambda: self.told, 30, "a new state")
        return self.told.pop(0)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"end", str(self.path))
        self._thread.join()
        self._forget()

    def start(self, name, *arguments, folder, sockets=None, names=None):
        """A program of the service, which is handed sockets, of names (None: those that are kept)."""
        handed = self.kept if sockets is None else sockets
        numbers = [one.fileno() for one in handed]
        called = ":".join(names or self.names if sockets is None else [names] * len(sockets))
        return Program(sys.executable, "-c", HAND_OVER, ",".join(map(str, numbers)), called,
                       program_path(name), *arguments, folder=folder, environment=self.environment,
                       descriptors=numbers)

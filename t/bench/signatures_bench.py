"""
What new signatures cost while they are loaded: how long that takes, the memory before and at its peak (Pss:
shared pages counted once), and how long a client waits that sends a small message each five milliseconds, in
two ways of [virus] reload, and with Debian's clamd in both of its own. A million signatures, the same for all
(POSTERN_BENCH_SIGNATURES). Needs root, to see the memory of others. A figure beyond its bound is marked, and
the run fails.
"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from support import packages, signatures
from support.inspector import CLIENT, READY, Inspector, children, message
from support.process import Program, wait_until

SIGNATURES = int(os.environ.get("POSTERN_BENCH_SIGNATURES", "1000000"))
ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "3"))
PAUSE = 0.005
STALL_MS, TIMES = 50, 1.1
CHANGED = "the files of [virus] database have changed"
CLAMD = """\
Foreground yes
LogFile {folder}/log
LocalSocket {folder}/socket
DatabaseDirectory {database}
ConcurrentDatabaseReload {concurrent}
SelfCheck 0
MaxThreads 2
"""


def family(pid):
    """pid and all below it."""
    return [pid, *(each for child in children(pid) for each in family(child))]


def memory(pid):
    """MiB of pid and all below it, what they share counted once."""
    octets = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{each}/smaps_rollup").read_text()
            octets += int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)[1]) * 1024
    return octets / 2**20


class Peak(threading.Thread):
    """The most memory while it runs."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.most, self.over = pid, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, memory(self.pid))

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def __enter__(self):
        self.start()
        return self


class Waits:
    """How long a client waited, in milliseconds."""

    def __init__(self, milliseconds):
        self.all = sorted(milliseconds)

    def __str__(self):
        cuts = statistics.quantiles(self.all, n=100)
        return f"{len(self.all)} messages, p50 {cuts[49]:.1f} p99 {cuts[98]:.1f} max {self.all[-1]:.1f} ms"


class Postern:
    """The inspector, with its own client."""

    def __init__(self, database, reload):
        self.inspector, self.database = Inspector(workers=2), database
        self.inspector.virus.update(database=database, reload=reload, warn_days=0)
        self.inspector.configure()
        self.mail = self.inspector.save(message(b"Nothing to be found.\r\n" * 50))
        began = time.monotonic()
        self.inspector.start()
        self.loaded = time.monotonic() - began
        self.pid = self.inspector.program.pid

    @contextlib.contextmanager
    def client(self):
        """Yields what, after the end, has the waits."""
        # As many clients have sent them: one that sends so much would have to stand behind others.
        clients = ",".join(f"192.0.2.{number}" for number in range(1, 255))
        command = [CLIENT, "--socket", self.inspector.socket, "--content-only", "--client", clients,
                   "--every", str(int(PAUSE * 1000)), self.mail]
        found = []
        with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as client:
            reader = threading.Thread(target=lambda: found.extend(client.stdout))
            reader.start()
            yield found
            client.stdin.close()
            reader.join()
        results = [line for line in found if "virus=clean" in line]
        assert len(results) == len(found), [line for line in found if line not in results][:3]
        found[:] = [int(re.search(r"microseconds=(\d+)", line)[1]) / 1000 for line in results]

    def reload(self):
        """Loads new signatures, as if freshclam had fetched them; the seconds until they serve."""
        before, noticed = self.inspector.log().count(READY), self.inspector.log().count(CHANGED)
        os.utime(self.database / "daily.ndb")
        wait_until(lambda: self.inspector.log().count(CHANGED) > noticed, 60, "the change")
        began = time.monotonic()
        wait_until(lambda: self.inspector.log().count(READY) > before, 300, "the new signatures")
        return time.monotonic() - began

    def private(self):
        """MiB that each scanning worker has alone."""
        found = []
        for worker in self.inspector.workers():
            text = pathlib.Path(f"/proc/{worker}/smaps_rollup").read_text()
            found.append(sum(int(kilobytes) for kilobytes in re.findall(r"^Private_\w+: +(\d+)", text, re.M)))
        return ", ".join(f"{kilobytes / 1024:.1f}" for kilobytes in found)

    def stop(self):
        self.inspector.__exit__()


class Clamd:
    """Debian's clamd, with a client of its own: a message over its socket, one connection each."""

    def __init__(self, database, concurrent):
        package = packages.unpack("clamav-daemon")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-bench-"))
        configuration = self.folder / "clamd.conf"
        configuration.write_text(CLAMD.format(folder=self.folder, database=database, concurrent=concurrent))
        self.sent = 0
        began = time.monotonic()
        self.program = Program(str(package / "usr" / "sbin" / "clamd"), "--config-file", configuration,
                               folder=self.folder, environment=packages.environment(package))
        wait_until(lambda: self.ask(b"zPING\0") == b"PONG\0", 300, "clamd")
        self.loaded = time.monotonic() - began
        self.pid = self.program.pid

    def ask(self, command, octets=b""):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(300)
            try:
                connection.connect(str(self.folder / "socket"))
            except OSError:
                return b""
            connection.sendall(command + octets)
            return b"".join(iter(lambda: connection.recv(4096), b""))

    @contextlib.contextmanager
    def client(self):
        found, over = [], threading.Event()

        def send():
            while not over.is_set():
                self.sent += 1  # no two are the same, for clamd remembers them
                mail = message(b"Nothing to be found.\r\n" * 50, f"mail {self.sent}")
                data = struct.pack(">I", len(mail)) + mail + struct.pack(">I", 0)
                began = time.monotonic()
                answer = self.ask(b"zINSTREAM\0", data)
                assert answer == b"stream: OK\0", answer
                found.append((time.monotonic() - began) * 1000)
                time.sleep(max(0, began + PAUSE - time.monotonic()))
        thread = threading.Thread(target=send)
        thread.start()
        yield found
        over.set()
        thread.join()

    def reload(self):
        def loads():
            return (self.folder / "log").read_text().count("Database correctly reloaded")
        before, began = loads(), time.monotonic()
        assert self.ask(b"zRELOAD\0") == b"RELOADING\0"
        while loads() == before:  # without concurrent reload, it is the next client who starts it
            self.ask(b"zPING\0")
            time.sleep(0.02)
        return time.monotonic() - began

    def private(self):
        return "none: threads"

    def stop(self):
        self.program.stop()
        shutil.rmtree(self.folder)


class SignaturesBench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-bench-"))
        os.chmod(cls.folder, 0o755)
        signatures.make(cls.folder, SIGNATURES)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def tell(self, text, value, bound=None):
        """Prints a figure; one over its bound fails the run."""
        missed = bound is not None and value > bound
        limit = f" (at most {bound})" if bound is not None else ""
        print(f"    {text}: {value:.2f}{limit}{': MISSED' if missed else ''}", flush=True)
        self.missed |= missed

    def measure(self, server, stall=None, times=None):
        self.missed = False
        self.addCleanup(server.stop)
        name = self.id().rpartition("test_")[2].replace("_", " ")
        print(f"\n{name}: {SIGNATURES} signatures, loaded in {server.loaded:.1f} s", flush=True)
        with server.client() as quiet:
            time.sleep(5)
        print(f"    no reload: {Waits(quiet)}", flush=True)
        steady = memory(server.pid)
        print(f"    memory {steady:.0f} MiB; of it private to each worker: {server.private()}", flush=True)
        stalls = []
        for _ in range(ROUNDS):
            with server.client() as waits:
                time.sleep(0.5)
                seconds = server.reload()
                time.sleep(1)
            stalls.append(max(waits))
            print(f"    reload in {seconds:.1f} s: {Waits(waits)}", flush=True)
        self.tell("longest wait in ms, median of the reloads", statistics.median(stalls), stall)
        with Peak(server.pid) as peak, server.client():
            server.reload()
            time.sleep(1)
        self.tell(f"memory at its peak {peak.most:.0f} MiB, times that before", peak.most / steady, times)
        self.assertFalse(self.missed, "a figure is beyond its bound")

    def test_1_beside(self):
        self.measure(Postern(self.folder, "beside"), stall=STALL_MS)

    def test_2_stop_first(self):
        self.measure(Postern(self.folder, "stop_first"), times=TIMES)

    def test_3_clamd_concurrent(self):
        self.measure(Clamd(self.folder, "yes"))

    def test_4_clamd_stopping(self):
        self.measure(Clamd(self.folder, "no"))


if __name__ == "__main__":
    unittest.main(verbosity=0)

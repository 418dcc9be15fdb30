"""What the benchmarks compare with: a sink for mail, a load, and HAProxy as a relay that knows no SMTP."""

import pathlib
import re
import subprocess

from support import packages, ports
from support.process import Program, build_folder

HAPROXY = """\
global
    nbthread {threads}
    maxconn 9900
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen relay
    bind 127.0.0.1:{port} backlog 4096
    server sink 127.0.0.1:{backend}
"""


def benchmark_program(name):
    """A program of t/bench; contrib/bench builds it."""
    path = build_folder() / "t" / "bench" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built: contrib/bench builds it")
    return str(path)


class Sink:
    """The back-end: takes mail for dest.example and keeps none."""

    def __init__(self):
        self.process = subprocess.Popen([benchmark_program("mail_sink")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.pid = self.process.pid

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


class HAProxy:
    """A relay of octets before a port, from Debian's package."""

    def __init__(self, folder, backend, threads=2):
        package = packages.unpack("haproxy")
        self.port = ports.free_port()
        configuration = pathlib.Path(folder) / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(threads=threads, port=self.port, backend=backend))
        self.program = Program(str(package / "usr" / "sbin" / "haproxy"), "-db", "-f", configuration,
                               folder=folder, environment=packages.environment(package))
        self.program.wait_for_port(self.port)
        self.pid = self.program.pid

    def stop(self):
        self.program.stop()


def load(port, connections, messages, a_connection, octets, *files, client=None, senders=False,
         seconds=120):
    """
    Sends mail, from client if one is given (XCLIENT), and from the senders that files are named by; the
    figures that mail_load prints, as numbers.
    """
    command = [benchmark_program("mail_load"), *([f"--client={client}"] if client else []),
               *(["--senders"] if senders else []), port, connections, messages, a_connection, octets, *files]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds,
                            check=True)
    return {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", result.stdout)}


def cpu_seconds(*pids):
    """The processor time of all threads of these processes, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9

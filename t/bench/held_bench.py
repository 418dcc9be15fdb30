"""
What a client costs that is held: memory of postern-proxy beside nginx's mail proxy and HAProxy (which relays
octets, so that the server behind it holds the client too), after the greeting and after EHLO. USS is the
memory that ends with the process, less what it had without clients; the heap of postern-proxy is counted
too, with each client at an address of its own. A figure beyond its bound is marked and fails the run.
"""

import os
import pathlib
import re
import resource
import socket
import statistics
import struct
import sys
import unittest

from support import crowd, packages, peers, ports
from support import proxy as proxies
from support.process import Program, wait_until

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "3"))
CLIENTS, ADDRESSES = 10000, 64
OCTETS_MAX = 512
KERNEL = ("TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq", "ep_head")
STATES = ("greeting", "EHLO")
NGINX = """\
load_module {modules}/ngx_mail_module.so;
worker_processes 1;
daemon off;
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 19000; }}
mail {{
    server_name nginx.example;
    timeout 3600s; proxy_timeout 3600s; smtp_auth none;
    server {{ listen 127.0.0.1:{port} backlog=4096; protocol smtp; auth_http 127.0.0.1:9/; }}
}}
"""


def uss(*pids):
    """The octets that only these processes have."""
    text = "".join(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return 1024 * sum(map(int, re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", text, re.MULTILINE)))


def kernel_octets():
    """What the kernel has of what a connection needs; None: only root may know."""
    try:
        lines = pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]
    except OSError:
        return None
    return sum(int(line.split()[1]) * int(line.split()[3]) for line in lines if line.split()[0] in KERNEL)


class Nginx:
    def __init__(self, folder):
        package, module = (packages.unpack(name) for name in ("nginx", "libnginx-mod-mail"))
        self.port = ports.free_port()
        path = pathlib.Path(folder) / "nginx.conf"
        path.write_text(NGINX.format(modules=module / "usr" / "lib" / "nginx" / "modules", folder=folder,
                                     port=self.port))
        self.program = Program(str(package / "usr" / "sbin" / "nginx"), "-c", path, "-e",
                               pathlib.Path(folder) / "error.log", folder=folder,
                               environment=packages.environment(package, module))
        self.program.wait_for_port(self.port)
        self.stop = self.program.stop

    def pids(self):
        children = pathlib.Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children").read_text()
        return [self.program.pid, *map(int, children.split())]


class Held:
    """Connections that wait, from so many addresses of the loopback."""

    def __init__(self, port, count, addresses):
        self.sockets = []
        for number in range(count):
            one = socket.socket()
            one.bind((addresses[number % len(addresses)], 0))
            one.settimeout(30)
            one.connect(("127.0.0.1", port))
            self.sockets.append(one)
            if number % 64 == 63:
                self._hear(self.sockets[-64:])
        self._hear(self.sockets[count // 64 * 64:])

    @staticmethod
    def _hear(sockets):
        for one in sockets:
            reply = b""
            while not re.search(rb"^2\d\d .*\r\n\Z", reply, re.MULTILINE):
                octets = one.recv(4096)
                if not octets or reply.startswith((b"4", b"5")):
                    raise ConnectionError(f"turned away: {reply}")
                reply += octets

    def say_hello(self):
        for start in range(0, len(self.sockets), 64):
            part = self.sockets[start:start + 64]
            for number, one in enumerate(part):
                one.sendall(f"EHLO client-{start + number}.sender.example\r\n".encode())
            self._hear(part)

    def close(self):
        for one in self.sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()


def answers(addresses):
    """Each address has a name that has it."""
    names = {address: "host-" + address.replace(".", "-") + ".example" for address in addresses}
    return "".join(f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa PTR {name}\n{name} A {address}\n"
                   for address, name in names.items())


class HeldBench(proxies.ProxyTestCase):
    def setUp(self):
        super().setUp()
        crowd.allow_many_descriptors()
        self.count = min(CLIENTS, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 400) // 2)

    def _postern(self, addresses, environment=None):
        """postern-proxy with one thread, ready."""
        front = proxies.Proxy(self.subfolder("proxy"), self.sink.port, answers(addresses), proxy={
            "client_address": "xforward", "recipient_domains": "dest.example", "threads": 1,
            "max_connections": 20000, "max_connections_per_client": 20000, "client_timeout": "1h"},
            log={"level": "warning"})
        front.program = Program("postern-proxy", "--config", front.path, folder=front.folder,
                                environment=environment)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        return front

    def _measure(self, port, pids, addresses, octets=uss):
        """Octets a client in each state."""
        warm = Held(port, 300, addresses)
        warm.say_hello()
        warm.close()
        before, kernel = self._settle(octets, pids), kernel_octets()
        held = Held(port, self.count, addresses)
        figures = []
        try:
            for state in STATES:
                if state == "EHLO":
                    held.say_hello()
                figures.append((self._settle(octets, pids) - before) / self.count)
            if kernel is not None:
                self.kernel.append((kernel_octets() - kernel) / self.count / 2)
        finally:
            held.close()
        return figures

    @staticmethod
    def _settle(octets, pids):
        """What they have once it stays the same for a moment."""
        seen = []

        def same():
            seen.append(octets(*pids))
            return seen[-3:] == seen[-1:] * 3
        wait_until(same, 30, "memory that stays", pause=0.6)  # parked after a second
        return seen[-1]

    def test_held(self):
        self.sink = peers.Sink()
        self.addCleanup(self.sink.stop)
        self.kernel = []
        few, many = crowd.addresses(ADDRESSES), crowd.addresses(self.count)
        results = {}
        for _ in range(ROUNDS):
            for name in ("postern", "postern, an address each", "nginx", "haproxy"):
                addresses = many if "each" in name else few
                if name == "nginx":
                    peer = Nginx(self.subfolder("nginx"))
                    pids = peer.pids()
                elif name == "haproxy":
                    peer = peers.HAProxy(self.subfolder("haproxy"), self.sink.port, threads=1)
                    pids = [peer.pid]
                else:
                    peer = self._postern(addresses)
                    pids = [peer.program.pid]
                results.setdefault(name, []).append(self._measure(peer.port, pids, addresses))
                peer.stop()
        medians = {name: [statistics.median(column) for column in zip(*rounds)]
                   for name, rounds in results.items()}
        print(f"USS of each of {self.count} clients, octets:      {'  '.join(f'{one:>8}' for one in STATES)}")
        for name, figures in medians.items():
            print(f"    {name:40} {'  '.join(f'{one:8.0f}' for one in figures)}")
        for name in ("nginx", "haproxy"):
            ratios = (ours / theirs for ours, theirs in zip(medians["postern"], medians[name]))
            print(f"    postern to {name:29} {'  '.join(f'{one:8.2f}' for one in ratios)}")
        if self.kernel:
            print(f"    the kernel's, for the socket         {statistics.median(self.kernel):12.0f}")
        self._judge("USS", medians["postern"])

    def test_heap(self):
        self.sink = peers.Sink()
        self.addCleanup(self.sink.stop)
        self.kernel = []
        folder = self.subfolder("count")
        folder.chmod(0o777)
        environment = {"COUNT_ALLOCATIONS": str(folder),
                       "LD_PRELOAD": peers.benchmark_program("libcount_allocations.so")}

        def heap(pid):
            return struct.unpack("=Qq", (folder / str(pid)).read_bytes())[1]

        print(f"heap of each of {self.count} clients, octets:     {'  '.join(f'{one:>8}' for one in STATES)}")
        for name, addresses in (("64 addresses", crowd.addresses(ADDRESSES)),
                                ("an address each", crowd.addresses(self.count))):
            front = self._postern(addresses, environment)
            figures = self._measure(front.port, [front.program.pid], addresses, octets=heap)
            front.stop()
            print(f"    postern, {name:31} {'  '.join(f'{one:8.0f}' for one in figures)}", flush=True)
            if "each" not in name:
                self._judge("heap", figures)

    def _judge(self, what, figures):
        missed = [state for state, figure in zip(STATES, figures) if figure > OCTETS_MAX]
        print(f"    {what} of postern: at most {OCTETS_MAX}{': MISSED' if missed else ''}", flush=True)
        self.assertEqual(missed, [])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

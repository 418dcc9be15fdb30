"""
What TLS costs: full and resumed handshakes a second of postern-proxy beside HAProxy, each with one thread and
the same certificate, and the memory of a client that is held behind TLS, beside HAProxy's and nginx's. The
rate of each round is taken in turn. A figure beyond its bound is marked and fails the run.
"""

import os
import pathlib
import re
import statistics
import subprocess
import sys
import unittest

import held_bench
from support import crowd, packages, peers, ports
from support import proxy as proxies
from support.certificates import Certificate, anybody
from support.process import Program, wait_until

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "5"))
SECONDS, LOADS, CLIENTS = 3, 3, 1000
RATE_MIN, OCTETS_MAX = 0.9, 16 * 1024
KINDS = {"full, TLS 1.3": ["-new"], "full, TLS 1.2": ["-new", "-tls1_2"],
         "resumed, TLS 1.2": ["-reuse", "-tls1_2"]}
HERE = {"networks": "127.0.0.0/8"}
SLOW = {"pause": "nobody", "slow_from": "1", "points": "no_name=0", "trickle": "5s", "reply_time": "20h"}
HAPROXY = """\
global
    nbthread 1
    maxconn 9900
    tune.ssl.default-dh-param 2048
defaults
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend handshakes
    mode http
    bind 127.0.0.1:{handshakes} backlog 4096 ssl crt {pem} ssl-min-ver TLSv1.2
listen held
    mode tcp
    bind 127.0.0.1:{held} backlog 4096 ssl crt {pem} ssl-min-ver TLSv1.2
    server sink 127.0.0.1:{sink}
"""
NGINX = """\
    server {{ listen 127.0.0.1:{port} ssl backlog=4096; protocol smtp; auth_http 127.0.0.1:9/;
              ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_protocols TLSv1.2 TLSv1.3; }}
}}
"""


class Peer:
    """A program with a port for handshakes, and one for clients that are held."""

    def __init__(self, program, handshakes, held, pids=None):
        self.program, self.handshakes, self.held = program, handshakes, held
        self.pids = pids or (lambda: [program.pid])


class TlsBench(proxies.ProxyTestCase):
    def setUp(self):
        super().setUp()
        crowd.allow_many_descriptors()
        self.folder.chmod(0o755)
        self.certificate = Certificate(self.folder, "mx.example.org")
        self.sink = peers.Sink()
        self.addCleanup(self.sink.stop)

    def _postern(self, **groups):
        port = ports.free_port()
        front = proxies.Proxy(self.subfolder("proxy"), self.sink.port, proxy={
            "client_address": "xforward", "recipient_domains": "dest.example", "threads": 1,
            "max_connections": 20000, "max_connections_per_client": 20000, "client_timeout": "1h",
            "tls_listen": f"127.0.0.1:{port}"}, log={"level": "warning"},
            tls={"certificates": self.certificate.both}, **groups)
        front.program = Program("postern-proxy", "--config", front.path, folder=front.folder)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        return Peer(front.program, port, port)

    def _haproxy(self):
        package, folder = packages.unpack("haproxy"), self.subfolder("haproxy")
        handshakes, held = ports.free_port(), ports.free_port()
        path = folder / "haproxy.cfg"
        path.write_text(HAPROXY.format(handshakes=handshakes, held=held, sink=self.sink.port,
                                       pem=self.certificate.both))
        program = Program(str(package / "usr" / "sbin" / "haproxy"), "-db", "-f", path, folder=folder,
                          environment=packages.environment(package))
        self.addCleanup(program.stop)
        program.wait_for_port(held)
        return Peer(program, handshakes, held)

    def _nginx(self):
        own, held_bench.NGINX = held_bench.NGINX, re.sub(
            r"    server \{\{.*", "", held_bench.NGINX, flags=re.DOTALL) + NGINX.replace(
                "{pem}", str(self.certificate.both))
        try:
            nginx = held_bench.Nginx(self.subfolder("nginx"))
        finally:
            held_bench.NGINX = own
        self.addCleanup(nginx.stop)
        return Peer(nginx.program, None, nginx.port, nginx.pids)

    @staticmethod
    def _rate(peer, arguments):
        """Handshakes a second, and microseconds of processor time that the program takes for each."""
        before = peers.cpu_seconds(*peer.pids())
        loads = [subprocess.Popen(
            ["openssl", "s_time", "-connect", f"127.0.0.1:{peer.handshakes}", "-time", str(SECONDS),
             *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(LOADS)]
        outputs = [load.communicate(timeout=60)[0] for load in loads]
        used = peers.cpu_seconds(*peer.pids()) - before
        count = sum(int(re.search(r"(\d+) connections in \d+ real", output)[1]) for output in outputs)
        return count / SECONDS, used / count * 1e6

    def test_handshakes(self):
        both = {"postern": self._postern(), "haproxy": self._haproxy()}
        for kind, arguments in KINDS.items():
            figures = {name: [] for name in both}
            for _ in range(ROUNDS):
                for name, peer in both.items():
                    figures[name].append(self._rate(peer, arguments))
            medians = {name: [statistics.median(column) for column in zip(*rounds)]
                       for name, rounds in figures.items()}
            ratio = medians["postern"][0] / medians["haproxy"][0]
            cost = medians["haproxy"][1] / medians["postern"][1]
            mark = "" if ratio >= RATE_MIN else "  BEYOND ITS BOUND"
            print(f"{kind}: " + ", ".join(f"{name} {rate:.0f}/s ({cpu:.0f} µs of processor time each)"
                                          for name, (rate, cpu) in medians.items())
                  + f"; rate {ratio:.2f} of HAProxy's, by processor time {cost:.2f}{mark}")
            with self.subTest(kind):
                self.assertFalse(mark)

    def _held(self, peer, slowed=False):
        """Octets a client that has said EHLO behind TLS; slowed: and hears the reply octet by octet."""
        context = anybody()

        def hold(count):
            sockets = held_bench.Held(peer.held, 0, ["127.0.0.1"])
            for _ in range(count):
                one = context.wrap_socket(held_bench.socket.create_connection(("127.0.0.1", peer.held), 30))
                sockets.sockets.append(one)
                sockets._hear([one])
            if slowed:
                for one in sockets.sockets:
                    one.sendall(b"EHLO [192.0.2.250]\r\n")
            else:
                sockets.say_hello()
            return sockets
        warm = hold(100)
        warm.close()
        before = self._settle(peer)
        held = hold(CLIENTS)
        after = self._settle(peer)
        held.close()
        return (after - before) / CLIENTS

    @staticmethod
    def _settle(peer):
        return held_bench.HeldBench._settle(held_bench.uss, peer.pids())

    def test_held(self):
        figures = {}
        for name, start in (("postern", self._postern), ("haproxy", self._haproxy), ("nginx", self._nginx)):
            figures[name] = self._held(start())
        figures["postern, slowed"] = self._held(self._postern(screen=SLOW, **{"class here": HERE}), True)
        print(f"USS of each of {CLIENTS} clients behind TLS, octets: "
              + ", ".join(f"{name} {octets:.0f}" for name, octets in figures.items()))
        self.assertLessEqual(figures["postern"], OCTETS_MAX)
        self.assertLessEqual(figures["postern, slowed"], OCTETS_MAX)


if __name__ == "__main__":
    unittest.main()

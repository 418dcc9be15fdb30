"""
What benchmarks of the screen share: postern-proxy before which everybody may be a suspect, clients that are
held and hear only the beginning of what is said to them, and who else holds clients: postscreen, OpenSMTPD,
and the least that holding costs (t/bench/bare_holder.c). OpenBSD's spamd, which is made for nothing else, is
no package of Debian's (its spamd is SpamAssassin's). A figure beyond its bound is marked, and fails the run.
"""

import os
import pathlib
import re
import resource
import socket
import subprocess
import time

from support import crowd, opensmtpd, packages, peers, postfix, ports
from support import proxy as proxies
from support.process import Program, wait_until

CLIENTS = int(os.environ.get("POSTERN_BENCH_CLIENTS", "19000"))
SECONDS = float(os.environ.get("POSTERN_BENCH_SECONDS", "20"))
TRICKLE_SECONDS = 5
HERE = {"networks": "127.0.0.0/8"}

POSTSCREEN = """
127.0.0.1:{greet} inet n - n - 1 postscreen -o postscreen_greet_wait={wait} \
-o postscreen_greet_action=enforce -o postscreen_cache_map= -o postscreen_greet_banner=wait
127.0.0.1:{deep} inet n - n - 1 postscreen -o postscreen_greet_wait=1s -o postscreen_pipelining_enable=yes \
-o postscreen_pipelining_action=enforce -o postscreen_non_smtp_command_enable=yes \
-o postscreen_bare_newline_enable=yes -o postscreen_command_time_limit=3600s -o postscreen_cache_map=
smtpd pass - - n - 10 smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""


def answers(addresses):
    """Each address has a name that has it."""
    names = {address: "host-" + address.replace(".", "-") + ".example" for address in addresses}
    return "".join(f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa PTR {name}\n{name} A {address}\n"
                   for address, name in names.items())


def uss(*pids):
    """The octets that only these processes have."""
    text = "".join(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return 1024 * sum(map(int, re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", text, re.MULTILINE)))


def processor_share(*pids, seconds=SECONDS):
    """Of one core, over some seconds."""
    before, began = peers.cpu_seconds(*pids), time.monotonic()
    time.sleep(seconds)
    return (peers.cpu_seconds(*pids) - before) / (time.monotonic() - began)


class Held:
    """
    Connections that wait, from so many addresses of the loopback, once each has heard what ends with end, or
    heard nothing for a while if it is None.
    """

    def __init__(self, port, count, addresses, end=rb"^2\d\d .*\r\n\Z"):
        self.end = re.compile(end, re.MULTILINE) if end else None
        self.sockets = []
        for number in range(count):
            one = socket.socket()
            one.bind((addresses[number % len(addresses)], 0))
            one.settimeout(60)
            one.connect(("127.0.0.1", port))
            self.sockets.append(one)
            if number % 64 == 63:
                self.hear(self.sockets[-64:])
        self.hear(self.sockets[count // 64 * 64:])

    def hear(self, sockets, end=None):
        end = end or self.end
        for one in sockets:
            heard = b""
            while end and not end.search(heard):
                octets = one.recv(4096)
                if not octets or heard.startswith((b"4", b"5")):
                    raise ConnectionError(f"turned away: {heard}")
                heard += octets

    def say(self, text, end=None):
        """All say text, and hear what ends with end, or need not."""
        for start in range(0, len(self.sockets), 64):
            part = self.sockets[start:start + 64]
            for one in part:
                one.sendall(text)
            if end:
                self.hear(part, re.compile(end, re.MULTILINE))
            else:
                time.sleep(0.02)  # all at once would be a session for each

    def close(self):
        for one in self.sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            one.close()


class BareHolder:
    """Accepts all, greets them, and sends each an octet in its turn."""

    def __init__(self, interval=TRICKLE_SECONDS):
        self.port = ports.free_port()
        self.process = subprocess.Popen([peers.benchmark_program("bare_holder"), str(self.port),
                                         str(int(interval * 1000))])
        wait_until(self._is_there, 10, "the bare holder")

    def _is_there(self):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Postscreen:
    """Postfix's, from its package: greet makes its clients wait so long, deep lets them in after a second."""

    def __init__(self, wait="3000s"):
        self.greet, self.deep = ports.free_port(), ports.free_port()
        limits = {"postscreen_pre_queue_limit": 60000, "postscreen_post_queue_limit": 60000,
                  "postscreen_client_connection_count_limit": 60000, "postscreen_dnsbl_sites": "",
                  "postscreen_access_list": "", "postscreen_watchdog_timeout": "3600s"}
        self.postfix = postfix.Postfix(parameters=limits, services=POSTSCREEN.format(
            greet=self.greet, deep=self.deep, wait=wait)).start()

    def pids(self):
        """Those of its postscreens that run: each begins with its first client."""
        master = self.postfix.master_pid
        children = pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return [int(pid) for pid in children
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "postscreen"]

    def stop(self):
        self.postfix.kill()
        self.postfix.close()


class OpenSMTPD:
    """One from its package: all of its processes."""

    def __init__(self):
        self.server = opensmtpd.OpenSMTPD(("dest.example", "example.org")).start()
        self.port = self.server.port
        self.stop = self.server.close

    def pids(self):
        found = [self.server.program.pid]
        for pid in found:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        return [pid for pid in found if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "smtpd"]


class SuspectsCase(proxies.ProxyTestCase):
    def setUp(self):
        super().setUp()
        crowd.allow_many_descriptors()
        self.count = min(CLIENTS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
        self.missed = []

    def postern(self, screen, backend, addresses=(), proxy=None, log="warning", **groups):
        front = proxies.Proxy(self.subfolder("proxy"), backend, answers(addresses), proxy={
            "recipient_domains": "dest.example; example.org",
            "max_connections": 30000, "max_connections_per_client": 30000, "client_timeout": "20h",
            **(proxy or {})},
            log={"level": log}, screen=screen, **{"class here": dict(HERE)}, **groups)
        front.program = Program("postern-proxy", "--config", front.path, folder=front.folder)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        return front

    def judge(self, what, figure, bound):
        print(f"    {what}: {figure:.2f}, at most {bound}{'' if figure <= bound else ': MISSED'}", flush=True)
        if figure > bound:
            self.missed.append(what)

    def peer(self, kind, *arguments):
        """What kind makes, or None if it cannot be had here, which is said."""
        try:
            one = kind(*arguments)
        except (packages.Unavailable, postfix.Unavailable, opensmtpd.Unavailable) as error:
            print(f"  {kind.__name__}: not here: {error}".splitlines()[0], flush=True)
            return None
        self.addCleanup(one.stop)
        return one

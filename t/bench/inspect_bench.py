"""
What inspection costs: processor time beside HAProxy, which relays octets and knows no SMTP, and beside
libclamav alone; system calls and allocations a message by process; how long small messages wait beside large
archives with one scanning worker. A figure beyond its bound is marked, and the run fails.
POSTERN_BENCH_ONLY=a part of a test's name runs that one alone.
"""

import collections
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import time
import unittest

from support import packages, peers
from support import proxy as proxies
from support.dkim_signer import Signer
from support.inspector import Inspector, children, message, role_of, with_attachment, zipped
from support.process import build_folder

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "5"))
SMALL, LARGE = 1000, 20
TIMES_HAPROXY, TIMES_LIBCLAMAV = 6.5, 1.2
CALLS_PROXY, CALLS_ALL, MALLOCS_PROXY = 60, 120, 600
P99_MS = 20
CLIENT = "192.0.2.7"  # whom SPF is asked about; the machine's own address is not checked


def tell(text, value, bound):
    """Prints a figure; whether it is within its bound."""
    good = value <= bound
    print(f"    {text}: {value:.2f} (at most {bound}){'' if good else ': MISSED'}", flush=True)
    return good


def role_pids(pid):
    """The pids of postern-proxy's processes by what they do; templates are those that fork workers."""
    found = {"proxy": [pid], "pool": [], "light": [], "scan": [], "templates": []}

    def descend(parent):
        for child in children(parent):
            role = role_of(child)
            found["templates" if role else "pool"].append(child)
            if role in found:
                found[role] += children(child)
            elif not role:
                descend(child)
    descend(pid)
    return found


def cpu_by_role(pid):
    """The processor time of each of those roles; what ended workers had used their template tells."""
    roles = role_pids(pid)
    used = {role: peers.cpu_seconds(*pids) for role, pids in roles.items()}
    for template in roles["templates"]:
        fields = pathlib.Path(f"/proc/{template}/stat").read_text().rpartition(")")[2].split()
        used[role_of(template)] = used.get(role_of(template), 0) + (
            int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return collections.Counter(used)


class InspectBench(proxies.ProxyTestCase):
    def setUp(self):
        super().setUp()
        only = os.environ.get("POSTERN_BENCH_ONLY", "")
        if only not in self.id():
            self.skipTest("not wanted")
        self.signer = Signer("origin.example")
        self.answers = (self.signer.record() + 'origin.example TXT "v=spf1 ip4:192.0.2.0/24 -all"\n'
                        '_dmarc.origin.example TXT "v=DMARC1; p=none"\n')

    def _sink(self):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        return sink

    def _front(self, sink, environment=None, **groups):
        """A proxy that inspects, with the tiny database."""
        virus = {"database": self.signatures(), **groups.pop("virus", {})}
        front = proxies.Proxy(self.subfolder("proxy"), sink.port, self.answers, virus=virus, proxy={
            "inspect": "yes", "client_address": "xforward", "trusted_clients": "127.0.0.1",
            "recipient_domains": "dest.example", "threads": 1,
            "message_size": 64 * 1024 * 1024, "max_connections_per_client": 1000, "backend_connections": 50},
            policy={"spf_fail": "reject"}, log={"level": "warning"}, **groups)
        for name, value in (environment or {}).items():
            os.environ[name] = value
        front.start(ready=False)
        for name in environment or {}:
            del os.environ[name]
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        self._load(front.port, 1, 20, 20, self._small(1), client=CLIENT)
        forged = peers.load(front.port, 1, 1, 1, 0, *self._small(1), client="198.51.100.1")
        self.assertEqual(forged["messages"], 0, "SPF is not checked")
        return front

    def _small(self, count):
        """Files of signed messages of about 1 kB."""
        folder = self.subfolder("small")
        chance = random.Random(count)
        for number in range(count):
            text = "".join(f"{chance.getrandbits(200):050x} a line of a letter\r\n" for _ in range(7))
            octets = ("From: Sender <sender@origin.example>\r\nTo: <user@dest.example>\r\n"
                      f"Subject: {number}\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
                      f"Message-ID: <{number}@origin.example>\r\n\r\n{text}")
            (folder / f"{number}.eml").write_bytes(self.signer.sign(octets.encode()))
        return sorted(folder.iterdir())

    def _large(self, count, octets, turn):
        """Files of messages of about so many octets, with an attachment each that cannot be packed; others at
        each turn, for what is found in large ones is remembered."""
        folder = self.subfolder(f"large-{turn}")
        for number in range(count):
            data = random.Random(f"{turn} {number}").randbytes(octets * 3 // 4)
            (folder / f"{number}.eml").write_bytes(with_attachment(data))
        return sorted(folder.iterdir())

    def _load(self, port, connections, count, a_connection, files, client=None, seconds=300):
        told = peers.load(port, connections, count, a_connection, 0, *files, client=client, seconds=seconds)
        self.assertEqual((told["messages"], told["failed"]), (count, 0))
        return told

    def _measure(self, front, *load):
        """What the roles of front used for that load."""
        before = cpu_by_role(front.program.pid)
        self._load(front.port, *load, client=CLIENT)
        after = cpu_by_role(front.program.pid)
        return {role: after[role] - before[role] for role in after}

    def test_1_small_beside_haproxy(self):
        sink, files = self._sink(), self._small(200)
        haproxy = peers.HAProxy(self.subfolder("haproxy"), sink.port)
        self.addCleanup(haproxy.stop)
        front = self._front(sink)
        results = []
        for _ in range(ROUNDS):
            before = peers.cpu_seconds(haproxy.pid)
            self._load(haproxy.port, 10, SMALL, 1, files)
            theirs = peers.cpu_seconds(haproxy.pid) - before
            ours = self._measure(front, 10, SMALL, 1, files)
            results.append((theirs, ours, sum(ours.values()) / theirs))
        print(f"\n1 kB, signed, a connection each: CPU seconds per {SMALL:,} messages")
        print(f"    haproxy {statistics.median(row[0] for row in results):.3f}")
        print(f"    postern {statistics.median(sum(row[1].values()) for row in results):.3f}: " + ", ".join(
            f"{role} {statistics.median(row[1][role] for row in results):.3f}" for role in results[0][1]))
        ratio = statistics.median(row[2] for row in results)
        self.assertTrue(tell("postern to haproxy", ratio, TIMES_HAPROXY))

    def _clamscan(self, database, files):
        """The processor time of clamscan for files, without what it takes to start."""
        folder = packages.unpack("clamav")
        arguments = ["-d", database, "--no-summary", "--max-filesize=100M", "--max-scansize=400M"]
        results = []
        for chosen in (files, files[:1]):
            before = os.times()
            subprocess.run([folder / "usr" / "bin" / "clamscan", *arguments, *chosen], check=True,
                           stdout=subprocess.DEVNULL, env={**os.environ, **packages.environment(folder)})
            after = os.times()
            results.append(after.children_user + after.children_system
                           - before.children_user - before.children_system)
        return (results[0] - results[1]) / (len(files) - 1)

    def test_2_large_beside_libclamav(self):
        front = self._front(self._sink())
        results = []
        for turn in range(ROUNDS):
            files = self._large(LARGE, 5 * 1024 * 1024, turn)
            theirs = self._clamscan(front.groups["virus"]["database"], files)
            used = self._measure(front, 1, LARGE, 20, files)
            proxy = used.pop("proxy") / LARGE
            ours = sum(used.values()) / LARGE
            results.append((theirs, ours, proxy, ours / theirs))
        print("\n5 MB: CPU seconds a message")
        for place, name in enumerate(("clamscan", "pool and workers", "proxy")):
            print(f"    {name} {statistics.median(row[place] for row in results):.4f}")
        self.assertTrue(tell("pool and workers to clamscan", statistics.median(row[3] for row in results),
                             TIMES_LIBCLAMAV))

    def _trace(self, pids):
        """strace of these processes, once it counts."""
        command = ["strace", "-f", "-c", "-o", self.folder / f"calls-{pids[0]}"]
        for pid in pids:
            command += ["-p", pid]
        tracer = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(tracer.stderr.close)
        while b"attached" not in tracer.stderr.readline():
            self.assertIsNone(tracer.poll(), "strace ended")
        time.sleep(0.5)
        return tracer

    def test_3_system_calls(self):
        count, files = 200, self._small(200)
        front = self._front(self._sink())
        self._load(front.port, 1, 100, 20, files, client=CLIENT)
        roles = role_pids(front.program.pid)
        del roles["templates"]
        tracers = {role: (self._trace(pids), pids) for role, pids in roles.items()}
        self._load(front.port, 1, count, 20, files, client=CLIENT)
        totals = {}
        print(f"\nsystem calls a message, {count} signed messages of 1 kB, twenty a connection")
        for role, (tracer, pids) in tracers.items():
            tracer.send_signal(signal.SIGINT)
            tracer.wait(20)
            rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$",
                              (self.folder / f"calls-{pids[0]}").read_text(), re.MULTILINE)
            calls = collections.Counter({name: int(calls) for calls, name in rows if name != "total"})
            totals[role] = sum(calls.values()) / count
            often = ", ".join(f"{name} {calls / count:.1f}" for name, calls in calls.most_common(14))
            print(f"    {role}: {totals[role]:.1f} ({often})")
        good = [tell("proxy", totals["proxy"], CALLS_PROXY),
                tell("all processes", sum(totals.values()), CALLS_ALL)]
        self.assertTrue(all(good))

    def test_4_allocations(self):
        count, files = 200, self._small(200)
        folder = self.subfolder("allocations")
        folder.chmod(0o777)
        library = build_folder() / "t" / "bench" / "libcount_allocations.so"
        front = self._front(self._sink(), {"LD_PRELOAD": str(library), "COUNT_ALLOCATIONS": str(folder)})
        self._load(front.port, 1, 100, 20, files, client=CLIENT)

        def counted():
            return {int(path.name): int.from_bytes(path.read_bytes()[:8], "little")
                    for path in folder.iterdir() if pathlib.Path("/proc", path.name).exists()}
        before = counted()
        self._load(front.port, 1, count, 20, files, client=CLIENT)
        after = counted()
        print(f"\nallocations a message, {count} signed messages of 1 kB, twenty a connection")
        for pid, number in after.items():
            name = "proxy" if pid == front.program.pid else role_of(pid) or "pool"
            print(f"    {name}: {(number - before.get(pid, 0)) / count:.0f}")
        pid = front.program.pid
        self.assertTrue(tell("proxy", (after[pid] - before[pid]) / count, MALLOCS_PROXY))

    def test_5_small_beside_archives(self):
        files = 30
        with Inspector(workers=1) as inspector:
            inspector.start()
            plain = inspector.save(message(), "plain.eml")
            data = random.Random(13).randbytes(13 * 1024 * 1024 * 3 // 4 - 1000)
            archive = inspector.save(with_attachment(zipped(data), "archive.zip"), "archive.eml")

            def waits():
                results = inspector.ask(*[plain] * files,
                                        arguments=["--repeat", 10, "--client", "198.51.100.7"])
                self.assertEqual({result.virus for result in results}, {"clean"})
                return sorted(result.microseconds / 1000 for result in results)
            quiet = waits()
            stream = inspector.ask_later(archive, arguments=["--client", "203.0.113.66", "--repeat", 1000,
                                                             "--parallel", 4])
            inspector.wait_for_busy_worker()
            beside = waits()
            self.assertIsNone(stream.poll(), "the archives are over")
            stream.kill()
            stream.communicate()
        print("\nsmall messages, one scanning worker: ms until the verdict, median and p99")
        for name, times in (("alone", quiet), ("beside archives of 13 MiB", beside)):
            print(f"    {name}: {statistics.median(times):.2f} {times[len(times) * 99 // 100]:.2f}")
        self.assertTrue(tell("p99 beside archives", beside[len(beside) * 99 // 100], P99_MS))


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

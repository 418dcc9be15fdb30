"""
Good mail beside heavy mail: what a small message waits with two workers while other clients send archives in
archives, pages and documents that unpack to much, and MIME that is nothing but parts: a few clients, then
each of them a new one; what each of these takes; the processor time and memory of the workers. A figure
beyond its bound is marked, and the run fails: on a machine with other work, where it waits long alone, too,
that is so many times as long.
"""

import io
import os
import pathlib
import statistics
import subprocess
import threading
import time
import unittest
import zipfile
import zlib

from support.inspector import (CLIENT, Inspector, bomb_message, message, parse_results, slow_message,
                               with_attachment, zipped)
from support.peers import cpu_seconds

SECONDS = int(os.environ.get("POSTERN_BENCH_SECONDS", "20"))
EVERY_MS, P99_MS, TIMES = 10, 20, 3
SMALL = 2000
MEMORY = 1024  # MiB, [inspector] worker_memory by default
GOOD_CLIENTS = ",".join(f"198.51.100.{number}" for number in range(1, 255))
HEAVY_CLIENTS = {"of a few clients": [f"203.0.113.{number}" for number in range(1, 20)],
                 "each of a new client": [f"10.0.{high}.{low}" for high in range(8) for low in range(250)]}


def nested(levels=12, width=3):
    """Archives in archives."""
    data = b"x" * 100_000
    for level in range(levels):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(width):
                archive.writestr(f"{level}-{number}.zip", data)
        data = out.getvalue()
    return with_attachment(data, "nested.zip")


def parts(count=9000):
    """MIME that is nothing but parts, in each other and beside each other."""
    lines = ["From: a@example.org", "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"', ""]
    for number in range(count):
        lines += ["--b", f"Content-Type: text/plain; name={number}", "", "hello"]
    return "\r\n".join([*lines, "--b--", ""]).encode()


def levels(count=90):
    """Messages in messages."""
    octets = message(b"Hello. " * 100_000)
    for _ in range(count):
        octets = b"From: a@example.org\r\nContent-Type: message/rfc822\r\n\r\n" + octets
    return octets


def document(streams=300, octets=1_000_000):
    """A PDF whose streams unpack to much."""
    packed = zlib.compress(bytes(octets), 9)
    body = b"%PDF-1.5\n"
    for number in range(1, streams):
        body += (b"%d 0 obj\n<</Length %d/Filter/FlateDecode>>stream\n" % (number, len(packed)) + packed +
                 b"\nendstream\nendobj\n")
    return with_attachment(body + b"trailer<</Root 1 0 R>>\n%%EOF\n", "document.pdf")


def flat():
    """A file that unpacks to a thousand times as much."""
    return with_attachment(zipped(bytes(400_000_000)), "flat.zip")


HEAVY = {"pages": bomb_message, "words": slow_message, "nested": nested, "parts": parts, "levels": levels,
         "document": document, "flat": flat}


class Watch:
    """The most memory of its own that any worker had, in MiB, and the processor time of all, meanwhile."""

    def __init__(self, inspector):
        self.inspector, self.peak, self.over = inspector, 0, threading.Event()
        self.used = {}
        self.thread = threading.Thread(target=self._look)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _look(self):
        while not self.over.wait(0.05):
            for pid in self.inspector.workers():
                try:
                    fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
                    self.used[pid] = cpu_seconds(pid)
                except (OSError, ValueError):
                    continue
                self.peak = max(self.peak, (int(fields[1]) - int(fields[2])) * 4096 / 2**20)


def tell(name, results):
    """Prints what small messages waited, and returns the 99th part of a hundred, in milliseconds."""
    times = sorted(result.microseconds / 1000 for result in results)
    found = {result.virus for result in results}
    p99 = times[len(times) * 99 // 100]
    print(f"    {name}: p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, most {times[-1]:.1f} ms, "
          f"{len(times)} messages, {', '.join(sorted(found))}", flush=True)
    return p99


class HeavyBench(unittest.TestCase):
    def send_small(self):
        """Small messages, one after the other, for a while; the results."""
        command = [CLIENT, "--socket", self.inspector.socket, "--content-only", "--remember",
                   "--every", EVERY_MS, "--client", GOOD_CLIENTS, *self.small]
        with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as client:
            timer = threading.Timer(SECONDS, client.stdin.close)
            timer.start()
            return parse_results(client.stdout.read())

    def beside(self, name, heavy, clients):
        """The same beside a stream of heavy ones of clients."""
        with Watch(self.inspector) as watch:
            stream = self.inspector.ask_later(*heavy.values(), arguments=[
                "--content-only", "--client", ",".join(clients), "--repeat", 1000, "--parallel", 6])
            self.inspector.wait_for_busy_worker()
            results = self.send_small()
            self.assertIsNone(stream.poll(), "the heavy mail is over")
            stream.kill()
            done = len(parse_results(stream.communicate()[0]))
        p99 = tell(f"beside heavy mail {name}", results)
        print(f"        {done} of it done; workers: {sum(watch.used.values()):.1f} s of the processor, "
              f"{watch.peak:.0f} MiB each at most (limit {MEMORY})")
        self.assertEqual({result.virus for result in results}, {"clean"})
        self.assertLessEqual(watch.peak, MEMORY)
        return p99

    def test_good_mail_beside_heavy_mail(self):
        with Inspector(workers=2) as self.inspector:
            inspector = self.inspector.start()
            # libclamav remembers what it has found clean: no two are alike.
            self.small = [inspector.save(message(os.urandom(300).hex().encode()), f"small-{number}.eml")
                          for number in range(SMALL)]
            heavy = {name: inspector.save(make(), f"{name}.eml") for name, make in HEAVY.items()}
            print("\nGood mail beside heavy mail, two workers")
            for name, path in heavy.items():
                with Watch(inspector) as watch:
                    began = time.monotonic()
                    result, = inspector.ask(path, arguments=["--content-only", "--client", "203.0.113.250"])
                print(f"    {name}, {path.stat().st_size:,} octets: {time.monotonic() - began:.1f} s, "
                      f"{watch.peak:.0f} MiB, {result.virus}: {result.reason}", flush=True)
            alone = tell("alone", self.send_small())
            found = [self.beside(name, heavy, clients) for name, clients in HEAVY_CLIENTS.items()]
            # A client that also sends heavy mail is slowed, and served.
            same, = inspector.ask(message(), arguments=["--content-only", "--client", "203.0.113.250"])
            print(f"    good mail of a client of heavy mail: {same.milliseconds} ms, {same.virus}")
            self.assertEqual(same.virus, "clean")
            bound = max(P99_MS, TIMES * alone)
            for p99 in found:
                print(f"    p99 {p99:.1f} ms, {p99 / alone:.1f} times that alone{' MISSED' * (p99 > bound)}")
            self.assertLessEqual(max(found), bound, "MISSED")


if __name__ == "__main__":
    unittest.main()

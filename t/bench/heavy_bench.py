"""
Good mail beside heavy mail: what a small message waits with two workers while other clients send archives in
archives, pages and documents that unpack to much, and MIME that is nothing but parts; what each of these
takes; the processor time and memory of the workers. A figure beyond its bound is marked, and the run fails.
"""

import io
import os
import pathlib
import statistics
import threading
import time
import unittest
import zipfile
import zlib

from support.inspector import (Inspector, bomb_message, message, parse_results, slow_message,
                               with_attachment, zipped)
from support.peers import cpu_seconds

SMALL = int(os.environ.get("POSTERN_BENCH_MESSAGES", "1000"))
P99_MS = 20
MEMORY = 1024  # MiB, [inspector] worker_memory by default
CLIENTS = 20


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
    def test_good_mail_beside_heavy_mail(self):
        with Inspector(workers=2) as inspector:
            inspector.start()
            # libclamav remembers what it has found clean: no two are alike.
            small = [inspector.save(message(os.urandom(300).hex().encode()), f"small-{number}.eml")
                     for number in range(2 * SMALL)]
            heavy = {name: inspector.save(make(), f"{name}.eml") for name, make in HEAVY.items()}
            arguments = ["--content-only", "--remember"]
            print("\nGood mail beside heavy mail, two workers")
            for name, path in heavy.items():
                with Watch(inspector) as watch:
                    began = time.monotonic()
                    result, = inspector.ask(path, arguments=["--content-only", "--client", "203.0.113.250"])
                print(f"    {name}, {path.stat().st_size:,} octets: {time.monotonic() - began:.1f} s, "
                      f"{watch.peak:.0f} MiB, {result.virus}: {result.reason}", flush=True)
            alone = inspector.ask(*small[:SMALL], arguments=[*arguments, "--client", "198.51.100.1"])
            tell("alone", alone)
            clients = ",".join(f"203.0.113.{number}" for number in range(1, CLIENTS))
            with Watch(inspector) as watch:
                stream = inspector.ask_later(*heavy.values(), arguments=[
                    "--content-only", "--client", clients, "--repeat", 1000, "--parallel", 6])
                inspector.wait_for_busy_worker()
                began = time.monotonic()
                beside = inspector.ask(*small[SMALL:], arguments=[
                    *arguments, "--client", "198.51.100.1,198.51.100.2"], timeout=600)
                seconds = time.monotonic() - began
                self.assertIsNone(stream.poll(), "the heavy mail is over")
                stream.kill()
                done = len(parse_results(stream.communicate()[0]))
            p99 = tell("beside heavy mail", beside)
            used = sum(watch.used.values())
            print(f"    in {seconds:.1f} s, {done} heavy messages done; workers: {used:.1f} s "
                  f"of the processor, {watch.peak:.0f} MiB each at most (limit {MEMORY})")
            self.assertEqual({result.virus for result in beside}, {"clean"})
            self.assertLessEqual(watch.peak, MEMORY)
            # A client that also sends heavy mail is slowed, and served.
            same, = inspector.ask(message(), arguments=[*arguments, "--client", "203.0.113.250"])
            print(f"    good mail of a client of heavy mail: {same.milliseconds} ms, {same.virus}")
            self.assertEqual(same.virus, "clean")
            self.assertLessEqual(p99, P99_MS, "MISSED")


if __name__ == "__main__":
    unittest.main()

"""
Whoever may connect to the inspector's socket sends what he likes: he gets an answer or is hung up on, and
others are served by the same processes as before.
"""

import os
import select
import socket
import threading
import unittest

from support import inspector_packets as packets
from support.inspector import Inspector, is_alive, message
from support.inspector_packets import HEAD, HostileClient, memfd, packet
from support.process import wait_until

CONTENT = b"no request"


def inline(**fields):
    """A request with content and a message in a descriptor."""
    return packet(octets=CONTENT, has_message=1, **fields)


class AttackTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.inspector = Inspector(workers=1)
        cls.addClassCleanup(cls.inspector.__exit__)
        cls.inspector.start()
        cls.inspector.wait_for_log("ready for envelopes and headers")

    def setUp(self):
        self.assert_serves()
        self.processes = self.processes_now()
        self.descriptors = self.descriptors_now()
        self.addCleanup(self.assert_unharmed)

    def processes_now(self):
        return [self.inspector.program.pid, *self.inspector.templates(), *self.inspector.light_workers(),
                *self.inspector.workers()[:1]]  # a spare one ends after a while

    def descriptors_now(self):
        """How many the pool has."""
        return len(os.listdir(f"/proc/{self.inspector.program.pid}/fd"))

    def assert_serves(self):
        result, = self.inspector.ask(message(), arguments=["--client", "198.51.100.1"])
        self.assertEqual((result.virus, result.error), ("clean", None), result)

    def assert_unharmed(self):
        self.assert_serves()
        self.assertTrue(all(map(is_alive, self.processes)), "a process has ended")
        wait_until(lambda: self.descriptors_now() <= self.descriptors, 10, "the end of all connections")

    def connect(self):
        hostile = HostileClient(self.inspector.socket)
        self.addCleanup(hostile.__exit__)
        self.assertEqual(hostile.receive()[0], packets.READY)
        return hostile

    def test_packets(self):
        end = HEAD.size
        good = packet(octets=CONTENT)
        for name, octets in {
                "one octet": b"x", "short": good[:end - 1],
                "another version": packet(magic=packets.magic() - 1),
                "kind 0": packet(kind=0), "kind 255": packet(kind=255), "role 3": packet(role=3),
                "role over all": packet(role=0xffffffff), "no content": packet(content_octets=0),
                "content that is not there": packet(content_octets=10),
                "short content": packet(octets=CONTENT, content_octets=11),
                "octets behind it": packet(octets=CONTENT, content_octets=9),
                "much content": packet(octets=b"x" * 16385),
                "huge content": packet(content_octets=0xffffffff),
                "most octets": packet(octets=b"x" * 150_000, content_octets=1, has_message=1),
                "a message that is not there": inline(),
                "text without an end": packet(text=b"x" * 400),
                "text with a newline": packet(octets=CONTENT, text=b"a\nb"),
                "text with more than ASCII": packet(octets=CONTENT, text=b"\xff")}.items():
            with self.subTest(name):
                hostile = self.connect()
                hostile.send(octets)
                self.assertIsNone(hostile.receive())

    def test_what_only_the_inspector_sends_itself(self):
        for kind in range(packets.RESPONSE, packets.RECALL + 1):
            with self.subTest(kind):
                hostile = self.connect()
                octets = CONTENT if kind in (packets.RESPONSE, packets.RECALL) else b""
                hostile.send(packet(kind=kind, octets=octets))
                self.assertIsNone(hostile.receive())
        for octets in (packet(kind=packets.FORK), packet(octets=CONTENT, scanner=1)):
            hostile = self.connect()
            hostile.send(octets, hostile.socket.fileno())
            self.assertIsNone(hostile.receive())

    def descriptors_of_all_kinds(self):
        """(name, descriptor) of what is no message and no content."""
        folder = self.inspector.folder
        if not (folder / "fifo").exists():
            os.mkfifo(folder / "fifo")
        reader, writer = os.pipe()
        poll = select.epoll()
        self.addCleanup(poll.close)
        one, other = socket.socketpair()
        found = {"pipe": reader, "pipe to write": writer, "socket": one.detach(), "other": other.detach(),
                 "/dev/zero": os.open("/dev/zero", os.O_RDONLY), "null": os.open("/dev/null", os.O_RDWR),
                 "folder": os.open(folder, os.O_RDONLY), "path": os.open(folder, os.O_PATH),
                 "file": os.open(__file__, os.O_RDONLY),
                 "FIFO": os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK),
                 "epoll": os.dup(poll.fileno()), "memory": os.open("/proc/self/mem", os.O_RDONLY),
                 "memfd without seals": memfd(b"x" * 100, seals=0),
                 "memfd that may shrink": memfd(b"x" * 100, seals=packets.SEALS & ~0x2),
                 "memfd that may change": memfd(b"x" * 100, seals=packets.SEALS & ~0x8),
                 "memfd of a TiB": memfd(size=1 << 40)}
        for descriptor in found.values():
            self.addCleanup(os.close, descriptor)
        return found.items()

    def test_descriptors(self):
        for name, descriptor in self.descriptors_of_all_kinds():
            for what, octets in (("content", packet(content_octets=0)), ("message", inline())):
                with self.subTest(name, what=what):
                    hostile = self.connect()
                    hostile.send(octets, descriptor)
                    kind, number, failure, text = hostile.receive()
                    self.assertEqual((kind, number, failure), (packets.FAILURE, 1, 5), text)
                    self.assertRegex(text, "memfd|limit|over")

    def test_too_many_descriptors(self):
        descriptor = memfd(b"x")
        self.addCleanup(os.close, descriptor)
        for count in (2, 3, 10, 250):
            with self.subTest(count):
                hostile = self.connect()
                hostile.send(inline(), *[descriptor] * count)
                self.assertIsNone(hostile.receive())

    def test_memfd_that_shrinks(self):
        """What can still change is not looked at: a worker that reads it would get a SIGBUS."""
        descriptor = memfd(b"x" * 1_000_000, seals=0)
        self.addCleanup(os.close, descriptor)
        over = threading.Event()

        def change():
            while not over.is_set():
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, 1_000_000)
        thread = threading.Thread(target=change)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        hostile = self.connect()
        for number in range(200):
            hostile.send(inline(id=number), descriptor)
            self.assertEqual(hostile.receive()[:2], (packets.FAILURE, number))

    def test_requests_that_are_none(self):
        hostile = self.connect()
        for number in range(500):
            octets = os.urandom(1 + number % 2000)
            hostile.send(packet(octets=octets, id=number, role=number % 2, value=number))
            self.assertEqual(hostile.receive()[:3], (packets.FAILURE, number, 5))

    def test_half_of_a_conversation(self):
        """Who asks and is gone, and who connects and says nothing, in numbers."""
        for number in range(300):
            with HostileClient(self.inspector.socket) as hostile:
                if number % 2:
                    hostile.send(packet(octets=CONTENT, id=number))
        silent = []
        for _ in range(800):
            silent.append(HostileClient(self.inspector.socket))
        answers = [one.receive() for one in silent]
        for one in silent:
            one.socket.close()
        greeted = [answer for answer in answers if answer is not None]
        self.assertGreater(len(greeted), 10)
        self.assertLessEqual(len(greeted), 512, "no user has more than half of the connections")

    def test_who_does_not_read(self):
        """Answers wait for him, a while; then he is hung up on."""
        hostile = self.connect()
        hostile.socket.settimeout(0.2)
        sent = 0
        try:
            while sent < 100_000:
                hostile.send(packet(octets=CONTENT, id=sent))
                sent += 1
        except TimeoutError:
            pass
        self.assertLess(sent, 100_000, "the inspector reads on although nobody reads its answers")
        self.assert_serves()
        hostile.socket.settimeout(100)
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            for number in range(100_000):
                hostile.send(packet(octets=CONTENT, id=number))


if __name__ == "__main__":
    unittest.main()

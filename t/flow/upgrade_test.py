"""
Proxy and milter are replaced under load: their listening sockets are kept by the service manager (FDSTORE,
LISTEN_FDS), so that nobody is refused, and who is in a message is served to its end.
"""

import collections
import os
import signal
import socket
import threading
import unittest

from support import ports
from support.milter import Milter, MilterTestCase
from support.process import wait_until
from support.proxy import Proxy, ProxyTestCase
from support.service_manager import ServiceManager
from support.smtp import Client, crlf

CLIENTS, REPLACEMENTS = 6, 3
TWO = {"threads": 2, "gather_clients": "no"}
PATH_OCTETS = 106  # of a unix socket, for libmilter


class Load:
    """Clients that send one message after the other until they are told to stop."""

    def __init__(self, port):
        self.port, self.stopped = port, False
        self.counts, self.problems, self.accepted = collections.Counter(), [], []
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join()

    def _run(self, number):
        try:
            while not self.stopped:
                with Client(self.port, timeout=60) as client:
                    self.counts["sessions"] += 1
                    self._session(client, number)
        except Exception as error:  # whatever it is, the client was dropped
            self.problems.append(f"client {number}: {error!r}")

    def _session(self, client, number):
        """Between messages it may be told to go, and the connection be closed."""
        try:
            client.ehlo()
        except OSError:
            self.counts["told to go"] += 1
            return
        for _ in range(20):
            try:
                begun = client.command("MAIL FROM:<a@sender.example>").code
            except OSError:
                begun = 421
            if begun == 421:
                self.counts["told to go"] += 1
                return
            self.counts["messages"] += 1
            name = f"{number}-{self.counts['messages']}"
            replies = [client.command("RCPT TO:<b@example.org>"),
                       client.message(crlf(f"Subject: {name}\n\nHello.\n"))]
            if [reply.code for reply in replies] != [250, 250]:
                self.problems.append(f"client {number}: {replies}")
            self.accepted.append(name)


class UpgradeTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.back = self.backend()
        self.server = Proxy(self.subfolder("proxy"), self.back.port, proxy=TWO)
        self.manager = ServiceManager(self.server.folder / "notify")
        self.addCleanup(self.manager.close)

    def start(self, **handed):
        program = self.manager.start("postern-proxy", "--config", self.server.path, folder=self.server.folder,
                                     **handed)
        self.addCleanup(lambda: self.assertNotIn("Sanitizer", program.log()))
        self.addCleanup(program.stop)
        self.assertEqual(self.manager.lines(), ["READY=1"])
        return program

    def replace(self, program):
        program.send_signal(signal.SIGTERM)
        self.assertEqual(self.manager.lines()[0], "STOPPING=1")
        self.assertEqual(program.wait(60), 0)
        return self.start()

    def test_nobody_is_dropped(self):
        program = self.start()
        self.assertEqual(len(self.manager.kept), 2)  # one for each thread
        load = Load(self.server.port)
        for _ in range(REPLACEMENTS):
            before = load.counts["messages"]
            wait_until(lambda: load.counts["messages"] > before + 30, 60, "messages")
            program = self.replace(program)
        self.server.configure(proxy={"threads": 3})
        program = self.replace(program)
        before = load.counts["sessions"]
        wait_until(lambda: load.counts["sessions"] > before + 2 * CLIENTS, 60, "sessions of the last proxy")
        load.stop()
        print(dict(load.counts))
        self.assertEqual(load.problems, [])
        self.assertGreater(load.counts["told to go"], 0)
        stored = collections.Counter(message.octets.split(b"\r\n")[0].decode() for message in
                                     self.back.messages() if b"Subject: " in message.octets)
        self.assertEqual(sum(stored.values()), len(load.accepted))
        # An address that is listened on no longer is given up.
        self.server.configure(proxy={"listen": f"127.0.0.2:{self.server.port}"})
        self.replace(program).stop()
        self.assertEqual({one.getsockname()[0] for one in self.manager.kept}, {"127.0.0.2"})

    def test_replaced_before_the_back_end_is_known(self):
        """Who waits while it is found out whether the back-end relays is served, though the proxy ends."""
        slow = self.backend(pause={"greeting": 1})
        self.server.configure(proxy={"backend": f"127.0.0.1:{slow.port}"})
        program = self.start()
        clients = [Client(self.server.port, timeout=60) for _ in range(CLIENTS)]
        for client in clients:
            self.addCleanup(client.close)
            client.ehlo()
            client.send(b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org>\r\n")
            self.assertEqual(client.reply().code, 250)
        program.send_signal(signal.SIGTERM)
        self.assertEqual(self.manager.lines()[0], "STOPPING=1")
        for client in clients:
            self.assertEqual(client.reply().code, 250)
            self.assertEqual(client.message(b"Subject: one\r\n\r\n").code, 250)
        self.assertEqual(program.wait(60), 0)

    def test_socket_unit(self):
        """One socket of a socket unit is for all threads, and not kept a second time."""
        own = socket.create_server(("127.0.0.1", self.server.port))
        self.addCleanup(own.close)
        stray = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(stray.close)
        waiting = socket.create_connection(("127.0.0.1", self.server.port))
        self.addCleanup(waiting.close)
        program = self.start(sockets=[own, stray], names="postern-proxy.socket")
        self.assertEqual(self.manager.kept, [])
        self.assertTrue(waiting.recv(100).startswith(b"220 "))
        program.wait_for_log("1 sockets that are at no address")
        for _ in range(10):
            with Client(self.server.port) as client:
                self.assertEqual(client.ehlo().code, 250)

    def test_watchdog(self):
        self.manager.environment["WATCHDOG_USEC"] = "400000"
        program = self.start()
        wait_until(lambda: self.manager.beats > 3, 30, "a watchdog that is fed")
        wait_until(lambda: self.manager.status == "serving 0 clients", 30, "a status")
        program.send_signal(signal.SIGSTOP)
        beats = self.manager.beats
        self.addCleanup(program.send_signal, signal.SIGCONT)
        with self.assertRaises(TimeoutError):
            wait_until(lambda: self.manager.beats > beats + 1, 0.3, "a watchdog that is not fed")


class MilterLoad(Load):
    """Mail servers, each message over a connection of its own."""

    def __init__(self, milter):
        self.milter = milter
        super().__init__(None)

    def _run(self, number):
        try:
            while not self.stopped:
                with self.milter.client(timeout=20) as client:
                    self._session(client, number)
        except Exception as error:  # whatever it is, the mail server was refused
            self.problems.append(f"server {number}: {error!r}")

    def _session(self, client, number):
        """What it was taken for is done, or put off where the milter is just ending."""
        self.counts["sessions"] += 1
        client.connect()
        client.helo()
        octets = crlf(f"Subject: {number}\n\nHello.\n")
        outcome = client.deliver("a@sender.example", ["b@example.org"], octets)
        self.counts["messages" if outcome.is_accepted else "told to go"] += 1
        if not outcome.is_accepted and outcome.code != 451:
            self.problems.append(f"server {number}: {outcome}")


class MilterUpgradeTest(MilterTestCase):
    def prepare(self, **options):
        self.server = Milter(self.subfolder("milter"), virus={"scan": "no"}, **options)
        self.manager = ServiceManager(self.server.folder / "notify")
        self.addCleanup(self.manager.close)

    def start(self, **handed):
        program = self.manager.start("postern-milter", "--config", self.server.path,
                                     folder=self.server.folder, **handed)
        self.addCleanup(program.stop)
        self.assertEqual(self.manager.lines(), ["READY=1"])
        return program

    def check(self):
        program = self.start()
        wait_until(lambda: len(self.manager.kept) == 1, 10, "a socket that is kept")
        load = MilterLoad(self.server)
        for _ in range(REPLACEMENTS):
            before = load.counts["messages"]
            wait_until(lambda: load.counts["messages"] > before + 30, 60, "messages")
            program.send_signal(signal.SIGTERM)
            self.assertEqual(self.manager.lines()[0], "STOPPING=1")
            self.assertEqual(program.wait(60), 0)
            before = load.counts["sessions"]
            program = self.start()
        wait_until(lambda: load.counts["sessions"] > before + 2 * CLIENTS, 60, "sessions of the last milter")
        load.stop()
        print(dict(load.counts))
        self.assertEqual(load.problems, [])
        self.assertEqual(len(self.manager.kept), 1)
        return program

    def test_nobody_is_refused(self):
        self.prepare()
        program = self.check()
        # The serving process that comes after one that dies has the same socket.
        self.server.program = program
        os.kill(self.server.serving_pid(), signal.SIGKILL)
        with self.server.client(timeout=60) as client:
            client.connect()
        program.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait(60), 0)
        # An address that is listened on no longer is given up.
        port = self.server.port
        self.server.port = ports.free_port()
        self.server.configure(milter={"socket": f"inet:{self.server.port}@127.0.0.1"})
        self.manager.told.clear()
        self.start()
        wait_until(lambda: [one.getsockname()[1] for one in self.manager.kept] == [self.server.port], 10,
                   "the other socket")
        wait_until(lambda: not ports.is_listening(port), 10, "the first to be closed")

    def test_unix_socket(self):
        folder = self.subfolder("place")
        folder.chmod(0o777)
        name = "s" * (PATH_OCTETS - len(f"{folder}/"))  # no path may be longer
        self.prepare(socket=f"unix:{folder}/{name}")
        self.check()
        self.assertEqual([path.name for path in folder.iterdir()], [name])


if __name__ == "__main__":
    unittest.main()

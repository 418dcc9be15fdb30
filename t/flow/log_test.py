"""The log in use: rotation by whoever, a reader that stalls, an end in the middle of a message, a flood."""

import os
import pathlib
import pwd
import signal
import threading
import time
import unittest

from support import outcome
from support.milter import MilterTestCase
from support.ports import free_port
from support.proxy import TOLD, Proxy, ProxyTestCase, closing_line, unprivileged_user
from support.process import wait_until
from support.smtp import Client, crlf

MESSAGE = crlf("From: a@sender.example\nSubject: log\n\nHello.\n")
SENDER, RECIPIENT = "a@sender.example", "b@example.org"


def lines_of(path, text):
    return [line for line in path.read_text().splitlines() if text in line]


class RotationTest(ProxyTestCase):
    def start(self, create=True):
        """A proxy whose log lies where only who may rotate it can make files."""
        folder = self.subfolder("log")
        self.path, self.old = folder / "postern.log", folder / "postern.log.1"
        self.recorder = self.backend()
        self.server = Proxy(self.subfolder("proxy"), self.recorder.port, log={"destination": self.path},
                            proxy={"inspect": "yes"}, virus={"database": self.signatures()})
        self.addCleanup(self._stop_proxy, self.server)
        self.server.start(ready=False)
        wait_until(lambda: self.path.exists() and " is ready on " in self.path.read_text(), 60)

    def deliver(self):
        with Client(self.server.port, timeout=60) as client:
            client.ehlo()
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
            client.quit()

    def test_all_processes_follow(self):
        """As logrotate does it: create 0640, then SIGUSR1."""
        self.start()
        self.deliver()
        user = pwd.getpwnam(unprivileged_user())
        self.assertEqual(self.path.stat().st_uid, user.pw_uid)
        self.path.rename(self.old)
        self.path.touch(0o640)
        os.chown(self.path, user.pw_uid, user.pw_gid)
        self.server.program.send_signal(signal.SIGUSR1)
        wait_until(lambda: self.deliver() or lines_of(self.path, " message "), 10, "the new file in use")
        before = self.old.read_text()
        self.server.program.send_signal(signal.SIGHUP)
        wait_until(lambda: lines_of(self.path, "postern-inspector["), 20, "lines of the inspector")
        self.assertEqual(self.old.read_text(), before)
        self.assertEqual(self.server.program.log(), "")


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class RotationAsRootTest(MilterTestCase):
    def test_all_processes_follow(self):
        """Only root may so much as enter the folder; the new file is made by the milter itself."""
        folder = self.subfolder("log")
        folder.chmod(0o700)
        path, old = folder / "postern.log", folder / "postern.log.1"
        milter = self.milter(log={"destination": path}, ready=False)
        wait_until(lambda: path.exists() and " is ready on " in path.read_text(), 60)
        for round_number in range(1, 3):
            path.rename(old)
            milter.program.send_signal(signal.SIGUSR1)
            wait_until(path.exists, 10, "the new file")
            user = pwd.getpwnam(unprivileged_user())
            wait_until(lambda: path.stat().st_uid == user.pw_uid, 10, "its owner")
            milter.program.send_signal(signal.SIGHUP)
            wait_until(lambda: lines_of(path, "the configuration was read again"), 20)
            wait_until(lambda: lines_of(path, "postern-inspector["), 20, "lines of the inspector")
            before = old.read_text()
            milter.program.send_signal(signal.SIGHUP)
            wait_until(lambda: len(lines_of(path, "the configuration was read again")) == 2, 20)
            self.assertEqual(old.read_text(), before, round_number)
        self.assertEqual(milter.program.log(), "")


class ReaderTest(ProxyTestCase):
    def test_reader_that_stalls_stops_nobody(self):
        fifo = self.subfolder("log") / "fifo"
        os.mkfifo(fifo)
        os.chown(fifo, pwd.getpwnam(unprivileged_user()).pw_uid, -1)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        recorder = self.backend()
        server = Proxy(self.subfolder("proxy"), recorder.port, log={"destination": fifo})
        self.addCleanup(self._stop_proxy, server)
        server.configure(log={"destination": fifo, "level": "debug"})
        server.start(ready=False)
        server.program.wait_for_port(server.port)
        self.addCleanup(server.configure, log={"destination": None})
        for _ in range(300):
            with Client(server.port) as client:
                client.ehlo()
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        text = []
        def read():
            try:
                text.append(os.read(reader, 65536))
            except BlockingIOError:
                pass
            return b"".join(text).count(b" message ") == 300
        wait_until(read, 20, "all lines once somebody reads")

    def test_fifo_without_a_reader(self):
        fifo = self.subfolder("log") / "fifo"
        os.mkfifo(fifo)
        os.chown(fifo, pwd.getpwnam(unprivileged_user()).pw_uid, -1)
        server = Proxy(self.subfolder("proxy"), self.backend().port, log={"destination": fifo})
        self.addCleanup(self._stop_proxy, server)
        self.addCleanup(server.configure, log={"destination": None})
        server.start(ready=False)
        server.program.wait_for_port(server.port)


class EndTest(ProxyTestCase):
    def test_an_end_is_no_error(self):
        """While the back-end is being tried, too."""
        server = self.proxy(self.backend(pause={"greeting": 1}))
        server.program.send_signal(signal.SIGTERM)
        self.assertEqual(server.program.wait(), 0)
        self.assertNotIn(": error: ", server.log())

    def test_what_is_cut_off_leaves_a_line(self):
        """Told twice to end, between the dot and the back-end's answer."""
        backend = self.backend(pause={"dot": 30})
        server = self.proxy(backend)
        client = Client(server.port, timeout=60)
        self.addCleanup(client.close)
        client.ehlo()
        client.envelope(SENDER, RECIPIENT)
        client.command("DATA")
        client.send(MESSAGE + b".\r\n")
        wait_until(lambda: any(entry[2] == "command" and b"DATA" in entry[3] for entry in backend.journal))
        wait_until(lambda: client.is_silent(0.5))
        server.program.send_signal(signal.SIGTERM)
        server.program.wait_for_log("draining: ")
        server.program.send_signal(signal.SIGTERM)
        self.assertEqual(server.program.wait(5), 0)
        line = server.closing_lines("message")[0]
        self.assertEqual(line["delivery"], "unknown")
        self.assertEqual(len(server.closing_lines("session")), 1)
        self.assertIn("ending at once", server.log())


class DebugTest(MilterTestCase):
    """Level debug tells each change of state, by its name, with the session that it belongs to."""

    def test_proxy(self):
        server = self.proxy(self.backend(), log={"level": "debug"})
        with Client(server.port) as client:
            client.ehlo()
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
            client.quit()
        identifier = server.wait_for_closing_lines("session", 1)[0]["session"]
        for step in (f"session {identifier}: command -> data", f"session {identifier}: data -> delivering",
                     f"session {identifier}: no back-end -> waiting for a back-end",
                     f"session {identifier}: has back-end connection ",
                     f"session {identifier}: command -> closing"):
            server.program.wait_for_log(f": debug: {step}")
        for step in (r"back-end connection \d+: ehlo -> idle",
                     r"back-end connection \d+: sending -> data-end", r"pooled connection \d+: opening -> "):
            server.program.wait_for_log(f": debug: {step}")

    def test_milter(self):
        milter = self.milter(log={"level": "debug"})
        with milter.client() as client:
            client.connect()
            client.helo()
            client.deliver(SENDER, [RECIPIENT], MESSAGE)
        milter.program.wait_for_log(r": debug: session \S+: idle -> envelope")
        milter.program.wait_for_log(r": debug: session \S+: body -> inspecting")


class DeadDnsTest(ProxyTestCase):
    def ask(self, domains):
        """Mail from each domain: SPF needs its record."""
        with Client(self.server.port, timeout=60, told="192.0.2.7") as client:
            client.ehlo()
            for domain in domains:
                self.assertEqual(client.deliver(f"a@{domain}", [RECIPIENT], MESSAGE).code, 250)

    def test_one_warning_a_change(self):
        port = free_port()
        self.server = self.proxy(self.backend(), dns={"answers": None, "servers": f"127.0.0.1@{port}",
                                                      "timeout": "300ms"},
                                 proxy={**TOLD, "threads": 2},
                                 virus={"database": self.signatures()})
        for number in range(4):
            self.ask(f"d{number}-{index}.example" for index in range(6))
            time.sleep(1.5)
        self.server.program.wait_for_log(": warning: the DNS does not answer: ")
        self.ask(f"more{index}.example" for index in range(5))
        self.assertEqual(self.server.log().count("the DNS "), 1)


class FloodTest(MilterTestCase):
    def test_proxy(self):
        server = self.proxy(self.backend(), proxy={"max_connections_per_client": 3})
        held = [Client(server.port, source="127.0.0.9") for _ in range(3)]
        def flood(source):
            for _ in range(200):
                with Client(server.port, source=source) as client:
                    client.close()
        threads = [threading.Thread(target=flood, args=(source,)) for source in ("127.0.0.7", "127.0.0.9")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for client in held:
            client.close()
        def counted(kind):
            lines = [closing_line(line) for line in server.log().splitlines() if ": info: repeated " in line]
            return sum(int(values["times"]) for name, values in filter(None, lines)
                       if values["line"].startswith(kind))
        sessions = lambda: server.closing_lines("session")
        wait_until(lambda: counted("session client=127.0.0.7 ") + counted("refused client=") + len(
            [line for line in sessions() if line["client"] == "127.0.0.7"]) + len(
                server.closing_lines("refused")) == 400, 30, "a count of what was not written")
        self.assertLessEqual(len(sessions()) + len(server.closing_lines("refused")), 203)

    def test_milter(self):
        milter = self.milter()
        for _ in range(60):
            with milter.client() as client:
                client.connect()
        repeated = milter.wait_for_closing_lines("repeated", 1, 30)
        self.assertEqual([line["line"] for line in repeated], ["session client=192.0.2.7 messages=0"])
        self.assertEqual(len(milter.closing_lines("session")) + int(repeated[0]["times"]), 60)


if __name__ == "__main__":
    outcome.main()

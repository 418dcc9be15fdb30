"""
Mail servers that fail over and over under load: killed, stopped (SIGSTOP) and started again, mostly between
the dot of a message and the reply to it. Each writes what it takes into a journal before it says so.
"""

import dataclasses
import pathlib
import random
import signal
import subprocess
import threading

from support import ports
from support.ledger import Ledger
from support.load import DOMAIN, Load, Message, Outcome
from support.load_case import LoadTestCase
from support.peers import benchmark_program
from support.process import wait_until

DELAY_MS = 30  # at most, before a message is answered
RUNS_SECONDS = 0.25  # at most, before it fails again
FAILS_SECONDS = 0.1


@dataclasses.dataclass
class Record:
    """One line of a journal; octets is the digest of them."""

    sender: str
    octets: str
    recipients: list
    path: str


class DigestLedger(Ledger):
    def _is_exact(self, octets, message):
        return octets == message.sha256


class FailingServer:
    """A sink with a journal on a port of its own."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "journal"
        self.port = ports.free_port()
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [benchmark_program("mail_sink"), f"--port={self.port}", f"--journal={self.path}",
             f"--delay={DELAY_MS}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def end(self):
        """SIGKILL, also of one that is stopped."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def records(self):
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [Record(sender, digest, recipients, self.path)
                for sender, digest, *recipients in map(str.split, lines)]


class FailingServers:
    """They serve from start() on, and fail until they were killed kills times in all; some are stopped."""

    def __init__(self, folders, kills, seed):
        self.servers = [FailingServer(folder) for folder in folders]
        self.kills = self.stops = 0
        self._left = kills
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._fail, args=(server, random.Random(f"{seed}/{index}")),
                                          daemon=True) for index, server in enumerate(self.servers)]
        self._pause = threading.Event()  # never set: a sleep that is not in the way of others

    def start(self):
        for server in self.servers:
            server.start()

    def fail(self):
        """Returns when they were killed as often as they should, and all serve again."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def stop(self):
        for server in self.servers:
            server.end()

    def _fail(self, server, chance):
        while True:
            with self._lock:
                if self._left == 0:
                    return
                stops = chance.random() < 0.3
                self._left -= not stops
                self.stops += stops
                self.kills += not stops
            self._pause.wait(chance.uniform(0, RUNS_SECONDS))
            if stops:
                server.process.send_signal(signal.SIGSTOP)
                self._pause.wait(chance.choice((0.3, 1, 10)) * chance.uniform(0, FAILS_SECONDS))
                server.process.send_signal(signal.SIGCONT)
            else:
                server.end()
                self._pause.wait(chance.choice((0, 1)) * chance.uniform(0, FAILS_SECONDS))
                server.start()


def small_message(identifier, chance):
    """One that is passed on in one piece, or in some."""
    text = f"Subject: {identifier}\r\n\r\n" + ".a line that begins with a dot\r\n" * chance.choice((1, 9, 90))
    return Message(identifier, text.encode())


class FailoverCase(LoadTestCase):
    """Load through one proxy to servers that fail; then the books."""

    def check_failover(self, kills, servers=4, clients=12, seed=1, **options):
        """How many messages the log calls delivery=unknown: their server was lost between dot and reply."""
        failing = FailingServers([self.subfolder("server") for _ in range(servers)], kills, seed)
        failing.start()
        self.addCleanup(failing.stop)
        front = self.proxy(failing.servers[0].port, proxy={
            "backend": [f"127.0.0.1:{server.port}" for server in failing.servers], "threads": 2,
            "backend_connections": 4, "backend_timeout": "500ms", "backend_data_end_timeout": "500ms",
            "backend_connect_timeout": "500ms", **options})
        load = Load(front.port, clients=clients, most=10**7, make=small_message, seed=seed).start()
        failing.fail()
        self.wait_for_acknowledged(load, clients)
        load.stop()
        records = sum((server.records() for server in failing.servers), [])
        front.stop()
        lines = front.closing_lines("message")
        ledger = DigestLedger(load, records, lines)
        self._tell(ledger, failing)
        self.assertEqual(ledger.problems()[:20], [])
        self.assertEqual([message.identifier for message in load.unsettled()], [])
        self._check_counts(load, records, lines)
        return sum(line["delivery"] == "unknown" for line in lines)

    @staticmethod
    def _tell(ledger, failing):
        print(f"{failing.kills} kills, {failing.stops} stops: {ledger.summary()}", flush=True)

    def _check_counts(self, load, records, lines):
        """What the servers have is what the log says: accepted once each, and maybe unknown."""
        ours = [line for line in lines if line["from"].endswith(f"@{DOMAIN}>")]
        accepted = {line["from"][1:-1] for line in ours if line["delivery"] == "accepted"}
        unknown = {line["from"][1:-1] for line in ours if line["delivery"] == "unknown"}
        senders = [record.sender for record in records]
        self.assertEqual(len(accepted), load.count(Outcome.ACKNOWLEDGED))
        self.assertEqual(sorted(sender for sender in senders if sender not in unknown), sorted(accepted))

"""SIGKILL of the inspector's pool, template and workers under load: no virus passes, no good mail is lost."""

import signal
import time
import unittest

from support import demo_messages, smtp
from support.inspector import kill
from support.inspector_processes import InspectorProcesses
from support.load import Load, Message, Outcome, ordinary_message
from support.load_case import LoadTestCase
from support.process import wait_until

KILLS = ("pool", "template", "worker", "worker", "pool", "worker", "template", "pool")
GOOD = b"From: <a@load.example>\r\nSubject: good\r\n\r\nText\r\n"


def message_or_virus(identifier, chance):
    """Every fourth message holds the EICAR test file, in a zip in MIME."""
    if chance.random() < 0.75:
        return ordinary_message(identifier, chance)
    octets = f"X-Load-Id: {identifier}\r\n".encode() + demo_messages.infected()
    return Message(identifier, octets, infected=True)


class InspectorTestCase(LoadTestCase):
    """A proxy with an inspector of its own, which finds EICAR."""

    def _set_up(self, workers=2, **options):
        self.recorder = self.backend_program()
        self.front = self.proxy(
            self.recorder.port, proxy={"threads": 2, "inspect": "yes", **options},
            inspector={"workers": workers}, virus={"database": self.signatures()})
        self.inspector = InspectorProcesses(self.front.program)
        self._wait_ready()

    def _wait_ready(self):
        """Until a virus is found: what is unscannable is refused for now."""
        wait_until(lambda: self._deliver(demo_messages.infected()).code == 550, 60, pause=0.1)

    def _deliver(self, octets=GOOD):
        with smtp.Client(self.front.port, timeout=100) as client:
            client.ehlo()
            return client.deliver("one@other.example", ["bob@example.org"], octets)


class InspectorKill(InspectorTestCase):
    def _check(self, load, kills):
        records = [record for record in self.recorder.records() if not record.sender.startswith("one@")]
        ledger = self.check_books(load, self.front, records, prefix_allowed=True, kills=kills)
        infected = [message for message in load.messages if message.infected]
        refused = {attempt.message.identifier for attempt in load.attempts
                   if attempt.outcome is Outcome.REFUSED and attempt.code == 550}
        self.assertEqual({message.identifier for message in infected}, refused)
        self.assertGreater(len(infected), len(KILLS), "too few viruses among the messages")
        return ledger

    def test_killed_in_turn(self):
        """Each part in turn, under load: 451 or a verdict, and service comes back by itself."""
        self._set_up()
        load = Load(self.front.port, make=message_or_virus, seed=11, settle_seconds=30).start()
        killed = 0
        for role in KILLS:
            self.wait_for_acknowledged(load, 8)
            self.inspector.wait_for(role)
            killed += self.inspector.signal(role)
        self.wait_for_acknowledged(load, 20)
        load.stop()
        self.assertGreaterEqual(killed, len(KILLS))
        self._check(load, killed)

    def test_killed_with_the_proxy(self):
        """SIGKILL of the proxy ends its inspector too; the next proxy starts one of its own."""
        self._set_up()
        load = Load(self.front.port, make=message_or_virus, seed=12, settle_seconds=30).start()
        for _ in range(3):
            self.wait_for_acknowledged(load, 12)
            self.kill_proxy(self.front)
        self.wait_for_acknowledged(load, 20)
        load.stop()
        self._check(load, 0)

    def test_stopped_pool(self):
        """A pool that hangs: every message is refused for now, a virus too; then it goes on."""
        self._set_up(inspection_timeout="1s")
        recorded = self.recorder.count()
        self.inspector.signal("pool", signal.SIGSTOP)
        for octets in (GOOD, demo_messages.infected()):
            began = time.monotonic()
            reply = self._deliver(octets)
            self.assertEqual(reply.code, 451, reply)
            self.assertLess(time.monotonic() - began, 40)
        self.inspector.signal("pool", signal.SIGCONT)
        self._wait_ready()
        self.assertEqual(self._deliver().code, 250)
        self.assertEqual(self.recorder.count(), recorded + 1)


class WorkerKill(InspectorTestCase):
    """One message, held in a worker that is stopped, so that the kill comes in the middle of its scan."""

    def _only_worker(self):
        """
        The one worker that there is, which has shown that it works. On a busy machine a scan may take so long
        that another worker takes the place of its own: that one ends after a while.
        """
        def find():
            before = self.inspector.of("worker")
            if len(before) != 1 or self._deliver(demo_messages.infected()).code != 550:
                return None
            return before if self.inspector.of("worker") == before else None
        return wait_until(find, 30, "the end of the other workers", pause=0.5)[0]

    def _begin(self, octets):
        """
        Sends a message, whose reply is left to come. The worker is stopped before its body: the scan hangs,
        and another worker takes the place of the slow one.
        """
        self._set_up(workers=1)
        holder = self._only_worker()
        self.client = smtp.Client(self.front.port, timeout=100)
        self.addCleanup(self.client.close)
        self.client.ehlo()
        self.client.envelope("one@other.example", "bob@example.org")
        self.assertEqual(self.client.command("DATA").code, 354)
        header, blank, body = smtp.stuffed(octets).partition(b"\r\n\r\n")
        kill(holder, signal.SIGSTOP)
        self.client.send(header + blank + body)
        try:
            self.inspector.wait_for("worker", 2)
        except TimeoutError:
            self.fail(f"no worker came beside {holder}, which is stopped:\n{self.front.log()}")
        self.assertTrue(self.client.is_silent(0.5))
        return holder

    def _kill(self, holder):
        kill(holder)
        self.front.program.wait_for_log(rf"worker {holder} died while it inspected")

    def test_once(self):
        """The other worker gives the verdict."""
        for octets, code in ((GOOD, 250), (demo_messages.infected(), 550)):
            with self.subTest(code):
                self._kill(self._begin(octets))
                self.assertEqual(self.client.reply().code, code)
                self.front.stop()

    def test_twice(self):
        """A message that two workers have died of is refused for now; the next one is served."""
        for octets in (GOOD, demo_messages.infected()):
            with self.subTest(octets[:20]):
                holder = self._begin(octets)
                self.assertEqual(self._deliver().code, 250)  # by one that is ready to have the message, too
                recorded = self.recorder.count()
                others = set(self.inspector.of("worker")) - {holder}
                for other in others:
                    kill(other, signal.SIGSTOP)
                self._kill(holder)
                for other in others:
                    kill(other)
                self.assertEqual(self.client.reply().code, 451, self.front.log())
                self.assertEqual(self.recorder.count(), recorded)
                self._wait_ready()
                self.assertEqual(self._deliver().code, 250)
                self.front.stop()


if __name__ == "__main__":
    unittest.main()

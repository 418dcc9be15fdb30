"""A test case for load tests: a back-end program, a proxy that starts again, and the books at the end."""

import contextlib
import time

from support import proxy as proxies
from support.backend_program import BackendProgram
from support.ledger import Ledger, Span
from support.load import Load, Outcome
from support.process import wait_until


class LoadTestCase(proxies.ProxyTestCase):
    """What runs ends with the test; at the end of each, check_books() prints the counts."""

    def setUp(self):
        super().setUp()
        self.kills = []   # the spans within which the proxy was killed
        self.drains = []  # those in which it drained

    def backend_program(self, *arguments):
        backend = BackendProgram(self.subfolder("back-end"), *arguments).start()
        self.addCleanup(backend.stop)
        return backend

    def load(self, proxy, **options):
        """Clients that deliver to proxy from now on."""
        return Load(proxy.port, **options).start()

    def kill_proxy(self, proxy):
        """SIGKILL, and a new start with the same configuration."""
        with self.span(self.kills):
            proxy.program.kill()
        self.assertEqual(proxy.program.orphans, [], "processes that outlived postern-proxy")
        self.start_again(proxy)

    @staticmethod
    @contextlib.contextmanager
    def span(spans):
        """Adds to spans how long the block ran."""
        began = time.monotonic()
        yield
        spans.append(Span(began, time.monotonic()))

    @staticmethod
    def start_again(proxy):
        """Starts a proxy that has ended, with the same log, and waits until it is ready."""
        proxy.start(ready=False)
        proxy.program.wait_for_log(rf"\[{proxy.program.pid}\]: notice: postern-proxy ", 30)

    def drain_proxy(self, proxy, seconds=20.0):
        """SIGTERM; it has to end by itself, with status 0."""
        with self.span(self.drains):
            status = proxy.program.stop(seconds=seconds)
        self.assertEqual(status, 0, proxy.log()[-2000:])

    def wait_for_acknowledged(self, load, count, seconds=30.0):
        """Waits until the clients of load got that many more acknowledgements."""
        wanted = load.count(Outcome.ACKNOWLEDGED) + count
        wait_until(lambda: load.count(Outcome.ACKNOWLEDGED) >= wanted, seconds,
                   f"{count} acknowledgements more", 0.02)

    def check_books(self, load, proxy, records, prefix_allowed=False, kills=0):
        """
        Compares what load, recorder and log say, once proxy has ended; all messages must have had their last
        word. kills: those of others than the proxy. Returns the ledger.
        """
        proxy.stop()
        lines = proxy.closing_lines("message")
        ledger = Ledger(load, records, lines, self.kills, self.drains, prefix_allowed)
        print(f"{self.id().partition('.')[2]}: {ledger.summary()}, {kills} other kills", flush=True)
        problems = ledger.problems()
        self.assertEqual(problems[:20], [], f"{len(problems)} breaches, log: {proxy.log()[-1500:]}")
        self.assertEqual([message.identifier for message in load.unsettled()], [])
        if not self.kills:
            self._check_session_lines(proxy)
        return ledger

    def _check_session_lines(self, proxy):
        """The lines of sessions say of messages what the lines of messages say."""
        accepted = sum(line["delivery"] == "accepted" for line in proxy.closing_lines("message"))
        told = sum(int(line["messages_accepted"]) for line in proxy.closing_lines("session"))
        self.assertEqual(told, accepted)

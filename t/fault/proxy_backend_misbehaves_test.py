"""Back-ends that stop reading, trickle, flood, or speak unasked: 451 in time, no 250, no growth."""

import time
import unittest

from support import proxy as proxies
from support import smtp, together, usage
from support.raw_backend import REPLIES, RawBackend
from support.process import wait_until

MEBIBYTE = 1024 * 1024
SMALL = b"Subject: small\r\n\r\nText\r\n"
LARGE = SMALL + (b"0123456789abcdef" * 4 + b"\r\n") * (12 * MEBIBYTE // 66)
TIMEOUT = 1.0
STEPS = ("GREETING", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA", "DOT")
ENDLESS_REPLY = b"250-and so on\r\n" * 4000
ENDLESS_LINE = b"250 " + b"x" * 60000


def load_tests(loader, tests, pattern):
    return together.Suite(tests, 2)


class Case:
    """A back-end with something on its mind, and a proxy before it."""

    def __init__(self, test, step=None, make=None, receive_buffer=None, **options):
        """make(back-end) gives the script."""
        self.test = test
        self.raw = RawBackend(step, receive_buffer=receive_buffer)
        self.raw.script = make(self.raw) if make else None
        self.raw.start()
        test.addCleanup(self.raw.stop)
        self.front = test.proxy(self.raw.port, proxy={
            "threads": 1, "backend_connections": 2, "relay_probe": "no", "backend_wait": "3s",
            "backend_timeout": f"{TIMEOUT:.0f}s", "backend_data_end_timeout": f"{TIMEOUT:.0f}s",
            "backend_idle": "200ms", **options})
        self.pid = self.front.program.pid

    def deliver(self, octets=SMALL, sender="a@load.example"):
        with smtp.Client(self.front.port, timeout=20) as client:
            client.ehlo()
            return client.deliver(sender, ["bob@example.org"], octets)

    def refused(self, octets=SMALL):
        """The client hears 451 in time; the log's delivery."""
        began = time.monotonic()
        reply = self.deliver(octets)
        waited = time.monotonic() - began
        self.test.assertEqual(reply.code, 451, reply)
        self.test.assertLess(waited, 4 * TIMEOUT + 6)
        return self.front.wait_for_closing_lines("message", 1)[-1]["delivery"]

    def recovers(self):
        """Once the back-end behaves, so does all the rest; its limit was kept."""
        self.raw.script = None
        wait_until(lambda: self.deliver(sender="later@load.example").code == 250, 15, pause=0.2)
        self.test.assertLessEqual(self.raw.maximum_connections, 2)
        self.test.assertLess(usage.processor_share(self.pid, 0.5), 0.2)
        wait_until(lambda: self.raw.connections == 0, 10)

    def stop(self):
        self.front.stop()
        self.raw.ended.set()


class BackEndMisbehaves(proxies.ProxyTestCase):
    def test_stops_reading_in_mid_message(self):
        """The dot cannot have left: delivery=failed. The slot is kept until the peer has had its time."""
        case = Case(self, "DATA", lambda raw: raw.after(REPLIES["DATA"], raw.deaf), receive_buffer=4096)
        self.assertEqual(case.refused(LARGE), "failed")
        case.recovers()

    def test_stops_reading_a_message_that_fits_the_buffers(self):
        """The dot has left: delivery=unknown."""
        case = Case(self, "DATA", lambda raw: raw.after(REPLIES["DATA"], raw.deaf))
        self.assertEqual(case.refused(), "unknown")
        case.recovers()

    def test_reads_slowly(self):
        """Slower in all than its time for a reply, but never still for so long: the message arrives."""
        def slow_reader(raw):
            def script(connection):
                connection.sendall(REPLIES["DATA"])
                tail = b""
                while not tail.endswith(b"\r\n.\r\n"):
                    octets = connection.recv(MEBIBYTE)
                    if not octets:
                        return
                    tail = (tail + octets)[-5:]
                    time.sleep(0.02)
                connection.sendall(b"250 2.0.0 Slow\r\n")
                raw.silent(connection)
            return script
        case = Case(self, "DATA", slow_reader, receive_buffer=65536, backend_data_end_timeout="20s")
        reply = case.deliver(LARGE)
        self.assertEqual((reply.code, reply.text), (250, "2.0.0 Slow"))

    def test_silent_at_each_step(self):
        """A connection that was given up takes its slot until the back-end has closed it too."""
        def is_silent(step):
            case = Case(self, step, lambda raw: raw.silent, backend_connections=1)
            self.assertEqual(case.refused(), "unknown" if step == "DOT" else "none")
            case.recovers()
            self.assertEqual(case.raw.maximum_connections, 1)
            case.stop()
        together.run_cases(self, is_silent, STEPS)

    def test_trickles_a_reply(self):
        """One octet at a time, each within the time that is for the whole reply."""
        def trickles(step):
            case = Case(self, step, lambda raw: raw.trickle(b"250-" + b"x" * 500, 0.3 * TIMEOUT))
            self.assertEqual(case.refused(), "unknown" if step == "DOT" else "none")
            case.recovers()
            case.stop()
        together.run_cases(self, trickles, ("GREETING", "EHLO", "MAIL", "DATA", "DOT"))

    def _check_floods(self, octets, steps):
        def floods(step):
            case = Case(self, step, lambda raw: raw.flood(octets))
            before = usage.resident_octets(case.pid)
            self.assertEqual(case.refused(), "unknown" if step == "DOT" else "none")
            if not usage.is_sanitized(case.pid):
                self.assertLess(usage.resident_octets(case.pid) - before, 4 * MEBIBYTE)
            case.recovers()
            case.stop()
        together.run_cases(self, floods, steps)

    def test_endless_lines(self):
        """Cut early, memory stays."""
        self._check_floods(ENDLESS_REPLY, STEPS)

    def test_endless_line(self):
        self._check_floods(ENDLESS_LINE, ("GREETING", "RCPT", "DOT"))

    def test_flood_in_mid_message(self):
        flood = b"250 2.0.0 Ok\r\n" * 1000
        case = Case(self, "DATA", lambda raw: raw.after(REPLIES["DATA"], raw.flood(flood)))
        self.assertEqual(case.refused(LARGE), "failed")
        case.recovers()

    def test_answers_the_dot_before_it_came(self):
        """A 250 behind the 354 is no answer to a message that has not been sent."""
        early = REPLIES["DATA"] + b"250 2.0.0 Queued\r\n"
        case = Case(self, "DATA", lambda raw: raw.after(early, raw.silent))
        self.assertEqual(case.refused(), "failed")
        case.recovers()

    def _fail_in_the_middle(self, octets):
        """The back-end has part of a message that still comes, says octets, and no more or closes."""
        def fails(raw):
            def script(connection):
                connection.sendall(REPLIES["DATA"])
                got = 0
                while got < MEBIBYTE:
                    got += len(connection.recv(65536))
                connection.sendall(octets)
                self.assertNotIn(b"\r\n.\r\n", connection.recv(65536))
            return script
        case = Case(self, "DATA", fails)
        client = smtp.Client(case.front.port, timeout=20)
        client.ehlo()
        client.command("MAIL FROM:<a@load.example>")
        client.command("RCPT TO:<bob@example.org>")
        self.assertEqual(client.command("DATA").code, 354)
        client.send(LARGE[:len(LARGE) // 2])  # more than the message that has passed is on its way
        wait_until(lambda: case.raw.scripts_run and not case.raw.connections, 20)
        client.send(LARGE[len(LARGE) // 2:] + b".\r\n")
        self.assertEqual(client.reply().code, 451)
        case.raw.script = None
        self.assertEqual(client.deliver("b@load.example", ["bob@example.org"], SMALL).code, 250)
        client.close()
        self.assertEqual(case.front.wait_for_closing_lines("message", 2)[0]["delivery"], "failed")
        case.stop()

    def test_fails_in_the_middle_of_a_message_that_still_comes(self):
        """What the client sends on is dropped, it hears 451 at its dot, and its next message passes."""
        together.run_cases(self, self._fail_in_the_middle, (
            b"", b"250 2.0.0 Queued\r\n", b"552 5.3.4 Too much\r\n", b"421 4.3.2 Bye\r\n"))

    def test_answers_everything_at_the_greeting(self):
        all_replies = b"".join([b"220 raw.example ESMTP\r\n", REPLIES["EHLO"], b"220 2.0.0 Ok\r\n",
                                b"250 2.0.0 Ok\r\n" * 9])
        case = Case(self, "GREETING", lambda raw: raw.after(all_replies, raw.silent))
        self.assertEqual(case.refused(), "none")
        case.recovers()

    def test_speaks_while_idle(self):
        """An idle connection on which the back-end speaks is closed; nobody is refused for it."""
        case = Case(self, backend_idle="20s", backend_connections=1)
        self.assertEqual(case.deliver().code, 250)
        for code in (b"250 2.0.0 Hello?\r\n", b"421 4.4.2 Bye\r\n"):
            case.raw.step, case.raw.script = "RSET", case.raw.after(REPLIES["RSET"] + code, case.raw.silent)
            with smtp.Client(case.front.port) as client:
                client.ehlo()
                client.envelope("a@load.example", "bob@example.org")
                self.assertEqual(client.command("RSET").code, 250)
            wait_until(lambda: case.raw.connections == 0, 10)
            case.raw.script = None
            self.assertEqual(case.deliver().code, 250)

    def test_never_says_goodbye(self):
        """QUIT without an answer: the slot comes free after its time, and not before."""
        case = Case(self, backend_connections=1, backend_wait="20s")
        # The proxy has its first look at the back-end behind it.
        self.assertEqual(case.deliver().code, 250)
        wait_until(lambda: case.raw.connections == 0, 10)
        case.raw.step, case.raw.script = "QUIT", case.raw.silent
        self.assertEqual(case.deliver().code, 250)
        wait_until(lambda: case.raw.scripts_run >= 1, 5)
        began = time.monotonic()
        self.assertEqual(case.deliver().code, 250)
        self.assertGreater(time.monotonic() - began, 3)
        self.assertEqual(case.raw.maximum_connections, 1)


if __name__ == "__main__":
    unittest.main()

"""Back-ends that stop reading, trickle, flood, or speak unasked: 451 in time, no 250, no growth."""

import time
import unittest

from support import proxy as proxies
from support import smtp, usage
from support.raw_backend import REPLIES, RawBackend
from support.process import wait_until

MEBIBYTE = 1024 * 1024
SMALL = b"Subject: small\r\n\r\nText\r\n"
LARGE = SMALL + (b"0123456789abcdef" * 4 + b"\r\n") * (12 * MEBIBYTE // 66)
TIMEOUT = 1.0
STEPS = ("GREETING", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA", "DOT")
ENDLESS_REPLY = b"250-and so on\r\n" * 4000
ENDLESS_LINE = b"250 " + b"x" * 60000


class BackEndMisbehaves(proxies.ProxyTestCase):
    def _set_up(self, step=None, make=None, receive_buffer=None, **options):
        """make(back-end) gives the script."""
        self.raw = RawBackend(step, receive_buffer=receive_buffer)
        self.raw.script = make(self.raw) if make else None
        self.raw.start()
        self.addCleanup(self.raw.stop)
        self.front = self.proxy(self.raw.port, proxy={
            "threads": 1, "backend_connections": 2, "relay_probe": "no", "backend_wait": "3s",
            "backend_timeout": f"{TIMEOUT:.0f}s", "backend_data_end_timeout": f"{TIMEOUT:.0f}s",
            "backend_idle": "200ms", **options})
        self.pid = self.front.program.pid

    def _deliver(self, octets=SMALL, sender="a@load.example"):
        with smtp.Client(self.front.port, timeout=20) as client:
            client.ehlo()
            return client.deliver(sender, ["bob@example.org"], octets)

    def _check_refusal(self, octets=SMALL, seconds=4 * TIMEOUT + 3):
        """The client hears 451 in time; the log's delivery."""
        began = time.monotonic()
        reply = self._deliver(octets)
        waited = time.monotonic() - began
        self.assertEqual(reply.code, 451, reply)
        self.assertLess(waited, seconds)
        return self.front.wait_for_closing_lines("message", 1)[-1]["delivery"]

    def _check_recovery(self):
        """Once the back-end behaves, so does all the rest; its limit was kept."""
        self.raw.script = None
        wait_until(lambda: self._deliver(sender="later@load.example").code == 250, 15, pause=0.2)
        self.assertLessEqual(self.raw.maximum_connections, 2)
        self.assertLess(usage.processor_share(self.pid, 0.5), 0.2)
        wait_until(lambda: self.raw.connections == 0, 10)

    def test_stops_reading_in_mid_message(self):
        """The dot cannot have left: delivery=failed. The slot is kept until the peer has had its time."""
        self._set_up("DATA", lambda raw: raw.after(REPLIES["DATA"], raw.deaf), receive_buffer=4096)
        self.assertEqual(self._check_refusal(LARGE), "failed")
        self._check_recovery()

    def test_stops_reading_a_message_that_fits_the_buffers(self):
        """The dot has left: delivery=unknown."""
        self._set_up("DATA", lambda raw: raw.after(REPLIES["DATA"], raw.deaf))
        self.assertEqual(self._check_refusal(), "unknown")
        self._check_recovery()

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
        self._set_up("DATA", slow_reader, receive_buffer=65536, backend_data_end_timeout="20s")
        reply = self._deliver(LARGE)
        self.assertEqual((reply.code, reply.text), (250, "2.0.0 Slow"))

    def test_silent_at_each_step(self):
        """A connection that was given up takes its slot until the back-end has closed it too."""
        for step in STEPS:
            with self.subTest(step):
                self._set_up(step, lambda raw: raw.silent, backend_connections=1)
                self.assertEqual(self._check_refusal(), "unknown" if step == "DOT" else "none")
                self._check_recovery()
                self.assertEqual(self.raw.maximum_connections, 1)
                self._stop()

    def _stop(self):
        self.front.stop()
        self.raw.ended.set()

    def test_trickles_a_reply(self):
        """One octet at a time, each within the time that is for the whole reply."""
        for step in ("GREETING", "EHLO", "MAIL", "DATA", "DOT"):
            with self.subTest(step):
                self._set_up(step, lambda raw: raw.trickle(b"250-" + b"x" * 500, 0.3 * TIMEOUT))
                self.assertEqual(self._check_refusal(), "unknown" if step == "DOT" else "none")
                self._check_recovery()
                self._stop()

    def test_endless_data(self):
        """Lines, or one line, without end: cut early, memory stays."""
        for octets, steps in ((ENDLESS_REPLY, STEPS), (ENDLESS_LINE, ("GREETING", "RCPT", "DOT"))):
            for step in steps:
                with self.subTest(step, octets=octets[:8]):
                    self._set_up(step, lambda raw, octets=octets: raw.flood(octets))
                    before = usage.resident_octets(self.pid)
                    self.assertEqual(self._check_refusal(), "unknown" if step == "DOT" else "none")
                    if not usage.is_sanitized(self.pid):
                        self.assertLess(usage.resident_octets(self.pid) - before, 4 * MEBIBYTE)
                    self._check_recovery()
                    self._stop()

    def test_flood_in_mid_message(self):
        self._set_up("DATA", lambda raw: raw.after(REPLIES["DATA"], raw.flood(b"250 2.0.0 Ok\r\n" * 1000)))
        self.assertEqual(self._check_refusal(LARGE), "failed")
        self._check_recovery()

    def test_answers_the_dot_before_it_came(self):
        """A 250 behind the 354 is no answer to a message that has not been sent."""
        self._set_up("DATA", lambda raw: raw.after(REPLIES["DATA"] + b"250 2.0.0 Queued\r\n", raw.silent))
        self.assertEqual(self._check_refusal(), "failed")
        self._check_recovery()

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
        self._set_up("DATA", fails)
        client = smtp.Client(self.front.port, timeout=20)
        client.ehlo()
        client.command("MAIL FROM:<a@load.example>")
        client.command("RCPT TO:<bob@example.org>")
        self.assertEqual(client.command("DATA").code, 354)
        client.send(LARGE[:len(LARGE) // 2])  # more than the message that has passed is on its way
        wait_until(lambda: self.raw.scripts_run and not self.raw.connections, 20)
        client.send(LARGE[len(LARGE) // 2:] + b".\r\n")
        self.assertEqual(client.reply().code, 451)
        self.raw.script = None
        self.assertEqual(client.deliver("b@load.example", ["bob@example.org"], SMALL).code, 250)
        client.close()
        self.assertEqual(self.front.wait_for_closing_lines("message", 2)[0]["delivery"], "failed")
        self._stop()

    def test_fails_in_the_middle_of_a_message_that_still_comes(self):
        """What the client sends on is dropped, it hears 451 at its dot, and its next message passes."""
        for octets in (b"", b"250 2.0.0 Queued\r\n", b"552 5.3.4 Too much\r\n", b"421 4.3.2 Bye\r\n"):
            with self.subTest(octets):
                self._fail_in_the_middle(octets)

    def test_answers_everything_at_the_greeting(self):
        all_replies = b"".join([b"220 raw.example ESMTP\r\n", REPLIES["EHLO"], b"220 2.0.0 Ok\r\n",
                                b"250 2.0.0 Ok\r\n" * 9])
        self._set_up("GREETING", lambda raw: raw.after(all_replies, raw.silent))
        self.assertEqual(self._check_refusal(), "none")
        self._check_recovery()

    def test_speaks_while_idle(self):
        """An idle connection on which the back-end speaks is closed; nobody is refused for it."""
        self._set_up(backend_idle="20s", backend_connections=1)
        self.assertEqual(self._deliver().code, 250)
        for code in (b"250 2.0.0 Hello?\r\n", b"421 4.4.2 Bye\r\n"):
            self.raw.step, self.raw.script = "RSET", self.raw.after(REPLIES["RSET"] + code, self.raw.silent)
            with smtp.Client(self.front.port) as client:
                client.ehlo()
                client.envelope("a@load.example", "bob@example.org")
                self.assertEqual(client.command("RSET").code, 250)
            wait_until(lambda: self.raw.connections == 0, 10)
            self.raw.script = None
            self.assertEqual(self._deliver().code, 250)

    def test_never_says_goodbye(self):
        """QUIT without an answer: the slot comes free after its time, and not before."""
        self._set_up(backend_connections=1, backend_wait="20s")
        self.raw.step, self.raw.script = "QUIT", self.raw.silent
        self.assertEqual(self._deliver().code, 250)
        wait_until(lambda: self.raw.scripts_run >= 1, 5)
        began = time.monotonic()
        self.assertEqual(self._deliver().code, 250)
        self.assertGreater(time.monotonic() - began, 3)
        self.assertEqual(self.raw.maximum_connections, 1)


if __name__ == "__main__":
    unittest.main()

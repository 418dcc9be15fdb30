"""A back-end that is down, busy, silent, mad or cut off: 451 in the session, a line in the log."""

import signal
import threading
import time
import unittest

from support import ports
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.recording_backend import RecordingBackend
from support.smtp import Client, crlf

MESSAGE = crlf("Subject: down\n\nHello.\n")
SENDER, RECIPIENT = "a@sender.example", "b@example.org"

# What goes wrong before a transaction: (options of the back-end, what the log says).
OPENING_TROUBLE = {
    "busy": ({"refuse": {"greeting": "421 4.3.2 Too busy"}}, "refused the connection: 421 4.3.2 Too busy"),
    "greeting 554": ({"refuse": {"greeting": "554 5.7.1 Go away"}},
                     "refused the connection: 554 5.7.1 Go away"),
    "EHLO refused": ({"refuse": {"ehlo": "502 5.5.1 No EHLO"}}, "refused EHLO: 502 5.5.1 No EHLO"),
    "EHLO refused for now": ({"refuse": {"ehlo": "451 4.3.0 Later"}}, "refused EHLO: 451 4.3.0 Later"),
    "garbage for a greeting": ({"form": {"greeting": "garbage"}}, "does not speak SMTP"),
    "garbage for EHLO": ({"form": {"ehlo": "garbage"}}, "does not speak SMTP"),
    "endless greeting": ({"form": {"greeting": "endless"}}, "does not speak SMTP"),
    "endless EHLO": ({"form": {"ehlo": "endless"}}, "does not speak SMTP"),
    "cut at the greeting": ({"drop": {"greeting"}}, "closed the connection"),
    "cut at EHLO": ({"drop": {"ehlo"}}, "closed the connection"),
    "silent": ({"pause": {"greeting": 30}}, "did not answer in time"),
    "silent after EHLO": ({"pause": {"ehlo": 30}}, "did not answer in time"),
}
SHORT_WAITS = {"backend_timeout": "400ms", "backend_data_end_timeout": "400ms"}


class BackendDownTest(ProxyTestCase):
    def connect(self, server):
        client = Client(server.port)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def deliver(self, server):
        with Client(server.port) as client:
            client.ehlo()
            return client.deliver(SENDER, [RECIPIENT], MESSAGE).code

    def wait_for_service(self, server, seconds=10.0):
        wait_until(lambda: self.deliver(server) == 250, seconds, "service")

    def assert_errors(self, server, reason, maximum=1):
        """The log names the trouble, and does not repeat itself for each client."""
        errors = [line for line in server.log().splitlines() if ": error: " in line and reason in line]
        self.assertTrue(1 <= len(errors) <= maximum, server.log())

    def test_down_at_the_start(self):
        port = ports.free_port()
        server = self.proxy(port)
        client = self.connect(server)
        started = time.monotonic()
        for _ in range(3):
            replies = client.pipeline(f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "DATA", "RSET")
            self.assertEqual([reply.code for reply in replies], [250, 451, 451, 250])
            self.assertEqual(replies[1].enhanced, "4.3.0")
        self.assertLess(time.monotonic() - started, 8)
        self.assert_errors(server, "Connection refused")
        backend = RecordingBackend(self.subfolder("messages"), port=port).start()
        self.addCleanup(backend.stop)
        server.program.wait_for_log("in service")
        self.wait_for_service(server)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)

    def test_down_later_and_back(self):
        backend = self.backend()
        server = self.proxy(backend)
        for _ in range(2):
            self.wait_for_service(server)
            backend.stop()
            self.assertEqual(self.deliver(server), 451)
            self.assertEqual(self.deliver(server), 451)
            backend.start()
        self.wait_for_service(server)
        self.assert_errors(server, "Connection refused", 2)

    def suffer(self, backend, server, reason):
        """Two clients get 451, the log says why, and after the trouble all is well again."""
        client = self.connect(server)
        for _ in range(2):
            codes = [reply.code for reply in client.envelope(SENDER, RECIPIENT)]
            self.assertEqual(codes, [250, 451])
            self.assertEqual(client.command("RSET").code, 250)
        server.program.wait_for_log(": error: back-end .*" + reason)
        self.assert_errors(server, reason)
        options = backend.options
        for table in (options.refuse, options.form, options.pause, options.drop):
            table.clear()
        server.program.send_signal(signal.SIGHUP)
        self.wait_for_service(server)
        self.assertEqual(client.quit().code, 221)

    def test_trouble_with_the_opening(self):
        failures, threads = [], []

        def run(name, *arguments):
            try:
                self.suffer(*arguments)
            except Exception as error:
                failures.append(f"{name}: {error!r}")
        for name, (options, reason) in OPENING_TROUBLE.items():
            backend = self.backend(**options)
            settings = SHORT_WAITS if "pause" in options else {}
            server = self.proxy(backend, proxy={"threads": 1, **settings})
            threads.append(threading.Thread(target=run, args=(name, backend, server, reason)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def assert_cut(self, drop, code, delivery, recorded):
        """A back-end that cuts the connection at that step."""
        backend = self.backend()
        server = self.proxy(backend, proxy={"threads": 1})
        self.wait_for_service(server)
        backend.options.drop.add(drop)
        client = self.connect(server)
        reply = client.deliver(SENDER, [RECIPIENT], MESSAGE)
        self.assertEqual(reply.code, code, reply)
        client.command("RSET")
        line = server.wait_for_closing_lines("message", 2)[1]
        self.assertEqual(line["delivery"], delivery)
        self.assertEqual(len(backend.messages()) - 1, recorded)
        backend.options.drop.clear()
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        server.stop()

    def test_connection_cut_in_a_transaction(self):
        for drop, delivery, recorded in (
                ("xclient", "none", 0), ("mail", "none", 0), ("rcpt", "none", 0), ("data", "none", 0),
                ("dot", "unknown", 0), ("recorded", "unknown", 1), ("half-reply", "unknown", 1)):
            with self.subTest(drop):
                self.assert_cut(drop, 451, delivery, recorded)

    def test_connection_cut_in_the_middle_of_a_large_message(self):
        backend = self.backend(drop={"body"})
        server = self.proxy(backend, proxy={"threads": 1})
        client = self.connect(server)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE + b"x" * 8000000 + b"\r\n").code, 451)
        self.assertIn(server.wait_for_closing_lines("message", 1)[0]["delivery"], ("failed", "unknown"))
        self.assertEqual(backend.messages(), [])

    def test_silence_in_a_transaction(self):
        for step, delivery in (("xclient", "none"), ("mail", "none"), ("rcpt", "none"), ("data", "none"),
                               ("dot", "unknown")):
            with self.subTest(step):
                backend = self.backend()
                server = self.proxy(backend, proxy={"threads": 1, **SHORT_WAITS})
                self.wait_for_service(server)
                backend.options.pause[step] = 3
                client = self.connect(server)
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 451)
                client.command("RSET")
                self.assertEqual(server.wait_for_closing_lines("message", 2)[1]["delivery"], delivery)
                server.stop()

    def test_mad_replies_in_a_transaction(self):
        for step in ("xclient", "mail", "rcpt", "data", "dot"):
            for form in ("garbage", "endless"):
                with self.subTest(step, form=form):
                    backend = self.backend()
                    server = self.proxy(backend, proxy={"threads": 1})
                    self.wait_for_service(server)
                    backend.options.form[step] = form
                    client = self.connect(server)
                    self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 451)
                    backend.options.form.clear()
                    client.command("RSET")
                    self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
                    server.stop()

    def test_a_long_refusal_stays_one(self):
        """However much a back-end has to say: its code counts, and the client hears a part."""
        for step, reply in (("rcpt", "550 5.1.1 No"), ("data", "554 5.7.1 No"), ("dot", "550 5.7.1 No"),
                            ("dot", "452 4.3.1 No"), ("mail", "550 5.7.1 No"), ("xclient", "554 5.7.1 No")):
            for form in ("long", "overlong"):
                with self.subTest(step, form=form):
                    backend = self.backend()
                    server = self.proxy(backend, proxy={"threads": 1})
                    self.wait_for_service(server)
                    backend.options.refuse[step] = reply
                    backend.options.form[step] = form
                    with Client(server.port) as client:
                        client.ehlo()
                        heard = client.deliver(SENDER, [RECIPIENT], MESSAGE)
                    self.assertEqual(f"{heard.code} {heard.text[:8]}", reply)
                    self.assertLess(len(heard.raw), 2100)
                    server.stop()

    def test_odd_but_right_replies(self):
        for form in ("multiline", "split", "code", "newline", "long", "overlong"):
            with self.subTest(form):
                backend = self.backend(form={"*": form, "ehlo": "plain" if form == "code" else form})
                # Codes without a word do not say that it was relaying that they refused.
                server = self.proxy(backend, proxy={"relay_probe": "no"} if form == "code" else {})
                self.assertEqual(self.deliver(server), 250)
                self.assertEqual(backend.messages()[0].octets, MESSAGE)
                server.stop()

    def test_back_end_that_comes_back_before_the_dot(self):
        backend = self.backend()
        server = self.proxy(backend, proxy={"threads": 1})
        client = self.connect(server)
        self.assertEqual([reply.code for reply in client.envelope(SENDER, RECIPIENT)], [250, 250])
        self.assertEqual(client.command("DATA").code, 354)
        backend.stop()
        client.send(MESSAGE)
        backend.start()
        client.send(b".\r\n")
        self.assertEqual(client.reply().code, 250)
        record = backend.messages()[0]
        self.assertEqual((record.octets, record.sender, record.recipients), (MESSAGE, SENDER, [RECIPIENT]))

    def test_back_end_that_is_gone_at_the_dot(self):
        backend = self.backend()
        server = self.proxy(backend, proxy={"threads": 1})
        client = self.connect(server)
        client.envelope(SENDER, RECIPIENT)
        client.command("DATA")
        backend.stop()
        client.send(MESSAGE + b".\r\n")
        reply = client.reply()
        self.assertEqual((reply.code, reply.enhanced), (451, "4.3.0"))
        line = server.wait_for_closing_lines("message", 1)[0]
        self.assertEqual(line["delivery"], "none")
        self.assertRegex(line["failure"], "Connection refused|closed the connection")
        self.assertEqual(client.command("NOOP").code, 250)

    def test_refusals_of_a_repeated_transaction_step(self):
        """RSET that is refused, a connection that ends while it is idle: the next client does not notice."""
        backend = self.backend()
        server = self.proxy(backend, proxy={"threads": 1})
        backend.options.refuse["rset"] = "500 5.5.2 What?"
        for _ in range(3):
            client = self.connect(server)
            self.assertEqual([reply.code for reply in client.envelope(SENDER, RECIPIENT)], [250, 250])
            self.assertEqual(client.command("RSET").code, 250)
            client.close()
        self.assertEqual(self.deliver(server), 250)


if __name__ == "__main__":
    unittest.main()

"""Never an open relay: a back-end that cannot judge the client, or judges wrongly, is not used."""

import signal
import socket
import threading
import unittest

from support.process import wait_until
from support.proxy import ProxyTestCase, run_program
from support.smtp import Client, crlf

MESSAGE = crlf("Subject: relay\n\nHello.\n")
SENDER, RECIPIENT, FOREIGN = "a@sender.example", "b@example.org", "x@elsewhere.example"

# Ways to write a recipient, and the answer where our domains are example.org and example.net.
RECIPIENTS = (
    ("b@example.org", 250),
    ("B@EXAMPLE.ORG", 250),
    ("b@example.net", 250),
    ("postmaster", 250),
    ("PostMaster", 250),
    ('"quoted b"@example.org', 250),
    ("b+x=y.elsewhere.example@example.org", 250),
    ("x@elsewhere.example", 554),
    ("x@sub.example.org", 554),
    ("x@example.org.elsewhere.example", 554),
    ("x@notexample.org", 554),
    ("x%elsewhere.example@example.org", 554),
    ("x%elsewhere.example%more.example@example.org", 554),
    ("elsewhere.example!x@example.org", 554),
    ('"x@elsewhere.example"@example.org', 554),
    ('"x%elsewhere.example"@example.org', 554),
    ("@example.org:x@elsewhere.example", 554),
    ("@elsewhere.example,@example.org:x@elsewhere.example", 554),
    ("x@[127.0.0.1]", 554),
    ("x@[192.0.2.1]", 554),
    ("bob", 554),
    ("b@xn--bcher-kva.example", 250),
    ("b@b\u00fccher.example", 250),
    ("b@B\u00dcCHER.example", 250),
    ("b@fass.example", 250),
    ("b@fa\u00df.example", 554),  # another domain (IDNA2008)
)


class Forwarder:
    """Hands connections on to another port: a loop that no configuration shows."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target = None
        self.sockets = []
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        for one in [self.listener, *self.sockets]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def _serve(self):
        try:
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self.target))
                self.sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()
        except OSError:
            pass

    @staticmethod
    def _copy(source, target):
        try:
            while octets := source.recv(65536):
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class RelayTest(ProxyTestCase):
    def codes(self, server, recipient=RECIPIENT):
        """The codes of MAIL and RCPT in a session of its own."""
        with Client(server.port) as client:
            client.ehlo()
            codes = [reply.code for reply in client.envelope(SENDER, recipient)]
            client.quit()
        return codes

    def assert_unusable(self, recorder, server, reason):
        """Clients get 451, the log has the reason once, and the back-end never got a message."""
        for _ in range(3):
            self.assertEqual(self.codes(server), [250, 451])
        with Client(server.port) as client:
            client.ehlo()
            replies = client.envelope(SENDER, RECIPIENT)
            self.assertEqual(replies[-1].enhanced, "4.3.0")
            self.assertEqual(client.command("DATA").code, 451)
        server.program.wait_for_log(": error: ")
        errors = [line for line in server.log().splitlines() if ": error: " in line]
        self.assertEqual(len(errors), 1, errors)
        self.assertIn(reason, errors[0])
        self.assertIn(f"127.0.0.1:{recorder.port}", errors[0])
        self.assertEqual(recorder.messages(), [])

    def assert_usable(self, server):
        with Client(server.port) as client:
            client.ehlo()
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)

    def test_back_end_without_xclient(self):
        recorder = self.backend(xclient="absent")
        server = self.proxy(recorder)
        self.assert_unusable(recorder, server, "does not offer XCLIENT ADDR")
        self.assertIn("smtpd_authorized_xclient_hosts", server.log())

    def test_back_end_that_refuses_xclient(self):
        recorder = self.backend(xclient="refuse")
        self.assert_unusable(recorder, self.proxy(recorder), "refused XCLIENT: 550 5.7.0")

    def test_back_end_without_xforward(self):
        recorder = self.backend()
        server = self.proxy(recorder,
                            proxy={"client_address": "xforward", "recipient_domains": "example.org"})
        self.assert_unusable(recorder, server, "does not offer XFORWARD ADDR")

    def test_back_end_that_refuses_xclient_later(self):
        count = []

        def rule(_, step, __):
            count.append(step)
            return "550 5.7.0 Error: insufficient authorization" if count.count("xclient") > 3 else None
        recorder = self.backend()
        recorder.options.rule = rule
        server = self.proxy(recorder, proxy={"threads": 1})
        self.assert_usable(server)
        self.assert_usable(server)
        self.assertEqual(self.codes(server), [250, 451])
        self.assertIn("refused XCLIENT: 550", server.log())

    def test_open_relay_is_condemned_until_it_is_mended(self):
        recorder = self.backend(domains=["example.org", "example.com"])
        server = self.proxy(recorder)
        self.assert_unusable(recorder, server, "it is an open relay")
        self.assertIn("RCPT TO:<relay-probe@example.com>", recorder.commands())
        self.assertTrue(any(command.startswith("XCLIENT ADDR=192.0.2.1 ") for command in recorder.commands()))
        recorder.options.domains = ["example.org"]
        server.program.send_signal(signal.SIGHUP)
        server.program.wait_for_log("in service")
        wait_until(lambda: self.codes(server) == [250, 250], what="service after the back-end was mended")
        self.assert_usable(server)

    def test_back_end_that_becomes_an_open_relay(self):
        recorder = self.backend()
        server = self.proxy(recorder)
        self.assert_usable(server)
        recorder.options.domains = ["example.org", "example.com"]
        server.program.send_signal(signal.SIGHUP)
        server.program.wait_for_log("it is an open relay")
        wait_until(lambda: self.codes(server) == [250, 451], what="the end of service")

    def test_probe_can_be_switched_off(self):
        recorder = self.backend(domains=["example.org", "example.com"])
        server = self.proxy(recorder, proxy={"relay_probe": "no"})
        self.assert_usable(server)
        self.assertFalse(any("relay-probe" in command for command in recorder.commands()))

    def test_probe_leaves_nothing_behind(self):
        recorder = self.backend()
        server = self.proxy(recorder, proxy={"threads": 1})
        self.assert_usable(server)
        self.assertEqual(len(recorder.messages()), 1)
        self.assertEqual(recorder.messages()[0].xclient["ADDR"], "127.0.0.1")
        self.assertEqual(recorder.messages()[0].recipients, [RECIPIENT])

    def test_the_back_end_judges_by_the_address_of_the_client(self):
        recorder = self.backend()
        recorder.options.rule = lambda session, step, address: (
            "554 5.7.1 Relay access denied" if step == "rcpt" and address == FOREIGN
            and session.client.get("ADDR") != "127.0.0.9" else None)
        server = self.proxy(recorder)
        self.assertEqual(self.codes(server, FOREIGN), [250, 554])
        with Client(server.port, source="127.0.0.9") as client:
            client.ehlo()
            self.assertEqual([reply.code for reply in client.envelope(SENDER, FOREIGN)], [250, 250])

    def test_recipient_domains_are_enforced(self):
        for way in ("none", "xforward", "xclient"):
            # To this back-end all recipients are welcome: the proxy alone decides.
            recorder = self.backend(xforward=True, keywords=["8BITMIME", "SMTPUTF8"])
            recorder.options.rule = lambda _, step, address: (
                "250 2.1.5 Ok" if step == "rcpt" and "relay-probe" not in address else None)
            server = self.proxy(recorder, proxy={"client_address": way, "recipient_domains": [
                "example.org", "Example.Net", "xn--bcher-kva.example", "fass.example"]})
            for path, code in RECIPIENTS:
                with self.subTest(way, path=path), Client(server.port) as client:
                    client.ehlo()
                    utf8 = "" if path.isascii() else "SMTPUTF8"
                    reply = client.envelope(SENDER, path, mail_parameters=utf8)[-1]
                    self.assertEqual(reply.code, code, reply)
            asked = {command for command in recorder.commands() if command.startswith("RCPT")}
            passed = {f"RCPT TO:<{path}>" for path, code in RECIPIENTS if code == 250}
            self.assertEqual({command for command in asked if "relay-probe" not in command}, passed)

    def test_domains_must_be_given_where_the_back_end_cannot_judge(self):
        for way in ("none", "xforward"):
            path = self.folder / "relay.conf"
            path.write_text(f"[proxy]\nlisten = 0.0.0.0:2525\nclient_address = {way}\n")
            result = run_program("postern-proxy", "--config", path, "--check-config")
            self.assertEqual(result.returncode, 78)
            self.assertIn("recipient_domains", result.stderr)

    def test_relay_tries_end_the_session(self):
        recorder = self.backend()
        server = self.proxy(recorder, proxy={"client_address": "none", "recipient_domains": "example.org"})
        with Client(server.port) as client:
            client.ehlo()
            client.command("MAIL FROM:<>")
            client.send(b"RCPT TO:<x@elsewhere.example>\r\n" * 22)
            self.assertIn(b"421 4.7.0 Too many errors", client.wait_closed())

    def test_proxy_that_is_its_own_back_end(self):
        for way in ("xclient", "none"):
            with self.subTest(way):
                forwarder = Forwarder()
                self.addCleanup(forwarder.close)
                server = self.proxy(forwarder.port, ready=False, proxy={
                    "client_address": way, "recipient_domains": "example.org"})
                forwarder.target = server.port
                server.program.wait_for_log("the back-end is this proxy itself", 60)
                self.assertEqual(self.codes(server), [250, 451])
                self.assertLess(forwarder.connections, 20)

    def test_configuration_that_shows_the_loop(self):
        path = self.folder / "loop.conf"
        path.write_text("[proxy]\nlisten = 127.0.0.1:2525\nbackend = 127.0.0.1:2525\n")
        result = run_program("postern-proxy", "--config", path, "--check-config")
        self.assertEqual(result.returncode, 78)
        self.assertIn("loop", result.stderr)


if __name__ == "__main__":
    unittest.main()

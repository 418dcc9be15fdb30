"""STARTTLS with clients (RFC 3207), from a real client's handshake to the message at the back-end."""

import os
import signal
import socket
import ssl
import subprocess
import unittest

from support import ports
from support.certificates import Certificate, anybody
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
MESSAGE = crlf("Subject: protected\n\nHello.\n.a dot\n")


class StarttlsTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.certificate = Certificate(self.folder, "mx.example.org", "mail.example.org")
        self.folder.chmod(0o755)
        self.running = self.backend()

    def front(self, tls="may", certificates=None, keys=None, **groups):
        own = {"certificates": certificates or self.certificate.certificate,
               "keys": keys or self.certificate.key, **groups.pop("tls_group", {})}
        return self.proxy(self.running, proxy={"tls": tls, "threads": 1, **groups.pop("proxy", {})}, tls=own,
                          **groups)

    def secured(self, server, context=None, name="mx.example.org"):
        client = Client(server.port)
        self.addCleanup(client.close)
        client.ehlo()
        self.assertIn("STARTTLS", client.capabilities)
        self.assertEqual(client.command("STARTTLS").code, 220)
        client.socket = (context or self.certificate.context()).wrap_socket(client.socket,
                                                                            server_hostname=name)
        return client

    def test_a_message(self):
        server = self.front()
        client = self.secured(server)
        # EHLO holds no longer: the mail server is told that there was none, and wants one.
        self.assertEqual(client.command("MAIL FROM:<a@sender.example>").code, 250)
        self.assertEqual(client.command("RCPT TO:<b@example.org>").code, 503)
        client.ehlo()
        self.assertNotIn("STARTTLS", client.capabilities)
        self.assertEqual(client.command("STARTTLS").code, 503)
        large = MESSAGE + b"x" * 70 + b"\r\n" + b"y" * 70 + b"\r\n"
        for octets in (MESSAGE, large * 20_000, MESSAGE):
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], octets).code, 250)
            self.assertEqual(self.running.messages()[-1].octets, octets)
        self.assertEqual(client.quit().code, 221)
        lines = server.wait_for_closing_lines("message", 3)
        version, cipher = lines[0]["tls"].split(" ")
        self.assertEqual(version, "TLSv1.3")
        self.assertIn(cipher, ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"))
        self.assertEqual(server.wait_for_closing_lines("session", 1)[0]["tls"], lines[0]["tls"])

    def test_a_client_that_leaves_while_it_is_parked(self):
        server = self.front(log={"level": "debug"})
        client = self.secured(server)
        client.ehlo()
        server.program.wait_for_log("command -> parked")
        client.close()
        self.assertRegex(server.wait_for_closing_lines("session", 1)[0]["tls"], r"TLSv1\.3 TLS_")

    def test_pipelined_commands_and_octets_one_by_one(self):
        client = self.secured(self.front())
        replies = client.pipeline("EHLO client.example", f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>",
                                  "DATA")
        self.assertEqual([reply.code for reply in replies], [250, 250, 250, 354])
        client.send_slowly(MESSAGE + b".\r\n")
        self.assertEqual(client.reply().code, 250)
        self.assertEqual(self.running.messages()[0].octets, MESSAGE.replace(b"\r\n.a", b"\r\na"))

    def test_what_comes_behind_starttls_is_thrown_away(self):
        """CVE-2011-0411: what somebody on the way adds is never taken for what was protected."""
        server = self.front()
        for octets in (b"EHLO evil.example\r\n", b"\x16\x03\x01",
                       b"MAIL FROM:<evil@evil.example>\r\nRCPT TO:<x@example.org>\r\n"):
            with Client(server.port) as client:
                client.ehlo()
                client.send(b"STARTTLS\r\n" + octets)
                self.assertEqual(client.reply().code, 554)
                self.assertEqual(client.wait_closed(), b"")
        ends = {line["ended"] for line in server.wait_for_closing_lines("session", 3)}
        self.assertEqual(ends, {"early-tls"})
        self.assertEqual(self.running.messages(), [])

    def test_encrypt(self):
        server = self.front("encrypt")
        with Client(server.port) as client:
            client.ehlo()
            for command in ("MAIL FROM:<a@sender.example>", "VRFY b@example.org", "DATA"):
                reply = client.command(command)
                self.assertEqual((reply.code, reply.enhanced), (530, "5.7.0"))
            self.assertEqual(client.command("NOOP").code, 250)
        client = self.secured(server)
        client.ehlo()
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)

    def test_encrypt_observed(self):
        server = self.front("encrypt", proxy={"mode": "observe"})
        with Client(server.port) as client:
            client.ehlo()
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        self.assertIn("530 5.7.0", server.wait_for_closing_lines("session", 1)[0]["would_reply"])

    def test_off(self):
        server = self.proxy(self.running)
        with Client(server.port) as client:
            client.ehlo()
            self.assertNotIn("STARTTLS", client.capabilities)
            self.assertEqual(client.command("STARTTLS").code, 502)

    def test_names(self):
        """The client's server name chooses the certificate, and its ciphers the kind of key."""
        other = Certificate(self.folder, "mx.example.net")
        rsa = Certificate(self.folder, *self.certificate.names, kind="rsa")
        chosen = [self.certificate, other, rsa]
        server = self.front(certificates=[str(item.certificate) for item in chosen],
                            keys=[str(item.key) for item in chosen])
        for certificate in (self.certificate, other):
            for name in certificate.names:
                self.secured(server, certificate.context(), name)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.secured(server, other.context(), "mx.example.com")
        old = anybody()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        for ciphers, certificate in (("ECDHE-RSA-AES128-GCM-SHA256", rsa),
                                     ("ECDHE-ECDSA-AES128-GCM-SHA256", self.certificate)):
            old.set_ciphers(ciphers)
            client = self.secured(server, old, "mail.example.org")
            self.assertEqual(client.socket.getpeercert(True),
                             ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text()))

    def test_versions_and_ciphers(self):
        server = self.front(certificates=self.certificate.both, keys="")
        refused = server.program
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            old = anybody()
            old.set_ciphers("ALL:@SECLEVEL=0")
            old.minimum_version = old.maximum_version = version
            with self.assertRaises((ssl.SSLError, OSError)):
                self.secured(server, old)
        refused.wait_for_log("TLS with client 127.0.0.1 failed: unsupported protocol")
        weak = anybody()
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-SHA:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, OSError)):
            self.secured(server, weak)
        refused.wait_for_log("TLS with client 127.0.0.1 failed: no shared cipher")
        self.assertEqual(self.secured(server).command("NOOP").code, 250)

    def test_no_renegotiation(self):
        server = self.front()
        result = subprocess.run(
            ["openssl", "s_client", "-starttls", "smtp", "-tls1_2", "-connect", f"127.0.0.1:{server.port}"],
            input=b"R\nNOOP\n", capture_output=True, timeout=30, check=False)
        self.assertIn(b"no renegotiation", result.stderr + result.stdout)

    def test_clients_that_stop_in_the_middle(self):
        server = self.front(proxy={"client_timeout": "1s"})
        for octets in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 6000):
            for leaves in (True, False):
                client = Client(server.port)
                client.ehlo()
                client.command("STARTTLS")
                client.send(octets)
                if leaves:
                    client.close()
                else:
                    client.wait_closed()
                    client.close()
        server.wait_for_closing_lines("session", 10)
        self.assertEqual(self.secured(server).command("NOOP").code, 250)

    def test_an_end_that_was_not_announced(self):
        """The connection is cut in a message that nobody has ended: it is no message."""
        server = self.front()
        client = self.secured(server)
        client.ehlo()
        client.envelope(SENDER, RECIPIENT)
        client.command("DATA")
        client.send(MESSAGE)
        socket.socket.shutdown(client.socket, socket.SHUT_WR)
        server.wait_for_closing_lines("session", 1)
        self.assertEqual(self.running.messages(), [])

    def test_reload(self):
        """A new certificate is for new sessions; one that cannot be read leaves the old in service."""
        path, key = self.folder / "current.crt", self.folder / "current.key"

        def put(certificate):
            path.write_bytes(certificate.certificate.read_bytes())
            key.write_bytes(certificate.key.read_bytes())
        put(self.certificate)
        server = self.front(certificates=path, keys=key)
        old = self.secured(server)
        new = Certificate(self.folder, "new.example.org", "mx.example.org")
        put(new)
        server.program.send_signal(signal.SIGHUP)
        server.program.wait_for_log("the configuration was read again")
        wait_until(lambda: self.is_trusted(server, new), what="the new certificate")
        old.ehlo()
        self.assertEqual(old.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        path.write_text("no certificate")
        server.program.send_signal(signal.SIGHUP)
        server.program.wait_for_log(r"current\.crt: no certificate in PEM form")
        self.assertTrue(self.is_trusted(server, new))

    @unittest.skipUnless(os.geteuid() == 0, "what only root can read")
    def test_a_key_that_a_reload_could_not_read(self):
        """Root reads it at the start; the log tells at once, not when the certificate has expired."""
        self.certificate.key.chmod(0o600)
        server = self.front()
        server.program.wait_for_log(r"cannot read the certificates and keys again.*-ecdsa\.key")
        self.assertEqual(self.secured(server).command("NOOP").code, 250)

    def test_files_that_change(self):
        """The same without a signal, and no session ends."""
        path = self.folder / "current.pem"
        path.write_bytes(self.certificate.both.read_bytes())
        server = self.front(certificates=path, keys=path)
        old = self.secured(server)
        new = Certificate(self.folder, "new.example.org", "mx.example.org")
        path.write_text("no certificate")
        server.program.wait_for_log(r"those of before stay in service: .*current\.pem: no certificate in PEM")
        self.assertTrue(self.is_trusted(server, self.certificate))
        (self.folder / "next.pem").write_bytes(new.both.read_bytes())
        (self.folder / "next.pem").rename(path)
        server.program.wait_for_log("the certificates were read again")
        self.assertTrue(self.is_trusted(server, new))
        self.assertFalse(self.is_trusted(server, self.certificate))
        old.ehlo()
        self.assertEqual(old.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)

    def implicit(self, port, context=None, session=None):
        client = Client(port, greet=False)
        self.addCleanup(client.close)
        context = context or self.certificate.context()
        client.socket = context.wrap_socket(client.socket, server_hostname="mx.example.org", session=session)
        client.greeting = client.reply()
        client.ehlo()
        return client

    def test_implicit_tls(self):
        """TLS from the first octet on (RFC 8314), and tickets that all threads and reloads know."""
        port = ports.free_port()
        server = self.front("off", proxy={"tls_listen": f"127.0.0.1:{port}", "threads": 2})
        with Client(server.port) as client:
            client.ehlo()
            self.assertNotIn("STARTTLS", client.capabilities)
        context = self.certificate.context()
        client = self.implicit(port, context)
        self.assertEqual(client.greeting.code, 220)
        self.assertNotIn("STARTTLS", client.capabilities)
        self.assertEqual(client.command("STARTTLS").code, 503)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        session = client.socket.session
        client.quit()
        for _ in range(12):
            client = self.implicit(port, context, session)
            self.assertTrue(client.socket.session_reused)
            client.quit()
        server.program.send_signal(signal.SIGHUP)
        server.program.wait_for_log("the configuration was read again")
        self.assertTrue(self.implicit(port, context, session).socket.session_reused)
        line = server.wait_for_closing_lines("message", 1)[0]
        self.assertEqual((line["tls_name"], line.get("tls_resumed")), ("mx.example.org", None))
        self.assertEqual(server.closing_lines("session")[-1]["tls_resumed"], "yes")
        with Client(port, greet=False) as client:
            client.send(b"EHLO client.example\r\n")
            self.assertNotRegex(client.wait_closed(), b"[0-9]{3}", "no word of SMTP")

    def test_networks(self):
        """What TLS is to a client goes by its address."""
        server = self.front("may", tls_group={"required_networks": "127.0.0.2",
                                              "excluded_networks": "127.0.0.3; 127.0.0.2"})
        for source, offered, code in (("127.0.0.1", True, 250), ("127.0.0.2", True, 530),
                                      ("127.0.0.3", False, 250)):
            with Client(server.port, source=source) as client:
                client.ehlo()
                self.assertEqual("STARTTLS" in client.capabilities, offered, source)
                self.assertEqual(client.command("MAIL FROM:<a@sender.example>").code, code)
                self.assertEqual(client.command("STARTTLS").code, 220 if offered else 502)

    def test_client_certificates(self):
        """They are asked for and named, and none is missed."""
        own, other = Certificate(self.folder, "Ann Other"), Certificate(self.folder, "Mallory")
        server = self.front(tls_group={"client_authorities": own.certificate})
        for certificate in (None, other, own):
            context = self.certificate.context()
            if certificate:
                context.load_cert_chain(certificate.certificate, certificate.key)
            client = self.secured(server, context)
            client.ehlo()
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        names = [line.get("tls_client") for line in server.wait_for_closing_lines("message", 3)]
        self.assertEqual(names, [None, None, "Ann Other"])

    def is_trusted(self, server, certificate):
        try:
            self.secured(server, certificate.context()).close()
        except ssl.SSLCertVerificationError:
            return False
        return True

    def test_what_is_wrong_is_told(self):
        other = Certificate(self.folder, "other.example")
        locked = self.folder / "locked.key"
        subprocess.run(["openssl", "pkey", "-aes128", "-passout", "pass:secret", "-in", self.certificate.key,
                        "-out", locked], check=True, capture_output=True)
        locked.chmod(0o644)
        for group, words in (({"certificates": "", "keys": ""}, "a certificate is needed"),
                             ({"certificates": "/nonexistent.pem"}, "/nonexistent.pem"),
                             ({"keys": other.key}, "key values mismatch"),
                             ({"keys": locked}, "without a passphrase"),
                             ({"keys": f"{self.certificate.key}; {other.key}"}, "as many files"),
                             ({"ciphers": "NONSENSE"}, "openssl-ciphers")):
            with self.subTest(words):
                own = {"certificates": self.certificate.certificate, "keys": self.certificate.key, **group}
                server = self.proxy(self.running, ready=False, proxy={"tls": "may"}, tls=own)
                server.program.wait(20)
                self.assertIn(words, server.log())


if __name__ == "__main__":
    unittest.main()

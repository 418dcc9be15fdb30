"""TLS toward the servers (RFC 3207): its levels, who is believed, what is resumed, what an attacker adds."""

import re
import signal
import ssl
import unittest

from support import ports
from support.certificates import Certificate
from support.milter import administrator_lines
from support.nsd import Nsd
from support.postfix import Postfix, Unavailable
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.raw_backend import RawBackend
from support.smtp import Client, crlf

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
MESSAGE = crlf("Subject: protected\n\nHello.\n.a dot\n")
NAME = "backend.example.org"


class ServerTlsTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.certificate = Certificate(self.folder, NAME)

    def front(self, backend, level, **options):
        options = {f"server_{key}": value for key, value in options.items()}
        return self.proxy(backend, proxy={"threads": 1}, tls={"servers": level, **options})

    def deliver(self, server, octets=MESSAGE):
        with Client(server.port) as client:
            client.ehlo()
            return client.deliver(SENDER, [RECIPIENT], octets)

    def is_refused(self, server, words):
        """No recipient is taken, and the log says why."""
        self.assertEqual(self.deliver(server).code, 451)
        server.program.wait_for_log(words)

    def restart(self, server, level, **options):
        """The same proxy with other options."""
        options = {f"server_{key}": value for key, value in options.items()}
        server.groups["tls"] = {"servers": level, **options}
        server.configure()
        count = server.log_now().count("configuration was read again")
        server.program.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log_now().count("configuration was read again") > count, what="a reload")

    def test_messages(self):
        """All that a server hears of a message is protected; the second connection resumes the session."""
        backend = self.backend(tls=self.certificate.server())
        server = self.front(backend, "encrypt")
        large = MESSAGE + (b"x" * 70 + b"\r\n") * 100_000
        with Client(server.port) as first, Client(server.port) as second:
            for client in (first, second):
                client.ehlo()
                self.assertTrue(all(reply.code == 250 for reply in client.envelope(SENDER, RECIPIENT)))
            for client, octets in ((first, large), (second, MESSAGE)):
                self.assertEqual(client.message(octets).code, 250)
                self.assertEqual(backend.messages()[-1].octets, octets)
        self.assertEqual([message.tls for message in backend.messages()], ["TLSv1.3"] * 2)
        self.assertIn(True, [message.resumed for message in backend.messages()])
        for connection in range(1, backend.total_connections + 1):
            verbs = [line.split()[0] for line in backend.commands(connection)]
            self.assertEqual(verbs[:3], ["EHLO", "STARTTLS", "EHLO"])
        server.program.stop()
        wait_until(lambda: backend.connections == 0, what="the end of all connections")

    def test_who_is_believed(self):
        other = Certificate(self.folder, "other.example")
        backend = self.backend(tls=self.certificate.server())
        server = self.front(backend, "verify", name=NAME, authorities=self.certificate.certificate)
        self.assertEqual(self.deliver(server).code, 250)
        mistaken = [({"name": "other.example", "authorities": self.certificate.certificate},
                     "certificate verify failed: hostname mismatch"),
                    ({"authorities": self.certificate.certificate},
                     "certificate verify failed: IP address mismatch"),
                    ({"name": NAME, "authorities": other.certificate},
                     "certificate verify failed: self-signed certificate"),
                    ({"name": NAME}, "certificate verify failed: self-signed certificate"),
                    ({"pins": other.key_hash()}, "certificate verify failed: certificate not trusted")]
        for options, words in mistaken:
            with self.subTest(words):
                self.restart(server, "verify", **options)
                self.is_refused(server, words)
        colons = ":".join(self.certificate.key_hash().upper()[at:at + 2] for at in range(0, 64, 2))
        self.restart(server, "verify", pins=[other.key_hash(), colons])
        self.assertEqual(self.deliver(server).code, 250)

    def test_without_starttls(self):
        backend = self.backend()
        server = self.front(backend, "encrypt")
        self.is_refused(server, "does not offer STARTTLS")
        self.restart(server, "may")
        self.assertEqual(self.deliver(server).code, 250)
        backend.options.tls = self.certificate.server()
        for reply, words in (("454 4.7.0 Not now", "refused STARTTLS: 454"),
                             ("502 5.5.2 Error: what", "refused STARTTLS: 502")):
            backend.options.refuse["starttls"] = reply
            self.restart(server, "encrypt")
            self.is_refused(server, words)
            self.restart(server, "may")
            self.assertEqual(self.deliver(server).code, 250)

    def test_tls_that_fails(self):
        """may: another connection does without; encrypt: none does."""
        old = self.certificate.server()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        old.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
        backend = self.backend(tls=old)
        server = self.front(backend, "may")
        self.assertEqual(self.deliver(server).code, 250)
        server.program.wait_for_log(r"warning: back-end .*TLS.*; for 10 minutes it is served without")
        self.assertIsNone(backend.messages()[0].tls)
        self.restart(server, "encrypt")
        self.is_refused(server, "error: back-end .*TLS")
        backend.options.tls = self.certificate.server()
        self.restart(server, "may")
        self.assertEqual(self.deliver(server).code, 250)
        self.assertEqual(backend.messages()[1].tls, "TLSv1.3")

    def test_what_comes_behind_the_reply_is_thrown_away(self):
        """As CVE-2011-0411, from the other side: nobody knows who has said it."""
        raw = RawBackend("STARTTLS")
        self.addCleanup(raw.stop)
        offer = {"EHLO": b"250-raw.example\r\n250-STARTTLS\r\n250 XCLIENT NAME ADDR PORT PROTO HELO\r\n"}
        raw.replies = offer
        server = self.front(raw.start(), "encrypt")
        for octets in (b"250-evil.example\r\n250 XCLIENT ADDR\r\n", b"2", b"\x16\x03\x03"):
            raw.script = raw.after(b"220 2.0.0 Go\r\n" + octets, raw.silent)
            self.is_refused(server, "spoken behind its reply to STARTTLS")
            self.restart(server, "encrypt")
        for octets in (b"", b"\x15\x03\x01\x00\x02\x02\x28", b"250 evil\r\n" * 500):
            raw.script = raw.after(b"220 2.0.0 Go\r\n", lambda connection, octets=octets: (
                connection.recv(4096), connection.sendall(octets)))
            self.assertEqual(self.deliver(server).code, 451)

    def test_dane(self):
        """RFC 7672, a real name server and DNSSEC: what vouches, what does not, and what is not known."""
        authority = Certificate(self.folder, "authority.example")
        signed = Certificate(self.folder, "ta.dane.test", authority=authority)
        own, ta = self.certificate.key_hash(), authority.key_hash()
        port = ports.free_port()
        records = {"ee": f"3 1 1 {own}", "ta": f"2 1 1 {ta}", "ta2": f"2 1 1 {ta}", "other": f"3 1 1 {ta}",
                   "pkix": f"1 1 1 {own}", "odd": f"3 1 1 {own[:20]}"}
        zone = "".join(f"_{port}._tcp.{host} TLSA {data}\n" for host, data in records.items())
        # Nobody vouches for plain.test, which is wrong; bogus.test is not signed although it has to be.
        nsd = Nsd({"dane.test": zone, "plain.test": zone, "bogus.test": zone, "broken.test": None},
                  signed=["dane.test"])
        self.addCleanup(nsd.stop)
        with nsd.anchors.open("a", encoding="utf-8") as anchors:
            anchors.write(f"bogus.test. IN DS 12345 13 2 {'AB' * 32}\n")
        backend = self.backend(port=port, tls=self.certificate.server())
        plain, other = self.certificate.server(), signed.server()
        dns = {"answers": None, "servers": nsd.address, "trust_anchor_file": nsd.anchors, "timeout": "2s"}
        server = self.proxy(backend, proxy={"threads": 1}, dns=dns,
                            tls={"servers": "dane", "server_name": "ee.dane.test"})
        records_say = [  # level, name, whose certificate the server has (None: no TLS), what is refused with
            ("dane", "ee.dane.test", plain, None), ("dane-only", "ee.dane.test", plain, None),
            ("dane", "ee.dane.test", other, "certificate verify failed"),
            ("dane", "ee.dane.test", None, "does not offer STARTTLS"),
            ("dane", "ta.dane.test", other, None),
            ("dane", "ta2.dane.test", other, "certificate verify failed: hostname mismatch"),
            ("dane", "ta.dane.test", plain, "certificate verify failed"),
            ("dane", "other.dane.test", plain, "certificate verify failed"),
            ("dane", "pkix.dane.test", plain, None), ("dane", "odd.dane.test", other, None),
            ("dane", "pkix.dane.test", None, "does not offer STARTTLS"),
            ("dane-only", "pkix.dane.test", plain, "no TLSA record that can be used"),
            ("dane", "none.dane.test", other, None), ("dane", "none2.dane.test", None, None),
            ("dane-only", "none.dane.test", plain, "no TLSA record in the DNS"),
            ("dane", "other.plain.test", None, None),
            ("dane-only", "ee.plain.test", plain, "no TLSA record that DNSSEC vouches for"),
            ("dane", "ee.bogus.test", plain, r"whether it has TLSA records \(servfail\)"),
            ("dane", "none.bogus.test", None, r"whether it has TLSA records \(servfail\)"),
            ("dane", "ee.broken.test", None, r"whether it has TLSA records \(servfail\)")]
        for level, name, context, words in records_say:
            with self.subTest(level=level, name=name, words=words):
                backend.options.tls = context
                self.restart(server, level, name=name)
                if words:
                    self.is_refused(server, words)
                else:
                    self.assertEqual(self.deliver(server).code, 250)
                    self.assertEqual(backend.messages()[-1].tls, "TLSv1.3" if context else None)
        backend.options.tls = plain
        self.restart(server, "dane", name="ee.dane.test")
        self.assertEqual(self.deliver(server).code, 250)
        line = server.wait_for_closing_lines("message", 1)[-1]
        self.assertRegex(line["server_tls"], r"^TLSv1\.3 .* verified$")

    def groups(self):
        """
        Three of them, and what is said of their TLS: the default one is spoken to in the clear, one has to
        have a certificate and wants one of ours, two a certain key.
        """
        ours, one, two = (Certificate(self.folder, f"{name}.example") for name in ("ours", "one", "two"))
        wants = one.server()
        wants.load_verify_locations(ours.certificate)
        wants.verify_mode = ssl.CERT_REQUIRED
        contexts = {"default": None, "one": wants, "two": two.server()}
        backends = {name: self.backend(domains=["example.org", "one.example", "two.example"], tls=context)
                    for name, context in contexts.items()}
        said = {"one": {"tls": "verify", "tls_name": "one.example", "tls_authorities": one.certificate,
                        "tls_certificate": ours.certificate, "tls_key": ours.key},
                "two": {"tls": "verify", "tls_pins": two.key_hash()}}
        routes = self.folder / "routes"
        routes.write_text("example.org default\none.example one\ntwo.example two\n")
        routes.chmod(0o644)
        server = self.proxy(backends["default"], proxy={"threads": 1, "routes": routes}, **{
            f"servers {name}": {"address": f"127.0.0.1:{backends[name].port}", **options}
            for name, options in said.items()})
        return server, backends

    def reload(self, server, name, **options):
        server.groups[f"servers {name}"].update(options)
        server.configure()
        count = server.log_now().count("configuration was read again")
        server.program.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log_now().count("configuration was read again") > count, what="a reload")

    def codes(self, server):
        codes = {}
        for name, domain in (("default", "example.org"), ("one", "one.example"), ("two", "two.example")):
            with Client(server.port) as client:
                client.ehlo()
                codes[name] = client.deliver(SENDER, [f"b@{domain}"], MESSAGE).code
        return codes

    def test_groups(self):
        """Each group of servers has TLS of its own, and a certificate of ours for those that want one."""
        server, backends = self.groups()
        self.assertEqual(self.codes(server), {"default": 250, "one": 250, "two": 250})
        self.assertEqual({name: backend.messages()[-1].tls for name, backend in backends.items()},
                         {"default": None, "one": "TLSv1.3", "two": "TLSv1.3"})
        self.reload(server, "one", tls_certificate=None, tls_key=None)
        self.assertEqual(self.codes(server), {"default": 250, "one": 451, "two": 250})
        self.reload(server, "one", tls_name="other.example")
        self.reload(server, "two", tls_pins="7" * 64)
        self.assertEqual(self.codes(server), {"default": 250, "one": 451, "two": 451})
        server.program.wait_for_log("certificate not trusted")
        self.reload(server, "two", tls="encrypt")
        self.reload(server, "one", tls="off")
        self.assertEqual(self.codes(server), {"default": 250, "one": 250, "two": 250})
        self.assertEqual({name: backend.messages()[-1].tls for name, backend in backends.items()},
                         {"default": None, "one": None, "two": "TLSv1.3"})

    def test_postfix(self):
        """A real one that demands TLS, by the lines of contrib, and a client that comes with TLS too."""
        port = ports.free_port()
        lines = administrator_lines("postfix", "master.cf.proxy-tls")
        own = re.search(r"^192\.0\.2\.25:25 .*(?:\n +-o .*)+", lines, re.MULTILINE)[0]
        for written, here in (("192.0.2.25:25 inet n    -       y", f"127.0.0.1:{port} inet n - n"),
                              ("192.0.2.1", "127.0.0.1"),
                              ("/etc/postfix/mail.example.org.pem", str(self.certificate.certificate)),
                              ("/etc/postfix/mail.example.org.key", str(self.certificate.key))):
            self.assertIn(written, own)
            own = own.replace(written, here)
        try:
            postfix = Postfix(services=own)
        except Unavailable as error:
            self.skipTest(str(error))
        self.addCleanup(postfix.close)
        postfix.start()
        # The proxy's lines, as they stand in the comment.
        given = dict(re.findall(r"^#   (\w+) = (.*)$", lines, re.MULTILINE))
        self.assertEqual((given["client_address"], given["servers"], given["server_name"]),
                         ("xclient", "verify", "mail.example.org"))
        server = self.proxy(port, proxy={"threads": 1, "tls": "may"}, tls={
            "servers": given["servers"], "server_name": NAME, "certificates": self.certificate.certificate,
            "keys": self.certificate.key, "server_authorities": self.certificate.certificate})
        with Client(server.port) as client:
            client.ehlo()
            self.assertEqual(client.command("STARTTLS").code, 220)
            client.socket = self.certificate.context().wrap_socket(client.socket, server_hostname=NAME)
            client.ehlo()
            for _ in range(2):
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        message = postfix.wait_for_messages(2)[0]
        self.assertRegex(message, rb"Received: from client\.example[^;]*using TLSv1\.3")
        line = server.wait_for_closing_lines("message", 2)[0]
        self.assertRegex(line["tls"], r"^TLSv1\.3 ")
        self.assertRegex(line["server_tls"], r"^TLSv1\.3 .* verified$")


if __name__ == "__main__":
    unittest.main()

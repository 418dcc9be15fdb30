"""Users who log in through the proxy at a real Postfix with Cyrus SASL, set up by the lines that we ship."""

import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from support import packages, ports, sasl
from support.certificates import Certificate, anybody
from support.milter import administrator_lines
from support.postfix import Postfix, Unavailable
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SENDER, RECIPIENT, FOREIGN = "ada@example.org", "b@example.org", "x@elsewhere.example"
MESSAGE = crlf("From: ada@example.org\nSubject: users\n\nHello.\n")
RECORD = "9.0.0.127.in-addr.arpa PTR user.example\nuser.example A 127.0.0.9\n"


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def service(port):
    """The service of contrib/postfix/master.cf.proxy on a port of loopback, not chrooted."""
    text = administrator_lines("postfix", "master.cf.proxy")
    lines = re.search(r"^127\.0\.0\.1:10025 .*(?:\n +-o .*)+", text, re.MULTILINE)[0]
    return re.sub(r"^127\.0\.0\.1:10025 inet n +- +y", f"127.0.0.1:{port} inet n - n", lines)


class AuthTest(ProxyTestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="postern-sasl-")
        os.chmod(folder, 0o755)
        cls.addClassCleanup(shutil.rmtree, folder)
        try:
            environment = sasl.make_users(folder, "smtpd", "postfix.example", ada="sesame")
        except sasl.Unavailable as error:
            raise unittest.SkipTest(str(error)) from None
        cls.behind = ports.free_port()
        # What is relayed for a user is thrown away; only 127.0.0.1 is Postfix's own network.
        cls.postfix = Postfix(environment=environment, services=service(cls.behind), parameters={
            "smtpd_sasl_local_domain": "postfix.example", "mynetworks": "127.0.0.1/32",
            "default_transport": "discard:"})
        cls.addClassCleanup(cls.postfix.close)
        # Debian's Postfix looks there.
        shutil.copytree(folder, cls.postfix.folder / "etc" / "sasl")
        cls.postfix.start()

    def setUp(self):
        super().setUp()
        self.certificate = Certificate(self.folder, "mx.example.org")
        self.submission = ports.free_port()

    def front(self, **options):
        return self.proxy(self.behind, answers=RECORD, tls={
            "certificates": self.certificate.certificate, "keys": self.certificate.key}, proxy={
            "tls": "may", "threads": 1, "submission_listen": f"127.0.0.1:{self.submission}", **options})

    def client(self, port, tls=False):
        client = Client(port, source="127.0.0.9", timeout=60)
        self.addCleanup(client.close)
        client.ehlo()
        if tls:
            self.assertEqual(client.command("STARTTLS").code, 220)
            client.socket = anybody().wrap_socket(client.socket)
            client.ehlo()
        return client

    def test_who_may_log_in(self):
        server = self.front()
        for port, tls, offered in ((server.port, False, False), (server.port, True, True),
                                   (self.submission, False, True)):
            with self.subTest(port=port, tls=tls):
                client = self.client(port, tls)
                self.assertEqual("AUTH" in client.capabilities, offered)
                reply = client.command("AUTH PLAIN " + plain("ada", "sesame"))
                self.assertEqual(reply.code, 235 if offered else 504, reply)

    def test_a_user_and_an_external_client(self):
        server = self.front()
        before = len(self.postfix.messages())
        external = self.client(server.port, tls=True)
        self.assertEqual(external.envelope(SENDER, FOREIGN)[-1].code, 554)
        user = self.client(server.port, tls=True)
        self.assertEqual(sorted(user.capabilities["AUTH"]), ["CRAM-MD5", "LOGIN", "PLAIN"])
        wrong = user.command("AUTH PLAIN " + plain("ada", "wrong"))
        self.assertEqual(wrong.code, 535)
        self.assertIn("authentication failed", wrong.text)
        self.assertEqual(user.command("AUTH LOGIN").text, "VXNlcm5hbWU6")
        self.assertEqual(user.command(base64.b64encode(b"ada").decode()).text, "UGFzc3dvcmQ6")
        self.assertEqual(user.command(base64.b64encode(b"sesame").decode()).code, 235)
        for recipients in ([FOREIGN], [RECIPIENT, FOREIGN], [RECIPIENT]):
            self.assertEqual(user.deliver(SENDER, recipients, MESSAGE).code, 250)
        self.assertEqual(user.quit().code, 221)
        delivered = self.postfix.wait_for_messages(before + 2)[before:]
        for message in delivered:
            self.assertIn(b"from client.example (user.example [127.0.0.9])", message)
        self.postfix.wait_for_log("client=user.example[127.0.0.9], sasl_method=LOGIN, sasl_username=ada")
        lines = server.wait_for_closing_lines("message", 3)
        self.assertEqual([(line["login"], line["class"]) for line in lines[-3:]],
                         [("ada", "authenticated")] * 3)
        failed = server.wait_for_closing_lines("login", 1)
        self.assertEqual([line["user"] for line in failed], ["ada"])
        for secret in ("sesame", "wrong", plain("ada", "sesame"), base64.b64encode(b"sesame").decode()):
            self.assertNotIn(secret, server.log())

    def test_no_mail_without_a_login_on_submission(self):
        self.front()
        client = self.client(self.submission)
        self.assertEqual(client.command(f"MAIL FROM:<{SENDER}>").code, 530)

    def test_guessing_ends(self):
        server = self.front(max_failed_logins=2)
        client = self.client(server.port, tls=True)
        self.assertEqual(client.command("AUTH PLAIN " + plain("ada", "1")).code, 535)
        self.assertEqual(client.command("AUTH PLAIN " + plain("ada", "2")).code, 535)
        self.assertEqual(client.reply().code, 421)
        self.assertEqual(server.wait_for_closing_lines("session", 1)[0]["ended"], "too-many-logins")

    def test_the_mail_server_restarts(self):
        """A login does not outlive its connection, and the next one finds the server again."""
        server = self.front()
        client = self.client(server.port, tls=True)
        self.assertEqual(client.command("AUTH PLAIN " + plain("ada", "sesame")).code, 235)
        self.postfix.stop()
        self.assertEqual(client.reply().code, 421)
        self.postfix.start()
        wait_until(self.logs_in, 30, "a login after the restart")

    def logs_in(self):
        client = self.client(self.submission)
        done = client.command("AUTH PLAIN " + plain("ada", "sesame")).code == 235
        client.close()
        return done

    def test_real_clients(self):
        self.front()
        folder = self.subfolder("clients")
        (folder / "message").write_bytes(MESSAGE)
        (folder / "msmtprc").write_text("")
        swaks, msmtp, curl = (packages.unpack(name) / "usr" / "bin" / name
                              for name in ("swaks", "msmtp", "curl"))
        at = ["127.0.0.1", str(self.submission)]
        commands = [
            [swaks, "--server", ":".join(at), "--tls", "--auth", method, "--auth-user", "ada",
             "--auth-password", "sesame", "--from", SENDER, "--to", RECIPIENT, "--data",
             f"@{folder / 'message'}"] for method in ("PLAIN", "LOGIN", "CRAM-MD5")
        ] + [
            [msmtp, "-C", folder / "msmtprc", f"--host={at[0]}", f"--port={at[1]}", "--tls=on",
             "--tls-certcheck=off", f"--auth={method}", "--user=ada", "--passwordeval=echo sesame",
             f"--from={SENDER}", RECIPIENT]
            for method in ("plain", "login", "cram-md5")
        ] + [
            [curl, "--silent", "--show-error", "--ssl-reqd", "--insecure", f"smtp://{':'.join(at)}",
             "--user", "ada:sesame", "--login-options", f"AUTH={method}", "--mail-from", SENDER,
             "--mail-rcpt", RECIPIENT, "--upload-file", folder / "message"] for method in ("PLAIN", "LOGIN")
        ]
        before = len(self.postfix.messages())
        for command in commands:
            program = packages.environment(packages.unpack(command[0].name))
            result = subprocess.run(list(map(str, command)), input=MESSAGE, capture_output=True, timeout=60,
                                    check=False, env={**os.environ, **program, "HOME": str(folder)})
            self.assertEqual(result.returncode, 0, (command, result.stdout, result.stderr))
        self.postfix.wait_for_messages(before + len(commands))


if __name__ == "__main__":
    try:
        Postfix().close()
        for package in ("swaks", "msmtp", "curl"):
            packages.unpack(package)
    except (Unavailable, packages.Unavailable) as unavailable:
        print(f"skipped: {unavailable}")
        sys.exit(77)
    unittest.main()

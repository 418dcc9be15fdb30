"""
Who the client is, as real mail servers tell it: users who log in, TLS, IPv6, mail that is submitted on the
machine itself. Each class of clients has its policy.
"""

import base64
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest

from support import milter_messages as mail, outcome, packages, ports, sasl
from support.milter import MilterTestCase, administrator_lines
from support.milter_messages import CLIENT, EXTERNAL, RECIPIENT
from support.milter_servers import SENDER, main_cf
from support.postfix import Postfix, Unavailable, without_trace
from support.sendmail import Sendmail
from support.sendmail import Unavailable as SendmailUnavailable
from support.smtp import Client

OWN = {"own_networks": ["127.0.0.0/8", "::1"]}


def submission_service(port):
    """The service of contrib/postfix/master.cf.milter on a port of loopback, not chrooted."""
    text = administrator_lines("postfix", "master.cf.milter")
    service = re.search(r"^submission .*(?:\n +-o .*)+", text, re.MULTILINE)[0]
    return re.sub(r"^submission inet n +- +y", f"127.0.0.1:{port} inet n - n", service)


def start_tls(client):
    """STARTTLS, and EHLO again; who the server is does not matter here."""
    assert client.command("STARTTLS").code == 220
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client.socket = context.wrap_socket(client.socket)
    client.ehlo()


def log_in(client, user, password):
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return client.command(f"AUTH PLAIN {token}")


class ClientsTestCase(MilterTestCase):
    """Both servers' tests; a subclass sets milter_port."""

    def start_milter(self, **groups):
        return self.milter(socket=f"inet:{self.milter_port}@127.0.0.1", answers=mail.ANSWERS,
                           clients=groups.pop("clients", OWN), **groups)

    def client_of(self, port, host="127.0.0.1"):
        client = Client(port, host, timeout=60)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def closing_line(self, milter, **expected):
        """The line of the one message, which has these values."""
        line = milter.wait_for_closing_lines("message", 1)[-1]
        self.assertEqual({name: line.get(name) for name in expected}, expected, line)
        return line

    def session_line(self, milter):
        return milter.wait_for_closing_lines("session", 1)[-1]


class PostfixClientsTest(ClientsTestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="postern-sasl-")
        os.chmod(folder, 0o755)
        cls.addClassCleanup(subprocess.run, ["rm", "-r", folder], check=True)
        try:
            environment = sasl.make_users(folder, "smtpd", "postfix.example", ada="sesame")
        except sasl.Unavailable as error:
            raise unittest.SkipTest(str(error)) from None
        key, certificate = sasl.make_certificate(folder, "postfix.example")
        cls.milter_port, cls.submission_port = ports.free_port(), ports.free_port()
        milters = main_cf()["smtpd_milters"].replace(":8891", f":{cls.milter_port}")
        cls.postfix = Postfix(environment=environment, services=submission_service(cls.submission_port),
                              parameters={
            **main_cf(), "smtpd_milters": milters, "non_smtpd_milters": "$smtpd_milters",
            "smtpd_tls_security_level": "may", "smtpd_tls_key_file": key, "smtpd_tls_cert_file": certificate,
            "smtpd_sasl_local_domain": "postfix.example"})
        cls.addClassCleanup(cls.postfix.close)
        # Debian's Postfix looks there.
        shutil.copytree(folder, cls.postfix.folder / "etc" / "sasl", ignore=shutil.ignore_patterns("*.pem"))
        cls.postfix.start()

    def from_elsewhere(self, address, port=None):
        client = self.client_of(port or self.postfix.port)
        self.assertEqual(client.command(f"XCLIENT NAME=[UNAVAILABLE] ADDR={address} PROTO=ESMTP").code, 220)
        client.ehlo()
        return client

    def test_users_who_log_in(self):
        milter = self.start_milter()
        client = self.client_of(self.submission_port)
        self.assertNotIn("AUTH", client.capabilities)
        start_tls(client)
        self.assertEqual(log_in(client, "ada", "wrong").code, 535)
        self.assertEqual(log_in(client, "ada", "sesame").code, 235)
        self.assertEqual(client.deliver("a@silent.example", [RECIPIENT], mail.CLEAN).code, 250)
        client.quit()
        line = self.closing_line(milter, **{"class": "authenticated", "spf": "not_checked"})
        self.assertRegex(line["login"], r"^ada(@postfix\.example)?$")
        self.assertRegex(line["tls"], r"^TLSv1\.\d \S+$")
        session = self.session_line(milter)
        self.assertEqual((session["daemon"], session["server"]), ("submission", "postfix.example"))

    def test_users_elsewhere_are_judged_as_users(self):
        milter = self.start_milter()
        client = self.from_elsewhere(EXTERNAL, self.submission_port)
        start_tls(client)
        self.assertEqual(log_in(client, "ada", "sesame").code, 235)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.INFECTED).code, 550)
        self.closing_line(milter, **{"class": "authenticated", "client": EXTERNAL})

    def test_tls_without_login(self):
        milter = self.start_milter()
        client = self.from_elsewhere(CLIENT)
        start_tls(client)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        line = self.closing_line(milter, **{"class": "other", "spf": "pass", "login": None})
        self.assertRegex(line["tls"], r"^TLSv1\.\d \S+$")
        plain = self.from_elsewhere(CLIENT)
        self.assertEqual(plain.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        self.assertNotIn("tls", milter.wait_for_closing_lines("message", 2)[-1])

    def test_ipv6(self):
        milter = self.start_milter()
        client = self.from_elsewhere("IPV6:2001:db8::9")
        reply = client.deliver(SENDER, [RECIPIENT], mail.CLEAN)
        self.assertEqual((reply.code, reply.enhanced), (550, "5.7.23"), reply)
        self.closing_line(milter, **{"class": "other", "client": "2001:db8::9"})

    def test_nobody_knows_the_client(self):
        milter = self.start_milter()
        client = self.from_elsewhere("[UNAVAILABLE]")
        # Postfix 3.7 calls its address "unknown", and of family IPv4: libmilter itself turns that away.
        reply = client.deliver(SENDER, [RECIPIENT], mail.CLEAN)
        self.assertEqual(reply.code, 451, reply)
        self.assertEqual(self.from_elsewhere(CLIENT).deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        self.closing_line(milter, action="accept")

    def test_own_network(self):
        milter = self.start_milter()
        client = self.client_of(self.postfix.port)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        self.closing_line(milter, **{"class": "own_network", "client": "127.0.0.1", "spf": "not_checked"})

    def submitted(self):
        before = len(self.postfix.messages())
        self.postfix.run("sendmail", "-i", "-f", SENDER, RECIPIENT, stdin=mail.CLEAN.decode())
        return self.postfix.wait_for_messages(before + 1)[-1]

    def test_mail_submitted_on_the_machine(self):
        milter = self.start_milter()
        self.assertEqual(without_trace(self.submitted()), mail.CLEAN)
        self.closing_line(milter, **{"class": "own_network", "client": "127.0.0.1", "spf": "not_checked",
                                     "action": "accept"})

    def test_mail_submitted_where_the_machine_is_not_our_own(self):
        milter = self.start_milter(clients={})
        self.submitted()
        self.closing_line(milter, **{"class": "other", "spf": "not_checked", "dmarc": "none:pass.example",
                                     "action": "accept"})

    def test_mail_through_a_pipe(self):
        milter = self.start_milter()
        before = len(self.postfix.messages())
        commands = f"EHLO x\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n"
        said = self.postfix.run("sendmail", "-bs", stdin=commands + mail.CLEAN.decode() + ".\r\nQUIT\r\n")
        self.assertRegex(said, r"(?m)^250 2\.0\.0 Ok: queued")
        self.postfix.wait_for_messages(before + 1)
        self.closing_line(milter, **{"class": "own_network", "client": "127.0.0.1"})


class SendmailClientsTest(ClientsTestCase):
    @classmethod
    def setUpClass(cls):
        # Sendmail takes no certificate from below a folder that everybody may write to.
        folder = tempfile.mkdtemp(prefix="postern-sasl-", dir="/run")
        os.chmod(folder, 0o755)
        cls.addClassCleanup(subprocess.run, ["rm", "-r", folder], check=True)
        try:
            environment = sasl.make_users(folder, "Sendmail", "sendmail.example", ada="sesame")
            Sendmail().close()
        except (sasl.Unavailable, SendmailUnavailable) as error:
            raise unittest.SkipTest(str(error)) from None
        key, certificate = sasl.make_certificate(folder, "sendmail.example")
        cls.milter_port = ports.free_port()
        lines = administrator_lines("sendmail", "postern-milter.m4").replace(":8891@", f":{cls.milter_port}@")
        own = (f"define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl\nTRUST_AUTH_MECH(`PLAIN LOGIN')dnl\n"
               f"define(`confAUTH_REALM', `sendmail.example')dnl\n"
               f"define(`confSERVER_KEY', `{key}')dnl\ndefine(`confSERVER_CERT', `{certificate}')dnl\n"
               f"define(`confCACERT', `{certificate}')dnl\ndefine(`confCACERT_PATH', `{folder}')dnl\n"
               f"LOCAL_CONFIG\n" + "".join(f"E{name}={value}\n" for name, value in environment.items()))
        cls.sendmail = Sendmail(lines + own, ["127.0.0.1", "::1"]).start()
        cls.addClassCleanup(cls.sendmail.close)

    def setUp(self):
        super().setUp()
        for path in self.sendmail.queue_folder.iterdir():
            path.unlink()

    def test_users_who_log_in(self):
        milter = self.start_milter(clients={})
        client = self.client_of(self.sendmail.port)
        start_tls(client)
        self.assertIn("AUTH", client.capabilities, client.transcript_text())
        self.assertEqual(log_in(client, "ada", "wrong").code, 535)
        self.assertEqual(log_in(client, "ada", "sesame").code, 235)
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        client.quit()
        line = self.closing_line(milter, **{"class": "authenticated", "spf": "not_checked"})
        self.assertRegex(line["login"], r"^ada(@sendmail\.example)?$")
        self.assertRegex(line["tls"], r"^TLSv1\.\d \S+$")
        session = self.session_line(milter)
        self.assertEqual((session["daemon"], session["server"]), ("MTA0", "sendmail.example"))

    def test_ipv6(self):
        milter = self.start_milter()
        client = self.client_of(self.sendmail.port, "::1")
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        self.closing_line(milter, **{"class": "own_network", "client": "::1"})

    def test_mail_submitted_on_the_machine(self):
        milter = self.start_milter()
        self.sendmail.submit(SENDER, RECIPIENT, mail.CLEAN)
        body = mail.CLEAN.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
        self.assertEqual(self.sendmail.take()[0].body, body)
        self.closing_line(milter, **{"class": "own_network", "client": "127.0.0.1"})

    def test_mail_through_a_pipe(self):
        milter = self.start_milter(clients={})
        with self.sendmail.pipe() as client:
            client.ehlo()
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
            client.quit()
        self.sendmail.take()
        self.closing_line(milter, **{"class": "own_network", "client": "unknown", "spf": "not_checked"})


if __name__ == "__main__":
    try:
        Postfix().close()
        packages.unpack("sasl2-bin")
    except (Unavailable, packages.Unavailable) as error:
        print(f"skipped: {error}")
        sys.exit(77)
    outcome.main()

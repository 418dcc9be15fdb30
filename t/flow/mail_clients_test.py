"""
The programs that people send mail with, through the proxy to a Postfix, over STARTTLS: each message is there
once, and the proxy has seen TLS. nodemailer too, if POSTERN_NODEMAILER names a folder that npm put it into:
it is no Debian package.
"""

import os
import smtplib
import subprocess
import sys
import unittest

from support import packages
from support.certificates import Certificate, anybody
from support.exim import Exim
from support.postfix import Postfix, Unavailable
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.sendmail import Sendmail
from support.smtp import crlf

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
PERL = """
use Net::SMTP;
my $smtp = Net::SMTP->new($ARGV[0], Port => $ARGV[1], Hello => 'client.example') or die;
$smtp->starttls(SSL_verify_mode => 0) or die $smtp->message;
$smtp->mail('%s') && $smtp->to('%s') && $smtp->data("Subject: Net::SMTP\\n\\n.dot\\n")
  or die $smtp->message;
$smtp->quit;
""" % (SENDER, RECIPIENT)
NODE = """
const mail = require("nodemailer").createTransport({
  host: "127.0.0.1", port: Number(process.argv[1]), requireTLS: true, tls: {rejectUnauthorized: false}});
mail.sendMail({from: "%s", to: "%s", subject: "nodemailer", text: "Grüße"}).catch(error => {
  console.error(error); process.exit(1); });
""" % (SENDER, RECIPIENT)
EXIM = """\
begin acl
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = out
  self = send
begin transports
out:
  driver = smtp
  port = {port}
  hosts_require_tls = *
  tls_verify_certificates =
"""
SENDMAIL = """\
define(`confQUEUE_LA', `100000')dnl
define(`confDELIVERY_MODE', `background')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {port}')dnl
define(`confCACERT_PATH', `{folder}')dnl
define(`confCACERT', `{certificate}')dnl
define(`confTLS_SRV_OPTIONS', `V')dnl
"""


def text(subject):
    return crlf(f"From: {SENDER}\nTo: {RECIPIENT}\nSubject: {subject}\n\n.dot\nHello.\n")


class MailClientsTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.certificate = Certificate(self.folder, "mx.example.org", kind="rsa")
        self.postfix = Postfix(parameters={"mynetworks": "127.0.0.2/32"}).start()
        self.addCleanup(self.postfix.close)
        self.front = self.proxy(self.postfix.port, proxy={"tls": "may", "relay_probe": "no"}, tls={
            "certificates": self.certificate.certificate, "keys": self.certificate.key})
        self.server = f"127.0.0.1:{self.front.port}"

    def run_program(self, package, path, *arguments, stdin=b"", environment=None, modules=()):
        folder = packages.unpack(package)
        folders = [folder, *(packages.unpack(module) for module in modules)]
        perl = [str(place) for module in folders[1:] for place in (*module.glob("usr/share/perl5"),
                                                                   *module.glob("usr/lib/*/perl5/*"))]
        result = subprocess.run(
            [folder / path, *map(str, arguments)], input=stdin, capture_output=True, timeout=120, check=False,
            env={**os.environ, **packages.environment(*folders), "PERL5LIB": ":".join(perl),
                 **(environment or {})})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def swaks(self):
        self.run_program("swaks", "usr/bin/swaks", "--server", self.server, "--from", SENDER, "--to",
                         RECIPIENT,
                         "--tls", "--header", "Subject: swaks", modules=["libnet-ssleay-perl"])

    def msmtp(self):
        self.run_program("msmtp", "usr/bin/msmtp", "--host=127.0.0.1", f"--port={self.front.port}",
                         "--tls=on",
                         "--tls-certcheck=off", f"--from={SENDER}", RECIPIENT, stdin=text("msmtp"))

    def curl(self):
        (self.folder / "message").write_bytes(text("curl"))
        self.run_program("curl", "usr/bin/curl", "--silent", "--show-error", "--ssl-reqd", "--insecure",
                         f"smtp://{self.server}/client.example", "--mail-from", SENDER, "--mail-rcpt",
                         RECIPIENT,
                         "--upload-file", self.folder / "message")

    def python(self):
        with smtplib.SMTP("127.0.0.1", self.front.port) as client:
            client.starttls(context=anybody())
            client.sendmail(SENDER, [RECIPIENT], text("smtplib"))

    def perl(self):
        folders = [packages.unpack("libio-socket-ssl-perl"), packages.unpack("libnet-ssleay-perl")]
        perl = [str(place) for folder in folders for place in (*folder.glob("usr/share/perl5"),
                                                               *folder.glob("usr/lib/*/perl5/*"))]
        subprocess.run(["perl", "-e", PERL, "127.0.0.1", str(self.front.port)], check=True, timeout=120, env={
            **os.environ, **packages.environment(*folders), "PERL5LIB": ":".join(perl)})

    def smtp_source(self):
        """It knows no TLS."""
        libraries = self.postfix.program_folder / "usr" / "lib" / "postfix"
        self.run_program("postfix", "usr/sbin/smtp-source", "-4", "-m", "1", "-f", SENDER, "-t", RECIPIENT,
                         "-S",
                         "smtp-source", self.server, environment={"LD_LIBRARY_PATH": str(libraries)})

    def nodemailer(self):
        folder = os.environ["POSTERN_NODEMAILER"]
        subprocess.run(["node", "-e", NODE, str(self.front.port)], check=True, timeout=120, cwd=folder)

    def from_postfix(self):
        with Postfix(domains=(), parameters={
                "relayhost": f"[127.0.0.1]:{self.front.port}", "default_transport": "smtp",
                "smtp_tls_security_level": "encrypt"}) as sender:
            sender.run("sendmail", "-C", sender.folder / "etc", "-f", SENDER, RECIPIENT,
                       stdin=text("Postfix").decode())
            self.wait_for("Postfix")

    def from_exim(self):
        with Exim(EXIM.format(port=self.front.port), queue=False) as sender:
            sender.run("-odi", "-f", SENDER, RECIPIENT, stdin=text("Exim"))

    def from_sendmail(self):
        with Sendmail(SENDMAIL.format(port=self.front.port, folder=self.folder,
                                      certificate=self.certificate.certificate)) as sender:
            sender.run("-Am", "-i", "-odi", "-f", SENDER, RECIPIENT, stdin=text("Sendmail"))

    def subjects(self):
        lines = [line for message in self.postfix.messages() for line in message.split(b"\n")]
        return [line[9:].decode() for line in lines if line.startswith(b"Subject: ")]

    def wait_for(self, subject):
        wait_until(lambda: subject in self.subjects(), 20, f"the message of {subject}")

    def test_each_delivers_over_tls(self):
        clients = {"swaks": self.swaks, "msmtp": self.msmtp, "curl": self.curl, "smtplib": self.python,
                   "Net::SMTP": self.perl, "smtp-source": self.smtp_source, "Postfix": self.from_postfix,
                   "Exim": self.from_exim, "Sendmail": self.from_sendmail}
        if "POSTERN_NODEMAILER" in os.environ:
            clients["nodemailer"] = self.nodemailer
        for name, send in clients.items():
            with self.subTest(name):
                before = len(self.front.closing_lines("session"))
                send()
                self.wait_for(name)
                line = self.front.wait_for_closing_lines("session", before + 1)[-1]
                self.assertEqual(line.get("tls", "")[:5], "" if name == "smtp-source" else "TLSv1", line)
        self.assertEqual(sorted(self.subjects()), sorted(clients))


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

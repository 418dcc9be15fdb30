"""
What our signatures are worth where they are checked: behind the smtp(8) of a real Postfix, and behind
Sendmail, which break long lines on the way. Signed by the milter, and by the proxy.
"""

import re
import unittest

from support import outcome, ports
from support.dkim_verifiers import dkimpy, mail_dkim, missing
from support.milter import MilterTestCase, administrator_lines
from support.postfix import Postfix, Unavailable
from support.process import wait_until
from support.proxy import run_program
from support.sendmail import Sendmail, Unavailable as SendmailUnavailable
from support.sign_keys import OPENSSL, SignKeys
from support.smtp import Client, crlf

REASON = missing() or (None if OPENSSL else "openssl is not installed")
SENDER, RECIPIENT = "ann@signed.example", "bob@elsewhere.example"
IDENTIFIERS = " ".join(f"<{number:08}.mail@signed.example>" for number in range(50))
ADDRESSES = ", ".join(f"Somebody Else {number} <s{number}@elsewhere.example>" for number in range(60))


def message(fields="", body="Hello.\n", subject="hi"):
    return crlf(f"From: Ann <{SENDER}>\nTo: {RECIPIENT}\nSubject: {subject}\n"
                "Date: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <1@signed.example>\n"
                f"{fields}\n{body}")


def message_8_bit():
    return message("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                   "Content-Transfer-Encoding: 8bit\n", "Gr\u00fc\u00dfe.\n")


# Each arrives with a signature that is right.
SIGNED = {
    "references": message(f"References: {IDENTIFIERS}\n"),
    "recipients": message(f"Cc: {ADDRESSES}\nReply-To: {ADDRESSES}\n"),
    "folded and long": message(f"References: <0@signed.example>\n\t{IDENTIFIERS}\n {IDENTIFIERS}\n"),
    "a long field that is not signed": message(f"X-Long: {'x' * 3000}\n"),
    "the longest line": message(body=f"{'x' * 998}\n" * 3),
    "blanks": message(body="a \t b  \n \n\n\n"),
    "dots": message(body=".\n..\n.x\n"),
    "8 bit": message_8_bit(),
}
# Each arrives without, and the log says why.
UNSIGNED = {
    "a line of the body": (message(body=f"{'x' * 1500}\n"), "a line of the body is longer than 998 octets"),
    "just too long": (message(body=f"{'x' * 999}\n"), "a line of the body is longer than 998 octets"),
    "a word of a field": (message(subject="x" * 1200), "a word longer than a line"),
}


@unittest.skipIf(REASON, REASON)
class DeliveryTest(MilterTestCase):
    def setUp(self):
        super().setUp()
        self.keys = SignKeys(self.subfolder("keys"))
        self.keys.add_key("signed.example", "rsa", bits=2048)
        self.recorder = self.backend(domains=["elsewhere.example"])

    def options(self):
        return {"sign": {"table": self.keys.table}, "clients": {"own_networks": "127.0.0.0/8"},
                "dns": {"answers": self.answers()}}

    def answers(self):
        path = self.folder / "no-answers"
        path.write_text("")
        return path

    def postfix(self, milter_port=None, **parameters):
        """A Postfix that sends all to the recorder."""
        if milter_port:
            parameters["smtpd_milters"] = f"inet:127.0.0.1:{milter_port}"
        try:
            server = Postfix(parameters={
                "default_transport": "smtp", "relay_transport": "smtp",
                "relayhost": f"[127.0.0.1]:{self.recorder.port}", **parameters}).start()
        except Unavailable as error:
            self.skipTest(str(error))
        self.addCleanup(server.close)
        return server

    def arrived(self, port, octets, sendmail=None):
        """What the recorder got of a message that was given to port."""
        before = len(self.recorder.messages())
        with Client(port, timeout=60) as client:
            client.ehlo()
            reply = client.deliver(SENDER, [RECIPIENT], octets)
        self.assertEqual(reply.code, 250, reply)
        if sendmail is not None:
            sendmail.run("-q")
        return self.recorder.wait_for_messages(before + 1, 60)[-1].octets

    def zone(self, configuration):
        result = run_program("postern-inspector", "--config", configuration, "--print-keys")
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def assert_signatures(self, program, port, sendmail=None):
        zone = self.zone(program.path)
        for name, octets in SIGNED.items():
            with self.subTest(name):
                arrived = self.arrived(port, octets, sendmail)
                self.assertEqual(dkimpy(arrived, zone), [True], arrived)
                self.assertEqual(mail_dkim(arrived, zone, self.folder), {"rsa": "pass"})
        for name, (octets, reason) in UNSIGNED.items():
            with self.subTest(name):
                arrived = self.arrived(port, octets, sendmail)
                self.assertNotIn(b"DKIM-Signature", arrived)
                wait_until(lambda: re.search(f'unsigned="[^"]*{reason}', program.log()), 30, reason)

    def test_milter_and_postfix(self):
        port = ports.free_port()
        milter = self.milter(socket=f"inet:{port}@127.0.0.1", **self.options())
        self.assert_signatures(milter, self.postfix(port).port)

    def test_milter_and_sendmail(self):
        port = ports.free_port()
        milter = self.milter(socket=f"inet:{port}@127.0.0.1", **self.options())
        lines = administrator_lines("sendmail", "postern-milter.m4").replace(":8891@", f":{port}@")
        lines += (f"define(`SMART_HOST', `smtp8:[127.0.0.1]')dnl\n"
                  f"define(`SMTP8_MAILER_ARGS', `TCP $h {self.recorder.port}')dnl\n")
        try:
            sendmail = Sendmail(lines).start()
        except SendmailUnavailable as error:
            self.skipTest(str(error))
        self.addCleanup(sendmail.close)
        self.assert_signatures(milter, sendmail.port, sendmail)

    def test_proxy_and_postfix(self):
        server = self.postfix(smtpd_authorized_xclient_hosts="127.0.0.1")
        proxy = self.proxy(server.port, proxy={"inspect": "yes"}, virus={"database": self.signatures()},
                           **self.options())
        self.assert_signatures(proxy, proxy.port)

    def test_server_without_8bitmime(self):
        """Postfix would write the message anew: the manual names the parameter."""
        self.recorder.options.keywords = ["PIPELINING"]
        port = ports.free_port()
        milter = self.milter(socket=f"inet:{port}@127.0.0.1", **self.options())
        zone = self.zone(milter.path)
        for converted in ("no", "yes"):
            server = self.postfix(port, disable_mime_output_conversion="no" if converted == "yes" else "yes")
            arrived = self.arrived(server.port, message_8_bit())
            self.assertEqual(dkimpy(arrived, zone), [converted == "no"], arrived)


if __name__ == "__main__":
    outcome.main()

"""postern-proxy before a real Postfix: what arrives, what it learns of the client, what never gets there."""

import re
import sys
import threading
import unittest

from support.demo_messages import infected
from support.postfix import Postfix, Unavailable, without_trace
from support.process import wait_until
from support.proxy import TOLD, ProxyTestCase
from support.smtp import Client, crlf

SENDER, RECIPIENT, FOREIGN = "a@sender.example", "b@example.org", "x@elsewhere.example"
ANSWERS = """
7.1.0.127.in-addr.arpa PTR seven.example
seven.example A 127.0.1.7
silent.example TXT "v=spf1 -all"
sender.example TXT "v=spf1 ip4:192.0.2.0/24 -all"
"""
MESSAGES = {
    "plain": crlf("From: a@sender.example\nSubject: plain\n\nHello.\n"),
    "dots": crlf("From: a@sender.example\nSubject: dots\n\n.\n..\n.x\n\n...\n"),
    "8 bits": crlf("From: a@sender.example\nSubject: Grüße\n\nžluťoučký kůň 猫\n"),
    "no body": crlf("From: a@sender.example\nSubject: no body\n"),
    "long lines": crlf("From: a@sender.example\nSubject: long\n\n" + "x" * 998 + "\n" + "y" * 9000
                       + "\nend\n"),
    "empty lines": crlf("From: a@sender.example\nSubject: empty lines\n\n" + "\n" * 500),
    "megabytes": crlf("From: a@sender.example\nSubject: megabytes\n\n"
                      + ("." + "0123456789" * 7 + "\n") * 50000),
}
RESULTS = re.compile(rb"\AAuthentication-Results: proxy\.example;[^\r]*\r\n(?:[ \t][^\r]*\r\n)*")


class PostfixTest(ProxyTestCase):
    @classmethod
    def setUpClass(cls):
        # Only 127.0.0.1 is Postfix's own network: the other loopback addresses are external to it.
        cls.postfix = Postfix(parameters={"mynetworks": "127.0.0.1/32",
                                          "default_transport": "discard:"}).start()
        cls.addClassCleanup(cls.postfix.close)

    def start(self, postfix=None, **options):
        self.server = self.proxy((postfix or self.postfix).port, answers=ANSWERS, **options)
        wait_until(lambda: self.postfix.queue() == [], what="the end of earlier deliveries")
        self.before = len(self.postfix.messages())

    def connect(self, name="client.example", source="127.0.0.9", told=None):
        client = Client(self.server.port, source=source, timeout=60, told=told)
        self.addCleanup(client.close)
        client.ehlo(name)
        return client

    def arrived(self, count=1):
        """The messages that have come since start()."""
        return self.postfix.wait_for_messages(self.before + count)[self.before:]

    def assert_nothing_arrived(self):
        # Postfix keeps a file from the first RCPT until it has done the RSET; what got in would be delivered.
        wait_until(lambda: self.postfix.queue() == [], what="an empty queue")
        self.assertEqual(len(self.postfix.messages()), self.before)

    def test_messages_arrive_octet_for_octet(self):
        self.start()
        client = self.connect()
        for count, (name, octets) in enumerate(MESSAGES.items(), 1):
            with self.subTest(name):
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], octets).code, 250)
                self.assertEqual(without_trace(self.arrived(count)[-1]) == octets, True)

    def test_chunks_arrive_octet_for_octet(self):
        self.start()
        client = self.connect()
        for count, (name, octets) in enumerate(MESSAGES.items(), 1):
            with self.subTest(name):
                size = 7 if len(octets) < 1000 else 65537
                chunks = [octets[at:at + size] for at in range(0, len(octets), size)]
                client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\n".encode() + b"".join(
                    b"BDAT %d\r\n%b" % (len(chunk), chunk) for chunk in chunks) + b"BDAT 0 LAST\r\n")
                self.assertEqual({client.reply().code for _ in range(len(chunks) + 3)}, {250})
                self.assertEqual(without_trace(self.arrived(count)[-1]) == octets, True)

    def test_what_postfix_offers_is_offered(self):
        self.start()
        behind, client = Client(self.postfix.port, source="127.0.0.9"), self.connect()
        self.addCleanup(behind.close)
        behind.ehlo()
        wait_until(lambda: client.ehlo() and "VRFY" in client.capabilities, what="EHLO of the back-end")
        lost = set(behind.capabilities) - set(client.capabilities)
        self.assertEqual(lost, {"XCLIENT", "XFORWARD"} & lost)
        for command in ("VRFY b@example.org", f"VRFY {FOREIGN}", "ETRN example.org", "ETRN !", "EXPN b",
                        "HELP"):
            with self.subTest(command):
                self.assertEqual(client.command(command).code, behind.command(command).code)
        replies = client.envelope("\u00e4@sender.example", "\u00f6@example.org", mail_parameters="SMTPUTF8")
        self.assertEqual([reply.code for reply in replies], [250, 250])
        self.assertEqual(client.message(crlf("Subject: \u00fc\n\nx\n")).code, 250)
        self.assertIn("Delivered-To: \u00f6@example.org".encode(), self.arrived()[-1])

    def test_postfix_learns_who_the_client_is(self):
        self.start()
        for source, name, shown in (("127.0.0.9", "first.example", "unknown"),
                                    ("127.0.1.7", "second.example", "seven.example"),
                                    ("127.0.0.1", "third.example", "unknown")):
            self.before = len(self.postfix.messages())
            client = self.connect(name, source)
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGES["plain"]).code, 250)
            received = re.search(rb"^Received: from .*?(?=^\S)", self.arrived()[-1],
                                 re.DOTALL | re.MULTILINE)[0].decode()
            self.assertIn(f"Received: from {name} ({shown} [{source}])", received)
            self.assertIn("with ESMTP", received)
            self.assertIn(f"client={shown}[{source}]", self.postfix.log())

    def test_postfix_judges_relaying_by_the_client(self):
        self.start()
        external = self.connect()
        reply = external.envelope(SENDER, FOREIGN)[-1]
        self.assertEqual(reply.raw, f"554 5.7.1 <{FOREIGN}>: Relay access denied\r\n".encode())
        friend = self.connect(source="127.0.0.1")
        self.assertEqual([reply.code for reply in friend.envelope(SENDER, FOREIGN)], [250, 250])
        friend.command("RSET")

    def test_accepted_and_refused_recipients(self):
        self.start()
        client = self.connect()
        codes = [reply.code for reply in client.pipeline(
            f"MAIL FROM:<{SENDER}> SIZE=1000 BODY=8BITMIME", f"RCPT TO:<{FOREIGN}>", f"RCPT TO:<{RECIPIENT}>",
            "DATA")]
        self.assertEqual(codes, [250, 554, 250, 354])
        client.send(MESSAGES["plain"] + b".\r\n")
        self.assertEqual(client.reply().code, 250)
        self.assertIn(b"Delivered-To: b@example.org", self.arrived()[-1])

    def test_many_clients(self):
        self.start(proxy={"backend_connections": 4})
        failures = []

        def run(number):
            try:
                client = Client(self.server.port, source=f"127.0.2.{number}", timeout=60)
                client.ehlo(f"client{number}.example")
                for count in range(5):
                    octets = crlf(f"Subject: {number} {count}\n\n.{number}\n")
                    if client.deliver(SENDER, [RECIPIENT], octets).code != 250:
                        raise AssertionError("refused")
                client.quit()
            except Exception as error:
                failures.append(repr(error))
        threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 11)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        messages = self.arrived(50)
        self.assertEqual({without_trace(message) for message in messages},
                         {crlf(f"Subject: {number} {count}\n\n.{number}\n") for number in range(1, 11)
                          for count in range(5)})
        for message in messages:
            number = re.search(rb"^Subject: (\d+)", message, re.MULTILINE)[1].decode()
            self.assertIn(f"from client{number}.example (unknown [127.0.2.{number}])".encode(), message)

    def start_inspecting(self):
        self.start(proxy={**TOLD, "trusted_clients": "127.0.0.9"}, virus={"database": self.signatures()},
                   policy={"spf_fail": "reject"})

    def test_inspected_message_arrives_with_its_results(self):
        self.start_inspecting()
        client = self.connect(told="192.0.2.9")
        for count, octets in enumerate(MESSAGES.values(), 1):
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], octets).code, 250)
            arrived = without_trace(self.arrived(count)[-1])
            results = RESULTS.match(arrived)[0]
            self.assertIn(b"spf=pass smtp.mailfrom=a@sender.example", results)
            self.assertEqual(arrived[len(results):] == octets, True)

    def test_what_is_refused_never_reaches_postfix(self):
        self.start_inspecting()
        client = self.connect(told="192.0.2.9")
        for sender, octets, enhanced in (("x@silent.example", MESSAGES["plain"], "5.7.23"),
                                         (SENDER, infected(), "5.7.1")):
            with self.subTest(sender):
                reply = client.deliver(sender, [RECIPIENT], octets)
                self.assertEqual((reply.code, reply.enhanced), (550, enhanced))
        self.assert_nothing_arrived()
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGES["plain"]).code, 250)
        self.assertEqual(len(self.arrived()), 1)

    def assert_condemned(self, parameters, reason):
        with Postfix(parameters=parameters) as postfix:
            self.start(postfix)
            self.server.program.wait_for_log(reason)
            with Client(self.server.port) as client:
                client.ehlo()
                self.assertEqual([reply.code for reply in client.envelope(SENDER, RECIPIENT)], [250, 451])
            self.server.stop()
            wait_until(lambda: postfix.queue() == [], what="an empty queue")
            self.assertEqual(postfix.messages(), [])

    def test_open_relay_is_condemned(self):
        self.assert_condemned({"mynetworks": "0.0.0.0/0", "default_transport": "discard:"},
                              ": error: .*it is an open relay")

    def test_postfix_without_xclient_is_not_used(self):
        self.assert_condemned({"smtpd_authorized_xclient_hosts": ""},
                              ": error: .*smtpd_authorized_xclient_hosts")

    def test_probe_passes_normal_restrictions(self):
        self.start(proxy={"threads": 1})
        self.assertEqual(self.connect().deliver(SENDER, [RECIPIENT], MESSAGES["plain"]).code, 250)
        self.assertIn("<relay-probe@example.com>: Relay access denied", self.postfix.log())
        self.assertNotIn(": error: ", self.server.log())


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

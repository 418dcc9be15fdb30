"""What a real Postfix and its policy service learn of the client, and whose a refusal is."""

import re
import sys
import threading
import unittest

from support.policy_service import PolicyService
from support.postfix import Postfix, Unavailable
from support.proxy import ProxyTestCase
from support.smtp import Client, Closed, crlf

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
MESSAGE = crlf("From: a@sender.example\nSubject: told\n\nHello.\n")
ANSWERS = """
7.0.0.127.in-addr.arpa PTR verified.example
verified.example A 127.0.0.7
8.0.0.127.in-addr.arpa PTR unverified.example
unverified.example A 192.0.2.8
9.0.0.127.in-addr.arpa PTR !NXDOMAIN
10.0.0.127.in-addr.arpa PTR !SERVFAIL
11.0.0.127.in-addr.arpa PTR waits.example
waits.example A !SERVFAIL
12.0.0.127.in-addr.arpa PTR -odd.example
-odd.example A 127.0.0.12
"""
# Of the client with that source: client_name and reverse_client_name, as Postfix has them from the DNS.
NAMES = {
    "127.0.0.7": ("verified.example", "verified.example"),
    "127.0.0.8": ("unknown", "unverified.example"),
    "127.0.0.9": ("unknown", "unknown"),
    "127.0.0.10": ("unknown", "unknown"),
    "127.0.0.11": ("unknown", "waits.example"),
    "127.0.0.12": ("unknown", "unknown"),  # a name that Postfix does not take: told without it
}
NETWORK = {"mynetworks": "127.0.0.1/32"}


class ClientTest(ProxyTestCase):
    def postfix(self, **parameters):
        postfix = Postfix(parameters={**NETWORK, **parameters}).start()
        self.addCleanup(postfix.close)
        return postfix

    def policy(self, answer=None):
        policy = PolicyService(answer)
        self.addCleanup(policy.close)
        return policy

    def front(self, postfix, **options):
        return self.proxy(postfix.port, answers=ANSWERS, proxy={"threads": 1, **options})

    def say(self, server, source, hello="EHLO", recipient=RECIPIENT):
        """The reply to RCPT, or the one before it that was a refusal."""
        with Client(server.port, source=source, timeout=60) as client:
            for command in (f"{hello} client.example", f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{recipient}>"):
                reply = client.command(command)
                if not reply.is_positive:
                    break
            return reply


class ToldTest(ClientTest):
    def test_what_a_policy_service_is_told(self):
        policy = self.policy()
        postfix = self.postfix(smtpd_recipient_restrictions=policy.restriction)
        server = self.front(postfix)
        for hello, protocol in (("EHLO", "ESMTP"), ("HELO", "SMTP")):
            for source, (name, reverse) in NAMES.items():
                with self.subTest(hello=hello, source=source):
                    self.assertEqual(self.say(server, source, hello).code, 250)
                    told = policy.requests[-1]
                    expected = {
                        "client_address": source, "client_name": name, "reverse_client_name": reverse,
                        "protocol_name": protocol, "helo_name": "client.example", "sender": SENDER,
                        "recipient": RECIPIENT, "server_address": "127.0.0.1",
                        "server_port": str(server.port), "sasl_username": ""}
                    self.assertEqual({key: told.get(key) for key in expected}, expected)
                    self.assertTrue(told["client_port"].isdigit())
        self.assertNotIn(": error: ", server.log())

    def test_nothing_is_left_of_the_client_before(self):
        """Each client of a connection that is used again is told whole."""
        policy = self.policy()
        server = self.front(self.postfix(
            smtpd_recipient_restrictions=policy.restriction,
            smtpd_authorized_xclient_hosts="127.0.0.0/8"), backend_connections="1")
        before = []
        for source in list(NAMES) * 2:
            self.assertEqual(self.say(server, source).code, 250)
            before.append((source, policy.requests[-1]))
        for source, told in before:
            self.assertEqual((told["client_name"], told["reverse_client_name"]), NAMES[source])

    def test_what_a_front_has_told(self):
        policy = self.policy()
        server = self.front(self.postfix(smtpd_recipient_restrictions=policy.restriction),
                            trusted_clients="127.0.0.40")
        with Client(server.port, source="127.0.0.40") as client:
            client.ehlo("front.example")
            words = client.command(
                "XCLIENT ADDR=203.0.113.5 PORT=99 NAME=[TEMPUNAVAIL] REVERSE_NAME=r.example "
                "DESTADDR=203.0.113.25 DESTPORT=2525 PROTO=ESMTP LOGIN=joe")
            self.assertEqual(words.code, 220)
            client.ehlo("client.example")
            self.assertEqual(client.envelope(SENDER, RECIPIENT)[-1].code, 250)
        expected = {"client_address": "203.0.113.5", "client_port": "99", "client_name": "unknown",
                    "reverse_client_name": "r.example", "server_address": "203.0.113.25",
                    "server_port": "2525"}
        self.assertEqual({key: policy.requests[-1].get(key) for key in expected}, expected)

    def test_received(self):
        postfix = self.postfix()
        server = self.front(postfix)
        for count, (hello, protocol) in enumerate((("EHLO", "ESMTP"), ("HELO", "SMTP")), 1):
            with Client(server.port, source="127.0.0.7") as client:
                client.command(f"{hello} client.example")
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
            text = postfix.wait_for_messages(count)[-1].decode()
            self.assertIn("Received: from client.example (verified.example [127.0.0.7])\n", text)
            self.assertIsNotNone(re.search(rf"with {protocol} id", text), text)

    def test_restrictions_on_names(self):
        for restriction, refused in (
                ("reject_unknown_reverse_client_hostname", ("127.0.0.9", "127.0.0.10", "127.0.0.12")),
                ("reject_unknown_client_hostname", ("127.0.0.8", "127.0.0.9", "127.0.0.10", "127.0.0.11",
                                                    "127.0.0.12"))):
            server = self.front(self.postfix(smtpd_client_restrictions=f"permit_mynetworks, {restriction}"))
            for source in NAMES:
                with self.subTest(restriction, source=source):
                    reply = self.say(server, source)
                    self.assertEqual(reply.code, 450 if source in refused else 250, reply)
                    if source in refused:
                        self.assertIn("Client host rejected", reply.text)


class RefusedTest(ClientTest):
    BLOCKED, GOOD = "127.0.0.9", "127.0.0.7"

    def test_a_blocked_client_takes_nothing_from_others(self):
        """In each place where Postfix may refuse it: the blocked one hears that, the others their 250."""
        blocked = "inline:{{ {{{key} = {action}}} }}".format
        places = {
            "client, at once": {
                "smtpd_delay_reject": "no", "smtpd_client_restrictions":
                f"check_client_access {blocked(key=self.BLOCKED, action='550 5.7.1 Not you')}"},
            "client": {"smtpd_client_restrictions":
                       f"check_client_access {blocked(key=self.BLOCKED, action='REJECT Not you')}"},
            "helo, at once": {"smtpd_delay_reject": "no", "smtpd_helo_restrictions":
                              f"check_helo_access {blocked(key='bad.example', action='550 5.7.1 Not you')}"},
            "sender, at once": {"smtpd_delay_reject": "no", "smtpd_sender_restrictions":
                                f"check_sender_access {blocked(key='bad@x.example', action='521 Not you')}"},
        }
        for place, parameters in places.items():
            with self.subTest(place):
                server = self.front(self.postfix(**parameters), backend_connections="4")
                self.check_blocked(server)
                self.assertNotIn(": error: ", server.log())

    def check_blocked(self, server):
        heard, ended = [], threading.Event()

        def come_again():
            while not ended.wait(0.05):
                try:
                    with Client(server.port, source=self.BLOCKED, timeout=30) as client:
                        client.ehlo("bad.example")
                        heard.append(client.envelope("bad@x.example", RECIPIENT)[-1])
                except (Closed, OSError) as error:
                    heard.append(error)
        other = threading.Thread(target=come_again)
        other.start()
        codes = []
        try:
            while len(codes) < 15 or len(heard) < 4 and len(codes) < 1000:
                codes.append(self.say(server, self.GOOD).code)
        finally:
            ended.set()
            other.join(60)
        self.assertEqual(set(codes), {250})
        self.assertGreater(len(heard), 3)
        for reply in heard:
            self.assertTrue(getattr(reply, "code", 0) in (550, 554, 521) and "Not you" in reply.text, reply)

    def test_a_back_end_that_demands_tls(self):
        for way, domains in (("xclient", None), ("xforward", "example.org"), ("none", "example.org")):
            with self.subTest(way):
                postfix = self.postfix(smtpd_tls_security_level="encrypt",
                                       smtpd_authorized_xforward_hosts="127.0.0.1")
                server = self.front(postfix, client_address=way, recipient_domains=domains)
                for _ in range(3):
                    reply = self.say(server, self.GOOD)
                    self.assertEqual((reply.code, reply.enhanced), (451, "4.3.0"))
                server.program.wait_for_log("demands TLS or a login of us: 530 5.7.0 Must issue a STARTTLS")
                self.assertIn("smtpd_tls_security_level=may", server.log())


class CodesTest(ClientTest):
    def test_enhanced_status_codes_are_those_of_the_back_end(self):
        for keyword in ("ENHANCEDSTATUSCODES", None):
            recorder = self.backend(keywords=["PIPELINING", "8BITMIME", *([keyword] if keyword else [])])
            server = self.proxy(recorder)
            self.assertEqual(self.say(server, self.SOURCE).code, 250)
            with Client(server.port) as client:
                client.ehlo()
                self.assertEqual("ENHANCEDSTATUSCODES" in client.capabilities, keyword is not None)

    SOURCE = "127.0.0.7"


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

"""postern-proxy as smtpd_proxy_filter of a real Postfix, with the lines that administrators get."""

import base64
import signal
import sys
import time
import unittest

from support import milter_messages as mail, outcome, sasl
from support.before_queue import Place
from support.inspector_processes import InspectorProcesses
from support.milter import MilterTestCase
from support.milter_messages import CLIENT, EXTERNAL, RECIPIENT
from support.postfix import Postfix, Unavailable
from support.process import wait_until
from support.sign_keys import SignKeys
from support.smtp import Client, crlf

SENDER = "a@pass.example"
LARGE = crlf("From: a@pass.example\nSubject: large\n\n" + ("." + "0123456789" * 7 + "\n") * 100000)


def xclient_address(address):
    return f"IPV6:{address}" if ":" in address else address


class BeforeQueueFilterTest(MilterTestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        cls.postfix = cls.place.postfix().start()
        cls.addClassCleanup(cls.postfix.close)

    def start_proxy(self, postfix_place=None, answers=mail.ANSWERS, **groups):
        place = postfix_place or self.place
        proxy_options = {**place.proxy_options(), **groups.pop("proxy", {})}
        virus = {"database": self.signatures()}
        self.server = self.proxy(place.ports["behind"], answers=answers,
                                 proxy={"inspect": "yes", **proxy_options}, virus=virus,
                                 policy={"spf_fail": "reject", **groups.pop("policy", {})}, **groups)
        return self.server

    def client(self, address=CLIENT, service="smtp", place=None):
        """A client that the smtpd in front sees at address."""
        client = Client((place or self.place).ports[service], timeout=60)
        self.addCleanup(client.close)
        client.ehlo()
        override = f"XCLIENT NAME=[UNAVAILABLE] ADDR={xclient_address(address)} PROTO=ESMTP"
        self.assertEqual(client.command(override).code, 220)
        client.ehlo("he.lo.example")
        return client

    def deliver(self, octets, sender=SENDER, recipients=(RECIPIENT,), **options):
        return self.client(**options).deliver(sender, list(recipients), octets)

    def settle(self, postfix=None):
        wait_until(lambda: (postfix or self.postfix).queue() == [], what="an empty queue")
        return len((postfix or self.postfix).messages())

    def arrived(self, octets, **options):
        """Delivers, and returns what is in the mailbox for it: once, and no more."""
        before = self.settle()
        reply = self.deliver(octets, **options)
        self.assertEqual(reply.code, 250, reply)
        messages = self.postfix.wait_for_messages(before + 1)
        self.assertEqual(self.settle(), before + 1)
        return messages[-1]

    def test_clean_mail_arrives_once_from_the_right_client(self):
        self.start_proxy()
        for address in (CLIENT, "2001:db8::5"):
            delivered = self.arrived(mail.CLEAN, sender="a@none.example", address=address)
            line = self.server.wait_for_closing_lines("message", 1)[-1]
            self.assertEqual((line["client"], line["peer"], line["helo"], line["class"], line["delivery"]),
                             (address, "127.0.0.1", "he.lo.example", "other", "accepted"))
            # Of the smtpd behind; in the log our session stands for the message in front.
            self.assertIn(f"orig_queue_id={line['message']}, orig_client=unknown[{address}]",
                          self.postfix.log())
            literal = f"IPv6:{address}" if ":" in address else address
            self.assertIn(f"from he.lo.example (unknown [{literal}])".encode(), delivered)
            self.assertIn(b"Authentication-Results: proxy.example;", delivered)
            body = delivered[delivered.index(b"From: A <a@pass.example>"):]
            self.assertEqual(body, mail.CLEAN.replace(b"\r\n", b"\n"))

    def test_virus_is_refused_in_the_session(self):
        self.start_proxy()
        before = self.settle()
        client = self.client()
        for octets in (mail.INFECTED, mail.PLAINLY_INFECTED):
            reply = client.deliver(SENDER, [RECIPIENT], octets)
            line = self.server.closing_lines("message")[-1]
            self.assertEqual((reply.code, reply.enhanced), (550, "5.7.1"), reply)
            self.assertRegex(reply.text, rf"\[{line['message']}\]$")
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], mail.CLEAN).code, 250)
        self.postfix.wait_for_messages(before + 1)
        self.assertEqual(self.settle(), before + 1)

    def test_spf_judges_the_client_of_the_smtpd_in_front(self):
        self.start_proxy()
        for address, code in ((CLIENT, 250), (EXTERNAL, 550), ("2001:db8::9", 550), ("127.0.0.2", 250)):
            reply = self.deliver(mail.CLEAN, address=address)
            self.assertEqual(reply.code, code, (address, reply))
            if code == 550:
                self.assertEqual(reply.enhanced, "5.7.23")
        lines = self.server.wait_for_closing_lines("message", 4)
        self.assertEqual([line["spf"].split()[0] for line in lines], ["pass", "fail", "fail", "not_checked"])
        self.settle()

    def test_delivery_notices_are_asked_for(self):
        self.start_proxy()
        client = self.client()
        before = self.settle()
        replies = [client.command(f"MAIL FROM:<{SENDER}> RET=HDRS ENVID=QQ314159"),
                   client.command(f"RCPT TO:<{RECIPIENT}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{RECIPIENT}"),
                   client.message(mail.CLEAN)]
        self.assertEqual([reply.code for reply in replies], [250, 250, 250])
        self.postfix.wait_for_messages(before + 1)
        # SUCCESS was handed on: Postfix makes a notice, which nothing takes from here.
        self.postfix.wait_for_log(f"to=<{SENDER}>")
        self.assertIn("sender delivery status notification", self.postfix.log())
        self.settle()

    def test_eight_bits_and_utf8(self):
        self.start_proxy()
        before = self.settle()
        client = self.client()
        octets = crlf("From: ä@pass.example\nSubject: Grüße\n\nžluťoučký kůň\n")
        replies = [client.command("MAIL FROM:<ä@pass.example> BODY=8BITMIME SMTPUTF8 SIZE=200"),
                   client.command("RCPT TO:<bö@example.org>"), client.message(octets)]
        self.assertEqual([reply.code for reply in replies], [250, 250, 250], replies)
        delivered = self.postfix.wait_for_messages(before + 1)[-1]
        self.assertIn("with UTF8SMTP".encode(), delivered)
        self.assertIn(octets.replace(b"\r\n", b"\n"), delivered)
        self.assertIn("bö@example.org".encode(), delivered)

    def test_large_message(self):
        self.start_proxy()
        delivered = self.arrived(LARGE)
        self.assertTrue(delivered.endswith(LARGE.replace(b"\r\n", b"\n")))

    def test_refused_recipient(self):
        self.start_proxy()
        reply = self.client().envelope(SENDER, "x@elsewhere.example")[-1]
        self.assertEqual(reply.code, 554, reply)
        self.assertIn("Relay access denied", reply.text)

    def test_two_policies_are_two_messages(self):
        table = self.folder / "recipients"
        table.write_text("strict@example.org strict\n")
        self.start_proxy(policy={"spf_fail": "mark"}, clients={"recipients": table},
                         **{"policy strict": {"spf_fail": "reject"}})
        client = self.client(EXTERNAL)
        replies = client.envelope(SENDER, RECIPIENT, "strict@example.org")
        self.assertEqual([reply.code for reply in replies], [250, 250, 452], replies)
        self.assertEqual(client.message(mail.CLEAN).code, 250)
        self.assertEqual(client.deliver(SENDER, ["strict@example.org"], mail.CLEAN).code, 550)
        self.settle()

    def test_killed_proxy_loses_nothing(self):
        self.start_proxy()
        before = self.settle()
        client = self.client()
        self.assertEqual([reply.code for reply in client.envelope(SENDER, RECIPIENT)], [250, 250])
        self.server.program.kill()
        self.assertIn(client.message(mail.CLEAN).code // 100, (4,))
        replies = self.client().envelope(SENDER, RECIPIENT)
        self.assertTrue(any(400 <= reply.code < 500 for reply in replies), replies)
        self.assertEqual(self.settle(), before)
        self.server.start()
        wait_until(lambda: self.deliver(mail.CLEAN).code == 250, 60, "the proxy that was started again")
        self.postfix.wait_for_messages(before + 1)
        self.assertEqual(self.settle(), before + 1)

    def test_slow_verdict_is_our_451(self):
        self.start_proxy(proxy={"filter_timeout": "2s"})
        before = self.settle()
        processes = InspectorProcesses(self.server.program)
        processes.wait_for("worker")
        self.assertEqual(self.deliver(mail.CLEAN).code, 250)
        self.postfix.wait_for_messages(before + 1)
        processes.signal("worker", signal.SIGSTOP)
        self.addCleanup(processes.signal, "worker", signal.SIGCONT)
        started = time.monotonic()
        reply = self.deliver(mail.CLEAN)
        taken = time.monotonic() - started
        self.assertEqual((reply.code, reply.enhanced), (451, "4.3.2"), reply)
        self.assertIn("No answer in time", reply.text)
        self.assertLess(taken, 20)
        line = self.server.closing_lines("message")[-1]
        self.assertIn("filter_timeout", line["problem"])
        self.assertNotIn("timeout talking to proxy", self.postfix.log())
        self.assertEqual(self.settle(), before + 1)

    def test_slow_back_end_is_our_451(self):
        place = Place()
        backend = self.backend(port=place.ports["behind"], xforward=True, pause={"dot": 6})
        with place.postfix(place.services_in_front()) as postfix:
            self.start_proxy(place, proxy={"filter_timeout": "2s"})
            reply = self.deliver(mail.CLEAN, place=place)
            self.assertEqual((reply.code, reply.enhanced), (451, "4.3.2"), reply)
            line = self.server.wait_for_closing_lines("message", 1)[-1]
            self.assertEqual(line["delivery"], "unknown")
            self.assertEqual(postfix.queue(), [])
            self.assertTrue(any(command.startswith(f"XFORWARD ADDR={CLIENT} ")
                                for command in backend.commands()), backend.commands())

    def test_back_end_without_extensions(self):
        """What cannot be done without them is put off; a notice of delivery is done without."""
        place = Place()
        backend = self.backend(port=place.ports["behind"], xforward=True, keywords=[])
        with place.postfix(place.services_in_front()):
            self.start_proxy(place)
            for parameters, code in (("BODY=8BITMIME", 451), ("SMTPUTF8", 451), ("RET=HDRS ENVID=x", 250)):
                client = self.client(place=place)
                client.command(f"MAIL FROM:<{SENDER}> {parameters}")
                reply = client.command(f"RCPT TO:<{RECIPIENT}> NOTIFY=NEVER")
                self.assertEqual(reply.code, code, reply)
                if code == 451:
                    self.assertIn(parameters.partition("=")[2] or parameters, reply.text)
            self.assertEqual(client.message(mail.CLEAN).code, 250)
            self.assertEqual(self.server.closing_lines("message")[-1]["dsn"], "dropped")
            self.assertIn(f"RCPT TO:<{RECIPIENT}>", backend.commands())

    def test_users_are_not_judged_by_their_address(self):
        place, keys = Place(), SignKeys(self.subfolder("keys"))
        keys.add_key("signed.example", "mine")
        octets = mail.CLEAN.replace(b"a@pass.example", b"a@signed.example")
        envelope = ("a@signed.example", [RECIPIENT])
        try:
            postfix = place.postfix_with_users(ada="sesame")
        except sasl.Unavailable as error:
            self.skipTest(str(error))
        with postfix:
            self.start_proxy(place, sign={"table": keys.table}, **{"policy submission": {"sign": "yes"}})
            self.assertEqual(self.client(EXTERNAL, place=place).deliver(*envelope, octets).code, 550)
            client = self.client(EXTERNAL, "submission", place)
            self.assertEqual(client.envelope(*envelope)[0].code, 250)
            self.assertEqual(client.command(f"RCPT TO:<{RECIPIENT}>").code, 554)  # nobody has logged in
            client.command("RSET")
            secret = base64.b64encode(b"\0ada\0sesame").decode()
            self.assertEqual(client.command(f"AUTH PLAIN {secret}").code, 235)
            self.assertEqual(client.deliver(*envelope, octets).code, 250)
            self.assertEqual(client.deliver(*envelope, mail.INFECTED).code, 550)
            delivered = postfix.wait_for_messages(1)[-1]
        line = self.server.closing_lines("message")[-2]
        self.assertEqual((line["class"], line["policy"], line["client"], line["spf"]),
                         ("authenticated", "submission", EXTERNAL, "not_checked"))
        self.assertIn(b"DKIM-Signature: ", delivered)
        self.assertIn(b"d=signed.example", delivered)

    def test_external_clients_may_not_connect(self):
        self.start_proxy()
        for port in ("filter", "submission filter"):
            external = Client(self.place.ports[port], source="127.0.0.9")
            self.addCleanup(external.close)
            self.assertEqual((external.greeting.code, external.greeting.enhanced), (554, "5.7.1"))
            self.assertEqual(external.wait_closed(), b"")
        line = self.server.wait_for_closing_lines("session", 2)[-1]
        self.assertEqual((line["client"], line["ended"]), ("127.0.0.9", "not-trusted"))

    def test_no_relay_probe(self):
        self.start_proxy()
        self.deliver(mail.CLEAN)
        self.assertNotIn("relay-probe@example.com", self.postfix.log())
        self.assertNotIn(": error: ", self.server.log())

    def test_milter_behind_the_filter(self):
        milter = self.milter(answers=mail.ANSWERS)
        place = Place()
        services = place.services().replace(
            "  -o smtpd_milters=\n",
            f"  -o smtpd_milters=inet:127.0.0.1:{milter.port}\n  -o milter_default_action=tempfail\n"
            "  -o smtpd_authorized_xclient_hosts=127.0.0.0/8\n").replace(
            "mynetworks=127.0.0.0/8", "mynetworks=0.0.0.0/0,[::]/0")
        with place.postfix(services) as postfix:
            self.start_proxy(place, proxy={"inspect": "no", "client_address": "xclient"})
            self.assertEqual(self.deliver(mail.CLEAN, place=place).code, 250)
            postfix.wait_for_messages(1)
            for octets, address, enhanced in ((mail.INFECTED, CLIENT, "5.7.1"),
                                              (mail.CLEAN, EXTERNAL, "5.7.23")):
                reply = self.deliver(octets, address=address, place=place)
                self.assertEqual((reply.code, reply.enhanced), (550, enhanced), reply)
            self.settle(postfix)
            self.assertEqual(len(postfix.messages()), 1)
            lines = milter.wait_for_closing_lines("message", 3)
            self.assertEqual([line["client"] for line in lines], [CLIENT, CLIENT, EXTERNAL])
            self.assertIn(b"Authentication-Results: mx.example.org;", postfix.messages()[0])


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    outcome.main()

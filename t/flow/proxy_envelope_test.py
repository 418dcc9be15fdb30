"""What the back-end is told of client, sender and recipients, and what the client hears of its answers."""

import socket
import unittest

from support import outcome, ports
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

MESSAGE = crlf("Subject: envelope\n\nHello.\n")
SENDER, RECIPIENT = "a@sender.example", "b@example.org"
NAMES = """
7.1.0.127.in-addr.arpa PTR seven.example
seven.example A 127.0.1.7
8.1.0.127.in-addr.arpa PTR forged.example
forged.example A 192.0.2.8
9.1.0.127.in-addr.arpa PTR !SERVFAIL
"""

# What the back-end says to RCPT, and what the client must hear; None: the same octets.
RCPT_REPLIES = {
    "250 2.1.5 Ok": None,
    "250 Ok without a code": None,
    "251 2.1.5 User not local; will forward": None,
    "450 4.2.1 Mailbox busy": None,
    "451 4.7.1 Greylisted, come again in 300 seconds": None,
    "452 4.2.2 Mailbox full": None,
    "550 5.1.1 <x>: no such user (in virtual table)": None,
    "550-5.1.1 The first line\n550-5.1.1\n550 5.1.1 The last line": None,
    "553 5.1.3 Odd": None,
    "554 5.7.1 Relay access denied": None,
    "556 5.1.10 Null MX": None,
    "599 anything": None,
    "421 4.3.2 Going down": "451 4.3.2 Going down\r\n",
}


class ProxyEnvelopeTest(ProxyTestCase):
    def start(self, backend=None, **options):
        self.recorder = self.backend(**(backend or {}))
        self.server = self.proxy(self.recorder, **options)

    def connect(self, hello="EHLO client.example", **arguments):
        client = Client(self.server.port, **arguments)
        self.addCleanup(client.close)
        if hello:
            client.command(hello)
        return client

    def deliver(self, client, *recipients):
        reply = client.deliver(SENDER, recipients or [RECIPIENT], MESSAGE)
        self.assertEqual(reply.code, 250, reply)
        return self.recorder.messages()[-1]

    def test_client_is_told_by_xclient(self):
        self.start(answers=NAMES)
        for source, name in (("127.0.1.7", "seven.example"), ("127.0.1.8", "[UNAVAILABLE]"),
                             ("127.0.1.9", "[TEMPUNAVAIL]"), ("127.0.1.10", "[UNAVAILABLE]")):
            with self.subTest(source):
                client = self.connect(hello=f"EHLO x{source}.example", source=source)
                record = self.deliver(client)
                port = client.socket.getsockname()[1]
                self.assertEqual(record.helo, f"x{source}.example")
                self.assertEqual(record.xclient, {
                    "ADDR": source, "PORT": str(port), "PROTO": "ESMTP", "NAME": name,
                    "LOGIN": "[UNAVAILABLE]", "HELO": f"x{source}.example"})

    def test_helo_is_told_as_smtp(self):
        self.start()
        record = self.deliver(self.connect(hello="HELO old.example"))
        self.assertEqual((record.helo, record.xclient["PROTO"], record.extended),
                         ("old.example", "SMTP", False))
        record = self.deliver(self.connect(hello="EHLO [192.0.2.4]"))
        self.assertEqual((record.helo, record.xclient["PROTO"]), ("[192.0.2.4]", "ESMTP"))

    def test_ipv6_client(self):
        if not socket.has_ipv6 or not _has_ipv6_loopback():
            self.skipTest("no IPv6 loopback here")
        port = ports.free_port("::1")
        self.start(proxy={"listen": f"[::1]:{port}"})
        client = Client(port, host="::1")
        self.addCleanup(client.close)
        client.ehlo()
        self.assertEqual(self.deliver(client).xclient["ADDR"].upper(), "IPV6:::1")

    def test_each_message_of_a_session_is_told_anew(self):
        self.start()
        client = self.connect()
        self.deliver(client)
        client.ehlo("other.example")
        record = self.deliver(client)
        self.assertEqual(record.helo, "other.example")
        self.assertEqual(len(self.recorder.messages()), 2)

    def test_client_is_told_by_xforward(self):
        self.start({"xforward": True, "xclient": "absent"}, answers=NAMES,
                   proxy={"client_address": "xforward", "recipient_domains": "example.org"})
        for source, name in (("127.0.1.7", "seven.example"), ("127.0.1.8", "[UNAVAILABLE]")):
            record = self.deliver(self.connect(hello="EHLO x.example", source=source))
            self.assertEqual(record.xclient, {})
            self.assertEqual(record.xforward["ADDR"], source)
            self.assertEqual(record.xforward["NAME"], name)
            self.assertEqual(record.xforward["HELO"], "x.example")
            self.assertEqual(record.xforward["PROTO"], "ESMTP")

    def test_mail_parameters(self):
        self.start({"keywords": ["PIPELINING", "SIZE", "8BITMIME", "DSN"]}, proxy={"threads": 1})
        self.wait_for_capability("DSN")
        client = self.connect()
        replies = client.pipeline(
            f"MAIL FROM:<{SENDER}> SIZE=123 BODY=8BITMIME RET=HDRS ENVID=abc+3D",
            f"RCPT TO:<{RECIPIENT}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@example.org", "DATA")
        self.assertEqual([reply.code for reply in replies], [250, 250, 354])
        client.send(MESSAGE + b".\r\n")
        self.assertEqual(client.reply().code, 250)
        record = self.recorder.messages()[-1]
        self.assertEqual(record.sender_parameters, "SIZE=123 BODY=8BITMIME RET=HDRS ENVID=abc+3D")
        self.assertEqual(record.recipient_parameters, ["NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@example.org"])
        for parameter in ("AUTH=<>", "FOO=BAR", "SMTPUTF8", "SIZE=x", "BODY=BINARYMIME"):
            self.assertIn(client.command(f"MAIL FROM:<{SENDER}> {parameter}").code, (501, 555), parameter)

    def wait_for_capability(self, word):
        def look():
            with Client(self.server.port) as client:
                client.ehlo()
                return client.capabilities if word in client.capabilities else None
        return wait_until(look, what=f"{word} being announced")

    def test_announced_size_is_the_smaller_one(self):
        self.start({"size": 100000}, proxy={"threads": 1, "message_size": "1M"})
        self.wait_for_capability("8BITMIME")
        wait_until(lambda: int(self.wait_for_capability("SIZE")["SIZE"][0]) < 1048576)
        size = int(self.wait_for_capability("SIZE")["SIZE"][0])
        self.assertTrue(90000 <= size < 100000, size)
        client = self.connect()
        self.assertEqual(client.command(f"MAIL FROM:<{SENDER}> SIZE={size + 1}").code, 552)
        self.assertEqual(client.command(f"MAIL FROM:<{SENDER}> SIZE={size}").code, 250)

    def test_message_over_the_size_is_refused(self):
        self.start(proxy={"message_size": "64K"})
        client = self.connect()
        reply = client.command(f"MAIL FROM:<{SENDER}> SIZE=70000")
        self.assertEqual((reply.code, reply.enhanced), (552, "5.3.4"))
        reply = client.deliver(SENDER, [RECIPIENT], b"x" * 65 * 1024 + b"\r\n")
        self.assertEqual((reply.code, reply.enhanced), (552, "5.3.4"))
        self.deliver(client)
        self.assertEqual(len(self.recorder.messages()), 1)
        client.envelope(SENDER, RECIPIENT)
        client.command("DATA")
        client.send(b"z" * 300 * 1024)
        self.assertIn(b"521 5.3.4", client.wait_closed())
        self.assertEqual(len(self.recorder.messages()), 1)

    def test_recipients_over_the_limit(self):
        self.start(proxy={"max_recipients": 5})
        recipients = [f"r{number}@example.org" for number in range(7)]
        client = self.connect()
        replies = client.envelope(SENDER, *recipients)
        self.assertEqual([reply.code for reply in replies], [250] + 5 * [250] + 2 * [452])
        self.assertEqual(replies[-1].enhanced, "4.5.3")
        self.assertEqual(client.message(MESSAGE).code, 250)
        self.assertEqual(self.recorder.messages()[-1].recipients, recipients[:5])

    def test_a_thousand_recipients(self):
        self.start()
        recipients = [f"r{number}@example.org" for number in range(1001)]
        client = self.connect()
        commands = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients)]
        codes = [reply.code for reply in client.pipeline(*commands)]
        self.assertEqual(codes, [250] * 1001 + [452])
        self.assertEqual(client.message(MESSAGE).code, 250)
        self.assertEqual(self.recorder.messages()[-1].recipients, recipients[:1000])

    def test_rcpt_replies_word_for_word(self):
        self.start()
        for said, heard in RCPT_REPLIES.items():
            with self.subTest(said):
                self.recorder.options.refuse["rcpt:x@example.org"] = said
                client = self.connect()
                client.command(f"MAIL FROM:<{SENDER}>")
                reply = client.command("RCPT TO:<x@example.org>")
                wanted = heard or said.replace("\n", "\r\n") + "\r\n"
                self.assertEqual(reply.raw.replace(b"-5.1.1\r\n", b"-5.1.1 \r\n").decode(),
                                 wanted.replace("-5.1.1\r\n", "-5.1.1 \r\n"))
                client.close()

    def test_final_reply_word_for_word(self):
        self.start()
        for said in ("550-5.7.1 Two lines\n550 5.7.1 of the back-end", "451 4.3.0 Not now", "554 No code"):
            with self.subTest(said):
                self.recorder.options.refuse["dot"] = said
                client = self.connect()
                reply = client.deliver(SENDER, [RECIPIENT], MESSAGE)
                self.assertEqual(reply.raw.decode(), said.replace("\n", "\r\n") + "\r\n")
        self.recorder.options.refuse["dot"] = "421 4.3.2 Going down"
        self.assertEqual(self.connect().deliver(SENDER, [RECIPIENT], MESSAGE).code, 451)
        self.assertEqual(self.recorder.messages(), [])

    def test_data_refused_by_the_back_end(self):
        self.start({"refuse": {"data": "451 4.3.1 No room"}})
        client = self.connect()
        reply = client.deliver(SENDER, [RECIPIENT], MESSAGE)
        self.assertEqual(reply.raw, b"451 4.3.1 No room\r\n")
        self.recorder.options.refuse.clear()
        self.deliver(client)

    def test_accepted_and_refused_recipients(self):
        self.start({"refuse": {"rcpt:no@example.org": "550 5.1.1 No",
                               "rcpt:later@example.org": "450 4.2.0 Later"}})
        client = self.connect()
        recipients = ["no@example.org", "one@example.org", "later@example.org", "two@example.org",
                      "no@example.org"]
        codes = [reply.code for reply in client.envelope(SENDER, *recipients)]
        self.assertEqual(codes, [250, 550, 250, 450, 250, 550])
        self.assertEqual(client.message(MESSAGE).code, 250)
        self.assertEqual(self.recorder.messages()[-1].recipients, ["one@example.org", "two@example.org"])
        commands = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients), "DATA"]
        codes = [reply.code for reply in client.pipeline(*commands)]
        self.assertEqual(codes, [250, 550, 250, 450, 250, 550, 354])
        client.send(MESSAGE + b".\r\n")
        self.assertEqual(client.reply().code, 250)

    def test_no_recipient_accepted(self):
        self.start({"refuse": {"rcpt:no@example.org": "550 5.1.1 No"}})
        client = self.connect()
        codes = [reply.code
                 for reply in client.pipeline(f"MAIL FROM:<{SENDER}>", "RCPT TO:<no@example.org>", "DATA")]
        self.assertEqual(codes, [250, 550, 554])
        client.command("RSET")
        self.deliver(client)

    def test_refused_mail_answers_every_recipient(self):
        for said, heard in (("550 5.7.1 We know you", b"550 5.7.1 We know you\r\n"),
                            ("451 4.7.1 Later", b"451 4.7.1 Later\r\n"),
                            ("552 5.3.4 Too big", b"554 5.3.4 Message too big\r\n")):
            with self.subTest(said):
                self.start({"refuse": {f"mail:{SENDER}": said}})
                client = self.connect()
                replies = client.pipeline(f"MAIL FROM:<{SENDER}>", "RCPT TO:<x@example.org>",
                                          "RCPT TO:<y@example.org>", "DATA")
                self.assertEqual([reply.raw for reply in replies[1:3]], [heard, heard])
                self.assertEqual((replies[0].code, replies[3].code), (250, 554))

    def test_order_of_commands(self):
        self.start()
        client = self.connect(hello=None)
        # The mail server is told that there was no EHLO, and wants one.
        for command, code in (("MAIL FROM:<x@y.example>", 250), ("RCPT TO:<b@example.org>", 503),
                              ("EHLO", 501), ("EHLO a b", 501), ("EHLO client.example", 250),
                              ("RCPT TO:<b@example.org>", 503), ("DATA", 503),
                              ("MAIL FROM:<x@>", 501), ("MAIL FROM:<>", 250), ("MAIL FROM:<>", 503),
                              ("STARTTLS", 502), ("VRFY b", 252), ("NOOP", 250), ("HELP", 502)):
            self.assertEqual(client.command(command).code, code, command)
        self.assertEqual(client.command(f"RCPT TO:<{RECIPIENT}>").code, 250)
        self.assertEqual(client.message(MESSAGE).code, 250)
        self.assertEqual(self.recorder.messages()[-1].sender, "")

    def test_too_many_errors(self):
        self.start()
        client = self.connect()
        codes = [reply.code for reply in client.pipeline(*["NONSENSE"] * 20)]
        self.assertEqual(codes, [500] * 20)
        self.assertTrue(client.wait_closed().startswith(b"421 4.7.0 "))


def _has_ipv6_loopback():
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
        return True
    except OSError:
        return False


if __name__ == "__main__":
    outcome.main()

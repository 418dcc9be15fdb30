"""
Sendmail and Exim, which know no XCLIENT and relay for everybody here: the proxy alone stands before them. It
takes what is for recipient_domains, and the message names the client. With client_address = xclient they are
not used.
"""

import sys
import unittest

from support.exim import Exim
from support.exim import Unavailable as EximUnavailable
from support.proxy import ProxyTestCase
from support.sendmail import Sendmail
from support.sendmail import Unavailable as SendmailUnavailable
from support.smtp import Client, crlf

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
MESSAGE = crlf("From: a@sender.example\nSubject: servers\n\nHello.\n")
ANSWERS = "7.0.0.127.in-addr.arpa PTR verified.example\nverified.example A 127.0.0.7\n"
FOREIGN = ("x@elsewhere.example", "x%elsewhere.example@example.org", "elsewhere.example!x@example.org",
           "@example.org:x@elsewhere.example", '"x@elsewhere.example"@example.org', "x@[192.0.2.2]")
CODES = {Sendmail: True, Exim: False}  # whether it announces ENHANCEDSTATUSCODES


def text_of(message):
    """What is in its queue: all fields, as text."""
    return message.text if hasattr(message, "text") else message.octets.decode()


class ServersTest(ProxyTestCase):
    def server(self, kind):
        server = kind().start()
        self.addCleanup(server.close)
        return server

    def test_the_proxy_alone_stands_before_it(self):
        for kind, codes in CODES.items():
            with self.subTest(kind.__name__):
                server = self.server(kind)
                proxy = self.proxy(server.port, answers=ANSWERS, proxy={
                    "threads": 1, "client_address": "none", "recipient_domains": "example.org"})
                with Client(proxy.port, source="127.0.0.7") as client:
                    client.ehlo()
                    for recipient in FOREIGN:
                        reply = client.envelope(SENDER, recipient)[-1]
                        self.assertIn(reply.code, (501, 554), (recipient, reply))
                        client.command("RSET")
                with Client(proxy.port, source="127.0.0.7") as client:
                    client.ehlo()
                    self.assertEqual("ENHANCEDSTATUSCODES" in client.capabilities, codes)
                    self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
                messages = server.take(1)
                self.assertEqual(len(messages), 1)
                self.assertIn("from client.example (verified.example [127.0.0.7])", text_of(messages[0]))
                self.assertIn("by proxy.example (Postern) with ESMTP id ", text_of(messages[0]))
                proxy.stop()

    def test_without_xclient_it_is_not_used(self):
        for kind in CODES:
            with self.subTest(kind.__name__):
                proxy = self.proxy(self.server(kind).port, answers=ANSWERS, proxy={"threads": 1})
                with Client(proxy.port, source="127.0.0.7") as client:
                    client.ehlo()
                    reply = client.envelope(SENDER, RECIPIENT)[-1]
                self.assertEqual((reply.code, reply.enhanced), (451, "4.3.0"))
                proxy.program.wait_for_log("does not offer XCLIENT ADDR to us")
                proxy.stop()


if __name__ == "__main__":
    try:
        for module in CODES:
            module().close()
    except (SendmailUnavailable, EximUnavailable) as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

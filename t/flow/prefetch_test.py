"""
No question to the DNS is first asked at the dot: SPF's are asked at MAIL, those that the header raises while
the body still comes. With a name server that notes what it is asked.
"""

import struct
import time
import unittest

from support import dns
from support.milter import MilterTestCase
from support.proxy import TOLD, ProxyTestCase
from support.smtp import Client, crlf

SENDER = "someone@mail.sender.example"
TEXTS = {
    "mail.sender.example": "v=spf1 include:one.sender.example include:two.sender.example -all",
    "one.sender.example": "v=spf1 a:far.sender.example include:deep.sender.example ?all",
    "two.sender.example": "v=spf1 mx -all",
    "deep.sender.example": "v=spf1 exists:%{ir}.list.sender.example ?all",
    "_dmarc.sender.example": "v=DMARC1; p=reject",
    "s._domainkey.sender.example": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
}
SIGNATURE = "; h=from:subject; bh=AAAA; b=AAAA"
HEADER = crlf(
    "ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=list.example; s=seal; b=AAAA\n"
    f"ARC-Message-Signature: i=1; a=ed25519-sha256; d=list.example; s=message{SIGNATURE}\n"
    "ARC-Authentication-Results: i=1; list.example; dmarc=pass header.from=news.sender.example\n"
    f"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.example; s=s{SIGNATURE}\n"
    f"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=other.example; s=t{SIGNATURE}\n"
    "From: someone@news.sender.example\nSubject: all that asks\n\n")
BODY = crlf("Hello.\n")
# Some of what each check asks; not all of it is listed.
AT_MAIL = {"mail.sender.example", "deep.sender.example"}
BEFORE_THE_DOT = {"_dmarc.news.sender.example", "s._domainkey.sender.example", "t._domainkey.other.example",
                  "seal._domainkey.list.example", "message._domainkey.list.example"}
QUIET_SECONDS = 0.7


def answer(query):
    """The texts above; of everything else the name does not exist."""
    text = TEXTS.get(query.name)
    if text is None or query.kind != "TXT":
        return query.answer(rcode=dns.NOERROR if text else dns.NXDOMAIN)
    return query.answer(dns.record(b"\xc0\x0c", "TXT", struct.pack("B", len(text)) + text.encode()))


def asked(server):
    """The names asked for so far, once no more come."""
    count, last = -1, time.monotonic()
    while time.monotonic() - last < QUIET_SECONDS:
        if len(server.queries) != count:
            count, last = len(server.queries), time.monotonic()
        time.sleep(0.02)
    return {query.name for query in server.queries}


def servers(server):
    """[dns] that asks server."""
    return {"answers": None, "servers": server.address}


class Asked:
    """The steps of a message, with what was asked by the end of each; for both doors."""

    def check(self, reverse, at_mail, at_header, at_end):
        self.assertLessEqual(AT_MAIL | {f"{reverse}.list.sender.example"}, at_mail)
        self.assertLessEqual(BEFORE_THE_DOT, at_header)
        self.assertEqual(at_end - at_header, set(), "first asked at the dot")


class Proxy(Asked, ProxyTestCase):
    def test_nothing_is_first_asked_at_the_dot(self):
        with dns.Server(answer) as server:
            proxy = self.proxy(self.backend(), proxy=TOLD, dns=servers(server),
                               virus={"database": self.signatures()})
            with Client(proxy.port, told="192.0.2.7") as client:
                client.ehlo()
                client.envelope(SENDER, "b@example.org")
                at_mail = asked(server)
                self.assertEqual(client.command("DATA").code, 354)
                client.send(HEADER)
                at_header = asked(server)
                client.send(BODY + b".\r\n")
                self.assertEqual(client.reply().code, 250)
                self.check("7.2.0.192", at_mail, at_header, asked(server))


class Milter(Asked, MilterTestCase):
    def test_nothing_is_first_asked_at_the_dot(self):
        with dns.Server(answer) as server:
            milter = self.milter(dns=servers(server), policy={"spf_fail": "mark", "dkim_fail": "mark"})
            with milter.client() as client:
                client.connect(address="198.51.100.7")
                client.helo()
                client.mail(SENDER)
                client.recipient("b@example.org")
                at_mail = asked(server)
                client.header(HEADER + BODY)
                at_header = asked(server)
                client.body(BODY)
                outcome = client.end(i="Q1")
                self.assertTrue(outcome.is_accepted, outcome)
                self.check("7.100.51.198", at_mail, at_header, asked(server))


if __name__ == "__main__":
    unittest.main()

"""
One opinion on what the header is: where DKIM or DMARC pass, no mail server behind us and no program that
people read mail with shows another author, subject, type or body than was judged; and what is passed on has
no field of ours that a sender wrote, however it was spelt. Real Postfix, Sendmail and Exim, Python's email
and GMime; messages made from a seed (POSTERN_SEED, POSTERN_CASES for longer runs).
"""

import os
import re
import sys
import unittest

from support import header_cases
from support.exim import Exim
from support.exim import Unavailable as EximUnavailable
from support.header_cases import all_views
from support.milter import HOSTNAME
from support.milter_servers import PostfixTestCase, SendmailTestCase, delivered_header
from support.postfix import Postfix, Unavailable, without_trace
from support.proxy import ProxyTestCase
from support.sendmail import Sendmail
from support.smtp import Client, Closed

SEED = int(os.environ.get("POSTERN_SEED", "5322"))
CASES = int(os.environ.get("POSTERN_CASES", "120"))
RECIPIENT = "b@example.org"
OURS = "proxy.example"
MARKING = {name: "mark" for name in (
    "spf_fail", "spf_softfail", "spf_error", "dkim_fail", "dkim_error", "dmarc_reject", "dmarc_quarantine",
    "dmarc_error", "from_invalid", "header_ambiguous", "ambiguous")}
MARKING["received_spf"] = "yes"
RESULTS = re.compile(rb"^Authentication-Results: ([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE)
PASSES = re.compile(rb"\b(?:dkim|dmarc|arc)=pass\b")
SENDER_NUMBER = re.compile(r"c(\d+)@")

# One of each kind of line that makes a header ambiguous: some reader behind some server reads it differently.
BASE = (b"To: b@example.org\r\n",
        b"From: a@pass.example\r\nSubject: right\r\nDate: Fri, 05 Jun 2026 10:05:00 +0000\r\n"
        b"Message-ID: <x@pass.example>\r\nContent-Type: text/plain\r\n\r\nRight.\r\n")
LINES = {
    "no colon": b"evil", "no colon, with one on a fold": b"Subject\r\n : evil", "no name": b": evil",
    "over 126 in a name": b"X\xc3\xbc: evil", "a control before a name": b"\vX: evil",
    "a control behind a name": b"X\x7f: evil", "a blank in a name": b"X Y: evil",
    "a long name": b"X" * 101 + b": evil", "hyphens": b"--X: evil", "a blank before a colon": b"X : evil",
    "a tab before a colon": b"X\t: evil", "NUL": b"X\0: evil",
    "NUL in a value": b"Content-Type: text/plain\0",
    "a CR": b"X: y\rSubject: evil", "a second Subject": b"Subject: evil",
    "a long field": b"Reply-To: x" + header_cases.LONG + b"\r\nSubject: right" + header_cases.LONG}
KINDS = {
    "begins the header with white space": b" x\r\n" + b"".join(BASE),
    "the line of a mailbox": b"From x@y Thu Jan  1 00:00:00 2026\r\n" + b"".join(BASE),
    "the quoted line of a mailbox": b">From x@y Thu Jan  1 00:00:00 2026\r\n" + b"".join(BASE),
    **{kind: (line + b"\r\n").join(BASE) for kind, line in LINES.items()}}


def results_of(octets):
    """The Authentication-Results that stands on top: that is ours."""
    match = RESULTS.search(octets)
    return b" ".join(match[1].split()) if match else b""


def told(case, reader, where):
    return f"case {case.number} of seed {SEED}, {reader} of {where}: {case.octets!r:.3000}"


class Servers:
    """The three mail servers; deliver() gives what each keeps of messages, by number, with LF."""

    def __init__(self):
        self.postfix, self.sendmail, self.exim = Postfix(), Sendmail(), Exim()

    def start(self):
        for server in (self.postfix, self.sendmail, self.exim):
            server.start()

    def close(self):
        for server in (self.postfix, self.sendmail, self.exim):
            server.close()

    @staticmethod
    def send(port, messages):
        """Sends messages, number -> (sender, octets); the numbers of those that were taken."""
        taken, client = [], None
        for number, (sender, octets) in messages.items():
            if client is None:
                client = Client(port, timeout=60)
                client.ehlo()
            try:
                if client.deliver(sender, [RECIPIENT], octets).code == 250:
                    taken.append(number)
                else:
                    client.command("RSET")
            except (Closed, BrokenPipeError, ConnectionResetError, ValueError):
                # Sendmail closes for a CR alone, and quotes a folded line as it is in its reply.
                client.close()
                client = None
        if client is not None:
            client.quit()
        return taken

    def deliver(self, messages):
        """server -> number -> octets; what a server refuses is not there."""
        return {"postfix": self.through_postfix(messages), "sendmail": self.through_sendmail(messages),
                "exim": self.through_exim(messages)}

    def through_postfix(self, messages):
        taken = self.send(self.postfix.port, messages)
        return stored_by_postfix(self.postfix, len(taken))

    def through_sendmail(self, messages):
        taken = self.send(self.sendmail.port, messages)
        return dict(map(stored_by_sendmail, self.sendmail.take(len(taken), seconds=60)))

    def through_exim(self, messages):
        taken = self.send(self.exim.port, messages)
        return {number_of(message.sender): message.octets
                for message in self.exim.take(len(taken), seconds=60)}


def number_of(sender):
    return int(SENDER_NUMBER.search(sender)[1])


def stored_by_postfix(postfix, count, without=without_trace):
    """number -> octets; without says what is below the fields that Postfix itself has put on top."""
    messages = postfix.wait_for_messages(count, seconds=60) if count else []
    for path in (postfix.maildir / "new").glob("*"):
        path.unlink()
    return {number_of(message.split(b"\n", 1)[0].decode("latin-1")): without(message).replace(b"\r\n", b"\n")
            for message in messages}


def stored_by_sendmail(queued):
    fields = queued.without("Return-Path", "Received")
    header = "".join(f"{field}\n" for field in fields).encode("utf-8", "surrogateescape")
    sender = re.search(r"^S(.*)$", queued.text, re.MULTILINE)[1]
    return number_of(sender), header + b"\n" + queued.body


class ReadersTestCase(ProxyTestCase):
    """What a test of readers says about views."""

    def assert_one_reading(self, case, where, judged, views):
        """The views that readers have of what passed show what was judged; and that is what was signed."""
        for reader, view in views.items():
            self.assertEqual(judged.difference(view), "", told(case, reader, where))
        if case.signed:
            signed = header_cases.python_view(case.signed)
            names = [name.lower() for name in case.names]
            self.assertEqual(signed.difference(judged, names), "", told(case, "what was judged", where))

    def assert_no_forged(self, case, where, ours, results, views):
        """Whoever reads it sees our Authentication-Results and Received-SPF, or none of our name."""
        for reader, view in views.items():
            seen = {value for value in view.values("authentication-results") if ours in value.lower()}
            self.assertLessEqual(seen, {results}, told(case, reader, where))
            named = [value for value in view.values("received-spf") if b"receiver=" + ours in value.lower()]
            self.assertLessEqual(len(named), 1, told(case, reader, where))


class ProxyReadersTest(ReadersTestCase):
    """In front of a mail server."""

    @classmethod
    def setUpClass(cls):
        cls.servers = Servers()
        cls.addClassCleanup(cls.servers.close)
        cls.servers.start()

    def through_proxy(self, cases):
        """number -> what the proxy passed on; what it refused is not there."""
        backend = self.backend()
        proxy = self.proxy(backend, answers=header_cases.answers("127.0.0.1"), policy=MARKING,
                           proxy={"inspect": "yes"}, virus={"database": self.signatures()})
        taken = Servers.send(proxy.port, {case.number: (case.sender, case.octets) for case in cases})
        records = {number_of(record.sender): record.octets for record in backend.messages()}
        self.assertEqual(sorted(records), sorted(taken))
        return records

    def test_every_kind_is_read_differently(self):
        """The kinds that the reader knows are no invention: it fails where all programs would agree."""
        messages = {number: (f"c{number}@pass.example", octets)
                    for number, octets in enumerate(KINDS.values())}
        stored = self.servers.deliver(messages)
        for number, (kind, octets) in enumerate(KINDS.items()):
            kept = [octets, *(table[number] for table in stored.values() if number in table)]
            views = [view for table in all_views(self.subfolder("views"), kept)
                     for reader, view in table.items() if reader != "postern"]
            readings = {repr(sorted(view.shown().items())) for view in views}
            self.assertTrue(len(readings) > 1 or any(len(view.values("subject")) > 1 for view in views), kind)

    def test_what_passes_is_read_alike(self):
        cases = header_cases.cases(CASES, SEED, OURS)
        recorded = self.through_proxy(cases)
        stored = {"the proxy": recorded, **self.servers.deliver(
            {number: (cases[number].sender, octets) for number, octets in recorded.items()})}
        passed = {number for number, octets in recorded.items() if PASSES.search(results_of(octets))}
        for where, messages in stored.items():
            views = dict(zip(messages, all_views(self.subfolder("views"), list(messages.values()))))
            if where == "the proxy":
                judged = {number: table["postern"] for number, table in views.items()}
            for number, table in views.items():
                results = results_of(recorded[number])
                self.assertTrue(results.startswith(OURS.encode()), recorded[number][:300])
                self.assert_no_forged(cases[number], where, OURS.encode(), results, table)
                if number in passed:
                    self.assert_one_reading(cases[number], where, judged[number], table)
        # It would say nothing if all passed, or nothing.
        self.assertGreater(len(passed), CASES // 10)
        self.assertGreater(len(recorded) - len(passed), CASES // 10)
        self.assertGreater(min(map(len, stored.values())), CASES // 2)


class MilterReaders:
    """Behind a mail server, which has read the header already. A subclass says how messages are stored."""

    def test_what_passes_is_read_alike(self):
        self.start_milter(answers=header_cases.answers(self.client_address), policy=MARKING)
        cases = header_cases.cases(CASES, SEED + 1, HOSTNAME)
        stored = self.store({case.number: (case.sender, case.octets) for case in cases})
        passed = 0
        for number, table in zip(stored, all_views(self.subfolder("views"), list(stored.values()))):
            results = results_of(stored[number])
            self.assertTrue(results.startswith(HOSTNAME.encode()), stored[number][:300])
            self.assert_no_forged(cases[number], "the server", HOSTNAME.encode(), results, table)
            if PASSES.search(results):
                passed += 1
                self.assert_one_reading(cases[number], "the server", table["postern"], table)
        self.assertGreater(passed, CASES // 10)
        self.assertGreater(len(stored) - passed, CASES // 10)


class PostfixReadersTest(MilterReaders, PostfixTestCase, ReadersTestCase):
    client_address = "127.0.0.1"

    def store(self, messages):
        taken = Servers.send(self.postfix.port, messages)
        return stored_by_postfix(self.postfix, len(taken), delivered_header)


class SendmailReadersTest(MilterReaders, SendmailTestCase, ReadersTestCase):
    client_address = "127.0.0.1"

    def store(self, messages):
        taken = Servers.send(self.sendmail.port, messages)
        return dict(map(stored_by_sendmail, self.sendmail.take(len(taken), seconds=60)))


if __name__ == "__main__":
    try:
        Postfix().close()
        Exim().close()
    except (Unavailable, EximUnavailable) as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

"""What tests of postern-report share: a store that proxy and milter fill, and a server that takes reports."""

import contextlib
import sqlite3

from support.dkim_signer import Signer
from support.milter import MilterTestCase
from support.process import wait_until
from support.proxy import TOLD, configuration_text, run_program
from support.smtp import Client, crlf

CLIENT, OTHER = "192.0.2.7", "2001:db8::7"
SIGNER = Signer("own.example")
ANSWERS = """
own.example TXT "v=spf1 ip4:192.0.2.7 -all"
_dmarc.own.example TXT "v=DMARC1; p=reject; sp=quarantine; rua=mailto:d@own.example,mailto:x@far.example!1m"
own.example._report._dmarc.far.example TXT "v=DMARC1"
_dmarc.denied.example TXT "v=DMARC1; p=quarantine; adkim=s; rua=mailto:a@victim.example"
_dmarc.testing.example TXT "v=DMARC1; p=reject; t=y; rua=mailto:a@moved.example"
testing.example._report._dmarc.moved.example TXT "v=DMARC1; rua=mailto:new@moved.example"
_dmarc.stolen.example TXT "v=DMARC1; p=none; rua=mailto:a@thief.example"
stolen.example._report._dmarc.thief.example TXT "v=DMARC1; rua=mailto:a@victim.example"
_dmarc.sick.example TXT "v=DMARC1; p=none; rua=mailto:a@slow.example"
sick.example._report._dmarc.slow.example TXT !TIMEOUT
_dmarc.silent.example TXT "v=DMARC1; p=none"
""" + SIGNER.record()
DOMAINS = ["own.example", "far.example", "moved.example", "victim.example", "slow.example", "org.example"]
EX_TEMPFAIL = 75


def message(author, text="x"):
    return crlf(f"From: {author}\nTo: b@example.org\nSubject: {text}\n\nx\n")


class ReportTestCase(MilterTestCase):
    answers = ANSWERS

    def setUp(self):
        super().setUp()
        folder = self.subfolder("state")
        folder.chmod(0o777)
        self.store = folder / "report"
        self.receiver = self.backend(domains=DOMAINS)
        self.groups = {
            "report": {"store": self.store, "dmarc": "yes", "email": "dmarc@org.example", "interval": "200ms",
                       "organization": "Ours & <Co>", "contact": "https://org.example/?a=1&b=2",
                       "server": f"127.0.0.1:{self.receiver.port}"},
            "policy": {"dmarc_reject": "reject", "dmarc_quarantine": "quarantine"},
            "virus": {"scan": "no"}}
        self.configuration = self.folder / "report.conf"
        self.configure()

    def configure(self, answers=None, **groups):
        (self.folder / "answers").write_text(answers or self.answers)
        for group, values in groups.items():
            self.groups.setdefault(group, {}).update(values)
        self.configuration.write_text(
            configuration_text({**self.groups, "dns": {"answers": self.folder / "answers"}}))

    def start_proxy(self):
        return self.proxy(self.backend(), answers=self.answers, proxy={**TOLD, "threads": 2}, **self.groups)

    def send(self, server, octets, sender="a@elsewhere.example", address=CLIENT):
        with Client(server.port, timeout=60) as client:
            client.ehlo("front.example")
            name = f"IPV6:{address}" if ":" in address else address
            client.command(f"XCLIENT ADDR={name} NAME=[UNAVAILABLE]")
            client.ehlo("client.example")
            client.envelope(sender, "b@example.org")
            return client.message(octets).code

    def select(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.store, timeout=30)) as database, database:
            return database.execute(statement, values).fetchall()

    def wait_for_messages(self, count):
        """(A store that is made anew has no tables for a moment.)"""
        wait_until(lambda: self.select("SELECT 1 FROM sqlite_master WHERE name = 'dmarc'")
                   and self.select("SELECT total(messages) FROM dmarc")[0][0] >= count,
                   what=f"{count} messages in the store")

    def age(self, days=1):
        """All that is known is of so many days before."""
        for table in ("dmarc", "policy", "count", "failure"):
            self.select(f"UPDATE {table} SET day = day - ?", days)

    def report(self, *arguments, status=0):
        result = run_program("postern-report", "dmarc", "--config", self.configuration, *arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertNotIn("Sanitizer", result.stderr)
        return result.stdout

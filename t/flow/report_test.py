"""
DMARC aggregate reports (RFC 9990): messages through proxy and milter, test DNS, the store, and the mails that
postern-report hands to a mail server; the XML by xmllint's and Python's parsers.
"""

import contextlib
import email
import gzip
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import time
import unittest
import xml.etree.ElementTree

from support.postfix import Postfix, Unavailable
from support.process import source_folder, wait_until
from support.proxy import TOLD, run_program
from support.report import ANSWERS, CLIENT, DOMAINS, EX_TEMPFAIL, OTHER, SIGNER, ReportTestCase, message

NAMESPACE = "{urn:ietf:params:xml:ns:dmarc-2.0}"
SCHEMA = source_folder() / "t" / "support" / "dmarc_report.xsd"


def find(element, path):
    return element.findtext("/".join(NAMESPACE + name for name in path.split("/")))


class ReportTest(ReportTestCase):
    def parse(self, octets):
        """A report as ElementTree has it; both parsers take it, and the schema."""
        text = gzip.decompress(octets)
        xmllint = shutil.which("xmllint")
        self.assertTrue(xmllint, "xmllint is missing: libxml2-utils")
        result = subprocess.run([xmllint, "--noout", "--schema", SCHEMA, "-"], input=text, check=False,
                                capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr.decode() + text.decode())
        return xml.etree.ElementTree.fromstring(text)

    def open_mail(self, octets):
        """Its Message, the name of the file in it, and the report."""
        mail = email.message_from_bytes(octets)
        self.assertEqual(mail.get_content_type(), "multipart/mixed")
        text, file = mail.get_payload()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertEqual(file.get_content_type(), "application/gzip")
        return mail, file.get_filename(), self.parse(file.get_payload(decode=True))

    def rows(self, report):
        return {(find(record, "row/source_ip"), find(record, "row/policy_evaluated/disposition")):
                record for record in report.iter(NAMESPACE + "record")}


class SendingTest(ReportTest):
    def test_from_both_doors_to_a_mailbox(self):
        server = self.start_proxy()
        milter = self.milter(answers=ANSWERS, **self.groups)
        for _ in range(2):
            self.assertEqual(self.send(server, message("a@own.example"), "a@own.example"), 250)
        self.assertEqual(self.send(server, message("a@own.example"), address=OTHER), 550)
        self.assertEqual(self.send(server, message("a@sub.own.example"), address=OTHER), 250)
        with milter.client(timeout=60) as client:
            client.connect(name=f"[{CLIENT}]", address=CLIENT)
            client.helo("client.example")
            client.mail("x@elsewhere.example", i="Q1")
            client.recipient("b@example.org")
            signed = SIGNER.sign(message("a@own.example"))
            client.header(signed)
            client.body(b"x\r\n")
            client.end(i="Q1")
        self.wait_for_messages(5)
        self.assertEqual(self.report("--send"), "")  # today is not over
        self.assertEqual(self.receiver.messages(), [])
        self.age()
        told = self.report("--day", "yesterday")
        self.assertIn("own.example: 5 messages, to d@own.example", told)
        self.report("--send")
        [sent] = self.receiver.messages()
        self.assertEqual((sent.sender, sent.recipients), ("", ["d@own.example", "x@far.example"]))
        mail, name, report = self.open_mail(sent.octets)
        begin = self.select("SELECT day FROM dmarc")[0][0] * 86400
        self.assertEqual(name, f"org.example!own.example!{begin}!{begin + 86399}.xml.gz")
        identifier = time.strftime("%Y-%m-%d", time.gmtime(begin)) + "_own.example@org.example"
        self.assertEqual(" ".join(mail["Subject"].split()),
                         f"Report Domain: own.example Submitter: org.example Report-ID: <{identifier}>")
        self.assertEqual(mail["From"], '"Ours & <Co>" <dmarc@org.example>')
        self.assertEqual(mail["Message-ID"], f"<{identifier}>")
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        for path, value in {
                "report_metadata/org_name": "Ours & <Co>", "report_metadata/email": "dmarc@org.example",
                "report_metadata/extra_contact_info": "https://org.example/?a=1&b=2",
                "report_metadata/report_id": identifier, "policy_published/domain": "own.example",
                "policy_published/p": "reject", "policy_published/sp": "quarantine",
                "policy_published/np": "quarantine", "policy_published/testing": "n",
                "report_metadata/date_range/begin": str(begin)}.items():
            self.assertEqual(find(report, path), value, path)
        rows = self.rows(report)
        self.assertEqual({key: find(row, "row/count") for key, row in rows.items()},
                         {(CLIENT, "pass"): find(rows[CLIENT, "pass"], "row/count"), (OTHER, "reject"): "1",
                          (OTHER, "quarantine"): "1"})
        self.assertEqual(sum(int(number.text) for number in report.iter(NAMESPACE + "count")), 5)
        refused = rows[OTHER, "reject"]
        self.assertEqual(find(refused, "row/policy_evaluated/dkim"), "fail")
        self.assertEqual(find(refused, "identifiers/envelope_from"), "elsewhere.example")
        self.assertEqual(find(rows[OTHER, "quarantine"], "identifiers/header_from"), "sub.own.example")
        self.report("--send")
        self.assertEqual(len(self.receiver.messages()), 1, "a report was sent twice")

    def test_who_may_have_them(self):
        server = self.start_proxy()
        for domain in ("denied", "testing", "stolen", "sick", "silent"):
            self.send(server, message(f"a@{domain}.example"))
        self.wait_for_messages(5)
        self.age()
        told = self.report("--send", status=EX_TEMPFAIL)
        [sent] = self.receiver.messages()
        self.assertEqual(sent.recipients, ["new@moved.example"])
        self.assertIn("a@victim.example has not agreed to get it", told)
        self.assertIn("sick.example: the DNS did not answer", told)
        _, _, report = self.open_mail(sent.octets)
        self.assertEqual(find(report, "policy_published/testing"), "y")
        self.assertEqual(find(report, "record/row/policy_evaluated/reason/type"), "policy_test_mode")
        self.assertEqual(find(report, "record/row/policy_evaluated/disposition"), "quarantine")
        self.configure(ANSWERS.replace("slow.example TXT !TIMEOUT", 'slow.example TXT "v=DMARC1"'))
        self.report("--send")
        self.assertEqual([mail.recipients for mail in self.receiver.messages()],
                         [["new@moved.example"], ["a@slow.example"]])
        self.assertNotIn("denied", self.report("--send"))

    def test_retries_have_a_bound(self):
        server = self.start_proxy()
        self.send(server, message("a@own.example"))
        self.wait_for_messages(1)
        self.age()
        self.receiver.options.refuse["dot"] = "451 4.3.0 Not now"
        for _ in range(8):
            self.assertIn("Not now", self.report("--send", status=EX_TEMPFAIL))
        self.receiver.options.refuse.clear()
        self.assertEqual(self.report("--send"), "")
        self.select("DELETE FROM report")
        self.receiver.options.drop.add("recorded")
        self.assertIn("may have been sent", self.report("--send"))
        self.receiver.options.drop.clear()
        self.report("--send")
        self.assertEqual(len(self.receiver.messages()), 1)

    def test_two_days_are_two_reports(self):
        server = self.start_proxy()
        folder = self.subfolder("output")
        for _ in range(2):
            self.send(server, message("a@own.example"))
            wait_until(lambda: self.select("SELECT count(*) FROM dmarc WHERE day = ?",
                                           int(time.time()) // 86400)[0][0] > 0, what="today's row")
            self.age()
        self.report("--send")
        names = [self.open_mail(mail.octets)[1] for mail in self.receiver.messages()]
        self.assertEqual(len(set(names)), 2, names)
        self.report("--output", folder)
        [path] = folder.iterdir()
        self.assertIn(path.name, names)
        self.assertEqual(find(self.parse(path.read_bytes()), "record/row/count"), "1")

    def test_observing_is_a_local_policy(self):
        server = self.proxy(self.backend(), answers=ANSWERS, **self.groups,
                            proxy={**TOLD, "mode": "observe"})
        self.assertEqual(self.send(server, message("a@own.example")), 250)
        self.wait_for_messages(1)
        self.age()
        self.report("--send")
        _, _, report = self.open_mail(self.receiver.messages()[0].octets)
        self.assertEqual(find(report, "record/row/policy_evaluated/disposition"), "none")
        self.assertEqual(find(report, "record/row/policy_evaluated/reason/type"), "local_policy")

    def test_through_a_real_postfix(self):
        try:
            postfix = Postfix(domains=DOMAINS)
        except Unavailable as error:
            self.skipTest(str(error))
        with postfix:
            server = self.start_proxy()
            self.send(server, message("a@own.example"))
            self.wait_for_messages(1)
            self.age()
            self.configure(report={"server": f"127.0.0.1:{postfix.port}"})
            self.report("--send")
            delivered = postfix.wait_for_messages(1)[0]
            _, name, _ = self.open_mail(delivered)
            self.assertIn("own.example", name)


class DailyTest(ReportTest):
    def test_summary_of_a_day(self):
        server = self.start_proxy()
        for author in ("a@own.example", "a@own.example", "a@silent.example"):
            self.send(server, message(author), "a@own.example")
        self.send(server, message("a@own.example"), "x@elsewhere.example", address=OTHER)
        total = "SELECT total(messages) FROM count WHERE kind = 'action'"
        wait_until(lambda: self.select(total)[0][0] >= 4, what="four messages in the store")
        self.age()
        daily = ("daily", "--config", self.configuration)
        text = run_program("postern-report", *daily).stdout
        for line in ("accept +3", "reject +1", "dmarc_reject +1", r"own\.example +3 +67 % +0 % +67 %",
                     r"silent\.example +1 +100 % +0 % +0 %", "none +4"):
            self.assertRegex(text, f"\n  {line}\n")
        page = run_program("postern-report", *daily, "--html").stdout
        self.assertIn("<td>dmarc_reject</td><td>1</td>", page)
        self.assertNotRegex(page, r"<b>|<script|\bsrc=|\bhref=|https?:")
        self.configure(report={"daily": "root@org.example"})
        for _ in range(2):
            result = run_program("postern-report", "--send", "--config", self.configuration)
            self.assertEqual(result.returncode, 0, result.stderr)
        mails = {mail.recipients[0]: mail for mail in self.receiver.messages()}
        self.assertEqual(set(mails), {"root@org.example", "d@own.example"})
        self.assertEqual(len(self.receiver.messages()), 2)
        parts = email.message_from_bytes(mails["root@org.example"].octets).get_payload()
        self.assertTrue(parts[0].get_payload(decode=True).decode().startswith(text))
        self.assertIn("<table>", parts[1].get_payload(decode=True).decode())


class StoreTest(ReportTest):
    def test_kill_loses_at_most_what_was_not_written(self):
        server = self.start_proxy()
        total = 0
        for _ in range(2):
            self.send(server, message("a@own.example"))
            total += 1
            self.wait_for_messages(total)
            self.send(server, message("a@own.example"))
            server.program.kill()
            found = self.select("SELECT total(messages) FROM dmarc")[0][0]
            self.assertIn(found, (total, total + 1))
            total = found
            self.assertEqual(self.select("PRAGMA integrity_check"), [("ok",)])
            server.start()

    def test_damaged_file_is_set_aside(self):
        server = self.start_proxy()
        milter = self.milter(answers=ANSWERS, **self.groups)
        self.send(server, message("a@own.example"))
        self.wait_for_messages(1)
        self.select("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(self.store, "r+b") as file:  # garbage in the place of all that is kept
            file.write(b"SQLite format 3\0".ljust(self.store.stat().st_size, b"x"))

        def is_set_aside():
            self.assertEqual(self.send(server, message("a@own.example")), 550)
            return list(self.store.parent.glob(f"{self.store.name}.damaged-*")) and self.store.exists()
        wait_until(is_set_aside, what="a file that is set aside")
        self.wait_for_messages(1)
        self.assertIn("was damaged", server.log_now())
        with milter.client(timeout=60) as client:
            client.connect(name=f"[{CLIENT}]", address=CLIENT)
            client.helo("client.example")
            client.mail("x@elsewhere.example", i="Q1")
            client.recipient("b@example.org")
            client.header(message("a@denied.example"))
            client.body(b"x\r\n")
            client.end(i="Q1")
        wait_until(lambda: self.select("SELECT * FROM dmarc WHERE domain = 'denied.example'"),
                   what="the milter's row in the new file")

    def test_a_store_that_cannot_be_written_delays_no_mail(self):
        server = self.start_proxy()
        self.send(server, message("a@own.example"))
        self.wait_for_messages(1)
        with contextlib.closing(sqlite3.connect(self.store, timeout=30, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            self.assertEqual(self.send(server, message("a@own.example")), 550)
            wait_until(lambda: "mail goes on" in server.log_now(), 30, what="the line that says so")
            self.assertEqual(self.send(server, message("a@own.example")), 550)
            holder.execute("ROLLBACK")
        self.wait_for_messages(3)
        self.assertRegex(server.log(), "is written again")

    def test_mode_of_the_file(self):
        server = self.start_proxy()
        self.send(server, message("a@own.example"))
        self.wait_for_messages(1)
        self.assertEqual(os.stat(self.store).st_mode & 0o137, 0)
        self.assertFalse(re.search(r"b@example\.org", self.store.read_bytes().decode("latin-1")))


class WrongUseTest(ReportTest):
    def test_errors_say_what_to_do(self):
        for arguments, text in (((), "which report"), (("dmarc", "--day", "soon"), "YYYY-MM-DD"),
                                (("dmarc", "--day", "today", "--send"), "not over"),
                                (("dmarc",), "No such file"),
                                (("dmarc", "--dya", "x"), "did you mean --day")):
            with self.subTest(arguments=arguments):
                result = run_program("postern-report", *arguments, "--config", self.configuration)
                self.assertGreaterEqual(result.returncode, 64)
                self.assertIn(text, result.stderr)
        self.configure(report={"dmarc": "no"})
        result = run_program("postern-report", "dmarc", "--config", self.configuration)
        self.assertIn("[report] dmarc = no", result.stderr)
        self.configure(report={"dmarc": "yes", "email": None})
        result = run_program("postern-proxy", "--check-config", "--config", self.configuration)
        self.assertIn("[report] dmarc: needs email", result.stderr)


if __name__ == "__main__":
    unittest.main()

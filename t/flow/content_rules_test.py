"""
Content rules at every door: files, words and links by rules of the administrator and by the default ones,
exemptions, mode = observe, what is told, and a reload.
"""

import email.message
import io
import json
import os
import signal
import unittest
import zipfile

from support.inspector import Inspector, children, message, role_of, with_attachment
from support.milter import MilterTestCase
from support.process import wait_until
from support.proxy import TOLD, configuration_text, run_program, unprivileged_user
from support.smtp import Client, crlf

CLIENT, OWN = "192.0.2.7", "198.51.100.7"
SENDER, RECIPIENT = "a@pass.example", "b@example.org"
ANSWERS = 'pass.example TXT "v=spf1 ip4:192.0.2.0/24 -all"\n'
RULES = r"""
# our own
invoice   reject
    name  invoice*.pdf
    reply "invoices go to another address"
    exempt submission
macro     reject   contents macro
script    quarantine contents html-script
    place attached
lottery   mark     text lottery
deceit    mark     link deceptive
subject   log      header Subject /^won/
disk-image log     name *.iso
picture   reject   sniffed image/gif
    not type image/*
"""


def mail(subject="rules", text="Hello.", html=None, files=()):
    """A message with (NAME, OCTETS[, TYPE]) attached."""
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, RECIPIENT, subject
    message["Message-ID"] = "<1@pass.example>"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, octets, *kind in files:
        main, _, sub = (kind[0] if kind else "application/octet-stream").partition("/")
        message.add_attachment(octets, maintype=main, subtype=sub, filename=name)
    return crlf(message.as_string())


def zipped(name, octets):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, octets)
    return archive.getvalue()


# NAME: (message, rules that hold, action)
MAILS = {
    "nothing": (mail(), "", "accept"),
    "own rule": (mail(files=[("Invoice-1.PDF", b"%PDF")]), "invoice", "reject"),
    "macro": (mail(files=[("a.docx", zipped("word/vbaProject.bin", b"x"))]), "macro", "reject"),
    "default rule": (mail(files=[("a.exe", b"MZ")]), "windows-program", "reject"),
    "name in RFC 2231": (mail(files=[("\u00fcber.exe", b"MZ")]), "windows-program", "reject"),
    "default rule, replaced": (mail(files=[("a.iso", b"x")]), "disk-image", "accept"),
    "HTML with a script": (mail(files=[("a.html", b"<script>x</script>", "text/html")]), "script",
                           "quarantine"),
    "word": (mail(text="The LOTTERY is yours."), "lottery", "accept"),
    "word in HTML": (mail(html="<p>lot<b>tery</b></p>"), "lottery", "accept"),
    "link": (mail(html="<a href='http://evil.example/'>http://bank.example/</a>"), "deceit", "accept"),
    "header": (mail(subject="won"), "subject", "accept"),
    "header, encoded": (mail(subject="won a caf\u00e9"), "subject", "accept"),
    "HTML that builds a file": (mail(files=[("a.html", b"<script>new Blob([1])</script>", "text/html")]),
                                "html-download,script", "quarantine"),
    "sniffed": (mail(files=[("a.bin", b"GIF89a" + bytes(30))]), "picture", "reject"),
    "sniffed, declared": (mail(files=[("a.gif", b"GIF89a" + bytes(30), "image/gif")]), "", "accept"),
}


class ContentRulesTest(MilterTestCase):
    def setUp(self):
        super().setUp()
        self.rules = self.subfolder("rules") / "rules"
        self.rules.write_text(RULES)
        self.groups = {"content": {"rules": self.rules}, "virus": {"database": self.signatures()},
                       "inspector": {"workers": 1}, "clients": {"own_networks": "198.51.100.0/24"}}
        self.rules.parent.chmod(0o755)

    def start_proxy(self, **options):
        self.recorder = self.backend()
        self.server = self.proxy(self.recorder, answers=ANSWERS, proxy={**TOLD, **options}, **self.groups)

    def ask_proxy(self, octets, address=CLIENT):
        with Client(self.server.port, timeout=60) as client:
            client.ehlo()
            client.command(f"XCLIENT ADDR={address} NAME=[UNAVAILABLE]")
            client.ehlo()
            return client.deliver(SENDER, [RECIPIENT], octets)

    def scan(self, *arguments, **messages):
        configuration = self.folder / "scan.conf"
        answers = self.folder / "answers"
        answers.write_text(ANSWERS)
        configuration.write_text(configuration_text(
            {**self.groups, "inspector": {"user": unprivileged_user(), "workers": 1},
             "dns": {"answers": answers}}))
        folder = self.subfolder("scan")
        for number, octets in enumerate(messages.values()):
            (folder / f"{number:03}.eml").write_bytes(octets)
        return run_program("postern-scan", "--config", configuration, "--client", CLIENT, "--sender", SENDER,
                           "--recipient", RECIPIENT, *arguments, folder)

    def test_scan(self):
        result = self.scan("--json", **{name: octets for name, (octets, _, _) in MAILS.items()})
        verdicts = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(verdicts), len(MAILS), result.stderr)
        for (name, (_, rules, action)), verdict in zip(MAILS.items(), verdicts):
            with self.subTest(name):
                self.assertEqual(",".join(rule["rule"] for rule in verdict.get("rules", [])), rules)
                self.assertEqual(verdict["action"], action)
                self.assertNotIn("rules_undecided", verdict)

    def test_explanation(self):
        told = self.scan("--explain", one=MAILS["own rule"][0], two=MAILS["link"][0]).stdout
        self.assertIn("550 5.7.1 Message refused: invoices go to another address "
                      "(file Invoice-1.PDF, rule invoice)", told)
        self.assertIn("rules: rule invoice (reject) holds for Invoice-1.PDF: name invoice*.pdf", told)
        self.assertIn("rules: rule deceit (mark) holds: link (evil.example shows bank.example)", told)

    def test_proxy(self):
        self.start_proxy()
        reply = self.ask_proxy(MAILS["own rule"][0])
        self.assertEqual(reply.code, 550)
        self.assertIn("5.7.1 Message refused: invoices go to another address", reply.text)
        self.assertIn("Invoice-1.PDF, rule invoice", reply.text)
        self.assertEqual(self.ask_proxy(MAILS["own rule"][0], OWN).code, 250)
        self.assertEqual(self.ask_proxy(MAILS["default rule"][0], OWN).code, 550)
        self.assertEqual(self.ask_proxy(MAILS["word"][0]).code, 250)
        lines = self.server.wait_for_closing_lines("message", 4)
        self.assertEqual([line.get("rules") for line in lines],
                         ["invoice", "invoice", "windows-program", "lottery"])
        self.assertEqual(lines[0]["check"], "rules")
        marked = self.recorder.messages()[-1].octets
        self.assertIn(b"\r\nX-Content-Rules: lottery\r\n", b"\r\n" + marked)
        self.assertNotIn(b"X-Content-Rules", self.recorder.messages()[0].octets)

    def test_forged_field_goes(self):
        self.start_proxy()
        self.assertEqual(self.ask_proxy(b"X-Content-Rules: none\r\n" + mail()).code, 250)
        self.assertNotIn(b"X-Content-Rules", self.recorder.messages()[-1].octets)

    def test_observe(self):
        self.start_proxy(mode="observe")
        self.assertEqual(self.ask_proxy(MAILS["default rule"][0]).code, 250)
        line = self.server.wait_for_closing_lines("message", 1)[0]
        self.assertEqual((line["would"], line["rules"]), ("reject", "windows-program"))

    def test_milter(self):
        filter_ = self.milter(answers=ANSWERS, **self.groups)
        with filter_.client(timeout=60) as client:
            client.connect(address=CLIENT)
            client.helo("client.example")
            for name in ("own rule", "default rule", "sniffed"):
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], MAILS[name][0]).code, 550, name)
            outcome = client.deliver(SENDER, [RECIPIENT], MAILS["HTML with a script"][0])
            self.assertIn("rule script", outcome.quarantine)
            outcome = client.deliver(SENDER, [RECIPIENT], MAILS["word"][0])
            self.assertTrue(outcome.is_accepted)
            self.assertEqual(outcome.header("X-Content-Rules").strip(), "lottery")

    def reload(self, expected):
        lines = self.server.log().count(expected)
        self.server.program.send_signal(signal.SIGHUP)
        wait_until(lambda: self.server.log().count(expected) > lines, seconds=60,
                   what=f"{expected!r} in the log")

    def wait_for_rule(self, name, octets):
        wait_until(lambda: f"rule {name}" in self.ask_proxy(octets).text, seconds=60, what=f"rule {name}")

    def scan_templates(self, parent=None):
        found = []
        for pid in children(parent or self.server.program.pid):
            found += [pid] if role_of(pid) == "scan" else [] if role_of(pid) else self.scan_templates(pid)
        return found

    def test_reload(self):
        self.start_proxy()
        octets = MAILS["own rule"][0]
        self.assertEqual(self.ask_proxy(octets).code, 550)
        self.rules.write_text("other reject name *.pdf\n    nmae x\n")
        self.reload(f"{self.rules}:2:5: unknown condition 'nmae'; did you mean name?")
        self.assertIn("rule invoice", self.ask_proxy(octets).text)
        # A template that starts meanwhile has the rules that are in service.
        for pid in self.scan_templates():
            os.kill(pid, signal.SIGKILL)
        self.wait_for_rule("invoice", octets)
        self.rules.write_text("other reject name *.pdf\n")
        self.reload("reloading configuration, signatures, content rules and keys")
        self.wait_for_rule("other", octets)

    def test_mistakes_are_told(self):
        self.rules.write_text("a tempfail\nb reject name /(/\n")
        configuration = self.folder / "bad.conf"
        configuration.write_text(configuration_text(self.groups))
        for program in ("postern-inspector", "postern-proxy"):
            result = run_program(program, "--config", configuration, "--check-config")
            self.assertEqual(result.returncode, 78, program)
            self.assertIn(f"{self.rules}:1:3: what a message holds is the same at every retry", result.stderr)
            self.assertIn(f"{self.rules}:2:17: in this expression: missing closing parenthesis",
                          result.stderr)

    def test_mistakes_at_the_start(self):
        """The default rules apply, and of all that they let pass it is said that more should."""
        self.rules.write_text("b reject name /(/\n")
        with Inspector(workers=1, more=f"[content]\nrules = {self.rules}\n") as inspector:
            inspector.start()
            self.assertIn("error: MESSAGES ARE CHECKED BY THE DEFAULT CONTENT RULES ALONE", inspector.log())
            self.assertIn(f"{self.rules}:1:17: in this expression: missing closing", inspector.log())
            bad, good = inspector.ask(with_attachment(b"MZ", "a.exe"), message())
        self.assertEqual((bad.rule, good.rule), ("windows-program", None))
        self.assertEqual([result.undecided for result in (bad, good)],
                         2 * ["the content rules could not be loaded"])

    @unittest.skipUnless(os.geteuid() == 0, "what only root can read")
    def test_rules_that_the_inspector_cannot_read(self):
        self.rules.chmod(0o600)
        configuration = self.folder / "bad.conf"
        configuration.write_text(configuration_text(self.groups))
        for program in ("postern-inspector", "postern-proxy"):
            result = run_program(program, "--config", configuration, "--check-config")
            self.assertEqual(result.returncode, 78, program)
            self.assertIn(f"[content] rules: reading {self.rules}: Permission denied", result.stderr)

    def test_rules_exempt_a_policy_that_there_is(self):
        self.rules.write_text("a reject name *.x\n    exempt submision\n")
        configuration = self.folder / "bad.conf"
        configuration.write_text(configuration_text(self.groups))
        result = run_program("postern-inspector", "--config", configuration, "--check-config")
        self.assertEqual(result.returncode, 78)
        self.assertIn(f"{self.rules}:1: rule a exempts 'submision', and there is no group [policy submision]",
                      result.stderr)

    def test_default_rules_can_be_switched_off(self):
        self.groups["content"] = {"default_rules": "no"}
        self.start_proxy()
        self.assertEqual(self.ask_proxy(MAILS["default rule"][0]).code, 250)
        self.assertNotIn("rules", self.server.wait_for_closing_lines("message", 1)[0])


if __name__ == "__main__":
    unittest.main()

"""postern-scan for tests: a folder with a configuration, answers and signatures, and runs of the program."""

import json
import os
import subprocess

from support.demo_messages import DATA, infected, signed
from support.process import program_path
from support.proxy import ProxyTestCase, configuration_text, run_program, unprivileged_user
from support.smtp import crlf

ACCEPT, REJECT, TEMPFAIL, QUARANTINE, USAGE, NO_INPUT = 0, 1, 2, 3, 64, 66
ANSWERS = """
pass.example TXT "v=spf1 ip4:192.0.2.7 -all"
fail.example TXT "v=spf1 -all"
"""


def plain(number=0, sender="a@pass.example", received="", size=0):
    """A small message; received is a whole field of that name, size so many octets of text more."""
    body = ("x" * 70 + "\n") * (size // 71)
    return crlf(f"Return-Path: <{sender}>\n{received}From: {sender}\nSubject: message {number}\n"
                f"Message-ID: <{number}@pass.example>\n\nHello {number}.\n{body}")


def received(address, protocol="ESMTP", helo="client.example"):
    """A Received field as Postfix writes it."""
    return (f"Received: from {helo} (unknown [{address}])\n\tby mx.example.org (Postfix) with {protocol} id 1"
            "\n\tfor <b@example.org>; Tue, 10 Nov 2026 10:00:00 +0000 (UTC)\n")


def as_mboxrd(octets, line_end=b"\n"):
    """One message as mboxrd has it, line ends in it as line_end."""
    lines = octets.replace(b"\r\n", b"\n").split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
    return line_end.join([b"From sender@example.org Tue Nov 10 10:00:00 2026", *quoted, b"", b""])


class ScanTestCase(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.answers = self.folder / "answers"
        self.answers.write_text(ANSWERS + (DATA / "answers").read_text())
        self.configuration = self.folder / "postern.conf"
        self.groups = {"proxy": {"hostname": "scan.example"}, "dns": {"answers": self.answers},
                       "inspector": {"user": unprivileged_user(), "workers": 2},
                       "virus": {"database": self.signatures()}}
        self.configure()

    def configure(self, **groups):
        """Writes the configuration anew with these options changed."""
        for group, values in groups.items():
            self.groups.setdefault(group, {}).update(values)
        self.configuration.write_text(configuration_text(self.groups))

    def scan(self, *arguments, **options):
        """One run, whatever comes of it."""
        result = run_program("postern-scan", "--config", self.configuration, *arguments, **options)
        self.assertNotIn("Sanitizer", result.stderr)
        return result

    def verdicts(self, *arguments, **options):
        """All JSON objects of a run, in their order."""
        result = self.scan("--json", *arguments, **options)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def measured(self, *arguments, seconds=250):
        """A run, and the most memory that it (and not its inspector) had, in octets."""
        with open(self.folder / "stdout", "wb") as stdout, open(self.folder / "stderr", "wb") as stderr:
            process = subprocess.Popen([program_path("postern-scan"), "--config", str(self.configuration),
                                        *map(str, arguments)], stdout=stdout, stderr=stderr)
            self.addCleanup(process.kill)
            peak = 0
            while process.poll() is None:
                peak = max(peak, resident(process.pid))
                try:
                    process.wait(0.02)
                except subprocess.TimeoutExpired:
                    seconds -= 0.02
                    self.assertGreater(seconds, 0, "postern-scan still runs")
        return process.returncode, (self.folder / "stderr").read_text(), peak


def resident(pid):
    """The most octets of memory that a process has had, and those of its messages now, mapped or not."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        descriptors = 0
        for name in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{name}"
            if "postern-message" in os.readlink(path):
                descriptors += os.stat(path).st_size
    except (OSError, ValueError):
        return 0
    return int(fields.get("VmHWM", "0 kB").split()[0]) * 1024 + descriptors


def without_name(verdict):
    """A verdict without what differs from run to run."""
    return {key: value for key, value in verdict.items() if key not in ("file", "milliseconds")}


def own_messages():
    """Messages of many kinds; NAME -> octets."""
    return {"plain": plain(), "signed": signed(), "infected": infected(),
            "quoted": crlf("From: a@pass.example\nSubject: x\n\n"
                           "From here\n>From there\n>>From where\n\nFrom y\n"),
            "blank": crlf("From: a@pass.example\nSubject: x\n\nA\n\n\n\n"),
            "header": crlf("Subject: alone\n"),
            "long": crlf("From: a@pass.example\nSubject: x\n\n" + "y" * 200000 + "\nFrom " + "z" * 70000
                         + "\n")}

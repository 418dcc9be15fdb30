"""
Mailboxes: a message in one gets the verdict that it gets as a file, in its place; thousands of messages, and
mailboxes larger than any memory, are scanned one by one.
"""

import json
import unittest

from support import outcome
from support.process import shared_folder
from support.scan import (ACCEPT, NO_INPUT, REJECT, ScanTestCase, as_mboxrd, own_messages, plain,
                          without_name)
from support.demo_messages import infected
from support.smtp import crlf

MESSAGES = 1000
LARGE_OCTETS = 300 * 1024 * 1024
LARGE_MESSAGE_OCTETS = 256 * 1024
MEMORY_OCTETS = 128 * 1024 * 1024  # of which a sanitizer needs most


def published_messages():
    """Published ones, where they are there, without a line From_."""
    folder = shared_folder() / "mail"
    messages = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".json", ".md"):
            octets = path.read_bytes().replace(b"\r\n", b"\n")
            if octets.startswith(b"From "):
                octets = octets.partition(b"\n")[2]
            if octets:
                messages[str(path.relative_to(folder))] = crlf_ended(octets)
    return messages


def crlf_ended(octets):
    """With CRLF for each LF, and at the end: what a mailbox keeps."""
    octets = octets.replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


class MailboxTest(ScanTestCase):
    def compare(self, messages, line_end):
        """Each message as a file, and all in one mailbox."""
        folder = self.subfolder(f"messages{len(line_end)}")
        files = []
        for number, octets in enumerate(messages.values()):
            files.append(folder / f"{number:05}.eml")
            files[-1].write_bytes(octets)
        mailbox = self.folder / f"mailbox{len(line_end)}"
        mailbox.write_bytes(b"".join(as_mboxrd(octets, line_end) for octets in messages.values()))
        alone = self.verdicts("--no-mbox", folder, seconds=200)
        together = self.verdicts(mailbox, seconds=200)
        self.assertEqual([verdict["file"] for verdict in alone], [str(path) for path in files])
        self.assertEqual([verdict["file"] for verdict in together],
                         [f"{mailbox}:{number + 1}" for number in range(len(messages))])
        for name, one, other in zip(messages, alone, together):
            self.assertEqual(without_name(one), without_name(other), name)
        return together

    def test_own_messages(self):
        for line_end in (b"\n", b"\r\n"):
            verdicts = self.compare(own_messages(), line_end)
            self.assertEqual({verdict["virus"]["result"] for verdict in verdicts}, {"clean", "infected"})
            self.assertEqual([signature["result"] for verdict in verdicts for signature in verdict["dkim"]],
                             ["pass"])

    def test_published_messages(self):
        messages = published_messages()
        if not messages:
            self.skipTest("no published messages")
        self.compare(messages, b"\n")
        print(f"{len(messages)} published messages: the same in a mailbox as alone", flush=True)

    def test_many(self):
        mailbox = self.folder / "mailbox"
        every = 97
        mailbox.write_bytes(b"".join(as_mboxrd(infected() if number % every == 0 else plain(number))
                                     for number in range(1, MESSAGES + 1)))
        result = self.scan("--json", "--summary", mailbox, seconds=250)
        self.assertEqual(result.returncode, REJECT, result.stderr)
        verdicts = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([verdict["file"] for verdict in verdicts],
                         [f"{mailbox}:{number}" for number in range(1, MESSAGES + 1)])
        self.assertEqual([number + 1 for number, verdict in enumerate(verdicts)
                          if verdict["virus"]["result"] == "infected"],
                         list(range(every, MESSAGES + 1, every)))
        print(result.stderr.splitlines()[0], flush=True)

    def test_large(self):
        self.configure(proxy={"message_size": "1M", "message_memory": "4M"}, virus={"scan": "no"})
        mailbox = self.folder / "large"
        one = as_mboxrd(plain(size=LARGE_MESSAGE_OCTETS))
        count = LARGE_OCTETS // len(one)
        with open(mailbox, "wb") as file:
            for _ in range(count):
                file.write(one)
        status, stderr, peak = self.measured("--json", "--summary", mailbox)
        self.assertEqual(status, ACCEPT, stderr)
        self.assertIn(f"{count} messages, {count} accepted, 0 not", stderr)
        print(f"mailbox of {mailbox.stat().st_size >> 20} MiB: at most {peak >> 10} KiB of memory;"
              f" {stderr.splitlines()[0]}", flush=True)
        self.assertLess(peak, MEMORY_OCTETS)
        mailbox.unlink()

    def test_messages_larger_than_the_memory(self):
        self.configure(proxy={"message_size": "1M", "message_memory": "1M"})
        mailbox = self.folder / "mailbox"
        messages = [plain(number, size=3 * 1024 * 1024 if number % 2 else 0) for number in range(8)]
        mailbox.write_bytes(b"".join(map(as_mboxrd, messages)))
        result = self.scan("--json", mailbox)
        self.assertEqual((result.returncode, len(result.stdout.splitlines())), (ACCEPT, 8), result.stderr)

    def test_standard_input(self):
        octets = b"".join(map(as_mboxrd, (plain(), infected(), plain())))
        result = self.scan("--json", "-", stdin=octets)
        verdicts = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([(verdict["file"], verdict["virus"]["result"]) for verdict in verdicts],
                         [("-:1", "clean"), ("-:2", "infected"), ("-:3", "clean")])
        self.assertEqual(result.returncode, REJECT)

    def test_empty_message(self):
        mailbox = self.folder / "mailbox"
        mailbox.write_bytes(as_mboxrd(plain()) + b"From x\n\n" + as_mboxrd(plain()))
        result = self.scan("--json", mailbox)
        verdicts = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([("error" in verdict) for verdict in verdicts], [False, True, False])
        self.assertIn(f"{mailbox}:2: is empty", verdicts[1]["error"])
        self.assertEqual(result.returncode, NO_INPUT)

    def test_content_length_is_ignored(self):
        mailbox = self.folder / "mailbox"
        lying = crlf("From: a@pass.example\nContent-Length: 100000\nSubject: x\n\nHello.\n")
        mailbox.write_bytes(as_mboxrd(lying) + as_mboxrd(infected()))
        self.assertEqual([verdict["action"] for verdict in self.verdicts(mailbox)], ["accept", "reject"])

    def test_one_message(self):
        path = self.folder / "one"
        path.write_bytes(as_mboxrd(plain()))
        self.assertEqual([verdict["file"] for verdict in self.verdicts(path)], [f"{path}:1"])
        alone = self.verdicts("--no-mbox", path)
        self.assertEqual([verdict["file"] for verdict in alone], [str(path)])
        # The line of the mailbox is none of it: it would make the header one that is read in several ways.
        self.assertEqual([verdict["action"] for verdict in alone], ["accept"])


if __name__ == "__main__":
    outcome.main()

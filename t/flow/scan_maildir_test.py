"""Maildirs and other folders: which files are messages, in which order, and what one that goes away does."""

import json
import os
import subprocess
import unittest

from support.demo_messages import infected
from support.process import Program, program_path, wait_until
from support.scan import ACCEPT, NO_INPUT, REJECT, ScanTestCase, as_mboxrd, plain


class MaildirTest(ScanTestCase):
    def maildir(self, name="Maildir", **folders):
        """Makes one; folders are NAME=[FILE…] of cur, new, tmp."""
        path = self.folder / name
        for folder in ("cur", "new", "tmp"):
            (path / folder).mkdir(parents=True)
            for file in folders.get(folder, ()):
                (path / folder / file).write_bytes(plain())
        return path

    def files(self, *arguments):
        """The names of all messages, below the folder of the test."""
        return [os.path.relpath(verdict["file"], self.folder) for verdict in self.verdicts(*arguments)]

    def test_cur_and_new(self):
        path = self.maildir(cur=["2:2,S", "1:2,"], new=["3"], tmp=["4"])
        (path / "dovecot-uidlist").write_text("3 V1\n")
        (path / "subscriptions").write_text("Sent\n")
        self.assertEqual(self.files(path), ["Maildir/cur/1:2,", "Maildir/cur/2:2,S", "Maildir/new/3"])

    def test_folders_in_it(self):
        path = self.maildir(cur=["1:2,"])
        self.maildir("Maildir/.Sent", cur=["2:2,S"], tmp=["3"])
        (path / ".Sent" / "maildirfolder").write_text("")
        self.assertEqual(self.files(path), ["Maildir/.Sent/cur/2:2,S", "Maildir/cur/1:2,"])

    def test_among_other_folders(self):
        self.maildir("mail/one", new=["1"], tmp=["2"])
        (self.folder / "mail" / "two" / "tmp").mkdir(parents=True)
        (self.folder / "mail" / "two" / "tmp" / "3").write_bytes(plain())
        (self.folder / "mail" / "box").write_bytes(as_mboxrd(plain()) * 2)
        self.assertEqual(self.files(self.folder / "mail"),
                         ["mail/box:1", "mail/box:2", "mail/one/new/1", "mail/two/tmp/3"])

    def test_the_same_order_always(self):
        path = self.maildir(cur=[f"{number * 7919 % 1000:04}:2," for number in range(200)])
        first = self.files(path)
        self.assertEqual(first, sorted(first))
        self.assertEqual(self.files(path), first)

    def test_few_descriptors(self):
        path = self.maildir(cur=[f"{number:03}:2," for number in range(100)])
        done = subprocess.run(["prlimit", "--nofile=512:512", program_path("postern-scan"), "--config",
                               self.configuration, "--json", path], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, ACCEPT, done.stdout[-2000:] + done.stderr[-2000:])

    def test_empty(self):
        result = self.scan(self.maildir())
        self.assertEqual(result.returncode, NO_INPUT)
        self.assertIn("no message files were found there", result.stderr)

    def test_a_message_that_goes_away(self):
        path = self.maildir(cur=["2:2,"], new=["3"])
        pipe = path.parent / "pipe"
        os.mkfifo(pipe)
        (path / "cur" / "1:2,").write_bytes(plain())
        # While the pipe is awaited, the folder behind it has not been looked at.
        program = Program("postern-scan", "--config", self.configuration, "--json", path / "cur", pipe,
                          path / "cur", folder=self.folder)
        self.addCleanup(program.stop)
        wait_until(lambda: program.log().count("\n") == 2, 30, "the first two verdicts")
        (path / "cur" / "2:2,").rename(path / "cur" / "2:2,S")
        with open(pipe, "wb") as writer:
            writer.write(infected())
        self.assertEqual(program.wait(30), REJECT)
        names = [json.loads(line)["file"] for line in program.log().splitlines()]
        self.assertEqual([os.path.basename(name) for name in names],
                         ["1:2,", "2:2,", "pipe", "1:2,", "2:2,S"])

    def test_a_message_that_vanishes_while_it_is_listed(self):
        path = self.maildir(cur=[f"{number:05}:2," for number in range(400)])
        program = Program("postern-scan", "--config", self.configuration, "--json", path, folder=self.folder)
        self.addCleanup(program.stop)
        wait_until(lambda: program.log().count("\n") >= 1, 30, "the first verdict")
        (path / "cur" / "00399:2,").rename(path / "cur" / "00399:2,S")
        self.assertEqual(program.wait(60), NO_INPUT)
        verdicts = [json.loads(line) for line in program.log().splitlines() if line.startswith("{")]
        self.assertEqual(len(verdicts), 400)
        self.assertEqual([verdict.get("action") for verdict in verdicts[:-1]], ["accept"] * 399)
        self.assertIn("No such file", verdicts[-1]["error"])
        self.assertIn("00399:2,: cannot be opened: No such file", program.log())

    def test_symbolic_links_are_not_followed(self):
        path = self.maildir(cur=["1:2,"])
        (path / "cur" / "2:2,").symlink_to(path / "cur" / "1:2,")
        (path / ".loop").symlink_to(path)
        os.mkfifo(path / "cur" / "3:2,")
        self.assertEqual(self.files(path), ["Maildir/cur/1:2,"])
        link = self.folder / "link"
        link.symlink_to(path)
        self.assertEqual(self.files(link), ["link/cur/1:2,"])
        self.assertEqual(self.scan(link).returncode, ACCEPT)


if __name__ == "__main__":
    unittest.main()

"""Both engines of SPF inside the inspector's closed sandbox, chosen by [inspector] spf_engine."""

import json
import pathlib
import tempfile
import unittest

from support.inspector import Inspector
from support.proxy import run_program

# The last two are judged otherwise by libspf2: a prefix length of 0 is a syntax error to it, and loopback
# passes whatever the record says. What it is asked to explain would kill it.
ANSWERS = """
pass.example TXT "v=spf1 a:%{d1r}.hosts.pass.example include:more.pass.example -all"
more.pass.example TXT "v=spf1 mx ptr exists:%{ir}.list.example ip4:192.0.2.0/24 -all"
pass.hosts.pass.example A 203.0.113.1
more.pass.example MX 10 mx.example
mx.example A 198.51.100.1
fail.example TXT "v=spf1 -all exp=why.fail.example"
why.fail.example TXT "DEADLY"
temperror.example TXT !SERVFAIL
permerror.example TXT "v=spf1 nonsense"
zero.example TXT "v=spf1 ip4:0.0.0.0/0 -all"
""".replace("DEADLY", "%{s}%%" * 43)
SENDERS = {"a@pass.example": ("pass", "pass"), "a@fail.example": ("fail", "fail"),
           "a@none.example": ("none", "none"), "a@temperror.example": ("temperror", "temperror"),
           "a@permerror.example": ("permerror", "permerror"), "a@zero.example": ("pass", "permerror")}
ENGINES = ("postern", "libspf2")


class SpfEngineTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="postern-spf-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self.answers = self.folder / "answers"
        self.answers.write_text(ANSWERS)
        self.message = self.folder / "message.eml"
        self.message.write_bytes(b"From: a@example.org\r\nSubject: test\r\n\r\nHello.\r\n")
        self.configuration = self.folder / "postern.conf"

    def configure(self, engine, socket=""):
        self.configuration.write_text(f"[inspector]\nspf_engine = {engine}\nsocket = {socket}\nworkers = 1\n"
                                      "[virus]\nscan = no\n[policy]\nvirus = accept\n")

    def scan(self, sender, client="192.0.2.1"):
        """The finding of SPF that postern-scan prints."""
        result = run_program("postern-scan", "--config", self.configuration, "--json", "--client", client,
                             "--answers", self.answers, "--helo", "helo.example", "--sender", sender,
                             self.message)
        self.assertTrue(result.stdout, result.stderr)
        return json.loads(result.stdout)["spf"]

    def check_senders(self, index):
        for sender, results in SENDERS.items():
            with self.subTest(engine=ENGINES[index], sender=sender):
                self.assertEqual(self.scan(sender)["result"], results[index])

    def test_own_inspector(self):
        for index, engine in enumerate(ENGINES):
            self.configure(engine)
            self.check_senders(index)

    def test_neither_is_asked_of_loopback(self):
        for engine in ENGINES:  # libspf2 lets all of them pass
            self.configure(engine)
            self.assertEqual(self.scan("a@fail.example", "127.0.0.1")["result"], "not_checked")

    def test_explanation_is_ours_alone(self):
        self.configure("postern")
        self.assertIn("a@fail.example%", self.scan("a@fail.example")["explanation"])
        self.configure("libspf2")
        self.assertFalse(self.scan("a@fail.example").get("explanation"))

    def test_shared_inspector(self):
        """No worker dies of libspf2 inside the sandbox: a denied system call would kill it."""
        with Inspector(spf_engine="libspf2").start() as inspector:
            for sender, results in SENDERS.items():
                result, = inspector.ask(self.message, arguments=(
                    "--answers", self.answers, "--client", "192.0.2.1", "--sender", sender))
                with self.subTest(sender=sender):
                    self.assertEqual(result.spf, results[1])
            self.assertNotRegex(inspector.log(), "crash|died|signal")


if __name__ == "__main__":
    unittest.main()

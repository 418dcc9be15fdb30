"""README does what it says: its lines, as they stand there, before a real Postfix; its names are there."""

import json
import re
import signal
import subprocess
import sys
import unittest

from support import outcome, ports
from support.demo_messages import infected
from support.postfix import Postfix, Unavailable
from support.process import program_path, source_folder, wait_until
from support.proxy import Proxy, ProxyTestCase, run_program, unprivileged_user
from support.smtp import Client, crlf

README = (source_folder() / "README").read_text()
RECIPIENT = "b@example.org"
MESSAGE = crlf("From: a@sender.example\nSubject: README\n\nHello.\n")
PROGRAMS = ("postern-proxy", "postern-milter", "postern-inspector", "postern-scan")


def block(first):
    """The indented lines of README that begin with first, up to an empty one."""
    match = re.search(rf"^( +){re.escape(first)}.*\n(?:\1.*\n)*", README, re.MULTILINE)
    return "".join(line[len(match[1]):] + "\n" for line in match[0].splitlines())


class NamesTest(unittest.TestCase):
    def test_paths_are_there(self):
        installed = {f"/usr/share/doc/postern/{name}": f"contrib/{name}" for name in ("postfix", "sendmail")}
        for path in re.findall(r"\b((?:contrib|common|proxy|milter|t)/[\w./-]*\w)", README):
            self.assertTrue((source_folder() / path).exists(), path)
        for path in re.findall(r"/usr/share/doc/postern/([\w./-]*\w)", README):
            inside = source_folder() / "contrib" / path
            self.assertTrue(inside.exists() or path == "postern.conf", (path, installed))
        for folder in re.findall(r"^  (\w+)/ ", README, re.MULTILINE):
            self.assertTrue((source_folder() / folder).is_dir(), folder)

    def test_presets_are_there(self):
        presets = json.loads((source_folder() / "CMakePresets.json").read_text())["configurePresets"]
        named = re.search(r"^Presets: (.*?)\.", README, re.MULTILINE)[1].split(", ")
        self.assertEqual(set(named), {preset["name"] for preset in presets} - {"base"})

    def test_options_are_there(self):
        known = "".join(run_program(name, "--help").stdout for name in PROGRAMS)
        for option in re.findall(r"(?:postern-\w+|json\.) .*?(--[a-z][a-z-]+)", README) + ["--json"]:
            self.assertIn(option, known)
        table = run_program("postern-proxy", "--config", "/dev/null", "--dump-config").stdout
        for key in ("client_address", "recipient_domains", "own_networks", "drain_timeout", "mode"):
            self.assertIn(key, README)
            self.assertRegex(table, rf"(?m)^#? ?{key} =")

    def test_manuals_are_there(self):
        for name, section in re.findall(r"\b(postern[\w.-]*)\((\d)\)", README):
            pages = list((source_folder() / "contrib" / "man").glob(f"{name}.{section}*"))
            self.assertTrue(pages, f"{name}({section})")


class PostfixTest(ProxyTestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend_port = ports.free_port()
        service = block("127.0.0.1:10025 inet").replace(":10025", f":{cls.backend_port}")
        cls.postfix = Postfix(parameters={"mynetworks": "127.0.0.1/32"}, services=service).start()
        cls.addClassCleanup(cls.postfix.close)

    def start(self):
        """A proxy that README's lines configure, but for its ports."""
        self.server = Proxy(self.subfolder("proxy"), self.backend_port, answers="")
        lines = block("[proxy]")
        self.assertIn("mode = observe", lines)
        self.lines = lines.replace("0.0.0.0:25; [::]:25", f"127.0.0.1:{self.server.port}").replace(
            ":10025", f":{self.backend_port}")
        self.more = (f"user = {unprivileged_user()}\n[inspector]\nuser = {unprivileged_user()}\nworkers = 1\n"
                     f"[dns]\nanswers = {self.server.folder}/answers\n"
                     f"[virus]\ndatabase = {self.signatures()}\n")
        self.server.path.write_text(self.lines + self.more)
        checked = run_program("postern-proxy", "--config", self.server.path, "--check-config")
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        self.addCleanup(self._stop_proxy, self.server)
        self.server.start()

    def connect(self):
        client = Client(self.server.port, source="127.0.0.9", timeout=90)
        self.addCleanup(client.close)
        return client

    def announced(self, port):
        with Client(port) as client:
            return {line.split()[0] for line in client.ehlo("client.example").lines[1:]}

    def test_ten_minutes_with_postfix(self):
        self.start()
        named, always = (set(re.findall(r"[A-Z0-9]{3,}", words)) for words in
                         re.search(r"EHLO announces [^:]*: ([^.]*)\. ([^.]*) it announces", README).groups())
        # What the back-end can do is known once it has been tried.
        both = named & self.announced(self.backend_port)
        self.assertGreaterEqual(len(both), 6)
        both |= always
        wait_until(lambda: self.announced(self.server.port) == both, 10, f"{both} announced", pause=0.2)
        client = self.connect()
        client.ehlo("client.example")
        self.assertEqual(client.deliver("a@sender.example", [RECIPIENT], infected()).code, 250)
        line = self.server.wait_for_closing_lines("message", 1)[0]
        self.assertEqual(line["would"], "reject")
        self.assertTrue(line["would_reply"].startswith("550 "))
        self.assertEqual(len(self.postfix.wait_for_messages(1)), 1)
        self.postfix.wait_for_log("client=unknown[127.0.0.9]")

        self.server.path.write_text(self.lines.replace("mode = observe\n", "") + self.more)
        self.server.program.send_signal(signal.SIGHUP)
        self.server.program.wait_for_log("configuration was read again")
        client = self.connect()
        client.ehlo("client.example")
        reply = client.deliver("a@sender.example", [RECIPIENT], infected())
        self.assertRegex(reply.text, r"^5\.7\.1 Message refused: virus found \(\S+\) \[\w{16}\]$")
        line = self.server.wait_for_closing_lines("message", 2)[1]
        self.assertIn(reply.text[-17:-1], line.values())
        client.command("MAIL FROM:<a@sender.example>")
        refusal = client.command("RCPT TO:<x@elsewhere.example>")
        self.assertEqual((refusal.code, refusal.text), (
            554, "5.7.1 <x@elsewhere.example>: Relay access denied"))
        client.command("RSET")
        accepted = client.deliver("a@sender.example", [RECIPIENT], MESSAGE)
        self.assertRegex(accepted.text, r"^2\.0\.0 Ok: queued as \w+$")
        self.assertEqual(len(self.postfix.wait_for_messages(2)), 2)


class ScanTest(ProxyTestCase):
    def test_commands_and_their_status(self):
        folder = self.subfolder("scan")
        (folder / "message.eml").write_bytes(infected())
        (folder / "clean.eml").write_bytes(MESSAGE)
        (folder / "answers").write_text('example.com TXT "v=spf1 ip4:192.0.2.1 -all"\n')
        configuration = folder / "postern.conf"
        configuration.write_text(f"[dns]\nanswers = {folder}/answers\n"
                                 f"[virus]\ndatabase = {self.signatures()}\n"
                                 f"[inspector]\nuser = {unprivileged_user()}\n")
        scan = re.search(r"^  \$ (postern-scan --client .*)$", README, re.MULTILINE)[1].split()
        def run(*words):
            return subprocess.run([program_path(scan[0]), "--config", configuration, *words], timeout=60,
                                  cwd=folder, capture_output=True, text=True, check=False)
        done = run(*scan[1:])
        self.assertEqual(done.returncode, 1, done)
        shown = re.search(r"(?m)^  (message\.eml: REJECT .*\n(?:      .*\n)*)      \.\.\.$", README)[1]
        expected = "".join(line.removeprefix("  ") for line in shown.splitlines(keepends=True))
        name = re.search(r"virus found \((.*)\)", done.stdout)[1]
        self.assertTrue(done.stdout.startswith(re.sub(r"(?<=virus found \().*(?=\))", name, expected)), done)
        capsule = folder / "session.capsule"
        self.assertEqual(run("--explain", "message.eml").returncode, 1)
        self.assertEqual(run("--capsule", capsule, "message.eml").returncode, 1)
        self.assertEqual(run("--replay", capsule).returncode, 1)
        self.assertEqual(run("clean.eml").returncode, 0)
        self.assertEqual(run("--json", "clean.eml", "message.eml").returncode, 1)
        self.assertEqual(run("--no-such-option").returncode, 64)
        self.assertEqual(run("no-such-file.eml").returncode, 66)


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(outcome.SKIPPED)
    outcome.main()

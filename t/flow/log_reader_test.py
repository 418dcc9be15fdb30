"""Forms of the log (JSON, the journal's own protocol, a crash), and postern-log, which reads them all."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import unittest

from support.demo_messages import infected
from support.process import wait_until
from support.proxy import TOLD, ProxyTestCase, run_program
from support.smtp import Client, crlf

MESSAGE = crlf("From: a@sender.example\nMessage-ID: <one@sender.example>\nSubject: a \"secret\"\n\nHello.\n")
# A journal of its own: all that a mount namespace changes ends with it.
IN_NAMESPACE = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal || exit 77
exec "$@"
"""


class LogReaderTest(ProxyTestCase):
    def deliver(self, server, message=MESSAGE, code=250):
        with Client(server.port) as client:
            client.ehlo()
            reply = client.deliver("a@sender.example", ["b@example.org"], message)
            self.assertEqual(reply.code, code)
            client.quit()
        return str(reply)

    def ask(self, *arguments, status=0):
        result = run_program("postern-log", *arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout

    def test_what_became_of_it(self):
        server = self.proxy(self.backend(), proxy=TOLD, virus={"database": self.signatures()},
                            log={"subject": "yes", "recipients": "yes"})
        self.deliver(server)
        self.deliver(server, infected(), 550)
        server.wait_for_closing_lines("session", 2)
        text = server.log()
        first, second = server.closing_lines("message")
        self.assertEqual(first["subject"], 'a "secret"')
        self.assertEqual(first["server"], server.groups["proxy"]["backend"])
        self.assertTrue(first["server_queue"])
        self.assertEqual([line["accepted"] for line in server.closing_lines("recipient")], ["yes", "yes"])
        plain, packed = self.folder / "log", self.folder / "log.1.gz"
        plain.write_text(text)
        packed.write_bytes(gzip.compress(text.encode()))
        for what in (first["session"], first["message"], first["server_queue"], "<one@sender.example>",
                     "ONE@sender.example"):
            answer = self.ask("--file", plain, what)
            self.assertIn("was delivered", answer, what)
            self.assertNotIn("was refused", answer, what)
        self.assertIn("was refused; decided by virus", self.ask("--file", packed, second["message"]))
        self.assertEqual(self.ask("--file", plain, "@example.org"), self.ask("-f", packed, "@example.org"))
        self.assertEqual(self.ask("--file", plain, "nobody@example.org", status=1), "")
        self.ask("--file", self.folder / "none", "x", status=66)
        self.ask(status=64)
        summary = self.ask("--file", plain, "--summary")
        self.assertRegex(summary, r"(?s)2 messages .* in 2 sessions.*\n +1  accept\n +1  reject\n.*  virus\n")
        self.assertRegex(self.ask("-f", plain, "--summary", "--day", "2020-01-01"), "0 messages")
        self.assertRegex(self.ask("-f", plain, "--summary", "--day", "today"), "[02] messages")  # midnight

    def test_observed(self):
        server = self.proxy(self.backend(), proxy={**TOLD, "mode": "observe"}, log={"format": "json"},
                            virus={"database": self.signatures()}, ready=False)
        wait_until(lambda: " is ready on " in server.log_now(), 60, "the proxy being ready")
        self.deliver(server, infected())
        wait_until(lambda: '"kind":"session"' in server.log_now(), 20)
        lines = [json.loads(line) for line in server.log().splitlines()]
        self.assertTrue(all(line["program"].startswith("postern-") for line in lines))
        message = next(line for line in lines if line.get("kind") == "message")
        self.assertEqual([message[key] for key in ("action", "would", "recipients")], ["accept", "reject", 1])
        self.assertIn("ready", " ".join(line.get("text", "") for line in lines))
        path = self.folder / "log.json"
        path.write_text(server.log())
        self.assertIn("would have met: reject", self.ask("-f", path, message["message"]))
        self.assertRegex(
            self.ask("-f", path, "--summary"),
            r"What enforcing would have done \(observe\)\n +1  reject\n\nBy rule \(observe\)\n +1  virus\n")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, for a mount namespace")
    def test_journal(self):
        """journald's place is taken by a socket of ours, in a mount namespace."""
        listener = self.folder / "listener.py"
        listener.write_text(
            "import os, socket, subprocess, sys\n"
            "one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "one.bind('/run/systemd/journal/socket')\n"
            "os.chmod('/run/systemd/journal/socket', 0o666)\n"
            "status = os.fstat(2)\n"
            "os.environ['JOURNAL_STREAM'] = f'{status.st_dev}:{status.st_ino}'\n"
            "program = subprocess.Popen(sys.argv[1:])\n"
            "one.settimeout(60)\n"
            "while True:\n"
            "    packet = one.recv(65536)\n"
            "    sys.stdout.buffer.write(packet + b'\\n--\\n')\n"
            "    sys.stdout.flush()\n"
            "    if b' is ready on ' in packet:\n"
            "        break\n"
            "program.terminate()\n"
            "sys.exit(program.wait(30))\n")
        server = self.proxy(self.backend(), ready=False)
        server.stop()
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", IN_NAMESPACE, "sh", sys.executable, "-B", listener,
             server.program.command[0], "--config", server.path],
            capture_output=True, text=True, timeout=120, check=False)
        if result.returncode == 77:
            self.skipTest("no mount namespace can be had")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"(?m)^MESSAGE=postern-proxy \S+ is ready on ")
        self.assertRegex(result.stdout, r"(?m)^SYSLOG_IDENTIFIER=postern-proxy$")
        self.assertRegex(result.stdout, r"(?m)^PRIORITY=5$")

    def test_crash(self):
        """What other threads have said is there although one crashes."""
        server = self.proxy(self.backend(), log={"level": "debug"})
        for _ in range(20):
            self.deliver(server)
        server.program.send_signal(signal.SIGSEGV)
        wait_until(lambda: not server.program.is_running(), 20)
        self.assertEqual(server.log_now().count(" info: message "), 20)
        server.program.orphans = []


if __name__ == "__main__":
    unittest.main()

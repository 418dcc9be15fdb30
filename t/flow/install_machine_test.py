"""
What is installed, on a machine of its own: it starts as the users that it brings, finds its own inspector,
and mail goes through it, before a real Postfix too. contrib/test-install runs this on a fresh Debian.
"""

import os
import pathlib
import re
import shutil
import signal
import tempfile
import unittest

from support import outcome, packages, ports
from support.demo_messages import RECIPIENT, infected
from support.installed_root import InstalledRoot, Unavailable, enter_own_mounts
from support.milter_servers import main_cf
from support.postfix import Postfix, Unavailable as NoPostfix
from support.process import build_folder, wait_until
from support.recording_backend import RecordingBackend
from support.smtp import Client, crlf

SENDER = "a@sender.example"
MESSAGE = crlf("From: A <a@sender.example>\nSubject: installed\n\nHello.\n")


def is_sanitized():
    return "POSTERN_SANITIZE:STRING=\n" not in (build_folder() / "CMakeCache.txt").read_text()


@unittest.skipIf(is_sanitized(), "the libraries of a sanitizer are not looked for in another root")
class MachineTest(unittest.TestCase):
    """A whole machine of its own."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="postern-install-", ignore_cleanup_errors=True)
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        try:
            cls.root = InstalledRoot(folder.name)
        except Unavailable as error:
            raise unittest.SkipTest(str(error)) from None
        cls.addClassCleanup(cls.root.close)
        cls.folder = pathlib.Path(folder.name)

    def start(self, name, port, **groups):
        self.root.configure(dns={"answers": "/etc/postern/answers"}, inspector={"workers": 1}, **groups)
        (self.root.path / "etc/postern/answers").write_text("")
        self.root.run(f"/usr/sbin/{name}", "--check-config")
        program = self.root.start(f"/usr/sbin/{name}")
        self.addCleanup(self.stop, program)
        program.wait_for_port(port, seconds=60)
        return program

    def stop(self, program):
        program.stop()
        self.assertEqual(program.orphans, [])

    def backend(self):
        place = self.folder / "messages"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        backend = RecordingBackend(place).start()
        self.addCleanup(backend.stop)
        return backend

    def processes(self, program):
        """[(path of the program below the root, user id)] of what runs."""
        found = []
        for pid in program.processes():
            path = os.readlink(f"/proc/{pid}/exe")
            user = int(re.search(r"^Uid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(),
                                 re.MULTILINE)[1])
            found.append(("/" + path.partition("/usr/")[1].lstrip("/") + path.partition("/usr/")[2], user))
        return set(found)

    def deliver(self, port, octets):
        with Client(port, timeout=90) as client:
            client.ehlo()
            return client.deliver(SENDER, [RECIPIENT], octets)

    def assert_runs_as(self, program, name, user):
        def look():
            running = self.processes(program)
            return {("/usr/libexec/postern/postern-inspector", inspector),
                    (f"/usr/sbin/{name}", self.root.user(user)[0])} <= running
        inspector = self.root.user("postern-inspector")[0]
        wait_until(look, 20, f"{name} and its inspector as their users, not {self.processes(program)}")

    def test_proxy(self):
        backend, port = self.backend(), ports.free_port()
        program = self.start("postern-proxy", port, proxy={
            "listen": f"127.0.0.1:{port}", "backend": f"127.0.0.1:{backend.port}", "hostname": "mx.example"})
        self.assertEqual(self.deliver(port, MESSAGE).code, 250, program.log())
        reply = self.deliver(port, infected())
        self.assertEqual((reply.code, reply.enhanced), (550, "5.7.1"), reply)
        self.assert_runs_as(program, "postern-proxy", "postern")
        self.assertEqual(len(backend.messages()), 1)

    def test_milter_with_postfix(self):
        port = ports.free_port()
        parameters = main_cf()
        parameters["smtpd_milters"] = parameters["smtpd_milters"].replace(":8891", f":{port}")
        try:
            postfix = Postfix(parameters=parameters).start()
        except NoPostfix as error:
            self.skipTest(str(error))
        self.addCleanup(postfix.close)
        program = self.start("postern-milter", port,
                             milter={"socket": f"inet:{port}@127.0.0.1", "hostname": "mx.example"})
        program.wait_for_log("is ready on")
        self.assertEqual(self.deliver(postfix.port, MESSAGE).code, 250, program.log())
        reply = self.deliver(postfix.port, infected())
        self.assertEqual((reply.code, reply.enhanced), (550, "5.7.1"), reply)
        delivered = postfix.wait_for_messages(1)[0]
        self.assertIn(b"Authentication-Results: mx.example;", delivered)
        self.assert_runs_as(program, "postern-milter", "postern")

    def logrotate(self):
        """A command that runs logrotate in the root."""
        if (self.root.path / "usr/sbin/logrotate").exists():
            return ["/usr/sbin/logrotate"]
        try:
            folder = packages.unpack("logrotate")
        except packages.Unavailable as error:
            self.skipTest(str(error))
        variables = [f"{name}={value}" for name, value in packages.environment(folder).items()]
        return ["env", *variables, folder / "usr/sbin/logrotate"]

    def test_logrotate(self):
        """The lines for logrotate that are installed; where there is no systemd, its command is ours."""
        for name, port_of in (("postern-proxy", "proxy"), ("postern-milter", "milter")):
            port = ports.free_port()
            place = self.root.path / "var/log/postern"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            groups = {"proxy": {"listen": f"127.0.0.1:{port}"}} if port_of == "proxy" else {
                "milter": {"socket": f"inet:{port}@127.0.0.1"}}
            program = self.start(name, port, log={"destination": "/var/log/postern/postern.log"}, **groups)
            path, old = place / "postern.log", place / "postern.log.1"
            wait_until(lambda: "postern-inspector[" in path.read_text(), 60, "lines of the inspector")
            systemctl = self.root.path / "usr/local/sbin/systemctl"
            systemctl.parent.mkdir(parents=True, exist_ok=True)
            order = f"kill -USR1 {program.pid}"
            systemctl.write_text(f'#!/bin/sh\ncase "$*" in *{name}.service) {order};; esac\n')
            systemctl.chmod(0o755)
            lines = self.root.path / "usr/share/doc/postern/logrotate/postern"
            shutil.copy(lines, self.root.path / "etc/logrotate.postern")
            self.root.run(*self.logrotate(), "--force", "--state", "/tmp/logrotate.state",
                          "/etc/logrotate.postern")
            program.send_signal(signal.SIGHUP)
            for text in (f"{name}[", "postern-inspector["):
                wait_until(lambda: text in path.read_text(), 20, f"{text} in the new file")
            self.assertNotIn("was read again", old.read_text())
            self.assertEqual(path.stat().st_uid, self.root.user("postern")[0])
            self.stop(program)

    def test_scan_and_keys(self):
        self.root.configure(dns={"answers": "/etc/postern/answers"},
                            sign={"table": "/etc/postern/keys.table"})
        (self.root.path / "etc/postern/answers").write_text("")
        mail = self.root.path / "tmp/message.eml"
        mail.write_bytes(infected())
        said = self.root.run("postern-scan", "/tmp/message.eml", user="nobody", status=1)
        self.assertIn("REJECT 550 5.7.1", said)
        mail.write_bytes(MESSAGE)
        self.assertIn("ACCEPT", self.root.run("postern-scan", "/tmp/message.eml", user="nobody"))
        self.root.run("openssl", "genrsa", "-out", "/etc/postern/example.pem", "2048")
        os.chown(self.root.path / "etc/postern/example.pem", *self.root.user("postern-inspector"))
        (self.root.path / "etc/postern/example.pem").chmod(0o400)
        (self.root.path / "etc/postern/keys.table").write_text("example.org s1 /etc/postern/example.pem\n")
        records = self.root.run("/usr/sbin/postern-inspector", "--print-keys")
        self.assertIn("s1._domainkey.example.org", records)


if __name__ == "__main__":
    enter_own_mounts(__file__)
    outcome.main()

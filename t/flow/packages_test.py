"""
The Debian packages, on a machine of their own with systemd: they install, start, serve, reload, upgrade and
go. contrib/test-install runs this on a fresh Debian.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from support import outcome
from support.booted_root import BootedRoot, Unavailable, enter_own_network
from support.demo_messages import RECIPIENT, infected
from support.ports import is_listening
from support.process import source_folder, wait_until
from support.proxy import closing_line
from support.recording_backend import RecordingBackend
from support.smtp import Client, crlf

PROGRAMS = ("inspector", "proxy", "milter", "scan")
EXPOSURE_MAX = 2.0
UNITS = ("proxy", "milter", "inspector", "report")
README = (source_folder() / "README").read_text()
MESSAGE = crlf("From: A <a@sender.example>\nSubject: installed\n\nHello.\n")
PLACES = """
[log]
destination = /var/log/postern/postern.log
[proxy]
listen = 127.0.0.1:25; 127.0.0.1:2525
backend = 127.0.0.1:{port}
[milter]
socket = unix:/run/postern/milter.sock
[dns]
answers = /etc/postern/answers
[http]
listen = unix:/run/postern/postern-proxy.http
milter_listen = unix:/run/postern/postern-milter.http
inspector_listen = unix:/run/postern/postern-inspector.http
[screen]
control = /run/postern/control
[policy]
greylist = tempfail
[greylist]
file = /var/lib/postern/greylist/senders
[capsule]
directory = /var/lib/postern/capsules
"""


def newer(package, folder):
    """The same package as the next version."""
    place = folder / "unpacked"
    subprocess.run(["dpkg-deb", "--raw-extract", package, place], check=True)
    control = place / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: \S+|.*\(= [^)]+)", r"\1+1", control.read_text()))
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", place, folder / f"newer-{package.name}"],
                   check=True, capture_output=True)
    subprocess.run(["rm", "-r", place], check=True)


class PackagesTest(unittest.TestCase):
    def setUp(self):
        source = os.environ.get("POSTERN_PACKAGES")
        if not source:
            self.skipTest("POSTERN_PACKAGES names no folder of packages (contrib/test-install sets it)")
        folder = tempfile.TemporaryDirectory(prefix="postern-packages-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        packages = self.folder / "packages"
        packages.mkdir()
        for program in PROGRAMS:
            found = next(pathlib.Path(source).glob(f"postern-{program}_*.deb"))
            (packages / found.name).write_bytes(found.read_bytes())
            newer(packages / found.name, packages)
        try:
            self.machine = BootedRoot(self.folder, packages)
        except Unavailable as error:
            self.skipTest(str(error))
        self.addCleanup(self.machine.close)

    def install(self, prefix=""):
        return self.machine.run("sh", "-c", f"dpkg --install /packages/{prefix}postern-*.deb")

    def configure(self, **options):
        """Changes commented lines of the file that the package brings."""
        path = self.machine.path("/etc/postern/postern.conf")
        before, group, rest = path.read_text().partition("[proxy]\n")
        for name, value in options.items():
            rest, count = re.subn(rf"(?m)^#?{name} *=.*", f"{name} = {value}", rest, count=1)
            self.assertEqual(count, 1, name)
        path.write_text(before + group + rest)

    def deliver(self, octets):
        with Client(2525, timeout=90) as client:
            client.ehlo()
            return client.deliver("a@sender.example", [RECIPIENT], octets)

    def assert_serves(self):
        self.assertEqual(self.deliver(MESSAGE).code, 250)
        reply = self.deliver(infected())
        self.assertEqual((reply.code, reply.enhanced), (550, "5.7.1"), reply)

    def exposure(self):
        said = {unit: self.machine.run("systemd-analyze", "security", "--no-pager", f"postern-{unit}.service")
                for unit in UNITS}
        return {unit: float(re.search(r"exposure level .*: ([\d.]+)", said[unit])[1]) for unit in UNITS}

    def show(self, unit, name):
        said = self.machine.run("systemctl", "show", "--value", f"--property={name}", f"postern-{unit}")
        return said.strip()

    def assert_never_root(self):
        """Nor with any right beyond that of its user, once it serves."""
        for unit in ("proxy", "milter"):
            group = self.show(unit, "ControlGroup")
            pids = self.machine.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()
            self.assertTrue(pids)
            for pid in pids:
                status = self.machine.run("cat", f"/proc/{pid}/status")
                users = re.search(r"(?m)^Uid:\s+(.*)", status)[1].split()
                self.assertNotIn("0", users, unit)
                if unit == "proxy" or "milter-serving" in status:
                    self.assertRegex(status, r"(?m)^CapEff:\s+0+$")
                    self.assertRegex(status, r"(?m)^CapPrm:\s+0+$")

    def assert_places(self, backend):
        """Files and sockets where the manual says that they may be, of all three units at once."""
        path = self.machine.path("/etc/postern/postern.conf")
        before = path.read_text()
        path.write_text(PLACES.format(port=backend.port))
        units = ("postern-inspector", "postern-milter", "postern-proxy")
        try:
            self.machine.run("systemctl", "restart", *units)
            wait_until(lambda: self.deliver(infected()).code == 550, 60, "the inspector to serve", pause=0.2)
            self.machine.run("systemctl", "is-active", *units)
            with Client(25) as client:
                client.ehlo()
            for place in (*(f"/run/postern/{unit}.http" for unit in units), "/run/postern/control",
                          "/run/postern/milter.sock", "/var/lib/postern/greylist/senders",
                          "/var/log/postern/postern.log"):
                self.machine.run("test", "-e", place)
            self.assertIn("state=up", self.machine.run("postern-proxy", "--status"))
            self.assert_never_root()
        finally:
            path.write_text(before)
            self.machine.run("systemctl", "restart", "postern-milter", "postern-proxy", "postern-inspector")

    def assert_journal(self):
        """Each word of a line is a field of the journal, by which it is found, and postern-log reads them."""
        said = self.machine.run("journalctl", "--unit=postern-proxy", "--output=json", "POSTERN_KIND=message")
        clean, refused = [json.loads(line) for line in said.splitlines()]
        self.assertEqual((clean["POSTERN_ACTION"], refused["POSTERN_ACTION"]), ("accept", "reject"))
        for entry in (clean, refused):
            self.assertEqual((entry["SYSLOG_IDENTIFIER"], entry["PRIORITY"]), ("postern-proxy", "6"))
            self.assertEqual(entry["_SYSTEMD_UNIT"], "postern-proxy.service")
            _, words = closing_line(f": info: {entry['MESSAGE']}")
            self.assertGreater(len(words), 10)
            self.assertEqual({f"POSTERN_{key.upper()}": value for key, value in words.items()},
                             {key: value for key, value in entry.items()
                              if key.startswith("POSTERN_") and key != "POSTERN_KIND"})
        identifier = refused["POSTERN_MESSAGE"]
        found = self.machine.run("journalctl", "--output=cat", f"POSTERN_MESSAGE={identifier}")
        self.assertEqual(found.strip(), refused["MESSAGE"])
        self.assertIn(refused["POSTERN_REPLY"], self.machine.run("postern-log", identifier))

    def assert_watched(self):
        for unit, text in (("proxy", "serving 0 clients"), ("milter", "serving: 0 messages under way")):
            show = ("systemctl", "show", f"postern-{unit}",
                    "--property=StatusText,WatchdogUSec,NFileDescriptorStore")
            wait_until(lambda: f"StatusText={text}" in self.machine.run(*show), 20, "a status", pause=0.2)
            self.assertIn("WatchdogUSec=1min", self.machine.run(*show))
            self.assertRegex(self.machine.run(*show), "(?m)^NFileDescriptorStore=[1-9]")

    def test_packages(self):
        backend = RecordingBackend(self.folder / "messages").start()
        self.addCleanup(backend.stop)
        with self.subTest("install"):
            self.install()
            for program in ("proxy", "milter"):
                self.machine.run("systemctl", "is-active", f"postern-{program}")
            self.assertIn("0750 root postern-inspector",
                          self.machine.run("stat", "-c", "0%a %U %G", "/etc/postern/keys"))
            for path in re.findall(r"/usr/share/doc/postern/[\w./-]*\w", README):
                self.machine.run("test", "-e", path)
        with self.subTest("serve"):
            self.machine.path("/etc/postern/answers").write_text("")
            self.configure(backend=f"127.0.0.1:{backend.port}", answers="/etc/postern/answers")
            self.machine.run("sh", "-c", re.search(r"postfix reload && (.*)", README)[1])
            self.assert_serves()
        with self.subTest("journal"):
            self.assert_journal()
        with self.subTest("status and watchdog"):
            self.assert_watched()
        with self.subTest("confinement"):
            exposed = self.exposure()
            print("exposure by systemd-analyze security:", exposed)
            self.assertLess(max(exposed.values()), EXPOSURE_MAX)
        with self.subTest("reload"):
            self.configure(mode="observe")
            self.machine.run("systemctl", "reload", "postern-proxy")
            self.assertEqual(self.deliver(infected()).code, 250)
            self.configure(mode="enforce")
            self.machine.run("systemctl", "reload", "postern-proxy", "postern-milter")
            self.assertEqual(self.deliver(infected()).code, 550)
            said = self.machine.run("journalctl", "--unit=postern-inspector", "--output=cat")
            self.assertIn("reloading configuration, signatures, content rules and keys", said)
        with self.subTest("scan"):
            mail = self.machine.path("/tmp/message.eml")
            mail.write_bytes(infected())
            said = self.machine.run("postern-scan", "/tmp/message.eml", status=1)
            self.assertIn("REJECT 550 5.7.1", said)
        with self.subTest("places that the units make"):
            self.assert_places(backend)
        with self.subTest("upgrade"):
            inspector = self.show("inspector", "MainPID")
            self.install("newer-")
            self.assertIn("+1", self.machine.run("dpkg-query", "--show", "postern-proxy"))
            self.assertNotEqual(self.show("inspector", "MainPID"), inspector)
            wait_until(lambda: is_listening(2525), 30, "the proxy to listen again")
            self.assert_serves()
        names = [f"postern-{program}" for program in PROGRAMS]
        with self.subTest("remove"):
            self.machine.run("dpkg", "--remove", *names)
            wait_until(lambda: not is_listening(2525), 30, "the port to be free")
            self.machine.run("sh", "-c", "cat /proc/[0-9]*/comm | grep postern", status=1)
            self.assertTrue(self.machine.path("/etc/postern/postern.conf").exists())
        with self.subTest("purge"):
            self.machine.path("/etc/postern/answers").unlink()
            self.machine.run("dpkg", "--purge", *names)
            left = self.machine.run("find", "/", "-xdev", "-name", "*postern*",
                                    "-not", "-path", "/var/lib/systemd/*")
            self.assertEqual(left, "")


if __name__ == "__main__":
    enter_own_network(__file__)
    outcome.main()

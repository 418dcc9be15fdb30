"""
Programs below a folder that is closed to others, as /root is: nobody whom the inspector could become can run
it. It says so and serves all the same; what reads mail is not root.
"""

import os
import pathlib
import shutil
import unittest

from support import demo_messages, outcome
from support.inspector import children, pools, role_of
from support.process import build_folder, wait_until
from support.proxy import ProxyTestCase, run_program
from support.smtp import Client, crlf

MESSAGE = crlf("From: a@example.org\nSubject: x\n\nHello.\n")


def user_of(pid):
    """The effective user of a process."""
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[1])


@unittest.skipUnless(os.geteuid() == 0, "only root becomes another user")
class ClosedFolderTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        closed = self.subfolder("closed")
        shutil.copytree(build_folder() / "bin", closed / "build" / "bin")
        closed.chmod(0o700)
        before = os.environ.get("POSTERN_BUILD")
        self.addCleanup(lambda: os.environ.update(POSTERN_BUILD=before) if before else
                        os.environ.pop("POSTERN_BUILD"))
        os.environ["POSTERN_BUILD"] = str(closed / "build")

    def test_proxy(self):
        recorder = self.backend()
        server = self.proxy(recorder, proxy={"inspect": "yes"}, virus={"database": self.signatures()})
        wait_until(lambda: " is ready on " in server.log(), 60)
        self.assertEqual(server.log().count("closed to others"), 1, server.log())
        with Client(server.port, timeout=60) as client:
            client.ehlo("client.example")
            self.assertEqual(client.deliver("a@example.org", ["b@example.org"], MESSAGE).code, 250)
            reply = client.deliver("a@example.org", ["b@example.org"], demo_messages.infected())
            self.assertEqual(reply.code, 550)
        pool, = pools(server.program.pid)
        for template in children(pool):
            self.assertIn(role_of(template), ("scan", "light"))
            for worker in children(template):
                self.assertNotEqual(user_of(worker), 0, "what reads mail is root")

    def test_scan(self):
        path = self.folder / "infected.eml"
        path.write_bytes(demo_messages.infected())
        configuration = self.folder / "scan.conf"
        configuration.write_text(f"[virus]\ndatabase = {self.signatures()}\n"
                                 f"[dns]\nanswers = {self.folder}/a\n")
        (self.folder / "a").write_text("")
        result = run_program("postern-scan", "--config", configuration, path)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)


if __name__ == "__main__":
    outcome.main()

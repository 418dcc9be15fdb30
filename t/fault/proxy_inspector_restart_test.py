"""
The inspector that a proxy has started, or that it shares, is absent, broken, or dies: the log says so once,
mail is refused for now without waiting, and all is well again by itself, with the rights that it needs.
"""

import os
import pathlib
import pwd
import signal
import stat
import unittest

from support import outcome
from support.demo_messages import infected
from support.inspector import Inspector, children, is_alive, kill, pools, role_of
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.sign_keys import SignKeys
from support.smtp import Client, crlf

OWNER = "daemon"  # whom the inspector becomes, who is not whom the proxy becomes
DOWN = "error: no inspector can be asked: "
MESSAGE = crlf("From: a@ours.example\nSubject: x\n\nHello.\n")


def user_of(pid):
    """The effective user of a process."""
    fields = pathlib.Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()
    return int(fields[1])


class RestartTest(ProxyTestCase):
    def start(self, ready=True, **groups):
        self.recorder = self.backend()
        self.server = self.proxy(self.recorder, ready, proxy={"inspect": "yes", **groups.pop("proxy", {})},
                                 virus={"database": self.signatures()}, **groups)

    def send(self, octets=MESSAGE):
        with Client(self.server.port, timeout=30) as client:
            client.ehlo("client.example")
            return client.deliver("a@ours.example", ["b@example.org"], octets)

    def wait_ready(self):
        wait_until(lambda: " is ready on " in self.server.log(), 60, "readiness")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become two users")
    def test_it_keeps_its_own_user(self):
        """A private inspector that died is started as its own user, and can read the keys."""
        owner = pwd.getpwnam(OWNER)
        keys = SignKeys(self.subfolder("keys"), OWNER)
        keys.add_key("ours.example", "s")
        self.start(inspector={"user": OWNER, "workers": 1}, sign={"table": keys.table},
                   clients={"own_networks": "127.0.0.0/8"}, **{"policy submission": {"sign": "yes"}})
        self.wait_ready()
        self.assertEqual(self.send().code, 250)
        self.assertIn(b"DKIM-Signature:", self.recorder.messages()[-1].octets)
        for _ in range(2):
            before, = pools(self.server.program.pid)
            self.assertEqual(user_of(before), owner.pw_uid)
            kill(before, signal.SIGKILL)
            after, = wait_until(
                lambda: [pid for pid in pools(self.server.program.pid) if pid != before], 30)
            wait_until(lambda: user_of(after) == owner.pw_uid, 20)
            wait_until(lambda: self.send().code == 250, 60)
            self.assertIn(b"DKIM-Signature:", self.recorder.messages()[-1].octets)
        self.assertIn("the inspector has ended (by signal 9 (Killed)) and is started again",
                      self.server.log())

    def test_it_ends_with_a_proxy_that_is_killed(self):
        """Nothing outlives it: no keeper, no inspector that hangs, no templates and workers."""
        self.start(inspector={"workers": 1})
        self.wait_ready()
        found = [self.server.program.pid]
        for pid in found:
            found += children(pid)
        self.assertGreaterEqual(len(found), 6)
        for pid in pools(self.server.program.pid):
            kill(pid, signal.SIGSTOP)
        kill(self.server.program.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, found)), 20, "the end of all")

    def test_a_signal_to_all_of_it(self):
        """SIGTERM to whatever is called postern-inspector: while the proxy lives, it comes back."""
        self.start(inspector={"workers": 1})
        self.wait_ready()
        before, = pools(self.server.program.pid)
        for pid in children(self.server.program.pid) + [before]:
            kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_alive(before), 20)
        wait_until(lambda: self.send().code == 250, 60)

    def test_a_template_that_hangs(self):
        self.start(inspector={"workers": 1})
        self.wait_ready()
        pool, = pools(self.server.program.pid)
        templates = children(pool)
        self.assertEqual({role_of(pid) for pid in templates}, {"scan", "light"})
        for pid in templates:
            kill(pid, signal.SIGSTOP)
        self.server.stop()
        wait_until(lambda: not any(map(is_alive, templates)), 10, "the end of the templates")

    def test_a_shared_one_that_is_absent(self):
        inspector = Inspector(workers=1)
        self.addCleanup(inspector.__exit__)
        self.start(proxy={"inspection_timeout": "60s"}, inspector={"socket": inspector.socket})
        wait_until(lambda: DOWN in self.server.log(), 30)
        for _ in range(5):
            reply = self.send()
            self.assertEqual(reply.code, 451, reply)
        self.assertNotIn(" is ready on ", self.server.log())
        self.assertEqual(self.server.log().count(DOWN), 1, self.server.log())
        inspector.start()
        os.chmod(inspector.socket, 0o666)
        self.wait_ready()
        wait_until(lambda: self.send().code == 250, 20)
        inspector.program.kill()
        wait_until(lambda: self.server.log().count(DOWN) == 2, 30)
        self.assertEqual(self.send().code, 451)

    @unittest.skipUnless(os.geteuid() == 0, "only root gives a socket away")
    def test_a_shared_one_of_another_user(self):
        """Started as root, it is closed to all but the group of those who may ask."""
        inspector = Inspector(workers=1, more="[proxy]\nuser = nobody\n")
        self.addCleanup(inspector.__exit__)
        inspector.configure(user=OWNER)
        inspector.temporary.chmod(0o777)
        inspector.start()
        status = inspector.socket.stat()
        self.assertEqual((status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)),
                         (pwd.getpwnam(OWNER).pw_uid, pwd.getpwnam("nobody").pw_gid, 0o660))
        self.start(inspector={"socket": inspector.socket})
        self.wait_ready()
        wait_until(lambda: self.send().code == 250, 20)
        self.assertEqual(self.send(infected()).code, 550)

    def test_one_that_cannot_start(self):
        """It ends at once, each time: not a line each second, and no message waits for it."""
        self.start(inspector={"workers": 1, "temporary_directory": "/nonexistent"})
        wait_until(lambda: DOWN in self.server.log(), 30)
        for _ in range(3):
            self.assertEqual(self.send().code, 451)
        self.assertNotIn(" is ready on ", self.server.log())
        self.assertIn("keeps ending", self.server.log())
        self.assertLessEqual(self.server.log().count(" ended "), 2)
        self.assertEqual(self.server.log().count(DOWN), 1)


if __name__ == "__main__":
    outcome.main()

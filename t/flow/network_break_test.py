"""
The network between proxy and back-end breaks, and comes back: the back-end never sees more connections than
its limit. In a network namespace of its own, whose loopback can be taken down.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
import unittest

from support import crowd
from support import proxy as proxies
from support import smtp
from support.process import wait_until

INSIDE = "POSTERN_TEST_NAMESPACE"
LIMIT = 6


def can_have_namespace():
    """The command that runs another in a network namespace of its own, or None."""
    command = ["unshare", "--net"] + (["--map-root-user"] if os.geteuid() != 0 else [])
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return None
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else None


def set_network(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


class NetworkBreak(proxies.ProxyTestCase):
    def setUp(self):
        super().setUp()
        set_network("up")
        self.addCleanup(set_network, "up")

    def _front(self, **options):
        self.recorder = self.backend(pause={"rcpt": 1.5})
        return self.proxy(self.recorder, proxy={
            "threads": 1, "backend_connections": LIMIT, "backend_timeout": "3s", "backend_wait": "60s",
            **options})

    def _lose_all(self, front):
        """All connections are in use when the network goes away, and are given up before it is back."""
        lost = []
        for number in range(LIMIT):
            client = smtp.Client(front.port, source=f"127.7.0.{1 + number}")
            self.addCleanup(client.close)
            client.ehlo()
            client.command("MAIL FROM:<lost@load.example>")
            client.send(b"RCPT TO:<bob@example.org>\r\n")
            lost.append(client)
        wait_until(lambda: self.recorder.connections == LIMIT, 10)
        set_network("down")
        time.sleep(9)
        self.assertEqual(self.recorder.connections, LIMIT)
        set_network("up")

    def test_limit_holds(self):
        front = self._front()
        self._lose_all(front)
        self.recorder.options.pause.clear()
        sent = crowd.good_senders(front.port)
        self.assertEqual([one.code for one in sent], [250] * len(sent), sent)
        self.assertLessEqual(self.recorder.maximum_connections, LIMIT)
        print(f"served after {crowd.percentile(sent, 1):.1f} s", flush=True)

    def test_it_ends_in_time(self):
        """A back-end that is never reached again does not hold up the end of the proxy."""
        front = self._front(drain_timeout="1s")
        self._lose_all(front)
        set_network("down")
        began = time.monotonic()
        stopping = threading.Thread(target=front.stop)
        stopping.start()
        stopping.join(30)
        self.assertLess(time.monotonic() - began, 20)
        self.assertFalse(front.program.is_running())


if __name__ == "__main__":
    if os.environ.get(INSIDE):
        unittest.main()
    namespace = can_have_namespace()
    if namespace is None:
        print("skipped: this needs ip (iproute2), unshare (util-linux), and the right to use them")
        sys.exit(77)
    os.environ[INSIDE] = "1"
    os.execvp(namespace[0], [*namespace, sys.executable, "-B", *sys.argv])

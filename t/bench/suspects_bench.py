"""
What suspects cost that are held, in three mixes: waiting for the greeting; replies trickled, an octet every
five seconds; idle after EHLO. postern-proxy with one thread, beside the least that holding costs, postscreen,
OpenSMTPD, nginx's mail proxy and HAProxy, all in one run. USS is the memory that ends with the process, less
what it had without clients.
"""

import sys
import time
import unittest

import held_bench
from support import crowd, peers, suspects

OCTETS_MAX, CPU_FACTOR_MAX = 512, 1.3
OPENSMTPD_CLIENTS = 600  # it greets few in a second, and waits five minutes for a command
GREETED = rb"^220 .*\n"  # the bare holder's octets may be behind it already
MIXES = {  # [screen] options, what each client says, and what it hears to the end of
    "waiting for the greeting": ({"pause": "unknown", "greeting_pause": "1h"}, None, rb"\n\Z"),
    "replies trickled": ({"pause": "nobody", "slow_from": "1", "points": "no_name=0; helo_literal=1",
                          "trickle": f"{suspects.TRICKLE_SECONDS}s", "reply_time": "20h"},
                         b"EHLO [192.0.2.250]\r\n", GREETED),
    "idle after EHLO": ({"pause": "nobody"}, b"EHLO client.sender.example\r\n", GREETED),
}


class SuspectsBench(suspects.SuspectsCase):
    def setUp(self):
        super().setUp()
        self.sink = peers.Sink()
        self.addCleanup(self.sink.stop)
        self.addresses = crowd.addresses(64)

    def _hold(self, name, peer, port, end, say=None, count=None, heard=None):
        """(octets a client, share of a core); prints them."""
        count = count or self.count
        warm = suspects.Held(port, 300, self.addresses, end)
        warm.close()
        time.sleep(2)
        pids = peer.pids()
        before, kernel = suspects.uss(*pids), held_bench.kernel_octets()
        held = suspects.Held(port, count, self.addresses, end)
        if say is not None:
            held.say(say, heard)
        time.sleep(4)  # those that are silent for a second are parked
        each = (suspects.uss(*pids) - before) / count
        sockets = "" if kernel is None else f"{(held_bench.kernel_octets() - kernel) / count / 2:.0f}"
        share = suspects.processor_share(*pids)
        held.close()
        print(f"  {name:42} {count:6} held {each:8.0f} octets {sockets:>6} kernel's {share:7.3f} of a core",
              flush=True)
        return each, share

    def test_held(self):
        bare = suspects.BareHolder()
        self.addCleanup(bare.stop)
        share = self._hold("bare holder, trickling", bare, bare.port, GREETED)[1]
        for name, (screen, say, end) in MIXES.items():
            front = self.postern(screen, self.sink.port, self.addresses, proxy={"threads": 1})
            front.pids = lambda front=front: [front.program.pid]
            each, ours = self._hold(f"postern, {name}", front, front.port, end, say)
            self.judge("octets of each", each, OCTETS_MAX)
            if "trickled" in name:
                self.judge("processor time, to the bare holder's", ours / share, CPU_FACTOR_MAX)
            front.stop()
        postscreen = self.peer(suspects.Postscreen)
        if postscreen is not None:
            self._hold("postscreen, waiting for the greeting", postscreen, postscreen.greet, rb"\n\Z")
            self._hold("postscreen, after EHLO", postscreen, postscreen.deep, GREETED,
                       b"EHLO client.sender.example\r\n", heard=rb"^250 .*\n\Z")
            postscreen.stop()
        smtpd = self.peer(suspects.OpenSMTPD)
        if smtpd is not None:
            few = min(self.count, OPENSMTPD_CLIENTS)
            self._hold("OpenSMTPD, after the greeting", smtpd, smtpd.port, GREETED, count=few)
            self._hold("OpenSMTPD, after EHLO", smtpd, smtpd.port, GREETED, b"EHLO client.sender.example\r\n",
                       count=few, heard=rb"^250 .*\n\Z")
            smtpd.stop()
        nginx = self.peer(held_bench.Nginx, self.subfolder("nginx"))
        if nginx is not None:
            self._hold("nginx, after the greeting", nginx, nginx.port, GREETED,
                       count=min(self.count, 18000))
            self._hold("nginx, after EHLO", nginx, nginx.port, GREETED, b"EHLO client.sender.example\r\n",
                       count=min(self.count, 18000), heard=rb"^250 .*\n\Z")
            nginx.stop()
        haproxy = self.peer(peers.HAProxy, self.subfolder("haproxy"), self.sink.port, 1)
        if haproxy is not None:
            self._hold("HAProxy, after the greeting", haproxy, haproxy.port, GREETED,
                       count=min(self.count // 2, 9000))  # the server behind holds each too
        self.assertEqual(self.missed, [])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

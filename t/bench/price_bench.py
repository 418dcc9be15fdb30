"""
The attacker's price: spam programs that speak before they are greeted, give up after a time or when they are
refused, and come again. Attacker-seconds that are held for each second of processor time and for each MiB, by
postern-proxy, postscreen (its greeting, and its tests behind it), the bare holder, which does nothing but
hold, and those that let everybody in: OpenSMTPD, nginx's mail proxy and HAProxy, in one run.
"""

import os
import sys
import time
import unittest

import held_bench
from support import crowd, peers, suspects

CLIENTS = int(os.environ.get("POSTERN_BENCH_CLIENTS", "3000"))
SECONDS = float(os.environ.get("POSTERN_BENCH_SECONDS", "60"))
PAUSE, THREADS = 1.0, 3


class PriceBench(suspects.SuspectsCase):
    def _attack(self, name, port, peer, warm):
        """Prints what is held, and at what price; attacker-seconds for a second of processor time."""
        warm()
        pids = peer.pids()
        memory, used = suspects.uss(*pids), peers.cpu_seconds(*pids)
        sources = crowd.addresses(CLIENTS // THREADS, 40)
        crowds = [crowd.Crowd(port, crowd.spammer, sources, len(sources), PAUSE) for _ in range(THREADS)]
        for one in crowds:
            one.__enter__()
        time.sleep(SECONDS)
        more = max(suspects.uss(*pids) - memory, 4096)
        used = peers.cpu_seconds(*pids) - used
        held = sum(one.held_seconds() for one in crowds)
        came = sum(one.connected for one in crowds)
        for one in crowds:
            one.__exit__()
        print(f"  {name:16} {held:9.0f} attacker-seconds in {came:6} connections ({held / came:5.1f} each): "
              f"{held / used:8.0f} for a second of processor time, {held / (more / 2**20):8.0f} for a MiB",
              flush=True)
        return held / used

    def test_price(self):
        print(f"{CLIENTS} spam programs, {SECONDS:.0f} s")

        def warm(port):
            suspects.Held(port, 100, crowd.addresses(64), rb"\n").close()
        sink, bare = peers.Sink(), suspects.BareHolder(1)
        self.addCleanup(sink.stop)
        self.addCleanup(bare.stop)
        self._attack("bare holder", bare.port, bare, lambda: warm(bare.port))
        front = self.postern({"pause": "unknown"}, sink.port, proxy={"threads": 1})
        front.pids = lambda: [front.program.pid]
        ours = self._attack("postern", front.port, front, lambda: warm(front.port))
        postscreen = self.peer(suspects.Postscreen, "6s")
        if postscreen is not None:
            theirs = self._attack("postscreen", postscreen.greet, postscreen, lambda: warm(postscreen.greet))
            self.judge("what postscreen holds for a second of processor time, to ours", theirs / ours, 1)
            self._attack("postscreen, deep", postscreen.deep, postscreen, lambda: warm(postscreen.deep))
            postscreen.stop()
        for kind, *arguments in ((suspects.OpenSMTPD,), (held_bench.Nginx, self.subfolder("nginx")),
                                 (peers.HAProxy, self.subfolder("haproxy"), sink.port, 1)):
            peer = self.peer(kind, *arguments)
            if peer is not None:
                self._attack(kind.__name__, peer.port, peer, lambda peer=peer: warm(peer.port))
                peer.stop()
        self.assertEqual(self.missed, [])


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

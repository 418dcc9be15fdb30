"""
What the usual mix of mail costs (3 kB of text, 12 kB with HTML, attachments of 60 and 600 kB, a virus; all of
them signed by DKIM and checked by SPF, DMARC, ARC, virus and content) with 1,000,000 signatures: processor
time for 1,000 messages by process, through the proxy and through the milter. A figure beyond its bound is
marked, and the run fails. POSTERN_BENCH_SIGNATURES: another number of signatures.
"""

import base64
import collections
import os
import pathlib
import random
import statistics
import sys
import unittest

from support import peers, signatures
from support import proxy as proxies
from support.demo_messages import eicar, eicar_signature
from support.dkim_signer import Signer
from support.inspector import children, role_of
from support.milter import Milter
from support.process import wait_until

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "3"))
SIGNATURES = int(os.environ.get("POSTERN_BENCH_SIGNATURES", "1000000"))
MESSAGES = 200
SECONDS_A_THOUSAND = 1.3
START_SECONDS = 300
CLIENT = "192.0.2.7"
WORDS = ("the quick report about your invoice for this month contains several items we would like to discuss"
         " before friday please find attached details regards team").split()


def text(chance, octets):
    """Lines of words, about so many octets."""
    lines, length = [], 0
    while length < octets:
        lines.append(" ".join(chance.choices(WORDS, k=11)))
        length += len(lines[-1]) + 2
    return "\r\n".join(lines) + "\r\n"


def body_of(number, chance):
    """The type and body of a message of the mix."""
    place, mark = number % 100, f"=_b{number}"
    if place < 45:
        return "text/plain; charset=us-ascii", text(chance, 2600)
    part = f"--{mark}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
    if place < 80:
        html = f"<html><body><p>{text(chance, 7000)}</p><a href=\"http://a.example/x\">link</a></body>"
        return (f"multipart/alternative; boundary=\"{mark}\"", f"{part}{text(chance, 4000)}--{mark}\r\n"
                f"Content-Type: text/html\r\n\r\n{html}</html>\r\n--{mark}--\r\n")
    data = eicar() if place == 99 else chance.randbytes(44000 if place < 94 else 440000)
    return (f"multipart/mixed; boundary=\"{mark}\"",
            f"{part}{text(chance, 800)}--{mark}\r\n"
            "Content-Type: application/octet-stream; name=\"file.bin\"\r\n"
            "Content-Disposition: attachment; filename=\"file.bin\"\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(data).decode().replace("\n", "\r\n") + f"--{mark}--\r\n")


def processes(pid):
    """The pids of a program's processes by what they do."""
    found = collections.defaultdict(list)

    def descend(parent):
        role = role_of(parent)
        name = pathlib.Path(f"/proc/{parent}/comm").read_text().strip()
        found[role or name].append(parent)
        for child in children(parent):
            descend(child)
    descend(pid)
    return found


class MixBench(proxies.ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.signer = Signer("origin.example", bits=2048)
        self.answers = (self.signer.record() + 'origin.example TXT "v=spf1 ip4:192.0.2.0/24 -all"\n'
                        '_dmarc.origin.example TXT "v=DMARC1; p=none"\n')
        self.database = self.subfolder("database")
        self.database.chmod(0o755)
        signatures.make(self.database, SIGNATURES, shares=signatures.PLAIN)
        (self.database / "eicar.ndb").write_text(eicar_signature())
        folder = self.subfolder("mail")
        for number in range(MESSAGES):
            kind, body = body_of(number, random.Random(number))
            message = ("Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nFrom: Sender <sender@origin.example>\r\n"
                       f"To: <user@dest.example>\r\nSubject: {number}\r\n"
                       f"Message-ID: <{number}@origin.example>\r\n"
                       f"MIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n{body}")
            (folder / f"{number:03}.eml").write_bytes(self.signer.sign(message.encode(), relaxed=True))
        self.files = sorted(folder.iterdir())

    def _measure(self, pid, run):
        """Medians of what each kind of process used for 1,000 messages."""
        results = []
        run()
        for _ in range(ROUNDS):
            before = {name: peers.cpu_seconds(*pids) for name, pids in processes(pid).items()}
            run()
            after = {name: peers.cpu_seconds(*pids) for name, pids in processes(pid).items()}
            results.append({name: (after[name] - before.get(name, 0)) * 1000 / MESSAGES for name in after})
        total = statistics.median(sum(row.values()) for row in results)
        for name in results[0]:
            print(f"    {name}: {statistics.median(row.get(name, 0) for row in results):.3f}")
        good = total <= SECONDS_A_THOUSAND
        print(f"    all: {total:.2f} (at most {SECONDS_A_THOUSAND}){'' if good else ': MISSED'}", flush=True)
        self.assertTrue(good)

    def test_1_proxy(self):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        front = proxies.Proxy(self.subfolder("proxy"), sink.port, self.answers, proxy={
            "inspect": "yes", "client_address": "xforward", "trusted_clients": "127.0.0.1",
            "recipient_domains": "dest.example", "threads": 1, "max_connections_per_client": 1000},
            virus={"database": self.database}, log={"level": "warning"})
        front.start(ready=False)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        wait_until(lambda: peers.load(front.port, 1, 1, 1, 0, self.files[0], client=CLIENT)["messages"] == 1,
                   START_SECONDS, "a message that is inspected")

        def run():
            told = peers.load(front.port, 4, MESSAGES, 1, 0, *self.files, client=CLIENT)
            self.assertEqual(told["messages"] + told["failed"], MESSAGES)
        print("\nthrough the proxy: CPU seconds per 1,000 messages")
        self._measure(front.program.pid, run)

    def test_2_milter(self):
        milter = Milter(self.subfolder("milter"), answers=self.answers, log={"level": "warning"},
                        virus={"database": self.database}).start(ready=False)
        self.addCleanup(milter.stop)
        milter.program.wait_for_port(milter.port)

        def is_accepted(path):
            header, _, body = path.read_bytes().partition(b"\r\n\r\n")
            with milter.client() as client:
                client.connect(address=CLIENT)
                client.helo()
                client.mail("sender@origin.example")
                client.recipient("user@dest.example")
                client.header(header + b"\r\n\r\n")
                client.body(body)
                return client.end(i="Q1").is_accepted

        def run():
            refused = sum(not is_accepted(path) for path in self.files)
            self.assertEqual(refused, MESSAGES // 100, "the viruses")
        wait_until(lambda: is_accepted(self.files[0]), START_SECONDS, "a message that is inspected")
        print("\nthrough the milter: CPU seconds per 1,000 messages")
        self._measure(milter.program.pid, run)


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

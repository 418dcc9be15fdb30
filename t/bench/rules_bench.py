"""
What content rules cost: processor time of all processes for the usual mix of mail with no rules, with the
default ones, and with 1,000 of an administrator's own; what loading those takes. A figure beyond its bound is
marked, and the run fails.
"""

import os
import pathlib
import random
import statistics
import time
import unittest

from bench.inspect_bench import cpu_by_role, role_pids, tell
from support import peers
from support import proxy as proxies
from support.smtp import crlf
from flow.content_rules_test import mail

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "5"))
MESSAGES, RULES, TIMES_NONE = 600, 1000, 2.0
CLIENT = "192.0.2.7"
WORDS = ("account", "invoice", "delivery", "meeting", "project", "schedule", "weather", "garden", "window",
         "report", "number", "system", "server", "update", "question", "answer", "thanks", "regards")


def sentence(chance, words=12):
    return " ".join(chance.choice(WORDS) for _ in range(words)).capitalize() + "."


def page(chance):
    rows = "".join(f'<tr><td style="padding:0"><p>{sentence(chance, 30)}</p><a href="https://www.shop{n}'
                   f'.example/{chance.getrandbits(64):x}">{sentence(chance, 3)}</a></td></tr>\n'
                   for n in range(40))
    return f"<html><head><style>p {{ color: #333 }}</style></head><body><table>{rows}</table></body></html>"


def messages(count):
    """Three texts of 1 kB, one HTML mail and one attachment of 100 kB of each five, all different."""
    chance = random.Random(7)
    for number in range(count):
        text = "\n".join(sentence(chance) for _ in range(10))
        if number % 5 == 3:
            yield mail(f"letter {number}", text, html=page(chance))
        elif number % 5 == 4:
            octets = b"%PDF-1.4\n" + chance.randbytes(100_000)
            yield mail(f"letter {number}", text, files=[(f"report-{number}.pdf", octets, "application/pdf")])
        else:
            yield crlf(f"From: a@pass.example\nSubject: letter {number}\n"
                       f"Message-ID: <{number}@x.example>\n\n{text}\n")


def thousand():
    """Rules as lists of them are: names, words, patterns, fields, hosts; a few of each other kind."""
    rules = []
    for number in range(RULES):
        kind = number % 20
        if kind < 6:
            what = f"name *.x{number} virus{number}*.zip"
        elif kind < 11:
            what = f'text "prize {number} waits" casino{number}'
        elif kind < 14:
            what = f"text /transfer .{{0,40}} {number} (dollars|euros)/ /\\bv[i1]agra{number}\\b/"
        elif kind < 16:
            what = f"header Subject /you (have )?won {number}/"
        elif kind < 18:
            what = f"link-host evil{number}.example *.bad{number}.example"
        elif kind == 18:
            what = f"type application/x-evil{number}"
        else:
            what = ("contents program macro", "size >20M", "files >50", "link punycode",
                    "sniffed application/x-dosexec\n    place attached")[number // 20 % 5]
        rules.append(f"rule{number} log\n    {what}\n")
    return "".join(rules)


def memory_octets(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


class RulesBench(proxies.ProxyTestCase):
    def start(self, **content):
        sink = peers.Sink()
        self.addCleanup(sink.stop)
        began = time.monotonic()
        front = proxies.Proxy(self.subfolder("proxy"), sink.port, 'pass.example TXT "v=spf1 +all"\n', proxy={
            "inspect": "yes", "client_address": "xforward", "trusted_clients": "127.0.0.1",
            "recipient_domains": "dest.example", "threads": 1, "max_connections_per_client": 1000},
            virus={"database": self.signatures()}, content=content, log={"level": "warning"})
        front.start(ready=False)
        self.addCleanup(front.stop)
        front.program.wait_for_port(front.port)
        self.load(front, self.files[:20])
        return front, time.monotonic() - began

    def load(self, front, files):
        told = peers.load(front.port, 2, len(files), 20, 0, *files, client=CLIENT)
        self.assertEqual((told["messages"], told["failed"]), (len(files), 0))

    def templates(self, front):
        """The most memory of a template, shared pages by their share."""
        return max(memory_octets(pid) for pid in role_pids(front.program.pid)["templates"])

    def test_rules(self):
        folder = self.subfolder("mail")
        self.files = []
        for number, octets in enumerate(messages(MESSAGES)):
            self.files.append(folder / f"{number}.eml")
            self.files[-1].write_bytes(octets)
        table = self.subfolder("rules") / "rules"
        table.write_text(thousand())
        table.parent.chmod(0o755)
        settings = {"none": {"default_rules": "no"}, "default": {"default_rules": "yes"},
                    f"{RULES:,}": {"default_rules": "no", "rules": table}}
        fronts = {name: self.start(**content) for name, content in settings.items()}
        used = {name: [] for name in fronts}
        for _ in range(ROUNDS):
            for name, (front, _) in fronts.items():
                before = cpu_by_role(front.program.pid)
                self.load(front, self.files)
                after = cpu_by_role(front.program.pid)
                used[name].append((sum(after.values()) - sum(before.values()),
                                   after["scan"] - before["scan"]))
        print(f"\n{MESSAGES} messages (3 of 5 texts of 1 kB, HTML of 12 kB, attachments of 100 kB)")
        for name, (front, seconds) in fronts.items():
            print(f"    {name} rules: CPU {statistics.median(row[0] for row in used[name]):.3f} s, workers "
                  f"{statistics.median(row[1] for row in used[name]):.3f} s; ready after {seconds:.2f} s, "
                  f"template {self.templates(front) / 2 ** 20:.1f} MiB")
        for place, what in enumerate(("all processes", "workers alone")):
            ratio = statistics.median(many[place] / none[place]
                                      for many, none in zip(used[f"{RULES:,}"], used["none"]))
            self.assertTrue(tell(f"{RULES:,} rules to none, {what}", ratio, TIMES_NONE))


if __name__ == "__main__":
    unittest.main()

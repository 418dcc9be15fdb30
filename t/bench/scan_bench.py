"""
How many messages a second postern-scan judges: a mailbox of signed messages, each another one, with a
database of one signature, and answers of a file in place of the DNS. CPU is that of the whole tree of
processes. POSTERN_BENCH_BEFORE=FOLDER (a build folder of another version) is measured in turns with it.
POSTERN_BENCH_MESSAGES is the size of the mailbox.
"""

import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from support.demo_messages import eicar_signature
from support.dkim_signer import Signer
from support.process import build_folder
from support.proxy import configuration_text, unprivileged_user
from support.scan import as_mboxrd
from support.smtp import crlf

MESSAGES = int(os.environ.get("POSTERN_BENCH_MESSAGES", "10000"))
ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "3"))
WORDS = "postern castle gate guard river message letter stone tower bridge market garden".split()
TIMES_BEFORE = 4
ARGUMENTS = ("--json", "--client", "192.0.2.7", "--helo", "mx.origin.example", "--sender", "a@origin.example",
             "--recipient", "b@dest.example", "--no-received")


def write_mailbox(path, signer):
    """Letters of 0.5 to 5 kB."""
    chance = random.Random(1)
    with open(path, "wb") as mailbox:
        for number in range(MESSAGES):
            body = "".join(" ".join(chance.choices(WORDS, k=11)) + "\n"
                           for _ in range(chance.choice((5, 20, 60))))
            letter = crlf(f"From: a@origin.example\nTo: b@dest.example\nSubject: letter {number}\n"
                          f"Message-ID: <{number}@origin.example>\n\n{body}")
            mailbox.write(as_mboxrd(signer.sign(letter)))


def measure(build, folder):
    """Messages a second, and milliseconds of the processor a message."""
    command = [pathlib.Path(build) / "bin" / "postern-scan", "--config", folder / "postern.conf", "--answers",
               folder / "answers", *ARGUMENTS, folder / "mailbox"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, check=False)
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    good = done.stdout.count(b'"dkim":[{"result":"pass"') == done.stdout.count(b'"virus":{"result":"clean"')
    if done.returncode != 0 or done.stdout.count(b'"virus":{"result":"clean"') != MESSAGES or not good:
        sys.exit(f"postern-scan of {build}: status {done.returncode}: {done.stderr.decode()[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return MESSAGES / seconds, cpu / MESSAGES * 1000


def main():
    builds = {"before": os.environ.get("POSTERN_BENCH_BEFORE"), "now": build_folder()}
    figures = {name: [] for name, build in builds.items() if build}
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as name:
        folder, signer = pathlib.Path(name), Signer("origin.example")
        folder.chmod(0o755)
        (folder / "database").mkdir(mode=0o755)
        (folder / "database" / "test.ndb").write_text(eicar_signature())
        (folder / "answers").write_text(
            signer.record() + 'origin.example TXT "v=spf1 ip4:192.0.2.0/24 -all"\n'
            '_dmarc.origin.example TXT "v=DMARC1; p=none"\n')
        (folder / "postern.conf").write_text(configuration_text({
            "proxy": {"hostname": "scan.example"}, "inspector": {"user": unprivileged_user()},
            "virus": {"database": folder / "database"}}))
        write_mailbox(folder / "mailbox", signer)
        print(f"postern-scan, a mailbox of {MESSAGES} signed messages, {os.cpu_count()} cores:", flush=True)
        for _ in range(ROUNDS):
            for name in figures:
                rate, cpu = measure(builds[name], folder)
                figures[name].append((rate, cpu))
                print(f"    {name:>6}: {rate:.0f} messages/s, {cpu:.2f} ms of the processor a message",
                      flush=True)
    if "before" not in figures:
        return 0
    rate, cpu = (statistics.median(now[i] for now in figures["now"]) /
                 statistics.median(then[i] for then in figures["before"]) for i in (0, 1))
    good = rate >= TIMES_BEFORE
    print(f"    {rate:.1f} times the rate of before (at least {TIMES_BEFORE}), 1/{1 / cpu:.1f} of its"
          f" processor time{'' if good else ': MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

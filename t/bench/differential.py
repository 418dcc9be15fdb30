"""
All transcripts direct to each real mail server and through postern-proxy before it. Prints for each server
how many are the same, how many differ for what reason of postern-proxy(8), and each kind of difference with
examples, the commonest first. It is run by hand.
"""

import argparse
import collections
import contextlib
import pathlib
import random
import sys
import tempfile
import time

from support import differential_servers, transcripts
from support.differential import differences
from support.named_differences import name_of


# What the proxy does otherwise than the mail server on purpose, whatever that is.
MEANT = ("Bare CR, LF and NUL", "BDAT", "What comes before 354")


def told(name, total, found, seconds, examples, out):
    same = total - len(found)
    reasons = collections.Counter(name_of(difference) or "no name" for difference in found)
    meant = sum(reasons[name] for name in MEANT)
    words = (f"{name}: {same} of {total} the same ({100 * same / total:.1f} %), "
             f"of those that no policy touches {100 * same / (total - meant):.1f} %")
    print(f"{words}, {seconds:.0f} seconds", flush=True)
    print(f"== {words}", file=out)
    for reason, count in reasons.most_common():
        print(f"{count:5} {100 * count / total:5.1f} % {reason}", file=out)
    kinds = collections.defaultdict(list)
    for difference in found:
        kinds[difference.kind].append(difference)
    for kind, members in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"{len(members):5} {kind} ({name_of(members[0]) or 'no name'})", file=out)
        for difference in members[:examples]:
            print(f"    - {difference}", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", action="append", choices=list(differential_servers.SERVERS))
    parser.add_argument("--family", action="append", help="only these")
    parser.add_argument("--transcripts", help="a Python file whose corpus() is taken in place of ours")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, help="so many of them, chosen at random")
    parser.add_argument("--at-once", type=int, default=30)
    parser.add_argument("--examples", type=int, default=3)
    parser.add_argument("--domain", action="append", help="that mail is taken for; may be repeated")
    parser.add_argument("--inspect", action="store_true", help="inspect = yes")
    parser.add_argument("--out", help="where the kinds of differences go; else to standard output")
    options = parser.parse_args()
    corpus = transcripts.corpus(options.seed)
    if options.transcripts:
        names = {}
        exec(pathlib.Path(options.transcripts).read_text(), names)
        corpus = names["corpus"]()
    if options.family:
        corpus = [transcript for transcript in corpus if transcript.family in options.family]
    if options.sample:
        corpus = random.Random(options.seed).sample(corpus, min(options.sample, len(corpus)))
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(options.out, "w")) if options.out else sys.stdout
        for name in options.server or differential_servers.SERVERS:
            with tempfile.TemporaryDirectory(prefix="postern-differential-", dir="/dev/shm") as folder:
                with differential_servers.pair(name, pathlib.Path(folder), options.inspect,
                                               options.domain or [transcripts.DOMAIN]) as ports:
                    began = time.monotonic()
                    found = differences(*ports, corpus, options.at_once)
                    told(name, len(corpus), found, time.monotonic() - began, options.examples, out)
                    out.flush()


if __name__ == "__main__":
    main()

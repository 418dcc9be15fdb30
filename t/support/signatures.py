"""
A database of signatures as large as one wants, always the same: of ClamAV's kinds, in about the shares that
main.cvd and daily.cvd have, in files beside each other. No ordinary message has any of them.
"""

import pathlib
import random

# Of a thousand signatures, by the ending of their file.
SHARES = {"hdb": 700, "hsb": 150, "mdb": 80, "ndb": 60, "ldb": 10}
# The same of those that scanners are commonly compared with: digests, and texts without gaps in any file.
PLAIN = {"hdb": 665, "hsb": 285, "text": 50}
DAILY = 4  # one in so many is in daily.*, the others in main.*


def _pattern(generator, octets):
    """Octets in hexadecimal, one in three times with a gap, a jump or an alternative in the middle."""
    start, end = (generator.randbytes(octets // 2).hex() for _ in range(2))
    middle = ("", "", "", "", "", "", "??", "{4-40}", "(0a|0d)")[generator.randrange(9)]
    return start + middle + end


def _line(generator, kind, number):
    name = f"Synthetic.{kind.capitalize()}.{number}"
    if kind == "hdb":
        return f"{generator.randbytes(16).hex()}:{generator.randrange(200, 5_000_000)}:{name}"
    if kind == "hsb":
        return f"{generator.randbytes(32).hex()}:{generator.randrange(200, 5_000_000)}:{name}"
    if kind == "mdb":
        return f"{generator.randrange(512, 500_000)}:{generator.randbytes(16).hex()}:{name}"
    if kind == "text":
        return f"{name}:0:*:{generator.randbytes(generator.randrange(12, 52)).hex()}"
    target = (0, 0, 1, 1, 1, 3, 4)[generator.randrange(7)]  # any file, programs, HTML, mail
    if kind == "ndb":
        return f"{name}:{target}:*:{_pattern(generator, generator.randrange(16, 80))}"
    parts = [_pattern(generator, generator.randrange(12, 40)) for _ in range(generator.randrange(2, 5))]
    return f"{name};Engine:51-255,Target:{target};{'&'.join(map(str, range(len(parts))))};{';'.join(parts)}"


def make(folder, count, seed=1, shares=None):
    """Writes count signatures into folder, as main.hdb, daily.hdb and so on."""
    generator = random.Random(seed)
    for kind, share in (shares or SHARES).items():
        total = count * share // 1000
        for name, numbers in {"main": range(total - total // DAILY),
                              "daily": range(total - total // DAILY, total)}.items():
            ending = "ndb" if kind == "text" else kind
            with open(pathlib.Path(folder) / f"{name}.{ending}", "w", encoding="ascii") as out:
                out.writelines(_line(generator, kind, number) + "\n" for number in numbers)

"""
Messages whose headers have lines that programs may read differently, made from a seed; and what Python, GMime
and our own reader make of a message.
"""

import base64
import dataclasses
import email.parser
import email.policy
import random
import subprocess

from support.dkim_signer import Signer
from support.process import build_folder
from support.smtp import crlf

SIGNER = Signer("signed.example")
SHOWN = ("from", "subject", "content-type", "content-transfer-encoding")
FIELDS = ("From: Ada <ada@{domain}>\nTo: <b@example.org>\nSubject: the right one, as it was\n"
          "Message-ID: <{number}@{domain}>\nDate: Fri, 05 Jun 2026 10:05:00 +0000\nMIME-Version: 1.0\n"
          "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n")
BODY = "The right text.\n\nSubject: in the body\nfrom: ada\n"
NAMES = ["From", "To", "Subject", "Date", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]
ONCE = {"relaxed": NAMES[:3] + NAMES[5:], "simple": NAMES[:3]}

# What lines are made of: the first of BEFORE and BEHIND is the usual one.
LINE_NAMES = [
    b"Subject", b"From", b"Content-Type", b"Content-Transfer-Encoding", b"X-Other", b"Sender", b"Reply-To",
    b"Authentication-Results", b"Received-SPF", b"DKIM-Signature", b"Received", b"MIME-Version", b"-x",
    b"--x", b"", b"From a@evil.example Thu Jan  1 00:00:00 2026", b"From ", b">From x", b"Sub ject",
    b"S\xc3\xbcbject", b"\"Subject\"", b"Subject(x)", b"pay here", b"subject"]
LONG_NAMES = [50, 99, 100, 101, 130, 998, 1000]
BEFORE = [b"", b" ", b"\t", b"\v", b"\f", b"\0", b"\x7f", b"\xa0", b"\xef\xbb\xbf", b"\x01"]
BEHIND = [b":", b" :", b"\t:", b"\r\n :", b"\r\n\t:", b"\v:", b"\0:", b"\x7f:", b"", b" ", b"::", b"\xa0:"]
VALUES = [
    b" evil", b"", b" ", b" evil\r\n and more", b" evil\r\n \r\n\tand more", b" evil\r\n\t", b" e\0vil",
    b" \v\f\x1b\x85", b" text/html", b" base64", b" ceo@bank.example", b" \xe2\x98\x83",
    b" evil\r\n Subject: evil", b" {ours}; dmarc=pass", b" pass receiver={ours}", b" {ours} 1; none",
    b" evil\rSubject: evil"]
FOLDS = [b"\r\n ", b"\r\n\t\r\n ", b"\r\n \t\r\n  ", b"\r\n\t "]
LONG = b"\r\n " + (b"z" * 900 + b"\r\n ") * 115 + b"end"
LONG_VALUES = [b" " + b"y" * 2000, b" " + (b"z" * 900 + b"\r\n ") * 3 + b"end", LONG]
ADDED = [b"\0", b"\0 evil", b"\0\r\n evil", b" \r\n\0 evil", b"\r", b"\v", b" \r\n ", b"\r\n \t\r\n ",
         b"\r\n \0", LONG]


@dataclasses.dataclass
class Case:
    """
    A message to be sent; sender has its number. signed: the message before it was changed, if it has a
    signature, which covers names.
    """

    number: int
    sender: str
    octets: bytes
    signed: bytes = None
    names: tuple = ()


def _mostly(chance, choices, usual=0.75):
    """The first of choices, or now and then another one."""
    return choices[0] if chance.random() < usual else chance.choice(choices)


def _line(chance, ours):
    if chance.random() < 0.1:
        name = b"X" * chance.choice(LONG_NAMES)
    else:
        name = chance.choice(LINE_NAMES)
    value = chance.choice(LONG_VALUES if chance.random() < 0.06 else VALUES)
    return _mostly(chance, BEFORE) + name + _mostly(chance, BEHIND, 0.6) + value.replace(b"{ours}", ours)


def _split(octets):
    header, _, body = octets.partition(b"\r\n\r\n")
    fields = []
    for line in header.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\r\n" + line
        else:
            fields.append(line)
    return fields, body


def _fold(chance, value):
    words = value.split(b" ")
    place = chance.randrange(len(words))
    words[place] = chance.choice(FOLDS) + words[place]
    return b" ".join(words)


def _change_once(chance, fields, ours):
    place = chance.randrange(len(fields))
    name, _, value = fields[place].partition(b":")
    kind = chance.random()
    if kind < 0.65:
        fields.insert(chance.choice([0, place, len(fields)]), _line(chance, ours))
    elif kind < 0.75:
        fields[place] = name + chance.choice(BEHIND[1:]) + value
    elif kind < 0.85:
        fields[place] = name + b":" + _fold(chance, value)
    elif kind < 0.93:
        fields[place] += chance.choice(ADDED)
    elif kind < 0.97:
        fields.insert(place, chance.choice(fields))
    else:
        fields[place] = name.upper() + b":" + value


def cases(count, seed, ours):
    """count messages; ours: the name that Authentication-Results of our own has."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        kind = chance.choice(["relaxed", "relaxed", "simple", "spf"])
        domain = "pass.example" if kind == "spf" else "signed.example"
        octets = crlf(FIELDS.format(domain=domain, number=number) + "\n" + BODY)
        signed, names = (None, ()) if kind == "spf" else (octets, NAMES)
        if signed:
            names = NAMES + NAMES if chance.random() < 0.5 else ONCE[kind]
            octets = SIGNER.sign(octets, names, relaxed=kind == "relaxed")
        fields, body = _split(octets)
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            _change_once(chance, fields, ours.encode())
        between = _mostly(chance, [b"\r\n\r\n", b"\r\n \r\n", b"\r\n\t\r\n\r\n", b"\r\n"], 0.92)
        made.append(Case(number, f"c{number}@{domain if kind == 'spf' else 'none.example'}",
                         b"\r\n".join(fields) + between + body, signed, tuple(names)))
    return made


def answers(client):
    """The DNS that the messages are judged by."""
    return (f'pass.example TXT "v=spf1 ip4:{client} -all"\n_dmarc.pass.example TXT "v=DMARC1; p=reject"\n'
            f'_dmarc.signed.example TXT "v=DMARC1; p=reject"\n{SIGNER.record()}')


class View:
    """What a reader makes of a message: names in lower case, values with single spaces; and the body."""

    def __init__(self, fields, body):
        self.fields = [(name.decode("latin-1").lower(), b" ".join(value.split())) for name, value in fields]
        self.body = body.replace(b"\r\n", b"\n").rstrip(b"\n")

    def values(self, name):
        """All that is said under that name, each thing once."""
        return sorted({value for field, value in self.fields if field == name})

    def shown(self, names=SHOWN):
        """Author, subject, type and body: what it shows to people; of the fields those with these names."""
        return {**{name: self.values(name) for name in SHOWN if name in names}, "body": self.body}

    def difference(self, other, names=SHOWN):
        """What the two show differently, for people; "" where they agree."""
        ours, theirs = self.shown(names), other.shown(names)
        return "; ".join(f"{name}: {ours[name]!r:.200} and {theirs[name]!r:.200}"
                         for name in ours if ours[name] != theirs[name])


def python_view(octets):
    message = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(octets)
    body = message._payload  # as it came: get_payload() decodes it, or fails to
    return View([(_octets(name), _octets(value)) for name, value in message.raw_items()], _octets(body))


def _octets(text):
    return text.encode("utf-8", "surrogateescape")


def _decode(text):
    return b"" if text == "=" else base64.b64decode(text)


def other_views(folder, messages):
    """
    Of each message, a table: what "postern", our own reader, and "gmime" make of it. They are written to
    folder.
    """
    paths = []
    for number, octets in enumerate(messages):
        paths.append(folder / f"{number:05}.eml")
        paths[-1].write_bytes(octets)
    views = [{} for _ in messages]
    for start in range(0, len(paths), 500):
        result = subprocess.run([build_folder() / "t" / "flow" / "header_view", *paths[start:start + 500]],
                                capture_output=True, text=True, timeout=100, check=True)
        reader = fields = index = None
        for line in result.stdout.splitlines():
            kind, *words = line.split(" ")
            if kind == "field":
                fields.append(tuple(map(_decode, words)))
            elif kind == "body":
                views[index][reader] = View(fields, _decode(words[0]))
            else:
                reader, fields, index = kind, [], int(words[0][-9:-4])
    return views


def all_views(folder, messages):
    """Of each message, a table: what "postern", "gmime" and "python" make of it."""
    views = other_views(folder, messages)
    for table, octets in zip(views, messages):
        table["python"] = python_view(octets)
    return views

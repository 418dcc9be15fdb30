"""
Texts of many lines that look like encoded files, and hold none: hashes, tokens, keys, logs and their like.
"""

import base64
import gzip
import random

dice = random.Random(10)


def letters(octets):
    return base64.b64encode(octets).decode()


def url_letters(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def armour(kind, octets, more=""):
    return (f"-----BEGIN {kind}-----\n{more}{base64.encodebytes(octets).decode()}"
            f"-----END {kind}-----\n")


def integrity(number):
    return (f'    "node_modules/package-{number}": {{\n      "version": "1.2.{number % 90}",\n'
            f'      "resolved": "https://registry.npmjs.org/package-{number}/-/package-{number}-1.tgz",\n'
            f'      "integrity": "sha512-{letters(dice.randbytes(64))}"\n    }},\n')


def token(number):
    head = url_letters(b'{"alg":"RS256","typ":"JWT","kid":"%s"}' % dice.randbytes(20).hex().encode())
    body = url_letters(b'{"sub":"%d","name":"A. Person","iat":1700000000,"scope":"read"}' % number)
    return f"Authorization: Bearer {head}.{body}.{url_letters(dice.randbytes(256))}\n"


def minified():
    text = "".join(f"function {chr(97 + n % 26)}{n}(e,t){{return e[{n}]+t.r{n}*0x{n:x}|0}}"
                   for n in range(9000))
    mappings = letters(dice.randbytes(90000))
    return f"!function(){{{text}}}();\n//# sourceMappingURL=data:application/json;base64,{mappings}\n"


def log_line(number):
    return (f"2026-12-01T00:00:{number % 60:02} host app[{number}]: session={letters(dice.randbytes(60))} "
            f"trace={dice.randbytes(80).hex()} /srv/App/Data/{number}/Files/Of/All/Kinds/that/are/there\n")


def marked():
    """Random octets behind marks of two octets, some of containers."""
    marks = [bytes([first, second]) for first in (0x1f, 0x4d, 0x42, 0x60, 0x50, 0x37, 0x5d, 0xc7)
             for second in (0x9d, 0xa0, 0x1e, 0x8b, 0x5a, 0xea, 0x4b, 0x7a, 0x68, 0x71, 0x00)]
    return "".join(letters(mark + dice.randbytes(62 + n)) + "\n\n" for mark in marks for n in range(30))


def path(number):
    return f"/usr/share/{'/'.join(dice.choices(('Alpha', 'beta', 'Gamma2', 'delta'), k=12))}/{number}\n"


def ssh_key(number):
    key = letters(b"\0\0\0\7ssh-rsa" + dice.randbytes(270))
    return f"ssh-rsa {key} user{number}@host\n"


def known_host():
    return (f"|1|{letters(dice.randbytes(20))}|{letters(dice.randbytes(20))} ssh-ed25519 "
            f"{letters(dice.randbytes(51))}\n")


def picture():
    octets = b"\x89PNG\r\n\x1a\n" + dice.randbytes(900)
    return f'<img alt="a &amp; b" src="data:image/png;base64,{letters(octets)}">\n'


def entry(number):
    text = ("Ünter dén Lïnden " * 5).encode() + b"%d" % number
    return f"dn: uid={number},o=example\ndescription:: {letters(text)}\n\n"


def encoded_texts():
    """NAME -> text; the same each time that it is called first."""
    return {
        "paths": "".join(map(path, range(15000))),
        "hashes of packages": "".join(map(integrity, range(15000))),
        "hashes, one a line": "".join(letters(dice.randbytes(64)) + "\n" for _ in range(15000)),
        "hashes in hexadecimal": "".join(dice.randbytes(64).hex() + f"  file-{number}.tar.gz\n"
                                         for number in range(15000)),
        "long hexadecimal": "".join(dice.randbytes(128).hex() + "\n\n" for _ in range(5000)),
        "tokens": "".join(map(token, range(6000))),
        "keys of ssh": "".join(map(ssh_key, range(6000))),
        "known hosts": "".join(known_host() for _ in range(9000)),
        "certificates": "".join(armour("CERTIFICATE", b"\x30\x82" + dice.randbytes(900))
                                for _ in range(200)),
        "signatures": "".join(armour("PGP SIGNATURE", b"\x89\2\x33\4" + dice.randbytes(560), "\n")
                              for _ in range(300)),
        "a minified script": minified(),
        "pictures in a page": f"<html><body>{''.join(picture() for _ in range(1500))}</body></html>",
        "a log": "".join(map(log_line, range(15000))),
        "a log with what is packed, cut": "".join(
            "payload: " + letters(gzip.compress(dice.randbytes(200)))[:180] + "\n" for _ in range(3000)),
        "a directory": "".join(map(entry, range(12000))),
        "marks": marked(),
    }

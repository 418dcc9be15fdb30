"""
Wanted mail is never refused and never deferred by the defaults: odd but ordinary messages, a corpus of ham,
and the documents of the packages that are installed, each as an attachment. How many there were is printed.
"""

import base64
import collections
import gzip
import io
import os
import pathlib
import random
import struct
import unittest
import zipfile

from support import outcome
from support.encoded_texts import encoded_texts
from support.process import shared_folder
from support.scan import ScanTestCase
from support.smtp import crlf

DOCUMENTS = pathlib.Path("/usr/share/doc")
OF_A_KIND, DOCUMENT_MAX_OCTETS = 40, 2_000_000
BY_ITSELF_REFUSED = {".bat", ".cmd", ".jar", ".js", ".reg"}
HEAD = "From: Ada <a@pass.example>\nTo: b@example.org\nSubject: {name}\nMIME-Version: 1.0\n"


def mail(name, fields, body):
    return crlf(HEAD.format(name=name) + fields + "\n" + body)


def part(fields, body):
    return f"{fields}\n\n{body}"


def multipart(kind, *parts, boundary="edge", end=True):
    """(field, body) of one."""
    body = "".join(f"--{boundary}\n{text}\n" for text in parts) + (f"--{boundary}--\n" if end else "")
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n', body


def lines(octets):
    return base64.encodebytes(octets).decode()


def attached(octets, name, kind="application/octet-stream"):
    return part(f'Content-Type: {kind}; name="{name}"\nContent-Transfer-Encoding: base64\n'
                f'Content-Disposition: attachment; filename="{name}"', lines(octets))


def with_file(octets, name, kind="application/octet-stream"):
    text = part("Content-Type: text/plain", "See there.")
    return mail(name, *multipart("mixed", text, attached(octets, name, kind)))


TEXT = part("Content-Type: text/plain; charset=utf-8", "Hello.\n")


def nested(levels, enclosed):
    """Multiparts in multiparts, or forwarded mail in forwarded mail."""
    fields, body = "Content-Type: text/plain\n", "At the bottom.\n"
    for level in range(levels):
        inner = fields.rstrip("\n") + "\n\n" + body
        if enclosed:
            inner = part("Content-Type: message/rfc822", HEAD.format(name="inner") + inner)
        fields, body = multipart("mixed", TEXT, inner, boundary=f"edge-{level}")
    return mail(f"nested {levels}", fields, body)


def zip_of(members, depth=0):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)
    return zip_of({"inner.zip": out.getvalue()}, depth - 1) if depth else out.getvalue()


def ole_with_password():
    """A compound file (MS-CFB) with the streams that Office keeps an encrypted document in (MS-OFFCRYPTO)."""
    none, end = 0xffffffff, 0xfffffffe

    def entry(name, kind, child=none, right=none):
        text = name.encode("utf-16-le") + bytes(2)
        return struct.pack("<64sHBBIII36sIQ", text, len(text), kind, 1, none, right, child, b"", end, 0)
    header = struct.pack("<8s16sHHHHH6sIIIIIIIIII", bytes.fromhex("d0cf11e0a1b11ae1"), b"", 0x3e, 3, 0xfffe,
                         9, 6, b"", 0, 1, 1, 0, 4096, end, 0, end, 0, 0)
    table = struct.pack("<II", 0xfffffffd, end)
    directory = (entry("Root Entry", 5, child=1) + entry("EncryptionInfo", 2, right=2)
                 + entry("EncryptedPackage", 2) + bytes(128))
    return header.ljust(512, b"\xff") + table.ljust(512, b"\xff") + directory


def report(kind, more=""):
    status = {"delivery-status": "Reporting-MTA: dns; mx.example.org\n\n"
                                 "Final-Recipient: rfc822; c@example.org\nAction: failed\nStatus: 5.1.1\n",
              "feedback-report": "Feedback-Type: abuse\nUser-Agent: test/1\nVersion: 1\n",
              "tracking-status": "Original-Envelope-Id: 1\nReporting-MTA: dns; mx.example.org\n"}[kind]
    returned = part("Content-Type: message/rfc822", HEAD.format(name="returned") + "\nHello.\n")
    fields, body = multipart("report", TEXT, part(f"Content-Type: message/{kind}", status), more or returned)
    return mail(kind, fields.replace("report;", f"report; report-type={kind};"), body)


def ordinary():
    """Messages as programs in use write them; NAME -> octets."""
    picture = b"\x89PNG\r\n\x1a\n" + random.Random(3).randbytes(300)
    chunks = "".join(base64.b64encode(chunk).decode() + "\n" for chunk in (b"Hello, all.\n", b"Bye.\n", b"A"))
    pictures = [part(f"Content-Type: image/png\nContent-ID: <{number}@pass.example>\nContent-Disposition: "
                     "inline\nContent-Transfer-Encoding: base64", lines(picture)) for number in range(60)]
    shown = "".join(f'<img src="cid:{number}@pass.example">\n' for number in range(60))
    segments = "".join(f';\n filename*{number}="part-{number}-"' for number in range(20))
    feedback = gzip.compress(b"<?xml version='1.0'?><feedback><report_metadata/></feedback>")
    armour = "-----BEGIN PGP MESSAGE-----\n\nhQEMA0dvb2QK\n=abcd\n-----END PGP MESSAGE-----\n"
    encoded = "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n"
    footer = base64.b64encode(b"Hello, all of you").decode().rstrip("=")
    enclosed = HEAD.format(name="inner") + "\nHello.\n"
    messages = {
        "base64 in chunks": mail("x", encoded, chunks),
        "a footer behind base64": mail(
            "x", encoded, lines(b"Hello, list.") + "\n_______\nlist mailing list\nlist@example.org\n"),
        "a disclaimer behind base64": mail("x", encoded, footer + "\nThis message is confidential.\n"),
        "white space in quoted-printable": mail(
            "x", *multipart("alternative", TEXT, part(
                "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable",
                "<p>a long = \nline </p>\n"))),
        "a calendar": mail("x", *multipart("mixed", TEXT, part(
            "Content-Type: text/calendar; method=REQUEST\nContent-Transfer-Encoding: quoted-printable",
            "BEGIN:VCALENDAR\nSUMMARY:a=\t\nb\nEND:VCALENDAR\n"))),
        "pictures": mail("x", *multipart("related", part("Content-Type: text/html", shown), *pictures)),
        "an empty file": with_file(b"", "empty.txt"),
        "a name in segments": mail("x", *multipart("mixed", TEXT, part(
            f"Content-Type: application/pdf\nContent-Disposition: attachment{segments}", "%PDF-1.4\n"))),
        "a digest": mail("x", *multipart("digest", *(part("", HEAD.format(name=number) + "\nHello.")[1:]
                                                     for number in range(3000)))),
        "a description": mail("x", *multipart("mixed", TEXT, part(
            "Content-Type: message/rfc822\nContent-Description: Forwarded message - News from example.com",
            enclosed), part("Content-Type: message/rfc822; name=\"News from example.com\"", enclosed), part(
                "Content-Type: text/html\nContent-Description: News from example.com", "<p>Hello.</p>"), part(
                    "Content-Type: image/png; name=logo.png\nContent-Description: Logo of example.com\n"
                    "Content-Location: https://example.com/logo.png?for=example.com", "x"))),
        "a DMARC report": with_file(feedback, "example.org!pass.example!1!2.xml.gz", "application/gzip"),
        "no body": mail("x", "", ""),
        "patches": mail("[PATCH 1/2] x", "Content-Type: text/plain\n",
                        "---\n a.c | 2 +-\n\nbegin 644 is a line\ndiff --git a/a.c b/a.c\n-- \n2.39.2\n"),
        "an announcement": mail("x", *multipart("mixed", TEXT, part(
            'Content-Type: message/external-body; name="draft.txt"; site="ftp.example.org";\n'
            ' access-type="anon-ftp"', "Content-Type: text/plain\nContent-ID: <1@example.org>\n\n"))),
        "signed with PGP": mail("x", *multipart("signed", TEXT, part(
            "Content-Type: application/pgp-signature", armour.replace("MESSAGE", "SIGNATURE")))),
        "encrypted with PGP": mail("x", *multipart(
            "encrypted", part("Content-Type: application/pgp-encrypted", "Version: 1\n"),
            part("Content-Type: application/octet-stream", armour))),
        "a message alone": mail("x", "Content-Type: message/rfc822\n", enclosed),
        "no end": mail("x", *multipart("mixed", TEXT, TEXT, end=False)),
        "zips in zips": with_file(zip_of({"a.txt": b"Hello."}, 3), "a.zip", "application/zip"),
        "a zip with a password": with_file(with_password(zip_of({"a.txt": b"Hello. " * 100})), "a.zip"),
        "a document with a password": with_file(ole_with_password(), "secret.docx"),
        "RAR": with_file(b"Rar!\x1a\7\1\0" + bytes(200), "a.rar"),
        "headers returned": report("delivery-status", part("Content-Type: text/rfc822-headers",
                                                           HEAD.format(name="returned"))),
        **{kind: report(kind) for kind in ("delivery-status", "feedback-report", "tracking-status")},
        **{f"multiparts {levels}": nested(levels, False) for levels in (8, 12, 15, 16, 20, 40)},
        **{f"forwarded {levels}": nested(levels, True) for levels in (6, 7, 10, 14, 20)},
    }
    return messages


def with_password(octets):
    """The same zip, whose member says that it is encrypted."""
    marked = bytearray(octets)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        marked[marked.index(mark) + offset] |= 1
    return bytes(marked)


def with_text(name, text):
    """Once in the body, once as a file."""
    return {f"{name}, in the body": mail(name, "Content-Type: text/plain\n", text),
            f"{name}, attached": with_file(text.encode(), name + (".html" if text[0] == "<" else ".txt"))}


def documents():
    """At most OF_A_KIND of each kind of file, in an order that does not change."""
    kinds = collections.defaultdict(list)
    for folder, folders, names in os.walk(DOCUMENTS):
        folders.sort()
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            kind = "".join(path.suffixes[-2:]) if name.endswith(".gz") else path.suffix
            wanted = len(kinds[kind]) < OF_A_KIND and path.is_file()
            if wanted and 0 < path.stat().st_size <= DOCUMENT_MAX_OCTETS:
                kinds[kind].append(path)
    common = sorted(kinds, key=lambda kind: -len(kinds[kind]))[:30]
    return [path for kind in common for path in kinds[kind]]


def with_document(path):
    """As it would be sent: what the default rules refuse by itself is in an archive."""
    if path.suffix in BY_ITSELF_REFUSED:
        return with_file(zip_of({path.name: path.read_bytes()}), path.name + ".zip", "application/zip")
    return with_file(path.read_bytes(), path.name)


class WantedMailTest(ScanTestCase):
    def judge(self, what, messages):
        """Each by the defaults, as files; prints what came of them."""
        folder = self.subfolder("messages")
        names = {}
        for number, (name, octets) in enumerate(messages.items()):
            path = folder / f"{number:05}.eml"
            path.write_bytes(octets)
            names[str(path)] = name
        verdicts = self.verdicts("--no-mbox", "--client", "192.0.2.7", "--sender", "a@pass.example",
                                 "--recipient", "b@example.org", folder, seconds=250)
        self.assertEqual({verdict["file"] for verdict in verdicts}, set(names))
        counts = collections.Counter(f"{verdict['action']}, {verdict['virus']['result']}"
                                     for verdict in verdicts)
        print(f"{len(verdicts)} {what}: "
              + "; ".join(f"{count} {text}" for text, count in counts.most_common()), flush=True)
        refused = {names[verdict["file"]]: (verdict.get("reply"), verdict["virus"].get("reason"))
                   for verdict in verdicts if verdict["action"] not in ("accept", "quarantine")}
        self.assertEqual(refused, {})
        return {names[verdict["file"]]: verdict for verdict in verdicts}

    def test_ordinary(self):
        verdicts = self.judge("ordinary messages", ordinary())
        self.assertEqual([name for name, verdict in verdicts.items()
                          if "encrypted" in verdict["virus"].get("kinds", {})],
                         ["a zip with a password", "a document with a password"])

    def test_ham(self):
        folder = shared_folder() / "mail" / "ham"
        if not folder.is_dir():
            self.skipTest("no corpus of ham")
        messages = {}
        for path in sorted(folder.iterdir()):
            octets = path.read_bytes().replace(b"\r\n", b"\n")
            octets = octets.partition(b"\n")[2] if octets.startswith(b"From ") else octets
            messages[path.name] = octets.replace(b"\n", b"\r\n")
        self.judge("messages of ham", messages)

    def test_texts(self):
        messages = {}
        for name, text in encoded_texts().items():
            messages.update(with_text(name, text))
        dice = random.Random(4)
        hashes = [base64.b64encode(dice.randbytes(64)) for _ in range(9)]
        messages["hashes, packed"] = with_file(gzip.compress(b"\n".join(dice.choices(hashes, k=150_000))),
                                               "hashes.gz")
        words = "function replace reverse variable Makefile automake rule install target CFLAGS=x ==".split()
        changes = "&amp;" + "".join(f"2021-10-01  A. Person  <a@pass.example>\n\n\t* lib/a{number}.am (x): "
                                    f"`{' '.join(dice.choices(words, k=250))}'.\n\n"
                                    for number in range(600))
        messages["changes, packed"] = with_file(gzip.compress(changes.encode(), mtime=0), "changelog.gz")
        verdicts = self.judge("texts that look encoded", messages)
        self.assertEqual({name: (verdict["action"], verdict["virus"].get("reason"))
                          for name, verdict in verdicts.items()
                          if (verdict["action"], verdict["virus"]["result"]) != ("accept", "clean")}, {})

    @unittest.skipUnless(DOCUMENTS.is_dir(), "no documents of packages")
    def test_documents(self):
        self.judge("documents of packages", {str(path): with_document(path) for path in documents()})


if __name__ == "__main__":
    outcome.main()

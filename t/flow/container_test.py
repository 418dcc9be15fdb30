"""
Containers of every kind, attached to mail: what is in them is found, what is cut, lies or is encrypted is not
clean, and what does no harm is.
"""

import base64
import hashlib
import random
import struct
import unittest

from support import archives
from support.demo_messages import eicar
from support.scan import ScanTestCase
from support.smtp import crlf

MARKER = b"A whole file that a signature knows, and knows by its digest alone.\r\n" * 3 + bytes(range(256))
# No reader can tell that these are cut: they have no end, or what is cut off is a filling.
ENDLESS = {"one.Z", "one.iso", "one.lzh", "program.exe", "two.mbox"}


def harmless():
    """Text that does not pack to nothing, so that half of the container is half of its data."""
    words = random.Random(1)
    return " ".join(f"{words.getrandbits(20):x}" for _ in range(900)).encode()


def message(name, octets):
    return crlf(f'From: a@pass.example\nSubject: {name}\nMIME-Version: 1.0\n'
                f'Content-Type: application/octet-stream; name="{name}"\nContent-Transfer-Encoding: base64\n'
                f'Content-Disposition: attachment; filename="{name}"\n\n'
                + base64.encodebytes(octets).decode())


class ContainerTest(ScanTestCase):
    def setUp(self):
        super().setUp()
        digest = hashlib.sha256(MARKER).hexdigest()
        database = self.groups["virus"]["database"]
        (database / "marker.hsb").write_text(f"{digest}:{len(MARKER)}:Marker:73\n")
        self.work = self.subfolder("work")

    def results(self, containers):
        """By name what the scan says of each container, attached to a message of its own."""
        folder = self.subfolder("messages")
        for name, octets in containers.items():
            (folder / f"{name}.eml").write_bytes(message(name, octets))
        verdicts = self.verdicts("--no-mbox", folder, seconds=240)
        self.assertEqual(len(verdicts), len(containers))
        return {verdict["file"].rpartition("/")[2].removesuffix(".eml"): verdict["virus"]
                for verdict in verdicts}

    def assert_all(self, containers, wanted, text):
        results = self.results(containers)
        wrong = {name: result for name, result in results.items() if not wanted(result)}
        self.assertEqual(wrong, {}, text)

    def make(self, octets, kinds=None):
        return {name: make(self.work, octets) for name, make in (kinds or archives.KINDS).items()}

    def test_harmless(self):
        self.assert_all(self.make(harmless()), lambda result: result["result"] == "clean", "wanted mail")

    def test_eicar(self):
        self.assert_all(self.make(eicar()), lambda result: result["result"] == "infected", "EICAR is in it")

    def test_whole_file(self):
        self.assert_all(self.make(MARKER), lambda result: result["result"] == "infected",
                        "the marker is in it")

    def test_nested(self):
        kinds = archives.KINDS
        inside = kinds["one.lz"](self.work, MARKER)
        for name in ("one.cpio", "bzip2.7z", "pipe.zip", "one.zst", "one.deb"):
            inside = kinds[name](self.work, inside)
        self.assert_all({"nested.deb": inside}, lambda result: result["result"] == "infected", "six levels")

    def test_cut(self):
        whole = {name: octets for name, octets in self.make(harmless()).items()
                 if name not in ENDLESS and not name.endswith(".tar")}
        cut = {f"{part}-{name}": octets[:len(octets) * part // 100]
               for name, octets in whole.items() for part in (60, 90)}
        self.assert_all(cut, lambda result: result["result"] != "clean", "it is cut")

    def test_encrypted(self):
        self.assert_all(self.make(harmless(), archives.ENCRYPTED),
                        lambda result: result["result"] == "unscannable" and "encrypted" in str(result),
                        "encrypted")

    def test_lying(self):
        self.assert_all(liars(), lambda result: result["result"] not in ("clean", "error"), "it lies")


def changed(octets, place, new):
    return octets[:place] + new + octets[place + len(new):]


def liars():
    """Containers whose readers do not agree on what is in them."""
    zip_file = archives.KINDS["deflated.zip"](None, harmless())
    other = archives.KINDS["stored.zip"](None, b"other")
    directory = zip_file.index(b"PK\1\2")
    end = zip_file.index(b"PK\5\6")
    tar = archives.KINDS["ustar.tar"](None, harmless())
    local_only = zip_file[:directory] + other[:other.index(b"PK\1\2")]
    shifted = changed(zip_file[directory:], end - directory + 16, struct.pack("<I", len(local_only)))
    gz = archives.KINDS["one.gz"](None, harmless())
    four, five = (archives.KINDS[name](None, harmless()) for name in ("four.rar", "five.rar"))
    return {
        "method.zip": changed(zip_file, directory + 10, b"\0\0"),
        "name.zip": changed(zip_file, directory + 46, b"M"),
        "size.zip": changed(zip_file, directory + 24, b"\1\0\0\0"),
        "checksum.zip": changed(changed(zip_file, directory + 16, b"1234"), 14, b"1234"),
        "count.zip": changed(zip_file, end + 8, b"\0\0\0\0"),
        "disk.zip": changed(zip_file, end + 4, b"\1\0"),
        "no-end.zip": zip_file[:end],
        "no-directory.zip": zip_file[:directory],
        "junk-before.zip": b"junk" + zip_file,
        "junk-behind.zip": zip_file + b"junk",
        "local-only.zip": local_only + shifted,
        "two.zip": other + zip_file,
        "checksum.tar": changed(tar, 148, b"0000001"),
        "size.tar": changed(tar, 124, b"00000000001"),
        "behind.tar": tar + b"junk",
        "checksum.gz": changed(gz, len(gz) - 8, b"1234"),
        "behind.gz": gz + b"junk",
        "behind.xz": archives.KINDS["one.xz"](None, harmless()) + b"junk",
        "behind.bz2": archives.KINDS["one.bz2"](None, harmless()) + b"junk",
        "behind.cab": archives.KINDS["one.cab"](None, harmless()) + b"junk",
        "behind.lzh": archives.KINDS["one.lzh"](None, harmless()) + b"junk",
        "behind.rar": five + b"junk",
        "checksum4.rar": changed(four, len(four) // 2, b"\0\0\0"),
        "checksum5.rar": changed(five, len(five) // 2, b"\0\0\0"),
        "polyglot.gif": b"GIF89a" + b"\0" * 500 + zip_file,
    }


if __name__ == "__main__":
    unittest.main()

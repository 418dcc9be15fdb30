"""
Containers of every kind around a file, made by Debian's packers (unpacked, never installed), by Python, or
octet by octet where no packer is free. A kind is a function of (folder, octets of the file) to octets; see
KINDS.
"""

import base64
import bz2
import functools
import gzip
import io
import lzma
import pathlib
import struct
import subprocess
import tarfile
import zipfile
import zlib

from support.packages import environment, unpack

NAME = "member.com"


@functools.lru_cache(None)
def tool(package, program):
    """Path and environment of a program of a Debian package."""
    folder = unpack(package)
    return folder / "usr/bin" / program, environment(folder)


def run(package, program, *arguments, folder, stdin=b""):
    path, variables = tool(package, program)
    result = subprocess.run([path, *arguments], cwd=folder, input=stdin, capture_output=True, env=variables,
                            check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{program}: {result.stdout[-500:]} {result.stderr[-500:]}")
    return result.stdout


def seven(*options, ending="7z"):
    """By 7-Zip, with these options."""
    def make(folder, octets):
        folder = pathlib.Path(folder)
        (folder / NAME).write_bytes(octets)
        path = folder / f"made.{ending}"
        path.unlink(missing_ok=True)
        run("7zip", "7zz", "a", f"-t{ending}", *options, path.name, NAME, folder=folder)
        return path.read_bytes()
    return make


def packed(package, program, *arguments):
    """By a program that packs one file from its standard input."""
    def make(folder, octets):
        return run(package, program, *arguments, folder=folder, stdin=octets)
    return make


def zipped(method, **options):
    def make(folder, octets):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method, **options) as archive:
            archive.writestr(NAME, octets)
        return out.getvalue()
    return make


class Pipe(io.RawIOBase):
    """What cannot be sought in: a zip archive that is written to it has descriptors behind its members."""

    def __init__(self):
        self.octets = bytearray()

    def writable(self):
        return True

    def write(self, octets):
        self.octets += octets
        return len(octets)


def zip_to_pipe(folder, octets):
    """As `cat x | zip a.zip -` makes it: zip64, with a descriptor of 64 bits."""
    out = Pipe()
    with (zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
          archive.open(NAME, "w", force_zip64=True) as member):
        member.write(octets)
    return bytes(out.octets)


def document(*names):
    """A zip archive of such names first, as office documents are, and the file in it."""
    def make(folder, octets):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, "<?xml version='1.0'?><x/>",
                                 zipfile.ZIP_STORED if name == "mimetype" else None)
            archive.writestr("data/" + NAME, octets)
        return out.getvalue()
    return make


def tarred(style, mode="w"):
    def make(folder, octets):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=mode, format=style) as archive:
            member = tarfile.TarInfo(NAME)
            member.size = len(octets)
            archive.addfile(member, io.BytesIO(octets))
        return out.getvalue()
    return make


def halves(pack):
    """Two streams, one behind the other."""
    def make(folder, octets):
        middle = len(octets) // 2
        return pack(octets[:middle]) + pack(octets[middle:])
    return make


def lzip(octets):
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}]
    body = lzma.compress(octets, lzma.FORMAT_RAW, filters=filters)
    return (b"LZIP\x01\x10" + body + struct.pack("<IQQ", zlib.crc32(octets), len(octets), len(body) + 26))


def ar(*members):
    out = b"!<arch>\n"
    for name, octets in members:
        out += f"{name + '/':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(octets):<10}`\n".encode() + octets
        out += b"\n" if len(octets) % 2 else b""
    return out


def deb(folder, octets):
    control = tarred(tarfile.GNU_FORMAT, "w:gz")(folder, b"Package: x\n")
    return ar(("debian-binary", b"2.0\n"), ("control.tar.gz", control),
              ("data.tar.xz", tarred(tarfile.GNU_FORMAT, "w:xz")(folder, octets)))


def cpio(folder, octets):
    def entry(name, data):
        fields = [1, 0o100644 if data else 0, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0"
        header += b"\0" * (-len(header) % 4)
        return header + data + b"\0" * (-len(data) % 4)
    return entry(NAME.encode(), octets) + entry(b"TRAILER!!!", b"")


def rpm(folder, octets):
    lead = b"\xed\xab\xee\xdb\x03\0\0\0\0\x01x-1-1" + b"\0" * 61
    lead = lead[:76] + struct.pack(">HH", 1, 5) + b"\0" * 16
    header = b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", 0, 0)
    return lead[:96] + header + header + gzip.compress(cpio(folder, octets), mtime=0)


def xar(folder, octets):
    body = zlib.compress(octets)
    toc = (f'<?xml version="1.0" encoding="UTF-8"?><xar><toc><checksum style="none"><offset>0</offset>'
           f'<size>0</size></checksum><file id="1"><data><length>{len(body)}</length><offset>0</offset>'
           f'<size>{len(octets)}</size><encoding style="application/x-gzip"/></data><type>file</type>'
           f'<name>{NAME}</name></file></toc></xar>').encode()
    packed_toc = zlib.compress(toc)
    return struct.pack(">IHHQQI", 0x78617221, 28, 1, len(packed_toc), len(toc), 0) + packed_toc + body


def iso(folder, octets):
    folder = pathlib.Path(folder)
    tree = folder / "tree"
    tree.mkdir(exist_ok=True)
    (tree / NAME).write_bytes(octets)
    run("xorriso", "xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-o", "made.iso", "tree", folder=folder)
    return (folder / "made.iso").read_bytes()


def cab(folder, octets):
    name = NAME.encode() + b"\0"
    data = struct.pack("<IHH", 0, len(octets), len(octets)) + octets
    file = struct.pack("<IIHHHH", len(octets), 0, 0, 0, 0, 0x20) + name
    files = 44
    data_place = files + 16 + len(name)
    file = struct.pack("<IIHHHH", len(octets), 0, 0, 0, 0, 0x20) + name
    header = struct.pack("<IIIIIBBHHHHH", 0, data_place + len(data), 0, files, 0, 3, 1, 1, 1, 0, 0, 0)
    return b"MSCF" + header + struct.pack("<IHH", data_place, 1, 0) + file + data


def crc16(octets):
    value = 0
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0xa001 if value & 1 else 0)
    return value


def lha(folder, octets):
    name = NAME.encode()
    header = (b"-lh0-" + struct.pack("<IIIBBB", len(octets), len(octets), 0, 0x20, 0, len(name)) + name
              + struct.pack("<H", crc16(octets)))
    return bytes([len(header), sum(header) & 0xff]) + header + octets + b"\0"


def rar4_block(kind, flags, body, data=b""):
    head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xffff) + head + data


def rar4(folder, octets, main_flags=0, file_flags=0):
    name = NAME.encode()
    file = struct.pack("<IIBIIBBHI", len(octets), len(octets), 2, zlib.crc32(octets), 0x21 << 16, 20, 0x30,
                       len(name), 0x20) + name
    return (b"Rar!\x1a\x07\0" + rar4_block(0x73, main_flags, b"\0" * 6)
            + rar4_block(0x74, 0x8000 | file_flags, file, octets) + rar4_block(0x7b, 0x4000, b""))


def vint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def rar5_block(kind, flags, body, data=b"", extra=b""):
    head = vint(kind) + vint(flags | (1 if extra else 0) | (2 if data else 0))
    head += (vint(len(extra)) if extra else b"") + (vint(len(data)) if data else b"") + body + extra
    head = vint(len(head)) + head
    return struct.pack("<I", zlib.crc32(head)) + head + data


def rar5(folder, octets, extra=b"", first=b""):
    name = NAME.encode()
    file = (vint(4) + vint(len(octets)) + vint(0x20) + struct.pack("<I", zlib.crc32(octets))
            + vint(0) + vint(0) + vint(len(name)) + name)
    return (b"Rar!\x1a\x07\x01\0" + first + rar5_block(1, 0, vint(0)) + rar5_block(2, 0, file, octets, extra)
            + rar5_block(5, 0, vint(0)))


def arj(*options):
    def make(folder, octets):
        folder = pathlib.Path(folder)
        (folder / NAME).write_bytes(octets)
        (folder / "made.arj").unlink(missing_ok=True)
        run("arj", "arj", "a", "-y", *options, "made.arj", NAME, folder=folder)
        return (folder / "made.arj").read_bytes()
    return make


def tnef(folder, octets):
    """As Outlook sends it, winmail.dat (MS-OXTNEF)."""
    def attribute(identifier, data):
        return struct.pack("<BII", 2, identifier, len(data)) + data + struct.pack("<H", sum(data) & 0xffff)
    return (struct.pack("<IH", 0x223e9f78, 1) + attribute(0x00069002, bytes(14))
            + attribute(0x00018010, NAME.encode() + b"\0") + attribute(0x0006800f, octets))


def element(tag, *contents):
    """Of ASN.1, in DER."""
    content = b"".join(contents)
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x84" + struct.pack(">I", size)
    return bytes([tag]) + length + content


def signed(folder, octets):
    """Signed data that nobody signed, with the octets in them (RFC 5652 5.1)."""
    data, signed_data = (bytes.fromhex(f"06092a864886f70d0107{last}") for last in ("01", "02"))
    content = element(0x30, data, element(0xa0, element(0x04, octets)))
    body = element(0x30, element(0x02, b"\1"), element(0x31), content, element(0x31))
    return element(0x30, signed_data, element(0xa0, body))


def mailbox(folder, octets):
    """A message without files, and one with the file."""
    line = "From a@pass.example Mon Nov 30 10:00:00 2026\n"
    return (f"{line}From: a@pass.example\nSubject: one\n\nHello.\n\n{line}From: a@pass.example\n"
            "MIME-Version: 1.0\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
            f"{base64.encodebytes(octets).decode()}\n").encode()


def behind_program(make):
    """As a program that unpacks itself has it."""
    return lambda folder, octets: b"MZ" + b"\x90" * 600 + make(folder, octets)


def encrypted_document(folder, octets):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text", zipfile.ZIP_STORED)
        archive.writestr("content.xml", octets)
        archive.writestr("META-INF/manifest.xml", "<manifest:manifest><manifest:file-entry>"
                         "<manifest:encryption-data/></manifest:file-entry></manifest:manifest>")
    return out.getvalue()


def by(function):
    return lambda folder, octets: function(octets)


KINDS = {
    "stored.zip": zipped(zipfile.ZIP_STORED), "deflated.zip": zipped(zipfile.ZIP_DEFLATED),
    "bzip2.zip": zipped(zipfile.ZIP_BZIP2), "lzma.zip": zipped(zipfile.ZIP_LZMA), "pipe.zip": zip_to_pipe,
    "xz.zip": seven("-mm=xz", ending="zip"), "ppmd.zip": seven("-mm=PPMd", ending="zip"),
    "program.exe": behind_program(zipped(zipfile.ZIP_DEFLATED)), "program7.exe": behind_program(seven()),
    "picture.rar": lambda folder, octets: b"\xff\xd8\xff\xe0picture" + rar4(folder, octets),
    "picture.7z": lambda folder, octets: b"\xff\xd8\xff\xe0picture" + seven("-m0=Deflate")(folder, octets),
    "copy.7z": seven("-m0=Copy"), "lzma.7z": seven("-m0=LZMA"), "lzma2.7z": seven("-m0=LZMA2"),
    "bzip2.7z": seven("-m0=BZip2"), "deflate.7z": seven("-m0=Deflate"), "ppmd.7z": seven("-m0=PPMd"),
    "delta.7z": seven("-m0=Delta:4", "-m1=LZMA2"), "x86.7z": seven("-m0=BCJ", "-m1=LZMA2"),
    "plain-header.7z": seven("-mhc=off"),
    "one.gz": by(lambda octets: gzip.compress(octets, mtime=0)),
    "members.gz": halves(lambda octets: gzip.compress(octets, mtime=0)),
    "one.bz2": by(bz2.compress), "streams.bz2": halves(bz2.compress),
    "one.xz": by(lzma.compress), "streams.xz": halves(lzma.compress),
    "one.lzma": by(lambda octets: lzma.compress(octets, lzma.FORMAT_ALONE)),
    "one.lz": by(lzip), "members.lz": halves(lzip),
    "one.zst": packed("zstd", "zstd", "-q", "-c"), "one.lz4": packed("lz4", "lz4", "-q", "-c"),
    "one.Z": packed("ncompress", "compress", "-c", "-f"), "one.br": packed("brotli", "brotli", "-c", "-f"),
    "ustar.tar": tarred(tarfile.USTAR_FORMAT), "gnu.tar": tarred(tarfile.GNU_FORMAT),
    "pax.tar": tarred(tarfile.PAX_FORMAT), "one.tgz": tarred(tarfile.GNU_FORMAT, "w:gz"),
    "one.tar.xz": tarred(tarfile.GNU_FORMAT, "w:xz"),
    "one.ar": lambda folder, octets: ar((NAME, octets)), "one.deb": deb, "one.cpio": cpio, "one.rpm": rpm,
    "one.xar": xar, "one.iso": iso, "one.cab": cab, "one.lzh": lha, "four.rar": rar4, "five.rar": rar5,
    "one.arj": arj("-m1"),
    "text.docx": document("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
    "table.xlsx": document("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "text.odt": document("mimetype", "content.xml", "META-INF/manifest.xml"),
    "classes.jar": document("META-INF/MANIFEST.MF"),
    "winmail.dat": tnef, "smime.p7m": signed, "two.mbox": mailbox,
    "book.epub": document("mimetype", "META-INF/container.xml"),
}

ENCRYPTED = {
    "aes.zip": seven("-psecret", "-mem=AES256", ending="zip"),
    "classic.zip": seven("-psecret", "-mem=ZipCrypto", ending="zip"),
    "data.7z": seven("-psecret"), "header.7z": seven("-psecret", "-mhe=on"),
    "file.rar": lambda folder, octets: rar4(folder, octets, file_flags=4),
    "header.rar": lambda folder, octets: rar4(folder, octets, main_flags=0x80),
    "file5.rar": lambda folder, octets: rar5(folder, octets, extra=vint(39) + vint(1) + b"\0" * 38),
    "header5.rar": lambda folder, octets: rar5(folder, octets, first=rar5_block(4, 0, b"\0" * 35)),
    "garbled.arj": arj("-gsecret"),
    "secret.odt": encrypted_document,
}

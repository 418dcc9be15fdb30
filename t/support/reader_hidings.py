"""
More files hidden in mail, as single programs write and read it: message bodies of mail programs, wrappings
around messages, objects of office programs, old and new formats of archives. reader_hidings(octets) yields
(name, message).
"""

import base64
import binascii
import bz2
import gzip
import io
import lzma
import quopri
import struct
import tarfile
import zipfile
import zlib

from support.archives import cpio, element, lzip, signed
from support.hidings import apple, attribute, binhex, compound, message_with, package, pdf
from support.wrappings import base64_lines, uuencoded

HEAD = b"From: a@example.org\nTo: b@example.org\nSubject: x\nMIME-Version: 1.0\n"
SIGNED_DATA, DATA = bytes.fromhex("06092a864886f70d010702"), bytes.fromhex("06092a864886f70d010701")


def letter(octets, name=b"x.exe", kind=b"application/octet-stream"):
    """A message that is one file."""
    return (HEAD + b"Content-Type: %s; name=%s\nContent-Transfer-Encoding: base64\n\n" % (kind, name) +
            base64_lines(octets))


def text_mail(text, fields=b"Content-Type: text/plain\n"):
    return HEAD + fields + b"\n" + text


def parts_mail(kind, *parts):
    return (HEAD + b"Content-Type: multipart/%s; boundary=Q\n\n" % kind +
            b"".join(b"--Q\n" + part + b"\n" for part in parts) + b"--Q--\n")


def part(kind, octets, more=b""):
    field = b"Content-Type: %s\n%sContent-Transfer-Encoding: base64\n\n" % (kind, more)
    return field + base64_lines(octets)


def xxencoded(octets):
    """As uuencode, with letters that every character set has."""
    letters = b"+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    lines = [b"begin 644 x.exe"]
    for at in range(0, len(octets), 45):
        piece = octets[at:at + 45]
        bits = "".join(f"{octet:08b}" for octet in piece.ljust(-(-len(piece) // 3) * 3, b"\0"))
        lines.append(letters[len(piece):len(piece) + 1] +
                     bytes(letters[int(bits[k:k + 6], 2)] for k in range(0, len(bits), 6)))
    return b"\n".join([*lines, b"+", b"end", b""])


def of_text(octets):
    uu = uuencoded(octets)
    body = uu.split(b"\n", 1)[1]
    for begin in (b"begin 0644 x.exe", b'begin 644 "x y.exe"', b"begin 644", b"begin 644 ",
                  b"BEGIN 644 x.exe",
                  b"begin  644  x.exe", b"begin\t644\tx.exe", b"begin-message\nbegin 666 x.exe"):
        yield f"uuencode, {begin!r}", text_mail(b"Hi\n\n" + begin + b"\n" + body)
    yield "uuencode without an end", text_mail(b"Hi\n\n" + uu.split(b"`\n")[0])
    yield "uuencode with blanks", text_mail(b"Hi\n\n" + uu.replace(b"`", b" "))
    yield "uuencode with trailing sums", text_mail(b"Hi\n\n" + b"\n".join(
        line + b"x" if line.startswith(b"M") else line for line in uu.split(b"\n")))
    yield "uuencode in quoted-printable", text_mail(
        quopri.encodestring(uu), b"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n")
    yield "uuencode in base64", text_mail(
        base64_lines(b"Hi\n" + uu), b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n")
    yield "begin-base64", text_mail(b"begin-base64 644 x.exe\n" + base64_lines(octets) + b"====\n")
    yield "begin-base64-encoded", text_mail(b"begin-base64-encoded 644 eC5leGU=\n" + base64_lines(octets) +
                                            b"====\n")
    yield "xxencode", text_mail(b"Hi\n\n" + xxencoded(octets))
    yield "xxencode, a field", text_mail(xxencoded(octets), b"Content-Type: application/octet-stream; "
                                         b"name=x.exe\nContent-Transfer-Encoding: x-xxencode\n")
    yield "a letter quoted in text", text_mail(b"Hi\n\n----- Original Message -----\n\n" + letter(octets))
    digest = b"-" * 30 + b"\n\n"
    yield "a digest of RFC 1153", text_mail(b"Digest\n\n" + b"-" * 70 + b"\n\n" + letter(b"Hello\n") + b"\n" +
                                            digest + letter(octets) + b"\n" + digest + b"End of Digest\n")
    yield "a message that bounced, in text", text_mail(
        b"This is the mail system.\n\n--- Below this line is a copy of the message.\n\n" + letter(octets))
    yield "base64 in text", text_mail(b"Hi\n\n" + base64_lines(octets))
    yield "format=flowed", text_mail(b"Hi \n\n" + uu, b"Content-Type: text/plain; format=flowed; delsp=yes\n")
    yield "clear-signed", text_mail(b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + uu.replace(
        b"\n-", b"\n- -") + b"\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n")


def emlx(message):
    """As Apple Mail keeps it: how long it is, the message, a list of properties."""
    return b"%d\n" % len(message) + message + b"<?xml version=\"1.0\"?><plist><dict/></plist>\n"


def of_messages(octets):
    inner = letter(octets)
    yield "message/global, in base64", parts_mail(b"mixed", part(b"message/global", inner))
    yield "message/global", parts_mail(b"mixed", b"Content-Type: message/global\n\n" + inner)
    yield "message/news", parts_mail(b"mixed", b"Content-Type: message/news\n\n" + inner)
    yield "message/x-odd", parts_mail(b"mixed", b"Content-Type: message/x-odd\n\n" + inner)
    yield "message/rfc822 in quoted-printable", parts_mail(
        b"mixed", b"Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n" +
        quopri.encodestring(inner))
    yield "message/external-body", parts_mail(
        b"mixed", b"Content-Type: message/external-body; access-type=local-file; name=x\n\n" +
        part(b"application/octet-stream", octets))
    yield "message/partial, all of it", HEAD + (
        b"Content-Type: message/partial; id=x@y; number=1; total=1\n\n") + inner
    half = len(inner) // 2
    yield "message/partial, two pieces in a mail", parts_mail(
        b"mixed", b"Content-Type: message/partial; id=x@y; number=1; total=2\n\n" + inner[:half],
        b"Content-Type: message/partial; id=x@y; number=2; total=2\n\n" + inner[half:])
    yield "a file .eml", message_with("x.eml", "application/octet-stream", inner)
    yield "a file .eml with a mark", message_with("x.eml", "message/rfc822", b"\xef\xbb\xbf" + inner)
    yield "a file .eml behind blank lines", message_with("x.eml", "message/rfc822", b"\r\n\r\n" + inner)
    yield "a file .eml in UTF-16", message_with("x.eml", "application/octet-stream",
                                                inner.decode().encode("utf-16"))
    yield "a file .emlx", message_with("x.emlx", "application/octet-stream", emlx(inner))
    pages = (b"From: <Saved by Blink>\nSnapshot-Content-Location: http://x.example/\nMIME-Version: 1.0\n"
             b"Content-Type: multipart/related; type=\"text/html\";\n\tboundary=\"----=_P\"\n\n------=_P\n"
             b"Content-Type: text/html\n\n<p>x\n------=_P\nContent-Location: x.exe\n" +
             part(b"application/octet-stream", octets) + b"------=_P--\n")
    for name in ("x.mht", "x.mhtml", "x.doc", "x.xls"):
        yield f"MHTML as {name}", message_with(name, "application/octet-stream", pages)
    yield "MHTML with a mark", message_with("x.mht", "multipart/related", b"\xef\xbb\xbf" + pages)
    yield "MHTML without From", message_with("x.doc", "application/msword", pages.split(b"\n", 2)[2])
    yield "MHTML behind blank lines", message_with("x.doc", "application/msword", b"\n\n\n" + pages)
    for name, content in (("eml", inner), ("mht", pages), ("emlx", emlx(inner))):
        yield f".{name} in a zip", message_with("x.zip", "application/zip", zip_with((f"x.{name}", content)))
    line = b"From a@pass.example Mon Nov 30 10:00:00 2026\n"
    yield "mbox without blank lines", message_with("x.mbox", "application/mbox", (
        line + letter(b"a\n") + line + inner))
    yield "mailbox of MMDF", message_with("x", "application/octet-stream", b"".join(
        b"\1\1\1\1\n" + each + b"\1\1\1\1\n" for each in (letter(b"a\n"), inner)))
    yield "mailbox of Babyl", message_with("x", "application/octet-stream", (
        b"BABYL OPTIONS: -*- rmail -*-\nVersion: 5\n\37\n\f\n1,,\n" + letter(b"a\n") + b"\37\f\n1,,\n"
        b"*** EOOH ***\n" + inner + b"\37"))
    for kind in (b"form-data", b"byteranges", b"x-mixed-replace", b"voice-message", b"encrypted", b"signed"):
        yield f"multipart/{kind.decode()}", parts_mail(kind, part(b"text/plain", b"x"), part(
            b"application/octet-stream", octets))


def chunked(octets):
    """Signed data as programs write them that do not know their length first (BER)."""
    pieces = b"".join(element(0x04, octets[at:at + 99]) for at in range(0, len(octets), 99))
    end = b"\0\0"
    content = b"\x30\x80" + DATA + b"\xa0\x80" + b"\x24\x80" + pieces + end * 3
    return (b"\x30\x80" + SIGNED_DATA + b"\xa0\x80\x30\x80" + element(2, b"\1") + element(0x31) + content +
            element(0x31) + end * 3)


def compressed(octets):
    """Compressed data (RFC 3274)."""
    kind, method = (bytes.fromhex(f"060b2a864886f70d010910{last}") for last in ("0109", "0308"))
    data = element(0x30, DATA, element(0xa0, element(0x04, zlib.compress(octets))))
    return element(0x30, kind, element(0xa0, element(0x30, element(2, b"\0"), element(0x30, method), data)))


def of_smime(octets):
    inner = part(b"application/octet-stream; name=x.exe", octets)
    mime = 'application/pkcs7-mime; smime-type=signed-data'
    yield "signed data of a part", message_with("smime.p7m", mime, signed(None, inner))
    yield "signed data in chunks", message_with("smime.p7m", mime, chunked(inner))
    yield "signed data in chunks, of a file", message_with("x.exe.p7m", mime, chunked(octets))
    yield "signed data in signed data", message_with("smime.p7m", mime, signed(None, part(
        mime.encode(), signed(None, inner))))
    yield "signed data in PEM", message_with("x.p7m", mime, (
        b"-----BEGIN PKCS7-----\n" + base64_lines(signed(None, inner), 64) + b"-----END PKCS7-----\n"))
    yield "signed data in base64 twice", message_with("x.p7m", mime, base64_lines(signed(None, inner), 64))
    yield "compressed data", message_with("smime.p7z", "application/pkcs7-mime; smime-type=compressed-data",
                                          compressed(inner))
    yield "compressed data in signed data", message_with("smime.p7m", mime, signed(None, part(
        b"application/pkcs7-mime; smime-type=compressed-data", compressed(inner))))


def zip_with(*members, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", options.get("method", zipfile.ZIP_DEFLATED)) as archive:
        for name, octets in members:
            archive.writestr(name, octets)
    return out.getvalue()


def mapi(octets, embedded=False):
    """An attachment of TNEF whose octets are a property of MAPI."""
    name = b"x.exe\0".ljust(8, b"\0")
    data = bytes(16) + octets if embedded else octets
    padded = data + bytes(-len(data) % 4)
    properties = (struct.pack("<L", 2) + struct.pack("<LLL", 0x3707001e, 1, 6) + name +
                  struct.pack("<LLL", 0x3701000d if embedded else 0x37010102, 1, len(data)) + padded)
    return (struct.pack("<LH", 0x223e9f78, 1) + attribute(0x069002, bytes(14)) +
            attribute(0x069005, properties))


def rtf_object(octets):
    return b"{\\rtf1{\\object\\objemb{\\*\\objclass Package}{\\*\\objdata %s}}}" % octets


def mso(octets):
    """ActiveMime, in which Office keeps objects of pages."""
    packed = zlib.compress(octets)
    return (b"ActiveMime\0\0\1\xf0\4\0\0\0\xff\xff\xff\xff\0\0\7\xf0" +
            struct.pack("<LLLLL", len(packed) + 22, 1, 4, 0, len(octets))).ljust(50, b"\0") + packed


def of_office(octets):
    yield "TNEF, octets in a property", message_with("winmail.dat", "application/ms-tnef", mapi(octets))
    yield "TNEF, an embedded message", message_with("winmail.dat", "application/ms-tnef", mapi(
        mapi(octets), True))
    yield "TNEF, an embedded object", message_with("winmail.dat", "application/ms-tnef", mapi(octets, True))
    yield "TNEF by another name", message_with("x.bin", "application/octet-stream", mapi(octets))
    yield "TNEF in a zip", message_with("x.zip", "application/zip", zip_with(("winmail.dat", mapi(octets))))
    whole = package(octets)
    hexadecimal = binascii.hexlify(whole)
    yield "RTF, \\bin", message_with("x.rtf", "application/rtf", rtf_object(b"\\bin%d " % len(whole) + whole))
    yield "RTF, \\bin of 10 digits", message_with("x.rtf", "application/rtf",
                                                  rtf_object(b"\\bin%010d " % len(whole) + whole))
    yield "RTF, hex in lines", message_with("x.rtf", "application/rtf", rtf_object(
        b"\r\n".join(hexadecimal[at:at + 63] for at in range(0, len(hexadecimal), 63))))
    yield "RTF, hex with blanks", message_with("x.rtf", "application/rtf", rtf_object(
        b"  ".join(hexadecimal[at:at + 7] for at in range(0, len(hexadecimal), 7))))
    yield "RTF, hex with groups", message_with("x.rtf", "application/rtf", rtf_object(
        b"{\\x1}".join(hexadecimal[at:at + 50] for at in range(0, len(hexadecimal), 50))))
    yield "RTF, hex with words", message_with("x.rtf", "application/rtf", rtf_object(
        b"\\par ".join(hexadecimal[at:at + 51] for at in range(0, len(hexadecimal), 51))))
    yield "RTF, a short mark", message_with("x.doc", "application/msword",
                                            b"{\\rt" + rtf_object(hexadecimal)[6:])
    yield "RTF, a picture", message_with("x.rtf", "application/rtf", b"{\\rtf1{\\pict\\pngblip " +
                                         binascii.hexlify(octets) + b"}}")
    yield "ActiveMime", message_with("editdata.mso", "application/x-mso", mso(octets))
    yield "ActiveMime in XML of Word", message_with("x.doc", "application/msword", (
        b'<?xml version="1.0"?><?mso-application progid="Word.Document"?><w:wordDocument><w:docSuppData>'
        b'<w:binData w:name="editdata.mso">' + base64_lines(mso(octets)) + b"</w:binData></w:docSuppData>"
        b"</w:wordDocument>"))
    yield "flat ODF", message_with("x.fodt", "application/xml", (
        b"<office:document><office:binary-data>\n" + base64_lines(octets, 72) + b"</office:binary-data>"))
    large = whole[32:].ljust(5000, b"\0")
    yield "OLE in a document of XML", message_with("x.docx", "application/octet-stream", zip_with(
        ("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>"),
        ("word/embeddings/oleObject1.bin", compound([
            ("\1Ole10Native", struct.pack("<L", len(whole) - 32) + large)]))))
    yield "altChunk", message_with("x.docx", "application/octet-stream", zip_with(
        ("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>"),
        ("word/a.rtf", rtf_object(hexadecimal))))
    if len(octets) < 4096:
        yield "a short stream", message_with("x.msg", "application/vnd.ms-outlook", small_compound(octets))
    packed = lzip(octets)
    yield "lzip in a message of Outlook", message_with("x.msg", "application/vnd.ms-outlook", compound(
        [("__substg1.0_37010102", packed.ljust(5000, b"\0"))]))
    native = package(packed)[32:]
    yield "lzip in OLE", message_with("x.doc", "application/msword", compound(
        [("\1Ole10Native", struct.pack("<L", len(native)) + native)]))
    yield "lzip in rich text", message_with("x.rtf", "application/rtf",
                                            rtf_object(binascii.hexlify(package(packed))))


def small_compound(octets):
    """A compound file (MS-CFB) with a stream among the small ones."""
    small = octets.ljust(-(-len(octets) // 512) * 512, b"\0")
    sectors, minis = len(small) // 512, -(-len(octets) // 64)

    def entry(name, kind, child, start, size):
        text = (name + "\0").encode("utf-16le") if name else b""
        tree = struct.pack("<HBBLLL", len(text), kind, 1, 0xffffffff, 0xffffffff, child)
        return text.ljust(64, b"\0") + tree + bytes(36) + struct.pack("<LQ", start, size)
    directory = (entry("Root Entry", 5, 1, 3, len(small)) +
                 entry("__substg1.0_37010102", 2, 0xffffffff, 0, len(octets)) +
                 entry("", 0, 0xffffffff, 0, 0) * 2)
    fat = [0xfffffffd, 0xfffffffe, 0xfffffffe, *range(4, 3 + sectors), 0xfffffffe]
    table = b"".join(struct.pack("<L", each) for each in fat).ljust(512, b"\xff")
    chain = b"".join(struct.pack("<L", each) for each in [*range(1, minis), 0xfffffffe]).ljust(512, b"\xff")
    head = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 62, 3, 0xfffe, 9, 6) +
            struct.pack("<LLLLLLLLL", 0, 1, 1, 0, 4096, 2, 1, 0xfffffffe, 0) + struct.pack("<L", 0))
    return head.ljust(512, b"\xff") + table + directory + chain + small


def lzw(octets):
    """LZWDecode of nothing but literals (PDF 32000 7.4.4)."""
    bits = f"{256:09b}"
    for at, octet in enumerate(octets):
        bits += f"{octet:09b}"
        if at % 200 == 199:
            bits += f"{256:09b}"
    bits += f"{257:09b}"
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at:at + 8], 2) for at in range(0, len(bits), 8))


def run_length(octets):
    return b"".join(bytes([len(octets[at:at + 128]) - 1]) + octets[at:at + 128]
                    for at in range(0, len(octets), 128)) + b"\x80"


def of_pdf(octets):
    kind = "application/pdf"
    yield "PDF, LZW", message_with("x.pdf", kind, pdf(lzw(octets), b"/Filter/LZWDecode"))
    yield "PDF, runs", message_with("x.pdf", kind, pdf(run_length(octets), b"/Filter/RunLengthDecode"))
    yield "PDF, packed twice", message_with("x.pdf", kind, pdf(zlib.compress(zlib.compress(octets)),
                                                               b"/Filter[/FlateDecode/FlateDecode]"))
    yield "PDF, short names", message_with("x.pdf", kind, pdf(zlib.compress(octets), b"/Filter/Fl"))
    yield "PDF, a wrong length", message_with("x.pdf", kind, pdf(
        zlib.compress(octets), b"/Filter/FlateDecode").replace(b"/Length ", b"/Length 9"))
    yield "PDF, a length elsewhere", message_with(
        "x.pdf", kind, pdf(zlib.compress(octets), b"/Filter/FlateDecode").replace(
            b"/Length %d" % len(zlib.compress(octets)), b"/Length 7 0 R"))
    yield "PDF in PDF", message_with("x.pdf", kind, pdf(zlib.compress(pdf(zlib.compress(octets),
                                                                          b"/Filter/FlateDecode")),
                                                        b"/Filter/FlateDecode", b"y.pdf"))
    yield "PDF, a zip in it", message_with("x.pdf", kind, pdf(zip_with(("x.exe", octets)), b"", b"x.zip"))
    xdp = (b'<?xml version="1.0"?><xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/"><pdf><document><chunk>' +
           base64_lines(pdf(zlib.compress(octets), b"/Filter/FlateDecode")) +
           b"</chunk></document></pdf></xdp:xdp>")
    yield "XDP", message_with("x.xdp", "application/vnd.adobe.xdp+xml", xdp)


def tar_with(*members, **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=options.get("mode", "w"),
                      format=options.get("format", tarfile.PAX_FORMAT)) as archive:
        for name, octets in members:
            info = tarfile.TarInfo(name)
            info.size = len(octets)
            info.pax_headers = options.get("headers", {})
            archive.addfile(info, io.BytesIO(octets))
    return out.getvalue()


def gz(octets, flags=0, extra=b""):
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = body.compress(octets) + body.flush()
    return (b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + extra + data +
            struct.pack("<LL", zlib.crc32(octets), len(octets)))


def cpio_of(mark, octets):
    """The older forms of cpio."""
    def entry(name, data):
        if mark == b"070707":
            return (mark + b"%06o" * 7 % (0, 0, 0o100644, 0, 0, 1, 0) + b"%011o%06o%011o" % (
                0, len(name) + 1, len(data)) + name + b"\0" + data)
        form = "<" if mark == b"\xc7\x71" else ">"
        head = struct.pack(form + "13H", 0o70707, 0, 0, 0o100644, 0, 0, 1, 0, 0, 0, len(name) + 1,
                           len(data) >> 16, len(data) & 0xffff)
        return head + name + b"\0" + b"\0" * ((len(name) + 1) % 2) + data + b"\0" * (len(data) % 2)
    return entry(b"x.exe", octets) + entry(b"TRAILER!!!", b"")


def mszip(octets):
    """A cabinet with a folder of MSZIP."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"CK" + packer.compress(octets) + packer.flush()
    name = b"x.exe\0"
    place = 44 + 16 + len(name)
    file = struct.pack("<IIHHHH", len(octets), 0, 0, 0, 0, 0x20) + name
    data = struct.pack("<IHH", 0, len(packed), len(octets)) + packed
    return (b"MSCF" + struct.pack("<IIIIIBBHHHHH", 0, place + len(data), 0, 44, 0, 3, 1, 1, 1, 0, 0, 0) +
            struct.pack("<IHH", place, 1, 1) + file + data)


def of_archives(octets):
    binary = "application/octet-stream"
    twice = zip_with(("x.zip", zip_with(("x.exe", octets))), ("X.zip", zip_with(("x.exe", b"Hello"))))
    yield "zip, one name in capitals, too", message_with("x.zip", binary, twice)
    yield "zip, data behind it", message_with("x.zip", binary, zip_with(("x.exe", octets)) + b"rubbish" * 50)
    yield "zip, a comment", message_with("x.zip", binary, zip_with(("x.exe", octets))[:-2] + b"\5\0Hello")
    yield "zip behind 2 MiB", message_with("x.bin", binary, bytes(2 << 20) + zip_with(("x.exe", octets)))
    yield "zip behind a shell script", message_with("x.sh", binary, b"#!/bin/sh\nexit\n" +
                                                    zip_with(("x.exe", octets)))
    yield "zip, a central name only", message_with("x.zip", binary, other_local_name(octets))
    for name, method in (("Deflate64", 9), ("zstd", 93), ("implode", 6), ("unknown", 97)):
        yield f"zip, {name}", message_with("x.zip", binary, zip_with(("x.exe", octets), method=0).replace(
            b"PK\3\4\x14\0\0\0\0\0", b"PK\3\4\x14\0\0\0" + struct.pack("<H", method)).replace(
                b"\x14\0\0\0\0\0", b"\x14\0\0\0" + struct.pack("<H", method)))
    for name, flags, extra in (("a name", 8, b"x.exe\0"), ("a comment", 16, b"hello\0"),
                               ("an extra field", 4, b"\6\0ab\2\0xy"),
                               ("all fields", 28, b"\2\0ab" + b"n\0c\0")):
        yield f"gzip with {name}", message_with("x.gz", binary, gz(octets, flags, extra))
    yield "gzip, rubbish behind it", message_with("x.gz", binary, gz(octets) + b"rubbish")
    yield "gzip, cut", message_with("x.gz", binary, gz(octets + octets * 40)[:-9])
    yield "bzip2, rubbish behind it", message_with("x.bz2", binary, bz2.compress(octets) + b"rubbish")
    yield "lzma, other properties", message_with("x.lzma", binary, lzma.compress(
        octets, lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "lc": 0, "lp": 2, "pb": 0}]))
    yield "tar.gz with a path of pax", message_with("x.tar.gz", binary, gzip.compress(tar_with(
        ("x", octets), headers={"path": "d/" * 150 + "x.exe"}), mtime=0))
    yield "tar of tar.xz", message_with("x.tar", binary, tar_with(("y.tar.xz", tar_with(("x.exe", octets),
                                                                                       mode="w:xz"))))
    yield "two tars", message_with("x.tar", binary, tar_with(("a", b"Hello")) + tar_with(("x.exe", octets)))
    for mark in (b"070707", b"\xc7\x71", b"\x71\xc7"):
        yield f"cpio, {mark!r}", message_with("x.cpio", binary, cpio_of(mark, octets))
    lead = (b"\xed\xab\xee\xdb\3\0\0\0\0\1x-1-1" + bytes(61))[:76] + struct.pack(">HH", 1, 5) + bytes(16)
    head = b"\x8e\xad\xe8\1\0\0\0\0" + struct.pack(">II", 0, 0)
    yield "RPM of xz", message_with("x.rpm", binary, (
        lead[:96] + head + head + lzma.compress(cpio(None, octets))))
    yield "cabinet of MSZIP", message_with("x.cab", binary, mszip(octets))
    yield "cabinet in a program", message_with("x.exe", binary, b"MZ" + b"\x90" * 600 + mszip(octets))
    yield "cabinet in a compound file", message_with("x.msi", binary, compound(
        [(name, mszip(each).ljust(5000, b"\0"))
         for name, each in (("x", octets + bytes(5000)), ("y", octets))]))
    noise = bytes((octet * 7 + 3) % 251 for octet in range(256)) * 300
    for name, (mark, place) in MARKS.items():
        yield f"a file of {name}", message_with("x.bin", binary, bytes(place) + mark + noise)
    yield "a map of partitions", message_with("x.dmg", binary, (
        b"ER\2\0".ljust(512, b"\0") + b"PM\0\0" + noise))
    yield "an image of Nero", message_with("x.nrg", binary, octets.ljust(5000, b"\0") + b"NER5" + bytes(8))


# What nothing here opens: {name: (mark, its place)}.
MARKS = {"ALZip": (b"ALZ\1\n\0\0\0", 0), "Outlook": (b"!BDNxxxxSM", 0),
         "Outlook Express": (b"\xcf\xad\x12\xfe\xc5\xfd\x74\x6f", 0),
         "VirtualBox": (b"\x7f\x10\xda\xbe", 64), "sectors": (b"\0" + b"\xff" * 10 + b"\0\0\2\0\1", 0),
         "XFS": (b"XFSB\0\0\x10\0", 0), "Btrfs": (b"_BHRfS_M", 65600), "squashfs": (b"sqsh", 0),
         "cramfs": (b"\x45\x3d\xcd\x28", 0), "LUKS": (b"LUKS\xba\xbe\0\1", 0),
         "UBI": (b"UBI#\1\0\0\0", 0), "Parallels": (b"WithoutFreeSpace", 0), "CISO": (b"CISO\0\0\0\0", 0),
         "DAA": (b"DAA\0\0\0\0\0", 0), "freeze": (b"\x1f\x9f", 0), "romfs": (b"-rom1fs-", 0)}


def other_local_name(octets):
    """The local header has another name than the directory."""
    archive = zip_with(("x.exe", octets))
    return archive.replace(b"x.exe", b"x.txt", 1)


def of_apple_mail(octets):
    fork = apple(None, 0x51607, ((9, bytes(32)), (2, b"fork")))
    for order in (0, 1):
        both = [part(b"application/applefile; name=x", fork),
                part(b"application/octet-stream; name=x.exe", octets)]
        yield f"multipart/appledouble {order}", parts_mail(b"appledouble", *both[::1 - 2 * order])
    yield "multipart/appledouble, the fork", parts_mail(
        b"appledouble", part(b"application/applefile; name=x",
                             apple(None, 0x51607, ((9, bytes(32)), (2, octets)))), part(b"text/plain", b"x"))
    yield "BinHex as it stands", parts_mail(
        b"mixed", b"Content-Type: application/mac-binhex40; name=x.hqx\n\n" + binhex(octets))
    yield "BinHex, a field", parts_mail(
        b"mixed", b"Content-Type: application/octet-stream; name=x.exe\n"
        b"Content-Transfer-Encoding: binhex\n\n" + binhex(octets))
    yield "BinHex in a zip", message_with("x.zip", "application/zip", zip_with(("x.hqx", binhex(octets))))


def of_pages(octets):
    text = base64.b64encode(octets).decode()
    packed, stream = (base64.b64encode(each).decode() for each in (gz(octets), zlib.compress(octets)))
    uri = f"data:application/octet-stream;base64,{text}"
    for name, body in (
            ("refresh", f'<meta http-equiv="refresh" content="0;url={uri}">'),
            ("srcset", f'<img srcset="{uri} 2x">'), ("embed", f"<embed src={uri}>"),
            ("frame", f'<frameset><frame src="{uri}"></frameset>'),
            ("base", f'<base href="data:a/b;base64,{text[:40]}"><a href="{text[40:]}">x</a><a href="{uri}">'),
            ("a style sheet", f'<link rel=stylesheet href="data:text/css,p{{background:url({uri})}}">'),
            ("SVG in SVG", '<svg><image href="data:image/svg+xml;base64,' + base64.b64encode(
                f'<svg><a href="{uri}">x</a></svg>'.encode()).decode() + '"/></svg>'),
            ("a comment", f"<!--[if mso]><a href='{uri}'>x</a><![endif]-->"),
            ("gzip", f"<script>new DecompressionStream('gzip'); atob('{packed}')</script>"),
            ("base64 twice", f"<script>atob(atob('{base64.b64encode(text.encode()).decode()}'))</script>"),
            ("zlib", f"<script>pako.inflate(atob('{stream}'))</script>"),
            ("XML of pictures", f'<v:imagedata src="{uri}"/>')):
        yield f"page, {name}", message_with(None, "text/html", f"<html><body>{body}</body></html>".encode())
    yield "style sheet", message_with("x.css", "text/css", f"p {{ background: url('{uri}') }}".encode())
    yield "SVGZ", message_with("x.svgz", "image/svg+xml", gzip.compress(
        f'<svg><a href="{uri}">x</a></svg>'.encode(), mtime=0))
    yield "card of version 2.1", message_with("x.vcf", "text/x-vcard", (
        b"BEGIN:VCARD\r\nVERSION:2.1\r\nPHOTO;TYPE=JPEG;ENCODING=BASE64:\r\n " +
        base64_lines(octets, 72).replace(b"\n", b"\r\n ") + b"\r\nEND:VCARD\r\n"))
    yield "card of version 4", message_with("x.vcf", "text/vcard", f"BEGIN:VCARD\r\nPHOTO:{uri}\r\n".encode())
    yield "calendar, a data URL", message_with("x.ics", "text/calendar", (
        f"BEGIN:VEVENT\r\nATTACH:{uri}".encode()))
    yield "calendar in a zip", message_with("x.zip", "application/zip", zip_with(
        ("x.ics", b"ATTACH;ENCODING=BASE64;VALUE=BINARY:" + text.encode())))


def of_openpgp(octets):
    """Packets as GnuPG writes them: an indeterminate length, signed on one pass, other methods."""
    literal = b"\xcb\xff" + struct.pack(">L", len(octets) + 6) + b"b\0\0\0\0\0" + octets
    one_pass = b"\x90\x0d\3\0\x08\x01" + bytes(8) + b"\1"
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    forms = {"zip": b"\xa3\1" + raw.compress(one_pass + literal) + raw.flush(),
             "zlib": b"\xa3\2" + zlib.compress(one_pass + literal),
             "bzip2": b"\xa3\3" + bz2.compress(literal),
             "one pass": one_pass + literal, "marker": b"\xca\3PGP" + literal}
    for name, packets in forms.items():
        yield f"OpenPGP, {name}", text_mail(b"-----BEGIN PGP MESSAGE-----\n\n" + base64_lines(packets, 64) +
                                            b"-----END PGP MESSAGE-----\n")
        yield f"OpenPGP, {name}, without armor", message_with("x.gpg", "application/octet-stream", packets)


def reader_hidings(octets):
    for kind in (of_text, of_messages, of_smime, of_office, of_pdf, of_archives, of_apple_mail, of_pages,
                 of_openpgp):
        yield from kind(octets)

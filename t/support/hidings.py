"""
Files hidden in files that mail programs, browsers and office programs show or save: pages, text in other
character sets, documents, images of disks, wrappings of other systems. hidings(octets) yields
(name, file name, media type, contents of the part).
"""

import base64
import binascii
import io
import lzma
import struct
import tarfile
import urllib.parse
import zipfile
import zlib

from support.wrappings import base64_lines, uuencoded

ENTITIES = {"d": "&#100;", "a": "&#x61;"}


def in_pages(octets):
    """Pages whose links and scripts hold a file."""
    text = base64.b64encode(octets).decode()
    uri = f"data:application/octet-stream;base64,{text}"
    lines = "\n".join(text[at:at + 76] for at in range(0, len(text), 76))
    references = "".join(f"&#{ord(letter)};" for letter in text)
    pieces = "' +\n  '".join(text[at:at + 50] for at in range(0, len(text), 50))
    safe = text.replace("+", "-").replace("/", "_").rstrip("=")
    yield "a link", f'<a href="{uri}">x</a>'
    yield "a link, without quotes", f"<a href={uri}>x</a>"
    yield "a link, in capitals", f'<A HREF="DATA:APPLICATION/X-ZIP;BASE64,{text}">x</a>'
    yield "a link, with parameters", f'<a href="data:a/b;name=x.exe;charset=utf-8;base64,{text}">x</a>'
    yield "a link, without a type", f'<a href="data:;base64,{text}">x</a>'
    yield "a link, in lines", f'<a href="data:a/b;base64,{lines}">x</a>'
    yield "a link, percent-encoded", f'<a href="data:a/b;base64,{urllib.parse.quote(text, safe="")}">x</a>'
    quoted = urllib.parse.quote_from_bytes(octets)
    yield "a link, octets percent-encoded", f'<a href="data:a/b,{quoted}">x</a>'
    yield ("a link, all percent-encoded",
           '<a href="data:a/b,' + "".join(f"%{octet:02x}" for octet in octets) + '">x</a>')
    yield "a link, of references", f'<a href="data:a/b;base64,{references}">x</a>'
    yield "a link, its scheme of references", f'<a href="&#100;&#x61;ta:a/b;base64,{text}">x</a>'
    yield "a link, broken by references", f'<a href="da&#10;ta:a/b;base64&#44;{text}">x</a>'
    yield "a link, broken by a tab", f'<a href="da\tta:a/b;base64,{text}">x</a>'
    yield "an object", f"<object data='{uri}'></object>"
    yield "a style", f"<style>p {{ background: url({uri}) }}</style>"
    yield "a style in quotes", f"<style>@import \"{uri}\";</style>"
    yield "an attribute of style", f'<p style="background:url(\'{uri}\')">x</p>'
    yield "an image in SVG", f'<svg xmlns:xlink="x"><image xlink:href="{uri}"/></svg>'
    yield "a script, atob", f"<script>var a = atob('{text}');</script>"
    yield "a script, atob in pieces", f"<script>var a = atob('{pieces}');</script>"
    yield "a script, in backquotes", f"<script>var a = atob(`{lines}`);</script>"
    yield "a script, of an array", f'<script>f(["{text}"].join(""))</script>'
    escaped = text.replace("/", "\\/").replace("+", "\\x2b")
    yield "a script, with escapes", f"<script>atob('{escaped}')</script>"
    yield "a script, letters of URLs", f"<script>f('{safe}')</script>"
    yield "an attribute of its own", f'<div data-file="{text}"></div>'
    yield "text of an element", f"<script type=a/b id=x>\n{lines}\n</script>"
    yield "a page in a page", f"<iframe srcdoc='&lt;a href=\"{uri}\"&gt;x'></iframe>"


def scripts(octets):
    """What common encoders write: scripts that put a file together, as pages."""
    text = base64.b64encode(octets).decode()
    pieces = [text[at:at + 37] for at in range(0, len(text), 37)]
    listed = ", ".join(f'"{piece}"' for piece in pieces)
    half = len(text) // 2
    numbers = ",".join(str(octet) for octet in octets)
    yield "joined arrays", f"atob([{listed}].join(''))"
    yield "joined arrays of short pieces", "atob([" + ",".join(f"'{text[at:at + 7]}'" for at in range(
        0, len(text), 7)) + "].join(''))"
    yield "a list of numbers", f"new Uint8Array([{numbers}])"
    yield "a list of numbers in lines", "var a = [\n" + ",\n  ".join(numbers.split(",")) + "\n];"
    yield "a list of 0x", "var a = [" + ", ".join(f"0x{octet:02x}" for octet in octets) + "]"
    yield "numbers in a string", f"'{numbers.replace(',', '|')}'.split('|').map(Number)"
    yield "numbers in strings", "[" + ",".join(f"'{octet}'" for octet in octets) + "].map(Number)"
    yield "hexadecimal in a string", "'" + " ".join(f"{octet:02x}" for octet in octets) + "'.split(' ')"
    yield "hexadecimal, one string", f"var a = '{octets.hex()}'; for (i in a) parseInt(a.substr(i, 2), 16)"
    yield "fromCharCode", f"String.fromCharCode({numbers})"
    yield "fromCharCode of base64", "atob(String.fromCharCode(" + ",".join(str(ord(x)) for x in text) + "))"
    yield "escapes, \\x", "var a = '" + "".join(f"\\x{octet:02x}" for octet in octets) + "'"
    yield "escapes, \\x of base64", 'atob("' + "".join(f"\\x{ord(x):02X}" for x in text) + '")'
    yield "escapes, octal", "var a = '" + "".join(f"\\{octet:03o}" for octet in octets) + "'"
    yield "escapes, octal of base64", "atob('" + "".join(f"\\{ord(x):o}" for x in text) + "')"
    yield "escapes, \\u", "var a = '" + "".join(f"\\u{octet:04x}" for octet in octets) + "'"
    yield "escapes in pieces", "var a = " + " + ".join(
        "'" + "".join(f"\\x{octet:02x}" for octet in octets[at:at + 9]) + "'"
        for at in range(0, len(octets), 9))
    yield "unescape", "unescape('" + "".join(f"%{octet:02x}" for octet in octets) + "')"
    yield "unescape, %u", "unescape('" + "".join(f"%u{octet:04x}" for octet in octets) + "')"
    yield "decodeURIComponent of base64", "atob(decodeURIComponent('" + "".join(
        f"%{ord(x):02X}" for x in text) + "'))"
    yield "a page in unescape", "document.write(unescape('" + "".join(
        f"%{ord(x):02x}" for x in f"<script>var a = atob('{text}')</script>") + "'))"
    yield "backwards", f"atob('{text[::-1]}'.split('').reverse().join(''))"
    yield "backwards, in pieces", "atob((" + "+".join(f"'{piece[::-1]}'" for piece in pieces[::-1]) + \
        ").split('').reverse().join(''))"
    yield "two variables", f"var a = '{text[:half]}';\nvar b = '{text[half:]}';\natob(a + b)"
    yield "two scripts", f"var a = '{text[:half]}';</script><p>x</p><script>atob(a + '{text[half:]}')"
    yield "a variable that grows", "var a = '';\n" + "".join(f"a += '{piece}';\n" for piece in pieces)
    yield "signs to be taken away", f"atob('{'#'.join(pieces)}'.split('#').join(''))"
    yield "signs to be replaced", f"atob('{'@!'.join(pieces)}'.replace(/@!/g, ''))"
    yield "atob and a download", (
        f"var a = document.createElement('a'); var o = Uint8Array.from(atob('{text}'), c => c.charCodeAt(0));"
        "a.href = URL.createObjectURL(new Blob([o])); a.download = 'x.zip'; a.click()")


def script_pages(octets):
    for name, script in scripts(octets):
        page = f"<html><body><script>{script}</script></body></html>\n"
        yield f"script: {name}", "x.html", "text/html; charset=utf-8", page.encode()


def pages(octets):
    for name, body in in_pages(octets):
        page = f"<html><head><title>x</title></head><body>{body}</body></html>\n"
        yield f"page: {name}", None, "text/html; charset=utf-8", page.encode()
    _, body = next(in_pages(octets))
    for charset in ("utf-16", "utf-16le", "utf-16be", "utf-32", "utf-7"):
        kind = f"text/html; charset={charset}"
        yield f"page in {charset}", None, kind, f"<html>{body}</html>".encode(charset)
    wide = f"<html>{body}".encode("utf-16")
    yield "page in UTF-16, said to be UTF-8", None, "text/html; charset=utf-8", wide
    yield "page in UTF-16, a file", "x.html", "application/octet-stream", wide
    yield "link in text", None, "text/plain", body.encode()
    bodies = {name: body.encode() for name, body in in_pages(octets)}
    yield "link in a file of scripts", "x.js", "text/javascript", bodies["a script, atob"]
    yield "link in SVG", "x.svg", "image/svg+xml", bodies["an image in SVG"]


def texts(octets):
    """Files in text that is no page."""
    text = base64.b64encode(octets).decode()
    for charset in ("utf-16", "utf-7", "utf-32le"):
        yield (f"uuencode in {charset}", None, f"text/plain; charset={charset}",
               uuencoded(octets).decode("latin-1").encode(charset))
    yield "uuencode in a page", None, "text/html", b"<html><pre>\n" + uuencoded(octets) + b"</pre></html>"
    yield "uuencode in a file", "x.txt", "application/x-text", b"Hello\n\n" + uuencoded(octets)
    yield "uuencode behind a long text", None, "text/plain", b"Hello there\n" * 9000 + uuencoded(octets)
    fold = "\r\n ".join(text[at:at + 73] for at in range(0, len(text), 73))
    event = ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nATTACH;FMTTYPE=a/b;ENCODING=BASE64;VALUE=BINARY:\r\n " +
             fold + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    yield "calendar", "x.ics", "text/calendar", event.encode()
    yield "calendar, in one line", "x.ics", "text/calendar", event.replace("\r\n ", "").encode()
    card = f"BEGIN:VCARD\r\nVERSION:3.0\r\nPHOTO;ENCODING=b;TYPE=JPEG:{fold}\r\nEND:VCARD\r\n"
    yield "card", "x.vcf", "text/vcard", card.encode()
    yield "LDIF", "x.ldif", "text/plain", f"dn: o=x\njpegPhoto:: {fold}\n".encode()
    yield "XML of Word", "x.xml", "text/xml", f"<pkg:binaryData>{text}</pkg:binaryData>".encode()
    yield "JSON", "x.json", "application/json", f'{{"name": "x.exe", "data": "{text}"}}'.encode()
    yield "PEM", "x.pem", "text/plain", b"-----BEGIN CERTIFICATE-----\n" + base64_lines(octets, 64) + \
        b"-----END CERTIFICATE-----\n"
    yield "packets of OpenPGP", "x.asc", "text/plain", openpgp(octets)
    yield "packets of OpenPGP, packed", "x.asc", "text/plain", openpgp(octets, True)
    rich = (b"{\\rtf1{\\object\\objemb{\\*\\objclass Package}{\\*\\objdata " +
            binascii.hexlify(package(octets)) + b"}}}")
    yield "object in rich text", "x.rtf", "application/rtf", rich


def openpgp(octets, pack=False):
    """A literal packet, in armor (RFC 9580)."""
    packet = b"\xcb\xff" + struct.pack(">L", len(octets) + 6) + b"b\0\0\0\0\0" + octets
    if pack:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = b"\x01" + packer.compress(packet) + packer.flush()
        packet = b"\xc8\xff" + struct.pack(">L", len(packed)) + packed
    return b"-----BEGIN PGP MESSAGE-----\n\n" + base64_lines(packet, 64) + b"-----END PGP MESSAGE-----\n"


def package(octets):
    """An object of OLE 1 (MS-OLEDS 2.2.5) that is a file."""
    native = (struct.pack("<H", 2) + b"x.exe\0C:\\x.exe\0" + struct.pack("<HHL", 0, 3, 9) + b"C:\\x.exe\0" +
              struct.pack("<L", len(octets)) + octets)
    return struct.pack("<LLL", 0x501, 2, 8) + b"Package\0" + struct.pack("<LLL", 0, 0, len(native)) + native


def apple(octets, magic, entries=((3, b"x.exe"), (9, bytes(32)))):
    """AppleSingle and AppleDouble (RFC 1740)."""
    parts = [*entries, *([(1, octets)] if octets is not None else [])]
    place = 26 + 12 * len(parts)
    head = struct.pack(">LL16xH", magic, 0x20000, len(parts))
    for number, data in parts:
        head += struct.pack(">LLL", number, place, len(data))
        place += len(data)
    return head + b"".join(data for _, data in parts)


def macbinary(octets):
    head = bytearray(128)
    head[1:7] = b"\5x.exe"
    head[65:73] = b"APPLxxxx"
    head[83:87] = struct.pack(">L", len(octets))
    head[122] = head[123] = 129
    head[124:126] = struct.pack(">H", binascii.crc_hqx(bytes(head[:124]), 0))
    return bytes(head) + octets + bytes(-len(octets) % 128)


def binhex(octets, comment=b"(This file must be converted with BinHex 4.0)\n\n", resource=False):
    """BinHex (RFC 1741)."""
    letters = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
    data, fork = (b"", octets) if resource else (octets, b"")
    head = b"\5x.exe\0APPLxxxx\0\0" + struct.pack(">LL", len(data), len(fork))
    whole = b"".join(part + struct.pack(">H", binascii.crc_hqx(part + b"\0\0", 0))
                     for part in (head, data, fork))
    whole = whole.replace(b"\x90", b"\x90\0")
    bits = "".join(f"{octet:08b}" for octet in whole)
    bits += "0" * (-len(bits) % 6)
    text = b":" + bytes(letters[int(bits[at:at + 6], 2)] for at in range(0, len(bits), 6)) + b":"
    return comment + b"\n".join(text[at:at + 64] for at in range(0, len(text), 64)) + b"\n"


def of_apple(octets):
    yield "AppleSingle", "x", "application/applefile", apple(octets, 0x51600)
    yield "AppleSingle without a type", "x", "application/octet-stream", apple(octets, 0x51600)
    yield "AppleDouble, in the resource fork", "x", "application/applefile", apple(
        None, 0x51607, ((9, bytes(32)), (2, octets)))
    yield "MacBinary", "x.bin", "application/macbinary", macbinary(octets)
    yield "MacBinary without a type", "x.bin", "application/octet-stream", macbinary(octets)
    yield "BinHex", "x.hqx", "application/mac-binhex40", binhex(octets)
    yield "BinHex without its first line", "x.hqx", "application/mac-binhex40", binhex(octets, b"")
    yield "BinHex in text", None, "text/plain", b"Hello\n" + binhex(octets)
    first = b"(This file must be converted; x)\n\n"
    yield "BinHex, another first line", "x", "text/plain", binhex(octets, first)
    yield "BinHex, in the resource fork", "x.hqx", "application/mac-binhex40", binhex(octets, resource=True)


def attribute(identifier, data, level=2):
    return (bytes([level]) + struct.pack("<LL", identifier, len(data)) + data +
            struct.pack("<H", sum(data) & 0xffff))


def tnef(octets, name=b"x.exe\0"):
    return (struct.pack("<LH", 0x223e9f78, 1) + attribute(0x069002, bytes(14)) + attribute(0x018010, name) +
            attribute(0x06800f, octets))


def onenote(octets):
    """A section of notes that holds a file (MS-ONESTORE 2.6.13)."""
    head = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(1008)
    begin, end = (bytes.fromhex(text) for text in ("e716e3bd65261145a4c48d4d0b7a9eac",
                                                   "22a7fb711079834bb1f0cfdf2a8ec1ac"[:32]))
    return (head + begin + struct.pack("<QLQ", len(octets), 0, 0) + octets + bytes(-len(octets) % 8) + end +
            bytes(200))


def compound(streams):
    """A compound file (MS-CFB) of 512-octet sectors with streams of at least 4,096 octets."""
    entries, fat, data = [], [], b""

    def entry(name, kind, child, start, size, right=0xffffffff):
        text = (name + "\0").encode("utf-16le")
        tree = struct.pack("<HBBLLL", len(text), kind, 1, 0xffffffff, right, child)
        return text.ljust(64, b"\0") + tree + bytes(36) + struct.pack("<LQ", start, size)

    for number, (name, octets) in enumerate(streams):
        padded = octets.ljust(-(-max(len(octets), 4096) // 512) * 512, b"\0")
        start, count = len(fat), len(padded) // 512
        fat += [*range(start + 1, start + count), 0xfffffffe]
        data += padded
        entries.append(entry(name, 2, 0xffffffff, start, max(len(octets), 4096),
                             number + 2 if number + 1 < len(streams) else 0xffffffff))
    directory = entry("Root Entry", 5, 1, 0xfffffffe, 0) + b"".join(entries)
    directory = directory.ljust(-(-len(directory) // 512) * 512, b"\0")
    place, count = len(fat), len(directory) // 512
    fat += [*range(place + 1, place + count), 0xfffffffe]
    tables = -(-(len(fat) + 2) // 128)
    table_places = range(len(fat), len(fat) + tables)
    fat += [0xfffffffd] * tables
    table = b"".join(struct.pack("<L", each) for each in fat).ljust(tables * 512, b"\xff")
    head = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 62, 3, 0xfffe, 9, 6) +
            struct.pack("<LLLLLLLLL", 0, tables, place, 0, 4096, 0xfffffffe, 0, 0xfffffffe, 0))
    head += b"".join(struct.pack("<L", each) for each in table_places)
    return head.ljust(512, b"\xff") + data + directory + table


def pdf(stream, fields=b"", name=b"x.exe"):
    objects = [b"<</Type/Catalog/Names<</EmbeddedFiles<</Names[(%s) 2 0 R]>>>>/Pages 4 0 R>>" % name,
               b"<</Type/Filespec/F(%s)/EF<</F 3 0 R>>>>" % name,
               b"<</Type/EmbeddedFile/Length %d%s>>stream\n%s\nendstream" % (len(stream), fields, stream),
               b"<</Type/Pages/Kids[]/Count 0>>"]
    out, places = b"%PDF-1.5\n", []
    for number, octets in enumerate(objects):
        places.append(len(out))
        out += b"%d 0 obj\n" % (number + 1) + octets + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer<</Root 1 0 R/Size 5>>\nstartxref\n%d\n%%%%EOF\n" % table


def documents(octets):
    packed = zlib.compress(octets)
    yield "PDF", "x.pdf", "application/pdf", pdf(octets)
    yield "PDF, packed", "x.pdf", "application/pdf", pdf(packed, b"/Filter/FlateDecode")
    yield "PDF, hexadecimal", "x.pdf", "application/pdf", pdf(binascii.hexlify(octets) + b">",
                                                            b"/Filter/ASCIIHexDecode")
    yield "PDF, ASCII85", "x.pdf", "application/pdf", pdf(base64.a85encode(octets) + b"~>",
                                                        b"/Filter/ASCII85Decode")
    yield "PDF, two filters", "x.pdf", "application/pdf", pdf(
        binascii.hexlify(packed) + b">", b"/Filter[/ASCIIHexDecode/FlateDecode]")
    yield "PDF behind text", "x.pdf", "application/pdf", b"x" * 900 + pdf(packed, b"/Filter/FlateDecode")
    yield "PDF, a name in hexadecimal", "x.pdf", "application/pdf", pdf(packed, b"/Filter/Fl#61teDecode")
    large = octets.ljust(5000, b"\0") if len(octets) < 4096 else octets
    yield "notes", "x.one", "application/onenote", onenote(octets)
    yield "compound file", "x.msi", "application/x-msi", compound([("Large", large), ("Whole", octets)])
    yield "message of Outlook", "x.msg", "application/vnd.ms-outlook", compound(
        [("__substg1.0_37010102", octets)])
    yield "object of OLE", "x.doc", "application/msword", compound(
        [("\1Ole10Native", struct.pack("<L", len(package(octets)) - 32) + package(octets)[32:])])
    yield "TNEF in TNEF", "winmail.dat", "application/ms-tnef", tnef(tnef(octets), b"winmail.dat\0")


def archived(octets):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.exe", octets)
    whole = out.getvalue()
    yield "zip behind rubbish", "x.zip", "application/zip", b"rubbish" * 99 + whole
    yield "zip behind a picture", "x.gif", "image/gif", b"GIF89a" + bytes(200) + whole
    yield "zip in a page", "x.html", "text/html", b"<html>x</html>" + whole
    half = len(octets) // 2
    halves = octets[:half], octets[half:]
    yield "xz of two streams", "x.xz", "application/x-xz", bytes(8).join(map(lzma.compress, halves))
    yield "gzip of two members", "x.gz", "application/gzip", b"".join(map(gzip_of, halves))
    yield "gzip, blanks between", "x.gz", "application/gzip", bytes(9).join(map(gzip_of, halves))
    for name, style in (("v7", tarfile.USTAR_FORMAT), ("GNU", tarfile.GNU_FORMAT),
                        ("pax", tarfile.PAX_FORMAT)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=style, encoding="latin-1",
                          errors="replace") as archive:
            for member in ("d" * 90 + "/\xe9.txt", "x.exe"):
                info = tarfile.TarInfo(member)
                info.size = len(octets)
                archive.addfile(info, io.BytesIO(octets))
        tar = out.getvalue()
        yield f"tar, {name}", "x.tar", "application/x-tar", tar
        if name == "GNU":
            yield "tar without its mark", "x.tar", "application/x-tar", without_mark(tar)
            yield "tar behind an empty block", "x.tar", "application/x-tar", bytes(512) + tar
            yield "tar, its sum in blanks", "x.tar", "application/x-tar", without_mark(tar, b"%06o\0 ")


def without_mark(tar, form=b"%7o\0"):
    """The same with headers of the oldest kind."""
    tar, place = bytearray(tar), 0
    while tar[place] != 0:
        size = int(bytes(tar[place + 124:place + 135]) or b"0", 8)
        tar[place + 257:place + 512] = bytes(255)
        tar[place + 148:place + 156] = b" " * 8
        tar[place + 148:place + 156] = form % sum(tar[place:place + 512])
        place += 512 + -(-size // 512) * 512
    return bytes(tar)


def gzip_of(octets):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(octets) + packer.flush()


def disks(octets):
    """Images that a double click opens, or a program for archives."""
    fat = bytearray(1440 * 1024)
    fat[0:62] = (b"\xeb\x3c\x90mkfs.fat" +
                 struct.pack("<HBHBHHBHHHL", 512, 1, 1, 2, 224, 2880, 0xf0, 9, 18, 2, 0) +
                 bytes(4) + b"\0\0\x29abcdNO NAME    FAT12   ")
    fat[510:512] = b"\x55\xaa"
    fat[512:515] = fat[512 * 10:512 * 10 + 3] = b"\xf0\xff\xff"
    fat[512 * 19:512 * 19 + 32] = b"X       EXE " + bytes(14) + struct.pack("<HL", 2, len(octets))
    fat[512 * 33:512 * 33 + len(octets)] = octets
    yield "image of FAT", "x.img", "application/octet-stream", bytes(fat)
    disk = bytearray(4096)
    disk[446:462] = struct.pack("<B3xB3xLL", 0, 12, 8, len(fat) // 512)
    disk[510:512] = b"\x55\xaa"
    yield "image of a disk", "x.img", "application/octet-stream", bytes(disk) + bytes(fat)
    ext = bytearray(200 * 1024)
    ext[1080:1082] = b"\x53\xef"
    ext[1024:1032] = struct.pack("<LL", 32, 200)
    ext[9 * 1024:9 * 1024 + len(octets)] = octets
    yield "image of ext2", "x.img", "application/octet-stream", bytes(ext)
    virtual = octets.ljust(4096, b"\0") + b"conectix".ljust(512, b"\0")
    yield "image of a virtual disk", "x.vhd", "application/octet-stream", virtual
    udf = bytearray(60 * 2048)
    udf[16 * 2048:16 * 2048 + 6] = b"\0BEA01"
    udf[17 * 2048:17 * 2048 + 6] = b"\0NSR02"
    udf[40 * 2048:40 * 2048 + len(octets)] = octets
    yield "image of UDF", "x.iso", "application/octet-stream", bytes(udf)
    yield "image of Apple", "x.dmg", "application/octet-stream", octets.ljust(4096, b"\0") + (
        b"koly" + struct.pack(">LL", 4, 512)).ljust(512, b"\0")


def locked(octets):
    """What is encrypted, as far as its first octets tell it."""
    noise = bytes((octet * 7 + 3) % 256 for octet in range(256)) * 8
    yield "encrypted by openssl", "x.enc", "application/octet-stream", b"Salted__" + noise
    yield "encrypted by openssl, in base64", "x.txt", "text/plain", base64_lines(b"Salted__" + noise, 64)
    age = b"age-encryption.org/v1\n-> scrypt x 18\n" + noise
    yield "encrypted by age", "x.age", "application/octet-stream", age
    yield "encrypted PDF", "x.pdf", "application/pdf", pdf(noise, b"/Filter/FlateDecode").replace(
        b"trailer<<", b"trailer<</Encrypt<</Filter/Standard/V 2/R 3/P -1/Length 128/O<%s>/U<%s>>>" % (
            b"41" * 32, b"42" * 32))


def hidings(octets):
    for kind in (pages, script_pages, texts, of_apple, documents, archived, disks, locked):
        yield from kind(octets)


def message_with(name, kind, octets):
    """A message with it as a part, in base64."""
    named = f'; name="{name}"' if name else ""
    head = ("From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=Q\n\n"
            f"--Q\n\nHello.\n--Q\nContent-Type: {kind}{named}\nContent-Transfer-Encoding: base64\n\n")
    return head.encode() + base64_lines(octets) + b"--Q--\n"

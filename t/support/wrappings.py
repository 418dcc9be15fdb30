"""
Messages that wrap a file in MIME as senders of viruses do: ways to encode it, and ways to put it into a
message, each as a generator of (name, octets).
"""

import base64
import binascii
import quopri

DECOY = b"Content-Type: text/plain\n\nSee attachment.\n"


def lines_of(text, width):
    return b"".join(text[at:at + width] + b"\n" for at in range(0, len(text), width))


def base64_lines(octets, width=76):
    return lines_of(base64.b64encode(octets), width)


def every_octet(octets):
    """Quoted-printable in which nothing stands as it is."""
    return lines_of(b"".join(b"=%02X" % octet for octet in octets), 72).replace(b"\n", b"=\n")[:-2]


def uuencoded(octets, name=b"x.com"):
    body = b"".join(binascii.b2a_uu(octets[at:at + 45]) for at in range(0, len(octets), 45))
    return b"begin 644 " + name + b"\n" + body + b"`\nend\n"


def yencoded(octets, name=b"x.com"):
    out = bytearray()
    for octet in octets:
        value = (octet + 42) % 256
        out += b"=" + bytes([(value + 64) % 256]) if value in b"\0\n\r=." else bytes([value])
    return b"=ybegin line=997 size=%d name=%s\n%s\n=yend size=%d\n" % (len(octets), name, out, len(octets))


def encodings(octets):
    """(name, fields of the encoding, body)."""
    encoded = base64.b64encode(octets)
    whole = base64_lines(octets)
    field = b"Content-Transfer-Encoding: base64\n"
    for width in (4, 7, 60, 61, 75, 77, 100, 10000):
        yield f"base64 in lines of {width}", field, base64_lines(octets, width)
    mixed = b"".join(encoded[at:at + 5] + b"\n" + encoded[at + 5:at + 12] + b"\n"
                     for at in range(0, len(encoded), 12))
    yield "base64 in lines of odd lengths", field, mixed
    yield "base64 with blanks", field, b" \t".join(whole.split(b"\n"))
    yield "base64 with blank lines", field, b"\n\n" + whole.replace(b"\n", b"\n\n")
    yield "base64 with rubbish", field, whole.replace(b"\n", b"!\n~\n")
    yield "base64 with a dash", field, encoded[:10] + b"-" + encoded[10:] + b"\n"
    yield "base64 without padding", field, whole.replace(b"=", b"")
    yield "base64 behind padding", field, whole.rstrip(b"=\n") + b"==\nQUJDREVGRw==\n"
    yield "base64 behind padding, a footer", field, whole.rstrip(b"\n") + b"\n--\nA list, with a footer\n"
    yield "base64 behind much padding", field, b"====" + whole
    yield "base64 in pieces", field, b"".join(base64.b64encode(octets[at:at + 10]) + b"\n"
                                              for at in range(0, len(octets), 10))
    for number, value in enumerate((b"BASE64", b"base64 ", b"\tbase64", b'"base64"', b"base64;", b"base64 x",
                                    b"(c) base64", b"base64 (c)", b"x-base64", b"7bit, base64",
                                    b"base64, 7bit", b"\n base64", b"\n \n base64", b" " * 600 + b"base64",
                                    b"base64\n\t", b"base64\0")):
        yield f"field of base64 {number}", b"Content-Transfer-Encoding: " + value + b"\n", whole
    for number, fields in enumerate((b"Content-Transfer-Encoding : base64\n",
                                     b"content-transfer-encoding:base64\n",
                                     b"Content-Transfer-Encoding: 7bit\n" + field,
                                     field + b"Content-Transfer-Encoding: 7bit\n",
                                     field + b"Content-Transfer-Encoding: quoted-printable\n",
                                     b"Content-Transfer-Encoding: x-uuencode\n" + field)):
        yield f"fields of base64 {number}", fields, whole
    field = b"Content-Transfer-Encoding: quoted-printable\n"
    quoted = quopri.encodestring(octets, quotetabs=True).replace(b"\r", b"=0D")
    yield "quoted-printable", field, quoted
    yield "quoted-printable of all", field, every_octet(octets)
    yield "quoted-printable in lower case", field, every_octet(octets).lower()
    yield "quoted-printable with blanks", field, every_octet(octets).replace(b"=\n", b"= \t\n")
    yield "quoted-printable in capitals", field.upper(), quoted
    yield "quoted-printable with rubbish", field, quoted.replace(b"=0D", b"=0d") + b"=\n"
    for name in (b"x-uuencode", b"uuencode", b"x-uue", b"7bit"):
        yield f"uuencode as {name.decode()}", b"Content-Transfer-Encoding: " + name + b"\n", uuencoded(octets)
    yield "uuencode in text", b"", b"Here it is:\n\n" + uuencoded(octets) + b"\nand that is all\n"
    yield "yEnc in text", b"", b"Here it is:\n\n" + yencoded(octets) + b"\n"


def file_part(encoding, more=b""):
    _, fields, body = encoding
    return (b"Content-Type: application/octet-stream\n" + more +
            b'Content-Disposition: attachment; filename="x.com"\n' + fields + b"\n" + body)


def multipart(value, boundary, parts, fields=b"", close=None):
    lines = b"".join(b"--" + boundary + b"\n" + part + b"\n" for part in parts)
    return (fields + b"Content-Type: " + value + b"\n\n" + lines + (b"--" + boundary + b"--\n"
                                                                   if close is None else close))


BOUNDARIES = (b'"Q"', b"Q", b"Q ", b"Q ; charset=us-ascii", b'"Q" ; x=y', b"\n Q", b'\n\t"Q"', b"Q(c)",
              b"(c)Q", b" Q", b" \t Q", b'"Q ', b"Q;", b"'Q'", b'"\\Q"', b"Q\0x", b"Q\r", b'"Q"x', b"=Q")
PARAMETERS = (b"boundary*=us-ascii''Q", b"boundary*0=Q", b"boundary*0*=''Q", b"boundary*=''%51",
              b"boundary*1=Z; boundary*0=Q", b"boundary*0=Q; boundary*1=Z", b"BOUNDARY=Q", b"boundary =Q",
              b"boundary= Q", b"boundary\t=\tQ", b"x=y; boundary=Q", b'x="; boundary=Y"; boundary=Q',
              b'x="y"; boundary=Q', b"boundary=Q; boundary=Y", b"boundary=Y; boundary=Q", b";; boundary=Q",
              b"boundary=Q; boundary*=''Y", b"boundary=Y; boundary*0=Q", b"x boundary=Q",
              b'x="\\"; boundary=Q')
TYPES = (b"multipart/mixed", b"Multipart/MIXED", b"multipart/signed", b"multipart/parallel",
         b"multipart/related", b"multipart/alternative", b"multipart/form-data", b"multipart/report",
         b"multipart/x-unheard-of", b"multipart/digest", b"multipart / mixed", b"(c)multipart/mixed",
         b"multipart/mixed (c)", b"multipart/(c)mixed", b"multipart", b"multipart/mixed,",
         b'"multipart/mixed"')


def boundary_forms(part):
    parts = (DECOY, part)
    for value in BOUNDARIES:
        yield f"boundary={value!r}", multipart(b"multipart/mixed; boundary=" + value, b"Q", parts)
    for value in PARAMETERS:
        for boundary in (b"Q", b"QZ", b"ZQ", b"Y"):
            yield (f"{value!r} and {boundary!r}",
                   multipart(b"multipart/mixed; " + value, boundary, parts))
    for value in TYPES:
        yield f"type {value!r}", multipart(value + b"; boundary=Q", b"Q", parts)
    yield "boundary as long as a line", multipart(b"multipart/mixed; boundary=" + b"q" * 900, b"q" * 900,
                                                  parts)
    yield "empty boundary", multipart(b'multipart/mixed; boundary=""', b"", parts)
    yield "blank in quotes", multipart(b'multipart/mixed; boundary="Q "', b"Q ", parts)
    yield "blanks in quotes", multipart(b'multipart/mixed; boundary="Q  R"', b"Q  R", parts)


def field_forms(part):
    whole = multipart(b"multipart/mixed; boundary=Q", b"Q", (DECOY, part))
    yield "no MIME-Version", whole
    yield "MIME-Version", b"MIME-Version: 1.0\n" + whole
    yield "odd MIME-Version", b"MIME-Version: 2.0 (c)\n" + whole
    for other in (b"text/plain", b"multipart/mixed; boundary=Y", b"application/x", b"garbage", b""):
        yield f"type and {other!r} before", b"Content-Type: " + other + b"\n" + whole
        yield (f"type and {other!r} behind",
               whole.replace(b"boundary=Q\n", b"boundary=Q\nContent-Type: " + other + b"\n", 1))
    yield "type with a blank before the colon", whole.replace(b"Content-Type:", b"Content-Type :", 1)
    yield "type in capitals", whole.replace(b"Content-Type:", b"CONTENT-TYPE:", 1)
    yield "type folded twice", whole.replace(b"mixed; ", b"mixed;\n \n ", 1)
    yield "a boundary in the disposition", whole.replace(
        b"boundary=Q\n", b"boundary=Y\nContent-Disposition: inline; boundary=Q\n", 1)
    yield "no boundary", whole.replace(b"; boundary=Q", b"", 1)
    for encoding in (b"base64", b"quoted-printable", b"binary", b"x"):
        yield f"multipart said to be {encoding!r}", b"Content-Transfer-Encoding: " + encoding + b"\n" + whole
    yield "a line that is no field", whole.replace(b"\n\n", b"\nno field\n\n", 1)
    yield "a line of blanks", whole.replace(b"\n\n", b"\n \n\n", 1)


def body_forms(part):
    head = b"Content-Type: multipart/mixed; boundary=Q\n\n"
    yield "no close", head + b"--Q\n" + DECOY + b"--Q\n" + part
    yield "one part", head + b"--Q\n" + part + b"\n--Q--\n"
    yield "preamble", head + part + b"\n--Q\n" + DECOY + b"--Q--\n"
    yield "epilogue", head + b"--Q\n" + DECOY + b"--Q--\n" + part
    yield "behind the close", head + b"--Q\n" + DECOY + b"--Q--\n--Q\n" + part + b"\n--Q--\n"
    yield "behind the close, apart", head + b"--Q\n" + DECOY + b"--Q--\n\n--Q\n" + part + b"\n--Q--\n"
    for tail in (b" ", b"\t", b" \t ", b"x", b" x", b"-", b"--x", b"\0", b"-- "):
        line = b"--Q" + tail + b"\n"
        yield f"boundary line with {tail!r}", head + line + DECOY + line + part + b"\n--Q--\n"
    yield "blank before a boundary", head + b"--Q\n" + DECOY + b" --Q\n" + part + b"\n--Q--\n"
    yield "prefix", (b"Content-Type: multipart/mixed; boundary=Q\n\n--Q\n"
                     b"Content-Type: multipart/mixed; boundary=QQ\n\n--QQ\n" + part + b"\n--QQ--\n--Q--\n")
    yield "same boundary within", (head + b"--Q\n" + head + b"--Q\n" + part + b"\n--Q--\n--Q--\n")
    inner = multipart(b"multipart/mixed; boundary=R", b"R", (DECOY, part))
    yield "parts of parts", head + b"--Q\n" + inner + b"--Q--\n"
    deep = part
    for level in range(40):
        deep = multipart(b"multipart/mixed; boundary=L%d." % level, b"L%d." % level, (deep,))
    yield "40 levels", deep
    yield "no part but the message", part


def enclosed_forms(part):
    whole = b"From: a@example.org\nMIME-Version: 1.0\n" + multipart(b"multipart/mixed; boundary=R", b"R",
                                                                    (DECOY, part))
    text = base64_lines(whole)
    for kind in (b"message/rfc822", b"message/global", b"message/news", b"application/octet-stream",
                 b"text/plain", b"Message/RFC822", b"text/rfc822-headers"):
        for encoding, body in ((b"7bit", whole), (b"base64", text),
                               (b"quoted-printable", quopri.encodestring(whole, quotetabs=True)),
                               (b"base64", base64_lines(b"From x\n" + whole))):
            inner = b"Content-Type: " + kind + b"\nContent-Transfer-Encoding: " + encoding + b"\n\n" + body
            yield (f"in {kind.decode()} as {encoding.decode()}",
                   multipart(b"multipart/mixed; boundary=Q", b"Q", (DECOY, inner)))
    yield "in a digest", multipart(b"multipart/digest; boundary=Q", b"Q", (b"\n" + whole,))
    for encoding in (b"base64", b"quoted-printable"):
        body = multipart(b"multipart/mixed; boundary=Q", b"Q", (DECOY, part)).split(b"\n\n", 1)[1]
        coded = base64_lines(body) if encoding == b"base64" else every_octet(body)
        yield (f"multipart in {encoding.decode()}",
               b"Content-Type: multipart/mixed; boundary=Q\nContent-Transfer-Encoding: " + encoding +
               b"\n\n" + coded)


def line_forms(part):
    whole = multipart(b"multipart/mixed; boundary=Q", b"Q", (DECOY, part))
    yield "all LF", whole
    yield "all CR", whole.replace(b"\n", b"\r")
    head, body = whole.split(b"\n\n", 1)
    yield "header in CR", head.replace(b"\n", b"\r") + b"\r\r" + body
    yield "boundaries in CR", whole.replace(b"\n--Q\n", b"\r--Q\r")
    yield "NUL before the header", b"X-A: \0\n" + whole


def wrappings(octets):
    """All of them: (name, message), with line ends as SMTP has them unless the name says otherwise."""
    start = b"From: a@example.org\nTo: b@example.org\nSubject: x\n"
    codes = list(encodings(octets))
    plain = [code for code in codes if code[0] in ("base64 in lines of 60", "quoted-printable of all")]
    for code in codes:
        for form in ("one part", "no part but the message"):
            yield (f"{code[0]}, {form}",
                   (start + dict(body_forms(file_part(code)))[form]).replace(b"\n", b"\r\n"))
        text = code[1] + b"\n" + code[2]
        yield f"{code[0]}, text", (start + text).replace(b"\n", b"\r\n")
    for code in plain:
        for forms in (boundary_forms, field_forms, body_forms, enclosed_forms):
            for name, message in forms(file_part(code)):
                yield f"{name}, {code[0]}", (start + message).replace(b"\n", b"\r\n")
        for name, message in line_forms(file_part(code)):
            yield f"{name}, {code[0]}", start + message

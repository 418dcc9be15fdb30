"""
What mail of odd shapes costs: CPU seconds of postern-scan and its inspector for each MiB, beside plain text.
The exit status is 1 if one costs over ten times as much.
"""

import base64
import os
import pathlib
import quopri
import resource
import subprocess
import sys
import tempfile

from support.demo_messages import eicar_signature
from support.process import program_path

MEBI = 1 << 20
MAXIMUM = 10  # times plain text
HEAD = b"From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=Q\r\n\r\n"
QUOTED = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
BASE64 = b"Content-Transfer-Encoding: base64\r\n\r\n"
WORDS = b"The quick brown fox jumps over the lazy dog, and nobody asks it why it does.\r\n"


def repeated(shape, size=MEBI):
    """shape with @ as the number of its turn."""
    if b"@" not in shape:
        return shape * (size // len(shape))
    out, number = bytearray(), 0
    while len(out) < size:
        out += shape.replace(b"@", b"%d" % number)
        number += 1
    return bytes(out)


def nested(count, wrap, core=None):
    message = core if core is not None else HEAD + b"\r\n" + WORDS * 100
    for number in range(count):
        message = wrap(number, message)
    return message


def levels(number, message):
    return (b"Content-Type: multipart/mixed; boundary=L%d.\r\n\r\n--L%d.\r\n" % (number, number) + message +
            b"\r\n--L%d.--\r\n" % number)


def as_base64(_, message):
    return (HEAD + b"Content-Type: message/rfc822\r\n" + BASE64 +
            base64.encodebytes(message).replace(b"\n", b"\r\n"))


def as_quoted(_, message):
    return (HEAD + b"Content-Type: message/rfc822\r\n" + QUOTED +
            quopri.encodestring(message.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n"))


def shapes():
    text = HEAD + b"\r\n" + repeated(WORDS)
    yield "plain text", text
    yield "bare CRs", HEAD + b"\r\n" + b"\r" * MEBI
    yield "bare CRs in the header", HEAD + b"Content-Type: text/plain\r" * (MEBI // 25)
    yield "LFs", HEAD + b"\r\n" + b"\n" * MEBI
    yield "dashes", MIXED + b"-" * MEBI
    yield "lines of dashes", MIXED + repeated(b"--\r\n")
    yield "other boundaries", MIXED + repeated(b"--QQ\r\n")
    yield "boundaries", MIXED + repeated(b"--Q\r\n")
    yield "boundaries with text", MIXED + repeated(b"--Q x\r\n")
    yield "begin lines", HEAD + b"\r\n" + repeated(b"begin 644 x\r\n")
    yield "uuencoded files", HEAD + b"\r\n" + repeated(b"begin 644 x@\r\n#86)C\r\n`\r\nend\r\n")
    yield "yEnc lines", HEAD + b"\r\n" + repeated(b"=ybegin line=1 size=1 name=x\r\n")
    yield "tiny parts", MIXED + repeated(b"--Q\r\nContent-Type: a/b\r\n\r\nabcdefg @\r\n")
    yield "tiny text parts", MIXED + repeated(b"--Q\r\n\r\nabcdefg @\r\n")
    yield "tiny messages", MIXED + repeated(
        b"--Q\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\nabcdefg @\r\n")
    yield "small parts", MIXED + repeated(b"--Q\r\nContent-Type: a/b\r\n\r\n@" + WORDS * 13)
    yield "90 levels", nested(90, levels, text)
    few = b"--Q\r\n" + nested(90, levels, b"\r\nx@" * 10) + b"\r\n"
    yield "90 levels, small", MIXED + few * (MEBI // len(few))
    yield "messages in messages", repeated(b"Content-Type: message/rfc822\r\n\r\n")
    yield "90 messages about text", nested(
        90, lambda _, message: HEAD + b"Content-Type: message/rfc822\r\n\r\n" + message, text)
    yield "base64 in base64", nested(16, as_base64, HEAD + b"\r\n" + WORDS * 100)
    yield "quoted-printable in itself", nested(90, as_quoted, text)
    yield "base64 with padding in it", HEAD + BASE64 + repeated(b"QQ==QUJDREVG\r\n")
    yield "base64", (HEAD + b"Content-Type: a/b\r\n" + BASE64 +
                     base64.encodebytes(os.urandom(MEBI * 3 // 4)).replace(b"\n", b"\r\n"))
    yield "quoted-printable with blanks", (HEAD + b"Content-Type: a/b\r\n" + QUOTED +
                                           repeated(b"a==41 = \r\n"))
    fields = b"".join(b"Content-Type: multipart/mixed; boundary=Q%d\r\n" % number for number in range(8))
    parts = b"".join(b"--Q%d\r\n\r\nabc@\r\n" % number for number in range(8))
    yield "boundary parameters", HEAD + fields + b"\r\n" + repeated(parts)
    quotes = repeated(b'boundary="')
    yield "quotes in a field", HEAD + b"Content-Type: multipart/mixed; " + quotes + b"\r\n\r\n"
    yield "one long field", HEAD + b"X-A: " + b"a" * MEBI + b"\r\n\r\nx\r\n"
    yield "one long name", (HEAD + b"Content-Type: a/b; name=\"" + b"a" * MEBI + b"\"\r\n\r\nx\r\n")
    yield "encoded words", (HEAD + b"Content-Type: a/b; name=\"" + repeated(b"=?utf-8?Q?@?=\r\n ") +
                            b"\"\r\n\r\nx\r\n")
    pieces = b"".join(b";\r\n name*%d*=%%41" % number for number in range(10000))
    yield "names in 10,000 pieces", MIXED + (b"--Q\r\nContent-Type: a/b" + pieces + b"\r\n\r\nabc\r\n") * 5
    yield "pieces backwards", MIXED + (b"--Q\r\nContent-Type: a/b" + b"".join(
        b";\r\n name*%d*=%%41" % number for number in range(9999, -1, -1)) + b"\r\n\r\nabc\r\n") * 5
    yield "soft breaks alone", HEAD + b"Content-Type: a/b\r\n" + QUOTED + repeated(b"=\r\n")
    yield "equals signs", HEAD + b"Content-Type: a/b\r\n" + QUOTED + b"=" * MEBI
    yield "yEnc files", HEAD + b"\r\n" + repeated(
        b"=ybegin line=128 size=3 name=x@\r\nabc\r\n=yend size=3\r\n")
    yield "BinHex lines", HEAD + b"\r\n" + repeated(
        b"(This file must be converted with BinHex 4.0)\r\n:@\r\n")
    yield "URLs of data", HEAD + b"\r\n" + repeated(b'"data:,abc@" ')
    yield "one URL of data", HEAD + b"\r\n" + repeated(b"'data:a/b;base64,")
    yield "quoted pieces", HEAD + b"\r\n" + repeated(b"'abc@' + ")
    yield "PGP messages that are cut", HEAD + b"\r\n" + repeated(b"-----BEGIN PGP MESSAGE-----\r\n\r\n@\r\n")
    letters = base64.b64encode(bytes(range(120)))
    yield "quoted base64", HEAD + b"\r\n" + repeated(b"'@" + letters + b"' ")
    yield "base64 in text", HEAD + b"\r\n" + repeated(letters[:76] + b"\r\n")
    yield "digits in text", HEAD + b"\r\n" + repeated(b"0123456789abcdef" * 4 + b"\r\n")
    yield "references", HEAD + b"\r\n" + repeated(b"&#65;")
    yield "UTF-16", (HEAD + b"Content-Type: text/plain; charset=utf-16\r\n" + BASE64 + base64.encodebytes(
        repeated(WORDS, MEBI // 2).decode().encode("utf-16")).replace(b"\n", b"\r\n"))
    yield "pages", MIXED + repeated(b"--Q\r\nContent-Type: text/html\r\n\r\n<p>@" + WORDS * 100 + b"\r\n")
    yield "fields", HEAD + repeated(b"Content-Type: multipart/mixed; boundary=Q\r\n") + b"\r\n"


def spent(configuration, paths):
    """CPU seconds of a run, its inspector's too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [program_path("postern-scan"), "--config", configuration, "--no-mbox", "--answers", "/dev/null"]
    result = subprocess.run([*command, *map(str, paths)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=600, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode not in (0, 1, 2, 3):
        sys.exit(result.stdout.decode())
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "signatures").mkdir(mode=0o755)
        (folder / "signatures" / "test.ndb").write_text(eicar_signature())
        configuration = folder / "postern.conf"
        configuration.write_text(f"[virus]\ndatabase = {folder}/signatures\n[inspector]\nworkers = 1\n")
        message = folder / "message.eml"
        message.write_bytes(HEAD + b"\r\nx\r\n")
        start = min(spent(configuration, [message]) for _ in range(3))
        plain, worst = None, ("", 0)
        for shape, octets in shapes():
            message.write_bytes(octets)
            seconds = min(spent(configuration, [message]) for _ in range(3)) - start
            each = max(seconds, 0) / (len(octets) / MEBI)
            plain = plain or each
            worst = max(worst, (shape, each / plain), key=lambda pair: pair[1])
            print(f"{shape:30} {each:7.3f} CPU s a MiB, {each / plain:6.1f} times plain text", flush=True)
    print(f"most: {worst[0]}, {worst[1]:.1f} times plain text, {MAXIMUM} are allowed")
    return worst[1] > MAXIMUM


if __name__ == "__main__":
    sys.exit(main())

"""The four messages of the demo, and the virus signature that it brings along."""

import base64
import dataclasses
import io
import pathlib
import zipfile

from support.smtp import crlf

DATA = pathlib.Path(__file__).parent / "demo_data"
RECIPIENT = "bob@example.org"
EICAR_BACKWARDS = r"*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE$}7)CC7)^P(45XZP\4[PA@%P!O5X"


@dataclasses.dataclass
class DemoMessage:
    """A message, and what has to become of it."""

    title: str
    sender: str
    octets: bytes
    is_delivered: bool
    enhanced: str  # the RFC 3463 code of the refusal


def eicar():
    """The EICAR test file, put together here so that no scanner finds it in our own files."""
    return EICAR_BACKWARDS[::-1].encode()


def eicar_signature():
    """A line of a libclamav .ndb file that finds it."""
    return f"Eicar-Test-String:0:*:{eicar().hex()}\n"


def infected():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr(zipfile.ZipInfo("invoice.com"), eicar(), zipfile.ZIP_DEFLATED)
    return crlf(
        "From: Carol <carol@partner.example>\nTo: Bob <bob@example.org>\nSubject: Your invoice\n"
        "Date: Fri, 05 Jun 2026 10:05:00 +0000\nMessage-ID: <invoice@partner.example>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="part"\n\n--part\nContent-Type: text/plain\n\nPlease open.\n'
        '\n--part\nContent-Type: application/zip; name="invoice.zip"\nContent-Transfer-Encoding: base64\n'
        'Content-Disposition: attachment; filename="invoice.zip"\n\n'
        f"{base64.encodebytes(archive.getvalue()).decode()}\n--part--\n")


def forged():
    return crlf(
        "From: The bank <service@silent.example>\nTo: Bob <bob@example.org>\nSubject: Your account\n"
        "Date: Fri, 05 Jun 2026 10:10:00 +0000\nMessage-ID: <account@silent.example>\n\n"
        "Please confirm your password.\n")


def signed():
    return crlf((DATA / "signed.eml").read_text())


def altered():
    """The signed message with another sum in its body: the signature is a real one, and no longer right."""
    original = signed()
    changed = original.replace(b"100 EUR", b"900 EUR")
    if changed == original:
        raise ValueError("the signed message has no sum to change")
    return changed


def demo_messages():
    return [
        DemoMessage("clean, DKIM signature right", "ada@signed.example", signed(), True, "2.0.0"),
        DemoMessage("EICAR virus in a zip attachment", "carol@partner.example", infected(), False, "5.7.1"),
        DemoMessage("SPF fail, the sender's domain says -all", "service@silent.example", forged(), False,
                    "5.7.23"),
        DemoMessage("DKIM signature broken, body altered", "ada@signed.example", altered(), False, "5.7.20"),
    ]

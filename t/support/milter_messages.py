"""Messages that both mail servers get through the milter, and the DNS that they are judged by."""

from support.demo_messages import eicar, infected
from support.dkim_signer import Signer
from support.smtp import crlf

CLIENT = "198.51.100.7"     # pass.example sends from here
EXTERNAL = "203.0.113.9"
RECIPIENT = "b@example.org"
SIGNER = Signer("signed.example")
ANSWERS = f"""
pass.example TXT "v=spf1 ip4:{CLIENT} -all"
signed.example TXT "v=spf1 ip4:{CLIENT} -all"
softfail.example TXT "v=spf1 ~all"
temperror.example TXT !SERVFAIL
""" + SIGNER.record()

CLEAN = crlf("From: A <a@pass.example>\nTo: <b@example.org>\nSubject: clean\n"
             "Message-ID: <clean@pass.example>\n"
             "Date: Fri, 05 Jun 2026 10:05:00 +0000\n\nHello.\n.dot\n..dots\n\n\n")
# simple canonicalisation: what happens to the spaces and folds of these fields is seen.
UNSIGNED = crlf("From:   Ada  <ada@signed.example>\nTo:\t<b@example.org>\n"
                "Subject:two  spaces,\n\tand a fold\n"
                "Message-ID: <signed@signed.example>\nDate: Fri, 05 Jun 2026 10:05:00 +0000\n\n"
                "Pay 100 EUR.  \n \n.\n\n\n")
SIGNED = SIGNER.sign(UNSIGNED)
BROKEN = SIGNED.replace(b"100 EUR", b"900 EUR")
BROKEN_HEADER = SIGNED.replace(b"two  spaces", b"two spaces")
INFECTED = infected()
PLAINLY_INFECTED = CLEAN.replace(b"Hello.", eicar())
FORGED = crlf("Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=forged.example\n"
              "Authentication-Results: other.example; spf=pass smtp.mailfrom=kept.example\n"
              "X-First: 1\nauthentication-results: MX.example.org;\n\tdkim=pass header.d=forged.example\n"
              "Postern-Quarantine: forged\nAuthentication-Results: (a comment) mx.example.org; none\n"
              "Authentication-Results: third.example; dkim=pass header.d=kept.example\n"
              "Postern-Quarantine: forged too\n"
              "From: a@pass.example\nTo: b@example.org\nSubject: forged\nMessage-ID: <forged@pass.example>\n"
              "Date: Fri, 05 Jun 2026 10:05:00 +0000\n\nHello.\n")
UNFORGED = crlf("Authentication-Results: other.example; spf=pass smtp.mailfrom=kept.example\nX-First: 1\n"
                "Authentication-Results: third.example; dkim=pass header.d=kept.example\n"
                "From: a@pass.example\nTo: b@example.org\nSubject: forged\n"
                "Message-ID: <forged@pass.example>\nDate: Fri, 05 Jun 2026 10:05:00 +0000\n\nHello.\n")

FROM = ("From: a@pass.example\nTo: b@example.org\nMessage-ID: <x@pass.example>\n"
        "Date: Fri, 05 Jun 2026 10:05:00 +0000\n")
SHAPES = {
    "clean": CLEAN,
    "signed": SIGNED,
    "no body": crlf(FROM + "\n"),
    "empty lines": crlf(FROM + "\n" + "\n" * 300),
    "long line": crlf(FROM + f"Subject: {'s' * 900}\n\n{'x' * 900}\n"),
    "folded": crlf(FROM + "Subject: one\n two\n\tthree\n   four\nX-Empty:\nX-Space: \nX-None:x\n\nHello.\n"),
    "8 bits": crlf(FROM + "Subject: Gr\u00fc\u00dfe\n\n\u732b \u00fc\n"),
    "many fields": crlf(FROM + "".join(f"X-{number}: {number}\n" for number in range(500)) + "\nHello.\n"),
    "a mebibyte": crlf(FROM + "\n" + ("z" * 75 + "\n") * 14000),
}

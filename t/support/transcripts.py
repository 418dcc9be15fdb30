"""
Transcripts of clients for the differential test: each command, parameter and order that RFC 5321 and its
extensions allow, and as many that they forbid,
made from tables. example.org is the domain that mail is taken for.
"""

import base64
import dataclasses
import itertools
import random

DOMAIN = "example.org"
SENDER, RECIPIENT = b"<a@sender.example>", b"<b@example.org>"
MESSAGE = b"From: a@sender.example\r\nTo: b@example.org\r\nSubject: transcript\r\n\r\nHello.\r\n.\r\n"
END = b"\r\n"
LONG = 3000  # octets, over the longest command line
FLOOD = 25  # commands in one session, over what servers take without delay


@dataclasses.dataclass(frozen=True)
class Step:
    """
    octets go out in one write, then replies come. if_asked: only if the last reply was 3xx. tls: a handshake
    follows if the reply is 220. unread: what comes cannot be told; all is read until the server is silent.
    """
    octets: bytes
    replies: int = 1
    if_asked: bool = False
    tls: bool = False
    unread: bool = False

    @property
    def verb(self):
        words = self.octets.split(None, 1) or [b"(empty)"]
        if self.if_asked:
            return "(asked)"
        word = words[0].upper()
        return word[:12].decode("ascii", "replace") if word.isalpha() else "(odd)"


@dataclasses.dataclass(frozen=True)
class Transcript:
    family: str
    steps: tuple

    def __str__(self):
        return " | ".join(shown(step.octets) for step in self.steps)


def shown(octets, most=100):
    text = repr(octets if len(octets) <= most else octets[:most])[2:-1]
    return text if len(octets) <= most else f"{text}…{len(octets)}"


def say(*lines):
    return tuple(Step(line + END) for line in lines)


def group(*lines):
    """Commands in one write."""
    return Step(b"".join(line + END for line in lines), len(lines))


def rest(octets):
    return Step(octets, unread=True)


def data(octets=MESSAGE):
    return (Step(b"DATA\r\n"), Step(octets, if_asked=True))


EHLO, HELO, QUIT = say(b"EHLO client.example"), say(b"HELO client.example"), say(b"QUIT")
MAIL, RCPT = say(b"MAIL FROM:" + SENDER), say(b"RCPT TO:" + RECIPIENT)
STATES = {
    "connected": (), "HELO": HELO, "EHLO": EHLO, "MAIL": EHLO + MAIL, "RCPT": EHLO + MAIL + RCPT,
    "RCPT refused": EHLO + MAIL + say(b"RCPT TO:<x@elsewhere.example>"),
    "message": EHLO + MAIL + RCPT + data(), "RSET": EHLO + MAIL + RCPT + say(b"RSET")}

HELLO_NAMES = (
    b"client.example", b"client", b"client.example.", b"CLIENT.EXAMPLE", b"a.b.c.d.e.f.example", b"localhost",
    b"x-y.example", b"-x.example", b"x-.example", b"x_y.example", b"_x.example", b"1.example", b"192.0.2.1",
    b"127.0.0.1", b"[192.0.2.1]", b"[127.0.0.1]", b"[IPv6:2001:db8::1]", b"[IPv6:::1]", b"[2001:db8::1]",
    b"[]", b"[",
    b"[192.0.2.1", b"192.0.2.1]", b"[192.0.2.256]", b"[192.0.2]", b"[x]", b"[IPv6:x]", b"[tag:content]", b"",
    b" client.example", b"client.example ", b"client.example\t", b"\tclient.example",
    b"client.example more words",
    b"client.example SIZE=1", b"client..example", b".client.example", b"..", b".", b"*", b"@",
    b"a@client.example",
    b"<client.example>", b'"client.example"', b"(comment)", b"client.example (comment)", b"client,example",
    b"a/b",
    b"client:25", b"client;example", b"client!example", b"client%example", b"x" * 63 + b".example",
    b"x" * 64 + b".example", b".".join([b"x" * 50] * 5), b"x" * 300, b"x." * 200 + b"example", b"x" * 600,
    b"b\xc3\xbcro.example",
    b"b\xfcro.example", b"xn--bro-hoa.example", b"client\x01.example", b"client=example", b"$client",
    b"client'example",
    b"#client", b"client\\example", b"my pc", b"ylmf-pc", b"postfix.example", b"0", b"FROM:<a@b>",
    b"client.example\x7f")

PATHS = (
    b"<a@example.org>", b"a@example.org", b" <a@example.org>", b"  <a@example.org>", b" a@example.org",
    b"\t<a@example.org>",
    b"<a@example.org> ", b"<a@example.org>  ", b"< a@example.org>", b"<a@example.org >", b"< a@example.org >",
    b"<a @example.org>", b"<a@ example.org>", b"<a @ example.org>", b"<A@EXAMPLE.ORG>", b"<a@Example.Org>",
    b"<a@example.org.>",
    b"<a@example..org>", b"<a@.example.org>", b"<.a@example.org>", b"<a.@example.org>", b"<a..b@example.org>",
    b"<a.b@example.org>", b"<a+b@example.org>", b"<a-b@example.org>", b"<-a@example.org>",
    b"<a_b@example.org>", b"<a=b@example.org>",
    b"<a/b@example.org>", b"<!#$%&'*+/=?^_`{|}~@example.org>", b"<a%elsewhere.example@example.org>",
    b"<elsewhere.example!a@example.org>",
    b"<elsewhere.example!a>", b"<a%example.org>", b"<a%example.org@>", b'<"a"@example.org>',
    b'<"a b"@example.org>', b'<"a@b"@example.org>',
    b'<"a\\"b"@example.org>', b'<"a\\\\b"@example.org>', b'<"a\\ b"@example.org>', b'<"a<b"@example.org>',
    b'<"a>b"@example.org>', b'<""@example.org>',
    b'<"a"."b"@example.org>', b'<a."b"@example.org>', b'<"a@example.org>', b'<a"@example.org>',
    b'<"a"b@example.org>', b"<a\\b@example.org>",
    b"<a\\@b@example.org>", b"<a b@example.org>", b"<@example.org>", b"<@>", b"<a@>", b"<a>", b"<>", b"",
    b" ", b"<", b">", b"< >", b"<<>>",
    b"<<a@example.org>>", b"<<a@example.org>", b"<a@example.org>>", b"<a@example.org", b"a@example.org>",
    b"<a@@example.org>",
    b"<a@b@example.org>", b"<a@example.org@example.org>", b"<@one.example:a@example.org>",
    b"<@one.example,@two.example:a@example.org>",
    b"<@example.org:a@example.org>", b"<@one.example>", b"<@one.example:>", b"@one.example:a@example.org",
    b"<@:a@example.org>", b"<:a@example.org>",
    b"<a@[192.0.2.1]>", b"<a@[IPv6:2001:db8::1]>", b"<a@[127.0.0.1]>", b"<a@[]>", b"<a@[x]>",
    b"<a@[192.0.2.1>", b"<a@192.0.2.1>", b"<a@#123>",
    b"<a@example_x.org>", b"<a@-example.org>", b"<a@example-.org>", b"<a@example>", b"<a@localhost>",
    b"<a@1.example>", b"<a@example.org,c@example.org>",
    b"<a@example.org>,<c@example.org>", b"<a@example.org><c@example.org>",
    b"<a@example.org> <c@example.org>", b"<a@example.org>;", b"<a@example.org;c@example.org>",
    b"A <a@example.org>", b'"A" <a@example.org>', b"<a@example.org> (comment)", b"<a(comment)@example.org>",
    b"<a@example.org(comment)>", b"(comment)<a@example.org>",
    b"<a@example.org>x", b"<a@example.org>\t", b"<a,b@example.org>", b"<a;b@example.org>",
    b"<a:b@example.org>", b"<a(b@example.org>", b"<a)b@example.org>", b"<a[b@example.org>",
    b"<a]b@example.org>",
    b"<a\x01b@example.org>", b"<a\x7fb@example.org>", b"<a\tb@example.org>", b"<\xc3\xa4@example.org>",
    b"<\xe4@example.org>", b"<a@ex\xc3\xa4mple.org>",
    b"<a@xn--exmple-cua.org>", b"<" + b"x" * 64 + b"@example.org>", b"<" + b"x" * 65 + b"@example.org>",
    b"<" + b"x" * 250 + b"@example.org>",
    b"<" + b"x" * 900 + b"@example.org>", b"<a@" + b"x" * 63 + b".example>",
    b"<a@" + b"x" * 64 + b".example>", b"<a@" + b"x." * 120 + b"example>",
    b"<a@" + b"x." * 300 + b"example>", b"<postmaster>", b"<Postmaster>", b"<POSTMASTER@example.org>",
    b"<abuse@example.org>", b"<MAILER-DAEMON>",
    b"<root>", b"root", b"<a@elsewhere.example>", b"<|program@example.org>", b"<|program>",
    b"</file@example.org>", b"<:include:/file@example.org>", b"<~a@example.org>",
    b"<a'b@example.org>", b"<a`b@example.org>", b"<$a@example.org>", b"<#a@example.org>", b"<*@example.org>",
    b"<a@example.org:25>", b"<a@example.org/x>", b"<mailto:a@example.org>",
    b"<a@example.org?x=y>", b"a", b"a b", b"<SIZE=1>", b"SIZE=1", b"<a@example.org>SIZE=1",
    b"<a@client.sender.example>", b"<SRS0=x=y=elsewhere.example=a@example.org>",
    b"<prvs=0123456789=a@example.org>", b"<a@example.org\\>", b"<a\\>@example.org>", b"\\<a@example.org\\>")

PATH_COMMANDS = ((b"MAIL FROM:", b"RCPT TO:"),)
PREFIXES = (
    b"%s %s:", b"%s  %s:", b"%s\t%s:", b"%s %s :", b"%s %s: ", b"%s %s :  ", b"%s%s:", b"%s %s", b"%s %s ",
    b"%s: ", b"%s ", b"%s", b" %s %s:", b"%s:%s:",
    b"%s %s::", b"%s %s=", b"%s x%s:")

MAIL_PARAMETERS = (
    b"SIZE=100", b"SIZE=0", b"size=100", b"Size=100", b"SIZE=", b"SIZE", b"SIZE=x", b"SIZE=-1", b"SIZE=+1",
    b"SIZE=1x", b"SIZE= 1", b"SIZE =1", b"SIZE=1.5",
    b"SIZE=0x10", b"SIZE=00100", b"SIZE=1000000", b"SIZE=999999999", b"SIZE=99999999999",
    b"SIZE=9223372036854775807", b"SIZE=18446744073709551616", b"SIZE=" + b"9" * 25,
    b"SIZE=1 SIZE=1", b"SIZE=1 SIZE=2", b"BODY=7BIT", b"BODY=8BITMIME", b"body=8bitmime", b"BODY=7bit",
    b"BODY=BINARYMIME", b"BODY=", b"BODY", b"BODY=x", b"BODY=8BIT",
    b"BODY=8BITMIME BODY=7BIT", b"BODY=8BITMIME SIZE=100", b"SIZE=100 BODY=8BITMIME", b"SMTPUTF8",
    b"smtputf8", b"SMTPUTF8=1", b"SMTPUTF8 BODY=8BITMIME", b"SMTPUTF8 SIZE=100 BODY=8BITMIME",
    b"SMTPUTF8 SMTPUTF8", b"SMTPUTF8=", b"RET=FULL", b"RET=HDRS", b"ret=hdrs", b"RET=", b"RET", b"RET=x",
    b"RET=FULL RET=HDRS", b"ENVID=x", b"ENVID=", b"ENVID", b"envid=abc+20def", b"ENVID=a+b",
    b"ENVID=a+zz", b"ENVID=a=b", b"ENVID=" + b"x" * 100, b"ENVID=" + b"x" * 101, b"ENVID=x ENVID=y",
    b"RET=HDRS ENVID=x SIZE=1 BODY=8BITMIME", b"AUTH=<>", b"AUTH=a@sender.example", b"AUTH=",
    b"AUTH", b"AUTH=a+20b", b"AUTH=<> SIZE=1", b"auth=<>", b"AUTH=a+", b"REQUIRETLS", b"REQUIRETLS=1",
    b"MT-PRIORITY=1", b"BY=120;R", b"HOLDFOR=10", b"HOLDUNTIL=2030-01-01T00:00:00Z", b"SOLICIT=x",
    b"TRANSID=<x@y>",
    b"SUBMITTER=a@sender.example", b"X", b"X=1", b"XVERP", b"XVERP=+-", b"NOTIFY=NEVER", b"PRDR", b"CONPERM",
    b"=x", b"=", b"x==y", b"a b c", b"SIZE=1,BODY=7BIT", b"SIZE=1;BODY=7BIT", b"SIZE=1\tBODY=7BIT",
    b"SIZE=1  BODY=7BIT", b"SIZE=1 ", b" SIZE=1", b"\tSIZE=1", b"<SIZE=1>", b'SIZE="1"', b"\xc3\xa4=1",
    b"X=\xc3\xa4", b"X-A=1", b"-A=1", b"A-=1", b"A_B=1", b"A.B", b"1=1", b"SIZE=1 X=1", b"X=1 SIZE=1",
    b"BODY=8BITMIME X",
    b" ".join([b"X=1"] * 20), b" ".join(b"X%d=1" % number for number in range(40)), b"X=" + b"x" * 800,
    b"<c@example.org>", b"c@example.org", b"(comment)", b"FROM:<c@example.org>")

RCPT_PARAMETERS = (
    b"NOTIFY=NEVER", b"NOTIFY=SUCCESS", b"NOTIFY=FAILURE", b"NOTIFY=DELAY", b"NOTIFY=SUCCESS,FAILURE",
    b"NOTIFY=SUCCESS,FAILURE,DELAY", b"NOTIFY=DELAY,FAILURE", b"notify=never", b"NOTIFY=never", b"NOTIFY=",
    b"NOTIFY", b"NOTIFY=x", b"NOTIFY=NEVER,SUCCESS", b"NOTIFY=SUCCESS,NEVER", b"NOTIFY=SUCCESS,SUCCESS",
    b"NOTIFY=,", b"NOTIFY=SUCCESS,", b"NOTIFY=,SUCCESS", b"NOTIFY=SUCCESS FAILURE",
    b"NOTIFY=SUCCESS, FAILURE",
    b"NOTIFY=NEVER NOTIFY=NEVER", b"ORCPT=rfc822;b@example.org", b"ORCPT=rfc822;b+2Bx@example.org",
    b"ORCPT=RFC822;b@example.org", b"orcpt=rfc822;b@example.org", b"ORCPT=utf-8;b@example.org",
    b"ORCPT=x400;x",
    b"ORCPT=x;y", b"ORCPT=", b"ORCPT", b"ORCPT=b@example.org", b"ORCPT=rfc822;", b"ORCPT=;b",
    b"ORCPT=rfc822:b@example.org", b"ORCPT=rfc822;b+zz@example.org", b"ORCPT=rfc822;b=c@example.org",
    b"ORCPT=rfc822;" + b"x" * 480, b"ORCPT=rfc822;" + b"x" * 600, b"ORCPT=rfc822;b@x ORCPT=rfc822;c@x",
    b"NOTIFY=NEVER ORCPT=rfc822;b@example.org", b"ORCPT=rfc822;b@example.org NOTIFY=FAILURE,DELAY",
    b"SIZE=1", b"BODY=8BITMIME", b"RET=HDRS", b"ENVID=x", b"RRVS=2014-04-03T23:01:00Z", b"X", b"X=1", b"=",
    b"=1", b"x y", b"NOTIFY=NEVER ", b" NOTIFY=NEVER", b"\tNOTIFY=NEVER", b"X=1 NOTIFY=NEVER",
    b"NOTIFY=NEVER X=1",
    b"<c@example.org>", b"c@example.org", b"TO:<c@example.org>", b"(comment)", b",", b";", b"CONNEG",
    b"SMTPUTF8", b"X=" + b"x" * 800, b"\xc3\xa4")

VERBS = (
    b"NOOP", b"noop", b"NOOP x", b"NOOP with several words", b"NOOP <a@b>", b" NOOP", b"NOOP ", b"RSET",
    b"rset", b"RSET x", b"RSET ", b"HELP", b"help", b"HELP MAIL", b"HELP x y", b"HELP NOTHING",
    b"VRFY b@example.org",
    b"VRFY <b@example.org>", b"VRFY b", b"VRFY", b"VRFY x@elsewhere.example", b"VRFY <>",
    b"VRFY b@example.org SMTPUTF8", b"vrfy postmaster", b"VRFY a b", b"EXPN list", b"EXPN",
    b"EXPN <list@example.org>", b"expn postmaster", b"ETRN example.org",
    b"ETRN @example.org", b"ETRN #queue", b"ETRN", b"ETRN elsewhere.example", b"ETRN [192.0.2.1]",
    b"ETRN a b", b"AUTH", b"AUTH PLAIN", b"AUTH PLAIN =", b"AUTH LOGIN", b"AUTH CRAM-MD5", b"AUTH NOTHING",
    b"AUTH PLAIN AGEAYg==", b"AUTH PLAIN !!!!", b"AUTH PLAIN a b", b"STARTTLS x", b"TURN",
    b"SEND FROM:<a@b>", b"SOML FROM:<a@b>",
    b"SAML FROM:<a@b>", b"XXXX", b"X", b"XCLIENT ADDR=192.0.2.1", b"XCLIENT", b"XFORWARD ADDR=192.0.2.1",
    b"XFORWARD", b"XEXCH50 1 2", b"BURL imap://x LAST", b"ATRN", b"LHLO client.example", b"", b" ", b"\t",
    b"  QUIT", b"\tQUIT", b"QUIT x", b"quit", b"QuIt", b"QUIT ",
    b"DATA x", b"DATA ", b"data", b"MAIL", b"RCPT", b"MAIL FROM", b"RCPT TO",
    b"mail from:<a@sender.example>", b"rcpt to:<b@example.org>", b"MAIL TO:<a@sender.example>",
    b"RCPT FROM:<b@example.org>", b"MAIL FROM:<>", b"EHLO", b"HELO", b"EHLO again.example",
    b"HELO again.example",
    b"ehlo again.example", b"NOOPX", b"QUITX", b"RSETX", b"DATAX", b"MAILX", b"HELOX x", b"VERB", b"ONEX",
    b"DEBUG", b"WIZ", b"SHOWQ", b"QUEU", b"TICK", b"220 hello", b"250 ok", b".", b"..", b"-", b"?", b"\x00",
    b"\x00\x01\x02", b"\xff\xfe", b"NO\x00OP", b"NOOP\x00", b"NOOP \x00", b"N\xc3\xb6OP", b"HE LO x",
    b"\x1b[A",
    b"GET / HTTP/1.0", b"Subject: hello", b"From: a@sender.example", b"Hello.", b"EHLO\tclient.example",
    b"\x08NOOP", b"NOOP\x7f", b"CONNECT x:25 HTTP/1.1", b"OPTIONS * RTSP/1.0", b"POST / HTTP/1.1",
    b"Host: x", b"USER x", b"PASS x", b"A1 LOGIN x y", b"SSH-2.0-x", b"STAT", b"LIST")

BODIES = {
    "plain": b"Subject: x\r\n\r\nHello.\r\n.\r\n", "empty": b".\r\n", "a line": b"Hello.\r\n.\r\n",
    "an empty line": b"\r\n.\r\n", "header alone": b"Subject: x\r\n.\r\n",
    "header, empty line": b"Subject: x\r\n\r\n.\r\n",
    "two dots": b"Subject: x\r\n\r\n..\r\n.\r\n", "three dots": b"Subject: x\r\n\r\n...\r\n.\r\n",
    "dot and word": b"Subject: x\r\n\r\n.x\r\n.\r\n", "dot and blank": b"Subject: x\r\n\r\n. \r\n.\r\n",
    "dots first": b"..\r\n.\r\n",
    "only dots": b"..\r\n" * 20 + b".\r\n", "no header": b"Hello\r\nthere\r\n.\r\n",
    "colon first": b": x\r\n\r\nx\r\n.\r\n", "fold first": b" x\r\nSubject: x\r\n\r\nx\r\n.\r\n",
    "field with blank": b"Subject : x\r\n\r\nx\r\n.\r\n",
    "from line": b"From a@b Mon Jan  1 00:00:00 2024\r\nSubject: x\r\n\r\nx\r\n.\r\n",
    "8 bits": b"Subject: x\r\n\r\n\xc3\xa4\xff\r\n.\r\n",
    "8 bits in header": b"Subject: \xc3\xa4\r\n\r\nx\r\n.\r\n", "NUL": b"Subject: x\r\n\r\na\x00b\r\n.\r\n",
    "NUL in header": b"Subject: a\x00b\r\n\r\nx\r\n.\r\n",
    "controls": b"Subject: x\r\n\r\n\x01\x02\x1b\x7f\r\n.\r\n",
    "998": b"Subject: x\r\n\r\n" + b"x" * 998 + b"\r\n.\r\n",
    "999": b"Subject: x\r\n\r\n" + b"x" * 999 + b"\r\n.\r\n",
    "2,048": b"Subject: x\r\n\r\n" + b"x" * 2048 + b"\r\n.\r\n",
    "10,000": b"Subject: x\r\n\r\n" + b"x" * 10000 + b"\r\n.\r\n",
    "100,000": b"Subject: x\r\n\r\n" + b"x" * 100000 + b"\r\n.\r\n",
    "long field": b"Subject: " + b"x" * 5000 + b"\r\n\r\nx\r\n.\r\n",
    "long dots": b"Subject: x\r\n\r\n" + b"." * 3000 + b"\r\n.\r\n",
    "many lines": b"Subject: x\r\n\r\n" + b"line\r\n" * 5000 + b".\r\n",
    "many fields": b"".join(b"X-%d: x\r\n" % number for number in range(500)) + b"\r\nx\r\n.\r\n",
    "many empty lines": b"Subject: x\r\n\r\n" + b"\r\n" * 500 + b".\r\n",
    "trailing blanks": b"Subject: x  \r\n\r\nx  \r\n \r\n.\r\n",
    "quit within": b"Subject: x\r\n\r\nQUIT\r\nRSET\r\n.\r\n",
    "received": b"Received: from x by y; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 10 + b"\r\nx\r\n.\r\n",
    "no from": b"To: b@example.org\r\n\r\nx\r\n.\r\n",
    "two froms": b"From: a@b.example\r\nFrom: c@d.example\r\n\r\nx\r\n.\r\n",
    "odd from": b"From: a@\r\n\r\nx\r\n.\r\n",
    "resent": b"Resent-From: a@b.example\r\nSubject: x\r\n\r\nx\r\n.\r\n",
    "mime": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nx\r\n--x--\r\n.\r\n",
    "bcc": b"Bcc: c@example.org\r\nSubject: x\r\n\r\nx\r\n.\r\n",
    "date": b"Date: never\r\nMessage-ID: x\r\n\r\nx\r\n.\r\n",
    "return path": b"Return-Path: <a@b.example>\r\nSubject: x\r\n\r\nx\r\n.\r\n"}
# How a message may seem to end. QUIT follows each, then a real end and QUIT again.
ENDS = tuple(b"".join(parts) for parts in itertools.product(
    (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x00\r\n"), (b".", b" .", b".\x00", b"..", b". "),
    (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r\n")))


def once(family, steps):
    return Transcript(family, tuple(steps) + QUIT)


def hello():
    for verb, name in itertools.product((b"EHLO", b"HELO"), HELLO_NAMES):
        yield once("hello", say(verb + b" " + name) + MAIL + RCPT + data())
    for verb in (b"ehlo", b"EhLo", b"hElO", b"EHLO ", b"EHLO\t", b" EHLO", b"EHLO:", b"EHLO,", b"HELO  ",
                 b"ELHO", b"EHLOO"):
        yield once("hello", say(verb + b" client.example") + MAIL + RCPT + data())
    for first, second in itertools.product((EHLO, HELO), repeat=2):
        yield once("hello twice", first + second + MAIL + RCPT + data())
        yield once("hello twice", first + MAIL + RCPT + second + RCPT + data())
        yield once("hello twice", first + MAIL + second + MAIL + RCPT + data())


def paths():
    for greeting, path in itertools.product((EHLO, HELO), PATHS):
        yield once("MAIL path", greeting + say(b"MAIL FROM:" + path) + RCPT + data())
        yield once("RCPT path", greeting + MAIL + say(b"RCPT TO:" + path) + RCPT + data())
    for path in PATHS:
        yield once("RCPT path alone", EHLO + say(b"MAIL FROM:<>", b"RCPT TO:" + path) + data())
    for prefix, path in itertools.product(PREFIXES, (b"<a@example.org>", b"a@example.org", b"<>")):
        for verb, preposition in ((b"MAIL", b"FROM"), (b"RCPT", b"TO"), (b"mail", b"from"), (b"Rcpt", b"To")):
            words = (verb, preposition)[:prefix.count(b"%s")]
            line = say(prefix % words + path)
            mail = verb.upper() == b"MAIL"
            yield once(f"{verb.upper().decode()} spelling",
                       EHLO + (line if mail else MAIL + line) + RCPT + data())


def parameters():
    path_mail, path_rcpt = b"MAIL FROM:" + SENDER + b" ", b"RCPT TO:" + RECIPIENT + b" "
    for greeting, text in itertools.product((EHLO, HELO), MAIL_PARAMETERS):
        yield once("MAIL parameter", greeting + say(path_mail + text) + RCPT + data())
    for greeting, text in itertools.product((EHLO, HELO), RCPT_PARAMETERS):
        yield once("RCPT parameter", greeting + MAIL + say(path_rcpt + text) + data())
    for text in MAIL_PARAMETERS[:60:3]:
        yield once("MAIL parameter without brackets",
                   EHLO + say(b"MAIL FROM:a@sender.example " + text) + RCPT + data())
        yield once("MAIL parameter of the null path", EHLO + say(b"MAIL FROM:<> " + text) + RCPT + data())
    for address in (b"\xc3\xa4@example.org", b"a@ex\xc3\xa4mple.org", b"\xe4@example.org",
                    b"\xff@example.org", b"a@\xe4.org"):
        mail = say(b"MAIL FROM:<" + address + b"> SMTPUTF8")
        yield once("SMTPUTF8 address", EHLO + mail + RCPT + data())
        yield once("SMTPUTF8 address", EHLO + say(path_mail + b"SMTPUTF8",
                                                  b"RCPT TO:<" + address + b">") + data())
        yield once("SMTPUTF8 address", EHLO + MAIL + say(b"RCPT TO:<" + address + b">") + data())
        yield once("SMTPUTF8 address", EHLO + say(path_mail + b"SMTPUTF8", b"VRFY " + address))


def orders(chosen):
    pieces = {"h": HELO, "e": EHLO, "m": MAIL, "r": RCPT, "x": say(b"RCPT TO:<x@elsewhere.example>"),
              "d": data(), "s": say(b"RSET"), "n": say(b"NOOP")}
    sequences = [sequence for length in (1, 2, 3) for sequence in itertools.product(pieces, repeat=length)]
    sequences += [tuple(chosen.choices(list(pieces), k=chosen.randint(4, 8))) for _ in range(400)]
    sequences += [("e", *chosen.choices("mrxdsv"[:5], k=chosen.randint(3, 8))) for _ in range(200)]
    for sequence in dict.fromkeys(sequences):
        yield once("order", tuple(itertools.chain.from_iterable(pieces[piece] for piece in sequence)))


def states():
    for (state, before), verb in itertools.product(STATES.items(), VERBS):
        yield once(f"verb after {state}", before + say(verb))
    for verb in (b"NOOP", b"RSET", b"HELP", b"VRFY b@example.org", b"XXXX", b"", b"EXPN x",
                 b"ETRN example.org", b"NOOP x", b"rset"):
        yield once("verb within", EHLO + MAIL + say(verb) + RCPT + data())
        yield once("verb within", EHLO + MAIL + RCPT + say(verb) + data())
        yield once("verb within", EHLO + MAIL + RCPT + data() + say(verb) + MAIL + RCPT + data())


def bodies():
    for greeting, body in itertools.product((EHLO, HELO), BODIES.values()):
        yield once("message", greeting + MAIL + RCPT + data(body))
    for body in BODIES.values():
        yield once("message of 8BITMIME",
                   EHLO + say(b"MAIL FROM:<> BODY=8BITMIME") + RCPT + data(body) + MAIL + RCPT + data())
    for end in ENDS:
        octets = b"Subject: x\r\n\r\nHello." + end + b"QUIT\r\n.\r\nQUIT\r\n"
        yield Transcript("end of data", EHLO + MAIL + RCPT + (Step(b"DATA\r\n"), rest(octets)))
    for octets in (b"a\nb", b"a\rb", b"a\r\rb", b"a\n\nb", b"a\n\rb", b"\n.a", b"\r.a", b"\n.\na",
                   b"a\x00\nb"):
        yield once("bare newline", EHLO + MAIL + RCPT + data(b"Subject: x\r\n\r\n" + octets + b"\r\n.\r\n"))
        yield once("bare newline in header",
                   EHLO + MAIL + RCPT + data(b"Subject: x" + octets + b"\r\n\r\nx\r\n.\r\n"))


def pipelines():
    mail, rcpt = b"MAIL FROM:" + SENDER, b"RCPT TO:" + RECIPIENT
    bad, foreign, hello_line = b"RCPT TO:<>", b"RCPT TO:<x@elsewhere.example>", b"EHLO client.example"
    pieces = (mail, rcpt, foreign, bad, b"RSET", b"NOOP", b"VRFY b@example.org", b"XXXX", hello_line)
    for lines in itertools.product(pieces, repeat=2):
        yield once("pipelined", EHLO + (group(*lines),))
    for count in (1, 2, 3, 10, 50):
        for kind in (rcpt, foreign, bad):
            yield once("pipelined", EHLO + (group(mail, *[kind] * count, b"DATA"), Step(MESSAGE,
                                                                                        if_asked=True)))
            yield once("pipelined", EHLO + (group(mail, rcpt, *[kind] * count, b"DATA"), Step(MESSAGE,
                                                                                              if_asked=True)))
    message = MESSAGE + mail + END + rcpt + END + b"DATA" + END
    yield once("pipelined", EHLO + (group(mail, rcpt, b"DATA"), Step(message, 4, if_asked=True),
                                    Step(MESSAGE, if_asked=True)))
    yield Transcript("pipelined", EHLO + (group(mail, rcpt, b"DATA"), rest(MESSAGE + b"QUIT\r\n")))
    for body in (MESSAGE, b".\r\n"):
        for lines in ((mail, rcpt), (mail, foreign), (mail, bad), (mail,), (rcpt,), ()):
            text = b"".join(line + END for line in (*lines, b"DATA"))
            yield Transcript("message before 354", EHLO + (rest(text + body + b"QUIT\r\n"),))
    yield Transcript("all at once", (rest(END.join((hello_line, mail, rcpt, b"DATA",
                                                    b"")) + MESSAGE + b"QUIT\r\n"),))
    yield Transcript("all at once", (rest(END.join((b"HELO client.example", mail, rcpt, b"QUIT", b""))),))
    yield Transcript("all at once", (rest(END.join((hello_line, mail, rcpt, b"RSET", b"QUIT", b""))),))
    for last in (b"NOOP", b"QUIT", b"DATA", b"RSET", b"EHLO x.example", b"VRFY x", b"STARTTLS", b"XXXX"):
        yield Transcript("behind QUIT", EHLO + (rest(b"QUIT\r\n" + last + b"\r\n"),))
        yield Transcript("half a line", EHLO + (Step(last[:2], 0), rest(last[2:] + b"\r\nQUIT\r\n")))


def lines():
    for verb in (b"NOOP ", b"XXXX ", b"EHLO ", b"HELP ", b"VRFY ", b"MAIL FROM:<", b"RCPT TO:<"):
        for length in (400, 505, 512, 600, 998, 1000, 1024, 1500, 2000, 2046, 2048, LONG, 5000, 12288, 20000,
                       100000):
            yield once("long line",
                       EHLO + (say(verb + b"x" * (length - len(verb) - 2))) + MAIL + RCPT + data())
    for verb in (b"NOOP", b"RSET", b"MAIL FROM:<a@sender.example>", b"EHLO x.example", b"XXXX", b"DATA"):
        for newline in (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\n\n", b" \r\n", b"\t\r\n",
                        b"\x00\r\n", b"\x00\n", b"\r\x00\r\n"):
            yield Transcript("newline of a command", EHLO + (rest(verb + newline + b"NOOP\r\nQUIT\r\n"),))
            yield Transcript("newline of all", (rest(newline.join((b"EHLO x.example", verb, b"NOOP", b"QUIT",
                                                                   b""))),))
    for octets in (b"\x00", b"\r", b"\n", b"\x80", b"\xff", b"\x01", b"\x7f", b"\t", b"\x0b", b"\x0c"):
        for form in (b"NOOP%s\r\n", b"%sNOOP\r\n", b"NO%sOP\r\n", b"NOOP a%sb\r\n",
                     b"MAIL FROM:<a%sb@sender.example>\r\n", b"EHLO a%sb\r\n"):
            yield Transcript("odd octet", EHLO + (rest(form % octets + b"QUIT\r\n"),))


def chunks():
    begun = EHLO + MAIL + RCPT
    text = b"Subject: x\r\n\r\nHello.\r\n"
    whole = b"BDAT %d LAST\r\n" % len(text) + text
    half = b"BDAT %d\r\n" % len(text) + text
    after_half = (b"BDAT 0 LAST", b"RSET", b"NOOP", b"MAIL FROM:<a@b>", b"RCPT TO:<b@example.org>", b"DATA",
                  b"EHLO x.example", b"VRFY x", b"QUIT")
    alone = (b"BDAT 0 LAST\r\n", b"BDAT 3 LAST\r\n.\r\n", b"BDAT 5 LAST\r\na\nb\r\n",
             b"BDAT 4 LAST\r\na\x00\r\n", b"BDAT 1 LAST\r\nx", b"bdat %d last\r\n" % len(text) + text, half,
             whole)
    for steps in (*((half, line + END) for line in after_half), *((octets,) for octets in alone),
                  (half, whole), (half, half, whole), (b"BDAT 0\r\n", whole), (whole, whole)):
        for before in (begun, EHLO + MAIL, EHLO, (), HELO + MAIL + RCPT,
                       EHLO + MAIL + say(b"RCPT TO:<x@elsewhere.example>")):
            yield once("BDAT", before + tuple(Step(octets) for octets in steps))
    for form in (b"BDAT", b"BDAT ", b"BDAT x", b"BDAT -1", b"BDAT LAST", b"BDAT 5 FIRST", b"BDAT 5 LAST x",
                 b"BDAT 99999999999999999999", b"BDAT 99999999999999999999 LAST", b"BDAT 0x5", b"BDAT +5",
                 b"BDAT 5LAST", b"BDAT\t0\tLAST", b"BDAT  0  LAST", b"BDAT 0 LAST "):
        yield Transcript("BDAT form", begun + (rest(form + b"\r\nQUIT\r\n"),))
        yield Transcript("BDAT form", EHLO + (rest(form + b"\r\nQUIT\r\n"),))
    for body in (b"BINARYMIME", b"8BITMIME"):
        yield once("BDAT", EHLO + say(b"MAIL FROM:<a@sender.example> BODY=" + body) + RCPT + (Step(whole),))
    group_octets = b"MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n" + half + whole
    yield once("BDAT pipelined", EHLO + (Step(group_octets, 4),))
    yield once("BDAT pipelined", EHLO + (Step(group_octets + group_octets, 8),))


def secured():
    tls = (Step(b"STARTTLS\r\n", tls=True),)
    mail = MAIL + RCPT + data()
    for before, after in itertools.product(((), HELO, EHLO, EHLO + MAIL, EHLO + MAIL + RCPT,
                                            EHLO + MAIL + RCPT + data(), EHLO + say(b"RSET")),
                                           ((), EHLO + mail, HELO + mail, mail, EHLO + tls,
                                            EHLO + say(b"NOOP") + mail, say(b"RSET"), RCPT,
                                            say(b"VRFY b@example.org"), EHLO + say(b"HELP"))):
        yield once("STARTTLS", before + tls + after)
    yield once("STARTTLS", EHLO + (Step(b"starttls\r\n", tls=True),) + EHLO + mail)
    for what in (b"NOOP\r\n", b"EHLO x.example\r\n", b"MAIL FROM:<>\r\n"):
        yield Transcript("behind STARTTLS", EHLO + (rest(b"STARTTLS\r\n" + what + b"QUIT\r\n"),))
    good = base64.b64encode(b"\0user@sasl.example\0secret")
    bad = base64.b64encode(b"\0user@sasl.example\0wrong")
    name, secret, wrong = (base64.b64encode(word) for word in (b"user@sasl.example", b"secret", b"wrong"))
    asked = tuple(Step(line + END, if_asked=True) for line in (name, secret))
    amiss = tuple(Step(line + END, if_asked=True) for line in (name, wrong))
    forms = {
        "PLAIN": say(b"AUTH PLAIN " + good), "wrong": say(b"AUTH PLAIN " + bad),
        "two": say(b"AUTH PLAIN") + (Step(good + END, if_asked=True),), "LOGIN": say(b"AUTH LOGIN") + asked,
        "LOGIN wrong": say(b"AUTH LOGIN") + amiss, "LOGIN initial": say(b"AUTH LOGIN " + name) + asked[1:],
        "cancel": say(b"AUTH LOGIN") + (Step(b"*\r\n", if_asked=True),),
        "cancel PLAIN": say(b"AUTH PLAIN") + (Step(b"*\r\n", if_asked=True),),
        "not base64": say(b"AUTH PLAIN") + (Step(b"!!\r\n", if_asked=True),),
        "empty": say(b"AUTH PLAIN") + (Step(b"\r\n", if_asked=True),),
        "long": say(b"AUTH PLAIN") + (Step(b"x" * 13000 + END, if_asked=True),),
        "case": say(b"auth plain " + good), "=": say(b"AUTH PLAIN ="), "unknown": say(b"AUTH X-NOTHING"),
        "CRAM wrong": say(b"AUTH CRAM-MD5") + (Step(base64.b64encode(b"user 0123") + END, if_asked=True),),
        "blank": say(b"AUTH PLAIN " + good + b" "), "blanks": say(b"AUTH  PLAIN  " + good),
        "EXTERNAL": say(b"AUTH EXTERNAL =")}
    for form in forms.values():
        for before in ((), HELO, EHLO, EHLO + MAIL, EHLO + tls + EHLO):
            yield once("AUTH", before + form + mail)
    yield once("AUTH", EHLO + forms["PLAIN"] + forms["PLAIN"] + mail)
    yield once("AUTH", EHLO + forms["wrong"] * 3 + forms["PLAIN"] + mail)
    yield once("AUTH",
               EHLO + forms["PLAIN"] + say(b"MAIL FROM:" + SENDER + b" AUTH=<>") + RCPT + data())
    yield once("AUTH", EHLO + forms["PLAIN"] + MAIL + say(b"RCPT TO:<x@elsewhere.example>") + data())


def recipients(count, domain):
    return say(*(b"RCPT TO:<b%d@%s>" % (number, domain) for number in range(count)))


def floods():
    for verb in (b"NOOP", b"RSET", b"XXXX", b"VRFY b@example.org", b"HELP", b"EHLO client.example",
                 b"MAIL FROM:<>", b"RCPT TO:<>", b"", b"HELO client.example", b"DATA"):
        for count in (5, 9, 12, 21, FLOOD):
            yield once("many commands", EHLO + say(*[verb] * count))
    for count in (2, 10, 50, 101):
        yield once("many recipients", EHLO + MAIL + RCPT * count + data())
        yield once("many recipients",
                   EHLO + MAIL + recipients(count, b"example.org") + data())
        yield once("many recipients",
                   EHLO + MAIL + recipients(count, b"elsewhere.example") + data())
    for count in (2, 5, 12, 25):
        yield once("many messages", EHLO + (MAIL + RCPT + data()) * count)
        yield once("many messages", EHLO + (MAIL + RCPT + say(b"RSET")) * count)
        yield once("many messages", EHLO + (MAIL + say(b"RCPT TO:<x@elsewhere.example>", b"RSET")) * count)


def corpus(seed=1):
    """All of them, each once, in an order that does not change."""
    chosen = random.Random(seed)
    made = itertools.chain(hello(), paths(), parameters(), orders(chosen), states(), bodies(), pipelines(),
                           lines(), chunks(), secured(), floods())
    return list(dict.fromkeys(made))

"""
Forms of addresses, as real mail servers take and read them. What all of them take and read as one address the
proxy takes, and what it sends on they read as that address again; what one of them reads as another address
than another does is refused. Behind a server in front, what that has taken arrives as without a filter.
"""

import re
import sys
import unittest

from support.before_queue import Place
from support.exim import Exim
from support.exim import Unavailable as EximUnavailable
from support.postfix import Postfix
from support.postfix import Unavailable as PostfixUnavailable
from support.proxy import ProxyTestCase
from support.sendmail import Sendmail
from support.sendmail import Unavailable as SendmailUnavailable
from support.smtp import Client

LOCALS = [
    b"a", b"user..name", b".user", b"user.", b"..", b"a+b=c", b"prvs=1=a", b"o'neil", b"|cat",
    b"/etc/x", b"a`b", b"-a", b'"a"', b'"a b"', b'"a..b"', b'"a@b"', b'"a%b"', b'"a\\"b"', b'"a\\b"',
    b'""', b'"a\tb"', b'a."b"', b'"a".b', b'"a"b', b'a.""', b"a\\b", b"a\\@b", b"a\\\\b", b"a b",
    b"a. b", b"a ", b"a\t", b" a", b"a(c)", b"(c)a", b"((c)@y.example)a", b"a(@y.example)",
    b"a%y.example", b"y.example!a", b"a@b", b"a:b", b"a;b", b"a,b", b"a[b", b"a<b", b"a>b", b"a\x01b",
    b"a\x7fb", b"\xc3\xbc", b"\xfc", b"l" * 65, b"#a", b"a#", b"$a", b"~a", b"{a}", b"",
]
DOMAINS = [
    b"x.example", b"X.Example", b"x.example.", b"x.example..", b"x..example", b".x.example", b"x",
    b"-x.example", b"x-.example", b"x_y.example", b" x.example", b"x.example ", b"x .example",
    b"(c)x.example", b"x.example(c)", b"[192.0.2.1]", b"[192.0.2.1].", b"[IPv6:2001:db8::1]",
    b"[192.0.2.300]", b"[x.example]", b"192.0.2.1", b"x.example:25", b"x.example/", b"x.example;",
    b"x!y.example", b"x%y.example", b"#1234", b"\xc3\xbc.example", b"xn--bcher-kva.example",
    b'"x".example', b"", b"l" * 64 + b".example",
]
FORMS = [*(b"<%s@x.example>" % local for local in LOCALS), *(b"<a@%s>" % domain for domain in DOMAINS)] + [
    b"a@x.example", b'"a b"@x.example', b"a(c)@x.example", b"a b@x.example", b"a@x.example>", b"<a@x.example",
    b"< a@x.example >", b"<\ta@x.example\t>", b"\t<a@x.example>", b"  <a@x.example>", b"< >", b"<>", b"",
    b'<"">', b"<root>", b"root", b"<postmaster>", b"<a%y.example>", b"<y.example!a>", b'<"a%y.example">',
    b'<"a@y.example">', b"<@y.example:a@x.example>", b"<@y.example,@z.example:a@x.example>",
    b"<@y.example:@z.example:a@x.example>", b"<@:a@x.example>", b"<@y.example:>", b"<@x.example>",
    b"<<a@x.example>>", b"< <a@x.example> >",
    b"<a@x.example>junk", b"<a@x.example> junk", b"<a@x.example>(c)", b"<a@x.example> <b@x.example>",
    b"<a@x.example,b@y.example>", b'"Name" <a@x.example>', b"Name <a@x.example>", b"<a@x.example>\t",
    b"<@y.example:user..name@x.example.>", b'< "a b"@x.example. >', b"<a@x.example>SIZE=9",
]
PARAMETERS = [
    b"SIZE=1 SIZE=2", b"BODY=8BITMIME BODY=7BIT", b"SIZE=", b"SIZE", b"SIZE=+1", b"SIZE=001",
    b"RET=FULL RET=HDRS", b"AUTH=<> AUTH=<>", b"SMTPUTF8 SMTPUTF8", b"ENVID=a ENVID=b", b"ENVID=a=b",
    b"ENVID=", b"RET=", b"BODY=", b"AUTH=", b"AUTH=a b", b"size=5\tbody=8bitmime", b"X=1", b"=",
    b"SIZE=99999999999999999999999",
]
WIDE = re.compile(r"M-(.)")  # as Sendmail shows an octet over 127


def canonical(text):
    """An address without quotes that mean nothing, in an order that can be compared."""
    local, at, domain = text.rpartition("@")
    if not at:
        local, domain = domain, ""
    plain, index = [], 0
    while index < len(local):
        if local[index] == "\\":
            index += 1
        elif local[index] == '"':
            index += 1
            continue
        plain.append(local[index] if index < len(local) else "")
        index += 1
    return "".join(plain).replace("\t", " "), domain.lower().rstrip(".")


def take_all(_, step, __):
    """The back-end's opinion on every address."""
    return "250 2.1.5 Ok" if step in ("mail", "rcpt") else None


class Server:
    """A real server on one connection; read() tells what it makes of a path, or None where it refuses it."""

    def __init__(self, server):
        self.server = server
        self.client = None

    def close(self):
        if self.client is not None:
            self.client.close()
        self.server.close()

    def ask(self, verb, form):
        """The reply to MAIL or RCPT with form, and with 250 that to the message."""
        if self.client is None:
            self.client = Client(self.server.port, timeout=60)
            self.client.ehlo()
        try:
            sender = b"FROM:" + form if verb == "MAIL" else b"FROM:<s@s.example>"
            reply = self._say(b"MAIL " + sender)
            if verb == "RCPT" and reply.code == 250:
                reply = self._say(b"RCPT TO:" + form)
            elif reply.code == 250:
                self._say(b"RCPT TO:<b@example.org>")
            if reply.code != 250:
                self.client.command("RSET")
                return None
            self.client.command("DATA")
            return self.client.command("Subject: x\r\n\r\nx\r\n.")
        except ConnectionError:
            self.client = None
            return None

    def _say(self, octets):
        self.client.send(octets + b"\r\n")
        return self.client.reply()


class PostfixReader(Server):
    def read(self, verb, form):
        return self.reading(verb, self.ask(verb, form))

    def reading(self, verb, reply):
        """What is in the queue of the message that reply is for."""
        if reply is None or reply.code != 250:
            return None
        identifier = reply.text.rpartition(" ")[2]
        text = self.server.run("postcat", "-e", self.server.queue_folder / "hold" / identifier)
        name = "sender" if verb == "MAIL" else "recipient"
        address = re.search(rf"^{name}: (.*)$", text, re.MULTILINE)[1]
        # It is without quotes there, and no user of our own needs a domain.
        local, at, domain = address.rpartition("@")
        if domain == "postfix.example":
            return local, ""
        return (local, domain.lower()) if at else (address, "")


class SendmailReader(Server):
    """It keeps what it was told; its test mode says how that is read."""

    readings = {}

    def learn(self, forms):
        stdin = b"".join(b"3,0 " + form + b"\n" for form in forms)
        parts = self.server.run("-bt", stdin=stdin).split("\n> ")
        for form, part in zip(forms, parts[-len(forms) - 1:] if len(parts) > len(forms) else parts):
            match = re.findall(r"^parse +returns: (.*)$", part, re.MULTILINE)
            self.readings[form] = match[-1] if match else ""

    def read(self, verb, form):
        reply = self.ask(verb, form)
        if reply is None or reply.code != 250:
            return None
        form = form.strip(b" \t")
        if form not in self.readings:
            self.learn([form])
        tokens = self.readings[form].partition("$: ")[2]
        text = "".join(part if number % 2 else part.replace(" ", "")
                       for number, part in enumerate(re.split(r'("(?:\\.|[^"\\])*")', tokens)))
        octets = WIDE.sub(lambda match: chr(ord(match[1]) | 0x80), text).encode("latin-1")
        text = octets.decode("utf-8", "replace")
        return canonical(re.sub(r"<@(.*?)\.?>", r"@\1", text).removesuffix("@"))


class EximReader(Server):
    def read(self, verb, form):
        reply = self.ask(verb, form)
        if reply is None or reply.code != 250:
            return None
        sender, recipients = self.server.envelope(re.search(r"id=(\S+)", reply.text)[1])
        local, domain = canonical(sender if verb == "MAIL" else recipients[0])
        return local, "" if domain == "exim.example" else domain


class PathFormsTest(ProxyTestCase):
    @classmethod
    def setUpClass(cls):
        postfix = Postfix(domains=(), parameters={
            "default_transport": "discard:", "relay_transport": "discard:", "strict_smtputf8": "no",
            "smtpd_data_restrictions": "check_client_access static:HOLD", "smtpd_error_sleep_time": "0",
            "smtpd_hard_error_limit": "10000", "smtpd_junk_command_limit": "10000"})
        sendmail = Sendmail("define(`confREQUIRES_DIR_FSYNC', `false')dnl\n")
        exim = Exim("tls_advertise_hosts =\nsmtp_max_unknown_commands = 10000\n"
                    "smtp_max_synprot_errors = 10000\nsmtp_accept_max_per_connection = 10000\n")
        cls.servers = []
        for server, reader in ((postfix, PostfixReader), (sendmail, SendmailReader), (exim, EximReader)):
            cls.servers.append(reader(server))
            cls.addClassCleanup(cls.servers[-1].close)
            server.start()

    def proxied(self, backend, proxy, verb, form):
        """What the back-end hears of form, or None: refused."""
        before = len(backend.commands())
        with Client(proxy.port) as client:
            client.ehlo()
            sender = b"FROM:" + form if verb == "MAIL" else b"FROM:<s@s.example>"
            client.send(b"MAIL " + sender + b"\r\n")
            reply = client.reply()
            if verb == "RCPT" or reply.code == 250:
                client.send(b"RCPT TO:" + (form if verb == "RCPT" else b"<b@example.org>") + b"\r\n")
                reply = client.reply()
            if reply.code != 250:
                self.assertRegex(f"{reply.code} {reply.text}",
                                 r"^(501 5\.(1\.[37]|5\.4)|555 5\.5\.4|500 5\.5\.2)")
                return None
        prefix = "MAIL FROM:" if verb == "MAIL" else "RCPT TO:"
        heard = [line for line in backend.commands()[before:] if line.startswith(prefix)][-1]
        return heard.removeprefix(prefix).encode("utf-8", "surrogateescape")

    def judge(self, verb, form, sent):
        readings = [server.read(verb, form) for server in self.servers]
        taken = [reading for reading in readings if reading is not None]
        if len(taken) == len(readings) and len(set(taken)) == 1 and b"(" not in form:
            self.assertIsNotNone(sent, f"all take it as {taken[0]}")
        if len(set(taken)) > 1:
            self.assertIsNone(sent, f"read as {readings}")
        if sent is None:
            return
        self.assertRegex(sent, rb"^<[^\x00-\x1f\x7f]*>( |$)")
        path = sent[:sent.rindex(b">") + 1]
        if path == form:
            return
        again = {server.read(verb, path) for server in self.servers} - {None}
        self.assertEqual(again, set(taken) or again, f"{sent} is read as another address")

    def test_forms(self):
        backend = self.backend(rule=take_all)
        proxy = self.proxy(backend, proxy={"client_address": "none", "inspect": "no", "relay_probe": "no"})
        self.servers[1].learn(sorted({form.strip(b" \t") for form in FORMS}))
        for verb in ("MAIL", "RCPT"):
            for form in FORMS:
                with self.subTest(verb=verb, form=form):
                    self.judge(verb, form, self.proxied(backend, proxy, verb, form))

    def test_behind_a_server(self):
        place = Place()
        services = place.services().replace("smtpd_end_of_data_restrictions=",
                                            "smtpd_end_of_data_restrictions=check_client_access,static:HOLD")
        hold = {"default_transport": "discard:",
                "relay_transport": "discard:", "strict_smtputf8": "no", "smtpd_error_sleep_time": "0",
                "smtpd_hard_error_limit": "10000", "smtpd_junk_command_limit": "10000"}
        with place.postfix(services, **hold) as postfix:
            self.proxy(place.ports["behind"], proxy={**place.proxy_options(), "inspect": "no"})
            postfix.port = place.ports["smtp"]
            filtered = PostfixReader(postfix)
            self.addCleanup(filtered.close)
            for verb in ("MAIL", "RCPT"):
                for form in FORMS:
                    with self.subTest(verb=verb, form=form):
                        self.assertEqual(filtered.read(verb, form), self.servers[0].read(verb, form))
            for words in PARAMETERS:
                with self.subTest(parameters=words):
                    form = b"<a@x.example> " + words
                    self.assertEqual(filtered.read("MAIL", form), self.servers[0].read("MAIL", form))

    def test_strict(self):
        backend = self.backend(rule=take_all)
        proxy = self.proxy(backend, proxy={"client_address": "none", "inspect": "no", "relay_probe": "no",
                                           "strict_envelopes": "yes"})
        for form in (b"a@x.example", b"< a@x.example >", b"<user..name@x.example>", b"<root>",
                     b"<a@x.example.>"):
            self.assertIsNone(self.proxied(backend, proxy, "MAIL", form), form)
        self.assertEqual(self.proxied(backend, proxy, "MAIL", b'<"a b"@x.example>'), b'<"a b"@x.example>')


if __name__ == "__main__":
    try:
        for module in (Postfix, Sendmail, Exim):
            module().close()
    except (PostfixUnavailable, SendmailUnavailable, EximUnavailable) as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

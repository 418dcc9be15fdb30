"""
Postfix, Exim, Sendmail and OpenSMTPD behind the proxy: what they accept, refuse at each command, end with a
421, or take their time over, and their death. The client hears the same from all; what is accepted is there
once.
"""

import signal
import sys
import unittest

from support import exim, opensmtpd, postfix, sendmail
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

DOMAIN = "example.org"
SENDER, RECIPIENT = "good@sender.example", "good@example.org"
CODES = {"refused": 550, "later": 450, "closing": 421}
STAGES = ("mail", "rcpt", "data", "dot")
# Who says 421 is gone, and so is the answer that it would have given: the client is to come again. Exim says
# 550 and closes.
HEARD = {"refused": 550, "later": 450, "closing": 451}
ALONE = {"client_address": "none", "recipient_domains": DOMAIN}

ACL = """\
acl_smtp_mail = mail
acl_smtp_predata = predata
tls_advertise_hosts =
begin acl
mail:
  deny senders = mail-refused@sender.example
       message = 550 refused
  defer senders = mail-later@sender.example
        message = 450 later
  drop senders = mail-closing@sender.example
       message = 550 closing
  accept
rcpt:
  deny local_parts = rcpt-refused
       message = 550 refused
  defer local_parts = rcpt-later
        message = 450 later
  drop local_parts = rcpt-closing
       message = 550 closing
  accept local_parts = slow
         delay = 1s
  accept
predata:
  deny senders = data-refused@sender.example
       message = 550 refused
  defer senders = data-later@sender.example
        message = 450 later
  drop senders = data-closing@sender.example
       message = 550 closing
  accept
content:
  deny senders = dot-refused@sender.example
       message = 550 refused
  defer senders = dot-later@sender.example
        message = 450 later
  drop senders = dot-closing@sender.example
       message = 550 closing
  accept
"""


def access(stage, place):
    """A table of Postfix for one stage."""
    return "inline:{" + ",".join(f"{{{stage}-{what}@{place}={code} {'4' if code < 500 else '5'}.7.1 {what}}}"
                                 for what, code in CODES.items()) + "}"


def postfix_server():
    slow = "check_recipient_access inline:{slow@example.org=slow}"
    return postfix.Postfix([DOMAIN], {
        "mynetworks": "127.0.0.1/32", "smtpd_delay_reject": "no", "smtpd_error_sleep_time": "0",
        "smtputf8_enable": "no", "smtpd_restriction_classes": "slow", "slow": "sleep 1",
        "smtpd_sender_restrictions": f"check_sender_access {access('mail', 'sender.example')}",
        "smtpd_recipient_restrictions": f"check_recipient_access {access('rcpt', DOMAIN)}, {slow}",
        "smtpd_data_restrictions": f"check_sender_access {access('data', 'sender.example')}",
        "smtpd_end_of_data_restrictions": f"check_sender_access {access('dot', 'sender.example')}"})


def exim_server():
    return exim.Exim(ACL, "rcpt", "content")


def sendmail_server():
    def rules(stage, address):
        return "".join(f"R$* {address(stage, what)} $*\t$#error $@ {'4' if code < 500 else '5'}.7.1 $:"
                       f" \"{code} {what}\"\n" for what, code in CODES.items())

    def of_sender(stage, what):
        return f"{stage}-{what} @ sender.example"

    sets = {"Local_check_mail": rules("mail", of_sender), "Local_check_rcpt": rules(
        "rcpt", lambda stage, what: f"{stage}-{what} @ {DOMAIN}")}
    by_macro = "".join(f"Scheck_{ruleset}\nR$*\t$: $&f\n{rules(stage, of_sender)}"
                       for ruleset, stage in (("data", "data"), ("eom", "dot")))
    return sendmail.Sendmail("LOCAL_RULESETS\n" + "".join(
        f"S{name}\nR$*\t$: $1\n{text}" for name, text in sets.items()) + by_macro)


def opensmtpd_server():
    lines, names = [], []
    for stage, phase, key in (("mail", "mail-from", "mail-from"), ("rcpt", "rcpt-to", "rcpt-to"),
                              ("data", "data", "mail-from"), ("dot", "commit", "mail-from")):
        for what, code in CODES.items():
            place = DOMAIN if stage == "rcpt" else "sender.example"
            verb = "disconnect" if code == 421 else "reject"
            name = f"{stage}_{what}"
            names.append(f'"{name}"')
            lines.append(f'table {name} {{ "{stage}-{what}@{place}" }}')
            lines.append(f'filter "{name}" phase {phase} match {key} <{name}> {verb} "{code} {what}"')
    lines.append(f'filter "all" chain {{ {", ".join(names)} }}')
    return opensmtpd.OpenSMTPD([DOMAIN], "\n".join(lines), 'filter "all"')


# What the proxy before it needs, how its messages are counted, and what the client hears in place of HEARD.
SERVERS = {
    "Postfix": (postfix_server, {}, lambda server: len(server.messages()), {}),
    "Exim": (exim_server, ALONE, lambda server: len(list((server.folder / "spool").glob("input/**/*-H"))),
             {"closing": 550}),
    "Sendmail": (sendmail_server, ALONE, lambda server: len(server.queued()), {}),
    "OpenSMTPD": (opensmtpd_server, ALONE, lambda server: len(server.messages()), {})}


class MailServersTest(ProxyTestCase):
    def message(self, name):
        self.sent += 1
        return crlf(f"From: {SENDER}\nSubject: {name} {self.sent}\n\nHello.\n")

    def heard(self, client, sender, recipient):
        """The first refusal, or the reply to the dot."""
        return client.deliver(sender, [recipient], self.message("case"))

    def served(self, name):
        make, options, count, codes = SERVERS[name]
        server = make().start()
        self.addCleanup(server.close)
        self.sent = 0
        return server, self.proxy(server.port, proxy={"threads": 1, **options}), \
            lambda: count(server), codes

    def test_what_they_refuse(self):
        for name in SERVERS:
            server, proxy, count, own_codes = self.served(name)
            good = 0
            with Client(proxy.port, source="127.0.0.9", timeout=60) as client:
                client.ehlo()
                for stage in STAGES:
                    for what, code in {**HEARD, **own_codes}.items():
                        with self.subTest(name, stage=stage, what=what):
                            own = f"{stage}-{what}"
                            reply = self.heard(client, SENDER if stage == "rcpt" else f"{own}@sender.example",
                                               f"{own}@{DOMAIN}" if stage == "rcpt" else RECIPIENT)
                            self.assertEqual(reply.code, code, reply)
                            client.command("RSET")
                        with self.subTest(name, after=own):
                            self.assertEqual(self.heard(client, SENDER, RECIPIENT).code, 250)
                            good += 1
                self.assertEqual(self.heard(client, SENDER, f"slow@{DOMAIN}").code, 250)
                client.quit()
            with self.subTest(name, dead=True):
                good += 1 + self.outlives(server, proxy)
            wait_until(lambda: count() >= good, what=f"the messages at {name}")
            self.assertEqual(count(), good, name)

    def outlives(self, server, proxy):
        """What is dead is answered 451 for, and used again once it is back. How many were accepted."""
        with Client(proxy.port, source="127.0.0.9", timeout=60) as client:
            client.ehlo()
            self.assertEqual(self.heard(client, SENDER, RECIPIENT).code, 250)
            server.program.stop(signal.SIGKILL)
            self.assertEqual(self.heard(client, SENDER, RECIPIENT).code, 451)
        server.start()
        wait_until(lambda: self.is_taken(proxy), what="the server being used again", pause=0.2)
        return 2

    def is_taken(self, proxy):
        with Client(proxy.port, source="127.0.0.9", timeout=60) as client:
            client.ehlo()
            return self.heard(client, SENDER, RECIPIENT).code == 250


if __name__ == "__main__":
    try:
        for make, *_ in SERVERS.values():
            make().close()
    except (postfix.Unavailable, exim.Unavailable, sendmail.Unavailable, opensmtpd.Unavailable) as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

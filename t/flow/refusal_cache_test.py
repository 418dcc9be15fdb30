"""
What Postfix has said of a mailbox that does not exist is said again without asking it ([servers]
refusal_cache): word for word, to whoever asks, until a reload; what it says of clients and senders is not.
"""

import re
import signal
import sys
import unittest

from support import postfix
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SENDER = "a@sender.example"
RELOADED = "the configuration was read again"


class RefusalCacheTest(ProxyTestCase):
    def start(self, **proxy):
        self.mail = postfix.Postfix(parameters={
            "virtual_mailbox_maps": "inline:{ { good@example.org = inbox/ } }",
            "smtpd_sender_restrictions": "check_sender_access inline:{ { bad@sender.example = REJECT } }",
            "smtpd_delay_reject": "yes"}).start()
        self.addCleanup(self.mail.close)
        return self.proxy(self.mail, servers={"refusal_cache": "100"}, proxy={"threads": 2, **proxy})

    def asked(self, recipient):
        """How often Postfix refused it as unknown."""
        return len(re.findall(rf"reject: RCPT from .*<{re.escape(recipient)}>: Recipient address rejected: "
                              "User unknown", self.mail.log()))

    def say(self, front, recipients, sender=SENDER):
        with Client(front.port, timeout=60) as client:
            client.ehlo()
            return [reply for recipient in recipients
                    for reply in (client.envelope(sender, recipient)[-1], client.command("RSET"))][::2]

    def test_unknown_mailboxes(self):
        front = self.start()
        first = self.say(front, ["nobody@example.org", "other@example.org"])
        self.assertEqual([reply.code for reply in first], [550, 550])
        self.assertTrue(all("User unknown" in reply.text for reply in first), first)
        for _ in range(5):
            again = self.say(front, ["nobody@example.org", "nobody@EXAMPLE.org", "other@example.org"])
            self.assertEqual([(reply.code, reply.text) for reply in again],
                             [(reply.code, reply.text) for reply in (first[0], first[0], first[1])])
        self.assertEqual([self.asked("nobody@example.org"), self.asked("other@example.org")], [1, 1])
        wait_until(lambda: front.log_now().count("refused_by=cache") == 15, what="their lines")
        self.assertEqual(front.log_now().count("refused_by=backend"), 2)
        # A message to one that is there beside one that is not.
        with Client(front.port, timeout=60) as client:
            client.ehlo()
            replies = [client.command(line) for line in (
                f"MAIL FROM:<{SENDER}>", "RCPT TO:<good@example.org>", "RCPT TO:<nobody@example.org>")]
            self.assertEqual([reply.code for reply in replies], [250, 250, 550])
            self.assertEqual(client.message(crlf("Subject: cache\n\nHello.\n")).code, 250)
        wait_until(lambda: len(self.mail.messages()) == 1, what="the message")
        # A reload forgets: the administrator may have made the mailbox.
        front.program.send_signal(signal.SIGHUP)
        wait_until(lambda: RELOADED in front.log_now(), what=RELOADED)
        wait_until(lambda: self.say(front, ["nobody@example.org"]) and self.asked("nobody@example.org") == 2,
                   what="Postfix being asked again")

    def test_a_refused_sender_is_no_refused_mailbox(self):
        front = self.start()
        refused = self.say(front, ["good@example.org"], sender="bad@sender.example")
        self.assertEqual(refused[0].code, 554, refused)
        self.assertEqual(self.say(front, ["good@example.org"])[0].code, 250)

    def test_a_harvest_from_memory(self):
        """The one who guesses is let go as soon as if each guess had reached Postfix."""
        front = self.start(max_refused_recipients="5")
        names = [f"guess{number}@example.org" for number in range(4)]
        self.say(front, names)
        with Client(front.port, timeout=60) as client:
            client.ehlo()
            client.command(f"MAIL FROM:<{SENDER}>")
            codes = [client.command(f"RCPT TO:<{name}>").code for name in [*names, names[0]]]
            self.assertEqual(codes, [550] * 5)
            self.assertEqual(client.command("NOOP").code, 421)
        self.assertEqual(sum(self.asked(name) for name in names), 4)


if __name__ == "__main__":
    sys.exit(unittest.main())

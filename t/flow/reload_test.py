"""A reload opens no relay: what a session was promised stays, or the session ends."""

import signal
import unittest

from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, Closed, crlf, stuffed

MESSAGE = crlf("Subject: reload\n\nHello.\n")
SENDER, RECIPIENT, FOREIGN = "a@sender.example", "b@example.org", "x@elsewhere.example"
SOURCE = "127.0.0.9"

# What an administrator may change one into the other. The back-end relays for 127.0.0.1, which is the proxy,
# and for nobody else: under none and xforward the proxy alone stands between external clients and the world.
WAYS = {
    "xclient": {"client_address": "xclient", "recipient_domains": None, "trusted_clients": None},
    "xclient with domains": {"client_address": "xclient", "recipient_domains": "example.org"},
    "none": {"client_address": "none", "recipient_domains": "example.org"},
    "xforward": {"client_address": "xforward", "recipient_domains": "example.org"},
}


def rule(session, step, address):
    """Postfix with mynetworks = 127.0.0.1."""
    if step == "rcpt" and not address.endswith("@example.org") and address != "postmaster":
        if session.client.get("ADDR", "127.0.0.1") != "127.0.0.1":
            return f"554 5.7.1 <{address}>: Relay access denied"
        return "250 2.1.5 Ok"
    return None


class ReloadTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.recorder = self.backend(xforward=True)
        self.recorder.options.rule = rule

    def start(self, way, **options):
        self.server = self.proxy(self.recorder, proxy={"threads": 1, **WAYS[way], **options})
        self.assertEqual(self.deliver(), 250)

    def deliver(self):
        with Client(self.server.port, source=SOURCE) as client:
            client.ehlo()
            return client.deliver(SENDER, [RECIPIENT], MESSAGE).code

    def reload(self, expected="the configuration was read again", **options):
        lines = self.server.log().count(expected)
        self.server.configure(proxy=options)
        self.server.program.send_signal(signal.SIGHUP)
        wait_until(lambda: self.server.log().count(expected) > lines, what=f"{expected!r} in the log")

    def clients(self):
        """Sessions of before, one in each state that a reload can meet; each with what it says afterwards."""
        mail, own, foreign = f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", f"RCPT TO:<{FOREIGN}>"
        states = {
            "greeted": ([], ["EHLO c.example", mail, foreign]),
            "EHLO": (["EHLO c.example"], [mail, foreign]),
            "MAIL": (["EHLO c.example", mail], [foreign, own, foreign]),
            "RCPT": (["EHLO c.example", mail, own], [foreign, "DATA"]),
            "DATA": (["EHLO c.example", mail, own, "DATA"], [stuffed(MESSAGE)[:-2], mail, foreign, "DATA"]),
        }
        for name, (before, after) in states.items():
            client = Client(self.server.port, source=SOURCE)
            self.addCleanup(client.close)
            for command in before:
                self.assertIn(client.command(command).code, (250, 354), (name, command))
            yield name, client, after

    def go_on(self, client, commands):
        """The codes of all commands, as far as the session lives."""
        codes = []
        try:
            for command in commands:
                codes.append((command, client.command(command).code))
        except (Closed, OSError):
            pass
        return codes

    def check_pair(self, old, new):
        self.start(old)
        clients = list(self.clients())
        # One of them has the back-end's connection, the others have given theirs back.
        wait_until(lambda: self.recorder.commands().count("RSET") >= 1, what="a connection given back")
        self.reload("the configuration was read again", **WAYS[new])
        for name, client, commands in clients:
            for command, code in self.go_on(client, commands):
                if FOREIGN in str(command):
                    with self.subTest(old=old, new=new, state=name):
                        self.assertNotEqual(code, 250, command)
                self.assertNotEqual((code, "RCPT" in str(command)), (550, True), "a lasting refusal")
        with Client(self.server.port, source=SOURCE) as client:
            client.ehlo()
            codes = [reply.code for reply in client.envelope(SENDER, FOREIGN, RECIPIENT)]
            self.assertEqual(codes, [250, 554, 250])
        self.assertEqual(self.deliver(), 250)
        self.assertNotIn("it is an open relay", self.server.log())
        for message in self.recorder.messages():
            self.assertEqual(message.recipients, [RECIPIENT])

    def test_every_pair(self):
        for old in WAYS:
            for new in WAYS:
                if old != new:
                    with self.subTest(old=old, new=new):
                        self.check_pair(old, new)

    def test_waiting_for_the_back_end(self):
        """A client that waits in line at the reload does not get a connection of other settings."""
        for old, new in (("xclient", "none"), ("none", "xclient")):
            with self.subTest(old=old, new=new):
                self.start(old, backend_connections="1", backend_wait="20s")
                holder = Client(self.server.port, source=SOURCE)
                self.addCleanup(holder.close)
                holder.ehlo()
                self.recorder.options.pause["rcpt:slow@example.org"] = 1.0
                holder.command(f"MAIL FROM:<{SENDER}>")
                holder.send(b"RCPT TO:<slow@example.org>\r\n")
                waiter = Client(self.server.port, source=SOURCE)
                self.addCleanup(waiter.close)
                waiter.ehlo()
                waiter.command(f"MAIL FROM:<{SENDER}>")
                waiter.send(f"RCPT TO:<{FOREIGN}>\r\n".encode())
                self.reload(**WAYS[new])
                self.assertEqual(holder.reply().code, 250)
                holder.command("RSET")
                self.assertIn(waiter.reply().code, (451, 554))
                self.assertEqual(self.deliver(), 250)
                self.assertNotIn("it is an open relay", self.server.log())

    def test_idle_clients_are_told(self):
        self.start("xclient")
        client = Client(self.server.port, source=SOURCE)
        self.addCleanup(client.close)
        client.ehlo()
        self.reload(**WAYS["none"])
        reply = client.reply()
        self.assertEqual((reply.code, reply.enhanced), (421, "4.3.2"))
        self.assertIn("those of before end after their message", self.server.log())

    def test_a_trust_that_ends(self):
        """Who might say who the client is may not go on saying it on a connection of before."""
        self.start("xclient", trusted_clients=SOURCE)
        client = Client(self.server.port, source=SOURCE)
        self.addCleanup(client.close)
        client.ehlo()
        self.assertEqual(client.command("XCLIENT ADDR=127.0.0.1").code, 220)
        self.reload(trusted_clients=None)
        self.assertEqual(client.reply().code, 421)
        self.assertEqual(client.wait_closed(), b"")
        self.assertEqual([message.recipients for message in self.recorder.messages()], [[RECIPIENT]])

    def test_what_sessions_go_by_stays(self):
        """A reload of anything else lets nobody go."""
        self.start("xclient")
        client = Client(self.server.port, source=SOURCE)
        self.addCleanup(client.close)
        client.ehlo()
        self.reload(max_recipients="2", backend_idle="1s", client_timeout="7m")
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)

    def test_times_of_the_back_end(self):
        """backend_wait and backend_idle hold from the reload on."""
        self.start("xclient", backend_connections="1", backend_wait="60s", backend_idle="60s")
        wait_until(lambda: self.recorder.connections == 1, what="an idle connection")
        self.reload(backend_wait="50ms", backend_idle="50ms")
        self.assertEqual(self.deliver(), 250)
        wait_until(lambda: self.recorder.connections == 0, what="the end of the idle connection")
        self.recorder.options.pause["rcpt:slow@example.org"] = 5.0
        holder = Client(self.server.port, source=SOURCE)
        self.addCleanup(holder.close)
        holder.ehlo()
        holder.command(f"MAIL FROM:<{SENDER}>")
        holder.send(b"RCPT TO:<slow@example.org>\r\n")
        wait_until(lambda: "RCPT TO:<slow@example.org>" in self.recorder.commands(), what="the slow RCPT")
        with Client(self.server.port, source=SOURCE) as client:
            client.ehlo()
            self.assertEqual([reply.code for reply in client.envelope(SENDER, RECIPIENT)], [250, 451])

    def test_what_needs_a_restart_is_named(self):
        self.start("xclient")
        self.server.configure(dns={"cache": "1M", "timeout": "3s"}, proxy={"backend_wait": "3s"})
        self.server.program.send_signal(signal.SIGHUP)
        self.server.program.wait_for_log(
            r"nothing was changed by the reload: a new \[dns\] timeout, \[dns\] cache need a restart")
        self.assertEqual(self.deliver(), 250)


if __name__ == "__main__":
    unittest.main()

"""
Several groups of servers, and a table of routes: each recipient goes to its own group, recipients of two are
never in one message, who has no route is refused, and a bad table harms nobody.
"""

import signal
import sys
import unittest

from support.process import wait_until
from support.proxy import ProxyTestCase, run_program
from support.smtp import Client, crlf

SENDER = "a@sender.example"
MESSAGE = crlf("From: a@sender.example\nSubject: routes\n\nHello.\n")
ROUTES = """# who takes what
one.example    one
.one.example   two
joe@one.example two   # with any subaddress
bounce.example  two   sender=<>
bounce.example  one
"""


class RoutesTest(ProxyTestCase):
    def servers(self, **options):
        """Two groups and the default one; their back-ends by name."""
        domains = ["example.org", "one.example", "sub.one.example", "bounce.example", "other.example"]
        backends = {name: self.backend(domains=domains, **options) for name in ("default", "one", "two")}
        self.routes = self.folder / "routes"
        self.routes.write_text(ROUTES)
        self.routes.chmod(0o644)
        proxy = self.proxy(backends["default"], proxy={"routes": self.routes, "threads": 2}, **{
            f"servers {name}": {"address": f"127.0.0.1:{backends[name].port}"} for name in ("one", "two")})
        return proxy, backends

    def reload(self, proxy, text, says):
        self.routes.write_text(text)
        before = proxy.log_now().count(says)
        proxy.program.send_signal(signal.SIGHUP)
        wait_until(lambda: proxy.log_now().count(says) > before, what=says)

    def test_each_recipient_goes_to_its_group(self):
        proxy, backends = self.servers()
        rows = [("b@one.example", SENDER, "one"), ("b@sub.one.example", SENDER, "two"),
                ("JOE+x@One.Example", SENDER, "two"), ("b@bounce.example", "", "two"),
                ("b@bounce.example", SENDER, "one")]
        with Client(proxy.port) as client:
            client.ehlo()
            self.assertIn("RCPTDOMAINMAX=1", client.capabilities["LIMITS"])
            for recipient, sender, group in rows:
                before = {name: len(backend.messages()) for name, backend in backends.items()}
                reply = client.deliver(sender, [recipient], MESSAGE)
                self.assertEqual(reply.code, 250, (recipient, reply))
                after = {name: len(backend.messages()) - before[name] for name, backend in backends.items()}
                self.assertEqual(after, {**dict.fromkeys(backends, 0), group: 1}, recipient)
            # Two of one group may come together; one of another is told to come alone, and then passes.
            replies = [client.command(line) for line in (
                f"MAIL FROM:<{SENDER}>", "RCPT TO:<b@one.example>", "RCPT TO:<b@sub.one.example>",
                "RCPT TO:<c@one.example>", "RCPT TO:<b@example.org>")]
            self.assertEqual([reply.code for reply in replies], [250, 250, 452, 250, 550])
            self.assertTrue(replies[2].text.startswith("4.5.3 "), replies[2])
            self.assertTrue(replies[4].text.startswith("5.7.1 "), replies[4])
            client.command("RSET")
            for recipient in ("x%elsewhere.example@one.example", "elsewhere.example!x@one.example",
                              "x@elsewhere.example", "x@[192.0.2.2]"):
                reply = client.envelope(SENDER, recipient)[-1]
                self.assertIn(reply.code, (550, 554), (recipient, reply))
                client.command("RSET")
            # postmaster is everybody's; and who was refused by one group may be followed by one of another.
            backends["one"].options.refuse["rcpt:nobody@one.example"] = "550 5.1.1 No such user"
            replies = [client.command(line) for line in (
                f"MAIL FROM:<{SENDER}>", "RCPT TO:<nobody@one.example>", "RCPT TO:<b@sub.one.example>",
                "RCPT TO:<b@one.example>")]
            self.assertEqual([reply.code for reply in replies], [250, 550, 250, 452])
            self.assertEqual(client.message(MESSAGE).code, 250)
        message = backends["two"].messages()[-1]
        self.assertEqual(message.recipients, ["b@sub.one.example"])

    def test_a_new_table(self):
        proxy, backends = self.servers()
        with Client(proxy.port) as client, Client(proxy.port) as other:
            client.ehlo()
            self.reload(proxy, "one.example one\nother.example thre\n",
                        "line 2: there is no group [servers thre]")
            self.assertEqual(client.deliver(SENDER, ["b@one.example"], MESSAGE).code, 250)
            self.reload(proxy, "other.example two\n* default\n", "the configuration was read again")
            self.assertEqual(client.deliver(SENDER, ["b@sub.one.example"], MESSAGE).code, 250)  # of before
            other.close()
        with Client(proxy.port) as client:
            client.ehlo()
            for recipient, group in (("b@other.example", "two"), ("b@example.org", "default")):
                count = len(backends[group].messages())
                self.assertEqual(client.deliver(SENDER, [recipient], MESSAGE).code, 250)
                self.assertEqual(len(backends[group].messages()), count + 1)
        broken = run_program("postern-proxy", "--check-config", "--config", proxy.path)
        self.assertEqual(broken.returncode, 0, broken.stderr)

    def test_a_group_that_goes_and_comes_back(self):
        """What a client still has of it counts: the server never sees more than its limit."""
        proxy, backends = self.servers()
        groups = {f"servers {name}": {"address": f"127.0.0.1:{backends[name].port} limit=1"}
                  for name in ("one", "two")}
        proxy.configure(**groups)
        self.reload(proxy, ROUTES, "the configuration was read again")
        with Client(proxy.port) as client, Client(proxy.port) as other:
            client.ehlo()
            self.assertEqual(client.envelope(SENDER, "b@one.example")[-1].code, 250)
            wait_until(lambda: backends["one"].connections == 1, what="one connection")
            backends["one"].maximum_connections = 1
            del proxy.groups["servers one"]
            proxy.configure()
            self.reload(proxy, "* two\n", "the configuration was read again")
            proxy.configure(**groups)
            self.reload(proxy, ROUTES, "the configuration was read again")
            other.ehlo()
            other.send(b"MAIL FROM:<>\r\nRCPT TO:<c@one.example>\r\n")
            self.assertEqual(other.reply().code, 250)
            self.assertTrue(other.is_silent(1))
            self.assertEqual(client.message(MESSAGE).code, 250)
            self.assertEqual(other.reply().code, 250)
            self.assertEqual(other.message(MESSAGE).code, 250)
        self.assertEqual(backends["one"].maximum_connections, 1)

    def test_one_group_is_down(self):
        proxy, backends = self.servers()
        with Client(proxy.port) as client:
            client.ehlo()
            self.assertEqual(client.deliver(SENDER, ["b@one.example"], MESSAGE).code, 250)
            backends["one"].stop()
            self.assertEqual(client.deliver(SENDER, ["b@sub.one.example"], MESSAGE).code, 250)
            replies = client.envelope(SENDER, "b@one.example")
            self.assertEqual(replies[-1].code, 451)
            self.assertEqual(client.command("RCPT TO:<b@sub.one.example>").code, 250)
            self.assertEqual(client.message(MESSAGE).code, 250)
        self.assertEqual(len(backends["two"].messages()), 2)


if __name__ == "__main__":
    sys.exit(unittest.main())

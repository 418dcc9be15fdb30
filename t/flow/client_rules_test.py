"""
Rules about clients, DNS lists, names, HELO and a table of networks, refuse at the stage that [clients]
refuse_at names: the same words from proxy and milter.
"""

import signal
import unittest

from support.milter import MilterTestCase
from support.process import wait_until
from support.proxy import TOLD
from support.smtp import Client

SENDER, RECIPIENT, POSTMASTER = "a@sender.example", "b@example.org", "postmaster@example.org"
STAGES = ("connect", "helo", "mail", "rcpt", "end")
GOOD, LISTED, NAMELESS, BLOCKED, SICK = "192.0.2.7", "192.0.2.50", "192.0.2.60", "192.0.2.70", "192.0.2.80"
ANSWERS = """
7.2.0.192.in-addr.arpa PTR client.example
client.example A 192.0.2.7
2.0.0.127.bl.example A 127.0.0.2
50.2.0.192.bl.example A 127.0.0.2
50.2.0.192.in-addr.arpa PTR client.example
client.example A 192.0.2.50
70.2.0.192.in-addr.arpa PTR client.example
client.example A 192.0.2.70
80.2.0.192.in-addr.arpa PTR !SERVFAIL
80.2.0.192.bl.example A !TIMEOUT
2.0.0.127.mute.example A !TIMEOUT
80.2.0.192.mute.example A 127.0.0.2
2.0.0.127.wild.example A 127.0.0.2
1.0.0.127.wild.example A 127.0.0.2
7.2.0.192.wild.example A 127.0.0.2
"""
LISTS = {f"list {name}": {"zone": f"{name}.example"} for name in ("bl", "mute", "wild")}
LISTS["list wild"]["weight"] = 9
POLICY = {"checks": "spf", "client_listed": "reject", "client_no_name": "tempfail", "helo_literal": "reject",
          "exempt_recipients": ""}
# CLIENT, HELO: the reply, and its code at the connection.
REFUSED = {
    (LISTED, "client.example"): ("550 5.7.1 192.0.2.50 is on DNS lists: bl.example", 554),
    (NAMELESS, "client.example"): ("450 4.7.25 192.0.2.60 has no name in the DNS, try again later", 421),
    (BLOCKED, "client.example"): ("550 5.7.1 No mail from you", 554),
}
TAKEN = ((GOOD, "client.example"), (SICK, "client.example"))


class ClientRulesTest(MilterTestCase):
    def groups(self, stage, **policy):
        networks = self.subfolder("table") / "networks"
        networks.parent.chmod(0o755)
        networks.write_text(f"{BLOCKED} reject No mail from you\n")
        return {"clients": {"networks": networks, "refuse_at": stage}, "policy": {**POLICY, **policy},
                **LISTS}

    def proxy_at(self, stage, mode="enforce", server="backend.example", **policy):
        return self.proxy(self.backend(hostname=server), answers=ANSWERS, **self.groups(stage, **policy),
                          proxy={**TOLD, "mode": mode, "threads": 1})

    def ask_proxy(self, server, address, helo, recipients=(RECIPIENT,)):
        """(the stage that refuses, its reply) or ("end", the last reply)"""
        with Client(server.port, timeout=60) as client:
            client.ehlo("front.example")
            reply = client.command(f"XCLIENT ADDR={address} NAME=[UNAVAILABLE]")
            if reply.code != 220:
                return "connect", reply
            for stage, line in (("helo", f"EHLO {helo}"), ("mail", f"MAIL FROM:<{SENDER}>"),
                                *(("rcpt", f"RCPT TO:<{to}>") for to in recipients)):
                reply = client.command(line)
                if reply.code != 250:
                    return stage, reply
            client.command("DATA")
            return "end", client.command("Subject: x\r\n\r\nx\r\n.")

    def ask_milter(self, milter, address, helo, recipients=(RECIPIENT,)):
        with milter.client(timeout=60) as client:
            answers = [("connect", client.connect(name=f"[{address}]", address=address)),
                       ("helo", client.helo(helo)), ("mail", client.mail(SENDER, i="Q1"))]
            answers += [("rcpt", client.recipient(to)) for to in recipients]
            for stage, answer in answers:
                if answer is not None and answer[0] != b"c":
                    return stage, answer[1].rstrip(b"\0").decode()
            client.header(b"Subject: x\r\n\r\nx\r\n")
            client.body(b"x\r\n")
            outcome = client.end(i="Q1")
            return "end", outcome.reply or "250"

    @staticmethod
    def reload(program, count, **groups):
        """The program goes by these groups, after so many reloads before."""
        program.configure(**groups)
        program.program.send_signal(signal.SIGHUP)
        wait_until(lambda: program.log_now().count("the configuration was read again") > count,
                   what="the reload")

    def test_every_stage_of_the_proxy(self):
        server = self.proxy_at("end")
        for count, stage in enumerate(STAGES):
            self.reload(server, count, clients={"refuse_at": stage})
            for (address, helo), (words, at_connect) in REFUSED.items():
                with self.subTest(stage=stage, address=address):
                    found, reply = self.ask_proxy(server, address, helo)
                    self.assertEqual(found, stage)
                    self.assertIn(words[4:].partition(" ")[2], str(reply))
                    self.assertEqual(reply.code, at_connect if stage == "connect" else int(words[:3]))
            for address, helo in TAKEN:
                found, reply = self.ask_proxy(server, address, helo)
                self.assertEqual((found, reply.code), ("end", 250), (stage, address))
            found, reply = self.ask_proxy(server, GOOD, "[192.0.2.8]")
            self.assertEqual((found, reply.code), ("end" if stage == "connect" else stage, 550))
        doubts = [line for line in server.log_now().splitlines() if "not asked until" in line]
        self.assertEqual([sum(f"[list {name}]" in line for line in doubts)
                          for name in ("bl", "mute", "wild")], [0, len(STAGES), len(STAGES)])

    def test_a_client_that_greets_late_or_never(self):
        server = self.proxy_at("end")
        for count, stage in enumerate(STAGES[1:]):
            self.reload(server, count, clients={"refuse_at": stage})
            for hello in ((), ("EHLO client.example",)) if stage != "end" else ():
                with self.subTest(stage=stage, hello=hello), Client(server.port, timeout=60) as client:
                    client.ehlo("front.example")
                    client.command(f"XCLIENT ADDR={LISTED} NAME=[UNAVAILABLE]")
                    codes = [client.command(line).code for line in
                             ("MAIL FROM:", *hello, f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>")]
                    self.assertEqual((550 in codes, codes[-1] == 250), (True, False), codes)
            with self.subTest(stage=stage), Client(server.port, timeout=60) as client:
                client.ehlo("front.example")
                client.command(f"XCLIENT ADDR={GOOD} NAME=[UNAVAILABLE]")
                lines = ("EHLO client.example", f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>",
                         "EHLO another.example", "DATA", f"MAIL FROM:<{SENDER}>")
                self.assertEqual([client.command(line).code for line in lines],
                                 [250, 250, 250, 250, 503, 250])

    def test_a_server_that_hears_one_hello(self):
        server = self.proxy_at("helo", server="mx.example OpenSMTPD")
        self.assertEqual(self.ask_proxy(server, GOOD, "client.example")[1].code, 250)
        self.assertEqual(self.ask_proxy(server, GOOD, "client.example")[1].code, 250)
        self.assertEqual(self.ask_proxy(server, LISTED, "client.example")[1].code, 550)

    def test_every_stage_of_the_milter(self):
        milter = self.milter(answers=ANSWERS, **self.groups("end"))
        for count, stage in enumerate(STAGES):
            self.reload(milter, count, clients={"refuse_at": stage})
            for (address, helo), (words, _) in REFUSED.items():
                with self.subTest(stage=stage, address=address):
                    found, reply = self.ask_milter(milter, address, helo)
                    self.assertEqual((found, reply[:len(words)]), (stage, words))
            for address, helo in TAKEN:
                self.assertEqual(self.ask_milter(milter, address, helo), ("end", "250"), (stage, address))

    def test_a_client_of_the_milter_that_never_greets(self):
        milter = self.milter(answers=ANSWERS, **self.groups("helo"))
        for address, letter in ((LISTED, b"y"), (GOOD, b"c"), (BLOCKED, b"y")):
            with self.subTest(address=address), milter.client(timeout=60) as client:
                client.connect(name=f"[{address}]", address=address)
                self.assertEqual(client.mail(SENDER, i="Q1")[0], letter)
        observing = self.milter(answers=ANSWERS, **self.groups("helo"), milter={"mode": "observe"})
        with observing.client(timeout=60) as client:
            client.connect(name=f"[{LISTED}]", address=LISTED)
            self.assertEqual(client.mail(SENDER, i="Q1")[0], b"c")
            client.recipient(RECIPIENT)
            client.header(b"Subject: x\r\n\r\nx\r\n")
            client.body(b"x\r\n")
            self.assertEqual(client.end(i="Q1").code, 250)
        self.assertIn("bl.example", observing.wait_for_closing_lines("message", 1)[0]["would_reply"])

    def test_exempt_recipients_and_observing(self):
        server = self.proxy_at("rcpt", exempt_recipients="postmaster")
        milter = self.milter(answers=ANSWERS, **self.groups("rcpt", exempt_recipients="postmaster"))
        self.assertEqual(self.ask_proxy(server, LISTED, "client.example", (POSTMASTER,))[1].code, 250)
        self.assertEqual(self.ask_proxy(server, LISTED, "client.example", (POSTMASTER, RECIPIENT))[0], "rcpt")
        self.assertEqual(self.ask_milter(milter, LISTED, "client.example", (POSTMASTER,)), ("end", "250"))
        found, _ = self.ask_milter(milter, LISTED, "client.example", (POSTMASTER, RECIPIENT))
        self.assertEqual(found, "rcpt")
        server = self.proxy_at("rcpt", mode="observe")
        milter = self.milter(answers=ANSWERS, **self.groups("rcpt"), milter={"mode": "observe"})
        self.assertEqual(self.ask_proxy(server, LISTED, "client.example")[1].code, 250)
        self.assertEqual(self.ask_milter(milter, LISTED, "client.example"), ("end", "250"))
        for program in (server, milter):
            line = program.wait_for_closing_lines("message", 1)[0]
            self.assertEqual((line["action"], line["would"], line["lists"]), ("accept", "reject", "bl"))
            self.assertIn("is on DNS lists: bl.example", line["would_reply"])


if __name__ == "__main__":
    unittest.main()

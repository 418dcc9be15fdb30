"""Clients that speak for others, with XCLIENT or by their Received fields; what each may have of memory."""

import unittest

from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

BALANCER, EXTERNAL = "127.0.0.5", "127.0.0.9"
PASSES, FAILS = "198.51.100.7", "203.0.113.9"
SENDER, RECIPIENT = "a@pass.example", "b@example.org"
ANSWERS = f"""
pass.example TXT "v=spf1 ip4:{PASSES} -all"
9.113.0.203.in-addr.arpa PTR nine.example
nine.example A {FAILS}
"""
MESSAGE = crlf("From: a@pass.example\nSubject: x\n\nHello.\n")


def received(address, by="relay.example"):
    return crlf(f"Received: from he.lo ({by} [{address}])\n\tby {by} (Postfix) with ESMTP id 1\n"
                "\tfor <b@example.org>; Fri, 05 Jun 2026 10:05:00 +0000\n")


class TrustedTest(ProxyTestCase):
    def start(self, proxy=None, **groups):
        self.recorder = self.backend(xclient="keep")
        policy = {"spf_fail": "reject", "authentication_results": "no", **groups.pop("policy", {})}
        self.server = self.proxy(self.recorder, answers=ANSWERS, policy=policy, virus={"scan": "no"},
                                 proxy={"inspect": "yes", "trusted_clients": f"{BALANCER}/32", "threads": 1,
                                        **(proxy or {})}, **groups)

    def connect(self, source, name="lb.example"):
        client = Client(self.server.port, source=source, timeout=60)
        self.addCleanup(client.close)
        client.ehlo(name)
        return client

    def told(self):
        """The XCLIENT lines that the back-end had for clients, the relay probe's aside."""
        return [command for command in self.recorder.commands()
                if command.startswith("XCLIENT") and "192.0.2.1 " not in command]

    def test_one_connection_for_many_clients(self):
        self.start()
        balancer = self.connect(BALANCER)
        self.assertIn("XCLIENT", balancer.capabilities)
        self.assertNotIn("XFORWARD", balancer.capabilities)
        for count, (address, code, name) in enumerate(((PASSES, 250, "[UNAVAILABLE]"),
                                                       (FAILS, 550, "nine.example"),
                                                       (PASSES, 250, "[UNAVAILABLE]")), 1):
            self.assertEqual(balancer.command(f"XCLIENT ADDR={address} PORT=4711 PROTO=ESMTP").code, 220)
            balancer.ehlo("client.example")
            reply = balancer.deliver(SENDER, [RECIPIENT], MESSAGE)
            self.assertEqual(reply.code, code, reply)
            self.assertTrue(self.told()[-1].startswith(
                f"XCLIENT ADDR={address} PORT=4711 PROTO=ESMTP NAME={name}"), self.told())
            line = self.server.wait_for_closing_lines("message", count)[-1]
            self.assertEqual((line["client"], line["peer"], line["helo"]),
                             (address, BALANCER, "client.example"))
        self.assertEqual(len(self.recorder.messages()), 2)

    def test_external_clients_are_not_believed(self):
        self.start()
        external = self.connect(EXTERNAL)
        self.assertNotIn("XCLIENT", external.capabilities)
        for command in (f"XCLIENT ADDR={PASSES}", f"XFORWARD ADDR={PASSES}"):
            reply = external.command(command)
            self.assertEqual((reply.code, reply.enhanced), (550, "5.7.0"))
        self.assertEqual(external.deliver(SENDER, [RECIPIENT], received(FAILS) + MESSAGE).code, 250)
        line = self.server.wait_for_closing_lines("message", 1)[-1]
        self.assertEqual((line["client"], line["class"], line["spf"]), (EXTERNAL, "other", "not_checked"))

    def test_login_by_xclient(self):
        self.start(policy={})
        balancer = self.connect(BALANCER)
        self.assertEqual(balancer.command(f"XCLIENT ADDR={FAILS} LOGIN=ada").code, 220)
        balancer.ehlo("client.example")
        self.assertEqual(balancer.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        line = self.server.wait_for_closing_lines("message", 1)[-1]
        self.assertEqual((line["class"], line["policy"], line["login"], line["spf"]),
                         ("authenticated", "submission", "ada", "not_checked"))
        self.assertIn("LOGIN=ada", self.told()[-1])

    def test_trusted_relay(self):
        self.start(clients={"trusted_relays": "127.0.0.6"})
        relay = self.connect("127.0.0.6", "relay.example")
        for count, (address, code, spf) in enumerate(((PASSES, 250, "pass"), (FAILS, 550, "fail")), 1):
            reply = relay.deliver(SENDER, [RECIPIENT], received(address) + MESSAGE)
            self.assertEqual(reply.code, code, reply)
            line = self.server.wait_for_closing_lines("message", count)[-1]
            self.assertEqual((line["client"], line["relay"], line["class"], line["spf"]),
                             (address, "127.0.0.6", "trusted_relay", spf))
            self.assertIn("ADDR=127.0.0.6 ", self.told()[-1])

    def test_one_client_leaves_room_for_others(self):
        self.start({"message_size": "1M", "message_memory": "4M"})
        greedy = [self.connect("127.0.0.7") for _ in range(3)]
        codes = []
        for client in greedy:  # what is declared is reserved before the 354
            client.envelope("", RECIPIENT, mail_parameters="SIZE=1000000")
            codes.append(client.command("DATA").code)
        self.assertEqual(codes, [354, 452, 452])
        greedy[0].send(MESSAGE + (b"x" * 998 + b"\r\n") * 600)
        others = self.connect("127.0.0.8")
        self.assertEqual(others.deliver("", [RECIPIENT], MESSAGE).code, 250)
        greedy[0].send(b".\r\n")
        self.assertEqual(greedy[0].reply().code, 250)
        self.assertEqual(greedy[1].message(MESSAGE).code, 250)  # there is room again


if __name__ == "__main__":
    unittest.main()

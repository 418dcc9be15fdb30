"""What the relay probe finds out of real Postfixes: the safe ones serve, open and unclear ones do not."""

import re
import signal
import sys
import unittest

from support import ports
from support.policy_service import PolicyService
from support.postfix import Postfix, Unavailable
from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client

SENDER, RECIPIENT, FOREIGN = "a@sender.example", "b@example.org", "x@elsewhere.example"
PARAMETERS = {"mynetworks": "127.0.0.1/32", "default_transport": "discard:"}
SOURCE, HELO = "127.0.0.7", "client.example"
ANSWERS = "7.0.0.127.in-addr.arpa PTR verified.example\nverified.example A 127.0.0.7\n"
OPEN_RELAY = {"smtpd_relay_restrictions": "check_client_access static:OK, reject"}
PROBES_ARE_REFUSED = {"smtpd_client_restrictions":
                      "check_client_access cidr:{ {127.0.0.0/8 DUNNO}, {0.0.0.0/0 REJECT}, {::/0 REJECT} }"}
PROBES_MAY_NOT_RELAY = {"smtpd_client_restrictions": "check_client_access cidr:{ {127.0.0.0/8 DUNNO}, "
                        "{0.0.0.0/0 REJECT Relay access denied}, {::/0 REJECT Relay access denied} }"}
SOME_CLIENTS_ALONE = {"smtpd_recipient_restrictions": "check_client_access cidr:{ {127.0.0.0/8 OK} }, reject"}
NO_NULL_SENDER = {"smtpd_sender_restrictions": "check_sender_access inline:{ {<> = REJECT No bounces} }"}
NO_OWN_NAME = {"smtpd_helo_restrictions":
               "check_helo_access inline:{ {proxy.example = REJECT You are not me} }"}
NO_TEST_NETWORK = {"smtpd_client_restrictions": "check_client_access cidr:{ {192.0.2.0/24 REJECT} }"}
KNOWN_CLIENTS = {"smtpd_client_restrictions": "permit_mynetworks, reject_unknown_client_hostname"}
REVERSE_NAMES = {"smtpd_client_restrictions": "permit_mynetworks, reject_unknown_reverse_client_hostname"}
EXEMPT_POSTMASTER = {"smtpd_recipient_restrictions":
                     "check_recipient_access inline:{ {postmaster@ = OK} }, reject_unknown_client_hostname"}

# Mail flows, and what is foreign is refused.
SAFE = {
    "as it comes": {},
    "at once": {"smtpd_delay_reject": "no"},
    "known clients": KNOWN_CLIENTS,
    "known clients, at once": {**KNOWN_CLIENTS, "smtpd_delay_reject": "no"},
    "known clients, at MAIL": {"smtpd_sender_restrictions": KNOWN_CLIENTS["smtpd_client_restrictions"]},
    "reverse names": REVERSE_NAMES,
    "not our name": NO_OWN_NAME,
    "no literals": {"smtpd_helo_restrictions": "check_helo_access regexp:{ {/^\\[/ REJECT No literals} }"},
    "names in HELO": {"smtpd_helo_restrictions":
                      "reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname"},
    "not the first test network": NO_TEST_NETWORK,
    "not the first test network, at once": {**NO_TEST_NETWORK, "smtpd_delay_reject": "no"},
    "no null sender": NO_NULL_SENDER,
    "reject in the end": {"smtpd_relay_restrictions": "permit_mynetworks, permit_auth_destination, reject"},
    "deferred": {"smtpd_relay_restrictions": "permit_mynetworks, defer_unauth_destination"},
    "soft": {"soft_bounce": "yes"},
    "a footer": {"smtpd_reject_footer": "Call us, we relay not"},
    "known domains first": {"smtpd_relay_restrictions": "", "smtpd_recipient_restrictions":
                            "reject_unknown_recipient_domain, reject_unauth_destination"},
    "exempt postmaster": EXEMPT_POSTMASTER,
    "one error and out": {"smtpd_hard_error_limit": "1"},
    "one recipient": {"smtpd_recipient_limit": "1"},
}
# It takes what is foreign from external clients, whatever it refuses besides.
OPEN = {
    "networks": {"mynetworks": "0.0.0.0/0, [::]/0"},
    "restrictions": OPEN_RELAY,
    "at once": {**OPEN_RELAY, "smtpd_delay_reject": "no"},
    "known clients": {**OPEN_RELAY, **KNOWN_CLIENTS},
    "reverse names": {**OPEN_RELAY, **REVERSE_NAMES},
    "not our name": {**OPEN_RELAY, **NO_OWN_NAME},
    "not the first test network": {**OPEN_RELAY, **NO_TEST_NETWORK},
    "no null sender": {**OPEN_RELAY, **NO_NULL_SENDER},
    "known domains": {**OPEN_RELAY, "smtpd_recipient_restrictions": "reject_unknown_recipient_domain"},
    "not that domain": {**OPEN_RELAY, "smtpd_recipient_restrictions":
                        "check_recipient_access inline:{ {example.com = 556 5.1.10 nullMX} }"},
    "exempt postmaster": {**OPEN_RELAY, **EXEMPT_POSTMASTER},
    "one error and out": {**OPEN_RELAY, "smtpd_hard_error_limit": "1"},
}


class ProofTest(ProxyTestCase):
    @classmethod
    def setUpClass(cls):
        cls.policy = PolicyService(lambda attributes: cls.greylist(attributes))
        cls.addClassCleanup(cls.policy.close)
        cls.greylist = staticmethod(lambda attributes: None)
        greylisted = {"smtpd_client_restrictions": cls.policy.restriction}
        cls.ports, services = {}, []
        for kind, table in (
                ("safe", SAFE), ("open", OPEN),
                ("refused", {"safe": PROBES_ARE_REFUSED, "open": {**OPEN_RELAY, **PROBES_ARE_REFUSED},
                             "told otherwise": {**OPEN_RELAY, **PROBES_MAY_NOT_RELAY},
                             "some alone": {**OPEN_RELAY, **SOME_CLIENTS_ALONE}}),
                ("greylisted", {"safe": greylisted, "open": {**OPEN_RELAY, **greylisted}}),
                ("greylisted recipients",
                 {"safe": {"smtpd_recipient_restrictions": cls.policy.restriction}})):
            for name, parameters in table.items():
                port = cls.ports[kind, name] = ports.free_port()
                services.append(f"127.0.0.1:{port} inet n - n - - smtpd")
                services += [f"  -o {{ {key} = {value} }}" for key, value in parameters.items()]
        cls.postfix = Postfix(parameters=PARAMETERS, services="\n".join(services)).start()
        cls.addClassCleanup(cls.postfix.close)

    def front(self, kind, name, **options):
        return self.proxy(self.ports[kind, name], answers=ANSWERS, proxy={"threads": 1, **options})

    def ask(self, server, recipient):
        with Client(server.port, source=SOURCE, timeout=60) as client:
            client.ehlo(HELO)
            return client.envelope(SENDER, recipient)[-1]

    def assert_serves(self, server):
        self.assertEqual(self.ask(server, RECIPIENT).code, 250, server.log())
        refusal = self.ask(server, FOREIGN)
        self.assertIn(refusal.code, (450, 454, 554), refusal)

    def assert_serves_not(self, server, words):
        for recipient in (RECIPIENT, FOREIGN):
            reply = self.ask(server, recipient)
            self.assertEqual((reply.code, reply.enhanced), (451, "4.3.0"), server.log())
        server.program.wait_for_log(words)

    def assert_names_the_remedy(self, server):
        """The log says what was answered, and what to set, once."""
        server.program.wait_for_log("cannot be found out")
        lines = [line for line in server.log().splitlines()
                 if re.search("(error|warning): back-end .* cannot be found out", line)]
        self.assertEqual(len(lines), 1, server.log())
        for words in ("foreign <relay-probe@example.com>: \"", "recipient_domains", "relay_probe_client",
                      "relay_probe = no"):
            self.assertIn(words, lines[0])

    def test_safe(self):
        for name in SAFE:
            with self.subTest(name):
                server = self.front("safe", name)
                self.assert_serves(server)
                self.assertNotIn(": error: ", server.log())
                server.stop()

    def test_open(self):
        for name in OPEN:
            with self.subTest(name):
                server = self.front("open", name)
                self.assert_serves_not(server, "it is an open relay")
                server.program.wait_for_log("foreign <relay-probe@")
                server.stop()

    def test_the_probe_is_refused(self):
        """Nothing is proved, for safe and open relays alike: no mail, and the log names the remedies."""
        for name in ("safe", "open", "told otherwise", "some alone"):
            with self.subTest(name):
                server = self.front("refused", name)
                self.assert_serves_not(server, "cannot be found out")
                self.assert_names_the_remedy(server)

    def test_remedies(self):
        server = self.front("refused", "safe", relay_probe_client="127.0.0.99")
        self.assert_serves(server)
        server = self.front("refused", "open", relay_probe_client="127.0.0.99")
        self.assert_serves_not(server, "it is an open relay")
        server = self.front("refused", "safe", relay_probe_client="127.0.0.99",
                            relay_probe_recipient=RECIPIENT)
        self.assert_serves(server)
        for name in ("safe", "open"):
            server = self.front("refused", name, recipient_domains="example.org")
            self.assert_serves(server)
            self.assert_names_the_remedy(server)
            self.assertNotIn(": error: ", server.log())

    def test_what_is_known_stays(self):
        """A back-end that has proved safe, and refuses the probe later, goes on to serve."""
        server = self.front("greylisted", "safe")
        self.assert_serves(server)
        self.refuse_probes()
        self.reload(server)
        server.program.wait_for_log("cannot be found out")
        self.assert_serves(server)

    def test_greylisting(self):
        """In front of all it hides whether the back-end relays, until it lets the probe through."""
        for name in ("safe", "open"):
            with self.subTest(name):
                self.refuse_probes()
                server = self.front("greylisted", name)
                self.assert_serves_not(server, "cannot be found out")
                type(self).greylist = staticmethod(lambda attributes: None)
                self.reload(server)
                if name == "safe":
                    server.program.wait_for_log("in service")
                    self.assert_serves(server)
                else:
                    server.program.wait_for_log("it is an open relay")
                    self.assert_serves_not(server, "it is an open relay")

    def test_greylisting_of_recipients(self):
        self.refuse_probes()
        server = self.front("greylisted recipients", "safe")
        self.assert_serves(server)

    def refuse_probes(self):
        self.addCleanup(setattr, type(self), "greylist", staticmethod(lambda attributes: None))
        type(self).greylist = staticmethod(
            lambda attributes: None if attributes["client_address"] == SOURCE else "450 4.2.0 Greylisted")

    def reload(self, server):
        before = server.log().count("was read again")
        server.program.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log().count("was read again") > before, what="the reload")

    def test_the_probe_delivers_nothing(self):
        self.assert_serves(self.front("safe", "as it comes"))
        self.assertEqual(self.postfix.messages(), [])
        self.assertNotIn("relay=", self.postfix.log())


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

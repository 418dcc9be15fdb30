"""
A reload and all options: each takes effect, or is named in the log as one that needs a restart, as
--dump-config says of it. Rows come from --dump-config, so that no option can be forgotten here.
"""

import contextlib
import copy
import re
import signal
import unittest

from support.certificates import Certificate
from support.milter import MilterTestCase
from support.process import Program, wait_until
from support.proxy import Proxy, ProxyTestCase, run_program
from support.smtp import Client, Closed, crlf

MESSAGE = crlf("From: a@sender.example\nSubject: reload\n\nHello.\n")
SENDER, RECIPIENT = "a@sender.example", "b@example.org"
ANSWERS = 'sender.example TXT "v=spf1 -all"\n'
ROW = re.compile(r"\n# \((?P<range>.*); default: .*; (?P<reload>.*)\)\n(?P<key>\w+) =(?P<value>.*)")
RESTART = "needs a restart"
# What texts and lists of some options may say; the others take one of TEXTS.
SPECIAL = {
    "destination": "/other/place", "backend": "127.0.0.1:7", "listen": "127.0.0.1:7", "user": "games",
    "relay_probe_recipient": "joe@other.example", "email": "joe@other.example",
    "envelope_sender": "joe@other.example", "daily": "joe@other.example", "socket_mode": "0640",
    "checks": "spf",
    "exempt_recipients": "abuse", "authenticated_policy": "", "own_networks_policy": "",
    "subject_tag": "[tag]", "server_pins": "7" * 64, "tls_pins": "7" * 64,
    "points": "early_talker=3", "codes": "127.0.0.3",
    "address": "127.0.0.1:7",
    "probe_recipient": "joe@other.example", "tls_listen": "127.0.0.1:7",
    "submission_tls_listen": "127.0.0.1:7"}
NEEDS = {  # what goes with a new value
    "proxy role": {"proxy": {"trusted_clients": "192.0.2.1"}},
    "proxy submission_listen": {"proxy": {"role": "before_queue_filter", "trusted_clients": "192.0.2.1"}},
    "dns servers": {"dns": {"answers": None}},
    **{f"report {key}": {"report": {"store": "/other/place", "email": "joe@other.example"}}
       for key in ("dmarc", "failures")},
    "tls server_key": {"tls": {"server_certificate": "/other/place"}},
    "policy sign": {"sign": {"table": "/other/place"}},
}
# Those that are read at the reload.
FILES = {"proxy routes", "clients recipients", "clients networks", "content rules"}
PLACES = {"class networks": "class other", "class names": "class other"}  # of no use in [class]
TEXTS = ["192.0.2.7", "other.example", "127.0.0.1:7", "/other/place", "inet:1@127.0.0.1", "other", "DSN"]
TIMES, SIZES = ["7s", "11s"], ["2M", "3M", "600M", "700K", "1K"]

def rows():
    """(group, key, range, value, what it says of a reload) of every option."""
    text = run_program("postern-proxy", "--dump-config").stdout.partition("\n[policy submission]\n")
    tail = re.search(r"\n\[(?!policy )", text[2])
    for part in (text[0] + text[2][tail.start():]).split("\n[")[1:]:
        group = part.partition("]")[0]
        for match in ROW.finditer(part):
            yield group, match["key"], match["range"], match["value"].strip(), match["reload"]


def candidates(key, kind, value):
    """Other values that the option may take."""
    if kind == "yes or no":
        words = ["yes", "no"]
    elif kind.startswith("one of "):
        words = reversed(kind[len("one of "):].split(", "))
    elif kind.startswith("a number"):
        words = ["1", "2", "3", *re.findall(r"\d+", kind), "28", "60"]
    elif key in SPECIAL:
        words = [SPECIAL[key]]
    else:
        words = TIMES if kind.startswith("a time") else SIZES if kind.startswith("a size") else TEXTS
    return [word for word in words if word != value]


class Walk:
    """Every option in turn gets another value, in a daemon that runs on."""

    TAKEN = ["the configuration was read again", "reloading configuration,"]

    def reload(self, daemon, group, key, value, needs):
        """What the log says of it: True, it is taken; False, it is named; None, the value is wrong."""
        before = len(daemon.log_now())
        groups = copy.deepcopy(daemon.groups)
        for name, options in needs.get(f"{group} {key}", {}).items():
            daemon.configure(**{name: options})
        daemon.configure(**{group: {key: value}})
        daemon.program.send_signal(signal.SIGHUP)

        def said():
            text = daemon.log_now()[before:]
            refused = re.search(r"nothing was changed by the reload: .*", text)
            taken = all(line in text for line in self.TAKEN)
            return refused[0] if refused else taken and "taken"

        outcome = wait_until(said, what=f"the reload of {group} {key}")
        daemon.groups = groups
        named = f"[{group}] {key}" in outcome and RESTART in outcome.replace("need a", "needs a")
        return True if outcome == "taken" else False if named else None

    def walk(self, daemon, restarts):
        """restarts: groups, and options ("GROUP KEY"), that need a restart, if they do, of this daemon."""
        (daemon.folder / "recipients").write_text("")
        certificate = Certificate(daemon.folder, "mx.example.org").both
        certified = {"tls": {"certificates": certificate}}
        both = {**certified, "proxy": {"auth": "always"}}
        needs = {**NEEDS, **{option: certified for option in (
            "proxy tls", "proxy tls_listen", "tls submission", "tls required_networks")},
                 "proxy submission_tls_listen": both}
        count = 0
        for group, key, kind, value, reload in rows():
            count += 1
            taken, tried = None, []
            own = daemon.groups.get(group, {}).get(key, value)
            for candidate in candidates(key, kind, str(own)):
                value = daemon.folder / "recipients" if f"{group} {key}" in FILES else candidate
                taken = self.reload(daemon, PLACES.get(f"{group} {key}", group), key, value, needs)
                tried.append(value)
                if taken is not None:
                    break
            with self.subTest(group=group, key=key):
                self.assertIsNotNone(taken, f"of {kind} none of these is taken: {tried}")
                own = bool({group, f"{group} {key}"} & restarts)
                self.assertEqual(taken, not (reload == RESTART and own), reload)
        self.assertGreater(count, 100)
        self.assertIsNone(re.search(r"postern-inspector\[\d+\]: error: nothing was changed", daemon.log())
                          if len(self.TAKEN) > 1 else None, "the inspector refuses what the daemon takes")


class ProxyOptionsTest(Walk, ProxyTestCase):
    def test_all_options(self):
        backend = self.backend(xforward=True)
        options = {"inspect": "yes", "threads": 2, "recipient_domains": "example.org"}
        server = self.proxy(backend, proxy=options, virus={"scan": "no"})
        self.walk(server, {"log", "proxy", "dns", "inspector", "capsule", "screen", "greylist", "report",
                           "http listen", "http inspector_listen", "http password_file"})
        with Client(server.port) as client:
            client.ehlo()
            self.assertTrue(client.command(f"MAIL FROM:<{SENDER}>").is_positive)


class MilterOptionsTest(Walk, MilterTestCase):
    def test_all_options(self):
        self.walk(self.milter(virus={"scan": "no"}), {
            "log", "milter", "dns", "inspector", "capsule", "greylist", "report", "http milter_listen",
            "http inspector_listen", "http password_file"})


class InspectorOptionsTest(Walk, ProxyTestCase):
    """A shared one, which stands alone."""

    TAKEN = ["reloading configuration,"]

    def test_all_options(self):
        inspector = Proxy(self.subfolder("inspector"), 1, virus={"scan": "no"})
        inspector.program = Program("postern-inspector", "--config", inspector.path, "--socket",
                                    inspector.folder / "socket", folder=inspector.folder)
        self.addCleanup(inspector.stop)
        inspector.program.wait_for_log("ready: 0 signatures")
        self.walk(inspector, {"log", "inspector", "http inspector_listen", "http password_file"})


class ProxyEffectTest(ProxyTestCase):
    """New sessions do go by what was taken: all that SMTP can show without waiting."""

    def setUp(self):
        super().setUp()
        self.recorder = self.backend(xforward=True)
        self.address = None  # what a trusted client says of where it comes from

    def start(self, **groups):
        self.server = self.proxy(self.recorder, answers=ANSWERS, **groups)
        wait_until(lambda: " is ready " in self.server.log_now(), 60, "the proxy being ready")

    def reload(self, group, key, value):
        lines = self.server.log_now().count("was read again")
        self.server.configure(**{group: {key: value}})
        self.server.program.send_signal(signal.SIGHUP)
        wait_until(lambda: self.server.log_now().count("was read again") > lines,
                   what=f"{group} {key} = {value}")

    @contextlib.contextmanager
    def client(self):
        """A client that is gone afterwards, as the proxy knows."""
        with Client(self.server.port) as client:
            client.ehlo()
            if self.address:
                self.assertEqual(client.command(f"XCLIENT ADDR={self.address}").code, 220)
                client.ehlo()
            yield client
            client.send(b"QUIT\r\n")
            client.wait_closed()

    def deliver(self, message=MESSAGE, recipient=RECIPIENT, sender=SENDER):
        with self.client() as client:
            return client.deliver(sender, [recipient], message).code

    def announces(self, keyword):
        with self.client() as client:
            return keyword in client.capabilities

    def last(self):
        """The last message that was delivered, as text."""
        return self.recorder.messages()[-1].octets.decode()

    def silent(self, *commands):
        """What a client is told that says nothing more."""
        with self.client() as client:
            for command in commands:
                client.command(command)
            try:
                return client.reply().code
            except Closed:
                return None

    def check(self, group, options):
        """options: {key: (new value, what is looked at, before, after)}."""
        for key, (value, look, before, after) in options.items():
            with self.subTest(group=group, key=key):
                self.assertEqual(look(), before)
                self.reload(group, key, value)
                self.assertEqual(look(), after)
                self.reload(group, key, None)

    def test_proxy(self):
        self.start(proxy={"threads": 1})
        long, nul = MESSAGE + b"x" * 2000 + b"\r\n", MESSAGE + b"\0\r\n"
        two = [f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "RCPT TO:<c@example.org>"]
        self.recorder.options.pause = {"rcpt:slow@example.org": 0.4}

        def greeting():
            with self.client() as client:
                return client.greeting.text.split()[0]

        def size():
            with self.client() as client:
                return client.capabilities["SIZE"]

        def second():
            with self.client(), Client(self.server.port, greet=False) as other:
                return other.reply().code

        def last_code():
            with self.client() as client:
                return [client.command(command).code for command in two][-1]

        self.check("proxy", {
            "hostname": ("other.example", greeting, "proxy.example", "other.example"),
            "message_size": ("2M", size, ["52428800"], ["2097152"]),
            "max_recipients": ("1", last_code, 250, 452),
            "max_connections_per_client": ("1", second, 220, 421),
            "recipient_domains": ("other.example", self.deliver, 250, 554),
            "refuse_nul": ("yes", lambda: self.deliver(nul), 250, 550),
            "refuse_long_lines": ("yes", lambda: self.deliver(long), 250, 550),
            "bare_newline": ("repair", lambda: self.deliver(MESSAGE + b"a\nb\r\n"), 550, 250),
            "strict_envelopes": ("yes", lambda: self.deliver(sender="a..b@sender.example"), 250, 501),
            "discard_ehlo_keywords": ("chunking", lambda: self.announces("CHUNKING"), True, False),
            "backend_timeout": ("50ms", lambda: self.deliver(recipient="slow@example.org"), 250, 451),
            "client_address": ("none", self.deliver, 250, 250),
        })
        self.reload("proxy", "client_timeout", "50ms")
        self.assertEqual(self.silent(), 421)
        self.reload("proxy", "client_data_timeout", "50ms")
        self.reload("proxy", "client_timeout", "60s")
        self.assertEqual(self.silent(*two[:2], "DATA"), 421)

    def test_another_back_end(self):
        self.start()
        self.assertEqual(self.deliver(), 250)
        other = self.backend()
        self.reload("proxy", "backend", f"127.0.0.1:{other.port}")
        self.assertEqual(self.deliver(), 250)
        self.assertEqual((len(self.recorder.messages()), len(other.messages())), (1, 1))

    def test_policy(self):
        self.start(proxy={"inspect": "yes", "threads": 1, "trusted_clients": "127.0.0.1"},
                   virus={"scan": "no"})
        self.address = "203.0.113.9"

        def added(text):
            def look():
                self.assertEqual(self.deliver(), 250)
                return text in self.last()
            return look

        self.check("policy", {
            "spf_fail": ("reject", self.deliver, 250, 550),
            "authentication_results": ("no", added("Authentication-Results:"), True, False),
            "received_spf": ("yes", added("Received-SPF:"), False, True),
            "subject_tag": ("[spf]", added("[spf]"), False, True),
            "checks": ("dkim", added("spf="), True, False),
        })
        self.reload("policy", "spf_fail", "reject")
        self.check("policy", {"exempt_recipients": ("b", self.deliver, 550, 250),
                              "allow_clients": ("203.0.113.9", self.deliver, 550, 250)})
        self.check("proxy", {"mode": ("observe", self.deliver, 550, 250),
                             "inspect": ("no", self.deliver, 550, 250)})
        self.check("log", {"level": ("debug", lambda: " debug: " in self.logged(self.deliver), False, True)})

    def logged(self, work):
        """What work adds to the log."""
        before = len(self.server.log())
        work()
        return self.server.log()[before:]


if __name__ == "__main__":
    unittest.main()

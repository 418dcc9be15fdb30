"""
What contrib has for Exim, OpenSMTPD, Sendmail and Exchange behind the proxy, taken as an administrator takes
it: mail for the domain comes in with the client's own EHLO, nothing is relayed, and who may know the client's
address does. What is quarantined Exim holds.
"""

import re
import shutil
import subprocess
import unittest

from support import exim, opensmtpd, packages, sendmail
from support.milter import administrator_lines
from support.process import wait_until
from support.proxy import TOLD, ProxyTestCase
from support.smtp import Client, crlf

OPTION = re.compile(r"^(?:#|dnl) {3}(\w+) = (.*)$", re.MULTILINE)
MESSAGE = crlf("From: a@sender.example\nSubject: behind\n\nHello.\n")
FORGED = b"Postern-Quarantine: virus: forged\r\n" + MESSAGE
# As Exchange 2019 answers EHLO.
EXCHANGE = ["SIZE", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "X-ANONYMOUSTLS", "AUTH NTLM",
            "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "XRDST"]


def lines_of(text):
    """Without comments."""
    return "".join(f"{line}\n" for line in text.splitlines() if line and not line.startswith(("#", "dnl")))


class OtherServersTest(ProxyTestCase):
    def before(self, server, text, **groups):
        """The proxy with the options that the file's comment has, but for its own addresses."""
        self.addCleanup(server.close)
        options = dict(OPTION.findall(text))
        self.assertEqual(options.pop("backend"), "127.0.0.1:10025")
        for key in ("listen", "tls"):
            options.pop(key)
        options.update(threads=1, mode="enforce", **(TOLD if groups else {}))
        return self.proxy(server.start().port, proxy=options, **groups)

    def send(self, proxy):
        with Client(proxy.port, source="127.0.0.9", timeout=60) as client:
            client.ehlo("sender.example")
            reply = client.deliver("a@sender.example", ["b@example.org"], MESSAGE)
            self.assertEqual(reply.code, 250, f"{reply} {proxy.log()}")
            foreign = client.deliver("a@sender.example", ["b@elsewhere.example"], MESSAGE)
            self.assertIn(foreign.code, (550, 554))

    def test_exim(self):
        text = administrator_lines("exim", "main.proxy")
        server = exim.Exim(lines_of(text), listener=False)
        proxy = self.before(server, text)
        self.send(proxy)
        wait_until(lambda: len(list((server.folder / "spool").glob("input/**/*-H"))) == 1, what="the message")

    def test_exim_as_debian_configures_it(self):
        text = administrator_lines("exim", "localmacros.proxy")
        listening, = re.findall(r"^# (dc_local_interfaces=.*)$", text, re.MULTILINE)
        debian = packages.unpack("exim4-config", alone=True)
        script = (debian / "usr" / "sbin" / "update-exim4.conf").read_text()
        server = exim.Exim().start()
        self.addCleanup(server.close)
        for split, name in (("false", "exim4.conf.localmacros"), ("true", "conf.d/main/000_localmacros")):
            place = server.folder / split
            shutil.copytree(debian / "etc" / "exim4", place)
            (place / name).write_text(text)
            (place / "update-exim4.conf.conf").write_text(
                f"dc_eximconfig_configtype='internet'\ndc_use_split_config='{split}'\n{listening}\n")
            # Where Exim's user is known.
            subprocess.run(["nsenter", "--target", str(server.program.pid), "--mount",
                            "sh", "-s", "--", "--confdir", place, "--output", place / "exim.conf"],
                           input=script.replace("/etc/exim4/", f"{place}/"), text=True, check=True)
            said = server.run("-bP", "local_interfaces", "host_lookup", "smtp_accept_max",
                              "tls_advertise_hosts", configuration=place / "exim.conf")
            self.assertEqual(said.splitlines(), ["local_interfaces = 127.0.0.1.10025", "host_lookup = ",
                                                 "smtp_accept_max = 100",
                                                 "tls_advertise_hosts = ! 127.0.0.1 : *"])

    def test_exim_freezes_what_is_quarantined(self):
        text = administrator_lines("exim", "main.proxy")
        rule = f"begin acl\nwhole:\n{lines_of(administrator_lines('exim', 'acl.quarantine'))}accept\n"
        server = exim.Exim(lines_of(text) + rule, content="whole", listener=False)
        proxy = self.before(server, text, answers='silent.example TXT "v=spf1 -all"\n',
                            virus={"database": self.signatures()}, policy={"spf_fail": "quarantine"})
        for sender in ("a@sender.example", "a@silent.example"):
            with Client(proxy.port, timeout=60, told="192.0.2.7") as client:
                client.ehlo("sender.example")
                self.assertEqual(client.deliver(sender, ["b@example.org"], FORGED).code, 250)
        wait_until(lambda: server.run("-bp").count("<a@") == 2, 20, "both messages")
        listed = server.run("-bp")
        self.assertEqual(len(re.findall(r"<a@silent\.example> \*\*\* frozen \*\*\*", listed)), 1, listed)
        self.assertEqual(listed.count("frozen"), 1, listed)
        held = re.search(r"(\S+) <a@silent", listed)[1]
        server.run("-Mt", held)
        self.assertNotIn("frozen", server.run("-bp"))

    def test_exchange(self):
        """A server that announces what Exchange does and is told nothing of the client."""
        text = administrator_lines("exchange", "receive-connector.ps1")
        options = dict(OPTION.findall(text))
        self.assertEqual((options["client_address"], options["recipient_domains"]), ("none", "example.org"))
        back = self.backend(hostname="EX1.corp.example", keywords=EXCHANGE, xclient="absent",
                            domains=["example.org", "elsewhere.example"])
        proxy = self.proxy(back.port, proxy={key: options[key] for key in
                                             ("client_address", "recipient_domains", "hostname")})
        self.send(proxy)
        with Client(proxy.port, timeout=60) as client:
            offered = {line.split()[0] for line in client.ehlo("sender.example").lines[1:]}
        self.assertLessEqual({"SIZE", "PIPELINING", "8BITMIME", "DSN", "SMTPUTF8"}, offered)
        self.assertFalse(offered & {"XRDST", "X-ANONYMOUSTLS", "X-EXPS", "BINARYMIME", "AUTH"}, offered)
        octets = back.messages()[-1].octets
        self.assertRegex(octets, rb"\AReceived: from sender\.example \(.*\[127\.0\.0\.9\]\)")

    def test_opensmtpd(self):
        text = administrator_lines("opensmtpd", "smtpd.conf.proxy")
        words = re.fullmatch(r"listen on 127\.0\.0\.1 port 10025 (.*)\n", lines_of(text))[1]
        server = opensmtpd.OpenSMTPD(["example.org"], options=words)
        self.send(self.before(server, text))
        received, = server.wait_for_messages(1)
        self.assertIn(b"from sender.example (<unknown> [127.0.0.9])", b" ".join(received.split()))

    def test_sendmail(self):
        text = administrator_lines("sendmail", "postern-proxy.m4")
        server = sendmail.Sendmail(lines_of(text), hosts=(), domains=["example.org"])
        self.send(self.before(server, text))
        wait_until(lambda: len(server.queued()) == 1, what="the message")


if __name__ == "__main__":
    unittest.main()

"""Real mail servers with postern-milter before them, set up with the lines that administrators get."""

import re
import socket

from support import milter_messages as mail, ports
from support.milter import HOSTNAME, MilterTestCase, administrator_lines
from support.milter_messages import CLIENT, RECIPIENT
from support.postfix import Postfix
from support.sendmail import Sendmail
from support.smtp import Client

SENDER = "a@pass.example"
BARE = "127.0.0.1:{port} inet n - n - - smtpd\n -o smtpd_milters=\n"
OURS = re.compile(rb"\A(?:Received|Authentication-Results|Postern-Quarantine): [^\n]*\n(?:[ \t][^\n]*\n)*")
TRACE = re.compile(r"\A(Received: from client\.example).*\Z", re.DOTALL)


def main_cf():
    """contrib/postfix/main.cf.milter as a table."""
    lines = [line for line in administrator_lines("postfix", "main.cf.milter").splitlines()
             if line and not line.startswith("#")]
    return dict(re.fullmatch(r"(\w+) = (.*)", line).groups() for line in lines)


def delivered_header(delivered):
    """What was delivered, without what Postfix's delivery has put on top; with LF."""
    lines = delivered.split(b"\n")
    index = next(number for number, line in enumerate(lines) if line.startswith(b"Delivered-To: ")) + 1
    return b"\n".join(lines[index:])


def message_of(delivered):
    """What is below the fields that Postfix's delivery, the milter and smtpd have put on top; with LF."""
    rest = delivered_header(delivered)
    while match := OURS.match(rest):
        ours = match[0]
        if ours.startswith(b"Authentication-Results: ") and HOSTNAME.encode() not in ours:
            break
        rest = rest[len(ours):]
    return rest


def own_address():
    """An address of this machine that is not on its loopback interface, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def comparable(fields):
    """Fields without what tells one delivery from another: id and time in the trace that Sendmail adds."""
    return [TRACE.sub(r"\1", field) for field in fields]


class PostfixTestCase(MilterTestCase):
    """A Postfix for all tests of a class; another smtpd of it, on bare_port, knows no milter."""

    @classmethod
    def setUpClass(cls):
        cls.bare_port = ports.free_port()
        cls.milter_port = ports.free_port()
        parameters = main_cf()
        parameters["smtpd_milters"] = parameters["smtpd_milters"].replace(":8891", f":{cls.milter_port}")
        cls.postfix = Postfix(parameters=parameters, services=BARE.format(port=cls.bare_port)).start()
        cls.addClassCleanup(cls.postfix.close)

    def start_milter(self, answers="", **groups):
        return self.milter(socket=f"inet:{self.milter_port}@127.0.0.1", answers=mail.ANSWERS + answers,
                           **groups)

    def client(self, address=CLIENT, port=None):
        """A client that Postfix sees at address."""
        client = Client(port or self.postfix.port, timeout=60)
        self.addCleanup(client.close)
        client.ehlo()
        told = f"IPV6:{address}" if ":" in address else address
        self.assertEqual(client.command(f"XCLIENT NAME=[UNAVAILABLE] ADDR={told} PROTO=ESMTP").code, 220)
        client.ehlo()
        return client

    def deliver(self, octets, sender=SENDER, address=CLIENT, recipients=(RECIPIENT,), port=None):
        return self.client(address, port).deliver(sender, list(recipients), octets)

    def arrived(self, octets, **options):
        """Delivers, and returns what is in the mailbox for it."""
        before = len(self.postfix.messages())
        reply = self.deliver(octets, **options)
        self.assertEqual(reply.code, 250, reply)
        return self.postfix.wait_for_messages(before + 1)[-1]


class SendmailTestCase(MilterTestCase):
    """
    A Sendmail for all tests of a class, on address too where this machine has one; bare knows no milter.
    """

    @classmethod
    def setUpClass(cls):
        cls.milter_port = ports.free_port()
        cls.address = own_address()
        lines = administrator_lines("sendmail", "postern-milter.m4").replace(":8891@", f":{cls.milter_port}@")
        hosts = ["127.0.0.1", *filter(None, [cls.address])]
        cls.sendmail = Sendmail(lines, hosts).start()
        cls.addClassCleanup(cls.sendmail.close)
        cls.bare = Sendmail().start()
        cls.addClassCleanup(cls.bare.close)

    def setUp(self):
        super().setUp()
        for path in [*self.sendmail.queue_folder.iterdir(), *self.bare.queue_folder.iterdir()]:
            path.unlink()

    def start_milter(self, answers="", **groups):
        place = f"inet:{self.milter_port}@127.0.0.1"
        return self.milter(socket=place, answers=mail.ANSWERS + answers, **groups)

    def deliver(self, octets, sender=SENDER, server=None, host="127.0.0.1", recipients=(RECIPIENT,)):
        with Client((server or self.sendmail).port, host, timeout=60) as client:
            client.ehlo()
            return client.deliver(sender, list(recipients), octets)

    def queued(self, octets, **options):
        """Delivers, and returns what is in the queue for it."""
        reply = self.deliver(octets, **options)
        self.assertEqual(reply.code, 250, reply)
        return (options.get("server") or self.sendmail).take()[0]

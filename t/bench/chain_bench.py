"""
What a verdict costs behind Postfix: postern-milter beside the chain of filters that it takes the place of
(policyd-spf, opendkim, opendmarc, clamav-milter with clamd) and beside rspamd with clamd. All judge the same
kinds of messages, each message once, signed, of a hundred domains, with the same DNS and the same signatures:
a million, or POSTERN_BENCH_SIGNATURES. A figure beyond its bound is marked, and the run fails. Needs root.
"""

import base64
import email
import os
import pathlib
import random
import statistics
import sys
import tempfile

from support import filters, peers, ports, signatures
from support.demo_messages import eicar, eicar_signature
from support.dkim_signer import Signer
from support.libclamav import Libclamav
from support.milter import Milter
from support.postfix import Postfix
from support.process import wait_until
from support.smtp import Client

ROUNDS = int(os.environ.get("POSTERN_BENCH_ROUNDS", "3"))
SIGNATURES = int(os.environ.get("POSTERN_BENCH_SIGNATURES", "1000000"))
MESSAGES, CONNECTIONS = 400, 10
DOMAINS = 100
OURS, WHOLE, P99_MS = 1.3, 4.4, 90
CLIENT, RECIPIENT = "192.0.2.10", "user@dest.example"
WORDS = ("the quick report about your invoice for this month contains several items that we would like to "
         "discuss before friday please find attached details regards team").split()


def domain(number):
    return f"d{number % DOMAINS}.bench.example"


def text(chance, octets):
    lines = []
    while sum(map(len, lines)) < octets:
        lines.append(" ".join(chance.choices(WORDS, k=11)) + "\r\n")
    return "".join(lines)


def attachment(chance, octets):
    data = base64.encodebytes(octets).decode().replace("\n", "\r\n")
    return ("multipart/mixed; boundary=\"=_b\"",
            f"--=_b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{text(chance, 800)}\r\n--=_b\r\n"
            "Content-Type: application/octet-stream; name=\"report.bin\"\r\n"
            "Content-Disposition: attachment; filename=\"report.bin\"\r\n"
            f"Content-Transfer-Encoding: base64\r\n\r\n{data}--=_b--\r\n")


def body(number, chance):
    """45 of 100 are text of 3 kB, 36 text and HTML of 12 kB, 14 have 44 kB attached and 5 have 440 kB."""
    place = number * 37 % 100
    if place < 45:
        return "text/plain; charset=us-ascii", text(chance, 2600)
    if place < 81:
        return ("multipart/alternative; boundary=\"=_b\"",
                "--=_b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
                f"{text(chance, 4000)}\r\n--=_b\r\n"
                "Content-Type: text/html; charset=us-ascii\r\n\r\n"
                f"<html><body><p>{text(chance, 7000)}</p><a href=\"http://www.{domain(number)}/x\">link</a>"
                "</body></html>\r\n--=_b--\r\n")
    return attachment(chance, chance.randbytes(44000 if place < 95 else 440000))


def write_messages(folder, signer, count, seed):
    """Files named by their senders."""
    folder.mkdir()
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        kind, octets = body(number, chance)
        signer.domain = domain(number)
        message = (f"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nFrom: User <user{number}@{signer.domain}>\r\n"
                   f"To: <{RECIPIENT}>\r\nSubject: Message {seed} {number} about the report\r\n"
                   f"Message-ID: <{seed}.{number}@{signer.domain}>\r\nMIME-Version: 1.0\r\n"
                   f"Content-Type: {kind}\r\n\r\n{octets}")
        (folder / f"user{number}@{signer.domain}.eml").write_bytes(
            signer.sign(message.encode(), ("Date", "From", "To", "Subject", "Message-ID", "Content-Type")))
    return sorted(folder.iterdir())


def records(signer):
    """What the DNS has of all domains."""
    key = signer.record().split(None, 2)[2].strip()
    found = ["10.2.0.192.in-addr.arpa. PTR client.bench.example.", "client.bench.example. A 192.0.2.10",
             '_spf.bench.example. TXT "v=spf1 ip4:198.51.100.0/24 ip4:192.0.2.0/25 -all"']
    for number in range(DOMAINS):
        name = domain(number)
        found += [f"{name}. MX 10 mx.{name}.", f"{name}. A 192.0.2.99", f"mx.{name}. A 192.0.2.98",
                  f'{name}. TXT "v=spf1 mx a include:_spf.bench.example -all"',
                  f"{signer.selector}._domainkey.{name}. TXT {key}",
                  f'_dmarc.{name}. TXT "v=DMARC1; p=quarantine; adkim=r; aspf=r"']
    return found


def write_signatures(folder):
    """A million, or as many as wanted, and EICAR."""
    folder.mkdir()
    signatures.make(folder, SIGNATURES, shares=signatures.PLAIN)
    (folder / "eicar.ndb").write_text(eicar_signature())
    return folder


class Variants:
    """Postfixes with one kind of filter each."""

    def __init__(self, folder, signer):
        database = write_signatures(folder / "signatures")
        self.filters = filters.Filters(folder, database, records(signer))
        self.filters.start("unbound", "clamd", "opendkim", "opendmarc", "clamav-milter", "rspamd")
        ours = folder / "milter"
        ours.mkdir()
        self.milter = Milter(ours, dns={"answers": None, "servers": filters.ADDRESS},
                             virus={"database": database}, inspector={"workers": 2},
                             milter={"socket": f"unix:{folder}/postern.sock", "socket_mode": "0666"},
                             log={"level": "info"})
        self.milter.start(ready=False)
        wait_until(lambda: " is ready on " in self.milter.log_now(), 600, "postern-milter", 0.2)
        service, restriction = self.filters.policyd_spf()
        sockets = {name: f"unix:{self.filters.socket(name)}"
                   for name in ("opendkim", "opendmarc", "clamav-milter", "rspamd")}
        chain = ",".join(sockets[name] for name in ("opendkim", "opendmarc", "clamav-milter"))
        options = {
            "postfix alone": "",
            "postern": f"-o smtpd_milters=unix:{folder}/postern.sock",
            "chain": f"-o smtpd_milters={chain} "
                     f"-o {{ smtpd_recipient_restrictions = reject_unauth_destination, {restriction} }}",
            "rspamd": f"-o smtpd_milters={sockets['rspamd']}"}
        self.ports = {name: ports.free_port() for name in options}
        services = "".join(f"127.0.0.1:{self.ports[name]} inet n - n - 500 smtpd {option}\n"
                           for name, option in options.items())
        self.postfix = Postfix(["dest.example"], services=service + services, parameters={
            "virtual_transport": "discard:", "milter_default_action": "tempfail", "milter_protocol": "6",
            "policyd-spf_time_limit": "3600", "milter_content_timeout": "300s"}).start()

    def trees(self, name):
        """By part, the process that does that work in this variant, with those that it started."""
        parts = {"postfix": self.postfix.program.pid}
        if name == "postern":
            parts["postern"] = self.milter.program.pid
        wanted = {"chain": ("opendkim", "opendmarc", "clamav-milter", "clamd"), "rspamd": ("rspamd", "clamd")}
        for part in wanted.get(name, ()):
            parts[part] = self.filters.programs[part].pid
        return parts

    def stop(self):
        self.postfix.close()
        self.milter.stop()
        self.filters.stop()


def must_filter(variants, signer):
    """Each filter refuses a virus; that Postfix has them work is not believed unseen."""
    signer.domain = domain(1)
    kind, octets = attachment(random.Random(1), eicar())
    message = signer.sign(f"From: <user@{signer.domain}>\r\nTo: <{RECIPIENT}>\r\nSubject: x\r\n"
                          f"MIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n{octets}".encode())
    for name in ("postern", "chain", "rspamd"):
        with Client(variants.ports[name], timeout=60) as client:
            client.ehlo("client.bench.example")
            client.command(f"XCLIENT ADDR={CLIENT}")
            client.ehlo("client.bench.example")
            reply = client.deliver(f"user@{signer.domain}", [RECIPIENT], message)
        if reply.code not in (550, 554):
            raise RuntimeError(f"{name} takes a virus: {reply}")


def run(variants, name, files):
    """CPU seconds per 1,000 messages by part, and p99."""
    trees = variants.trees(name)
    before = {part: filters.cpu_seconds(pid) for part, pid in trees.items()}
    told = peers.load(variants.ports[name], CONNECTIONS, len(files), 1, 0, *files, client=CLIENT,
                      senders=True, seconds=600)
    if (told["messages"], told["failed"]) != (len(files), 0):
        raise RuntimeError(f"{name}: {told}")
    used = {part: (filters.cpu_seconds(pid) - before[part]) * 1000 / len(files)
            for part, pid in trees.items()}
    return {**used, "whole": sum(used.values()), "p99": told["p99_ms"], "rate": len(files) / told["seconds"]}


def tell(what, value, bound):
    good = value <= bound
    print(f"    {what}: {value:.2f} (at most {bound}){'' if good else ': MISSED'}", flush=True)
    return good


def tell_floor(database, folder, signer):
    """What libclamav alone takes for the same kinds of messages: taken apart by itself, and their files."""
    messages = [path.read_bytes() for path in write_messages(folder / "floor", signer, MESSAGES, "floor")]
    files = [part.get_payload(decode=True) for message in messages
             for part in email.message_from_bytes(message).walk() if not part.is_multipart()]
    library = Libclamav(database)
    whole, parts = (min(library.cost(octets, mail) for _ in range(ROUNDS)) * 1000 / MESSAGES
                    for octets, mail in ((messages, True), (files, False)))
    print(f"    libclamav alone: {whole:.2f} for the messages, which it takes apart; {parts:.2f} for their"
          " files, decoded", flush=True)


def main():
    filters.enter()
    with tempfile.TemporaryDirectory(prefix="postern-chain-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        signer = Signer("bench.example", bits=2048)
        print(f"{SIGNATURES:,} signatures are made and loaded four times", flush=True)
        variants = Variants(folder, signer)
        try:
            results = measure(variants, folder, signer)
            tell_floor(folder / "signatures", folder, signer)
        finally:
            variants.stop()
    print(f"\nCPU seconds per 1,000 messages, {CONNECTIONS} sessions, a message each; "
          f"median of {ROUNDS} rounds")
    medians = {}
    for name, rows in results.items():
        medians[name] = {part: statistics.median(row[part] for row in rows) for part in rows[0]}
        parts = ", ".join(f"{part} {value:.2f}" for part, value in medians[name].items()
                          if part not in ("whole", "p99", "rate"))
        print("    {0}: {1[whole]:.2f} ({2}); {1[rate]:.0f} messages/s, p99 {1[p99]:.0f} ms".format(
            name, medians[name], parts))
    ours, alone = medians["postern"], medians["postfix alone"]
    for name in ("chain", "rspamd"):
        whole, filtering = medians[name]["whole"], medians[name]["whole"] - alone["whole"]
        print(f"    {name} takes {whole / ours['whole']:.1f} times as much as postern with Postfix, its"
              f" filters {filtering / ours['postern']:.1f} times")
    return all([tell("postern's processes", medians["postern"]["postern"], OURS),
                tell("with Postfix", medians["postern"]["whole"], WHOLE),
                tell("p99 in ms", medians["postern"]["p99"], P99_MS)])


def measure(variants, folder, signer):
    must_filter(variants, signer)
    results = {}
    for number in range(-1, ROUNDS):
        for name in variants.ports:
            files = write_messages(folder / f"{name} {number}", signer, MESSAGES, f"{name} {number}")
            row = run(variants, name, files)
            if number >= 0:
                results.setdefault(name, []).append(row)
        print(f"    round {number + 1} of {ROUNDS}", flush=True)
    return results


if __name__ == "__main__":
    sys.exit(0 if main() else 1)

"""
One verdict at every door: the same envelopes and messages go to proxy, milter and scan, and the capsules of
all three to the replay; every field of their records is the same.
"""

import concurrent.futures
import json
import unittest

from support.demo_messages import infected
from support.milter import MilterTestCase
from support.proxy import TOLD, closing_lines, configuration_text, run_program, unprivileged_user
from support.smtp import Client, crlf

EXTERNAL, LOOPBACK, OWN, RELAY = "192.0.2.7", "127.0.0.9", "198.51.100.7", "203.0.113.9"
LISTED, UNKNOWN, NAMELESS, BLOCKED = "192.0.2.50", "192.0.2.51", "192.0.2.60", "192.0.2.70"
RECIPIENT, STRICT, STRICT_TOO = "b@example.org", "strict@example.org", "other@example.org"
PASS, FAIL, SOFTFAIL = "a@pass.example", "a@fail.example", "a@softfail.example"
HOSTNAME, HELO = "mx.example.org", "client.example"
ANSWERS = """
pass.example TXT "v=spf1 ip4:192.0.2.0/24 -all"
fail.example TXT "v=spf1 -all"
softfail.example TXT "v=spf1 ~all"
client.example TXT "v=spf1 ip4:192.0.2.7 -all"
_dmarc.fail.example TXT "v=DMARC1; p=reject"
7.2.0.192.in-addr.arpa PTR client.example
client.example A 192.0.2.7
2.0.0.127.bl.example A 127.0.0.2
50.2.0.192.bl.example A 127.0.0.2
50.2.0.192.in-addr.arpa PTR liar.example
51.2.0.192.bl.example A !SERVFAIL
51.2.0.192.in-addr.arpa PTR !TIMEOUT
2.0.0.127.sick.example A !TIMEOUT
"""
POLICIES = {
    "policy": {"spf_fail": "mark", "virus": "reject", "from_invalid": "reject", "dmarc_reject": "quarantine"},
    "policy strict": {"spf_fail": "reject", "spf_softfail": "quarantine", "dmarc_reject": "reject",
                      "client_listed": "reject", "client_no_name": "quarantine"},
    "policy submission": {"spf_fail": "reject", "virus": "reject"},
}
# Of one door alone, or of one copy of the message.
OWN_FIELDS = {"session", "message", "milliseconds", "delivery", "queue", "peer", "recipients", "origin",
              "relay", "recipients_accepted", "reply", "would_reply", "server", "server_ms", "server_queue",
              "backend_wait", "data_ms", "verdict_ms", "subject"}


def text(sender=PASS, more="", body="Hello.\n"):
    return crlf(f"{more}From: {sender}\nSubject: doors\nMessage-ID: <1@pass.example>\n\n{body}")


def received(address, helo="mail.example"):
    return (f"Received: from {helo} ({helo} [{address}])\n\tby relay.example (Postfix) with ESMTP id 1\n"
            f"\tfor <{RECIPIENT}>; Fri, 05 Jun 2026 10:05:00 +0000\n")


FILTER = received("127.0.0.1", "localhost")
# NAME: (client, sender, recipients, message, login)
CASES = {
    "passes": (EXTERNAL, PASS, [RECIPIENT], text(), None),
    "fails and is marked": (EXTERNAL, FAIL, [RECIPIENT], text(FAIL), None),
    "fails and is refused": (EXTERNAL, FAIL, [STRICT], text(FAIL), None),
    "softfail": (EXTERNAL, SOFTFAIL, [STRICT, STRICT_TOO], text(SOFTFAIL), None),
    "loopback": (LOOPBACK, FAIL, [STRICT], text(FAIL), None),
    "own network": (OWN, FAIL, [STRICT], text(FAIL), None),
    "relay, told": (RELAY, FAIL, [STRICT], text(FAIL, received("192.0.2.99")), None),
    "relay, told through a filter": (RELAY, PASS, [STRICT],
                                     text(PASS, FILTER + received("192.0.2.99")), None),
    "relay, not told": (RELAY, FAIL, [STRICT], text(FAIL), None),
    "Received of anybody": (EXTERNAL, FAIL, [STRICT], text(FAIL, received(OWN)), None),
    "authenticated": (EXTERNAL, FAIL, [STRICT], text(FAIL), "ada"),
    "authenticated with a virus": (EXTERNAL, FAIL, [RECIPIENT], infected(), "ada"),
    "virus": (EXTERNAL, PASS, [RECIPIENT], infected(), None),
    "several policies": (EXTERNAL, FAIL, [RECIPIENT, STRICT], text(FAIL), None),
    "empty sender": (EXTERNAL, "", [STRICT], text(), None),
    "too many fields": (EXTERNAL, PASS, [RECIPIENT], text(PASS, "A: b\n" * 10001), None),
    "NUL and long lines": (EXTERNAL, PASS, [RECIPIENT],
                           text(body="x" * 998 + "\n" + "y" * 999 + "\n\0\n"), None),
    "no From": (EXTERNAL, PASS, [STRICT], crlf("Subject: none\n\nHello.\n"), None),
    "several From": (EXTERNAL, PASS, [STRICT], text(PASS, "From: x@fail.example\n"), None),
    "listed": (LISTED, PASS, [STRICT], text(), None),
    "listed, and marked": (LISTED, PASS, [RECIPIENT], text(), None),
    "a list and a name that fail": (UNKNOWN, PASS, [STRICT], text(), None),
    "no name": (NAMELESS, PASS, [STRICT], text(), None),
    "of a network": (BLOCKED, PASS, [RECIPIENT], text(), None),
    "listed and authenticated": (LISTED, PASS, [STRICT], text(), "ada"),
    "no body": (EXTERNAL, PASS, [RECIPIENT], crlf("From: a@pass.example\n\n"), None),
}
REFUSED = {"fails and is refused": "550", "relay, told": "550", "too many fields": "552", "virus": "550",
           "authenticated with a virus": "550", "listed": "550", "of a network": "550",
           "Received of anybody": "550", "several From": "550"}


def compared(record):
    """What of a record has to be the same at every door."""
    fields = {key: str(value) for key, value in record.items() if key not in OWN_FIELDS}
    if "origin" in record:  # the milter tells of the relay as the mail server's log does
        fields["client"] = record["origin"]
        fields["relay"] = record["client"]
    elif "relay" in record:
        fields["relay"] = record["relay"]
    if "relay" in fields:  # its lines have the relay's names
        fields.pop("name", None)
        fields.pop("helo", None)
    if fields.get("action") in ("reject", "tempfail"):
        fields["reply"] = record["reply"].partition(" [")[0]
    if "would_reply" in record:
        fields["would_reply"] = record["would_reply"].partition(" [")[0]
    return fields


class FourDoorsTest(MilterTestCase):
    def groups(self, observe):
        mode = {"mode": "observe" if observe else "enforce"}
        table = self.subfolder("table") / "recipients"
        table.write_text(f"{STRICT} strict\n{STRICT_TOO} strict\n")
        networks = table.with_name("networks")
        networks.write_text("0.0.0.0/0 mark\n192.0.2.0/24 accept\n192.0.2.0/26 mark\n"
                            f"{BLOCKED} reject No mail from you\n")
        return {"clients": {"recipients": table, "own_networks": "198.51.100.0/24",
                            "trusted_relays": "203.0.113.0/24", "networks": networks, "refuse_at": "end"},
                "list bl": {"zone": "bl.example"}, "list sick": {"zone": "sick.example"},
                "virus": {"database": self.signatures()}, "inspector": {"workers": 2}, **POLICIES}, mode

    def doors(self, observe):
        groups, mode = self.groups(observe)
        self.capsules = [self.subfolder("capsules") / door for door in ("proxy", "milter", "scan")]
        keep = lambda number: {"directory": self.capsules[number], "which": "all"}
        self.server = self.proxy(self.backend(), answers=ANSWERS, capsule=keep(0),
                                 proxy={**TOLD, **mode, "hostname": HOSTNAME}, **groups)
        self.filter = self.milter(answers=ANSWERS, capsule=keep(1), milter={**mode}, **groups)
        self.configuration = self.folder / "scan.conf"
        self.capsules[2].mkdir()
        user = unprivileged_user()
        self.configuration.write_text(configuration_text({
            **groups, "proxy": {**mode, "hostname": HOSTNAME}, "inspector": {"user": user, "workers": 1},
            "dns": {"answers": self.server.folder / "answers"}}))

    def ask_proxy(self, address, sender, recipients, octets, login):
        with Client(self.server.port, timeout=60) as client:
            client.ehlo(HELO)
            words = f"XCLIENT ADDR={address} NAME=[UNAVAILABLE] PROTO=ESMTP"
            self.assertEqual(client.command(words + (f" LOGIN={login}" if login else "")).code, 220)
            client.ehlo(HELO)
            replies = client.envelope(sender, *recipients)[1:]
            client.message(octets)
        return [recipient for recipient, reply in zip(recipients, replies) if reply.code == 250]

    def ask_milter(self, address, sender, recipients, octets, login):
        with self.filter.client(timeout=60) as client:
            client.connect(name=f"[{address}]", address=address)
            client.helo(HELO)
            client.mail(sender, **{"i": "Q1", **({"auth_authen": login} if login else {})})
            accepted = [recipient for recipient in recipients if client.recipient(recipient)[0] == b"c"]
            client.header(octets)
            client.body(octets.partition(b"\r\n\r\n")[2])
            client.end(i="Q1")
        return accepted

    def ask_scan(self, number, address, sender, recipients, octets):
        path = self.folder / f"{number}.eml"
        path.write_bytes(octets)
        result = run_program("postern-scan", "--config", self.configuration, "--json", "--no-mbox",
                             "--client", address, "--helo", HELO, "--sender", sender, "--capsule",
                             self.capsules[2] / f"{number}.capsule",
                             *(word for recipient in recipients for word in ("--recipient", recipient)), path)
        return json.loads(result.stdout)["record"]

    def replayed(self, folder):
        """The records of the capsules in folder, by the names that these have."""
        result = run_program("postern-scan", "--json", "--replay", folder, seconds=120)
        self.assertEqual(result.stderr, "")
        said = [json.loads(line) for line in result.stdout.splitlines()]
        return {entry["file"]: entry["record"] for entry in said}

    def ask_all(self):
        """DOOR -> NAME -> record."""
        accepted = {}
        for name, case in CASES.items():
            accepted[name] = self.ask_proxy(*case)
            self.assertEqual(self.ask_milter(*case), accepted[name], name)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            scans = {name: pool.submit(self.ask_scan, number, case[0], case[1], accepted[name], case[3])
                     for number, (name, case) in enumerate(CASES.items()) if case[4] is None}
        records = {"scan": {name: scan.result() for name, scan in scans.items()}}
        for door, server in (("proxy", self.server), ("milter", self.filter)):
            lines = server.wait_for_closing_lines("message", len(CASES), 30)
            self.assertEqual(len(lines), len(CASES))
            records[door] = dict(zip(CASES, lines))
        return records

    def add_replays(self, records):
        names = list(CASES)
        for number, door in enumerate(("proxy", "milter", "scan")):
            found = self.replayed(self.capsules[number])
            if door == "scan":
                replays = {names[int(file.rpartition("/")[2].partition(".")[0])]: record
                           for file, record in found.items()}
            else:
                by_id = {line["message"]: name for name, line in records[door].items()}
                replays = {by_id[file]: record for file, record in found.items()}
            records[f"replay of {door}"] = replays

    def compare(self, observe):
        self.doors(observe)
        records = self.ask_all()
        self.server.stop()
        self.filter.stop()
        self.add_replays(records)
        for name in CASES:
            said = {door: compared(of_door[name]) for door, of_door in records.items() if name in of_door}
            self.assertEqual(len(said), 4 if CASES[name][4] else 6, name)
            for door, fields in said.items():
                if door.startswith("replay") and "relay" in said["proxy"]:
                    # A capsule holds whose mail it is, not through whom it came.
                    fields = {"relay": said["proxy"]["relay"],
                              **{key: value for key, value in fields.items() if key not in ("name", "helo")}}
                with self.subTest(name=name, door=door):
                    self.assertEqual(fields, said["proxy"])
        return records["proxy"]

    def test_same_record(self):
        records = self.compare(observe=False)
        refused = {name: record["reply"][:3] for name, record in records.items()
                   if record["action"] == "reject"}
        self.assertEqual(refused, REFUSED)
        self.assertEqual(records["softfail"]["action"], "quarantine")
        self.assertEqual((records["loopback"]["spf"], records["loopback"]["dmarc"]),
                         ("not_checked", "not_checked:fail.example"))
        self.assertEqual(records["relay, told through a filter"]["spf"], "pass")
        self.assertEqual(records["relay, not told"]["spf"], "not_checked")
        client = {name: tuple(records[name].get(key) for key in ("client_name", "lists", "check"))
                  for name in ("passes", "listed", "listed, and marked", "a list and a name that fail",
                               "no name", "of a network", "listed and authenticated", "own network")}
        self.assertEqual(client, {
            "passes": ("confirmed", None, "client_network"),
            "listed": ("unconfirmed", "bl", "client_listed"),
            "listed, and marked": ("unconfirmed", "bl", "client_network"),
            "a list and a name that fail": ("temperror", "failed:bl", "client_network"),
            "no name": ("none", None, "client_no_name"),
            "of a network": ("none", None, "client_network"),
            "listed and authenticated": (None, None, None), "own network": (None, None, None)})
        self.assertEqual((records["NUL and long lines"]["nul"], records["NUL and long lines"]["long_lines"]),
                         ("yes", "1"))
        self.assertEqual({name: record["class"] for name, record in records.items()
                          if record["class"] != "other"},
                         {"own network": "own_network", "relay, told": "trusted_relay",
                          "relay, told through a filter": "trusted_relay", "relay, not told": "trusted_relay",
                          "authenticated": "authenticated", "authenticated with a virus": "authenticated",
                          "listed and authenticated": "authenticated"})

    def test_same_record_with_observe(self):
        records = self.compare(observe=True)
        self.assertEqual({record["action"] for record in records.values()}, {"accept"})
        would = {name: record["would_reply"][:3] for name, record in records.items()
                 if record.get("would") == "reject"}
        self.assertEqual(would, REFUSED)


if __name__ == "__main__":
    unittest.main()

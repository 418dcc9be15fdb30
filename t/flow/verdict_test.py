"""
The same message gets the same verdict at both doors: what postern-proxy answers, and inserts into what it
passes on, is what postern-scan says for the same envelope, answers and configuration.
"""

import base64
import json
import re
import unittest

from support import outcome
from support.demo_messages import DATA, altered, eicar, infected, signed
from support.process import shared_folder
from support.proxy import TOLD, ProxyTestCase, run_program
from support.smtp import Client, crlf
from vectors.shared_json import zone

RECIPIENT, CLIENT = "b@example.org", "192.0.2.7"
ANSWERS = """
pass.example TXT "v=spf1 ip4:192.0.2.7 -all"
fail.example TXT "v=spf1 -all"
softfail.example TXT "v=spf1 ~all"
neutral.example TXT "v=spf1 ?all"
permerror.example TXT "v=spf1 nonsense"
temperror.example TXT !SERVFAIL
"""
SENDERS = ["a@pass.example", "a@fail.example", "a@softfail.example", "a@neutral.example",
           "a@permerror.example",
           "a@temperror.example", "a@none.example", ""]
POLICY = {"virus": "reject", "spf_fail": "reject", "spf_softfail": "quarantine", "spf_error": "tempfail",
          "dkim_fail": "mark"}
BARE_CR = re.compile(rb"\r(?!\n)")
OURS = re.compile(rb"(?:Authentication-Results|Postern-Quarantine|Postern-Mark|X-Virus-Status): [^\r]*\r\n"
                  rb"(?:[ \t][^\r]*\r\n)*")
FORGED = ("Authentication-Results: proxy.example; spf=pass smtp.mailfrom=forged.example\n"
          "Received: from x by y\nauthentication-results: PROXY.EXAMPLE;\n\tdkim=pass\n"
          "Authentication-Results: other.example; spf=pass\nPostern-Quarantine: forged\n"
          "Subject: forged\nFrom: x@y.example\n\nHello.\n")
UNFORGED = ("Received: from x by y\nAuthentication-Results: other.example; spf=pass\n"
            "Subject: forged\nFrom: x@y.example\n\nHello.\n")


def normalised(octets):
    """As a client would have to send it: CRLF for each LF alone and at the end, no line of a mailbox."""
    octets = re.sub(rb"\AFrom [^\n]*\n", b"", octets)
    octets = re.sub(rb"(?<!\r)\n", b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def own_messages():
    """Those that are made here."""
    plain = crlf("From: x@pass.example\nSubject: EICAR\n\n") + eicar() + b"\r\n"
    encoded = crlf("From: x@pass.example\nMIME-Version: 1.0\nContent-Type: application/octet-stream\n"
                   f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(eicar()).decode()}")
    nested = crlf("From: x@pass.example\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n") + infected()
    return {"own/clean": crlf("From: x@pass.example\nSubject: clean\n\nHello.\n"), "own/signed": signed(),
            "own/altered": altered(), "own/eicar-plain": plain, "own/eicar-base64": encoded,
            "own/eicar-zip": infected(),
            "own/eicar-nested": nested, "own/no-header": b"\r\nHello.\r\n",
            "own/dots": crlf("Subject: x\n\n.\n..\n")}


def shared_messages():
    """All published ones; NAME -> octets."""
    folder = shared_folder()
    paths = [path for name in ("mail", "virus", "dkim") for path in sorted((folder / name).rglob("*"))
             if path.is_file()]
    return {str(path.relative_to(folder)): normalised(path.read_bytes()) for path in paths
            if path.suffix not in (".json", ".ndb", ".md")}


class VerdictTest(ProxyTestCase):
    def start(self, **options):
        answers = ANSWERS + (DATA / "answers").read_text()
        for name in ("zone.json", "corpus-zone.json"):
            path = shared_folder() / "dkim" / name
            if path.exists():
                answers += "".join(f"{line}\n" for line in zone(json.loads(path.read_text())))
        self.recorder = self.backend()
        self.server = self.proxy(self.recorder, answers=answers, **{
            "proxy": {**TOLD, "threads": 1}, "virus": {"database": self.signatures()},
            "policy": POLICY, **options})

    def scan(self, messages, sender):
        """What postern-scan says of messages: NAME -> its JSON."""
        folder, names = self.subfolder("scan"), {}
        for number, (name, octets) in enumerate(messages.items()):
            path = folder / f"{number:04}.eml"
            path.write_bytes(octets)
            names[str(path)] = name
        result = run_program("postern-scan", "--config", self.server.path, "--json", "--no-mbox",
                             "--client", CLIENT, "--helo", "client.example",
                             "--sender", sender, "--recipient", RECIPIENT,
                             folder, seconds=200)
        self.assertIn(result.returncode, (0, 1, 2, 3), result.stderr)
        verdicts = [json.loads(line) for line in result.stdout.splitlines()]
        return {names[verdict["file"]]: verdict for verdict in verdicts}

    def send(self, client, sender, octets):
        """The reply to the final dot, and what was recorded (None: nothing)."""
        self.assertEqual([reply.code for reply in client.envelope(sender, RECIPIENT)], [250, 250])
        reply, records = client.message(octets), self.recorder.messages()
        for record in records:
            record.path.with_suffix(".json").unlink()
        self.assertLessEqual(len(records), 1)
        return reply, records[0].octets if records else None

    def assert_same(self, name, octets, said, reply, recorded):
        """The proxy has done what postern-scan said."""
        action = said["action"]
        if action in ("reject", "tempfail"):
            self.assertIsNone(recorded, name)
            self.assertEqual(re.sub(r" \[\w+\]\Z", "", f"{reply.code} {reply.text}"), said["reply"], name)
            self.assertEqual(reply.code // 100, 5 if action == "reject" else 4)
            return
        self.assertIn(action, ("accept", "quarantine"))
        self.assertEqual(reply.code, 250, name)
        self.assertTrue(recorded.endswith(octets), name)
        inserted = recorded[:len(recorded) - len(octets)]
        fields = OURS.findall(inserted)
        self.assertEqual(b"".join(fields), inserted, name)
        fields = {field.partition(b": ")[0].decode(): unfolded(field.partition(b": ")[2]) for field in fields}
        self.assertEqual(fields.pop("Authentication-Results"),
                         unfolded(said["authentication_results"].encode()), name)
        self.assertEqual(fields.pop("X-Virus-Status", None) is not None,
                         said["virus"]["result"] != "clean", name)
        self.assertEqual(len(fields), action == "quarantine", name)

    def compare(self, messages):
        """All messages, each with one of the senders; (counts of actions, those refused for a bare CR)."""
        actions, bare = {}, 0
        client = Client(self.server.port, timeout=120, told=CLIENT)
        self.addCleanup(client.close)
        client.ehlo()
        for index, sender in enumerate(SENDERS):
            of_sender = dict(list(messages.items())[index::len(SENDERS)])
            verdicts = self.scan(of_sender, sender) if of_sender else {}
            self.assertEqual(set(verdicts), set(of_sender))
            for name, octets in of_sender.items():
                reply, recorded = self.send(client, sender, octets)
                if BARE_CR.search(octets):
                    self.assertEqual((reply.code, reply.enhanced, recorded), (550, "5.5.2", None), name)
                    bare += 1
                    continue
                said = verdicts[name]
                self.assert_same(name, octets, said, reply, recorded)
                actions[said["action"]] = actions.get(said["action"], 0) + 1
        return actions, bare

    def test_own_messages(self):
        self.start()
        messages = {f"{name} {turn}": octets
                    for turn in range(len(SENDERS)) for name, octets in own_messages().items()}
        actions, bare = self.compare(messages)
        print(f"own messages: {sum(actions.values())} with the same verdict, {actions}", flush=True)
        self.assertEqual((sum(actions.values()), bare), (len(messages), 0))
        self.assertEqual(set(actions), {"accept", "reject", "tempfail", "quarantine"})

    def test_published_messages(self):
        messages = shared_messages()
        if not messages:
            self.skipTest(f"no published messages in {shared_folder()}")
        self.start()
        actions, bare = self.compare(messages)
        print(f"published messages: {sum(actions.values())} with the same verdict, {actions};"
              f" {bare} refused for a bare CR",
              flush=True)
        self.assertEqual(sum(actions.values()) + bare, len(messages))

    def test_viruses_are_refused_in_the_session(self):
        self.start()
        with Client(self.server.port, timeout=60, told=CLIENT) as client:
            client.ehlo()
            for name, octets in own_messages().items():
                with self.subTest(name):
                    reply, recorded = self.send(client, "a@pass.example", octets)
                    if "eicar" in name:
                        self.assertEqual((reply.code, reply.enhanced, recorded), (550, "5.7.1", None))
                        self.assertRegex(reply.text, r"virus.*Eicar.* \[\w+\]\Z")
                    else:
                        self.assertEqual(reply.code, 250)
            verdicts = self.scan(own_messages(), "a@pass.example")
            self.assertEqual({name for name, said in verdicts.items()
                              if said["virus"]["result"] == "infected"},
                             {name for name in own_messages() if "eicar" in name})

    def test_findings_are_told_to_those_behind(self):
        self.start()
        with Client(self.server.port, timeout=60, told=CLIENT) as client:
            client.ehlo()
            _, recorded = self.send(client, "a@pass.example", signed())
        text = unfolded(recorded.removesuffix(signed()))
        self.assertRegex(text, r"\AAuthentication-Results: proxy\.example; "
                               r"spf=pass smtp\.mailfrom=a@pass\.example; "
                               r"dkim=pass .*header\.d=signed\.example")

    def test_forged_results_are_removed(self):
        self.start()
        with Client(self.server.port, timeout=60, told=CLIENT) as client:
            client.ehlo()
            reply, recorded = self.send(client, "a@pass.example", crlf(FORGED))
        self.assertEqual(reply.code, 250)
        self.assertTrue(recorded.endswith(crlf(UNFORGED)), recorded)
        inserted = recorded.removesuffix(crlf(UNFORGED))
        self.assertEqual(OURS.findall(inserted), [inserted])
        self.assertIn(b"spf=pass smtp.mailfrom=a@pass.example", inserted)

    def test_nothing_is_inserted_where_that_is_wanted(self):
        self.start(policy={**POLICY, "authentication_results": "no"})
        with Client(self.server.port, timeout=60, told=CLIENT) as client:
            client.ehlo()
            for octets in (crlf(FORGED), signed(), b"\r\nHello.\r\n"):
                self.assertEqual(self.send(client, "a@pass.example", octets)[1], octets)

    def test_repaired_line_ends(self):
        self.start(proxy={**TOLD, "bare_newline": "repair"})
        octets = b"Subject: bare\n\nHello\rthere\n.\n"
        repaired = b"Subject: bare\r\n\r\nHello\r\nthere\r\n.\r\n"
        with Client(self.server.port, timeout=60, told=CLIENT) as client:
            client.ehlo()
            client.envelope("a@pass.example", RECIPIENT)
            client.command("DATA")
            client.send(octets + b"\r\n.\r\n")
            self.assertEqual(client.reply().code, 250)
        self.assertTrue(self.recorder.messages()[0].octets.endswith(b"\r\n" + repaired + b"\r\n"))


def unfolded(field):
    """Text of a header field on one line."""
    return re.sub(r"\s+", " ", field.decode("utf-8", "replace")).strip()


if __name__ == "__main__":
    outcome.main()

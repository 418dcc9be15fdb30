"""
The same message gets the same verdict at the third door: what postern-milter answers and inserts is what
postern-scan says for the same envelope, answers and configuration.
"""

import json
import re
import unittest

from flow import verdict_test as doors
from support import outcome
from support.demo_messages import DATA
from support.milter import MilterTestCase
from support.milter_client import split
from support.process import shared_folder
from support.proxy import run_program
from vectors.shared_json import zone

CLIENT = "198.51.100.7"
ANSWERS = doors.ANSWERS.replace("127.0.0.1", CLIENT) + """
_dmarc.pass.example TXT "v=DMARC1; p=reject"
_dmarc.signed.example TXT "v=DMARC1; p=quarantine"
"""
FINDINGS = ("spf", "dmarc", "arc", "virus")


def handed_over(octets):
    """A message as a mail server hands it to a milter: where it is well formed, the message itself."""
    fields, body = split(octets)
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


class MilterVerdictTest(MilterTestCase):
    def setUp(self):
        super().setUp()
        self.judged = 0
        self.findings = {finding: {} for finding in FINDINGS}
        answers = ANSWERS + (DATA / "answers").read_text()
        for name in ("zone.json", "corpus-zone.json"):
            path = shared_folder() / "dkim" / name
            if path.exists():
                answers += "".join(f"{line}\n" for line in zone(json.loads(path.read_text())))
        self.server = self.milter(answers=answers, policy=doors.POLICY)

    def scan(self, messages, sender):
        """What postern-scan says of messages: NAME -> its JSON."""
        folder, names = self.subfolder("scan"), {}
        for number, (name, octets) in enumerate(messages.items()):
            path = folder / f"{number:04}.eml"
            path.write_bytes(octets)
            names[str(path)] = name
        result = run_program("postern-scan", "--config", self.server.path, "--json", "--no-mbox",
                             "--client", CLIENT, "--helo", "client.example",
                             "--sender", sender, "--recipient", doors.RECIPIENT,
                             folder, seconds=200)
        self.assertIn(result.returncode, (0, 1, 2, 3), result.stderr)
        verdicts = [json.loads(line) for line in result.stdout.splitlines()]
        return {names[verdict["file"]]: verdict for verdict in verdicts}

    def assert_same(self, name, said, outcome):
        """The milter has done what postern-scan said."""
        action = said["action"]
        if action in ("reject", "tempfail"):
            self.assertEqual(re.sub(r" \[\w+\]\Z", "", outcome.reply.replace("%%", "%")), said["reply"], name)
            self.assertEqual((outcome.inserted, outcome.quarantine), ([], None), name)
            return
        self.assertIn(action, ("accept", "quarantine"))
        self.assertTrue(outcome.is_accepted, (name, outcome))
        self.assertEqual(" ".join(outcome.header("Authentication-Results").split()),
                         " ".join(said["authentication_results"].split()), name)
        self.assertEqual(outcome.quarantine is not None, action == "quarantine", name)
        self.assertEqual(len(outcome.inserted), 1 + (action == "quarantine"), name)

    def compare(self, messages):
        """All messages, each with one of the senders; the counts of actions."""
        actions = {}
        client = self.server.client(timeout=120)
        self.addCleanup(client.close)
        client.connect(address=CLIENT)
        client.helo("client.example")
        for index, sender in enumerate(doors.SENDERS):
            of_sender = dict(list(messages.items())[index::len(doors.SENDERS)])
            verdicts = self.scan(of_sender, sender) if of_sender else {}
            self.assertEqual(set(verdicts), set(of_sender))
            for name, octets in of_sender.items():
                outcome = client.deliver(sender, [doors.RECIPIENT], octets)
                self.assert_same(name, verdicts[name], outcome)
                actions[verdicts[name]["action"]] = actions.get(verdicts[name]["action"], 0) + 1
            self.compare_findings(of_sender, verdicts)
        return actions

    def compare_findings(self, names, verdicts):
        """What the log says was found in the last messages, refused or not; counts it."""
        self.judged += len(names)
        lines = self.server.wait_for_closing_lines("message", self.judged)[self.judged - len(names):]
        for name, line in zip(names, lines):
            found = {finding: line[finding].partition(":")[0] for finding in FINDINGS}
            said = {finding: verdicts[name][finding]["result"] for finding in FINDINGS}
            self.assertEqual(found, said, name)
            for finding, result in found.items():
                self.findings[finding][result] = self.findings[finding].get(result, 0) + 1

    def test_own_messages(self):
        messages = {f"{name} {turn}": handed_over(octets)
                    for turn in range(len(doors.SENDERS)) for name, octets in doors.own_messages().items()}
        actions = self.compare(messages)
        print(f"own messages: {sum(actions.values())} with the same verdict, {actions}; {self.findings}",
              flush=True)
        self.assertLessEqual({"none", "pass", "fail"}, set(self.findings["dmarc"]))
        self.assertEqual(sum(actions.values()), len(messages))
        self.assertEqual(set(actions), {"accept", "reject", "tempfail", "quarantine"})

    def test_published_messages(self):
        published = doors.shared_messages()
        if not published:
            self.skipTest(f"no published messages in {shared_folder()}")
        # A milter is told fields as C strings: no message with a NUL there can be handed over.
        messages = {name: handed_over(octets) for name, octets in published.items()
                    if b"\0" not in b"".join(split(octets)[0])}
        unchanged = sum(published[name].endswith(messages[name]) for name in messages)
        actions = self.compare(messages)
        print(f"published messages: {sum(actions.values())} with the same verdict, {actions}; {unchanged} of"
              f" {len(published)} handed over octet for octet; {self.findings}", flush=True)
        self.assertEqual(sum(actions.values()), len(messages))

    def test_wanted_mail_is_not_refused(self):
        folder = shared_folder() / "mail" / "ham"
        if not folder.is_dir():
            self.skipTest(f"no {folder}")
        milter = self.milter(policy={"spf_fail": None, "dkim_fail": None})
        client = milter.client(timeout=120)
        self.addCleanup(client.close)
        client.connect(address=CLIENT)
        client.helo("client.example")
        count = 0
        for path in sorted(folder.iterdir()):
            outcome = client.deliver("a@pass.example", [doors.RECIPIENT], doors.normalised(path.read_bytes()))
            self.assertTrue(outcome.is_accepted, (path.name, outcome))
            count += 1
        print(f"wanted mail: {count} accepted by the default policy, none refused", flush=True)


if __name__ == "__main__":
    outcome.main()

"""
postern-scan --capsule, --replay, --rescan and --explain: a message that was kept is judged again to the
octet as it was, with no network, whatever the configuration and the signatures of today are.
"""

import json
import re
import subprocess
import unittest

try:
    import yaml
except ImportError:
    yaml = None

from flow import verdict_test as doors
from support import outcome
from support.demo_messages import DATA
from support.inspector import with_attachment
from support.process import program_path, shared_folder
from support.proxy import ProxyTestCase, configuration_text, run_program, unprivileged_user
from vectors.shared_json import zone

CLIENT = doors.CLIENT
SOURCE = re.compile(r" \[(?:file|capsule|network or cache, \d+ ms)\]$", re.MULTILINE)
VIRUS_STEP = re.compile(r"^    Step         virus: .*\n", re.MULTILINE)
SUMMARY = re.compile(r"^\d+ messages, .*\Z", re.MULTILINE | re.DOTALL)
MARKER = b"POSTERN-REPLAY-TEST-MARKER"


def zone_text():
    """The answers of all messages that there are."""
    text = doors.ANSWERS + (DATA / "answers").read_text()
    for name in ("zone.json", "corpus-zone.json"):
        path = shared_folder() / "dkim" / name
        if path.exists():
            text += "".join(f"{line}\n" for line in zone(json.loads(path.read_text())))
    return text


def chains():
    """Published messages with chains of ARC (NAME -> octets), and the lines of the keys of all."""
    messages, records = {}, {}
    for path in sorted((shared_folder() / "arc").glob("*validation*.yml")) if yaml else []:
        for number, suite in enumerate(yaml.safe_load_all(path.read_text())):
            records.update(suite.get("txt-records") or {})
            for name, test in suite["tests"].items():
                octets = doors.normalised((test["message"] or "").encode())
                if octets.strip():
                    messages[f"{number}/{name}"] = octets
    return messages, "".join(f"{line}\n" for line in zone(records))


def without_time(line):
    """A line of --json as a table without what may differ."""
    result = json.loads(line)
    result.pop("milliseconds", None)
    return result


def has_own_network():
    """Whether a program can be run here without any network at all."""
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


class ReplayTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.answers = self.folder / "answers"
        self.answers.write_text(zone_text())
        self.database = self.signatures()
        self.path = self.configure("postern.conf")

    def configure(self, name, **groups):
        """A configuration file of that name; its path."""
        user = unprivileged_user()
        usual = {"proxy": {"hostname": "proxy.example"}, "dns": {"answers": self.answers},
                 "inspector": {"user": user, "workers": 2}, "virus": {"database": self.database},
                 "policy": dict(doors.POLICY)}
        for group, values in groups.items():
            usual.setdefault(group, {}).update(values)
        path = self.folder / name
        path.write_text(configuration_text(usual))
        return path

    def scan(self, *arguments, path=None, status=None):
        result = run_program("postern-scan", "--config", path or self.path, *arguments, seconds=250)
        self.assertNotIn("Sanitizer", result.stderr)
        if status is not None:
            self.assertEqual(result.returncode, status, result.stderr + result.stdout)
        return result

    def replay(self, *arguments, path=None, status=None):
        """The same as scan, where there is no network if that can be had."""
        if not has_own_network():
            return self.scan(*arguments, path=path, status=status)
        result = subprocess.run(
            ["unshare", "-n", str(program_path("postern-scan")), "--config", str(path or self.path),
             *map(str, arguments)], capture_output=True, timeout=250, check=False)
        result.stdout = result.stdout.decode("utf-8", "replace")
        result.stderr = result.stderr.decode("utf-8", "replace")
        self.assertNotIn("Sanitizer", result.stderr)
        if status is not None:
            self.assertEqual(result.returncode, status, result.stderr + result.stdout)
        return result

    def message(self, octets, name="message.eml"):
        path = self.folder / name
        path.write_bytes(octets)
        return path

    def keep(self, octets, *arguments, path=None):
        """A message that is scanned and kept; the JSON, and the capsule's path."""
        capsule = self.folder / "kept.capsule"
        result = self.scan("--json", "--capsule", capsule, "--client", CLIENT, "--recipient", "b@example.org",
                           *arguments, self.message(octets), path=path)
        return json.loads(result.stdout), capsule

    def compare(self, messages, sender):
        """Scans, keeps and replays messages; how many."""
        folder, capsules = self.subfolder("messages"), self.subfolder("capsules")
        for number, (name, octets) in enumerate(messages.items()):
            (folder / f"{number:04}.eml").write_bytes(octets)
        envelope = ["--client", CLIENT, "--helo", "client.example", "--sender", sender, "--recipient",
                    "b@example.org"]
        scanned = self.scan("--json", "--capsule", capsules, *envelope, folder)
        replayed = self.replay("--json", "--replay", capsules)
        self.assertEqual(replayed.stderr, "")
        self.assertEqual(replayed.returncode, scanned.returncode)
        before, after = scanned.stdout.splitlines(), replayed.stdout.splitlines()
        self.assertEqual(len(before), len(messages))
        self.assertEqual(len(after), len(messages))
        for name, one, other in zip(messages, before, after):
            self.assertEqual(without_time(other), without_time(one), name)
        scanned = self.scan("--explain", *envelope, folder)
        replayed = self.replay("--explain", "--replay", capsules)
        self.assertIn("    Step         spf: ", scanned.stdout)
        self.assertEqual(comparable(replayed.stdout), comparable(scanned.stdout))
        return len(messages)

    def compare_all(self, messages):
        return sum(self.compare(part, sender) for index, sender in enumerate(doors.SENDERS)
                   if (part := dict(list(messages.items())[index::len(doors.SENDERS)])))

    def test_own_messages(self):
        messages = {f"{name} {turn}": octets
                    for turn in range(3) for name, octets in doors.own_messages().items()}
        count = self.compare_all(messages)
        print(f"own messages: {count} replayed as they were", flush=True)
        self.assertEqual(count, len(messages))

    def test_published_messages(self):
        messages = doors.shared_messages()
        if not messages:
            self.skipTest(f"no published messages in {shared_folder()}")
        count = self.compare_all(messages)
        print(f"published messages: {count} replayed as they were", flush=True)
        self.assertEqual(count, len(messages))

    def test_published_chains(self):
        messages, records = chains()
        if not messages:
            self.skipTest(f"no published ARC messages in {shared_folder()}, or no module yaml")
        self.answers.write_text(zone_text() + records)
        count = self.compare_all(messages)
        print(f"published ARC chains: {count} replayed as they were", flush=True)
        self.assertEqual(count, len(messages))

    def test_todays_configuration_does_not_matter(self):
        said, capsule = self.keep(doors.own_messages()["own/clean"], "--sender", "a@fail.example")
        self.assertEqual(said["action"], "reject")
        other = self.configure("other.conf", policy={"spf_fail": "accept"},
                               proxy={"hostname": "other.example"}, dns={"answers": "/nonexistent"})
        result = self.replay("--json", "--replay", capsule, path=other, status=1)
        self.assertEqual(without_time(result.stdout)["reply"], said["reply"])
        self.assertIn("proxy.example", json.loads(result.stdout)["authentication_results"])

    def test_capsule_is_private(self):
        _, capsule = self.keep(doors.own_messages()["own/clean"])
        self.assertEqual(capsule.stat().st_mode & 0o7777, 0o600)

    def test_a_question_without_an_answer_is_told(self):
        _, capsule = self.keep(doors.own_messages()["own/clean"], "--sender", "a@fail.example")
        octets = capsule.read_bytes()
        changed, count = re.subn(rb"(?s)(?<!@)fail\.example(?=.{7}v=spf1)", b"gail.example", octets)
        self.assertEqual(count, 1)
        capsule.write_bytes(changed)
        result = self.replay("--json", "--replay", capsule, status=2)
        said = json.loads(result.stdout)
        self.assertEqual(said["problem"],
                         "the capsule has no answer for fail.example TXT: this version asks other questions")
        self.assertEqual(said["spf"]["result"], "temperror")

    def test_what_could_not_be_done_is_not_done_again(self):
        path = self.configure("hurried.conf", proxy={"inspection_timeout": "1ms"})
        said, capsule = self.keep(doors.own_messages()["own/signed"], path=path)
        self.assertRegex(said["problem"], "in time|took longer than 1 ms")
        result = self.replay("--json", "--replay", capsule)
        said.pop("milliseconds")
        self.assertEqual(without_time(result.stdout), said)

    def test_rescan(self):
        octets = with_attachment(b"x " + MARKER + b" y")
        said, capsule = self.keep(octets, "--sender", "a@pass.example")
        self.assertEqual((said["virus"]["result"], said["action"]), ("clean", "accept"))
        result = json.loads(self.replay("--json", "--replay", capsule, "--rescan", status=0).stdout)
        self.assertEqual((result["rescan"]["differs"], result["rescan"]["result"]), (False, "clean"))
        said.pop("milliseconds")
        (self.database / "new.ndb").write_text(f"Test.Replay:0:*:{MARKER.hex()}\n")
        self.assertEqual(without_time(self.replay("--json", "--replay", capsule, status=0).stdout), said)
        result = json.loads(self.replay("--json", "--replay", capsule, "--rescan", status=1).stdout)
        self.assertEqual((result["virus"], result["action"]), ({"result": "clean"}, "accept"))
        self.assertTrue(result["rescan"]["differs"])
        self.assertIn("Test.Replay", result["rescan"]["name"])
        self.assertEqual(result["rescan"]["action"], "reject")
        text = self.replay("--replay", capsule, "--rescan", status=1).stdout
        self.assertRegex(text, r"Virus today  infected: Test\.Replay\S*: DIFFERS from the recorded scan")

    def test_explain(self):
        result = self.scan("--explain", "--client", CLIENT, "--sender", "a@fail.example",
                           self.message(doors.own_messages()["own/signed"]), status=1)
        for pattern in (r'    DNS          fail\.example TXT: "v=spf1 -all" \[file\]\n',
                        r"    Step         spf: ", r"    Step         dkim: signature 1: d=signed\.example ",
                        r"the hash of the body is right; the signature over the header is right",
                        r"    Step         content: 1 MIME parts, 0 of them attachments\n",
                        r"    Step         virus: clean\n",
                        r"    Policy       spf_fail: reject \(\[policy\] spf_fail = reject\), which decides"):
            self.assertRegex(result.stdout, pattern)
        path = self.message(doors.own_messages()["own/altered"])
        altered = self.scan("--explain", "--client", CLIENT, path)
        self.assertIn("the hash of the body is wrong", altered.stdout)

    def test_explain_leaves_json_alone(self):
        path = self.message(doors.own_messages()["own/clean"])
        plain = self.scan("--json", "--client", CLIENT, path)
        explained = self.scan("--json", "--explain", "--client", CLIENT, path)
        self.assertEqual(without_time(explained.stdout), without_time(plain.stdout))
        self.assertIn("    Step         ", explained.stderr)

    def test_what_is_no_capsule(self):
        _, capsule = self.keep(doors.own_messages()["own/clean"])
        whole = capsule.read_bytes()
        other = b"postern capsule, form 3\n" + whole[24:]
        for octets in (b"", other, whole[:-1], whole[:1000], b"From: x\r\n\r\n"):
            capsule.write_bytes(octets)
            result = self.replay("--replay", capsule, status=66)
            self.assertIn(str(capsule), result.stderr)
        self.replay("--replay", self.folder / "missing", status=66)

    def test_usage(self):
        path = self.message(doors.own_messages()["own/clean"])
        for arguments in (["--rescan", path], ["--replay", "x", path], ["--replay", "x", "--client", CLIENT],
                          ["--replay", "x", "--capsule", "y"]):
            self.assertIn("--replay", self.scan(*arguments, status=64).stderr)
        target = self.folder / "several.capsule"
        result = self.scan("--capsule", target, path, path, status=64)
        self.assertIn("several messages", result.stderr)


def comparable(text):
    """--explain without where answers came from, what a scan alone knows, and how long it all took."""
    return VIRUS_STEP.sub("", SOURCE.sub("", SUMMARY.sub("", text)))


if __name__ == "__main__":
    outcome.main()

"""
Hundreds of ways to wrap a file in a message. If a reader of mail (Python's email, GMime) shows the file, the
message is not clean; nor are most of those that neither shows. Nor is one of a file that browsers, office
programs and programs for archives find in another.
"""

import email
import email.policy
import hashlib
import pathlib
import subprocess
import unittest

from support.demo_messages import eicar
from support.hidings import hidings, message_with
from support.process import build_folder
from support.reader_hidings import reader_hidings
from support.scan import ScanTestCase
from support.wrappings import wrappings

# A file of which every octet counts: its signature is that of the whole.
MARKER = bytes(range(256)) + bytes((octet * 7 + 3) % 256 for octet in range(700)) + b"own marker\r\n\n \t=\r"


def leaves_by_python(octets, policy):
    """The SHA-256 of each leaf; what this reader dies of it does not show."""
    found = set()
    try:
        for part in email.message_from_bytes(octets, policy=policy).walk():
            payload = part.get_payload(decode=True)
            if payload is not None:
                found.add(hashlib.sha256(payload).hexdigest())
    except (ValueError, LookupError, AttributeError, IndexError, TypeError):
        pass
    return found


class WrappingsTest(ScanTestCase):
    def setUp(self):
        super().setUp()
        signatures = pathlib.Path(self.groups["virus"]["database"])
        digest = hashlib.md5(MARKER).hexdigest()
        (signatures / "marker.hdb").write_text(f"{digest}:{len(MARKER)}:Own.Marker\n")

    def write(self, octets):
        """Each wrapping of octets as a file of its own: {path: name}."""
        names = {}
        for number, (name, message) in enumerate(wrappings(octets)):
            path = self.folder / f"{number:04}.eml"
            path.write_bytes(message)
            names[str(path)] = name
        return names

    def shown(self, names, octets):
        """Those that show the file: {path: readers}."""
        digest = hashlib.sha256(octets).hexdigest()
        readers = {path: [] for path in names}
        program = build_folder() / "t" / "flow" / "mime_leaves"
        result = subprocess.run([program, *names], stdout=subprocess.PIPE, timeout=120, check=True, text=True)
        for line in result.stdout.splitlines():
            path, found = line.split()
            if found == digest and "GMime" not in readers[path]:
                readers[path].append("GMime")
        for path in names:
            message = pathlib.Path(path).read_bytes()
            for name, policy in (("Python", email.policy.default),
                                 ("Python, compat32", email.policy.compat32)):
                if digest in leaves_by_python(message, policy):
                    readers[path].append(name)
        return readers

    def judge(self, octets):
        names = self.write(octets)
        self.assertGreaterEqual(len(names), 300)
        readers = self.shown(names, octets)
        results = {verdict["file"]: verdict["virus"] for verdict in self.verdicts("--no-mbox", *names)}
        self.assertEqual(len(results), len(names))
        missed = [f"{names[path]} ({', '.join(readers[path])}): {results[path]}" for path in names
                  if readers[path] and results[path]["result"] == "clean"]
        unread = [names[path] for path in names if results[path]["result"] == "clean"]
        infected = sum(result["result"] == "infected" for result in results.values())
        self.assertEqual([result for result in results.values() if result["result"] == "error"][:3], [])
        shown = sum(bool(found) for found in readers.values())
        print(f"{len(names)} wrappings, {shown} shown by a reader, {infected} infected, {len(unread)} clean")
        self.assertEqual(missed, [])
        self.assertGreater(shown, 200)
        self.assertGreater(infected, len(names) * 3 // 4)

    def judge_messages(self, messages):
        """None of (name, message) is clean, or an error; how many are infected."""
        names = {}
        for number, (name, message) in enumerate(messages):
            path = self.folder / f"hidden-{number:03}.eml"
            path.write_bytes(message)
            names[str(path)] = name
        results = {verdict["file"]: verdict["virus"] for verdict in self.verdicts("--no-mbox", *names)}
        self.assertGreater(len(names), 90)
        self.assertEqual(len(results), len(names))
        bad = {names[path]: result for path, result in results.items()
               if result["result"] in ("clean", "error")}
        self.assertEqual(bad, {})
        infected = sum(result["result"] == "infected" for result in results.values())
        print(f"{len(names)} hidings, {infected} infected")
        return infected

    def judge_hidings(self, octets):
        infected = self.judge_messages((name, message_with(file, kind, contents))
                                       for name, file, kind, contents in hidings(octets))
        self.assertGreater(infected, 75)

    def test_hidings_of_readers(self):
        for octets in (MARKER, eicar()):
            with self.subTest(octets=octets[:8]):
                self.assertGreater(self.judge_messages(reader_hidings(octets)), 125)

    def test_hidings_of_marker(self):
        """(Longer: a stream of a compound file that is short stands elsewhere.)"""
        octets = MARKER * 5
        path = pathlib.Path(self.groups["virus"]["database"]) / "long.hdb"
        path.write_text(f"{hashlib.md5(octets).hexdigest()}:{len(octets)}:Own.Long\n")
        self.judge_hidings(octets)

    def test_hidings_of_eicar(self):
        self.judge_hidings(eicar())

    def test_marker(self):
        self.judge(MARKER)

    def test_eicar(self):
        self.judge(eicar())


if __name__ == "__main__":
    unittest.main()

"""
[virus] clamd: the same findings as with libclamav, and whatever becomes of clamd (it is not there, is killed,
hangs, is slow, is restarted, takes less than a message, finds nothing), no message passes as clean that it
has not looked at, and other checks and other messages go on.
"""

import os
import pathlib
import re
import signal
import socket
import threading
import time
import unittest

from support import outcome, packages
from support.clamd import Clamd
from support.demo_messages import eicar_signature
from support.inspector import EICAR, Inspector, children, message, parse_results, with_attachment, zipped
from support.process import wait_until

CONTENT = ["--content-only"]
INFECTED = with_attachment(EICAR, "eicar.com")
MARKER = b"no one writes this."  # the signature of support.inspector


def missing():
    """Why there is no clamd, or None."""
    if os.geteuid() != 0:
        return "clamd of these tests is started as root"
    try:
        packages.unpack("clamav-daemon")
    except packages.Unavailable as reason:
        return f"clamd: {reason}"
    return None


@unittest.skipIf(missing(), missing())
class ClamdTest(unittest.TestCase):
    def inspector(self, clamd=None, workers=1, **options):
        inspector = Inspector(workers=workers, **options)
        self.addCleanup(inspector.__exit__)
        if clamd is not None:
            inspector.virus["clamd"] = clamd
        inspector.configure()
        return inspector

    def both(self, start=True, options=None, **inspector_options):
        """clamd, and an inspector that uses it, in one folder."""
        inspector = self.inspector(**inspector_options)
        folder = inspector.folder / "clamd"
        folder.mkdir(mode=0o755)
        (inspector.database / "eicar.ndb").write_text(eicar_signature())
        clamd = Clamd(folder, inspector.database, **(options or {}))
        self.addCleanup(clamd.stop)
        inspector.virus["clamd"] = clamd.socket
        inspector.configure()
        if start:
            clamd.start()
        return clamd, inspector

    def ask(self, inspector, *messages):
        results = inspector.ask(*messages, arguments=CONTENT)
        results.sort(key=lambda result: result.file)
        return results

    def assert_not_done(self, result, pattern):
        self.assertEqual(result.virus, "error", result)
        self.assertRegex(result.reason, pattern)

    def test_findings(self):
        clamd, inspector = self.both()
        inspector.start()
        nested = with_attachment(zipped(EICAR), "inner.zip")
        encrypted = with_attachment(encrypted_zip(), "secret.zip")
        results = self.ask(inspector, message(), INFECTED, nested, encrypted, with_attachment(MARKER),
                           with_attachment(nested, "forwarded.eml"))
        self.assertEqual([result.virus for result in results],
                         ["clean", "infected", "infected", "unscannable", "infected", "infected"], results)
        self.assertIn("Test.Own", results[4].name)
        self.assertRegex(inspector.log(), r"notice: clamd at .*: ClamAV [\d.]+")
        self.assertRegex(inspector.log(), r"ready: scanned by clamd, 1 workers")

    def test_port(self):
        clamd, inspector = self.both(start=False)
        inspector.virus["clamd"] = clamd.listen_on_a_port()
        inspector.configure()
        clamd.start()
        inspector.start()
        self.assertEqual([result.virus for result in self.ask(inspector, message(), INFECTED)],
                         ["clean", "infected"])

    def test_no_signatures_are_loaded(self):
        """Those of [virus] database may be unusable, or take gigabytes: they are clamd's."""
        clamd, inspector = self.both()
        inspector.virus["database"] = "/nonexistent"
        inspector.configure()
        inspector.start()
        self.assertEqual(self.ask(inspector, INFECTED)[0].virus, "infected")
        maps = pathlib.Path(f"/proc/{inspector.templates()[0]}/smaps_rollup").read_text()
        print("a template without signatures:", next(line for line in maps.splitlines() if "Pss:" in line),
              flush=True)

    def test_not_there(self):
        clamd, inspector = self.both(start=False)
        inspector.start(ready=False)
        inspector.wait_for_log("ready, but not to scan for viruses: scanned by clamd")
        self.assertRegex(inspector.log(), r"error: NO MESSAGE CAN BE SCANNED FOR VIRUSES.*clamd")
        self.assert_not_done(self.ask(inspector, message())[0], "clamd: nobody answers at")
        clamd.start()
        self.assertEqual([result.virus for result in self.ask(inspector, message(), INFECTED)],
                         ["clean", "infected"])

    def test_killed_and_restarted(self):
        clamd, inspector = self.both()
        inspector.start()
        self.assertEqual(self.ask(inspector, message())[0].virus, "clean")
        clamd.signal(signal.SIGKILL)
        clamd.program.wait()
        self.assert_not_done(self.ask(inspector, message())[0], "clamd: nobody answers at")
        clamd.start()
        self.assertEqual([result.virus for result in self.ask(inspector, message(), INFECTED)],
                         ["clean", "infected"])
        self.assertNotIn("died", inspector.log())

    def test_stopped(self):
        """It hangs: each message waits for its own deadline, and no worker is lost to it."""
        clamd, inspector = self.both(scan_timeout="5s")
        inspector.start()
        self.assertEqual(self.ask(inspector, message())[0].virus, "clean")
        clamd.signal(signal.SIGSTOP)
        result = self.ask(inspector, message())[0]
        self.assert_not_done(result, "clamd: no answer in time")
        self.assertIsNone(result.error)
        clamd.signal(signal.SIGCONT)
        self.assertEqual(self.ask(inspector, INFECTED)[0].virus, "infected")
        self.assertNotRegex(inspector.log(), "died|was killed")

    def test_stalled(self):
        """It loads anew, say: more messages wait than there are workers, and all are found out in the end."""
        clamd, inspector = self.both(workers=2)
        inspector.start()
        paths = [inspector.save(message(), "clean"), inspector.save(INFECTED, "infected")]
        clamd.signal(signal.SIGSTOP)
        client = inspector.ask_later(*paths, arguments=[*CONTENT, "--repeat", 6, "--parallel", 12])
        # Two, and those that take their place when they have been waiting for long.
        wait_until(lambda: len(re.findall(r"worker \d+ has a request", inspector.log())) >= 4, 30)
        clamd.signal(signal.SIGCONT)
        results = parse_results(client.communicate(timeout=120)[0])
        self.assertEqual(sorted((pathlib.Path(result.file).name, result.virus) for result in results),
                         6 * [("clean", "clean")] + 6 * [("infected", "infected")])
        self.assertNotRegex(inspector.log(), "died|was killed")

    def test_killed_in_the_middle(self):
        clamd, inspector = self.both()
        inspector.start()
        path = inspector.save(message())
        clamd.signal(signal.SIGSTOP)
        client = inspector.ask_later(path, arguments=CONTENT)
        inspector.wait_for_log(r"worker \d+ has a request")
        clamd.signal(signal.SIGKILL)
        output = client.communicate(timeout=120)[0]
        self.assertIn(" virus=error ", output)
        self.assertIn("it has ended the connection", output)

    def test_too_small_a_stream(self):
        """StreamMaxLength counts for what is sent, over a port; its reply may be lost with the connection."""
        clamd, inspector = self.both(start=False, options={"StreamMaxLength": "64K"})
        inspector.virus["clamd"] = clamd.listen_on_a_port()
        inspector.configure()
        clamd.start()
        inspector.start()
        results = self.ask(inspector, message(), message(b"x\r\n" * 100_000))
        self.assertEqual(results[0].virus, "clean", results)
        self.assertIn(results[1].virus, ("error", "unscannable"))
        self.assertRegex(results[1].reason, "size limit exceeded|StreamMaxLength")

    def test_finds_nothing(self):
        """A clamd without the signature of the EICAR test file is not believed."""
        clamd, inspector = self.both(start=False)
        (inspector.database / "eicar.ndb").unlink()
        clamd.start()
        inspector.start(ready=False)
        inspector.wait_for_log("ready, but not to scan for viruses: scanned by clamd")
        self.assertRegex(inspector.log(), r"error: NO MESSAGE CAN BE SCANNED.*EICAR")
        self.assert_not_done(self.ask(inspector, message())[0], "does not find the EICAR test file")

    def test_loads_anew(self):
        clamd, inspector = self.both()
        inspector.start()
        (inspector.database / "more.ndb").write_text(f"Test.More:0:*:{b'a very particular text'.hex()}\n")
        loaded = clamd.program.log().count("Database correctly reloaded")
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(clamd.socket))
            control.sendall(b"zRELOAD\0")
            self.assertIn(b"RELOADING", control.recv(100))
        for _ in range(20):
            self.assertEqual([result.virus for result in self.ask(inspector, message(), INFECTED)],
                             ["clean", "infected"])
            if clamd.program.log().count("Database correctly reloaded") > loaded:
                break
            time.sleep(0.5)
        self.assertEqual(self.ask(inspector, message(b"a very particular text\r\n"))[0].virus, "infected")

    def test_liars(self):
        """One that says OK to all, one that says other things, one that says nothing and ends."""
        for says, pattern in ((b"{id}: stream: OK\0", "does not find the EICAR test file"),
                              (b"{id}: PONG\0", "clamd: PONG"), (b"x" * 2000, "none that clamd gives"),
                              (b"", "has ended the connection")):
            with self.subTest(says[:20]):
                inspector = self.inspector(scan_timeout="5s")
                place = inspector.folder / "liar.sock"
                liar = Liar(place, says)
                self.addCleanup(liar.stop)
                inspector.virus["clamd"] = place
                inspector.configure()
                inspector.start(ready=False)
                inspector.wait_for_log("ready, but not to scan for viruses: scanned by clamd")
                self.assert_not_done(self.ask(inspector, message())[0], pattern)

    def test_commands_of_a_worker(self):
        """What a worker gets is a session, in which clamd takes no command that ends or reloads it."""
        clamd, inspector = self.both()
        inspector.start()
        self.assertEqual(self.ask(inspector, message())[0].virus, "clean")
        with socket.socket(socket.AF_UNIX) as session:
            session.connect(str(clamd.socket))
            session.sendall(b"zIDSESSION\0zSHUTDOWN\0")
            session.settimeout(20)
            self.assertIn(b"ERROR", session.recv(200))
        self.assertTrue(clamd.program.is_running())
        self.assertEqual(self.ask(inspector, INFECTED)[0].virus, "infected")

    def test_reload_to_clamd_and_back(self):
        clamd, inspector = self.both()
        inspector.virus["clamd"] = ""
        inspector.configure()
        inspector.start()
        for place, ready in ((clamd.socket, "ready: scanned by clamd"), ("", "ready: [1-9]\\d* signatures")):
            inspector.virus["clamd"] = place
            inspector.configure()
            before = len(inspector.log())
            inspector.program.popen.send_signal(signal.SIGHUP)
            inspector.wait_for_log(f"(?s).{{{before}}}.*{ready}", 60)
            self.assertEqual([result.virus for result in self.ask(inspector, message(), INFECTED)],
                             ["clean", "infected"])
        self.assertTrue(children(inspector.program.pid))


class Liar:
    """Listens at place, and answers each command of a session with the same."""

    def __init__(self, place, says):
        self.says = says
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(place))
        os.chmod(place, 0o666)
        self.listening.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection = self.listening.accept()[0]
            except OSError:
                return
            with connection:
                try:
                    number = 0
                    while octets := connection.recv(65536):
                        for _ in range(octets.count(b"zFILDES") + octets.count(b"zVERSION")
                                       + octets.count(b"zINSTREAM")):
                            number += 1
                            if not self.says:
                                raise OSError
                            connection.sendall(self.says.replace(b"{id}", str(number).encode()))
                except OSError:
                    pass

    def stop(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def encrypted_zip():
    """A zip whose one member says that it is encrypted."""
    octets = bytearray(zipped(b"nothing" * 100))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        octets[octets.index(mark) + offset] |= 1
    return bytes(octets)


if __name__ == "__main__":
    outcome.main()

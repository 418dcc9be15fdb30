"""Whatever is wrong with options, files, configuration or machine: a clear line, and the right status."""

import contextlib
import itertools
import os
import pathlib
import shutil
import socket
import sqlite3
import unittest

from support import outcome
from support.demo_messages import infected
from support.ports import free_port
from support.proxy import ProxyTestCase, configuration_text, run_program, unprivileged_user
from support.process import program_path
from support.smtp import Client, crlf

PROGRAMS = ("postern-proxy", "postern-scan", "postern-inspector")
# sysexits.h
USAGE, NO_INPUT, UNAVAILABLE, CANNOT_CREATE, CONFIGURATION = 64, 66, 69, 73, 78
CONFIGURATION_STATUS = {"postern-proxy": CONFIGURATION, "postern-scan": USAGE,
                        "postern-inspector": CONFIGURATION}
ACCEPT, REJECT, TEMPFAIL = 0, 1, 2
NOBODY = 65534
MESSAGE = crlf("From: a@sender.example\nSubject: input\n\nHello.\n")

# A file, and what must be said of it.
BAD_CONFIGURATIONS = {
    "[proxy]\nlisen = 127.0.0.1:2525\n": "[proxy] lisen: there is no such key (did you mean 'listen'?)",
    "[proxy]\nspf_fail = mark\n":
        "[proxy] spf_fail: there is no such key here (did you mean 'spf_fail' of [policy]?)",
    "[proxi]\n": "[proxi]: there is no such group (did you mean 'proxy'?)",
    "[proxy]\nthreads = 65\n": "[proxy] threads: '65' is out of range: a number from 0 to 64",
    "[proxy]\nthreads = two\n": "[proxy] threads: 'two' is not a whole number",
    "[proxy]\ninspect = perhaps\n": "[proxy] inspect: ",
    "[proxy]\nbackend = mail.example.org\n": "[proxy] backend: ",
    "[proxy]\nlisten = localhost\n": "[proxy] listen: ",
    "[proxy]\nclient_timeout = soon\n": "[proxy] client_timeout: ",
    "[proxy]\nmessage_size = 1X\n": "[proxy] message_size: ",
    "[proxy]\nmessage_memory = 1M\nmessage_size = 2M\n": "[proxy] message_memory: is less than message_size",
    "[policy]\nvirus = refuse\n": "[policy] virus: ",
    "[policy]\nspf_error = reject\n": "[policy] spf_error: ",
    "[dns]\nservers = 127.0.0.1\nanswers = /tmp/answers\n": "[dns] answers: ",
    "[inspector]\nsocket = relative/path\n": "[inspector] socket: ",
    "hostname = x\n": "",
    "\xff\xfe\n": "is not UTF-8 text",
}


class BadInputTestCase(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.answers = self.folder / "answers"
        self.answers.write_text("")
        self.configuration = self.folder / "postern.conf"
        self.message = self.folder / "message.eml"
        self.message.write_bytes(MESSAGE)
        self.configure()

    def configure(self, **groups):
        user = unprivileged_user()
        all_groups = {"proxy": {"listen": "127.0.0.1:1", "inspect": "no", "user": user},
                      "dns": {"answers": self.answers},
                      "inspector": {"user": user, "workers": 1}, "virus": {"database": self.signatures()}}
        for group, values in groups.items():
            all_groups[group] = {**all_groups[group], **values}
        self.configuration.write_text(configuration_text(all_groups))

    def assert_says(self, result, status, *texts):
        self.assertEqual(result.returncode, status, result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)
        self.assertNotIn("Sanitizer", result.stderr)

    def scan(self, *arguments, **options):
        return run_program("postern-scan", "--config", self.configuration, *arguments, **options)


class OptionTest(BadInputTestCase):
    def test_unknown_option(self):
        for program in PROGRAMS:
            with self.subTest(program):
                self.assert_says(run_program(program, "--bogus"), USAGE, program, "--bogus", "--help")

    def test_what_is_no_option(self):
        for program in ("postern-proxy", "postern-inspector"):
            with self.subTest(program):
                self.assert_says(run_program(program, "extra"), USAGE, "'extra'", "--help")

    def test_option_without_its_value(self):
        for program in PROGRAMS:
            with self.subTest(program):
                self.assert_says(run_program(program, "--config"), USAGE, "--config")

    def test_options_of_scan(self):
        for arguments, text in (([], "nothing to scan"),
                                (["--client", "x", self.message], "'x' is not an IPv4 or IPv6 address"),
                                (["--now", "soon", self.message], "soon"),
                                (["--now", "-5", self.message], "--now")):
            with self.subTest(arguments):
                self.assert_says(self.scan(*arguments), USAGE, text)


class SurroundingsTest(BadInputTestCase):
    """Values that are right by themselves, of what this machine has not: --check-config says it."""

    PROGRAMS = ("postern-proxy", "postern-milter", "postern-inspector")

    def check(self, program, groups):
        path = self.folder / "surroundings.conf"
        path.write_text(configuration_text({"dns": {"answers": self.answers}, **groups}))
        return run_program(program, "--config", path, "--check-config")

    def test_what_is_there(self):
        keys = self.folder / "keys"
        keys.write_text("")
        for program in self.PROGRAMS:
            with self.subTest(program):
                result = self.check(program, {
                    "log": {"destination": self.folder / "log"},
                    "proxy": {"user": unprivileged_user()}, "milter": {"user": unprivileged_user()},
                    "clients": {"recipients": keys}, "capsule": {"directory": self.folder / "capsules"},
                    "virus": {"database": self.signatures()}})
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_what_is_missing(self):
        missing, folder = self.folder / "missing", self.subfolder("folder")
        bad_keys = self.folder / "bad-keys"
        bad_keys.write_text("example.org\n")
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(self.folder / "listening"))
        cases = [(program, *case) for program in self.PROGRAMS for case in (
            ("log", "destination", missing / "log"), ("dns", "answers", missing), ("dns", "answers", folder),
            ("dns", "trust_anchor_file", missing), ("inspector", "user", "nobody-of-that-name"),
            ("inspector", "socket", missing / "socket"), ("inspector", "temporary_directory", missing),
            ("inspector", "temporary_directory", self.answers), ("clients", "recipients", missing),
            ("clients", "recipients", folder), ("sign", "table", missing), ("sign", "table", folder),
            ("sign", "table", bad_keys), ("capsule", "directory", missing / "capsules"),
            ("log", "destination", folder), ("log", "destination", self.folder / "listening"),
            ("inspector", "socket", folder),
            ("inspector", "socket", self.answers), ("capsule", "directory", self.answers),
            ("inspector", "user", "root"))]
        cases += [(program, "dns", key, bad_keys) for program in self.PROGRAMS[:2]
                  for key in ("answers", "trust_anchor_file")]
        cases += [("postern-proxy", "proxy", "user", "nobody-of-that-name"),
                  ("postern-proxy", "proxy", "user", "root"),
                  ("postern-proxy", "screen", "control", missing / "control"),
                  ("postern-proxy", "http", "listen", f"unix:{missing}/socket"),
                  ("postern-proxy", "http", "listen", f"unix:{folder}"),
                  ("postern-milter", "http", "milter_listen", f"unix:{self.answers}"),
                  ("postern-inspector", "http", "inspector_listen", f"unix:{missing}/socket"),
                  ("postern-milter", "milter", "socket", f"unix:{folder}"),
                  ("postern-milter", "milter", "user", "nobody-of-that-name"),
                  ("postern-milter", "milter", "socket", f"unix:{missing}/socket"),
                  ("postern-milter", "milter", "socket_group", "nobody-of-that-name")]
        for program, group, key, value in cases:
            with self.subTest(program=program, option=f"[{group}] {key}", value=value):
                groups = {"virus": {"database": self.signatures()}}
                result = self.check(program, {**groups, group: {key: value}})
                self.assertEqual(result.returncode, CONFIGURATION, result)
                named = str(bad_keys) if value == bad_keys else f"[{group}] {key}: "
                self.assertIn(named, result.stderr)


    def test_stores(self):
        """What a daemon runs without, if it has to, has a status of its own: it may be started."""
        missing, folder = self.folder / "missing", self.subfolder("above") / "folder"
        folder.mkdir()
        text, foreign, newer = (self.subfolder(name) / "file" for name in ("text", "foreign", "newer"))
        text.write_text("what somebody needs")
        for path, statements in ((foreign, "CREATE TABLE mine (a)"), (newer, "PRAGMA user_version = 99")):
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute(statements)
        read_only = self.subfolder("read-only") / "file"
        cases = [(missing / "file", f"its folder {missing} has to be there"), (folder, "is no file"),
                 (text, "is no database of SQLite"),
                 (foreign, "is a database of another program (it has mine)"),
                 (newer, "a newer version of this program has written it"),
                 (read_only, f"its folder {read_only.parent} has to be there, and writable")]
        for path in (text, foreign, newer, folder):
            path.parent.chmod(0o777)
            path.chmod(0o777)
        before = [(path, path.read_bytes()) for path in (text, foreign, newer)]
        read_only.parent.chmod(0o555)
        self.folder.chmod(0o755)
        for program in self.PROGRAMS[:2]:
            for (path, said), (group, key) in itertools.product(cases, (("greylist", "file"),
                                                                         ("report", "store"))):
                with self.subTest(program=program, option=f"[{group}] {key}", path=path):
                    result = self.check(program, {
                        "virus": {"database": self.signatures()}, "proxy": {"user": unprivileged_user()},
                        "milter": {"user": unprivileged_user()}, group: {key: path}})
                    self.assert_says(result, CANNOT_CREATE, f"[{group}] {key} {path}", said)
                    self.assertEqual(result.stdout, "")
        self.assertEqual([(path, path.read_bytes()) for path, _ in before], before)
        self.assertEqual([list(path.parent.iterdir()) for path, _ in before], [[path] for path, _ in before])


class ConfigurationTest(BadInputTestCase):
    def test_mistakes(self):
        for text, said in BAD_CONFIGURATIONS.items():
            self.configuration.write_bytes(text.encode("latin-1"))
            for program in PROGRAMS:
                with self.subTest(program, text=text):
                    result = run_program(program, "--config", self.configuration, "--check-config")
                    self.assert_says(result, CONFIGURATION_STATUS[program], str(self.configuration), said)

    def test_all_mistakes_are_named_at_once(self):
        self.configuration.write_text("[proxy]\nlisen = x\nthreads = x\n[policy]\nvirus = x\n[x]\n")
        result = run_program("postern-proxy", "--config", self.configuration)
        self.assert_says(result, CONFIGURATION, "lisen", "threads", "virus", "[x]")

    def test_file_that_cannot_be_read(self):
        for program in PROGRAMS:
            for path, said in ((self.folder / "none.conf", "name an existing file"),
                               (self.folder, "name the file in it")):
                with self.subTest(program, path=path):
                    self.assert_says(run_program(program, "--config", path, "--check-config"),
                                     CONFIGURATION_STATUS[program], str(path), said)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")
    def test_file_of_somebody_else(self):
        self.configuration.chmod(0o600)
        result = self.scan(self.message, user=NOBODY)
        self.assert_says(result, USAGE, "Permission denied", "make it readable")


class MessageTest(BadInputTestCase):
    def test_files_that_are_not_there(self):
        self.assert_says(self.scan(self.folder / "none.eml"), NO_INPUT, "none.eml", "No such file")

    def test_directory_without_messages(self):
        self.assert_says(self.scan(self.subfolder("empty")), NO_INPUT, "no message files were found")

    def test_empty_message(self):
        self.message.write_bytes(b"")
        self.assert_says(self.scan(self.message), NO_INPUT, "message.eml", "is empty")
        self.assert_says(self.scan("-"), NO_INPUT, "standard input", "is empty")

    def test_one_of_several(self):
        result = self.scan("--json", self.folder / "none.eml", self.message)
        self.assert_says(result, NO_INPUT, "none.eml")
        self.assertEqual(result.stdout.count("\n"), 2)
        self.assertIn('"action":"accept"', result.stdout.replace('" : "', '":"').replace('": "', '":"'))

    @unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")
    def test_files_of_somebody_else(self):
        locked = self.subfolder("locked")
        shutil.copy(self.message, locked)
        locked.chmod(0o700)
        self.message.chmod(0o600)
        self.assert_says(self.scan(self.message, user=NOBODY), NO_INPUT, "message.eml", "Permission denied")
        self.assert_says(self.scan(locked, user=NOBODY), NO_INPUT, str(locked), "Permission denied")
        self.message.chmod(0o644)
        self.assert_says(self.scan(self.message, user=NOBODY), ACCEPT)


class MachineTest(BadInputTestCase):
    def start(self, *texts, status=1):
        """postern-proxy must end, by itself, with that status, having said so."""
        self.assert_says(run_program("postern-proxy", "--config", self.configuration, seconds=20), status,
                         "cannot start: ", *texts)

    def test_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            self.configure(proxy={"listen": address})
            self.start(f"cannot listen on {address}", "another program listens there")

    def test_port_of_another_proxy(self):
        server = self.proxy(self.backend())
        self.configure(proxy={"listen": f"127.0.0.1:{server.port}"})
        self.start(f"cannot listen on 127.0.0.1:{server.port}", "another program listens there")

    def test_address_of_another_machine(self):
        self.configure(proxy={"listen": "203.0.113.1:2525"})
        self.start("cannot listen on 203.0.113.1:2525", "no such address")

    @unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")
    def test_port_that_needs_root(self):
        if int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 25:
            self.skipTest("here every user may take port 25")
        self.configure(proxy={"listen": "127.0.0.1:25"})
        result = run_program("postern-proxy", "--config", self.configuration, user=NOBODY)
        self.assert_says(result, 1, "cannot listen on 127.0.0.1:25", "CAP_NET_BIND_SERVICE")

    @unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")
    def test_users_that_do_not_serve(self):
        for user, said in (("no-such-user", "there is no user 'no-such-user'"),
                           ("root", "the user 'root' is root")):
            with self.subTest(user):
                self.configure(proxy={"user": user, "listen": f"127.0.0.1:{free_port()}"})
                self.start(said)

    def test_answers_file(self):
        for text, said in ((None, "No such file"), ("example.org SPF x\n", "line 1: ")):
            with self.subTest(text):
                self.answers.unlink(missing_ok=True)
                if text is not None:
                    self.answers.write_text(text)
                self.start("[dns] answers: ", str(self.answers), said)
                self.assert_says(self.scan(self.message), NO_INPUT, "[dns] answers: ", str(self.answers),
                                 said)
                result = self.scan("--answers", self.folder / "none", self.message)
                self.assert_says(result, NO_INPUT, "--answers: ", "No such file")

    def test_log_file(self):
        self.configuration.write_text(self.configuration.read_text()
                                      + f"[log]\ndestination = {self.folder}/none/log\n")
        self.start(f"cannot open the log file {self.folder}/none/log", "[log] destination")

    def test_no_signatures(self):
        folder = self.subfolder("empty")
        self.configure(virus={"database": folder}, proxy={"listen": f"127.0.0.1:{free_port()}"})
        self.message.write_bytes(infected())
        result = self.scan(self.message)
        self.assert_says(result, REJECT, "warning", f"no virus signatures in {folder}", "freshclam")
        self.assertIn("Eicar", result.stdout)
        self.message.write_bytes(MESSAGE)
        result = self.scan(self.message)
        self.assert_says(result, ACCEPT, "freshclam")
        self.assertIn("no_signatures", result.stdout)
        recorder = self.backend()
        server = self.proxy(recorder, proxy={"inspect": "yes"}, virus={"database": folder})
        server.program.wait_for_log("warning: no virus signatures in .*freshclam", 30)
        with Client(server.port, timeout=60) as client:
            client.ehlo()
            self.assertEqual(client.deliver("", ["b@example.org"], infected()).code, 550)
            self.assertEqual(client.deliver("", ["b@example.org"], MESSAGE).code, 250)
        passed, = recorder.messages()
        self.assertIn(b"X-Virus-Status: no_signatures", passed.octets)

    def test_no_folder_of_signatures(self):
        """What is named must be there: nothing passes that nobody has scanned."""
        folder = self.folder / "none"
        self.configure(virus={"database": folder}, proxy={"listen": f"127.0.0.1:{free_port()}"})
        self.message.write_bytes(MESSAGE)
        self.assert_says(self.scan(self.message), TEMPFAIL, f"{folder} does not exist", "freshclam")
        for program in ("postern-proxy", "postern-milter", "postern-scan", "postern-inspector"):
            result = run_program(program, "--config", self.configuration, "--check-config")
            self.assertNotEqual(result.returncode, 0, program)
            self.assertIn(f"{folder} does not exist", result.stderr, program)
        recorder = self.backend()
        server = self.proxy(recorder, proxy={"inspect": "yes"}, virus={"database": folder})
        server.program.wait_for_log("error: NO MESSAGE CAN BE SCANNED FOR VIRUSES.*freshclam", 30)
        with Client(server.port, timeout=60) as client:
            client.ehlo()
            self.assertEqual(client.deliver("", ["b@example.org"], MESSAGE).code, 451)
        self.assertEqual(recorder.messages(), [])

    def test_broken_signatures(self):
        folder = self.subfolder("broken")
        (folder / "broken.ndb").write_text("This is no signature\n")
        self.configure(virus={"database": folder})
        result = self.scan(self.message)
        self.assert_says(result, TEMPFAIL, str(folder))

    def test_no_inspector(self):
        folder = self.subfolder("bin")
        for program in ("postern-proxy", "postern-scan"):
            shutil.copy(program_path(program), folder)
        self.configure(proxy={"inspect": "yes", "listen": f"127.0.0.1:{free_port()}"})
        if pathlib.Path("/usr/libexec/postern/postern-inspector").exists():
            self.skipTest("an inspector is installed on this machine")
        for program, status in (("postern-proxy", 1), ("postern-scan", TEMPFAIL)):
            with self.subTest(program):
                result = run_program(folder / program, "--config", self.configuration,
                                     *([self.message] if program == "postern-scan" else []))
                self.assert_says(result, status, str(folder / "postern-inspector"), "install it",
                                 "[inspector] socket")

    def test_shared_inspector_that_does_not_run(self):
        self.configure(proxy={"inspect": "yes"}, inspector={"socket": self.folder / "none.socket"})
        recorder = self.backend()
        server = self.proxy(recorder, proxy={"inspect": "yes", "inspection_timeout": "2s"},
                            inspector={"socket": self.folder / "none.socket"})
        with Client(server.port, timeout=30) as client:
            client.ehlo()
            reply = client.deliver("", ["b@example.org"], MESSAGE)
            self.assertEqual(reply.code, 451, reply)
        self.assertEqual(recorder.messages(), [])
        self.assertIn("problem", server.wait_for_closing_lines("message", 1)[0])

    def test_inspector_without_a_socket(self):
        self.assert_says(run_program("postern-inspector", "--config", self.configuration), UNAVAILABLE,
                         "--socket PATH")
        result = run_program("postern-inspector", "--config", self.configuration, "--socket",
                             self.folder / "none" / "socket")
        self.assert_says(result, UNAVAILABLE, str(self.folder / "none" / "socket"))


if __name__ == "__main__":
    outcome.main()

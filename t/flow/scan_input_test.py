"""
Whatever is given to postern-scan: pipes, FIFOs, devices, links and loops; where the client, the sender and
the recipients come from; the shared inspector; the table at the end, and the exit status.
"""

import json
import os
import pwd
import re
import signal
import socket
import statistics
import subprocess
import threading
import time
import unittest

from support import outcome
from support.demo_messages import eicar, infected
from support.process import Program, program_path, wait_until
from support.scan import (ACCEPT, NO_INPUT, QUARANTINE, REJECT, TEMPFAIL, USAGE, ScanTestCase, as_mboxrd,
                          plain, received)
from support.smtp import crlf

NOBODY = 65534
RUNS = 9


class InputTestCase(ScanTestCase):
    def message(self, name="message.eml", octets=None):
        path = self.folder / name
        path.write_bytes(plain() if octets is None else octets)
        return path

    def assert_refused(self, text, *arguments, **options):
        result = self.scan(*arguments, **options)
        self.assertEqual(result.returncode, NO_INPUT, result.stderr)
        self.assertIn(text, result.stderr)
        self.assertEqual(result.stdout, "")


class OutputTest(InputTestCase):
    def test_results_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([program_path("postern-scan"), "--config", str(self.configuration),
                                     "--json", str(self.message())], stdout=full, stderr=subprocess.PIPE,
                                    timeout=60, check=False)
        self.assertEqual(result.returncode, TEMPFAIL, result.stderr)
        self.assertIn(b"could not all be written", result.stderr)

    def test_capsule_is_never_written_over_a_file(self):
        path = self.message()
        result = self.scan("--capsule", path, path)
        self.assertEqual(result.returncode, TEMPFAIL, result.stderr)
        self.assertIn("File exists", result.stderr)
        self.assertEqual(path.read_bytes(), plain())


class ReturnPathTest(InputTestCase):
    def test_what_the_sender_wrote_is_not_believed(self):
        field, own = "Return-Path: <a@pass.example>\n", "Return-Path: <b@fail.example>\n"
        text = "From: a@pass.example\nSubject: x\n\nHello.\n"
        outside, fetched = received("192.0.2.7"), "Received: from p [192.0.2.9] by m with IMAP\n"
        for message, domain in ((field + outside + text, "pass.example"),
                                (own + outside + field + text, "fail.example"),
                                (fetched + field + outside + text, "pass.example"),
                                (outside + field + text, "client.example")):
            with self.subTest(message):
                verdict, = self.verdicts(self.message(octets=crlf(message)))
                self.assertEqual(verdict["spf"]["domain"], domain)


class PipeTest(InputTestCase):
    def test_process_substitution(self):
        path = self.message()
        command = f'{program_path("postern-scan")} --json --config {self.configuration}'
        for script, names in ((f"{command} <(cat {path})", 1),
                              (f"{command} <(sleep 1; cat {path}) {path}", 2),
                              (f"cat {path} | {command} -", 1), (f"cat {path} | {command} /dev/stdin", 1),
                              (f"{command} - < {path}", 1)):
            with self.subTest(script):
                result = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60, check=False)
                self.assertEqual(result.returncode, ACCEPT, result.stderr)
                self.assertEqual([json.loads(line)["action"] for line in result.stdout.splitlines()],
                                 ["accept"] * names)

    def test_fifo_without_writer(self):
        path = self.folder / "fifo"
        os.mkfifo(path)
        started = time.monotonic()
        self.assert_refused("fifo: is a FIFO, and nobody has written to it within 5 seconds", path)
        self.assertLess(time.monotonic() - started, 10)

    def test_fifo_with_a_late_and_slow_writer(self):
        path = self.folder / "fifo"
        os.mkfifo(path)

        def write():
            time.sleep(1)
            with open(path, "wb", buffering=0) as writer:
                for octet in plain():
                    writer.write(bytes([octet]))
                    time.sleep(0.01)
        thread = threading.Thread(target=write)
        thread.start()
        self.addCleanup(thread.join)
        self.assertEqual([verdict["action"] for verdict in self.verdicts(path)], ["accept"])

    def test_a_slow_pipe_holds_up_no_other_message(self):
        path, fifo = self.message(), self.folder / "fifo"
        os.mkfifo(fifo)
        program = Program("postern-scan", "--config", self.configuration, "--json", path, fifo,
                          folder=self.folder)
        self.addCleanup(program.stop)
        with open(fifo, "wb", buffering=0) as writer:
            writer.write(plain()[:20])
            wait_until(lambda: program.log().count("\n") == 1, 30, "the verdict of the file before the FIFO")
            self.assertTrue(program.is_running())
            writer.write(plain()[20:])
        self.assertEqual(program.wait(30), ACCEPT)

    def test_empty_pipe(self):
        result = subprocess.run(["bash", "-c", f'{program_path("postern-scan")} <(true)'],
                                capture_output=True, timeout=60, check=False)
        self.assertEqual(result.returncode, NO_INPUT)
        self.assertIn(b"is empty", result.stderr)

    def test_fifo_in_a_folder_is_passed_over(self):
        folder = self.subfolder("mail")
        os.mkfifo(folder / "fifo")
        (folder / "one").write_bytes(plain())
        self.assertEqual(len(self.verdicts(folder)), 1)


class OddInputTest(InputTestCase):
    def test_no_message(self):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.folder / "socket"))
            self.assert_refused("socket: is a socket or a device, not a message", self.folder / "socket")
        self.assert_refused("/dev/zero: is a device, not a message", "/dev/zero")
        self.assert_refused("empty: is empty", self.message("empty", b""))
        self.assert_refused("none: cannot be opened: No such file", self.folder / "none")
        (self.folder / "loop").symlink_to(self.folder / "loop")
        self.assert_refused("loop: cannot be opened: Too many levels of symbolic links", self.folder / "loop")

    def test_without_permission(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        path, folder = self.message(), self.subfolder("locked")
        path.chmod(0)
        folder.chmod(0)
        self.assert_refused("message.eml: cannot be opened: Permission denied", path, user=NOBODY)
        self.assert_refused("Permission denied", folder, user=NOBODY)
        self.assertIn(str(folder), self.scan(folder, user=NOBODY).stderr)

    def test_binary_rubbish(self):
        octets = bytes(range(256)) * 4000
        result = self.scan("--json", self.message("rubbish", octets), self.message("nul", b"\0" * 100000))
        verdicts = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(verdicts), 2)
        self.assertEqual([verdict["virus"]["result"] for verdict in verdicts], ["clean"] * 2)
        self.assertEqual([verdict["no_message"] for verdict in verdicts], [True] * 2)
        self.assertEqual(result.returncode, NO_INPUT)

    def test_what_is_no_message_is_judged(self):
        result = self.scan(self.message("eicar.com", eicar()))
        self.assertEqual(result.returncode, REJECT, result.stdout)
        self.assertIn("No message", result.stdout)
        self.assertEqual(self.scan(self.message("without-header", b"\r\nHello.\r\n")).returncode, ACCEPT)

    def test_deep_folders(self):
        path = self.folder / "deep"
        for _ in range(80):
            path = path / "d"
        path.mkdir(parents=True)
        (path / "message").write_bytes(plain())
        result = self.scan(self.folder / "deep")
        self.assertEqual(result.returncode, NO_INPUT)
        self.assertIn("more than 64 directories deep", result.stderr)

    def test_names_of_files_are_escaped(self):
        path = self.message("a\033[31m\nb\xff")
        result = self.scan(path)
        self.assertNotIn("\033", result.stdout)
        self.assertIn("a\\x1b[31m\\x0ab", result.stdout)


class EnvelopeTest(InputTestCase):
    def test_envelope_is_shown(self):
        arguments = ["--client", "192.0.2.7", "--helo", "client.example", "--sender", "<a@pass.example>",
                     "--recipient", "b@example.org", "--recipient", "c@example.org", self.message()]
        verdict, = self.verdicts(*arguments)
        self.assertEqual(verdict["envelope"], {"client": "192.0.2.7", "helo": "client.example",
                                               "sender": "a@pass.example",
                                               "recipients": ["b@example.org", "c@example.org"]})
        text = self.scan(*arguments).stdout
        for line in ("Client       192.0.2.7", "HELO         client.example", "Sender       a@pass.example",
                     "Recipient    b@example.org", "Recipient    c@example.org"):
            self.assertIn("    " + line + "\n", text)

    def test_message_of_a_capsule(self):
        path, capsule = self.message(), self.folder / "kept.capsule"
        self.assertEqual(self.scan("--capsule", capsule, path).returncode, ACCEPT)
        result = subprocess.run([program_path("postern-scan"), "--extract", str(capsule)],
                                capture_output=True, timeout=60, check=False)
        self.assertEqual((result.returncode, result.stdout), (ACCEPT, plain()))
        result = self.scan("--extract", path)
        self.assertEqual(result.returncode, NO_INPUT)
        self.assertIn("message.eml", result.stderr)

    def one(self, octets, *arguments):
        """The verdict on a message, and what people are told of it."""
        path = self.message(octets=octets)
        verdict, = self.verdicts(*arguments, path)
        return verdict, self.scan(*arguments, path).stdout

    def test_client_of_received(self):
        verdict, text = self.one(plain(received=received("192.0.2.7")))
        self.assertEqual(verdict["spf"]["result"], "pass")
        self.assertRegex(text, r"Client +192\.0\.2\.7 \(Received\)")
        verdict, _ = self.one(plain(received=received("192.0.2.8")))
        self.assertEqual(verdict["spf"]["result"], "fail")

    def test_given_client_comes_first(self):
        octets = plain(received=received("192.0.2.8"))
        verdict, text = self.one(octets, "--client", "192.0.2.7")
        self.assertEqual(verdict["spf"]["result"], "pass")
        self.assertRegex(text, r"Client +192\.0\.2\.7\n")

    def test_without_received(self):
        verdict, text = self.one(plain(received=received("192.0.2.7")), "--no-received")
        self.assertNotIn(verdict["spf"]["result"], ("pass", "fail"))
        self.assertIn("Client       not known", text)

    def test_trusted_relays_are_passed(self):
        self.configure(clients={"trusted_relays": "198.51.100.0/24", "own_networks": "2001:db8::/32"})
        way = (received("127.0.0.1") + received("IPv6:2001:db8::1") + received("198.51.100.9")
               + received("192.0.2.7") + received("192.0.2.8"))
        verdict, text = self.one(plain(received=way))
        self.assertEqual(verdict["spf"]["result"], "pass")
        self.assertIn("192.0.2.7 (Received)", text)

    def test_what_the_client_says_is_not_believed(self):
        verdict, text = self.one(plain(received=received("192.0.2.8", helo="[192.0.2.7]")))
        self.assertEqual(verdict["spf"]["result"], "fail")
        self.assertIn("192.0.2.8 (Received)", text)

    def test_login_at_the_relay(self):
        verdict, _ = self.one(plain(received=received("192.0.2.8", "ESMTPSA")))
        self.assertNotIn(verdict["spf"]["result"], ("pass", "fail"))

    def test_interface_stays(self):
        members = set(self.one(plain())[0])
        self.assertEqual(set(self.one(plain(received=received("192.0.2.7")))[0]), members)

    def test_recipient(self):
        self.configure(policy={"exempt_recipients": "postmaster", "spf_fail": "reject"})
        octets = plain(sender="a@fail.example", received=received("192.0.2.7"))
        self.assertEqual(self.one(octets)[0]["action"], "reject")
        for field in (b"Delivered-To: postmaster@example.org\r\n",
                      b"X-Original-To: <Postmaster@example.org>\r\nDelivered-To: root@example.org\r\n"):
            with self.subTest(field):
                self.assertEqual(self.one(field + octets)[0]["action"], "accept")
                given, _ = self.one(field + octets, "--recipient", "b@example.org")
                self.assertEqual(given["action"], "reject")
                # What the sender wrote stands below the first Received.
                forged, _ = self.one(octets.replace(b"Subject:", field + b"Subject:"))
                self.assertEqual(forged["action"], "reject")

    def test_policy_of_class_and_recipient(self):
        table = self.folder / "recipients"
        table.write_text("strict@example.org strict\n")
        self.configure(clients={"recipients": table, "own_networks": "192.0.2.9",
                                "own_networks_policy": "ours"},
                       **{"policy": {"spf_fail": "mark"}, "policy strict": {"spf_fail": "reject"},
                          "policy ours": {"spf_fail": "tempfail"}})
        octets = plain(sender="a@fail.example")
        for arguments, action in (((), "accept"), (("--recipient", "strict@example.org"), "reject"),
                                  (("--recipient", "b@example.org"), "accept")):
            self.assertEqual(self.one(octets, "--client", "192.0.2.7", *arguments)[0]["action"], action)
        self.assertEqual(self.one(octets, "--client", "192.0.2.9")[0]["action"], "tempfail")
        result = self.scan("--client", "192.0.2.7", "--recipient", "b@example.org", "--recipient",
                           "strict@example.org", self.message(octets=octets))
        self.assertIn("recipient strict@example.org has another policy", result.stderr)


class OutcomeTest(InputTestCase):
    def test_exit_status_of_several(self):
        self.configure(policy={"spf_fail": "reject", "spf_softfail": "quarantine", "spf_error": "tempfail"})
        self.answers.write_text('reject.example TXT "v=spf1 -all"\nquarantine.example TXT "v=spf1 ~all"\n'
                                'tempfail.example TXT !SERVFAIL\n')
        paths = {}
        for name in ("accept", "reject", "tempfail", "quarantine"):
            octets = plain(sender=f"a@{name}.example", received=received("192.0.2.7"))
            paths[name] = self.message(name, octets)
        paths["none"] = self.folder / "none"
        for names, status in (("accept", ACCEPT), ("reject", REJECT), ("tempfail", TEMPFAIL),
                              ("quarantine", QUARANTINE), ("none", NO_INPUT), ("none none", NO_INPUT),
                              ("accept none", NO_INPUT), ("none tempfail accept", TEMPFAIL),
                              ("tempfail quarantine none", QUARANTINE),
                              ("accept tempfail reject quarantine none", REJECT)):
            with self.subTest(names):
                result = self.scan(*(paths[name] for name in names.split()))
                self.assertEqual(result.returncode, status, result.stderr)

    def test_summary(self):
        mailbox = self.message("mailbox", as_mboxrd(plain()) * 3 + as_mboxrd(infected()) * 2)
        result = self.scan(mailbox, self.folder / "none")
        table = result.stdout[result.stdout.index("6 messages, "):]
        self.assertRegex(table, r"\A6 messages, 3 accepted, 3 not; [\d.]+ MiB in [\d.]+ seconds, "
                                r"[\d.]+ messages a second\n")
        for line in (r"Action +3  accept\n +2  reject\n +1  not read", r"Virus +3  clean\n +2  infected",
                     r"Virus name +2  Eicar\S*"):
            self.assertRegex(table, line)
        self.assertNotIn("messages, ", self.scan(self.message()).stdout)

    def test_summary_beside_json(self):
        mailbox = self.message("mailbox", as_mboxrd(plain()) * 3)
        self.assertNotIn("messages, ", self.scan("--json", mailbox).stdout)
        result = self.scan("--json", "--summary", mailbox)
        self.assertEqual(len([json.loads(line) for line in result.stdout.splitlines()]), 3)
        self.assertIn("3 messages, 3 accepted, 0 not", result.stderr)

    def test_progress_only_on_a_terminal(self):
        mailbox = self.message("mailbox", as_mboxrd(plain()) * 30)
        self.assertEqual(self.scan(mailbox).stderr, "")
        reader, writer = os.openpty()
        process = subprocess.Popen([program_path("postern-scan"), "--config", str(self.configuration),
                                    "--json", str(mailbox)], stdout=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        text = b""
        while True:
            try:
                octets = os.read(reader, 4096)
            except OSError:
                break
            text += octets
        os.close(reader)
        self.assertEqual(process.wait(30), ACCEPT)
        self.assertRegex(text.decode(), r"\[#+-*\] 30 messages, [\d.]+ MiB, 0 not accepted")

    def test_options(self):
        self.assertEqual(self.scan("--no-such-option").returncode, USAGE)
        self.assertEqual(self.scan().returncode, USAGE)
        for arguments, text in ((["--jsno"], "did you mean --json?"),
                                (["--sender", "a b@c", "x"], "--sender: 'a b@c' is not an address"),
                                (["--recipient", "", "x"], "--recipient: '' is not an address")):
            result = self.scan(*arguments)
            self.assertEqual(result.returncode, USAGE)
            self.assertIn(text, result.stderr)

    def test_help_fits_a_terminal(self):
        for name in ("postern-scan", "postern-proxy", "postern-milter", "postern-inspector", "postern-log"):
            text = subprocess.run([program_path(name), "--help"], capture_output=True, text=True, timeout=30,
                                  check=True).stdout
            self.assertEqual([line for line in text.splitlines() if len(line) > 80], [], name)

    def test_only_what_is_not_accepted(self):
        mailbox = self.message("mailbox", as_mboxrd(plain()) * 3 + as_mboxrd(infected()))
        self.assertEqual([verdict["action"] for verdict in self.verdicts("--only", mailbox)], ["reject"])
        lines = self.scan("--only", mailbox).stdout.splitlines()
        self.assertEqual(lines[0].split(":")[0:2], [str(mailbox), "4"])
        self.assertIn("4 messages, 3 accepted, 1 not", "\n".join(lines))

    def test_interrupted(self):
        path = self.message()
        reader, writer = os.pipe()
        command = [program_path("postern-scan"), "--config", str(self.configuration), "--json", str(path),
                   str(path), "-"]
        process = subprocess.Popen(command, stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        self.addCleanup(process.kill)
        self.addCleanup(os.close, writer)
        os.close(reader)
        for _ in range(2):
            self.assertEqual(json.loads(process.stdout.readline())["action"], "accept")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertIn("interrupted", said)
        self.assertIn("2 messages, 2 accepted, 0 not", said)


class SharedInspectorTest(InputTestCase):
    def shared(self):
        """Configures one, as nobody's who could not be trusted, and does not start it."""
        place = self.subfolder("shared")
        if os.geteuid() == 0:
            os.chown(place, pwd.getpwnam(self.groups["inspector"]["user"]).pw_uid, -1)
        self.socket = place / "socket"
        self.configure(inspector={"socket": self.socket})

    def durations(self, path):
        """How long one scan takes: milliseconds of several runs."""
        taken = []
        for _ in range(RUNS):
            started = time.monotonic()
            self.assertEqual(self.scan(path).returncode, ACCEPT)
            taken.append((time.monotonic() - started) * 1000)
        return taken

    def test_one_that_runs_is_used(self):
        path = self.message()
        fresh = statistics.median(self.durations(path))
        self.shared()
        program = Program("postern-inspector", "--config", self.configuration, folder=self.folder)
        self.addCleanup(program.stop)
        program.wait_for_log("notice: ready: ", 60)
        self.assertEqual(self.scan(path).stderr, "")
        shared = statistics.median(self.durations(path))
        print(f"one small message: median {shared:.1f} ms with the shared inspector, {fresh:.1f} ms with its"
              f" own ({RUNS} runs each)", flush=True)
        self.assertLess(shared, fresh / 2)

    def test_one_that_is_down(self):
        path = self.message()
        self.shared()
        for _ in range(2):
            result = self.scan(path)
            self.assertEqual(result.returncode, ACCEPT)
            self.assertRegex(result.stderr, f"the shared inspector at {re.escape(str(self.socket))} does not"
                                            r" answer \(.*\): starting one of our own")
            self.assertFalse(self.socket.exists())
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
            left.bind(str(self.socket))
            result = self.scan(path)
        self.assertEqual(result.returncode, ACCEPT)
        self.assertIn("Connection refused", result.stderr)

    def test_one_of_somebody_else(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        path = self.message()
        self.shared()
        script = ("import socket,sys,time\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\n"
                  "s.bind(sys.argv[1])\ns.listen()\ntime.sleep(60)\n")
        process = subprocess.Popen(["python3", "-c", script, str(self.socket)], user=NOBODY, extra_groups=[])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until(self.socket.exists, 10, "the socket")
        time.sleep(0.2)
        result = self.scan(path)
        self.assertEqual(result.returncode, ACCEPT)
        self.assertIn("only root's or our own", result.stderr)


if __name__ == "__main__":
    outcome.main()

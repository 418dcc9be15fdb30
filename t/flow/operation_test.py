"""What an administrator does and sees: reload, end, limits, time-outs, observe mode, configuration, log."""

import os
import pwd
import re
import signal
import time
import unittest

from support.demo_messages import infected
from support.ports import is_listening
from support.process import wait_until
from support.proxy import TOLD, ProxyTestCase, closing_line, run_program, unprivileged_user
from support.smtp import Client, crlf

MESSAGE = crlf("Subject: operation\n\nHello.\n")
SENDER, RECIPIENT = "a@sender.example", "b@example.org"


class OperationTestCase(ProxyTestCase):
    def start(self, backend=None, **options):
        self.recorder = self.backend(**(backend or {}))
        self.server = self.proxy(self.recorder, **options)
        self.program = self.server.program

    def connect(self, **arguments):
        client = Client(self.server.port, **arguments)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def deliver(self, message=MESSAGE):
        with Client(self.server.port) as client:
            client.ehlo()
            reply = client.deliver(SENDER, [RECIPIENT], message)
            client.quit()
            return reply


class ReloadTest(OperationTestCase):
    def greeting(self):
        with Client(self.server.port) as client:
            return client.greeting.text

    def reload(self, pattern):
        self.program.send_signal(signal.SIGHUP)
        self.program.wait_for_log(pattern)

    def test_new_sessions_go_by_the_new_configuration(self):
        self.start()
        old = self.connect()
        self.server.configure(proxy={"hostname": "new.example", "max_recipients": 1})
        self.reload("the configuration was read again")
        wait_until(lambda: self.greeting().startswith("new.example "))
        codes = [reply.code for reply in self.connect().envelope(SENDER, RECIPIENT, RECIPIENT)]
        self.assertEqual(codes, [250, 250, 452])
        codes = [reply.code for reply in old.envelope(SENDER, RECIPIENT, RECIPIENT)]
        self.assertEqual(codes, [250, 250, 250])
        self.assertEqual(old.message(MESSAGE).code, 250)

    def test_bad_configuration_changes_nothing(self):
        self.start()
        good = self.server.path.read_text()
        for change, reason in (
                ("[proxy]\nhostname = bad.example\nbackendd = 127.0.0.1:1\n", "did you mean 'backend'"),
                ("[proxy]\nhostname = bad.example\nthreads = many\n", "threads"),
                ("[proxy]\nhostname = bad.example\n[proxxy]\n", "did you mean 'proxy'"),
                ("nonsense\n", "postern.conf"),
                (None, "cannot be read")):
            with self.subTest(reason):
                if change is None:
                    self.server.path.unlink()
                else:
                    self.server.path.write_text(change)
                self.reload("nothing was changed by the reload: (.*\n)*.*" + re.escape(reason))
                self.assertTrue(self.greeting().startswith("proxy.example "))
                self.assertEqual(self.deliver().code, 250)
        self.server.path.write_text(good)
        self.reload("the configuration was read again")

    def check_needs_restart(self, key, value):
        self.start()
        self.server.configure(proxy={key: value})
        self.reload(rf"nothing was changed by the reload: a new \[proxy\] {key} needs a restart")
        self.assertEqual(self.deliver().code, 250)

    def test_listen_needs_a_restart(self):
        """Also because an empty recipient_domains is judged by it."""
        self.check_needs_restart("listen", "127.0.0.1:1")

    def test_threads_need_a_restart(self):
        self.check_needs_restart("threads", "7")

    def test_limit_needs_a_restart(self):
        self.check_needs_restart("backend_connections", "3")

    def test_log_level(self):
        self.start()
        self.deliver()
        self.server.wait_for_closing_lines("session", 1)
        self.server.configure(log={"level": "notice"})
        self.reload("the configuration was read again")
        self.deliver()
        self.assertEqual(len(self.server.closing_lines("message")), 1)


class EndTest(OperationTestCase):
    def in_message(self):
        """A client that has sent half of its message."""
        client = self.connect()
        client.envelope(SENDER, RECIPIENT)
        self.assertEqual(client.command("DATA").code, 354)
        client.send(MESSAGE)
        return client

    def end(self, number=signal.SIGTERM, pattern="draining: "):
        self.program.send_signal(number)
        self.program.wait_for_log(pattern)

    def test_message_under_way_is_finished(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                self.start()
                idle, early, busy = self.connect(), self.connect(), self.in_message()
                self.assertEqual([reply.code for reply in early.envelope(SENDER, RECIPIENT)], [250, 250])
                self.end(number)
                self.assertTrue(idle.wait_closed().startswith(b"421 4.3.2 "))
                wait_until(lambda: not is_listening(self.server.port), what="no listener")
                self.assertTrue(self.program.is_running())
                busy.send(b".\r\n")
                self.assertEqual(busy.reply().code, 250)
                self.assertTrue(busy.wait_closed().startswith(b"421 4.3.2 "))
                self.assertTrue(self.program.is_running())
                self.assertEqual(early.message(MESSAGE).code, 250)
                self.assertTrue(early.wait_closed().startswith(b"421 4.3.2 "))
                self.assertEqual(self.program.wait(), 0)
                self.assertEqual(len(self.recorder.messages()), 2)
                wait_until(lambda: self.recorder.connections == 0, what="the end of all back-end connections")

    def test_acknowledgement_is_awaited(self):
        self.start({"pause": {"dot": 1.0}})
        client = self.in_message()
        client.send(b".\r\n")
        time.sleep(0.2)
        self.end()
        self.assertEqual(client.reply().code, 250)
        self.assertEqual(self.program.wait(), 0)
        self.assertEqual(len(self.recorder.messages()), 1)

    def test_waiting_has_an_end(self):
        self.start(proxy={"drain_timeout": "300ms"})
        client = self.in_message()
        self.end()
        self.assertTrue(client.wait_closed().startswith(b"421 4.3.2 "))
        self.assertEqual(self.program.wait(), 0)
        self.assertEqual(self.recorder.messages(), [])

    def test_second_signal_ends_at_once(self):
        self.start()
        client = self.in_message()
        self.end()
        self.assertTrue(client.is_silent(0.3))
        self.end(pattern="ending at once")
        self.assertEqual(self.program.wait(3), 0)
        self.assertEqual(self.recorder.messages(), [])

    def test_nothing_under_way(self):
        self.start()
        started = time.monotonic()
        self.end()
        self.assertEqual(self.program.wait(), 0)
        self.assertLess(time.monotonic() - started, 5)

    def test_new_transaction_is_not_begun(self):
        self.start()
        client = self.in_message()
        self.end()
        client.send(b".\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        said = client.wait_closed()
        self.assertEqual([line[:3] for line in said.splitlines()], [b"250", b"421"])
        self.assertEqual(len(self.recorder.messages()), 1)


class LimitTest(OperationTestCase):
    def refused(self, source):
        with Client(self.server.port, source=source) as client:
            return client.greeting.code, client.greeting.enhanced

    def test_connections_of_one_client(self):
        self.start(proxy={"max_connections_per_client": 3})
        clients = [self.connect(source="127.0.0.5") for _ in range(3)]
        self.assertEqual(self.refused("127.0.0.5"), (421, "4.7.1"))
        self.assertEqual(self.refused("127.0.0.6"), (220, None))
        self.assertIn(("refused", {"client": "127.0.0.5", "limit": "max_connections_per_client"}),
                      [closing_line(line) for line in self.server.log().splitlines()])
        clients[0].quit()
        wait_until(lambda: self.refused("127.0.0.5")[0] == 220, what="a free place")
        for client in clients[1:]:
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)

    def test_connections_of_all_clients(self):
        self.start(proxy={"max_connections": 4})
        for number in range(4):  # each holds something: those that do not would make room
            self.connect(source=f"127.0.0.{10 + number}").envelope(SENDER, RECIPIENT)
        self.assertEqual(self.refused("127.0.0.20")[0], 421)
        self.assertIn("limit=max_connections\n", self.server.log())

    def test_slow_clients_are_let_go(self):
        self.start(proxy={"client_timeout": "300ms", "client_data_timeout": "600ms"})
        started = time.monotonic()
        for octets in (b"", b"EHLO x", b"EHLO x\r\nMAIL FROM:<>\r\n"):
            with Client(self.server.port) as client:
                client.send(octets)
                self.assertIn(b"421 4.4.2 Timeout while waiting for a command", client.wait_closed(5))
        with Client(self.server.port) as client:
            client.ehlo()
            client.envelope(SENDER, RECIPIENT)
            client.command("DATA")
            client.send(MESSAGE)
            self.assertIn(b"421 4.4.2 Timeout while waiting for data", client.wait_closed(5))
        self.assertGreater(time.monotonic() - started, 1.4)
        self.assertEqual(self.recorder.messages(), [])
        self.assertEqual({line["ended"] for line in self.server.wait_for_closing_lines("session", 4)},
                         {"timeout"})

    def test_client_that_says_nothing_useful(self):
        self.start()
        client = self.connect()
        client.send(b"NOOP\r\n" * 105)
        self.assertIn(b"421 4.7.0 Too many commands", client.wait_closed())

    def test_client_that_does_not_read(self):
        self.start()
        with Client(self.server.port) as client:
            client.ehlo()
            client.socket.settimeout(1)
            line = b"RCPT TO:<b@example.org>\r\n"
            try:
                for _ in range(2000):
                    client.socket.sendall(line * 100)
            except (TimeoutError, OSError):
                pass
        self.assertEqual(self.deliver().code, 250)


class LogTest(OperationTestCase):
    def test_hostile_text_is_escaped(self):
        self.start()
        names = ["x\x1b[31mred", "quote\"s", "back\\slash", "sm\u00f6rg\u00e5s.example", "a=b", "\x07\x7f",
                 "[\x1b]0;t\x07]",
                 "key=value", "\u202eevil", "'; DROP", "%s%n", "long" * 300]
        for name in names:
            with Client(self.server.port) as client:
                client.send(f"EHLO {name}\r\nHELO ok\r\nMAIL FROM:<\"{name}\"@x.example>\r\n"
                            f"RCPT TO:<{name}@example.org>\r\nRCPT TO:<b@example.org>\r\n"
                            "RSET\r\nQUIT\r\n".encode())
                client.wait_closed()
        self.server.wait_for_closing_lines("session", len(names))
        for line in self.server.log().splitlines():
            self.assertRegex(line, r"\A[ -~]*\Z")
            if ": info: " in line:
                self.assertIsNotNone(closing_line(line), line)
                self.assertLess(len(line), 4096)

    def test_values_come_back_as_they_were(self):
        self.start()
        sender = '"a \\"quoted\\" = name"@sender.example'
        with Client(self.server.port) as client:
            client.ehlo("[192.0.2.1]")
            client.deliver(sender, [RECIPIENT, "c@example.org"], MESSAGE)
            client.command("QUIT")
        line = self.server.wait_for_closing_lines("message", 1)[0]
        self.assertEqual(line["from"], f"<{sender}>")
        self.assertEqual(line["to"], "<b@example.org>,<c@example.org>")
        self.assertEqual((line["helo"], line["client"]), ("[192.0.2.1]", "127.0.0.1"))
        self.assertEqual((line["delivery"], line["size"]), ("accepted", str(len(MESSAGE))))
        self.assertTrue(line["reply"].startswith("250 2.0.0 Ok: queued as "))
        session = self.server.wait_for_closing_lines("session", 1)[0]
        self.assertEqual((session["session"], session["ended"]), (line["session"], "quit"))
        self.assertEqual((session["messages"], session["messages_accepted"]), ("1", "1"))

    def test_session_is_named_to_the_client(self):
        self.start()
        with Client(self.server.port) as client:
            identifier = client.greeting.text.split()[-1]
            client.ehlo()
            self.assertTrue(client.command("DATA").text.endswith(f"[{identifier}]"))
        self.assertEqual(self.server.wait_for_closing_lines("session", 1)[0]["session"], identifier)

    def test_file_and_rotation(self):
        folder = self.subfolder("log")
        user = pwd.getpwnam(unprivileged_user())
        os.chown(folder, user.pw_uid, user.pw_gid)
        path, old = folder / "postern.log", folder / "postern.log.1"
        self.recorder = self.backend()
        self.server = self.proxy(self.recorder, log={"destination": path})
        os.chown(path, user.pw_uid, user.pw_gid)
        self.assertEqual(self.deliver().code, 250)
        wait_until(lambda: " session " in path.read_text())
        path.rename(old)
        self.assertEqual(self.deliver().code, 250)
        wait_until(lambda: old.read_text().count(": message ") == 2)
        self.assertFalse(path.exists())
        self.server.program.send_signal(signal.SIGUSR1)
        wait_until(path.exists, what="the new log file")
        self.assertEqual(self.deliver().code, 250)
        wait_until(lambda: path.read_text().count(": message ") == 1)
        self.assertEqual(old.read_text().count(": message "), 2)
        self.assertNotIn(" message ", self.server.program.log())


class ObserveTest(OperationTestCase):
    def test_all_passes_and_the_log_tells_what_would_have_been(self):
        self.start(proxy={**TOLD, "mode": "observe"}, virus={"database": self.signatures()},
                   policy={"spf_fail": "reject"}, answers='silent.example TXT "v=spf1 -all"\n')
        self.assertIn("observing only", self.server.log())
        with Client(self.server.port, timeout=60, told="192.0.2.7") as client:
            client.ehlo()
            self.assertEqual(client.deliver("x@silent.example", [RECIPIENT], MESSAGE).code, 250)
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], infected()).code, 250)
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], MESSAGE).code, 250)
        self.assertEqual([record.octets for record in self.recorder.messages()],
                         [MESSAGE, infected(), MESSAGE])
        lines = self.server.wait_for_closing_lines("message", 3)
        self.assertEqual([(line["action"], line.get("would"), line.get("check")) for line in lines[:2]],
                         [("accept", "reject", "spf_fail"), ("accept", "reject", "virus")])
        self.assertTrue(lines[0]["would_reply"].startswith("550 5.7.23 "))
        self.assertTrue(lines[1]["would_reply"].startswith("550 5.7.1 "))
        self.assertNotIn("would", lines[2])


class ConfigurationTest(OperationTestCase):
    PROGRAMS = ("postern-proxy", "postern-scan", "postern-inspector")

    def test_check_and_dump(self):
        path, again = self.folder / "a.conf", self.folder / "b.conf"
        path.write_text("[proxy]\nhostname = mx.example.org\nbackend_timeout = 90s\n"
                        "recipient_domains = a.example; b.example\n"
                        "[virus]\nscan_size = 10M\n[policy]\nspf_fail = reject\n")
        dumps = []
        for program in self.PROGRAMS:
            with self.subTest(program):
                result = run_program(program, "--config", path, "--check-config")
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertIn("no mistakes found", result.stdout)
                result = run_program(program, "--config", path, "--dump-config")
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                for line in ("hostname = mx.example.org", "spf_fail = reject", "scan_size = 10M"):
                    self.assertIn(f"\n{line}\n", result.stdout)
                again.write_text(result.stdout)
                result_again = run_program(program, "--config", again, "--dump-config")
                self.assertEqual(result_again.stdout, result.stdout)
                dumps.append(result.stdout)
                changed = run_program(program, "--config", path, "--dump-config", "-n").stdout
                self.assertIn("\nscan_size = 10M\n", changed)
                self.assertNotIn("level = ", changed)
        self.assertEqual(len(set(dumps)), 1)

    def test_version(self):
        for program in self.PROGRAMS:
            self.assertRegex(run_program(program, "--version").stdout, rf"\A{program} \d+\.\d+\.\d+\n\Z")


if __name__ == "__main__":
    unittest.main()

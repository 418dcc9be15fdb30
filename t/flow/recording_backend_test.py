"""The recording back-end by itself: what it records, refuses and cuts is what a test told it to."""

import concurrent.futures
import json
import pathlib
import shutil
import signal
import smtplib
import tempfile
import unittest

from support.process import Program
from support.recorder import records
from support.recording_backend import RecordingBackend
from support.smtp import Client, Closed, Reply, crlf, stuffed

MESSAGE = crlf("Subject: dots\n\n.one\n..two\n.\ntail \u00e4\n")
OVERRIDE = "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1 PORT=4242 HELO=there.example"


def temporary_folder(case):
    folder = tempfile.mkdtemp(prefix="postern-backend-")
    case.addCleanup(shutil.rmtree, folder)
    return pathlib.Path(folder)


class BackendTest(unittest.TestCase):
    def setUp(self):
        self.folder = temporary_folder(self)

    def backend(self, **changes):
        backend = RecordingBackend(self.folder, **changes).start()
        self.addCleanup(backend.stop)
        return backend

    def client(self, backend, ehlo=True, **options):
        client = Client(backend.port, **options)
        self.addCleanup(client.close)
        if ehlo:
            self.assertEqual(client.ehlo().code, 250)
        return client

    def test_records_exact_octets_and_envelope(self):
        backend = self.backend()
        client = self.client(backend)
        reply = client.deliver("a@sender.example", ["b@example.org", "c@example.org"], MESSAGE)
        self.assertEqual(reply.code, 250)
        client.quit()
        record, = backend.messages()
        self.assertEqual(record.octets, MESSAGE)
        self.assertEqual(record.sender, "a@sender.example")
        self.assertEqual(record.recipients, ["b@example.org", "c@example.org"])
        self.assertEqual((record.helo, record.octets_before_354), ("client.example", 0))

    def test_octet_by_octet_is_the_same(self):
        backend = self.backend()
        client = self.client(backend)
        client.envelope("a@sender.example", "b@example.org")
        client.command("DATA")
        client.send_slowly(stuffed(MESSAGE))
        self.assertEqual(client.reply().code, 250)
        self.assertEqual(backend.messages()[0].octets, MESSAGE)

    def test_smtplib_delivers(self):
        backend = self.backend()
        with smtplib.SMTP("127.0.0.1", backend.port, timeout=20) as client:
            client.sendmail("a@sender.example", ["b@example.org"], MESSAGE)
        self.assertEqual(backend.messages()[0].octets, MESSAGE)

    def test_pipelining(self):
        backend = self.backend()
        client = self.client(backend)
        replies = client.pipeline("MAIL FROM:<> BODY=8BITMIME", "RCPT TO:<b@example.org>", "DATA")
        self.assertEqual([reply.code for reply in replies], [250, 250, 354])
        client.send(stuffed(MESSAGE) + b"RSET\r\nQUIT\r\n")
        self.assertEqual([client.reply().code for _ in range(3)], [250, 250, 221])
        self.assertEqual(backend.messages()[0].sender_parameters, "BODY=8BITMIME")

    def test_message_before_354_is_noticed(self):
        backend = self.backend()
        client = self.client(backend)
        client.envelope("a@sender.example", "b@example.org")
        client.send(b"DATA\r\n" + stuffed(MESSAGE))
        self.assertEqual([client.reply().code, client.reply().code], [354, 250])
        self.assertEqual(backend.messages()[0].octets_before_354, len(stuffed(MESSAGE)))

    def test_xclient_resets_and_counts_as_the_client(self):
        backend = self.backend(xclient="keep")
        client = self.client(backend)
        self.assertIn("XCLIENT", client.capabilities)
        self.assertEqual(client.command(OVERRIDE).code, 220)
        self.assertEqual(client.command("MAIL FROM:<>").code, 503)
        client.ehlo()
        self.assertIn("XCLIENT", client.capabilities)
        codes = [reply.code for reply in client.envelope("", "x@elsewhere.example", "b@example.org")]
        self.assertEqual(codes, [250, 554, 250])
        self.assertEqual(client.message(MESSAGE).code, 250)
        self.assertEqual(backend.messages()[0].xclient["ADDR"], "192.0.2.1")
        self.assertEqual(backend.messages()[0].xclient["NAME"], "[UNAVAILABLE]")

    def test_loopback_may_relay(self):
        client = self.client(self.backend())
        self.assertEqual([reply.code for reply in client.envelope("", "x@elsewhere.example")], [250, 250])

    def test_xclient_once(self):
        client = self.client(self.backend(xclient="once"))
        self.assertEqual(client.command(OVERRIDE).code, 220)
        client.ehlo()
        self.assertNotIn("XCLIENT", client.capabilities)
        self.assertEqual(client.command(OVERRIDE).code, 550)

    def test_xclient_refused_and_absent(self):
        client = self.client(self.backend(xclient="refuse"))
        self.assertIn("XCLIENT", client.capabilities)
        self.assertEqual(client.command(OVERRIDE).code, 550)
        client = self.client(self.backend(xclient="absent"))
        self.assertNotIn("XCLIENT", client.capabilities)
        self.assertEqual(client.command(OVERRIDE).code, 502)

    def test_xclient_mistakes(self):
        client = self.client(self.backend())
        for text in ("XCLIENT", "XCLIENT ADDR=300.1.1.1", "XCLIENT COLOUR=red", "XCLIENT ADDR"):
            self.assertEqual(client.command(text).code, 501, text)
        client.command("MAIL FROM:<>")
        self.assertEqual(client.command(OVERRIDE).code, 503)

    def test_refusals(self):
        backend = self.backend(refuse={"rcpt:no@example.org": "550 5.1.1 No such user",
                                       "dot": "451 4.3.0 Later"})
        client = self.client(backend)
        codes = [reply.code for reply in client.envelope("", "no@example.org", "b@example.org")]
        self.assertEqual(codes, [250, 550, 250])
        self.assertEqual(client.message(MESSAGE).code, 451)
        backend.options.refuse = {"mail": "452 4.3.1 Full"}
        self.assertEqual(client.command("MAIL FROM:<>").code, 452)
        backend.options.refuse = {"greeting": "554 5.3.2 Closed"}
        refused = self.client(backend, ehlo=False)
        self.assertEqual((refused.greeting.code, refused.command("EHLO x").code), (554, 503))
        self.assertEqual(backend.messages(), [])

    def test_drops(self):
        for step, recorded in (("dot", 0), ("body", 0), ("recorded", 1), ("half-reply", 2)):
            backend = self.backend(drop={step})
            client = self.client(backend)
            with self.assertRaises(Closed, msg=step):
                client.deliver("", ["b@example.org"], MESSAGE)
            self.assertEqual(len(backend.messages()), recorded, step)
        backend.options.drop = {"greeting"}
        with self.assertRaises(Closed):
            Client(backend.port)

    def test_pause_before_the_final_reply(self):
        backend = self.backend(pause={"dot": 0.5})
        client = self.client(backend)
        client.envelope("", "b@example.org")
        client.command("DATA")
        client.send(stuffed(MESSAGE))
        self.assertTrue(client.is_silent(0.3))
        self.assertEqual(client.reply().code, 250)

    def test_forms(self):
        backend = self.backend()
        client = self.client(backend)
        for form, check in (("multiline", lambda reply: len(reply.lines) == 3),
                            ("split", lambda reply: reply.raw == b"250 2.0.0 Ok\r\n"),
                            ("long", lambda reply: 1900 <= len(reply.raw) < 2000),
                            ("code", lambda reply: reply.raw == b"250\r\n")):
            backend.options.form = {"noop": form}
            self.assertTrue(check(client.command("NOOP")), form)
        backend.options.form = {"noop": "garbage"}
        with self.assertRaises(ValueError):
            client.command("NOOP")

    def test_careless_end_of_message(self):
        outer, inner = "outer@sender.example", "inner@sender.example"
        for careless, expected in ((False, [outer]), (True, [outer, inner])):
            backend = self.backend(careless=careless)
            before = len(backend.messages())
            client = self.client(backend)
            client.envelope(outer, "b@example.org")
            client.command("DATA")
            smuggled = f"MAIL FROM:<{inner}>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nevil\r\n.\r\n"
            client.send(b"Subject: a\r\n\r\nb\n.\r\n" + smuggled.encode())
            self.assertTrue(backend.wait_for_messages(before + len(expected)))
            self.assertEqual([record.sender for record in backend.messages()[before:]], expected)

    def test_connection_limit_and_maximum(self):
        backend = self.backend(max_connections=2)
        kept = [self.client(backend) for _ in range(2)]
        self.assertEqual(self.client(backend, ehlo=False).greeting.code, 421)
        self.assertEqual(backend.maximum_connections, 3)
        self.assertEqual(kept[0].command("NOOP").code, 250)

    def test_hundreds_of_connections(self):
        backend = self.backend()

        def deliver(number):
            with Client(backend.port, timeout=60) as client:
                client.ehlo()
                return client.deliver(f"{number}@sender.example", ["b@example.org"], MESSAGE).code
        clients = [self.client(backend, ehlo=False) for _ in range(300)]
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            self.assertEqual(set(pool.map(deliver, range(200))), {250})
        self.assertEqual(len({record.sender for record in backend.messages()}), 200)
        self.assertGreaterEqual(backend.maximum_connections, 301)
        self.assertEqual(clients[299].ehlo().code, 250)

    def test_rule_and_journal(self):
        backend = self.backend()
        backend.options.rule = lambda session, step, argument: "450 4.2.1 Busy" if step == "rcpt" else None
        client = self.client(backend)
        self.assertEqual(client.envelope("", "b@example.org")[1].code, 450)
        self.assertEqual(backend.commands(1),
                         ["EHLO client.example", "MAIL FROM:<>", "RCPT TO:<b@example.org>"])

    def test_reply_keeps_its_octets(self):
        reply = Reply(b"550-5.7.1 one\r\n550 5.7.1 two\r\n")
        self.assertEqual((reply.code, reply.enhanced), (550, "5.7.1"))
        self.assertEqual(reply.lines, ["5.7.1 one", "5.7.1 two"])


class ProgramTest(unittest.TestCase):
    def start(self, folder, *arguments):
        program = Program("/usr/bin/python3", "-B", "-m", "support.recording_backend", "--directory",
                          folder / "messages", *arguments, folder=folder)
        self.addCleanup(program.stop)
        return program, int(program.wait_for_log(r"^port (\d+)$|\nport (\d+)\n")[1])

    def test_killed_after_250_keeps_the_message(self):
        folder = temporary_folder(self)
        program, port = self.start(folder, "--domains", "example.net", "--refuse", "rset=500 5.5.1 No")
        with Client(port) as client:
            client.ehlo()
            self.assertEqual(client.command("RSET").code, 500)
            self.assertEqual(client.deliver("a@sender.example", ["b@example.net"], MESSAGE).code, 250)
            program.kill()
        record, = records(folder / "messages")
        self.assertEqual(record.octets, MESSAGE)

    def test_ends_with_statistics(self):
        folder = temporary_folder(self)
        program, port = self.start(folder, "--statistics", folder / "statistics",
                                   "--journal", folder / "journal")
        with Client(port) as client:
            client.ehlo()
        self.assertEqual(program.stop(signal.SIGTERM), 0)
        self.assertEqual(json.loads((folder / "statistics").read_text())["connections"], 1)
        self.assertIn("EHLO client.example", (folder / "journal").read_text())
        self.assertEqual((program.processes(), program.orphans), ([], []))


if __name__ == "__main__":
    unittest.main()

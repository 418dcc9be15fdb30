"""
One opinion on where a message ends. Before a back-end that takes every mixture of CR and LF around a dot for
the end, no client gets a second message through, whatever line ends it sends, in whatever pieces.
"""

import itertools
import re
import time
import unittest

from support.proxy import ProxyTestCase
from support.smtp import Client

SENDER, EVIL = "a@sender.example", "evil@attacker.example"
ENVELOPE = b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
CHUNK = ENVELOPE.replace(b"DATA", b"BDAT %d LAST") + b"%b"
BODY = b"Subject: innocent\r\n\r\nbody"
INJECTED = (b"MAIL FROM:<evil@attacker.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nforged")
END = b"\r\n.\r\n"
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
LINE_ENDS = [b"", b"\r", b"\n", b"\r\n"]
SEQUENCES = [b"".join(octets) for length in range(4)
             for octets in itertools.product([b"\r", b"\n", b"\0"], repeat=length)]
REJECTED, ACCEPTED = [250, 250, 354, 550], [250, 250, 354, 250]


def around_the_dot(dots, first, second):
    """All payloads that try to end a message early; those that end it properly are no such thing."""
    for body in (BODY, b""):
        for before, after in itertools.product(first, second):
            payload = body + before + dots + after + INJECTED
            if END not in b"\r\n" + payload:
                yield payload


def unstuffed(payload):
    """What RFC 5321 4.5.2 makes of it, in the reading of CRLF alone."""
    return re.sub(rb"(?:\A|(?<=\r\n))\.", b"", payload + b"\r\n")


class SmugglingTest(ProxyTestCase):
    chunks = False

    def start(self, mode):
        self.recorder = self.backend(careless=True)
        self.server = self.proxy(self.recorder, proxy={"bare_newline": mode, "threads": 1})
        self.mode = mode
        self.wanted = []

    def connect(self):
        client = Client(self.server.port)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def expect(self, payload):
        """The codes that a payload must lead to; what must be recorded is noted."""
        if self.mode == "reject" and BARE.search(payload):
            return [code for code in REJECTED if code != 354 or not self.chunks]
        self.wanted.append(payload)
        return [code for code in ACCEPTED if code != 354 or not self.chunks]

    def send_payload(self, client, payload, pieces):
        for octets in pieces:
            client.send(octets)
            if len(pieces) > 1:
                time.sleep(0.001)
        expected = self.expect(payload)
        self.assertEqual([client.reply().code for _ in expected], expected, payload)

    def assert_nothing_smuggled(self, client):
        """One record for each message that was accepted, none is the injected one, no line end but CRLF."""
        self.assertTrue(client.is_silent(0.2))
        records = self.recorder.messages()
        self.assertEqual(len(records), len(self.wanted))
        for record, payload in zip(records, self.wanted):
            octets = record.octets
            self.assertEqual((record.sender, record.recipients), (SENDER, ["b@example.org"]))
            self.assertIsNone(BARE.search(octets), octets)
            self.assertIn(b"Subject: smuggled\r\n\r\nforged\r\n", octets)
            if not BARE.search(payload):
                self.assertEqual(octets, payload + b"\r\n" if self.chunks else unstuffed(payload))
            else:
                self.assertEqual(octets.translate(None, b"\r\n."), payload.translate(None, b"\r\n."))
        self.assertEqual([command for command in self.recorder.commands() if "evil" in command], [])
        count = len(self.wanted)
        self.wanted = []
        for record in records:
            record.path.with_suffix(".json").unlink()
        return count

    def try_all(self, name, payloads):
        """Each payload in a transaction of its own, on one connection; counts are printed."""
        client, tried = self.connect(), 0
        for payload in payloads:
            octets = CHUNK % (len(payload), payload) if self.chunks else ENVELOPE + payload + END
            self.send_payload(client, payload, [octets])
            tried += 1
        accepted = self.assert_nothing_smuggled(client)
        print(f"{name}, bare_newline = {self.mode}: {tried} payloads, {accepted} accepted as one message"
              f" each, {tried - accepted} refused, 0 smuggled", flush=True)

    def test_every_sequence_around_a_dot(self):
        for mode in ("reject", "repair"):
            with self.subTest(mode):
                self.start(mode)
                self.try_all("sequences of CR, LF, NUL around a dot",
                             around_the_dot(b".", SEQUENCES[:13], SEQUENCES))
                self.try_all("longer ones", around_the_dot(b".", SEQUENCES[13:], SEQUENCES[:13]))

    def test_chunks(self):
        """Where the count alone ends a message, all that looks like an end is text."""
        self.chunks = True
        for mode in ("reject", "repair"):
            with self.subTest(mode):
                self.start(mode)
                self.try_all("chunks", [*around_the_dot(b".", SEQUENCES[:13], SEQUENCES[:13]),
                                        BODY + END + INJECTED, BODY + END * 2 + INJECTED, END[2:] + INJECTED])

    def test_two_dots(self):
        for mode in ("reject", "repair"):
            with self.subTest(mode):
                self.start(mode)
                self.try_all("sequences around two dots",
                             around_the_dot(b"..", SEQUENCES[:13], SEQUENCES[:13]))

    def test_several_tries_in_one_message(self):
        tries = [before + b"." + after for before, after in itertools.product(LINE_ENDS, repeat=2)]
        tries.remove(END)
        for mode in ("reject", "repair"):
            with self.subTest(mode):
                self.start(mode)
                self.try_all("pairs of tries", (BODY + first + INJECTED + second + INJECTED
                                                for first, second in itertools.product(tries, repeat=2)))

    def test_every_cut(self):
        for mode in ("reject", "repair"):
            with self.subTest(mode):
                self.start(mode)
                client, tried = self.connect(), 0
                for before, after in itertools.product(LINE_ENDS, repeat=2):
                    payload = BODY + before + b"." + after + INJECTED
                    if END in payload:
                        continue
                    octets, start = ENVELOPE + payload + END, len(ENVELOPE + BODY)
                    window = range(start - 1, start + len(before + b"." + after) + 2)
                    cuts = [[octets[:place], octets[place:]] for place in window]
                    single = [octets[place:place + 1] for place in window]
                    cuts.append([octets[:window[0]], *single, octets[window[-1] + 1:]])
                    ending = len(octets) - len(END)
                    cuts += [[octets[:place], octets[place:]] for place in range(ending, len(octets))]
                    for pieces in cuts:
                        self.send_payload(client, payload, pieces)
                        tried += 1
                accepted = self.assert_nothing_smuggled(client)
                print(f"cuts, bare_newline = {mode}: {tried} messages, {accepted} accepted, 0 smuggled",
                      flush=True)


    def test_the_back_end_alone_is_fooled(self):
        """What all of the above would look like without the proxy."""
        self.start("reject")
        for before, after in itertools.product((b"\r", b"\n", b"\r\n"), repeat=2):
            with Client(self.recorder.port) as client:
                client.ehlo()
                client.send(ENVELOPE + BODY + before + b"." + after + INJECTED + END + b"QUIT\r\n")
                client.wait_closed()
        self.assertEqual([record.sender for record in self.recorder.messages()], [SENDER, EVIL] * 9)


class CommandSmugglingTest(ProxyTestCase):
    PLACES = (
        b"EHLO client%s.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n",
        b"HELO client%s\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n",
        b"EHLO x\r\nMAIL FROM:<a%s@sender.example>\r\nRCPT TO:<b@example.org>\r\n",
        b'EHLO x\r\nMAIL FROM:<"a%s"@sender.example>\r\nRCPT TO:<b@example.org>\r\n',
        b"EHLO x\r\nMAIL FROM:<a@sender.example> BODY=8BITMIME%s\r\nRCPT TO:<b@example.org>\r\n",
        b"EHLO x\r\nMAIL FROM:<a@sender.example> ENVID=x%s RET=HDRS\r\nRCPT TO:<b@example.org>\r\n",
        b"EHLO x\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<b%s@example.org>\r\n",
        b'EHLO x\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<"b%s"@example.org>\r\n',
        b"EHLO x\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org> ORCPT=rfc822;b%s\r\n",
        b"EHLO x\r\nNOOP %s\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n",
    )
    INJECTED = (b"MAIL FROM:<evil@attacker.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n"
                b"forged\r\n.\r\nQUIT\r\n")

    def start(self, mode):
        recorder = self.backend(careless=True, keywords=["PIPELINING", "8BITMIME", "DSN"])
        return recorder, self.proxy(recorder, proxy={"bare_newline": mode, "threads": 1})

    def send_all(self, port, octets):
        """A whole session whose end is awaited; what the server said."""
        with Client(port) as client:
            client.send(octets)
            client.shut_sending()
            return client.wait_closed()

    def test_bare_octets_in_commands(self):
        tried = 0
        for mode in ("reject", "repair"):
            recorder, server = self.start(mode)
            for place, octets in itertools.product(self.PLACES,
                                                   (b"\r", b"\n", b"\0", b"\r\r", b"\n\r", b"\0\n", b"\r\0")):
                with self.subTest(mode, place=place, octets=octets):
                    # Where an LF is repaired to a line end, what is behind it is the client's own command.
                    is_command = mode == "repair" and b"\n" in octets
                    word = b"evil" if is_command else b"MAIL FROM:<evil@attacker.example>"
                    before = len(recorder.commands())
                    said = self.send_all(server.port, place % (octets + word)
                                         + b"DATA\r\nforged\r\n.\r\nQUIT\r\n")
                    if mode == "reject":
                        self.assertIn(b"500 5.5.2" if octets == b"\0" else b"521 5.5.2", said)
                    for command in recorder.commands()[before:]:
                        self.assertNotRegex(command, "[\r\n\0]")
                        self.assertFalse(command.startswith("MAIL FROM:<evil"), command)
                    tried += 1
        print(f"bare octets in commands: {tried} sessions, 0 commands smuggled")

    def test_chunks_that_are_refused(self):
        """A chunk is as long as it says, whatever it holds; where it does not say, the session ends."""
        openings = [b"", b"EHLO x\r\n", b"EHLO x\r\nMAIL FROM:<a@sender.example>\r\n"]
        forms = [b"BDAT %d\r\n", b"BDAT %d LAST\r\n", b"BDAT %d LOST\r\n", b"bdat  %d  last \r\n"]
        fillings = [self.INJECTED, b"a\nb\r\n.\n" + self.INJECTED, b"\r\n.\r\n\0" + self.INJECTED, b"\r"]
        endless = [b"BDAT\r\n", b"BDAT -1 LAST\r\n", b"BDAT 99999999999999999999\r\n", b"BDAT 0x5\r\n",
                   b"BDAT 5LAST\r\n", b"BDAT LAST\r\n"]
        for mode in ("reject", "repair"):
            recorder, server = self.start(mode)
            with Client(server.port) as client:
                client.ehlo()
                self.assertIn("CHUNKING", client.capabilities)
                self.assertNotIn("BINARYMIME", client.capabilities)
            for opening, form, filling in itertools.product(openings, forms, fillings):
                said = self.send_all(server.port, opening + form % len(filling) + filling
                                     + b"NOOP\r\nQUIT\r\n")
                self.assertRegex(said, rb"50[13] 5\.5\.[14] [^\n]*\n250 [^\n]*\n221 [^\n]*\n\Z")
            for opening, chunk in itertools.product(openings, endless):
                said = self.send_all(server.port, opening + chunk + self.INJECTED)
                self.assertRegex(said, rb"521 5\.5\.4 [^\n]*\n\Z")
                self.assertNotIn(b"354", said)
            self.assertEqual(recorder.messages(), [])
            self.assertEqual([command for command in recorder.commands()
                              if "evil" in command or "BDAT" in command], [])

    def test_commands_behind_a_bare_newline_are_not_run(self):
        recorder, server = self.start("reject")
        said = self.send_all(server.port,
                             b"EHLO x\nMAIL FROM:<evil@attacker.example>\r\nRCPT TO:<b@example.org>\r\n"
                                          b"DATA\r\nforged\r\n.\r\n")
        self.assertEqual([line[:3] for line in said.splitlines()], [b"521"])
        self.assertEqual(recorder.messages(), [])


if __name__ == "__main__":
    unittest.main()

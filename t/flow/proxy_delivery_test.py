"""Messages of all kinds reach the back-end octet for octet, however they are cut on the way in."""

import random
import threading
import unittest

from support.proxy import ProxyTestCase
from support.smtp import Client, crlf, stuffed

HEADER = b"From: a@sender.example\r\nTo: b@example.org\r\nSubject: octets\r\n\r\n"
EVERY_OCTET = bytes(octet for octet in range(256) if octet not in b"\r\n")
MEBIBYTE = 1024 * 1024
SEED = 5321


def random_message(source, octets):
    """A message of that many octets at least: lines of any length, of any octets, with many dots."""
    lines, length = [HEADER], len(HEADER)
    while length < octets:
        line = b"." * source.choice((0, 0, 0, 1, 1, 2, 3)) + source.choices(
            (b"", EVERY_OCTET, b"plain text " * source.randrange(1, 100)))[0] + b"\r\n"
        lines.append(line)
        length += len(line)
    return b"".join(lines)


MESSAGES = {
    "plain": HEADER + b"Hello.\r\n",
    "empty": b"",
    "one empty line": b"\r\n",
    "header only": HEADER[:-2],
    "no body": HEADER,
    "no header": b"\r\nbody\r\n",
    "no header field": b"this is no header\r\nat all\r\n",
    "many empty lines": HEADER + b"\r\n" * 5000,
    "one dot": b".\r\n",
    "two dots": b"..\r\n",
    "dots": HEADER + b".\r\n..\r\n...\r\n.x\r\n x.\r\n. \r\n\r\n.\r\n",
    "only dot lines": b".\r\n" * 3000,
    "dots in the header": b".Subject: x\r\nX: y\r\n .folded\r\n\r\n.\r\n",
    "ends in dots": HEADER + b"text\r\n.\r\n.\r\n",
    "998 octets": HEADER + b"x" * 998 + b"\r\n",
    "999 octets": HEADER + b"x" * 999 + b"\r\n",
    "a line of a mebibyte": HEADER + b"y" * MEBIBYTE + b"\r\n",
    "every octet": HEADER + EVERY_OCTET + b"\r\n",
    "NUL": HEADER + b"\0\r\na\0b\r\n.\0\r\n\0.\r\n" + b"\0" * 1000 + b"\r\n",
    "8 bits": crlf("Subject: Grüße\n\nžluťoučký kůň 猫 \N{GRINNING FACE}\n"),
    "not UTF-8": b"Subject: \xff\xfe\r\n\r\n\x80\x81\xc0\xaf\r\n",
    "looks like commands": HEADER + b"QUIT\r\nRSET\r\nMAIL FROM:<x@y.example>\r\nDATA\r\n",
    "spaces": HEADER + b" \r\n\t\r\ntrailing \t \r\n",
    "controls": HEADER + bytes(range(1, 10)) + b"\x0b\x0c\x1b[31m\x7f\x1a\x04\r\n",
}
REPLIES = [220, 250, 250, 250, 354, 250, 221]


def session(message, helo="client.example"):
    """All that a client says for one message, as one piece."""
    return (f"EHLO {helo}\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n".encode()
            + stuffed(message) + b"QUIT\r\n")


class ProxyDeliveryTest(ProxyTestCase):
    def setUp(self):
        super().setUp()
        self.recorder = self.backend()
        self.port = self.proxy(self.recorder).port

    def connect(self, **arguments):
        client = Client(self.port, **arguments)
        self.addCleanup(client.close)
        return client

    def assert_recorded(self, *messages):
        """These messages, and no others, have been recorded since the last call."""
        records = self.recorder.messages()
        self.assertEqual(len(records), len(messages))
        for record, message in zip(records, messages):
            self.assertEqual(record.octets == message, True,
                             f"{record.octets[:300]!r} is not {message[:300]!r}")
            self.assertEqual((record.sender, record.recipients), ("a@sender.example", ["b@example.org"]))
            self.assertEqual(record.octets_before_354, 0)
            record.path.with_suffix(".json").unlink()

    def assert_session(self, client):
        """A session that was sent as one piece has got all its answers, in order."""
        self.assertEqual([client.greeting.code] + [client.reply().code for _ in REPLIES[1:]], REPLIES)
        self.assertEqual(client.wait_closed(), b"")

    def test_each_kind_in_a_session_of_its_own(self):
        for name, message in MESSAGES.items():
            with self.subTest(name):
                client = self.connect()
                client.ehlo()
                self.assertEqual(client.deliver("a@sender.example", ["b@example.org"], message).code, 250)
                client.quit()
                self.assert_recorded(message)

    def test_all_kinds_on_one_connection(self):
        client = self.connect()
        client.ehlo()
        for message in MESSAGES.values():
            self.assertEqual(client.deliver("a@sender.example", ["b@example.org"], message).code, 250)
        client.quit()
        self.assert_recorded(*MESSAGES.values())

    def test_whole_session_in_one_write(self):
        for name, message in MESSAGES.items():
            with self.subTest(name):
                client = self.connect()
                client.send(session(message))
                self.assert_session(client)
                self.assert_recorded(message)

    def test_one_octet_at_a_time(self):
        for name in ("plain", "empty", "dots", "one dot", "NUL"):
            with self.subTest(name):
                client = self.connect()
                client.send_slowly(session(MESSAGES[name]), pause=0.0005)
                self.assert_session(client)
                self.assert_recorded(MESSAGES[name])

    def test_cut_at_every_place(self):
        message = b"X: y\r\n\r\n.\r\n..\r\n.z\r\n"
        octets = session(message)
        for place in range(1, len(octets)):
            client = self.connect()
            client.send_slowly(octets, place, 0.002)
            self.assert_session(client)
        self.assert_recorded(*[message] * (len(octets) - 1))

    def test_many_pipelined_messages(self):
        message = MESSAGES["dots"]
        transaction = session(message).partition(b"\r\n")[2].removesuffix(b"QUIT\r\n")
        client = self.connect()
        writer = threading.Thread(target=client.send, args=(b"EHLO x\r\n" + transaction * 200 + b"QUIT\r\n",))
        writer.start()
        codes = [client.reply().code for _ in range(2 + 4 * 200)]
        writer.join()
        self.assertEqual(codes, [250] + [250, 250, 354, 250] * 200 + [221])
        self.assert_recorded(*[message] * 200)

    def test_large_messages(self):
        source = random.Random(SEED)
        for size in (MEBIBYTE, 20 * MEBIBYTE):
            message = random_message(source, size)
            client = self.connect()
            client.ehlo()
            self.assertEqual(client.deliver("a@sender.example", ["b@example.org"], message).code, 250)
            client.quit()
            self.assert_recorded(message)

    def test_random_messages_in_random_pieces(self):
        source = random.Random(SEED)
        messages = [random_message(source, source.randrange(1, 40000)) for _ in range(60)]
        client = self.connect()
        client.ehlo()
        for message in messages:
            self.assertEqual(client.envelope("a@sender.example", "b@example.org")[-1].code, 250)
            client.command("DATA")
            client.send_slowly(stuffed(message), source.choice((1000, 1460, 4096, 65536)))
            self.assertEqual(client.reply().code, 250)
        self.assert_recorded(*messages)

    def test_client_that_leaves_before_the_dot_delivers_nothing(self):
        octets = session(MESSAGES["plain"]).removesuffix(b".\r\nQUIT\r\n")
        leave = {"closes": Client.close, "resets": Client.reset, "says no more": Client.shut_sending}
        for name, ending in leave.items():
            for cut in (0, 1, 2, 10):
                with self.subTest(name, cut=cut):
                    client = self.connect()
                    client.send(octets[:len(octets) - cut])
                    ending(client)
        client = self.connect()
        client.send(session(MESSAGES["dots"]))
        self.assert_session(client)
        self.assert_recorded(MESSAGES["dots"])


if __name__ == "__main__":
    unittest.main()

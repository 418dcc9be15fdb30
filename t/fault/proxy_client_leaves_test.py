"""Clients that close or reset at every step: without a dot nothing is delivered, and nothing is held."""

import os
import threading
import time
import unittest

from support import proxy as proxies
from support import smtp
from support.process import wait_until

HEADER = b"Subject: leaves\r\nFrom: <a@load.example>\r\n\r\n"
BODY = HEADER + b"A line\r\n..dots\r\n" * 50
BIG = HEADER + b"x" * 70 + b"\r\n" + b"0123456789abcdef" * 4 * 5000 + b"\r\n"
SENDER = "leaver{}@load.example"


def _connect(client, _):
    """Not even the greeting is read."""


def _greeting(client, _):
    client.reply()


def _half_command(client, _):
    client.reply()
    client.send(b"EHLO clie")


def _ehlo(client, _):
    client.reply()
    client.ehlo()


def _mail(client, sender):
    _ehlo(client, sender)
    client.command(f"MAIL FROM:<{sender}>")


def _recipient_unanswered(client, sender):
    _mail(client, sender)
    client.send(b"RCPT TO:<bob@example.org>\r\n")


def _recipient(client, sender):
    _mail(client, sender)
    client.command("RCPT TO:<bob@example.org>")


def _recipient_returned(client, sender):
    """The borrowed connection has gone back to the pool for the client's silence."""
    _recipient(client, sender)
    time.sleep(0.6)


def _data_unanswered(client, sender):
    _recipient(client, sender)
    client.send(b"DATA\r\n")


def _data(client, sender):
    _recipient(client, sender)
    client.command("DATA")


def _in_body(client, sender):
    _data(client, sender)
    client.send(BODY[:100])


def _after_body(client, sender):
    _data(client, sender)
    client.send(smtp.stuffed(BODY)[:-3])


def _in_big_body(client, sender):
    _recipient(client, sender)
    client.command("DATA")
    client.send(BIG[:300000])


def _dot_alone(client, sender):
    _data(client, sender)
    client.send(smtp.stuffed(BODY)[:-2])


def _dot_and_cr(client, sender):
    _data(client, sender)
    client.send(smtp.stuffed(BODY)[:-1])


def _bdat_like_dot(client, sender):
    """Something that only looks like the end."""
    _data(client, sender)
    client.send(BODY + b"..\r\n.\rX")


BEFORE_THE_DOT = (_connect, _greeting, _half_command, _ehlo, _mail, _recipient_unanswered, _recipient,
                  _recipient_returned, _data_unanswered, _data, _in_body, _after_body, _in_big_body,
                  _dot_alone, _dot_and_cr, _bdat_like_dot)


class ClientLeaves(proxies.ProxyTestCase):
    def setUp(self):
        super().setUp()
        self._leavers = 0

    def _set_up(self, backend_options=None, **options):
        self.recorder = self.backend(**(backend_options or {}))
        self.front = self.proxy(self.recorder, proxy={
            "threads": 1, "backend_connections": 2, "backend_idle": "300ms", **options})

    def _leave(self, play, manner):
        """Plays a client up to a step, then close or reset; the sender it used or would have used."""
        self._leavers += 1
        sender = SENDER.format(self._leavers)
        client = smtp.Client(self.front.port, greet=False)
        try:
            play(client, sender)
        finally:
            getattr(client, manner)()
        return sender

    def _descriptors(self):
        return len(os.listdir(f"/proc/{self.front.program.pid}/fd"))

    def _deliver(self, sender, octets=BODY):
        with smtp.Client(self.front.port) as client:
            client.ehlo()
            reply = client.deliver(sender, ["bob@example.org"], octets)
            client.quit()
        self.assertEqual(reply.code, 250, reply)

    def _deliver_together(self, count):
        """That many clients at the same time; all must be served."""
        failures = []

        def run(number):
            try:
                self._deliver(f"after{number}@load.example")
            except BaseException as failure:  # pylint: disable=broad-exception-caught
                failures.append(failure)
        threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(failures, [])

    def _recorded(self):
        return [record.sender for record in self.recorder.messages()]

    def test_before_the_dot(self):
        """Nothing is delivered; descriptors, slots of the back-end and memory come free."""
        self._set_up(message_memory="1M", message_size="1M")
        self._deliver("before@load.example")
        wait_until(lambda: self.recorder.connections == 0)
        descriptors = wait_until(self._descriptors)
        for _ in range(3):
            for play in BEFORE_THE_DOT:
                for manner in ("close", "reset"):
                    self._leave(play, manner)
        self.assertGreaterEqual(self._leavers, 3 * 2 * len(BEFORE_THE_DOT))
        self._deliver_together(6)
        self._deliver("big@load.example", BIG + BIG[len(HEADER):])
        wait_until(lambda: self._descriptors() == descriptors, 10,
                   f"{descriptors} descriptors as before ({self._descriptors()} now)")
        self.assertEqual([sender for sender in self._recorded() if "leaver" in sender], [])
        self.assertLessEqual(self.recorder.maximum_connections, 2)
        self._check_lines()

    def _check_lines(self):
        """Every session of a client that left is logged; messages of theirs as delivered to nobody, or
        as failed if the back-end had a part of it."""
        self.front.stop()
        ends = [line["ended"] for line in self.front.closing_lines("session")]
        self.assertGreaterEqual(ends.count("client-closed"), self._leavers)
        deliveries = {line["delivery"] for line in self.front.closing_lines("message")
                      if "leaver" in line["from"]}
        self.assertLessEqual(deliveries, {"none", "failed"})

    def test_while_the_back_end_thinks(self):
        """A slot is free when the back-end has answered or closed, not before; the next client gets it."""
        self._set_up({"pause": {"rcpt": 0.3, "mail": 0.1}})
        for manner in ("close", "reset") * 5:
            self._leave(_recipient_unanswered, manner)
        self._deliver_together(3)
        self.assertLessEqual(self.recorder.maximum_connections, 2)
        self.assertEqual([sender for sender in self._recorded() if "leaver" in sender], [])

    def test_while_waiting_for_a_slot(self):
        self._set_up({"pause": {"dot": 1.0}}, backend_connections=1)
        holder = threading.Thread(target=self._deliver, args=("holder@load.example",))
        holder.start()
        self.recorder.wait_for_messages(1)
        for manner in ("close", "reset") * 10:
            self._leave(_recipient_unanswered, manner)
        holder.join(10)
        self._deliver("next@load.example")
        self.assertEqual(self.recorder.maximum_connections, 1)
        self.assertEqual(self._recorded(), ["holder@load.example", "next@load.example"])

    def test_after_the_dot(self):
        """The message may be delivered, once, and the log says what became of it."""
        self._set_up({"pause": {"dot": 0.1}})

        def whole(client, sender):
            _data(client, sender)
            client.send(smtp.stuffed(BODY))
        senders = [self._leave(whole, manner) for manner in ("close", "reset") * 8]
        self._deliver("after@load.example")
        lines = self.front.wait_for_closing_lines("session", len(senders) + 1)
        self.assertGreaterEqual(len(lines), len(senders) + 1)
        delivered = sorted(line["from"][1:-1] for line in self.front.closing_lines("message")
                           if line["delivery"] == "accepted")
        self.assertEqual(sorted(self._recorded()), delivered)
        closed = [sender for sender in senders[::2] if sender not in delivered]
        self.assertEqual(closed, [], "a whole message was dropped though its client only closed")

    def test_half_close(self):
        """A client that says QUIT, or nothing more, and listens still hears all its replies."""
        self._set_up({"pause": {"dot": 0.2}})
        for ending in (b"QUIT\r\n", b""):
            with smtp.Client(self.front.port) as client:
                client.ehlo()
                client.envelope("half@load.example", "bob@example.org")
                client.command("DATA")
                client.send(smtp.stuffed(BODY) + ending)
                client.shut_sending()
                self.assertEqual(client.reply().code, 250)
                if ending:
                    self.assertEqual(client.reply().code, 221)
                self.assertEqual(client.wait_closed(5), b"")
        self.assertEqual(len(self.recorder.messages()), 2)

    def test_half_close_before_the_dot(self):
        self._set_up()
        for octets in (BODY, BODY + b".", BODY + b".\r", b""):
            with smtp.Client(self.front.port) as client:
                client.ehlo()
                client.envelope("half@load.example", "bob@example.org")
                client.command("DATA")
                client.send(octets)
                client.shut_sending()
                self.assertNotIn(b"250", client.wait_closed(5))
        self.assertEqual(self._recorded(), [])

    def test_half_close_with_the_whole_dialogue_sent(self):
        """All commands in one write and the end of the stream behind them: each has its reply."""
        self._set_up()
        with smtp.Client(self.front.port) as client:
            client.send(b"EHLO client.example\r\nMAIL FROM:<p@load.example>\r\nRCPT TO:<bob@example.org>\r\n"
                        b"RCPT TO:<carol@example.org>\r\nRSET\r\nNOOP\r\nQUIT\r\n")
            client.shut_sending()
            self.assertEqual([client.reply().code for _ in range(7)], [250] * 6 + [221])
            self.assertEqual(client.wait_closed(5), b"")

    def test_half_close_while_recipients_are_asked(self):
        self._set_up({"pause": {"rcpt": 0.3}})
        with smtp.Client(self.front.port) as client:
            client.send(b"EHLO client.example\r\nMAIL FROM:<p@load.example>\r\nRCPT TO:<bob@example.org>\r\n"
                        b"RCPT TO:<carol@example.org>\r\n")
            client.shut_sending()
            self.assertEqual([client.reply().code for _ in range(4)], [250] * 4)
            self.assertEqual(client.wait_closed(5), b"")


if __name__ == "__main__":
    unittest.main()

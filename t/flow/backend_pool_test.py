"""Connections to the back-end: reused or not, never over the limit, given back when a client is silent."""

import threading
import time
import unittest

from support.process import wait_until
from support.proxy import ProxyTestCase
from support.smtp import Client, crlf

SENDER, RECIPIENT = "a@sender.example", "b@example.org"
CLIENTS, MESSAGES_EACH = 20, 10


def message_of(number, count):
    return crlf(f"Subject: client {number}, message {count}\n\n.{number}\n"
                + f"text of {number}\n" * number * 20)


class BackendPoolTest(ProxyTestCase):
    def start(self, backend=None, **options):
        self.recorder = self.backend(**(backend or {}))
        self.server = self.proxy(self.recorder, **options)

    def connect(self, name="client.example", **arguments):
        client = Client(self.server.port, **arguments)
        self.addCleanup(client.close)
        client.ehlo(name)
        return client

    def in_parallel(self, work, count):
        """work(number) on a thread each; what any of them raised fails the test."""
        failures = []

        def run(number):
            try:
                work(number)
            except Exception as error:
                failures.append(f"{number}: {error!r}")
        threads = [threading.Thread(target=run, args=(number,)) for number in range(1, count + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def send_all(self, number):
        """What one of several clients sends, from an address and with a name of its own."""
        with Client(self.server.port, source=f"127.0.1.{number}") as client:
            client.ehlo(f"client{number}.example")
            for count in range(MESSAGES_EACH):
                reply = client.deliver(f"from{number}@sender.example", [RECIPIENT], message_of(number, count))
                if reply.code != 250:
                    raise AssertionError(repr(reply))
            client.quit()

    def assert_all_recorded(self):
        """Each message once, each under the name and address of its own client."""
        wanted = {message_of(number, count): number
                  for number in range(1, CLIENTS + 1) for count in range(MESSAGES_EACH)}
        records = self.recorder.messages()
        self.assertEqual(len(records), len(wanted))
        for record in records:
            number = wanted.pop(record.octets)
            self.assertEqual((record.helo, record.sender, record.xclient["ADDR"]),
                             (f"client{number}.example", f"from{number}@sender.example", f"127.0.1.{number}"))

    def test_twenty_clients_at_once(self):
        self.start()
        self.in_parallel(self.send_all, CLIENTS)
        self.assert_all_recorded()

    def test_limit_is_never_exceeded(self):
        for mode in ("keep", "once"):
            for threads in (1, 2):
                with self.subTest(mode, threads=threads):
                    self.start({"xclient": mode, "pause": {"dot": 0.01}},
                               proxy={"backend_connections": 3, "threads": threads})
                    self.in_parallel(self.send_all, CLIENTS)
                    self.assert_all_recorded()
                    self.assertIn(self.recorder.maximum_connections, (2, 3))

    def test_all_threads_share_the_limit(self):
        """Clients on whatever threads have all connections; one more gets one that is given back."""
        self.start(proxy={"backend_connections": 5, "threads": 4})
        clients = [self.connect(source=f"127.0.1.{number}") for number in range(1, 6)]
        for client in clients:
            self.assertEqual([reply.code for reply in client.envelope(SENDER, RECIPIENT)], [250, 250])
        self.assertEqual(self.recorder.connections, 5)
        other = self.connect(source="127.0.1.9")
        self.assertEqual(other.deliver(SENDER, [RECIPIENT], message_of(1, 1)).code, 250)
        self.assertEqual(self.recorder.maximum_connections, 5)

    def test_limit_holds_when_clients_vanish(self):
        self.start({"pause": {"rcpt": 0.05, "dot": 0.05}}, proxy={"backend_connections": 2, "threads": 1})

        def vanish(number):
            octets = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
            for count in range(8):
                with Client(self.server.port) as client:
                    client.send(octets[:40 + 4 * count])
                    time.sleep(0.02 * (number % 4))
                    client.reset()
        self.in_parallel(vanish, 10)
        self.assertEqual(self.connect().deliver(SENDER, [RECIPIENT], message_of(1, 1)).code, 250)
        self.assertLessEqual(self.recorder.maximum_connections, 2)
        self.assertEqual(len(self.recorder.messages()), 1)

    def test_connection_that_keeps_xclient_is_used_again(self):
        self.start(proxy={"threads": 1})
        for number in range(1, 11):
            client = self.connect(f"client{number}.example", source=f"127.0.1.{number}")
            for count in range(3):
                self.assertEqual(client.deliver(SENDER, [RECIPIENT], message_of(number, count)).code, 250)
        # The second one where the first client came while the relay probe had the first.
        self.assertLessEqual(self.recorder.total_connections, 2)
        for index, record in enumerate(self.recorder.messages()):
            self.assertEqual(record.xclient["ADDR"], f"127.0.1.{index // 3 + 1}")
            self.assertEqual(record.helo, f"client{index // 3 + 1}.example")

    def test_connection_that_drops_xclient_serves_one_transaction(self):
        self.start({"xclient": "once"}, proxy={"threads": 1})
        client = self.connect()
        for count in range(5):
            self.assertEqual(client.deliver(SENDER, [RECIPIENT], message_of(1, count)).code, 250)
        connections = [record.connection for record in self.recorder.messages()]
        self.assertEqual(len(set(connections)), 5)

    def test_idle_connection_is_closed(self):
        self.start(proxy={"threads": 1, "backend_idle": "200ms"})
        self.assertEqual(self.connect().deliver(SENDER, [RECIPIENT], message_of(1, 1)).code, 250)
        wait_until(lambda: self.recorder.connections == 0, 5, "the end of the idle connection")
        self.assertEqual(self.recorder.commands()[-1], "QUIT")

    def test_back_end_that_closes_idle_connections(self):
        self.start(proxy={"threads": 1})
        for count in range(3):
            self.assertEqual(self.connect().deliver(SENDER, [RECIPIENT], message_of(1, count)).code, 250)
            self.recorder.stop()
            self.recorder.start()
        self.assertEqual(len(self.recorder.messages()), 3)

    def silent_client(self):
        """A client that has one recipient accepted and then says nothing more for a while."""
        client = self.connect("silent.example", source="127.0.1.50")
        self.assertEqual([reply.code for reply in client.envelope("silent@sender.example", RECIPIENT)],
                         [250, 250])
        return client

    def deliver_meanwhile(self, *recipients):
        """Another client gets the only connection, within the time that one may wait for it."""
        started = time.monotonic()
        reply = self.connect("busy.example").deliver(SENDER, list(recipients) or [RECIPIENT],
                                                     message_of(2, 2))
        self.assertEqual(reply.code, 250)
        self.assertLess(time.monotonic() - started, 5)

    def test_silent_client_gives_its_connection_back(self):
        self.start(proxy={"threads": 1, "backend_connections": 1})
        client = self.silent_client()
        self.deliver_meanwhile()
        self.assertEqual(client.command("RCPT TO:<c@example.org>").code, 250)
        self.deliver_meanwhile()
        self.assertEqual(client.message(message_of(1, 1)).code, 250)
        record = self.recorder.messages()[-1]
        self.assertEqual((record.octets, record.sender), (message_of(1, 1), "silent@sender.example"))
        self.assertEqual(record.recipients, [RECIPIENT, "c@example.org"])
        self.assertEqual((record.helo, record.xclient["ADDR"]), ("silent.example", "127.0.1.50"))
        self.assertEqual(self.recorder.maximum_connections, 1)

    def test_client_that_is_silent_inside_its_message(self):
        self.start(proxy={"threads": 1, "backend_connections": 1})
        client = self.silent_client()
        self.assertEqual(client.command("DATA").code, 354)
        client.send(b"Subject: slow\r\n")
        self.deliver_meanwhile()
        client.send(b"\r\nslow\r\n")
        self.deliver_meanwhile()
        client.send(b".\r\n")
        self.assertEqual(client.reply().code, 250)
        self.assertEqual(self.recorder.messages()[-1].octets, b"Subject: slow\r\n\r\nslow\r\n")

    def test_recipient_that_is_refused_when_it_is_repeated(self):
        self.start(proxy={"threads": 1, "backend_connections": 1})
        client = self.silent_client()
        self.deliver_meanwhile("other@example.org")
        self.recorder.options.refuse[f"rcpt:{RECIPIENT}"] = "550 5.1.1 No longer here"
        reply = client.message(message_of(1, 1))
        self.assertEqual(reply.code, 451, reply)
        self.assertEqual(len(self.recorder.messages()), 1)
        self.recorder.options.refuse.clear()
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], message_of(1, 2)).code, 250)

    def test_no_connection_becomes_free_in_time(self):
        self.start({"pause": {"dot": 2.0}},
                   proxy={"threads": 1, "backend_connections": 1, "backend_wait": "300ms"})
        busy = self.connect()
        busy.envelope(SENDER, RECIPIENT)
        busy.command("DATA")
        busy.send(message_of(1, 1) + b".\r\n")
        time.sleep(0.1)
        client = self.connect()
        replies = client.envelope(SENDER, RECIPIENT)
        self.assertEqual([reply.code for reply in replies], [250, 451])
        self.assertEqual(busy.reply().code, 250)
        self.assertEqual(client.command("DATA").code, 451)
        client.command("RSET")
        self.assertEqual(client.deliver(SENDER, [RECIPIENT], message_of(1, 2)).code, 250)
        waits = [line.get("backend_wait") for line in self.server.wait_for_closing_lines("message", 3)]
        waited = [int(wait) for wait in waits if wait is not None]
        self.assertEqual((len(waits), len(waited)), (3, 1))
        self.assertGreaterEqual(waited[0], 300)


if __name__ == "__main__":
    unittest.main()

"""What there is an end of: descriptors, memory, connections, patience. The proxy says so, and recovers."""

import socket
import threading
import time
import unittest
from functools import partial

from support import proxy as proxies
from support import smtp, usage
from support.process import Program, program_path, wait_until

MEBIBYTE = 1024 * 1024
MESSAGE = b"Subject: room\r\nFrom: <a@load.example>\r\n\r\nText\r\n"


def message_of(octets):
    """A message of about so many octets."""
    return MESSAGE + (b"0123456789abcdef" * 4 + b"\r\n") * (octets // 66)


class Exhaustion(proxies.ProxyTestCase):
    def _set_up(self, backend_options=None, **options):
        self.recorder = self.backend(**(backend_options or {}))
        self.front = self.proxy(self.recorder, proxy={"threads": 1, **options})
        self.pid = self.front.program.pid

    def _client(self, **options):
        client = smtp.Client(self.front.port, **options)
        self.addCleanup(client.close)
        return client

    def _with_recipient(self, sender, mail_parameters="", **options):
        """A client that may say DATA now."""
        client = self._client(**options)
        client.ehlo()
        replies = client.envelope(sender, "bob@example.org", mail_parameters=mail_parameters)
        self.assertEqual([reply.code for reply in replies], [250, 250])
        return client

    def _deliver(self, sender, octets=MESSAGE):
        with smtp.Client(self.front.port) as client:
            client.ehlo()
            return client.deliver(sender, ["bob@example.org"], octets)

    def _recorded(self):
        return [record.sender for record in self.recorder.messages()]


class Descriptors(Exhaustion):
    def _set_up_with_spare(self, spare, **options):
        """A proxy that may open so many descriptors more than it has after its start."""
        self._set_up(**options)
        limit = usage.descriptors(self.pid) + spare
        self.front.stop()
        wait_until(lambda: self.recorder.connections == 0)
        self.front.program = Program("prlimit", f"--nofile={limit}:{limit}", program_path("postern-proxy"),
                                     "--config", self.front.path, folder=self.front.folder)
        self.front.program.wait_for_log(": notice: postern-proxy ")
        self.pid = self.front.program.pid

    def _complaints(self):
        return self.front.log_now().count("cannot accept a connection")

    def test_accepting_pauses_and_recovers(self):
        self._set_up_with_spare(8, max_connections=1000, max_connections_per_client=1000)
        self.assertEqual(self._deliver("before@load.example").code, 250)
        clients = [self._client(greet=False) for _ in range(40)]
        self.front.program.wait_for_log("cannot accept a connection")
        before, since = self._complaints(), time.monotonic()
        share = usage.processor_share(self.pid, 2)
        self.assertLess(share, 0.1, "it spins while it has no descriptors")
        more, pauses = self._complaints() - before, (time.monotonic() - since) / 0.2
        self.assertLessEqual(more, pauses + 2, "it complains more often than once a pause")
        for client in clients[:20]:
            client.close()
        self.assertEqual(clients[20].reply().code, 220)
        for client in clients:
            client.close()
        self.assertEqual(self._deliver("after@load.example").code, 250)
        self.assertEqual(self._recorded(), ["before@load.example", "after@load.example"])

    def test_none_for_a_message_or_a_back_end(self):
        """Clients that are connected hear 4xx, and can go on when there are descriptors again."""
        self._set_up_with_spare(12, max_connections_per_client=1000, backend_idle="200ms", backend_wait="2s")
        clients = [self._client() for _ in range(5)]
        for client in clients:
            client.ehlo()
        wait_until(lambda: self.recorder.connections == 0)
        others = [self._client(greet=False) for _ in range(20)]
        self.front.program.wait_for_log("cannot accept a connection")
        for number, client in enumerate(clients):
            reply = client.deliver(f"starved{number}@load.example", ["bob@example.org"], MESSAGE)
            self.assertIn(reply.code, (451, 452), reply)
            self.assertEqual(client.command("RSET").code, 250)
        self.assertLess(usage.processor_share(self.pid, 1), 0.1)
        for client in others:
            client.close()
        for number, client in enumerate(clients):
            self.assertTrue(wait_until(partial(self._is_taken, client, f"fed{number}@load.example"), 5))
        self.assertEqual(len(self._recorded()), len(clients))

    @staticmethod
    def _is_taken(client, sender):
        reply = client.deliver(sender, ["bob@example.org"], MESSAGE)
        if reply.code != 250:
            client.command("RSET")
        return reply.code == 250


class Memory(Exhaustion):
    def test_a_message_that_was_inspected_is_let_go(self):
        """A client that stays connected after its message keeps none of the room that it took."""
        self.recorder = self.backend()
        self.front = self.proxy(self.recorder, virus={"scan": "no"},
                                proxy={"inspect": "yes", "message_size": "1M", "message_memory": "1M"})
        octets = message_of(900000)
        for number in range(3):
            client = self._with_recipient(f"stays{number}@load.example")
            self.assertEqual(client.message(octets).code, 250)
        self.assertEqual(len(self._recorded()), 3)

    def test_declared_sizes_are_reserved(self):
        """What is declared has its room before the 354; who gets none hears so, and has it once there is."""
        self._set_up(message_size="1M", message_memory="2M", message_memory_per_client="2M", burst_size="1M")
        held = [self._with_recipient(f"held{number}@load.example", "SIZE=1000000") for number in range(9)]
        self.assertEqual([client.command("DATA").code for client in held], [354] * 2 + [452] * 7)
        for client in held[:2]:
            client.send(message_of(800000))
        reply = wait_until(self._data_is_refused, 5)
        self.assertEqual((reply.code, reply.enhanced), (452, "4.3.1"))
        late = self._with_recipient("late@load.example", "SIZE=1000000")
        held[0].reset()
        reply = wait_until(lambda: (answer := late.command("DATA")).code == 354 and answer, 5)
        late.send(smtp.stuffed(message_of(900000)))
        self.assertEqual(late.reply().code, 250)
        held[1].send(b".\r\n")
        self.assertEqual(held[1].reply().code, 250)
        self.assertEqual(self._recorded(), ["late@load.example", "held1@load.example"])

    def _data_is_refused(self):
        """The reply to DATA of a client of its own, where it is a refusal."""
        client = self._with_recipient("tries@load.example", "SIZE=1000000")
        reply = client.command("DATA")
        client.reset()
        return reply if reply.code != 354 else None

    def test_growing_messages_fill_it(self):
        """A message that finds no room as it grows is taken to its end and refused for now; others go on."""
        self._set_up(message_size="1M", message_memory="2M", message_memory_per_client="2M", burst_size="1M")
        clients = [self._with_recipient(f"grows{number}@load.example") for number in range(4)]
        self.assertEqual([client.command("DATA").code for client in clients], [354] * 4)
        octets = message_of(800000)
        for client in clients:
            client.send(octets)
        time.sleep(0.5)
        replies = []
        for client in clients:
            client.send(b".\r\n")
            replies.append(client.reply())
        codes = [reply.code for reply in replies]
        self.assertEqual(sorted(set(codes)), [250, 452], replies)
        self.assertEqual(len(self._recorded()), codes.count(250))
        for reply in replies:
            if reply.code == 452:
                self.assertEqual(reply.enhanced, "4.3.1")
        for client, reply in zip(clients, replies):
            if reply.code == 452:
                self.assertEqual(client.deliver("again@load.example", ["bob@example.org"], octets).code, 250)
        self.assertEqual(len(self._recorded()), 4)
        self.assertEqual({record.sha256 for record in self.recorder.messages()},
                         {self.recorder.messages()[0].sha256})
        self.assertEqual(self.recorder.messages()[0].octets, octets)

    def test_replies_that_nobody_reads(self):
        """A client that only sends: the proxy stops reading it, and its own memory stays what it was."""
        self._set_up()
        self.assertEqual(self._deliver("before@load.example").code, 250)
        before = usage.resident_octets(self.pid)
        deaf = [self._flood() for _ in range(8)]
        grown = usage.resident_octets(self.pid) - before
        if not usage.is_sanitized(self.pid):
            self.assertLess(grown, 16 * MEBIBYTE)
        self.assertLess(usage.processor_share(self.pid, 1), 0.2, "it spins on clients that do not read")
        self.assertEqual(self._deliver("meanwhile@load.example").code, 250)
        for client in deaf:
            client.close()
        self.assertEqual(self._deliver("after@load.example").code, 250)
        print(f"replies that nobody reads: {grown // 1024} KiB for {len(deaf)} clients", flush=True)

    def _flood(self):
        """A socket that has sent RCPT until nobody took any more, 32 MiB at most."""
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", self.front.port))
        client.settimeout(0.5)
        client.sendall(b"EHLO deaf.example\r\nMAIL FROM:<deaf@load.example>\r\n")
        piece = b"RCPT TO:<bob@example.org>\r\n" * 2000
        try:
            for _ in range(32 * MEBIBYTE // len(piece)):
                client.sendall(piece)
        except OSError:
            pass
        return client


class Connections(Exhaustion):
    def _is_refused(self, **options):
        """Whether one client more hears 421 and is closed on; else it is ended."""
        client = self._client(**options)
        try:
            if client.greeting.code == 421:
                self.assertEqual(client.wait_closed(5), b"")
                return True
            return False
        finally:
            client.close()

    def test_all_together(self):
        """Those who are in the middle of a message are not let go for one that has no fewer connections."""
        self._set_up(max_connections=5)
        clients = [self._with_recipient(f"held{number}@load.example", source=f"127.0.0.{10 + number}")
                   for number in range(5)]
        self.assertTrue(self._is_refused())
        self.assertTrue(self._is_refused(source="127.0.0.2"))
        self.assertEqual(clients[0].command("RSET").code, 250)
        self.assertFalse(self._is_refused())
        self.assertEqual(clients[0].wait_closed(5)[:4], b"421 ")
        wait_until(lambda: not self._is_refused(), 5)
        for client in clients[1:]:
            self.assertEqual(client.message(MESSAGE).code, 250)

    def test_who_has_many_makes_room(self):
        """For a client with fewer, not for one more of its own; who is silent the longest goes."""
        self._set_up(max_connections=4)
        clients = [self._with_recipient(f"held{number}@load.example") for number in range(4)]
        self.assertTrue(self._is_refused())
        self.assertEqual(clients[0].command("NOOP").code, 250)
        self.assertFalse(self._is_refused(source="127.0.0.2"))
        self.assertEqual(clients[1].wait_closed(5)[:4], b"421 ")
        for client in (clients[0], *clients[2:]):
            self.assertEqual(client.message(MESSAGE).code, 250)
        self.assertEqual(self._recorded(), [f"held{number}@load.example" for number in (0, 2, 3)])

    def test_idle_clients_make_room(self):
        """The one that has been idle for the longest goes first, whatever it says meanwhile."""
        self._set_up(max_connections=3)
        clients = []
        for _ in range(3):
            clients.append(self._client())
            clients[-1].ehlo()
        self.assertEqual(clients[0].command("NOOP").code, 250)
        self.assertEqual(self._deliver("late@load.example").code, 250)
        self.assertEqual(clients[0].wait_closed(5)[:4], b"421 ")
        for client in clients[1:]:
            self.assertEqual(client.command("NOOP").code, 250)

    def test_a_trusted_server_is_not_let_go(self):
        self._set_up(max_connections=2, trusted_clients="127.0.0.8")
        servers = [self._client(source="127.0.0.8") for _ in range(2)]
        self.assertTrue(self._is_refused())
        for server in servers:
            self.assertEqual(server.ehlo().code, 250)

    def test_of_one_client(self):
        self._set_up(max_connections_per_client=3)
        clients = [self._client() for _ in range(3)]
        self.assertTrue(self._is_refused())
        self.assertFalse(self._is_refused(source="127.0.0.2"))
        clients[0].reset()
        wait_until(lambda: not self._is_refused(), 5)
        refused = self.front.wait_for_closing_lines("refused", 1)
        self.assertEqual({line["limit"] for line in refused}, {"max_connections_per_client"})


class BackEnds(Exhaustion):
    def test_no_connection_becomes_free_in_time(self):
        """451 after backend_wait to who waits, nothing to who is served; the limit holds throughout."""
        self._set_up({"pause": {"dot": 3.0}}, backend_connections=1, backend_wait="1s")
        codes = []
        served = threading.Thread(target=lambda: codes.append(self._deliver("served@load.example").code))
        served.start()
        self.recorder.wait_for_messages(1)
        began = time.monotonic()
        client = self._client()
        client.ehlo()
        replies = client.envelope("waits@load.example", "bob@example.org")
        waited = time.monotonic() - began
        self.assertEqual([reply.code for reply in replies], [250, 451])
        self.assertGreaterEqual(waited, 0.9)
        self.assertLess(waited, 2.5)
        served.join(10)
        self.assertEqual(codes, [250])
        client.command("RSET")
        self.assertEqual(client.deliver("next@load.example", ["bob@example.org"], MESSAGE).code, 250)
        self.assertEqual(self.recorder.maximum_connections, 1)

    def test_many_wait_in_turn(self):
        """More clients than connections: all are served, and the back-end never sees more than its limit."""
        self._set_up({"pause": {"dot": 0.05}}, backend_connections=2)
        codes = []
        threads = [threading.Thread(
            target=lambda: codes.append(self._deliver("turn@load.example").code)) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(codes, [250] * len(threads))
        self.assertEqual(len(self._recorded()), len(threads))
        self.assertLessEqual(self.recorder.maximum_connections, 2)


if __name__ == "__main__":
    unittest.main()

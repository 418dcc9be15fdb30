"""SIGKILL and SIGTERM of postern-proxy in the middle of load: nothing acknowledged is lost."""

import random
import time
import unittest

from support import smtp
from support.load_case import LoadTestCase
from support.process import wait_until

KILLS = 6


class ProxyKill(LoadTestCase):
    def test_killed_under_load(self):
        backend = self.backend_program()
        proxy = self.proxy(backend.port, proxy={"threads": 2})
        load = self.load(proxy, seed=1)
        chance = random.Random(1)
        for _ in range(KILLS):
            self.wait_for_acknowledged(load, 10)
            time.sleep(chance.uniform(0, 0.3))
            self.kill_proxy(proxy)
        self.wait_for_acknowledged(load, 10)
        load.stop()
        self.check_books(load, proxy, backend.records())

    def test_killed_between_dot_and_reply(self):
        """The back-end has the message and has not said so: the client has heard no 250, and tries again."""
        backend = self.backend_program("--pause=dot=0.3")
        proxy = self.proxy(backend.port, proxy={"threads": 1})
        load = self.load(proxy, seed=2)
        for _ in range(KILLS):
            self.wait_for_acknowledged(load, 6)
            backend.wait_for_count(backend.count() + 1)
            self.kill_proxy(proxy)
        self.wait_for_acknowledged(load, 6)
        load.stop()
        ledger = self.check_books(load, proxy, backend.records())
        self.assertGreaterEqual(len(ledger.unacknowledged()), KILLS, "no kill came between dot and reply")
        self.assertGreaterEqual(ledger.counts()["duplicates"], KILLS)

    def test_killed_with_its_back_end(self):
        backend = self.backend_program("--pause=dot=0.1")
        proxy = self.proxy(backend.port, proxy={"threads": 2})
        load = self.load(proxy, seed=3)
        for number in range(3):
            self.wait_for_acknowledged(load, 6)
            with self.span(self.kills):
                for program in (backend, proxy.program) if number % 2 else (proxy.program, backend):
                    program.kill()
            self.start_again(proxy)
            time.sleep(0.3)
            backend.start()
        self.wait_for_acknowledged(load, 6)
        load.stop()
        self.check_books(load, proxy, backend.records(), kills=3)


class ProxyDrain(LoadTestCase):
    def test_terminated_under_load(self):
        """Who has begun a transaction hears its end; the process ends with 0."""
        backend = self.backend_program("--pause=dot=0.15")
        proxy = self.proxy(backend.port, proxy={"threads": 2})
        load = self.load(proxy, seed=4)
        for _ in range(4):
            self.wait_for_acknowledged(load, 8)
            self.drain_proxy(proxy)
            self.start_again(proxy)
        self.wait_for_acknowledged(load, 8)
        load.stop()
        ledger = self.check_books(load, proxy, backend.records())
        self.assertEqual(ledger.counts()["duplicates"], 0)
        self.assertEqual(ledger.counts()["logged unknown"], 0)

    def test_silent_client_is_let_go_at_the_drain_timeout(self):
        backend = self.backend_program()
        proxy = self.proxy(backend.port, proxy={"drain_timeout": "1s"})
        with smtp.Client(proxy.port) as client:
            client.ehlo()
            client.envelope("a@load.example", "bob@example.org")
            self.assertEqual(client.command("DATA").code, 354)
            client.send(b"Subject: unfinished\r\n\r\nA line\r\n")
            began = time.monotonic()
            self.drain_proxy(proxy)
            self.assertLess(time.monotonic() - began, 5)
            self.assertEqual(client.reply().code, 421)
        self.assertEqual(backend.count(), 0)
        self.assertEqual(proxy.closing_lines("message")[0]["delivery"], "none")

    def test_second_signal_ends_at_once(self):
        backend = self.backend_program("--pause=dot=20")
        proxy = self.proxy(backend.port)
        with smtp.Client(proxy.port) as client:
            client.ehlo()
            client.envelope("a@load.example", "bob@example.org")
            client.command("DATA")
            client.send(smtp.stuffed(b"Subject: waits\r\n\r\n"))
            backend.wait_for_count(1)
            proxy.program.send_signal(15)
            proxy.program.wait_for_log("draining")
            self.assertTrue(client.is_silent(0.5))
            proxy.program.send_signal(15)
            self.assertEqual(proxy.program.wait(3), 0)
            self.assertEqual(client.reply().code, 421)
        self.assertEqual(proxy.closing_lines("message")[0]["delivery"], "unknown")

    def test_clients_that_come_late_find_nobody(self):
        backend = self.backend_program("--pause=dot=1")
        proxy = self.proxy(backend.port)
        with smtp.Client(proxy.port) as client:
            client.ehlo()
            client.envelope("a@load.example", "bob@example.org")
            client.command("DATA")
            client.send(smtp.stuffed(b"Subject: waits\r\n\r\n"))
            backend.wait_for_count(1)
            proxy.program.send_signal(15)
            wait_until(lambda: self._is_refused(proxy.port), 1)
            self.assertEqual(client.reply().code, 250)
            self.assertEqual(client.reply().code, 421)
        self.assertEqual(proxy.program.wait(5), 0)

    def test_commands_behind_the_dot(self):
        """What the client said meanwhile is not answered, and makes no reset that may overtake the 250."""
        backend = self.backend_program("--pause=dot=0.5")
        proxy = self.proxy(backend.port)
        with smtp.Client(proxy.port) as client:
            client.ehlo()
            client.envelope("a@load.example", "bob@example.org")
            client.command("DATA")
            client.send(smtp.stuffed(b"Subject: waits\r\n\r\n"))
            backend.wait_for_count(1)
            client.send(b"RSET\r\nQUIT\r\n")
            proxy.program.send_signal(15)
            self.assertEqual([client.reply().code, client.reply().code], [250, 421])
            self.assertEqual(client.socket.recv(1), b"")
        self.assertEqual(proxy.program.wait(5), 0)

    @staticmethod
    def _is_refused(port):
        try:
            smtp.Client(port, timeout=2).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
        return False


if __name__ == "__main__":
    unittest.main()

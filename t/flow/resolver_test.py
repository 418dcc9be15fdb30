"""The resolver against a real name server (NSD) on the loopback interface, and against servers that lie."""

import tempfile
import threading
import time
import unittest

from support import dns
from support.nsd import Nsd
from support.process import Program, build_folder

# 8,250 octets, which UDP truncates.
LONG_TEXT = [bytes([65 + number % 26]) * 250 for number in range(33)]

ZONES = {
    "example.test": "\n".join([
        "@ A 192.0.2.1", "@ A 192.0.2.2", "@ AAAA 2001:db8::1",
        "@ MX 10 Mail.Example.test.", "@ MX 20 backup.other.test.", "null MX 0 .",
        '@ TXT "v=spf1 mx " "-all"', '@ TXT ""', r'@ TXT "\000\255\"\\"',
        "long TXT " + " ".join(f'"{text.decode()}"' for text in LONG_TEXT),
        "c0 A 192.0.2.3", *(f"c{link} CNAME c{link - 1}" for link in range(1, 10)),
        "dangling CNAME nowhere", "bare CNAME null", "loop CNAME pool", "pool CNAME loop",
        r"a\032b\\c\"d A 192.0.2.4", "*.wild A 192.0.2.5",
        *(f"full A 10.0.{number // 256}.{number % 256}" for number in range(256)),
        *(f"over A 10.0.{number // 256}.{number % 256}" for number in range(257)), ""]),
    "2.0.192.in-addr.arpa": "1 PTR host.example.test.\n2 PTR a.test.\n2 PTR b.test.\n",
    "127.in-addr.arpa": "9.0.0 PTR loopback.example.test.\n",
    "10.in-addr.arpa": "1.0.0 PTR private.example.test.\n",
    "8.b.d.0.1.0.0.2.ip6.arpa": "1" + ".0" * 23 + " PTR six.example.test.\n",
    "mail.invalid": "@ A 192.0.2.6\n",
    "broken.test": None,
}

OWNER = b"\xc0\x0c"  # a pointer to the name of the question, RFC 1035 4.1.4
ADDRESS = bytes([1, 2, 3, 4])
GOOD = dns.record(OWNER, "A", ADDRESS)
SIX = "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"


def answer_address(query):
    """An honest answer: the name has the address 1.2.3.4."""
    return query.answer(GOOD)


class Result:
    """What resolver_ask printed: a (status, records) for each question, or that it was cancelled."""

    def __init__(self, text):
        self.cancelled = text == "cancelled\n"
        self.answers, self.milliseconds = [], None
        for line in [] if self.cancelled else text.splitlines():
            if line.startswith("milliseconds "):
                self.milliseconds = int(line.split()[1])
                continue
            before, _, records = line.partition(" records ")
            status = "records" if records else before.rsplit(" ", 1)[1]
            self.answers.append((status, [bytes.fromhex(item.replace("-", "")) for item in records.split()]))


def ask(servers, *questions, **options):
    """Asks [(name, type)...]; options are those of resolver_ask."""
    arguments = [f"--server={server}" for server in servers]
    arguments += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    words = [word for question in questions for word in question]
    with tempfile.TemporaryDirectory() as folder:
        program = Program(build_folder() / "t" / "flow" / "resolver_ask", *arguments, "--", *words,
                          folder=folder)
        with program:
            status = program.wait(60)
        if status != 0:
            raise AssertionError(f"resolver_ask ended with {status}:\n{program.log()}")
        return Result(program.log())


class RealServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.nsd = Nsd(ZONES)
        cls.addClassCleanup(cls.nsd.stop)

    def ask_one(self, name, kind, **options):
        return ask([self.nsd.address], (name, kind), **options).answers[0]

    def assert_records(self, name, kind, *records):
        status, got = self.ask_one(name, kind)
        self.assertEqual(status, "records", f"{name} {kind}")
        self.assertEqual(sorted(got), sorted(records), f"{name} {kind}")

    def test_addresses(self):
        self.assert_records("Example.TEST.", "A", bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
        self.assert_records("example.test", "AAAA", bytes.fromhex("20010db8000000000000000000000001"))
        self.assert_records("x.wild.example.test", "A", bytes([192, 0, 2, 5]))

    def test_mail_exchangers(self):
        self.assert_records("example.test", "MX", b"\0\x0amail.example.test", b"\0\x14backup.other.test")
        self.assert_records("null.example.test", "MX", b"\0\0")

    def test_text(self):
        self.assert_records("example.test", "TXT", b"v=spf1 mx -all", b"", b'\0\xff"\\')

    def test_text_over_tcp(self):
        over_udp = dns.ask(self.nsd.port, "long.example.test", "TXT")
        self.assertTrue(over_udp[2] & 0x02, "the answer over UDP is not truncated, so this tests nothing")
        self.assert_records("long.example.test", "TXT", b"".join(LONG_TEXT))

    def test_reverse_names(self):
        self.assert_records("1.2.0.192.in-addr.arpa", "PTR", b"host.example.test")
        self.assert_records("2.2.0.192.in-addr.arpa", "PTR", b"a.test", b"b.test")
        self.assert_records("9.0.0.127.in-addr.arpa", "PTR", b"loopback.example.test")
        self.assert_records("1.0.0.10.in-addr.arpa", "PTR", b"private.example.test")
        self.assert_records(SIX, "PTR", b"six.example.test")
        self.assertEqual(self.ask_one("99.2.0.192.in-addr.arpa", "PTR"), ("nxdomain", []))

    def test_aliases(self):
        self.assert_records("c1.example.test", "A", bytes([192, 0, 2, 3]))
        self.assert_records("c8.example.test", "A", bytes([192, 0, 2, 3]))
        self.assert_records("c8.example.test", "CNAME", b"c7.example.test")
        self.assertEqual(self.ask_one("c9.example.test", "A"), ("servfail", []))
        self.assertEqual(self.ask_one("dangling.example.test", "A"), ("nxdomain", []))
        self.assertEqual(self.ask_one("bare.example.test", "A"), ("nodata", []))
        self.assertEqual(self.ask_one("loop.example.test", "A"), ("servfail", []))

    def test_nothing_there(self):
        self.assertEqual(self.ask_one("nowhere.example.test", "A"), ("nxdomain", []))
        self.assertEqual(self.ask_one("example.test", "PTR"), ("nodata", []))
        self.assertEqual(self.ask_one("wild.example.test", "A"), ("nodata", []))

    def test_server_failure(self):
        self.assertEqual(self.ask_one("a.broken.test", "A"), ("servfail", []))
        self.assertEqual(self.ask_one("refused.test", "A"), ("servfail", []))

    def test_special_zones_are_asked(self):
        self.assert_records("mail.invalid", "A", bytes([192, 0, 2, 6]))

    def test_odd_names(self):
        self.assert_records('A b\\c"d.example.test', "A", bytes([192, 0, 2, 4]))
        self.assertEqual(self.ask_one("a\\032b.example.test", "A"), ("nxdomain", []))

    def test_record_limit(self):
        status, records = self.ask_one("full.example.test", "A")
        self.assertEqual((status, len(records)), ("records", 256))
        self.assertEqual(self.ask_one("over.example.test", "A"), ("servfail", []))

    def test_all_at_once(self):
        kinds = [("example.test", "A"), ("nowhere.example.test", "A"), ("a.broken.test", "TXT"),
                 ("c3.example.test", "A")]
        questions = kinds + [(f"n{number}.wild.example.test", "A") for number in range(96)]
        result = ask([self.nsd.address], *questions)
        self.assertEqual([status for status, _ in result.answers],
                         ["records", "nxdomain", "servfail", "records"] + ["records"] * 96)

    def test_cached(self):
        with dns.Server(answer_address) as server:
            result = ask([server.address], ("cached.test", "A"), rounds=50)
            self.assertEqual(result.answers, [("records", [ADDRESS])])
            self.assertEqual(len([query for query in server.queries if query.name == "cached.test"]), 1)

    def test_bogus(self):
        """A zone that the trust anchor says is signed, and that is not."""
        with tempfile.NamedTemporaryFile("w", suffix=".anchor") as anchor:
            anchor.write(f"example.test. IN DS 12345 8 2 {'AB' * 32}\n")
            anchor.flush()
            self.assertEqual(self.ask_one("example.test", "A", trust_anchor=anchor.name), ("servfail", []))
            self.assertEqual(self.ask_one("mail.invalid", "A", trust_anchor=anchor.name)[0], "records")

    def test_second_server_when_the_first_is_silent(self):
        with dns.Server(lambda query: None) as silent:
            for _ in range(4):
                result = ask([silent.address, self.nsd.address], ("example.test", "A"))
                self.assertEqual(result.answers[0][0], "records")


class NoServer(unittest.TestCase):
    def test_timeout(self):
        with dns.Server(lambda query: None) as silent:
            result = ask([silent.address], ("a.test", "A"), ("b.test", "TXT"), timeout=700)
            self.assertEqual(result.answers, [("timeout", []), ("timeout", [])])
            self.assertTrue(silent.queries)
            self.assertGreaterEqual(result.milliseconds, 690)
            self.assertLess(result.milliseconds, 3000)

    def test_one_answer_and_one_timeout(self):
        def reply(query):
            return answer_address(query) if query.name == "quick.test" else None
        with dns.Server(reply) as server:
            result = ask([server.address], ("slow.test", "A"), ("quick.test", "A"), timeout=700)
            self.assertEqual(result.answers, [("timeout", []), ("records", [ADDRESS])])

    def test_late_answer(self):
        """It comes when nobody waits any more, and later asks have it from the cache."""
        def reply(query):
            time.sleep(0.25)
            return answer_address(query)
        with dns.Server(reply) as server:
            for rounds, answer in (1, ("timeout", [])), (2, ("records", [ADDRESS])):
                result = ask([server.address], ("late.test", "A"), timeout=100, linger=1000, rounds=rounds)
                self.assertEqual(result.answers, [answer])

    def test_cancel(self):
        def reply(query):
            time.sleep(0.3)
            return answer_address(query)
        with dns.Server(reply) as server:
            result = ask([server.address], ("a.test", "A"), ("b.test", "MX"), cancel=100, linger=1500)
            self.assertTrue(result.cancelled)
            self.assertTrue(server.queries)
        with dns.Server(lambda query: None) as silent:
            self.assertTrue(ask([silent.address], ("a.test", "A"), cancel=0).cancelled)

    def test_closed_port(self):
        udp, tcp = dns.bind_pair()
        address = f"127.0.0.1@{udp.getsockname()[1]}"
        udp.close()
        tcp.close()
        status, records = ask([address], ("a.test", "A"), timeout=2000).answers[0]
        self.assertIn(status, ("servfail", "timeout"))
        self.assertEqual(records, [])

    def test_recovery(self):
        """A server that was dead for a while is used again soon after it is back."""
        alive = threading.Event()
        def reply(query):
            return answer_address(query) if alive.is_set() else None
        with dns.Server(reply) as server:
            timer = threading.Timer(2.0, alive.set)
            timer.start()
            result = ask([server.address], ("back.test", "A"), timeout=1000, rounds=12, linger=200)
            timer.cancel()
            self.assertEqual(result.answers, [("records", [ADDRESS])])


def pointer_loop(query):
    at = 12 + len(query.asked)
    return query.answer(dns.record(b"\xc0" + bytes([at]), "A", ADDRESS))


class LyingServer(unittest.TestCase):
    """Whatever such a server says, there is an answer in time, and it is never records."""

    lies = {
        "nothing at all": lambda query: b"",
        "one octet": lambda query: b"x",
        "noise": lambda query: bytes(range(256)) * 4,
        "a header alone": lambda query: query.answer()[:12],
        "the question back": lambda query: query.packet,
        "another identifier": lambda query: query.answer(GOOD, identifier=b"\xff\xfe"),
        "another question": lambda query: query.answer(GOOD,
                                                       asked=dns.name_octets("other.test") + b"\0\1\0\1"),
        "another owner": lambda query: query.answer(dns.record("other.test", "A", ADDRESS)),
        "a short address": lambda query: query.answer(dns.record(OWNER, "A", b"\1\2\3")),
        "a long address": lambda query: query.answer(dns.record(OWNER, "A", b"\1\2\3\4\5")),
        "a cut record": lambda query: query.answer(GOOD)[:-2],
        "more records promised": lambda query: query.answer()[:7] + b"\x09" + query.answer()[8:],
        "a pointer to itself": pointer_loop,
        "a pointer beyond the end": lambda query: query.answer(dns.record(b"\xff\xff", "A", ADDRESS)),
        "an alias of itself": lambda query: query.answer(dns.record(OWNER, "CNAME", OWNER)),
        "truncated, without end": lambda query: query.answer(flags=0x8380),
        "format error": lambda query: query.answer(rcode=1),
        "server failure": lambda query: query.answer(rcode=dns.SERVFAIL),
        "refused": lambda query: query.answer(rcode=dns.REFUSED),
        "not an rcode": lambda query: query.answer(rcode=15),
        "a text record with a wrong length": lambda query: query.answer(dns.record(OWNER, "TXT", b"\x09abc")),
    }

    def test_lies(self):
        for lie, reply in self.lies.items():
            kind = "TXT" if "text" in lie else "A"
            with self.subTest(lie), dns.Server(reply) as server:
                result = ask([server.address], ("lie.test", kind), timeout=800)
                status, records = result.answers[0]
                self.assertTrue(server.queries)
                self.assertIn(status, ("servfail", "timeout", "nodata"))
                self.assertEqual(records, [])
                self.assertLess(result.milliseconds, 4000)

    def test_server_failure_is_no_absence(self):
        for rcode in 1, dns.SERVFAIL, 4, dns.REFUSED:
            with self.subTest(rcode=rcode), dns.Server(lambda query: query.answer(rcode=rcode)) as server:
                result = ask([server.address], ("x.test", "A"), timeout=5000)
                self.assertEqual(result.answers, [("servfail", [])])

    def test_answer_twice(self):
        def reply(query):
            return [query.answer(GOOD), query.answer(dns.record(OWNER, "A", b"\6\6\6\6"))]
        with dns.Server(reply) as server:
            result = ask([server.address], ("twice.test", "A"), linger=200, rounds=2)
            self.assertEqual(result.answers, [("records", [ADDRESS])])

    def test_names_that_no_question_can_carry(self):
        def reply(query):
            return query.answer(dns.record(OWNER, "PTR", b"\3a.b\0"), dns.record(OWNER, "PTR", b"\2\xff\0\0"),
                                dns.record(OWNER, "PTR", dns.name_octets("Good.test")))
        with dns.Server(reply) as server:
            result = ask([server.address], ("1.2.0.192.in-addr.arpa", "PTR"))
            self.assertEqual(result.answers, [("records", [b"good.test"])])

    def test_largest_answer(self):
        """Over 60 kB, which only TCP carries."""
        def reply(query):
            texts = [dns.record(OWNER, "TXT", (b"\xff" + bytes([65 + n]) * 255) * 7) for n in range(35)]
            packet = query.answer(*texts)
            assert 60000 < len(packet) < 65536
            return packet if truncated.is_set() else (truncated.set(), query.answer(flags=0x8380))[1]
        truncated = threading.Event()
        with dns.Server(reply) as server:
            status, records = ask([server.address], ("large.test", "TXT")).answers[0]
            self.assertEqual(status, "records")
            self.assertEqual([len(record) for record in records], [1785] * 35)


if __name__ == "__main__":
    unittest.main()

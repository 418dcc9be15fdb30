"""Thousands of look-ups whose answers never come: what others ask is answered all the same."""

import re
import tempfile
import unittest

from support import dns
from support.process import Program, build_folder

ADDRESS = dns.record(b"\xc0\x0c", "A", bytes([1, 2, 3, 4]))
DEAD, LIVE = 10000, 300


def answer_live(query):
    """Names under live.test have an address; about others there is silence."""
    return query.answer(ADDRESS) if query.name.endswith(".live.test") else None


def run(server, dead, live):
    """What resolver_load prints, and its numbers by name."""
    with tempfile.TemporaryDirectory() as folder:
        program = Program(build_folder() / "t" / "flow" / "resolver_load", server, dead, live, folder=folder)
        with program:
            status = program.wait(120)
        if status != 0:
            raise AssertionError(f"resolver_load ended with {status}:\n{program.log()}")
        return program.log()


class DeadServer(unittest.TestCase):
    def test_others_are_answered(self):
        with dns.Server(answer_live) as server:
            log = run(server.address, DEAD, LIVE)
            print(log)
            answered = re.findall(r"^(alone|loaded) .* answered (\d+) of (\d+)$", log, re.M)
            self.assertEqual(answered, [("alone", str(LIVE), str(LIVE)), ("loaded", str(LIVE), str(LIVE))])
            # They were on their way while the live ones were asked, and each ended.
            under_way = int(re.search(r"^under_way (\d+)$", log, re.M).group(1))
            self.assertGreater(under_way, DEAD // 2)
            self.assertRegex(log, rf"(?m)^dead {DEAD} ")
            # The server is not flooded with what it does not answer.
            self.assertLess(len(server.queries), DEAD + 4 * LIVE)


if __name__ == "__main__":
    unittest.main()

"""
Some hundred transcripts of those that contrib/bench differential runs against four mail servers: what Postfix
answers direct it answers through the proxy, but for what postern-proxy(8) names.
"""

import random
import sys
import unittest

from support import differential_servers, transcripts
from support.differential import differences
from support.named_differences import NAMED, name_of
from support.postfix import Postfix, Unavailable
from support.process import source_folder
from support.proxy import ProxyTestCase

SAMPLE = 300
# Of these all are the same.
SAME = ("order", "hello twice", "message", "message of 8BITMIME", "many messages", "many recipients")


class DifferentialTest(ProxyTestCase):
    def test_what_differs_has_a_name(self):
        corpus = transcripts.corpus()
        chosen = random.Random(1).sample(corpus, SAMPLE)
        with differential_servers.pair("Postfix", self.subfolder("proxy")) as ports:
            found = differences(*ports, chosen, 60)
        for difference in found:
            with self.subTest(str(difference.transcript)):
                self.assertIsNotNone(name_of(difference), difference)
                self.assertNotIn(difference.transcript.family, SAME, difference)
        self.assertLess(len(found), SAMPLE / 3)

    def test_each_name_is_in_the_manual(self):
        manual = (source_folder() / "contrib" / "man" / "postern-proxy.8").read_text()
        section = manual.partition(".Sh DIFFERENCES FROM THE MAIL SERVER")[2].partition(".Sh ")[0]
        for name, _ in NAMED:
            self.assertIn(f".It {name}\n", section)


if __name__ == "__main__":
    try:
        Postfix().close()
    except Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()

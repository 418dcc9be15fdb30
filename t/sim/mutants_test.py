"""Each mutant of mutants.py changes one place of the source as it is now."""

import unittest

import mutants


class Mutants(unittest.TestCase):
    def test_place(self):
        for name, file, old, _ in mutants.MUTANTS:
            with self.subTest(name):
                self.assertEqual((mutants.SOURCE / file).read_text(encoding="utf-8").count(old), 1, file)


if __name__ == "__main__":
    unittest.main()

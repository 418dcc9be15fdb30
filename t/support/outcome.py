"""How a test ends: what was skipped is never called passed."""

import sys
import unittest

SKIPPED = 77  # SKIP_RETURN_CODE of t/CMakeLists.txt


def main():
    """As unittest.main(); if anything was skipped, the reasons are printed and ctest calls the test so."""
    result = unittest.main(module="__main__", verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    sys.exit(SKIPPED if result.skipped else 0)

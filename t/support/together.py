"""Tests that mostly wait, run at once: for deadlines of the programs that no test can shorten."""

import unittest
from concurrent.futures import ThreadPoolExecutor


def _tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _tests_of(test)
        else:
            yield test


def _run(test):
    result = unittest.TestResult()
    test(result)
    return result


class Suite(unittest.TestSuite):
    """
    A module's tests, so many at a time, each in a thread of its own; what they say comes in their order. For
    load_tests(). There are no fixtures of a class or a module.
    """

    def __init__(self, tests, at_once):
        super().__init__(tests)
        self._at_once = at_once

    def run(self, result, debug=False):
        tests = list(_tests_of(self))
        with ThreadPoolExecutor(self._at_once) as pool:
            for test, own in zip(tests, pool.map(_run, tests)):
                result.startTest(test)
                for kind in ("failures", "errors", "skipped", "expectedFailures", "unexpectedSuccesses"):
                    getattr(result, kind).extend(getattr(own, kind))
                result.stopTest(test)
        return result


def run_cases(test, function, cases):
    """Calls function(case) for all cases at once, each a subtest; what it starts, it has to end too."""
    with ThreadPoolExecutor(len(cases)) as pool:
        for case, future in [(case, pool.submit(function, case)) for case in cases]:
            with test.subTest(case):
                future.result()

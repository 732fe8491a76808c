"""Cases of these tests: functions that raise AssertionError."""
import os

FULL = bool(os.environ.get("CUPEL_TEST_FULL"))
cases = []


def case(f):
    cases.append(f)
    return f


def full_case(f):
    """One of the long form alone."""
    return case(f) if FULL else f


def expect(condition, what):
    if not condition:
        raise AssertionError(what)

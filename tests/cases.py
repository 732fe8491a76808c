"""What every test program in Python is made of: cases, which raise AssertionError or Skip, and their results as TAP.

    sys.path.insert(0, the folder of this file)
    from cases import Skip, case, expect, run_cases

    @case
    def one_and_one_is_two():
        expect(1 + 1 == 2, "the reason")

    run_cases(sys.argv[3:])
"""
import concurrent.futures
import itertools
import os
import time
import traceback

# What takes long is of the long form; a sanitised build leaves out what others do as well.
FULL = bool(os.environ.get("CUPEL_TEST_FULL"))
BRIEF = bool(os.environ.get("CUPEL_TEST_BRIEF"))

cases = []


class Skip(Exception):
    """Raised by a case that cannot run here, with the reason."""


def case(f):
    cases.append(f)
    return f


def full_case(f):
    """Of the long form alone."""
    return case(f) if FULL else f


def long_case(f):
    """What a sanitised build has nothing to find in that the others do not run as well."""
    return f if BRIEF else case(f)


def alone(f):
    """Says how long something takes, or how much slower it is: no other case runs beside it, and no build."""
    f.alone = True
    return f


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def said_by(f, *args):
    """What one case comes to: "ok" or not, its line without a number, and what belongs to it."""
    name = f.__name__.replace("_", " ")
    begin = time.monotonic()
    said = []
    try:
        f(*args)
        result = "ok"
    except Skip as why:
        result, name = "ok", "%s # SKIP %s" % (name, why)
    except Exception:  # pylint: disable=broad-except
        result = "not ok"
        said = ["# " + line for line in traceback.format_exc().splitlines()]
    return result, name, said + ["# took %.1f s" % (time.monotonic() - begin)]


def _results(those, at_once, args):
    if at_once == 1: # in this thread, which signals come to
        yield from (said_by(f, *args) for f in those)
        return
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for done in concurrent.futures.as_completed([pool.submit(said_by, f, *args) for f in those]):
            yield done.result()


def _choose(names):
    if names in (["--alone"], ["--together"]):
        return [f for f in cases if hasattr(f, "alone") == (names == ["--alone"])]
    return [f for f in cases if not names or f.__name__ in names]


def run_cases(names=(), at_once=1, args=(), on_failure=None):
    """Runs those of these names, or all, each with these arguments; --alone: all that run alone; --together: all
    others. How many failed."""
    chosen = _choose(list(names))
    lone = [f for f in chosen if hasattr(f, "alone")]
    beside = [f for f in chosen if f not in lone]
    failed = 0
    print("TAP version 13\n1..%d" % len(chosen), flush=True)
    results = itertools.chain(_results(beside, at_once, args), _results(lone, 1, args))
    for number, (result, name, said) in enumerate(results, 1):
        print("%s %d - %s" % (result, number, name), *said, sep="\n", flush=True)
        failed += result != "ok"
        if result != "ok" and on_failure:
            on_failure()
    return failed

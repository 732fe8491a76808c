#!/usr/bin/env python3
"""Turns test output into one line a test: pass|fail|skip TAB name TAB words.

    tally.py meson NAME FILE      the log that meson test writes as log*.json; every program prints TAP
    tally.py tap NAME STATUS FILE one program's TAP, and the status it ended with; FILE.err: its standard
                                  error, if there is such a file

The words of a failure are its reason as the program told it. All that was said of it goes to standard
error. The programs' own words are read rather than meson's account of them, in which one that dies or
leaks memory after its last case has passed, and what cmocka skips has failed.
"""
import json
import os
import re
import sys

DETAILS = 25  # lines shown of a failure
WIDEST = 4000  # bytes of one
FAILURE = ": error: Failure!"  # cmocka's, behind the place
TOOK = re.compile(r"took [\d.]+ s$")


def say(kind, name, words=""):
    print(f"{kind}\t{name}\t{' '.join(words.split())[:200]}")


def explain(name, lines):
    """To who looks at the terminal: what was said of a failure."""
    print(f"  {name}", *[f"    {line[:WIDEST]}" for line in lines[-DETAILS:]], sep="\n", file=sys.stderr)


class Case:
    """One line of TAP. said: the comments that follow it; before: the one before it, if it is its own."""

    def __init__(self, passed, rest, before):
        words, skipped, directive = (" " + rest).partition(" # SKIP")
        before = "" if before.endswith(FAILURE) or TOOK.match(before) else before
        self.name, self.said, self.before = words.strip(), [], before
        self.kind = "skip" if skipped else "pass" if passed else "fail"
        self.words = directive.strip()
        if skipped and not self.name:  # cmocka's "not ok 3 # SKIP name"; why stands in the comment before
            self.name, self.words = self.words, before
        if skipped and not self.words:
            self.words = "without a reason"

    def reason(self):
        """The last that was said, and the place, for which cmocka has a line of its own."""
        said = [line for line in self.said if not TOOK.match(line)]
        if len(said) > 1 and said[-1].endswith(FAILURE):
            return f"{os.path.basename(said[-1].removesuffix(FAILURE))}: {said[-2]}"
        return said[-1] if said else self.before


def read_tap(text):
    """Returns the cases, how many were planned (None: not said) and why there are none."""
    cases, planned, why, before = [], None, "", ""
    for line in text.splitlines():
        plan = re.match(r"1\.\.(\d+)(.*)", line)
        result = re.match(r"(not )?ok\b\s*\d*\s*-?\s*(.*)", line)
        if plan:
            planned, why = int(plan[1]), plan[2].replace("# SKIP", "").strip()
        elif result:
            cases.append(Case(not result[1], result[2], before))
        elif line.startswith("#") and cases:
            cases[-1].said.append(line[1:].strip())
        before = line[1:].strip() if line.startswith("#") else ""
    return cases, planned, why


def add_errors(failed, errors):
    """cmocka tells on standard error what a test said with fail_msg, and on standard output where."""
    told = [line.removeprefix("ERROR: ") for line in errors.splitlines() if line.startswith("ERROR: ")]
    bare = [c for c in failed if len(c.said) == 1 and c.said[0].endswith(FAILURE)]
    if len(told) == len(bare):
        for case, line in zip(bare, told):
            case.said.insert(0, line)


def tap(name, status, text, errors):
    """status: what the program ended with, in words; "" if well."""
    cases, planned, why = read_tap(text)
    if planned == 0 and not status:
        say("skip", name, why)
        return
    failed = [c for c in cases if c.kind == "fail"]
    add_errors(failed, errors)
    for c in cases:
        say(c.kind, f"{name}: {c.name}", c.reason() if c.kind == "fail" else c.words)
        if c.kind == "fail":
            explain(f"{name}: {c.name}", [c.before, *c.said] if c.before else c.said)
    whole = ""
    if planned is not None and planned != len(cases):
        whole = f"{len(cases)} of {planned} tests ran"
    elif not cases:
        whole = "no test ran"
    elif not failed:
        whole = status
    if whole:
        last = [line for line in errors.splitlines() if line.strip()]
        say("fail", name, "; ".join([w for w in (whole, status) if w][:1 + (whole != status)]))
        explain(name, last or text.splitlines())


def tap_file(name, status, path):
    def read(file):
        try:
            with open(file, encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""
    tap(name, f"ended with status {status}" if int(status) else "", read(path), read(path + ".err"))


def ending(test):
    """How a program of meson's ended, in words; "" if well."""
    if test["result"] == "TIMEOUT":
        return f"took longer than it may: {test['duration']:.0f} s"
    code = test["returncode"]
    if code == 0:
        return ""
    return f"killed by signal {-code}" if code < 0 else f"ended with status {code}"


def meson(name, path):
    seen = 0
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                test = json.loads(line)
                seen += 1
                label = f"{name}: {test['name'].rpartition('/')[2].strip()}"
                tap(label, ending(test), test.get("stdout") or "", test.get("stderr") or "")
    except (OSError, ValueError, KeyError) as problem:
        say("fail", name, f"no test report: {problem}")
        return
    if not seen:
        say("fail", name, "no test ran")


if __name__ == "__main__":
    if sys.argv[1] == "meson":
        meson(sys.argv[2], sys.argv[3])
    else:
        tap_file(*sys.argv[2:5])

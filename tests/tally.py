#!/usr/bin/env python3
"""Turns test output into one line a test: pass|fail|skip TAB name TAB words.

    tally.py junit NAME FILE      meson's junit.xml
    tally.py tap NAME STATUS FILE one program's TAP, and the status it ended with
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


def say(kind, name, words=""):
    print(f"{kind}\t{name}\t{' '.join(words.split())[:200]}")


def junit(name, path):
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as problem:
        say("fail", name, f"no test report: {problem}")
        return
    seen = 0
    for suite in root.iter("testsuite"):
        for case in suite.iter("testcase"):
            seen += 1
            label = f"{name}: {suite.get('name', '').rpartition('/')[2]}: {case.get('name')}"
            skipped, failure = case.find("skipped"), case.find("failure")
            error = case.find("error")
            if failure is not None or error is not None:
                which = failure if failure is not None else error
                say("fail", label, which.get("message") or which.text or "")
            elif skipped is not None:
                said = re.search(r"# SKIP (.*)", case.findtext("system-out") or "")
                say("skip", label, skipped.get("message") or skipped.text or
                    (said.group(1) if said else "without a reason"))
            else:
                say("pass", label)
        if int(suite.get("errors", 0)) and not list(suite.iter("testcase")):
            say("fail", f"{name}: {suite.get('name')}", "ended with an error")
    if not seen:
        say("fail", name, "no test ran")


def tap(name, status, path):
    with open(path, encoding="utf-8", errors="replace") as f:
        lines = f.read().splitlines()
    planned, seen, failed, comment = None, 0, 0, ""
    for line in lines:
        plan = re.match(r"1\.\.(\d+)(.*)", line)
        result = re.match(r"(not )?ok\b\s*\d*\s*-?\s*(.*)", line)
        if plan:
            planned = int(plan.group(1))
            if planned == 0:
                say("skip", name, plan.group(2).replace("# SKIP", ""))
                return
        elif result:
            seen += 1
            words, skipped, directive = (" " + result.group(2)).partition(" # SKIP")
            words = words.strip()
            if skipped and not words:  # cmocka's "not ok 3 # SKIP name"; why stands in the comment before
                say("skip", f"{name}: {directive.strip()}", comment or "without a reason")
            elif skipped:
                say("skip", f"{name}: {words}", directive)
            elif result.group(1):
                failed += 1
                say("fail", f"{name}: {words}")
            else:
                say("pass", f"{name}: {words}")
        comment = line[1:] if line.startswith("#") else ""
    if planned is not None and planned != seen:
        say("fail", name, f"{seen} of {planned} tests ran")
    elif status != 0 and not failed:
        say("fail", name, f"ended with status {status}")
    elif seen == 0:
        say("fail", name, "no test ran")


if __name__ == "__main__":
    if sys.argv[1] == "junit":
        junit(sys.argv[2], sys.argv[3])
    else:
        tap(sys.argv[2], int(sys.argv[3]), sys.argv[4])

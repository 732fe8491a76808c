#!/usr/bin/env python3
"""What the tally makes of programs that end as programs do: a test that it lost would have passed."""
import json
import os
import subprocess
import sys
import tempfile

TALLY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tally.py")
CMOCKA = """1..3
ok 1 - fine
not ok 2 - says
# a.c:8: error: Failure!
not ok 3 - compares
# 0x1 != 0x2
# a.c:9: error: Failure!
"""

# What a program printed, how it ended, and what becomes of it.
ENDINGS = (
    ("1..2\nok 1 - a\nok 2 - b\n", "", 0, ["pass x: a", "pass x: b"]),
    ("1..2\nok 1 - a\n", "Aborted", -6, ["pass x: a", "fail x: 1 of 2 tests ran; killed by signal 6"]),
    ("1..1\nok 1 - a\n", "leaked", 23, ["pass x: a", "fail x: ended with status 23"]),
    ("1..1\nnot ok 1 - a\n# Traceback\n# KeyError: 'b'\n# took 2.0 s\n", "", 0, ["fail x: a: KeyError: 'b'"]),
    (CMOCKA, "ERROR: no runc\n", 2, ["pass x: fine", "fail x: says: a.c:8: no runc",
                                    "fail x: compares: a.c:9: 0x1 != 0x2"]),
    ("1..1\n# no room\nnot ok 1 # SKIP a\n", "", 0, ["skip x: a: no room"]),
    ("1..1\nok 1 - a # SKIP no room\n", "", 0, ["skip x: a: no room"]),
    ("1..0 # SKIP no root\n", "", 0, ["skip x: no root"]),
    ("", "", 0, ["fail x: no test ran"]),
    ("", "no such file", 1, ["fail x: no test ran; ended with status 1"]),
)


def told(path, *how):
    run = subprocess.run([sys.executable, TALLY, *how, path], capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    return [f"{kind} {name.replace('n: ', '')}" + (f": {words}" if words else "") for kind, name, words in lines], \
        run.stderr


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        for out, errors, status, want in ENDINGS:
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"name": "p:s / x", "stdout": out, "stderr": errors, "result": "?", "duration": 1,
                           "returncode": status}, f)
            got, said = told(path, "meson", "n")
            with open(path, "w", encoding="utf-8") as f, open(path + ".err", "w", encoding="utf-8") as e:
                f.write(out)
                e.write(errors)
            again, _ = told(path, "tap", "x", str(status))
            again = [line.replace(f"status {status}", f"signal {-status}").replace("ended with signal", "killed by signal")
                     for line in again] if status < 0 else again
            explained = not any(line.startswith("fail") for line in got) or said.startswith("  n: x")
            if got != want or again != want or not explained:
                failed += 1
                print(f"wanted {want}\ngot    {got}\nand    {again}\nsaid   {said}")
    return 1 if failed else 0


sys.exit(main())

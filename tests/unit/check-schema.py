#!/usr/bin/env python3
"""Validates what export writes against docs/run.schema.json, and that the schema is one that can
refuse something.

usage: check-schema.py SCHEMA TEST-EXCHANGE [RUN.json ...]
TEST-EXCHANGE FILE writes a run to FILE; further files are validated as they are."""
import copy
import json
import os
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("1..0 # SKIP python3-jsonschema is not installed")
    sys.exit(0)

SPOILED = {
    "a member is missing": lambda d: d["trials"][0].pop("cell"),
    "a member is unknown": lambda d: d["run"].update(colour="blue"),
    "a sample is too short": lambda d: d["trials"][0]["parts"][0]["samples"][0].pop(),
    "a number is a string": lambda d: d["plan"].update(theta="2%"),
    "a number is past 2^53": lambda d: d["blocks"][0].update(end_ns=2**53),
    "a kind is unknown": lambda d: d["warnings"][0].update(kind="weather"),
    "a failure is of no kind": lambda d: d["trials"][0]["parts"][1]["failure"].update(kind="whim"),
    "the seed is a number": lambda d: d["plan"].update(seed=1),
    "the format is another": lambda d: d.update(format=2),
}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    n = 0

    def report(ok, what, why=""):
        nonlocal n
        n += 1
        print(f"{'ok' if ok else 'not ok'} {n} - {what}")
        if not ok and why:
            print("# " + str(why).replace("\n", "\n# "))

    with tempfile.TemporaryDirectory() as scratch:
        own = os.path.join(scratch, "run.json")
        subprocess.run([sys.argv[2], own], check=True)
        for path in [own] + sys.argv[3:]:
            with open(path, encoding="utf-8") as f:
                run = json.load(f)
            errors = [f"{list(e.path)}: {e.message[:200]}" for e in validator.iter_errors(run)]
            report(not errors, os.path.basename(path), "\n".join(errors))
        with open(own, encoding="utf-8") as f:
            good = json.load(f)
    for what, spoil in SPOILED.items():
        bad = copy.deepcopy(good)
        spoil(bad)
        report(not validator.is_valid(bad), f"refused: {what}")
    print(f"1..{n}")


main()

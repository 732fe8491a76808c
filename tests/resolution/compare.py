#!/usr/bin/env python3
"""Runs against runs: is a planted difference found, and none where there is none?

    compare.py CUPEL PROBE [--repeats 12] [--planted 5%]

Nine runs in turns: three of A, three more of the same, three of B, in which the target of the same name
does 5 % more work per operation. Prints TAP with the figures. Needs root and runc, and a quiet machine.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

CELLS = ("cpu.prime", "sys.getpid")


def verdicts(cupel, env, a, b):
    done = subprocess.run([cupel, "compare", ",".join(a), ",".join(b), "--json"], env=env,
                          capture_output=True, text=True, check=True)
    return {x["cell"]: x for x in json.loads(done.stdout)["comparisons"]}


def words(x):
    r = x["ratio"]
    return "%s ×%.3f [%.3f, %.3f], between runs %.2g, within %.2g: %s" % (
        x["cell"], r["value"], r["lo"], r["hi"], x["between_log_sd"], x["within_log_se"], x["verdict"])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cupel")
    p.add_argument("probe")
    p.add_argument("--repeats", default="12")
    p.add_argument("--planted", default="5%")
    args = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="cupel-compare-") as state:
        env = dict(os.environ, CUPEL_STATE=state, CUPEL_PROBE=args.probe)
        planted = "runc=runc,inject=cpu:" + args.planted
        for target in ["runc", "runc", planted] * 3:
            subprocess.run([args.cupel, "run", "--quiet", "--repeats", args.repeats, "--target", "host",
                            "--target", target] + [w for c in CELLS for w in ("--workload", c)],
                           env=env, stdout=subprocess.DEVNULL, check=True)
        same = verdicts(args.cupel, env, ["r1", "r4", "r7"], ["r2", "r5", "r8"])
        other = verdicts(args.cupel, env, ["r1", "r4", "r7"], ["r3", "r6", "r9"])
    results = [(x["verdict"] not in ("slower", "faster"), "the same: " + words(x)) for x in same.values()]
    results.append((other["cpu.prime"]["verdict"] == "slower", "planted: " + words(other["cpu.prime"])))
    print("1..%d" % len(results))
    for i, (good, text) in enumerate(results, 1):
        print("%s %d - %s" % ("ok" if good else "not ok", i, text))
    return 0 if all(good for good, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())

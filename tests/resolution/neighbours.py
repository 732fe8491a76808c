#!/usr/bin/env python3
"""Does the matrix see losses that are not there, and one that is?

    neighbours.py CUPEL PROBE [--runs 3] [--repeats 7]

The aggressor that sleeps costs nothing: counts the cells whose 95 % interval leaves 1 out, against the
99 % point of a true 5 %. Then the same with a tenth more work than is counted while it sleeps: that loss
has to be found where a sample has operations enough to have a tenth of them. Prints TAP with the
figures. Needs root, runc and crun; some ten minutes.
"""
import argparse
import os
import sys
import tempfile

from resolution import Tap, binomial_point, run

TARGETS = ["--target", "host", "--target", "runc", "--target", "crun"]
LIMITS = ["--limit", "cpus=1,memory=256M,pids=256"]


def cells(cupel, env, repeats, names, *more):
    words = [w for n in names for w in ("--workload", n)]
    summary = run(cupel, env, [*TARGETS, *LIMITS, *words, "--repeats", str(repeats), *more])
    for c in summary["cells"]:
        v = c["value"]
        if v and v["lo"] is not None:
            yield f"{c['cell']} on {c['target']}: {v['value']:.4f} [{v['lo']:.4f}, {v['hi']:.4f}]", v


def judge_idle(tap, cupel, env, args):
    seen = alarms = 0
    for _ in range(args.runs):
        for words, v in cells(cupel, env, args.repeats, ["beside.idle@prime", "beside.idle@triad", "beside.idle@create",
                                                         "beside.idle@write", "tail.idle@*"]):
            seen += 1
            if not v["lo"] <= 1 <= v["hi"]:
                alarms += 1
                print(f"# alarm: {words}")
    most = binomial_point(seen, .05, .99)
    tap.check(seen > 0 and alarms <= most, f"{alarms} of {seen} cells beside nobody alarm (at most {most})")


def judge_planted(tap, cupel, env, args):
    found = list(cells(cupel, env, 2 * args.repeats, ["beside.idle@triad", "beside.idle@create"], "-p", "planted=100"))
    for words, v in found:
        print(f"# planted: {words}")
    tap.check(len(found) == 6 and all(v["lo"] > 1 for _, v in found), "a tenth more work is found everywhere")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cupel")
    parser.add_argument("probe")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    tap = Tap(2)
    with tempfile.TemporaryDirectory(prefix="neighbours-") as where:
        env = dict(os.environ, CUPEL_STATE=where, CUPEL_PROBE=os.path.abspath(args.probe))
        cupel = os.path.abspath(args.cupel)
        judge_planted(tap, cupel, env, args)
        judge_idle(tap, cupel, env, args)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())

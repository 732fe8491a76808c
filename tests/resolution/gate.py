#!/usr/bin/env python3
"""Does a gate find what is planted, and nothing where nothing is?

    gate.py CUPEL PROBE [--runs 40] [--budget 60s] [--only planted|twins]

A copy of the host, then one of runc, that does 5 % more work than is counted has to fail a gate of 2 %
in one interleaved run. Then so many A/A runs, of host and runc by turns: a target beside its twin in two
workloads out of five. The first of the two is counted, a comparison a run: of those no more intervals may
leave 1 out than the 99 % point of a true 5 % (6 of 40). Beside that: all comparisons, the runs that fail
the gate, noise floor and smallest resolvable difference. Prints TAP with the figures. Needs root and runc;
takes the budgets of all runs, or less where cells are precise before.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from resolution import Tap, binomial_point

WORKLOADS = ["cpu.prime", "sys.getpid", "mm.fault", "ipc.pipe@same", "mem.triad"]
TARGETS = ["host", "runc"]
GATE = "2%"
# Injected work comes in whole operations: small ones, some hundreds a slice.
PLANTED = ["--workload", "cpu.prime", "--workload", "sys.getpid", "-p", "limit=1000"]


def run(cupel, env, *arguments):
    """(exit status, document); the document is None where there is none."""
    done = subprocess.run([cupel, "run", "--quiet", *arguments, "--gate", GATE, "--json", "-"], env=env,
                          capture_output=True, text=True, check=False)
    if done.stderr or done.returncode not in (0, 3, 5):
        print(f"# {' '.join(arguments)}: exit status {done.returncode}: {done.stderr[-500:]}", flush=True)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode, None


def words_of(ratio):
    if not ratio or ratio["lo"] is None:
        return "no interval"
    return f"{ratio['value']:.4f} [{ratio['lo']:.4f}, {ratio['hi']:.4f}], {ratio['n']} blocks"


def judge_planted(tap, cupel, env, args):
    for target in TARGETS:
        status, d = run(cupel, env, "--base", f"old={target}", "--target", f"new={target},inject=cpu:5%",
                        *PLANTED, "--budget", args.budget)
        found = d["summary"]["gate"]["comparisons"] if d else []
        for c in found:
            print(f"# planted, {target}: {c['cell']} {c['state']}, {words_of(c['ratio'])}, p {c['holm_p']}")
        seconds = d["summary"]["elapsed_ns"] / 1e9 if d else 0
        tap.check(status == 5 and len(found) == 2 and all(c["state"] == "regressed" for c in found),
                  f"5 % more work on {target} fails a gate of {GATE} in {seconds:.0f} s")


def series(cupel, env, args):
    """Of each run: the workload that counts, target, exit status, and what it says of the twins."""
    for index in range(args.runs):
        target = TARGETS[index % len(TARGETS)]
        first = index // len(TARGETS) % len(WORKLOADS)
        mine, other = WORKLOADS[first], WORKLOADS[(first + 1) % len(WORKLOADS)]
        status, d = run(cupel, env, "--aa", "--target", target, "--workload", mine, "--workload", other,
                        "--budget", args.budget)
        yield mine, target, status, d["summary"] if d else None


def judge_twins(tap, cupel, env, args):
    seen = chosen = alarms = every = all_alarms = failed = 0
    floors, least = [], {}
    for mine, target, status, summary in series(cupel, env, args):
        if not summary:
            continue
        failed += status == 5
        floors.append(summary["aa"]["noise_floor"])
        for c in summary["aa"]["comparisons"]:
            if c["ratio"] is None or c["ratio"]["lo"] is None:
                continue
            every += 1
            all_alarms += c["alarm"]
            least.setdefault((c["cell"], target), []).append(c["smallest_resolvable"])
            if c["cell"] == mine:
                chosen += 1
                alarms += c["alarm"]
            if c["alarm"]:
                print(f"# alarm{' (counted)' if c['cell'] == mine else ''}: {c['cell']} on {target}: "
                      f"{words_of(c['ratio'])}")
        seen += 1
        print(f"# run {seen} of {args.runs}: {target}, {mine}, {summary['elapsed_ns'] / 1e9:.0f} s, "
              f"{alarms} of {chosen} alarm, {all_alarms} of all {every}; the gate: "
              f"{summary['gate']['verdict']}", flush=True)
    for (cell, target), x in sorted(least.items()):
        print(f"# {cell} on {target}: tells {100 * statistics.median(x):.2f} % (median of {len(x)} runs)")
    if floors:
        print(f"# noise floor: {100 * statistics.median(floors):.2f} % (median over runs)")
    most = binomial_point(chosen, .05, .99)
    print(f"# all {every} comparisons: {all_alarms} alarm, 99 % point {binomial_point(every, .05, .99)} "
          "(those of one run share its blocks, so this is no test)")
    # On a busy machine a minute may be too short for any interval; not often, or nothing is shown.
    tap.check(chosen > 0 and 10 * chosen >= 9 * args.runs and alarms <= most,
              f"{alarms} of {chosen} comparisons of equal targets alarm (at most {most})")
    tap.check(seen == args.runs and failed <= most,
              f"{failed} of {seen} runs of equal targets fail the gate (at most {most})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cupel")
    parser.add_argument("probe")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--only", choices=["planted", "twins"])
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    tap = Tap((args.only != "planted") * 2 + (args.only != "twins") * len(TARGETS))
    with tempfile.TemporaryDirectory(prefix="gate-") as where:
        env = dict(os.environ, CUPEL_STATE=where, CUPEL_PROBE=os.path.abspath(args.probe))
        cupel = os.path.abspath(args.cupel)
        if args.only != "twins":
            judge_planted(tap, cupel, env, args)
        if args.only != "planted":
            judge_twins(tap, cupel, env, args)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What differences does this machine resolve, and does it see some that are not there?

    resolution.py CUPEL PROBE [--runs 10] [--budget 4m] [--suite quick]

Runs the suite with the same targets under several names: h1 and h2 are the host, a and b are runc.
Half of the runs have h1 as their base, so that h2 against it has to come out as 1; in the other half it
is b against a. Counts the cells whose 95 % interval leaves 1 out, against the 99 % point of a true 5 %;
looks at the half-widths; then a host that does 1 % more work per operation has to be told apart from
one that does not. Prints TAP with the figures. Needs root and runc; takes the runs' budgets.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

# Families, and the median half-width their cells have to reach together.
BOUNDS = {("cpu", "sys", "mm"): .0075, ("mem",): .015}
EXCEPT = ("sys.exec",)


def binomial_point(n, p, level):
    """Least k with P(X <= k) >= level."""
    total, k = 0.0, -1
    while total < level:
        k += 1
        total += math.comb(n, k) * p ** k * (1 - p) ** (n - k)
    return k


class Tap:
    def __init__(self, planned):
        self.number = self.failed = 0
        print(f"1..{planned}", flush=True)

    def check(self, good, words):
        self.number += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {words}", flush=True)


def run(cupel, env, arguments):
    done = subprocess.run([cupel, "run", "--quiet", *arguments], env=env, capture_output=True,
                          text=True, check=False)
    if done.returncode not in (0, 3):
        print(f"# {' '.join(arguments)}: exit status {done.returncode}: {done.stderr[-500:]}")
    out = subprocess.run([cupel, "export", "--format", "json"], env=env, capture_output=True,
                         text=True, check=True)
    return json.loads(out.stdout)["summary"]


def ratio(cell):
    """(estimate, low, high) against the base, or None."""
    r = cell["ratio"]
    if cell["base"] or not r or r["lo"] is None:
        return None
    return r["value"], r["lo"], r["hi"]


def half_width(cell):
    r = ratio(cell)
    return None if r is None else (math.log(r[2]) - math.log(r[1])) / 2


def series(cupel, env, args):
    """The summaries of all runs, with the name of each one's base and its twin."""
    for index in range(args.runs):
        base, twin = ("h1", "h2") if index % 2 == 0 else ("a", "b")
        command = ["--suite", args.suite, "--budget", args.budget, "--base", base,
                   "--precision", "0.5%"]
        for target in ("h1=host", "h2=host", "a=runc", "b=runc"):
            command += ["--target", target]
        yield base, twin, run(cupel, env, command)


def judge_twins(tap, summaries):
    seen = alarms = 0
    for base, twin, summary in summaries:
        for cell in summary["cells"]:
            r = ratio(cell) if cell["target"] == twin else None
            if r is None:
                continue
            seen += 1
            if not r[1] <= 1 <= r[2]:
                alarms += 1
                print(f"# alarm: {cell['cell']}, {twin} against {base}: {r[0]:.4f} [{r[1]:.4f}, {r[2]:.4f}]")
    most = binomial_point(seen, .05, .99)
    tap.check(seen > 0 and alarms <= most,
              f"{alarms} of {seen} cells of equal targets alarm (at most {most})")


def judge_widths(tap, summaries):
    for families, bound in BOUNDS.items():
        widths = {}
        for _, _, summary in summaries:
            for cell in summary["cells"]:
                w = half_width(cell)
                if cell["cell"].split(".")[0] in families and w is not None \
                        and not cell["cell"].startswith(EXCEPT):
                    widths.setdefault(cell["cell"], []).append(w)
        every = [w for x in widths.values() for w in x]
        for name, x in sorted(widths.items()):
            print(f"# {name}: median half-width {100 * statistics.median(x):.2f} %")
        middle = statistics.median(every) if every else math.inf
        tap.check(middle <= bound, f"{', '.join(families)}: median half-width {100 * middle:.2f} % of {len(every)} "
                                   f"cells (at most {100 * bound:.2f} %)")


def judge_planted(tap, cupel, env):
    # Injected work comes in whole operations: of the default ten or so a slice, one more in every
    # tenth slice is an outlier that medians rightly ignore. So: small events, some 300 a slice.
    summary = run(cupel, env, ["--workload", "cpu.prime", "-p", "limit=1000", "--target", "host",
                               "--target", "slow=host,inject=cpu:1%", "--repeats", "16"])
    cells = [c for c in summary["cells"] if c["target"] == "slow"]
    r = ratio(cells[0]) if cells else None
    words = "no interval" if r is None else f"{r[0]:.4f} [{r[1]:.4f}, {r[2]:.4f}]"
    tap.check(r is not None and r[1] > 1 and r[1] <= 1.01 <= r[2] * 1.002,
              f"a host with 1 % more work per operation is told apart: {words}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cupel")
    parser.add_argument("probe")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--suite", default="quick")
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    tap = Tap(2 + len(BOUNDS))
    with tempfile.TemporaryDirectory(prefix="resolution-") as where:
        env = dict(os.environ, CUPEL_STATE=where, CUPEL_PROBE=os.path.abspath(args.probe))
        cupel = os.path.abspath(args.cupel)
        judge_planted(tap, cupel, env)
        summaries = list(series(cupel, env, args))
        judge_twins(tap, summaries)
        judge_widths(tap, summaries)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())

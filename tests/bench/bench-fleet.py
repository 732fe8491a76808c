#!/usr/bin/env python3
"""One plan run here, and the same by `--on ssh:` on a machine that is a namespace of this one, in turns.

    bench-fleet.py CUPEL PROBE [PAIRS]

Wall time: the median over the pairs of by-ssh / here; at most 1.1. Figures: for each cell and target the ratio of
by-ssh to here with its 95 % interval over the pairs (Hodges-Lehmann on the log scale); it has to hold 1. Of several
intervals one in twenty misses by chance: as many as a binomial 1 % allows are let pass.

Beside each the same of the CPU time of an operation, and how much the figures here alone vary from pair to pair
(largest by smallest). On a machine where others are at work a run may show 0.6 or 1.6, mem.triad first of all; where
CPU time agrees, it was they who had the CPU meanwhile.

Exit status 1: a bound was missed; 2: an error. Root only; without sshd it says so and is left out.
"""
import itertools
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "runtime"))
import machine  # noqa: E402

WALL = 1.1
CUPEL, PROBE = sys.argv[1:3]
PAIRS = int(sys.argv[3]) if len(sys.argv) > 3 else 8
PLAN = ["--workload", "sys.getpid", "--workload", "cpu.prime", "--workload", "mem.triad", "--workload", "ipc.pipe",
        "--repeats", "20"]


def run(argv, env):
    begin = time.monotonic()
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode not in (0, 3):
        sys.exit("bench-fleet: %s ended with %d: %s" % (" ".join(argv), done.returncode, done.stderr[-500:]))
    return time.monotonic() - begin


def figures(env):
    """{(cell, target): (ns, CPU ns) per operation} of the latest run."""
    text = subprocess.run([CUPEL, "export"], env=env, capture_output=True, text=True, check=True).stdout
    d = json.loads(text)
    values = {}
    at = {name: i for i, name in enumerate(d["sample_columns"])}
    for trial in d["trials"]:
        for part in trial["parts"]:
            if part["outcome"] == "ok":
                key = d["cells"][trial["cell"]]["name"], d["targets"][part["target"]]["label"]
                values.setdefault(key, []).append([statistics.median(
                    s[at[column]] / s[at["ops"]] for s in part["samples"]) for column in ("ns", "cpu_ns")])
    return {k: [statistics.median(column) for column in zip(*v)] for k, v in values.items()}


def hodges_lehmann(d):
    n = len(d)
    walsh = sorted((d[i] + d[j]) / 2 for i in range(n) for j in range(i, n))
    spread = 1.96 * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    rank = max(0, math.floor(n * (n + 1) / 4 - spread) - 1)
    return statistics.median(walsh), walsh[rank], walsh[-1 - rank]


def allowed(n):
    """Misses of n that chance alone exceeds in fewer than 1 % of cases."""
    for k in itertools.count():
        if sum(math.comb(n, i) * .05 ** i * .95 ** (n - i) for i in range(k + 1)) >= .99:
            return k


def main():
    folder = tempfile.mkdtemp(prefix="cupel-bench-fleet-")
    try:
        m = machine.Machine(os.path.join(folder, "m"), room="256m", life=3600, cpus="0-%d" % (os.cpu_count() - 1))
    except machine.Missing as why:
        print("bench-fleet: left out: %s" % why)
        return 0
    env = dict(m.env(dict(os.environ)), CUPEL_PROBE=PROBE, CUPEL_STATE=os.path.join(folder, "state"))
    os.mkdir(env["CUPEL_STATE"], 0o700)
    targets = [x for t in ("host", "runc") if t == "host" or shutil.which(t) for x in ("--target", t)]
    walls, ratios, alone = [], {}, {}
    try:
        for _ in range(PAIRS):
            wall, found = {}, {}
            for name, more in random.sample([("here", []), ("ssh", ["--on", "ssh:machine"])], 2):
                wall[name] = run(m.inside([CUPEL, "run", "--quiet", *more, *targets, *PLAN]), env)
                found[name] = figures(env)
            walls.append(wall["ssh"] / wall["here"])
            for key in found["here"].keys() & found["ssh"].keys():
                ratios.setdefault(key, []).append([math.log(a / b) for a, b in zip(found["ssh"][key], found["here"][key])])
                alone.setdefault(key, []).append(found["here"][key][0])
            print("pair %d: by ssh %.1f s, here %.1f s" % (len(walls), wall["ssh"], wall["here"]), flush=True)
    finally:
        m.close()
        shutil.rmtree(folder, True)
    wall = statistics.median(walls)
    print("wall: ratio %.3f, median of %d pairs (bound %.1f): %s" % (wall, PAIRS, WALL, "ok" if wall <= WALL else "missed"))
    missed = 0
    for (cell, target), d in sorted(ratios.items()):
        (middle, low, high), cpu = ([math.exp(x) for x in hodges_lehmann(column)] for column in zip(*d))
        missed += not low <= 1 <= high
        print("%s on %s: ratio %.3f [%.3f, %.3f]; CPU time %.3f [%.3f, %.3f]; here alone within %.2f" %
              (cell, target, middle, low, high, *cpu, max(alone[cell, target]) / min(alone[cell, target])))
    good = missed <= allowed(len(ratios))
    print("%d of %d intervals miss 1 (at most %d): %s" % (missed, len(ratios), allowed(len(ratios)), "ok" if good else "missed"))
    return 0 if good and wall <= WALL else 1


sys.exit(main())

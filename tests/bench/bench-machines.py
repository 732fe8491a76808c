#!/usr/bin/env python3
"""How long many machines' runs take to import and to put into one table, and how much memory.

    bench-machines.py CUPEL [--machines N]

Runs are made up, of the size of real ones: 3 targets, 14 cells, 8 blocks of 10 rounds. Checked are two
ratios and no time: that memory does not grow with the number of machines (at most 1.5 times that of a
tenth of them), and that time grows as they do (at most 1.5 times ten times that of a tenth).
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

TARGETS, CELLS, BLOCKS, ROUNDS = ["host", "runc", "crun"], 14, 8, 10
WORKLOADS = ["sys.getpid", "sys.mix", "sys.exec", "mm.fault", "mm.mmap", "cpu.prime", "clock.gettime"]


def part(r, target, off):
    factor = 2.718281828 ** (off[target] + r.gauss(0, .01))
    return {"role": "main", "target": target, "outcome": "ok", "failure": None, "verified": True,
            "detail": "8912 operations, each seen to succeed",
            "facts": {"procs": 8, "work_bytes": 16384, "workers_are": "processes", "lead_ops": 170},
            "hist": None, "peak_memory_bytes": 1470464, "clock_drift": 6e-06,
            "samples": [[i, target, None, 3429166423 + i * 10**7, 339, round(3e7 * factor * r.gauss(1, .01)),
                         69665613, 7719156] for i in range(ROUNDS)]}


def run_of(r, machine):
    off = [0] + [r.gauss(.02, .01) for _ in TARGETS[1:]]
    cov = dict.fromkeys(["steal", "psi_cpu", "loadavg", "runnable", "swap_pages", "throttled",
                         "others_cpu_ns", "kernel_log_lines"])
    info = {"hostname": "node%04d" % machine, "cpu_model": ["EPYC", "Xeon"][machine % 2], "cpus_online": 2,
            "cpus_usable": 2, "arch": "x86_64", "memory_bytes": 16 << 30, "kernel": "6.1.0"}
    return {
        "kind": "cupel run", "format": 1, "generator": "cupel 0.1.0",
        "run": {"uuid": "0f0e0d0c-0b0a-4009-8807-06050403%04x" % machine, "machine_id": "%064x" % machine,
                "machine": info, "version": "0.1.0", "command": "cupel run", "started": "2026-11-18T11:06:40Z",
                "started_real_ns": "1795000000000000000", "ended_real_ns": "1795000100000000000",
                "status": "complete", "base": 0},
        "plan": {"suite": "", "base": "", "seed": "5", "theta": .02, "precision": 0, "blocks": 0,
                 "repeats": BLOCKS, "budget_ns": 0, "interval_ns": 0, "settle_ns": 0, "slice_ns": 15000000,
                 "rounds": ROUNDS, "solo": False, "scale": 1, "drop_caches": False, "share": False,
                 "limits": {"cpus": 1, "memory_bytes": 0, "pids": 0, "io_bps": 0}},
        "targets": [{"label": t, "text": t, "driver": "oci" if t != "host" else t,
                     "runtime": t if t != "host" else "", "platform": "", "flags": [], "inject": "",
                     "usable": True, "info": {}} for t in TARGETS],
        "cells": [{"name": WORKLOADS[c % 7] + ("@wide" if c >= 7 else ""), "workload": WORKLOADS[c % 7],
                   "cpus": "all" if c >= 7 else "one", "workers": 1, "place": "none", "grain": "slice",
                   "params": {}, "unit": "", "better": "lower"} for c in range(CELLS)],
        "blocks": [{"block": b, "start_ns": b * 10**9, "end_ns": b * 10**9 + 9 * 10**8, "complete": True}
                   for b in range(BLOCKS)],
        "sessions": [],
        "sample_columns": ["round", "position", "previous", "start_ns", "ops", "ns", "control_ns", "cpu_ns"],
        "trials": [{"block": b, "position": c, "cell": c, "start_ns": b * 10**9 + c * 1000,
                    "end_ns": b * 10**9 + c * 1000 + 900, "covariates": cov,
                    "parts": [part(r, t, off) for t in range(len(TARGETS))]}
                   for b in range(BLOCKS) for c in range(CELLS)],
        "warnings": [], "summary": None,
    }


def timed(argv, env):
    """CPU seconds, and the peak of the memory in MB."""
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL) as p:
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit("%s ended with %d" % (" ".join(argv[:2]), p.returncode))
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def measure(cupel, n, folder):
    r, paths = random.Random(n), []
    for i in range(n):
        paths.append(os.path.join(folder, "%d.json" % i))
        with open(paths[-1], "w", encoding="utf-8") as f:
            json.dump(run_of(r, i), f)
    env = dict(os.environ, CUPEL_STATE=folder)
    took = {"import": timed([cupel, "import", *paths], env), "table": timed([cupel, "machines"], env)}
    for what, (seconds, mb) in took.items():
        print("%4d machines, %s: %.2f s of CPU time, %.0f MB" % (n, what, seconds, mb), flush=True)
    return took


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cupel")
    p.add_argument("--machines", type=int, default=1000)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        one, ten = measure(a.cupel, a.machines // 10, few), measure(a.cupel, a.machines, many)
    bad = False
    for what in ten:
        time, memory = ten[what][0] / one[what][0] / 10, ten[what][1] / one[what][1]
        ok = time <= 1.5 and memory <= 1.5
        bad = bad or not ok
        print("%s: ratio of the time to ten times a tenth's %.2f, of the memory %.2f: %s" %
              (what, time, memory, "ok" if ok else "MISSED"))
    sys.exit(bad)


main()

"""A run whose figures can be worked out on paper: work, reach, a neighbour and aggressors on host, runc
and gVisor. Its document is written here and imported.
"""
import json
import math
import os

from cli import WORK, cupel, expect

BLOCKS = 7
TARGETS = [("host", "host", "", ""), ("runc", "oci", "runc", ""),
           ("runsc:ptrace", "oci", "runsc", "ptrace")]
NO = None  # failed


def bits(*numbers):
    v = sum(1 << (511 - n) for n in numbers)
    return "%0128x" % v


def reach(made, could, unknown, caps, shares, paths):
    return {"payload_bits": bits(*made), "could_payload_bits": bits(*could),
            "host_capabilities": caps, "host_paths_asked": 23, "shares_payload": shares,
            "host_paths_payload": paths, **({"could_sandbox_unknown": unknown} if unknown else {})}


def beside(recovery, held=True):
    facts = {"with_ns": 1.0, "held": held}
    return facts if recovery is None else {**facts, "recovery_s": recovery}


HOST = reach(range(34), range(512), 0, 40, "mnt,pid,net", "/root,/proc/kmsg")
RUNC = reach(range(34), range(512), 0, 14, "user", "/proc/kmsg")
GUEST = reach(range(39), range(85), 3, 6, "pid,user", "")
ANSWERS = {"answered_bits": bits(*range(358))}

# Time per operation in ns, or the count or factor; how far the blocks spread; facts.
CELLS = {
    "cpu.prime": ((1e6, 1e6, 1.01e6), .001),
    "mem.triad": ((1e5, 1.05e5, 1.05e5), .01),
    "sys.getpid": ((100, 100, 12800), .002),
    "sys.close": ((200, 200, 10000), .002),
    "sys.exec": ((4e5, 4e5, NO), .002),
    "reach.answered": ((358, 358, 301), 0, (ANSWERS, ANSWERS, {})),
    "reach.host": ((34, 34, 39), 0, (HOST, RUNC, GUEST)),
    "neighbour.slowdown": ((1.05, 1.3, 1.2), .02),
    "beside.idle@prime": ((NO, 1, 1), .002, (0, beside(0), beside(0))),
    "tail.idle@prime": ((NO, 1, 1), .01, (0, beside(0), beside(0))),
    "beside.idle@create": ((NO, 1, 1.01), .004, (0, beside(0), beside(0))),
    "beside.fsync@prime": ((NO, 1, 1.01), .004, (0, beside(0), beside(.05))),
    "tail.fsync@prime": ((NO, 1.2, 1.6), .1, (0, beside(0), beside(.05))),
    "beside.fsync@create": ((NO, 4, 16), .02, (0, beside(.25), beside(None, False))),
    "beside.fsync@start": ((NO, 2, NO), .02, (0, beside(1.5), {})),
}

# There where a test asks for it by name.
MORE = {
    "life.start": ((1.2e6, 31e6, 163e6), .03),
    "density.all": ((NO, 480, 11400), .01,
                    (0, {"all": 480 << 10, "kernel_bytes": 390000, "fit": 27000, "running": 50},
                     {"all": 11400 << 10, "kernel_bytes": 1700000, "fit": 1800, "running": 50})),
}
ALL = {**CELLS, **MORE}


def outcome(cell, target, block):
    value, spread = ALL[cell][0][target], ALL[cell][1]
    facts = ALL[cell][2][target] if len(ALL[cell]) > 2 else None
    part = {"role": "main", "target": target, "outcome": "ok", "failure": None, "verified": True,
            "detail": "", "facts": facts or None, "hist": None, "peak_memory_bytes": 0,
            "clock_drift": None, "samples": []}
    # sys.exec fails once alone, the others always.
    if value is NO and not (cell == "sys.exec" and block != 3):
        text = "aggressors run on the host with --i-understand alone" if target == 0 else "it hung"
        part.update(outcome="failed", verified=False, facts=None,
                    failure={"kind": "timeout", "code": 110, "text": text})
        return part
    value = (value or 2e6) * math.exp(spread * (target + 1) * (block - 3) / 3)
    ops, ns = 10**6, 10**6 * value
    if cell == "reach.answered":  # a rate
        ops, ns = 1000 * value, 1e12
    elif cell_of(cell)["unit"]:
        ops = 1 if value > 1000 else 1000
        ns = 1e9 * ops * value
    part["samples"] = [[0, target, None, 0, round(ops), round(ns), round(ns), None]]
    return part


def cell_of(name):
    whole = name.split(".")[0] in ("reach", "neighbour", "beside", "tail", "life", "density")
    unit = {"reach": "calls", "density": "KiB", "neighbour": "times", "beside": "times",
            "tail": "times"}
    return {"name": name, "workload": name.split("@")[0], "cpus": "one", "workers": 1,
            "place": "none", "grain": "whole" if whole else "slice", "params": {},
            "unit": unit.get(name.split(".")[0], ""),
            "better": "higher" if name == "reach.answered" else "lower"}


def document(cells, uuid):
    covariates = dict.fromkeys(["steal", "psi_cpu", "loadavg", "runnable", "swap_pages",
                                "throttled", "others_cpu_ns", "kernel_log_lines"])
    return {
        "kind": "cupel run", "format": 1, "generator": "cupel 0.1.0",
        "run": {"uuid": uuid, "machine_id": "5b" * 32, "machine": {"hostname": "vm-7f3a"},
                "version": "0.1.0", "command": "cupel run", "started": "2026-11-18T11:06:40Z",
                "started_real_ns": "1795000000000000000", "ended_real_ns": "1795000100000000000",
                "status": "complete", "base": 0},
        "plan": {"suite": "", "base": "", "seed": "5", "theta": .02, "precision": 0, "blocks": 0,
                 "repeats": BLOCKS, "budget_ns": 0, "interval_ns": 0, "settle_ns": 0,
                 "slice_ns": 15000000, "rounds": 1, "solo": False, "scale": 1,
                 "drop_caches": False, "share": False,
                 "limits": {"cpus": 1, "memory_bytes": 0, "pids": 0, "io_bps": 0}},
        "targets": [{"label": l, "text": l, "driver": d, "runtime": r, "platform": p, "flags": [],
                     "inject": "", "usable": True, "info": {}} for l, d, r, p in TARGETS],
        "cells": [cell_of(c) for c in cells],
        "blocks": [{"block": b, "start_ns": b * 10**9, "end_ns": b * 10**9 + 9 * 10**8,
                    "complete": True} for b in range(BLOCKS)],
        "sessions": [],
        "sample_columns": ["round", "position", "previous", "start_ns", "ops", "ns", "control_ns",
                           "cpu_ns"],
        "trials": [{"block": b, "position": i, "cell": i, "start_ns": b * 10**9 + i * 1000,
                    "end_ns": b * 10**9 + i * 1000 + 900, "covariates": covariates,
                    "parts": [outcome(c, t, b) for t in range(len(TARGETS))]}
                   for b in range(BLOCKS) for i, c in enumerate(cells)],
        "warnings": [], "summary": None,
    }


def state(name, wanted=lambda c: c in CELLS, change=lambda run: None):
    """A state directory with that run alone in it; change may edit its document before."""
    d = os.path.join(WORK, name)
    if not os.path.isdir(d):
        os.mkdir(d, 0o700)
        path = os.path.join(WORK, name + ".json")
        cells = [c for c in ALL if wanted(c)]
        run = document(cells, "0f0e0d0c-0b0a-4009-8807-060504030201")
        change(run)
        with open(path, "w") as f:
            json.dump(run, f)
        r = cupel("import", path, env={"CUPEL_STATE": d})
        expect(r.status == 0, r)
    return d

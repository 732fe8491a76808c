"""Runs made up in the exchange form, for figures that can be worked out on paper."""
import json
import os

from cli import WORK, cupel, expect

SAMPLE_COLUMNS = ["round", "position", "previous", "start_ns", "ops", "ns", "control_ns", "cpu_ns"]
COVARIATES = dict.fromkeys(["steal", "psi_cpu", "loadavg", "runnable", "swap_pages", "throttled",
                            "others_cpu_ns", "kernel_log_lines"])


def cell(name, **more):
    return {"name": name, "workload": name.split("@")[0], "cpus": "one", "workers": 1,
            "place": "none", "grain": "slice", "params": {}, "unit": "", "better": "lower", **more}


def target(label, driver, runtime="", platform="", **more):
    return {"label": label, "text": label, "driver": driver, "runtime": runtime,
            "platform": platform, "flags": [], "inject": "", "usable": True, "info": {}, **more}


def part(target, samples, failure=None, facts=None):
    """samples: (ops, ns) each."""
    return {"role": "main", "target": target, "outcome": "failed" if failure else "ok",
            "failure": failure, "verified": not failure, "detail": "", "facts": facts or None,
            "hist": None, "peak_memory_bytes": 0, "clock_drift": None,
            "samples": [[i, target, None, 0, round(ops), round(ns), round(ns), None]
                        for i, (ops, ns) in enumerate(samples)]}


def document(uuid, targets, cells, blocks, outcome, run=(), plan=(), sessions=()):
    """outcome(cell, target, block), by index: the part. run, plan: what is otherwise than here."""
    return {
        "kind": "cupel run", "format": 1, "generator": "cupel 0.1.0",
        "run": {"uuid": uuid, "machine_id": "5b" * 32, "machine": {"hostname": "vm-7f3a"},
                "version": "0.1.0", "command": "cupel run", "started": "2026-11-18T11:06:40Z",
                "started_real_ns": "1795000000000000000", "ended_real_ns": "1795000100000000000",
                "status": "complete", "base": 0, **dict(run)},
        "plan": {"suite": "", "base": "", "seed": "5", "theta": .02, "precision": 0, "blocks": 0,
                 "repeats": blocks, "budget_ns": 0, "interval_ns": 0, "settle_ns": 0,
                 "slice_ns": 15000000, "rounds": 1, "solo": False, "scale": 1,
                 "drop_caches": False, "share": False,
                 "limits": {"cpus": 1, "memory_bytes": 0, "pids": 0, "io_bps": 0}, **dict(plan)},
        "targets": targets,
        "cells": cells,
        "blocks": [{"block": b, "start_ns": b * 10**9, "end_ns": b * 10**9 + 9 * 10**8,
                    "complete": True} for b in range(blocks)],
        "sessions": list(sessions),
        "sample_columns": SAMPLE_COLUMNS,
        "trials": [{"block": b, "position": i, "cell": i, "start_ns": b * 10**9 + i * 1000,
                    "end_ns": b * 10**9 + i * 1000 + 900, "covariates": COVARIATES,
                    "parts": [outcome(i, t, b) for t in range(len(targets))]}
                   for b in range(blocks) for i in range(len(cells))],
        "warnings": [], "summary": None,
    }


def state(name, documents):
    """A state directory with these runs alone in it, r1 the first; documents: what makes them."""
    d = os.path.join(WORK, name)
    if not os.path.isdir(d):
        os.mkdir(d, 0o700)
        for doc in documents():
            path = os.path.join(WORK, name + ".json")
            with open(path, "w") as f:
                json.dump(doc, f)
            r = cupel("import", path, env={"CUPEL_STATE": d})
            expect(r.status == 0, r)
    return d

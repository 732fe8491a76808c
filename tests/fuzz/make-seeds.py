#!/usr/bin/env python3
"""Writes the seeds of fuzz-exchange, fuzz-plan and fuzz-target into seeds/: whole examples, and one
for each way of being refused. Run it again when one of the forms changes; the results are kept in the
tree."""
import copy
import json
import os

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")

SAMPLE = [0, 0, None, 5, 1000, 20000000, 20100000, None]
RUN = {
    "kind": "cupel run",
    "format": 1,
    "run": {
        "uuid": "0f0e0d0c-0b0a-4908-8706-050403020100", "machine_id": "ab", "machine": {"cpus": [2]},
        "version": "0.1.0", "command": "cupel run", "started_real_ns": "1795000000000000000",
        "ended_real_ns": None, "status": "complete", "base": 0,
    },
    "plan": {
        "suite": "", "base": "host", "seed": "42", "theta": 0.02, "precision": 0.0, "blocks": 0,
        "repeats": 3, "budget_ns": 0, "interval_ns": 0, "settle_ns": 0, "slice_ns": 20000000,
        "rounds": 10, "solo": False, "share": False,
        "limits": {"cpus": 1.5, "memory_bytes": 0, "pids": 0},
    },
    "targets": [
        {"label": "host", "text": "host", "driver": "host", "runtime": "", "platform": "",
         "flags": [], "inject": "", "usable": True, "info": None},
        {"label": "a", "text": "runsc:kvm,x=y", "driver": "oci", "runtime": "runsc",
         "platform": "kvm", "flags": [["x", "y"]], "inject": "cpu:1%", "usable": False,
         "info": {"reason": "it hung"}},
    ],
    "cells": [
        {"name": "cpu.prime", "workload": "cpu.prime", "cpus": "one", "workers": 1,
         "place": "none", "grain": "slice", "params": {"limit": 20000, "text": "x", "auto": None}},
        {"name": "odd@x", "workload": "odd", "cpus": "all", "workers": 2, "place": "bind",
         "grain": "whole", "params": {}},
    ],
    "blocks": [{"block": 0, "start_ns": 0, "end_ns": 9, "complete": True}],
    "sessions": [
        {"block": 0, "target": 0, "outcome": "ok", "failure": None, "launch_ns": 5,
         "idle_cpu": None, "proof": {"pid": 7}, "hello": {"release": "6.1"}},
        {"block": 0, "target": 1, "outcome": "failed",
         "failure": {"kind": "timeout", "code": 110, "text": "timed out"}, "launch_ns": 0,
         "idle_cpu": 0.5, "proof": None, "hello": None},
    ],
    "sample_columns": ["round", "position", "previous", "start_ns", "ops", "ns", "control_ns",
                       "cpu_ns"],
    "trials": [
        {"block": 0, "position": 0, "cell": 0, "start_ns": 1, "end_ns": 2,
         "covariates": {"steal": 0.1, "psi_cpu": None, "loadavg": 1, "runnable": 1,
                        "swap_pages": None, "throttled": 0, "others_cpu_ns": 5,
                        "kernel_log_lines": None},
         "parts": [
             {"role": "main", "target": 0, "outcome": "ok", "failure": None, "verified": True,
              "detail": "2261 primes", "facts": {"n": 1}, "hist": "3 0 100 102 100 1:2",
              "peak_memory_bytes": 4096, "clock_drift": 1e-4, "samples": [SAMPLE]},
         ]},
    ],
    "warnings": [{"kind": "steal", "block": 0, "target": None, "cell": 0, "value": 0.02,
                  "text": "stolen"}],
    "summary": {"x": [1]},
}
LEFT_OUT = object()

# path, value
BAD_RUNS = [
    ("kind", 1), ("kind", "other"), ("format", 2), ("format", "1"), ("run", LEFT_OUT), ("run", []),
    ("run.uuid", "x"), ("run.machine_id", 7), ("run.machine", [1]),
    ("run.machine", {"a": [[[[[[[[1]]]]]]]]}), ("run.started_real_ns", 17),
    ("run.base", 9), ("run.command", "\u001b[2J\u009b"), ("plan.theta", 7), ("plan.theta", None),
    ("plan.base", "a b"), ("plan.suite", "a" * 30), ("plan.solo", 1), ("plan.limits", None),
    ("targets", {}), ("targets.0", 7), ("targets.0.label", ""), ("targets.1.label", "host"),
    ("targets.0.driver", "Host!"), ("targets.1.flags", [["a"]]), ("targets.1.flags", [["a b", ""]]),
    ("targets.1.flags", 3), ("targets.0.info", {"k\u0007": {"l": ["\u007f", None, True, 1.5]}}),
    ("cells.0.name", "a b"), ("cells.1.name", "cpu.prime"), ("cells.0.cpus", "three"),
    ("cells.0.params", []), ("cells.0.params", {"a b": 1}), ("cells.0.params", {"a": 1.5}),
    ("cells.0.params", {"a": "\u001b"}), ("blocks", [RUN["blocks"][0]] * 2),
    ("blocks.0.end_ns", 2**53), ("sessions.0.target", 3), ("sessions.1.failure", None),
    ("sessions.1.failure.kind", "whim"), ("sessions.1.failure.kind", "none"),
    ("sample_columns", []), ("trials.0.cell", 3), ("trials", [RUN["trials"][0]] * 2),
    ("trials.0.covariates.steal", "1"), ("trials.0.covariates.runnable", -1),
    ("trials.0.parts", 3), ("trials.0.parts.0", 3), ("trials.0.parts.0.hist", "1 2"),
    ("trials.0.parts.0.hist", 5), ("trials.0.parts.0.hist", None),
    ("trials.0.parts.0.samples", [[1]]), ("trials.0.parts.0.samples", [SAMPLE] * 12),
    ("trials.0.parts.0.samples.0.4", -1), ("trials.0.parts.0.samples.0.0", None),
    ("warnings.0.kind", "weather"), ("warnings.0.cell", None), ("warnings.0.text", 3),
]

PLAN = """targets: [host, runc, "new=oci:/opt/b/runsc:systrap,overlay2=none", host]
suite: quick
workloads:
  - fs.*
  - mem.triad: {array_bytes: 64M, stores: nt}
  - mem.triad@nt: {stores: nt}
parameters: {limit: 10000, files: 8}
limits: {cpus: 1.5, memory: 512M, pids: 100}
base: host
seed: 42
theta: 2%
precision: 0.01
blocks: 20
repeats: 3
budget: 4m
interval: 0
settle: 1s
slice: 20ms
rounds: 10
solo: yes
"""
PLANS = [
    PLAN, "from_suite: micro\ntargets:\n  - \"a=/x\\\\,y\"\nworkloads:\n  - \"cpu.prime\": {limit: \"3\"}\n",
    '{"suite": "micro", "targets": ["host"], "solo": false, "seed": 3}', "", "- a\n", "a: [1\n",
    "seed: 1\n---\nseed: 2\n", "seed: 1\n...\n%FOO\n", "? [a]\n: 3\n", "a: *b\n", "seed: &s [*s]\n",
    "metrik: 3\n", "seed: 1\nseed: 2\n", "seed: [1]\n", "seed: -1\n", "solo: maybe\n", "theta: 0\n",
    "theta: 60%\n", "theta: x\n", "theta: []\n", "slice: 1us\n", "slice: []\n", "slice: x\n",
    "targets: host\n", "targets: [[a]]\n", "targets: [dokcer/runc]\n", "targets: [a=host, a=runc]\n",
    "targets: [" + "host," * 65 + "]\n", "targets: [host]\nbase: runc\n", "base: 'a b'\n", "base: []\n",
    "suite: quik\n", "suite: []\n", "from_suite: a b\n", "from_suite: []\n", "workloads: cpu.prime\n",
    "workloads: [sys.getpit]\n", "workloads: [[a]]\n", "workloads: [cpu.prime: 3]\n",
    "workloads: [cpu.prime: {limt: 30}]\n", "workloads: [cpu.prime: {limit: [1]}]\n",
    "workloads: [cpu.prime: {[1]: 1}]\n", "workloads: [mem.copy@nt: {stores: plain}]\n",
    "workloads: [mem.copy@nt: {stores: x}]\n", "workloads: [mm]\nparameters: {region_bytes: 5000}\n",
    "workloads: [cpu]\nparameters: {limit: 5, limit: 6}\n", "parameters: [limit]\n", "limits: 3\n",
    "workloads: [" + "cpu," * 4097 + "]\n",
    "limits: {memory: lots}\n", "limits: {memory: []}\n", "limits: {memory: 16000000T}\n",
    "limits: {cpus: x}\n", "limits: {cpus: []}\n", "limits: {swap: 1}\n", "rounds: 0\n", "rounds: []\n",
]
TARGETS = [
    "host\nhost\nhost#2=host\n", "runsc:ptrace", "docker/runsc:kvm", "old=oci:/opt/a:b/runsc:systrap",
    "oci:runsc:systrap,overlay2=none,x=", "c=/opt/a\\,b/ru\\=nc\\:x:p,f=\\,", "qemu:virtiofs",
    "slow=host,inject=cpu:1%", "a=runc\na=crun", "=host", "a=", "a b=host", "runsc:", "runsc:a:b",
    "docker/", "dokcer/runc", "./runsc", "oci", "host:kvm", "/opt/", "/opt/a\tb", "runc,", "runc,d",
    "runc,-d=1", "runc,a=1,a=2", "runc,a=\x01", "host,inject=cpu:1%,inject=cpu:1%",
    "host,inject=mem:1%", "host,inject=cpu:x", "host,inject=cpu:0.00000000000000000000001",
    "r,a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1", "a" * 200, "/" + "a" * 200, "a" * 60 + "=host", "ru$nc",
    "runc,x=" + "a" * 150, "host," + "a" * 300, "zzzzzzzzzzz/runc",
    "oci:/a/quite/long/path/to/a/build/of/some/kind/of/runsc\n" * 2,
]


def put(name, number, data):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{number:03}"), "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def spoiled(path, value):
    run = copy.deepcopy(RUN)
    at = run
    *way, last = [int(k) if k.isdigit() else k for k in path.split(".")]
    for step in way:
        at = at[step]
    if value is LEFT_OUT:
        del at[last]
    else:
        at[last] = value
    return json.dumps(run, separators=(",", ":"))


def main():
    runs = [json.dumps(RUN, separators=(",", ":")), "{", "[]", '{"kind":1,"kind":2}']
    runs += [spoiled(*bad) for bad in BAD_RUNS]
    for i, run in enumerate(runs):
        put("exchange", i, run)
    for i, plan in enumerate(PLANS + [b"\xff\xfe\xff", b"seed: \xff\xff", b'"a\\0b": 3\n']):
        put("plan", i, plan)
    for i, target in enumerate(TARGETS):
        put("target", i, target)


main()

#!/usr/bin/env python3
"""Writes the seeds of fuzz-app, fuzz-appspec, fuzz-claims, fuzz-exchange, fuzz-plan and fuzz-target into seeds/: whole examples, and one
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
limits: {cpus: 1.5, memory: 512M, pids: 100, io: 50M}
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
    "scaled: 0.1\ndrop_caches: yes\n", "scaled: 2\n", "scaled: []\n", "drop_caches: 3\n",
    "applications: [\"name: a\\nimage: {dir: /x}\\ncommand: [x]\\nmetrics: [{name: a, wall: yes}]\\n\"]\n"
    "workloads: [a]\n", "applications: 3\n", "applications: [[a]]\n", "applications: [x]\n",
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
    "gate: 5%\n", "gate: 5%\ntheta: 1%\n", "gate: 70%\n", "aa: yes\ntargets: [a=runc, b=runc]\n",
    "aa: yes\ntargets: [host, runc]\n", "emulated_too: yes\n",
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


APP = """name: web
title: A server
aliases: [www]
suites: [paper]
optional: no
image: {packages: [nginx]}
files: [{path: /etc/x, text: "listen ${port}", mode: "0600"}]
inputs: [{name: c.ivf, param: clip, packages: [p], command: [mk], output: /work/c.ivf}]
params:
  port: {default: 80, kind: count, help: the port, min: 1, max: 65535}
  time: {default: 10s, kind: duration, scale: yes, floor: 2s}
  size: {default: 1M, kind: size}
  clip: {default: "", kind: text}
server: {command: [nginx], ready: {port: 80}, timeout: 3s}
env: {A: "${size}"}
cwd: /srv
timeout: 1m
cpus: one
expected: 2s
setup: [{command: [prime], timeout: 2s}]
command: [wrk, "${time}"]
metrics:
  - {name: rate, title: t, regex: 'port: ([0-9.]+)', unit: r/s, better: higher}
  - {name: json, json: 'a.b[1].c', unit: MB/s, better: lower, scale: 0.5}
  - {name: time, wall: yes, command: [ab], setup: [{command: [x]}], timeout: 2s}
"""
LEAST = "name: a\nimage: {dir: /x}\ncommand: [x]\nmetrics: [{name: a, wall: yes}]\n"
# Each way of being refused: alone where it is met before the rest is looked at, else behind LEAST.
APPS = [
    APP, LEAST, "", "- a\n", "a: [1\n", "a: *b\n", "metrik: 3\n", "name: a\nname: b\n", "? [a]\n: 3\n",
    "name: A b\n", "name: [a]\n", "title: ''\n", "title: \"\\x07\"\n", "title: []\n", "aliases: a\n",
    "aliases: []\n", "optional: maybe\n", "cpus: two\n", "cpus: x\n", "name: a\n", "title: a\n",
    "suites: a\n", "suites: [nosuch]\n", "suites: [[a]]\n", "expected: x\n",
    LEAST + "---\nname: b\n", LEAST + "...\n%FOO\n", "name: a\nimage: {dir: /x}\nmetrics: [{name: a, wall: yes}]\n",
    "image: 3\n", "image: {}\n", "image: {packages: [a], dir: /x}\n", "image: {programs: [a]}\n",
    "image: {packages: [[a]]}\n", "image: {dir: [x]}\n", "name: a\nimage: {dir: /x}\n",
    "image: {archive: oci:/x}\n", "image: {archive: ftp:/x}\n", "files: 3\n", "files: [3]\n",
    "files: [{path: x}]\n", "files: [{path: /a/../b}]\n", "files: [{path: /x}]\n",
    "files: [{path: [x]}]\n", "files: [{mode: 9}]\n", "files: [{mode: '0844'}]\n", "files: [{mode: []}]\n",
    LEAST + "files: [{path: /x, text: '${x}'}]\n", "files: [" + "{path: /x, text: a}, " * 17 + "]\n", "inputs: 3\n",
    "inputs: [" + "{name: a, param: b}, " * 17 + "]\n", "inputs: [{name: a}]\n", "inputs: [{name: a/b}]\n",
    "inputs: [{name: a, command: [x], output: x}]\n", LEAST + "inputs: [{name: a, param: b}]\n",
    "params: 3\n", "params: {a: 3}\n", "params: {a: {}}\n", "params: {a: {default: x}}\n",
    "params: {a: {default: 1}, a: {default: 1}}\n", "params: {A: {default: 1}}\n",
    "params: {a: {kind: x}}\n", "params: {a: {kind: []}}\n", "params: {a: {help: []}}\n", "params: {a: {scale: x}}\n",
    "params: {a: {default: 1, min: x}}\n", "params: {a: {default: 1, min: []}}\n",
    "params: {a: {default: 1, max: 0}}\n", "params: {a: {kind: text, default: x, min: 1}}\n",
    "params: {a: {default: 1, scale: yes}, b: {default: 1, scale: yes}}\n",
    "params: {" + "".join(f"a{i}: {{default: 1}}, " for i in range(9)) + "}\n",
    "env: 3\n", "env: {" + "".join(f"a{i}: b, " for i in range(65)) + "}\n", LEAST + "env: {a=b: c}\n",
    LEAST + "env: {a: [b]}\n", "cwd: x\n", "cwd: []\n", "timeout: x\n", "timeout: []\n", "timeout: 48h\n",
    "command: x\n", "command: []\n", LEAST.replace("[x]", "['${a}']"), "command: [[a]]\n",
    "command: [" + "a, " * 65 + "]\n", LEAST + "server: 3\n", LEAST + "server: {command: [x]}\n",
    LEAST + "server: {ready: {port: 1}}\n", LEAST + "server: {command: [x], ready: {port: 0}}\n",
    LEAST + "server: {command: [x], ready: {port: []}}\n", LEAST + "server: {command: [x], ready: {}}\n",
    LEAST + "server: {command: [x], ready: {output: up}}\n", LEAST + "server: {command: [x], ready: 3}\n",
    LEAST + "server: {command: [x], ready: {output: ''}}\n",
    LEAST + "server: {command: [x], ready: {command: [y]}}\n", LEAST + "setup: 3\n",
    LEAST + "setup: [{}]\n", LEAST + "setup: [" + "{command: [x]}, " * 17 + "]\n", LEAST + "setup: [3]\n",
    "name: a\nimage: {dir: /x}\nmetrics: 3\n", "name: a\nimage: {dir: /x}\nmetrics: []\n",
] + ["name: a\nimage: {dir: /x}\ncommand: [x]\nmetrics: [{" + m + "}]\n" for m in (
    "wall: yes", "name: a", "name: a, wall: no", "name: a, wall: x", "name: a, title: [], wall: yes",
    "name: a, unit: u, regex: '(a'", "name: a, unit: u, regex: a", "name: a, unit: u, regex: '(a)\\1'",
    "name: a, regex: []", "name: a, unit: u, regex: '((a{99}){99})'", "name: a, unit: u, regex: '(a+++++++++)'",
    "name: a, unit: u, regex: '([^]a[:digit:]]{2,}\\.)'", "name: a, unit: u, regex: '" + "(" * 40 + "'",
    "name: a, json: []", "name: a, json: a", "name: a, json: a, unit: s", "name: a, json: a, unit: ''",
    "name: a, better: x", "name: a, scale: x", "name: a, scale: []", "name: a, wall: yes}, {name: a, wall: yes",
    "name: a, wall: yes, unit: ms, better: lower", "name: a, wall: yes, setup: 3", "name: a, unit: [], wall: yes",
    "name: a, wall: yes, better: []", "name: a, wall: yes, command: [y], timeout: x",
)] + ["name: a\nimage: {dir: /x}\nmetrics: [" + "{name: a, wall: yes, command: [x]}, " * 17 + "]\n",
      "name: a\nimage: {dir: /x}\ncommand: [x]\nmetrics: [{name: a, regex: 'name: (.*)', unit: u}]\n",
      "name: a\nimage: {dir: /x}\ncommand: [x]\nmetrics: [{name: a, regex: 'x: ([0-9]*)', unit: u}]\nexpected: 1s\n",
      '{"name": "a", "image": {"dir": "/x"}, "command": ["x"], "metrics": [{"name": "a", "json": "k[0]", "unit": "u"}], '
      '"env": {"k": "[3]"}}\n']

SPEC = ('{"files":[{"path":"/etc/x","text":"a","mode":420}],"server":{"argv":["s"],"env":["A=b"],"cwd":"/",'
        '"ready":%s,"timeout_ns":1000},"setup":[{"argv":["p"]}],"command":{"argv":["c","d"],"cwd":"/tmp"}}')
SPECS = [SPEC % '{"tcp":80}', SPEC % '{"output":"up"}', SPEC % '{"argv":["r"]}', '{"command":{"argv":["c"]}}',
         "", "{", "[]", "{}", SPEC % "3", SPEC % '{"tcp":0}', SPEC % '{"output":""}', SPEC % '{"argv":[]}',
         '{"files":{}}', '{"files":[{"path":"x"}]}', '{"files":[{"path":"/x"}]}',
         '{"files":[{"path":"/x","text":"","mode":4096}]}', '{"setup":{}}', '{"setup":[3]}',
         '{"command":{"argv":[1]}}', '{"command":{"argv":["a"],"env":3}}', '{"command":{"argv":["a"],"cwd":"x"}}',
         '{"command":{"argv":["a"],"timeout_ns":0}}', '{"server":3}', '{"server":{"argv":["a"],"ready":null}}']

CLAIMS_HEAD = """name: c
source: {title: t, authors: a, year: 2022, url: "https://x", retrieved: today}
conditions: {machine: m, kernel: 5.4.0}
tolerance: {relative: 25%, points: 2%, alike: 10%}
base: host
planned: [net.tcp_rr]
targets:
  host: {title: bare metal, is: [host]}
  runc: {is: [docker/runc, runc]}
  gvisor: {title: gVisor, is: "runsc:ptrace"}
steps:
  - {place: Fig. 1, what: w, command: cupel run, output: o}
claims:
"""
CLAIM_TESTS = [
    "overhead: {cell: cpu.prime, of: runc}, is: 4.67 %, better: higher",
    "overhead: {cells: [cpu.prime, mem.triad], than: sys.getpid, of: gvisor, over: runc}, is: much more",
    "growth: {cell: net.tcp_rr, from: life.start, of: runc, over: gvisor}, is: '2 times'",
    "value: {cell: life.start, of: runc, as: time, times: 1000}, is: 16.9 ms",
    "value: {cell: life.start, of: runc, as: rate}, is: '>= 3'",
    "difference: {cell: life.start, of: gvisor, over: runc}, is: 0.14 s",
    "fact: {cell: life.start, fact: [a, b], less: c, share: [a, b], of: runc, over: gvisor}, is: '<= 10 %'",
    "order: {cells: [cpu.prime], of: [host, [runc, gvisor]], fact: a}",
    "printed: {overhead: [2.06, 1.62]}, is: 27.53 %, recomputed: 27.16, agrees: rounding",
    "printed: {sum: [93.9, 3.89, 2.21]}, is: 100 %, agrees: yes", "printed: {percent-of: [9.12, 1.62]}, is: 0.14 s",
    "printed: {difference: [2.06, 1.62]}, is: 0.44 s, agrees: no", "printed: {ratio: [1, 2]}, is: alike",
]
BAD_CLAIMS = [
    "overhead: {cell: cpu.pime, of: runc}, is: 1 %", "overhead: {cell: redis.set, of: runc}, is: 1 %",
    "overhead: {cell: [cpu.prime, cpu.prime], of: runc}, is: 1 %", "overhead: {cell: [], of: runc}, is: 1 %",
    "overhead: {cell: cpu.prime, of: runk}, is: 1 %", "overhead: {cell: cpu.prime}, is: 1 %",
    "overhead: {of: runc}, is: 1 %", "overhead: {cell: cpu.prime, of: runc}", "overhead: 3",
    "overhead: {cell: cpu.prime, of: runc}, is: 3 s", "overhead: {cell: cpu.prime, of: runc}, is: -3 times",
    "overhead: {cell: cpu.prime, of: runc}, is: 100 %, better: higher", "better: best",
    "overhead: {cell: cpu.prime, of: runc}, is: -100 %", "is: 1 %", "is: x", "is: [1]", "is: 1e999 s",
    "is: '1 aaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "is: '" + "1" * 60 + "'", "is: '" + "1" * 40 + " %'", "is: '1-1'",
    "growth: {cell: cpu.prime, of: runc}, is: more", "value: {cell: cpu.prime, of: runc, as: x}, is: 1 s",
    "value: {cell: cpu.prime, of: runc, times: 0}, is: 1 s", "value: {cell: cpu.prime, of: runc, times: x}, is: 1 s",
    "value: {cell: cpu.prime, of: runc}, is: more", "difference: {cell: cpu.prime, of: runc}, is: 1 s",
    "fact: {cell: cpu.prime, of: runc}, is: 1 s", "fact: {cell: cpu.prime, of: runc, fact: ''}, is: 1 s",
    "order: {cell: cpu.prime, of: runc}", "order: {cell: cpu.prime, of: [runc]}", "order: {cell: cpu.prime}",
    "order: {cell: cpu.prime, of: [runc, host]}, is: more", "order: {of: [runc, host]}",
    "order: {cell: cpu.prime, of: [runc, host]}, value: {cell: cpu.prime, of: runc}",
    "printed: 3", "printed: {}", "printed: {sum: [1]}", "printed: {sum: [1, x]}", "printed: {sum: [1, 2], ratio: [1, 2]}",
    "printed: {ratio: [1, 0]}", "printed: {overhead: [1, 2, 3]}", "agrees: maybe", "agrees: [a]", "recomputed: x",
    "text: y", "note: [1]",
]
CLAIMS = [CLAIMS_HEAD + "".join("  - {id: c%d, text: x, section: s, place: p, note: n, %s}\n" % (i, t)
                                for i, t in enumerate(CLAIM_TESTS))]
CLAIMS += [CLAIMS_HEAD + "  - {id: a, text: x, %s}\n" % t for t in BAD_CLAIMS]
CLAIMS += [CLAIMS_HEAD + t for t in [
    "  - {id: a}\n", "  - 3\n", "  - {id: 'a b', text: x}\n", "  - {id: [1], text: x}\n", "  []\n",
    "  - {id: a, text: x, is: '1', printed: {sum: [1, 2]}}\n" * 2]]
CLAIMS += [CLAIMS_HEAD.replace(a, b) + "  []\n" for a, b in [
    ("name: c", "name: C"), ("name: c", "name: []"), ("title: t, ", ""), ("{title: t, authors: a", "{title: [t]"),
    ("source: {", "sauce: {"), ("relative: 25%", "relative: 300%"), ("relative: 25%", "relative: x"),
    ("relative: 25%", "relative: []"), ("base: host", "base: x"), ("base: host", "base: []"),
    ("planned: [net.tcp_rr]", "planned: ['']"), ("planned: [net.tcp_rr]", "planned: [[]]"),
    ("machine: m", "? [m]\n  : m"), ("machine: m", "machine: [m]"), ("{machine: m, kernel: 5.4.0}", "3"),
    ("{machine: m", "{" + ", ".join("k%d: v" % i for i in range(17))), ("is: [host]", "title: x"),
    ("is: [host]", "is: ['']"), ("is: [host]", "is: [[]]"), ("  runc: {", "  host: {"), ("  runc: {", "  ? [a]\n  : {"),
    ("  runc: {is", "  " + "r" * 60 + ": {is"), ("is: [docker/runc, runc]}", "is: [runc]}\n" + "".join(
        "  t%d: {is: [runc]}\n" % i for i in range(32))), ("place: Fig. 1, ", ""), ("- {place", "- 3\n  - {place"),
    ("steps:\n  - {place: Fig. 1, what: w, command: cupel run, output: o}", "steps: 3"),
    ("claims:\n", "claims: 3\nx:\n"), ("claims:\n", "x:\n")]]


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
    newer = copy.deepcopy(RUN)
    newer["plan"].update(scale=0.1, drop_caches=True, gate=0.05, aa=False)
    newer["cells"][1].update(unit="r/s", better="higher", app="name: a\nimage: {dir: /x}\ncommand: [x]\n"
                             "metrics: [{name: a, wall: yes}]\n")
    runs.append(json.dumps(newer, separators=(",", ":")))
    newer["cells"][1].update(app="no: yes\n", better="higher")
    runs.append(json.dumps(newer, separators=(",", ":")))
    newer["plan"]["emulated_too"] = True
    newer["targets"][0]["info"] = {"emulated": True}
    newer["cells"][1].update(app=None, unit="")
    runs.append(json.dumps(newer, separators=(",", ":")))
    for i, run in enumerate(runs):
        put("exchange", i, run)
    for i, plan in enumerate(PLANS + [b"\xff\xfe\xff", b"seed: \xff\xff", b'"a\\0b": 3\n']):
        put("plan", i, plan)
    for i, app in enumerate(APPS):
        put("app", i, app)
    for i, claims in enumerate(CLAIMS):
        put("claims", i, claims)
    for i, spec in enumerate(SPECS):
        put("appspec", i, spec)
    for i, target in enumerate(TARGETS):
        put("target", i, target)


main()

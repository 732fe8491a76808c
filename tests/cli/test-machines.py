"""Runs of many machines: made here, against the files in tests/golden.

    tests/cli/test-machines.py --update    (with meson's environment) rewrites the golden files
"""
import csv
import io
import json
import math
import os

import made
from cli import WORK, case, cupel, expect, golden, main, one_line

BLOCKS = 8
CELLS = ["cpu.prime", "sys.getpid", "fs.open@rootfs"]
RATIO = {"cpu.prime": (1, 1.0), "sys.getpid": (1.01, 120), "fs.open@rootfs": (1.1, 30)}
HOSTILE = "node-3 \u202e<b>|evil"


def run_of(i, n):
    """Machine i of n: the second half is of another kind, which costs a tenth more at opening. The third
    has an odd name and loses gVisor's opens, the fourth was interrupted, the last is slow at calls."""
    late = i >= n // 2

    def outcome(c, t, block):
        name = CELLS[c]
        if i == 2 and t == 2 and name == "fs.open@rootfs":
            return made.part(t, [], failure={"kind": "timeout", "code": 110, "text": "it hung"})
        log = 0
        if t:
            log = math.log(RATIO[name][t - 1]) + .002 * (i % 3 - 1) + .0004 * (block - 3.5)
            log += .1 if late and name == "fs.open@rootfs" else 0
            log += .3 if i == n - 1 and t == 1 and name == "sys.getpid" else 0
        return made.part(t, [(10**4, 10**7 * math.exp(log))])

    machine = {"hostname": HOSTILE if i == 2 else "node-%d" % i, "arch": "x86_64",
               "kernel": "6.8.0" if i == 1 else "6.1.0", "cpus_usable": 2, "cpus_online": 8 if late else 4,
               "cpu_model": "Xeon" if late else "EPYC", "memory_bytes": 16 << 30}
    targets = [made.target("host", "host"), made.target("runc", "oci", "runc"),
               made.target("runsc:ptrace", "oci", "runsc", "ptrace")]
    run = {"machine": machine, "machine_id": "%02x" % i * 32,
           "status": "interrupted" if i == 3 else "complete"}
    return made.document("0f0e0d0c-0b0a-4009-8807-0605040302%02x" % i, targets,
                         [made.cell(c) for c in CELLS], BLOCKS, outcome, run=run)


def fleet(n):
    return made.state("fleet%d" % n, lambda: [run_of(i, n) for i in range(n)])


def shown(n, *args, columns="100", **env):
    r = cupel("machines", *args, env={"CUPEL_STATE": fleet(n), "COLUMNS": columns, **env})
    expect(r.status == 0 and r.err == "", r)
    return r.out


@case
def table():
    text = shown(18)
    golden("machines.txt", text)
    expect(all(len(line) <= 100 for line in text.splitlines()), text)
    expect(all(len(line) <= 80 for line in shown(18, columns="80").splitlines()), "too wide")


@case
def few_are_shown_one_by_one():
    golden("machines-few.txt", shown(4))
    expect("all 4" in shown(4, "--by", "kind") and "node-0" in shown(18, "--by", "machine"), "--by")


@case
def without_utf8():
    expect(shown(18, LC_ALL="C").isascii(), "not ASCII")


@case
def markdown():
    text = shown(18, "--format", "md")
    golden("machines.md", text)
    expect("<b>" not in text.replace("\\<b\\>", ""), text)


@case
def figures_worked_out_by_hand():
    d = json.loads(shown(18, "--json"))
    x = {(r["kind"], r["cell"], r["target"]): r for r in d["results"]}
    prime = x["all", "cpu.prime", "runc"]
    # Six times -1, 0, 1 of .002: the spread is .002 sqrt(12/17), t.975 of 17 degrees 2.109816.
    expect(math.isclose(prime["ratio"]["hi"], math.exp(2.109816 * .002 * math.sqrt(12 / 17 / 18)),
                        rel_tol=1e-6), prime)
    expect(prime["verdict"] == "equivalent" and prime["ratio"]["n"] == 18, prime)
    hung = x["EPYC, 4 CPUs, 16 GiB, x86_64", "fs.open@rootfs", "runsc:ptrace"]
    expect(hung["machines"] == 9 and hung["failed"] == 1 and hung["ratio"]["n"] == 8, hung)
    expect([a["machine"] for a in d["apart"]] == ["node-17"] and d["apart"][0]["cell"] == "sys.getpid", d)
    expect({m["name"]: m["partial"] for m in d["machines"]}["node-3"] == "interrupted", d["machines"])
    expect([k["machines"] for k in d["kinds"]] == [18, 9, 9], d["kinds"])
    expect({e["field"] for e in d["environment"]} == {"kernel", "processor", "CPUs online"}, d)


@case
def a_line_for_a_warehouse():
    rows = list(csv.DictReader(io.StringIO(shown(18, "--format", "csv"))))
    expect(len(rows) == 18 * 3 * 2, len(rows))
    expect(rows[0]["machine"] == "node-0" and rows[0]["cell"] == "cpu.prime", rows[0])
    lost = [r for r in rows if r["failure"]]
    expect(len(lost) == 1 and lost[0]["ratio"] == "" and lost[0]["failure_kind"] == "timeout", lost)


def pod(i):
    """A pod that measured its own sandbox on node i of ten; the last one's calls cost half as much again."""
    def outcome(c, _, block):
        late = i == 9 and CELLS[c] == "sys.getpid"
        log = .002 * (i % 3 - 1) + .0004 * (block - 3.5) + (math.log(1.5) if late else 0)
        return made.part(0, [(10**4, 10**7 * [5, .1, 2][c] * math.exp(log))])

    machine = {"hostname": "node-%d" % i, "arch": "x86_64", "cpus_online": 4, "cpu_model": "EPYC", "memory_bytes": 16 << 30}
    return made.document("0f0e0d0c-0b0a-4009-8807-0605040304%02x" % i, [made.target("sandbox", "host")],
                         [made.cell(c) for c in CELLS], BLOCKS, outcome, run={"machine": machine, "machine_id": "%02x" % i * 32})


@case
def pods_have_values_alone():
    where = made.state("pods", lambda: [pod(i) for i in range(10)])
    say = lambda *args: cupel("machines", *args, env={"CUPEL_STATE": where, "COLUMNS": "100"}).out
    golden("machines-pods.txt", say())
    expect("node-9" in say("--by", "machine") and "values, mean over machines" in say("--format", "md"), say())
    d = json.loads(say("--json"))
    x = {r["cell"]: r for r in d["results"]}["cpu.prime"]
    expect(d["absolute"] and x["verdict"] is None and math.isclose(x["value"]["value"], 5000, rel_tol=1e-3), x)
    rows = list(csv.DictReader(io.StringIO(say("--format", "csv"))))
    expect(len(rows) == 30 and all(float(r["value"]) > 0 and r["verdict"] == "" for r in rows), rows)
    # The same fleet's ratios and values; a base is a column of values.
    both = json.loads(shown(18, "--json", "--absolute"))
    expect({r["target"] for r in both["results"]} == {"host", "runc", "runsc:ptrace"}, both["results"])


@case
def runs_are_named_as_lists_and_ranges():
    expect("3 machines, 3 runs" in shown(18, "r2,r4", "r6"), "list")
    expect("5 machines, 5 runs" in shown(18, "r2..r6"), "range")
    for args, says in [(["r6..r2"], "begins after its end"), (["r1,,r2"], "a comma without a run"),
                       (["r1..r3", "r2"], "r2 is there twice"), (["r99"], "r99"),
                       (["--by", "node"], "--by"), (["--theta", "900%"], "--theta")]:
        r = cupel("machines", *args, env={"CUPEL_STATE": fleet(18)})
        expect(r.status == 1 and says in one_line(r), r)


@case
def many_files_are_imported_at_once():
    folder = os.path.join(WORK, "files")
    os.mkdir(folder)
    paths = []
    for i in range(3):
        paths.append(os.path.join(folder, "%d.json" % i))
        with open(paths[-1], "w", encoding="utf-8") as f:
            json.dump(run_of(i, 18), f)
    env = {"CUPEL_STATE": folder}
    with open(paths[1] + ".bad", "w", encoding="utf-8") as f:
        f.write("{")
    r = cupel("import", paths[0], paths[1] + ".bad", paths[1], paths[0], paths[2], env=env)
    expect(r.status != 0 and r.out == "imported as r1\nimported as r2\nimported as r3\n", r)
    lines = r.err.splitlines()
    expect(len(lines) == 3 and "1.json.bad" in lines[0] and "is here already" in lines[1] and
           "2 of 5 files were not imported" in lines[2], r)


main()

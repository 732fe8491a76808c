"""Runs against runs: of runs made here, whose figures can be worked out on paper, against the files in
tests/golden.

    tests/cli/test-compare.py --update    (with meson's environment) rewrites the golden files
"""
import csv
import io
import json
import math
import os

import made
from cli import WORK, case, cupel, expect, golden, main, one_line

BLOCKS = 8
CELLS = ["cpu.prime", "sys.getpid", "sys.exec", "mm.fault", "fs.open@rootfs", "ipc.pipe@same",
         "mem.triad"]
# Ratios to the host on runc and on runsc:ptrace; how far the runs spread (log).
A = {"cpu.prime": (1, 1, .002), "sys.getpid": (1, 120, .004), "sys.exec": (1.1, 5, .01),
     "mm.fault": (1, 3, .0008), "fs.open@rootfs": (1.1, 30, .02), "ipc.pipe@same": (1, 8, .09),
     "mem.triad": (1, 1, .001)}
B = dict(A, **{"sys.getpid": (1.1, 120, .004), "sys.exec": (1.1, 4, .01), "mm.fault": (1.01, 3, .0008),
               "fs.open@rootfs": (1.1, 33, .02), "sys.close": (1, 1, .001)})
MACHINE = {"hostname": "vm-7f3a", "arch": "x86_64", "kernel": "6.1.0", "cpus_usable": 2}
HOSTILE = "runc version 1.2 \u202e<b>|evil"


def run_of(side, i, **more):
    """Run i of 0..2 of a side: its ratios are a step apart, its blocks lie to both sides of each."""
    shape, new = (A, False) if side == "a" else (B, True)
    cells = [c for c in CELLS + ["sys.close"] if c in shape]

    def outcome(c, t, block):
        name = cells[c]
        # On gVisor exec hangs at times, after the upgrade.
        if new and name == "sys.exec" and t == 2 and block == 5:
            return made.part(t, [], failure={"kind": "timeout", "code": 110, "text": "it hung"})
        *ratios, spread = shape[name]
        log = 0 if t == 0 else (i - 1) * spread + spread / 4 * (block - (BLOCKS - 1) / 2)
        return made.part(t, [(10**4, 10**7 * ([1] + ratios)[t] * math.exp(log))])

    machine = dict(MACHINE, kernel="6.8.0" if new else "6.1.0",
                   governor="performance" if side == "a" and i == 2 else "powersave")
    runc = {"version": HOSTILE if new else "runc version 1.1", "sha256": ("bb" if new else "aa") * 32}
    targets = [made.target("host", "host"), made.target("runc", "oci", "runc", info=runc),
               made.target("runsc:ptrace", "oci", "runsc", "ptrace")]
    if new:
        targets.append(made.target("crun", "oci", "crun"))
    params = lambda c: {"array_bytes": (128 if new else 64) << 20} if c == "mem.triad" else {}
    started = 1795000000 + 1000 * (i + 3 * new)
    run = {"machine": machine, "started_real_ns": "%d000000000" % started,
           "ended_real_ns": "%d000000000" % (started + 100), **more.pop("run", {})}
    return made.document("0f0e0d0c-0b0a-4009-8807-0605040302%02x" % (16 * new + i), targets,
                         [made.cell(c, params=params(c)) for c in cells], BLOCKS,
                         lambda c, t, b: outcome(c, min(t, 2), b) if t < 3 else
                         dict(outcome(c, 1, b), target=3), run=run, **more)


def six():
    """r1, r2, r3 of A; r4, r5, r6 of B."""
    return made.state("six", lambda: [run_of(s, i) for s in "ab" for i in range(3)])


def compared(*args, runs=("r1,r2,r3", "r4,r5,r6"), columns="100", where=six, **env):
    r = cupel("compare", *runs, *args, env={"CUPEL_STATE": where(), "COLUMNS": columns, **env})
    expect(r.status == 0 and r.err == "", r)
    return r.out


def fits(text, columns):
    for line in text.splitlines():
        expect(len(line) <= columns, line)


@case
def table():
    text = compared()
    golden("compare.txt", text)
    fits(text, 100)


@case
def on_eighty_columns():
    text = compared(columns="80")
    golden("compare-80.txt", text)
    fits(text, 80)


@case
def without_utf8():
    expect(compared(LC_ALL="C").isascii(), "not ASCII")


@case
def markdown():
    text = compared("--format", "md", "--primary", "sys.*")
    golden("compare.md", text)
    expect("<b>" not in text.replace("\\<b\\>", ""), text)


def comparisons(*args, **more):
    r = json.loads(compared("--json", *args, **more))
    return r, {(x["cell"], x["target"]): x for x in r["comparisons"]}


@case
def values_without_a_base():
    golden("compare-absolute.txt", compared("--absolute"))
    r, x = comparisons("--absolute")
    expect(r["absolute"] and x["sys.getpid", "host"]["status"] == "ok", r)
    pid = x["sys.getpid", "runc"]
    expect(math.isclose(pid["a"]["value"], 1000, rel_tol=1e-4) and math.isclose(pid["b"]["value"], 1100, rel_tol=1e-4), pid)
    rows = list(csv.DictReader(io.StringIO(compared("--absolute", "--format", "csv"))))
    expect(all(float(x["a_value"]) > 0 for x in rows if x["status"] == "ok"), rows)
    expect("; values, mean over runs" in compared("--absolute", "--format", "md"), "what they are of")


@case
def figures_worked_out_by_hand():
    r, x = comparisons()

    def near(a, b, rel=1e-4):
        expect(math.isclose(a, b, rel_tol=rel), (a, b))

    pid = x["sys.getpid", "runc"]
    near(pid["a"]["ratio"], 1)
    near(pid["ratio"]["value"], 1.1)
    # Standard error .004 sqrt(2/3), 4 degrees of freedom, of which t.975 is 2.776445.
    near(pid["ratio"]["hi"], 1.1 * math.exp(2.776445 * .004 * math.sqrt(2 / 3)))
    near(pid["df"], 4)
    near(pid["between_log_sd"], .004, 1e-3)
    expect(pid["verdict"] == "slower" and pid["adjusted_p"] < .01, pid)
    expect(x["mm.fault", "runc"]["verdict"] == "detectable-small", x["mm.fault", "runc"])
    expect(x["cpu.prime", "runc"]["verdict"] == "equivalent", x["cpu.prime", "runc"])
    expect(x["ipc.pipe@same", "runc"]["verdict"] == "inconclusive", x["ipc.pipe@same", "runc"])
    # A fifth cheaper and failing: not called so.
    hung = x["sys.exec", "runsc:ptrace"]
    near(hung["ratio"]["value"], .8, 1e-2)
    expect(hung["held_back_by"] == "failures" and hung["b"]["blocks_failed"] == 3, hung)
    # p of .006, among 12: (the 3rd smallest) 12/3 of it.
    fs = x["fs.open@rootfs", "runsc:ptrace"]
    expect(fs["p"] < .01 and fs["adjusted_p"] < .05 and fs["verdict"] == "slower", fs)
    expect(r["holm"] == 0 and r["benjamini_hochberg"] == 12, r)
    expect(r["order"] == "a-first" and r["machines"] == 1, r)
    only = {k for k, v in x.items() if v["status"] == "one-side-only"}
    expect({c for c, t in only if t == "runc"} ==
           {"mem.triad {array_bytes=64M}", "mem.triad {array_bytes=128M}", "sys.close"}, only)
    fields = {d["field"]: d for d in r["environment"]}
    expect(fields["governor"]["within"] == ["a"], fields)
    expect(fields["kernel"]["between"] and fields["kernel"]["within"] == [], fields)
    expect(fields["runc: program's sha256"]["b"] == "bb" * 32, fields)


@case
def csv_has_the_same():
    _, x = comparisons()
    rows = list(csv.DictReader(io.StringIO(compared("--format", "csv"))))
    expect(len(rows) == len(x) and None not in rows[0], rows[0])
    for row in rows:
        v = x[row["cell"], row["target"]]
        expect(row["status"] == v["status"], row)
        expect((row["ratio"] == "") == (v["ratio"] is None), row)
        expect(row["ratio"] == "" or math.isclose(float(row["ratio"]), v["ratio"]["value"]), row)


@case
def primary_is_held_to_holm():
    r, x = comparisons("--primary", "sys.getpid", "-f", "json")
    expect(r["holm"] == 2 and r["benjamini_hochberg"] == 10, r)
    expect(x["sys.getpid", "runc"]["primary"] and not x["cpu.prime", "runc"]["primary"], x)


@case
def three_runs_a_side():
    text = compared(runs=("r1,r2", "r4,r5"))
    golden("compare-few.txt", text)
    expect("inconclusive: 2 runs a side, 3 are needed" in text, text)
    r, x = comparisons(runs=("1,2", "r4,0f0e0d0c-0b0a-4009-8807-060504030211"))
    expect(all(v["verdict"] in (None, "inconclusive") for v in x.values()), x)
    expect(math.isclose(x["sys.getpid", "runc"]["ratio"]["value"], 1.1, rel_tol=1e-3), x)
    expect("2 runs of A and 1 of B, 3 a side are needed" in compared(runs=("r1,r2", "r4")), "no")


@case
def to_a_file():
    path = os.path.join(WORK, "out.md")
    expect(compared("--format", "md", "-o", path) == "", "printed")
    with open(path) as f:
        expect(f.read() == compared("--format", "md"), "another text")


def refused(*args, where=six, status=1):
    r = cupel("compare", *args, env={"CUPEL_STATE": where()})
    expect(r.status == status, r)
    return one_line(r)


@case
def usage():
    for args, text in [
            (("r1",), "compare: A B is missing"),
            (("r1", "r2", "r3"), 'compare: "r3" is too much'),
            (("r1,,r2", "r4"), 'A: "r1,,r2" has a comma without a run'),
            (("r1", "r4,"), 'B: "r4," has a comma without a run'),
            (("r1", "r1"), "r1 is there twice: every run counts once"),
            (("r1,1", "r4"), "r1 is there twice"),
            (("r1", "r99"), "B: "),
            (("r1", "r4", "--theta", "60%"), '--theta: "60%" is more than 50%'),
            (("r1", "r4", "--primary", "sys.getpit"), "did you mean sys.getpid?"),
            ((",".join(["r1"] * 65), "r4"), "A: more than 64 runs")]:
        line = refused(*args)
        expect(text in line, (args, line))


@case
def what_means_another_thing_is_refused():
    plan = {"limits": {"cpus": .5, "memory_bytes": 0, "pids": 0, "io_bps": 0}}
    where = lambda: made.state("apart", lambda: [
        run_of("a", 0), run_of("b", 0, plan=plan), run_of("b", 1, run={"base": 1})])
    line = refused("r1", "r2", where=where)
    expect(line == "cupel: r1 has limits cpus=1 and r2 cpus=0.5: their ratios do not mean the same; "
           "--force compares them all the same", line)
    line = refused("r1", "r3", where=where)
    expect("r1 has base host and r3 runc (and 1 more field)" in line, line)
    text = compared("--force", runs=("r1", "r2"), where=where)
    expect("A cpus=1 · B cpus=0.5 (compared by --force)" in text, text)


main()

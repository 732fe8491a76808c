"""Limits against a run made here, whose figures can be worked out on paper, and against the files in
tests/golden.

    tests/cli/test-advise.py --update    (with meson's environment) rewrites the golden files
"""
import json
import math

from cli import case, cupel, expect, golden, main, one_line
from mixedrun import state

KERNELS = ("6.18.5", "6.18.5", "4.4.0")
NO, UNDECIDED = 5, 6


def advisable(run):
    """Guests that tell of their kernels, a target that could not be used, and a warning."""
    run["run"]["machine"]["kernel"] = KERNELS[0]
    run["targets"].append({"label": "youki", "text": "youki", "driver": "oci", "runtime": "youki",
                           "platform": "", "flags": [], "inject": "", "usable": False,
                           "info": {"reason": "no program <youki> on the PATH",
                                    "why": "unsupported"}})
    for target, release in enumerate(KERNELS):
        boot = "b007" if release == KERNELS[0] else ""
        run["sessions"].append({"block": 0, "target": target, "outcome": "ok", "failure": None,
                                "launch_ns": 1000000, "idle_cpu": None, "proof": {},
                                "hello": {"release": release, "boot_id": boot}})
    run["warnings"].append({"kind": "idle-busy", "block": 0, "target": 2, "cell": None, "value": .3,
                            "text": "runsc:ptrace burns 30 % of a CPU while idle"})


def whole():
    return state("whole", lambda c: True, advisable)


def advised(*args, run=whole, status=0, columns="100", **env):
    r = cupel("advise", *args, env={"CUPEL_STATE": run(), "COLUMNS": columns, **env})
    expect(r.status == status and r.err == "", r)
    return r.out


def fits(text, columns):
    for line in text.splitlines():
        expect(len(line) <= columns or "cupel run" in line, line)


def answers(*args, status):
    """The verdicts of each target, and the whole document."""
    r = json.loads(advised(*args, "--format", "json", status=status))
    return {t["target"]: [l["verdict"] for l in t["limits"]] for t in r["targets"]}, r


LIMITS = ("--loss", "sys.getpid=10%", "--loss", "cpu.prime=2x", "--start", "200ms", "--memory", "20M",
          "--per-machine", "1000")


@case
def one_meets_all():
    text = advised(*LIMITS)
    golden("advise.txt", text)
    fits(text, 100)
    expect("\n✔ runc meets all of them.\n" in text, text)


@case
def on_eighty_columns():
    text = advised(*LIMITS, columns="80")
    golden("advise-80.txt", text)
    fits(text, 80)


@case
def without_utf8():
    expect(advised(*LIMITS, LC_ALL="C").isascii(), "not ASCII")


@case
def markdown():
    golden("advise.md", advised(*LIMITS, "--format", "md"))


@case
def verdicts_and_figures():
    got, r = answers(*LIMITS, status=0)
    expect(got["runc"] == ["meets"] * 5, got)
    expect(got["runsc:ptrace"] == ["fails"] + ["meets"] * 4, got)
    expect(got["youki"] == ["not-measured"] * 5, got)
    expect(r["meets"] == ["runc"], r["meets"])
    expect([t["candidate"] for t in r["targets"]] == [False, True, True, True], r["targets"])
    getpid = r["targets"][2]["limits"][0]["findings"][0]
    expect(math.isclose(getpid["value"], 128, rel_tol=1e-6) and getpid["n"] == 7, getpid)
    expect(getpid["lo"] < 128 < getpid["hi"] and getpid["cell"] == "sys.getpid", getpid)
    expect(r["limits"][0]["bound"] == 1.1 and r["limits"][2]["bound"] == 2e8, r["limits"])
    memory = r["targets"][2]["limits"][3]["findings"][0]
    expect(memory["value"] == (11400 << 10) + 1700000, memory)


@case
def isolation_alone():
    text = advised("--beside", "30%", "--calls", "100", "--paths", "0", "--separate-kernel", status=NO)
    golden("advise-isolation.txt", text)
    fits(text, 100)


@case
def a_limit_that_nobody_is_shown_to_meet():
    # 85 calls or more: more than 80, and perhaps not more than 100.
    got, _ = answers("--calls", "80", status=NO)
    expect(got["runsc:ptrace"] == ["fails"] and got["runc"] == ["fails"], got)
    got, r = answers("--calls", "100", status=UNDECIDED)
    expect(got["runsc:ptrace"] == ["undecided"] and r["meets"] == [], got)


@case
def an_interval_that_spans_the_limit():
    text = advised("--loss", "mem.triad=5.5%", status=UNDECIDED)
    golden("advise-undecided.txt", text)
    expect("cupel run --workload mem.triad --target host --target runc" in text, text)
    got, r = answers("--loss", "mem.triad=5.5%", status=UNDECIDED)
    blocks = r["targets"][1]["limits"][0]["findings"][0]["blocks_wanted"]
    expect(got["runc"] == ["undecided"] and blocks > 7, r)


@case
def failures_are_reasons():
    # sys.exec failed in one of seven blocks, and hung beside fsync in all.
    got, r = answers("--loss", "sys.exec=900%", "--loss", "99999%", status=0)
    expect(got["runsc:ptrace"] == ["fails", "fails"] and r["meets"] == ["runc"], got)
    first = r["targets"][2]["limits"][0]["findings"][0]
    expect(first["failure"] == "it hung" and first["cell"] == "sys.exec", first)
    text = advised("--loss", "sys.exec=900%")
    expect("timed out in 1 of 7 blocks" in text, text)


@case
def those_that_meet_all_are_in_an_order():
    text = advised("--loss", "cpu.prime=5%")
    expect("\n✔ runc and runsc:ptrace meet it.\nIn the order of the dearest of the work named, the "
           "cheapest first.\n" in text, text)
    text = advised("--loss", "mem.triad=50%")
    expect("cheapest first; they cannot be told apart in it." in " ".join(text.split()), text)


@case
def a_kernel_that_nobody_knows():
    def hostless(run):
        advisable(run)
        del run["sessions"][0]
    text = advised("--separate-kernel", run=lambda: state("hostless", lambda c: c == "cpu.prime",
                                                          hostless))
    expect("? kernel of its own: its guest says kernel 6.18.5, the host runs 6.18.5 (1 start); only a "
           "run with host can tell both apart" in " ".join(text.split()), text)


@case
def what_was_not_measured_has_its_command():
    text = " ".join(advised("--loss", "fs.*=50%", status=UNDECIDED).split())
    expect("cupel run --workload 'fs.*' --target host --target runc --target runsc:ptrace" in text,
           text)
    expect("youki: no program <youki> on the PATH" in text and "Storage" in text, text)
    text = " ".join(advised("--loss", "mem=50%", status=0).split())
    expect("loss on mem is decided by 1 cell of this run; not in it: mem.copy, " in text, text)
    text = advised("--loss", "sys.c*=90%")
    expect("cupel run --workload sys.close@all --target host" in text, text)


@case
def without_limits():
    text = advised()
    golden("advise-open.txt", text)
    fits(text, 100)
    r = json.loads(advised("--format", "json"))
    expect(r["meets"] == [] and all(l["bound"] is None for l in r["limits"]), r)
    fits(advised(columns="80"), 80)


@case
def hostile_text_is_inert():
    text = advised("--loss", "fs.*=50%", "--format", "md", status=UNDECIDED)
    expect("\\<youki\\>" in text and "<youki>" not in text, text)


def refused(*args, run=whole):
    r = cupel("advise", *args, env={"CUPEL_STATE": run()})
    expect(r.status == 1, r)
    return one_line(r)


@case
def mistakes_are_named():
    expect("did you mean sys.getpid?" in refused("--loss", "sys.getpit=5%"), "nearest")
    expect("--loss" in refused("--loss", "sys.getpid=five"), "no number")
    expect("2.5x" in refused("--loss", "sys.getpid=5"), "neither fraction nor percent")
    expect("--loss" in refused("--loss", "=5%"), "no name")
    expect("two limits" in refused("--loss", "5%", "--loss", "6%"), "twice")
    expect("no work" in refused("--loss", "reach.host=5%"), "a count")
    expect("no neighbour" in refused("--beside", "sys.getpid=5%"), "no neighbour")
    expect("--memory" in refused("--memory", "lots"), "no size")
    expect("--per-machine" in refused("--per-machine", "0"), "none")

    def bare(run):
        run["targets"] = run["targets"][:1]
        for trial in run["trials"]:
            trial["parts"] = trial["parts"][:1]
    expect("nothing to choose from" in
           refused("--loss", "5%", run=lambda: state("bare", lambda c: c == "cpu.prime", bare)), "")


main()

"""Gates, A/A and the self-test: what they say of made-up runs (against tests/golden), what they say of
real ones on the host, and what is refused.

    tests/cli/test-gate.py --update    (with meson's environment) rewrites the golden files
"""
import json
import os
import re

from cli import WORK, case, cupel, expect, golden, main, one_line, on_terminal, state_fixture

SHORT = ["--slice", "2ms", "--rounds", "3", "--quiet"]


def made_up():
    """The run of the fixture as a document, without its summary."""
    r = cupel("export", "--format", "json", env={"CUPEL_STATE": state_fixture()})
    expect(r.status == 0, r)
    d = json.loads(r.out)
    del d["summary"]
    return d


def stored(name, d):
    """A state directory with that run alone in it."""
    state = os.path.join(WORK, name)
    os.mkdir(state, 0o700)
    path = os.path.join(WORK, name + ".json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(d, f)
    r = cupel("import", path, env={"CUPEL_STATE": state})
    expect(r.status == 0, r)
    return state


def gated(name, gate, *targets):
    """The made-up run with a gate, of these targets and the host."""
    d = made_up()
    keep = [0, *targets]
    d["plan"].update(gate=gate, theta=gate)
    d["targets"] = [d["targets"][t] for t in keep]
    d["sessions"] = [dict(s, target=keep.index(s["target"])) for s in d["sessions"] if s["target"] in keep]
    for t in d["trials"]:
        t["parts"] = [dict(p, target=keep.index(p["target"])) for p in t["parts"] if p["target"] in keep]
    return stored(name, d)


def show(state, *args, width="100", command="show", **env):
    r = cupel(command, *args, env={"CUPEL_STATE": state, "COLUMNS": width, **env})
    expect(r.status == 0 and r.err == "", r)
    return r.out


STATES = {}


def failing():
    """runc and gVisor: slower here, failing there."""
    if "failing" not in STATES:
        STATES["failing"] = gated("failing", .05, 1, 3)
    return STATES["failing"]


def part_of(text, head):
    return text[text.index(head):]


@case
def a_failed_gate():
    golden("gate.txt", part_of(show(failing()), "gate 5 %"))


@case
def on_eighty_columns_without_utf8():
    text = part_of(show(failing(), width="80", LC_ALL="C"), "gate 5 %")
    golden("gate-ascii.txt", text)
    expect(text.isascii() and max(map(len, text.splitlines())) <= 80, text)


@case
def a_comment_for_a_pull_request():
    text = show(failing(), "--format", "md", command="report")
    golden("gate.md", text[:text.index("\n<details><summary>The whole run")] + "\n")
    expect(text.startswith("✘ **gate 5 %: failed.** "), text[:100])
    expect("\x1b" not in text and "\a" not in text, "not inert")
    expect(text.count("<details>") == text.count("</details>") == 2, "details")
    expect("# r1: quick" in text and "## Machine" in text, "the whole run is there, folded")
    expect(show(failing(), "--format", "md").startswith("✘ **gate"), "show has it, too")


@case
def passed_and_undecided():
    text = part_of(show(gated("passed", .2, 1)), "gate 20 %")
    golden("gate-passed.txt", text)
    text = part_of(show(gated("undecided", .12, 1)), "gate 12 %")
    golden("gate-undecided.txt", text)


@case
def gate_as_json():
    g = json.loads(show(failing(), "--json"))["gate"]
    expect(g["gate"] == .05 and g["verdict"] == "failed" and g["least_blocks"] == 10, g)
    states = {(c["cell"], c["target"]): c["state"] for c in g["comparisons"]}
    expect(len(states) == 18, states)
    expect(states["fs.open@rootfs", "runc"] == "regressed", states)
    expect(states["clock.gettime", "runsc:ptrace"] == "broke", states)
    expect(states["cpu.prime", "runc"] == "within" and states["mem.triad", "runc"] == "unsure", states)
    expect(sum(g["counts"].values()) == 18, g["counts"])
    worst = g["comparisons"][0]
    expect(worst["state"] == "broke" and "probe said" in worst["why"], worst)
    exported = cupel("export", "--format", "json", env={"CUPEL_STATE": failing()}).out
    expect(json.loads(exported)["summary"]["gate"] == g, "export has another gate")


@case
def a_gate_goes_with_its_plan():
    plan = cupel("export", "--format", "plan", env={"CUPEL_STATE": failing()}).out
    expect("\ngate: 0.05\n" in plan and "\ntheta: 0.05\n" in plan, plan)


@case
def the_page_says_it():
    expect("gate 5 %: failed" in show(failing(), command="report"), "not in the page")


def twins():
    """runc and crun of the made-up run as runc and its twin."""
    if "twins" not in STATES:
        d = made_up()
        d["plan"].update(aa=True, base="")
        d["run"]["base"] = 0
        d["targets"] = [d["targets"][1], dict(d["targets"][1], label="runc#2")]
        d["sessions"] = [dict(s, target=s["target"] - 1) for s in d["sessions"] if s["target"] in (1, 2)]
        for t in d["trials"]:
            t["parts"] = [dict(p, target=p["target"] - 1) for p in t["parts"] if p["target"] in (1, 2)]
        STATES["twins"] = stored("twins", d)
    return STATES["twins"]


@case
def twins_beside_one_another():
    text = part_of(show(twins(), width="80"), "A/A")
    golden("aa.txt", text)
    expect(max(map(len, text.splitlines())) <= 80, text)
    golden("aa.md", part_of(show(twins(), "--format", "md"), "A/A"))


@case
def twins_as_json():
    x = json.loads(show(twins(), "--json"))["aa"]
    expect(len(x["comparisons"]) == x["intervals"] == 9, x)
    expect(x["alarms"] == sum(c["alarm"] for c in x["comparisons"]) > x["allowed"], x)
    for c in x["comparisons"]:
        r = c["ratio"]
        expect(c["alarm"] == (not r["lo"] <= 1 <= r["hi"]) and c["twin"] == "runc#2", c)


@case
def twins_that_are_none_are_not_imported():
    d = made_up()
    d["plan"]["aa"] = True
    path = os.path.join(WORK, "no-twins.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(d, f)
    line = one_line(cupel("import", path, env={"CUPEL_STATE": os.path.join(WORK, "nowhere")}))
    expect("target host has no twin" in line, line)


@case
def a_planted_slowdown_ends_with_5():
    # Enough blocks for what else may be running beside the tests.
    args = ["--workload", "cpu.prime", "-p", "limit=1000", "--slice", "5ms", "--rounds", "5", "--quiet",
            "--repeats", "10", "--gate", "5%"]
    r = cupel("run", "--base", "old=host", "--target", "new=host,inject=cpu:100%", *args)
    expect(r.status == 5 and "gate 5 %: failed" in r.out and "base old" in r.out, r)
    again = cupel("show")
    expect(again.status == 0 and "gate 5 %: failed" in again.out, again)
    r = cupel("run", "--base", "old=host,inject=cpu:100%", "--target", "new=host", *args)
    expect(r.status == 0 and re.search("gate 5 %: (passed|undecided)", r.out), r)


@case
def a_target_that_does_not_start_ends_with_5():
    path = os.path.join(WORK, "broken")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n[ \"$1\" = --version ] && exec echo broken version 1\nexit 1\n")
    os.chmod(path, 0o755)
    r = cupel("run", "--base", "old=host", "--target", "new=" + path, "--workload", "sys.getpid", *SHORT,
              "--repeats", "5", "--gate", "5%")
    expect(r.status == 5 and "cannot be used here" in r.out, r)


@case
def a_gate_that_could_not_fail_is_refused():
    def refused(*args):
        r = cupel("run", *args)
        expect(r.status == 1, r)
        return one_line(r)
    line = refused("--target", "host", "--gate", "5%", "--workload", "sys.getpid")
    expect("give two targets" in line and "old=host" in line, line)
    line = refused("--target", "host", "--target", "b=host", "--gate", "5%", "--workload", "sys.getpid",
                   "--repeats", "4")
    expect("fewer than 5 blocks, and this run has at most 4" in line, line)
    expect("between 0 and 100%" in refused("--gate", "0"), "0")
    expect("at most 50%" in refused("--gate", "60%"), "60%")
    expect("wants PERCENT" in refused("--gate"), "nothing")


@case
def a_base_may_be_defined():
    args = ["--workload", "sys.getpid", *SHORT, "--blocks", "1"]
    r = cupel("run", "--base", "old=host", "--target", "new=host", *args)
    expect(r.status == 0 and "base old" in r.out and "new" in r.out, r)
    # The same one is not put in twice.
    r = cupel("run", "--base", "old=host", "--target", "old=host", "--target", "new=host", *args, "--json", "-")
    expect([t["label"] for t in json.loads(r.out)["targets"]] == ["old", "new"], r)
    line = one_line(cupel("run", "--base", "old=host", "--target", "old=host,inject=cpu:1%", *args))
    expect('label "old" is given to two targets' in line, line)
    line = one_line(cupel("run", "--base", "old=dcoker/runc", "--target", "host", *args))
    expect("--base: " in line and "did you mean docker?" in line, line)


@case
def every_target_twice():
    args = ["--workload", "sys.getpid", *SHORT, "--repeats", "7"]
    r = cupel("run", "--aa", "--target", "host", "--target", "b=host", *args, "--json", "-")
    d = json.loads(r.out)
    expect([t["label"] for t in d["targets"]] == ["host", "host#2", "b", "b#2"], d["targets"])
    expect(d["plan"]["aa"] is True and d["summary"]["aa"]["intervals"] == 2, d["summary"]["aa"])
    expect("A/A: every target beside its twin" in cupel("show").out, "show")
    path = os.path.join(WORK, "aa.yaml")
    expect(cupel("export", "--format", "plan", "--output", path).status == 0, "export")
    r = cupel("run", "--plan", path, "--repeats", "1", "--quiet", "--json", "-")
    expect([t["label"] for t in json.loads(r.out)["targets"]] == ["host", "host#2", "b", "b#2"], r)
    # Others in their place are put in twice, too.
    r = cupel("run", "--plan", path, "--target", "c=host", "--repeats", "1", "--quiet", "--json", "-")
    expect([t["label"] for t in json.loads(r.out)["targets"]] == ["c", "c#2"], r)


@case
def the_self_test_passes_and_says_so():
    r = cupel("selftest", "--stats", "--replicates", "200")
    expect(r.status == 0, r)
    lines = r.out.splitlines()
    figures = [line for line in lines if re.match(r"[✔✘] ", line)]
    expect(len(figures) == 78 and all(line.startswith("✔") for line in figures), r)
    expect("78 figures of 200 replicates each: all within their bounds" in r.out, r)
    expect(max(map(len, lines)) <= 100 and "gate: false alarms" in r.out and "control: " in r.out, r)
    expect(re.search(r"^cupel: 1 of 78: coverage$", r.err, re.M), r)
    again = cupel("selftest", "--replicates", "200", "--format", "json")
    d = json.loads(again.out)
    expect(d["pass"] is True and len(d["figures"]) == 78, again)
    expect(all((f["share"] >= f["bound"]) if f["side"] == "at-least" else (f["share"] <= f["bound"])
               for f in d["figures"]), "bounds")
    expect(f"{d['figures'][0]['share']:.3f}" in figures[0], "the same seed, other figures")


@case
def the_self_test_tells_how_far_it_is():
    status, text = on_terminal("selftest", "--replicates", "100", "--format", "md")
    expect(status == 0 and "78 of 78: gate: power" in text and "| ✔ | coverage |" in text, text)


@case
def the_self_test_refuses():
    line = one_line(cupel("selftest", "--replicates", "3"))
    expect("--replicates" in line and "100" in line, line)
    expect(cupel("selftest", "everything").status == 1, "an operand")


main()

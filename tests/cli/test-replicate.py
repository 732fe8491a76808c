"""Published claims against the fixture's run: every claim gets a verdict, in every format, and what
a user writes wrongly is said with its place. The map of the paper is what docs/paper-map.md has.

    tests/cli/test-replicate.py --update    (with meson's environment) rewrites the golden files
"""
import csv
import io
import json
import os
import re
import sys

from cli import SOURCE_ROOT, WORK, case, cupel, expect, golden, main, one_line, state_fixture

FILES = ("paper", "crun", "gvisor")
VERDICTS = ("holds", "does-not-hold", "undecided", "untested")


def replicate(*args, columns="80", ok=True, **env):
    r = cupel("replicate", *args, env={"CUPEL_STATE": state_fixture(), "COLUMNS": columns, **env})
    expect(not ok or (r.status == 0 and r.err == ""), r)
    return r if not ok else r.out


def mine(text, name="mine.yaml"):
    path = os.path.join(WORK, name)
    with open(path, "w") as f:
        f.write(text)
    return path


MINE = """name: mine
source: {title: "<script>\\e[2Jmine|", url: "https://example.org/_a_"}
conditions: {kernel: "1.0 \\e[2J", "a\\e[2J": b}
base: host
targets:
  host: {is: [host]}
  runc: {is: [runc]}
  crun: {is: [crun]}
  gvisor: {title: "gVisor <b>", is: ["runsc:ptrace"]}
  systrap: {title: systrap, is: ["runsc:systrap"]}
claims:
  - {id: A1, text: "a system call costs \\a<b> much | more", section: "1", place: "T_1",
     overhead: {cell: sys.getpid, of: gvisor}, is: much more, note: "\\e]0;owned"}
  - {id: A2, text: computing costs 50 % more, section: "2",
     overhead: {cell: cpu.prime, of: gvisor}, is: 50 %}
  - {id: A3, text: opening a file costs runc 7 % of the rate, section: "1", better: higher,
     overhead: {cell: fs.open@rootfs, of: runc}, is: 7.4 %}
  - {id: A4, text: crun loses memory bandwidth, section: "2",
     overhead: {cell: mem.triad, of: crun}, is: more}
  - {id: A5, text: from least to most, section: "2",
     order: {cell: sys.exec, of: [[host, runc], crun, gvisor]}}
  - {id: A6, text: systrap is fast, section: "3", overhead: {cell: sys.getpid, of: systrap}, is: alike}
  - {id: A7, text: clocks, section: "3", overhead: {cell: clock.gettime, of: gvisor}, is: alike}
  - {id: A8, text: the sum, section: "3", printed: {sum: [1.5, 2]}, is: "5"}
  - {id: A9, text: starts, section: "3", value: {cell: life.start, of: runc}, is: 1 s}
"""


@case
def golden_text_and_markdown():
    path = mine(MINE)
    golden("replicate.txt", replicate("--from", "r1", "--claims", path))
    golden("replicate.md", replicate("--from", "r1", "--claims", path, "--format", "md"))
    golden("replicate-gvisor.txt", replicate("--from", "r1", "--claims", "gvisor", columns="120"))


@case
def nothing_hostile_reaches_the_terminal():
    path = mine(MINE)
    for fmt in ("text", "md", "csv", "json"):
        out = replicate("--from", "r1", "--claims", path, "--format", fmt)
        expect("\x1b" not in out and "\x07" not in out, fmt)
    out = replicate("--from", "r1", "--claims", path, "--format", "md")
    expect("<script>" not in out and "\\<script\\>" in out and "T\\_1" in out, out)
    expect(replicate("--from", "r1", "--claims", path, LC_ALL="C").isascii(), "not ASCII")


@case
def every_claim_gets_a_verdict():
    r = json.loads(replicate("--from", "r1", "--format", "json",
                             *[a for f in FILES for a in ("--claims", f)]))
    expect([f["name"] for f in r["files"]] == list(FILES), r)
    for f in r["files"]:
        with open(os.path.join(SOURCE_ROOT, "claims", f["name"] + ".yaml")) as text:
            ids = re.findall(r"^  - id: (\S+)$", text.read(), re.M)
        expect([c["id"] for c in f["claims"]] == ids, f["name"])
        expect(sum(f["counts"].values()) == len(ids), f["counts"])
        for c in f["claims"]:
            expect(c["verdict"] in VERDICTS, c)
            expect((c["verdict"] == "untested") <= bool(c["because"]), c)
            expect(c["verdict"] == "untested" or c["here"] or c["order"] or c["test"] == "figures", c)
    paper = {c["id"]: c for c in r["files"][0]["claims"]}
    expect(len([i for i in paper if i.startswith("R")]) == 107, len(paper))
    # Where the paper contradicts itself it is said, whatever was measured.
    expect(paper["R048"]["own_figures"]["agrees"] == "no", paper["R048"])
    expect(paper["R082"]["verdict"] == "holds", paper["R082"])


@case
def verdicts_are_what_the_fixture_was_made_to_show():
    r = json.loads(replicate("--from", "r1", "--claims", mine(MINE), "--format", "json"))
    got = {c["id"]: c for c in r["files"][0]["claims"]}
    want = {"A1": "holds", "A2": "does-not-hold", "A3": "holds", "A4": "undecided", "A5": "does-not-hold",
            "A6": "untested", "A7": "untested", "A8": "does-not-hold", "A9": "untested"}
    expect({i: c["verdict"] for i, c in got.items()} == want, got)
    expect("this build has ptrace, kvm" in got["A6"]["because"], got["A6"])
    expect("the probe said" in got["A7"]["because"], got["A7"])
    expect(got["A9"]["because"] == "r1 has no life.start", got["A9"])


@case
def csv_says_the_same():
    args = ("--from", "r1", "--claims", "paper", "--claims", mine(MINE))
    rows = list(csv.DictReader(io.StringIO(replicate(*args, "--format", "csv"))))
    files = json.loads(replicate(*args, "--format", "json"))["files"]
    claims = [(f["name"], c) for f in files for c in f["claims"]]
    expect(len(rows) == len(claims) and None not in rows[0], rows[0])
    for row, (name, c) in zip(rows, claims):
        expect((row["file"], row["id"], row["verdict"]) == (name, c["id"], c["verdict"]), row)
        expect((row["value"] == "") == (c["here"] is None), row)


@case
def conditions_stand_beside_those_of_the_run():
    r = cupel("export", "r1", env={"CUPEL_STATE": state_fixture()})
    run = json.loads(r.out)
    run["run"]["machine"].update(kernel="6.1 <b>|", os="Debian", cpu_model="A CPU", cpus_online=4,
                                 memory_bytes=2**33, virtualisation="kvm")
    run["targets"][1]["info"] = {"kind": "runc", "version": "runc version 7"}
    run["cells"][0]["params"]["limit"] = 30000
    state = os.path.join(WORK, "conditions")
    os.mkdir(state, 0o700)
    path = mine(json.dumps(run), "run.json")
    r = cupel("import", path, env={"CUPEL_STATE": state})
    expect(r.status == 0, r)
    got = json.loads(replicate("--from", "r1", "--format", "json", CUPEL_STATE=state))["files"][0]
    here = {c["name"]: c["here"] for c in got["conditions"]}
    expect(here["kernel"] == "6.1 <b>|" and here["system"] == "Debian", here)
    expect(here["machine"] == "A CPU (4 CPUs), 8.00 GiB of memory, inside kvm", here)
    expect(here["engine"] == "none (the runtimes' own command line)", here)
    expect(here["runc"] == "runc version 7" and here["kata"] == "none", here)
    expect(here["parameters"] == "limit=30000" and here["repeats"] == "12 blocks", here)
    expect("6.1 \\<b\\>\\|" in replicate("--from", "r1", "--format", "md", CUPEL_STATE=state), "md")


@case
def fits_the_terminal():
    for columns in (60, 80, 120):
        for line in replicate("--from", "r1", "--claims", "paper", columns=str(columns)).splitlines():
            expect(len(line) <= columns or "://" in line, line)


@case
def what_is_wrong_is_said_with_its_place():
    def refused(*args):
        r = replicate(*args, ok=False)
        expect(r.status == 1, r)
        return one_line(r)
    expect("there are crun, gvisor, paper" in refused("--from", "r1", "--claims", "papr"), "papr")
    path = mine(MINE.replace("cell: sys.getpid, of: gvisor", "cell: sys.getpit, of: gvisor"), "bad.yaml")
    line = refused("--from", "r1", "--claims", path)
    expect(":13:23: cell: no cell \"sys.getpit\"; did you mean sys.getpid?" in line, line)
    expect("--target cannot be given with --from" in refused("--from", "r1", "--target", "host"), "target")
    expect("--format json" in refused("--json", "x"), "json")
    expect("named mine are there already" in
           refused("--from", "r1", "--claims", mine(MINE), "--claims", mine(MINE, "two.yaml")), "twice")
    r = replicate("--from", "r9", ok=False)
    expect(r.status != 0 and "r9" in one_line(r), r)


@case
def the_map_is_what_the_docs_have():
    path = os.path.join(SOURCE_ROOT, "docs/paper-map.md")
    out = replicate("--map")
    if "--update" in sys.argv:
        with open(path, "w") as f:
            f.write(out)
    with open(path) as f:
        expect(f.read() == out, "docs/paper-map.md is stale: cupel replicate --map > docs/paper-map.md")


@case
def the_map_has_every_place_and_names_what_there_is():
    rows = [line.split(" | ") for line in replicate("--map").splitlines() if line.startswith("| ")][1:]
    places = {re.sub(r"\\", "", r[0].removeprefix("| ")) for r in rows}
    r = json.loads(replicate("--from", "r1", "--format", "json"))
    missing = {c["place"] for c in r["files"][0]["claims"]} - places
    expect(not missing, missing)
    for wanted in ["Fig. %d" % i for i in range(6, 23)] + ["Table 1", "Table 2", "Table 3"]:
        expect(wanted in places, wanted)
    catalogue = json.loads(cupel("workloads", "--json").out)
    suites = {s for w in catalogue for c in w["cells"] if isinstance(c, dict) for s in c["suites"]}
    commands = cupel("--help").out
    for row in rows:
        for command in re.findall(r"`(cupel [^`]*)`", row[2]):
            expect("\n  %s " % command.split()[1] in commands, command)
            for suite in re.findall(r"--suite (\S+)", command):
                expect(suite in suites, command)


main()

"""Reports of a made-up run against the files in tests/golden, and what they promise beside.

    tests/cli/test-show.py --update    (with meson's environment) rewrites the golden files
"""
import base64
import csv
import hashlib
import io
import json
import math
import os
import re
import struct
import sys

from cli import case, cupel, expect, golden, golden_text, main, on_terminal, state_fixture

ESCAPE = "\033"


def shown(*args, **env):
    r = cupel("show", *args, env={"CUPEL_STATE": state_fixture(), "COLUMNS": "130", **env})
    expect(r.status == 0 and r.err == "", r)
    return r.out


@case
def table():
    golden("table.txt", shown())


@case
def table_on_eighty_columns():
    text = shown(COLUMNS="80")
    golden("table-80.txt", text)
    expect(max(map(len, text.splitlines())) <= 80, "a line is too long")


@case
def table_split_on_fifty_columns():
    text = shown(COLUMNS="50")
    golden("table-50.txt", text)
    head = [l for l in text.splitlines() if l.startswith(" ") and "run" in l]
    expect(len(head) >= 2, "it was not split")


@case
def table_without_utf8():
    text = shown(LC_ALL="C")
    golden("table-ascii.txt", text)
    expect(text.isascii(), "not ASCII")


@case
def absolute_values():
    golden("absolute.txt", shown("--absolute"))


@case
def one_cell():
    golden("cell.txt", shown("--cell", "sys.getpid,runsc:ptrace"))


@case
def a_cell_that_failed():
    golden("cell-failed.txt", shown("--cell", "clock.gettime,runsc:ptrace"))


@case
def a_cell_of_an_unusable_target():
    golden("cell-unusable.txt", shown("--cell", "sys.getpid,runsc:systrap"))


@case
def markdown():
    golden("table.md", shown("--format", "md"))


def same_number(a, b):
    if a == b:
        return True
    try:
        return math.isclose(float(a), float(b), rel_tol=1e-9)
    except ValueError:
        return False


def golden_csv(name, text):
    """Figures are compared as numbers: the last digits belong to the C library."""
    wanted = list(csv.reader(io.StringIO(golden_text(name, text))))
    got = list(csv.reader(io.StringIO(text)))
    expect(len(got) == len(wanted), "another number of lines")
    for a, b in zip(wanted, got):
        expect(len(a) == len(b) and all(map(same_number, a, b)), "wanted %s\ngot    %s" % (a, b))


@case
def csv_summary():
    golden_csv("summary.csv", shown("--format", "csv"))


@case
def csv_of_samples():
    r = cupel("export", "--format", "csv", env={"CUPEL_STATE": state_fixture()})
    rows = list(csv.DictReader(io.StringIO(r.out)))
    expect(len({len(row) for row in rows}) == 1, "ragged")
    # 12 blocks, 9 cells, 4 targets, 5 rounds; 12 + 2 trials failed and left one line each.
    expect(len(rows) == 12 * 9 * 4 * 5 - 14 * 5 + 14, len(rows))
    failed = [row for row in rows if row["outcome"] != "ok"]
    expect(len(failed) == 14 and all(row["ns"] == "" for row in failed), "failures have no value")
    golden_csv("samples-head.csv", "".join(r.out.splitlines(True)[:30]))


def reported(*args):
    r = cupel("report", *args, env={"CUPEL_STATE": state_fixture()})
    expect(r.status == 0 and r.err == "", r)
    return r.out


@case
def report_as_markdown():
    golden("report.md", reported("--format", "md"))


@case
def report_of_estimates_is_what_show_says():
    for form in ("csv", "json"):
        expect(reported("--format", form) == shown("--format", form), form)


@case
def page_is_one_file_that_runs_its_own_scripts_alone():
    page = reported()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page).group(1)
    expect("default-src 'none'" in policy and "unsafe" not in policy, policy)
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    bodies = re.findall(r"<(script|style)>(.*?)</\1>", page, re.S)
    expect(len(bodies) == 3 == len(allowed), "two scripts and a style")
    for _, body in bodies:
        hashed = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        expect(hashed in allowed, "a script or style that its hash does not allow")
    expect(not re.search(r"<(img|link|iframe|object|embed|base)\b| (src|srcset|on\w+)=", page.split(
        "<script", 1)[0]), "the page refers to something else")


@case
def data_of_the_page_is_inert():
    page = reported()
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1)
    expect(data.isascii() and not set(data) & set("<>&"), "something can end or begin an element")
    run = json.loads(data)
    expect(json.dumps(run["answers"]).count("evil") == 2, run["answers"])
    cell = run["cells"][2]
    expect(cell["name"] == "sys.getpid" and cell["chapter"] == "calls", cell["name"])
    one = cell["targets"][3]
    values = struct.unpack("<%df" % sum(one["n"]), base64.b64decode(one["y"]))
    expect(len(values) == 12 * 5 == len(one["p"]), "not every sample is there")
    raw = [row for row in csv.DictReader(io.StringIO(cupel(
        "export", "--format", "csv", env={"CUPEL_STATE": state_fixture()}).out))
        if row["cell"] == "sys.getpid" and row["target"] == "runsc:ptrace"]
    for value, row in zip(values, raw):
        expect(math.isclose(value, int(row["ns"]) / int(row["ops"]), rel_tol=1e-6), row)


@case
def page_needs_a_file_or_a_pipe():
    status, text = on_terminal("report", env={"CUPEL_STATE": state_fixture()})
    expect(status == 1 and "--output" in text and len(text.splitlines()) == 1, text)


@case
def json_has_what_the_paper_needs():
    r = json.loads(shown("--json"))
    cells = {(c["cell"], c["target"]): c for c in r["cells"]}
    expect(len(cells) == 45, len(cells))
    host, guest = cells["sys.getpid", "host"], cells["sys.getpid", "runsc:ptrace"]
    expect(guest["verdict"] == "slower" and host["verdict"] is None and host["base"], guest)
    expect(100 < guest["ratio"]["lo"] < guest["ratio"]["value"] < guest["ratio"]["hi"] < 140, guest)
    native, virt = 1 / host["mean_ns"], 1 / guest["mean_ns"]
    expect(math.isclose(guest["overhead"], abs(virt - native) / native, rel_tol=1e-9), guest)
    expect(math.isclose(abs(guest["degradation"]), guest["overhead"], rel_tol=1e-9), guest)
    expect(guest["degradation"] > 0 and guest["n"] == 12 and guest["variance_ns2"] > 0, guest)
    failed = cells["clock.gettime", "runsc:ptrace"]
    expect(failed["status"] == "failed" and failed["ratio"] is None and failed["mean_ns"] is None,
           failed)
    expect(failed["failure"]["kind"] == "measurement", failed)
    expect(cells["sys.exec", "runsc:ptrace"]["failure"]["blocks_failed"] == 2, "2 of 12")


@case
def a_target_with_failures_is_never_called_faster():
    r = json.loads(shown("--json"))
    for c in r["cells"]:
        expect(c["failure"] is None or c["verdict"] != "faster", c)


@case
def no_failure_is_shown_as_a_number():
    for args in ([], ["--absolute"], ["--format", "md"]):
        for line in shown(*args).splitlines():
            if line.startswith(("clock.gettime", "| clock.gettime")):
                expect("bad data" in line and not re.search(r"\s0(\.0+)?\s", line), line)


@case
def hostile_text_comes_out_inert():
    state = {"CUPEL_STATE": state_fixture()}
    outputs = [shown(), shown("--absolute"), shown("--format", "md"), shown("--format", "csv"),
               shown("--cell", "clock.gettime,runsc:ptrace"), shown("--cell", "sys.getpid,runc"),
               shown("--json"), cupel("export", "--format", "csv", env=state).out,
               cupel("runs", env=state).out]
    expect("evil" in outputs[0], "the fixture's hostile text is not shown at all")
    for text in outputs:
        bad = [c for c in text if (c < " " and c != "\n") or c == "\x7f" or "\x80" <= c < "\xa0"]
        expect(not bad, bad)


@case
def colours_on_a_terminal():
    status, text = on_terminal("show", env={"CUPEL_STATE": state_fixture()})
    expect(status == 0 and ESCAPE + "[1;31m" in text, text)
    # A hostile text must not bring escapes of its own: all there are come from our own list.
    expect(set(re.findall(ESCAPE + r"[^m]*m", text)) <=
           {ESCAPE + c for c in ("[0m", "[1m", "[2m", "[33m", "[1;31m", "[1;32m", "[1;35m")}, text)


@case
def no_color_is_honoured():
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        status, text = on_terminal("show", env={"CUPEL_STATE": state_fixture(), **env})
        expect(status == 0 and ESCAPE not in text, text)


@case
def plain_when_piped():
    expect(ESCAPE not in shown(), "an escape in piped output")


@case
def runs_lists_it():
    r = cupel("runs", env={"CUPEL_STATE": state_fixture()})
    expect(r.status == 0 and r.out.startswith("r1 ") and "complete" in r.out, r)
    r = cupel("runs", "--json", env={"CUPEL_STATE": state_fixture()})
    expect(json.loads(r.out)[0]["run"] == "r1", r)


@case
def a_run_is_found_by_number_and_uuid():
    wanted = shown()
    for spec in ("r1", "1", "0f0e0d0c"):
        expect(shown(spec) == wanted, spec)


@case
def again_is_a_command_that_run_takes():
    text = shown("--cell", "sys.getpid,runsc:ptrace")
    again = re.search(r"^  again +cupel run (.*)$", text, re.M).group(1).split()
    # --help ends it once everything before has been parsed.
    r = cupel("run", *again, "--help")
    expect(r.status == 0, r)


@case
def export_plan_is_a_plan():
    r = cupel("export", "--format", "plan", env={"CUPEL_STATE": state_fixture()})
    expect(r.status == 0 and "runsc:ptrace" in r.out and "sys.getpid" in r.out, r)


@case
def export_and_import_show_the_same():
    state = {"CUPEL_STATE": state_fixture()}
    text = cupel("export", env=state).out
    db = os.path.join(state["CUPEL_STATE"], "other.db")
    r = cupel("import", "-", "--db", db, stdin=text.encode())
    expect(r.status == 0, r)
    a, b = (json.loads(cupel("show", "--json", *args, env=state).out) for args in
            ([], ["--db", db]))
    expect(a["cells"] == b["cells"], "the estimates differ after a round trip")
    again = json.loads(cupel("export", "--db", db, env=state).out)
    # Import makes control characters inert and marks the run as imported; all else stays.
    first = json.loads(re.sub(r"\\u00[01][0-9A-Fa-f]", "?", text))
    for o in (first, again):
        del o["run"]["status"], o["summary"]
    for key in first:
        expect(again[key] == first[key], key)


main()

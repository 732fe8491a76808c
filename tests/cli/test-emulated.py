"""Targets whose CPU is emulated in software: labelled wherever their figures stand, and judged by
nothing unless that is asked for.

    tests/cli/test-emulated.py --update    (with meson's environment) rewrites the golden files
"""
import csv
import io
import json
import os

from cli import WORK, case, cupel, expect, golden, main
from emulatedrun import TARGETS, document, state


def said(command, *args, where=state, columns="100", status=0, **env):
    r = cupel(command, *args, env={"CUPEL_STATE": where(), "COLUMNS": columns, **env})
    expect(r.status == status and r.err == "", r)
    return r.out


def cells(*args, **how):
    r = json.loads(said("show", "--json", *args, **how))
    return r, {(c["cell"], c["target"]): c for c in r["cells"]}


@case
def the_table_says_so_in_head_cells_and_legend():
    text = said("show")
    golden("emulated.txt", text)
    expect("vm (emulated CPU)" in text and "no verdict (--emulated-too gives one)" in text, text)
    expect("slower" in text, "the other target is judged")


@case
def absolute_values_say_so():
    golden("emulated-absolute.txt", said("show", "--absolute"))


@case
def without_utf8():
    expect(said("show", LC_ALL="C").isascii(), "not ASCII")


@case
def markdown():
    golden("emulated.md", said("report", "--format", "md"))


@case
def json_has_the_label_and_no_verdict():
    r, by = cells()
    expect([t["emulated"] for t in r["targets"]] == [False, False, True], r["targets"])
    expect([t["geometric_mean"] is None for t in r["targets"]] == [True, False, True], r["targets"])
    vm = by["sys.getpid", "vm"]
    expect(vm["verdict"] == "emulated-cpu" and "emulated-cpu" in vm["flags"], vm)
    expect(abs(vm["ratio"]["value"] - 10) < .1 and vm["ratio"]["lo"] is not None, vm)
    expect(vm["holm_p"] is None, vm)
    expect(by["sys.getpid", "runc"]["verdict"] == "slower", by["sys.getpid", "runc"])


@case
def csv_has_both():
    rows = list(csv.DictReader(io.StringIO(said("show", "--format", "csv"))))
    expect({(x["target"], x["emulated"]) for x in rows} == {("host", ""), ("runc", ""), ("vm", "yes")},
           rows)
    expect({x["verdict"] for x in rows if x["target"] == "vm"} == {"emulated-cpu"}, rows)
    trade = list(csv.DictReader(io.StringIO(said("show", "--trade", "--format", "csv"))))
    costs = [x for x in trade if x["target"] == "vm" and x["kind"] == "cost"]
    expect(costs and all(x["value"] == x["verdict"] == "" for x in costs), costs)


@case
def one_cell_says_why():
    text = said("show", "--cell", "sys.getpid,vm")
    expect("emulated CPU" in text and "says anything of the hardware" in " ".join(text.split()), text)


@case
def asked_for_verdicts_are_given_and_the_label_stays():
    r, by = cells("--emulated-too")
    expect(by["sys.getpid", "vm"]["verdict"] == "slower", by["sys.getpid", "vm"])
    expect(r["targets"][2]["emulated"] and r["targets"][2]["geometric_mean"], r["targets"])
    text = said("show", "--emulated-too")
    expect("vm (emulated CPU)" in text and "no verdict" not in text, text)
    page = said("report", "--emulated-too")
    expect("no verdict" not in page.split("<script>")[0], "a page like any other")


@case
def a_run_that_was_asked_for_them_has_them():
    wish = lambda: state("emulated-too", plan={"emulated_too": True})
    _, by = cells(where=wish)
    expect(by["sys.getpid", "vm"]["verdict"] == "slower", by["sys.getpid", "vm"])


@case
def it_is_kept_by_export_and_import():
    text = said("export", "--format", "json")
    expect(json.loads(text)["targets"][2]["info"]["emulated"] is True, "lost")
    expect(json.loads(text)["plan"]["emulated_too"] is False, "not as it was")
    db = os.path.join(WORK, "again.db")
    r = cupel("import", "-", "--db", db, stdin=text.encode())
    expect(r.status == 0, r)
    r = json.loads(cupel("show", "--json", "--db", db).out)
    expect([t["emulated"] for t in r["targets"]] == [False, False, True], r["targets"])
    plan = said("export", "--format", "plan", where=lambda: state("too", plan={"emulated_too": True}))
    expect("emulated_too: yes" in plan, plan)


@case
def files_of_before_have_none():
    doc = document(targets=[{**t, "info": None} for t in TARGETS])
    expect("emulated_too" not in doc["plan"], "not of before")
    db = os.path.join(WORK, "before.db")
    r = cupel("import", "-", "--db", db, stdin=json.dumps(doc).encode())
    expect(r.status == 0, r)
    r = json.loads(cupel("show", "--json", "--db", db).out)
    expect(not any(t["emulated"] for t in r["targets"]), r["targets"])
    expect({c["verdict"] for c in r["cells"] if c["target"] == "vm" and c["cell"] == "sys.getpid"} ==
           {"slower"}, r["cells"])


@case
def it_meets_no_limit_unless_that_is_asked_for():
    text = said("advise", "--loss", "sys.getpid=20x", "--format", "json")
    expect('"meets"' in text, text)
    targets = lambda t: {x["target"]: x for x in json.loads(t)["targets"]}
    expect(targets(text)["vm"]["verdict"] == "not-measured", text)
    expect(targets(text)["runc"]["verdict"] == "meets", text)
    text = said("advise", "--loss", "sys.getpid=20x", "--format", "json", "--emulated-too")
    expect(targets(text)["vm"]["verdict"] == "meets", text)


main()

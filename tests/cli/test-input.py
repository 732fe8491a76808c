"""Bad input: one clear line naming it and the nearest valid name, nothing started, nothing lost."""
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess

from cli import (FIXTURE, IS_ROOT, STATE, WORK, Skip, case, cupel, expect, fixture, main, older,
                 one_line)


def refused(name, args, *wanted, status=1):
    """A case: cupel with args ends with status and one line that has all of wanted in it."""
    def f():
        r = cupel(*args)
        expect(r.status == status, r)
        line = one_line(r)
        for w in wanted:
            expect(w in line, "%s lacks %s" % (line, w))
        results = os.path.join(STATE, "results.db")
        expect(not os.path.exists(results), "something was stored")
    f.__name__ = name
    case(f)


refused("unknown command", ["shw"], '"shw"', "did you mean show?")
refused("unknown option", ["run", "--taget", "runc"], '"--taget"', "did you mean --target?")
refused("unknown option far from any", ["run", "--xyzzyxyzzy"], '"--xyzzyxyzzy"', "--help")
refused("unknown short option", ["run", "-Z"], '"-Z"')
refused("unknown short option in a cluster", ["run", "-qZ"], '"-Z"')
refused("ambiguous option", ["run", "--b", "3"], "several", "--b")
refused("option without its argument", ["run", "--blocks"], "--blocks wants N")
refused("flag with a value", ["run", "--quiet=3"], "--quiet takes no value")
refused("option given twice", ["run", "--blocks", "3", "--blocks", "4"], "twice")
refused("too many operands", ["show", "r1", "r2"], '"r2"')
refused("too few operands", ["import"], "FILE... is missing")
refused("empty text", ["run", "--base", ""], "--base")
refused("unknown workload", ["run", "--workload", "sys.getpit"], '"sys.getpit"', "sys.getpid")
refused("unknown cell", ["run", "--workload", "fs.open@tmpf"], "fs.open@tmpf", "fs.open@tmpfs")
refused("glob that matches nothing", ["run", "--workload", "zz.*"], "zz.*")
refused("unknown suite", ["run", "--suite", "quik"], '"quik"', "quick")
refused("unknown target", ["run", "--target", "rnc"], '"rnc"', "did you mean runc?")
refused("platform that is a name", ["run", "--target", "runscs+:crun"], 'no target "runscs+:crun"')
refused("unknown platform", ["run", "--target", "runsc:ptrce"], "runsc:ptrce", "runsc:ptrace")
refused("target by a path that is not there", ["run", "--target", "oci:/no/such/runtime"],
        "/no/such/runtime")
refused("target that cannot be parsed", ["run", "--target", "a=b=runc"], "a=b=runc")
refused("target glob that matches nothing", ["run", "--target", "nope*"], "nope*")
refused("label given twice", ["run", "--target", "a=host", "--target", "a=host"], "a")
refused("base that is no target", ["run", "--target", "host", "--base", "hots"], "hots", "host")
refused("unknown parameter", ["run", "--workload", "cpu.prime", "-p", "limt=100"], "limt", "limit")
refused("parameter out of range", ["run", "--workload", "cpu.prime", "-p", "limit=-1"], "limit")
refused("parameter without a value", ["run", "--workload", "cpu.prime", "-p", "limit"], "limit")
refused("unit that does not exist", ["run", "--budget", "4x"], "--budget", "4x")
refused("time without a unit", ["run", "--interval", "4"], "--interval")
refused("precision out of range", ["run", "--precision", "200%"], "--precision")
refused("precision that is no number", ["run", "--precision", "tight"], "--precision", "tight")
refused("no blocks", ["run", "--blocks", "0"], "--blocks")
refused("blocks that are no number", ["run", "--blocks", "many"], "--blocks", "many")
refused("number that overflows", ["run", "--blocks", "99999999999999999999"], "--blocks")
refused("slice too short", ["run", "--slice", "1us"], "--slice")
refused("unknown limit", ["run", "--limit", "cpu=1"], '"cpu"', "cpus")
refused("limit without a value", ["run", "--limit", "memory"], "memory")
refused("limit with a bad size", ["run", "--limit", "memory=4Q"], "memory")
refused("limit of I/O with a bad size", ["run", "--limit", "io=fast"], "io")
refused("unknown format", ["show", "--format", "mdd"], '"mdd"', "md")
refused("summary of the wrong format", ["export", "--summary", "--format", "plan"], "--summary")
refused("resume with a plan of its own", ["run", "--resume", "r1", "--blocks", "3"], "--blocks")
refused("plan that is not there", ["run", "--plan", WORK + "/none.yaml"], "none.yaml", status=2)
refused("workloads of an unknown name", ["workloads", "sys.getpit"], "sys.getpid")
refused("show before anything was measured", ["show"], "nothing was measured yet", status=2)
refused("runs before anything was measured", ["runs"], "nothing was measured yet", status=2)
refused("report before anything was measured", ["report", "--output", WORK + "/x.html"],
        "nothing was measured yet", status=2)
refused("report in an unknown form", ["report", "--format", "pdf"], '"pdf"', "html")
refused("report in a place that is not there", ["report", "--output", WORK + "/no/x.html"], "/no",
        status=2)
refused("json in a place that is not there",
        ["run", "--target", "host", "--json", WORK + "/no/x.json"], "/no", status=2)
refused("control characters are refused", ["run", "--workload", "a\033[2Jb\nc"], "control")


@case
def an_error_has_no_control_characters():
    r = cupel("run", "--workload", "a\033[2Jb\nc\007")
    expect(all(c == "\n" or c >= " " for c in r.err), repr(r.err))


@case
def plan_error_names_line_and_column():
    path = os.path.join(WORK, "my.yaml")
    with open(path, "w") as f:
        f.write("suite: quick\ntargets:\n  - host\nrouds: 3\n")
    r = cupel("run", "--plan", path)
    expect(r.status == 1, r)
    line = one_line(r)
    expect("my.yaml:4:1" in line and "rouds" in line and "rounds" in line, line)


@case
def unknown_run_cell_and_target_of_show():
    db = fixture("ask.db")
    for args, wanted in ((["r77"], "r77"), (["nonsense"], "nonsense"),
                         (["--cell", "sys.getpit,runc"], "sys.getpid"),
                         (["--cell", "sys.getpid,rnc"], "runc"), (["--cell", "sys.getpid"], "--cell")):
        r = cupel("show", "--db", db, *args)
        expect(r.status in (1, 2) and wanted in one_line(r), r)


@case
def report_of_a_run_that_is_not_there():
    path = os.path.join(WORK, "none.html")
    r = cupel("report", "r77", "--db", fixture("one.db"), "--output", path)
    expect(r.status in (1, 2) and "r77" in one_line(r) and not os.path.exists(path), r)


@case
def results_of_an_older_format_are_brought_up_to_date():
    db = older(fixture("older.db"))
    r = cupel("show", "--db", db)
    expect(r.status == 0 and r.err == "" and "sys.getpid" in r.out, r)
    with contextlib.closing(sqlite3.connect(db)) as c:
        expect(c.execute("PRAGMA user_version").fetchone()[0] > 3, "still of the older format")


@case
def report_replaces_a_file_as_a_whole():
    path, db = os.path.join(WORK, "page.html"), fixture("page.db")
    with open(path, "w") as f:
        f.write("old")
    r = cupel("report", "--db", db, "--output", path)
    expect(r.status == 0 and r.out == r.err == "", r)
    with open(path) as f:
        expect(f.read().startswith("<!DOCTYPE html>"), "not written")
    expect([n for n in os.listdir(WORK) if n.startswith("page.html")] == ["page.html"], "left over")


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@case
def damaged_database():
    db = os.path.join(WORK, "damaged.db")
    with open(db, "wb") as f:
        f.write(b"this is not a database, " * 100)
    before = digest(db)
    for args in (["show"], ["runs"], ["run", "--target", "host"]):
        r = cupel(*args, "--db", db)
        expect(r.status == 2 and "damaged.db" in one_line(r), r)
    expect(digest(db) == before, "it was changed")


@case
def database_damaged_in_the_middle():
    db = fixture("torn.db")
    size = os.path.getsize(db)
    with open(db, "r+b") as f:
        f.seek(4096)
        f.write(b"\xa5" * (size - 8192))
    before = digest(db)
    r = cupel("show", "--db", db)
    expect(r.status == 2 and "torn.db" in one_line(r), r)
    expect(digest(db) == before, "it was changed")


@case
def newer_database():
    db = fixture("newer.db")
    c = sqlite3.connect(db)
    c.execute("PRAGMA user_version = 99")
    c.commit()
    c.close()
    before = digest(db)
    for args in (["show"], ["runs"], ["run", "--target", "host"], ["import", "/dev/null"]):
        r = cupel(*args, "--db", db)
        expect(r.status == 2, r)
        if args[0] != "import":
            expect("newer" in one_line(r) and "99" in r.err, r)
    expect(digest(db) == before, "it was changed")


def exported():
    db = fixture("whole.db")
    r = cupel("export", "--db", db)
    expect(r.status == 0, r)
    return r.out


@case
def truncated_json_stores_nothing():
    text = exported()
    db = fixture("kept.db")
    runs = cupel("runs", "--db", db).out
    for cut in (0, 1, len(text) // 3, len(text) - 3):
        path = os.path.join(WORK, "cut.json")
        with open(path, "w") as f:
            f.write(text[:cut])
        r = cupel("import", path, "--db", db)
        expect(r.status in (1, 2) and "cut.json" in one_line(r), r)
        expect(cupel("runs", "--db", db).out == runs, "something was stored")


@case
def import_of_a_run_that_is_there():
    text = exported().encode()
    db = os.path.join(WORK, "twice.db")
    r = cupel("import", "-", "--db", db, stdin=text)
    expect(r.status == 0 and r.out == "imported as r1\n", r)
    r = cupel("import", "-", "--db", db, stdin=text)
    expect(r.status in (1, 2) and one_line(r), r)
    expect(len(json.loads(cupel("runs", "--db", db, "--json").out)) == 1, "stored twice")


@case
def import_of_something_else():
    for text in (b"[]", b"{}", b"null", b"\xff\xfe", b"{\"format\": 1}", b"{\"format\": 99}"):
        r = cupel("import", "-", "--db", os.path.join(WORK, "else.db"), stdin=text)
        expect(r.status in (1, 2) and "standard input" in one_line(r), (text, r))


@case
def results_in_a_directory_that_is_not_there():
    r = cupel("run", "--target", "host", "--db", WORK + "/no/such/results.db")
    expect(r.status == 2 and "/no/such" in one_line(r), r)


@case
def results_that_are_a_directory():
    r = cupel("run", "--target", "host", "--db", WORK)
    expect(r.status == 2 and WORK in one_line(r), r)


class Mounted:
    """A small tmpfs of the test's own."""
    def __init__(self, name, options):
        self.path, self.options = os.path.join(WORK, name), options

    def __enter__(self):
        if not IS_ROOT:
            raise Skip("mounting needs root")
        os.mkdir(self.path)
        p = subprocess.run(["mount", "-t", "tmpfs", "-o", self.options, "cupel-test", self.path],
                           capture_output=True, text=True)
        if p.returncode:
            raise Skip("cannot mount a tmpfs: " + p.stderr.strip())
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", self.path], check=True)


@case
def results_on_a_read_only_place():
    with Mounted("ro", "size=64m") as d:
        shutil.copy(fixture("for-ro.db"), d + "/old.db")
        subprocess.run(["mount", "-o", "remount,ro", d], check=True)
        for name in ("new.db", "old.db"):
            r = cupel("run", "--target", "host", "--db", d + "/" + name)
            expect(r.status == 2 and "ead-only" in one_line(r), r)
        r = cupel("show", "--db", d + "/old.db")
        expect(r.status == 0 and "sys.getpid" in r.out, r)
        r = cupel("export", "--db", d + "/old.db", "--output", d + "/x.json")
        expect(r.status == 2 and "ead-only" in one_line(r), r)


@case
def results_on_a_full_place():
    with Mounted("full", "size=1m") as d:
        r = cupel("run", "--target", "host", "--db", d + "/results.db")
        expect(r.status == 2 and "free" in one_line(r), r)
        expect(os.listdir(d) == [], "something was made")


@case
def export_to_a_full_place_keeps_what_was_there():
    with Mounted("full2", "size=64k") as d:
        with open(d + "/run.json", "w") as f:
            f.write("precious\n")
        r = cupel("export", "--db", fixture("big.db"), "--output", d + "/run.json")
        expect(r.status == 2 and "o space" in one_line(r), r)
        with open(d + "/run.json") as f:
            expect(f.read() == "precious\n", "overwritten")
        expect(os.listdir(d) == ["run.json"], os.listdir(d))


@case
def output_to_a_full_device():
    with open("/dev/full", "w") as full:
        p = subprocess.run([os.environ["CUPEL"], "workloads"], stdout=full, stderr=subprocess.PIPE,
                           text=True, env=dict(os.environ, CUPEL_STATE=STATE))
    expect(p.returncode == 2 and "standard output" in p.stderr, p)


@case
def a_reader_that_goes_away_is_no_error():
    p = subprocess.run("%s workloads | head -n 1" % os.environ["CUPEL"], shell=True,
                       capture_output=True, text=True)
    expect(p.returncode == 0 and p.stderr == "", p)


@case
def a_probe_that_is_not_there():
    r = cupel("run", "--target", "host", env={"CUPEL_PROBE": WORK + "/nothing"})
    expect(r.status == 2 and "CUPEL_PROBE" in one_line(r), r)


main()

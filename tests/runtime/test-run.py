#!/usr/bin/env python3
"""Whole runs of the real program over real targets: what is measured, when, in which order, what is
kept, and what happens when something goes wrong.

    test-run.py CUPEL PROBE LIAR

LIAR is a probe that lies (liar.c). CUPEL_PROBE in the environment stands for PROBE: a static one for a
sanitised build, whose own cannot run in a container. Prints TAP. Every run has a state directory below one temporary
directory; nothing outside it and the control groups of the runs is touched. So three cases run at a time,
most of whose time is waiting, except those whose figures another's work would change.
"""
import atexit
import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import statistics
import subprocess
import sys
import tempfile
import time

import machine
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import FULL, Skip, alone, case, expect, full_case, long_case, run_cases  # noqa: E402

CUPEL, PROBE, LIAR = (os.path.abspath(a) for a in sys.argv[1:4])
PROBE = os.environ.get("CUPEL_PROBE", PROBE)
WORK = tempfile.mkdtemp(prefix="cupel-run-")
atexit.register(shutil.rmtree, WORK, True)
ROOT = os.geteuid() == 0
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
# How many run when a crowd is killed; the long form asks for more.
CROWD = 200 if FULL else 60
# How many times as long runs may take: on an emulated CPU.
SLOW = int(os.environ.get("CUPEL_TEST_SLOW", "1"))
SHORT = ["--slice", "2ms", "--rounds", "3"]


def need(*runtimes):
    if not ROOT:
        raise Skip("needs root")
    for r in runtimes:
        if not shutil.which(r, path=PATH):
            raise Skip(r + " is not installed")


def environment(state, probe=PROBE):
    return dict(os.environ, PATH=PATH, CUPEL_STATE=state, CUPEL_PROBE=probe, LC_ALL="C.UTF-8")


class Bench:
    """A state directory with its own results, and cupel in it."""
    number = itertools.count(1)

    def __init__(self, probe=PROBE):
        self.state = os.path.join(WORK, "s%d" % next(Bench.number))
        os.mkdir(self.state, 0o700)
        self.env = environment(self.state, probe)

    def cupel(self, *args, timeout=90):
        return subprocess.run([CUPEL, *args], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=SLOW * timeout)

    def run(self, *args, status=0, timeout=90):
        r = self.cupel("run", "--quiet", *args, timeout=timeout)
        expect(r.returncode == status, r)
        return r

    def begin(self, *args):
        return subprocess.Popen([CUPEL, "run", *args], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def export(self, run=None):
        r = self.cupel("export", *([run] if run else []), "--format", "json")
        expect(r.returncode == 0, r)
        return json.loads(r.stdout)

    def group(self):
        """Control groups of the run that is measuring now: {controller: path}."""
        folder = os.path.join(self.state, "run")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return ["/sys/fs/cgroup/%s/cupel-%s" % (c, n) for n in names
                for c in os.listdir("/sys/fs/cgroup") + ["."]
                if os.path.isdir("/sys/fs/cgroup/%s/cupel-%s" % (c, n))]

    def leftovers(self):
        found = []
        for sub in ("run", "ledger"):
            folder = os.path.join(self.state, sub)
            found += [folder + "/" + n for n in os.listdir(folder)] if os.path.isdir(folder) else []
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            found += [line for line in f if self.state + "/" in line]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, encoding="utf-8", errors="replace") as f:
                    text = f.read()
            except OSError:
                continue
            if self.state + "/" in text:
                found.append(text.replace("\0", " "))
        return found + self.group()

    def expect_clean(self):
        for _ in range(40):
            if not self.leftovers():
                return
            time.sleep(.05)
        raise AssertionError(self.leftovers())


def samples(trial, data, target):
    """Of one part, as dictionaries."""
    for part in trial["parts"]:
        if part["target"] == target:
            return [dict(zip(data["sample_columns"], s)) for s in part["samples"]]
    return []


def wait_for_block(process, number):
    line = ""
    while not line.startswith("block %d" % number):
        line = process.stderr.readline()
        expect(line, "it ended early")


def script(name, body):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + body)
    os.chmod(path, 0o755)
    return path


def workloads(*names):
    return [a for n in names for a in ("--workload", n)]


def targets(*names):
    return [a for n in names for a in ("--target", n)]


def memory_gb():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def expect_failure(part, kind, text):
    expect(part["outcome"] == "failed" and part["failure"]["kind"] == kind and
           re.search(text, part["failure"]["text"]), part)


# ---- what is measured, and in which order ----

@case
def host_alone():
    b = Bench()
    r = b.run(*targets("host"), *workloads("sys.getpid", "cpu.prime"), *SHORT, "--blocks", "2")
    expect("sys.getpid" in r.stdout and "cpu.prime" in r.stdout and r.stderr == "", r)
    d = b.export()
    expect(d["run"]["status"] == "complete" and len(d["blocks"]) == 2 and len(d["trials"]) == 4, d["run"])
    b.expect_clean()


@case
def every_target_fills_every_cell():
    need("runc", "crun", "runsc")
    b = Bench()
    b.run(*targets("host", "runc", "crun", "runsc:ptrace"),
          *workloads("sys.getpid", "fs.open@tmpfs", "clock.gettime"), *SHORT, "--blocks", "2")
    d = b.export()
    expect(len(d["trials"]) == 6, len(d["trials"]))
    for trial in d["trials"]:
        expect(sorted(p["target"] for p in trial["parts"]) == [0, 1, 2, 3], trial)
        everything = []
        for part in trial["parts"]:
            own = samples(trial, d, part["target"])
            expect(part["outcome"] == "ok" and part["verified"], part)
            expect([s["round"] for s in own] == [0, 1, 2], own)
            expect(all(s["ops"] > 0 and 0 < s["ns"] <= s["control_ns"] * 1.001 + 2000 for s in own), own)
            everything += [dict(s, target=part["target"]) for s in own]
        # One after the other, each round every target once, and each knows its predecessor.
        everything.sort(key=lambda s: s["start_ns"])
        for i, s in enumerate(everything):
            expect(s["round"] == i // 4 and s["position"] == i % 4, (i, s))
            expect(s["previous"] == (everything[i - 1]["target"] if i else None), (i, s))
            expect(not i or s["start_ns"] >= everything[i - 1]["start_ns"] +
                   everything[i - 1]["control_ns"], (everything[i - 1], s))
    expect(len(d["sessions"]) == 8 and all(s["proof"] and s["hello"] for s in d["sessions"]),
           d["sessions"])
    b.expect_clean()


def schedule(d):
    starts = [(s["block"], s["target"]) for s in d["sessions"]]
    cells = [(t["block"], t["position"], t["cell"]) for t in d["trials"]]
    rounds = [(t["block"], t["cell"], p["target"], s["round"], s["position"])
              for t in d["trials"] for p in t["parts"] for s in samples(t, d, p["target"])]
    return starts, sorted(cells), sorted(rounds)


@long_case
def a_seed_repeats_every_order():
    b = Bench()
    found = []
    for seed in ("7", "7", "8"):
        b.run(*targets("host", "b=host", "c=host"), *workloads("sys.getpid", "clock.gettime", "mm.mmap"),
              "--slice", "1ms", "--rounds", "6", "--blocks", "3", "--seed", seed)
        found.append(schedule(b.export()))
    expect(found[0] == found[1], "the same seed, another order")
    for one, other in zip(found[0], found[2]):
        expect(one != other, "another seed, the same order")
    orders = {}
    for block, cell, target, rnd, position in found[0][2]:
        orders.setdefault((block, cell, rnd), {})[position] = target
    expect(len({tuple(sorted(o.items())) for o in orders.values()}) == 6, "not every order came up")


@long_case
def repeats_are_exact_and_the_interval_is_kept():
    b = Bench()
    b.run(*targets("host", "b=host"), *workloads("sys.getpid"), *SHORT, "--repeats", "7",
          "--interval", "300ms")
    d = b.export()
    expect([x["complete"] for x in d["blocks"]] == [True] * 7, d["blocks"])
    expect(len(d["trials"]) == 7, len(d["trials"]))
    for one, other in zip(d["blocks"], d["blocks"][1:]):
        expect(other["start_ns"] - one["end_ns"] >= 300e6, (one, other))


@case
def settling_is_waited_for():
    b = Bench()
    b.run(*targets("host"), *workloads("sys.getpid"), *SHORT, "--blocks", "1", "--settle", "900ms")
    d = b.export()
    first = samples(d["trials"][0], d, 0)[0]
    expect(first["start_ns"] - d["blocks"][0]["start_ns"] >= 900e6, (first, d["blocks"]))


@long_case
def a_budget_is_kept():
    b = Bench()
    begin = time.monotonic()
    r = b.run(*targets("host", "b=host"), *workloads("sys.getpid"), *SHORT, "--budget", "4s",
              "--precision", "0.01%")
    took = time.monotonic() - begin
    expect(2 < took < 9 and "the budget ended" in r.stdout, (took, r))
    # One that is shorter than a block ends between two cells.
    begin = time.monotonic()
    r = b.run(*targets("host", "b=host"), *workloads("call"), "--slice", "20ms", "--budget", "2s", status=3)
    took = time.monotonic() - begin
    d = b.export()
    expect(took < 8 and 0 < len(d["trials"]) < len(d["cells"]), (took, len(d["trials"])))
    expect([w for w in d["warnings"] if w["kind"] == "budget"], d["warnings"])
    expect("the budget ended before every cell had been measured once" in r.stdout, r)


@case
def solo_is_one_target_at_a_time():
    b = Bench()
    b.run(*targets("host", "b=host", "c=host"), *workloads("sys.getpid", "clock.gettime"), *SHORT,
          "--blocks", "2", "--solo")
    d = b.export()
    expect(len(d["trials"]) == 4, d["trials"])
    for block in range(2):
        spans = []
        for target in range(3):
            own = [s for t in d["trials"] if t["block"] == block for s in samples(t, d, target)]
            expect(len(own) == 6, own)
            spans.append((min(s["start_ns"] for s in own), max(s["start_ns"] + s["ns"] for s in own)))
        spans.sort()
        expect(all(one[1] <= other[0] for one, other in zip(spans, spans[1:])), spans)


def median_ratio(d, target):
    """Of the time per operation of a target to that of target 0, over all rounds of all trials."""
    ratios = []
    for t in d["trials"]:
        one, base = samples(t, d, target), samples(t, d, 0)
        ratios += [a["ns"] / a["ops"] / (b["ns"] / b["ops"]) for a, b in zip(one, base)]
    return statistics.median(ratios)


@long_case
@alone
def a_target_twice_is_the_same_twice():
    b = Bench()
    r = b.run(*targets("host", "host"), *workloads("cpu.prime"), "--slice", "10ms", "--repeats", "8")
    d = b.export()
    expect([t["label"] for t in d["targets"]] == ["host", "host#2"], d["targets"])
    expect("host#2" in r.stdout, r)
    expect(.9 < median_ratio(d, 1) < 1.1, r)


@long_case
@alone
def injected_work_is_told_apart():
    b = Bench()
    r = b.run(*targets("host", "slow=host,inject=cpu:20%"), *workloads("cpu.prime"), "--slice", "10ms",
              "--repeats", "8")
    row = [line for line in r.stdout.splitlines() if line.startswith("cpu.prime")][0]
    expect("slower" in row, r.stdout)
    expect(1.1 < median_ratio(b.export(), 1) < 1.35, row)


@long_case
@alone
def a_planted_slowdown_fails_the_gate():
    need("runc")
    b = Bench()
    r = b.run("--base", "old=runc", "--target", "new=runc,inject=cpu:5%", *workloads("cpu.prime"), "-p",
              "limit=1000", "--gate", "2%", "--budget", "60s", status=5)
    expect("gate 2 %: failed" in r.stdout, r.stdout)
    c = b.export()["summary"]["gate"]["comparisons"]
    expect(len(c) == 1 and c[0]["state"] == "regressed" and c[0]["ratio"]["lo"] > 1.02, c)


# ---- interrupted, killed, resumed ----

MANY = [*targets("host", "b=host"), *workloads("sys.getpid", "clock.gettime", "mm.mmap"), *SHORT]


def expect_whole(d, blocks):
    pairs = [(t["block"], t["cell"]) for t in d["trials"]]
    expect(len(pairs) == len(set(pairs)) == blocks * 3, sorted(pairs))
    expect([x["complete"] for x in d["blocks"]] == [True] * blocks, d["blocks"])
    expect(d["run"]["status"] == "complete", d["run"]["status"])


@case
def an_interrupt_ends_in_order_and_resume_finishes():
    b = Bench()
    p = b.begin(*MANY, "--repeats", "6", "--seed", "5")
    wait_for_block(p, 3)
    time.sleep(.15)
    begin = time.monotonic()
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=30)
    expect(time.monotonic() - begin < 5, "the interrupt took too long")
    expect(p.returncode == 3 and "interrupted" in err and "sys.getpid" in out, (out, err))
    b.expect_clean()
    d = b.export()
    expect(d["run"]["status"] == "interrupted" and len(d["trials"]) >= 9, d["run"])
    before = {(t["block"], t["cell"]): t["start_ns"] for t in d["trials"]}
    expect(b.cupel("show").returncode == 0, "show")
    run = re.search(r"--resume (r\d+)", err).group(1)
    b.run("--resume", run)
    d = b.export()
    expect_whole(d, 6)
    for key, start in before.items():
        expect([t["start_ns"] for t in d["trials"] if (t["block"], t["cell"]) == key] == [start], key)
    # It went on as the run would have without the interrupt.
    again = Bench()
    again.run(*MANY, "--repeats", "6", "--seed", "5")
    one, other = schedule(d), schedule(again.export())
    expect(one[1:] == other[1:], "the resumed run had another schedule")
    r = b.cupel("run", "--resume", run)
    expect(r.returncode == 1 and "nothing to go on with" in r.stderr and
           len(r.stderr.splitlines()) == 1, r)
    expect(b.export()["run"]["status"] == "complete", "a refused resume changed the run")


@case
def killed_at_once_and_resumed():
    need("runc")
    b = Bench()
    p = b.begin(*targets("host", "runc"), *workloads("sys.getpid", "clock.gettime", "mm.mmap"), *SHORT,
                "--repeats", "6")
    wait_for_block(p, 2)
    p.kill()
    p.wait()
    expect(b.export()["run"]["status"] == "running", "status")
    expect(len(b.export()["trials"]) >= 6, "trials were lost")
    b.run("--resume", "r1")
    expect_whole(b.export(), 6)
    b.expect_clean()


@case
def another_machines_run_is_not_resumed():
    b = Bench()
    p = b.begin(*MANY, "--repeats", "50")
    wait_for_block(p, 1)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=30)
    db = sqlite3.connect(os.path.join(b.state, "results.db"))
    db.execute("update run set machine_id = 'elsewhere'")
    db.commit()
    db.close()
    r = b.cupel("run", "--resume", "r1")
    expect(r.returncode == 1 and "another machine" in r.stderr and len(r.stderr.splitlines()) == 1, r)
    expect(b.export()["run"]["status"] == "interrupted", "a refused resume changed the run")
    r = b.cupel("run", "--resume", "r77")
    expect(r.returncode in (1, 2) and "r77" in r.stderr, r)


@long_case
def two_runs_at_once():
    b = Bench()
    p = b.begin(*targets("host"), *workloads("sys.getpid"), *SHORT, "--repeats", "500")
    try:
        wait_for_block(p, 1)
        second = [*targets("host"), *workloads("sys.getpid"), *SHORT, "--blocks", "1", "--db",
                  os.path.join(b.state, "second.db")]
        r = b.run(*second, status=2)
        expect("--share" in r.stderr and str(p.pid) in r.stderr and not r.stdout, r)
        b.run(*second, "--share")
        r = b.cupel("export", "--format", "json", "--db", os.path.join(b.state, "second.db"))
        expect([w for w in json.loads(r.stdout)["warnings"] if w["kind"] == "shared"], r.stdout[-2000:])
        r = b.cupel("run", "--resume", "r1", "--share")
        expect(r.returncode == 2 and "measuring now" in r.stderr and len(r.stderr.splitlines()) == 1, r)
        expect(p.poll() is None, "the first run was disturbed")
    finally:
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=30)


# ---- targets that fail ----

VERSION = 'case "$1" in --version) echo "x version 1"; exit 0;; esac\n'


@long_case
def a_target_that_cannot_start_is_one_column():
    need("runc")
    b = Bench()
    fails = script("fails", VERSION + "echo 'no such thing' >&2; exit 1\n")
    hangs = script("hangs", VERSION + 'for a; do [ "$a" = create ] && exec sleep 1000; done; exit 0\n')
    r = b.run(*targets("host", "runc", "f=oci:" + fails, "h=oci:" + hangs),
              *workloads("sys.getpid", "clock.gettime"), *SHORT, "--blocks", "1", status=3)
    expect("no such thing" in r.stdout and "timed out" in r.stdout, r)
    d = b.export()
    expect([t["usable"] for t in d["targets"]] == [True, True, False, False], d["targets"])
    expect(d["targets"][3]["info"]["why"] == "timeout", d["targets"][3])
    expect(all(p["outcome"] == "ok" for t in d["trials"] for p in t["parts"]), d["trials"])
    b.expect_clean()
    r = b.run(*targets("host", "f=oci:" + fails), *workloads("sys.getpid"), *SHORT, "--blocks", "1",
              "--base", "f", status=2)
    expect(re.search("base f cannot be used", r.stderr) and len(r.stderr.splitlines()) == 1, r)
    r = b.run(*targets("f=oci:" + fails), *workloads("sys.getpid"), *SHORT, "--blocks", "1", status=4)
    expect(r.stderr.count("\n") == 1 and r.stdout == "", r)
    b.expect_clean()


@case
def a_session_that_dies_is_replaced():
    need("runc")
    b = Bench()
    p = b.begin(*targets("host", "runc"), *workloads("sys.getpid", "clock.gettime", "mm.mmap", "cpu.prime"),
                "--slice", "20ms", "--rounds", "10", "--repeats", "3")
    wait_for_block(p, 1)
    killed, end = None, time.monotonic() + 20
    while not killed and time.monotonic() < end:
        time.sleep(.02)
        if sqlite_count(b, "trial") < 5: # in a trial of the second block, not between two
            continue
        killed = kill_payload(b)
    expect(killed, "no payload was found")
    out, err = p.communicate(timeout=60)
    expect(p.returncode == 3, (p.returncode, out, err))
    d = b.export()
    expect(d["run"]["status"] == "complete" and len(d["trials"]) == 12, d["run"])
    bad = [x for t in d["trials"] for x in t["parts"] if x["outcome"] == "failed"]
    expect(len(bad) == 1 and bad[0]["target"] == 1, bad)
    expect_failure(bad[0], "measurement", "signal 9|killed|ended|died")
    expect(len([s for s in d["sessions"] if s["target"] == 1 and s["outcome"] == "ok"]) == 4, d["sessions"])
    expect("1 of 3" in out or "failed" in out, out)
    b.expect_clean()


def sqlite_count(b, table):
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(b.state, "results.db"), uri=True)
    try:
        return db.execute("select count(*) from " + table).fetchone()[0]
    finally:
        db.close()


def kill_payload(b):
    """Kills the probe of this bench's run that is process 1 of a container."""
    for group in b.group():
        for folder, _, files in os.walk(group):
            if "cgroup.procs" not in files:
                continue
            with open(folder + "/cgroup.procs", encoding="utf-8") as f:
                pids = f.read().split()
            for pid in pids:
                try:
                    with open("/proc/%s/status" % pid, encoding="utf-8") as f:
                        text = f.read()
                except OSError:
                    continue
                if re.search(r"^Name:\tcupel-probe", text, re.M) and \
                        re.search(r"^NSpid:\t\d+\t1$", text, re.M):
                    os.kill(int(pid), signal.SIGKILL)
                    return pid
    return None


def liar(way):
    path = os.path.join(WORK, "liar-" + way)
    shutil.copy(LIAR, path)
    with open(path, "ab") as f:
        f.write(b" " * 32 + b":" + way.encode())
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    return path


LIE = [*targets("host"), *workloads("cpu.prime"), *SHORT, "--blocks", "1"]
silent = Bench()


@case
def lies_are_failures_with_a_kind():
    Bench(liar("honest")).run(*LIE)
    for way, kind, text in (
            ("slow-clock", "measurement", "clock"),
            ("no-time", "measurement", "no time"),
            ("ops", "measurement", "operations"),
            ("type", "measurement", "pong"),
            ("seq", "measurement", "seq|answer"),
            ("nonce", "measurement", "nonce|stranger|not ours"),
            ("flood", "measurement", "."),
            ("endless", "measurement", "."),
            ("dies", "measurement", "signal 9|killed|ended"),
            ("unverified", "measurement", "the sum is off by one")):
        b = Bench(liar(way))
        r = b.run(*LIE, status=4, timeout=30)
        d = b.export()
        expect(len(d["trials"]) == 1, (way, r))
        try:
            expect_failure(d["trials"][0]["parts"][0], kind, text)
        except AssertionError as e:
            raise AssertionError("%s: %s" % (way, e)) from e
        b.expect_clean()


@case
def silence_is_a_time_out():
    out, err = silent_run.communicate(timeout=60)
    expect(silent_run.returncode == 4, (out, err))
    expect_failure(silent.export()["trials"][0]["parts"][0], "timeout", "slice")
    silent.expect_clean()


# ---- runtimes, limits ----

@case
def a_runtime_is_asked_each_thing_once():
    need("runc")
    b = Bench()
    log = os.path.join(WORK, "verbs")
    real = shutil.which("runc", path=PATH)
    spy = script("spy", '''for a; do case "$a" in create|start|state|kill|delete|exec|run|ps|events|list)
echo "$a" >> %s; break;; esac; done
exec %s "$@"
''' % (log, real))
    b.run(*targets("host", "spy=oci:" + spy), *workloads("sys.getpid"), *SHORT, "--repeats", "2")
    with open(log, encoding="utf-8") as f:
        verbs = f.read().split()
    # The preflight's session and one for each block.
    sessions = " ".join(verbs).split("create ")[1:]
    expect(len(sessions) == 3, verbs)
    for s in sessions:
        v = s.split()
        expect(v[0] == "start" and v[-1] == "delete" and v.count("state") <= 2 and
               set(v) <= {"start", "state", "kill", "delete"} and v.count("kill") <= 1, v)


def limits_in_force(b):
    """{session folder: {file: value}} of every group two levels below the run's."""
    names = {"cpu.cfs_quota_us", "cpu.max", "memory.limit_in_bytes", "memory.max", "pids.max"}
    found = {}
    for group in b.group():
        for folder, _, files in os.walk(group):
            for name in names & set(files):
                try:
                    with open(os.path.join(folder, name), encoding="utf-8") as f:
                        found.setdefault(folder[folder.index("/cupel-"):], {})[name] = f.read().strip()
                except OSError:
                    pass
    return found


def watch_limits(*args):
    b = Bench()
    p = b.begin(*args, *workloads("cpu.prime"), "--slice", "20ms", "--rounds", "5", "--repeats", "2")
    wait_for_block(p, 1)
    found, end = {}, time.monotonic() + 20
    while p.poll() is None and time.monotonic() < end:
        for folder, values in limits_in_force(b).items():
            found.setdefault(folder, {}).update(values)
        time.sleep(.02)
    out, err = p.communicate(timeout=60)
    expect(p.returncode == 0, (out, err))
    return {f: v for f, v in found.items() if f.count("/") > 1}, b


def limited(values):
    quota = values.get("cpu.max", "").split()
    cpu = values.get("cpu.cfs_quota_us") == "50000" or \
        (len(quota) == 2 and quota[0] != "max" and int(quota[0]) * 2 == int(quota[1]))
    memory = "268435456" in (values.get("memory.max"), values.get("memory.limit_in_bytes"))
    return cpu, memory, values.get("pids.max") == "100"


@long_case
def limits_hold_for_every_target_alike():
    need("runc")
    for target in ("host", "runc"):
        found, _ = watch_limits(*targets(target), "--limit", "cpus=0.5,memory=256M,pids=100")
        got = [any(x) for x in zip(*map(limited, found.values()))]
        expect(got == [True, True, True], (target, found))
    found, _ = watch_limits(*targets("host"))
    expect(found, "no groups were seen")
    expect(not any(any(limited(v)) for v in found.values()), found)
    for v in found.values():
        expect(v.get("cpu.cfs_quota_us", "-1") == "-1" and v.get("cpu.max", "max").startswith("max"), v)
        expect(v.get("pids.max", "max") == "max" and v.get("memory.max", "max") == "max", v)


@case
def what_this_machine_cannot_measure_says_so():
    b = Bench()
    cpu = str(max(os.sched_getaffinity(0)))
    command = [*targets("host", "b=host"), *workloads("ipc.switch@cross", "sys.getpid"), *SHORT]
    r = subprocess.run(["taskset", "-c", cpu, CUPEL, "run", "--quiet", *command, "--blocks", "2"],
                       env=b.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    expect(r.returncode == 3 and "not measured" not in r.stdout, r)
    d = b.export()
    impossible = [c["name"] for c in d["cells"]].index("ipc.switch@cross")
    own = [t for t in d["trials"] if t["cell"] == impossible]
    expect(len(own) == 1 and len(d["trials"]) == 3, d["trials"])
    for part in own[0]["parts"]:
        expect_failure(part, "unsupported", "needs two CPUs")


# ---- workloads that run whole ----

def cell_trials(d, name):
    index = [c["name"] for c in d["cells"]].index(name)
    return [t for t in d["trials"] if t["cell"] == index]


@case
def one_execution_serves_several_cells():
    need("runc")
    b = Bench()
    b.run(*targets("host", "runc"), *workloads("disk.write@rootfs-64k", "disk.reread@rootfs-64k"),
          "-p", "size=1M", "--repeats", "2")
    d = b.export()
    write, reread = cell_trials(d, "disk.write@rootfs-64k"), cell_trials(d, "disk.reread@rootfs-64k")
    expect(len(write) == len(reread) == 2, d["trials"])
    for x, y in zip(write, reread):
        expect((x["start_ns"], x["end_ns"]) == (y["start_ns"], y["end_ns"]), (x, y))
        for p, q in zip(x["parts"], y["parts"]):
            s, t = p["samples"][0], q["samples"][0]
            expect(p["target"] == q["target"] and len(p["samples"]) == 1, (p, q))
            expect(s[4] == t[4] == 1 and s[5] != t[5] and s[6] == t[6], (s, t))
    # Two blocks, two targets, one session each: the four cells came out of four executions.
    expect(len(d["sessions"]) == 4, d["sessions"])
    b.expect_clean()


@case
@alone
def a_whole_workload_lasts_as_long_as_it_is_told():
    b = Bench()
    b.run(*targets("host"), *workloads("unixbench.mix@1"), "-p", "time=300ms", "--repeats", "1")
    sample = b.export()["trials"][0]["parts"][0]["samples"][0]
    expect(300e6 <= sample[5] < 400e6 and sample[4] > 1000, sample)


def facts_by_cell(data, target):
    """Outcome and facts of every cell's part on one target, of the last block."""
    names = [c["name"] for c in data["cells"]]
    return {names[t["cell"]]: p for t in data["trials"] for p in t["parts"] if p["target"] == target}


@case
def starts_and_ends_are_measured_by_their_steps():
    need("runc", "crun")
    b = Bench()
    b.run(*targets("host", "runc", "crun"), *workloads("life.*"), "--repeats", "2", status=3)
    d = b.export()
    for target in (1, 2):
        parts = facts_by_cell(d, target)
        for cell in ("start", "create", "run", "exit", "delete", "destroy"):
            for variant in ("", "@cold"):
                expect(parts["life." + cell + variant]["outcome"] == "ok", parts["life." + cell + variant])
        f = parts["life.start"]["facts"]
        # The steps of one start are its parts; the cells' samples are the steps.
        expect(f["create_ns"] + f["run_ns"] == f["start_ns"] and f["create_ns"] > 1000000, f)
        sample = dict(zip(d["sample_columns"], parts["life.create"]["samples"][0]))
        expect(sample["ns"] == parts["life.create"]["facts"]["create_ns"] and sample["ops"] == 1, sample)
        expect("destroy" not in f and parts["life.destroy"]["facts"]["destroy_ns"] > 0, f)
    # Two starts bound no percentile, and the cell says how many do.
    shown = b.cupel("show", "--cell", "life.start,crun").stdout
    expect("p50 from 6 blocks on, p90 from 36 blocks on, p99 from 368" in " ".join(shown.split()), shown)
    host = facts_by_cell(d, 0)
    expect(host["life.start"]["outcome"] == "ok", host["life.start"])
    for cell in ("create", "run", "delete"):
        failure = host["life." + cell]["failure"]
        expect(failure["kind"] == "unsupported" and "no such step" in failure["text"], failure)
    b.expect_clean()


@case
def percentiles_of_starts_have_intervals():
    b = Bench()
    b.run(*targets("host"), *workloads("life.start"), "--repeats", "40")
    d = b.export()
    values = sorted(t["parts"][0]["samples"][0][5] for t in d["trials"])
    shown = " ".join(b.cupel("show", "--cell", "life.start,host").stdout.split())
    m = re.search(r"percentiles p50 ([\d.]+) ([mµun]?s) \[[^]]+\], p90 ([\d.]+) ([mµun]?s) \[[^]]+\], p99 from 368", shown)
    expect(m, shown)
    unit = {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
    for figure, of, at in ((1, 2, .5), (3, 4, .9)):
        place = at * (len(values) - 1)
        low = int(place)
        exact = values[low] + (place - low) * (values[low + 1] - values[low])
        expect(abs(float(m[figure]) * unit[m[of]] / exact - 1) < .01, (m[0], exact))


@case
def a_crowd_grows_and_goes():
    need("crun")
    b = Bench()
    b.run(*targets("host", "crun"), *workloads("crowd.*", "density.*"), "-p", "max=20", "--repeats", "1", status=3)
    parts = facts_by_cell(b.export(), 1)
    for cell in ("start-10", "start-20", "destroy-10", "destroy-20"):
        p = parts["crowd." + cell]
        expect(p["outcome"] == "ok" and p["facts"]["running"] == 20, p)
        expect(p["samples"][0][4] == 10, p)
    p = parts["density.container"]
    value = 1e-9 * p["samples"][0][5] / p["samples"][0][4]
    expect(abs(value - p["facts"]["container"] / 1024) < .01 and 10 < value < 5000, p)
    expect(p["facts"]["payload_processes"] == 20 and p["facts"]["fit"] > 100, p["facts"])
    r = b.cupel("show", "--format", "runtimeclass")
    classes = r.stdout.split("---\n")[1:]
    expect(r.returncode == 0 and len(classes) == 1, r)
    expect("  name: crun\n" in classes[0] and re.search(r"\n    memory: [1-9]Mi # ", classes[0]) and
           re.search(r"\n    cpu: [1-9]m # ", classes[0]), classes)
    b.run(*targets("host"), *workloads("sys.getpid"), *SHORT, "--blocks", "1")
    r = b.cupel("show", "--format", "runtimeclass")
    expect(r.returncode == 1 and "weighed no container (density.all)" in r.stderr, r)
    failure = parts["crowd.start-30"]["failure"]
    expect("not so many" in failure["text"] and "20 ran at once" in failure["text"], failure)
    b.expect_clean()


@case
def a_killed_crowd_is_cleaned_up():
    need("crun")
    b = Bench()
    p = b.begin(*targets("crun"), *workloads("crowd.*"), "-p", "max=400", "--repeats", "1")
    folder = os.path.join(b.state, "run")
    for _ in range(1200):
        runs = os.listdir(folder) if os.path.isdir(folder) else []
        if runs and len(os.listdir(os.path.join(folder, runs[0]))) > CROWD:
            break
        time.sleep(.05)
    p.send_signal(signal.SIGKILL)
    p.communicate()
    expect(len(os.listdir(os.path.join(folder, os.listdir(folder)[0]))) > CROWD, b.leftovers())
    r = b.cupel("clean")
    expect(r.returncode == 0, r)
    b.expect_clean()


@case
@alone
def starts_at_once():
    need("runc", "crun")
    b = Bench()
    b.run(*targets("host", "runc", "crun"), *workloads("parallel.*"), "-p", "at_once=4", "--repeats", "1", status=3)
    d = b.export()
    for target in range(3):
        parts = facts_by_cell(d, target)
        for n in (1, 2, 4):
            p = parts["parallel.start-%d" % n]
            expect(p["outcome"] == "ok" and p["samples"][0][4] == n, p)
            expect(p["samples"][0][5] == p["facts"]["at_once_%d_ns" % n] >= p["facts"]["each_%d_ns" % n], p)
        expect_failure(parts["parallel.start-8"], "unsupported", "not so many at once")
        f = parts["parallel.start-4"]["facts"]
        # Side by side: one after the other their times would add up to the whole.
        expect(target == 0 or 4 * f["each_4_ns"] > 1.5 * f["at_once_4_ns"], f)
    shown = b.cupel("show", "--absolute").stdout
    expect(re.search(r"parallel.start-4 .* starts/s", shown), shown)
    b.expect_clean()


@case
@alone
def engines_start_several_at_once():
    need("runc")
    engines = [t for t, program in (("docker/runc", "dockerd"), ("podman/runc", "podman"), ("containerd/runc", "containerd"))
               if shutil.which(program, path=PATH)]
    if not engines:
        raise Skip("no engine is installed")
    b = Bench()
    b.run(*targets("host", *engines), *workloads("parallel.start-4"), "-p", "at_once=4", "--repeats", "1")
    d = b.export()
    for i in range(len(engines)):
        p = facts_by_cell(d, i + 1)["parallel.start-4"]
        f = p["facts"]
        expect(p["samples"][0][4] == 4 and 4 * f["each_4_ns"] > 1.5 * f["at_once_4_ns"], (engines[i], f))
    b.expect_clean()


@case
def one_of_several_that_does_not_start():
    need("runc")
    b = Bench()
    # Preflight, the one that run starts, 1 and 2 at once: the seventh is one of the four.
    marks = os.path.join(WORK, "marks")
    os.mkdir(marks)
    third = script("third", VERSION + """case " $* " in *" create "*)
        n=1; while ! mkdir %s/$n 2>/dev/null; do n=$((n + 1)); done
        [ $n = 7 ] && { echo "no more of them" >&2; exit 1; };;
    esac
    exec runc "$@"
    """ % marks)
    b.run(*targets("t=oci:" + third), *workloads("parallel.*"), "--repeats", "1", status=3)
    parts = facts_by_cell(b.export(), 0)
    for n in (1, 2):
        p = parts["parallel.start-%d" % n]
        expect(p["outcome"] == "ok" and not p["failure"], p)
    for n in (4, 8):
        expect_failure(parts["parallel.start-%d" % n], "environment",
                       "1 of 4 at once did not start: .*no more of them")
    b.expect_clean()


@case
def starts_at_once_are_interrupted_and_killed():
    need("runc")
    for sig in (signal.SIGINT, signal.SIGKILL):
        b = Bench()
        p = b.begin(*targets("runc"), *workloads("parallel.*"), "-p", "at_once=32", "--repeats", "1")
        folder = os.path.join(b.state, "run")
        for _ in range(1200):
            runs = os.listdir(folder) if os.path.isdir(folder) else []
            if runs and len([n for n in os.listdir(os.path.join(folder, runs[0])) if n.isdigit()]) > 20:
                break
            time.sleep(.01)
        p.send_signal(sig)
        out, err = p.communicate(timeout=60)
        if sig == signal.SIGKILL:
            expect(b.leftovers(), "it was over already")
            r = b.cupel("clean")
            expect(r.returncode == 0, r)
        else:
            expect(p.returncode != 0 and "interrupted" in err, (p.returncode, out, err))
        b.expect_clean()


@long_case
@alone
def a_neighbour_begins_to_work():
    need("runc")
    b = Bench()
    small = ["-p", "n=1200", "-p", "load_n=3000", "-p", "samples=3"]
    b.run(*targets("host", "runc"), *workloads("neighbour.*"), *small, "--repeats", "1")
    for target in (0, 1):
        parts = facts_by_cell(b.export(), target)
        for cell, same in (("neighbour.slowdown", False), ("neighbour.slowdown@same", True)):
            p = parts[cell]
            f, s = p["facts"], p["samples"][0]
            expect(abs(1e-9 * s[5] / s[4] - f["before_gflops"] / f["with_gflops"]) < 2e-6, (s, f))
            expect(abs(f["loss"] - abs(1 - f["with_gflops"] / f["before_gflops"])) < 1e-9, f)
            expect(abs(f["shrinkage"] - (1 - f["with_cpus"] / f["before_cpus"])) < 1e-9, f)
            counted = [x for x in f["series"] if not x[5]]
            for phase in ("before", "with", "after"):
                gflops = [x[2] for x in counted if x[4] == phase]
                expect(len(gflops) == 3 and abs(statistics.mean(gflops) - f[phase + "_gflops"]) < 1e-9, f)
                expect(abs(statistics.variance(gflops) - f[phase + "_gflops_variance"]) < 1e-6, f)
            expect([x[4] for x in counted] == 3 * ["before"] + 3 * ["with"] + 3 * ["after"], f["series"])
            # The first warms up; the one at work when the neighbour begins has company for a part of its time.
            expect([x[5] for x in f["series"]][0] == 1 and
                   [x[5] for x in f["series"] if x[4] == "with"][0] == 1, f["series"])
            starts = [x[0] for x in f["series"]]
            expect(starts == sorted(starts), f)
            expect((f["on"] == f["load_on"]) == same and len(f["on"]) == len(f["load_on"]), f)
            expect(f["before_cpus"] < 1.1 and (f["with_cpus"] + f["load_cpus"] < 1.15 or not same), f)
    shown = " ".join(b.cupel("show", "--cell", "neighbour.slowdown@same,runc").stdout.split())
    expect(re.search(r"isolation loss I = [\d.]+ %, shrinkage RS = [\d.]+ %, C = I / RS = [\d.]+ affected", shown), shown)
    r = b.run(*targets("host"), *workloads("neighbour.slowdown"), "-p", "load_n=100000", "--repeats", "1", status=4)
    expect(re.search(r"systems of order 5000 and 100000 take 96.2 GB, and [\d.]+ GB are available",
                     " ".join(r.stdout.split())) or memory_gb() > 96, r)
    b.expect_clean()


INSIDE = ["--limit", "cpus=1,memory=256M,pids=256,io=100M"]


def beside(b, target, *names, param=(), status=0):
    """The facts of each cell, from one block."""
    b.run(*targets(target), *workloads(*names), *INSIDE, *param, "--repeats", "1", status=status)
    return facts_by_cell(b.export(), 0)


@long_case
@alone
def an_aggressor_is_held_inside_its_limits():
    need("runc")
    b = Bench()
    parts = beside(b, "runc", "beside.*@prime", "tail.cpu@prime", "beside.idle@triad", "beside.fsync@create",
                   "beside.idle@write")
    expect(len(parts) == 16, sorted(parts))
    for name, p in parts.items():
        expect(p["outcome"] == "ok", (name, p))
        f, s = p["facts"], p["samples"][0]
        which = "tail" if name.startswith("tail.") else "slowdown"
        ratio = f["with_ns"] / f["without_ns"] if which == "slowdown" else f["p99_with_ns"] / f["p99_without_ns"]
        expect(abs(f[which] - 1e6 * ratio) < 2 and abs(1e-9 * s[5] / s[4] - ratio) < 2e-6, (name, s, f))
        for loaded, n in ((0, "samples_without"), (1, "samples_with")):
            counted = [x for x in f["series"] if x[3] == loaded and not x[4]]
            expect(len(counted) == f[n] > 0, (name, f))
        timed = f.get("tail_series", [])
        expect(bool(timed) == name.endswith(("@prime", "@create")), (name, f))
        # None in the tenth of a second in which the aggressor gets going: it starts with a plain sample.
        begins = [after[0] for before, after in zip(f["series"], f["series"][1:]) if after[3] > before[3]]
        for at, _, _, loaded, edge in timed:
            ramp = any(0 <= at - begin < .08 for begin in begins)
            expect(edge or not (loaded and ramp) or "load_died" in f, (name, f))
        expect(not timed or {x[3] for x in timed if not x[4]} == {0, 1} and any(x[4] for x in timed), (name, f))
        # The percentiles are of those that count, and of no other.
        for loaded, n in ((0, "tails_without"), (1, "tails_with")):
            expect(not timed or sum(x[3] == loaded and not x[4] for x in timed) == f[n], (name, n, f))
        expect(f["allowed_cpus"] == 1 and f["allowed_bytes"] == 256 << 20 and f["held"] is True, (name, f))
        expect(f["allowed_pids"] == 256 and 0 < f.get("peak_pids", 1) <= 256, (name, f))
        expect(f["allowed_io_bps"] == 100 << 20 and f.get("load_written_bps", 0) < 110 << 20, (name, f))
    storms = {name: parts["beside.%s@prime" % name]["facts"] for name in ("idle", "forks", "fsync")}
    expect(storms["forks"].get("refused_pids", 1) > 0 and storms["idle"].get("refused_pids", 0) == 0, storms)
    expect(storms["forks"].get("peak_pids", 256) == 256 > storms["idle"].get("peak_pids", 0), storms)
    expect(storms["fsync"].get("load_written_bps", 1) > 0 == storms["idle"].get("load_written_bps", 0), storms)
    did = {name.split("@")[0][7:]: p["facts"].get("load_did") for name, p in parts.items()}
    expect(did["forks"]["made"] > 200 and did["forks"]["refused"] > 0, did["forks"])
    expect(did["oom"]["killed"] > 0, did["oom"])
    busy = {name: parts["beside.%s@prime" % name]["facts"]["load_cpus"] for name in ("idle", "cpu")}
    expect(busy["idle"] < .1 and busy["cpu"] > .5, busy)
    b.expect_clean()


@case
def what_an_aggressor_writes_is_held():
    need("runc")
    b = Bench()
    b.run(*targets("runc"), "--workload", "beside.fsync@prime", *INSIDE, "--limit", "io=1M", "-p", "phase=1s",
          "-p", "rounds=1", "--repeats", "1")
    f = facts_by_cell(b.export(), 0)["beside.fsync@prime"]["facts"]
    expect(f["allowed_io_bps"] == 1 << 20 and f["held"] is True, f)
    # It writes as fast as it may: a storm without that limit makes several times as much.
    expect(1 << 18 < f.get("load_written_bps", 1 << 20) < 3 << 19, f)
    shown = " ".join(b.cupel("show", "--cell", "beside.fsync@prime,runc").stdout.split())
    expect(re.search(r"of 256 processes, wrote [\d.]+ of 1 MiB/s; its limits held", shown), shown)
    b.expect_clean()


def slowdown(b):
    return statistics.median(t["parts"][0]["facts"]["slowdown"] for t in b.export()["trials"])


@full_case
@alone
def a_planted_loss_is_found_and_none_where_there_is_none():
    need("runc")
    b = Bench()
    cell = ("--workload", "beside.idle@prime")
    b.run(*targets("runc"), *cell, *INSIDE, "-p", "planted=500", "-p", "rounds=1", "--repeats", "7")
    planted = slowdown(b)
    expect(1.4e6 < planted < 1.6e6, planted)
    b.run(*targets("runc"), *cell, *INSIDE, "-p", "rounds=1", "--repeats", "7")
    none = slowdown(b)
    expect(.9e6 < none < 1.1e6, none)


@long_case
def an_aggressor_needs_its_limits():
    need("runc")
    b = Bench()
    for limit, lacks in ((None, "CPU"), ("cpus=1", "memory"), ("cpus=1,memory=512M", "process"),
                         ("cpus=1,memory=512M,pids=256", "I/O")):
        r = b.run(*targets("runc"), "--workload", "beside.fsync@prime", *(["--limit", limit] if limit else []),
                  "--repeats", "1", status=4)
        expect("no %s limit is in force" % lacks in " ".join(r.stdout.split()), r)
    r = b.run(*targets("host"), "--workload", "beside.forks@prime", *INSIDE, "--repeats", "1", status=4)
    expect("only with --i-understand" in " ".join(r.stdout.split()), r)
    b.run(*targets("host"), "--workload", "beside.forks@prime", *INSIDE, "--repeats", "1", "--i-understand",
          "-p", "phase=100ms")
    r = b.run(*targets("runc"), "--workload", "beside.cpu@prime", "--limit", "cpus=1,memory=900G,pids=99",
              "--repeats", "1", status=4)
    expect(re.search(r"take 1933.\d GB, and [\d.]+ GB are available", " ".join(r.stdout.split())), r)
    b.expect_clean()


@full_case
def an_aggressor_in_another_target():
    need("runc", "crun", "runsc")
    b = Bench()
    cell = ("--workload", "beside.cpu@prime", *INSIDE, "--repeats", "1", "-p", "rounds=1")
    for victims, where in ((("runc",), "crun"), (("runc", "crun"), "crun"), (("runc",), "runsc:ptrace"),
                           (("runc",), "same")):
        b.run(*targets(*victims), *cell, "-p", "aggressor=" + where)
        d = b.export()
        expect([t["label"] for t in d["targets"]] == list(victims), d["targets"])
        for i, victim in enumerate(victims):
            f = facts_by_cell(d, i)["beside.cpu@prime"]["facts"]
            expect(f["load_target"] == (victim if where == "same" else where) and f["held"] is True, (where, f))
    shown = " ".join(b.cupel("show", "--cell", "beside.cpu@prime,runc").stdout.split())
    expect("aggressor ran in runc" in shown, shown)
    for name, says in (("crunn", 'no target "crunn"; did you mean crun?'), ("a b", "character 2"),
                       ("/none/x", "no program at /none/x")):
        r = b.run(*targets("runc"), *cell, "-p", "aggressor=" + name, status=1)
        expect(r.stderr.count("\n") == 1 and "-p aggressor" in r.stderr and says in r.stderr, r)
    # Its name is checked as any target's: this one says that it is a crun.
    false = script("crun", '[ "$1" = --version ] && echo crun version 1.14 && exit\nexec runc "$@"\n')
    r = b.run(*targets("runc"), *cell, "-p", "aggressor=x=oci:" + false, status=4)
    said = " ".join(r.stdout.split())
    expect("the aggressor's target x: this is not crun" in said, r)
    r = b.run(*targets("runc"), *cell, "-p", "aggressor=host", status=4)
    expect("only with --i-understand" in " ".join(r.stdout.split()), r)
    b.run(*targets("runc"), *cell, "-p", "aggressor=host", "--i-understand")
    expect(facts_by_cell(b.export(), 0)["beside.cpu@prime"]["facts"]["load_target"] == "host", b.export())
    # The host as a victim needs no such consent.
    b.run(*targets("host"), *cell, "-p", "aggressor=runc")
    b.expect_clean()


@long_case
@alone
def redis_suffers_beside_an_aggressor():
    need("runc", "runsc", "redis-server", "redis-benchmark")
    b = Bench()
    # The application as it is declared, with this machine's own programs instead of a download.
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../workloads/redis.yaml")
    folder = os.path.join(b.state, "workloads")
    os.mkdir(folder)
    with open(source, encoding="utf-8") as f, open(folder + "/redis.yaml", "w", encoding="utf-8") as own:
        own.write(re.sub("(?m)^image: .*", "image: {programs: [redis-server, redis-benchmark]}", f.read()))
    b.env["CUPEL_WORKLOADS"] = folder
    cell = ("--workload", "beside.cpu@redis", *INSIDE, "--repeats", "1", "-p", "rounds=1")
    b.run(*targets("runc", "runsc:ptrace"), *cell, "-p", "aggressor=runc")
    d = b.export()
    for i in range(2):
        p = facts_by_cell(d, i)["beside.cpu@redis"]
        f = p["facts"]
        expect(p["outcome"] == "ok" and 100 < f["without_ns"] < 1e6 and f["samples_with"] > 0, p)
        expect(f["load_target"] == "runc" and "redis-server" in f["image"], f)
        # About a tenth of a second each, and what starting the client takes.
        expect(all(x[1] < 2 for x in f["series"]), f["series"])
    expect(d["cells"][0]["app"].startswith("# Redis under"), d["cells"])
    b.expect_clean()
    # The run knows what it ran: it can be repeated where nobody else does.
    plan = os.path.join(b.state, "plan.yaml")
    with open(plan, "w", encoding="utf-8") as f:
        f.write(b.cupel("export", "--format", "plan").stdout)
    os.remove(folder + "/redis.yaml")
    r = b.run(*targets("runc"), *cell, status=4)
    expect("no application redis is known here" in " ".join(r.stdout.split()), r)
    b.run("--plan", plan)
    expect(facts_by_cell(b.export(), 1)["beside.cpu@redis"]["outcome"] == "ok", b.export())


def read_or_nothing(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except OSError:
        return ""


def in_groups(b, *names, group=""):
    """What the files so called say, of all control groups (or those so called) of the runs in b's state
    directory."""
    return [text for top in b.group() for folder, _, files in os.walk(top) if folder.endswith(group)
            for n in names if n in files for text in [read_or_nothing(folder + "/" + n)]]


def wait_until(what, seconds):
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(.02)
    return what()


def is_at_work(b, load):
    # In the 20 ms that a bomb has an emulated CPU makes some thirty processes, between two looks of ours.
    if load == "forks" and SLOW > 1:
        return any(int(t) > 20 for t in in_groups(b, "pids.peak", group="box") if t.strip())
    if load == "forks":
        return any(int(t) > 60 for t in in_groups(b, "pids.current") if t.strip())
    return any(int(n) > 0 for t in in_groups(b, "memory.oom_control", "memory.events")
               for n in re.findall(r"^oom_kill (\d+)", t, re.M))


@case
def aggressors_die_with_the_controller():
    need("runc", "runsc")
    for target, load in (("runc", "forks"), ("runc", "oom"), ("host", "forks"), ("host", "oom"),
                         ("runsc:ptrace", "forks")):
        if SLOW > 1 and target == "runsc:ptrace":
            continue  # its own threads are more than its bomb's processes
        b = Bench()
        p = b.begin("--quiet", *targets(target), "--workload", "beside.%s@create" % load, *INSIDE,
                    *(["-p", "phase=1s"] if load == "forks" else []), "--i-understand", "--repeats", "1")
        seen = wait_until(lambda: is_at_work(b, load), 30 * SLOW)
        p.kill()
        p.communicate()
        expect(seen, (target, load))
        # Within two seconds, by the guard; not even `clean` has run.
        expect(wait_until(lambda: not any(t.strip() for t in in_groups(b, "cgroup.procs")), 2),
               (target, load, in_groups(b, "cgroup.procs")))
        b.cupel("clean")
        b.expect_clean()


def what_they_could_do(b, host, runc, runsc):
    """Facts of reach.host on the host, on runc without a filter, and on gVisor."""
    def calls(bits):
        return {i for i in range(512) if int(bits[i // 4], 16) >> (3 - i % 4) & 1}

    def words(facts, name):
        return set(facts[name].split(",")) - {""}

    # Who has no filter could make any call; what made a call could make it, but for gVisor's stubs, which
    # called before they were traced.
    for f in (host, runc):
        expect(f["could_payload"] == f["could_payload_always"] == 512 and "could_unknown" not in f, f)
        expect("could_sandbox" not in f and "shares_sandbox" not in f, f)
    could = calls(runsc["could_sandbox_bits"])
    expect(40 < len(could) == runsc["could_sandbox"] < 200 and runsc["could_sandbox_always"] < len(could), runsc)
    expect(len(calls(runsc["sandbox_bits"]) - could) < 8 and "could_payload" not in runsc, runsc)
    expect(0 < runsc["could_sandbox_unknown"] < runsc["processes"], runsc)
    expect(runsc["could_unknown"] == "another process traces it", runsc)
    own = words(host, "shares_payload")
    expect({"mnt", "pid", "net", "ipc", "uts", "user"} <= own, host)
    expect(not words(runc, "shares_payload") & {"mnt", "pid", "net", "ipc", "uts"}, runc)
    expect("mnt" not in words(runsc, "shares_sandbox"), runsc)
    reached = words(host, "host_paths_payload")
    expect({"/etc/passwd", "/root", "/proc/kallsyms", "/sys/kernel"} <= reached, host)
    inside = {p.removesuffix("(ro)") for p in words(runc, "host_paths_payload")}
    expect(inside < reached and not inside & {"/etc/passwd", "/etc/shadow", "/root", "/proc/kcore"}, runc)
    expect(not words(runsc, "host_paths_sandbox") & {"/etc/passwd", "/etc/shadow", "/root"}, runsc)
    shown = " ".join(b.cupel("show", "--cell", "reach.host,runsc:ptrace").stdout.split())
    m = re.search(r"could (\d+) of the (\d+) that host answers, \d+ of them only with certain arguments; not known "
                  r"of \d+ of its processes \(another process traces it\); not made: \w+, ", shown)
    expect(m and int(m[1]) <= len(could) and 330 < int(m[2]), shown)
    expect(re.search(r"host's ns sandbox: .* host paths sandbox: ", shown), shown)
    shown = " ".join(b.cupel("show", "--cell", "reach.host,runc").stdout.split())
    expect(re.search(r"could all \d+ that host answers", shown), shown)


@case
def how_much_of_a_kernel_is_inside():
    need("runc", "runsc")
    b = Bench()
    b.run("--suite", "reach", *targets("host", "runc", "runsc:ptrace"), "--repeats", "1")
    d = b.export()
    host, runc, runsc = (facts_by_cell(d, t) for t in range(3))
    answered = [p["reach.answered"]["facts"]["answered"] for p in (host, runc, runsc)]
    expect(answered[0] > 330 and answered[0] - 20 <= answered[1] <= answered[0], answered)
    expect(150 < answered[2] < answered[0] - 50, answered)
    s = runsc["reach.answered"]["samples"][0]
    expect(abs(1e9 * s[4] / s[5] - answered[2]) < 1e-6, s)
    shown = " ".join(b.cupel("show", "--cell", "reach.answered,runsc:ptrace").stdout.split())
    m = re.search(r"answered (\d+) of the (\d+) that host answers; not: ([a-z0-9_, ]+)", shown)
    expect(m and int(m[2]) == answered[0] and int(m[1]) <= answered[2], shown)
    expect({"fanotify_init", "userfaultfd", "open_tree"} & set(m[3].split(", ")) and "getpid" not in m[3].split(", "), m[3])
    # runc's payload asks the host's kernel itself, gVisor's never does.
    f = runc["reach.host"]["facts"]
    expect(15 < f["payload_distinct"] < 60 and f["payload_total"] > 20 * 40, f)
    expect(f["host_total"] == f["payload_total"] + f["sandbox_total"] and f["host_a_round"] == f["host_total"] // 20, f)
    g = runsc["reach.host"]["facts"]
    expect(g["payload_total"] == 0 and 15 < g["sandbox_distinct"] == g["host_distinct"] < 100, g)
    expect(g["processes_without_filter"] < g["processes"] and f["processes_without_filter"] == f["processes"] == 1, (f, g))
    expect(0 < f["host_capabilities"] < host["reach.host"]["facts"]["host_capabilities"], f)
    h = host["reach.host"]["facts"]
    expect(abs(h["payload_total"] - f["payload_total"]) < .1 * h["payload_total"], (h, f))
    shown = " ".join(b.cupel("show", "--cell", "reach.host,runc").stdout.split())
    expect(re.search(r"payload \d+: read, write, .*renameat", shown), shown)
    what_they_could_do(b, h, f, g)
    b.expect_clean()


# Becomes the program it is given, in which bpf(2) is not permitted: as in many a container, and where the
# kernel was built without.
NO_BPF = """
import ctypes, os, platform, struct, sys
number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
code = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, number, 6, 0, 0, 0x50001, 6, 0, 0, 0x7fff0000)
text = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", 4, ctypes.addressof(text))
if ctypes.CDLL(None, use_errno=True).prctl(22, 2, program, 0, 0) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""
INSTANCES = "/sys/kernel/tracing/instances"


def begin_without_bpf(b, *args):
    return subprocess.Popen([sys.executable, "-c", NO_BPF, CUPEL, "run", "--quiet", *args], env=b.env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def tracing_instances(b):
    folder = os.path.join(b.state, "run")
    ids = os.listdir(folder) if os.path.isdir(folder) else []
    return [i for i in os.listdir(INSTANCES) if any(i.startswith("cupel-%s-" % n) for n in ids)]


def need_tracing():
    need("runsc")
    if not os.path.isdir(INSTANCES):
        raise Skip("no tracefs is mounted")


@long_case
@alone
def system_calls_are_counted_without_bpf():
    need_tracing()
    b = Bench()
    cells = ["--workload", "reach.host", *targets("host", "runsc:ptrace"), "--repeats", "1"]
    b.run(*cells)
    by_bpf = [facts_by_cell(b.export(), t)["reach.host"]["facts"] for t in range(2)]
    p = begin_without_bpf(b, *cells)
    out, err = p.communicate(timeout=90)
    expect(p.returncode == 0, (out, err))
    by_tracefs = [facts_by_cell(b.export(), t)["reach.host"]["facts"] for t in range(2)]
    expect([f["counted_by"] for f in by_bpf + by_tracefs] == ["bpf"] * 2 + ["tracefs"] * 2, (by_bpf, by_tracefs))
    for key in ("payload_bits", "sandbox_bits", "sandbox_total"):
        expect(by_bpf[0][key] == by_tracefs[0][key], (key, by_bpf[0], by_tracefs[0]))
    # A probe that has answered calls read once more, to wait in it. At either end of the counting that call
    # is just within it or just without: by one way both may be, and by the other neither.
    for key in ("host_total", "payload_total"):
        expect(abs(by_bpf[0][key] - by_tracefs[0][key]) <= 2, (key, by_bpf[0], by_tracefs[0]))
    # How often a sentry's threads wait for one another is chance.
    a, c = by_bpf[1], by_tracefs[1]
    expect(c["payload_total"] == 0 and abs(a["sandbox_distinct"] - c["sandbox_distinct"]) < 6, (a, c))
    expect(.5 < c["sandbox_total"] / a["sandbox_total"] < 2, (a, c))
    shown = " ".join(b.cupel("show", "--cell", "reach.host,host").stdout.split())
    expect("counted_by tracefs" in shown, shown)
    b.expect_clean()


@case
def a_kill_while_tracing_leaves_what_clean_removes():
    need_tracing()
    b = Bench()
    p = begin_without_bpf(b, "--workload", "reach.host", *targets("runsc:ptrace"), "--repeats", "1")
    end = time.monotonic() + 60
    while time.monotonic() < end and p.poll() is None and not tracing_instances(b):
        time.sleep(.001)
    p.kill()
    p.communicate()
    left = tracing_instances(b)
    expect(len(left) == 1, (left, p.returncode))
    r = b.cupel("clean")
    expect(r.returncode == 0 and "removed tracing instance %s/%s" % (INSTANCES, left[0]) in r.stdout + r.stderr, r)
    expect(left[0] not in os.listdir(INSTANCES), left)
    b.expect_clean()


OWN = ["--target", "host", "--target", "runc", "--repeats", "1"]


@long_case
def a_command_of_ones_own():
    need("runc")
    b = Bench()
    r = b.run(*OWN, "--metric", "([0-9]+)", "--unit", "widgets", "--", "seq", "41", "41")
    expect("seq" in r.stdout, r)
    d = b.export()
    expect([(c["name"], c["unit"], c["better"]) for c in d["cells"]] == [("seq", "widgets", "higher")],
           d["cells"])
    for part in d["trials"][0]["parts"]:
        s = part["samples"][0]
        expect(abs(1e9 * s[4] / s[5] - 41) < 1e-9 and part["facts"]["image_sha256"], part)
    shown = b.cupel("show", "--absolute")
    expect("41.0 widgets" in shown.stdout, shown)
    again = b.cupel("import", "/dev/stdin")
    expect(again.returncode != 0, again)
    # A path from where one stands.
    shutil.copy(shutil.which("seq"), os.path.join(WORK, "mine-seq"))
    r = subprocess.run([CUPEL, "run", "--quiet", *OWN, "--metric", "([0-9]+)", "--", "./mine-seq", "9", "9"],
                       env=b.env, cwd=WORK, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    expect(r.returncode == 0 and "mine-seq" in r.stdout, r)
    # Its name becomes one that a workload can have.
    shutil.copy(shutil.which("seq"), os.path.join(WORK, "My_own..seq_"))
    r = subprocess.run([CUPEL, "run", "--quiet", *OWN, "--metric", "([0-9]+)", "--", "./My_own..seq_", "9", "9"],
                       env=b.env, cwd=WORK, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    expect(r.returncode == 0 and "my-own-seq" in r.stdout, r)
    images = os.listdir(os.path.join(b.state, "images"))
    b.run(*OWN, "--", "seq", "1")
    expect(sorted(images) == sorted(os.listdir(os.path.join(b.state, "images"))), images)
    b.expect_clean()


@long_case
def a_command_that_fails_says_what_it_said():
    b = Bench()
    for words, text in ((["--metric", "rate: ([0-9]+)", "--", "seq", "7"], "nothing in the output matches"),
                        (["--", "ls", "/nowhere-at-all"], "ended with status 2: ls: cannot access"),
                        (["--timeout", "200ms", "--", "sleep", "20"], "did not end within 0.2 s")):
        r = b.cupel("run", "--quiet", *targets("host"), "--repeats", "1", *words)
        expect(r.returncode in (3, 4) and text in " ".join(r.stdout.split()), (words, r))
    r = b.cupel("run", *targets("host"), "--", "no-such-program-here")
    expect(r.returncode in (3, 4) and "is not on the PATH" in r.stdout, r)
    for words, text in ((["--image", "/x"], "--image describes a command"), (["x"], "too much"),
                        (["--image", "x", "--", "true"], "no image"),
                        (["--ready", "80", "--", "true"], "--ready goes with --server"),
                        (["--server", "a 'b", "--", "true"], "a quote is not closed"),
                        (["--metric", "x", "--", "true"], "no group"),
                        (["-w", "./no.yaml"], "no.yaml"), (["--file", "x", "--", "true"], "PATH=FILE")):
        r = b.cupel("run", *targets("host"), *words)
        expect(r.returncode in (1, 2) and text in r.stderr and len(r.stderr.splitlines()) == 1, (words, r))
    b.expect_clean()


@case
def an_application_file_with_its_server():
    need("runc")
    b = Bench()
    path = os.path.join(WORK, "mine.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("name: mine\nimage: {programs: [sleep, seq, sh]}\nparams: {n: {default: 5}}\n"
                "server: {command: [sh, -c, 'echo up; exec sleep 60'], ready: {output: up}}\n"
                "command: [seq, '${n}', '${n}']\nmetrics: [{name: count, regex: '([0-9]+)', unit: u}]\n")
    b.run("-w", path, "-p", "n=12", *OWN)
    d = b.export()
    expect(d["cells"][0]["name"] == "mine.count" and d["cells"][0]["params"] == {"n": 12}, d["cells"])
    expect(len(d["trials"][0]["parts"]) == 2, d["trials"])
    # The plan carries the application: it can be repeated where the file is not.
    plan = os.path.join(WORK, "mine-plan.yaml")
    r = b.cupel("export", "--format", "plan")
    expect(r.returncode == 0, r)
    with open(plan, "w", encoding="utf-8") as f:
        f.write(r.stdout)
    os.unlink(path)
    b.run("--plan", plan)
    expect(b.export()["cells"][0]["params"] == {"n": 12}, "another plan")
    b.expect_clean()


@case
def killed_in_an_image():
    need("runc")
    b = Bench()
    p = b.begin(*targets("runc"), "--repeats", "1", "--", "sleep", "30")
    end = time.monotonic() + 30
    while time.monotonic() < end and not any("overlay" in x for x in b.leftovers()):
        time.sleep(.05)
    time.sleep(.5)
    p.kill()
    p.communicate(timeout=20)
    expect(b.leftovers(), "nothing was there to be left")
    r = b.cupel("clean")
    expect(r.returncode == 0, r)
    b.expect_clean()


@long_case
def the_example_of_the_documentation():
    need("runc", "runsc", "mmdebstrap")
    b = Bench()
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/examples")
    r = subprocess.run([os.path.join(folder, "nginx"), "--repeats", "1", "--quiet"], cwd=folder,
                       env=dict(b.env, CUPEL=CUPEL), stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=240)
    expect(r.returncode == 0, r)
    parts = b.export()["trials"][0]["parts"]
    rates = [1e9 * p["samples"][0][4] / p["samples"][0][5] for p in parts]
    expect(len(rates) == 3 and min(rates) > 10, rates)
    b.expect_clean()


# ---- the network ----

NET = ["net.tcp_stream", "net.tcp_stream@down", "net.tcp_rr", "net.tcp_rr@same", "net.tcp_crr", "net.udp_rr",
       "net.connect", "net.http_lat", "net.http_bw"]


def net_targets():
    names = ["host", "runc", "crun", "runsc:ptrace"]
    return [n for n in names if n == "host" or shutil.which(n.split(":")[0], path=PATH)]


def ns_per_op(part):
    return statistics.median(s[5] / s[4] for s in part["samples"])


def links():
    return sorted(os.listdir("/sys/class/net"))


@case
def every_network_workload_on_every_target():
    need()
    b, before = Bench(), links()
    names = net_targets()
    b.run(*targets(*names), *workloads(*NET, "net.tcp_stream@4"), *SHORT, "--repeats", "1", timeout=180)
    d = b.export()
    expect(len(d["trials"]) == len(NET) + 1, len(d["trials"]))
    for t, name in enumerate(names):
        cells = facts_by_cell(d, t)
        for cell, part in cells.items():
            expect(part["outcome"] == "ok" and part["verified"], (name, cell, part.get("failure")))
            f = part["facts"]
            expect(f["peer"] == "bare" and f["mtu"] == 1500 and "same host" in f["topology"], (name, cell, f))
            expect(f["congestion_control"] and f["tcp_wmem"], (name, cell, f))
            # The kernel makes connections before the server has looked at them.
            expect((0 < f["peer_busy"] < 1.2 and f["peer_cpu_ns_per_op"] > 0) or cell == "net.connect", (name, cell, f))
            expect(f["server"]["bad_requests"] == 0, (name, cell, f))
            if cell in ("net.tcp_stream", "net.tcp_stream@4"):
                expect(f["server"]["bytes_in"] >= 16384 * sum(s[4] for s in part["samples"]), (name, cell, f))
            if cell in ("net.connect", "net.tcp_crr"):
                expect(f["server"]["connections"] >= sum(s[4] for s in part["samples"]), (name, cell, f))
    if "runsc:ptrace" in names:
        host, runsc = (facts_by_cell(d, names.index(n))["net.connect"] for n in ("host", "runsc:ptrace"))
        expect(ns_per_op(runsc) > 2 * ns_per_op(host), (ns_per_op(runsc), ns_per_op(host)))
    shown = " ".join(b.cupel("show", "--cell", "net.tcp_rr,host").stdout.split())
    expect("p50" in shown and "the server is bare" in shown and "both ends" in shown, shown)
    page = os.path.join(WORK, "network.html")
    b.cupel("report", "--output", page)
    with open(page, encoding="utf-8") as f:
        expect('"chapter":"network"' in f.read(), "no chapter of the network")
    expect(links() == before, links())
    b.expect_clean()


@long_case
def the_peer_can_be_a_container_too():
    need("runc")
    b = Bench()
    for peer in ("target", "host"):
        b.run(*targets("host", "runc"), *workloads("net.tcp_rr", "net.http_bw"), "-p", "peer=" + peer, *SHORT,
              "--repeats", "1")
        for t in range(2):
            for cell, part in facts_by_cell(b.export(), t).items():
                expect(part["outcome"] == "ok" and part["facts"]["peer"] == peer, (peer, t, cell, part))
    b.expect_clean()


@long_case
def a_wire_has_its_rate_and_its_delay():
    need()
    b = Bench()
    b.run(*targets("host"), *workloads("net.tcp_stream@1gbit", "net.tcp_stream"), "--rounds", "5", "--repeats", "1")
    cells = facts_by_cell(b.export(), 0)
    rate = 8 * 16384 / ns_per_op(cells["net.tcp_stream@1gbit"])
    expect(.3 < rate < 1.1, rate)
    expect([cells[n]["facts"]["rate_bps"] for n in sorted(cells)] == [0, 1000000000], cells)
    r = b.cupel("run", "--quiet", *targets("host"), *workloads("net.tcp_rr"), "-p", "delay=2ms", *SHORT, "--repeats", "1")
    part = b.export()["trials"][0]["parts"][0]
    if r.returncode == 0:
        expect(4e6 < ns_per_op(part) < 8e6, ns_per_op(part))
    else: # a kernel without netem says so, and nothing else is wrong
        expect_failure(part, "unsupported", "netem")
    b.expect_clean()


@long_case
@alone
def an_open_loop_counts_from_the_intended_start():
    need()
    b = Bench()
    b.run(*targets("host"), *workloads("net.tcp_rr"), "-p", "rate=500", "--rounds", "3", "--repeats", "1",
          "--limit", "cpus=1.5")
    part = facts_by_cell(b.export(), 0)["net.tcp_rr"]
    expect(1.7e6 < ns_per_op(part) < 8e6, ns_per_op(part)) # one that comes late waits no longer than it was meant to
    expect(part["hist"], part)


@long_case
def gvisors_stack_can_be_the_hosts():
    need("runsc")
    b = Bench()
    b.run(*targets("runsc:ptrace"), *workloads("net.tcp_stream@down", "net.tcp_rr", "net.http_lat"), "-p", "stack=host",
          *SHORT, "--repeats", "1")
    host = facts_by_cell(b.export(), 0)
    b.run(*targets("runsc:ptrace"), *workloads("net.tcp_rr"), *SHORT, "--repeats", "1")
    own = facts_by_cell(b.export(), 0)["net.tcp_rr"]["facts"]
    expect(all(p["outcome"] == "ok" for p in host.values()), host)
    # The kernel says what it has; gVisor's own stack is another.
    f = host["net.tcp_rr"]["facts"]
    expect((f["sndbuf"], f["rcvbuf"]) != (own["sndbuf"], own["rcvbuf"]), (f, own))
    b.expect_clean()


def peer_of(b):
    """The server of the run's one target, which is a container: the probe in no pid namespace of its own."""
    own = os.readlink("/proc/self/ns/net")
    for group in b.group():
        for folder, _, files in os.walk(group):
            for pid in read_or_nothing(os.path.join(folder, "cgroup.procs")).split():
                try:
                    apart = os.readlink("/proc/%s/ns/net" % pid) != own
                    status = read_or_nothing("/proc/%s/status" % pid)
                except OSError:
                    continue
                if apart and re.search(r"^Name:\tcupel-probe", status, re.M) and \
                        re.search(r"^NSpid:\t\d+$", status, re.M):
                    return int(pid)
    return None


def with_the_peer(number):
    """A run on runc whose server gets the signal in the second block; what came of it."""
    b = Bench()
    p = b.begin(*targets("runc"), *workloads("net.tcp_rr", "net.tcp_stream", "net.http_lat"), "-p", "timeout=400ms",
                "--slice", "20ms", "--rounds", "15", "--repeats", "3")
    wait_for_block(p, 1)
    pid, end = None, time.monotonic() + 20
    while not pid and time.monotonic() < end:
        time.sleep(.02)
        if sqlite_count(b, "trial") >= 4:
            time.sleep(.15)  # among the slices of the next, not between two
            pid = peer_of(b)
    expect(pid, "no peer was found")
    os.kill(pid, number)
    out, err = p.communicate(timeout=90)
    d = b.export()
    expect(p.returncode == 3 and d["run"]["status"] == "complete" and len(d["trials"]) == 9, (p.returncode, out, err))
    b.expect_clean()
    return [x for t in d["trials"] for x in t["parts"] if x["outcome"] == "failed"]


@long_case
def a_peer_that_dies_is_one_failure():
    need("runc")
    bad = with_the_peer(signal.SIGKILL)
    expect(len(bad) == 1, bad)
    expect_failure(bad[0], "measurement", "the peer failed: .*(signal 9|killed)")


@full_case
def a_peer_that_hangs_is_one_failure():
    need("runc")
    bad = with_the_peer(signal.SIGSTOP)
    expect(len(bad) == 1, bad)
    expect_failure(bad[0], "timeout", "the peer failed: .*")


@long_case
def networks_alone_and_whole_and_without_enough_cpus():
    need("runc")
    b = Bench()
    one = [*targets("host", "runc"), *workloads("net.tcp_rr", "sys.getpid"), *SHORT, "--repeats", "1"]
    for args in (["--solo"], ["-p", "grain=whole"]):
        b.run(*one, *args)
        d = b.export()
        expect([len([p for p in t["parts"] if p["outcome"] == "ok"]) for t in d["trials"]] == [2, 2], (args, d["trials"]))
        b.expect_clean()
    r = subprocess.run(["taskset", "-c", "0", CUPEL, "run", "--quiet", *targets("host"), *workloads("net.tcp_rr", "net.tcp_rr@same"),
                        *SHORT, "--repeats", "1"], env=b.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    expect(r.returncode == 3 and "needs two CPUs" in r.stdout, r)
    b.expect_clean()


@case
def an_interrupted_network_leaves_nothing():
    need("runsc")
    b, before = Bench(), links()
    p = b.begin(*targets("host", "runsc:ptrace"), *workloads("net.tcp_stream", "net.tcp_rr"), "--repeats", "20")
    wait_for_block(p, 1)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=30)
    expect(p.returncode == 3, p.returncode)
    expect(links() == before, links())
    b.expect_clean()


@case
def odd_wires_are_refused_in_one_line():
    need()
    b = Bench()
    one = [*targets("host"), *workloads("net.tcp_rr")]
    for arg, text in (("wire=fast", "no rate such as 1gbit"), ("wire=-1gbit", "wire"), ("loss=99%", "0% to 90%"),
                      ("peer=there", "bare or target or host"), ("mtu=70000", "mtu"), ("stack=mine", "own or host"),
                      ("request=0", "request"), ("timeout=0", "timeout"), ("direction=up", "direction")):
        r = b.cupel("run", *one, "-p", arg)
        expect(r.returncode == 1 and text in r.stderr and len(r.stderr.splitlines()) == 1 and r.stdout == "", (arg, r))


# ---- a peer on another machine ----

def other_machine(name, architecture=None):
    need()
    try:
        return machine.Machine(os.path.join(WORK, name), architecture)
    except machine.Missing as why:
        raise Skip(str(why)) from why


class BenchBy(Bench):
    """In the network namespace that has a wire to the machine."""
    def __init__(self, m):
        super().__init__()
        self.machine = m
        self.env = m.env(self.env)

    def cupel(self, *args, timeout=90):
        return subprocess.run(self.machine.inside([CUPEL, *args]), env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)

    def begin(self, *args):
        return subprocess.Popen(self.machine.inside([CUPEL, "run", *args]), env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@long_case
def a_peer_can_be_on_another_machine():
    m = other_machine("there")
    try:
        b = BenchBy(m)
        names = [n for n in net_targets() if n != "crun"]
        r = b.run(*targets(*names), "--suite", "network", "--peer", "machine", *SHORT, "--repeats", "1", status=0)
        expect("net.tcp_stream@1gbit is left out" in r.stderr, r)
        d = b.export()
        for t, name in enumerate(names):
            cells = facts_by_cell(d, t)
            expect(len(cells) > 8, cells.keys())
            for cell, part in cells.items():
                expect(part["outcome"] == "ok" and part["verified"], (name, cell, part.get("failure")))
                f = part["facts"]
                expect(f["peer"] == "remote" and f["topology"] == "another machine" and f["interface"] == "wire0" and
                       f["peer_address"] == machine.THERE and f["peer_boot_id"] == m.read("boot_id").strip() and
                       f["mtu"] == 1500 and f["server"]["bad_requests"] == 0, (name, cell, f))
                # Its CPU time is asked of it around every slice.
                expect(f["peer_cpu_ns_per_op"] > 0 and 0 < f["peer_busy"] < 2.5 and "that machine" in f["peer_cpu_is"],
                       (name, cell, f))
        shown = " ".join(b.cupel("show", "--cell", "net.tcp_rr,host").stdout.split())
        expect("the server is on machine, 10.77.0.2 (another machine), by wire0" in shown, shown)
        m.expect_clean()
        b.expect_clean()
    finally:
        m.close()


def refused_by(m, kind, text, name="machine"):
    """All that such a machine is good for: one failure, told once, and nothing is left."""
    b = BenchBy(m)
    begin = time.monotonic()
    r = b.cupel("run", "--quiet", *targets("host"), *workloads("net.tcp_rr", "sys.getpid"), "--peer", name, *SHORT,
                "--repeats", "1")
    expect(r.returncode == 3 and time.monotonic() - begin < 20, r)
    parts = facts_by_cell(b.export(), 0)
    expect_failure(parts["net.tcp_rr"], kind, text)
    expect(parts["sys.getpid"]["outcome"] == "ok", parts)
    m.expect_clean()
    b.expect_clean()


@case
def a_machine_that_cannot_be_used_is_one_failure():
    m = other_machine("no")
    try:
        refused_by(m, "environment", "the peer: closed: .*Connection refused$", "closed")
        m.allow(False)
        refused_by(m, "environment", r"the peer: machine: .*Permission denied \(publickey\)")
        m.allow(True)
        m.know("other_key")
        refused_by(m, "environment", "the peer: machine: Host key verification failed")
        m.know("host_key")
        m.fill(True)
        refused_by(m, "environment", "the peer: machine: .*No space left")
        m.fill(False)
    finally:
        m.close()


@full_case
def a_machine_that_does_not_answer_is_one_failure():
    m = other_machine("nowhere")
    try:
        refused_by(m, "environment", "the peer: nowhere: .*(No route|timed out)", "nowhere")
    finally:
        m.close()


@long_case
def a_machine_of_another_kind_is_one_failure():
    if os.uname().machine != "x86_64":
        raise Skip("no other kind can be pretended here")
    m = other_machine("kind", "i686")
    try:
        refused_by(m, "unsupported", "the peer: machine: that machine is Linux i686, and this one Linux x86_64")
    finally:
        m.close()


def probes_of(m):
    return [pid for pid, text in m.processes().items() if "--nonce" in text and not text.startswith("sh ")]


@case
def a_probe_that_is_killed_there_is_one_failure():
    m = other_machine("kill")
    try:
        b = BenchBy(m)
        p = b.begin(*targets("host"), *workloads("net.tcp_rr", "net.http_lat"), "--peer", "machine", "-p", "timeout=400ms",
                    "--slice", "10ms", "--rounds", "10", "--repeats", "3")
        wait_for_block(p, 1)
        machine.wait_for(lambda: sqlite_count(b, "trial") >= 2 and probes_of(m), "no probe there")
        for pid in probes_of(m):
            os.kill(pid, signal.SIGKILL)
        out, err = p.communicate(timeout=60)
        d = b.export()
        bad = [x for t in d["trials"] for x in t["parts"] if x["outcome"] == "failed"]
        expect(p.returncode == 3 and d["run"]["status"] == "complete" and len(d["trials"]) == 6, (out, err))
        expect(len(bad) == 1, bad)
        expect_failure(bad[0], "measurement", "the peer.*(signal 9|ended|Killed)")
        m.expect_clean()
        b.expect_clean()
    finally:
        m.close()


@long_case
def a_killed_run_leaves_nothing_on_the_machine():
    m = other_machine("gone")
    try:
        b = BenchBy(m)
        p = b.begin(*targets("host", "runc"), *workloads("net.tcp_rr", "net.tcp_stream"), "--peer", "machine", "--repeats", "20")
        wait_for_block(p, 1)
        machine.wait_for(lambda: len(probes_of(m)) >= 2, "no probes there")
        expect(not m.files(), m.files())
        p.kill()
        p.communicate(timeout=30)
        m.expect_clean()
        b.cupel("clean")
        b.expect_clean()
    finally:
        m.close()


@case
def odd_peers_are_refused_in_one_line():
    need()
    b = Bench()
    one = [*targets("host"), *workloads("net.tcp_rr")]
    for args, text in ((["--peer", ""], "USER@MACHINE"), (["--peer", "-oProxyCommand=true"], "is no machine"),
                       (["--peer", "a b"], "is no machine"), (["--peer", "x" * 130], "too long|longer than|bytes"),
                       (["-p", "peer=remote"], "--peer user@machine"), (["-p", "machine=there"], "--peer user@machine"),
                       (["-p", "port=7000"], "--peer user@machine"),
                       (["--peer", "there", "-p", "wire=1gbit"], "net.tcp_rr: wire="),
                       (["--peer", "there", "-p", "mtu=9000"], "net.tcp_rr: mtu="),
                       (["--peer", "there", "-w", "net.tcp_stream@1gbit", "-p", "delay=1ms"], "delay=")):
        r = b.cupel("run", *one, *args)
        expect(r.returncode == 1 and re.search(text, r.stderr) and r.stdout == "" and
               len([x for x in r.stderr.splitlines() if "is left out" not in x]) == 1, (args, r))
    r = b.cupel("run", *targets("host"), *workloads("sys.getpid"), "--peer", "there")
    expect(r.returncode == 1 and "--suite network" in r.stderr and len(r.stderr.splitlines()) == 1, r)


# ---- what people type ----

@long_case
def odd_wishes_are_answered_in_one_line():
    b = Bench()
    one = [*targets("host"), *workloads("sys.getpid")]
    for args, status, text in (
            (["--blocks", "0"], 1, "--blocks"),
            (["--repeats", "0"], 1, "--repeats"),
            (["--base", "nix"], 1, "nix"),
            (["--budget", "-1s"], 1, "budget"),
            (["--rounds", "0"], 1, "--rounds"),
            (["--slice", "0"], 1, "--slice"),
            (["--limit", "cpus=-1"], 1, "cpus"),
            (["--db", "/proc/nowhere/x.db"], 2, "/proc/nowhere"),
            (["--db", "/proc/x.db"], 2, "/proc")):
        r = b.cupel("run", *one, *args)
        expect(r.returncode == status and text in r.stderr and len(r.stderr.splitlines()) == 1 and
               r.stdout == "", (args, r))
    r = b.run(*one, "--budget", "1ms", "--slice", "1ms", "--rounds", "1")
    expect("n=1" in r.stdout, r)
    b.expect_clean()


def main():
    global silent_run
    silent.env["CUPEL_PROBE"] = liar("silent")
    # Takes its twenty seconds while the others run; its results say nothing about time.
    silent_run = silent.begin("--quiet", *LIE) if sys.argv[4:] != ["--alone"] else None
    run_cases(sys.argv[4:], at_once=2 if SLOW > 1 else 3)
    if silent_run and silent_run.poll() is None:
        silent_run.send_signal(signal.SIGINT)
        silent_run.communicate(timeout=60)


main()

"""Real runs on the host target, and with runtimes that misbehave in known ways."""
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time

from cli import (BASE_ENV, CUPEL, IS_ROOT, STATE, WORK, Skip, case, cupel, expect, main, on_terminal,
                 one_line)

QUICK = ["--workload", "sys.getpid", "--workload", "clock.gettime", "--slice", "2ms", "--rounds", "3"]


def script(name, body):
    path = os.path.join(WORK, name)
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + body)
    os.chmod(path, 0o755)
    return path


def need_root():
    if not IS_ROOT:
        raise Skip("runtimes need root")


def expect_clean(env=None):
    """Nothing of ours is left. What other runs of cupel on this machine left is not ours."""
    r = cupel("clean", env=env)
    expect(r.status == 0 and (r.out == "nothing to clean\n" or
                              re.search(r"^0 things of 0 runs removed, 0 failed", r.out, re.M)), r)


@case
def all_measured_is_0():
    r = cupel("run", "--target", "host", "--target", "h2=host", *QUICK, "--blocks", "2")
    expect(r.status == 0, r)
    expect("sys.getpid" in r.out and "h2" in r.out and "base host" in r.out, r)
    expect(re.search(r"^block 2", r.err, re.M), r)
    expect("\033" not in r.out + r.err, "escapes in piped output")


@case
def quiet_says_nothing_but_the_table():
    r = cupel("run", "--target", "host", *QUICK, "--blocks", "1", "--quiet")
    expect(r.status == 0 and r.err == "" and "sys.getpid" in r.out, r)


@case
def live_lines_on_a_terminal():
    status, text = on_terminal("run", "--target", "host", "--target", "h2=host", *QUICK,
                               "--blocks", "2", env={"NO_COLOR": "1"})
    expect(status == 0 and "\033[J" in text and "block 2" in text, text)
    expect("\033[3" not in text and "\033[1" not in text.replace("\033[1A", ""),
           "colours despite NO_COLOR")


@case
def a_dumb_terminal_gets_plain_lines():
    status, text = on_terminal("run", "--target", "host", *QUICK, "--blocks", "1",
                               env={"TERM": "dumb"})
    expect(status == 0 and "\033" not in text and "block 1" in text, text)


@case
def same_target_twice_gets_two_names():
    r = cupel("run", "--target", "host", "--target", "host", *QUICK, "--blocks", "1", "--quiet")
    expect(r.status == 0 and "host#2" in r.out, r)


@case
def json_file_and_standard_output():
    path = os.path.join(WORK, "out.json")
    r = cupel("run", "--target", "host", *QUICK, "--blocks", "1", "--quiet", "--json", path)
    expect(r.status == 0 and "sys.getpid" in r.out, r)
    with open(path) as f:
        expect(json.load(f)["summary"]["blocks"] == 1, "no summary")
    r = cupel("run", "--target", "host", *QUICK, "--blocks", "1", "--quiet", "--json", "-")
    expect(r.status == 0 and json.loads(r.out), r)


@case
def parameters_and_limits_are_taken():
    args = ["--workload", "cpu.prime", "-p", "limit=5000", "--rounds", "2", "--slice", "2ms"]
    if IS_ROOT:
        args += ["--limit", "cpus=1,memory=512M", "--limit", "pids=100"]
    r = cupel("run", "--target", "host", *args, "--blocks", "1", "--quiet", "--json", "-")
    expect(r.status == 0, r)
    expect("5000" in r.out, "the parameter is not in the export")
    cell = cupel("show", "--cell", "cpu.prime,host")
    expect("-p limit=5000" in cell.out, cell)


@case
def seed_repeats_the_schedule():
    orders = []
    for _ in range(2):
        r = cupel("run", "--target", "host", "--target", "h2=host", *QUICK, "--blocks", "2", "--seed",
                  "7", "--quiet")
        expect(r.status == 0, r)
        text = cupel("export", "--format", "csv").out
        rows = [line.split(",") for line in text.splitlines()[1:]]
        orders.append([(x[1], x[2], x[3], x[4], x[8], x[9]) for x in rows])
    expect(orders[0] == orders[1], "another schedule")


@case
def plan_goes_out_and_comes_back():
    r = cupel("run", "--target", "host", "--target", "h2=host", *QUICK, "--blocks", "1", "--quiet")
    expect(r.status == 0, r)
    path = os.path.join(WORK, "again.yaml")
    expect(cupel("export", "--format", "plan", "--output", path).status == 0, "export")
    r = cupel("run", "--plan", path, "--quiet")
    expect(r.status == 0 and "h2" in r.out and "sys.getpid" in r.out, r)
    r = cupel("run", "--plan", path, "--quiet", "--workload", "clock.gettime")
    expect(r.status == 0 and "sys.getpid" not in r.out, "an option did not replace the plan's")


@case
def some_failed_is_3():
    need_root()
    bad = script("badrt", 'case "$1" in --version) echo "badrt version 1";; *) exit 1;; esac\n')
    r = cupel("run", "--target", "host", "--target", "bad=oci:" + bad, *QUICK, "--blocks", "1")
    expect(r.status == 3, r)
    row = [line for line in r.out.splitlines() if line.startswith("sys.getpid")][0]
    expect("failed" in row and "bad" in r.out, r)


@case
def nothing_measured_is_4():
    need_root()
    bad = script("badrt2", 'case "$1" in --version) echo "badrt2 version 1";; *) exit 1;; esac\n')
    r = cupel("run", "--target", "bad=oci:" + bad, *QUICK, "--blocks", "1", "--quiet")
    expect(r.status == 4, r)


@case
def a_hostile_version_comes_out_inert():
    need_root()
    bad = script("evilrt", 'printf "evil\\033[2J\\033]0;owned\\007 version 1\\n"; exit 0\n')
    r = cupel("run", "--target", "host", "--target", "evil=oci:" + bad, *QUICK, "--blocks", "1")
    expect(r.status == 3 and all(c == "\n" or c >= " " for c in r.out + r.err), repr(r))


@case
def interrupt_keeps_what_was_measured():
    before = len(json.loads(cupel("runs", "--json").out))
    p = subprocess.Popen([CUPEL, "run", "--target", "host", *QUICK, "--repeats", "500"],
                         env=BASE_ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = ""
    while not line.startswith("block 2"):
        line = p.stderr.readline()
        expect(line, "it ended early")
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    expect(p.returncode == 3 and "interrupted" in err and "sys.getpid" in out, (out, err))
    runs = json.loads(cupel("runs", "--json").out)
    expect(len(runs) == before + 1 and {r["status"] for r in runs} >= {"interrupted"}, runs)
    expect_clean()


@case
def resume_goes_on():
    p = subprocess.Popen([CUPEL, "run", "--target", "host", *QUICK, "--repeats", "6", "--interval",
                          "200ms"], env=BASE_ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    line = ""
    while not line.startswith("block 2"):
        line = p.stderr.readline()
        expect(line, "it ended early")
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=60)
    run = re.search(r"--resume (r\d+)", err).group(1)
    r = cupel("run", "--resume", run, "--quiet")
    expect(r.status == 0 and "6 blocks" in r.out, r)


@case
def a_second_run_says_so_and_stops():
    p = subprocess.Popen([CUPEL, "run", "--target", "host", *QUICK, "--repeats", "500"],
                         env=BASE_ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while not p.stderr.readline().startswith("block 1"):
            expect(p.poll() is None, "it ended early")
        other = os.path.join(WORK, "second.db")
        r = cupel("run", "--target", "host", *QUICK, "--blocks", "1", "--db", other)
        expect(r.status == 2 and "--share" in one_line(r.__class__(r.status, r.out, "\n".join(
            l for l in r.err.splitlines() if l.startswith("cupel: ")))) and str(p.pid) in r.err, r)
        r = cupel("run", "--target", "host", *QUICK, "--blocks", "1", "--share", "--db", other)
        expect(r.status == 0, r)
    finally:
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)


@case
def killed_and_cleaned():
    p = subprocess.Popen([CUPEL, "run", "--target", "host", *QUICK, "--repeats", "500"],
                         env=BASE_ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not p.stderr.readline().startswith("block 1"):
        expect(p.poll() is None, "it ended early")
    p.kill()
    p.wait()
    time.sleep(.2)
    r = cupel("clean")
    expect(r.status == 0 and re.search(r"^[1-9][0-9]* things? of 1 run removed, 0 failed", r.out, re.M),
           r)
    expect_clean()
    r = cupel("show")
    expect(r.status == 0 and "sys.getpid" in r.out, r)


@case
def doctor_of_this_machine():
    r = cupel("doctor")
    expect(r.status == 0 and r.err == "" and re.search(r"✔ host", r.out), r)
    for name in ("runc", "crun", "runsc:ptrace", "runsc:systrap", "runsc:kvm"):
        expect(name in r.out, name)
    o = json.loads(cupel("doctor", "--json").out)
    expect(o["machine"]["cpus_usable"] >= 1 and o["targets"][0]["label"] == "host", o)
    for t in o["targets"]:
        expect(t["usable"] or t["reason"], t)


@case
def doctor_of_certain_targets():
    o = json.loads(cupel("doctor", "--json", "--target", "runsc:ptrace", "--target", "host").out)
    expect([t["target"] for t in o["targets"]] == ["runsc:ptrace", "host"] and o["shared_core"] is None, o)
    r = cupel("doctor", "--target", "dokcer/runc")
    expect(r.status == 1 and "dokcer" in r.err and len(r.err.splitlines()) == 1, r)


@case
def doctor_starts_targets():
    need_root()
    env = {}
    if not os.environ.get("CUPEL_TEST_FULL"):
        # What else there may be takes a minute to start one after the other (gVisor on a KVM that does
        # not work: its whole deadline), and has tests of its own.
        env["PATH"] = os.path.join(WORK, "runtimes")
        os.mkdir(env["PATH"])
        for name in ("runc", "crun"):
            found = shutil.which(name, path=BASE_ENV["PATH"])
            if found:
                os.symlink(found, os.path.join(env["PATH"], name))
    o = json.loads(cupel("doctor", "--json", "--start-test", env=env).out)
    expect(o["started"] and o["targets"][0]["usable"], o)
    for t in o["targets"]:
        expect(t["usable"] or t["reason"], t)
    expect_clean()


@case
def workloads_as_json():
    o = json.loads(cupel("workloads", "--json").out)
    names = {w["name"] for w in o}
    expect({"cpu.prime", "mem.triad", "sys.getpid", "fs.open"} <= names, names)
    for w in o:
        app = w["operation"] == "execution"
        expect(w["measures"] and w["unit"] and (app or w["better"] == "lower") and w["cells"], w)
    expect({"redis.set", "sysbench"} <= names, names)


@case
def clean_with_nothing_to_do():
    expect_clean(env={"CUPEL_STATE": os.path.join(WORK, "empty-state")})


@case
def clean_removes_images_when_asked():
    state = os.path.join(WORK, "image-state")
    images = os.path.join(state, "images")
    for path in ("a" * 64 + "/rootfs", "b" * 64, "c" * 64 + "/rootfs", "tmp-0123/rootfs", "mine"):
        os.makedirs(os.path.join(images, path))
    with open(os.path.join(images, "b" * 64, "clip"), "wb") as f:
        f.write(b"x" * 100000)
    env = {"CUPEL_STATE": state}
    expect_clean(env=env)
    expect(len(os.listdir(images)) == 5, os.listdir(images))
    os.makedirs(os.path.join(state, "guests", "d" * 64))
    used = os.open(os.path.join(images, "c" * 64), os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_SH)
    r = cupel("clean", "--images", env=env)
    expect(r.status == 0, r)
    expect(re.search(r"\n1 image and 1 input, and 1 file for guests removed, \d+ KiB; 1 in use and left alone\n$", r.out), r.out)
    expect(sorted(os.listdir(images)) == ["c" * 64, "lock", "mine"], os.listdir(images))
    expect(os.listdir(os.path.join(state, "guests")) == ["lock"], os.listdir(os.path.join(state, "guests")))
    os.close(used)
    lock = os.open(os.path.join(images, "lock"), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    r = cupel("clean", "--images", env=env)
    expect(r.status == 2 and "a run is making an image right now" in r.out, r)
    os.close(lock)
    r = cupel("clean", "--images", env=env)
    expect("1 image and 0 inputs removed" in r.out and r.status == 0, r)


main()

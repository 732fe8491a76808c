#!/usr/bin/env python3
"""Whole runs on bubblewrap: starts and ends, crowds, a program of the machine's in an image, a network, a
run that is killed. What its driver owes otherwise is in test-drivers.c.

    test-bwrap-run.py CUPEL PROBE

Prints TAP. Needs root and bwrap. Nothing outside of a temporary directory and the control groups of the
runs is touched.
"""
import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

CUPEL, PROBE = (os.path.abspath(a) for a in sys.argv[1:3])
WORK = tempfile.mkdtemp(prefix="cupel-bwrap-")
atexit.register(shutil.rmtree, WORK, True)
ENV = dict(os.environ, CUPEL_STATE=WORK, CUPEL_PROBE=os.environ.get("CUPEL_PROBE", PROBE), LC_ALL="C.UTF-8")


def cupel(*args, status=0):
    r = subprocess.run([CUPEL, *args], env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=120)
    expect(r.returncode == status, r)
    return r.stdout


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def parts(*args, status=0):
    """What came of every cell on bwrap, in the last block of such a run."""
    cupel("run", "--quiet", "--target", "host", "--target", "bwrap", "--repeats", "1", *args, status=status)
    d = json.loads(cupel("export"))
    names = [c["name"] for c in d["cells"]]
    return {names[t["cell"]]: p for t in d["trials"] for p in t["parts"] if p["target"] == 1}


def processes():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        if WORK + "/" in text:
            found.append(text.replace("\0", " "))
    return found


def waited_for(condition):
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(.01)
    return condition()


def starts_and_crowds():
    p = parts("--workload", "life.*", "--workload", "crowd.*", "--workload", "density.*", "-p", "max=10", status=3)
    for cell in ("life.start", "life.start@cold", "life.exit", "life.delete", "life.destroy", "crowd.start-10",
                 "crowd.destroy-10", "density.all"):
        expect(p[cell]["outcome"] == "ok", (cell, p[cell]))
    for cell in ("life.create", "life.run"):
        expect("no such step" in p[cell]["failure"]["text"], p[cell])
    f = p["density.all"]["facts"]
    # bwrap itself waits outside, and is weighed with what it waits for.
    expect(f["payload_processes"] == 10 and f["shim_processes"] == 10 and f["all"] > f["container"], f)


def a_program_and_a_network():
    p = parts("--workload", "net.tcp_rr", "--workload", "parallel.*", "-p", "at_once=4", *["--", "factor", "1000000007"],
              status=3)
    for cell in ("factor", "net.tcp_rr"):
        expect(p[cell]["outcome"] == "ok", (cell, p[cell]))


def nothing_runs_on_without_cupel():
    p = subprocess.Popen([CUPEL, "run", "--target", "bwrap", "--workload", "sys.getpid", "--repeats", "1000"],
                         env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         text=True)
    while not p.stderr.readline().startswith("block 2"):
        expect(p.poll() is None, "it ended early")
    expect(waited_for(lambda: any("bwrap" in x for x in processes())), "nothing runs")
    p.send_signal(signal.SIGKILL)
    p.communicate()
    expect(waited_for(lambda: not processes()), processes())
    cupel("clean")
    expect(not os.listdir(os.path.join(WORK, "run")), os.listdir(os.path.join(WORK, "run")))


CASES = [starts_and_crowds, a_program_and_a_network, nothing_runs_on_without_cupel]


def main():
    if os.geteuid() != 0 or not shutil.which("bwrap"):
        print("1..0 # SKIP needs root and bwrap")
        return
    print("1..%d" % len(CASES))
    for i, case in enumerate(CASES, 1):
        said = []
        begin = time.monotonic()
        try:
            case()
        except Exception:
            said = ["# " + line for line in traceback.format_exc().splitlines()]
        print("%s %d - %s" % ("not ok" if said else "ok", i, case.__name__.replace("_", " ")), *said,
              "# took %.1f s" % (time.monotonic() - begin), sep="\n", flush=True)


main()

#!/usr/bin/env python3
"""Whole runs over virtual machines beside the host and a container.

    test-vm.py CUPEL PROBE

CUPEL_PROBE in the environment stands for PROBE. Prints TAP. A virtual machine whose CPU is emulated takes
seconds to start and works at a tenth of the speed: the default form measures a few workloads in one block,
the long form (CUPEL_TEST_FULL) the suite quick. Kernels of guests are fetched once for all tests.
"""
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

CUPEL, PROBE = (os.path.abspath(a) for a in sys.argv[1:3])
WORK = tempfile.mkdtemp(prefix="cupel-vm-")
atexit.register(shutil.rmtree, WORK, True)
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", "/root"), ".cache")
FULL = bool(os.environ.get("CUPEL_TEST_FULL"))
# Debian's QEMU has both kinds of machine; where a build lacks one, the other serves.
TARGETS = ["host", "runc", "qemu:virtiofs", "qemu:9p"] + (["q35=qemu:virtiofs,machine=q35"] if FULL else [])
WHAT = ["--suite", "quick", "--blocks", "2"] if FULL else [
    "--blocks", "1", "--rounds", "3", "--workload", "sys.getpid", "--workload", "cpu.prime",
    "--workload", "ipc.switch", "--workload", "fs.open@tmpfs", "--workload", "fs.create@rootfs",
    "--workload", "mem.triad"]


class Bench:
    """A state directory that shares the kernels of all tests."""

    def __init__(self):
        self.state = os.path.join(WORK, "state")
        kept = os.path.join(CACHE, "cupel-tests", "guests")
        os.makedirs(kept, 0o700, exist_ok=True)
        os.mkdir(self.state, 0o700)
        os.symlink(kept, os.path.join(self.state, "guests"))
        self.env = dict(os.environ, CUPEL_STATE=self.state,
                        CUPEL_PROBE=os.environ.get("CUPEL_PROBE", PROBE), LC_ALL="C.UTF-8")

    def cupel(self, *args, timeout=120):
        return subprocess.run([CUPEL, *args], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, check=False)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def doctor_knows(bench):
    """It finds them without fetching or starting anything, and says what each will be."""
    found = bench.cupel("doctor", "--json")
    expect(found.returncode == 0, found)
    targets = {t["label"]: t for t in json.loads(found.stdout)["targets"]}
    for name in ("qemu:virtiofs", "qemu:9p"):
        expect(targets[name]["usable"], targets[name])
        expect(len(targets[name]["sha256"]) == 64, targets[name])
    expect(not os.path.exists(os.path.join(bench.state, "run")), os.listdir(bench.state))


def check_part(words, part, emulated):
    if part["outcome"] == "ok":
        expect(part["verified"], words)
        expect(part["samples"], words)
        expect(not part["clock_drift"] or abs(part["clock_drift"]) < .01, (words, part["clock_drift"]))
    else:  # a failure has a kind and says what it is
        expect(part["failure"]["kind"] and part["failure"]["text"], (words, part["failure"]))
        expect(emulated or part["failure"]["kind"] == "unsupported", (words, part["failure"]))


def every_cell(bench):
    """Every target has figures in every cell, or a reason; and an emulated CPU is called one."""
    words = [w for t in TARGETS for w in ("--target", t)] + WHAT
    run = bench.cupel("run", "--quiet", *words, timeout=1100 if FULL else 400)
    expect(run.returncode == 0, run)
    stored = json.loads(bench.cupel("export", "--format", "json").stdout)
    seen = {(trial["cell"], part["target"]): part for trial in stored["trials"]
            for part in trial["parts"]}
    for t, target in enumerate(stored["targets"]):
        info = target["info"]
        expect(info["usable"], info)
        for c, cell in enumerate(stored["cells"]):
            expect((c, t) in seen, (info["label"], cell["name"]))
            check_part((info["label"], cell["name"]), seen[c, t], info["emulated"])
    for session in stored["sessions"]:
        proof = session["proof"]
        if proof["kind"] == "qemu":
            expect(proof["boot_id"]["guest"] != proof["boot_id"]["host"], proof["boot_id"])
            expect(proof["accelerator"] in ("tcg", "kvm"), proof["accelerator"])
            label = stored["targets"][session["target"]]["info"]["label"]
            expect(proof["machine"]["type"] == ("q35" if label == "q35" else "microvm"), (label, proof["machine"]))
            emulated = stored["targets"][session["target"]]["info"]["emulated"]
            expect((proof["accelerator"] == "tcg") == emulated, (proof["accelerator"], emulated))
    if any(t["info"]["emulated"] for t in stored["targets"]):
        expect("emulated CPU" in run.stdout, run.stdout)
    for folder in ("run", "ledger"):
        left = os.path.join(bench.state, folder)
        expect(not os.path.isdir(left) or not os.listdir(left), os.listdir(left))


def main():
    if os.geteuid() != 0 or not shutil.which("qemu-system-" + os.uname().machine):
        print("1..0 # SKIP needs root and QEMU")
        return 0
    bench = Bench()
    failed = 0
    cases = [doctor_knows, every_cell]
    print(f"1..{len(cases)}")
    for number, run in enumerate(cases, 1):
        try:
            run(bench)
            print(f"ok {number} - {run.__name__}", flush=True)
        except (AssertionError, subprocess.TimeoutExpired, KeyError, ValueError):
            failed += 1
            print(f"not ok {number} - {run.__name__}", flush=True)
            for line in traceback.format_exc().splitlines()[-12:]:
                print("# " + line[:2000])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

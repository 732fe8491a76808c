#!/usr/bin/env python3
"""Tests cupel on a machine with systemd and control groups of version 2 alone: run by systemd in the guest that
guest.py boots, once.

    inside.py PORT

Prints TAP into PORT. What a program of the tests says is passed on, each of its tests as one. At the end
the machine must be as it was before.
"""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CUPEL = TREE + "/build/src/cli/cupel"
PROBE = TREE + "/build/src/probe/cupel-probe"
BUILT = TREE + "/build-test"
LOGS = "/var/log/cupel-tests"
STATE = "/var/lib/cupel"
TARGETS = ["host", "runc", "crun", "runsc:ptrace"]
CELLS = ["sys.getpid", "mem.triad", "fs.open@tmpfs", "fs.create@rootfs", "sys.exec", "ipc.switch@cross"]
# An emulated CPU is some twenty times as slow, and programs of the tests have deadlines of their own.
UNIT = ["test-cgroup", "test-allocation", "test-guard", "test-clean", "test-proc", "test-session", "test-mounts", "test-netlink",
        "test-seccomp", "test-callcount"]
RUNS = ["limits_hold_for_every_target_alike", "aggressors_die_with_the_controller", "a_crowd_grows_and_goes",
        "starts_and_ends_are_measured_by_their_steps", "system_calls_are_counted_without_bpf",
        "a_kill_while_tracing_leaves_what_clean_removes"]


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


class Report:
    """Numbered lines of TAP, each with the time since the boot."""

    def __init__(self, out):
        self.out, self.number, self.failed = out, 0, 0

    def say(self, line):
        print(line, file=self.out, flush=True)

    def tell(self, good, name, comments=()):
        self.number += 1
        self.failed += not good
        self.say(f"{'ok' if good else 'not ok'} {self.number} - {name}")
        for line in [] if good else comments:
            self.say("# " + line)

    def skip(self, name, words):
        self.number += 1
        self.say(f"ok {self.number} - {name} # SKIP {words}")

    def note(self, words):
        self.say(f"# {read('/proc/uptime').split('.')[0]} s: {words}")


def run(argv, seconds, cwd=TREE, **environment):
    """Status and all that was said. What does not end in time is killed, with all of its own session."""
    child = subprocess.Popen(argv, cwd=cwd, env=dict(os.environ, **environment), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        out, _ = child.communicate(timeout=seconds)
        return child.returncode, out.decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, _ = child.communicate()
        return 124, out.decode(errors="replace") + f"\nno end after {seconds} s"


def program(report, name, argv, seconds, **environment):
    """A program that prints TAP: each of its tests is one of ours."""
    status, said = run(argv, seconds, BUILT, CMOCKA_MESSAGE_OUTPUT="TAP", CUPEL_PROBE=PROBE,
                       CUPEL_REQUIRE=",".join(TARGETS), CUPEL_TEST_SLOW="8", **environment)
    path = os.path.join(LOGS, re.sub(r"\W", "-", name))
    with open(path, "w", encoding="utf-8") as f:
        f.write(said)
    # What failed is told on its standard error, too; here the end of the log is.
    tally = subprocess.run(["python3", TREE + "/tests/tally.py", "tap", name, str(status), path], check=False, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60).stdout
    failed = False
    for line in tally.splitlines():
        kind, test, words = (line.split("\t") + ["", ""])[:3]
        failed |= kind == "fail"
        if kind == "skip":
            report.skip(test, words)
        else:
            report.tell(kind == "pass", test, [words])
    if failed:
        for line in said.splitlines()[-25:]:
            report.say("# | " + line)


# ---- the machine ----

def groups():
    return {d for d, *_ in os.walk("/sys/fs/cgroup") if "cupel" in os.path.relpath(d, "/sys/fs/cgroup")}


def processes():
    """Of cupel, by what they run."""
    found = set()
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        text = read(path).replace("\0", " ")
        if re.search(r"cupel-[0-9a-f]{8}|cupel-probe|cupel-guard|runsc-(sandbox|gofer)|conmon|/cupel run", text):
            found.add(text[:120])
    return found


def things():
    """Whatever a run could leave on this machine, and whatever of it may not change."""
    mounts = {line.split()[4] for line in read("/proc/self/mountinfo").splitlines()}
    files = {f"{d}/{n}" for d in ("/run", "/run/netns", "/run/runc", "/run/crun", "/run/runsc", "/tmp", "/var/tmp",
                                  STATE + "/run", STATE + "/ledger", "/sys/kernel/tracing/instances")
             if os.path.isdir(d) for n in os.listdir(d)}
    failed = run(["systemctl", "--failed", "--plain", "--no-legend"], 60)[1].splitlines()
    return {"control groups": groups() - own_groups(), "processes": processes(), "mounts": mounts,
            "files": {f for f in files if "systemd-private" not in f}, "links": set(os.listdir("/sys/class/net")),
            "failed units": set(failed)}


def own_groups():
    return {g for g in groups() if "cupel-tests.service" in g}


def is_where_users_live(report):
    kind = run(["stat", "-fc", "%T", "/sys/fs/cgroup"], 10)[1].strip()
    report.tell(kind == "cgroup2fs", f"/sys/fs/cgroup is {kind}")
    first = read("/proc/1/comm").strip()
    report.tell(first == "systemd", f"process 1 is {first}")
    state = run(["systemctl", "is-system-running", "--wait"], 120)[1].strip()
    report.tell(state == "running", f"systemd says: {state}", run(["systemctl", "--failed"], 60)[1].splitlines())


# ---- what users do ----

def exported():
    status, text = run([CUPEL, "export", "--format", "json"], 120)
    return json.loads(text) if status == 0 else {}


def unfilled(run_):
    """Parts of the last run that have no figures, as words; and how many have."""
    names = [t["label"] for t in run_.get("targets", [])]
    bad, good = [], 0
    for trial in run_.get("trials", []):
        for part in trial["parts"]:
            if part["outcome"] == "ok":
                good += 1
            else:
                bad.append(f"block {trial['block']} {names[part['target']]}: {part.get('failure')}")
    return bad, good


def quickstart(report):
    status, said = run(["./quickstart"], 900)
    bad, good = unfilled(exported())
    report.note(f"quickstart ended with {status}")
    lines = said.splitlines()
    report.tell(status == 0, "quickstart", lines[-40:])
    report.tell("missing here" not in said, "quickstart finds all that it needs")
    table = [line for line in lines if line.startswith("sys.getpid ")]
    report.tell(len(table) == 1 and "✘" not in said, "its table has every cell", lines[-40:])
    report.tell(good >= 4 * 14 and not bad, f"{good} cells measured by quickstart", bad[:20])


def doctor(report):
    status, said = run([CUPEL, "doctor", "--start-test"], 300)
    report.tell(status == 0 and "cgroup v2" in said, "cupel doctor knows the machine", said.splitlines()[:12])
    for target in TARGETS:
        row = [line for line in said.splitlines() if re.match(r"\s*✔ " + re.escape(target) + r"\s", line)]
        report.tell(len(row) == 1, f"cupel doctor starts {target}", said.splitlines())


def words(option, values):
    return [w for v in values for w in (option, v)]


def every_cell(report, name, *options, targets=tuple(TARGETS), while_it_runs=None):
    """A run over the targets; each cell has a figure, and each session its proof."""
    argv = [CUPEL, "run", "--quiet", "--blocks", "1", "--rounds", "3", *words("--target", targets),
            *words("--workload", CELLS), *options]
    helper = subprocess.Popen(while_it_runs, start_new_session=True) if while_it_runs else None
    status, said = run(argv, 600)
    if helper:
        os.killpg(helper.pid, signal.SIGTERM)
        helper.wait()
    result = exported()
    bad, good = unfilled(result)
    wanted = len(targets) * len(CELLS)
    report.tell(status == 0 and good == wanted and not bad, f"{name}: {good} of {wanted} cells have figures",
                bad + said.splitlines()[-12:])
    sessions = result.get("sessions", [])
    report.tell(len(sessions) >= len(targets) and all(s["proof"] and s["hello"] for s in sessions),
                f"{name}: each of {len(sessions)} sessions has its proof")
    silent = [part for trial in result.get("trials", []) for part in trial["parts"]
              if not any(sum(x or 0 for x, c in zip(s, result["sample_columns"]) if c == "cpu_ns")
                         for s in part["samples"])]
    report.tell(not silent, f"{name}: every cell has CPU time of its control group")


def docker(*argv):
    status, said = run(["docker", *argv], 120)
    return said.split() if status == 0 else [f"status {status}"] + said.split()


def what_docker_has():
    scopes = run(["systemctl", "list-units", "--plain", "--no-legend", "docker-*.scope"], 60)[1].split()
    return [scopes, docker("ps", "--all", "--quiet"), docker("images", "--all", "--quiet")]


def users_docker(verb):
    run(["systemctl", verb, "docker.socket", "docker", "containerd"], 300)


def engines(report):
    """The user's own docker, started by systemd, keeps its containers in scopes of systemd's."""
    users_docker("start")
    driver = docker("info", "--format", "{{.CgroupDriver}}")
    report.tell(driver == ["systemd"], f"docker's control groups are kept by {' '.join(driver)}")
    before = what_docker_has()
    targets = ["host", "docker/runc", "docker/runsc:ptrace", "podman/crun", "containerd/runc"]
    every_cell(report, "engines", "--limit", "cpus=1.5,memory=768M,pids=500", targets=targets)
    report.tell(what_docker_has() == before, "docker has what it had", [str(what_docker_has())])
    for seconds in (6, 12, 24):
        argv = [CUPEL, "run", "--quiet", *words("--target", ["host", "docker/runc"]), *words("--workload", CELLS)]
        report.note(f"a run of docker/runc, killed after {seconds} s: status {run(argv, seconds)[0]}")
        status, said = run([CUPEL, "clean"], 120)
        report.tell(status == 0 and what_docker_has() == before and not groups() - own_groups(),
                    f"a run of docker/runc killed after {seconds} s is cleaned up",
                    said.splitlines() + [str(what_docker_has()), *groups()])
    users_docker("stop")


# What systemd does now and then: it hands controllers down from the root, and takes back those that no unit of
# its own wants any more.
MEANWHILE = ["sh", "-c", "while :; do systemd-run --quiet --collect --wait -p MemoryMax=64M -p CPUQuota=20% "
             "-p AllowedCPUs=0 -p IOWeight=50 -p TasksMax=10 true; systemctl daemon-reload; done"]


def main():
    os.makedirs(LOGS, exist_ok=True)
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        report = Report(out)
        is_where_users_live(report)
        report.note("the machine")
        doctor(report)
        report.note("cupel doctor")
        users_docker("start")  # what it leaves behind when it is stopped is not ours: a bridge, folders
        users_docker("stop")
        before = things()
        quickstart(report)
        report.note("quickstart")
        every_cell(report, "a run")
        every_cell(report, "a run with limits", "--limit", "cpus=1.5,memory=512M,pids=500")
        every_cell(report, "a run while systemd works", while_it_runs=MEANWHILE)
        report.note("runs")
        engines(report)
        report.note("engines")
        for name in UNIT:
            program(report, name, [f"{BUILT}/tests/unit/{name}"], 300)
        report.note("unit tests")
        for target in TARGETS:
            program(report, "drivers " + target, [BUILT + "/tests/runtime/test-drivers", target], 600)
            program(report, "attribution " + target, [BUILT + "/tests/runtime/test-attribution", target], 300)
            report.note(target)
        program(report, "drivers that fail", [BUILT + "/tests/runtime/test-driver-faults"], 300)
        program(report, "runs", ["python3", "-B", TREE + "/tests/runtime/test-run.py", CUPEL, PROBE,
                                 BUILT + "/tests/runtime/liar", *RUNS], 1200)
        report.note("drivers and runs")
        program(report, "killed runs", ["python3", "-B", TREE + "/tests/faults/faults.py", CUPEL, PROBE,
                                        "--moments", "4", *words("--target", TARGETS[1:])], 900)
        report.note("killed runs")
        status, said = run([CUPEL, "clean"], 120)
        report.tell(status == 0, "cupel clean", said.splitlines())
        after = things()
        for kind, there in after.items():
            left, gone = sorted(there - before[kind]), sorted(before[kind] - there)
            report.tell(not left and not gone, f"{kind} are as they were",
                        ["left: " + x for x in left] + ["gone: " + x for x in gone])
        report.say(f"1..{report.number}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""One plan on the nodes of a real Slurm (cluster.py): slurmctld and slurmd in namespaces of this machine.

    test-slurm.py CUPEL PROBE [CASE...]

Three cases run at a time, each with a cluster of its own: most of what they do is waiting.
"""
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cluster
from machine import Missing

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import Skip, case, expect, full_case, long_case, run_cases  # noqa: E402

CUPEL, PROBE = sys.argv[1:3]
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
WORK = tempfile.mkdtemp(prefix="cupel-slurm-test-")
QUICK = ["--target", "host", "--workload", "sys.getpid", "--slice", "1ms", "--rounds", "1"]
# Two nodes here are one machine to the clock: neither minds the other.
LONG = [*QUICK, "--repeats", "1000", "--interval", "50ms"]


def wait_long(what, said, seconds=40):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError(said() if callable(said) else said)
        time.sleep(.05)


class Bench:
    """A cluster, a state directory, and the folder that jobs are submitted from."""
    number = itertools.count()

    def __init__(self, **settings):
        if os.geteuid() != 0:
            raise Skip("needs root")
        self.folder = os.path.join(WORK, "b%d" % next(Bench.number))
        try:
            self.cluster = cluster.Cluster(self.folder, **settings)
        except Missing as why:
            raise Skip(str(why)) from why
        self.shared, self.state = self.cluster.path("shared"), self.cluster.path("cupel")
        self.env = self.cluster.env(dict(os.environ, PATH=PATH, CUPEL_STATE=self.state, CUPEL_PROBE=PROBE, LC_ALL="C.UTF-8"))

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.cluster.close()

    def cupel(self, *args, timeout=90, env=None):
        return subprocess.run(self.cluster.inside([CUPEL, *args]), env=env or self.env, cwd=self.shared, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)

    def begin(self, *args):
        """The controller itself, so that a kill is its own."""
        return subprocess.Popen(self.cluster.inside([CUPEL, *args]), env=self.env, cwd=self.shared, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def bystander(self, *args):
        """A job of somebody else's; its id."""
        r = self.cluster.slurm("sbatch", "--parsable", "--output=/dev/null", "--job-name=bystander", *args, "--wrap", "exec sleep 600")
        expect(r.isdigit(), r)
        return r

    def ours(self):
        return [j for j in self.cluster.jobs() if j[1].startswith("cupel-")]

    @staticmethod
    def measuring(p, nodes=1):
        """So many nodes have measured a block."""
        said, those = "", set()
        while len(those) < nodes:
            line = p.stderr.readline()
            expect(line, said)
            said += line
            those.update(re.findall(r"^(\S+): block 1:", line))

    @staticmethod
    def measuring_here(p):
        while "block 1:" not in (line := p.stderr.readline()):
            expect(line, "it ended")

    def fleet(self):
        names = [n for n in os.listdir(os.path.join(self.state, "fleet")) if n.endswith(".json")]
        expect(len(names) == 1, names)
        return "fleet-" + names[0].removesuffix(".json")

    def export(self, run):
        r = self.cupel("export", run)
        expect(r.returncode == 0, r)
        return json.loads(r.stdout)

    def ledgers(self):
        folder = os.path.join(self.state, "fleet", "ledger")
        return os.listdir(folder) if os.path.isdir(folder) else []

    def expect_clean(self):
        """Nothing of ours is in the queue, on the nodes, in the folder, in the ledger."""
        wait_long(lambda: not self.ours(), self.cluster.jobs, 20)
        for i in range(len(self.cluster.names)):
            wait_long(lambda i=i: not self.cluster.files(i), lambda i=i: self.cluster.files(i), 15)
            wait_long(lambda i=i: not any("cupel" in t for t in self.cluster.processes(i).values()),
                      lambda i=i: self.cluster.processes(i), 15)
        expect(os.listdir(self.shared) == [], os.listdir(self.shared))
        expect(self.ledgers() == [], self.ledgers())


def end(p, timeout=60):
    out, err = p.communicate(timeout=timeout)
    return subprocess.CompletedProcess(p.args, p.returncode, out, err)


def line_of(r, name):
    above = r.stdout.split(", mean over machines")[0] # the table of all of them names them, too
    found = [x for x in above.splitlines() if x.startswith("  slurm:%s " % name)]
    expect(len(found) == 1, r)
    return found[0]


def targets():
    return [x for t in ("host", "runc") if t == "host" or shutil.which(t, path=PATH) for x in ("--target", t)]


@case
def one_command_and_a_run_from_each_of_two_nodes():
    with Bench() as b:
        r = b.cupel("run", "--on", "slurm:debug,nodes=2", *targets(), *QUICK[2:], "--repeats", "2")
        # A slice that a neighbour falls into fails for itself.
        expect(r.returncode in (0, 3) and "2 of 2 machines have a run here" in r.stdout and "partial" not in r.stdout, r)
        ids, nodes = set(), set()
        for i in (1, 2):
            d = b.export(re.search(r" (r\d+) ", line_of(r, "debug#%d" % i)).group(1))
            m = d["run"]["machine"]
            expect(m["fleet_on"] == "slurm:debug#%d" % i and "fleet-" + m["fleet"] == b.fleet(), m)
            expect([t["label"] for t in d["targets"]] == targets()[1::2], d["targets"])
            expect(len(d["trials"]) == 2 and any(p["outcome"] == "ok" for t in d["trials"] for p in t["parts"]), d["trials"])
            expect("slurm:debug#%d: block 1" % i in r.stderr, r.stderr)
            ids.add(m["id"])
            nodes.add(m["hostname"])
        expect(nodes == {"node1", "node2"}, nodes)
        # Told apart by what each says of itself: one machine id would be one machine.
        expect(len(ids) == (2 if os.path.exists("/etc/machine-id") else len(ids)), ids)
        b.expect_clean()


@long_case
def what_slurm_does_not_take_is_told_of_and_the_others_go_on():
    with Bench() as b:
        r = b.cupel("run", "--on", "slurm:nosuch,nodes=2", "--on", "slurm:debug2,time=30-00", "--on", "slurm:down,wait=2s",
                    "--on", "slurm:debug,qos=none", *QUICK, "--repeats", "1")
        expect(r.returncode == 3 and "1 of 5 machines have a run here (partial)" in r.stdout, r)
        for name, text in (("nosuch#1", "did not take the job: sbatch: .*[Ii]nvalid partition"), ("nosuch#2", "did not take the job"),
                           ("debug2#1", "did not begin: it waited for 1\\d s: PartitionTimeLimit"),
                           ("down#1", "did not begin: it waited for [23] s: .*Down"), ("debug#1", " r1 .* measured")):
            expect(re.search(text, line_of(r, name)), (text, r.stdout))
        expect("slurm:down#1: waits as job" in r.stderr, r.stderr)
        b.expect_clean()
        # No Slurm here at all.
        bare = dict(b.env, PATH=":".join(p for p in b.env["PATH"].split(":") if not os.path.exists(os.path.join(p, "sbatch"))))
        r = b.cupel("run", "--on", "slurm:debug", *QUICK, env=bare)
        expect(r.returncode == 4 and "did not take the job: Slurm's client programs are not here: no sbatch" in line_of(r, "debug#1"), r)


@long_case
def an_interrupt_ends_the_runs_in_order():
    with Bench(nodes=1) as b:
        p = b.begin("run", "--on", "slurm:debug,nodes=2", *LONG)
        b.measuring(p)
        p.send_signal(signal.SIGINT)
        r = end(p)
        expect(r.returncode == 3 and "1 of 2 machines have a run here (partial)" in r.stdout, r)
        lines = sorted((line_of(r, "debug#%d" % i) for i in (1, 2)), key=lambda x: " r1 " not in x)
        expect("interrupted, and what was measured until then is here" in lines[0], lines)
        expect("interrupted before anything was measured" in lines[1], lines)
        expect(len(b.export("r1")["trials"]) >= 1, r)
        b.expect_clean()


@full_case
def a_job_that_somebody_cancels_hands_over_what_it_has():
    with Bench() as b:
        other = b.bystander("--nodelist=node2")
        p = b.begin("run", "--on", "slurm:debug,nodelist=node1", *LONG)
        b.measuring(p)
        b.cluster.slurm("scancel", b.ours()[0][0])
        r = end(p)
        expect(r.returncode in (3, 4) and re.search("it was told to end, by its time limit or by scancel|job was cancelled",
                                                    line_of(r, "debug#1")), r)
        expect([j[0] for j in b.cluster.jobs()] == [other], b.cluster.jobs())
        b.expect_clean()


@long_case
def after_a_killed_controller_clean_ends_its_jobs_and_no_others():
    with Bench() as b:
        other = b.bystander("--nodelist=node2")
        p = b.begin("run", "--on", "slurm:debug,nodes=2", *LONG)
        b.measuring(p)
        p.kill()
        p.communicate(timeout=30)
        expect(len(b.ours()) == 2 and len(os.listdir(b.shared)) == 1, b.cluster.jobs())
        # A run on this machine does not touch them: they may still be gone on with.
        r = b.cupel("run", *QUICK, "--repeats", "1")
        expect(r.returncode in (0, 3) and len(b.ours()) == 2, r)
        r = b.cupel("clean")
        expect(r.returncode == 0 and "removed Slurm job cupel-" in r.stdout and "removed directory " + b.shared in r.stdout, r)
        expect([j[0] for j in b.cluster.jobs()] == [other], b.cluster.jobs())
        b.expect_clean()
        r = b.cupel("run", "--resume", b.fleet())
        expect(r.returncode == 4 and "there no more" in line_of(r, "debug#1"), r)


# In a mount namespace of its own: a job's groups as Slurm makes them on v1, with one CPU and 700 MB. $1 CPU.
JOB = r"""
set -e
p=/slurm_test/uid_0/job_$$/step_batch
for t in freezer memory pids cpuset; do
    g=/sys/fs/cgroup/$t
    mkdir -p $g$p
    for d in slurm_test uid_0 job_$$ step_batch; do
        g=$g/$d
        [ $t != cpuset ] || { cat /sys/fs/cgroup/cpuset/cpuset.mems >$g/cpuset.mems; echo "$1" >$g/cpuset.cpus; }
    done
done
echo 700M >/sys/fs/cgroup/memory$p/memory.limit_in_bytes
for t in freezer memory pids cpuset; do echo $$ >/sys/fs/cgroup/$t$p/cgroup.procs; done
shift
export SLURM_JOB_ID=$$
exec "$@"
"""


class Job:
    """A run in such a job."""
    def __init__(self, *args):
        if not os.path.isdir("/sys/fs/cgroup/freezer") or not os.path.isdir("/sys/fs/cgroup/cpuset"):
            raise Skip("no control groups of version 1 here")
        self.env = dict(os.environ, PATH=PATH, CUPEL_STATE=os.path.join(WORK, "job%d" % next(Bench.number)), CUPEL_PROBE=PROBE,
                        LC_ALL="C.UTF-8")
        cpus = max(os.sched_getaffinity(0))
        self.p = subprocess.Popen(["sh", "-c", JOB, "sh", str(cpus), CUPEL, "run", *args], env=self.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.group = "slurm_test/uid_0/job_%d/step_batch" % self.p.pid
        self.cpu = str(cpus)

    def made(self):
        """What stands below the job's groups."""
        return [os.path.join(t, n) for t in os.listdir("/sys/fs/cgroup") if os.path.isdir(os.path.join("/sys/fs/cgroup", t, self.group))
                for n in os.listdir(os.path.join("/sys/fs/cgroup", t, self.group)) if n.startswith("cupel-")]

    def read(self, name):
        with open(os.path.join("/sys/fs/cgroup", name), encoding="ascii") as f:
            return f.read().strip()

    def cupel(self, *args):
        return subprocess.run([CUPEL, *args], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def close(self):
        self.p.kill()
        self.p.communicate()
        for t in os.listdir("/sys/fs/cgroup"):
            g = os.path.join("/sys/fs/cgroup", t, self.group)
            for i in range(4):
                if os.path.isdir(g) and not any(os.path.isdir(os.path.join(g, n)) for n in os.listdir(g)):
                    os.rmdir(g)
                g = os.path.dirname(g)


@long_case
def a_run_keeps_to_the_control_groups_of_its_job():
    j = Job(*targets(), *QUICK[2:], "--repeats", "3")
    try:
        seen = set()
        wait_long(lambda: seen.update(j.made()) or len(seen) >= 4 or j.p.poll() is not None, "no groups")
        mine = next(n.split("/")[1] for n in seen)
        expect({n.split("/")[0] for n in seen} >= {"freezer", "memory", "pids", "cpuset"} and len({n.split("/")[1] for n in seen}) == 1, seen)
        expect(j.read("cpuset/%s/%s/cpuset.cpus" % (j.group, mine)) == j.cpu, seen)
        expect(not os.path.exists("/sys/fs/cgroup/memory/" + mine), mine)
        r = end(j.p)
        expect(r.returncode in (0, 3) and not j.made(), (r, j.made()))
        m = json.loads(j.cupel("export", "r1").stdout)["run"]["machine"]
        expect(m["cpus_usable"] == 1 and m["available_bytes"] <= 700 << 20, m)
        # One that is killed is cleaned up after from outside of the job.
        k = Job(*targets(), *QUICK[2:], "--repeats", "1000")
        try:
            Bench.measuring_here(k.p)
            k.p.kill()
            k.p.communicate()
            expect(k.made(), "nothing to clean")
            r = k.cupel("clean")
            expect(r.returncode == 0 and not k.made(), (r, k.made()))
        finally:
            k.close()
    finally:
        j.close()


@full_case
def slurms_own_groups_are_kept_to():
    if not os.path.isdir("/sys/fs/cgroup/freezer"):
        raise Skip("no freezer of version 1 here")
    with Bench(nodes=1, proctrack="proctrack/cgroup", task="task/cgroup") as b:
        try:
            p = b.begin("run", "--on", "slurm:debug", *targets(), *QUICK[2:], "--repeats", "1000")
            b.measuring(p)
            found = [d for d, names, _ in os.walk("/sys/fs/cgroup/freezer/slurm_node1") for n in names if n.startswith("cupel-")]
            expect(found and all(re.search(r"/job_\d+/step_batch", d) for d in found), found)
            b.cluster.slurm("scancel", b.ours()[0][0])
            r = end(p)
            expect(r.returncode in (3, 4), r)
            b.expect_clean()
            wait_long(lambda: not any("job_" in d for d, _, _ in os.walk("/sys/fs/cgroup/freezer/slurm_node1")),
                      lambda: list(os.walk("/sys/fs/cgroup/freezer/slurm_node1")))
        finally:
            b.cluster.close()
            for d, _, _ in os.walk("/sys/fs/cgroup/freezer/slurm_node1", topdown=False):
                os.rmdir(d)


@long_case
def odd_wishes_are_answered_in_one_line():
    def cupel(*args):
        return subprocess.run([CUPEL, *args], env=dict(os.environ, CUPEL_STATE=os.path.join(WORK, "odd"), CUPEL_PROBE=PROBE),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    for on, text in (("slurm:", "is no partition"), ("slurm:-x", "is no partition"), ("slurm:a b", "is no partition"),
                     ("slurm:a,nodes=0", "nodes"), ("slurm:a,nodes=257", "nodes"), ("slurm:a,node=2", "did you mean nodes="),
                     ("slurm:a,nodes", "nodes"), ("slurm:a,dir=b", "absolute path"), ("slurm:a,dir=/b%c", "absolute path"),
                     ("slurm:a,wait=x", "wait"), ("slurm:a,account=", "account="), ("slurm:a,account=-b", "account="),
                     ("slurm:a,account=b c", "account="), ("nodes=2", "names no way there"), ("slurm:a,slurm:a", "given twice"),
                     ("slurm:a,nodes=200,slurm:b,nodes=200", "at most 256"), ("slum:a", "did you mean slurm")):
        r = cupel("run", "--on", on)
        expect(r.returncode == 1 and text in r.stderr and len(r.stderr.splitlines()) == 1 and r.stdout == "", (on, r))
    r = cupel("steward", "--order", "/nosuch/fleet/00000000.json", "/tmp")
    expect(r.returncode == 1 and "no directory that" in r.stderr, r)


@full_case
def after_a_killed_controller_resume_goes_on():
    with Bench() as b:
        p = b.begin("run", "--on", "slurm:debug,nodes=2", *QUICK, "--repeats", "40", "--interval", "100ms")
        b.measuring(p, 2)
        p.kill()
        p.communicate(timeout=30)
        r = b.cupel("run", "--resume", b.fleet())
        expect(r.returncode in (0, 3) and "2 of 2 machines have a run here" in r.stdout, r)
        expect(len(b.export("r1")["trials"]) == 40 == len(b.export("r2")["trials"]), r)
        b.expect_clean()


@full_case
def two_interrupts_let_go_and_resume_fetches_what_there_is():
    with Bench(nodes=1) as b:
        p = b.begin("run", "--on", "slurm:debug", *LONG)
        b.measuring(p)
        p.send_signal(signal.SIGINT)
        time.sleep(.3)
        p.send_signal(signal.SIGINT)
        r = end(p)
        expect("cupel run --resume" in r.stdout or "until then is here" in r.stdout, r)
        if "cupel run --resume" in r.stdout:
            r = b.cupel("run", "--resume", b.fleet())
            expect(r.returncode in (3, 4) and re.search("until then is here|cancelled", line_of(r, "debug#1")), r)
        b.expect_clean()


@full_case
def each_node_fails_for_its_own_reason():
    with Bench(nodes=1) as b:
        r = b.cupel("run", "--on", "slurm:debug", "--target", "runsc:kvm", *QUICK[2:], "--repeats", "1")
        expect(os.path.exists("/dev/kvm") or r.returncode == 4 and "none of the targets works there" in line_of(r, "debug#1"), r)
        b.cluster.fill(0, True)
        r = b.cupel("run", "--on", "slurm:debug", *QUICK, "--repeats", "1")
        expect(r.returncode == 4 and re.search("disk is full: .*No space left", line_of(r, "debug#1")), r)
        b.cluster.fill(0, False)
        # Another fleet has the node.
        p = b.begin("run", "--on", "slurm:debug", *LONG)
        b.measuring(p)
        r = b.cupel("run", "--on", "slurm:debug2,wait=2s", *QUICK)
        expect(r.returncode == 4 and re.search(r"did not begin: it waited for \d s: Resources", line_of(r, "debug2#1")), r)
        p.send_signal(signal.SIGINT)
        r = end(p)
        expect(r.returncode == 3 and "until then is here" in line_of(r, "debug#1"), r)
        b.expect_clean()


@full_case
def a_node_of_another_architecture():
    if os.uname().machine != "x86_64":
        raise Skip("setarch has no other word here")
    with Bench(nodes=1, architecture="i686") as b:
        r = b.cupel("run", "--on", "slurm:debug", *QUICK)
        expect(r.returncode == 4 and "this node is Linux i686, and cupel was sent from a Linux x86_64" in line_of(r, "debug#1"), r)
        b.expect_clean()


@full_case
def each_machine_is_another_node():
    """The second task comes to the node that the first one had, since the other one is taken; it waits for that one."""
    with Bench() as b:
        other = b.bystander("--nodelist=node2", "--exclusive")
        p = b.begin("run", "--on", "slurm:debug,nodes=2", *QUICK, "--repeats", "1")
        said = ""
        while "waits for another" not in said:
            line = p.stderr.readline()
            expect(line, said)
            said += line
        b.cluster.slurm("scancel", other)
        r = end(p)
        expect(r.returncode in (0, 3) and "2 of 2 machines" in r.stdout, r)
        expect({b.export("r%d" % i)["run"]["machine"]["hostname"] for i in (1, 2)} == {"node1", "node2"}, r)
        b.expect_clean()


@full_case
def more_machines_than_nodes():
    with Bench() as b:
        r = b.cupel("run", "--on", "slurm:debug,nodes=3", *QUICK, "--repeats", "1")
        expect(r.returncode == 3 and "2 of 3 machines have a run here (partial)" in r.stdout and "no further node for it" in r.stdout, r)
        b.expect_clean()


@full_case
def a_node_that_fails():
    with Bench(timeout=5) as b:
        p = b.begin("run", "--on", "slurm:debug,nodes=2", *LONG)
        b.measuring(p, 2)
        node = b.cluster.nodes[1]
        node.send_signal(signal.SIGKILL) # with all that runs on it
        node.wait()
        wait_long(lambda: len(b.ours()) == 1, b.cluster.jobs, 60)
        p.send_signal(signal.SIGINT)
        r = end(p, 90)
        expect("its node failed: node2" in r.stdout and "until then is here" in r.stdout, r)
        b.cluster.names.pop()
        b.expect_clean()


@full_case
def a_time_limit_ends_the_run_in_order():
    with Bench(nodes=1) as b:
        r = b.cupel("run", "--on", "slurm:debug,time=2", *LONG, timeout=200)
        expect(r.returncode == 3 and "by its time limit" in line_of(r, "debug#1"), r)
        b.expect_clean()


@full_case
def the_controller_of_the_cluster_goes_away_and_comes_back():
    with Bench(nodes=1) as b:
        p = b.begin("run", "--on", "slurm:debug", *QUICK, "--repeats", "60", "--interval", "100ms")
        b.measuring(p)
        b.cluster.ctld.send_signal(signal.SIGTERM) # one that is killed may forget what runs
        b.cluster.ctld.wait()
        time.sleep(4)
        b.cluster.start_controller()
        r = end(p, 120)
        expect(r.returncode in (0, 3) and " measured" in line_of(r, "debug#1"), r)
        b.expect_clean()


@full_case
def a_folder_that_the_nodes_do_not_have():
    with Bench(nodes=1) as b:
        hidden = "/run/cupel-slurm-test-%d" % os.getpid() # /run is each node's own
        os.mkdir(hidden)
        try:
            r = b.cupel("run", "--on", "slurm:debug,dir=" + hidden, *QUICK)
            expect(r.returncode == 4 and "is %s/cupel-fleet-" % hidden in line_of(r, "debug#1") and "dir= names another" in r.stdout, r)
            expect(os.listdir(hidden) == [], os.listdir(hidden))
        finally:
            shutil.rmtree(hidden)


run_cases(sys.argv[3:], at_once=3)
shutil.rmtree(WORK, True)

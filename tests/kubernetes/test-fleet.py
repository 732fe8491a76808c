#!/usr/bin/env python3
"""One plan on the node of a real Kubernetes (cluster.py): a Job measures, and its run comes back.

    test-fleet.py CUPEL PROBE [CASE...]
"""
import concurrent.futures
import contextlib
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

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, expect, full_case, run_cases  # noqa: E402

CUPEL, PROBE = sys.argv[1:3]
WORK = tempfile.mkdtemp(prefix="cupel-k8s-test-")
IMAGE = "cupel.test/fleet:1"
ON = "k8s:selector=cupel.test/machine=this,per=node,pull=never,image=" + IMAGE
PLAN = ["--target", "host", "--workload", "sys.getpid", "--slice", "1ms", "--rounds", "1"]
QUICK, LONG = [*PLAN, "--blocks", "1"], [*PLAN, "--repeats", "2000", "--interval", "50ms"]


def make_image(c):
    archive = os.path.join(WORK, "image.tar")
    with open(archive, "wb") as f:
        subprocess.run([CUPEL, "k8s", "image", "--k8s-image", IMAGE], stdout=f, check=True,
                       env=dict(os.environ, CUPEL_PROBE=PROBE))
    c.load(archive)
    os.unlink(archive)


class Bench:
    """A state directory of its own, and cupel within the cluster's network."""
    number = 0

    def __init__(self, c, kubeconfig=None):
        Bench.number += 1
        self.cluster, self.state = c, os.path.join(WORK, "s%d" % Bench.number)
        self.env = dict(c.env(os.environ, kubeconfig), CUPEL_STATE=self.state, CUPEL_PROBE=PROBE, LC_ALL="C.UTF-8")

    def cupel(self, *args, **how):
        how = dict(dict(stdin=None if "input" in how else subprocess.DEVNULL), **how)
        if how["stdin"] is None:
            del how["stdin"]
        return subprocess.run(self.cluster.inside([CUPEL, *args]), env=self.env, capture_output=True, text=True, timeout=180, check=False, **how)

    def start(self, on, *plan):
        err = open(self.state + ".err", "w", encoding="utf-8")
        out = open(self.state + ".out", "w", encoding="utf-8")
        return subprocess.Popen(self.cluster.inside([CUPEL, "run", "--on", on, *plan]), env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                stderr=err, start_new_session=True)

    def said(self, end="err"):
        with open("%s.%s" % (self.state, end), encoding="utf-8") as f:
            return f.read()

    def started(self, p):
        cluster.wait_for(lambda: "block 2" in self.said() or p.poll() is not None, self.said, 60)
        expect(p.poll() is None, self.said())

    def fleet(self):
        return next(name[:-5] for name in os.listdir(self.state + "/fleet") if name.endswith(".json"))

    def run_of(self, run):
        return json.loads(self.cupel("export", run).stdout)["run"]


def line_of(text):
    return next((line for line in text.splitlines() if line.startswith("  k8s:" + cluster.NODE)), text)


def ours(c):
    r = c.kubectl("get", "jobs,pods,configmaps", "--all-namespaces", "-l", "app.kubernetes.io/managed-by=cupel", "-o", "name")
    expect(r.returncode == 0, r.stderr)
    return r.stdout.split()


def nothing_left(b, others=False):
    if not others:
        cluster.wait_for(lambda: not ours(b.cluster), lambda: ours(b.cluster), 10)
    ledgers = b.state + "/fleet/ledger"
    expect(not os.path.isdir(ledgers) or not os.listdir(ledgers), "a ledger is left")


@case
def a_pod_without_privilege_measures_its_sandbox(c):
    b = Bench(c)
    r = b.cupel("run", "--on", ON + ",class=crun,namespace=strict,cpu=1,memory=256Mi", *PLAN, "--workload", "fs.open@rootfs", "--blocks", "2")
    expect(r.returncode == 0 and re.search(r" r1 .* measured$", line_of(r.stdout)), (r.stdout, r.stderr))
    expect("the sandbox of its pod" in r.stderr and "block 2" in r.stderr, r.stderr)
    run = b.run_of("r1")
    m = run["machine"]
    expect(m["hostname"] == cluster.NODE and not m["is_root"] and m["pod"] == "of class crun", m)
    expect(m["kubernetes"]["runtime_class"] == "crun" and m["kubernetes"]["namespace"] == "strict" and m["fleet_on"] == "k8s:node1", m)
    told = c.get("node", cluster.NODE)["status"]["nodeInfo"]["machineID"]
    expect(bool(told) and run["machine_id"] == m["id"] and len(m["id"]) == 64, m)
    r = b.cupel("show", "r1", "--absolute")
    expect("sandbox" in r.stdout and "sys.getpid" in r.stdout and not re.search(r"\bhost\b", r.stdout.split("sys.getpid")[0].splitlines()[-1]), r.stdout)
    expect("1 machine, 1 run" in b.cupel("machines").stdout, b.cupel("machines"))
    nothing_left(b)


@case
def an_agent_measures_the_node(c):
    b = Bench(c)
    r = b.cupel("run", "--on", ON, "--privileged-agent", *QUICK)
    expect(r.returncode == 0, (r.stdout, r.stderr))
    m = b.run_of("r1")["machine"]
    expect(m["is_root"] and m["pod"].startswith("privileged") and m["kubernetes"]["privileged"], m)
    expect(re.search(r"^ +host\b", b.cupel("show", "r1", "--absolute").stdout, re.M), b.cupel("show", "r1", "--absolute"))
    nothing_left(b)


@case
def what_cannot_start_is_told_with_the_words_of_the_events(c):
    nobody = c.user(1, "default", ("pods", "get"))
    agent, tries, pool = ["--privileged-agent"], [], concurrent.futures.ThreadPoolExecutor(4)
    for on, more, kubeconfig, words in (
            (ON + ",class=broken,wait=10s", [], None, 'its sandbox was not made: FailedCreatePodSandBox: .*no runtime for "unregistered" is configured'),
            (ON + ",class=nosuch,wait=20s", [], None, 'did not take the job: .*RuntimeClass "nosuch" not found'),
            (ON.replace("fleet:1", "fleet:2"), [], None, "its image is not to be had there: ErrImageNeverPull"),
            (ON + ",memory=64Ti,wait=5s", [], None, "did not begin: Unschedulable: .*Insufficient memory"),
            (ON + ",namespace=full,wait=5s", [], None, "did not take the job: .*exceeded quota"),
            (ON + ",namespace=strict,cpu=1,memory=64Mi,wait=20s", agent, None, "did not take the job: .*violates PodSecurity"),
            ("k8s:node=node1,image=" + IMAGE, [], nobody, "it does not let us in: .*user1.* cannot create resource"),
            (ON, [], nobody, 'it does not let us in: .*cannot list resource "nodes"'),
            (ON.replace("=this", "=that"), [], None, "no node has the labels"),
            (ON + ",memory=1Mi,wait=30s", [], None, "it failed there|its sandbox was not made")):
        b = Bench(c, kubeconfig)
        tries.append((on, words, b, pool.submit(b.cupel, "run", "--on", on, *more, *QUICK)))
    for on, words, b, future in tries:
        r = future.result()
        expect(r.returncode == 4 and re.search(words, line_of(r.stdout)), (on, r.stdout, r.stderr))
        nothing_left(b, others=True)
    cluster.wait_for(lambda: not ours(c), lambda: ours(c), 10)


@case
def after_a_kill_clean_removes_what_is_ours_alone(c):
    c.apply(dict(apiVersion="v1", kind="Pod", metadata=dict(name="bystander"), spec=dict(
        automountServiceAccountToken=False, containers=[dict(name="main", image=cluster.PAUSE, imagePullPolicy="Never")])))
    b = Bench(c)
    p = b.start(ON, *LONG)
    b.started(p)
    p.kill()
    p.wait()
    expect(len(ours(c)) == 3, ours(c))
    r = b.cupel("clean")
    expect(r.returncode == 0 and "2 things" in r.stdout, r)
    nothing_left(b)
    expect(c.get("pod", "bystander")["status"]["phase"] == "Running", c.get("pod", "bystander"))
    expect(c.get("runtimeclass", "runc") and c.get("configmap", "kube-root-ca.crt"), "something else was removed")
    c.kubectl("delete", "pod", "bystander", "--grace-period=1")


@case
def after_a_kill_resume_goes_on(c):
    b = Bench(c)
    p = b.start(ON + ",time=12s", *LONG)
    b.started(p)
    p.kill()
    p.wait()
    r = b.cupel("run", "--resume", "fleet-" + b.fleet())
    expect(r.returncode == 3 and " r1 " in line_of(r.stdout) and "its time was over" in r.stdout, (r.stdout, r.stderr))
    nothing_left(b)


@case
def an_interrupt_and_others_who_delete_leave_a_part(c):
    def interrupt(p):
        p.send_signal(signal.SIGINT)

    def delete(kind):
        r = c.kubectl("delete", kind, "-l", "app.kubernetes.io/managed-by=cupel", "--wait=false")
        expect(r.returncode == 0, r.stderr)
    for end, words in ((interrupt, "interrupted, and what was measured"), (lambda p: delete("pod"), "its pod was told to end"),
                       (lambda p: delete("job"), "its pod was told to end")):
        b = Bench(c)
        p = b.start(ON, *LONG)
        b.started(p)
        end(p)
        p.wait(timeout=60)
        expect(p.returncode == 3 and " r1 " in line_of(b.said("out")) and words in b.said("out"), (b.said("out"), b.said()))
        nothing_left(b)


@case
def the_server_goes_away_and_comes_back(c):
    b = Bench(c)
    p = b.start(ON + ",time=15s", *LONG)
    b.started(p)
    c.stop_api()
    time.sleep(3)
    c.start_api()
    p.wait(timeout=90)
    expect(p.returncode == 3 and " r1 " in line_of(b.said("out")), (b.said("out"), b.said()))
    nothing_left(b)


@case
def who_applies_the_manifest_brings_the_log(c):
    b = Bench(c)
    r = b.cupel("k8s", "manifest", "--on", ON, *QUICK)
    expect(r.returncode == 0, r)
    made = c.kubectl("create", "-f", "-", input=r.stdout)
    expect(made.returncode == 0, made.stderr)
    label = re.search(r"cupel/run=(\S+)", r.stdout).group(1)
    done = c.kubectl("wait", "--for=condition=complete", "--timeout=60s", "job", "-l", "cupel/run=" + label)
    expect(done.returncode == 0, done.stderr)
    log = c.kubectl("logs", "--tail=-1", "-l", "cupel/run=" + label).stdout
    r = b.cupel("import", "-", input=log)
    expect(r.returncode == 0 and r.stdout == "imported as r1\n", r)
    expect(b.run_of("r1")["machine"]["hostname"] == cluster.NODE, b.run_of("r1"))
    c.kubectl("delete", "job,configmap", "-l", "cupel/run=" + label)
    nothing_left(b)


@full_case
def a_lost_node_is_told(c):
    b = Bench(c)
    p = b.start(ON, *LONG)
    b.started(p)
    c.stop_kubelet()
    p.wait(timeout=240)
    expect(p.returncode == 4 and "its node failed" in line_of(b.said("out")), (b.said("out"), b.said()))
    c.start_kubelet()
    cluster.wait_for(c.ready, "it does not come back", 60)
    b.cupel("clean")
    nothing_left(b)


def main():
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, WORK, True)
        try:
            c = stack.enter_context(cluster.start())
        except cluster.Missing as why:
            print("1..0 # SKIP %s" % why)
            return
        make_image(c)
        c.namespace("full", quota={"pods": "0"})
        c.namespace("strict", pod_security="restricted", quota={"pods": "2", "requests.cpu": "2", "limits.memory": "1Gi"})
        run_cases(sys.argv[3:], args=[c], on_failure=lambda: c.kubectl(
            "delete", "jobs,pods,configmaps", "--all-namespaces", "-l", "app.kubernetes.io/managed-by=cupel"))


main()

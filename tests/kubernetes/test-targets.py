#!/usr/bin/env python3
"""Targets k8s/... on a real Kubernetes of one node (cluster.py), which is this machine.

    test-targets.py CUPEL PROBE [CASE...]
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import cluster

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, expect, full_case, run_cases  # noqa: E402

CUPEL, PROBE = sys.argv[1:3]
WORK = tempfile.mkdtemp(prefix="cupel-k8s-targets-")


def env(c, **more):
    return c.env(dict(os.environ, CUPEL_STATE=WORK + "/state", CUPEL_PROBE=PROBE), **more)


def cupel(c, *args, **more):
    return subprocess.run(c.inside([CUPEL, *args]), env=env(c, **more), capture_output=True, text=True, timeout=900)


def said(r):
    return re.sub(r"\s+", " ", r.stdout + r.stderr)


def pods(c):
    listed = c.get("pods", "-l", "app.kubernetes.io/managed-by=cupel") or {"items": []}
    return [p["metadata"]["name"] for p in listed["items"]]


def sessions(c):
    return json.loads(cupel(c, "export").stdout)["sessions"]


@case
def classes_are_interleaved_and_proven(c):
    r = cupel(c, "run", "--target", "host", "--target", "runc", "--target", "k8s/runc", "--target", "k8s/crun", "-w", "sys.getpid",
              "-w", "cpu.prime", "--slice", "2ms", "--rounds", "2", "--repeats", "2")
    expect(r.returncode in (0, 3) and "cannot be measured" not in r.stderr, said(r))
    pod = [s["proof"] for s in sessions(c) if "seen_from_here" in s["proof"]]
    expect({p["class"]["handler"] for p in pod} == {"runc", "crun"}, pod)
    for p in pod:
        expect(p["kind"] == p["class"]["name"] and p["runtime"]["version"].startswith(p["kind"]), p)
        expect(p["seen_from_here"]["host_cpu"] and "pod" + p["pod"]["uid"] in p["seen_from_here"]["control_group"], p)
        expect(p["seen_from_here"]["probe_pid"] > 1 and p["seen_from_here"]["shim_pid"] > 1, p)
        expect({"created", "scheduled", "started", "ready"} <= set(p["pod"]["server_times"]), p)
        expect(("pod_fixed" in p) == (p["kind"] == "crun"), p)
    expect(pods(c) == [] and os.listdir(WORK + "/state/ledger") == [], "something is left: %s" % pods(c))


@case
def a_class_without_a_handler_is_a_typed_failure(c):
    r = cupel(c, "run", "--target", "host", "--target", "k8s/broken", "-w", "sys.getpid", "--slice", "1ms", "--rounds", "1", "--repeats", "1")
    expect("FailedCreatePodSandBox" in said(r) and "unregistered" in said(r), said(r))
    expect(pods(c) == [], "pods are left: %s" % pods(c))


@case
def what_the_cluster_refuses_is_said(c):
    c.namespace("targets-strict", pod_security="restricted")
    c.namespace("targets-full", quota={"pods": "0"})
    for space, words in [("targets-strict", "violates PodSecurity"), ("targets-full", "exceeded quota")]:
        r = cupel(c, "run", "--target", "k8s/runc", "-w", "sys.getpid", "--repeats", "1", kubeconfig=config_of(c, space))
        expect(words in said(r), said(r))
    r = cupel(c, "run", "--target", "k8s/runc", "--k8s-image", "cupel:none", "-w", "sys.getpid", "--repeats", "1")
    expect("ErrImageNeverPull" in said(r), said(r))


def config_of(c, space):
    path = os.path.join(WORK, space + ".kubeconfig")
    with open(c.kubeconfig, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, 0o600)
    subprocess.run(["kubectl", "--kubeconfig", path, "config", "set-context", "--current", "--namespace", space], check=True,
                   capture_output=True)
    return path


@case
def killed_and_cleaned(c):
    c.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "beside-targets"}, "spec": {
        "runtimeClassName": "runc", "containers": [{"name": "c", "image": cluster.PAUSE, "imagePullPolicy": "Never"}]}})
    p = subprocess.Popen(c.inside([CUPEL, "run", "--target", "k8s/runc", "--target", "k8s/crun", "-w", "sys.getpid", "--repeats", "5000"]),
                         env=env(c), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not pods(c):
        expect(time.monotonic() < deadline and p.poll() is None, "no pod came")
        time.sleep(.2)
    time.sleep(1)
    p.send_signal(signal.SIGKILL)
    p.wait()
    r = cupel(c, "clean")
    expect(r.returncode == 0, said(r))
    expect(pods(c) == [] and os.listdir(WORK + "/state/ledger") == [], "left: %s; %s" % (pods(c), said(r)))
    beside = c.get("pod", "beside-targets")
    expect(beside and beside["status"]["phase"] in ("Running", "Pending"), "the bystander is gone")
    c.kubectl("delete", "pod", "beside-targets", "--grace-period=0", "--force")


def running(c):
    listed = c.get("pods", "-l", "app.kubernetes.io/managed-by=cupel") or {"items": []}
    return {p["metadata"]["name"] for p in listed["items"] if p.get("status", {}).get("phase") == "Running"}


@case
def deleted_by_somebody_else(c):
    """The second pod: that of the first block. What it was to be measured in has the reason."""
    p = subprocess.Popen(c.inside([CUPEL, "run", "--target", "host", "--target", "k8s/runc", "-w", "sys.getpid", "--settle", "5s", "--repeats", "2"]),
                         env=env(c), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen, deadline = set(), time.monotonic() + 90
    while len(seen) < 2:
        expect(time.monotonic() < deadline and p.poll() is None, "no second pod came")
        seen |= running(c)
        time.sleep(.1)
    time.sleep(1)
    c.kubectl("delete", "pod", max(seen), "--grace-period=1", "--wait=false")
    out = p.communicate(timeout=300)[0]
    expect("deleted by somebody else" in out + cupel(c, "export").stdout, out)
    expect(pods(c) == [], "pods are left: %s" % pods(c))


@case
def what_a_pod_weighs(c):
    r = cupel(c, "run", "--target", "host", "--target", "k8s/crun", "-w", "density.all", "-p", "max=10", "--repeats", "1")
    expect(re.search("k8s/crun: its RuntimeClass counts [^–▲]* for a pod's sandbox", said(r)), said(r))
    d = json.loads(cupel(c, "export").stdout)
    parts = [p for t in d["trials"] for p in t["parts"] if d["targets"][p["target"]]["label"] == "k8s/crun"]
    for p in parts:
        facts = p["facts"]
        expect(facts["running"] == facts["payload_processes"] == facts["pause_processes"] == facts["shim_processes"] == 10, facts)
        expect(0 < facts["pause_bytes"] < facts["shim_bytes"] and facts["payload_bytes"] > 0, facts)
    expect(parts and pods(c) == [], "pods are left: %s" % pods(c))


@full_case
def the_quick_suite_fills_every_cell(c):
    r = cupel(c, "run", "--suite", "quick", "--target", "host", "--target", "runc", "--target", "k8s/runc", "--target", "k8s/crun", "--blocks", "6")
    expect(r.returncode in (0, 3) and "failed" not in r.stdout, said(r))


def main():
    try:
        with contextlib.ExitStack() as stack:
            c = stack.enter_context(cluster.start())
            archive = WORK + "/image.tar"
            with open(archive, "wb") as f:
                subprocess.run([CUPEL, "k8s", "image"], stdout=f, check=True, env=dict(os.environ, CUPEL_PROBE=PROBE))
            c.load(archive)
            sys.exit(run_cases(sys.argv[3:], args=[c]) > 0)
    except cluster.Missing as e:
        print("1..0 # SKIP %s" % e)


if __name__ == "__main__":
    main()

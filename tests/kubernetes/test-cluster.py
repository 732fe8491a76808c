#!/usr/bin/env python3
"""The tests' own Kubernetes: that it is one, and that nothing of it stays.

    test-cluster.py [CASE...]
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback

import cluster
import image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import cases, case, expect, full_case  # noqa: E402

HELLO = '#include <stdio.h>\nint main(void)\n{\n    return puts("hello") < 0;\n}\n'


def pod_spec(klass, **more):
    container = dict(name="main", image="cupel.test/hello:1", imagePullPolicy="Never",
                     resources=dict(limits=dict(cpu="100m", memory="32Mi")), **more)
    spec = dict(restartPolicy="Never", automountServiceAccountToken=False, containers=[container])
    return dict(spec, runtimeClassName=klass) if klass else spec


def job(name, klass, **more):
    return dict(apiVersion="batch/v1", kind="Job", metadata=dict(name=name, **more),
                spec=dict(backoffLimit=0, template=dict(spec=pod_spec(klass))))


def pod(name, klass=None, argv=None, **more):
    return dict(apiVersion="v1", kind="Pod", metadata=dict(name=name, **more),
                spec=pod_spec(klass, **(dict(command=argv) if argv else {})))


def phase(c, name):
    return (c.get("pod", name) or {}).get("status", {}).get("phase")


def namespaces(of):
    """The namespaces of a process that are not this one's."""
    both = [(os.readlink("/proc/%s/ns/%s" % (pid, kind)) for kind in ("mnt", "net")) for pid in (of, "self")]
    return {theirs for theirs, ours in zip(*both) if theirs != ours}


def look():
    """What a cluster could leave on this machine, and others here would not."""
    def words(path):
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
        return ""
    folders = ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers", "/opt/containerd", "/opt/cni", "/etc/cni",
               "/usr/libexec/kubernetes", "/run/kubernetes", cluster.FOLDER)
    found = {folder: sorted(os.listdir(folder)) if os.path.isdir(folder) else None for folder in folders}
    found.update({name: words("/proc/sys/" + name) for name in cluster.TUNABLES})
    found["processes"] = [line for pid in filter(str.isdigit, os.listdir("/proc")) if cluster.FOLDER in (line := words("/proc/%s/cmdline" % pid))]
    found["mounts"] = [line for line in words("/proc/self/mountinfo").split("\n") if re.search("kubelet|/cni-|containerd|" + cluster.FOLDER, line)]
    found["groups"] = cluster.Groups().folders()
    return found


def expect_nothing_of_it(before, names):
    after = look()
    expect(after == before, {key: (before[key], after[key]) for key in before if before[key] != after[key]})
    expect(not after["groups"] and after[cluster.FOLDER] is None, after)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            expect(not names & namespaces(pid), (pid, names))


@case
def a_job_of_each_class_completes(c):
    for klass in (*cluster.RUNTIMES, None):
        c.apply(job("hello-%s" % klass if klass else "hello", klass))
    for klass in (*cluster.RUNTIMES, None):
        name = "hello-%s" % klass if klass else "hello"
        r = c.kubectl("wait", "--for=condition=Complete", "--timeout=60s", "job/" + name)
        expect(r.returncode == 0, (r.stderr, c.events()))
        expect(c.kubectl("logs", "job/" + name).stdout == "hello\n", name)
    overhead = [p["spec"]["overhead"] for p in c.get("pods")["items"] if p["spec"].get("runtimeClassName") == "crun"]
    expect(overhead == [{"memory": "16Mi"}], overhead)


@case
def a_class_without_a_handler_says_so(c):
    c.apply(pod("broken", "broken"))
    words = cluster.wait_for(lambda: c.events("FailedCreatePodSandBox"), "no event", 60)
    expect('no runtime for "unregistered" is configured' in words[0], words)
    expect(phase(c, "broken") == "Pending", phase(c, "broken"))
    c.kubectl("delete", "pod", "broken", "--force", "--grace-period=0")


@case
def it_refuses(c):
    c.namespace("strict", pod_security="restricted")
    c.namespace("full", quota={"pods": "0"})
    r = c.kubectl("create", "-n", "strict", "-f", "-", input=json.dumps(pod("p")))
    expect(r.returncode != 0 and 'violates PodSecurity "restricted' in r.stderr, r)
    r = c.kubectl("create", "-n", "full", "-f", "-", input=json.dumps(pod("p")))
    expect(r.returncode != 0 and "exceeded quota" in r.stderr, r)
    reader = c.user(0, "default", ("pods", "get,list"))
    expect(c.kubectl("get", "pods", kubeconfig=reader).returncode == 0, "reading")
    r = c.kubectl("create", "-f", "-", input=json.dumps(pod("p")), kubeconfig=reader)
    expect(r.returncode != 0 and "Forbidden" in r.stderr and "user0" in r.stderr, r)


@case
def the_server_goes_away_and_comes_back(c):
    c.apply(pod("stays", "crun", ["/bin/wait"]))
    cluster.wait_for(lambda: phase(c, "stays") == "Running", c.events)
    c.stop_api()
    r = c.kubectl("get", "pods", "--request-timeout=3s")
    expect(r.returncode != 0 and "refused" in r.stderr, r)
    c.start_api()
    expect(phase(c, "stays") == "Running", c.get("pod", "stays"))
    expect(c.kubectl("delete", "pod", "stays", "--grace-period=1").returncode == 0, "deleting")


@full_case
def a_node_that_is_lost_and_found(c):
    c.apply(pod("lost", "runc", ["/bin/wait"]))
    cluster.wait_for(lambda: phase(c, "lost") == "Running", c.events)
    c.stop_kubelet()
    cluster.wait_for(lambda: not c.ready(), "it counts as ready", 60)
    c.start_kubelet()
    cluster.wait_for(c.ready, "it does not come back", 60)
    expect(phase(c, "lost") == "Running", c.get("pod", "lost"))


def whole(before):
    """All that needs it running, then its end."""
    with cluster.start() as c:
        c.load_program("cupel.test/hello:1", image.compile_static(c.path("hello"), HELLO))
        archive = c.path("archives/both.tar")
        image.make(archive, "cupel.test/hello:1", {"/bin/hello": c.path("hello"), "/bin/wait": c.path("pause")}, ["/bin/hello"])
        c.load(archive)
        for f in cases:
            if not sys.argv[1:] or f.__name__ in sys.argv[1:]:
                yield f.__name__, lambda f=f: f(c)
        c.apply(pod("last", "runc", ["/bin/wait"]))
        cluster.wait_for(lambda: phase(c, "last") == "Running", c.events)
        names = namespaces(c.record["pids"]["holder"])
    yield "its_end_leaves_nothing", lambda: expect_nothing_of_it(before, names)


def killed(before):
    """One whose test dies is removed by whoever comes next."""
    program = ("import sys, time; sys.path.insert(0, %r); import cluster\n"
               "c = cluster.start(); print('up', flush=True); time.sleep(600)" % cluster.HERE)
    p = subprocess.Popen([sys.executable, "-B", "-c", program], stdout=subprocess.PIPE, text=True)
    expect(p.stdout.readline() == "up\n", "it did not start")
    p.send_signal(signal.SIGKILL)
    p.wait()
    expect(cluster.Groups().pids(), "nothing was left")
    names = namespaces(cluster.Cluster().record["pids"]["holder"])
    expect(cluster.tidy(), "nothing was found")
    expect_nothing_of_it(before, names)


def report(number, name, f):
    begin, lines = time.monotonic(), []
    try:
        f()
        result = "ok"
    except Exception:
        result, lines = "not ok", ["# " + line for line in traceback.format_exc().splitlines()]
    print("%s %d - %s" % (result, number, name.replace("_", " ")), *lines, "# took %.1f s" % (time.monotonic() - begin), sep="\n", flush=True)


def main():
    print("TAP version 13")
    before, number = None, 0
    try:
        cluster.tidy()
        before = look()
        for number, (name, f) in enumerate(whole(before), 1):
            report(number, name, f)
        if not sys.argv[1:]:
            number += 1
            report(number, "a_killed_test_is_cleaned_up_after", lambda: killed(before))
    except cluster.Missing as why:
        print("1..0 # SKIP %s" % why)
        return
    print("1..%d" % number)


main()

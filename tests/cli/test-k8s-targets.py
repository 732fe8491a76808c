"""Targets k8s/... without a cluster: the order of calls, and what each quirk of one comes to.

kubectl is fake-pods.py; the probe behind it is the built one.
"""
import itertools
import json
import os
import re
import signal
import subprocess
import time

from cli import BASE_ENV, CUPEL, SOURCE_ROOT, WORK, case, cupel, expect, main

FULL = bool(os.environ.get("CUPEL_TEST_FULL"))
PLAN = ["--workload", "sys.getpid", "--slice", "1ms", "--rounds", "1", "--repeats", "1"]


class Cluster:
    number = itertools.count()

    def __init__(self, quirk=""):
        self.folder = os.path.join(WORK, "pods%d" % next(Cluster.number))
        self.state = self.folder + "/cupel"
        os.makedirs(self.folder + "/bin")
        os.mkdir(self.folder + "/pods")
        os.symlink(os.path.join(SOURCE_ROOT, "tests/cli/fake-pods.py"), self.folder + "/bin/kubectl")
        with open(self.folder + "/quirk", "w", encoding="utf-8") as f:
            f.write(quirk)
        self.env = dict(PATH=self.folder + "/bin:" + BASE_ENV["PATH"], FAKE=self.folder, PROBE=BASE_ENV["CUPEL_PROBE"],
                        KUBECONFIG=self.folder + "/quirk", CUPEL_STATE=self.state)

    def cupel(self, *args):
        return cupel(*args, env=self.env)

    def run(self, *args):
        return self.cupel("run", *(args or ["--target", "k8s/runc"]), *PLAN)

    def calls(self):
        with open(self.folder + "/calls", encoding="utf-8") as f:
            return f.read().splitlines()

    def pods(self):
        return os.listdir(self.folder + "/pods")

    def ledgers(self):
        return os.listdir(self.state + "/ledger")


def failure(quirk, words, *targets):
    c = Cluster(quirk)
    r = c.run(*targets)
    said = re.sub(r"\s+", " ", r.out + r.err)
    expect(words in said, "%s: no '%s' in: %s" % (quirk, words, said))
    expect(c.pods() == [], "%s: pods are left: %s" % (quirk, c.pods()))
    expect(not os.path.isdir(c.state + "/ledger") or c.ledgers() == [], "%s: a ledger is left" % quirk)
    return r


@case
def the_order_of_calls():
    c = Cluster()
    r = c.run("--target", "k8s/runc", "--k8s-image", "registry.test/cupel:1", "--k8s-node", "n1")
    expect(r.status == 0, r.err)
    calls = [re.sub(r"cupel-[0-9a-f]{8}-[0-9]{4}", "NAME", line) for line in c.calls()]
    pods = "/api/v1/namespaces/space/pods"
    expected = ["create " + pods, "get %s?watch=1&fieldSelector=metadata.name%%3DNAME" % pods,
                "attach --stdin --quiet --container=probe NAME", "get %s/NAME" % pods,
                "delete %s/NAME" % pods, "wait --for=delete"]
    got = [line for line in calls if not re.match(r"config|get /version|get /apis/node|get /api/v1/nodes", line)]
    for i in range(0, len(got), len(expected)):
        for line, want in zip(got[i:i + len(expected)], expected):
            expect(line.startswith(want), "'%s' where '%s' was due, in: %s" % (line, want, got))
    expect(len(got) >= 2 * len(expected), "preflight and a block: %s" % got)
    expect(c.pods() == [] and c.ledgers() == [], "something is left")


@case
def what_a_pod_is_asked_for():
    c = Cluster("no-image")
    c.run("--target", "k8s/runc", "--limit", "cpus=1.5", "--limit", "memory=512M")
    with open(c.folder + "/asked", encoding="utf-8") as f:
        pod = json.load(f)
    spec, labels = pod["spec"], pod["metadata"]["labels"]
    container = spec["containers"][0]
    expect(labels["app.kubernetes.io/managed-by"] == "cupel" and re.fullmatch("[0-9a-f]{8}", labels["cupel/run"]) and
           labels["cupel/session"] == pod["metadata"]["name"], labels)
    expect(spec["restartPolicy"] == "Never" and spec["automountServiceAccountToken"] is False and spec["runtimeClassName"] == "runc", spec)
    expect(container["imagePullPolicy"] == "Never" and container["stdin"] and container["stdinOnce"], container)
    want = {"cpu": "1500m", "memory": str(512 << 20)}
    expect(container["resources"] == {"requests": want, "limits": want}, container["resources"])
    expect("n1" in json.dumps(spec["affinity"]), spec["affinity"])


@case
def refusals_have_the_servers_words():
    failure("quota", "exceeded quota: q")
    failure("no-image", "ErrImageNeverPull: Container image is not present")
    failure("deleted", "the pod was deleted by somebody else")
    if not FULL:
        return
    failure("forbidden", 'User "u" cannot create resource "pods"')
    failure("security", 'violates PodSecurity "restricted:latest"')
    failure("evicted", "Evicted: The node was low on resource: memory")
    failure("not-ready", "node n1 is not ready")
    failure("unreachable", "no cluster answers", "--target", "k8s/default")
    failure("no-sandbox", 'FailedCreatePodSandBox: no runtime for "h?[31m"')
    failure("no-place", "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu")


@case
def a_name_that_lies_is_refused():
    failure("other-kernel", "this is not runc: its kernel is not the node's")
    failure("", "this is not runsc: the guest's kernel is the node's", "--target", "k8s/gvisor")
    if not FULL:
        return
    failure("other-kernel", "this is not crun: its kernel is not the node's", "--target", "k8s/crun")
    failure("", "this is not kata: the guest's boot is the node's", "--target", "k8s/kata-qemu")
    failure("other-node", "the pod is on node elsewhere, and not on n1")


@case
def bad_input():
    for target, words in [("k8s/none", "the cluster has no RuntimeClass none"), ("k8s/runc,pull=always", "a pod has no option 'pull'"),
                          ("k8s/runc,node=n/1", "is no name of a node"), ("k8s/A_b", "is no name of a RuntimeClass")]:
        r = Cluster().run("--target", target)
        expect(r.status != 0 and words in re.sub(r"\s+", " ", r.err + r.out), "%s: %s" % (target, r.err))
    r = Cluster().cupel("k8s", "image", "--k8s-image", "a b")
    expect(r.status != 0 and "is no name of an image" in r.err, r.err)


@case
def a_watch_that_breaks_or_babbles():
    for quirk in ("watch-breaks", "hostile") if FULL else ("hostile",):
        c = Cluster(quirk)
        r = c.run()
        expect(r.status == 0, quirk + ": " + r.err)
        expect(c.pods() == [] and c.ledgers() == [], "something is left")


@case
def killed_and_cleaned():
    c = Cluster()
    with open(c.folder + "/pods/bystander", "w", encoding="utf-8") as f:
        json.dump({"metadata": {"name": "bystander", "uid": "1"}}, f)
    # The first pod, of the preflight, may be gone by the time it is looked for; that of the first block stays.
    p = subprocess.Popen([CUPEL, "run", "--target", "k8s/runc", *PLAN, "--settle", "20s"], env=dict(BASE_ENV, **c.env),
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not os.path.exists(c.folder + "/calls") or sum(line.startswith("attach") for line in c.calls()) < 2:
        expect(time.monotonic() < deadline and p.poll() is None, "no pod came")
        time.sleep(.05)
    p.send_signal(signal.SIGKILL)
    p.wait()
    expect(len(c.pods()) == 2, "the pod is there: %s" % c.pods())
    r = c.cupel("clean")
    expect(r.status == 0 and "pods/cupel-" in r.out + r.err, r.out + r.err)
    expect(c.pods() == ["bystander"] and c.ledgers() == [], "left: %s" % c.pods())


if __name__ == "__main__":
    main()

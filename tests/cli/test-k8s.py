"""Machines by Kubernetes without one: what is created, in which order, and what each quirk of a cluster comes to.

kubectl is fake-kubectl.py; a pod is the built program, started as its Job says.
"""
import concurrent.futures
import functools
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time

from cli import BASE_ENV, CUPEL, SOURCE_ROOT, STATE, WORK, case, cases, cupel, expect, golden, main, one_line

PLAN = ["--target", "host", "--workload", "sys.getpid", "--slice", "1ms", "--rounds", "1", "--blocks", "1"]
LONG = [*PLAN[:-2], "--repeats", "1000", "--interval", "20ms"]
ON = "k8s:selector=pool=a,per=node,image=cupel:1,wait=2s"


class Cluster:
    number = itertools.count()

    """canned: pods say what one has said before."""

    def __init__(self, quirk="", on=ON, canned=True):
        self.folder = os.path.join(WORK, "c%d" % next(Cluster.number))
        os.makedirs(self.folder + "/bin")
        os.symlink(os.path.join(SOURCE_ROOT, "tests/cli/fake-kubectl.py"), self.folder + "/bin/kubectl")
        self.on, self.state = on, self.folder + "/cupel"
        with open(self.folder + "/quirk", "w") as f:
            f.write(quirk)
        if canned:
            with open(self.folder + "/canned", "w") as f:
                f.write(logged())
        with open(self.folder + "/config", "w") as f:
            f.write("{}")
        self.env = dict(PATH=self.folder + "/bin:" + BASE_ENV["PATH"], FAKE=self.folder, CUPEL=CUPEL, PROBE=BASE_ENV["CUPEL_PROBE"],
                        KUBECONFIG=self.folder + "/config", CUPEL_STATE=self.state, PYTHONDONTWRITEBYTECODE="1")

    def run(self, *args):
        return cupel("run", "--on", self.on, *(args or PLAN), env=self.env)

    def cupel(self, *args, **more):
        return cupel(*args, env=self.env, **more)

    def calls(self):
        with open(self.folder + "/calls") as f:
            return f.read().splitlines()

    def objects(self):
        with open(self.folder + "/objects") as f:
            return json.load(f)

    def nothing_left(self):
        expect(self.objects() == [], self.objects())
        ledgers = self.state + "/fleet/ledger"
        expect(not os.path.isdir(ledgers) or os.listdir(ledgers) == [], "a ledger is left")
        r = self.cupel("clean")
        expect(re.search(r"^nothing to clean|^0 things of 0 runs removed, 0 failed", r.out, re.M), r)


def line_of(r, node):
    return next((line for line in r.out.splitlines() if re.match(r"  k8s:%s " % node, line)), "")


def plain_manifest(text):
    """Names are drawn."""
    fleet = re.search(r"job -l cupel/run=cupel-([0-9a-f]{8})-1", text).group(1)
    return text.replace('"%s.json":' % fleet, fleet + ".json:").replace(fleet, "3fa9c2d1")


# ---- the manifest ----

@case
def the_manifest_is_the_golden_one():
    r = cupel("k8s", "manifest", "--on", "k8s:node=n1,node=n2,image=reg:5000/cupel:1,class=gvisor,cpu=2,memory=1Gi,tolerate=all,namespace=b",
              "--suite", "quick", "--target", "host")
    expect(r.status == 0 and not r.err, r)
    golden("k8s-manifest.yaml", plain_manifest(r.out))


@case
def the_manifest_of_an_agent_reaches_the_host_and_the_other_does_not():
    import yaml
    for flag in ([], ["--privileged-agent"]):
        r = cupel("k8s", "manifest", "--on", "k8s:node=n1,image=c", *flag, *PLAN)
        expect(r.status == 0, r)
        objects = list(yaml.safe_load_all(r.out))
        expect([o["kind"] for o in objects] == ["ConfigMap", "Job"], r)
        job, pod = objects[1]["spec"], objects[1]["spec"]["template"]["spec"]
        expect(job["backoffLimit"] == 0 and job["completions"] == 1 and job["activeDeadlineSeconds"] > 3600, job)
        expect(job["ttlSecondsAfterFinished"] == 24 * 3600 and pod["restartPolicy"] == "Never", job)
        for o in (objects[0], objects[1], objects[1]["spec"]["template"]):
            expect(o["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "cupel", o)
        own = pod["containers"][0]["securityContext"]
        reaching = [k for k in pod if k.startswith("host")] + [v for v in pod["volumes"] if "hostPath" in v]
        if flag:
            expect(own["privileged"] and pod["hostPID"] and len(reaching) == 3, pod)
            expect(all(v["readOnly"] for v in pod["containers"][0]["volumeMounts"]), pod)
        else:
            expect(own == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}} and not reaching, pod)
            expect(pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"], pod)


@case
def bad_input_is_one_line():
    for on, words in (("k8s:image=c", "which nodes"), ("k8s:selector=a=b", "image=NAME is missing"),
                      ("k8s:selector=a=b,node=n,image=c", "which nodes"), ("k8s:selector=a b,image=c", "cannot be"),
                      ("k8s:selector=a=b,imag=c", "did you mean image"), ("k8s:selector=a=b,image=c,per=pod", "per=node alone"),
                      ("k8s:selector=a=b,image=-c", "cannot be"), ("k8s:selector=a=b,image=c,time=1ms", "from 1s"),
                      ("k8s:node=n,node=n,image=c", "given twice"), ("k8t:node=n", "did you mean k8s")):
        r = cupel("k8s", "manifest", "--on", on, *PLAN)
        expect(r.status == 1 and words in one_line(r), r)
    expect("goes with --on k8s" in one_line(cupel("run", "--on", "ssh:a", "--privileged-agent", *PLAN)), "")
    expect("without class=x" in one_line(cupel("run", "--on", "k8s:node=n,image=c,class=x", "--privileged-agent", *PLAN)), "")
    expect("did you mean manifest" in one_line(cupel("k8s", "manifst")), "")
    expect("is in no cluster" in one_line(cupel("k8s", "manifest", "--on", "ssh:a", *PLAN)), "")


# ---- runs ----

@functools.lru_cache(None)
def real_run():
    c = Cluster(canned=False)
    r = c.run()
    expect(r.status == 0 and "2 of 2 machines have a run here" in r.out, r)
    return c, r


@functools.lru_cache(None)
def logged():
    c, _ = real_run()
    log = next(f for f in sorted(os.listdir(c.folder)) if f.endswith("-1.log"))
    with open(os.path.join(c.folder, log)) as f:
        return re.sub(r"cupel-run [0-9a-f]{8}-1 ", "cupel-run FLEET-N ", f.read())


@case
def a_run_of_each_node_comes_back():
    c, r = real_run()
    verbs = [" ".join(w for w in call.split()[:2]) for call in c.calls() if not call.startswith("config")]
    expect(verbs[:2] == ["get nodes", "create --filename"] and verbs[2] == "get jobs,pods", verbs)
    expect(verbs[-1] == "delete jobs,configmaps" and sum(v.startswith("logs") for v in verbs) >= 2, verbs)
    expect("the sandbox of its pod" in r.err and "block 1" in r.err and "cupel-run" not in r.err, r)
    c.nothing_left()
    for n, node in enumerate(("n1", "n2"), 1):
        run = json.loads(c.cupel("export", "r%d" % n).out)["run"]
        m = run["machine"]
        expect(m["hostname"] in ("n1", "n2") and m["fleet_on"] == "k8s:" + m["hostname"], m)
        expect(m["pod"] == "of the default class" and m["kubernetes"]["node"] == m["hostname"], m)
        expect(run["machine_id"] == m["id"] and not m["kubernetes"]["privileged"], m)
    r = c.cupel("show", "r1", "--absolute")
    expect("sandbox" in r.out and "host" not in r.out.split("sandbox")[0].splitlines()[-1], r)
    r = c.cupel("machines")
    expect("2 machines, 2 runs" in r.out and "values, mean over machines" in r.out, r)


@case
def what_goes_wrong_on_one_node_leaves_the_other():
    logged()
    for quirk, words, least in (
            ("unschedulable@n2", "did not begin: Unschedulable: 0/2 nodes are available", 2),
            ("image@n2", "its image is not to be had there: ErrImageNeverPull", 2),
            ("sandbox@n2", "its sandbox was not made: FailedCreatePodSandBox: Failed to create pod sandbox", 2),
            ("evicted@n2", "was cancelled: Evicted: The node was low on resource", 0),
            ("oom@n2", "it failed there: OOMKilled .exit status 137", 0),
            ("arch@n2", "does not run on its architecture: StartError", 0),
            ("nodelost@n2", "its node failed: NodeLost", 0),
            ("deleted@n2", "its pod was deleted by somebody else", 0)):
        waiting.append((quirk, words, least, pool.submit(timed, quirk)))


@case
def what_the_cluster_refuses_is_said():
    logged()
    for quirk, words in (("refused", "it does not let us in: .*jobs.batch is forbidden"),
                         ("quota", "did not take the job: FailedCreate: .*exceeded quota"),
                         ("security", "did not take the job: FailedCreate: .*violates PodSecurity"),
                         ("class", "did not take the job: FailedCreate: .*RuntimeClass \"broken\" not found")):
        waiting.append((quirk, words, 0, pool.submit(timed, quirk)))


def timed(quirk):
    c, begun = Cluster(quirk), time.monotonic()
    return c, c.run(), time.monotonic() - begun


@case
def none_of_them_takes_long_or_leaves_anything():
    for quirk, words, least, future in waiting:
        c, r, took = future.result()
        bad = ("n2",) if "@" in quirk else ("n1", "n2")
        for node in bad:
            expect(re.search(words, line_of(r, node)), (quirk, r))
        expect(r.status == (3 if len(bad) == 1 else 4), (quirk, r))
        if len(bad) == 1:
            expect(" r1 " in line_of(r, "n1") and "(partial)" in r.out, (quirk, r))
        expect(least <= took < 40, (quirk, took))
        if quirk != "refused":
            c.nothing_left()


@case
def who_may_not_list_nodes_is_told_and_can_name_them():
    r = Cluster("nonodes").run()
    expect(r.status == 4 and "it does not let us in" in r.out and "nodes is forbidden" in r.out, r)
    r = Cluster("nonodes", on="k8s:node=n7,image=c").run()
    expect(r.status == 0 and " r1 " in line_of(r, "n7"), r)
    r = Cluster(on=ON.replace("pool=a", "pool=none")).run()
    expect(r.status == 4 and "no node has the labels pool=none" in r.out, r)


@case
def a_server_that_goes_away_and_comes_back_is_waited_for():
    r = Cluster("away").run()
    expect(r.status == 0 and "2 of 2 machines" in r.out, r)


@case
def a_job_that_a_quota_refuses_is_one_machine():
    c = Cluster("jobquota")
    r = c.run()
    expect(r.status == 3 and " r1 " in line_of(r, "n1") and "exceeded quota" in line_of(r, "n2"), r)
    c.nothing_left()


@case
def a_log_that_was_cut_is_read_again_and_a_damaged_one_refused():
    c = Cluster("cut", on="k8s:node=n1,image=c")
    r = c.run()
    expect(r.status == 0 and os.path.exists(c.folder + "/was-cut"), r)
    r = Cluster("damaged", on="k8s:node=n1,image=c").run()
    expect(r.status == 4 and "cannot be taken" in line_of(r, "n1"), r)


@case
def what_is_no_sandbox_cannot_be_measured():
    r = Cluster(on="k8s:node=n1,image=c", canned=False).run("--target", "runc", "--workload", "sys.getpid", "--blocks", "1")
    expect(r.status == 4 and "a pod measures its own sandbox" in line_of(r, "n1"), r)


@case
def an_interrupt_ends_the_run_in_order():
    c = Cluster(on="k8s:node=n1,image=c", canned=False)
    p = start(c)
    wait_for(lambda: "block 2" in p.said(), p.said)
    p.send_signal(signal.SIGINT)
    p.wait(timeout=30)
    expect(p.returncode == 3 and "interrupted, and what was measured until then is here" in p.out(), p.out() + p.said())
    expect(any(call.startswith("delete pod") for call in c.calls()), c.calls())
    c.nothing_left()


@case
def a_killed_controller_is_followed_by_resume():
    c = Cluster(on="k8s:node=n1,image=c", canned=False)
    p = start(c)
    wait_for(lambda: "block 2" in p.said(), p.said)
    p.kill()
    p.wait()
    fleet = os.listdir(c.state + "/fleet")
    name = next(f for f in fleet if f.endswith(".json"))[:-5]
    job = next(o["metadata"]["name"] for o in c.objects() if o["kind"] == "Job")
    with open(c.folder + "/" + job + ".pid") as f:
        pid = int(f.read())
    expect(os.path.exists("/proc/%d" % pid), "the pod went with its controller")
    for child in open("/proc/%d/task/%d/children" % (pid, pid)).read().split():
        os.kill(int(child), signal.SIGTERM)
    r = c.cupel("run", "--resume", "fleet-" + name)
    expect(r.status == 3 and " r1 " in line_of(r, "n1"), r)
    c.nothing_left()


# ---- by hand ----

@case
def the_log_of_a_pod_is_imported():
    c, _ = real_run()
    text = logged().replace("FLEET-N", "3fa9c2d1-1").encode()
    other = {"env": {"CUPEL_STATE": c.folder + "/other"}}
    prefixed = b"".join(b"[pod/x/cupel] 2026-01-01T00:00:00Z " + line for line in text.splitlines(True))
    r = cupel("import", "-", stdin=prefixed, **other)
    expect(r.status == 0 and r.out == "imported as r1\n", r)
    run = json.loads(cupel("export", "r1", **other).out)["run"]
    expect(run["machine"]["hostname"] == "n1" and run["machine"]["fleet_on"] == "k8s:n1", run)
    for name, bad in (("is missing", text.replace(b" 0 H4", b" 1 H4", 1)), ("is missing", text[:text.rindex(b"cupel-run")]),
                      ("damaged", text.replace(b" 0 H4", b" 0 *4", 1)), ("here already", text)):
        r = cupel("import", "-", stdin=bad, **other)
        expect(r.status != 0 and name in one_line(r), (name, r))


# ---- their means ----

def wait_for(what, said, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        expect(time.monotonic() < end, said())
        time.sleep(.02)


class start(subprocess.Popen):
    def __init__(self, c):
        self.files = [c.folder + "/controller.out", c.folder + "/controller.err"]
        super().__init__([CUPEL, "run", "--on", c.on, *LONG], env=dict(BASE_ENV, **c.env), stdin=subprocess.DEVNULL,
                         stdout=open(self.files[0], "w"), stderr=open(self.files[1], "w"), start_new_session=True)

    def out(self):
        return open(self.files[0]).read()

    def said(self):
        return open(self.files[1]).read()


pool = concurrent.futures.ThreadPoolExecutor(12)
waiting = []
# What waits on both ends waits beside the others.
last = cases.index(none_of_them_takes_long_or_leaves_anything)
cases.append(cases.pop(last))
for early in (what_goes_wrong_on_one_node_leaves_the_other, what_the_cluster_refuses_is_said):
    cases.insert(0, cases.pop(cases.index(early)))

if __name__ == "__main__":
    main()

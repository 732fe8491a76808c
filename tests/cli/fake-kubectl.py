#!/usr/bin/python3 -IS
"""An API server with one quirk, for test-k8s.py: what kubectl says and does, as far as cupel asks for it.

$FAKE is a folder: `quirk` names what goes wrong, `calls` gets the words of each call, `objects` is what is there.
A pod is the built program itself, started as its Job has it, so that what is in its log is real; where there is a
file `canned`, such a log of before, under its own name.
"""
import fcntl
import json
import os
import sys

FAKE = os.environ["FAKE"]
args = sys.argv[1:]


def path(*parts):
    return os.path.join(FAKE, *parts)


def read(name, fallback=""):
    try:
        with open(path(name)) as f:
            return f.read()
    except FileNotFoundError:
        return fallback


def die(words):
    sys.stderr.write(words + "\n")
    sys.exit(1)


def option(name):
    for i, a in enumerate(args):
        if a == name:
            return args[i + 1]
        if a.startswith(name + "="):
            return a[len(name) + 1:]
    return ""


# What cupel puts before the verb: which cluster, which namespace, how long it may take.
while args and args[0].startswith("-"):
    args = args[1:] if "=" in args[0] else args[2:]
verb = args[0] if args else ""
quirk = read("quirk").strip()
with open(path("calls"), "a") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    f.write(" ".join(args) + "\n")


def objects():
    return json.loads(read("objects", "[]"))


def keep(all_of_them):
    with open(path("objects.new"), "w") as f:
        json.dump(all_of_them, f)
    os.rename(path("objects.new"), path("objects"))


def selected(o):
    want = dict(p.split("=") for p in (option("--selector") or option("-l")).split(",") if p)
    labels = o["metadata"].get("labels", {})
    return all(labels.get(k) == v for k, v in want.items())


def pod_of(job):
    """Started once, by the first look at it."""
    name, spec = job["metadata"]["name"], job["spec"]["template"]["spec"]
    node = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    pod = {"kind": "Pod", "metadata": {"name": name + "-x7k2p", "labels": dict(job["spec"]["template"]["metadata"]["labels"], **{"job-name": name})},
           "spec": {"nodeName": node}, "status": {"phase": "Pending", "conditions": [], "containerStatuses": []}}
    status = pod["status"]
    odd = quirk if quirk and not (quirk.endswith("@n2") and node != "n2") else ""
    odd = odd.split("@")[0]

    def waiting(reason, message=""):
        status["containerStatuses"] = [{"state": {"waiting": {"reason": reason, "message": message}}}]

    def ended(reason, code, message=""):
        status["phase"] = "Failed" if code else "Succeeded"
        status["containerStatuses"] = [{"state": {"terminated": {"reason": reason, "exitCode": code, "message": message}}}]

    if odd in ("quota", "security", "class"):
        return None
    if odd == "unschedulable":
        status["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available: 1 Insufficient cpu."}]
    elif odd == "image":
        waiting("ErrImageNeverPull", "Container image \"cupel:1\" is not present with pull policy of Never")
    elif odd == "sandbox":
        waiting("ContainerCreating")
    elif odd == "evicted":
        status.update(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    elif odd == "oom":
        ended("OOMKilled", 137)
    elif odd == "arch":
        ended("StartError", 128, "failed to create containerd task: exec /cupel/bin/cupel: exec format error")
    elif odd == "nodelost":
        status.update(phase="Failed", reason="NodeLost", message="Node n2 which was running pod is unresponsive")
    elif odd == "deleted" and os.path.exists(path(name + ".asked")):
        return None
    elif odd == "deleted":
        open(path(name + ".asked"), "w").close()
        status.update(phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    else:
        run(job, name, node)
        status["phase"] = "Running"
        status["conditions"] = [{"type": "Ready", "status": "True"}]
        if os.path.exists(path(name + ".status")):
            ended("Completed", int(read(name + ".status")))
    return pod


def run(job, name, node):
    c = job["spec"]["template"]["spec"]["containers"][0]
    folder = path(name)
    try:
        os.mkdir(folder)
    except FileExistsError:
        return
    order = next(o for o in objects() if o["kind"] == "ConfigMap")
    if os.path.exists(path("canned")):
        fleet, number = name.split("-")[1], c["args"][c["args"].index("--number") + 1]
        with open(folder + ".log", "w") as f:
            f.write(read("canned").replace("FLEET-N", fleet + "-" + number))
        with open(folder + ".status", "w") as f:
            f.write("0")
        return
    import subprocess
    os.makedirs(folder + "/etc/fleet")
    os.mkdir(folder + "/tmp")
    for key, text in order["data"].items():
        with open(folder + "/etc/fleet/" + key, "w") as f:
            f.write(text)
    words = [folder + w if w == "/tmp" else w.replace("/etc/cupel/", folder + "/etc/") for w in c["args"]]
    env = dict(os.environ, CUPEL_PROBE=os.environ["PROBE"], CUPEL_POD_NODE=node, CUPEL_POD_NAME=name + "-x7k2p", CUPEL_POD_NAMESPACE="default")
    script = 'echo $$ >"$0.pid"; "$@" >"$0.log" 2>&1; echo $? >"$0.new"; mv "$0.new" "$0.status"'
    subprocess.Popen(["/bin/sh", "-c", script, folder, os.environ["CUPEL"], *words], env=env, start_new_session=True,
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def event(kind, name, reason, message):
    return {"involvedObject": {"kind": kind, "name": name}, "reason": reason, "message": message, "type": "Warning",
            "lastTimestamp": "2026-01-01T00:00:00Z"}


def get():
    what = args[1]
    if quirk.startswith("away"):
        count = int(read("count", "0")) + 1
        with open(path("count"), "w") as f:
            f.write(str(count))
        if count in (4, 5, 6):
            die("Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: connection refused")
    if what == "nodes":
        if quirk == "nonodes":
            die('Error from server (Forbidden): nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope')
        names = [] if option("--selector") == "pool=none" else ["n1", "n2"]
        return [{"metadata": {"name": n}, "status": {"nodeInfo": {"machineID": n * 16}}} for n in names]
    jobs = [o for o in objects() if o["kind"] == "Job" and (what == "events" or selected(o))]
    if what == "events":
        words = {"quota": 'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0',
                 "security": 'pods "x" is forbidden: violates PodSecurity "restricted:latest": hostPID',
                 "class": 'pods "x" is forbidden: pod rejected: RuntimeClass "broken" not found'}
        found = []
        for j in jobs:
            name = j["metadata"]["name"]
            if quirk in words:
                found.append(event("Job", name, "FailedCreate", "Error creating: " + words[quirk]))
            if quirk.split("@")[0] == "sandbox":
                found.append(event("Pod", name + "-x7k2p", "FailedCreatePodSandBox", "Failed to create pod sandbox: no runtime for \"broken\" is configured"))
        return found
    found = []
    for j in jobs:
        found.append(dict(j, status={"conditions": []}))
        found += [p for p in [pod_of(j)] if p]
    return found


def create():
    new = json.load(sys.stdin)["items"]
    if quirk == "refused":
        die('Error from server (Forbidden): error when creating "STDIN": jobs.batch is forbidden: User "u" cannot create resource "jobs" in API group "batch" in the namespace "default"')
    if quirk == "jobquota":
        last = new.pop()
    keep(objects() + new)
    for o in new:
        print("%s/%s" % ({"Job": "job.batch", "ConfigMap": "configmap"}[o["kind"]], o["metadata"]["name"]))
    if quirk == "jobquota":
        die('Error from server (Forbidden): error when creating "STDIN": jobs.batch "%s" is forbidden: exceeded quota: q, requested: count/jobs.batch=1' % last["metadata"]["name"])


def stop(name):
    pid = read(name + ".pid").strip()
    if not pid or os.path.exists(path(name + ".status")):
        return
    with open("/proc/%s/task/%s/children" % (pid, pid)) as f:
        for child in f.read().split():
            os.kill(int(child), 15)


def delete():
    if args[1] == "pod":
        return stop(args[2].rsplit("-", 1)[0])
    gone = [o for o in objects() if (selected(o) if option("--selector") else o["metadata"]["name"] == args[2] and o["kind"] == "Job")]
    for o in gone:
        stop(o["metadata"]["name"])
    keep([o for o in objects() if o not in gone])


def logs():
    import select
    name = args[-1].rsplit("-", 1)[0]
    cut = quirk == "cut" and not os.path.exists(path("was-cut"))
    if not os.path.exists(path(name + ".log")):
        die('Error from server (NotFound): pods "%s" not found' % args[-1])
    with open(path(name + ".log")) as f:
        while True:
            done = os.path.exists(path(name + ".status"))
            for line in iter(f.readline, ""):
                if cut and " end " in line:
                    open(path("was-cut"), "w").close()
                    return
                if quirk == "damaged" and "cupel-run" in line and " head " not in line:
                    line = line.replace("A", "B")
                sys.stdout.write(line)
            sys.stdout.flush()
            if done:
                return
            select.select([], [], [], .05)


if verb == "get":
    json.dump({"kind": "List", "items": get()}, sys.stdout)
elif verb in ("create", "delete", "logs"):
    {"create": create, "delete": delete, "logs": logs}[verb]()
elif verb == "config":
    json.dump({"kind": "Config", "current-context": "test", "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
               "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443"}}], "users": []}, sys.stdout)
else:
    die("unknown verb " + verb)

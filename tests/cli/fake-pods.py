#!/usr/bin/python3 -IS
"""A cluster of one node with one quirk, for test-k8s-targets.py: what kubectl says and does, as far as targets k8s/... ask.

$FAKE is a folder: `quirk` names what goes wrong, `calls` gets the words of each call, `pods/NAME` is what is there.
Attaching to a pod starts its command here, with the built probe as its program.
"""
import json
import os
import sys
import time

FAKE = os.environ["FAKE"]
args = [a for a in sys.argv[1:] if not a.startswith(("--context=", "--namespace=", "--request-timeout="))]
verb = args[0]
raw = next((a[len("--raw="):] for a in args if a.startswith("--raw=")), "")
path, _, rest = raw.partition("?")
query = dict(p.split("=", 1) for p in rest.split("&") if p)
STAMP = "2026-01-01T00:00:00Z"


def read(name, fallback=None):
    try:
        with open(os.path.join(FAKE, name), encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return fallback


def host(name):
    with open("/proc/sys/kernel/" + name, encoding="utf-8") as f:
        return f.read().strip()


def die(words):
    sys.stderr.write(words + "\n")
    sys.exit(1)


def say(o):
    sys.stdout.write(json.dumps(o) + "\n")
    sys.stdout.flush()


quirk = read("quirk", "").strip()
with open(os.path.join(FAKE, "calls"), "a", encoding="utf-8") as calls:
    calls.write(verb + " " + (raw.split("&resourceVersion")[0] or " ".join(args[1:])) + "\n")


def store(pod):
    path = os.path.join(FAKE, "pods", pod["metadata"]["name"])
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(pod, f)
    os.rename(path + ".new", path)


def load(name):
    text = read("pods/" + name)
    return json.loads(text) if text else None


def condition(kind, status="True", **more):
    return dict(type=kind, status=status, lastTransitionTime=STAMP, **more)


def running(pod):
    pod["status"] = {"phase": "Running", "conditions": [condition("PodScheduled"), condition("Ready")], "containerStatuses": [
        {"state": {"running": {"startedAt": STAMP}}, "containerID": "containerd://" + "0" * 64}]}
    pod["spec"]["nodeName"] = "elsewhere" if quirk == "other-node" else "n1"
    return pod


def waiting(pod, reason, message):
    pod["status"] = {"phase": "Pending", "conditions": [condition("PodScheduled")],
                     "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}
    return pod


def node():
    return {"metadata": {"name": "n1"}, "status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "conditions": [condition("Ready", "False" if quirk == "not-ready" else "True")],
        "nodeInfo": {"containerRuntimeVersion": "containerd://1.6", "kernelVersion": "0.0" if quirk == "other-kernel" else host("osrelease"),
                     "bootID": host("random/boot_id"), "kubeletVersion": "v1.30.0", "architecture": "amd64"}}}


def create():
    pod = json.load(sys.stdin)
    with open(os.path.join(FAKE, "asked"), "w", encoding="utf-8") as f:
        json.dump(pod, f)
    refusals = {
        "forbidden": 'Error from server (Forbidden): pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "space"',
        "quota": 'Error from server (Forbidden): pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0',
        "security": 'Error from server (Forbidden): pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'}
    if quirk in refusals:
        die(refusals[quirk])
    pod["metadata"].update(uid="1" * 8 + "-1111-1111-1111-" + "1" * 12, resourceVersion="1", creationTimestamp=STAMP)
    pod["status"] = {"phase": "Pending"}
    store(pod)
    say(pod)


def watch():
    name = query["fieldSelector"].split("%3D")[1]
    pod = load(name)
    event = dict(type="MODIFIED", object=pod)
    if quirk == "no-image":
        waiting(pod, "ErrImageNeverPull", "Container image is not present with pull policy of Never")
    elif quirk in ("no-sandbox", "no-place"):
        pod["status"] = {"phase": "Pending", "conditions": [condition("PodScheduled")] if quirk == "no-sandbox" else [
            condition("PodScheduled", "False", reason="Unschedulable", message="0/1 nodes are available: 1 Insufficient cpu")]}
    elif quirk == "evicted":
        pod["status"] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory"}
    elif quirk == "deleted":
        event["type"] = "DELETED"
    elif quirk == "watch-breaks" and not read("broke"):
        with open(os.path.join(FAKE, "broke"), "w", encoding="utf-8") as f:
            f.write("once")
        return
    else:
        running(pod)
    say(dict(type="ADDED", object={"metadata": {"uid": "another's"}}))
    if quirk == "hostile":
        sys.stdout.write("no JSON\n[1]\n" + '{"object": 5}\n')
    store(pod)
    say(event)
    time.sleep(60)


def get():
    if path == "/version":
        if quirk == "unreachable":
            die("The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?")
        return say({"gitVersion": "v1.30.0"})
    if path.startswith("/apis/node.k8s.io/v1/runtimeclasses"):
        name = path.rsplit("/", 1)[1]
        if name == "runtimeclasses":
            return say({"items": [{"metadata": {"name": "runc"}}]})
        if name == "none":
            die('Error from server (NotFound): runtimeclasses.node.k8s.io "none" not found')
        return say({"handler": "h-" + name, "overhead": {"podFixed": {"memory": "16Mi"}}})
    if path.startswith("/api/v1/nodes"):
        return say(node() if path.endswith("/n1") else {"items": [node()]})
    if path.endswith("/events"):
        return say({"items": [{"type": "Warning", "reason": "FailedCreatePodSandBox", "message": "no runtime for \"h\x1b[31m\"", "lastTimestamp": STAMP}]
                    if quirk == "no-sandbox" else []})
    if "watch" in query:
        return watch()
    pod = load(path.rsplit("/", 1)[1])
    if not pod:
        die('Error from server (NotFound): pods "x" not found')
    return say(pod)


def attach():
    pod = load(args[-1])
    command = pod["spec"]["containers"][0]["command"]
    os.execv(os.environ["PROBE"], [os.environ["PROBE"], *command[1:]])


def delete():
    name, options = path.rsplit("/", 1)[1], json.load(sys.stdin)
    pod = load(name)
    if not pod:
        die('Error from server (NotFound): pods "%s" not found' % name)
    if options["preconditions"]["uid"] != pod["metadata"]["uid"]:
        die("Error from server (Conflict): the UID in the precondition does not match")
    os.unlink(os.path.join(FAKE, "pods", name))
    say(pod)


if verb == "config":
    if "--output=json" in args:
        say({"current-context": "c", "contexts": [{"context": {"namespace": "space"}}], "clusters": [{"cluster": {"server": "https://s:1"}}]})
    else:
        sys.stdout.write("https://s:1")
elif verb == "wait":
    if load(args[-1].split("/")[1]):
        die("error: timed out waiting for the condition")
else:
    {"create": create, "get": get, "attach": attach, "delete": delete}[verb]()

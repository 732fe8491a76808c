"""What a RuntimeClass counts for a pod's sandbox, beside what was weighed; and pods on another machine."""
import json

import made
from cli import case, cupel, expect, golden, main

BLOCKS = 8
MIB = 1 << 20
# One crun's class counts ten times what one takes, and gVisor's less than that.
TARGETS = [made.target("host", "host"),
           made.target("k8s/crun", "k8s", "crun", info={"runtime_class": {"handler": "crun-h", "pod_fixed": {"cpu": "250m", "memory": "20Mi"}}}),
           made.target("k8s/gvisor", "k8s", "gvisor", info={
               "runtime_class": {"handler": "runsc", "pod_fixed": {"cpu": "", "memory": "10M"}}, "machine": "node n2"}),
           made.target("runc", "oci", "runc")]
CELLS = [made.cell("sys.getpid"), made.cell("density.all", grain="whole", unit="KiB")]
KIB = {1: 1536, 2: 30 * 1024, 3: 1024}
FACTS = {"payload_bytes": 0.5 * MIB, "tool_bytes": 0, "kernel_bytes": MIB, "idle_cpu_ppm": 500, "running": 20}


def outcome(cell, target, block):
    if cell == 0:
        return made.part(target, [(1000, 100000 * (1 + .001 * (block % 3 - 1) * target))])
    if target == 0:
        return made.part(target, [], failure={"kind": "unsupported", "text": "it is no sandbox", "code": 0})
    return made.part(target, [(1, KIB[target] * 1e9)], facts=FACTS)


def state():
    return made.state("overhead", lambda: [made.document("0f0e0d0c-0b0a-4009-8807-0605040302e7", TARGETS, CELLS, BLOCKS, outcome)])


def show(*args, command="show"):
    r = cupel(command, *args, env={"CUPEL_STATE": state()})
    expect(r.status == 0, r)
    return r.out


@case
def what_a_class_counts_stands_beside_what_one_takes():
    golden("show-overhead.txt", show())
    full = show("--format", "md", command="report")
    expect("k8s/gvisor: its RuntimeClass counts 9.54 MiB" in full and "runc: its" not in full, full)


@case
def as_json():
    found = {x["target"]: x for x in json.loads(show("--format", "json"))["overheads"]}
    expect(set(found) == {"k8s/crun", "k8s/gvisor", "runc"}, found)
    crun, gvisor = found["k8s/crun"], found["k8s/gvisor"]
    expect(abs(crun["memory_bytes"] - 2 * MIB) < MIB / 100 and crun["counted_memory_bytes"] == 20 * MIB, crun)
    expect(abs(crun["cpus"] - .0005) < 1e-9 and crun["counted_cpus"] == .25, crun)
    expect(gvisor["counted_memory_bytes"] == 1e7 and gvisor["counted_cpus"] is None, gvisor)
    expect(found["runc"]["counted_memory_bytes"] is None, found)


@case
def as_a_runtimeclass():
    classes = show("--format", "runtimeclass").split("---\n")[1:]
    expect(len(classes) == 3, classes)
    expect("name: crun\nhandler: crun-h\n" in classes[0] and "name: runc\nhandler: runc # what" in classes[2], classes)
    expect("memory: 2Mi" in classes[0] and "; the class counts 10 times that" in classes[0] and "500 times" in classes[0], classes[0])
    expect("; the class counts 0.313 times that" in classes[1] and "cpu: 1m # 0.50 millicores while idle\n" in classes[1], classes[1])
    expect("counts" not in classes[2], classes[2])


@case
def pods_of_another_machine_are_marked():
    rows = json.loads(show("--format", "json"))
    marked = {c["target"] for c in rows["cells"] if "other-machine" in c["flags"]}
    expect(marked == {"k8s/gvisor"}, marked)
    expect({t["target"]: t["machine"] for t in rows["targets"]}["k8s/gvisor"] == "node n2", rows["targets"])


if __name__ == "__main__":
    main()

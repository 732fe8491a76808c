"""A made-up run with a target whose CPU is emulated: runc takes 1.5 times what the host does, the
virtual machine ten times."""
import made

BLOCKS = 8
TARGETS = [made.target("host", "host"), made.target("runc", "oci", "runc"),
           made.target("vm", "oci", "runsc", "kvm", info={"emulated": True})]
CELLS = [made.cell("cpu.prime"), made.cell("mem.triad"), made.cell("sys.getpid"),
         made.cell("beside.fsync@cpu.prime", workload="beside.fsync", grain="whole", unit="x")]
TIMES = {"cpu.prime": (100000, 100100, 1e6), "mem.triad": (2000, 3000, 20000),
         "sys.getpid": (100, 150, 1000), "beside.fsync@cpu.prime": (1e9, 2e9, 2e9)}


def outcome(cell, target, block):
    ns = TIMES[CELLS[cell]["name"]][target] * (1 + .001 * (block % 3 - 1) * target)
    return made.part(target, [(1000, 1000 * ns)])


def document(targets=TARGETS, **how):
    return made.document("0f0e0d0c-0b0a-4009-8807-0605040302e1", targets, CELLS, BLOCKS, outcome,
                         **how)


def state(name="emulated", **how):
    return made.state(name, lambda: [document(**how)])

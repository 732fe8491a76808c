"""A run whose figures can be worked out on paper: work, reach, a neighbour and aggressors on host, runc
and gVisor. Its document is written here and imported.
"""
import math

import made

BLOCKS = 7
TARGETS = [("host", "host", "", ""), ("runc", "oci", "runc", ""),
           ("runsc:ptrace", "oci", "runsc", "ptrace")]
NO = None  # failed


def bits(*numbers):
    v = sum(1 << (511 - n) for n in numbers)
    return "%0128x" % v


def reach(called, could, unknown, caps, shares, paths):
    return {"payload_bits": bits(*called), "could_payload_bits": bits(*could),
            "host_capabilities": caps, "host_paths_asked": 23, "shares_payload": shares,
            "host_paths_payload": paths, **({"could_sandbox_unknown": unknown} if unknown else {})}


def beside(recovery, held=True):
    facts = {"with_ns": 1.0, "held": held}
    return facts if recovery is None else {**facts, "recovery_s": recovery}


HOST = reach(range(34), range(512), 0, 40, "mnt,pid,net", "/root,/proc/kmsg")
RUNC = reach(range(34), range(512), 0, 14, "user", "/proc/kmsg")
GUEST = reach(range(39), range(85), 3, 6, "pid,user", "")
ANSWERS = {"answered_bits": bits(*range(358))}

# Time per operation in ns, or the count or factor; how far the blocks spread; facts.
CELLS = {
    "cpu.prime": ((1e6, 1e6, 1.01e6), .001),
    "mem.triad": ((1e5, 1.05e5, 1.05e5), .01),
    "sys.getpid": ((100, 100, 12800), .002),
    "sys.close": ((200, 200, 10000), .002),
    "sys.exec": ((4e5, 4e5, NO), .002),
    "reach.answered": ((358, 358, 301), 0, (ANSWERS, ANSWERS, {})),
    "reach.host": ((34, 34, 39), 0, (HOST, RUNC, GUEST)),
    "neighbour.slowdown": ((1.05, 1.3, 1.2), .02),
    "beside.idle@prime": ((NO, 1, 1), .002, (0, beside(0), beside(0))),
    "tail.idle@prime": ((NO, 1, 1), .01, (0, beside(0), beside(0))),
    "beside.idle@create": ((NO, 1, 1.01), .004, (0, beside(0), beside(0))),
    "beside.fsync@prime": ((NO, 1, 1.01), .004, (0, beside(0), beside(.05))),
    "tail.fsync@prime": ((NO, 1.2, 1.6), .1, (0, beside(0), beside(.05))),
    "beside.fsync@create": ((NO, 4, 16), .02, (0, beside(.25), beside(None, False))),
    "beside.fsync@start": ((NO, 2, NO), .02, (0, beside(1.5), {})),
}

# There where a test asks for it by name.
MORE = {
    "life.start": ((1.2e6, 31e6, 163e6), .03),
    "density.all": ((NO, 480, 11400), .01,
                    (0, {"all": 480 << 10, "kernel_bytes": 390000, "fit": 27000, "running": 50},
                     {"all": 11400 << 10, "kernel_bytes": 1700000, "fit": 1800, "running": 50})),
}
ALL = {**CELLS, **MORE}


def outcome(cell, target, block):
    value, spread = ALL[cell][0][target], ALL[cell][1]
    facts = ALL[cell][2][target] if len(ALL[cell]) > 2 else None
    # sys.exec fails once alone, the others always.
    if value is NO and not (cell == "sys.exec" and block != 3):
        text = "aggressors run on the host with --i-understand alone" if target == 0 else "it hung"
        return made.part(target, [], failure={"kind": "timeout", "code": 110, "text": text})
    value = (value or 2e6) * math.exp(spread * (target + 1) * (block - 3) / 3)
    ops, ns = 10**6, 10**6 * value
    if cell == "reach.answered":  # a rate
        ops, ns = 1000 * value, 1e12
    elif cell_of(cell)["unit"]:
        ops = 1 if value > 1000 else 1000
        ns = 1e9 * ops * value
    return made.part(target, [(ops, ns)], facts=facts)


def cell_of(name):
    whole = name.split(".")[0] in ("reach", "neighbour", "beside", "tail", "life", "density")
    unit = {"reach": "calls", "density": "KiB", "neighbour": "times", "beside": "times",
            "tail": "times"}
    return made.cell(name, grain="whole" if whole else "slice",
                     unit=unit.get(name.split(".")[0], ""),
                     better="higher" if name == "reach.answered" else "lower")


def document(cells, uuid):
    return made.document(uuid, [made.target(*t) for t in TARGETS], [cell_of(c) for c in cells],
                         BLOCKS, lambda c, t, b: outcome(cells[c], t, b))


def state(name, wanted=lambda c: c in CELLS, change=lambda run: None):
    """A state directory with that run alone in it; change may edit its document before."""
    def documents():
        run = document([c for c in ALL if wanted(c)], "0f0e0d0c-0b0a-4009-8807-060504030201")
        change(run)
        return [run]

    return made.state(name, documents)

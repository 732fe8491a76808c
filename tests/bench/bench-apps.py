#!/usr/bin/env python3
"""Whole workloads through cupel against the same by hand, in turns, on the host.

    bench-apps.py CUPEL [NAME...]

NAME: disk dav1d redis (default: all). For each figure the rate through cupel / the rate by hand, as
the Hodges-Lehmann estimate over the pairs with its 95 % interval; each pair is one execution of
either, in random order. The interval has to lie within 3 % of 1, or the ratio be better.

disk   disk.iozone / fio with psync, the same block and file size, on the same file system, buffered with
       the fsync inside the time, and direct. The file system is an ext4 on a loop device in memory:
       a disk's own noise is ten times the bound
dav1d  the declared application / the same command, typed, in a chroot of the same image
redis  the same, with its server

Exit status 1: a bound was missed; 2: an error. What is not here is said and left out. Root only.
"""
import contextlib
import glob
import json
import math
import mmap
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BOUND = .03
PAIRS = {"disk": 30, "dav1d": 80, "redis": 240}

STATE = os.environ.get("CUPEL_STATE", "/var/lib/cupel")
SIZE_MIB = 256


def run(argv, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                          check=False, **more)
    if done.returncode != 0:
        sys.exit(f"bench-apps: {argv[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def through_cupel(cupel, database, *arguments, repeats=1):
    """The last block on the host; the samples and facts of every cell."""
    text = run([cupel, "run", "--quiet", "--target", "host", "--repeats", str(repeats), "--db", database,
                "--json", "-", *arguments])
    document = json.loads(text)
    cells = [cell["name"] for cell in document["cells"]]
    ret = {}
    for trial in document["trials"]:
        part = trial["parts"][0]
        if part["outcome"] != "ok":
            sys.exit(f"bench-apps: {cells[trial['cell']]}: {part['failure']}")
        part["samples"] = [dict(zip(document["sample_columns"], s)) for s in part["samples"]]
        ret[cells[trial["cell"]]] = part
    return ret


def hodges_lehmann(d):
    """As cupel's own ratios (docs/statistics.md): the median of the Walsh averages, and the interval
    between those of the signed-rank distribution's 2.5 % points."""
    n = len(d)
    walsh = sorted((d[i] + d[j]) / 2 for i in range(n) for j in range(i, n))
    spread = 1.96 * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    rank = max(0, math.floor(n * (n + 1) / 4 - spread) - 1)
    return statistics.median(walsh), walsh[rank], walsh[-1 - rank]


def verdict(what, ratios):
    middle, low, high = (math.exp(x) for x in hodges_lehmann([math.log(r) for r in ratios]))
    good = low >= 1 - BOUND and high <= 1 + BOUND or low >= 1
    print(f"{what}: ratio {middle:.3f} [{low:.3f}, {high:.3f}], 95 %, {len(ratios)} pairs "
          f"(bound 1 +- {BOUND}, or better): {'ok' if good else 'missed'}", flush=True)
    return good


def compare(bench, what, one, other):
    """one, other: functions that give {figure: rate}. The same pairs serve all figures."""
    ratios = {}
    for _ in range(PAIRS[bench]):
        results = {}
        for side in random.sample([("a", one), ("b", other)], 2):
            if bench == "disk":
                warm_memory()
            results[side[0]] = side[1]()
        for figure, rate in results["a"].items():
            ratios.setdefault(figure, []).append(rate / results["b"][figure])
    return all([verdict(f"{what} {figure}", r) for figure, r in ratios.items()])


def warm_memory():
    """A virtual machine's host takes free memory back: which side finds it there would be chance."""
    with mmap.mmap(-1, 1 << 30) as memory:
        for at in range(0, len(memory), mmap.PAGESIZE):
            memory[at] = 1


# ---- disk ----

def fio(directory, direct, block):
    """Its buffer lies as ours does, on a page: read from the page cache into one that does not, it is some
    8 % faster here."""
    path = os.path.join(directory, "fio")
    common = ["fio", f"--filename={path}", f"--bs={block}", f"--size={SIZE_MIB}m", f"--direct={direct}",
              "--ioengine=psync", "--output-format=json", "--fallocate=none", "--refill_buffers=0",
              "--scramble_buffers=1", "--invalidate=0", "--iomem_align=4096"]

    def job(kind, *more):
        one = json.loads(run([*common, f"--name={kind}", f"--rw={kind}", *more]))["jobs"][0][kind]
        if kind == "read":
            # What it waited for, in ns: of its own clock's milliseconds a reading takes some thirty.
            return one["io_bytes"] * 1e6 / (one["lat_ns"]["mean"] * one["total_ios"])
        return one["io_bytes"] / one["runtime"]

    ret = {}
    # Twice, as on the other side: a new file wants free memory, which a virtual machine's host may
    # have taken back.
    for _ in range(2):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        ret["write"] = job("write", "--create_on_open=1", "--end_fsync=1")
    ret["rewrite"] = job("write", "--overwrite=1", "--end_fsync=1")
    job("read")
    ret["reread"] = job("read")
    os.unlink(path)
    return ret


@contextlib.contextmanager
def disk_in_memory(scratch):
    memory, disk = os.path.join(scratch, "memory"), os.path.join(scratch, "disk")
    os.mkdir(memory)
    os.mkdir(disk)
    run(["mount", "-t", "tmpfs", "-o", "size=3g", "none", memory])
    try:
        # All of it there from the start, and nothing to be done later: a place of it that is written for the
        # first time would be cleared first, in memory that this machine's own host may have to find.
        run(["dd", "if=/dev/zero", f"of={memory}/device", "bs=1M", "count=2600", "status=none"])
        run(["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0",
             f"{memory}/device"])
        run(["mount", "-o", "loop,nodiscard", f"{memory}/device", disk])
        yield disk
    finally:
        for d in (disk, memory):
            subprocess.run(["umount", d], check=False, capture_output=True)


def bench_disk(cupel, scratch):
    if not shutil.which("fio"):
        print("disk: left out, fio is not installed")
        return True
    with disk_in_memory(scratch) as disk:
        return against_fio(cupel, disk)


def against_fio(cupel, disk):
    good = True
    # Where a run's directories lie, and so what a session has at /data.
    os.environ["CUPEL_STATE"] = os.path.join(disk, "state")
    for direct, block in ((0, "1m"), (1, "1m"), (0, "64k")):
        cell = f"disk.*@bind-{block}"
        # What is read is warm on both sides: cold reads depend on who wrote how.
        arguments = ["--workload", cell, "-p", f"size={SIZE_MIB}M", "-p", "cold=no", "-p",
                     f"direct={'yes' if direct else 'no'}"]

        def mine(arguments=arguments):
            parts = through_cupel(cupel, os.path.join(disk, "r.db"), *arguments, repeats=2)
            facts = next(iter(parts.values()))["facts"]
            return {p: (facts[p] << 20) * 1e6 / facts[p + "_ns"] for p in ("write", "rewrite", "reread")}

        good &= compare("disk", f"disk, {block} {'direct' if direct else 'buffered'}, cupel / fio,", mine,
                        lambda d=direct, b=block: fio(disk, d, b))
    del os.environ["CUPEL_STATE"]
    return good


# ---- applications ----

def image_with(program):
    found = glob.glob(f"{STATE}/images/*/rootfs/usr/bin/{program}")
    return found[0].split("/usr/bin/")[0] if found else sys.exit(f"bench-apps: no image has {program}")


@contextlib.contextmanager
def root_of(program, scratch):
    """The image under a layer of its own, as a session has it."""
    root = os.path.join(scratch, "root")
    for d in ("upper", "work", "root"):
        os.mkdir(os.path.join(scratch, d))
    run(["mount", "-t", "overlay", "overlay", "-o",
         f"lowerdir={image_with(program)},upperdir={scratch}/upper,workdir={scratch}/work", root])
    try:
        for kind in ("proc", "tmpfs"):
            run(["mount", "-t", kind, kind, f"{root}/{'tmp' if kind == 'tmpfs' else 'proc'}"])
        yield root
    finally:
        for d in ("proc", "tmp", ""):
            subprocess.run(["umount", os.path.join(root, d)], check=False, capture_output=True)
        for d in ("upper", "work", "root"):
            shutil.rmtree(os.path.join(scratch, d))


def value_of(part):
    sample = part["samples"][0]
    return 1e9 * sample["ops"] / sample["ns"]


def bench_dav1d(cupel, scratch):
    database = os.path.join(scratch, "r.db")
    through_cupel(cupel, database, "--workload", "dav1d")  # makes image and clip
    clip = glob.glob(f"{STATE}/images/*/clip.ivf")[0]
    with root_of("dav1d", scratch) as root:
        shutil.copy(clip, f"{root}/clip.ivf")
        argv = ["chroot", root, "dav1d", "-i", "/clip.ivf", "--muxer", "null", "-o", "/dev/null",
                "--threads", "0", "--filmgrain", "0"]

        def by_hand():
            done = subprocess.run(argv, capture_output=True, text=True, check=True)
            return {"frames": float(re.findall(r"- ([0-9.]+)/", done.stderr + done.stdout)[-1])}

        return compare("dav1d", "dav1d, cupel / by hand,",
                       lambda: {"frames": value_of(through_cupel(cupel, database, "--workload",
                                                                 "dav1d")["dav1d"])}, by_hand)


def wait_for_port(port, server):
    for _ in range(200):
        if server.poll() is not None:
            sys.exit("bench-apps: redis-server ended at once: is another one on its port?")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(.02)
    sys.exit("bench-apps: redis-server does not answer")


def bench_redis(cupel, scratch):
    database, requests = os.path.join(scratch, "r.db"), "500000"
    through_cupel(cupel, database, "--workload", "redis.get", "-p", f"requests={requests}")
    with root_of("redis-server", scratch) as root:
        def by_hand():
            server = subprocess.Popen(["chroot", root, "redis-server", "--save", "", "--appendonly", "no",
                                       "--port", "6379", "--bind", "127.0.0.1"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_for_port(6379, server)
                text = run(["chroot", root, "redis-benchmark", "-q", "--csv", "-n", requests, "-P", "32",
                            "-c", "50", "-t", "set"])
            finally:
                server.terminate()
                server.wait()
            return {"SET": float(re.search(r'"SET[^"]*","([0-9.]+)"', text).group(1))}

        return compare("redis", "redis, cupel / by hand,",
                       lambda: {"SET": value_of(through_cupel(
                           cupel, database, "--workload", "redis.set", "-p",
                           f"requests={requests}")["redis.set"])}, by_hand)


BENCHES = {"disk": bench_disk, "dav1d": bench_dav1d, "redis": bench_redis}


def main():
    if len(sys.argv) < 2 or any(name not in BENCHES for name in sys.argv[2:]):
        sys.exit(__doc__)
    if os.geteuid() != 0:
        print("all left out: needs root")
        return
    good = True
    for name in sys.argv[2:] or BENCHES:
        with tempfile.TemporaryDirectory(prefix="cupel-bench-", dir="/var/tmp") as scratch:
            good &= BENCHES[name](os.path.abspath(sys.argv[1]), scratch)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

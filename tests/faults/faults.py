#!/usr/bin/env python3
"""Kills cupel with SIGKILL at chosen moments of real runs; nothing of it may stay behind.

    faults.py CUPEL PROBE [--moments N] [--seed S] [--target T]... [--kind plain|network|engine]...

For every target: N runs over `host` and that target, each killed either right after its n-th ledger
event (intent or done, so before or after a thing is made) or after a random time; then `cupel clean`,
and a search for leftovers: processes, mounts, control groups, namespaces, directories. Every fourth
time the next run has to clean up instead of `cupel clean`. All the while a container of another owner
runs beside it; at the end it must still be the same process. Where containerd or docker are to be had,
some of the runs are given one of another owner's, with a container of that owner's in it: what the run
has there must go from it, and the container stay. Some runs have a network of their own, and in a long
test some are on the network that their engine makes. Two targets are gone through at a time, each with
a state directory of its own, so that none cleans up for another. Prints TAP. Needs root, runc for the
bystanders, and the targets' runtimes; engines that are not on the PATH are left out with a word.
"""
import argparse
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import queue
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

SECONDS_DOCKER = 2  # more: a daemon is started and an image imported
SECONDS_QEMU = 10  # more: a machine boots three times, on an emulated CPU


class Kind:
    """What is run, how many ledger events it has, and how long it lasts, about."""

    def __init__(self, words, workloads, events, seconds, params=()):
        self.words, self.events, self.seconds = words, events, seconds
        self.options = [x for name in workloads for x in ("--workload", name)]
        self.options += [x for param in params for x in ("-p", param)]


PLAIN = Kind("", ["sys.getpid", "fs.open@tmpfs", "fs.create@rootfs"], 44, 2.5)
# With namespaces, links between them and servers of its own; the second is another network.
NETWORK = Kind("with a network, ", ["net.tcp_rr", "net.tcp_stream@1gbit"], 200, 2.5)
# With bridges and rules of engines, in namespaces of the run's.
ENGINE = Kind("on its engine's network, ", ["net.tcp_rr"], 70, 7, ("path=engine", "peer=target"))


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


class Bystander:
    """A container of somebody else: another root, another name, another group."""

    def __init__(self, probe, where):
        self.root = os.path.join(where, "root")
        self.id = f"bystander-{os.getpid()}"
        bundle = os.path.join(where, "bundle")
        rootfs = os.path.join(bundle, "rootfs")
        for name in ("proc", "dev", "sys", "tmp"):
            os.makedirs(os.path.join(rootfs, name))
        shutil.copy(probe, os.path.join(rootfs, "idle"))
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        path = os.path.join(bundle, "config.json")
        with open(path, encoding="utf-8") as f:
            config = json.load(f)
        config["process"]["terminal"] = False
        config["process"]["args"] = ["/idle", "--nonce", "00000000000000ff", "--lease", "36000"]
        config["linux"]["cgroupsPath"] = f"/{self.id}"
        with open(path, "w", encoding="utf-8") as f:
            json.dump(config, f)
        self.keep_open, stdin = os.pipe()[::-1]
        self.command = subprocess.Popen(
            ["runc", "--root", self.root, "run", "--bundle", bundle, self.id], stdin=stdin,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(stdin)
        deadline = time.time() + 10
        while self.identity() is None and time.time() < deadline:
            time.sleep(.05)
        self.first = self.identity()

    def identity(self):
        """Pid and start time of its process 1, or None."""
        out = subprocess.run(["runc", "--root", self.root, "state", self.id], capture_output=True,
                             text=True, check=False)
        if out.returncode:
            return None
        state = json.loads(out.stdout)
        if state["status"] != "running":
            return None
        return state["pid"], read(f"/proc/{state['pid']}/stat").rpartition(")")[2].split()[19:20]

    def unharmed(self):
        return self.first is not None and self.identity() == self.first

    def stop(self):
        subprocess.run(["runc", "--root", self.root, "delete", "--force", self.id], check=False,
                       capture_output=True)
        os.close(self.keep_open)
        self.command.wait()


CONTAINERD = """version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.internal.v1.opt"]
[grpc]
address = "{0}/c.sock"
[ttrpc]
address = "{0}/t.sock"
"""


class ForeignContainerd:
    """A containerd of somebody else, with a container in it."""

    words = "in another's containerd, "

    def __init__(self, bystander, where):
        self.where = where
        self.socket = os.path.join(where, "c.sock")
        os.makedirs(where)
        config = os.path.join(where, "config.toml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONTAINERD.format(where))
        with open(os.path.join(where, "log"), "wb") as log:
            self.daemon = subprocess.Popen(["containerd", "--config", config], stdout=log, stderr=log)
        deadline = time.time() + 10
        while self.ctr("version").returncode and time.time() < deadline:
            time.sleep(.05)
        self.id = f"his-{os.getpid()}"
        bundle = json.loads(read(os.path.join(bystander.root, "..", "bundle", "config.json")))
        bundle["root"]["path"] = os.path.abspath(os.path.join(bystander.root, "..", "bundle", "rootfs"))
        bundle["linux"]["cgroupsPath"] = f"/{self.id}"
        bundle["process"]["args"] = ["/idle", "--nonce", "00000000000000fe", "--lease", "36000"]
        path = os.path.join(where, "config.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(bundle, f)
        self.keep_open, stdin = os.pipe()[::-1]
        self.client = subprocess.Popen(
            ["ctr", "-a", self.socket, "-n", "his", "run", "--rm", "--rootfs", "--fifo-dir",
             os.path.join(where, "fifo"), "--config", path, self.id],
            stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(stdin)
        deadline = time.time() + 10
        while not self.tasks() and time.time() < deadline:
            time.sleep(.05)
        self.first = self.tasks()

    def ctr(self, *words):
        return subprocess.run(["ctr", "-a", self.socket, *words], capture_output=True, text=True,
                              check=False, timeout=30)

    def tasks(self):
        lines = self.ctr("-n", "his", "tasks", "list").stdout.splitlines()
        return [line.split() for line in lines if line.startswith(self.id)]

    def problems(self):
        found = []
        if not self.first or self.tasks() != self.first:
            found.append(f"his container: {self.first}, now {self.tasks()}")
        spaces = self.ctr("namespaces", "list", "--quiet").stdout.split()
        if spaces != ["his"]:
            found.append(f"namespaces: {spaces}")
        return found

    def environment(self):
        return {"CONTAINERD_ADDRESS": self.socket}

    def stop(self):
        os.close(self.keep_open)
        self.client.wait()
        self.daemon.terminate()
        self.daemon.wait()


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


# What a docker writes to places of its own choosing goes nowhere.
HIDDEN = """mount -t tmpfs none /run && mkdir /run/upper /run/work &&
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work none /etc && exec dockerd "$@"
"""


class ForeignDocker:
    """A docker of somebody else, with a container and an image in it."""

    words = "in another's docker, "

    def __init__(self, bystander, where):
        self.socket = os.path.join(where, "d.sock")
        os.makedirs(where)
        config = os.path.join(where, "daemon.json")
        with open(config, "w", encoding="utf-8") as f:
            f.write("{}")
        with open(os.path.join(where, "log"), "wb") as log:
            self.daemon = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "slave", "sh", "-c", HIDDEN, "dockerd",
                 f"--data-root={where}/root", f"--exec-root={where}/x", f"--host=unix://{self.socket}",
                 f"--pidfile={where}/pid", f"--config-file={config}", "--bridge=none", "--iptables=false",
                 "--ip6tables=false", "--ip-forward=false", "--exec-opt=native.cgroupdriver=cgroupfs"],
                stdout=log, stderr=log)
        deadline = time.time() + 20
        while not self.answers() and time.time() < deadline:
            time.sleep(.05)
        archive = os.path.join(where, "image.tar")
        with tarfile.open(archive, "w") as tar:
            tar.add(os.path.join(bystander.root, "..", "bundle", "rootfs"), "/")
        with open(archive, "rb") as f:
            self.api("POST", "/images/create?fromSrc=-&repo=his", f.read())
        self.api("POST", "/containers/create?name=his", json.dumps({
            "Image": "his", "Cmd": ["/idle", "--nonce", "00000000000000fd", "--lease", "36000"],
            "OpenStdin": True, "HostConfig": {"NetworkMode": "none", "CgroupParent": f"/{bystander.id}-d"},
        }).encode())
        self.parent = f"{bystander.id}-d"
        self.api("POST", "/containers/his/start")
        self.first = self.state()

    def answers(self):
        try:
            return self.api("GET", "/_ping") is not None
        except OSError:
            return False

    def api(self, method, path, body=None):
        connection = SocketConnection(self.socket)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return text if answer.status < 400 else None

    def state(self):
        found = json.loads(self.api("GET", "/containers/his/json") or "{}")
        return found.get("State", {}).get("Running"), found.get("State", {}).get("Pid")

    def problems(self):
        found = []
        if not self.first[0] or self.state() != self.first:
            found.append(f"his container: {self.first}, now {self.state()}")
        names = [c["Names"] for c in json.loads(self.api("GET", "/containers/json?all=1"))]
        tags = [i["RepoTags"] for i in json.loads(self.api("GET", "/images/json?all=1"))]
        if names != [["/his"]] or tags != [["his:latest"]]:
            found.append(f"his docker holds {names} and {tags}")
        return found

    def environment(self):
        return {"DOCKER_HOST": "unix://" + self.socket}

    def stop(self):
        self.api("DELETE", "/containers/his?force=1")
        self.daemon.terminate()
        self.daemon.wait()
        for folder, names, _ in os.walk("/sys/fs/cgroup"):
            if self.parent in names:
                os.rmdir(os.path.join(folder, self.parent))
            names.clear() if folder.count("/") > 3 else None


FOREIGN = {"containerd": ForeignContainerd, "docker": ForeignDocker}
PROGRAM = {"docker": "dockerd", "qemu": "qemu-system-" + os.uname().machine}
# Kernels of guests are fetched once for all tests.
GUESTS = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                      "cupel-tests", "guests")

def shim_sockets(address, run):
    """The names under which shims of a run's containers listen: hashes of daemon, namespace, container."""
    for space in range(4):
        where = address or f"/run/cupel-{run}-{space}/c.sock"
        for number in range(64):
            yield hashlib.sha256(
                f"{where}/cupel-{run}-{space}/cupel-{run}-{number:04}".encode()).hexdigest()


def sockets_left(ids, address):
    there = set(os.listdir("/run/containerd/s")) if os.path.isdir("/run/containerd/s") else set()
    return [f"socket of a shim {name}" for run in ids if there
            for name in there.intersection(shim_sockets(address, run))]


def our_processes(state, ids):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        command = read(f"/proc/{pid}/cmdline").replace("\0", " ")
        groups = read(f"/proc/{pid}/cgroup")
        if state in command or any(i in groups or i in command for i in ids):
            found.append(f"process {pid}: {command[:100]}")
    return found


def our_groups(ids):
    found = []
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        ours = [n for n in names if any(i in n for i in ids)]
        found += [f"control group {folder}/{n}" for n in ours]
        names[:] = [n for n in names if n not in ours]
    return found


def leftovers(state, ids, address=None):
    """Whatever bears the name of one of the runs, anywhere. address: of a containerd they used."""
    found = our_processes(state, ids) + our_groups(ids) + sockets_left(ids, address)
    found += [f"mount {line.split()[4]}" for line in read("/proc/self/mountinfo").splitlines()
              if state in line or any(i in line for i in ids)]
    for sub in ("run", "ledger"):
        folder = os.path.join(state, sub)
        if os.path.isdir(folder):
            found += [f"file {folder}/{n}" for n in os.listdir(folder)]
    for folder in ("/run/netns", "/run/runc", "/run/crun", "/run/runsc", "/var/run/runsc", "/tmp",
                   "/run", "/sys/kernel/tracing/instances"):
        if os.path.isdir(folder):
            found += [f"file {folder}/{n}" for n in os.listdir(folder) if any(i in n for i in ids)]
    return found


def network_here():
    """What of this machine's own network engines would change: links, rules, namespaces."""
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout if \
        shutil.which("iptables-save") else ""
    return {"links": sorted(os.listdir("/sys/class/net")),
            "rules": [line for line in rules.splitlines() if line.startswith("-")],
            "namespaces": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
            "forwarding": read("/proc/sys/net/ipv4/ip_forward")}


def settled_leftovers(state, ids, address=None):
    """Exiting processes need a moment to disappear; a leak does not."""
    for _ in range(40):
        found = leftovers(state, ids, address)
        if not found:
            return []
        time.sleep(.05)
    return found


class Bench:
    def __init__(self, cupel, probe, where, kind):
        self.cupel = cupel
        self.kind = kind
        self.state = os.path.join(where, "state")
        self.db = os.path.join(where, "results.db")
        self.ids = set()
        os.makedirs(GUESTS, 0o700, exist_ok=True)
        os.mkdir(self.state, 0o700)
        os.symlink(GUESTS, os.path.join(self.state, "guests"))
        self.env = dict(os.environ, CUPEL_STATE=self.state, CUPEL_PROBE=probe)

    def note_runs(self):
        """A killed run's ledger and directory are named for it."""
        for sub in ("ledger", "run"):
            folder = os.path.join(self.state, sub)
            if os.path.isdir(folder):
                self.ids |= {n.split(".")[0] for n in os.listdir(folder) if not n.startswith(".")}

    def run_command(self, target):
        """Two blocks over host and target."""
        return [self.cupel, "run", "--quiet", "--db", self.db, "--blocks", "2", "--rounds", "2",
                "--seed", "7", "--target", "host", "--target", target, *self.kind.options]

    def killed_at_event(self, target, event):
        run = subprocess.run(self.run_command(target), check=False, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, env=dict(self.env, CUPEL_FAULT_KILL_AT=str(event)))
        return run.returncode, run.stderr.decode(errors="replace")

    def killed_after(self, target, seconds):
        run = subprocess.Popen(self.run_command(target), stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, env=self.env)
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
        return run.wait(), run.stderr.read().decode(errors="replace")

    def clean(self):
        run = subprocess.run([self.cupel, "clean"], env=self.env, capture_output=True, text=True,
                             check=False, timeout=120)
        return run.returncode, (run.stdout + run.stderr).strip()

    def next_run(self, target):
        run = subprocess.run(self.run_command(target), env=self.env, capture_output=True, text=True,
                             check=False, timeout=300)
        return run.returncode, run.stderr.strip()


def is_machine(target):
    return target.startswith("qemu:")


def moments_for(target, moments):
    return max(3, moments // 3) if is_machine(target) else moments


def one_moment(bench, target, rng, index, foreign=None):
    """Returns (what happened, problems)."""
    strange = foreign.environment() if foreign else {}
    bench.env.update(strange)
    if index % 2 == 0:
        event = rng.randint(1, bench.kind.events)
        status, said = bench.killed_at_event(target, event)
        what = f"killed at ledger event {event}"
    else:
        more = SECONDS_DOCKER if target.startswith("docker/") else \
            SECONDS_QEMU if is_machine(target) else 0
        seconds = rng.uniform(.05, bench.kind.seconds + more)
        status, said = bench.killed_after(target, seconds)
        what = f"killed after {seconds:.2f} s"
    if status not in (-signal.SIGKILL, 0):
        return what, [f"exit status {status}: {said.strip()[-300:]}"]
    what += "" if status else " (it had ended before)"
    bench.note_runs()
    if index % 4 == 3:
        status, said = bench.next_run(target)
        what += ", cleaned by the next run"
    else:
        status, said = bench.clean()
    problems = [] if status == 0 else [f"clean-up: exit status {status}: {said[-300:]}"]
    for name in strange:
        bench.env.pop(name)
    address = foreign.socket if isinstance(foreign, ForeignContainerd) else None
    problems += settled_leftovers(bench.state, bench.ids, address)
    return what, problems + (foreign.problems() if foreign else [])


def usable(targets):
    """Those whose engine is there: (target, engine of somebody else's that is needed, kind)."""
    here = []
    for target in targets:
        engine = target.split("/")[0]
        program = PROGRAM.get(engine.partition(":")[0], engine)
        if ("/" in target or is_machine(target)) and not shutil.which(program):
            print(f"# {target} is left out: no {program} on the PATH")
        else:
            here.append((target, None, PLAIN))
    for engine in FOREIGN:
        if any(t.startswith(engine + "/") for t, *_ in here):
            here.append((engine + "/runc", engine, PLAIN))
    return here


def with_networks(targets, long):
    """The cheapest of them, and in a long test all: what ends a network is the same for each."""
    plain = [t for t, needs, _ in targets if not needs and not is_machine(t)]
    own = [t for t in plain if t.startswith(("docker/", "podman/"))] if long else []
    return [(t, None, NETWORK) for t in (plain if long else plain[:1])] + [(t, None, ENGINE) for t in own]


def moments_of(args, where, target, foreign, kind, say, stop):
    """All of one target's. Its moments depend on the seed and on the target alone."""
    words = target + " " + (foreign.words if foreign else "")
    words += kind.words
    place = os.path.join(where, hashlib.sha256(words.encode()).hexdigest()[:8])
    os.mkdir(place)
    bench = Bench(os.path.abspath(args.cupel), os.path.abspath(args.probe), place, kind)
    rng = random.Random(f"{args.seed} {words}")
    for index in range(moments_for(target, args.moments)):
        if stop.is_set():
            break
        what, problems = one_moment(bench, target, rng, index, foreign)
        say((words + what, problems))


def all_moments(args, where, targets, foreign):
    """Yields (what happened, problems) of each, as they come."""
    said, stop = queue.SimpleQueue(), threading.Event()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(moments_of, args, where, target, foreign.get(needs), kind, said.put, stop)
                for target, needs, kind in targets]
        for job in jobs:
            job.add_done_callback(lambda _: said.put(None))
        try:
            for _ in jobs:
                yield from iter(said.get, None)
        finally:
            stop.set()
        for job in jobs:
            job.result()


KINDS = {"plain": PLAIN, "network": NETWORK, "engine": ENGINE}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cupel")
    parser.add_argument("probe")
    parser.add_argument("--moments", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", action="append")
    parser.add_argument("--kind", action="append", choices=KINDS, help="of runs; default: all")
    args = parser.parse_args()
    targets = args.target or ["runc", "crun", "bwrap", "runsc:ptrace", "podman/runc", "containerd/runc",
                              "docker/runc", "qemu:virtiofs"]
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    targets = usable(targets)
    targets += with_networks(targets, args.moments > 20 or args.kind)
    targets = [t for t in targets if not args.kind or t[2] in [KINDS[k] for k in args.kind]]
    before = network_here()
    # Told to end, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    number = failed = killed = 0
    print(f"# seed {args.seed}")
    print(f"1..{sum(moments_for(t, args.moments) for t, *_ in targets) + 3}")
    with tempfile.TemporaryDirectory(prefix="faults-") as where:
        bystander = Bystander(os.path.abspath(args.probe), where)
        foreign = {}
        try:
            for engine in {needs for _, needs, _ in targets if needs}:
                foreign[engine] = FOREIGN[engine](bystander, os.path.join(where, engine))
            with contextlib.closing(all_moments(args, where, targets, foreign)) as moments:
                for what, problems in moments:
                    number += 1
                    killed += "it had ended" not in what
                    failed += bool(problems)
                    print(f"{'not ok' if problems else 'ok'} {number} - {what}", flush=True)
                    for line in problems:
                        print(f"# {line}")
            enough = killed >= .6 * number
            print(f"{'ok' if enough else 'not ok'} {number + 1} - {killed} of {number} runs were killed")
            unharmed = bystander.unharmed()
            print(f"{'ok' if unharmed else 'not ok'} {number + 2} - the bystander is unharmed")
            after = network_here()
            same = after == before
            print(f"{'ok' if same else 'not ok'} {number + 3} - this machine's network is as it was")
            if not same:
                print(f"# before: {before}\n# after: {after}")
            failed += (not enough) + (not unharmed) + (not same)
        finally:
            for daemon in foreign.values():
                daemon.stop()
            bystander.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

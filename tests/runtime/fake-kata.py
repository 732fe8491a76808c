#!/usr/bin/python3 -ES
"""A kata-runtime of version 1 without a virtual machine, for the tests of the driver.

It behaves as 1.13 was seen to: identifiers are global, the last name of cgroupsPath gets the prefix
kata_, the pid it tells is its shim's, `state` of a container that has ended ends the machine, `kill`
and `delete` wait for a shim that nobody reaps, a `create` that fails deletes what it can of the root
through mounts that it leaves. What else it does, or does not, stands in fake.json beside it:

  guest       "host": the program runs on this host, as runc would start it
              "vm": it sees another kernel and another boot, and is another file
  machine     true: a hypervisor runs, with what belongs to it
  configs     name -> {"shared_fs":, "sandbox_cgroup_only":}, the first is the default
  fail_each   every so many-th create fails with "transport is closing"
  reap_s      how long kill and delete wait for an unreaped shim (20 s of Kata's)
  leave       delete ends the processes and leaves everything else
  same_boot, same_program  the guest of "vm" lies in all but this
  ran         the shared file system that runs in place of the configured one
  vmm         the program that runs as hypervisor in place of the configured one
  no_syslog   it does without one
  hang        a verb that never ends
"""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(sys.argv[0]))
SHARED = "/run/kata-containers/shared/sandboxes"
SBS = "/run/vc/sbs"
VM = "/run/vc/vm"
CGROUPS = "/sys/fs/cgroup"
libc = ctypes.CDLL(None, use_errno=True)
MS_BIND, MS_PRIVATE, MS_REC, CLONE_NEWNS, CLONE_NEWNET, UNAME26, PR_SET_NAME, PR_SET_PDEATHSIG = (
    4096, 1 << 18, 16384, 0x20000, 0x40000000, 0x20000, 15, 1)

with open(HERE + "/fake.json") as f:
    FAKE = json.load(f)


def log(**what):
    with open(HERE + "/calls", "a") as to:
        to.write(json.dumps(what) + "\n")


def die(words):
    print(words, file=sys.stderr)
    sys.exit(1)


def check(result, what):
    if result != 0:
        die("%s: %s" % (what, os.strerror(ctypes.get_errno())))


def mount(source, target, kind=None, flags=0):
    check(libc.mount(source.encode(), target.encode(), kind.encode() if kind else None, flags, None),
          "mount " + target)


# ---- control groups: every hierarchy that is mounted ----

def group_dirs(path):
    for name in sorted(os.listdir(CGROUPS)) if not os.path.exists(CGROUPS + "/cgroup.procs") else [""]:
        if os.path.isdir(os.path.join(CGROUPS, name)):
            yield os.path.join(CGROUPS, name) + path


def join(path, pid):
    for d in group_dirs(path):
        os.makedirs(d, exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            parts = d.split("/")
            for i in range(5, len(parts) + 1):
                here = "/".join(parts[:i])
                if os.path.exists(here + "/" + name) and not open(here + "/" + name).read().strip():
                    above = open(os.path.dirname(here) + "/" + name).read()
                    open(here + "/" + name, "w").write(above)
        try:
            open(d + "/cgroup.procs", "w").write(str(pid))
        except OSError:
            pass


def leave_group(path):
    for d in group_dirs(path):
        while len(d) > len(CGROUPS) and "cupel" in d:
            try:
                os.rmdir(d)
            except OSError:
                break
            d = os.path.dirname(d)


# ---- configuration ----

def config_paths():
    return [HERE + "/etc/configuration.toml", HERE + "/share/configuration.toml"]


def config_file(options):
    name = options.get("kata-config")
    for path in [name] if name else config_paths():
        if os.path.exists(path):
            return path
    die("Cannot find usable config file (%s)" % name)


def config_of(path):
    return FAKE["configs"][os.path.basename(path)]


def kata_env(path):
    config = config_of(path)
    print(json.dumps({
        "Meta": {"Version": "1.0.24"},
        "Runtime": {"Config": {"Path": path},
                    "SandboxCgroupOnly": config.get("sandbox_cgroup_only", False)},
        "Hypervisor": {"Path": HERE + "/bin/qemu-system-x86_64", "SharedFS": config["shared_fs"],
                       "VirtioFSDaemon": HERE + "/bin/virtiofsd"},
        "Kernel": {"Path": HERE + "/bin/virtiofsd"}, "Image": {"Path": ""},
        "Initrd": {"Path": HERE + "/initrd"}}))


# ---- what it keeps ----

def state_file(ident):
    return "%s/%s/persist.json" % (SBS, ident)


def load(ident):
    try:
        with open(state_file(ident)) as f:
            return json.load(f)
    except OSError:
        die("Container ID (%s) does not exist" % ident)


def status_of(pid):
    """running, ended (nobody has reaped it), gone"""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return "ended" if f.read().rsplit(")", 1)[1].split()[0] == "Z" else "running"
    except OSError:
        return "gone"


def end_machine(state):
    for pid in state["machine"]:
        if status_of(pid) == "running":
            os.kill(pid, signal.SIGKILL)


# ---- create ----

def need_syslog():
    if FAKE.get("no_syslog"):
        return
    for path in ("/dev/log", "/var/run/syslog", "/var/run/log"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            try:
                s.connect(path)
                return
            except OSError:
                pass
    die("Unix syslog delivery error")


def make_point(path, source):
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    elif not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").close()


def share(ident, spec):
    """Binds the container's files where the guest would see them."""
    base = "%s/%s" % (SHARED, ident)
    root = base + "/rootfs"
    os.makedirs(root)
    mount(spec["root"]["path"], root, flags=MS_BIND)
    for i, m in enumerate(m for m in spec["mounts"] if m["type"] == "bind"):
        make_point("%s/m%d" % (base, i), m["source"])
        mount(m["source"], "%s/m%d" % (base, i), flags=MS_BIND)
    return root


def delete_through_mounts(ident):
    deleted = refused = 0
    root = "%s/%s/rootfs" % (SHARED, ident)
    for top, dirs, files in os.walk(root, topdown=False):
        for name in files + dirs:
            path = os.path.join(top, name)
            try:
                (os.unlink if name in files else os.rmdir)(path)
                deleted += 1
            except OSError:
                refused += 1
    log(failed_create=ident, deleted=deleted, refused=refused)


def start_process(argv, groups):
    pid = os.fork()
    if pid:
        return pid
    for group in groups:
        join(group, os.getpid())
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.execv(argv[0], argv)


def start_machine(ident, config, box):
    ran = FAKE.get("ran", config["shared_fs"])
    device = {"virtio-9p": "virtio-9p-pci,fsdev=extra-9p-kataShared",
              "virtio-fs": "vhost-user-fs-pci,chardev=char,tag=kataShared"}[ran]
    group = box if config.get("sandbox_cgroup_only") else "/kata" + box
    vmm = FAKE.get("vmm", HERE + "/bin/qemu-system-x86_64")
    pids = [start_process(
        [vmm, "-name", "sandbox-%s,debug-threads=on" % ident, "-uuid", "1" * 8] + ["-pad", "x" * 900] +
        ["-qmp", "unix:%s/%s/qmp.sock,server,nowait" % (VM, ident), "-device", device], [group])]
    if ran == "virtio-fs":
        pids.append(start_process(
            [HERE + "/bin/virtiofsd", "--fd=3", "-o", "source=%s/%s/shared" % (SHARED, ident)],
            [group]))
    pids.append(start_process(
        [HERE + "/bin/kata-proxy", "-listen-socket", "unix://%s/%s/proxy.sock" % (SBS, ident),
         "-sandbox", ident], [group]))
    return pids


def enter_guest(ident, spec, root):
    """What the machine would be: the container's files, another kernel, another boot."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    vm = FAKE["guest"] == "vm"
    for place in ("/proc", "/dev", "/tmp"):
        make_point(root + place, "/")
    mount("proc", root + "/proc", "proc")
    mount("/dev", root + "/dev", flags=MS_BIND)
    mount("tmpfs", root + "/tmp", "tmpfs")
    for i, m in enumerate(m for m in spec["mounts"] if m["type"] == "bind"):
        source = "%s/%s/m%d" % (SHARED, ident, i)
        make_point(root + m["destination"], source)
        mount(source, root + m["destination"], flags=MS_BIND)
    if vm and not FAKE.get("same_program"):
        program = root + spec["process"]["args"][0]
        other = "%s/guest-%s" % (HERE, ident)
        shutil.copyfile(program, other)
        with open(other, "ab") as f:
            f.write(b"\0")
        os.chmod(other, 0o755)
        mount(other, program, flags=MS_BIND)
    if vm and not FAKE.get("same_boot"):
        boot = "%s/boot-%s" % (HERE, ident)
        with open(boot, "w") as f:
            f.write("00000000-0000-4000-8000-%012x\n" % os.getpid())
        mount(boot, root + "/proc/sys/kernel/random/boot_id", flags=MS_BIND)
    if vm:
        libc.personality(UNAME26)
    os.chroot(root)
    os.chdir("/")


def run_guest(ident, spec, root, box, gate):
    """The shim: waits for start, then for the program, and ends as that ends."""
    libc.prctl(PR_SET_NAME, b"kata-shim")
    join(box, os.getpid())
    os.setsid()
    with open(gate) as f:
        f.read()
    pid = os.fork()
    if pid == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        enter_guest(ident, spec, root)
        env = dict(v.split("=", 1) for v in spec["process"]["env"])
        os.execve(spec["process"]["args"][0], spec["process"]["args"], env)
    with open("%s/%s/guest" % (SBS, ident), "w") as f:
        f.write(str(pid))
    for fd in (0, 1, 2):
        os.close(fd)
    _, status = os.waitpid(pid, 0)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def count_create():
    try:
        n = int(open(HERE + "/count").read()) + 1
    except OSError:
        n = 1
    with open(HERE + "/count", "w") as f:
        f.write(str(n))
    return n


def create(options, ident, config_path):
    config = config_of(config_path)
    need_syslog()
    with open(options["bundle"] + "/config.json") as f:
        spec = json.load(f)
    os.makedirs("%s/%s" % (VM, ident))
    os.makedirs("%s/%s" % (SBS, ident))
    root = share(ident, spec)
    dir_name, base = os.path.split(spec["linux"]["cgroupsPath"])
    box = "%s/kata_%s" % (dir_name, base)
    netns = [n.get("path") for n in spec["linux"]["namespaces"] if n["type"] == "network"][0]
    enter_netns(netns)
    log(create=ident, root=spec["root"]["path"], netns=netns, box=box, used=leave_tap())
    each = FAKE.get("fail_each", 0)
    if each and count_create() % each == 0:
        time.sleep(FAKE.get("fail_s", 0.2))
        delete_through_mounts(ident)
        die("rpc error: code = Unavailable desc = transport is closing")
    program = spec["process"]["args"][0]
    if not os.path.exists(root + program) and program not in (m["destination"] for m in spec["mounts"]):
        delete_through_mounts(ident)
        die("rpc error: code = Internal desc = Could not run process: no such file")
    machine = start_machine(ident, config, box) if FAKE.get("machine") else []
    gate = "%s/%s/gate" % (SBS, ident)
    os.mkfifo(gate)
    shim = os.fork()
    if shim == 0:
        run_guest(ident, spec, root, box, gate)
    with open(state_file(ident), "w") as f:
        json.dump({"id": ident, "pid": shim, "box": box, "machine": machine,
                   "bundle": options["bundle"]}, f)
    with open(options["pid-file"], "w") as f:
        f.write(str(shim))


def enter_netns(path):
    if not path:
        check(libc.unshare(CLONE_NEWNET), "unshare")
        return
    fd = os.open(path, os.O_RDONLY)
    check(libc.setns(fd, CLONE_NEWNET), "setns")
    os.close(fd)


def leave_tap():
    """Was a machine in this network namespace before? What it leaves there says so."""
    return subprocess.run(["ip", "link", "add", "tap0_kata", "type", "bridge"],
                          stderr=subprocess.DEVNULL, check=False).returncode != 0


# ---- the other verbs ----

def start(ident):
    with open("%s/%s/gate" % (SBS, ident), "w") as f:
        f.write("go")
    load(ident)


def state(ident):
    s = load(ident)
    running = status_of(s["pid"]) == "running"
    if not running:
        end_machine(s)
        log(state_ended_machine=ident)
    print(json.dumps({"ociVersion": "1.0.1-dev", "id": ident, "pid": s["pid"] if running else 0,
                      "status": "running" if running else "stopped", "bundle": s["bundle"]}))


def guest_pid(ident):
    try:
        return int(open("%s/%s/guest" % (SBS, ident)).read())
    except (OSError, ValueError):
        return 0


def await_shim(s):
    """As Kata does: the process has to be gone, and a zombie is not."""
    begin = time.monotonic()
    while status_of(s["pid"]) != "gone" and time.monotonic() - begin < FAKE.get("reap_s", 5):
        time.sleep(0.01)
    log(waited_s=round(time.monotonic() - begin, 2), id=s["id"])


def kill(ident):
    s = load(ident)
    pid = guest_pid(ident)
    if pid and status_of(s["pid"]) == "running":
        os.kill(pid, signal.SIGKILL)
    elif status_of(s["pid"]) == "running":
        os.kill(s["pid"], signal.SIGKILL)
    await_shim(s)


def unmount_below(path):
    with open("/proc/self/mountinfo") as f:
        points = [line.split()[4] for line in f]
    for point in reversed(points):
        if point.startswith(path + "/"):
            libc.umount2(point.encode(), 2)


def delete(ident, force):
    s = load(ident)
    if status_of(s["pid"]) == "running":
        if not force:
            die("Container not ready or stopped, impossible to delete")
        kill(ident)
    await_shim(s)
    end_machine(s)
    if FAKE.get("leave"):
        return
    unmount_below("%s/%s" % (SHARED, ident))
    for place in (SHARED, VM, SBS):
        shutil.rmtree("%s/%s" % (place, ident), ignore_errors=True)
    time.sleep(0.02)
    leave_group(s["box"])
    leave_group("/kata" + s["box"])


def main():
    options, words = {}, []
    args = iter(sys.argv[1:])
    for a in args:
        if a in ("--bundle", "--pid-file", "--root", "--log", "--log-format"):
            options[a[2:]] = next(args)
        elif a.startswith("--"):
            name, _, value = a[2:].partition("=")
            options[name] = value
        else:
            words.append(a)
    if "version" in options:
        print("kata-runtime  : %s\n   commit   : none\n   OCI specs: 1.0.1-dev"
              % FAKE.get("version", "1.13.0"))
        return
    if "kata-show-default-config-paths" in options:
        print("\n".join(config_paths()))
        return
    path = config_file(options)
    verb = words[0]
    log(verb=verb, argv=sys.argv[1:])
    if verb == FAKE.get("hang"):
        time.sleep(1000)
    if verb == "kata-env":
        kata_env(path)
    elif verb == "create":
        create(options, words[1], path)
    elif verb == "start":
        start(words[1])
    elif verb == "state":
        state(words[1])
    elif verb == "kill":
        kill(words[1])
    elif verb == "delete":
        delete(words[1], "force" in options)
    else:
        die('Invalid command "%s"' % verb)


main()

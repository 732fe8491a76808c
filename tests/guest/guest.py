#!/usr/bin/env python3
"""Boots a Debian of its own, with systemd and control groups of version 2 alone, and tests cupel in there.

    guest.py LOGS

LOGS is a folder for the guest's console. The machine is QEMU's, its CPU emulated: no figure means anything,
but what users' machines have and this one may not is all there. The image comes from mmdebstrap and is kept in
the tests' cache under a hash of what is in it; its kernel is installed nowhere but in there. The tests
(inside.py) run as a unit of systemd and say what they have found, as TAP, through a port of the
machine; this passes it on. No network. Needs root, mmdebstrap, mke2fs, qemu-system-x86_64; half an hour.
"""
import fcntl
import hashlib
import os
import platform
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "cupel-tests")
# Beside what quickstart installs: what makes it a machine, and what the tests need.
PACKAGES = ["linux-image-cloud-amd64", "initramfs-tools", "zstd", "systemd", "systemd-sysv", "dbus", "udev",
            "libpam-systemd", "kmod", "procps", "strace", "util-linux", "iproute2", "python3", "libcmocka-dev",
            "docker.io", "podman"]
NOT_NEEDED = ["doc", "man", "locale", "info"]
NEEDED = ["mmdebstrap", "mke2fs", "unshare", "setpriv", "qemu-system-x86_64"]
# Seconds. The last is from one line of the tests to the next.
IMAGE, DISK, BOOT, WHOLE, SILENCE = 1200, 900, 600, 2700, 900
MEMORY_MB = 6144
# A machine in a machine in emulation is no use, and `-cpu max,svm=off` starts one in which nothing works. The
# clock is the host's: what its watchdog would say of it is known.
KERNEL = ("root=/dev/vda rw console=ttyS0 panic=-1 no_timer_check tsc=reliable mitigations=off "
          "module_blacklist=kvm_amd,kvm_intel")


class Trouble(Exception):
    pass


def why_not():
    if os.geteuid() != 0:
        return "needs root"
    if platform.machine() != "x86_64":
        return "only for x86_64 yet"
    missing = [p for p in NEEDED if not shutil.which(p)]
    return "no " + ", ".join(missing) + " on this machine" if missing else None


def packages():
    """As quickstart installs them, and ours."""
    words = subprocess.run(
        ["bash", "-c", '. tools/packages.sh; echo "${BUILD_PACKAGES[@]}"; echo "${RUNTIMES[@]%%:*}"'], cwd=TREE,
        check=True, capture_output=True, text=True).stdout.split()
    return sorted(set(words + PACKAGES))


def sources():
    """Where this machine's packages come from, if it is a Debian; else Debian's own archive."""
    with open("/etc/os-release", encoding="utf-8") as f:
        own = dict(re.findall(r'^(\w+)="?([^"\n]*)', f.read(), re.M))
    if own.get("ID") != "debian":
        return ["bookworm", "http://deb.debian.org/debian"]
    files = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"]
    return [own["VERSION_CODENAME"]] + [f for f in files if os.path.exists(f) and os.path.getsize(f)]


def run(argv, seconds, log):
    """One that does not end in time ends by SIGKILL, and so does all that it started."""
    with open(log, "wb") as out:
        child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
                                  "--kill-child", *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            status = f"none after {seconds} s"
        finally:
            child.kill()
            child.wait()
    if status != 0:
        with open(log, encoding="utf-8", errors="replace") as f:
            last = f.read().splitlines()[-8:]
        raise Trouble("\n".join([f"{os.path.basename(argv[0])}: status {status}", *last]))


def alone():
    """Holds the lock of the cache's guests as long as it is open."""
    os.makedirs(CACHE, exist_ok=True)
    lock = open(os.path.join(CACHE, "lock-guest"), "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        raise Trouble("another one is being tested on this machine") from e
    return lock


def image(work, logs):
    """The folder of a root file system, made if it is not there. What earlier ones have left goes."""
    include = packages()
    suite, *mirrors = sources()
    key = hashlib.sha256(" ".join(["1", suite, *include, *NOT_NEEDED]).encode()).hexdigest()[:16]
    folder = os.path.join(CACHE, "guest-" + key)
    for name in os.listdir(CACHE):
        if name.startswith("guest-") and os.path.join(CACHE, name) not in (folder, work):
            shutil.rmtree(os.path.join(CACHE, name))
    if not os.path.isdir(folder):
        excluded = [f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in NOT_NEEDED]
        run(["mmdebstrap", "--mode=root", "--variant=apt", "--format=directory", "--include=" + ",".join(include),
             *excluded, suite, folder + ".new", *mirrors], IMAGE, os.path.join(logs, "guest-image.log"))
        os.rename(folder + ".new", folder)
    return folder


def one(folder, prefix):
    names = [n for n in os.listdir(folder) if n.startswith(prefix)]
    if len(names) != 1:
        raise Trouble(f"{folder}: {len(names)} files {prefix}*")
    return os.path.join(folder, names[0])


def qemu(root, disk, console):
    """The port `cupel.tap` is what its standard output is; its input must be no /dev/null, or nothing comes."""
    boot = os.path.join(root, "boot")
    return ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi",
            "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB), "-nodefaults", "-no-user-config",
            "-nographic", "-no-reboot", "-kernel", one(boot, "vmlinuz-"), "-initrd", one(boot, "initrd.img-"),
            "-append", KERNEL,
            "-drive", f"file={disk},format=raw,if=virtio,cache=unsafe", "-serial", f"file:{console}",
            "-device", "virtio-serial-pci", "-chardev", "stdio,id=tap,signal=off",
            "-device", "virtserialport,chardev=tap,name=cupel.tap"]


def lines(child):
    """What comes through the port, a line at a time, until the machine is off."""
    end, rest = time.monotonic() + WHOLE, b""
    patience = BOOT
    while True:
        left = min(end - time.monotonic(), patience)
        if left <= 0 or not select.select([child.stdout], [], [], left)[0]:
            raise Trouble("it says nothing more" if left > 0 else f"it is not done after {WHOLE} s")
        got = os.read(child.stdout.fileno(), 65536)
        if not got:
            return
        patience = SILENCE
        *whole, rest = (rest + got).split(b"\n")
        for line in whole:
            yield "".join(c if c.isprintable() else "?" for c in line.decode(errors="replace")[:300])


def boot(root, disk, console):
    """Passes on what the tests say. Returns how many lines with a result came, and whether there was a plan."""
    results, planned = 0, False
    child = subprocess.Popen(qemu(root, disk, console), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for line in lines(child):
            results += line.startswith(("ok ", "not ok "))
            planned |= line.startswith("1..")
            print(line, flush=True)
        child.wait(60)
    except subprocess.TimeoutExpired as e:
        raise Trouble("it does not end") from e
    finally:
        child.kill()
        child.wait()
    return results, planned


def tail(path, n):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", errors="replace") as f:
        return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[^ -~]", "", line) for line in f.read().splitlines()[-n:]]


def main():
    logs = os.path.abspath(sys.argv[1])
    reason = why_not()
    if reason:
        print("1..0 # SKIP " + reason)
        return 0
    # Told to end, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = os.path.join(logs, "guest-console.log")
    begin = time.monotonic()
    try:
        with alone(), tempfile.TemporaryDirectory(prefix="guest-work-", dir=CACHE) as work:
            root = image(work, logs)
            print(f"# {time.monotonic() - begin:.0f} s: the image is there", flush=True)
            run(["bash", os.path.join(HERE, "disk.sh"), root, TREE, work], DISK,
                os.path.join(logs, "guest-disk.log"))
            print(f"# {time.monotonic() - begin:.0f} s: cupel is built in it", flush=True)
            results, planned = boot(root, os.path.join(work, "disk.img"), console)
        if not planned:
            raise Trouble(f"it ended after {results} results")
    except Trouble as trouble:
        print("not ok - the guest")
        for line in str(trouble).splitlines() + tail(console, 12):
            print("# " + line)
        return 1
    print(f"# {time.monotonic() - begin:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())

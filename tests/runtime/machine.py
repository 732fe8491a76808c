"""A second machine for the tests: a network, process and mount namespace with an sshd of its own, and a wire
from it to another network namespace in which cupel runs. Nothing of the real machine's network is used.

    m = Machine(folder)                        # raises Missing where sshd or what it needs is not here
    subprocess.run(m.inside([CUPEL, "run", ...]), env=m.env(env))
    m.close()

Several machines share the network namespace that they are reached from: Machine(other, beside=m).

The machine's /tmp, accounts and boot are its own, and so is its CPU: the first, where clients are
on the last, unless told otherwise. `ssh` on the PATH of m.env reads the machine's configuration.
"""
import os
import shutil
import signal
import subprocess
import time
import uuid

HERE, THERE = "10.77.0.1", "10.77.0.2"

# Run as the first process of the namespaces: $1 folder, $2 sshd, $3 word of setarch,
# $4 size of its disk, $5 its CPUs.
SETUP = r"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount --bind "$1/boot_id" /proc/sys/kernel/random/boot_id
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/shadow" /etc/shadow
mount -t tmpfs -o size="$4",mode=755 tmpfs /run
mkdir -m 755 /run/sshd
mkdir -m 1777 /run/tmp /run/s
if [ -d "$1/disk" ]; then mount --bind "$1/disk/tmp" /run/tmp; mount --bind "$1/disk/s" /run/s; fi
install -m 644 "$1/key.pub" /run/guest_keys
while [ ! -e "$1/wired" ]; do sleep .01; done
exec taskset -c "$5" setarch "$3" "$2" -D -e -f "$1/sshd_config"
"""


class Missing(Exception):
    pass


def find(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Missing(name + " is not installed")
    return path


def wait_for(what, said):
    end = time.monotonic() + 10
    while not what():
        if time.monotonic() > end:
            raise AssertionError(said)
        time.sleep(.01)


def ballast(path, full):
    """A file that leaves no room on its file system; or it goes again."""
    if not full:
        os.unlink(path)
        return
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass


class Machine:
    def __init__(self, folder, architecture=None, beside=None, room="32m", cpus="0", life=600, disk=False):
        self.folder, self.beside, self.room, self.cpus, self.life = folder, beside, room, cpus, life
        self.number = beside.number + 1 if beside else 0
        self.architecture = architecture or os.uname().machine
        self.here, self.there = ("10.77.%d.%d" % (self.number, i) for i in (1, 2))
        self.sshd, self.real_ssh = find("sshd"), find("ssh")
        for name in ("ip", "unshare", "nsenter", "setarch", "taskset", "ssh-keygen"):
            find(name)
        os.makedirs(folder, 0o700)
        os.mkdir(self.path("bin"))
        for name in ("tmp", "s") if disk else (): # what outlasts a reboot, without the bound of `room`
            os.makedirs(self.path("disk/" + name))
            os.chmod(self.path("disk/" + name), 0o1777)
        self.write_accounts()
        for name in ("host_key", "other_key", "key"):
            self.call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name))
        self.write_config()
        self.allow(True)
        self.know("host_key")
        self.holder = self.first = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    @staticmethod
    def call(*argv):
        return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")).stdout

    def write_accounts(self):
        self.write("passwd", "root:x:0:0:root:/root:/bin/sh\n"
                             "guest:x:1000:1000::/run/tmp:/bin/sh\n"
                             "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n", 0o644)
        self.write("shadow", "root:*:19000:0:99999:7:::\nguest:*:19000:0:99999:7:::\nsshd:!:19000::::::\n")
        self.write("boot_id", str(uuid.uuid4()) + "\n", 0o444)

    def write_config(self):
        self.write("sshd_config", "ListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nUsePAM no\n"
                   "StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
                   "SetEnv TMPDIR=/run/tmp CUPEL_STATE=/run/s/state\nUseDNS no\n"
                   "Match User guest\nAuthorizedKeysFile /run/guest_keys\n"
                   "SetEnv TMPDIR=/run/tmp CUPEL_STATE=/run/s/guest\n"
                   % (self.there, self.path("host_key"), self.path("authorized_keys")))
        self.write("ssh_config", "Host nowhere\nHostname 10.77.%d.9\nHost machine closed nowhere\nHostname %s\nUser root\nIdentityFile %s\n"
                   "IdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile %s\nGlobalKnownHostsFile none\n"
                   "StrictHostKeyChecking yes\nHost closed\nPort 23\n"
                   % (self.number, self.there, self.path("key"), self.path("known_hosts")))
        self.write("bin/ssh", '#!/bin/sh\nexec "%s" -F "%s" "$@"\n' % (self.real_ssh, self.path("ssh_config")), 0o755)

    def allow(self, yes):
        """The key is accepted there, or not."""
        self.write("authorized_keys", self.read("key.pub") if yes else "")

    def know(self, key):
        """The machine is known here by this key, in the file `key`.pub."""
        self.write("known_hosts", "%s %s\n" % (self.there, " ".join(self.read(key + ".pub").split()[:2])))

    def start(self):
        self.holder = self.holder or (self.beside.holder if self.beside else None) or subprocess.Popen(
            ["unshare", "--net", "--kill-child", "--fork", "sleep", str(self.life)])
        with open(self.path("log"), "w", encoding="utf-8") as log:
            self.first = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP, "sh", self.folder,
                 self.sshd, self.architecture, self.room, self.cpus], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: self.apart(self.holder.pid) and self.apart(self.first.pid), "no namespaces")
        here = ["nsenter", "--net=/proc/%d/ns/net" % self.holder.pid, "ip"]
        there = ["nsenter", "--net=/proc/%d/ns/net" % self.first.pid, "ip"]
        self.call(*here, "link", "add", self.wire(), "type", "veth", "peer", "name", "wire0", "netns", str(self.first.pid))
        for ip, address, wire in ((here, self.here, self.wire()), (there, self.there, "wire0")):
            self.call(*ip, "address", "add", address + "/24", "dev", wire)
            self.call(*ip, "link", "set", "lo", "up")
            self.call(*ip, "link", "set", wire, "up")
        self.write("wired", "")
        wait_for(lambda: "Server listening" in self.read("log") or self.first.poll() is not None, "no sshd")
        if self.first.poll() is not None:
            raise AssertionError(self.read("log"))

    def reboot(self):
        """All on it dies, and it comes up again, with another boot id; its disk is as it was."""
        self.first.send_signal(signal.SIGKILL)
        self.first.wait()
        subprocess.run(self.inside(["ip", "link", "delete", self.wire()]), check=False, capture_output=True)
        self.write("boot_id", str(uuid.uuid4()) + "\n", 0o444)
        os.unlink(self.path("wired"))
        self.start()

    def mount(self, *args):
        """mount there, or umount: what it has on its PATH is this machine's."""
        self.call("nsenter", "--mount=/proc/%d/ns/mnt" % self.init(), "--pid=/proc/%d/ns/pid" % self.init(), *args)

    def wire(self):
        return "wire%d" % self.number

    def unplug(self, out):
        """The wire to it is cut, or whole again."""
        self.call("nsenter", "--net=/proc/%d/ns/net" % self.holder.pid, "ip", "link", "set", self.wire(),
                  "down" if out else "up")

    @staticmethod
    def apart(pid):
        try:
            return os.readlink("/proc/%d/ns/net" % pid) != os.readlink("/proc/self/ns/net")
        except OSError:
            return False

    def inside(self, argv):
        """The command, in the network namespace that has the wire."""
        return ["nsenter", "--net=/proc/%d/ns/net" % self.holder.pid, *argv]

    def env(self, env):
        return dict(env, PATH=self.path("bin") + ":" + env["PATH"])

    def init(self):
        """The machine's first process, as this one counts."""
        with open("/proc/%d/task/%d/children" % (self.first.pid, self.first.pid), encoding="ascii") as f:
            return int(f.read().split()[0])

    def processes(self):
        """What runs there besides sshd: {pid: command line}."""
        found, own = {}, os.readlink("/proc/%d/ns/pid" % self.init())
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink("/proc/%s/ns/pid" % pid) != own:
                    continue
                with open("/proc/%s/cmdline" % pid, encoding="utf-8", errors="replace") as f:
                    text = f.read().replace("\0", " ").strip()
            except OSError:
                continue
            if text and not text.startswith("sshd: /") and int(pid) != self.init():
                found[int(pid)] = text
        return found

    def files(self):
        return os.listdir("/proc/%d/root/run/tmp" % self.init())

    def fill(self, full):
        """Its /tmp has no room any more, or again."""
        ballast("/proc/%d/root/run/ballast" % self.init(), full)

    def expect_clean(self):
        wait_for(lambda: not self.processes() and not self.files(), (self.processes(), self.files()))

    def close(self):
        for p in (self.first, None if self.beside else self.holder):
            if p and p.poll() is None:
                p.send_signal(signal.SIGKILL)
            if p:
                p.wait()

"""A Slurm cluster for the tests: slurmctld, munged, and two slurmd, each in a network, mount, process and UTS
namespace of its own: two host names, boots, machine ids, and folders of their own on one machine. What Slurm's
packages bring is unpacked, not installed: they start services. Nothing of the real machine's network is used.

    c = Cluster(folder)                        # raises Missing where Slurm or what it needs is not here
    subprocess.run(c.inside([CUPEL, "run", ...]), env=c.env(env), cwd=c.path("shared"))
    c.close()

The folder is the file system that all nodes share; /run is each node's own, with the job's TMPDIR and cupel's
state. Everything is stopped by its pid.
"""
import os
import shutil
import signal
import subprocess
import time
import uuid

from machine import Missing, ballast, find, wait_for

HERE = "10.78.0.1"

# Run as the first process of a node's namespaces: $1 folder, $2 node, $3 slurmd, $4 slurmstepd,
# $5 word of setarch.
NODE = r"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
hostname "$2"
mount --bind "$1/$2.boot" /proc/sys/kernel/random/boot_id
if [ -e /etc/machine-id ]; then mount --bind "$1/$2.id" /etc/machine-id; fi
mount -t tmpfs -o size=256m,mode=755 tmpfs /run
mkdir /run/tmp
mount -t tmpfs -o size=256m,mode=1777 tmpfs /run/tmp
while [ ! -e "$1/wired" ]; do sleep .01; done
exec setarch "$5" "$3" -D -d "$4" -f "$1/slurm.conf"
"""

# The controller's, and that of whoever submits.
HEAD = r"""
set -e
hostname node0
echo >"$1/named"
exec sleep 900
"""

CONF = """ClusterName=test
SlurmctldHost=node0(%(here)s)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=%(folder)s/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=%(folder)s/state
SlurmdSpoolDir=/run/slurmd
SlurmctldPidFile=%(folder)s/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=%(folder)s/slurmctld.log
SlurmdLogFile=%(folder)s/%%n.log
PluginDir=%(plugins)s
ProctrackType=%(proctrack)s
TaskPlugin=%(task)s
TaskProlog=%(folder)s/prolog
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=%(timeout)d
KillWait=%(kill_wait)d
MailProg=/bin/true
CommunicationParameters=NoAddrCache
%(nodes)s
PartitionName=debug Nodes=ALL Default=YES MaxTime=60 State=UP
PartitionName=debug2 Nodes=ALL MaxTime=60 State=UP
PartitionName=down Nodes=ALL MaxTime=60 State=DOWN
"""


class Cluster:
    def __init__(self, folder, nodes=2, proctrack="proctrack/linuxproc", task="task/none", timeout=10, kill_wait=10,
                 architecture=None):
        self.folder, self.children = folder, []
        self.architecture = architecture or os.uname().machine
        self.names = ["node%d" % (i + 1) for i in range(nodes)]
        self.tools = {name: self.find(name) for name in
                      ("slurmctld", "slurmd", "slurmstepd", "sbatch", "squeue", "scancel", "sinfo", "scontrol", "munged")}
        for name in ("ip", "unshare", "nsenter", "setarch"):
            find(name)
        libraries = os.path.dirname(os.path.dirname(os.path.dirname(self.tools["sbatch"]))) + "/usr/lib/%s-linux-gnu" % os.uname().machine
        self.plugins = libraries + "/slurm-wlm"
        os.makedirs(folder, 0o755)
        os.mkdir(self.path("state"))
        os.mkdir(self.path("shared"))
        os.mkdir(self.path("bin"))
        self.settings = dict(here=HERE, folder=folder, plugins=self.plugins, proctrack=proctrack, task=task,
                             timeout=timeout, kill_wait=kill_wait)
        self.libraries = self.plugins + ":" + libraries
        self.write_files()
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def find(name):
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        found = shutil.which(name, path=path) or shutil.which(name + "-wlm", path=path)
        if not found:
            raise Missing(name + " is not here")
        return found

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def write_files(self):
        lines = "\n".join("NodeName=%s NodeAddr=10.78.0.%d CPUs=%d State=UNKNOWN" % (name, 11 + i, os.cpu_count())
                          for i, name in enumerate(self.names))
        self.write("slurm.conf", CONF % dict(self.settings, nodes=lines))
        self.write("cgroup.conf", "ConstrainCores=yes\nConstrainRAMSpace=yes\n")
        self.write("prolog", "#!/bin/sh\necho export TMPDIR=/run/tmp\necho export CUPEL_STATE=/run/state\n", 0o755)
        with open(self.path("munge.key"), "wb") as f:
            f.write(os.urandom(128))
        os.chmod(self.path("munge.key"), 0o400)
        for name in self.names:
            self.write(name + ".boot", str(uuid.uuid4()) + "\n", 0o444)
            self.write(name + ".id", uuid.uuid4().hex + "\n", 0o444)

    def spawn(self, log, argv):
        with open(self.path(log), "w", encoding="utf-8") as f:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=self.env(os.environ))
        self.children.append(p)
        return p

    def start(self):
        self.munged = self.spawn("munged.out", [self.tools["munged"], "--foreground", "--force", "--key-file", self.path("munge.key"),
                                                "--socket", self.path("munge.socket"), "--pid-file", self.path("munged.pid"),
                                                "--log-file", self.path("munged.log"), "--seed-file", self.path("munge.seed"),
                                                "--num-threads", "2"])
        self.head = self.spawn("head.out", ["unshare", "--net", "--uts", "--kill-child", "--fork", "sh", "-c", HEAD, "sh", self.folder])
        self.nodes = [self.spawn(name + ".out", ["unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-c", NODE,
                                                 "sh", self.folder, name, self.tools["slurmd"], self.tools["slurmstepd"],
                                                 self.architecture])
                      for name in self.names]
        wait_for(lambda: os.path.exists(self.path("named")) and os.path.exists(self.path("munge.socket")) and
                 all(self.apart(p.pid) for p in self.nodes), "no namespaces")
        self.wire()
        self.start_controller()
        self.write("wired", "")
        wait_for(lambda: self.states() == {name: "idle" for name in self.names}, "the nodes do not come up: %s" % self.folder)

    def start_controller(self):
        self.ctld = self.spawn("slurmctld.out", self.inside([self.tools["slurmctld"], "-D", "-f", self.path("slurm.conf")]))

    def wire(self):
        here = self.inside(["ip"])
        call(*here, "link", "add", "bridge0", "type", "bridge")
        call(*here, "address", "add", HERE + "/24", "dev", "bridge0")
        call(*here, "link", "set", "bridge0", "up")
        call(*here, "link", "set", "lo", "up")
        for i, p in enumerate(self.nodes):
            there = ["nsenter", "--net=/proc/%d/ns/net" % p.pid, "ip"]
            call(*here, "link", "add", "wire%d" % i, "type", "veth", "peer", "name", "wire", "netns", str(p.pid))
            call(*here, "link", "set", "wire%d" % i, "master", "bridge0", "up")
            call(*there, "address", "add", "10.78.0.%d/24" % (11 + i), "dev", "wire")
            call(*there, "link", "set", "lo", "up")
            call(*there, "link", "set", "wire", "up")

    @staticmethod
    def apart(pid):
        try:
            return os.readlink("/proc/%d/ns/net" % pid) != os.readlink("/proc/self/ns/net")
        except OSError:
            return False

    def inside(self, argv):
        """The command, in the namespaces of the host that jobs are submitted from."""
        return ["nsenter", "--net=/proc/%d/ns/net" % self.head.pid, "--uts=/proc/%d/ns/uts" % self.head.pid, *argv]

    def env(self, env):
        return dict(env, SLURM_CONF=self.path("slurm.conf"), LD_LIBRARY_PATH=self.libraries,
                    PATH=self.path("bin") + ":" + env["PATH"] + ":" + os.path.dirname(self.tools["sbatch"]))

    def slurm(self, tool, *args):
        return subprocess.run(self.inside([self.tools[tool], *args]), env=self.env(os.environ), check=False, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60).stdout.strip()

    def states(self):
        lines = self.slurm("sinfo", "--noheader", "--Node", "--partition=debug", "--format=%N %T").split("\n")
        return dict(line.split() for line in lines if line)

    def jobs(self):
        """What is in the queue: [(id, name, state)]."""
        lines = self.slurm("squeue", "--noheader", "--array", "--format=%i %j %T").split("\n")
        return [tuple(line.split()) for line in lines if line]

    def init(self, i):
        """The first process of a node, as this machine counts."""
        pid = self.nodes[i].pid
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
            return int(f.read().split()[0])

    def files(self, i):
        return os.listdir("/proc/%d/root/run/tmp" % self.init(i))

    def fill(self, i, full):
        """A node has no room any more where jobs unpack, or again."""
        ballast("/proc/%d/root/run/tmp/ballast" % self.init(i), full)

    def processes(self, i):
        """What runs on a node besides Slurm: {pid: command line}."""
        found, own = {}, os.readlink("/proc/%d/ns/pid" % self.init(i))
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink("/proc/%s/ns/pid" % pid) != own:
                    continue
                with open("/proc/%s/cmdline" % pid, encoding="utf-8", errors="replace") as f:
                    text = f.read().replace("\0", " ").strip()
            except OSError:
                continue
            if text and int(pid) != self.init(i) and "slurmstepd" not in text:
                found[int(pid)] = text
        return found

    def expect_clean(self):
        wait_for(lambda: not self.jobs() and not any(self.files(i) or self.processes(i) for i in range(len(self.nodes))),
                 [(self.jobs(), self.files(i), self.processes(i)) for i in range(len(self.nodes))])

    def close(self):
        for p in reversed(self.children):
            if p.poll() is None:
                p.send_signal(signal.SIGKILL)
            p.wait()


def call(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                   env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"))

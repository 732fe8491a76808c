#!/usr/bin/env python3
"""A Kubernetes of one node for the tests: etcd, the API server, controllers, scheduler, a private containerd and the
kubelet, in a network and a mount namespace of their own. Nothing is installed, nothing of the real machine's network,
folders or settings is used or changed.

    cluster.py build                 its four programs, by the Go client, into the cache: once
    cluster.py start | stop | status
    cluster.py run COMMAND...        in its network, with its KUBECONFIG
    cluster.py load ARCHIVE...       images, OCI archives, into containerd

    with cluster.start() as c:                    # raises Missing where it, or what it needs, is not here
        subprocess.run(c.inside([CUPEL, "run", ...]), env=c.env(os.environ))

RuntimeClasses: `runc`, `crun` (which has a podFixed), and `broken`, whose handler nobody registered. Requests are
authorised by RBAC, admission is what Kubernetes does by itself; who holds c.kubeconfig may do everything.

One at a time on a machine: all that it makes lies in one folder of the cache and in control groups of one name, so that
whoever comes next removes what a killed test left, processes first. CUPEL_TEST_CLUSTER=1 uses the one that
`cluster.py start` left running, and leaves it.
"""
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import image

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "cupel-tests")
ENGINES = os.path.join(CACHE, "engines")
FOLDER = os.path.join(CACHE, "kubernetes-cluster")
GROUP = "kubernetes-of-tests-" + hashlib.sha1(FOLDER.encode()).hexdigest()[:8]
ADDRESS, API, PODS, SERVICES = "10.79.0.1", "https://10.79.0.1:6443", "10.79.4.0/22", "10.79.8.0/24"
NODE, PAUSE = "node1", "cupel.test/pause:1"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
RUNTIMES = ("runc", "crun")
USERS = ["user%d" % i for i in range(10)] # who may do nothing until c.user() says otherwise

# What the kubelet would set for the whole machine; in its own mount namespace it is so already.
TUNABLES = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
            "kernel/keys/root_maxkeys": 1000000, "kernel/keys/root_maxbytes": 25000000}

# The first process of the namespaces: $1 folder, $2 address, $3 a tree of control groups to cover, or nothing.
HOLDER = r"""
set -e
mount --bind "$1/lib" /var/lib
mount --bind "$1/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
if [ -n "$3" ]; then mount -t tmpfs -o size=16m tmpfs "$3"; fi
cd "$1/tunables"
find . -type f | while read -r name; do
    if [ -e "/proc/sys/$name" ]; then mount --bind "$name" "/proc/sys/$name"; fi
done
ip link set lo up
ip link add bridge0 type bridge
ip address add "$2/24" dev bridge0
ip link set bridge0 up
ip route add default via "${2%.*}.254" dev bridge0
echo >"$1/wired"
exec sleep infinity
"""

# Into the groups named before "--", then the command.
JOIN = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'

CONTAINERD = """version = 2
root = "%(folder)s/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing"]
[grpc]
address = "%(folder)s/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "%(folder)s/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "%(pause)s"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "%(cni)s"
conf_dir = "%(folder)s/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
default_runtime_name = "runc"
"""
CONTAINERD_RUNTIME = """[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.%(name)s]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.%(name)s.options]
BinaryName = "%(path)s"
"""


class Missing(Exception):
    pass


def search_path():
    return ":".join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", ENGINES + "/usr/bin", ENGINES + "/usr/sbin"])


def find(name):
    path = shutil.which(name, path=search_path())
    if not path:
        raise Missing(name + " is not here; ./runtests kubernetes gets what is missing, but for Go")
    return path


def version():
    with open(os.path.join(HERE, "go.mod"), encoding="utf-8") as f:
        return re.search(r"k8s\.io/kubernetes (v\S+)", f.read()).group(1)


def built():
    """The folder of the four programs."""
    folder = os.path.join(CACHE, "kubernetes-" + version())
    if not os.path.isdir(folder):
        raise Missing("Kubernetes is not built; ./runtests kubernetes does that")
    return folder


def build():
    """Some minutes on two CPUs; whoever comes second waits for the first."""
    target = os.path.join(CACHE, "kubernetes-" + version())
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock-kubernetes-build"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(target):
            return
        go = find("go")
        shutil.rmtree(target + ".new", ignore_errors=True)
        os.mkdir(target + ".new")
        major, minor, _ = version()[1:].split(".")
        flags = "-s -w" + "".join(" -X k8s.io/component-base/version.git%s=%s" % pair for pair in
                                  (("Version", version()), ("Major", major), ("Minor", minor)))
        r = subprocess.run([go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", target + ".new/",
                            *("k8s.io/kubernetes/cmd/" + name for name in PROGRAMS)],
                           cwd=HERE, env=dict(os.environ, CGO_ENABLED="0", GOFLAGS="-modcacherw"), stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, check=False, timeout=2400)
        if r.returncode != 0:
            shutil.rmtree(target + ".new")
            raise Missing((r.stderr.strip() or "go failed without a word").split("\n")[-1])
        os.rename(target + ".new", target)


def wait_for(what, said, seconds=30):
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end:
            raise AssertionError(said() if callable(said) else said)
        time.sleep(.02)
    return found


class Groups:
    """The cluster's control groups: one of its name in each tree of version 1, or in the one of version 2. Its own
    programs are in `daemons` of each, so that version 2 lets pods be beside them."""

    def __init__(self):
        self.trees, self.unified = [], None
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            for line in f:
                fields, kind = line.split(" - ")
                mount, kind = fields.split()[4], kind.split()[0]
                if kind == "cgroup":
                    self.trees.append(mount)
                elif kind == "cgroup2":
                    self.unified = self.unified or mount
        self.hybrid = bool(self.trees) and self.unified is not None
        self.trees = self.trees or [self.unified]
        self.tops = [os.path.join(tree, GROUP) for tree in self.trees]

    def make(self):
        for tree, top in zip(self.trees, self.tops):
            if tree == self.unified:
                self.enable(tree)
            for group in (top, top + "/daemons"):
                os.mkdir(group)
                self.inherit(group)
            if tree == self.unified:
                self.enable(top)

    @staticmethod
    def enable(group):
        with open(group + "/cgroup.controllers", encoding="ascii") as f:
            names = f.read().split()
        for name in names:
            with contextlib.suppress(OSError), open(group + "/cgroup.subtree_control", "w", encoding="ascii") as f:
                f.write("+" + name)

    @staticmethod
    def inherit(group):
        """A cpuset of version 1 starts without CPUs and memory."""
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not os.path.exists(os.path.join(group, name)) or os.path.exists(group + "/cgroup.controllers"):
                continue
            with open(os.path.join(group, "..", name), encoding="ascii") as parent:
                value = parent.read()
            with open(os.path.join(group, name), "w", encoding="ascii") as child:
                child.write(value)

    def daemons(self):
        return [top + "/daemons" for top in self.tops]

    def folders(self):
        """All of them, deepest first."""
        return [folder for top in self.tops for folder, _, _ in os.walk(top, topdown=False)]

    def pids(self):
        found = set()
        for folder in self.folders():
            with contextlib.suppress(OSError), open(folder + "/cgroup.procs", encoding="ascii") as f:
                found.update(int(word) for word in f.read().split())
        return found - {0}

    def remove(self):
        """Ends what is in them, until nothing is, and removes them."""
        def ended():
            for pid in (pids := self.pids()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids

        def removed():
            for folder in self.folders():
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
            return not self.folders()
        wait_for(ended, lambda: "these do not end: %s" % self.pids())
        wait_for(removed, lambda: "these control groups stay: %s" % self.folders())


def take_lock(seconds):
    """The right to have the cluster; given back by closing the file, or by dying."""
    os.makedirs(CACHE, exist_ok=True)
    lock = open(os.path.join(CACHE, "lock-kubernetes-cluster"), "w", encoding="utf-8") # pylint: disable=consider-using-with
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError as why:
            if why.errno != errno.EWOULDBLOCK:
                raise
        if time.monotonic() > end:
            lock.close()
            raise AssertionError("a cluster runs already on this machine; cluster.py stop ends one that was left running")
        time.sleep(.1)


def sweep():
    """Removes what a cluster left; the lock is ours."""
    Groups().remove()
    shutil.rmtree(FOLDER, ignore_errors=True)
    if os.path.exists(FOLDER):
        raise AssertionError(FOLDER + " cannot be removed")


def tidy(patience=300):
    """Removes what is left of a cluster whose test died, once none runs; False if there is nothing."""
    with take_lock(patience):
        there = os.path.exists(FOLDER)
        sweep()
    return there


def start(patience=300):
    """The cluster for a test: its own, or by CUPEL_TEST_CLUSTER the one that was left running."""
    if os.environ.get("CUPEL_TEST_CLUSTER"):
        return Cluster()
    c = Cluster(take_lock(patience))
    try:
        c.start()
    except BaseException as why:
        c.close(keep_logs=not isinstance(why, Missing))
        raise
    return c


def stop():
    """Ends the one that `cluster.py start` left; False if there is none."""
    try:
        return tidy(0)
    except AssertionError:
        # Its holder has the lock: with it goes the lock.
        if not Cluster().record.get("left"):
            raise
    Groups().remove()
    return tidy(10)


class Cluster:
    def __init__(self, lock=None):
        """With the lock: one that start() starts. Without: the one that runs."""
        self.lock, self.groups, self.children, self.record = lock, Groups(), {}, {}
        self.kubeconfig = self.path("kubeconfig")
        if not lock:
            try:
                self.record = json.loads(self.read("record"))
            except OSError as why:
                raise Missing("no cluster runs: cluster.py start") from why
        self.kubectl_path, self.ctr = find("kubectl"), find("ctr")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    # Files

    @staticmethod
    def path(*names):
        return os.path.join(FOLDER, *names)

    def write(self, name, text, mode=0o600):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text if isinstance(text, str) else json.dumps(text))
        os.chmod(self.path(name), mode)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as f:
            return f.read()

    # From nothing to a node that is ready

    def start(self, left=False):
        if os.geteuid() != 0:
            raise Missing("a cluster needs root")
        tools = {name: find(name) for name in ("etcd", "containerd", *RUNTIMES, "ip", "unshare", "nsenter", "ssh-keygen", "gcc")}
        tools.update({name: os.path.join(built(), name) for name in PROGRAMS})
        self.check_place()
        self.tools = tools
        sweep()
        for name in ("lib", "log", "opt", "etcd", "archives"):
            os.makedirs(self.path(name))
        self.record = dict(left=left, tools=tools, pids={})
        self.groups.make()
        self.write_files()
        self.hold()
        self.start_etcd()
        self.spawn("containerd", [tools["containerd"], "--config", self.path("containerd.toml")])
        self.start_api(wait=False)
        archive = self.path("archives/pause.tar")
        image.make(archive, PAUSE, {"/pause": image.compile_static(self.path("pause"), image.PAUSE)}, ["/pause"])
        wait_for(lambda: os.path.exists(self.path("containerd.sock")), lambda: self.failed("containerd"))
        self.load(archive)
        wait_for(self.api_ready, lambda: self.failed("kube-apiserver"))
        self.start_controllers()
        self.start_kubelet()
        self.apply(*self.classes())
        wait_for(self.ready, lambda: self.failed("kubelet"), 60)
        wait_for(lambda: self.kubectl("get", "serviceaccount", "default").returncode == 0, "no service account", 30)

    @staticmethod
    def check_place():
        for folder in ("/run/", "/var/run/", "/var/lib/", "/var/log/"):
            if (os.path.realpath(FOLDER) + "/").startswith(folder):
                raise Missing("a cluster has a %s of its own, so that its folder cannot be %s: XDG_CACHE_HOME names another"
                              % (folder, FOLDER))

    def write_files(self):
        for name, value in TUNABLES.items():
            self.write("tunables/" + name, "%d\n" % value, 0o644)
        subprocess.run([self.tools["ssh-keygen"], "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", self.path("accounts.key")],
                       check=True, stdin=subprocess.DEVNULL, capture_output=True)
        self.write("tokens", "".join("token-of-%s,%s,%s%s\n" % (name, name, name, group) for name, group in
                                     [("admin", ",system:masters"), *((user, "") for user in USERS)]))
        cni = next((d for d in ("/usr/lib/cni", "/opt/cni/bin", ENGINES + "/usr/lib/cni") if os.path.exists(d + "/bridge")), None)
        if not cni:
            raise Missing("the plug-ins of containernetworking-plugins are not here")
        self.write("containerd.toml", CONTAINERD % dict(folder=FOLDER, pause=PAUSE, cni=cni) +
                   "".join(CONTAINERD_RUNTIME % dict(name=name, path=self.tools[name]) for name in RUNTIMES))
        self.write("cni/10-bridge.conflist", dict(cniVersion="0.4.0", name="pods", plugins=[
            dict(type="bridge", bridge="pods0", isGateway=True, ipMasq=False, hairpinMode=False,
                 ipam=dict(type="host-local", dataDir=self.path("ipam"), ranges=[[dict(subnet=PODS)]]))]))
        self.write("kubelet.json", dict(
            kind="KubeletConfiguration", apiVersion="kubelet.config.k8s.io/v1beta1", address=ADDRESS, readOnlyPort=0,
            authentication=dict(anonymous=dict(enabled=True), webhook=dict(enabled=False)), authorization=dict(mode="AlwaysAllow"),
            containerRuntimeEndpoint="unix://" + self.path("containerd.sock"), cgroupDriver="cgroupfs", cgroupRoot="/" + GROUP,
            failSwapOn=False, enforceNodeAllocatable=[], localStorageCapacityIsolation=False, makeIPTablesUtilChains=False,
            resolvConf="", oomScoreAdj=0, maxOpenFiles=8192, maxPods=500, volumePluginDir=self.path("plugins"),
            imageGCHighThresholdPercent=100, evictionHard={"memory.available": "50Mi", "nodefs.available": "0%",
                                                           "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
            nodeStatusUpdateFrequency="2s", nodeLeaseDurationSeconds=8, clusterDomain="cluster.local", clusterDNS=["10.79.8.10"],
            volumeStatsAggPeriod="1h"))

    def hold(self):
        """The namespaces, as long as their first process lives; one that is left running keeps the lock by it."""
        keep = (self.lock.fileno(),) if self.record["left"] else ()
        cover = self.groups.unified if self.groups.hybrid else ""
        # crun refuses the hybrid layout where the unified tree has controllers.
        self.record["pids"]["holder"] = self.launch("holder", [self.tools["unshare"], "--net", "--mount", "--propagation", "private", "--",
                                                               "sh", "-c", HOLDER, "sh", FOLDER, ADDRESS, cover], keep).pid
        wait_for(lambda: os.path.exists(self.path("wired")) or self.children["holder"].poll() is not None, "no namespaces")
        if self.children["holder"].poll() is not None:
            raise AssertionError(self.failed("holder"))

    def launch(self, name, argv, keep=()):
        """A program of the cluster: in its groups, out of this session, its words in NAME.log."""
        env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        with open(self.path(name + ".log"), "a", encoding="utf-8") as log:
            p = subprocess.Popen(["sh", "-c", JOIN, "sh", *self.groups.daemons(), "--", *argv], stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, env=dict(env, PATH=search_path()), start_new_session=True, pass_fds=keep)
        self.children[name] = p
        self.record["pids"][name] = p.pid
        self.write("record", self.record)
        return p

    def spawn(self, name, argv):
        return self.launch(name, ["nsenter", "--net=" + self.namespace_of("net"), "--mount=" + self.namespace_of("mnt"), *argv])

    def namespace_of(self, kind):
        return "/proc/%d/ns/%s" % (self.record["pids"]["holder"], kind)

    def end(self, name, how=signal.SIGTERM):
        """Ends one of its programs, and waits for that."""
        pid = self.record["pids"][name]
        if pid not in self.groups.pids():
            return
        os.kill(pid, how)

        def gone():
            if name in self.children:
                self.children[name].poll()
            return pid not in self.groups.pids()
        wait_for(gone, name + " does not end")

    def tool(self, name):
        return self.record["tools"][name]

    def start_etcd(self):
        clients = "http://127.0.0.1:2379"
        self.spawn("etcd", [self.tool("etcd"), "--data-dir", self.path("etcd"), "--listen-client-urls", clients,
                            "--advertise-client-urls", clients, "--listen-peer-urls", "http://127.0.0.1:2380"])

    def start_api(self, wait=True):
        self.spawn("kube-apiserver", [
            self.tool("kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379", "--advertise-address=" + ADDRESS, "--bind-address=" + ADDRESS,
            "--cert-dir=" + self.path("certificates"), "--authorization-mode=RBAC", "--token-auth-file=" + self.path("tokens"),
            "--service-account-issuer=" + API, "--service-account-signing-key-file=" + self.path("accounts.key"),
            "--service-account-key-file=" + self.path("accounts.key"), "--service-cluster-ip-range=" + SERVICES,
            "--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP"])
        if wait:
            wait_for(self.api_ready, lambda: self.failed("kube-apiserver"))

    def stop_api(self, how=signal.SIGKILL):
        self.end("kube-apiserver", how)

    def api_ready(self):
        certificate = self.path("certificates/apiserver.crt")
        if not os.path.exists(certificate):
            return False
        if not os.path.exists(self.kubeconfig):
            self.write("kubeconfig", self.config("admin"))
        return self.kubectl("get", "--raw=/readyz", "--request-timeout=2s").stdout == "ok"

    def start_controllers(self):
        common = ["--kubeconfig=" + self.kubeconfig, "--leader-elect=false", "--secure-port=0", "--kube-api-qps=200", "--kube-api-burst=400"]
        self.spawn("kube-controller-manager", [
            self.tool("kube-controller-manager"), *common, "--root-ca-file=" + self.path("certificates/apiserver.crt"),
            "--service-account-private-key-file=" + self.path("accounts.key"), "--flex-volume-plugin-dir=" + self.path("plugins"),
            "--node-monitor-period=1s", "--node-monitor-grace-period=10s",
            "--controllers=" + ",".join(name + "-controller" for name in (
                "job", "ttl-after-finished", "garbage-collector", "namespace", "node-lifecycle", "taint-eviction", "pod-garbage-collector",
                "resourcequota", "serviceaccount", "root-ca-certificate-publisher"))])
        self.spawn("kube-scheduler", [self.tool("kube-scheduler"), *common])

    def start_kubelet(self):
        self.spawn("kubelet", [self.tool("kubelet"), "--config=" + self.path("kubelet.json"), "--kubeconfig=" + self.kubeconfig,
                               "--root-dir=/var/lib/kubelet", "--cert-dir=" + self.path("certificates/kubelet"), "--node-ip=" + ADDRESS,
                               "--hostname-override=" + NODE, "--node-labels=cupel.test/machine=this"])

    def stop_kubelet(self, how=signal.SIGKILL):
        """As a node that is gone: after 10 s it counts as lost. Nothing is evicted where it is the only one."""
        self.end("kubelet", how)

    @staticmethod
    def classes():
        for name in (*RUNTIMES, "broken"):
            c = dict(apiVersion="node.k8s.io/v1", kind="RuntimeClass", metadata=dict(name=name), handler="unregistered" if name == "broken" else name)
            if name == "crun":
                c["overhead"] = dict(podFixed=dict(memory="16Mi"))
            yield c

    def ready(self):
        r = self.kubectl("get", "node", NODE, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}")
        return r.stdout == "True"

    def failed(self, name):
        """The last that it said."""
        with contextlib.suppress(OSError):
            return "%s: %s" % (name, self.read(name + ".log")[-2000:])
        return name + " did not start"

    # What tests do with it

    def inside(self, argv):
        """The command, in the cluster's network; its mounts and folders are this machine's."""
        return [find("nsenter"), "--net=" + self.namespace_of("net"), *argv]

    def env(self, env, kubeconfig=None):
        """With KUBECONFIG, past proxies, and without traces in the home directory."""
        clean = {key: value for key, value in env.items() if not key.lower().endswith("_proxy")}
        return dict(clean, KUBECONFIG=kubeconfig or self.kubeconfig, KUBECACHEDIR=self.path("kubectl"), PATH=search_path())

    def run(self, argv, kubeconfig=None, **how):
        how = dict(dict(check=False, capture_output=True, text=True, timeout=120), **how)
        if "input" not in how:
            how.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.inside(argv), env=self.env(os.environ, kubeconfig), **how)

    def kubectl(self, *args, **how):
        return self.run([self.kubectl_path, "--cache-dir=" + self.path("kubectl"), *args], **how)

    def get(self, *args):
        """What `kubectl get ... -o json` gives, or None."""
        r = self.kubectl("get", *args, "-o", "json")
        return json.loads(r.stdout) if r.returncode == 0 else None

    def apply(self, *objects):
        r = self.kubectl("apply", "-f", "-", input=json.dumps(dict(apiVersion="v1", kind="List", items=list(objects))))
        if r.returncode != 0:
            raise AssertionError(r.stderr)

    def events(self, reason="", namespace="default"):
        """The messages of all events, or of those with this reason."""
        return [e["message"] for e in self.get("events", "-n", namespace)["items"] if reason in ("", e["reason"])]

    def load(self, archive):
        """An OCI archive into the node; its images are named as its index names them."""
        r = self.run([self.ctr, "--address", self.path("containerd.sock"), "--namespace", "k8s.io", "images", "import",
                      "--snapshotter", "native", "--all-platforms", archive])
        if r.returncode != 0:
            raise AssertionError("%s: %s" % (archive, r.stderr))

    def load_program(self, name, program, argv=None):
        """An image NAME of one static program, as /bin/<its name>."""
        archive = self.path("archives", "%s.tar" % hashlib.sha1(name.encode()).hexdigest()[:12])
        inside = "/bin/" + os.path.basename(program)
        image.make(archive, name, {inside: program}, argv or [inside])
        self.load(archive)
        return inside

    def images(self):
        r = self.run([self.ctr, "--address", self.path("containerd.sock"), "--namespace", "k8s.io", "images", "list", "--quiet"])
        return r.stdout.split()

    def remove_image(self, name):
        self.run([self.ctr, "--address", self.path("containerd.sock"), "--namespace", "k8s.io", "images", "remove", "--sync", name], check=True)

    def namespace(self, name, pod_security=None, quota=None):
        """A namespace; pod_security such as "restricted" is enforced, quota such as {"pods": "0"} is in force."""
        labels = {"pod-security.kubernetes.io/enforce": pod_security} if pod_security else {}
        self.apply(dict(apiVersion="v1", kind="Namespace", metadata=dict(name=name, labels=labels)))
        wait_for(lambda: self.get("serviceaccount", "default", "-n", name), "no service account in " + name)
        if quota:
            self.apply(dict(apiVersion="v1", kind="ResourceQuota", metadata=dict(name="quota", namespace=name), spec=dict(hard=quota)))
            wait_for(lambda: (self.get("resourcequota", "quota", "-n", name) or {}).get("status", {}).get("hard"), "no quota in " + name)
        return name

    def user(self, number, namespace, *rules):
        """The kubeconfig of somebody who may do in this namespace what the rules say, and nothing else: each is
        (resources, verbs), as in ("pods", "get,list"), or ("jobs", "create") of batch."""
        name = USERS[number]
        groups = {"jobs": "batch", "runtimeclasses": "node.k8s.io"}
        role = [dict(apiGroups=[groups.get(resource.split("/")[0], "")], resources=[resource], verbs=verbs.split(","))
                for resources, verbs in rules for resource in resources.split(",")]
        meta = dict(name=name, namespace=namespace)
        self.apply(dict(apiVersion="rbac.authorization.k8s.io/v1", kind="Role", metadata=meta, rules=role),
                   dict(apiVersion="rbac.authorization.k8s.io/v1", kind="RoleBinding", metadata=meta,
                        subjects=[dict(kind="User", name=name, apiGroup="rbac.authorization.k8s.io")],
                        roleRef=dict(kind="Role", name=name, apiGroup="rbac.authorization.k8s.io")))
        return self.write("kubeconfig-" + name, self.config(name, namespace))

    def config(self, user, namespace="default"):
        """A kubeconfig; JSON is YAML, too."""
        return dict(apiVersion="v1", kind="Config", **{"current-context": "tests"},
                    clusters=[dict(name="tests", cluster={"server": API, "certificate-authority": self.path("certificates/apiserver.crt")})],
                    users=[dict(name=user, user=dict(token="token-of-" + user))],
                    contexts=[dict(name="tests", context=dict(cluster="tests", user=user, namespace=namespace))])

    # The end

    def close(self, keep_logs=False):
        """Ends and removes all of it, but for one that was only attached to."""
        if not self.lock:
            return
        if keep_logs and os.environ.get("CUPEL_TEST_KEEP"):
            return
        self.groups.remove()
        for p in self.children.values():
            p.wait()
        sweep()
        self.lock.close()
        self.lock = None


def main(argv):
    what, rest = (argv[0], argv[1:]) if argv else ("", [])
    if what == "build" and not rest:
        build()
    elif what == "start" and not rest:
        c = Cluster(take_lock(0))
        try:
            c.start(left=True)
        except BaseException:
            c.close(keep_logs=True)
            raise
        print("export KUBECONFIG=%s\n# in its network: %s run COMMAND..." % (c.kubeconfig, os.path.relpath(__file__)))
    elif what == "stop" and not rest:
        print("stopped" if stop() else "no cluster runs")
    elif what == "status" and not rest:
        c = Cluster()
        sys.stdout.write(c.kubectl("get", "nodes,runtimeclasses,pods", "--all-namespaces").stdout)
    elif what == "load" and rest:
        for archive in rest:
            Cluster().load(os.path.abspath(archive))
    elif what == "run" and rest:
        c = Cluster()
        argv = c.inside(rest)
        os.execvpe(argv[0], argv, c.env(os.environ))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Missing, AssertionError, subprocess.SubprocessError) as error:
        sys.exit("cluster.py: %s" % error)

#!/usr/bin/env python3
"""One plan on several machines: real sshds in namespaces of this one (machine.py).

    test-fleet.py CUPEL PROBE [CASE...]

Three cases run at a time: most of what they do is waiting.
"""
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
from machine import wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import Skip, case, expect, full_case, long_case, run_cases  # noqa: E402

CUPEL, PROBE = sys.argv[1:3]
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
WORK = tempfile.mkdtemp(prefix="cupel-fleet-test-")
QUICK = ["--target", "host", "--workload", "sys.getpid", "--slice", "1ms", "--rounds", "1"]


class Bench:
    """Some machines, one state directory, and an ssh that knows machine0, machine1, ... and these ways to fail:
    closed (nobody listens), stranger (our key is not welcome), changed (the host key is another's), guest (not root)."""
    number = itertools.count()

    def __init__(self, *kinds, room="512m", disk=False):
        if os.geteuid() != 0:
            raise Skip("needs root")
        self.folder = os.path.join(WORK, "b%d" % next(Bench.number))
        self.state = os.path.join(self.folder, "state")
        os.makedirs(self.state, 0o700)
        self.machines = []
        try:
            for i, kind in enumerate(kinds or (None,)):
                first = self.machines[0] if self.machines else None
                m = machine.Machine(os.path.join(self.folder, "m%d" % i), kind, beside=self.machines[-1] if first else None,
                                    room=room, disk=disk, cpus="0-%d" % (os.cpu_count() - 1))
                self.machines.append(m)
        except machine.Missing as why:
            raise Skip(str(why)) from why
        except BaseException:
            self.close()
            raise
        self.write_config()
        self.env = dict(os.environ, PATH=os.path.join(self.folder, "bin") + ":" + PATH, CUPEL_STATE=self.state,
                        CUPEL_PROBE=PROBE, LC_ALL="C.UTF-8")

    def write_config(self):
        text = ""
        for i, m in enumerate(self.machines):
            text += ("Host machine%d\nHostname %s\nIdentityFile %s\nUserKnownHostsFile %s\n"
                     % (i, m.there, m.path("key"), m.path("known_hosts")))
        m = self.machines[0]
        known, other = m.path("known_hosts"), m.path("other_hosts")
        m.write("other_hosts", "%s %s\n" % (m.there, " ".join(m.read("other_key.pub").split()[:2])))
        for name, key, hosts, more in (("closed", "key", known, "Port 23\n"), ("stranger", "other_key", known, ""),
                                       ("changed", "key", other, ""), ("guest", "key", known, "User guest\n")):
            text += ("Host %s\nHostname %s\nIdentityFile %s\nUserKnownHostsFile %s\n%s"
                     % (name, m.there, m.path(key), hosts, more))
        text += ("Host *\nUser root\nIdentitiesOnly yes\nIdentityAgent none\nGlobalKnownHostsFile none\n"
                 "StrictHostKeyChecking yes\n")
        os.mkdir(os.path.join(self.folder, "bin"))
        config, ssh = os.path.join(self.folder, "config"), os.path.join(self.folder, "bin", "ssh")
        with open(config, "w", encoding="utf-8") as f:
            f.write(text)
        with open(ssh, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec "%s" -F "%s" "$@"\n' % (m.real_ssh, config))
        os.chmod(config, 0o600)
        os.chmod(ssh, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def close(self):
        for m in reversed(self.machines):
            m.close()

    def inside(self, args):
        return self.machines[0].inside([CUPEL, *args])

    def cupel(self, *args, timeout=90):
        return subprocess.run(self.inside(args), env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout)

    def on(self, names, *args, timeout=90):
        return self.cupel("run", "--on", ",".join("ssh:" + n for n in names), *args, timeout=timeout)

    def begin(self, names, *args):
        """The controller itself, so that a kill is its own."""
        return subprocess.Popen(self.inside(["run", "--on", ",".join("ssh:" + n for n in names), *args]), env=self.env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fleet(self):
        names = os.listdir(os.path.join(self.state, "fleet"))
        expect(len(names) == 1, names)
        return "fleet-" + names[0].removesuffix(".json")

    def export(self, run):
        r = self.cupel("export", run)
        expect(r.returncode == 0, r)
        return json.loads(r.stdout)

    def runs(self):
        r = self.cupel("runs", "--json")
        return json.loads(r.stdout) if r.returncode == 0 else []

    def expect_clean(self):
        for m in self.machines:
            m.expect_clean()
            folder = "/proc/%d/root/run/s/state/ledger" % m.init()
            wait_for(lambda f=folder: not os.path.isdir(f) or not os.listdir(f), "a ledger is left")


def line_of(r, name):
    above = r.stdout.split(", mean over machines")[0] # the table of all of them names them, too
    found = [x for x in above.splitlines() if x.startswith("  ssh:%s " % name)]
    expect(len(found) == 1, r)
    return found[0]


def there(m, word):
    return [pid for pid, text in m.processes().items() if word in text]


def groups_of(m):
    """The run's control groups, by the processes that live in them."""
    found = set()
    for pid in m.processes():
        try:
            with open("/proc/%d/cgroup" % pid, encoding="ascii") as f:
                found |= set(re.findall(r"cupel-[0-9a-f]{8}", f.read()))
        except OSError:
            pass
    return found


def left_of(groups):
    left = []
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        left += [os.path.join(folder, n) for n in names if n in groups]
    return left


def wait_for_block(m, p):
    """The run there is measuring. Returns its control groups."""
    found = set()
    wait_long(lambda: found.update(groups_of(m)) or found or p.poll() is not None, "no run there")
    expect(p.poll() is None, p.returncode)
    return found


def wait_for_said(p, text):
    """Waits for such a line of the controller: what a block measured is stored there before it is told of."""
    for line in p.stderr:
        if text in line:
            return
    raise AssertionError("the controller ended without: " + text)


def wait_long(what, said, seconds=40):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError(said() if callable(said) else said)
        time.sleep(.05)


def targets():
    return [x for t in ("host", "runc") if t == "host" or shutil.which(t, path=PATH) for x in ("--target", t)]


@case
def one_plan_goes_out_and_a_run_per_machine_comes_back():
    with Bench(None, None) as b:
        r = b.on(["machine0", "machine1"], *targets(), "--workload", "sys.getpid", "--workload", "cpu.prime", "--rounds", "2",
                 "--slice", "2ms", "--repeats", "2")
        expect(r.returncode in (0, 3) and "2 of 2 machines" in r.stdout and "partial" not in r.stdout, r)
        expect("\n2 machines, 2 runs" in r.stdout and "nothing is claimed of others" in r.stdout, r)
        uuids = set()
        for i in (0, 1):
            d = b.export(re.search(r" (r\d+) ", line_of(r, "machine%d" % i)).group(1))
            m = d["run"]["machine"]
            expect(m["fleet_on"] == "ssh:machine%d" % i and "fleet-" + m["fleet"] == b.fleet(), m)
            expect([t["label"] for t in d["targets"]] == targets()[1::2], d["targets"])
            expect(len(d["trials"]) == 4 and any(p["outcome"] == "ok" for t in d["trials"] for p in t["parts"]), d["trials"])
            uuids.add(d["run"]["uuid"])
            expect("ssh:machine%d: block 1" % i in r.stderr, r.stderr)
        expect(len(uuids) == 2, uuids)
        b.expect_clean()


def absent():
    """A target that does not work here."""
    r = subprocess.run([CUPEL, "doctor", "--json"], env=dict(os.environ, PATH=PATH, CUPEL_PROBE=PROBE), capture_output=True,
                       text=True, check=True)
    found = [t["target"] for t in json.loads(r.stdout)["targets"] if not t["usable"] and "/" not in t["target"]]
    return found[0] if found else "runsc:kvm"


@case
def each_machine_fails_for_its_own_reason_and_the_others_go_on():
    kinds = [None, None, "i686"] if os.uname().machine == "x86_64" else [None, None]
    with Bench(*kinds) as b:
        b.machines[1].fill(True)
        names = ["closed", "stranger", "changed", "guest", "machine0", "machine1", *(["machine2"] if len(kinds) > 2 else [])]
        r = b.on(names, "--target", absent(), "--workload", "sys.getpid", "--repeats", "1")
        expect(r.returncode == 4 and "0 of %d machines have a run here (partial)" % len(names) in r.stdout, r)
        for name, text in (("closed", "nobody answers there: .*refused"), ("stranger", "does not let us in: .*Permission denied"),
                           ("changed", "host key is not known, or not the one"), ("guest", "account there is not root's"),
                           ("machine0", "none of the targets works there: ."), ("machine1", "disk is full: .*No space left"),
                           *([("machine2", "architecture: that machine is Linux i686")] if len(kinds) > 2 else [])):
            expect(re.search(text, line_of(r, name)), (text, line_of(r, name)))
        b.machines[1].fill(False)
        b.expect_clean()
        r = b.on(["machine0", "closed"], *QUICK, "--repeats", "1")
        expect(r.returncode == 3 and "1 of 2 machines have a run here (partial)" in r.stdout, r)
        expect(re.search(r"r1 .*  measured", line_of(r, "machine0")), r)
        b.expect_clean()


@long_case
def two_controllers_do_not_measure_on_one_machine():
    with Bench() as b:
        p = b.begin(["machine0"], *QUICK, "--repeats", "1000", "--interval", "50ms")
        try:
            groups = wait_for_block(b.machines[0], p)
            r = b.on(["machine0"], *QUICK, "--repeats", "1")
            expect(r.returncode == 4 and re.search("another cupel measures there: run [0-9a-f]{8}", line_of(r, "machine0")), r)
        finally:
            p.send_signal(signal.SIGINT) # nsenter became it
            out, err = p.communicate(timeout=60)
        # An interrupt ends the other run in order, and what was measured is here.
        expect(p.returncode == 3 and "interrupted, and what was measured until then is here" in out, (out, err))
        expect(len(b.export("r1")["trials"]) >= 1, out)
        b.expect_clean()
        expect(not left_of(groups), left_of(groups))


@long_case
def a_lost_connection_keeps_what_was_measured():
    with Bench(None, None) as b:
        p = b.begin(["machine0", "machine1"], *QUICK, "--repeats", "1000", "--interval", "50ms", "--lease", "5s")
        groups = wait_for_block(b.machines[1], p)
        wait_for_block(b.machines[0], p)
        wait_for_said(p, "machine1: block 2")
        b.machines[1].unplug(True)
        begin = time.monotonic()
        wait_long(lambda: not there(b.machines[1], "bin/cupel run"), "the run there does not end by its lease")
        expect(3 < time.monotonic() - begin, "it did not go on without a word")
        expect(len(b.machines[1].files()) == 1 and there(b.machines[1], "steward"), b.machines[1].processes())
        expect(there(b.machines[0], "bin/cupel run") and p.poll() is None, "the other one does not go on")
        os.kill(p.pid, signal.SIGINT)
        out, err = p.communicate(timeout=60)
        expect(p.returncode == 3 and "1 of 2 machines" in out and "what is measured is kept there" in out, (out, err))
        expect("cupel run --resume " + b.fleet() in out, out)
        b.machines[1].unplug(False)
        # On with what is kept, until it is interrupted: all of it is here then, and nothing there.
        p = subprocess.Popen(b.inside(["run", "--resume", b.fleet()]), env=b.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        groups |= wait_for_block(b.machines[1], p)
        os.kill(p.pid, signal.SIGINT)
        out, err = p.communicate(timeout=60)
        expect(p.returncode == 3 and "2 of 2 machines have a run here" in out, (out, err))
        blocks = [x["block"] for x in b.export("r2")["trials"]]
        expect(len(blocks) > 2 and len(set(blocks)) == len(blocks), blocks)
        b.expect_clean()
        expect(not left_of(groups), left_of(groups))


@long_case
def a_killed_controller_leaves_nothing_when_its_leases_end():
    with Bench() as b:
        p = b.begin(["machine0"], *targets(), *QUICK[2:], "--repeats", "1000", "--lease", "5s", "--keep", "5s")
        groups = wait_for_block(b.machines[0], p)
        p.kill()
        p.communicate(timeout=30)
        expect(b.machines[0].processes(), "it ended at once")
        wait_long(lambda: not b.machines[0].processes(), lambda: b.machines[0].processes())
        b.expect_clean()
        expect(not left_of(groups), left_of(groups))
        r = b.cupel("run", "--resume", b.fleet())
        expect(r.returncode == 4 and "there no more" in line_of(r, "machine0"), r)


@long_case
def a_killed_steward_is_followed_by_one_that_hands_over_what_there_is():
    with Bench() as b:
        p = b.begin(["machine0"], *targets(), *QUICK[2:], "--repeats", "1000", "--interval", "50ms")
        groups = wait_for_block(b.machines[0], p)
        wait_for_said(p, "machine0: block 2")
        for pid in there(b.machines[0], "bin/cupel steward"):
            os.kill(pid, signal.SIGKILL)
        out, err = p.communicate(timeout=60)
        expect(p.returncode == 3 and "interrupted, and what was measured" in out, (out, err))
        expect(b.export("r1")["trials"], out)
        b.expect_clean()
        expect(not left_of(groups), left_of(groups))


def kill_all(m):
    for pid in m.processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@long_case
def what_a_machine_kept_over_its_death_is_fetched():
    with Bench() as b:
        p = b.begin(["machine0"], *targets(), *QUICK[2:], "--repeats", "12", "--interval", "200ms")
        groups = wait_for_block(b.machines[0], p)
        wait_for_said(p, "machine0: block 2")
        kill_all(b.machines[0])
        out, err = p.communicate(timeout=60)
        expect(p.returncode == 4 and "kept there" in out, (out, err))
        r = b.cupel("run", "--resume", b.fleet())
        # A slice that a neighbour falls into fails for itself.
        expect(r.returncode in (0, 3) and re.search(r"r1 .*  measured", line_of(r, "machine0")), r)
        expect(len(b.export("r1")["trials"]) == 12, r)
        b.expect_clean()
        expect(not left_of(groups), left_of(groups))


@full_case
def a_machine_that_reboots_is_gone_on_with():
    with Bench(disk=True) as b:
        p = b.begin(["machine0"], *targets(), *QUICK[2:], "--repeats", "12", "--interval", "200ms", "--lease", "5s")
        groups = wait_for_block(b.machines[0], p)
        wait_for_said(p, "machine0: block 2")
        b.machines[0].reboot()
        for g in sorted(left_of(groups), key=len, reverse=True): # with its kernel they would be gone
            for folder, _, _ in os.walk(g, topdown=False):
                os.rmdir(folder)
        out, err = p.communicate(timeout=60)
        expect(p.returncode == 4 and "kept there" in out, (out, err))
        r = b.cupel("run", "--resume", b.fleet())
        expect(r.returncode in (0, 3) and re.search(r"r1 .*  measured", line_of(r, "machine0")), r)
        expect(len(b.export("r1")["trials"]) == 12, r)
        b.expect_clean()


@full_case
def a_disk_that_fills_up_while_it_measures():
    with Bench() as b:
        p = b.begin(["machine0"], *QUICK, "--repeats", "1000", "--interval", "50ms")
        groups = wait_for_block(b.machines[0], p)
        wait_for_said(p, "machine0: block 2")
        b.machines[0].fill(True)
        out, err = p.communicate(timeout=60)
        b.machines[0].fill(False)
        expect(p.returncode == 3 and re.search("until then is here: .*the disk is full", out), (out, err))
        expect(len(b.export("r1")["trials"]) >= 2, out)
        b.expect_clean()
        expect(not left_of(groups), left_of(groups))


@full_case
def what_an_older_cupel_kept_is_fetched():
    with Bench() as b:
        p = b.begin(["machine0"], *QUICK, "--repeats", "12", "--interval", "200ms")
        wait_for_block(b.machines[0], p)
        wait_for_said(p, "machine0: block 2")
        kill_all(b.machines[0])
        p.communicate(timeout=60)
        folder = "/proc/%d/root/run/tmp/%s" % (b.machines[0].init(), b.machines[0].files()[0])
        os.rename(folder + "/start", folder + "/start.new")
        with open(folder + "/start", "w", encoding="ascii") as f:
            f.write('sh ./start.new "$@" | { IFS= read -r hello; echo "$hello" | sed \'s/"version":"[^"]*"/"version":"0.0.9"/\'; cat; }\n')
        r = b.cupel("run", "--resume", b.fleet())
        expect("machine0: its cupel is 0.0.9, and this one " in r.stderr, r)
        expect(r.returncode in (0, 3) and re.search(r"r1 .*  measured", line_of(r, "machine0")), r)
        b.expect_clean()


# apt's programs on a machine: $0.d says what they answer, and gets what they were asked.
APT = r"""#!/bin/sh
d=%s
echo "${0##*/} $*" >>"$d/asked"
case "${0##*/} $*" in
apt-cache*) cat "$d/policy" ;;
*" -s "*) cat "$d/simulated" ;;
*" install "*) if [ -e "$d/broken" ]; then echo "E: Unable to fetch some archives" >&2; exit 100; fi; umount "%s" ;;
esac
"""


class Apt:
    """One of a machine's runtimes is hidden, and its apt is a script that brings it back."""
    def __init__(self, m, program):
        path = shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        tools = [shutil.which(t, path="/usr/bin:/bin") for t in ("apt-get", "apt-cache")]
        if not path or not all(tools):
            raise Skip("no %s, or no apt here" % program)
        self.m, self.program, self.folder = m, os.path.realpath(path), m.path("apt")
        os.mkdir(self.folder)
        m.write("nothing", "", 0o644)
        m.write("apt-script", APT % (self.folder, self.program), 0o755)
        for tool in tools:
            m.mount("mount", "--bind", m.path("apt-script"), tool)
        self.tools = tools
        self.hide(self.program)
        self.answer("policy", "%s:\n  Installed: (none)\n  Candidate: 9.9-1\n" % program)
        self.answer("simulated", "Inst %s (9.9-1 Debian:12 [amd64])\n" % program)

    def hide(self, path):
        self.m.mount("mount", "--bind", self.m.path("nothing"), path)

    def answer(self, name, text):
        self.m.write("apt/" + name, text)

    def asked(self):
        """Since it was looked at last."""
        path = os.path.join(self.folder, "asked")
        if not os.path.exists(path):
            return []
        with open(path, encoding="ascii") as f:
            lines = f.read().splitlines()
        os.unlink(path)
        return lines


CRUN = ["--target", "crun", *QUICK[2:], "--repeats", "1"]


@long_case
def what_is_missing_is_installed_only_where_that_is_asked_for():
    with Bench() as b:
        apt = Apt(b.machines[0], "crun")
        r = b.on(["machine0"], *CRUN)
        expect(r.returncode == 4 and "none of the targets works there" in line_of(r, "machine0") and apt.asked() == [], r)
        r = b.on(["machine0"], "--install", *CRUN)
        expect(r.returncode in (0, 3) and "ssh:machine0: cupel: installs crun 9.9-1\n" in r.stderr, r)
        expect("crun is installed, and stays\n" in r.stderr, r)
        asked = apt.asked()
        expect([a.split()[0] + " " + a.split()[-1] for a in asked] ==
               ["apt-get update", "apt-cache crun", "apt-get crun", "apt-get crun"], asked)
        expect("--no-remove" in asked[-1] and "--no-install-recommends" in asked[-1], asked)
        expect(b.export("r1")["run"]["machine"]["installed"] == ["crun 9.9-1"], r)
        b.expect_clean()


@full_case
def what_cannot_be_installed_is_told_of():
    with Bench() as b:
        apt = Apt(b.machines[0], "crun")
        r = b.on(["guest"], "--install", *CRUN)
        expect(r.returncode == 4 and "account there is not root's" in line_of(r, "guest") and apt.asked() == [], r)
        nothing = "none of the targets works"
        for name, text, said, ended in (
                ("policy", "crun:\n  Candidate: (none)\n", "crun is not packaged there: left out", nothing),
                ("simulated", "Remv precious [1]\nInst crun (9.9-1)\n", "would remove precious", nothing),
                ("broken", "", "installs crun 9.9-1", "--install: crun: .*exit 100: E: Unable to fetch")):
            before = b.machines[0].read("apt/" + name) if name != "broken" else None
            apt.answer(name, text)
            r = b.on(["machine0"], "--install", *CRUN)
            expect(r.returncode == 4 and said in r.stderr and re.search(ended, line_of(r, "machine0")), (name, r))
            os.unlink(os.path.join(apt.folder, name))
            if before:
                apt.answer(name, before)
        apt.hide(apt.tools[0])
        r = b.on(["machine0"], "--install", *CRUN)
        expect(r.returncode == 4 and "--install: crun is missing, and there is no apt-get" in line_of(r, "machine0"), r)
        b.machines[0].mount("umount", apt.tools[0])
        b.machines[0].mount("umount", apt.program)
        apt.asked()
        r = b.on(["machine0"], "--install", *CRUN) # it is there
        expect(r.returncode in (0, 3) and apt.asked() == [] and "installed" not in b.export("r1")["run"]["machine"], r)
        b.expect_clean()


@long_case
def odd_wishes_are_answered_in_one_line():
    with Bench() as b:
        for args, text in (
                (["--on", ""], "an empty text"), (["--on", "machine0"], "write ssh:user@machine"),
                (["--on", "shs:a"], "did you mean ssh"), (["--on", "ssh:"], "is no machine"),
                (["--on", "ssh:-oProxyCommand=x"], "is no machine"), (["--on", "ssh:a b"], "is no machine"),
                (["--on", "ssh:a,ssh:a"], "given twice"), (["--on", "ssh:" + "x" * 200], "at most 127"),
                (["--on", "ssh:a,"], "names no way there"), (["--on", "ssh:a", "--lease", "1s"], "--lease"),
                (["--on", "ssh:a", "--install"], "--install: name the targets"), (["--install"], "--install goes with --on"),
                (["--on", "ssh:a", "--keep", "60d"], "--keep|duration"), (["--on", "ssh:a", "--resume", "r1"], "--resume"),
                (["--on", "ssh:a", "--peer", "b"], "--peer"), (["--on", "ssh:a", "--json", "-"], "--json"),
                (["--resume", "fleet-00000000"], "there is no fleet-00000000"),
                (["--resume", "fleet-00000000", "--repeats", "3"], "--repeats")):
            r = b.cupel("run", *args)
            expect(r.returncode == 1 and re.search(text, r.stderr) and len(r.stderr.splitlines()) == 1 and r.stdout == "",
                   (args, r))
        for place, text in (("/tmp", "no directory that"), ("/var/tmp/cupel-fleet-0123456789", "no directory that")):
            r = b.cupel("steward", place)
            expect(r.returncode == 1 and text in r.stderr and r.stdout == "", r)


@full_case
def kills_at_any_moment_leave_nothing():
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print("# seed %d" % seed, flush=True)
    for i in range(25):
        with Bench() as b:
            who = ("controller", "steward", "all", "run", "both")[i % 5]
            p = b.begin(["machine0"], *targets(), *QUICK[2:], "--repeats", "20", "--lease", "5s", "--keep", "5s")
            time.sleep(rng.uniform(0, 5))
            m, groups = b.machines[0], groups_of(b.machines[0])
            if who in ("controller", "both"):
                p.kill()
            if who in ("all", "both"):
                kill_all(m)
            for pid in there(m, "bin/cupel " + who) if who in ("steward", "run") else ():
                os.kill(pid, signal.SIGKILL)
            p.communicate(timeout=90)
            if who in ("all", "both") and m.files():
                # Where the steward had not said where it is, the next one finds it.
                r = b.cupel("run", "--resume", b.fleet()) if os.path.isdir(os.path.join(b.state, "fleet")) else None
                r = r if r and not m.files() else b.on(["machine0"], *QUICK, "--repeats", "1")
                expect(not m.files(), (seed, i, r))
            wait_long(lambda m=m: not m.processes() and not m.files(), lambda m=m: (seed, i, who, m.processes(), m.files()))
            expect(not left_of(groups), (seed, i, who, left_of(groups)))


run_cases(sys.argv[3:], at_once=3)
shutil.rmtree(WORK, True)

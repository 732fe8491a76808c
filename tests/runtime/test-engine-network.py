#!/usr/bin/env python3
"""Whole runs with `-p path=engine`: targets on the networks that their engines make, beside those that
have none.

    test-engine-network.py CUPEL PROBE

Every run has a state directory below one temporary directory. Prints TAP; needs root.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import case, expect, run_cases  # noqa: E402

CUPEL, PROBE = (os.path.abspath(a) for a in sys.argv[1:3])
PROBE = os.environ.get("CUPEL_PROBE", PROBE)
WORK = tempfile.mkdtemp(prefix="cupel-engine-network-")
ENV = dict(os.environ, CUPEL_STATE=os.path.join(WORK, "state"), CUPEL_PROBE=PROBE, COLUMNS="100",
           DOCKER_HOST="unix:///nonexistent/docker.sock",
           PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
DB = os.path.join(WORK, "results.db")
SHORT = ["--slice", "2ms", "--rounds", "3", "--blocks", "1"]


def cupel(*args):
    return subprocess.run([CUPEL, *args], env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=200, check=False)


def run(*args):
    """Its parts: {(target, cell): part}."""
    r = cupel("run", "--quiet", "--db", DB, *SHORT, *args)
    expect(r.returncode in (0, 3), r)
    d = json.loads(cupel("export", "--db", DB, "--format", "json").stdout)
    names = [t["label"] for t in d["targets"]]
    parts = {}
    for trial in d["trials"]:
        for part in trial["parts"]:
            parts[names[part["target"]], d["cells"][trial["cell"]]["name"]] = part
    return r, parts


def targets(*names):
    engine = {"docker": "dockerd"}
    here = [n for n in names if shutil.which(engine.get(n.split("/")[0], n.split("/")[0]), path=ENV["PATH"])]
    return here, [x for n in here for x in ("--target", n)]


def machine_network():
    return sorted(os.listdir("/sys/class/net")), os.path.exists("/run/netns") and sorted(os.listdir("/run/netns"))


def on_the_networks_of_engines(peer):
    here, options = targets("host", "runc", "docker/runc", "podman/runc")
    before = machine_network()
    r, parts = run(*options, "-w", "net.tcp_rr", "-w", "net.udp_rr", "-p", "path=engine", "-p", "peer=" + peer)
    for (target, cell), part in parts.items():
        if target == "runc":
            expect(part["outcome"] == "failed" and part["failure"]["kind"] == "unsupported" and
                   "runc has no network of its own" in part["failure"]["text"], part)
            continue
        expect(part["outcome"] == "ok" and part["verified"], (target, cell, part.get("failure")))
        f = part["facts"]
        expect(f["peer"] == peer and f["server"]["bad_requests"] == 0 and f["peer_busy"] > 0, f)
        if target == "host":
            expect("loopback" in f["topology"] and f["mtu"] == 65536 and "address" not in f, f)
            continue
        engine = target.split("/")[0]
        expect(engine + "'s own network" in f["topology"] and f["interface_driver"] == "veth" and
               f["address"] == f["server"]["client"] and f["nat_on_the_way"] is False and f["mtu"] == 1500 and
               f["engine_bridge"] == {"docker": "docker0"}.get(engine, f["engine_bridge"]), (target, f))
    expect({t for t, _ in parts} == set(here), parts.keys())
    expect(machine_network() == before, (before, machine_network()))
    for target in here[2:]:
        shown = " ".join(cupel("show", "--db", DB, "--cell", "net.tcp_rr," + target).stdout.split())
        where = "in a second session of this target" if peer == "target" else "at the gateway of its engine's network"
        expect(where in shown and "no NAT on the way" in shown, shown)
    expect(not os.listdir(os.path.join(ENV["CUPEL_STATE"], "run")), "something is left")


@case
def to_the_gateway():
    on_the_networks_of_engines("host")


@case
def to_a_second_container():
    on_the_networks_of_engines("target")


@case
def what_does_not_fit_is_said_in_one_line():
    one = ["--target", "host", "-w", "net.tcp_rr", "-p", "path=engine"]
    for more, text in (([], "-p peer=target, or at its gateway, -p peer=host"),
                       (["-p", "peer=host", "-p", "wire=1gbit"], "path=engine leads by the engine's"),
                       (["-p", "peer=host", "-p", "mtu=9000"], "mtu= shapes the run's own network"),
                       (["-p", "peer=target", "-p", "stack=host"], "leave stack=host out")):
        r = cupel("run", *one, *more)
        expect(r.returncode == 1 and text in r.stderr and len(r.stderr.splitlines()) == 1 and not r.stdout, (more, r))
    r = cupel("run", "--target", "host", "-w", "net.tcp_rr", "-p", "path=mine")
    expect(r.returncode == 1 and "switch or engine" in r.stderr, r)


@case
def a_suite_leaves_out_what_is_a_wire():
    r, parts = run("--target", "host", "--suite", "network", "-p", "path=engine", "-p", "peer=host")
    expect("net.tcp_stream@1gbit is left out" in r.stderr, r)
    expect(len(parts) > 6 and all(p["outcome"] == "ok" for p in parts.values()), parts)


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    failed = run_cases(sys.argv[3:])
    shutil.rmtree(WORK, True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

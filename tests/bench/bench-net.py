#!/usr/bin/env python3
"""The network workloads against the programs that people measure networks with, in turns.

    bench-net.py PROBE [--pairs N] [NAME...]

NAME: stream rr http (default: all). Client and server stand in two network namespaces with a veth each
to a bridge in a third, as cupel makes them: the client on the last CPU, the server on the last but one,
whoever they are. For each figure the probe's rate / the other's, as the Hodges-Lehmann estimate over
pairs with its 95 % interval; a pair is one second of either, in random order.

stream  net.tcp_stream / iperf3, one stream of 16 KiB sends: at least .97
rr      net.tcp_rr / sockperf ping-pong over TCP, 14 bytes (its least) both ways: .95 to 1.05, or better
http    net.http_lat / wrk, one connection that posts one byte to the same server: at least .95

Both ends use the congestion control reno, whatever the machine's is. With bbr there is no equal measure:
iperf3, which never waits for its bytes to arrive, sent a thousand segments a second twice (each answered by a
DSACK, none dropped anywhere) and got half of its rate with reno; a net.tcp_stream, whose slices end when all
has arrived, sent a few. See docs/network.md for figures, and for what we suspect.

Exit status 1: a bound was missed; 2: an error. What is not here is said and left out. Root only.
"""
import argparse
import contextlib
import json
import math
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SECONDS = 1
BODY = "x"
LUA = 'wrk.method = "POST"\nwrk.body = "%s"\n' % BODY
ADDRESS = {"a": "10.233.0.2", "b": "10.233.0.3"}
CPUS = sorted(os.sched_getaffinity(0))
CPU = {"a": CPUS[-1], "b": CPUS[-2] if len(CPUS) > 1 else CPUS[-1]}
SOCKPERF_BYTES = 14


def run(argv, timeout=60):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv[:9])} ended with {done.returncode}: {done.stderr[-400:]}{done.stdout[-400:]}")
    return done.stdout


class Wire:
    """Two namespaces at a switch, gone at the end."""

    def __init__(self):
        self.name = {k: f"bench-{os.getpid()}-{k}" for k in ("switch", "a", "b")}

    def at(self, side):
        """What a command on that side begins with."""
        where = ["ip", "netns", "exec", self.name[side]]
        return where + (["taskset", "-c", str(CPU[side])] if side in CPU else [])

    def __enter__(self):
        for name in self.name.values():
            run(["ip", "netns", "add", name])
        switch = self.at("switch")
        run(switch + ["ip", "link", "add", "switch", "type", "bridge"])
        run(switch + ["ip", "link", "set", "switch", "up"])
        for side, address in ADDRESS.items():
            run(switch + ["ip", "link", "add", "to-" + side, "type", "veth", "peer", "name", "eth0", "netns",
                          self.name[side]])
            run(switch + ["ip", "link", "set", "to-" + side, "master", "switch", "up"])
            run(self.at(side) + ["ip", "address", "add", address + "/24", "dev", "eth0"])
            for link in ("lo", "eth0"):
                run(self.at(side) + ["ip", "link", "set", link, "up"])
            run(self.at(side) + ["sh", "-c", "echo reno >/proc/sys/net/ipv4/tcp_congestion_control"])
        return self

    def __exit__(self, *_):
        for name in self.name.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


class Probe:
    def __init__(self, wire, side, path):
        self.nonce, self.seq, self.cpu = "%016x" % random.getrandbits(64), 0, CPU[side]
        self.process = subprocess.Popen(wire.at(side) + [path, "--nonce", self.nonce], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        json.loads(self.process.stdout.readline())

    def ask(self, kind, **keys):
        self.seq += 1
        print(json.dumps({"t": kind, "seq": self.seq, "nonce": self.nonce, **keys}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if answer["t"] == "error":
            raise RuntimeError(f"{kind}: {answer['where']}: {answer['text']}")
        return answer

    def prepare(self, workload, **params):
        return self.ask("prepare", workload=workload, workers=1, cpus=[self.cpu], params=params)["facts"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def probe_rate(client, server, workload, port, piece_s, **params):
    """Operations a second over one slice, after a shorter one that says how many there are in one."""
    client.prepare(workload, address=ADDRESS["b"], port=server.prepare("net.serve")[port], **params)
    ops = 1
    while True:
        slice_ = client.ask("slice", ops=ops)
        if slice_["ns"] >= piece_s * .5e9:
            break
        ops = max(ops * 2, min(ops * 16, int(ops * piece_s * 1e9 / slice_["ns"])))
    slice_ = client.ask("slice", ops=ops, for_ns=int(SECONDS * 1e9))
    done = client.ask("finish")
    if not done["verified"]:
        raise RuntimeError(f"{workload}: {done['detail']}")
    return slice_["ops"] / slice_["ns"] * 1e9


@contextlib.contextmanager
def serving(argv, seconds=.3):
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def stream(wire, probes):
    def other():
        out = run(wire.at("a") + ["iperf3", "-c", ADDRESS["b"], "-t", str(SECONDS), "-l", "16384", "-J"])
        return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 8

    with serving(wire.at("b") + ["iperf3", "-s"]):
        yield lambda: 16384 * probe_rate(*probes, "net.tcp_stream", "tcp_port", .1), other


def rr(wire, probes):
    def other():
        out = run(wire.at("a") + ["sockperf", "ping-pong", "--tcp", "-i", ADDRESS["b"], "-p", "11111", "-t", str(SECONDS),
                                  "-m", str(SOCKPERF_BYTES), "--full-rtt"])
        test = re.search(r"\[Valid Duration\] RunTime=([\d.]+) sec; SentMessages=(\d+); ReceivedMessages=(\d+)", out)
        if not test:
            raise RuntimeError("sockperf says something else: " + out[-600:])
        return int(test[3]) / float(test[1])

    with serving(wire.at("b") + ["sockperf", "server", "--tcp", "-i", ADDRESS["b"], "-p", "11111"]):
        yield lambda: probe_rate(*probes, "net.tcp_rr", "tcp_port", .01, request=SOCKPERF_BYTES,
                                 response=SOCKPERF_BYTES), other


def http(wire, probes):
    def other():
        # The server as the probe's client leaves it: prepared anew, so at another port.
        port = probes[1].prepare("net.serve")["http_port"]
        out = run(wire.at("a") + ["wrk", "-t1", "-c1", f"-d{SECONDS}s", "-s", script.name,
                                  f"http://{ADDRESS['b']}:{port}/"])
        if "Non-2xx" in out:
            raise RuntimeError(out)
        return float(re.search(r"Requests/sec: +([\d.]+)", out)[1])

    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        yield lambda: probe_rate(*probes, "net.http_lat", "http_port", .01, body=len(BODY)), other


# Function, program, what is compared, the least that the interval may reach down to.
BENCHES = {"stream": (stream, "iperf3", "net.tcp_stream / iperf3", .97),
           "rr": (rr, "sockperf", "net.tcp_rr / sockperf ping-pong", .95),
           "http": (http, "wrk", "net.http_lat / wrk", .95)}


def hodges_lehmann(d):
    """As cupel's own ratios (docs/statistics.md): the median of the Walsh averages, and the interval
    between those of the signed-rank distribution's 2.5 % points."""
    n = len(d)
    walsh = sorted((d[i] + d[j]) / 2 for i in range(n) for j in range(i, n))
    spread = 1.96 * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    rank = max(0, math.floor(n * (n + 1) / 4 - spread) - 1)
    return statistics.median(walsh), walsh[rank], walsh[-1 - rank]


def compare(name, pairs, wire, probes):
    make, _, what, least = BENCHES[name]
    ratios = []
    for one, other in make(wire, probes):
        for _ in range(pairs):
            rate = {}
            for side, measure in random.sample([("a", one), ("b", other)], 2):
                rate[side] = measure()
            ratios.append(rate["a"] / rate["b"])
    middle, low, high = (math.exp(x) for x in hodges_lehmann([math.log(r) for r in ratios]))
    good = low >= least
    print(f"{what}: ratio {middle:.3f} [{low:.3f}, {high:.3f}], 95 %, {pairs} pairs (at least {least}): "
          f"{'ok' if good else 'missed'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("probe")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("names", nargs="*", default=[])
    args = parser.parse_intermixed_args()
    good = True
    with Wire() as wire:
        for name in args.names or BENCHES:
            if not shutil.which(BENCHES[name][1]):
                print(f"{name} is left out: no {BENCHES[name][1]} on the PATH")
                continue
            probes = [Probe(wire, side, os.path.abspath(args.probe)) for side in ("a", "b")]
            good = compare(name, args.pairs, wire, probes) and good
            for p in probes:
                p.close()
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError, subprocess.SubprocessError) as e:
        print(f"bench-net: {e}", file=sys.stderr)
        sys.exit(2)

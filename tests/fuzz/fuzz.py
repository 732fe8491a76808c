#!/usr/bin/env python3
"""Runs every fuzzer of a build for a while, two at a time, and asks how much of its parser was reached.

    fuzz.py BUILD [--seconds 15]

BUILD is configured with CC=clang and -Dfuzz=true. A fuzzer fails when it finds a crash, a leak, a hang
or undefined behaviour; the input is left beside its corpus. It also fails when seeds and corpus together
reach less than 90 % of the lines of the parser it is for. Prints TAP.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys

LINES_LEAST = 90.0

# The parser each fuzzer is for.
PARSERS = {
    "fuzz-frame": ["wire/frame.c", "wire/hist.c", "wire/line.c"],
    "fuzz-exchange": ["store/exchange-import.c", "store/exchange-read.c"],
    "fuzz-plan": ["model/plan-parse.c", "model/yamlread.c"],
    "fuzz-app": ["model/app-metric.c", "model/app-parse.c", "model/app-pattern.c"],
    "fuzz-claims": ["model/claims-parse.c", "model/claims-test.c"],
    "fuzz-appspec": ["wire/appspec.c"],
    "fuzz-target": ["model/target.c"],
    "fuzz-cli": ["cli/options.c", "cli/run-plan.c"],
    "fuzz-journal": ["ledger/journal.c"],
    "fuzz-shim": ["driver/containerd-words.c"],
    "fuzz-guest": ["vm/kernelfile.c", "guest/plan.c"],
    "fuzz-kata": ["driver/kata-words.c"],
    "fuzz-demux": ["engine/demux.c"],
    "fuzz-http": ["probe/http.c"],
    "fuzz-mountinfo": ["host/mountinfo.c"],
    "fuzz-proc": ["host/proctext.c"],
    "fuzz-talk": ["fleet/talk.c"],
    "fuzz-slurm": ["host/slurmtext.c"],
    "fuzz-runlog": ["fleet/runlog.c"],
    "fuzz-k8s": ["fleet/k8s-state.c", "host/k8sread.c"],
    "fuzz-conftext": ["host/conftext.c"],
    "fuzz-seccomp": ["host/seccomp-follow.c"],
}

HERE = os.path.dirname(os.path.abspath(__file__))


def tool(name):
    """llvm-cov or llvm-cov-14 and the like, whichever clang's packages brought."""
    found = shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/bin/{name}-*"))), None)
    if not found:
        sys.exit(f"fuzz.py: no {name} on this machine")
    return found


def fuzz(program, seconds):
    name = os.path.basename(program)
    corpus = os.path.join(os.path.dirname(program), "corpus-" + name)
    seeds = os.path.join(HERE, "seeds", name.removeprefix("fuzz-"))
    os.makedirs(corpus, exist_ok=True)
    command = [program, f"-max_total_time={seconds}", "-print_final_stats=1", "-max_len=70000",
               "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={corpus}-"]
    words = os.path.join(HERE, name + ".dict")
    if os.path.exists(words):
        command.append("-dict=" + words)
    env = dict(os.environ, LLVM_PROFILE_FILE="/dev/null",
               ASAN_OPTIONS="halt_on_error=1:detect_leaks=1", UBSAN_OPTIONS="halt_on_error=1")
    run = subprocess.run([*command, corpus, seeds], env=env, capture_output=True, text=True,
                         errors="replace", check=False)
    executed = re.search(r"number_of_executed_units:\s*(\d+)", run.stderr)
    return run.returncode, executed.group(1) if executed else "0", run.stderr[-2500:], corpus, seeds


def coverage(program, corpus, seeds):
    """Percent of the lines of its parser, over all its files."""
    profile = corpus + ".profraw"
    subprocess.run([program, "-runs=0", corpus, seeds], capture_output=True, check=False,
                   env=dict(os.environ, LLVM_PROFILE_FILE=profile))
    merged = corpus + ".profdata"
    subprocess.run([tool("llvm-profdata"), "merge", "-o", merged, profile], check=True)
    out = subprocess.run([tool("llvm-cov"), "report", program, "-instr-profile=" + merged],
                         capture_output=True, text=True, check=True).stdout
    lines = missed = 0
    for row in out.splitlines():
        # Columns: name; regions, missed, %; functions, missed, %; lines, missed, %; branches, ...
        if row.split(" ")[0].endswith(tuple("src/" + p for p in PARSERS[os.path.basename(program)])):
            lines += int(row.split()[7])
            missed += int(row.split()[8])
    return 100 * (lines - missed) / lines if lines else 0.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=15)
    args = parser.parse_args()
    programs = sorted(p for p in glob.glob(os.path.join(args.build, "tests/fuzz/fuzz-*"))
                      if os.path.isfile(p) and os.access(p, os.X_OK))
    missing = sorted(set(PARSERS) - {os.path.basename(p) for p in programs})
    print(f"1..{2 * len(programs) + 1}")
    print(f"{'not ok' if missing else 'ok'} 1 - every fuzzer was built {' '.join(missing)}")
    failed, number = bool(missing), 1
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda p: (p, fuzz(p, args.seconds)), programs)
        for program, (status, executed, said, corpus, seeds) in results:
            name = os.path.basename(program)
            number += 1
            failed |= status != 0
            print(f"{'ok' if status == 0 else 'not ok'} {number} - {name}: {executed} inputs in "
                  f"{args.seconds} s, {'no finding' if status == 0 else 'a finding'}", flush=True)
            if status:
                print("\n".join("# " + line for line in said.splitlines()))
            reached = coverage(program, corpus, seeds)
            number += 1
            failed |= reached < LINES_LEAST
            print(f"{'ok' if reached >= LINES_LEAST else 'not ok'} {number} - {name}: {reached:.1f} % "
                  f"of the lines of {', '.join(PARSERS[name])}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Do the rooms keep to their layers?

    check-layers.py SOURCE_ROOT BUILD_ROOT

Checks, in TAP: every #include "room/..." of a room, and every symbol its objects leave undefined and
another room defines (static libraries in one link group resolve upward without a word, so the
linker does not notice). Every header also has to compile by itself.
"""
import os
import re
import subprocess
import sys

# Each room and those it may use. Siblings are absent on purpose.
LOW = ["base"]
MIDDLE = ["host", "model", "stats", "wire"]
ALLOWED = {
    "base": [],
    "wire": LOW,
    "stats": LOW,
    "model": LOW,
    "host": LOW,
    "engine": LOW + MIDDLE,
    "ledger": LOW + MIDDLE + ["engine"],
    "image": LOW + MIDDLE + ["ledger"],
    "vm": LOW + MIDDLE + ["ledger", "image"],
    "driver": LOW + MIDDLE + ["engine", "ledger", "vm"],
    "store": LOW + MIDDLE + ["ledger"],
    "fleet": LOW + MIDDLE + ["ledger", "store"],
    "analyse": LOW + MIDDLE + ["store"],
    "measure": LOW + MIDDLE + ["ledger", "image", "driver", "store", "analyse"],
    "report": LOW + MIDDLE + ["store", "analyse"],
    "cli": LOW + MIDDLE + ["ledger", "driver", "store", "analyse", "measure", "report", "fleet"],
    "probe": LOW + ["wire"],
    "guest": LOW,
    "payload": LOW + ["wire", "probe"],
}


def includes(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            m = re.match(r'\s*#\s*include\s+"([a-z]+)/', line)
            if m:
                yield number, m.group(1)


def check_includes(root, room):
    bad = []
    folder = os.path.join(root, "src", room)
    for name in sorted(os.listdir(folder)):
        if not name.endswith((".c", ".h")):
            continue
        for number, other in includes(os.path.join(folder, name)):
            if other != room and other not in ALLOWED[room]:
                bad.append(f"src/{room}/{name}:{number} includes {other}/")
    return bad


def symbols(objects, *flags):
    out = subprocess.run(["nm", "-P", *flags, *objects], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in out.stdout.splitlines() if len(line.split()) > 1}


def objects_of(build, room):
    found = []
    for folder, _, names in os.walk(os.path.join(build, "src", room)):
        found += [os.path.join(folder, n) for n in names if n.endswith(".o")]
    return found


def check_symbols(room, defined, undefined):
    bad = []
    for other, names in defined.items():
        if other == room or other in ALLOWED[room]:
            continue
        for symbol in sorted(undefined[room] & names - defined[room]):
            if not any(symbol in defined[ok] for ok in ALLOWED[room]):
                bad.append(f"{room} uses {symbol} of {other}")
    return bad


def check_headers(root, room):
    bad = []
    folder = os.path.join(root, "src", room)
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".h"):
            continue
        run = subprocess.run(
            ["gcc", "-std=gnu17", "-D_GNU_SOURCE", '-DCUPEL_VERSION="0"', "-Wall", "-Werror",
             "-fsyntax-only", "-I", os.path.join(root, "src"), "-x", "c", "-"],
            input=f'#include "{room}/{name}"\n', capture_output=True, text=True, check=False)
        if run.returncode:
            first = next((x for x in run.stderr.splitlines() if "error" in x), run.stderr.strip())
            bad.append(f"src/{room}/{name} does not compile alone: {first}")
    return bad


def main():
    root, build = sys.argv[1:3]
    rooms = sorted(ALLOWED)
    on_disk = sorted(e for e in os.listdir(os.path.join(root, "src"))
                     if os.path.isdir(os.path.join(root, "src", e)))
    defined, undefined = {}, {}
    for room in rooms:
        objects = objects_of(build, room)
        defined[room] = symbols(objects, "-g", "--defined-only") if objects else set()
        defined[room] -= {"main"}
        undefined[room] = symbols(objects, "-u") if objects else set()
    results = [("every room has its rule", [f"src/{r}" for r in set(on_disk) ^ set(rooms)])]
    for room in rooms:
        results.append((f"{room}: includes", check_includes(root, room)))
        results.append((f"{room}: symbols", check_symbols(room, defined, undefined)
                        if defined[room] or room in ("cli", "probe", "payload", "guest") else ["no objects found"]))
        results.append((f"{room}: headers alone", check_headers(root, room)))
    print(f"1..{len(results)}")
    failed = 0
    for number, (what, bad) in enumerate(results, 1):
        failed += bool(bad)
        print(f"{'not ok' if bad else 'ok'} {number} - {what}")
        for line in bad:
            print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

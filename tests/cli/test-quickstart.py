"""quickstart up to the measurement: what it installs and refuses. The package tools are stand-ins that
write down how they were called, since a test must not install anything; the script is the real one."""
import os
import re
import shutil
import subprocess

from cli import IS_ROOT, SOURCE_ROOT, WORK, Skip, case, expect, main

BIN = os.path.join(WORK, "bin")
TREE = os.path.join(WORK, "tree")
CALLS = os.path.join(WORK, "calls")

# have: what dpkg knows; APT_* choose how apt behaves.
TOOLS = {
    "dpkg-query": 'for p; do :; done; case " $DPKG_MISSING " in *" $p "*) exit 1;; esac\n'
                  'printf "install ok installed"\n',
    "apt-get": 'echo "apt-get $*" >>"$CALLS"\n'
               'case "$*" in *update*) exit ${APT_UPDATE:-0};; esac\n'
               'case "$*" in *" -s "*|"-s "*) [ -z "$APT_REMOVES" ] || echo "Remv $APT_REMOVES [1]";'
               ' exit 0;; esac\nexit ${APT_INSTALL:-0}\n',
    "apt-cache": 'for p; do :; done; case " $APT_UNKNOWN " in *" $p "*) exit 0;; esac\n'
                 'printf "%s:\\n  Candidate: 1.0\\n" "$p"\n',
    "meson": 'echo "meson $*" >>"$CALLS"; [ -z "$MESON_FAILS" ] || exit 1\n'
             'mkdir -p build/src/cli; : >build/build.ninja\n'
             'printf \'#!/bin/sh\\necho "cupel $*" >>"$CALLS"; [ "$1" != run ] || exit '
             '${RUN_STATUS:-0}\\n\' >build/src/cli/cupel; chmod +x build/src/cli/cupel\n',
    "ninja": 'echo "ninja $*" >>"$CALLS"; [ -z "$NINJA_FAILS" ] || { echo "x.c:1: error: no"; exit 1; }\n',
}


def prepare():
    shutil.rmtree(TREE, True)
    os.makedirs(BIN, exist_ok=True)
    os.mkdir(TREE)
    shutil.copy(os.path.join(SOURCE_ROOT, "quickstart"), TREE)
    shutil.copytree(os.path.join(SOURCE_ROOT, "tools"), TREE + "/tools")
    for name, body in TOOLS.items():
        with open(os.path.join(BIN, name), "w") as f:
            f.write("#!/bin/sh\n" + body)
        os.chmod(os.path.join(BIN, name), 0o755)
    # Runtimes count as there unless a case says otherwise.
    for name in ("runc", "crun", "runsc", "bwrap"):
        with open(os.path.join(BIN, name), "w") as f:
            f.write("#!/bin/sh\n")
        os.chmod(os.path.join(BIN, name), 0o755)


def run(command, fresh=True, prefix=(), **env):
    if fresh:
        prepare()
    if os.path.exists(CALLS):
        os.unlink(CALLS)
    e = {"PATH": BIN + ":" + os.environ["PATH"], "CALLS": CALLS, "HOME": WORK, "LC_ALL": "C.UTF-8"}
    e.update(env)
    p = subprocess.run([*prefix, *command], cwd=TREE, env=e, capture_output=True, text=True,
                       stdin=subprocess.DEVNULL)
    calls = open(CALLS).read().splitlines() if os.path.exists(CALLS) else []
    return p, calls


def quickstart(**kw):
    if not IS_ROOT:
        raise Skip("quickstart wants root")
    return run(["./quickstart"], **kw)


def refused(p, wanted):
    lines = p.stderr.splitlines()
    expect(p.returncode != 0 and len(lines) == 1 and wanted in lines[0], p)


@case
def nothing_missing_installs_nothing_and_measures():
    p, calls = quickstart()
    expect(p.returncode == 0 and not [c for c in calls if c.startswith("apt-get")], (p, calls))
    expect([c for c in calls if c.startswith("cupel run --suite quick")], calls)
    expect("results.db" in p.stdout, p)


@case
def the_second_time_only_measures():
    quickstart()
    p, calls = quickstart(fresh=False)
    expect(p.returncode == 0 and not [c for c in calls if c.startswith(("apt-get", "meson"))], calls)


@case
def what_is_missing_is_said_and_installed_without_removing():
    p, calls = quickstart(DPKG_MISSING="libjansson-dev meson")
    expect(p.returncode == 0, (p, calls))
    expect(re.search(r"to be installed:.* meson.*libjansson-dev", p.stdout), p.stdout)
    install = [c for c in calls if " install " in c and " -s " not in c]
    expect(len(install) == 1 and "--no-remove" in install[0] and "-y" in install[0] and
           "--no-install-recommends" in install[0], calls)
    expect(" gcc" not in install[0], "more than what is missing")


@case
def some_failed_cells_are_no_failure_of_quickstart():
    p, _ = quickstart(RUN_STATUS="3")
    expect(p.returncode == 0, p)


@case
def nothing_measured_is_one():
    p, _ = quickstart(RUN_STATUS="4")
    expect(p.returncode == 4, p)


@case
def not_root():
    prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if IS_ROOT else ()
    os.chmod(WORK, 0o755)
    p, calls = run(["./quickstart"], prefix=prefix)
    refused(p, "root")
    expect(not calls, calls)


@case
def no_network():
    p, calls = quickstart(DPKG_MISSING="libgsl-dev", APT_UPDATE="100")
    refused(p, "network")
    expect(len(calls) == 1, calls)


@case
def a_package_that_is_not_to_be_had():
    p, calls = quickstart(DPKG_MISSING="libgsl-dev gcc", APT_UNKNOWN="libgsl-dev")
    refused(p, "libgsl-dev")
    expect(not [c for c in calls if " install " in c], "half of it was installed")


@case
def a_package_that_would_remove_another():
    p, calls = quickstart(DPKG_MISSING="libgsl-dev", APT_REMOVES="precious")
    refused(p, "precious")
    expect(not [c for c in calls if " install " in c and " -s " not in c], calls)


@case
def a_runtime_that_would_remove_an_engine_is_left_out():
    p, calls = run(["bash", "-c", ". tools/packages.sh; install_if_harmless runc no-such-program"],
                   DPKG_MISSING="runc", APT_REMOVES="containerd.io")
    expect(p.returncode == 0 and "left out" in p.stdout and "containerd.io" in p.stdout, p)
    expect(not [c for c in calls if " install " in c and " -s " not in c], calls)


@case
def a_runtime_on_the_path_is_used_as_it_is():
    p, calls = run(["bash", "-c", ". tools/packages.sh; install_if_harmless runc runc"],
                   DPKG_MISSING="runc")
    expect(p.returncode == 0 and not calls and not p.stdout, (p, calls))


@case
def an_unsupported_system():
    if not IS_ROOT:
        raise Skip("needs a mount namespace")
    other = os.path.join(WORK, "os-release")
    for text in ('ID=fedora\nVERSION_ID=41\n', 'ID=debian\nVERSION_ID="11"\n',
                 'ID=ubuntu\nVERSION_ID="20.04"\n'):
        with open(other, "w") as f:
            f.write(text)
        script = "mount --bind %s /etc/os-release && exec ./quickstart" % other
        p, calls = run(["unshare", "-m", "sh", "-c", script])
        if "unshare" in p.stderr or "mount:" in p.stderr:
            raise Skip("no mount namespace here: " + p.stderr.strip())
        refused(p, "not supported")
        expect(not calls, calls)


@case
def a_build_that_fails_says_where_to_look():
    p, calls = quickstart(NINJA_FAILS="1")
    expect(p.returncode != 0 and "the build failed" in p.stderr and "build-quickstart.log" in p.stderr,
           p)
    expect(not [c for c in calls if c.startswith("cupel")], calls)


@case
def an_argument_is_refused():
    p, calls = quickstart()
    p, calls = run(["./quickstart", "--fast"])
    refused(p, "no arguments")


main()

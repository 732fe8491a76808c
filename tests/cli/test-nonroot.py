"""What works without root works without root: doctor, the host target, reports."""
import json
import os
import re
import shutil
import subprocess

from cli import BASE_ENV, CUPEL, FIXTURE, IS_ROOT, WORK, Skip, case, cupel, expect, main, older

NOBODY = 65534
HOME = os.path.join(WORK, "home")
HERE = os.path.join(WORK, "bin")


def prepare():
    """Copies of the programs where an unprivileged user can read them."""
    if os.path.isdir(HERE):
        return
    os.chmod(WORK, 0o755)
    os.mkdir(HERE, 0o755)
    os.mkdir(HOME, 0o700)
    shutil.copy(CUPEL, HERE + "/cupel")
    shutil.copy(BASE_ENV["CUPEL_PROBE"], HERE + "/cupel-probe")
    for name in os.listdir(HERE):
        os.chmod(os.path.join(HERE, name), 0o755)
    if IS_ROOT:
        os.chown(HOME, NOBODY, NOBODY)


def unprivileged(*args):
    prepare()
    prefix = ()
    if IS_ROOT:
        if not shutil.which("setpriv"):
            raise Skip("setpriv is not installed")
        prefix = ("setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups",
                  "--bounding-set=-all", "--no-new-privs")
    return cupel(*args, prefix=prefix, program=HERE + "/cupel",
                 env={"HOME": HOME, "CUPEL_STATE": None, "CUPEL_PROBE": None})


@case
def doctor():
    r = unprivileged("doctor")
    expect(r.status == 0 and re.search(r"✔ host", r.out) and "root" in r.out, r)
    o = json.loads(unprivileged("doctor", "--json").out)
    expect(not o["machine"]["is_root"], o)
    for t in o["targets"]:
        expect(t["label"] == "host" or not t["usable"], t)


@case
def host_target():
    r = unprivileged("run", "--target", "host", "--target", "h2=host", "--workload", "sys.getpid",
                     "--blocks", "2", "--slice", "2ms", "--rounds", "3")
    expect(r.status == 0 and "sys.getpid" in r.out, r)
    expect(os.path.isfile(HOME + "/.local/state/cupel/results.db"), "not in its own state")


@case
def default_targets_are_what_works():
    r = unprivileged("run", "--workload", "sys.getpid", "--blocks", "1", "--slice", "2ms", "--quiet")
    expect(r.status == 0 and "sys.getpid" in r.out, r)


@case
def reports():
    for args in (["show"], ["runs"], ["export"], ["show", "--cell", "sys.getpid"], ["clean"],
                 ["workloads"], ["show", "--format", "md"]):
        r = unprivileged(*args)
        expect(r.status == 0 and r.out and not r.err, (args, r))


@case
def results_of_an_older_format_that_cannot_be_written():
    prepare()
    db = os.path.join(HERE, "older.db")
    subprocess.run([FIXTURE, db], check=True)
    os.chmod(older(db), 0o644)
    r = unprivileged("show", "--db", db)
    expect(r.status == 2 and "older format 3" in r.err and "make it writable once" in r.err, r)


@case
def results_of_somebody_else_can_be_read():
    prepare()
    db = os.path.join(HERE, "shared.db")
    subprocess.run([FIXTURE, db], check=True)
    os.chmod(db, 0o644)
    r = unprivileged("show", "--db", db)
    expect(r.status == 0 and "runsc:ptrace" in r.out, r)
    r = unprivileged("run", "--target", "host", "--db", db)
    if os.geteuid() == 0:
        expect(r.status == 2 and "ermission" in r.err, r)


@case
def a_runtime_says_that_it_needs_root():
    if not shutil.which("runc", path=BASE_ENV["PATH"]):
        raise Skip("runc is not installed")
    r = unprivileged("run", "--target", "runc", "--workload", "sys.getpid", "--blocks", "1")
    expect(r.status == 4 and "root" in r.err, r)


main()

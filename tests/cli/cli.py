"""What the tests of the command line share: running cupel, and counting cases as TAP.

Environment, set by meson: CUPEL (the program), CUPEL_PROBE, FIXTURE (writes a results file),
SOURCE_ROOT. Every test program works in a state directory of its own, which it removes.
"""
import atexit
import contextlib
import os
import pty
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from cases import Skip, case, cases, expect, run_cases  # noqa: E402

CUPEL = os.environ["CUPEL"]
FIXTURE = os.environ["FIXTURE"]
SOURCE_ROOT = os.environ["SOURCE_ROOT"]
WORK = tempfile.mkdtemp(prefix="cupel-test-")
STATE = os.path.join(WORK, "state")
IS_ROOT = os.geteuid() == 0
atexit.register(shutil.rmtree, WORK, True)

BASE_ENV = {
    "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
    "HOME": WORK,
    "CUPEL_STATE": STATE,
    "CUPEL_PROBE": os.environ["CUPEL_PROBE"],
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
}
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
    if name in os.environ:
        BASE_ENV[name] = os.environ[name]


def main():
    run_cases()


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return "status %s\nstdout:\n%s\nstderr:\n%s" % (self.status, self.out, self.err)


def cupel(*args, env=None, stdin=None, timeout=120, prefix=(), program=CUPEL):
    e = dict(BASE_ENV)
    for key, value in (env or {}).items():
        if value is None:
            e.pop(key, None)
        else:
            e[key] = value
    feed = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    p = subprocess.run([*prefix, program, *args], env=e, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=timeout, **feed)
    return Result(p.returncode, p.stdout.decode(), p.stderr.decode())


def on_terminal(*args, env=None, timeout=120, columns=100):
    """The same with a pseudo-terminal as standard output and error; returns what it got."""
    e = dict(BASE_ENV, COLUMNS=str(columns))
    e.update(env or {})
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(CUPEL, [CUPEL, *args], e)
    got, end = b"", time.monotonic() + timeout
    while time.monotonic() < end:
        ready, _, _ = select.select([fd], [], [], 1)
        if not ready:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        got += data
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), got.decode()


def golden_text(name, text):
    """The golden file of that name; with --update on the command line it is written first."""
    path = os.path.join(SOURCE_ROOT, "tests/golden", name)
    if "--update" in sys.argv:
        with open(path, "w") as f:
            f.write(text)
    with open(path) as f:
        return f.read()


def golden(name, text):
    wanted = golden_text(name, text)
    for a, b in zip(wanted.splitlines(), text.splitlines()):
        expect(a == b, "%s:\nwanted %s\ngot    %s" % (name, a, b))
    expect(text == wanted, "%s: another number of lines" % name)


def one_line(r):
    """An error is one line, on standard error, and nothing is on standard output."""
    lines = r.err.splitlines()
    expect(len(lines) == 1 and lines[0].startswith("cupel: "), r)
    expect(r.out == "", r)
    return lines[0]


def fixture(name):
    path = os.path.join(WORK, name)
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)
    subprocess.run([FIXTURE, path], check=True)
    return path


def older(db):
    """The same file as format 3 had it."""
    with contextlib.closing(sqlite3.connect(db)) as c:
        c.executescript("ALTER TABLE run DROP COLUMN gate; ALTER TABLE run DROP COLUMN aa;"
                        "ALTER TABLE run DROP COLUMN emulated_too;"
                        "PRAGMA user_version=3; PRAGMA journal_mode=DELETE")
    return db


def state_fixture():
    """A state directory whose results.db is the fixture; for output without a --db in it."""
    d = os.path.join(WORK, "fixture-state")
    if not os.path.isdir(d):
        os.mkdir(d, 0o700)
        subprocess.run([FIXTURE, os.path.join(d, "results.db")], check=True)
    return d

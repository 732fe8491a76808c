"""Help, version, the manual page, the completion: all from the commands' tables."""
import os
import re
import shutil
import subprocess
import tempfile

from cli import SOURCE_ROOT, Skip, case, cupel, expect, main, one_line

COMMANDS = ["doctor", "workloads", "run", "show", "report", "advise", "compare", "machines", "replicate", "export", "import", "runs", "clean", "k8s", "steward", "selftest", "help"]


@case
def version():
    r = cupel("--version")
    expect(r.status == 0 and re.fullmatch(r"cupel \d+\.\d+\.\d+\n", r.out) and not r.err, r)


@case
def no_command_is_a_usage_error_with_the_overview():
    r = cupel()
    expect(r.status == 1 and not r.out, r)
    for c in COMMANDS:
        expect(re.search(r"^  %s " % c, r.err, re.M), c)


@case
def help_overview_names_every_command():
    for args in (["help"], ["--help"], ["-h"]):
        r = cupel(*args)
        expect(r.status == 0 and not r.err, r)
        for c in COMMANDS:
            expect(re.search(r"^  %s " % c, r.out, re.M), c)


def make_help_case(command):
    def f():
        r = cupel(command, "--help")
        expect(r.status == 0 and not r.err, r)
        expect(r.out.startswith("usage: cupel %s" % command), r)
        expect("\nexamples:\n  cupel " in r.out, r)
        expect(cupel("help", command).out == r.out, "help %s differs" % command)
        expect(cupel(command, "-h").out == r.out, "-h differs")
        expect(max(map(len, r.out.splitlines())) <= 100, "a line is too long")
    f.__name__ = "help of " + command
    case(f)


for c in COMMANDS:
    make_help_case(c)


@case
def examples_of_help_use_options_that_exist():
    for c in COMMANDS:
        text = cupel(c, "--help").out
        known = set(re.findall(r"--[a-z-]+", text.split("\nexamples:")[0]))
        if "all options of cupel run" in text:
            known |= set(re.findall(r"--[a-z-]+", cupel("run", "--help").out))
        for line in re.findall(r"^  (cupel %s .*)$" % c, text.split("\nexamples:")[1], re.M):
            used = set(re.findall(r" (--[a-z-]+)", line.split("|")[0]))
            expect(used <= known | {"--man", "--bash"}, "%s: %s" % (line, used - known))


@case
def help_fits_a_narrow_terminal():
    r = cupel("run", "--help", env={"COLUMNS": "60"})
    text = r.out.split("\nexamples:")[0]
    expect(max(map(len, text.splitlines())) <= 60, r)


@case
def manual_page_is_what_the_tables_say():
    r = cupel("help", "--man")
    with open(os.path.join(SOURCE_ROOT, "man/cupel.1")) as f:
        expect(f.read() == r.out, "man/cupel.1 is stale: cupel help --man > man/cupel.1")


@case
def completion_is_what_the_tables_say():
    r = cupel("help", "--bash")
    with open(os.path.join(SOURCE_ROOT, "completion/cupel")) as f:
        expect(f.read() == r.out, "completion/cupel is stale: cupel help --bash > completion/cupel")


@case
def manual_page_lints_clean():
    if not shutil.which("mandoc"):
        raise Skip("mandoc is not installed")
    p = subprocess.run(["mandoc", "-Tlint", os.path.join(SOURCE_ROOT, "man/cupel.1")],
                       capture_output=True, text=True)
    expect(p.returncode == 0 and not p.stdout + p.stderr, p.stdout + p.stderr)


@case
def manual_page_has_every_option():
    page = cupel("help", "--man").out
    for c in COMMANDS:
        for option in re.findall(r"^  (?:-., |    )--([a-z-]+)", cupel(c, "--help").out, re.M):
            expect(option == "help" or "Fl \\-" + option in page, option)


@case
def completion_is_valid_bash_and_completes():
    r = cupel("help", "--bash")
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(r.out)
        f.flush()
        script = ("source %s; COMP_WORDS=(cupel run --sol); COMP_CWORD=2; _cupel; "
                  "echo ${COMPREPLY[@]}" % f.name)
        p = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    expect(p.stdout == "--solo\n" and not p.stderr, p)


@case
def help_of_an_unknown_command():
    r = cupel("help", "shwo")
    expect(r.status == 1 and "did you mean show?" in one_line(r), r)


main()

#include "cli/run-plan.h"

#include "cli/apps.h"
#include "cli/own.h"

#include "base/fd.h"
#include "base/log.h"
#include "stats/gate.h"

#include <errno.h>
#include <unistd.h>

#define PLAN_FILE_MAX (256 * 1024)

const struct option_def run_options[N_RUN_OPTIONS] = {
    {.name = "suite",
     .letter = 's',
     .arg = "NAME",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "measure the workloads of this suite: quick (the default), micro, paper, storage, "
             "unixbench, lifecycle, density, isolation, matrix, network or reach"},
    {.name = "workload",
     .letter = 'w',
     .arg = "NAME",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help =
         "measure this workload, cell, family or glob, e.g. sys.getpid, fs.open@tmpfs, 'mem.*'"},
    {.name = "image",
     .arg = "IMAGE",
     .kind = OPTION_TEXT,
     .help = "what a command of yours runs in: a directory, packages:NAME,..., "
             "docker-archive:FILE, oci:DIR or docker://NAME; default: the program as this machine "
             "has it, with its libraries"},
    {.name = "metric",
     .arg = "REGEX",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "the command's figure: what the first group of this extended regular expression finds "
             "in its output; default: the time it takes"},
    {.name = "unit",
     .arg = "UNIT",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "unit of each metric, e.g. requests/s"},
    {.name = "better",
     .arg = "higher|lower",
     .kind = OPTION_CHOICE,
     .choices = "higher|lower",
     .help = "which way a metric is better; default: lower for times and sizes, else higher"},
    {.name = "server",
     .arg = "COMMAND",
     .kind = OPTION_TEXT,
     .help = "a server to start before the command, in one word with quotes as in a shell"},
    {.name = "ready",
     .arg = "PORT|TEXT",
     .kind = OPTION_TEXT,
     .help = "the server is ready when this port answers, or when it has written this text"},
    {.name = "file",
     .arg = "PATH=FILE",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "a text file of yours, e.g. a configuration, that the command finds at PATH"},
    {.name = "timeout",
     .arg = "TIME",
     .kind = OPTION_TEXT,
     .help = "the longest the command may take, default 60s"},
    {.name = "target",
     .letter = 't',
     .arg = "TARGET",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help =
         "measure on this target, e.g. host, runc, runsc:ptrace, new=oci:/opt/runsc, 'runsc:*'; "
         "podman/crun, 'containerd/*'; default: all that work here without an engine above them, "
         "for the paper suite docker's where it runs"},
    {.name = "start-engines",
     .kind = OPTION_FLAG,
     .help = "let the paper suite, whose targets are docker's, start a private docker where none "
             "runs; a target given by --target always may"},
    {.name = "no-engines",
     .kind = OPTION_FLAG,
     .help = "the paper suite without docker above the runtimes"},
    {.name = "param",
     .letter = 'p',
     .arg = "NAME=VALUE",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "set a parameter of the workloads that have it; grain=whole "
             "runs any of them in one long piece, alone on the machine"},
    {.name = "k8s-image",
     .arg = "NAME",
     .kind = OPTION_TEXT,
     .help = "the image of the pods that k8s/CLASS targets start, as its nodes know it; "
             "cupel k8s image makes one"},
    {.name = "k8s-node",
     .arg = "NODE",
     .kind = OPTION_TEXT,
     .help = "the node that these pods go to, default: the one that is this machine"},
    {.name = "peer",
     .arg = "USER@MACHINE",
     .kind = OPTION_TEXT,
     .help =
         "the server of the network's workloads is on that machine, by ssh, and the targets use "
         "this machine's own network"},
    {.name = "base",
     .arg = "TARGET",
     .kind = OPTION_TEXT,
     .help = "the target that ratios refer to, by its label, or a further target with a label, "
             "e.g. old=oci:/opt/a/runc; default: host, else the first"},
    {.name = "gate",
     .arg = "PERCENT",
     .kind = OPTION_FRACTION,
     .help =
         "end with exit status 5 if a target is proven to cost more than the base by over this, "
         "e.g. 5%, or fails where the base works; the threshold of verdicts is this, too, and "
         "cells are measured to half of it"},
    {.name = "aa",
     .kind = OPTION_FLAG,
     .help = "put every target in twice, and say how often equal ones seem to differ, by how much, "
             "and which difference would be told"},
    {.name = "budget",
     .arg = "TIME",
     .kind = OPTION_DURATION,
     .help = "stop after this time, e.g. 4m; default: 4m, for the micro suite 30m; 0: none"},
    {.name = "precision",
     .arg = "PERCENT",
     .kind = OPTION_FRACTION,
     .help =
         "the half-width of the interval at which a cell is precise enough, e.g. 2%; default: 1%"},
    {.name = "blocks",
     .arg = "N",
     .kind = OPTION_COUNT,
     .min = 1,
     .max = PLAN_BLOCKS_MAX,
     .help = "measure at most N blocks"},
    {.name = "repeats",
     .arg = "N",
     .kind = OPTION_COUNT,
     .min = 1,
     .max = PLAN_BLOCKS_MAX,
     .help = "measure exactly N blocks, whatever their spread"},
    {.name = "scale",
     .arg = "FACTOR",
     .kind = OPTION_FRACTION,
     .help =
         "shorten durations and repeats by this factor, e.g. 0.1, each to a stated floor; sizes "
         "and orders stay"},
    {.name = "interval", .arg = "TIME", .kind = OPTION_DURATION, .help = "pause between blocks"},
    {.name = "settle",
     .arg = "TIME",
     .kind = OPTION_DURATION,
     .help = "wait after the targets have started before recording"},
    {.name = "limit",
     .arg = "cpus=N,memory=SIZE,pids=N,io=SIZE",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help =
         "the same limits on every target, host included; io: bytes a second read from the disk, "
         "and as many written; default: none but a safety net"},
    {.name = "slice",
     .arg = "TIME",
     .kind = OPTION_DURATION,
     .help = "timed length of one slice, default 15ms"},
    {.name = "rounds",
     .arg = "N",
     .kind = OPTION_COUNT,
     .min = 1,
     .max = PLAN_ROUNDS_MAX,
     .help = "slices of each target per block, default 10"},
    {.name = "drop-caches",
     .kind = OPTION_FLAG,
     .help = "drop the page cache of this machine before each whole workload of the disk, as the "
             "paper suite "
             "does by itself"},
    {.name = "solo",
     .kind = OPTION_FLAG,
     .help = "run the targets one at a time within a block: for targets that are busy while idle"},
    {.name = "emulated-too",
     .kind = OPTION_FLAG,
     .help = "verdicts also for targets whose CPU is emulated in software (a virtual machine "
             "without KVM), and blocks until they are precise; their figures say nothing of the "
             "hardware"},
    {.name = "seed",
     .arg = "N",
     .kind = OPTION_COUNT,
     .min = 1,
     .max = INT64_MAX,
     .help = "repeat the schedule of the run that had this seed"},
    {.name = "plan",
     .arg = "FILE",
     .kind = OPTION_TEXT,
     .help = "take everything from this plan (YAML); options replace what it says"},
    {.name = "resume",
     .arg = "RUN",
     .kind = OPTION_TEXT,
     .help = "go on with a run that was interrupted, or fetch what a fleet's machines have kept "
             "(fleet-3fa9c2d1)"},
    {.name = "on",
     .arg = "ssh:...|slurm:...|k8s:...",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "measure elsewhere, on all machines at the same time, and fetch a run from each: "
             "ssh:USER@MACHINE; slurm:PARTITION,nodes=N; in a pod on each node of a cluster "
             "that matches, k8s:selector=LABEL,image=NAME; nothing needs to be installed there, "
             "and nothing is left"},
    {.name = "privileged-agent",
     .kind = OPTION_FLAG,
     .help =
         "with --on k8s:...: privileged pods in the node's process, network and IPC namespaces, "
         "which measure the node itself instead of the pod's own sandbox"},
    {.name = "lease",
     .arg = "TIME",
     .kind = OPTION_DURATION,
     .help = "with --on: without a word from here for so long, a machine ends its run in order, "
             "default 60s"},
    {.name = "keep",
     .arg = "TIME",
     .kind = OPTION_DURATION,
     .help = "with --on: so long what a machine could not hand over is kept there for --resume, "
             "default 24h"},
    {.name = "install",
     .kind = OPTION_FLAG,
     .help = "with --on: what the named targets lack on a machine of Debian's or Ubuntu's is "
             "installed there by apt-get, and stays; without it nothing is ever installed"},
    {.name = "share",
     .kind = OPTION_FLAG,
     .help = "measure although another run is measuring on this machine"},
    {.name = "i-understand",
     .kind = OPTION_FLAG,
     .help =
         "let the matrix suite's aggressors (fork bombs and the like) run on the host itself, too, "
         "inside their limits but without a sandbox"},
    {.name = "db",
     .arg = "FILE",
     .kind = OPTION_TEXT,
     .help = "the results file (default: results.db in the state directory)"},
    {.name = "json",
     .arg = "FILE",
     .kind = OPTION_TEXT,
     .help = "afterwards write the run as JSON, too; - is standard output, instead of the table"},
    {.name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .help = "no progress, only the table"},
};

int run_plan_read(const struct options *o, struct plan *p, struct err *err)
{
    const char *file = options_text(o, "plan", NULL);
    _cleanup_(str_release) struct str text = STR_INIT;
    size_t n_drivers;
    const char *const *drivers = driver_names(&n_drivers);
    int r;

    r = apps_know_all(p, err);
    if (r < 0 || !file)
        return r;
    r = file_read(file, PLAN_FILE_MAX, &text, err);
    if (r < 0)
        return r;
    struct plan read;
    r = plan_parse(text.buf, text.len, file, drivers, n_drivers, p, &read, err);
    if (r < 0)
        return r;
    plan_release(p);
    *p = read;
    return 0;
}

static int io_limit(const char *text, struct limits *l, struct err *err)
{
    uint64_t bps;
    int r = parse_size_bytes(text, "--limit io", &bps, err);

    if (r < 0)
        return r;
    if (bps > INT64_MAX)
        return err_set(err, ERR_USAGE, ERANGE, "--limit io: %s is too large", text);
    l->io_bps = bps;
    return 0;
}

static int limit_one(const char *item, struct limits *l, struct err *err)
{
    static const char *const names[] = {"cpus", "memory", "pids", "io"};
    const char *eq = strchr(item, '=');
    _cleanup_free_ char *name = xstrndup(item, eq ? (size_t)(eq - item) : strlen(item));

    if (!eq) {
        const char *near = str_nearest(name, names, ARRAY_SIZE(names));
        return err_set(err, ERR_USAGE, EINVAL, "--limit: \"%s\" has no value; write %s=...", item,
                       near ? near : "cpus=..., memory=..., pids=... or io");
    }
    if (str_eq(name, "cpus")) {
        int r = parse_double(eq + 1, 0, PLAN_LIMIT_CPUS_MAX, "--limit cpus", &l->cpus, err);
        if (r >= 0 && l->cpus > 0 && l->cpus < .01)
            return err_set(err, ERR_USAGE, EINVAL, "--limit cpus: at least 0.01");
        return r;
    }
    if (str_eq(name, "memory"))
        return parse_size_bytes(eq + 1, "--limit memory", &l->memory_bytes, err);
    if (str_eq(name, "pids"))
        return parse_u64(eq + 1, 1, UINT32_MAX, "--limit pids", &l->pids, err);
    if (str_eq(name, "io"))
        return io_limit(eq + 1, l, err);
    const char *near = str_nearest(name, names, ARRAY_SIZE(names));
    return err_set(err, ERR_USAGE, EINVAL, "--limit: no limit \"%s\"; %s%s%s", name,
                   near ? "did you mean " : "there are cpus, memory, pids, io", near ? near : "",
                   near ? "?" : "");
}

static int limits_apply(const struct options *o, struct limits *l, struct err *err)
{
    const char *text;

    for (size_t i = 0; (text = options_nth(o, "limit", i)); i++) {
        _cleanup_free_ char *copy = xstrdup(text);
        char *save = NULL;
        for (char *item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
            int r = limit_one(item, l, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Before -p, which is taken as it is given, and so are repeats. */
static void suite_scale(const struct options *o, struct plan *p)
{
    const struct suite *s = suite_find(p->suite);

    if (s && s->repeats && !p->repeats)
        p->repeats = s->repeats;
    plan_scale(p, options_fraction(o, "scale", 1));
}

/* Those that are for a wire of the run's own have none on another way. */
static void leave_wires_out(struct plan *p, const char *why)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->cells.n; i++) {
        const struct cell *c = &p->cells.v[i];
        if (c->workload->network && params_num(&c->params, NET_WIRE, 0) > 0)
            log_notice("%s is left out: %s", c->name, why);
        else
            p->cells.v[kept++] = *c;
    }
    p->cells.n = kept;
}

static int peer_apply(const char *machine, struct plan *p, struct err *err)
{
    char text[PARAM_NAME_MAX + PARAM_TEXT_MAX];
    int r = cells_apply_param(p->cells.v, p->cells.n, NET_PEER "=" NET_PEER_REMOTE, NULL);

    if (r < 0)
        return err_set(err, ERR_USAGE, EINVAL,
                       "--peer: none of the workloads needs a network; add --suite network");
    if (strlen(machine) >= PARAM_TEXT_MAX)
        return err_set(err, ERR_USAGE, E2BIG, "--peer: a machine's name has at most %d bytes",
                       PARAM_TEXT_MAX - 1);
    str_format(text, sizeof(text), NET_MACHINE "=%s", machine);
    leave_wires_out(p, "the way to another machine is a wire already");
    r = cells_apply_param(p->cells.v, p->cells.n, text, err);
    if (r == 0)
        r = cells_apply_param(p->cells.v, p->cells.n, NET_STACK "=host", err);
    return r < 0 ? err_wrap(err, "--peer") : 0;
}

static int cells_apply(const struct options *o, struct plan *p, struct err *err)
{
    const char *text;
    int r = 0;

    if (options_given(o, "suite") || options_given(o, "workload") || own_given(o)) {
        p->cells.n = 0;
        p->suite[0] = '\0';
    }
    for (size_t i = 0; r >= 0 && (text = options_nth(o, "suite", i)); i++)
        r = plan_add_suite(p, text, err);
    for (size_t i = 0; r >= 0 && (text = options_nth(o, "workload", i)); i++)
        r = apps_is_file(text) ? apps_add_file(p, text, err) : plan_add_cells(p, text, err);
    if (r >= 0 && own_given(o))
        r = own_add(o, p, err);
    else if (r >= 0)
        r = own_check_none(o, err);
    if (r < 0)
        return r;
    /* A suite with something added to it is not that suite any more. */
    if (options_given(o, "workload") || own_given(o) || options_nth(o, "suite", 1))
        p->suite[0] = '\0';
    if (p->cells.n == 0)
        r = plan_add_suite(p, "quick", err);
    if (options_given(o, "scale"))
        suite_scale(o, p);
    if (r >= 0 && (text = options_text(o, "peer", NULL)))
        r = peer_apply(text, p, err);
    for (size_t i = 0; r >= 0 && (text = options_nth(o, "param", i)); i++)
        if (str_eq(text, NET_PATH "=" NET_PATH_ENGINE))
            leave_wires_out(p, "its wire is of the run's own network");
    for (size_t i = 0; r >= 0 && (text = options_nth(o, "param", i)); i++)
        r = cells_apply_param(p->cells.v, p->cells.n, text, err);
    if (r >= 0)
        r = cells_check_network(p->cells.v, p->cells.n, err);
    return r < 0 ? r : 0;
}

static int check_times(const struct plan *p, struct err *err)
{
    const struct {
        const char *name;
        uint64_t value, min, max;
    } times[] = {
        {"--slice", p->slice_ns, PLAN_SLICE_MIN_NS, PLAN_SLICE_MAX_NS},
        {"--budget", p->budget_ns, 0, PLAN_TIME_MAX_NS},
        {"--interval", p->interval_ns, 0, PLAN_TIME_MAX_NS},
        {"--settle", p->settle_ns, 0, PLAN_TIME_MAX_NS},
    };
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        if (times[i].value < times[i].min)
            return err_set(err, ERR_USAGE, EINVAL, "%s: at least %llu ms", times[i].name,
                           (unsigned long long)(times[i].min / 1000000));
        if (times[i].value > times[i].max)
            return err_set(err, ERR_USAGE, EINVAL, "%s: at most %llu s", times[i].name,
                           (unsigned long long)(times[i].max / 1000000000));
    }
    if (p->precision > PLAN_FRACTION_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "--precision: at most 50%%");
    if (p->gate > PLAN_FRACTION_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "--gate: at most 50%%");
    return 0;
}

static void suite_limits(const struct suite *s, struct limits *l)
{
    cpu_set_t own;
    bool known = s->half_cpus && sched_getaffinity(0, sizeof(own), &own) == 0;

    l->memory_bytes = s->memory_bytes;
    l->pids = s->pids;
    l->io_bps = s->io_bps;
    l->cpus = known ? (double)CPU_COUNT(&own) / 2 : 0;
}

/* 1 and the target where --base defines one ("old=runc"), 0 where it names one or is not given. */
static int base_target(const struct options *o, struct target *ret, struct err *err)
{
    size_t n_drivers;
    const char *const *drivers = driver_names(&n_drivers);
    const char *base = options_text(o, "base", NULL);

    if (!base || !strchr(base, '='))
        return 0;
    int r = target_parse(base, drivers, n_drivers, ret, err);
    return r < 0 ? err_wrap(err, "--base") : 1;
}

static int base_apply(const struct options *o, struct plan *p, struct err *err)
{
    struct target t;
    const char *base = options_text(o, "base", NULL);
    int r = base_target(o, &t, err);

    if (r > 0)
        base = t.label;
    if (r >= 0 && base && !str_copy(p->base, sizeof(p->base), base))
        return err_set(err, ERR_USAGE, EINVAL, "--base: \"%s\" is too long for a label", base);
    return r < 0 ? r : 0;
}

int run_plan_apply(const struct options *o, struct plan *p, struct err *err)
{
    int r = cells_apply(o, p, err);

    if (r >= 0)
        r = limits_apply(o, &p->limits, err);
    if (r >= 0)
        r = base_apply(o, p, err);
    if (r < 0)
        return r;
    if (options_given(o, "gate"))
        p->gate = p->theta = options_fraction(o, "gate", 0);
    p->seed = options_u64(o, "seed", p->seed);
    p->precision = options_fraction(o, "precision", p->precision);
    p->blocks = (unsigned)options_u64(o, "blocks", p->blocks);
    p->repeats = (unsigned)options_u64(o, "repeats", p->repeats);
    p->interval_ns = options_u64(o, "interval", p->interval_ns);
    p->settle_ns = options_u64(o, "settle", p->settle_ns);
    p->slice_ns = options_u64(o, "slice", p->slice_ns);
    p->rounds = (unsigned)options_u64(o, "rounds", p->rounds);
    p->solo = p->solo || options_flag(o, "solo");
    p->share = p->share || options_flag(o, "share");
    p->emulated_too = p->emulated_too || options_flag(o, "emulated-too");
    /* Without any word on when to end, it ends as its suite does, else by the clock. */
    bool open = !p->budget_ns && !p->blocks && !p->repeats && !options_given(o, "budget");
    const struct suite *suite = suite_find(p->suite);
    if (open && suite)
        p->repeats = suite->repeats;
    p->drop_caches = p->drop_caches || options_flag(o, "drop-caches") ||
                     (suite && suite->drop_caches && !options_given(o, "plan") && geteuid() == 0);
    open = open && !p->repeats;
    if (suite && !options_given(o, "limit") && !options_given(o, "plan"))
        suite_limits(suite, &p->limits);
    if (options_given(o, "budget"))
        p->budget_ns = options_u64(o, "budget", 0);
    else if (open)
        p->budget_ns = str_eq(p->suite, "micro") ? RUN_BUDGET_MICRO_NS : RUN_BUDGET_QUICK_NS;
    return check_times(p, err);
}

static bool is_glob(const char *text)
{
    return strpbrk(text, "*?[") && !strchr(text, '=');
}

static int targets_glob(const char *pattern, const struct target_infos *known, struct plan *p,
                        struct err *err)
{
    size_t usable = 0, matched = 0;
    const char *reason = "";

    for (size_t i = 0; i < known->n; i++) {
        const struct target_info *info = &known->v[i];
        if (!str_glob(pattern, info->target.text))
            continue;
        matched++;
        if (!info->usable) {
            reason = info->reason;
            continue;
        }
        usable++;
        VEC_PUSH(&p->targets, info->target);
    }
    if (usable)
        return 0;
    if (matched)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "no target matching \"%s\" works here: %s",
                       pattern, reason);
    return err_set(err, ERR_USAGE, EINVAL, "no target matches \"%s\" (cupel doctor lists all)",
                   pattern);
}

/* Does the suite go to docker's targets? */
static bool goes_to_docker(const struct options *o, const struct target_infos *known,
                           const struct plan *p)
{
    const struct suite *suite = suite_find(p->suite);
    bool would = false;

    if (!suite || !suite->docker || options_flag(o, "no-engines"))
        return false;
    for (size_t i = 0; i < known->n; i++) {
        const struct target_info *info = &known->v[i];
        if (!info->usable || !str_eq(info->target.driver, "docker"))
            continue;
        if (!info->starts_daemon || options_flag(o, "start-engines"))
            return true;
        would = true;
    }
    if (would)
        log_notice("no docker runs: the %s suite goes to the runtimes themselves "
                   "(--start-engines starts a private one)",
                   p->suite);
    return false;
}

static void targets_default(const struct options *o, const struct target_infos *known,
                            struct plan *p)
{
    bool docker = goes_to_docker(o, known, p);

    for (size_t i = 0; i < known->n; i++) {
        const struct target_info *info = &known->v[i];
        bool host = str_eq(info->target.driver, "host");
        bool fits = docker ? str_eq(info->target.driver, "docker")
                           : !driver_find(info->target.driver)->engine;
        bool may = (!info->starts_daemon || options_flag(o, "start-engines")) &&
                   (!info->emulated || p->emulated_too);
        if (info->usable && (host || (fits && may)))
            VEC_PUSH(&p->targets, info->target);
    }
}

/* The base that --base defines, unless it is one of the targets as it stands. */
static int targets_add_base(const struct options *o, struct plan *p, struct err *err)
{
    struct target t;
    int r = base_target(o, &t, err);

    if (r <= 0)
        return r;
    VEC_FOREACH (&p->targets, const struct target, known)
        if (target_equal(known, &t))
            return 0;
    VEC_PUSH(&p->targets, t);
    return 0;
}

/* A gate that nothing could fail is a mistake, and better said before than after the run. */
static int check_gate(const struct plan *p, struct err *err)
{
    struct stop_rule rule = stop_rule_default(p->theta);
    unsigned most = p->repeats ? p->repeats : p->blocks;

    if (p->gate <= 0)
        return 0;
    if (p->targets.n < 2)
        return err_set(err, ERR_USAGE, EINVAL,
                       "--gate compares with a base: give two targets, as in --base old=%s "
                       "--target new=...",
                       p->targets.v[0].text);
    size_t least = gate_min_blocks(plan_comparisons(p), p->repeats ? NULL : &rule);
    if (most && most < least)
        return err_set(err, ERR_USAGE, EINVAL,
                       "--gate: with %zu comparison%s no regression can be proven from fewer than "
                       "%zu blocks, and this run has at most %u",
                       plan_comparisons(p), plan_comparisons(p) == 1 ? "" : "s", least, most);
    return 0;
}

/* Twins, unless the plan file has them. */
static int targets_twins(const struct options *o, bool from_plan, struct plan *p, struct err *err)
{
    if (!p->aa && !options_flag(o, "aa"))
        return 0;
    return p->aa && from_plan ? plan_check_twins(p, err) : plan_double_targets(p, err);
}

bool run_plan_looks_around(const struct options *o, const struct plan *p)
{
    const char *text;

    if (!options_given(o, "target"))
        return p->targets.n == 0;
    for (size_t i = 0; (text = options_nth(o, "target", i)); i++)
        if (is_glob(text))
            return true;
    return false;
}

/* What an option says of all pods becomes a flag of each target that does not say it itself. */
static int target_add_flag(struct target *t, const char *name, const char *value, struct err *err)
{
    size_t n_drivers;
    const char *const *drivers = driver_names(&n_drivers);
    char text[TARGET_FORMAT_MAX + 160], formatted[TARGET_FORMAT_MAX];

    for (size_t i = 0; i < t->n_flags; i++)
        if (str_eq(t->flags[i].name, name))
            return 0;
    if (!*value || strpbrk(value, ",\\"))
        return err_set(err, ERR_USAGE, EINVAL, "--k8s-%s: '%.60s' is no name of one", name, value);
    target_format(t, formatted, sizeof(formatted));
    if (!str_format(text, sizeof(text), "%s,%s=%s", formatted, name, value))
        return err_set(err, ERR_USAGE, ENAMETOOLONG, "--k8s-%s is too long", name);
    return target_parse(text, drivers, n_drivers, t, err);
}

static int targets_pods(const struct options *o, struct plan *p, struct err *err)
{
    const char *image = options_text(o, "k8s-image", NULL);
    const char *node = options_text(o, "k8s-node", NULL);
    int r = 0;

    VEC_FOREACH (&p->targets, struct target, t) {
        if (r < 0 || !str_eq(t->driver, "k8s"))
            continue;
        if (image)
            r = target_add_flag(t, "image", image, err);
        if (r >= 0 && node)
            r = target_add_flag(t, "node", node, err);
    }
    return r;
}

int run_plan_targets(const struct options *o, const struct target_infos *known, struct plan *p,
                     struct err *err)
{
    bool from_plan = p->targets.n && !options_given(o, "target");
    size_t n_drivers, base;
    const char *const *drivers = driver_names(&n_drivers);
    const char *text;
    int r = 0;

    if (options_given(o, "target"))
        p->targets.n = 0;
    for (size_t i = 0; r >= 0 && (text = options_nth(o, "target", i)); i++)
        r = is_glob(text) ? targets_glob(text, known, p, err)
                          : plan_add_target(p, text, drivers, n_drivers, err);
    if (r < 0)
        return r;
    if (p->targets.n == 0)
        targets_default(o, known, p);
    r = targets_add_base(o, p, err);
    if (r >= 0)
        r = targets_pods(o, p, err);
    if (r < 0)
        return r;
    if (p->targets.n == 0)
        return err_set(err, ERR_ENVIRONMENT, ENOENT,
                       "no target works here (cupel doctor says why)");
    if (p->targets.n > PLAN_TARGETS_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "%zu targets are too many: at most %d", p->targets.n,
                       PLAN_TARGETS_MAX);
    r = targets_make_unique(p->targets.v, p->targets.n, err);
    if (r >= 0)
        r = targets_twins(o, from_plan, p, err);
    if (r >= 0)
        r = plan_base_index(p, &base, err);
    return r < 0 ? r : check_gate(p, err);
}

/* The proposals of all drivers, for suggestions. */
static size_t proposals(const char **names, size_t max)
{
    size_t n = 0;
    for (size_t d = 0; d < driver_count(); d++) {
        const char *const *p = driver_at(d)->proposals;
        for (; p && *p && n < max; p++)
            names[n++] = *p;
    }
    return n;
}

static bool runtime_is_known(const char *runtime, const char *const *names, size_t n)
{
    size_t len = strlen(runtime);
    for (size_t i = 0; i < n; i++)
        if (str_starts(names[i], runtime) && (names[i][len] == '\0' || names[i][len] == ':'))
            return true;
    return false;
}

static bool platform_is_known(const char *platform, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *colon = strchr(names[i], ':');
        if (colon && str_eq(colon + 1, platform))
            return true;
    }
    return false;
}

int run_plan_refuse(const struct target_info *info, struct err *err)
{
    const struct target *t = &info->target;
    const char *names[64];
    size_t n = proposals(names, ARRAY_SIZE(names));
    bool absent = !info->path[0] && t->runtime[0];

    if (info->usable)
        return 0;
    if (strchr(t->runtime, '/') && absent)
        return err_set(err, ERR_USAGE, ENOENT, "target \"%s\": %s", t->label, info->reason);
    bool known = !t->runtime[0] || runtime_is_known(t->runtime, names, n);
    bool platform_known = !t->platform[0] || platform_is_known(t->platform, names, n);
    if (known && platform_known && info->why != ERR_USAGE)
        return 0;
    const char *near = str_nearest(t->text, names, n);
    if (near && str_eq(near, t->text))
        near = NULL;
    if (near)
        return err_set(err, ERR_USAGE, EINVAL,
                       "no target \"%s\"; did you mean %s? (cupel doctor lists all)", t->text,
                       near);
    return err_set(err, ERR_USAGE, EINVAL, "no target \"%s\": %s (cupel doctor lists all)", t->text,
                   info->reason);
}

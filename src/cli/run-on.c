#include "cli/run-on.h"

#include "cli/own.h"
#include "cli/run-plan.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "fleet/fleet.h"
#include "fleet/k8s-manifest.h"
#include "ledger/ledger.h"
#include "report/machines.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/param.h>

struct ground {
    struct cli *cli;
    struct fleet fleet;
    struct plan plan;
    struct programs programs;
    struct str state_dir;
    struct loop *loop;
    struct store *store;
    char self[PATH_MAX];
    char *workloads, *claims;
    bool quiet;
};

static void ground_release(struct ground *g)
{
    fleet_release(&g->fleet);
    plan_release(&g->plan);
    str_release(&g->state_dir);
    store_close(g->store);
    loop_free(g->loop);
    free(g->workloads);
    free(g->claims);
}

static const char *resumed(const struct options *o)
{
    const char *run = options_text(o, "resume", NULL);
    return run && fleet_is_name(run) ? run : NULL;
}

bool run_on_given(const struct options *o)
{
    return options_given(o, "on") || resumed(o);
}

/* ---- the plan ---- */

static void pass_text(struct fleet *f, const char *option, const char *value)
{
    VEC_PUSH(&f->args, xasprintf("--%s", option));
    if (value)
        VEC_PUSH(&f->args, xstrdup(value));
}

/* What of the command line is no part of a plan, or can be told there alone: which targets match,
 * and which work. */
static void pass_on(const struct options *o, struct fleet *f)
{
    static const char *const flags[] = {"aa", "start-engines", "no-engines", "share",
                                        "i-understand"};
    const char *text;

    for (size_t i = 0; (text = options_nth(o, "target", i)); i++)
        pass_text(f, "target", text);
    if ((text = options_text(o, "base", NULL)))
        pass_text(f, "base", text);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (options_flag(o, flags[i]))
            pass_text(f, flags[i], NULL);
}

/* Names are looked at here, before anything goes out; those of the command line go out as they are.
 */
static int plan_targets(const struct options *o, struct ground *g, struct err *err)
{
    struct plan *p = &g->plan;
    size_t n_drivers;
    const char *const *drivers = driver_names(&n_drivers);
    const char *text;
    int r = 0;

    if (options_given(o, "target"))
        p->targets.n = 0;
    for (size_t i = 0; r >= 0 && (text = options_nth(o, "target", i)); i++) {
        VEC_PUSH(&g->fleet.wanted, xstrdup(text));
        if (strchr(text, '=') || !strpbrk(text, "*?["))
            r = plan_add_target(p, text, drivers, n_drivers, err);
    }
    if (r < 0)
        return r;
    if (!options_given(o, "target"))
        VEC_FOREACH (&p->targets, const struct target, t)
            VEC_PUSH(&g->fleet.wanted, xstrdup(t->text));
    else
        p->targets.n = 0;
    return 0;
}

/* Without names it could not be known what for. */
static int take_install(const struct options *o, struct fleet *f, struct err *err)
{
    f->install = options_flag(o, "install");
    if (f->install && f->wanted.n == 0)
        return err_set(err, ERR_USAGE, EINVAL,
                       "--install: name the targets that are to be measured (--target runc)");
    return 0;
}

static int make_plan(const struct options *o, struct ground *g, struct err *err)
{
    bool said = options_given(o, "suite") || options_given(o, "workload") ||
                options_given(o, "plan") || own_given(o);
    int r = run_plan_read(o, &g->plan, err);

    if (r >= 0 && !said)
        r = plan_add_suite(&g->plan, "quick", err);
    if (r >= 0)
        r = run_plan_apply(o, &g->plan, err);
    if (r >= 0)
        r = plan_targets(o, g, err);
    if (r >= 0)
        r = take_install(o, &g->fleet, err);
    /* Whose base it is, only the targets there can tell. */
    if (r >= 0 && options_given(o, "base"))
        g->plan.base[0] = '\0';
    if (r >= 0)
        r = plan_format(&g->plan, &g->fleet.plan, err);
    return r < 0 ? r : 0;
}

/* ---- what it stands on ---- */

static int check_options(const struct options *o, struct err *err)
{
    static const char *const never[] = {"resume", "peer", "json"};
    static const char *const fine[] = {"resume", "db", "quiet"};

    if (resumed(o))
        return options_only(o, "resume", fine, ARRAY_SIZE(fine),
                            "the machines go on as was planned", err);
    for (size_t i = 0; i < ARRAY_SIZE(never); i++)
        if (options_given(o, never[i]))
            return err_set(err, ERR_USAGE, EINVAL, "--%s cannot be given with --on", never[i]);
    return 0;
}

static int take_time(const struct options *o, const char *name, uint64_t max, uint64_t *ret,
                     struct err *err)
{
    uint64_t ns = options_u64(o, name, *ret);

    if (ns < FLEET_LEASE_MIN_NS || ns > max)
        return err_set(err, ERR_USAGE, ERANGE, "--%s: from %u s to %u s", name,
                       (unsigned)(FLEET_LEASE_MIN_NS / 1000000000), (unsigned)(max / 1000000000));
    *ret = ns;
    return 0;
}

static int take_machines(const struct options *o, struct fleet *f, struct err *err)
{
    const char *text;
    int r = take_time(o, "lease", FLEET_KEEP_NS, &f->lease_ns, err);

    if (r >= 0)
        r = take_time(o, "keep", FLEET_KEEP_MAX_NS, &f->keep_ns, err);
    f->privileged = options_flag(o, "privileged-agent");
    for (size_t i = 0; r >= 0 && (text = options_nth(o, "on", i)); i++)
        r = fleet_add(f, text, err);
    return r;
}

/* Of the options, all that a fleet is. */
static int make_fleet(const struct options *o, struct ground *g, struct err *err)
{
    int r = take_machines(o, &g->fleet, err);

    if (r >= 0)
        r = k8s_check_privileged(&g->fleet, err);
    if (r >= 0)
        r = make_plan(o, g, err);
    if (r >= 0)
        pass_on(o, &g->fleet);
    return r;
}

static int prepare(const struct options *o, struct ground *g, struct err *err)
{
    const char *fleet = resumed(o);
    int r = check_options(o, err);

    if (r >= 0 && !fleet)
        r = make_fleet(o, g, err);
    if (r >= 0)
        r = cli_programs(&g->programs, err);
    if (r >= 0)
        r = cli_self(g->self, sizeof(g->self), err);
    if (r >= 0)
        r = ledger_state_dir(&g->state_dir, err);
    if (r >= 0 && fleet) {
        fleet_release(&g->fleet);
        fleet_init(&g->fleet);
        r = fleet_read(g->state_dir.buf, fleet, &g->fleet, err);
    }
    if (r >= 0)
        r = loop_new(&g->loop, err);
    if (r >= 0)
        r = loop_catch_interrupts(g->loop, err);
    return r < 0 ? r : cli_open_write(o, &g->store, err);
}

/* The probe, and of the payload programs those that a cell needs: one of them is ten times as large
 * as all else. */
static void take_programs(struct ground *g, struct bundle_parts *parts)
{
    bool needed[PROGRAM_COUNT] = {[PROGRAM_PROBE] = true};
    size_t n = 0;

    VEC_FOREACH (&g->plan.cells, const struct cell, c)
        needed[c->workload->program] = true;
    for (size_t i = 0; i < PROGRAM_COUNT; i++)
        if (needed[i] && g->programs.path[i][0])
            parts->programs[n++] = g->programs.path[i];
}

static void say(void *user, const struct fleet_machine *m, const char *line)
{
    const struct ground *g = user;
    _cleanup_(str_release) struct str out = STR_INIT;

    if (g->quiet)
        return;
    str_addf(&out, "%s: %s\n", m->on, line);
    (void)!write(STDERR_FILENO, out.buf, out.len);
}

/* ---- how it ended ---- */

static bool has_run(const struct fleet_machine *m)
{
    return m->ended && (m->outcome == FLEET_MEASURED || m->outcome == FLEET_PART);
}

/* What was fetched in another connection is found by the run's own name. */
static void find_runs(struct ground *g)
{
    VEC_FOREACH (&g->fleet.machines, struct fleet_machine, m)
        if (has_run(m) && m->run == 0 && m->uuid[0])
            (void)store_run_find(g->store, m->uuid, &m->run, NULL);
}

static void put_machine(const struct fleet_machine *m, const size_t widths[2], struct str *out)
{
    char run[RUN_ID_MAX] = "";

    if (m->run)
        str_format(run, sizeof(run), "r%lld", (long long)m->run);
    str_add(out, "  ");
    text_pad(out, m->on, widths[0], false);
    str_add(out, "  ");
    text_pad(out, run, 6, false);
    str_add(out, "  ");
    text_pad(out, m->hostname, widths[1], false);
    str_addf(out, "  %s", fleet_outcome_words(m->outcome));
    if (m->outcome == FLEET_MEASURED && m->status == EXIT_SOME_FAILED)
        str_add(out, ", with failures");
    if (m->why[0])
        str_addf(out, ": %s", m->why);
    str_addc(out, '\n');
}

static void put_machines(const struct ground *g, struct str *out)
{
    const struct fleet *f = &g->fleet;
    size_t with = 0, kept = 0, widths[2] = {0}; /* name, host name */

    VEC_FOREACH (&f->machines, const struct fleet_machine, m) {
        with += has_run(m);
        kept += !m->ended;
        widths[0] = MAX(widths[0], strlen(m->on));
        widths[1] = MAX(widths[1], strlen(m->hostname));
    }
    str_addf(out, "fleet-%s: %zu of %zu machines have a run here%s\n", f->id, with, f->machines.n,
             with < f->machines.n ? " (partial)" : "");
    VEC_FOREACH (&f->machines, const struct fleet_machine, m)
        put_machine(m, widths, out);
    if (kept)
        str_addf(out, "cupel run --resume fleet-%s goes on where something is kept\n", f->id);
}

/* One table of all that are here. Where they do not go together, that is said in its place. */
static void put_table(struct ground *g, struct str *out)
{
    size_t most = g->fleet.machines.n;
    _cleanup_free_ int64_t *runs = xcalloc(most + 1, sizeof(*runs));
    _cleanup_free_ const char **names = xcalloc(most + 1, sizeof(*names));
    const struct report_options ro = {.style = g->cli->out};
    struct machines_request q = {.runs = runs, .names = names};
    struct err err = ERR_INIT;
    struct machines m;

    VEC_FOREACH (&g->fleet.machines, const struct fleet_machine, f) {
        if (!has_run(f) || f->run == 0)
            continue;
        names[q.n] = f->on;
        runs[q.n++] = f->run;
    }
    if (q.n == 0)
        return;
    if (machines_read(g->store, &q, &m, &err) < 0) {
        str_addf(out, "no table of all of them: %s\n", err.msg);
        return;
    }
    report_machines(&m, MACHINES_BY_DEFAULT, &ro, out);
    machines_release(&m);
}

static int status_of(const struct fleet *f)
{
    size_t good = 0, with = 0;

    VEC_FOREACH (&f->machines, const struct fleet_machine, m) {
        with += has_run(m);
        good += has_run(m) && m->outcome == FLEET_MEASURED && m->status != EXIT_SOME_FAILED;
    }
    if (with == 0)
        return EXIT_NOTHING;
    return good == f->machines.n ? EXIT_ALL_MEASURED : EXIT_SOME_FAILED;
}

int run_on(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(ground_release) struct ground g = {
        .cli = cli, .state_dir = STR_INIT, .quiet = options_flag(o, "quiet")};
    _cleanup_(str_release) struct str out = STR_INIT;
    int r;

    fleet_init(&g.fleet);
    plan_init(&g.plan);
    signal(SIGPIPE, SIG_IGN);
    spawn_raise_file_limit();
    r = prepare(o, &g, err);
    if (r < 0)
        return r;
    g.workloads = cli_data_dir("workloads", "CUPEL_WORKLOADS");
    g.claims = cli_data_dir("claims", "CUPEL_CLAIMS");
    struct fleet_options fo = {
        .loop = g.loop,
        .store = g.store,
        .state_dir = g.state_dir.buf,
        .parts = {.cupel = g.self, .workloads = g.workloads, .claims = g.claims},
        .user = &g,
        .say = say};
    take_programs(&g, &fo.parts);
    r = resumed(o) ? fleet_resume(&g.fleet, &fo, err) : fleet_run(&g.fleet, &fo, err);
    if (r < 0 && r != -EINTR)
        return r;
    find_runs(&g);
    put_machines(&g, &out);
    put_table(&g, &out);
    r = cli_print(&out, err);
    return r < 0 ? r : status_of(&g.fleet);
}

int run_on_manifest(const struct options *o, struct err *err)
{
    _cleanup_(ground_release) struct ground g = {.state_dir = STR_INIT};
    _cleanup_(str_release) struct str out = STR_INIT;

    fleet_init(&g.fleet);
    plan_init(&g.plan);
    if (!options_given(o, "on"))
        return err_set(err, ERR_USAGE, EINVAL,
                       "k8s manifest: --on k8s:selector=LABEL=VALUE,image=NAME is missing");
    int r = check_options(o, err);
    if (r >= 0)
        r = make_fleet(o, &g, err);
    if (r >= 0)
        r = loop_new(&g.loop, err);
    if (r >= 0)
        r = loop_catch_interrupts(g.loop, err);
    if (r >= 0)
        r = k8s_manifest_of(&g.fleet, g.loop, &out, err);
    return r < 0 ? r : cli_print(&out, err);
}

/* cupel run: the plan checked as a whole, then measured, then shown. */
#include "cli/cmd-run.h"

#include "cli/commands.h"
#include "cli/own.h"
#include "cli/progress.h"
#include "cli/run-on.h"
#include "cli/run-plan.h"

#include "base/log.h"
#include "base/spawn.h"
#include "host/allocation.h"
#include "measure/measure.h"
#include "report/report.h"
#include "store/exchange.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>

/* What a run stands on; released in the reverse order. */
struct ground {
    struct loop *loop;
    bool entered; /* the control groups of the job that this is */
    struct store *store;
    struct plan plan;
    struct machine machine;
    struct str state_dir;
    struct programs programs;
    int64_t resume;
};

static void ground_release(struct ground *g)
{
    if (g->entered)
        allocation_leave();
    plan_release(&g->plan);
    str_release(&g->state_dir);
    store_close(g->store);
    loop_free(g->loop);
}

static void infos_release(struct target_infos *t)
{
    VEC_RELEASE(t);
}

/* Only what can go with --resume, since the stored plan says the rest. */
static int check_resume(const struct options *o, struct err *err)
{
    static const char *const fine[] = {"resume", "db", "json", "quiet", "share", "i-understand"};

    return options_given(o, "resume") ? options_only(o, "resume", fine, ARRAY_SIZE(fine),
                                                     "the run goes on as it was planned", err)
                                      : 0;
}

static int targets_inspect(struct ground *g, const struct target *targets, size_t n,
                           struct target_infos *ret, struct err *err)
{
    return measure_doctor(g->loop, &g->machine, g->state_dir.buf, &g->programs, targets, n, false,
                          NULL, ret, err);
}

/* Those of aggressors that run in another target than their victims. */
static int plan_aggressors(struct ground *g, struct err *err)
{
    _cleanup_(infos_release) struct target_infos given = {0};
    size_t n_drivers, n = 0;
    const char *const *drivers = driver_names(&n_drivers);
    _cleanup_free_ struct target *all = xcalloc(g->plan.cells.n + 1, sizeof(*all));
    int r = 0;

    VEC_FOREACH (&g->plan.cells, struct cell, cell) {
        struct target t;
        r = cell_aggressor(cell, drivers, n_drivers, &t, err);
        if (r < 0)
            return r;
        bool label = false;
        VEC_FOREACH (&g->plan.targets, struct target, known)
            label = label || str_eq(known->label, t.label);
        if (r > 0 && !label && (n == 0 || !target_equal(&all[n - 1], &t)))
            all[n++] = t;
    }
    if (n == 0)
        return 0;
    r = targets_inspect(g, all, n, &given, err);
    for (size_t i = 0; r >= 0 && i < given.n; i++)
        r = run_plan_refuse(&given.v[i], err);
    return r < 0 ? err_wrap(err, "-p " CELL_AGGRESSOR) : 0;
}

/* Every name is looked at before anything is started. */
static int plan_targets(struct ground *g, const struct options *o, struct err *err)
{
    _cleanup_(infos_release) struct target_infos known = {0}, given = {0};
    bool usable = false;
    int r = 0;

    if (run_plan_looks_around(o, &g->plan))
        r = targets_inspect(g, NULL, 0, &known, err);
    if (r >= 0)
        r = run_plan_targets(o, &known, &g->plan, err);
    if (r >= 0)
        r = targets_inspect(g, g->plan.targets.v, g->plan.targets.n, &given, err);
    for (size_t i = 0; r >= 0 && i < given.n; i++) {
        r = run_plan_refuse(&given.v[i], err);
        usable = usable || given.v[i].usable;
    }
    if (r < 0)
        return r;
    r = plan_aggressors(g, err);
    if (r < 0)
        return r;
    if (!usable) {
        const struct target_info *first = &given.v[0];
        err_set(err, ERR_UNSUPPORTED, ENOENT, "nothing can be measured: %s: %s",
                first->target.label, first->reason);
        return -ENOENT;
    }
    return 0;
}

/* Where nothing says what to measure. */
static int plan_default(struct plan *p, const struct options *o, const char *suite, struct err *err)
{
    bool said = options_given(o, "suite") || options_given(o, "workload") ||
                options_given(o, "plan") || own_given(o);

    return said || !suite ? 0 : plan_add_suite(p, suite, err);
}

static int ground_prepare(struct ground *g, const struct options *o, const char *suite,
                          struct err *err)
{
    const char *json = options_text(o, "json", NULL), *resume = options_text(o, "resume", NULL);
    int r = check_resume(o, err);

    if (r >= 0 && !resume)
        r = run_plan_read(o, &g->plan, err);
    if (r >= 0 && !resume)
        r = plan_default(&g->plan, o, suite, err);
    if (r >= 0 && !resume)
        r = run_plan_apply(o, &g->plan, err);
    if (r >= 0)
        r = cli_programs(&g->programs, err);
    if (r >= 0)
        r = ledger_state_dir(&g->state_dir, err);
    if (r >= 0)
        r = loop_new(&g->loop, err);
    if (r < 0)
        return r;
    r = allocation_enter(err);
    if (r < 0)
        return r;
    g->entered = r > 0;
    machine_read(&g->machine);
    if (!resume)
        r = plan_targets(g, o, err);
    if (r >= 0 && json)
        r = cli_check_writable(json, err);
    if (r >= 0)
        r = cli_open_write(o, &g->store, err);
    if (r >= 0 && resume) {
        g->plan.share = options_flag(o, "share");
        r = store_run_find(g->store, resume, &g->resume, err);
    }
    return r;
}

/* The whole run as JSON, as export writes it. */
static int write_json(struct store *s, const char *file, const struct analysis *a,
                      const struct report_more *more, struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    json_t *document;
    int r = exchange_export(s, a->head.id, report_whole_json(a, more), &document, err);

    if (r < 0)
        return r;
    report_json_text(document, &out);
    return cli_output(file, &out, err);
}

static int show(struct cli *cli, struct store *s, const struct options *o, int64_t run, void *user,
                struct err *err)
{
    _cleanup_(analysis_release) struct analysis a = {0};
    _cleanup_(report_more_release) struct report_more more = {.has_trade = false};
    _cleanup_(str_release) struct str out = STR_INIT;
    const struct report_options ro = {.style = cli->out, .db = cli_db_hint(o)};
    const char *json = options_text(o, "json", NULL);
    int r = analyse_run(s, run, &a, err);

    (void)user;
    if (r >= 0)
        r = report_more_read(s, &a, false, &more, err);
    if (r < 0)
        return r;
    bool no = more.has_gate && gate_verdict(&more.gate) == GATE_FAILED;
    if (json) {
        r = write_json(s, json, &a, &more, err);
        if (r < 0)
            return r;
        if (str_eq(json, "-"))
            return no ? EXIT_NO : 0;
    }
    report_table(&a, &more, &ro, &out);
    r = cli_print(&out, err);
    return r < 0 || !no ? r : EXIT_NO;
}

static int run_status(const struct measure_result *res, int answer)
{
    if (res->cells_measured == 0)
        return EXIT_NOTHING;
    if (answer)
        return answer;
    return res->cells_failed || res->interrupted ? EXIT_SOME_FAILED : EXIT_ALL_MEASURED;
}

int run_measured(struct cli *cli, const struct options *o, const char *suite, run_shown *show_run,
                 void *user, struct err *err)
{
    _cleanup_(ground_release) struct ground g = {.state_dir = STR_INIT};
    struct measure_result res = {0};
    struct progress progress = {0};
    int r;

    if (run_on_given(o))
        return err_set(err, ERR_USAGE, EINVAL, "--on goes with cupel run alone");
    if (options_given(o, "install"))
        return err_set(err, ERR_USAGE, EINVAL,
                       "--install goes with --on: nothing is installed on this machine");
    plan_init(&g.plan);
    /* A container that dies while we write to it is that trial's failure, not our death. */
    signal(SIGPIPE, SIG_IGN);
    spawn_raise_file_limit();
    r = ground_prepare(&g, o, suite, err);
    if (r < 0) {
        if (err->kind == ERR_UNSUPPORTED) {
            log_notice("%s", err->msg);
            return EXIT_NOTHING;
        }
        return r;
    }
    const struct measure_options mo = {
        .plan = &g.plan,
        .store = g.store,
        .programs = &g.programs,
        .state_dir = g.state_dir.buf,
        .command = cli->command_line,
        .resume = g.resume,
        .understood = options_flag(o, "i-understand"),
        .loop = g.loop,
        .machine = &g.machine,
    };
    _cleanup_(progress_free) struct progress_view *view =
        options_flag(o, "quiet") ? NULL : progress_new(cli);
    if (view)
        progress_bind(view, &progress);
    r = measure_run(&mo, &progress, &res, err);
    if (view)
        progress_finish(view);
    if (r < 0) {
        /* Nothing was begun: no target works, or ^C came while they were looked at. */
        if (res.run || !(res.interrupted || err->code == ENODEV))
            return r;
        log_notice("%s", err->msg);
        return EXIT_NOTHING;
    }
    if (res.interrupted)
        log_notice("interrupted; r%lld keeps what was measured (cupel run --resume r%lld goes on)",
                   (long long)res.run, (long long)res.run);
    r = show_run(cli, g.store, o, res.run, user, err);
    return r < 0 ? r : run_status(&res, r);
}

static int run_run(struct cli *cli, const struct options *o, struct err *err)
{
    if (run_on_given(o))
        return run_on(cli, o, err);
    return run_measured(cli, o, NULL, show, NULL, err);
}

static const struct example run_examples[] = {
    {"cupel run", "the quick suite on everything that works here, in at most four minutes"},
    {"cupel run --target host --target runc --workload sys.getpid --workload 'fs.*'",
     "some workloads on two targets"},
    {"cupel run --target old=oci:/opt/a/runsc:systrap --target new=oci:/opt/b/runsc:systrap",
     "two builds of one runtime, interleaved"},
    {"cupel run --base old=oci:/opt/a/runc --target new=oci:/opt/b/runc --gate 5%",
     "for a pipeline: exit status 5 if the new build is proven to cost over 5 % more"},
    {"cupel run --aa --target host --target runc --budget 2m",
     "how much noise there is: every target beside itself"},
    {"cupel run --suite micro --precision 2% --budget 1h",
     "everything, until each cell is precise"},
    {"cupel run --limit cpus=1,memory=512M --workload cpu.prime",
     "under the same limits everywhere"},
    {"cupel run --repeats 10 -- factor 1000000000000000000000000000057",
     "a program of yours, with its libraries: how long it takes everywhere"},
    {"cupel run --workload ./mine.yaml --repeats 10",
     "an application written down as those in workloads/ are"},
    {"cupel run --plan nightly.yaml --json today.json --quiet",
     "a run written down, from a script"},
    {"cupel run --on ssh:root@a,ssh:root@b --suite quick --budget 4m",
     "on two other machines at once; a run from each is fetched"},
    {"cupel run --resume r7", "on with a run that was interrupted"},
};

const struct command cmd_run = {
    .name = "run",
    .summary = "measure, and show the table",
    .description =
        "Measures workloads on targets, all of them interleaved in random order, block by block, "
        "until every cell is precise enough or the budget is spent. Every sample is stored; an "
        "interrupt (^C) ends the run in order and keeps what was measured. A COMMAND of your own, "
        "given last and after two hyphens, is measured as a workload like the others.",
    .operands = "[COMMAND...]",
    .max_operands = 64,
    .after_dashes = true,
    .options = run_options,
    .n_options = N_RUN_OPTIONS,
    .examples = run_examples,
    .n_examples = ARRAY_SIZE(run_examples),
    .run = run_run,
};

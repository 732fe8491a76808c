/* cupel advise: from limits to the targets of a run that meet them. */
#include "cli/apps.h"
#include "cli/commands.h"

#include "report/report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define RATIO_MAX 1e6

struct wishes {
    VEC(struct advise_limit) limits;
};

static void wishes_release(struct wishes *w)
{
    VEC_RELEASE(&w->limits);
}

/* "10%", "0.1", "1.5x": a loss as the ratio of times that it allows. */
static int parse_loss(const char *text, const char *what, double *ret, struct err *err)
{
    size_t n = strlen(text);
    bool times = n > 1 && text[n - 1] == 'x', percent = n > 1 && text[n - 1] == '%';
    _cleanup_free_ char *number = xstrndup(text, times || percent ? n - 1 : n);
    double v;
    int r;

    if (times)
        return parse_double(number, 1 / RATIO_MAX, RATIO_MAX, what, ret, err);
    r = percent ? parse_double(number, 0, 100 * RATIO_MAX, what, &v, err)
                : parse_fraction(number, what, &v, NULL);
    if (r < 0 && !percent)
        return err_set(err, ERR_USAGE, EINVAL, "%s: %.60s is no loss such as 10%%, 0.1 or 2.5x",
                       what, text);
    if (r >= 0)
        *ret = 1 + (percent ? v / 100 : v);
    return r;
}

/* "[WORKLOAD=]LOSS" */
static int add_loss(struct wishes *w, enum advise_kind kind, const char *text, struct err *err)
{
    struct advise_limit l = {.kind = kind};
    const char *eq = strrchr(text, '=');
    _cleanup_free_ char *what = xasprintf("--%s", advise_kind_name(kind));
    _cleanup_free_ char *pattern = xstrndup(text, eq ? (size_t)(eq - text) : 0);

    if ((eq && !pattern[0]) || !str_copy(l.pattern, sizeof(l.pattern), pattern))
        return err_set(err, ERR_USAGE, EINVAL, "%s: \"%.80s\" begins with no workload's name", what,
                       text);
    int r = parse_loss(eq ? eq + 1 : text, what, &l.bound, err);
    VEC_FOREACH (&w->limits, struct advise_limit, old)
        if (r >= 0 && old->kind == kind && str_eq(old->pattern, l.pattern))
            return err_set(err, ERR_USAGE, EINVAL, "%s: two limits for %s", what,
                           l.pattern[0] ? l.pattern : "the same");
    if (r >= 0)
        VEC_PUSH(&w->limits, l);
    return r;
}

static int add_losses(struct wishes *w, const struct options *o, enum advise_kind kind,
                      struct err *err)
{
    const char *text;
    int r = 0;

    for (size_t i = 0; r >= 0 && (text = options_nth(o, advise_kind_name(kind), i)); i++)
        r = add_loss(w, kind, text, err);
    return r;
}

static int bound_of(const struct options *o, enum advise_kind kind, double *ret, struct err *err)
{
    const char *name = advise_kind_name(kind);
    uint64_t bytes = 0;
    int r = 0;

    switch (kind) {
    case ADVISE_MEMORY:
        r = parse_size_bytes(options_text(o, name, "0"), "--memory", &bytes, err);
        *ret = (double)bytes;
        break;
    case ADVISE_KERNEL:
        *ret = 1;
        break;
    default:
        *ret = (double)options_u64(o, name, 0);
        break;
    }
    return r;
}

static int read_wishes(const struct options *o, struct wishes *w, struct err *err)
{
    int r = 0;

    for (enum advise_kind k = 0; r >= 0 && k < ADVISE_KINDS; k++) {
        struct advise_limit l = {.kind = k};
        if (k == ADVISE_LOSS || k == ADVISE_BESIDE) {
            r = add_losses(w, o, k, err);
        } else if (options_given(o, advise_kind_name(k))) {
            r = bound_of(o, k, &l.bound, err);
            if (r >= 0)
                VEC_PUSH(&w->limits, l);
        }
    }
    return r;
}

/* No limit is given: the figures of all that could be. */
static void wish_for_all(struct wishes *w)
{
    for (enum advise_kind k = 0; k < ADVISE_KINDS; k++)
        VEC_PUSH(&w->limits, (struct advise_limit){.kind = k, .bound = NAN});
}

/* Of those that work here: what could not be used could not be chosen either. */
static int status_of(const struct analysis *a, const struct advise *v)
{
    bool open = false, any = false;

    for (size_t t = 0; t < v->n_targets; t++) {
        bool usable = v->candidate[t] && a->targets[t].usable;
        any |= usable;
        open |= usable && v->verdicts[t] != ADVISE_FAILS;
    }
    return v->meets.n ? EXIT_ALL_MEASURED : open || !any ? EXIT_UNDECIDED : EXIT_NO;
}

static int advise_on(const struct options *o, const struct cli *cli, struct store *s, int64_t run,
                     struct str *out, struct err *err)
{
    _cleanup_(analysis_release) struct analysis a = {0};
    _cleanup_(advise_release) struct advise v = {0};
    _cleanup_(wishes_release) struct wishes w = {.limits = VEC_INIT};
    const struct report_options ro = {.style = cli->out, .db = cli_db_hint(o)};
    const char *format = options_text(o, "format", "term");
    struct plan known;
    int r = read_wishes(o, &w, err);
    bool open = w.limits.n == 0;

    plan_init(&known);
    if (open)
        wish_for_all(&w);
    if (r >= 0)
        r = apps_know_all(&known, err);
    if (r >= 0)
        r = analyse_run_with(s, run, options_flag(o, "emulated-too"), &a, err);
    if (r >= 0)
        r = analyse_advise(s, &a, w.limits.v, w.limits.n, &known, &v, err);
    if (r >= 0 && str_eq(format, "json"))
        report_json_text(report_advise_json(&a, &v), out);
    else if (r >= 0 && str_eq(format, "md"))
        report_advise_markdown(&a, &v, &ro, out);
    else if (r >= 0)
        report_advise(&a, &v, &ro, out);
    plan_release(&known);
    return r < 0 ? r : open ? EXIT_ALL_MEASURED : status_of(&a, &v);
}

static int advise_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(str_release) struct str out = STR_INIT;
    int64_t run;
    int r = cli_open_read(o, &s, err), status;

    if (r >= 0)
        r = store_run_find(s, o->operands.n ? o->operands.v[0] : NULL, &run, err);
    if (r < 0)
        return r;
    status = advise_on(o, cli, s, run, &out, err);
    r = status < 0 ? status : cli_print(&out, err);
    return r < 0 ? r : status;
}

static const struct option_def advise_options[] = {
    {.name = "loss",
     .arg = "[WORKLOAD=]LOSS",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "at most so much time per operation beyond the base's: 10%, 0.1 or, as a ratio, 2.5x; "
             "WORKLOAD is a name or a glob as of `cupel run`, and each of its cells is to hold it; "
             "without one it is for the geometric mean of all work"},
    {.name = "start",
     .arg = "TIME",
     .kind = OPTION_DURATION,
     .help = "at most so long from the engine's first command to the container's first byte, e.g. "
             "200ms; median of life.start, and of life.start@cold where it was measured"},
    {.name = "memory",
     .arg = "BYTES",
     .kind = OPTION_TEXT,
     .help = "at most so much memory for one container more, sandbox and kernel's part included, "
             "e.g. 50M"},
    {.name = "per-machine",
     .arg = "N",
     .kind = OPTION_COUNT,
     .min = 1,
     .max = 10000000,
     .help = "at least so many fit into the memory that was available when they were weighed"},
    {.name = "beside",
     .arg = "[CELL=]LOSS",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help =
         "at most so much more time per operation beside a neighbour than without; without CELL "
         "for each of beside.* (not beside.idle) and for neighbour.slowdown"},
    {.name = "calls",
     .arg = "N",
     .kind = OPTION_COUNT,
     .help = "at most so many system calls of the host's kernel let through"},
    {.name = "calls-made",
     .arg = "N",
     .kind = OPTION_COUNT,
     .help = "at most so many different ones made for the job of the reach suite"},
    {.name = "capabilities",
     .arg = "N",
     .kind = OPTION_COUNT,
     .help = "at most so many capabilities on the host"},
    {.name = "namespaces",
     .arg = "N",
     .kind = OPTION_COUNT,
     .help = "at most so many of the host's namespaces shared"},
    {.name = "paths",
     .arg = "N",
     .kind = OPTION_COUNT,
     .help = "at most so many telling paths of the host in reach"},
    {.name = "answered",
     .arg = "N",
     .kind = OPTION_COUNT,
     .help = "at least so many system calls answered inside"},
    {.name = "separate-kernel",
     .kind = OPTION_FLAG,
     .help = "system calls are answered by another kernel than the host's"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .kind = OPTION_CHOICE,
     .choices = "term|md|json",
     .help = "term (default), md, json"},
    OPTION_EMULATED_TOO,
    OPTION_DB,
};

static const struct example advise_examples[] = {
    {"cupel advise", "which limits the latest run can decide, and what each target comes to"},
    {"cupel advise --loss 'fs.*=50%' --loss 10% --separate-kernel",
     "no file operation more than half as long again, all work 10 % at the most, and a kernel of "
     "its own"},
    {"cupel advise r7 --start 200ms --memory 20M --per-machine 500", "for many short-lived ones"},
};

const struct command cmd_advise = {
    .name = "advise",
    .summary = "which targets of a run meet your limits, and on what evidence",
    .description =
        "Compares the intervals of a stored run with limits of yours. A target meets a limit if "
        "the whole interval lies within it, misses it if the whole interval lies beyond, and is "
        "undecided in between; work at which it hung, if once, is a miss. Those that meet all of "
        "them "
        "come first, by what was asked for; there are no scores. What was not measured is said, "
        "with the command that measures it. RUN is r7, 7 or the beginning of a run's uuid; the "
        "latest one if it is left out.",
    .operands = "[RUN]",
    .max_operands = 1,
    .options = advise_options,
    .n_options = ARRAY_SIZE(advise_options),
    .examples = advise_examples,
    .n_examples = ARRAY_SIZE(advise_examples),
    .run = advise_run,
};

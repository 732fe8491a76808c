/* cupel replicate: which published claims hold on this machine. */
#include "cli/claims-files.h"
#include "cli/cmd-run.h"
#include "cli/commands.h"

#include "report/claims.h"
#include "report/report.h"

#include <errno.h>

/* Runs to judge by. */
struct evidence {
    struct analysis *a;
    struct claim_run *runs;
    size_t n;
};

static void evidence_release(struct evidence *e)
{
    for (size_t i = 0; i < e->n; i++)
        analysis_release(&e->a[i]);
    free(e->a);
    free(e->runs);
}

static void evidence_init(struct evidence *e, size_t most)
{
    *e = (struct evidence){.a = xcalloc(most + 1, sizeof(*e->a)),
                           .runs = xcalloc(most + 1, sizeof(*e->runs))};
}

static int evidence_add(struct evidence *e, struct store *s, int64_t run, struct err *err)
{
    int r = analyse_progress(s, run, &e->a[e->n], err);

    if (r < 0)
        return r;
    e->runs[e->n] = (struct claim_run){.s = s, .a = &e->a[e->n]};
    e->n++;
    return 0;
}

/* ---- what is said ---- */

struct request {
    struct claims_list claims;
    const char *format;
};

static void request_release(struct request *q)
{
    claims_list_release(&q->claims);
}

static void put_one(const struct claims_view *v, const char *format, const struct style *style,
                    json_t *files, bool first, struct str *out)
{
    if (str_eq(format, "json")) {
        json_array_append_new(files, report_claims_json(v));
    } else if (str_eq(format, "csv")) {
        if (first)
            report_claims_csv_header(out);
        report_claims_csv(v, out);
    } else {
        if (!first)
            str_addc(out, '\n');
        if (str_eq(format, "md"))
            report_claims_markdown(v, out);
        else
            report_claims(v, style, out);
    }
}

static int put_verdicts(struct cli *cli, const struct request *q, const struct evidence *e,
                        struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    json_t *files = json_array();
    int r = 0;

    for (size_t i = 0; r == 0 && i < q->claims.n; i++) {
        struct claims_judged j = {NULL, NULL, {0}};
        r = claims_judge(q->claims.v[i], e->runs, e->n, &j, err);
        const struct claims_view v = {&j, e->runs, e->n};
        if (r == 0)
            put_one(&v, q->format, &cli->out, files, i == 0, &out);
        claims_judged_release(&j);
    }
    if (r == 0 && str_eq(q->format, "json"))
        report_json_text(json_pack("{s:O}", "files", files), &out);
    json_decref(files);
    return r < 0 ? r : cli_print(&out, err);
}

static int put_map(const struct request *q, struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;

    for (size_t i = 0; i < q->claims.n; i++)
        report_claims_map(q->claims.v[i], &out);
    return cli_print(&out, err);
}

/* ---- of stored runs, or of one made now ---- */

/* What is measured already cannot be measured otherwise. */
static int check_from(const struct options *o, struct err *err)
{
    static const char *const fine[] = {"from", "claims", "format", "db"};

    return options_only(o, "from", fine, ARRAY_SIZE(fine), "that run is measured already", err);
}

static int from_stored(struct cli *cli, const struct options *o, const struct request *q,
                       struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(evidence_release) struct evidence e = {NULL, NULL, 0};
    const char *spec;
    size_t n = 0;
    int r = check_from(o, err);

    while (options_nth(o, "from", n))
        n++;
    evidence_init(&e, n);
    if (r >= 0)
        r = cli_open_read(o, &s, err);
    for (size_t i = 0; r >= 0 && (spec = options_nth(o, "from", i)); i++) {
        int64_t run;
        r = store_run_find(s, spec, &run, err);
        if (r >= 0)
            r = evidence_add(&e, s, run, err);
    }
    return r < 0 ? r : put_verdicts(cli, q, &e, err);
}

static int show_measured(struct cli *cli, struct store *s, const struct options *o, int64_t run,
                         void *user, struct err *err)
{
    _cleanup_(evidence_release) struct evidence e = {NULL, NULL, 0};
    const struct request *q = user;

    (void)o;
    evidence_init(&e, 1);
    int r = evidence_add(&e, s, run, err);
    return r < 0 ? r : put_verdicts(cli, q, &e, err);
}

static int replicate_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(request_release) struct request q = {.format = options_text(o, "format", "text")};
    const char *spec;
    int r = 0;

    for (size_t i = 0; r >= 0 && (spec = options_nth(o, "claims", i)); i++)
        r = claims_list_add(&q.claims, spec, err);
    if (r >= 0 && q.claims.n == 0)
        r = claims_list_add(&q.claims, "paper", err);
    if (r < 0)
        return r;
    if (options_flag(o, "map"))
        return put_map(&q, err);
    if (options_given(o, "json"))
        return err_set(err, ERR_USAGE, EINVAL,
                       "--json is of cupel run; the verdicts as JSON: --format json");
    if (options_given(o, "from"))
        return from_stored(cli, o, &q, err);
    return run_measured(cli, o, "paper", show_measured, &q, err);
}

static const struct option_def replicate_options[] = {
    {.name = "from",
     .arg = "RUN",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "judge by this stored run instead of a new one, each claim by the first that can "
             "decide it"},
    {.name = "claims",
     .arg = "NAME|FILE",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "whose claims: paper (the default), crun, gvisor, or a file of yours"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .kind = OPTION_CHOICE,
     .choices = "text|md|csv|json",
     .help = "text (default), md, csv, json"},
    {.name = "map",
     .kind = OPTION_FLAG,
     .help = "instead of verdicts: which command does what the source did, and where that stands "
             "in its output, as Markdown"},
};

static const struct example replicate_examples[] = {
    {"cupel replicate", "run the paper suite, and say which of the paper's claims hold here"},
    {"cupel replicate --scale 0.1 --target host --target runc --target runsc:ptrace",
     "a shorter one, on some targets"},
    {"cupel replicate --from r7 --from r9",
     "by stored runs, for instance of the paper and of the lifecycle suite"},
    {"cupel replicate --from r9 --claims crun --claims gvisor --format md",
     "what crun and gVisor say of themselves"},
    {"cupel replicate --claims ./mine.yaml", "claims that you wrote down"},
};

const struct command cmd_replicate = {
    .name = "replicate",
    .summary = "which published claims hold on this machine",
    .description =
        "Answers for every claim that a paper (the one that cupel began with), crun's README or "
        "gVisor's guide makes whether it holds here: holds, does not hold, undecided, or cannot "
        "be tested here, because ...; with the interval beside the stated figure, and what was "
        "different there. Without --from it runs the paper suite first, as cupel run would.",
    .operands = "",
    .options = replicate_options,
    .n_options = ARRAY_SIZE(replicate_options),
    .like = &cmd_run,
    .examples = replicate_examples,
    .n_examples = ARRAY_SIZE(replicate_examples),
    .run = replicate_run,
};

/* cupel import: a run that was exported, here or elsewhere. */
#include "cli/commands.h"

#include "base/fd.h"
#include "base/log.h"
#include "fleet/runlog.h"
#include "store/exchange.h"

#include <errno.h>

/* The results are opened, and made where there are none, once there is something to store. */
static int import_text(const struct options *o, struct store **s, const struct str *text,
                       const char *name, struct str *out, struct err *err)
{
    int64_t run;
    int r = *s ? 0 : cli_open_write(o, s, err);

    if (r >= 0)
        r = exchange_import(*s, text->buf, text->len, name, &run, err);
    if (r < 0)
        return r;
    str_addf(out, "imported as r%lld\n", (long long)run);
    return 0;
}

static int import_logged(const struct options *o, struct store **s, const struct runlog *log,
                         const char *file, struct str *out, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    _cleanup_free_ char *name = xasprintf("%s: %s", file, log->key);
    struct fleet_machine m = {.status = -1};
    int r = runlog_unpack(log, &text, err);

    if (r == 0)
        r = runlog_outcome(log, &m, err);
    if (r < 0)
        return err_wrap(err, "%s", name);
    if (text.len > 0)
        return import_text(o, s, &text, name, out, err);
    return err_set(err, ERR_MEASUREMENT, ENODATA, "%s: %s: %s%s%s", name, m.hostname,
                   fleet_outcome_words(m.outcome), m.why[0] ? ": " : "", m.why);
}

/* What pods said, `kubectl logs`, with the runs in it. One that is no run does not keep the others
 * out. */
static int import_log(const struct options *o, struct store **s, struct str *log, const char *file,
                      struct str *out, struct err *err)
{
    struct runlogs logs = VEC_INIT;
    int r = runlogs_read(log->buf, log->len, &logs, err), failed = 0;

    if (r < 0)
        err_wrap(err, "%s", file);
    VEC_FOREACH (&logs, const struct runlog, one) {
        struct err why = ERR_INIT;
        if (r < 0 || import_logged(o, s, one, file, out, &why) >= 0)
            continue;
        if (failed < 0)
            log_notice("%s", err->msg);
        *err = why;
        failed = -why.code;
    }
    runlogs_release(&logs);
    return r < 0 ? r : failed;
}

static int import_file(const struct options *o, struct store **s, const char *file, struct str *out,
                       struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    bool input = str_eq(file, "-");
    const char *name = input ? "standard input" : file;
    int r = input ? fd_read_all(STDIN_FILENO, EXCHANGE_MAX_BYTES, &text, err)
                  : file_read(file, EXCHANGE_MAX_BYTES, &text, err);

    if (r < 0)
        return r;
    return runlog_is_in(text.buf, text.len) ? import_log(o, s, &text, name, out, err)
                                            : import_text(o, s, &text, name, out, err);
}

/* One that cannot be imported does not keep the others out. */
static int import_files(const struct options *o, struct store **s, struct str *out, struct err *err)
{
    size_t failed = 0;

    for (size_t i = 0; i < o->operands.n; i++) {
        struct err why = ERR_INIT;
        if (import_file(o, s, o->operands.v[i], out, &why) >= 0)
            continue;
        failed++;
        if (o->operands.n > 1)
            log_notice("%s", why.msg);
        *err = why;
    }
    if (failed && o->operands.n > 1)
        err_set(err, err->kind, err->code, "%zu of %zu files were not imported", failed,
                o->operands.n);
    return failed ? -(err->code > 0 ? err->code : EINVAL) : 0;
}

static int import_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = import_files(o, &s, &out, err);
    int printed = cli_print(&out, r < 0 ? NULL : err);
    return r < 0 ? r : printed;
}

static const struct option_def import_options[] = {OPTION_DB};

static const struct example import_examples[] = {
    {"cupel import r7.json", "a run from another machine, to be shown here"},
    {"cupel import node*.json", "those of many machines, for cupel machines"},
    {"cupel import pods.log", "what kubectl logs said of pods that cupel k8s manifest described"},
};

const struct command cmd_import = {
    .name = "import",
    .summary = "read runs that export wrote",
    .description =
        "Adds exported runs to the results. Each file is checked as a whole first: either "
        "all of it is stored or nothing, and one that cannot be does not keep the others out. A "
        "run that is there already is refused. - reads standard input. The log of a pod that "
        "measured (docs/kubernetes.md) is such a file, too, also with those of others in it.",
    .operands = "FILE...",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .options = import_options,
    .n_options = ARRAY_SIZE(import_options),
    .examples = import_examples,
    .n_examples = ARRAY_SIZE(import_examples),
    .run = import_run,
};

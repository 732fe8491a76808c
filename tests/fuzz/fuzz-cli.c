/* The command line: words of a fuzzed argv through the option parser of the command they name, and
 * for run on to the plan that they make. The words are the input's lines.
 *
 * Beside not crashing: an error is one line of printable text with kind usage or environment; a
 * plan that was accepted can be written down and read again as the same plan. */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/run-plan.h"

#define WORDS_MAX 48

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check_error(const struct err *err)
{
    require(err->kind == ERR_USAGE || err->kind == ERR_ENVIRONMENT, "kind of the error");
    require(err->msg[0] != '\0', "an error has a text");
    for (const char *p = err->msg; *p; p++)
        require(*p == '\t' || (unsigned char)*p >= ' ', "an error is one line");
}

/* Words of exactly their size, so that a step too far is seen. */
static int split(const uint8_t *data, size_t n, char **argv)
{
    int argc = 0;

    for (size_t i = 0; i < n && argc < WORDS_MAX;) {
        size_t len = 0;
        while (i + len < n && data[i + len] != '\n' && data[i + len] != '\0')
            len++;
        argv[argc++] = xstrndup((const char *)data + i, len);
        i += len + 1;
    }
    argv[argc] = NULL;
    return argc;
}

static void look_at_values(const struct options *o)
{
    for (size_t i = 0; i < command_option_count(o->command); i++) {
        const struct option_def *d = command_option(o->command, i);
        bool given = options_given(o, d->name);
        require(given == options_flag(o, d->name), "flag and given agree");
        if (d->kind != OPTION_FLAG)
            require(given == (options_text(o, d->name, NULL) != NULL), "a value has its text");
        if (d->kind == OPTION_COUNT && given)
            require(options_u64(o, d->name, 0) >= d->min, "a count is within its bounds");
        if (d->kind == OPTION_FRACTION && given)
            require(options_fraction(o, d->name, 0) > 0, "a fraction is positive");
        require(given || !options_nth(o, d->name, 0), "nothing is there that was not given");
    }
}

static void known_targets(struct target_infos *ret)
{
    static const char *const names[] = {"host", "runc", "crun", "runsc:ptrace", "runsc:kvm"};
    size_t n_drivers;
    const char *const *drivers = driver_names(&n_drivers);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct target_info info = {.usable = i < 4, .why = i < 4 ? ERR_NONE : ERR_TIMEOUT};
        struct err err = ERR_INIT;
        require(target_parse(names[i], drivers, n_drivers, &info.target, &err) >= 0, names[i]);
        str_copy(info.path, sizeof(info.path), "/usr/bin/runtime");
        VEC_PUSH(ret, info);
    }
}

static void round_trip(const struct plan *p)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    struct err err = ERR_INIT;
    struct plan again;
    size_t n_drivers;
    const char *const *drivers = driver_names(&n_drivers);

    plan_init(&again);
    if (plan_format(p, &text, &err) >= 0) {
        int r = plan_parse(text.buf, text.len, "again", drivers, n_drivers, NULL, &again, &err);
        if (r < 0)
            fprintf(stderr, "%s\n%s\n", err.msg, text.buf);
        require(r >= 0, "a plan that was written can be read");
        require(plan_equal(p, &again), "and is the same");
    }
    plan_release(&again);
}

static void make_plan(const struct options *o)
{
    struct target_infos known = {0};
    struct err err = ERR_INIT;
    struct plan p;
    int r;

    plan_init(&p);
    known_targets(&known);
    r = run_plan_apply(o, &p, &err);
    if (r >= 0)
        r = run_plan_targets(o, &known, &p, &err);
    if (r < 0)
        check_error(&err);
    else
        round_trip(&p);
    for (size_t i = 0; r >= 0 && i < p.targets.n; i++) {
        /* As the driver says of a program that is not there, and of one that is. */
        struct target_info info = {.target = p.targets.v[i], .reason = "not here"};
        for (info.why = ERR_UNSUPPORTED; info.why <= ERR_USAGE; info.why++)
            if (run_plan_refuse(&info, &err) < 0)
                check_error(&err);
        info.usable = true;
        require(run_plan_refuse(&info, &err) == 0, "what is usable is not refused");
    }
    VEC_RELEASE(&known);
    plan_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *argv[WORDS_MAX + 1], *words[WORDS_MAX + 1];
    struct err err = ERR_INIT;
    const struct command *c;
    int argc = split(data, n, argv);

    /* getopt_long permutes argv; the words are freed by their own list. */
    memcpy(words, argv, sizeof(words));
    if (argc > 0 && command_find(argv[0], &c, &err) < 0) {
        check_error(&err);
    } else if (argc > 0) {
        _cleanup_(options_release) struct options o = {.command = c};
        if (options_parse(c, argc, argv, &o, &err) < 0) {
            check_error(&err);
        } else {
            look_at_values(&o);
            if (c == &cmd_run && !o.help)
                make_plan(&o);
        }
    }
    for (int i = 0; i < argc; i++)
        free(words[i]);
    return 0;
}

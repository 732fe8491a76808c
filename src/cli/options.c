#include "cli/options.h"

#include <errno.h>
#include <getopt.h>

/* What getopt_long returns for the i-th long option of the table; above every letter. */
#define LONG_BASE 1000
#define LONG_HELP 999

size_t command_option_count(const struct command *c)
{
    return c->n_options + (c->like ? c->like->n_options : 0);
}

const struct option_def *command_option(const struct command *c, size_t i)
{
    return i < c->n_options ? &c->options[i] : &c->like->options[i - c->n_options];
}

struct getopt_tables {
    struct option *longs;
    struct str shorts;
};

static void getopt_tables_release(struct getopt_tables *t)
{
    free(t->longs);
    str_release(&t->shorts);
}

static void getopt_tables_fill(const struct command *c, struct getopt_tables *t)
{
    size_t n = command_option_count(c);

    t->longs = xcalloc(n + 2, sizeof(*t->longs));
    str_init(&t->shorts);
    str_add(&t->shorts, ":h"); /* ':': a missing argument is told apart */
    for (size_t i = 0; i < n; i++) {
        const struct option_def *d = command_option(c, i);
        t->longs[i] = (struct option){
            .name = d->name,
            .has_arg = d->kind == OPTION_FLAG ? no_argument : required_argument,
            .val = LONG_BASE + (int)i,
        };
        if (d->letter) {
            str_addc(&t->shorts, d->letter);
            if (d->kind != OPTION_FLAG)
                str_addc(&t->shorts, ':');
        }
    }
    t->longs[n] = (struct option){.name = "help", .val = LONG_HELP};
}

static const struct option_def *option_of(const struct command *c, int val)
{
    if (val >= LONG_BASE)
        return command_option(c, (size_t)(val - LONG_BASE));
    for (size_t i = 0; i < command_option_count(c); i++)
        if (command_option(c, i)->letter == val)
            return command_option(c, i);
    return NULL;
}

static int choice_value(const struct option_def *d, const char *text, struct err *err)
{
    const char *names[16];
    size_t n = 0;
    _cleanup_free_ char *all = xstrdup(d->choices);
    char *save = NULL;

    for (char *w = strtok_r(all, "|", &save); w && n < ARRAY_SIZE(names);
         w = strtok_r(NULL, "|", &save)) {
        if (str_eq(w, text))
            return 0;
        names[n++] = w;
    }
    const char *near = str_nearest(text, names, n);
    if (near)
        return err_set(err, ERR_USAGE, EINVAL, "--%s: \"%s\" is none of %s; did you mean %s?",
                       d->name, text, d->choices, near);
    return err_set(err, ERR_USAGE, EINVAL, "--%s: \"%s\" is none of %s", d->name, text, d->choices);
}

/* Length of the UTF-8 sequence at s, its code point in *ret; 0 if it is none. */
static size_t utf8_decode(const unsigned char *s, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));

    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    *ret = c;
    return n && c >= least[n] && c <= 0x10ffff ? n : 0;
}

/* Text that a plan file can hold: UTF-8 without control characters and what is no character. Names
 * of files are the file system's business. */
static bool is_text(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    uint32_t c;

    for (size_t n; *s; s += n) {
        n = utf8_decode(s, &c);
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) ||
            c == 0xfeff || c == 0xfffe || c == 0xffff)
            return false;
    }
    return true;
}

static int value_parse(const struct option_def *d, const char *text, struct option_value *v,
                       struct err *err)
{
    char what[64];
    int r = 0;

    *v = (struct option_value){.def = d, .text = text};
    str_format(what, sizeof(what), "--%s", d->name);
    switch (d->kind) {
    case OPTION_FLAG:
    case OPTION_TEXT:
        break;
    case OPTION_COUNT:
        r = parse_u64(text, d->min, d->max ? d->max : UINT64_MAX, what, &v->number, err);
        break;
    case OPTION_DURATION:
        r = parse_duration_ns(text, what, &v->number, err);
        break;
    case OPTION_FRACTION:
        r = parse_fraction(text, what, &v->fraction, err);
        if (r >= 0 && !(v->fraction > 0 && v->fraction <= 1))
            r = err_set(err, ERR_USAGE, EINVAL, "%s: \"%s\" is not between 0 and 100%%", what,
                        text);
        break;
    case OPTION_CHOICE:
        r = choice_value(d, text, err);
        break;
    }
    if (r < 0)
        return r;
    if (d->kind == OPTION_TEXT && text[0] == '\0')
        return err_set(err, ERR_USAGE, EINVAL, "%s wants %s, not an empty text", what, d->arg);
    if (d->kind == OPTION_TEXT && !str_eq(d->arg, "FILE") && !is_text(text))
        return err_set(err, ERR_USAGE, EINVAL, "%s: \"%s\" has control characters or is not UTF-8",
                       what, text);
    return 0;
}

/* word is what was typed, with its dashes. */
static int unknown_option(const struct command *c, const char *word, struct err *err)
{
    const char *names[64];
    size_t n = 0;
    char bare[64];

    if (word[0] == '-' && word[1] && word[1] != '-')
        return err_set(err, ERR_USAGE, EINVAL, "%s: no option \"%s\" (cupel %s --help lists all)",
                       c->name, word, c->name);
    str_copy(bare, sizeof(bare), word + 2);
    bare[strcspn(bare, "=")] = '\0';
    names[n++] = "help";
    for (size_t i = 0; i < command_option_count(c) && n < ARRAY_SIZE(names); i++)
        names[n++] = command_option(c, i)->name;
    const char *near = str_nearest(bare, names, n);
    if (near)
        return err_set(err, ERR_USAGE, EINVAL, "%s: no option \"--%s\"; did you mean --%s?",
                       c->name, bare, near);
    return err_set(err, ERR_USAGE, EINVAL, "%s: no option \"--%s\" (cupel %s --help lists all)",
                   c->name, bare, c->name);
}

/* getopt's '?' covers unknown, ambiguous and superfluous arguments alike; optopt holds the letter
 * of a short option, else the word is a long one. */
static int refuse(const struct command *c, const char *word, struct err *err)
{
    if (optopt != 0 && optopt < LONG_HELP) { /* a byte above 127 is a negative one */
        char text[8];
        str_format(text, sizeof(text), "-%c", optopt);
        return unknown_option(c, text, err);
    }
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) - 2 : strlen(word) - 2, matches = 0;
    const struct option_def *match = NULL;
    for (size_t i = 0; i < command_option_count(c); i++) {
        if (strncmp(command_option(c, i)->name, word + 2, n) != 0)
            continue;
        match = command_option(c, i);
        matches++;
        if (match->name[n] == '\0') {
            matches = 1;
            break;
        }
    }
    if (matches == 1 && eq && match->kind == OPTION_FLAG)
        return err_set(err, ERR_USAGE, EINVAL, "%s: --%s takes no value", c->name, match->name);
    if (matches > 1 && n > 0)
        return err_set(err, ERR_USAGE, EINVAL, "%s: \"%.*s\" could be several options, e.g. --%s",
                       c->name, (int)(n + 2), word, match->name);
    return unknown_option(c, word, err);
}

static int option_add(struct options *o, const struct option_def *d, const char *text,
                      struct err *err)
{
    struct option_value v;
    int r;

    if (!d->repeatable && options_given(o, d->name))
        return err_set(err, ERR_USAGE, EINVAL, "%s: --%s is given twice", o->command->name,
                       d->name);
    r = value_parse(d, text, &v, err);
    if (r < 0)
        return r;
    VEC_PUSH(&o->values, v);
    return 0;
}

static int options_scan(const struct command *c, int argc, char **argv, struct options *o,
                        struct err *err)
{
    _cleanup_(getopt_tables_release) struct getopt_tables t;
    int r = 0, val, behind = 0;

    /* getopt moves words about, so first: how many stand behind `--`. */
    for (int i = 1; i < argc && !behind; i++)
        if (str_eq(argv[i], "--"))
            behind = argc - i - 1;
    getopt_tables_fill(c, &t);
    optind = 0; /* glibc: start afresh, whatever was parsed before */
    opterr = 0;
    while (r >= 0) {
        val = getopt_long(argc, argv, t.shorts.buf, t.longs, NULL);
        if (val == -1)
            break;
        if (val == 'h' || val == LONG_HELP) {
            o->help = true;
        } else if (val == '?') {
            r = refuse(c, argv[optind - 1], err);
        } else if (val == ':') {
            const struct option_def *d = option_of(c, optopt);
            r = err_set(err, ERR_USAGE, EINVAL, "%s: --%s wants %s", c->name, d->name, d->arg);
        } else {
            r = option_add(o, option_of(c, val), optarg, err);
        }
    }
    if (r >= 0 && c->after_dashes && !o->help && argc - optind > behind)
        r = err_set(err, ERR_USAGE, EINVAL,
                    "%s: \"%s\" is too much; a command of yours comes after --", c->name,
                    argv[optind]);
    for (int i = optind; r >= 0 && i < argc; i++)
        VEC_PUSH(&o->operands, argv[i]);
    return r;
}

int options_parse(const struct command *c, int argc, char **argv, struct options *ret,
                  struct err *err)
{
    _cleanup_(options_release) struct options o = {.command = c};
    int r = options_scan(c, argc, argv, &o, err);

    if (r < 0)
        return r;
    if (!o.help && o.operands.n > c->max_operands)
        return err_set(err, ERR_USAGE, EINVAL, "%s: \"%s\" is too much; usage: cupel %s%s%s%s",
                       c->name, o.operands.v[c->max_operands], c->name,
                       c->n_options ? " [options]" : "", c->operands[0] ? " " : "", c->operands);
    if (!o.help && o.operands.n < c->min_operands)
        return err_set(err, ERR_USAGE, EINVAL, "%s: %s is missing (cupel %s --help)", c->name,
                       c->operands, c->name);
    *ret = o;
    o = (struct options){.command = c};
    return 0;
}

void options_release(struct options *o)
{
    VEC_RELEASE(&o->values);
    VEC_RELEASE(&o->operands);
}

static const struct option_value *value_last(const struct options *o, const char *name)
{
    for (size_t i = o->values.n; i > 0; i--)
        if (str_eq(o->values.v[i - 1].def->name, name))
            return &o->values.v[i - 1];
    return NULL;
}

bool options_flag(const struct options *o, const char *name)
{
    return value_last(o, name) != NULL;
}

bool options_given(const struct options *o, const char *name)
{
    return value_last(o, name) != NULL;
}

const char *options_text(const struct options *o, const char *name, const char *fallback)
{
    const struct option_value *v = value_last(o, name);
    return v ? v->text : fallback;
}

uint64_t options_u64(const struct options *o, const char *name, uint64_t fallback)
{
    const struct option_value *v = value_last(o, name);
    return v ? v->number : fallback;
}

double options_fraction(const struct options *o, const char *name, double fallback)
{
    const struct option_value *v = value_last(o, name);
    return v ? v->fraction : fallback;
}

const char *options_nth(const struct options *o, const char *name, size_t i)
{
    VEC_FOREACH (&o->values, const struct option_value, v)
        if (str_eq(v->def->name, name) && i-- == 0)
            return v->text;
    return NULL;
}

int options_only(const struct options *o, const char *with, const char *const *fine, size_t n,
                 const char *why, struct err *err)
{
    VEC_FOREACH (&o->values, const struct option_value, v) {
        bool ok = false;
        for (size_t i = 0; i < n; i++)
            ok = ok || str_eq(v->def->name, fine[i]);
        if (!ok)
            return err_set(err, ERR_USAGE, EINVAL, "--%s cannot be given with --%s: %s",
                           v->def->name, with, why);
    }
    return 0;
}

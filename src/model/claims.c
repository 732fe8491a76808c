#include "model/claims.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

#define TEST_NAME(id, name) [CLAIM_##id] = name,

const char *claim_test_name(enum claim_test t)
{
    static const char *const names[CLAIM_TEST_COUNT] = {CLAIM_TESTS(TEST_NAME)};
    return names[t];
}

const char *claim_agrees_name(enum claim_agrees a)
{
    static const char *const names[] = {
        [AGREES_UNSAID] = "",
        [AGREES_YES] = "yes",
        [AGREES_ROUNDING] = "rounding",
        [AGREES_NO] = "no",
    };
    return names[a];
}

const char *claim_formula_name(enum claim_formula f)
{
    static const char *const names[] = {
        [FORMULA_NONE] = "",
        [FORMULA_OVERHEAD] = "overhead",
        [FORMULA_DIFFERENCE] = "difference",
        [FORMULA_RATIO] = "ratio",
        [FORMULA_SUM] = "sum",
        [FORMULA_PERCENT_OF] = "percent-of",
    };
    return names[f];
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool claim_target_is(const struct target *choice, const struct target *t)
{
    if (t->inject[0]) /* slowed down on purpose */
        return false;
    return str_eq(choice->driver, t->driver) && str_eq(choice->platform, t->platform) &&
           str_eq(last_part(choice->runtime), last_part(t->runtime));
}

/* ---- figures ---- */

static bool figure_word(const char *text, struct claim_figure *f)
{
    static const struct {
        const char *word;
        enum claim_is is;
    } words[] = {
        {"alike", IS_ALIKE},         {"more", IS_MORE},           {"less", IS_LESS},
        {"much more", IS_MUCH_MORE}, {"much less", IS_MUCH_LESS},
    };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!str_eq(text, words[i].word))
            continue;
        f->is = words[i].is;
        return true;
    }
    return false;
}

static const char *skip_sign(const char *text, struct claim_figure *f)
{
    static const struct {
        const char *sign;
        enum claim_is is;
    } signs[] = {{"<=", IS_AT_MOST}, {">=", IS_AT_LEAST}, {"<", IS_BELOW}, {">", IS_ABOVE}};

    f->is = IS_ABOUT;
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
        if (!str_starts(text, signs[i].sign))
            continue;
        f->is = signs[i].is;
        text += strlen(signs[i].sign);
        break;
    }
    while (*text == ' ')
        text++;
    return text;
}

static int wrong_figure(const char *text, struct err *err)
{
    return err_set(err, ERR_USAGE, EINVAL,
                   "\"%.40s\" is no figure; expected one such as \"4.67 %%\", \"< 1 %%\", \"1.62 "
                   "s\", \"2.7 times\", or alike, more, less, much more, much less",
                   text);
}

static unsigned decimals_of(const char *number)
{
    const char *dot = strchr(number, '.');
    return dot ? (unsigned)strspn(dot + 1, "0123456789") : 0;
}

int claim_figure_parse(const char *text, struct claim_figure *ret, struct err *err)
{
    struct claim_figure f = {.scale = SCALE_PLAIN};
    char number[32];

    if (!str_copy(f.text, sizeof(f.text), text))
        return wrong_figure(text, err);
    if (!figure_word(text, &f)) {
        const char *p = skip_sign(text, &f);
        size_t n = strspn(p, "+-.0123456789eE");
        if (n == 0 || n >= sizeof(number))
            return wrong_figure(text, err);
        str_format(number, sizeof(number), "%.*s", (int)n, p);
        if (parse_double(number, -1e15, 1e15, "is", &f.value, NULL) < 0)
            return wrong_figure(text, err);
        f.decimals = decimals_of(number);
        for (p += n; *p == ' '; p++)
            ;
        if (!str_copy(f.unit, sizeof(f.unit), p))
            return wrong_figure(text, err);
        f.scale = str_eq(p, "%") ? SCALE_PERCENT : str_eq(p, "times") ? SCALE_TIMES : SCALE_PLAIN;
        if (f.scale == SCALE_PERCENT)
            f.value /= 100;
    }
    *ret = f;
    return 0;
}

/* ---- release ---- */

static void claim_release(struct claim_item *c)
{
    free(c->text);
    free(c->section);
    free(c->place);
    free(c->note);
}

void claims_free(struct claims *c)
{
    if (!c)
        return;
    free(c->title);
    free(c->authors);
    free(c->year);
    free(c->url);
    free(c->retrieved);
    for (size_t i = 0; i < c->n_conditions; i++)
        free(c->conditions[i].text);
    for (size_t i = 0; c->names && i < c->n_names; i++)
        free(c->names[i].title);
    free(c->names);
    VEC_FOREACH (&c->all, struct claim_item, claim)
        claim_release(claim);
    VEC_RELEASE(&c->all);
    VEC_FOREACH (&c->steps, struct claim_step, s) {
        free(s->place);
        free(s->what);
        free(s->command);
        free(s->output);
    }
    VEC_RELEASE(&c->steps);
    free(c);
}

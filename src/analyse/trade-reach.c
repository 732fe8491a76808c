#include "analyse/trade-reach.h"

#include "wire/callset.h"

#include <jansson.h>
#include <math.h>

#define NAMESPACES 8  /* that Linux has */
#define ITEMS_MAX  64 /* of a list of namespaces or paths; an imported one may be of any length */

static const char *const sides[] = {"payload", "sandbox"};

struct first_facts {
    size_t n_targets;
    json_t **v; /* n_targets; NULL: none */
};

static int take_trial(void *user, const struct trial *t)
{
    struct first_facts *f = user;

    VEC_FOREACH (&t->parts, const struct part, p)
        if (p->target < f->n_targets && p->outcome == OUTCOME_OK && p->facts && !f->v[p->target])
            f->v[p->target] = json_loads(p->facts, 0, NULL);
    return 0;
}

static int read_facts(struct store *s, const struct analysis *a, const char *cell,
                      struct first_facts *ret, struct err *err)
{
    int r = 0;

    ret->n_targets = a->n_targets;
    ret->v = xcalloc(a->n_targets + 1, sizeof(json_t *));
    for (uint32_t k = 0; r >= 0 && k < a->n_cells; k++)
        if (str_eq(a->head.plan.cells.v[k].name, cell))
            r = store_trials(s, a->head.id, (int32_t)k, take_trial, ret, err);
    return r;
}

static void first_facts_release(struct first_facts *f)
{
    for (size_t i = 0; f->v && i < f->n_targets; i++)
        json_decref(f->v[i]);
    free(f->v);
}

static const json_t *of_side(const json_t *facts, const char *what, const char *side,
                             const char *more)
{
    _cleanup_free_ char *key = xasprintf("%s_%s%s", what, side, more);
    return json_object_get(facts, key);
}

static void count_set(struct trade_value *v, double n)
{
    v->has = true;
    v->e = (struct estimate){n, NAN, NAN, 0, 0};
}

/* The length of the name that a list begins with: "(ro)" belongs to no name. */
static size_t name_length(const char *list, size_t item)
{
    return item > 4 && strncmp(list + item - 4, "(ro)", 4) == 0 ? item - 4 : item;
}

static bool is_in(const char *list, const char *name, size_t length)
{
    for (size_t n, i = 0; list && *list && i < ITEMS_MAX; list += n + (list[n] == ','), i++) {
        n = strcspn(list, ",");
        if (name_length(list, n) == length && strncmp(list, name, length) == 0)
            return true;
    }
    return false;
}

/* Items of the list that are not in `before`. */
static size_t count_new(const char *list, const char *before)
{
    size_t count = 0;

    for (size_t n, i = 0; list && *list && i < ITEMS_MAX; list += n + (list[n] == ','), i++) {
        n = strcspn(list, ",");
        count += !is_in(before, list, name_length(list, n));
    }
    return count;
}

/* Different items of both sides' lists. */
static void put_union(const json_t *facts, const char *what, struct trade_value *v)
{
    const char *payload = json_string_value(of_side(facts, what, sides[0], ""));
    const char *sandbox = json_string_value(of_side(facts, what, sides[1], ""));

    if (payload || sandbox)
        count_set(v, (double)(count_new(payload, NULL) + count_new(sandbox, payload)));
}

static void put_could(const json_t *facts, const struct callset *answered, struct trade_value *v)
{
    struct callset all = {{false}}, one;
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        v->at_least |= json_integer_value(of_side(facts, "could", sides[i], "_unknown")) > 0;
        if (callset_parse(json_string_value(of_side(facts, "could", sides[i], "_bits")), &one) < 0)
            continue;
        known = true;
        for (size_t n = 0; n < CALLSET_MAX; n++)
            all.has[n] |= one.has[n] && answered->has[n];
    }
    if (known)
        count_set(v, (double)callset_count(&all));
}

/* What the host's kernel answers at all; all numbers where the run did not ask. */
static size_t host_answers(const struct analysis *a, const struct first_facts *answered,
                           struct callset *ret)
{
    for (size_t i = 0; i < a->n_targets; i++)
        if (str_eq(a->head.plan.targets.v[i].driver, "host") &&
            callset_parse(json_string_value(json_object_get(answered->v[i], "answered_bits")),
                          ret) == 0)
            return callset_count(ret);
    memset(ret->has, true, sizeof(ret->has));
    return CALLSET_MAX;
}

int trade_reach(struct store *s, const struct analysis *a, struct trade *t, struct err *err)
{
    _cleanup_(first_facts_release) struct first_facts host = {0}, answered = {0};
    struct callset base;
    int r = read_facts(s, a, "reach.host", &host, err);

    if (r >= 0)
        r = read_facts(s, a, "reach.answered", &answered, err);
    if (r < 0)
        return r;
    t->rows[TRADE_COULD].of = host_answers(a, &answered, &base);
    t->rows[TRADE_NAMESPACES].of = NAMESPACES;
    for (enum trade_measure m = TRADE_COULD; m <= TRADE_PATHS; m++)
        if (m != TRADE_ANSWERED)
            t->rows[m].cells = t->rows[TRADE_MADE].cells;
    for (size_t i = 0; i < a->n_targets; i++) {
        const json_t *facts = host.v[i];
        const json_t *caps = json_object_get(facts, "host_capabilities");
        const json_t *asked = json_object_get(facts, "host_paths_asked");
        for (enum trade_measure m = TRADE_COULD; m <= TRADE_PATHS; m++)
            if (m != TRADE_ANSWERED)
                t->rows[m].values[i].alone = t->rows[TRADE_MADE].values[i].alone;
        put_could(facts, &base, &t->rows[TRADE_COULD].values[i]);
        put_union(facts, "shares", &t->rows[TRADE_NAMESPACES].values[i]);
        put_union(facts, "host_paths", &t->rows[TRADE_PATHS].values[i]);
        if (json_is_integer(caps))
            count_set(&t->rows[TRADE_CAPS].values[i], (double)json_integer_value(caps));
        if (json_integer_value(asked) > 0)
            t->rows[TRADE_PATHS].of = (size_t)json_integer_value(asked);
    }
    return 0;
}

/* One claim of a claims file, and the test that decides it. */
#include "model/claims-parse.h"

#include <errno.h>
#include <math.h>

/* ---- names ---- */

bool claims_name_find(const struct claims *c, const char *name, size_t *ret)
{
    for (size_t i = 0; i < c->n_names; i++) {
        if (!str_eq(c->names[i].name, name))
            continue;
        *ret = i;
        return true;
    }
    return false;
}

int claims_take_name(struct claims_reader *r, const char *key, const yaml_node_t *v, size_t *ret)
{
    const char *names[CLAIM_NAMES_MAX], *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);

    if (e < 0 || claims_name_find(r->c, text, ret))
        return e;
    for (size_t i = 0; i < r->c->n_names; i++)
        names[i] = r->c->names[i].name;
    const char *near = str_nearest(text, names, r->c->n_names);
    return yaml_complain(&r->y, v, "%s: \"%.40s\" is not among the targets above%s%s%s", key, text,
                         near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool in_cells(const struct claim_cells *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->name[i], name))
            return true;
    return false;
}

static bool cell_exists(const struct claims_reader *r, const char *name)
{
    if (cell_def_find(name) || in_cells(&r->c->planned, name))
        return true;
    for (size_t a = 0; r->known && a < r->known->apps.n; a++)
        for (size_t i = 0; i < r->known->apps.v[a]->n_metrics; i++)
            if (str_eq(r->known->apps.v[a]->metrics[i].cell, name))
                return true;
    return false;
}

static int unknown_cell(struct claims_reader *r, const char *key, const yaml_node_t *v,
                        const char *text)
{
    VEC(const char *) names = VEC_INIT;
    _cleanup_free_ char(*own)[CELL_NAME_MAX] = xcalloc(cell_def_count(), sizeof(*own));

    for (size_t i = 0; i < cell_def_count(); i++) {
        cell_def_name(cell_def_at(i), own[i]);
        VEC_PUSH(&names, own[i]);
    }
    for (size_t a = 0; r->known && a < r->known->apps.n; a++)
        for (size_t i = 0; i < r->known->apps.v[a]->n_metrics; i++)
            VEC_PUSH(&names, r->known->apps.v[a]->metrics[i].cell);
    const char *near = str_nearest(text, names.v, names.n);
    int e =
        yaml_complain(&r->y, v,
                      "%s: no cell \"%.60s\"%s%s%s (cells to come are listed under "
                      "planned)",
                      key, text, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    VEC_RELEASE(&names);
    return e;
}

static int add_cell(struct claims_reader *r, const char *key, const yaml_node_t *v)
{
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);

    if (e < 0)
        return e;
    if (!cell_exists(r, text))
        return unknown_cell(r, key, v, text);
    if (in_cells(r->cells, text))
        return yaml_complain(&r->y, v, "%s: %s is given twice", key, text);
    if (r->cells->n == CLAIM_CELLS_MAX)
        return yaml_complain(&r->y, v, "%s: more than %d cells", key, CLAIM_CELLS_MAX);
    str_copy(r->cells->name[r->cells->n++], CELL_NAME_MAX, text);
    return 0;
}

static int take_cells(struct claims_reader *r, const char *key, const yaml_node_t *v,
                      struct claim_cells *ret)
{
    r->cells = ret;
    return claims_take_list(r, key, v, CLAIM_CELLS_MAX, add_cell);
}

static int add_fact(struct claims_reader *r, const char *key, const yaml_node_t *v)
{
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);

    if (e == 0 && (!text[0] || r->facts->n == CLAIM_FACTS_MAX ||
                   !str_copy(r->facts->name[r->facts->n], CLAIM_FACT_MAX, text)))
        return yaml_complain(&r->y, v, "%s: \"%.60s\" is no name of a fact", key, text);
    if (e == 0)
        r->facts->n++;
    return e;
}

static int take_facts(struct claims_reader *r, const char *key, const yaml_node_t *v,
                      struct claim_facts *ret)
{
    r->facts = ret;
    return claims_take_list(r, key, v, CLAIM_FACTS_MAX, add_fact);
}

/* ---- what a test says ---- */

static int set_cells(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return take_cells(r, key, v, &r->claim->cells);
}

static int set_than(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return take_cells(r, key, v, &r->claim->than);
}

static int set_of(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return claims_take_name(r, key, v, &r->claim->of);
}

static int set_over(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return claims_take_name(r, key, v, &r->claim->over);
}

static int set_fact(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return take_facts(r, key, v, &r->claim->facts);
}

static int set_less(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return take_facts(r, key, v, &r->claim->less);
}

static int set_share(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return take_facts(r, key, v, &r->claim->share);
}

static int set_times(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    int e = claims_take_number(r, key, v, &r->claim->times);
    return e == 0 && r->claim->times <= 0 ? yaml_complain(&r->y, v, "%s: has to be above 0", key)
                                          : e;
}

static int set_as(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && !str_eq(text, "time") && !str_eq(text, "rate"))
        return yaml_complain(&r->y, v, "%s: expected time or rate", key);
    if (e == 0)
        r->claim->as = str_eq(text, "rate") ? AS_RATE : AS_TIME;
    return e;
}

static int add_to_group(struct claims_reader *r, const char *key, const yaml_node_t *v)
{
    return claims_take_name(r, key, v, &r->group->name[r->group->n++]);
}

static int add_group(struct claims_reader *r, const char *key, const yaml_node_t *v)
{
    r->group = &r->claim->groups[r->claim->n_groups++];
    return claims_take_list(r, key, v, CLAIM_NAMES_MAX, add_to_group);
}

static int set_order_of(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, "a list of targets, least first");
    if (e == 0)
        e = claims_take_list(r, key, v, CLAIM_GROUPS_MAX, add_group);
    if (e == 0 && r->claim->n_groups < 2)
        e = yaml_complain(&r->y, v, "%s: an order takes two targets at the least", key);
    return e;
}

static int take_test(struct claims_reader *r, const char *key, const yaml_node_t *v,
                     enum claim_test test, const struct yaml_key *keys, size_t n)
{
    if (r->test)
        return yaml_complain(&r->y, v, "%s: a claim has one test, and there is one already", key);
    r->test = v;
    r->claim->test = test;
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "a mapping with cell and of");
    if (e == 0)
        e = yaml_mapping(&r->y, v, keys, n, r);
    if (e == 0 && r->claim->cells.n == 0)
        e = yaml_complain(&r->y, v, "%s: no cell", key);
    if (e == 0 && test != CLAIM_ORDER && r->claim->of == CLAIM_NO_NAME)
        e = yaml_complain(&r->y, v, "%s: of which target?", key);
    return e;
}

static int set_overhead(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {{"cell", set_cells},
                                           {"cells", set_cells},
                                           {"of", set_of},
                                           {"over", set_over},
                                           {"than", set_than}};
    struct claims_reader *r = user;
    int e = take_test(r, key, v, CLAIM_OVERHEAD, keys, ARRAY_SIZE(keys));
    if (e == 0 && r->claim->over == CLAIM_NO_NAME)
        r->claim->over = r->c->base;
    if (e == 0 && r->claim->over == CLAIM_NO_NAME)
        e = yaml_complain(&r->y, v, "%s: over which target? (or say base: for all)", key);
    return e;
}

static int set_growth(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {
        {"cell", set_cells}, {"from", set_than}, {"of", set_of}, {"over", set_over}};
    struct claims_reader *r = user;
    int e = take_test(r, key, v, CLAIM_GROWTH, keys, ARRAY_SIZE(keys));
    return e == 0 && r->claim->than.n == 0 ? yaml_complain(&r->y, v, "%s: from which cell?", key)
                                           : e;
}

static int set_value(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {
        {"cell", set_cells}, {"of", set_of}, {"as", set_as}, {"times", set_times}};
    return take_test(user, key, v, CLAIM_VALUE, keys, ARRAY_SIZE(keys));
}

static int set_difference(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {{"cell", set_cells},
                                           {"of", set_of},
                                           {"over", set_over},
                                           {"as", set_as},
                                           {"times", set_times}};
    struct claims_reader *r = user;
    int e = take_test(r, key, v, CLAIM_DIFFERENCE, keys, ARRAY_SIZE(keys));
    if (e == 0 && r->claim->over == CLAIM_NO_NAME)
        e = yaml_complain(&r->y, v, "%s: over which target?", key);
    return e;
}

static int set_fact_test(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {
        {"cell", set_cells}, {"fact", set_fact},   {"of", set_of},      {"over", set_over},
        {"less", set_less},  {"share", set_share}, {"times", set_times}};
    struct claims_reader *r = user;
    int e = take_test(r, key, v, CLAIM_FACT, keys, ARRAY_SIZE(keys));
    return e == 0 && r->claim->facts.n == 0 ? yaml_complain(&r->y, v, "%s: which fact?", key) : e;
}

static int set_order(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {
        {"cell", set_cells}, {"cells", set_cells}, {"of", set_order_of}, {"fact", set_fact}};
    struct claims_reader *r = user;
    int e = take_test(r, key, v, CLAIM_ORDER, keys, ARRAY_SIZE(keys));
    return e == 0 && r->claim->n_groups == 0 ? yaml_complain(&r->y, v, "%s: of which targets?", key)
                                             : e;
}

/* ---- the rest of a claim ---- */

static int set_id(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);

    if (e < 0)
        return e;
    if (!text[0] || strlen(text) >= CLAIM_ID_MAX ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
            strlen(text))
        return yaml_complain(&r->y, v, "%s: \"%.40s\" is no id (letters, digits, . and -)", key,
                             text);
    VEC_FOREACH (&r->c->all, const struct claim_item, old)
        if (str_eq(old->id, text))
            return yaml_complain(&r->y, v, "%s: %s is given twice", key, text);
    str_copy(r->claim->id, sizeof(r->claim->id), text);
    return 0;
}

#define CLAIM_TEXT_KEY(field)                                                                      \
    static int set_##field(void *user, const char *key, const yaml_node_t *v)                      \
    {                                                                                              \
        struct claims_reader *r = user;                                                            \
        return claims_take_text(r, key, v, &r->claim->field);                                      \
    }
CLAIM_TEXT_KEY(text)
CLAIM_TEXT_KEY(section)
CLAIM_TEXT_KEY(place)
CLAIM_TEXT_KEY(note)

static int set_better(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && better_parse(text, &r->claim->better) < 0)
        return yaml_complain(&r->y, v, "%s: expected higher or lower", key);
    r->claim->better_said = e == 0;
    return e;
}

static int set_is(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && claim_figure_parse(text, &r->claim->figure, r->y.err) < 0)
        return yaml_at(&r->y, v);
    return e;
}

static int set_recomputed(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    r->recomputed = true;
    return claims_take_number(r, key, v, &r->claim->recomputed);
}

static int set_agrees(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    for (enum claim_agrees a = AGREES_YES; a <= AGREES_NO; a++) {
        if (!str_eq(text, claim_agrees_name(a)))
            continue;
        r->claim->agrees = a;
        return 0;
    }
    return yaml_complain(&r->y, v, "%s: expected yes, rounding or no", key);
}

static int add_printed(struct claims_reader *r, const char *key, const yaml_node_t *v)
{
    struct claim_printed *p = &r->claim->printed;
    const char *text, *dot;
    int e = claims_take_number(r, key, v, &p->v[p->n]);
    if (e < 0)
        return e;
    text = yaml_scalar(v);
    dot = strchr(text, '.');
    p->decimals[p->n++] = dot ? (unsigned)strspn(dot + 1, "0123456789") : 0;
    return 0;
}

static int take_printed(struct claims_reader *r, const char *key, const yaml_node_t *v,
                        enum claim_formula f)
{
    struct claim_printed *p = &r->claim->printed;
    if (p->formula != FORMULA_NONE)
        return yaml_complain(&r->y, v, "printed: one formula, not two");
    p->formula = f;
    int e = claims_take_list(r, key, v, CLAIM_PRINTED_MAX, add_printed);
    if (e == 0 && (p->n < 2 || (f != FORMULA_SUM && p->n != 2)))
        e = yaml_complain(&r->y, v, "%s: expected two figures", key);
    bool divides = f == FORMULA_OVERHEAD || f == FORMULA_RATIO;
    if (e == 0 && divides && !(p->v[1] > 0 && p->v[0] > 0))
        e = yaml_complain(&r->y, v, "%s: figures have to be above 0", key);
    return e;
}

static int set_formula(void *user, const char *key, const yaml_node_t *v)
{
    enum claim_formula f = FORMULA_OVERHEAD;
    while (f < FORMULA_PERCENT_OF && !str_eq(claim_formula_name(f), key))
        f++;
    return take_printed(user, key, v, f);
}

static int set_printed(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {{"overhead", set_formula},
                                           {"difference", set_formula},
                                           {"ratio", set_formula},
                                           {"sum", set_formula},
                                           {"percent-of", set_formula}};
    struct claims_reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "a formula, e.g. {overhead: [90, 100]}");
    if (e == 0)
        e = yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r);
    return e == 0 && r->claim->printed.formula == FORMULA_NONE
               ? yaml_complain(&r->y, v, "%s: no formula", key)
               : e;
}

/* ---- does it hang together? ---- */

static bool is_percent_or_word(const struct claim_figure *f)
{
    return f->is >= IS_ALIKE || f->scale == SCALE_PERCENT || f->scale == SCALE_TIMES;
}

static int check_figure(struct claims_reader *r, const yaml_node_t *at)
{
    const struct claim_item *c = r->claim;
    const struct claim_figure *f = &c->figure;
    bool has = f->is != IS_PRINTED || c->printed.formula != FORMULA_NONE;

    if (c->test == CLAIM_ORDER)
        return f->is == IS_PRINTED
                   ? 0
                   : yaml_complain(&r->y, at, "%s: an order says all; is: has no place", c->id);
    if (!has)
        return yaml_complain(&r->y, at, "%s: what is it said to be? is: is missing", c->id);
    bool ratio = c->test == CLAIM_OVERHEAD || c->test == CLAIM_GROWTH;
    if (ratio && f->is != IS_PRINTED && !is_percent_or_word(f))
        return yaml_complain(&r->y, at, "%s: is: expected per cent, times, or a word", c->id);
    if (ratio && f->scale == SCALE_TIMES && !(f->value > 0))
        return yaml_complain(&r->y, at, "%s: is: times have to be above 0", c->id);
    if (ratio && c->test == CLAIM_OVERHEAD && c->better_said && c->better == BETTER_HIGHER &&
        f->scale == SCALE_PERCENT && !(f->value < 1))
        return yaml_complain(&r->y, at, "%s: is: more than 100 %% of a rate cannot be lost", c->id);
    if (ratio && f->scale == SCALE_PERCENT && !(f->value > -1))
        return yaml_complain(&r->y, at, "%s: is: nothing gets below -100 %%", c->id);
    if (!ratio && f->is >= IS_ALIKE)
        return yaml_complain(&r->y, at, "%s: is: expected a figure, not a word", c->id);
    if (c->test == CLAIM_FIGURES && c->printed.formula == FORMULA_NONE)
        return yaml_complain(&r->y, at, "%s: it has neither a test nor printed figures", c->id);
    return 0;
}

static int take_claim(struct claims_reader *r, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {
        {"id", set_id},
        {"text", set_text},
        {"section", set_section},
        {"place", set_place},
        {"note", set_note},
        {"better", set_better},
        {"is", set_is},
        {"printed", set_printed},
        {"agrees", set_agrees},
        {"recomputed", set_recomputed},
        {"overhead", set_overhead},
        {"growth", set_growth},
        {"value", set_value},
        {"difference", set_difference},
        {"fact", set_fact_test},
        {"order", set_order},
    };
    struct claim_item *c = r->claim;

    *c = (struct claim_item){.of = CLAIM_NO_NAME,
                             .over = CLAIM_NO_NAME,
                             .times = 1,
                             .test = CLAIM_FIGURES,
                             .recomputed = NAN};
    r->test = NULL;
    int e = yaml_need(&r->y, "claims", v, YAML_MAPPING_NODE, "a mapping with id and text");
    if (e == 0)
        e = yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r);
    if (e == 0 && (!c->id[0] || !c->text || !c->text[0]))
        e = yaml_complain(&r->y, v, "claims: each needs an id and a text");
    return e == 0 ? check_figure(r, v) : e;
}

static void fill_texts(struct claim_item *c)
{
    char **texts[] = {&c->section, &c->place, &c->note};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (!*texts[i])
            *texts[i] = xstrdup("");
}

int claims_take_all(struct claims_reader *r, const yaml_node_t *list)
{
    _cleanup_free_ struct claim_item *c = xcalloc(1, sizeof(*c)); /* large */
    size_t n = yaml_item_count(list);
    int e = 0;

    if (n > CLAIMS_MAX)
        return yaml_complain(&r->y, list, "claims: more than %d", CLAIMS_MAX);
    for (size_t i = 0; e == 0 && i < n; i++) {
        r->claim = c;
        e = take_claim(r, yaml_item(&r->y, list, i));
        /* Also a half-read one: it is released with all. */
        fill_texts(c);
        VEC_PUSH(&r->c->all, *c);
    }
    return e;
}

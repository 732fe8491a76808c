/* Claims files: claims.h has the form. What refers to names and planned cells is read when those
 * are known, whatever the order of the keys. */
#include "model/claims-parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

/* ---- texts and lists ---- */

int claims_take_text(struct claims_reader *r, const char *key, const yaml_node_t *v, char **ret)
{
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    free(*ret);
    *ret = xstrdup(text);
    return 0;
}

int claims_take_number(struct claims_reader *r, const char *key, const yaml_node_t *v, double *ret)
{
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && parse_double(text, -1e15, 1e15, key, ret, r->y.err) < 0)
        return yaml_at(&r->y, v);
    return e;
}

/* A scalar counts as a list of one. each: called with every item. */
int claims_take_list(struct claims_reader *r, const char *key, const yaml_node_t *v, size_t max,
                     int (*each)(struct claims_reader *r, const char *key, const yaml_node_t *v))
{
    if (v->type != YAML_SEQUENCE_NODE)
        return each(r, key, v);
    size_t n = yaml_item_count(v);
    int e = n == 0 || n > max ? yaml_complain(&r->y, v, "%s: expected a list of 1 to %zu", key, max)
                              : 0;
    for (size_t i = 0; e == 0 && i < n; i++)
        e = each(r, key, yaml_item(&r->y, v, i));
    return e;
}

/* A fraction as people write it, up to max. */
static int take_fraction(struct claims_reader *r, const char *key, const yaml_node_t *v, double max,
                         double *ret)
{
    const char *text;
    double x;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && parse_fraction(text, key, &x, r->y.err) < 0)
        return yaml_at(&r->y, v);
    if (e == 0 && !(x >= 0 && x <= max))
        return yaml_complain(&r->y, v, "%s: %s is not between 0 and %g %%", key, text, 100 * max);
    if (e == 0)
        *ret = x;
    return e;
}

/* ---- the head ---- */

#define TEXT_KEY(field)                                                                            \
    static int set_##field(void *user, const char *key, const yaml_node_t *v)                      \
    {                                                                                              \
        struct claims_reader *r = user;                                                            \
        return claims_take_text(r, key, v, &r->c->field);                                          \
    }
TEXT_KEY(title)
TEXT_KEY(authors)
TEXT_KEY(year)
TEXT_KEY(url)
TEXT_KEY(retrieved)

static int set_source(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {{"title", set_title},
                                           {"authors", set_authors},
                                           {"year", set_year},
                                           {"url", set_url},
                                           {"retrieved", set_retrieved}};
    struct claims_reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "a mapping of title, authors, year, url");
    return e == 0 ? yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r) : e;
}

static int set_name(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && !str_is_id(text, CLAIM_ID_MAX - 1))
        return yaml_complain(&r->y, v,
                             "%s: \"%.40s\" is no name (small letters, digits and -, at most %d)",
                             key, text, CLAIM_ID_MAX - 1);
    if (e == 0)
        str_copy(r->c->name, sizeof(r->c->name), text);
    return e;
}

/* Free names, such as the versions of runtimes; the report compares those that it knows. */
static int set_conditions(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "a mapping of what was, to how it was");
    if (e < 0)
        return e;
    for (yaml_node_pair_t *p = v->data.mapping.pairs.start; e == 0 && p < v->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = yaml_child(&r->y, p->key);
        const char *name = yaml_scalar(k);
        if (r->c->n_conditions == CLAIM_CONDITIONS)
            return yaml_complain(&r->y, k, "%s: more than %d", key, CLAIM_CONDITIONS);
        struct claim_condition *c = &r->c->conditions[r->c->n_conditions];
        if (!name || !name[0] || !str_copy(c->name, sizeof(c->name), name))
            return yaml_complain(&r->y, k, "%s: expected a short name", key);
        r->c->n_conditions++;
        e = claims_take_text(r, name, yaml_child(&r->y, p->value), &c->text);
    }
    return e;
}

static int set_relative(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return take_fraction(r, key, v, 1, &r->c->relative);
}

static int set_points(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return take_fraction(r, key, v, 1, &r->c->points);
}

static int set_alike(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return take_fraction(r, key, v, 1, &r->c->alike);
}

static int set_tolerance(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {
        {"relative", set_relative}, {"points", set_points}, {"alike", set_alike}};
    struct claims_reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "{relative: 25%, points: 2%, alike: 10%}");
    return e == 0 ? yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r) : e;
}

static int add_planned(struct claims_reader *r, const char *key, const yaml_node_t *v)
{
    struct claim_cells *p = &r->c->planned;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && (!text[0] || !str_copy(p->name[p->n], CELL_NAME_MAX, text)))
        return yaml_complain(&r->y, v, "%s: \"%.70s\" is no name of a cell", key, text);
    if (e == 0)
        p->n++;
    return e;
}

static int set_planned(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    r->c->planned.n = 0;
    return claims_take_list(r, key, v, CLAIM_CELLS_MAX, add_planned);
}

/* ---- targets ---- */

static int set_target_title(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return claims_take_text(r, key, v, &r->target->title);
}

static int add_choice(struct claims_reader *r, const char *key, const yaml_node_t *v)
{
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && target_parse(text, r->drivers, r->n_drivers, &r->target->choices[r->target->n],
                               r->y.err) < 0)
        return yaml_at(&r->y, v);
    if (e == 0)
        r->target->n++;
    return e;
}

static int set_target_is(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    return claims_take_list(r, key, v, CLAIM_CHOICES_MAX, add_choice);
}

static int take_target(struct claims_reader *r, const yaml_node_t *k, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {{"title", set_target_title}, {"is", set_target_is}};
    const char *name = yaml_scalar(k);
    size_t known;

    if (r->c->n_names == CLAIM_NAMES_MAX)
        return yaml_complain(&r->y, k, "targets: more than %d", CLAIM_NAMES_MAX);
    r->target = &r->c->names[r->c->n_names];
    if (!name || !name[0] || !str_copy(r->target->name, sizeof(r->target->name), name))
        return yaml_complain(&r->y, k, "targets: expected a short name");
    if (claims_name_find(r->c, name, &known))
        return yaml_complain(&r->y, k, "targets: \"%s\" is given twice", name);
    r->c->n_names++;
    int e = yaml_need(&r->y, name, v, YAML_MAPPING_NODE, "{title: ..., is: [runc]}");
    if (e == 0)
        e = yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r);
    if (e == 0 && r->target->n == 0)
        e = yaml_complain(&r->y, v, "%s: no target that it is", name);
    if (e == 0 && !r->target->title)
        r->target->title = xstrdup(name);
    return e;
}

static int set_targets(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "a mapping of names to targets");
    for (yaml_node_pair_t *p = e == 0 ? v->data.mapping.pairs.start : NULL;
         e == 0 && p < v->data.mapping.pairs.top; p++)
        e = take_target(r, yaml_child(&r->y, p->key), yaml_child(&r->y, p->value));
    return e;
}

/* ---- steps ---- */

#define STEP_KEY(field)                                                                            \
    static int set_step_##field(void *user, const char *key, const yaml_node_t *v)                 \
    {                                                                                              \
        struct claims_reader *r = user;                                                            \
        return claims_take_text(r, key, v, &r->step->field);                                       \
    }
STEP_KEY(place)
STEP_KEY(what)
STEP_KEY(command)
STEP_KEY(output)

static int set_steps(void *user, const char *key, const yaml_node_t *v)
{
    static const struct yaml_key keys[] = {{"place", set_step_place},
                                           {"what", set_step_what},
                                           {"command", set_step_command},
                                           {"output", set_step_output}};
    struct claims_reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, "a list of steps");
    for (size_t i = 0; e == 0 && i < yaml_item_count(v); i++) {
        const yaml_node_t *item = yaml_item(&r->y, v, i);
        if (r->c->steps.n == CLAIMS_MAX)
            return yaml_complain(&r->y, item, "%s: more than %d", key, CLAIMS_MAX);
        VEC_PUSH(&r->c->steps, (struct claim_step){NULL, NULL, NULL, NULL});
        r->step = &r->c->steps.v[r->c->steps.n - 1];
        e = yaml_need(&r->y, key, item, YAML_MAPPING_NODE, "{place: ..., what: ..., ...}");
        if (e == 0)
            e = yaml_mapping(&r->y, item, keys, ARRAY_SIZE(keys), r);
        if (e == 0 && (!r->step->place || !r->step->what))
            e = yaml_complain(&r->y, item, "%s: each needs a place and says what", key);
    }
    return e;
}

/* ---- the whole ---- */

static int set_base(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    (void)key;
    r->base = v;
    return 0;
}

static int set_claims(void *user, const char *key, const yaml_node_t *v)
{
    struct claims_reader *r = user;
    r->list = v;
    return yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, "a list of claims");
}

static int take_root(void *user, const yaml_node_t *root)
{
    static const struct yaml_key keys[] = {
        {"name", set_name},           {"source", set_source}, {"conditions", set_conditions},
        {"tolerance", set_tolerance}, {"base", set_base},     {"planned", set_planned},
        {"targets", set_targets},     {"claims", set_claims}, {"steps", set_steps},
    };
    struct claims_reader *r = user;
    int e = yaml_mapping(&r->y, root, keys, ARRAY_SIZE(keys), r);
    if (e == 0 && (!r->c->name[0] || !r->c->title))
        e = yaml_complain(&r->y, root, "name and source with its title are missing");
    if (e == 0 && !r->list)
        e = yaml_complain(&r->y, root, "there are no claims");
    if (e == 0 && r->base)
        e = claims_take_name(r, "base", r->base, &r->c->base);
    return e == 0 ? claims_take_all(r, r->list) : e;
}

int claims_parse(const char *text, size_t n, const char *name, const char *const *drivers,
                 size_t n_drivers, const struct plan *known, struct claims **ret, struct err *err)
{
    struct err local = ERR_INIT;
    struct claims_reader r = {
        .y = {.name = name, .err = err ? err : &local},
        .c = xcalloc(1, sizeof(struct claims)),
        .drivers = drivers,
        .n_drivers = n_drivers,
        .known = known,
    };
    r.c->names = xcalloc(CLAIM_NAMES_MAX, sizeof(*r.c->names));
    r.c->relative = .25;
    r.c->points = .02;
    r.c->alike = .10;
    r.c->base = CLAIM_NO_NAME;
    int e = yaml_read(&r.y, text, n, take_root, &r);
    if (e < 0) {
        claims_free(r.c);
        return e;
    }
    *ret = r.c;
    return 0;
}

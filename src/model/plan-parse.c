/* Plan files. libyaml makes nodes with marks; the tables below say which keys there are and what
 * each takes. Suites, workloads and parameters are applied at the end, in that order, whatever the
 * order of the keys. */
#include "model/plan.h"
#include "model/yamlread.h"

#include <errno.h>

#define ENTRIES_MAX 4096u

struct reader {
    struct yaml_reader y;
    const char *const *drivers;
    size_t n_drivers;
    struct plan plan;
    /* Kept for the end; NULL: not given. */
    const yaml_node_t *suite, *workloads, *parameters, *base, *aa;
    bool has_theta;
};

static int set_count(struct reader *r, const char *key, const yaml_node_t *v, uint64_t min,
                     uint64_t max, uint64_t *ret)
{
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    return parse_u64(text, min, max, key, ret, r->y.err) < 0 ? yaml_at(&r->y, v) : 0;
}

static int set_unsigned(struct reader *r, const char *key, const yaml_node_t *v, unsigned min,
                        unsigned max, unsigned *ret)
{
    uint64_t n;
    int e = set_count(r, key, v, min, max, &n);
    if (e == 0)
        *ret = (unsigned)n;
    return e;
}

static int set_fraction(struct reader *r, const char *key, const yaml_node_t *v, double *ret)
{
    const char *text;
    double f;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    if (parse_fraction(text, key, &f, r->y.err) < 0)
        return yaml_at(&r->y, v);
    if (f > PLAN_FRACTION_MAX)
        return yaml_complain(&r->y, v, "%s: %s is more than 50%%", key, text);
    *ret = f;
    return 0;
}

static int keep(struct reader *r, const char *key, const yaml_node_t *v, yaml_node_type_t type,
                const char *expected, const yaml_node_t **ret)
{
    if (v->type != type)
        return yaml_complain(&r->y, v, "%s: expected %s", key, expected);
    *ret = v;
    return 0;
}

static int set_suite(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return keep(r, key, v, YAML_SCALAR_NODE, "the name of a suite", &r->suite);
}

static int set_from_suite(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    if (!str_is_id(text, sizeof(r->plan.suite) - 1))
        return yaml_complain(&r->y, v, "%s: \"%.40s\" is no name of a suite", key, text);
    str_copy(r->plan.suite, sizeof(r->plan.suite), text);
    return 0;
}

static int set_workloads(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return keep(r, key, v, YAML_SEQUENCE_NODE, "a list of workloads", &r->workloads);
}

static int set_parameters(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return keep(r, key, v, YAML_MAPPING_NODE, "a mapping of names to values", &r->parameters);
}

static int set_base(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    if (!target_label_ok(text))
        return yaml_complain(&r->y, v, "%s: \"%.60s\" is no label", key, text);
    str_copy(r->plan.base, sizeof(r->plan.base), text);
    r->base = v;
    return 0;
}

static int set_targets(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    const yaml_node_t *unused;
    int e = keep(r, key, v, YAML_SEQUENCE_NODE, "a list of targets", &unused);
    if (e < 0)
        return e;
    for (size_t i = 0; i < yaml_item_count(v); i++) {
        const yaml_node_t *item = yaml_child(&r->y, v->data.sequence.items.start[i]);
        const char *text = yaml_scalar(item);
        if (!text)
            return yaml_complain(&r->y, item, "%s: expected a target", key);
        if (plan_add_target(&r->plan, text, r->drivers, r->n_drivers, r->y.err) < 0)
            return yaml_at(&r->y, item);
    }
    if (targets_make_unique(r->plan.targets.v, r->plan.targets.n, r->y.err) < 0)
        return yaml_at(&r->y, v);
    return 0;
}

static int set_cpus(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    return parse_double(text, 0, PLAN_LIMIT_CPUS_MAX, key, &r->plan.limits.cpus, r->y.err) < 0
               ? yaml_at(&r->y, v)
               : 0;
}

static int set_size(struct reader *r, const char *key, const yaml_node_t *v, uint64_t *ret)
{
    const char *text;
    uint64_t bytes;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    if (parse_size_bytes(text, key, &bytes, r->y.err) < 0)
        return yaml_at(&r->y, v);
    if (bytes > INT64_MAX)
        return yaml_complain(&r->y, v, "%s: %s is too large", key, text);
    *ret = bytes;
    return 0;
}

static int set_memory(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return set_size(r, key, v, &r->plan.limits.memory_bytes);
}

static int set_io(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return set_size(r, key, v, &r->plan.limits.io_bps);
}

static int set_pids(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return set_count(r, key, v, 0, UINT32_MAX, &r->plan.limits.pids);
}

static int set_limits(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    static const struct yaml_key keys[] = {
        {"cpus", set_cpus}, {"memory", set_memory}, {"pids", set_pids}, {"io", set_io}};
    const yaml_node_t *unused;
    int e = keep(r, key, v, YAML_MAPPING_NODE, "a mapping such as {memory: 512M}", &unused);
    return e < 0 ? e : yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r);
}

static int set_seed(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return set_count(r, key, v, 0, UINT64_MAX, &r->plan.seed);
}

static int set_theta(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    int e = set_fraction(r, key, v, &r->plan.theta);
    if (e == 0 && r->plan.theta <= 0)
        return yaml_complain(&r->y, v, "%s has to be more than 0", key);
    r->has_theta = true;
    return e;
}

static int set_gate(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    int e = set_fraction(r, key, v, &r->plan.gate);
    if (e == 0 && r->plan.gate < 0)
        return yaml_complain(&r->y, v, "%s has to be 0 or more", key);
    return e;
}

static int set_aa(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    r->aa = v;
    return yaml_yes_no(&r->y, key, v, &r->plan.aa);
}

static int set_precision(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return set_fraction(r, key, v, &r->plan.precision);
}

static int set_blocks(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return set_unsigned(r, key, v, 0, PLAN_BLOCKS_MAX, &r->plan.blocks);
}

static int set_repeats(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return set_unsigned(r, key, v, 0, PLAN_BLOCKS_MAX, &r->plan.repeats);
}

static int set_budget(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return yaml_duration(&r->y, key, v, 0, PLAN_TIME_MAX_NS, &r->plan.budget_ns);
}

static int set_interval(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return yaml_duration(&r->y, key, v, 0, PLAN_TIME_MAX_NS, &r->plan.interval_ns);
}

static int set_settle(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return yaml_duration(&r->y, key, v, 0, PLAN_TIME_MAX_NS, &r->plan.settle_ns);
}

static int set_slice(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return yaml_duration(&r->y, key, v, PLAN_SLICE_MIN_NS, PLAN_SLICE_MAX_NS, &r->plan.slice_ns);
}

static int set_rounds(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return set_unsigned(r, key, v, 1, PLAN_ROUNDS_MAX, &r->plan.rounds);
}

static int set_solo(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return yaml_yes_no(&r->y, key, v, &r->plan.solo);
}

static int set_drop_caches(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return yaml_yes_no(&r->y, key, v, &r->plan.drop_caches);
}

static int set_emulated_too(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    return yaml_yes_no(&r->y, key, v, &r->plan.emulated_too);
}

static int set_scaled(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    const char *text = yaml_scalar(v);
    double factor;
    if (!text || parse_double(text, PLAN_SCALE_MIN, 1, key, &factor, NULL) < 0)
        return yaml_complain(&r->y, v, "%s: expected a factor between %g and 1", key,
                             PLAN_SCALE_MIN);
    r->plan.scale = factor;
    return 0;
}

/* Each a text as in model/app.h, which its complaints call application N. */
static int set_applications(void *user, const char *key, const yaml_node_t *v)
{
    struct reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, "a list of texts");
    for (size_t i = 0; e == 0 && i < yaml_item_count(v); i++) {
        const yaml_node_t *item = yaml_item(&r->y, v, i);
        struct app *a = NULL;
        if (item->type != YAML_SCALAR_NODE)
            return yaml_complain(&r->y, item, "%s: expected a text", key);
        e = app_parse((const char *)item->data.scalar.value, item->data.scalar.length, key, &a,
                      r->y.err);
        if (e < 0)
            return yaml_at(&r->y, item);
        plan_know_app(&r->plan, a);
        app_unref(a);
    }
    return e;
}

static const struct yaml_key plan_keys[] = {
    {"suite", set_suite},
    {"from_suite", set_from_suite},
    {"targets", set_targets},
    {"workloads", set_workloads},
    {"parameters", set_parameters},
    {"limits", set_limits},
    {"base", set_base},
    {"seed", set_seed},
    {"theta", set_theta},
    {"precision", set_precision},
    {"blocks", set_blocks},
    {"repeats", set_repeats},
    {"budget", set_budget},
    {"interval", set_interval},
    {"settle", set_settle},
    {"slice", set_slice},
    {"rounds", set_rounds},
    {"solo", set_solo},
    {"applications", set_applications},
    {"drop_caches", set_drop_caches},
    {"emulated_too", set_emulated_too},
    {"scaled", set_scaled},
    {"gate", set_gate},
    {"aa", set_aa},
};

/* One "name: value" for cells. A preset may be repeated, but not changed. */
static int apply_param(struct reader *r, struct cell *cells, size_t n, const yaml_node_t *key,
                       const yaml_node_t *value)
{
    const char *name = yaml_scalar(key), *text = yaml_scalar(value);
    if (!name)
        return yaml_complain(&r->y, key, "expected the name of a parameter");
    if (!text)
        return yaml_complain(&r->y, value, "%.40s: expected a single value", name);
    const struct param_def *def = n == 1 ? workload_param(cells->workload, name) : NULL;
    const struct cell_def *cell = n == 1 ? cell_def_find(cells->name) : NULL;
    if (def && cell && cell_def_presets(cell, name)) {
        struct params given = {.n = 0};
        if (params_set(&given, def, text, r->y.err) < 0)
            return yaml_at(&r->y, value);
        if (!param_equal(&given.v[0], params_find(&cells->params, name)))
            return yaml_complain(&r->y, value, "%s: %s is fixed by %s", name, text, cells->name);
        return 0;
    }
    struct str assignment = STR_INIT;
    str_addf(&assignment, "%s=%s", name, text);
    int e = cells_apply_param(cells, n, assignment.buf, r->y.err);
    str_release(&assignment);
    return e < 0 ? yaml_at(&r->y, key) : 0;
}

static int apply_params(struct reader *r, struct cell *cells, size_t n, const yaml_node_t *map)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const char *name = yaml_scalar(yaml_child(&r->y, p->key));
        for (yaml_node_pair_t *q = map->data.mapping.pairs.start; name && q < p; q++)
            if (str_eq(name, yaml_scalar(yaml_child(&r->y, q->key))))
                return yaml_complain(&r->y, yaml_child(&r->y, p->key),
                                     "parameter \"%.40s\" is given twice", name);
        int e = apply_param(r, cells, n, yaml_child(&r->y, p->key), yaml_child(&r->y, p->value));
        if (e < 0)
            return e;
    }
    return 0;
}

/* An item of `workloads`: its pattern, and its own parameters or NULL. */
static int workload_item(struct reader *r, const yaml_node_t *item, const char **ret_pattern,
                         const yaml_node_t **ret_params)
{
    *ret_params = NULL;
    const yaml_node_t *name = item;
    if (item->type == YAML_MAPPING_NODE &&
        item->data.mapping.pairs.top - item->data.mapping.pairs.start == 1) {
        name = yaml_child(&r->y, item->data.mapping.pairs.start->key);
        *ret_params = yaml_child(&r->y, item->data.mapping.pairs.start->value);
        if ((*ret_params)->type != YAML_MAPPING_NODE)
            return yaml_complain(&r->y, *ret_params, "expected parameters, as in {limit: 10000}");
    }
    *ret_pattern = yaml_scalar(name);
    if (!*ret_pattern)
        return yaml_complain(&r->y, item,
                             "expected a workload, or \"workload: {parameter: value}\"");
    return 0;
}

/* Parameters of its own, for each cell the pattern selects. */
static int refine(struct reader *r, const char *pattern, const yaml_node_t *params)
{
    struct plan chosen = {.suite = ""};
    for (size_t i = 0; i < r->plan.apps.n; i++)
        plan_know_app(&chosen, r->plan.apps.v[i]);
    int e = plan_add_cells(&chosen, pattern, r->y.err);
    for (size_t i = 0; e == 0 && i < chosen.cells.n; i++)
        for (size_t j = 0; e == 0 && j < r->plan.cells.n; j++)
            if (str_eq(chosen.cells.v[i].name, r->plan.cells.v[j].name))
                e = apply_params(r, &r->plan.cells.v[j], 1, params);
    plan_release(&chosen);
    return e;
}

static int add_workloads(struct reader *r)
{
    size_t n = yaml_item_count(r->workloads);
    if (n > ENTRIES_MAX)
        return yaml_complain(&r->y, r->workloads, "more than %u workloads", ENTRIES_MAX);
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *item = yaml_child(&r->y, r->workloads->data.sequence.items.start[i]),
                          *params;
        const char *pattern;
        int e = workload_item(r, item, &pattern, &params);
        if (e < 0)
            return e;
        if (plan_add_cells(&r->plan, pattern, r->y.err) < 0)
            return yaml_at(&r->y, item);
    }
    return 0;
}

static int refine_workloads(struct reader *r)
{
    for (size_t i = 0; i < yaml_item_count(r->workloads); i++) {
        const yaml_node_t *item = yaml_child(&r->y, r->workloads->data.sequence.items.start[i]),
                          *params;
        const char *pattern;
        int e = workload_item(r, item, &pattern, &params);
        if (e == 0 && params)
            e = refine(r, pattern, params);
        if (e < 0)
            return e;
    }
    return 0;
}

/* What has to wait until everything was read. */
static int finish(struct reader *r)
{
    int e = 0;
    if (r->suite) {
        const char *name;
        e = yaml_need_scalar(&r->y, "suite", r->suite, &name);
        if (e == 0 && plan_add_suite(&r->plan, name, r->y.err) < 0)
            e = yaml_at(&r->y, r->suite);
    }
    if (e == 0 && r->workloads)
        e = add_workloads(r);
    if (e == 0 && r->parameters)
        e = apply_params(r, r->plan.cells.v, r->plan.cells.n, r->parameters);
    if (e == 0 && r->workloads)
        e = refine_workloads(r);
    size_t base;
    if (e == 0 && r->base && r->plan.targets.n && plan_base_index(&r->plan, &base, r->y.err) < 0)
        e = yaml_at(&r->y, r->base);
    if (e == 0 && plan_check_twins(&r->plan, r->y.err) < 0)
        e = yaml_at(&r->y, r->aa);
    if (r->plan.gate > 0 && !r->has_theta)
        r->plan.theta = r->plan.gate;
    return e;
}

static int take_plan(void *user, const yaml_node_t *root)
{
    struct reader *r = user;
    int e = yaml_mapping(&r->y, root, plan_keys, ARRAY_SIZE(plan_keys), r);
    return e == 0 ? finish(r) : e;
}

int plan_parse(const char *text, size_t n, const char *name, const char *const *drivers,
               size_t n_drivers, const struct plan *known, struct plan *ret, struct err *err)
{
    struct err own = ERR_INIT; /* err may be NULL, and yaml_at builds on what is there */
    struct reader r = {
        .y = {.name = name, .err = err ? err : &own}, .drivers = drivers, .n_drivers = n_drivers};
    plan_init(&r.plan);
    for (size_t i = 0; known && i < known->apps.n; i++)
        plan_know_app(&r.plan, known->apps.v[i]);
    int e = yaml_read(&r.y, text, n, take_plan, &r);
    if (e < 0)
        plan_release(&r.plan);
    else
        *ret = r.plan;
    return e;
}

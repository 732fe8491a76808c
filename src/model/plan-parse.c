/* Plan files. libyaml makes nodes with marks; the tables below say which keys there are and what
 * each takes. Suites, workloads and parameters are applied at the end, in that order, whatever the
 * order of the keys. */
#include "model/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <yaml.h>

#define PLAN_BYTES_MAX (1u << 20)
#define ENTRIES_MAX    4096u
#define VALUE_MAX      1024u

struct reader {
    const char *name;
    yaml_document_t doc;
    const char *const *drivers;
    size_t n_drivers;
    struct plan plan;
    /* Kept for the end; NULL: not given. */
    const yaml_node_t *suite, *workloads, *parameters, *base;
    struct err *err;
};

struct key {
    const char *name;
    int (*set)(struct reader *r, const char *key, const yaml_node_t *v);
};

__attribute__((format(printf, 3, 4))) static int complain(struct reader *r, const yaml_node_t *at,
                                                          const char *fmt, ...)
{
    char why[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    return err_set(r->err, ERR_USAGE, EINVAL, "%s:%zu:%zu: %s", r->name, at->start_mark.line + 1,
                   at->start_mark.column + 1, why);
}

/* Puts the position before a message that a parser of lower level left. */
static int at_node(struct reader *r, const yaml_node_t *at)
{
    return err_wrap(r->err, "%s:%zu:%zu", r->name, at->start_mark.line + 1,
                    at->start_mark.column + 1);
}

static const yaml_node_t *node(struct reader *r, int index)
{
    return yaml_document_get_node(&r->doc, index);
}

/* The text of a scalar, or NULL. NUL bytes inside would cut it: refused like other types. */
static const char *scalar(const yaml_node_t *v)
{
    if (v->type != YAML_SCALAR_NODE || v->data.scalar.length > VALUE_MAX ||
        strlen((const char *)v->data.scalar.value) != v->data.scalar.length)
        return NULL;
    return (const char *)v->data.scalar.value;
}

static size_t item_count(const yaml_node_t *v)
{
    return (size_t)(v->data.sequence.items.top - v->data.sequence.items.start);
}

static int need_scalar(struct reader *r, const char *key, const yaml_node_t *v, const char **ret)
{
    *ret = scalar(v);
    if (!*ret)
        return complain(r, v, "%s: expected a single value", key);
    return 0;
}

static int set_count(struct reader *r, const char *key, const yaml_node_t *v, uint64_t min,
                     uint64_t max, uint64_t *ret)
{
    const char *text;
    int e = need_scalar(r, key, v, &text);
    if (e < 0)
        return e;
    return parse_u64(text, min, max, key, ret, r->err) < 0 ? at_node(r, v) : 0;
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

static int set_duration(struct reader *r, const char *key, const yaml_node_t *v, uint64_t min,
                        uint64_t max, uint64_t *ret)
{
    const char *text;
    uint64_t ns;
    int e = need_scalar(r, key, v, &text);
    if (e < 0)
        return e;
    if (parse_duration_ns(text, key, &ns, r->err) < 0)
        return at_node(r, v);
    if (ns < min || ns > max)
        return complain(r, v, "%s: %s is out of range", key, text);
    *ret = ns;
    return 0;
}

static int set_fraction(struct reader *r, const char *key, const yaml_node_t *v, double *ret)
{
    const char *text;
    double f;
    int e = need_scalar(r, key, v, &text);
    if (e < 0)
        return e;
    if (parse_fraction(text, key, &f, r->err) < 0)
        return at_node(r, v);
    if (f > PLAN_FRACTION_MAX)
        return complain(r, v, "%s: %s is more than 50%%", key, text);
    *ret = f;
    return 0;
}

static int keep(struct reader *r, const char *key, const yaml_node_t *v, yaml_node_type_t type,
                const char *expected, const yaml_node_t **ret)
{
    if (v->type != type)
        return complain(r, v, "%s: expected %s", key, expected);
    *ret = v;
    return 0;
}

/* Calls set for every entry of the mapping at v, each key once and out of the table. */
static int read_mapping(struct reader *r, const yaml_node_t *v, const struct key *keys, size_t n)
{
    uint64_t seen = 0;
    for (yaml_node_pair_t *p = v->data.mapping.pairs.start; p < v->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = node(r, p->key);
        const char *text = scalar(key);
        if (!text)
            return complain(r, key, "expected a key");
        size_t i = 0;
        while (i < n && !str_eq(keys[i].name, text))
            i++;
        if (i == n) {
            struct str known = STR_INIT;
            for (size_t k = 0; k < n; k++)
                str_addf(&known, "%s%s", k ? ", " : "", keys[k].name);
            int e = complain(r, key, "unknown key \"%.40s\"; expected one of %s", text, known.buf);
            str_release(&known);
            return e;
        }
        if (seen & (UINT64_C(1) << i))
            return complain(r, key, "key \"%s\" is given twice", text);
        seen |= UINT64_C(1) << i;
        int e = keys[i].set(r, keys[i].name, node(r, p->value));
        if (e < 0)
            return e;
    }
    return 0;
}

static int set_suite(struct reader *r, const char *key, const yaml_node_t *v)
{
    return keep(r, key, v, YAML_SCALAR_NODE, "the name of a suite", &r->suite);
}

static int set_from_suite(struct reader *r, const char *key, const yaml_node_t *v)
{
    const char *text;
    int e = need_scalar(r, key, v, &text);
    if (e < 0)
        return e;
    if (!str_is_id(text, sizeof(r->plan.suite) - 1))
        return complain(r, v, "%s: \"%.40s\" is no name of a suite", key, text);
    str_copy(r->plan.suite, sizeof(r->plan.suite), text);
    return 0;
}

static int set_workloads(struct reader *r, const char *key, const yaml_node_t *v)
{
    return keep(r, key, v, YAML_SEQUENCE_NODE, "a list of workloads", &r->workloads);
}

static int set_parameters(struct reader *r, const char *key, const yaml_node_t *v)
{
    return keep(r, key, v, YAML_MAPPING_NODE, "a mapping of names to values", &r->parameters);
}

static int set_base(struct reader *r, const char *key, const yaml_node_t *v)
{
    const char *text;
    int e = need_scalar(r, key, v, &text);
    if (e < 0)
        return e;
    if (!target_label_ok(text))
        return complain(r, v, "%s: \"%.60s\" is no label", key, text);
    str_copy(r->plan.base, sizeof(r->plan.base), text);
    r->base = v;
    return 0;
}

static int set_targets(struct reader *r, const char *key, const yaml_node_t *v)
{
    const yaml_node_t *unused;
    int e = keep(r, key, v, YAML_SEQUENCE_NODE, "a list of targets", &unused);
    if (e < 0)
        return e;
    for (size_t i = 0; i < item_count(v); i++) {
        const yaml_node_t *item = node(r, v->data.sequence.items.start[i]);
        const char *text = scalar(item);
        if (!text)
            return complain(r, item, "%s: expected a target", key);
        if (plan_add_target(&r->plan, text, r->drivers, r->n_drivers, r->err) < 0)
            return at_node(r, item);
    }
    if (targets_make_unique(r->plan.targets.v, r->plan.targets.n, r->err) < 0)
        return at_node(r, v);
    return 0;
}

static int set_cpus(struct reader *r, const char *key, const yaml_node_t *v)
{
    const char *text;
    int e = need_scalar(r, key, v, &text);
    if (e < 0)
        return e;
    return parse_double(text, 0, PLAN_LIMIT_CPUS_MAX, key, &r->plan.limits.cpus, r->err) < 0
               ? at_node(r, v)
               : 0;
}

static int set_memory(struct reader *r, const char *key, const yaml_node_t *v)
{
    const char *text;
    uint64_t bytes;
    int e = need_scalar(r, key, v, &text);
    if (e < 0)
        return e;
    if (parse_size_bytes(text, key, &bytes, r->err) < 0)
        return at_node(r, v);
    if (bytes > INT64_MAX)
        return complain(r, v, "%s: %s is too large", key, text);
    r->plan.limits.memory_bytes = bytes;
    return 0;
}

static int set_pids(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_count(r, key, v, 0, UINT32_MAX, &r->plan.limits.pids);
}

static int set_limits(struct reader *r, const char *key, const yaml_node_t *v)
{
    static const struct key keys[] = {
        {"cpus", set_cpus}, {"memory", set_memory}, {"pids", set_pids}};
    const yaml_node_t *unused;
    int e = keep(r, key, v, YAML_MAPPING_NODE, "a mapping such as {memory: 512M}", &unused);
    return e < 0 ? e : read_mapping(r, v, keys, ARRAY_SIZE(keys));
}

static int set_seed(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_count(r, key, v, 0, UINT64_MAX, &r->plan.seed);
}

static int set_theta(struct reader *r, const char *key, const yaml_node_t *v)
{
    int e = set_fraction(r, key, v, &r->plan.theta);
    if (e == 0 && r->plan.theta <= 0)
        return complain(r, v, "%s has to be more than 0", key);
    return e;
}

static int set_precision(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_fraction(r, key, v, &r->plan.precision);
}

static int set_blocks(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_unsigned(r, key, v, 0, PLAN_BLOCKS_MAX, &r->plan.blocks);
}

static int set_repeats(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_unsigned(r, key, v, 0, PLAN_BLOCKS_MAX, &r->plan.repeats);
}

static int set_budget(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_duration(r, key, v, 0, PLAN_TIME_MAX_NS, &r->plan.budget_ns);
}

static int set_interval(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_duration(r, key, v, 0, PLAN_TIME_MAX_NS, &r->plan.interval_ns);
}

static int set_settle(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_duration(r, key, v, 0, PLAN_TIME_MAX_NS, &r->plan.settle_ns);
}

static int set_slice(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_duration(r, key, v, PLAN_SLICE_MIN_NS, PLAN_SLICE_MAX_NS, &r->plan.slice_ns);
}

static int set_rounds(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_unsigned(r, key, v, 1, PLAN_ROUNDS_MAX, &r->plan.rounds);
}

static int set_yes_no(struct reader *r, const char *key, const yaml_node_t *v, bool *ret)
{
    const char *text = scalar(v);
    bool yes = str_eq(text, "yes") || str_eq(text, "true");
    if (!yes && !str_eq(text, "no") && !str_eq(text, "false"))
        return complain(r, v, "%s: expected yes or no", key);
    *ret = yes;
    return 0;
}

static int set_solo(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_yes_no(r, key, v, &r->plan.solo);
}

static int set_drop_caches(struct reader *r, const char *key, const yaml_node_t *v)
{
    return set_yes_no(r, key, v, &r->plan.drop_caches);
}

static int set_scaled(struct reader *r, const char *key, const yaml_node_t *v)
{
    const char *text = scalar(v);
    double factor;
    if (!text || parse_double(text, PLAN_SCALE_MIN, 1, key, &factor, NULL) < 0)
        return complain(r, v, "%s: expected a factor between %g and 1", key, PLAN_SCALE_MIN);
    r->plan.scale = factor;
    return 0;
}

static const struct key plan_keys[] = {
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
    {"drop_caches", set_drop_caches},
    {"scaled", set_scaled},
};

/* One "name: value" for cells. A preset may be repeated, but not changed. */
static int apply_param(struct reader *r, struct cell *cells, size_t n, const yaml_node_t *key,
                       const yaml_node_t *value)
{
    const char *name = scalar(key), *text = scalar(value);
    if (!name)
        return complain(r, key, "expected the name of a parameter");
    if (!text)
        return complain(r, value, "%.40s: expected a single value", name);
    const struct param_def *def = n == 1 ? workload_param(cells->workload, name) : NULL;
    const struct cell_def *cell = n == 1 ? cell_def_find(cells->name) : NULL;
    if (def && cell && cell_def_presets(cell, name)) {
        struct params given = {.n = 0};
        if (params_set(&given, def, text, r->err) < 0)
            return at_node(r, value);
        if (!param_equal(&given.v[0], params_find(&cells->params, name)))
            return complain(r, value, "%s: %s is fixed by %s", name, text, cells->name);
        return 0;
    }
    struct str assignment = STR_INIT;
    str_addf(&assignment, "%s=%s", name, text);
    int e = cells_apply_param(cells, n, assignment.buf, r->err);
    str_release(&assignment);
    return e < 0 ? at_node(r, key) : 0;
}

static int apply_params(struct reader *r, struct cell *cells, size_t n, const yaml_node_t *map)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const char *name = scalar(node(r, p->key));
        for (yaml_node_pair_t *q = map->data.mapping.pairs.start; name && q < p; q++)
            if (str_eq(name, scalar(node(r, q->key))))
                return complain(r, node(r, p->key), "parameter \"%.40s\" is given twice", name);
        int e = apply_param(r, cells, n, node(r, p->key), node(r, p->value));
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
        name = node(r, item->data.mapping.pairs.start->key);
        *ret_params = node(r, item->data.mapping.pairs.start->value);
        if ((*ret_params)->type != YAML_MAPPING_NODE)
            return complain(r, *ret_params, "expected parameters, as in {limit: 10000}");
    }
    *ret_pattern = scalar(name);
    if (!*ret_pattern)
        return complain(r, item, "expected a workload, or \"workload: {parameter: value}\"");
    return 0;
}

/* Parameters of its own, for each cell the pattern selects. */
static int refine(struct reader *r, const char *pattern, const yaml_node_t *params)
{
    struct plan chosen = {.suite = ""};
    int e = plan_add_cells(&chosen, pattern, r->err);
    for (size_t i = 0; e == 0 && i < chosen.cells.n; i++)
        for (size_t j = 0; e == 0 && j < r->plan.cells.n; j++)
            if (str_eq(chosen.cells.v[i].name, r->plan.cells.v[j].name))
                e = apply_params(r, &r->plan.cells.v[j], 1, params);
    plan_release(&chosen);
    return e;
}

static int add_workloads(struct reader *r)
{
    size_t n = item_count(r->workloads);
    if (n > ENTRIES_MAX)
        return complain(r, r->workloads, "more than %u workloads", ENTRIES_MAX);
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *item = node(r, r->workloads->data.sequence.items.start[i]), *params;
        const char *pattern;
        int e = workload_item(r, item, &pattern, &params);
        if (e < 0)
            return e;
        if (plan_add_cells(&r->plan, pattern, r->err) < 0)
            return at_node(r, item);
    }
    return 0;
}

static int refine_workloads(struct reader *r)
{
    for (size_t i = 0; i < item_count(r->workloads); i++) {
        const yaml_node_t *item = node(r, r->workloads->data.sequence.items.start[i]), *params;
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
        e = need_scalar(r, "suite", r->suite, &name);
        if (e == 0 && plan_add_suite(&r->plan, name, r->err) < 0)
            e = at_node(r, r->suite);
    }
    if (e == 0 && r->workloads)
        e = add_workloads(r);
    if (e == 0 && r->parameters)
        e = apply_params(r, r->plan.cells.v, r->plan.cells.n, r->parameters);
    if (e == 0 && r->workloads)
        e = refine_workloads(r);
    size_t base;
    if (e == 0 && r->base && r->plan.targets.n && plan_base_index(&r->plan, &base, r->err) < 0)
        e = at_node(r, r->base);
    return e;
}

static int syntax_error(const yaml_parser_t *p, const char *name, struct err *err)
{
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->error == YAML_READER_ERROR)
        return err_set(err, ERR_USAGE, EINVAL, "%s: byte %zu: %s", name, p->problem_offset + 1,
                       problem);
    return err_set(err, ERR_USAGE, EINVAL, "%s:%zu:%zu: %s%s%s", name, p->problem_mark.line + 1,
                   p->problem_mark.column + 1, p->context ? p->context : "", p->context ? ": " : "",
                   problem);
}

/* Anything but the end of the stream behind the first document? */
static int check_end(yaml_parser_t *p, const char *name, struct err *err)
{
    yaml_document_t more;
    if (!yaml_parser_load(p, &more))
        return syntax_error(p, name, err);
    const yaml_node_t *root = yaml_document_get_root_node(&more);
    int e = 0;
    if (root)
        e = err_set(err, ERR_USAGE, EINVAL, "%s:%zu:%zu: a second document", name,
                    root->start_mark.line + 1, root->start_mark.column + 1);
    yaml_document_delete(&more);
    return e;
}

static int read_document(struct reader *r, yaml_parser_t *p)
{
    if (!yaml_parser_load(p, &r->doc))
        return syntax_error(p, r->name, r->err);
    const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
    int e;
    if (!root)
        e = err_set(r->err, ERR_USAGE, ENODATA, "%s: the plan is empty", r->name);
    else if (root->type != YAML_MAPPING_NODE)
        e = complain(r, root, "expected a mapping of keys to values");
    else
        e = read_mapping(r, root, plan_keys, ARRAY_SIZE(plan_keys));
    if (e == 0)
        e = check_end(p, r->name, r->err);
    if (e == 0)
        e = finish(r);
    yaml_document_delete(&r->doc);
    return e;
}

int plan_parse(const char *text, size_t n, const char *name, const char *const *drivers,
               size_t n_drivers, struct plan *ret, struct err *err)
{
    if (n > PLAN_BYTES_MAX)
        return err_set(err, ERR_USAGE, EFBIG, "%s: a plan is at most %u KiB long", name,
                       PLAN_BYTES_MAX / 1024);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return err_set(err, ERR_ENVIRONMENT, ENOMEM, "%s: out of memory", name);
    struct reader r = {.name = name, .drivers = drivers, .n_drivers = n_drivers};
    struct err own = ERR_INIT; /* err may be NULL, and at_node builds on what is there */
    r.err = err ? err : &own;
    plan_init(&r.plan);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    int e = read_document(&r, &parser);
    yaml_parser_delete(&parser);
    if (e < 0)
        plan_release(&r.plan);
    else
        *ret = r.plan;
    return e;
}

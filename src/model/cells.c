/* Looking things up in the catalogue, and turning definitions into cells. The tables themselves are
 * in catalogue.c and catalogue-cells.c. */
#include "base/vec.h"
#include "model/workload.h"

#include <errno.h>
#include <math.h>

const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; i < workload_count(); i++)
        if (str_eq(workload_at(i)->name, name))
            return workload_at(i);
    return NULL;
}

const struct param_def *workload_param(const struct workload *w, const char *name)
{
    for (size_t i = 0; i < w->n_params; i++)
        if (str_eq(w->params[i].name, name))
            return &w->params[i];
    return NULL;
}

void cell_def_name(const struct cell_def *d, char dst[CELL_NAME_MAX])
{
    str_format(dst, CELL_NAME_MAX, "%s%s%s", d->workload, d->variant[0] ? "@" : "", d->variant);
}

double cell_bytes_per_op(const struct cell *c)
{
    const struct workload *w = c->workload;
    if (!w || !w->bytes_param)
        return w ? w->bytes_per_op : 0;
    return (double)params_num(&c->params, w->bytes_param, (int64_t)w->bytes_per_op);
}

const struct cell_def *cell_def_find(const char *name)
{
    for (size_t i = 0; i < cell_def_count(); i++) {
        char own[CELL_NAME_MAX];
        cell_def_name(cell_def_at(i), own);
        if (str_eq(own, name))
            return cell_def_at(i);
    }
    return NULL;
}

const struct suite *suite_find(const char *name)
{
    for (size_t i = 0; i < suite_count(); i++)
        if (str_eq(suite_at(i)->name, name))
            return suite_at(i);
    return NULL;
}

/* Splits "name=value" of n bytes into name and *ret_value; false without a '='. */
static bool split_assignment(const char *text, size_t n, char name[PARAM_NAME_MAX],
                             char value[PARAM_TEXT_MAX])
{
    const char *eq = memchr(text, '=', n);
    size_t left = eq ? (size_t)(eq - text) : 0, right = eq ? n - left - 1 : 0;
    if (!eq || left == 0 || left >= PARAM_NAME_MAX || right >= PARAM_TEXT_MAX)
        return false;
    memcpy(name, text, left);
    name[left] = '\0';
    memcpy(value, eq + 1, right);
    value[right] = '\0';
    return true;
}

/* Calls set for each "name=value" of a definition's presets. */
static void each_preset(const struct cell_def *d,
                        void (*set)(void *user, const char *name, const char *value), void *user)
{
    char name[PARAM_NAME_MAX], value[PARAM_TEXT_MAX];
    for (const char *p = d->presets; *p;) {
        size_t n = strcspn(p, ",");
        if (split_assignment(p, n, name, value))
            set(user, name, value);
        p += n + (p[n] == ',');
    }
}

struct preset_query {
    const char *name;
    bool found;
};

static void compare_preset(void *user, const char *name, const char *value)
{
    struct preset_query *q = user;
    q->found = q->found || str_eq(name, q->name);
}

bool cell_def_presets(const struct cell_def *d, const char *param)
{
    struct preset_query q = {.name = param};
    each_preset(d, compare_preset, &q);
    return q.found;
}

/* A default or preset that its own declaration refuses would be a mistake in the tables: the unit
 * test of the catalogue makes every cell and looks. */
static void apply_preset(void *user, const char *name, const char *value)
{
    struct cell *c = user;
    const struct param_def *def = workload_param(c->workload, name);
    if (def)
        params_set(&c->params, def, value, NULL);
}

void cell_from_def(const struct cell_def *def, struct cell *ret)
{
    *ret = (struct cell){.workers = 0};
    cell_def_name(def, ret->name);
    ret->workload = workload_find(def->workload);
    if (!ret->workload)
        abort(); /* a row without its workload: the unit test makes every cell */
    ret->cpus = def->cpus;
    ret->workers = def->copies ? def->copies : def->worker_per_cpu ? 0 : 1;
    ret->place = def->place;
    ret->grain = ret->workload->grain;
    if (ret->workload->unit)
        str_copy(ret->unit, sizeof(ret->unit), ret->workload->unit);
    ret->better = ret->workload->better;
    for (size_t i = 0; i < ret->workload->n_params; i++)
        params_set(&ret->params, &ret->workload->params[i], ret->workload->params[i].fallback,
                   NULL);
    each_preset(def, apply_preset, ret);
}

/* JSON readers take integers up to 2^53. */
#define VALUE_NS_MAX  9e15
#define VALUE_OPS_MAX 1e15

const char *cell_exec(const struct cell *c)
{
    return c->workload->exec ? c->workload->exec : c->workload->name;
}

int cell_aggressor(const struct cell *c, const char *const *drivers, size_t n_drivers,
                   struct target *ret, struct err *err)
{
    const char *text = params_text(&c->params, CELL_AGGRESSOR, CELL_AGGRESSOR_SAME);
    if (c->workload->experiment != EXPERIMENT_BESIDE || str_eq(text, CELL_AGGRESSOR_SAME))
        return 0;
    int r = target_parse(text, drivers, n_drivers, ret, err);
    return r < 0 ? err_wrap(err, "-p " CELL_AGGRESSOR "=%s", text) : 1;
}

bool cell_shares_execution(const struct cell *a, const struct cell *b)
{
    return a->workload->grain == GRAIN_WHOLE && b->workload->grain == GRAIN_WHOLE &&
           a->workload->program == b->workload->program && a->app == b->app && a->cpus == b->cpus &&
           a->workers == b->workers && a->place == b->place && str_eq(cell_exec(a), cell_exec(b)) &&
           params_equal(&a->params, &b->params);
}

int value_encode(double value, enum better better, uint64_t *ret_ops, uint64_t *ret_ns)
{
    double cost = better == BETTER_HIGHER ? 1e9 / value : 1e9 * value;

    if (!(value > 0) || !isfinite(cost) || cost > VALUE_NS_MAX || cost < 1 / VALUE_OPS_MAX)
        return -ERANGE;
    /* As many operations as leave the nanoseconds below 2^53: digits to spare. */
    double k = floor(log10(VALUE_NS_MAX / cost));
    double ops = pow(10, k < 15 ? k : 15);
    *ret_ops = (uint64_t)llround(ops);
    *ret_ns = (uint64_t)llround(cost * ops);
    return 0;
}

/* How a pattern selects; decided once for the whole catalogue. */
enum selection { BY_CELL, BY_WORKLOAD, BY_FAMILY, BY_GLOB };

static enum selection selection_of(const char *pattern)
{
    if (cell_def_find(pattern))
        return BY_CELL;
    if (workload_find(pattern))
        return BY_WORKLOAD;
    for (size_t i = 0; i < workload_count(); i++)
        if (str_eq(workload_at(i)->family, pattern))
            return BY_FAMILY;
    return BY_GLOB;
}

static bool selects(enum selection how, const char *pattern, const struct cell_def *d)
{
    char name[CELL_NAME_MAX];
    cell_def_name(d, name);
    switch (how) {
    case BY_CELL:
        return str_eq(pattern, name);
    case BY_WORKLOAD:
        return str_eq(pattern, d->workload);
    case BY_FAMILY:
        return str_starts(d->workload, pattern) && d->workload[strlen(pattern)] == '.';
    case BY_GLOB:
        return str_glob(pattern, name);
    }
    return false;
}

/* The name someone who typed pattern most likely meant, or NULL. */
static const char *nearest_name(const char *pattern, char names[][CELL_NAME_MAX])
{
    VEC(const char *) all = VEC_INIT;
    for (size_t i = 0; i < workload_count(); i++)
        VEC_PUSH(&all, workload_at(i)->name);
    for (size_t i = 0; i < cell_def_count(); i++) {
        cell_def_name(cell_def_at(i), names[i]);
        VEC_PUSH(&all, names[i]);
    }
    for (size_t i = 0; i < workload_count(); i++)
        VEC_PUSH(&all, workload_at(i)->family);
    const char *best = str_nearest(pattern, all.v, all.n);
    VEC_RELEASE(&all);
    return best;
}

static int nothing_selected(const char *pattern, struct err *err)
{
    char(*names)[CELL_NAME_MAX] = xcalloc(cell_def_count(), sizeof(*names));
    const char *best = nearest_name(pattern, names);
    int r;
    if (best)
        r = err_set(err, ERR_USAGE, ENOENT, "no workload \"%.64s\"; did you mean %s?", pattern,
                    best);
    else
        r = err_set(err, ERR_USAGE, ENOENT,
                    "no workload \"%.64s\"; \"cupel workloads\" lists what there is", pattern);
    free(names);
    return r;
}

/* What the paper, and others, call some of it. */
static const struct {
    const char *name, *means;
} other_names[] = {
    {"iozone", "disk"},
    {"ramspeed/smp", "ramspeed"},
    {"ramsmp", "ramspeed"},
    {"xlinpack", "linpack"},
};

int cells_select(const char *pattern, void (*cb)(void *user, const struct cell_def *d), void *user,
                 struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(other_names); i++)
        if (str_eq(pattern, other_names[i].name))
            pattern = other_names[i].means;
    enum selection how = selection_of(pattern);
    int n = 0;
    for (size_t i = 0; i < cell_def_count(); i++) {
        if (selects(how, pattern, cell_def_at(i))) {
            cb(user, cell_def_at(i));
            n++;
        }
    }
    return n > 0 ? n : nothing_selected(pattern, err);
}

static bool cell_takes(const struct cell *c, const char *param)
{
    const struct cell_def *d = cell_def_find(c->name);
    return workload_param(c->workload, param) && !(d && cell_def_presets(d, param));
}

/* Why no cell took the parameter: fixed by their definitions, misspelt, or of other workloads. */
static int nobody_takes(const struct cell *cells, size_t n, const char *name, struct err *err)
{
    VEC(const char *) known = VEC_INIT;
    bool fixed = false;
    for (size_t i = 0; i < n; i++) {
        fixed = fixed || workload_param(cells[i].workload, name);
        for (size_t j = 0; j < cells[i].workload->n_params; j++)
            VEC_PUSH(&known, cells[i].workload->params[j].name);
    }
    const char *best = str_nearest(name, known.v, known.n);
    VEC_RELEASE(&known);
    if (fixed)
        return err_set(err, ERR_USAGE, EINVAL,
                       "the selected workloads fix parameter \"%s\" themselves", name);
    if (best)
        return err_set(err, ERR_USAGE, ENOENT,
                       "no selected workload has a parameter \"%s\"; did you mean %s?", name, best);
    return err_set(err, ERR_USAGE, ENOENT, "no selected workload has a parameter \"%s\"", name);
}

/* `grain=whole` fits every workload: one long piece, alone on the machine, in a fresh session. */
static int apply_grain(struct cell *cells, size_t n, const char *value, struct err *err)
{
    enum grain g;

    if (grain_parse(value, &g) < 0)
        return err_set(err, ERR_USAGE, EINVAL,
                       "parameter \"grain\": %.40s is neither slice nor whole", value);
    for (size_t i = 0; i < n; i++)
        cells[i].grain = g;
    return 0;
}

int cells_apply_param(struct cell *cells, size_t n, const char *assignment, struct err *err)
{
    char name[PARAM_NAME_MAX], value[PARAM_TEXT_MAX];
    if (!split_assignment(assignment, strlen(assignment), name, value))
        return err_set(err, ERR_USAGE, EINVAL, "parameter \"%.60s\": expected name=value",
                       assignment);
    if (str_eq(name, "grain"))
        return apply_grain(cells, n, value, err);
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        struct params scratch = {.n = 0};
        if (!cell_takes(&cells[i], name))
            continue;
        int r = params_set(&scratch, workload_param(cells[i].workload, name), value, err);
        if (r < 0)
            return err_wrap(err, "%s", cells[i].workload->name);
        any = true;
    }
    if (!any)
        return nobody_takes(cells, n, name, err);
    for (size_t i = 0; i < n; i++)
        if (cell_takes(&cells[i], name))
            params_set(&cells[i].params, workload_param(cells[i].workload, name), value, NULL);
    return 0;
}

/* What ssh would take for an option, or for nothing. */
static int check_machine(const char *machine, struct err *err)
{
    if (!machine[0])
        return err_set(err, ERR_USAGE, EINVAL, "peer=remote needs a machine: --peer user@machine");
    if (machine[0] == '-' || strchr(machine, ' '))
        return err_set(err, ERR_USAGE, EINVAL,
                       "\"%.60s\" is no machine: expected user@machine, or a name that ssh knows",
                       machine);
    return 0;
}

/* What lies between is not the run's own network. */
static int check_no_wire(const struct cell *cell, const char *why, struct err *err)
{
    static const char *const wires[] = {NET_WIRE, NET_DELAY, NET_LOSS, NET_MTU};
    for (size_t i = 0; i < ARRAY_SIZE(wires); i++)
        if (params_num(&cell->params, wires[i], 0) != 0)
            return err_set(err, ERR_USAGE, EINVAL,
                           "%s: %s= shapes the run's own network, and %s; leave one of them out",
                           cell->name, wires[i], why);
    return 0;
}

static int check_remote(const struct cell *cell, struct err *err)
{
    int r = check_no_wire(cell, "a peer on another machine is reached by this machine's", err);
    return r < 0 ? r : check_machine(params_text(&cell->params, NET_MACHINE, ""), err);
}

static int check_engine_path(const struct cell *cell, struct err *err)
{
    const char *peer = params_text(&cell->params, NET_PEER, NET_PEER_BARE);
    if (str_eq(peer, NET_PEER_BARE))
        return err_set(err, ERR_USAGE, EINVAL,
                       "%s: on an engine's own network the server is in a second container, "
                       "-p peer=target, or at its gateway, -p peer=host",
                       cell->name);
    if (!str_eq(peer, NET_PEER_REMOTE) && str_eq(params_text(&cell->params, NET_STACK, ""), "host"))
        return err_set(err, ERR_USAGE, EINVAL,
                       "%s: on an engine's own network the stack is as the engine's runtime has "
                       "it; leave stack=host out",
                       cell->name);
    return check_no_wire(cell, "path=engine leads by the engine's", err);
}

int cells_check_network(const struct cell *cells, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct params *p = &cells[i].params;
        int r = 0;
        if (!cells[i].workload->network)
            continue;
        if (str_eq(params_text(p, NET_PEER, ""), NET_PEER_REMOTE))
            r = check_remote(&cells[i], err);
        else if (params_text(p, NET_MACHINE, "")[0] || params_num(p, NET_PORT, 0))
            r = err_set(err, ERR_USAGE, EINVAL,
                        "machine= and port= are of a peer on another machine: --peer user@machine");
        if (r == 0 && str_eq(params_text(p, NET_PATH, ""), NET_PATH_ENGINE))
            r = check_engine_path(&cells[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Names of the enumerations. */

static int name_index(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return (int)i;
    return -EINVAL;
}

static const char *const better_names[] = {"lower", "higher"};
static const char *const grain_names[] = {"slice", "whole"};
static const char *const cpus_names[] = {"one", "two", "all"};
static const char *const place_names[] = {"none", "rootfs", "tmpfs", "bind"};

const char *better_name(enum better b)
{
    return (size_t)b < ARRAY_SIZE(better_names) ? better_names[b] : "lower";
}

const char *grain_name(enum grain g)
{
    return (size_t)g < ARRAY_SIZE(grain_names) ? grain_names[g] : "slice";
}

const char *cpus_kind_name(enum cpus_kind c)
{
    return (size_t)c < ARRAY_SIZE(cpus_names) ? cpus_names[c] : "one";
}

const char *place_name(enum place p)
{
    return (size_t)p < ARRAY_SIZE(place_names) ? place_names[p] : "none";
}

int better_parse(const char *name, enum better *ret)
{
    int i = name_index(better_names, ARRAY_SIZE(better_names), name);
    if (i >= 0)
        *ret = (enum better)i;
    return i < 0 ? i : 0;
}

int grain_parse(const char *name, enum grain *ret)
{
    int i = name_index(grain_names, ARRAY_SIZE(grain_names), name);
    if (i >= 0)
        *ret = (enum grain)i;
    return i < 0 ? i : 0;
}

int cpus_kind_parse(const char *name, enum cpus_kind *ret)
{
    int i = name_index(cpus_names, ARRAY_SIZE(cpus_names), name);
    if (i >= 0)
        *ret = (enum cpus_kind)i;
    return i < 0 ? i : 0;
}

int place_parse(const char *name, enum place *ret)
{
    int i = name_index(place_names, ARRAY_SIZE(place_names), name);
    if (i >= 0)
        *ret = (enum place)i;
    return i < 0 ? i : 0;
}

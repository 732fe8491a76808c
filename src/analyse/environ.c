#include "analyse/environ.h"

#include <inttypes.h>
#include <jansson.h>

/* More of them than any run has are somebody's invention. */
#define CONFIGURATION_FILES 16

struct known {
    const char *key, *name;
    enum environ_weight weight;
};

/* Of the machine's JSON. What changes from one minute to the next (free memory, uptime) is not
 * here. How many CPUs a machine has does not forbid anything: it is part of the cells that use them
 * all. */
static const struct known machine_fields[] = {
    {"arch", "architecture", ENVIRON_REFUSE},
    {"os", "system", ENVIRON_TELL},
    {"kernel", "kernel", ENVIRON_TELL},
    {"kernel_version", "kernel build", ENVIRON_TELL},
    {"cmdline", "kernel command line", ENVIRON_TELL},
    {"cpu_model", "processor", ENVIRON_TELL},
    {"microcode", "microcode", ENVIRON_TELL},
    {"cpus_online", "CPUs online", ENVIRON_TELL},
    {"cpus_usable", "CPUs of the run", ENVIRON_TELL},
    {"threads_per_core", "threads a core", ENVIRON_TELL},
    {"memory_bytes", "memory (bytes)", ENVIRON_TELL},
    {"swap_bytes", "swap (bytes)", ENVIRON_TELL},
    {"llc_bytes", "last-level cache (bytes)", ENVIRON_TELL},
    {"page_bytes", "page (bytes)", ENVIRON_TELL},
    {"huge_page_bytes", "huge page (bytes)", ENVIRON_TELL},
    {"thp", "transparent huge pages", ENVIRON_TELL},
    {"ksm", "page merging (KSM)", ENVIRON_TELL},
    {"governor", "governor", ENVIRON_TELL},
    {"clocksource", "clock", ENVIRON_TELL},
    {"mitigations", "mitigations", ENVIRON_TELL},
    {"virtualisation", "inside", ENVIRON_TELL},
    {"in_container", "inside a container", ENVIRON_TELL},
    {"pod", "pod", ENVIRON_TELL},
    {"is_root", "as root", ENVIRON_TELL},
    {"cgroup_mode", "control groups", ENVIRON_TELL},
};

/* Of what was found out about a target. */
static const struct known target_fields[] = {
    {"version", "version", ENVIRON_TELL},         {"path", "program", ENVIRON_TELL},
    {"sha256", "program's sha256", ENVIRON_TELL}, {"platform", "platform", ENVIRON_TELL},
    {"work_around", "work-around", ENVIRON_TELL}, {"emulated", "emulated CPU", ENVIRON_TELL},
    {"machine", "machine", ENVIRON_TELL},
};

/* Takes text. */
static void put(struct environ *e, size_t run, const char *name, enum environ_weight weight,
                char *text)
{
    struct environ_field *at = NULL;

    VEC_FOREACH (&e->fields, struct environ_field, f)
        if (str_eq(f->name, name))
            at = f;
    if (!at) {
        struct environ_field f = {.weight = weight,
                                  .values = xcalloc(e->n_runs, sizeof(*f.values))};
        str_copy(f.name, sizeof(f.name), name);
        VEC_PUSH(&e->fields, f);
        at = &e->fields.v[e->fields.n - 1];
    }
    free(at->values[run]);
    at->values[run] = text;
}

static char *plain_text(const json_t *v)
{
    if (json_is_string(v))
        return json_string_value(v)[0] ? xstrdup(json_string_value(v)) : NULL;
    if (json_is_boolean(v))
        return xstrdup(json_is_true(v) ? "yes" : "no");
    return json_is_integer(v) ? xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v)) : NULL;
}

/* Of a runtime's file the hash of what is told of it: that it differs is what matters. */
static void add_configuration(struct environ *e, size_t run, json_t *files)
{
    const char *path;
    json_t *file;
    size_t n = 0;

    json_object_foreach (files, path, file) {
        const char *hex = json_string_value(json_object_get(file, "sha256"));
        if (hex && n++ < CONFIGURATION_FILES)
            put(e, run, path, ENVIRON_TELL, xasprintf("sha256 %.12s", hex));
    }
}

static void add_machine(struct environ *e, size_t run, const struct run_head *h)
{
    json_t *m = h->machine ? json_loads(h->machine, 0, NULL) : NULL;

    put(e, run, "machine", ENVIRON_TELL, xstrdup(h->machine_id));
    for (size_t i = 0; i < ARRAY_SIZE(machine_fields); i++) {
        const struct known *k = &machine_fields[i];
        put(e, run, k->name, k->weight, plain_text(json_object_get(m, k->key)));
    }
    add_configuration(e, run, json_object_get(m, "runtime_configuration"));
    json_decref(m);
}

/* What the probe said and which file the kernel says it is. */
struct probe {
    char *program, *sha256;
};

static int see_session(void *user, const struct session_record *r)
{
    struct probe *p = user;
    json_t *hello = r->hello ? json_loads(r->hello, 0, NULL) : NULL,
           *proof = r->proof ? json_loads(r->proof, 0, NULL) : NULL;
    const json_t *root = json_object_get(proof, "root_process");
    const char *is = json_string_value(json_object_get(root, "is"));

    if (!p->program)
        p->program = plain_text(json_object_get(hello, "program"));
    if (!p->sha256 && str_eq(is, "probe"))
        p->sha256 = plain_text(json_object_get(root, "sha256"));
    json_decref(hello);
    json_decref(proof);
    return p->program && p->sha256 ? 1 : 0;
}

static int add_probe(struct environ *e, size_t run, struct store *s, const struct analysis *a,
                     struct err *err)
{
    struct probe p = {NULL, NULL};
    int r = store_sessions(s, a->head.id, see_session, &p, err);

    /* What a workload does is declared by cupel's version, and the probe says of which it is. The
     * same source makes another file with another compiler: that alone is worth a word. */
    put(e, run, "probe", ENVIRON_REFUSE, p.program);
    put(e, run, "probe's sha256", ENVIRON_TELL, p.sha256);
    return r < 0 ? r : 0;
}

static char *limits_text(const struct limits *l)
{
    struct str out = STR_INIT;

    if (l->cpus > 0)
        str_addf(&out, "cpus=%g,", l->cpus);
    if (l->memory_bytes)
        str_addf(&out, "memory=%" PRIu64 ",", l->memory_bytes);
    if (l->pids)
        str_addf(&out, "pids=%" PRIu64 ",", l->pids);
    if (l->io_bps)
        str_addf(&out, "io=%" PRIu64 ",", l->io_bps);
    if (out.len == 0)
        str_add(&out, "none,");
    out.buf[--out.len] = '\0';
    return str_take(&out);
}

static void add_plan(struct environ *e, size_t run, const struct run_head *h)
{
    const struct plan *p = &h->plan;

    if (h->base < p->targets.n) {
        const struct target *t = &p->targets.v[h->base];
        put(e, run, "base", ENVIRON_REFUSE_RATIOS, xstrdup(t->label));
        put(e, run, "base's definition", ENVIRON_REFUSE_RATIOS, xstrdup(t->text));
    }
    put(e, run, "limits", ENVIRON_REFUSE, limits_text(&p->limits));
    put(e, run, "cupel", ENVIRON_TELL, xstrdup(h->version));
    put(e, run, "slice (ns)", ENVIRON_TELL, xasprintf("%" PRIu64, p->slice_ns));
    put(e, run, "rounds", ENVIRON_TELL, xasprintf("%u", p->rounds));
    put(e, run, "settle (ns)", ENVIRON_TELL, xasprintf("%" PRIu64, p->settle_ns));
    put(e, run, "pause between blocks (ns)", ENVIRON_TELL, xasprintf("%" PRIu64, p->interval_ns));
    put(e, run, "targets one at a time", ENVIRON_TELL, xstrdup(p->solo ? "yes" : "no"));
    put(e, run, "caches dropped", ENVIRON_TELL, xstrdup(p->drop_caches ? "yes" : "no"));
    put(e, run, "scaled by", ENVIRON_TELL, xasprintf("%g", p->scale));
    /* Which other targets took turns with it: they share caches, and cells wait for the slowest. */
    struct str all = STR_INIT;
    VEC_FOREACH (&p->targets, const struct target, t)
        str_addf(&all, "%s%s", all.len ? " " : "", t->label);
    put(e, run, "targets", ENVIRON_TELL, str_take(&all));
}

static void add_target(struct environ *e, size_t run, const struct target *t, const char *info)
{
    json_t *o = info ? json_loads(info, 0, NULL) : NULL;
    char name[ENVIRON_NAME_MAX];

    str_format(name, sizeof(name), "%s: definition", t->label);
    put(e, run, name, ENVIRON_TELL, xstrdup(t->text));
    for (size_t i = 0; i < ARRAY_SIZE(target_fields); i++) {
        const struct known *k = &target_fields[i];
        str_format(name, sizeof(name), "%s: %s", t->label, k->name);
        put(e, run, name, k->weight, plain_text(json_object_get(o, k->key)));
    }
    json_decref(o);
}

int environ_add(struct environ *e, size_t run, struct store *s, const struct analysis *a,
                struct err *err)
{
    add_plan(e, run, &a->head);
    add_machine(e, run, &a->head);
    int r = add_probe(e, run, s, a, err);
    for (size_t t = 0; t < a->n_targets; t++)
        add_target(e, run, &a->head.plan.targets.v[t], a->targets[t].info);
    return r;
}

void environ_release(struct environ *e)
{
    VEC_FOREACH (&e->fields, struct environ_field, f) {
        for (size_t i = 0; i < e->n_runs; i++)
            free(f->values[i]);
        free(f->values);
    }
    VEC_RELEASE(&e->fields);
}

static bool is_other(const char *a, const char *b)
{
    return a && b && !str_eq(a, b);
}

bool environ_differs(const struct environ_field *f, size_t from, size_t to)
{
    const char *first = NULL;

    for (size_t i = from; i < to; i++) {
        if (is_other(first, f->values[i]))
            return true;
        first = first ? first : f->values[i];
    }
    return false;
}

static bool has(const struct environ_field *f, size_t from, size_t to, const char *value,
                bool *ret_any)
{
    bool found = false;

    *ret_any = false;
    for (size_t i = from; i < to; i++) {
        *ret_any = *ret_any || f->values[i];
        found = found || str_eq(f->values[i], value);
    }
    return found;
}

bool environ_differs_between(const struct environ_field *f, size_t split, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool any, there;
        if (!f->values[i])
            continue;
        there =
            i < split ? has(f, split, n, f->values[i], &any) : has(f, 0, split, f->values[i], &any);
        if (!there && any)
            return true;
    }
    return false;
}

bool environ_pair(const struct environ_field *f, size_t n, size_t *ret_a, size_t *ret_b)
{
    for (size_t a = 0; a < n; a++)
        for (size_t b = a + 1; b < n; b++)
            if (is_other(f->values[a], f->values[b])) {
                *ret_a = a;
                *ret_b = b;
                return true;
            }
    return false;
}

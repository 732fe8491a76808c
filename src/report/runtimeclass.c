/* The overhead of a pod's sandbox as the YAML that a cluster's operator applies: one RuntimeClass a
 * target, its podFixed from the density experiment, the evidence beside it as comments.
 *
 * Memory: the upper end of the interval of what one container more weighs with all that stands
 * above it (PSS), less the payload, which the pod's own requests are for, and less command lines
 * such as `ctr run`, which a node's kubelet does not use, plus the most that the kernel pinned for
 * one. Rounded up to whole MiB. CPU: the most that one burned while idle, rounded
 * up to whole millicores. */
#include "report/report.h"

#include "base/cleanup.h"
#include "report/words.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define CELL "density.all"
#define KIB  1024.
#define MIB  (1024. * 1024.)

struct evidence {
    uint32_t target;
    size_t n;                               /* blocks */
    double payload, tool, kernel, idle_ppm; /* bytes; ppm */
    double count;                           /* how many ran, at the most */
};

static double fact(const json_t *facts, const char *name)
{
    return json_number_value(json_object_get(facts, name));
}

static int add_block(void *user, const struct trial *t)
{
    struct evidence *e = user;

    VEC_FOREACH (&t->parts, struct part, p) {
        json_t *facts = p->target == e->target && p->outcome == OUTCOME_OK && p->facts
                            ? json_loads(p->facts, 0, NULL)
                            : NULL;
        if (!facts)
            continue;
        /* The least of what is taken off, the most of all else: it errs to the safe side. */
        double payload = fact(facts, "payload_bytes"), tool = fact(facts, "tool_bytes");
        e->payload = e->n == 0 ? payload : fmin(e->payload, payload);
        e->tool = e->n == 0 ? tool : fmin(e->tool, tool);
        e->kernel = fmax(e->kernel, fact(facts, "kernel_bytes"));
        e->idle_ppm = fmax(e->idle_ppm, fact(facts, "idle_cpu_ppm"));
        e->count = fmax(e->count, fact(facts, "running"));
        e->n++;
        json_decref(facts);
    }
    return 0;
}

static int find_cell(const struct analysis *a)
{
    for (size_t i = 0; i < a->n_cells; i++)
        if (str_eq(a->head.plan.cells.v[i].name, CELL))
            return (int)i;
    return -1;
}

/* A label as a name that Kubernetes takes: small letters, digits and hyphens. */
static void class_name(const char *label, char *dst, size_t size)
{
    size_t n = 0;

    for (; *label && n + 1 < size; label++) {
        bool ok = (*label >= 'a' && *label <= 'z') || (*label >= '0' && *label <= '9');
        if (ok)
            dst[n++] = *label;
        else if (n > 0 && dst[n - 1] != '-')
            dst[n++] = '-';
    }
    while (n > 0 && dst[n - 1] == '-')
        n--;
    dst[n] = '\0';
}

static void put_class(const struct cell_result *r, const struct evidence *e, const char *label,
                      struct str *out)
{
    double pss =
        isfinite(r->absolute.hi) ? r->absolute.hi / 1e9 * KIB : r->absolute.value / 1e9 * KIB;
    double bytes = fmax(pss - e->payload - e->tool, 0) + fmax(e->kernel, 0);
    char name[64];

    class_name(label, name, sizeof(name));
    str_addf(
        out,
        "---\n"
        "apiVersion: node.k8s.io/v1\n"
        "kind: RuntimeClass\n"
        "metadata:\n"
        "  name: %s\n"
        "handler: %s # what your nodes' container runtime calls it\n"
        "overhead:\n"
        "  podFixed:\n"
        "    memory: %.0fMi # %.2f MiB by PSS, less %.2f of payload and command lines; %.2f MiB in "
        "the kernel\n"
        "    cpu: %.0fm # %.2f millicores while idle\n"
        "    # the most of %zu block%s, up to %.0f at once\n",
        name, name, fmax(ceil(bytes / MIB), 1), pss / MIB, (e->payload + e->tool) / MIB,
        fmax(e->kernel, 0) / MIB, fmax(ceil(e->idle_ppm / 1000), 1), e->idle_ppm / 1000, e->n,
        e->n == 1 ? "" : "s", e->count);
}

int report_runtimeclass(struct store *s, const struct analysis *a, struct str *out, struct err *err)
{
    const struct plan *p = &a->head.plan;
    int cell = find_cell(a), r = 0;
    size_t n = 0;

    if (cell < 0)
        return err_set(err, ERR_USAGE, ENODATA,
                       "r%" PRId64 " did not measure " CELL "; cupel run --suite density does",
                       a->head.id);
    str_addf(out,
             "# r%" PRId64 ": what a pod's sandbox costs beside its payload, measured by cupel\n",
             a->head.id);
    for (uint32_t t = 0; r == 0 && t < a->n_targets; t++) {
        const struct cell_result *x = analysis_at(a, (size_t)cell, t);
        struct evidence e = {.target = t};

        if (str_eq(p->targets.v[t].driver, "host") || x->absolute.n == 0)
            continue;
        r = store_trials(s, a->head.id, cell, add_block, &e, err);
        if (r == 0 && e.n > 0) {
            put_class(x, &e, p->targets.v[t].label, out);
            n++;
        }
    }
    if (r == 0 && n == 0)
        r = err_set(err, ERR_USAGE, ENODATA, "r%" PRId64 " weighed no container", a->head.id);
    return r;
}

/* The overhead of a pod's sandbox (analyse/overhead.h) as the YAML that a cluster's operator
 * applies: one RuntimeClass a target, with the evidence beside it as comments. Memory is rounded up
 * to whole MiB, CPU to whole millicores. */
#include "report/report.h"

#include "base/cleanup.h"
#include "report/words.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define MIB (1024. * 1024.)

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

/* Against what the class counts today, where it was measured through one. */
static void put_counted(double counted, double taken, struct str *out)
{
    if (isfinite(counted))
        str_addf(out, "; the class counts %.3g times that", counted / taken);
}

static void put_class(const struct overhead *o, const struct target *t, struct str *out)
{
    bool known = o->handler[0]; /* it was measured through a class */
    char name[64], handler[64];

    class_name(known ? t->runtime : t->label, name, sizeof(name));
    class_name(known ? o->handler : t->label, handler, sizeof(handler));
    str_addf(out,
             "---\n"
             "apiVersion: node.k8s.io/v1\n"
             "kind: RuntimeClass\n"
             "metadata:\n"
             "  name: %s\n"
             "handler: %s%s\n"
             "overhead:\n"
             "  podFixed:\n",
             name, handler, known ? "" : " # what your nodes' container runtime calls it");
    str_addf(
        out,
        "    memory: %.0fMi # %.2f MiB by PSS, less %.2f of payload and command lines; %.2f MiB "
        "in the kernel",
        fmax(ceil(o->memory_bytes / MIB), 1), o->pss_bytes / MIB, o->without_bytes / MIB,
        o->kernel_bytes / MIB);
    put_counted(o->counted_bytes, o->memory_bytes, out);
    str_addf(out, "\n    cpu: %.0fm # %.2f millicores while idle", fmax(ceil(o->cpus * 1000), 1),
             o->cpus * 1000);
    put_counted(o->counted_cpus, o->cpus, out);
    str_addf(out, "\n    # the most of %zu block%s, up to %.0f at once\n", o->blocks,
             o->blocks == 1 ? "" : "s", o->running);
}

int report_runtimeclass(struct store *s, const struct analysis *a, struct str *out, struct err *err)
{
    _cleanup_(overheads_release) struct overheads all = {.list = VEC_INIT};
    int r = analyse_overheads(s, a, &all, err);

    if (r < 0)
        return r;
    if (all.list.n == 0)
        return err_set(err, ERR_USAGE, ENODATA,
                       "r%" PRId64 " weighed no container (" OVERHEAD_CELL
                       "); cupel run --suite density does",
                       a->head.id);
    str_addf(out,
             "# r%" PRId64 ": what a pod's sandbox costs beside its payload, measured by cupel\n",
             a->head.id);
    VEC_FOREACH (&all.list, const struct overhead, o)
        put_class(o, &a->head.plan.targets.v[o->target], out);
    return 0;
}

#include "model/run.h"

#include "base/str.h"

#include <errno.h>

void part_release(struct part *p)
{
    if (!p)
        return;
    free(TAKE_PTR(p->facts));
    free(TAKE_PTR(p->hist));
    VEC_RELEASE(&p->samples);
}

void trial_init(struct trial *t)
{
    *t = (struct trial){.block = 0};
}

void trial_release(struct trial *t)
{
    if (!t)
        return;
    VEC_FOREACH (&t->parts, struct part, p)
        part_release(p);
    VEC_RELEASE(&t->parts);
}

void session_record_release(struct session_record *s)
{
    if (!s)
        return;
    free(TAKE_PTR(s->proof));
    free(TAKE_PTR(s->hello));
}

const char *outcome_name(enum outcome o)
{
    return o == OUTCOME_OK ? "ok" : "failed";
}

int outcome_parse(const char *name, enum outcome *ret)
{
    bool ok = str_eq(name, "ok");
    if (!ok && !str_eq(name, "failed"))
        return -EINVAL;
    *ret = ok ? OUTCOME_OK : OUTCOME_FAILED;
    return 0;
}

static const char *const warning_names[WARN_KIND_COUNT] = {
    [WARN_STEAL] = "steal",
    [WARN_PRESSURE] = "pressure",
    [WARN_OTHERS] = "others",
    [WARN_CONTAINERS] = "containers",
    [WARN_SWAP] = "swap",
    [WARN_THROTTLED] = "throttled",
    [WARN_KERNEL_LOG] = "kernel-log",
    [WARN_CLOCKSOURCE] = "clocksource",
    [WARN_GOVERNOR] = "governor",
    [WARN_SMT] = "smt",
    [WARN_IDLE_BUSY] = "idle-busy",
    [WARN_DRIFT] = "drift",
    [WARN_LEFTOVERS] = "leftovers",
    [WARN_ENVIRONMENT_CHANGED] = "environment-changed",
    [WARN_SHARED] = "shared",
    [WARN_BUDGET] = "budget",
    [WARN_SHARED_CORE] = "shared-core",
};

const char *warning_name(enum warning_kind k)
{
    return (unsigned)k < WARN_KIND_COUNT ? warning_names[k] : "unknown";
}

int warning_parse(const char *name, enum warning_kind *ret)
{
    for (unsigned k = 0; k < WARN_KIND_COUNT; k++) {
        if (str_eq(name, warning_names[k])) {
            *ret = (enum warning_kind)k;
            return 0;
        }
    }
    return -EINVAL;
}

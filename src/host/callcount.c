#include "host/callcount.h"

#include "base/log.h"
#include "host/callcount-way.h"

struct callcount {
    const struct callcount_way *way;
    void *own;
};

struct callcount *callcount_new(const struct callcount_way *way, void *own)
{
    struct callcount *k = xcalloc(1, sizeof(*k));
    *k = (struct callcount){.way = way, .own = own};
    return k;
}

int callcount_open(const struct cgroups *c, const char *group, const char *instance,
                   struct callcount **ret, struct err *err)
{
    struct err by_bpf = ERR_INIT, by_tracefs = ERR_INIT;
    int r = callcount_open_bpf(c, group, ret, &by_bpf);
    if (r < 0 && by_bpf.kind == ERR_UNSUPPORTED) {
        log_debug("%s", by_bpf.msg);
        r = callcount_open_tracefs(c, group, instance, 0, ret, &by_tracefs);
        if (r < 0 && by_tracefs.kind == ERR_UNSUPPORTED)
            return err_set(err, ERR_UNSUPPORTED, by_bpf.code, "%s; %s", by_bpf.msg, by_tracefs.msg);
    }
    if (r < 0 && err)
        *err = by_tracefs.kind ? by_tracefs : by_bpf;
    return r;
}

const char *callcount_by(const struct callcount *k)
{
    return k->way->name;
}

int callcount_read(struct callcount *k, struct call_tallies *ret, struct err *err)
{
    return k->way->read(k->own, ret, err);
}

void callcount_close(struct callcount *k)
{
    if (!k)
        return;
    k->way->close(k->own);
    free(k);
}

void call_tallies_release(struct call_tallies *t)
{
    VEC_RELEASE(t);
}

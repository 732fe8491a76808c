#include "cli/run-list.h"

#include "base/cleanup.h"

#include <errno.h>

static int take(struct run_list *l, int64_t run, size_t most, struct err *err)
{
    if (most && l->n == most)
        return err_set(err, ERR_USAGE, E2BIG, "more than %zu runs", most);
    VEC_PUSH(l, run);
    return 0;
}

struct range {
    struct run_list *list;
    int64_t from, to;
    size_t most, taken;
    struct err *err;
};

static int see_run(void *user, const struct run_head *h, size_t n_trials)
{
    struct range *g = user;

    if (h->id < g->from || h->id > g->to)
        return 0;
    g->taken++;
    return take(g->list, h->id, g->most, g->err);
}

/* "r4..r9"; dots: where its ".." is. */
static int add_range(struct store *s, const char *text, const char *dots, size_t most,
                     struct run_list *l, struct err *err)
{
    _cleanup_free_ char *first = xstrndup(text, (size_t)(dots - text));
    struct range g = {.list = l, .most = most, .err = err};
    int r = store_run_find(s, first, &g.from, err);

    if (r == 0)
        r = store_run_find(s, dots + 2, &g.to, err);
    if (r == 0 && g.to < g.from)
        return err_set(err, ERR_USAGE, EINVAL, "\"%s\" begins after its end", text);
    return r < 0 ? r : store_runs(s, see_run, &g, err);
}

int run_list_add(struct store *s, const char *text, size_t most, struct run_list *inout,
                 struct err *err)
{
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        _cleanup_free_ char *spec = xstrndup(at, n);
        const char *dots = strstr(spec, "..");
        int64_t run;
        if (n == 0)
            return err_set(err, ERR_USAGE, EINVAL,
                           "\"%s\" has a comma without a run; runs are named r1,r2,r3 or r1..r3",
                           text);
        int r =
            dots ? add_range(s, spec, dots, most, inout, err) : store_run_find(s, spec, &run, err);
        if (r == 0 && !dots)
            r = take(inout, run, most, err);
        if (r < 0)
            return r;
        at += n;
        if (!*at)
            return 0;
    }
}

#include "measure/parallel.h"

#include "base/together.h"

#include <errno.h>

struct one_start {
    struct course *c;
    struct lane *l;
    struct session *session; /* NULL: it did not start */
    struct err why;
};

static void start_one(void *user)
{
    struct one_start *s = user;
    struct slot *slot = s->l->slot;
    if (slot->driver->start(&s->c->site, slot->engine, &s->c->launches[s->l->cell], &s->session,
                            &s->why) < 0)
        s->session = NULL;
}

static size_t how_many_failed(const struct one_start *v, size_t n, const struct err **ret_first)
{
    size_t failed = 0;
    *ret_first = NULL;
    for (size_t i = 0; i < n; i++) {
        if (v[i].session)
            continue;
        *ret_first = failed++ ? *ret_first : &v[i].why;
    }
    return failed;
}

static void add_times(json_t *facts, const struct one_start *v, size_t n)
{
    uint64_t begin_ns = UINT64_MAX, last_ns = 0, sum_ns = 0;
    char name[40];
    for (size_t i = 0; i < n; i++) {
        const struct lifetimes *t = &v[i].session->life;
        begin_ns = t->begin_ns < begin_ns ? t->begin_ns : begin_ns;
        last_ns = t->hello_ns > last_ns ? t->hello_ns : last_ns;
        sum_ns += session_launch_ns(v[i].session);
    }
    str_format(name, sizeof(name), "at_once_%zu", n);
    json_object_set_new(facts, name, json_integer((json_int_t)n));
    str_format(name, sizeof(name), "at_once_%zu_ns", n);
    json_object_set_new(facts, name, json_integer((json_int_t)(last_ns - begin_ns)));
    str_format(name, sizeof(name), "each_%zu_ns", n);
    json_object_set_new(facts, name, json_integer((json_int_t)(sum_ns / n)));
}

static void stop_all(struct course *c, struct lane *l, struct one_start *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct err why = ERR_INIT;
        if (v[i].session && session_stop(v[i].session, ENDING_BYE, NULL, &why) < 0 && l->alive)
            lane_fail(c, l, &why);
    }
}

static void note_failure(struct lane *l, size_t failed, size_t n, const struct err *first)
{
    struct part *p = l->part;
    p->fail_kind = first->kind;
    p->fail_code = first->code;
    str_format(p->fail_text, sizeof(p->fail_text), "%zu of %zu at once did not start: %.180s",
               failed, n, first->msg);
}

/* 1: all of them started. 0: not all. */
static int burst(struct course *c, struct lane *l, size_t n, json_t *facts, struct err *err)
{
    _cleanup_free_ struct one_start *v = xcalloc(n, sizeof(*v));
    const struct err *first;
    for (size_t i = 0; i < n; i++)
        v[i] = (struct one_start){.c = c, .l = l, .why = ERR_INIT};
    int r = together_run(c->o->loop, start_one, v, n, sizeof(v[0]), err);
    if (r < 0)
        return r;
    size_t failed = how_many_failed(v, n, &first);
    if (loop_interrupted(c->o->loop))
        r = err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    else if (failed)
        note_failure(l, failed, n, first);
    else
        add_times(facts, v, n);
    stop_all(c, l, v, n);
    return r < 0 ? r : failed == 0;
}

int parallel_starts(struct course *c, struct lane *l, size_t most, json_t *facts, struct err *err)
{
    int r = 1;
    for (size_t n = 1; r > 0 && l->alive && n <= most; n *= 2)
        r = burst(c, l, n, facts, err);
    return r < 0 ? r : 0;
}

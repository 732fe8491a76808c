/* The host's system calls of one job in one session of a target, named as the argument, counted in
 * both ways at once. */
#include "rig.h"

#include "base/cleanup.h"
#include "host/callcount.h"
#include "host/tracing.h"
#include "wire/callset.h"

#include <errno.h>

#define ROUNDS 20

static const char *target = "host";

struct counted {
    struct callset seen;
    uint64_t times[CALLSET_MAX], total;
};

static void add_up(const struct call_tallies *t, struct counted *ret)
{
    *ret = (struct counted){.total = 0};
    for (size_t i = 0; i < t->n; i++) {
        unsigned number = t->v[i].number;
        ret->total += t->v[i].times;
        if (number >= CALLSET_MAX)
            continue;
        ret->seen.has[number] = true;
        ret->times[number] += t->v[i].times;
    }
}

struct scene {
    struct rig rig;
    struct session *session;
    char instance[96];
};

static void scene_open(struct scene *s)
{
    char name[40];
    rig_init(&s->rig);
    rig_open_or_skip(&s->rig, target);
    if (!s->rig.machine.is_root || !tracing_dir()) {
        rig_release(&s->rig);
        skip();
    }
    str_format(name, sizeof(name), "cupel-%s-0001", s->rig.site.run_id);
    tracing_instance_path(name, s->instance, sizeof(s->instance));
    s->session = rig_start(&s->rig);
    rig_prepare(s->session, "reach.job", 1, NULL, 0);
    rig_slice(s->session, 1);
}

/* rig_release finds an instance that is left. */
static void scene_close(struct scene *s)
{
    rig_finish(s->session);
    rig_stop(&s->rig, s->session);
    rig_release(&s->rig);
}

static void both_ways_agree(void **state)
{
    struct scene s;
    struct callcount *bpf = NULL, *tracefs = NULL;
    struct call_tallies by_bpf = {0}, by_tracefs = {0};
    struct counted b, t;
    scene_open(&s);
    const struct cgroups *c = &s.rig.machine.cgroups;
    assert_ok(callcount_open_bpf(c, s.session->caps.cgroup, &bpf, err));
    assert_ok(callcount_open_tracefs(c, s.session->caps.cgroup, s.instance, 0, &tracefs, err));
    rig_slice(s.session, ROUNDS);
    assert_ok(callcount_read(tracefs, &by_tracefs, err));
    assert_ok(callcount_read(bpf, &by_bpf, err));
    bool own_kernel = !str_eq(s.session->hello.release, s.rig.machine.kernel);
    add_up(&by_bpf, &b);
    add_up(&by_tracefs, &t);
    print_message("# %s: %llu calls by BPF, %llu by tracefs; %zu and %zu different\n", target,
                  (unsigned long long)b.total, (unsigned long long)t.total, callset_count(&b.seen),
                  callset_count(&t.seen));
    assert_true(t.total > 1000);
    /* A sentry is never idle: between the beginnings and the ends of both it has called something.
     * A probe that has answered calls read once more, to wait in it: between the two beginnings,
     * and between the two ends. */
    uint64_t slack = own_kernel ? b.total / 50 : 2;
    assert_in_range(t.total, b.total - slack, b.total);
    for (unsigned i = 0; i < CALLSET_MAX; i++)
        if (b.times[i] - t.times[i] > slack)
            fail_msg("call %u: %llu by BPF, %llu by tracefs", i, (unsigned long long)b.times[i],
                     (unsigned long long)t.times[i]);
    callcount_close(bpf);
    callcount_close(tracefs);
    call_tallies_release(&by_bpf);
    call_tallies_release(&by_tracefs);
    scene_close(&s);
}

static void what_is_lost_is_said(void **state)
{
    struct scene s;
    struct callcount *k = NULL;
    struct call_tallies t = {0};
    struct err why = ERR_INIT;
    scene_open(&s);
    assert_ok(callcount_open_tracefs(&s.rig.machine.cgroups, s.session->caps.cgroup, s.instance, 8,
                                     &k, err));
    rig_slice(s.session, ROUNDS);
    assert_int_equal(callcount_read(k, &t, &why), -ENOBUFS);
    assert_int_equal(why.kind, ERR_MEASUREMENT);
    assert_int_equal(t.n, 0);
    callcount_close(k);
    scene_close(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(what_is_lost_is_said),
    };
    if (argc > 1)
        target = argv[1];
    if (rig_unusable(target))
        return rig_required(target);
    return cmocka_run_group_tests_name(target, tests, NULL, NULL);
}

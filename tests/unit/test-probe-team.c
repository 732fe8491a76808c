/* The harness of the probe, with workloads that show where and how often they ran. */
#include "probe/team.h"

#include "base/time.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <cmocka.h>

/* Tallies: 0 operations, 1 pid, 2 thread id, 3 calls of run. Parameters: trouble = worker index
 * whose hook named by `where` misbehaves. */
enum where { WHERE_NONE, WHERE_SETUP, WHERE_START, WHERE_RUN, WHERE_DIE, WHERE_CHECK };

struct shown {
    unsigned setups, teardowns, worker_setups, worker_teardowns, stops; /* this process's */
};

static bool troubled(const struct worker *w, enum where where)
{
    const struct facts *p = &w->job->prepare.params;
    return facts_num(p, "where", WHERE_NONE) == (int64_t)where &&
           facts_num(p, "trouble", -1) == (int64_t)w->index;
}

static struct shown *shown(const struct job *job)
{
    return (struct shown *)(uintptr_t)facts_num(&job->prepare.params, "shown", 0);
}

static bool fam_keep(const struct frame_prepare *old, const struct frame_prepare *new)
{
    return param_same(old, new, "size");
}

static int fam_setup(struct job *job, struct err *err)
{
    shown(job)->setups++;
    job->state = xmalloc(16);
    facts_add_num(&job->facts, "from_setup", 1);
    int64_t size;
    return job_num(job, "size", 1, 100, 1, &size, err);
}

static void fam_teardown(struct job *job)
{
    shown(job)->teardowns++;
    free(job->state);
}

static int fam_worker_setup(struct worker *w, struct err *err)
{
    if (w->index == 0)
        shown(w->job)->worker_setups++;
    if (troubled(w, WHERE_SETUP))
        return err_set(err, ERR_ENVIRONMENT, EDOM, "no room for worker %u", w->index);
    w->state = xmalloc(16);
    return 0;
}

static void fam_worker_teardown(struct worker *w)
{
    if (w->index == 0)
        shown(w->job)->worker_teardowns++;
    free(w->state);
}

static int show_start(struct worker *w, struct err *err)
{
    if (troubled(w, WHERE_START))
        return -ERANGE; /* a hook may leave err alone */
    w->tally[1] = (uint64_t)getpid();
    w->tally[2] = (uint64_t)gettid();
    return 0;
}

static void show_run(struct worker *w, uint64_t ops)
{
    if (troubled(w, WHERE_DIE))
        raise(SIGKILL);
    if (troubled(w, WHERE_RUN)) {
        worker_fail(w, ENOSPC, "write");
        return;
    }
    w->tally[0] += ops;
    w->tally[3]++;
}

static int show_check(struct worker *w, struct err *err)
{
    if (troubled(w, WHERE_CHECK))
        return err_set(err, ERR_MEASUREMENT, EPROTO, "worker %u did nothing", w->index);
    return 0;
}

static void show_stop(struct worker *w)
{
    if (w->index == 0)
        shown(w->job)->stops++;
}

#define ROW(label, are_processes)                                                                  \
    {                                                                                              \
        .name = label, .processes = are_processes, .start = show_start, .run = show_run,           \
        .check = show_check, .stop = show_stop                                                     \
    }

static const struct workload rows[] = {
    ROW("show.threads", false),
    ROW("show.processes", true),
    ROW("show.other", true),
    {.name = "show.whole", .run = show_run, .no_hist = true},
};

static const struct family show = {
    .name = "show",
    .list = rows,
    .n = ARRAY_SIZE(rows),
    .keep = fam_keep,
    .setup = fam_setup,
    .teardown = fam_teardown,
    .worker_setup = fam_worker_setup,
    .worker_teardown = fam_worker_teardown,
};

static struct frame_prepare prepare_for(const struct workload *w, unsigned workers,
                                        struct shown *counts)
{
    struct frame_prepare p = {.workers = workers};
    str_copy(p.workload, sizeof(p.workload), w->name);
    facts_add_num(&p.params, "shown", (int64_t)(uintptr_t)counts);
    return p;
}

static struct team *team_made(const struct workload *w, const struct frame_prepare *p,
                              double inject)
{
    struct team *t = NULL;
    struct err err = ERR_INIT;
    if (team_new(&show, w, p, inject, &t, &err) != 0)
        fail_msg("%s", err.msg);
    return t;
}

static void slice_ok(struct team *t, uint64_t ops, struct hist *h, struct team_slice *ret)
{
    struct err err = ERR_INIT;
    if (team_slice(t, ops, 0, h, ret, &err) != 0)
        fail_msg("%s", err.msg);
}

static void one_worker_runs_in_the_calling_thread(void **state)
{
    struct shown n = {0};
    for (unsigned i = 0; i < 2; i++) {
        struct frame_prepare p = prepare_for(&rows[i], 1, &n);
        struct team *t = team_made(&rows[i], &p, 0);
        struct team_slice s;
        slice_ok(t, 1000, NULL, &s);
        const struct worker *w = &team_job(t)->workers[0];
        assert_int_equal(w->tally[0], 1000);
        assert_int_equal(w->tally[2], gettid());
        assert_int_equal(w->tally[3], 1);
        assert_int_equal(s.ops, 1000);
        team_free(t);
    }
    assert_int_equal(n.setups, 2);
    assert_int_equal(n.teardowns, 2);
    assert_int_equal(n.worker_setups, 2);
    assert_int_equal(n.worker_teardowns, 2);
    assert_int_equal(n.stops, 2);
}

/* Done and verified like all work, but neither counted nor timed. */
static void the_lead_is_outside_the_counts(void **state)
{
    struct shown n = {0};
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct frame_prepare p = prepare_for(&rows[0], workers, &n);
        struct team *t = team_made(&rows[0], &p, 0);
        struct err err = ERR_INIT;
        struct team_slice s;
        if (team_slice(t, 100, 900, NULL, &s, &err) != 0)
            fail_msg("%s", err.msg);
        assert_int_equal(s.ops, 100 * workers);
        assert_int_equal(team_ops(t), 100 * workers);
        for (unsigned i = 0; i < workers; i++) {
            assert_int_equal(team_job(t)->workers[i].tally[0], 1000);
            assert_int_equal(team_job(t)->workers[i].done, 1000);
        }
        assert_int_equal(team_slice(t, 1, UINT64_MAX, NULL, &s, NULL), -EINVAL);
        team_free(t);
    }
}

static void workers_are_what_the_workload_declares(void **state)
{
    struct shown n = {0};
    for (unsigned i = 0; i < 2; i++) {
        struct frame_prepare p = prepare_for(&rows[i], 3, &n);
        struct team *t = team_made(&rows[i], &p, 0);
        const struct worker *w = team_job(t)->workers;
        assert_int_equal(w[0].tally[1], getpid());
        for (unsigned k = 1; k < 3; k++) {
            assert_true((w[k].tally[1] == (uint64_t)getpid()) == (i == 0));
            assert_int_not_equal(w[k].tally[2], w[0].tally[2]);
        }
        assert_string_equal(facts_text(&team_job(t)->facts, "workers_are", ""),
                            i == 0 ? "threads" : "processes");
        struct team_slice s;
        for (unsigned k = 0; k < 50; k++) {
            uint64_t before = time_mono_ns();
            slice_ok(t, 7, NULL, &s);
            assert_true(s.start_ns >= before);
            assert_true(s.start_ns + s.ns <= time_mono_ns());
            assert_int_equal(s.ops, 21);
        }
        assert_int_equal(job_tally(team_job(t), 0), 50 * 21);
        assert_int_equal(team_ops(t), 50 * 21);
        struct frame_finished fin;
        assert_int_equal(team_finish(t, &fin, NULL), 0);
        assert_true(fin.verified);
        assert_int_equal(fin.ops, 50 * 21);
        team_free(t);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    assert_int_equal(errno, ECHILD);
}

static void injected_work_is_done_and_not_counted(void **state)
{
    struct shown n = {0};
    struct frame_prepare p = prepare_for(&rows[0], 2, &n);
    struct team *t = team_made(&rows[0], &p, 0.01);
    struct team_slice s;
    for (unsigned i = 0; i < 40; i++)
        slice_ok(t, 25, NULL, &s); /* a quarter of an operation more each time */
    assert_int_equal(team_ops(t), 2000);
    assert_in_range(job_tally(team_job(t), 0), 2018, 2020);
    assert_int_equal(job_done(team_job(t)), job_tally(team_job(t), 0));
    struct frame_finished fin;
    assert_int_equal(team_finish(t, &fin, NULL), 0);
    assert_true(fin.verified);
    assert_int_equal(fin.ops, 2000);
    team_free(t);
}

static void a_histogram_holds_every_operation(void **state)
{
    struct shown n = {0};
    struct hist *h = xmalloc(sizeof(*h));
    for (unsigned i = 0; i < 2; i++) {
        struct frame_prepare p = prepare_for(&rows[i], 3, &n);
        struct team *t = team_made(&rows[i], &p, 0);
        struct team_slice s;
        slice_ok(t, 100, h, &s);
        assert_int_equal(h->total, 300);
        assert_true(h->max_ns <= s.ns);
        slice_ok(t, 10, h, &s);
        assert_int_equal(h->total, 30);
        assert_int_equal(job_tally(team_job(t), 3), 330); /* one call each */
        team_free(t);
    }
    struct frame_prepare p = prepare_for(&rows[3], 1, &n);
    struct team *t = team_made(&rows[3], &p, 0);
    struct team_slice s;
    assert_int_equal(team_slice(t, 1, 0, h, &s, NULL), -ENOTSUP);
    slice_ok(t, 1, NULL, &s);
    team_free(t);
    free(h);
}

static void a_kept_family_keeps_its_workers(void **state)
{
    struct shown n = {0};
    struct frame_prepare p = prepare_for(&rows[1], 3, &n), q = prepare_for(&rows[2], 3, &n);
    struct team *t = team_made(&rows[1], &p, 0);
    uint64_t pid = team_job(t)->workers[2].tally[1];
    struct team_slice s;
    slice_ok(t, 5, NULL, &s);
    assert_true(team_fits(t, &show, &rows[2], &q));
    assert_int_equal(team_reuse(t, &rows[2], &q, NULL), 0);
    assert_int_equal(team_job(t)->workers[2].tally[1], pid);
    assert_int_equal(job_tally(team_job(t), 0), 0);
    assert_int_equal(team_ops(t), 0);
    assert_int_equal(facts_num(&team_job(t)->facts, "state_reused", -1), 1);
    assert_int_equal(facts_num(&team_job(t)->facts, "from_setup", -1), 1);
    assert_int_equal(n.setups, 1);
    assert_int_equal(n.stops, 1);

    assert_false(team_fits(t, &show, &rows[0], &q)); /* threads */
    struct frame_prepare other = q;
    other.workers = 2;
    assert_false(team_fits(t, &show, &rows[2], &other));
    other = q;
    other.n_cpus = 1;
    assert_false(team_fits(t, &show, &rows[2], &other));
    other = q;
    facts_add_num(&other.params, "size", 2);
    assert_false(team_fits(t, &show, &rows[2], &other));
    team_free(t);
}

static void expect_failed_prepare(const struct workload *w, enum where where, unsigned worker,
                                  int code)
{
    struct shown n = {0};
    struct frame_prepare p = prepare_for(w, 3, &n);
    facts_add_num(&p.params, "where", where);
    facts_add_num(&p.params, "trouble", worker);
    struct team *t = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(team_new(&show, w, &p, 0, &t, &err), -code);
    assert_int_equal(err.code, code);
    assert_null(t);
    assert_int_equal(n.teardowns, 1);
    assert_int_equal(n.worker_teardowns, 1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void a_failed_prepare_leaves_nothing(void **state)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned worker = 0; worker < 3; worker += 2) {
            expect_failed_prepare(&rows[i], WHERE_SETUP, worker, EDOM);
            expect_failed_prepare(&rows[i], WHERE_START, worker, ERANGE);
        }
    struct shown n = {0};
    struct frame_prepare p = prepare_for(&rows[0], 1, &n);
    facts_add_num(&p.params, "size", 1000);
    struct team *t = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(team_new(&show, &rows[0], &p, 0, &t, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "size"));
    assert_int_equal(n.teardowns, 1);
}

static void failed_work_is_an_error_and_never_verified(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct shown n = {0};
        struct frame_prepare p = prepare_for(&rows[i], 3, &n);
        facts_add_num(&p.params, "where", WHERE_RUN);
        facts_add_num(&p.params, "trouble", 1);
        struct team *t = team_made(&rows[i], &p, 0);
        struct team_slice s;
        struct err err = ERR_INIT;
        assert_int_equal(team_slice(t, 10, 0, NULL, &s, &err), -ENOSPC);
        assert_non_null(strstr(err.msg, "worker 1: write"));
        struct frame_finished fin;
        assert_int_equal(team_finish(t, &fin, NULL), 0);
        assert_false(fin.verified);
        assert_non_null(strstr(fin.detail, "write"));
        team_free(t);
    }
}

static void a_check_that_fails_is_told(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct shown n = {0};
        struct frame_prepare p = prepare_for(&rows[i], 3, &n);
        facts_add_num(&p.params, "where", WHERE_CHECK);
        facts_add_num(&p.params, "trouble", 2);
        struct team *t = team_made(&rows[i], &p, 0);
        struct team_slice s;
        slice_ok(t, 10, NULL, &s);
        struct frame_finished fin;
        assert_int_equal(team_finish(t, &fin, NULL), 0);
        assert_false(fin.verified);
        assert_string_equal(fin.detail, "worker 2 did nothing");
        team_free(t);
    }
}

static void a_dead_worker_process_breaks_the_team(void **state)
{
    struct shown n = {0};
    struct frame_prepare p = prepare_for(&rows[1], 3, &n);
    facts_add_num(&p.params, "where", WHERE_DIE);
    facts_add_num(&p.params, "trouble", 2);
    struct team *t = team_made(&rows[1], &p, 0);
    struct team_slice s;
    struct err err = ERR_INIT;
    assert_int_equal(team_slice(t, 10, 0, NULL, &s, &err), -ECHILD);
    assert_non_null(strstr(err.msg, "worker process 2 died of signal 9"));
    assert_int_equal(team_slice(t, 10, 0, NULL, &s, NULL), -ECHILD);
    struct frame_finished fin;
    assert_int_equal(team_finish(t, &fin, NULL), -ECHILD);
    assert_false(team_fits(t, &show, &rows[1], &p));
    team_free(t);
    assert_int_equal(n.worker_teardowns, 1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void workers_are_pinned_and_the_caller_is_released(void **state)
{
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    unsigned cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    struct shown n = {0};
    for (unsigned i = 0; i < 2; i++) {
        struct frame_prepare p = prepare_for(&rows[i], 2, &n);
        p.n_cpus = 1;
        p.cpus[0] = (uint16_t)cpu;
        struct team *t = team_made(&rows[i], &p, 0);
        assert_int_equal(facts_num(&team_job(t)->facts, "workers_pinned", -1), 2);
        assert_int_equal(sched_getcpu(), cpu);
        assert_int_equal(team_job(t)->workers[1].cpu, cpu);
        team_free(t);
        assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
        assert_true(CPU_EQUAL(&before, &after));
    }
}

static void a_slice_has_bounds(void **state)
{
    struct shown n = {0};
    struct frame_prepare p = prepare_for(&rows[0], 1, &n);
    struct team *t = team_made(&rows[0], &p, 0);
    struct team_slice s;
    assert_int_equal(team_slice(t, 0, 0, NULL, &s, NULL), -EINVAL);
    assert_int_equal(team_slice(t, UINT64_MAX, 0, NULL, &s, NULL), -EINVAL);
    team_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_runs_in_the_calling_thread),
        cmocka_unit_test(the_lead_is_outside_the_counts),
        cmocka_unit_test(workers_are_what_the_workload_declares),
        cmocka_unit_test(injected_work_is_done_and_not_counted),
        cmocka_unit_test(a_histogram_holds_every_operation),
        cmocka_unit_test(a_kept_family_keeps_its_workers),
        cmocka_unit_test(a_failed_prepare_leaves_nothing),
        cmocka_unit_test(failed_work_is_an_error_and_never_verified),
        cmocka_unit_test(a_check_that_fails_is_told),
        cmocka_unit_test(a_dead_worker_process_breaks_the_team),
        cmocka_unit_test(workers_are_pinned_and_the_caller_is_released),
        cmocka_unit_test(a_slice_has_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

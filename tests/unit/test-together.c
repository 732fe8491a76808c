#include "unit.h"

#include "base/spawn.h"
#include "base/time.h"
#include "base/together.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What each of them did, in order. */
static char story[256];

static void tell(char who, char what)
{
    size_t n = strlen(story);
    assert_true(n + 3 < sizeof(story));
    snprintf(story + n, 3, "%c%c", who, what);
}

struct one {
    struct loop *l;
    char name;
    unsigned ms; /* that it sleeps */
    bool early;  /* returns before the others have met */
    uint64_t slept_ns;
    int r;
    bool *stop;
};

static int set_up(void **state)
{
    story[0] = '\0';
    return loop_new((struct loop **)state, NULL) < 0;
}

static int tear_down(void **state)
{
    loop_free(*state);
    return 0;
}

static void sleep_of_one(void *user)
{
    struct one *o = user;
    uint64_t begin_ns = time_mono_ns();
    o->r = loop_run_until(o->l, NULL, begin_ns + o->ms * NS_PER_MS, NULL);
    o->slept_ns = time_mono_ns() - begin_ns;
    tell(o->name, '.');
}

static void sleeps_pass_side_by_side(void **state)
{
    struct one v[] = {{.l = *state, .name = 'a', .ms = 120},
                      {.l = *state, .name = 'b', .ms = 40},
                      {.l = *state, .name = 'c', .ms = 80}};
    uint64_t before = loop_wakeups(*state);
    assert_ok(together_run(*state, sleep_of_one, v, 3, sizeof(v[0]), err));
    assert_string_equal(story, "b.c.a.");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(v[i].r, -ETIMEDOUT);
        assert_true(v[i].slept_ns >= v[i].ms * NS_PER_MS);
    }
    assert_true(loop_wakeups(*state) - before <= 12); /* they sleep, nobody looks round meanwhile */
}

static void child_of_one(void *user)
{
    struct one *o = user;
    const char *const argv[] = {"/bin/sh", "-c", "sleep .1; exit 3", NULL};
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    struct spawn_result res;
    tell(o->name, '(');
    o->r = spawn_run(o->l, &spec, time_deadline(20 * NS_PER_S), 1024, &res, NULL);
    if (o->r == 0)
        o->r = res.wait_status;
    spawn_result_release(&res);
    tell(o->name, ')');
}

static void children_run_side_by_side(void **state)
{
    struct one v[] = {
        {.l = *state, .name = 'a'}, {.l = *state, .name = 'b'}, {.l = *state, .name = 'c'}};
    assert_ok(together_run(*state, child_of_one, v, 3, sizeof(v[0]), err));
    assert_memory_equal(story, "a(b(c(", 6);
    assert_int_equal(strlen(story), 12);
    for (int i = 0; i < 3; i++)
        assert_int_equal(v[i].r, 3 << 8);
}

static void meeting_of_one(void *user)
{
    struct one *o = user;
    if (o->ms)
        loop_run_until(o->l, NULL, time_deadline(o->ms * NS_PER_MS), NULL);
    tell(o->name, '1');
    if (o->early)
        return;
    together_meet(o->l);
    tell(o->name, '2');
    together_meet(o->l);
    tell(o->name, '3');
}

/* Nobody goes on before the last has come; one that returns is not waited for. */
static void all_meet(void **state)
{
    struct one v[] = {{.l = *state, .name = 'a', .ms = 30},
                      {.l = *state, .name = 'b'},
                      {.l = *state, .name = 'c', .ms = 60, .early = true}};
    together_meet(*state); /* alone: nothing */
    assert_ok(together_run(*state, meeting_of_one, v, 3, sizeof(v[0]), err));
    assert_string_equal(story, "b1a1c1a2b2b3a3");
}

static void wait_for_flag(void *user)
{
    struct one *o = user;
    if (o->name == 'z') {
        loop_run_until(o->l, NULL, time_deadline(20 * NS_PER_MS), NULL);
        *o->stop = true;
        return;
    }
    o->r = loop_run_until(o->l, o->stop, time_deadline(20 * NS_PER_S), NULL);
    tell(o->name, '!');
}

/* What one of them does without the loop wakes the others, too. */
static void flag_set_by_another(void **state)
{
    bool stop = false;
    struct one v[] = {{.l = *state, .name = 'a', .stop = &stop},
                      {.l = *state, .name = 'b', .stop = &stop},
                      {.l = *state, .name = 'z', .stop = &stop}};
    uint64_t begin_ns = time_mono_ns();
    assert_ok(together_run(*state, wait_for_flag, v, 3, sizeof(v[0]), err));
    assert_string_equal(story, "a!b!");
    assert_true(time_mono_ns() - begin_ns < 10 * NS_PER_S);
    assert_int_equal(v[0].r | v[1].r, 0);
}

static void raise_and_wait(void *user)
{
    struct one *o = user;
    if (o->name == 'z')
        kill(getpid(), SIGTERM);
    o->r = loop_run_until(o->l, NULL, time_deadline(20 * NS_PER_S), NULL);
    if (o->early) /* has other things to do */
        loop_clear_interrupt(o->l);
}

/* Also those who come after one that has put it aside. */
static void interrupt_reaches_all(void **state)
{
    struct one v[] = {{.l = *state, .name = 'a', .early = true},
                      {.l = *state, .name = 'z'},
                      {.l = *state, .name = 'c', .early = true}};
    assert_ok(loop_catch_interrupts(*state, err));
    assert_ok(together_run(*state, raise_and_wait, v, 3, sizeof(v[0]), err));
    for (int i = 0; i < 3; i++)
        assert_int_equal(v[i].r, -EINTR);
    assert_int_equal(loop_interrupted(*state), SIGTERM); /* z still had it */
    v[1].early = true;
    loop_clear_interrupt(*state);
    assert_ok(together_run(*state, raise_and_wait, v, 3, sizeof(v[0]), err));
    assert_int_equal(loop_interrupted(*state), 0);
}

static void nest(void *user)
{
    struct one *o = user;
    struct err why = ERR_INIT;
    o->r = together_run(o->l, nest, o, 1, sizeof(*o), &why);
}

static void not_within_one_another(void **state)
{
    struct one o = {.l = *state};
    assert_ok(together_run(*state, nest, &o, 1, sizeof(o), err));
    assert_int_equal(o.r, -EINVAL);
    assert_ok(together_run(*state, nest, NULL, 0, 1, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sleeps_pass_side_by_side, set_up, tear_down),
        cmocka_unit_test_setup_teardown(children_run_side_by_side, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_meet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flag_set_by_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interrupt_reaches_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_within_one_another, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

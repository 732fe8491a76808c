#include "fleet/slurm.h"
#include "host/allocation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_lines_of_squeue(void **state)
{
    char text[] = "12|1|RUNNING|None|node1\n"
                  "\n"
                  "13|N/A|RUNNING|None|node2\n" /* no array */
                  "14|2|PENDING|Resources\n"    /* cut */
                  "15|3|PENDING|(Dependency)||\n"
                  "x|3|PENDING|None|\n"
                  "16|4|PENDING|ReqNodeNotAvail, UnavailableNodes:node[1-2]|";
    char *next = text;
    struct slurm_job j;

    assert_true(slurm_next_job(&next, &j));
    assert_int_equal(j.array, 12);
    assert_int_equal(j.task, 1);
    assert_string_equal(j.state, "RUNNING");
    assert_string_equal(j.node, "node1");
    assert_true(slurm_next_job(&next, &j));
    assert_int_equal(j.array, 16);
    assert_string_equal(j.reason, "ReqNodeNotAvail, UnavailableNodes:node[1-2]");
    assert_string_equal(j.node, "");
    assert_false(slurm_next_job(&next, &j));
}

static void test_states(void **state)
{
    assert_false(slurm_is_over("PENDING"));
    assert_false(slurm_is_over("COMPLETING"));
    assert_true(slurm_is_over("COMPLETED"));
    assert_true(slurm_is_over("NODE_FAIL"));
    assert_true(slurm_is_over("CANCELLED"));
}

static void test_spec(void **state)
{
    struct slurm_spec s;

    assert_int_equal(slurm_spec_parse("batch", &s, NULL), 0);
    assert_int_equal(s.nodes, 1);
    assert_int_equal(slurm_spec_parse("b,nodes=3,wait=2m,dir=/a b,nodelist=n[1-3]", &s, NULL), 0);
    assert_int_equal(s.nodes, 3);
    assert_int_equal(s.wait_ns, UINT64_C(120000000000));
    assert_string_equal(s.dir, "/a b");
    assert_int_equal(s.n_passed, 1);
    assert_string_equal(s.passed[0], "--nodelist=n[1-3]");
    static const char *const wrong[] = {
        "",        "-p",     "a b",      "a#b",       "b,nodes=0",   "b,nodes",
        "b,dir=x", "b,qos=", "b,qos=-x", "b,qos=a b", "b,script=/x", "b,"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_true(slurm_spec_parse(wrong[i], &s, NULL) < 0);
}

static void test_elements_of_on(void **state)
{
    struct fleet f;

    fleet_init(&f);
    assert_int_equal(fleet_add(&f, "slurm:a,nodes=2,qos=x,ssh:b,slurm:c", NULL), 0);
    assert_int_equal(f.machines.n, 4);
    assert_string_equal(f.machines.v[0].on, "slurm:a#1");
    assert_string_equal(f.machines.v[1].on, "slurm:a#2");
    assert_string_equal(f.machines.v[1].from, "slurm:a,nodes=2,qos=x");
    assert_string_equal(f.machines.v[2].on, "ssh:b");
    assert_string_equal(f.machines.v[3].on, "slurm:c#1");
    assert_int_equal(fleet_add(&f, "slurm:a", NULL), -EEXIST); /* its first node has that name */
    fleet_release(&f);
}

static void test_allocation(void **state)
{
    static const char text[] = "6:freezer:/slurm/uid_0/job_7/step_batch\n"
                               "4:cpu,cpuacct:/\n"
                               "2:memory:/slurm/uid_0/job_7/step_batch/task_0\n"
                               "1:name=systemd:/user.slice\n"
                               "0::/\n";
    _cleanup_(str_release) struct str list = STR_INIT;
    _cleanup_free_ char *copy = xstrdup(text), *other = xstrdup(text);
    struct cgroups c = {.n_trees = 2, .n_others = 1};

    assert_false(allocation_parse(other, "17", &list));
    assert_true(allocation_parse(copy, "7", &list));
    _cleanup_(str_release) struct str all = STR_INIT;
    _cleanup_free_ char *again = xstrdup(text), *roots = xstrdup("4:cpu:/\n0::/\n");
    assert_true(allocation_parse(again, NULL, &all));
    assert_string_equal(all.buf, list.buf);
    assert_false(allocation_parse(roots, NULL, &all));
    assert_string_equal(list.buf,
                        "freezer=/slurm/uid_0/job_7/step_batch;"
                        "memory=/slurm/uid_0/job_7/step_batch/task_0;systemd=/user.slice");
    str_copy(c.trees[0].mount, sizeof(c.trees[0].mount), "/sys/fs/cgroup/cpu,cpuacct");
    str_copy(c.trees[0].controllers, sizeof(c.trees[0].controllers), "cpu,cpuacct");
    str_copy(c.trees[1].mount, sizeof(c.trees[1].mount), "/sys/fs/cgroup/memory");
    str_copy(c.trees[1].controllers, sizeof(c.trees[1].controllers), "memory");
    str_copy(c.others[0].mount, sizeof(c.others[0].mount), "/sys/fs/cgroup/systemd");
    assert_int_equal(allocation_look_into(&c, list.buf, NULL), 0);
    assert_string_equal(c.trees[0].mount, "/sys/fs/cgroup/cpu,cpuacct");
    assert_string_equal(c.trees[1].mount,
                        "/sys/fs/cgroup/memory/slurm/uid_0/job_7/step_batch/task_0");
    assert_string_equal(c.others[0].mount, "/sys/fs/cgroup/systemd/user.slice");
    assert_int_equal(allocation_look_into(&c, "memory=/../../etc", NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines_of_squeue),
                                       cmocka_unit_test(test_states), cmocka_unit_test(test_spec),
                                       cmocka_unit_test(test_elements_of_on),
                                       cmocka_unit_test(test_allocation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

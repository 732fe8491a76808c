/* What the kernel's counter says of a job, against strace's word on the same job. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/callcount.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char job[] =
    "cat /etc/passwd >f; sort f >g; echo x | cat >h; mkdir d; rmdir d; /bin/true";

static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};

struct site {
    char dir[64], group[64];
    struct loop *l;
    struct cgroups groups;
};

static int set_up(void **state)
{
    struct site *s = *state = xcalloc(1, sizeof(*s));
    str_copy(s->dir, sizeof(s->dir), "/tmp/cupel-test-XXXXXX");
    str_format(s->group, sizeof(s->group), "/cupel-test-%d", (int)getpid());
    return mkdtemp(s->dir) && loop_new(&s->l, NULL) == 0 && cgroups_detect(&s->groups, NULL) == 0
               ? 0
               : -1;
}

static void reap(void *user)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static int tear_down(void **state)
{
    struct site *s = *state;
    int r = 0;
    if (geteuid() == 0) { /* a job that was never told to begin, too */
        r = cgroup_kill(&s->groups, s->group, time_deadline(5 * NS_PER_S), reap, NULL, NULL);
        r = r == 0 ? cgroup_remove(&s->groups, s->group, NULL) : r;
    }
    loop_free(s->l);
    fs_remove_tree(s->dir, NULL);
    free(s);
    return r;
}

/* The job as a process of the group, or of none, that begins when told: who is counted is there
 * when the counting begins. */
struct worker {
    pid_t pid;
    int ready[2], go[2];
};

static void child(const struct site *s, const struct worker *w, const int *join, int n)
{
    char byte;
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < n; i++)
        if (write(join[i], "0", 1) != 1)
            _exit(90);
    close(w->go[1]); /* so that the end of who would tell it to go is its own */
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (chdir(s->dir) < 0 || write(w->ready[1], "r", 1) != 1 || read(w->go[0], &byte, 1) != 1)
        _exit(91);
    execle("/bin/sh", "/bin/sh", "-c", job, NULL, environment);
    _exit(92);
}

/* Its read has been called before anybody counts. */
static void await_sleep(pid_t pid)
{
    char path[64], number[16];
    str_format(path, sizeof(path), "/proc/%d/syscall", (int)pid);
    str_format(number, sizeof(number), "%d ", (int)SYS_read);
    for (bool asleep = false; !asleep;) {
        _cleanup_(str_release) struct str text = STR_INIT;
        assert_ok(file_read(path, 4096, &text, err));
        asleep = str_starts(text.buf, number);
    }
}

static void begin(const struct site *s, bool in_group, struct worker *ret)
{
    int join[SPAWN_MAX_JOIN], n = 0;
    char byte;
    assert_int_equal(pipe2(ret->ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ret->go, O_CLOEXEC), 0);
    if (in_group)
        n = cgroup_open_join(&s->groups, s->group, join, SPAWN_MAX_JOIN, NULL);
    ret->pid = fork();
    if (ret->pid == 0)
        child(s, ret, join, n);
    assert_int_equal(read(ret->ready[0], &byte, 1), 1);
    await_sleep(ret->pid);
    for (int i = 0; i < n; i++)
        fd_close(&join[i]);
}

static void finish(struct worker *w)
{
    int status = -1;
    assert_int_equal(write(w->go[1], "g", 1), 1);
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++) {
        fd_close(&w->ready[i]);
        fd_close(&w->go[i]);
    }
}

static void run_traced(struct site *s, const char *table)
{
    const char *const argv[] = {"/usr/bin/strace", "-f", "-c", "-o", table,
                                "/bin/sh",         "-c", job,  NULL};
    struct spawn_spec spec = {
        .argv = argv, .env = environment, .cwd = s->dir, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    struct spawn_result res;
    assert_ok(spawn_run(s->l, &spec, time_deadline(60 * NS_PER_S), 4096, &res, err));
    assert_ok(spawn_check(&spec, &res, err));
    spawn_result_release(&res);
}

static uint64_t times_of(const struct call_tallies *t, int number)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->n; i++)
        sum += t->v[i].number == (unsigned)number ? t->v[i].times : 0;
    return sum;
}

/* When a signal comes is chance; of a call that never returns strace -c does not tell. */
static bool is_chance(const char *name)
{
    static const char *const chance[] = {"wait4", "rt_sigreturn", "restart_syscall", "futex"};
    for (size_t i = 0; i < ARRAY_SIZE(chance); i++)
        if (str_eq(name, chance[i]))
            return true;
    return false;
}

/* "% time seconds usecs/call calls errors syscall": the fourth and the last word of each line. */
static size_t compare_with(char *table, const struct call_tallies *t)
{
    size_t compared = 0;
    char *save = NULL;
    for (char *line = strtok_r(table, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned long long calls = 0;
        const char *name = strrchr(line, ' ');
        if (sscanf(line, "%*f %*f %*u %llu", &calls) != 1 || !name || str_eq(name + 1, "total"))
            continue;
        int number = seccomp_syscall_resolve_name(name + 1);
        assert_true(number >= 0);
        if (is_chance(name + 1))
            continue;
        if (times_of(t, number) != calls)
            fail_msg("%s: %llu counted, %llu by strace", name + 1,
                     (unsigned long long)times_of(t, number), calls);
        compared++;
    }
    return compared;
}

/* The job in the group or beside it, and what was counted of the group meanwhile. */
static void count_job(struct site *s, bool in_group, struct call_tallies *ret)
{
    struct worker w;
    struct callcount *k = NULL;
    assert_ok(cgroup_make(&s->groups, s->group, err));
    begin(s, in_group, &w);
    assert_ok(callcount_open(&s->groups, s->group, &k, err));
    finish(&w);
    assert_ok(callcount_read(k, ret, err));
    callcount_close(k);
}

static void agrees_with_strace(void **state)
{
    struct site *s = *state;
    char path[96];
    _cleanup_(str_release) struct str table = STR_INIT;
    struct call_tallies t = {0};
    if (geteuid() != 0)
        skip();
    count_job(s, true, &t);
    str_format(path, sizeof(path), "%s/table", s->dir);
    run_traced(s, path);
    assert_ok(file_read(path, 65536, &table, err));
    assert_true(compare_with(table.buf, &t) > 15);
    call_tallies_release(&t);
}

static void nobody_else_is_counted(void **state)
{
    struct call_tallies t = {0};
    if (geteuid() != 0)
        skip();
    count_job(*state, false, &t);
    assert_int_equal(t.n, 0);
    callcount_close(NULL);
    call_tallies_release(&t);
}

static void says_what_is_missing(void **state)
{
    struct cgroups none = {.mode = CGROUP_V1};
    struct callcount *k = NULL;
    struct err why = ERR_INIT;
    assert_int_equal(callcount_open(&none, "/cupel-test", &k, &why), -ENOTSUP);
    assert_int_equal(why.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(why.msg, "unified control group"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(agrees_with_strace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_else_is_counted, set_up, tear_down),
        cmocka_unit_test(says_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

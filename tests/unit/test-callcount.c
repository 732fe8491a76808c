/* What the kernel's counters say of a job, against strace's word on the same job. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/callcount.h"
#include "host/tracing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char job[] =
    "cat /etc/passwd >f; sort f >g; echo x | cat >h; mkdir d; rmdir d; /bin/true";

static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};

struct site {
    char dir[64], group[64], instance[96];
    struct loop *l;
    struct cgroups groups;
};

static int set_up(void **state)
{
    struct site *s = *state = xcalloc(1, sizeof(*s));
    str_copy(s->dir, sizeof(s->dir), "/tmp/cupel-test-XXXXXX");
    str_format(s->group, sizeof(s->group), "/cupel-test-%d", (int)getpid());
    str_format(s->instance, sizeof(s->instance), TRACING_DIR "/instances/cupel-test-%d",
               (int)getpid());
    return mkdtemp(s->dir) && loop_new(&s->l, NULL) == 0 && cgroups_detect(&s->groups, NULL) == 0
               ? 0
               : -1;
}

static void reap(void *user)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static bool no_tracing(void)
{
    if (tracing_dir())
        return false;
    print_message("# skipped: no tracefs is mounted here, or not for us\n");
    return true;
}

static int tear_down(void **state)
{
    struct site *s = *state;
    int r = 0;
    if (geteuid() == 0) { /* a job that was never told to begin, too */
        r = cgroup_kill(&s->groups, s->group, time_deadline(5 * NS_PER_S), reap, NULL, NULL);
        r = r == 0 ? cgroup_remove(&s->groups, s->group, NULL) : r;
        tracing_remove(s->instance, NULL);
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

/* A fork that a signal meets is begun again, which both ways count and strace has as an error; so
 * many fewer may have been counted. */
static bool is_like(const char *name, uint64_t counted, uint64_t calls, uint64_t errors)
{
    if (str_eq(name, "clone"))
        return counted <= calls && counted + errors >= calls;
    return counted == calls;
}

/* "% time seconds usecs/call calls errors syscall": the fourth, perhaps the fifth, and the last
 * word of each line. */
static size_t compare_with(char *table, const struct call_tallies *t)
{
    size_t compared = 0;
    char *save = NULL;
    for (char *line = strtok_r(table, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned long long calls = 0, errors = 0;
        const char *name = strrchr(line, ' ');
        if (sscanf(line, "%*f %*f %*u %llu %llu", &calls, &errors) < 1 || !name ||
            str_eq(name + 1, "total"))
            continue;
        int number = seccomp_syscall_resolve_name(name + 1);
        assert_true(number >= 0);
        if (is_chance(name + 1))
            continue;
        if (!is_like(name + 1, times_of(t, number), calls, errors))
            fail_msg("%s: %llu counted, %llu by strace", name + 1,
                     (unsigned long long)times_of(t, number), calls);
        compared++;
    }
    return compared;
}

/* By either way. */
static int open_by(struct site *s, bool bpf, unsigned buffer_kib, struct callcount **ret,
                   struct err *why)
{
    return bpf ? callcount_open_bpf(&s->groups, s->group, ret, why)
               : callcount_open_tracefs(&s->groups, s->group, s->instance, buffer_kib, ret, why);
}

static void close_all(struct site *s, struct callcount *k)
{
    callcount_close(k);
    assert_int_equal(access(s->instance, F_OK), -1);
    assert_int_equal(tracing_remove(s->instance, NULL), 0);
}

/* The job in the group or beside it, and what was counted of the group meanwhile. */
static void count_job(struct site *s, bool bpf, bool in_group, struct call_tallies *ret)
{
    struct worker w;
    struct callcount *k = NULL;
    assert_ok(cgroup_make(&s->groups, s->group, err));
    begin(s, in_group, &w);
    assert_ok(open_by(s, bpf, 0, &k, err));
    assert_string_equal(callcount_by(k), bpf ? "bpf" : "tracefs");
    finish(&w);
    assert_ok(callcount_read(k, ret, err));
    close_all(s, k);
}

static void check_against_strace(struct site *s, bool bpf)
{
    char path[96];
    _cleanup_(str_release) struct str table = STR_INIT;
    struct call_tallies t = {0};
    if (geteuid() != 0 || (!bpf && no_tracing()))
        skip();
    count_job(s, bpf, true, &t);
    str_format(path, sizeof(path), "%s/table", s->dir);
    run_traced(s, path);
    assert_ok(file_read(path, 65536, &table, err));
    assert_true(compare_with(table.buf, &t) > 15);
    call_tallies_release(&t);
}

static void bpf_agrees_with_strace(void **state)
{
    check_against_strace(*state, true);
}

static void tracefs_agrees_with_strace(void **state)
{
    check_against_strace(*state, false);
}

static uint64_t times_by(const struct call_tallies *t, const struct call_tally *of)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].pid == of->pid && t->v[i].number == of->number)
            return t->v[i].times;
    return 0;
}

/* Of one and the same job: each call of each process. */
static void both_ways_agree(void **state)
{
    struct site *s = *state;
    struct worker w;
    struct callcount *bpf = NULL, *tracefs = NULL;
    struct call_tallies by_bpf = {0}, by_tracefs = {0};
    if (geteuid() != 0 || no_tracing())
        skip();
    assert_ok(cgroup_make(&s->groups, s->group, err));
    begin(s, true, &w);
    assert_ok(open_by(s, true, 0, &bpf, err));
    assert_ok(open_by(s, false, 0, &tracefs, err));
    finish(&w);
    assert_ok(callcount_read(tracefs, &by_tracefs, err));
    assert_ok(callcount_read(bpf, &by_bpf, err));
    assert_true(by_bpf.n > 50);
    assert_int_equal(by_tracefs.n, by_bpf.n);
    for (size_t i = 0; i < by_bpf.n; i++)
        assert_int_equal(times_by(&by_tracefs, &by_bpf.v[i]), by_bpf.v[i].times);
    callcount_close(bpf);
    close_all(s, tracefs);
    call_tallies_release(&by_bpf);
    call_tallies_release(&by_tracefs);
}

/* ---- threads ---- */

static const int new_ones = 20;

static void call_it(void *user)
{
    syscall(SYS_getppid);
}

static void *call_at_once(void *user)
{
    call_it(user);
    return user;
}

static void call_by_threads(int ready, int go, pthread_t *old)
{
    char byte;
    pthread_t t;
    if (write(ready, "r", 1) != 1 || read(go, &byte, 1) != 1)
        _exit(91);
    for (int i = 0; i < new_ones; i++)
        if (pthread_create(&t, NULL, call_at_once, NULL) != 0 || pthread_join(t, NULL) != 0)
            _exit(92);
    pthread_cancel(*old);
    _exit(pthread_join(*old, NULL) == 0 ? 0 : 93);
}

static void *call_when_cancelled(void *user)
{
    pthread_cleanup_push(call_it, NULL);
    pause();
    pthread_cleanup_pop(0);
    return user;
}

static pid_t start_threads(const struct site *s, int ready, int go)
{
    int join[SPAWN_MAX_JOIN],
        n = cgroup_open_join(&s->groups, s->group, join, SPAWN_MAX_JOIN, NULL);
    pid_t pid = fork();
    pthread_t old;
    if (pid == 0) {
        for (int i = 0; i < n; i++)
            if (write(join[i], "0", 1) != 1)
                _exit(90);
        if (pthread_create(&old, NULL, call_when_cancelled, NULL) != 0)
            _exit(94);
        call_by_threads(ready, go, &old);
    }
    for (int i = 0; i < n; i++)
        fd_close(&join[i]);
    return pid;
}

/* What threads call is their process's: those that were there, and those that begin and end. */
static void threads_are_their_process(void **state)
{
    struct site *s = *state;
    struct callcount *k = NULL;
    struct call_tallies t = {0};
    int ready[2], go[2], status = -1;
    char byte;
    if (geteuid() != 0 || no_tracing())
        skip();
    assert_ok(cgroup_make(&s->groups, s->group, err));
    assert_ok(fd_pipe(ready, err));
    assert_ok(fd_pipe(go, err));
    pid_t pid = start_threads(s, ready[1], go[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_ok(open_by(s, false, 0, &k, err));
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_ok(callcount_read(k, &t, err));
    const struct call_tally of = {.pid = pid, .number = SYS_getppid};
    assert_int_equal(times_by(&t, &of), new_ones + 1);
    for (size_t i = 0; i < t.n; i++)
        assert_int_equal(t.v[i].pid, pid);
    close_all(s, k);
    call_tallies_release(&t);
    for (int i = 0; i < 2; i++) {
        fd_close(&ready[i]);
        fd_close(&go[i]);
    }
}

/* ---- what is not counted, and what cannot be ---- */

static void nobody_else_is_counted(void **state)
{
    struct site *s = *state;
    struct call_tallies t = {0};
    struct callcount *k = NULL;
    struct err why = ERR_INIT;
    if (geteuid() != 0 || no_tracing())
        skip();
    count_job(s, true, false, &t);
    assert_int_equal(t.n, 0);
    call_tallies_release(&t);
    /* Without anybody to follow tracing would follow everybody. */
    assert_int_equal(open_by(s, false, 0, &k, &why), -ESRCH);
    close_all(s, NULL);
}

static void what_is_lost_is_said(void **state)
{
    struct site *s = *state;
    struct worker w;
    struct callcount *k = NULL;
    struct call_tallies t = {0};
    struct err why = ERR_INIT;
    if (geteuid() != 0 || no_tracing())
        skip();
    assert_ok(cgroup_make(&s->groups, s->group, err));
    begin(s, true, &w);
    assert_ok(open_by(s, false, 8, &k, err));
    finish(&w);
    assert_int_equal(callcount_read(k, &t, &why), -ENOBUFS);
    assert_int_equal(why.kind, ERR_MEASUREMENT);
    assert_non_null(strstr(why.msg, "tracefs lost "));
    assert_non_null(strstr(why.msg, "8 KiB a CPU"));
    assert_int_equal(t.n, 0);
    close_all(s, k);
}

/* An instance that is there is somebody's, and stays. */
static void another_instance_is_not_taken(void **state)
{
    struct site *s = *state;
    struct callcount *k = NULL;
    struct err why = ERR_INIT;
    if (geteuid() != 0 || no_tracing())
        skip();
    assert_int_equal(mkdir(s->instance, 0750), 0);
    assert_int_equal(open_by(s, false, 0, &k, &why), -EEXIST);
    assert_int_equal(why.kind, ERR_UNSUPPORTED);
    assert_int_equal(tracing_remove(s->instance, NULL), 1);
}

static void says_what_is_missing(void **state)
{
    struct cgroups none = {.mode = CGROUP_V1};
    struct callcount *k = NULL;
    struct err why = ERR_INIT;
    assert_int_equal(callcount_open(&none, "/cupel-test", "", &k, &why), -ENOTSUP);
    assert_int_equal(why.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(why.msg, "by BPF: there are no unified control groups; "));
    assert_non_null(strstr(why.msg, "by tracefs: no "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bpf_agrees_with_strace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tracefs_agrees_with_strace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_ways_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_are_their_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_else_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_lost_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_instance_is_not_taken, set_up, tear_down),
        cmocka_unit_test(says_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

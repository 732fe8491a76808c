/* Filters written by hand, good and hostile, and those of live processes, put together by
 * libseccomp. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/time.h"
#include "host/proc.h"
#include "host/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR    offsetof(struct seccomp_data, nr)
#define ARG0  offsetof(struct seccomp_data, args)
#define LOAD  (BPF_LD | BPF_W | BPF_ABS)
#define EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define GIVE  (BPF_RET | BPF_K)

#define DO(code_, k_) BPF_STMT(code_, k_)
#define PASS          DO(GIVE, SECCOMP_RET_ALLOW)
#define DENY          DO(GIVE, SECCOMP_RET_ERRNO | EPERM)

#define FOLLOW(number, ...)                                                                        \
    ({                                                                                             \
        const struct sock_filter program_[] = {__VA_ARGS__};                                       \
        seccomp_follow(program_, ARRAY_SIZE(program_), number);                                    \
    })

static void numbers_and_arguments(void **state)
{
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(FOLLOW(i, DO(LOAD, NR), BPF_JUMP(EQUAL, 2, 0, 1), PASS, DENY),
                         i == 2 ? SECCOMP_ALWAYS : SECCOMP_NEVER);
    assert_int_equal(FOLLOW(7, DO(LOAD, ARG0), BPF_JUMP(EQUAL, 0, 0, 1), PASS, DENY),
                     SECCOMP_SOMETIMES);
    /* Not asked for 0: an answer for arguments of zero would say never. */
    assert_int_equal(FOLLOW(7, DO(LOAD, ARG0), BPF_JUMP(EQUAL, 129, 0, 1), PASS, DENY),
                     SECCOMP_SOMETIMES);
    /* The architecture is this machine's: the answer to another's is not ours. */
    assert_int_equal(FOLLOW(7, DO(LOAD, offsetof(struct seccomp_data, arch)),
                            BPF_JUMP(EQUAL, 1, 0, 1), PASS, DENY),
                     SECCOMP_NEVER);
    /* Ways that agree, and a word of memory, keep what is known. */
    assert_int_equal(FOLLOW(7, DO(LOAD, NR), DO(BPF_ST, 3), DO(LOAD, ARG0),
                            BPF_JUMP(EQUAL, 9, 0, 0), DO(BPF_LDX | BPF_MEM, 3),
                            DO(BPF_MISC | BPF_TXA, 0), BPF_JUMP(EQUAL, 7, 0, 1), PASS, DENY),
                     SECCOMP_ALWAYS);
    /* Ways that do not. */
    assert_int_equal(FOLLOW(7, DO(LOAD, ARG0), BPF_JUMP(EQUAL, 9, 0, 2), DO(BPF_LD | BPF_IMM, 1),
                            BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), DO(BPF_LD | BPF_IMM, 2),
                            BPF_JUMP(EQUAL, 1, 0, 1), PASS, DENY),
                     SECCOMP_SOMETIMES);
}

static void arithmetic(void **state)
{
    static const struct {
        uint16_t op;
        uint32_t by, result;
    } of_twelve[] = {
        {BPF_ADD, 3, 15}, {BPF_SUB, 13, UINT32_MAX}, {BPF_MUL, 3, 36}, {BPF_DIV, 5, 2},
        {BPF_AND, 6, 4},  {BPF_OR, 3, 15},           {BPF_XOR, 4, 8},  {BPF_LSH, 2, 48},
        {BPF_RSH, 2, 3},  {BPF_NEG, 0, -12u},
    };
    for (size_t i = 0; i < ARRAY_SIZE(of_twelve); i++)
        assert_int_equal(FOLLOW(12, DO(LOAD, NR), DO(BPF_ALU | of_twelve[i].op, of_twelve[i].by),
                                BPF_JUMP(EQUAL, of_twelve[i].result, 0, 1), PASS, DENY),
                         SECCOMP_ALWAYS);
    assert_int_equal(FOLLOW(12, DO(LOAD, NR), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 12, 2, 0),
                            BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 12, 0, 1),
                            BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 1, 0), DENY, PASS),
                     SECCOMP_ALWAYS);
}

static void actions(void **state)
{
    static const struct {
        uint32_t action;
        enum seccomp_passage passage;
    } all[] = {
        {SECCOMP_RET_ALLOW, SECCOMP_ALWAYS},
        {SECCOMP_RET_LOG, SECCOMP_ALWAYS},
        {SECCOMP_RET_TRACE | 7, SECCOMP_ALWAYS},
        {SECCOMP_RET_USER_NOTIF, SECCOMP_ALWAYS},
        {SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_NEVER},
        {SECCOMP_RET_TRAP, SECCOMP_NEVER},
        {SECCOMP_RET_KILL_THREAD, SECCOMP_NEVER},
        {SECCOMP_RET_KILL_PROCESS, SECCOMP_NEVER},
        {0x12340000, SECCOMP_NEVER},
    };
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        assert_int_equal(FOLLOW(0, DO(GIVE, all[i].action)), all[i].passage);
    assert_int_equal(FOLLOW(0, DO(LOAD, ARG0), DO(BPF_RET | BPF_A, 0)), SECCOMP_SOMETIMES);
}

/* The kernel would take none of them; here they do no harm and let nothing through. */
static void hostile_filters(void **state)
{
    _cleanup_free_ struct sock_filter *many = xcalloc(BPF_MAXINSNS + 1, sizeof(*many));
    assert_int_equal(seccomp_follow(many, 0, 0), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(LOAD, NR)), SECCOMP_NEVER); /* no end */
    assert_int_equal(FOLLOW(0, BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, BPF_JUMP(BPF_JMP | BPF_JA, UINT32_MAX, 0, 0), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, BPF_JUMP(EQUAL, 0, 255, 255), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(BPF_ALU | BPF_DIV | BPF_K, 0), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(BPF_ALU | BPF_DIV | BPF_X, 0), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(LOAD, ARG0), DO(BPF_MISC | BPF_TAX, 0),
                            DO(BPF_ALU | BPF_DIV | BPF_X, 0), PASS),
                     SECCOMP_SOMETIMES);
    assert_int_equal(FOLLOW(0, DO(BPF_ST, BPF_MEMWORDS), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(BPF_LD | BPF_MEM, UINT32_MAX), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(LOAD, sizeof(struct seccomp_data)), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(LOAD, 2), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(BPF_LD | BPF_B | BPF_ABS, 0), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(BPF_ALU | BPF_MOD | BPF_K, 3), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(0xffff, 0), PASS), SECCOMP_NEVER);
    assert_int_equal(FOLLOW(0, DO(BPF_RET | BPF_X, 0), PASS), SECCOMP_NEVER);
    for (size_t i = 0; i <= BPF_MAXINSNS; i++)
        many[i] = (struct sock_filter)PASS;
    assert_int_equal(seccomp_follow(many, BPF_MAXINSNS, 0), SECCOMP_ALWAYS);
    assert_int_equal(seccomp_follow(many, BPF_MAXINSNS + 1, 0), SECCOMP_NEVER);
}

/* ---- live ones ---- */

typedef void filtering(void);

/* ptrace, and of kill the signal 0; all else. */
static void without_some(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ptrace), 0) < 0 ||
        seccomp_rule_add(f, SCMP_ACT_KILL, SCMP_SYS(kill), 1, SCMP_A1(SCMP_CMP_EQ, 0, 0)) < 0 ||
        seccomp_load(f) < 0)
        _exit(90);
    seccomp_release(f);
}

/* A second one, an allow-list with ptrace on it. */
static void with_few(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    without_some();
    if (seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(read), 0) < 0 ||
        seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 0) < 0 ||
        seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(kill), 0) < 0 ||
        seccomp_rule_add(f, SCMP_ACT_LOG, SCMP_SYS(exit_group), 0) < 0 ||
        seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ptrace), 0) < 0 || seccomp_load(f) < 0)
        _exit(90);
}

static void with_none(void)
{
}

struct child {
    pid_t pid;
    int to, from;
};

/* Answers each byte, as long as it is sent any. */
static void begin(filtering *filter, struct child *ret)
{
    int to[2], from[2];
    char byte;
    assert_int_equal(pipe(to) | pipe(from), 0);
    ret->pid = fork();
    if (ret->pid == 0) {
        close(to[1]);
        filter();
        while (write(from[1], "r", 1) == 1 && read(to[0], &byte, 1) == 1)
            ;
        syscall(SYS_exit_group, 0); /* past a sanitizer, which would do more than few calls */
    }
    close(to[0]);
    close(from[1]);
    ret->to = to[1];
    ret->from = from[0];
    assert_int_equal(read(ret->from, &byte, 1), 1);
}

/* It has gone on. */
static void finish(struct child *c)
{
    char byte;
    int status;
    struct proc_filtering f;
    assert_int_equal(proc_filtering(c->pid, c->pid, &f), 0);
    assert_int_equal(f.tracer, 0);
    assert_int_equal(write(c->to, "x", 1), 1);
    assert_int_equal(read(c->from, &byte, 1), 1);
    close(c->to);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    assert_int_equal(status, 0);
    close(c->from);
}

static size_t count(const bool *set)
{
    size_t n = 0;
    for (size_t i = 0; i < SECCOMP_NUMBERS; i++)
        n += set[i];
    return n;
}

static void read_child(filtering *filter, struct seccomp_set *ret)
{
    struct child c;
    *ret = (struct seccomp_set){.some = {false}};
    begin(filter, &c);
    assert_ok(seccomp_read(c.pid, time_deadline(5 * NS_PER_S), ret, err));
    finish(&c);
}

static void filters_of_processes(void **state)
{
    struct seccomp_set s;
    if (geteuid() != 0)
        skip();
    read_child(with_none, &s);
    assert_int_equal(count(s.always), SECCOMP_NUMBERS);
    read_child(without_some, &s);
    assert_int_equal(count(s.some), SECCOMP_NUMBERS - 1);
    assert_int_equal(count(s.always), SECCOMP_NUMBERS - 2);
    assert_false(s.some[SYS_ptrace]);
    assert_true(s.some[SYS_kill] && !s.always[SYS_kill]);
    read_child(with_few, &s);
    assert_int_equal(count(s.some), 4);
    assert_int_equal(count(s.always), 3);
    assert_true(s.always[SYS_read] && s.always[SYS_write] && s.always[SYS_exit_group]);
    assert_true(s.some[SYS_kill] && !s.always[SYS_kill]);
}

static void what_cannot_be_looked_at(void **state)
{
    struct seccomp_set s = {.some = {false}};
    struct child c;
    int status;
    if (geteuid() != 0)
        skip();
    begin(without_some, &c);
    assert_int_equal(ptrace(PTRACE_SEIZE, c.pid, NULL, NULL), 0);
    assert_fails(seccomp_read(c.pid, time_deadline(5 * NS_PER_S), &s, err), EBUSY,
                 "another process traces it");
    assert_int_equal(ptrace(PTRACE_INTERRUPT, c.pid, NULL, NULL), 0);
    assert_int_equal(waitpid(c.pid, &status, __WALL), c.pid);
    assert_int_equal(ptrace(PTRACE_DETACH, c.pid, NULL, NULL), 0);
    /* No time at all: it is let go again whether it had stopped or not. */
    if (seccomp_read(c.pid, time_mono_ns(), &s, NULL) < 0)
        assert_int_equal(count(s.some), 0);
    for (struct proc_filtering f = {.tracer = 1}; f.tracer;)
        assert_int_equal(proc_filtering(c.pid, c.pid, &f), 0);
    finish(&c);
    assert_fails(seccomp_read(c.pid, time_deadline(NS_PER_S), &s, err), ESRCH, "it has ended");
}

/* Half way down vfork nothing but a kill reaches the parent: it does not stop. */
static void one_that_does_not_stop(void **state)
{
    struct seccomp_set s = {.some = {false}};
    int ready[2], status;
    char byte;
    if (geteuid() != 0)
        skip();
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        without_some();
        if (vfork() == 0) {
            if (write(ready[1], "r", 1) == 1)
                pause();
            _exit(0);
        }
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    uint64_t from = time_mono_ns();
    int r = seccomp_read(pid, time_deadline(5 * NS_PER_S), &s, NULL);
    assert_true(r == 0 || r == -ETIMEDOUT); /* newer kernels let it stop there, too */
    assert_true(time_mono_ns() - from < NS_PER_S);
    struct proc_filtering f = {.tracer = 1};
    while (f.tracer)
        assert_int_equal(proc_filtering(pid, pid, &f), 0);
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *children = fopen(path, "re");
    int child = 0;
    assert_true(children && fscanf(children, "%d", &child) == 1);
    fclose(children);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_arguments),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(actions),
        cmocka_unit_test(hostile_filters),
        cmocka_unit_test(filters_of_processes),
        cmocka_unit_test(what_cannot_be_looked_at),
        cmocka_unit_test(one_that_does_not_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* System calls counted by a program in the kernel. */
#include "host/callcount-way.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <unistd.h>

/* Of pairs of process and call. A guest's process makes some hundred different ones at most. */
#define PAIRS_MAX 65536

#define JOIN_ROUNDS 10

struct counter {
    int groups; /* a map: at 0 the group that is counted */
    int counts; /* a map: pid << 32 | call -> times */
    int program, link;
};

/* ---- the program ---- */

#define INSN(op, dst, src, offset, number)                                                         \
    ((struct bpf_insn){                                                                            \
        .code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (number)})
#define MOVE(dst, src)          INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define SET(dst, number)        INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, number)
#define SHIFT(way, dst, number) INSN(BPF_ALU64 | (way) | BPF_K, dst, 0, 0, number)
#define ADD(dst, number)        INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, number)
#define OR(dst, src)            INSN(BPF_ALU64 | BPF_OR | BPF_X, dst, src, 0, 0)
#define LOAD(dst, src, offset)  INSN(BPF_LDX | BPF_MEM | BPF_DW, dst, src, offset, 0)
#define STORE(dst, offset, src) INSN(BPF_STX | BPF_MEM | BPF_DW, dst, src, offset, 0)
#define CALL(what)              INSN(BPF_JMP | BPF_CALL, 0, 0, 0, what)
#define UNLESS(reg, number, to) INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, to, number)
#define IF(reg, number, to)     INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, to, number)
#define EXIT                    INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* Two instructions long. */
#define MAP(dst, fd)                                                                               \
    INSN(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)

#define KEY  (-8)
#define ZERO (-16)

/* The tracepoint's second argument is the number of the call. */
static int load(struct counter *k, char *words, size_t size)
{
    const struct bpf_insn program[] = {
        LOAD(6, 1, 8),
        MAP(1, k->groups),
        SET(2, 0),
        CALL(BPF_FUNC_current_task_under_cgroup),
        UNLESS(0, 1, 31),
        CALL(BPF_FUNC_get_current_pid_tgid),
        SHIFT(BPF_RSH, 0, 32),
        SHIFT(BPF_LSH, 0, 32),
        SHIFT(BPF_LSH, 6, 32),
        SHIFT(BPF_RSH, 6, 32),
        OR(0, 6),
        STORE(10, KEY, 0),
        MAP(1, k->counts),
        MOVE(2, 10),
        ADD(2, KEY),
        CALL(BPF_FUNC_map_lookup_elem),
        UNLESS(0, 0, 16), /* -> add */
        SET(1, 0),
        STORE(10, ZERO, 1),
        MAP(1, k->counts),
        MOVE(2, 10),
        ADD(2, KEY),
        MOVE(3, 10),
        ADD(3, ZERO),
        SET(4, BPF_NOEXIST), /* another of its threads may be first: as well */
        CALL(BPF_FUNC_map_update_elem),
        MAP(1, k->counts),
        MOVE(2, 10),
        ADD(2, KEY),
        CALL(BPF_FUNC_map_lookup_elem),
        IF(0, 0, 2), /* full -> out */
        SET(1, 1),
        INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD),
        SET(0, 0),
        EXIT,
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = words, .log_size = (unsigned)size,
                .log_level = 1);
    return bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "cupel_calls", "GPL", program,
                         ARRAY_SIZE(program), &options);
}

/* ---- open, read, close ---- */

static int refused(int code, const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, code, "system calls cannot be counted by BPF: %s: %s",
                   what, strerror(code));
}

/* Is it, by the line "0::" of /proc/PID/cgroup, in the group or below? In a container of cupel's
 * own the path may begin further up. */
static bool is_below(pid_t pid, const char *group)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    char path[64];
    size_t n = strlen(group);
    str_format(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    if (file_read(path, 65536, &text, NULL) < 0)
        return true; /* it has ended */
    const char *line = str_starts(text.buf, "0::") ? text.buf : strstr(text.buf, "\n0::");
    const char *at = line ? strstr(line + 1, group) : NULL;
    return at && (at[n] == '/' || at[n] == '\n' || !at[n]);
}

/* How many had to be moved. */
static int move_into(const struct cgroups *c, const char *group, const char *procs, struct err *err)
{
    struct pid_list pids = {0};
    int moved = 0, r = cgroup_pids(c, group, &pids, err);
    for (size_t i = 0; r == 0 && i < pids.n; i++) {
        char number[24];
        if (is_below(pids.v[i], group))
            continue;
        str_format(number, sizeof(number), "%d", (int)pids.v[i]);
        _cleanup_fd_ int fd = open(procs, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || (write(fd, number, strlen(number)) < 0 && errno != ESRCH))
            r = err_errno(err, errno, "move process %s into %s", number, procs);
        moved++;
    }
    pid_list_release(&pids);
    return r < 0 ? r : moved;
}

/* On a hybrid machine groups lie in the old trees, and their processes wherever they come from in
 * the unified one. There it says nothing about them but who they are. Again, until a look finds
 * nobody: one may have forked meanwhile. */
static int join_unified(const struct cgroups *c, const char *group, const char *path,
                        struct err *err)
{
    _cleanup_free_ char *procs = xasprintf("%s/cgroup.procs", path);
    int r = fs_mkdirs(path, 0755, err);
    for (int i = 0; i < JOIN_ROUNDS && r >= 0; i++) {
        r = move_into(c, group, procs, err);
        if (r == 0)
            return 0;
    }
    return r < 0 ? r
                 : err_set(err, ERR_ENVIRONMENT, EAGAIN, "%s forks too fast to be counted", group);
}

static int watch_group(const struct cgroups *c, const char *group, struct counter *k,
                       struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s%s", c->unified_mount, group);
    const int first = 0;
    if (!c->unified_mount[0])
        return err_set(
            err, ERR_UNSUPPORTED, ENOTSUP,
            "system calls cannot be counted by BPF: there are no unified control groups");
    int r = c->mode == CGROUP_HYBRID ? join_unified(c, group, path, err) : 0;
    if (r < 0)
        return r;
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    k->groups = bpf_map_create(BPF_MAP_TYPE_CGROUP_ARRAY, "cupel_group", 4, 4, 1, NULL);
    if (k->groups < 0 || bpf_map_update_elem(k->groups, &first, &fd, BPF_ANY) < 0)
        return refused(errno, "a map of groups", err);
    return 0;
}

static int attach(struct counter *k, struct err *err)
{
    char words[4096] = "";
    k->counts = bpf_map_create(BPF_MAP_TYPE_HASH, "cupel_calls", 8, 8, PAIRS_MAX, NULL);
    if (k->counts < 0)
        return refused(errno, "a map of counts", err);
    k->program = load(k, words, sizeof(words));
    if (k->program < 0) {
        log_debug("%s", words); /* why the verifier has refused it */
        return refused(errno, "a program", err);
    }
    k->link = bpf_raw_tracepoint_open("sys_enter", k->program);
    return k->link < 0 ? refused(errno, "its tracepoint", err) : 0;
}

static void counter_close(void *own)
{
    struct counter *k = own;
    fd_close(&k->link);
    fd_close(&k->program);
    fd_close(&k->counts);
    fd_close(&k->groups);
    free(k);
}

static int counter_read(void *own, struct call_tallies *ret, struct err *err)
{
    const struct counter *k = own;
    size_t before = ret->n;
    uint64_t key, next, times;
    const uint64_t *last = NULL;
    while (bpf_map_get_next_key(k->counts, last, &next) == 0) {
        key = next;
        last = &key;
        if (bpf_map_lookup_elem(k->counts, &key, &times) < 0)
            return err_errno(err, errno, "read what was counted");
        struct call_tally t = {.pid = (pid_t)(key >> 32), .number = (unsigned)key, .times = times};
        VEC_PUSH(ret, t);
    }
    if (errno != ENOENT)
        return err_errno(err, errno, "read what was counted");
    if (ret->n - before >= PAIRS_MAX)
        return err_set(err, ERR_MEASUREMENT, ENOSPC,
                       "too many processes made system calls to count");
    return 0;
}

static const struct callcount_way way = {
    .name = "bpf", .read = counter_read, .close = counter_close};

int callcount_open_bpf(const struct cgroups *c, const char *group, struct callcount **ret,
                       struct err *err)
{
    struct counter *k = xcalloc(1, sizeof(*k));
    *k = (struct counter){.groups = -1, .counts = -1, .program = -1, .link = -1};
    int r = watch_group(c, group, k, err);
    if (r == 0)
        r = attach(k, err);
    if (r < 0) {
        counter_close(k);
        return r;
    }
    *ret = callcount_new(&way, k);
    return 0;
}

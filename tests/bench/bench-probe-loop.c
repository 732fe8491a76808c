/* Is a slice of the probe as fast as the bare loop? The same work is done in turns by the probe
 * (one worker, through frames) and by a loop in this program, on the same CPU; the fastest of many
 * turns of each is compared, which a busy machine disturbs least. Fails below LEAST.
 *
 * Usage: bench-probe-loop; the probe is the one of this build. */
#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "wire/frame.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define NONCE       "00112233aabbccdd"
#define TURNS       200
#define ARRAY_BYTES (32u << 20)
#define MIB         (1u << 20)

struct talk {
    int to, from;
    uint64_t seq;
    struct line_reader reader;
};

struct subject {
    const char *workload;
    uint64_t ops; /* a few milliseconds of them */
    void (*bare)(uint64_t ops);
    double least; /* probe's rate over the bare loop's */
};

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bench-probe-loop: %s: %s\n", what, why);
    exit(2);
}

/* ---- the bare loops ---- */

static void bare_getpid(uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++)
        syscall(SYS_getpid);
}

static void bare_clock(uint64_t ops)
{
    struct timespec ts;
    for (uint64_t i = 0; i < ops; i++)
        clock_gettime(CLOCK_MONOTONIC, &ts);
}

static double *array_new(void)
{
    size_t huge = 2 * MIB;
    char *p =
        mmap(NULL, ARRAY_BYTES + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        die("map an array", strerror(errno));
    madvise(p, ARRAY_BYTES + huge, MADV_HUGEPAGE);
    double *a = (double *)(((uintptr_t)p + huge - 1) / huge * huge);
    for (size_t i = 0; i < ARRAY_BYTES / sizeof(*a); i++)
        a[i] = 1.0 + (double)(i % 7);
    return a;
}

/* Whole passes: ops is a multiple of the MiB of an array. */
static void bare_triad(uint64_t ops)
{
    static double *a, *b, *c;
    if (!a) {
        a = array_new();
        b = array_new();
        c = array_new();
    }
    for (uint64_t pass = 0; pass < ops * MIB / ARRAY_BYTES; pass++) {
        for (size_t i = 0; i < ARRAY_BYTES / sizeof(*a); i++)
            c[i] = a[i] + 3.0 * b[i];
        __asm__ volatile("" ::: "memory");
    }
}

/* ---- the probe ---- */

static void hear(struct talk *t, enum frame_type expect, struct frame *ret)
{
    struct err err = ERR_INIT;
    const char *line;
    size_t n;
    while (line_reader_take(&t->reader, &line, &n) == 0)
        if (line_reader_fill(&t->reader, t->from) <= 0)
            die("read", "the probe is gone");
    if (frame_parse(line, n, ret, &err) < 0)
        die("frame", err.msg);
    if (ret->type == FRAME_ERROR)
        die(ret->error.where, ret->error.text);
    if (ret->type != expect)
        die("answer", frame_type_name(ret->type));
}

static void ask(struct talk *t, struct frame *f, enum frame_type expect, struct frame *ret)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    struct err err = ERR_INIT;
    f->seq = ++t->seq;
    if (frame_encode(f, &s, &err) < 0 || fd_write_full(t->to, s.buf, s.len, &err) < 0)
        die("send", err.msg);
    hear(t, expect, ret);
}

static void begin(struct talk *t)
{
    static const char *const argv[] = {CUPEL_PROBE_PATH, "--nonce", NONCE, NULL};
    struct err err = ERR_INIT;
    int in[2], out[2];
    pid_t pid;
    struct frame f;
    if (fd_pipe(in, &err) < 0 || fd_pipe(out, &err) < 0)
        die("pipe", err.msg);
    struct spawn_spec spec = {
        .argv = argv, .fd_in = in[0], .fd_out = out[1], .fd_err = -1, .die_with_parent = true};
    if (spawn(&spec, &pid, &err) < 0)
        die("start", err.msg);
    close(in[0]);
    close(out[1]);
    *t = (struct talk){.to = in[1], .from = out[0]};
    line_reader_init(&t->reader);
    hear(t, FRAME_HELLO, &f);
}

static uint64_t probe_ns(struct talk *t, uint64_t ops)
{
    struct frame f, a;
    frame_init(&f, FRAME_SLICE, NONCE, 0);
    f.slice.ops = ops;
    ask(t, &f, FRAME_SLICED, &a);
    return a.sliced.ns;
}

static uint64_t bare_ns(const struct subject *s)
{
    uint64_t from = time_mono_ns();
    s->bare(s->ops);
    return time_mono_ns() - from;
}

static bool compare(struct talk *t, const struct subject *s, unsigned cpu)
{
    struct frame f, a;
    frame_init(&f, FRAME_PREPARE, NONCE, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), s->workload);
    f.prepare.workers = 1;
    f.prepare.n_cpus = 1;
    f.prepare.cpus[0] = (uint16_t)cpu;
    facts_add_num(&f.prepare.params, "array_bytes", ARRAY_BYTES);
    ask(t, &f, FRAME_READY, &a);
    uint64_t probe = UINT64_MAX, bare = UINT64_MAX;
    bare_ns(s); /* first touch */
    for (unsigned i = 0; i < TURNS; i++) {
        uint64_t p = probe_ns(t, s->ops), b = bare_ns(s);
        probe = p < probe ? p : probe;
        bare = b < bare ? b : bare;
    }
    frame_init(&f, FRAME_FINISH, NONCE, 0);
    ask(t, &f, FRAME_FINISHED, &a);
    if (!a.finished.verified)
        die(s->workload, a.finished.detail);
    double ratio = (double)bare / (double)probe;
    printf("%-14s probe %.2f ns, bare %.2f ns an operation: %.4f of the bare rate, at least %.2f\n",
           s->workload, (double)probe / (double)s->ops, (double)bare / (double)s->ops, ratio,
           s->least);
    return ratio >= s->least;
}

int main(void)
{
    static const struct subject subjects[] = {
        {"sys.getpid", 20000, bare_getpid, 0.99},
        {"clock.gettime", 100000, bare_clock, 0.99},
        {"mem.triad", ARRAY_BYTES / MIB, bare_triad, 0.97}, /* physical pages differ */
    };
    cpu_set_t set;
    unsigned cpu = 0;
    bool good = true;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        die("affinity", strerror(errno));
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
    struct talk t;
    begin(&t);
    for (unsigned i = 0; i < ARRAY_SIZE(subjects); i++)
        good = compare(&t, &subjects[i], cpu) && good;
    return good ? 0 : 1;
}

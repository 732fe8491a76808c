/* The bare loops that the probe is measured against: the same calls, nothing around them.
 *
 *     reference getpid|mix|triad|triad-nt [ARRAY_BYTES]
 *
 * Reads a number of operations a line, does them, answers with the nanoseconds they took. Uses
 * nothing of the project on purpose. An operation of getpid is one call; of mix, UnixBench's five;
 * of triad, one MiB of each of three arrays (STREAM's loop). */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MIB  (1u << 20)
#define HUGE (2 * MIB)

static double *a, *b, *c;
static size_t elements, at;
static int pipe_fd;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void loop_getpid(uint64_t n)
{
    while (n--)
        syscall(SYS_getpid);
}

static void loop_mix(uint64_t n)
{
    while (n--) {
        close((int)syscall(SYS_dup, pipe_fd));
        syscall(SYS_getpid);
        syscall(SYS_getuid);
        syscall(SYS_umask, 022);
    }
}

static void loop_triad(uint64_t n)
{
    const size_t step = MIB / sizeof(double);

    while (n--) {
        double *restrict to = c + at;
        const double *x = a + at, *y = b + at;

        for (size_t i = 0; i < step; i++)
            to[i] = x[i] + 3.0 * y[i];
        at = at + step < elements ? at + step : 0;
    }
}

#ifdef __SSE2__
static void loop_triad_nt(uint64_t n)
{
    const size_t step = MIB / sizeof(double);
    const __m128d m = _mm_set1_pd(3.0);

    while (n--) {
        for (size_t i = at; i < at + step; i += 2)
            _mm_stream_pd(&c[i], _mm_add_pd(_mm_load_pd(&a[i]), _mm_mul_pd(m, _mm_load_pd(&b[i]))));
        at = at + step < elements ? at + step : 0;
    }
    _mm_sfence();
}
#endif

static double *huge_array(size_t bytes)
{
    char *raw =
        mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *start = (char *)(((uintptr_t)raw + HUGE - 1) / HUGE * HUGE);

    if (raw == MAP_FAILED)
        exit(1);
    madvise(start, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < bytes / sizeof(double); i++)
        ((double *)start)[i] = 1 + (double)(i % 7);
    return (double *)start;
}

static void arrays(size_t bytes)
{
    a = huge_array(bytes);
    b = huge_array(bytes);
    c = huge_array(bytes);
    elements = bytes / sizeof(double);
}

int main(int argc, char **argv)
{
    void (*loop)(uint64_t) = NULL;
    size_t bytes = argc > 2 ? strtoull(argv[2], NULL, 10) : 64 * MIB;
    uint64_t n;
    int fds[2];

    if (argc < 2 || pipe(fds) < 0)
        return 2;
    pipe_fd = fds[0];
    if (!strcmp(argv[1], "getpid"))
        loop = loop_getpid;
    else if (!strcmp(argv[1], "mix"))
        loop = loop_mix;
    else if (!strcmp(argv[1], "triad"))
        loop = loop_triad;
#ifdef __SSE2__
    else if (!strcmp(argv[1], "triad-nt"))
        loop = loop_triad_nt;
#endif
    if (!loop)
        return 2;
    if (!strncmp(argv[1], "triad", 5))
        arrays(bytes);
    while (scanf("%" SCNu64, &n) == 1) {
        uint64_t from = now_ns();

        loop(n);
        printf("%" PRIu64 "\n", now_ns() - from);
        fflush(stdout);
    }
    return 0;
}

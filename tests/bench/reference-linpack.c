/* The bare program that the LINPACK workload is measured against: dgesv of the same library on a
 * matrix from malloc, nothing around it.
 *
 *     reference-linpack N
 *
 * Reads how many systems of order N to solve a line, solves each from anew, answers with the
 * nanoseconds that solving took. Uses nothing of the project on purpose. One thread, if
 * OPENBLAS_NUM_THREADS says so. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

extern void dgesv_(const int *n, const int *nrhs, double *a, const int *lda, int *pivots, double *b,
                   const int *ldb, int *ret_info);

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fill(double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = drand48() - .5;
}

int main(int argc, char **argv)
{
    const int n = argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0, one = 1;
    const size_t order = n > 0 ? (size_t)n : 0;
    double *a = malloc(order * order * sizeof(*a) + 1), *b = malloc(order * sizeof(*b) + 1);
    int *pivots = malloc(order * sizeof(*pivots) + 1), info;
    uint64_t solves;

    if (order == 0 || !a || !b || !pivots)
        return 2;
    while (scanf("%" SCNu64, &solves) == 1) {
        uint64_t ns = 0;

        while (solves--) {
            fill(a, order * order);
            fill(b, order);
            uint64_t from = now_ns();
            dgesv_(&n, &one, a, &n, pivots, b, &n, &info);
            ns += now_ns() - from;
            if (info != 0)
                return 1;
        }
        printf("%" PRIu64 "\n", ns);
        fflush(stdout);
    }
    return 0;
}

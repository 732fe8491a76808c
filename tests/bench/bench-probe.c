/* bench-probe PROBE REFERENCE: the probe's rates against bare C loops of the same work. */
#include "bench.h"

#include "base/time.h"

#include <stdio.h>

struct pairing {
    const char *what, *workload, *reference;
    const char *params[4];
    double least;
};

#define ARRAY "67108864"

static const struct pairing pairings[] = {
    {"sys.getpid, rate of the probe / bare loop", "sys.getpid", "getpid", {NULL}, .99},
    {"sys.mix, rate of the probe / bare loop", "sys.mix", "mix", {NULL}, .99},
    {"mem.triad plain stores, rate of the probe / bare STREAM loop",
     "mem.triad",
     "triad",
     {"array_bytes=" ARRAY, "stores=plain", "pages=huge", NULL},
     .99},
    {"mem.triad past the cache, rate of the probe / bare loop",
     "mem.triad",
     "triad-nt",
     {"array_bytes=" ARRAY, "stores=nt", "pages=huge", NULL},
     .99},
};

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct loop *loop;
    int missed = 0;

    if (argc != 3 || loop_new(&loop, &err) < 0) {
        fprintf(stderr, "usage: bench-probe PROBE REFERENCE\n");
        return 2;
    }
    for (size_t i = 0; i < ARRAY_SIZE(pairings); i++) {
        const struct pairing *k = &pairings[i];
        struct bench_probe probe = {.loop = loop,
                                    .path = argv[1],
                                    .workload = k->workload,
                                    .params = k->params,
                                    .cpu = bench_cpu()};
        struct bench_reference bare = {
            .loop = loop, .path = argv[2], .args = {k->reference, ARRAY}, .cpu = bench_cpu()};
        struct subject a = bench_probe_subject(&probe), b = bench_reference_subject(&bare);
        struct bench_plan plan = {.what = k->what,
                                  .blocks = 16,
                                  .rounds = 40,
                                  .slice_ns = 5 * NS_PER_MS,
                                  .least = k->least};
        int r = bench_compare(&plan, &a, &b, false, &err);

        if (r < 0) {
            fprintf(stderr, "bench-probe: %s\n", err.msg);
            return 2;
        }
        missed += r;
    }
    loop_free(loop);
    return missed ? 1 : 0;
}

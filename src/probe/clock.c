/* clock.gettime: reading a clock as programs do, through libc and its vDSO where there is one.
 *
 * Layer: probe. Parameter clock: monotonic (default) or realtime. */
#include "probe/family.h"

#include <errno.h>
#include <time.h>

#define CHECK_READINGS 10000
#define TALLY_READINGS 0
#define TALLY_FIRST_NS 1
#define TALLY_LAST_NS  2
#define TALLY_BACK     3 /* slices at whose end the clock stood before their start */

static const char *const clock_names[] = {"monotonic", "realtime", NULL};
static const clockid_t clock_ids[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};

struct clock_state {
    unsigned which;
};

static int clock_setup(struct job *job, struct err *err)
{
    struct clock_state *s = job->state = xcalloc(1, sizeof(*s));
    return job_choice(job, "clock", clock_names, &s->which, err);
}

static void clock_teardown(struct job *job)
{
    free(job->state);
}

static uint64_t stamp_ns(const struct timespec *ts)
{
    return (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
}

static void gettime_run(struct worker *w, uint64_t ops)
{
    clockid_t id = clock_ids[((const struct clock_state *)w->job->state)->which];
    struct timespec ts;
    int bad = clock_gettime(id, &ts);
    uint64_t first = stamp_ns(&ts);
    for (uint64_t i = 1; i < ops; i++)
        bad |= clock_gettime(id, &ts);
    uint64_t last = stamp_ns(&ts);
    if (bad) {
        worker_fail(w, errno, "clock_gettime");
        return;
    }
    if (w->tally[TALLY_FIRST_NS] == 0)
        w->tally[TALLY_FIRST_NS] = first;
    w->tally[TALLY_BACK] += last < first || first < w->tally[TALLY_LAST_NS];
    w->tally[TALLY_LAST_NS] = last;
    w->tally[TALLY_READINGS] += ops;
}

/* The readings themselves, one against the next: too much to do while they are timed. */
static int gettime_check(struct worker *w, struct err *err)
{
    const struct clock_state *s = w->job->state;
    struct timespec ts;
    uint64_t last = 0, back = 0;
    for (unsigned i = 0; i < CHECK_READINGS; i++) {
        clock_gettime(clock_ids[s->which], &ts);
        uint64_t now = stamp_ns(&ts);
        back += now < last;
        last = now;
    }
    /* CLOCK_REALTIME may be set while we look; then only the count of readings speaks. */
    if (s->which != 0)
        return 0;
    if (back > 0 || w->tally[TALLY_BACK] > 0)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "the monotonic clock went back");
    if (w->done > CHECK_READINGS && w->tally[TALLY_LAST_NS] == w->tally[TALLY_FIRST_NS])
        return err_set(err, ERR_MEASUREMENT, EPROTO, "the clock stood still");
    return 0;
}

static int gettime_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    int r = job_verify_count(job, 1, fin, err);
    if (r < 0)
        return r;
    const struct worker *w = &job->workers[0];
    facts_add_num(&fin->facts, "clock_advanced_ns",
                  (int64_t)(w->tally[TALLY_LAST_NS] - w->tally[TALLY_FIRST_NS]));
    return 0;
}

static const struct workload list[] = {
    {.name = "clock.gettime", .run = gettime_run, .check = gettime_check, .verify = gettime_verify},
};

const struct family family_clock = {
    .name = "clock",
    .list = list,
    .n = ARRAY_SIZE(list),
    .setup = clock_setup,
    .teardown = clock_teardown,
};

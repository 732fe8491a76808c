/* What families share: parameters with bounds, sums over workers, pinning. Layer: probe. */
#include "probe/family.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>

int job_num(const struct job *job, const char *name, int64_t min, int64_t max, int64_t fallback,
            int64_t *ret, struct err *err)
{
    const struct fact *f = facts_find(&job->prepare.params, name);
    if (!f) {
        *ret = fallback;
        return 0;
    }
    if (f->is_text)
        return err_set(err, ERR_USAGE, EINVAL, "parameter %s is not a number", name);
    if (f->num < min || f->num > max)
        return err_set(err, ERR_USAGE, EINVAL, "parameter %s: %lld is not in %lld..%lld", name,
                       (long long)f->num, (long long)min, (long long)max);
    *ret = f->num;
    return 0;
}

int job_choice(const struct job *job, const char *name, const char *const *choices, unsigned *ret,
               struct err *err)
{
    const struct fact *f = facts_find(&job->prepare.params, name);
    if (!f) {
        *ret = 0;
        return 0;
    }
    for (unsigned i = 0; f->is_text && choices[i]; i++)
        if (str_eq(choices[i], f->text)) {
            *ret = i;
            return 0;
        }
    return err_set(err, ERR_USAGE, EINVAL, "parameter %s: '%s' is none of its choices", name,
                   f->is_text ? f->text : "(a number)");
}

bool param_same(const struct frame_prepare *a, const struct frame_prepare *b, const char *name)
{
    const struct fact *x = facts_find(&a->params, name), *y = facts_find(&b->params, name);
    if (!x || !y)
        return x == y;
    if (x->is_text != y->is_text)
        return false;
    return x->is_text ? str_eq(x->text, y->text) : x->num == y->num;
}

uint64_t job_done(const struct job *job)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < job->prepare.workers; i++)
        sum += job->workers[i].done;
    return sum;
}

uint64_t job_tally(const struct job *job, unsigned i)
{
    uint64_t sum = 0;
    for (unsigned w = 0; w < job->prepare.workers; w++)
        sum += job->workers[w].tally[i];
    return sum;
}

int job_verify_count(const struct job *job, uint64_t per_op, struct frame_finished *fin,
                     struct err *err)
{
    for (unsigned i = 0; i < job->prepare.workers; i++) {
        const struct worker *w = &job->workers[i];
        if (w->tally[0] != w->done * per_op)
            return err_set(err, ERR_MEASUREMENT, EPROTO,
                           "worker %u: %llu of %llu operations were seen to succeed", i,
                           (unsigned long long)(w->tally[0] / (per_op ? per_op : 1)),
                           (unsigned long long)w->done);
    }
    str_format(fin->detail, sizeof(fin->detail), "%llu operations, each seen to succeed",
               (unsigned long long)job_done(job));
    return 0;
}

void worker_fail(struct worker *w, int code, const char *where)
{
    if (w->fail_code)
        return;
    w->fail_code = code ? code : EIO;
    str_copy(w->fail_where, sizeof(w->fail_where), where);
}

void worker_fail_text(struct worker *w, int code, const char *text)
{
    if (w->fail_code)
        return;
    w->fail_code = code ? code : EIO;
    str_copy(w->fail_text, sizeof(w->fail_text), text);
}

void job_hide_frames(void)
{
    int fds[2];
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (pipe2(fds, O_CLOEXEC) != 0)
        return;
    for (int i = 0; i < 2; i++) {
        if (fds[i] == i)
            continue;
        dup2(fds[i], i);
        close(fds[i]);
    }
}

void job_spread(const struct job *job)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned i = 0; i < job->prepare.n_cpus; i++)
        CPU_SET(job->prepare.cpus[i], &set);
    if (CPU_COUNT(&set) > 0)
        sched_setaffinity(0, sizeof(set), &set);
}

int job_pin(const struct job *job, unsigned slot)
{
    if (job->prepare.n_cpus == 0)
        return -1;
    unsigned cpu = job->prepare.cpus[slot % job->prepare.n_cpus];
    if (cpu >= CPU_SETSIZE)
        return -1;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0 ? (int)cpu : -1;
}

#include "ledger/slurmjob.h"

#include "base/time.h"
#include "host/slurm.h"

#include <errno.h>

#define LOOK_NS (NS_PER_S / 2)

/* Only those that are still to end, in *ret. */
static int still_there(struct loop *l, const struct slurm *s, const char *name,
                       struct slurm_jobs *ret, struct err *err)
{
    struct slurm_jobs all = VEC_INIT;
    int r = slurm_list(l, s, name, &all, err);

    VEC_FOREACH (&all, const struct slurm_job, j)
        if (!slurm_is_over(j->state))
            VEC_PUSH(ret, *j);
    slurm_jobs_release(&all);
    return r;
}

int slurmjob_remove(struct loop *l, const struct ledger_item *item, uint64_t deadline_ns,
                    struct err *err)
{
    _cleanup_(slurm_jobs_release) struct slurm_jobs jobs = VEC_INIT;
    struct slurm s;
    int r = slurm_find_beside(item->runtime, item->path, &s, err);

    if (r == 0)
        r = still_there(l, &s, item->id, &jobs, err);
    int n = (int)jobs.n;
    if (r == 0 && n > 0)
        r = slurm_cancel(l, &s, NULL, jobs.v, jobs.n, err);
    while (r == 0 && jobs.n > 0) {
        if (time_mono_ns() > deadline_ns)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "Slurm's job %s does not end", item->id);
        r = loop_run_until(l, NULL, time_deadline(LOOK_NS), err);
        jobs.n = 0;
        if (r == 0 || r == -ETIMEDOUT)
            r = still_there(l, &s, item->id, &jobs, err);
    }
    return r < 0 ? err_wrap(err, "Slurm's job %s", item->id) : n;
}

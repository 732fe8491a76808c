/* Slurm through its own programs: sbatch, squeue, scancel. Its configuration and whatever else it
 * reads of the environment apply (SLURM_CONF, SBATCH_ACCOUNT, ...); of cupel's own environment
 * nothing goes along, since jobs get that of their sbatch.
 *
 * Layer: host. Ownership: plain data, but for struct slurm_jobs: slurm_jobs_release.
 *
 *     struct slurm s;
 *     slurm_find(&s, &err);
 *     slurm_submit(loop, &s, args, &id, &err);
 *     slurm_list(loop, &s, "cupel-3fa9c2d1-1", &jobs, &err);
 *     slurm_cancel(loop, &s, NULL, &jobs.v[0], 1, &err);
 *
 * Our jobs are known by their name, which is drawn and written down before there is a job: an id
 * comes only afterwards, and is given to another job one day. */
#ifndef CUPEL_HOST_SLURM_H
#define CUPEL_HOST_SLURM_H

#include "base/loop.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

#define SLURM_PATH_MAX  256
#define SLURM_ARGS_MAX  32
#define SLURM_TASKS_MAX 4096

struct slurm {
    char sbatch[SLURM_PATH_MAX], squeue[SLURM_PATH_MAX], scancel[SLURM_PATH_MAX];
    char conf[SLURM_PATH_MAX]; /* its configuration; "": whichever it finds */
};

/* One task of a job array. */
struct slurm_job {
    uint64_t array;
    unsigned task;
    char state[24];  /* "PENDING", "RUNNING", ... */
    char reason[64]; /* why it waits: "Resources"; "None" */
    char node[64];
};

struct slurm_jobs {
    struct slurm_job *v;
    size_t n, cap;
};

/* ERR_UNSUPPORTED: one of the programs is not on the PATH. */
int slurm_find(struct slurm *ret, struct err *err);
/* The same from where scancel is (absolute) and which configuration was in force. */
int slurm_find_beside(const char *scancel, const char *conf, struct slurm *ret, struct err *err);

/* args: sbatch's own, NULL-terminated, the script last; *ret_id: of the array. ERR_ENVIRONMENT with
 * sbatch's words where it refuses. */
int slurm_submit(struct loop *l, const struct slurm *s, const char *const *args, uint64_t *ret_id,
                 struct err *err);
/* All tasks of this user's jobs of that name that Slurm still knows, ended ones too (those for some
 * minutes, MinJobAge). */
int slurm_list(struct loop *l, const struct slurm *s, const char *name, struct slurm_jobs *ret,
               struct err *err);
void slurm_jobs_release(struct slurm_jobs *j);
/* Cancels these n; signal: sends it to the batch script's own process instead. One that has ended
 * is no failure. */
int slurm_cancel(struct loop *l, const struct slurm *s, const char *signal,
                 const struct slurm_job *jobs, size_t n, struct err *err);

/* Has it ended, whatever became of it? A job that is cleaned up after has not. */
bool slurm_is_over(const char *state);
/* The next task in what squeue printed by SLURM_FORMAT; lines of another form are passed over. Cuts
 * the text up. */
#define SLURM_FORMAT "%F|%K|%T|%r|%N"
bool slurm_next_job(char **text, struct slurm_job *ret);

#endif

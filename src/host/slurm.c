#include "host/slurm.h"

#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"

#include <errno.h>
#include <unistd.h>

#define CALL_NS (30 * NS_PER_S)
#define OUT_MAX (1u << 20)

int slurm_find(struct slurm *ret, struct err *err)
{
    struct slurm s = {.conf = ""};
    const struct {
        const char *name;
        char *to;
    } programs[] = {{"sbatch", s.sbatch}, {"squeue", s.squeue}, {"scancel", s.scancel}};
    const char *conf = getenv("SLURM_CONF");

    for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
        if (fs_which(programs[i].name, programs[i].to, SLURM_PATH_MAX) < 0)
            return err_set(err, ERR_UNSUPPORTED, ENOENT,
                           "Slurm's client programs are not here: no %s on the PATH",
                           programs[i].name);
    str_copy(s.conf, sizeof(s.conf), conf && conf[0] == '/' ? conf : "");
    *ret = s;
    return 0;
}

int slurm_find_beside(const char *scancel, const char *conf, struct slurm *ret, struct err *err)
{
    struct slurm s = {.conf = ""};
    const char *slash = strrchr(scancel, '/');
    int n = slash ? (int)(slash - scancel) : 0;

    if (!str_copy(s.scancel, sizeof(s.scancel), scancel) ||
        !str_format(s.squeue, sizeof(s.squeue), "%.*s/squeue", n, scancel) ||
        access(s.scancel, X_OK) < 0 || access(s.squeue, X_OK) < 0)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "%s is not here any more", scancel);
    if (access(conf, F_OK) == 0)
        str_copy(s.conf, sizeof(s.conf), conf);
    *ret = s;
    return 0;
}

/* ---- calling ---- */

/* Of the texts only the array is to be freed, and the last. */
static const char **environment(const struct slurm *s, char **ret_own)
{
    size_t n = 0, k = 0;

    while (environ[n])
        n++;
    const char **env = xcalloc(n + 2, sizeof(*env));
    for (size_t i = 0; i < n; i++)
        if (!str_starts(environ[i], "CUPEL_") &&
            !(s->conf[0] && str_starts(environ[i], "SLURM_CONF=")))
            env[k++] = environ[i];
    *ret_own = s->conf[0] ? xasprintf("SLURM_CONF=%s", s->conf) : NULL;
    env[k] = *ret_own;
    return env;
}

static int call(struct loop *l, const struct slurm *s, const char *const *argv, struct str *out,
                struct err *err)
{
    _cleanup_free_ char *own = NULL;
    _cleanup_free_ const char **env = environment(s, &own);
    const struct spawn_spec spec = {.argv = argv,
                                    .env = env,
                                    .what = strrchr(argv[0], '/') + 1,
                                    .fd_in = -1,
                                    .fd_out = -1,
                                    .fd_err = -1,
                                    .die_with_parent = true,
                                    .new_session = true};
    struct spawn_result res;
    int r = spawn_run(l, &spec, time_deadline(CALL_NS), OUT_MAX, &res, err);

    if (r == 0)
        r = spawn_check(&spec, &res, err);
    if (r == 0 && out)
        str_addn(out, res.out.buf, res.out.len);
    spawn_result_release(&res);
    return r;
}

int slurm_submit(struct loop *l, const struct slurm *s, const char *const *args, uint64_t *ret_id,
                 struct err *err)
{
    const char *argv[SLURM_ARGS_MAX] = {s->sbatch, "--parsable"};
    _cleanup_(str_release) struct str out = STR_INIT;
    size_t n = 2;

    for (; *args; args++) {
        if (n + 1 == SLURM_ARGS_MAX)
            return err_set(err, ERR_BUG, E2BIG, "too many arguments for sbatch");
        argv[n++] = *args;
    }
    int r = call(l, s, argv, &out, err);
    if (r < 0)
        return r;
    out.buf[strcspn(out.buf, ";\n")] = '\0'; /* "12;cluster" */
    return parse_u64(out.buf, 1, UINT64_MAX, "what sbatch says is no job's id", ret_id, err);
}

/* ---- listing ---- */

int slurm_list(struct loop *l, const struct slurm *s, const char *name, struct slurm_jobs *ret,
               struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    _cleanup_free_ char *of_name = xasprintf("--name=%s", name);
    _cleanup_free_ char *of_user = xasprintf("--user=%u", (unsigned)geteuid());
    const char *const argv[] = {
        s->squeue, "--noheader", "--array", "--states=all", "--format=" SLURM_FORMAT,
        of_name,   of_user,      NULL};
    struct slurm_job j;
    int r = call(l, s, argv, &out, err);

    if (r < 0)
        return r;
    for (char *next = out.buf; ret->n < SLURM_TASKS_MAX && slurm_next_job(&next, &j);)
        VEC_PUSH(ret, j);
    return 0;
}

void slurm_jobs_release(struct slurm_jobs *j)
{
    VEC_RELEASE(j);
}

/* ---- cancelling ---- */

int slurm_cancel(struct loop *l, const struct slurm *s, const char *signal,
                 const struct slurm_job *jobs, size_t n, struct err *err)
{
    _cleanup_free_ char *signal_arg = signal ? xasprintf("--signal=%s", signal) : NULL;
    int r = 0;

    /* Some at a time: the command line is bounded. */
    while (r == 0 && n > 0) {
        size_t some = n < 16 ? n : 16, k = 0;
        char ids[16][32];
        const char *argv[SLURM_ARGS_MAX] = {s->scancel, "--quiet"};
        size_t words = 2;
        if (signal) {
            argv[words++] = "--batch";
            argv[words++] = signal_arg;
        }
        for (; k < some; k++) {
            str_format(ids[k], sizeof(ids[k]), "%llu_%u", (unsigned long long)jobs[k].array,
                       jobs[k].task);
            argv[words++] = ids[k];
        }
        r = call(l, s, argv, NULL, err);
        jobs += some;
        n -= some;
    }
    return r;
}

#include "driver/confine.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>

static int confine_threads(pid_t pid, const cpu_set_t *cpus, struct err *err)
{
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    if (!d)
        return err_errno(err, errno, "read %s", path);
    int r = 0;
    struct dirent *de;
    while (r == 0 && (de = readdir(d))) {
        uint64_t tid;
        if (de->d_name[0] == '.' || parse_u64(de->d_name, 1, INT32_MAX, "thread", &tid, NULL) < 0)
            continue;
        if (sched_setaffinity((pid_t)tid, sizeof(*cpus), cpus) < 0 && errno != ESRCH)
            r = err_errno(err, errno, "confine thread %d", (int)tid);
    }
    closedir(d);
    return r;
}

/* Where no cpuset controller can be had: every thread there is. What they start inherits it. */
static int confine_processes(const struct cgroups *c, const char *group, const cpu_set_t *cpus,
                             struct err *err)
{
    _cleanup_(pid_list_release) struct pid_list pids = {0};
    int r = cgroup_pids(c, group, &pids, err);
    for (size_t i = 0; r == 0 && i < pids.n; i++)
        if ((r = confine_threads(pids.v[i], cpus, err)) == -ENOENT)
            r = 0; /* it ended meanwhile */
    return r;
}

int group_confine(const struct cgroups *c, const char *group, const cpu_set_t *cpus,
                  struct err *err)
{
    struct err why = ERR_INIT;
    int r = cgroup_set_cpus(c, group, cpus, &why);
    if (r < 0 && why.kind == ERR_UNSUPPORTED)
        return confine_processes(c, group, cpus, err);
    if (r < 0 && err)
        *err = why;
    return r;
}

int session_confine(const struct site *s, struct session *sess, const cpu_set_t *cpus,
                    struct err *err)
{
    if (sess->caps.cgroup[0]) {
        const struct cgroups *c = &s->machine->cgroups;
        int r = sess->caps.others_cgroup ? confine_processes(c, sess->caps.cgroup, cpus, err)
                                         : group_confine(c, sess->caps.cgroup, cpus, err);
        for (size_t i = 0; r == 0 && i < sess->n_outside; i++)
            if ((r = confine_threads(sess->outside[i].pid, cpus, err)) == -ENOENT)
                r = 0;
        return r;
    }
    if (sess->caps.pid > 0)
        return confine_threads(sess->caps.pid, cpus, err);
    if (sess->caps.elsewhere)
        return 0;
    return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "this target cannot be confined to CPUs");
}

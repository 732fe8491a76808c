#include "driver/shim.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>

/* Looks at all processes until one finds nothing new. */
#define LOOKS_MOST 16

/* Processes in tens of layers are none of a runtime's making. */
#define DEPTH_MOST 32

void door_close(struct door *d)
{
    for (int i = 0; i < d->n; i++)
        fd_close(&d->fds[i]);
    d->n = 0;
}

int door_open(const struct live *l, const char *group, struct door *ret, struct err *err)
{
    ret->n = cgroup_open_join(&l->site->machine->cgroups, group, ret->fds, SPAWN_MAX_JOIN, err);
    return ret->n < 0 ? ret->n : 0;
}

int door_take(const struct door *d, pid_t pid, struct err *err)
{
    char text[16];
    int r = 0;
    str_format(text, sizeof(text), "%d", (int)pid);
    for (int i = 0; r == 0 && i < d->n; i++)
        r = fd_write_full(d->fds[i], text, strlen(text), err);
    return r;
}

int shim_adopt(struct live *l, const char *id, struct err *err)
{
    struct door door;
    char cmdline[512] = "";
    l->shim = proc_parent(l->pid);
    if (l->shim > 1)
        proc_cmdline(l->shim, cmdline, sizeof(cmdline));
    if (!strstr(cmdline, "containerd-shim") || !strstr(cmdline, id))
        return err_set(err, ERR_MEASUREMENT, EBADE, "the container's parent is no shim of its own");
    int r = door_open(l, l->ground.tool, &door, err);
    if (r == 0)
        r = door_take(&door, l->shim, err);
    door_close(&door);
    return r < 0 ? err_wrap(err, "move the shim") : 0;
}

static bool is_below(pid_t pid, pid_t ancestor)
{
    for (unsigned i = 0; pid > 1 && i < DEPTH_MOST; i++) {
        pid = proc_parent(pid);
        if (pid == ancestor)
            return true;
    }
    return false;
}

/* One look. Returns how many were moved; what ends meanwhile does not count. */
static size_t move_below(const struct live *l, const struct door *door, pid_t shim)
{
    size_t n = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *d; dir && (d = readdir(dir));) {
        uint64_t pid;
        if (parse_u64(d->d_name, 2, INT32_MAX, "", &pid, NULL) < 0 || !is_below((pid_t)pid, shim) ||
            proc_in_cgroup((pid_t)pid, l->ground.group))
            continue;
        n += door_take(door, (pid_t)pid, NULL) == 0;
    }
    if (dir)
        closedir(dir);
    return n;
}

int shim_move_container(struct live *l, pid_t pid, struct err *err)
{
    struct door door;
    pid_t shim = proc_parent(pid);
    char cmdline[512] = "";
    if (shim > 1)
        proc_cmdline(shim, cmdline, sizeof(cmdline));
    if (!strstr(cmdline, "containerd-shim"))
        return err_set(err, ERR_MEASUREMENT, EBADE, "the container's parent is no shim");
    int r = door_open(l, l->ground.box, &door, err);
    if (r < 0)
        return err_wrap(err, "move the container");
    for (unsigned i = 0; i < LOOKS_MOST && move_below(l, &door, shim) > 0; i++)
        ;
    door_close(&door);
    return 0;
}

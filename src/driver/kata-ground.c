/* What a session of Kata's needs beside its ground, and what it leaves outside of it. */
#include "driver/kata.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "driver/attribution.h"
#include "driver/oci.h"
#include "driver/shim.h"
#include "host/mounts.h"
#include "host/netns.h"
#include "ledger/kata.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SHARED_DIR "/run/kata-containers"

/* Looks for the session's processes until one finds none outside. */
#define LOOKS_MOST 8

/* ---- the host ---- */

static bool takes_log(const char *path, int type)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    _cleanup_fd_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    str_copy(to.sun_path, sizeof(to.sun_path), path);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
}

/* Where and how Go's syslog looks for one. */
static bool has_syslog(void)
{
    static const char *const places[] = {"/dev/log", "/var/run/syslog", "/var/run/log"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (takes_log(places[i], SOCK_DGRAM) || takes_log(places[i], SOCK_STREAM))
            return true;
    return false;
}

bool kata_check_host(struct target_info *ret, bool syslog)
{
    if (syslog && !has_syslog())
        target_unusable(ret, ERR_ENVIRONMENT,
                        "nothing listens at /dev/log, and Kata ends at once without a system log: "
                        "start one (systemd-journald, rsyslog, busybox syslogd)");
    else if (!mount_is_shared(SHARED_DIR))
        target_unusable(ret, ERR_ENVIRONMENT,
                        SHARED_DIR
                        " is on a mount that is not shared, and the guest's root would be empty: "
                        "mkdir -p it, \"mount --bind\" it on itself, \"mount --make-shared\" it");
    else
        return true;
    return false;
}

/* ---- the session ---- */

#define MAX_ITEMS 3

static size_t items_of(const struct live *l, struct ledger_item items[MAX_ITEMS])
{
    const struct ground *g = &l->ground;
    size_t n = 0;
    items[n++] = (struct ledger_item){
        .kind = LEDGER_KATA, .path = "", .id = g->id, .runtime = l->engine->info.path};
    if (g->netns[0])
        items[n++] = (struct ledger_item){.kind = LEDGER_MOUNT, .path = g->netns};
    if (g->shown[0])
        items[n++] = (struct ledger_item){.kind = LEDGER_MOUNT, .path = g->shown};
    return n;
}

int kata_ground_make(struct live *l, bool read_only_root, struct err *err)
{
    struct ground *g = &l->ground;
    struct ledger_item items[MAX_ITEMS];
    if (!l->net.netns[0])
        str_format(g->netns, sizeof(g->netns), "%s/netns", g->dir);
    if (read_only_root && !g->with_image)
        str_format(g->shown, sizeof(g->shown), "%s/root", g->dir);
    int r = ledger_intend(l->site->ledger, items, items_of(l, items), err);
    l->kata_owed = r == 0;
    if (r == 0 && g->netns[0])
        r = netns_make(g->netns, err);
    if (r == 0 && g->shown[0])
        r = fs_mkdirs(g->shown, 0755, err);
    if (r == 0 && g->shown[0])
        r = mount_read_only(g->rootfs, g->shown, err);
    return r;
}

const char *kata_netns(const struct live *l)
{
    return l->net.netns[0] ? l->net.netns : l->ground.netns;
}

int kata_netns_renew(struct live *l, struct err *err)
{
    if (l->net.netns[0])
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "Kata needs a fresh network namespace for each start");
    int r = netns_remove(l->ground.netns, err);
    return r < 0 ? r : netns_make(l->ground.netns, err);
}

/* ---- its processes ---- */

static bool is_in(const struct pid_list *inside, pid_t pid)
{
    for (size_t i = 0; i < inside->n; i++)
        if (inside->v[i] == pid)
            return true;
    return false;
}

/* One look. Returns how many were moved. The group's own list says who is in it: the path that a
 * process shows may be the group's and yet lie below /kata. */
static int adopt_once(struct live *l, struct attribution *a, const struct door *door,
                      struct err *err)
{
    const struct claim claim = live_claim(l);
    const struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = &claim, .n_claims = 1};
    _cleanup_(pid_list_release) struct pid_list inside = {0};
    int n = 0;
    int r = attribution_read(a, &in, err);
    if (r == 0)
        r = cgroup_pids(&l->site->machine->cgroups, l->ground.group, &inside, err);
    for (size_t i = 0; r == 0 && i < a->table.n; i++) {
        pid_t pid = a->table.v[i].pid;
        if (a->v[i].owner != 0 || is_in(&inside, pid))
            continue;
        if (a->v[i].what == COMPONENT_SHIM && str_starts(a->table.v[i].comm, "containerd-shim"))
            l->shim = pid;
        int moved = door_take(door, pid, err);
        n += moved == 0;
        r = moved == -ESRCH ? 0 : moved; /* it has ended meanwhile */
    }
    return r < 0 ? r : n;
}

int kata_adopt(struct live *l, struct err *err)
{
    _cleanup_(attribution_release) struct attribution a = {0};
    struct door door;
    int r = door_open(l, l->ground.tool, &door, err);
    if (r < 0)
        return r;
    r = 1;
    for (unsigned i = 0; i < LOOKS_MOST && r > 0; i++)
        r = adopt_once(l, &a, &door, err);
    door_close(&door);
    if (r > 0)
        return err_set(err, ERR_MEASUREMENT, EBUSY, "its processes do not stay in its group");
    return r < 0 ? err_wrap(err, "take its virtual machine into the session's group") : 0;
}

/* ---- its end ---- */

/* An engine has an identifier of its own for it. */
static int remove_of(struct live *l, const char *id, struct err *err)
{
    const struct cgroups *c = &l->site->machine->cgroups;
    int r = kata_remove(c, id, l->engine->info.path, time_deadline(l->site->stop_timeout_ns), err);
    if (r > 0)
        log_debug("%s: %d things of Kata's had stayed", l->ground.id, r);
    if (r >= 0 && kata_has_left(c, id))
        return err_set(err, ERR_ENVIRONMENT, EBUSY, "Kata still has something of %s", id);
    return r < 0 ? r : 0;
}

int kata_ground_sweep(struct live *l, struct err *err)
{
    int r = remove_of(l, l->ground.id, err);
    return r == 0 && l->engine_id[0] ? remove_of(l, l->engine_id, err) : r;
}

int kata_ground_remove(struct live *l, struct err *err)
{
    struct ledger_item items[MAX_ITEMS];
    if (!l->kata_owed)
        return 0;
    int r = kata_ground_sweep(l, err);
    if (r == 0 && l->ground.shown[0])
        r = mount_remove_below(l->ground.shown, err);
    if (r == 0 && l->ground.netns[0])
        r = netns_remove(l->ground.netns, err);
    size_t n = items_of(l, items);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = ledger_done(l->site->ledger, &items[i], err);
    l->kata_owed = r < 0;
    return r < 0 ? err_wrap(err, "left behind of %s", l->ground.id) : 0;
}

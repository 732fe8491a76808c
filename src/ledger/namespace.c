#include "ledger/namespace.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "ledger/byid.h"

#include <errno.h>

#define STEP_NS (10 * NS_PER_S)

/* Compiled into containerd: where every shim listens. */
#define SHIM_SOCKETS "/run/containerd/s"

/* Session numbers whose sockets are looked for. */
#define MOST_SESSIONS 10000

static bool answers(const char *path)
{
    _cleanup_fd_ int fd = fd_connect_unix(path);
    return fd >= 0;
}

static int ctr(struct loop *l, const struct ledger_item *it, const char *noun, const char *verb,
               const char *option, const char *what, struct str *out, struct err *err)
{
    const char *argv[16] = {it->runtime,   "--address", it->path, "--connect-timeout=3s",
                            "--namespace", it->id,      noun,     verb};
    size_t n = 8;
    if (option)
        argv[n++] = option;
    if (what)
        argv[n++] = what;
    return spawn_simple(l, argv, time_deadline(STEP_NS), out, err);
}

/* Every name of ours in the list is removed; another's is left, and with it the namespace. */
static int remove_all(struct loop *l, const struct ledger_item *it, const char *run,
                      const char *noun, const char *option, struct err *err)
{
    _cleanup_(str_release) struct str list = STR_INIT;
    char prefix[24];
    int n = 0, r = ctr(l, it, noun, "list", "--quiet", NULL, &list, err);
    str_format(prefix, sizeof(prefix), "cupel-%s-", run);
    for (char *rest = list.buf, *name; r == 0 && rest && (name = strsep(&rest, "\n"));) {
        if (!str_starts(name, prefix) || !str_is_id(name, 64))
            continue;
        /* It may go by itself meanwhile. */
        struct err why = ERR_INIT;
        n += ctr(l, it, noun, "delete", option, name, NULL, &why) == 0;
    }
    return r < 0 ? r : n;
}

static int remove_sockets(const struct ledger_item *it, const char *run)
{
    int n = 0;
    for (unsigned i = 0; i < MOST_SESSIONS; i++) {
        char text[400], hex[FS_SHA256_HEX], path[128];
        str_format(text, sizeof(text), "%s/%s/cupel-%s-%04u", it->path, it->id, run, i);
        fs_sha256_bytes(text, strlen(text), hex);
        str_format(path, sizeof(path), SHIM_SOCKETS "/%s", hex);
        n += unlink(path) == 0;
    }
    return n;
}

int namespace_remove(struct loop *l, const struct ledger_item *it, const char *run, bool ask,
                     struct err *err)
{
    ask = ask && answers(it->path);
    int tasks = ask ? remove_all(l, it, run, "tasks", "--force", err) : 0;
    int killed = byid_kill(it->id, it->runtime, time_deadline(STEP_NS), err);
    int containers = ask && tasks >= 0 ? remove_all(l, it, run, "containers", NULL, err) : 0;
    int r = tasks < 0 ? tasks : killed < 0 ? killed : containers < 0 ? containers : 0;
    int sockets = access(SHIM_SOCKETS, F_OK) == 0 ? remove_sockets(it, run) : 0;
    if (r < 0)
        return r;
    int gone = tasks + containers + killed + sockets;
    struct err why = ERR_INIT;
    if (ask && ctr(l, it, "namespaces", "remove", NULL, it->id, NULL, &why) < 0 &&
        !strstr(why.msg, "not found"))
        return err_set(err, why.kind, why.code, "%s", why.msg);
    return gone;
}

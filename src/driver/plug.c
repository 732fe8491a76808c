#include "driver/plug.h"

#include "base/cleanup.h"
#include "host/mounts.h"
#include "host/netns.h"

#include <errno.h>

static bool is_runsc(const struct live *l)
{
    return str_eq(l->engine->info.kind, "runsc");
}

const char *plug_runsc_network(const struct live *l)
{
    if (l->engine_network)
        return "sandbox";
    if (!l->net.netns[0])
        return "none";
    return l->net_stack == NET_STACK_HOST ? "host" : "sandbox";
}

bool plug_namespace_needs_cover(const char *netns)
{
    _cleanup_fd_ int fd = netns_open(netns, NULL);
    return fd >= 0 && netns_sees(fd, PLUG_COVER_FILE);
}

bool plug_needs_cover(const struct live *l)
{
    return l->net.netns[0] && is_runsc(l) && plug_namespace_needs_cover(l->net.netns);
}

int plug_cover(struct live *l, struct err *err)
{
    if (!plug_needs_cover(l))
        return 0;
    if (l->cover_fd >= 0)
        return plug_unsupported(l, "its runtime needs two covers at once", err);
    return mountns_with_cover(l->site->loop, PLUG_COVER, &l->cover_fd, err);
}

int plug_unsupported(const struct live *l, const char *why, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%s cannot have the run's network: %s",
                   l->engine->info.target.label, why);
}

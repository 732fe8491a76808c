#include "driver/podman.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "driver/engine-network.h"
#include "driver/oci.h"
#include "driver/plug.h"
#include "driver/wrapper.h"
#include "host/mounts.h"
#include "host/netns.h"

#include <errno.h>

#define CNI_RECORDS "/var/lib/cni" /* compiled into its library */

/* ---- what is here ---- */

/* podman's own defaults; and beside a podman that lies somewhere else. */
static const char *const netavark_dirs[] = {"/usr/local/libexec/podman", "/usr/local/lib/podman",
                                            "/usr/libexec/podman", "/usr/lib/podman", NULL};
static const char *const cni_dirs[] = {"/usr/local/libexec/cni", "/usr/libexec/cni",
                                       "/usr/local/lib/cni",     "/usr/lib/cni",
                                       "/opt/cni/bin",           NULL};

static bool has_program(const char *dir, const char *name)
{
    char path[300];
    return str_format(path, sizeof(path), "%s/%s", dir, name) && access(path, X_OK) == 0;
}

/* below: of ".../bin/podman" the directory ".../lib/podman" and the like. */
static bool find_dir(const char *podman, const char *below, const char *const *dirs,
                     const char *name, char *dst, size_t size)
{
    const char *bin = strstr(podman, "/bin/");
    if (bin && str_format(dst, size, "%.*s/%s", (int)(bin - podman), podman, below) &&
        has_program(dst, name))
        return true;
    for (; *dirs; dirs++)
        if (has_program(*dirs, name))
            return str_copy(dst, size, *dirs);
    dst[0] = '\0';
    return false;
}

static void find_version(struct site *s, struct podman *p)
{
    char program[300];
    bool netavark = str_eq(p->backend, "netavark");
    str_format(program, sizeof(program), "%s/%s", p->plugins, netavark ? "netavark" : "bridge");
    if (program_version(s, program, p->backend_version, sizeof(p->backend_version), NULL) < 0)
        p->backend_version[0] = '\0';
}

/* netavark first, as podman does. */
static int find_backend(struct podman *p, struct err *why)
{
    char filter[256];
    size_t n = sizeof(p->plugins);
    if (fs_which("iptables", filter, sizeof(filter)) < 0 &&
        fs_which("nft", filter, sizeof(filter)) < 0)
        return err_set(why, ERR_UNSUPPORTED, ENOENT,
                       "podman's own network needs iptables, which is not installed");
    if (find_dir(p->path, "lib/podman", netavark_dirs, "netavark", p->plugins, n)) {
        str_copy(p->backend, sizeof(p->backend), "netavark");
        return 0;
    }
    if (!find_dir(p->path, "lib/cni", cni_dirs, "bridge", p->plugins, n))
        return err_set(why, ERR_UNSUPPORTED, ENOENT,
                       "podman's own network needs netavark or CNI plug-ins, and neither is "
                       "installed");
    str_copy(p->backend, sizeof(p->backend), "cni");
    if (access(CNI_RECORDS, X_OK) == 0)
        return 0;
    return err_set(
        why, ERR_UNSUPPORTED, ENOENT,
        "podman's own network is made by CNI plug-ins here, which keep records in " CNI_RECORDS
        ": there is none that could be covered, and cupel makes none; "
        "with netavark it needs none");
}

/* ---- once a target ---- */

int podman_network_open(struct site *s, struct engine *e, struct err *err)
{
    struct podman *p = e->own;
    str_copy(p->wrapper, sizeof(p->wrapper), e->info.path);
    if (!s->engine_networks)
        return 0;
    if (find_backend(p, &p->no_network) < 0)
        return 0;
    find_version(s, p);
    str_format(p->place, sizeof(p->place), "%s/net-ns", e->state_dir);
    int r = engine_network_place(s, p->place, err);
    char shared[256];
    str_format(shared, sizeof(shared), "%s/run", e->run_dir);
    if (r == 0)
        r = fs_mkdirs(shared, 0755, err);
    str_format(shared, sizeof(shared), "%s/cni", e->state_dir);
    if (r == 0)
        r = fs_mkdirs(shared, 0700, err);
    if (r == 0 && str_eq(e->info.kind, "runsc") && plug_namespace_needs_cover(p->place))
        r = wrapper_write(e, e->state_dir, "wrapper", "sandbox", PLUG_COVER, p->wrapper, err);
    return r;
}

int podman_network_close(struct site *s, struct engine *e, struct err *err)
{
    struct podman *p = e->own;
    return p && p->place[0] ? engine_network_place_remove(s, p->place, err) : 0;
}

char *podman_network_config(const struct podman *p)
{
    if (!p->place[0])
        return xstrdup("");
    if (str_eq(p->backend, "cni"))
        return xasprintf("[network]\nnetwork_backend = \"cni\"\ncni_plugin_dirs = [\"%s\"]\n",
                         p->plugins);
    return xasprintf("helper_binaries_dir = [\"%s\"]\n[network]\nnetwork_backend = \"netavark\"\n",
                     p->plugins);
}

/* ---- a session ---- */

int podman_network_enter(struct live *l, struct err *err)
{
    const struct engine *e = l->engine;
    const struct podman *p = e->own;
    char records[256], run[64];
    bool cni = str_eq(p->backend, "cni");
    str_format(records, sizeof(records), "%s/cni", e->state_dir);
    str_format(run, sizeof(run), "%s/run", e->run_dir);
    const char *keep[] = {e->run_dir, l->site->dir};
    const struct mountns_daemon what = {.keep = keep,
                                        .n_keep = str_starts(l->site->dir, "/run/") ? 2 : 1,
                                        .cover =
                                            e->cover ? l->site->machine->cgroups.unified_mount : "",
                                        .run = run,
                                        .bind = cni ? records : "",
                                        .over = CNI_RECORDS};
    l->net_fd = netns_open(p->place, err);
    return l->net_fd < 0 ? l->net_fd : mountns_for_daemon(&what, &l->cover_fd, err);
}

int podman_network_place(struct live *l, json_t *networks, struct err *err)
{
    const struct podman *podman = l->engine->own;
    json_t *its = json_object_get(networks, PODMAN_NETWORK);
    struct engine_place *p = &l->net_place;
    *p = (struct engine_place){.network = PODMAN_NETWORK, .interface = "eth0"};
    str_copy(p->netns, sizeof(p->netns), podman->place);
    if (str_copy(p->address, sizeof(p->address), object_text(its, "IPAddress")) && p->address[0] &&
        str_copy(p->gateway, sizeof(p->gateway), object_text(its, "Gateway")))
        return 0;
    return err_set(err, ERR_MEASUREMENT, EBADMSG,
                   "podman inspect tells no IPv4 address of it on the network " PODMAN_NETWORK);
}

int podman_network_known(const struct podman *p, struct err *err)
{
    const struct err *why = &p->no_network;
    if (p->place[0])
        return 0;
    if (why->kind != ERR_NONE)
        return err_set(err, why->kind, why->code, "%s", why->msg);
    return err_set(err, ERR_BUG, ENOTCONN, "nobody asked for podman's own network");
}

int podman_network(struct site *s, struct engine *e, struct net_end *ret, json_t *facts,
                   struct err *err)
{
    const struct podman *p = e->own;
    int r = podman_network_known(p, err);
    if (r < 0)
        return r;
    *ret = (struct net_end){.prefix = 0};
    str_copy(ret->netns, sizeof(ret->netns), p->place);
    json_t *own = json_pack("{s:s, s:s, s:s, s:s}", "topology", "same host: podman's own network",
                            "engine_network", PODMAN_NETWORK, "engine_network_backend", p->backend,
                            "engine_network_version", p->backend_version);
    if (own)
        json_object_update(facts, own);
    json_decref(own);
    return 0;
}

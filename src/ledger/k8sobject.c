#include "ledger/k8sobject.h"

#include "base/cleanup.h"
#include "base/time.h"
#include "host/kubectl.h"
#include "ledger/journal.h"

#include <errno.h>

#define CALL_NS (10 * NS_PER_S)
#define LOOK_NS (NS_PER_S / 2)
/* Of an object as JSON; a ConfigMap has at most a million bytes. */
#define OBJECT_MAX (4u << 20)

static const char *const resources[] = {"pods", "jobs", "configmaps"};

/* "pods/NAME" taken apart. */
static const char *split(const char *id, const char **ret_resource)
{
    for (size_t i = 0; id && i < ARRAY_SIZE(resources); i++) {
        size_t n = strlen(resources[i]);
        if (strncmp(id, resources[i], n) == 0 && id[n] == '/') {
            *ret_resource = resources[i];
            return id + n + 1;
        }
    }
    return NULL;
}

bool k8sobject_is_ours(const char *id, const char *place)
{
    const char *resource, *name = split(id, &resource);
    struct kubectl k;

    return name && journal_is_numbered(name, 1) && place && kubectl_from_place("", "", place, &k);
}

/* A context that was written anew may lead elsewhere, where a name of ours is somebody else's. */
static int check_server(struct loop *l, const struct kubectl *k, struct err *err)
{
    static const char *const args[] = {"config", "view", "--minify",
                                       "--output=jsonpath={.clusters[0].cluster.server}", NULL};
    _cleanup_(str_release) struct str server = STR_INIT;
    int r;

    if (!k->context[0])
        return 0;
    r = kubectl_run(l, k, args, NULL, time_deadline(CALL_NS), 4096, &server, err);
    if (r == 0 && !str_eq(str_strip(server.buf), k->server))
        r = err_set(err, ERR_ENVIRONMENT, EXDEV, "context %s leads to %s by now, and not to %s",
                    k->context, server.buf, k->server);
    return r;
}

/* 1 with its uid; 0: it is not there. */
static int look_up(struct loop *l, const struct kubectl *k, const char *resource, const char *name,
                   char *ret_uid, size_t size, struct err *err)
{
    char path[512], raw[540];
    struct err why = ERR_INIT;
    json_t *o = NULL;

    if (!kubectl_api_path(k, resource, name, path, sizeof(path)))
        return err_set(err, ERR_BUG, EINVAL, "no path of it");
    str_format(raw, sizeof(raw), "--raw=%s", path);
    const char *const args[] = {"get", raw, NULL};
    int r = kubectl_json(l, k, args, NULL, time_deadline(CALL_NS), OBJECT_MAX, &o, &why);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return err_set(err, why.kind, why.code, "%s", why.msg);
    json_t *about = json_object_get(o, "metadata");
    json_t *labels = json_object_get(about, "labels");
    const char *manager = json_string_value(json_object_get(labels, KUBECTL_MANAGED_KEY));
    const char *uid = json_string_value(json_object_get(about, "uid"));
    if (!str_eq(manager, KUBECTL_MANAGED_VALUE) || !uid || !str_copy(ret_uid, size, uid))
        r = err_set(err, ERR_ENVIRONMENT, EPERM, "left alone: it does not bear our label");
    json_decref(o);
    return r < 0 ? r : 1;
}

static int remove_it(struct loop *l, const struct kubectl *k, const char *resource,
                     const char *name, uint64_t deadline_ns, struct err *err)
{
    char uid[64], now[64];
    int r = look_up(l, k, resource, name, uid, sizeof(uid), err);

    if (r <= 0)
        return r;
    r = kubectl_delete(l, k, resource, name, uid, 0, time_deadline(CALL_NS), err);
    if (r == -ENOENT || r == -ESTALE)
        r = 0; /* it went meanwhile; what is there now is looked at */
    while (r == 0) {
        r = look_up(l, k, resource, name, now, sizeof(now), err);
        if (r <= 0 || !str_eq(uid, now))
            return r < 0 ? r : 1;
        if (time_mono_ns() > deadline_ns)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "it was deleted, and does not go");
        r = loop_run_until(l, NULL, time_deadline(LOOK_NS), err);
        r = r == -ETIMEDOUT ? 0 : r;
    }
    return r;
}

int k8sobject_remove(struct loop *l, const struct ledger_item *item, uint64_t deadline_ns,
                     struct err *err)
{
    const char *resource, *name = split(item->id, &resource);
    struct kubectl k;

    if (!name || !kubectl_from_place(item->runtime, item->path, item->place, &k))
        return err_set(err, ERR_BUG, EINVAL, "no object of a Kubernetes: %s", item->id);
    int r = check_server(l, &k, err);
    if (r == 0)
        r = remove_it(l, &k, resource, name, deadline_ns, err);
    return r < 0 ? err_wrap(err, "%s in %s", item->id, item->place) : r;
}

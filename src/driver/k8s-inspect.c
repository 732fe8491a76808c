/* What is known of a Kubernetes target without starting a pod: server, class, node. */
#include "driver/k8s.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "driver/oci.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>

#define REACH_NS (3 * NS_PER_S)

static const char *const kinds[] = {"runc", "crun", "youki", "runsc", "kata"};

static const char *kind_in(const char *name)
{
    if (strstr(name, "gvisor"))
        return "runsc";
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strstr(name, kinds[i]))
            return kinds[i];
    return NULL;
}

const char *k8s_kind(const char *class_, const char *handler)
{
    const char *kind = kind_in(class_);

    if (!kind)
        kind = kind_in(handler);
    return kind ? kind : "oci";
}

bool k8s_has_registry(const char *image)
{
    size_t n = strcspn(image, "/");

    return image[n] && (memchr(image, '.', n) || memchr(image, ':', n));
}

static int get(struct loop *l, const struct kubectl *k, const char *path, uint64_t deadline_ns,
               json_t **ret, struct err *err)
{
    _cleanup_free_ char *raw = xasprintf("--raw=%s", path);
    const char *const args[] = {"get", raw, NULL};

    return kubectl_json(l, k, args, NULL, deadline_ns, K8S_ANSWER_MAX, ret, err);
}

/* ---- the class ---- */

/* A DNS subdomain: nothing that a path could see more in. */
static bool is_object_name(const char *s)
{
    return *s && strlen(s) < 254 &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(s) && *s != '.' &&
           *s != '-';
}

static int find_class(struct loop *l, const char *name, uint64_t deadline_ns, struct k8s *k,
                      struct err *err)
{
    json_t *o = NULL;
    char path[320];

    if (str_eq(name, K8S_DEFAULT_CLASS))
        return 0;
    if (!is_object_name(name))
        return err_set(err, ERR_USAGE, EINVAL, "'%.60s' is no name of a RuntimeClass", name);
    str_copy(k->class_, sizeof(k->class_), name);
    str_format(path, sizeof(path), "/apis/node.k8s.io/v1/runtimeclasses/%s", name);
    int r = get(l, &k->kubectl, path, deadline_ns, &o, err);
    if (r == -EACCES)
        return 0; /* who may not read classes may use them */
    if (r == -ENOENT)
        return err_set(err, ERR_USAGE, ENOENT, "the cluster has no RuntimeClass %s", name);
    if (r < 0)
        return r;
    k8s_class_read(o, &k->about);
    json_decref(o);
    return 0;
}

/* ---- the node ---- */

static bool is_our_address(const char *text)
{
    struct ifaddrs *all = NULL;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
        char own[INET6_ADDRSTRLEN] = "";
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET)
            inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, own,
                      sizeof(own));
        else if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6)
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr, own,
                      sizeof(own));
        found = own[0] && str_eq(own, text);
    }
    freeifaddrs(all);
    return found;
}

/* Is one of its addresses, or its host's name, one of ours? */
static bool is_called_as_we(const json_t *status)
{
    char host[256] = "";
    size_t i;
    json_t *a;

    (void)gethostname(host, sizeof(host) - 1);
    json_array_foreach (json_object_get(status, "addresses"), i, a) {
        const char *type = json_string_value(json_object_get(a, "type"));
        const char *address = json_string_value(json_object_get(a, "address"));
        if (address && (str_eq(type, "Hostname") ? str_eq(address, host) : is_our_address(address)))
            return true;
    }
    return false;
}

static void read_node(const json_t *o, struct k8s_node *ret)
{
    char own[40] = "";

    k8s_node_read(o, ret);
    (void)file_read_line("/proc/sys/kernel/random/boot_id", own, sizeof(own));
    ret->here = own[0] && str_eq(own, ret->boot_id);
}

/* The node that is this machine: by name or address, else by its boot, if it is the only one. */
static int pick_node(const json_t *list, struct k8s_node *ret, struct err *err)
{
    size_t i, called = 0, booted = 0;
    struct k8s_node by_name = {.name = ""}, by_boot = {.name = ""}, n;
    json_t *o;

    json_array_foreach (json_object_get(list, "items"), i, o) {
        read_node(o, &n);
        if (n.here && booted++ == 0)
            by_boot = n;
        if (is_called_as_we(json_object_get(o, "status")) && called++ == 0)
            by_name = n;
    }
    if (called != 1 && booted != 1)
        return err_set(err, ERR_ENVIRONMENT, ENOENT,
                       "%s: name the node with --k8s-node NAME (or node=NAME in the target)",
                       called + booted ? "several nodes of the cluster could be this machine"
                                       : "no node of the cluster is this machine");
    *ret = called == 1 ? by_name : by_boot;
    return 0;
}

static int find_node(struct loop *l, const char *name, uint64_t deadline_ns, struct k8s *k,
                     struct err *err)
{
    json_t *o = NULL;
    char path[320] = "/api/v1/nodes";

    if (*name && !is_object_name(name))
        return err_set(err, ERR_USAGE, EINVAL, "'%.60s' is no name of a node", name);
    if (*name)
        str_format(path, sizeof(path), "/api/v1/nodes/%s", name);
    int r = get(l, &k->kubectl, path, deadline_ns, &o, err);
    if (r == -ENOENT)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "the cluster has no node %s", name);
    if (r == -EACCES && *name) { /* the pod goes there all the same; little is known of it */
        str_copy(k->node.name, sizeof(k->node.name), name);
        return 0;
    }
    if (r < 0)
        return err_wrap(err, "find the node");
    if (*name)
        read_node(o, &k->node);
    else
        r = pick_node(o, &k->node, err);
    json_decref(o);
    if (r == 0 && !k->node.ready)
        r = err_set(err, ERR_ENVIRONMENT, EHOSTDOWN, "node %s is not ready", k->node.name);
    return r;
}

/* ---- all of it ---- */

static const char *flag_of(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->n_flags; i++)
        if (str_eq(t->flags[i].name, name))
            return t->flags[i].value;
    return "";
}

static int check_flags(const struct target *t, struct err *err)
{
    for (size_t i = 0; i < t->n_flags; i++)
        if (!str_eq(t->flags[i].name, "image") && !str_eq(t->flags[i].name, "node"))
            return err_set(
                err, ERR_USAGE, EINVAL,
                "a pod has no option '%s': there are image= and node=", t->flags[i].name);
    if (t->platform[0])
        return err_set(err, ERR_USAGE, EINVAL, "a RuntimeClass has no platforms to choose from");
    return 0;
}

int k8s_survey(struct loop *l, const struct target *t, uint64_t deadline_ns, struct k8s *ret,
               struct err *err)
{
    struct k8s k = {.class_ = ""};
    const char *image = flag_of(t, "image");
    int r = check_flags(t, err);

    if (r == 0)
        r = kubectl_find(l, &k.kubectl, err);
    if (r < 0)
        return r;
    struct err why = ERR_INIT;
    r = kubectl_reach(l, &k.kubectl, time_deadline(REACH_NS), k.version, sizeof(k.version), &why);
    if (r < 0)
        return err_set(err, why.code == EHOSTUNREACH ? ERR_UNSUPPORTED : why.kind, why.code,
                       "no cluster answers: %s", why.msg);
    r = find_class(l, t->runtime[0] ? t->runtime : K8S_DEFAULT_CLASS, deadline_ns, &k, err);
    if (r == 0)
        r = find_node(l, flag_of(t, "node"), deadline_ns, &k, err);
    if (r == 0 && !str_copy(k.image, sizeof(k.image), *image ? image : K8S_DEFAULT_IMAGE))
        r = err_set(err, ERR_USAGE, ENAMETOOLONG, "the image's name is too long");
    if (r < 0)
        return r;
    k.never_pull = !k8s_has_registry(k.image);
    *ret = k;
    return 0;
}

void k8s_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    struct err err = ERR_INIT;
    struct k8s k;

    *ret = (struct target_info){.target = *t};
    int r = k8s_survey(s->loop, t, time_deadline(K8S_CALL_NS), &k, &err);
    if (r == 0)
        r = fs_sha256(k.kubectl.path, ret->sha256, &err);
    if (r < 0) {
        target_unusable(ret, err.kind, "%s", err.msg);
        return;
    }
    str_copy(ret->path, sizeof(ret->path), k.kubectl.path);
    str_copy(ret->kind, sizeof(ret->kind), k8s_kind(k.class_, k.about.handler));
    str_format(ret->version, sizeof(ret->version), "Kubernetes %s, %s", k.version, k.node.runtime);
    str_format(ret->reason, sizeof(ret->reason), "node %.60s%s, handler %s, image %.100s",
               k.node.name, k.node.here ? " (this machine)" : " (another machine)",
               k.about.handler[0] ? k.about.handler : "not said", k.image);
    if (!k.node.here)
        str_format(ret->machine, sizeof(ret->machine), "node %s", k.node.name);
    ret->runtime_class = k.about;
    ret->usable = true;
}

size_t k8s_found(struct loop *l, char (*ret)[TARGET_TEXT_MAX], size_t max)
{
    struct kubectl k;
    char version[40];
    json_t *list = NULL, *o;
    size_t i, n = 0;

    if (kubectl_find(l, &k, NULL) < 0 ||
        kubectl_reach(l, &k, time_deadline(REACH_NS), version, sizeof(version), NULL) < 0 ||
        get(l, &k, "/apis/node.k8s.io/v1/runtimeclasses", time_deadline(REACH_NS), &list, NULL) < 0)
        return 0;
    json_array_foreach (json_object_get(list, "items"), i, o) {
        const char *name =
            json_string_value(json_object_get(json_object_get(o, "metadata"), "name"));
        if (n < max && name && is_object_name(name) && !str_eq(name, K8S_DEFAULT_CLASS) &&
            str_format(ret[n], TARGET_TEXT_MAX, "k8s/%s", name))
            n++;
    }
    json_decref(list);
    return n;
}

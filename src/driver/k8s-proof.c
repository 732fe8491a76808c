/* What ran, in a pod: by the server's word, by the guest's, and, where the node is this machine, by
 * what stands in the pod's control group and in its shim's bundle. */
#include "driver/k8s.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "driver/attribution.h"
#include "driver/oci.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>

#define CGROUP_FILE_MAX 8192
/* gVisor's clock, as in ground.c. */
#define RUNSC_WARM_UP_NS (1200 * NS_PER_MS)

/* ---- the pod's group ---- */

/* The kubelet names groups pod<uid>, or with systemd ...-pod<uid>.slice, '-' as '_'. */
struct uid_names {
    char plain[64], systemd[64];
};

static bool name_uid(const char *uid, struct uid_names *ret)
{
    size_t n = strlen(uid);

    if (n < 32 || n > 40 || strspn(uid, "0123456789abcdef-") != n)
        return false;
    str_copy(ret->plain, sizeof(ret->plain), uid);
    str_copy(ret->systemd, sizeof(ret->systemd), uid);
    for (char *p = ret->systemd; *p; p++)
        if (*p == '-')
            *p = '_';
    return true;
}

/* "4:memory:/kubepods/pod<uid>/<container>" up to the component with the uid. */
static bool group_in_line(const char *line, const struct uid_names *u, char *dst, size_t size)
{
    const char *path = strstr(line, ":/"), *at;

    if (!path++)
        return false;
    at = strstr(path, u->plain);
    if (!at)
        at = strstr(path, u->systemd);
    if (!at)
        return false;
    return str_format(dst, size, "%.*s", (int)(at - path + (long)strcspn(at, "/")), path);
}

/* On v1 a group may be missing in some tree: the first where the pod's stands. */
static bool group_of_process(const char *pid, const struct uid_names *u, char *dst, size_t size)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    char file[300];

    str_format(file, sizeof(file), "/proc/%s/cgroup", pid);
    if (file_read(file, CGROUP_FILE_MAX, &text, NULL) < 0)
        return false;
    for (char *rest = text.buf, *line; (line = strsep(&rest, "\n"));)
        if (group_in_line(line, u, dst, size))
            return true;
    return false;
}

static bool find_group(const char *uid, char *dst, size_t size)
{
    struct uid_names u;
    bool found = false;
    DIR *dir = name_uid(uid, &u) ? opendir("/proc") : NULL;

    for (struct dirent *d; dir && !found && (d = readdir(dir));)
        found = d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
                group_of_process(d->d_name, &u, dst, size);
    if (dir)
        closedir(dir);
    return found;
}

/* ---- its processes ---- */

/* The probe, where it is a process of this kernel's: 0, there is none. */
static pid_t find_probe(const struct live *l, const char *group)
{
    _cleanup_(pid_list_release) struct pid_list pids = {0};
    pid_t found = 0;

    if (cgroup_pids(&l->site->machine->cgroups, group, &pids, NULL) < 0)
        return 0;
    for (size_t i = 0; i < pids.n && !found; i++) {
        char exe[64];
        str_format(exe, sizeof(exe), "/proc/%d/exe", (int)pids.v[i]);
        if (fs_is_same(exe, &l->program->stat, l->program->sha256))
            found = pids.v[i];
    }
    return found;
}

static pid_t shim_above(pid_t pid)
{
    char comm[16] = "";
    pid_t parent = pid > 1 ? proc_parent(pid) : 0;

    if (parent > 1)
        proc_comm(parent, comm, sizeof(comm));
    return str_starts(comm, "containerd-shim") || str_starts(comm, "conmon") ? parent : 0;
}

int k8s_attribute(struct live *l, struct err *err)
{
    const struct k8s *k = l->engine->own;
    const struct k8s_watched *p = l->own;
    struct session *s = l->session;
    char group[CGROUP_PATH_MAX];

    s->number = l->ground.number;
    s->priv = l;
    s->caps.eof_reaches_us = true;
    str_copy(s->caps.dir_rootfs, sizeof(s->caps.dir_rootfs), "/work");
    str_copy(s->caps.dir_tmpfs, sizeof(s->caps.dir_tmpfs), "/tmp");
    str_copy(s->caps.dir_bind, sizeof(s->caps.dir_bind), "/data");
    s->caps.own_cache =
        str_eq(l->engine->info.kind, "runsc") || str_eq(l->engine->info.kind, "kata");
    s->caps.warm_up_ns = str_eq(l->engine->info.kind, "runsc") ? RUNSC_WARM_UP_NS : 0;
    s->caps.elsewhere =
        !(k->node.here && l->site->machine->is_root && find_group(p->uid, group, sizeof(group)));
    if (s->caps.elsewhere)
        return 0;
    int r = cgroup_meter_open(&l->site->machine->cgroups, group, &s->meter, err);
    if (r < 0)
        return err_wrap(err, "the pod's control group %s", group);
    str_copy(s->caps.cgroup, sizeof(s->caps.cgroup), group);
    s->caps.others_cgroup = true;
    l->pid = s->caps.pid = find_probe(l, group);
    l->pid_ticks = l->pid ? proc_start_ticks(l->pid) : 0;
    l->shim = shim_above(l->pid);
    if (l->shim && !proc_in_cgroup(l->shim, group))
        r = session_add_outside(s, l->shim, err);
    return r;
}

/* ---- the proof ---- */

static int contradiction(const struct live *l, const char *what, struct err *err)
{
    return err_set(err, ERR_MEASUREMENT, EBADE, "this is not %s: %s", l->engine->info.kind, what);
}

/* containerd's shim for runc's command line keeps in a container's bundle which program it calls;
 * its own folder is the bundle of the pod's sandbox, and those of containers lie beside it. */
static void read_runtime(const struct live *l, const char *container, char *dst, size_t size)
{
    const char *id = strstr(container, "://");
    char path[256];

    dst[0] = '\0';
    id = id ? id + 3 : "";
    if (!l->shim || strlen(id) != 64 || strspn(id, "0123456789abcdef") != 64)
        return;
    str_format(path, sizeof(path), "/proc/%d/cwd/../%s/runtime", (int)l->shim, id);
    (void)file_read_line(path, dst, size);
    str_printable(dst);
}

/* By what the program says of itself: a link called crun that is runc is found out. */
static int check_runtime(struct live *l, const char *program, json_t *proof, struct err *err)
{
    const char *kind = l->engine->info.kind;
    char version[96] = "", sha256[FS_SHA256_HEX] = "", text[300];

    if (!*program || *program != '/' ||
        program_version(l->site, program, version, sizeof(version), NULL) < 0)
        return 0; /* it lies where the node's containerd sees it, and we do not */
    (void)fs_sha256(program, sha256, NULL);
    json_object_set_new(
        proof, "runtime",
        json_pack("{s:s, s:s, s:s}", "path", program, "version", version, "sha256", sha256));
    const char *is = oci_kind_of(version);
    if (str_eq(kind, "oci") || str_eq(kind, "kata") || str_eq(is, kind))
        return 0;
    str_format(text, sizeof(text), "its shim calls %s, which is %s", program, is);
    return contradiction(l, text, err);
}

/* Against what the node says of itself: its kernel, and its boot. */
static int check_kernel(const struct live *l, struct err *err)
{
    const struct k8s *k = l->engine->own;
    const struct frame_hello *h = &l->session->hello;
    const char *kind = l->engine->info.kind;
    bool same_kernel = str_eq(h->release, k->node.kernel);
    bool same_boot = str_eq(h->boot_id, k->node.boot_id);

    if (str_eq(kind, "oci") || !k->node.kernel[0])
        return 0;
    if (str_eq(kind, "kata"))
        return same_boot ? contradiction(l, "the guest's boot is the node's", err) : 0;
    if (str_eq(kind, "runsc"))
        return same_kernel ? contradiction(l, "the guest's kernel is the node's", err) : 0;
    if (!same_kernel || !same_boot)
        return contradiction(l, "its kernel is not the node's", err);
    return 0;
}

static int check_place(const struct live *l, const struct k8s_pod *seen, struct err *err)
{
    const struct k8s *k = l->engine->own;

    if (!str_eq(seen->node, k->node.name))
        return err_set(err, ERR_MEASUREMENT, EBADE, "the pod is on node %s, and not on %s",
                       seen->node[0] ? seen->node : "none", k->node.name);
    if (!str_eq(seen->class_, k->class_))
        return err_set(err, ERR_MEASUREMENT, EBADE, "the pod is of class %s",
                       seen->class_[0] ? seen->class_ : "none");
    return 0;
}

static json_t *node_facts(const struct k8s *k)
{
    const struct k8s_node *n = &k->node;

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "name", n->name, "container_runtime",
                     n->runtime, "kernel", n->kernel, "boot_id", n->boot_id, "kubelet", n->kubelet,
                     "is_this_machine", (int)n->here);
}

/* What is not there is null, never nothing: of another machine nobody here knows it. */
static json_t *seen_from_here(const struct live *l)
{
    const struct session *s = l->session;

    if (s->caps.elsewhere)
        return json_pack("{s:n, s:n, s:b, s:s}", "control_group", "host_cpu", "confined", 0, "why",
                         ((const struct k8s *)l->engine->own)->node.here
                             ? "the pod's control group is not seen from here"
                             : "the node is another machine");
    return json_pack("{s:s, s:b, s:b, s:i, s:i}", "control_group", s->caps.cgroup, "host_cpu", 1,
                     "confined", 1, "probe_pid", (int)l->pid, "shim_pid", (int)l->shim);
}

static json_t *facts(const struct live *l, const struct k8s_watched *p)
{
    const struct target_info *i = &l->engine->info;
    const struct k8s *k = l->engine->own;
    const struct frame_hello *h = &l->session->hello;
    json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "kind", i->kind, "version", i->version, "path",
                          i->path, "sha256", i->sha256);

    json_object_set_new(o, "class",
                        json_pack("{s:s, s:s}", "name", k->class_, "handler", k->about.handler));
    if (k->about.fixed_cpu[0] || k->about.fixed_memory[0])
        json_object_set_new(
            o, "pod_fixed",
            json_pack("{s:s, s:s}", "cpu", k->about.fixed_cpu, "memory", k->about.fixed_memory));
    json_object_set_new(o, "node", node_facts(k));
    json_object_set_new(o, "server",
                        json_pack("{s:s, s:s, s:s}", "version", k->version, "context",
                                  k->kubectl.context, "namespace", k->kubectl.namespace_));
    json_object_set_new(o, "pod",
                        json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", l->ground.id, "uid", p->uid,
                                  "image", k->image, "container", p->seen.container, "server_times",
                                  k8s_pod_times(p->object)));
    json_object_set_new(o, "guest",
                        json_pack("{s:s, s:s, s:s}", "release", h->release, "version",
                                  h->kernel_version, "boot_id", h->boot_id));
    json_object_set_new(o, "seen_from_here", seen_from_here(l));
    return o;
}

/* The very program, where it can be looked at: an old image's would be another. */
static int check_probe(const struct live *l, struct err *err)
{
    const char *kind = l->engine->info.kind;
    bool here = !l->session->caps.elsewhere && !str_eq(kind, "runsc") && !str_eq(kind, "kata");

    if (!here || l->pid || str_eq(kind, "oci"))
        return 0;
    return err_set(err, ERR_MEASUREMENT, EBADE,
                   "no process of the pod is this cupel's probe: is its image older? "
                   "(cupel k8s image makes one)");
}

int k8s_prove(struct live *l, struct err *err)
{
    const struct k8s_watched *p = l->own;
    char runtime[256];
    json_t *o = facts(l, p);
    int r = check_place(l, &p->seen, err);

    read_runtime(l, p->seen.container, runtime, sizeof(runtime));
    if (r == 0)
        r = check_kernel(l, err);
    if (r == 0)
        r = check_probe(l, err);
    if (r == 0)
        r = check_runtime(l, runtime, o, err);
    free(l->session->proof);
    l->session->proof = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return r;
}

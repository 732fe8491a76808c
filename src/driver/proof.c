#include "driver/proof.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "driver/plug.h"
#include "driver/attribution.h"
#include "driver/engine-network.h"
#include "driver/kata.h"
#include "driver/oci.h"
#include "driver/qemu.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>
#include <sys/utsname.h>

static const char *const namespaces[] = {"pid", "mnt", "net", "ipc", "uts", "cgroup", "user"};
/* The first five are the container's own; cgroup is on v2, user bwrap's alone. */
#define OWN_NAMESPACES 5

struct evidence {
    json_t *json;
    struct component_list parts;
    bool own_ns, host_ns; /* all five differ from ours; all are ours, but for one plugged in */
    bool plugged;         /* its network namespace is the one it was given */
    bool exe_is_probe, exe_is_runtime;
    bool own_user;      /* its user namespace differs from ours */
    bool waits_runtime; /* bwrap: what waits for it is that program */
    bool root_is_its;   /* bwrap: its root is the session's */
    bool guest_is_host_kernel;
    pid_t sandbox;
    size_t stubs, traced;   /* stub processes, those of them that the sandbox ptraces */
    char said_platform[24]; /* --platform= on the sandbox's command line; "" not there */
    char state_status[16];
    pid_t state_pid;
    char state_runtime[256]; /* an engine's word for the runtime it called; "" not said */
    bool has_runc_state, has_crun_state;
    char machine[240]; /* what contradicts a virtual machine; "" nothing */
};

/* ---- from the host ---- */

static int read_namespaces(struct evidence *ev, const struct live *l, struct err *err)
{
    json_t *o = json_object();
    bool given = l->net.netns[0] != '\0';
    pid_t pid = l->pid;
    struct stat st;
    /* A peer on another machine is reached by this machine's own network. */
    bool shared =
        given && stat(l->net.netns, &st) == 0 && st.st_ino == proc_ns_inode(getpid(), "net");
    ev->own_ns = ev->host_ns = true;
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
        uint64_t its = proc_ns_inode(pid, namespaces[i]);
        uint64_t ours = proc_ns_inode(getpid(), namespaces[i]);
        json_object_set_new(o, namespaces[i],
                            json_pack("[I, I]", (json_int_t)its, (json_int_t)ours));
        if (i < OWN_NAMESPACES && !(shared && str_eq(namespaces[i], "net")))
            ev->own_ns &= its != 0 && its != ours;
        if (str_eq(namespaces[i], "user"))
            ev->own_user = its != 0 && its != ours;
        if (str_eq(namespaces[i], "net"))
            ev->plugged = given && stat(l->net.netns, &st) == 0 && st.st_ino == its;
        if (!given || !str_eq(namespaces[i], "net"))
            ev->host_ns &= its == ours;
    }
    json_object_set_new(ev->json, "namespaces_its_and_ours", o);
    if (given)
        json_object_set_new(ev->json, "network",
                            json_pack("{s:s, s:s}", "address", l->net.address, "stack",
                                      str_eq(plug_runsc_network(l), "host") ? "host" : "own"));
    if (!l->engine_network)
        return 0;
    json_t *network = json_pack("{s:s}", "path", "engine");
    json_object_set_new(ev->json, "network", network);
    return engine_network_prove(l, network, err);
}

/* Not the time of the inode's change: a link made of the file counts as one. */
static void read_exe(struct evidence *ev, const struct live *l, pid_t pid)
{
    const struct engine *e = l->engine;
    char exe[64], path[256] = "";
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)pid);
    proc_exe(pid, path, sizeof(path));
    str_printable(path);
    ev->exe_is_probe = fs_is_same(exe, &l->program->stat, l->program->sha256);
    if (!ev->exe_is_probe && e->info.path[0])
        ev->exe_is_runtime = fs_is_same(exe, &e->runtime_stat, e->info.sha256);
    json_object_set_new(ev->json, "root_process",
                        json_pack("{s:i, s:s, s:s, s:s}", "pid", (int)pid, "exe", path, "is",
                                  ev->exe_is_probe     ? "probe"
                                  : ev->exe_is_runtime ? "runtime"
                                                       : "neither",
                                  "sha256",
                                  ev->exe_is_probe     ? l->program->sha256
                                  : ev->exe_is_runtime ? e->info.sha256
                                                       : ""));
}

static void flag_value(const char *cmdline, const char *flag, char *dst, size_t size)
{
    const char *at = strstr(cmdline, flag);
    dst[0] = '\0';
    if (!at)
        return;
    at += strlen(flag);
    str_format(dst, size, "%.*s", (int)strcspn(at, " "), at);
}

static int read_parts(struct evidence *ev, const struct live *l, struct err *err)
{
    const struct ground *g = &l->ground;
    if (!g->group[0])
        return 0;
    int r = components_read(&l->site->machine->cgroups, g->group, g->tool, l->engine->info.kind,
                            l->pid, &ev->parts, err);
    if (r < 0)
        return r;
    json_t *a = json_array();
    for (size_t i = 0; i < ev->parts.n; i++) {
        const struct component_entry *p = &ev->parts.v[i];
        json_array_append_new(a,
                              json_pack("{s:i, s:i, s:s, s:b, s:s, s:s, s:i}", "pid", (int)p->pid,
                                        "parent", (int)p->parent, "is", component_name(p->what),
                                        "in_group", (int)p->in_group, "comm", p->comm, "cmdline",
                                        p->cmdline, "tracer", (int)p->tracer));
        if (p->what == COMPONENT_SENTRY && p->pid == l->pid && p->in_group) {
            ev->sandbox = p->pid;
            flag_value(p->cmdline, " --platform=", ev->said_platform, sizeof(ev->said_platform));
        }
        if (!p->in_group && r == 0)
            r = session_add_outside(l->session, p->pid, err);
        ev->stubs += p->what == COMPONENT_STUB;
        ev->traced += p->what == COMPONENT_STUB && p->tracer != 0;
    }
    json_object_set_new(ev->json, "processes", a);
    return r;
}

/* bwrap keeps nothing that could be asked: what there is of it is a process that waits. */
static void read_bwrap(struct evidence *ev, const struct live *l)
{
    const struct engine *e = l->engine;
    pid_t waits = l->session->stream_pid;
    char exe[64], root[64];
    struct stat its, ours;
    if (!str_eq(e->info.kind, "bwrap"))
        return;
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)waits);
    ev->waits_runtime =
        proc_parent(l->pid) == waits && fs_is_same(exe, &e->runtime_stat, e->info.sha256);
    str_format(root, sizeof(root), "/proc/%d/root", (int)l->pid);
    ev->root_is_its = stat(root, &its) == 0 && stat(l->ground.rootfs, &ours) == 0 &&
                      its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
    json_object_set_new(ev->json, "waits",
                        json_pack("{s:i, s:b}", "pid", (int)waits, "is_bwrap", ev->waits_runtime));
    json_object_set_new(ev->json, "root_is_its_own", json_boolean(ev->root_is_its));
    json_object_set_new(ev->json, "group", json_string(l->ground.box));
}

/* ---- from the runtime and the guest ---- */

static void read_state(struct evidence *ev, const char *text)
{
    json_t *state = json_loads(text, 0, NULL);
    const char *status = json_string_value(json_object_get(state, "status"));
    str_copy(ev->state_status, sizeof(ev->state_status), status ? status : "");
    const char *runtime = json_string_value(json_object_get(state, "runtime"));
    str_copy(ev->state_runtime, sizeof(ev->state_runtime), runtime ? runtime : "");
    ev->state_pid = (pid_t)json_integer_value(json_object_get(state, "pid"));
    if (json_is_object(state))
        json_object_set(ev->json, "state", state);
    json_decref(state);
}

/* What each runtime keeps has a form of its own: runc and youki <id>/state.json, crun <id>/status.
 */
static void read_entry(struct evidence *ev, const struct live *l)
{
    char path[384];
    struct stat st;
    const char *entry = l->entry[0] ? l->entry : l->ground.id;
    str_format(path, sizeof(path), "%s/%s/state.json", l->engine->state_dir, entry);
    ev->has_runc_state = stat(path, &st) == 0;
    str_format(path, sizeof(path), "%s/%s/status", l->engine->state_dir, entry);
    ev->has_crun_state = stat(path, &st) == 0;
    json_object_set_new(ev->json, "state_form",
                        json_string(ev->has_runc_state   ? "state.json"
                                    : ev->has_crun_state ? "status"
                                                         : "other"));
}

static void read_guest(struct evidence *ev, const struct live *l)
{
    const struct frame_hello *h = &l->session->hello;
    struct utsname u;
    uname(&u);
    ev->guest_is_host_kernel =
        strcmp(h->release, u.release) == 0 && strcmp(h->kernel_version, u.version) == 0;
    json_object_set_new(ev->json, "kernel",
                        json_pack("{s:s, s:s, s:s, s:s}", "guest", h->release, "guest_version",
                                  h->kernel_version, "host", u.release, "host_version", u.version));
}

/* ---- comparing ---- */

static int contradiction(const struct live *l, struct err *err, const char *what)
{
    return err_set(err, ERR_MEASUREMENT, EBADE, "this is not %s: %s", l->engine->info.kind, what);
}

static int check_host(const struct live *l, const struct evidence *ev, struct err *err)
{
    if (!ev->host_ns)
        return contradiction(l, err, "its namespaces are not the host's");
    if (!ev->exe_is_probe)
        return contradiction(l, err, "the process is not our probe");
    if (!ev->guest_is_host_kernel)
        return contradiction(l, err, "its kernel is not the host's");
    return 0;
}

static int check_platform(const struct live *l, const struct evidence *ev, struct err *err)
{
    const struct target_info *i = &l->engine->info;
    char text[128];
    /* The sandbox's command line leaves a flag out that has the build's default value. */
    const char *ran = ev->said_platform[0] ? ev->said_platform : i->default_platform;
    if (strcmp(ran, i->platform) != 0) {
        str_format(text, sizeof(text), "its sandbox runs platform %s, not %s", ran, i->platform);
        return contradiction(l, err, text);
    }
    if (str_eq(i->platform, "ptrace") && ev->stubs > 0 && ev->traced == 0)
        return contradiction(l, err, "platform ptrace traces none of its processes");
    return 0;
}

static int check_runsc(const struct live *l, const struct evidence *ev, struct err *err)
{
    if (ev->guest_is_host_kernel)
        return contradiction(l, err, "the guest's kernel is the host's");
    if (ev->exe_is_probe)
        return contradiction(l, err, "the probe runs on the host without a sandbox");
    if (ev->sandbox == 0)
        return contradiction(l, err, "no sandbox process in the session's group");
    if (!ev->exe_is_runtime)
        return contradiction(l, err, "the sandbox process is another program than the runtime");
    return check_platform(l, ev, err);
}

static int check_namespaces(const struct live *l, const struct evidence *ev, struct err *err)
{
    const char *kind = l->engine->info.kind;
    if (!ev->own_ns)
        return contradiction(l, err, "its namespaces are the host's");
    if (!ev->exe_is_probe)
        return contradiction(l, err, "the container's process is not our probe");
    if (!ev->guest_is_host_kernel)
        return contradiction(l, err, "its kernel is not the host's");
    if (str_eq(kind, "runc") && !ev->has_runc_state)
        return contradiction(l, err, "its state directory holds no state.json");
    if (str_eq(kind, "crun") && !ev->has_crun_state)
        return contradiction(l, err, "its state directory holds no status file");
    return 0;
}

static int check_bwrap(const struct live *l, const struct evidence *ev, struct err *err)
{
    if (!ev->own_user)
        return contradiction(l, err, "its user namespace is the host's");
    if (!ev->waits_runtime)
        return contradiction(l, err, "its parent is another program");
    if (!ev->root_is_its)
        return contradiction(l, err, "its root is not the session's");
    if (!proc_in_cgroup(l->pid, l->ground.box))
        return contradiction(l, err, "its process has left the session's group");
    return check_namespaces(l, ev, err);
}

/* An upgrade in the middle of a run would put two programs into one column. */
static int check_unchanged(const struct live *l, struct err *err)
{
    const struct engine *e = l->engine;
    struct stat now;
    if (!e->info.path[0] || (stat(e->info.path, &now) == 0 && fs_unchanged(&now, &e->runtime_stat)))
        return 0;
    return err_set(err, ERR_ENVIRONMENT, ESTALE, "%s changed while the run goes on", e->info.path);
}

static int check(const struct live *l, const struct evidence *ev, const char *state_text,
                 struct err *err)
{
    const char *kind = l->engine->info.kind;
    int r = check_unchanged(l, err);
    if (r < 0)
        return r;
    if (l->net.netns[0] && !l->net_moved && !ev->plugged && !l->engine->kata)
        return contradiction(l, err, "it is not in the network namespace that it was given");
    if (str_eq(kind, "host"))
        return check_host(l, ev, err);
    if (str_eq(kind, "qemu"))
        return qemu_prove(l, &ev->parts, ev->json, ev->exe_is_runtime, err);
    if (state_text && (strcmp(ev->state_status, "running") != 0 || ev->state_pid != l->pid))
        return contradiction(l, err, "its state does not speak of the process it started");
    if (ev->state_runtime[0] && !str_eq(ev->state_runtime, l->engine->info.path)) {
        char text[300];
        str_format(text, sizeof(text), "its engine called %s", ev->state_runtime);
        return contradiction(l, err, text);
    }
    if (str_eq(kind, "kata"))
        return ev->machine[0] ? contradiction(l, err, ev->machine) : 0;
    if (str_eq(kind, "runsc"))
        return check_runsc(l, ev, err);
    if (str_eq(kind, "bwrap"))
        return check_bwrap(l, ev, err);
    if (str_eq(kind, "runc") || str_eq(kind, "crun") || str_eq(kind, "youki"))
        return check_namespaces(l, ev, err);
    return 0; /* a runtime we know nothing of: the evidence is kept, there is nothing to hold it to
               */
}

int proof_make(const struct live *l, const char *state_text, struct err *err)
{
    const struct target_info *i = &l->engine->info;
    struct evidence ev = {.json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", i->kind, "version",
                                            i->version, "path", i->path, "sha256", i->sha256,
                                            "platform", i->platform)};
    if (i->work_around[0])
        json_object_set_new(ev.json, "work_around", json_string(i->work_around));
    read_guest(&ev, l);
    int r = read_namespaces(&ev, l, err);
    read_exe(&ev, l, l->pid);
    read_bwrap(&ev, l);
    if (r == 0)
        r = l->engine->kata ? kata_prove(l, ev.json, ev.machine, sizeof(ev.machine), err)
                            : read_parts(&ev, l, err);
    if (r == 0 && state_text) {
        read_state(&ev, state_text);
        read_entry(&ev, l);
    }
    if (r == 0) {
        r = check(l, &ev, state_text, err);
        free(l->session->proof);
        l->session->proof = json_dumps(ev.json, JSON_COMPACT);
    }
    component_list_release(&ev.parts);
    json_decref(ev.json);
    return r;
}

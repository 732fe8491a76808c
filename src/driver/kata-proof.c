/* Which virtual machine really runs, as its processes on this host show it.
 *
 * A name on a command line proves nothing: a payload that was started without any machine could
 * bear it. The machine is a process that executes the hypervisor's file (as Kata's configuration
 * names it), the guest says another kernel and another boot than this host's, and nothing of the
 * session executes our probe on this host. */
#include "driver/kata.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "driver/attribution.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/utsname.h>

#define CMDLINE_MAX 65536 /* QEMU's has some three thousand */

struct machine_seen {
    size_t vmms, virtiofsds, proxies, probes;
    pid_t vmm;
    char vmm_name[16];  /* "qemu", "clh", "fc" */
    bool is_configured; /* it executes the file that Kata's configuration names */
    bool behind_script; /* that file is a script */
    bool has_9p, has_vhost_fs;
    bool in_netns;       /* where it was told to be */
    char accelerator[8]; /* "kvm", "tcg", "" not known */
    char path[256];      /* of the file it executes */
};

static bool is_script(const char *path)
{
    char start[2] = "";
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd >= 0 && read(fd, start, sizeof(start)) == 2 && start[0] == '#' && start[1] == '!';
}

/* Whoever runs a machine by KVM holds it open. */
static bool holds_kvm(pid_t pid)
{
    char dir[64], to[64];
    bool found = false;
    str_format(dir, sizeof(dir), "/proc/%d/fd", (int)pid);
    DIR *d = opendir(dir);
    for (struct dirent *de; d && !found && (de = readdir(d));) {
        ssize_t n = readlinkat(dirfd(d), de->d_name, to, sizeof(to) - 1);
        to[n > 0 ? n : 0] = '\0';
        found = str_eq(to, "anon_inode:kvm-vm");
    }
    if (d)
        closedir(d);
    return found;
}

static void name_of_vmm(const char *comm, char *dst, size_t size)
{
    str_copy(dst, size,
             strstr(comm, "qemu")                  ? "qemu"
             : str_starts(comm, "cloud-hyperviso") ? "clh"
             : str_starts(comm, "firecracker")     ? "fc"
                                                   : "other");
}

static void see_vmm(const struct live *l, const struct proc_entry *p, struct machine_seen *m)
{
    const struct kata *k = l->engine->kata;
    char exe[64];
    struct stat st;
    _cleanup_free_ char *text = xmalloc(CMDLINE_MAX);
    if (m->vmms++ > 0)
        return;
    m->vmm = p->pid;
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)p->pid);
    if (proc_exe(p->pid, m->path, sizeof(m->path)) < 0)
        m->path[0] = '\0';
    str_printable(m->path);
    name_of_vmm(p->comm, m->vmm_name, sizeof(m->vmm_name));
    if (k->configured) {
        m->is_configured = fs_is_same(exe, &k->hypervisor_stat, k->hypervisor_sha256);
        m->behind_script = !m->is_configured && is_script(k->config.hypervisor);
    }
    if (proc_cmdline(p->pid, text, CMDLINE_MAX) == 0) {
        m->has_9p = strstr(text, "virtio-9p");
        m->has_vhost_fs = strstr(text, "vhost-user-fs");
    }
    bool kvm = holds_kvm(p->pid);
    str_copy(m->accelerator, sizeof(m->accelerator),
             kvm                           ? "kvm"
             : str_eq(m->vmm_name, "qemu") ? "tcg"
                                           : "");
    m->in_netns = stat(kata_netns(l), &st) == 0 && st.st_ino == proc_ns_inode(p->pid, "net");
}

static void see(const struct live *l, const struct proc_entry *p, enum component what,
                struct machine_seen *m)
{
    char exe[64];
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)p->pid);
    m->probes += fs_is_same(exe, &l->program->stat, l->program->sha256);
    m->virtiofsds += what == COMPONENT_VIRTIOFSD;
    m->proxies += what == COMPONENT_PROXY;
    if (what == COMPONENT_VMM)
        see_vmm(l, p, m);
}

static json_t *process_json(const struct proc_entry *p, const struct attributed *x)
{
    char cmdline[512] = "";
    proc_cmdline(p->pid, cmdline, sizeof(cmdline));
    return json_pack("{s:i, s:i, s:s, s:b, s:s, s:s}", "pid", (int)p->pid, "parent", (int)p->parent,
                     "is", component_name(x->what), "in_group", (int)x->in_group, "comm", p->comm,
                     "cmdline", cmdline);
}

static int look(const struct live *l, json_t *processes, struct machine_seen *m, struct err *err)
{
    _cleanup_(attribution_release) struct attribution a = {0};
    const struct claim claim = live_claim(l);
    const struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = &claim, .n_claims = 1};
    int r = attribution_read(&a, &in, err);
    for (size_t i = 0; r == 0 && i < a.table.n; i++) {
        if (a.v[i].owner != 0)
            continue;
        json_array_append_new(processes, process_json(&a.table.v[i], &a.v[i]));
        see(l, &a.table.v[i], a.v[i].what, m);
    }
    return r;
}

/* What the guest's files went through. */
static const char *shared_fs(const struct machine_seen *m)
{
    if (m->has_9p)
        return "9p";
    return m->has_vhost_fs || (m->virtiofsds > 0 && !str_eq(m->vmm_name, "qemu")) ? "virtiofs"
                                                                                  : "none";
}

static json_t *vm_json(const struct live *l, const struct machine_seen *m, const char *platform)
{
    const struct kata *k = l->engine->kata;
    json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:b, s:b}", "ran", platform, "pid", (int)m->vmm,
                          "program", m->path, "accelerator", m->accelerator, "in_its_namespace",
                          (int)m->in_netns, "is_the_configured", (int)m->is_configured);
    if (!k->configured)
        return o;
    json_object_set_new(
        o, "configured",
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "path", k->config.path,
                  "hypervisor", k->config.hypervisor, "hypervisor_sha256", k->hypervisor_sha256,
                  "shared_fs", k->config.shared_fs, "virtiofsd", k->config.virtiofsd,
                  "virtiofsd_sha256", k->virtiofsd_sha256, "kernel", k->config.kernel,
                  "kernel_sha256", k->kernel_sha256, "image", k->config.image,
                  "sandbox_cgroup_only", (int)k->config.sandbox_cgroup_only));
    return o;
}

/* ---- comparing ---- */

/* Where the runtime is a shim, it is the session's shim. */
static bool shim_contradicts(const struct live *l)
{
    const struct engine *e = l->engine;
    const char *slash = strrchr(e->info.path, '/');
    char exe[64];
    if (!slash || !str_starts(slash + 1, "containerd-shim") || is_script(e->info.path))
        return false;
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)l->shim);
    return l->shim == 0 || !fs_is_same(exe, &e->runtime_stat, e->info.sha256);
}

static const char *guest_contradicts(const struct live *l)
{
    const struct frame_hello *h = &l->session->hello;
    struct utsname u;
    char boot[sizeof(h->boot_id)] = "";
    uname(&u);
    if (str_eq(h->release, u.release) && str_eq(h->kernel_version, u.version))
        return "the guest's kernel is the host's";
    if (!h->boot_id[0])
        return "the guest does not say which boot it runs in";
    if (file_read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) >= 0 &&
        str_eq(boot, h->boot_id))
        return "the guest runs in the host's own boot";
    return NULL;
}

static void contradiction(const struct live *l, const struct machine_seen *m, const char *ran,
                          char *dst, size_t size)
{
    const struct kata *k = l->engine->kata;
    const char *asked = l->engine->info.platform, *guest = guest_contradicts(l);
    dst[0] = '\0';
    if (guest)
        str_copy(dst, size, guest);
    else if (m->probes > 0)
        str_copy(dst, size, "the probe runs on this host, in no virtual machine");
    else if (m->vmms == 0)
        str_copy(dst, size, "no process of a virtual machine belongs to it");
    else if (m->vmms > 1)
        str_format(dst, size, "%zu virtual machines belong to it", m->vmms);
    else if (k->configured && !m->is_configured && !m->behind_script)
        str_format(dst, size, "its virtual machine is %.100s and not %.100s", m->path,
                   k->config.hypervisor);
    else if (*asked && !str_eq(asked, ran))
        str_format(dst, size, "its virtual machine is %.40s, not %.24s", ran, asked);
    else if (shim_contradicts(l))
        str_format(dst, size, "its shim is not %.200s", l->engine->info.path);
    else if (str_eq(shared_fs(m), "virtiofs") && m->virtiofsds == 0)
        str_copy(dst, size, "no virtiofsd serves its files");
    else if (l->net.netns[0] && !l->net_moved && !m->in_netns)
        str_copy(dst, size, "its virtual machine is not in the network namespace it was given");
}

int kata_prove(const struct live *l, json_t *proof, char *ret_words, size_t size, struct err *err)
{
    struct machine_seen m = {0};
    char ran[40];
    json_t *processes = json_array();
    int r = look(l, processes, &m, err);
    json_object_set_new(proof, "processes", processes);
    if (r < 0)
        return r;
    str_format(ran, sizeof(ran), "%s-%s", m.vmms ? m.vmm_name : "none", shared_fs(&m));
    json_object_set_new(proof, "boot_id", json_string(l->session->hello.boot_id));
    json_object_set_new(proof, "machine", vm_json(l, &m, ran));
    json_object_set_new(proof, "accelerator", json_string(m.accelerator));
    l->session->caps.emulated = str_eq(m.accelerator, "tcg");
    contradiction(l, &m, ran, ret_words, size);
    return 0;
}

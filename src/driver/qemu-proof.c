/* That a machine of its own runs the probe, and which.
 *
 * The boot id is what tells two kernels apart for certain: a guest may well have the very release
 * that this machine runs. */
#include "driver/qemu.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>

struct machine_seen {
    char boot_id[40];       /* this host's */
    char accel[16];         /* on its command line */
    bool kvm;               /* it holds a machine of KVM's */
    size_t vmms, servers;   /* processes in the group */
    bool servers_are_known; /* each executes the file that was hashed */
};

static int contradiction(const struct live *l, struct err *err, const char *what)
{
    return err_set(err, ERR_MEASUREMENT, EBADE, "this is not %s: %s", l->engine->info.target.label,
                   what);
}

/* "-accel tcg,tb-size=128": up to the comma. */
static void read_accel(pid_t pid, char *dst, size_t size)
{
    char cmdline[4096] = "";
    proc_cmdline(pid, cmdline, sizeof(cmdline));
    const char *at = strstr(cmdline, " -accel ");
    at = at ? at + strlen(" -accel ") : "";
    str_format(dst, size, "%.*s", (int)strcspn(at, ", "), at);
}

static bool holds_kvm(pid_t pid)
{
    char path[64], link[64];
    str_format(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);
        link[n > 0 ? n : 0] = '\0';
        found = str_eq(link, "anon_inode:kvm-vm");
    }
    if (d)
        closedir(d);
    return found;
}

static bool is_server(const struct qemu *q, pid_t pid)
{
    char exe[64];
    struct stat st;
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)pid);
    return stat(exe, &st) == 0 && st.st_dev == q->server_stat.st_dev &&
           st.st_ino == q->server_stat.st_ino && st.st_size == q->server_stat.st_size;
}

static void see(const struct live *l, const struct component_list *parts, struct machine_seen *m)
{
    const struct qemu *q = l->engine->own;
    *m = (struct machine_seen){.servers_are_known = true};
    (void)file_read_line("/proc/sys/kernel/random/boot_id", m->boot_id, sizeof(m->boot_id));
    read_accel(l->pid, m->accel, sizeof(m->accel));
    m->kvm = holds_kvm(l->pid);
    for (size_t i = 0; i < parts->n; i++) {
        const struct component_entry *p = &parts->v[i];
        m->vmms += p->what == COMPONENT_VMM && p->pid == l->pid && p->in_group;
        m->servers += p->what == COMPONENT_VIRTIOFSD && p->in_group;
        if (p->what == COMPONENT_VIRTIOFSD)
            m->servers_are_known &= is_server(q, p->pid);
    }
}

static void write_down(const struct live *l, const struct machine_seen *m, json_t *evidence)
{
    const struct qemu *q = l->engine->own;
    const struct guest *g = l->own;
    const struct vm_kernel *k = &q->kernel;
    json_object_set_new(evidence, "accelerator", json_string(vm_accel_name(q->accel)));
    json_object_set_new(evidence, "machine",
                        json_pack("{s:s, s:i, s:I, s:s, s:b}", "type", q->machine, "cpus",
                                  CPU_COUNT(&l->site->cpus), "memory_bytes",
                                  (json_int_t)g->memory_bytes, "said_accelerator", m->accel,
                                  "holds_kvm", (int)m->kvm));
    json_object_set_new(evidence, "guest_kernel",
                        json_pack("{s:s, s:s, s:s, s:s, s:s}", "path", k->image, "sha256",
                                  k->sha256, "release", k->version, "package", k->package, "key",
                                  k->key));
    json_object_set_new(
        evidence, "boot_id",
        json_pack("{s:s, s:s}", "guest", l->session->hello.boot_id, "host", m->boot_id));
    if (q->options.root == VM_ROOT_VIRTIOFS)
        json_object_set_new(evidence, "virtiofsd",
                            json_pack("{s:s, s:s, s:s, s:s}", "path", q->server.path, "version",
                                      q->server.version, "sha256", q->server_sha256, "cache",
                                      q->server.cache));
}

int qemu_prove(const struct live *l, const struct component_list *parts, json_t *evidence,
               bool exe_is_runtime, struct err *err)
{
    const struct qemu *q = l->engine->own;
    const char *release = l->session->hello.release, *accel = vm_accel_name(q->accel);
    struct machine_seen m;
    char text[300];
    see(l, parts, &m);
    write_down(l, &m, evidence);
    if (!m.boot_id[0] || str_eq(l->session->hello.boot_id, m.boot_id))
        return contradiction(l, err, "the probe's boot id is the host's");
    if (!str_eq(release, q->kernel.version)) {
        str_format(text, sizeof(text), "its kernel is %s, and %s was booted", release,
                   q->kernel.version);
        return contradiction(l, err, text);
    }
    if (!exe_is_runtime)
        return contradiction(l, err, "its process is another program than the one named");
    if (m.vmms != 1)
        return contradiction(l, err, "no virtual machine's process in the session's group");
    if (!str_eq(m.accel, accel) || m.kvm != (q->accel == VM_ACCEL_KVM)) {
        str_format(text, sizeof(text), "it runs with %s and %s KVM machine, not with %s", m.accel,
                   m.kvm ? "a" : "no", accel);
        return contradiction(l, err, text);
    }
    if (q->options.root == VM_ROOT_VIRTIOFS && m.servers == 0)
        return contradiction(l, err, "no virtiofsd in the session's group");
    if (!m.servers_are_known)
        return contradiction(l, err, "its virtiofsd is another program than the one hashed");
    return 0;
}

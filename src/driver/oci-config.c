#include "driver/oci.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>

/* Docker's default set. */
static const char *const capabilities[] = {
    "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",  "CAP_FSETID",           "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID",       "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",
    "CAP_MKNOD",  "CAP_AUDIT_WRITE",  "CAP_SETFCAP", "CAP_SYS_CHROOT",
};

static const char *const masked[] = {
    "/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/sys/firmware",       "/proc/scsi",
};

static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

const char *const *oci_capabilities(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(capabilities);
    return capabilities;
}

const char *const *oci_masked_paths(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(masked);
    return masked;
}

const char *const *oci_readonly_paths(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(readonly_paths);
    return readonly_paths;
}

struct mount_entry {
    const char *destination, *type, *source;
    const char *options; /* comma separated */
};

/* As `runc spec`, without /sys/fs/cgroup: the probe has no use for it, and on a v1 machine it alone
 * is a dozen mounts. /tmp and /data are added by mount_list. */
static const struct mount_entry mounts[] = {
    {"/proc", "proc", "proc", ""},
    {"/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"},
    {"/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"},
    {"/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"},
    {"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
    {"/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"},
};

static json_t *words(const char *const *v, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_string(v[i]));
    return a;
}

static json_t *split(const char *list)
{
    json_t *a = json_array();
    while (*list) {
        size_t n = strcspn(list, ",");
        json_array_append_new(a, json_stringn(list, n));
        list += n + (list[n] == ',');
    }
    return a;
}

static json_t *mount_list(const struct ground *g, uint64_t tmpfs_bytes)
{
    json_t *a = json_array();
    char size[32], work[224];
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        const struct mount_entry *m = &mounts[i];
        json_t *o = json_pack("{s:s, s:s, s:s}", "destination", m->destination, "type", m->type,
                              "source", m->source);
        if (*m->options)
            json_object_set_new(o, "options", split(m->options));
        json_array_append_new(a, o);
    }
    str_format(size, sizeof(size), "size=%lluk", (unsigned long long)(tmpfs_bytes >> 10));
    json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:[s, s, s, s]}", "destination", "/tmp",
                                       "type", "tmpfs", "source", "tmpfs", "options", "nosuid",
                                       "nodev", "mode=1777", size));
    json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:[s, s]}", "destination", "/data", "type",
                                       "bind", "source", g->data, "options", "bind", "rw"));
    if (g->shown[0]) {
        str_format(work, sizeof(work), "%s/work", g->rootfs);
        json_array_append_new(a,
                              json_pack("{s:s, s:s, s:s, s:[s, s]}", "destination", "/work", "type",
                                        "bind", "source", work, "options", "bind", "rw"));
    }
    return a;
}

static json_t *process(const struct engine *e, const char *nonce)
{
    json_t *caps = json_object();
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
        json_object_set_new(caps, sets[i], words(capabilities, ARRAY_SIZE(capabilities)));
    json_t *args = json_pack("[s, s, s]", "/" PROBE_NAME, "--nonce", nonce);
    if (e->info.target.inject[0]) {
        json_array_append_new(args, json_string("--inject"));
        json_array_append_new(args, json_string(e->info.target.inject));
    }
    return json_pack("{s:b, s:{s:i, s:i}, s:o, s:[s, s], s:s, s:o, s:b}", "terminal", 0, "user",
                     "uid", 0, "gid", 0, "args", args, "env",
                     "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                     "TERM=dumb", "cwd", "/", "capabilities", caps, "noNewPrivileges", 1);
}

static json_t *linux_part(const struct site *s, const struct ground *g, const char *netns)
{
    static const char *const kinds[] = {"pid", "network", "ipc", "uts", "mount", "cgroup"};
    /* As `runc spec`: a cgroup namespace on v2 only. */
    size_t n = s->machine->cgroups.mode == CGROUP_V2 ? 6 : 5;
    json_t *namespaces = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(namespaces,
                              json_pack("{s:s, s:s*}", "type", kinds[i], "path",
                                        *netns && str_eq(kinds[i], "network") ? netns : NULL));
    return json_pack("{s:s, s:o, s:{s:[{s:b, s:s}]}, s:o, s:o}", "cgroupsPath", g->box,
                     "namespaces", namespaces, "resources", "devices", "allow", 0, "access", "rwm",
                     "maskedPaths", words(masked, ARRAY_SIZE(masked)), "readonlyPaths",
                     words(readonly_paths, ARRAY_SIZE(readonly_paths)));
}

int oci_config_write(const struct site *s, const struct engine *e, const struct ground *g,
                     const char *nonce, uint64_t tmpfs_bytes, const char *netns, struct err *err)
{
    json_t *root =
        json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o}", "ociVersion", "1.0.2", "process",
                  process(e, nonce), "root", "path", g->shown[0] ? g->shown : g->rootfs, "readonly",
                  0, "hostname", "cupel", "mounts", mount_list(g, tmpfs_bytes), "linux",
                  linux_part(s, g, netns));
    _cleanup_free_ char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    if (!text)
        return err_set(err, ERR_BUG, ENOMEM, "write config.json");
    char path[256];
    str_format(path, sizeof(path), "%s/config.json", g->dir);
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, errno, "write %s", path);
    return fd_write_full(fd, text, strlen(text), err);
}

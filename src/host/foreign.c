/* Containers of others on this machine, and what the CPUs share: what may disturb a measurement. */
#include "base/fd.h"
#include "base/vec.h"
#include "host/machine.h"
#include "host/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>

#define FOREIGN_MAX 4096
#define CMDLINE_MAX 8192

struct found {
    struct {
        char **v;
        size_t n, cap;
    } ids;
    struct str *names;
};

/* Counts each identifier once: podman's containers show up as a conmon and in crun's state. */
static void add(struct found *f, const char *engine, const char *id)
{
    if (!*id || str_starts(id, "cupel-") || f->ids.n >= FOREIGN_MAX)
        return;
    for (size_t i = 0; i < f->ids.n; i++)
        if (str_eq(f->ids.v[i], id))
            return;
    VEC_PUSH(&f->ids, xstrdup(id));
    if (f->names) {
        char line[160];
        str_format(line, sizeof(line), "%s: %.*s%s", engine, strlen(id) > 40 ? 12 : 40, id,
                   strlen(id) > 40 ? "…" : "");
        str_addf(f->names, "%s%s", f->names->len ? "\n" : "", line);
    }
}

static bool is_ours(pid_t pid)
{
    char path[64], text[8192];
    str_format(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    return strstr(text, "/cupel-") != NULL;
}

/* The argument behind the word, as it stands in a command line with blanks; "" if there is none. */
static void argument(const char *cmdline, const char *word, char dst[96])
{
    size_t n = strlen(word);
    dst[0] = '\0';
    for (const char *p = cmdline; (p = strstr(p, word)); p += n) {
        if (p == cmdline || p[-1] != ' ' || p[n] != ' ')
            continue;
        const char *value = p + n + 1;
        size_t len = strcspn(value, " ");
        if (len < 96)
            memcpy(dst, value, len);
        dst[len < 96 ? len : 0] = '\0';
        return;
    }
}

static void last_word(const char *cmdline, char dst[96])
{
    const char *space = strrchr(cmdline, ' ');
    if (!str_copy(dst, 96, space ? space + 1 : ""))
        dst[0] = '\0';
}

static void look_at(struct found *f, pid_t pid)
{
    char text[CMDLINE_MAX], id[96], ns[96];
    if (proc_cmdline(pid, text, sizeof(text)) < 0)
        return;
    size_t n = strcspn(text, " ");
    const char *base = text;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '/')
            base = text + i + 1;
    if (str_starts(base, "containerd-shim")) {
        argument(text, "-id", id);
        argument(text, "-namespace", ns);
        if (!is_ours(pid))
            add(f,
                str_eq(ns, "moby")     ? "docker"
                : str_eq(ns, "k8s.io") ? "kubernetes"
                                       : "containerd",
                id);
    } else if (str_starts(base, "conmon")) {
        argument(text, "-c", id);
        if (!is_ours(pid))
            add(f, "podman", id);
    } else if (str_starts(base, "runsc-sandbox")) {
        last_word(text, id);
        if (!is_ours(pid))
            add(f, "runsc", id);
    }
}

static void scan_processes(struct found *f)
{
    DIR *dir = opendir("/proc");
    for (struct dirent *d; dir && (d = readdir(dir));) {
        uint64_t pid;
        if (parse_u64(d->d_name, 1, INT32_MAX, "", &pid, NULL) == 0)
            look_at(f, (pid_t)pid);
    }
    if (dir)
        closedir(dir);
}

/* The process of a container from its state: what is left of one that ended does not disturb. */
static pid_t state_pid(const char *path)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    if (file_read(path, 4 << 20, &text, NULL) < 0)
        return 0;
    json_t *o = json_loadb(text.buf, text.len, 0, NULL);
    json_int_t pid = json_integer_value(json_object_get(o, "init_process_pid"));
    if (pid <= 0)
        pid = json_integer_value(json_object_get(o, "pid"));
    json_decref(o);
    return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static void scan_states(struct found *f, const char *root, const char *engine, const char *file)
{
    DIR *dir = opendir(root);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        char path[512];
        if (d->d_name[0] == '.' ||
            !str_format(path, sizeof(path), "%s/%s/%s", root, d->d_name, file))
            continue;
        pid_t pid = state_pid(path);
        char id[96];
        if (pid == 0 || !proc_alive(pid) || is_ours(pid) || !str_copy(id, sizeof(id), d->d_name))
            continue;
        str_printable(id);
        add(f, engine, id);
    }
    if (dir)
        closedir(dir);
}

int machine_foreign_containers(struct str *names)
{
    struct found f = {.names = names};
    scan_processes(&f);
    scan_states(&f, "/run/runc", "runc", "state.json");
    scan_states(&f, "/run/crun", "crun", "status");
    scan_states(&f, "/run/youki", "youki", "state.json");
    int n = (int)f.ids.n;
    VEC_FOREACH (&f.ids, char *, id)
        free(*id);
    VEC_RELEASE(&f.ids);
    return n;
}

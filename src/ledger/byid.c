#include "ledger/byid.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "base/vec.h"
#include "host/mounts.h"
#include "host/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#define TEXT_MAX 65536 /* of a command line or cgroup file that is looked through */

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

bool byid_in_text(const char *text, size_t n, const char *id)
{
    size_t len = strlen(id);
    const char *end = text + n;
    for (const char *p = text; len && (p = memmem(p, (size_t)(end - p), id, len)); p++) {
        bool starts = p == text || p[-1] == '\0' || is_one_of(p[-1], "/=:_\n");
        bool ends = p + len == end || p[len] == '\0' || is_one_of(p[len], "/:.\n");
        if (starts && ends)
            return true;
    }
    return false;
}

bool byid_in_name(const char *name, const char *id)
{
    size_t len = strlen(id);
    for (const char *p = name; (p = strstr(p, id)); p++)
        if ((p == name || !isalnum((unsigned char)p[-1])) && !isalnum((unsigned char)p[len]))
            return true;
    return false;
}

bool byid_is_helper(const char *program, const char *runtime)
{
    static const char *const known[] = {
        "runc",       "crun",  "runsc", "youki",     "containerd-shim",
        "conmon",     "qemu-", "kata-", "virtiofsd", "cloud-hypervisor",
        "firecracker"};
    /* runc and crun run from a sealed copy of themselves: "/memfd:runc_cloned:/proc/self/exe". */
    const char *copy = strstr(program, "memfd:"), *slash = strrchr(program, '/');
    const char *base = copy ? copy + strlen("memfd:") : slash ? slash + 1 : program;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_starts(base, known[i]))
            return true;
    slash = strrchr(runtime, '/');
    const char *own = slash ? slash + 1 : runtime;
    size_t n = strlen(own);
    return n > 0 && strncmp(base, own, n) == 0 && !isalnum((unsigned char)base[n]);
}

/* Reads what there is, up to the bound; a longer text is looked through as far as it was read. */
static size_t read_some(pid_t pid, const char *name, char *dst, size_t size)
{
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t n = 0;
    for (ssize_t k; fd >= 0 && n < size && (k = read(fd, dst + n, size - n)) > 0;)
        n += (size_t)k;
    return n;
}

static bool is_of(pid_t pid, const char *id, const char *runtime, char *buf)
{
    size_t n = read_some(pid, "cgroup", buf, TEXT_MAX);
    if (byid_in_text(buf, n, id))
        return true;
    n = read_some(pid, "cmdline", buf, TEXT_MAX - 1);
    if (!byid_in_text(buf, n, id))
        return false;
    buf[n] = '\0'; /* argv[0] then ends within the buffer */
    char exe[4096];
    return byid_is_helper(buf, runtime) ||
           (proc_exe(pid, exe, sizeof(exe)) == 0 && byid_is_helper(exe, runtime));
}

static bool is_ancestor(pid_t pid)
{
    pid_t up = getpid();
    for (unsigned depth = 0; up > 1 && depth < 1024; depth++) {
        if (up == pid)
            return true;
        up = proc_parent(up);
    }
    return pid <= 1;
}

struct victims {
    struct pollfd *v; /* pidfds */
    size_t n, cap;
    pid_t one;
};

/* Through a pidfd that was opened before looking: the number cannot change its owner in between. */
static void kill_if_of(pid_t pid, const char *id, const char *runtime, char *buf,
                       struct victims *to)
{
    _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 || !proc_alive(pid) || !is_of(pid, id, runtime, buf) || is_ancestor(pid))
        return;
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
        return;
    to->one = pid;
    VEC_PUSH(to, (struct pollfd){.fd = TAKE_FD(fd), .events = POLLIN});
}

static void scan(const char *id, const char *runtime, struct victims *to)
{
    _cleanup_free_ char *buf = xmalloc(TEXT_MAX);
    DIR *dir = opendir("/proc");
    for (struct dirent *d; dir && (d = readdir(dir));) {
        uint64_t pid;
        if (parse_u64(d->d_name, 2, INT32_MAX, "", &pid, NULL) == 0)
            kill_if_of((pid_t)pid, id, runtime, buf, to);
    }
    if (dir)
        closedir(dir);
}

static int await_end(struct victims *v, const char *id, uint64_t deadline_ns, struct err *err)
{
    for (size_t i = 0; i < v->n; i++) {
        int k;
        do
            k = poll(&v->v[i], 1, time_left_ms(deadline_ns));
        while (k < 0 && errno == EINTR);
        if (k == 0)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT,
                           "a process of container %s survives SIGKILL (the last found was %d)", id,
                           (int)v->one);
    }
    return 0;
}

int byid_kill(const char *id, const char *runtime, uint64_t deadline_ns, struct err *err)
{
    int total = 0, r = 0;
    /* Again until a look finds none: one that was missed may have started another. */
    for (unsigned round = 0; r == 0 && round < 16; round++) {
        struct victims v = {NULL, 0, 0, 0};
        scan(id, runtime, &v);
        size_t n = v.n;
        total += (int)n;
        r = await_end(&v, id, deadline_ns, err);
        VEC_FOREACH (&v, struct pollfd, p)
            close(p->fd);
        VEC_RELEASE(&v);
        if (n == 0)
            break;
    }
    return r < 0 ? r : total;
}

int byid_count_state(const char *path, const char *id)
{
    int n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *d; dir && (d = readdir(dir));)
        n += byid_in_name(d->d_name, id);
    if (dir)
        closedir(dir);
    return n;
}

int byid_remove_state(const char *path, const char *id, struct err *err)
{
    int n = 0, r = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : err_errno(err, errno, "open %s", path);
    for (struct dirent *d; r == 0 && (d = readdir(dir));) {
        if (!byid_in_name(d->d_name, id))
            continue;
        _cleanup_free_ char *entry = xasprintf("%s/%s", path, d->d_name);
        r = mount_remove_below(entry, err);
        if (r == 0)
            r = fs_remove_tree(entry, err);
        n += r == 0;
    }
    closedir(dir);
    return r < 0 ? r : n;
}

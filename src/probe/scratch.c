#include "probe/scratch.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

int scratch_param(const struct job *job, const char **ret_dir, struct err *err)
{
    const struct fact *f = facts_find(&job->prepare.params, "dir");
    if (f && !f->is_text)
        return err_set(err, ERR_USAGE, EINVAL, "dir: not a text");

    const char *dir = f ? f->text : "/tmp";
    if (dir[0] != '/')
        return err_set(err, ERR_USAGE, EINVAL, "dir: '%s' is not an absolute path", dir);
    *ret_dir = dir;
    return 0;
}

/* Plain O_RDONLY: O_PATH is not known to every guest. */
static int open_dir(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int scratch_make(const struct job *job, struct scratch_dir *ret, struct err *err)
{
    const char *dir;
    int r = scratch_param(job, &dir, err);
    if (r < 0)
        return r;

    /* The process id alone would not do: every container that shares a directory has its own 1. */
    char path[SCRATCH_PATH];
    if (!str_format(path, sizeof(path), "%s/cupel-%s-%d-XXXXXX", dir, job->workload->name,
                    (int)getpid()))
        return err_set(err, ERR_USAGE, ENAMETOOLONG, "dir: too long");
    if (!mkdtemp(path))
        return err_errno(err, errno, "make a directory in %s", dir);

    int fd = open_dir(path);
    if (fd < 0) {
        int code = errno;
        rmdir(path);
        return err_errno(err, code, "open %s", path);
    }
    str_copy(ret->path, sizeof(ret->path), path);
    ret->fd = fd;
    return 0;
}

int scratch_named(const struct job *job, const char *name, bool make, struct scratch_dir *ret,
                  struct err *err)
{
    const char *dir;
    char path[SCRATCH_PATH];
    int r = scratch_param(job, &dir, err);
    if (r < 0)
        return r;
    if (!str_format(path, sizeof(path), "%s/%s", dir, name))
        return err_set(err, ERR_USAGE, ENAMETOOLONG, "dir: too long");
    if (make && mkdir(path, 0700) < 0)
        return err_errno(err, errno, "make %s", path);
    int fd = open_dir(path);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    str_copy(ret->path, sizeof(ret->path), path);
    ret->fd = fd;
    return 0;
}

void scratch_leave(struct scratch_dir *s)
{
    if (s->path[0])
        close(s->fd);
    *s = (struct scratch_dir){.path = ""};
}

void scratch_remove(struct scratch_dir *s)
{
    if (!s->path[0])
        return;
    DIR *d = opendir(s->path);
    if (d) {
        for (struct dirent *e; (e = readdir(d));) {
            if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
                continue;
            if (unlinkat(dirfd(d), e->d_name, 0) < 0)
                unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
        }
        closedir(d);
    }
    close(s->fd);
    rmdir(s->path);
    *s = (struct scratch_dir){.path = ""};
}

uint8_t scratch_byte(uint32_t tag, size_t i)
{
    return (uint8_t)((tag * 2654435761u >> 8) + i * 7 + (i >> 8));
}

int scratch_fill(const struct scratch_dir *d, const char *name, uint32_t tag, size_t bytes,
                 struct err *err)
{
    _cleanup_fd_ int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "create %s/%s", d->path, name);

    uint8_t buf[4096];
    for (size_t at = 0; at < bytes;) {
        size_t n = bytes - at < sizeof(buf) ? bytes - at : sizeof(buf);
        for (size_t i = 0; i < n; i++)
            buf[i] = scratch_byte(tag, at + i);
        ssize_t r = write(fd, buf, n);
        if (r <= 0)
            return err_errno(err, r < 0 ? errno : EIO, "write %s/%s", d->path, name);
        at += (size_t)r;
    }
    return 0;
}

void scratch_facts(const char *dir, struct facts *facts)
{
    struct statfs fs;
    int64_t magic = statfs(dir, &fs) == 0 ? (int64_t)fs.f_type : -1;
    facts_add_text(facts, "dir", dir);
    facts_add_num(facts, "fs_magic", magic);
}

/* Splits path into its directory, which is opened, and its last component. Absolute paths only:
 * the current directory may be another than at the start (call.getcwd). */
static bool self_split(char *path, struct self *ret)
{
    char *slash = strrchr(path, '/');
    if (path[0] != '/' || !slash[1] || !str_copy(ret->name, sizeof(ret->name), slash + 1))
        return false;
    slash[slash == path] = '\0'; /* after the slash if it is the root's */
    ret->dir_fd = open_dir(path);
    return ret->dir_fd >= 0;
}

int self_open(struct self *ret, struct err *err)
{
    /* The real path first: through /proc/self/exe an execve takes a magic link, which costs a
     * sandbox something else than a program's start does. */
    char link[SCRATCH_PATH];
    ssize_t n = readlink("/proc/self/exe", link, sizeof(link) - 1);
    link[n > 0 ? n : 0] = '\0';

    const char *execfn = (const char *)getauxval(AT_EXECFN);
    const char *const tries[] = {link, execfn ? execfn : "", "/proc/self/exe"};
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        char path[SCRATCH_PATH];
        struct self self = {.dir_fd = -1};
        if (!str_copy(path, sizeof(path), tries[i]) || !self_split(path, &self))
            continue;
        if (faccessat(self.dir_fd, self.name, X_OK, 0) == 0) {
            *ret = self;
            return 0;
        }
        close(self.dir_fd);
    }
    return err_set(err, ERR_UNSUPPORTED, ENOENT, "no path leads to the probe's own program");
}

void self_close(struct self *s)
{
    if (s->name[0])
        close(s->dir_fd);
    *s = (struct self){.name = ""};
}

bool self_run_true(const struct self *s)
{
    static const char *const argv[] = {"cupel-probe", "--true", NULL};
    static const char *const env[] = {NULL};

    pid_t pid = fork();
    if (pid == 0) {
        execveat(s->dir_fd, s->name, (char *const *)argv, (char *const *)env, 0);
        _exit(127);
    }
    if (pid < 0)
        return false;

    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return false;
    }
    if (status != 0)
        errno = ENOEXEC;
    return status == 0;
}

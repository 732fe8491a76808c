#include "host/allocation.h"

#include "base/fd.h"
#include "host/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define LEAF       "cupel-job"
#define GROUPS_MAX (64u << 10)

/* ---- where we are ---- */

static bool has_component(const char *path, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = path; (p = strstr(p, name)); p += n)
        if (p > path && p[-1] == '/' && (p[n] == '/' || !p[n]))
            return true;
    return false;
}

/* "6:freezer:/slurm/uid_0/job_7/step_batch" */
static bool take_line(char *line, const char **ret_controller, const char **ret_path)
{
    (void)strsep(&line, ":");
    char *controllers = strsep(&line, ":");

    if (!line || line[0] != '/' || strpbrk(line, ";="))
        return false;
    controllers[strcspn(controllers, ",")] = '\0';
    *ret_controller = str_starts(controllers, "name=") ? controllers + 5 : controllers;
    *ret_path = line;
    return true;
}

bool allocation_parse(char *text, const char *job, struct str *ret)
{
    _cleanup_(str_release) struct str list = STR_INIT;
    _cleanup_free_ char *name = job ? xasprintf("job_%s", job) : NULL;
    const char *controller, *path;
    bool found = false;

    if (job && (!job[0] || strspn(job, "0123456789") != strlen(job)))
        return false;
    for (char *line; (line = strsep(&text, "\n"));) {
        if (!take_line(line, &controller, &path))
            continue;
        found |= name ? has_component(path, name) : path[1] != '\0';
        if (path[1])
            str_addf(&list, "%s%s=%s", list.len ? ";" : "", controller, path);
    }
    if (found)
        str_add(ret, list.buf);
    return found;
}

const char *allocation_of_self(void)
{
    const char *list = getenv(ALLOCATION_ENV);
    return list && *list ? list : NULL;
}

/* ---- entering ---- */

/* The same hierarchy, as it looks from the new namespace. */
static int mount_anew(const struct mountinfo *m, struct err *err)
{
    _cleanup_(str_release) struct str options = STR_INIT;
    _cleanup_free_ char *copy = xstrdup(m->super);
    char *rest = copy;
    bool v2 = str_eq(m->fstype, "cgroup2");

    for (const char *word; !v2 && (word = strsep(&rest, ","));)
        if (!str_eq(word, "rw") && !str_eq(word, "ro") && !str_starts(word, "release_agent="))
            str_addf(&options, "%s%s", options.len ? "," : "", word);
    if (umount2(m->point, MNT_DETACH) < 0)
        return err_errno(err, errno, "unmount %s", m->point);
    if (mount(m->fstype, m->point, m->fstype, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME,
              v2 ? NULL : options.buf) < 0)
        return err_errno(err, errno, "mount %s", m->point);
    return 0;
}

static int mount_all_anew(char *mountinfo, struct err *err)
{
    int r = 0;

    for (struct mountinfo m; r == 0 && mountinfo_next(&mountinfo, &m);)
        if (str_eq(m.fstype, "cgroup") || str_eq(m.fstype, "cgroup2"))
            r = mount_anew(&m, err);
    return r;
}

static void move_all(int from, int to)
{
    _cleanup_(str_release) struct str pids = STR_INIT;
    char *rest;

    if (file_read_at(from, "cgroup.procs", GROUPS_MAX, &pids, NULL) < 0)
        return;
    rest = pids.buf;
    for (const char *pid; (pid = strsep(&rest, "\n"));)
        if (*pid)
            (void)file_write_at(to, "cgroup.procs", pid, NULL);
}

/* A group of v2 hands controllers down only while no process is in it itself: what is in the job's
 * goes into one below. */
static int make_room(const struct cgroups *c, struct err *err)
{
    _cleanup_fd_ int root = open(c->unified_mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (c->mode != CGROUP_V2)
        return 0;
    if (root < 0 || (mkdirat(root, LEAF, 0755) < 0 && errno != EEXIST))
        return err_errno(err, errno, "make a group in %s", c->unified_mount);
    _cleanup_fd_ int leaf = openat(root, LEAF, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (leaf < 0)
        return err_errno(err, errno, "open a group in %s", c->unified_mount);
    move_all(root, leaf);
    return 0;
}

static int enter(const char *list, struct err *err)
{
    _cleanup_(str_release) struct str mountinfo = STR_INIT;
    struct cgroups c;

    if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS) < 0)
        return err_errno(err, errno, "make namespaces");
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        return err_errno(err, errno, "keep mounts apart");
    int r = mountinfo_read(&mountinfo, err);
    if (r == 0)
        r = mount_all_anew(mountinfo.buf, err);
    if (r == 0)
        r = cgroups_detect(&c, err);
    if (r == 0)
        r = make_room(&c, err);
    if (r == 0)
        setenv(ALLOCATION_ENV, list, 1);
    return r;
}

int allocation_enter(struct err *err)
{
    const char *job = getenv("SLURM_JOB_ID"), *pod = getenv(ALLOCATION_POD_ENV);
    _cleanup_(str_release) struct str text = STR_INIT, list = STR_INIT;

    if ((!job && !pod) || geteuid() != 0 ||
        file_read("/proc/self/cgroup", GROUPS_MAX, &text, NULL) < 0 ||
        !allocation_parse(text.buf, job, &list))
        return 0;
    int r = enter(list.buf, err);
    return r < 0 ? err_wrap(err, "keep to the control groups of %s", job ? job : "this pod") : 1;
}

void allocation_leave(void)
{
    static const char *const controllers[] = {"-cpu", "-cpuset", "-memory", "-pids", "-io"};
    struct cgroups c;

    if (!allocation_of_self() || cgroups_detect(&c, NULL) < 0 || c.mode != CGROUP_V2)
        return;
    _cleanup_fd_ int root = open(c.unified_mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_fd_ int leaf = root < 0 ? -1 : openat(root, LEAF, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (leaf < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
        (void)file_write_at(root, "cgroup.subtree_control", controllers[i], NULL);
    move_all(leaf, root);
    (void)unlinkat(root, LEAF, AT_REMOVEDIR);
}

/* ---- from outside ---- */

/* The path of this tree's in the list, or NULL. */
static const char *path_in(char *list, const struct cgroup_tree *t)
{
    for (char *one; (one = strsep(&list, ";"));) {
        const char *controller = strsep(&one, "=");
        const char *name = strrchr(t->mount, '/');
        if (!one)
            return NULL;
        if (t->unified ? !controller[0]
                       : controller[0] && (mountinfo_has_option(t->controllers, controller) ||
                                           mountinfo_has_option(name ? name + 1 : "", controller)))
            return one;
    }
    return NULL;
}

static int look_into(struct cgroup_tree *t, const char *list, struct err *err)
{
    _cleanup_free_ char *copy = xstrdup(list);
    const char *path = path_in(copy, t);
    char base[sizeof(t->mount)];

    if (!path)
        return 0;
    if (path[0] != '/' || strstr(path, "/..") ||
        !str_format(base, sizeof(base), "%s%s", t->mount, path))
        return err_set(err, ERR_BUG, EINVAL, "'%.80s' is no group of a job", path);
    memcpy(t->mount, base, sizeof(base));
    return 0;
}

int allocation_look_into(struct cgroups *c, const char *list, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->n_trees; i++)
        r = look_into(&c->trees[i], list, err);
    for (size_t i = 0; r == 0 && i < c->n_others; i++)
        r = look_into(&c->others[i], list, err);
    return r;
}

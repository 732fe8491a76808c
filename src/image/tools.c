/* Running what makes images: a deadline, a plain environment, and nothing left of it. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/rand.h"
#include "host/cgroup.h"
#include "host/mounts.h"

#include <errno.h>

#define ASK_TIMEOUT_NS (60 * NS_PER_S)
#define DIE_TIMEOUT_NS (10 * NS_PER_S)

const char *const tool_env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                "LC_ALL=C", "HOME=/", "DEBIAN_FRONTEND=noninteractive", NULL};

int tool_find(const char *name, const char *package, char dst[256], struct err *err)
{
    static const char *const admin[] = {"", "/usr/sbin/", "/sbin/"}; /* often not on the PATH */
    char path[128];
    for (size_t i = 0; i < ARRAY_SIZE(admin); i++) {
        str_format(path, sizeof(path), "%s%s", admin[i], name);
        if (fs_which(path, dst, 256) == 0)
            return 0;
    }
    return err_set(err, ERR_ENVIRONMENT, ENOENT,
                   "%s is needed, which is not here: apt-get install %s", name, package);
}

/* A control group for one tool; path "": this machine has none. */
struct cage {
    struct cgroups groups;
    char path[48];
};

static int cage_open(struct image_store *s, struct cage *c, struct spawn_spec *spec,
                     struct err *err)
{
    int r = cgroups_detect(&c->groups, err);
    c->path[0] = '\0';
    if (r < 0 || c->groups.mode == CGROUP_NONE)
        return r;
    str_format(c->path, sizeof(c->path), "/cupel-image-%016llx", (unsigned long long)rng_entropy());
    const struct ledger_item item = {.kind = LEDGER_CGROUP, .path = c->path};
    r = ledger_intend(s->ledger, &item, 1, err);
    if (r < 0) {
        c->path[0] = '\0';
        return r;
    }
    r = cgroup_make(&c->groups, c->path, err);
    if (r == 0)
        r = cgroup_open_join(&c->groups, c->path, spec->join_fds, SPAWN_MAX_JOIN, err);
    spec->n_join = r > 0 ? (size_t)r : 0;
    return r < 0 ? r : 0;
}

static void reap(void *user)
{
    loop_run_ready(user);
}

static int cage_close(struct image_store *s, struct cage *c, struct spawn_spec *spec,
                      struct err *err)
{
    const struct ledger_item item = {.kind = LEDGER_CGROUP, .path = c->path};
    for (size_t i = 0; i < spec->n_join; i++)
        fd_close(&spec->join_fds[i]);
    if (!c->path[0])
        return 0;
    int r = cgroup_kill(&c->groups, c->path, time_deadline(DIE_TIMEOUT_NS), reap, s->loop, err);
    if (r == 0)
        r = cgroup_remove(&c->groups, c->path, err);
    return r == 0 ? ledger_done(s->ledger, &item, err) : r;
}

int tool_run_alone(struct image_store *s, const struct spawn_spec *spec, struct err *err)
{
    struct spawn_spec caged = *spec;
    struct spawn_result res = {.out = STR_INIT, .err = STR_INIT};
    struct cage cage;
    struct err late = ERR_INIT;
    int r = cage_open(s, &cage, &caged, err);
    if (r == 0)
        r = spawn_run(s->loop, &caged, time_deadline(IMAGE_BUILD_TIMEOUT_NS), 4096, &res, err);
    if (r == 0)
        r = spawn_check(&caged, &res, err);
    spawn_result_release(&res);
    int left = cage_close(s, &cage, &caged, &late);
    if (r == 0 && left < 0) {
        r = left;
        if (err)
            *err = late;
    }
    return r;
}

int tool_run(struct image_store *s, const char *const *argv, struct str *out, struct err *err)
{
    const struct spawn_spec spec = {.argv = argv,
                                    .env = tool_env,
                                    .cwd = "/",
                                    .fd_in = -1,
                                    .fd_out = -1,
                                    .fd_err = -1,
                                    .die_with_parent = true,
                                    .new_session = true};
    struct spawn_result res;
    if (!out)
        return tool_run_alone(s, &spec, err);
    int r = spawn_run(s->loop, &spec, time_deadline(ASK_TIMEOUT_NS), 1 << 20, &res, err);
    if (r == 0)
        r = spawn_check(&spec, &res, err);
    if (r == 0)
        str_addn(out, res.out.buf, res.out.len);
    spawn_result_release(&res);
    return r;
}

int tool_list_libraries(struct image_store *s, const char *rootfs, const char *dirs,
                        struct err *err)
{
    char ldconfig[256], path[64];
    int r = tool_find("ldconfig", "libc-bin", ldconfig, err);
    if (r < 0)
        return r;
    int etc = root_open_dir(rootfs, "etc", err);
    if (etc < 0)
        return etc;
    str_format(path, sizeof(path), "/proc/self/fd/%d", etc);
    r = make_text(path, "ld.so.conf", dirs, err);
    fd_close(&etc);
    const char *const argv[] = {ldconfig, "-r", rootfs, NULL};
    return r == 0 ? tool_run(s, argv, NULL, err) : r;
}

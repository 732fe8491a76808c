/* Images of programs that this machine has: the files themselves and the shared libraries they
 * load, as the dynamic loader lists them. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "host/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/param.h>
#include <unistd.h>

#define FILES_MAX 256

/* Files of this machine, each with its place in the image. */
struct closure {
    struct {
        char *from, *place; /* absolute; from: without links */
        char *loader;       /* a program's, NULL of all else */
    } v[FILES_MAX];
    size_t n;
};

static void closure_release(struct closure *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->v[i].from);
        free(c->v[i].place);
        free(c->v[i].loader);
    }
    c->n = 0;
}

static const char *last_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* Returns its index. The loader of the image finds a library by its name alone where its path leads
 * nowhere any more. So there may be only one of each name. */
static int add_file(struct closure *c, const char *path, const char *place, struct err *err)
{
    char from[PATH_MAX];
    if (!realpath(path, from))
        return err_errno(err, errno, "find %s", path);
    for (size_t i = 0; i < c->n; i++) {
        if (!str_eq(last_name(c->v[i].place), last_name(place)))
            continue;
        if (!str_eq(c->v[i].from, from))
            return err_set(err, ERR_UNSUPPORTED, EEXIST,
                           "%s and %s bear one name: they cannot be in one image", c->v[i].from,
                           path);
        if (str_eq(c->v[i].place, place))
            return (int)i;
    }
    if (c->n == FILES_MAX)
        return err_set(err, ERR_ENVIRONMENT, E2BIG, "%s and others: too many libraries", path);
    c->v[c->n].loader = NULL;
    c->v[c->n].from = xstrdup(from);
    c->v[c->n].place = xstrdup(place);
    return (int)c->n++;
}

/* The path without links and dots but for its last name, which may be a link: a library is asked
 * for by that name. */
static int real_place(const char *path, char dst[PATH_MAX], struct err *err)
{
    char dir[PATH_MAX];
    const char *name = last_name(path);
    _cleanup_free_ char *parent = xstrndup(path, (size_t)(name - path));
    if (!realpath(parent, dir))
        return err_errno(err, errno, "find %s", path);
    if (!*name || !str_format(dst, PATH_MAX, "%s/%s", str_eq(dir, "/") ? "" : dir, name))
        return err_errno(err, ENAMETOOLONG, "find %s", path);
    return 0;
}

/* A program from somewhere else than the usual folders goes to one that the PATH has and no mount
 * covers. */
static int add_program(struct closure *c, const char *path, struct err *err)
{
    static const char *const usual[] = {
        "/usr/local/bin/", "/usr/local/sbin/", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"};
    char place[PATH_MAX], other[PATH_MAX];
    int r = real_place(path, place, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (str_starts(place, usual[i]) && place + strlen(usual[i]) == last_name(place))
            return add_file(c, path, place, err);
    str_format(other, sizeof(other), "/usr/local/bin/%s", last_name(place));
    return add_file(c, path, other, err);
}

/* What the sessions of an application mount something over. */
static bool is_covered(const char *path)
{
    static const char *const dirs[] = {"/tmp/",  "/work/", "/data/", "/run/",
                                       "/proc/", "/sys/",  "/dev/"};
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        if (str_starts(path, dirs[i]))
            return true;
    return false;
}

/* To its own folder, of which the loader is told, so that it is found by a program that was moved
 * and looks beside itself ($ORIGIN) in vain. */
static int add_library(struct closure *c, const char *path, struct err *err)
{
    char place[PATH_MAX], other[PATH_MAX];
    int r = real_place(path, place, err);
    if (r < 0)
        return r;
    if (!is_covered(place))
        return add_file(c, path, place, err);
    str_format(other, sizeof(other), "/usr/local/lib/%s", last_name(place));
    return add_file(c, path, other, err);
}

/* The loader, and a library that is asked for by its path: they have to be right there. */
static int add_exact(struct closure *c, const char *path, struct err *err)
{
    if (path[0] != '/' || strstr(path, "/../") || is_covered(path))
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "%.200s is asked for by its path, which an image cannot have", path);
    return add_file(c, path, path, err);
}

static int add_libraries(struct image_store *s, struct closure *c, size_t at, struct err *err)
{
    const char *program = c->v[at].from;
    char loader[ELF_LOADER_MAX];
    struct elf_library lib;
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = elf_interpreter(program, loader, err);
    if (r < 0 || !loader[0])
        return r;
    free(c->v[at].loader);
    c->v[at].loader = xstrdup(loader);
    const char *const argv[] = {loader, "--list", program, NULL};
    r = tool_run(s, argv, &out, err);
    for (char *next = out.buf; r == 0 && elf_next_library(&next, &lib);) {
        if (lib.missing)
            r = err_set(err, ERR_ENVIRONMENT, ENOENT, "%s: a library of it is missing:%s", program,
                        lib.line);
        else
            r = MIN(lib.by_name ? add_library(c, lib.path, err) : add_exact(c, lib.path, err), 0);
    }
    return r == 0 ? MIN(add_exact(c, loader, err), 0) : r;
}

/* The folders that are links to those of /usr on this machine, a line each. */
static void list_merged(struct str *to)
{
    static const char *const dirs[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
    char path[16], target[32], usr[16];
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        str_format(path, sizeof(path), "/%s", dirs[i]);
        str_format(usr, sizeof(usr), "usr/%s", dirs[i]);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = '\0';
        if (str_eq(target[0] == '/' ? target + 1 : target, usr))
            str_addf(to, "%s\n", dirs[i]);
    }
}

static int link_merged(const char *rootfs, struct err *err)
{
    _cleanup_(str_release) struct str merged = STR_INIT;
    char path[288], target[32];
    list_merged(&merged);
    for (const char *p = merged.buf; *p; p = strchr(p, '\n') + 1) {
        int n = (int)strcspn(p, "\n");
        str_format(target, sizeof(target), "usr/%.*s", n, p);
        str_format(path, sizeof(path), "%s/%s", rootfs, target);
        int r = fs_mkdirs(path, 0755, err);
        if (r < 0)
            return r;
        str_format(path, sizeof(path), "%s/%.*s", rootfs, n, p);
        if (symlink(target, path) < 0)
            return err_errno(err, errno, "make %s", path);
    }
    return 0;
}

/* A link becomes the file. */
static int copy_into(const char *rootfs, const char *from, const char *place, struct err *err)
{
    _cleanup_free_ char *to = xasprintf("%s%s", rootfs, place), *copy = xstrdup(to);
    int r = fs_mkdirs(dirname(copy), 0755, err);
    return r == 0 ? fs_copy_file(from, to, 0755, err) : r;
}

/* Asks the loader of the image, inside it, whether this program finds all it needs: not every way
 * of finding a library (a plug-in's name, say) outlives the move. */
static int try_inside(struct image_store *s, const char *rootfs, const char *loader,
                      const char *program, struct err *err)
{
    const char *const argv[] = {loader, "--list", program, NULL};
    const struct spawn_spec spec = {.argv = argv,
                                    .env = tool_env,
                                    .root = rootfs,
                                    .fd_in = -1,
                                    .fd_out = -1,
                                    .fd_err = -1,
                                    .die_with_parent = true,
                                    .new_session = true};
    struct spawn_result res;
    int r = spawn_run(s->loop, &spec, time_deadline(60 * NS_PER_S), 1 << 16, &res, err);
    if (r == 0 && (res.wait_status != 0 || strstr(res.out.buf, "=> not found")))
        r = err_set(err, ERR_UNSUPPORTED, ENOENT,
                    "%s does not find its libraries in an image, where it is %s",
                    last_name(program), program);
    spawn_result_release(&res);
    return r;
}

static int make_programs(struct image_store *s, void *user, const char *rootfs, struct err *err)
{
    const struct closure *c = user;
    _cleanup_(str_release) struct str dirs = STR_INIT;
    int r = link_merged(rootfs, err);
    for (size_t i = 0; r == 0 && i < c->n; i++) {
        const char *place = c->v[i].place;
        r = copy_into(rootfs, c->v[i].from, place, err);
        str_addf(&dirs, "%.*s\n", (int)(last_name(place) - 1 - place), place);
    }
    if (r == 0)
        r = tool_list_libraries(s, rootfs, dirs.buf, err);
    for (size_t i = 0; r == 0 && i < c->n; i++)
        if (c->v[i].loader)
            r = try_inside(s, rootfs, c->v[i].loader, c->v[i].place, err);
    return r;
}

static int gather(struct image_store *s, const char *const *programs, size_t n, struct closure *c,
                  struct err *err)
{
    char path[256];
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (fs_which(programs[i], path, sizeof(path)) < 0)
            return err_set(err, ERR_UNSUPPORTED, ENOENT, "%s is not on the PATH", programs[i]);
        if (path[0] != '/')
            return err_set(err, ERR_USAGE, EINVAL, "%s: give its whole path", programs[i]);
        r = add_program(c, path, err);
        if (r >= 0)
            r = add_libraries(s, c, (size_t)r, err);
    }
    return r;
}

int image_from_programs(struct image_store *s, const char *const *programs, size_t n,
                        struct image *ret, struct err *err)
{
    _cleanup_(closure_release) struct closure c = {.n = 0};
    _cleanup_(str_release) struct str of = STR_INIT, what = STR_INIT;
    char key[FS_SHA256_HEX];
    int r = gather(s, programs, n, &c, err);
    str_add(&of, "programs 3\n");
    list_merged(&of);
    for (size_t i = 0; r == 0 && i < c.n; i++) {
        char hex[FS_SHA256_HEX];
        r = fs_sha256(c.v[i].from, hex, err);
        str_addf(&of, "%s %s\n", c.v[i].place, r == 0 ? hex : "");
    }
    for (size_t i = 0; i < n; i++)
        str_addf(&what, "%s%s", i ? ", " : "", programs[i]);
    str_add(&what, " of this machine");
    if (r < 0)
        return r;
    fs_sha256_bytes(of.buf, of.len, key);
    return store_image(s, key, what.buf, make_programs, &c, ret, err);
}

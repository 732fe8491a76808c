/* Images of programs that this machine has: the files themselves and the shared libraries they
 * load, as the dynamic loader lists them. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <unistd.h>

#define FILES_MAX 256

/* Absolute paths, each once. */
struct closure {
    char *v[FILES_MAX];
    bool is_program[FILES_MAX];
    size_t n;
};

static void closure_release(struct closure *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->v[i]);
    c->n = 0;
}

static int add_file(struct closure *c, const char *path, bool is_program, struct err *err)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->v[i], path))
            return 0;
    if (c->n == FILES_MAX)
        return err_set(err, ERR_ENVIRONMENT, E2BIG, "%s and others: too many libraries", path);
    c->is_program[c->n] = is_program;
    c->v[c->n++] = xstrdup(path);
    return 0;
}

/* The loader that an ELF program names, "" for a static one. */
static int read_interpreter(const char *program, char dst[256], struct err *err)
{
    _cleanup_fd_ int fd = open(program, O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr h;
    dst[0] = '\0';
    if (fd < 0)
        return err_errno(err, errno, "read %s", program);
    if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
        memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64)
        return err_set(err, ERR_UNSUPPORTED, ENOEXEC,
                       "%s is no 64-bit program (a script needs an image that has its interpreter)",
                       program);
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        if (pread(fd, &p, sizeof(p), (off_t)(h.e_phoff + i * sizeof(p))) != (ssize_t)sizeof(p))
            break;
        if (p.p_type != PT_INTERP || p.p_filesz < 2 || p.p_filesz > 255)
            continue;
        if (pread(fd, dst, p.p_filesz, (off_t)p.p_offset) != (ssize_t)p.p_filesz)
            dst[0] = '\0';
        dst[255] = '\0';
    }
    return 0;
}

/* Lines are "  libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)" or "  /lib64/ld... (0x...)".
 */
static int add_libraries(struct image_store *s, struct closure *c, const char *program,
                         struct err *err)
{
    char loader[256];
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = read_interpreter(program, loader, err);
    if (r < 0 || !loader[0])
        return r;
    const char *const argv[] = {loader, "--list", program, NULL};
    r = tool_run(s, argv, &out, err);
    for (char *line = out.buf; r == 0 && line && *line;) {
        char *end = strchrnul(line, '\n'), *next = *end ? end + 1 : end;
        *end = '\0';
        char *arrow = strstr(line, " => "), *path = arrow ? arrow + 4 : line + strspn(line, " \t");
        char *space = strchr(path, ' ');
        if (space)
            *space = '\0';
        if (path[0] == '/')
            r = add_file(c, path, false, err);
        else if (arrow && str_starts(path, "not"))
            r = err_set(err, ERR_ENVIRONMENT, ENOENT, "%s: a library of it is missing:%s", program,
                        line);
        line = next;
    }
    return r == 0 ? add_file(c, loader, false, err) : r;
}

/* Where a file goes: to its own path, but a program from somewhere else than the usual folders to
 * one that the PATH has and no mount covers. */
static void place_of(const char *path, bool is_program, char *dst, size_t size)
{
    static const char *const usual[] = {
        "/usr/local/bin/", "/usr/local/sbin/", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"};
    const char *name = strrchr(path, '/') + 1;
    bool stays = !is_program;
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        stays = stays || (str_starts(path, usual[i]) && path + strlen(usual[i]) == name);
    str_format(dst, size, "%s%s", stays ? "" : "/usr/local/bin/", stays ? path : name);
}

/* A link becomes the file. */
static int copy_into(const char *rootfs, const char *path, bool is_program, struct err *err)
{
    char to[512], real[4096], place[256];
    place_of(path, is_program, place, sizeof(place));
    if (!realpath(path, real))
        return err_errno(err, errno, "find %s", path);
    if (!str_format(to, sizeof(to), "%s%s", rootfs, place))
        return err_errno(err, ENAMETOOLONG, "copy %s", path);
    _cleanup_free_ char *copy = xstrdup(to);
    int r = fs_mkdirs(dirname(copy), 0755, err);
    return r == 0 ? fs_copy_file(real, to, 0755, err) : r;
}

static int make_programs(struct image_store *s, void *user, const char *rootfs, struct err *err)
{
    const struct closure *c = user;
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->n; i++)
        r = copy_into(rootfs, c->v[i], c->is_program[i], err);
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
        r = add_file(c, path, true, err);
        if (r == 0)
            r = add_libraries(s, c, path, err);
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
    str_add(&of, "programs 2\n");
    for (size_t i = 0; r == 0 && i < c.n; i++) {
        char hex[FS_SHA256_HEX];
        r = fs_sha256(c.v[i], hex, err);
        str_addf(&of, "%s %s\n", c.v[i], hex);
    }
    for (size_t i = 0; i < n; i++)
        str_addf(&what, "%s%s", i ? ", " : "", programs[i]);
    str_add(&what, " of this machine");
    if (r < 0)
        return r;
    fs_sha256_bytes(of.buf, of.len, key);
    return store_image(s, key, what.buf, make_programs, &c, ret, err);
}

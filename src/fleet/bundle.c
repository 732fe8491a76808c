#include "fleet/bundle.h"

#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "base/vec.h"
#include "fleet/tar.h"
#include "host/elf.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mman.h>

#define LIST_NS        (30 * NS_PER_S)
#define FILES_MAX      512
#define FILE_BYTES_MAX (1u << 20)

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int add_as(struct archive *t, const char *dir, const char *path, struct err *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", dir, last_name(path));

    return tar_add_file(t, name, 0700, path, err);
}

/* All of it, under the names by which they are asked for. */
static int add_libraries(struct loop *l, const char *program, struct archive *t, struct bundle *b,
                         struct err *err)
{
    char loader[ELF_LOADER_MAX];
    struct elf_library lib;
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = elf_interpreter(program, loader, err);

    if (r < 0 || !loader[0])
        return r;
    if (!str_copy(b->loader, sizeof(b->loader), last_name(loader)))
        return err_set(err, ERR_UNSUPPORTED, ENAMETOOLONG, "the loader's name is too long");
    const char *const argv[] = {loader, "--list", program, NULL};
    r = spawn_simple(l, argv, time_deadline(LIST_NS), &out, err);
    for (char *next = out.buf; r >= 0 && elf_next_library(&next, &lib);) {
        if (lib.missing)
            r = err_set(err, ERR_ENVIRONMENT, ENOENT, "%s: a library of it is missing:%s", program,
                        lib.line);
        else if (lib.by_name)
            r = add_as(t, "lib", lib.path, err);
        else if (!str_eq(lib.path, loader))
            r = err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                        "%s asks for %s by its path, which another machine may not have", program,
                        lib.path);
    }
    return r < 0 ? r : add_as(t, "lib", loader, err);
}

static int is_yaml(const struct dirent *d)
{
    return d->d_name[0] != '.' && str_ends(d->d_name, ".yaml");
}

/* Those that are not there are no failure: what needs them says so. */
static int add_folder(struct archive *t, const char *name, const char *from, struct err *err)
{
    struct dirent **names = NULL;
    int n = from ? scandir(from, &names, is_yaml, alphasort) : 0, r = 0;

    for (int i = 0; i < n; i++) {
        _cleanup_(str_release) struct str text = STR_INIT;
        _cleanup_free_ char *path = xasprintf("%s/%s", from, names[i]->d_name);
        _cleanup_free_ char *place = xasprintf("%s/%s", name, names[i]->d_name);
        if (r >= 0 && i < FILES_MAX)
            r = file_read(path, FILE_BYTES_MAX, &text, err);
        if (r >= 0 && i < FILES_MAX)
            r = tar_add_bytes(t, place, 0600, text.buf, text.len, err);
        free(names[i]);
    }
    free(names);
    return r < 0 ? r : 0;
}

/* Of names that are ours alone. */
static int add_start(const struct bundle *b, struct archive *t, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;

    str_add(&text, "#!/bin/sh\nexec ");
    if (b->loader[0])
        str_addf(&text, "\"$PWD/lib/%s\" --library-path \"$PWD/lib\" ", b->loader);
    str_add(&text, "\"$PWD/bin/cupel\" \"$@\"\n");
    return tar_add_bytes(t, "start", 0700, text.buf, text.len, err);
}

static int fill(struct loop *l, const struct bundle_parts *parts, struct archive *t,
                struct bundle *b, struct err *err)
{
    int r = tar_add_bytes(t, "plan.yaml", 0600, parts->plan, strlen(parts->plan), err);

    if (r >= 0)
        r = tar_add_file(t, "bin/cupel", 0700, parts->cupel, err);
    for (size_t i = 0; r >= 0 && i < BUNDLE_PROGRAMS_MAX && parts->programs[i]; i++)
        r = add_as(t, "bin", parts->programs[i], err);
    if (r >= 0)
        r = add_libraries(l, parts->cupel, t, b, err);
    if (r >= 0)
        r = add_start(b, t, err);
    if (r >= 0)
        r = add_folder(t, "workloads", parts->workloads, err);
    return r < 0 ? r : add_folder(t, "claims", parts->claims, err);
}

static int pack(struct loop *l, const struct bundle_parts *parts, struct bundle *b, struct err *err)
{
    struct archive *t = tar_begin(b->fd, TAR_GZIP, err);

    if (!t)
        return -EIO;
    int r = fill(l, parts, t, b, err);
    int ended = tar_end(t, r < 0 ? NULL : err);
    return r < 0 ? r : ended;
}

int bundle_make(struct loop *l, const struct bundle_parts *parts, struct bundle *ret,
                struct err *err)
{
    struct bundle b = {.fd = memfd_create("cupel-bundle", MFD_CLOEXEC)};
    char path[64];

    if (b.fd < 0)
        return err_errno(err, errno, "make room for what goes out");
    int r = pack(l, parts, &b, err);
    off_t bytes = lseek(b.fd, 0, SEEK_CUR);
    if (r >= 0 && (bytes <= 0 || (uint64_t)bytes > BUNDLE_MAX))
        r = err_set(err, ERR_ENVIRONMENT, EFBIG, "what would go out has %lld bytes",
                    (long long)bytes);
    str_format(path, sizeof(path), "/proc/self/fd/%d", b.fd);
    if (r >= 0)
        r = fs_sha256(path, b.sha256, err);
    if (r < 0) {
        bundle_release(&b);
        return r;
    }
    b.bytes = (uint64_t)bytes;
    *ret = b;
    return 0;
}

void bundle_release(struct bundle *b)
{
    fd_close(&b->fd);
}

/* Images of packages out of the machine's own Debian archive, by mmdebstrap. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"

#include <ctype.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define PACKAGES_MAX 64

struct packages {
    const char *const *names;
    size_t n;
    char suite[40];
};

/* Debian's own rule for names: nothing that a command line could take for something else. */
static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n < 2 || n > 100 || !isalnum((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
            !strchr("+-.", name[i]))
            return false;
    return true;
}

/* VERSION_CODENAME of /etc/os-release. */
static int read_suite(char *dst, size_t size, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read("/etc/os-release", 65536, &text, err);
    const char *at = r == 0 ? strstr(text.buf, "VERSION_CODENAME=") : NULL;
    if (!at)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "/etc/os-release names no Debian release");
    at += strlen("VERSION_CODENAME=");
    at += *at == '"';
    str_format(dst, size, "%.*s", (int)strspn(at, "abcdefghijklmnopqrstuvwxyz"), at);
    return *dst ? 0 : err_set(err, ERR_ENVIRONMENT, ENOENT, "/etc/os-release names no release");
}

/* "name version" as apt would install it; the key of an image is made of these. */
static int add_version(struct image_store *s, const char *name, struct str *key, struct err *err)
{
    char apt_cache[256], version[128];
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = tool_find("apt-cache", "apt", apt_cache, err);
    if (r < 0)
        return r;
    const char *const argv[] = {apt_cache, "policy", name, NULL};
    r = tool_run(s, argv, &out, err);
    const char *at = r == 0 && out.buf ? strstr(out.buf, "Candidate: ") : NULL;
    if (r < 0)
        return r;
    if (!at || str_starts(at, "Candidate: (none)"))
        return err_set(err, ERR_ENVIRONMENT, ENOENT,
                       "package %s is not to be had here (is apt-get update needed?)", name);
    at += strlen("Candidate: ");
    str_format(version, sizeof(version), "%.*s", (int)strcspn(at, "\n"), at);
    str_addf(key, "%s %s\n", name, version);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Where this machine's own packages come from; third parties' lists are left aside. */
static size_t add_sources(const char **argv, size_t n)
{
    static const char *const files[] = {"/etc/apt/sources.list",
                                        "/etc/apt/sources.list.d/debian.sources",
                                        "/etc/apt/sources.list.d/ubuntu.sources"};
    struct stat st;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (stat(files[i], &st) == 0 && st.st_size > 0)
            argv[n++] = files[i];
    return n;
}

/* Folders of libraries that update-alternatives chooses from in a real installation. The loader of
 * the image is told of them, and of its own, by its cache. */
static int list_libraries(struct image_store *s, const char *rootfs, struct err *err)
{
    static const char *const kinds[] = {"blas", "lapack", "pulseaudio"};
    _cleanup_(str_release) struct str dirs = STR_INIT;
    struct utsname u;
    if (uname(&u) < 0)
        return err_errno(err, errno, "read the machine's name");
    str_addf(&dirs, "/usr/local/lib\n/lib/%s-linux-gnu\n/usr/lib/%s-linux-gnu\n", u.machine,
             u.machine);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        str_addf(&dirs, "/usr/lib/%s-linux-gnu/%s\n", u.machine, kinds[i]);
    return tool_list_libraries(s, rootfs, dirs.buf, err);
}

static int make_packages(struct image_store *s, void *user, const char *rootfs, struct err *err)
{
    const struct packages *p = user;
    char mmdebstrap[256];
    _cleanup_(str_release) struct str include = STR_INIT;
    const char *argv[16];
    size_t n = 0;
    int r = tool_find("mmdebstrap", "mmdebstrap", mmdebstrap, err);
    if (r < 0)
        return r;
    str_add(&include, "--include=base-passwd,dash");
    for (size_t i = 0; i < p->n; i++)
        str_addf(&include, ",%s", p->names[i]);
    argv[n++] = mmdebstrap;
    argv[n++] = "--quiet";
    argv[n++] = "--mode=root";
    argv[n++] = "--variant=extract";
    argv[n++] = "--format=directory";
    argv[n++] = "--skip=check/empty";
    argv[n++] = include.buf;
    argv[n++] = p->suite;
    argv[n++] = rootfs;
    n = add_sources(argv, n);
    argv[n] = NULL;
    r = tool_run(s, argv, NULL, err);
    return r == 0 ? list_libraries(s, rootfs, err) : r;
}

int image_from_packages(struct image_store *s, const char *const *names, size_t n,
                        struct image *ret, struct err *err)
{
    const char *sorted[PACKAGES_MAX];
    struct packages p = {.names = sorted, .n = n};
    _cleanup_(str_release) struct str of = STR_INIT, what = STR_INIT;
    char key[FS_SHA256_HEX];
    struct utsname u;
    if (n == 0 || n > PACKAGES_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "an image takes 1 to %d packages", PACKAGES_MAX);
    int r = read_suite(p.suite, sizeof(p.suite), err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        sorted[i] = names[i];
        if (!name_ok(names[i]))
            r = err_set(err, ERR_USAGE, EINVAL, "\"%.60s\" is no name of a package", names[i]);
    }
    if (r < 0)
        return r;
    qsort(sorted, n, sizeof(sorted[0]), by_name);
    str_addf(&of, "packages 3 %s %s\n", uname(&u) == 0 ? u.machine : "", p.suite);
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = add_version(s, sorted[i], &of, err);
        str_addf(&what, "%s%s", i ? ", " : "", sorted[i]);
    }
    if (r < 0)
        return r;
    fs_sha256_bytes(of.buf, of.len, key);
    return store_image(s, key, what.buf, make_packages, &p, ret, err);
}

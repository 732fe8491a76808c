/* Images out of archives and registries: skopeo reads them, umoci unpacks them. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fs.h"

#include <ctype.h>
#include <errno.h>

struct archive {
    const char *reference;
    char skopeo[256], umoci[256];
};

/* skopeo's own words for where it is: what we accept, and the digest of its manifest. */
static int read_digest(struct image_store *s, const struct archive *a, char dst[FS_SHA256_HEX],
                       struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    const char *const argv[] = {a->skopeo, "inspect", "--raw", a->reference, NULL};
    int r = tool_run(s, argv, &out, err);
    if (r == 0)
        fs_sha256_bytes(out.buf ? out.buf : "", out.len, dst);
    return r;
}

static int make_archive(struct image_store *s, void *user, const char *rootfs, struct err *err)
{
    const struct archive *a = user;
    char layout[300], bundle[300], from[300];
    /* rootfs is <tmp>/rootfs: the rest of the work lies beside it and goes with it. */
    str_format(layout, sizeof(layout), "oci:%.*s/oci:image", (int)(strrchr(rootfs, '/') - rootfs),
               rootfs);
    str_format(bundle, sizeof(bundle), "%.*s/bundle", (int)(strrchr(rootfs, '/') - rootfs), rootfs);
    const char *const copy[] = {a->skopeo,    "copy", "--quiet", "--insecure-policy",
                                a->reference, layout, NULL};
    const char *const unpack[] = {a->umoci, "unpack", "--image", layout + strlen("oci:"),
                                  bundle,   NULL};
    int r = tool_run(s, copy, NULL, err);
    if (r == 0)
        r = tool_run(s, unpack, NULL, err);
    str_format(from, sizeof(from), "%s/rootfs", bundle);
    if (r == 0)
        r = fs_remove_tree(rootfs, err);
    if (r == 0 && rename(from, rootfs) < 0)
        r = err_errno(err, errno, "keep what was unpacked");
    if (r == 0)
        r = fs_remove_tree(bundle, err);
    str_format(from, sizeof(from), "%.*s/oci", (int)(strrchr(rootfs, '/') - rootfs), rootfs);
    return r == 0 ? fs_remove_tree(from, err) : r;
}

/* Those skopeo knows that need no service here. `local`: what follows is a path, up to a ':'. */
static const struct {
    const char *prefix;
    bool local;
} transports[] = {{"docker-archive:", true}, {"oci:", true}, {"docker://", false}};

static bool name_ok(const char *name)
{
    if (!isalnum((unsigned char)name[0]))
        return false;
    while (isgraph((unsigned char)*name))
        name++;
    return !*name;
}

/* The reference as the tools, which run in "/", are to be given it. What cannot be is refused here,
 * in words of ours, before any of them starts. */
static int read_reference(const char *reference, char **ret, struct err *err)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(transports) && !str_starts(reference, transports[i].prefix))
        i++;
    if (i == ARRAY_SIZE(transports))
        return err_set(err, ERR_USAGE, EINVAL,
                       "image %s: expected docker-archive:FILE, oci:DIR or docker://NAME",
                       reference);
    const char *prefix = transports[i].prefix, *name = reference + strlen(prefix);
    if (!transports[i].local && !name_ok(name))
        return err_set(err, ERR_USAGE, EINVAL, "image %s: no name of an image after %s", reference,
                       prefix);
    size_t n = strcspn(name, ":");
    if (n == 0)
        return err_set(err, ERR_USAGE, EINVAL, "image %s: no path after %s", reference, prefix);
    if (!transports[i].local || name[0] == '/') {
        *ret = xstrdup(reference);
        return 0;
    }
    _cleanup_free_ char *cwd = getcwd(NULL, 0);
    if (!cwd)
        return err_errno(err, errno, "image %s", reference);
    if (strchr(cwd, ':'))
        return err_set(err, ERR_USAGE, EINVAL, "image %s: the path of this folder has a ':'",
                       reference);
    *ret = xasprintf("%s%s/%s", prefix, cwd, name);
    return 0;
}

/* Is there what a local reference, absolute by now, leads to? */
static int check_there(const char *reference, const char *absolute, struct err *err)
{
    const char *at = strchr(absolute, ':') + 1;
    _cleanup_free_ char *path = xstrndup(at, strcspn(at, ":"));
    if (str_starts(absolute, "docker:") || access(path, F_OK) == 0)
        return 0;
    return err_errno(err, errno, "image %s", reference);
}

int image_from_archive(struct image_store *s, const char *reference, struct image *ret,
                       struct err *err)
{
    _cleanup_free_ char *absolute = NULL;
    struct archive a = {.reference = ""};
    char key[FS_SHA256_HEX], manifest[FS_SHA256_HEX], of[128];
    int r = read_reference(reference, &absolute, err);
    if (r == 0)
        r = check_there(reference, absolute, err);
    if (r < 0)
        return r;
    a.reference = absolute;
    r = tool_find("skopeo", "skopeo", a.skopeo, err);
    if (r == 0)
        r = tool_find("umoci", "umoci", a.umoci, err);
    if (r == 0)
        r = read_digest(s, &a, manifest, err);
    if (r < 0)
        return err_wrap(err, "image %s", reference);
    str_format(of, sizeof(of), "archive 2 %s", manifest);
    fs_sha256_bytes(of, strlen(of), key);
    return store_image(s, key, reference, make_archive, &a, ret, err);
}

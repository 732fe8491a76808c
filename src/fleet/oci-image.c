#include "fleet/oci-image.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "fleet/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <jansson.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#define NAME_MAX_LEN 255
#define MEDIA        "application/vnd.oci.image."

/* ---- names ---- */

int oci_image_full_name(const char *name, char **ret, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-/:";
    size_t n = strcspn(name, "/");
    const char *last = strrchr(name, '/');
    bool registry = name[n] && (memchr(name, '.', n) || memchr(name, ':', n) ||
                                strncmp(name, "localhost/", 10) == 0);

    if (!*name || strlen(name) > NAME_MAX_LEN || strspn(name, allowed) != strlen(name) ||
        strchr("/:.-", *name) || strchr("/:", name[strlen(name) - 1]))
        return err_set(err, ERR_USAGE, EINVAL,
                       "'%.60s' is no name of an image: [registry/]name[:tag] is the form", name);
    *ret = xasprintf("%s%s%s",
                     registry  ? ""
                     : name[n] ? "docker.io/"
                               : "docker.io/library/",
                     name, strchr(last ? last : name, ':') ? "" : ":latest");
    return 0;
}

/* ---- the layer ---- */

static int failed(struct archive *a, const char *what, struct err *err)
{
    const char *why = archive_error_string(a);
    return err_set(err, ERR_ENVIRONMENT, EIO, "%s: %s", what, why ? why : "it cannot be read");
}

/* The image is run by whoever the pod says, so that all may read it. */
static int copy_entry(struct archive *from, struct archive_entry *e, struct archive *to,
                      struct err *err)
{
    _cleanup_free_ char *name = xasprintf("cupel/%s", archive_entry_pathname(e));
    bool program = str_starts(name, "cupel/bin/") || str_starts(name, "cupel/lib/");
    size_t n = (size_t)archive_entry_size(e);
    _cleanup_free_ char *bytes = xmalloc(n ? n : 1);

    if (archive_read_data(from, bytes, n) != (la_ssize_t)n)
        return failed(from, name, err);
    return tar_add_bytes(to, name, program ? 0755 : 0644, bytes, n, err);
}

static int copy_bundle(const struct bundle *b, struct archive *to, struct err *err)
{
    struct archive *from = archive_read_new();
    struct archive_entry *e;
    int r = 0, got = ARCHIVE_OK;

    if (!from)
        return err_set(err, ERR_ENVIRONMENT, ENOMEM, "no memory for an archive");
    archive_read_support_format_tar(from);
    archive_read_support_filter_all(from);
    if (lseek(b->fd, 0, SEEK_SET) < 0 || archive_read_open_fd(from, b->fd, 65536) != ARCHIVE_OK)
        r = failed(from, "what goes into the image", err);
    while (r == 0 && (got = archive_read_next_header(from, &e)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(e);
        if (!str_eq(name, "start") && !str_eq(name, "plan.yaml")) /* for other ways of starting */
            r = copy_entry(from, e, to, err);
    }
    if (r == 0 && got != ARCHIVE_EOF)
        r = failed(from, "what goes into the image", err);
    archive_read_free(from);
    return r;
}

static int fill_layer(const struct bundle *b, struct archive *t, struct err *err)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"cupel", 0755}, {"tmp", 01777}, {"data", 01777}, {"work", 01777}};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
        r = tar_add_dir(t, folders[i].name, folders[i].mode, err);
    return r == 0 ? copy_bundle(b, t, err) : r;
}

static int make_layer(const struct bundle *b, int fd, struct err *err)
{
    struct archive *t = tar_begin(fd, TAR_PLAIN, err);
    int r = t ? fill_layer(b, t, err) : -EIO;
    int ended = t ? tar_end(t, r < 0 ? NULL : err) : r;

    return r < 0 ? r : ended;
}

/* ---- the archive ---- */

/* A blob goes in under its hash; its descriptor is what others call it by. */
static json_t *put_blob(struct archive *t, const char *type, const char *bytes, size_t n,
                        struct err *err)
{
    char hex[FS_SHA256_HEX], name[96];

    fs_sha256_bytes(bytes, n, hex);
    str_format(name, sizeof(name), "blobs/sha256/%s", hex);
    if (tar_add_bytes(t, name, 0644, bytes, n, err) < 0)
        return NULL;
    return json_pack("{s:s, s:o, s:I}", "mediaType", type, "digest", json_sprintf("sha256:%s", hex),
                     "size", (json_int_t)n);
}

/* Takes o. */
static json_t *put_json(struct archive *t, const char *type, json_t *o, struct err *err)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    json_t *d = text ? put_blob(t, type, text, strlen(text), err) : NULL;

    free(text);
    json_decref(o);
    return d;
}

static const char *architecture(void)
{
    static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}};
    static struct utsname u;

    if (uname(&u) < 0)
        return "amd64";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq(u.machine, names[i][0]))
            return names[i][1];
    return u.machine;
}

static json_t *config_of(const struct bundle *b, const json_t *layer)
{
    json_t *entry = b->loader[0]
                        ? json_pack("[o, s, s, s]", json_sprintf("/cupel/lib/%s", b->loader),
                                    "--library-path", "/cupel/lib", "/cupel/bin/cupel")
                        : json_pack("[s]", "/cupel/bin/cupel");

    /* The layer is not compressed: the hash of its content is its own. */
    return json_pack("{s:s, s:s, s:{s:o, s:s}, s:{s:s, s:[O]}}", "architecture", architecture(),
                     "os", "linux", "config", "Entrypoint", entry, "WorkingDir", "/", "rootfs",
                     "type", "layers", "diff_ids", json_object_get(layer, "digest"));
}

static int put_all(struct archive *t, const struct bundle *b, const struct str *layer_bytes,
                   const char *name, struct err *err)
{
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    json_t *layer = put_blob(t, MEDIA "layer.v1.tar", layer_bytes->buf, layer_bytes->len, err);
    json_t *config = layer ? put_json(t, MEDIA "config.v1+json", config_of(b, layer), err) : NULL;
    json_t *manifest =
        config ? put_json(t, MEDIA "manifest.v1+json",
                          json_pack("{s:i, s:s, s:O, s:[O]}", "schemaVersion", 2, "mediaType",
                                    MEDIA "manifest.v1+json", "config", config, "layers", layer),
                          err)
               : NULL;
    json_decref(layer);
    json_decref(config);
    if (!manifest)
        return err && err->code ? -err->code : -EIO;
    json_object_set_new(manifest, "annotations",
                        json_pack("{s:s, s:s}", "io.containerd.image.name", name,
                                  "org.opencontainers.image.ref.name", strrchr(name, ':') + 1));
    json_t *index = json_pack("{s:i, s:[o]}", "schemaVersion", 2, "manifests", manifest);
    char *text = json_dumps(index, JSON_COMPACT);
    json_decref(index);
    int r = tar_add_bytes(t, "index.json", 0644, text, strlen(text), err);
    free(text);
    return r < 0 ? r : tar_add_bytes(t, "oci-layout", 0644, layout, strlen(layout), err);
}

int oci_image_write(const struct bundle *b, const char *full_name, int fd, struct err *err)
{
    _cleanup_fd_ int layer = memfd_create("cupel-layer", MFD_CLOEXEC);
    _cleanup_(str_release) struct str bytes = STR_INIT;

    if (layer < 0)
        return err_errno(err, errno, "make room for an image");
    int r = make_layer(b, layer, err);
    if (r == 0 && lseek(layer, 0, SEEK_SET) < 0)
        r = err_errno(err, errno, "read the image's layer");
    if (r == 0)
        r = fd_read_all(layer, BUNDLE_MAX, &bytes, err);
    struct archive *t = r < 0 ? NULL : tar_begin(fd, TAR_PLAIN, err);
    if (!t)
        return r < 0 ? r : -EIO;
    r = put_all(t, b, &bytes, full_name, err);
    int ended = tar_end(t, r < 0 ? NULL : err);
    return r < 0 ? r : ended;
}

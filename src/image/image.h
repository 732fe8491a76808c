/* Root file systems for applications: out of the machine's own Debian archive, its own programs, an
 * archive or a directory. They are made once, kept under what they are made of, and only read
 * afterwards: a session has its own layer above.
 *
 * Layer: image (above host, ledger and base; drivers know a directory alone). Ownership: structs
 * are plain values. Nothing is installed on this machine, nothing is pulled unless a registry was
 * named.
 *
 *     <state>/images/<key>/rootfs       an image
 *     <state>/images/<key>/what         one line for people
 *     <state>/images/<key>/<name>       an input: a file that was generated
 *     <state>/images/tmp-<random>       being made; journalled, renamed when it is whole */
#ifndef CUPEL_IMAGE_IMAGE_H
#define CUPEL_IMAGE_IMAGE_H

#include "base/err.h"
#include "base/loop.h"
#include "ledger/ledger.h"

#include <stddef.h>

struct image_store {
    struct loop *loop;
    struct ledger *ledger;
    const char *dir; /* "<state>/images" */
    /* What takes long is said; may be NULL. */
    void (*say)(void *user, const char *line);
    void *user;
};

struct image {
    char rootfs[224];
    char digest[65];
    char what[200];
};

/* By mmdebstrap, which has to be there: unpacked packages with all they depend on; none of their
 * scripts run, so no service starts. A new version of a package makes a new image. */
int image_from_packages(struct image_store *s, const char *const *names, size_t n,
                        struct image *ret, struct err *err);
/* Programs of this machine, found on the PATH or named by their whole paths, with the shared
 * libraries they load. Those of unusual folders are in /usr/local/bin of the image. */
int image_from_programs(struct image_store *s, const char *const *programs, size_t n,
                        struct image *ret, struct err *err);
/* In place. The digest is of the path and its change time: its content is the user's to keep. */
int image_from_dir(const char *path, struct image *ret, struct err *err);
/* docker-archive:FILE, oci:DIR, docker://NAME: by skopeo and umoci. */
int image_from_archive(struct image_store *s, const char *reference, struct image *ret,
                       struct err *err);

/* A file that argv writes to `output` (absolute) inside an image of the packages, kept as `name`.
 */
int image_input(struct image_store *s, const char *const *packages, size_t n,
                const char *const *argv, const char *output, const char *name, char ret_path[256],
                char ret_sha256[65], struct err *err);

#endif

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
 *     <state>/images/tmp-<random>       being made; journalled, renamed when it is whole
 *     <state>/images/lock               held by whoever makes or removes
 *
 * Whatever a run was given it holds, by a lock on its directory, until image_store_release or its
 * end: others do not remove it meanwhile. */
#ifndef CUPEL_IMAGE_IMAGE_H
#define CUPEL_IMAGE_IMAGE_H

#include "base/err.h"
#include "base/loop.h"
#include "ledger/ledger.h"

#include <stddef.h>
#include <stdint.h>

#define IMAGE_HELD_MAX 256

struct image_store {
    struct loop *loop;
    struct ledger *ledger;
    const char *dir; /* "<state>/images" */
    /* What takes long is said; may be NULL. */
    void (*say)(void *user, const char *line);
    void *user;
    int held[IMAGE_HELD_MAX]; /* locked directories */
    size_t n_held;
};

/* Lets go of what is held; nothing else is in there to be released. */
void image_store_release(struct image_store *s);

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
/* In place. The digest is of a list of the tree: names, types, modes, owners, link targets, sizes
 * and times of change; contents are not read. */
int image_from_dir(const char *path, struct image *ret, struct err *err);
/* docker-archive:FILE, oci:DIR, docker://NAME: by skopeo and umoci. A path may be relative. */
int image_from_archive(struct image_store *s, const char *reference, struct image *ret,
                       struct err *err);

/* A file that argv (at most 95 words) writes to `output` (absolute) inside an image of the
 * packages, kept as `name`. What argv leaves running is killed. */
int image_input(struct image_store *s, const char *const *packages, size_t n,
                const char *const *argv, const char *output, const char *name, char ret_path[256],
                char ret_sha256[65], struct err *err);

/* Removes what a killed run left half made. While another run makes something: nothing. */
int image_prune(struct image_store *s, struct err *err);

struct image_removed {
    unsigned images, inputs;
    unsigned in_use; /* left, since a run holds them */
    uint64_t bytes;  /* on the disk */
};
/* Removes everything that is kept and that no run holds, and what image_prune does. Neither loop
 * nor ledger is needed. -EBUSY while a run makes something. The first that cannot be removed is the
 * error; the rest is removed all the same, and counted. */
int image_remove_unused(struct image_store *s, struct image_removed *ret, struct err *err);

#endif

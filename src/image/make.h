/* What the makers of images share, and with them those who keep other things in the same form:
 * kernels for guests (vm/kernel.h).
 *
 * Layer: image, internal but for vm/. */
#ifndef CUPEL_IMAGE_MAKE_H
#define CUPEL_IMAGE_MAKE_H

#include "base/spawn.h"
#include "base/str.h"
#include "base/time.h"
#include "image/image.h"

#include <stdbool.h>

/* How long a tool, or an input's command, may take. */
#define IMAGE_BUILD_TIMEOUT_NS (600 * NS_PER_S)

/* The image of this key: the one that is kept, else made by make(s, user, rootfs) into an empty
 * directory. `what` is for people. */
int store_image(struct image_store *s, const char *key, const char *what,
                int (*make)(struct image_store *, void *, const char *, struct err *), void *user,
                struct image *ret, struct err *err);
/* What is kept as the directory `kept`, held from now on; where it is not there, made by make(s,
 * user, kept) while no other run makes anything, and said before. */
int store_once(struct image_store *s, const char *kept, const char *saying,
               int (*make)(struct image_store *, void *, const char *, struct err *), void *user,
               struct err *err);
/* The same where all that is kept is what make puts into the empty directory that it is given. */
int store_dir(struct image_store *s, const char *kept, const char *saying,
              int (*make)(struct image_store *, void *, const char *, struct err *), void *user,
              struct err *err);
/* A name for something that is being made, and its place among what is kept once it is on the disk
 * whole. */
void store_tmp(const struct image_store *s, char dst[224]);
int store_keep(const char *made, const char *kept, struct err *err);
bool store_has(const char *path);

/* A small file in a directory. A link of that name is not followed. */
int make_text(const char *dir, const char *name, const char *text, struct err *err);
/* Opens (O_PATH) what a process with this root would find as `path`, but for a link at the very
 * end, which is opened itself, and never on another mount. -errno quietly. */
int inside_open(const char *root, const char *path);

/* The surroundings of whatever is run to make something. */
extern const char *const tool_env[];
/* A program that is needed, and the package that has it. */
int tool_find(const char *name, const char *package, char dst[256], struct err *err);
/* Runs it to its end; out: gets its standard output, NULL: it is one that may take long. */
int tool_run(struct image_store *s, const char *const *argv, struct str *out, struct err *err);
/* Runs it in a control group of its own. All that it started has ended when this returns, however
 * it does. */
int tool_run_alone(struct image_store *s, const struct spawn_spec *spec, struct err *err);
/* Tells the loader of an image of these directories, a line each, by its ld.so.conf and cache. */
int tool_list_libraries(struct image_store *s, const char *rootfs, const char *dirs,
                        struct err *err);

#endif

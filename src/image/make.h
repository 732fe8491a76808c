/* What the makers of images share.
 *
 * Layer: image, internal. */
#ifndef CUPEL_IMAGE_MAKE_H
#define CUPEL_IMAGE_MAKE_H

#include "base/str.h"
#include "image/image.h"

#include <stdbool.h>

/* The image of this key: the one that is kept, else made by make(s, user, rootfs) into an empty
 * directory. `what` is for people. */
int store_image(struct image_store *s, const char *key, const char *what,
                int (*make)(struct image_store *, void *, const char *, struct err *), void *user,
                struct image *ret, struct err *err);
void store_say(const struct image_store *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Held (a descriptor, to be closed) while something is made: two runs do not make it at once. */
int store_lock(const struct image_store *s, struct err *err);
bool store_has(const char *path);
/* The surroundings of whatever is run to make something. */
extern const char *const tool_env[];

/* A small file in a directory. */
int make_text(const char *dir, const char *name, const char *text, struct err *err);

/* A program that is needed, and the package that has it. */
int tool_find(const char *name, const char *package, char dst[256], struct err *err);
/* Runs it to its end; out: gets its standard output, NULL: it is one that may take long. */
int tool_run(struct image_store *s, const char *const *argv, struct str *out, struct err *err);

#endif

/* Targets as people write them.
 *
 *     [label=]driver-or-runtime[/runtime][:platform][,flag=value...]
 *
 *     host   runc   crun   runsc:ptrace   docker/runc
 *     old=oci:/opt/a/runsc:systrap   new=oci:/opt/b/runsc:systrap,overlay2=none
 *     slow=host,inject=cpu:1%
 *
 * - A text that starts with '/' is the path of an OCI runtime; a word that is no driver's name is
 * the name of one: both mean driver `oci`. After "driver:" a path is the runtime, a word the
 * platform
 *   (`oci:runsc:systrap` alone takes its first word as the runtime: without one it means nothing).
 * - The platform is what follows the last ':' if there is no '/' in it, so a ':' in a directory's
 * name needs no care. Anywhere else a backslash takes the next character literally:
 * "/opt/a\,b/runsc".
 * - A label is given when a '=' comes before the first ','. It is made of letters, digits and
 * ._:/#-
 * - The flag inject=cpu:<fraction> is taken out: it is for the probe, see `inject`.
 *
 * Layer: model. Plain data of fixed size. Parsing is structural: whether the runtime exists is the
 * driver's question. A word that is no driver's name is a runtime of driver `oci`. */
#ifndef CUPEL_MODEL_TARGET_H
#define CUPEL_MODEL_TARGET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define TARGET_LABEL_MAX 48
#define TARGET_TEXT_MAX  256
#define TARGET_FLAGS_MAX 8

struct target_flag {
    char name[48];
    char value[128];
};

struct target {
    char label[TARGET_LABEL_MAX]; /* unique in a run; default: the text up to the flags,
                                 from the left cut to fit, other characters as '-' */
    char text[TARGET_TEXT_MAX];   /* as given, without the label */
    char driver[24];
    char runtime[160]; /* name or absolute path, "" for drivers without one */
    char platform[24]; /* "" when not given */
    size_t n_flags;
    struct target_flag flags[TARGET_FLAGS_MAX]; /* passed to the runtime as --name=value */
    char inject[24];                            /* "cpu:1%" or "": for tests, given to the probe */
};

/* drivers: the names of all drivers, for telling "docker/runc" from "runsc:ptrace". ERR_USAGE names
 * the place in the text. */
int target_parse(const char *text, const char *const *drivers, size_t n_drivers, struct target *ret,
                 struct err *err);
/* "label=text": parses to the same target. */
void target_format(const struct target *t, char *dst, size_t size);
#define TARGET_FORMAT_MAX (TARGET_LABEL_MAX + TARGET_TEXT_MAX)
/* Letters, digits and ._:/#- only, 1 .. TARGET_LABEL_MAX - 1 of them. */
bool target_label_ok(const char *label);
bool target_equal(const struct target *a, const struct target *b);
/* Gives the second of two equal labels a number ("host", "host#2"); ERR_USAGE for a label that was
 * given explicitly twice. */
int targets_make_unique(struct target *t, size_t n, struct err *err);

/* Makes 2 n targets of t[0..n), which has room for them: each is followed by its twin, whose label
 * has a number ("runc", "runc#2"). */
void targets_double(struct target *t, size_t n);

#endif

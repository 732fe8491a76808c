/* Reading /proc/self/mountinfo.
 *
 * Layer: host. Ownership: the caller owns the text; mountinfo_next cuts it up in place and hands
 * out pointers into it.
 *
 *     _cleanup_(str_release) struct str text = STR_INIT;
 *     mountinfo_read(&text, &err);
 *     char *cursor = text.buf;
 *     for (struct mountinfo m; mountinfo_next(&cursor, &m);)
 *         puts(m.point); */
#ifndef CUPEL_HOST_MOUNTINFO_H
#define CUPEL_HOST_MOUNTINFO_H

#include "base/str.h"

#include <stdbool.h>

struct mountinfo {
    const char *root;   /* what of the file system is shown: "/" or a directory in it */
    const char *point;  /* where, octal escapes undone */
    const char *fstype; /* "tmpfs", "cgroup2" */
    const char *super;  /* options of the file system: "rw,cpu,cpuacct" */
    bool shared;        /* what is mounted in it shows in its peers, and theirs in it */
};

int mountinfo_read(struct str *text, struct err *err);
/* The next well-formed line; malformed ones are skipped. False at the end. */
bool mountinfo_next(char **cursor, struct mountinfo *ret);
/* Is word one of the comma-separated options? */
bool mountinfo_has_option(const char *options, const char *word);

#endif

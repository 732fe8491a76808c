/* Which of a short list of telling files and directories of the host's can be reached under the
 * root of a process: whether they may be opened there is another question, which its user,
 * capabilities and device rules answer.
 *
 * Something is the host's own if it is the same inode as under our root; in /proc and /sys, whose
 * every instance shows the same kernel, if it has the same number in another one; and of devices
 * if it is the same device.
 *
 * The root is a sandbox's: no link is followed, nothing is opened but by O_PATH, and what lies on
 * a file system that somebody else answers for (FUSE, network) is not looked at.
 *
 * Layer: host. Plain data. */
#ifndef CUPEL_HOST_HOSTPATHS_H
#define CUPEL_HOST_HOSTPATHS_H

#include "base/str.h"

#include <stdint.h>
#include <sys/types.h>

struct hostpaths {
    uint32_t reached, writable; /* bit by bit of the list; writable: its mount is not read-only */
};

size_t hostpaths_count(void); /* how many are on the list */
/* Adds those under the process's root to ret. -errno if that is not to be had, quietly: it has
 * ended. */
int hostpaths_add(pid_t pid, struct hostpaths *ret);
/* "/etc/passwd,/sys/kernel(ro)"; "" for none. */
void hostpaths_list(const struct hostpaths *p, struct str *out);

#endif

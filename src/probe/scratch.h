/* Small things that several families of the probe need: a directory of one's own, files with known
 * content, and the probe itself as the smallest program there is to execute.
 *
 * Timed work names its files by one component, relative to a descriptor of their directory: openat
 * and its kin, never a whole path. The parameter `dir` is /tmp in a container and a path of ten
 * components on the host, and walking those made opening a file look 10 % dearer on the host than
 * in a container. What a sandbox adds to the lookup of the last component stays in the number.
 *
 * Layer: probe. Ownership: nothing is kept here; a directory made by scratch_make is removed by
 * whoever made it, with scratch_remove; a program from self_open is closed with self_close. */
#ifndef CUPEL_PROBE_SCRATCH_H
#define CUPEL_PROBE_SCRATCH_H

#include "probe/family.h"

/* Room for the longest `dir` parameter and what is put behind it. */
#define SCRATCH_PATH (WIRE_TEXT_MAX + 64)

/* A directory of one's own. All zero: none. */
struct scratch_dir {
    char path[SCRATCH_PATH]; /* for messages and removal; "" none */
    int fd;                  /* the directory, open for reading; valid if path is not "" */
};

/* The text parameter `dir`, an absolute path of at most 255 bytes: ERR_USAGE otherwise. */
int scratch_param(const struct job *job, const char **ret_dir, struct err *err);

/* Makes a directory inside the parameter `dir`, with a name no other worker, probe or container
 * that shares that directory uses ("cupel-" the workload, the process id, six random characters).
 */
int scratch_make(const struct job *job, struct scratch_dir *ret, struct err *err);

/* The directory `name` (one component) inside the parameter `dir`: made, or one that was left there
 * by another guest. */
int scratch_named(const struct job *job, const char *name, bool make, struct scratch_dir *ret,
                  struct err *err);

/* Closes and zeroes it, and leaves what is in it. */
void scratch_leave(struct scratch_dir *d);
/* Removes the directory with the files and empty directories right in it, closes and zeroes it. */
void scratch_remove(struct scratch_dir *d);

/* Creates the file `name` in it with `bytes` bytes, the pattern of `tag`. */
int scratch_fill(const struct scratch_dir *d, const char *name, uint32_t tag, size_t bytes,
                 struct err *err);
/* Byte i of a file filled with `tag`: not constant, so that a short or shifted file shows. */
uint8_t scratch_byte(uint32_t tag, size_t i);

/* Adds facts `dir` and `fs_magic` (f_type of statfs, -1 unknown): what the cell really ran on. */
void scratch_facts(const char *dir, struct facts *facts);

/* This program, to be executed again: its name, and the directory it is in. All zero: none. */
struct self {
    char name[WIRE_NAME_MAX]; /* one component */
    int dir_fd;               /* valid if name is not "" */
};

/* -ENOENT when there is no path to this program that can be executed. */
int self_open(struct self *ret, struct err *err);
void self_close(struct self *s);
/* Starts it with --true (which main answers by leaving with 0 at once) and waits for it: fork,
 * execveat, wait4. execveat, as execve would walk the program's whole path, and not with an empty
 * name (fexecve), as that spares a sandbox looking up and opening the program. Returns whether it
 * ended with 0; errno is set if not. */
bool self_run_true(const struct self *s);

#endif

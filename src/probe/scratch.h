/* Small things that several families of the probe need: a directory of one's own, files with known
 * content, and the probe itself as the smallest program there is to execute.
 *
 * Layer: probe. Ownership: nothing is kept here; a directory made by scratch_make is removed by
 * whoever made it, with scratch_remove. */
#ifndef CUPEL_PROBE_SCRATCH_H
#define CUPEL_PROBE_SCRATCH_H

#include "probe/family.h"

/* Room for the longest `dir` parameter and what is put behind it. */
#define SCRATCH_PATH (WIRE_TEXT_MAX + 64)

/* The text parameter `dir`, an absolute path of at most 255 bytes: ERR_USAGE otherwise. */
int scratch_param(const struct job *job, const char **ret_dir, struct err *err);

/* Makes a directory inside the parameter `dir`, with a name no other worker, probe or container
 * that shares that directory uses ("cupel-" the workload, the process id, six random characters).
 */
int scratch_make(const struct job *job, char ret_path[SCRATCH_PATH], struct err *err);

/* Removes the directory with the files and empty directories right in it. "" is fine. */
void scratch_remove(const char *path);

/* Creates the file with `bytes` bytes, the pattern of `tag`. */
int scratch_fill(const char *path, uint32_t tag, size_t bytes, struct err *err);
/* Byte i of a file filled with `tag`: not constant, so that a short or shifted file shows. */
uint8_t scratch_byte(uint32_t tag, size_t i);

/* Adds facts `dir` and `fs_magic` (f_type of statfs, -1 unknown): what the cell really ran on. */
void scratch_facts(const char *dir, struct facts *facts);

/* A path by which this program can be executed again. -ENOENT when there is none. */
int self_path(char ret_path[SCRATCH_PATH], struct err *err);
/* Starts `path --true` (which main answers by leaving with 0 at once) and waits for it: fork,
 * execve, wait4. Returns whether it ended with 0; errno is set if not. */
bool self_run_true(const char *path);

#endif

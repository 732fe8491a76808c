/* The pieces of the OCI driver.
 *
 * Layer: driver, internal. oci.c runs the verbs, oci-config.c writes the bundle's config.json,
 * inspect.c finds out what a runtime's binary is. */
#ifndef CUPEL_DRIVER_OCI_H
#define CUPEL_DRIVER_OCI_H

#include "driver/command.h"
#include "driver/ground.h"

/* Writes <bundle>/config.json: what `runc spec` gives, without a terminal and without the cgroup
 * mount, the rootfs writable, a tmpfs of tmpfs_bytes at /tmp, the bound directory at /data,
 * cgroupsPath set. netns: path of the network namespace that it enters; "": a new one. */
int oci_config_write(const struct site *s, const struct engine *e, const struct ground *g,
                     const char *nonce, uint64_t tmpfs_bytes, const char *netns, struct err *err);

/* Runs c, begun and named `create`, which inherits the session's descriptors and which nobody waits
 * for the end of; follows the process that it names. */
int oci_create(struct live *l, struct command *c, const struct stdio *io, uint64_t deadline_ns,
               struct err *err);

/* driver.inspect of the OCI driver. */
void oci_inspect(struct site *s, const struct target *t, struct target_info *ret);

/* Docker's default set, "CAP_CHOWN", ...: what every container gets. */
const char *const *oci_capabilities(size_t *ret_n);

/* Of /proc and /sys: what a container does not see, and what it cannot write to. */
const char *const *oci_masked_paths(size_t *ret_n);
const char *const *oci_readonly_paths(size_t *ret_n);

/* Removes what the bundle has of a container that ended: config.json, pid. */
int oci_clear_bundle(const struct live *l, struct err *err);

/* ret is not usable, because of that. */
void target_unusable(struct target_info *ret, enum err_kind why, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Root and control groups are there; notes the work-around that the kind needs here. */
bool oci_check_machine(const struct site *s, struct target_info *ret);
/* First line of what `path --version` prints. */
int program_version(struct site *s, const char *path, char *dst, size_t size, struct err *err);
/* Its last word: "podman version 4.3.1" gives 4.3.1. */
int program_number(struct site *s, const char *path, char *dst, size_t size, struct err *err);

/* The words of `runsc help platforms` and the default named in `runsc flags`; exported for tests.
 */
void oci_parse_platforms(const char *text, char *dst, size_t size);
void oci_parse_default_platform(const char *text, char *dst, size_t size);
/* "runc", "crun", "runsc", "youki" or "oci", from the first word of --version. */
const char *oci_kind_of(const char *version_text);

#endif

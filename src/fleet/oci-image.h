/* An image that pods of ours run, as an OCI archive for `ctr images import`, or for whatever puts
 * it into a registry: what goes out to other machines (bundle.h) below /cupel, and folders for
 * files.
 *
 *     /cupel/bin/cupel /cupel/bin/cupel-probe ... /cupel/lib/... /cupel/workloads /cupel/claims
 *     /work /data /tmp
 *
 * No shell and nothing of a distribution is in it; what it starts, unless told otherwise, is cupel.
 *
 * Layer: fleet. */
#ifndef CUPEL_FLEET_OCI_IMAGE_H
#define CUPEL_FLEET_OCI_IMAGE_H

#include "fleet/bundle.h"

/* As the machine that runs it names images: "cupel:1" is docker.io/library/cupel:1. ERR_USAGE for
 * what is no name of an image. The caller frees. */
int oci_image_full_name(const char *name, char **ret, struct err *err);
/* Writes the archive to fd. b is read from its begin. */
int oci_image_write(const struct bundle *b, const char *full_name, int fd, struct err *err);

#endif

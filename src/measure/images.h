/* The images that are kept, for the command that removes them: the command line does not see the
 * room they are made in.
 *
 * Layer: measure. */
#ifndef CUPEL_MEASURE_IMAGES_H
#define CUPEL_MEASURE_IMAGES_H

#include "image/image.h"

struct images_removed {
    unsigned images, inputs;
    unsigned guests; /* kernels, initrds and disks of virtual machines */
    unsigned in_use; /* left, since a run holds them */
    uint64_t bytes;  /* on the disk */
};

/* Removes what is kept of images, inputs and guests below state_dir and no run holds
 * (image_remove_unused). The first that cannot be removed is the error; the rest is, all the same.
 */
int images_remove(const char *state_dir, struct images_removed *ret, struct err *err);

#endif

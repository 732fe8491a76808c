/* The images that are kept, for the command that removes them: the command line does not see the
 * room they are made in.
 *
 * Layer: measure. */
#ifndef CUPEL_MEASURE_IMAGES_H
#define CUPEL_MEASURE_IMAGES_H

#include "image/image.h"

/* Removes the images and inputs below state_dir that no run holds (image_remove_unused). */
int images_remove(const char *state_dir, struct image_removed *ret, struct err *err);

#endif

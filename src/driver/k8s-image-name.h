/* The image that pods run unless another one is named.
 *
 * Layer: driver; cupel k8s image makes one of this name. */
#ifndef CUPEL_DRIVER_K8S_IMAGE_NAME_H
#define CUPEL_DRIVER_K8S_IMAGE_NAME_H

/* Of no registry: a node has it, or it does not work there. */
#define K8S_DEFAULT_IMAGE "cupel:" CUPEL_VERSION

#endif

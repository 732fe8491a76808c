/* What run --on k8s:... would create, for people who apply it themselves.
 *
 * Layer: fleet. */
#ifndef CUPEL_FLEET_K8S_MANIFEST_H
#define CUPEL_FLEET_K8S_MANIFEST_H

#include "fleet/fleet.h"

/* Appends it as YAML, with what to do with it in comments. Nothing is created; the API server is
 * asked for the nodes of selectors. ERR_USAGE where a machine of f is no cluster's. */
int k8s_manifest_of(struct fleet *f, struct loop *l, struct str *out, struct err *err);
/* ERR_USAGE where f is privileged, and nothing of it is in a cluster, or is of a class. */
int k8s_check_privileged(const struct fleet *f, struct err *err);

#endif

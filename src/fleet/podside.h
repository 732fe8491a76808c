/* The far side in a pod (fleet/k8s.h): measures the plan of the order with cupel as it is in the
 * image, says what it does on standard output, and puts the run there (fleet/runlog.h). Nobody is
 * spoken to, and nothing but the pod itself is needed.
 *
 * What is measured is the pod's own sandbox: the plan's target `host` is called `sandbox` in it, so
 * that nobody takes it for the bare node; machine.pod and machine.kubernetes say which. In a
 * privileged pod it is the node, and is called `host`.
 *
 * SIGTERM (the pod is deleted, evicted, its node drained) and the time limit end the run in order;
 * what was measured until then is handed over.
 *
 * Layer: fleet. */
#ifndef CUPEL_FLEET_PODSIDE_H
#define CUPEL_FLEET_PODSIDE_H

#include "fleet/fleet.h"

#include <jansson.h>

/* Where what the manifest mounts is found, and what it puts into the environment. */
#define POD_ORDER_DIR     "/etc/cupel"
#define POD_SCRATCH       "/tmp"
#define POD_ENV_NODE      "CUPEL_POD_NODE"
#define POD_ENV_NAME      "CUPEL_POD_NAME"
#define POD_ENV_NAMESPACE "CUPEL_POD_NAMESPACE"

/* order: as for courier_run. scratch: a folder for its own, on the file system that is measured.
 * 0 and in *ret_measured whether there is a run; the log has it, or says why not. */
int pod_run(const char *scratch, const char *order, unsigned number, uint64_t time_ns,
            bool *ret_measured, struct err *err);

/* What of the targets asked for a pod can measure, as arguments of cupel run: its own sandbox
 * alone. False: nothing. */
bool pod_targets(char *const *wanted, size_t n, bool privileged, json_t *args);

#endif

/* Which processes of a session are what: the payload, the sandbox's kernel, its helpers, the
 * runtime's command lines. By control group first, then by ancestry and name.
 *
 * Layer: driver. What is read belongs to processes that may be hostile (a payload can call itself
 * anything): names alone never make a proof, see proof.h. Ownership: component_list_release. */
#ifndef CUPEL_DRIVER_ATTRIBUTION_H
#define CUPEL_DRIVER_ATTRIBUTION_H

#include "host/cgroup.h"

enum component {
    COMPONENT_PAYLOAD, /* the probe and what it started */
    COMPONENT_SANDBOX, /* gVisor's sentry */
    COMPONENT_GOFER,   /* gVisor's file server */
    COMPONENT_STUB,    /* a process the sentry holds guest code in */
    COMPONENT_TOOL,    /* the runtime's command lines, shims, monitors */
    COMPONENT_COUNT
};

struct component_entry {
    pid_t pid, parent;
    enum component what;
    pid_t tracer; /* who ptraces it, 0: nobody */
    char comm[16];
    char cmdline[512]; /* printable */
};

struct component_list {
    struct component_entry *v;
    size_t n, cap;
};

/* group: the session's; tool: its leaf of command lines; kind: as in target_info ("runsc" gives the
 * sandbox's parts their names); root: the process the runtime named as the container's (0: none).
 * Processes that end meanwhile are left out. */
int components_read(const struct cgroups *c, const char *group, const char *tool, const char *kind,
                    pid_t root, struct component_list *ret, struct err *err);
void component_list_release(struct component_list *l);
size_t components_count(const struct component_list *l, enum component what);
const char *component_name(enum component what);

#endif

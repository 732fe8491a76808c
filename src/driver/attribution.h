/* Which processes exist because of a session, and what each of them is: the payload, gVisor's
 * sentry with its gofer and stubs, a virtual machine with its helpers, the shim or conmon above
 * them, the command lines of runtime and engine. Daemons stand apart: they are there for all.
 *
 * A process is a session's
 *   by control group: it lies in the session's group. Nothing a payload starts can leave that.
 *   by ancestry, upwards: it is an ancestor of what lies in there, up to a daemon, cupel or process
 *     1 (a shim is forked twice: its parent is one of these, and the payload's parent is the shim).
 *     An ancestor of two sessions is neither's, it is a daemon.
 *   by ancestry, downwards: a process of the session's started it, and it lies in no session's
 * group. by the container's id as a word of its command line, together with its name and its place:
 * it bears the name of a helper, lies in no session's group, and was left to a daemon, cupel or
 *     process 1.
 * Names never suffice, since a payload can bear any. They are believed of processes that a payload
 * cannot be: ancestors of the container's first process, and everything on the host where the
 * payload lives in a virtual machine. Of gVisor's, whose stubs run the guest's memory and so may
 * show any command line, the sentry is the one that the runtime named, what descends from it is a
 * stub, and a gofer is older than the sentry.
 *
 * Layer: driver. Ownership: component_list_release, attribution_release. */
#ifndef CUPEL_DRIVER_ATTRIBUTION_H
#define CUPEL_DRIVER_ATTRIBUTION_H

#include "host/cgroup.h"
#include "host/proctable.h"

struct session;
struct live;

enum component {
    COMPONENT_PAYLOAD,   /* the probe and what it started */
    COMPONENT_SENTRY,    /* gVisor's kernel */
    COMPONENT_GOFER,     /* gVisor's file server */
    COMPONENT_STUB,      /* a process the sentry holds guest code in */
    COMPONENT_VMM,       /* the process that is the virtual machine */
    COMPONENT_VIRTIOFSD, /* a virtual machine's file server */
    COMPONENT_PROXY,     /* kata-proxy */
    COMPONENT_PAUSE,     /* what else is in a pod: the container that holds its namespaces */
    COMPONENT_SHIM,   /* containerd-shim-*, kata-shim: what waits for the container in an engine's
                         place */
    COMPONENT_CONMON, /* podman's */
    COMPONENT_TOOL,   /* command lines of runtime and engine: runc, podman run, ctr */
    COMPONENT_DAEMON, /* dockerd, containerd: nobody's in particular */
    COMPONENT_COUNT
};

/* Why a process is a session's, and that its name agrees with what it is said to be. */
enum {
    ATTRIBUTED_BY_GROUP = 1,
    ATTRIBUTED_BY_ANCESTRY = 2,
    ATTRIBUTED_BY_ID = 4, /* the container's id is a word of its command line */
    ATTRIBUTED_NAME_AGREES = 8,
    ATTRIBUTED_BY_ROOT = 16, /* the runtime named it as the container's process */
};

const char *component_name(enum component what);

/* ---- many sessions at once ---- */

/* What is known of a session; the strings have to last as long as the call. */
struct claim {
    const char *group; /* its control group */
    const char *tool;  /* the leaf of command lines, NULL: none */
    const char *kind;  /* "runsc": gVisor's parts; "qemu", "kata": a virtual machine's; any other: a
                          container of this kernel's */
    pid_t root;        /* the process the runtime named as the container's, 0: none.
                          Without it gVisor's parts cannot be told apart, nor a conmon inside of
                          the group from a payload */
    uint64_t root_ticks; /* its start, so that a number given anew is known; 0: not known */
    bool pod;            /* the group is a pod's: more than one container is in there */
    const char *ids[2];  /* the container's id and name, as engines write them on command lines;
                            NULL: none */
};
/* The claim of a live session, which it points into. */
struct claim session_claim(const struct session *s);
struct claim live_claim(const struct live *l);

#define ATTRIBUTED_TO_NOBODY UINT32_MAX
#define ATTRIBUTED_TO_ALL    (UINT32_MAX - 1) /* a daemon */

struct attributed {
    uint32_t owner; /* index of the claim */
    uint8_t what;   /* enum component */
    uint8_t by;
    bool in_group, in_tool;
    /* Used while looking. stop: what is above here is no session's; family: what it started, and
     * nobody claims, is a daemon's. */
    bool stop, family;
    size_t parent;
};

/* Zero it once; each reading reuses what is allocated. v[i] belongs to table.v[i]. */
struct attribution {
    struct proc_table table;
    struct attributed *v;
    size_t cap;
};

struct attribution_input {
    const char *proc; /* "/proc" */
    pid_t self;       /* cupel's */
    const struct claim *claims;
    size_t n_claims;
    const pid_t *daemons; /* those known by their pid; others are known as ancestors */
    size_t n_daemons;
};

/* One look at all processes, whatever the number of sessions. Two claims with one group are
 * ERR_BUG. */
int attribution_read(struct attribution *a, const struct attribution_input *in, struct err *err);
void attribution_release(struct attribution *a);

/* ---- one session, with what its proof wants to know ---- */

struct component_entry {
    pid_t pid, parent;
    enum component what;
    unsigned by;
    bool in_group; /* its CPU time and limits are the group's */
    pid_t tracer;  /* who ptraces it, 0: nobody */
    char comm[16];
    char cmdline[512]; /* printable */
};

struct component_list {
    struct component_entry *v;
    size_t n, cap;
};

/* group, tool, kind, root: as in struct claim. Looks at the group and at what stands above it, not
 * at the whole machine: what only an id would find is not in it. Processes that end meanwhile are
 * left out. */
int components_read(const struct cgroups *c, const char *group, const char *tool, const char *kind,
                    pid_t root, struct component_list *ret, struct err *err);
void component_list_release(struct component_list *l);
size_t components_count(const struct component_list *l, enum component what);

#endif

/* Machines by Kubernetes: a Job for each node that a selector matches, pinned to it. The plan goes
 * in by a ConfigMap, the run comes back through the pod's log (fleet/runlog.h), which is all that
 * whoever may start pods can count on. cupel itself is in the image.
 *
 *     configmaps/cupel-3fa9c2d1-1   the order, as roll_json has it
 *     jobs/cupel-3fa9c2d1-1         for the first machine of the fleet
 *     jobs/cupel-3fa9c2d1-2
 *
 * All of it has the labels of host/kubectl.h, by which it is found again and removed.
 *
 * Layer: fleet, internal. */
#ifndef CUPEL_FLEET_K8S_H
#define CUPEL_FLEET_K8S_H

#include "fleet/carrier.h"
#include "fleet/k8s-state.h"
#include "fleet/runlog.h"
#include "host/kubectl.h"
#include "ledger/ledger.h"

#include <jansson.h>

#define K8S_NAME_MAX 64

/* "selector=pool=a,per=node,image=registry/cupel" */
struct k8s_spec {
    char selector[200]; /* "pool=a,zone!=b"; "": none */
    char nodes[200];    /* "n1,n2", instead of a selector */
    char image[200];
    char pull[16]; /* imagePullPolicy */
    char class[64], namespace[64];
    char cpu[16], memory[16]; /* requests and limits; "": none */
    char tolerate[160];       /* keys of taints, "all": any */
    uint64_t wait_ns;         /* so long until the pod runs */
    uint64_t time_ns;         /* so long the run may take */
};
int k8s_spec_parse(const char *spec, struct k8s_spec *ret, struct err *err);

/* The node that machine "k8s:n1" is. */
const char *k8s_node_of(const struct fleet_machine *m);
/* Names of what belongs to the element that begins with machine `first` of the fleet. */
void k8s_run_label(const struct fleet *f, size_t first, char ret[K8S_NAME_MAX]);
void k8s_job_name(const struct fleet *f, size_t machine, char ret[K8S_NAME_MAX]);
void k8s_map_name(const struct fleet *f, size_t first, char ret[K8S_NAME_MAX]);

/* What is created for the n machines from `first` on: a List, the ConfigMap before the Jobs. */
json_t *k8s_objects(const struct fleet *f, size_t first, size_t n, const struct k8s_spec *s);
/* Objects as YAML, a document each, as people write it; takes lists apart. */
void k8s_yaml(const json_t *objects, struct str *out);

/* What follows the log of a pod: kubectl, until the container ends. */
struct k8s_tail {
    pid_t pid;
    int fd;
    struct loop_source *src, *watch;
    bool running;
    size_t lines;    /* seen this time */
    struct str line; /* not at its end yet */
};

/* One machine: its Job. */
struct k8s_seat {
    struct freight *freight;
    struct fleet_machine *m;
    char job[K8S_NAME_MAX];
    struct k8s_job state;
    struct k8s_pod pod;
    bool known, gone; /* the API server has told of it; and of its end by other hands */
    struct k8s_said of_job, of_pod; /* warnings about them */
    bool heard;                     /* they were asked for */
    enum fleet_outcome hindrance;
    uint64_t begun_ns;
    uint64_t since_ns; /* it waits so, since */
    uint64_t deaf_ns;  /* nobody hears of its node, since; 0: somebody does */
    uint64_t over_ns;  /* its pod is done or gone, since; 0: it is not */
    struct k8s_tail tail;
    unsigned readings; /* of the log, after its end */
    size_t lines;      /* of the log that were said */
    struct runlog log;
    struct err bad; /* why what the log had cannot be taken */
    uint64_t said;
    char last[400]; /* what it said last */
};

/* What one element of --on is while it is carried. */
struct freight {
    struct voyage *v;
    struct k8s_spec spec;
    struct kubectl kubectl;
    struct ledger *ledger;
    size_t first; /* machine of the fleet that the element begins with */
    char label[K8S_NAME_MAX];
    VEC(struct k8s_seat) seats;
    bool stopping, news;
    bool none; /* nothing was created, for certain */
    uint64_t asked_ns, ask_every_ns, answered_ns;
};

/* kubectl with these words (NULL ends them) and this input (may be NULL); out may be NULL. */
int k8s_call(struct freight *f, const char *const *args, const struct str *input, struct str *out,
             struct err *err);
/* Until every machine has its outcome: 0. -EINTR: what there is stays in the cluster. */
int k8s_watch(struct freight *f, struct err *err);

/* Follows the log of the seat's pod from its beginning; each line goes to k8s_tail_line. */
int k8s_tail_start(struct k8s_seat *s, struct err *err);
void k8s_tail_stop(struct k8s_seat *s);

#endif

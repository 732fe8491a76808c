/* What an API server says: pods, nodes, and what happened to them. Words of nodes, of images and of
 * pods stand in it: they are bounded and printable here.
 *
 * Layer: host. Pure; plain data. */
#ifndef CUPEL_HOST_K8SREAD_H
#define CUPEL_HOST_K8SREAD_H

#include "base/json.h"

#include <stdbool.h>

#define K8S_WORD_MAX    64
#define K8S_MESSAGE_MAX 320
#define K8S_OBJECT_MAX  254 /* of an object's name, a DNS subdomain */

struct k8s_said {
    char reason[K8S_WORD_MAX], message[K8S_MESSAGE_MAX]; /* "": nothing */
};

/* ---- pods ---- */

enum k8s_phase { K8S_NONE, K8S_PENDING, K8S_RUNNING, K8S_DONE };

struct k8s_pod {
    char name[128], uid[64];
    char version[32]; /* of the object: a watch goes on from it */
    char node[K8S_OBJECT_MAX], class_[K8S_OBJECT_MAX];
    char container[160]; /* of its first container: "containerd://..." */
    enum k8s_phase phase;
    bool failed; /* the phase is Failed */
    bool ready, deleting, placed;
    bool started, over;         /* its container runs; has ended */
    struct k8s_said status;     /* of the pod: Evicted, NodeLost, ... */
    struct k8s_said scheduling; /* why it has no node */
    struct k8s_said disruption; /* PreemptionByScheduler, DeletionByTaintManager, ... */
    struct k8s_said waiting;    /* its container: ErrImagePull, ContainerCreating, ... */
    struct k8s_said ended;      /* its container: Completed, OOMKilled, StartError, ... */
    int exit_code;
};

void k8s_pod_read(const json_t *object, struct k8s_pod *ret);
/* The server's own times of a pod's steps, as it gives them: {"created": "2026-...Z", ...}. The
 * caller decrefs. */
json_t *k8s_pod_times(const json_t *object);

/* Reasons of a container that waits: nothing has become of its image; of its start. */
bool k8s_waits_for_image(const char *reason);
bool k8s_waits_for_start(const char *reason);

/* ---- nodes ---- */

struct k8s_node {
    char name[K8S_OBJECT_MAX];
    char runtime[64]; /* "containerd://1.6.20" */
    char kernel[128], boot_id[40], kubelet[40], arch[16];
    bool ready;
    bool here; /* its kernel is the one that runs cupel: whoever reads it fills this in */
};

void k8s_node_read(const json_t *object, struct k8s_node *ret);

/* ---- classes ---- */

struct k8s_class {
    char handler[64]; /* what its nodes call it; "": not known */
    /* overhead.podFixed, what it counts for a pod's sandbox, as it says it: "250m", "120Mi"; "". */
    char fixed_cpu[32], fixed_memory[32];
};

/* Of a RuntimeClass. */
void k8s_class_read(const json_t *object, struct k8s_class *ret);

/* ---- what happened ---- */

/* The latest event about that object (kind "Job", "Pod") among the items of a list that has one of
 * these reasons (NULL ends them; no list: that is a warning). False: there is none. */
bool k8s_event_find(const json_t *list, const char *kind, const char *name,
                    const char *const *reasons, struct k8s_said *ret);
/* Status and words of a condition; "" and no words: the object has none of that type. */
const char *k8s_condition(const json_t *object, const char *type, struct k8s_said *ret);

bool k8s_is_deleting(const json_t *object);

/* A quantity as Kubernetes writes it, "120Mi", "250m", "1.5", "1e3", in its base unit; NAN: it is
 * none, or below 0. After
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
double k8s_quantity(const char *text);

#endif

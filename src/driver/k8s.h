/* The pieces of the driver k8s: a pod a session, through kubectl.
 *
 * Layer: driver, internal. k8s.c starts and ends sessions, k8s-inspect.c finds class and node,
 * k8s-pod.c has what a pod is asked for and what becomes of it, k8s-proof.c says what ran, and
 * where this machine is the node finds the pod's processes.
 *
 * A target takes `image=` and `node=` as flags; cupel run gives them those of --k8s-image and
 * --k8s-node. What the server says is hostile: bounded, checked, printable. */
#ifndef CUPEL_DRIVER_K8S_H
#define CUPEL_DRIVER_K8S_H

#include "driver/ground.h"
#include "driver/k8s-image-name.h"
#include "host/kubectl.h"

#define K8S_DEFAULT_CLASS "default" /* no runtimeClassName at all */
/* Where `cupel k8s image` puts the programs. */
#define K8S_PROGRAMS   "/cupel/bin"
#define K8S_CONTAINER  "probe"
#define K8S_ANSWER_MAX (4u << 20)
#define K8S_CALL_NS    (10 * NS_PER_S)

struct k8s_node {
    char name[254];
    char runtime[64]; /* "containerd://1.6.20" */
    char kernel[128], boot_id[40], kubelet[40], arch[16];
    bool ready;
    bool here; /* its kernel is the one that runs cupel */
};

/* engine->own */
struct k8s {
    struct kubectl kubectl;
    char version[40];                     /* of the server */
    char class_[254];                     /* "": none is asked for */
    char handler[64];                     /* the class's; "" not known */
    char fixed_cpu[32], fixed_memory[32]; /* overhead.podFixed; "" none */
    struct k8s_node node;
    char image[200];
    bool never_pull; /* the image's name has no registry */
};

enum k8s_phase { K8S_COMING, K8S_RUNNING, K8S_OVER };

/* live->own */
struct k8s_pod {
    char uid[64], version[32]; /* of the object, for the watch */
    bool asked;                /* it is in the ledger, and may be there */
    enum k8s_phase phase;
    bool ours_ends;                 /* we asked for its deletion */
    char why[320];                  /* it is over, or does not come: the server's words; "" none */
    uint64_t placed_ns, running_ns; /* when the watch told of it */
    json_t *object;                 /* as last seen; owned */
    /* The watch, while there is one. */
    struct loop *loop;
    struct loop_source *source, *child;
    pid_t watcher;
    int fd;
    bool watch_ended, news;
    struct str line;
};

/* ---- k8s-inspect.c ---- */
/* driver.found: a target for each RuntimeClass of the cluster, if one answers. */
size_t k8s_found(struct loop *l, char (*ret)[TARGET_TEXT_MAX], size_t max);
void k8s_inspect(struct site *s, const struct target *t, struct target_info *ret);
/* Server, class and node of a target, asked for now. */
int k8s_survey(struct loop *l, const struct target *t, uint64_t deadline_ns, struct k8s *ret,
               struct err *err);
/* "runc", "crun", "youki", "runsc", "kata" where class or handler are called so; else "oci". */
const char *k8s_kind(const char *class_, const char *handler);
/* Has this image's name a registry to pull it from? */
bool k8s_has_registry(const char *image);

/* ---- k8s-pod.c ---- */
/* The object to be created. ERR_UNSUPPORTED: the plan's limits have one that pods do not know. */
int k8s_pod_object(const struct live *l, const char *nonce, struct str *ret, struct err *err);
/* Takes in what the server says of the pod; gone: it was told that there is none any more. */
void k8s_pod_see(struct k8s_pod *p, json_t *object, bool gone);
/* Starts to follow it from p->version on; each line of the watch goes to k8s_pod_see. */
int k8s_watch_begin(struct live *l, struct k8s_pod *p, struct err *err);
void k8s_watch_end(struct k8s_pod *p);
/* Reads it once. -ENOENT: there is none of this uid. */
int k8s_pod_look(struct live *l, struct k8s_pod *p, uint64_t deadline_ns, struct err *err);
/* The words of the last warning among its events, "FailedCreatePodSandBox: ...", into p->why, if
 * nothing is there yet. */
void k8s_pod_ask_events(struct live *l, struct k8s_pod *p);
/* The server's own times of a pod's steps, as it gives them: {"scheduled": "2026-...Z", ...}. */
json_t *k8s_pod_times(const json_t *object);

/* ---- k8s-proof.c ---- */
/* Where the node is this machine: the pod's control group, its process and its shim, into the
 * session. Where it is not, nothing. */
int k8s_attribute(struct live *l, struct err *err);
/* As proof_make. */
int k8s_prove(struct live *l, struct err *err);

#endif

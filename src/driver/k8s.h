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
#include "host/k8sread.h"
#include "host/kubectl.h"

#define K8S_DEFAULT_CLASS "default" /* no runtimeClassName at all */
/* Where `cupel k8s image` puts the programs. */
#define K8S_PROGRAMS   "/cupel/bin"
#define K8S_CONTAINER  "probe"
#define K8S_ANSWER_MAX (4u << 20)
#define K8S_CALL_NS    (10 * NS_PER_S)

/* engine->own */
struct k8s {
    struct kubectl kubectl;
    char version[40];            /* of the server */
    char class_[K8S_OBJECT_MAX]; /* "": none is asked for */
    struct k8s_class about;      /* that class */
    struct k8s_node node;
    char image[200];
    bool never_pull; /* the image's name has no registry */
};

/* live->own: a pod that is followed. It comes, it runs (running_ns), it is over. */
struct k8s_watched {
    char uid[64]; /* "": the server has not said that it has it */
    bool asked;   /* it is in the ledger, and may be there */
    bool over;
    bool ours_ends;                 /* we asked for its deletion */
    char why[400];                  /* it is over, or does not come: the server's words; "" none */
    uint64_t placed_ns, running_ns; /* when the watch told of it */
    struct k8s_pod seen;            /* as last seen, */
    json_t *object;                 /* and what that is read from; owned */
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
/* Has it still to come? */
static inline bool k8s_pod_comes(const struct k8s_watched *p)
{
    return !p->over && !p->running_ns;
}
/* Takes in what the server says of the pod; gone: it was told that there is none any more. */
void k8s_pod_see(struct k8s_watched *p, json_t *object, bool gone);
/* Starts to follow it from its version on; each line of the watch goes to k8s_pod_see. */
int k8s_watch_begin(struct live *l, struct k8s_watched *p, struct err *err);
void k8s_watch_end(struct k8s_watched *p);
/* Reads it once. -ENOENT: there is none of this uid. */
int k8s_pod_look(struct live *l, struct k8s_watched *p, uint64_t deadline_ns, struct err *err);
/* The words of the last warning among its events, "FailedCreatePodSandBox: ...", into p->why, if
 * nothing is there yet. */
void k8s_pod_ask_events(struct live *l, struct k8s_watched *p);

/* ---- k8s-proof.c ---- */
/* Where the node is this machine: the pod's control group, its process and its shim, into the
 * session. Where it is not, nothing. */
int k8s_attribute(struct live *l, struct err *err);
/* As proof_make. */
int k8s_prove(struct live *l, struct err *err);

#endif

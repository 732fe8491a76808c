/* Kubernetes through kubectl, as the user has set it up: kubeconfig, context, namespace, plug-ins
 * that log in. Which of them are in force is asked once, and holds for as long as the struct is
 * used: whoever switches contexts meanwhile does not move a run to another cluster.
 *
 * Layer: host. Ownership: plain data. Everything kubectl prints is bounded and printable in errors.
 *
 *     struct kubectl k;
 *     kubectl_find(loop, &k, &err);
 *     const char *const args[] = {"get", "pods", "--output=json", NULL};
 *     kubectl_json(loop, &k, args, deadline_ns, 1 << 20, &pods, &err);
 *
 * Errors are ERR_ENVIRONMENT with kubectl's words (ERR_TIMEOUT at the deadline) and have one code
 * for each reason a caller could act on:
 *     EACCES    refused by access control        EDQUOT    a quota is exceeded
 *     EPERM     refused by Pod Security          ENOENT    there is no such object
 *     EEXIST    there is one of that name        EKEYREJECTED  not logged in
 *     ESTALE    it is another one by now         EINVAL    the server finds it invalid
 *     EHOSTUNREACH  no server answers            EIO       all else */
#ifndef CUPEL_HOST_KUBECTL_H
#define CUPEL_HOST_KUBECTL_H

#include "base/loop.h"
#include "base/spawn.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define KUBECTL_ARGS_MAX 48

struct kubectl {
    char path[256];
    char config[1024];   /* files of $KUBECONFIG or the one in the home; "": there is none */
    char context[256];   /* "": kubectl has none: it runs in a pod, by that pod's account */
    char server[256];    /* for people, and to see that a context still means the same; "" */
    char namespace_[64]; /* where everything is made */
};

/* On every object of ours. */
#define KUBECTL_MANAGED_KEY   "app.kubernetes.io/managed-by"
#define KUBECTL_MANAGED_VALUE "cupel"
#define KUBECTL_RUN_KEY       "cupel/run"

/* ERR_UNSUPPORTED: no kubectl on the PATH. Does not ask the server. */
int kubectl_find(struct loop *l, struct kubectl *ret, struct err *err);
/* Does a server answer? ERR_ENVIRONMENT or ERR_TIMEOUT by the deadline. ret_version: "v1.30.14". */
int kubectl_reach(struct loop *l, const struct kubectl *k, uint64_t deadline_ns, char *ret_version,
                  size_t size, struct err *err);

/* One call to its end. args: NULL-terminated, without the program. input: kubectl's standard input;
 * NULL: none. out (may be NULL) gets what it printed, appended, also where it failed. */
int kubectl_run(struct loop *l, const struct kubectl *k, const char *const *args,
                const struct str *input, uint64_t deadline_ns, size_t max_out, struct str *out,
                struct err *err);
/* `kubectl wait`: for as long as its own --timeout says, and killed at the deadline. What is not
 * there any more is no failure. */
int kubectl_wait(struct loop *l, const struct kubectl *k, const char *const *args,
                 uint64_t deadline_ns, struct err *err);
/* The same of a call that prints one JSON object. */
int kubectl_json(struct loop *l, const struct kubectl *k, const char *const *args,
                 const struct str *input, uint64_t deadline_ns, size_t max_out, json_t **ret,
                 struct err *err);
/* Starts one that goes on (attach, logs --follow, a watch) with the descriptors, groups and names
 * of `base`, whose argv and env are filled in here. */
int kubectl_spawn(const struct kubectl *k, const char *const *args, const struct spawn_spec *base,
                  pid_t *ret_pid, struct err *err);

/* The path of an object, or with a name of "" of all of its kind in the namespace, in the server's
 * API. resource: "pods", "events", "configmaps", "resourcequotas", "jobs"; false: another, or no
 * room. */
bool kubectl_api_path(const struct kubectl *k, const char *resource, const char *name, char *dst,
                      size_t size);
/* Deletes that object of this uid and no other of its name; what depends on a Job goes first.
 * grace_s: what its processes get to end in. Does not wait until it is gone. -ENOENT, -ESTALE as
 * above. */
int kubectl_delete(struct loop *l, const struct kubectl *k, const char *resource, const char *name,
                   const char *uid, unsigned grace_s, uint64_t deadline_ns, struct err *err);

/* Error for what a kubectl said before it ended with a failure. */
int kubectl_failed(const char *said, const char *what, struct err *err);

/* Where an object lies, as one text ("<namespace> <server> <context>", "-" for what is empty), and
 * back, beside path and config. False: no such text. The caller frees. */
char *kubectl_place(const struct kubectl *k);
bool kubectl_from_place(const char *path, const char *config, const char *place,
                        struct kubectl *ret);

#endif

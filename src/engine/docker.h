/* Docker's Engine API, spoken over its Unix socket.
 *
 * Layer: engine. A `struct docker` is one daemon at one socket; it holds no connection between
 * calls and nothing of it wakes anybody up. Every call has a deadline and runs the caller's loop
 * while it waits, so that children are reaped, sessions are heard and an interrupt ends it
 * (-EINTR). What the daemon answers is bounded and taken apart with care.
 *
 *     struct docker *d;
 *     docker_new(loop, "/var/run/docker.sock", &d, &err);
 *     json_t *info = NULL;
 *     docker_call(d, &(struct docker_request){.method = "GET", .path = "/info", .what = "info"},
 *                 deadline_ns, &info, &err);
 *     json_decref(info);
 *     docker_free(d);
 *
 * Errors: ERR_TIMEOUT "docker WHAT: timed out"; ERR_ENVIRONMENT with -ENOENT for what is not there
 * (404; or no socket), -EEXIST for what is there already (409), -EACCES, -ECONNREFUSED, -EIO for
 * all else, in the daemon's words. */
#ifndef CUPEL_ENGINE_DOCKER_H
#define CUPEL_ENGINE_DOCKER_H

#include "base/err.h"
#include "base/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCKER_SOCKET_MAX 108

/* The label of everything that is ours; its value is the run. */
#define DOCKER_LABEL "cupel.run"

struct docker;

/* Where the user's daemon listens: $DOCKER_HOST if that is a unix: one, else /var/run/docker.sock.
 * False: $DOCKER_HOST names something that is no socket of this machine, or too long a one. */
bool docker_users_socket(char dst[DOCKER_SOCKET_MAX]);

int docker_new(struct loop *l, const char *socket, struct docker **ret, struct err *err);
void docker_free(struct docker *d);
const char *docker_socket(const struct docker *d);
struct loop *docker_loop(const struct docker *d);

struct docker_request {
    const char *method, *path; /* "POST", "/containers/create?name=x": URL-encoded already */
    const char *what;          /* for messages: "create" */
    json_t *body;              /* borrowed; NULL: none */
    int upload_fd;             /* with upload_bytes > 0: a file that is the body */
    uint64_t upload_bytes;
    bool *unheard; /* NULL, or: set to whether it was sent and no answer came: it may yet be done */
};
/* ret (may be NULL) gets the answer, NULL if it is empty; of an answer of several JSON texts the
 * last. An "error" among those is an error. */
int docker_call(struct docker *d, const struct docker_request *q, uint64_t deadline_ns,
                json_t **ret, struct err *err);

/* Connects to a container's standard streams: what is written to the descriptor it reads, what it
 * says comes in the form of demux.h. Non-blocking; the caller's. */
int docker_attach(struct docker *d, const char *id, uint64_t deadline_ns, int *ret_fd,
                  struct err *err);

/* Removes what bears the name and our label with the run as its value, running or not. Returns 1, 0
 * if there is no such thing, -EPERM if what bears the name is not ours: it is left alone. */
int docker_remove_container(struct docker *d, const char *name, const char *run,
                            uint64_t deadline_ns, struct err *err);
int docker_remove_image(struct docker *d, const char *name, const char *run, uint64_t deadline_ns,
                        struct err *err);

/* Makes an image of a tar archive: it has the label of the run. A name that is taken already is
 * -EEXIST. */
int docker_import(struct docker *d, int fd, uint64_t bytes, const char *name, const char *run,
                  uint64_t deadline_ns, struct err *err);

#endif

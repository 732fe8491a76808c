/* The pieces of the containerd driver.
 *
 * Layer: driver, internal. containerd.c runs the sessions, containerd-daemon.c finds or starts the
 * daemon and says what is here. */
#ifndef CUPEL_DRIVER_CONTAINERD_H
#define CUPEL_DRIVER_CONTAINERD_H

#include "driver/command.h"
#include "driver/daemon.h"
#include "driver/plug.h"

#define RUNTIME_DIR "runtime" /* root of the runtime, below the state directory */

#define SHIM_RUNC "io.containerd.runc.v2"

/* engine->own */
struct containerd {
    char ctr[256];
    char version[96]; /* of ctr, which is containerd's */
    char sha256[65];  /* of ctr; of a private containerd, see daemon_sha256 */
    char daemon_path[256], daemon_sha256[65];
    char address[108];
    char ns[40];       /* the namespace in it: "cupel-3fa9c2d1-0" */
    char shim[64];     /* "io.containerd.runc.v2" */
    char binary[256];  /* what that shim calls: the runtime, or a wrapper with its flags; "" for a
                          shim that knows its own */
    char options[256]; /* a file of options for the shim, "" none */
    char plugged_binary[2][256],
        plugged_options[2][256]; /* the same for sessions with a network,
                                    by enum net_stack; made when asked for */
    bool own_daemon;
    bool intended;   /* the namespace stands in the ledger */
    bool made_place; /* /run/containerd was not there before */
    struct daemon daemon;
};

/* driver.inspect, driver.open, driver.close */
void containerd_inspect(struct site *s, const struct target *t, struct target_info *ret);
int containerd_open(struct site *s, const struct target_info *info, struct engine **ret,
                    struct err *err);
void containerd_close(struct site *s, struct engine *e);

/* Runs one of its commands outside a session; words: what comes after "-n NAMESPACE". */
int containerd_ask(struct site *s, const struct containerd *c, const char *const *words,
                   struct err *err);
/* What the shim of a session calls, or which options it is to read ("" where there are none). */
int containerd_choose(struct live *l, const char **ret_binary, const char **ret_options,
                      struct err *err);
/* `ctr -a ADDRESS -n NAMESPACE`, to which a command is added. */
void containerd_command(struct command *c, const struct containerd *d, const char *verb);

/* Where a shim of a container listens: a killed one leaves that file behind. */
void shim_socket_path(const char *address, const char *ns, const char *id, char *dst, size_t size);

#endif

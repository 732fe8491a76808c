/* The pieces of the podman driver.
 *
 * Layer: driver, internal. podman.c runs the sessions, podman-network.c knows podman's own network.
 *
 * That network is made by netavark or by CNI plug-ins, with a bridge and with rules for packets, in
 * the namespace in which podman is called: one of the target's, so that nothing of the machine's is
 * changed and nothing of the user's podman is met. What they write to places compiled into them
 * (/run/netns, /run/containers, /run/lock, /var/lib/cni) are directories of the target's, in a
 * mount namespace of the session's; and since neither firewalld nor systemd is to be found there,
 * nobody else is asked to change anything. */
#ifndef CUPEL_DRIVER_PODMAN_H
#define CUPEL_DRIVER_PODMAN_H

#include "base/fs.h"
#include "driver/command.h"
#include "driver/ground.h"

#define PODMAN_NETWORK "podman" /* name of the default one */

struct podman {
    char path[256], conmon[256];
    char version[96];
    char sha256[FS_SHA256_HEX];
    char *env[8];
    size_t n_env;
    /* Its network, where a run asks for it: */
    char place[192];                /* the namespace that podman is called in; "" none */
    char backend[12], plugins[256]; /* "netavark" or "cni", and the directory of its programs */
    char backend_version[96];
    char wrapper[256]; /* that stands in for the runtime there; the runtime itself if none is needed
                        */
    struct err no_network; /* why there is none */
};

/* Once a target, before podman is configured: finds what makes networks, and a namespace for it.
 * What is missing there is p->no_network, and no error. */
int podman_network_open(struct site *s, struct engine *e, struct err *err);
int podman_network_close(struct site *s, struct engine *e, struct err *err);
/* What containers.conf says of it; the caller frees. */
char *podman_network_config(const struct podman *p);
/* The namespaces that the command lines of such a session run in. */
int podman_network_enter(struct live *l, struct err *err);
/* Before a session on it is started: that there is one. */
int podman_network_known(const struct podman *p, struct err *err);
/* Fills l->net_place in from the object of "podman inspect" with a key for each network. */
int podman_network_place(struct live *l, json_t *networks, struct err *err);
/* driver.network */
int podman_network(struct site *s, struct engine *e, struct net_end *ret, json_t *facts,
                   struct err *err);

#endif

/* Which docker daemon, and what it holds for a run.
 *
 * Layer: driver, internal to the driver docker: docker.c runs the sessions, docker-inspect.c says
 * what is here, docker-daemon.c starts and ends the run's own daemon and imports images,
 * docker-network.c knows its default network.
 *
 * A daemon is shared by the targets of a run that use it and hangs on the site (site->docker) from
 * the first hold to the last drop: two hundred megabytes and two idle programs a target would be a
 * disturbance of their own. The run's own lives in a mount namespace in which the places compiled
 * into it lead nowhere, and where crun finds the control groups it can work with; where a run asks
 * for its network, in a network namespace too, in which it makes its bridge and its rules for
 * packets. */
#ifndef CUPEL_DRIVER_DOCKER_DAEMON_H
#define CUPEL_DRIVER_DOCKER_DAEMON_H

#include "driver/daemon.h"
#include "driver/ground.h"
#include "driver/kata.h"
#include "engine/docker.h"

enum docker_whose { DOCKER_USERS, DOCKER_OWN };

struct docker_image {
    char *dir; /* of the root file system; "" for the bare one */
    char name[40];
};

struct docker_daemon {
    struct site *site;
    enum docker_whose whose;
    unsigned users; /* targets */
    struct docker *api;
    char version[64], storage[24];
    char root[256];             /* DockerRootDir, in its words */
    bool systemd;               /* containers' groups are systemd's */
    json_t *runtimes;           /* registered, in its words */
    char path[256], sha256[65]; /* the program behind the socket */
    VEC(struct docker_image) images;
    unsigned next_image;
    /* The run's own: */
    struct daemon process;
    char data_dir[160], run_dir[48];
    json_t *configured;    /* runtimes, as it is told of them */
    char place[192];       /* the network namespace it lives in; "": ours, and it has no network */
    struct err no_network; /* why not, where one was asked for */
    /* Of either, once it was asked: the bridge of its default network. */
    char bridge[16];
};

#define DOCKER_NETWORK "bridge" /* name of the default one */

/* engine->own */
struct docker_target {
    struct docker_daemon *daemon;
    char runtime[64];  /* as it is registered */
    char plugged[64];  /* the same for a session on docker's network */
    char wrapper[256]; /* that stands in for the runtime there; "" none */
};

/* What to do for a target, without starting anything. */
struct docker_choice {
    enum docker_whose whose;
    char runtime[64];        /* of the user's daemon */
    struct kata_config kata; /* where the target's kind is kata */
};
/* Fills ret (driver.inspect) and, where usable, the choice. */
void docker_choose(struct site *s, const struct target *t, struct target_info *ret,
                   struct docker_choice *choice);

/* Takes the daemon into use; for the run's own it is only started by the first runtime. */
int docker_daemon_hold(struct site *s, enum docker_whose whose, struct docker_daemon **ret,
                       struct err *err);
/* The last one removes the images and ends what the run started. What cannot be removed stays in
 * the ledger. */
int docker_daemon_drop(struct docker_daemon *d, struct err *err);
/* The run's own: registers the runtime of a target, and starts the daemon if need be. */
int docker_daemon_register(struct docker_daemon *d, const struct engine *e, struct docker_target *t,
                           struct err *err);
/* The image of a root file system (NULL: a bare one), imported when it is first asked for. */
int docker_daemon_image(struct docker_daemon *d, const char *dir, const char **ret_name,
                        struct err *err);
/* driver.network */
int docker_network(struct site *s, struct engine *e, struct net_end *ret, json_t *facts,
                   struct err *err);
/* Before a session on it is started: that there is one. */
int docker_network_known(struct docker_daemon *d, struct err *err);
/* Fills l->net_place in from what docker says of its container. */
int docker_network_place(struct live *l, json_t *found, struct err *err);
/* "dockerd died", or NULL. */
const char *docker_daemon_death(const struct docker_daemon *d);

#endif

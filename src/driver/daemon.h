/* A daemon of the run's own: an engine's, where none of the user's is running or can be used.
 *
 * Layer: driver, internal. It lives in a control group of its own below the run's, so that after a
 * SIGKILL of ours the clean-up of that group ends it, with all it started; its files lie in
 * directories that its driver has written to the ledger. Ownership: the caller's value; the strings
 * of the spec have to last until daemon_start returns.
 *
 *     struct daemon_spec spec = {.name = "containerd", .argv = argv, .socket = "/run/.../c.sock",
 *                                .log = "/var/lib/cupel/run/.../log"};
 *     daemon_start(site, &spec, &d, deadline, &err);    // answers when this returns 0
 *     if (daemon_failure(&d, &err) < 0) ...             // it died meanwhile
 *     daemon_stop(&d, &err); */
#ifndef CUPEL_DRIVER_DAEMON_H
#define CUPEL_DRIVER_DAEMON_H

#include "driver/driver.h"

struct daemon_spec {
    const char *name;        /* for messages */
    const char *const *argv; /* as in spawn_spec */
    const char *const *env;
    const char *socket; /* where it will answer */
    const char *log;    /* file for its output */
    /* Descriptors of the namespaces it lives in; NULL: ours. */
    const int *mount_ns, *net_ns;
};

struct daemon {
    struct site *site;
    char name[24];
    char group[CGROUP_PATH_MAX]; /* "" not made */
    char log[192];
    pid_t pid; /* 0: not started */
    struct loop_source *watch;
    bool ended;
    int wait_status;
    bool *wake; /* set true at its end */
};

/* Does somebody listen there? Never waits. */
bool socket_answers(const char *path);

/* Starts it and waits until its socket answers. On failure nothing of it is left running. */
int daemon_start(struct site *s, const struct daemon_spec *spec, struct daemon *d,
                 uint64_t deadline_ns, struct err *err);
/* 0 while it lives; else ERR_ENVIRONMENT "containerd died: killed by signal 9: last line". */
int daemon_failure(const struct daemon *d, struct err *err);
/* SIGTERM, a wait, SIGKILL to its group; the group is removed. Never started: success. */
int daemon_stop(struct daemon *d, struct err *err);

#endif

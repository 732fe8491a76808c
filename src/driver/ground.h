/* What a session stands on, whichever engine runs it: its names, its directory, its control group,
 * its intents in the ledger; and the process at its root.
 *
 * Layer: driver, internal to the drivers. Ownership: a `struct live` belongs to its session
 * (session->priv) once there is one; the driver's start and stop make and free it. */
#ifndef CUPEL_DRIVER_GROUND_H
#define CUPEL_DRIVER_GROUND_H

#include "driver/network.h"

#include <sys/stat.h>

#define PROBE_NAME "cupel-probe"

#define CONTAINER_ENTRY_MAX 128

/* A static program of ours in the run's own copy: the file given may be rebuilt meanwhile. */
struct run_program {
    char path[160]; /* "": not copied yet */
    char sha256[65];
    struct stat stat; /* of the copy, when it was hashed */
};

/* A target made ready for a run. */
struct engine {
    struct target_info info;
    char state_dir[160]; /* --root of the runtime; "" for host */
    char run_dir[48];    /* an engine's short place in /run; "" none */
    struct run_program programs[PROGRAM_COUNT];
    struct stat runtime_stat; /* of info.path, when it was hashed */
    bool cover;               /* its command lines run where the unified cgroup tree is covered */
    void *own;                /* the driver's */
    struct kata *kata;        /* what is known of its Kata; NULL: it is another's; owned */
};

struct ground {
    unsigned number;
    char id[40];                 /* "cupel-3fa9c2d1-0007" */
    char group[CGROUP_PATH_MAX]; /* "/cupel-3fa9c2d1/s0007"; "" without groups */
    char tool[CGROUP_PATH_MAX];  /* .../tool: the runtime's command lines */
    char box[CGROUP_PATH_MAX];   /* .../box: the container; made by its runtime, or by host.c */
    char dir[160];               /* bundle; "" until intended */
    char rootfs[192];            /* dir/rootfs: the probe, proc dev sys tmp data work */
    char data[192];              /* dir/data: the bound directory */
    char tmp[192];               /* dir/tmp: the host's tmpfs */
    char shown[192];             /* what the runtime is given as root in place of rootfs: the same,
                                    read-only, with /work bound in beside it; "" rootfs itself */
    char netns[192];             /* a network namespace of its own, where the runtime would make one
                                    that nobody could find again; "" none */
    bool with_tmpfs;             /* that is mounted: the host's own session */
    bool with_image;             /* rootfs is an overlay */
};

/* Where an engine says that it has put a session on its own network. */
struct engine_place {
    char network[64]; /* its name: "bridge", "podman" */
    char bridge[16];  /* the bridge it is made of; "": the only ones are its own; in */
    char netns[192];  /* this namespace; "": the machine's own */
    char interface[16];
    char address[16], gateway[16]; /* dotted IPv4 */
};

struct live;
/* A driver's way of ending: whatever runs is killed, whatever there is is removed, l is freed; by
 * the engine's own forced removal first, if by_engine. life gets exited_ns and gone_ns. */
typedef int (*take_down_fn)(struct live *l, bool by_engine, struct lifetimes *life,
                            struct err *err);

/* One started target: its ground and the process at its root. */
struct live {
    struct site *site;
    struct engine *engine;
    const struct run_program *program; /* which one it runs */
    take_down_fn down;
    struct session *session;
    struct ground ground;
    pid_t pid;          /* 0: none yet */
    uint64_t pid_ticks; /* when it started: with the pid, its identity; 0: not known */
    struct loop_source *watch;
    struct loop_source *gone_watch; /* of the container's process behind an engine's client */
    bool exited;
    bool oom; /* something of it was killed for its memory */
    uint64_t exited_ns;
    int wait_status;
    int cover_fd; /* the mount namespace of engine->cover; -1: none. One a session: crun leaves
                     its files in the cover, which would fill up. */
    uint64_t tmpfs_bytes;      /* of its /tmp */
    uint64_t start_timeout_ns; /* the site's, or more where a machine has to boot */
    void *own;                 /* the driver's */
    struct net_end net;        /* where it plugs in; netns "": no network */
    enum net_stack net_stack;
    bool net_moved;      /* docker: its interface was moved into a namespace of the engine's */
    bool engine_network; /* on its engine's own network instead, */
    struct engine_place net_place; /* of which the engine says this; before the proof */
    int net_fd;                    /* the network namespace that command lines run in; -1: ours */
    bool created; /* oci: `create` was called, so `delete` is owed; engines: the same of `run` */
    /* Engines: what the container is called in the runtime's state directory, and how it ended (a
     * wait status, -1 if nobody tells), asked when the process is seen gone that is not our child.
     */
    char entry[CONTAINER_ENTRY_MAX];
    bool kata_owed;     /* kata_ground_make wrote something down */
    bool unheard;       /* docker: `create` was called, and its answer has not come */
    char engine_id[80]; /* docker: its own identifier of the container; "" not created */
    pid_t shim;         /* the container's parent, where it is an engine's shim */
    int (*how_ended)(struct live *l);
    /* Why, where the driver knows: "containerd died"; NULL if it does not. */
    const char *(*why_ended)(const struct live *l);
};

/* Names of session number n, checked for length. */
int ground_names(const struct site *s, unsigned n, struct ground *ret, struct err *err);
/* Writes the intents (directory, group, mounts; container: the one the engine's runtime will hold),
 * then makes the directory tree with the program and what else `what` asks for, and the group with
 * its tool leaf, limits and CPUs. g->with_tmpfs is set by the caller. On failure the caller calls
 * ground_remove. */
int ground_make(struct site *s, struct engine *e, struct ground *g, const struct launch *what,
                bool container, struct err *err);
/* A group of the session's, in the tree of I/O limits too where the site has one to hold. */
int ground_make_group(const struct site *s, const char *path, struct err *err);
/* Kills what is in the group, unmounts, removes group and directory, verifies, and notes it in the
 * ledger. Goes on after a failure and reports the first. */
int ground_remove(struct site *s, struct ground *g, struct err *err);
/* Kills what is in the group, and reaps it. No group: success. */
int ground_kill(struct site *s, const struct ground *g, struct err *err);
/* The same for the container alone: an engine's monitor beside it sees its end. */
int ground_kill_box(struct site *s, const struct ground *g, struct err *err);
/* The container is verified gone. */
int ground_container_gone(struct site *s, const struct engine *e, const struct ground *g,
                          struct err *err);

/* Size of a session's /tmp. */
uint64_t ground_tmpfs_bytes(const struct launch *what);

/* The run's copy of a program, its hash checked; made when it is first asked for. */
int engine_program(struct site *s, struct engine *e, enum program program,
                   const struct run_program **ret, struct err *err);
/* With its copy of info, and the probe. */
int engine_new(struct site *s, const struct target_info *info, struct engine **ret,
               struct err *err);
void engine_free(struct engine *e);

/* Pipes for a session; the child's ends are to be closed by stdio_close_child after the spawn. */
struct stdio {
    int child_in, child_out, child_err;
};
int live_open_session(struct live *l, const char *nonce, struct stdio *ret, struct err *err);
void stdio_close_child(struct stdio *io);
/* Follows the process: its end breaks the session unless it was told to leave. */
int live_watch(struct live *l, pid_t pid, struct err *err);
/* The same for one that is an engine's child and not ours; it has to lie in the session's group. */
int live_watch_foreign(struct live *l, pid_t pid, struct err *err);
/* Follows an engine's client that stays attached, and ends as the container does; pid: the
 * container's process, once it is known, which has to lie in the session's group. */
int live_watch_client(struct live *l, pid_t child, struct err *err);
int live_behind_client(struct live *l, pid_t pid, struct err *err);
/* "137" is how the shell tells of signal 9. */
int wait_status_of_shell(int code);
/* Capabilities, meter, number: what every session has. */
int live_describe(struct live *l, struct err *err);
/* The places for files as every container has them: /work, /tmp, /data; and where this host sees
 * them. */
void live_container_dirs(struct live *l);
/* Says bye and waits up to patience_ns for the end. True if it ended. */
bool live_farewell(struct live *l, uint64_t patience_ns);
/* Named, with its program chosen; nothing is made yet. session_stop and start_failed end it by
 * `down`. */
int live_begin(struct site *s, struct engine *e, const struct launch *what, take_down_fn down,
               struct live **ret, struct err *err);
/* Lets go of session and process, of which nothing may be left; the ground stays. */
void live_forget(struct live *l);
void live_free(struct live *l); /* the session too */
/* When the clock of a start begins to run: now, and where several start at once, now that all of
 * them are ready to. */
uint64_t start_begins(struct live *l);
/* session_hello; what comes after it waits until all that start at once have come as far, and has
 * as much time more. */
int start_hello(struct live *l, uint64_t *deadline_ns, struct err *err);
/* The end of a start that failed with r and *err: takes everything down and frees l; keeps
 * the first error, said as "timed out at start after 10 s (...)" if it is a deadline's, and adds
 * what could not be removed. Returns r. */
int start_failed(struct live *l, int r, struct err *err);

/* Clean-up has to run to its end although an interrupt came: waits that go on over interrupts and
 * raise the signal anew when everything is done. */
struct calm {
    struct loop *loop;
    int signal;
};
struct calm calm_begin(struct loop *l);
/* As loop_run_until, without -EINTR. */
int calm_wait(struct calm *c, const bool *done, uint64_t deadline_ns);
/* Puts an interrupt that has just been seen aside. True if there was one: try again. */
bool calm_put_aside(struct calm *c);
void calm_end(struct calm *c);

#endif

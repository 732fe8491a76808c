/* What an engine has to be able to do for cupel, and what a run offers to it.
 *
 * Layer: driver. One file per engine, one `const struct driver` in it, one line in the list of
 * registry.c (whose head says how, as a checklist). What cannot run here still registers and gives
 * its reason. */
#ifndef CUPEL_DRIVER_DRIVER_H
#define CUPEL_DRIVER_DRIVER_H

#include "base/err.h"
#include "base/loop.h"
#include "base/vec.h"
#include "driver/session.h"
#include "host/k8sread.h"
#include "host/machine.h"
#include "ledger/ledger.h"
#include "model/plan.h"
#include "model/target.h"
#include "model/workload.h"

#include <jansson.h>

/* What a session runs: a static program, alone or inside an image. */
struct launch_input {
    const char *path; /* of the host */
    const char *name; /* one component: the session finds a copy as /data/<name> */
};
/* Whose network stack serves a session that has a network. */
enum net_stack {
    NET_STACK_OWN,  /* the one its kind has: the namespace's, or the sandbox's own (gVisor) */
    NET_STACK_HOST, /* the namespace's, also where the sandbox has one of its own */
};

struct net_end;

struct launch {
    enum program program;
    /* Root file system of an image, as a directory that is only read: the session has it under a
     * writable layer of its own, which goes with it. NULL: a root with the program alone. On the
     * host target the program then runs in a chroot. */
    const char *image;
    const struct launch_input *inputs;
    size_t n_inputs;
    uint64_t tmpfs_bytes; /* size of its /tmp; 0: 256 MiB */
    /* Where it plugs into the run's network (driver/network.h), one that no other session has used.
     * NULL: no network. A target that cannot have one: ERR_UNSUPPORTED, with the reason. */
    const struct net_end *net;
    enum net_stack net_stack;
    /* On the network that its engine makes for containers, instead (driver.network); the stack is
     * then as the engine's runtime has it. session->caps tells where it came to be. */
    bool engine_network;
};

/* Absolute paths of the static programs; "" not built. */
struct programs {
    char path[PROGRAM_COUNT][256];
};

/* The ground a run stands on: made by measure (or doctor), passed to every driver call. */
struct site {
    struct loop *loop;
    const struct machine *machine;
    struct ledger *ledger;
    char run_id[16];              /* 8 hexadecimal digits */
    char cgroup[CGROUP_PATH_MAX]; /* "/cupel-<run>"; "" without root: no groups then */
    char dir[128];  /* "<state>/run/<run>": bundles, root file systems, runtime state */
    char keep[128]; /* "<state>": below it lies what outlasts a run (kernels of guests) */
    struct programs programs;
    struct limits limits;
    dev_t disk;     /* that limits.io_bps holds for */
    cpu_set_t cpus; /* all CPUs of the run */
    /* The driver docker's, shared by its targets: the user's daemon, the run's own. */
    struct docker_daemon *docker[2];
    struct network *network; /* NULL until network_make */
    /* Sessions may ask for their engine's own network: what engines a run starts of its own have
     * one then. Before any engine is opened. */
    bool engine_networks;
    unsigned next_session; /* counts sessions: container ids cupel-<run>-<nnnn> */
    uint64_t start_timeout_ns;
    uint64_t stop_timeout_ns;
};

/* What is known of a target on this machine: doctor prints it, the run stores it. */
struct target_info {
    struct target target;
    bool usable;
    char reason[240];  /* why not, or a remark when usable */
    enum err_kind why; /* ERR_UNSUPPORTED: not on this machine; ERR_TIMEOUT, ... it failed */
    char version[96];  /* first line of --version, printable */
    char path[256];    /* the binary; "" for host */
    char sha256[65];
    char platform[24];         /* runsc: which one will be used */
    char kind[24];             /* "host", "runc", "crun", "runsc", "youki", "kata", "oci" */
    char default_platform[24]; /* runsc: which one the build takes unasked */
    char work_around[96];      /* "cgroup hybrid: worked around" or "" */
    bool start_may_fail;       /* one start in some fails by itself, and the next may work */
    bool starts_daemon;        /* usable with a private daemon of the engine's: none runs that is */
    /* Its CPU is emulated in software (QEMU's TCG): no figure of it says anything of the hardware.
     */
    bool emulated;
    char machine[264];              /* where it runs, if that is not here: "node n2" */
    struct k8s_class runtime_class; /* of a RuntimeClass */
};

struct target_infos {
    struct target_info *v;
    size_t n, cap;
};

struct engine; /* one target made ready for a run: its binary, its state directory, its namespaces
                */

enum ending {
    ENDING_BYE,    /* told to leave, given a second, then killed and removed */
    ENDING_FORCED, /* without a word: the engine's own forced removal of a container that runs */
};

struct driver {
    const char *name;
    const char *summary;
    /* Stands above runtimes that are targets themselves: measured where it is named, and not by
     * default, since small workloads do not see it. */
    bool engine;
    /* Targets worth listing on any machine, e.g. "runc", "crun", "runsc:ptrace". NULL-terminated.
     */
    const char *const *proposals;
    /* Those that are there only where something answers: classes of a cluster. At most max texts of
     * targets; how many. Within seconds; NULL: none. */
    size_t (*found)(struct loop *l, char (*ret)[TARGET_TEXT_MAX], size_t max);
    /* Fills info for one target without starting anything: binary found, version, platforms. */
    void (*inspect)(struct site *s, const struct target *t, struct target_info *ret);
    /* Once a run and target. */
    int (*open)(struct site *s, const struct target_info *info, struct engine **ret,
                struct err *err);
    void (*close)(struct site *s, struct engine *e);
    /* One session, up to and including its hello frame and its proof, by a deadline. On failure
     * nothing is left (what could not be removed stays in the ledger and is said in err). `what`
     * has to last as long as the call. */
    int (*start)(struct site *s, struct engine *e, const struct launch *what, struct session **ret,
                 struct err *err);
    /* The session anew, on the same files: what the guest had in memory is gone, what it put on its
     * root file system and in /data is there. On failure nothing is left and *inout is NULL. A
     * driver that cannot has NULL here. */
    int (*renew)(struct site *s, struct engine *e, struct session **inout, struct err *err);
    /* The network that launch.engine_network is about. ret: this machine's side of it, as a place
     * for a session of the host driver (netns "": the machine's own namespace; address: the
     * gateway's, "" if it is known of a session only). facts, put into the object: topology,
     * engine_network, engine_bridge (texts), what else is known of it.
     * ERR_UNSUPPORTED where the engine has none here. A driver without one has NULL, and says why
     * in no_network: "... has no network of its own: " and that. */
    int (*network)(struct site *s, struct engine *e, struct net_end *ret, json_t *facts,
                   struct err *err);
    const char *no_network;
};

/* Ends a session of any driver, and whatever still runs of it; verifies that nothing is left.
 * Always frees. ret_life (may be NULL) gets the session's whole life, also on failure as far as it
 * was seen. */
int session_stop(struct session *sess, enum ending how, struct lifetimes *ret_life,
                 struct err *err);

size_t driver_count(void);
const struct driver *driver_at(size_t i);
const struct driver *driver_find(const char *name);
/* The names, for target_parse. */
const char *const *driver_names(size_t *ret_n);

#endif

/* The ownership journal: what cupel made on this machine, written down before it is made.
 *
 * Layer: ledger. One file a run, <state>/ledger/<run>.jsonl, append-only, one JSON object a line.
 * The state directory is /var/lib/cupel for root, $XDG_STATE_HOME/cupel (or ~/.local/state/cupel)
 * for others, or $CUPEL_STATE. A live run holds an exclusive lock on its open ledger file (flock):
 * liveness is that lock, not a pid. Kernel-side things vanish at a reboot, files do not: the ledger
 * stores the boot id so that clean-up knows which to expect.
 *
 *     struct ledger_item items[] = {
 *         {.kind = LEDGER_CGROUP, .path = "/cupel-3fa9c2d1"},
 *         {.kind = LEDGER_DIR, .path = "/run/cupel/3fa9c2d1"},
 *     };
 *     ledger_intend(l, items, 2, &err);   // one write(2), before anything is made, outside any
 * clock
 *     ... make, use, remove ...
 *     ledger_done(l, &items[0], &err);    // gone again, verified
 *     ledger_close(l, &err);              // everything done: the file is removed
 *
 * No fsync inside a run: after a crash of the machine itself the kernel objects are gone anyway,
 * and directories are found by name under the state directory. */
#ifndef CUPEL_LEDGER_LEDGER_H
#define CUPEL_LEDGER_LEDGER_H

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum ledger_kind {
    LEDGER_CGROUP,    /* path: group path as in host/cgroup.h */
    LEDGER_DIR,       /* path: directory tree of ours */
    LEDGER_MOUNT,     /* path: mount point of ours */
    LEDGER_TRACING,   /* path: tracing instance of ours, as host/tracing.h has it */
    LEDGER_BROUGHT,   /* path: directory that a controller elsewhere brought, named by
                         LEDGER_BROUGHT_NAME, with a state directory of its own in it */
    LEDGER_SHARED,    /* path: directory on a file system that other machines see, too, named by
                         LEDGER_BROUGHT_NAME; nobody is in it once the jobs of its ledger are gone */
    LEDGER_CONTAINER, /* id, runtime (absolute path), path: runtime's --root; hybrid: needs cover */
    LEDGER_NAMESPACE, /* of a containerd; path: its socket, id: the namespace, runtime: ctr */
    LEDGER_DOCKER_CONTAINER, /* of a daemon of the user's; path: its socket, id: the name */
    LEDGER_DOCKER_IMAGE,     /* the same */
    LEDGER_KATA,      /* what Kata keeps under id in places of its own (ledger/kata.h); runtime: its
                         program, path: "" */
    LEDGER_SLURM_JOB, /* id: its name, runtime: scancel, path: Slurm's configuration, which need not
                         be there */
    LEDGER_K8S, /* an object of a Kubernetes; id: "pods/NAME", "jobs/NAME" or "configmaps/NAME",
                   runtime: kubectl, path: files of $KUBECONFIG, or "", place: kubectl_place's */
    LEDGER_KIND_COUNT
};

/* In a folder that others may write in, too: followed by letters and digits, ten of them. Whoever
 * uses it holds a lock (flock) on it. */
#define LEDGER_BROUGHT_NAME "cupel-fleet-"

struct ledger_item {
    enum ledger_kind kind;
    const char *path;
    const char *id;      /* all from LEDGER_CONTAINER on */
    const char *runtime; /* LEDGER_CONTAINER, LEDGER_NAMESPACE, LEDGER_KATA, LEDGER_K8S */
    const char *place;   /* LEDGER_K8S */
    bool cover_unified;  /* LEDGER_CONTAINER: run the runtime where the unified tree is covered */
};

struct ledger;

/* The state directory, made if missing (0700), symbolic links resolved (appended). One that is not
 * ours or that others can write is refused: clean-up acts on what stands in it. */
int ledger_state_dir(struct str *ret, struct err *err);

/* run_id: 8 hexadecimal digits. */
int ledger_open(const char *state_dir, const char *run_id, struct ledger **ret, struct err *err);
/* All items or none. What clean-up would not touch is refused here already (ERR_BUG): directories
 * and mounts lie below the state directory (not in <state>/ledger, not results.db) or below
 * /run/cupel or /run/cupel-…, control groups begin with "/cupel-", tracing instances are
 * cupel-<8 hex digits>-<digits> in the kernel's own place for them, what was brought is named so,
 * containers are cupel-<8 hex
 * digits>-<4 or more digits>, with an absolute runtime path and a --root that is such a directory,
 * namespaces, Slurm's jobs, and what docker holds, cupel-<8 hex digits>-<digits> at an absolute
 * path, Kata's containers as containers, a Kubernetes' objects after a "pods/" or the like. The
 * strings are copied. */
int ledger_intend(struct ledger *l, const struct ledger_item *items, size_t n, struct err *err);
int ledger_done(struct ledger *l, const struct ledger_item *item, struct err *err);
/* The ledger of one that died, with what is not done in it, to go on with: -ENOENT, there is none;
 * -EBUSY, it lives. */
int ledger_resume(const char *state_dir, const char *run_id, struct ledger **ret, struct err *err);
/* Removes the file if every intent is done; keeps it (unlocked) otherwise. Frees l. */
int ledger_close(struct ledger *l, struct err *err);
/* Is path one that LEDGER_BROUGHT may have? */
bool ledger_is_brought(const char *path);
void ledger_free(struct ledger *l); /* for error paths: keeps the file, drops the lock */
size_t ledger_open_items(const struct ledger *l);

/* Is another run live on this machine? Returns 1 and its id and pid (as written), 0, or -errno. The
 * calling process's own ledger does not count, so it can be asked after ledger_open: two runs that
 * begin at once then see each other. A clean-up at work counts as live. */
int ledger_live(const char *state_dir, char ret_run[16], pid_t *ret_pid, struct err *err);

/* For fault tests: CUPEL_FAULT_KILL_AT=N makes the process kill itself with SIGKILL right after its
 * N-th ledger event (intent items and dones count one each) has been written. */

/* Clean-up from every ledger that no live run holds:
 * for each run: kill all in its cgroup, `delete --force` each container still listed by its
 * runtime, remove the runtime's state entries, unmount, remove tracing instances, cgroups deepest
 * first, directories; then the ledger itself. A thing that bears our name but stands in no ledger
 * is reported, not deleted. report (may be NULL) gets one line per thing removed, left alone, or
 * failed. */
struct clean_result {
    unsigned runs;    /* ledgers worked off */
    unsigned removed; /* things removed */
    unsigned failed;  /* things that could not be removed, and lines refused */
    unsigned unknown; /* things with our name in no ledger */
    unsigned live;    /* runs left alone because they live */
};
int ledger_clean(const char *state_dir, struct loop *l,
                 void (*report)(void *user, const char *line), void *user, struct clean_result *ret,
                 struct err *err);
/* The same of fleets' ledgers, which lie in <state>/fleet/ledger: jobs and folders elsewhere, which
 * a later --resume could still go on with. So no run does this by itself. Adds to *ret. */
int ledger_clean_fleets(const char *state_dir, struct loop *l,
                        void (*report)(void *user, const char *line), void *user,
                        struct clean_result *ret, struct err *err);

#endif

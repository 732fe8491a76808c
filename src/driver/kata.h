/* What the drivers share of Kata: kata.c speaks with version 1 over its OCI command line,
 * containerd.c and docker.c with whichever their shim or runtime is.
 *
 *   kata-words.c   what Kata's programs say, and how things are called
 *   kata-config.c  which configuration, and so which hypervisor and shared file system
 *   kata-inspect.c what of it is here
 *   kata-ground.c  what the host must have, what a session gets beside its ground, what stays
 *   kata-proof.c   which virtual machine really runs
 *
 * Layer: driver, internal to the drivers. */
#ifndef CUPEL_DRIVER_KATA_H
#define CUPEL_DRIVER_KATA_H

#include "base/fs.h"
#include "driver/ground.h"
#include "driver/kata-words.h"

#include <jansson.h>

/* engine->kata */
struct kata {
    bool configured; /* config and the hashes are known */
    struct kata_config config;
    struct stat hypervisor_stat;
    char hypervisor_sha256[FS_SHA256_HEX], virtiofsd_sha256[FS_SHA256_HEX],
        kernel_sha256[FS_SHA256_HEX]; /* "" not read */
};

/* Times the site's patience with a start: a machine has to boot, and Kata itself gives up after 20
 * s, with words that are worth hearing. */
#define KATA_PATIENCE 3

/* ---- which configuration ---- */

/* The flag of a target that names one; all others are Kata's own options. */
#define KATA_CONFIG_FLAG "config"

/* The configuration a target means: the one its flag config= names; else of those where Kata looks
 * for them (`program`, a kata-runtime, says where) the first with the platform; without a platform
 * the one that is taken unasked. ERR_UNSUPPORTED says what there is instead. */
int kata_config_find(struct site *s, const char *program, const struct target *t,
                     struct kata_config *ret, struct err *err);
/* The path of a kata-runtime to ask: on the PATH, or where Kata's own archive puts it. */
int kata_find_runtime(const char *name, char *dst, size_t size);
/* What the flag config= names, or NULL. */
const char *kata_config_flag(const struct target *t);
/* Fills e->kata, with the hashes of what config names. One of which nobody told more than its path,
 * if that, has no hypervisor: then nothing is known. */
int kata_engine_make(struct engine *e, const struct kata_config *config, struct err *err);

/* driver.inspect of whatever drives kata-runtime, and of what drives a shim of that type. config is
 * only filled where the target is usable. */
void kata_inspect_runtime(struct site *s, const struct target *t, struct target_info *ret,
                          struct kata_config *config);
void kata_inspect_shim(struct site *s, const struct target *t, const char *type,
                       struct target_info *ret, struct kata_config *config);
/* ---- what a session stands on ---- */

/* False, with the reason in ret: this host cannot have Kata's containers. syslog: version 1, which
 * ends at once where nobody takes its log. */
bool kata_check_host(struct target_info *ret, bool syslog);
/* After ground_make, in the ledger before it is made: a network namespace, unless the session is
 * plugged into the run's network; with read_only_root a root through which nothing can be deleted
 * (not of an image, which is under a layer of the session's own). */
int kata_ground_make(struct live *l, bool read_only_root, struct err *err);
/* The namespace that its runtime is told of. */
const char *kata_netns(const struct live *l);
/* A namespace is used for one machine: Kata leaves a tap in it. */
int kata_netns_renew(struct live *l, struct err *err);
/* Moves what runs for the session and does not lie in its group into the leaf of tools: Kata starts
 * a machine in the group of whoever called it, or moves it to one that no limit holds in. */
int kata_adopt(struct live *l, struct err *err);
/* Kills, unmounts and removes what Kata has of it, verified. */
int kata_ground_sweep(struct live *l, struct err *err);
/* The same, and of what kata_ground_make made; before ground_remove. Crosses off what that
 * wrote down. Nothing was made: success. */
int kata_ground_remove(struct live *l, struct err *err);

/* ---- proof ---- */

/* Adds to proof what is seen of the session's virtual machine, and compares: *ret_words is what
 * contradicts the target's name, "" if nothing does. */
int kata_prove(const struct live *l, json_t *proof, char *ret_words, size_t size, struct err *err);

#endif

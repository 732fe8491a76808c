/* What every runtime test stands on: a site of its own (state directory, run group, ledger), a
 * target opened on it, and the search for what is left behind afterwards.
 *
 * Each site draws a run identifier of its own, so several test programs can run at once. */
#ifndef CUPEL_TESTS_RIG_H
#define CUPEL_TESTS_RIG_H

#include "../unit/unit.h"

#include "base/time.h"
#include "driver/driver.h"

struct rig {
    struct loop *loop;
    struct machine machine;
    struct site site;
    char state[96];
    const struct driver *driver;
    struct target_info info;
    struct engine *engine;
};

/* The probe alone, in an empty root: what most sessions run. */
extern const struct launch rig_probe;

/* The site alone. Limits and times may be changed before rig_open. */
void rig_init(struct rig *r);
/* Parses and inspects the target, opens it when usable. False: info.reason says why not. */
bool rig_open(struct rig *r, const char *target);
/* Closes what is open, then checks that nothing is left anywhere (fails the test if so). */
void rig_release(struct rig *r);

/* A container holds nothing but the probe, so it must be static; a sanitised build's is not. The
 * variable CUPEL_PROBE names another build's. */
bool rig_has_static_probe(void);

/* CUPEL_REQUIRE names the target: it must not be skipped. */
bool rig_required(const char *target);
/* Without the target there is nothing to test: then says so in TAP's words, one skip with the
 * reason, or a failure if it is required. */
bool rig_unusable(const char *target);

/* Everything on the machine that bears this run's name: one line each. Returns how many. */
size_t rig_leftovers(const struct rig *r, struct str *ret);
/* Open descriptors of this process. */
size_t rig_fds(void);

/* rig_open, or skips the cmocka test with the reason (the rig is released). */
void rig_open_or_skip(struct rig *r, const char *target);
/* A target that is found unusable, so. */
void rig_check_unusable(const char *target, enum err_kind kind, const char *text);
/* Starting a session fails so, in less than limit_ns. */
void rig_check_start_fails(struct rig *r, enum err_kind kind, const char *text, uint64_t limit_ns);
/* Writes an executable <dir>/<folder>/<name> for sh. */
void rig_script(const char *dir, const char *folder, const char *name, const char *body);
/* Prints how long opening, a start, an empty frame and a stop take: medians of seven in the long
 * form (CUPEL_FULL), else once, which shows that they work. A target that is unusable here is
 * named. */
void rig_print_times(const char *target);

struct session *rig_start(struct rig *r);
void rig_stop(struct rig *r, struct session *s);

/* prepare with up to one parameter (name NULL: none); the caller's frame is filled and posted. */
void rig_prepare(struct session *s, const char *workload, unsigned workers, const char *param,
                 int64_t value);
/* A slice that must be answered; returns the answer. */
struct frame_sliced rig_slice(struct session *s, uint64_t ops);
void rig_finish(struct session *s);

#endif

/* A run in a log: how a pod hands over what it measured, since its log is what everybody who may
 * look at a pod can get at. Among whatever else is said there:
 *
 *     cupel-run 3fa9c2d1-2 head {"outcome":"measured","bytes":812345,"packed":201234,...}
 *     cupel-run 3fa9c2d1-2 0 H4sIAAAAAAAAA+y9...
 *     cupel-run 3fa9c2d1-2 1 ...
 *     cupel-run 3fa9c2d1-2 end 34
 *
 * The run is in its exchange form, packed by gzip, in pieces by base64. A line may have something
 * before it (`kubectl logs --prefix`, time stamps). What is read is hostile: bounded, and taken
 * only where size and hash are what the head says. A log that is read again from its beginning is
 * no failure.
 *
 * Layer: fleet. Ownership: runlog_release. */
#ifndef CUPEL_FLEET_RUNLOG_H
#define CUPEL_FLEET_RUNLOG_H

#include "base/fs.h"
#include "base/str.h"
#include "base/vec.h"
#include "fleet/fleet.h"

#include <jansson.h>

#define RUNLOG_KEY_MAX 20
/* A kubelet keeps 10 MiB of a log (containerLogMaxSize), and hands out what it kept last. */
#define RUNLOG_PACKED_MAX (6u << 20)
#define RUNLOG_PIECE      6000

struct runlog {
    char key[RUNLOG_KEY_MAX]; /* "3fa9c2d1-2"; "": of the first that is met */
    json_t *head;             /* NULL: not there yet */
    struct str packed;
    size_t pieces;
    bool ended;
};

#define RUNLOG_INIT                                                                                \
    {                                                                                              \
        .packed = STR_INIT                                                                         \
    }

void runlog_release(struct runlog *r);
/* Writes one to fd. text: the run in its exchange form; NULL: none, and the head says why. Adds
 * "bytes", "packed" and "sha256" to head. -EFBIG: it does not fit, and nothing is written. */
int runlog_write(int fd, const char *key, json_t *head, const struct str *text, struct err *err);

/* 1: that line was a part of it; 0: it was something else, or another key's. ERR_MEASUREMENT: a
 * piece is missing, or it is nonsense; r takes no more then. */
int runlog_take(struct runlog *r, const char *line, struct err *err);
/* Of one that has ended: the run's text (appended), or nothing where there is none: 0. */
int runlog_unpack(const struct runlog *r, struct str *ret, struct err *err);
/* What the head says of how it ended, into m: outcome, why, names, status. */
int runlog_outcome(const struct runlog *r, struct fleet_machine *m, struct err *err);

struct runlogs {
    struct runlog *v;
    size_t n, cap;
};
/* Is this a log with a run in it, rather than a file that export wrote? */
bool runlog_is_in(const char *text, size_t n);
/* All of those in a log, also of several pods mixed; cuts the text up. At most 256. */
int runlogs_read(char *text, size_t n, struct runlogs *ret, struct err *err);
void runlogs_release(struct runlogs *l);

#endif

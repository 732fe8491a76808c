/* What goes out to a machine: cupel with its loader and libraries, the probe and the payload
 * programs beside it, the files of workloads and claims, the plan. One archive, made once for all
 * machines, in memory.
 *
 *     start bin/cupel bin/cupel-probe ... lib/ld-linux-x86-64.so.2 lib/... workloads/ claims/
 *     plan.yaml
 *
 * `sh start ARGUMENTS`, in its folder, starts cupel by its loader's path, so nothing of the
 * other machine's libraries is used, and nothing of ours reaches what cupel starts there.
 *
 * Layer: fleet. Ownership: bundle_release closes it. */
#ifndef CUPEL_FLEET_BUNDLE_H
#define CUPEL_FLEET_BUNDLE_H

#include "base/fs.h"
#include "base/loop.h"

#include <stdint.h>

#define BUNDLE_PROGRAMS_MAX 8
#define BUNDLE_MAX          (UINT64_C(512) << 20)

struct bundle_parts {
    const char *cupel;                         /* the controller */
    const char *programs[BUNDLE_PROGRAMS_MAX]; /* the probe first; NULL ends them */
    const char *workloads, *claims;            /* folders */
    const char *plan;                          /* text */
};

struct bundle {
    int fd;
    uint64_t bytes;
    char sha256[FS_SHA256_HEX];
    char loader[64]; /* its name in lib/; "": cupel is static */
};

int bundle_make(struct loop *l, const struct bundle_parts *parts, struct bundle *ret,
                struct err *err);
void bundle_release(struct bundle *b);

#endif

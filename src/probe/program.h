/* What makes a static guest out of the harness: its name and its list of families. cupel-probe is
 * one; what is too heavy for it (src/payload) are others. All have the same main, the same frames
 * and the same options.
 *
 * Layer: probe. Constant data. A program is one file:
 *
 *     #define FAMILIES(X) X(linpack)
 *     PROGRAM("cupel-linpack", "Solves dense systems of equations.", FAMILIES)
 *
 * linked with probe_serve_dep and the files of its families (family.h says how one is made). */
#ifndef CUPEL_PROBE_PROGRAM_H
#define CUPEL_PROBE_PROGRAM_H

#include "probe/family.h"

struct program_info {
    const char *name;                     /* "cupel-probe" */
    const char *what;                     /* one sentence for --help */
    const struct family *const *families; /* [n_families], in the order of --list */
    unsigned n_families;
};

/* Defined by PROGRAM, once in every program. */
extern const struct program_info program_info;

#define PROGRAM_DECLARE_(id) extern const struct family family_##id;
#define PROGRAM_POINTER_(id) &family_##id,

/* FAMILIES: an X-macro of families' names; family_NAME is what their files define. */
#define PROGRAM(its_name, its_sentence, FAMILIES)                                                  \
    FAMILIES(PROGRAM_DECLARE_)                                                                     \
    static const struct family *const program_families[] = {FAMILIES(PROGRAM_POINTER_)};           \
    const struct program_info program_info = {.name = its_name,                                    \
                                              .what = its_sentence,                                \
                                              .families = program_families,                        \
                                              .n_families = ARRAY_SIZE(program_families)};

/* NULL when this program has no such workload. */
const struct workload *program_workload(const char *name, const struct family **ret_family);

#endif

/* What a cell is about: the chapters of a report, in their order, and the groups of costs.
 *
 * Layer: analyse. Adding one: its line in CHAPTERS, and the families in chapter.c. */
#ifndef CUPEL_ANALYSE_CHAPTER_H
#define CUPEL_ANALYSE_CHAPTER_H

#include "model/workload.h"

#define CHAPTERS(X)                                                                                \
    X(CPU, "cpu", "CPU")                                                                           \
    X(MEMORY, "memory", "Memory")                                                                  \
    X(CALLS, "calls", "System calls")                                                              \
    X(STORAGE, "storage", "Storage")                                                               \
    X(NETWORK, "network", "Network")                                                               \
    X(APPS, "apps", "Applications")                                                                \
    X(LIFE, "life", "Starting and ending")                                                         \
    X(DENSITY, "density", "Density")                                                               \
    X(ISOLATION, "isolation", "Isolation")                                                         \
    X(REACH, "reach", "Reach")                                                                     \
    X(OTHER, "other", "Other workloads")

#define CHAPTER_ENUM(id, name, title) CHAPTER_##id,
enum chapter { CHAPTERS(CHAPTER_ENUM) CHAPTER_COUNT };
#undef CHAPTER_ENUM

enum chapter chapter_of(const struct cell *cell);
const char *chapter_name(enum chapter c);  /* "life" */
const char *chapter_title(enum chapter c); /* "Starting and ending" */

#endif

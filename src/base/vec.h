/* A typed growable array as a macro family: `struct { T *v; size_t n, cap; }`.
 *
 * Layer: base. Ownership: VEC_RELEASE frees the array, not what its elements own.
 *
 *     VEC(int) cpus = VEC_INIT;
 *     VEC_PUSH(&cpus, 3);
 *     VEC_FOREACH(&cpus, int, c) printf("%d\n", *c);
 *     VEC_RELEASE(&cpus); */
#ifndef CUPEL_BASE_VEC_H
#define CUPEL_BASE_VEC_H

#include "base/str.h"

#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *v;                                                                                      \
        size_t n, cap;                                                                             \
    }
#define VEC_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

#define VEC_RESERVE(a, want)                                                                       \
    do {                                                                                           \
        if ((a)->cap < (want)) {                                                                   \
            size_t vec_cap_ = (a)->cap ? (a)->cap * 2 : 8;                                         \
            while (vec_cap_ < (want))                                                              \
                vec_cap_ *= 2;                                                                     \
            (a)->v = xreallocarray((a)->v, vec_cap_, sizeof(*(a)->v));                             \
            (a)->cap = vec_cap_;                                                                   \
        }                                                                                          \
    } while (0)

#define VEC_PUSH(a, ...)                                                                           \
    do {                                                                                           \
        VEC_RESERVE(a, (a)->n + 1);                                                                \
        (a)->v[(a)->n++] = (__VA_ARGS__);                                                          \
    } while (0)

#define VEC_RELEASE(a)                                                                             \
    do {                                                                                           \
        free((a)->v);                                                                              \
        (a)->v = NULL;                                                                             \
        (a)->n = (a)->cap = 0;                                                                     \
    } while (0)

#define VEC_FOREACH(a, T, it) for (T *it = (a)->v; it && it < (a)->v + (a)->n; it++)

#endif

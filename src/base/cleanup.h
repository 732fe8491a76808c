/* Scope-bound clean-up, after systemd's cleanup-fundamental.h.
 *
 * Layer: base. Destructors accept NULL and half-built objects.
 *
 *     _cleanup_(str_release) struct str s = STR_INIT;
 *     _cleanup_fd_ int fd = open(...);
 *     return TAKE_FD(fd);              // hands it on; the scope no longer closes it */
#ifndef CUPEL_BASE_CLEANUP_H
#define CUPEL_BASE_CLEANUP_H

#include "base/banned.h"

#define _cleanup_(f) __attribute__((cleanup(f)))

#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) take_ptr_ = (p);                                                             \
        (p) = NULL;                                                                                \
        take_ptr_;                                                                                 \
    })
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int take_fd_ = (fd);                                                                       \
        (fd) = -1;                                                                                 \
        take_fd_;                                                                                  \
    })

static inline void cleanup_freep(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_fd_   _cleanup_(cleanup_closep)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif

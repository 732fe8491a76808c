#include "probe/call.h"

#include "base/str.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

bool call_keep(const struct frame_prepare *old, const struct frame_prepare *new)
{
    return true; /* call_stop leaves a worker as call_worker_setup made it */
}

int call_worker_setup(struct worker *w, struct err *err)
{
    void *p = NULL;
    if (posix_memalign(&p, CALL_PAGE, sizeof(struct call)) != 0)
        return err_set(err, ERR_ENVIRONMENT, ENOMEM, "no memory for the worker's state");
    memset(p, 0, sizeof(struct call));
    w->state = p;
    call_stop(w);
    return 0;
}

void call_stop(struct worker *w)
{
    struct call *c = w->state;
    if (!c)
        return;
    /* Descriptor 0 is the probe's own input, never one of ours: zeroed state means none yet. */
    for (unsigned i = 0; i < CALL_FDS; i++) {
        if (c->fd[i] > 0)
            close(c->fd[i]);
        c->fd[i] = -1;
    }
    if (c->map)
        munmap(c->map, c->map_bytes);
    scratch_remove(&c->dir);
    self_close(&c->self);
    c->map = NULL;
    c->map_bytes = 0;
    c->word = 0;
    c->expect = 0;
    c->flip = 0;
    memset(c->buf, 0, sizeof(c->buf));
}

void call_worker_teardown(struct worker *w)
{
    call_stop(w);
    free(w->state);
    w->state = NULL;
}

int call_try(struct worker *w, struct err *err)
{
    w->job->workload->run(w, 1);
    if (w->fail_code) {
        int code = w->fail_code;
        char where[WIRE_NAME_MAX];
        str_copy(where, sizeof(where), w->fail_where);
        w->fail_code = 0;
        w->fail_where[0] = '\0';
        return err_set(err, ERR_UNSUPPORTED, code, "%s: %s", where, strerror(code));
    }
    w->tally[0] = 0;
    return 0;
}

int call_check(struct worker *w, struct err *err)
{
    if (w->tally[0] != w->done)
        return err_set(err, ERR_MEASUREMENT, EIO, "%" PRIu64 " of %" PRIu64 " calls succeeded",
                       w->tally[0], w->done);
    return 0;
}

int call_scratch(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    return scratch_make(w->job, &c->dir, err);
}

int call_scratch_file(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = call_scratch(w, err);
    if (r < 0)
        return r;
    return scratch_fill(&c->dir, CALL_FILE, 1, CALL_PAGE, err);
}

int call_pipe(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    if (pipe2(c->fd, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    return 0;
}

int call_event(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    c->fd[0] = eventfd(1, EFD_CLOEXEC);
    if (c->fd[0] < 0)
        return err_errno(err, errno, "eventfd");
    return 0;
}

int call_map(struct worker *w, size_t bytes, struct err *err)
{
    struct call *c = w->state;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return err_errno(err, errno, "mmap");
    c->map = p;
    c->map_bytes = bytes;
    memset(p, 1, bytes);
    return 0;
}

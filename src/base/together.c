#include "base/together.h"

#include "base/str.h"

#include <errno.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

/* Taken as it is touched; below it lies a page that nobody may touch. */
#define STACK_BYTES ((size_t)1 << 20)

/* Whose stack it is, for the address sanitizer. */
struct stack {
    ucontext_t context;
    const void *bottom;
    size_t bytes;
    void *shadow;
};

struct member {
    struct together *all;
    struct stack stack;
    void *user;
    bool ended;
    /* What it waits for. */
    const bool *done;
    uint64_t deadline_ns;
    int interrupt; /* the loop's, as it sees it */
    unsigned meetings;
    bool met; /* all have come as far */
};

struct together {
    struct loop *loop;
    together_task *task;
    struct stack main;
    struct member *v, *running;
    size_t n;
};

/* ---- from stack to stack ---- */

/* last: `from` will not be returned to. */
static void switch_stack(struct stack *from, const struct stack *to, bool last)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(last ? NULL : &from->shadow, to->bottom, to->bytes);
#endif
    swapcontext(&from->context, &to->context);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(from->shadow, NULL, NULL);
#endif
    (void)last;
}

/* makecontext hands over ints. */
static void begin(unsigned high, unsigned low)
{
    struct member *m = (struct member *)(uintptr_t)((uint64_t)high << 32 | low);
    struct together *t = m->all;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(NULL, &t->main.bottom, &t->main.bytes);
#endif
    t->task(m->user);
    m->ended = true;
    switch_stack(&m->stack, &t->main, true);
}

static void yield(void *user, const bool *done, uint64_t deadline_ns)
{
    struct together *t = user;
    struct member *m = t->running;
    m->done = done;
    m->deadline_ns = deadline_ns;
    switch_stack(&m->stack, &t->main, false);
}

static void go_on(struct together *t, struct member *m)
{
    t->running = m;
    loop_set_interrupt(t->loop, m->interrupt);
    loop_set_yield(t->loop, yield, t);
    switch_stack(&t->main, &m->stack, false);
    loop_set_yield(t->loop, NULL, NULL);
    m->interrupt = loop_interrupted(t->loop);
    loop_clear_interrupt(t->loop);
}

/* ---- stacks ---- */

static int stack_make(struct member *m, struct err *err)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, guard + STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return err_errno(err, errno, "make a stack");
    m->stack.bottom = map + guard;
    if (mprotect(map, guard, PROT_NONE) < 0 || getcontext(&m->stack.context) < 0)
        return err_errno(err, errno, "make a stack");
    uint64_t self = (uintptr_t)m;
    m->stack.bytes = STACK_BYTES;
    m->stack.context.uc_stack.ss_sp = map + guard;
    m->stack.context.uc_stack.ss_size = STACK_BYTES;
    m->stack.context.uc_link = NULL;
    makecontext(&m->stack.context, (void (*)(void))begin, 2, (unsigned)(self >> 32),
                (unsigned)self);
    return 0;
}

static void stack_release(struct member *m)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    if (m->stack.bottom)
        munmap((char *)m->stack.bottom - guard, guard + STACK_BYTES);
}

/* ---- turns ---- */

static bool all_came(const struct together *t, unsigned meetings)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->v[i].ended && t->v[i].meetings < meetings)
            return false;
    return true;
}

/* What the last round of turns has changed for those who wait. Returns whether one can go on. */
static bool look_around(struct together *t, uint64_t *ret_deadline_ns, size_t *ret_alive)
{
    bool can = false;
    *ret_deadline_ns = UINT64_MAX;
    *ret_alive = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct member *m = &t->v[i];
        if (m->ended)
            continue;
        ++*ret_alive;
        m->met = m->meetings > 0 && all_came(t, m->meetings);
        can = can || (m->done && *m->done);
        if (m->deadline_ns < *ret_deadline_ns)
            *ret_deadline_ns = m->deadline_ns;
    }
    return can;
}

/* What came in the last turn is everybody's. */
static void hand_out_interrupt(struct together *t)
{
    int signal = loop_interrupted(t->loop);
    loop_clear_interrupt(t->loop);
    for (size_t i = 0; signal && i < t->n; i++)
        if (!t->v[i].ended)
            t->v[i].interrupt = signal;
}

/* Everybody looks for himself whether what he waits for has come: they are few. */
static void take_turns(struct together *t)
{
    uint64_t deadline_ns;
    size_t alive;
    do {
        hand_out_interrupt(t);
        for (size_t i = 0; i < t->n; i++)
            if (!t->v[i].ended)
                go_on(t, &t->v[i]);
        bool can = look_around(t, &deadline_ns, &alive);
        if (alive > 0)
            loop_turn(t->loop, can ? 0 : deadline_ns);
    } while (alive > 0);
    for (size_t i = 0; i < t->n; i++)
        loop_set_interrupt(t->loop, t->v[i].interrupt);
}

int together_run(struct loop *l, together_task *task, void *array, size_t n, size_t size,
                 struct err *err)
{
    struct together t = {.loop = l, .task = task, .n = n, .v = xcalloc(n + 1, sizeof(*t.v))};
    int r = loop_yield_user(l) ? err_set(err, ERR_BUG, EINVAL, "tasks within a task") : 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        t.v[i].all = &t;
        t.v[i].user = (char *)array + i * size;
        r = stack_make(&t.v[i], err);
    }
    if (r == 0)
        take_turns(&t);
    for (size_t i = 0; i < n; i++)
        stack_release(&t.v[i]);
    free(t.v);
    return r;
}

void together_meet(struct loop *l)
{
    struct together *t = loop_yield_user(l);
    if (!t)
        return;
    struct member *m = t->running;
    m->meetings++;
    for (m->met = all_came(t, m->meetings); !m->met;)
        yield(t, &m->met, UINT64_MAX);
}

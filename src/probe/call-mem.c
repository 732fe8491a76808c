/* call.*, third part: memory management. mm.* are the larger forms. */
#include "probe/call.h"

#include "base/cleanup.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define MAP_BYTES (64 * 1024)

static bool map_once(void)
{
    void *p = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED && munmap(p, MAP_BYTES) == 0;
}

/* mmap and munmap of 64 KiB that nobody touches. */
static void run_mmap(struct worker *w, uint64_t ops)
{
    CALL_LOOP(w, ops, "mmap", map_once());
}

static int start_page(struct worker *w, struct err *err)
{
    int r = call_map(w, CALL_PAGE, err);
    if (r < 0)
        return r;
    return call_try(w, err);
}

/* One resident page read-only and writable again in turns: one call an operation. */
static void run_mprotect(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "mprotect",
              mprotect(c->map, CALL_PAGE, (c->flip ^= 1) ? PROT_READ : PROT_READ | PROT_WRITE) ==
                  0);
}

/* madvise(MADV_DONTNEED) of a page and the fault of writing to it again. */
static void run_fault(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    volatile unsigned char *page = c->map;
    CALL_LOOP(w, ops, "madvise",
              madvise(c->map, CALL_PAGE, MADV_DONTNEED) == 0 && (*page = 1, true));
}

static int check_fault(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    volatile unsigned char *page = c->map;
    page[0] = 1;
    if (madvise(c->map, CALL_PAGE, MADV_DONTNEED) < 0 || page[0] != 0)
        return err_set(err, ERR_MEASUREMENT, EIO, "the page survives MADV_DONTNEED");
    return call_check(w, err);
}

/* The break a page up and down again: two calls an operation. libc's own idea of it stays right,
 * as nothing allocates meanwhile. */
static void run_brk(struct worker *w, uint64_t ops)
{
    const long at = syscall(SYS_brk, 0);
    CALL_LOOP(w, ops, "brk",
              syscall(SYS_brk, at + CALL_PAGE) == at + CALL_PAGE && syscall(SYS_brk, at) == at);
}

static const struct workload list[] = {
    CALL_ROW("mmap", call_try, run_mmap),
    CALL_ROW("mprotect", start_page, run_mprotect),
    CALL_ROW_CHECK("fault", start_page, run_fault, check_fault),
    CALL_ROW("brk", call_try, run_brk),
};

const struct family family_call_mem = {
    .name = "call-mem",
    .list = list,
    .n = ARRAY_SIZE(list),
    .keep = call_keep,
    .worker_setup = call_worker_setup,
    .worker_teardown = call_worker_teardown,
};

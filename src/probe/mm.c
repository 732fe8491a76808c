/* mm.*: what anonymous memory costs: the first touch of a page, and a mapping made and dropped.
 *
 * mm.fault goes through a region of its own page by page, writing a byte into each; at its end the
 * pages are given back with one madvise(MADV_DONTNEED) and it starts anew, so a 1/pages share of
 * that call is in every operation. Huge pages are refused for the region, for an operation is one
 * page of 4 KiB; whether the guest took that is the fact `nohugepage`. A guest may map more than
 * one page at a fault (gVisor's host memory comes in larger pieces): that is its cost and stays in.
 */
#include "probe/family.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <sys/mman.h>

#define PAGE        ((size_t)4096)
#define BYTES_MAX   (INT64_C(1) << 30)
#define FAULT_BYTES (INT64_C(256) << 10)
#define MMAP_BYTES  (INT64_C(64) << 10)

struct mm {
    size_t bytes;
    unsigned char *map; /* mm.fault: the region */
    size_t next;        /* offset of the page to touch next */
    unsigned char pass; /* what this pass writes: 1 .. 255 */
};

static void mm_stop(struct worker *w)
{
    struct mm *m = w->state;
    if (!m)
        return;
    if (m->map)
        munmap(m->map, m->bytes);
    free(m);
    w->state = NULL;
}

/* region_bytes, whole pages; the fallback differs by workload. */
static int region_bytes(const struct job *job, int64_t fallback, size_t *ret, struct err *err)
{
    int64_t bytes;
    int r = job_num(job, "region_bytes", (int64_t)PAGE, BYTES_MAX, fallback, &bytes, err);
    if (r < 0)
        return r;
    if (bytes % (int64_t)PAGE != 0)
        return err_set(err, ERR_USAGE, EINVAL, "parameter region_bytes: not whole 4 KiB pages");
    *ret = (size_t)bytes;
    return 0;
}

/* ---- mm.fault ---- */

static int fault_prepare(struct job *job, struct err *err)
{
    size_t bytes = 0;
    int r = region_bytes(job, FAULT_BYTES, &bytes, err);
    if (r < 0)
        return r;
    facts_add_num(&job->facts, "region_bytes", (int64_t)bytes);
    return 0;
}

static int fault_start(struct worker *w, struct err *err)
{
    struct mm *m = w->state = xcalloc(1, sizeof(*m));
    int r = region_bytes(w->job, FAULT_BYTES, &m->bytes, err);
    if (r < 0)
        return r;
    void *p = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return err_errno(err, errno, "mmap %zu bytes", m->bytes);
    m->map = p;
    m->pass = 1;
    w->tally[1] = madvise(p, m->bytes, MADV_NOHUGEPAGE) == 0;
    if (madvise(p, m->bytes, MADV_DONTNEED) < 0)
        return err_errno(err, errno, "madvise");
    return 0;
}

static int fault_ready(struct job *job, struct err *err)
{
    facts_add_num(&job->facts, "nohugepage", job_tally(job, 1) == job->prepare.workers);
    return 0;
}

static void run_fault(struct worker *w, uint64_t ops)
{
    struct mm *m = w->state;
    uint64_t left = ops;
    while (left > 0) {
        if (m->next == m->bytes) {
            if (madvise(m->map, m->bytes, MADV_DONTNEED) < 0) {
                worker_fail(w, errno, "madvise");
                break;
            }
            m->next = 0;
            m->pass = (unsigned char)(m->pass % 255 + 1);
        }
        uint64_t n = (m->bytes - m->next) / PAGE;
        n = left < n ? left : n;
        volatile unsigned char *page = m->map + m->next;
        for (uint64_t i = 0; i < n; i++, page += PAGE)
            *page = m->pass;
        m->next += n * PAGE;
        left -= n;
    }
    w->tally[0] += ops - left;
}

/* Every page touched in this pass holds its mark, and the others nothing: had MADV_DONTNEED not
 * taken the pages away, the last pass's mark would be there and no fault would have happened. */
static int fault_check(struct worker *w, struct err *err)
{
    struct mm *m = w->state;
    for (size_t at = 0; at < m->bytes; at += PAGE) {
        unsigned char want = at < m->next ? m->pass : 0;
        if (m->map[at] != want)
            return err_set(err, ERR_MEASUREMENT, EIO, "page %zu holds %u instead of %u", at / PAGE,
                           m->map[at], want);
    }
    /* Looking mapped the zero page everywhere: the next slice starts from nothing again. */
    if (madvise(m->map, m->bytes, MADV_DONTNEED) < 0)
        return err_errno(err, errno, "madvise");
    m->next = 0;
    return 0;
}

/* ---- mm.mmap ---- */

static int mmap_prepare(struct job *job, struct err *err)
{
    size_t bytes = 0;
    int r = region_bytes(job, MMAP_BYTES, &bytes, err);
    if (r < 0)
        return r;
    facts_add_num(&job->facts, "region_bytes", (int64_t)bytes);
    return 0;
}

static int mmap_start(struct worker *w, struct err *err)
{
    struct mm *m = w->state = xcalloc(1, sizeof(*m));
    return region_bytes(w->job, MMAP_BYTES, &m->bytes, err);
}

/* mmap, a write to the first page, munmap. */
static void run_mmap(struct worker *w, uint64_t ops)
{
    const struct mm *m = w->state;
    uint64_t i = 0;
    for (; i < ops; i++) {
        unsigned char *p =
            mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            worker_fail(w, errno, "mmap");
            break;
        }
        *(volatile unsigned char *)p = 1;
        if (munmap(p, m->bytes) < 0) {
            worker_fail(w, errno, "munmap");
            break;
        }
    }
    w->tally[0] += i;
}

/* Mappings that were not taken away would sit where the next one goes: two in a row without
 * anything between must get one address. */
static int mmap_check(struct worker *w, struct err *err)
{
    const struct mm *m = w->state;
    void *p[2];
    for (int i = 0; i < 2; i++) {
        p[i] = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p[i] == MAP_FAILED)
            return err_errno(err, errno, "mmap");
        if (*(volatile unsigned char *)p[i] != 0)
            return err_set(err, ERR_MEASUREMENT, EIO, "a fresh mapping is not zero");
        munmap(p[i], m->bytes);
    }
    if (p[0] != p[1])
        return err_set(err, ERR_MEASUREMENT, EIO, "munmap left its mapping behind");
    return 0;
}

static const struct workload list[] = {
    {.name = "mm.fault",
     .processes = true,
     .prepare = fault_prepare,
     .start = fault_start,
     .ready = fault_ready,
     .run = run_fault,
     .check = fault_check,
     .stop = mm_stop},
    {.name = "mm.mmap",
     .processes = true,
     .prepare = mmap_prepare,
     .start = mmap_start,
     .run = run_mmap,
     .check = mmap_check,
     .stop = mm_stop},
};

const struct family family_mm = {
    .name = "mm",
    .list = list,
    .n = ARRAY_SIZE(list),
};

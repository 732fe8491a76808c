/* blogbench: what Blogbench 1.1 does to a file system: writers, rewriters, readers and commenters
 * of "blogs", all at once, for a number of ticks.
 *
 * Layer: probe. One operation is one whole run, by one worker that starts the threads and then only
 * sleeps and counts. A blog is a directory of articles, pictures and comments; each file is written
 * in chunks of 8 KiB of zeros to a temporary name, closed and renamed; nothing is synced. Readers
 * read in pieces of 64 KiB into one buffer that they share. At each tick what was counted since the
 * last is added up; work after the last tick is not counted. The totals are raw: blogs written
 * and whole blogs read, over all the time. Source: process.c, writer.c, rewriter.c, reader.c,
 * commenter.c and helpers.c of Blogbench 1.1.
 *
 * Departures, all on purpose:
 *   - counters are atomic: Blogbench's are not, and lose what is counted at the same moment;
 *   - every thread has a random stream of its own with a fixed seed, instead of one rand() under
 *     one lock, so that threads do not meet at it and a sandbox's futex is not in the result;
 *   - files are named below a descriptor of the scratch directory, not of the current one;
 *   - at the end threads stop at the next file instead of finishing their blog, and a thread that
 *     waits out an error (one second, as there) is woken;
 *   - an error other than a missing file, such as no space, ends the run as a failure: a score
 *     with writers that gave up is none.
 *
 * Parameters: dir, writers, rewriters, readers, commenters, iterations, interval (ns). */
#include "probe/family.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "probe/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#define THREADS_MAX    256 /* of each kind */
#define THREAD_STACK   (128 * 1024)
#define ITERATIONS_MAX 100000
#define INTERVAL_MAX   (INT64_C(600) * 1000000000)
#define READ_BYTES     (64 * 1024)
#define WRITE_BYTES    (8 * 1024)
#define FILES_MAX      100 /* of each kind in a blog, at most; at least one */
#define ERROR_WAIT_NS  NS_PER_S
#define NAME_BYTES     64
#define REMOVERS       16
#define SEED           UINT64_C(0x626c6f6762656e63)

enum role { WRITER, REWRITER, COMMENTER, READER, ROLES }; /* in the order they are started */
enum kind { ARTICLE, PICTURE, COMMENT };
enum count { BLOGS_WRITTEN, BLOGS_READ, REWRITES, COMMENTS, ERRORS, COUNTS };

static const struct {
    const char *name;
    int64_t fallback;
} roles[ROLES] = {{"writers", 3}, {"rewriters", 1}, {"commenters", 5}, {"readers", 10}};

static const struct {
    const char *name, *suffix;
    unsigned min, max; /* bytes: min <= size < max */
} kinds[] = {{"article-", ".xml", 1024, 32768},
             {"picture-", ".jpg", 8192, 65536},
             {"comment-", ".xml", 2048, 10240}};

struct blogbench {
    struct scratch_dir dir;
    int64_t threads[ROLES], iterations, interval;

    _Atomic uint64_t next_id; /* of the next blog */
    _Atomic uint64_t whole;   /* a blog that is finished */
    _Atomic uint64_t counts[COUNTS];
    _Atomic bool stop;
    _Atomic int failure; /* the first errno that ends the run */
    pthread_mutex_t lock;
    pthread_cond_t stopped;

    uint64_t totals[COUNTS]; /* at the last tick */
    uint64_t elapsed_ns;     /* from before the first thread to the last tick */
    char zeros[WRITE_BYTES];
    char buf[READ_BYTES]; /* what is read is looked at by nobody */
};

struct thread {
    struct blogbench *b;
    enum role role;
    struct rng rng;
    pthread_t id;
};

/* ---- files ---- */

static bool stopping(const struct blogbench *b)
{
    return atomic_load_explicit(&b->stop, memory_order_relaxed);
}

static void count(struct blogbench *b, enum count what)
{
    atomic_fetch_add_explicit(&b->counts[what], 1, memory_order_relaxed);
}

static unsigned one_to(struct thread *t, unsigned n)
{
    return 1 + (unsigned)rng_below(&t->rng, n);
}

static void file_name(char dst[NAME_BYTES], uint64_t blog, enum kind kind, unsigned n)
{
    str_format(dst, NAME_BYTES, "blog-%llu/%s%u%s", (unsigned long long)blog, kinds[kind].name, n,
               kinds[kind].suffix);
}

static bool write_zeros(const struct blogbench *b, int fd, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, b->zeros, bytes < WRITE_BYTES ? bytes : WRITE_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return false;
        }
        bytes -= (size_t)n;
    }
    return true;
}

static bool write_file(struct thread *t, uint64_t blog, enum kind kind, unsigned n)
{
    struct blogbench *b = t->b;
    char name[NAME_BYTES], tmp[NAME_BYTES + 4];
    size_t bytes = kinds[kind].min + rng_below(&t->rng, kinds[kind].max - kinds[kind].min);

    file_name(name, blog, kind, n);
    str_format(tmp, sizeof(tmp), "%s.tmp", name);
    int fd = openat(b->dir.fd, tmp, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = write_zeros(b, fd, bytes);
    int code = errno;
    if (close(fd) < 0 && ok)
        return false;
    errno = code;
    return ok && renameat(b->dir.fd, tmp, b->dir.fd, name) == 0;
}

/* Files numbered downwards from a random number. */
static bool write_files(struct thread *t, uint64_t blog, enum kind kind)
{
    for (unsigned n = one_to(t, FILES_MAX); n > 0; n--) {
        if (stopping(t->b) || !write_file(t, blog, kind, n))
            return false;
        if (kind == COMMENT)
            count(t->b, COMMENTS);
    }
    return true;
}

static bool read_file(struct blogbench *b, uint64_t blog, enum kind kind, unsigned n)
{
    char name[NAME_BYTES];
    ssize_t got;

    file_name(name, blog, kind, n);
    int fd = openat(b->dir.fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while ((got = read(fd, b->buf, READ_BYTES)) > 0 || (got < 0 && errno == EINTR))
        ;
    int code = errno;
    close(fd);
    errno = code;
    return got == 0;
}

/* ---- what the threads do: true if it was done ---- */

/* 0 too where there is no blog to choose. */
static uint64_t random_blog(struct thread *t)
{
    uint64_t next = atomic_load(&t->b->next_id);
    uint64_t last = next ? next - 1 : 0;
    errno = ENOENT;
    return last ? rng_u64(&t->rng) % last : 0;
}

static bool write_blog(struct thread *t)
{
    struct blogbench *b = t->b;
    uint64_t blog = atomic_fetch_add(&b->next_id, 1);
    char name[NAME_BYTES];

    str_format(name, sizeof(name), "blog-%llu", (unsigned long long)blog);
    if (mkdirat(b->dir.fd, name, 0700) < 0 || !write_files(t, blog, ARTICLE) ||
        !write_files(t, blog, PICTURE))
        return false;
    atomic_store(&b->whole, blog);
    count(b, BLOGS_WRITTEN);
    return true;
}

static bool rewrite_blog(struct thread *t)
{
    uint64_t blog = random_blog(t);
    if (blog == 0)
        return false;
    if (rng_below(&t->rng, 2) == 0 && !write_file(t, blog, PICTURE, one_to(t, FILES_MAX)))
        return false;
    if (!write_file(t, blog, ARTICLE, one_to(t, FILES_MAX)))
        return false;
    count(t->b, REWRITES);
    return true;
}

/* As Blogbench's, which alone takes blog 0 for one to be commented. */
static bool comment_blog(struct thread *t)
{
    return write_files(t, random_blog(t), COMMENT);
}

/* Comments until one is missing; then pictures, which may be missing, and articles until one is. */
static bool read_blog(struct thread *t)
{
    struct blogbench *b = t->b;
    uint64_t blog = random_blog(t);
    unsigned n = 1;

    if (blog == 0)
        return false;
    if (rng_below(&t->rng, 2) == 0)
        while (!stopping(b) && read_file(b, blog, COMMENT, n))
            n++;
    for (n = 1; !stopping(b); n++) {
        read_file(b, blog, PICTURE, n);
        if (!read_file(b, blog, ARTICLE, n))
            break;
    }
    if (stopping(b))
        return false;
    count(b, BLOGS_READ);
    return true;
}

static bool (*const work[ROLES])(struct thread *) = {write_blog, rewrite_blog, comment_blog,
                                                     read_blog};

/* A store without blogs, or a directory that its writer has not made yet, is met in every run. */
static void after_error(struct blogbench *b, int code)
{
    int none = 0;
    count(b, ERRORS);
    if (code != ENOENT) {
        atomic_compare_exchange_strong(&b->failure, &none, code ? code : EIO);
        return;
    }
    uint64_t until = time_deadline(ERROR_WAIT_NS);
    struct timespec ts = {.tv_sec = (time_t)(until / NS_PER_S),
                          .tv_nsec = (long)(until % NS_PER_S)};
    pthread_mutex_lock(&b->lock);
    while (!stopping(b) && pthread_cond_timedwait(&b->stopped, &b->lock, &ts) == 0)
        ;
    pthread_mutex_unlock(&b->lock);
}

static void *thread_main(void *user)
{
    struct thread *t = user;
    while (!stopping(t->b) && !atomic_load(&t->b->failure)) {
        if (!work[t->role](t) && !stopping(t->b))
            after_error(t->b, errno);
    }
    return NULL;
}

/* ---- a run ---- */

static void stop_threads(struct blogbench *b, struct thread *threads, unsigned n)
{
    pthread_mutex_lock(&b->lock);
    atomic_store(&b->stop, true);
    pthread_cond_broadcast(&b->stopped);
    pthread_mutex_unlock(&b->lock);
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i].id, NULL);
}

/* Starts all threads; *ret_n is how many run. 0 or an errno. */
static int start_threads(struct blogbench *b, struct thread *threads, unsigned *ret_n)
{
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);
    if (r == 0)
        r = pthread_attr_setstacksize(&attr, THREAD_STACK);
    *ret_n = 0;
    for (enum role role = 0; role < ROLES; role++)
        for (int64_t k = 0; r == 0 && k < b->threads[role]; k++) {
            struct thread *t = &threads[*ret_n];
            *t = (struct thread){.b = b, .role = role};
            rng_stream(&t->rng, SEED, role, (uint64_t)k);
            r = pthread_create(&t->id, &attr, thread_main, t);
            *ret_n += r == 0;
        }
    pthread_attr_destroy(&attr);
    return r;
}

static void sleep_until(uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        ;
}

static void ticks(struct blogbench *b, uint64_t start)
{
    uint64_t from = time_mono_ns();
    for (int64_t i = 1; i <= b->iterations && !atomic_load(&b->failure); i++) {
        sleep_until(from + (uint64_t)(i * b->interval));
        for (unsigned k = 0; k < COUNTS; k++)
            b->totals[k] += atomic_exchange(&b->counts[k], 0);
        b->elapsed_ns = time_mono_ns() - start;
    }
}

static void run_once(struct worker *w, struct blogbench *b)
{
    unsigned n = 0;
    int64_t all = 0;
    for (unsigned r = 0; r < ROLES; r++)
        all += b->threads[r];
    _cleanup_free_ struct thread *threads = xcalloc((size_t)all, sizeof(*threads));

    atomic_store(&b->stop, false);
    uint64_t start = time_mono_ns();
    int r = start_threads(b, threads, &n);
    if (r == 0)
        ticks(b, start);
    stop_threads(b, threads, n);
    if (r != 0)
        worker_fail(w, r, "start the threads");
    else if (atomic_load(&b->failure))
        worker_fail(w, atomic_load(&b->failure), "write or read a blog");
}

static void blogbench_run(struct worker *w, uint64_t ops)
{
    struct blogbench *b = w->state;
    uint64_t i = 0;
    for (; i < ops && !w->fail_code; i++)
        run_once(w, b);
    w->tally[0] += w->fail_code ? 0 : i;
}

/* ---- around it ---- */

static int blogbench_params(const struct job *job, struct blogbench *b, struct err *err)
{
    int r = job_num(job, "iterations", 1, ITERATIONS_MAX, 30, &b->iterations, err);
    if (r == 0)
        r = job_num(job, "interval", (int64_t)NS_PER_MS, INTERVAL_MAX, INT64_C(10) * NS_PER_S,
                    &b->interval, err);
    for (unsigned i = 0; r == 0 && i < ROLES; i++)
        r = job_num(job, roles[i].name, 1, THREADS_MAX, roles[i].fallback, &b->threads[i], err);
    return r;
}

static int blogbench_prepare(struct job *job, struct err *err)
{
    const char *dir;
    int r = scratch_param(job, &dir, err);
    if (r == 0 && job->prepare.workers != 1)
        r = err_set(err, ERR_USAGE, EINVAL, "one worker starts the threads, not %u",
                    job->prepare.workers);
    if (r == 0)
        scratch_facts(dir, &job->facts);
    return r;
}

static void blogbench_stop(struct worker *w)
{
    struct blogbench *b = w->state;
    if (!b)
        return;
    if (b->dir.path[0])
        fs_remove_tree(b->dir.path, NULL); /* two levels deep, no link is followed */
    scratch_remove(&b->dir);
    pthread_cond_destroy(&b->stopped);
    pthread_mutex_destroy(&b->lock);
    free(b);
    w->state = NULL;
}

static int blogbench_start(struct worker *w, struct err *err)
{
    struct blogbench *b = w->state = xcalloc(1, sizeof(*b));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->stopped, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&b->lock, NULL);
    int r = blogbench_params(w->job, b, err);
    if (r == 0)
        r = scratch_make(w->job, &b->dir, err);
    if (r == 0)
        sync(); /* as Blogbench does first */
    return r;
}

/* Every blog that was begun has its directory; there are no more. */
static int blogs_on_disk(const struct blogbench *b, uint64_t *ret, struct err *err)
{
    DIR *d = opendir(b->dir.path);
    if (!d)
        return err_errno(err, errno, "open %s", b->dir.path);
    *ret = 0;
    for (struct dirent *e; (e = readdir(d));)
        *ret += str_starts(e->d_name, "blog-");
    closedir(d);
    return 0;
}

/* The first article of a finished blog: its size within the bounds, and nothing but zeros. */
static int first_article_check(struct blogbench *b, struct err *err)
{
    char name[NAME_BYTES];
    struct stat st;
    file_name(name, atomic_load(&b->whole), ARTICLE, 1);
    _cleanup_fd_ int fd = openat(b->dir.fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, errno, "open %s/%s", b->dir.path, name);
    memset(b->buf, 1, sizeof(b->buf));
    ssize_t n = read(fd, b->buf, sizeof(b->buf));
    if (n != st.st_size || n < kinds[ARTICLE].min || n >= kinds[ARTICLE].max)
        return err_set(err, ERR_MEASUREMENT, EIO, "%s has %lld bytes", name, (long long)st.st_size);
    for (ssize_t i = 0; i < n; i++)
        if (b->buf[i])
            return err_set(err, ERR_MEASUREMENT, EIO, "%s does not hold zeros", name);
    return 0;
}

/* ---- the end ---- */

struct remover {
    struct blogbench *b;
    unsigned first;
    pthread_t id;
};

static void *remove_every_nth(void *user)
{
    struct remover *r = user;
    char path[SCRATCH_PATH + NAME_BYTES];
    for (uint64_t id = r->first; id < atomic_load(&r->b->next_id); id += REMOVERS) {
        str_format(path, sizeof(path), "%s/blog-%llu", r->b->dir.path, (unsigned long long)id);
        fs_remove_tree(path, NULL); /* two levels deep, no link is followed */
    }
    return NULL;
}

/* Several at once: a file system without a journal that is mounted with `discard` waits for the
 * device at each of the hundred thousand files. What they leave, the end of the job takes. */
static void remove_blogs(struct blogbench *b)
{
    struct remover v[REMOVERS];
    unsigned n = 0;
    for (; n < REMOVERS; n++) {
        v[n] = (struct remover){.b = b, .first = n};
        if (pthread_create(&v[n].id, NULL, remove_every_nth, &v[n]) != 0)
            break;
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(v[i].id, NULL);
}

static int blogbench_check(struct worker *w, struct err *err)
{
    struct blogbench *b = w->state;
    uint64_t on_disk = 0, begun = atomic_load(&b->next_id);
    int r = blogs_on_disk(b, &on_disk, err);
    if (r == 0 && (on_disk != begun || b->totals[BLOGS_WRITTEN] > begun))
        r = err_set(err, ERR_MEASUREMENT, EIO, "%llu blogs begun, %llu written, %llu found",
                    (unsigned long long)begun, (unsigned long long)b->totals[BLOGS_WRITTEN],
                    (unsigned long long)on_disk);
    if (r == 0 && b->totals[BLOGS_WRITTEN] > 0)
        r = first_article_check(b, err);
    remove_blogs(b);
    return r;
}

static int blogbench_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    const struct blogbench *b = job->workers[0].state;
    int r = job_verify_count(job, 1, fin, err);
    if (r < 0)
        return r;
    facts_add_num(&fin->facts, "read", (int64_t)b->totals[BLOGS_READ]);
    facts_add_num(&fin->facts, "write", (int64_t)b->totals[BLOGS_WRITTEN]);
    facts_add_num(&fin->facts, "read_ns", (int64_t)b->elapsed_ns);
    facts_add_num(&fin->facts, "write_ns", (int64_t)b->elapsed_ns);
    facts_add_num(&fin->facts, "elapsed_ns", (int64_t)b->elapsed_ns);
    facts_add_num(&fin->facts, "rewrites", (int64_t)b->totals[REWRITES]);
    facts_add_num(&fin->facts, "comments", (int64_t)b->totals[COMMENTS]);
    facts_add_num(&fin->facts, "errors", (int64_t)b->totals[ERRORS]);
    str_format(fin->detail, sizeof(fin->detail), "%llu blogs begun, each found on disk",
               (unsigned long long)atomic_load(&b->next_id));
    return 0;
}

static const struct workload list[] = {
    {.name = "blogbench",
     .no_hist = true,
     .prepare = blogbench_prepare,
     .start = blogbench_start,
     .run = blogbench_run,
     .check = blogbench_check,
     .verify = blogbench_verify,
     .stop = blogbench_stop},
};

const struct family family_blogbench = {
    .name = "blogbench",
    .list = list,
    .n = ARRAY_SIZE(list),
};

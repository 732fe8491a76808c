/* System calls written down by the kernel's tracing, one record each, and counted afterwards. */
#include <tracefs.h> /* before all else: it has arguments called "system", which is banned */

#include "host/callcount-way.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "host/tracing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS_MAX 10

/* Of buffer per CPU: a record takes 72 bytes, so it holds 460 thousand calls. On a machine with
 * little memory or very many CPUs all buffers together take an eighth of what is free. */
#define BUFFER_KIB_MAX   32768
#define BUFFER_KIB_LEAST 1024

/* In the first process namespace: the inode number the kernel gives it. */
#define FIRST_PID_NS 0xEFFFFFFCu

#define PID_LIMIT (4u << 20) /* the kernel's own for pid_max */

struct tracer {
    char path[160]; /* "" until it is made */
    struct tracefs_instance *instance;
    struct tep_handle *formats;
    struct tep_event *enter, *task;
    unsigned buffer_kib;
    /* The process that each thread belongs to: those that were there, and those that began. */
    pid_t *process;
    size_t n_process;
    struct {
        uint64_t *v;
        size_t n, cap;
    } calls; /* process << 32 | number, one for each call */
};

static int refused(int code, const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, code, "system calls cannot be counted by tracefs: %s: %s",
                   what, strerror(code));
}

static int refused_why(const char *why, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "system calls cannot be counted by tracefs: %s",
                   why);
}

/* ---- making the instance ---- */

static unsigned fitting_kib(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF), page = sysconf(_SC_PAGESIZE),
         free = sysconf(_SC_AVPHYS_PAGES);
    long kib = free / 8 * (page / 1024) / (cpus > 0 ? cpus : 1);
    if (kib > BUFFER_KIB_MAX)
        return BUFFER_KIB_MAX;
    return kib < BUFFER_KIB_LEAST ? BUFFER_KIB_LEAST : (unsigned)kib;
}

static int put(struct tracer *t, const char *file, const char *text, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", t->path, file);
    struct err why = ERR_INIT;
    return file_write(path, text, &why) < 0 ? refused(why.code, file, err) : 0;
}

/* A full buffer takes no more, which is cheaper than making room; the clock is one that all CPUs
 * share, since by it the records are put in order. */
static int set_up(struct tracer *t, struct err *err)
{
    char kib[16];
    str_format(kib, sizeof(kib), "%u", t->buffer_kib);
    int r = put(t, "buffer_size_kb", kib, err);
    if (r == 0)
        r = put(t, "trace_clock", "global", err);
    if (r == 0)
        r = put(t, "options/overwrite", "0", err);
    return r == 0 ? put(t, "options/event-fork", "1", err) : r;
}

static int make(struct tracer *t, const char *path, struct err *err)
{
    const char *name = strrchr(path, '/') + 1, *dir = tracing_dir();
    const char *const systems[] = {"raw_syscalls", "task", NULL};
    if (mkdir(path, 0750) < 0)
        return refused(errno, "an instance", err);
    str_copy(t->path, sizeof(t->path), path);
    tracefs_set_loglevel(TEP_LOG_NONE); /* it would write to standard error */
    t->instance = tracefs_instance_alloc(dir, name);
    t->formats = t->instance ? tracefs_local_events_system(dir, systems) : NULL;
    if (!t->formats)
        return refused(errno ? errno : ENOMEM, "its events", err);
    t->enter = tep_find_event_by_name(t->formats, "raw_syscalls", "sys_enter");
    t->task = tep_find_event_by_name(t->formats, "task", "task_newtask");
    if (!t->enter || !t->task)
        return refused_why("the kernel has no such events (CONFIG_FTRACE_SYSCALLS)", err);
    return set_up(t, err);
}

/* ---- whom it is about ---- */

static void note(struct tracer *t, pid_t thread, pid_t process)
{
    if (thread > 0 && (size_t)thread < t->n_process)
        t->process[thread] = process;
}

static pid_t process_of(const struct tracer *t, pid_t thread)
{
    bool known = thread > 0 && (size_t)thread < t->n_process && t->process[thread];
    return known ? t->process[thread] : thread;
}

/* The threads of a process that are not known yet, into the text. */
static void add_threads(struct tracer *t, pid_t pid, struct str *new)
{
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && (e = readdir(threads));) {
        uint64_t thread;
        if (parse_u64(e->d_name, 1, PID_LIMIT, "thread", &thread, NULL) < 0 ||
            (thread < t->n_process && t->process[thread] == pid))
            continue;
        note(t, (pid_t)thread, pid);
        str_addf(new, "%u ", (unsigned)thread);
    }
    if (threads)
        closedir(threads);
}

/* Once over all of the group. Returns how many bytes of names were new. */
static int add_group(struct tracer *t, const struct cgroups *c, const char *group, struct err *err)
{
    _cleanup_(str_release) struct str new = STR_INIT;
    struct pid_list pids = {0};
    int r = cgroup_pids(c, group, &pids, err);
    for (size_t i = 0; r == 0 && i < pids.n; i++)
        add_threads(t, pids.v[i], &new);
    pid_list_release(&pids);
    if (r < 0 || new.len == 0)
        return r;
    /* Not by O_TRUNC: that would forget those before. */
    _cleanup_fd_ int fd = tracefs_instance_file_open(t->instance, "set_event_pid", O_WRONLY);
    if (fd < 0)
        return refused(errno, "set_event_pid", err);
    struct err why = ERR_INIT;
    if (fd_write_full(fd, new.buf, new.len, &why) < 0)
        return refused(why.code, "set_event_pid", err);
    return 1;
}

/* A thread that begins meanwhile is followed by then, but whose it is is only written down once
 * task_newtask is on; so again, until a look finds nobody. Without anybody in it the filter would
 * let all pass. */
static int follow(struct tracer *t, const struct cgroups *c, const char *group, struct err *err)
{
    int r = add_group(t, c, group, err), on;
    if (r == 0)
        return err_set(err, ERR_MEASUREMENT, ESRCH, "there is nobody in %s to be counted", group);
    if (r > 0 && (on = put(t, "events/task/task_newtask/enable", "1", err)) < 0)
        return on;
    for (int i = 0; i < ROUNDS_MAX && r > 0; i++)
        r = add_group(t, c, group, err);
    if (r > 0)
        return err_set(err, ERR_ENVIRONMENT, EAGAIN, "%s forks too fast to be counted", group);
    return r == 0 ? put(t, "events/raw_syscalls/sys_enter/enable", "1", err) : r;
}

/* ---- what it says ---- */

static uint64_t field(struct tep_event *event, const char *name, const struct tep_record *record)
{
    unsigned long long value = 0;
    struct tep_format_field *f = tep_find_field(event, name);
    if (f)
        tep_read_number_field(f, record->data, &value);
    return value;
}

static int take(struct tep_event *event, struct tep_record *record, int cpu, void *user)
{
    struct tracer *t = user;
    pid_t thread = tep_data_pid(t->formats, record), process = process_of(t, thread);
    if (event->id == t->enter->id) {
        uint64_t call = (uint64_t)(uint32_t)process << 32 | (uint32_t)field(t->enter, "id", record);
        VEC_PUSH(&t->calls, call);
    } else if (event->id == t->task->id) {
        pid_t child = (pid_t)field(t->task, "pid", record);
        bool is_thread = field(t->task, "clone_flags", record) & CLONE_THREAD;
        note(t, child, is_thread ? process : child);
    }
    return 0;
}

static uint64_t number_after(const char *text, const char *what)
{
    const char *at = strstr(text, what);
    return at ? strtoull(at + strlen(what), NULL, 10) : 0;
}

/* By the kernel's own word, before the records are read. */
static int check_lost(struct tracer *t, struct err *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    uint64_t lost = 0;
    for (long i = 0; i < cpus; i++) {
        _cleanup_(str_release) struct str stats = STR_INIT;
        _cleanup_free_ char *path = xasprintf("%s/per_cpu/cpu%ld/stats", t->path, i);
        if (access(path, F_OK) < 0 && errno == ENOENT)
            continue; /* no such CPU, though others have higher numbers */
        int r = file_read(path, 4096, &stats, err);
        if (r < 0)
            return r;
        lost += number_after(stats.buf, "\noverrun: ") +
                number_after(stats.buf, "commit overrun: ") +
                number_after(stats.buf, "dropped events: ");
    }
    if (lost == 0)
        return 0;
    return err_set(err, ERR_MEASUREMENT, ENOBUFS,
                   "tracefs lost %llu system calls: they are more than its buffer of %u KiB a CPU "
                   "holds; let the kernel count by BPF, or free memory for a larger one",
                   (unsigned long long)lost, t->buffer_kib);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void add_up(struct tracer *t, struct call_tallies *ret)
{
    qsort(t->calls.v, t->calls.n, sizeof(*t->calls.v), by_value);
    for (size_t i = 0, n; i < t->calls.n; i += n) {
        uint64_t call = t->calls.v[i];
        for (n = 1; i + n < t->calls.n && t->calls.v[i + n] == call;)
            n++;
        struct call_tally x = {.pid = (pid_t)(call >> 32), .number = (unsigned)call, .times = n};
        VEC_PUSH(ret, x);
    }
}

static int tracer_read(void *own, struct call_tallies *ret, struct err *err)
{
    struct tracer *t = own;
    if (put(t, "tracing_on", "0", err) < 0)
        return err_wrap(err, "end the counting");
    int r = check_lost(t, err);
    if (r < 0)
        return r;
    if (tracefs_iterate_raw_events(t->formats, t->instance, NULL, 0, take, t) < 0)
        return err_errno(err, errno ? errno : EIO, "read what tracefs counted");
    if (t->calls.n > 0)
        add_up(t, ret);
    return 0;
}

/* ---- open, close ---- */

static void tracer_close(void *own)
{
    struct tracer *t = own;
    tep_free(t->formats);
    tracefs_instance_free(t->instance);
    if (t->path[0])
        tracing_remove(t->path, NULL);
    VEC_RELEASE(&t->calls);
    free(t->process);
    free(t);
}

static const struct callcount_way way = {
    .name = "tracefs", .read = tracer_read, .close = tracer_close};

static int may_trace(const char *instance, struct err *err)
{
    struct stat st;
    if (!tracing_dir())
        return refused_why("no tracefs is mounted (mount -t tracefs nodev " TRACING_DIR ")", err);
    if (!instance[0])
        return refused_why("no instance of it may be made", err);
    if (stat("/proc/self/ns/pid", &st) < 0 || st.st_ino != FIRST_PID_NS)
        return refused_why("its process numbers are not those of this process namespace", err);
    return 0;
}

int callcount_open_tracefs(const struct cgroups *c, const char *group, const char *instance,
                           unsigned buffer_kib, struct callcount **ret, struct err *err)
{
    uint64_t pid_max = 0;
    int r = may_trace(instance, err);
    if (r < 0)
        return r;
    if (file_read_u64("/proc/sys/kernel/pid_max", &pid_max) < 0 || pid_max > PID_LIMIT)
        pid_max = PID_LIMIT;
    struct tracer *t = xcalloc(1, sizeof(*t));
    t->buffer_kib = buffer_kib ? buffer_kib : fitting_kib();
    t->n_process = (size_t)pid_max + 1;
    t->process = xcalloc(t->n_process, sizeof(*t->process));
    r = make(t, instance, err);
    if (r == 0)
        r = follow(t, c, group, err);
    if (r < 0) {
        tracer_close(t);
        return r;
    }
    *ret = callcount_new(&way, t);
    return 0;
}

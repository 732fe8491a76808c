#include "fleet/steward-work.h"

#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "fleet/install.h"
#include "store/exchange.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#define DOCTOR_NS  (60 * NS_PER_S)
#define DOCTOR_MAX (384u << 10)
#define ARGS_MAX   128
#define LINE_MAX_  400
#define RESULTS    "results.db"

void work_environment(const char *dir)
{
    const char *path = getenv("PATH");
    const struct {
        const char *name, *value;
    } places[] = {{"CUPEL_STATE", "state"},
                  {"CUPEL_PROBE", "bin/cupel-probe"},
                  {"CUPEL_WORKLOADS", "workloads"},
                  {"CUPEL_CLAIMS", "claims"}};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _cleanup_free_ char *full = xasprintf("%s/%s", dir, places[i].value);
        setenv(places[i].name, full, 1);
    }
    /* The PATH of an account that nobody logs in to may lack what root has. */
    _cleanup_free_ char *longer =
        xasprintf("%s%s/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                  path ? path : "", path && *path ? ":" : "");
    setenv("PATH", longer, 1);
    setenv("LC_ALL", "C", 1);
    setenv("TERM", "dumb", 1);
}

/* Cupel as it was brought, by its own loader as this process is. Returns the number of words. */
static size_t own_words(const char *dir, struct str texts[3], const char *argv[])
{
    char self[PATH_MAX];
    ssize_t got = readlink("/proc/self/exe", self, sizeof(self) - 1);
    size_t n = 0;

    self[got > 0 ? got : 0] = '\0';
    str_addf(&texts[0], "%s/lib", dir);
    str_addf(&texts[1], "%s/bin/cupel", dir);
    str_add(&texts[2], self);
    if (access(texts[1].buf, X_OK) < 0) { /* not brought, but installed */
        argv[n++] = texts[2].buf;
        return n;
    }
    if (str_starts(self, texts[0].buf) && self[texts[0].len] == '/') {
        argv[n++] = texts[2].buf;
        argv[n++] = "--library-path";
        argv[n++] = texts[0].buf;
    }
    argv[n++] = texts[1].buf;
    return n;
}

static void words_release(struct str (*texts)[3])
{
    for (size_t i = 0; i < 3; i++)
        str_release(&(*texts)[i]);
}

/* To look at all that a machine may have takes seconds where it has much. None are added where they
 * are to be found out. */
static size_t add_targets(const json_t *args, const char **argv, size_t n)
{
    size_t i, before = n;
    const json_t *arg;
    bool is_target = false;

    json_array_foreach (args, i, arg) {
        const char *text = json_string_value(arg);
        if (is_target && (!text || n + 4 > ARGS_MAX || strpbrk(text, "*?[")))
            return before;
        if (is_target) {
            argv[n++] = "--target";
            argv[n++] = text;
        }
        is_target = !is_target && str_eq(text, "--target");
    }
    return n;
}

int work_doctor(struct loop *l, const char *dir, const json_t *args, json_t **ret, struct err *err)
{
    _cleanup_(words_release) struct str texts[3] = {STR_INIT, STR_INIT, STR_INIT};
    const char *argv[ARGS_MAX];
    size_t n = own_words(dir, texts, argv);
    const struct spawn_spec spec = {.argv = argv,
                                    .what = "cupel doctor",
                                    .fd_in = -1,
                                    .fd_out = -1,
                                    .fd_err = -1,
                                    .die_with_parent = true,
                                    .new_session = true};
    struct spawn_result res;

    argv[n++] = "doctor";
    argv[n++] = "--json";
    n = add_targets(args, argv, n);
    argv[n] = NULL;
    int r = spawn_run(l, &spec, time_deadline(DOCTOR_NS), DOCTOR_MAX, &res, err);
    if (r == 0)
        r = spawn_check(&spec, &res, err);
    if (r == 0) {
        *ret = json_loadb(res.out.buf, res.out.len, 0, NULL);
        if (!*ret)
            r = err_set(err, ERR_BUG, EINVAL, "doctor's report cannot be read");
    }
    spawn_result_release(&res);
    return r;
}

/* ---- the run ---- */

static void whole_line(struct work *w)
{
    str_printable(w->line.buf);
    if (w->line.len == 0)
        return;
    str_copy(w->last, sizeof(w->last), w->line.buf);
    w->say(w->user, w->line.buf);
    str_clear(&w->line);
}

static void on_err(void *user, int fd, uint32_t events)
{
    struct work *w = user;
    char chunk[4096];
    ssize_t n = read(w->fd_err, chunk, sizeof(chunk));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        loop_remove(w->loop, w->src_err);
        w->src_err = NULL;
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (chunk[i] == '\n')
            whole_line(w);
        else if (w->line.len < LINE_MAX_)
            str_addc(&w->line, chunk[i]);
    }
}

static void on_exit_of_run(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct work *w = user;

    w->running = false;
    w->wait_status = wait_status;
    *w->wake = true;
}

static int spawn_work(struct work *w, const char *what, const char *const *argv, struct err *err)
{
    int p[2];
    int r = fd_pipe(p, err);

    if (r < 0)
        return r;
    const struct spawn_spec spec = {.argv = argv,
                                    .what = what,
                                    .fd_in = -1,
                                    .fd_out = -1,
                                    .fd_err = p[1],
                                    .die_with_parent = true,
                                    .new_session = true};
    r = spawn(&spec, &w->pid, err);
    fd_close(&p[1]);
    w->fd_err = p[0];
    if (r == 0)
        r = fd_set_nonblock(w->fd_err, true, err);
    if (r == 0)
        r = loop_add_fd(w->loop, w->fd_err, EPOLLIN, on_err, w, &w->src_err, err);
    if (r == 0)
        r = loop_watch_child(w->loop, w->pid, on_exit_of_run, w, &w->watch, err);
    return r;
}

static int begin_work(struct work *w, const char *what, const char *const *argv, struct err *err)
{
    w->last[0] = '\0';
    w->running = true;
    int r = spawn_work(w, what, argv, err);
    if (r < 0)
        w->running = false;
    return r;
}

int work_install(struct work *w, const char *dir, const char *names, struct err *err)
{
    _cleanup_(words_release) struct str texts[3] = {STR_INIT, STR_INIT, STR_INIT};
    const char *argv[10];
    size_t n = own_words(dir, texts, argv);

    argv[n++] = "steward";
    argv[n++] = "--install";
    argv[n++] = names;
    argv[n++] = dir;
    argv[n] = NULL;
    return begin_work(w, "cupel steward --install", argv, err);
}

int work_start(struct work *w, const char *dir, const json_t *args, bool resume, struct err *err)
{
    _cleanup_(words_release) struct str texts[3] = {STR_INIT, STR_INIT, STR_INIT};
    const char *argv[ARGS_MAX];
    size_t n = own_words(dir, texts, argv), i;
    const json_t *arg;

    argv[n++] = "run";
    argv[n++] = "--db";
    argv[n++] = RESULTS;
    argv[n++] = resume ? "--resume" : "--plan";
    argv[n++] = resume ? "r1" : "plan.yaml";
    json_array_foreach (args, i, arg) {
        if (resume || !json_is_string(arg))
            continue;
        if (n + 1 >= ARGS_MAX)
            return err_set(err, ERR_USAGE, E2BIG, "too many options for the run there");
        argv[n++] = json_string_value(arg);
    }
    argv[n] = NULL;
    return begin_work(w, "cupel run", argv, err);
}

void work_finish(struct work *w)
{
    for (int i = 0; i < 64 && w->src_err; i++)
        on_err(w, w->fd_err, EPOLLIN);
    whole_line(w);
    loop_remove(w->loop, w->watch);
    loop_remove(w->loop, w->src_err);
    w->watch = w->src_err = NULL;
    fd_close(&w->fd_err);
}

/* ---- its results ---- */

static int open_run(struct store **ret, int64_t *ret_run, struct err *err)
{
    struct store *s = NULL;
    int r = access(RESULTS, F_OK) == 0 ? store_open(RESULTS, false, &s, err)
                                       : err_set(err, ERR_ENVIRONMENT, ENOENT, "no results");

    if (r == 0)
        r = store_run_find(s, NULL, ret_run, err);
    if (r < 0) {
        if (s)
            store_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void work_standing(struct standing *ret)
{
    _cleanup_(run_head_release) struct run_head head;
    struct store *s;
    int64_t run;

    run_head_init(&head);
    *ret = (struct standing){.stored = false};
    if (open_run(&s, &run, NULL) < 0)
        return;
    if (store_run_head(s, run, &head, NULL) == 0)
        *ret = (struct standing){.stored = true, .part = !str_eq(head.status, "complete")};
    store_close(s);
}

static void add_installed(json_t *document)
{
    json_t *machine = json_object_get(json_object_get(document, "run"), "machine");
    json_t *installed = install_record();

    if (json_is_object(machine) && json_array_size(installed) > 0)
        json_object_set(machine, "installed", installed);
    json_decref(installed);
}

int work_export(uint64_t *ret_bytes, char ret_sha256[FS_SHA256_HEX], struct err *err)
{
    struct store *s;
    json_t *document = NULL;
    int64_t run;
    int r = open_run(&s, &run, err);

    if (r < 0)
        return r;
    r = exchange_export(s, run, NULL, &document, err);
    store_close(s);
    if (r == 0)
        add_installed(document);
    _cleanup_free_ char *text = r == 0 ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (r < 0)
        return r;
    _cleanup_fd_ int fd = memfd_create("cupel-run", MFD_CLOEXEC);
    if (!text || fd < 0)
        return err_set(err, ERR_ENVIRONMENT, ENOMEM, "no room for the run in memory");
    size_t n = strlen(text);
    r = fd_write_full(fd, text, n, err);
    if (r < 0)
        return r;
    fs_sha256_bytes(text, n, ret_sha256);
    *ret_bytes = n;
    return TAKE_FD(fd);
}

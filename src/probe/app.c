/* app.run: a program as it is, such as a benchmark with its server. prepare.spec says what it is
 * (wire/appspec.h).
 *
 * Layer: probe. Making files, starting the server, waiting until it is ready and the commands of
 * `setup` are preparation; the slice is the command, from fork to the end that is seen here. What
 * it wrote goes back with the slice: what it means is the controller's to say. */
#include "probe/child.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define READY_STEP_NS  (20 * NS_PER_MS)
#define PATIENCE_NS    (2 * NS_PER_S)
#define LAST_WORDS_MAX 160

struct app {
    struct appspec spec;
    struct child server, command;
    struct capture server_out, out;
    bool server_dead;
    unsigned left; /* processes that commands left behind */
};

/* ---- failures, in the words of whoever failed ---- */

static int said(struct err *err, int code, const char *what, const char *how,
                const struct capture *out)
{
    char last[LAST_WORDS_MAX];
    capture_last(out, last, sizeof(last));
    return err_set(err, code == ETIMEDOUT ? ERR_TIMEOUT : ERR_MEASUREMENT, code, "%.40s %s%s%s",
                   what, how, last[0] ? ": " : "", last);
}

static int timed_out(struct err *err, const struct appspec_command *c, const struct capture *out)
{
    char how[64];
    str_format(how, sizeof(how), "did not end within %.3g s", (double)c->timeout_ns / NS_PER_S);
    return said(err, ETIMEDOUT, c->argv[0], how, out);
}

/* ---- preparing ---- */

/* Directories of a path, as far as they are missing. */
static int make_parents(const char *path, struct err *err)
{
    _cleanup_free_ char *copy = xstrdup(path);
    for (char *p = copy + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return err_errno(err, errno, "make %s", copy);
        *p = '/';
    }
    return 0;
}

static int make_file(const struct appspec_file *f, struct err *err)
{
    int r = make_parents(f->path, err);
    if (r < 0)
        return r;
    _cleanup_fd_ int fd =
        open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, f->mode);
    if (fd < 0 || fchmod(fd, f->mode) < 0)
        return err_errno(err, errno, "make %s", f->path);
    return fd_write_full(fd, f->text, strlen(f->text), err);
}

static int run_command(const struct job *job, struct app *a, const struct appspec_command *c,
                       struct err *err)
{
    int r = child_start(job, c, &a->out, &a->command, err);
    if (r < 0)
        return r;
    if (child_wait(&a->command, &a->server, time_deadline(c->timeout_ns)) < 0) {
        child_end(&a->command, PATIENCE_NS);
        return timed_out(err, c, &a->out);
    }
    if (a->command.status != 0) {
        char fate[64];
        child_fate(&a->command, fate, sizeof(fate));
        return said(err, EIO, c->argv[0], fate, &a->out);
    }
    return 0;
}

static bool port_answers(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static bool is_ready(const struct job *job, struct app *a)
{
    _cleanup_free_ char *text = NULL;
    switch (a->spec.ready) {
    case READY_TCP:
        return port_answers(a->spec.port);
    case READY_OUTPUT:
        text = capture_text(&a->server_out);
        return strstr(text, a->spec.ready_output) != NULL;
    case READY_COMMAND:
        return run_command(job, a, &a->spec.ready_command, NULL) == 0;
    case READY_AT_ONCE:
        break;
    }
    return true;
}

static int start_server(const struct job *job, struct app *a, struct err *err)
{
    const struct appspec_command *c = &a->spec.server;
    uint64_t deadline = time_deadline(c->timeout_ns);
    char how[80];
    /* On the host it may be a user's own: what answers would not be what was started. */
    if (a->spec.ready == READY_TCP && port_answers(a->spec.port))
        return err_set(err, ERR_ENVIRONMENT, EADDRINUSE,
                       "something else answers at port %u already; end it, or use another port",
                       a->spec.port);
    int r = child_start(job, c, &a->server_out, &a->server, err);
    if (r < 0)
        return r;
    for (;;) {
        child_watch(&a->server, READY_STEP_NS);
        if (a->server.pid == 0) {
            child_fate(&a->server, how, sizeof(how));
            return said(err, ECHILD, c->argv[0], how, &a->server_out);
        }
        if (is_ready(job, a))
            return 0;
        if (time_mono_ns() < deadline)
            continue;
        str_format(how, sizeof(how), "was not ready within %.3g s",
                   (double)c->timeout_ns / NS_PER_S);
        return said(err, ETIMEDOUT, c->argv[0], how, &a->server_out);
    }
}

static int app_prepare(struct job *job, struct err *err)
{
    struct app *a = job->state = xcalloc(1, sizeof(*a));
    a->server.fd = a->command.fd = -1;
    if (!job->prepare.spec)
        return err_set(err, ERR_USAGE, EINVAL, "no description of the application came");
    if (job->prepare.workers != 1)
        return err_set(err, ERR_USAGE, EINVAL, "an application has one worker");
    if (job->inject > 0)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "nothing can be added to an application");
    int r = appspec_parse(job->prepare.spec, &a->spec, err);
    child_setup();
    for (size_t i = 0; r == 0 && i < a->spec.n_files; i++)
        r = make_file(&a->spec.files[i], err);
    if (r == 0 && a->spec.server.argv)
        r = start_server(job, a, err);
    for (size_t i = 0; r == 0 && i < a->spec.n_setup; i++)
        r = run_command(job, a, &a->spec.setup[i], err);
    return r;
}

/* ---- the slice ---- */

static void app_run(struct worker *w, uint64_t ops)
{
    struct app *a = w->job->state;
    struct err err = ERR_INIT;
    for (uint64_t i = 0; i < ops; i++) {
        if (run_command(w->job, a, &a->spec.command, &err) < 0) {
            worker_fail_text(w, err.code, err.msg);
            return;
        }
        w->tally[0]++;
    }
}

static char *app_output(struct job *job)
{
    const struct app *a = job->state;
    return capture_text(&a->out);
}

/* ---- afterwards ---- */

static int64_t micros(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static int app_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    struct app *a = job->state;
    const struct rusage *u = &a->command.usage;
    int r = job_verify_count(job, 1, fin, err);
    if (r < 0)
        return r;
    if (a->spec.server.argv) {
        child_watch(&a->server, 0);
        if (a->server.pid == 0) {
            char fate[64];
            child_fate(&a->server, fate, sizeof(fate));
            return said(err, ECHILD, a->spec.server.argv[0], fate, &a->server_out);
        }
    }
    a->left += child_sweep(&a->server);
    str_format(fin->detail, sizeof(fin->detail), "%.100s ended with status 0",
               a->spec.command.argv[0]);
    facts_add_num(&fin->facts, "command_user_us", micros(u->ru_utime));
    facts_add_num(&fin->facts, "command_sys_us", micros(u->ru_stime));
    facts_add_num(&fin->facts, "max_rss_kib", u->ru_maxrss);
    facts_add_num(&fin->facts, "output_bytes", (int64_t)a->out.total);
    facts_add_num(&fin->facts, "children_left", a->left);
    return 0;
}

static void app_teardown(struct job *job)
{
    struct app *a = job->state;
    if (!a)
        return;
    child_end(&a->command, PATIENCE_NS);
    child_end(&a->server, PATIENCE_NS);
    child_sweep(NULL);
    for (size_t i = 0; i < a->spec.n_files; i++)
        unlink(a->spec.files[i].path);
    appspec_release(&a->spec);
    free(a);
}

static const struct workload list[] = {
    {.name = "app.run",
     .no_hist = true,
     .run = app_run,
     .output = app_output,
     .verify = app_verify},
};

const struct family family_app = {
    .name = "app",
    .list = list,
    .n = ARRAY_SIZE(list),
    .setup = app_prepare,
    .teardown = app_teardown,
};

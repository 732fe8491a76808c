#include "driver/daemon.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/wait.h>

/* Between bind and listen a socket is there and refuses, and no event tells when it does not. */
#define REFUSED_AGAIN_NS (5 * NS_PER_MS)

#define TERM_NS (3 * NS_PER_S)

bool socket_answers(const char *path)
{
    _cleanup_fd_ int fd = fd_connect_unix(path);
    return fd >= 0;
}

/* ---- its end ---- */

static void on_end(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct daemon *d = user;
    d->ended = true;
    d->wait_status = wait_status;
    if (d->wake)
        *d->wake = true;
}

/* The last line of its log, printable. */
static void last_words(const struct daemon *d, char *dst, size_t size)
{
    char tail[1024];
    dst[0] = '\0';
    _cleanup_fd_ int fd = open(d->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end < 0)
        return;
    off_t from = end > (off_t)sizeof(tail) ? end - (off_t)sizeof(tail) : 0;
    ssize_t n = pread(fd, tail, sizeof(tail) - 1, from);
    if (n <= 0)
        return;
    tail[n] = '\0';
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '))
        tail[--n] = '\0';
    const char *line = strrchr(tail, '\n');
    str_copy(dst, size, line ? line + 1 : tail);
    str_printable(dst);
}

int daemon_failure(const struct daemon *d, struct err *err)
{
    char how[40], words[320];
    if (!d->ended)
        return 0;
    if (WIFSIGNALED(d->wait_status))
        str_format(how, sizeof(how), "killed by signal %d", WTERMSIG(d->wait_status));
    else
        str_format(how, sizeof(how), "exit %d", WEXITSTATUS(d->wait_status));
    words[0] = '\0';
    if (WIFEXITED(d->wait_status)) /* what it said before it was killed is not why */
        last_words(d, words, sizeof(words));
    return err_set(err, ERR_ENVIRONMENT, ECHILD, "%s died: %s%s%s", d->name, how,
                   *words ? ": " : "", words);
}

/* ---- start ---- */

struct arrival {
    const char *socket;
    bool here, refused, stir;
};

static void look(struct arrival *a)
{
    _cleanup_fd_ int fd = fd_connect_unix(a->socket);
    a->here = fd >= 0;
    a->refused = fd == -ECONNREFUSED;
}

static void on_change(void *user, int fd, uint32_t events)
{
    struct arrival *a = user;
    char buf[2048];
    while (read(fd, buf, sizeof(buf)) > 0)
        ;
    look(a);
    a->stir |= a->here || a->refused;
}

static int wait_arrival(struct daemon *d, struct arrival *a, uint64_t deadline_ns, struct err *err)
{
    for (;;) {
        a->stir = false;
        d->wake = &a->stir;
        look(a);
        if (a->here || d->ended)
            return a->here ? 0 : daemon_failure(d, err);
        uint64_t again_ns = a->refused ? time_deadline(REFUSED_AGAIN_NS) : deadline_ns;
        int r = loop_run_until(d->site->loop, &a->stir,
                               again_ns < deadline_ns ? again_ns : deadline_ns, err);
        if (r == -ETIMEDOUT && time_mono_ns() >= deadline_ns)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "%s: timed out", d->name);
        if (r < 0 && r != -ETIMEDOUT)
            return r;
    }
}

static int await_socket(struct daemon *d, const char *socket, uint64_t deadline_ns, struct err *err)
{
    struct arrival a = {.socket = socket};
    struct loop_source *src = NULL;
    char dir[128];
    str_format(dir, sizeof(dir), "%.*s", (int)(strrchr(socket, '/') - socket), socket);
    _cleanup_fd_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO | IN_ATTRIB) < 0)
        return err_errno(err, errno, "watch %s", dir);
    int r = loop_add_fd(d->site->loop, fd, EPOLLIN, on_change, &a, &src, err);
    if (r == 0)
        r = wait_arrival(d, &a, deadline_ns, err);
    d->wake = NULL;
    loop_remove(d->site->loop, src);
    return r;
}

static int make_group(struct daemon *d, struct err *err)
{
    const struct cgroups *c = &d->site->machine->cgroups;
    char path[CGROUP_PATH_MAX];
    for (unsigned i = 0;; i++) {
        if (!str_format(path, sizeof(path), "%s/d%u", d->site->cgroup, i))
            return err_errno(err, ENAMETOOLONG, "name the group of %s", d->name);
        if (!cgroup_exists(c, path))
            break;
    }
    str_copy(d->group, sizeof(d->group), path);
    return cgroup_make(c, d->group, err);
}

static int launch(struct daemon *d, const struct daemon_spec *spec, struct err *err)
{
    _cleanup_fd_ int log =
        open(spec->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log < 0)
        return err_errno(err, errno, "write %s", spec->log);
    struct spawn_spec s = {.argv = spec->argv,
                           .env = spec->env,
                           .cwd = "/",
                           .fd_in = -1,
                           .fd_out = log,
                           .fd_err = log,
                           .die_with_parent = true,
                           .new_session = true};
    int n = cgroup_open_join(&d->site->machine->cgroups, d->group, s.join_fds, SPAWN_MAX_JOIN, err);
    if (n < 0)
        return n;
    s.n_join = (size_t)n;
    if (spec->net_ns)
        s.ns_fds[s.n_ns++] = *spec->net_ns;
    if (spec->mount_ns)
        s.ns_fds[s.n_ns++] = *spec->mount_ns;
    int r = spawn(&s, &d->pid, err);
    for (size_t i = 0; i < s.n_join; i++)
        fd_close(&s.join_fds[i]);
    return r < 0 ? r : loop_watch_child(d->site->loop, d->pid, on_end, d, &d->watch, err);
}

int daemon_start(struct site *s, const struct daemon_spec *spec, struct daemon *d,
                 uint64_t deadline_ns, struct err *err)
{
    *d = (struct daemon){.site = s};
    str_copy(d->name, sizeof(d->name), spec->name);
    str_copy(d->log, sizeof(d->log), spec->log);
    int r = make_group(d, err);
    if (r == 0)
        r = launch(d, spec, err);
    if (r == 0)
        r = await_socket(d, spec->socket, deadline_ns, err);
    if (r < 0)
        daemon_stop(d, NULL);
    return r;
}

/* ---- stop ---- */

static void run_ready(void *user)
{
    loop_run_ready(user);
}

int daemon_stop(struct daemon *d, struct err *err)
{
    struct site *s = d->site;
    const struct cgroups *c = s ? &s->machine->cgroups : NULL;
    int r = 0;
    if (!s || !d->group[0])
        return 0;
    if (d->watch && !d->ended) {
        struct calm calm = calm_begin(s->loop);
        kill(d->pid, SIGTERM); /* not reaped yet, so the pid is ours */
        calm_wait(&calm, &d->ended, time_deadline(TERM_NS));
        calm_end(&calm);
    }
    if (cgroup_exists(c, d->group))
        r = cgroup_kill(c, d->group, time_deadline(s->stop_timeout_ns), run_ready, s->loop, err);
    if (r == 0)
        r = cgroup_remove(c, d->group, err);
    loop_remove(s->loop, d->watch);
    d->watch = NULL;
    if (r == 0)
        d->group[0] = '\0';
    return r;
}

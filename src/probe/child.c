#include "probe/child.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- what it wrote ---- */

void capture_clear(struct capture *c)
{
    c->head_n = c->tail_n = c->tail_at = 0;
    c->total = 0;
}

void capture_add(struct capture *c, const char *bytes, size_t n)
{
    c->total += n;
    for (; n > 0 && c->head_n < CAPTURE_HEAD; n--)
        c->head[c->head_n++] = *bytes++;
    for (; n > 0; n--) {
        c->tail[c->tail_at] = *bytes++;
        c->tail_at = (c->tail_at + 1) % CAPTURE_TAIL;
        c->tail_n += c->tail_n < CAPTURE_TAIL;
    }
}

static void add_tail(const struct capture *c, size_t n, struct str *out)
{
    for (size_t i = n; i > 0; i--)
        str_addc(out, c->tail[(c->tail_at + CAPTURE_TAIL - i) % CAPTURE_TAIL]);
}

char *capture_text(const struct capture *c)
{
    struct str s = STR_INIT;
    uint64_t left_out = c->total - c->head_n - c->tail_n;
    str_addn(&s, c->head, c->head_n);
    if (left_out)
        str_addf(&s, "\n[... %llu bytes left out ...]\n", (unsigned long long)left_out);
    add_tail(c, c->tail_n, &s);
    for (size_t i = 0; i < s.len; i++) /* text from here on, and a NUL would end it */
        if (!s.buf[i])
            s.buf[i] = '?';
    return str_take(&s);
}

void capture_last(const struct capture *c, char *dst, size_t size)
{
    _cleanup_free_ char *text = capture_text(c);
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = '\0';
    const char *from = n >= size ? text + n - size + 1 : text;
    str_copy(dst, size, from);
    for (char *p = dst; *p; p++)
        if (*p == '\n')
            *p = '|';
    str_printable(dst);
}

/* ---- starting ---- */

static void seen(int sig)
{
}

void child_setup(void)
{
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    signal(SIGCHLD, seen); /* not ignored, so that it interrupts ppoll */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* An empty standard input; images need not have a /dev/null. */
static void empty_input(void)
{
    int fds[2];
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 && pipe(fds) == 0) {
        close(fds[1]);
        null = fds[0];
    }
    dup2(null, STDIN_FILENO);
}

static const char *const environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LC_ALL=C.UTF-8",
    "TERM=dumb"};

static _Noreturn void child_main(const struct job *job, const struct appspec_command *c, int out,
                                 int failed)
{
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    job_spread(job);
    empty_input();
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    clearenv();
    for (size_t i = 0; i < ARRAY_SIZE(environment); i++)
        putenv((char *)(uintptr_t)environment[i]);
    for (char **e = c->env; e && *e; e++)
        putenv(*e);
    if (chdir(c->cwd ? c->cwd : "/") == 0)
        execvp(c->argv[0], c->argv);
    int code = errno;
    if (write(failed, &code, sizeof(code)) < 0)
        _exit(126);
    _exit(127);
}

static int start_failed(const struct appspec_command *c, int code, struct err *err)
{
    if (code == ENOENT)
        return err_set(err, ERR_UNSUPPORTED, ENOENT, "%s: not found in the image", c->argv[0]);
    return err_errno(err, code, "start %s", c->argv[0]);
}

int child_start(const struct job *job, const struct appspec_command *c, struct capture *out,
                struct child *ret, struct err *err)
{
    int output[2], failed[2], code = 0;
    capture_clear(out);
    int r = fd_pipe(output, err);
    if (r < 0)
        return r;
    r = fd_pipe(failed, err);
    if (r < 0) {
        fd_close(&output[0]);
        fd_close(&output[1]);
        return r;
    }
    pid_t pid = fork();
    if (pid == 0)
        child_main(job, c, output[1], failed[1]);
    r = pid < 0 ? err_errno(err, errno, "start %s", c->argv[0]) : 0;
    fd_close(&output[1]);
    fd_close(&failed[1]);
    /* Closed by execve, or written to by whom it failed. */
    if (pid > 0 && read(failed[0], &code, sizeof(code)) == (ssize_t)sizeof(code)) {
        r = start_failed(c, code, err);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    fd_close(&failed[0]);
    if (r == 0)
        r = fd_set_nonblock(output[0], true, err);
    if (r < 0) {
        fd_close(&output[0]);
        return r;
    }
    *ret = (struct child){.pid = pid, .fd = output[0], .out = out};
    return 0;
}

/* ---- waiting ---- */

static void drain(struct child *c)
{
    char bytes[4096];
    ssize_t n = 0;
    while (c->fd >= 0 && (n = read(c->fd, bytes, sizeof(bytes))) > 0)
        capture_add(c->out, bytes, (size_t)n);
    if (c->fd >= 0 && n == 0)
        fd_close(&c->fd);
}

/* True once it is over. */
static bool reap(struct child *c)
{
    if (c->pid > 0 && wait4(c->pid, &c->status, WNOHANG, &c->usage) == c->pid) {
        c->pid = 0;
        drain(c);
    }
    return c->pid == 0;
}

static void sleep_for(struct child *c, struct child *beside, uint64_t timeout_ns)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN},
                          {.fd = beside ? beside->fd : -1, .events = POLLIN}};
    struct timespec ts = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                          .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    sigset_t none;
    sigemptyset(&none);
    ppoll(p, 2, &ts, &none); /* SIGCHLD comes in here and nowhere else */
    drain(c);
    if (beside)
        drain(beside);
}

int child_wait(struct child *c, struct child *beside, uint64_t deadline_ns)
{
    while (!reap(c)) {
        uint64_t now = time_mono_ns();
        if (now >= deadline_ns)
            return -ETIMEDOUT;
        sleep_for(c, beside, deadline_ns - now);
    }
    fd_close(&c->fd);
    return 0;
}

void child_watch(struct child *c, uint64_t timeout_ns)
{
    if (!reap(c))
        sleep_for(c, NULL, timeout_ns);
    reap(c);
}

void child_end(struct child *c, uint64_t patience_ns)
{
    pid_t group = c->pid;
    if (group > 0) {
        kill(-group, SIGTERM);
        if (child_wait(c, NULL, time_deadline(patience_ns)) < 0) {
            kill(-group, SIGKILL);
            child_wait(c, NULL, time_deadline(patience_ns));
        }
        kill(-group, SIGKILL); /* what it started and left in its group */
    }
    fd_close(&c->fd);
}

/* ---- what was left behind ---- */

/* A child of ours, by /proc: fell to us or was started by us. *ret_dead: it only wants reaping. */
static bool is_ours(pid_t pid, bool *ret_dead)
{
    char path[64], state = '?';
    _cleanup_(str_release) struct str text = STR_INIT;
    int parent = 0;
    str_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (file_read(path, 4096, &text, NULL) < 0)
        return false;
    const char *after = strrchr(text.buf, ')');
    if (!after || sscanf(after + 1, " %c %d", &state, &parent) != 2)
        return false;
    *ret_dead = state == 'Z';
    return parent == getpid();
}

/* Returns how many there were; *alive counts those that still ran. */
static unsigned end_children(const struct child *but, unsigned *alive)
{
    unsigned n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        uint64_t pid;
        bool dead = false;
        if (parse_u64(e->d_name, 1, INT32_MAX, "pid", &pid, NULL) < 0 ||
            (but && (pid_t)pid == but->pid) || !is_ours((pid_t)pid, &dead))
            continue;
        kill((pid_t)pid, SIGKILL);
        while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
            ;
        *alive += !dead;
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

unsigned child_sweep(const struct child *but)
{
    unsigned alive = 0;
    /* What a killed one had started falls to us next. */
    for (int i = 0; i < 64 && end_children(but, &alive) > 0; i++)
        ;
    return alive;
}

void child_fate(const struct child *c, char *dst, size_t size)
{
    if (WIFSIGNALED(c->status))
        str_format(dst, size, "was killed by signal %d", WTERMSIG(c->status));
    else
        str_format(dst, size, "ended with status %d", WEXITSTATUS(c->status));
}

#include "fleet/steward.h"

#include "base/fd.h"
#include "base/rand.h"
#include "base/time.h"
#include "fleet/attach.h"
#include "fleet/link.h"
#include "fleet/fleet.h"
#include "fleet/steward-work.h"
#include "host/machine.h"
#include "host/mounts.h"
#include "ledger/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ORDER_FILE "order.json"
#define ORDER_MAX  (64u << 10)
/* From the word to end until it is killed: a block with an application under load takes a while. */
#define ENDING_NS  (120 * NS_PER_S)
#define GOODBYE_NS (10 * NS_PER_S)

enum stage { STAGE_NEW, STAGE_ORDERED, STAGE_RUNNING, STAGE_ENDED, STAGE_GONE };
static const char *const stage_names[] = {"new", "ordered", "running", "ended", "gone"};

struct steward {
    char dir[PATH_MAX];
    struct str machine_state; /* the machine's own state directory */
    struct loop *loop;
    struct link *link; /* NULL: nobody is there */
    bool news;
    int lock, listener, run_fd;
    struct loop_source *src_listener;
    enum stage stage;
    struct ledger *ledger; /* held while something is measured */
    uint64_t heard_ns, ended_ns, lease_ns, keep_ns;
    json_t *args;
    bool stop, told_to_end, installing;
    uint64_t kill_ns;
    struct work work;
    struct standing standing;
    char why[480];
};

static void tell(struct steward *s, json_t *event)
{
    if (s->link)
        link_tell(s->link, event);
    else
        json_decref(event);
}

static void on_say(void *user, const char *line)
{
    tell(user, json_pack("{s:s, s:s}", "e", "say", "text", line));
}

static void tell_end(struct steward *s)
{
    int status = s->work.wait_status;

    tell(s, json_pack("{s:s, s:i, s:b, s:b, s:s}", "e", "end", "status",
                      WIFEXITED(status) ? WEXITSTATUS(status) : -1, "stored", s->standing.stored,
                      "interrupted", s->standing.part, "why", s->why));
}

static void tell_failed(struct steward *s, const char *kind, const struct err *err)
{
    tell(s, json_pack("{s:s, s:s, s:s}", "e", "failed", "kind", kind, "why", err->msg));
}

static void tell_hello(struct steward *s)
{
    struct machine m;
    char boot[40] = "";

    machine_read(&m);
    file_read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
    tell(s, json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}}", "e", "hello", "version",
                      CUPEL_VERSION, "place", s->dir, "boot", boot, "stage", stage_names[s->stage],
                      "machine", "id", m.id, "hostname", m.hostname));
    if (s->stage == STAGE_ENDED)
        tell_end(s);
}

/* ---- the machine's ledger ---- */

static struct ledger_item brought(const struct steward *s)
{
    return (struct ledger_item){.kind = LEDGER_BROUGHT, .path = s->dir};
}

/* Was it being brought when all that did so was killed, so that it came into no ledger? */
static bool is_forlorn(int fd)
{
    char text[24];
    uint64_t pid;
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077) ||
        flock(fd, LOCK_EX | LOCK_NB) < 0 || faccessat(fd, ORDER_FILE, F_OK, 0) == 0)
        return false;
    _cleanup_fd_ int file = openat(fd, "pid", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = file < 0 ? 0 : fd_read_some(file, true, text, sizeof(text));
    bool known = n > 0 && parse_u64(str_strip(text), 1, INT_MAX, "pid", &pid, NULL) == 0;
    return known && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* Those beside ours go. */
static void sweep(const struct steward *s)
{
    _cleanup_free_ char *folder = xstrndup(s->dir, (size_t)(strrchr(s->dir, '/') - s->dir));
    DIR *d = opendir(folder[0] ? folder : "/");

    for (struct dirent *e; d && (e = readdir(d));) {
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, e->d_name);
        if (!ledger_is_brought(path) || str_eq(path, s->dir))
            continue;
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && is_forlorn(fd))
            (void)fs_remove_tree(path, NULL);
    }
    if (d)
        closedir(d);
}

/* Written down and locked: what was left here goes first, and who measures here is asked after. */
static int ledger_take(struct steward *s, bool share, struct err *err)
{
    struct clean_result cleaned;
    struct ledger_item item = brought(s);
    char id[9], other[16];
    pid_t pid;

    str_format(id, sizeof(id), "%08x", (unsigned)rng_entropy());
    sweep(s);
    int r = ledger_open(s->machine_state.buf, id, &s->ledger, err);
    if (r == 0)
        r = ledger_intend(s->ledger, &item, 1, err);
    if (r == 0)
        r = ledger_live(s->machine_state.buf, other, &pid, err);
    if (r > 0 && !share)
        return err_set(err, ERR_ENVIRONMENT, EBUSY,
                       "run %s is measuring there (process %d); --share measures beside it", other,
                       (int)pid);
    if (r >= 0)
        r = ledger_clean(s->machine_state.buf, s->loop, NULL, NULL, &cleaned, err);
    return r < 0 ? r : 0;
}

/* Others may measure now. The directory stays in the ledger's file. */
static void ledger_let_go(struct steward *s)
{
    ledger_free(s->ledger);
    s->ledger = NULL;
}

static void clean_run(struct steward *s)
{
    struct clean_result cleaned;
    _cleanup_free_ char *state = xasprintf("%s/state", s->dir);

    if (access(state, F_OK) == 0)
        (void)ledger_clean(state, s->loop, NULL, NULL, &cleaned, NULL);
}

static int remove_all(struct steward *s, struct err *err)
{
    struct ledger_item item = brought(s);
    struct clean_result cleaned;

    clean_run(s);
    int r = mount_remove_below(s->dir, err);
    if (r == 0 && chdir("/") < 0)
        r = err_errno(err, errno, "leave %s", s->dir);
    if (r == 0)
        r = fs_remove_tree(s->dir, err);
    if (r < 0 || !s->ledger) {
        ledger_let_go(s);
        return r < 0 ? r : ledger_clean(s->machine_state.buf, s->loop, NULL, NULL, &cleaned, err);
    }
    r = ledger_done(s->ledger, &item, err);
    struct ledger *l = TAKE_PTR(s->ledger);
    return r < 0 ? (ledger_free(l), r) : ledger_close(l, err);
}

/* ---- stages ---- */

static void enter_ended(struct steward *s)
{
    work_standing(&s->standing);
    s->stage = STAGE_ENDED;
    s->ended_ns = time_mono_ns();
    ledger_let_go(s);
    tell_end(s);
}

static void begin_run(struct steward *s, bool resume)
{
    struct err err = ERR_INIT;

    s->told_to_end = false;
    int r = work_start(&s->work, s->dir, s->args, resume, &err);
    if (r == 0) {
        s->stage = STAGE_RUNNING;
        return;
    }
    str_copy(s->why, sizeof(s->why), err.msg);
    work_finish(&s->work);
    enter_ended(s);
}

static void run_is_over(struct steward *s)
{
    int status = s->work.wait_status;

    work_finish(&s->work);
    if (!WIFEXITED(status))
        clean_run(s);
    if (WIFEXITED(status))
        str_copy(s->why, sizeof(s->why), s->work.last);
    else
        str_format(s->why, sizeof(s->why), "its run was killed by signal %d", WTERMSIG(status));
    enter_ended(s);
}

static void end_run(struct steward *s)
{
    if (s->told_to_end)
        return;
    s->told_to_end = true;
    s->kill_ns = time_deadline(ENDING_NS);
    kill(s->work.pid, SIGTERM);
}

static void kill_run(struct steward *s)
{
    kill(s->work.pid, SIGKILL);
    s->kill_ns = UINT64_MAX;
}

/* ---- what the controller says ---- */

static bool is_shared(const json_t *args)
{
    size_t i;
    const json_t *arg;

    json_array_foreach (args, i, arg)
        if (json_is_string(arg) && str_eq(json_string_value(arg), "--share"))
            return true;
    return false;
}

static uint64_t bounded(const json_t *o, const char *key, uint64_t min, uint64_t max)
{
    json_int_t v = json_integer_value(json_object_get(o, key));
    uint64_t n = v > 0 ? (uint64_t)v : 0;
    return n < min ? min : n > max ? max : n;
}

static void take_order(struct steward *s, const json_t *o)
{
    json_decref(s->args);
    s->args = json_array();
    json_array_extend(s->args, json_object_get(o, "args"));
    s->lease_ns = bounded(o, "lease_ns", FLEET_LEASE_MIN_NS, FLEET_KEEP_MAX_NS);
    s->keep_ns = bounded(o, "keep_ns", FLEET_LEASE_MIN_NS, FLEET_KEEP_MAX_NS);
}

static const char *kind_of(const struct err *err)
{
    return err->code == EBUSY ? "busy" : err->code == ENOSPC ? "disk-full" : "failed";
}

static void look_round(struct steward *s)
{
    struct err err = ERR_INIT;
    json_t *report = NULL;

    if (work_doctor(s->loop, s->dir, s->args, &report, &err) < 0)
        tell_failed(s, kind_of(&err), &err);
    else
        tell(s, json_pack("{s:s, s:o}", "e", "doctor", "report", report));
    s->heard_ns = time_mono_ns(); /* that took a while, and nobody listened */
}

static void on_order(struct steward *s, const json_t *o)
{
    struct err err = ERR_INIT;

    if (s->stage != STAGE_NEW)
        return;
    take_order(s, o);
    s->stage = STAGE_ORDERED;
    if (ledger_take(s, is_shared(s->args), &err) < 0)
        tell_failed(s, kind_of(&err), &err);
    else
        look_round(s);
}

/* Beside us, since it takes minutes, and the controller wants to hear of us meanwhile. */
static void on_install(struct steward *s, const json_t *o)
{
    const char *names = json_string_value(json_object_get(o, "names"));
    struct err err = ERR_INIT;

    if (s->stage != STAGE_ORDERED || !s->ledger || s->installing || !names)
        return;
    s->installing = true;
    if (work_install(&s->work, s->dir, names, &err) == 0)
        return;
    s->installing = false;
    work_finish(&s->work);
    tell_failed(s, kind_of(&err), &err);
}

static void install_is_over(struct steward *s)
{
    int status = s->work.wait_status;
    struct err err = ERR_INIT;

    s->installing = false;
    work_finish(&s->work);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        look_round(s);
        return;
    }
    err_set(&err, ERR_ENVIRONMENT, EIO, "%s",
            s->work.last[0] ? s->work.last : "what was to install was killed");
    tell_failed(s, "failed", &err);
}

/* From here on something of it is worth to be kept. */
static void on_run(struct steward *s)
{
    struct err err = ERR_INIT;
    _cleanup_free_ char *text = NULL;

    if (s->stage != STAGE_ORDERED || !s->ledger || s->installing)
        return;
    json_t *o = json_pack("{s:I, s:I, s:O}", "lease_ns", (json_int_t)s->lease_ns, "keep_ns",
                          (json_int_t)s->keep_ns, "args", s->args);
    text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    int r = file_replace(ORDER_FILE, text ? text : "{}", text ? strlen(text) : 2, 0600, &err);
    if (r < 0)
        tell_failed(s, kind_of(&err), &err);
    else
        begin_run(s, false);
}

/* What cannot go on stays as it is, for the controller to fetch. */
static void on_again(struct steward *s)
{
    if (s->stage != STAGE_ENDED || !s->standing.stored)
        return;
    if (ledger_take(s, is_shared(s->args), NULL) < 0) {
        ledger_let_go(s);
        tell_end(s);
        return;
    }
    s->stop = false;
    begin_run(s, true);
}

static void on_fetch(struct steward *s)
{
    struct err err = ERR_INIT;
    char hex[FS_SHA256_HEX];
    uint64_t bytes = 0;

    if (s->stage != STAGE_ENDED || !s->standing.stored || !s->link)
        return;
    fd_close(&s->run_fd);
    int fd = work_export(&bytes, hex, &err);
    if (fd < 0) {
        tell_failed(s, "failed", &err);
        return;
    }
    s->run_fd = fd;
    tell(s, json_pack("{s:s, s:I, s:s, s:b}", "e", "file", "bytes", (json_int_t)bytes, "sha256",
                      hex, "interrupted", s->standing.part));
    if (s->link)
        link_send_file(s->link, fd, bytes);
}

static void on_event(struct steward *s, const json_t *o)
{
    const char *e = json_string_value(json_object_get(o, "e"));

    s->heard_ns = time_mono_ns();
    if (str_eq(e, "beat"))
        tell(s, json_pack("{s:s}", "e", "beat"));
    else if (str_eq(e, "order"))
        on_order(s, o);
    else if (str_eq(e, "install"))
        on_install(s, o);
    else if (str_eq(e, "run"))
        on_run(s);
    else if (str_eq(e, "again"))
        on_again(s);
    else if (str_eq(e, "fetch"))
        on_fetch(s);
    else if (str_eq(e, "stop"))
        s->stop = true;
    else if (str_eq(e, "bye") && s->stage != STAGE_RUNNING)
        s->stage = STAGE_GONE;
}

static void listen_to(struct steward *s)
{
    char *line;

    while (s->link && s->stage != STAGE_GONE && link_line(s->link, &line) > 0) {
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        on_event(s, o);
        json_decref(o);
    }
    if (s->link && link_ended(s->link) && s->stage != STAGE_GONE) {
        link_free(s->link);
        s->link = NULL;
    }
}

/* A later connection takes the place of the one before. */
static void on_connection(void *user, int fd, uint32_t events)
{
    struct steward *s = user;
    int in = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int out = in < 0 ? -1 : fcntl(in, F_DUPFD_CLOEXEC, 0);

    if (out < 0) {
        fd_close(&in);
        return;
    }
    link_free(s->link);
    s->link = NULL;
    s->news = true;
    if (link_new(s->loop, in, out, &s->news, &s->link, NULL) < 0)
        return;
    s->heard_ns = time_mono_ns();
    tell_hello(s);
}

/* ---- time ---- */

/* When something has to be done though nothing comes. */
static uint64_t next_moment(const struct steward *s)
{
    if (s->stage == STAGE_RUNNING)
        return s->told_to_end ? s->kill_ns : s->heard_ns + s->lease_ns;
    if (s->stage == STAGE_ENDED)
        return s->ended_ns + s->keep_ns;
    if (s->installing)
        return UINT64_MAX;
    return s->heard_ns + s->lease_ns;
}

static void step(struct steward *s)
{
    bool late = time_mono_ns() >= next_moment(s);

    switch (s->stage) {
    case STAGE_NEW:
    case STAGE_ORDERED:
        /* An installation is not broken off: apt and dpkg have their own ends. */
        if (s->installing && s->work.running)
            break;
        if (s->installing)
            install_is_over(s);
        if (late || !s->link || loop_interrupted(s->loop))
            s->stage = STAGE_GONE;
        break;
    case STAGE_RUNNING:
        if (!s->work.running)
            run_is_over(s);
        else if (late && s->told_to_end)
            kill_run(s);
        else if (late || s->stop)
            end_run(s);
        break;
    case STAGE_ENDED:
        if (late || (!s->standing.stored && !s->link))
            s->stage = STAGE_GONE;
        break;
    case STAGE_GONE:
        break;
    }
}

/* Until the directory is to go: 0. -EINTR: the machine goes down, and what is kept stays. */
static int attend(struct steward *s, struct err *err)
{
    while (s->stage != STAGE_GONE) {
        s->news = false;
        listen_to(s);
        step(s);
        if (s->stage == STAGE_GONE || s->news)
            continue;
        int r = loop_run_until(s->loop, &s->news, next_moment(s), err);
        if (r == -EINTR && s->stage == STAGE_ENDED)
            return r;
        if (r == -EINTR && (s->stage == STAGE_RUNNING || s->installing)) {
            loop_clear_interrupt(s->loop);
            s->stop = true;
        }
        if (r < 0 && r != -EINTR && r != -ETIMEDOUT)
            return r;
    }
    return 0;
}

/* ---- its beginning and end ---- */

static int enter(struct steward *s, const char *dir, struct err *err)
{
    struct stat st;

    if (!realpath(dir, s->dir) || !ledger_is_brought(s->dir) || stat(s->dir, &st) < 0)
        return err_set(err, ERR_USAGE, EINVAL,
                       "%s is no directory that another machine's cupel brought here", dir);
    if (st.st_uid != geteuid() || (st.st_mode & 077))
        return err_set(err, ERR_ENVIRONMENT, EPERM, "%s is not yours alone", s->dir);
    return chdir(s->dir) < 0 ? err_errno(err, errno, "enter %s", s->dir) : 0;
}

/* The one before was killed, or the machine went down: its run is cleaned up after, and is a part.
 */
static int take_over(struct steward *s, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read(ORDER_FILE, ORDER_MAX, &text, err);

    if (r < 0)
        return r;
    json_t *o = json_loadb(text.buf, text.len, 0, NULL);
    take_order(s, o);
    json_decref(o);
    clean_run(s);
    s->work.wait_status = SIGKILL;
    str_copy(s->why, sizeof(s->why), "its steward was killed");
    enter_ended(s);
    return 0;
}

static int set_up(struct steward *s, struct err *err)
{
    s->lock = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) < 0)
        return err_errno(err, errno, "lock %s", s->dir);
    int r = ledger_state_dir(&s->machine_state, err);
    if (r == 0)
        r = loop_new(&s->loop, err);
    if (r == 0)
        r = loop_catch_interrupts(s->loop, err);
    if (r == 0)
        r = s->listener = attach_listen(err);
    if (r >= 0)
        r = loop_add_fd(s->loop, s->listener, EPOLLIN, on_connection, s, &s->src_listener, err);
    if (r < 0)
        return r;
    s->work.loop = s->loop;
    work_environment(s->dir);
    r = access(ORDER_FILE, F_OK) == 0 ? take_over(s, err) : 0;
    if (r == 0)
        r = link_new(s->loop, dup(STDIN_FILENO), dup(STDOUT_FILENO), &s->news, &s->link, err);
    if (r == 0)
        tell_hello(s);
    return r;
}

static void release(struct steward *s)
{
    link_free(s->link);
    loop_remove(s->loop, s->src_listener);
    fd_close(&s->listener);
    fd_close(&s->run_fd);
    fd_close(&s->lock);
    str_release(&s->work.line);
    str_release(&s->machine_state);
    json_decref(s->args);
    if (s->loop)
        loop_free(s->loop);
}

/* The last word is given time to go. */
static int leave(struct steward *s, struct err *err)
{
    loop_clear_interrupt(s->loop);
    int r = remove_all(s, err);
    if (r < 0 && err)
        tell_failed(s, "failed", err);
    else
        tell(s, json_pack("{s:s}", "e", "gone"));
    if (s->link)
        (void)link_flush(s->link, time_deadline(GOODBYE_NS), NULL);
    return r;
}

int steward_run(const char *dir, struct err *err)
{
    struct steward s = {.lock = -1,
                        .listener = -1,
                        .run_fd = -1,
                        .lease_ns = FLEET_LEASE_NS,
                        .keep_ns = FLEET_KEEP_NS,
                        .heard_ns = time_mono_ns(),
                        .machine_state = STR_INIT,
                        .work = {.fd_err = -1, .say = on_say, .line = STR_INIT}};

    s.work.user = &s;
    s.work.wake = &s.news;
    int r = enter(&s, dir, err);
    if (r < 0)
        return r;
    r = attach(err);
    if (r != -ECONNREFUSED)
        return r;
    r = set_up(&s, err);
    if (r == 0)
        r = attend(&s, err);
    if (r == 0)
        r = leave(&s, err);
    ledger_free(s.ledger);
    release(&s);
    return r;
}

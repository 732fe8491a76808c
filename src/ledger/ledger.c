#include "ledger/ledger.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "host/allocation.h"
#include "host/proc.h"
#include "ledger/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

struct ledger {
    int fd; /* locked as long as it is open */
    char *path;
    char *state_dir;
    off_t length; /* of what was written whole */
    struct {
        struct journal_item *v;
        size_t n, cap;
    } items;          /* not done yet */
    uint64_t events;  /* written so far */
    uint64_t kill_at; /* for fault tests, 0: never */
};

/* --- the state directory --- */

static int state_path(struct str *ret, struct err *err)
{
    const char *own = getenv("CUPEL_STATE"), *xdg = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    if (own && *own) {
        if (own[0] != '/')
            return err_set(err, ERR_USAGE, EINVAL, "CUPEL_STATE=%s is no absolute path", own);
        str_add(ret, own);
    } else if (geteuid() == 0) {
        str_add(ret, "/var/lib/cupel");
    } else if (xdg && xdg[0] == '/') {
        str_addf(ret, "%s/cupel", xdg);
    } else if (home && home[0] == '/') {
        str_addf(ret, "%s/.local/state/cupel", home);
    } else {
        return err_set(
            err, ERR_ENVIRONMENT, ENOENT,
            "no place for cupel's state: neither CUPEL_STATE, XDG_STATE_HOME nor HOME is "
            "set to an absolute path");
    }
    return 0;
}

int ledger_state_dir(struct str *ret, struct err *err)
{
    _cleanup_(str_release) struct str path = STR_INIT;
    int r = state_path(&path, err);
    if (r == 0)
        r = fs_mkdirs(path.buf, 0700, err);
    if (r < 0)
        return r;
    char full[PATH_MAX];
    struct stat st;
    if (!realpath(path.buf, full) || stat(full, &st) < 0)
        return err_errno(err, errno, "state directory %s", path.buf);
    /* Clean-up acts on what stands in there, with our rights. */
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return err_set(err, ERR_ENVIRONMENT, EPERM,
                       "state directory %s: it must belong to you and be writable by nobody else",
                       full);
    str_add(ret, full);
    return 0;
}

/* --- writing --- */

static int add_line(struct str *out, json_t *line, struct err *err)
{
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text)
        return err_set(err, ERR_USAGE, EILSEQ,
                       "a path that is no UTF-8 cannot be written to the ledger");
    str_addf(out, "%s\n", text);
    free(text);
    return 0;
}

/* Whole or not at all: half a line would spoil the next one. */
static int append(struct ledger *l, const char *text, size_t n, struct err *err)
{
    int r = fd_write_full(l->fd, text, n, err);
    if (r < 0) {
        if (ftruncate(l->fd, l->length) < 0)
            return err_errno(err, errno, "ledger %s is damaged", l->path);
        return err ? err_wrap(err, "ledger %s", l->path) : r;
    }
    l->length += (off_t)n;
    return 0;
}

/* Appends n events, one a line. When a fault test wants it, only those up to the one that was asked
 * for are written, and that is our end. */
static int append_events(struct ledger *l, const struct str *lines, size_t n, struct err *err)
{
    if (l->kill_at > l->events && l->kill_at <= l->events + n) {
        const char *end = lines->buf;
        for (uint64_t i = l->events; i < l->kill_at; i++)
            end = strchr(end, '\n') + 1;
        append(l, lines->buf, (size_t)(end - lines->buf), err);
        raise(SIGKILL);
    }
    l->events += n;
    return append(l, lines->buf, lines->len, err);
}

static void boot_id(char dst[40])
{
    if (file_read_line("/proc/sys/kernel/random/boot_id", dst, 40) < 0)
        str_copy(dst, 40, "");
}

static int write_header(struct ledger *l, const char *run_id, struct err *err)
{
    char boot[40], started[21];
    boot_id(boot);
    time_iso(time_real_ns(), started);
    _cleanup_(str_release) struct str line = STR_INIT;
    json_t *header =
        json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:s}", "e", "run", "run", run_id, "pid",
                  (int)getpid(), "start", (json_int_t)proc_start_ticks(getpid()), "boot", boot,
                  "version", CUPEL_VERSION, "started", started);
    if (allocation_of_self())
        json_object_set_new(header, "allocation", json_string(allocation_of_self()));
    int r = add_line(&line, header, err);
    return r < 0 ? r : append(l, line.buf, line.len, err);
}

/* Made under another name, locked and headed there, and only then given its own: nobody ever sees a
 * ledger of a live run that is not locked. */
static int make_file(struct ledger *l, const char *dir, const char *run_id, struct err *err)
{
    _cleanup_free_ char *draft = xasprintf("%s/.%s.%d", dir, run_id, (int)getpid());
    l->fd = open(draft, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->fd < 0)
        return err_errno(err, errno, "make ledger %s", draft);
    int r =
        flock(l->fd, LOCK_EX | LOCK_NB) < 0 ? err_errno(err, errno, "lock ledger %s", draft) : 0;
    if (r == 0)
        r = write_header(l, run_id, err);
    if (r == 0 && link(draft, l->path) < 0)
        r = err_errno(err, errno, "make ledger %s", l->path);
    unlink(draft);
    return r;
}

int ledger_open(const char *state_dir, const char *run_id, struct ledger **ret, struct err *err)
{
    if (!journal_is_run_id(run_id))
        return err_set(err, ERR_BUG, EINVAL, "'%.40s' is no run id of 8 hexadecimal digits",
                       run_id);
    _cleanup_free_ char *dir = xasprintf("%s/ledger", state_dir);
    int r = fs_mkdirs(dir, 0700, err);
    if (r < 0)
        return r;
    struct ledger *l = xcalloc(1, sizeof(*l));
    l->fd = -1;
    l->path = xasprintf("%s/%s.jsonl", dir, run_id);
    l->state_dir = xstrdup(state_dir);
    const char *fault = getenv("CUPEL_FAULT_KILL_AT");
    if (fault && *fault)
        r = parse_u64(fault, 1, UINT32_MAX, "CUPEL_FAULT_KILL_AT", &l->kill_at, err);
    if (r == 0)
        r = make_file(l, dir, run_id, err);
    if (r < 0) {
        ledger_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

static int read_back(struct ledger *l, const char *state_dir, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    struct journal j;
    int r = fd_read_all(l->fd, JOURNAL_MAX, &text, err);
    if (r < 0)
        return r;
    journal_parse(text.buf, text.len, state_dir, &j);
    l->length = (off_t)text.len;
    if (!journal_lock(l->fd, LOCK_EX, &j))
        r = err_set(err, ERR_ENVIRONMENT, EBUSY, "process %d is at it", (int)j.pid);
    VEC_FOREACH (&j.items, struct journal_item, it) {
        struct journal_item copy;
        if (r < 0 || it->done)
            continue;
        journal_copy(&copy, &it->item);
        VEC_PUSH(&l->items, copy);
    }
    /* A last line that was cut is none, and must not spoil the next. */
    if (r == 0 && text.len > 0 && text.buf[text.len - 1] != '\n')
        r = append(l, "\n", 1, err);
    journal_release(&j);
    return r;
}

int ledger_resume(const char *state_dir, const char *run_id, struct ledger **ret, struct err *err)
{
    struct ledger *l = xcalloc(1, sizeof(*l));
    l->path = xasprintf("%s/ledger/%s.jsonl", state_dir, run_id);
    l->state_dir = xstrdup(state_dir);
    l->fd = open(l->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    int r = l->fd < 0 ? err_errno(err, errno, "ledger %s", l->path) : read_back(l, state_dir, err);
    if (r < 0) {
        ledger_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

static json_t *event_json(const char *event, const struct ledger_item *it)
{
    json_t *line = json_pack("{s:s, s:s, s:s}", "e", event, "kind", ledger_kind_name(it->kind),
                             "path", it->path);
    if (line && it->kind >= LEDGER_CONTAINER) {
        if (json_object_set_new(line, "id", json_string(it->id)) < 0 ||
            (it->runtime && str_eq(event, "intend") &&
             (json_object_set_new(line, "runtime", json_string(it->runtime)) < 0 ||
              (it->place && json_object_set_new(line, "place", json_string(it->place)) < 0) ||
              json_object_set_new(line, "cover", json_boolean(it->cover_unified)) < 0))) {
            json_decref(line);
            return NULL;
        }
    }
    return line;
}

int ledger_intend(struct ledger *l, const struct ledger_item *items, size_t n, struct err *err)
{
    _cleanup_(str_release) struct str lines = STR_INIT;
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        /* What clean-up would refuse to touch must not be made in the first place. */
        r = journal_check(&items[i], l->state_dir, err);
        if (r == 0)
            r = add_line(&lines, event_json("intend", &items[i]), err);
    }
    if (r == 0 && n > 0)
        r = append_events(l, &lines, n, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        struct journal_item copy;
        journal_copy(&copy, &items[i]);
        VEC_PUSH(&l->items, copy);
    }
    return 0;
}

int ledger_done(struct ledger *l, const struct ledger_item *item, struct err *err)
{
    size_t i = l->items.n;
    while (i > 0 && !journal_same(&l->items.v[i - 1].item, item))
        i--;
    if (i == 0)
        return err_set(err, ERR_BUG, ENOENT, "%s '%.120s' was never written to the ledger",
                       ledger_kind_name(item->kind), item->path ? item->path : "");
    _cleanup_(str_release) struct str line = STR_INIT;
    int r = add_line(&line, event_json("done", item), err);
    if (r == 0)
        r = append_events(l, &line, 1, err);
    if (r < 0)
        return r;
    journal_item_release(&l->items.v[i - 1]);
    l->items.v[i - 1] = l->items.v[--l->items.n];
    return 0;
}

size_t ledger_open_items(const struct ledger *l)
{
    return l->items.n;
}

int ledger_close(struct ledger *l, struct err *err)
{
    int r = 0;
    if (l->items.n == 0 && unlink(l->path) < 0 && errno != ENOENT)
        r = err_errno(err, errno, "remove ledger %s", l->path);
    ledger_free(l);
    return r;
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    fd_close(&l->fd);
    VEC_FOREACH (&l->items, struct journal_item, it)
        journal_item_release(it);
    VEC_RELEASE(&l->items);
    free(l->path);
    free(l->state_dir);
    free(l);
}

/* --- who lives --- */

/* 1 and the header if somebody other than this process holds the ledger's lock. */
static int is_live(int dirfd, const char *name, struct journal *ret)
{
    _cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 0;
    _cleanup_(str_release) struct str text = STR_INIT;
    (void)fd_read_all(fd, JOURNAL_MAX, &text, NULL);
    journal_parse(text.buf, text.len, "", ret);
    /* The lock alone counts: what cannot be read is of no known run, but of a live one. */
    if (journal_lock(fd, LOCK_SH, ret)) {
        journal_release(ret);
        return 0;
    }
    bool self = ret->pid == getpid() && ret->start_ticks == proc_start_ticks(getpid());
    if (self)
        journal_release(ret);
    return !self;
}

int ledger_live(const char *state_dir, char ret_run[16], pid_t *ret_pid, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/ledger", state_dir);
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : err_errno(err, errno, "open %s", path);
    int live = 0;
    for (struct dirent *d; !live && (d = readdir(dir));) {
        struct journal j = {0};
        if (d->d_name[0] == '.' || !str_ends(d->d_name, ".jsonl"))
            continue;
        live = is_live(dirfd(dir), d->d_name, &j);
        if (live) {
            str_copy(ret_run, 16, j.run);
            *ret_pid = j.pid;
            journal_release(&j);
        }
    }
    closedir(dir);
    return live;
}

#include "driver/command.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "host/mounts.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- building one ---- */

void command_init(struct command *c, const char *path, const char *verb)
{
    const char *slash = strrchr(path, '/');
    *c = (struct command){.n = 0};
    str_format(c->what, sizeof(c->what), "%s %s", slash ? slash + 1 : path, verb);
    command_add(c, path);
}

void command_add(struct command *c, const char *arg)
{
    if (c->n + 1 >= COMMAND_MAX_ARGS) {
        c->too_long = true;
        return;
    }
    c->argv[c->n++] = arg;
    c->argv[c->n] = NULL;
}

void command_add_all(struct command *c, const char *const *args)
{
    for (; *args; args++)
        command_add(c, *args);
}

void command_addf(struct command *c, const char *fmt, ...)
{
    size_t room = sizeof(c->text) - c->used;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(c->text + c->used, room, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= room) {
        c->too_long = true;
        return;
    }
    command_add(c, c->text + c->used);
    c->used += (size_t)n + 1;
}

void command_add_runtime_flags(struct command *c, const struct engine *e, const char *network,
                               const char *option)
{
    const struct target *t = &e->info.target;
    const char *dashes = option ? "" : "--";
    if (strcmp(e->info.kind, "runsc") == 0) {
        if (option)
            command_add(c, option);
        command_addf(c, "%splatform=%s", dashes, e->info.platform);
        if (option)
            command_add(c, option);
        command_addf(c, "%snetwork=%s", dashes, network);
    }
    for (size_t i = 0; i < t->n_flags; i++) {
        if (option)
            command_add(c, option);
        command_addf(c, "%s%s=%s", dashes, t->flags[i].name, t->flags[i].value);
    }
}

/* ---- running one ---- */

static int spec_of(struct live *l, const struct command *c, const struct stdio *io,
                   struct spawn_spec *ret, struct err *err)
{
    if (c->too_long)
        return err_set(err, ERR_BUG, E2BIG, "%s: its command line is too long", c->what);
    *ret = (struct spawn_spec){.argv = c->argv,
                               .env = c->env,
                               .what = c->what,
                               .cwd = "/",
                               .fd_in = io ? io->child_in : -1,
                               .fd_out = io ? io->child_out : -1,
                               .fd_err = io ? io->child_err : -1,
                               .die_with_parent = true,
                               .new_session = true};
    int n = cgroup_open_join(&l->site->machine->cgroups, l->ground.tool, ret->join_fds,
                             SPAWN_MAX_JOIN, err);
    if (n < 0)
        return n;
    ret->n_join = (size_t)n;
    if (l->net_fd >= 0)
        ret->ns_fds[ret->n_ns++] = l->net_fd;
    if (l->cover_fd >= 0)
        ret->ns_fds[ret->n_ns++] = l->cover_fd;
    return 0;
}

static void spec_close(struct spawn_spec *spec)
{
    for (size_t i = 0; i < spec->n_join; i++)
        fd_close(&spec->join_fds[i]);
}

int command_run(struct live *l, const struct command *c, const struct stdio *io,
                uint64_t deadline_ns, struct spawn_result *ret, struct err *err)
{
    struct spawn_spec spec;
    *ret = (struct spawn_result){.out = STR_INIT, .err = STR_INIT};
    int r = spec_of(l, c, io, &spec, err);
    if (r < 0)
        return r;
    r = spawn_run(l->site->loop, &spec, deadline_ns, 65536, ret, err);
    spec_close(&spec);
    if (r == 0 && !io)
        r = spawn_check(&spec, ret, err);
    return r;
}

int command_run_text(struct live *l, const struct command *c, uint64_t deadline_ns, struct str *out,
                     struct err *err)
{
    struct spawn_result res;
    int r = command_run(l, c, NULL, deadline_ns, &res, err);
    if (r == 0 && out)
        str_addn(out, res.out.buf, res.out.len);
    spawn_result_release(&res);
    return r;
}

int command_spawn(struct live *l, const struct command *c, const struct stdio *io, pid_t *ret,
                  struct err *err)
{
    struct spawn_spec spec;
    int r = spec_of(l, c, io, &spec, err);
    if (r < 0)
        return r;
    r = spawn(&spec, ret, err);
    spec_close(&spec);
    return r;
}

/* "msg" of a line as runc (logrus) and runsc write them; the whole line otherwise. */
static const char *runtime_words(char *line)
{
    char *at = strstr(line, " msg=\"");
    if (!at)
        return line;
    at += 6;
    char *end = strrchr(at, '"');
    if (end)
        *end = '\0';
    return at;
}

int command_failed(struct live *l, const struct command *c, int wait_status, struct err *err)
{
    char line[300];
    session_err_line(l->session, line, sizeof(line));
    const char *words = runtime_words(line);
    if (WIFSIGNALED(wait_status))
        return err_set(err, ERR_ENVIRONMENT, EIO, "%s: killed by signal %d%s%s", c->what,
                       WTERMSIG(wait_status), *words ? ": " : "", words);
    return err_set(err, ERR_ENVIRONMENT, EIO, "%s: exit %d%s%s", c->what, WEXITSTATUS(wait_status),
                   *words ? ": " : "", words);
}

/* ---- directories ---- */

int owned_dir_make(struct site *s, const char *path, struct err *err)
{
    struct ledger_item items[] = {{.kind = LEDGER_DIR, .path = path},
                                  {.kind = LEDGER_MOUNT, .path = path}};
    int r = ledger_intend(s->ledger, items, ARRAY_SIZE(items), err);
    return r < 0 ? r : fs_mkdirs(path, 0700, err);
}

int owned_dir_remove(struct site *s, const char *path, struct err *err)
{
    struct ledger_item items[] = {{.kind = LEDGER_MOUNT, .path = path},
                                  {.kind = LEDGER_DIR, .path = path}};
    int r = mount_remove_below(path, err);
    if (r == 0)
        r = fs_remove_tree(path, err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(items); i++)
        r = ledger_done(s->ledger, &items[i], err);
    return r;
}

static void state_dir_name(const struct target *t, char *dst, size_t size)
{
    str_format(dst, size, "state-%.20s", t->label);
    for (char *p = dst; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *p))
            *p = '-';
}

/* One a target: runsc puts a mount there, and runtimes do not mix. */
int state_dir_make(struct site *s, struct engine *e, struct err *err)
{
    char name[48];
    state_dir_name(&e->info.target, name, sizeof(name));
    struct stat st;
    for (unsigned i = 0;; i++) {
        if (!str_format(e->state_dir, sizeof(e->state_dir), i ? "%s/%s-%u" : "%s/%s", s->dir, name,
                        i))
            return err_errno(err, ENAMETOOLONG, "name the state directory of %s",
                             e->info.target.label);
        if (lstat(e->state_dir, &st) < 0)
            break;
    }
    return owned_dir_make(s, e->state_dir, err);
}

int run_dir_make(struct site *s, struct engine *e, struct err *err)
{
    struct stat st;
    for (unsigned i = 0; i < 1000; i++) {
        str_format(e->run_dir, sizeof(e->run_dir), "/run/cupel-%s-%u", s->run_id, i);
        if (lstat(e->run_dir, &st) < 0)
            break;
    }
    return owned_dir_make(s, e->run_dir, err);
}

int state_dir_remove(struct site *s, struct engine *e, struct err *err)
{
    return e->state_dir[0] ? owned_dir_remove(s, e->state_dir, err) : 0;
}

int run_dir_remove(struct site *s, struct engine *e, struct err *err)
{
    return e->run_dir[0] ? owned_dir_remove(s, e->run_dir, err) : 0;
}

#include "fleet/courier.h"

#include "base/fd.h"
#include "base/json.h"
#include "base/spawn.h"
#include "base/time.h"
#include "fleet/carrier.h"
#include "fleet/link.h"
#include "fleet/roll.h"
#include "fleet/talk.h"
#include "ledger/ledger.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#define RESULT_MAX (64u << 10)
#define DYING_NS   (15 * NS_PER_S)

/* As ssh's script has it: one that was killed in the middle is followed by another, which cleans up
 * after its run and keeps what there is of it. */
static const char steward_script[] =
    "trap : HUP INT TERM; sh ./start steward \"$1\"; s=$?; "
    "[ -e \"$1/order.json\" ] || exit $s; sh ./start steward \"$1\"";

struct courier {
    char dir[PATH_MAX];
    char *folder; /* seen by both machines */
    unsigned number;
    struct loop *loop;
    struct fleet fleet;
    struct fleet_machine *m;
    struct link *link;
    struct loop_source *watch;
    pid_t pid;
    bool exited;
    struct courier_result result;
};

static void on_exit_of_steward(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct courier *c = user;

    c->exited = true;
}

static int start_steward(struct courier *c, struct err *err)
{
    const char *const argv[] = {"/bin/sh", "-c", steward_script, "sh", c->dir, NULL};
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    int r = fd_pipe(in, err);

    if (r == 0)
        r = fd_pipe(out, err);
    const struct spawn_spec spec = {.argv = argv,
                                    .what = "cupel steward",
                                    .fd_in = in[0],
                                    .fd_out = out[1],
                                    .fd_err = STDERR_FILENO,
                                    .new_session = true};
    if (r == 0)
        r = spawn(&spec, &c->pid, err);
    fd_close(&in[0]);
    fd_close(&out[1]);
    if (r == 0)
        r = loop_watch_child(c->loop, c->pid, on_exit_of_steward, c, &c->watch, err);
    if (r == 0)
        r = link_new(c->loop, TAKE_FD(out[0]), TAKE_FD(in[1]), NULL, &c->link, err);
    fd_close(&in[1]);
    fd_close(&out[0]);
    return r;
}

/* ---- what comes of it ---- */

static void say(void *user, const struct fleet_machine *m, const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
}

static int keep_run(struct talk *t, const struct str *text, struct err *err)
{
    struct courier *c = t->user;
    _cleanup_free_ char *path = xasprintf("%s/%u.run", c->folder, c->number);
    int r = file_replace(path, text->buf, text->len, 0600, err);

    if (r < 0)
        return r;
    c->result.run = true;
    c->result.bytes = text->len;
    fs_sha256_bytes(text->buf, text->len, c->result.sha256);
    return 0;
}

static int write_result(struct courier *c, struct err *err)
{
    const struct fleet_machine *m = c->m;
    _cleanup_free_ char *path = xasprintf("%s/%u.json", c->folder, c->number);
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:b, s:I, s:s}", "outcome",
                          fleet_outcome_name(m->outcome), "why", m->why, "hostname", m->hostname,
                          "id", m->id, "boot", m->boot, "status", m->status, "run", c->result.run,
                          "bytes", (json_int_t)c->result.bytes, "sha256", c->result.sha256);
    _cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);

    json_decref(o);
    return text ? file_replace(path, text, strlen(text), 0600, err)
                : err_set(err, ERR_BUG, EILSEQ, "a result that is no text");
}

/* ---- the way of it ---- */

static int read_order(struct courier *c, const char *order, struct err *err)
{
    int r = roll_read_order(order, c->number, &c->fleet, &c->folder, err);

    if (r < 0)
        return r;
    c->m = &c->fleet.machines.v[c->number - 1];
    c->m->place[0] = '\0'; /* the folder; the steward says where it is */
    return 0;
}

static void speak(struct courier *c)
{
    const struct fleet_options o = {.loop = c->loop, .state_dir = c->dir, .user = c, .say = say};
    struct voyage v = {.fleet = &c->fleet, .o = &o, .bundle = {.fd = -1}};
    struct talk t = {.v = &v, .m = c->m, .take = keep_run, .user = c};
    struct err err = ERR_INIT;
    int r = start_steward(c, &err);

    t.link = c->link;
    if (r == 0)
        r = talk_through(&t, &err);
    /* One that had just begun dies of the signal. */
    if ((r == -EINTR && !c->m->ended) || (t.stopping && c->m->ended && !c->result.run))
        machine_ends(c->m, FLEET_CANCELLED, NULL);
    else if (r < 0 && !c->m->ended)
        machine_ends(c->m, FLEET_FAILED, "%s", err.msg);
}

/* Without its link the steward ends by itself; what was not begun it leaves to us. */
static void finish(struct courier *c)
{
    _cleanup_free_ char *begun = xasprintf("%s/order.json", c->dir);

    loop_clear_interrupt(c->loop);
    link_free(c->link);
    c->link = NULL;
    if (c->watch && !c->exited)
        (void)loop_run_until(c->loop, &c->exited, time_deadline(DYING_NS), NULL);
    if (c->watch && !c->exited)
        kill(c->pid, SIGKILL);
    loop_remove(c->loop, c->watch);
    if (chdir("/") == 0 && access(begun, F_OK) < 0)
        (void)fs_remove_tree(c->dir, NULL);
}

int courier_run(const char *dir, const char *order, unsigned number, struct err *err)
{
    struct courier c = {.number = number};
    int r = 0;

    fleet_init(&c.fleet);
    if (!realpath(dir, c.dir) || !ledger_is_brought(c.dir) || chdir(c.dir) < 0)
        r = err_set(err, ERR_USAGE, EINVAL,
                    "%s is no directory that another machine's cupel brought here", dir);
    if (r == 0)
        r = loop_new(&c.loop, err);
    if (r == 0)
        r = loop_catch_interrupts(c.loop, err);
    if (r == 0)
        r = read_order(&c, order, err);
    if (r == 0) {
        speak(&c);
        finish(&c);
        r = write_result(&c, err);
    }
    fleet_release(&c.fleet);
    free(c.folder);
    if (c.loop)
        loop_free(c.loop);
    return r;
}

/* ---- on the controller ---- */

int courier_read(const char *folder, unsigned number, struct fleet_machine *m,
                 struct courier_result *ret, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%u.json", folder, number);
    _cleanup_(str_release) struct str text = STR_INIT;
    char outcome[32];
    enum fleet_outcome parsed;

    if (access(path, F_OK) < 0)
        return errno == ENOENT ? 0 : err_errno(err, errno, "%s", path);
    int r = file_read(path, RESULT_MAX, &text, err);
    if (r < 0)
        return r;
    json_t *o = json_loadb(text.buf, text.len, JSON_REJECT_DUPLICATES, NULL);
    object_copy(o, "outcome", outcome, sizeof(outcome));
    json_int_t bytes = json_integer_value(json_object_get(o, "bytes"));
    if (fleet_outcome_parse(outcome, &parsed) < 0 || bytes < 0) {
        json_decref(o);
        return err_set(err, ERR_MEASUREMENT, EPROTO, "%s is no result", path);
    }
    *ret = (struct courier_result){.run = json_is_true(json_object_get(o, "run")),
                                   .bytes = (uint64_t)bytes};
    object_copy(o, "sha256", ret->sha256, sizeof(ret->sha256));
    object_copy(o, "hostname", m->hostname, sizeof(m->hostname));
    object_copy(o, "id", m->id, sizeof(m->id));
    object_copy(o, "boot", m->boot, sizeof(m->boot));
    object_copy(o, "why", m->why, sizeof(m->why));
    m->status = (int)json_integer_value(json_object_get(o, "status"));
    m->outcome = parsed;
    json_decref(o);
    return 1;
}

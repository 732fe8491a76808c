/* Kata 1, through its OCI command line: create, start, a wait on its shim, delete.
 *
 * As the driver oci, but for what Kata does otherwise: identifiers are global (`--root` is
 * ignored); the process that `create` names is kata-shim on this host, whose exit status is the
 * container's; `state` of a container that has ended shuts its machine down, so it is asked once
 * and of one that runs; `kill` and `delete` wait 20 s for a shim that nobody reaps, which the loop
 * does; a `create` that fails may delete what is in the root it was given, so it gets one that
 * cannot be written to, or, of an image, a layer of the session's own; a network namespace is used
 * once. A start that fails is a failure: it is told, counted, and never tried again here. */
#include "driver/kata.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "driver/command.h"
#include "driver/oci.h"
#include "driver/proof.h"

#include <errno.h>
#include <sys/wait.h>

static const char *const proposals[] = {"kata:qemu-9p", "kata:qemu-virtiofs", NULL};

/* ---- once a run ---- */

static void kata_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    struct kata_config config;
    kata_inspect_runtime(s, t, ret, &config);
}

static void kata_close(struct site *s, struct engine *e)
{
    struct err err = ERR_INIT;
    if (e && e->state_dir[0] && state_dir_remove(s, e, &err) < 0)
        log_notice("%s", err.msg); /* it stays in the ledger */
    engine_free(e);
}

static int kata_open(struct site *s, const struct target_info *info, struct engine **ret,
                     struct err *err)
{
    struct engine *e = NULL;
    struct kata_config config;
    int r = engine_new(s, info, &e, err);
    if (r < 0)
        return r;
    r = kata_config_find(s, info->path, &info->target, &config, err);
    if (r == 0)
        r = kata_engine_make(e, &config, err);
    if (r == 0)
        r = state_dir_make(s, e, err); /* for the ledger's entry: Kata keeps nothing there */
    if (r < 0) {
        kata_close(s, e);
        return err_wrap(err, "open %s", info->target.label);
    }
    *ret = e;
    return 0;
}

/* ---- the command line ---- */

static void verb_begin(struct command *c, const struct live *l, const char *verb)
{
    const struct target *t = &l->engine->info.target;
    command_init(c, l->engine->info.path, verb);
    command_addf(c, "--kata-config=%s", l->engine->kata->config.path);
    for (size_t i = 0; i < t->n_flags; i++)
        if (!str_eq(t->flags[i].name, KATA_CONFIG_FLAG))
            command_addf(c, "--%s=%s", t->flags[i].name, t->flags[i].value);
    command_add(c, verb);
}

static int verb(struct live *l, const char *word, const char *option, const char *signal,
                uint64_t deadline_ns, struct str *out, struct err *err)
{
    struct command c;
    verb_begin(&c, l, word);
    if (option)
        command_add(&c, option);
    command_add(&c, l->ground.id);
    if (signal)
        command_add(&c, signal);
    return command_run_text(l, &c, deadline_ns, out, err);
}

/* ---- start ---- */

static int create(struct live *l, const struct stdio *io, uint64_t deadline_ns, struct err *err)
{
    struct command c;
    verb_begin(&c, l, "create");
    return oci_create(l, &c, io, deadline_ns, err);
}

/* The container's group gets another name than the one that was given. */
static void name_group(struct ground *g)
{
    str_format(g->box, sizeof(g->box), "%s/kata_box", g->group);
}

static int write_config(struct live *l, const char *nonce, struct err *err)
{
    struct ground as_told = l->ground;
    str_format(as_told.box, sizeof(as_told.box), "%s/box", l->ground.group);
    return oci_config_write(l->site, l->engine, &as_told, nonce, l->tmpfs_bytes, kata_netns(l),
                            err);
}

/* Of a container that has ended it would end the machine, and tell nothing. */
static int ask_state(struct live *l, uint64_t deadline_ns, struct str *out, struct err *err)
{
    if (l->exited)
        return session_failure(l->session, err);
    return verb(l, "state", NULL, NULL, deadline_ns, out, err);
}

static int launch(struct live *l, struct err *err)
{
    char nonce[WIRE_NONCE_SIZE];
    struct stdio io;
    session_nonce(nonce);
    int r = write_config(l, nonce, err);
    if (r == 0)
        r = live_open_session(l, nonce, &io, err);
    if (r < 0)
        return r;
    struct lifetimes life = {.begin_ns = start_begins(l)};
    uint64_t deadline_ns = life.begin_ns + l->start_timeout_ns;
    r = create(l, &io, deadline_ns, err);
    life.created_ns = time_mono_ns();
    stdio_close_child(&io);
    if (r == 0)
        r = verb(l, "start", NULL, NULL, deadline_ns, NULL, err);
    life.started_ns = time_mono_ns();
    if (r == 0)
        r = start_hello(l, &deadline_ns, err);
    if (r == 0)
        r = kata_adopt(l, err);
    if (r < 0)
        return r;
    life.hello_ns = l->session->answered_ns;
    l->session->life = life;
    _cleanup_(str_release) struct str state = STR_INIT;
    r = ask_state(l, deadline_ns, &state, err);
    return r < 0 ? r : proof_make(l, state.buf, err);
}

/* ---- stop ---- */

static void ask_calmly(struct live *l, const char *word, const char *option, const char *signal,
                       struct calm *calm)
{
    struct err err = ERR_INIT;
    int r;
    do
        r = verb(l, word, option, signal, time_deadline(l->site->stop_timeout_ns), NULL, &err);
    while (r == -EINTR && calm_put_aside(calm));
    if (r < 0)
        log_debug("%s: %s", l->ground.id, err.msg); /* what counts is what is left */
}

static void await_shim(struct live *l, struct calm *calm)
{
    if (l->watch && !l->exited)
        calm_wait(calm, &l->exited, time_deadline(l->site->stop_timeout_ns));
}

/* Kata first, while its machine is there to talk to: it would wait for the answer of a machine that
 * was killed under it. What it leaves is killed and removed after that. */
static void end_container(struct live *l, bool by_kata, struct calm *calm)
{
    if (!l->created)
        return;
    if (!by_kata && l->watch && !l->exited) {
        ask_calmly(l, "kill", NULL, "KILL", calm);
        await_shim(l, calm);
    }
    ask_calmly(l, "delete", "--force", NULL, calm);
    if (by_kata)
        await_shim(l, calm);
    ground_kill(l->site, &l->ground, NULL);
}

static int take_down(struct live *l, bool by_kata, struct lifetimes *life, struct err *err)
{
    struct site *s = l->site;
    struct calm calm = calm_begin(s->loop);
    end_container(l, by_kata, &calm);
    life->exited_ns = l->exited_ns;
    life->gone_ns = time_mono_ns();
    int r = kata_ground_remove(l, err);
    /* Were something of Kata's still mounted, what is removed now could be seen through it. */
    if (r == 0)
        r = ground_remove(s, &l->ground, err);
    if (r == 0)
        r = ground_container_gone(s, l->engine, &l->ground, err);
    live_free(l);
    calm_end(&calm);
    return r;
}

static int bring_up(struct live *l, struct err *err)
{
    name_group(&l->ground);
    int r = launch(l, err);
    if (r == 0)
        r = live_describe(l, err);
    if (r < 0)
        return r;
    live_container_dirs(l);
    return 0;
}

static int kata_start(struct site *s, struct engine *e, const struct launch *what,
                      struct session **ret, struct err *err)
{
    struct live *l = NULL;
    int r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    r = ground_make(s, e, &l->ground, what, true, err);
    if (r == 0)
        r = kata_ground_make(l, true, err);
    if (r == 0)
        r = bring_up(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    *ret = l->session;
    return 0;
}

/* The same ground and the same files, in another machine and another network namespace. */
static int kata_renew(struct site *s, struct engine *e, struct session **inout, struct err *err)
{
    struct live *l = (*inout)->priv;
    live_farewell(l, NS_PER_S);
    struct calm calm = calm_begin(s->loop);
    end_container(l, false, &calm);
    int r = kata_ground_sweep(l, err);
    calm_end(&calm);
    live_forget(l);
    *inout = NULL;
    if (r == 0)
        r = oci_clear_bundle(l, err);
    if (r == 0)
        r = kata_netns_renew(l, err);
    if (r == 0)
        r = bring_up(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    *inout = l->session;
    return 0;
}

const struct driver driver_kata = {
    .name = "kata",
    .summary = "Kata 1 by its OCI command line, each container in a virtual machine: "
               "kata:qemu-9p, kata:qemu-virtiofs",
    .proposals = proposals,
    .inspect = kata_inspect,
    .open = kata_open,
    .close = kata_close,
    .start = kata_start,
    .renew = kata_renew,
};

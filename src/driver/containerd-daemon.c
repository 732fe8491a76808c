/* Which containerd: the user's where one answers, in a namespace of the run's own; else a private
 * one for the target, in the target's own directories.
 *
 * One a target and not one a run: one that dies takes no other column with it, and nothing has to
 * be shared or counted. It boots in 20 ms. */
#include "driver/containerd.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/time.h"
#include "driver/containerd-words.h"
#include "driver/kata.h"
#include "driver/oci.h"
#include "driver/wrapper.h"
#include "host/proc.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define PLACE  "/run/containerd" /* of every containerd, compiled in: its shims' sockets */
#define ASK_NS (5 * NS_PER_S)

/* ---- what is here ---- */

static const char *users_address(void)
{
    const char *set = getenv("CONTAINERD_ADDRESS"); /* as ctr takes it */
    return set && *set ? set : PLACE "/containerd.sock";
}

/* A shim that calls no runtime we know: what can be said is which file it is. */
static void inspect_shim(struct site *s, struct target_info *ret)
{
    struct err err = ERR_INIT;
    if (fs_sha256(ret->path, ret->sha256, &err) < 0) {
        target_unusable(ret, err.kind, "%s", err.msg);
        return;
    }
    str_copy(ret->kind, sizeof(ret->kind), "oci");
    str_format(ret->version, sizeof(ret->version), "shim %.12s", ret->sha256);
    ret->usable = oci_check_machine(s, ret);
}

/* The runtime: by its name, its path, or the type of its shim. */
static void inspect_runtime(struct site *s, const struct target *t, struct target_info *ret)
{
    char program[96], path[256];
    struct target as = *t;
    struct kata_config config;
    if (kata_shim_type(t->runtime)) {
        kata_inspect_shim(s, t, kata_shim_type(t->runtime), ret, &config);
        return;
    }
    if (shim_program(t->runtime, program, sizeof(program))) {
        if (fs_which(program, path, sizeof(path)) < 0) {
            target_unusable(ret, ERR_UNSUPPORTED, "no %s on the PATH", program);
            return;
        }
        bool runc = str_starts(t->runtime, "io.containerd.runc.");
        if (!runc && !str_starts(t->runtime, "io.containerd.runsc.")) {
            str_copy(ret->path, sizeof(ret->path), path);
            inspect_shim(s, ret);
            return;
        }
        str_copy(as.runtime, sizeof(as.runtime), runc ? "runc" : "runsc");
    } else if (fs_which("containerd-shim-runc-v2", path, sizeof(path)) < 0) {
        target_unusable(ret, ERR_UNSUPPORTED, "no containerd-shim-runc-v2 on the PATH");
        return;
    }
    oci_inspect(s, &as, ret);
    ret->target = *t;
}

void containerd_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    char path[256], version[64], with[sizeof(ret->reason)];
    struct err err = ERR_INIT;
    *ret = (struct target_info){.target = *t};
    bool running = socket_answers(users_address());
    bool installed = fs_which("containerd", path, sizeof(path)) == 0;
    if (!t->runtime[0])
        target_unusable(ret, ERR_USAGE,
                        "a runtime is missing: containerd/NAME, containerd:/PATH "
                        "or containerd/io.containerd.NAME.vN");
    else if (!running && !installed)
        target_unusable(ret, ERR_UNSUPPORTED, "containerd is not installed");
    else if (fs_which("ctr", path, sizeof(path)) < 0)
        target_unusable(ret, ERR_UNSUPPORTED, "containerd is here, but no ctr on the PATH");
    else
        inspect_runtime(s, t, ret);
    if (!ret->usable)
        return;
    str_copy(with, sizeof(with), ret->reason); /* Kata's configuration */
    if (program_number(s, path, version, sizeof(version), &err) < 0)
        target_unusable(ret, err.kind, "%s", err.msg);
    else
        str_format(ret->reason, sizeof(ret->reason), "%s%scontainerd %s %s", with,
                   *with ? "; " : "", version,
                   running ? "runs: in a namespace of the run's own"
                           : "is installed but not running; a private one will be started");
}

/* ---- commands ---- */

void shim_socket_path(const char *address, const char *ns, const char *id, char *dst, size_t size)
{
    char text[400], hex[FS_SHA256_HEX];
    str_format(text, sizeof(text), "%s/%s/%s", address, ns, id);
    fs_sha256_bytes(text, strlen(text), hex);
    str_format(dst, size, PLACE "/s/%s", hex);
}

void containerd_command(struct command *c, const struct containerd *d, const char *verb)
{
    command_init(c, d->ctr, verb);
    command_add(c, "--address");
    command_add(c, d->address);
    command_add(c, "--connect-timeout=3s");
    command_add(c, "--namespace");
    command_add(c, d->ns);
}

int containerd_ask(struct site *s, const struct containerd *d, const char *const *words,
                   struct err *err)
{
    struct command c;
    containerd_command(&c, d, words[0]);
    command_add_all(&c, words);
    return spawn_simple(s->loop, c.argv, time_deadline(ASK_NS), NULL, err);
}

/* ---- once a run ---- */

static int write_file(const struct engine *e, const char *name, const char *text, mode_t mode,
                      char *ret_path, size_t size, struct err *err)
{
    if (!str_format(ret_path, size, "%s/%s", e->state_dir, name))
        return err_errno(err, ENAMETOOLONG, "name %s", name);
    return file_replace(ret_path, text, strlen(text), mode, err);
}

/* gVisor's own shim takes its flags from a file. */
static int make_shim_options(const struct engine *e, const char *name, const char *network,
                             char ret_path[256], struct err *err)
{
    const struct target *t = &e->info.target;
    if (strcmp(e->info.kind, "runsc") != 0)
        return 0;
    _cleanup_(str_release) struct str text = STR_INIT;
    str_addf(&text, "[runsc_config]\nplatform = \"%s\"\nnetwork = \"%s\"\n", e->info.platform,
             network);
    for (size_t i = 0; i < t->n_flags; i++)
        str_addf(&text, "%s = \"%s\"\n", t->flags[i].name, t->flags[i].value);
    return write_file(e, name, text.buf, 0600, ret_path, 256, err);
}

/* What crun must not see here; NULL: nothing. */
static const char *unified_cover(const struct site *s, const struct engine *e)
{
    return e->info.work_around[0] ? s->machine->cgroups.unified_mount : NULL;
}

static int choose_shim(const struct site *s, struct engine *e, struct containerd *d,
                       struct err *err)
{
    char program[96];
    const char *type = e->info.target.runtime;
    bool named = shim_program(type, program, sizeof(program));
    if (e->kata) {
        str_copy(d->shim, sizeof(d->shim), kata_shim_type(type));
        str_copy(d->options, sizeof(d->options), e->kata->config.path);
        return 0;
    }
    str_copy(d->shim, sizeof(d->shim), named ? type : SHIM_RUNC);
    if (str_starts(d->shim, "io.containerd.runc."))
        return wrapper_write(e, e->state_dir, "wrapper", "none", unified_cover(s, e), d->binary,
                             err);
    return make_shim_options(e, "shim.toml", "none", d->options, err);
}

/* One more of each for sessions with a network, since runsc is told of it by a flag. */
static int choose_plugged(struct live *l, struct containerd *d, struct err *err)
{
    const struct engine *e = l->engine;
    char *binary = d->plugged_binary[l->net_stack], *options = d->plugged_options[l->net_stack];
    const char *network = plug_runsc_network(l);
    bool cover = plug_needs_cover(l);
    char name[32];
    if (d->binary[0] && !binary[0]) {
        str_format(name, sizeof(name), "wrapper-%s", network);
        return wrapper_write(e, e->state_dir, name, network,
                             cover ? PLUG_COVER : unified_cover(l->site, e), binary, err);
    }
    if (d->options[0] && cover)
        return plug_unsupported(l,
                                "its shim starts gVisor where " PLUG_COVER_FILE
                                " is seen, and gVisor then takes every namespace for the machine's",
                                err);
    if (d->options[0] && !options[0]) {
        str_format(name, sizeof(name), "shim-%s.toml", network);
        return make_shim_options(e, name, network, options, err);
    }
    return 0;
}

int containerd_choose(struct live *l, const char **ret_binary, const char **ret_options,
                      struct err *err)
{
    struct containerd *d = l->engine->own;
    bool plugged = l->net.netns[0] != '\0' && !l->engine->kata;
    int r = plugged ? choose_plugged(l, d, err) : 0;
    *ret_binary = plugged ? d->plugged_binary[l->net_stack] : d->binary;
    *ret_options = plugged ? d->plugged_options[l->net_stack] : d->options;
    return r;
}

static const char config_text[] =
    "version = 2\n"
    "root = \"%s/root\"\n"
    "state = \"%s/state\"\n"
    "disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.snapshotter.v1.aufs\",\n"
    "  \"io.containerd.snapshotter.v1.btrfs\", \"io.containerd.snapshotter.v1.devmapper\",\n"
    "  \"io.containerd.snapshotter.v1.zfs\", \"io.containerd.snapshotter.v1.native\",\n"
    "  \"io.containerd.internal.v1.opt\"]\n"
    "[grpc]\naddress = \"%s/c.sock\"\n"
    "[ttrpc]\naddress = \"%s/t.sock\"\n"
    "[debug]\nlevel = \"warn\"\n";

static int start_daemon(struct site *s, struct engine *e, struct containerd *d, struct err *err)
{
    char config[256], log[256];
    if (fs_which("containerd", d->daemon_path, sizeof(d->daemon_path)) < 0)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "containerd is gone");
    int r = fs_sha256(d->daemon_path, d->daemon_sha256, err);
    _cleanup_free_ char *text =
        xasprintf(config_text, e->state_dir, e->run_dir, e->run_dir, e->run_dir);
    str_format(log, sizeof(log), "%s/containerd.log", e->state_dir);
    if (r == 0)
        r = write_file(e, "containerd.toml", text, 0600, config, sizeof(config), err);
    if (r < 0)
        return r;
    const char *argv[] = {d->daemon_path, "--config", config, NULL};
    struct daemon_spec spec = {
        .name = "containerd", .argv = argv, .socket = d->address, .log = log};
    return daemon_start(s, &spec, &d->daemon, time_deadline(s->start_timeout_ns), err);
}

/* The program behind the user's socket, for the proof, as far as the kernel tells. */
static void identify_daemon(struct containerd *d)
{
    _cleanup_fd_ int fd = fd_connect_unix(d->address);
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof(peer);
    char exe[64];
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0)
        return;
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)peer.pid);
    if (fs_sha256(exe, d->daemon_sha256, NULL) == 0)
        proc_exe(peer.pid, d->daemon_path, sizeof(d->daemon_path));
}

static struct ledger_item namespace_item(const struct containerd *d)
{
    return (struct ledger_item){
        .kind = LEDGER_NAMESPACE, .path = d->address, .id = d->ns, .runtime = d->ctr};
}

static int open_engine(struct site *s, struct engine *e, struct containerd *d, struct err *err)
{
    char runtime[256];
    struct stat st;
    d->own_daemon = !socket_answers(users_address());
    d->made_place = stat(PLACE, &st) < 0;
    if (fs_which("ctr", d->ctr, sizeof(d->ctr)) < 0)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "ctr is gone");
    int r = fs_sha256(d->ctr, d->sha256, err);
    if (r == 0)
        r = program_version(s, d->ctr, d->version, sizeof(d->version), err);
    if (r == 0)
        r = state_dir_make(s, e, err);
    if (r == 0)
        r = run_dir_make(s, e, err);
    if (r < 0)
        return r;
    str_copy(d->ns, sizeof(d->ns), strrchr(e->run_dir, '/') + 1);
    if (d->own_daemon)
        str_format(d->address, sizeof(d->address), "%s/c.sock", e->run_dir);
    else if (!str_copy(d->address, sizeof(d->address), users_address()))
        return err_errno(err, ENAMETOOLONG, "use containerd at %s", users_address());
    struct ledger_item item = namespace_item(d);
    r = ledger_intend(s->ledger, &item, 1, err);
    if (r == 0)
        d->intended = true;
    str_format(runtime, sizeof(runtime), "%s/" RUNTIME_DIR, e->state_dir);
    if (r == 0)
        r = fs_mkdirs(runtime, 0700, err);
    if (r == 0)
        r = choose_shim(s, e, d, err);
    if (r == 0 && !d->own_daemon)
        identify_daemon(d);
    return r == 0 && d->own_daemon ? start_daemon(s, e, d, err) : r;
}

/* Its configuration may have changed since it was looked at. */
static int open_kata(struct site *s, struct engine *e, struct err *err)
{
    struct target_info now;
    struct kata_config config;
    const struct target *t = &e->info.target;
    kata_inspect_shim(s, t, kata_shim_type(t->runtime), &now, &config);
    if (!now.usable)
        return err_set(err, now.why, ENOTSUP, "%s", now.reason);
    return kata_engine_make(e, &config, err);
}

int containerd_open(struct site *s, const struct target_info *info, struct engine **ret,
                    struct err *err)
{
    struct engine *e = NULL;
    int r = engine_new(s, info, &e, err);
    if (r < 0)
        return r;
    e->own = xcalloc(1, sizeof(struct containerd));
    if (str_eq(info->kind, "kata"))
        r = open_kata(s, e, err);
    if (r == 0)
        r = open_engine(s, e, e->own, err);
    if (r < 0) {
        containerd_close(s, e);
        return err_wrap(err, "open %s", info->target.label);
    }
    *ret = e;
    return 0;
}

/* In the user's containerd nothing of ours stays: its namespace is empty by now, or refuses to go.
 */
static int leave(struct site *s, struct containerd *d, struct err *err)
{
    const char *const words[] = {"namespaces", "remove", d->ns, NULL};
    struct ledger_item item = namespace_item(d);
    struct err why = ERR_INIT;
    int r = d->own_daemon ? daemon_stop(&d->daemon, err) : containerd_ask(s, d, words, &why);
    /* One that was never used is not there. */
    if (r < 0 && !d->own_daemon)
        r = strstr(why.msg, "not found")
                ? 0
                : err_set(err, why.kind, why.code, "namespace %s: %s", d->ns, why.msg);
    if (r < 0)
        return r;
    if (d->made_place) {
        (void)rmdir(PLACE "/s");
        (void)rmdir(PLACE "/fifo");
        (void)rmdir(PLACE);
    }
    return d->intended ? ledger_done(s->ledger, &item, err) : 0;
}

void containerd_close(struct site *s, struct engine *e)
{
    struct err err = ERR_INIT;
    struct containerd *d = e ? e->own : NULL;
    /* What cannot be removed stays in the ledger. */
    if (d && leave(s, d, &err) < 0)
        log_notice("%s", err.msg);
    if (e && state_dir_remove(s, e, &err) < 0)
        log_notice("%s", err.msg);
    if (e && run_dir_remove(s, e, &err) < 0)
        log_notice("%s", err.msg);
    free(d);
    engine_free(e);
}

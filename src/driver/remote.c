#include "driver/remote.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/ground.h"
#include "host/ssh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* A slow line takes a while for the probe's megabyte. */
#define START_NS   (30 * NS_PER_S)
#define LOOK_UP_NS (10 * NS_PER_S)
#define PROBE_MAX  (64u << 20)
#define OTHER_KIND 96 /* exit status of the script */

struct remote {
    char machine[PARAM_TEXT_MAX];
    char address[INET_ADDRSTRLEN];
};

static const struct remote *remote_of(const struct engine *e)
{
    return e->own;
}

const char *remote_address(const struct engine *e)
{
    return remote_of(e)->address;
}

/* ---- once a run and machine ---- */

/* The line "hostname X" of what `ssh -G` prints. */
static int find_hostname(const char *text, char *dst, size_t size)
{
    static const char key[] = "hostname ";
    const char *p = str_starts(text, key) ? text : strstr(text, "\nhostname ");

    if (!p)
        return -ENOENT;
    p += strlen(key) + (*p == '\n');
    bool fits = str_format(dst, size, "%.*s", (int)strcspn(p, "\n"), p);
    return fits && dst[0] && dst[0] != '-' ? 0 : -EINVAL;
}

/* By a program, since the resolver's own waits have no deadline. */
static int look_up(struct site *s, const char *host, char address[INET_ADDRSTRLEN], struct err *err)
{
    const char *const argv[] = {"getent", "ahostsv4", host, NULL};
    char path[256];
    struct in_addr in;
    _cleanup_(str_release) struct str out = STR_INIT;

    if (inet_pton(AF_INET, host, &in) == 1) {
        str_copy(address, INET_ADDRSTRLEN, host);
        return 0;
    }
    if (fs_which(argv[0], path, sizeof(path)) < 0)
        return err_set(err, ERR_UNSUPPORTED, ENOENT, "getent is not found on the PATH");
    const char *const found[] = {path, argv[1], argv[2], NULL};
    int r = spawn_simple(s->loop, found, time_deadline(LOOK_UP_NS), &out, NULL);
    if (r == -EINTR)
        return err_errno(err, EINTR, "look up %s", host);
    char word[INET_ADDRSTRLEN];
    bool fits = str_format(word, sizeof(word), "%.*s", (int)strcspn(out.buf, " \t\n"), out.buf);
    if (r < 0 || !fits || inet_pton(AF_INET, word, &in) != 1)
        return err_set(err, ERR_ENVIRONMENT, EADDRNOTAVAIL,
                       "no IPv4 address of %s is known on this machine", host);
    str_copy(address, INET_ADDRSTRLEN, word);
    return 0;
}

static int find_address(struct site *s, const char *ssh, struct remote *m, struct err *err)
{
    const char *const argv[] = {ssh, "-G", "--", m->machine, NULL};
    char host[256];
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = spawn_simple(s->loop, argv, time_deadline(LOOK_UP_NS), &out, err);

    if (r < 0)
        return r;
    if (find_hostname(out.buf, host, sizeof(host)) < 0)
        return err_set(err, ERR_ENVIRONMENT, EPROTO, "ssh -G names no host for it");
    return look_up(s, host, m->address, err);
}

int remote_open(struct site *s, const char *machine, struct engine **ret, struct err *err)
{
    struct target_info info = {.target = {.driver = "remote", .label = "peer"}, .usable = true};
    struct engine *e = NULL;
    struct remote *m;
    int r;

    str_copy(info.kind, sizeof(info.kind), "remote");
    r = ssh_find(info.path, sizeof(info.path), err);
    if (r < 0)
        return r;
    r = engine_new(s, &info, &e, err);
    if (r < 0)
        return r;
    m = e->own = xcalloc(1, sizeof(*m));
    str_copy(m->machine, sizeof(m->machine), machine);
    r = find_address(s, e->info.path, m, err);
    if (r < 0) {
        driver_remote.close(s, e);
        return err_wrap(err, "%s", machine);
    }
    *ret = e;
    return 0;
}

static void remote_close(struct site *s, struct engine *e)
{
    if (e)
        free(e->own);
    engine_free(e);
}

/* ---- start ---- */

/* Nothing of the user's is in it: numbers, hexadecimal digits, and this machine's kind. Without
 * single quotes, and for whatever shell the account has. Up to the probe's first word nothing comes
 * after the probe in the stream, so it does not matter how far `head` reads ahead. */
static const char script[] =
    "exec sh -c '"
    "k=$(uname -sm); [ \"$k\" = \"%s %s\" ] || "
    "{ echo \"that machine is $k, and this one %s %s\" >&2; exit %d; }; "
    "d=$(mktemp -d \"${TMPDIR:-/tmp}/cupel-XXXXXXXXXX\") || exit 97; "
    "trap \"rm -rf \\\"\\$d\\\"\" EXIT; trap \"exit 99\" HUP INT TERM PIPE; "
    "w=; if command -v timeout >/dev/null; then w=\"timeout 60\"; fi; "
    "$w head -c %zu >\"$d/p\" || exit 98; "
    "h=%s; if command -v sha256sum >/dev/null; then h=$(sha256sum <\"$d/p\"); fi; "
    "[ \"$(($(wc -c <\"$d/p\")))\" = %zu ] && [ \"${h%%%% *}\" = %s ] || "
    "{ echo \"the probe did not arrive there as it was sent\" >&2; exit 98; }; "
    "chmod 700 \"$d/p\" && exec 3<\"$d/p\" && rm -rf \"$d\" || exit 98; "
    "/proc/self/fd/3 --nonce %s; exit $?'";

static int make_script(const struct live *l, size_t probe_bytes, const char *nonce, struct str *ret,
                       struct err *err)
{
    const char *sha256 = l->program->sha256;
    struct utsname u;

    if (uname(&u) < 0)
        return err_errno(err, errno, "read this machine's kind");
    str_addf(ret, script, u.sysname, u.machine, u.sysname, u.machine, OTHER_KIND, probe_bytes,
             sha256, probe_bytes, sha256, nonce);
    return 0;
}

static int spawn_ssh(struct live *l, const struct stdio *io, const char *command, struct err *err)
{
    const char *argv[SSH_ARGV_MAX];
    struct spawn_spec spec = {.argv = argv,
                              .what = "ssh",
                              .fd_in = io->child_in,
                              .fd_out = io->child_out,
                              .fd_err = io->child_err,
                              .die_with_parent = true,
                              .new_session = true};
    pid_t pid = 0;

    ssh_argv(l->engine->info.path, remote_of(l->engine)->machine, command, argv);
    if (l->ground.group[0]) {
        int n = cgroup_open_join(&l->site->machine->cgroups, l->ground.tool, spec.join_fds,
                                 SPAWN_MAX_JOIN, err);
        if (n < 0)
            return n;
        spec.n_join = (size_t)n;
    }
    int r = spawn(&spec, &pid, err);
    for (size_t i = 0; i < spec.n_join; i++)
        fd_close(&spec.join_fds[i]);
    return r < 0 ? r : live_watch_client(l, pid, err);
}

/* Why there is no session, in the words of ssh or of the machine. */
static int say_why(struct live *l, int r, struct err *err)
{
    const char *machine = remote_of(l->engine)->machine;
    bool other =
        l->exited && WIFEXITED(l->wait_status) && WEXITSTATUS(l->wait_status) == OTHER_KIND;
    char line[200] = "";

    if (l->session)
        session_err_line(l->session, line, sizeof(line));
    if (r == -EINTR)
        return r;
    if (r == -ETIMEDOUT)
        err_set(err, ERR_TIMEOUT, ETIMEDOUT, "%s: no probe within %d s%s%s", machine,
                (int)(START_NS / NS_PER_S), *line ? ": " : "", line);
    else if (l->exited && *line)
        err_set(err, other ? ERR_UNSUPPORTED : ERR_ENVIRONMENT, other ? ENOEXEC : ECONNABORTED,
                "%s: %s", machine, line);
    else
        err_wrap(err, "%s", machine);
    return r;
}

static int launch(struct live *l, struct err *err)
{
    _cleanup_(str_release) struct str probe = STR_INIT, command = STR_INIT;
    char nonce[WIRE_NONCE_SIZE];
    struct stdio io;
    int r = file_read(l->program->path, PROBE_MAX, &probe, err);

    session_nonce(nonce);
    if (r >= 0)
        r = make_script(l, probe.len, nonce, &command, err);
    if (r >= 0)
        r = live_open_session(l, nonce, &io, err);
    if (r < 0)
        return r;
    l->session->life.begin_ns = time_mono_ns();
    r = spawn_ssh(l, &io, command.buf, err);
    stdio_close_child(&io);
    if (r == 0)
        r = session_feed(l->session, probe.buf, probe.len, err);
    if (r == 0)
        r = session_hello(l->session, time_deadline(START_NS), err);
    if (r < 0)
        return say_why(l, r, err);
    l->session->life.hello_ns = l->session->answered_ns;
    return 0;
}

/* Ends whatever is there of it on this machine, and frees l; the other one sees its stream end. */
static int take_down(struct live *l, bool by_engine, struct lifetimes *life, struct err *err)
{
    struct site *s = l->site;
    struct calm calm = calm_begin(s->loop);

    if (l->watch && !l->exited) {
        ground_kill(s, &l->ground, NULL);
        calm_wait(&calm, &l->exited, time_deadline(s->stop_timeout_ns));
    }
    life->exited_ns = life->gone_ns = l->exited_ns;
    int r = ground_remove(s, &l->ground, err);
    live_free(l);
    calm_end(&calm);
    return r;
}

/* The name of no target is claimed: what is there to be shown is where it runs. */
static void prove(struct live *l)
{
    json_t *o = json_object();

    remote_facts(l->engine, l->session, o);
    l->session->proof = json_dumps(o, JSON_COMPACT);
    json_decref(o);
}

/* As start_failed, whose deadline is another. */
static int failed(struct live *l, int r, struct err *err)
{
    struct lifetimes life = {0};
    struct err first = *err, left = ERR_INIT;

    if (take_down(l, false, &life, &left) < 0)
        err_set(err, first.kind, first.code, "%s; %s", first.msg, left.msg);
    return r;
}

static int remote_start(struct site *s, struct engine *e, const struct launch *what,
                        struct session **ret, struct err *err)
{
    struct live *l = NULL;
    int r = live_begin(s, e, what, take_down, &l, err);

    if (r < 0)
        return r;
    r = ground_make(s, e, &l->ground, what, false, err);
    if (r == 0)
        r = launch(l, err);
    if (r < 0)
        return failed(l, r, err);
    l->session->number = l->ground.number;
    l->session->priv = l;
    l->session->caps.eof_reaches_us = true;
    prove(l);
    *ret = l->session;
    return 0;
}

/* ---- facts ---- */

void remote_facts(const struct engine *e, const struct session *sess, json_t *facts)
{
    const struct frame_hello *h = &sess->hello;
    char own[sizeof(h->boot_id)] = "";
    bool same = file_read_line("/proc/sys/kernel/random/boot_id", own, sizeof(own)) >= 0 &&
                own[0] && str_eq(own, h->boot_id);

    json_object_set_new(
        facts, "topology",
        json_string(same ? "same machine, through its own network" : "another machine"));
    json_object_set_new(facts, "peer_machine", json_string(remote_of(e)->machine));
    json_object_set_new(facts, "peer_address", json_string(remote_of(e)->address));
    json_object_set_new(facts, "peer_kernel",
                        json_sprintf("%s %s %s", h->sysname, h->release, h->machine));
    json_object_set_new(facts, "peer_boot_id", json_string(h->boot_id));
}

const struct driver driver_remote = {
    .name = "remote",
    .summary = "a probe on another machine, through OpenSSH: the peer of a network",
    .close = remote_close,
    .start = remote_start,
};

/* Machines by the OpenSSH client: a directory of our own is made there, the bundle goes into it
 * through standard input, and a steward out of it (fleet/steward.h) is spoken to from then on. */
#include "fleet/ssh.h"

#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "fleet/talk.h"
#include "host/ssh.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define WORDS_MAX 4096
#define DYING_NS  (5 * NS_PER_S)

/* Nothing of the user's is in either: numbers, hexadecimal digits, this machine's kind; the place
 * was checked. Without single quotes, and for whatever shell the account
 * has. The directory goes with the script until the steward has it; a steward that dies in the
 * middle is followed by another, which cleans up after its run and keeps what there is of it. */
static const char carry_script[] =
    "exec sh -c '"
    "k=$(uname -sm); [ \"$k\" = \"%s %s\" ] || "
    "{ echo \"that machine is $k, and this one %s %s\" >&2; exit %d; }; "
    "umask 077; d=$(mktemp -d \"${TMPDIR:-/var/tmp}/cupel-fleet-XXXXXXXXXX\") || exit %d; "
    "echo $$ >\"$d/pid\"; trap \"rm -rf \\\"\\$d\\\"\" EXIT; trap \"exit 99\" HUP INT TERM PIPE; "
    "w=; if command -v timeout >/dev/null; then w=\"timeout 900\"; fi; "
    "$w head -c %llu >\"$d/b\" || exit %d; "
    "h=%s; if command -v sha256sum >/dev/null; then h=$(sha256sum <\"$d/b\"); fi; "
    "[ \"$(($(wc -c <\"$d/b\")))\" = %llu ] && [ \"${h%%%% *}\" = %s ] || "
    "{ echo \"cupel did not arrive there as it was sent\" >&2; exit %d; }; "
    "cd \"$d\" && e=$(tar -xzof b 2>&1) && rm b || { echo \"$e\" | head -n 1 >&2; exit %d; }; "
    "trap \"\" HUP INT PIPE; trap - TERM; "
    "sh ./start steward \"$d\"; s=$?; "
    "[ -e \"$d/order.json\" ] || exit $s; trap - EXIT; sh ./start steward \"$d\"'";

static const char resume_script[] =
    "exec sh -c '"
    "d=\"%s\"; if [ -L \"$d\" ] || [ ! -d \"$d\" ] || [ ! -O \"$d\" ]; then "
    "echo \"$d is there no more\" >&2; exit %d; fi; "
    "cd \"$d\" && trap \"\" HUP INT PIPE && exec sh ./start steward \"$d\"'";

/* The client of one machine. */
struct client {
    struct loop *loop;
    struct link *link;
    struct loop_source *watch, *src_err;
    pid_t pid;
    bool exited;
    int wait_status;
    int fd_err;
    char words[WORDS_MAX]; /* of its standard error */
    size_t n_words;
};

static int check(const char *spec, struct err *err)
{
    int r = ssh_check_machine(spec, err);
    return r < 0 ? err_wrap(err, "--on ssh") : 0;
}

/* ---- the client ---- */

/* The first words tell why; what comes after them is not kept. */
static void on_err(void *user, int fd, uint32_t events)
{
    struct client *c = user;
    char chunk[1024];
    ssize_t n = read(c->fd_err, chunk, sizeof(chunk));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        loop_remove(c->loop, c->src_err);
        c->src_err = NULL;
        return;
    }
    for (ssize_t i = 0; i < n && c->n_words + 1 < sizeof(c->words); i++)
        if (chunk[i] != '\r')
            c->words[c->n_words++] = chunk[i];
    c->words[c->n_words] = '\0';
}

static void on_exit_of_client(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct client *c = user;

    c->exited = true;
    c->wait_status = wait_status;
}

static int start(struct client *c, const char *ssh, const char *machine, const char *script,
                 struct err *err)
{
    const char *argv[SSH_ARGV_MAX];
    int in[2] = {-1, -1}, out[2] = {-1, -1}, words[2] = {-1, -1};

    ssh_argv(ssh, machine, script, argv);
    int r = fd_pipe(in, err);
    if (r == 0)
        r = fd_pipe(out, err);
    if (r == 0)
        r = fd_pipe(words, err);
    const struct spawn_spec spec = {.argv = argv,
                                    .what = "ssh",
                                    .fd_in = in[0],
                                    .fd_out = out[1],
                                    .fd_err = words[1],
                                    .die_with_parent = true,
                                    .new_session = true};
    if (r == 0)
        r = spawn(&spec, &c->pid, err);
    fd_close(&in[0]);
    fd_close(&out[1]);
    fd_close(&words[1]);
    if (r == 0)
        r = loop_watch_child(c->loop, c->pid, on_exit_of_client, c, &c->watch, err);
    if (r == 0) {
        c->fd_err = TAKE_FD(words[0]);
        r = fd_set_nonblock(c->fd_err, true, err);
    }
    if (r == 0)
        r = loop_add_fd(c->loop, c->fd_err, EPOLLIN, on_err, c, &c->src_err, err);
    if (r == 0)
        r = link_new(c->loop, TAKE_FD(out[0]), TAKE_FD(in[1]), NULL, &c->link, err);
    fd_close(&in[1]);
    fd_close(&out[0]);
    fd_close(&words[0]);
    return r;
}

/* Waits for it, not for long: without its link it ends by itself, and else is killed. */
static void finish(struct client *c)
{
    int signal = loop_interrupted(c->loop);

    loop_clear_interrupt(c->loop);
    link_free(c->link);
    c->link = NULL;
    for (int i = 0; i < 2 && c->watch && !c->exited; i++) {
        if (loop_run_until(c->loop, &c->exited, time_deadline(DYING_NS), NULL) == -EINTR)
            loop_clear_interrupt(c->loop);
        if (!c->exited)
            kill(c->pid, SIGKILL);
    }
    for (int i = 0; i < 4 && c->src_err; i++)
        on_err(c, c->fd_err, EPOLLIN);
    loop_set_interrupt(c->loop, signal);
}

static void client_release(struct client *c)
{
    link_free(c->link);
    loop_remove(c->loop, c->watch);
    loop_remove(c->loop, c->src_err);
    fd_close(&c->fd_err);
}

/* ---- what went wrong ---- */

static bool says(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasestr(text, words[i]))
            return true;
    return false;
}

/* ssh's own failures are all 255, and its words are what tells them apart (sshconnect.c,
 * sshconnect2.c, packet.c of OpenSSH). */
static enum fleet_outcome client_why(const char *text)
{
    static const char *const key[] = {"Host key verification failed",
                                      "REMOTE HOST IDENTIFICATION HAS CHANGED",
                                      "host key is known for"};
    static const char *const refused[] = {"Permission denied (", "Too many authentication failures",
                                          "No supported authentication methods"};

    if (says(text, key, ARRAY_SIZE(key)))
        return FLEET_HOST_KEY;
    return says(text, refused, ARRAY_SIZE(refused)) ? FLEET_REFUSED : FLEET_UNREACHABLE;
}

enum fleet_outcome ssh_why(bool exited, int wait_status, const char *text)
{
    static const char *const full[] = {"No space left on device", "Disk quota exceeded"};

    if (!exited || !WIFEXITED(wait_status))
        return FLEET_UNREACHABLE;
    switch (WEXITSTATUS(wait_status)) {
    case 255:
        return client_why(text);
    case SSH_EXIT_GONE:
        return FLEET_GONE;
    case SSH_EXIT_ARCHITECTURE:
        return FLEET_ARCHITECTURE;
    case SSH_EXIT_NO_PLACE:
    case SSH_EXIT_NOT_ARRIVED:
        return says(text, full, ARRAY_SIZE(full)) ? FLEET_DISK_FULL : FLEET_FAILED;
    default:
        return FLEET_FAILED;
    }
}

/* The line that says most: the last that is not empty. */
static void last_line(const char *text, char *dst, size_t size)
{
    size_t end = strlen(text), from;

    while (end > 0 && strchr("\n ", text[end - 1]))
        end--;
    for (from = end; from > 0 && text[from - 1] != '\n';)
        from--;
    str_format(dst, size, "%.*s", (int)(end - from), text + from);
}

/* The link is at its end before the machine had its outcome. */
static void lost(const struct client *c, const struct talk *t, const struct err *why)
{
    struct fleet_machine *m = t->m;
    char line[300];

    last_line(c->words, line, sizeof(line));
    if (m->ended)
        return;
    if (why->code == EINTR && !t->ordered) {
        machine_ends(m, FLEET_LOST, "interrupted");
        return;
    }
    if (t->ordered || (t->resume && m->place[0] && !t->hello &&
                       ssh_why(c->exited, c->wait_status, c->words) != FLEET_GONE))
        machine_ends(m, FLEET_KEPT, "%s", line[0] ? line : why->msg);
    else if (t->hello) {
        /* What was brought may still be there: --resume goes and sees, and begins with it. */
        machine_ends(m, FLEET_LOST, "%s", line[0] ? line : why->msg);
        m->ended = false;
    } else
        machine_ends(m, ssh_why(c->exited, c->wait_status, c->words), "%s",
                     line[0] ? line : why->msg);
}

/* ---- the carrier ---- */

static int talk_by(struct voyage *v, struct fleet_machine *m, const char *script, bool resume,
                   struct err *err)
{
    struct client c = {.loop = v->o->loop, .fd_err = -1};
    struct talk t = {.v = v, .m = m, .resume = resume};
    struct err why = ERR_INIT;
    char ssh[256];
    int r = ssh_find(ssh, sizeof(ssh), err);

    if (r < 0)
        return r;
    r = start(&c, ssh, m->on + strlen("ssh:"), script, err);
    if (r == 0) {
        t.link = c.link;
        if (!resume)
            link_send_file(c.link, v->bundle.fd, v->bundle.bytes);
        r = talk_through(&t, &why);
        if (r == -EINTR || r == -ETIMEDOUT)
            kill(c.pid, SIGKILL); /* what it still has to send is not to go */
        finish(&c);
        if (r < 0)
            lost(&c, &t, &why);
        if (r < 0 && err)
            *err = why;
    }
    client_release(&c);
    /* What the machine or the line has to answer for is the machine's outcome. */
    return r == -EINTR || (r < 0 && !(m->ended || m->outcome == FLEET_KEPT)) ? r : 0;
}

static int carry(struct voyage *v, struct fleet_machine *m, struct err *err)
{
    const struct bundle *b = &v->bundle;
    unsigned long long n = b->bytes;
    _cleanup_(str_release) struct str script = STR_INIT;
    struct utsname u;

    if (uname(&u) < 0)
        return err_errno(err, errno, "read this machine's kind");
    str_addf(&script, carry_script, u.sysname, u.machine, u.sysname, u.machine,
             SSH_EXIT_ARCHITECTURE, SSH_EXIT_NO_PLACE, n, SSH_EXIT_NOT_ARRIVED, b->sha256, n,
             b->sha256, SSH_EXIT_NOT_ARRIVED, SSH_EXIT_NOT_ARRIVED);
    return talk_by(v, m, script.buf, false, err);
}

static int resume(struct voyage *v, struct fleet_machine *m, struct err *err)
{
    _cleanup_(str_release) struct str script = STR_INIT;

    if (!m->place[0]) {
        machine_ends(m, FLEET_LOST, "nothing of it is anywhere");
        return 0;
    }
    str_addf(&script, resume_script, m->place, SSH_EXIT_GONE);
    return talk_by(v, m, script.buf, true, err);
}

const struct carrier carrier_ssh = {
    .scheme = "ssh",
    .machine = "user@machine",
    .check = check,
    .carry = carry,
    .resume = resume,
};

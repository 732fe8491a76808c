#include "driver/qemu.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* A console that says more than this is a flood. A boot is some kilobytes at the most. */
#define VOICE_FLOOD_BYTES (1u << 20)

/* Below the session's directory; of the two file servers. */
static const char *const sockets[] = {"root.sock", "data.sock"};
static const char *const shares[] = {"rootfs", "data"};

static struct qemu *qemu_of(const struct live *l)
{
    return l->engine->own;
}

static struct guest *guest_of(const struct live *l)
{
    return l->own;
}

/* ---- what is heard ---- */

/* One read; true if there may be more. */
static bool voice_read(struct voice *v)
{
    char chunk[4096];
    ssize_t n = v->src ? read(v->fd, chunk, sizeof(chunk)) : 0;
    if (n > 0) {
        tail_add(&v->said, chunk, (size_t)n);
        v->bytes += (uint64_t)n;
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        loop_remove(v->live->site->loop, v->src);
        v->src = NULL;
    }
    return false;
}

static void on_voice(void *user, int fd, uint32_t events)
{
    struct voice *v = user;
    voice_read(v);
    if (v->bytes <= VOICE_FLOOD_BYTES)
        return;
    if (v->live->session)
        session_break(v->live->session, ERR_MEASUREMENT, EOVERFLOW, "it floods its console");
    loop_remove(v->live->site->loop, v->src);
    v->src = NULL;
}

/* Bounded: it may go on for ever. */
static void voice_drain(struct voice *v)
{
    for (int i = 0; i < 64 && voice_read(v); i++)
        ;
}

static int voice_listen(struct voice *v, struct live *l, int fd, struct err *err)
{
    v->live = l;
    v->fd = fd;
    return loop_add_fd(l->site->loop, fd, EPOLLIN, on_voice, v, &v->src, err);
}

static void voice_end(struct voice *v)
{
    if (v->live)
        loop_remove(v->live->site->loop, v->src);
    fd_close(&v->fd);
    *v = (struct voice){.fd = -1};
}

/* The rest of the line after the last place where `word` begins one or follows a time stamp. */
static bool said_after(const struct tail *t, const char *word, char *dst, size_t size)
{
    const char *at = NULL;
    for (const char *p = t->text; (p = strstr(p, word)); p += strlen(word))
        at = p;
    if (!at)
        return false;
    at += strlen(word);
    str_format(dst, size, "%.*s", (int)strcspn(at, "\n"), at);
    return true;
}

const char *guest_words(const struct live *l, char *dst, size_t size)
{
    struct guest *g = guest_of(l);
    const struct tail *t = &g->console.said;
    char line[200];
    voice_drain(&g->console);
    if (said_after(t, "Out of memory: ", line, sizeof(line)))
        str_format(dst, size, "its memory of %llu MiB was used up: %s",
                   (unsigned long long)(g->memory_bytes >> 20), line);
    else if (said_after(t, "Kernel panic - not syncing: ", line, sizeof(line)))
        str_format(dst, size, "its kernel panicked: %s", line);
    else if (said_after(t, "cupel-guest: ", line, sizeof(line)))
        str_format(dst, size, "its init: %s", line);
    else if (*tail_line(t, line, sizeof(line)))
        str_format(dst, size, "its console: %s", line);
    else
        str_copy(dst, size, "");
    return dst;
}

static const char *why_ended(const struct live *l)
{
    struct guest *g = guest_of(l);
    return *guest_words(l, g->why, sizeof(g->why)) ? g->why : NULL;
}

/* ---- before the clock ---- */

/* Bound by a short way to it, since a socket's address is: the session's directory may lie deep. */
static int make_socket(const struct live *l, const char *name, struct err *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    _cleanup_fd_ int dir = open(l->ground.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (dir < 0 || fd < 0)
        return err_errno(err, errno, "make socket %s of %s", name, l->ground.id);
    str_format(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir, name);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
        return err_errno(err, errno, "make socket %s of %s", name, l->ground.id);
    return TAKE_FD(fd);
}

/* Read by us from now on, so that QEMU can open it for writing. */
static int make_console(struct live *l, struct err *err)
{
    char path[200];
    str_format(path, sizeof(path), "%s/" VM_CONSOLE, l->ground.dir);
    if (mkfifo(path, 0600) < 0)
        return err_errno(err, errno, "make %s", path);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    return voice_listen(&guest_of(l)->console, l, fd, err);
}

int guest_new(struct live *l, uint64_t memory_bytes, const char *image, struct err *err)
{
    struct guest *g = l->own = xcalloc(1, sizeof(*g));
    g->console.fd = g->servers_err.fd = -1;
    g->memory_bytes = memory_bytes;
    l->why_ended = why_ended;
    if (image && !str_copy(g->image, sizeof(g->image), image))
        return err_errno(err, ENAMETOOLONG, "use the image %s", image);
    return 0;
}

int guest_prepare(struct live *l, struct err *err)
{
    int r = guest_make_disks(l, err);
    if (r == 0 && l->net.netns[0])
        r = tap_plug(l, &guest_of(l)->tap, err);
    return r == 0 ? make_console(l, err) : r;
}

/* ---- processes ---- */

static int spec_of(const struct live *l, const struct vm_command *c, struct spawn_spec *ret,
                   struct err *err)
{
    *ret = (struct spawn_spec){.argv = c->argv,
                               .cwd = l->ground.dir,
                               .fd_in = -1,
                               .fd_out = -1,
                               .fd_err = -1,
                               .die_with_parent = true,
                               .new_session = true};
    int n = cgroup_open_join(&l->site->machine->cgroups, l->ground.box, ret->join_fds,
                             SPAWN_MAX_JOIN, err);
    if (n < 0)
        return n;
    ret->n_join = (size_t)n;
    return 0;
}

static void spec_close(struct spawn_spec *spec)
{
    for (size_t i = 0; i < spec->n_join; i++)
        fd_close(&spec->join_fds[i]);
}

/* A file server leaves when its machine does. One that leaves before hangs the machine. */
static void on_server_exit(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct helper *h = user;
    struct live *l = h->live;
    struct guest *g = guest_of(l);
    char line[200], how[40];
    h->exited = true;
    bool clean = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
    if (!l->session || l->session->leaving || l->exited || (clean && session_is_dying(l->session)))
        return;
    voice_drain(&g->servers_err);
    tail_line(&g->servers_err.said, line, sizeof(line));
    if (WIFSIGNALED(wait_status))
        str_format(how, sizeof(how), "killed by signal %d", WTERMSIG(wait_status));
    else
        str_format(how, sizeof(how), "exit status %d", WEXITSTATUS(wait_status));
    session_break(l->session, ERR_ENVIRONMENT, EPIPE, "its virtiofsd died: %s%s%s", how,
                  *line ? ": " : "", line);
}

static int start_server(struct live *l, size_t i, int err_fd, struct err *err)
{
    struct vm_command c = {.n = 0};
    struct helper *h = &guest_of(l)->servers[i];
    struct spawn_spec spec;
    _cleanup_fd_ int listening = make_socket(l, sockets[i], err);
    if (listening < 0)
        return listening;
    virtiofsd_command(&qemu_of(l)->server, i == 0 ? l->ground.rootfs : l->ground.data, &c);
    int r = spec_of(l, &c, &spec, err);
    if (r == 0) {
        spec.fd_in = listening;
        spec.fd_err = err_fd;
        spec.what = "virtiofsd";
        r = spawn(&spec, &h->pid, err);
        spec_close(&spec);
    }
    vm_command_release(&c);
    h->live = l;
    return r < 0 ? r : loop_watch_child(l->site->loop, h->pid, on_server_exit, h, &h->watch, err);
}

static int start_servers(struct live *l, struct err *err)
{
    int pipe_fds[2];
    int r = fd_pipe(pipe_fds, err);
    if (r < 0)
        return r;
    _cleanup_fd_ int writing = pipe_fds[1];
    r = fd_set_nonblock(pipe_fds[0], true, err);
    if (r < 0) {
        fd_close(&pipe_fds[0]);
        return r;
    }
    r = voice_listen(&guest_of(l)->servers_err, l, pipe_fds[0], err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sockets); i++)
        r = start_server(l, i, writing, err);
    return r;
}

/* For its init: what is mounted, and the probe's own command line. */
static void init_words(const struct live *l, const char *nonce, char *dst, size_t size)
{
    const struct qemu *q = qemu_of(l);
    const char *options = vmm_qemu.mount_options(q->options.root);
    const char *inject = l->engine->info.target.inject;
    bool plugged = l->net.netns[0] != '\0';
    str_format(dst, size,
               "cupel.root=%s%s%s cupel.data=1 cupel.tmpfs=%llu cupel.prog=/" PROBE_NAME
               " cupel.arg=--nonce cupel.arg=%s%s%s%s%s",
               vm_root_name(q->options.root), *options ? " cupel.options=" : "", options,
               (unsigned long long)l->tmpfs_bytes, nonce,
               *inject ? " cupel.arg=--inject cupel.arg=" : "", inject,
               plugged ? " cupel.net=" : "", plugged ? guest_of(l)->tap.guest : "");
}

static struct vm_shape shape_of(const struct live *l, const char *words)
{
    const struct qemu *q = qemu_of(l);
    const struct guest *g = guest_of(l);
    bool plugged = l->net.netns[0] != '\0';
    const char *const disks[] = {g->root_disk, g->data_disk};
    const char *const *sources = q->options.root == VM_ROOT_VIRTIOFS ? sockets
                                 : q->options.root == VM_ROOT_9P     ? shares
                                                                     : disks;
    return (struct vm_shape){.name = l->ground.id,
                             .program = l->engine->info.path,
                             .machine = q->machine,
                             .accel = q->accel,
                             .cpus = (unsigned)CPU_COUNT(&l->site->cpus),
                             .memory_bytes = g->memory_bytes,
                             .kernel = q->kernel.image,
                             .initrd = q->kernel.initrd,
                             .words = words,
                             .tsc_khz = q->tsc_khz,
                             .root = q->options.root,
                             .root_source = sources[0],
                             .data_source = sources[1],
                             .tap = plugged ? TAP_NAME : NULL,
                             .mac = plugged ? g->tap.mac : NULL};
}

/* It opens its tap by name, so it runs in the session's network namespace. */
static int spawn_qemu(struct live *l, const struct vm_command *c, const struct stdio *io,
                      pid_t *ret_pid, struct err *err)
{
    struct spawn_spec spec;
    _cleanup_fd_ int netns = l->net.netns[0] ? netns_open(l->net.netns, err) : -1;
    if (l->net.netns[0] && netns < 0)
        return netns;
    int r = spec_of(l, c, &spec, err);
    if (r < 0)
        return r;
    if (netns >= 0)
        spec.ns_fds[spec.n_ns++] = netns;
    spec.fd_in = io->child_in;
    spec.fd_out = io->child_out;
    spec.fd_err = io->child_err;
    spec.what = "qemu";
    r = spawn(&spec, ret_pid, err);
    spec_close(&spec);
    return r;
}

static int start_qemu(struct live *l, const struct stdio *io, const char *nonce, struct err *err)
{
    struct vm_command c = {.n = 0};
    char words[640];
    pid_t pid;
    init_words(l, nonce, words, sizeof(words));
    const struct vm_shape shape = shape_of(l, words);
    vmm_qemu.command(&shape, &c);
    int r = spawn_qemu(l, &c, io, &pid, err);
    vm_command_release(&c);
    return r < 0 ? r : live_watch(l, pid, err);
}

int guest_boot(struct live *l, const struct stdio *io, const char *nonce, struct err *err)
{
    int r = qemu_of(l)->options.root == VM_ROOT_VIRTIOFS ? start_servers(l, err) : 0;
    return r < 0 ? r : start_qemu(l, io, nonce, err);
}

/* ---- the end ---- */

static int remove_file(const struct live *l, const char *name, struct err *err)
{
    char path[200];
    str_format(path, sizeof(path), "%s/%s", l->ground.dir, name);
    return unlink(path) < 0 && errno != ENOENT ? err_errno(err, errno, "remove %s", path) : 0;
}

int guest_forget(struct live *l, struct err *err)
{
    struct guest *g = l->own;
    voice_end(&g->console);
    voice_end(&g->servers_err);
    for (size_t i = 0; i < ARRAY_SIZE(g->servers); i++) {
        loop_remove(l->site->loop, g->servers[i].watch);
        g->servers[i] = (struct helper){.pid = 0};
    }
    int r = remove_file(l, VM_CONSOLE, err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sockets); i++)
        r = remove_file(l, sockets[i], err);
    return r;
}

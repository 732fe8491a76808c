#include "driver/docker-daemon.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/command.h"
#include "driver/engine-network.h"
#include "driver/plug.h"
#include "driver/wrapper.h"
#include "host/mounts.h"
#include "host/netns.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define ASK_NS (5 * NS_PER_S)
/* Packing and importing a root file system of some hundred megabytes. */
#define IMAGE_NS (300 * NS_PER_S)
/* Between two looks whether a new configuration has been read. */
#define RELOAD_AGAIN_NS (5 * NS_PER_MS)

/* ---- what it says of itself ---- */

static int read_info(struct docker_daemon *d, uint64_t deadline_ns, struct err *err)
{
    const struct docker_request q = {.method = "GET", .path = "/info", .what = "info"};
    char driver[24];
    json_t *info = NULL;
    int r = docker_call(d->api, &q, deadline_ns, &info, err);
    if (r < 0)
        return r;
    object_copy(info, "ServerVersion", d->version, sizeof(d->version));
    object_copy(info, "Driver", d->storage, sizeof(d->storage));
    object_copy(info, "DockerRootDir", d->root, sizeof(d->root));
    object_copy(info, "CgroupDriver", driver, sizeof(driver));
    d->systemd = str_eq(driver, "systemd");
    json_decref(d->runtimes);
    d->runtimes = json_incref(json_object_get(info, "Runtimes"));
    json_decref(info);
    return 0;
}

/* The program behind the socket, for the proof, as far as the kernel tells: of a socket that
 * systemd has opened it tells of systemd. */
static void identify(struct docker_daemon *d)
{
    _cleanup_fd_ int fd = fd_connect_unix(docker_socket(d->api));
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof(peer);
    char exe[64];
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 1)
        return;
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)peer.pid);
    if (fs_sha256(exe, d->sha256, NULL) == 0)
        proc_exe(peer.pid, d->path, sizeof(d->path));
    str_printable(d->path);
}

const char *docker_daemon_death(const struct docker_daemon *d)
{
    bool own = d->whose == DOCKER_OWN;
    if (own && daemon_failure(&d->process, NULL) < 0)
        return "dockerd died";
    /* One that was killed has closed its socket before its end is told. */
    if (socket_answers(docker_socket(d->api)))
        return NULL;
    return own ? "dockerd died" : "docker does not answer any more";
}

/* ---- the run's own ---- */

static int write_config(const struct docker_daemon *d, char *ret_path, size_t size, struct err *err)
{
    str_format(ret_path, size, "%s/daemon.json", d->data_dir);
    char proxy[256];
    /* On its network it is as it is when nobody says anything. */
    bool with_proxy = d->place[0] && fs_which("docker-proxy", proxy, sizeof(proxy)) == 0;
    json_t *o =
        json_pack("{s:O, s:b}", "runtimes", d->configured, "userland-proxy", (int)with_proxy);
    _cleanup_free_ char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    json_decref(o);
    if (!text)
        return err_set(err, ERR_BUG, ENOMEM, "write %s", ret_path);
    return file_replace(ret_path, text, strlen(text), 0600, err);
}

static int make_dirs(struct docker_daemon *d, struct err *err)
{
    struct site *s = d->site;
    struct stat st;
    if (!str_format(d->data_dir, sizeof(d->data_dir), "%s/docker", s->dir))
        return err_errno(err, ENAMETOOLONG, "name docker's directory below %s", s->dir);
    int r = owned_dir_make(s, d->data_dir, err);
    if (r < 0) {
        d->data_dir[0] = '\0';
        return r;
    }
    for (unsigned i = 0; i < 1000; i++) {
        str_format(d->run_dir, sizeof(d->run_dir), "/run/cupel-%s-%u", s->run_id, i);
        if (lstat(d->run_dir, &st) < 0)
            break;
    }
    r = owned_dir_make(s, d->run_dir, err);
    if (r < 0)
        d->run_dir[0] = '\0';
    return r;
}

static int remove_dirs(struct docker_daemon *d, struct err *err)
{
    int r = d->run_dir[0] ? owned_dir_remove(d->site, d->run_dir, err) : 0;
    if (r == 0 && d->data_dir[0])
        r = owned_dir_remove(d->site, d->data_dir, err);
    return r;
}

static void add_no_network(struct command *c)
{
    static const char *const none[] = {"--bridge=none", "--iptables=false", "--ip-forward=false",
                                       "--ip-masq=false", NULL};
    command_add_all(c, none);
}

static int spawn_daemon(struct docker_daemon *d, const char *config, const int *mount_ns,
                        struct err *err)
{
    _cleanup_fd_ int net_ns = -1;
    struct command c;
    char log[192], program[256];
    if (fs_which("dockerd", program, sizeof(program)) < 0)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "dockerd is gone");
    str_format(log, sizeof(log), "%s/log", d->run_dir); /* where it is not full when its root is */
    command_init(&c, program, "");
    command_addf(&c, "--config-file=%s", config);
    command_addf(&c, "--data-root=%s/root", d->data_dir);
    command_addf(&c, "--exec-root=%s/x", d->run_dir);
    command_addf(&c, "--pidfile=%s/pid", d->run_dir);
    command_addf(&c, "--host=unix://%s", docker_socket(d->api));
    command_add(&c, "--exec-opt=native.cgroupdriver=cgroupfs");
    if (!d->place[0])
        add_no_network(&c);
    command_add(&c, "--ip6tables=false");
    command_add(&c, "--log-level=warn");
    if (d->place[0] && (net_ns = netns_open(d->place, err)) < 0)
        return net_ns;
    const struct daemon_spec spec = {.name = "dockerd",
                                     .argv = c.argv,
                                     .socket = docker_socket(d->api),
                                     .log = log,
                                     .mount_ns = mount_ns,
                                     .net_ns = d->place[0] ? &net_ns : NULL};
    return daemon_start(d->site, &spec, &d->process, time_deadline(d->site->start_timeout_ns), err);
}

/* It listens before it has looked at what it has to work with; what is wrong with that it says at
 * its end. */
static int first_words(struct docker_daemon *d, struct err *err)
{
    int r = read_info(d, time_deadline(d->site->start_timeout_ns), err);
    if (r == 0 || r == -EINTR || r == -ETIMEDOUT)
        return r;
    (void)loop_run_until(d->site->loop, &d->process.ended, time_deadline(NS_PER_S), NULL);
    return daemon_failure(&d->process, NULL) < 0 ? daemon_failure(&d->process, err) : r;
}

static int boot(struct docker_daemon *d, struct err *err)
{
    const struct cgroups *c = &d->site->machine->cgroups;
    bool cover = c->mode == CGROUP_HYBRID && c->unified_has_controllers;
    const char *keep[] = {d->run_dir, d->site->dir};
    const struct mountns_daemon what = {.keep = keep,
                                        .n_keep = str_starts(d->site->dir, "/run/") ? 2 : 1,
                                        .cover = cover ? c->unified_mount : "",
                                        .run = "",
                                        .bind = ""};
    char config[192];
    _cleanup_fd_ int ns = -1;
    int r = write_config(d, config, sizeof(config), err);
    if (r == 0)
        r = mountns_for_daemon(&what, &ns, err);
    if (r == 0)
        r = spawn_daemon(d, config, &ns, err);
    if (r == 0)
        r = first_words(d, err);
    return r;
}

static int remove_place(struct docker_daemon *d, struct err *err)
{
    int r = d->place[0] ? engine_network_place_remove(d->site, d->place, err) : 0;
    if (r == 0)
        d->place[0] = '\0';
    return r;
}

/* What keeps it from having a network is no reason for not having docker. */
static int without_network(struct docker_daemon *d, const struct err *why, struct err *err)
{
    int r = daemon_stop(&d->process, err);
    if (r == 0)
        r = remove_place(d, err);
    d->no_network = *why;
    return r;
}

static int start_daemon(struct docker_daemon *d, struct err *err)
{
    struct err why = ERR_INIT;
    int r = d->place[0] ? boot(d, &why) : 0;
    if (r == -EINTR)
        return err_set(err, why.kind, why.code, "%s", why.msg);
    if (r < 0)
        r = without_network(d, &why, err);
    if (r == 0 && !d->place[0])
        r = boot(d, err);
    if (r == 0)
        identify(d);
    return r < 0 ? err_wrap(err, "start a docker of the run's own") : 0;
}

/* All that it needs of this machine before it can be told of runtimes. */
static int prepare_daemon(struct docker_daemon *d, struct err *err)
{
    char socket[DOCKER_SOCKET_MAX];
    int r = make_dirs(d, err);
    if (r == 0 && d->site->engine_networks) {
        str_format(d->place, sizeof(d->place), "%s/docker-net", d->site->dir);
        r = engine_network_place(d->site, d->place, err);
    }
    str_format(socket, sizeof(socket), "%s/d.sock", d->run_dir);
    return r == 0 ? docker_new(d->site->loop, socket, &d->api, err) : r;
}

/* It reads its configuration at a SIGHUP, some time. */
static int reload(struct docker_daemon *d, const char *name, struct err *err)
{
    uint64_t deadline_ns = time_deadline(ASK_NS);
    char config[192];
    int r = write_config(d, config, sizeof(config), err);
    if (r == 0)
        r = daemon_failure(&d->process, err);
    if (r == 0)
        kill(d->process.pid, SIGHUP); /* not reaped yet, so the pid is ours */
    while (r == 0) {
        r = read_info(d, deadline_ns, err);
        if (r < 0 || json_object_get(d->runtimes, name))
            break;
        if (time_mono_ns() >= deadline_ns)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "docker reload: timed out");
        r = loop_run_until(d->site->loop, NULL, time_deadline(RELOAD_AGAIN_NS), err);
        r = r == -ETIMEDOUT ? 0 : r;
    }
    return r;
}

static int configure(struct docker_daemon *d, const char *name, const char *path, json_t *args,
                     struct err *err)
{
    json_t *runtime = json_pack("{s:s, s:o}", "path", path, "runtimeArgs", args);
    if (!runtime || json_object_set_new(d->configured, name, runtime) < 0)
        return err_set(err, ERR_USAGE, EILSEQ, "a path or flag that is no UTF-8");
    return 0;
}

/* gVisor is told of a network by a flag; and docker's shim calls it where it may see too much. */
static int configure_plugged(struct docker_daemon *d, const struct engine *e,
                             struct docker_target *t, struct err *err)
{
    char name[80];
    str_copy(t->plugged, sizeof(t->plugged), t->runtime);
    if (!d->place[0] || !str_eq(e->info.kind, "runsc"))
        return 0;
    str_format(t->plugged, sizeof(t->plugged), "%s-net", t->runtime);
    str_format(name, sizeof(name), "%s.sh", t->plugged);
    int r =
        wrapper_write(e, d->data_dir, name, "sandbox",
                      plug_namespace_needs_cover(d->place) ? PLUG_COVER : NULL, t->wrapper, err);
    return r < 0 ? r : configure(d, t->plugged, t->wrapper, json_array(), err);
}

int docker_daemon_register(struct docker_daemon *d, const struct engine *e, struct docker_target *t,
                           struct err *err)
{
    struct command flags;
    bool runs = d->api != NULL;
    int r = runs ? 0 : prepare_daemon(d, err);
    str_format(t->runtime, sizeof(t->runtime), "cupel%zu-%s", json_object_size(d->configured),
               e->info.kind);
    command_init(&flags, e->info.path, "");
    command_add_runtime_flags(&flags, e, "none", NULL);
    json_t *args = json_array();
    for (size_t i = 1; i < flags.n; i++)
        json_array_append_new(args, json_string(flags.argv[i]));
    if (r == 0)
        r = configure(d, t->runtime, e->info.path, json_incref(args), err);
    json_decref(args);
    if (r == 0)
        r = configure_plugged(d, e, t, err);
    if (r < 0)
        return r;
    return runs ? reload(d, t->plugged, err) : start_daemon(d, err);
}

/* ---- images ---- */

static struct ledger_item image_item(const struct docker_daemon *d, const char *name)
{
    return (struct ledger_item){
        .kind = LEDGER_DOCKER_IMAGE, .path = docker_socket(d->api), .id = name};
}

/* The directories every root has: as a tree to be packed. */
static int make_bare(const struct docker_daemon *d, char *ret, size_t size, struct err *err)
{
    static const char *const needed[] = {"proc", "dev", "sys", "tmp", "data", "work"};
    str_format(ret, size, "%s/docker-bare", d->site->dir);
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(needed); i++) {
        char path[256];
        str_format(path, sizeof(path), "%s/%s", ret, needed[i]);
        r = fs_mkdirs(path, 0755, err);
    }
    return r;
}

/* By tar, which is everywhere and knows what a root file system may hold. In an image /work is the
 * one directory that no mount makes: docker takes no path twice, so it is put in where it is not.
 * The program is bound in. */
static int pack(const struct docker_daemon *d, const char *dir, const char *archive,
                struct err *err)
{
    char tar[256], bare[192], work[256];
    struct stat st;
    struct command c;
    int r = make_bare(d, bare, sizeof(bare), err);
    if (r == 0 && fs_which("tar", tar, sizeof(tar)) < 0)
        r = err_set(err, ERR_UNSUPPORTED, ENOENT, "no tar on the PATH");
    if (r < 0)
        return r;
    str_format(work, sizeof(work), "%s/work", *dir ? dir : bare);
    bool has_work = lstat(work, &st) == 0 && S_ISDIR(st.st_mode);
    command_init(&c, tar, "");
    command_add(&c, "--create");
    command_add(&c, "--numeric-owner");
    command_add(&c, "--anchored");
    command_add(&c, "--exclude=./" PROBE_NAME);
    if (!has_work)
        command_add(&c, "--exclude=./work");
    command_addf(&c, "--file=%s", archive);
    command_addf(&c, "--directory=%s", *dir ? dir : bare);
    command_add(&c, ".");
    if (!has_work) {
        command_addf(&c, "--directory=%s", bare);
        command_add(&c, "work");
    }
    return spawn_simple(d->site->loop, c.argv, time_deadline(IMAGE_NS), NULL, err);
}

static int import(struct docker_daemon *d, const char *dir, const char *name, struct err *err)
{
    char archive[192];
    struct stat st;
    str_format(archive, sizeof(archive), "%s/docker-image.tar", d->site->dir);
    int r = pack(d, dir, archive, err);
    _cleanup_fd_ int fd = r < 0 ? -1 : open(archive, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (r == 0 && (fd < 0 || fstat(fd, &st) < 0))
        r = err_errno(err, errno, "read %s", archive);
    if (r == 0)
        r = docker_import(d->api, fd, (uint64_t)st.st_size, name, d->site->run_id,
                          time_deadline(IMAGE_NS), err);
    (void)unlink(archive);
    return r < 0 ? err_wrap(err, "image %s", name) : 0;
}

int docker_daemon_image(struct docker_daemon *d, const char *dir, const char **ret_name,
                        struct err *err)
{
    struct docker_image made = {.dir = NULL};
    dir = dir ? dir : "";
    VEC_FOREACH (&d->images, struct docker_image, known) {
        if (str_eq(known->dir, dir)) {
            *ret_name = known->name;
            return 0;
        }
    }
    str_format(made.name, sizeof(made.name), "cupel-%s-%u", d->site->run_id, d->next_image++);
    struct ledger_item item = image_item(d, made.name);
    int r = d->whose == DOCKER_USERS ? ledger_intend(d->site->ledger, &item, 1, err) : 0;
    if (r == 0)
        r = import(d, dir, made.name, err);
    if (r == -EEXIST && d->whose == DOCKER_USERS) {
        ledger_done(d->site->ledger, &item, NULL); /* somebody else's */
        return r;
    }
    /* One that failed may be there all the same: it is removed with the others. */
    made.dir = xstrdup(r < 0 ? "/" : dir);
    VEC_PUSH(&d->images, made);
    *ret_name = d->images.v[d->images.n - 1].name;
    return r;
}

static int remove_images(struct docker_daemon *d, struct err *err)
{
    struct err first = ERR_INIT;
    VEC_FOREACH (&d->images, struct docker_image, it) {
        struct err why = ERR_INIT;
        struct ledger_item item = image_item(d, it->name);
        int r = docker_remove_image(d->api, it->name, d->site->run_id,
                                    time_deadline(d->site->stop_timeout_ns), &why);
        if (r >= 0 || r == -EPERM)
            ledger_done(d->site->ledger, &item, NULL);
        else if (!first.code)
            first = why;
    }
    if (first.code && err)
        *err = first;
    return -first.code;
}

/* ---- in use ---- */

int docker_daemon_hold(struct site *s, enum docker_whose whose, struct docker_daemon **ret,
                       struct err *err)
{
    struct docker_daemon *d = s->docker[whose];
    char socket[DOCKER_SOCKET_MAX];
    int r = 0;
    if (d) {
        d->users++;
        *ret = d;
        return 0;
    }
    d = s->docker[whose] = xcalloc(1, sizeof(*d));
    *d = (struct docker_daemon){.site = s, .whose = whose, .users = 1, .configured = json_object()};
    if (whose == DOCKER_USERS) {
        if (!docker_users_socket(socket))
            r = err_set(err, ERR_ENVIRONMENT, EINVAL,
                        "DOCKER_HOST names no socket of this machine");
        if (r == 0)
            r = docker_new(s->loop, socket, &d->api, err);
        if (r == 0)
            r = read_info(d, time_deadline(ASK_NS), err);
        if (r == 0)
            identify(d);
    }
    if (r < 0) {
        docker_daemon_drop(d, NULL);
        return r;
    }
    *ret = d;
    return 0;
}

int docker_daemon_drop(struct docker_daemon *d, struct err *err)
{
    int r = 0;
    if (!d || --d->users > 0)
        return 0;
    struct calm calm = calm_begin(d->site->loop);
    if (d->whose == DOCKER_USERS) {
        r = remove_images(d, err);
    } else {
        r = daemon_stop(&d->process, err);
        if (r == 0)
            r = remove_place(d, err);
        if (r == 0)
            r = remove_dirs(d, err);
    }
    calm_end(&calm);
    d->site->docker[d->whose] = NULL;
    VEC_FOREACH (&d->images, struct docker_image, it)
        free(it->dir);
    VEC_RELEASE(&d->images);
    docker_free(d->api);
    json_decref(d->runtimes);
    json_decref(d->configured);
    free(d);
    return r;
}

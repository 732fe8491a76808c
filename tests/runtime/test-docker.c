/* What only docker can do wrong: a daemon that dies, hangs, refuses, is full or is not there;
 * containers that are paused; names that are taken; and other people's containers in the same
 * daemon. What is no engine's own is tested by test-drivers, for every target. Also prints how long
 * a start and a stop take.
 *
 * The daemon that plays the user's is the private one of a rig of its own. */
#include "rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "driver/docker-daemon.h"
#include "host/mounts.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <sys/un.h>

#define BYSTANDER "bystander"
#define DEADLINE  time_deadline(20 * NS_PER_S)

static char *path_before;
static char place[64] = "/tmp/cupel-docker-XXXXXX";

static int restore(void **state)
{
    setenv("PATH", path_before, 1);
    unsetenv("DOCKER_HOST");
    return 0;
}

/* rig_open_or_skip without opening it. */
static void look_or_skip(struct rig *r, const char *target)
{
    struct target t;
    size_t n;
    const char *const *names = driver_names(&n);
    assert_ok(target_parse(target, names, n, &t, err));
    r->driver = driver_find("docker");
    r->driver->inspect(&r->site, &t, &r->info);
    if (r->info.usable)
        return;
    print_message("# %s: %s\n", target, r->info.reason);
    rig_release(r);
    skip();
}

static struct docker_daemon *daemon_of(const struct rig *r)
{
    return ((struct docker_target *)r->engine->own)->daemon;
}

static json_t *ask(struct docker *d, const char *method, const char *path, json_t *body)
{
    json_t *answer = NULL;
    const struct docker_request q = {.method = method, .path = path, .what = "test", .body = body};
    assert_ok(docker_call(d, &q, DEADLINE, &answer, err));
    json_decref(body);
    return answer;
}

/* A workload from its beginning to its end; how many operations it did. */
static uint64_t slice(struct session *s, uint64_t ops)
{
    rig_prepare(s, "cpu.prime", 1, "limit", 5000);
    uint64_t done = rig_slice(s, ops).ops;
    rig_finish(s);
    return done;
}

/* ---- times ---- */

static void test_times(void **state)
{
    static const char *const targets[] = {"runc",         "docker/runc",         "docker/crun",
                                          "runsc:ptrace", "docker/runsc:ptrace", "containerd/runc"};
    for (size_t t = 0; t < ARRAY_SIZE(targets); t++)
        rig_print_times(targets[t]);
}

/* ---- what is not there ---- */

static void test_missing(void **state)
{
    setenv("PATH", "/nonexistent", 1);
    setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
    rig_check_unusable("docker/runc", ERR_UNSUPPORTED, "docker is not installed");
    setenv("DOCKER_HOST", "tcp://127.0.0.1:1", 1);
    rig_check_unusable("docker/runc", ERR_ENVIRONMENT,
                       "DOCKER_HOST names no socket of this machine");
    rig_check_unusable("docker", ERR_USAGE, "a runtime is missing");
    setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
    setenv("PATH", path_before, 1);
    struct rig r;
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    assert_non_null(strstr(r.info.reason, "docker is installed but not running; a private one ("));
    rig_release(&r);
}

/* A socket on which nobody listens, or nobody answers. */
static int listen_at(char path[100], bool accepting)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char host[120];
    str_format(path, 100, "%s/d.sock", place);
    (void)unlink(path);
    str_copy(at.sun_path, sizeof(at.sun_path), path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    if (accepting)
        assert_int_equal(listen(fd, 16), 0);
    str_format(host, sizeof(host), "unix://%s", path);
    setenv("DOCKER_HOST", host, 1);
    return fd;
}

static void test_mute_socket(void **state)
{
    char path[100];
    setenv("PATH", "/nonexistent", 1);
    int fd = listen_at(path, true);
    rig_check_unusable("docker/runc", ERR_TIMEOUT, "no answer after 3 s");
    fd_close(&fd);
    fd = listen_at(path, false);
    rig_check_unusable("docker/runc", ERR_UNSUPPORTED, "docker is not installed");
    fd_close(&fd);
    unlink(path);
}

/* As somebody who may not speak to it. */
static void test_no_permission(void **state)
{
    char path[100];
    struct rig r;
    struct target t;
    size_t n;
    const char *const *names = driver_names(&n);
    int fd = listen_at(path, true);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(place, 0755), 0);
    rig_init(&r);
    assert_ok(target_parse("docker/runc", names, n, &t, err));
    r.machine.is_root = false;
    assert_int_equal(seteuid(65534), 0);
    driver_find("docker")->inspect(&r.site, &t, &r.info);
    assert_int_equal(seteuid(0), 0);
    r.machine.is_root = true;
    assert_false(r.info.usable);
    assert_int_equal(r.info.why, ERR_UNSUPPORTED);
    assert_non_null(strstr(r.info.reason, "Permission denied"));
    assert_non_null(strstr(r.info.reason, path));
    rig_release(&r);
    fd_close(&fd);
    unlink(path);
}

/* ---- one daemon for all targets ---- */

static void test_shared_daemon(void **state)
{
    static const char *const more[] = {"docker/runsc:ptrace", "new=docker/runc"};
    struct rig r;
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    size_t n;
    const char *const *names = driver_names(&n);
    struct engine *e[ARRAY_SIZE(more)] = {NULL};
    struct session *first = rig_start(&r);
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        struct target t;
        struct target_info info;
        struct session *s = NULL;
        assert_ok(target_parse(more[i], names, n, &t, err));
        r.driver->inspect(&r.site, &t, &info);
        if (!info.usable)
            continue;
        assert_ok(r.driver->open(&r.site, &info, &e[i], err));
        assert_ok(r.driver->start(&r.site, e[i], &rig_probe, &s, err));
        assert_ptr_equal(((struct docker_target *)e[i]->own)->daemon, daemon_of(&r));
        assert_int_equal(slice(s, 5), 5);
        assert_ok(session_stop(s, ENDING_BYE, NULL, err));
    }
    assert_int_equal(slice(first, 5), 5); /* a reload did it no harm */
    rig_stop(&r, first);
    for (size_t i = 0; i < ARRAY_SIZE(more); i++)
        if (e[i])
            r.driver->close(&r.site, e[i]);
    rig_stop(&r, rig_start(&r));
    rig_release(&r);
}

/* ---- daemons that die ---- */

static void test_daemon_dies(void **state)
{
    struct rig r;
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    struct session *s = rig_start(&r), *who;
    struct session *const set[] = {s};
    struct frame f;
    struct err why = ERR_INIT;
    rig_prepare(s, "cpu.prime", 1, "limit", 20000);
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 1000000;
    assert_ok(session_post(s, &f, err));
    kill(daemon_of(&r)->process.pid, SIGKILL);
    assert_ok(sessions_wait_any(r.loop, set, 1, DEADLINE, &who, err));
    assert_true(session_failure(s, &why) < 0);
    print_message("# %s\n", why.msg);
    assert_int_equal(why.kind, ERR_ENVIRONMENT);
    assert_non_null(strstr(why.msg, "dockerd died"));
    rig_stop(&r, s);
    rig_check_start_fails(&r, ERR_ENVIRONMENT, "dockerd died: killed by signal 9", NS_PER_S);
    rig_release(&r);
}

/* Its root will lie on a file system of this size. */
static void narrow(struct rig *r, uint64_t bytes)
{
    char dir[200];
    str_format(dir, sizeof(dir), "%s/docker", r->site.dir);
    assert_ok(fs_mkdirs(dir, 0700, err));
    assert_ok(mount_tmpfs(dir, bytes, err));
}

/* No room under its root: it does not start. */
static void test_full_disk(void **state)
{
    struct rig r;
    struct err why = ERR_INIT;
    rig_init(&r);
    look_or_skip(&r, "docker/runc");
    narrow(&r, 128 << 10);
    struct engine *e = NULL;
    assert_true(r.driver->open(&r.site, &r.info, &e, &why) < 0);
    print_message("# %s\n", why.msg);
    assert_null(e);
    assert_int_equal(why.kind, ERR_ENVIRONMENT);
    assert_non_null(strstr(why.msg, "o space left on device"));
    rig_release(&r);
}

/* Or it does, and has none for an image. */
static void test_full_image(void **state)
{
    struct rig r;
    char image[160], file[200];
    static const char noise[1 << 16] = {1};
    struct session *s = NULL;
    struct err why = ERR_INIT;
    rig_init(&r);
    look_or_skip(&r, "docker/runc");
    str_format(image, sizeof(image), "%s/image", r.state);
    assert_ok(fs_mkdirs(image, 0755, err));
    str_format(file, sizeof(file), "%s/large", image);
    _cleanup_fd_ int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    for (int i = 0; i < 512; i++)
        assert_ok(fd_write_full(fd, noise, sizeof(noise), err));
    narrow(&r, 16 << 20);
    rig_open_or_skip(&r, "docker/runc");
    const struct launch what = {.program = PROGRAM_PROBE, .image = image};
    assert_true(r.driver->start(&r.site, r.engine, &what, &s, &why) < 0);
    print_message("# %s\n", why.msg);
    assert_int_equal(why.kind, ERR_ENVIRONMENT);
    assert_non_null(strstr(why.msg, "no space left on device"));
    rig_stop(&r, rig_start(&r)); /* what fits goes on */
    assert_ok(fs_remove_tree(image, err));
    rig_release(&r);
}

static void test_paused(void **state)
{
    struct rig r;
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    struct session *s = rig_start(&r);
    struct frame f;
    struct err why = ERR_INIT;
    char path[96];
    rig_prepare(s, "cpu.prime", 1, "limit", 20000);
    str_format(path, sizeof(path), "/containers/cupel-%s-0000/pause", r.site.run_id);
    json_decref(ask(daemon_of(&r)->api, "POST", path, NULL));
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 10;
    assert_int_equal(session_call(s, &f, FRAME_SLICED, time_deadline(300 * NS_PER_MS), NULL, &why),
                     -ETIMEDOUT);
    assert_int_equal(why.kind, ERR_TIMEOUT);
    uint64_t begin = time_mono_ns();
    rig_stop(&r, s);
    assert_true(time_mono_ns() - begin < 6 * NS_PER_S);
    rig_release(&r);
}

/* A daemon that stands still: a start runs into its deadline, and the clean-up into its own. */
static void test_frozen_daemon(void **state)
{
    struct rig r;
    rig_init(&r);
    r.site.start_timeout_ns = 2 * NS_PER_S;
    r.site.stop_timeout_ns = 2 * NS_PER_S;
    rig_open_or_skip(&r, "docker/runc");
    rig_stop(&r, rig_start(&r));
    kill(daemon_of(&r)->process.pid, SIGSTOP);
    rig_check_start_fails(&r, ERR_TIMEOUT, "timed out at start after 2 s (docker create)",
                          8 * NS_PER_S);
    kill(daemon_of(&r)->process.pid, SIGCONT);
    rig_stop(&r, rig_start(&r));
    rig_release(&r);
}

/* ---- in a daemon of the user's ---- */

struct users {
    struct rig rig;
    struct docker *api;
    json_int_t pid;
};

static json_t *state_of(const struct users *u, const char *name)
{
    char path[96];
    str_format(path, sizeof(path), "/containers/%s/json", name);
    json_t *found = ask(u->api, "GET", path, NULL);
    json_t *state = json_incref(json_object_get(found, "State"));
    json_decref(found);
    return state;
}

/* With a container and an image that are somebody else's. */
static void users_start(struct users *u)
{
    char host[120], parent[CGROUP_PATH_MAX + 8], probe[300];
    const char *image;
    setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
    rig_init(&u->rig);
    rig_open_or_skip(&u->rig, "docker/runc");
    u->api = daemon_of(&u->rig)->api;
    assert_ok(docker_daemon_image(daemon_of(&u->rig), NULL, &image, err));
    str_format(parent, sizeof(parent), "%s/by", u->rig.site.cgroup);
    str_format(probe, sizeof(probe), "%s/cupel-probe:/idle:ro", u->rig.site.dir);
    json_decref(ask(u->api, "POST", "/containers/create?name=" BYSTANDER,
                    json_pack("{s:s, s:[s,s,s,s,s], s:b, s:{s:s, s:[s], s:s}}", "Image", image,
                              "Cmd", "/idle", "--nonce", "00000000000000ff", "--lease", "36000",
                              "OpenStdin", 1, "HostConfig", "NetworkMode", "none", "Binds", probe,
                              "CgroupParent", parent)));
    json_decref(ask(u->api, "POST", "/containers/" BYSTANDER "/start", NULL));
    json_t *state = state_of(u, BYSTANDER);
    u->pid = json_integer_value(json_object_get(state, "Pid"));
    json_decref(state);
    assert_true(u->pid > 1);
    str_format(host, sizeof(host), "unix://%s", docker_socket(u->api));
    setenv("DOCKER_HOST", host, 1);
}

/* The bystander is the same process, and there is nothing but it and its image. */
static void users_check(const struct users *u, size_t containers, size_t images)
{
    json_t *state = state_of(u, BYSTANDER);
    assert_int_equal(json_integer_value(json_object_get(state, "Pid")), u->pid);
    assert_true(json_is_true(json_object_get(state, "Running")));
    json_decref(state);
    json_t *list = ask(u->api, "GET", "/containers/json?all=1", NULL);
    assert_int_equal(json_array_size(list), containers);
    json_decref(list);
    list = ask(u->api, "GET", "/images/json?all=1", NULL);
    size_t tags = 0, i;
    json_t *image;
    json_array_foreach (list, i, image)
        tags += json_array_size(json_object_get(image, "RepoTags"));
    assert_int_equal(tags, images);
    json_decref(list);
}

static void users_stop(struct users *u)
{
    json_decref(ask(u->api, "DELETE", "/containers/" BYSTANDER "?force=1", NULL));
    unsetenv("DOCKER_HOST");
    rig_release(&u->rig);
}

static void test_users_daemon(void **state)
{
    struct users u;
    struct rig r;
    users_start(&u);
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    print_message("# %s\n", r.info.reason);
    assert_non_null(strstr(r.info.reason, " runs: its runtime runc"));
    assert_int_equal(daemon_of(&r)->whose, DOCKER_USERS);
    struct session *s = rig_start(&r);
    rig_prepare(s, "cpu.prime", 1, "limit", 5000);
    assert_int_equal(rig_slice(s, 10).ops, 10);
    rig_finish(s);
    users_check(&u, 2, 2);
    rig_stop(&r, s);
    users_check(&u, 1, 2); /* the image is kept for the run */
    s = rig_start(&r);
    kill(s->caps.pid, SIGKILL);
    rig_stop(&r, s);
    rig_release(&r);
    users_check(&u, 1, 1);
    users_stop(&u);
}

/* It stands still while a container is asked for, and makes it when nobody waits any more. */
static void test_users_daemon_late(void **state)
{
    struct users u;
    struct rig r;
    users_start(&u);
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    rig_stop(&r, rig_start(&r));
    r.site.start_timeout_ns = r.site.stop_timeout_ns = NS_PER_S;
    pid_t daemon = daemon_of(&u.rig)->process.pid;
    kill(daemon, SIGSTOP);
    rig_check_start_fails(&r, ERR_TIMEOUT, "left behind of cupel-", 8 * NS_PER_S);
    kill(daemon, SIGCONT);
    char name[40];
    str_format(name, sizeof(name), "cupel-%s-0001", r.site.run_id);
    int rc = 0; /* its name is in the ledger: what clean-up does */
    for (int i = 0; rc == 0 && i < 40; i++) {
        (void)loop_run_until(r.loop, NULL, time_deadline(50 * NS_PER_MS), NULL);
        rc = docker_remove_container(u.api, name, r.site.run_id, DEADLINE, NULL);
    }
    assert_int_equal(rc, 1);
    const struct ledger_item left = {
        .kind = LEDGER_DOCKER_CONTAINER, .path = docker_socket(u.api), .id = name};
    assert_ok(ledger_done(r.site.ledger, &left, err));
    rig_release(&r);
    users_check(&u, 1, 1);
    users_stop(&u);
}

/* SIGHUP in some milliseconds. */
static void later(unsigned step)
{
    const struct itimerspec when = {.it_value.tv_nsec = 1 + (long)step * 4000000};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGHUP};
    timer_t timer;
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
}

/* An interrupt in the middle of it: nothing is left in his daemon. */
static void test_users_interrupt(void **state)
{
    struct users u;
    struct rig r;
    users_start(&u);
    rig_init(&r);
    assert_ok(loop_catch_interrupts(r.loop, err));
    rig_open_or_skip(&r, "docker/runc");
    rig_stop(&r, rig_start(&r));
    for (unsigned i = 0; i < 12; i++) {
        struct session *s = NULL;
        later(i);
        assert_int_equal(r.driver->start(&r.site, r.engine, &rig_probe, &s, NULL), -EINTR);
        loop_run_ready(r.loop);
        loop_clear_interrupt(r.loop);
        users_check(&u, 1, 2);
    }
    rig_release(&r);
    users_check(&u, 1, 1);
    users_stop(&u);
}

/* What the runtime leaves of a place that nobody asked for. */
static void remove_group(const struct rig *r, const char *name)
{
    const struct cgroups *c = &r->machine.cgroups;
    char path[200];
    for (size_t i = 0; i < c->n_trees + c->n_others; i++) {
        const struct cgroup_tree *t = i < c->n_trees ? &c->trees[i] : &c->others[i - c->n_trees];
        str_format(path, sizeof(path), "%s/%s", t->mount, name);
        (void)rmdir(path);
    }
}

/* Where systemd keeps the groups the container is moved into ours; here that is played. */
static void test_users_systemd(void **state)
{
    struct users u;
    struct rig r;
    users_start(&u);
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    daemon_of(&r)->systemd = true;
    struct session *s = rig_start(&r);
    assert_true(proc_in_cgroup(s->caps.pid, s->caps.cgroup));
    assert_int_equal(slice(s, 5), 5);
    rig_stop(&r, s);
    remove_group(&r, "docker"); /* a directory with something in it stays */
    rig_release(&r);
    users_check(&u, 1, 1);
    users_stop(&u);
}

/* It has no such runtime: the run starts a docker of its own. */
static void test_users_without_runtime(void **state)
{
    struct users u;
    struct rig r;
    users_start(&u);
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runsc:ptrace");
    print_message("# %s\n", r.info.reason);
    assert_non_null(strstr(r.info.reason, " runs without this runtime; a private one"));
    assert_int_equal(daemon_of(&r)->whose, DOCKER_OWN);
    rig_stop(&r, rig_start(&r));
    rig_release(&r);
    users_check(&u, 1, 1);
    users_stop(&u);
}

/* gVisor in his daemon is what he has registered: found by program and platform, and no other. */
static void test_users_registered(void **state)
{
    struct users u;
    struct rig r;
    struct target t;
    struct target_info info;
    struct engine *e = NULL;
    size_t n;
    const char *const *names = driver_names(&n);
    users_start(&u);
    setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
    assert_ok(target_parse("docker/runsc:ptrace", names, n, &t, err));
    u.rig.driver->inspect(&u.rig.site, &t, &info);
    if (info.usable) {
        assert_ok(u.rig.driver->open(&u.rig.site, &info, &e, err));
        char host[120];
        str_format(host, sizeof(host), "unix://%s", docker_socket(u.api));
        setenv("DOCKER_HOST", host, 1);
        rig_init(&r);
        rig_open_or_skip(&r, "docker/runsc:ptrace");
        print_message("# %s\n", r.info.reason);
        assert_int_equal(daemon_of(&r)->whose, DOCKER_USERS);
        rig_stop(&r, rig_start(&r));
        rig_release(&r);
        rig_init(&r);
        rig_open_or_skip(&r, "docker/runsc:ptrace,debug=false"); /* a flag he did not give it */
        assert_int_equal(daemon_of(&r)->whose, DOCKER_OWN);
        rig_release(&r);
        u.rig.driver->close(&u.rig.site, e);
    }
    users_check(&u, 1, 1);
    users_stop(&u);
}

/* Names like ours on things that are not ours. */
static void test_names_taken(void **state)
{
    struct users u;
    struct rig r;
    char path[128];
    users_start(&u);
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    const char *image = daemon_of(&u.rig)->images.v[0].name;
    str_format(path, sizeof(path), "/containers/create?name=cupel-%s-0000", r.site.run_id);
    json_decref(ask(u.api, "POST", path, json_pack("{s:s, s:[s]}", "Image", image, "Cmd", "/x")));
    rig_check_start_fails(&r, ERR_ENVIRONMENT, "is already in use by container", 5 * NS_PER_S);
    str_format(path, sizeof(path), "/containers/cupel-%s-0000?force=1", r.site.run_id);
    json_decref(ask(u.api, "DELETE", path, NULL)); /* it is still there to be deleted */
    rig_stop(&r, rig_start(&r));
    rig_release(&r);
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    str_format(path, sizeof(path), "/images/%s/tag?repo=cupel-%s-0&tag=latest", image,
               r.site.run_id);
    json_decref(ask(u.api, "POST", path, NULL));
    rig_check_start_fails(&r, ERR_ENVIRONMENT, "is there already", 5 * NS_PER_S);
    users_check(&u, 1, 2);
    rig_release(&r);
    users_check(&u, 1, 2);
    users_stop(&u);
}

/* It goes away in the middle: typed failures, and what could not be removed stays in the ledger. */
static void test_users_daemon_dies(void **state)
{
    struct users u;
    struct rig r;
    struct err why = ERR_INIT;
    users_start(&u);
    rig_init(&r);
    rig_open_or_skip(&r, "docker/runc");
    struct session *s = rig_start(&r), *who;
    struct session *const set[] = {s};
    struct frame f;
    rig_prepare(s, "cpu.prime", 1, "limit", 20000);
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 1000000;
    assert_ok(session_post(s, &f, err));
    kill(daemon_of(&u.rig)->process.pid, SIGKILL);
    assert_ok(sessions_wait_any(r.loop, set, 1, DEADLINE, &who, err));
    assert_true(session_failure(s, &why) < 0);
    print_message("# %s\n", why.msg);
    assert_int_equal(why.kind, ERR_ENVIRONMENT);
    assert_true(session_stop(s, ENDING_BYE, NULL, &why) < 0);
    print_message("# %s\n", why.msg);
    assert_non_null(strstr(why.msg, "left behind of cupel-"));
    rig_check_start_fails(&r, ERR_ENVIRONMENT, "docker at ", 5 * NS_PER_S);
    /* What cannot be asked for any more is still written down: the container and the image. */
    r.driver->close(&r.site, r.engine);
    r.engine = NULL;
    const char *socket = docker_socket(u.api);
    char names[3][40];
    str_format(names[0], sizeof(names[0]), "cupel-%s-0000", r.site.run_id);
    str_format(names[1], sizeof(names[1]), "cupel-%s-0", r.site.run_id);
    str_format(names[2], sizeof(names[2]), "cupel-%s-0001", r.site.run_id);
    const struct ledger_item left[] = {
        {.kind = LEDGER_DOCKER_CONTAINER, .path = socket, .id = names[0]},
        {.kind = LEDGER_DOCKER_IMAGE, .path = socket, .id = names[1]},
        {.kind = LEDGER_DOCKER_CONTAINER, .path = socket, .id = names[2]}};
    for (size_t i = 0; i < ARRAY_SIZE(left); i++)
        assert_ok(ledger_done(r.site.ledger, &left[i], err));
    rig_release(&r);
    unsetenv("DOCKER_HOST");
    rig_release(&u.rig);
}

static int setup(void **state)
{
    path_before = xstrdup(getenv("PATH"));
    return mkdtemp(place) ? 0 : -1;
}

static int teardown(void **state)
{
    free(path_before);
    return fs_remove_tree(place, NULL);
}

#define TEST(f) cmocka_unit_test_teardown(f, restore)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_missing),         TEST(test_mute_socket),      TEST(test_no_permission),
        TEST(test_times),           TEST(test_shared_daemon),    TEST(test_daemon_dies),
        TEST(test_full_disk),       TEST(test_full_image),       TEST(test_paused),
        TEST(test_frozen_daemon),   TEST(test_users_daemon),     TEST(test_users_daemon_late),
        TEST(test_users_interrupt), TEST(test_users_systemd),    TEST(test_users_without_runtime),
        TEST(test_names_taken),     TEST(test_users_registered), TEST(test_users_daemon_dies),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    if (!rig_has_static_probe() || geteuid() != 0) {
        printf("1..0 # SKIP needs root and a static probe: set CUPEL_PROBE\n");
        return 0;
    }
    return cmocka_run_group_tests_name("docker", tests, setup, teardown);
}

/* One real target, named as the argument, on the network that its engine makes: docker's bridge,
 * podman's default. That the session is on it is seen by the kernel, and by what arrives. */
#include "talk.h"

#include "base/fd.h"
#include "base/fs.h"
#include "driver/docker-daemon.h"
#include "host/netns.h"
#include "host/proc.h"

#include <fcntl.h>
#include <jansson.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static const char *target = "docker/runc";

static bool is_docker(void)
{
    return str_starts(target, "docker/");
}

static void open_it(struct rig *r)
{
    rig_init(r);
    r->site.engine_networks = true;
    if (!rig_open(r, target))
        fail_msg("%s: %s", target, r->info.reason);
}

static struct session *start(struct rig *r)
{
    struct launch what = rig_probe;
    struct session *s = NULL;
    what.engine_network = true;
    assert_ok(r->driver->start(&r->site, r->engine, &what, &s, err));
    return s;
}

static const char *text_of(json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* Links of this machine's own namespace. */
static size_t links_here(void)
{
    size_t n = 0;
    struct if_nameindex *all = if_nameindex();
    while (all && all[n].if_index)
        n++;
    if_freenameindex(all);
    return n;
}

/* What it says of itself, against the namespaces as they are here. */
static void check_proof(const struct rig *r, const struct session *s, const struct net_end *side)
{
    struct stat st = {.st_ino = proc_ns_inode(getpid(), "net")};
    json_t *proof = json_loads(s->proof, 0, NULL), *net = json_object_get(proof, "network");
    print_message("# %s by %s, a port of %s\n", s->caps.net_address, s->caps.net_gateway,
                  text_of(net, "engine_bridge"));
    assert_string_equal(text_of(net, "path"), "engine");
    assert_string_equal(text_of(net, "address"), s->caps.net_address);
    assert_string_equal(text_of(net, "gateway"), s->caps.net_gateway);
    assert_string_equal(text_of(net, "interface_driver"), "veth");
    assert_true(*text_of(net, "engine_port") && *text_of(net, "engine_bridge"));
    /* gVisor's stack takes the address with it. */
    assert_int_equal(json_is_true(json_object_get(net, "address_in_namespace")),
                     !str_eq(r->info.kind, "runsc"));
    if (side->netns[0])
        assert_int_equal(stat(side->netns, &st), 0);
    uint64_t its = proc_ns_inode(s->caps.pid, "net");
    assert_true(its != 0 && its != st.st_ino && its != proc_ns_inode(getpid(), "net"));
    json_decref(proof);
}

/* To a second container, and to this machine's side of the network; each is the other's client. */
static void check_talk(struct rig *r, const struct net_end *side)
{
    struct session *a = start(r), *b = start(r);
    struct talk_peer peer;
    check_proof(r, a, side);
    assert_string_not_equal(a->caps.net_address, b->caps.net_address);
    assert_string_equal(a->caps.net_gateway, b->caps.net_gateway);
    talk_converse(a, b, b->caps.net_address, 0);
    talk_peer_start(r, side, &peer);
    talk_converse(a, peer.session, a->caps.net_gateway, 0);
    talk_converse(peer.session, a, a->caps.net_address, 0);
    talk_peer_stop(r, &peer);
    rig_stop(r, b);
    rig_stop(r, a);
}

static void test_talk(void **state)
{
    struct rig r;
    struct net_end side;
    size_t links = links_here();
    open_it(&r);
    json_t *facts = json_object();
    assert_ok(r.driver->network(&r.site, r.engine, &side, facts, err));
    assert_true(side.netns[0] != '\0'); /* this engine is the run's own */
    assert_non_null(strstr(text_of(facts, "topology"), "same host"));
    json_decref(facts);
    check_talk(&r, &side);
    /* A session that asks for none has none, in the same engine. */
    struct session *s = rig_start(&r);
    assert_string_equal(s->caps.net_address, "");
    assert_null(strstr(s->proof, "\"network\""));
    rig_stop(&r, s);
    assert_int_equal(links_here(), links);
    rig_release(&r);
}

/* ---- what cannot be had ---- */

static void expect_none(struct rig *r, enum err_kind kind, const char *text)
{
    struct launch what = rig_probe;
    struct session *s = NULL;
    struct err why = ERR_INIT;
    what.engine_network = true;
    assert_true(r->driver->start(&r->site, r->engine, &what, &s, &why) < 0);
    print_message("# %s\n", why.msg);
    assert_null(s);
    assert_int_equal(why.kind, kind);
    assert_non_null(strstr(why.msg, text));
}

/* A PATH on which there is everything but what writes rules for packets. */
static char *path_without_rules(const char *dir)
{
    static const char *const names[] = {"dockerd", "containerd", "containerd-shim-runc-v2",
                                        "podman",  "conmon",     "runc",
                                        "crun",    "runsc",      "tar",
                                        "unshare", "mount",      "sh",
                                        "tail"};
    assert_ok(fs_mkdirs(dir, 0755, err));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char from[256], to[256];
        str_format(to, sizeof(to), "%s/%s", dir, names[i]);
        if (fs_which(names[i], from, sizeof(from)) == 0)
            assert_int_equal(symlink(from, to), 0);
    }
    char *before = xstrdup(getenv("PATH"));
    setenv("PATH", dir, 1);
    return before;
}

/* Its network fails for a reason of its own, and everything else goes on. */
static void test_no_rules(void **state)
{
    struct rig r;
    char dir[64] = "/tmp/cupel-norules-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *before = path_without_rules(dir);
    open_it(&r);
    /* docker says it in its own words, which need not name the program. */
    expect_none(&r, is_docker() ? ERR_ENVIRONMENT : ERR_UNSUPPORTED, "ptables");
    rig_stop(&r, rig_start(&r));
    rig_release(&r);
    setenv("PATH", before, 1);
    free(before);
    assert_ok(fs_remove_tree(dir, err));
}

static void test_without_one(void **state)
{
    static const char *const others[] = {"host", "runc", "containerd/runc"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct rig r;
        rig_init(&r);
        if (rig_open(&r, others[i]))
            expect_none(&r, ERR_UNSUPPORTED, "has no network of its own");
        rig_release(&r);
    }
}

/* ---- docker: the user's ---- */

/* All of this process; it has one thread. */
static void enter(int netns)
{
    assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

/* Another rig's daemon plays the user's, in its namespace as in a machine of its own. */
static void test_users(void **state)
{
    struct rig owner, r;
    struct net_end side;
    char host[160];
    /* Registered there is what the rig needed without a network: for gVisor that is a flag. */
    if (!is_docker() || strstr(target, "runsc"))
        return;
    open_it(&owner);
    struct docker_daemon *d = ((struct docker_target *)owner.engine->own)->daemon;
    str_format(host, sizeof(host), "unix://%s", docker_socket(d->api));
    setenv("DOCKER_HOST", host, 1);
    int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), his = netns_open(d->place, NULL);
    assert_true(ours >= 0 && his >= 0);
    /* From outside its bridge is not where a user's would be. */
    open_it(&r);
    bool users = ((struct docker_target *)r.engine->own)->daemon->whose == DOCKER_USERS;
    if (users)
        expect_none(&r, ERR_MEASUREMENT, "this is not docker's network bridge");
    rig_release(&r);
    enter(his);
    open_it(&r);
    if (users) {
        json_t *facts = json_object();
        size_t links = links_here();
        assert_ok(r.driver->network(&r.site, r.engine, &side, facts, err));
        assert_string_equal(side.netns, "");
        assert_string_equal(text_of(facts, "engine_daemon"), "the user's");
        assert_string_equal(text_of(facts, "engine_bridge"), "docker0");
        json_decref(facts);
        check_talk(&r, &side);
        assert_int_equal(links_here(), links);
    }
    rig_release(&r);
    enter(ours);
    unsetenv("DOCKER_HOST");
    rig_release(&owner);
    close(ours);
    close(his);
}

/* ---- killed ---- */

struct told {
    char run_id[16], state[96];
    unsigned bad;
};

/* With two sessions on it; a failure is the parent's to see. */
static void child_run(int to)
{
    struct rig r;
    struct told told = {.bad = 0};
    open_it(&r);
    str_copy(told.run_id, sizeof(told.run_id), r.site.run_id);
    str_copy(told.state, sizeof(told.state), r.state);
    start(&r);
    start(&r);
    fd_write_full(to, &told, sizeof(told), NULL);
    raise(SIGKILL);
}

static void look_at(void *user, const char *line)
{
    struct told *told = user;
    if (!(str_starts(line, "unknown") && strstr(line, told->run_id)) && !str_starts(line, "failed"))
        return;
    print_message("# %s\n", line);
    told->bad++;
}

static void test_killed(void **state)
{
    struct clean_result result = {0};
    struct told told;
    struct rig r = {0};
    int fds[2], status;
    size_t links = links_here();
    _cleanup_(str_release) struct str left = STR_INIT;
    assert_ok(fd_pipe(fds, err));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        child_run(fds[1]);
    close(fds[1]);
    assert_int_equal(read(fds[0], &told, sizeof(told)), sizeof(told));
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_ok(loop_new(&r.loop, err));
    assert_ok(ledger_clean(told.state, r.loop, look_at, &told, &result, err));
    assert_int_equal(told.bad, 0);
    assert_int_equal(result.runs, 1);
    assert_ok(fs_remove_tree(told.state, err));
    machine_read(&r.machine);
    str_copy(r.site.run_id, sizeof(r.site.run_id), told.run_id);
    str_format(r.site.cgroup, sizeof(r.site.cgroup), "/cupel-%s", told.run_id);
    if (rig_leftovers(&r, &left) > 0)
        fail_msg("left behind:\n%s", left.buf);
    loop_free(r.loop);
    assert_int_equal(links_here(), links);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        target = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talk),        cmocka_unit_test(test_no_rules),
        cmocka_unit_test(test_without_one), cmocka_unit_test(test_users),
        cmocka_unit_test(test_killed),
    };
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    if (!rig_has_static_probe() || geteuid() != 0) {
        printf("1..0 # SKIP needs root and a static probe: set CUPEL_PROBE\n");
        return 0;
    }
    if (rig_unusable(target))
        return rig_required(target);
    return cmocka_run_group_tests_name(target, tests, NULL, NULL);
}

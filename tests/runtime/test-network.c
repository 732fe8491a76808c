/* One real target, named as the argument, plugged into a network of the run's own.
 *
 * Whether the target's own stack is there is seen from another end: nobody listens in the target,
 * and whoever has the address says so. */
#include "../unit/dial.h"
#include "talk.h"

#include "base/fd.h"
#include "base/fs.h"
#include "driver/network.h"
#include "host/proc.h"

#include <jansson.h>
#include <net/if.h>
#include <signal.h>
#include <sys/wait.h>

static const char *target = "host";

static void open_target(struct rig *r)
{
    rig_init(r);
    if (!rig_open(r, target))
        fail_msg("%s: %s", target, r->info.reason);
}

static void open_plugged(struct rig *r, const struct net_shape *shape)
{
    open_target(r);
    assert_ok(network_make(&r->site, shape, err));
}

static void release(struct rig *r)
{
    assert_ok(network_remove(&r->site, err));
    rig_release(r);
}

static size_t links_here(void)
{
    size_t n = 0;
    struct if_nameindex *all = if_nameindex();
    while (all && all[n].if_index)
        n++;
    if_freenameindex(all);
    return n;
}

static int dial_from(const struct net_end *from, const struct net_end *to)
{
    int fd = netns_open(from->netns, NULL);
    assert_true(fd >= 0);
    int r = dial(fd, to->address, NULL);
    close(fd);
    return r;
}

/* ---- plugged in ---- */

/* The session, or NULL where the target cannot: with a reason then, and nothing left. */
static struct session *start(struct rig *r, const struct net_end *end, enum net_stack stack)
{
    struct launch what = rig_probe;
    struct session *s = NULL;
    struct err why = ERR_INIT;
    what.net = end;
    what.net_stack = stack;
    int rc = r->driver->start(&r->site, r->engine, &what, &s, &why);
    if (rc == 0)
        return s;
    print_message("# %s\n", why.msg);
    if (why.kind != ERR_UNSUPPORTED || rig_required(target))
        fail_msg("%s: %s", err_kind_name(why.kind), why.msg);
    assert_null(s);
    return NULL;
}

static void check_proof(const struct session *s, const struct net_end *end)
{
    json_t *p = json_loads(s->proof, 0, NULL);
    json_t *net = json_object_get(p, "network");
    assert_string_equal(json_string_value(json_object_get(net, "address")), end->address);
    json_t *ns = json_object_get(json_object_get(p, "namespaces_its_and_ours"), "net");
    assert_true(json_integer_value(json_array_get(ns, 0)) !=
                json_integer_value(json_array_get(ns, 1)));
    json_decref(p);
}

/* Listening TCP sockets in the namespace of a process, as this kernel knows them. */
static size_t listeners(pid_t pid)
{
    char path[64];
    size_t n = 0;
    _cleanup_(str_release) struct str text = STR_INIT;
    str_format(path, sizeof(path), "/proc/%d/net/tcp", (int)pid);
    assert_ok(file_read(path, 1 << 20, &text, err));
    for (const char *at = text.buf; (at = strstr(at, ":0000 0A ")); at++)
        n++;
    return n;
}

/* With a peer in another end, and with one at the switch: each is the other's client. */
static void talk_with(struct rig *r, struct session *s, const struct net_end *mine,
                      const struct net_end *other, uint64_t rate_bps)
{
    struct talk_peer peer;
    talk_peer_start(r, other, &peer);
    talk_converse(s, peer.session, other->address, rate_bps);
    talk_converse(peer.session, s, mine->address, rate_bps);
    talk_peer_stop(r, &peer);
}

static void check_traffic(const struct net_shape *shape, enum net_stack stack)
{
    struct rig r;
    struct net_end mine, other, hub;
    size_t links = links_here();
    open_plugged(&r, shape);
    assert_ok(network_end_make(&r.site, &mine, err));
    assert_ok(network_end_make(&r.site, &other, err));
    network_switch(&r.site, &hub);
    struct session *s = start(&r, &mine, stack);
    if (s) {
        check_proof(s, &mine);
        assert_int_equal(links_here(), links); /* none of it is where we are */
        talk_with(&r, s, &mine, &other, shape->rate_bps);
        talk_with(&r, s, &mine, &hub, shape->rate_bps);
        /* It serves yet: whose stack that is in. */
        bool sandbox =
            str_eq(r.info.kind, "qemu") || (str_eq(r.info.kind, "runsc") && stack == NET_STACK_OWN);
        assert_int_equal(listeners(s->caps.pid) > 0, !sandbox);
        rig_stop(&r, s);
    }
    assert_ok(network_end_remove(&r.site, &mine, err));
    assert_ok(network_end_remove(&r.site, &other, err));
    release(&r);
}

static void test_traffic(void **state)
{
    check_traffic(&(struct net_shape){.mtu = 1400, .rate_bps = 200 * 1000 * 1000}, NET_STACK_OWN);
}

static void test_host_stack(void **state)
{
    if (strstr(target, "runsc")) /* of others it is the same */
        check_traffic(&(struct net_shape){0}, NET_STACK_HOST);
}

/* Container to container. */
static void test_two(void **state)
{
    struct rig r;
    struct net_end ends[2];
    struct session *s[2];
    open_plugged(&r, &(struct net_shape){0});
    for (size_t i = 0; i < 2; i++)
        assert_ok(network_end_make(&r.site, &ends[i], err));
    for (size_t i = 0; i < 2; i++)
        s[i] = start(&r, &ends[i], NET_STACK_OWN);
    if (s[0] && s[1])
        talk_converse(s[0], s[1], ends[1].address, 0);
    for (size_t i = 0; i < 2; i++)
        if (s[i])
            rig_stop(&r, s[i]);
    release(&r);
}

static void test_renew(void **state)
{
    struct rig r;
    struct net_end mine, other;
    open_plugged(&r, &(struct net_shape){0});
    assert_ok(network_end_make(&r.site, &mine, err));
    assert_ok(network_end_make(&r.site, &other, err));
    struct session *s = r.driver->renew ? start(&r, &mine, NET_STACK_OWN) : NULL;
    if (s) {
        assert_ok(r.driver->renew(&r.site, r.engine, &s, err));
        assert_int_equal(dial_from(&other, &mine), ECONNREFUSED);
        rig_stop(&r, s);
    }
    assert_ok(network_end_remove(&r.site, &mine, err));
    assert_ok(network_end_remove(&r.site, &other, err));
    release(&r);
}

/* An end that is not there: the start fails, and nothing is left of it. */
static void test_no_such_end(void **state)
{
    struct rig r;
    struct net_end end;
    struct session *s = NULL;
    struct err why = ERR_INIT;
    open_plugged(&r, &(struct net_shape){0});
    assert_ok(network_end_make(&r.site, &end, err));
    assert_ok(network_end_remove(&r.site, &end, err));
    struct launch what = rig_probe;
    what.net = &end;
    assert_true(r.driver->start(&r.site, r.engine, &what, &s, &why) < 0);
    assert_null(s);
    print_message("# %s\n", why.msg);
    release(&r);
}

/* ---- the network itself: with target host alone ---- */

static bool is_host(void)
{
    return str_eq(target, "host");
}

static void test_facts(void **state)
{
    struct rig r;
    struct net_end end;
    if (!is_host())
        return;
    open_plugged(&r, &(struct net_shape){.mtu = 1280});
    assert_ok(network_end_make(&r.site, &end, err));
    json_t *facts = json_object();
    assert_ok(network_facts(&r.site, &end, facts, err));
    assert_int_equal(json_integer_value(json_object_get(facts, "mtu")), 1280);
    assert_true(json_is_boolean(json_object_get(facts, "offload_tso")));
    assert_true(json_is_string(json_object_get(facts, "congestion_control")));
    assert_true(json_is_string(json_object_get(facts, "tcp_rmem")));
    assert_true(json_integer_value(json_object_get(facts, "rmem_max")) > 0);
    char *text = json_dumps(facts, JSON_COMPACT);
    print_message("# %s\n", text);
    free(text);
    json_decref(facts);
    network_switch(&r.site, &end);
    facts = json_object();
    assert_ok(network_facts(&r.site, &end, facts, err));
    json_decref(facts);
    release(&r);
}

static void test_shapes(void **state)
{
    struct rig r;
    static const struct net_shape bad[] = {
        {.rate_bps = 1}, {.rate_bps = UINT64_C(1) << 40},
        {.delay_ns = 1}, {.loss = 1},
        {.loss = -1},    {.mtu = 100},
    };
    if (!is_host())
        return;
    open_target(&r);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_fails(network_make(&r.site, &bad[i], err), ERANGE, "the wire's");
        assert_null(r.site.network);
    }
    struct err why = ERR_INIT;
    if (network_make(&r.site, &(struct net_shape){.delay_ns = NS_PER_MS}, &why) < 0) {
        assert_int_equal(why.kind, ERR_UNSUPPORTED);
        assert_non_null(strstr(why.msg, "netem"));
        assert_null(r.site.network);
        print_message("# %s\n", why.msg);
    }
    assert_ok(network_remove(&r.site, err));
    assert_ok(network_make(&r.site, &(struct net_shape){.rate_bps = 1000000000}, err));
    assert_fails(network_make(&r.site, &(struct net_shape){0}, err), EEXIST, "already");
    release(&r);
}

static void test_full(void **state)
{
    struct rig r;
    size_t n = getenv("CUPEL_FULL") ? NETWORK_ENDS_MAX : 20;
    struct net_end *ends, over;
    if (!is_host())
        return;
    uint64_t begin = time_mono_ns();
    open_target(&r);
    size_t files = rig_fds();
    uint64_t opened = time_mono_ns();
    assert_ok(network_make(&r.site, &(struct net_shape){0}, err));
    uint64_t made = time_mono_ns();
    ends = xcalloc(n, sizeof(*ends));
    for (size_t i = 0; i < n; i++)
        assert_ok(network_end_make(&r.site, &ends[i], err));
    uint64_t all = time_mono_ns();
    assert_string_not_equal(ends[0].address, ends[1].address);
    assert_int_equal(dial_from(&ends[0], &ends[n - 1]), ECONNREFUSED);
    if (n == NETWORK_ENDS_MAX)
        assert_fails(network_end_make(&r.site, &over, err), EADDRNOTAVAIL, "full");
    uint64_t before = time_mono_ns();
    for (size_t i = 0; i < n; i++)
        assert_ok(network_end_remove(&r.site, &ends[i], err));
    uint64_t gone = time_mono_ns();
    /* An address is not used again at once. What is plugged in at the end goes with the network. */
    assert_ok(network_end_make(&r.site, &over, err));
    for (size_t i = 0; i < n; i++)
        assert_string_not_equal(over.address, ends[i].address);
    assert_ok(network_remove(&r.site, err));
    assert_int_equal(rig_fds(), files);
    print_message("# site %.1f ms; network %.2f ms; an end %.2f ms to make, %.2f ms to remove\n",
                  (double)(opened - begin) / NS_PER_MS, (double)(made - opened) / NS_PER_MS,
                  (double)(all - made) / NS_PER_MS / (double)n,
                  (double)(gone - before) / NS_PER_MS / (double)n);
    free(ends);
    rig_release(&r);
}

/* ---- killed ---- */

/* What the child tells: of which run it is, and that it came to its end. */
struct told {
    char run_id[16], state[96];
    bool end;
    unsigned bad; /* what clean-up could not do */
};

/* In the child, where a failed assertion would go on with the parent's tests. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct err must_err_ = ERR_INIT;                                                           \
        struct err *err = &must_err_;                                                              \
        if ((call) < 0) {                                                                          \
            dprintf(STDERR_FILENO, "%s: %s\n", #call, must_err_.msg);                              \
            _exit(2);                                                                              \
        }                                                                                          \
    } while (0)

/* Killed right after its n-th ledger event, or at its end if there are not as many. */
static void child_run(unsigned n, int to)
{
    struct rig r;
    struct net_end ends[2];
    struct told told = {.end = false};
    struct launch what = rig_probe;
    struct session *s = NULL;
    char count[16];
    str_format(count, sizeof(count), "%u", n);
    setenv("CUPEL_FAULT_KILL_AT", count, 1);
    rig_init(&r);
    str_copy(told.run_id, sizeof(told.run_id), r.site.run_id);
    str_copy(told.state, sizeof(told.state), r.state);
    MUST(fd_write_full(to, &told, sizeof(told), err));
    if (!rig_open(&r, target))
        _exit(2);
    MUST(network_make(&r.site, &(struct net_shape){0}, err));
    MUST(network_end_make(&r.site, &ends[0], err));
    MUST(network_end_make(&r.site, &ends[1], err));
    what.net = &ends[0];
    if (r.driver->start(&r.site, r.engine, &what, &s, NULL) == 0)
        MUST(session_stop(s, ENDING_BYE, NULL, err));
    MUST(network_end_remove(&r.site, &ends[0], err));
    MUST(network_end_remove(&r.site, &ends[1], err));
    MUST(network_remove(&r.site, err));
    told.end = true;
    MUST(fd_write_full(to, &told, sizeof(told), err));
    raise(SIGKILL);
}

/* Of others' runs on this machine nothing is asked. */
static void look_at(void *user, const char *line)
{
    struct told *told = user;
    bool unknown = str_starts(line, "unknown") && strstr(line, told->run_id);
    if (!unknown && !str_starts(line, "failed"))
        return;
    print_message("# %s\n", line);
    told->bad++;
}

static void clean_after(struct told *told)
{
    struct clean_result result = {0};
    struct rig r = {0};
    _cleanup_(str_release) struct str left = STR_INIT;
    assert_ok(loop_new(&r.loop, err));
    assert_ok(ledger_clean(told->state, r.loop, look_at, told, &result, err));
    assert_int_equal(told->bad, 0);
    assert_int_equal(result.runs, 1);
    assert_ok(fs_remove_tree(told->state, err));
    machine_read(&r.machine);
    str_copy(r.site.run_id, sizeof(r.site.run_id), told->run_id);
    str_format(r.site.cgroup, sizeof(r.site.cgroup), "/cupel-%s", told->run_id);
    if (rig_leftovers(&r, &left) > 0)
        fail_msg("left behind:\n%s", left.buf);
    loop_free(r.loop);
}

/* Returns whether it came to its end before. */
static bool kill_one(unsigned n)
{
    int fds[2], status;
    struct told told = {.end = false};
    assert_ok(fd_pipe(fds, err));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        child_run(n, fds[1]);
    close(fds[1]);
    assert_int_equal(read(fds[0], &told, sizeof(told)), sizeof(told));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)!read(fds[0], &told, sizeof(told));
    close(fds[0]);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("killed at %u: status %x", n, (unsigned)status);
    clean_after(&told);
    return told.end;
}

/* The first two events are the site's own. */
static void test_killed(void **state)
{
    unsigned step = getenv("CUPEL_FULL") ? 1 : is_host() ? 3 : 7, n = 3;
    while (!kill_one(n))
        n += step;
    print_message("# killed at every %u of %u events\n", step, n - 1);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        target = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traffic),     cmocka_unit_test(test_two),
        cmocka_unit_test(test_host_stack),  cmocka_unit_test(test_renew),
        cmocka_unit_test(test_no_such_end), cmocka_unit_test(test_facts),
        cmocka_unit_test(test_shapes),      cmocka_unit_test(test_full),
        cmocka_unit_test(test_killed),
    };
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    if (geteuid() != 0) {
        printf("1..0 # SKIP a network of the run's own needs root\n");
        return 0;
    }
    if (rig_unusable(target))
        return rig_required(target);
    return cmocka_run_group_tests_name(target, tests, NULL, NULL);
}

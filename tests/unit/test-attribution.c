/* Whose a process is, and what, out of trees of processes as the engines make them, and as hostile
 * payloads would like them to look. */
#include "fake-proc.h"

#include "driver/attribution.h"
#include "driver/weight.h"

#include <errno.h>

#define SELF 100
#define A    "/cupel-3fa9c2d1/s0001"
#define B    "/cupel-3fa9c2d1/s0002"
#define ID_A "cupel-3fa9c2d1-0001"
#define ID_B "cupel-3fa9c2d1-0002"

struct world {
    char proc[64];
    struct attribution a;
    struct claim claims[4];
    pid_t daemons[2];
    size_t n_claims, n_daemons;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    str_copy(w->proc, sizeof(w->proc), "/tmp/test-attribution-XXXXXX");
    assert_non_null(mkdtemp(w->proc));
    static const struct fake_process own[] = {
        {.pid = 1, .comm = "systemd"},
        {.pid = 2, .comm = "kthreadd", .parent = 0},
        {.pid = 50, .parent = 1, .comm = "bash"},
        {.pid = SELF, .parent = 50, .comm = "cupel", .cmdline = "cupel run " ID_A},
    };
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        fake_add(w->proc, &own[i]);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    assert_ok(fs_remove_tree(w->proc, err));
    attribution_release(&w->a);
    free(w);
    return 0;
}

static void claim(struct world *w, const char *group, const char *tool, const char *kind,
                  pid_t root, const char *id)
{
    w->claims[w->n_claims++] =
        (struct claim){.group = group, .tool = tool, .kind = kind, .root = root, .ids = {id}};
}

static void look(struct world *w)
{
    struct attribution_input in = {.proc = w->proc,
                                   .self = SELF,
                                   .claims = w->claims,
                                   .n_claims = w->n_claims,
                                   .daemons = w->daemons,
                                   .n_daemons = w->n_daemons};
    assert_ok(attribution_read(&w->a, &in, err));
}

static void add(struct world *w, const struct fake_process *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fake_add(w->proc, &list[i]);
}

#define ADD(w, ...)                                                                                \
    add(w, (const struct fake_process[]){__VA_ARGS__},                                             \
        sizeof((const struct fake_process[]){__VA_ARGS__}) / sizeof(struct fake_process))

static const struct attributed *of(struct world *w, pid_t pid)
{
    size_t i = proc_table_index(&w->a.table, pid);
    if (i == PROC_NO_INDEX)
        fail_msg("%d is not in the table", (int)pid);
    return &w->a.v[i];
}

static void check(struct world *w, pid_t pid, uint32_t owner, enum component what)
{
    const struct attributed *x = of(w, pid);
    if (x->owner != owner || x->what != what)
        fail_msg("%d: owner %d, %s; not owner %d, %s", (int)pid, (int)x->owner,
                 component_name(x->what), (int)owner, component_name(what));
}

static void check_nobodys(struct world *w, pid_t pid)
{
    if (of(w, pid)->owner != ATTRIBUTED_TO_NOBODY)
        fail_msg("%d is said to be %s of %d", (int)pid, component_name(of(w, pid)->what),
                 (int)of(w, pid)->owner);
}

/* runc by its command line: the container is ours, and a command of its own runs. */
static void test_oci(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 200, .parent = SELF, .comm = "cupel-probe", .group = A "/box"},
        {.pid = 201, .parent = 200, .comm = "worker", .group = A "/box/deeper"},
        {.pid = 210, .parent = SELF, .comm = "runc", .group = A "/tool"},
        {.pid = 211, .parent = 210, .comm = "runc:[1:CHILD]", .group = A "/tool"},
        {.pid = 220, .parent = SELF, .comm = "cupel-probe", .group = B "/box"},
        {.pid = 230, .parent = SELF, .comm = "x", .group = A "0/box"}, /* another's: s00010 */
        {.pid = 240, .parent = SELF, .comm = "y", .group = "/outer" A "/box"},
        {.pid = 250, .parent = 200, .comm = "z", .group = A "/box", .state = 'Z'});
    claim(w, B, B "/tool", "crun", 220, ID_B);
    claim(w, A, A "/tool", "runc", 200, ID_A);
    look(w);
    check(w, 200, 1, COMPONENT_PAYLOAD);
    check(w, 201, 1, COMPONENT_PAYLOAD);
    check(w, 210, 1, COMPONENT_TOOL);
    check(w, 211, 1, COMPONENT_TOOL);
    check(w, 220, 0, COMPONENT_PAYLOAD);
    check(w, 240, 1, COMPONENT_PAYLOAD); /* the machine shows more in front of the path */
    check_nobodys(w, 230);
    check_nobodys(w, SELF);
    check_nobodys(w, 50);
    check_nobodys(w, 1);
    assert_true(proc_table_index(&w->a.table, 250) == PROC_NO_INDEX);
    assert_int_equal(of(w, 200)->by, ATTRIBUTED_BY_GROUP | ATTRIBUTED_BY_ROOT);
}

/* containerd: a shim a container, in the daemon's group, left to process 1 or to the daemon. */
static void test_shim(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 300, .parent = 1, .comm = "dockerd", .group = "/docker.service"},
        {.pid = 310, .parent = 300, .comm = "containerd", .group = "/docker.service"},
        {.pid = 320,
         .parent = 1,
         .comm = "containerd-shim",
         .group = "/docker.service",
         .cmdline = "/usr/bin/containerd-shim-runc-v2 -namespace cupel -id " ID_A " -address x"},
        {.pid = 321, .parent = 320, .comm = "cupel-probe", .group = A "/box"},
        {.pid = 322, .parent = 320, .comm = "runc", .group = "/docker.service"},
        {.pid = 330,
         .parent = 310,
         .comm = "containerd-shim",
         .group = "/docker.service",
         .cmdline = "/usr/bin/containerd-shim-runc-v2 -namespace cupel -id other"},
        {.pid = 331, .parent = 330, .comm = "cupel-probe", .group = B "/box"},
        {.pid = 340, .parent = SELF, .comm = "ctr", .group = A "/tool"},
        /* Somebody else's container, by the same daemon. */
        {.pid = 350, .parent = 1, .comm = "containerd-shim", .cmdline = "containerd-shim -id web"},
        {.pid = 351, .parent = 350, .comm = "nginx", .group = "/docker/web"});
    claim(w, A, A "/tool", "runc", 321, ID_A);
    claim(w, B, B "/tool", "runc", 331, ID_B);
    look(w);
    check(w, 320, 0, COMPONENT_SHIM);
    check(w, 321, 0, COMPONENT_PAYLOAD);
    check(w, 322, 0, COMPONENT_TOOL);
    check(w, 340, 0, COMPONENT_TOOL);
    check(w, 330, 1, COMPONENT_SHIM);
    check(w, 310, ATTRIBUTED_TO_ALL, COMPONENT_DAEMON);
    check(w, 300, ATTRIBUTED_TO_ALL, COMPONENT_DAEMON);
    check_nobodys(w, 351);
    assert_int_equal(of(w, 320)->by,
                     ATTRIBUTED_BY_ANCESTRY | ATTRIBUTED_BY_ID | ATTRIBUTED_NAME_AGREES);
    assert_int_equal(of(w, 330)->by, ATTRIBUTED_BY_ANCESTRY | ATTRIBUTED_NAME_AGREES);

    /* Only the daemon that is known by its pid, and a shim of another name. */
    ADD(w, {.pid = 320, .parent = 1, .comm = "my-shim"},
        {.pid = 310, .parent = 1, .comm = "engine"}, {.pid = 360, .parent = 310, .comm = "helper"});
    w->daemons[w->n_daemons++] = 310;
    look(w);
    check(w, 320, 0, COMPONENT_SHIM);
    check(w, 330, 1, COMPONENT_SHIM);
    check(w, 310, ATTRIBUTED_TO_ALL, COMPONENT_DAEMON);
    check(w, 360, ATTRIBUTED_TO_ALL, COMPONENT_DAEMON);
    check_nobodys(w, 300);
    assert_int_equal(of(w, 320)->by, ATTRIBUTED_BY_ANCESTRY);
}

/* A payload whose first process is gone, or of which nothing is known, still has its shim. */
static void test_without_root(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 320, .parent = 1, .comm = "containerd-shim", .cmdline = "shim -id " ID_A},
        {.pid = 322, .parent = 320, .comm = "orphan", .group = A "/box"},
        /* The payload has ended, the shim waits to be deleted: its id, its name and its place. */
        {.pid = 330, .parent = 1, .comm = "containerd-shim", .cmdline = "shim -id " ID_B});
    claim(w, A, NULL, "runc", 321, ID_A);
    claim(w, B, NULL, "runc", 0, ID_B);
    look(w);
    check(w, 320, 0, COMPONENT_SHIM);
    check(w, 322, 0, COMPONENT_PAYLOAD);
    check(w, 330, 1, COMPONENT_SHIM);
    assert_true(of(w, 330)->by & ATTRIBUTED_BY_ID);
}

/* podman: conmon left to us or to a user's systemd, in the tool leaf, in the group, or outside. */
static void test_conmon(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 60, .parent = 1, .comm = "systemd", .cmdline = "/lib/systemd/systemd --user"},
        {.pid = 61, .parent = 60, .comm = "gnome-shell"},
        {.pid = 400, .parent = SELF, .comm = "podman", .group = A "/tool"},
        {.pid = 401,
         .parent = SELF,
         .comm = "conmon",
         .group = A "/tool",
         .cmdline = "conmon -c 77ab -n " ID_A},
        {.pid = 402, .parent = 401, .comm = "cupel-probe", .group = A "/box"},
        {.pid = 411,
         .parent = 60,
         .comm = "conmon",
         .group = B "/conmon",
         .cmdline = "conmon -n " ID_B},
        {.pid = 412, .parent = 411, .comm = "cupel-probe", .group = B "/box"});
    claim(w, A, A "/tool", "runc", 402, ID_A);
    claim(w, B, B "/tool", "crun", 412, ID_B);
    look(w);
    check(w, 400, 0, COMPONENT_TOOL);
    check(w, 401, 0, COMPONENT_CONMON);
    check(w, 402, 0, COMPONENT_PAYLOAD);
    check(w, 411, 1, COMPONENT_CONMON);
    check(w, 412, 1, COMPONENT_PAYLOAD);
    check_nobodys(w, 60);
    check_nobodys(w, 61);

    /* `runc run` stays in front of its container: a command line, no shim. */
    ADD(w, {.pid = 401, .parent = SELF, .comm = "runc", .group = A "/tool"});
    look(w);
    check(w, 401, 0, COMPONENT_TOOL);
}

/* A payload may call itself anything, fork as it likes, and write other sessions' ids into its
 * command lines: it stays in its group, so it stays the payload of its session. */
static void test_hostile_payload(void **state)
{
    struct world *w = *state;
    ADD(w,
        {.pid = 500,
         .parent = SELF,
         .comm = "containerd-shim",
         .group = A "/box",
         .cmdline = "containerd-shim -id " ID_A},
        {.pid = 501,
         .parent = 500,
         .comm = "conmon",
         .group = A "/box",
         .cmdline = "conmon -n " ID_B},
        {.pid = 502,
         .parent = 1,
         .comm = "containerd-shim",
         .group = A "/box",
         .cmdline = "containerd-shim -id " ID_B},
        {.pid = 503,
         .parent = 502,
         .comm = "qemu-system-x86",
         .group = A "/box",
         .cmdline = "qemu-system-x86_64 -name sandbox-" ID_B},
        {.pid = 504, .parent = 502, .comm = "dockerd", .group = A "/box"},
        {.pid = 505,
         .parent = 504,
         .comm = "runsc-gofer",
         .group = A "/box",
         .cmdline = "runsc-gofer --root=x gofer --bundle y"},
        {.pid = 506, .parent = 504, .comm = "a) S 1 1 1 (", .group = A "/box"},
        /* Groups of other sessions' names, made inside. */
        {.pid = 507, .parent = 504, .comm = "x", .group = A "/box" B "/box"},
        {.pid = 508, .parent = 504, .comm = "x", .group = A "/box/tool"},
        {.pid = 520, .parent = SELF, .comm = "cupel-probe", .group = B "/box"});
    claim(w, A, A "/tool", "runc", 500, ID_A);
    claim(w, B, B "/tool", "runc", 520, ID_B);
    look(w);
    for (pid_t pid = 500; pid <= 508; pid++)
        check(w, pid, 0, COMPONENT_PAYLOAD);
    check(w, 520, 1, COMPONENT_PAYLOAD);
    check_nobodys(w, SELF);
    assert_false(of(w, 500)->by & ATTRIBUTED_NAME_AGREES);
}

/* Neither a name, nor an id, nor both with the wrong parent, make a stranger ours. */
static void test_strangers(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 600, .parent = SELF, .comm = "cupel-probe", .group = A "/box"},
        {.pid = 601, .parent = 1, .comm = "containerd-shim", .cmdline = "containerd-shim -id web"},
        {.pid = 602, .parent = 1, .comm = "tail", .cmdline = "tail -f /var/log/" ID_A},
        {.pid = 603, .parent = 50, .comm = "bash"},
        {.pid = 604,
         .parent = 603,
         .comm = "qemu-system-x86",
         .cmdline = "qemu-system-x86_64 -name " ID_A},
        {.pid = 605, .parent = 1, .comm = "conmon", .cmdline = "conmon -n " ID_A "9"},
        {.pid = 606, .parent = 1, .comm = "conmon", .cmdline = "conmon -n x" ID_A},
        {.pid = 607, .parent = SELF, .comm = "cupel-helper", .cmdline = ID_A});
    claim(w, A, A "/tool", "runc", 600, ID_A);
    look(w);
    for (pid_t pid = 601; pid <= 607; pid++)
        check_nobodys(w, pid);
}

/* gVisor: stubs run the guest's memory and may show any command line; the gofer is the older one.
 */
static void test_gvisor(void **state)
{
    struct world *w = *state;
    ADD(w,
        {.pid = 700,
         .parent = SELF,
         .comm = "exe",
         .group = A "/box",
         .cmdline = "runsc-gofer --root=x gofer --bundle y",
         .start = 1000},
        {.pid = 701,
         .parent = SELF,
         .comm = "exe",
         .group = A "/box",
         .cmdline = "runsc-sandbox --root=x boot",
         .start = 1001},
        {.pid = 702, .parent = 701, .comm = "exe", .group = A "/box", .start = 1010},
        {.pid = 703,
         .parent = 702,
         .comm = "exe",
         .group = A "/box",
         .start = 1011,
         .cmdline = "runsc-gofer --root=x gofer --bundle y"},
        {.pid = 704,
         .parent = SELF,
         .comm = "exe",
         .group = A "/box",
         .start = 1012,
         .cmdline = "runsc-gofer --root=x gofer --bundle y"},
        {.pid = 705,
         .parent = SELF,
         .comm = "exe",
         .group = A "/box",
         .start = 1012,
         .cmdline = "runsc-sandbox --root=x boot"},
        {.pid = 706,
         .parent = SELF,
         .comm = "runsc",
         .group = A "/tool",
         .start = 900,
         .cmdline = "runsc create"});
    claim(w, A, A "/tool", "runsc", 701, ID_A);
    look(w);
    check(w, 700, 0, COMPONENT_GOFER);
    check(w, 701, 0, COMPONENT_SENTRY);
    for (pid_t pid = 702; pid <= 705; pid++)
        check(w, pid, 0, COMPONENT_STUB);
    check(w, 706, 0, COMPONENT_TOOL);
    w->claims[0].root = 0;
    look(w);
    check(w, 702, 0, COMPONENT_SENTRY); /* not to be told apart, and all of it is counted */
}

/* A pod: the container of its namespaces lies in the same group, and is no payload. */
static void test_pod(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 750, .parent = 1, .comm = "containerd-shim"},
        {.pid = 751, .parent = 750, .comm = "pause", .group = "/kubepods/pod1/a"},
        {.pid = 752, .parent = 750, .comm = "cupel-probe", .group = "/kubepods/pod1/b"},
        {.pid = 753, .parent = 752, .comm = "pause", .group = "/kubepods/pod1/b"},
        {.pid = 754, .parent = 753, .comm = "cupel-probe", .group = "/kubepods/pod1/b"});
    claim(w, "/kubepods/pod1", NULL, "crun", 752, ID_A);
    w->claims[0].pod = true;
    look(w);
    check(w, 750, 0, COMPONENT_SHIM);
    check(w, 751, 0, COMPONENT_PAUSE);
    for (pid_t pid = 752; pid <= 754; pid++)
        check(w, pid, 0, COMPONENT_PAYLOAD);
    w->claims[0].root = 0; /* not to be told apart */
    look(w);
    check(w, 751, 0, COMPONENT_PAYLOAD);
}

/* Kata: the shim alone in the group, the rest beside it; and all of it inside. */
static void test_vm(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 800, .parent = SELF, .comm = "kata-shim", .group = A "/kata_box"},
        {.pid = 801,
         .parent = SELF,
         .comm = "qemu-system-x86",
         .group = "/kata_overhead",
         .cmdline = "/usr/bin/qemu-system-x86_64 -name sandbox-" ID_A ",debug-threads=on"},
        {.pid = 802,
         .parent = SELF,
         .comm = "virtiofsd",
         .cmdline = "virtiofsd --fd=3 -o source=/run/kata-containers/shared/sandboxes/" ID_A},
        {.pid = 803, .parent = 802, .comm = "virtiofsd"},
        {.pid = 804,
         .parent = SELF,
         .comm = "kata-proxy",
         .cmdline = "kata-proxy -sandbox " ID_A " -log debug"},
        {.pid = 805, .parent = SELF, .comm = "kata-runtime", .group = A "/tool"},
        {.pid = 810, .parent = SELF, .comm = "qemu-system-x86", .group = B "/box"},
        {.pid = 811, .parent = SELF, .comm = "virtiofsd", .group = B "/tool"},
        {.pid = 812, .parent = SELF, .comm = "swtpm", .group = B "/box"});
    claim(w, A, A "/tool", "kata", 800, ID_A);
    claim(w, B, B "/tool", "qemu", 810, ID_B);
    look(w);
    check(w, 800, 0, COMPONENT_SHIM);
    check(w, 801, 0, COMPONENT_VMM);
    check(w, 802, 0, COMPONENT_VIRTIOFSD);
    check(w, 803, 0, COMPONENT_VIRTIOFSD);
    check(w, 804, 0, COMPONENT_PROXY);
    check(w, 805, 0, COMPONENT_TOOL);
    check(w, 810, 1, COMPONENT_VMM);
    check(w, 811, 1, COMPONENT_VIRTIOFSD);
    check(w, 812, 1, COMPONENT_TOOL);

    /* Where no group may hold it, Kata 1 puts it below one of its own, by the same path. */
    ADD(w, {.pid = 801,
            .parent = SELF,
            .comm = "qemu-system-x86",
            .group = "/kata" A "/kata_box",
            .cmdline = "qemu-system-x86_64"});
    look(w);
    check(w, 801, 0, COMPONENT_VMM);

    /* The shim of Kata 2 is the virtual machine's parent, and nobody's group holds either. */
    ADD(w,
        {.pid = 820, .parent = 1, .comm = "containerd-shim", .cmdline = "shim-kata-v2 -id " ID_A},
        {.pid = 801, .parent = 820, .comm = "cloud-hyperviso", .start = 830},
        {.pid = 802, .parent = 820, .comm = "virtiofsd", .start = 831});
    w->claims[0].root = 0;
    look(w);
    check(w, 820, 0, COMPONENT_SHIM);
    check(w, 801, 0, COMPONENT_VMM);
    check(w, 802, 0, COMPONENT_VIRTIOFSD);
}

/* A number that was given anew is neither a root nor a parent. */
static void test_reused_numbers(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 900, .parent = 901, .comm = "cupel-probe", .group = A "/box", .start = 1000},
        {.pid = 901, .parent = 1, .comm = "firefox", .start = 5000});
    claim(w, A, NULL, "runc", 901, ID_A);
    w->claims[0].root_ticks = 999;
    look(w);
    check(w, 900, 0, COMPONENT_PAYLOAD);
    check_nobodys(w, 901);
}

/* What nobody but cupel stands above of several sessions is a daemon, whatever it is called. */
static void test_shared_ancestor(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 1000, .parent = 1, .comm = "engine"}, {.pid = 1001, .parent = 1000, .comm = "e"},
        {.pid = 1010, .parent = 1001, .comm = "shim"},
        {.pid = 1011, .parent = 1010, .comm = "p", .group = A},
        {.pid = 1020, .parent = 1001, .comm = "shim"},
        {.pid = 1021, .parent = 1020, .comm = "p", .group = B},
        {.pid = 1030, .parent = 1000, .comm = "bystander"});
    claim(w, A, NULL, "runc", 1011, NULL);
    claim(w, B, NULL, "runc", 1021, NULL);
    look(w);
    check(w, 1010, 0, COMPONENT_SHIM);
    check(w, 1020, 1, COMPONENT_SHIM);
    check(w, 1001, ATTRIBUTED_TO_ALL, COMPONENT_DAEMON);
    check(w, 1000, ATTRIBUTED_TO_ALL, COMPONENT_DAEMON);
    check_nobodys(w, 1030);
}

static void test_same_group_twice(void **state)
{
    struct world *w = *state;
    claim(w, A, NULL, "runc", 0, NULL);
    claim(w, A, NULL, "runc", 0, NULL);
    struct attribution_input in = {
        .proc = w->proc, .self = SELF, .claims = w->claims, .n_claims = 2};
    assert_fails(attribution_read(&w->a, &in, err), EEXIST, "claim control group");
    in.proc = "/nonexistent";
    assert_fails(attribution_read(&w->a, &in, err), ENOENT, "/nonexistent");
}

static void test_weights(void **state)
{
    struct world *w = *state;
    ADD(w, {.pid = 300, .parent = 1, .comm = "containerd", .pss_kb = 27000},
        {.pid = 320, .parent = 300, .comm = "containerd-shim", .pss_kb = 12000},
        {.pid = 321, .parent = 320, .comm = "cupel-probe", .group = A "/box", .pss_kb = 65},
        {.pid = 322, .parent = 321, .comm = "w", .group = A "/box", .pss_kb = 5},
        {.pid = 323, .parent = 321, .comm = "ended", .group = A "/box"},
        {.pid = 324, .parent = SELF, .comm = "ctr", .group = A "/tool", .pss_kb = 33000},
        {.pid = 330, .parent = SELF, .comm = "cupel-probe", .group = B "/box", .pss_kb = 64});
    claim(w, A, A "/tool", "runc", 321, ID_A);
    claim(w, B, B "/tool", "runc", 330, ID_B);
    look(w);
    struct weight weights[2], daemons;
    struct pss_reader r;
    assert_ok(pss_reader_open(&r, w->proc, err));
    weights_read(&w->a, &r, weights, 2, &daemons);
    weights_read(&w->a, &r, weights, 2, NULL); /* from anew, not on top */
    pss_reader_close(&r);
    assert_int_equal(weights[0].part[COMPONENT_PAYLOAD].pss_bytes, 70 << 10);
    assert_int_equal(weights[0].part[COMPONENT_PAYLOAD].processes, 2);
    assert_int_equal(weights[0].part[COMPONENT_PAYLOAD].shmem_bytes, 8 << 10);
    assert_int_equal(weights[0].part[COMPONENT_PAYLOAD].swap_bytes, 4 << 10);
    assert_int_equal(weights[0].part[COMPONENT_SHIM].pss_bytes, 12000 << 10);
    assert_int_equal(weights[0].gone, 1);
    assert_int_equal(weights[0].unreadable, 0);
    assert_int_equal(weight_pss(&weights[0], WEIGHT_CONTAINER), 70 << 10);
    assert_int_equal(weight_pss(&weights[0], WEIGHT_ALL), (70 + 12000 + 33000) << 10);
    assert_int_equal(weight_processes(&weights[0], WEIGHT_ALL), 4);
    assert_int_equal(weight_pss(&weights[1], WEIGHT_ALL), 64 << 10);
    assert_int_equal(daemons.part[COMPONENT_DAEMON].pss_bytes, 27000 << 10);
    assert_int_equal(weight_pss(&daemons, WEIGHT_ALL), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_oci),
        TEST(test_shim),
        TEST(test_without_root),
        TEST(test_conmon),
        TEST(test_hostile_payload),
        TEST(test_strangers),
        TEST(test_gvisor),
        TEST(test_pod),
        TEST(test_vm),
        TEST(test_reused_numbers),
        TEST(test_shared_ancestor),
        TEST(test_same_group_twice),
        TEST(test_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "measure/powers.h"

#include "base/time.h"
#include "host/hostpaths.h"
#include "host/proc.h"
#include "host/seccomp.h"
#include "wire/callset.h"

#include <errno.h>

/* For all processes together; what is not looked at by then is not known. */
#define LOOK_NS (3 * NS_PER_S)

_Static_assert(SECCOMP_NUMBERS == CALLSET_MAX, "one set of numbers");

static const char *const namespaces[] = {"mnt", "pid",  "net",    "ipc",
                                         "uts", "user", "cgroup", "time"};

struct side {
    const char *name;
    size_t n, unknown;
    bool shares[ARRAY_SIZE(namespaces)];
    struct hostpaths paths;
    struct seccomp_set could;
};

struct powers {
    struct side sides[2]; /* payload, sandbox */
    size_t processes, unfiltered, may_gain;
    uint64_t held;
    uint64_t deadline_ns;
    struct err why; /* of the first whose filters are not known */
};

/* A namespace that has no number here is of a kind that this kernel does not have. */
static void add_namespaces(struct side *s, pid_t pid)
{
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
        uint64_t ours = proc_ns_inode(getpid(), namespaces[i]);
        s->shares[i] |= ours && proc_ns_inode(pid, namespaces[i]) == ours;
    }
}

static void add_filters(struct powers *w, struct side *s, pid_t pid)
{
    struct err why = ERR_INIT;
    int r = -ETIMEDOUT;
    if (time_mono_ns() < w->deadline_ns)
        r = seccomp_read(pid, w->deadline_ns, &s->could, &why);
    else
        err_set(&why, ERR_TIMEOUT, ETIMEDOUT, "too many processes to look at them all");
    if (r == 0)
        return;
    s->unknown++;
    if (!w->why.kind)
        w->why = why;
}

/* Capabilities in a user namespace of its own reach nothing of the host's. */
static void add_process(struct powers *w, struct side *s, pid_t pid)
{
    struct proc_powers p;
    if (proc_powers(pid, &p) < 0)
        return;
    w->processes++;
    w->unfiltered += !p.filtered;
    w->may_gain += !p.no_new_privs;
    if (proc_ns_inode(pid, "user") == proc_ns_inode(getpid(), "user"))
        w->held |= p.capabilities;
    s->n++;
    add_namespaces(s, pid);
    hostpaths_add(pid, &s->paths);
    add_filters(w, s, pid);
}

/* ---- into facts ---- */

/* As "could_sandbox" + "_always". */
static void set(json_t *facts, const char *what, const char *side, const char *more, json_t *value)
{
    char key[40];
    str_format(key, sizeof(key), "%s_%s%s", what, side, more);
    json_object_set_new(facts, key, value);
}

static void set_could(json_t *facts, const struct side *s)
{
    struct callset some, always;
    char bits[CALLSET_TEXT];
    for (size_t i = 0; i < CALLSET_MAX; i++) {
        some.has[i] = s->could.some[i];
        always.has[i] = s->could.always[i];
    }
    callset_format(&some, bits);
    set(facts, "could", s->name, "", json_integer((json_int_t)callset_count(&some)));
    set(facts, "could", s->name, "_always", json_integer((json_int_t)callset_count(&always)));
    set(facts, "could", s->name, "_bits", json_string(bits));
}

static void set_side(json_t *facts, const struct side *s)
{
    _cleanup_(str_release) struct str shared = STR_INIT, reached = STR_INIT;
    if (s->n == 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        if (s->shares[i])
            str_addf(&shared, "%s%s", shared.len ? "," : "", namespaces[i]);
    hostpaths_list(&s->paths, &reached);
    set(facts, "shares", s->name, "", json_string(shared.buf));
    set(facts, "host_paths", s->name, "", json_string(reached.buf));
    if (s->unknown < s->n)
        set_could(facts, s);
    if (s->unknown)
        set(facts, "could", s->name, "_unknown", json_integer((json_int_t)s->unknown));
}

void powers_add(json_t *facts, const struct attribution *look)
{
    struct powers w = {
        .sides = {{.name = "payload"}, {.name = "sandbox"}},
        .deadline_ns = time_deadline(LOOK_NS),
        .why = ERR_INIT,
    };
    for (size_t i = 0; i < look->table.n; i++)
        if (look->v[i].owner == 0)
            add_process(&w, &w.sides[look->v[i].what != COMPONENT_PAYLOAD], look->table.v[i].pid);
    json_object_set_new(facts, "processes", json_integer((json_int_t)w.processes));
    json_object_set_new(facts, "processes_without_filter", json_integer((json_int_t)w.unfiltered));
    json_object_set_new(facts, "processes_that_may_gain", json_integer((json_int_t)w.may_gain));
    json_object_set_new(facts, "host_capabilities", json_integer(__builtin_popcountll(w.held)));
    json_object_set_new(facts, "host_paths_asked", json_integer((json_int_t)hostpaths_count()));
    for (size_t i = 0; i < ARRAY_SIZE(w.sides); i++)
        set_side(facts, &w.sides[i]);
    if (w.why.kind)
        json_object_set_new(facts, "could_unknown", json_string(w.why.msg));
}

#include "driver/attribution.h"

#include "base/fd.h"
#include "base/str.h"
#include "driver/ground.h"
#include "host/proc.h"

#include <errno.h>
#include <unistd.h>

#define CLIMB_MAX    64   /* generations: more than any engine puts between itself and a payload */
#define COMMAND_MAX  8192 /* of a command line, when an id is looked for */
#define NO_COMPONENT COMPONENT_COUNT

static const char *const names[COMPONENT_COUNT] = {
    [COMPONENT_PAYLOAD] = "payload", [COMPONENT_SENTRY] = "sentry",
    [COMPONENT_GOFER] = "gofer",     [COMPONENT_STUB] = "stub",
    [COMPONENT_VMM] = "vmm",         [COMPONENT_VIRTIOFSD] = "virtiofsd",
    [COMPONENT_PROXY] = "proxy",     [COMPONENT_PAUSE] = "pause",
    [COMPONENT_SHIM] = "shim",       [COMPONENT_CONMON] = "conmon",
    [COMPONENT_TOOL] = "tool",       [COMPONENT_DAEMON] = "daemon",
};

const char *component_name(enum component what)
{
    return (unsigned)what < COMPONENT_COUNT ? names[what] : "?";
}

/* What a name as the kernel keeps it (15 bytes) speaks for. The beginnings are enough: these are
 * compared only where the name may be believed. */
static enum component component_of_comm(const char *comm)
{
    static const struct {
        const char *prefix;
        enum component what;
    } known[] = {
        {"containerd-shim", COMPONENT_SHIM}, {"kata-shim", COMPONENT_SHIM},
        {"conmon", COMPONENT_CONMON},        {"kata-proxy", COMPONENT_PROXY},
        {"virtiofsd", COMPONENT_VIRTIOFSD},  {"qemu-", COMPONENT_VMM},
        {"kata-qemu", COMPONENT_VMM},        {"cloud-hyperviso", COMPONENT_VMM},
        {"firecracker", COMPONENT_VMM},      {"dockerd", COMPONENT_DAEMON},
        {"containerd", COMPONENT_DAEMON},    {"crio", COMPONENT_DAEMON},
    };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_starts(comm, known[i].prefix))
            return known[i].what;
    return NO_COMPONENT;
}

static bool is_monitor(enum component what)
{
    return what == COMPONENT_SHIM || what == COMPONENT_CONMON;
}

/* Where it would stand above or beside a container: what an id may point to. */
static bool is_helper(enum component what)
{
    return is_monitor(what) || what == COMPONENT_VMM || what == COMPONENT_VIRTIOFSD ||
           what == COMPONENT_PROXY;
}

static bool is_vm(const struct claim *c)
{
    return str_eq(c->kind, "qemu") || str_starts(c->kind, "kata");
}

/* ---- words to claims ---- */

struct word {
    const char *text;
    size_t claim;
};
struct words {
    struct word *v;
    size_t n, cap;
};

static int compare_words(const void *a, const void *b)
{
    return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

static void words_add(struct words *w, const char *text, size_t claim)
{
    if (text && *text)
        VEC_PUSH(w, (struct word){text, claim});
}

static void words_sort(struct words *w)
{
    if (w->n > 1)
        qsort(w->v, w->n, sizeof(*w->v), compare_words);
}

/* The claim that has the word text[0..n), or ATTRIBUTED_TO_NOBODY. */
static uint32_t words_find(const struct words *w, const char *text, size_t n)
{
    size_t low = 0, high = w->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strncmp(w->v[mid].text, text, n);
        if (order == 0)
            order = w->v[mid].text[n] != '\0';
        if (order == 0)
            return (uint32_t)w->v[mid].claim;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return ATTRIBUTED_TO_NOBODY;
}

/* ---- by control group ---- */

/* Whose group a path lies in or below. The machine may show more in front of it (cupel inside a
 * container); of several the outermost counts, since what is inside a group was made there. On
 * success *ret_rest is what is left of the path. */
static uint32_t claim_of_path(const struct words *groups, const char *path, size_t n,
                              size_t *ret_rest)
{
    for (size_t from = 0; from < n; from++) {
        if (path[from] != '/')
            continue;
        for (size_t to = from + 1; to <= n; to++) {
            if (to < n && path[to] != '/')
                continue;
            uint32_t owner = words_find(groups, path + from, to - from);
            if (owner == ATTRIBUTED_TO_NOBODY)
                continue;
            *ret_rest = to;
            return owner;
        }
    }
    return ATTRIBUTED_TO_NOBODY;
}

/* Does the rest of a path, below the claim's group, lie in its tool leaf? */
static bool in_tool(const struct claim *c, const char *rest, size_t n)
{
    size_t group_n = strlen(c->group);
    if (!c->tool || strncmp(c->tool, c->group, group_n) != 0 || c->tool[group_n] != '/')
        return false;
    const char *leaf = c->tool + group_n;
    size_t leaf_n = strlen(leaf);
    return n >= leaf_n && memcmp(rest, leaf, leaf_n) == 0 && (n == leaf_n || rest[leaf_n] == '/');
}

static void by_group(struct attribution *a, const struct attribution_input *in,
                     const struct words *groups)
{
    for (size_t i = 0; i < a->table.n; i++) {
        struct attributed *x = &a->v[i];
        const char *line = proc_table_groups(&a->table, &a->table.v[i]);
        for (size_t n; *line; line += n + (line[n] == '\n')) {
            size_t rest = 0;
            n = strcspn(line, "\n");
            uint32_t owner = claim_of_path(groups, line, n, &rest);
            if (owner == ATTRIBUTED_TO_NOBODY)
                continue;
            x->owner = owner;
            x->by |= ATTRIBUTED_BY_GROUP;
            x->in_group = true;
            x->in_tool = in_tool(&in->claims[owner], line + rest, n - rest);
            break; /* the same in every hierarchy that has it */
        }
    }
}

/* ---- by ancestry ---- */

/* The processes that the runtimes named, wherever they lie; but not in another session's group. */
static void by_root(struct attribution *a, const struct attribution_input *in)
{
    for (size_t k = 0; k < in->n_claims; k++) {
        const struct claim *c = &in->claims[k];
        size_t i = proc_table_index(&a->table, c->root);
        if (i == PROC_NO_INDEX || (a->v[i].in_group && a->v[i].owner != k) ||
            (c->root_ticks != 0 && c->root_ticks != a->table.v[i].start_ticks))
            continue;
        a->v[i].owner = (uint32_t)k;
        a->v[i].by |= ATTRIBUTED_BY_ROOT;
    }
}

static void mark_stops(struct attribution *a, const struct attribution_input *in)
{
    size_t i = proc_table_index(&a->table, in->self);
    for (unsigned depth = 0; i != PROC_NO_INDEX && depth < CLIMB_MAX; depth++) {
        a->v[i].stop = true;
        i = a->v[i].parent;
    }
    if ((i = proc_table_index(&a->table, 1)) != PROC_NO_INDEX)
        a->v[i].stop = true;
    for (size_t k = 0; k < in->n_daemons; k++) {
        if ((i = proc_table_index(&a->table, in->daemons[k])) == PROC_NO_INDEX)
            continue;
        a->v[i].stop = a->v[i].family = true;
        a->v[i].owner = ATTRIBUTED_TO_ALL;
        a->v[i].what = COMPONENT_DAEMON;
    }
}

static void make_daemon(struct attributed *x, bool named)
{
    x->owner = ATTRIBUTED_TO_ALL;
    x->what = COMPONENT_DAEMON;
    x->by = ATTRIBUTED_BY_ANCESTRY | (named ? ATTRIBUTED_NAME_AGREES : 0);
    x->family = named;
}

/* Process p is an ancestor of the claim's; *above: of a daemon already. False: here the session's
 * ancestors end. */
static bool take_ancestor(struct attribution *a, size_t p, uint32_t owner, bool *above)
{
    struct attributed *x = &a->v[p];
    const char *comm = a->table.v[p].comm;
    enum component named = component_of_comm(comm);
    if (str_eq(comm, "systemd") || str_eq(comm, "init")) /* one of a user's, or a machine's */
        return false;
    if (x->owner != ATTRIBUTED_TO_ALL && x->in_group && x->owner != owner)
        return false; /* another session's */
    if (x->owner != ATTRIBUTED_TO_ALL && !x->in_group && named == COMPONENT_DAEMON)
        make_daemon(x, true);
    else if (x->owner < ATTRIBUTED_TO_ALL && x->owner != owner)
        make_daemon(x, false); /* nobody's shim waits for two sessions */
    if (x->owner == ATTRIBUTED_TO_ALL) {
        *above = true; /* so is what is above it, as far as others took it for theirs */
        return true;
    }
    if (*above)
        return false;
    x->owner = owner;
    x->by |= ATTRIBUTED_BY_ANCESTRY;
    /* The command line of a runtime or an engine that stays in front of the container is no shim.
     */
    x->what = (uint8_t)(is_monitor(named) ? named : x->in_tool ? COMPONENT_TOOL : COMPONENT_SHIM);
    return true;
}

/* Everything above process i, as far as it is the claim's. from_root: i is the container's first
 * process, so that what is above it is no payload, in whatever group it lies. */
static void climb(struct attribution *a, size_t i, uint32_t owner, bool from_root)
{
    bool above = false;
    size_t p = a->v[i].parent;
    for (unsigned depth = 0; p != PROC_NO_INDEX && depth < CLIMB_MAX; depth++) {
        struct attributed *x = &a->v[p];
        if (x->stop)
            return;
        if ((from_root || !x->in_group || x->owner != owner) && !take_ancestor(a, p, owner, &above))
            return;
        p = x->parent;
    }
}

static void by_ancestors(struct attribution *a, const struct attribution_input *in)
{
    for (size_t k = 0; k < in->n_claims; k++) {
        size_t i = proc_table_index(&a->table, in->claims[k].root);
        if (i != PROC_NO_INDEX && a->v[i].owner == k && (a->v[i].by & ATTRIBUTED_BY_ROOT))
            climb(a, i, (uint32_t)k, true);
    }
    for (size_t i = 0; i < a->table.n; i++)
        if (a->v[i].in_group && !a->v[i].in_tool)
            climb(a, i, a->v[i].owner, false);
}

/* The nearest ancestor that is somebody's: its index, or PROC_NO_INDEX. */
static size_t owned_ancestor(const struct attribution *a, size_t i)
{
    size_t p = a->v[i].parent;
    for (unsigned depth = 0; p != PROC_NO_INDEX && depth < CLIMB_MAX; depth++) {
        if (a->v[p].owner != ATTRIBUTED_TO_NOBODY)
            return p;
        if (a->v[p].stop)
            break;
        p = a->v[p].parent;
    }
    return PROC_NO_INDEX;
}

static bool descends(const struct attribution *a, size_t i, size_t from)
{
    for (unsigned depth = 0; i != PROC_NO_INDEX && depth < CLIMB_MAX; depth++) {
        i = a->v[i].parent;
        if (i == from)
            return true;
    }
    return false;
}

static void by_descent(struct attribution *a)
{
    for (size_t i = 0; i < a->table.n; i++) {
        struct attributed *x = &a->v[i];
        if (x->owner != ATTRIBUTED_TO_NOBODY || x->stop || a->table.v[i].kernel_thread)
            continue;
        size_t p = owned_ancestor(a, i);
        if (p == PROC_NO_INDEX || (a->v[p].owner == ATTRIBUTED_TO_ALL && !a->v[p].family))
            continue;
        x->owner = a->v[p].owner;
        x->by = ATTRIBUTED_BY_ANCESTRY;
        x->in_tool = a->v[p].in_tool;
        x->family = a->v[p].family;
        /* What a shim calls is a command line; what a payload started is classified like one. */
        x->what = (uint8_t)(is_monitor(a->v[p].what) ? COMPONENT_TOOL : a->v[p].what);
    }
}

/* ---- by id ---- */

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* The claim whose id is a word of the text: "sandbox-<id>" counts, "<id>x" does not. */
static uint32_t claim_in_text(const struct words *ids, const char *text)
{
    while (*text) {
        if (!is_word_byte(*text)) {
            text++;
            continue;
        }
        size_t n = 1;
        while (is_word_byte(text[n]))
            n++;
        for (size_t from = 0; from < n; from++) {
            if (from > 0 && text[from - 1] != '-')
                continue;
            uint32_t owner = words_find(ids, text + from, n - from);
            if (owner != ATTRIBUTED_TO_NOBODY)
                return owner;
        }
        text += n;
    }
    return ATTRIBUTED_TO_NOBODY;
}

static bool was_left(const struct attribution *a, size_t i)
{
    size_t p = a->v[i].parent;
    return p == PROC_NO_INDEX || a->v[p].stop || a->v[p].owner == ATTRIBUTED_TO_ALL;
}

/* Helpers that nothing above or below leads to; and, of those found, whether the id agrees. */
static void by_id(struct attribution *a, const struct words *ids)
{
    char text[COMMAND_MAX];
    for (size_t i = 0; ids->n > 0 && i < a->table.n; i++) {
        struct attributed *x = &a->v[i];
        enum component named = component_of_comm(a->table.v[i].comm);
        bool confirm = !x->in_group && (x->by & ATTRIBUTED_BY_ANCESTRY) &&
                       x->owner < ATTRIBUTED_TO_ALL && is_helper(x->what);
        bool look = x->owner == ATTRIBUTED_TO_NOBODY && !x->stop && is_helper(named) &&
                    !a->table.v[i].kernel_thread && was_left(a, i);
        if ((!confirm && !look) ||
            proc_table_cmdline(&a->table, a->table.v[i].pid, text, sizeof(text)) < 0)
            continue;
        uint32_t owner = claim_in_text(ids, text);
        if (confirm && owner == x->owner) {
            x->by |= ATTRIBUTED_BY_ID;
        } else if (look && owner != ATTRIBUTED_TO_NOBODY) {
            x->owner = owner;
            x->what = (uint8_t)named;
            x->by = ATTRIBUTED_BY_ID | ATTRIBUTED_BY_ANCESTRY | ATTRIBUTED_NAME_AGREES;
        }
    }
}

/* ---- what it is ---- */

static bool is_gofer(const struct attribution *a, size_t i, size_t root)
{
    char text[512];
    const struct proc_entry *e = &a->table.v[i];
    return e->start_ticks <= a->table.v[root].start_ticks &&
           proc_table_cmdline(&a->table, e->pid, text, sizeof(text)) == 0 &&
           (str_starts(text, "runsc-gofer ") || strstr(text, " gofer --"));
}

/* The gofer is started by the sandbox's creator and before the sandbox, since that inherits its
 * sockets; guest code runs only in what the sentry starts. Without a root nothing can be told
 * apart. */
static enum component gvisor_part(const struct attribution *a, size_t i, size_t root)
{
    if (root == PROC_NO_INDEX || i == root)
        return COMPONENT_SENTRY;
    if (descends(a, i, root))
        return COMPONENT_STUB;
    return is_gofer(a, i, root) ? COMPONENT_GOFER : COMPONENT_STUB;
}

/* On the host there is nothing of the guest's own, so names may be believed. */
static enum component vm_part(const struct attribution *a, const struct claim *c, size_t i,
                              size_t root)
{
    enum component named = component_of_comm(a->table.v[i].comm);
    if (is_helper(named))
        return named;
    if (i == root)
        return str_eq(c->kind, "qemu") ? COMPONENT_VMM : COMPONENT_SHIM;
    return COMPONENT_TOOL;
}

static enum component part_of(const struct attribution *a, const struct claim *c, size_t i,
                              size_t root)
{
    const struct attributed *x = &a->v[i];
    bool told = x->what != NO_COMPONENT; /* by the way it was found */
    if (is_vm(c) && (!told || x->what == COMPONENT_TOOL))
        return vm_part(a, c, i, root);
    if (told)
        return x->what;
    if (x->in_tool)
        return COMPONENT_TOOL;
    if (str_eq(c->kind, "runsc"))
        return gvisor_part(a, i, root);
    /* What the payload left behind is its container's first process's. */
    bool beside = c->pod && root != PROC_NO_INDEX && i != root && !descends(a, i, root);
    return beside ? COMPONENT_PAUSE : COMPONENT_PAYLOAD;
}

static void classify(struct attribution *a, const struct attribution_input *in)
{
    for (size_t i = 0; i < a->table.n; i++) {
        struct attributed *x = &a->v[i];
        if (x->owner >= ATTRIBUTED_TO_ALL)
            continue;
        const struct claim *c = &in->claims[x->owner];
        size_t root = proc_table_index(&a->table, c->root);
        if (root != PROC_NO_INDEX && !(a->v[root].by & ATTRIBUTED_BY_ROOT))
            root = PROC_NO_INDEX; /* the number has passed to somebody else */
        x->what = (uint8_t)part_of(a, c, i, root);
        if (is_helper(x->what) && component_of_comm(a->table.v[i].comm) == x->what)
            x->by |= ATTRIBUTED_NAME_AGREES;
    }
}

/* ---- all of it ---- */

static void begin(struct attribution *a)
{
    VEC_RESERVE(a, a->table.n);
    for (size_t i = 0; i < a->table.n; i++)
        a->v[i] = (struct attributed){.owner = ATTRIBUTED_TO_NOBODY,
                                      .what = NO_COMPONENT,
                                      .parent = proc_table_parent(&a->table, i)};
}

int attribution_read(struct attribution *a, const struct attribution_input *in, struct err *err)
{
    struct words groups = {0}, ids = {0};
    int r = proc_table_read(&a->table, in->proc, err);
    for (size_t k = 0; k < in->n_claims; k++) {
        words_add(&groups, in->claims[k].group, k);
        for (size_t i = 0; i < ARRAY_SIZE(in->claims[k].ids); i++)
            words_add(&ids, in->claims[k].ids[i], k);
    }
    words_sort(&groups);
    words_sort(&ids);
    for (size_t i = 1; r == 0 && i < groups.n; i++)
        if (str_eq(groups.v[i - 1].text, groups.v[i].text))
            r = err_set(err, ERR_BUG, EEXIST, "two sessions claim control group %s",
                        groups.v[i].text);
    if (r == 0) {
        begin(a);
        by_group(a, in, &groups);
        by_root(a, in);
        mark_stops(a, in);
        by_ancestors(a, in);
        by_id(a, &ids);
        by_descent(a);
        classify(a, in);
    }
    VEC_RELEASE(&groups);
    VEC_RELEASE(&ids);
    return r;
}

void attribution_release(struct attribution *a)
{
    proc_table_release(&a->table);
    free(a->v);
    *a = (struct attribution){0};
}

struct claim live_claim(const struct live *l)
{
    /* Its own group has only the engine's command line then. */
    bool others = l->session && l->session->caps.others_cgroup;
    return (struct claim){.group = others ? l->session->caps.cgroup : l->ground.group,
                          .tool = others ? NULL : l->ground.tool,
                          .pod = others,
                          .kind = l->engine->info.kind,
                          .root = l->pid,
                          .root_ticks = l->pid_ticks,
                          .ids = {l->ground.id, l->engine_id[0] ? l->engine_id : NULL}};
}

struct claim session_claim(const struct session *s)
{
    return live_claim(s->priv);
}

/* ---- one session ---- */

static pid_t tracer_of(pid_t pid)
{
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/status", (int)pid);
    _cleanup_(str_release) struct str text = STR_INIT;
    if (file_read(path, 16384, &text, NULL) < 0)
        return 0;
    const char *line = strstr(text.buf, "\nTracerPid:\t");
    return line ? (pid_t)strtol(line + 12, NULL, 10) : 0;
}

static void take_pids(struct attribution *a, const struct pid_list *pids, bool tools)
{
    for (size_t k = 0; k < pids->n; k++) {
        size_t i = proc_table_index(&a->table, pids->v[k]);
        if (i == PROC_NO_INDEX)
            continue;
        a->v[i].owner = 0;
        a->v[i].by = ATTRIBUTED_BY_GROUP;
        a->v[i].in_group = true;
        a->v[i].in_tool |= tools;
    }
}

static void list_parts(const struct attribution *a, struct component_list *ret)
{
    struct component_list list = {0};
    for (size_t i = 0; i < a->table.n; i++) {
        const struct attributed *x = &a->v[i];
        const struct proc_entry *p = &a->table.v[i];
        if (x->owner != 0)
            continue;
        struct component_entry e = {.pid = p->pid,
                                    .parent = p->parent,
                                    .what = x->what,
                                    .by = x->by,
                                    .in_group = x->in_group,
                                    .tracer = tracer_of(p->pid)};
        str_copy(e.comm, sizeof(e.comm), p->comm);
        proc_cmdline(e.pid, e.cmdline, sizeof(e.cmdline));
        VEC_PUSH(&list, e);
    }
    *ret = list;
}

int components_read(const struct cgroups *c, const char *group, const char *tool, const char *kind,
                    pid_t root, struct component_list *ret, struct err *err)
{
    _cleanup_(pid_list_release) struct pid_list all = {0};
    _cleanup_(pid_list_release) struct pid_list tools = {0};
    _cleanup_(pid_list_release) struct pid_list pids = {0};
    _cleanup_(attribution_release) struct attribution a = {0};
    struct claim claim = {.group = group, .tool = tool, .kind = kind, .root = root};
    struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = &claim, .n_claims = 1};
    int r = cgroup_pids(c, group, &all, err);
    if (r == 0 && tool && *tool)
        r = cgroup_pids(c, tool, &tools, err);
    for (size_t i = 0; i < all.n; i++)
        VEC_PUSH(&pids, all.v[i]);
    if (root > 0)
        VEC_PUSH(&pids, root);
    if (r == 0)
        r = proc_table_read_pids(&a.table, in.proc, pids.v, pids.n, err);
    if (r < 0)
        return r;
    begin(&a);
    take_pids(&a, &all, false);
    take_pids(&a, &tools, true);
    by_root(&a, &in);
    mark_stops(&a, &in);
    by_ancestors(&a, &in);
    classify(&a, &in);
    list_parts(&a, ret);
    return 0;
}

void component_list_release(struct component_list *l)
{
    VEC_RELEASE(l);
}

size_t components_count(const struct component_list *l, enum component what)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += l->v[i].what == what;
    return n;
}

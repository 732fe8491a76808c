#include "driver/attribution.h"

#include "base/fd.h"
#include "base/str.h"
#include "base/vec.h"
#include "host/proc.h"

#include <errno.h>

static const char *const names[COMPONENT_COUNT] = {
    [COMPONENT_PAYLOAD] = "payload", [COMPONENT_SANDBOX] = "sandbox", [COMPONENT_GOFER] = "gofer",
    [COMPONENT_STUB] = "stub",       [COMPONENT_TOOL] = "tool",
};

const char *component_name(enum component what)
{
    return (unsigned)what < COMPONENT_COUNT ? names[what] : "?";
}

static bool contains(const struct pid_list *l, pid_t pid)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] == pid)
            return true;
    return false;
}

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

/* A sandbox's processes: the sentry is the one the runtime named; the gofer bears its name (it is
 * started by the sandbox's creator, not by the sentry); everything the sentry started is a stub. */
static enum component sandbox_part(const struct component_entry *e, pid_t root)
{
    if (e->pid == root)
        return COMPONENT_SANDBOX;
    if (str_starts(e->cmdline, "runsc-gofer ") || strstr(e->cmdline, " gofer --"))
        return COMPONENT_GOFER;
    if (str_starts(e->cmdline, "runsc-sandbox ") && e->parent != root && e->tracer == 0)
        return COMPONENT_SANDBOX;
    return COMPONENT_STUB;
}

int components_read(const struct cgroups *c, const char *group, const char *tool, const char *kind,
                    pid_t root, struct component_list *ret, struct err *err)
{
    _cleanup_(pid_list_release) struct pid_list all = {0};
    _cleanup_(pid_list_release) struct pid_list tools = {0};
    struct component_list list = {0};
    int r = cgroup_pids(c, group, &all, err);
    if (r == 0)
        r = cgroup_pids(c, tool, &tools, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < all.n; i++) {
        struct component_entry e = {.pid = all.v[i], .parent = proc_parent(all.v[i])};
        if (!proc_alive(e.pid))
            continue;
        proc_comm(e.pid, e.comm, sizeof(e.comm));
        proc_cmdline(e.pid, e.cmdline, sizeof(e.cmdline));
        e.tracer = tracer_of(e.pid);
        e.what = COMPONENT_PAYLOAD;
        if (contains(&tools, e.pid))
            e.what = COMPONENT_TOOL;
        else if (str_eq(kind, "runsc"))
            e.what = sandbox_part(&e, root);
        VEC_PUSH(&list, e);
    }
    *ret = list;
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

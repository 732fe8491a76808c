#include "fleet/podside.h"

#include "base/fd.h"
#include "base/time.h"
#include "fleet/carrier.h"
#include "fleet/k8s.h"
#include "fleet/roll.h"
#include "fleet/runlog.h"
#include "fleet/steward-work.h"
#include "host/allocation.h"
#include "host/machine.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

/* From the word to end until it is killed: within the pod's grace period (k8s-manifest.c). */
#define ENDING_NS (90 * NS_PER_S)
#define SANDBOX   "sandbox=host"

struct pod {
    struct fleet fleet;
    struct fleet_machine *m;
    struct k8s_spec spec;
    char *folder;
    char place[PATH_MAX]; /* of ours in the scratch folder */
    char bundle[PATH_MAX];
    struct loop *loop;
    struct work work;
    bool news, told_to_end, late;
    uint64_t end_ns; /* when it is told to end, or is killed */
    struct standing standing;
};

static void say(void *user, const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
}

/* ---- what is measured ---- */

/* "host", "a=host", "host,inject=..."; globs that it matches. */
static bool is_own(const char *text, bool *ret_labelled)
{
    const char *driver = text, *equals = strchr(text, '=');

    *ret_labelled = equals && (size_t)(equals - text) < strcspn(text, ",");
    if (*ret_labelled)
        driver = equals + 1;
    if (strncmp(driver, "host", 4) == 0 && (driver[4] == '\0' || driver[4] == ','))
        return true;
    return strpbrk(text, "*?[") && str_glob(text, "host");
}

static void add_target(json_t *args, const char *text)
{
    json_array_append_new(args, json_string("--target"));
    json_array_append_new(args, json_string(text));
}

bool pod_targets(char *const *wanted, size_t n, bool privileged, json_t *args)
{
    bool plain = n == 0, any = plain, labelled;

    for (size_t i = 0; i < n; i++) {
        if (!is_own(wanted[i], &labelled))
            continue;
        any = true;
        if (labelled) {
            add_target(args, wanted[i]);
        } else if (str_starts(wanted[i], "host,")) {
            _cleanup_free_ char *own = xasprintf("%s%s", privileged ? "" : "sandbox=", wanted[i]);
            add_target(args, own);
        } else { /* as it is, or by a glob */
            plain = true;
        }
    }
    if (plain)
        add_target(args, privileged ? "host" : SANDBOX);
    return any;
}

/* Of the other options only flags mean something here. */
static void pass_flags(const struct fleet *f, json_t *args)
{
    VEC_FOREACH (&f->args, char *, arg)
        if (str_eq(*arg, "--aa") || str_eq(*arg, "--share") || str_eq(*arg, "--i-understand"))
            json_array_append_new(args, json_string(*arg));
}

/* ---- its place ---- */

/* The folder that the image has cupel in: above the loader's or the program's own. */
static void find_bundle(struct pod *p)
{
    char *slash;
    ssize_t n = readlink("/proc/self/exe", p->bundle, sizeof(p->bundle) - 1);

    p->bundle[n > 0 ? n : 0] = '\0';
    for (int i = 0; i < 2 && (slash = strrchr(p->bundle, '/')); i++)
        *slash = '\0';
}

static int settle_in(struct pod *p, const char *scratch, struct err *err)
{
    if (!str_format(p->place, sizeof(p->place), "%s/cupel-XXXXXX", scratch) || !mkdtemp(p->place) ||
        chdir(p->place) < 0)
        return err_errno(err, errno, "make a folder in %s", scratch);
    find_bundle(p);
    if (access(p->bundle, F_OK) == 0 && !getenv("CUPEL_PROBE"))
        work_environment(p->bundle);
    _cleanup_free_ char *state = xasprintf("%s/state", p->place);
    setenv("CUPEL_STATE", state, 1);
    if (p->fleet.privileged)
        setenv(ALLOCATION_POD_ENV, "1", 1);
    setenv("LC_ALL", "C", 1);
    setenv("TERM", "dumb", 1);
    return file_replace("plan.yaml", p->fleet.plan.buf, p->fleet.plan.len, 0600, err);
}

static int read_order(struct pod *p, const char *order, unsigned number, struct err *err)
{
    const char *spec;
    int r = roll_read_order(order, number, &p->fleet, &p->folder, err);

    if (r < 0)
        return r;
    p->m = &p->fleet.machines.v[number - 1];
    r = carrier_of(p->m->from, &p->m->carrier, &spec, err);
    return r < 0 ? r : k8s_spec_parse(spec, &p->spec, err);
}

/* ---- the run ---- */

static void end_run(struct pod *p)
{
    if (!p->told_to_end)
        kill(p->work.pid, SIGTERM);
    else
        kill(p->work.pid, SIGKILL);
    p->end_ns = p->told_to_end ? UINT64_MAX : time_deadline(ENDING_NS);
    p->told_to_end = true;
}

static int attend(struct pod *p, struct err *err)
{
    while (p->work.running) {
        p->news = false;
        int r = loop_run_until(p->loop, &p->news, p->end_ns, err);
        if (r == -EINTR) {
            loop_clear_interrupt(p->loop);
            if (!p->told_to_end)
                end_run(p);
        } else if (r == -ETIMEDOUT) {
            p->late |= !p->told_to_end;
            end_run(p);
        } else if (r < 0) {
            return r;
        }
    }
    return 0;
}

static enum fleet_outcome why_nothing(const struct pod *p, char *why, size_t size)
{
    int status = p->work.wait_status;

    if (WIFSIGNALED(status)) {
        str_format(why, size, "its run was killed by signal %d%s", WTERMSIG(status),
                   WTERMSIG(status) == SIGKILL && !p->told_to_end ? " (out of memory?)" : "");
        return FLEET_FAILED;
    }
    str_copy(why, size, p->work.last);
    return strcasestr(why, "No space left on device") ? FLEET_DISK_FULL : FLEET_FAILED;
}

/* Only here is it known what came first. */
static const char *why_part(const struct pod *p)
{
    return p->late          ? "its time was over"
           : p->told_to_end ? "its pod was told to end"
                            : p->work.last;
}

static int measure(struct pod *p, struct err *err)
{
    struct fleet_machine *m = p->m;
    json_t *args = json_array();
    int r = 0;

    if (!pod_targets(p->fleet.wanted.v, p->fleet.wanted.n, p->fleet.privileged, args)) {
        machine_ends(m, FLEET_NO_RUNTIMES, "a pod measures its own sandbox, --target host");
        json_decref(args);
        return 0;
    }
    pass_flags(&p->fleet, args);
    r = work_start(&p->work, p->bundle, args, false, err);
    json_decref(args);
    if (r == 0)
        r = attend(p, err);
    work_finish(&p->work);
    if (r < 0)
        return r;
    work_standing(&p->standing);
    m->status = WIFEXITED(p->work.wait_status) ? WEXITSTATUS(p->work.wait_status) : -1;
    char why[sizeof(m->why)] = "";
    if (p->standing.stored && p->standing.part) {
        machine_ends(m, FLEET_PART, "%s", why_part(p));
    } else if (p->standing.stored) {
        machine_ends(m, FLEET_MEASURED, NULL);
    } else {
        enum fleet_outcome outcome = why_nothing(p, why, sizeof(why));
        machine_ends(m, outcome, "%s", why);
    }
    return 0;
}

/* ---- what is handed over ---- */

static const char *from_environment(const char *name)
{
    const char *text = getenv(name);
    return text ? text : "";
}

static json_t *kubernetes_json(const struct pod *p)
{
    const struct k8s_spec *s = &p->spec;

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s}", "node",
                     from_environment(POD_ENV_NODE), "namespace",
                     from_environment(POD_ENV_NAMESPACE), "pod", from_environment(POD_ENV_NAME),
                     "runtime_class", s->class, "image", s->image, "privileged",
                     p->fleet.privileged, "cpu", s->cpu, "memory", s->memory);
}

/* The node is the machine: a pod's own names are others each time. */
static void mark_machine(const struct pod *p, json_t *doc)
{
    json_t *run = json_object_get(doc, "run"), *machine = json_object_get(run, "machine");
    _cleanup_free_ char *class = p->spec.class[0] ? xasprintf("of class %s", p->spec.class)
                                                  : xstrdup("of the default class");

    if (!json_is_object(machine))
        return;
    json_object_set_new(run, "machine_id", json_string(p->m->id));
    json_object_set_new(machine, "hostname", json_string(p->m->hostname));
    json_object_set_new(machine, "id", json_string(p->m->id));
    json_object_set_new(machine, "fleet", json_string(p->fleet.id));
    json_object_set_new(machine, "fleet_on", json_string(p->m->on));
    json_object_set_new(machine, "pod",
                        json_string(p->fleet.privileged ? "privileged, the node itself" : class));
    json_object_set_new(machine, "kubernetes", kubernetes_json(p));
}

/* The run's text in ret. */
static int export_run(const struct pod *p, struct str *ret, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    char hex[FS_SHA256_HEX], path[32];
    uint64_t bytes;
    _cleanup_fd_ int fd = work_export(&bytes, hex, err);

    if (fd < 0)
        return fd;
    str_format(path, sizeof(path), "/proc/self/fd/%d", fd);
    int r = file_read(path, bytes, &text, err);
    if (r < 0)
        return r;
    json_t *doc = json_loadb(text.buf, text.len, 0, NULL);
    mark_machine(p, doc);
    _cleanup_free_ char *marked = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    str_add(ret, marked ? marked : "");
    return 0;
}

static void name_machine(struct pod *p)
{
    struct fleet_machine *m = p->m;
    struct machine here;

    machine_read(&here);
    str_copy(m->hostname, sizeof(m->hostname), k8s_node_of(m));
    if (!m->id[0]) /* whoever wrote the manifest could not ask for it */
        fs_sha256_bytes(m->hostname, strlen(m->hostname), m->id);
    file_read_line("/proc/sys/kernel/random/boot_id", m->boot, sizeof(m->boot));
}

static json_t *head_of(const struct fleet_machine *m)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "outcome", fleet_outcome_name(m->outcome),
                     "why", m->why, "hostname", m->hostname, "id", m->id, "boot", m->boot, "status",
                     m->status);
}

static int hand_over(struct pod *p, unsigned number, bool *ret_measured, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    _cleanup_free_ char *key = xasprintf("%s-%u", p->fleet.id, number);
    struct err why = ERR_INIT;
    bool run = p->standing.stored;

    name_machine(p);
    if (run && export_run(p, &text, &why) < 0) {
        machine_ends(p->m, FLEET_FAILED, "%s", why.msg);
        run = false;
    }
    json_t *head = head_of(p->m);
    int r = runlog_write(STDOUT_FILENO, key, head, run ? &text : NULL, err);
    json_decref(head);
    if (r == -EFBIG) {
        machine_ends(p->m, FLEET_FAILED, "%s", err ? err->msg : "its run is too large");
        head = head_of(p->m);
        run = false;
        r = runlog_write(STDOUT_FILENO, key, head, NULL, err);
        json_decref(head);
    }
    *ret_measured = run;
    return r;
}

int pod_run(const char *scratch, const char *order, unsigned number, uint64_t time_ns,
            bool *ret_measured, struct err *err)
{
    struct pod p = {.end_ns = time_deadline(time_ns),
                    .work = {.fd_err = -1, .say = say, .line = STR_INIT}};
    struct err why = ERR_INIT;
    int r;

    fleet_init(&p.fleet);
    p.work.wake = &p.news;
    r = loop_new(&p.loop, err);
    if (r == 0)
        r = loop_catch_interrupts(p.loop, err);
    p.work.loop = p.loop;
    if (r == 0)
        r = read_order(&p, order, number, err);
    if (r == 0) {
        r = settle_in(&p, scratch, &why);
        if (r == 0)
            r = measure(&p, &why);
        if (r < 0)
            machine_ends(p.m, r == -ENOSPC ? FLEET_DISK_FULL : FLEET_FAILED, "%s", why.msg);
        r = hand_over(&p, number, ret_measured, err);
    }
    if (p.place[0] && chdir("/") == 0)
        (void)fs_remove_tree(p.place, NULL);
    str_release(&p.work.line);
    fleet_release(&p.fleet);
    free(p.folder);
    if (p.loop)
        loop_free(p.loop);
    return r;
}

#include "fleet/k8s.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>

#define CALL_NS (60 * NS_PER_S)
/* A pod has its grace to end in (k8s-manifest.c); one on a node that failed does not end. */
#define REMOVE_NS (180 * NS_PER_S)
#define LEAVE_NS  (20 * NS_PER_S)
#define OUT_MAX   (64u << 20)
#define SCHEME    "k8s:"

const char *k8s_node_of(const struct fleet_machine *m)
{
    return str_starts(m->on, SCHEME) ? m->on + strlen(SCHEME) : m->on;
}

static int check(const char *spec, struct err *err)
{
    struct k8s_spec s;

    return k8s_spec_parse(spec, &s, err);
}

static void spec_of(const struct fleet_machine *m, struct k8s_spec *ret)
{
    (void)k8s_spec_parse(m->from + strlen(SCHEME), ret, NULL); /* checked before */
}

static int kubectl_of(struct loop *l, const struct k8s_spec *s, struct kubectl *ret,
                      struct err *err)
{
    int r = kubectl_find(l, ret, err);

    if (r == 0 && s->namespace[0])
        str_copy(ret->namespace_, sizeof(ret->namespace_), s->namespace);
    return r;
}

/* ---- which nodes ---- */

static void add_named(const struct k8s_spec *s, struct found *ret)
{
    _cleanup_free_ char *copy = xstrdup(s->nodes);
    char *rest = copy;

    for (char *name; (name = strsep(&rest, ","));) {
        struct found_machine m = {.id = ""};
        str_copy(m.name, sizeof(m.name), name);
        VEC_PUSH(ret, m);
    }
}

/* As machine_read makes it of /etc/machine-id, which is what a kubelet tells. */
static void machine_id(const char *told, char ret[65])
{
    _cleanup_free_ char *salted = xasprintf("cupel %s", told);

    if (told[0])
        fs_sha256_bytes(salted, strlen(salted), ret);
}

static void add_listed(const json_t *list, struct found *ret)
{
    size_t i;
    const json_t *node;

    json_array_foreach (json_object_get(list, "items"), i, node) {
        struct found_machine m = {.id = ""};
        object_copy(json_object_get(node, "metadata"), "name", m.name, sizeof(m.name));
        machine_id(object_text(object_at(node, "status", "nodeInfo"), "machineID"), m.id);
        if (m.name[0] && ret->n <= FLEET_MACHINES_MAX)
            VEC_PUSH(ret, m);
    }
}

static int find_selected(struct loop *l, const struct k8s_spec *s, struct found *ret,
                         struct err *err)
{
    const char *const args[] = {"get",      "nodes", "--selector", s->selector,
                                "--output", "json",  NULL};
    struct kubectl k;
    json_t *list = NULL;
    int r = kubectl_of(l, s, &k, err);

    if (r == 0)
        r = kubectl_json(l, &k, args, NULL, time_deadline(CALL_NS), OUT_MAX, &list, err);
    if (r == 0)
        add_listed(list, ret);
    json_decref(list);
    return r;
}

static int find(struct loop *l, struct fleet_machine *m, struct found *ret, struct err *err)
{
    struct k8s_spec s;
    struct err why = ERR_INIT;

    spec_of(m, &s);
    if (s.nodes[0]) {
        add_named(&s, ret);
        return 0;
    }
    int r = find_selected(l, &s, ret, &why);
    if (r == -EINTR)
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    if (r < 0)
        machine_ends(m, k8s_refusal(&why), "%s", why.msg);
    else if (ret->n == 0)
        machine_ends(m, FLEET_NOT_TAKEN, "no node has the labels %s", s.selector);
    return 0;
}

/* ---- the freight ---- */

static void freight_init(struct freight *f, struct voyage *v, struct fleet_machine *m)
{
    *f = (struct freight){.v = v, .first = (size_t)(m - v->fleet->machines.v)};
    spec_of(m, &f->spec);
    /* The machines of an element stand side by side; those at their end, too. */
    while (f->first > 0 && str_eq(v->fleet->machines.v[f->first - 1].from, m->from))
        f->first--;
    k8s_run_label(v->fleet, f->first, f->label);
    for (struct fleet_machine *one = m; one; one = machine_next(v, one)) {
        struct k8s_seat s = {.m = one,
                             .log = RUNLOG_INIT,
                             .tail = {.fd = -1, .line = STR_INIT},
                             .begun_ns = time_mono_ns(),
                             .since_ns = time_mono_ns(),
                             .hindrance = FLEET_QUEUED};
        size_t i = (size_t)(one - v->fleet->machines.v);
        k8s_job_name(v->fleet, i, s.job);
        str_format(s.log.key, sizeof(s.log.key), "%s-%zu", v->fleet->id, i - f->first + 1);
        VEC_PUSH(&f->seats, s);
    }
    VEC_FOREACH (&f->seats, struct k8s_seat, s)
        s->freight = f;
}

static void freight_release(struct freight *f)
{
    VEC_FOREACH (&f->seats, struct k8s_seat, s) {
        k8s_tail_stop(s);
        runlog_release(&s->log);
        str_release(&s->tail.line);
    }
    ledger_free(f->ledger);
    VEC_RELEASE(&f->seats);
}

static size_t machines_of(const struct freight *f)
{
    const struct fleet *fleet = f->v->fleet;
    size_t n = 0;

    while (f->first + n < fleet->machines.n &&
           str_eq(fleet->machines.v[f->first + n].from, fleet->machines.v[f->first].from))
        n++;
    return n;
}

static void all_end(struct freight *f, enum fleet_outcome outcome, const char *why)
{
    VEC_FOREACH (&f->seats, struct k8s_seat, s)
        if (!s->m->ended)
            machine_ends(s->m, outcome, "%s", why);
}

int k8s_call(struct freight *f, const char *const *args, const struct str *input, struct str *out,
             struct err *err)
{
    return kubectl_run(f->v->o->loop, &f->kubectl, args, input, time_deadline(CALL_NS), OUT_MAX,
                       out, err);
}

/* ---- the ledger ---- */

static void ledger_id(const struct freight *f, char ret[9])
{
    uint64_t id = strtoull(f->v->fleet->id, NULL, 16) + f->first;

    str_format(ret, 9, "%08x", (unsigned)id);
}

static char *ledger_place(const struct freight *f)
{
    return xasprintf("%s/fleet", f->v->o->state_dir);
}

/* Calls act with each of what the element has in the cluster: the ConfigMap, then the Jobs. */
static int each_item(struct freight *f,
                     int (*act)(struct ledger *l, const struct ledger_item *item, struct err *err),
                     struct err *err)
{
    _cleanup_free_ char *place = kubectl_place(&f->kubectl);
    int r = 0;

    for (size_t i = 0, n = machines_of(f); r == 0 && i <= n; i++) {
        char name[K8S_NAME_MAX];
        k8s_job_name(f->v->fleet, f->first + (i ? i - 1 : 0), name);
        _cleanup_free_ char *id = xasprintf("%s/%s", i ? "jobs" : "configmaps", name);
        const struct ledger_item item = {.kind = LEDGER_K8S,
                                         .id = id,
                                         .path = f->kubectl.config,
                                         .runtime = f->kubectl.path,
                                         .place = place};
        r = act(f->ledger, &item, err);
    }
    return r;
}

static int intend(struct ledger *l, const struct ledger_item *item, struct err *err)
{
    return ledger_intend(l, item, 1, err);
}

/* ---- what is created ---- */

/* "job.batch/cupel-3fa9c2d1-2" is among the lines? */
static bool was_created(const struct str *out, const char *name)
{
    const char *at = out->buf;
    size_t n = strlen(name);

    while ((at = strstr(at, name))) {
        if (at > out->buf && at[-1] == '/' && (at[n] == '\n' || at[n] == '\0'))
            return true;
        at += n;
    }
    return false;
}

static int create(struct freight *f, struct err *err)
{
    const char *const args[] = {"create", "--filename", "-", "--output", "name", NULL};
    json_t *objects = k8s_objects(f->v->fleet, f->first, machines_of(f), &f->spec);
    _cleanup_free_ char *text = json_dumps(objects, JSON_COMPACT);
    _cleanup_(str_release) struct str in = STR_INIT, out = STR_INIT;
    struct err why = ERR_INIT;

    json_decref(objects);
    str_add(&in, text ? text : "");
    int r = k8s_call(f, args, &in, &out, &why);
    if (r == -EINTR)
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    f->none = r < 0 && out.len == 0 && k8s_refusal(&why) != FLEET_UNREACHABLE;
    VEC_FOREACH (&f->seats, struct k8s_seat, s)
        if (r < 0 && !was_created(&out, s->job))
            machine_ends(s->m, k8s_refusal(&why), "%s", why.msg);
    return 0;
}

static int send_out(struct freight *f, struct err *err)
{
    _cleanup_free_ char *ledgers = ledger_place(f);
    char id[9];

    ledger_id(f, id);
    int r = ledger_open(ledgers, id, &f->ledger, err);
    if (r == 0)
        r = each_item(f, intend, err);
    return r < 0 ? r : create(f, err);
}

static uint64_t time_to_remove(const struct freight *f)
{
    VEC_FOREACH (&f->seats, const struct k8s_seat, s)
        if (s->m->outcome == FLEET_NODE_FAILED)
            return LEAVE_NS;
    return REMOVE_NS;
}

/* All that bears the label, and the pods with it. What cannot be removed stays in the ledger. */
static int put_away(struct freight *f, struct err *err)
{
    uint64_t patience_ns = time_to_remove(f);
    _cleanup_free_ char *labels = xasprintf(
        KUBECTL_MANAGED_KEY "=" KUBECTL_MANAGED_VALUE "," KUBECTL_RUN_KEY "=%s", f->label);
    const char *const args[] = {
        "delete",      "jobs,configmaps", "--selector", labels, "--cascade=foreground",
        "--wait=true", "--timeout=170s",  NULL};
    int r = f->none ? 0
                    : kubectl_run(f->v->o->loop, &f->kubectl, args, NULL,
                                  time_deadline(patience_ns), OUT_MAX, NULL, err);

    if (r == 0)
        r = each_item(f, ledger_done, err);
    if (r < 0)
        return r;
    struct ledger *l = TAKE_PTR(f->ledger);
    return ledger_close(l, err);
}

/* ---- the carrier ---- */

static void tell_limits(const struct freight *f)
{
    const struct fleet_options *o = f->v->o;

    if (o->say && !f->v->fleet->privileged)
        o->say(
            o->user, f->seats.v[0].m,
            "measures the sandbox of its pod, under the name `sandbox`; the node itself, PSS and "
            "the host's CPU time need --privileged-agent");
}

/* What is in the way of removing does not undo what was fetched: the ledger has it. */
static int finish(struct freight *f, struct err *err)
{
    struct err why = ERR_INIT;

    loop_clear_interrupt(f->v->o->loop);
    if (put_away(f, &why) == 0)
        return 0;
    if (f->v->o->say) {
        _cleanup_free_ char *line = xasprintf("left in the cluster, for cupel clean: %s", why.msg);
        f->v->o->say(f->v->o->user, f->seats.v[0].m, line);
    }
    return 0;
}

static int carry(struct voyage *v, struct fleet_machine *m, struct err *err)
{
    _cleanup_(freight_release) struct freight f;
    struct err why = ERR_INIT;

    freight_init(&f, v, m);
    int r = kubectl_of(v->o->loop, &f.spec, &f.kubectl, &why);
    if (r < 0) {
        all_end(&f, k8s_refusal(&why), why.msg);
        return r == -EINTR ? r : 0;
    }
    tell_limits(&f);
    r = send_out(&f, &why);
    if (r == -EINTR)
        all_end(&f, FLEET_LOST, "interrupted");
    else if (r < 0)
        all_end(&f, FLEET_FAILED, why.msg);
    r = k8s_watch(&f, err);
    return r < 0 || !f.ledger ? r : finish(&f, err);
}

static int resume(struct voyage *v, struct fleet_machine *m, struct err *err)
{
    _cleanup_(freight_release) struct freight f;
    _cleanup_free_ char *ledgers = NULL;
    struct err why = ERR_INIT;
    char id[9];

    freight_init(&f, v, m);
    ledgers = ledger_place(&f);
    ledger_id(&f, id);
    int r = ledger_resume(ledgers, id, &f.ledger, &why);
    if (r == -ENOENT) {
        all_end(&f, FLEET_GONE, "");
        return 0;
    }
    if (r == 0)
        r = kubectl_of(v->o->loop, &f.spec, &f.kubectl, &why);
    if (r < 0) {
        all_end(&f, FLEET_KEPT, why.msg);
        return r == -EINTR ? r : 0;
    }
    r = k8s_watch(&f, err);
    return r < 0 ? r : finish(&f, err);
}

const struct carrier carrier_k8s = {
    .scheme = "k8s",
    .machine = "selector=LABEL=VALUE,image=NAME",
    .check = check,
    .find = find,
    .brings_nothing = true,
    .carry = carry,
    .resume = resume,
};

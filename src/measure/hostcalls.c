#include "measure/hostcalls.h"

#include "driver/attribution.h"
#include "host/tracing.h"
#include "measure/powers.h"
#include "wire/callset.h"

#include <errno.h>

struct side {
    struct callset seen;
    uint64_t total;
};

static int own_instance(struct course *c, const struct session *s, struct hostcalls *h,
                        struct err *err)
{
    char name[40];

    str_format(name, sizeof(name), "cupel-%s-%04u", c->site.run_id, s->number);
    tracing_instance_path(name, h->instance, sizeof(h->instance));
    if (!h->instance[0])
        return 0;
    const struct ledger_item item = {.kind = LEDGER_TRACING, .path = h->instance};
    int r = ledger_intend(c->site.ledger, &item, 1, err);
    if (r < 0)
        h->instance[0] = '\0';
    return r;
}

void hostcalls_begin(struct course *c, struct lane *l, struct hostcalls *ret)
{
    const struct session *s = l->slot->session;
    struct err why = ERR_INIT;
    int r;

    *ret = (struct hostcalls){.count = NULL};
    if (!s->caps.cgroup[0])
        r = err_set(&why, ERR_UNSUPPORTED, EPERM,
                    "system calls are counted by control group: root only");
    else
        r = own_instance(c, s, ret, &why);
    if (r == 0)
        r = callcount_open(&c->site.machine->cgroups, s->caps.cgroup, ret->instance, &ret->count,
                           &why);
    if (r < 0)
        lane_fail(c, l, &why);
}

int hostcalls_drop(struct course *c, struct hostcalls *h, struct err *err)
{
    const struct ledger_item item = {.kind = LEDGER_TRACING, .path = h->instance};
    int r = 0;

    callcount_close(h->count);
    if (h->instance[0])
        r = tracing_remove(h->instance, err);
    if (h->instance[0] && r >= 0)
        r = ledger_done(c->site.ledger, &item, err);
    *h = (struct hostcalls){.count = NULL};
    return r;
}

/* Of a process that has ended nobody knows any more what it was: it was the payload's, unless guest
 * code runs in processes of the sandbox's. */
static bool is_payload(const struct attribution *look, pid_t pid, bool own_kernel)
{
    for (size_t i = 0; i < look->table.n; i++)
        if (look->table.v[i].pid == pid)
            return look->v[i].owner == 0 && look->v[i].what == COMPONENT_PAYLOAD;
    return !own_kernel;
}

static void add_number(json_t *facts, const char *of, const char *what, uint64_t n)
{
    char key[40];
    str_format(key, sizeof(key), "%s_%s", of, what);
    json_object_set_new(facts, key, json_integer((json_int_t)n));
}

static void add_side(json_t *facts, const char *name, const struct side *s)
{
    char key[40], bits[CALLSET_TEXT];
    add_number(facts, name, "distinct", callset_count(&s->seen));
    add_number(facts, name, "total", s->total);
    str_format(key, sizeof(key), "%s_bits", name);
    callset_format(&s->seen, bits);
    json_object_set_new(facts, key, json_string(bits));
}

static json_t *facts_of(const struct call_tallies *t, const struct attribution *look,
                        bool own_kernel, uint64_t rounds)
{
    struct side payload = {.total = 0}, sandbox = {.total = 0};
    struct callset all = {{false}};
    json_t *facts = json_object();

    for (size_t i = 0; i < t->n; i++) {
        const struct call_tally *x = &t->v[i];
        struct side *s = is_payload(look, x->pid, own_kernel) ? &payload : &sandbox;
        s->total += x->times;
        if (x->number < CALLSET_MAX)
            s->seen.has[x->number] = all.has[x->number] = true;
    }
    uint64_t total = payload.total + sandbox.total;
    add_number(facts, "host", "distinct", callset_count(&all));
    add_number(facts, "host", "total", total);
    add_number(facts, "host", "a_round", total / (rounds ? rounds : 1));
    add_side(facts, "payload", &payload);
    add_side(facts, "sandbox", &sandbox);
    powers_add(facts, look);
    return facts;
}

json_t *hostcalls_end(struct course *c, struct lane *l, struct hostcalls *h)
{
    struct call_tallies tallies = {0};
    struct attribution look = {0};
    const struct claim claim = session_claim(l->slot->session);
    const struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = &claim, .n_claims = 1};
    json_t *facts = NULL;
    struct err why = ERR_INIT;
    const char *by = callcount_by(h->count);
    int r = callcount_read(h->count, &tallies, &why);
    int dropped = hostcalls_drop(c, h, r == 0 ? &why : NULL);

    if (r == 0)
        r = dropped;
    if (r == 0)
        r = attribution_read(&look, &in, &why);
    if (r < 0)
        lane_fail(c, l, &why);
    else
        facts = facts_of(&tallies, &look, l->slot->own_kernel, l->ops);
    if (facts)
        json_object_set_new(facts, "counted_by", json_string(by));
    attribution_release(&look);
    call_tallies_release(&tallies);
    return facts;
}

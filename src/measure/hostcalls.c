#include "measure/hostcalls.h"

#include "driver/attribution.h"
#include "measure/powers.h"
#include "wire/callset.h"

#include <errno.h>

struct side {
    struct callset seen;
    uint64_t total;
};

void hostcalls_begin(struct course *c, struct lane *l, struct callcount **ret)
{
    const struct session *s = l->slot->session;
    struct err why = ERR_INIT;
    int r;

    *ret = NULL;
    if (!s->caps.cgroup[0])
        r = err_set(&why, ERR_UNSUPPORTED, EPERM,
                    "system calls are counted by control group: root only");
    else
        r = callcount_open(&c->site.machine->cgroups, s->caps.cgroup, ret, &why);
    if (r < 0)
        lane_fail(c, l, &why);
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

json_t *hostcalls_end(struct course *c, struct lane *l, struct callcount *k)
{
    struct call_tallies tallies = {0};
    struct attribution look = {0};
    const struct claim claim = session_claim(l->slot->session);
    const struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = &claim, .n_claims = 1};
    json_t *facts = NULL;
    struct err why = ERR_INIT;
    int r = callcount_read(k, &tallies, &why);

    callcount_close(k);
    if (r == 0)
        r = attribution_read(&look, &in, &why);
    if (r < 0)
        lane_fail(c, l, &why);
    else
        facts = facts_of(&tallies, &look, l->slot->own_kernel, l->ops);
    attribution_release(&look);
    call_tallies_release(&tallies);
    return facts;
}

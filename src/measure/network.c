#include "measure/network.h"

#include "driver/confine.h"
#include "driver/engine-network.h"
#include "driver/network.h"
#include "driver/remote.h"

#include <errno.h>
#include <math.h>

#define SERVE_NS (5 * NS_PER_S)
/* TCP and UDP, and HTTP. */
#define PORTS_EACH 2
/* Whoever does not answer an empty frame for so long is not there. */
#define BLAME_NS (2 * NS_PER_S)

/* One target's ends, and the server in the second of them. */
struct plug {
    bool has_own, has_other;
    struct net_end own, other;
    bool engine;                 /* its session is on its engine's own network */
    json_t *facts;               /* of the first, before anybody was in it; NULL: none */
    const struct driver *driver; /* of the peer */
    struct engine *engine_of_peer;
    struct session *peer;                           /* NULL: none */
    struct facts ready;                             /* its ports */
    uint64_t before_ns, cpu_ns, wall_ns, client_ns; /* over the slices of a trial */
    uint64_t read_ns;                               /* when before_ns was read */
    uint64_t ops;                                   /* of them, leads included */
    bool unmetered;
};

/* The network of the group of cells that is measured now. */
struct net_group {
    size_t cell; /* one of the group */
    const char *where;
    bool engines;       /* sessions are on the networks that their engines make */
    bool remote;        /* peers are on another machine, and sessions in this one's own network */
    struct err why;     /* it could not be made; kind ERR_NONE: it is there */
    struct plug *plugs; /* n_targets */
    /* The host's, for peers that are no targets. */
    const struct driver *host;
    struct engine *engine;
};

/* ---- which cells share one ---- */

static const char *const net_params[] = {NET_PEER, NET_MACHINE, NET_PORT, NET_PATH, NET_STACK,
                                         NET_WIRE, NET_DELAY,   NET_LOSS, NET_MTU};

bool network_shared(const struct cell *a, const struct cell *b)
{
    if (!a->workload->network || !b->workload->network)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(net_params); i++) {
        const struct param *p = params_find(&a->params, net_params[i]);
        const struct param *q = params_find(&b->params, net_params[i]);
        if (!p || !q || !param_equal(p, q))
            return false;
    }
    return true;
}

bool network_owns_param(const struct cell *cell, const char *param)
{
    for (size_t i = 0; cell->workload->network && i < ARRAY_SIZE(net_params); i++)
        if (str_eq(net_params[i], param))
            return true;
    return false;
}

static const struct cell *cell_at(const struct course *c, size_t cell)
{
    return &c->head.plan.cells.v[cell];
}

static struct net_shape shape_of(const struct cell *cell)
{
    const struct params *p = &cell->params;

    return (struct net_shape){.rate_bps = (uint64_t)params_num(p, NET_WIRE, 0),
                              .delay_ns = (uint64_t)params_num(p, NET_DELAY, 0),
                              .loss = (double)params_num(p, NET_LOSS, 0) / 1e6,
                              .mtu = (unsigned)params_num(p, NET_MTU, 0)};
}

static bool seen_before(const struct course *c, size_t cell)
{
    for (size_t i = 0; i < cell; i++)
        if (network_shared(cell_at(c, i), cell_at(c, cell)))
            return true;
    return false;
}

static const char *where_of(const struct cell *cell)
{
    return params_text(&cell->params, NET_PEER, NET_PEER_BARE);
}

static bool is_remote(const struct cell *cell)
{
    return str_eq(where_of(cell), NET_PEER_REMOTE);
}

static bool is_engines(const struct cell *cell)
{
    return str_eq(params_text(&cell->params, NET_PATH, NET_PATH_SWITCH), NET_PATH_ENGINE);
}

bool network_asks_engines(const struct plan *p)
{
    bool any = false;

    VEC_FOREACH (&p->cells, struct cell, it)
        any |= it->workload->network && is_engines(it);
    return any;
}

/* A peer there, started and stopped: what is wrong is said once, and not in each block. */
static int try_remote(struct course *c, size_t cell, struct err *err)
{
    const struct launch what = {.program = PROGRAM_PROBE};
    struct engine *e = NULL;
    struct session *peer = NULL;
    int r = remote_open(&c->site, params_text(&cell_at(c, cell)->params, NET_MACHINE, ""), &e, err);

    if (r == 0)
        r = driver_remote.start(&c->site, e, &what, &peer, err);
    if (r == 0)
        r = session_stop(peer, ENDING_BYE, NULL, err);
    driver_remote.close(&c->site, e);
    return r < 0 ? err_wrap(err, "the peer") : 0;
}

static int try_network(struct course *c, size_t cell, struct err *err)
{
    if (is_remote(cell_at(c, cell)))
        return try_remote(c, cell, err);
    if (is_engines(cell_at(c, cell)))
        return 0; /* each target has its own, or has none */

    struct net_shape shape = shape_of(cell_at(c, cell));
    struct net_end end = {.number = 0};
    int r = network_make(&c->site, &shape, err);

    if (r < 0)
        return r;
    r = network_end_make(&c->site, &end, err);
    if (r == 0)
        r = network_end_remove(&c->site, &end, err);
    int gone = network_remove(&c->site, r < 0 ? NULL : err);
    return r < 0 ? r : gone;
}

int network_preflight(struct course *c, struct err *err)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        struct err why = ERR_INIT;

        if (!cell_at(c, i)->workload->network || seen_before(c, i) || try_network(c, i, &why) == 0)
            continue;
        if (loop_interrupted(c->o->loop))
            return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
        for (size_t k = i; k < c->n_cells; k++)
            if (network_shared(cell_at(c, i), cell_at(c, k)))
                course_impossible(c, k, &why);
    }
    return 0;
}

/* ---- making and removing ---- */

static int open_host(struct course *c, struct net_group *n, struct err *err)
{
    struct target_info info;
    struct target t = {.driver = "host", .label = "peer", .text = "host"};
    const char *machine = params_text(&cell_at(c, n->cell)->params, NET_MACHINE, "");

    if (n->remote) {
        n->host = &driver_remote;
        return remote_open(&c->site, machine, &n->engine, err);
    }
    n->host = driver_find("host");
    n->host->inspect(&c->site, &t, &info);
    return n->host->open(&c->site, &info, &n->engine, err);
}

int network_open(struct course *c, size_t cell, struct err *err)
{
    struct net_shape shape = shape_of(cell_at(c, cell));
    struct net_group *n = xcalloc(1, sizeof(*n));
    int r;

    n->cell = cell;
    n->where = where_of(cell_at(c, cell));
    n->engines = is_engines(cell_at(c, cell));
    n->remote = is_remote(cell_at(c, cell));
    n->plugs = xcalloc(c->n_targets, sizeof(*n->plugs));
    c->net = n;
    r = open_host(c, n, &n->why);
    if (r == 0 && n->remote)
        r = network_make_own(&c->site, &n->why);
    else if (r == 0 && !n->engines)
        r = network_make(&c->site, &shape, &n->why);
    if (r < 0 && loop_interrupted(c->o->loop))
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    return 0;
}

static void say_left(struct course *c, unsigned block, int target, const struct err *why)
{
    warn_add(c, WARN_LEFTOVERS, (int)block, target, -1, NAN, "%s", why->msg);
}

void network_close(struct course *c, unsigned block)
{
    struct net_group *n = c->net;
    struct err why = ERR_INIT;

    if (!n)
        return;
    for (size_t t = 0; t < c->n_targets; t++)
        network_stop(c, t, block);
    if (c->site.network && network_remove(&c->site, &why) < 0)
        say_left(c, block, -1, &why);
    if (n->engine)
        n->host->close(&c->site, n->engine);
    free(n->plugs);
    free(n);
    c->net = NULL;
}

/* Both ends are there: this machine's own network, and the other machine's. */
static void use_own(struct course *c, struct plug *p)
{
    const char *address = remote_address(c->net->engine);
    struct err why = ERR_INIT;

    network_switch(&c->site, &p->own);
    p->other = p->own;
    str_copy(p->other.address, sizeof(p->other.address), address);
    p->facts = json_object();
    if (network_way_facts(address, p->own.address, p->facts, &why) < 0)
        json_object_set_new(p->facts, "not_known", json_string(why.msg));
}

/* Without a container both ends are processes of this machine, which speak by its loopback. */
static int use_loopback(struct plug *p)
{
    struct err why = ERR_INIT;

    p->facts = json_object();
    str_copy(p->own.address, sizeof(p->own.address), "127.0.0.1");
    p->other = p->own;
    if (network_loopback_facts(p->facts, &why) < 0)
        json_object_set_new(p->facts, "not_known", json_string(why.msg));
    return 0;
}

/* The network that the target's engine makes; what there is no engine for is this machine's own. */
static int use_engine(struct course *c, const struct slot *slot, struct plug *p, struct err *err)
{
    bool bare = str_eq(slot->driver->name, "host");

    if (bare && !c->net->remote)
        return use_loopback(p);
    if (!slot->driver->network && !bare)
        return engine_network_none(&slot->info, slot->driver->no_network, err);
    if (c->net->remote)
        use_own(c, p);
    if (bare)
        return 0;
    json_decref(p->facts);
    p->facts = json_object();
    struct net_end side;
    int r = slot->driver->network(&c->site, slot->engine, &side, p->facts, err);
    if (r < 0)
        return r;
    if (c->net->remote && side.netns[0])
        return err_set(err, ERR_UNSUPPORTED, EHOSTUNREACH,
                       "the network of an engine of the run's own has no way out to another "
                       "machine");
    p->engine = true;
    if (!c->net->remote)
        p->other = side;
    return 0;
}

static int make_ends(struct course *c, const struct slot *slot, struct plug *p, struct err *err)
{
    struct err why = ERR_INIT;

    if (c->net->engines)
        return use_engine(c, slot, p, err);
    if (c->net->remote) {
        use_own(c, p);
        return 0;
    }
    int r = network_end_make(&c->site, &p->own, err);

    p->has_own = r == 0;
    if (r < 0)
        return r;
    p->facts = json_object();
    if (network_facts(&c->site, &p->own, p->facts, &why) < 0)
        json_object_set_new(p->facts, "not_known", json_string(why.msg));
    if (str_eq(c->net->where, NET_PEER_HOST)) {
        network_switch(&c->site, &p->other);
        return 0;
    }
    r = network_end_make(&c->site, &p->other, err);
    p->has_other = r == 0;
    return r;
}

static void launch_in(const struct course *c, const struct net_end *end, struct launch *ret)
{
    const struct cell *cell = cell_at(c, c->net->cell);
    /* A stack of a sandbox's own would need an interface of this machine's for itself. */
    bool host = c->net->remote || str_eq(params_text(&cell->params, NET_STACK, "own"), "host");

    /* An end without a namespace is where everybody is who is given none: the machine's own. */
    *ret = (struct launch){.program = PROGRAM_PROBE,
                           .net = end->netns[0] ? end : NULL,
                           .net_stack = host ? NET_STACK_HOST : NET_STACK_OWN};
}

static void launch_on_engine(struct launch *ret)
{
    *ret = (struct launch){.program = PROGRAM_PROBE, .engine_network = true};
}

static int start_peer(struct course *c, size_t target, struct plug *p, struct err *err)
{
    const struct slot *slot = &c->slots[target];
    bool same = str_eq(c->net->where, NET_PEER_TARGET);
    struct launch what;
    int r = make_ends(c, slot, p, err);

    if (r < 0)
        return r;
    p->driver = same ? slot->driver : c->net->host;
    p->engine_of_peer = same ? slot->engine : c->net->engine;
    launch_in(c, &p->other, &what);
    if (same && p->engine)
        launch_on_engine(&what);
    /* Limits are for what is measured. */
    const struct limits limits = c->site.limits;
    if (!same)
        c->site.limits = (struct limits){0};
    r = p->driver->start(&c->site, p->engine_of_peer, &what, &p->peer, err);
    c->site.limits = limits;
    if (r < 0)
        p->peer = NULL;
    else if (c->net->remote)
        remote_facts(p->engine_of_peer, p->peer, p->facts);
    return r < 0 ? err_wrap(err, "the peer") : 0;
}

static void add_session_facts(const struct session *s, json_t *facts)
{
    struct err why = ERR_INIT;

    if (engine_network_session_facts(s, facts, &why) < 0)
        json_object_set_new(facts, "not_known", json_string(why.msg));
}

int network_start(struct course *c, size_t target, unsigned block, struct err *err)
{
    struct plug *p = &c->net->plugs[target];
    struct err why = c->net->why;
    struct launch what;

    network_stop(c, target, block); /* what a start that failed left */
    if (why.kind != ERR_NONE || start_peer(c, target, p, &why) < 0)
        return target_not_started(c, target, block, &why, err);
    launch_in(c, &p->own, &what);
    if (p->engine)
        launch_on_engine(&what);
    int r = target_start(c, target, block, &what, err);
    if (p->engine && c->slots[target].session)
        add_session_facts(c->slots[target].session, p->facts);
    return r;
}

static void remove_end(struct course *c, size_t target, unsigned block, bool *has,
                       const struct net_end *end)
{
    struct err why = ERR_INIT;

    if (*has && network_end_remove(&c->site, end, &why) < 0)
        say_left(c, block, (int)target, &why);
    *has = false;
}

void network_stop(struct course *c, size_t target, unsigned block)
{
    struct plug *p = &c->net->plugs[target];
    struct err why = ERR_INIT;

    target_stop(c, target, block);
    if (p->peer && session_stop(p->peer, ENDING_BYE, NULL, &why) < 0)
        say_left(c, block, (int)target, &why);
    p->peer = NULL;
    p->engine = false;
    json_decref(p->facts);
    p->facts = NULL;
    remove_end(c, target, block, &p->has_own, &p->own);
    remove_end(c, target, block, &p->has_other, &p->other);
}

bool network_broken(const struct course *c, size_t target)
{
    const struct session *peer = c->net ? c->net->plugs[target].peer : NULL;

    return peer && session_failure(peer, NULL) < 0;
}

/* ---- of a lane ---- */

static struct plug *plug_of(const struct course *c, const struct lane *l)
{
    struct plug *p = c->net ? &c->net->plugs[l->target] : NULL;

    return p && p->peer ? p : NULL;
}

/* Where the server is, as its client calls it. */
static const char *server_address(const struct course *c, const struct lane *l,
                                  const struct plug *p)
{
    const struct session *s = c->slots[l->target].session;

    if (!p->engine || c->net->remote)
        return p->other.address;
    return str_eq(c->net->where, NET_PEER_TARGET) ? p->peer->caps.net_address
           : s                                    ? s->caps.net_gateway
                                                  : "";
}

/* Which CPUs it has is for this machine to say, of its own. */
static int place_peer(struct course *c, const struct lane *l, struct frame *f, struct err *err)
{
    struct plug *p = plug_of(c, l);
    const cpu_set_t *cpus = &c->peer_cpus[l->cell];
    int64_t port = params_num(&cell_at(c, l->cell)->params, NET_PORT, 0);

    if (c->net->remote) {
        if (port)
            facts_add_num(&f->prepare.params, "port", port + PORTS_EACH * (int64_t)l->target);
        return 0;
    }
    /* It may stand in the machine's own network: only they are served who are meant. */
    if (c->net->engines && !facts_add_text(&f->prepare.params, "address", server_address(c, l, p)))
        return err_set(err, ERR_BUG, E2BIG, "the server's address");
    prepare_cpus(f, cpus);
    return session_confine(&c->site, p->peer, cpus, err);
}

int network_serve(struct course *c, const struct lane *l, struct err *err)
{
    struct plug *p = plug_of(c, l);
    const struct frame *answer;
    struct frame f;
    int r;

    if (!p)
        return 0;
    p->cpu_ns = p->wall_ns = p->client_ns = p->ops = 0;
    p->unmetered = p->peer->meter.fd < 0 && !c->net->remote;
    frame_init(&f, FRAME_PREPARE, p->peer->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), NET_SERVE);
    f.prepare.workers = 1;
    r = place_peer(c, l, &f, err);
    if (r == 0)
        r = session_call(p->peer, &f, FRAME_READY, time_deadline(SERVE_NS), &answer, err);
    frame_release(&f);
    if (r < 0)
        return err_wrap(err, "the peer");
    p->ready = answer->ready;
    return 0;
}

/* The fact of the server that says where this workload is served. */
static const char *port_fact(const struct cell *cell)
{
    const char *name = cell_exec(cell);

    if (str_eq(name, "net.udp_rr"))
        return "udp_port";
    if (str_starts(name, "net.http_"))
        return "http_port";
    return "tcp_port";
}

int network_address(const struct course *c, const struct lane *l, struct facts *params)
{
    const struct plug *p = plug_of(c, l);

    if (!p)
        return 0;
    if (!facts_add_text(params, "address", server_address(c, l, p)) ||
        !facts_add_num(params, "port", facts_num(&p->ready, port_fact(cell_at(c, l->cell)), 0)))
        return -E2BIG;
    return 0;
}

/* What another machine's kernel has counted for the server's process: a finish tells, and ends
 * nothing. */
static int ask_server(const struct plug *p, uint64_t *ret_ns)
{
    const struct frame *answer;
    struct frame f;
    int r;

    frame_init(&f, FRAME_FINISH, p->peer->nonce, 0);
    r = session_call(p->peer, &f, FRAME_FINISHED, time_deadline(SERVE_NS), &answer, NULL);
    if (r < 0)
        return r;
    int64_t ns = facts_num(&answer->finished.facts, "cpu_ns", -1);
    *ret_ns = (uint64_t)ns;
    return ns < 0 ? -EPROTO : 0;
}

static int server_cpu_read(const struct course *c, const struct plug *p, uint64_t *ret_ns)
{
    return c->net->remote ? ask_server(p, ret_ns) : session_cpu_read(p->peer, ret_ns);
}

void network_slice_begins(struct course *c, const struct lane *l)
{
    struct plug *p = plug_of(c, l);

    if (!p || p->unmetered)
        return;
    p->read_ns = time_mono_ns();
    p->unmetered = server_cpu_read(c, p, &p->before_ns) < 0;
}

/* A claim of another machine's is believed as far as it is possible. */
static bool is_possible(const struct course *c, const struct plug *p, uint64_t cpu_ns)
{
    int64_t cpus = p->peer->hello.cpus_online;

    if (!c->net->remote)
        return true;
    return cpu_ns <= (time_mono_ns() - p->read_ns) * (uint64_t)(cpus > 0 ? cpus : 1);
}

void network_slice_ended(struct course *c, const struct lane *l)
{
    struct plug *p = plug_of(c, l);
    const struct sample *s =
        l->part->samples.n ? &l->part->samples.v[l->part->samples.n - 1] : NULL;
    uint64_t after = 0;

    if (!p || !l->alive || !s)
        return;
    uint64_t all = (l->ops + l->lead) * cell_at(c, l->cell)->workers;
    if (!p->unmetered)
        p->unmetered = server_cpu_read(c, p, &after) < 0 || after < p->before_ns ||
                       !is_possible(c, p, after - p->before_ns);
    if (!p->unmetered)
        p->cpu_ns += after - p->before_ns;
    if (s->cpu_ns != UINT64_MAX) /* the sample's is the slice's alone */
        p->client_ns += (uint64_t)((double)s->cpu_ns * (double)(l->ops + l->lead) / (double)l->ops);
    p->wall_ns += s->control_ns;
    p->ops += all;
}

/* What the server must have seen at the least for so many operations. */
static int check_seen(const struct cell *cell, const struct facts *f, uint64_t ops, struct err *err)
{
    const struct params *p = &cell->params;
    const char *name = cell_exec(cell), *what = "bytes_in";
    int64_t each = params_num(p, "request", 1);

    if (str_eq(name, "net.tcp_stream")) {
        each = params_num(p, "bytes", 1);
        what = str_eq(params_text(p, "direction", "up"), "up") ? "bytes_in" : "bytes_out";
    } else if (str_eq(name, "net.udp_rr") || str_eq(name, "net.connect")) {
        each = 1;
        what = str_eq(name, "net.udp_rr") ? "datagrams" : "connections";
    } else if (str_starts(name, "net.http_")) {
        each = params_num(p, "body", 1);
    }
    int64_t seen = facts_num(f, what, 0);
    if ((double)seen >= (double)ops * (double)each)
        return 0;
    return err_set(err, ERR_MEASUREMENT, EPROTO,
                   "the work was not done: the server saw %lld %s for %llu operations of %lld",
                   (long long)seen, what, (unsigned long long)ops, (long long)each);
}

static json_t *usage(const struct course *c, const struct plug *p)
{
    json_t *o = json_object();

    json_object_set_new(o, "peer", json_string(c->net->where));
    if (!p->unmetered && p->ops && p->wall_ns) {
        json_object_set_new(o, "peer_cpu_ns_per_op", json_real((double)p->cpu_ns / (double)p->ops));
        json_object_set_new(o, "peer_busy", json_real((double)p->cpu_ns / (double)p->wall_ns));
        json_object_set_new(o, "client_busy", json_real((double)p->client_ns / (double)p->wall_ns));
        json_object_set_new(o, "peer_cpu_is",
                            json_string(c->net->remote ? "its process's, as that machine says"
                                                       : "its control group's"));
    }
    json_object_update(o, p->facts);
    return o;
}

/* Was the client's address another one when it came to the server? */
static void add_translated(const struct course *c, const struct lane *l, const struct facts *served,
                           json_t *o)
{
    const struct session *s = c->slots[l->target].session;
    const struct fact *seen = facts_find(served, "client");

    if (s && s->caps.net_address[0] && seen && seen->is_text)
        json_object_set_new(o, "nat_on_the_way",
                            json_boolean(!str_eq(seen->text, s->caps.net_address)));
}

int network_finish(struct course *c, struct lane *l, struct err *err)
{
    struct plug *p = plug_of(c, l);
    const struct frame *answer;
    uint64_t ops = 0;
    struct frame f;
    json_t *o;
    int r;

    if (!p)
        return 0;
    VEC_FOREACH (&l->part->samples, struct sample, s)
        ops += s->ops;
    frame_init(&f, FRAME_FINISH, p->peer->nonce, 0);
    r = session_call(p->peer, &f, FRAME_FINISHED, time_deadline(SERVE_NS), &answer, err);
    if (r < 0)
        return err_wrap(err, "the peer");
    o = usage(c, p);
    json_t *served = facts_object(&answer->finished.facts);
    json_object_set_new(o, "server", served);
    add_translated(c, l, &answer->finished.facts, o);
    part_add_facts(l->part, o);
    json_decref(o);
    return check_seen(cell_at(c, l->cell), &answer->finished.facts, ops, err);
}

void network_blame(struct course *c, const struct lane *l, struct err *why)
{
    struct plug *p = plug_of(c, l);
    struct err its = ERR_INIT;
    struct frame f;

    if (!p || why->kind == ERR_UNSUPPORTED || why->kind == ERR_USAGE)
        return;
    frame_init(&f, FRAME_PING, p->peer->nonce, 0);
    if (session_call(p->peer, &f, FRAME_PONG, time_deadline(BLAME_NS), NULL, &its) == 0 ||
        loop_interrupted(c->o->loop))
        return;
    err_set(why, its.kind, its.code, "the peer failed: %s", its.msg);
}

#include "report/cell-view.h"
#include "report/words.h"

#include <math.h>

static double number(json_t *facts, const char *name)
{
    json_t *x = json_object_get(facts, name);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

static const char *text_of(json_t *facts, const char *name)
{
    const char *text = json_string_value(json_object_get(facts, name));
    return text ? text : "not known";
}

static const char *where_words(const char *peer, bool engine)
{
    if (str_eq(peer, NET_PEER_TARGET))
        return "in a second session of this target";
    if (!str_eq(peer, NET_PEER_HOST))
        return "bare, in a namespace of its own";
    return engine ? "at the gateway of its engine's network" : "at the switch itself";
}

/* By the network that an engine made: which, and whether addresses were translated on the way. */
static void put_engine(json_t *facts, struct str *out)
{
    json_t *nat = json_object_get(facts, "nat_on_the_way");
    str_addf(out, "; by the engine's own network %s (bridge %s), %s at %s",
             text_of(facts, "engine_network"), text_of(facts, "engine_bridge"),
             text_of(facts, "interface_driver"), text_of(facts, "address"));
    if (nat)
        str_add(out, json_is_true(nat) ? ", through its NAT" : ", no NAT on the way");
}

static void put_where(json_t *facts, const char *peer, struct str *out)
{
    bool engine = json_object_get(facts, "engine_network");
    if (str_eq(peer, NET_PEER_REMOTE))
        str_addf(out, "the server is on %s, %s (%s), by %s", text_of(facts, "peer_machine"),
                 text_of(facts, "peer_address"), text_of(facts, "topology"),
                 text_of(facts, "interface"));
    else if (str_starts(text_of(facts, "topology"), "same host: loopback"))
        str_add(out, "both ends are processes of this machine, by its loopback");
    else
        str_addf(out, "the server is %s, on this machine", where_words(peer, engine));
    if (engine)
        put_engine(facts, out);
}

static void put_wire(json_t *facts, struct str *out)
{
    double rate = number(facts, "rate_bps"), delay = number(facts, "delay_ns");
    double loss = number(facts, "loss"), mtu = number(facts, "mtu");

    str_addf(out, "; MTU %.0f", mtu);
    if (rate > 0)
        str_addf(out, ", %g Gbit/s", rate / 1e9);
    if (delay > 0)
        str_addf(out, ", %g ms each way", delay / 1e6);
    if (loss > 0)
        str_addf(out, ", %g %% lost each way", 100 * loss);
}

/* Both ends of the first block. */
void cell_put_network(const struct view *v, const struct evidence *e)
{
    json_t *facts = e->facts ? json_loads(e->facts, 0, NULL) : NULL;
    const char *peer = json_string_value(json_object_get(facts, "peer"));
    double its = number(facts, "peer_busy"), ours = number(facts, "client_busy");
    _cleanup_(str_release) struct str t = STR_INIT;
    char per_op[UNIT_TEXT];

    if (peer && v->cell->workload && v->cell->workload->network) {
        put_where(facts, peer, &t);
        if (isfinite(number(facts, "mtu")))
            put_wire(facts, &t);
        view_line(v, "wire", t.buf);
        str_clear(&t);
        if (isfinite(its) && isfinite(ours)) {
            unit_ns(&v->o->style, number(facts, "peer_cpu_ns_per_op"), per_op);
            str_addf(&t, "%.2f CPUs busy here, %.2f at the server, %s for each %s", ours, its,
                     per_op, v->cell->workload->op);
            view_line(v, "both ends", t.buf);
        }
    }
    json_decref(facts);
}

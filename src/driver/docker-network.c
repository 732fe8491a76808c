/* Docker's default network: the one that is there, as it is. Containers are put on it by their
 * NetworkMode alone; no network is made and no option of one is changed. */
#include "driver/docker-daemon.h"

#include "base/json.h"
#include "base/time.h"
#include "driver/engine-network.h"

#include <errno.h>

#define ASK_NS (5 * NS_PER_S)

/* "com.docker.network.bridge.NAME" of a network. */
static const char *option_of(json_t *network, const char *name)
{
    char key[80];
    str_format(key, sizeof(key), "com.docker.network.bridge.%s", name);
    return object_text(json_object_get(network, "Options"), key);
}

static int none(const struct docker_daemon *d, struct err *err)
{
    if (d->no_network.kind != ERR_NONE)
        return err_set(err, d->no_network.kind, d->no_network.code, "docker's own network: %s",
                       d->no_network.msg);
    return err_set(err, ERR_UNSUPPORTED, ENODEV,
                   "docker's own network: its daemon runs without the network " DOCKER_NETWORK);
}

/* Asks the daemon for it, and learns its bridge's name. *ret is the caller's. */
static int read_network(struct docker_daemon *d, json_t **ret, struct err *err)
{
    const struct docker_request q = {
        .method = "GET", .path = "/networks/" DOCKER_NETWORK, .what = "network inspect"};
    int r = d->whose == DOCKER_OWN ? daemon_failure(&d->process, err) : 0;
    if (r == 0 && d->whose == DOCKER_OWN && !d->place[0])
        return none(d, err);
    if (r == 0)
        r = docker_call(d->api, &q, time_deadline(ASK_NS), ret, err);
    if (r == -ENOENT)
        return none(d, err);
    if (r < 0)
        return r;
    if (str_eq(object_text(*ret, "Driver"), "bridge") &&
        str_copy(d->bridge, sizeof(d->bridge), option_of(*ret, "name")) && d->bridge[0])
        return 0;
    json_decref(*ret);
    *ret = NULL;
    return none(d, err);
}

int docker_network(struct site *s, struct engine *e, struct net_end *ret, json_t *facts,
                   struct err *err)
{
    struct docker_daemon *d = ((struct docker_target *)e->own)->daemon;
    json_t *network = NULL;
    int r = read_network(d, &network, err);
    if (r < 0)
        return r;
    *ret = (struct net_end){.prefix = 0};
    str_copy(ret->netns, sizeof(ret->netns), d->place);
    r = engine_network_bridge_facts(d->place, d->bridge, ret->address, facts, err);
    json_t *own = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:b, s:s}", "topology", "same host: docker's own network",
        "engine_network", DOCKER_NETWORK, "engine_bridge", d->bridge, "engine_daemon",
        d->whose == DOCKER_OWN ? "of the run, in a namespace of its own" : "the user's",
        "masquerade", (int)str_eq(option_of(network, "enable_ip_masquerade"), "true"),
        "between_containers", (int)str_eq(option_of(network, "enable_icc"), "true"),
        "userland_proxy", "not on the way: no port is published");
    if (own)
        json_object_update(facts, own);
    json_decref(own);
    json_decref(network);
    return r < 0 ? err_wrap(err, "docker's own network") : 0;
}

int docker_network_place(struct live *l, json_t *found, struct err *err)
{
    const struct docker_daemon *d = ((struct docker_target *)l->engine->own)->daemon;
    json_t *networks = json_object_get(json_object_get(found, "NetworkSettings"), "Networks");
    json_t *its = json_object_get(networks, DOCKER_NETWORK);
    struct engine_place *p = &l->net_place;
    *p = (struct engine_place){.network = DOCKER_NETWORK, .interface = "eth0"};
    str_copy(p->bridge, sizeof(p->bridge), d->bridge);
    str_copy(p->netns, sizeof(p->netns), d->place);
    if (str_copy(p->address, sizeof(p->address), object_text(its, "IPAddress")) && p->address[0] &&
        str_copy(p->gateway, sizeof(p->gateway), object_text(its, "Gateway")))
        return 0;
    return err_set(err, ERR_MEASUREMENT, EBADMSG,
                   "docker inspect tells no IPv4 address of it on the network " DOCKER_NETWORK);
}

int docker_network_known(struct docker_daemon *d, struct err *err)
{
    json_t *network = NULL;
    int r = d->bridge[0] ? 0 : read_network(d, &network, err);
    json_decref(network);
    return r;
}

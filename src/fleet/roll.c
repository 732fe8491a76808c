#include "fleet/roll.h"

#include "base/fd.h"
#include "base/json.h"
#include "fleet/carrier.h"
#include "ledger/ledger.h"

#include <errno.h>
#include <jansson.h>

#define ROLL_MAX (16u << 20)

bool fleet_is_name(const char *name)
{
    return str_starts(name, "fleet-") && strlen(name) == 14 &&
           strspn(name + 6, "0123456789abcdef") == 8;
}

bool roll_place_ok(const char *place)
{
    static const char fine[] = "/._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return ledger_is_brought(place) && strlen(place) < FLEET_PLACE_MAX &&
           strspn(place, fine) == strlen(place);
}

/* ---- writing ---- */

static json_t *texts_json(char *const *v, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_string(v[i]));
    return a;
}

static json_t *machine_json_of(const struct fleet_machine *m)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:b}", "on", m->on, "from", m->from, "place", m->place,
                          "ended", m->ended);

    if (m->ended || m->outcome == FLEET_KEPT)
        json_object_set_new(o, "outcome", json_string(fleet_outcome_name(m->outcome)));
    json_object_set_new(o, "why", json_string(m->why));
    json_object_set_new(o, "hostname", json_string(m->hostname));
    json_object_set_new(o, "id", json_string(m->id));
    json_object_set_new(o, "boot", json_string(m->boot));
    json_object_set_new(o, "uuid", json_string(m->uuid));
    json_object_set_new(o, "status", json_integer(m->status));
    return o;
}

json_t *roll_json(const struct fleet *f, size_t first, size_t n)
{
    json_t *machines = json_array();

    for (size_t i = first; i < first + n; i++)
        json_array_append_new(machines, machine_json_of(&f->machines.v[i]));
    json_t *o =
        json_pack("{s:s, s:i, s:s, s:I, s:I, s:I, s:s}", "kind", "cupel fleet", "format", 1, "id",
                  f->id, "started_real_ns", (json_int_t)f->started_real_ns, "lease_ns",
                  (json_int_t)f->lease_ns, "keep_ns", (json_int_t)f->keep_ns, "plan", f->plan.buf);
    json_object_set_new(o, "args", texts_json(f->args.v, f->args.n));
    json_object_set_new(o, "wanted", texts_json(f->wanted.v, f->wanted.n));
    json_object_set_new(o, "install", json_boolean(f->install));
    json_object_set_new(o, "machines", machines);
    if (f->privileged)
        json_object_set_new(o, "privileged", json_true());
    return o;
}

int roll_write(const struct fleet *f, const char *state_dir, struct err *err)
{
    _cleanup_free_ char *dir = xasprintf("%s/fleet", state_dir);
    _cleanup_free_ char *path = xasprintf("%s/%s.json", dir, f->id);
    json_t *o = roll_json(f, 0, f->machines.n);
    int r = fs_mkdirs(dir, 0700, err);
    char *text = json_dumps(o, JSON_INDENT(1));
    json_decref(o);
    if (r >= 0)
        r = text ? file_replace(path, text, strlen(text), 0600, err)
                 : err_set(err, ERR_USAGE, EILSEQ, "a plan that is no UTF-8");
    free(text);
    return r < 0 ? err_wrap(err, "write the fleet down") : 0;
}

/* ---- reading ---- */

static int damaged(const char *what, struct err *err)
{
    return err_set(err, ERR_ENVIRONMENT, EINVAL, "it is damaged: %s", what);
}

static int read_machine(const json_t *o, struct fleet *f, struct err *err)
{
    const char *spec, *place = object_text(o, "place");
    struct fleet_machine m = {.status = -1};

    if (f->machines.n == FLEET_MACHINES_MAX ||
        !str_copy(m.on, sizeof(m.on), object_text(o, "on")) ||
        !str_copy(m.from, sizeof(m.from), object_text(o, "from")) ||
        carrier_of(m.from, &m.carrier, &spec, err) < 0 || m.carrier->check(spec, err) < 0)
        return damaged("on", err);
    if ((place[0] && !roll_place_ok(place)) || !str_copy(m.place, sizeof(m.place), place))
        return damaged("place", err);
    m.ended = json_is_true(json_object_get(o, "ended"));
    if (fleet_outcome_parse(object_text(o, "outcome"), &m.outcome) < 0 && m.ended)
        return damaged("outcome", err);
    str_copy(m.why, sizeof(m.why), object_text(o, "why"));
    str_copy(m.hostname, sizeof(m.hostname), object_text(o, "hostname"));
    str_copy(m.id, sizeof(m.id), object_text(o, "id"));
    str_copy(m.boot, sizeof(m.boot), object_text(o, "boot"));
    str_copy(m.uuid, sizeof(m.uuid), object_text(o, "uuid"));
    m.status = (int)json_integer_value(json_object_get(o, "status"));
    VEC_PUSH(&f->machines, m);
    return 0;
}

static int read_fleet(const json_t *o, struct fleet *f, struct err *err)
{
    size_t i;
    const json_t *item;
    int r = 0;

    if (!str_eq(object_text(o, "kind"), "cupel fleet") ||
        !str_copy(f->id, sizeof(f->id), object_text(o, "id")))
        return damaged("kind", err);
    str_add(&f->plan, object_text(o, "plan"));
    f->started_real_ns = (uint64_t)json_integer_value(json_object_get(o, "started_real_ns"));
    f->lease_ns = (uint64_t)json_integer_value(json_object_get(o, "lease_ns"));
    f->keep_ns = (uint64_t)json_integer_value(json_object_get(o, "keep_ns"));
    f->privileged = json_is_true(json_object_get(o, "privileged"));
    f->install = json_is_true(json_object_get(o, "install"));
    json_array_foreach (json_object_get(o, "args"), i, item)
        VEC_PUSH(&f->args, xstrdup(json_is_string(item) ? json_string_value(item) : ""));
    json_array_foreach (json_object_get(o, "wanted"), i, item)
        VEC_PUSH(&f->wanted, xstrdup(json_is_string(item) ? json_string_value(item) : ""));
    json_array_foreach (json_object_get(o, "machines"), i, item)
        if (r == 0)
            r = read_machine(item, f, err);
    return r;
}

int fleet_read(const char *state_dir, const char *name, struct fleet *ret, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/fleet/%s.json", state_dir, name + strlen("fleet-"));
    _cleanup_(str_release) struct str text = STR_INIT;
    struct fleet f;

    if (!fleet_is_name(name) || access(path, F_OK) < 0)
        return err_set(err, ERR_USAGE, ENOENT, "there is no %s on this machine", name);
    int r = file_read(path, ROLL_MAX, &text, err);
    if (r < 0)
        return r;
    fleet_init(&f);
    json_t *o = json_loadb(text.buf, text.len, JSON_REJECT_DUPLICATES, NULL);
    r = o ? read_fleet(o, &f, err) : damaged("no JSON", err);
    json_decref(o);
    if (r < 0) {
        fleet_release(&f);
        return err_wrap(err, "%s", path);
    }
    *ret = f;
    return 0;
}

int roll_read_order(const char *path, unsigned number, struct fleet *ret, char **ret_folder,
                    struct err *err)
{
    static const char end[] = ".json";
    size_t n = strlen(path), tail = strlen("/fleet/12345678.json");
    char name[16];

    if (path[0] != '/' || n <= tail || !str_ends(path, end))
        return err_set(err, ERR_USAGE, EINVAL, "%.80s is no fleet's order", path);
    _cleanup_free_ char *folder = xstrndup(path, n - tail);
    str_format(name, sizeof(name), "fleet-%.8s", path + n - strlen("12345678.json"));
    int r = fleet_read(folder, name, ret, err);
    if (r < 0)
        return r;
    if (number == 0 || number > ret->machines.n) {
        fleet_release(ret);
        fleet_init(ret);
        return err_set(err, ERR_USAGE, ERANGE, "%s has no machine %u", name, number);
    }
    *ret_folder = TAKE_PTR(folder);
    return 0;
}

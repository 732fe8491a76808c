#include "report/calls.h"
#include "report/cell-view.h"

#include <inttypes.h>

/* Which calls of the base's kernel are not to be had here. */
static int put_answered(const struct view *v, const struct evidence *e, struct err *err)
{
    _cleanup_(evidence_release) struct evidence base = {0};
    _cleanup_free_ char *bits = evidence_text(e, "answered_bits"), *base_bits = NULL;
    _cleanup_(str_release) struct str t = STR_INIT;

    if (!bits || v->r->is_base)
        return 0;
    int r = evidence_read(v->store, v->a->head.id, e->cell, v->a->head.base, &base, err);
    if (r < 0)
        return r;
    base_bits = evidence_text(&base, "answered_bits");
    calls_compare(bits, base_bits, v->a->head.plan.targets.v[v->a->head.base].label, &t);
    if (t.len)
        view_line(v, "answered", t.buf);
    return 0;
}

/* Which calls the host answered in this run: NULL if it was not asked. */
static int answered_by_host(const struct view *v, char **ret, struct err *err)
{
    const struct plan *p = &v->a->head.plan;
    uint32_t base = (uint32_t)v->a->head.base;

    for (size_t i = 0; i < p->cells.n && str_eq(p->targets.v[base].driver, "host"); i++) {
        _cleanup_(evidence_release) struct evidence e = {0};
        if (!str_eq(p->cells.v[i].name, "reach.answered"))
            continue;
        int r = evidence_read(v->store, v->a->head.id, (uint32_t)i, base, &e, err);
        *ret = r < 0 ? NULL : evidence_text(&e, "answered_bits");
        return r < 0 ? r : 0;
    }
    return 0;
}

/* What the filters of one side let through, of how many that is not known, and what of that it
 * made. */
static void side_could(const struct view *v, json_t *facts, const char *side, const char *base_bits,
                       struct str *out)
{
    _cleanup_free_ char *bits = xasprintf("could_%s_bits", side);
    _cleanup_free_ char *always = xasprintf("could_%s_always", side);
    _cleanup_free_ char *any = xasprintf("could_%s", side);
    _cleanup_free_ char *unknown = xasprintf("could_%s_unknown", side);
    _cleanup_free_ char *made = xasprintf("%s_bits", side);
    const char *could = json_string_value(json_object_get(facts, bits));
    const char *why = json_string_value(json_object_get(facts, "could_unknown"));
    json_int_t checked = json_integer_value(json_object_get(facts, any)) -
                         json_integer_value(json_object_get(facts, always));
    json_int_t n = json_integer_value(json_object_get(facts, unknown));

    calls_could(could, base_bits, v->a->head.plan.targets.v[v->a->head.base].label, out);
    if (out->len && checked > 0)
        str_addf(out, ", %" JSON_INTEGER_FORMAT " of them only with certain arguments", checked);
    if (n > 0)
        str_addf(out, "%snot known of %" JSON_INTEGER_FORMAT " of its processes",
                 out->len ? "; " : "", n);
    if (n > 0 && why) {
        str_add(out, " (");
        text_inert(out, why);
        str_addc(out, ')');
    }
    calls_not_made(could, json_string_value(json_object_get(facts, made)), out);
}

static void side_list(json_t *facts, const char *what, const char *side, struct str *out)
{
    _cleanup_free_ char *name = xasprintf("%s_%s", what, side);
    const char *list = json_string_value(json_object_get(facts, name));

    if (!list)
        return;
    str_addf(out, "%s%s: ", out->len ? "; " : "", side);
    if (!*list)
        str_add(out, "none");
    for (size_t n; *list; list += n) {
        _cleanup_free_ char *item = xstrndup(list, n = strcspn(list, ","));
        n += list[n] == ',';
        text_inert(out, item);
        str_add(out, list[n] ? ", " : "");
    }
}

static void put_lists(const struct view *v, json_t *facts)
{
    static const char *const lists[][2] = {{"shares", "host's ns"}, {"host_paths", "host paths"}};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        _cleanup_(str_release) struct str t = STR_INIT;
        side_list(facts, lists[i][0], "payload", &t);
        side_list(facts, lists[i][0], "sandbox", &t);
        if (t.len)
            view_line(v, lists[i][1], t.buf);
    }
}

/* What the host's kernel was asked for, by whom, and what it would have let them do. */
static int put_host_calls(const struct view *v, const struct evidence *e, struct err *err)
{
    static const char *const sides[] = {"payload", "sandbox"};
    _cleanup_free_ char *base_bits = NULL;
    json_t *facts = e->facts ? json_loads(e->facts, 0, NULL) : NULL;
    int r = json_object_get(facts, "payload_bits") ? answered_by_host(v, &base_bits, err) : 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sides); i++) {
        _cleanup_free_ char *bits = xasprintf("%s_bits", sides[i]);
        _cleanup_(str_release) struct str made = STR_INIT, could = STR_INIT;
        calls_list(json_string_value(json_object_get(facts, bits)), &made);
        if (made.len)
            view_line(v, sides[i], made.buf);
        side_could(v, facts, sides[i], base_bits, &could);
        if (could.len)
            view_line(v, "  could", could.buf);
    }
    if (r == 0)
        put_lists(v, facts);
    json_decref(facts);
    return r;
}

int cell_put_reach(const struct view *v, const struct evidence *e, struct err *err)
{
    int r = put_answered(v, e, err);
    return r < 0 ? r : put_host_calls(v, e, err);
}

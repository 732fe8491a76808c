#include "store/plain.h"

#include "base/str.h"

#include <errno.h>

json_t *params_to_json(const struct params *p)
{
    json_t *o = json_object();
    for (size_t i = 0; i < p->n; i++) {
        const struct param *v = &p->v[i];
        json_t *value = v->is_auto   ? json_null()
                        : v->is_text ? json_string(v->text)
                                     : json_integer(v->num);
        json_object_set_new(o, v->name, value);
    }
    return o;
}

static bool name_ok(const char *name, size_t max)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+", name[i]))
            return false;
    return n > 0 && n <= max;
}

int params_from_json(const json_t *o, struct params *ret, struct err *err)
{
    struct params p = {.n = 0};
    const char *name;
    json_t *v;
    if (!json_is_object(o) || json_object_size(o) > PARAMS_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "params: expected an object of at most %d members",
                       PARAMS_MAX);
    json_object_foreach ((json_t *)o, name, v) {
        struct param *to = &p.v[p.n];
        if (!name_ok(name, sizeof(to->name) - 1))
            return err_set(err, ERR_USAGE, EINVAL, "params: \"%.40s\" is no name", name);
        str_copy(to->name, sizeof(to->name), name);
        to->is_auto = json_is_null(v);
        to->is_text = json_is_string(v);
        if (to->is_text) {
            if (!text_ok(json_string_value(v), sizeof(to->text) - 1))
                return err_set(err, ERR_USAGE, EINVAL, "params: %s: bad text", name);
            str_copy(to->text, sizeof(to->text), json_string_value(v));
        } else if (json_is_integer(v)) {
            to->num = json_integer_value(v);
        } else if (!to->is_auto) {
            return err_set(err, ERR_USAGE, EINVAL,
                           "params: %s: expected an integer, a text or null", name);
        }
        p.n++;
    }
    *ret = p;
    return 0;
}

json_t *flags_to_json(const struct target *t)
{
    json_t *a = json_array();
    for (size_t i = 0; i < t->n_flags; i++)
        json_array_append_new(a, json_pack("[ss]", t->flags[i].name, t->flags[i].value));
    return a;
}

int flags_from_json(const json_t *a, struct target *ret, struct err *err)
{
    size_t n = json_array_size(a);
    if (!json_is_array(a) || n > TARGET_FLAGS_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "flags: expected an array of at most %d pairs",
                       TARGET_FLAGS_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(a, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));
        struct target_flag *f = &ret->flags[i];
        if (json_array_size(pair) != 2 || !name || !name_ok(name, sizeof(f->name) - 1) || !value ||
            !text_ok(value, sizeof(f->value) - 1))
            return err_set(err, ERR_USAGE, EINVAL, "flags: item %zu is no pair of name and value",
                           i);
        str_copy(f->name, sizeof(f->name), name);
        str_copy(f->value, sizeof(f->value), value);
    }
    ret->n_flags = n;
    return 0;
}

static bool is_control(const unsigned char *p)
{
    return *p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0);
}

bool text_ok(const char *text, size_t max)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = 0;
    for (; p[n]; n++)
        if (n >= max || is_control(p + n))
            return false;
    return true;
}

void text_clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (!is_control(p))
            continue;
        if (*p == 0xc2)
            *p++ = '?';
        *p = '?';
    }
}

void cell_workload_name(const char *cell, char dst[CELL_NAME_MAX])
{
    str_copy(dst, CELL_NAME_MAX, cell);
    dst[strcspn(dst, "@")] = '\0';
}

const struct workload *cell_workload(const char *cell)
{
    char name[CELL_NAME_MAX];
    cell_workload_name(cell, name);
    const struct workload *w = workload_find(name);
    return w ? w : workload_unknown();
}

void cell_find_app(struct plan *p, struct cell *c, const char *source)
{
    struct app *a = NULL;
    if (app_parse(source, strlen(source), "application", &a, NULL) < 0)
        return;
    plan_know_app(p, a);
    app_unref(a);
    for (size_t k = 0; k < p->apps.n; k++) {
        if (!str_eq(p->apps.v[k]->source, source))
            continue;
        for (size_t i = 0; i < p->apps.v[k]->n_metrics; i++)
            if (str_eq(p->apps.v[k]->metrics[i].cell, c->name)) {
                c->workload = &p->apps.v[k]->metrics[i].workload;
                c->app = p->apps.v[k];
            }
    }
}

bool cell_name_ok(const char *name)
{
    size_t n = 0;
    while (name[n] && n < CELL_NAME_MAX &&
           strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+@", name[n]))
        n++;
    return n > 0 && n < CELL_NAME_MAX && !name[n];
}

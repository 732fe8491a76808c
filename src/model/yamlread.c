#include "model/yamlread.h"

#include "base/str.h"

#include <errno.h>
#include <stdarg.h>

int yaml_complain(struct yaml_reader *y, const yaml_node_t *at, const char *fmt, ...)
{
    char why[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    return err_set(y->err, ERR_USAGE, EINVAL, "%s:%zu:%zu: %s", y->name, at->start_mark.line + 1,
                   at->start_mark.column + 1, why);
}

int yaml_at(struct yaml_reader *y, const yaml_node_t *at)
{
    return err_wrap(y->err, "%s:%zu:%zu", y->name, at->start_mark.line + 1,
                    at->start_mark.column + 1);
}

const yaml_node_t *yaml_child(struct yaml_reader *y, int index)
{
    return yaml_document_get_node(&y->doc, index);
}

const char *yaml_scalar(const yaml_node_t *v)
{
    if (v->type != YAML_SCALAR_NODE || v->data.scalar.length > YAML_SCALAR_MAX ||
        strlen((const char *)v->data.scalar.value) != v->data.scalar.length)
        return NULL;
    return (const char *)v->data.scalar.value;
}

int yaml_need_scalar(struct yaml_reader *y, const char *key, const yaml_node_t *v, const char **ret)
{
    *ret = yaml_scalar(v);
    return *ret ? 0 : yaml_complain(y, v, "%s: expected a single value", key);
}

size_t yaml_item_count(const yaml_node_t *v)
{
    return (size_t)(v->data.sequence.items.top - v->data.sequence.items.start);
}

const yaml_node_t *yaml_item(struct yaml_reader *y, const yaml_node_t *v, size_t i)
{
    return yaml_child(y, v->data.sequence.items.start[i]);
}

int yaml_need(struct yaml_reader *y, const char *key, const yaml_node_t *v, yaml_node_type_t type,
              const char *expected)
{
    return v->type == type ? 0 : yaml_complain(y, v, "%s: expected %s", key, expected);
}

static int unknown_key(struct yaml_reader *y, const yaml_node_t *key, const struct yaml_key *keys,
                       size_t n)
{
    _cleanup_(str_release) struct str known = STR_INIT;
    for (size_t k = 0; k < n; k++)
        str_addf(&known, "%s%s", k ? ", " : "", keys[k].name);
    return yaml_complain(y, key, "unknown key \"%.40s\"; expected one of %s", yaml_scalar(key),
                         known.buf);
}

int yaml_mapping(struct yaml_reader *y, const yaml_node_t *v, const struct yaml_key *keys, size_t n,
                 void *user)
{
    uint64_t seen = 0;
    for (yaml_node_pair_t *p = v->data.mapping.pairs.start; p < v->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_child(y, p->key);
        const char *text = yaml_scalar(key);
        size_t i = 0;
        if (!text)
            return yaml_complain(y, key, "expected a key");
        while (i < n && !str_eq(keys[i].name, text))
            i++;
        if (i == n)
            return unknown_key(y, key, keys, n);
        if (seen & (UINT64_C(1) << i))
            return yaml_complain(y, key, "key \"%s\" is given twice", text);
        seen |= UINT64_C(1) << i;
        int e = keys[i].set(user, keys[i].name, yaml_child(y, p->value));
        if (e < 0)
            return e;
    }
    return 0;
}

int yaml_yes_no(struct yaml_reader *y, const char *key, const yaml_node_t *v, bool *ret)
{
    const char *text = yaml_scalar(v);
    bool yes = text && (str_eq(text, "yes") || str_eq(text, "true"));
    if (!yes && (!text || (!str_eq(text, "no") && !str_eq(text, "false"))))
        return yaml_complain(y, v, "%s: expected yes or no", key);
    *ret = yes;
    return 0;
}

int yaml_duration(struct yaml_reader *y, const char *key, const yaml_node_t *v, uint64_t min,
                  uint64_t max, uint64_t *ret)
{
    const char *text;
    uint64_t ns;
    int e = yaml_need_scalar(y, key, v, &text);
    if (e < 0)
        return e;
    if (parse_duration_ns(text, key, &ns, y->err) < 0)
        return yaml_at(y, v);
    if (ns < min || ns > max)
        return yaml_complain(y, v, "%s: %s is out of range", key, text);
    *ret = ns;
    return 0;
}

/* ---- documents ---- */

static int syntax_error(const struct yaml_reader *y, const yaml_parser_t *p)
{
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->error == YAML_READER_ERROR)
        return err_set(y->err, ERR_USAGE, EINVAL, "%s: byte %zu: %s", y->name,
                       p->problem_offset + 1, problem);
    return err_set(y->err, ERR_USAGE, EINVAL, "%s:%zu:%zu: %s%s%s", y->name,
                   p->problem_mark.line + 1, p->problem_mark.column + 1,
                   p->context ? p->context : "", p->context ? ": " : "", problem);
}

/* Anything but the end of the stream behind the first document? */
static int check_end(const struct yaml_reader *y, yaml_parser_t *p)
{
    yaml_document_t more;
    if (!yaml_parser_load(p, &more))
        return syntax_error(y, p);
    const yaml_node_t *root = yaml_document_get_root_node(&more);
    int e = 0;
    if (root)
        e = err_set(y->err, ERR_USAGE, EINVAL, "%s:%zu:%zu: a second document", y->name,
                    root->start_mark.line + 1, root->start_mark.column + 1);
    yaml_document_delete(&more);
    return e;
}

static int read_document(struct yaml_reader *y, yaml_parser_t *p,
                         int (*take)(void *, const yaml_node_t *), void *user)
{
    if (!yaml_parser_load(p, &y->doc))
        return syntax_error(y, p);
    const yaml_node_t *root = yaml_document_get_root_node(&y->doc);
    int e;
    if (!root)
        e = err_set(y->err, ERR_USAGE, ENODATA, "%s: it is empty", y->name);
    else if (root->type != YAML_MAPPING_NODE)
        e = yaml_complain(y, root, "expected a mapping of keys to values");
    else
        e = take(user, root);
    if (e == 0)
        e = check_end(y, p);
    yaml_document_delete(&y->doc);
    return e;
}

int yaml_read(struct yaml_reader *y, const char *text, size_t n,
              int (*take)(void *, const yaml_node_t *), void *user)
{
    yaml_parser_t parser;
    if (n > YAML_BYTES_MAX)
        return err_set(y->err, ERR_USAGE, EFBIG, "%s: at most %u KiB can be read", y->name,
                       YAML_BYTES_MAX / 1024);
    if (!yaml_parser_initialize(&parser))
        return err_set(y->err, ERR_ENVIRONMENT, ENOMEM, "%s: out of memory", y->name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    int e = read_document(y, &parser, take, user);
    yaml_parser_delete(&parser);
    return e;
}

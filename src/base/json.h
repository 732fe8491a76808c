/* What is read out of JSON that others wrote.
 *
 * Layer: base; whoever includes it links jansson. */
#ifndef CUPEL_BASE_JSON_H
#define CUPEL_BASE_JSON_H

#include <jansson.h>

/* The text of that name; "": there is none, it is something else, or o is no object. Lives as long
 * as o. */
static inline const char *object_text(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* o.a.b, or NULL. */
static inline json_t *object_at(const json_t *o, const char *a, const char *b)
{
    return json_object_get(json_object_get(o, a), b);
}

#endif

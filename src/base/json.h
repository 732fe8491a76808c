/* What is read out of JSON that others wrote.
 *
 * Layer: base; whoever includes it links jansson. */
#ifndef CUPEL_BASE_JSON_H
#define CUPEL_BASE_JSON_H

#include "base/str.h"

#include <jansson.h>

/* The text of that name; "": there is none, it is something else, or o is no object. Lives as long
 * as o. */
static inline const char *object_text(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* The same into dst, printable: as much as fits; */
static inline void object_copy(const json_t *o, const char *key, char *dst, size_t size)
{
    str_copy(dst, size, object_text(o, key));
    str_printable(dst);
}

/* or all of it, and else "": half of a path or of a name is another's. */
static inline void object_copy_whole(const json_t *o, const char *key, char *dst, size_t size)
{
    if (!str_copy(dst, size, object_text(o, key)))
        dst[0] = '\0';
    str_printable(dst);
}

/* o.a.b, or NULL. */
static inline json_t *object_at(const json_t *o, const char *a, const char *b)
{
    return json_object_get(json_object_get(o, a), b);
}

#endif

/* JSON as YAML, by libyaml: block style, texts of several lines as they are. */
#include "fleet/k8s.h"

#include <yaml.h>

static int on_text(void *user, unsigned char *text, size_t n)
{
    str_addn(user, (const char *)text, n);
    return 1;
}

/* What a reader of YAML could take for something else than a text is quoted. */
static yaml_scalar_style_t style_of(const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
    static const char *const others[] = {"true", "false", "null", "yes", "no", "on",  "off",
                                         "y",    "n",     "True", "Yes", "No", "Null"};

    if (strchr(text, '\n'))
        return YAML_LITERAL_SCALAR_STYLE;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (str_eq(text, others[i]))
            return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    /* A number begins with a digit, or with a sign or a point before it. */
    bool letter = text[0] == '/' || (text[0] && strchr(plain, text[0]) && text[0] > '9');
    return letter && strspn(text, plain) == strlen(text) ? YAML_PLAIN_SCALAR_STYLE
                                                         : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
}

static void put(yaml_emitter_t *e, yaml_event_t *event)
{
    (void)yaml_emitter_emit(e, event); /* into memory: nothing to fail but memory */
}

static void put_text(yaml_emitter_t *e, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;

    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, -1, 1, 1, style);
    put(e, &event);
}

static void put_value(yaml_emitter_t *e, const json_t *v)
{
    yaml_event_t event;
    const char *key;
    size_t i;
    json_t *item;

    if (json_is_object(v)) {
        yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
        put(e, &event);
        json_object_foreach ((json_t *)v, key, item) {
            put_text(e, key, style_of(key));
            put_value(e, item);
        }
        yaml_mapping_end_event_initialize(&event);
        put(e, &event);
    } else if (json_is_array(v)) {
        yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
        put(e, &event);
        json_array_foreach (v, i, item)
            put_value(e, item);
        yaml_sequence_end_event_initialize(&event);
        put(e, &event);
    } else if (json_is_string(v)) {
        put_text(e, json_string_value(v), style_of(json_string_value(v)));
    } else {
        _cleanup_free_ char *text = json_dumps(v, JSON_ENCODE_ANY);
        put_text(e, text ? text : "null", YAML_PLAIN_SCALAR_STYLE);
    }
}

static void put_document(yaml_emitter_t *e, const json_t *o)
{
    yaml_event_t event;

    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 0);
    put(e, &event);
    put_value(e, o);
    yaml_document_end_event_initialize(&event, 1);
    put(e, &event);
}

void k8s_yaml(const json_t *objects, struct str *out)
{
    const json_t *items = json_object_get(objects, "items");
    yaml_emitter_t e;
    yaml_event_t event;
    size_t i;
    json_t *item;

    if (!yaml_emitter_initialize(&e))
        return;
    yaml_emitter_set_output(&e, on_text, out);
    yaml_emitter_set_width(&e, -1);
    yaml_emitter_set_unicode(&e, 1);
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    put(&e, &event);
    json_array_foreach (items, i, item)
        put_document(&e, item);
    yaml_stream_end_event_initialize(&event);
    put(&e, &event);
    yaml_emitter_delete(&e);
}

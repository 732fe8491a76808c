#include "wire/frame.h"

#include "wire/hist.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>

/* Every frame is a list of fields; writing and reading go through the same list, so the two cannot
 * disagree. docs/protocol.md has the same lists for people. */

enum field_kind {
    FIELD_TEXT,  /* char[size] */
    FIELD_NAME,  /* char[size], not empty */
    FIELD_I64,   /* int64_t, in [min, max] */
    FIELD_U64,   /* uint64_t, likewise; on the wire numbers end at INT64_MAX */
    FIELD_INT,   /* int or unsigned, likewise */
    FIELD_BOOL,  /* bool */
    FIELD_CPUS,  /* prepare.n_cpus and prepare.cpus */
    FIELD_FACTS, /* struct facts */
    FIELD_HIST,  /* char * */
    FIELD_BLOB,  /* char *, several lines */
};

struct field {
    const char *key;
    enum field_kind kind;
    bool optional; /* absent means zero, false, empty */
    size_t offset, size;
    int64_t min, max;
};

#define AT(member) .offset = offsetof(struct frame, member)
#define TEXT(k, member)                                                                            \
    {                                                                                              \
        .key = k, .kind = FIELD_TEXT, AT(member), .size = sizeof(((struct frame *)0)->member)      \
    }
#define NAME(k, member)                                                                            \
    {                                                                                              \
        .key = k, .kind = FIELD_NAME, AT(member), .size = sizeof(((struct frame *)0)->member)      \
    }
#define NUMBER(k, member, lo, hi)                                                                  \
    {                                                                                              \
        .key = k,                                                                                  \
        .kind = _Generic(((struct frame *)0)->member, int64_t                                      \
                         : FIELD_I64, uint64_t                                                     \
                         : FIELD_U64, int                                                          \
                         : FIELD_INT, unsigned                                                     \
                         : FIELD_INT),                                                             \
        AT(member), .min = (lo), .max = (hi)                                                       \
    }

#define ANY_MAX       INT64_MAX
#define MAX_CPU_COUNT (1 << 20)

static const struct field hello_fields[] = {
    NUMBER("v", hello.version, WIRE_VERSION, WIRE_VERSION),
    NAME("program", hello.program),
    TEXT("sysname", hello.sysname),
    TEXT("release", hello.release),
    TEXT("kernel", hello.kernel_version),
    TEXT("machine", hello.machine),
    TEXT("boot_id", hello.boot_id),
    NUMBER("pid", hello.pid, 1, INT32_MAX),
    NUMBER("cpus_online", hello.cpus_online, -1, MAX_CPU_COUNT),
    NUMBER("cpus_allowed", hello.cpus_allowed, -1, MAX_CPU_COUNT),
    NUMBER("page_bytes", hello.page_bytes, 1, 1 << 30),
    NUMBER("clock_res_ns", hello.clock_res_ns, 0, 1000000000000),
    NUMBER("clock_ns", hello.clock_ns, 0, ANY_MAX),
    {.key = NULL},
};
static const struct field prepare_fields[] = {
    NAME("workload", prepare.workload),
    NUMBER("workers", prepare.workers, 1, WIRE_WORKERS_MAX),
    {.key = "cpus", .kind = FIELD_CPUS, .optional = true, AT(prepare)},
    {.key = "params", .kind = FIELD_FACTS, .optional = true, AT(prepare.params)},
    {.key = "spec", .kind = FIELD_BLOB, .optional = true, AT(prepare.spec)},
    {.key = NULL},
};
static const struct field slice_fields[] = {
    NUMBER("ops", slice.ops, 1, (int64_t)WIRE_OPS_MAX),
    {.key = "lead",
     .kind = FIELD_U64,
     .optional = true,
     AT(slice.lead),
     .min = 0,
     .max = (int64_t)WIRE_OPS_MAX},
    {.key = "hist", .kind = FIELD_BOOL, .optional = true, AT(slice.hist)},
    {.key = "for_ns",
     .kind = FIELD_U64,
     .optional = true,
     AT(slice.for_ns),
     .min = 0,
     .max = WIRE_FOR_NS_MAX},
    {.key = NULL},
};
static const struct field ready_fields[] = {
    {.key = "facts", .kind = FIELD_FACTS, .optional = true, AT(ready)},
    {.key = NULL},
};
static const struct field sliced_fields[] = {
    NUMBER("ops", sliced.ops, 0, (int64_t)WIRE_OPS_MAX *WIRE_WORKERS_MAX),
    NUMBER("ns", sliced.ns, 0, ANY_MAX),
    NUMBER("start_ns", sliced.start_ns, 0, ANY_MAX),
    NUMBER("cpu_ns", sliced.cpu_ns, 0, ANY_MAX),
    {.key = "hist", .kind = FIELD_HIST, .optional = true, AT(sliced.hist)},
    {.key = "output", .kind = FIELD_BLOB, .optional = true, AT(sliced.output)},
    {.key = NULL},
};
static const struct field finished_fields[] = {
    {.key = "verified", .kind = FIELD_BOOL, AT(finished.verified)},
    NUMBER("ops", finished.ops, 0, ANY_MAX),
    TEXT("detail", finished.detail),
    {.key = "facts", .kind = FIELD_FACTS, .optional = true, AT(finished.facts)},
    {.key = NULL},
};
static const struct field error_fields[] = {
    NUMBER("errno", error.code, 0, 4095),
    TEXT("where", error.where),
    TEXT("text", error.text),
    {.key = NULL},
};
static const struct field no_fields[] = {{.key = NULL}};

static const struct {
    const char *name;
    const struct field *fields;
    int64_t seq_min, seq_max;
} types[FRAME_TYPE_COUNT] = {
    [FRAME_NONE] = {"none", no_fields, 0, 0},
    [FRAME_PING] = {"ping", no_fields, 1, ANY_MAX},
    [FRAME_PREPARE] = {"prepare", prepare_fields, 1, ANY_MAX},
    [FRAME_SLICE] = {"slice", slice_fields, 1, ANY_MAX},
    [FRAME_FINISH] = {"finish", no_fields, 1, ANY_MAX},
    [FRAME_BYE] = {"bye", no_fields, 0, ANY_MAX},
    [FRAME_HELLO] = {"hello", hello_fields, 0, 0},
    [FRAME_PONG] = {"pong", no_fields, 1, ANY_MAX},
    [FRAME_READY] = {"ready", ready_fields, 1, ANY_MAX},
    [FRAME_SLICED] = {"sliced", sliced_fields, 1, ANY_MAX},
    [FRAME_FINISHED] = {"finished", finished_fields, 1, ANY_MAX},
    [FRAME_ERROR] = {"error", error_fields, 0, ANY_MAX},
};

void frame_init(struct frame *f, enum frame_type type, const char *nonce, uint64_t seq)
{
    memset(f, 0, sizeof(*f));
    f->type = type;
    f->seq = seq;
    str_copy(f->nonce, sizeof(f->nonce), nonce);
}

void frame_release(struct frame *f)
{
    if (f->type == FRAME_SLICED) {
        free(f->sliced.hist);
        free(f->sliced.output);
    } else if (f->type == FRAME_PREPARE) {
        free(f->prepare.spec);
    }
    f->type = FRAME_NONE;
}

const char *frame_type_name(enum frame_type type)
{
    return (unsigned)type < FRAME_TYPE_COUNT ? types[type].name : "none";
}

static bool nonce_ok(const char *s)
{
    return strnlen(s, WIRE_NONCE_SIZE) == WIRE_NONCE_SIZE - 1 &&
           strspn(s, "0123456789abcdef") == WIRE_NONCE_SIZE - 1;
}

static void *at(const struct frame *f, const struct field *d)
{
    return (char *)f + d->offset;
}

/* ---- facts ---- */

static struct fact *facts_new(struct facts *f, const char *name)
{
    char clean[WIRE_NAME_MAX];
    if (f->n >= WIRE_FACTS_MAX || !*name || !str_copy(clean, sizeof(clean), name))
        return NULL;
    str_printable(clean); /* before the search: two names may become one */
    if (facts_find(f, clean))
        return NULL;
    struct fact *v = &f->v[f->n++];
    *v = (struct fact){.is_text = false};
    str_copy(v->name, sizeof(v->name), clean);
    return v;
}

bool facts_add_num(struct facts *f, const char *name, int64_t num)
{
    struct fact *v = facts_new(f, name);
    if (v)
        v->num = num;
    return v != NULL;
}

bool facts_add_text(struct facts *f, const char *name, const char *text)
{
    struct fact *v = facts_new(f, name);
    if (!v)
        return false;
    v->is_text = true;
    str_copy(v->text, sizeof(v->text), text);
    return true;
}

const struct fact *facts_find(const struct facts *f, const char *name)
{
    for (unsigned i = 0; i < f->n; i++)
        if (strcmp(f->v[i].name, name) == 0)
            return &f->v[i];
    return NULL;
}

int64_t facts_num(const struct facts *f, const char *name, int64_t fallback)
{
    const struct fact *v = facts_find(f, name);
    return v && !v->is_text ? v->num : fallback;
}

const char *facts_text(const struct facts *f, const char *name, const char *fallback)
{
    const struct fact *v = facts_find(f, name);
    return v && v->is_text ? v->text : fallback;
}

/* ---- writing ---- */

/* False if there is no end within size. */
static bool put_text(struct str *out, const char *s, size_t size)
{
    size_t n = strnlen(s, size);
    str_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\')
            str_addc(out, '\\');
        str_addc(out, s[i] < 0x20 || s[i] > 0x7e ? '?' : s[i]);
    }
    str_addc(out, '"');
    return n < size;
}

/* As put_text, with the line ends and tabs of a text of several lines kept. */
static bool put_blob(struct str *out, const char *s)
{
    size_t n = strnlen(s, WIRE_BLOB_MAX + 1);
    str_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '"' || c == '\\' || c == '\n' || c == '\t')
            str_addc(out, '\\');
        c = c == '\n' ? 'n' : c == '\t' ? 't' : c;
        str_addc(out, c < 0x20 || c > 0x7e ? '?' : c);
    }
    str_addc(out, '"');
    return n <= WIRE_BLOB_MAX;
}

static bool put_facts(struct str *out, const struct facts *f)
{
    if (f->n > WIRE_FACTS_MAX)
        return false;
    str_addc(out, '{');
    for (unsigned i = 0; i < f->n; i++) {
        const struct fact *v = &f->v[i];
        if (!v->name[0])
            return false;
        if (i > 0)
            str_addc(out, ',');
        bool ends = put_text(out, v->name, sizeof(v->name));
        str_addc(out, ':');
        if (!ends || (v->is_text && !put_text(out, v->text, sizeof(v->text))))
            return false;
        if (!v->is_text)
            str_addf(out, "%jd", (intmax_t)v->num);
    }
    str_addc(out, '}');
    return true;
}

static bool put_cpus(struct str *out, const struct frame_prepare *p)
{
    if (p->n_cpus > WIRE_CPUS_MAX)
        return false;
    str_addc(out, '[');
    for (unsigned i = 0; i < p->n_cpus; i++)
        str_addf(out, "%s%u", i > 0 ? "," : "", p->cpus[i]);
    str_addc(out, ']');
    return true;
}

static bool put_number(struct str *out, const struct field *d, int64_t v)
{
    str_addf(out, "%jd", (intmax_t)v);
    return v >= d->min && v <= d->max;
}

/* Appends the value; false if it is out of its bounds. */
static bool put_value(struct str *out, const struct frame *f, const struct field *d)
{
    const void *p = at(f, d);
    switch (d->kind) {
    case FIELD_TEXT:
        return put_text(out, p, d->size);
    case FIELD_NAME:
        return put_text(out, p, d->size) && *(const char *)p != '\0';
    case FIELD_I64:
        return put_number(out, d, *(const int64_t *)p);
    case FIELD_U64: {
        uint64_t v = *(const uint64_t *)p;
        return v <= INT64_MAX && put_number(out, d, (int64_t)v);
    }
    case FIELD_INT:
        return put_number(out, d, *(const int *)p);
    case FIELD_BOOL:
        str_add(out, *(const bool *)p ? "true" : "false");
        return true;
    case FIELD_CPUS:
        return put_cpus(out, p);
    case FIELD_FACTS:
        return put_facts(out, p);
    case FIELD_HIST:
        return put_text(out, *(char *const *)p, HIST_TEXT_MAX + 1);
    case FIELD_BLOB:
        return put_blob(out, *(char *const *)p);
    }
    return false;
}

static int encode_to(const struct frame *f, struct str *out, struct err *err)
{
    const char *name = frame_type_name(f->type);
    if (f->type <= FRAME_NONE || f->type >= FRAME_TYPE_COUNT)
        return err_set(err, ERR_BUG, EINVAL, "frame: no such type");
    if (!nonce_ok(f->nonce) || f->seq > INT64_MAX || (int64_t)f->seq < types[f->type].seq_min ||
        (int64_t)f->seq > types[f->type].seq_max)
        return err_set(err, ERR_BUG, EINVAL, "frame %s: bad nonce or seq", name);
    str_addf(out, "{\"t\":\"%s\",\"seq\":%ju,\"nonce\":\"%s\"", name, (uintmax_t)f->seq, f->nonce);
    for (const struct field *d = types[f->type].fields; d->key; d++) {
        if ((d->kind == FIELD_HIST || d->kind == FIELD_BLOB) && !*(char *const *)at(f, d))
            continue;
        if (d->optional && d->kind == FIELD_U64 && *(const uint64_t *)at(f, d) == 0)
            continue;
        str_addf(out, ",\"%s\":", d->key);
        if (!put_value(out, f, d))
            return err_set(err, ERR_BUG, ERANGE, "frame %s: '%s' is out of bounds", name, d->key);
    }
    str_add(out, "}\n");
    return 0;
}

int frame_encode(const struct frame *f, struct str *out, struct err *err)
{
    size_t before = out->len;
    int r = encode_to(f, out, err);
    if (r == 0 && out->len - before > WIRE_LINE_MAX)
        r = err_set(err, ERR_BUG, EMSGSIZE, "frame %s: longer than %d bytes",
                    frame_type_name(f->type), WIRE_LINE_MAX);
    if (r < 0 && out->len > before) {
        out->len = before;
        out->buf[before] = '\0';
    }
    return r;
}

/* ---- reading ---- */

static int bad(struct err *err, const char *what, const char *why)
{
    return err_set(err, ERR_MEASUREMENT, EBADMSG, "frame: '%s' %s", what, why);
}

/* A string of fewer than size bytes without NUL; unprintable characters are replaced. */
static int get_text(const json_t *j, const char *key, char *dst, size_t size, struct err *err)
{
    if (!json_is_string(j))
        return bad(err, key, "is not a string");
    /* JSON_ALLOW_NUL is off, so the string ends where strlen says. */
    if (!str_copy(dst, size, json_string_value(j)))
        return bad(err, key, "is too long");
    str_printable(dst);
    return 0;
}

static int get_number(const json_t *j, const char *key, int64_t min, int64_t max, int64_t *ret,
                      struct err *err)
{
    if (!json_is_integer(j))
        return bad(err, key, "is not an integer");
    if (json_integer_value(j) < min || json_integer_value(j) > max)
        return bad(err, key, "is out of bounds");
    *ret = json_integer_value(j);
    return 0;
}

static int get_cpus(const json_t *j, const char *key, struct frame_prepare *p, struct err *err)
{
    if (!json_is_array(j))
        return bad(err, key, "is not an array");
    if (json_array_size(j) > WIRE_CPUS_MAX)
        return bad(err, key, "is too long");
    size_t i;
    json_t *v;
    json_array_foreach (j, i, v) {
        int64_t cpu;
        int r = get_number(v, key, 0, WIRE_CPU_MAX, &cpu, err);
        if (r < 0)
            return r;
        p->cpus[p->n_cpus++] = (uint16_t)cpu;
    }
    return 0;
}

static int get_facts(json_t *j, const char *key, struct facts *f, struct err *err)
{
    if (!json_is_object(j))
        return bad(err, key, "is not an object");
    if (json_object_size(j) > WIRE_FACTS_MAX)
        return bad(err, key, "has too many entries");
    const char *name;
    json_t *v;
    json_object_foreach (j, name, v) {
        struct fact *fact = facts_new(f, name);
        if (!fact)
            return bad(err, key, "has an empty, over-long or repeated name");
        fact->is_text = json_is_string(v);
        int r = fact->is_text ? get_text(v, fact->name, fact->text, sizeof(fact->text), err)
                              : get_number(v, fact->name, INT64_MIN, INT64_MAX, &fact->num, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int get_hist(const json_t *j, const char *key, char **ret, struct err *err)
{
    if (!json_is_string(j))
        return bad(err, key, "is not a string");
    if (json_string_length(j) > HIST_TEXT_MAX)
        return bad(err, key, "is too long");
    char *text = xstrdup(json_string_value(j));
    str_printable(text);
    *ret = text;
    return 0;
}

static int get_blob(const json_t *j, const char *key, char **ret, struct err *err)
{
    if (!json_is_string(j))
        return bad(err, key, "is not a string");
    if (json_string_length(j) > WIRE_BLOB_MAX)
        return bad(err, key, "is too long");
    char *text = xstrdup(json_string_value(j));
    for (char *c = text; *c; c++)
        if ((*c < 0x20 || *c > 0x7e) && *c != '\n' && *c != '\t')
            *c = '?';
    *ret = text;
    return 0;
}

static int get_value(json_t *j, struct frame *f, const struct field *d, struct err *err)
{
    void *p = at(f, d);
    int64_t v = 0;
    int r;
    switch (d->kind) {
    case FIELD_TEXT:
        return get_text(j, d->key, p, d->size, err);
    case FIELD_NAME:
        r = get_text(j, d->key, p, d->size, err);
        return r == 0 && !*(char *)p ? bad(err, d->key, "is empty") : r;
    case FIELD_I64:
    case FIELD_U64: /* the same bytes: the bounds exclude negative numbers */
        r = get_number(j, d->key, d->min, d->max, &v, err);
        *(int64_t *)p = v;
        return r;
    case FIELD_INT:
        r = get_number(j, d->key, d->min, d->max, &v, err);
        *(int *)p = (int)v;
        return r;
    case FIELD_BOOL:
        if (!json_is_boolean(j))
            return bad(err, d->key, "is not true or false");
        *(bool *)p = json_is_true(j);
        return 0;
    case FIELD_CPUS:
        return get_cpus(j, d->key, p, err);
    case FIELD_FACTS:
        return get_facts(j, d->key, p, err);
    case FIELD_HIST:
        return get_hist(j, d->key, p, err);
    case FIELD_BLOB:
        return get_blob(j, d->key, p, err);
    }
    return -EINVAL;
}

/* The parser below is recursive: brackets are counted before it sees them. */
static bool too_deep(const char *line, size_t n)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        char c = line[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '[') && ++depth > WIRE_DEPTH_MAX)
            return true;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return false;
}

static enum frame_type type_of(const json_t *root)
{
    const char *name = json_string_value(json_object_get(root, "t"));
    for (unsigned t = FRAME_NONE + 1; name && t < FRAME_TYPE_COUNT; t++)
        if (strcmp(types[t].name, name) == 0)
            return (enum frame_type)t;
    return FRAME_NONE;
}

static int check_version(const json_t *root, struct err *err)
{
    int64_t v = 0;
    int r = get_number(json_object_get(root, "v"), "v", 1, INT32_MAX, &v, err);
    if (r < 0 || v == WIRE_VERSION)
        return r;
    return err_set(err, ERR_UNSUPPORTED, EPROTONOSUPPORT,
                   "the probe speaks protocol %jd, this program speaks %d", (intmax_t)v,
                   WIRE_VERSION);
}

static int parse_object(json_t *root, struct frame *f, struct err *err)
{
    int r, seq_r;
    int64_t seq = 0;
    enum frame_type type = type_of(root);
    if (type == FRAME_NONE)
        return bad(err, "t", "names no frame");
    f->type = type;
    if (type == FRAME_HELLO && (r = check_version(root, err)) < 0)
        return r;
    seq_r = get_number(json_object_get(root, "seq"), "seq", types[type].seq_min,
                       types[type].seq_max, &seq, err);
    if (seq_r < 0)
        return seq_r;
    f->seq = (uint64_t)seq;
    r = get_text(json_object_get(root, "nonce"), "nonce", f->nonce, sizeof(f->nonce), err);
    if (r < 0)
        return r;
    if (!nonce_ok(f->nonce))
        return bad(err, "nonce", "is not 16 hexadecimal digits");
    for (const struct field *d = types[type].fields; d->key; d++) {
        json_t *j = json_object_get(root, d->key);
        if (!j && d->optional)
            continue;
        r = j ? get_value(j, f, d, err) : bad(err, d->key, "is missing");
        if (r < 0)
            return r;
    }
    return 0;
}

int frame_parse(const char *line, size_t n, struct frame *ret, struct err *err)
{
    if (n >= WIRE_LINE_MAX)
        return err_set(err, ERR_MEASUREMENT, EMSGSIZE, "frame: longer than %d bytes",
                       WIRE_LINE_MAX);
    if (too_deep(line, n))
        return err_set(err, ERR_MEASUREMENT, EBADMSG, "frame: nested deeper than %d",
                       WIRE_DEPTH_MAX);
    json_error_t at_error;
    json_t *root = json_loadb(line, n, JSON_REJECT_DUPLICATES, &at_error);
    if (!root)
        return err_set(err, ERR_MEASUREMENT, EBADMSG, "frame: not JSON at byte %d: %s",
                       at_error.position, at_error.text);
    struct frame *f = xcalloc(1, sizeof(*f));
    int r = json_is_object(root)
                ? parse_object(root, f, err)
                : err_set(err, ERR_MEASUREMENT, EBADMSG, "frame: not a JSON object");
    json_decref(root);
    if (r == 0)
        *ret = *f; /* with the ownership of its texts */
    else
        frame_release(f);
    free(f);
    return r;
}

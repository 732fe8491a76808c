#include "fleet/runlog.h"

#include "base/fd.h"
#include "base/json.h"
#include "store/exchange.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>

#define MARK     "cupel-run "
#define HEAD_MAX (16u << 10)
#define LOGS_MAX 256

void runlog_release(struct runlog *r)
{
    json_decref(r->head);
    r->head = NULL;
    str_release(&r->packed);
}

/* ---- base64, RFC 4648 ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(const unsigned char *from, size_t n, struct str *to)
{
    for (size_t i = 0; i < n; i += 3) {
        unsigned b = (unsigned)from[i] << 16 | (i + 1 < n ? (unsigned)from[i + 1] << 8 : 0) |
                     (i + 2 < n ? (unsigned)from[i + 2] : 0);
        str_addc(to, digits[b >> 18]);
        str_addc(to, digits[b >> 12 & 63]);
        str_addc(to, i + 1 < n ? digits[b >> 6 & 63] : '=');
        str_addc(to, i + 2 < n ? digits[b & 63] : '=');
    }
}

static int value_of(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Whole groups of four; '=' at the very end alone. */
static bool decode(const char *from, size_t n, struct str *to)
{
    if (n == 0 || n % 4)
        return false;
    for (size_t i = 0; i < n; i += 4) {
        bool last = i + 4 == n;
        size_t pad = last && from[i + 3] == '=' ? (from[i + 2] == '=' ? 2 : 1) : 0;
        unsigned b = 0;
        for (size_t k = 0; k < 4; k++) {
            int v = k >= 4 - pad ? 0 : value_of(from[i + k]);
            if (v < 0)
                return false;
            b = b << 6 | (unsigned)v;
        }
        const char bytes[3] = {(char)(b >> 16), (char)(b >> 8 & 255), (char)(b & 255)};
        str_addn(to, bytes, 3 - pad);
    }
    return true;
}

/* ---- gzip ---- */

static la_ssize_t on_packed(struct archive *a, void *user, const void *bytes, size_t n)
{
    str_addn(user, bytes, n);
    return (la_ssize_t)n;
}

static int no_gzip(struct archive *a, struct err *err)
{
    const char *why = a ? archive_error_string(a) : NULL;
    return err_set(err, ERR_ENVIRONMENT, EIO, "pack the run: %s", why ? why : "no memory");
}

static int pack(const struct str *text, struct str *to, struct err *err)
{
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    int r = 0;

    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_pathname(e, "run");
    if (!a || archive_write_add_filter_gzip(a) != ARCHIVE_OK ||
        archive_write_set_format_raw(a) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
        archive_write_open(a, to, NULL, on_packed, NULL) != ARCHIVE_OK ||
        archive_write_header(a, e) != ARCHIVE_OK ||
        archive_write_data(a, text->buf, text->len) != (la_ssize_t)text->len ||
        archive_write_close(a) != ARCHIVE_OK)
        r = no_gzip(a, err);
    archive_entry_free(e);
    archive_write_free(a);
    return r;
}

static int nonsense(const char *what, struct err *err)
{
    return err_set(err, ERR_MEASUREMENT, EPROTO, "the run in the log cannot be taken: %s", what);
}

/* Never more than the head says: whoever packed it may want our memory. */
static int unpack(const struct str *packed, size_t bytes, struct str *to, struct err *err)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    char chunk[65536];
    la_ssize_t n = -1;

    if (a && archive_read_support_filter_gzip(a) == ARCHIVE_OK &&
        archive_read_support_format_raw(a) == ARCHIVE_OK &&
        archive_read_open_memory(a, packed->buf, packed->len) == ARCHIVE_OK &&
        archive_read_next_header(a, &e) == ARCHIVE_OK)
        while ((n = archive_read_data(a, chunk, sizeof(chunk))) > 0 && to->len <= bytes)
            str_addn(to, chunk, (size_t)n);
    archive_read_free(a);
    return n == 0 ? 0 : nonsense("it is not packed by gzip, or is longer than it says", err);
}

/* ---- writing ---- */

static void put_pieces(const char *key, const struct str *packed, struct str *out)
{
    size_t i = 0;

    for (size_t at = 0; at < packed->len; at += RUNLOG_PIECE, i++) {
        size_t n = packed->len - at < RUNLOG_PIECE ? packed->len - at : RUNLOG_PIECE;
        str_addf(out, MARK "%s %zu ", key, i);
        encode((const unsigned char *)packed->buf + at, n, out);
        str_addc(out, '\n');
    }
    str_addf(out, MARK "%s end %zu\n", key, i);
}

int runlog_write(int fd, const char *key, json_t *head, const struct str *text, struct err *err)
{
    _cleanup_(str_release) struct str packed = STR_INIT, out = STR_INIT;
    char hex[FS_SHA256_HEX] = "";
    int r = text ? pack(text, &packed, err) : 0;

    if (r < 0)
        return r;
    if (packed.len > RUNLOG_PACKED_MAX)
        return err_set(err, ERR_ENVIRONMENT, EFBIG,
                       "a run of %zu bytes, %zu when packed, does not fit into a pod's log",
                       text->len, packed.len);
    if (text)
        fs_sha256_bytes(text->buf, text->len, hex);
    json_object_set_new(head, "bytes", json_integer(text ? (json_int_t)text->len : 0));
    json_object_set_new(head, "packed", json_integer((json_int_t)packed.len));
    json_object_set_new(head, "sha256", json_string(hex));
    _cleanup_free_ char *line = json_dumps(head, JSON_COMPACT);
    if (!line)
        return err_set(err, ERR_BUG, EILSEQ, "a result that is no text");
    str_addf(&out, MARK "%s head %s\n", key, line);
    put_pieces(key, &packed, &out);
    return fd_write_full(fd, out.buf, out.len, err);
}

/* ---- reading ---- */

static int take_head(struct runlog *r, const char *text, struct err *err)
{
    json_t *head = strlen(text) < HEAD_MAX ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t bytes = json_integer_value(json_object_get(head, "bytes"));
    json_int_t packed = json_integer_value(json_object_get(head, "packed"));

    if (!json_is_object(head) || bytes < 0 || bytes > EXCHANGE_MAX_BYTES || packed < 0 ||
        packed > RUNLOG_PACKED_MAX) {
        json_decref(head);
        return nonsense("its head", err);
    }
    if (r->head && !json_equal(r->head, head)) {
        json_decref(head);
        return nonsense("it has two heads", err);
    }
    json_decref(r->head);
    r->head = head;
    return 1;
}

static int take_piece(struct runlog *r, uint64_t index, const char *text, struct err *err)
{
    size_t whole = (size_t)json_integer_value(json_object_get(r->head, "packed"));

    if (!r->head)
        return nonsense("a piece comes before its head", err);
    if (index < r->pieces || r->ended)
        return 1; /* read again from the beginning */
    if (index > r->pieces)
        return nonsense("a piece of it is missing", err);
    size_t n = strcspn(text, " \r");
    if (!decode(text, n, &r->packed) || r->packed.len > whole)
        return nonsense("a piece of it is damaged", err);
    r->pieces++;
    return 1;
}

static int take_end(struct runlog *r, uint64_t pieces, struct err *err)
{
    if (!r->head || pieces != r->pieces ||
        (json_int_t)r->packed.len != json_integer_value(json_object_get(r->head, "packed")))
        return nonsense("some of it is missing", err);
    r->ended = true;
    return 1;
}

static size_t key_length(const char *at)
{
    size_t hex = strspn(at, "0123456789abcdef");
    size_t number = hex == 8 && at[8] == '-' ? strspn(at + 9, "0123456789") : 0;

    return number > 0 && number < 6 && at[9 + number] == ' ' ? 9 + number : 0;
}

/* Where the key begins; NULL: it is another line. */
static const char *find_key(const char *line, size_t *ret_n)
{
    const char *at = strstr(line, MARK);

    if (!at)
        return NULL;
    at += strlen(MARK);
    *ret_n = key_length(at);
    return *ret_n ? at : NULL;
}

int runlog_take(struct runlog *r, const char *line, struct err *err)
{
    size_t n;
    uint64_t index;
    const char *key = find_key(line, &n);

    if (!key)
        return 0;
    if (!r->key[0])
        str_format(r->key, sizeof(r->key), "%.*s", (int)n, key);
    if (strlen(r->key) != n || strncmp(key, r->key, n) != 0)
        return 0;
    const char *word = key + n + 1;
    size_t length = strcspn(word, " ");
    const char *rest = word[length] ? word + length + 1 : "";
    if (str_starts(word, "head "))
        return take_head(r, rest, err);
    _cleanup_free_ char *number = xstrndup(word, length < 12 ? length : 12);
    if (str_eq(number, "end")) {
        _cleanup_free_ char *count = xstrndup(rest, strspn(rest, "0123456789"));
        int p = parse_u64(count, 0, 1 << 20, "pieces", &index, NULL);
        return p < 0 ? nonsense("its end", err) : take_end(r, index, err);
    }
    if (parse_u64(number, 0, 1 << 20, "piece", &index, NULL) < 0)
        return nonsense("a line of it", err);
    return take_piece(r, index, rest, err);
}

int runlog_unpack(const struct runlog *r, struct str *ret, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    size_t bytes = (size_t)json_integer_value(json_object_get(r->head, "bytes"));
    const char *want = json_string_value(json_object_get(r->head, "sha256"));
    char hex[FS_SHA256_HEX];

    if (!r->ended)
        return nonsense("its end is missing", err);
    if (bytes == 0)
        return 0;
    int u = unpack(&r->packed, bytes, &text, err);
    if (u < 0)
        return u;
    fs_sha256_bytes(text.buf, text.len, hex);
    if (text.len != bytes || !str_eq(hex, want))
        return nonsense("it is not what its hash says", err);
    str_addn(ret, text.buf, text.len);
    return 0;
}

int runlog_outcome(const struct runlog *r, struct fleet_machine *m, struct err *err)
{
    char outcome[32];
    enum fleet_outcome parsed;

    object_copy(r->head, "outcome", outcome, sizeof(outcome));
    if (fleet_outcome_parse(outcome, &parsed) < 0)
        return nonsense("how it ended", err);
    object_copy(r->head, "why", m->why, sizeof(m->why));
    object_copy(r->head, "hostname", m->hostname, sizeof(m->hostname));
    object_copy(r->head, "id", m->id, sizeof(m->id));
    object_copy(r->head, "boot", m->boot, sizeof(m->boot));
    m->status = (int)json_integer_value(json_object_get(r->head, "status"));
    m->outcome = parsed;
    return 0;
}

/* ---- logs ---- */

bool runlog_is_in(const char *text, size_t n)
{
    size_t key;
    const char *at = text, *end = text + n;

    while (at < end && (at = memmem(at, (size_t)(end - at), MARK, strlen(MARK)))) {
        if (find_key(at, &key))
            return true;
        at += strlen(MARK);
    }
    return false;
}

static struct runlog *log_of(struct runlogs *l, const char *key, size_t n)
{
    VEC_FOREACH (l, struct runlog, r)
        if (strlen(r->key) == n && strncmp(r->key, key, n) == 0)
            return r;
    if (l->n == LOGS_MAX)
        return NULL;
    struct runlog fresh = RUNLOG_INIT;
    str_format(fresh.key, sizeof(fresh.key), "%.*s", (int)n, key);
    VEC_PUSH(l, fresh);
    return &l->v[l->n - 1];
}

int runlogs_read(char *text, size_t n, struct runlogs *ret, struct err *err)
{
    char *line = text;
    int r = 0;

    for (char *end; r >= 0 && (end = memchr(line, '\n', n - (size_t)(line - text)));
         line = end + 1) {
        size_t length;
        *end = '\0';
        const char *key = find_key(line, &length);
        struct runlog *log = key ? log_of(ret, key, length) : NULL;
        if (key && !log)
            r = nonsense("too many in one log", err);
        else if (log)
            r = runlog_take(log, line, err);
    }
    return r < 0 ? r : 0;
}

void runlogs_release(struct runlogs *l)
{
    VEC_FOREACH (l, struct runlog, r)
        runlog_release(r);
    VEC_RELEASE(l);
}

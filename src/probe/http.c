/* See http.h. */
#include "probe/http.h"

#include "base/cleanup.h"

#include <errno.h>

/* A part of a head; not terminated. */
struct span {
    const char *at;
    size_t n;
};

struct fields {
    bool has_length, closes, keeps;
};

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_MEASUREMENT, EBADMSG, "%s", what);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9110, 5.6.2: what a name or a method is made of. */
static bool is_token(const struct span *s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s->n; i++) {
        char c = s->at[i], lower = (char)(c | 0x20);
        if (!is_digit(c) && !(lower >= 'a' && lower <= 'z') && (!c || !strchr(others, c)))
            return false;
    }
    return s->n > 0;
}

static bool span_is(const struct span *s, const char *word)
{
    return s->n == strlen(word) && strncasecmp(s->at, word, s->n) == 0;
}

static struct span strip(struct span s)
{
    while (s.n > 0 && (*s.at == ' ' || *s.at == '\t'))
        s.at++, s.n--;
    while (s.n > 0 && (s.at[s.n - 1] == ' ' || s.at[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Takes off all up to a character, which goes too. False when it is not there. */
static bool cut(struct span *from, char at, struct span *ret)
{
    const char *end = from->n ? memchr(from->at, at, from->n) : NULL;
    if (!end)
        return false;
    *ret = (struct span){from->at, (size_t)(end - from->at)};
    from->n -= ret->n + 1;
    from->at = end + 1;
    return true;
}

/* Bytes of the head with its blank line, 0: there is none yet. */
static int head_length(const char *buf, size_t n, struct err *err)
{
    size_t max = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;
    const char *end = max ? memmem(buf, max, "\r\n\r\n", 4) : NULL;
    if (end)
        return (int)(end - buf) + 4;
    if (n >= HTTP_HEAD_MAX)
        return err_set(err, ERR_MEASUREMENT, EMSGSIZE, "a head of more than %d bytes",
                       HTTP_HEAD_MAX);
    return 0;
}

/* A line out of a head, without its end; the head ends with one. */
static int take_line(struct span *head, struct span *ret, struct err *err)
{
    struct span line;
    if (!cut(head, '\n', &line) || line.n == 0 || line.at[line.n - 1] != '\r')
        return bad(err, "a line that does not end in CR and LF");
    line.n--;
    if (line.n && (memchr(line.at, '\r', line.n) || memchr(line.at, '\0', line.n)))
        return bad(err, "a control character in a line of the head");
    *ret = line;
    return 0;
}

/* ---- fields ---- */

static int take_length(const struct span *value, struct http_head *head, struct fields *seen,
                       struct err *err)
{
    uint64_t n = 0;
    if (value->n == 0)
        return bad(err, "a Content-Length that is no number");
    for (size_t i = 0; i < value->n; i++) {
        if (!is_digit(value->at[i]))
            return bad(err, "a Content-Length that is no number");
        n = n * 10 + (uint64_t)(value->at[i] - '0');
        if (n > HTTP_BODY_MAX)
            return err_set(err, ERR_MEASUREMENT, EMSGSIZE, "a body that is too long");
    }
    if (seen->has_length && n != head->body)
        return bad(err, "two lengths of one body");
    seen->has_length = true;
    head->body = n;
    return 0;
}

/* A list of words, of which two matter. */
static void take_connection(struct span value, struct fields *seen)
{
    for (bool more = true; more;) {
        struct span word;
        more = cut(&value, ',', &word);
        word = strip(more ? word : value);
        seen->closes |= span_is(&word, "close");
        seen->keeps |= span_is(&word, "keep-alive");
    }
}

static int take_field(struct span line, struct http_head *head, struct fields *seen,
                      struct err *err)
{
    struct span name;
    if (!cut(&line, ':', &name) || !is_token(&name))
        return bad(err, "a field without a name");
    struct span value = strip(line);
    if (span_is(&name, "Content-Length"))
        return take_length(&value, head, seen, err);
    if (span_is(&name, "Transfer-Encoding"))
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "a body in chunks");
    if (span_is(&name, "Connection"))
        take_connection(value, seen);
    else if (span_is(&name, "Expect") && span_is(&value, "100-continue"))
        head->expects = true;
    return 0;
}

static int take_fields(struct span rest, struct http_head *head, struct fields *seen,
                       struct err *err)
{
    for (unsigned i = 0;; i++) {
        struct span line;
        int r = take_line(&rest, &line, err);
        if (r < 0 || line.n == 0)
            return r;
        if (i == HTTP_FIELDS_MAX)
            return err_set(err, ERR_MEASUREMENT, EMSGSIZE, "more than %d fields", HTTP_FIELDS_MAX);
        r = take_field(line, head, seen, err);
        if (r < 0)
            return r;
    }
}

/* ---- first lines ---- */

/* "HTTP/1.1". *ret_old: it is 1.0, which closes unless told otherwise. */
static int take_version(const struct span *s, bool *ret_old, struct err *err)
{
    if (s->n != 8 || memcmp(s->at, "HTTP/", 5) != 0 || !is_digit(s->at[5]) || s->at[6] != '.' ||
        !is_digit(s->at[7]))
        return bad(err, "no HTTP");
    if (s->at[5] != '1' || s->at[7] > '1')
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "HTTP of another version");
    *ret_old = s->at[7] == '0';
    return 0;
}

static int request_line(struct span line, bool *ret_old, struct err *err)
{
    struct span method, target;
    if (!cut(&line, ' ', &method) || !is_token(&method) || !cut(&line, ' ', &target) ||
        target.n == 0)
        return bad(err, "no request of HTTP");
    if (method.n == 7 && memcmp(method.at, "CONNECT", 7) == 0)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "CONNECT");
    return take_version(&line, ret_old, err);
}

/* The reason may be missing, with its space even. */
static int status_line(struct span line, struct http_head *head, bool *ret_old, struct err *err)
{
    struct span version;
    if (!cut(&line, ' ', &version))
        return bad(err, "no answer of HTTP");
    int r = take_version(&version, ret_old, err);
    if (r < 0)
        return r;
    if (line.n < 3 || !is_digit(line.at[0]) || !is_digit(line.at[1]) || !is_digit(line.at[2]) ||
        (line.n > 3 && line.at[3] != ' '))
        return bad(err, "an answer without a status");
    head->status =
        (unsigned)((line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + line.at[2] - '0');
    return head->status < 200 || head->status > 599 ? bad(err, "a status that is none") : 0;
}

static int parse(const char *buf, size_t n, bool response, struct http_head *ret, struct err *err)
{
    struct http_head head = {.status = 0};
    struct fields seen = {.has_length = false};
    struct span first, rest;
    bool old = false;
    int length = head_length(buf, n, err);
    if (length <= 0)
        return length;
    rest = (struct span){buf, (size_t)length};
    int r = take_line(&rest, &first, err);
    if (r == 0)
        r = response ? status_line(first, &head, &old, err) : request_line(first, &old, err);
    if (r == 0)
        r = take_fields(rest, &head, &seen, err);
    if (r < 0)
        return r;
    if (response && !seen.has_length)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "an answer without a Content-Length");
    head.keep = !seen.closes && (!old || seen.keeps);
    *ret = head;
    return length;
}

int http_request(const char *buf, size_t n, struct http_head *ret, struct err *err)
{
    return parse(buf, n, false, ret, err);
}

int http_response(const char *buf, size_t n, struct http_head *ret, struct err *err)
{
    return parse(buf, n, true, ret, err);
}

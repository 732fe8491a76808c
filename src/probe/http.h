/* The heads of HTTP/1.1 messages, as far as net.http_* and their server need them: where a head
 * ends, how long the body is, whether the connection stays.
 *
 * Layer: probe. Pure functions over bytes that come from outside: bounded, no allocation. Source of
 * the form: RFC 9112. Stricter than that in what nobody sends: bare line feeds, folded lines, white
 * space before a colon and lengths that contradict each other are refused, and so is a body without
 * a length (Transfer-Encoding).
 *
 *     int n = http_request(buf, got, &head, err);
 *     // n > 0: the head has n bytes; n == 0: read more; n < 0: refuse and close */
#ifndef CUPEL_PROBE_HTTP_H
#define CUPEL_PROBE_HTTP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX   8192
#define HTTP_FIELDS_MAX 64
#define HTTP_BODY_MAX   (UINT64_C(1) << 30)

struct http_head {
    unsigned status; /* of a response */
    uint64_t body;   /* Content-Length; 0 where a request names none */
    bool keep;       /* the connection stays open afterwards */
    bool expects;    /* "Expect: 100-continue" */
};

/* A request: any method but CONNECT. Bytes of its head with the blank line; 0: not whole yet;
 * -EBADMSG: it is none; -EMSGSIZE: a head of more than HTTP_HEAD_MAX bytes or HTTP_FIELDS_MAX
 * fields, or a body of more than HTTP_BODY_MAX; -ENOTSUP: another version than 1.0 and 1.1, or a
 * body in chunks. */
int http_request(const char *buf, size_t n, struct http_head *ret, struct err *err);
/* The same of a response, 200 to 599; without a Content-Length it is -ENOTSUP. */
int http_response(const char *buf, size_t n, struct http_head *ret, struct err *err);

#endif

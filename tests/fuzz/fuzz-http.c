/* Heads of HTTP messages, as request and as response: any bytes. What is taken lies within what was
 * there, is taken again with whatever follows it, and is not taken while it is not whole. */
#include "probe/http.h"

#include "base/cleanup.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int parser(const char *, size_t, struct http_head *, struct err *);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_refused(int r, const struct err *err)
{
    require(r == -EBADMSG || r == -EMSGSIZE || r == -ENOTSUP);
    require(err->msg[0]);
}

static void look(const char *buf, size_t n, parser *parse, bool response)
{
    struct http_head head = {.status = 7}, again;
    struct err err = ERR_INIT;
    int r = parse(buf, n, &head, &err);
    if (r <= 0) {
        require(head.status == 7); /* untouched */
        if (r < 0)
            require_refused(r, &err);
        else
            require(n < HTTP_HEAD_MAX);
        return;
    }
    require((size_t)r <= n && r <= HTTP_HEAD_MAX && memcmp(buf + r - 4, "\r\n\r\n", 4) == 0);
    require(head.body <= HTTP_BODY_MAX);
    require(response ? head.status >= 200 && head.status <= 599 : head.status == 0);
    require(parse(buf, (size_t)r, &again, NULL) == r && again.body == head.body &&
            again.keep == head.keep && again.expects == head.expects);
    require(parse(buf, (size_t)r - 1, &again, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *exact = malloc(size ? size : 1); /* so that a byte too far is seen */
    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    look(exact, size, http_request, false);
    look(exact, size, http_response, true);
    return 0;
}

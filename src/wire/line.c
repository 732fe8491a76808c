/* The line reader of frame.h. */
#include "wire/frame.h"

#include <errno.h>

void line_reader_init(struct line_reader *r)
{
    *r = (struct line_reader){.buf = xmalloc(WIRE_LINE_MAX)};
}

void line_reader_release(struct line_reader *r)
{
    free(r->buf);
    *r = (struct line_reader){.buf = NULL};
}

static void make_room(struct line_reader *r)
{
    if (r->start == 0)
        return;
    memmove(r->buf, r->buf + r->start, r->len - r->start);
    r->len -= r->start;
    r->scanned -= r->start;
    r->start = 0;
}

ssize_t line_reader_fill(struct line_reader *r, int fd)
{
    make_room(r);
    if (r->len == WIRE_LINE_MAX)
        return -ENOBUFS;
    ssize_t n;
    do
        n = read(fd, r->buf + r->len, WIRE_LINE_MAX - r->len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    r->len += (size_t)n;
    return n;
}

size_t line_reader_push(struct line_reader *r, const char *bytes, size_t n)
{
    make_room(r);
    if (n > WIRE_LINE_MAX - r->len)
        n = WIRE_LINE_MAX - r->len;
    memcpy(r->buf + r->len, bytes, n);
    r->len += n;
    return n;
}

int line_reader_take(struct line_reader *r, const char **ret_line, size_t *ret_n)
{
    const char *nl =
        r->len > r->scanned ? memchr(r->buf + r->scanned, '\n', r->len - r->scanned) : NULL;
    if (!nl) {
        r->scanned = r->len;
        return r->len - r->start == WIRE_LINE_MAX ? -EMSGSIZE : 0;
    }
    *ret_line = r->buf + r->start;
    *ret_n = (size_t)(nl - *ret_line);
    r->start = r->scanned = (size_t)(nl - r->buf) + 1;
    return 1;
}

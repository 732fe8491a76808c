/* Two streams in one: how Docker sends a container's standard output and error over one
 * connection. A piece is eight bytes of head (which stream, three zeros, the length with its
 * highest byte first) and its content.
 *
 * Layer: engine. A value; what is fed may be cut anywhere, and nothing is kept but the place in the
 * current piece. What is inside the pieces comes from a container; the heads are the daemon's, and
 * are not trusted either: a length is only ever counted down.
 *
 *     struct demux m = {0};
 *     demux_feed(&m, bytes, n, sink, user);    // sink(user, DEMUX_OUT, content, length) ... */
#ifndef CUPEL_ENGINE_DEMUX_H
#define CUPEL_ENGINE_DEMUX_H

#include <stddef.h>
#include <stdint.h>

enum demux_stream { DEMUX_IN, DEMUX_OUT, DEMUX_ERR };

struct demux {
    unsigned char head[8];
    size_t have;   /* bytes of the head */
    uint32_t left; /* bytes of the piece still to come */
};

typedef void demux_sink(void *user, enum demux_stream stream, const char *bytes, size_t n);

/* Takes all n bytes; -EPROTO at a head that is none: no more can be made of the stream then. */
int demux_feed(struct demux *m, const char *bytes, size_t n, demux_sink *sink, void *user);

#endif

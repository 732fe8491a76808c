#include "engine/demux.h"

#include "base/banned.h"

#include <errno.h>

static int read_head(struct demux *m)
{
    const unsigned char *h = m->head;
    if (h[0] > DEMUX_ERR || h[1] || h[2] || h[3])
        return -EPROTO;
    m->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    if (m->left == 0)
        m->have = 0;
    return 0;
}

int demux_feed(struct demux *m, const char *bytes, size_t n, demux_sink *sink, void *user)
{
    while (n > 0) {
        if (m->have < sizeof(m->head)) {
            m->head[m->have++] = (unsigned char)*bytes++;
            n--;
            int r = m->have == sizeof(m->head) ? read_head(m) : 0;
            if (r < 0)
                return r;
            continue;
        }
        size_t part = n < m->left ? n : m->left;
        sink(user, (enum demux_stream)m->head[0], bytes, part);
        bytes += part;
        n -= part;
        m->left -= (uint32_t)part;
        if (m->left == 0)
            m->have = 0;
    }
    return 0;
}

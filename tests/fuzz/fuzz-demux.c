/* The two streams in one, cut anywhere: the first byte says where, the rest is what comes. */
#include "engine/demux.h"

#include "base/banned.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t bytes;
    unsigned sum;
};

static void take(void *user, enum demux_stream stream, const char *bytes, size_t n)
{
    struct seen *s = user;
    if (stream > DEMUX_ERR || n == 0)
        abort();
    s->bytes += n;
    for (size_t i = 0; i < n; i++)
        s->sum = s->sum * 31 + (unsigned char)bytes[i] + (unsigned)stream;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t n = size - 1, cut = data[0] < n ? data[0] : n;
    struct demux whole = {.have = 0}, parts = {.have = 0};
    struct seen a = {0, 0}, b = {0, 0};
    int r = demux_feed(&whole, bytes, n, take, &a);
    int q = demux_feed(&parts, bytes, cut, take, &b);
    if (q == 0)
        q = demux_feed(&parts, bytes + cut, n - cut, take, &b);
    if (r != q || a.bytes != b.bytes || a.sum != b.sum || a.bytes > n)
        abort();
    return 0;
}

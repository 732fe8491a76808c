/* Everything that reads bytes from a probe: frames, histogram texts, the cutting into lines.
 *
 * Beside not crashing: what a reader accepts, its writer writes, and reading that again gives the
 * same; lines come out as they went in, whatever the pieces they arrive in. */
#include "wire/frame.h"
#include "wire/hist.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#define require(c)                                                                                 \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #c);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void try_hist(const char *text, struct hist *h)
{
    if (hist_decode(text, h, NULL) < 0)
        return;
    _cleanup_(str_release) struct str again = STR_INIT;
    require(hist_encode(h, &again, NULL) == 0);
    require(strcmp(again.buf, text) == 0);
    uint64_t sum = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        sum += h->counts[i];
    require(sum == h->total);
    require(hist_quantile(h, 0) <= hist_quantile(h, 0.5));
    require(hist_quantile(h, 0.5) <= hist_quantile(h, 1));
    require(hist_quantile(h, 1) <= h->max_ns);
}

static void try_frame(const char *line, size_t n, struct hist *h)
{
    struct frame f, back;
    struct err err = ERR_INIT;
    if (frame_parse(line, n, &f, &err) < 0) {
        require(err.kind == ERR_MEASUREMENT || err.kind == ERR_UNSUPPORTED);
        require(err.msg[0]);
        return;
    }
    _cleanup_(str_release) struct str one = STR_INIT, two = STR_INIT;
    require(frame_encode(&f, &one, NULL) == 0);
    require(one.len <= WIRE_LINE_MAX && memchr(one.buf, '\n', one.len) == one.buf + one.len - 1);
    require(frame_parse(one.buf, one.len - 1, &back, NULL) == 0);
    require(frame_encode(&back, &two, NULL) == 0);
    require(strcmp(one.buf, two.buf) == 0);
    if (f.type == FRAME_SLICED && f.sliced.hist)
        try_hist(f.sliced.hist, h);
    frame_release(&f);
    frame_release(&back);
}

/* Takes data as values and intervals: what was recorded survives its text form. */
static void try_recording(const uint8_t *data, size_t n, struct hist *h)
{
    _cleanup_free_ struct hist *back = xmalloc(sizeof(*back));
    _cleanup_(str_release) struct str text = STR_INIT;
    uint64_t v[2];
    hist_clear(h);
    for (size_t at = 0; at + sizeof(v) <= n && at < 6 * sizeof(v); at += sizeof(v)) {
        memcpy(v, data + at, sizeof(v));
        hist_record(h, v[0] >> 1);
        hist_record_n(h, v[0] >> 20, v[1] % 1000);
        /* Some dozen values each, so that the total stays within the text's bounds. */
        hist_record_corrected(h, v[0] >> 22, (v[0] >> 28) + v[1] % 5000 + 1);
    }
    if (hist_encode(h, &text, NULL) < 0)
        return;
    require(hist_decode(text.buf, back, NULL) == 0);
    require(memcmp(h, back, sizeof(*h)) == 0);
    require(hist_mean(h) <= (double)h->max_ns + 1);
    hist_add(back, h);
    require(back->total == 2 * h->total && back->max_ns == h->max_ns);
}

/* A frame built by hand from bounded or unbounded values: either refused or readable. */
static void try_building(const uint8_t *data, size_t n)
{
    if (n < 32)
        return;
    struct frame f, back;
    char nonce[WIRE_NONCE_SIZE] = "0123456789abcdef", name[2] = "a";
    nonce[data[2] % 16] = data[3] % 8 ? '0' : (char)data[3];
    frame_init(&f, (enum frame_type)(data[0] % (FRAME_TYPE_COUNT + 1)), nonce, data[1] % 4);
    struct facts *facts = f.type == FRAME_READY      ? &f.ready
                          : f.type == FRAME_FINISHED ? &f.finished.facts
                          : f.type == FRAME_PREPARE  ? &f.prepare.params
                                                     : NULL;
    for (size_t i = 4; facts && i < n && i < 36; i++) {
        name[0] = (char)data[i];
        if (i % 2 ? facts_add_num(facts, name, data[i]) : facts_add_text(facts, name, name))
            require(facts_num(facts, "?", 1) + (facts_text(facts, "?", "")[0] != 0) >= 0);
    }
    if (f.type == FRAME_PREPARE) {
        memcpy(&f.prepare.workers, data + 4, 2);
        memcpy(f.prepare.workload, data + 6, 8);
        f.prepare.n_cpus = data[14] * 2u;
        facts->n += data[15] > 250;
    } else if (f.type == FRAME_SLICE) {
        memcpy(&f.slice.ops, data + 4, sizeof(f.slice.ops));
        f.slice.hist = data[12] & 1;
    } else if (!facts && f.type != FRAME_SLICED) {
        memcpy(&f.hello, data + 4, n - 4 < sizeof(f.hello) ? n - 4 : sizeof(f.hello));
    } else if (f.type == FRAME_SLICED) {
        memcpy(&f.sliced, data + 4,
               offsetof(struct frame_sliced, hist) <= n - 4 ? offsetof(struct frame_sliced, hist)
                                                            : n - 4);
    }
    struct err err = ERR_INIT;
    _cleanup_(str_release) struct str line = STR_INIT;
    if (frame_encode(&f, &line, &err) < 0) {
        require(err.kind == ERR_BUG && line.len == 0 && strlen(frame_type_name(f.type)) > 2);
        return;
    }
    require(frame_parse(line.buf, line.len - 1, &back, &err) == 0);
    frame_release(&back);
}

/* Feeds data through a pipe in pieces and compares the lines with those memchr finds. */
static void try_lines(const char *data, size_t n, struct hist *h)
{
    int fds[2];
    require(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    struct line_reader r;
    line_reader_init(&r);
    size_t at = 0, piece = 1 + (n ? (unsigned char)data[0] * 31u : 0);
    const char *expect = data, *line;
    size_t len;
    int got = 0;
    while (at < n && got == 0) {
        size_t k = n - at < piece ? n - at : piece;
        require(write(fds[1], data + at, k) == (ssize_t)k);
        at += k;
        while (got == 0 && line_reader_fill(&r, fds[0]) > 0) {
            while ((got = line_reader_take(&r, &line, &len)) == 1) {
                const char *nl = memchr(expect, '\n', n - (size_t)(expect - data));
                require(nl && (size_t)(nl - expect) == len && memcmp(line, expect, len) == 0);
                try_frame(line, len, h);
                expect = nl + 1;
            }
        }
    }
    const char *nl = expect < data + n ? memchr(expect, '\n', n - (size_t)(expect - data)) : NULL;
    size_t rest = nl ? (size_t)(nl - expect) : n - (size_t)(expect - data);
    require(got == 0 ? !nl : got == -EMSGSIZE && rest >= WIRE_LINE_MAX);
    line_reader_release(&r);
    close(fds[0]);
    close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    _cleanup_free_ struct hist *h = xmalloc(sizeof(*h));
    _cleanup_free_ char *text = xstrndup((const char *)data, n);
    if (n > 0 && data[0] & 0x80) { /* no frame starts so: these bytes are values */
        try_recording(data, n, h);
        try_building(data, n);
        return 0;
    }
    try_hist(text, h);
    try_frame((const char *)data, n, h);
    try_lines((const char *)data, n, h);
    return 0;
}

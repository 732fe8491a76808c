#include "wire/hist.h"

#include <errno.h>
#include <math.h>

#define SUB_COUNT  (1u << HIST_SUB_BITS)       /* exact values */
#define HALF_COUNT (1u << (HIST_SUB_BITS - 1)) /* buckets per power of two above them */
#define RANGE_END  (UINT64_C(1) << HIST_MAX_BITS)

unsigned hist_index(uint64_t ns)
{
    if (ns < SUB_COUNT)
        return (unsigned)ns;
    if (ns >= RANGE_END)
        return HIST_BUCKETS - 1;
    unsigned msb = 63u - (unsigned)__builtin_clzll(ns);
    unsigned shift = msb - (HIST_SUB_BITS - 1);
    return SUB_COUNT + (msb - HIST_SUB_BITS) * HALF_COUNT + (unsigned)(ns >> shift) - HALF_COUNT;
}

uint64_t hist_lowest(unsigned index)
{
    if (index < SUB_COUNT)
        return index;
    unsigned octave = (index - SUB_COUNT) / HALF_COUNT, sub = (index - SUB_COUNT) % HALF_COUNT;
    return (uint64_t)(HALF_COUNT + sub) << (octave + 1);
}

uint64_t hist_highest(unsigned index)
{
    return hist_lowest(index + 1) - 1;
}

void hist_clear(struct hist *h)
{
    memset(h, 0, sizeof(*h));
}

/* n values of one bucket, between low and high. */
static void record_range(struct hist *h, uint64_t low, uint64_t high, uint64_t n)
{
    if (n == 0)
        return;
    if (h->total == 0 || low < h->min_ns)
        h->min_ns = low;
    if (high > h->max_ns)
        h->max_ns = high;
    h->total += n;
    h->counts[hist_index(high)] += n;
    if (low >= RANGE_END)
        h->clamped += n;
}

void hist_record(struct hist *h, uint64_t ns)
{
    record_range(h, ns, ns, 1);
}

void hist_record_n(struct hist *h, uint64_t ns, uint64_t n)
{
    record_range(h, ns, ns, n);
}

void hist_record_corrected(struct hist *h, uint64_t ns, uint64_t interval_ns)
{
    hist_record(h, ns);
    if (interval_ns == 0)
        return;
    uint64_t v = ns;
    while (v >= interval_ns && v - interval_ns >= interval_ns) {
        v -= interval_ns;
        /* All the missing values that fall into the bucket of v at once. */
        uint64_t bottom = v >= RANGE_END ? RANGE_END : hist_lowest(hist_index(v));
        if (bottom < interval_ns)
            bottom = interval_ns;
        uint64_t more = (v - bottom) / interval_ns;
        record_range(h, v - more * interval_ns, v, more + 1);
        v -= more * interval_ns;
    }
}

void hist_add(struct hist *to, const struct hist *from)
{
    if (from->total == 0)
        return;
    if (to->total == 0 || from->min_ns < to->min_ns)
        to->min_ns = from->min_ns;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
    to->total += from->total;
    to->clamped += from->clamped;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        to->counts[i] += from->counts[i];
}

uint64_t hist_quantile(const struct hist *h, double q)
{
    if (h->total == 0)
        return 0;
    /* One step below q, as HdrHistogram does: 0.07 of 100 values is the 7th, though the double
     * nearest to 0.07 is above it. */
    double want = ceil(nextafter(q, 0) * (double)h->total);
    uint64_t rank = want < 1 ? 1 : want > (double)h->total ? h->total : (uint64_t)want;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= rank)
            return hist_highest(i) < h->max_ns ? hist_highest(i) : h->max_ns;
    }
    return h->max_ns;
}

double hist_mean(const struct hist *h)
{
    if (h->total == 0)
        return 0;
    double sum = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        if (h->counts[i] == 0)
            continue;
        uint64_t low = hist_lowest(i), width = hist_lowest(i + 1) - low;
        sum += (double)h->counts[i] * (double)(low + width / 2);
    }
    return sum / (double)h->total;
}

int hist_encode(const struct hist *h, struct str *out, struct err *err)
{
    size_t before = out->len;
    str_addf(out, "%ju %ju %ju %ju", (uintmax_t)h->total, (uintmax_t)h->clamped,
             (uintmax_t)h->min_ns, (uintmax_t)h->max_ns);
    unsigned next = 0; /* the index a gap of 1 would mean */
    for (unsigned i = 0; i < HIST_BUCKETS && out->len - before <= HIST_TEXT_MAX; i++) {
        if (h->counts[i] == 0)
            continue;
        str_addf(out, " %u", i - next + 1);
        if (h->counts[i] > 1)
            str_addf(out, ":%ju", (uintmax_t)h->counts[i]);
        next = i + 1;
    }
    if (out->len - before > HIST_TEXT_MAX) {
        out->len = before;
        out->buf[before] = '\0';
        return err_set(err, ERR_MEASUREMENT, EMSGSIZE, "histogram: longer than %d bytes as text",
                       HIST_TEXT_MAX);
    }
    return 0;
}

/* A decimal number of at most max without leading zeros; moves *p past it. */
static bool take(const char **p, uint64_t max, uint64_t *ret)
{
    const char *s = *p;
    uint64_t v = 0;
    if (*s < '0' || *s > '9' || (s[0] == '0' && s[1] >= '0' && s[1] <= '9'))
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        uint64_t digit = (uint64_t)(*s - '0');
        if (v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *p = s;
    *ret = v;
    return true;
}

static bool take_char(const char **p, char c)
{
    if (**p != c)
        return false;
    ++*p;
    return true;
}

struct head {
    uint64_t total, clamped, min_ns, max_ns;
};

static const char *decode_head(const char **p, struct head *head)
{
    bool ok = take(p, HIST_TOTAL_MAX, &head->total) && take_char(p, ' ') &&
              take(p, HIST_TOTAL_MAX, &head->clamped) && take_char(p, ' ') &&
              take(p, INT64_MAX, &head->min_ns) && take_char(p, ' ') &&
              take(p, INT64_MAX, &head->max_ns);
    if (!ok)
        return "bad header";
    if (head->clamped > head->total || head->min_ns > head->max_ns)
        return "contradictory header";
    if (head->total == 0 && head->max_ns > 0)
        return "limits of nothing";
    /* Clamped are those at or past the end of the range: some iff the maximum is, all iff the
     * minimum is. */
    if ((head->clamped > 0) != (head->max_ns >= RANGE_END))
        return "clamped values and maximum disagree";
    if (head->total > 0 && (head->clamped == head->total) != (head->min_ns >= RANGE_END))
        return "clamped values and minimum disagree";
    return NULL;
}

/* Checks the entries against head and, with counts, fills them in. Returns what is wrong or NULL.
 */
static const char *decode_entries(const char *p, const struct head *head, uint64_t *counts)
{
    uint64_t next = 0, left = head->total, gap, n = 0;
    for (bool first = true; *p; first = false) {
        if (!take_char(&p, ' ') || !take(&p, HIST_BUCKETS, &gap) || gap == 0)
            return "bad entry";
        n = 1;
        if (take_char(&p, ':') && (!take(&p, HIST_TOTAL_MAX, &n) || n < 2))
            return "bad count";
        uint64_t index = next + gap - 1;
        if (index >= HIST_BUCKETS)
            return "bucket out of range";
        if (n > left)
            return "more values than the total";
        if (first && index != hist_index(head->min_ns))
            return "first bucket is not that of the minimum";
        if (counts)
            counts[index] = n;
        left -= n;
        next = index + 1;
    }
    if (left > 0)
        return "fewer values than the total";
    if (head->total > 0 && next - 1 != hist_index(head->max_ns))
        return "last bucket is not that of the maximum";
    return head->clamped > n ? "more clamped values than the last bucket has" : NULL;
}

int hist_decode(const char *text, struct hist *ret, struct err *err)
{
    struct head head;
    const char *p = text;
    const char *wrong = strnlen(text, HIST_TEXT_MAX + 1) > HIST_TEXT_MAX ? "too long" : NULL;
    if (!wrong)
        wrong = decode_head(&p, &head);
    if (!wrong)
        wrong = decode_entries(p, &head, NULL);
    if (wrong)
        return err_set(err, ERR_MEASUREMENT, EBADMSG, "histogram: %s", wrong);
    hist_clear(ret);
    ret->total = head.total;
    ret->clamped = head.clamped;
    ret->min_ns = head.min_ns;
    ret->max_ns = head.max_ns;
    decode_entries(p, &head, ret->counts);
    return 0;
}

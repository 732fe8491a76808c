/* Latency histogram with three significant digits, the layout of HdrHistogram: values below 2048 ns
 * are exact, above that every power of two is cut into 1024 buckets, so a bucket is at most 0.1 %
 * wide. Range 0 ns to 2^42 ns (73 min); larger values are counted in the last bucket and in
 * `clamped`.
 *
 * Layer: wire (controller and probe share it). Ownership: the value holds its counts inline (264
 * KiB): allocate it, do not put it on the stack. Recording does not allocate. Source: Gil Tene,
 * HdrHistogram (hdrhistogram.org), bucket layout and corrected recording. */
#ifndef CUPEL_WIRE_HIST_H
#define CUPEL_WIRE_HIST_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define HIST_SUB_BITS 11 /* 2048 exact values */
#define HIST_MAX_BITS 42
#define HIST_BUCKETS                                                                               \
    ((1u << HIST_SUB_BITS) + (HIST_MAX_BITS - HIST_SUB_BITS) * (1u << (HIST_SUB_BITS - 1)))

struct hist {
    uint64_t total;   /* recorded values, clamped ones included */
    uint64_t clamped; /* above the range */
    uint64_t min_ns, max_ns;
    uint64_t counts[HIST_BUCKETS];
};

void hist_clear(struct hist *h);
void hist_record(struct hist *h, uint64_t ns);
void hist_record_n(struct hist *h, uint64_t ns, uint64_t n);
/* Also records ns - interval, ns - 2 interval, ... down to interval: what a closed loop with one
 * request every interval_ns would have seen (correction of coordinated omission). 0: as record.
 * Costs a step per bucket touched, not per value. */
void hist_record_corrected(struct hist *h, uint64_t ns, uint64_t interval_ns);
void hist_add(struct hist *to, const struct hist *from);
/* Smallest value v such that at least fraction q of all values are <= v's bucket; the bucket's
 * highest equivalent value, never above max_ns. 0 for an empty histogram. q in [0, 1].
 * Beyond the range (clamped values) it is the end of the range. */
uint64_t hist_quantile(const struct hist *h, double q);
/* From the middles of the buckets, as HdrHistogram does: within 0.05 %. 0 for an empty histogram.
 */
double hist_mean(const struct hist *h);

/* Index of the bucket of a value, and the lowest and highest value of a bucket. */
unsigned hist_index(uint64_t ns);
uint64_t hist_lowest(unsigned index);
uint64_t hist_highest(unsigned index);

/* Text form, sparse: "total clamped min max gap[:count] gap[:count] ...", one entry per bucket in
 * use, in rising order; gap is its index minus the index of the entry before (minus -1 for the
 * first), and a count of 1 is left out. There is one text for a histogram: no leading zeros, single
 * spaces. Decoding checks every bound (order, range, sums, where min and max lie) and is a fuzz
 * target; ret is untouched on failure (ERR_MEASUREMENT). A text of HIST_TEXT_MAX bytes still fits a
 * frame; an encoding longer than that (some ten thousand buckets in use) returns -EMSGSIZE. */
#define HIST_TEXT_MAX  49152
#define HIST_TOTAL_MAX (UINT64_C(1) << 50) /* of a text, so that sums of many cannot overflow */
int hist_encode(const struct hist *h, struct str *out, struct err *err);
int hist_decode(const char *text, struct hist *ret, struct err *err);

#endif

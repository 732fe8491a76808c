/* Scores as the benchmarks print them whose work the workloads of the paper suite do, so that
 * numbers can be laid beside published ones. Verdicts never use them.
 *
 * Layer: stats. Pure functions. NaN where the input gives no score: no value, a time or a rate that
 * is not positive.
 *
 *     score_unixbench_index(score_unixbench_rate(lps, 10))    // "System Call Overhead" */
#ifndef CUPEL_STATS_SCORE_H
#define CUPEL_STATS_SCORE_H

#include <stddef.h>

/* Blogbench's final score: blogs counted at each of n ticks, added up. It grows with the number of
 * ticks and their length. Source: process.c of Blogbench 1.1. */
double score_blogbench(const double *ticks, size_t n);
/* The same in blogs/s, which compares across lengths; interval_s is the time between ticks. */
double score_blogbench_per_second(const double *ticks, size_t n, double interval_s);

/* UnixBench's result of n passes, in executions/s: the worst third (3 of 10) is dropped, the rest's
 * geometric mean taken. Source: Run of UnixBench 5.1.3. */
double score_unixbench_rate(const double *rates, size_t n);
/* The index of its system-call test: the base system's 15000 executions/s are 10. Source:
 * pgms/index.base of UnixBench 5.1.3. */
double score_unixbench_index(double rate);

/* RAMspeed/SMP in 10^6 bytes/s: the bytes of all processes over the arithmetic mean of their n
 * times in ns. Source: ramsmp.c of RAMspeed/SMP 3.5.0. */
double score_ramspeed(double bytes, const double *times_ns, size_t n);

/* Floating-point operations that LINPACK counts for order n: 2/3 n^3 + 2 n^2 (HPL counts 3/2 n^2).
 */
double score_linpack_flops(double order);
/* 10^9 of them a second. */
double score_linpack_gflops(double order, double seconds);

#endif

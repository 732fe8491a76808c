/* A run with a gate, judged: which targets are worse than the base by more than the gate allows.
 *
 * Layer: analyse. Plain data, for any report and the exit status. Ownership: gate_release; the
 * analysis it was made from has to live as long. The rule is stats/gate.h, over all cells of all
 * targets but the base.
 *
 *     struct gate g = {0};
 *     analyse_gate(s, &a, &g, err);
 *     if (gate_verdict(&g) == GATE_FAILED) ... */
#ifndef CUPEL_ANALYSE_GATE_H
#define CUPEL_ANALYSE_GATE_H

#include "analyse/analyse.h"

/* The order is that of the reports. */
enum gate_state {
    GATE_BROKE,     /* it fails where the base works: always, or proven to fail more often */
    GATE_REGRESSED, /* proven to cost more than the gate allows */
    GATE_UNSURE,    /* neither that nor its contrary is shown */
    GATE_WITHIN, /* the whole interval lies under the gate, and nothing failed but with the base */
    GATE_UNCOMPARED, /* no block in which the base has a figure */
    GATE_EMULATED,   /* its CPU, or the base's, is emulated in software: it is not compared */
    GATE_STATES
};

struct gate_entry {
    const struct cell_result *result;
    enum gate_state state;
    double p, failure_p; /* adjusted by Holm; NAN: not tested */
    double provable;     /* the regression that would have been proven, power .8; INFINITY: none */
    size_t only_target, only_base; /* blocks in which just this one failed */
};

struct gate {
    double gate; /* as the plan has it: a fraction */
    size_t n;    /* entries: cells times targets without the base, worst first */
    struct gate_entry *entries;
    size_t count[GATE_STATES];
    size_t min_blocks; /* without so many nothing can be proven */
    double provable;   /* the largest of those compared: found in any of them; NAN: none compared */
};

enum gate_verdict { GATE_PASSED, GATE_FAILED, GATE_UNDECIDED };

/* The plan has to have a gate. */
int analyse_gate(struct store *s, const struct analysis *a, struct gate *ret, struct err *err);
void gate_release(struct gate *g);
/* Failed with any regression; undecided while one comparison is unsure, or none was made. */
enum gate_verdict gate_verdict(const struct gate *g);
/* Stable, as exported: "passed", "failed", "undecided"; "broke", "regressed", "unsure", "within",
 * "uncompared", "emulated-cpu". */
const char *gate_verdict_name(enum gate_verdict v);
const char *gate_state_name(enum gate_state s);

#endif

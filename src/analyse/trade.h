/* What a sandbox costs, what of the host it reaches, and what its tenant loses to a neighbour:
 * three kinds of figures of each target, beside each other and never made into one.
 *
 * Layer: analyse. Plain data, for any report. Ownership: trade_release; the analysis it was made
 * from has to live as long.
 *
 *     struct trade t = {0};
 *     analyse_trade(s, &a, &t, err);
 *     const struct trade_value *v = &t.rows[TRADE_MEMORY].values[target]; */
#ifndef CUPEL_ANALYSE_TRADE_H
#define CUPEL_ANALYSE_TRADE_H

#include "analyse/analyse.h"

enum trade_kind { TRADE_COST, TRADE_REACH, TRADE_LOSS, TRADE_KINDS };

enum trade_measure {
    /* Cost: geometric means over cells of the ratios to the base. */
    TRADE_CPU,
    TRADE_MEMORY,
    TRADE_STORAGE,
    TRADE_CALLS,
    TRADE_NETWORK,
    TRADE_APPS,
    TRADE_ALL, /* over all cells of work, as the composite of the whole run: starts are apart */
    TRADE_START,
    /* Reach: counts. */
    TRADE_MADE,       /* reach.host */
    TRADE_COULD,      /* calls that filters let through, payload's and sandbox's together */
    TRADE_ANSWERED,   /* reach.answered */
    TRADE_CAPS,       /* on the host, of any process */
    TRADE_NAMESPACES, /* of the host's, that any process is in */
    TRADE_PATHS,      /* of the host's, that any process reaches */
    /* Loss: factors, time beside a neighbour / without. */
    TRADE_LINPACK,      /* neighbour.slowdown */
    TRADE_LINPACK_SAME, /* neighbour.slowdown@same */
    TRADE_BESIDE,       /* geometric mean over beside.* but for beside.idle */
    TRADE_WORST,        /* the largest of those */
    TRADE_MEASURES
};

struct trade_value {
    bool has;
    struct estimate e;         /* counts that are not estimated: n = 0, value alone */
    enum verdict verdict;      /* of costs and losses, against 1 */
    bool at_least;             /* TRADE_COULD: of some processes it is not known */
    char which[CELL_NAME_MAX]; /* TRADE_WORST: the cell */
    /* The one cell behind it, if it is one; without a value: the first that should have been. */
    const struct cell_result *alone;
};

struct trade_row {
    size_t cells; /* that it is a figure of: the same ones on every target */
    size_t
        left_out; /* of the run's, since they failed or were not measured on one of the targets */
    size_t of;    /* counts: of how many; 0: not known */
    struct trade_value *values; /* one a target */
};

struct trade {
    size_t n_targets;
    bool has[TRADE_KINDS]; /* does the run have cells of that kind? */
    struct trade_row rows[TRADE_MEASURES];
};

/* The composites: log-ratios by block and cell (as analyse.h), a cell's Hodges-Lehmann estimate
 * over blocks, the mean over cells; its interval by drawing whole blocks (stats/boot.h). Below 6
 * blocks there is an estimate and no interval. Losses are the same with the log of the factor
 * instead. */
int analyse_trade(struct store *s, const struct analysis *a, struct trade *ret, struct err *err);
void trade_release(struct trade *t);

enum trade_kind trade_kind_of(enum trade_measure m);
/* Stable, for csv and json: "cost", "cpu", "host-calls-made". */
const char *trade_kind_name(enum trade_kind k);
const char *trade_measure_name(enum trade_measure m);
/* Has the run at least two of the three kinds? From its plan alone. */
bool trade_has_several(const struct analysis *a);

#endif

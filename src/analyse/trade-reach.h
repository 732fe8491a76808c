/* Layer: analyse, internal: what the facts of reach.* say, into a struct trade. */
#ifndef CUPEL_ANALYSE_TRADE_REACH_H
#define CUPEL_ANALYSE_TRADE_REACH_H

#include "analyse/trade.h"

/* The counts that are no cells of their own, of each target's first block (as `show --cell`), and
 * what the counts are of. TRADE_MADE and TRADE_ANSWERED are there already. */
int trade_reach(struct store *s, const struct analysis *a, struct trade *t, struct err *err);

#endif

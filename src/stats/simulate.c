#include "stats/simulate-parts.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"
#include "stats/describe.h"
#include "stats/dist.h"
#include "stats/rank.h"
#include "stats/signflip.h"

#include <errno.h>
#include <math.h>

static const double AR_PHI = 0.95, SWITCH = 0.05, LEVELS_APART = 5, DRIFT = 0.05;
static const double MODE_SHARE = 0.3, TAIL_SHARE = 0.05;

static const char *const noise_names[SIM_NOISE_COUNT] = {
    [SIM_LOGNORMAL] = "lognormal",  [SIM_AR] = "AR(.95) + iid",       [SIM_BIMODAL] = "bimodal",
    [SIM_HEAVY] = "5 % heavy tail", [SIM_REGIME] = "regime switches", [SIM_DRIFT] = "drift",
};

const char *sim_noise_name(enum sim_noise noise)
{
    return (unsigned)noise < SIM_NOISE_COUNT ? noise_names[noise] : "unknown";
}

/* In (0, 1), from the top 53 bits. */
static double uniform(struct rng *rng)
{
    return ((double)(rng_u64(rng) >> 11) + 0.5) * 0x1p-53;
}

static double normal(struct sim_source *s)
{
    double spare = s->spare;

    if (!isnan(spare)) {
        s->spare = NAN;
        return spare;
    }
    double radius = sqrt(-2 * log(uniform(&s->rng))), angle = 2 * M_PI * uniform(&s->rng);
    s->spare = radius * sin(angle);
    return radius * cos(angle);
}

void sim_source_init(struct sim_source *s, enum sim_noise noise, uint64_t seed, uint64_t stream)
{
    *s = (struct sim_source){.noise = noise, .spare = NAN};
    rng_stream(&s->rng, seed, (uint64_t)noise, stream);
    s->ar = normal(s);
    s->level = uniform(&s->rng) < 0.5 ? 0 : LEVELS_APART;
}

double sim_slot(struct sim_source *s)
{
    double y = normal(s);

    switch (s->noise) {
    case SIM_AR:
        s->ar = AR_PHI * s->ar + sqrt(1 - AR_PHI * AR_PHI) * normal(s);
        return y + s->ar;
    case SIM_BIMODAL:
        return y + (uniform(&s->rng) < MODE_SHARE ? LEVELS_APART : 0);
    case SIM_HEAVY:
        return y + (uniform(&s->rng) < TAIL_SHARE ? exp(2 + normal(s)) : 0);
    case SIM_REGIME:
        if (uniform(&s->rng) < SWITCH)
            s->level = LEVELS_APART - s->level;
        return y + s->level;
    case SIM_DRIFT:
        s->drift += DRIFT;
        return y + s->drift;
    default:
        return y;
    }
}

double sim_pair(struct sim_source *s, double effect)
{
    bool b_first = rng_u64(&s->rng) >> 63;
    double first = sim_slot(s), second = sim_slot(s);

    return (b_first ? first - second : second - first) + effect;
}

/* Least bound on a share that is to be at least p: what so many replicates may show by chance at
 * the 99 % point is allowed for, except from 2000 on, where the statement itself is the bar. */
static double lower_bound(double p, size_t replicates)
{
    if (replicates >= 2000)
        return p;
    return p - 2.33 * sqrt(p * (1 - p) / (double)replicates);
}

/* For shares whose true value is the bound itself, a bare bar would be a coin toss whatever the
 * number of replicates: the 99 % point is shared out among the kinds of noise. */
static double upper_bound(double p, size_t replicates)
{
    return dist_qbinom(1 - 0.01 / SIM_NOISE_COUNT, replicates, p) / (double)replicates;
}

void sim_row_finish(struct sim_row *row, size_t hits, double bound, bool at_least)
{
    row->value = (double)hits / (double)row->replicates;
    row->at_least = at_least;
    row->bound =
        at_least ? lower_bound(bound, row->replicates) : upper_bound(bound, row->replicates);
    row->pass = at_least ? row->value >= row->bound : row->value <= row->bound;
}

double *sim_pairs(enum sim_noise noise, size_t n, double effect, uint64_t seed, uint64_t stream,
                  double *d)
{
    struct sim_source s;

    sim_source_init(&s, noise, seed, stream);
    for (size_t i = 0; i < n; i++)
        d[i] = sim_pair(&s, effect);
    return d;
}

int sim_coverage(enum sim_noise noise, size_t n, double alpha, size_t replicates, uint64_t seed,
                 struct sim_row *ret, struct err *err)
{
    const double effect = 1; /* not 0, so that an interval stuck at 0 would be noticed */
    struct sim_row row = {"coverage", sim_noise_name(noise), n, .replicates = replicates,
                          .mean_blocks = (double)n};
    size_t q, hits = 0;
    double level;
    int r = rank_hl_cut(n, alpha, &q, &level, err);

    if (r < 0)
        return r;
    _cleanup_free_ double *d = xmalloc(n * sizeof(*d));
    for (size_t k = 0; k < replicates; k++) {
        struct rank_interval ci;
        rank_hl_at(sim_pairs(noise, n, effect, seed, k, d), n, q, level, &ci);
        hits += ci.lo <= effect && effect <= ci.hi;
    }
    sim_row_finish(&row, hits, 0.93, true);
    *ret = row;
    return 0;
}

int sim_looks(const struct stop_rule *rule, size_t max_blocks, struct sim_look *looks,
              size_t *ret_n, struct err *err)
{
    size_t n_looks = 0;
    int r = stop_rule_check(rule, err);

    for (size_t i = 0; r == 0 && i < rule->n_looks && rule->looks[i] < max_blocks; i++)
        looks[n_looks++].n = rule->looks[i];
    looks[n_looks++].n = max_blocks;
    for (size_t i = 0; r == 0 && i < n_looks; i++)
        r = rank_hl_cut(looks[i].n, rule->alpha_prime, &looks[i].q, &looks[i].level, err);
    *ret_n = n_looks;
    return r;
}

int sim_stopping(const struct stop_rule *rule, enum sim_noise noise, size_t max_blocks,
                 size_t replicates, uint64_t seed, struct sim_row *ret, struct err *err)
{
    const double effect = 1;
    struct sim_row row = {"stopping", sim_noise_name(noise), max_blocks, .replicates = replicates};
    struct sim_look looks[STOP_LOOKS_MAX + 1];
    size_t n_looks, hits = 0;
    int r = sim_looks(rule, max_blocks, looks, &n_looks, err);

    if (r < 0)
        return r;
    _cleanup_free_ double *d = xmalloc(max_blocks * sizeof(*d));
    for (size_t k = 0; k < replicates; k++) {
        struct rank_interval ci = {0};
        sim_pairs(noise, max_blocks, effect, seed, k, d);
        for (size_t i = 0; i < n_looks; i++) {
            rank_hl_at(d, looks[i].n, looks[i].q, looks[i].level, &ci);
            if ((ci.hi - ci.lo) / 2 <= rule->half_width)
                break;
        }
        hits += ci.lo <= effect && effect <= ci.hi;
        row.mean_blocks += (double)ci.n / (double)replicates;
    }
    sim_row_finish(&row, hits, 0.93, true);
    *ret = row;
    return 0;
}

int sim_typical_half_width(enum sim_noise noise, size_t n, double alpha, uint64_t seed, double *ret,
                           struct err *err)
{
    enum { DRAWS = 401 };
    double width[DRAWS], level;
    size_t q;
    int r = rank_hl_cut(n, alpha, &q, &level, err);

    if (r < 0)
        return r;
    _cleanup_free_ double *d = xmalloc(n * sizeof(*d));
    for (size_t k = 0; k < DRAWS; k++) {
        struct rank_interval ci;
        /* Streams from the far end: not those the judged replicates use. */
        rank_hl_at(sim_pairs(noise, n, 0, seed, UINT64_MAX - k, d), n, q, level, &ci);
        width[k] = (ci.hi - ci.lo) / 2;
    }
    *ret = describe_median(width, DRAWS);
    return 0;
}

int sim_detection(enum sim_noise noise, size_t n, double effect, double alpha, size_t replicates,
                  uint64_t seed, struct sim_row *ret, struct err *err)
{
    struct sim_row row = {effect == 0 ? "false alarms" : "power", sim_noise_name(noise), n,
                          .replicates = replicates, .mean_blocks = (double)n};
    _cleanup_free_ double *d = xmalloc(n * sizeof(*d));
    size_t hits = 0;

    for (size_t k = 0; k < replicates; k++) {
        struct signflip flip;
        int r = signflip_test(sim_pairs(noise, n, effect, seed, k, d), n, SIGNFLIP_SIGNED_RANK,
                              seed, &flip, err);
        if (r < 0)
            return r;
        hits += flip.p <= alpha;
    }
    if (effect == 0)
        sim_row_finish(&row, hits, alpha, false);
    else
        sim_row_finish(&row, hits, 0.8, true);
    *ret = row;
    return 0;
}

int sim_recorded(const double *y, size_t slots, size_t n, bool shuffled, size_t replicates,
                 uint64_t seed, struct sim_row *ret, struct err *err)
{
    struct sim_row row = {shuffled ? "false alarms" : "control: A always first", "recorded", n,
                          .replicates = replicates, .mean_blocks = (double)n};
    size_t hits = 0;

    if (n == 0 || slots < 4 * n)
        return err_set(err, ERR_USAGE, EINVAL, "%zu recorded values are too few for %zu blocks",
                       slots, n);
    _cleanup_free_ double *d = xmalloc(n * sizeof(*d));
    for (size_t k = 0; k < replicates; k++) {
        struct rng rng;
        struct signflip flip;
        rng_stream(&rng, seed, SIM_NOISE_COUNT, k);
        size_t start = rng_below(&rng, slots - 2 * n + 1);
        for (size_t i = 0; i < n; i++) {
            double step = y[start + 2 * i + 1] - y[start + 2 * i];
            d[i] = shuffled && rng_u64(&rng) >> 63 ? -step : step;
        }
        int r = signflip_test(d, n, SIGNFLIP_SIGNED_RANK, seed, &flip, err);
        if (r < 0)
            return r;
        hits += flip.p <= 0.05;
    }
    sim_row_finish(&row, hits, shuffled ? 0.05 : 0.15, !shuffled);
    *ret = row;
    return 0;
}

int sim_control_sequential(enum sim_noise noise, size_t n, size_t replicates, uint64_t seed,
                           struct sim_row *ret, struct err *err)
{
    struct sim_row row = {"control: all of A, then all of B", sim_noise_name(noise), n,
                          .replicates = replicates, .mean_blocks = (double)n};
    _cleanup_free_ double *y = xmalloc(2 * n * sizeof(*y));
    size_t alarms = 0;

    for (size_t k = 0; k < replicates; k++) {
        struct sim_source s;
        struct rank_test test;
        sim_source_init(&s, noise, seed, k);
        for (size_t i = 0; i < 2 * n; i++)
            y[i] = sim_slot(&s);
        int r = rank_sum_test(y, n, y + n, n, RANK_AUTO, &test, err);
        if (r < 0)
            return r;
        alarms += test.p_two <= 0.05;
    }
    sim_row_finish(&row, alarms, 0.15, true); /* three times what it claims */
    *ret = row;
    return 0;
}

int sim_control_correlated(size_t n, size_t replicates, uint64_t seed, struct sim_row *ret,
                           struct err *err)
{
    const double phi = 0.4;
    struct sim_row row = {"control: correlated differences", "phi .4", n, .replicates = replicates,
                          .mean_blocks = (double)n};
    size_t q, hits = 0;
    double level;
    int r = rank_hl_cut(n, 0.05, &q, &level, err);

    if (r < 0)
        return r;
    _cleanup_free_ double *d = xmalloc(n * sizeof(*d));
    for (size_t k = 0; k < replicates; k++) {
        struct sim_source s;
        struct rank_interval ci;
        sim_source_init(&s, SIM_LOGNORMAL, seed, k);
        double x = normal(&s);
        for (size_t i = 0; i < n; i++, x = phi * x + sqrt(1 - phi * phi) * normal(&s))
            d[i] = x;
        rank_hl_at(d, n, q, level, &ci);
        hits += ci.lo <= 0 && 0 <= ci.hi;
    }
    sim_row_finish(&row, hits, 0.88, false);
    *ret = row;
    return 0;
}

struct table {
    VEC(struct sim_row) rows;
    sim_row_done *done;
    void *user;
};

static void push(struct table *t, const struct sim_row *row)
{
    VEC_PUSH(&t->rows, *row);
    if (t->done)
        t->done(t->user, row, t->rows.n);
}

static int table_coverage(struct table *t, size_t replicates, uint64_t seed, struct err *err)
{
    static const size_t sizes[] = {8, 10, 15, 20, 30, 50};
    struct sim_row row;

    for (size_t k = 0; k < SIM_NOISE_COUNT; k++)
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            int r = sim_coverage((enum sim_noise)k, sizes[i], 0.05, replicates, seed, &row, err);
            if (r < 0)
                return r;
            push(t, &row);
        }
    return 0;
}

static int table_stopping(struct table *t, size_t replicates, uint64_t seed, struct err *err)
{
    /* Cells that stop about here under that budget: at the first looks, in the middle, hardly. */
    static const struct {
        size_t about, budget;
    } cells[] = {{8, 14}, {10, 60}, {18, 60}, {60, 60}};
    struct stop_rule rule = stop_rule_default(0.02);
    struct sim_row row;

    for (size_t k = 0; k < SIM_NOISE_COUNT; k++)
        for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
            enum sim_noise noise = (enum sim_noise)k;
            int r = sim_typical_half_width(noise, cells[i].about, rule.alpha_prime, seed,
                                           &rule.half_width, err);
            if (r == 0)
                r = sim_stopping(&rule, noise, cells[i].budget, replicates, seed, &row, err);
            if (r < 0)
                return r;
            push(t, &row);
        }
    return 0;
}

static int table_tests(struct table *t, size_t replicates, uint64_t seed, struct err *err)
{
    static const enum sim_noise correlated[] = {SIM_AR, SIM_REGIME, SIM_DRIFT};
    struct sim_row row;
    int r = 0;

    for (size_t k = 0; r == 0 && k < SIM_NOISE_COUNT; k++) {
        r = sim_detection((enum sim_noise)k, 15, 0, 0.05, replicates, seed, &row, err);
        if (r == 0)
            push(t, &row);
    }
    /* sd of a lognormal pair is sqrt(2): an effect of 1.5 at 15 blocks is found in 95 %. */
    if (r == 0)
        r = sim_detection(SIM_LOGNORMAL, 15, 1.5, 0.05, replicates, seed, &row, err);
    if (r == 0)
        push(t, &row);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(correlated); i++) {
        r = sim_control_sequential(correlated[i], 30, replicates, seed, &row, err);
        if (r == 0)
            push(t, &row);
    }
    if (r == 0)
        r = sim_control_correlated(30, replicates, seed, &row, err);
    if (r == 0)
        push(t, &row);
    return r;
}

/* Four cells at the very gate under every noise, and one of them 5 % slower against a gate of 2 %.
 */
static int table_gate(struct table *t, size_t replicates, uint64_t seed, struct err *err)
{
    struct sim_gate g = {.cells = 4, .gate = .02, .unit = .01, .max_blocks = 30};
    struct sim_row row;
    int r = 0;

    for (size_t k = 0; r == 0 && k < SIM_NOISE_COUNT; k++) {
        r = sim_gate(&g, (enum sim_noise)k, replicates, seed, &row, err);
        if (r == 0)
            push(t, &row);
    }
    g = (struct sim_gate){.cells = 4, .gate = .02, .unit = .02, .max_blocks = 15, .planted = .05};
    if (r == 0)
        r = sim_gate(&g, SIM_LOGNORMAL, replicates, seed, &row, err);
    if (r == 0)
        push(t, &row);
    return r;
}

int sim_table_run(size_t replicates, uint64_t seed, sim_row_done *done, void *user,
                  struct sim_table *ret, struct err *err)
{
    struct table t = {.rows = VEC_INIT, .done = done, .user = user};

    if (replicates < 100)
        return err_set(err, ERR_USAGE, EINVAL, "%zu replicates, at least 100 are needed",
                       replicates);
    int r = table_coverage(&t, replicates, seed, err);
    if (r == 0)
        r = table_stopping(&t, replicates, seed, err);
    if (r == 0)
        r = table_tests(&t, replicates, seed, err);
    if (r == 0)
        r = table_gate(&t, replicates, seed, err);
    if (r < 0) {
        VEC_RELEASE(&t.rows);
        return r;
    }
    bool pass = true;
    VEC_FOREACH (&t.rows, struct sim_row, row)
        pass = pass && row->pass;
    *ret = (struct sim_table){t.rows.v, t.rows.n, pass};
    return 0;
}

void sim_table_release(struct sim_table *t)
{
    free(t->row);
    *t = (struct sim_table){NULL, 0, false};
}

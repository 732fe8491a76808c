#include "synth.h"

#include <errno.h>

/* Every run here is made by hand: what analyse says of it is compared with what the test works out
 * itself, from the definitions, not with the functions that analyse calls. */

static const struct setup two = {.targets = {"host", "runc"}, .cells = {"sys.getpid"}};

/* One series on two targets, analysed. */
static struct cell_result judge(struct fixture *f, const struct setup *u, const double *x, size_t n)
{
    struct cell_result r;
    struct analysis a;
    struct synth y;

    synth_open(f, u, &y);
    put_series(&y, 0, x, n);
    analyse_and_close(&y, &a);
    r = *analysis_at(&a, 0, 1);
    assert_int_equal(a.n_blocks, n);
    analysis_release(&a);
    unlink(f->db);
    return r;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void block_value_is_the_median_within_rounds(void **state)
{
    const double base[] = {10, 20, 40, 80}, mine[] = {11, 22, 41, 160};
    struct analysis a;
    struct synth y;
    struct trial t;

    synth_open(*state, &two, &y);
    trial_begin(&t, 0, 0);
    struct part *p = part_begin(&t, 0);
    for (uint32_t r = 0; r < 4; r++)
        slice_add(p, r, base[r]);
    p = part_begin(&t, 1);
    for (uint32_t r = 4; r-- > 0;) /* stored in another order: rounds belong together, not places */
        slice_add(p, r, mine[r]);
    trial_keep(&y, &t);
    analyse_and_close(&y, &a);
    const struct cell_result *r = analysis_at(&a, 0, 1);
    /* Ratios 1.1, 1.1, 1.025, 2: the middle two are both 1.1. */
    assert_near(r->ratio.value, 1.1, 1e-6);
    assert_int_equal(r->ratio.n, 1);
    assert_near(r->absolute.value, (22 + 41) / 2.0, 1e-6);
    assert_near(analysis_at(&a, 0, 0)->absolute.value, 30, 1e-6);
    assert_true(isnan(r->ratio.lo) && isnan(r->ratio.hi));
    assert_true(r->flags & CELL_FLAG_TOO_FEW);
    assert_true(isnan(analysis_at(&a, 0, 0)->ratio.value));
    analysis_release(&a);
}

static void missing_rounds_are_left_out(void **state)
{
    struct analysis a;
    struct synth y;
    struct trial t;

    synth_open(*state, &two, &y);
    trial_begin(&t, 0, 0);
    struct part *p = part_begin(&t, 0); /* rounds 0, 1, 3 */
    slice_add(p, 0, 10);
    slice_add(p, 1, 10);
    slice_add(p, 3, 10);
    p = part_begin(&t, 1); /* rounds 1, 2, 3: only 1 and 3 are common */
    slice_add(p, 1, 20);
    slice_add(p, 2, 900);
    slice_add(p, 3, 40);
    trial_keep(&y, &t);
    trial_begin(&t, 1, 0); /* nothing in common */
    slice_add(part_begin(&t, 0), 0, 10);
    slice_add(part_begin(&t, 1), 1, 70);
    trial_keep(&y, &t);
    analyse_and_close(&y, &a);
    const struct cell_result *r = analysis_at(&a, 0, 1);
    assert_int_equal(r->ratio.n, 1);
    assert_near(log(r->ratio.value), (log(2) + log(4)) / 2, 1e-9);
    assert_int_equal(r->absolute.n, 2);
    assert_near(r->absolute.value, (40 + 70) / 2.0, 1e-6);
    analysis_release(&a);
}

/* Walsh averages of x, sorted; w holds n(n+1)/2. */
static void walsh(const double *x, size_t n, double *w)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            w[m++] = (x[i] + x[j]) / 2;
    qsort(w, m, sizeof(*w), compare_double);
}

static void ratio_is_hodges_lehmann_with_its_exact_interval(void **state)
{
    const double x[8] = {.031, -.012, .054, .002, .077, .019, -.008, .041};
    struct setup fixed = two;
    double w[36];

    walsh(x, 8, w);
    /* A fixed number of blocks: alpha .05. P(V <= 3) = 5/256 <= .025 < P(V <= 4) = 7/256, so the
     * interval goes from the 4th to the 33rd average at level 1 - 10/256. */
    fixed.repeats = 8;
    struct cell_result r = judge(*state, &fixed, x, 8);
    assert_near(log(r.ratio.value), (w[17] + w[18]) / 2, 1e-7);
    assert_near(log(r.ratio.lo), w[3], 1e-7);
    assert_near(log(r.ratio.hi), w[32], 1e-7);
    assert_near(r.ratio.level, 1 - 10 / 256.0, 1e-12);
    assert_int_equal(r.ratio.n, 8);
    /* The stopping rule may look early and pays with alpha .03: P(V <= 2) = 3/256 <= .015 <
     * P(V <= 3), so the 3rd to the 34th. */
    r = judge(*state, &two, x, 8);
    assert_near(log(r.ratio.lo), w[2], 1e-7);
    assert_near(log(r.ratio.hi), w[33], 1e-7);
    assert_near(r.ratio.level, 1 - 6 / 256.0, 1e-12);
}

static void absolute_values_cpu_and_busy(void **state)
{
    const double x[4] = {0, log(2), log(3), log(6)}; /* 100, 200, 300, 600 ns */
    struct cell_result r = judge(*state, &two, x, 4);

    assert_near(r.absolute.value, 250, 1e-4);
    assert_near(r.cpu.value, 375, 1e-4);
    assert_near(r.cpus_busy, 1.5, 1e-6);
    assert_near(r.mean_ns, 300, 1e-4);
    assert_near(r.variance_ns, (200 * 200 + 100 * 100 + 0 + 300 * 300) / 3.0, 1);
    assert_near(r.base_mean_ns, 100, 1e-6);
}

static void unknown_cpu_time_stays_unknown(void **state)
{
    struct analysis a;
    struct synth y;
    struct trial t;

    synth_open(*state, &two, &y);
    trial_begin(&t, 0, 0);
    part_ok(&t, 0, 100);
    struct part *p = part_ok(&t, 1, 100);
    VEC_FOREACH (&p->samples, struct sample, s)
        s->cpu_ns = UINT64_MAX;
    trial_keep(&y, &t);
    analyse_and_close(&y, &a);
    assert_true(isnan(analysis_at(&a, 0, 1)->cpu.value));
    assert_true(isnan(analysis_at(&a, 0, 1)->cpus_busy));
    assert_near(analysis_at(&a, 0, 0)->cpu.value, 150, 1e-6);
    analysis_release(&a);
}

static void the_papers_formula_and_the_signed_form(void **state)
{
    const double twice[3] = {log(2), log(2), log(2)}, half[3] = {-log(2), -log(2), -log(2)};
    struct cell_result r = judge(*state, &two, twice, 3);

    /* Performance 1/200 against 1/100: half is lost. */
    assert_near(r.overhead, .5, 1e-6);
    assert_near(r.degradation, .5, 1e-6);
    r = judge(*state, &two, half, 3);
    /* 1/50 against 1/100: twice as good; the paper's form loses the sign. */
    assert_near(r.overhead, 1, 1e-6);
    assert_near(r.degradation, -1, 1e-6);
}

static void means_are_compared_over_the_same_blocks(void **state)
{
    struct analysis a;
    struct synth y;
    struct trial t;

    synth_open(*state, &two, &y);
    for (uint32_t b = 0; b < 4; b++) {
        trial_begin(&t, b, 0);
        part_ok(&t, 0, b < 2 ? 100 : 400); /* the machine got slower after runc had dropped out */
        if (b < 2)
            part_ok(&t, 1, 100);
        trial_keep(&y, &t);
    }
    analyse_and_close(&y, &a);
    assert_near(analysis_at(&a, 0, 1)->base_mean_ns, 100, 1e-6);
    assert_near(analysis_at(&a, 0, 1)->degradation, 0, 1e-6);
    assert_near(analysis_at(&a, 0, 0)->mean_ns, 250, 1e-6);
    analysis_release(&a);
}

/* 8 blocks at ratio exp(x); target 1 fails in the first `failed`. */
static struct cell_result judge_failing(struct fixture *f, double x, uint32_t failed)
{
    struct cell_result r;
    struct analysis a;
    struct synth y;

    synth_open(f, &two, &y);
    for (uint32_t b = 0; b < 16; b++) {
        struct trial t;

        trial_begin(&t, b, 0);
        part_ok(&t, 0, 100);
        if (b < failed)
            part_fail(&t, 1, b ? ERR_MEASUREMENT : ERR_TIMEOUT, b ? "later" : "first, of 20 s");
        else
            part_ok(&t, 1, 100 * exp(x));
        trial_keep(&y, &t);
    }
    analyse_and_close(&y, &a);
    r = *analysis_at(&a, 0, 1);
    analysis_release(&a);
    unlink(f->db);
    return r;
}

static double choose(unsigned n, unsigned k)
{
    double c = 1;

    for (unsigned i = 0; i < k; i++)
        c = c * (n - i) / (i + 1);
    return c;
}

/* P(X <= k) of a binomial. */
static double binomial(unsigned k, unsigned n, double p)
{
    double sum = 0;

    for (unsigned i = 0; i <= k; i++)
        sum += choose(n, i) * pow(p, i) * pow(1 - p, n - i);
    return sum;
}

static void failures_have_a_kind_and_a_rate(void **state)
{
    struct cell_result r = judge_failing(*state, log(1.5), 3);

    assert_int_equal(r.status, CELL_SOME_FAILED);
    assert_int_equal(r.tried, 16);
    assert_int_equal(r.failed, 3);
    assert_int_equal(r.fail_kind, ERR_TIMEOUT);
    assert_string_equal(r.fail_text, "first, of 20 s");
    /* Clopper and Pearson: the rates under which so many or so few have a probability of 2.5 %. */
    assert_near(1 - binomial(2, 16, r.failure_lo), .025, 1e-9);
    assert_near(binomial(3, 16, r.failure_hi), .025, 1e-9);
    assert_int_equal(r.verdict, VERDICT_SLOWER);
    assert_int_equal(r.ratio.n, 13);

    r = judge_failing(*state, 0, 16);
    assert_int_equal(r.status, CELL_FAILED);
    assert_near(r.failure_lo, pow(.025, 1 / 16.0), 1e-9);
    assert_near(r.failure_hi, 1, 0);
    assert_true(isnan(r.ratio.value) && isnan(r.absolute.value) && isnan(r.mean_ns));
    assert_int_equal(r.verdict, VERDICT_INCONCLUSIVE);
    assert_false(r.precise);

    r = judge_failing(*state, 0, 0);
    assert_int_equal(r.status, CELL_OK);
    assert_near(r.failure_hi, 1 - pow(.025, 1 / 16.0), 1e-9);
}

static void a_target_with_a_failure_is_never_faster(void **state)
{
    assert_int_equal(judge_failing(*state, log(.5), 0).verdict, VERDICT_FASTER);
    assert_int_equal(judge_failing(*state, log(.5), 1).verdict, VERDICT_INCONCLUSIVE);
}

static void nothing_done_is_a_failure(void **state)
{
    struct analysis a;
    struct synth y;
    struct trial t;

    synth_open(*state, &two, &y);
    trial_begin(&t, 0, 0);
    part_ok(&t, 0, 100);
    struct part *p = part_ok(&t, 1, 100);
    VEC_FOREACH (&p->samples, struct sample, s)
        s->ops = 0;
    trial_keep(&y, &t);
    trial_begin(&t, 1, 0);
    part_ok(&t, 0, 100);
    p = part_ok(&t, 1, 200); /* one empty slice among good ones is left out */
    p->samples.v[0].ops = 0;
    trial_keep(&y, &t);
    trial_begin(&t, 2, 0);
    part_ok(&t, 0, 100);
    part_begin(&t, 1);
    trial_keep(&y, &t);
    trial_begin(&t, 3, 0);
    part_ok(&t, 0, 100);
    p = part_ok(&t, 1, 200); /* work in no time is no measurement either */
    VEC_FOREACH (&p->samples, struct sample, s)
        s->ns = 0;
    trial_keep(&y, &t);
    analyse_and_close(&y, &a);
    const struct cell_result *r = analysis_at(&a, 0, 1);
    assert_int_equal(r->tried, 4);
    assert_int_equal(r->failed, 3);
    assert_int_equal(r->status, CELL_SOME_FAILED);
    assert_int_equal(r->fail_kind, ERR_MEASUREMENT);
    assert_true(r->fail_text[0]);
    assert_near(r->ratio.value, 2, 1e-6);
    assert_near(r->absolute.value, 200, 1e-6);
    analysis_release(&a);
}

static void a_target_that_never_ran_says_why(void **state)
{
    const double x[2] = {0, 0};
    struct setup u = {.targets = {"host", "runc", "crun", "oci:/x/y"},
                      .cells = {"sys.getpid"},
                      .unusable = {false, false, true, true},
                      .info = {NULL, NULL, "{\"reason\":\"timed out at start after 10 s\"}", NULL}};
    struct analysis a;
    struct synth y;

    synth_open(*state, &u, &y);
    put_series(&y, 0, x, 2);
    analyse_and_close(&y, &a);
    assert_string_equal(a.target_reason[0], "");
    assert_string_equal(a.target_reason[1], "");
    assert_string_equal(a.target_reason[2], "timed out at start after 10 s");
    assert_true(a.target_reason[3][0]);
    assert_int_equal(analysis_at(&a, 0, 2)->status, CELL_NOT_MEASURED);
    assert_int_equal(analysis_at(&a, 0, 2)->tried, 0);
    assert_true(isnan(analysis_at(&a, 0, 2)->failure_lo));
    assert_false(a.targets[2].usable);
    assert_true(isnan(a.geomean[2].value));
    analysis_release(&a);
}

static void verdicts(void **state)
{
    static const struct {
        double centre, step;
        enum verdict want;
    } cases[] = {
        {.1, .001, VERDICT_SLOWER},         {-.1, .001, VERDICT_FASTER},
        {0, .001, VERDICT_EQUIVALENT},      {.010, .0005, VERDICT_SMALL},
        {-.010, .0005, VERDICT_SMALL},      {.01, .02, VERDICT_INCONCLUSIVE},
        {.021, .001, VERDICT_INCONCLUSIVE},
    };

    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        double x[9];
        for (int i = 0; i < 9; i++)
            x[i] = cases[k].centre + (i - 4) * cases[k].step * (i % 2 ? 1 : -1);
        struct cell_result r = judge(*state, &two, x, 9);
        if (r.verdict != cases[k].want)
            fail_msg("case %zu: %s, not %s", k, verdict_name(r.verdict),
                     verdict_name(cases[k].want));
    }
}

static void precise_at_looks_only(void **state)
{
    /* The looks are at 7 to 16, then 18, 20 ...; 6 blocks allow no interval at alpha .03. */
    static const struct {
        size_t n;
        bool want;
    } cases[] = {{6, false}, {7, true}, {16, true}, {17, false}, {18, true}, {19, false}};
    struct setup coarse = two;
    double x[19], wide[8];

    for (int i = 0; i < 19; i++)
        x[i] = (i % 3 - 1) * .001;
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++)
        assert_int_equal(judge(*state, &two, x, cases[k].n).precise, cases[k].want);
    for (int i = 0; i < 8; i++)
        wide[i] = (i - 4) * .02;
    assert_false(judge(*state, &two, wide, 8).precise);
    coarse.precision = .10;
    assert_true(judge(*state, &coarse, wide, 8).precise);
}

static void flag_not_steady(void **state)
{
    double x[12];

    for (int i = 0; i < 12; i++)
        x[i] = (i < 4 ? .10 : 0) + (i % 3) * .001;
    assert_true(judge(*state, &two, x, 12).flags & CELL_FLAG_NOT_STEADY);
    for (int i = 0; i < 12; i++)
        x[i] = (i % 3) * .001;
    assert_int_equal(judge(*state, &two, x, 12).flags, 0);
}

static void flag_autocorrelated(void **state)
{
    double x[20], m = 0, top = 0, bottom = 0;

    for (int i = 0; i < 20; i++)
        m += (x[i] = .02 * sin(i * .4)) / 20;
    for (int i = 0; i < 20; i++) {
        bottom += (x[i] - m) * (x[i] - m);
        top += i < 19 ? (x[i] - m) * (x[i + 1] - m) : 0;
    }
    struct cell_result r = judge(*state, &two, x, 20);
    assert_near(r.r1, top / bottom, 1e-4);
    assert_true(r.flags & CELL_FLAG_AUTOCORRELATED);
    for (int i = 0; i < 20; i++) /* the other sign makes intervals too wide, not too narrow */
        x[i] = i % 2 ? .02 : -.02;
    assert_false(judge(*state, &two, x, 20).flags & CELL_FLAG_AUTOCORRELATED);
}

static void flag_asymmetric(void **state)
{
    double x[30];

    /* A second mode far away: the mean follows it, the median does not. */
    for (int i = 0; i < 30; i++)
        x[i] = i % 10 == 9 ? 1 + i * .0001 : i * .0001;
    assert_true(judge(*state, &two, x, 30).flags & CELL_FLAG_ASYMMETRIC);
}

/* Flags of the cell when `bad` of 10 blocks drift and `noisy` have a covariate over its threshold.
 */
static unsigned quality(struct fixture *f, uint32_t bad, double drift, uint32_t noisy,
                        const struct covariates *v)
{
    struct analysis a;
    struct synth y;
    unsigned flags;

    synth_open(f, &two, &y);
    for (uint32_t b = 0; b < 10; b++) {
        struct trial t;

        trial_begin(&t, b, 0);
        part_ok(&t, 0, 100);
        part_ok(&t, 1, 100 + (b % 3) * .01)->clock_drift = b < bad ? drift : .001;
        if (b < noisy)
            t.covariates = *v;
        trial_keep(&y, &t);
    }
    analyse_and_close(&y, &a);
    flags = analysis_at(&a, 0, 1)->flags;
    assert_false(analysis_at(&a, 0, 0)->flags & CELL_FLAG_DRIFT);
    analysis_release(&a);
    unlink(f->db);
    return flags;
}

static void flags_of_drift_and_noise(void **state)
{
    struct covariates quiet = {.others_cpu_ns = 40000000, .steal = .009};
    struct covariates steal = {.others_cpu_ns = UINT64_MAX, .steal = .011};
    struct covariates others = {.others_cpu_ns = 60000000}; /* of 500 ms: .12 CPUs */
    struct covariates swap = {.others_cpu_ns = UINT64_MAX, .swap_pages = 1};

    assert_int_equal(quality(*state, 6, .02, 0, NULL), CELL_FLAG_DRIFT);
    assert_int_equal(quality(*state, 6, -.02, 0, NULL), CELL_FLAG_DRIFT);
    assert_int_equal(quality(*state, 5, .02, 0, NULL), 0);
    assert_int_equal(quality(*state, 10, .0099, 0, NULL), 0);
    assert_int_equal(quality(*state, 10, (double)NAN, 0, NULL), 0);
    assert_int_equal(quality(*state, 0, 0, 10, &quiet), 0);
    assert_int_equal(quality(*state, 0, 0, 1, &steal), 0); /* a tenth, not more */
    assert_int_equal(quality(*state, 0, 0, 2, &steal), CELL_FLAG_NOISY_ENV);
    assert_int_equal(quality(*state, 0, 0, 2, &others), CELL_FLAG_NOISY_ENV);
    assert_int_equal(quality(*state, 0, 0, 2, &swap), CELL_FLAG_NOISY_ENV);
}

static char *hist_of(uint64_t n, uint64_t first, uint64_t step)
{
    struct hist *h = xcalloc(1, sizeof(*h));
    struct str text = STR_INIT;

    for (uint64_t i = 0; i < n; i++)
        hist_record(h, first + i * step);
    assert_ok(hist_encode(h, &text, err));
    free(h);
    return str_take(&text);
}

static char *hist_text(uint64_t first, uint64_t step)
{
    return hist_of(100, first, step);
}

static void latencies_are_medians_of_quantiles(void **state)
{
    static const uint64_t first[] = {100, 700, 300};
    struct analysis a;
    struct synth y;

    synth_open(*state, &two, &y);
    for (uint32_t b = 0; b < 4; b++) {
        struct trial t;

        trial_begin(&t, b, 0);
        part_ok(&t, 0, 100);
        struct part *p = part_ok(&t, 1, 100);
        if (b < 3) /* the last block timed nothing */
            p->hist = hist_text(first[b], b == 1 ? 1 : 10);
        trial_keep(&y, &t);
    }
    analyse_and_close(&y, &a);
    const struct cell_result *r = analysis_at(&a, 0, 1);
    /* The 50th, 90th and 99th of 100 values, all below 2048 and so exact:
     * 590, 749, 790 · 990, 789, 1190 · 1080, 798, 1280. */
    assert_int_equal(r->p50_ns, 749);
    assert_int_equal(r->p90_ns, 990);
    assert_int_equal(r->p99_ns, 1080);
    assert_int_equal(r->latency_n, 300);
    assert_int_equal(analysis_at(&a, 0, 0)->p50_ns, 0);
    analysis_release(&a);
}

/* A thousandth of fewer than a thousand is none: such blocks say nothing of it. */
static void the_last_thousandth_needs_a_thousand(void **state)
{
    static const uint64_t n[] = {1000, 999, 1000};
    static const uint64_t first[] = {1, 500, 101};
    struct analysis a;
    struct synth y;

    synth_open(*state, &two, &y);
    for (uint32_t b = 0; b < 3; b++) {
        struct trial t;

        trial_begin(&t, b, 0);
        part_ok(&t, 0, 100)->hist = hist_of(999, 1, 1);
        part_ok(&t, 1, 100)->hist = hist_of(n[b], first[b], 1);
        trial_keep(&y, &t);
    }
    analyse_and_close(&y, &a);
    assert_int_equal(analysis_at(&a, 0, 1)->p999_ns, (999 + 1099) / 2);
    assert_int_equal(analysis_at(&a, 0, 1)->latency_n, 2999);
    assert_int_equal(analysis_at(&a, 0, 0)->p999_ns, 0);
    assert_int_equal(analysis_at(&a, 0, 0)->p99_ns, 990);
    analysis_release(&a);
}

static void without_a_base_cells_are_judged_by_themselves(void **state)
{
    struct analysis a;
    struct synth y;

    synth_open(*state, &two, &y);
    for (uint32_t b = 0; b < 7; b++) {
        struct trial t;

        trial_begin(&t, b, 0);
        part_fail(&t, 0, ERR_UNSUPPORTED, "no such call");
        part_ok(&t, 1, 100 + (b % 3) * .1);
        trial_keep(&y, &t);
    }
    analyse_and_close(&y, &a);
    const struct cell_result *r = analysis_at(&a, 0, 1);
    assert_int_equal(r->ratio.n, 0);
    assert_true(isnan(r->ratio.value) && isnan(r->overhead) && isnan(r->sign_flip_p));
    assert_near(r->absolute.value, 100.1, 1e-6);
    assert_int_equal(r->verdict, VERDICT_INCONCLUSIVE);
    assert_true(r->precise);
    assert_int_equal(analysis_at(&a, 0, 0)->status, CELL_FAILED);
    assert_true(isnan(a.noise_floor));
    analysis_release(&a);
}

static void a_single_target(void **state)
{
    struct setup u = {.targets = {"runc"}, .cells = {"sys.getpid", "clock.gettime"}};
    struct analysis a;
    struct synth y;

    synth_open(*state, &u, &y);
    for (uint32_t b = 0; b < 8; b++) {
        struct trial t;

        trial_begin(&t, b, 0);
        part_ok(&t, 0, 100 + b % 2);
        trial_keep(&y, &t);
        trial_begin(&t, b, 1);
        part_ok(&t, 0, 100 + 50 * (b % 2));
        trial_keep(&y, &t);
    }
    analyse_and_close(&y, &a);
    const struct cell_result *r = analysis_at(&a, 0, 0);
    assert_true(r->is_base && r->precise);
    assert_near(r->absolute.value, 100.5, 1e-6);
    assert_true(isnan(r->ratio.value) && isnan(r->adjusted_p));
    assert_false(analysis_at(&a, 1, 0)->precise);
    analysis_release(&a);
}

static void composites(void **state)
{
    struct setup u = {.targets = {"host", "runc", "crun"},
                      .cells = {"sys.getpid", "clock.gettime", "mm.mmap"}};
    struct analysis a;
    struct synth y;

    for (uint32_t blocks = 5; blocks <= 8; blocks += 3) {
        synth_open(*state, &u, &y);
        for (uint32_t b = 0; b < blocks; b++) {
            for (uint32_t c = 0; c < 3; c++) {
                struct trial t;

                trial_begin(&t, b, c);
                part_ok(&t, 0, 100);
                part_ok(&t, 1, c == 0 ? 110 : c == 1 ? 120 : 400);
                if (c == 2) /* crun has no ratio in one cell: its mean is over the others */
                    part_fail(&t, 2, ERR_MEASUREMENT, "no");
                else
                    part_ok(&t, 2, c == 0 ? 200 : 50);
                trial_keep(&y, &t);
            }
        }
        assert_ok(analyse_progress(y.s, y.run, &a, err));
        assert_true(isnan(a.geomean[1].value) || a.geomean[1].n == 0);
        analysis_release(&a);
        analyse_and_close(&y, &a);
        if (blocks == 5) {
            assert_true(isnan(a.geomean[1].value));
        } else {
            assert_near(a.geomean[1].value, cbrt(1.1 * 1.2 * 4), 1e-6);
            assert_near(a.geomean[1].lo, a.geomean[1].value, 1e-6);
            assert_near(a.geomean[1].hi, a.geomean[1].value, 1e-6);
            assert_near(a.geomean[2].value, 1, 1e-6);
            assert_int_equal(a.geomean[1].n, 8);
        }
        assert_true(isnan(a.geomean[0].value));
        analysis_release(&a);
        unlink(((struct fixture *)*state)->db);
    }
}

/* Starts and counts are not averaged with work; where there is nothing else, they are. */
static void composites_are_of_work(void **state)
{
    static const struct {
        const char *cells[4];
        double wanted;
    } runs[] = {
        {{"sys.getpid", "life.start", "reach.answered"}, 1.1},
        {{"life.start", "life.destroy", "reach.answered"}, 2.2}, /* cbrt(1.1 * 2.2 * 4.4) */
    };

    for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
        struct setup u = {.targets = {"host", "runc"}};
        struct analysis a;
        struct synth y;

        memcpy(u.cells, runs[i].cells, sizeof(u.cells));
        synth_open(*state, &u, &y);
        assert_int_equal(y.n_targets, 2);
        for (uint32_t b = 0; b < 8; b++) {
            for (uint32_t c = 0; c < 3; c++) {
                struct trial t;

                trial_begin(&t, b, c);
                part_ok(&t, 0, 100);
                part_ok(&t, 1, 110 << c);
                trial_keep(&y, &t);
            }
        }
        analyse_and_close(&y, &a);
        assert_int_equal(a.n_cells, 3);
        assert_near(a.geomean[1].value, runs[i].wanted, 1e-6);
        assert_true(analysis_in_composite(&a, 0));
        assert_int_equal(analysis_in_composite(&a, 2), i == 1);
        analysis_release(&a);
        unlink(((struct fixture *)*state)->db);
    }
}

/* Both targets' blocks of a cell from one reading, as from two. */
static void all_series_at_once(void **state)
{
    struct setup u = {.targets = {"host", "runc"}, .cells = {"sys.getpid"}};
    struct cell_series both[2], one;
    struct analysis a;
    struct synth y;

    synth_open(*state, &u, &y);
    for (uint32_t b = 0; b < 3; b++) {
        struct trial t;

        trial_begin(&t, b, 0);
        part_ok(&t, 0, 100 + b);
        if (b == 1)
            part_fail(&t, 1, ERR_MEASUREMENT, "no");
        else
            part_ok(&t, 1, 200 + b);
        trial_keep(&y, &t);
    }
    assert_ok(analyse_run(y.s, y.run, &a, err));
    assert_ok(analyse_series_all(y.s, &a, 0, both, err));
    for (uint32_t t = 0; t < 2; t++) {
        assert_ok(analyse_series(y.s, y.run, 0, t, &one, err));
        assert_int_equal(both[t].n, t == 0 ? 3 : 2);
        assert_int_equal(one.n, both[t].n);
        assert_memory_equal(one.block, both[t].block, one.n * sizeof(*one.block));
        assert_memory_equal(one.ns_per_op, both[t].ns_per_op, one.n * sizeof(double));
        for (size_t i = 0; i < one.n; i++)
            assert_true(t == 0 ? isnan(both[t].log_ratio[i])
                               : one.log_ratio[i] == both[t].log_ratio[i]);
        cell_series_release(&one);
        cell_series_release(&both[t]);
    }
    analysis_release(&a);
    store_close(y.s);
}

/* Sample standard deviation. */
/* Two that worked in a block each: few draws of blocks have both. That costs the target its mean,
 * and not the whole run its table. */
static void cells_that_hardly_ever_worked_leave_no_mean(void **state)
{
    struct setup u = {.targets = {"host", "runc"},
                      .cells = {"sys.getpid", "clock.gettime", "mm.mmap"}};
    struct analysis a;
    struct synth y;

    synth_open(*state, &u, &y);
    for (uint32_t b = 0; b < 12; b++) {
        for (uint32_t c = 0; c < 3; c++) {
            struct trial t;

            trial_begin(&t, b, c);
            part_ok(&t, 0, 100);
            if (c > 0 && b != c)
                part_fail(&t, 1, ERR_TIMEOUT, "no");
            else
                part_ok(&t, 1, 110);
            trial_keep(&y, &t);
        }
    }
    analyse_and_close(&y, &a);
    assert_near(analysis_at(&a, 0, 1)->ratio.value, 1.1, 1e-6);
    assert_int_equal(analysis_at(&a, 1, 1)->failed, 11);
    assert_true(isnan(a.geomean[1].value));
    analysis_release(&a);
}

static double spread(const double *x, size_t n)
{
    double m = 0, s = 0;

    for (size_t i = 0; i < n; i++)
        m += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        s += (x[i] - m) * (x[i] - m);
    return sqrt(s / (double)(n - 1));
}

static void noise_floor_and_many_comparisons(void **state)
{
    struct setup u = {.targets = {"host", "runc"}, .cells = {"sys.getpid", "clock.gettime"}};
    const double sure[8] = {.10, .11, .12, .09, .13, .10, .14, .08};
    const double mixed[8] = {.010, -.020, .030, -.040, .050, -.060, .070, .080};
    const double z = 1.9599639845400545 + .8416212335729143; /* .975 and .8 of the normal */
    double one, other, p_sure, p_mixed;
    int as_far = 0;
    struct analysis a;
    struct synth y;

    synth_open(*state, &u, &y);
    put_series(&y, 0, sure, 8);
    put_series(&y, 1, mixed, 8);
    analyse_and_close(&y, &a);
    one = z * spread(sure, 8) * sqrt(M_PI / 24);
    other = z * spread(mixed, 8) * sqrt(M_PI / 24);
    assert_near(a.noise_floor, expm1((one + other) / 2), 1e-6);
    /* All eight differences on one side: 2 of 256 flips are as far out. The other has the ranks
     * 1 .. 8 with 2, 4 and 6 negative: T+ = 24, 6 above its centre. */
    p_sure = 2 / 256.0;
    for (unsigned flips = 0; flips < 256; flips++) {
        int t = 0;
        for (int i = 0; i < 8; i++)
            t += flips >> i & 1 ? i + 1 : 0;
        as_far += abs(t - 18) >= 6;
    }
    p_mixed = as_far / 256.0;
    assert_near(analysis_at(&a, 0, 1)->sign_flip_p, p_sure, 1e-12);
    assert_near(analysis_at(&a, 1, 1)->sign_flip_p, p_mixed, 1e-12);
    /* Holm over the two, after paying .05/.03 for the early looks. */
    assert_near(analysis_at(&a, 0, 1)->adjusted_p, 2 * p_sure * 5 / 3, 1e-9);
    assert_near(analysis_at(&a, 1, 1)->adjusted_p, fmin(1, p_mixed * 5 / 3), 1e-9);
    assert_true(isnan(analysis_at(&a, 0, 0)->adjusted_p));
    analysis_release(&a);
}

static void the_series_is_what_the_ratios_come_from(void **state)
{
    const double x[8] = {.031, -.012, .054, .002, .077, .019, -.008, .041};
    struct cell_series c, base;
    struct analysis a;
    double w[36];
    struct synth y;

    synth_open(*state, &two, &y);
    put_series(&y, 0, x, 8);
    assert_ok(analyse_series(y.s, y.run, 0, 1, &c, err));
    assert_ok(analyse_series(y.s, y.run, 0, 0, &base, err));
    analyse_and_close(&y, &a);
    assert_int_equal(c.n, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(c.block[i], i);
        assert_near(c.log_ratio[i], x[i], 1e-7);
        assert_near(c.ns_per_op[i], 100 * exp(x[i]), 1e-5);
        assert_near(c.cpu_per_op[i], 150 * exp(x[i]), 1e-5);
        assert_true(isnan(base.log_ratio[i]));
    }
    walsh(c.log_ratio, 8, w);
    assert_near(log(analysis_at(&a, 0, 1)->ratio.value), (w[17] + w[18]) / 2, 1e-12);
    cell_series_release(&c);
    cell_series_release(&base);
    analysis_release(&a);
}

static void an_empty_run_and_one_that_is_not_there(void **state)
{
    struct analysis a;
    struct synth y;

    synth_open(*state, &two, &y);
    assert_fails(analyse_run(y.s, 99, &a, err), ENOENT, "99");
    analyse_and_close(&y, &a);
    assert_int_equal(a.n_blocks, 0);
    assert_int_equal(analysis_at(&a, 0, 1)->status, CELL_NOT_MEASURED);
    assert_true(isnan(a.noise_floor));
    analysis_release(&a);
}

static void memory_is_the_highest_and_warnings_come_along(void **state)
{
    struct warning w = {.kind = WARN_STEAL, .block = 1, .target = -1, .cell = 0, .value = .5};
    struct analysis a;
    struct synth y;

    synth_open(*state, &two, &y);
    for (uint32_t b = 0; b < 3; b++) {
        struct trial t;

        trial_begin(&t, b, 0);
        part_ok(&t, 0, 100);
        part_ok(&t, 1, 100)->peak_memory_bytes = b == 1 ? 9000 : 5000;
        trial_keep(&y, &t);
    }
    str_copy(w.text, sizeof(w.text), "stolen");
    assert_ok(store_warning(y.s, y.run, &w, err));
    analyse_and_close(&y, &a);
    assert_int_equal(analysis_at(&a, 0, 1)->peak_memory_bytes, 9000);
    assert_int_equal(a.n_warnings, 1);
    assert_string_equal(a.warnings[0].text, "stolen");
    assert_int_equal(a.elapsed_ns, 2500000001);
    analysis_release(&a);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(block_value_is_the_median_within_rounds),
        T(missing_rounds_are_left_out),
        T(ratio_is_hodges_lehmann_with_its_exact_interval),
        T(absolute_values_cpu_and_busy),
        T(unknown_cpu_time_stays_unknown),
        T(the_papers_formula_and_the_signed_form),
        T(means_are_compared_over_the_same_blocks),
        T(failures_have_a_kind_and_a_rate),
        T(a_target_with_a_failure_is_never_faster),
        T(nothing_done_is_a_failure),
        T(a_target_that_never_ran_says_why),
        T(verdicts),
        T(precise_at_looks_only),
        T(flag_not_steady),
        T(flag_autocorrelated),
        T(flag_asymmetric),
        T(flags_of_drift_and_noise),
        T(latencies_are_medians_of_quantiles),
        T(the_last_thousandth_needs_a_thousand),
        T(without_a_base_cells_are_judged_by_themselves),
        T(a_single_target),
        T(composites),
        T(cells_that_hardly_ever_worked_leave_no_mean),
        T(composites_are_of_work),
        T(all_series_at_once),
        T(noise_floor_and_many_comparisons),
        T(the_series_is_what_the_ratios_come_from),
        T(an_empty_run_and_one_that_is_not_there),
        T(memory_is_the_highest_and_warnings_come_along),
    };

    return cmocka_run_group_tests_name("analyse", tests, NULL, NULL);
}

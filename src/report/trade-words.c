#include "report/trade-words.h"

#include <math.h>

static const struct {
    const char *title;
    const char *options; /* of `cupel run`, to measure it */
} words[TRADE_MEASURES] = {
    [TRADE_CPU] = {"CPU", " --workload cpu.prime"},
    [TRADE_MEMORY] = {"memory", " --workload mem.triad"},
    [TRADE_STORAGE] = {"storage", " --workload fs.create@rootfs"},
    [TRADE_CALLS] = {"system calls", " --workload sys.mix"},
    [TRADE_NETWORK] = {"network", ""},
    [TRADE_START] = {"start", " --workload life.start"},
    [TRADE_APPS] = {"applications", ""},
    [TRADE_ALL] = {"all work", ""},
    [TRADE_MADE] = {"host calls made", " --suite reach"},
    [TRADE_COULD] = {"could make", " --suite reach"},
    [TRADE_ANSWERED] = {"answered inside", " --suite reach"},
    [TRADE_CAPS] = {"host capabilities", " --suite reach"},
    [TRADE_NAMESPACES] = {"host namespaces", " --suite reach"},
    [TRADE_PATHS] = {"host paths", " --suite reach"},
    [TRADE_LINPACK] = {"LINPACK neighbour", " --suite isolation"},
    [TRADE_LINPACK_SAME] = {"LINPACK, same CPUs", " --suite isolation"},
    [TRADE_BESIDE] = {"aggressors", " --suite matrix"},
    [TRADE_WORST] = {"the worst of them", " --suite matrix"},
};

bool trade_is_row(const struct trade *t, enum trade_measure m)
{
    size_t groups = 0;

    if (!t->has[trade_kind_of(m)])
        return false;
    if (m == TRADE_APPS || m == TRADE_NETWORK || m == TRADE_LINPACK_SAME)
        return t->rows[m].cells + t->rows[m].left_out > 0;
    for (enum trade_measure g = TRADE_CPU; m == TRADE_ALL && g < TRADE_ALL; g++)
        groups += t->rows[g].cells > 0;
    return m != TRADE_ALL || groups > 1;
}

static bool is_composite(enum trade_measure m)
{
    return trade_kind_of(m) == TRADE_COST || m == TRADE_BESIDE;
}

void trade_row_name(const struct trade *t, enum trade_measure m, struct str *out)
{
    const struct trade_row *row = &t->rows[m];

    str_add(out, words[m].title);
    if (is_composite(m) && row->left_out)
        str_addf(out, " (%zu of %zu)", row->cells, row->cells + row->left_out);
    else if (is_composite(m) && row->cells)
        str_addf(out, " (%zu)", row->cells);
    if (row->of && row->cells)
        str_addf(out, ", of %zu", row->of);
}

void trade_heading(const struct analysis *a, enum trade_kind k, struct str *out)
{
    switch (k) {
    case TRADE_COST:
        str_add(out, "cost: time per operation against that of ");
        text_inert(out, a->head.plan.targets.v[a->head.base].label);
        str_add(out, ", mean of (n) cells");
        break;
    case TRADE_REACH:
        str_add(out, "reach: system calls of the host's kernel, and what of the host's it holds");
        break;
    default:
        str_add(out, "loss: time per operation beside a neighbour against that without");
        break;
    }
}

const char *trade_formula(void)
{
    return "each cell's Hodges-Lehmann estimate over the blocks, the geometric mean of those, its "
           "95 % interval by drawing whole blocks (expanded percentile; docs/statistics.md)";
}

static void dash(const struct style *s, const char *word, struct cell_words *ret)
{
    *ret = (struct cell_words){.tone = TONE_QUIET, .glyph = GLYPH_NONE};
    str_copy(ret->sign, sizeof(ret->sign), style_glyph(s, GLYPH_NONE));
    str_copy(ret->word, sizeof(ret->word), word);
}

/* As words: they are not to be lined up with the points of the ratios above and below. */
static void count_words(const struct style *s, const struct trade_value *v, struct cell_words *ret)
{
    const char *pm = style_glyph(s, GLYPH_PLUS_MINUS);
    double half = interval_half(v->e.lo, v->e.hi);
    char percent[UNIT_TEXT];

    *ret = (struct cell_words){.tone = TONE_PLAIN};
    unit_percent(half, percent);
    if (v->at_least)
        str_format(ret->word, sizeof(ret->word), "%g or more", v->e.value);
    else if (v->e.n && half > 0)
        str_format(ret->word, sizeof(ret->word), "%g %s%.20s", v->e.value, pm, percent);
    else
        str_format(ret->word, sizeof(ret->word), "%g", v->e.value);
}

static void absent_words(const struct style *s, const struct analysis *a, const struct trade *t,
                         enum trade_measure m, uint32_t target, struct cell_words *ret)
{
    const struct trade_value *v = &t->rows[m].values[target];
    const struct trade_row *row = &t->rows[m];

    if (row->cells + row->left_out == 0)
        dash(s, "", ret);
    else if (trade_kind_of(m) == TRADE_COST && target == a->head.base)
        *ret = (struct cell_words){.tone = TONE_QUIET, .word = "base"};
    else if (!a->targets[target].usable)
        cell_words_unusable(s, target_why(&a->targets[target]), ret);
    else if (analysis_withholds(a, target) && trade_kind_of(m) != TRADE_REACH)
        cell_words_emulated(s, ret);
    else if (v->alone && v->alone->status != CELL_OK)
        cell_words_ratio(s, v->alone, NULL, ret);
    else
        dash(s,
             v->at_least               ? "not known"
             : row->cells || !v->alone ? "not measured"
                                       : "left out",
             ret);
}

void trade_words(const struct style *s, const struct analysis *a, const struct trade *t,
                 enum trade_measure m, uint32_t target, struct cell_words *ret)
{
    const struct trade_value *v = &t->rows[m].values[target];
    const struct cell_result r = {.ratio = v->e, .verdict = v->verdict, .status = CELL_OK};

    if (!v->has)
        absent_words(s, a, t, m, target, ret);
    else if (trade_kind_of(m) == TRADE_REACH)
        count_words(s, v, ret);
    else
        cell_words_ratio(s, &r, NULL, ret);
}

void trade_which(const struct style *s, const struct trade *t, uint32_t target,
                 struct cell_words *ret)
{
    const char *name = t->rows[TRADE_WORST].values[target].which, *dot = strchr(name, '.');

    dash(s, dot ? dot + 1 : "", ret);
    if (dot) {
        ret->sign[0] = '\0';
        ret->tone = TONE_PLAIN;
    }
}

static void all_targets(const struct analysis *a, const char *options, struct str *out)
{
    for (uint32_t i = 0; i < a->n_targets; i++)
        if (a->targets[i].usable) {
            report_again_target(a, i, out);
            /* Where limits are the only wall, it has to be said. */
            if (strstr(options, "matrix") && str_eq(a->head.plan.targets.v[i].driver, "host"))
                str_add(out, " --i-understand");
        }
}

static bool is_missing(const struct trade *t, enum trade_measure m)
{
    return words[m].options[0] && t->rows[m].cells + t->rows[m].left_out == 0;
}

void trade_command(const struct analysis *a, const struct trade *t, enum trade_measure m,
                   struct str *out)
{
    if (!is_missing(t, m))
        return;
    str_addf(out, "cupel run%s", words[m].options);
    all_targets(a, words[m].options, out);
}

bool trade_missing(const struct analysis *a, const struct trade *t, size_t i, struct str *what,
                   struct str *command)
{
    /* Costs go into one run; the suites have limits and numbers of blocks of their own. */
    static const struct {
        enum trade_measure from, to;
        const char *name; /* of all of them */
    } groups[] = {{TRADE_CPU, TRADE_START, NULL},
                  {TRADE_MADE, TRADE_PATHS, "reach"},
                  {TRADE_LINPACK, TRADE_LINPACK, "loss beside LINPACK"},
                  {TRADE_BESIDE, TRADE_BESIDE, "loss beside aggressors"}};
    const char *last = "";

    if (i >= ARRAY_SIZE(groups))
        return false;
    for (enum trade_measure m = groups[i].from; m <= groups[i].to; m++) {
        if (!is_missing(t, m))
            continue;
        if (!groups[i].name || !what->len)
            str_addf(what, "%s%s", what->len ? ", " : "",
                     groups[i].name ? groups[i].name : words[m].title);
        if (!command->len)
            str_add(command, "cupel run");
        if (last != words[m].options && !str_eq(last, words[m].options))
            str_add(command, words[m].options);
        last = words[m].options;
    }
    if (command->len)
        all_targets(a, last, command);
    return true;
}

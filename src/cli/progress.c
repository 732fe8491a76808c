#include "cli/progress.h"

#include "base/fd.h"
#include "report/units.h"
#include "report/words.h"

#include <math.h>

#define OPEN_SHOWN 2
#define BAR_WIDTH  10

/* A cell whose interval is still too wide. */
struct open_cell {
    char cell[CELL_NAME_MAX], target[TARGET_LABEL_MAX];
    double ratio, half;
};

struct progress_view {
    const struct cli *cli;
    char suite[24];
    bool drop_caches;
    size_t n_targets, n_cells;
    double wanted;  /* half-width, fraction */
    unsigned lines; /* live lines on the screen */
    struct progress_state state;
    bool begun;
    char now[128]; /* what is running */
    size_t n_open;
    struct open_cell open[OPEN_SHOWN];
    VEC(char *) said; /* failures told already */
};

struct progress_view *progress_new(const struct cli *cli)
{
    struct progress_view *v = xcalloc(1, sizeof(*v));
    v->cli = cli;
    return v;
}

void progress_free(struct progress_view **v)
{
    if (!*v)
        return;
    VEC_FOREACH (&(*v)->said, char *, s)
        free(*s);
    VEC_RELEASE(&(*v)->said);
    free(*v);
    *v = NULL;
}

static void emit(const struct str *s)
{
    /* Nobody is told when standard error is gone: the results are what matters. */
    (void)!write(STDERR_FILENO, s->buf, s->len);
}

static void rub_out(struct progress_view *v, struct str *out)
{
    if (v->lines)
        str_addf(out, "\033[%uA\r\033[J", v->lines);
    v->lines = 0;
}

/* Appends text cut to the terminal's width, so that a line stays a line. */
static void live_line(struct progress_view *v, const char *text, struct str *out)
{
    size_t max = v->cli->chatter.width > 1 ? v->cli->chatter.width - 1 : 1, columns = 0;

    for (const char *p = text; *p; p++) {
        if (((unsigned char)*p & 0xc0) != 0x80 && ++columns > max)
            break;
        str_addc(out, *p);
    }
    str_addc(out, '\n');
    v->lines++;
}

static void head_text(const struct progress_view *v, struct str *out)
{
    const struct style *s = &v->cli->chatter;
    const char *dot = style_glyph(s, GLYPH_DOT), *most = style_glyph(s, GLYPH_AT_MOST);
    char a[UNIT_TEXT], b[UNIT_TEXT];

    str_addf(out, "%s%s%s%s%zu targets %s %zu cells", v->suite, v->suite[0] ? " " : "",
             v->suite[0] ? dot : "", v->suite[0] ? " " : "", v->n_targets,
             style_glyph(s, GLYPH_TIMES), v->n_cells);
    if (v->state.block) {
        str_addf(out, " %s block %u", dot, v->state.block);
        if (v->state.max_blocks)
            str_addf(out, " of %s %u", most, v->state.max_blocks);
    }
    unit_elapsed(v->state.elapsed_ns, a);
    str_addf(out, " %s %s", dot, a);
    if (v->state.budget_ns) {
        unit_elapsed(v->state.budget_ns, b);
        str_addf(out, " of %s %s", most, b);
    }
    if (v->state.block > 1 && v->state.left_ns != UINT64_MAX) {
        unit_elapsed(v->state.left_ns, b);
        str_addf(out, " %s about %s left", dot, b);
    }
}

static void open_text(const struct progress_view *v, const struct open_cell *o, struct str *out)
{
    const struct style *s = &v->cli->chatter;
    char ratio[UNIT_TEXT], half[UNIT_TEXT], wanted[UNIT_TEXT];
    unsigned full = (unsigned)(BAR_WIDTH * fmin(1, v->wanted / o->half));

    unit_ratio(o->ratio, o->half, ratio);
    unit_percent(o->half, half);
    unit_percent(v->wanted, wanted);
    str_add(out, "  ");
    text_pad(out, o->cell, 16, false);
    str_addc(out, ' ');
    text_pad(out, o->target, 13, false);
    str_addf(out, " %s%s %s%s", style_glyph(s, GLYPH_TIMES), ratio,
             style_glyph(s, GLYPH_PLUS_MINUS), half);
    str_addf(out, "  %s", style_glyph(s, GLYPH_BAR_LEFT));
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        str_add(out, style_glyph(s, i < full ? GLYPH_FULL : GLYPH_EMPTY));
    str_addf(out, "%s wanted %s%s", style_glyph(s, GLYPH_BAR_RIGHT),
             style_glyph(s, GLYPH_PLUS_MINUS), wanted);
}

static void redraw(struct progress_view *v)
{
    _cleanup_(str_release) struct str out = STR_INIT, line = STR_INIT;

    if (!v->cli->chatter_live)
        return;
    rub_out(v, &out);
    head_text(v, &line);
    live_line(v, line.buf, &out);
    if (v->now[0]) {
        str_clear(&line);
        str_addf(&line, "  %s", v->now);
        if (v->state.cells_total)
            str_addf(&line, " %s %zu of %zu precise enough",
                     style_glyph(&v->cli->chatter, GLYPH_DOT),
                     v->state.cells_total - v->state.cells_open, v->state.cells_total);
        live_line(v, line.buf, &out);
    }
    for (size_t i = 0; i < v->n_open; i++) {
        str_clear(&line);
        open_text(v, &v->open[i], &line);
        live_line(v, line.buf, &out);
    }
    emit(&out);
}

/* A line that stays, above the live ones. */
static void say(struct progress_view *v, const char *text)
{
    _cleanup_(str_release) struct str out = STR_INIT;

    rub_out(v, &out);
    str_addf(&out, "%s\n", text);
    emit(&out);
    redraw(v);
}

static void on_begin(void *user, const struct plan *p, const struct target_info *infos, size_t n)
{
    struct progress_view *v = user;

    v->begun = true;
    str_copy(v->suite, sizeof(v->suite), p->suite);
    v->n_targets = p->targets.n;
    v->n_cells = p->cells.n;
    v->wanted = p->precision > 0 ? p->precision : p->theta / 2;
    v->state.budget_ns = p->budget_ns;
    v->drop_caches = p->drop_caches;
    if (v->cli->chatter_live) {
        str_copy(v->now, sizeof(v->now), "starting each target once, to see that it works");
        redraw(v);
        return;
    }
    _cleanup_free_ char *line = xasprintf("%s%s%zu targets, %zu cells", p->suite,
                                          p->suite[0] ? ": " : "", v->n_targets, v->n_cells);
    say(v, line);
}

static void on_target(void *user, const struct target_info *info)
{
    struct progress_view *v = user;
    _cleanup_(str_release) struct str line = STR_INIT;

    if (info->usable)
        return;
    text_inert(&line, info->target.label);
    str_add(&line, " cannot be measured: ");
    text_inert(&line, info->reason);
    say(v, line.buf);
}

static void on_making(void *user, const char *line)
{
    say(user, line);
}

/* Said also where the view is redrawn: it is the figure one plans the day by. */
static void on_planned(void *user, const struct progress_state *s)
{
    struct progress_view *v = user;
    char time[UNIT_TEXT];

    v->state = *s;
    if (s->left_ns == UINT64_MAX)
        return;
    unit_elapsed(s->left_ns, time);
    _cleanup_free_ char *line = xasprintf(
        "%u block%s, about %s in all%s", s->max_blocks, s->max_blocks == 1 ? "" : "s", time,
        v->drop_caches ? "; this machine's page cache is dropped before workloads of the disk"
                       : "");
    say(v, line);
}

static void on_starting(void *user, const struct progress_state *s, const char *target)
{
    struct progress_view *v = user;

    v->state = *s;
    str_format(v->now, sizeof(v->now), "starting %s", target);
    redraw(v);
}

static void on_cell(void *user, const struct progress_state *s, const char *cell)
{
    struct progress_view *v = user;

    v->state = *s;
    str_format(v->now, sizeof(v->now), "measuring %s", cell);
    redraw(v);
}

/* What was said of a target's start is not said again of each of its cells. */
static void on_failure(void *user, const char *target, const char *cell, const struct err *why)
{
    struct progress_view *v = user;
    _cleanup_(str_release) struct str line = STR_INIT;

    if (cell)
        str_addf(&line, "%s on ", cell);
    size_t of_start = line.len;
    text_inert(&line, target);
    str_addf(&line, ": %s: ", failure_word(why->kind));
    text_inert(&line, why->msg);
    VEC_FOREACH (&v->said, char *, s)
        if (str_eq(*s, line.buf) || str_eq(*s, line.buf + of_start))
            return;
    VEC_PUSH(&v->said, xstrdup(line.buf));
    say(v, line.buf);
}

/* The open cells with the widest intervals, widest first. */
static void pick_open(struct progress_view *v, const struct analysis *a)
{
    v->n_open = 0;
    for (size_t c = 0; c < a->n_cells; c++) {
        for (size_t t = 0; t < a->n_targets; t++) {
            const struct cell_result *r = analysis_at(a, c, t);
            double half = interval_half(r->ratio.lo, r->ratio.hi);
            size_t at = v->n_open;
            if (r->is_base || r->precise || r->status != CELL_OK || !isfinite(half))
                continue;
            while (at > 0 && v->open[at - 1].half < half)
                at--;
            if (at >= OPEN_SHOWN)
                continue;
            if (v->n_open < OPEN_SHOWN)
                v->n_open++;
            for (size_t i = v->n_open - 1; i > at; i--)
                v->open[i] = v->open[i - 1];
            struct open_cell *o = &v->open[at];
            str_copy(o->cell, sizeof(o->cell), a->head.plan.cells.v[c].name);
            str_copy(o->target, sizeof(o->target), a->head.plan.targets.v[t].label);
            o->ratio = r->ratio.value;
            o->half = half;
        }
    }
}

static void on_block(void *user, const struct progress_state *s, const struct analysis *a)
{
    struct progress_view *v = user;
    _cleanup_(str_release) struct str line = STR_INIT;
    char time[UNIT_TEXT];

    v->state = *s;
    pick_open(v, a);
    if (v->cli->chatter_live) {
        redraw(v);
        return;
    }
    unit_elapsed(s->elapsed_ns, time);
    str_addf(&line, "block %u: %s", s->block, time);
    if (s->left_ns != UINT64_MAX) {
        unit_elapsed(s->left_ns, time);
        str_addf(&line, ", about %s left", time);
    }
    str_addf(&line, ", %zu of %zu precise enough", s->cells_total - s->cells_open, s->cells_total);
    if (v->n_open) {
        char half[UNIT_TEXT];
        unit_percent(v->open[0].half, half);
        str_addf(&line, ", widest %s on %s %s%s", v->open[0].cell, v->open[0].target,
                 style_glyph(&v->cli->chatter, GLYPH_PLUS_MINUS), half);
    }
    say(v, line.buf);
}

void progress_bind(struct progress_view *v, struct progress *p)
{
    *p = (struct progress){
        .user = v,
        .begin = on_begin,
        .target_state = on_target,
        .making = on_making,
        .planned = on_planned,
        .starting = on_starting,
        .cell = on_cell,
        .failure = on_failure,
        .block = on_block,
    };
}

void progress_finish(struct progress_view *v)
{
    _cleanup_(str_release) struct str out = STR_INIT;

    rub_out(v, &out);
    if (out.len)
        emit(&out);
}

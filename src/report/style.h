/* How a terminal (or a file) wants to be written to: colour, signs, width.
 *
 * Layer: report. Plain data; who detects it (cli) fills it in. Every sign has an ASCII form for
 * locales without UTF-8, and every colour a meaning (a tone), so that no report names an escape. */
#ifndef CUPEL_REPORT_STYLE_H
#define CUPEL_REPORT_STYLE_H

#include "base/str.h"

#include <stdbool.h>

struct style {
    bool colour;
    bool utf8;
    unsigned width; /* columns; 0: unlimited */
};

enum glyph {
    GLYPH_SLOWER,
    GLYPH_FASTER,
    GLYPH_EQUAL,
    GLYPH_SLIGHT,
    GLYPH_UNSURE,
    GLYPH_EMULATED,
    GLYPH_FAIL,
    GLYPH_NONE, /* nothing here, and that is in order */
    GLYPH_GOOD,
    GLYPH_WARN,
    GLYPH_DOT, /* between the parts of a line */
    GLYPH_PLUS_MINUS,
    GLYPH_TIMES,
    GLYPH_MICRO,
    GLYPH_AT_MOST,
    GLYPH_AT_LEAST,
    GLYPH_FULL,
    GLYPH_EMPTY,
    GLYPH_BAR_LEFT,
    GLYPH_BAR_RIGHT,
    GLYPH_SQUARED,
    GLYPH_COUNT
};

/* What a piece of text means; tone_on and tone_off give the escape for it, "" without colour. */
enum tone { TONE_PLAIN, TONE_QUIET, TONE_NOTE, TONE_LOUD, TONE_GOOD, TONE_FAIL, TONE_HEAD };

const char *style_glyph(const struct style *s, enum glyph g);
/* One of eight heights, 0 .. 7. */
const char *style_spark(const struct style *s, unsigned height);
const char *tone_on(const struct style *s, enum tone t);
const char *tone_off(const struct style *s, enum tone t);

/* Columns that text takes: code points, since all our signs are one column wide. */
size_t text_width(const char *s);
/* Appends text and blanks up to width; right: blanks first. */
void text_pad(struct str *out, const char *s, size_t width, bool right);
/* Appends text from outside with everything but printable ASCII replaced: a runtime's version or a
 * guest's kernel string cannot move the cursor. NULL adds nothing. */
void text_inert(struct str *out, const char *s);
/* Cuts blanks off the end of out. */
void text_trim(struct str *out);

/* A line made of parts between dots, broken at the style's width with an indent. */
struct flow {
    struct str *out;
    const struct style *style;
    unsigned indent;
    size_t column;
    bool first;
};
void flow_begin(struct flow *f, struct str *out, const struct style *s, const char *lead,
                unsigned indent);
void flow_add(struct flow *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void flow_end(struct flow *f);
/* Words of text broken at the width, following lines indented. */
void text_wrap(struct str *out, const struct style *s, const char *lead, unsigned indent,
               const char *text);

#endif

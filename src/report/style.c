#include "report/style.h"

#include <stdarg.h>

static const struct {
    const char *utf8, *ascii;
} glyphs[GLYPH_COUNT] = {
    [GLYPH_SLOWER] = {"▲", ">"},   [GLYPH_FASTER] = {"▼", "<"},      [GLYPH_EQUAL] = {"=", "="},
    [GLYPH_SLIGHT] = {"≈", "~"},   [GLYPH_UNSURE] = {"?", "?"},      [GLYPH_FAIL] = {"✘", "x"},
    [GLYPH_NONE] = {"–", "-"},     [GLYPH_GOOD] = {"✔", "+"},        [GLYPH_WARN] = {"▲", "!"},
    [GLYPH_DOT] = {"·", "|"},      [GLYPH_PLUS_MINUS] = {"±", "+-"}, [GLYPH_TIMES] = {"×", "x"},
    [GLYPH_MICRO] = {"µ", "u"},    [GLYPH_AT_MOST] = {"≤", "<="},    [GLYPH_FULL] = {"█", "#"},
    [GLYPH_EMPTY] = {"░", "."},    [GLYPH_BAR_LEFT] = {"▕", "["},    [GLYPH_BAR_RIGHT] = {"▏", "]"},
    [GLYPH_SQUARED] = {"²", "^2"}, [GLYPH_AT_LEAST] = {"≥", ">="},   [GLYPH_EMULATED] = {"◇", "e"},
};

static const char *const sparks_utf8[8] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const sparks_ascii[8] = {"_", ".", "-", "~", "=", "+", "*", "#"};

const char *style_glyph(const struct style *s, enum glyph g)
{
    return s->utf8 ? glyphs[g].utf8 : glyphs[g].ascii;
}

const char *style_spark(const struct style *s, unsigned height)
{
    if (height > 7)
        height = 7;
    return s->utf8 ? sparks_utf8[height] : sparks_ascii[height];
}

const char *tone_on(const struct style *s, enum tone t)
{
    static const char *const codes[] = {
        [TONE_PLAIN] = "",          [TONE_QUIET] = "\033[2m",   [TONE_NOTE] = "\033[33m",
        [TONE_LOUD] = "\033[1;31m", [TONE_GOOD] = "\033[1;32m", [TONE_FAIL] = "\033[1;35m",
        [TONE_HEAD] = "\033[1m",
    };
    return s->colour ? codes[t] : "";
}

const char *tone_off(const struct style *s, enum tone t)
{
    return s->colour && t != TONE_PLAIN ? "\033[0m" : "";
}

size_t text_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        if (((unsigned char)*s & 0xc0) != 0x80)
            n++;
    return n;
}

static void blanks(struct str *out, size_t n)
{
    while (n--)
        str_addc(out, ' ');
}

void text_pad(struct str *out, const char *s, size_t width, bool right)
{
    size_t have = text_width(s), gap = have < width ? width - have : 0;
    if (right)
        blanks(out, gap);
    str_add(out, s);
    if (!right)
        blanks(out, gap);
}

void text_inert(struct str *out, const char *s)
{
    size_t at = out->len;
    if (!s)
        return;
    str_add(out, s);
    str_printable(out->buf + at);
}

void text_trim(struct str *out)
{
    while (out->len > 0 && out->buf[out->len - 1] == ' ')
        out->buf[--out->len] = '\0';
}

void flow_begin(struct flow *f, struct str *out, const struct style *s, const char *lead,
                unsigned indent)
{
    *f = (struct flow){.out = out, .style = s, .indent = indent, .first = true};
    str_add(out, lead);
    f->column = text_width(lead);
}

void flow_add(struct flow *f, const char *fmt, ...)
{
    _cleanup_free_ char *part = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&part, fmt, ap) < 0)
        abort();
    va_end(ap);

    size_t width = text_width(part);
    if (!f->first) {
        if (f->style->width && f->column + 3 + width > f->style->width) {
            str_addc(f->out, '\n');
            blanks(f->out, f->indent);
            f->column = f->indent;
        } else {
            str_addf(f->out, " %s ", style_glyph(f->style, GLYPH_DOT));
            f->column += 3;
        }
    }
    str_add(f->out, part);
    f->column += width;
    f->first = false;
}

void flow_end(struct flow *f)
{
    if (f->column > 0 || !f->first)
        str_addc(f->out, '\n');
}

void text_wrap(struct str *out, const struct style *s, const char *lead, unsigned indent,
               const char *text)
{
    size_t column = text_width(lead);
    bool first = true;

    str_add(out, lead);
    while (*text) {
        size_t n = strcspn(text, " ");
        _cleanup_free_ char *word = xstrndup(text, n);
        size_t width = text_width(word);
        if (!first && s->width && column + 1 + width > s->width) {
            str_addc(out, '\n');
            blanks(out, indent);
            column = indent;
        } else if (!first) {
            str_addc(out, ' ');
            column++;
        }
        str_add(out, word);
        column += width;
        first = false;
        text += n;
        while (*text == ' ')
            text++;
    }
    str_addc(out, '\n');
}

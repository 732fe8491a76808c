/* Parameters of a workload: declared once, parsed from text, carried as name/value pairs.
 *
 * Layer: model. Plain data of fixed size, nothing to free.
 *
 * A declaration feeds the parser of `-p name=value`, the help, the manual page and the plan file.
 */
#ifndef CUPEL_MODEL_PARAMS_H
#define CUPEL_MODEL_PARAMS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARAM_NAME_MAX 32
#define PARAM_TEXT_MAX 128
#define PARAMS_MAX     16

/* PARAM_RATE: bits a second ("1gbit"), in powers of 1000, as networks count. PARAM_SHARE: a part of
 * the whole ("0.1%"), kept in millionths. */
enum param_kind {
    PARAM_COUNT,
    PARAM_SIZE,
    PARAM_DURATION,
    PARAM_CHOICE,
    PARAM_TEXT,
    PARAM_RATE,
    PARAM_SHARE
};

struct param_def {
    const char *name;
    enum param_kind kind;
    const char *fallback; /* default as text; "auto": the controller derives it from the machine */
    int64_t min, max;     /* inclusive, in units, bytes, ns, bit/s or millionths */
    const char *choices;  /* PARAM_CHOICE: "plain|nt" */
    const char *help;     /* one line */
    int64_t step;         /* values are multiples of it; 0: any */
};

struct param {
    char name[PARAM_NAME_MAX];
    bool is_text;
    bool is_auto; /* not resolved yet */
    int64_t num;  /* units, bytes, ns, bit/s or millionths */
    char text[PARAM_TEXT_MAX];
};

struct params {
    size_t n;
    struct param v[PARAMS_MAX];
};

/* Parses text for def and sets it in p (replacing). ERR_USAGE names the parameter, what was given
 * and what is expected. */
int params_set(struct params *p, const struct param_def *def, const char *text, struct err *err);
void params_set_num(struct params *p, const char *name, int64_t num);
const struct param *params_find(const struct params *p, const char *name);
int64_t params_num(const struct params *p, const char *name, int64_t fallback);
const char *params_text(const struct params *p, const char *name, const char *fallback);

/* The value as text that params_set reads back to the same value ("64M", "20ms", "auto"). Without a
 * def (a workload this version does not know) numbers are written plainly. */
void param_value_text(const struct param_def *def, const struct param *v, char *dst, size_t size);
bool param_equal(const struct param *a, const struct param *b);
bool params_equal(const struct params *a, const struct params *b); /* order counts */
const char *param_kind_name(enum param_kind k); /* "count", "size", "duration", ... */
/* What may be given, for help and messages: "1M to 4G, or auto", "plain or nt". */
void param_def_range(const struct param_def *def, char *dst, size_t size);

#endif

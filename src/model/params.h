/* Parameters of a workload: declared once, parsed from text, carried as name/value pairs.
 *
 * Layer: model. Plain data of fixed size, nothing to free.
 *
 * A declaration feeds the parser of `-p name=value`, the help, the manual page and the plan file. */
#ifndef CUPEL_MODEL_PARAMS_H
#define CUPEL_MODEL_PARAMS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARAM_NAME_MAX 32
#define PARAM_TEXT_MAX 128
#define PARAMS_MAX     16

enum param_kind { PARAM_COUNT, PARAM_SIZE, PARAM_DURATION, PARAM_CHOICE };

struct param_def {
    const char *name;
    enum param_kind kind;
    const char *fallback;       /* default as text; "auto": the controller derives it from the machine */
    int64_t min, max;           /* inclusive, in units, bytes or ns */
    const char *choices;        /* PARAM_CHOICE: "plain|nt" */
    const char *help;           /* one line */
};

struct param {
    char name[PARAM_NAME_MAX];
    bool is_text;
    bool is_auto;               /* not resolved yet */
    int64_t num;                /* units, bytes or ns */
    char text[PARAM_TEXT_MAX];
};

struct params {
    size_t n;
    struct param v[PARAMS_MAX];
};

/* Parses text for def and sets it in p (replacing). ERR_USAGE names the parameter, what was given and
 * what is expected. */
int params_set(struct params *p, const struct param_def *def, const char *text, struct err *err);
void params_set_num(struct params *p, const char *name, int64_t num);
const struct param *params_find(const struct params *p, const char *name);
int64_t params_num(const struct params *p, const char *name, int64_t fallback);
const char *params_text(const struct params *p, const char *name, const char *fallback);

#endif

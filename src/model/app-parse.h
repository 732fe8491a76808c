/* Reading application files, in the pieces that several files share.
 *
 * Layer: model, internal. app-parse.c reads the whole, app-metric.c its metrics. Every function
 * returns 0, or fails with the place of what is wrong. */
#ifndef CUPEL_MODEL_APP_PARSE_H
#define CUPEL_MODEL_APP_PARSE_H

#include "model/app.h"
#include "model/yamlread.h"

#include "base/vec.h"

#define APP_TIMEOUT_MAX_NS (UINT64_C(86400) * 1000000000)

struct app_reader {
    struct yaml_reader y;
    struct app *app;
    /* What the mapping at hand fills; set before it is read. */
    struct app_file *file;
    struct app_input *input;
    struct param_def *param;
    bool param_scales;
    int64_t param_floor;
    const yaml_node_t *param_default;
    struct app_metric *metric;
    bool metric_says_better;
    const yaml_node_t *metric_pattern, *metric_command;
    struct app_execution *execution;
    struct app_command *command;
    const yaml_node_t *metrics;    /* kept for the end */
    VEC(const yaml_node_t *) refs; /* texts that name parameters */
};

/* As long as a file's text may be; printable but for line ends and tabs. */
int app_take_text(struct app_reader *r, const char *key, const yaml_node_t *v, size_t max,
                  char **ret);
int app_take_name(struct app_reader *r, const char *key, const yaml_node_t *v, char *dst,
                  size_t size);
/* Words can name parameters. */
int app_take_words(struct app_reader *r, const char *key, const yaml_node_t *v,
                   const char *expected, struct app_words *ret);
/* Each of a list of {command, timeout}. */
int app_take_setup(struct app_reader *r, const char *key, const yaml_node_t *v,
                   struct app_execution *x);
/* app-metric.c: the list of metrics, when all else has been read. */
int app_take_metrics(struct app_reader *r, const yaml_node_t *list);

#endif

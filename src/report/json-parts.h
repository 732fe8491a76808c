/* Values as JSON, the same in every document.
 *
 * Layer: report, internal. All give new references. */
#ifndef CUPEL_REPORT_JSON_PARTS_H
#define CUPEL_REPORT_JSON_PARTS_H

#include "analyse/analyse.h"

#include <jansson.h>

json_t *js_number(double v); /* null if it is not finite */
/* Strings of ours are ASCII; what came from outside is made so. */
json_t *js_inert(const char *s);
/* {"value", "lo", "hi", "level", "n"}; null if there is none. */
json_t *js_estimate(const struct estimate *e);

#endif

/* All that a page shows, as one JSON document.
 *
 *     {"summary": as report_summary_json has it,
 *      "head": {...}, "plan": {...}, "machine": {...},
 *      "answers": {"what", "cheapest", "failures": [...], "notes": [...]},
 *      "chapters": [{"name", "title", "where": [text or null, one a target]}],
 *      "targets": [{"label", "info", "lines": [[key, text], ...]}],
 *      "cells": [{"name", "title", "chapter", ..., "trials": {"block": [...], "steal": [...], ...},
 *                 "targets": [{"ratio": {...}, "absolute": {...}, "lines": [...], "again",
 *                              "n", "y", "p", "facts": {...}, "series": [...]}]}]}
 *
 * Samples: "n" is how many a block has; "y" their nanoseconds per operation in schedule order,
 * little endian 32-bit floats in base64; "p" for each its place within the round, a character whose
 * code less 48 it is. That is 6.3 bytes a sample, where JSON numbers take 12.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_PAGE_DATA_H
#define CUPEL_REPORT_PAGE_DATA_H

#include "analyse/analyse.h"
#include "report/report.h"

#include <jansson.h>

int page_data(struct store *s, const struct analysis *a, const struct report_more *more,
              json_t **ret, struct err *err);

#endif

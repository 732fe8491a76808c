/* The page: what embed.py made at build time, and the run's data in the middle of it. */
#include "report/page-data.h"
#include "report/page.h"
#include "report/report.h"

#include <errno.h>

#define DIGITS 6 /* of numbers in the page; export has all of them */

/* In JSON these stand in strings alone, where they can be written as escapes: then nothing in the
 * data can end the element it stands in, nor begin another. */
static void put_inert(const char *json, struct str *out)
{
    for (size_t n; *json; json += n) {
        n = strcspn(json, "<>&");
        str_addn(out, json, n);
        if (json[n])
            str_addf(out, "\\u%04x", (unsigned)json[n++]);
    }
}

int report_html(struct store *s, const struct analysis *a, const struct report_more *more,
                struct str *out, struct err *err)
{
    json_t *data;
    int r = page_data(s, a, more, &data, err);

    if (r < 0)
        return r;
    _cleanup_free_ char *text =
        json_dumps(data, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(DIGITS));
    json_decref(data);
    if (!text)
        return err_set(err, ERR_BUG, EINVAL, "the run cannot be written as JSON");
    str_addn(out, page_head, page_head_len);
    put_inert(text, out);
    str_addn(out, page_tail, page_tail_len);
    return 0;
}

/* Declarations of applications: any bytes. What parses gives cells, a description for the guest
 * that is bounded, and metrics that read any output without harm. */
#include "model/app.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct app *app, const char *output)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < app->n_metrics; i++) {
        struct cell cell;
        struct str json = STR_INIT;
        double v;
        app_cell(app, i, &cell);
        if (!cell.unit[0] || !cell.name[0] || cell.app != app)
            abort();
        if (app_spec(&cell, &json, &err) == 0 && json.len > APP_SPEC_MAX)
            abort();
        str_release(&json);
        int r = app_value(&cell, output, 1000, &v, &err);
        if (r < 0 ? err.kind != ERR_MEASUREMENT : !isfinite(v) || v <= 0)
            abort();
    }
    for (size_t i = 0; i < app->n_files; i++)
        if (app->files[i].path[0] != '/' || strstr(app->files[i].path, "/../"))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct app *app;
    struct err err = ERR_INIT;
    if (app_parse((const char *)data, size, "app.yaml", &app, &err) < 0) {
        if (err.kind != ERR_USAGE || !str_starts(err.msg, "app.yaml:"))
            abort();
        return 0;
    }
    /* The declaration itself is as good an output as any. */
    struct str output = STR_INIT;
    str_addn(&output, (const char *)data, size < APP_SPEC_MAX ? size : APP_SPEC_MAX);
    use(app, output.buf);
    str_release(&output);
    app_unref(app);
    return 0;
}

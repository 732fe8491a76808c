#include "cli/apps.h"

#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>

#define APP_FILE_MAX (256 * 1024)

static int read_app(const char *path, struct app **ret, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read(path, APP_FILE_MAX, &text, err);

    return r < 0 ? r : app_parse(text.buf ? text.buf : "", text.len, path, ret, err);
}

static int is_yaml(const struct dirent *e)
{
    return str_ends(e->d_name, ".yaml");
}

int apps_know_all(struct plan *p, struct err *err)
{
    _cleanup_free_ char *dir = cli_data_dir("workloads", "CUPEL_WORKLOADS");
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_yaml, alphasort), r = 0;

    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, names[i]->d_name);
        struct app *a = NULL;
        if (r == 0)
            r = read_app(path, &a, err);
        if (a)
            plan_know_app(p, a);
        app_unref(a);
        free(names[i]);
    }
    free(names);
    return r;
}

bool apps_is_file(const char *workload)
{
    return str_ends(workload, ".yaml") || str_ends(workload, ".yml") || strchr(workload, '/');
}

/* Takes the place of one of the same name that came with cupel. */
static int add(struct plan *p, struct app *a, struct err *err)
{
    for (size_t i = 0; i < p->apps.n; i++) {
        if (!str_eq(p->apps.v[i]->name, a->name))
            continue;
        for (size_t k = 0; k < p->cells.n; k++)
            if (p->cells.v[k].app == p->apps.v[i])
                return err_set(err, ERR_USAGE, EEXIST,
                               "two applications are named %s; give one another name", a->name);
        app_unref(p->apps.v[i]);
        p->apps.v[i] = app_ref(a);
        return plan_add_cells(p, a->name, err);
    }
    plan_know_app(p, a);
    return plan_add_cells(p, a->name, err);
}

int apps_add_file(struct plan *p, const char *path, struct err *err)
{
    struct app *a = NULL;
    int r = read_app(path, &a, err);

    if (r == 0)
        r = add(p, a, err);
    app_unref(a);
    return r;
}

int apps_add_text(struct plan *p, const char *text, const char *name, struct err *err)
{
    struct app *a = NULL;
    int r = app_parse(text, strlen(text), name, &a, err);

    if (r == 0)
        r = add(p, a, err);
    app_unref(a);
    return r;
}

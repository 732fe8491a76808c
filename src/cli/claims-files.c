#include "cli/claims-files.h"

#include "cli/apps.h"
#include "cli/cli.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#define CLAIMS_FILE_MAX (1024 * 1024)

void claims_list_release(struct claims_list *l)
{
    VEC_FOREACH (l, struct claims *, c)
        claims_free(*c);
    VEC_RELEASE(l);
}

static int is_yaml(const struct dirent *e)
{
    return str_ends(e->d_name, ".yaml");
}

static int no_such(const char *dir, const char *name, struct err *err)
{
    _cleanup_(str_release) struct str all = STR_INIT;
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_yaml, alphasort);

    for (int i = 0; i < n; i++) {
        str_addf(&all, "%s%.*s", i ? ", " : "", (int)(strlen(names[i]->d_name) - 5),
                 names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return err_set(err, ERR_USAGE, ENOENT,
                   "no claims \"%s\"; there are %s, or give a file of yours, e.g. ./mine.yaml",
                   name, n > 0 ? all.buf : "none here");
}

/* What claims may be about: the applications that came with cupel, too. */
static int parse(const char *text, size_t n, const char *name, struct claims **ret, struct err *err)
{
    size_t n_drivers;
    const char *const *drivers = driver_names(&n_drivers);
    struct plan known;

    plan_init(&known);
    int r = apps_know_all(&known, err);
    if (r >= 0)
        r = claims_parse(text, n, name, drivers, n_drivers, &known, ret, err);
    plan_release(&known);
    return r;
}

int claims_list_add(struct claims_list *l, const char *spec, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    _cleanup_free_ char *dir = NULL, *path = NULL;
    struct claims *c;

    if (apps_is_file(spec)) {
        path = xstrdup(spec);
    } else {
        dir = cli_data_dir("claims", "CUPEL_CLAIMS");
        path = xasprintf("%s/%s.yaml", dir, spec);
        if (!str_is_id(spec, CLAIM_ID_MAX - 1) || access(path, F_OK) < 0)
            return no_such(dir, spec, err);
    }
    int r = file_read(path, CLAIMS_FILE_MAX, &text, err);
    if (r >= 0)
        r = parse(text.buf, text.len, path, &c, err);
    if (r < 0)
        return r;
    VEC_FOREACH (l, struct claims *, other) {
        if (!str_eq((*other)->name, c->name))
            continue;
        r = err_set(err, ERR_USAGE, EEXIST, "%s: claims named %s are there already", path, c->name);
        claims_free(c);
        return r;
    }
    VEC_PUSH(l, c);
    return 0;
}

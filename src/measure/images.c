/* What applications run in: their images and inputs, made before the first block. */
#include "measure/images.h"
#include "measure/course.h"

#include "base/log.h"

#include <errno.h>

#define PACKAGES_OF(in) (const char *const *)(in)->packages.v, (in)->packages.n

static void say_line(void *user, const char *line)
{
    struct course *c = user;

    if (c->progress->making)
        c->progress->making(c->progress->user, line);
}

static int make_image(struct image_store *s, const struct app *a, struct image *ret,
                      struct err *err)
{
    const char *const *words = (const char *const *)a->image_words.v;

    switch (a->image) {
    case APP_IMAGE_PACKAGES:
        return image_from_packages(s, words, a->image_words.n, ret, err);
    case APP_IMAGE_PROGRAMS:
        return image_from_programs(s, words, a->image_words.n, ret, err);
    case APP_IMAGE_DIR:
        return image_from_dir(words[0], ret, err);
    case APP_IMAGE_ARCHIVE:
        return image_from_archive(s, words[0], ret, err);
    }
    return -EINVAL;
}

/* The user's own file where its parameter names one, else the one that is made. */
static int make_input(struct image_store *s, const struct cell *cell, const struct app_input *in,
                      char path[256], char sha256[65], struct err *err)
{
    const char *own = in->param ? params_text(&cell->params, in->param, "") : "";

    if (*own) {
        if (!str_copy(path, 256, own))
            return err_set(err, ERR_USAGE, ENAMETOOLONG, "%s: its path is too long", in->param);
        return fs_sha256(path, sha256, err) < 0 ? err_wrap(err, "%s", in->param) : 0;
    }
    if (!in->command.n)
        return err_set(err, ERR_UNSUPPORTED, ENOENT, "%s needs a file: give -p %s=FILE", cell->name,
                       in->param);
    return image_input(s, PACKAGES_OF(in), (const char *const *)in->command.v, in->output, in->name,
                       path, sha256, err);
}

static int make_files(struct image_store *s, const struct cell *cell, const struct app *a,
                      struct cell_files *f, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < a->n_inputs; i++) {
        r = make_input(s, cell, &a->inputs[i], f->paths[i], f->sha256[i], err);
        f->inputs[i] = (struct launch_input){.path = f->paths[i], .name = a->inputs[i].name};
    }
    f->n_inputs = r == 0 ? a->n_inputs : 0;
    return r;
}

static const struct app *app_of(const struct course *c, size_t cell)
{
    return plan_cell_app(&c->head.plan, &c->head.plan.cells.v[cell]);
}

/* An earlier cell of the same application; n_cells: none. */
static size_t same_app(const struct course *c, size_t cell)
{
    for (size_t i = 0; i < cell; i++)
        if (app_of(c, i) == app_of(c, cell))
            return i;
    return c->n_cells;
}

static int prepare_cell(struct course *c, struct image_store *s, size_t i, struct err *err)
{
    const struct cell *cell = &c->head.plan.cells.v[i];
    const struct app *a = app_of(c, i);
    struct cell_files *f = &c->files[i];
    size_t same = same_app(c, i);
    int r = 0;

    if (same < c->n_cells && c->files[same].image.rootfs[0])
        f->image = c->files[same].image;
    else
        r = make_image(s, a, &f->image, err);
    if (r == 0)
        r = make_files(s, cell, a, f, err);
    if (r < 0)
        return r;
    c->launches[i].image = f->image.rootfs;
    c->launches[i].inputs = f->inputs;
    c->launches[i].n_inputs = f->n_inputs;
    return 0;
}

/* One application that cannot be had is its own cells' failure. */
static int prepare_all(struct course *c, struct image_store *s, struct err *err)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        struct err why = ERR_INIT;

        if (!app_of(c, i) || c->impossible[i])
            continue;
        if (prepare_cell(c, s, i, &why) == 0)
            continue;
        if (loop_interrupted(c->o->loop))
            return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
        course_impossible(c, i, &why);
    }
    return 0;
}

int images_prepare(struct course *c, struct err *err)
{
    _cleanup_free_ char *dir = xasprintf("%s/images", c->o->state_dir);
    struct image_store *s = &c->images;
    struct err half = ERR_INIT;

    *s = (struct image_store){
        .loop = c->o->loop, .ledger = c->site.ledger, .dir = dir, .say = say_line, .user = c};
    if (image_prune(s, &half) < 0)
        log_notice("what an earlier run left half made: %s", half.msg);
    int r = prepare_all(c, s, err);
    s->dir = NULL;
    return r;
}

/* One of the two places, of the same form (vm/kernel.h). */
static int remove_in(const char *state_dir, const char *place, struct image_removed *ret,
                     struct err *err)
{
    _cleanup_free_ char *dir = xasprintf("%s/%s", state_dir, place);
    struct image_store store = {.dir = dir};

    return image_remove_unused(&store, ret, err);
}

int images_remove(const char *state_dir, struct images_removed *ret, struct err *err)
{
    struct image_removed images = {0}, guests = {0};
    struct err late = ERR_INIT;
    int r = remove_in(state_dir, "images", &images, err);
    int left = remove_in(state_dir, "guests", &guests, &late);

    if (r == 0 && left < 0)
        r = err_set(err, late.kind, late.code, "%s", late.msg);
    *ret = (struct images_removed){.images = images.images,
                                   .inputs = images.inputs,
                                   .guests = guests.images + guests.inputs,
                                   .in_use = images.in_use + guests.in_use,
                                   .bytes = images.bytes + guests.bytes};
    return r;
}

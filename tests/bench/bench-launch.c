/* bench-launch LAUNCHER [RUNTIME]: a session through cupel, first verb to hello frame, against a
 * bare launcher that issues the same verbs on the same bundle. Needs root. */
#include "bench.h"

#include "../runtime/rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"

#include <stdio.h>

/* ---- through cupel ---- */

static int ours_open(void *user, struct err *err)
{
    (void)user, (void)err;
    return 0;
}

static void ours_close(void *user)
{
    (void)user;
}

static int ours_slice(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    struct rig *r = user;
    struct session *s;
    int rc = r->driver->start(&r->site, r->engine, &rig_probe, &s, err);

    (void)want_ns;
    if (rc < 0)
        return rc;
    *ret = (double)session_launch_ns(s);
    return r->driver->stop(&r->site, r->engine, s, ENDING_BYE, NULL, err);
}

/* ---- the bare launcher ---- */

struct bare {
    struct rig *rig;
    struct bench_reference program;
    char root[200], bundle[200], id[64];
};

/* Appends text to out with every `from` replaced by `to`. */
static void replace_all(struct str *out, const char *text, const char *from, const char *to)
{
    const char *at;

    for (; (at = strstr(text, from)); text = at + strlen(from)) {
        str_addn(out, text, (size_t)(at - text));
        str_add(out, to);
    }
    str_add(out, text);
}

/* The bundle of a live session, under names of the launcher's own. */
static int copy_bundle(struct bare *b, struct session *s, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT, moved = STR_INIT, config = STR_INIT;
    char from[200], path[256], group[CGROUP_PATH_MAX + 8], bare_group[CGROUP_PATH_MAX + 8];
    const char *const argv[] = {"/bin/cp", "-a", from, b->bundle, NULL};
    int r;

    str_format(from, sizeof(from), "%s/%04u", b->rig->site.dir, s->number);
    str_format(b->bundle, sizeof(b->bundle), "%s/bare", b->rig->site.dir);
    r = spawn_simple(b->rig->loop, argv, time_deadline(10 * NS_PER_S), NULL, err);
    str_format(path, sizeof(path), "%s/config.json", b->bundle);
    if (r == 0)
        r = file_read(path, 1 << 20, &text, err);
    if (r < 0)
        return r;
    str_format(group, sizeof(group), "%s/box", s->caps.cgroup);
    str_format(bare_group, sizeof(bare_group), "%s/bare", b->rig->site.cgroup);
    replace_all(&moved, text.buf, from, b->bundle);
    replace_all(&config, moved.buf, group, bare_group);
    return file_replace(path, config.buf, config.len, 0644, err);
}

static int bare_prepare(struct bare *b, const char *launcher, struct err *err)
{
    struct rig *r = b->rig;
    const struct cgroups *g = &r->machine.cgroups;
    struct session *s;
    int rc = r->driver->start(&r->site, r->engine, &rig_probe, &s, err);

    if (rc < 0)
        return rc;
    rc = copy_bundle(b, s, err);
    str_format(b->root, sizeof(b->root), "%s/bare-state", r->site.dir);
    str_format(b->id, sizeof(b->id), "cupel-%s-9999", r->site.run_id);
    b->program = (struct bench_reference){.loop = r->loop,
                                          .path = launcher,
                                          .args = {r->info.path, b->root, b->bundle, b->id,
                                                   r->info.work_around[0] ? g->unified_mount : "-"},
                                          .cpu = -1};
    if (rc < 0)
        r->driver->stop(&r->site, r->engine, s, ENDING_BYE, NULL, NULL);
    else
        rc = r->driver->stop(&r->site, r->engine, s, ENDING_BYE, NULL, err);
    return rc;
}

static int run_all(struct rig *rig, const char *launcher, const char *runtime, struct err *err)
{
    char what[128];
    struct bare bare = {.rig = rig};
    struct subject a = {"cupel", rig, ours_open, ours_slice, ours_close}, b;
    struct bench_plan plan = {.what = what, .blocks = 12, .rounds = 8, .slice_ns = 1, .most = 1.05};
    int r = bare_prepare(&bare, launcher, err);

    if (r < 0)
        return r;
    str_format(what, sizeof(what), "%s, create to first frame, time through cupel / bare launcher",
               runtime);
    b = bench_reference_subject(&bare.program);
    r = bench_compare(&plan, &a, &b, true, err);
    cgroup_remove(&rig->machine.cgroups, rig->site.cgroup, NULL);
    cgroup_make(&rig->machine.cgroups, rig->site.cgroup, NULL);
    return r;
}

int main(int argc, char **argv)
{
    const char *runtime = argc > 2 ? argv[2] : "crun";
    struct err err = ERR_INIT;
    struct rig rig;
    int r;

    if (argc < 2) {
        fprintf(stderr, "usage: bench-launch LAUNCHER [RUNTIME]\n");
        return 2;
    }
    rig_init(&rig);
    if (!rig_open(&rig, runtime)) {
        printf("launch: left out, %s: %s\n", runtime, rig.info.reason);
        rig_release(&rig);
        return 0;
    }
    r = run_all(&rig, argv[1], runtime, &err);
    if (r < 0)
        fprintf(stderr, "bench-launch: %s\n", err.msg);
    rig_release(&rig);
    return r < 0 ? 2 : r;
}

/* bench-launch LAUNCHER RUNTIME [COUNT]: a session through cupel, first verb to hello frame,
 * against a bare launcher that issues the same verbs on the same bundle; with a COUNT, so many
 * sessions one after the other, all kept, with all that cupel does between them. Needs root. */
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

struct ours {
    struct rig *rig;
    struct session **v;
    size_t n;
};

static int ours_slice(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    const struct ours *o = user;
    struct rig *r = o->rig;
    uint64_t from_ns = time_mono_ns();
    size_t begun = 0;
    int rc = 0;

    (void)want_ns;
    for (; rc == 0 && begun < o->n; begun += rc == 0)
        rc = r->driver->start(&r->site, r->engine, &rig_probe, &o->v[begun], err);
    if (rc == 0)
        *ret = o->n == 1 ? (double)session_launch_ns(o->v[0]) : (double)(time_mono_ns() - from_ns);
    while (begun > 0) {
        int end = session_stop(o->v[--begun], ENDING_BYE, NULL, rc == 0 ? err : NULL);
        rc = rc == 0 ? end : rc;
    }
    return rc;
}

/* ---- the bare launcher ---- */

struct bare {
    struct rig *rig;
    struct bench_reference program;
    size_t n;
    char root[200], bundle[200], id[64], count[16];
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

/* The bundle of a live session, under names of the launcher's own; programs and all else are the
 * same files, as they are in all of cupel's. */
static int copy_bundle(struct bare *b, struct session *s, size_t i, struct err *err)
{
    char bundle[220];
    _cleanup_(str_release) struct str text = STR_INIT, moved = STR_INIT, config = STR_INIT;
    char from[200], path[256], group[CGROUP_PATH_MAX + 8], bare_group[CGROUP_PATH_MAX + 8];
    const char *const argv[] = {"/bin/cp", "-al", from, bundle, NULL};
    int r;

    str_format(from, sizeof(from), "%s/%04u", b->rig->site.dir, s->number);
    str_format(bundle, sizeof(bundle), "%s-%zu", b->bundle, i);
    r = spawn_simple(b->rig->loop, argv, time_deadline(10 * NS_PER_S), NULL, err);
    str_format(path, sizeof(path), "%s/config.json", bundle);
    if (r == 0)
        r = file_read(path, 1 << 20, &text, err);
    if (r < 0)
        return r;
    str_format(group, sizeof(group), "%s/box", s->caps.cgroup);
    str_format(bare_group, sizeof(bare_group), "%s/bare-%zu", b->rig->site.cgroup, i);
    replace_all(&moved, text.buf, from, bundle);
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
    str_format(b->bundle, sizeof(b->bundle), "%s/bare", r->site.dir);
    for (size_t i = 0; rc == 0 && i < b->n; i++)
        rc = copy_bundle(b, s, i, err);
    str_format(b->count, sizeof(b->count), "%zu", b->n);
    str_format(b->root, sizeof(b->root), "%s/bare-state", r->site.dir);
    str_format(b->id, sizeof(b->id), "cupel-%s-9999", r->site.run_id);
    b->program = (struct bench_reference){.loop = r->loop,
                                          .path = launcher,
                                          .args = {r->info.path, b->root, b->bundle, b->id,
                                                   r->info.work_around[0] ? g->unified_mount : "-",
                                                   b->count},
                                          .cpu = -1};
    if (rc < 0)
        session_stop(s, ENDING_BYE, NULL, NULL);
    else
        rc = session_stop(s, ENDING_BYE, NULL, err);
    return rc;
}

static int run_all(struct rig *rig, const char *launcher, const char *runtime, size_t n,
                   struct err *err)
{
    char what[128];
    struct bare bare = {.rig = rig, .n = n};
    _cleanup_free_ struct session **sessions = xcalloc(n, sizeof(struct session *));
    struct ours ours = {rig, sessions, n};
    struct subject a = {"cupel", &ours, ours_open, ours_slice, ours_close}, b;
    struct bench_plan one = {.what = what, .blocks = 30, .rounds = 8, .slice_ns = 1, .most = 1.05};
    struct bench_plan many = {.what = what, .blocks = 8, .rounds = 1, .slice_ns = 1, .most = 1.1};
    int r = bare_prepare(&bare, launcher, err);

    if (r < 0)
        return r;
    if (n == 1)
        str_format(what, sizeof(what),
                   "%s, create to first frame, time through cupel / bare launcher", runtime);
    else
        str_format(what, sizeof(what), "%s, %zu started and kept, time through cupel / bare loop",
                   runtime, n);
    b = bench_reference_subject(&bare.program);
    r = bench_compare(n == 1 ? &one : &many, &a, &b, true, err);
    cgroup_remove(&rig->machine.cgroups, rig->site.cgroup, NULL);
    cgroup_make(&rig->machine.cgroups, rig->site.cgroup, NULL);
    return r;
}

int main(int argc, char **argv)
{
    const char *runtime = argc > 2 ? argv[2] : "crun";
    uint64_t n = 1;
    struct err err = ERR_INIT;
    struct rig rig;
    int r;

    if (argc < 2 || (argc > 3 && parse_u64(argv[3], 1, 1000, "COUNT", &n, NULL) < 0)) {
        fprintf(stderr, "usage: bench-launch LAUNCHER [RUNTIME [COUNT]]\n");
        return 2;
    }
    rig_init(&rig);
    if (!rig_open(&rig, runtime)) {
        printf("launch: left out, %s: %s\n", runtime, rig.info.reason);
        rig_release(&rig);
        return 0;
    }
    r = run_all(&rig, argv[1], runtime, n, &err);
    if (r < 0)
        fprintf(stderr, "bench-launch: %s\n", err.msg);
    rig_release(&rig);
    return r < 0 ? 2 : r;
}

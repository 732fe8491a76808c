/* bench-vm LAUNCHER [TARGET]: a virtual machine through cupel, exec to first frame, against a bare
 * launcher of the very command lines that cupel started. Needs root. */
#include "bench.h"

#include "../runtime/rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/proc.h"

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
    return session_stop(s, ENDING_FORCED, NULL, err);
}

/* ---- the bare launcher ---- */

/* A process's words into DIR/NAME.argv, with the session's directory in them replaced. */
static int keep_words(pid_t pid, const char *session, const char *dir, const char *name,
                      struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT, moved = STR_INIT;
    char path[256];
    size_t n = strlen(session);

    str_format(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    int r = file_read(path, 65536, &text, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < text.len;) {
        if (text.len - i >= n && memcmp(text.buf + i, session, n) == 0) {
            str_add(&moved, dir);
            i += n;
        } else {
            str_addc(&moved, text.buf[i++]);
        }
    }
    str_format(path, sizeof(path), "%s/%s.argv", dir, name);
    return file_replace(path, moved.buf, moved.len, 0644, err);
}

/* The two servers are told apart by what they serve. */
static int keep_servers(const struct rig *r, const struct session *s, const char *session,
                        const char *dir, struct err *err)
{
    struct pid_list pids = {0};
    int rc = cgroup_pids(&r->machine.cgroups, s->caps.cgroup, &pids, err);

    for (size_t i = 0; rc >= 0 && i < pids.n; i++) {
        char comm[16], cmdline[1024];
        if (proc_comm(pids.v[i], comm, sizeof(comm)) < 0 || !str_eq(comm, "virtiofsd") ||
            proc_cmdline(pids.v[i], cmdline, sizeof(cmdline)) < 0)
            continue;
        rc = keep_words(pids.v[i], session, dir, strstr(cmdline, "/rootfs") ? "root" : "data", err);
    }
    pid_list_release(&pids);
    return rc;
}

static int bare_prepare(struct rig *r, char dir[200], struct err *err)
{
    char session[200];
    struct session *s;
    int rc = r->driver->start(&r->site, r->engine, &rig_probe, &s, err);

    if (rc < 0)
        return rc;
    str_format(session, sizeof(session), "%s/%04u", r->site.dir, s->number);
    str_format(dir, 200, "%s/bare", r->site.dir);
    rc = fs_mkdirs(dir, 0755, err);
    const char *parts[] = {"rootfs", "data"};
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(parts); i++) {
        char from[220];
        str_format(from, sizeof(from), "%s/%s", session, parts[i]);
        const char *const argv[] = {"/bin/cp", "-al", from, dir, NULL};
        rc = spawn_simple(r->loop, argv, time_deadline(10 * NS_PER_S), NULL, err);
    }
    if (rc == 0)
        rc = keep_words(s->caps.pid, session, dir, "qemu", err);
    if (rc == 0)
        rc = keep_servers(r, s, session, dir, err);
    int end = session_stop(s, ENDING_BYE, NULL, rc < 0 ? NULL : err);
    return rc < 0 ? rc : end;
}

static int run_all(struct rig *r, const char *launcher, const char *target, struct err *err)
{
    char what[160], dir[200];
    int rc = bare_prepare(r, dir, err);

    if (rc < 0)
        return rc;
    str_format(what, sizeof(what), "%s, exec to first frame, time through cupel / bare launcher",
               target);
    struct bench_reference bare = {.loop = r->loop, .path = launcher, .args = {dir}, .cpu = -1};
    struct bench_plan plan = {.what = what, .blocks = 10, .rounds = 4, .slice_ns = 1, .most = 1.05};
    struct subject a = {"cupel", r, ours_open, ours_slice, ours_close};
    struct subject b = bench_reference_subject(&bare);
    return bench_compare(&plan, &a, &b, true, err);
}

int main(int argc, char **argv)
{
    const char *target = argc > 2 ? argv[2] : "qemu:virtiofs";
    struct err err = ERR_INIT;
    struct rig rig;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: bench-vm LAUNCHER [TARGET]\n");
        return 2;
    }
    rig_init(&rig);
    if (!rig_open(&rig, target)) {
        printf("vm: left out, %s: %s\n", target, rig.info.reason);
        rig_release(&rig);
        return 0;
    }
    int r = run_all(&rig, argv[1], target, &err);
    if (r < 0)
        fprintf(stderr, "bench-vm: %s\n", err.msg);
    rig_release(&rig);
    return r < 0 ? 2 : r;
}

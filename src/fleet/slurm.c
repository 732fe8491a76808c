#include "fleet/slurm.h"

#include "base/fd.h"
#include "base/rand.h"
#include "base/time.h"
#include "fleet/roll.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/* What of a job's last minute is left for its run to end in order, before Slurm kills. */
#define LAST_WORDS "--signal=B:TERM@60"

/* On the node. Nothing of the user's is in it: this machine's kind, the fleet's id. What fails
 * before cupel runs is said into the log. The folder is the job's working directory; where a node
 * does not have it, Slurm starts the script elsewhere. */
static const char job_script[] =
    "#!/bin/sh\n"
    "# Started by cupel run --on slurm:...; see `cupel help run`.\n"
    "s=$(pwd); t=$SLURM_ARRAY_TASK_ID; o=$s/fleet/%s.json\n"
    "umask 077\n"
    "[ -e \"$o\" ] || { echo \"$s is not the folder that cupel made: is it shared?\"; exit 94; }\n"
    "n=on-$SLURMD_NODENAME\n"
    "if ! e=$(mkdir \"$n\" 2>&1); then\n"
    "    if [ -d \"$n\" ]; then : >\"$t.again\"; else echo \"$e\"; fi; exit 95\n"
    "fi\n"
    "k=$(uname -sm); [ \"$k\" = \"%s %s\" ] || "
    "{ echo \"this node is $k, and cupel was sent from a %s %s\"; exit 96; }\n"
    "d=$(mktemp -d \"${TMPDIR:-/var/tmp}/cupel-fleet-XXXXXXXXXX\") || exit 97\n"
    "trap 'rm -rf \"$d\"' EXIT; trap 'exit 99' HUP INT TERM\n"
    "cd \"$d\" && e=$(tar -xzof \"$s/bundle\" 2>&1) || { echo \"$e\" | head -n 1; exit 98; }\n"
    "trap - EXIT HUP INT TERM\n"
    "exec sh ./start steward --order \"$o\" --number \"$t\" \"$d\"\n";

static int check(const char *spec, struct err *err)
{
    struct slurm_spec s;

    return slurm_spec_parse(spec, &s, err);
}

static size_t machines(const char *spec)
{
    struct slurm_spec s;

    return slurm_spec_parse(spec, &s, NULL) == 0 ? s.nodes : 1;
}

/* ---- the shipment ---- */

static void all_end(struct shipment *s, enum fleet_outcome outcome, const char *why)
{
    VEC_FOREACH (&s->seats, struct seat, seat)
        if (!seat->m->ended)
            machine_ends(seat->m, outcome, "%s", why);
}

static void shipment_init(struct shipment *s, struct voyage *v, struct fleet_machine *m)
{
    *s = (struct shipment){.v = v};
    (void)slurm_spec_parse(m->from + strlen("slurm:"), &s->spec, NULL); /* checked before */
    for (struct fleet_machine *one = m; one; one = machine_next(v, one))
        VEC_PUSH(&s->seats, (struct seat){.m = one,
                                          .number = (unsigned)(one - v->fleet->machines.v) + 1,
                                          .since_ns = time_mono_ns()});
}

static void shipment_release(struct shipment *s)
{
    ledger_free(s->ledger);
    VEC_RELEASE(&s->seats);
}

/* Which machine of the fleet the element begins with: all else that has to be told apart by. */
static size_t element_index(const struct shipment *s)
{
    const struct fleet *f = s->v->fleet;
    size_t i = 0;

    while (i < f->machines.n && !str_eq(f->machines.v[i].from, s->seats.v[0].m->from))
        i++;
    return i;
}

static void name_jobs(struct shipment *s)
{
    str_format(s->name, sizeof(s->name), "cupel-%s-%zu", s->v->fleet->id, element_index(s) + 1);
}

/* A ledger of its own for each element, found again without being written down anywhere. */
static void ledger_id(const struct shipment *s, char ret[9])
{
    uint64_t id = strtoull(s->v->fleet->id, NULL, 16) + element_index(s);

    str_format(ret, 9, "%08x", (unsigned)id);
}

static struct ledger_item shared_item(const struct shipment *s)
{
    return (struct ledger_item){.kind = LEDGER_SHARED, .path = s->place};
}

static struct ledger_item job_item(const struct shipment *s)
{
    return (struct ledger_item){.kind = LEDGER_SLURM_JOB,
                                .id = s->name,
                                .runtime = s->slurm.scancel,
                                .path = s->slurm.conf[0] ? s->slurm.conf : "/etc/slurm/slurm.conf"};
}

static char *ledger_place(const struct shipment *s)
{
    return xasprintf("%s/fleet", s->v->o->state_dir);
}

/* ---- what goes out ---- */

static int choose_place(struct shipment *s, struct err *err)
{
    _cleanup_free_ char *base = realpath(s->spec.dir[0] ? s->spec.dir : ".", NULL);

    if (!base)
        return err_errno(err, errno, "folder %s", s->spec.dir);
    if (strpbrk(base, "%\\") ||
        !str_format(s->place, sizeof(s->place), "%s/%s%08x%02x", str_eq(base, "/") ? "" : base,
                    LEDGER_BROUGHT_NAME, (unsigned)rng_entropy(), (unsigned)rng_entropy() & 0xff))
        return err_set(
            err, ERR_USAGE, EINVAL,
            "%.120s: the name of that folder is too long, or too odd; dir= names another", base);
    return 0;
}

static int make_place(struct shipment *s, struct err *err)
{
    struct stat st;

    if (mkdir(s->place, 0700) < 0 || stat(s->place, &st) < 0)
        return err_errno(err, errno, "make %s", s->place);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_ENVIRONMENT, EPERM,
                       "what this account makes in %s does not belong to it (root_squash?); dir= "
                       "names another folder that the nodes see",
                       s->place);
    return 0;
}

static int write_bundle(const struct shipment *s, struct err *err)
{
    const struct bundle *b = &s->v->bundle;
    _cleanup_free_ char *path = xasprintf("%s/bundle", s->place);
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    off_t at = 0;

    if (fd < 0)
        return err_errno(err, errno, "make %s", path);
    while ((uint64_t)at < b->bytes) {
        ssize_t n = sendfile(fd, b->fd, &at, (size_t)(b->bytes - (uint64_t)at));
        if (n <= 0)
            return err_errno(err, n < 0 ? errno : EIO, "write %s", path);
    }
    return fsync(fd) < 0 ? err_errno(err, errno, "write %s", path) : 0;
}

static int write_script(const struct shipment *s, struct err *err)
{
    _cleanup_(str_release) struct str script = STR_INIT;
    _cleanup_free_ char *path = xasprintf("%s/job.sh", s->place);
    struct utsname u;

    if (uname(&u) < 0)
        return err_errno(err, errno, "read this machine's kind");
    str_addf(&script, job_script, s->v->fleet->id, u.sysname, u.machine, u.sysname, u.machine);
    return file_replace(path, script.buf, script.len, 0700, err);
}

static int send_out(struct shipment *s, struct err *err)
{
    const struct ledger_item items[] = {shared_item(s), job_item(s)};
    _cleanup_free_ char *ledgers = ledger_place(s);
    char id[9];

    ledger_id(s, id);
    int r = ledger_open(ledgers, id, &s->ledger, err);
    if (r == 0)
        r = ledger_intend(s->ledger, items, ARRAY_SIZE(items), err);
    if (r == 0)
        r = make_place(s, err);
    if (r == 0)
        r = write_bundle(s, err);
    if (r == 0)
        r = write_script(s, err);
    /* From here on a --resume finds it. */
    VEC_FOREACH (&s->seats, struct seat, seat)
        str_copy(seat->m->place, sizeof(seat->m->place), s->place);
    if (r == 0)
        r = roll_write(s->v->fleet, s->place, err);
    if (r == 0)
        r = roll_write(s->v->fleet, s->v->o->state_dir, err);
    return r;
}

/* ---- sbatch ---- */

/* The nodes that are machines already, as the tasks themselves have it. */
static void add_used_nodes(const struct shipment *s, struct str *list)
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    DIR *dir = opendir(s->place);

    for (struct dirent *d; dir && (d = readdir(dir));) {
        const char *node = d->d_name + strlen("on-");
        if (str_starts(d->d_name, "on-") && node[0] && strspn(node, fine) == strlen(node))
            str_addf(list, "%s%s", list->len ? "," : "", node);
    }
    if (dir)
        closedir(dir);
}

int slurm_ship(struct shipment *s, const struct seat *one, struct err *err)
{
    const struct seat *first = one ? one : s->seats.v, *last = one ? one : first + s->seats.n - 1;
    _cleanup_free_ char *array = xasprintf("--array=%u-%u", first->number, last->number);
    _cleanup_free_ char *name = xasprintf("--job-name=%s", s->name);
    _cleanup_free_ char *partition = xasprintf("--partition=%s", s->spec.partition);
    _cleanup_free_ char *chdir_to = xasprintf("--chdir=%s", s->place);
    _cleanup_free_ char *output = xasprintf("--output=%s/%%a.log", s->place);
    _cleanup_free_ char *script = xasprintf("%s/job.sh", s->place);
    _cleanup_(str_release) struct str exclude = STR_INIT, used = STR_INIT;
    const char *args[SLURM_ARGS_MAX - 2] = {
        array,       name,         partition,     chdir_to,  output,     "--open-mode=append",
        "--nodes=1", "--ntasks=1", "--exclusive", "--mem=0", LAST_WORDS, "--no-requeue"};
    size_t n = 12;
    uint64_t id;

    for (size_t i = 0; i < s->spec.n_passed; i++)
        args[n++] = s->spec.passed[i];
    if (one) {
        add_used_nodes(s, &used);
        str_addf(&exclude, "--exclude=%s", used.buf);
        args[n++] = exclude.buf;
    }
    args[n++] = script;
    return slurm_submit(s->v->o->loop, &s->slurm, args, &id, err);
}

/* ---- the carrier ---- */

/* Nothing of it is needed any more. What cannot be removed stays in the ledger. */
static int put_away(struct shipment *s, struct err *err)
{
    const struct ledger_item shared = shared_item(s), job = job_item(s);
    int r = fs_remove_tree(s->place, err);

    if (r == 0)
        r = ledger_done(s->ledger, &shared, err);
    if (r == 0)
        r = ledger_done(s->ledger, &job, err);
    if (r < 0)
        return r;
    VEC_FOREACH (&s->seats, struct seat, seat)
        seat->m->place[0] = '\0';
    struct ledger *l = TAKE_PTR(s->ledger);
    return ledger_close(l, err);
}

static int watch_to_the_end(struct shipment *s, struct err *err)
{
    int r = slurm_watch(s, err);

    return r < 0 ? r : put_away(s, err);
}

/* sbatch was interrupted, or took too long: Slurm may have the job all the same. */
static int call_back(struct shipment *s)
{
    _cleanup_(slurm_jobs_release) struct slurm_jobs jobs = VEC_INIT;
    int r = slurm_list(s->v->o->loop, &s->slurm, s->name, &jobs, NULL);

    for (size_t i = 0; r == 0 && i < jobs.n; i++)
        if (!slurm_is_over(jobs.v[i].state))
            r = slurm_cancel(s->v->o->loop, &s->slurm, NULL, &jobs.v[i], 1, NULL);
    return r;
}

static int carry(struct voyage *v, struct fleet_machine *m, struct err *err)
{
    _cleanup_(shipment_release) struct shipment s;
    struct err why = ERR_INIT;

    shipment_init(&s, v, m);
    name_jobs(&s);
    int r = slurm_find(&s.slurm, &why);
    if (r == 0)
        r = choose_place(&s, &why);
    if (r < 0) {
        all_end(&s, FLEET_NOT_TAKEN, why.msg);
        return 0;
    }
    r = send_out(&s, &why);
    if (r == 0)
        r = slurm_ship(&s, NULL, &why);
    if (r == 0)
        return watch_to_the_end(&s, err);
    if (r == -EINTR)
        all_end(&s, FLEET_LOST, "interrupted");
    all_end(&s, r == -ENOSPC ? FLEET_FAILED : FLEET_NOT_TAKEN, why.msg);
    loop_clear_interrupt(v->o->loop);
    /* Else it stands in the ledger, for cupel clean. */
    return s.ledger && call_back(&s) == 0 ? put_away(&s, err) : 0;
}

/* Was killed before there was a job? A ledger says that there may be one. */
static int resume(struct voyage *v, struct fleet_machine *m, struct err *err)
{
    _cleanup_(shipment_release) struct shipment s;
    _cleanup_free_ char *ledgers = NULL;
    struct err why = ERR_INIT;
    char id[9];

    shipment_init(&s, v, m);
    name_jobs(&s);
    str_copy(s.place, sizeof(s.place), m->place);
    ledgers = ledger_place(&s);
    ledger_id(&s, id);
    int r = m->place[0] ? ledger_resume(ledgers, id, &s.ledger, &why) : -ENOENT;
    if (r == -ENOENT || (r == 0 && access(s.place, F_OK) < 0)) {
        all_end(&s, m->place[0] ? FLEET_GONE : FLEET_LOST, "");
        return 0;
    }
    if (r == 0)
        r = slurm_find(&s.slurm, &why);
    if (r < 0) {
        all_end(&s, FLEET_KEPT, why.msg);
        return 0;
    }
    return watch_to_the_end(&s, err);
}

const struct carrier carrier_slurm = {
    .scheme = "slurm",
    .machine = "partition,nodes=N",
    .check = check,
    .machines = machines,
    .carry = carry,
    .resume = resume,
};

#include "fleet/slurm.h"

#include <ctype.h>
#include <errno.h>

#define WAIT_NS (UINT64_C(24) * 3600 * 1000000000)

/* What sbatch takes by the same names. Lists have their commas in brackets only. */
static const char *const passed[] = {"account",     "qos",      "time",    "constraint",
                                     "reservation", "nodelist", "exclude", "licenses"};

/* Names of Slurm's, durations, host lists, features: nothing that begins an option, or that a line
 * of ours could not hold. */
static bool is_plain(const char *text)
{
    static const char fine[] = "._-+:/[]&|()*@%=";

    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(fine, *p))
            return false;
    return text[0] && text[0] != '-';
}

static int pass(struct slurm_spec *s, const char *key, const char *value, struct err *err)
{
    if (s->n_passed == SLURM_PASSED_MAX || !is_plain(value) ||
        !str_format(s->passed[s->n_passed], sizeof(s->passed[0]), "--%s=%s", key, value))
        return err_set(err, ERR_USAGE, EINVAL, "--on slurm: %s=%.60s cannot be taken", key, value);
    s->n_passed++;
    return 0;
}

static int take_dir(struct slurm_spec *s, const char *dir, struct err *err)
{
    /* The last two mean something to sbatch in names of files. */
    if (dir[0] != '/' || strpbrk(dir, "%\\") || !str_copy(s->dir, sizeof(s->dir), dir))
        return err_set(err, ERR_USAGE, EINVAL,
                       "--on slurm: dir=%.80s: an absolute path without %% and \\, please", dir);
    return 0;
}

static int take_option(struct slurm_spec *s, const char *key, const char *value, struct err *err)
{
    static const char *const own[] = {"nodes", "dir", "wait"};
    const char *names[ARRAY_SIZE(own) + ARRAY_SIZE(passed)];
    uint64_t n;
    int r;

    if (str_eq(key, "nodes")) {
        r = parse_u64(value, 1, FLEET_MACHINES_MAX, "--on slurm: nodes", &n, err);
        s->nodes = r == 0 ? (unsigned)n : 0;
        return r;
    }
    if (str_eq(key, "dir"))
        return take_dir(s, value, err);
    if (str_eq(key, "wait"))
        return parse_duration_ns(value, "--on slurm: wait", &s->wait_ns, err);
    for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
        if (str_eq(key, passed[i]))
            return pass(s, key, value, err);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        names[i] = i < ARRAY_SIZE(own) ? own[i] : passed[i - ARRAY_SIZE(own)];
    const char *near = str_nearest(key, names, ARRAY_SIZE(names));
    return err_set(err, ERR_USAGE, EINVAL, "--on slurm: no option \"%.40s\"%s%s%s", key,
                   near ? "; did you mean " : "", near ? near : "", near ? "=?" : "");
}

int slurm_spec_parse(const char *spec, struct slurm_spec *ret, struct err *err)
{
    struct slurm_spec s = {.nodes = 1, .wait_ns = WAIT_NS};
    _cleanup_free_ char *copy = xstrdup(spec);
    char *rest = copy;
    const char *partition = strsep(&rest, ",");

    if (!is_plain(partition) || strpbrk(partition, "=#") ||
        !str_copy(s.partition, sizeof(s.partition), partition))
        return err_set(
            err, ERR_USAGE, EINVAL,
            "--on slurm: \"%.40s\" is no partition: write slurm:PARTITION,nodes=N (sinfo "
            "lists them)",
            partition);
    while (rest) {
        char *value = strsep(&rest, ",");
        const char *key = strsep(&value, "=");
        int r = take_option(&s, key, value ? value : "", err);
        if (r < 0)
            return r;
    }
    *ret = s;
    return 0;
}

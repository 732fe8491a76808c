/* Which of Kata's configurations a target means.
 *
 * They are TOML files, of which Kata reads one. What is in it is asked of Kata itself (`kata-env
 * --json`), which knows its defaults and the forms of its own versions better than a second reader
 * would. */
#include "driver/kata.h"

#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/time.h"
#include "base/vec.h"
#include "driver/oci.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>

#define ASK_NS       (5 * NS_PER_S)
#define CONFIGS_MOST 32

/* ---- asking ---- */

/* file NULL: the one it takes unasked. */
static int ask(struct site *s, const char *program, const char *file, struct kata_config *ret,
               struct err *err)
{
    char option[300];
    const char *argv[] = {program, NULL, NULL, NULL, NULL};
    size_t n = 1;
    _cleanup_(str_release) struct str text = STR_INIT;
    str_format(option, sizeof(option), "--kata-config=%s", file ? file : "");
    if (file)
        argv[n++] = option;
    argv[n++] = "kata-env";
    argv[n] = "--json";
    int r = spawn_simple(s->loop, argv, time_deadline(ASK_NS), &text, err);
    if (r == 0)
        r = kata_config_parse(text.buf, text.len, ret, err);
    return r < 0 && file ? err_wrap(err, "%s", file) : r;
}

/* ---- which there are ---- */

struct names {
    char **v;
    size_t n, cap;
};

static void names_release(struct names *l)
{
    VEC_FOREACH (l, char *, name)
        free(*name);
    VEC_RELEASE(l);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* configuration.toml, configuration-qemu-virtiofs.toml and the like, in order of their names. */
static void add_files(const char *dir, struct names *to)
{
    size_t first = to->n;
    DIR *d = opendir(dir);
    for (struct dirent *de; d && to->n < CONFIGS_MOST && (de = readdir(d));)
        if (str_starts(de->d_name, "configuration") && str_ends(de->d_name, ".toml"))
            VEC_PUSH(to, xasprintf("%s/%s", dir, de->d_name));
    if (d)
        closedir(d);
    if (to->n - first > 1)
        qsort(to->v + first, to->n - first, sizeof(*to->v), compare_names);
}

/* All in the directories of the files that it looks for. */
static int list_files(struct site *s, const char *program, struct names *to, struct err *err)
{
    const char *argv[] = {program, "--kata-show-default-config-paths", NULL};
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = spawn_simple(s->loop, argv, time_deadline(ASK_NS), &text, err);
    char *rest = text.buf, *line;
    while (r == 0 && (line = strsep(&rest, "\n"))) {
        char *slash = strrchr(line, '/');
        if (line[0] != '/' || slash == line)
            continue;
        *slash = '\0';
        add_files(line, to);
    }
    return r;
}

static bool is_wanted(const struct kata_config *c, const char *platform)
{
    char has[40];
    kata_platform(c, has, sizeof(has));
    return !*platform || str_eq(has, platform);
}

static void note_other(struct str *others, const struct kata_config *c)
{
    char has[40];
    kata_platform(c, has, sizeof(has));
    if (!strstr(others->buf, has))
        str_addf(others, "%s%s", others->len ? ", " : "", has);
}

const char *kata_config_flag(const struct target *t)
{
    for (size_t i = 0; i < t->n_flags; i++)
        if (str_eq(t->flags[i].name, KATA_CONFIG_FLAG))
            return t->flags[i].value;
    return NULL;
}

/* The one that is named has to be what the platform says. */
static int take_named(struct site *s, const char *program, const char *file, const char *platform,
                      struct kata_config *ret, struct err *err)
{
    char has[40];
    if (file[0] != '/')
        return err_set(err, ERR_USAGE, EINVAL, "config=%s: an absolute path is expected", file);
    int r = ask(s, program, file, ret, err);
    if (r < 0 || is_wanted(ret, platform))
        return r;
    kata_platform(ret, has, sizeof(has));
    return err_set(err, ERR_USAGE, EINVAL, "%s is %s and not %s", file, has, platform);
}

int kata_config_find(struct site *s, const char *program, const struct target *t,
                     struct kata_config *ret, struct err *err)
{
    const char *named = kata_config_flag(t);
    if (named)
        return take_named(s, program, named, t->platform, ret, err);
    struct err first = ERR_INIT;
    struct kata_config c;
    _cleanup_(str_release) struct str others = STR_INIT;
    _cleanup_(names_release) struct names files = {0};
    int r = ask(s, program, NULL, &c, &first);
    if (r == 0 && is_wanted(&c, t->platform)) {
        *ret = c;
        return 0;
    }
    if (r < 0 && !t->platform[0])
        return err_set(err, first.kind, first.code, "%s", first.msg);
    if (r == 0)
        note_other(&others, &c);
    r = list_files(s, program, &files, err);
    for (size_t i = 0; r == 0 && i < files.n; i++) {
        if (ask(s, program, files.v[i], &c, first.code ? NULL : &first) < 0)
            continue;
        if (is_wanted(&c, t->platform)) {
            *ret = c;
            return 0;
        }
        note_other(&others, &c);
    }
    if (r < 0)
        return r;
    if (!others.len && first.code)
        return err_set(err, first.kind, first.code, "%s", first.msg);
    return err_set(err, ERR_UNSUPPORTED, ENOENT, "no configuration of Kata's here is %s%s%s",
                   t->platform, others.len ? "; there is " : "", others.buf);
}

/* ---- programs ---- */

int kata_find_runtime(const char *name, char *dst, size_t size)
{
    static const char *const elsewhere[] = {"/opt/kata/bin/kata-runtime",
                                            "/usr/local/bin/kata-runtime"};
    int r = fs_which(*name ? name : "kata-runtime", dst, size);
    for (size_t i = 0; r < 0 && !*name && i < ARRAY_SIZE(elsewhere); i++)
        r = fs_which(elsewhere[i], dst, size);
    return r;
}

/* "" stays "": what cannot be read cannot be compared. */
static void hash(const char *path, char ret[FS_SHA256_HEX])
{
    if (!*path || fs_sha256(path, ret, NULL) < 0)
        ret[0] = '\0';
}

int kata_engine_make(struct engine *e, const struct kata_config *config, struct err *err)
{
    struct kata *k = e->kata = xcalloc(1, sizeof(*k));
    k->config = *config;
    k->configured = config->hypervisor[0] != '\0';
    if (!k->configured)
        return 0;
    if (stat(config->hypervisor, &k->hypervisor_stat) < 0)
        return err_errno(err, errno, "read %s, which %s names", config->hypervisor, config->path);
    int r = fs_sha256(config->hypervisor, k->hypervisor_sha256, err);
    hash(config->virtiofsd, k->virtiofsd_sha256);
    hash(config->kernel, k->kernel_sha256);
    return r;
}

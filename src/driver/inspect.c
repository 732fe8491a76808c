#include "driver/oci.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/kata.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#define ASK_NS (5 * NS_PER_S)

static const char *const known[] = {"runc", "crun", "runsc", "youki"};

/* ---- reading what a runtime prints ---- */

static void first_line(const char *text, char *dst, size_t size)
{
    str_format(dst, size, "%.*s", (int)strcspn(text, "\n"), text);
    str_printable(dst);
}

int program_version(struct site *s, const char *path, char *dst, size_t size, struct err *err)
{
    const char *argv[] = {path, "--version", NULL};
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = spawn_simple(s->loop, argv, time_deadline(ASK_NS), &text, err);
    if (r == 0)
        first_line(text.buf, dst, size);
    return r;
}

int program_number(struct site *s, const char *path, char *dst, size_t size, struct err *err)
{
    char line[160];
    int r = program_version(s, path, line, sizeof(line), err);
    if (r < 0)
        return r;
    const char *word = strrchr(line, ' ');
    str_copy(dst, size, word ? word + 1 : line);
    return 0;
}

static bool begins_with_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    return strncmp(text, word, n) == 0 && !isalnum((unsigned char)text[n]);
}

const char *oci_kind_of(const char *version_text)
{
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (begins_with_word(version_text, known[i]))
            return known[i];
    return "oci";
}

void oci_parse_platforms(const char *text, char *dst, size_t size)
{
    _cleanup_(str_release) struct str list = STR_INIT;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");
        size_t word = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        if (word > 0 && word == n && word < 24)
            str_addf(&list, "%s%.*s", list.len ? ", " : "", (int)n, p);
        p += n + (p[n] == '\n');
    }
    str_copy(dst, size, list.buf);
}

/* ...
 *   -platform string
 *         specifies which platform to use: ptrace (default), kvm. (default "ptrace") */
void oci_parse_default_platform(const char *text, char *dst, size_t size)
{
    const char *at = strstr(text, "-platform string\n");
    dst[0] = '\0';
    if (!at)
        return;
    at = strchr(at, '\n') + 1;
    const char *end = strchr(at, '\n');
    const char *quoted = strstr(at, "(default \"");
    if (!quoted || (end && quoted > end))
        return;
    quoted += strlen("(default \"");
    str_format(dst, size, "%.*s", (int)strcspn(quoted, "\"\n"), quoted);
    str_printable(dst);
}

/* ---- asking one ---- */

void target_unusable(struct target_info *ret, enum err_kind why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(ret->reason, sizeof(ret->reason), fmt, ap);
    va_end(ap);
    str_printable(ret->reason);
    ret->why = why;
    ret->usable = false;
}

static int ask(struct site *s, const char *path, const char *a, const char *b, struct str *out,
               struct err *err)
{
    const char *argv[] = {path, a, b, NULL};
    return spawn_simple(s->loop, argv, time_deadline(ASK_NS), out, err);
}

/* Everything it prints, on either stream: runsc explains its flags on standard error. */
static int ask_both(struct site *s, const char *path, const char *word, struct str *out,
                    struct err *err)
{
    int fds[2];
    int r = fd_pipe(fds, err);
    if (r < 0)
        return r;
    (void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 20); /* read when it has ended: all of it must fit */
    const char *argv[] = {path, word, NULL};
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = fds[1], .fd_err = fds[1]};
    struct spawn_result res;
    r = spawn_run(s->loop, &spec, time_deadline(ASK_NS), 0, &res, err);
    spawn_result_release(&res);
    fd_close(&fds[1]);
    if (r == 0)
        r = fd_set_nonblock(fds[0], true, err);
    if (r == 0)
        r = fd_read_all(fds[0], 1 << 20, out, NULL); /* -EAGAIN: a grandchild holds it; enough */
    fd_close(&fds[0]);
    return r == -EAGAIN ? 0 : r;
}

static bool find_binary(const struct target *t, struct target_info *ret)
{
    if (!t->runtime[0]) {
        target_unusable(ret, ERR_USAGE, "a runtime is missing: oci:NAME or oci:/PATH");
        return false;
    }
    if (fs_which(t->runtime, ret->path, sizeof(ret->path)) == 0)
        return true;
    target_unusable(ret, ERR_UNSUPPORTED,
                    strchr(t->runtime, '/') ? "no program at %s" : "no %s on the PATH", t->runtime);
    return false;
}

static bool find_version(struct site *s, struct target_info *ret)
{
    struct err err = ERR_INIT;
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = fs_sha256(ret->path, ret->sha256, &err);
    if (r == 0)
        r = ask(s, ret->path, "--version", NULL, &text, &err);
    if (r < 0) {
        target_unusable(ret, err.kind, "%s", err.msg);
        return false;
    }
    first_line(text.buf, ret->version, sizeof(ret->version));
    str_copy(ret->kind, sizeof(ret->kind), oci_kind_of(text.buf));
    return true;
}

/* Which does so much otherwise that this driver would leave things behind, and delete others. */
static bool check_not_kata(struct target_info *ret)
{
    if (kata_major_version(ret->version) == 0)
        return true;
    target_unusable(ret, ERR_UNSUPPORTED,
                    "Kata has a driver of its own: kata:qemu-9p, or kata:%s:qemu-9p", ret->path);
    return false;
}

/* A program called runsc that says it is runc would give a column a false name. */
static bool check_name(struct target_info *ret)
{
    const char *slash = strrchr(ret->path, '/');
    const char *base = slash ? slash + 1 : ret->path;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strcmp(base, known[i]) == 0 && strcmp(ret->kind, known[i]) != 0) {
            target_unusable(ret, ERR_ENVIRONMENT, "%s calls itself \"%s\"", ret->path,
                            ret->version);
            return false;
        }
    }
    return true;
}

static bool in_list(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == '\0' || at[n] == ','))
            return true;
    return false;
}

static bool check_platform(struct site *s, const struct target *t, struct target_info *ret)
{
    if (strcmp(ret->kind, "runsc") != 0) {
        if (!t->platform[0])
            return true;
        target_unusable(ret, ERR_USAGE, "%s has no platforms to choose from",
                        strcmp(ret->kind, "oci") == 0 ? ret->path : ret->kind);
        return false;
    }
    struct err err = ERR_INIT;
    _cleanup_(str_release) struct str names = STR_INIT;
    _cleanup_(str_release) struct str flags = STR_INIT;
    char has[120] = "";
    if (ask_both(s, ret->path, "flags", &flags, &err) == 0)
        oci_parse_default_platform(flags.buf, ret->default_platform, sizeof(ret->default_platform));
    if (ask(s, ret->path, "help", "platforms", &names, &err) == 0)
        oci_parse_platforms(names.buf, has, sizeof(has));
    str_copy(ret->platform, sizeof(ret->platform),
             t->platform[0] ? t->platform : ret->default_platform);
    if (!ret->platform[0]) {
        target_unusable(ret, ERR_UNSUPPORTED,
                        "this build does not say which platform it takes: name one");
        return false;
    }
    if (has[0] && !in_list(has, ret->platform)) {
        target_unusable(ret, ERR_UNSUPPORTED, "this build has %s", has);
        return false;
    }
    if (strcmp(ret->platform, "kvm") == 0 && !s->machine->kvm_device) {
        target_unusable(ret, ERR_UNSUPPORTED, "/dev/kvm cannot be opened");
        return false;
    }
    return true;
}

bool oci_check_machine(const struct site *s, struct target_info *ret)
{
    const struct cgroups *c = &s->machine->cgroups;
    if (!s->machine->is_root) {
        target_unusable(ret, ERR_UNSUPPORTED, "needs root");
        return false;
    }
    if (c->mode == CGROUP_NONE) {
        target_unusable(ret, ERR_UNSUPPORTED, "no control groups are mounted here");
        return false;
    }
    if (strcmp(ret->kind, "crun") == 0 && c->mode == CGROUP_HYBRID && c->unified_has_controllers)
        str_copy(ret->work_around, sizeof(ret->work_around),
                 "cgroup hybrid: the unified tree is covered");
    return true;
}

void oci_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    *ret = (struct target_info){.target = *t};
    ret->usable = find_binary(t, ret) && find_version(s, ret) && check_not_kata(ret) &&
                  check_name(ret) && check_platform(s, t, ret) && oci_check_machine(s, ret);
}

#include "fleet/install.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/loop.h"
#include "base/spawn.h"
#include "base/time.h"

#include <errno.h>

#define RECORD     "installed"
#define RECORD_MAX (64u << 10)
#define ASK_NS     (60 * NS_PER_S)
/* Whole archives' lists, or some hundred megabytes, on whatever line. */
#define APT_NS     (1800 * NS_PER_S)
#define ANSWER_MAX (1u << 20)
/* An upgrade may be at work. */
#define LOCK_WAIT "-oDPkg::Lock::Timeout=120"

#ifdef __aarch64__
#define QEMU_PROGRAM "qemu-system-aarch64"
#define QEMU_PACKAGE "qemu-system-arm"
#else
#define QEMU_PROGRAM "qemu-system-x86_64"
#define QEMU_PACKAGE "qemu-system-x86"
#endif

static const struct runtime {
    const char *name, *program, *package;
} runtimes[] = {{"runc", "runc", "runc"},
                {"crun", "crun", "crun"},
                {"runsc", "runsc", "runsc"},
                {"bwrap", "bwrap", "bubblewrap"},
                {"qemu", QEMU_PROGRAM, QEMU_PACKAGE}};

struct installer {
    struct loop *loop;
    char apt_get[256], apt_cache[256];
    void (*say)(void *user, const char *line);
    void *user;
};

const char *install_runtime(size_t i)
{
    return i < ARRAY_SIZE(runtimes) ? runtimes[i].name : NULL;
}

static void tell(const struct installer *in, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(const struct installer *in, const char *fmt, ...)
{
    char line[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    str_printable(line);
    in->say(in->user, line);
}

/* ---- apt ---- */

/* dpkg is not to be killed in the middle of its work because we are: no die_with_parent. */
static int apt(const struct installer *in, const char *const *argv, uint64_t for_ns,
               struct str *out, struct err *err)
{
    const struct spawn_spec spec = {
        .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1, .new_session = true};
    struct spawn_result res;
    int r = spawn_run(in->loop, &spec, time_deadline(for_ns), ANSWER_MAX, &res, err);

    if (r == 0)
        r = spawn_check(&spec, &res, err);
    if (r == 0 && out)
        str_add(out, res.out.buf);
    spawn_result_release(&res);
    return r;
}

static int find_apt(struct installer *in, const char *missing, struct err *err)
{
    if (geteuid() != 0)
        return err_set(err, ERR_ENVIRONMENT, EPERM,
                       "--install: %s is missing, and to install it "
                       "there needs root",
                       missing);
    if (fs_which("apt-get", in->apt_get, sizeof(in->apt_get)) < 0 ||
        fs_which("apt-cache", in->apt_cache, sizeof(in->apt_cache)) < 0)
        return err_set(err, ERR_ENVIRONMENT, ENOENT,
                       "--install: %s is missing, and there is no apt-get to install it", missing);
    setenv("DEBIAN_FRONTEND", "noninteractive", 1);
    setenv("NEEDRESTART_SUSPEND", "1", 1); /* Ubuntu's would restart services */
    setenv("LC_ALL", "C", 1);
    return 0;
}

/* "" in version: its archives do not have it. */
static int find_version(const struct installer *in, const char *package, char version[128],
                        struct err *err)
{
    static const char key[] = "Candidate: ";
    const char *const argv[] = {in->apt_cache, "policy", package, NULL};
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = apt(in, argv, ASK_NS, &out, err);
    const char *at = r == 0 ? strstr(out.buf, key) : NULL;

    str_format(version, 128, "%.*s", at ? (int)strcspn(at + strlen(key), "\n") : 0,
               at ? at + strlen(key) : "");
    if (str_eq(version, "(none)"))
        version[0] = '\0';
    return r;
}

/* The packages that would go for it ("Remv NAME [VERSION]"): "" none. */
static int find_removed(const struct installer *in, const char *package, struct str *ret,
                        struct err *err)
{
    const char *const argv[] = {
        in->apt_get, "-s", "-oDebug::NoLocking=true", "install", "--no-install-recommends",
        package,     NULL};
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = apt(in, argv, ASK_NS, &out, err);
    char *rest = out.buf;

    for (char *line; r == 0 && (line = strsep(&rest, "\n"));)
        if (str_starts(line, "Remv "))
            str_addf(ret, "%s%.*s", ret->len ? " " : "", (int)strcspn(line + 5, " "), line + 5);
    return r;
}

/* ---- one of them ---- */

static int write_down(const char *package, const char *version, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;

    if (access(RECORD, F_OK) == 0)
        (void)file_read(RECORD, RECORD_MAX, &text, NULL);
    str_addf(&text, "%s %s\n", package, version);
    return file_replace(RECORD, text.buf, text.len, 0600, err);
}

static int install(const struct installer *in, const char *package, struct err *err)
{
    const char *const argv[] = {in->apt_get,   "-qq",     "-y",
                                LOCK_WAIT,     "install", "--no-install-recommends",
                                "--no-remove", package,   NULL};
    _cleanup_(str_release) struct str removed = STR_INIT;
    char version[128];
    int r = find_version(in, package, version, err);

    if (r == 0 && !version[0]) {
        tell(in, "%s is not packaged there: left out", package);
        return 0;
    }
    if (r == 0)
        r = find_removed(in, package, &removed, err);
    if (r == 0 && removed.len > 0) {
        tell(in, "%s left out: installing it would remove %s", package, removed.buf);
        return 0;
    }
    if (r == 0) {
        tell(in, "installs %s %s", package, version);
        r = apt(in, argv, APT_NS, NULL, err);
    }
    if (r == 0)
        r = write_down(package, version, err);
    if (r < 0)
        return err_wrap(err, "--install: %s", package);
    tell(in, "%s is installed, and stays", package);
    return 0;
}

static bool is_in(const char *names, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = names; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, name, n) == 0 && (!p[n] || p[n] == ','))
            return true;
    return false;
}

static int install_all(struct installer *in, const char *names, struct err *err)
{
    char path[256];
    bool asked = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(runtimes); i++) {
        const struct runtime *t = &runtimes[i];
        if (!is_in(names, t->name) || fs_which(t->program, path, sizeof(path)) == 0)
            continue;
        if (!asked) {
            r = find_apt(in, t->name, err);
            const char *const update[] = {in->apt_get, "-qq", LOCK_WAIT, "update", NULL};
            if (r == 0)
                r = apt(in, update, APT_NS, NULL, err);
            asked = true;
        }
        if (r == 0)
            r = install(in, t->package, err);
    }
    return r;
}

int install_run(const char *dir, const char *names, void (*say)(void *user, const char *line),
                void *user, struct err *err)
{
    struct installer in = {.say = say, .user = user};
    int r = chdir(dir) < 0 ? err_errno(err, errno, "enter %s", dir) : loop_new(&in.loop, err);

    if (r < 0)
        return r;
    r = install_all(&in, names, err);
    loop_free(in.loop);
    return r;
}

json_t *install_record(void)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    json_t *a = json_array();
    char *rest;

    if (file_read(RECORD, RECORD_MAX, &text, NULL) < 0)
        return a;
    rest = text.buf;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (line[0])
            json_array_append_new(a, json_string(line));
    return a;
}

/* What docker there is for a target: the user's daemon where it answers and has such a runtime
 * registered, else one of the run's own where dockerd is installed. */
#include "driver/docker-daemon.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/time.h"
#include "driver/oci.h"

#include <errno.h>
#include <sys/stat.h>

/* A daemon that takes longer to say what it is cannot be worked with. */
#define ASK_NS (3 * NS_PER_S)

/* ---- the user's daemon ---- */

struct users {
    char socket[DOCKER_SOCKET_MAX];
    json_t *info; /* NULL: none that answers */
    struct err why;
};

static void ask_users(struct site *s, struct users *u)
{
    const struct docker_request q = {.method = "GET", .path = "/info", .what = "info"};
    struct docker *api = NULL;
    if (!docker_users_socket(u->socket)) {
        err_set(&u->why, ERR_ENVIRONMENT, EINVAL, "DOCKER_HOST names no socket of this machine");
        return;
    }
    if (docker_new(s->loop, u->socket, &api, &u->why) == 0)
        (void)docker_call(api, &q, time_deadline(ASK_NS), &u->info, &u->why);
    docker_free(api);
}

static const char *text_of(json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* Has the registered runtime the argument --name=value? */
static bool has_argument(json_t *runtime, const char *name, const char *value)
{
    char want[200];
    size_t i;
    json_t *arg;
    str_format(want, sizeof(want), "--%s=%s", name, value);
    json_array_foreach(json_object_get(runtime, "runtimeArgs"), i, arg)
    {
        const char *text = json_string_value(arg);
        if (text && (str_eq(text, want) || str_eq(text, want + 1)))
            return true;
    }
    return false;
}

/* "" where its arguments name none. */
static void platform_of(json_t *runtime, char *dst, size_t size)
{
    size_t i;
    json_t *arg;
    dst[0] = '\0';
    json_array_foreach(json_object_get(runtime, "runtimeArgs"), i, arg)
    {
        const char *text = json_string_value(arg);
        if (text && (str_starts(text, "--platform=") || str_starts(text, "-platform=")))
            str_copy(dst, size, strchr(text, '=') + 1);
    }
}

static bool is_same_program(const char *registered, const char *wanted)
{
    char a[256], b[256];
    struct stat sa, sb;
    return fs_which(registered, a, sizeof(a)) == 0 && fs_which(wanted, b, sizeof(b)) == 0 &&
           stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

/* Is it what the target asks for: by its name or its program, with that platform and those flags?
 * info: of the program. */
static bool suits(const char *name, json_t *runtime, const struct target *t,
                  const struct target_info *info)
{
    const char *path = text_of(runtime, "path"), *slash = strrchr(path, '/');
    char platform[24];
    bool by_name = str_eq(name, t->runtime) || str_eq(slash ? slash + 1 : path, t->runtime);
    if (!*path || !(by_name || is_same_program(path, t->runtime)))
        return false;
    platform_of(runtime, platform, sizeof(platform));
    if (str_eq(info->kind, "runsc") &&
        !str_eq(*platform ? platform : info->default_platform, info->platform))
        return false;
    for (size_t i = 0; i < t->n_flags; i++)
        if (!has_argument(runtime, t->flags[i].name, t->flags[i].value))
            return false;
    return true;
}

/* What its program is, wherever the daemon has it from. */
static bool inspect_registered(struct site *s, const struct target *t, const char *name,
                               json_t *runtime, struct target_info *ret)
{
    struct target as = *t;
    const char *path = text_of(runtime, "path");
    if (!*path || !str_copy(as.runtime, sizeof(as.runtime), path))
        return false;
    struct target_info info;
    oci_inspect(s, &as, &info);
    info.target = *t;
    if (!info.usable || info.work_around[0] || !suits(name, runtime, t, &info))
        return false;
    *ret = info;
    return true;
}

static bool find_registered(struct site *s, const struct target *t, const struct users *u,
                            struct target_info *ret, char *name, size_t size)
{
    json_t *all = json_object_get(u->info, "Runtimes"), *one = json_object_get(all, t->runtime);
    const char *key;
    if (one && inspect_registered(s, t, t->runtime, one, ret))
        return str_copy(name, size, t->runtime);
    json_object_foreach(all, key, one)
    {
        /* Only what looks right is worth asking its program. */
        const char *path = text_of(one, "path"), *slash = strrchr(path, '/');
        if (!str_eq(slash ? slash + 1 : path, t->runtime) && !is_same_program(path, t->runtime))
            continue;
        if (inspect_registered(s, t, key, one, ret))
            return str_copy(name, size, key);
    }
    return false;
}

/* ---- the run's own ---- */

/* "Docker version 20.10.24+dfsg1, build 5d6db84" */
static void short_version(struct site *s, const char *program, char *dst, size_t size)
{
    char line[160];
    struct err err = ERR_INIT;
    if (program_version(s, program, line, sizeof(line), &err) < 0)
        line[0] = '\0';
    const char *at = strstr(line, "version ");
    at = at ? at + strlen("version ") : "";
    str_format(dst, size, "%.*s", (int)strcspn(at, ", "), at);
}

static const char *users_state(const struct users *u, char *dst, size_t size)
{
    if (u->info)
        str_format(dst, size, "%.40s runs without this runtime", text_of(u->info, "ServerVersion"));
    else if (u->why.code == ENOENT || u->why.code == ECONNREFUSED)
        str_copy(dst, size, "is installed but not running");
    else
        str_format(dst, size, "is installed, but the one that runs is out of reach (%.100s)",
                   u->why.msg);
    return dst;
}

static void choose_own(struct site *s, const struct target *t, const struct users *u,
                       struct target_info *ret)
{
    static const char *const needed[] = {"containerd", "containerd-shim-runc-v2"};
    char path[256], state[160], version[48];
    if (fs_which("dockerd", path, sizeof(path)) < 0) {
        if (u->info)
            target_unusable(ret, ERR_UNSUPPORTED,
                            "the docker that runs has no such runtime, and no "
                            "dockerd on the PATH to start another");
        else if (u->why.kind == ERR_TIMEOUT)
            target_unusable(ret, ERR_TIMEOUT, "docker at %s: no answer after %.0f s", u->socket,
                            (double)ASK_NS / NS_PER_S);
        else if (u->why.code == EACCES || u->why.code == EINVAL)
            target_unusable(ret, ERR_ENVIRONMENT, "%s", u->why.msg);
        else
            target_unusable(ret, ERR_UNSUPPORTED, "docker is not installed");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        char other[256];
        if (fs_which(needed[i], other, sizeof(other)) < 0) {
            target_unusable(ret, ERR_UNSUPPORTED, "dockerd is installed, but no %s on the PATH",
                            needed[i]);
            return;
        }
    }
    oci_inspect(s, t, ret);
    if (!ret->usable)
        return;
    ret->starts_daemon = true;
    short_version(s, path, version, sizeof(version));
    str_format(ret->reason, sizeof(ret->reason), "docker %s; a private one%s%s%s will be started",
               users_state(u, state, sizeof(state)), *version ? " (" : "", version,
               *version ? ")" : "");
}

void docker_choose(struct site *s, const struct target *t, struct target_info *ret,
                   struct docker_choice *choice)
{
    struct users u = {.why = ERR_INIT};
    *ret = (struct target_info){.target = *t};
    *choice = (struct docker_choice){.whose = DOCKER_OWN};
    if (!t->runtime[0]) {
        target_unusable(ret, ERR_USAGE, "a runtime is missing: docker/NAME or docker:/PATH");
        return;
    }
    ask_users(s, &u);
    if (!s->machine->is_root && !u.info && u.why.code == EACCES) {
        target_unusable(ret, ERR_UNSUPPORTED, "%s", u.why.msg);
    } else if (!s->machine->is_root) {
        target_unusable(ret, ERR_UNSUPPORTED, "needs root");
    } else if (u.info && find_registered(s, t, &u, ret, choice->runtime, sizeof(choice->runtime))) {
        choice->whose = DOCKER_USERS;
        str_format(ret->reason, sizeof(ret->reason), "docker %.40s runs: its runtime %s",
                   text_of(u.info, "ServerVersion"), choice->runtime);
    } else {
        choose_own(s, t, &u, ret);
    }
    json_decref(u.info);
}

/* What docker there is for a target: the user's daemon where it answers and has such a runtime
 * registered, else one of the run's own where dockerd is installed. */
#include "driver/docker-daemon.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
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

/* Has the registered runtime the argument --name=value? */
static bool has_argument(json_t *runtime, const char *name, const char *value)
{
    char want[200];
    size_t i;
    json_t *arg;
    str_format(want, sizeof(want), "--%s=%s", name, value);
    json_array_foreach (json_object_get(runtime, "runtimeArgs"), i, arg) {
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
    json_array_foreach (json_object_get(runtime, "runtimeArgs"), i, arg) {
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
    const char *path = object_text(runtime, "path"), *slash = strrchr(path, '/');
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

/* The configuration that a registered Kata is told: an argument of version 1's command line, an
 * option of a shim. NULL: it takes its own. */
static const char *told_config(json_t *runtime)
{
    static const char option[] = "--kata-config";
    json_t *args = json_object_get(runtime, "runtimeArgs"), *arg;
    size_t i;
    json_array_foreach (args, i, arg) {
        const char *text = json_string_value(arg);
        if (!text || !str_starts(text, option))
            continue;
        if (text[sizeof(option) - 1] == '=')
            return text + sizeof(option);
        if (!text[sizeof(option) - 1])
            return json_string_value(json_array_get(args, i + 1));
    }
    return json_string_value(json_object_get(json_object_get(runtime, "options"), "ConfigPath"));
}

/* Docker tells Kata which configuration, and nobody else can: the target's has to be that one. */
static bool tell_config(const struct target *t, json_t *runtime, struct target *ret)
{
    const char *told = told_config(runtime), *named = kata_config_flag(t);
    *ret = *t;
    if (named)
        return str_eq(named, told);
    if (!told)
        return true;
    struct target_flag *f = &ret->flags[ret->n_flags];
    if (ret->n_flags == TARGET_FLAGS_MAX || !str_copy(f->value, sizeof(f->value), told))
        return false;
    str_copy(f->name, sizeof(f->name), KATA_CONFIG_FLAG);
    ret->n_flags++;
    return true;
}

/* Kata's command line by its path, or a shim of Kata's by its type. What is wrong with it is said
 * in ret. */
static bool inspect_kata(struct site *s, const struct target *t, const char *type, json_t *runtime,
                         struct target_info *ret, struct kata_config *config)
{
    struct target as;
    struct target_info info;
    if (!tell_config(t, runtime, &as))
        return false;
    if (type) {
        kata_inspect_shim(s, &as, type, &info, config);
    } else {
        str_copy(as.runtime, sizeof(as.runtime), object_text(runtime, "path"));
        kata_inspect_runtime(s, &as, &info, config);
    }
    info.target = *t;
    *ret = info;
    return info.usable;
}

/* The type of shim that is registered under the name, or that the name itself is. Daemons before
 * version 23 know none. */
static const char *shim_of(const struct users *u, const char *name, json_t *runtime)
{
    const char *type = object_text(runtime, "runtimeType");
    if (*type)
        return kata_is_shim(type) ? type : NULL;
    return !runtime && kata_is_shim(name) &&
                   strtoul(object_text(u->info, "ServerVersion"), NULL, 10) >= 23
               ? name
               : NULL;
}

static bool is_kata_program(const char *path)
{
    const char *slash = strrchr(path, '/');
    return str_starts(slash ? slash + 1 : path, "kata-runtime");
}

/* "docker/kata" is whichever registered runtime is Kata's; another name is the runtime's own. True:
 * one is meant, and ret says whether it can be used. */
static bool find_kata(struct site *s, const struct target *t, const struct users *u,
                      struct target_info *ret, struct docker_choice *choice)
{
    json_t *all = json_object_get(u->info, "Runtimes"), *one;
    const char *key;
    bool found = false;
    if (!json_object_get(all, t->runtime) && shim_of(u, t->runtime, NULL)) {
        str_copy(choice->runtime, sizeof(choice->runtime), t->runtime);
        inspect_kata(s, t, t->runtime, NULL, ret, &choice->kata);
        return true;
    }
    json_object_foreach (all, key, one) {
        const char *type = shim_of(u, key, one);
        bool is_kata = type || is_kata_program(object_text(one, "path"));
        if (!is_kata || !(str_eq(t->runtime, "kata") || str_eq(t->runtime, key)))
            continue;
        str_copy(choice->runtime, sizeof(choice->runtime), key);
        found = true;
        if (inspect_kata(s, t, type, one, ret, &choice->kata))
            break;
    }
    return found;
}

/* What its program is, wherever the daemon has it from. */
static bool inspect_registered(struct site *s, const struct target *t, const char *name,
                               json_t *runtime, struct target_info *ret)
{
    struct target as = *t;
    const char *path = object_text(runtime, "path");
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
    json_object_foreach (all, key, one) {
        /* Only what looks right is worth asking its program. */
        const char *path = object_text(one, "path"), *slash = strrchr(path, '/');
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
        str_format(dst, size, "%.40s runs without this runtime",
                   object_text(u->info, "ServerVersion"));
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

static void choose_kata(const struct users *u, struct docker_choice *choice,
                        struct target_info *ret)
{
    char config[sizeof(ret->reason)];
    choice->whose = DOCKER_USERS;
    if (!ret->usable) {
        if (!ret->reason[0])
            target_unusable(ret, ERR_UNSUPPORTED,
                            "docker's runtime %s is told another configuration", choice->runtime);
        return;
    }
    str_copy(config, sizeof(config), ret->reason);
    str_format(ret->reason, sizeof(ret->reason), "%.100s; docker %.40s runs: its runtime %s",
               config, object_text(u->info, "ServerVersion"), choice->runtime);
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
    bool kata = u.info && s->machine->is_root && find_kata(s, t, &u, ret, choice);
    if (!s->machine->is_root && !u.info && u.why.code == EACCES) {
        target_unusable(ret, ERR_UNSUPPORTED, "%s", u.why.msg);
    } else if (!s->machine->is_root) {
        target_unusable(ret, ERR_UNSUPPORTED, "needs root");
    } else if (kata) {
        choose_kata(&u, choice, ret);
    } else if (str_eq(t->runtime, "kata") || is_kata_program(t->runtime) ||
               kata_is_shim(t->runtime)) {
        target_unusable(ret, ERR_UNSUPPORTED,
                        "%s; Kata is measured under a docker that has it registered",
                        u.info ? "the docker that runs has no such runtime" : "no docker answers");
    } else if (u.info && find_registered(s, t, &u, ret, choice->runtime, sizeof(choice->runtime))) {
        choice->whose = DOCKER_USERS;
        str_format(ret->reason, sizeof(ret->reason), "docker %.40s runs: its runtime %s",
                   object_text(u.info, "ServerVersion"), choice->runtime);
    } else {
        choose_own(s, t, &u, ret);
    }
    json_decref(u.info);
}

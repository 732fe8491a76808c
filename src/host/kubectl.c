#include "host/kubectl.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"

#include <ctype.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define CONFIG_NS       (5 * NS_PER_S)
#define CONFIG_MAX      (1u << 20)
#define DEFAULT_SPACE   "default"
#define POD_SPACE_FILE  "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
#define LEAST_REQUEST_S 1

/* ---- what its words mean ---- */

static const struct {
    const char *words;
    int code;
} reasons[] = {
    /* The first that is found counts: a quota is told of as "Forbidden", too. */
    {"exceeded quota", EDQUOT},
    {"violates PodSecurity", EPERM},
    {"failed quota", EDQUOT},
    {"(Forbidden)", EACCES},
    {"is forbidden", EACCES},
    {"(NotFound)", ENOENT},
    {"(AlreadyExists)", EEXIST},
    {"(Conflict)", ESTALE},
    {"(Unauthorized)", EKEYREJECTED},
    {"must be logged in", EKEYREJECTED},
    {"provide credentials", EKEYREJECTED},
    {"(Invalid)", EINVAL},
    {" is invalid:", EINVAL},
    {"Unable to connect", EHOSTUNREACH},
    {"was refused - did you specify", EHOSTUNREACH},
    {"connection refused", EHOSTUNREACH},
    {"no such host", EHOSTUNREACH},
    {"i/o timeout", EHOSTUNREACH},
    {"TLS handshake timeout", EHOSTUNREACH},
    {"unexpected EOF", EHOSTUNREACH},
    {"(ServiceUnavailable)", EHOSTUNREACH},
};

static int code_of(const char *said)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (strstr(said, reasons[i].words))
            return reasons[i].code;
    return EIO;
}

/* A line of its own log, "E1201 07:35:12.1 ... memcache.go:265] ...", or advice. */
static bool is_chatter(const char *line, size_t n)
{
    if (n > 5 && strchr("EWIF", line[0]) && isdigit((unsigned char)line[1]) &&
        isdigit((unsigned char)line[4]) && line[5] == ' ')
        return true;
    return (n >= 8 && strncmp(line, "Warning:", 8) == 0) ||
           (n >= 5 && strncmp(line, "See '", 5) == 0);
}

static size_t trimmed(const char *line, size_t n)
{
    while (n > 0 && isspace((unsigned char)line[n - 1]))
        n--;
    return n;
}

/* Its words in one line, without what it says for the sake of the log; all of it where that is all.
 */
static void gather(const char *said, bool all, struct str *ret)
{
    for (const char *p = said; *p;) {
        size_t n = strcspn(p, "\n");
        const char *start = p;
        while (n > 0 && isspace((unsigned char)*start)) {
            start++;
            n--;
        }
        if (n > 0 && (all || !is_chatter(start, n)))
            str_addf(ret, "%s%.*s", ret->len ? " " : "", (int)trimmed(start, n), start);
        p = start + n + (start[n] == '\n');
    }
}

int kubectl_failed(const char *said, const char *what, struct err *err)
{
    _cleanup_(str_release) struct str words = STR_INIT;
    const char *text;

    gather(said, false, &words);
    if (words.len == 0)
        gather(said, true, &words);
    text = words.buf;
    if (str_starts(text, "error: "))
        text += strlen("error: ");
    if (str_starts(text, "Error from server"))
        text += strcspn(text, ":") + (strchr(text, ':') ? 2 : 0);
    return err_set(err, ERR_ENVIRONMENT, code_of(words.buf), "%s: %.360s", what,
                   *text ? text : "it failed and said nothing");
}

/* ---- calling ---- */

/* Of the texts only *ret_own is to be freed, and the array. */
static const char **environment(const struct kubectl *k, char **ret_own)
{
    size_t n = 0, kept = 0;

    while (environ[n])
        n++;
    const char **env = xcalloc(n + 2, sizeof(*env));
    for (size_t i = 0; i < n; i++)
        if (!str_starts(environ[i], "CUPEL_") &&
            !(k->config[0] && str_starts(environ[i], "KUBECONFIG=")))
            env[kept++] = environ[i];
    *ret_own = k->config[0] ? xasprintf("KUBECONFIG=%s", k->config) : NULL;
    env[kept] = *ret_own;
    return env;
}

/* The general options come first, since what follows `--` is another program's. */
struct words {
    const char *argv[KUBECTL_ARGS_MAX];
    char context[300], space[100], patience[48], what[48];
};

static int make_words(const struct kubectl *k, const char *const *args, uint64_t deadline_ns,
                      struct words *w, struct err *err)
{
    size_t n = 0;

    str_format(w->what, sizeof(w->what), "kubectl %s", args[0] ? args[0] : "");
    w->argv[n++] = k->path;
    if (k->context[0] && str_format(w->context, sizeof(w->context), "--context=%s", k->context))
        w->argv[n++] = w->context;
    if (k->namespace_[0] && str_format(w->space, sizeof(w->space), "--namespace=%s", k->namespace_))
        w->argv[n++] = w->space;
    if (deadline_ns != UINT64_MAX) {
        /* Its own patience ends first, so that it can say what it waited for. */
        int s = time_left_ms(deadline_ns) / 1000 - 1;
        str_format(w->patience, sizeof(w->patience), "--request-timeout=%ds",
                   s < LEAST_REQUEST_S ? LEAST_REQUEST_S : s);
        w->argv[n++] = w->patience;
    }
    for (; *args; args++) {
        if (n + 1 == KUBECTL_ARGS_MAX)
            return err_set(err, ERR_BUG, E2BIG, "too many arguments for kubectl");
        w->argv[n++] = *args;
    }
    w->argv[n] = NULL;
    return 0;
}

/* A file of no name that can be read from its begin. */
static int input_file(const struct str *input, struct err *err)
{
    _cleanup_fd_ int fd = memfd_create("cupel-kubectl", MFD_CLOEXEC);

    if (fd < 0)
        return err_errno(err, errno, "make room for kubectl's input");
    int r = fd_write_full(fd, input->buf, input->len, err);
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = err_errno(err, errno, "rewind kubectl's input");
    return r < 0 ? r : TAKE_FD(fd);
}

/* request_ns: the deadline that kubectl is told of; UINT64_MAX: none. */
static int run(struct loop *l, const struct kubectl *k, const char *const *args,
               const struct str *input, uint64_t request_ns, uint64_t deadline_ns, size_t max_out,
               struct str *out, struct err *err)
{
    _cleanup_free_ char *own = NULL;
    _cleanup_free_ const char **env = environment(k, &own);
    _cleanup_fd_ int in = -1;
    struct words w;
    struct spawn_result res;
    int r = make_words(k, args, request_ns, &w, err);

    if (r == 0 && input)
        r = in = input_file(input, err);
    if (r < 0)
        return r;
    const struct spawn_spec spec = {.argv = w.argv,
                                    .env = env,
                                    .what = w.what,
                                    .fd_in = in,
                                    .fd_out = -1,
                                    .fd_err = -1,
                                    .die_with_parent = true,
                                    .new_session = true};
    r = spawn_run(l, &spec, deadline_ns, max_out, &res, err);
    if (r == 0 && !(WIFEXITED(res.wait_status) && WEXITSTATUS(res.wait_status) == 0))
        r = WIFEXITED(res.wait_status) && res.err.len > 0 ? kubectl_failed(res.err.buf, w.what, err)
                                                          : spawn_check(&spec, &res, err);
    if (r == 0 && res.out_cut)
        r = err_set(err, ERR_ENVIRONMENT, EFBIG, "%s: more than %zu bytes came", w.what, max_out);
    if (out)
        str_addn(out, res.out.buf, res.out.len);
    spawn_result_release(&res);
    return r;
}

int kubectl_run(struct loop *l, const struct kubectl *k, const char *const *args,
                const struct str *input, uint64_t deadline_ns, size_t max_out, struct str *out,
                struct err *err)
{
    return run(l, k, args, input, deadline_ns, deadline_ns, max_out, out, err);
}

int kubectl_wait(struct loop *l, const struct kubectl *k, const char *const *args,
                 uint64_t deadline_ns, struct err *err)
{
    struct err why = ERR_INIT;
    int r = run(l, k, args, NULL, UINT64_MAX, deadline_ns, CONFIG_MAX, NULL, &why);

    if (r == -ENOENT)
        return 0;
    if (r < 0 && strstr(why.msg, "timed out waiting"))
        return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "%s", why.msg);
    return r < 0 ? err_set(err, why.kind, why.code, "%s", why.msg) : 0;
}

int kubectl_json(struct loop *l, const struct kubectl *k, const char *const *args,
                 const struct str *input, uint64_t deadline_ns, size_t max_out, json_t **ret,
                 struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = kubectl_run(l, k, args, input, deadline_ns, max_out, &out, err);

    if (r < 0)
        return r;
    json_t *o = json_loadb(out.buf, out.len, 0, NULL);
    if (!json_is_object(o)) {
        json_decref(o);
        return err_set(err, ERR_ENVIRONMENT, EBADMSG, "kubectl %s: its answer is no JSON object",
                       args[0]);
    }
    *ret = o;
    return 0;
}

int kubectl_spawn(const struct kubectl *k, const char *const *args, const struct spawn_spec *base,
                  pid_t *ret_pid, struct err *err)
{
    _cleanup_free_ char *own = NULL;
    _cleanup_free_ const char **env = environment(k, &own);
    struct spawn_spec spec = *base;
    struct words w;
    int r = make_words(k, args, UINT64_MAX, &w, err);

    spec.argv = w.argv;
    spec.env = env;
    if (!spec.what)
        spec.what = w.what;
    return r < 0 ? r : spawn(&spec, ret_pid, err);
}

/* ---- what is in force ---- */

static int find_config(struct kubectl *k, struct err *err)
{
    const char *set = getenv("KUBECONFIG"), *home = getenv("HOME");

    if (set && *set) {
        if (!str_copy(k->config, sizeof(k->config), set))
            return err_set(err, ERR_USAGE, ENAMETOOLONG, "KUBECONFIG is too long");
        return 0;
    }
    if (!home || !str_format(k->config, sizeof(k->config), "%s/.kube/config", home) ||
        access(k->config, R_OK) < 0)
        k->config[0] = '\0';
    return 0;
}

static const char *text_at(json_t *array, const char *key, const char *inner)
{
    json_t *o = json_object_get(json_array_get(array, 0), key);
    const char *s = json_string_value(json_object_get(o, inner));

    return s ? s : "";
}

/* Of `config view --minify`, which shows the current context alone. */
static int take_config(struct kubectl *k, json_t *view, struct err *err)
{
    const char *context = json_string_value(json_object_get(view, "current-context"));
    const char *space = text_at(json_object_get(view, "contexts"), "context", "namespace");
    const char *server = text_at(json_object_get(view, "clusters"), "cluster", "server");

    if (!str_copy(k->context, sizeof(k->context), context ? context : "") ||
        !str_copy(k->namespace_, sizeof(k->namespace_), *space ? space : DEFAULT_SPACE) ||
        !str_copy(k->server, sizeof(k->server), server))
        return err_set(err, ERR_ENVIRONMENT, ENAMETOOLONG,
                       "kubectl's context, namespace or server has too long a name");
    return 0;
}

int kubectl_find(struct loop *l, struct kubectl *ret, struct err *err)
{
    static const char *const args[] = {"config", "view", "--minify", "--output=json", NULL};
    struct kubectl k = {.path = ""};
    struct err why = ERR_INIT;
    json_t *view = NULL;

    if (fs_which("kubectl", k.path, sizeof(k.path)) < 0)
        return err_set(err, ERR_UNSUPPORTED, ENOENT, "there is no kubectl on the PATH");
    int r = find_config(&k, err);
    if (r < 0)
        return r;
    r = kubectl_json(l, &k, args, NULL, time_deadline(CONFIG_NS), CONFIG_MAX, &view, &why);
    if (r == 0) {
        r = take_config(&k, view, err);
    } else if (strstr(why.msg, "current-context must exist")) {
        /* Within a pod there is no configuration, and none is needed. */
        if (file_read_line(POD_SPACE_FILE, k.namespace_, sizeof(k.namespace_)) < 0)
            str_copy(k.namespace_, sizeof(k.namespace_), DEFAULT_SPACE);
        r = 0;
    } else {
        r = err_set(err, why.kind, why.code, "%s", why.msg);
    }
    json_decref(view);
    if (r == 0)
        *ret = k;
    return r;
}

int kubectl_reach(struct loop *l, const struct kubectl *k, uint64_t deadline_ns, char *ret_version,
                  size_t size, struct err *err)
{
    static const char *const args[] = {"get", "--raw=/version", NULL};
    json_t *o = NULL;
    int r = kubectl_json(l, k, args, NULL, deadline_ns, 1 << 16, &o, err);

    if (r < 0)
        return r;
    const char *version = json_string_value(json_object_get(o, "gitVersion"));
    str_copy(ret_version, size, version ? version : "");
    str_printable(ret_version);
    json_decref(o);
    return 0;
}

/* ---- objects ---- */

static const struct {
    const char *resource, *api;
} apis[] = {
    {"pods", "/api/v1"},           {"events", "/api/v1"},      {"configmaps", "/api/v1"},
    {"resourcequotas", "/api/v1"}, {"jobs", "/apis/batch/v1"},
};

bool kubectl_api_path(const struct kubectl *k, const char *resource, const char *name, char *dst,
                      size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(apis); i++)
        if (str_eq(apis[i].resource, resource))
            return str_format(dst, size, "%s/namespaces/%s/%s%s%s", apis[i].api, k->namespace_,
                              resource, *name ? "/" : "", name);
    return false;
}

int kubectl_delete(struct loop *l, const struct kubectl *k, const char *resource, const char *name,
                   const char *uid, unsigned grace_s, uint64_t deadline_ns, struct err *err)
{
    _cleanup_(str_release) struct str options = STR_INIT;
    char path[512], raw[540];

    if (!kubectl_api_path(k, resource, name, path, sizeof(path)))
        return err_set(err, ERR_BUG, EINVAL, "no API path of %s/%s", resource, name);
    str_format(raw, sizeof(raw), "--raw=%s", path);
    json_t *o = json_pack("{s:s, s:s, s:i, s:s, s:{s:s}}", "apiVersion", "v1", "kind",
                          "DeleteOptions", "gracePeriodSeconds", (int)grace_s, "propagationPolicy",
                          "Foreground", "preconditions", "uid", uid);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text)
        return err_set(err, ERR_ENVIRONMENT, EILSEQ, "the uid of %s/%s is no text", resource, name);
    str_add(&options, text);
    free(text);
    const char *const args[] = {"delete", raw, "--filename=-", NULL};
    return kubectl_run(l, k, args, &options, deadline_ns, CONFIG_MAX, NULL, err);
}

/* ---- places ---- */

static const char *or_dash(const char *s)
{
    return *s ? s : "-";
}

char *kubectl_place(const struct kubectl *k)
{
    return xasprintf("%s %s %s", or_dash(k->namespace_), or_dash(k->server), or_dash(k->context));
}

static bool take_word(const char **p, bool last, char *dst, size_t size)
{
    size_t n = last ? strlen(*p) : strcspn(*p, " ");

    if (n == 0 || !str_format(dst, size, "%.*s", (int)n, *p) || (!last && (*p)[n] != ' '))
        return false;
    if (str_eq(dst, "-"))
        dst[0] = '\0';
    *p += n + !last;
    return true;
}

bool kubectl_from_place(const char *path, const char *config, const char *place,
                        struct kubectl *ret)
{
    struct kubectl k = {.path = ""};

    if (!str_copy(k.path, sizeof(k.path), path) || !str_copy(k.config, sizeof(k.config), config) ||
        !take_word(&place, false, k.namespace_, sizeof(k.namespace_)) ||
        !take_word(&place, false, k.server, sizeof(k.server)) ||
        !take_word(&place, true, k.context, sizeof(k.context)))
        return false;
    *ret = k;
    return true;
}

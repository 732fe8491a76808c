#include "ledger/journal.h"

#include "host/tracing.h"
#include "ledger/k8sobject.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>

static const char *const kind_names[LEDGER_KIND_COUNT] = {
    [LEDGER_CGROUP] = "cgroup",
    [LEDGER_DIR] = "dir",
    [LEDGER_MOUNT] = "mount",
    [LEDGER_TRACING] = "tracing",
    [LEDGER_BROUGHT] = "brought",
    [LEDGER_SHARED] = "shared",
    [LEDGER_CONTAINER] = "container",
    [LEDGER_NAMESPACE] = "namespace",
    [LEDGER_DOCKER_CONTAINER] = "docker-container",
    [LEDGER_DOCKER_IMAGE] = "docker-image",
    [LEDGER_KATA] = "kata",
    [LEDGER_SLURM_JOB] = "slurm-job",
    [LEDGER_K8S] = "k8s",
};

const char *ledger_kind_name(enum ledger_kind kind)
{
    return (unsigned)kind < LEDGER_KIND_COUNT ? kind_names[kind] : "?";
}

/* --- naming --- */

bool journal_is_run_id(const char *s)
{
    return strlen(s) == 8 && strspn(s, "0123456789abcdef") == 8;
}

bool journal_is_numbered(const char *s, size_t least)
{
    if (!s || !str_starts(s, "cupel-") || strspn(s + 6, "0123456789abcdef") != 8 || s[14] != '-')
        return false;
    size_t digits = strspn(s + 15, "0123456789");
    return digits >= least && digits <= 12 && s[15 + digits] == '\0';
}

/* Absolute, and says where it leads without any resolving: no empty, "." or ".." component. */
static bool is_plain_path(const char *p)
{
    if (!p || p[0] != '/' || strlen(p) >= PATH_MAX)
        return false;
    while (*p) {
        size_t n = strcspn(++p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n;
    }
    return true;
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static bool is_our_place(const char *path, const char *state_dir)
{
    if (!is_plain_path(path))
        return false;
    if (is_below(path, "/run/cupel") || (str_starts(path, "/run/cupel-") && path[11]))
        return true;
    if (!is_plain_path(state_dir) || !is_below(path, state_dir))
        return false;
    const char *rest = path + strlen(state_dir) + 1;
    bool ledgers = str_eq(rest, "ledger") || is_below(rest, "ledger");
    return !ledgers && !str_starts(rest, "results.db");
}

static bool is_our_group(const char *path)
{
    return is_plain_path(path) && str_starts(path, "/cupel-") && path[7];
}

static bool is_our_tracing(const char *path)
{
    static const char *const places[] = {TRACING_DIR "/instances/",
                                         TRACING_DIR_DEBUG "/instances/"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (str_starts(path, places[i]))
            return journal_is_numbered(path + strlen(places[i]), 1);
    return false;
}

bool ledger_is_brought(const char *path)
{
    const char *name = strrchr(path, '/');
    size_t lead = strlen(LEDGER_BROUGHT_NAME);
    if (!is_plain_path(path) || !str_starts(name + 1, LEDGER_BROUGHT_NAME))
        return false;
    name += 1 + lead;
    return strlen(name) == 10 && strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz"
                                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 10;
}

int journal_check(const struct ledger_item *item, const char *state_dir, struct err *err)
{
    const char *path = item->path ? item->path : "";
    switch (item->kind) {
    case LEDGER_CGROUP:
        if (is_our_group(path))
            return 0;
        break;
    case LEDGER_DIR:
    case LEDGER_MOUNT:
        if (is_our_place(path, state_dir))
            return 0;
        break;
    case LEDGER_TRACING:
        if (is_our_tracing(path))
            return 0;
        break;
    case LEDGER_BROUGHT:
    case LEDGER_SHARED:
        if (ledger_is_brought(path))
            return 0;
        break;
    case LEDGER_CONTAINER:
        if (!journal_is_numbered(item->id, 4))
            return err_set(err, ERR_BUG, EINVAL, "container '%.40s' is not named as ours are",
                           item->id ? item->id : "");
        if (!is_plain_path(item->runtime))
            return err_set(err, ERR_BUG, EINVAL,
                           "container %s: runtime '%.80s' is no absolute path", item->id,
                           item->runtime ? item->runtime : "");
        if (is_our_place(path, state_dir))
            return 0;
        break;
    case LEDGER_NAMESPACE:
        if (journal_is_numbered(item->id, 1) && is_plain_path(path) && is_plain_path(item->runtime))
            return 0;
        return err_set(err, ERR_BUG, EINVAL, "namespace '%.40s' is not named as ours are",
                       item->id ? item->id : "");
    case LEDGER_DOCKER_CONTAINER:
    case LEDGER_DOCKER_IMAGE:
        if (journal_is_numbered(item->id, 1) && is_plain_path(path))
            return 0;
        return err_set(err, ERR_BUG, EINVAL, "docker's '%.40s' is not named as ours are",
                       item->id ? item->id : "");
    case LEDGER_KATA:
        if (journal_is_numbered(item->id, 4) && is_plain_path(item->runtime) && item->path &&
            !*path)
            return 0;
        return err_set(err, ERR_BUG, EINVAL, "Kata's '%.40s' is not named as ours are",
                       item->id ? item->id : "");
    case LEDGER_SLURM_JOB:
        if (journal_is_numbered(item->id, 1) && is_plain_path(path) && is_plain_path(item->runtime))
            return 0;
        return err_set(err, ERR_BUG, EINVAL, "Slurm's job '%.40s' is not named as ours are",
                       item->id ? item->id : "");
    case LEDGER_K8S:
        if (k8sobject_is_ours(item->id, item->place) && is_plain_path(item->runtime) && item->path)
            return 0;
        return err_set(err, ERR_BUG, EINVAL, "Kubernetes' '%.60s' is not named as ours are",
                       item->id ? item->id : "");
    case LEDGER_KIND_COUNT:
        break;
    }
    return err_set(err, ERR_BUG, EINVAL, "%s '%.120s' is not named as ours are",
                   ledger_kind_name(item->kind), path);
}

/* --- items --- */

bool journal_same(const struct ledger_item *a, const struct ledger_item *b)
{
    return a->kind == b->kind && str_eq(a->path, b->path) && str_eq(a->id, b->id);
}

void journal_copy(struct journal_item *dst, const struct ledger_item *src)
{
    *dst = (struct journal_item){.item = *src};
    dst->item.path = xstrdup(src->path);
    dst->item.id = xstrdup(src->id);
    dst->item.runtime = xstrdup(src->runtime);
    dst->item.place = xstrdup(src->place);
}

void journal_item_release(struct journal_item *it)
{
    free((char *)it->item.path);
    free((char *)it->item.id);
    free((char *)it->item.runtime);
    free((char *)it->item.place);
    *it = (struct journal_item){0};
}

void journal_release(struct journal *j)
{
    VEC_FOREACH (&j->items, struct journal_item, it)
        journal_item_release(it);
    VEC_RELEASE(&j->items);
}

/* --- lines --- */

static void set_done(struct journal *j, const struct ledger_item *item)
{
    for (size_t i = j->items.n; i-- > 0;) {
        if (!j->items.v[i].done && journal_same(&j->items.v[i].item, item)) {
            j->items.v[i].done = true;
            return;
        }
    }
}

static int read_item(struct journal *j, json_t *line, bool done, const char *state_dir,
                     struct err *err)
{
    const char *kind = json_string_value(json_object_get(line, "kind"));
    struct ledger_item item = {
        .kind = LEDGER_KIND_COUNT,
        .path = json_string_value(json_object_get(line, "path")),
        .id = json_string_value(json_object_get(line, "id")),
        .runtime = json_string_value(json_object_get(line, "runtime")),
        .place = json_string_value(json_object_get(line, "place")),
        .cover_unified = json_is_true(json_object_get(line, "cover")),
    };
    for (unsigned k = 0; kind && k < LEDGER_KIND_COUNT; k++)
        if (str_eq(kind, kind_names[k]))
            item.kind = (enum ledger_kind)k;
    if (item.kind == LEDGER_KIND_COUNT)
        return err_set(err, ERR_BUG, EINVAL, "unknown kind '%.40s'", kind ? kind : "");
    if (done) {
        set_done(j, &item);
        return 0;
    }
    int r = journal_check(&item, state_dir, err);
    if (r < 0)
        return r;
    struct journal_item copy;
    journal_copy(&copy, &item);
    VEC_PUSH(&j->items, copy);
    return 0;
}

static int read_header(struct journal *j, json_t *line, struct err *err)
{
    const char *run = json_string_value(json_object_get(line, "run"));
    const char *boot = json_string_value(json_object_get(line, "boot"));
    json_int_t pid = json_integer_value(json_object_get(line, "pid"));
    json_int_t start = json_integer_value(json_object_get(line, "start"));
    if (j->has_header || !run || !journal_is_run_id(run) || !boot || pid < 1 || pid > INT_MAX ||
        start < 0)
        return err_set(err, ERR_BUG, EINVAL, "no header of ours");
    str_copy(j->run, sizeof(j->run), run);
    str_copy(j->boot, sizeof(j->boot), boot);
    j->pid = (pid_t)pid;
    j->start_ticks = (uint64_t)start;
    const char *allocation = json_string_value(json_object_get(line, "allocation"));
    if (allocation && !str_copy(j->allocation, sizeof(j->allocation), allocation))
        return err_set(err, ERR_BUG, E2BIG, "an allocation that is too long");
    j->has_header = true;
    return 0;
}

static int read_line(struct journal *j, const char *text, size_t n, const char *state_dir,
                     struct err *err)
{
    if (n > JOURNAL_LINE_MAX)
        return err_set(err, ERR_BUG, EFBIG, "a line of %zu bytes", n);
    json_error_t parse;
    json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES, &parse);
    if (!line)
        return err_set(err, ERR_BUG, EINVAL, "no JSON: %s", parse.text);
    const char *event = json_string_value(json_object_get(line, "e"));
    int r;
    if (str_eq(event, "run"))
        r = read_header(j, line, err);
    else if (str_eq(event, "intend") || str_eq(event, "done"))
        r = read_item(j, line, str_eq(event, "done"), state_dir, err);
    else
        r = err_set(err, ERR_BUG, EINVAL, "unknown event '%.40s'", event ? event : "");
    json_decref(line);
    return r;
}

void journal_parse(const char *text, size_t n, const char *state_dir, struct journal *ret)
{
    struct journal j = {0};
    const char *end = text + n;
    unsigned number = 0;
    for (const char *newline; (newline = memchr(text, '\n', (size_t)(end - text)));) {
        struct err err = ERR_INIT;
        number++;
        if (read_line(&j, text, (size_t)(newline - text), state_dir, &err) < 0 && j.refused++ == 0)
            str_format(j.refusal, sizeof(j.refusal), "line %u: %.200s", number, err.msg);
        text = newline + 1;
    }
    *ret = j;
}

#include "fleet/talk.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"
#include "fleet/install.h"
#include "fleet/roll.h"
#include "store/exchange.h"

#include <errno.h>

/* What goes out is some tens of megabytes, on whatever line; this is for a line that stands still.
 */
#define STALL_NS (60 * NS_PER_S)
/* Of lines of progress: a machine that floods is cut off. */
#define SAID_MAX (4u << 20)
/* Exit statuses of a run: those that tell of what was measured, and of nothing. */
#define SOME_FAILED      3
#define NOTHING_MEASURED 4

/* ---- what comes ---- */

static int nonsense(const char *what, struct err *err)
{
    return err_set(err, ERR_MEASUREMENT, EPROTO, "it says something else than a steward: %s", what);
}

/* ^C: the first ends the runs in order, the second lets go of them. */
static int on_interrupt(struct talk *t, struct err *err)
{
    loop_clear_interrupt(t->v->o->loop);
    if (t->stopping || !t->hello)
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    t->stopping = true;
    link_tell(t->link, json_pack("{s:s}", "e", "stop"));
    return 0;
}

/* It is time for a beat, whatever came meanwhile. */
static int on_time(struct talk *t, struct err *err)
{
    uint64_t lease_ns = t->v->fleet->lease_ns;
    uint64_t patience = t->hello ? lease_ns : STALL_NS, unsent = link_unsent(t->link);

    t->beat_ns = time_deadline(lease_ns / 4);
    if (unsent != t->unsent) {
        t->unsent = unsent;
        t->heard_ns = time_mono_ns();
    }
    if (time_mono_ns() > t->heard_ns + patience)
        return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "nothing heard for %u s",
                       (unsigned)(patience / NS_PER_S));
    if (t->hello)
        link_tell(t->link, json_pack("{s:s}", "e", "beat"));
    return 0;
}

/* 0 and an object with a text "e"; the caller drops it. */
static int next_event(struct talk *t, json_t **ret, struct err *err)
{
    for (;;) {
        char *line;
        bool due = time_mono_ns() >= t->beat_ns;
        int r = due ? -ETIMEDOUT : link_wait_line(t->link, t->beat_ns, &line, err);
        if (r == -EINTR)
            r = on_interrupt(t, err);
        else if (r == -ETIMEDOUT)
            r = on_time(t, err);
        else if (r == 0)
            r = err_set(err, ERR_ENVIRONMENT, ECONNRESET, "the connection ended");
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        t->heard_ns = time_mono_ns();
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_string(json_object_get(o, "e"))) {
            json_decref(o);
            return nonsense("no event", err);
        }
        *ret = o;
        return 0;
    }
}

/* ---- what is done with it ---- */

/* What another one kept is spoken to all the same: an event that is not understood, or a run of
 * another form, has its own words. */
static void tell_version(struct talk *t, const char *version)
{
    char line[160];

    if (str_eq(version, CUPEL_VERSION) || !t->v->o->say)
        return;
    str_format(line, sizeof(line), "its cupel is %.40s, and this one %s", version, CUPEL_VERSION);
    str_printable(line);
    t->v->o->say(t->v->o->user, t->m, line);
}

static int on_hello(struct talk *t, const json_t *o, struct err *err)
{
    const json_t *machine = json_object_get(o, "machine");
    struct fleet_machine *m = t->m;
    const char *place = object_text(o, "place"), *id = object_text(machine, "id");

    /* A second one comes from the steward that follows a killed one. */
    if (!roll_place_ok(place) || (t->hello && !str_eq(place, m->place)))
        return nonsense("no place of ours, or in a folder with an odd name", err);
    if (m->id[0] && !str_eq(m->id, id))
        return err_set(err, ERR_ENVIRONMENT, EXDEV, "it is another machine by now");
    str_copy(m->place, sizeof(m->place), place);
    str_copy(m->id, sizeof(m->id), id);
    str_copy(m->hostname, sizeof(m->hostname), object_text(machine, "hostname"));
    str_copy(m->boot, sizeof(m->boot), object_text(o, "boot"));
    str_printable(m->id);
    str_printable(m->hostname);
    str_printable(m->boot);
    t->hello = true;
    tell_version(t, object_text(o, "version"));
    int r = roll_write(t->v->fleet, t->v->o->state_dir, err);
    if (r < 0 || !str_eq(object_text(o, "stage"), "new")) {
        t->ordered = true;
        return r;
    }
    const struct fleet *f = t->v->fleet;
    json_t *args = json_array();
    VEC_FOREACH (&f->args, char *, arg)
        json_array_append_new(args, json_string(*arg));
    link_tell(t->link,
              json_pack("{s:s, s:s, s:I, s:I, s:o}", "e", "order", "fleet", f->id, "lease_ns",
                        (json_int_t)f->lease_ns, "keep_ns", (json_int_t)f->keep_ns, "args", args));
    return 0;
}

static void bye(struct talk *t)
{
    link_tell(t->link, json_pack("{s:s}", "e", "bye"));
}

static bool is_host(const char *target)
{
    return str_eq(target, "host");
}

static bool is_wanted(const char *target, char *const *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_glob(wanted[i], target))
            return true;
    return n == 0;
}

/* Of the wanted ones, how many does the report know, and how many work? */
enum fleet_outcome talk_judge(const json_t *report, char *const *wanted, size_t n)
{
    bool root = json_is_true(json_object_get(json_object_get(report, "machine"), "is_root"));
    size_t i, only_host = 0, listed = 0, usable = 0;
    const json_t *t;

    for (i = 0; i < n; i++)
        only_host += is_host(wanted[i]);
    if (n > 0 && only_host == n)
        return FLEET_MEASURED;
    if (!root)
        return FLEET_NO_ROOT;
    for (i = 0; i < n; i++)
        if (strpbrk(wanted[i], "=/")) /* a program, or an engine's: seen when it is started */
            return FLEET_MEASURED;
    json_array_foreach (json_object_get(report, "targets"), i, t) {
        const char *text = object_text(t, "target");
        if (is_host(text) || !is_wanted(text, wanted, n))
            continue;
        listed++;
        usable += json_is_true(json_object_get(t, "usable"));
    }
    return usable > 0 || (n > 0 && listed == 0) ? FLEET_MEASURED : FLEET_NO_RUNTIMES;
}

/* The reason of the first wanted one that does not work. */
static const char *first_reason(const json_t *report, char *const *wanted, size_t n)
{
    size_t i;
    const json_t *t;

    json_array_foreach (json_object_get(report, "targets"), i, t) {
        const char *text = object_text(t, "target");
        if (!is_host(text) && is_wanted(text, wanted, n) && object_text(t, "reason")[0])
            return object_text(t, "reason");
    }
    return "cupel doctor there lists all";
}

static bool lacks(const json_t *report, const struct fleet *f, const char *runtime)
{
    size_t i, n = strlen(runtime);
    const json_t *t;

    json_array_foreach (json_object_get(report, "targets"), i, t) {
        const char *text = object_text(t, "target");
        if (strncmp(text, runtime, n) == 0 && (!text[n] || text[n] == ':') &&
            !json_is_true(json_object_get(t, "usable")) &&
            is_wanted(text, f->wanted.v, f->wanted.n))
            return true;
    }
    return false;
}

/* Asks for what is missing there and may be installed; another report comes then. */
static bool installs(struct talk *t, const json_t *report)
{
    _cleanup_(str_release) struct str names = STR_INIT;
    const char *name;

    if (!t->v->fleet->install || t->installing)
        return false;
    for (size_t i = 0; (name = install_runtime(i)); i++)
        if (lacks(report, t->v->fleet, name))
            str_addf(&names, "%s%s", names.len ? "," : "", name);
    if (names.len == 0)
        return false;
    t->installing = true;
    link_tell(t->link, json_pack("{s:s, s:s}", "e", "install", "names", names.buf));
    return true;
}

static void on_doctor(struct talk *t, const json_t *o)
{
    const struct fleet *f = t->v->fleet;
    const json_t *report = json_object_get(o, "report");
    enum fleet_outcome judged = talk_judge(report, f->wanted.v, f->wanted.n);

    if (t->stopping) {
        machine_ends(t->m, FLEET_LOST, "interrupted before anything was measured");
        bye(t);
    } else if (judged != FLEET_NO_ROOT && installs(t, report)) {
        return;
    } else if (judged != FLEET_MEASURED) {
        machine_ends(t->m, judged, "%.200s",
                     judged == FLEET_NO_RUNTIMES ? first_reason(report, f->wanted.v, f->wanted.n)
                                                 : "");
        bye(t);
    } else {
        t->ordered = true;
        link_tell(t->link, json_pack("{s:s}", "e", "run"));
    }
}

static void on_say(struct talk *t, const json_t *o)
{
    char line[512];
    size_t n = strlen(object_text(o, "text"));

    if (t->said > SAID_MAX || !t->v->o->say)
        return;
    t->said += n + 1;
    str_copy(line, sizeof(line), object_text(o, "text"));
    str_printable(line);
    t->v->o->say(t->v->o->user, t->m, line);
}

static void on_failed(struct talk *t, const json_t *o)
{
    enum fleet_outcome outcome;
    const char *kind = object_text(o, "kind");

    if (t->m->ended) {
        /* It has its outcome, and cannot remove what was brought: m->place stays. */
        str_format(t->m->why, sizeof(t->m->why), "left there: %.400s", object_text(o, "why"));
        str_printable(t->m->why);
        return;
    }

    /* Only what a steward can know of itself. */
    if (!(str_eq(kind, "busy") || str_eq(kind, "disk-full")) ||
        fleet_outcome_parse(kind, &outcome) < 0)
        outcome = FLEET_FAILED;
    machine_ends(t->m, outcome, "%.400s", object_text(o, "why"));
    bye(t);
}

/* Nothing is stored: why not? */
static enum fleet_outcome nothing_why(int status, const char *why)
{
    if (strcasestr(why, "No space left on device") || strcasestr(why, "a run may need"))
        return FLEET_DISK_FULL;
    return status == NOTHING_MEASURED ? FLEET_NO_RUNTIMES : FLEET_FAILED;
}

static void on_end(struct talk *t, const json_t *o)
{
    bool stored = json_is_true(json_object_get(o, "stored"));
    bool part = json_is_true(json_object_get(o, "interrupted"));

    t->m->status = (int)json_integer_value(json_object_get(o, "status"));
    /* Else its last line is chatter. */
    bool broke_off = part && t->m->status != 0 && t->m->status != SOME_FAILED;
    str_copy(t->why, sizeof(t->why), broke_off ? object_text(o, "why") : "");
    if (stored && part && t->resume && !t->again && !t->stopping) {
        t->again = true;
        link_tell(t->link, json_pack("{s:s}", "e", "again"));
    } else if (stored) {
        link_tell(t->link, json_pack("{s:s}", "e", "fetch"));
    } else {
        const char *why = object_text(o, "why");
        machine_ends(t->m, nothing_why(t->m->status, why), "%.400s", why);
        bye(t);
    }
}

/* ---- the run ---- */

/* The run says which fleet and machine it is of. *ret_uuid: of the run, "" where there is none. */
static int mark(struct talk *t, const struct str *text, char **ret, char ret_uuid[37],
                struct err *err)
{
    json_t *doc = json_loadb(text->buf, text->len, JSON_REJECT_DUPLICATES, NULL);
    json_t *run = json_object_get(doc, "run"), *machine = json_object_get(run, "machine");

    str_copy(ret_uuid, 37, object_text(run, "uuid"));
    if (json_is_object(machine)) {
        json_object_set_new(machine, "fleet", json_string(t->v->fleet->id));
        json_object_set_new(machine, "fleet_on", json_string(t->m->on));
    }
    *ret = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    json_decref(doc);
    return *ret ? 0 : nonsense("a run that is no JSON", err);
}

/* One that is here already came in a connection that was lost just after. */
int talk_import(struct talk *t, const struct str *text, struct err *err)
{
    _cleanup_free_ char *marked = NULL;
    char uuid[37];
    int64_t run = 0;
    int r = mark(t, text, &marked, uuid, err);

    if (r == 0)
        r = exchange_import(t->v->o->store, marked, strlen(marked), t->m->on, &run, err);
    if (r == -EEXIST && t->again)
        return err_set(err, ERR_ENVIRONMENT, EEXIST,
                       "a part of this run is here already; the whole is kept there");
    if (r == -EEXIST)
        r = store_run_find(t->v->o->store, uuid, &run, err);
    if (r < 0)
        return r;
    t->m->run = run;
    str_copy(t->m->uuid, sizeof(t->m->uuid), uuid);
    return 0;
}

static int on_file(struct talk *t, const json_t *o, struct err *err)
{
    json_int_t bytes = json_integer_value(json_object_get(o, "bytes"));
    bool part = json_is_true(json_object_get(o, "interrupted"));
    char hex[FS_SHA256_HEX];
    _cleanup_(str_release) struct str text = STR_INIT;

    if (bytes <= 0 || bytes > EXCHANGE_MAX_BYTES)
        return nonsense("a run of that size", err);
    int r = link_wait_bytes(t->link, (size_t)bytes, STALL_NS, &text, err);
    if (r == -EINTR) /* let go of: it is kept there */
        loop_clear_interrupt(t->v->o->loop);
    if (r < 0)
        return r;
    fs_sha256_bytes(text.buf, text.len, hex);
    if (!str_eq(hex, object_text(o, "sha256")))
        return nonsense("a run that is not what was to come", err);
    r = (t->take ? t->take : talk_import)(t, &text, err);
    if (r < 0)
        return r;
    machine_ends(t->m, part ? FLEET_PART : FLEET_MEASURED, "%s", part ? t->why : "");
    bye(t);
    return 0;
}

static int act(struct talk *t, const json_t *o, struct err *err)
{
    const char *e = object_text(o, "e");

    if (!t->hello && !str_eq(e, "hello"))
        return nonsense("no hello", err);
    if (str_eq(e, "hello"))
        return on_hello(t, o, err);
    if (str_eq(e, "file"))
        return on_file(t, o, err);
    if (str_eq(e, "doctor"))
        on_doctor(t, o);
    else if (str_eq(e, "say"))
        on_say(t, o);
    else if (str_eq(e, "failed"))
        on_failed(t, o);
    else if (str_eq(e, "end"))
        on_end(t, o);
    else if (!str_eq(e, "beat"))
        return nonsense("an unknown event", err);
    return 0;
}

int talk_through(struct talk *t, struct err *err)
{
    int r = 0;

    t->heard_ns = time_mono_ns();
    t->unsent = link_unsent(t->link);
    while (r == 0) {
        json_t *o = NULL;
        r = next_event(t, &o, err);
        if (r == 0 && t->hello && str_eq(object_text(o, "e"), "gone")) {
            json_decref(o);
            if (!t->m->ended)
                return nonsense("gone before its time", err);
            t->m->place[0] = '\0';
            return 0;
        }
        if (r == 0)
            r = act(t, o, err);
        json_decref(o);
    }
    return r;
}

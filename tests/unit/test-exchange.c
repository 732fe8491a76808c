#include "store-fixture.h"

#include "base/cleanup.h"
#include "store/exchange.h"

#include <errno.h>

static char *export_text(struct store *s, int64_t run, json_t *extra)
{
    json_t *doc = NULL;
    assert_ok(exchange_export(s, run, extra, &doc, err));
    char *text = json_dumps(doc, JSON_INDENT(1));
    json_decref(doc);
    assert_non_null(text);
    return text;
}

static json_t *export_doc(uint32_t blocks)
{
    struct store *s = NULL;
    json_t *doc = NULL;
    assert_ok(store_open(":memory:", true, &s, err));
    assert_ok(exchange_export(s, fixture_run(s, blocks), NULL, &doc, err));
    store_close(s);
    return doc;
}

/* Imports doc into a store of its own; 0 or the error. */
static int import_doc(const json_t *doc, struct err *why)
{
    struct store *s = NULL;
    int64_t run = 0;
    assert_ok(store_open(":memory:", true, &s, err));
    _cleanup_free_ char *text = json_dumps(doc, JSON_COMPACT);
    int r = exchange_import(s, text, strlen(text), "run.json", &run, why);
    if (r < 0) {
        /* Nothing of it is stored. */
        assert_int_equal(run, 0);
        assert_int_equal(store_run_find(s, NULL, &run, NULL), -ENOENT);
    }
    store_close(s);
    return r;
}

static void round_trip(void **state)
{
    struct store *a = NULL, *b = NULL;
    int64_t back = 0;
    assert_ok(store_open(":memory:", true, &a, err));
    assert_ok(store_open(":memory:", true, &b, err));
    fixture_run(b, 1); /* so that the number differs */
    int64_t run = fixture_run(a, 3);
    _cleanup_free_ char *first = export_text(a, run, json_pack("{s:s}", "verdicts", "ignored"));
    assert_non_null(strstr(first, "\"summary\""));
    assert_ok(exchange_import(b, first, strlen(first), "run.json", &back, err));
    assert_int_equal(back, 2);
    json_t *one = NULL, *two = NULL;
    assert_ok(exchange_export(a, run, NULL, &one, err));
    assert_ok(exchange_export(b, back, NULL, &two, err));
    assert_string_equal(json_string_value(json_object_get(json_object_get(two, "run"), "status")),
                        "imported");
    json_object_set_new(json_object_get(two, "run"), "status", json_string("complete"));
    assert_true(json_equal(one, two));
    json_decref(one);
    json_decref(two);
    assert_fails(exchange_import(b, first, strlen(first), "run.json", &back, err), EEXIST,
                 "this run is here already, as r2");
    assert_int_equal(exchange_import(b, first, strlen(first), "run.json", &back, NULL), -EEXIST);
    assert_fails(exchange_export(b, 99, json_object(), &one, err), ENOENT, "no run r99");
    store_close(a);
    store_close(b);
}

/* Every prefix of a document is refused with a place, and leaves nothing behind. */
static void truncated(void **state)
{
    struct store *s = NULL;
    assert_ok(store_open(":memory:", true, &s, err));
    json_t *doc = export_doc(1);
    _cleanup_free_ char *text = json_dumps(doc, JSON_COMPACT);
    size_t n = strlen(text);
    json_decref(doc);
    for (size_t i = 0; i < n; i += 1 + n / 500) {
        struct err err = ERR_INIT;
        int64_t run = 0;
        assert_int_equal(exchange_import(s, text, i, "run.json", &run, &err), -EINVAL);
        assert_int_equal(err.kind, ERR_USAGE);
        assert_non_null(strstr(err.msg, "nothing was imported"));
        assert_non_null(strstr(err.msg, "run.json:1:"));
    }
    int64_t run = 0;
    assert_int_equal(store_run_find(s, NULL, &run, NULL), -ENOENT);
    store_close(s);
}

/* Walks "a.0.b" from doc; the last step is left to the caller. */
static json_t *walk(json_t *doc, const char *path, char last[64])
{
    char copy[128];
    str_copy(copy, sizeof(copy), path);
    char *p = copy, *dot;
    for (; (dot = strchr(p, '.')); p = dot + 1) {
        *dot = '\0';
        doc = json_is_array(doc) ? json_array_get(doc, (size_t)strtoul(p, NULL, 10))
                                 : json_object_get(doc, p);
        assert_non_null(doc);
    }
    str_copy(last, 64, p);
    return doc;
}

static void replace(json_t *doc, const char *path, json_t *stolen)
{
    char last[64];
    json_t *at = walk(doc, path, last);
    if (json_is_array(at))
        assert_int_equal(json_array_set_new(at, (size_t)strtoul(last, NULL, 10), stolen), 0);
    else if (stolen)
        assert_int_equal(json_object_set_new(at, last, stolen), 0);
    else
        assert_int_equal(json_object_del(at, last), 0);
}

struct change {
    const char *path, *value; /* JSON text; NULL: left out */
    const char *says;
};

static const struct change bad_changes[] = {
    {"kind", "\"another\"", "this is no run that cupel exported"},
    {"kind", NULL, "this is no run that cupel exported"},
    {"format", "0", "format: expected an integer within 1"},
    {"format", "\"1\"", "format: expected an integer"},
    {"run", NULL, "run: \"run\" is missing"},
    {"run", "[]", "run: expected an object"},
    {"run.uuid", "\"x\"", "run: uuid: expected one"},
    {"run.uuid", "\"01234567-89AB-4def-8123-0123456789ab\"", "uuid"},
    {"run.machine_id", "7", "machine_id: expected null or a string"},
    {"run.machine", "[1]", "machine: expected null or an object"},
    {"run.machine", "{\"a\":[[[[[[[[[1]]]]]]]]]}", "at most 8 levels deep"},
    {"run.started_real_ns", "1795000000", "started_real_ns: expected a string of decimal digits"},
    {"run.started_real_ns", "\"99999999999999999999\"", "started_real_ns"},
    {"run.ended_real_ns", "\"-1\"", "ended_real_ns"},
    {"run.base", "3", "run: base: there is no such target"},
    {"run.base", "-1", "base: expected an integer within 0"},
    {"run.base", "0.0", "base: expected an integer"},
    {"plan.theta", "0.6", "plan: theta: expected a number within 0 and 0.5"},
    {"plan.theta", "null", "theta: expected a number"},
    {"plan.seed", "12", "seed: expected a string"},
    {"plan.base", "\"a b\"", "plan: base: \"a b\" is no label"},
    {"plan.suite", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "suite: expected a string of at most 23"},
    {"plan.rounds", "0", "rounds: expected an integer within 1"},
    {"plan.slice_ns", "1", "slice_ns: expected an integer within"},
    {"plan.blocks", "4294967296", "blocks: expected an integer within"},
    {"plan.solo", "1", "solo: expected true or false"},
    {"plan.limits", NULL, "\"limits\" is missing"},
    {"plan.limits.cpus", "1e300", "plan.limits: cpus"},
    {"targets", "[]", "run: base: there is no such target"},
    {"targets", "{}", "targets: targets: expected an array of at most 64"},
    {"targets.0", "7", "targets[0]: expected an object"},
    {"targets.0.label", "\"\"", "targets[0]: label: \"\" is no label"},
    {"targets.2.label", "\"host\"", "targets[2]: label \"host\" is there twice"},
    {"targets.0.driver", "\"Host!\"", "text or driver is empty or no name"},
    {"targets.0.text", "\"\"", "text or driver is empty or no name"},
    {"targets.1.flags", "[[\"a\"]]", "flags: item 0 is no pair"},
    {"targets.1.flags", "[[\"a\",\"\\u0007\"]]", "flags: item 0 is no pair"},
    {"targets.1.flags", "{}", "flags: expected an array"},
    {"targets.1.info", "\"x\"", "info: expected null or an object"},
    {"cells.0.name", "\"cpu prime\"", "cells[0]: name: \"cpu prime\" is no name of a cell"},
    {"cells.1.name", "\"cpu.prime\"", "cells[1]: cell \"cpu.prime\" is there twice"},
    {"cells.0.cpus", "\"three\"", "cpus: \"three\" is not one of the known values"},
    {"cells.0.place", "4", "place: \"\" is not one of the known values"},
    {"cells.0.grain", "null", "grain"},
    {"cells.0.workers", "1e9", "workers: expected an integer"},
    {"cells.0.params", "[]", "params: expected an object"},
    {"cells.0.params", "{\"a b\":1}", "params: \"a b\" is no name"},
    {"cells.0.params", "{\"a\":1.5}", "params: a: expected an integer, a text or null"},
    {"cells.0.params", "{\"a\":\"\\u001b[2J\"}", "params: a: bad text"},
    {"blocks.1.block", "0", "blocks[1]: block: not in ascending order"},
    {"blocks.0.end_ns", "9007199254740992", "end_ns: expected an integer within 0"},
    {"sessions.0.target", "3", "sessions[0]: target: expected an integer within 0 and 2"},
    {"sessions.0.outcome", "\"fine\"", "outcome: \"fine\" is not one of"},
    {"sessions.1.failure", "null", "failure: expected an object"},
    {"sessions.1.failure.kind", "\"whim\"", "kind: \"whim\" is not one of"},
    {"sessions.1.failure.code", "1e3", "code: expected an integer"},
    {"sample_columns", "[]", "sample_columns: column 0 is not \"round\""},
    {"sample_columns.5", "\"ops\"", "column 5 is not \"ns\""},
    {"trials.0.cell", "3", "trials[0]: cell: expected an integer within 0 and 2"},
    {"trials.1.cell", "2", "trials[1]: a second trial of cell 2 in block 0"},
    {"trials.0.covariates", "null", "covariates: expected an object"},
    {"trials.0.covariates.steal", "\"1\"", "steal: expected a number"},
    {"trials.0.covariates.runnable", "-1", "runnable: expected an integer within 0"},
    {"trials.0.parts", "3", "trials[0]: parts: expected an array of at most 256"},
    {"trials.0.parts.2", "null", "trials[0].parts[2]: expected an object"},
    {"trials.0.parts.0.target", "3", "parts[0]: target: expected an integer"},
    {"trials.0.parts.0.role", "\"a role that is far too long\"", "role: expected a string"},
    {"trials.0.parts.0.hist", "\"1 2 3\"", "trials[0].parts[0]: hist: "},
    {"trials.0.parts.0.hist", "5", "hist: expected null or a string"},
    {"trials.0.parts.0.clock_drift", "1e10", "clock_drift: expected a number"},
    {"trials.0.parts.0.facts", "7", "facts: expected null or an object"},
    {"trials.0.parts.0.samples", "null", "samples: expected an array"},
    {"trials.0.parts.0.samples.3", "[1,2]", "samples: expected arrays of 8 numbers"},
    {"trials.0.parts.0.samples.3", "{}", "samples: expected arrays of 8 numbers"},
    {"trials.0.parts.0.samples.3.4", "-1", "number 4: expected an integer within 0"},
    {"trials.0.parts.0.samples.3.0", "null", "number 0: expected an integer"},
    {"trials.0.parts.0.samples.3.2", "3", "number 2: expected an integer within 0 and 2"},
    {"trials.0.parts.0.samples.3.7", "1.5", "number 7: expected an integer"},
    {"warnings.0.kind", "\"weather\"", "warnings[0]: kind: \"weather\" is not one of"},
    {"warnings.0.cell", "3", "warnings[0]: cell: expected an integer within 0 and 2"},
    {"warnings.0.text", "null", "text: expected a string of at most 239"},
    {"warnings", "7", "warnings: warnings: expected an array"},
};

static void bad(void **state)
{
    json_t *good = export_doc(2);
    assert_ok(import_doc(good, err));
    for (size_t i = 0; i < ARRAY_SIZE(bad_changes); i++) {
        const struct change *c = &bad_changes[i];
        json_t *doc = json_deep_copy(good);
        struct err err = ERR_INIT;
        replace(doc, c->path, c->value ? json_loads(c->value, JSON_DECODE_ANY, NULL) : NULL);
        if (import_doc(doc, &err) >= 0)
            fail_msg("%s = %s was taken", c->path, c->value);
        if (err.kind != ERR_USAGE || !strstr(err.msg, c->says) ||
            !str_starts(err.msg, "run.json: "))
            fail_msg("%s = %s: says '%s', not '%s'", c->path, c->value, err.msg, c->says);
        json_decref(doc);
    }
    json_decref(good);
}

static void newer(void **state)
{
    json_t *doc = export_doc(1);
    json_object_set_new(doc, "format", json_integer(2));
    assert_fails(import_doc(doc, err), EPROTONOSUPPORT,
                 "run.json was written by a newer cupel (format 2, this one knows 1)");
    json_decref(doc);
    struct store *s = NULL;
    int64_t run = 0;
    assert_ok(store_open(":memory:", true, &s, err));
    assert_fails(exchange_import(s, "[]", 2, "x", &run, err), EINVAL, "no run that cupel exported");
    assert_fails(exchange_import(s, "{\"kind\":1,\"kind\":2}", 19, "x", &run, err), EINVAL,
                 "duplicate object key");
    store_close(s);
}

/* What a document carries towards a terminal is made harmless on the way in. */
static void printable(void **state)
{
    struct store *s = NULL;
    int64_t run = 0;
    assert_ok(store_open(":memory:", true, &s, err));
    json_t *doc = export_doc(1);
    replace(doc, "warnings.0.text", json_string("a\x1b[2Jb\n\xc2\x9b c\xc3\xa9"));
    replace(doc, "run.command", json_string("\x07"));
    replace(doc, "run.machine", json_pack("{s:s, s:[s]}", "\x1bk", "\x1bv", "list", "\x7f"));
    replace(doc, "cells.0.name", json_string("not.known@yet"));
    _cleanup_free_ char *text = json_dumps(doc, 0);
    json_decref(doc);
    assert_ok(exchange_import(s, text, strlen(text), "x", &run, err));
    assert_ok(exchange_export(s, run, NULL, &doc, err));
    char last[64];
    json_t *w = walk(doc, "warnings.0.text", last);
    assert_string_equal(json_string_value(json_object_get(w, last)), "a?[2Jb??? c\xc3\xa9");
    json_t *h = walk(doc, "run.machine", last);
    assert_string_equal(json_string_value(json_object_get(h, "command")), "?");
    json_t *m = json_object_get(h, "machine");
    assert_string_equal(json_string_value(json_object_get(m, "?k")), "?v");
    assert_string_equal(json_string_value(json_array_get(json_object_get(m, "list"), 0)), "?");
    json_decref(doc);
    struct run_head head;
    assert_ok(store_run_head(s, run, &head, err));
    assert_ptr_equal(head.plan.cells.v[0].workload, workload_unknown());
    assert_string_equal(head.status, "imported");
    run_head_release(&head);
    store_close(s);
}

/* Columns that hold no JSON, or no UTF-8, cannot make an export fail. */
static void odd_columns(void **state)
{
    struct store *s = NULL;
    json_t *doc = NULL;
    assert_ok(store_open(":memory:", true, &s, err));
    int64_t run = fixture_head(s);
    struct session_record x = {.proof = (char *)"{not json", .hello = (char *)"[1]"};
    x.outcome = OUTCOME_FAILED;
    str_copy(x.fail_text, sizeof(x.fail_text), "no \xff utf-8");
    assert_ok(store_session(s, run, &x, err));
    assert_ok(exchange_export(s, run, NULL, &doc, err));
    json_t *o = json_array_get(json_object_get(doc, "sessions"), 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(o, "proof"), "unreadable")), "{not json");
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "failure"), "text")),
                        "no ? utf-8");
    assert_ok(import_doc(doc, err));
    json_decref(doc);
    store_close(s);
}

int main(int argc, char **argv)
{
    /* With an argument: writes the fixture's run there, for the validation against the schema. */
    if (argc == 2) {
        json_t *doc = export_doc(3);
        int r = json_dump_file(doc, argv[1], JSON_INDENT(1));
        json_decref(doc);
        return r == 0 ? 0 : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(truncated), cmocka_unit_test(bad),
        cmocka_unit_test(newer),      cmocka_unit_test(printable), cmocka_unit_test(odd_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit.h"

#include "base/fd.h"
#include "wire/frame.h"
#include "wire/hist.h"

#include <errno.h>

#define NONCE "0123456789abcdef"

static struct frame a_frame(enum frame_type type)
{
    struct frame f;
    frame_init(&f, type, NONCE, type == FRAME_HELLO ? 0 : 7);
    return f;
}

static struct frame a_hello(void)
{
    struct frame f = a_frame(FRAME_HELLO);
    f.hello = (struct frame_hello){.version = WIRE_VERSION,
                                   .program = "cupel-probe 0.1.0",
                                   .sysname = "Linux",
                                   .release = "6.1.0",
                                   .kernel_version = "#1 SMP \"quoted\\\"",
                                   .machine = "x86_64",
                                   .pid = 1,
                                   .cpus_online = 2,
                                   .cpus_allowed = -1,
                                   .page_bytes = 4096,
                                   .clock_res_ns = 1,
                                   .clock_ns = INT64_MAX};
    return f;
}

static struct frame a_prepare(void)
{
    struct frame f = a_frame(FRAME_PREPARE);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "mem.triad");
    f.prepare.workers = WIRE_WORKERS_MAX;
    f.prepare.n_cpus = 3;
    f.prepare.cpus[1] = WIRE_CPU_MAX;
    f.prepare.cpus[2] = 1;
    facts_add_num(&f.prepare.params, "bytes", INT64_MIN);
    facts_add_text(&f.prepare.params, "dir", "/tmp");
    return f;
}

static struct frame a_sliced(const char *hist)
{
    struct frame f = a_frame(FRAME_SLICED);
    f.sliced = (struct frame_sliced){.ops = WIRE_OPS_MAX * WIRE_WORKERS_MAX,
                                     .ns = 1,
                                     .start_ns = 2,
                                     .cpu_ns = INT64_MAX,
                                     .hist = xstrdup(hist)};
    return f;
}

static struct frame a_finished(void)
{
    struct frame f = a_frame(FRAME_FINISHED);
    f.finished.verified = true;
    f.finished.ops = 12;
    str_copy(f.finished.detail, sizeof(f.finished.detail), "sum 42");
    facts_add_text(&f.finished.facts, "thp", "madvise");
    return f;
}

/* Encodes, parses, compares every byte of the value and the text of its second encoding. */
static void round_trip(struct frame f)
{
    _cleanup_(str_release) struct str one = STR_INIT, two = STR_INIT;
    assert_ok(frame_encode(&f, &one, err));
    assert_int_equal(one.buf[one.len - 1], '\n');
    struct frame back;
    assert_ok(frame_parse(one.buf, one.len - 1, &back, err));
    assert_ok(frame_encode(&back, &two, err));
    assert_string_equal(one.buf, two.buf);
    assert_int_equal(back.type, f.type);
    assert_int_equal(back.seq, f.seq);
    assert_string_equal(back.nonce, f.nonce);
    if (f.type == FRAME_SLICED) {
        assert_int_equal(back.sliced.hist == NULL, f.sliced.hist == NULL);
        if (f.sliced.hist)
            assert_string_equal(back.sliced.hist, f.sliced.hist);
        free(f.sliced.hist);
        free(back.sliced.hist);
        f.sliced.hist = back.sliced.hist = NULL;
    }
    assert_memory_equal(&back, &f, sizeof(f));
    frame_release(&back);
    assert_int_equal(back.type, FRAME_NONE);
}

static void every_type_round_trips(void **state)
{
    round_trip(a_frame(FRAME_PING));
    round_trip(a_frame(FRAME_PONG));
    round_trip(a_frame(FRAME_FINISH));
    round_trip(a_frame(FRAME_BYE));
    round_trip(a_hello());
    round_trip(a_prepare());
    struct frame slice = a_frame(FRAME_SLICE);
    slice.slice = (struct frame_slice){.ops = WIRE_OPS_MAX, .hist = true};
    round_trip(slice);
    struct frame ready = a_frame(FRAME_READY);
    facts_add_num(&ready.ready, "huge", 0);
    round_trip(ready);
    round_trip(a_sliced(NULL));
    round_trip(a_sliced("0 0 0 0"));
    round_trip(a_finished());
    struct frame error = a_frame(FRAME_ERROR);
    error.error.code = 4095;
    str_copy(error.error.where, sizeof(error.error.where), "open");
    str_copy(error.error.text, sizeof(error.error.text), "no \"such\" file");
    round_trip(error);
    for (unsigned t = FRAME_NONE; t < FRAME_TYPE_COUNT; t++)
        assert_true(strlen(frame_type_name((enum frame_type)t)) > 2);
    assert_string_equal(frame_type_name(FRAME_TYPE_COUNT), "none");
}

static void the_largest_frames_fit(void **state)
{
    struct frame f = a_prepare();
    memset(f.prepare.workload, '"', WIRE_NAME_MAX - 1); /* every character doubles when escaped */
    f.prepare.n_cpus = WIRE_CPUS_MAX;
    for (unsigned i = 0; i < WIRE_CPUS_MAX; i++)
        f.prepare.cpus[i] = WIRE_CPU_MAX;
    f.prepare.params.n = WIRE_FACTS_MAX;
    for (unsigned i = 0; i < WIRE_FACTS_MAX; i++) {
        struct fact *v = &f.prepare.params.v[i];
        *v = (struct fact){.is_text = true};
        memset(v->name, '\\', WIRE_NAME_MAX - 1);
        v->name[0] = (char)('a' + i);
        memset(v->text, '"', WIRE_TEXT_MAX - 1);
    }
    round_trip(f);
    _cleanup_free_ char *hist = xcalloc(1, HIST_TEXT_MAX + 1);
    memset(hist, '7', HIST_TEXT_MAX);
    round_trip(a_sliced(hist));
    struct frame quotes = a_sliced(NULL);
    memset(hist, '"', HIST_TEXT_MAX);
    quotes.sliced.hist = hist;
    _cleanup_(str_release) struct str s = STR_INIT;
    str_add(&s, "kept");
    assert_fails(frame_encode(&quotes, &s, err), EMSGSIZE, "longer than 65536");
    assert_string_equal(s.buf, "kept");
}

static void refuse_encode(struct frame f, const char *text)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    struct err err = ERR_INIT;
    if (frame_encode(&f, &s, &err) >= 0 || err.kind != ERR_BUG || !strstr(err.msg, text))
        fail_msg("wanted '%s': '%s' %s", text, err.msg, s.buf);
    assert_int_equal(s.len, 0);
}

static void writer_holds_to_the_bounds(void **state)
{
    struct frame f = a_frame(FRAME_NONE);
    refuse_encode(f, "no such type");
    f.type = FRAME_TYPE_COUNT;
    refuse_encode(f, "no such type");
    f = a_frame(FRAME_PING);
    f.nonce[3] = 'G';
    refuse_encode(f, "bad nonce");
    f = a_frame(FRAME_PING);
    f.seq = 0;
    refuse_encode(f, "bad nonce or seq");
    f.seq = UINT64_MAX;
    refuse_encode(f, "bad nonce or seq");
    f = a_hello();
    f.seq = 1;
    refuse_encode(f, "bad nonce or seq");
    f = a_hello();
    f.hello.version = 2;
    refuse_encode(f, "'v'");
    f = a_hello();
    f.hello.program[0] = '\0';
    refuse_encode(f, "'program'");
    f = a_hello();
    f.hello.cpus_online = -2;
    refuse_encode(f, "'cpus_online'");
    f = a_prepare();
    f.prepare.workers = 0;
    refuse_encode(f, "'workers'");
    f = a_prepare();
    f.prepare.n_cpus = WIRE_CPUS_MAX + 1;
    refuse_encode(f, "'cpus'");
    f = a_prepare();
    f.prepare.params.n = WIRE_FACTS_MAX + 1;
    refuse_encode(f, "'params'");
    f = a_prepare();
    f.prepare.params.v[0].name[0] = '\0';
    refuse_encode(f, "'params'");
    memset(f.prepare.params.v[0].name, 'x', WIRE_NAME_MAX); /* without an end */
    refuse_encode(f, "'params'");
    f = a_prepare();
    memset(f.prepare.params.v[1].text, 'x', WIRE_TEXT_MAX);
    refuse_encode(f, "'params'");
    f = a_prepare();
    memset(f.prepare.workload, 'x', WIRE_NAME_MAX);
    refuse_encode(f, "'workload'");
    f = a_finished();
    memset(f.finished.detail, 'x', WIRE_TEXT_MAX);
    refuse_encode(f, "'detail'");
    f = a_frame(FRAME_SLICE);
    refuse_encode(f, "'ops'");
    f.slice.ops = WIRE_OPS_MAX + 1;
    refuse_encode(f, "'ops'");
    f = a_sliced(NULL);
    f.sliced.ns = UINT64_MAX;
    refuse_encode(f, "'ns'");
    f = a_frame(FRAME_ERROR);
    f.error.code = -1;
    refuse_encode(f, "'errno'");
    _cleanup_free_ char *hist = xcalloc(1, HIST_TEXT_MAX + 2);
    memset(hist, '7', HIST_TEXT_MAX + 1);
    f = a_sliced(NULL);
    f.sliced.hist = hist;
    refuse_encode(f, "'hist'");
}

static void parse_refuses(const char *line, size_t n, const char *text)
{
    struct frame f, before;
    memset(&f, 0x5a, sizeof(f));
    memcpy(&before, &f, sizeof(f));
    struct err err = ERR_INIT;
    int r = frame_parse(line, n, &f, &err);
    if (r >= 0 || err.kind != ERR_MEASUREMENT || !strstr(err.msg, text))
        fail_msg("%s: wanted '%s', got %d '%s'", line, text, r, err.msg);
    assert_memory_equal(&f, &before, sizeof(f)); /* untouched */
}

#define H(t)                "{\"t\":\"" t "\",\"seq\":1,\"nonce\":\"" NONCE "\""
#define REFUSES(line, text) parse_refuses(line, strlen(line), text)

static void not_a_frame(void **state)
{
    REFUSES("", "not JSON");
    REFUSES("x", "not JSON");
    REFUSES("1", "not JSON"); /* the reader takes arrays and objects only */
    REFUSES("[]", "not a JSON object");
    REFUSES("{}", "'t' names no frame");
    REFUSES("{\"t\":1}", "'t' names no frame");
    REFUSES("{\"t\":\"none\"}", "'t' names no frame");
    REFUSES("{\"t\":\"Ping\"}", "'t' names no frame");
    REFUSES(H("ping") "}x", "not JSON");
    REFUSES(H("ping") "}{}", "not JSON");
    REFUSES(H("ping"), "not JSON");
    REFUSES(H("ping") ",\"t\":\"pong\"}", "duplicate");
    REFUSES(H("ping") ",\"a\":1,\"a\":1}", "duplicate");
    REFUSES(H("ping") ",\"a\":\"\x01\"}", "not JSON");
    REFUSES(H("ping") ",\"a\":\"\xff\"}", "not JSON");
    REFUSES(H("ping") ",\"a\":\"\\u0000\"}", "not JSON");
    REFUSES(H("ping") ",\"a\":99999999999999999999}", "not JSON");
    REFUSES(H("ping") ",\"a\":1e999}", "not JSON");
    parse_refuses(H("ping") "}\0", sizeof(H("ping") "}\0") - 1, "not JSON");
    REFUSES("{\"t\":\"ping\",\"seq\":0,\"nonce\":\"" NONCE "\"}", "'seq' is out of bounds");
    REFUSES("{\"t\":\"ping\",\"seq\":-1,\"nonce\":\"" NONCE "\"}", "'seq' is out of bounds");
    REFUSES("{\"t\":\"ping\",\"seq\":1.0,\"nonce\":\"" NONCE "\"}", "'seq' is not an integer");
    REFUSES("{\"t\":\"ping\",\"nonce\":\"" NONCE "\"}", "'seq' is not an integer");
    REFUSES("{\"t\":\"ping\",\"seq\":1}", "'nonce' is not a string");
    REFUSES("{\"t\":\"ping\",\"seq\":1,\"nonce\":\"0123456789abcde\"}", "'nonce' is not 16");
    REFUSES("{\"t\":\"ping\",\"seq\":1,\"nonce\":\"0123456789abcdef0\"}", "'nonce' is too long");
    REFUSES("{\"t\":\"ping\",\"seq\":1,\"nonce\":\"0123456789ABCDEF\"}", "'nonce' is not 16");
}

static void depth_and_length(void **state)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    str_add(&s, H("ping") ",\"a\":");
    size_t head = s.len;
    str_add(&s, "[[[[[[[]]]]]]]}"); /* eight with the object itself */
    struct frame f;
    assert_ok(frame_parse(s.buf, s.len, &f, err));
    s.len = head;
    str_add(&s, "[[[[[[[[]]]]]]]]}");
    REFUSES(s.buf, "nested deeper than 8");
    s.len = head;
    for (int i = 0; i < 60000; i++)
        str_addc(&s, i % 2 ? '{' : '[');
    REFUSES(s.buf, "nested deeper than 8");
    s.len = head; /* brackets in strings are no depth, escaped quotes do not end one */
    str_add(&s, "\"\\\"[[[[[[[[[[[[{{{{{\"}");
    assert_ok(frame_parse(s.buf, s.len, &f, err));
    s.len = head;
    str_addc(&s, '"');
    while (s.len < WIRE_LINE_MAX - 3)
        str_addc(&s, 'x');
    str_add(&s, "\"}");
    assert_int_equal(s.len, WIRE_LINE_MAX - 1); /* with its newline the most there may be */
    assert_ok(frame_parse(s.buf, s.len, &f, err));
    str_addc(&s, ' ');
    REFUSES(s.buf, "longer than");
}

/* A hello without one key, or with another value for it. */
static void hello_with(const char *key, const char *value, struct str *out)
{
    static const char *const fields[][2] = {{"t", "\"hello\""},
                                            {"seq", "0"},
                                            {"nonce", "\"" NONCE "\""},
                                            {"v", "1"},
                                            {"program", "\"p\""},
                                            {"sysname", "\"s\""},
                                            {"release", "\"r\""},
                                            {"kernel", "\"k\""},
                                            {"machine", "\"m\""},
                                            {"boot_id", "\"\""},
                                            {"pid", "1"},
                                            {"cpus_online", "1"},
                                            {"cpus_allowed", "1"},
                                            {"page_bytes", "4096"},
                                            {"clock_res_ns", "1"},
                                            {"clock_ns", "0"}};
    str_clear(out);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const char *v = key && str_eq(key, fields[i][0]) ? value : fields[i][1];
        if (v)
            str_addf(out, "%s\"%s\":%s", out->len ? "," : "{", fields[i][0], v);
    }
    str_addc(out, '}');
}

static void hello_bounds(void **state)
{
    static const char *const bad[][3] = {
        {"v", NULL, "'v' is not an integer"},
        {"v", "0", "'v' is out of bounds"},
        {"v", "\"1\"", "'v' is not an integer"},
        {"seq", "1", "'seq' is out of bounds"},
        {"program", "\"\"", "'program' is empty"},
        {"program", NULL, "'program' is missing"},
        {"program", "\"123456789012345678901234567890123456789012345678\"",
         "'program' is too long"},
        {"release", "7", "'release' is not a string"},
        {"kernel", NULL, "'kernel' is missing"},
        {"boot_id", "null", "'boot_id' is not a string"},
        {"pid", "0", "'pid' is out of bounds"},
        {"pid", "2147483648", "'pid' is out of bounds"},
        {"pid", "1.5", "'pid' is not an integer"},
        {"cpus_online", "-2", "'cpus_online' is out of bounds"},
        {"cpus_allowed", "1048577", "'cpus_allowed' is out of bounds"},
        {"page_bytes", "0", "'page_bytes' is out of bounds"},
        {"clock_res_ns", "-1", "'clock_res_ns' is out of bounds"},
        {"clock_ns", "-1", "'clock_ns' is out of bounds"},
        {"clock_ns", "9223372036854775808", "not JSON"}};
    _cleanup_(str_release) struct str s = STR_INIT;
    struct frame f;
    hello_with(NULL, NULL, &s);
    assert_ok(frame_parse(s.buf, s.len, &f, err));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        hello_with(bad[i][0], bad[i][1], &s);
        REFUSES(s.buf, bad[i][2]);
    }
    hello_with("v", "2", &s);
    struct err err = ERR_INIT;
    assert_int_equal(frame_parse(s.buf, s.len, &f, &err), -EPROTONOSUPPORT);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "speaks protocol 2"));
}

static void field_bounds(void **state)
{
    REFUSES(H("prepare") ",\"workers\":1}", "'workload' is missing");
    REFUSES(H("prepare") ",\"workload\":\"\",\"workers\":1}", "'workload' is empty");
    REFUSES(H("prepare") ",\"workload\":\"w\",\"workers\":0}", "'workers' is out of bounds");
    REFUSES(H("prepare") ",\"workload\":\"w\",\"workers\":1025}", "'workers' is out of bounds");
#define P H("prepare") ",\"workload\":\"w\",\"workers\":1,"
    REFUSES(P "\"cpus\":{}}", "'cpus' is not an array");
    REFUSES(P "\"cpus\":[-1]}", "'cpus' is out of bounds");
    REFUSES(P "\"cpus\":[65536]}", "'cpus' is out of bounds");
    REFUSES(P "\"cpus\":[\"1\"]}", "'cpus' is not an integer");
    REFUSES(P "\"params\":[]}", "'params' is not an object");
    REFUSES(P "\"params\":{\"\":1}}", "'params' has an empty");
    REFUSES(P "\"params\":{\"a\":true}}", "'a' is not an integer");
    REFUSES(P "\"params\":{\"a\":1.5}}", "'a' is not an integer");
    REFUSES(P "\"params\":{\"\\u00e9\":1,\"\\u00ea\":1}}", "'params' has an empty");
    REFUSES(H("slice") "}", "'ops' is missing");
    REFUSES(H("slice") ",\"ops\":0}", "'ops' is out of bounds");
    REFUSES(H("slice") ",\"ops\":1125899906842625}", "'ops' is out of bounds");
    REFUSES(H("slice") ",\"ops\":1,\"hist\":1}", "'hist' is not true or false");
    REFUSES(H("ready") ",\"facts\":1}", "'facts' is not an object");
#define S H("sliced") ",\"ns\":1,\"start_ns\":1,"
    REFUSES(S "\"cpu_ns\":1,\"ops\":1152921504606846977}", "'ops' is out of bounds");
    REFUSES(S "\"cpu_ns\":-1,\"ops\":1}", "'cpu_ns' is out of bounds");
    REFUSES(S "\"cpu_ns\":1,\"ops\":1,\"hist\":[]}", "'hist' is not a string");
    REFUSES(H("finished") ",\"ops\":1,\"detail\":\"\"}", "'verified' is missing");
    REFUSES(H("finished") ",\"ops\":-1,\"detail\":\"\",\"verified\":true}", "'ops' is out of");
    REFUSES(H("error") ",\"errno\":4096,\"where\":\"\",\"text\":\"\"}", "'errno' is out of");
    REFUSES(H("error") ",\"errno\":-1,\"where\":\"\",\"text\":\"\"}", "'errno' is out of");
}

static void long_lists(void **state)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    str_add(&s, P "\"cpus\":[0");
    for (int i = 0; i < WIRE_CPUS_MAX; i++)
        str_add(&s, ",1");
    str_add(&s, "]}");
    REFUSES(s.buf, "'cpus' is too long");
    str_clear(&s);
    str_add(&s, H("ready") ",\"facts\":{\"a\":0");
    for (int i = 0; i < WIRE_FACTS_MAX; i++)
        str_addf(&s, ",\"%d\":1", i);
    str_add(&s, "}}");
    REFUSES(s.buf, "'facts' has too many");
    str_clear(&s);
    str_add(&s, S "\"cpu_ns\":1,\"ops\":1,\"hist\":\"");
    for (int i = 0; i <= HIST_TEXT_MAX; i++)
        str_addc(&s, '1');
    str_add(&s, "\"}");
    REFUSES(s.buf, "'hist' is too long");
    str_clear(&s);
    str_add(&s, H("ready") ",\"facts\":{\"a\":\"");
    for (int i = 0; i < WIRE_TEXT_MAX; i++)
        str_addc(&s, '1');
    str_add(&s, "\"}}");
    REFUSES(s.buf, "'a' is too long");
}

static void unknown_keys_and_odd_text(void **state)
{
    struct frame f;
    const char line[] =
        " " H("error") ",\"errno\":2,\"where\":\"a\\u001b[2J\",\"text\":\"\\u00e9\\n\","
                       "\"new\":{\"of\":[\"a later\",null]}}";
    assert_ok(frame_parse(line, strlen(line), &f, err));
    assert_string_equal(f.error.where, "a?[2J");
    assert_string_equal(f.error.text, "???");
    struct frame out = a_frame(FRAME_ERROR);
    str_copy(out.error.text, sizeof(out.error.text), "bell\a \xc3");
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_ok(frame_encode(&out, &s, err));
    assert_non_null(strstr(s.buf, "\"bell? ?\""));
    const char bye[] = "{\"t\":\"bye\",\"seq\":0,\"nonce\":\"" NONCE "\"}"; /* unasked */
    assert_ok(frame_parse(bye, strlen(bye), &f, err));
}

static void facts(void **state)
{
    struct facts f = {0};
    assert_true(facts_add_num(&f, "a", -1));
    assert_true(facts_add_text(&f, "b", "text"));
    assert_false(facts_add_num(&f, "a", 2));
    assert_false(facts_add_num(&f, "", 2));
    assert_false(facts_add_num(&f, "123456789012345678901234567890123456789012345678", 2));
    assert_int_equal(facts_num(&f, "a", 9), -1);
    assert_int_equal(facts_num(&f, "b", 9), 9);
    assert_int_equal(facts_num(&f, "c", 9), 9);
    assert_string_equal(facts_text(&f, "b", "no"), "text");
    assert_string_equal(facts_text(&f, "a", "no"), "no");
    assert_null(facts_text(&f, "c", NULL));
    char big[WIRE_TEXT_MAX + 10];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_true(facts_add_text(&f, "big", big));
    assert_int_equal(strlen(facts_text(&f, "big", "")), WIRE_TEXT_MAX - 1);
    for (unsigned i = f.n; i < WIRE_FACTS_MAX; i++)
        assert_true(facts_add_num(&f, (char[]){(char)('A' + i), '\0'}, i));
    assert_false(facts_add_num(&f, "last", 1));
    assert_int_equal(f.n, WIRE_FACTS_MAX);
}

static void lines(void **state)
{
    int fds[2];
    assert_ok(fd_pipe(fds, err));
    assert_ok(fd_set_nonblock(fds[0], true, err));
    _cleanup_(line_reader_release) struct line_reader r;
    line_reader_init(&r);
    const char *line;
    size_t n;
    assert_int_equal(line_reader_take(&r, &line, &n), 0);
    assert_int_equal(line_reader_fill(&r, fds[0]), -EAGAIN);
    assert_ok(fd_write_full(fds[1], "one\n\ntwo\nthr", 12, err));
    assert_int_equal(line_reader_fill(&r, fds[0]), 12);
    static const char *const want[] = {"one", "", "two"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(line_reader_take(&r, &line, &n), 1);
        assert_int_equal(n, strlen(want[i]));
        assert_memory_equal(line, want[i], n);
    }
    assert_int_equal(line_reader_take(&r, &line, &n), 0);
    assert_ok(fd_write_full(fds[1], "ee\n", 3, err));
    assert_int_equal(line_reader_fill(&r, fds[0]), 3);
    assert_int_equal(line_reader_take(&r, &line, &n), 1);
    assert_memory_equal(line, "three", 5);
    assert_int_equal(line_reader_take(&r, &line, &n), 0);
    close(fds[1]);
    assert_int_equal(line_reader_fill(&r, fds[0]), 0);
    close(fds[0]);
    assert_int_equal(line_reader_fill(&r, fds[0]), -EBADF);
}

static void lines_end_somewhere(void **state)
{
    int fds[2];
    assert_ok(fd_pipe(fds, err));
    _cleanup_(line_reader_release) struct line_reader r;
    line_reader_init(&r);
    const char *line;
    size_t n;
    _cleanup_free_ char *big = xmalloc(WIRE_LINE_MAX);
    memset(big, 'x', WIRE_LINE_MAX);
    big[WIRE_LINE_MAX - 1] = '\n';
    for (int round = 0; round < 2; round++) { /* the longest line, twice, in small pieces */
        for (size_t at = 0; at < WIRE_LINE_MAX; at += 4096) {
            assert_ok(fd_write_full(fds[1], big + at, 4096, err));
            assert_int_equal(line_reader_take(&r, &line, &n), 0);
            assert_int_equal(line_reader_fill(&r, fds[0]), 4096);
        }
        assert_int_equal(line_reader_fill(&r, fds[0]), -ENOBUFS);
        assert_int_equal(line_reader_take(&r, &line, &n), 1);
        assert_int_equal(n, WIRE_LINE_MAX - 1);
    }
    big[WIRE_LINE_MAX - 1] = 'x';
    for (size_t at = 0; at < WIRE_LINE_MAX; at += 4096) {
        assert_ok(fd_write_full(fds[1], big + at, 4096, err));
        assert_int_equal(line_reader_fill(&r, fds[0]), 4096);
    }
    assert_int_equal(line_reader_take(&r, &line, &n), -EMSGSIZE);
    assert_int_equal(line_reader_take(&r, &line, &n), -EMSGSIZE); /* and stays so */
    close(fds[0]);
    close(fds[1]);
}

/* The conversation printed for people is one a machine understands. */
static void documented_examples(void **state)
{
    const char *root = getenv("CUPEL_SOURCE_ROOT");
    if (!root) {
        print_message("skipped: CUPEL_SOURCE_ROOT is not set (meson test sets it)\n");
        skip();
    }
    _cleanup_free_ char *path = xasprintf("%s/docs/protocol.md", root);
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_ok(file_read(path, 1 << 20, &s, err));
    unsigned seen[FRAME_TYPE_COUNT] = {0};
    char *rest = s.buf;
    for (char *line; (line = strsep(&rest, "\n"));) {
        const char *json = strchr(line, '{');
        if (!json || !(str_starts(line, "probe  ") || str_starts(line, "controller  ")))
            continue;
        struct frame f;
        assert_ok(frame_parse(json, strlen(json), &f, err));
        seen[f.type]++;
        frame_release(&f);
    }
    for (unsigned t = FRAME_NONE + 1; t < FRAME_TYPE_COUNT; t++)
        if (seen[t] == 0)
            fail_msg("no example of %s", frame_type_name((enum frame_type)t));
    /* And the example of a histogram. */
    _cleanup_free_ struct hist *h = xmalloc(sizeof(*h));
    assert_ok(hist_decode("3 0 1000 1002 1001:2 2", h, err));
    assert_int_equal(h->counts[1000], 2);
    assert_int_equal(h->counts[1002], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_round_trips),
        cmocka_unit_test(the_largest_frames_fit),
        cmocka_unit_test(writer_holds_to_the_bounds),
        cmocka_unit_test(not_a_frame),
        cmocka_unit_test(depth_and_length),
        cmocka_unit_test(hello_bounds),
        cmocka_unit_test(field_bounds),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(unknown_keys_and_odd_text),
        cmocka_unit_test(facts),
        cmocka_unit_test(documented_examples),
        cmocka_unit_test(lines),
        cmocka_unit_test(lines_end_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

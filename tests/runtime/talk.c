#include "talk.h"

#include "driver/network.h"

/* Of each workload, and what one of net.tcp_stream's is. */
#define OPS          40
#define STREAM_BYTES 16384

void talk_peer_start(struct rig *r, const struct net_end *end, struct talk_peer *ret)
{
    struct target t;
    struct target_info info;
    size_t n;
    const char *const *names = driver_names(&n);
    struct launch what = rig_probe;
    what.net = end->netns[0] ? end : NULL;
    assert_ok(target_parse("host", names, n, &t, err));
    *ret = (struct talk_peer){.driver = driver_find("host")};
    ret->driver->inspect(&r->site, &t, &info);
    assert_ok(ret->driver->open(&r->site, &info, &ret->engine, err));
    assert_ok(ret->driver->start(&r->site, ret->engine, &what, &ret->session, err));
}

void talk_peer_stop(struct rig *r, struct talk_peer *p)
{
    assert_ok(session_stop(p->session, ENDING_BYE, NULL, err));
    p->driver->close(&r->site, p->engine);
}

static const struct frame *prepare(struct session *s, struct frame *f)
{
    const struct frame *answer;
    f->prepare.workers = 1;
    assert_ok(session_call(s, f, FRAME_READY, time_deadline(30 * NS_PER_S), &answer, err));
    return answer;
}

static int64_t serve(struct session *s, const char *address)
{
    struct frame f;
    frame_init(&f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "net.serve");
    assert_true(facts_add_text(&f.prepare.params, "address", address));
    return facts_num(&prepare(s, &f)->ready, "tcp_port", 0);
}

/* A wire is never faster than it is; but for what its bucket holds at first. */
static void check_rate(const struct frame_sliced *done, uint64_t op_bytes, uint64_t rate_bps)
{
    double s = (double)(done->ops * op_bytes) * 8 / (double)rate_bps;
    print_message("# over %.0f Mbit/s: %.1f ms for what takes %.1f\n", (double)rate_bps / 1e6,
                  (double)done->ns / NS_PER_MS, s * 1e3);
    if ((double)done->ns / NS_PER_S < 0.9 * s)
        fail_msg("%.1f ms for what takes %.1f", (double)done->ns / NS_PER_MS, s * 1e3);
}

void talk_converse(struct session *from, struct session *to, const char *at, uint64_t rate_bps)
{
    static const char *const workloads[] = {"net.tcp_rr", "net.tcp_crr", "net.tcp_stream"};
    int64_t port = serve(to, at);
    for (size_t i = 0; i < ARRAY_SIZE(workloads); i++) {
        struct frame f;
        frame_init(&f, FRAME_PREPARE, from->nonce, 0);
        str_copy(f.prepare.workload, sizeof(f.prepare.workload), workloads[i]);
        assert_true(facts_add_text(&f.prepare.params, "address", at));
        assert_true(facts_add_num(&f.prepare.params, "port", port));
        prepare(from, &f);
        struct frame_sliced done = rig_slice(from, OPS);
        assert_int_equal(done.ops, OPS);
        if (rate_bps && str_eq(workloads[i], "net.tcp_stream"))
            check_rate(&done, STREAM_BYTES, rate_bps);
        rig_finish(from);
    }
    rig_finish(to);
}

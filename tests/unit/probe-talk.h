/* A conversation with the real probe, as a controller has it, for tests.
 *
 *     struct talk t;
 *     talk_open(&t, NULL);                       // starts it and hears its hello
 *     talk_ask(&t, &frame, &answer);             // next sequence number, one answer
 *     talk_close(&t);                            // bye, and it leaves with status 0
 *
 * CUPEL_PROBE_PATH comes from the build. Every wait has a deadline. */
#ifndef CUPEL_TESTS_PROBE_TALK_H
#define CUPEL_TESTS_PROBE_TALK_H

#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "wire/frame.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <cmocka.h>

#define TALK_NONCE   "00112233aabbccdd"
#define TALK_WAIT_NS (60 * NS_PER_S)

struct talk {
    pid_t pid;
    int to, from;
    uint64_t seq;
    struct line_reader reader;
};

static inline void talk_hear(struct talk *t, struct frame *ret)
{
    struct err err = ERR_INIT;
    uint64_t deadline = time_deadline(TALK_WAIT_NS);
    const char *line;
    size_t n;
    while (line_reader_take(&t->reader, &line, &n) == 0) {
        struct pollfd p = {.fd = t->from, .events = POLLIN};
        if (poll(&p, 1, time_left_ms(deadline)) != 1)
            fail_msg("the probe does not answer");
        if (line_reader_fill(&t->reader, t->from) <= 0)
            fail_msg("the probe has left");
    }
    if (frame_parse(line, n, ret, &err) != 0)
        fail_msg("%s: %.*s", err.msg, (int)n, line);
}

/* path: of the probe or another program with its frames. inject: the value of --inject, or NULL. */
static inline void talk_start(struct talk *t, const char *path, const char *inject)
{
    const char *argv[] = {path, "--nonce", TALK_NONCE, inject ? "--inject" : NULL, inject, NULL};
    struct err err = ERR_INIT;
    int in[2], out[2];
    assert_int_equal(fd_pipe(in, &err), 0);
    assert_int_equal(fd_pipe(out, &err), 0);
    struct spawn_spec spec = {
        .argv = argv, .fd_in = in[0], .fd_out = out[1], .fd_err = -1, .die_with_parent = true};
    if (spawn(&spec, &t->pid, &err) != 0)
        fail_msg("%s", err.msg);
    close(in[0]);
    close(out[1]);
    t->to = in[1];
    t->from = out[0];
    t->seq = 0;
    line_reader_init(&t->reader);
    struct frame f;
    talk_hear(t, &f);
    assert_int_equal(f.type, FRAME_HELLO);
    frame_release(&f);
}

static inline void talk_open(struct talk *t, const char *inject)
{
    talk_start(t, CUPEL_PROBE_PATH, inject);
}

static inline void talk_ask(struct talk *t, struct frame *f, struct frame *ret)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    struct err err = ERR_INIT;
    f->seq = ++t->seq;
    if (frame_encode(f, &s, &err) != 0)
        fail_msg("%s", err.msg);
    assert_int_equal(write(t->to, s.buf, s.len), s.len);
    talk_hear(t, ret);
    assert_int_equal(ret->seq, t->seq);
}

/* Ends the conversation and gives the wait status; the probe may be dead already. */
static inline int talk_hang_up(struct talk *t)
{
    int status;
    close(t->to);
    close(t->from);
    line_reader_release(&t->reader);
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    return status;
}

static inline void talk_close(struct talk *t)
{
    struct frame f, answer;
    frame_init(&f, FRAME_BYE, TALK_NONCE, 0);
    talk_ask(t, &f, &answer);
    assert_int_equal(answer.type, FRAME_BYE);
    frame_release(&answer);
    int status = talk_hang_up(t);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#endif

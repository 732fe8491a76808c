/* The loop of frames: see session.h. */
#include "probe/session.h"

#include "base/fd.h"
#include "base/time.h"
#include "probe/program.h"
#include "probe/team.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/utsname.h>
#include <time.h>

struct session {
    const struct session_options *opt;
    int fd_out;
    uint64_t last_seq;
    struct team *team; /* NULL: nothing is prepared */
    struct hist *hist; /* made with the first slice that wants one */
    struct str hist_text;
    struct str line;
};

static int answer(struct session *s, const struct frame *f, struct err *err)
{
    str_clear(&s->line);
    int r = frame_encode(f, &s->line, err);
    return r < 0 ? r : fd_write_full(s->fd_out, s->line.buf, s->line.len, err);
}

static int answer_error(struct session *s, uint64_t seq, const char *where, const struct err *what,
                        struct err *err)
{
    struct frame f;
    frame_init(&f, FRAME_ERROR, s->opt->nonce, seq);
    f.error.code = what->code;
    str_copy(f.error.where, sizeof(f.error.where), where);
    str_copy(f.error.text, sizeof(f.error.text), what->msg);
    return answer(s, &f, err);
}

/* ---- hello ---- */

static int64_t cpus_allowed(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : -1;
}

static int say_hello(struct session *s, struct err *err)
{
    struct frame f;
    frame_init(&f, FRAME_HELLO, s->opt->nonce, 0);
    struct frame_hello *h = &f.hello;
    h->version = WIRE_VERSION;
    str_format(h->program, sizeof(h->program), "%s " CUPEL_VERSION, program_info.name);
    struct utsname u;
    if (uname(&u) == 0) {
        str_copy(h->sysname, sizeof(h->sysname), u.sysname);
        str_copy(h->release, sizeof(h->release), u.release);
        str_copy(h->kernel_version, sizeof(h->kernel_version), u.version);
        str_copy(h->machine, sizeof(h->machine), u.machine);
    }
    if (file_read_line("/proc/sys/kernel/random/boot_id", h->boot_id, sizeof(h->boot_id)) < 0)
        h->boot_id[0] = '\0';
    h->pid = getpid();
    h->cpus_online = sysconf(_SC_NPROCESSORS_ONLN);
    h->cpus_allowed = cpus_allowed();
    h->page_bytes = sysconf(_SC_PAGESIZE);
    struct timespec res;
    if (clock_getres(CLOCK_MONOTONIC, &res) == 0)
        h->clock_res_ns = (int64_t)res.tv_sec * (int64_t)NS_PER_S + res.tv_nsec;
    h->clock_ns = (int64_t)time_mono_ns();
    return answer(s, &f, err);
}

/* ---- the frames ---- */

static void drop_team(struct session *s)
{
    team_free(s->team);
    s->team = NULL;
}

static int prepare(struct session *s, const struct frame_prepare *p, struct err *err)
{
    const struct family *family;
    const struct workload *workload = program_workload(p->workload, &family);
    if (!workload)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "no workload '%s' in this probe",
                       p->workload);
    if (s->team && team_fits(s->team, family, workload, p)) {
        int r = team_reuse(s->team, workload, p, err);
        if (r < 0)
            drop_team(s);
        return r;
    }
    drop_team(s);
    return team_new(family, workload, p, s->opt->inject, &s->team, err);
}

static int need_team(const struct session *s, struct err *err)
{
    return s->team ? 0 : err_set(err, ERR_USAGE, EINVAL, "nothing is prepared");
}

static int slice(struct session *s, const struct frame_slice *in, struct frame_sliced *out,
                 struct err *err)
{
    struct team_slice done;
    int r = need_team(s, err);
    if (r < 0)
        return r;
    if (in->hist && !s->hist)
        s->hist = xmalloc(sizeof(*s->hist));
    if (in->for_ns)
        r = team_slice_for(s->team, in->ops, in->for_ns, &done, err);
    else
        r = team_slice(s->team, in->ops, in->lead, in->hist ? s->hist : NULL, &done, err);
    if (r < 0)
        return r;
    *out = (struct frame_sliced){
        .ops = done.ops, .ns = done.ns, .start_ns = done.start_ns, .cpu_ns = done.cpu_ns};
    out->output = team_output(s->team);
    if (in->hist) {
        str_clear(&s->hist_text);
        r = hist_encode(s->hist, &s->hist_text, err);
        if (r < 0)
            return r;
        out->hist = xstrdup(s->hist_text.buf);
    }
    return 0;
}

/* Fills the answer to f. An error leaves the session alive; it becomes an error frame. */
static int serve(struct session *s, const struct frame *f, struct frame *out, struct err *err)
{
    int r;
    switch (f->type) {
    case FRAME_PING:
        frame_init(out, FRAME_PONG, s->opt->nonce, f->seq);
        return 0;
    case FRAME_PREPARE:
        frame_init(out, FRAME_READY, s->opt->nonce, f->seq);
        r = prepare(s, &f->prepare, err);
        if (r == 0)
            out->ready = team_job(s->team)->facts;
        return r;
    case FRAME_SLICE:
        frame_init(out, FRAME_SLICED, s->opt->nonce, f->seq);
        return slice(s, &f->slice, &out->sliced, err);
    case FRAME_FINISH:
        frame_init(out, FRAME_FINISHED, s->opt->nonce, f->seq);
        r = need_team(s, err);
        return r < 0 ? r : team_finish(s->team, &out->finished, err);
    default:
        frame_init(out, FRAME_BYE, s->opt->nonce, f->seq);
        return 0;
    }
}

static bool from_controller(enum frame_type type)
{
    return type == FRAME_PING || type == FRAME_PREPARE || type == FRAME_SLICE ||
           type == FRAME_FINISH || type == FRAME_BYE;
}

/* One line: 1 when it was a bye, 0 when served, negative when the session is over: err->kind is
 * ERR_USAGE if the line was not our controller's. */
static int take_line(struct session *s, const char *line, size_t n, struct err *err)
{
    _cleanup_(frame_release) struct frame in, out;
    frame_init(&in, FRAME_NONE, s->opt->nonce, 0);
    frame_init(&out, FRAME_NONE, s->opt->nonce, 0);
    struct err bad = ERR_INIT;
    int r = frame_parse(line, n, &in, &bad);
    if (r == 0 && !str_eq(in.nonce, s->opt->nonce))
        r = err_set(&bad, ERR_USAGE, EPROTO, "the nonce is not this session's");
    else if (r == 0 && !from_controller(in.type))
        r = err_set(&bad, ERR_USAGE, EPROTO, "a %s is not for a probe", frame_type_name(in.type));
    else if (r == 0 && in.seq <= s->last_seq && in.type != FRAME_BYE) /* an unasked bye has 0 */
        r = err_set(&bad, ERR_USAGE, EPROTO, "sequence number %llu after %llu",
                    (unsigned long long)in.seq, (unsigned long long)s->last_seq);
    if (r < 0) {
        answer_error(s, s->last_seq, "frame", &bad, NULL);
        return err_set(err, ERR_USAGE, bad.code, "%s", bad.msg);
    }
    if (in.seq > s->last_seq)
        s->last_seq = in.seq;
    r = serve(s, &in, &out, &bad);
    if (r < 0)
        return answer_error(s, in.seq, frame_type_name(in.type), &bad, err);
    r = answer(s, &out, err);
    return r < 0 ? r : in.type == FRAME_BYE;
}

/* All whole lines that were read. As take_line. */
static int take_lines(struct session *s, struct line_reader *reader, uint64_t *heard_ns,
                      struct err *err)
{
    for (;;) {
        const char *line;
        size_t n;
        int r = line_reader_take(reader, &line, &n);
        if (r == 0)
            return 0;
        if (r < 0) {
            err_set(err, ERR_USAGE, -r, "a line of more than %d bytes", WIRE_LINE_MAX);
            answer_error(s, s->last_seq, "frame", err, NULL);
            return r;
        }
        r = take_line(s, line, n, err);
        if (r != 0)
            return r;
        *heard_ns = time_mono_ns();
    }
}

static enum session_end session_loop(struct session *s, int fd_in, struct line_reader *reader,
                                     struct err *err)
{
    uint64_t heard_ns = time_mono_ns();
    for (;;) {
        struct pollfd p = {.fd = fd_in, .events = POLLIN};
        uint64_t deadline = heard_ns + s->opt->lease_s * NS_PER_S;
        int r = poll(&p, 1, time_left_ms(deadline));
        if (r == 0 && time_mono_ns() >= deadline) {
            err_set(err, ERR_TIMEOUT, ETIMEDOUT, "no frame for %u s", s->opt->lease_s);
            return SESSION_LEASE;
        }
        if (r <= 0)
            continue;
        ssize_t got = line_reader_fill(reader, fd_in);
        if (got == -EAGAIN || got == -EINTR)
            continue;
        if (got <= 0)
            return SESSION_DONE;
        r = take_lines(s, reader, &heard_ns, err);
        if (r != 0) /* a controller that takes no more answers is as gone as one at end of file */
            return r < 0 && err->kind == ERR_USAGE ? SESSION_ALIEN : SESSION_DONE;
    }
}

/* Byte by byte, so that nothing of what follows is taken. False: nobody came. */
static bool await_line(int fd, unsigned lease_s)
{
    uint64_t deadline = time_deadline(lease_s * NS_PER_S);
    char c = '\0';
    while (c != '\n') {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, time_left_ms(deadline)) == 0)
            return false;
        ssize_t n = read(fd, &c, 1);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return false;
    }
    return true;
}

enum session_end session_serve(int fd_in, int fd_out, const struct session_options *opt,
                               struct err *err)
{
    if (opt->await && !await_line(fd_in, opt->lease_s)) {
        err_set(err, ERR_TIMEOUT, ETIMEDOUT, "nobody spoke for %u s", opt->lease_s);
        return SESSION_LEASE;
    }
    struct session s = {.opt = opt, .fd_out = fd_out};
    struct line_reader reader;
    line_reader_init(&reader);
    str_init(&s.line);
    str_init(&s.hist_text);
    enum session_end end = SESSION_DONE;
    if (say_hello(&s, err) == 0)
        end = session_loop(&s, fd_in, &reader, err);
    drop_team(&s);
    free(s.hist);
    str_release(&s.hist_text);
    str_release(&s.line);
    line_reader_release(&reader);
    return end;
}

/* A live probe inside a target, spoken to over its standard input and output.
 *
 * Layer: driver. Sessions are asynchronous: post a frame to each of several, then wait for
 * whichever answers first. While slices run the controller sleeps in the loop.
 *
 *     session_post(a, &frame_a, &err);
 *     session_post(b, &frame_b, &err);
 *     struct session *who;
 *     sessions_wait_any(loop, set, 2, deadline, &who, &err);
 *     const struct frame *answer = session_answer(who);   // valid until its next post
 *
 * A session that lied, flooded, stalled or died is *broken*: session_answer gives NULL and
 * session_failure says what happened (with the last lines of its standard error); posting to it
 * returns that error. One outstanding request a session. */
#ifndef CUPEL_DRIVER_SESSION_H
#define CUPEL_DRIVER_SESSION_H

#include "base/err.h"
#include "base/loop.h"
#include "base/tail.h"
#include "engine/demux.h"
#include "host/cgroup.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* What the driver can promise about this session. */
struct session_caps {
    pid_t pid;                    /* host pid of the payload or sandbox, 0: none */
    char cgroup[CGROUP_PATH_MAX]; /* "" none: no CPU set, no host CPU time */
    bool others_cgroup; /* that is the kubelet's: it is read, and none of its settings is changed */
    bool eof_reaches_us;  /* closing our end ends it, its end shows as end of file */
    uint64_t warm_up_ns;  /* after its start, until its clock runs as it will (gVisor: 1.2 s) */
    char dir_rootfs[128]; /* directories for fs workloads, as the guest names them; "" not there */
    char dir_tmpfs[128];
    char dir_bind[128];
    /* The first and the last of these as this host names them; "" not to be seen from here. */
    char host_rootfs[160], host_bind[160];
    char host_disk[200]; /* both lie in this file, a disk's image; "" they do not */
    /* On its engine's own network: dotted IPv4, as the engine and the kernel have it. "": not. */
    char net_address[16], net_gateway[16];
    bool own_cache; /* a kernel of its own keeps files in memory: fresh only in another session */
    /* It runs where nothing of it can be seen or confined from here: on another machine. It has no
     * control group, no host CPU time, and not the cell's CPUs. */
    bool elsewhere;
    bool emulated; /* as target_info's, of a target that only knows once it has started */
};

/* When the steps of a session's life were seen: CLOCK_MONOTONIC of this host, ns. 0: not seen, or
 * this target has no such step. A guest's own clock has no part in it. */
struct lifetimes {
    uint64_t begin_ns;   /* before the first thing that is asked of the engine */
    uint64_t created_ns; /* its `create` returned */
    uint64_t placed_ns;  /* a scheduler had found a place for it */
    uint64_t started_ns; /* its `start` returned, or its engine told that it runs */
    uint64_t hello_ns;   /* the first line out of it was read: that can be before started_ns */
    uint64_t end_ns;     /* it was told to leave, or its removal was asked for */
    uint64_t exited_ns;  /* the end of its first process was seen */
    uint64_t gone_ns;    /* nothing that the engine made for it is left */
};

/* A process that exists because of the session and lies outside of its group: a shim. */
struct session_outside {
    pid_t pid;
    clockid_t clock; /* of its CPU time */
};
#define SESSION_OUTSIDE_MAX 8

struct session {
    struct session_caps caps;
    unsigned number; /* running number in the run */
    char nonce[WIRE_NONCE_SIZE];
    struct frame_hello hello;
    char *proof;               /* JSON object text; owned */
    struct lifetimes life;     /* up to hello_ns */
    struct cgroup_meter meter; /* fd -1: none */
    struct session_outside outside[SESSION_OUTSIDE_MAX];
    size_t n_outside;
    /* Below: session.c and the drivers only. */
    struct loop *loop;
    int fd_in, fd_out, fd_err;
    struct loop_source *src_in, *src_out, *src_err; /* src_in: only while a frame is half written */
    struct line_reader lines;
    bool muxed; /* fd_out carries standard error too */
    struct demux mux;
    uint64_t seq;
    enum frame_type asked; /* of the outstanding request; FRAME_NONE while hello is awaited */
    bool waiting, answered, broken;
    bool news;        /* an answer or a failure that sessions_wait_any has not returned yet */
    bool leaving;     /* bye was said: the end of the stream is no failure */
    bool ended;       /* broken by the end of its output: session_exited knows more */
    pid_t stream_pid; /* whose end is the end of the streams, where that is not caps.pid; 0 */
    bool *wake;       /* set true at the next news; NULL: nobody waits */
    struct str out;   /* the frame being written, and how far */
    size_t out_sent;
    uint64_t err_bytes; /* bytes of standard error since the last post */
    struct frame answer;
    struct err failure;
    uint64_t posted_ns, answered_ns;
    int death_ms; /* how long its process may take to end after its output has; 0: as a container */
    /* Why its output ended, where the driver knows more: "dockerd died"; NULL if it does not. */
    const char *(*why_end)(const struct session *s);
    struct tail err_tail; /* of standard error */
    void *priv;           /* the driver's */
};

/* Host CPU time so far of everything that exists because of the session: of its group, and of the
 * processes outside of it. -EBADF: no group; -ESRCH: one of those outside has ended, and its time
 * with it. A few µs. */
int session_cpu_read(const struct session *s, uint64_t *ret_ns);
/* For the proof: counts this process in from now on. */
int session_add_outside(struct session *s, pid_t pid, struct err *err);

/* From the first thing that was asked of the engine to the hello frame. */
static inline uint64_t session_launch_ns(const struct session *s)
{
    return s->life.hello_ns - s->life.begin_ns;
}

/* For drivers: takes the descriptors (all owned from here on), draws nothing itself. */
int session_new(struct loop *l, const char *nonce, int fd_in, int fd_out, int fd_err,
                struct session **ret, struct err *err);
/* The same over one stream socket, on which standard output and error come in the form of
 * engine/demux.h. */
int session_new_muxed(struct loop *l, const char *nonce, int fd, struct session **ret,
                      struct err *err);
/* For drivers: bytes that go before all frames, to whoever starts the probe from them: written as
 * there is room, while session_hello waits. */
int session_feed(struct session *s, const char *bytes, size_t n, struct err *err);
/* Waits for the hello frame. */
int session_hello(struct session *s, uint64_t deadline_ns, struct err *err);
void session_free(struct session *s);
void session_nonce(char dst[WIRE_NONCE_SIZE]);
/* Declares it broken (the driver saw its process die). First reason wins. What was outstanding is
 * over: sessions_wait_any returns it. */
void session_break(struct session *s, enum err_kind kind, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The driver's watch saw its process end: reads what it still said, then breaks it with the exit
 * status (-1: nobody told; and `why`, e.g. "its memory limit", unless NULL) if that was not its
 * answer to bye. */
void session_exited(struct session *s, int wait_status, const char *why);
/* For drivers: is the process that ends the streams at its end, though not reaped yet? Waits a
 * moment for it: a failure's path only. */
bool session_is_dying(const struct session *s);
/* Reads what is there of standard error and gives its last line, printable; "" if there is none. */
const char *session_err_line(struct session *s, char *dst, size_t size);

/* Sends f (type and content set; nonce and seq are filled in). */
int session_post(struct session *s, struct frame *f, struct err *err);
/* Waits until one of the sessions has its answer or is broken; -ETIMEDOUT. NULL entries are
 * skipped, and so are sessions with nothing outstanding. */
int sessions_wait_any(struct loop *l, struct session *const *set, size_t n, uint64_t deadline_ns,
                      struct session **ret, struct err *err);
/* The answer to the last post, or NULL if broken or none. Time from post to answer as the
 * controller saw it: session_control_ns. */
const struct frame *session_answer(const struct session *s);
uint64_t session_control_ns(const struct session *s);
/* 0 if it is well; else its failure copied to err. */
int session_failure(const struct session *s, struct err *err);
/* Waits for the answer to the last post, of the expected type; an error frame becomes
 * ERR_MEASUREMENT (ENOSYS, EOPNOTSUPP, ENOTSUP: ERR_UNSUPPORTED) "where: text". On a time-out the
 * session is broken; `doing` names the request in its message. ret may be NULL. -EINTR: the answer
 * is still outstanding. */
int session_await(struct session *s, enum frame_type expect, const char *doing,
                  uint64_t deadline_ns, const struct frame **ret, struct err *err);
/* session_post and session_await. */
int session_call(struct session *s, struct frame *f, enum frame_type expect, uint64_t deadline_ns,
                 const struct frame **ret, struct err *err);

#endif

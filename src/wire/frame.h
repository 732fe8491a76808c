/* The frames controller and probe exchange: one JSON object a line, at most 64 KiB, over the
 * probe's standard input and output. docs/protocol.md is the description people read; this header
 * is its form in C. Version WIRE_VERSION.
 *
 * Layer: wire. Ownership: `struct frame` is a plain value of fixed size but for three texts of
 * bounded length (the histogram, an application's description and its output), owned by the frame
 * and freed by frame_release.
 *
 * Who speaks: the probe says `hello` once by itself; then every line of the controller (ping,
 * prepare, slice, finish, bye) is answered by exactly one line with the same seq (pong, ready,
 * sliced, finished, bye; or error). seq counts up from 1. Every frame carries the session's nonce,
 * 16 hexadecimal digits given to the probe as an argument; a frame with another one is not ours.
 *
 * What comes from a probe is hostile: frame_parse bounds every string, number and array, refuses
 * duplicate keys, unknown types and trailing bytes, and replaces unprintable characters. Unknown
 * keys are ignored, so that an older reader survives a newer probe of the same version. */
#ifndef CUPEL_WIRE_FRAME_H
#define CUPEL_WIRE_FRAME_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define WIRE_VERSION    1
#define WIRE_LINE_MAX   65536 /* bytes, newline included */
#define WIRE_NONCE_SIZE 17
/* Where a guest leaves the file that another one is to read cold: below the parameter `dir`. */
#define WIRE_COLD_DIR    "cupel-cold"
#define WIRE_COLD_FILE   "iozone"
#define WIRE_NAME_MAX    48
#define WIRE_TEXT_MAX    256
#define WIRE_FACTS_MAX   24
#define WIRE_CPUS_MAX    256
#define WIRE_WORKERS_MAX 1024
#define WIRE_DEPTH_MAX   8                   /* brackets open at once, unknown keys included */
#define WIRE_OPS_MAX     (UINT64_C(1) << 50) /* per worker and slice */
#define WIRE_CPU_MAX     65535
#define WIRE_LEASE_S     60    /* the probe leaves after so long without a frame */
#define WIRE_BLOB_MAX    24576 /* bytes of an application's description, or of its output */
#define WIRE_FOR_NS_MAX  (INT64_C(86400) * 1000000000)

enum frame_type {
    FRAME_NONE,
    /* from the controller */
    FRAME_PING,
    FRAME_PREPARE,
    FRAME_SLICE,
    FRAME_FINISH,
    FRAME_BYE, /* either side */
    /* from the probe */
    FRAME_HELLO,
    FRAME_PONG,
    FRAME_READY,
    FRAME_SLICED,
    FRAME_FINISHED,
    FRAME_ERROR,
    FRAME_TYPE_COUNT
};

/* A named value: parameters on the way in, facts (huge-page state, sizes, ...) on the way out. */
struct fact {
    char name[WIRE_NAME_MAX];
    bool is_text;
    int64_t num;
    char text[WIRE_TEXT_MAX];
};

struct facts {
    unsigned n;
    struct fact v[WIRE_FACTS_MAX];
};

struct frame_hello {
    unsigned version;
    char program[WIRE_NAME_MAX]; /* "cupel-probe 0.1.0" */
    char sysname[WIRE_NAME_MAX]; /* uname fields as the guest says them */
    char release[WIRE_TEXT_MAX];
    char kernel_version[WIRE_TEXT_MAX];
    char machine[WIRE_NAME_MAX];
    char boot_id[WIRE_NAME_MAX];       /* "" when unreadable */
    int64_t pid;                       /* as the guest counts */
    int64_t cpus_online, cpus_allowed; /* as the guest counts; -1 unknown */
    int64_t page_bytes;
    int64_t clock_res_ns; /* clock_getres(CLOCK_MONOTONIC) */
    int64_t clock_ns;     /* CLOCK_MONOTONIC now */
};

struct frame_prepare {
    char workload[WIRE_NAME_MAX];
    unsigned workers; /* 1 .. WIRE_WORKERS_MAX: threads or processes, as declared */
    unsigned n_cpus;  /* CPUs of the cell; workers are pinned round robin if > 0 */
    uint16_t cpus[WIRE_CPUS_MAX];
    struct facts params;
    char *spec; /* what an application is, JSON text (docs/protocol.md), or NULL */
};

struct frame_slice {
    uint64_t ops;    /* per worker, >= 1 */
    uint64_t lead;   /* done first, outside the clock and the counts: the sandbox settles */
    bool hist;       /* time every operation (not comparable with a plain slice) */
    uint64_t for_ns; /* > 0: operations are done until so much time has passed, and counted; ops is
                        then how many are done between two looks at the clock */
};

struct frame_sliced {
    uint64_t ops;      /* done, summed over workers */
    uint64_t ns;       /* from the common start to the last worker's end, guest clock */
    uint64_t start_ns; /* guest clock */
    uint64_t cpu_ns;   /* the probe's own CPU time as the guest says; 0 unknown. Not trusted. */
    char *hist;        /* hist_encode text or NULL */
    char *output;      /* what an application wrote: printable ASCII, newlines and tabs; or NULL */
};

struct frame_finished {
    bool verified;              /* the work was checked and found done */
    uint64_t ops;               /* all operations since prepare */
    char detail[WIRE_TEXT_MAX]; /* what was checked, or what was wrong */
    struct facts facts;
};

struct frame_error {
    int code; /* errno, 0 if none fits */
    char where[WIRE_NAME_MAX];
    char text[WIRE_TEXT_MAX];
};

struct frame {
    enum frame_type type;
    uint64_t seq;
    char nonce[WIRE_NONCE_SIZE];
    union {
        struct frame_hello hello;
        struct frame_prepare prepare;
        struct facts ready; /* FRAME_READY */
        struct frame_slice slice;
        struct frame_sliced sliced;
        struct frame_finished finished;
        struct frame_error error;
    };
};

void frame_init(struct frame *f, enum frame_type type, const char *nonce, uint64_t seq);
void frame_release(struct frame *f);

/* Appends the frame as one line with its newline. -EMSGSIZE if it would pass WIRE_LINE_MAX. Holds
 * itself to the bounds of frame_parse (ERR_BUG naming the field), so what it writes can be read;
 * unprintable characters in texts become '?'. out is unchanged on failure. */
int frame_encode(const struct frame *f, struct str *out, struct err *err);
/* Parses one line without its newline. ERR_MEASUREMENT naming the first thing that is wrong; a
 * hello of another protocol version is -EPROTONOSUPPORT with ERR_UNSUPPORTED. The nonce is checked
 * for form, not for being ours. hello has seq 0; error and bye may have 0 (unasked); the rest count
 * from 1. On success release ret with frame_release; on failure ret is untouched. */
int frame_parse(const char *line, size_t n, struct frame *ret, struct err *err);
const char *frame_type_name(enum frame_type type);

/* Facts. Adding past WIRE_FACTS_MAX, an empty, over-long or repeated name returns false and adds
 * nothing; a text too long for WIRE_TEXT_MAX is cut. facts_num of a text and facts_text of a number
 * give the fallback. */
bool facts_add_num(struct facts *f, const char *name, int64_t num);
bool facts_add_text(struct facts *f, const char *name, const char *text);
const struct fact *facts_find(const struct facts *f, const char *name);
int64_t facts_num(const struct facts *f, const char *name, int64_t fallback);
const char *facts_text(const struct facts *f, const char *name, const char *fallback);

/* Cuts a byte stream into lines of at most WIRE_LINE_MAX; allocates once.
 * line_take returns 1 and a line (valid until the next call), 0 when there is none yet, or
 * -EMSGSIZE when a line is too long: the stream is then not to be read further. */
struct line_reader {
    char *buf;
    size_t len, start, scanned; /* bytes held, first of the next line, known to hold no newline */
};
void line_reader_init(struct line_reader *r);
void line_reader_release(struct line_reader *r);
/* Reads once from fd: > 0 bytes read, 0 end of file, -EAGAIN, or -errno. -ENOBUFS when the buffer
 * is full: take the lines first. */
ssize_t line_reader_fill(struct line_reader *r, int fd);
/* The same for bytes that were read elsewhere: returns how many of them found room. */
size_t line_reader_push(struct line_reader *r, const char *bytes, size_t n);
int line_reader_take(struct line_reader *r, const char **ret_line, size_t *ret_n);

#endif

/* A probe that lies in one chosen way, to be named by CUPEL_PROBE. It stands where the real one
 * would: same handshake, same frames, and nothing behind them. The way is the text that follows the
 * program in its own file (after the last ':'), since neither its arguments nor its environment
 * reach it through a target. */
#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "wire/frame.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS (3 * NS_PER_MS)

static void read_way(char *way, size_t size)
{
    char tail[32] = "";
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const char *colon;

    if (fd >= 0 && lseek(fd, -(off_t)(sizeof(tail) - 1), SEEK_END) >= 0) {
        ssize_t n = read(fd, tail, sizeof(tail) - 1);
        for (ssize_t i = 0; i < n; i++)
            if (!tail[i])
                tail[i] = ' ';
    }
    colon = strrchr(tail, ':');
    str_copy(way, size, colon ? colon + 1 : "");
    fd_close(&fd);
}

static void say(struct frame *f)
{
    struct str out = STR_INIT;

    if (frame_encode(f, &out, NULL) == 0 && write(STDOUT_FILENO, out.buf, out.len) < 0)
        _exit(1);
    str_release(&out);
}

static void say_hello(const char *nonce)
{
    struct utsname u;
    struct frame f;

    uname(&u);
    frame_init(&f, FRAME_HELLO, nonce, 0);
    f.hello.version = WIRE_VERSION;
    str_copy(f.hello.program, sizeof(f.hello.program), "cupel-probe liar");
    str_copy(f.hello.sysname, sizeof(f.hello.sysname), u.sysname);
    str_copy(f.hello.release, sizeof(f.hello.release), u.release);
    str_copy(f.hello.kernel_version, sizeof(f.hello.kernel_version), u.version);
    str_copy(f.hello.machine, sizeof(f.hello.machine), u.machine);
    f.hello.pid = getpid();
    f.hello.cpus_online = f.hello.cpus_allowed = -1;
    f.hello.page_bytes = 4096;
    f.hello.clock_ns = (int64_t)time_mono_ns();
    say(&f);
}

static void rest(void)
{
    const struct timespec t = {0, (long)SLICE_NS};

    nanosleep(&t, NULL);
}

/* What never ends: lines that are no answer, or one line without an end. */
static void flood(const char *text)
{
    while (write(STDOUT_FILENO, text, strlen(text)) > 0)
        ;
    _exit(1);
}

static void answer_slice(const struct frame *in, const char *way)
{
    uint64_t begin = time_mono_ns();
    struct frame f;

    if (str_eq(way, "dies"))
        raise(SIGKILL);
    if (str_eq(way, "silent"))
        pause();
    if (str_eq(way, "flood"))
        flood("{\"t\":\"pong\",\"seq\":1}\n");
    if (str_eq(way, "endless"))
        flood("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    rest();
    frame_init(&f, str_eq(way, "type") ? FRAME_PONG : FRAME_SLICED, in->nonce,
               in->seq + str_eq(way, "seq"));
    if (str_eq(way, "nonce"))
        f.nonce[0] = in->nonce[0] == '0' ? '1' : '0';
    if (f.type == FRAME_SLICED) {
        f.sliced.ops = in->slice.ops - str_eq(way, "ops");
        f.sliced.ns = time_mono_ns() - begin;
        f.sliced.start_ns = begin;
        if (str_eq(way, "slow-clock"))
            f.sliced.ns *= 3;
        if (str_eq(way, "no-time"))
            f.sliced.ns = 0;
    }
    say(&f);
}

static void answer(const struct frame *in, const char *way)
{
    struct frame f;

    if (in->type == FRAME_SLICE) {
        answer_slice(in, way);
        return;
    }
    frame_init(&f,
               in->type == FRAME_PING      ? FRAME_PONG
               : in->type == FRAME_PREPARE ? FRAME_READY
               : in->type == FRAME_FINISH  ? FRAME_FINISHED
                                           : FRAME_BYE,
               in->nonce, in->seq);
    if (in->type == FRAME_FINISH) {
        f.finished.verified = !str_eq(way, "unverified");
        str_copy(f.finished.detail, sizeof(f.finished.detail), "the sum is off by one");
    }
    say(&f);
    if (in->type == FRAME_BYE)
        _exit(0);
}

int main(int argc, char **argv)
{
    struct line_reader r;
    char way[16];

    if (argc < 3)
        return 1;
    read_way(way, sizeof(way));
    line_reader_init(&r);
    say_hello(argv[2]);
    while (line_reader_fill(&r, STDIN_FILENO) > 0) {
        const char *line;
        size_t n;

        while (line_reader_take(&r, &line, &n) == 1) {
            struct frame f;
            if (frame_parse(line, n, &f, NULL) < 0)
                return 1;
            answer(&f, way);
            frame_release(&f);
        }
    }
    return 0;
}

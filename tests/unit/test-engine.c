/* The client of Docker's Engine API against a server that says what each test wants: a child, one
 * connection after the other. And the two streams in one. */
#include "unit.h"

#include "base/fd.h"
#include "base/time.h"
#include "engine/demux.h"
#include "engine/docker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char place[64] = "/tmp/cupel-engine-XXXXXX";

struct bed {
    struct loop *loop;
    struct docker *docker;
    char socket[100];
    pid_t server;
};

/* Reads the head of a request, and its body as far as it is there. */
static void take_request(int fd, char *dst, size_t size)
{
    size_t n = 0;
    dst[0] = '\0';
    while (n + 1 < size && !strstr(dst, "\r\n\r\n")) {
        ssize_t k = read(fd, dst + n, size - 1 - n);
        if (k <= 0)
            return;
        n += (size_t)k;
        dst[n] = '\0';
    }
}

/* Gives the answers in turn, each to a connection of its own. "" : none, and it stays open. */
static void serve(int fd, const char *const *answers)
{
    for (; *answers; answers++) {
        char request[65536];
        int c = accept(fd, NULL, NULL);
        take_request(c, request, sizeof(request));
        if (!**answers)
            pause();
        ssize_t sent = write(c, *answers, strlen(*answers)); /* who hangs up early gets less */
        (void)sent;
        shutdown(c, SHUT_WR);
        while (read(c, request, sizeof(request)) > 0)
            ;
        close(c);
    }
    _exit(0);
}

static void bed_make(struct bed *b, const char *const *answers)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    assert_ok(loop_new(&b->loop, err));
    str_format(b->socket, sizeof(b->socket), "%s/s", place);
    str_copy(at.sun_path, sizeof(at.sun_path), b->socket);
    (void)unlink(b->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    b->server = fork();
    assert_true(b->server >= 0);
    if (b->server == 0) {
        signal(SIGPIPE, SIG_IGN);
        serve(fd, answers);
    }
    close(fd);
    assert_ok(docker_new(b->loop, b->socket, &b->docker, err));
}

static void bed_release(struct bed *b)
{
    docker_free(b->docker);
    kill(b->server, SIGKILL);
    loop_run_ready(b->loop);
    loop_free(b->loop);
    (void)waitpid(b->server, NULL, 0);
}

#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n"

static int get(struct bed *b, uint64_t patience_ns, json_t **ret, struct err *err)
{
    return docker_call(b->docker,
                       &(struct docker_request){.method = "GET", .path = "/info", .what = "info"},
                       time_deadline(patience_ns), ret, err);
}

static void test_answers(void **state)
{
    static const char *const answers[] = {HEAD("200 OK") "{\"a\": 7}", HEAD("204 No Content"),
                                          HEAD("200 OK") "{\"status\": 1}\r\n{\"status\": 2}\r\n",
                                          HEAD("200 OK") "no JSON at all", NULL};
    struct bed b;
    json_t *a = NULL;
    bed_make(&b, answers);
    assert_ok(get(&b, NS_PER_S, &a, err));
    assert_int_equal(json_integer_value(json_object_get(a, "a")), 7);
    json_decref(a);
    a = NULL;
    assert_ok(get(&b, NS_PER_S, &a, err));
    assert_null(a);
    assert_ok(get(&b, NS_PER_S, &a, err));
    assert_int_equal(json_integer_value(json_object_get(a, "status")), 2);
    json_decref(a);
    a = NULL;
    assert_ok(get(&b, NS_PER_S, &a, err));
    assert_null(a);
    bed_release(&b);
}

static void test_refusals(void **state)
{
    static const char *const answers[] = {
        HEAD("404 Not Found") "{\"message\": \"No such \\u001b[31mthing\"}",
        HEAD("409 Conflict") "{\"message\": \"it is in use\"}",
        HEAD("500 Oh") "",
        HEAD("200 OK") "{\"status\": 1}{\"error\": \"no space left on device\"}{\"status\": 2}",
        "SSH-2.0-OpenSSH\r\n",
        HEAD("403 Forbidden") "[1, 2",
        NULL};
    struct bed b;
    json_t *a = NULL;
    bed_make(&b, answers);
    assert_fails(get(&b, NS_PER_S, &a, err), ENOENT, "docker info: No such ?[31mthing");
    assert_fails(get(&b, NS_PER_S, &a, err), EEXIST, "docker info: it is in use");
    assert_fails(get(&b, NS_PER_S, &a, err), EIO, "does not say why");
    assert_fails(get(&b, NS_PER_S, &a, err), EIO, "no space left on device");
    assert_fails(get(&b, NS_PER_S, &a, err), EIO, "docker info: ");
    assert_fails(get(&b, NS_PER_S, &a, err), EACCES, "does not say why");
    assert_null(a);
    bed_release(&b);
}

static void test_silence(void **state)
{
    static const char *const answers[] = {"", NULL};
    struct bed b;
    uint64_t begin = time_mono_ns();
    bed_make(&b, answers);
    assert_fails(get(&b, 200 * NS_PER_MS, NULL, err), ETIMEDOUT, "docker info: timed out");
    assert_true(time_mono_ns() - begin < 2 * NS_PER_S);
    bed_release(&b);
}

static void test_interrupt(void **state)
{
    static const char *const answers[] = {"", NULL};
    struct bed b;
    bed_make(&b, answers);
    assert_ok(loop_catch_interrupts(b.loop, err));
    raise(SIGHUP);
    assert_fails(get(&b, 10 * NS_PER_S, NULL, err), EINTR, "interrupted");
    loop_clear_interrupt(b.loop);
    bed_release(&b);
}

static void test_flood(void **state)
{
    size_t n = 6u << 20;
    char *flood = xmalloc(n + 1);
    memset(flood, '[', n);
    memcpy(flood, HEAD("200 OK"), strlen(HEAD("200 OK")));
    flood[n] = '\0';
    const char *const answers[] = {flood, NULL};
    struct bed b;
    bed_make(&b, answers);
    assert_fails(get(&b, 5 * NS_PER_S, NULL, err), EIO, "the answer is too long");
    bed_release(&b);
    free(flood);
}

static void test_nobody(void **state)
{
    static const char *const answers[] = {NULL};
    struct bed b;
    bed_make(&b, answers);
    unlink(b.socket);
    assert_fails(get(&b, NS_PER_S, NULL, err), ENOENT, "docker at /tmp/cupel-engine-");
    int fd = -1;
    assert_fails(docker_attach(b.docker, "x", time_deadline(NS_PER_S), &fd, err), ENOENT,
                 "docker at ");
    /* That is not "there is no such container". */
    assert_int_equal(docker_remove_container(b.docker, "cupel-3fa9c2d1-0001", "3fa9c2d1",
                                             time_deadline(NS_PER_S), NULL),
                     -ENOENT);
    bed_release(&b);
}

/* Only what bears the label of the run is removed. */
static void test_removal(void **state)
{
    static const char *const answers[] = {
        HEAD("404 Not Found") "{\"message\": \"No such container\"}",
        HEAD("200 OK") "{\"Id\": \"abc\", \"Config\": {\"Labels\": {\"cupel.run\": \"00000000\"}}}",
        HEAD("200 OK") "{\"Id\": \"abc\", \"Config\": {\"Labels\": null}}",
        HEAD("200 OK") "{\"Id\": \"abc\", \"Config\": {\"Labels\": {\"cupel.run\": \"3fa9c2d1\"}}}",
        HEAD("204 No Content"),
        HEAD("404 Not Found") "{\"message\": \"No such container\"}",
        NULL};
    static const int want[] = {0, -EPERM, -EPERM, 1};
    struct bed b;
    bed_make(&b, answers);
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        assert_int_equal(docker_remove_container(b.docker, "cupel-3fa9c2d1-0001", "3fa9c2d1",
                                                 time_deadline(NS_PER_S), NULL),
                         want[i]);
    bed_release(&b);
}

/* What comes right behind the head is the container's, and not lost. */
static void test_attach(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n\001...", HEAD("404 Not Found") "{}",
        "nonsense", "HTTP/1.1 101 UPGRADED\r\n", NULL};
    struct bed b;
    int fd = -1;
    char said[16] = "";
    bed_make(&b, answers);
    assert_ok(docker_attach(b.docker, "abc", time_deadline(NS_PER_S), &fd, err));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 1000), 1);
    assert_int_equal(read(fd, said, sizeof(said)), 4);
    assert_memory_equal(said, "\001...", 4);
    fd_close(&fd);
    assert_fails(docker_attach(b.docker, "abc", time_deadline(NS_PER_S), &fd, err), EPROTO,
                 "docker attach: HTTP/1.1 404 Not Found");
    assert_true(docker_attach(b.docker, "abc", time_deadline(NS_PER_S), &fd, NULL) < 0);
    assert_true(docker_attach(b.docker, "abc", time_deadline(NS_PER_S), &fd, NULL) < 0);
    assert_int_equal(fd, -1);
    bed_release(&b);
}

static void test_users_socket(void **state)
{
    char path[DOCKER_SOCKET_MAX];
    unsetenv("DOCKER_HOST");
    assert_true(docker_users_socket(path));
    assert_string_equal(path, "/var/run/docker.sock");
    setenv("DOCKER_HOST", "unix:///x/y.sock", 1);
    assert_true(docker_users_socket(path));
    assert_string_equal(path, "/x/y.sock");
    setenv("DOCKER_HOST", "tcp://127.0.0.1:2375", 1);
    assert_false(docker_users_socket(path));
    unsetenv("DOCKER_HOST");
}

/* ---- streams ---- */

static void keep(void *user, enum demux_stream stream, const char *bytes, size_t n)
{
    struct str *s = user;
    str_addf(s, "%d:%.*s|", (int)stream, (int)n, bytes);
}

static void test_demux(void **state)
{
    static const char bytes[] = "\1\0\0\0\0\0\0\3abc" /* out */
                                "\2\0\0\0\0\0\0\0"    /* nothing */
                                "\2\0\0\0\0\0\0\2xy"; /* err */
    size_t all = sizeof(bytes) - 1;
    for (size_t cut = 0; cut <= all; cut++) {
        struct demux m = {.have = 0};
        struct str got = STR_INIT;
        assert_int_equal(demux_feed(&m, bytes, cut, keep, &got), 0);
        assert_int_equal(demux_feed(&m, bytes + cut, all - cut, keep, &got), 0);
        if (cut == 0)
            assert_string_equal(got.buf, "1:abc|2:xy|");
        if (cut == 9)
            assert_string_equal(got.buf, "1:a|1:bc|2:xy|");
        assert_int_equal(m.have, 0);
        str_release(&got);
    }
    static const char *const bad[] = {"\3\0\0\0\0\0\0\1x", "\1\1\0\0\0\0\0\1x", "{\"t\":\"h\""};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct demux m = {.have = 0};
        struct str got = STR_INIT;
        assert_int_equal(demux_feed(&m, bad[i], 8, keep, &got), -EPROTO);
        assert_int_equal(got.len, 0);
        str_release(&got);
    }
}

static int setup(void **state)
{
    return mkdtemp(place) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[100];
    str_format(path, sizeof(path), "%s/s", place);
    (void)unlink(path);
    return rmdir(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_silence),      cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_flood),        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_removal),      cmocka_unit_test(test_attach),
        cmocka_unit_test(test_users_socket), cmocka_unit_test(test_demux),
    };
    return cmocka_run_group_tests_name("engine", tests, setup, teardown);
}

#include "unit.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct place {
    char dir[64];
    char file[96];
};

static int make_place(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));
    str_copy(p->dir, sizeof(p->dir), "/tmp/cupel-test-fd-XXXXXX");
    if (!mkdtemp(p->dir))
        return -1;
    str_format(p->file, sizeof(p->file), "%s/file", p->dir);
    *state = p;
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;
    unlink(p->file);
    int r = rmdir(p->dir); /* fails if a test left a temporary file behind */
    free(p);
    return r;
}

static void replace_and_read(void **state)
{
    struct place *p = *state;
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_ok(file_replace(p->file, "one\ntwo\n", 8, 0640, err));
    assert_ok(file_read(p->file, 8, &s, err));
    assert_string_equal(s.buf, "one\ntwo\n");
    struct stat st;
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_ok(file_replace(p->file, "x", 1, 0600, err));
    str_clear(&s);
    str_add(&s, "kept:");
    assert_ok(file_read_at(AT_FDCWD, p->file, 8, &s, err));
    assert_string_equal(s.buf, "kept:x");
}

static void reading_is_bounded(void **state)
{
    struct place *p = *state;
    _cleanup_(str_release) struct str s = STR_INIT;
    char big[20000];
    memset(big, 'b', sizeof(big));
    assert_ok(file_replace(p->file, big, sizeof(big), 0600, err));
    str_add(&s, "kept");
    assert_fails(file_read(p->file, sizeof(big) - 1, &s, err), EFBIG, p->file);
    assert_string_equal(s.buf, "kept");
    assert_ok(file_read(p->file, sizeof(big), &s, err));
    assert_int_equal(s.len, 4 + sizeof(big));
    assert_fails(file_read("/nonexistent/x", 10, &s, err), ENOENT, "read /nonexistent/x: No such");
    assert_fails(file_read("/tmp", 10, &s, err), EISDIR, "/tmp");
}

static void failed_replacement_leaves_the_old(void **state)
{
    struct place *p = *state;
    char below[160];
    str_format(below, sizeof(below), "%s/sub", p->dir);
    assert_int_equal(mkdir(below, 0700), 0);
    assert_fails(file_replace(below, "x", 1, 0600, err), EISDIR, below); /* renaming over it */
    assert_int_equal(rmdir(below), 0);
    assert_fails(file_replace("/nonexistent/x", "x", 1, 0600, err), ENOENT, "write /nonexistent/x");
}

static void lines_and_numbers(void **state)
{
    struct place *p = *state;
    char line[16] = "old";
    uint64_t n = 3;
    assert_ok(file_replace(p->file, "42\nrest", 7, 0600, err));
    assert_int_equal(file_read_line(p->file, line, sizeof(line)), 0);
    assert_string_equal(line, "42");
    assert_int_equal(file_read_u64(p->file, &n), 0);
    assert_int_equal(n, 42);
    assert_ok(file_write(p->file, "max\n", err));
    assert_int_equal(file_read_u64(p->file, &n), -EINVAL);
    assert_int_equal(n, 42);
    assert_int_equal(file_read_u64("/nonexistent", &n), -ENOENT);
    assert_int_equal(file_read_line(p->file, line, 2), -ENAMETOOLONG);
    assert_ok(file_replace(p->file, "", 0, 0600, err));
    assert_int_equal(file_read_line(p->file, line, sizeof(line)), 0);
    assert_string_equal(line, "");
}

static void writing_does_not_create(void **state)
{
    struct place *p = *state;
    unlink(p->file);
    assert_fails(file_write(p->file, "x", err), ENOENT, p->file);
    assert_fails(file_write("/dev/full", "x", err), ENOSPC, "write 'x' to /dev/full: No space");
}

static void pipes(void **state)
{
    int fds[2];
    assert_ok(fd_pipe(fds, err));
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
    assert_ok(fd_set_nonblock(fds[0], true, err));
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_fails(fd_read_all(fds[0], 9, &s, err), EAGAIN, "read");
    assert_ok(fd_set_nonblock(fds[0], false, err));
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_ok(fd_write_full(fds[1], "abc", 3, err));
    fd_close(&fds[1]);
    assert_int_equal(fds[1], -1);
    errno = 77;
    fd_close(&fds[1]);
    assert_int_equal(errno, 77);
    assert_ok(fd_read_all(fds[0], 3, &s, err));
    assert_string_equal(s.buf, "abc");
    fd_close(&fds[0]);
    assert_fails(fd_set_nonblock(-1, true, err), EBADF, "descriptor -1");
}

static void log_writes_whole_lines(void **state)
{
    int fds[2];
    assert_ok(fd_pipe(fds, err));
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(fds[1], STDERR_FILENO) == STDERR_FILENO);
    log_notice("a %d", 1);
    log_debug("not at this level");
    log_set_level(LOG_QUIET);
    log_notice("quiet");
    log_set_level(LOG_DEBUG);
    log_debug("b");
    char big[3000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    log_debug("%s", big);
    log_set_level(LOG_NOTICE);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_ok(fd_read_all(fds[0], 5000, &s, err));
    close(fds[0]);
    assert_true(str_starts(s.buf, "cupel: a 1\ncupel: b\ncupel: xxx"));
    assert_true(str_ends(s.buf, "x\n"));
    assert_true(s.len < 1100);
}

/* Somebody renames things all the while: the kernel then gives up on a way with ".." in it. */
static void opens_inside_whatever_goes_on(void **state)
{
    struct place *p = *state;
    char link[96], other[104];
    str_format(link, sizeof(link), "%s/link", p->dir);
    str_format(other, sizeof(other), "%s.other", p->file);
    assert_ok(file_replace(p->file, "x", 1, 0600, err));
    assert_int_equal(symlink("../../../../..", link), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            rename(p->file, other);
            rename(other, p->file);
        }
    }
    _cleanup_fd_ int dir = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int failed = 0;
    for (int i = 0; i < 5000; i++) {
        _cleanup_fd_ int fd = fd_open_inside(dir, "link/link/link", O_RDONLY, RESOLVE_IN_ROOT);
        if (fd < 0)
            failed = fd;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(link);
    unlink(other);
    assert_int_equal(failed, 0);
    assert_int_equal(fd_open_inside(dir, "nothing", O_RDONLY, RESOLVE_IN_ROOT), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replace_and_read),
        cmocka_unit_test(reading_is_bounded),
        cmocka_unit_test(failed_replacement_leaves_the_old),
        cmocka_unit_test(lines_and_numbers),
        cmocka_unit_test(writing_does_not_create),
        cmocka_unit_test(pipes),
        cmocka_unit_test(opens_inside_whatever_goes_on),
        cmocka_unit_test(log_writes_whole_lines),
    };
    return cmocka_run_group_tests(tests, make_place, drop_place);
}

/* A bare launcher of a virtual machine: the command lines that cupel starts for a session, on the
 * same files, and nothing else. Uses nothing of the project on purpose.
 *
 *     launcher-vm DIR
 *
 * DIR is the machine's working directory; it holds the files qemu.argv and, of file servers,
 * root.argv and data.argv, whose words end with a NUL each. For every line on standard input:
 * starts the servers, each with a listening socket <name>.sock as its standard input, and QEMU;
 * answers with the nanoseconds from the first of these to the first line of QEMU's output; then
 * lets it end. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS 128

struct words {
    char *v[WORDS + 1];
    char text[16384];
};

static const char *const servers[] = {"root", "data"};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* 1: not there. */
static int read_words(const char *name, struct words *w)
{
    char path[64];
    size_t n, k = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s.argv", name);
    f = fopen(path, "re");
    if (!f)
        return 1;
    n = fread(w->text, 1, sizeof(w->text) - 1, f);
    fclose(f);
    w->text[n] = '\0';
    for (size_t i = 0; i < n && k < WORDS; i += strlen(w->text + i) + 1)
        w->v[k++] = w->text + i;
    w->v[k] = NULL;
    return k ? 0 : -1;
}

static int listen_at(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s.sock", name);
    unlink(a.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
        return -1;
    return fd;
}

static pid_t run(struct words *w, int in, int out)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid, w->v[0], &actions, NULL, w->v, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static pid_t serve(const char *name)
{
    struct words w;
    pid_t pid;
    int fd;

    switch (read_words(name, &w)) {
    case 0:
        break;
    case 1:
        return 0;
    default:
        return -1;
    }
    fd = listen_at(name);
    if (fd < 0)
        return -1;
    pid = run(&w, fd, -1);
    close(fd);
    return pid;
}

static int first_line(int fd)
{
    char c = 0;

    while (c != '\n')
        if (read(fd, &c, 1) != 1)
            return -1;
    return 0;
}

static int once(struct words *qemu)
{
    int in[2], out[2], console, failed = 0;
    pid_t pid, helpers[2];
    uint64_t from, to;

    console = open("console", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (console < 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return -1;
    from = now_ns();
    for (int i = 0; i < 2; i++)
        failed |= (helpers[i] = serve(servers[i])) < 0;
    pid = failed ? -1 : run(qemu, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    failed |= pid < 0 || first_line(out[0]);
    to = now_ns();
    close(in[1]); /* the probe leaves at the end of file, and the machine with it */
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    for (int i = 0; i < 2; i++) {
        if (helpers[i] > 0) {
            kill(helpers[i], SIGKILL);
            waitpid(helpers[i], NULL, 0);
        }
    }
    close(out[0]);
    close(console);
    if (failed)
        return -1;
    printf("%" PRIu64 "\n", to - from);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct words qemu;
    char line[64];

    if (argc != 2 || chdir(argv[1]) < 0 || read_words("qemu", &qemu) != 0 ||
        (mkfifo("console", 0600) < 0 && errno != EEXIST))
        return 2;
    while (fgets(line, sizeof(line), stdin))
        if (once(&qemu) < 0)
            return 1;
    return 0;
}

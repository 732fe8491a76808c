/* A bare launcher: the verbs cupel issues for a session, on the same bundle, and nothing else. Uses
 * nothing of the project on purpose.
 *
 *     launcher RUNTIME ROOT BUNDLE ID COVER
 *
 * For every line on standard input: create, start, the first line of the container's output;
 * answers with the nanoseconds from the first verb to that line; then kills and deletes. COVER: a
 * directory that an empty tmpfs hides from the runtime (crun refuses some hybrid control groups),
 * or "-". */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int run(const char *const *argv, int in, int out)
{
    posix_spawn_file_actions_t actions;
    int status, failed;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    failed = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static int first_line(int fd)
{
    char c = 0;

    while (c != '\n')
        if (read(fd, &c, 1) != 1)
            return -1;
    return 0;
}

static pid_t read_pid(const char *path)
{
    FILE *f = fopen(path, "re");
    long pid = -1;

    if (f && fscanf(f, "%ld", &pid) != 1)
        pid = -1;
    if (f)
        fclose(f);
    return (pid_t)pid;
}

static int once(const char *runtime, const char *root, const char *bundle, const char *id)
{
    char pid_file[4096];
    const char *create[] = {runtime, "--root",     root,     "create", "--bundle",
                            bundle,  "--pid-file", pid_file, id,       NULL};
    const char *start[] = {runtime, "--root", root, "start", id, NULL};
    const char *delete[] = {runtime, "--root", root, "delete", "--force", id, NULL};
    int in[2], out[2], failed;
    uint64_t from, to;
    pid_t pid;

    snprintf(pid_file, sizeof(pid_file), "%s/pid", bundle);
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return -1;
    from = now_ns();
    failed = run(create, in[0], out[1]);
    close(out[1]);
    failed = failed || run(start, -1, -1) || first_line(out[0]);
    to = now_ns();
    pid = read_pid(pid_file);
    if (pid > 1) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    failed = run(delete, -1, -1) || failed;
    close(in[0]);
    close(in[1]);
    close(out[0]);
    if (failed)
        return -1;
    printf("%" PRIu64 "\n", to - from);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    char line[64];

    if (argc != 6 || prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) < 0)
        return 2;
    if (strcmp(argv[5], "-") != 0 &&
        (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
         mount("none", argv[5], "tmpfs", 0, NULL) < 0))
        return 2;
    while (fgets(line, sizeof(line), stdin))
        if (once(argv[1], argv[2], argv[3], argv[4]) < 0)
            return 1;
    return 0;
}

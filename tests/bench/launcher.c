/* A bare launcher: the verbs cupel issues for a session, on the same bundle, and nothing else. Uses
 * nothing of the project on purpose.
 *
 *     launcher RUNTIME ROOT BUNDLE ID COVER COUNT
 *
 * For every line on standard input: create, start, the first line of the container's output, COUNT
 * times one after the other, of BUNDLE-0, BUNDLE-1, ... as ID-0, ID-1, ...; answers with the
 * nanoseconds from the first verb to the last of these lines; then kills and deletes them all. Of
 * more than one, each is also asked for its state, as cupel asks once before it starts the next.
 * COVER: a directory that an empty tmpfs hides from the runtime (crun refuses some hybrid control
 * groups), or "-". */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
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

struct container {
    char bundle[4096], id[256], pid_file[4200];
    int in[2], out;
};

static int begin(struct container *c, const char *runtime, const char *root, bool ask)
{
    const char *create[] = {runtime,   "--root",     root,        "create", "--bundle",
                            c->bundle, "--pid-file", c->pid_file, c->id,    NULL};
    const char *start[] = {runtime, "--root", root, "start", c->id, NULL};
    const char *state[] = {runtime, "--root", root, "state", c->id, NULL};
    int out[2], failed;

    if (pipe2(c->in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return -1;
    failed = run(create, c->in[0], out[1]);
    close(out[1]);
    c->out = out[0];
    if (failed || run(start, -1, -1) || first_line(c->out))
        return -1;
    return ask ? run(state, -1, -1) : 0;
}

static int end(struct container *c, const char *runtime, const char *root)
{
    const char *delete[] = {runtime, "--root", root, "delete", "--force", c->id, NULL};
    pid_t pid = read_pid(c->pid_file);
    int failed;

    if (pid > 1) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    failed = run(delete, -1, -1);
    close(c->in[0]);
    close(c->in[1]);
    close(c->out);
    return failed;
}

static int once(struct container *all, long n, const char *runtime, const char *root)
{
    uint64_t from = now_ns(), to;
    int failed = 0;
    long begun = 0;

    while (begun < n && !failed)
        failed = begin(&all[begun++], runtime, root, n > 1);
    to = now_ns();
    while (begun > 0)
        failed = end(&all[--begun], runtime, root) || failed;
    if (failed)
        return -1;
    printf("%" PRIu64 "\n", to - from);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct container *all;
    char line[64];
    long n = argc == 7 ? strtol(argv[6], NULL, 10) : 0;

    if (n < 1 || prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) < 0)
        return 2;
    if (strcmp(argv[5], "-") != 0 &&
        (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
         mount("none", argv[5], "tmpfs", 0, NULL) < 0))
        return 2;
    all = calloc((size_t)n, sizeof(*all));
    if (!all)
        return 2;
    for (long i = 0; i < n; i++) {
        snprintf(all[i].bundle, sizeof(all[i].bundle), "%s-%ld", argv[3], i);
        snprintf(all[i].id, sizeof(all[i].id), "%s-%ld", argv[4], i);
        snprintf(all[i].pid_file, sizeof(all[i].pid_file), "%s/pid", all[i].bundle);
    }
    while (fgets(line, sizeof(line), stdin))
        if (once(all, n, argv[1], argv[2]) < 0)
            return 1;
    return 0;
}

/* sleeper N FILE: N processes that do nothing, this one included, until their parent ends; the
 * first says so when all are there. The first two map the file whole ("-": none), as gVisor's
 * sentry and gofer map their program; the others are as small as a payload can be. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void map_whole(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) < 0 ||
        mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0) == MAP_FAILED)
        exit(1);
    close(fd);
}

static void stay(void)
{
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    const char *file = argc > 2 && argv[2][0] != '-' ? argv[2] : NULL;
    int ready[2];
    char byte;

    if (pipe(ready) < 0)
        return 1;
    for (long i = 1; i < n; i++) {
        pid_t pid = fork();

        if (pid < 0)
            return 1;
        if (pid > 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (file && i == 1)
            map_whole(file);
        close(ready[0]);
        if (write(ready[1], "x", 1) != 1)
            return 1;
        stay();
    }
    if (file)
        map_whole(file);
    for (long i = 1; i < n; i++)
        if (read(ready[0], &byte, 1) != 1)
            return 1;
    if (write(1, "x", 1) != 1)
        return 1;
    stay();
}

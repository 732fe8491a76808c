/* What a guest's program finds: the machine's side of test-guest.c. Static; argv[1] says what to do
 * after it has told what it sees, a line each: nothing, "die" (by a signal),
 * "echo" (as many lines as come, one by one). */
#include "base/banned.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>

static void tell_file(const char *path)
{
    char line[4096];
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        printf("%s: %s", path, line);
    if (f)
        fclose(f);
}

static void tell_write(const char *dir)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/written", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    printf("write %s: %s\n", dir, fd >= 0 && write(fd, "x", 1) == 1 ? "yes" : "no");
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct utsname u;
    struct statvfs fs;
    struct timespec resolution;
    char cwd[64], word[64] = "";
    for (int i = 0; i < argc; i++)
        printf("arg %d: %s\n", i, argv[i]);
    if (uname(&u) == 0)
        printf("host: %s\nrelease: %s\n", u.nodename, u.release);
    printf("cwd: %s\n", getcwd(cwd, sizeof(cwd)));
    printf("path: %s\n", getenv("PATH"));
    if (statvfs("/tmp", &fs) == 0)
        printf("tmp: %lu\n", (unsigned long)(fs.f_blocks * fs.f_frsize));
    if (clock_getres(CLOCK_MONOTONIC, &resolution) == 0)
        printf("resolution: %ld\n", resolution.tv_nsec);
    tell_file("/proc/mounts");
    tell_file("/data/input");
    tell_file("/sys/class/net/eth0/mtu");
    tell_file("/proc/net/route");
    tell_write("/");
    tell_write("/work");
    tell_write("/tmp");
    tell_write("/data");
    tell_write("/sys");
    fprintf(stderr, "said on standard error\n");
    puts("end");
    fflush(stdout);
    while (argc > 1 && strcmp(argv[1], "echo") == 0 && fgets(word, sizeof(word), stdin)) {
        printf("got: %s", word);
        fflush(stdout);
    }
    if (argc > 1 && strcmp(argv[1], "die") == 0)
        raise(SIGSEGV);
    /* What comes in is what was sent. After the end of it nothing that is written arrives. */
    if (!fgets(word, sizeof(word), stdin))
        return 4;
    printf("got: %s", word);
    fflush(stdout);
    return 3;
}

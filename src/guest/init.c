/* cupel-guest, process 1 of a virtual machine: see guest.h. Whatever happens ends with the machine
 * switched off, after one line that says why. */
#include "guest/guest.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#define EXIT_USAGE  64
#define CMDLINE_MAX 8192
/* What a program has between its host's end of file, SIGTERM and SIGKILL. */
#define LEAVE_NS (2 * NS_PER_S)

static int ignore_interrupts(struct err *err)
{
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
        return err_errno(err, errno, "block signals");
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? err_errno(err, errno, "watch children") : fd;
}

/* Reaps all that ended. True when pid was among them. */
static bool reap(pid_t pid, int *status)
{
    bool ended = false;
    int s;
    for (pid_t who; (who = waitpid(-1, &s, WNOHANG)) > 0;) {
        if (who == pid) {
            *status = s;
            ended = true;
        }
    }
    return ended;
}

/* Follows the program to its end. The ports are the program's alone: where two wait for one, a poll
 * of either may take what came out of the ring before the interrupt is served, which then wakes
 * nobody, and the other sleeps on it (port_has_data in Linux' virtio_console.c). So whoever has the
 * other end of the frames ends the program by end of file, or the machine. */
static int follow(pid_t pid, int children)
{
    struct pollfd p = {.fd = children, .events = POLLIN};
    int status = 0;
    while (!reap(pid, &status)) {
        struct signalfd_siginfo info;
        poll(&p, 1, -1);
        while (read(children, &info, sizeof(info)) > 0)
            ;
    }
    return status;
}

/* Until its end. */
static int run_program(const struct guest_plan *p, int *ret_status, struct err *err)
{
    static const char *const env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", NULL};
    pid_t pid;
    _cleanup_fd_ int children = ignore_interrupts(err);
    _cleanup_fd_ int devices = children < 0 ? -1 : guest_devices_open(err);
    _cleanup_fd_ int frames = devices < 0 ? -1 : guest_port_open(devices, GUEST_PORT_FRAMES, err);
    _cleanup_fd_ int errors = frames < 0 ? -1 : guest_port_open(devices, GUEST_PORT_ERRORS, err);
    if (errors < 0)
        return err->code ? -err->code : -EIO;
    const struct spawn_spec spec = {.argv = p->argv,
                                    .env = env,
                                    .cwd = "/",
                                    .fd_in = frames,
                                    .fd_out = frames,
                                    .fd_err = errors,
                                    .new_session = true};
    int r = spawn(&spec, &pid, err);
    fd_close(&frames);
    fd_close(&errors);
    if (r == 0)
        *ret_status = follow(pid, children);
    return r;
}

static int start(struct guest_plan *plan, char *cmdline, struct err *err)
{
    int r = guest_plan_read(cmdline, plan, err);
    if (r == 0)
        r = guest_load_modules("/modules", err);
    if (r == 0 && plan->net.on)
        r = guest_load_modules("/modules.net", err);
    if (r == 0)
        r = guest_net_up(&plan->net, err);
    if (r == 0)
        r = guest_enter_root(plan, err);
    if (r == 0 && sethostname("cupel", 5) < 0)
        r = err_errno(err, errno, "set the host name");
    return r;
}

/* The console may be slow: what was said is out before the machine is. */
static void say(int console, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(int console, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vdprintf(console, fmt, ap);
    va_end(ap);
    tcdrain(console);
}

static void switch_off(void)
{
    sync();
    reboot(RB_POWER_OFF);
    reboot(RB_AUTOBOOT); /* where there is no way of switching it off */
    for (;;)
        pause();
}

int main(void)
{
    struct err err = ERR_INIT;
    struct guest_plan plan;
    _cleanup_(str_release) struct str cmdline = STR_INIT;
    int status = 0;
    if (getpid() != 1) {
        fputs("cupel-guest: it is process 1 of a virtual machine, and nothing to be started by "
              "hand\n",
              stderr);
        return EXIT_USAGE;
    }
    int r = guest_mount_early(&err);
    _cleanup_fd_ int console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (r == 0)
        r = file_read("/proc/cmdline", CMDLINE_MAX, &cmdline, &err);
    if (r == 0)
        r = start(&plan, cmdline.buf, &err);
    if (r == 0)
        r = run_program(&plan, &status, &err);
    if (r < 0)
        say(console, "cupel-guest: %s\n", err.msg);
    else if (WIFSIGNALED(status))
        say(console, "cupel-guest: signal %d\n", WTERMSIG(status));
    else
        say(console, "cupel-guest: exit %d\n", WEXITSTATUS(status));
    kill(-1, SIGKILL);
    switch_off();
}

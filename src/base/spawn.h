/* Children. All of them start here: an argument vector, never a shell string.
 *
 * Layer: base. spawn() uses vfork, so it costs the same however large the controller is. The child
 * gets a clean signal mask and default dispositions, only the descriptors named in the spec (the
 * rest is close-on-exec), and dies with the controller when asked to (PR_SET_PDEATHSIG).
 *
 *     struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = out[1], .fd_err = err[1]};
 *     pid_t pid;
 *     spawn(&spec, &pid, &err);
 *
 *     // or: run to its end, bounded in time and output
 *     struct spawn_result res;
 *     spawn_run(loop, &spec, deadline, &res, &err);
 *     spawn_result_release(&res); */
#ifndef CUPEL_BASE_SPAWN_H
#define CUPEL_BASE_SPAWN_H

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"

#include <sched.h>
#include <sys/types.h>

#define SPAWN_MAX_JOIN 16
#define SPAWN_MAX_NS   4

struct spawn_spec {
    const char *const *argv; /* argv[0] is the path that is executed; NULL-terminated */
    const char *const *env;  /* NULL: the controller's own */
    const char *what; /* for messages: "runc create"; NULL: argv[0]'s last part and argv[1] */
    const char *root; /* chroot: argv[0] and cwd are looked up inside; NULL: none */
    const char *cwd;  /* NULL: inherited, or with a root its "/" */
    int fd_in, fd_out, fd_err; /* -1: /dev/null */
    /* Descriptors of cgroup.procs files opened for writing: the child writes "0" to each before it
     * executes, so that it and all it starts live there from the first instruction. */
    int join_fds[SPAWN_MAX_JOIN];
    size_t n_join;
    /* Namespace descriptors entered by setns (mount namespace last), e.g. the crun work-around. */
    int ns_fds[SPAWN_MAX_NS];
    size_t n_ns;
    const cpu_set_t *cpus; /* NULL: inherited */
    bool die_with_parent;  /* PR_SET_PDEATHSIG SIGKILL; set-uid programs shed it */
    bool new_session;      /* setsid: the terminal's ^C does not reach it */
};

/* Starts the child; the pid is ours until the loop reaps it. A failure before or in execve is
 * reported here, with the step that failed ("execute /x/runc: No such file or directory"). A step
 * that fails leaves a zombie for the loop, nothing else.
 * Order: cgroups, CPUs, namespaces, root, cwd, session, descriptors, execve; so argv[0] and cwd are
 * looked up in the mount namespace entered, and the CPUs come after a cpuset was joined (joining
 * resets them). A v1 cpuset without cpus or mems answers "join cgroup: No space left on device". */
int spawn(const struct spawn_spec *spec, pid_t *ret_pid, struct err *err);

/* Lets this process have as many files open as it ever may: five hundred containers are a few
 * thousand. Children keep the limit from before, which spawn_file_limit tells. */
void spawn_raise_file_limit(void);
void spawn_file_limit(struct rlimit *ret);

struct spawn_result {
    int wait_status;
    struct rusage usage;
    struct str out; /* at most max_out bytes of standard output */
    struct str err; /* the last 4 KiB of standard error */
    bool out_cut;
};

/* Starts the child with pipes for the descriptors left at -1 in fd_out/fd_err, waits for its exit
 * (not for end of file: grandchildren may hold the pipes), kills it (SIGKILL) at the deadline:
 * -ETIMEDOUT, or when the loop is interrupted: -EINTR (commands of an orderly end come after
 * loop_clear_interrupt). A non-zero exit is not an error here; spawn_check turns it into one.
 * ret is filled in every case and always releasable: after a timeout it holds what was seen. */
int spawn_run(struct loop *l, const struct spawn_spec *spec, uint64_t deadline_ns, size_t max_out,
              struct spawn_result *ret, struct err *err);
void spawn_result_release(struct spawn_result *r);
/* 0 if it exited 0; else ERR_ENVIRONMENT "what: exit 1: last line of its standard error". */
int spawn_check(const struct spawn_spec *spec, const struct spawn_result *r, struct err *err);

/* spawn_run + spawn_check for the common case: argv only. out may be NULL. */
int spawn_simple(struct loop *l, const char *const *argv, uint64_t deadline_ns, struct str *out,
                 struct err *err);

#endif

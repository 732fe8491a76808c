#include "host/ssh.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>

/* What goes before every `-- machine`. What the user's configuration may say for a terminal of
 * theirs is of no use here, or would outlive the run. */
static const char *const options[] = {
    "-T",
    "-a",
    "-x",
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=5",
    "-o",
    "ServerAliveCountMax=3",
    "-o",
    "ClearAllForwardings=yes",
    "-o",
    "PermitLocalCommand=no",
    "-o",
    "RemoteCommand=none",
    "-o",
    "ControlMaster=no",
};
_Static_assert(ARRAY_SIZE(options) + 5 <= SSH_ARGV_MAX, "room for all");

int ssh_find(char *dst, size_t size, struct err *err)
{
    if (fs_which("ssh", dst, size) < 0)
        return err_set(err, ERR_UNSUPPORTED, ENOENT,
                       "the OpenSSH client is not here: no ssh on the PATH");
    return 0;
}

int ssh_check_machine(const char *machine, struct err *err)
{
    static const char fine[] = "@.-_:[]%";
    bool good = machine[0] && machine[0] != '-';

    for (const char *p = machine; *p && good; p++)
        good = isalnum((unsigned char)*p) || strchr(fine, *p);
    if (!good)
        return err_set(err, ERR_USAGE, EINVAL,
                       "\"%.80s\" is no machine: write user@machine, or a name of ssh's "
                       "configuration",
                       machine);
    if (strlen(machine) >= SSH_MACHINE_MAX)
        return err_set(err, ERR_USAGE, E2BIG, "%.40s...: a machine's name has at most %d bytes",
                       machine, SSH_MACHINE_MAX - 1);
    return 0;
}

void ssh_argv(const char *ssh, const char *machine, const char *command,
              const char *argv[SSH_ARGV_MAX])
{
    size_t n = 0;

    argv[n++] = ssh;
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        argv[n++] = options[i];
    argv[n++] = "--";
    argv[n++] = machine;
    argv[n++] = command;
    argv[n] = NULL;
}

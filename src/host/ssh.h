/* Command lines of the OpenSSH client. Its configuration, agent, jump hosts and known hosts apply;
 * nothing is ever asked for, so no password is handled.
 *
 * Layer: host. No state, nothing is started here.
 *
 *     const char *argv[SSH_ARGV_MAX];
 *     ssh_argv(ssh, "root@machine", script, argv); // texts are the caller's */
#ifndef CUPEL_HOST_SSH_H
#define CUPEL_HOST_SSH_H

#include "base/err.h"

#include <stddef.h>

#define SSH_ARGV_MAX 32
/* "user@machine", as far as it is taken. */
#define SSH_MACHINE_MAX 128

/* The program, into dst. ERR_UNSUPPORTED where it is not on the PATH. */
int ssh_find(char *dst, size_t size, struct err *err);
/* A user and a machine, or a name of ssh's configuration: no option, no white space, nothing that a
 * shell or a ProxyCommand would see more in. ERR_USAGE. */
int ssh_check_machine(const char *machine, struct err *err);
/* command: what the account's shell gets, in one word. */
void ssh_argv(const char *ssh, const char *machine, const char *command,
              const char *argv[SSH_ARGV_MAX]);

#endif

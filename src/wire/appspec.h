/* What an application is to the guest: files to make, a server to start and how to know that it is
 * ready, commands before, and the command that is measured. The controller writes it as JSON into
 * prepare.spec (docs/protocol.md has the form), the probe reads it here.
 *
 * Layer: wire. Ownership: appspec_release frees everything; argv and env are NULL-terminated. The
 * text is the controller's own, and bounded all the same. */
#ifndef CUPEL_WIRE_APPSPEC_H
#define CUPEL_WIRE_APPSPEC_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APPSPEC_WORDS_MAX  128
#define APPSPEC_FILES_MAX  32
#define APPSPEC_SETUP_MAX  16
#define APPSPEC_TIMEOUT_NS (60 * UINT64_C(1000000000)) /* where none is given */

struct appspec_command {
    char **argv; /* NULL: no command */
    char **env;  /* in addition to what every command gets; may be NULL */
    char *cwd;   /* NULL: "/" */
    uint64_t timeout_ns;
};

struct appspec_file {
    char *path; /* absolute, without ".." */
    char *text;
    unsigned mode;
};

enum appspec_ready {
    READY_AT_ONCE, /* as soon as it runs */
    READY_TCP,     /* something listens on 127.0.0.1:port */
    READY_OUTPUT,  /* it has written this text */
    READY_COMMAND  /* a command ends with 0 */
};

struct appspec {
    struct appspec_file files[APPSPEC_FILES_MAX];
    size_t n_files;
    struct appspec_command server;
    enum appspec_ready ready;
    uint16_t port;
    char *ready_output;
    struct appspec_command ready_command;
    struct appspec_command setup[APPSPEC_SETUP_MAX];
    size_t n_setup;
    struct appspec_command command;
};

/* ERR_USAGE naming the member that is wrong; ret is untouched then. */
int appspec_parse(const char *text, struct appspec *ret, struct err *err);
void appspec_release(struct appspec *a);

#endif

/* All commands, in the order help shows them. Layer: cli. */
#ifndef CUPEL_CLI_COMMANDS_H
#define CUPEL_CLI_COMMANDS_H

#include "cli/cli.h"

/* Adding one: cmd-<name>.c with `const struct command cmd_<name>`, and its line here. */
#define COMMANDS(X)                                                                                \
    X(doctor)                                                                                      \
    X(workloads)                                                                                   \
    X(run)                                                                                         \
    X(show)                                                                                        \
    X(report)                                                                                      \
    X(advise)                                                                                      \
    X(compare)                                                                                     \
    X(machines)                                                                                    \
    X(replicate)                                                                                   \
    X(export)                                                                                      \
    X(import)                                                                                      \
    X(runs)                                                                                        \
    X(clean)                                                                                       \
    X(k8s)                                                                                         \
    X(steward)                                                                                     \
    X(selftest)                                                                                    \
    X(help)

#define COMMAND_DECLARE(name) extern const struct command cmd_##name;
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

size_t command_count(void);
const struct command *command_at(size_t i);
/* ERR_USAGE with the nearest name. */
int command_find(const char *name, const struct command **ret, struct err *err);

/* The option that every command reading or writing results has. */
#define OPTION_DB                                                                                  \
    {                                                                                              \
        .name = "db", .arg = "FILE", .kind = OPTION_TEXT,                                          \
        .help = "the results file (default: results.db in the state directory)"                    \
    }

/* Of those that write a document. */
#define OPTION_OUTPUT                                                                              \
    {                                                                                              \
        .name = "output", .letter = 'o', .arg = "FILE", .kind = OPTION_TEXT,                       \
        .help = "write to FILE, which is replaced as a whole or not at all; default: standard "    \
                "output"                                                                           \
    }

/* Of those that judge a stored run. */
#define OPTION_EMULATED_TOO                                                                        \
    {                                                                                              \
        .name = "emulated-too", .kind = OPTION_FLAG,                                               \
        .help = "verdicts also for targets whose CPU is emulated in software (a virtual machine "  \
                "without KVM), whose figures say nothing of the hardware"                          \
    }

#endif

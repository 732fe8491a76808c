#include "cli/commands.h"

#include <errno.h>

#define COMMAND_ENTRY(name) &cmd_##name,
static const struct command *const commands[] = {COMMANDS(COMMAND_ENTRY)};

size_t command_count(void)
{
    return ARRAY_SIZE(commands);
}

const struct command *command_at(size_t i)
{
    return commands[i];
}

int command_find(const char *name, const struct command **ret, struct err *err)
{
    const char *names[ARRAY_SIZE(commands)];

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        names[i] = commands[i]->name;
        if (str_eq(name, names[i])) {
            *ret = commands[i];
            return 0;
        }
    }
    const char *near = str_nearest(name, names, ARRAY_SIZE(commands));
    if (near)
        return err_set(err, ERR_USAGE, EINVAL, "no command \"%s\"; did you mean %s?", name, near);
    return err_set(err, ERR_USAGE, EINVAL, "no command \"%s\" (cupel help lists all)", name);
}

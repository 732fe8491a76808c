/* Help and the manual page, both from the commands' tables. Layer: cli. */
#ifndef CUPEL_CLI_HELP_H
#define CUPEL_CLI_HELP_H

#include "cli/commands.h"

void help_overview(const struct style *s, struct str *out);
void help_command(const struct command *c, const struct style *s, struct str *out);
/* The whole manual page as mdoc(7): man/cupel.1 is this text. */
void help_mdoc(struct str *out);
/* bash completion, to be sourced. */
void help_bash(struct str *out);
/* What the exit statuses mean; NULL past the end. */
const char *help_exit_status(unsigned status);

#endif

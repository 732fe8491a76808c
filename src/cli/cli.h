/* What the commands share: how to write, where the results and the probe are.
 *
 * Layer: cli, which alone prints and exits. Results go to standard output, chatter to standard
 * error. */
#ifndef CUPEL_CLI_CLI_H
#define CUPEL_CLI_CLI_H

#include "cli/options.h"
#include "driver/driver.h"
#include "report/style.h"
#include "store/store.h"

#define EXIT_ALL_MEASURED 0
#define EXIT_USAGE        1
#define EXIT_ENVIRONMENT  2
#define EXIT_SOME_FAILED  3
#define EXIT_NOTHING      4
#define EXIT_NO           5 /* of advise; of run: the gate has failed */
#define EXIT_UNDECIDED    6
/* Of selftest: a figure leaves its bounds. */
#define EXIT_OUT_OF_BOUNDS 1

struct cli {
    struct style out;         /* standard output */
    struct style chatter;     /* standard error */
    bool chatter_live;        /* standard error is a terminal whose lines can be rewritten */
    const char *command_line; /* as typed, for the record */
};

/* Terminal or not, colours (NO_COLOR, TERM=dumb), UTF-8 or not, width (COLUMNS, then the terminal).
 */
void cli_detect(struct cli *cli);

/* The results file: --db, else <state>/results.db. */
int cli_db_path(const struct options *o, struct str *ret, struct err *err);
/* For hints: the --db given, NULL without. */
const char *cli_db_hint(const struct options *o);
int cli_open_read(const struct options *o, struct store **ret, struct err *err);
/* Says before anything is measured that the place is read-only or full. */
int cli_open_write(const struct options *o, struct store **ret, struct err *err);
/* For _cleanup_. */
static inline void store_closep(struct store **s)
{
    if (*s)
        store_close(*s);
}
/* Can path be made or replaced? ERR_ENVIRONMENT says why not. "-" always can. */
int cli_check_writable(const char *path, struct err *err);

/* The static probe: $CUPEL_PROBE, else beside the program in a build tree, else as installed; and
 * the payload programs beside it, as far as they are built. */
int cli_programs(struct programs *ret, struct err *err);

/* This program's own file. */
int cli_self(char *dst, size_t size, struct err *err);

/* A folder of files that came with cupel: what `variable` names in the environment, else beside the
 * program in a build tree, else as installed. The caller frees it. */
char *cli_data_dir(const char *folder, const char *variable);

/* All of text to standard output; a reader that went away (EPIPE) is no error. */
int cli_print(const struct str *text, struct err *err);
/* To a file, atomically; NULL or "-": standard output. */
int cli_output(const char *path, const struct str *text, struct err *err);

#endif

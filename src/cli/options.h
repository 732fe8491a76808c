/* The command line: what each command takes is declared once, and the declaration feeds the parser,
 * `--help`, the manual page, the completion and the suggestions for what was mistyped.
 *
 * Layer: cli. Values point into argv, which getopt_long permutes; nothing of argv is copied.
 *
 *     static const struct option_def options[] = {
 *         {.name = "blocks", .arg = "N", .kind = OPTION_COUNT, .min = 1, .max = 10000,
 *          .help = "measure at most N blocks"},
 *     };
 *     struct options o;
 *     options_parse(&command, argc, argv, &o, &err);   // argv[0] is the command's name
 *     options_u64(&o, "blocks", 0);
 *     options_release(&o);
 *
 * Adding an option: one line in its command's table, and the code that asks for it by name. Adding
 * a command: cmd-<name>.c with its `const struct command`, its line in commands.h, the file in
 * meson.build. */
#ifndef CUPEL_CLI_OPTIONS_H
#define CUPEL_CLI_OPTIONS_H

#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG, /* no argument */
    OPTION_TEXT,
    OPTION_COUNT,    /* min .. max */
    OPTION_DURATION, /* "250ms", "4m": ns */
    OPTION_FRACTION, /* "2%", "0.02": more than 0, at most 1 */
    OPTION_CHOICE    /* one of choices, "a|b|c" */
};

struct option_def {
    const char *name;
    char letter;     /* short form, 0: none */
    const char *arg; /* how help names the argument */
    enum option_kind kind;
    bool repeatable;     /* may be given several times; else twice is an error */
    uint64_t min, max;   /* OPTION_COUNT; max 0: no bound */
    const char *choices; /* OPTION_CHOICE */
    const char *help;    /* one sentence, lower case, no full stop */
};

struct example {
    const char *command; /* as typed */
    const char *what;
};

struct cli;
struct options;

struct command {
    const char *name;
    const char *summary;     /* one line */
    const char *description; /* a paragraph for the manual and --help */
    const char *operands;    /* "[RUN]", "FILE"; "" for none */
    size_t min_operands, max_operands;
    bool after_dashes; /* operands are taken behind `--` alone */
    const struct option_def *options;
    size_t n_options;
    const struct command *like; /* takes the options of that one, too; NULL: none */
    const struct example *examples;
    size_t n_examples;
    /* Exit status, or negative with err. */
    int (*run)(struct cli *cli, const struct options *o, struct err *err);
};

struct option_value {
    const struct option_def *def;
    const char *text; /* NULL for flags */
    uint64_t number;  /* counts, ns */
    double fraction;
};

struct options {
    const struct command *command;
    VEC(struct option_value) values;
    VEC(const char *) operands;
    bool help;
};

/* All options: its own, then those of the one that it is like. */
size_t command_option_count(const struct command *c);
const struct option_def *command_option(const struct command *c, size_t i);

/* Parses argv[1..] by the command's table. ERR_USAGE, one line: the option named, what was
 * expected, the nearest name. `-h` and `--help` belong to every command; with them the operands are
 * not counted. */
int options_parse(const struct command *c, int argc, char **argv, struct options *ret,
                  struct err *err);
void options_release(struct options *o);

/* By name, which must be in the command's table. The last one given counts. */
bool options_flag(const struct options *o, const char *name);
bool options_given(const struct options *o, const char *name);
const char *options_text(const struct options *o, const char *name, const char *fallback);
uint64_t options_u64(const struct options *o, const char *name, uint64_t fallback);
double options_fraction(const struct options *o, const char *name, double fallback);
/* The i-th value of a repeatable option, NULL past the end. */
const char *options_nth(const struct options *o, const char *name, size_t i);
/* Where an option is given with which only some others make sense. ERR_USAGE "--x cannot be given
 * with --with: why" for the first that is none of fine[n]. */
int options_only(const struct options *o, const char *with, const char *const *fine, size_t n,
                 const char *why, struct err *err);

#endif

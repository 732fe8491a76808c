/* cupel: what container runtimes cost on this machine, with intervals.
 *
 * Finds the command, lets it work, turns its error into one line and an exit status. */
#include "cli/commands.h"
#include "cli/help.h"

#include "base/log.h"
#include "stats/dist.h"

static int status_of(const struct err *err)
{
    return err->kind == ERR_USAGE ? EXIT_USAGE : EXIT_ENVIRONMENT;
}

static int run_command(struct cli *cli, const struct command *c, int argc, char **argv)
{
    _cleanup_(options_release) struct options o = {.command = c};
    struct err err = ERR_INIT;
    int r = options_parse(c, argc, argv, &o, &err);

    if (r >= 0 && o.help) {
        _cleanup_(str_release) struct str text = STR_INIT;
        help_command(c, &cli->out, &text);
        r = cli_print(&text, &err);
    } else if (r >= 0) {
        r = c->run(cli, &o, &err);
    }
    if (r >= 0)
        return r;
    log_notice("%s", err.msg[0] ? err.msg : "failed without saying why, which is a bug");
    return status_of(&err);
}

static void command_line(int argc, char **argv, struct str *out)
{
    for (int i = 0; i < argc; i++) {
        if (i)
            str_addc(out, ' ');
        str_add(out, i ? argv[i] : "cupel");
    }
    str_printable(out->buf);
}

int main(int argc, char **argv)
{
    _cleanup_(str_release) struct str line = STR_INIT, text = STR_INIT;
    char help[] = "help";
    struct cli cli = {0};
    struct err err = ERR_INIT;
    const struct command *c;

    stats_init();
    log_set_level(LOG_NOTICE);
    cli_detect(&cli);
    command_line(argc, argv, &line);
    cli.command_line = line.buf;
    if (argc < 2) {
        help_overview(&cli.chatter, &text);
        (void)!write(STDERR_FILENO, text.buf, text.len);
        return EXIT_USAGE;
    }
    if (str_eq(argv[1], "--version") || str_eq(argv[1], "-V")) {
        str_add(&text, "cupel " CUPEL_VERSION "\n");
        return cli_print(&text, &err) < 0 ? EXIT_ENVIRONMENT : 0;
    }
    if (str_eq(argv[1], "--help") || str_eq(argv[1], "-h"))
        argv[1] = help;
    if (command_find(argv[1], &c, &err) < 0) {
        log_notice("%s", err.msg);
        return EXIT_USAGE;
    }
    return run_command(&cli, c, argc - 1, argv + 1);
}

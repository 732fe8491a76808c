/* The static guest, cupel-probe or a payload program: program.h says which. It does the work that
 * is measured, inside a target and nowhere else, and says how long it took; it decides nothing.
 *
 * Layer: probe. Only this file reads arguments and prints (to standard error, and the lists). */
#include "base/str.h"
#include "probe/program.h"
#include "probe/session.h"

#include <getopt.h>
#include <signal.h>

#define EXIT_USAGE 64

enum option_id {
    OPT_NONCE = 1,
    OPT_INJECT,
    OPT_LEASE,
    OPT_AWAIT,
    OPT_LIST,
    OPT_TRUE,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    {"nonce", required_argument, NULL, OPT_NONCE},
    {"inject", required_argument, NULL, OPT_INJECT},
    {"lease", required_argument, NULL, OPT_LEASE},
    {"await", no_argument, NULL, OPT_AWAIT},
    {"list", no_argument, NULL, OPT_LIST},
    {"true", no_argument, NULL, OPT_TRUE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void print_usage(FILE *to)
{
    const char *name = program_info.name;
    fprintf(
        to,
        "usage: %s --nonce HEX16 [--inject cpu:PERCENT] [--lease SECONDS] [--await]\n"
        "       %s --list | --version\n"
        "%s\n"
        "Serves one cupel controller on standard input and output; not meant to be run by hand.\n"
        "  --nonce HEX16        sixteen hexadecimal digits that every frame must carry\n"
        "  --inject cpu:1%%      do so much more work than is reported (to test the verdicts)\n"
        "  --lease SECONDS      leave after so long without a frame (default 60)\n"
        "  --await              say nothing before a first line has come\n"
        "  --list               print the names of the workloads\n"
        "  --true               leave at once with status 0 (what the exec workloads start)\n",
        name, name, program_info.what);
}

static void list_workloads(void)
{
    for (unsigned f = 0; f < program_info.n_families; f++)
        for (unsigned k = 0; k < program_info.families[f]->n; k++)
            puts(program_info.families[f]->list[k].name);
}

static int usage_error(const struct err *err)
{
    fprintf(stderr, "%s: %s\n", program_info.name, err->msg);
    print_usage(stderr);
    return EXIT_USAGE;
}

static int parse_nonce(const char *s, char ret[WIRE_NONCE_SIZE], struct err *err)
{
    if (strlen(s) != WIRE_NONCE_SIZE - 1 || strspn(s, "0123456789abcdef") != WIRE_NONCE_SIZE - 1)
        return err_set(err, ERR_USAGE, 0, "--nonce: sixteen digits 0-9a-f are needed");
    str_copy(ret, WIRE_NONCE_SIZE, s);
    return 0;
}

static int parse_inject(const char *s, double *ret, struct err *err)
{
    if (!str_starts(s, "cpu:"))
        return err_set(err, ERR_USAGE, 0, "--inject: cpu:1%% is the form");
    return parse_fraction(s + 4, "--inject", ret, err);
}

static int parse_lease(const char *s, unsigned *ret, struct err *err)
{
    uint64_t n;
    int r = parse_u64(s, 1, 86400, "--lease", &n, err);
    if (r == 0)
        *ret = (unsigned)n;
    return r;
}

/* As process 1 of a container a probe would be deaf to SIGTERM without a handler, and stopping it
 * would take the engine's whole grace period. */
static void leave(int sig)
{
    _exit(0);
}

static int serve(const struct session_options *opt)
{
    struct err err = ERR_INIT;
    signal(SIGTERM, leave);
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is seen as EPIPE */
    enum session_end end = session_serve(STDIN_FILENO, STDOUT_FILENO, opt, &err);
    if (end != SESSION_DONE)
        fprintf(stderr, "%s: %s\n", program_info.name, err.msg);
    return (int)end;
}

int main(int argc, char **argv)
{
    struct session_options opt = {.lease_s = WIRE_LEASE_S};
    struct err err = ERR_INIT;
    int c, r = 0;
    while (r == 0 && (c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_TRUE:
            return 0;
        case OPT_AWAIT:
            opt.await = true;
            break;
        case OPT_LIST:
            list_workloads();
            return 0;
        case OPT_VERSION:
            printf("%s " CUPEL_VERSION "\n", program_info.name);
            return 0;
        case OPT_HELP:
            print_usage(stdout);
            return 0;
        case OPT_NONCE:
            r = parse_nonce(optarg, opt.nonce, &err);
            break;
        case OPT_INJECT:
            r = parse_inject(optarg, &opt.inject, &err);
            break;
        case OPT_LEASE:
            r = parse_lease(optarg, &opt.lease_s, &err);
            break;
        default:
            return EXIT_USAGE;
        }
    }
    if (r == 0 && (opt.nonce[0] == '\0' || optind != argc))
        r = err_set(&err, ERR_USAGE, 0, "--nonce is needed, and nothing besides options");
    return r < 0 ? usage_error(&err) : serve(&opt);
}

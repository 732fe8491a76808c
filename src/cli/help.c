#include "cli/help.h"

#define OPTION_COLUMN 26

const char *help_exit_status(unsigned status)
{
    static const char *const texts[] = {
        "everything was measured, or the command did what it was asked to",
        "usage: what was typed, or written in a plan, cannot be understood; of selftest: a figure "
        "leaves its bounds",
        "environment: something on the machine is in the way",
        "some cells failed, or the run was interrupted after some were measured",
        "nothing could be measured",
        "the answer is no: of run, a target is proven to cost more than its gate allows, or fails "
        "where the base works; of advise, every target that works is shown to miss a limit",
        "of advise: no target is shown to meet the limits, and of one at least it is undecided or "
        "not measured",
    };
    return status < ARRAY_SIZE(texts) ? texts[status] : NULL;
}

void help_overview(const struct style *s, struct str *out)
{
    str_add(out, "cupel measures what container runtimes cost on this machine.\n\n"
                 "usage: cupel COMMAND [options]\n\n");
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *c = command_at(i);
        _cleanup_(str_release) struct str lead = STR_INIT;
        str_add(&lead, "  ");
        text_pad(&lead, c->name, 11, false);
        text_wrap(out, s, lead.buf, 13, c->summary);
    }
    str_add(out, "\n  cupel run                    the quick suite on everything that works here\n"
                 "  cupel COMMAND --help         its options, with examples\n"
                 "  cupel --version              the version\n"
                 "  man cupel                    everything\n");
}

static void option_usage(const struct option_def *d, struct str *out)
{
    if (d->letter)
        str_addf(out, "-%c, ", d->letter);
    else
        str_add(out, "    ");
    str_addf(out, "--%s", d->name);
    if (d->kind != OPTION_FLAG)
        str_addf(out, " %s", d->arg);
}

static void option_line(const char *usage, const char *help, const struct style *s, struct str *out)
{
    _cleanup_(str_release) struct str lead = STR_INIT;

    str_add(&lead, "  ");
    text_pad(&lead, usage, OPTION_COLUMN, false);
    if (text_width(usage) >= OPTION_COLUMN) {
        str_addf(out, "%s\n", lead.buf);
        str_clear(&lead);
        text_pad(&lead, "", OPTION_COLUMN + 2, false);
    }
    text_wrap(out, s, lead.buf, OPTION_COLUMN + 2, help);
}

void help_command(const struct command *c, const struct style *s, struct str *out)
{
    str_addf(out, "usage: cupel %s%s%s%s\n\n", c->name, c->n_options ? " [options]" : "",
             c->operands[0] ? " " : "", c->operands);
    text_wrap(out, s, "", 0, c->description);
    if (c->n_options)
        str_addc(out, '\n');
    for (size_t i = 0; i < c->n_options; i++) {
        const struct option_def *d = &c->options[i];
        _cleanup_(str_release) struct str usage = STR_INIT, help = STR_INIT;
        option_usage(d, &usage);
        str_add(&help, d->help);
        if (d->repeatable)
            str_add(&help, " (repeatable)");
        option_line(usage.buf, help.buf, s, out);
    }
    option_line("-h, --help", "this text", s, out);
    if (c->like) {
        _cleanup_(str_release) struct str text = STR_INIT;
        str_addf(&text, "and all options of cupel %s (cupel %s --help)", c->like->name,
                 c->like->name);
        text_wrap(out, s, "  ", 2, text.buf);
    }
    if (c->n_examples)
        str_add(out, "\nexamples:\n");
    for (size_t i = 0; i < c->n_examples; i++) {
        str_addf(out, "  %s\n", c->examples[i].command);
        text_wrap(out, s, "      ", 6, c->examples[i].what);
    }
}

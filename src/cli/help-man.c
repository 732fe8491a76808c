/* The manual page and the bash completion, generated from the commands' tables. */
#include "cli/help.h"

#include "model/workload.h"

#define MAN_LINE 78

/* A word in roff: a backslash is written \e, a dash that stands for itself \-, and a control
 * character at the start of a line is kept from being one. */
static void roff_word(struct str *out, const char *word, size_t n)
{
    if (*word == '.' || *word == '\'')
        str_add(out, "\\&");
    for (size_t i = 0; i < n; i++) {
        if (word[i] == '\\')
            str_add(out, "\\e");
        else if (word[i] == '-')
            str_add(out, "\\-");
        else
            str_addc(out, word[i]);
    }
}

/* An argument of a macro: quoted, since it may hold blanks. */
static void roff_arg(struct str *out, const char *text)
{
    str_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            str_add(out, "\\(dq");
        else if (*text == '\\')
            str_add(out, "\\e");
        else if (*text == '-' && str_starts(text, "-- "))
            str_add(out, "\\-");
        else if (*text == '-' && str_starts(text, "- "))
            str_add(out, "\\-");
        else
            str_addc(out, *text);
    }
    str_addc(out, '"');
}

/* Running text: short lines, each sentence on a line of its own. */
static void mdoc_text(struct str *out, const char *text)
{
    size_t column = 0;
    bool ended = false;

    while (*text) {
        size_t n = strcspn(text, " ");
        _cleanup_(str_release) struct str word = STR_INIT;
        roff_word(&word, text, n);
        if (column && (ended || column + 1 + word.len > MAN_LINE)) {
            str_addc(out, '\n');
            column = 0;
        } else if (column) {
            str_addc(out, ' ');
            column++;
        }
        str_addn(out, word.buf, word.len);
        column += word.len;
        bool stop = n > 1 && text[n - 1] == '.';
        text += n;
        while (*text == ' ')
            text++;
        ended = stop && *text >= 'A' && *text <= 'Z'; /* "e.g. runc" ends nothing */
    }
    str_addc(out, '\n');
}

static void mdoc_option(struct str *out, const struct option_def *d)
{
    str_add(out, ".It ");
    if (d->letter)
        str_addf(out, "Fl %c , ", d->letter);
    str_addf(out, "Fl \\-%s", d->name);
    if (d->kind != OPTION_FLAG) {
        str_add(out, " Ar ");
        roff_arg(out, d->arg);
    }
    str_addc(out, '\n');
    _cleanup_(str_release) struct str help = STR_INIT;
    str_addf(&help, "%s%s.", d->help, d->repeatable ? " (repeatable)" : "");
    if (help.buf[0] >= 'a' && help.buf[0] <= 'z')
        help.buf[0] = (char)(help.buf[0] - 'a' + 'A');
    mdoc_text(out, help.buf);
}

static void mdoc_command(struct str *out, const struct command *c)
{
    str_addf(out, ".Ss cupel %s", c->name);
    if (c->operands[0])
        str_addf(out, " %s\\&", c->operands);
    str_addc(out, '\n');
    mdoc_text(out, c->description);
    if (c->n_options) {
        str_add(out, ".Bl -tag -width Ds\n");
        for (size_t i = 0; i < c->n_options; i++)
            mdoc_option(out, &c->options[i]);
        str_add(out, ".El\n");
    }
    if (c->like)
        str_addf(out, ".Pp\nIt takes all options of\n.Nm Cm %s ,\ntoo.\n", c->like->name);
}

static void mdoc_suites(struct str *out)
{
    str_add(out, ".Sh SUITES\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < suite_count(); i++) {
        str_addf(out, ".It Cm %s\n", suite_at(i)->name);
        mdoc_text(out, suite_at(i)->title);
    }
    str_add(out, ".El\n.Pp\n");
    str_add(out, ".Nm Cm workloads\nlists every workload with its cells and parameters.\n");
}

static void mdoc_targets(struct str *out)
{
    str_add(out, ".Sh TARGETS\n"
                 "A target is written\n"
                 ".Dl [label=]driver\\-or\\-runtime[/runtime][:platform][,flag=value...]\n"
                 "for instance\n"
                 ".Ql host ,\n"
                 ".Ql runc ,\n"
                 ".Ql runsc:ptrace ,\n"
                 ".Ql podman/crun ,\n"
                 ".Ql containerd/runc ,\n"
                 ".Ql docker/runc\n"
                 "or\n"
                 ".Ql new=oci:/opt/b/runsc:systrap,overlay2=none .\n"
                 "A word that names no driver is a runtime spoken to by the OCI command line.\n"
                 "Flags are handed to the runtime as\n"
                 ".Ql \\-\\-name=value .\n"
                 "The same target may be given twice: the second is then called\n"
                 ".Ql runc#2 ,\n"
                 "and any difference between the two is noise.\n"
                 "A target with\n"
                 ".Ql *\n"
                 "or\n"
                 ".Ql \\&?\n"
                 "stands for all usable ones of\n"
                 ".Nm Cm doctor\n"
                 "that match.\n");
}

static void mdoc_reading(struct str *out)
{
    str_add(out, ".Sh READING THE TABLE\n"
                 "Every number is the time per operation on a target divided by that on the\n"
                 "base, with the half\\-width of its 95 % interval.\n"
                 "Blocks are the replicates: in each, every target is started afresh and all of\n"
                 "them take turns in short slices.\n"
                 ".Bl -tag -width Ds\n"
                 ".It alike\nThe whole interval lies within the threshold (2 %) and 1 is in it.\n"
                 ".It slight\nThere is a difference, and it is smaller than the threshold.\n"
                 ".It slower , faster\nThe whole interval lies beyond the threshold.\n"
                 ".It unsure\nThe interval is too wide to tell.\n"
                 ".El\n"
                 ".Pp\n"
                 "A failure stands in its cell as what it is, never as a number.\n");
}

static void mdoc_rest(struct str *out)
{
    str_add(out,
            ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
            ".It Ev CUPEL_STATE\nThe state directory, instead of\n.Pa /var/lib/cupel\n(root) or\n"
            ".Pa ~/.local/state/cupel .\n"
            ".It Ev CUPEL_PROBE\nThe probe to use instead of the installed one.\n"
            ".It Ev NO_COLOR\nNo colours, whatever the terminal.\n"
            ".It Ev COLUMNS\nThe width to write for.\n"
            ".El\n"
            ".Sh FILES\n.Bl -tag -width Ds\n"
            ".It Pa /var/lib/cupel/results.db\nThe results, an SQLite file.\n"
            ".It Pa /var/lib/cupel/ledger\nWhat runs made on this machine, until it is removed\n"
            "again.\n"
            ".El\n"
            ".Sh EXIT STATUS\n.Bl -tag -width Ds\n");
    for (unsigned i = 0; help_exit_status(i); i++) {
        str_addf(out, ".It %u\n", i);
        mdoc_text(out, help_exit_status(i));
    }
    str_add(out, ".El\n.Sh EXAMPLES\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < command_count(); i++)
        for (size_t j = 0; j < command_at(i)->n_examples; j++) {
            const struct example *e = &command_at(i)->examples[j];
            str_add(out, ".It Li ");
            roff_arg(out, e->command);
            str_addc(out, '\n');
            mdoc_text(out, e->what);
        }
    str_add(out, ".El\n");
}

void help_mdoc(struct str *out)
{
    str_add(out, ".\\\" Generated by \"cupel help --man\"; do not edit.\n"
                 ".Dd November 23, 2026\n.Dt CUPEL 1\n.Os\n"
                 ".Sh NAME\n.Nm cupel\n.Nd what container runtimes cost on this machine\n"
                 ".Sh SYNOPSIS\n");
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *c = command_at(i);
        str_addf(out, ".Nm\n.Cm %s\n", c->name);
        if (c->n_options)
            str_add(out, ".Op Ar options\n");
        if (c->operands[0]) {
            bool optional = c->operands[0] == '[';
            _cleanup_free_ char *word = xstrdup(c->operands + (optional ? 1 : 0));
            word[strcspn(word, "]")] = '\0';
            str_addf(out, "%s%s\n", optional ? ".Op Ar " : ".Ar ", word);
        }
    }
    str_add(out, ".Sh DESCRIPTION\n.Nm\nmeasures the same small workloads bare on the host and\n"
                 "inside container runtimes, interleaved in random order, and says with\n"
                 "intervals what each costs.\n"
                 ".Pp\nEvery command knows\n.Fl \\-help .\n"
                 ".Sh COMMANDS\n");
    for (size_t i = 0; i < command_count(); i++)
        mdoc_command(out, command_at(i));
    mdoc_targets(out);
    mdoc_suites(out);
    mdoc_reading(out);
    mdoc_rest(out);
}

void help_bash(struct str *out)
{
    str_add(out, "# Generated by \"cupel help --bash\"; do not edit.\n"
                 "_cupel()\n{\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                 "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                 "        COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; i < command_count(); i++)
        str_addf(out, "%s ", command_at(i)->name);
    str_add(out, "--help --version\" -- \"$cur\"))\n        return\n    fi\n"
                 "    case $prev in\n"
                 "    --suite) COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; i < suite_count(); i++)
        str_addf(out, "%s%s", i ? " " : "", suite_at(i)->name);
    str_add(out, "\" -- \"$cur\")); return ;;\n"
                 "    --workload) COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; i < workload_count(); i++)
        str_addf(out, "%s%s", i ? " " : "", workload_at(i)->name);
    str_add(out,
            "\" -- \"$cur\")); return ;;\n"
            "    --db|--json|--plan|--output) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
            "    esac\n"
            "    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *c = command_at(i);
        str_addf(out, "    %s) COMPREPLY=($(compgen -W \"", c->name);
        for (size_t j = 0; j < command_option_count(c); j++)
            str_addf(out, "--%s ", command_option(c, j)->name);
        str_addf(out, "--help\" %s-- \"$cur\")) ;;\n", str_eq(c->operands, "FILE") ? "-f " : "");
    }
    str_add(out, "    esac\n}\ncomplete -F _cupel cupel\n");
}

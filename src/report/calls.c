#include "report/calls.h"

#include "report/style.h"
#include "wire/callset.h"

#include <seccomp.h>
#include <stdlib.h>

static void add_names(const struct callset *s, const char *before, struct str *out)
{
    for (size_t i = 0; i < CALLSET_MAX; i++) {
        if (!s->has[i])
            continue;
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)i);
        str_add(out, before);
        if (name)
            str_add(out, name);
        else
            str_addf(out, "%zu", i);
        free(name);
        before = ", ";
    }
}

void calls_list(const char *bits, struct str *out)
{
    struct callset s;
    if (callset_parse(bits, &s) < 0)
        return;
    str_addf(out, "%zu", callset_count(&s));
    add_names(&s, ": ", out);
}

void calls_compare(const char *bits, const char *base_bits, const char *base_label, struct str *out)
{
    struct callset s, base, missing;
    if (callset_parse(bits, &s) < 0 || callset_parse(base_bits, &base) < 0)
        return;
    for (size_t i = 0; i < CALLSET_MAX; i++)
        missing.has[i] = base.has[i] && !s.has[i];
    size_t of = callset_count(&base);
    str_addf(out, "%zu of the %zu that ", of - callset_count(&missing), of);
    text_inert(out, base_label);
    str_add(out, " answers");
    add_names(&missing, "; not: ", out);
}

void calls_could(const char *bits, const char *base_bits, const char *base_label, struct str *out)
{
    struct callset could, base;
    if (callset_parse(bits, &could) < 0)
        return;
    bool all = callset_count(&could) == CALLSET_MAX;
    if (callset_parse(base_bits, &base) < 0) {
        str_addf(out, "%zu of %d numbers", callset_count(&could), CALLSET_MAX);
        return;
    }
    for (size_t i = 0; i < CALLSET_MAX; i++)
        could.has[i] &= base.has[i];
    if (all)
        str_addf(out, "all %zu that ", callset_count(&base));
    else
        str_addf(out, "%zu of the %zu that ", callset_count(&could), callset_count(&base));
    text_inert(out, base_label);
    str_add(out, " answers");
}

void calls_not_made(const char *bits, const char *made_bits, struct str *out)
{
    struct callset could, made;
    if (callset_parse(bits, &could) < 0 || callset_parse(made_bits, &made) < 0 ||
        callset_count(&could) == CALLSET_MAX)
        return;
    for (size_t i = 0; i < CALLSET_MAX; i++)
        could.has[i] &= !made.has[i];
    add_names(&could, "; not made: ", out);
}

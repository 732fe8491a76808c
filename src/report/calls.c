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

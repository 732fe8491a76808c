#include "report/calls.h"

#include "report/style.h"

#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

static bool is_bits(const char *bits)
{
    return bits && *bits && strspn(bits, "0123456789abcdef") == strlen(bits);
}

static bool bit(const char *bits, size_t n)
{
    size_t digit = n / 4;
    if (digit >= strlen(bits))
        return false;
    const unsigned value = (unsigned)strtoul((const char[]){bits[digit], '\0'}, NULL, 16);
    return value >> (3 - n % 4) & 1;
}

static void add_name(size_t n, struct str *out)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)n);
    if (name)
        str_add(out, name);
    else
        str_addf(out, "%zu", n);
    free(name);
}

static size_t count(const char *bits)
{
    size_t n = 0;
    for (size_t i = 0; i < 4 * strlen(bits); i++)
        n += bit(bits, i);
    return n;
}

void calls_list(const char *bits, struct str *out)
{
    const char *between = "";
    if (!is_bits(bits))
        return;
    str_addf(out, "%zu: ", count(bits));
    for (size_t i = 0; i < 4 * strlen(bits); i++) {
        if (!bit(bits, i))
            continue;
        str_add(out, between);
        add_name(i, out);
        between = ", ";
    }
}

void calls_compare(const char *bits, const char *base_bits, const char *base_label, struct str *out)
{
    const char *between = "; not: ";
    size_t both = 0;
    if (!is_bits(bits) || !is_bits(base_bits))
        return;
    for (size_t i = 0; i < 4 * strlen(base_bits); i++)
        both += bit(base_bits, i) && bit(bits, i);
    str_addf(out, "%zu of the %zu that ", both, count(base_bits));
    text_inert(out, base_label);
    str_add(out, " answers");
    for (size_t i = 0; i < 4 * strlen(base_bits); i++) {
        if (!bit(base_bits, i) || bit(bits, i))
            continue;
        str_add(out, between);
        add_name(i, out);
        between = ", ";
    }
}

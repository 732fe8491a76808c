#include "host/cpus.h"

#include "base/str.h"

#include <errno.h>

/* One "a" or "a-b" at *text; moves *text behind it. */
static bool parse_range(const char **text, unsigned long *first, unsigned long *last)
{
    unsigned long bound[2] = {0, 0};
    const char *p = *text;
    for (int i = 0; i < 2; i++) {
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || digits > 6)
            return false;
        for (; digits > 0; digits--)
            bound[i] = bound[i] * 10 + (unsigned long)(*p++ - '0');
        if (i == 0 && *p != '-') {
            bound[1] = bound[0];
            break;
        }
        if (i == 0)
            p++;
    }
    *first = bound[0];
    *last = bound[1];
    *text = p;
    return bound[0] <= bound[1];
}

int cpus_parse(const char *text, cpu_set_t *ret, struct err *err)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    size_t length = strcspn(text, "\n");
    const char *p = text, *end = text + length;
    while (p < end) {
        unsigned long first, last;
        if (!parse_range(&p, &first, &last) || (p < end && *p != ','))
            return err_set(err, ERR_USAGE, EINVAL, "'%.80s' is no list of CPUs such as 0-2,5",
                           text);
        if (last >= CPU_SETSIZE)
            return err_set(err, ERR_USAGE, ERANGE, "CPU %lu: the highest number possible is %d",
                           last, CPU_SETSIZE - 1);
        for (; first <= last; first++)
            CPU_SET(first, &set);
        if (p < end && ++p == end)
            return err_set(err, ERR_USAGE, EINVAL, "'%.80s' ends in a comma", text);
    }
    *ret = set;
    return 0;
}

void cpus_format(const cpu_set_t *set, char *dst, size_t size)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, set))
            continue;
        int last = cpu;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        str_addf(&s, last > cpu ? "%s%d-%d" : "%s%d", s.len ? "," : "", cpu, last);
        cpu = last;
    }
    str_copy(dst, size, s.buf);
}

size_t cpus_count(const cpu_set_t *set)
{
    return (size_t)CPU_COUNT(set);
}

int cpus_from_end(const cpu_set_t *set, size_t k)
{
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
        if (CPU_ISSET(cpu, set) && k-- == 0)
            return cpu;
    return -1;
}

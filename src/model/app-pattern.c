/* Which regular expressions of applications are compiled. */
#include "model/app.h"

#include <ctype.h>
#include <errno.h>

#define SIZE_MOST  600u /* atoms of a pattern with its repeats written out */
#define GROUPS_MAX 32u

/* How much glibc makes of a pattern. It copies what is repeated, x+ as xx* and x{3,5} five times,
 * so nested repeats multiply: "((x+)+)+..." doubles with every level. */
struct estimate {
    uint64_t total[GROUPS_MAX]; /* of the groups that are open */
    uint64_t last[GROUPS_MAX];  /* of the last atom in each */
    unsigned depth;
};

static void atom(struct estimate *e, uint64_t size)
{
    e->total[e->depth] += size;
    e->last[e->depth] = size;
}

static void repeat(struct estimate *e, uint64_t times)
{
    uint64_t more = e->last[e->depth] * (times > 0 ? times - 1 : 0);
    e->total[e->depth] += more;
    e->last[e->depth] += more;
}

/* Behind "{": "n}", "n,}", "n,m}". */
static const char *interval(struct estimate *e, const char *p)
{
    uint64_t most = 0;
    for (; *p && *p != '}'; p++)
        if (isdigit((unsigned char)*p)) {
            char *end;
            uint64_t n = strtoul(p, &end, 10);
            most = n > most ? n : most;
            p = end - 1;
        } else if (*p == ',')
            most = most + 1;
    repeat(e, most < SIZE_MOST ? most : SIZE_MOST);
    return *p ? p : p - 1;
}

/* Behind "[": the "]" that ends it. */
static const char *bracket(const char *p)
{
    p += *p == '^';
    p += *p == ']';
    while (*p && *p != ']')
        if (p[0] == '[' && strchr(".:=", p[1]) && p[1]) {
            const char stop[] = {p[1], ']', '\0'};
            const char *end = strstr(p + 2, stop);
            p = end ? end + 2 : p + 1;
        } else
            p++;
    return *p ? p : p - 1;
}

/* Refuses patterns that would take a machine's memory to compile, and back-references, with which
 * matching takes exponential time. Neither is needed to read a number. */
int app_pattern_check(const char *p, struct err *err)
{
    struct estimate e = {.depth = 0};
    unsigned repeats = 0; /* in a row */
    for (; *p; p++) {
        if (*p == '\\' && isdigit((unsigned char)p[1]))
            return err_set(err, ERR_USAGE, EINVAL, "back-references such as \\%c are not supported",
                           p[1]);
        if (*p == '\\' && p[1]) {
            p++;
            atom(&e, 1);
            repeats = 0;
            continue;
        }
        if (*p == '(' && e.depth + 1 < GROUPS_MAX) {
            e.depth++;
            e.total[e.depth] = e.last[e.depth] = 0;
        } else if (*p == '(') {
            return err_set(err, ERR_USAGE, EINVAL, "its groups nest deeper than %u", GROUPS_MAX);
        } else if (*p == ')' && e.depth > 0) {
            e.depth--;
            atom(&e, e.total[e.depth + 1] + 1);
        } else if (*p == '[') {
            p = bracket(p + 1);
            atom(&e, 1);
        } else if (*p == '+') {
            repeat(&e, 2);
        } else if (*p == '*' || *p == '?') {
            repeat(&e, 1);
        } else if (*p == '{') {
            p = interval(&e, p + 1);
        } else {
            atom(&e, 1);
        }
        repeats = strchr("*+?}", *p) ? repeats + 1 : 0;
        if (repeats > 1)
            return err_set(err, ERR_USAGE, EINVAL, "it repeats a repeat, as in a+*");
        if (e.total[e.depth] > SIZE_MOST)
            return err_set(err, ERR_USAGE, EINVAL, "it repeats too much: nested +, {n} multiply");
    }
    return 0;
}

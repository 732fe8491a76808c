#include "base/tail.h"

#include "base/str.h"

void tail_add(struct tail *t, const char *bytes, size_t n)
{
    size_t max = sizeof(t->text) - 1;
    if (n > max) {
        bytes += n - max;
        n = max;
    }
    size_t drop = t->n + n > max ? t->n + n - max : 0;
    memmove(t->text, t->text + drop, t->n - drop);
    t->n -= drop;
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i] == '\r' ? ' ' : bytes[i]; /* ssh and consoles end their lines so */
        t->text[t->n++] = c == '\n' || (c >= ' ' && c <= '~') ? c : '?';
    }
    t->text[t->n] = '\0';
}

const char *tail_line(const struct tail *t, char *dst, size_t size)
{
    size_t end = t->n;
    while (end > 0 && (t->text[end - 1] == '\n' || t->text[end - 1] == ' '))
        end--;
    size_t from = end;
    while (from > 0 && t->text[from - 1] != '\n')
        from--;
    str_format(dst, size, "%.*s", (int)(end - from), t->text + from);
    return dst;
}

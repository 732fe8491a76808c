#include "base/log.h"

#include "base/banned.h"

#include <stdarg.h>

static enum log_level current_level = LOG_NOTICE;

void log_set_level(enum log_level level)
{
    current_level = level;
}

enum log_level log_level(void)
{
    return current_level;
}

/* One write per line, so that lines of controller and children do not mix on a terminal. */
__attribute__((format(printf, 1, 0))) static void put_line(const char *fmt, va_list ap)
{
    char line[1024] = "cupel: ";
    size_t head = strlen(line), room = sizeof(line) - head - 1;
    int n = vsnprintf(line + head, room, fmt, ap);
    if (n < 0)
        return;
    size_t len = head + ((size_t)n < room ? (size_t)n : room - 1);
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* nobody is left to tell */
}

void log_notice(const char *fmt, ...)
{
    if (current_level < LOG_NOTICE)
        return;
    va_list ap;
    va_start(ap, fmt);
    put_line(fmt, ap);
    va_end(ap);
}

void log_debug(const char *fmt, ...)
{
    if (current_level < LOG_DEBUG)
        return;
    va_list ap;
    va_start(ap, fmt);
    put_line(fmt, ap);
    va_end(ap);
}

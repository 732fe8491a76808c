#include "driver/containerd-words.h"

#include "base/str.h"

#include <ctype.h>

bool shim_program(const char *type, char *dst, size_t size)
{
    static const char prefix[] = "io.containerd.";
    if (!str_starts(type, prefix))
        return false;
    const char *name = type + sizeof(prefix) - 1, *dot = strrchr(name, '.');
    if (!dot || dot == name || dot[1] != 'v' || !dot[2])
        return false;
    return str_format(dst, size, "containerd-shim-%.*s-%s", (int)(dot - name), name, dot + 1);
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static size_t base64_decode(const char *text, unsigned char *dst, size_t size)
{
    unsigned bits = 0, have = 0;
    size_t n = 0;
    for (int v; n < size && (v = base64_value(*text)) >= 0; text++) {
        bits = (bits << 6 | (unsigned)v) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            dst[n++] = (unsigned char)(bits >> have);
        }
    }
    return n;
}

/* A varint of at most 4 bytes; -1: none here. */
static long take_varint(const unsigned char *p, size_t n, size_t *at)
{
    long v = 0;
    for (unsigned shift = 0; *at < n && shift < 28; shift += 7) {
        unsigned char c = p[(*at)++];
        v |= (long)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return v;
    }
    return -1;
}

void shim_option_binary(const char *base64, char *dst, size_t size)
{
    enum { VARINT = 0, TEXT = 2, BINARY_NAME = 6 };
    unsigned char raw[1024];
    size_t n = base64_decode(base64, raw, sizeof(raw)), at = 0;
    dst[0] = '\0';
    while (at < n) {
        long tag = take_varint(raw, n, &at), value = take_varint(raw, n, &at);
        if (tag < 0 || value < 0 || ((tag & 7) != VARINT && (tag & 7) != TEXT))
            return;
        if ((tag & 7) == VARINT)
            continue;
        if ((size_t)value > n - at)
            return;
        if (tag >> 3 == BINARY_NAME) {
            str_format(dst, size, "%.*s", (int)value, (const char *)raw + at);
            str_printable(dst);
            return;
        }
        at += (size_t)value;
    }
}

/* "ID PID STATUS" of our container in the output of `tasks list`. */
bool containerd_find_task(const char *text, const char *id, long *ret_pid, char *ret_status,
                          size_t size)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n"), len = strlen(id);
        if (n > len && strncmp(line, id, len) == 0 && line[len] == ' ') {
            char *end;
            *ret_pid = strtol(line + len, &end, 10);
            while (*end == ' ')
                end++;
            str_format(ret_status, size, "%.*s", (int)strcspn(end, " \n"), end);
            for (char *p = ret_status; *p; p++)
                *p = (char)tolower((unsigned char)*p);
            str_printable(ret_status);
            return true;
        }
        line += n + (line[n] == '\n');
    }
    return false;
}

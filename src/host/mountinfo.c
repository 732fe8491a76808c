#include "host/mountinfo.h"

#include "base/fd.h"

#define MOUNTINFO_MAX (8u << 20)

int mountinfo_read(struct str *text, struct err *err)
{
    return file_read("/proc/self/mountinfo", MOUNTINFO_MAX, text, err);
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* "\040" and the like, which the kernel writes for blanks, back to bytes, in place. */
static void unescape(char *s)
{
    char *out = s;
    while (*s) {
        if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
            *out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *out++ = *s++;
        }
    }
    *out = '\0';
}

/* The next word of the line, or NULL. */
static char *word(char **rest)
{
    char *w;
    do
        w = strsep(rest, " ");
    while (w && !*w);
    return w;
}

/* "36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse_line(char *line, struct mountinfo *ret)
{
    char *rest = line;
    char *fields[5];
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!(fields[i] = word(&rest)))
            return false;
    char *w;
    bool shared = false;
    while ((w = word(&rest)) && strcmp(w, "-") != 0)
        shared = shared || strncmp(w, "shared:", strlen("shared:")) == 0;
    if (!w)
        return false;
    char *fstype = word(&rest), *source = word(&rest), *super = word(&rest);
    if (!fstype || !source)
        return false;
    unescape(fields[3]);
    unescape(fields[4]);
    *ret = (struct mountinfo){.root = fields[3],
                              .point = fields[4],
                              .fstype = fstype,
                              .super = super ? super : "",
                              .shared = shared};
    return true;
}

bool mountinfo_next(char **cursor, struct mountinfo *ret)
{
    char *line;
    while ((line = strsep(cursor, "\n")))
        if (parse_line(line, ret))
            return true;
    return false;
}

bool mountinfo_has_option(const char *options, const char *option)
{
    size_t n = strlen(option);
    for (const char *p = options; *p;) {
        size_t k = strcspn(p, ",");
        if (k == n && memcmp(p, option, n) == 0)
            return true;
        p += k + (p[k] == ',');
    }
    return false;
}

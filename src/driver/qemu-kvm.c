/* One line a kernel and program, for this boot of the machine alone:
 *
 *     BOOT-ID PROGRAM-SHA256 KERNEL-SHA256 yes
 *     BOOT-ID PROGRAM-SHA256 KERNEL-SHA256 no no hello came within 10 s
 *
 * It is written as a whole: of two runs that learn something at once one forgets. */
#include "driver/qemu.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>

#define MEMORY_MAX 16384

int qemu_kvm_open(void)
{
    _cleanup_fd_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    return fd < 0 ? -errno : 0;
}

static bool names(const struct site *s, const char *program_sha256, const char *kernel_sha256,
                  char path[192], char start[200])
{
    char boot[40];
    return s->keep[0] && kernel_sha256[0] &&
           file_read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) == 0 &&
           str_format(path, 192, "%s/guests/kvm", s->keep) &&
           str_format(start, 200, "%s %s %s ", boot, program_sha256, kernel_sha256);
}

enum kvm_says qemu_kvm_recall(const struct site *s, const char *program_sha256,
                              const char *kernel_sha256, char *why, size_t size)
{
    char path[192], start[200];
    _cleanup_(str_release) struct str text = STR_INIT;
    if (!names(s, program_sha256, kernel_sha256, path, start) ||
        file_read(path, MEMORY_MAX, &text, NULL) < 0)
        return KVM_UNKNOWN;
    const char *at = strstr(text.buf, start);
    if (!at)
        return KVM_UNKNOWN;
    at += strlen(start);
    if (str_starts(at, "yes\n"))
        return KVM_BOOTS;
    if (!str_starts(at, "no "))
        return KVM_UNKNOWN;
    if (why) {
        str_format(why, size, "%.*s", (int)strcspn(at + 3, "\n"), at + 3);
        str_printable(why);
    }
    return KVM_FAILS;
}

void qemu_kvm_remember(const struct site *s, const char *program_sha256, const char *kernel_sha256,
                       bool boots, const char *why)
{
    char path[192], start[200], boot[40];
    _cleanup_(str_release) struct str old = STR_INIT, text = STR_INIT;
    if (!names(s, program_sha256, kernel_sha256, path, start))
        return;
    str_format(boot, sizeof(boot), "%.36s", start);
    (void)file_read(path, MEMORY_MAX / 2, &old, NULL);
    for (const char *p = old.buf; *p;) {
        size_t n = strcspn(p, "\n");
        if (str_starts(p, boot) && !str_starts(p, start)) /* what earlier boots knew is void */
            str_addf(&text, "%.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
    str_addf(&text, "%s%s%s\n", start, boots ? "yes" : "no ", boots ? "" : why);
    /* A run that cannot write it asks again. */
    (void)file_replace(path, text.buf, text.len, 0600, NULL);
}

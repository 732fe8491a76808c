/* What /proc says of a process: its name is anybody's choice, and so are groups' names. */
#include "host/proctext.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *stat = xstrndup((const char *)data, size);
    _cleanup_free_ char *groups = xstrdup(stat);
    size_t room = strlen(groups);
    struct proc_entry e = {.pid = -7};
    if (proc_stat_parse(stat, &e)) {
        require(e.pid > 0 && strlen(e.comm) < sizeof(e.comm));
        for (const char *p = e.comm; *p; p++)
            require(*p >= ' ' && *p <= '~');
    } else {
        require(e.pid == -7);
    }
    size_t n = proc_groups_cut(groups);
    require(n <= room && strlen(groups) == n && (n == 0 || groups[n - 1] == '\n'));
    return 0;
}

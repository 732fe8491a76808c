/* Mount tables and CPU lists: names in them may be anybody's. */
#include "host/cpus.h"
#include "host/mountinfo.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    cpu_set_t set, again;
    if (cpus_parse(text, &set, NULL) == 0) {
        char back[8192];
        cpus_format(&set, back, sizeof(back));
        require(cpus_parse(back, &again, NULL) == 0 && CPU_EQUAL(&set, &again));
        require((cpus_from_end(&set, 0) < 0) == (cpus_count(&set) == 0));
        require(cpus_from_end(&set, cpus_count(&set)) < 0);
    }
    char *cursor = text;
    size_t room = strlen(text);
    for (struct mountinfo m; mountinfo_next(&cursor, &m);) {
        require(strlen(m.root) + strlen(m.point) + strlen(m.fstype) + strlen(m.super) <= room);
        (void)mountinfo_has_option(m.super, "cpu");
    }
    return 0;
}

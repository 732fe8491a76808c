/* Targets as typed: lines of any bytes. What parses has to survive being written and read again,
 * and labels made unique are. */
#include "model/target.h"

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define TARGETS 8

static const char *const drivers[] = {"host", "oci", "docker", "podman", "qemu"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct target *t)
{
    char text[TARGET_FORMAT_MAX];
    struct target back;
    target_format(t, text, sizeof(text));
    if (!target_label_ok(t->label) ||
        target_parse(text, drivers, ARRAY_SIZE(drivers), &back, NULL) < 0 ||
        !target_equal(t, &back))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup((const char *)data, size);
    struct target t[TARGETS];
    size_t n = 0;
    for (char *line = text, *end; line && n < TARGETS; line = end ? end + 1 : NULL) {
        struct err err = ERR_INIT;
        end = strchr(line, '\n');
        if (end)
            *end = '\0';
        int r = target_parse(line, drivers, ARRAY_SIZE(drivers), &t[n], &err);
        if (r < 0 ? err.kind != ERR_USAGE || !err.msg[0] : r != 0)
            abort();
        if (r == 0)
            check_round_trip(&t[n++]);
    }
    if (targets_make_unique(t, n, NULL) == 0) {
        for (size_t i = 0; i < n; i++) {
            check_round_trip(&t[i]);
            for (size_t k = 0; k < i; k++)
                if (str_eq(t[i].label, t[k].label))
                    abort();
        }
    }
    free(text);
    return 0;
}

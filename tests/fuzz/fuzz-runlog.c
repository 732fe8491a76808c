/* What a pod said: any lines. Whatever they are, no more is kept than the bounds allow, and a run
 * that comes of it is what its hash says. */
#include "fleet/runlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    struct runlogs logs = VEC_INIT;
    size_t n = strlen(text);

    (void)runlog_is_in(text, n);
    (void)runlogs_read(text, n, &logs, NULL);
    VEC_FOREACH (&logs, const struct runlog, one) {
        _cleanup_(str_release) struct str run = STR_INIT;
        struct fleet_machine m = {.status = -1};
        if (one->packed.len > RUNLOG_PACKED_MAX)
            abort();
        if (runlog_unpack(one, &run, NULL) == 0 && run.len > 0) {
            char hex[FS_SHA256_HEX];
            fs_sha256_bytes(run.buf, run.len, hex);
            if (!str_eq(hex, json_string_value(json_object_get(one->head, "sha256"))))
                abort();
        }
        (void)runlog_outcome(one, &m, NULL);
    }
    runlogs_release(&logs);
    return 0;
}

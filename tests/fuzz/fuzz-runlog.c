/* What a pod said: any lines. Whatever they are, no more is kept than the bounds allow, and a run
 * that comes of it is what its hash says. And what is written is what is read again. */
#include "fleet/runlog.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <sys/mman.h>

#define WRITTEN_MAX 20000 /* bytes of a run: some pieces */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_any(const uint8_t *data, size_t size)
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
}

static void write_and_read(const uint8_t *data, size_t size)
{
    _cleanup_(str_release) struct str run = STR_INIT, log = STR_INIT, again = STR_INIT;
    _cleanup_fd_ int fd = memfd_create("runlog", MFD_CLOEXEC);
    struct runlogs logs = VEC_INIT;
    json_t *head = json_object();

    str_addn(&run, (const char *)data, size);
    if (runlog_write(fd, "3fa9c2d1-2", head, &run, NULL) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
        fd_read_all(fd, 4 * WRITTEN_MAX, &log, NULL) < 0)
        abort();
    if (!runlog_is_in(log.buf, log.len) || runlogs_read(log.buf, log.len, &logs, NULL) < 0 ||
        logs.n != 1 || runlog_unpack(&logs.v[0], &again, NULL) < 0)
        abort();
    if (again.len != size || memcmp(again.buf, data, size) != 0)
        abort();
    runlogs_release(&logs);
    json_decref(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_any(data, size);
    if (size > 0 && size < WRITTEN_MAX)
        write_and_read(data, size);
    return 0;
}

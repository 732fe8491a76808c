#include "host/tracing.h"

#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <unistd.h>

const char *tracing_dir(void)
{
    if (access(TRACING_DIR "/instances", W_OK) == 0)
        return TRACING_DIR;
    return access(TRACING_DIR_DEBUG "/instances", W_OK) == 0 ? TRACING_DIR_DEBUG : NULL;
}

void tracing_instance_path(const char *name, char *dst, size_t size)
{
    const char *dir = tracing_dir();
    str_copy(dst, size, "");
    if (dir)
        str_format(dst, size, "%s/instances/%s", dir, name);
}

/* Somebody else may hold one of its files open: then it stays, but at least it records no more. */
int tracing_remove(const char *path, struct err *err)
{
    static const char *const switches[] = {"tracing_on", "events/enable"};
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
        _cleanup_free_ char *file = xasprintf("%s/%s", path, switches[i]);
        (void)file_write(file, "0", NULL);
    }
    if (rmdir(path) < 0)
        return errno == ENOENT ? 0 : err_errno(err, errno, "remove tracing instance %s", path);
    return 1;
}

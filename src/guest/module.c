/* Kernel modules, each by its file: nothing here knows what needs what; whoever made the list did.
 */
#include "guest/guest.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#define LIST_MAX 65536

static int load(const char *path, struct err *err)
{
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open module %s", path);
    if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
        return err_errno(err, errno, "load module %s", path);
    unlink(path); /* the initrd is the machine's memory */
    return 0;
}

int guest_load_modules(const char *list, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read(list, LIST_MAX, &text, err);
    char *rest = text.buf;
    for (char *path; r == 0 && (path = strsep(&rest, "\n"));)
        if (*path)
            r = load(path, err);
    return r;
}

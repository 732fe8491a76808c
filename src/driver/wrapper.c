#include "driver/wrapper.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "driver/command.h"

#include <errno.h>

static void add_quoted(struct str *to, const char *text)
{
    str_addc(to, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            str_add(to, "'\\''");
        else
            str_addc(to, *text);
    }
    str_addc(to, '\'');
}

/* Where a runtime is to see an empty tree instead of a part of the machine's: a mount namespace for
 * each of its calls, since crun leaves files in the cover, and since the daemon's own must be the
 * one in which sessions' file systems are mounted. */
static int add_cover(struct str *text, const char *path, struct err *err)
{
    char unshare[256], mount[256];
    if (fs_which("unshare", unshare, sizeof(unshare)) < 0 ||
        fs_which("mount", mount, sizeof(mount)) < 0)
        return err_set(err, ERR_UNSUPPORTED, ENOENT, "it needs unshare and mount here");
    str_add(text, "if [ -z \"$CUPEL_COVERED\" ]; then CUPEL_COVERED=1 exec ");
    add_quoted(text, unshare);
    str_add(text, " --mount --propagation slave \"$0\" \"$@\"; fi\n");
    add_quoted(text, mount);
    str_add(text, " -t tmpfs -o size=64k,mode=755,nosuid,nodev,noexec cupel ");
    add_quoted(text, path);
    str_add(text, " || exit 1\nunset CUPEL_COVERED\n");
    return 0;
}

int wrapper_write(const struct engine *e, const char *dir, const char *name, const char *network,
                  const char *cover, char ret_path[WRAPPER_PATH_MAX], struct err *err)
{
    const struct target_info *i = &e->info;
    struct command flags;
    str_copy(ret_path, WRAPPER_PATH_MAX, i->path);
    command_init(&flags, i->path, "");
    command_add_runtime_flags(&flags, e, network, NULL);
    if (flags.n == 1 && !cover)
        return 0;
    _cleanup_(str_release) struct str text = STR_INIT;
    str_add(&text, "#!/bin/sh\n");
    int r = cover ? add_cover(&text, cover, err) : 0;
    str_add(&text, "exec ");
    for (size_t k = 0; k < flags.n; k++) {
        add_quoted(&text, flags.argv[k]);
        str_addc(&text, ' ');
    }
    str_add(&text, "\"$@\"\n");
    if (r == 0 && !str_format(ret_path, WRAPPER_PATH_MAX, "%s/%s", dir, name))
        r = err_errno(err, ENAMETOOLONG, "name %s", name);
    return r < 0 ? r : file_replace(ret_path, text.buf, text.len, 0700, err);
}

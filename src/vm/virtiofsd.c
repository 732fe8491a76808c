#include "vm/virtiofsd.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>

#define ASK_NS (10 * NS_PER_S)

static const char *const places[] = {"virtiofsd", "/usr/lib/qemu/virtiofsd",
                                     "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"};

static int ask(struct loop *l, const char *path, const char *word, struct str *out, struct err *err)
{
    const char *argv[] = {path, word, NULL};
    return spawn_simple(l, argv, time_deadline(ASK_NS), out, err);
}

int virtiofsd_find(struct loop *l, struct virtiofsd *ret, struct err *err)
{
    struct virtiofsd v = {.cache = "auto"};
    _cleanup_(str_release) struct str version = STR_INIT, help = STR_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(places) && !v.path[0]; i++)
        (void)fs_which(places[i], v.path, sizeof(v.path));
    if (!v.path[0])
        return err_set(err, ERR_UNSUPPORTED, ENOENT,
                       "no virtiofsd here (package qemu-system-common or virtiofsd)");
    int r = ask(l, v.path, "--version", &version, err);
    if (r == 0)
        r = ask(l, v.path, "--help", &help, err);
    if (r < 0)
        return r;
    str_format(v.version, sizeof(v.version), "%.*s", (int)strcspn(version.buf, "\n"), version.buf);
    str_printable(v.version);
    v.rust = strstr(help.buf, "--shared-dir") != NULL;
    *ret = v;
    return 0;
}

/* A comma would begin the next option. */
static void escape(const char *text, struct str *ret)
{
    for (; *text; text++) {
        if (strchr(",\\", *text))
            str_addc(ret, '\\');
        str_addc(ret, *text);
    }
}

void virtiofsd_command(const struct virtiofsd *v, const char *dir, struct vm_command *ret)
{
    _cleanup_(str_release) struct str source = STR_INIT;
    vm_command_add(ret, "%s", v->path);
    vm_command_add(ret, "--fd=0");
    if (v->rust) {
        vm_command_add(ret, "--shared-dir=%s", dir);
        vm_command_add(ret, "--cache=%s", v->cache);
        vm_command_add(ret, "--log-level=error");
        return;
    }
    escape(dir, &source);
    vm_command_add(ret, "-o");
    vm_command_add(ret, "source=%s,cache=%s,log_level=err", source.buf, v->cache);
}

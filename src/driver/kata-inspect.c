/* What of Kata is here, for whichever driver asks: its command line (version 1), or its shim. */
#include "driver/kata.h"

#include "driver/containerd-words.h"
#include "driver/oci.h"

#include <errno.h>

static bool find_program(struct site *s, struct target_info *ret)
{
    struct err err = ERR_INIT;
    const char *name = ret->target.runtime;
    if (kata_find_runtime(name, ret->path, sizeof(ret->path)) < 0) {
        target_unusable(ret, ERR_UNSUPPORTED,
                        strchr(name, '/') ? "no program at %s" : "no %s on the PATH",
                        *name ? name : "kata-runtime");
        return false;
    }
    int r = fs_sha256(ret->path, ret->sha256, &err);
    if (r == 0)
        r = program_version(s, ret->path, ret->version, sizeof(ret->version), &err);
    if (r < 0) {
        target_unusable(ret, err.kind, "%s", err.msg);
        return false;
    }
    unsigned major = kata_major_version(ret->version);
    if (major == 0)
        target_unusable(ret, ERR_ENVIRONMENT, "%s calls itself \"%s\"", ret->path, ret->version);
    else if (major > 1)
        target_unusable(ret, ERR_UNSUPPORTED,
                        "%s has no OCI command line (Kata 1 had): containerd/kata is how it runs",
                        ret->version);
    return major == 1;
}

static bool take_config(struct target_info *ret, int r, const struct kata_config *config,
                        const struct err *err)
{
    if (r < 0) {
        target_unusable(ret, err->kind, "%s", err->msg);
        return false;
    }
    kata_platform(config, ret->platform, sizeof(ret->platform));
    str_copy(ret->reason, sizeof(ret->reason), config->path);
    return true;
}

void kata_inspect_runtime(struct site *s, const struct target *t, struct target_info *ret,
                          struct kata_config *config)
{
    struct err err = ERR_INIT;
    *ret = (struct target_info){.target = *t, .kind = "kata", .start_may_fail = true};
    if (!find_program(s, ret))
        return;
    int r = kata_config_find(s, ret->path, t, config, &err);
    ret->usable = take_config(ret, r, config, &err) && oci_check_machine(s, ret) &&
                  kata_check_host(ret, true);
    ret->emulated = !s->machine->kvm_device; /* with one, the session's proof tells */
}

/* ---- versions 2 and 3 ---- */

static bool find_shim(struct site *s, const char *type, struct target_info *ret)
{
    char program[96] = "", line[96];
    struct err err = ERR_INIT;
    if (!shim_program(type, program, sizeof(program))) {
        target_unusable(ret, ERR_USAGE, "%.80s is no type of a shim: io.containerd.NAME.vN", type);
        return false;
    }
    if (fs_which(program, ret->path, sizeof(ret->path)) < 0) {
        target_unusable(ret, ERR_UNSUPPORTED, "no %s on the PATH", program);
        return false;
    }
    if (fs_sha256(ret->path, ret->sha256, &err) < 0) {
        target_unusable(ret, err.kind, "%s", err.msg);
        return false;
    }
    /* "Kata Containers containerd shim: id: ..., version: 3.2.0, commit: ..." */
    if (program_version(s, ret->path, line, sizeof(line), NULL) == 0 && strstr(line, "version"))
        str_copy(ret->version, sizeof(ret->version), line);
    else
        str_format(ret->version, sizeof(ret->version), "shim %.12s", ret->sha256);
    return true;
}

static const char *strange_flag(const struct target *t)
{
    for (size_t i = 0; i < t->n_flags; i++)
        if (!str_eq(t->flags[i].name, KATA_CONFIG_FLAG))
            return t->flags[i].name;
    return NULL;
}

/* Nobody but a kata-runtime can say what is in a configuration. Without one the proof tells what
 * ran, and whether that is the platform that was asked for. */
static bool find_shim_config(struct site *s, const struct target *t, struct target_info *ret,
                             struct kata_config *config)
{
    char runtime[256];
    struct err err = ERR_INIT;
    if (kata_find_runtime("", runtime, sizeof(runtime)) == 0)
        return take_config(ret, kata_config_find(s, runtime, t, config, &err), config, &err);
    const char *named = kata_config_flag(t);
    *config = (struct kata_config){.path = ""};
    str_copy(ret->platform, sizeof(ret->platform), t->platform);
    if (named && !str_copy(config->path, sizeof(config->path), named)) {
        target_unusable(ret, ERR_USAGE, "config=%.80s...: too long", named);
        return false;
    }
    return true;
}

void kata_inspect_shim(struct site *s, const struct target *t, const char *type,
                       struct target_info *ret, struct kata_config *config)
{
    const char *strange = strange_flag(t);
    *ret = (struct target_info){.target = *t, .kind = "kata", .start_may_fail = true};
    if (strange)
        target_unusable(ret, ERR_USAGE, "Kata's shim takes no flag %s, only config=FILE", strange);
    else
        ret->usable = find_shim(s, type, ret) && find_shim_config(s, t, ret, config) &&
                      oci_check_machine(s, ret) && kata_check_host(ret, false);
    ret->emulated = !s->machine->kvm_device; /* with one, the session's proof tells */
}

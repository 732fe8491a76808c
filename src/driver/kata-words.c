#include "driver/kata-words.h"

#include "base/str.h"

#include <errno.h>
#include <jansson.h>

/* ---- kata-env ---- */

static bool take_text(json_t *part, const char *key, char *dst, size_t size)
{
    const char *text = json_string_value(json_object_get(part, key));
    if (!text || !str_copy(dst, size, text)) { /* half of a path is none */
        dst[0] = '\0';
        return false;
    }
    str_printable(dst);
    return true;
}

/* In the words that targets use. */
static void name_vmm(const char *hypervisor, char *dst, size_t size)
{
    const char *slash = strrchr(hypervisor, '/');
    const char *base = slash ? slash + 1 : hypervisor;
    str_format(dst, size, "%.*s", (int)size - 1,
               strstr(base, "qemu")               ? "qemu"
               : strstr(base, "cloud-hypervisor") ? "clh"
               : strstr(base, "firecracker")      ? "fc"
                                                  : base);
}

static void name_shared_fs(const char *kata, char *dst, size_t size)
{
    str_format(dst, size, "%.*s", (int)size - 1,
               str_eq(kata, "virtio-9p")   ? "9p"
               : str_eq(kata, "virtio-fs") ? "virtiofs"
               : *kata                     ? kata
                                           : "none");
}

int kata_config_parse(const char *text, size_t n, struct kata_config *ret, struct err *err)
{
    struct kata_config c = {.path = ""};
    char shared[64] = "";
    json_error_t why;
    json_t *env = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    json_t *hypervisor = json_object_get(env, "Hypervisor"),
           *runtime = json_object_get(env, "Runtime");
    const char *missing = NULL;
    if (!take_text(json_object_get(runtime, "Config"), "Path", c.path, sizeof(c.path)))
        missing = "Runtime.Config.Path";
    else if (!take_text(hypervisor, "Path", c.hypervisor, sizeof(c.hypervisor)))
        missing = "Hypervisor.Path";
    else if (!take_text(hypervisor, "SharedFS", shared, sizeof(shared)))
        missing = "Hypervisor.SharedFS";
    take_text(hypervisor, "VirtioFSDaemon", c.virtiofsd, sizeof(c.virtiofsd));
    take_text(json_object_get(env, "Kernel"), "Path", c.kernel, sizeof(c.kernel));
    take_text(json_object_get(env, "Image"), "Path", c.image, sizeof(c.image));
    if (!c.image[0])
        take_text(json_object_get(env, "Initrd"), "Path", c.image, sizeof(c.image));
    c.sandbox_cgroup_only = json_is_true(json_object_get(runtime, "SandboxCgroupOnly"));
    bool parsed = env != NULL;
    json_decref(env);
    if (!parsed)
        return err_set(err, ERR_ENVIRONMENT, EBADMSG, "kata-env printed no JSON");
    if (missing)
        return err_set(err, ERR_ENVIRONMENT, EBADMSG, "kata-env does not tell %s", missing);
    name_vmm(c.hypervisor, c.vmm, sizeof(c.vmm));
    name_shared_fs(shared, c.shared_fs, sizeof(c.shared_fs));
    *ret = c;
    return 0;
}

void kata_platform(const struct kata_config *c, char *dst, size_t size)
{
    str_format(dst, size, "%s-%s", c->vmm, c->shared_fs);
}

/* ---- names ---- */

unsigned kata_major_version(const char *line)
{
    static const char name[] = "kata-runtime";
    if (!str_starts(line, name))
        return 0;
    line += sizeof(name) - 1;
    line += strspn(line, " :");
    unsigned long major = strtoul(line, NULL, 10);
    return major < 1000 ? (unsigned)major : 0;
}

bool kata_is_shim(const char *type)
{
    return str_starts(type, "io.containerd.kata.") || str_starts(type, "io.containerd.kata-");
}

const char *kata_shim_type(const char *runtime)
{
    return str_eq(runtime, "kata") ? KATA_SHIM : kata_is_shim(runtime) ? runtime : NULL;
}

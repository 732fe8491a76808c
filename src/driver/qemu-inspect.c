#include "driver/qemu.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "driver/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>

/* ---- the flags of a target ---- */

static int read_root(const struct target *t, enum vm_root *ret, struct err *err)
{
    *ret = VM_ROOT_VIRTIOFS;
    if (!t->platform[0])
        return 0;
    for (int i = 0; i < VM_ROOT_COUNT; i++) {
        if (str_eq(t->platform, vm_root_name((enum vm_root)i))) {
            *ret = (enum vm_root)i;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, EINVAL, "its files come by virtiofs, 9p or block, not by %s",
                   t->platform);
}

static int read_accel(struct qemu_options *o, const char *value, struct err *err)
{
    for (int a = 0; a < VM_ACCEL_COUNT; a++) {
        if (str_eq(value, vm_accel_name((enum vm_accel)a))) {
            o->accel_given = true;
            o->accel = (enum vm_accel)a;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, EINVAL, "accel is kvm or tcg, not %s", value);
}

static int read_cache(struct qemu_options *o, const char *value, struct err *err)
{
    static const char *const known[] = {"auto", "always", "none"};
    if (o->root != VM_ROOT_VIRTIOFS)
        return err_set(err, ERR_USAGE, EINVAL, "cache is virtiofsd's: there is none for %s",
                       vm_root_name(o->root));
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_eq(value, known[i]))
            return str_copy(o->cache, sizeof(o->cache), value) ? 0 : -EINVAL;
    return err_set(err, ERR_USAGE, EINVAL, "cache is auto, always or none, not %s", value);
}

static int read_memory(struct qemu_options *o, const char *value, struct err *err)
{
    int r = parse_size_bytes(value, "memory", &o->memory_bytes, err);
    if (r == 0 && (o->memory_bytes < GUEST_MEMORY_LEAST || o->memory_bytes > GUEST_MEMORY_MOST))
        r = err_set(err, ERR_USAGE, ERANGE, "memory is between %llu MiB and %llu GiB",
                    (unsigned long long)(GUEST_MEMORY_LEAST >> 20),
                    (unsigned long long)(GUEST_MEMORY_MOST >> 30));
    return r;
}

static int read_flag(struct qemu_options *o, const struct target_flag *f, struct err *err)
{
    if (str_eq(f->name, "accel"))
        return read_accel(o, f->value, err);
    if (str_eq(f->name, "cache"))
        return read_cache(o, f->value, err);
    if (str_eq(f->name, "memory"))
        return read_memory(o, f->value, err);
    if (str_eq(f->name, "kernel") && f->value[0] == '/')
        return str_copy(o->kernel, sizeof(o->kernel), f->value) ? 0 : -EINVAL;
    if (str_eq(f->name, "kernel"))
        return err_set(err, ERR_USAGE, EINVAL, "kernel is an absolute path");
    if (str_eq(f->name, "machine") && str_copy(o->machine, sizeof(o->machine), f->value))
        return 0;
    return err_set(err, ERR_USAGE, EINVAL,
                   "no flag %s=%s: there are kernel, memory, accel, machine and cache", f->name,
                   f->value);
}

int qemu_options_read(const struct target *t, struct qemu_options *ret, struct err *err)
{
    struct qemu_options o = {.cache = "auto"};
    int r = read_root(t, &o.root, err);
    for (size_t i = 0; r == 0 && i < t->n_flags; i++)
        r = read_flag(&o, &t->flags[i], err);
    if (r == 0)
        *ret = o;
    return r;
}

/* ---- what is here ---- */

int qemu_find_init(const struct site *s, char *dst, size_t size, struct err *err)
{
    static const char *const places[] = {"", "../guest/"}; /* installed; in a build tree */
    const char *probe = s->programs.path[PROGRAM_PROBE];
    _cleanup_free_ char *copy = xstrdup(probe);
    const char *dir = dirname(copy);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        char path[300];
        if (str_format(path, sizeof(path), "%s/%scupel-guest", dir, places[i]) &&
            fs_which(path, dst, size) == 0)
            return 0;
    }
    return err_set(err, ERR_ENVIRONMENT, ENOENT, "cupel-guest is not beside %s", probe);
}

static int find_program(const struct target *t, struct target_info *ret, struct err *err)
{
    const struct vmm *v = &vmm_qemu;
    const char *name = t->runtime[0] ? t->runtime : v->program;
    if (fs_which(name, ret->path, sizeof(ret->path)) == 0)
        return fs_sha256(ret->path, ret->sha256, err);
    if (t->runtime[0] || !v->package)
        return err_set(err, ERR_UNSUPPORTED, ENOENT,
                       strchr(name, '/') ? "no program at %s" : "no %s on the PATH", name);
    return err_set(err, ERR_UNSUPPORTED, ENOENT, "no %s on the PATH (package %s)", name,
                   v->package);
}

/* The kernel, as far as it can be looked at without fetching it. */
static int look_at_kernel(const struct site *s, const struct qemu_options *o,
                          struct vm_kernel *kernel, char *remark, size_t size, struct err *err)
{
    struct vm_wanted wanted = {.root = o->root, .path = o->kernel[0] ? o->kernel : NULL};
    char package[64];
    int r = vm_kernel_have(s->keep, &wanted, kernel, err);
    if (r != -ENOENT || o->kernel[0])
        return r;
    *kernel = (struct vm_kernel){.image = ""};
    r = vm_kernel_package(o->root, package, err);
    if (r == 0)
        str_format(remark, size, "its kernel, %s, is fetched when it is first started", package);
    return r;
}

/* KVM where it boots, else emulation. */
static int look_at_accel(const struct site *s, const struct qemu_options *o,
                         const struct vmm_facts *facts, const struct vm_kernel *kernel,
                         struct target_info *ret, char *remark, size_t size, struct err *err)
{
    int denied = qemu_kvm_open();
    bool wants_kvm = o->accel_given && o->accel == VM_ACCEL_KVM;
    if (wants_kvm && (denied < 0 || !facts->accel[VM_ACCEL_KVM]))
        return err_set(err, ERR_UNSUPPORTED, denied < 0 ? -denied : ENOTSUP,
                       denied < 0 ? "/dev/kvm cannot be opened: %s" : "this build has no KVM%s",
                       denied < 0 ? strerror(-denied) : "");
    if (!wants_kvm && !facts->accel[VM_ACCEL_TCG] && !facts->accel[VM_ACCEL_KVM])
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "this build has neither TCG nor KVM");
    if (o->accel_given) {
        ret->emulated = !wants_kvm;
        return 0;
    }
    if (denied < 0 || !facts->accel[VM_ACCEL_KVM]) {
        ret->emulated = true;
        str_format(remark, size,
                   denied < 0 ? "/dev/kvm cannot be opened (%s)" : "this build has no KVM%s",
                   denied < 0 ? strerror(-denied) : "");
        return 0;
    }
    char why[160];
    enum kvm_says says = qemu_kvm_recall(s, ret->sha256, kernel->sha256, why, sizeof(why));
    ret->emulated = says == KVM_FAILS;
    if (says == KVM_FAILS)
        str_format(remark, size, "KVM does not boot it here (%s)", why);
    else if (says == KVM_UNKNOWN)
        str_copy(remark, size, "whether KVM boots it is tried when it is first started");
    return 0;
}

static int look(struct site *s, const struct target *t, struct target_info *ret, struct err *err)
{
    struct qemu_options o;
    struct vmm_facts facts;
    struct virtiofsd server;
    struct vm_kernel kernel;
    char init[256], fetch[120] = "", accel[160] = "";
    int r = qemu_options_read(t, &o, err);
    if (r == 0)
        r = find_program(t, ret, err);
    if (r == 0)
        r = vmm_qemu.ask(s->loop, ret->path, o.machine, &facts, err);
    if (r == 0)
        str_copy(ret->version, sizeof(ret->version), facts.version);
    if (r == 0 && o.root == VM_ROOT_VIRTIOFS)
        r = virtiofsd_find(s->loop, &server, err);
    if (r == 0 && s->programs.path[PROGRAM_PROBE][0])
        r = qemu_find_init(s, init, sizeof(init), err);
    if (r < 0)
        return r;
    str_copy(ret->platform, sizeof(ret->platform), vm_root_name(o.root));
    r = look_at_kernel(s, &o, &kernel, fetch, sizeof(fetch), err);
    if (r == 0)
        r = look_at_accel(s, &o, &facts, &kernel, ret, accel, sizeof(accel), err);
    if (r == 0)
        str_format(ret->reason, sizeof(ret->reason), "%s%s%s", accel, *accel && *fetch ? "; " : "",
                   fetch);
    return r;
}

void qemu_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    struct err err = ERR_INIT;
    *ret = (struct target_info){.target = *t, .kind = "qemu"};
    if (look(s, t, ret, &err) < 0)
        target_unusable(ret, err.kind, "%s", err.msg);
    else
        ret->usable = oci_check_machine(s, ret);
}

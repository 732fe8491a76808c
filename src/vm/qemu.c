/* QEMU: its machine `microvm`, which has no PCI and boots a kernel at once; q35 where a build has
 * no microvm.
 *
 * What the command line insists on, and why:
 *   memory-backend-memfd,share=on   a file server on the host reads the guest's memory
 *   force-legacy=false              virtiofsd speaks version 1 of virtio alone
 *   rtc, pit, pic                   without them a kernel whose CPU is emulated hangs now and then,
 *   no_timer_check, tsc_early_khz   and so it does when it has to measure its own clocks
 *   tsc=reliable                    else two emulated CPUs share a clock that steps by 4 ms
 *   -cpu max                        the only emulated CPU with one-shot timers
 *   -no-reboot, panic=-1            a kernel that panics ends QEMU */
#include "vm/vmm.h"

#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>

#define ASK_NS (10 * NS_PER_S)

/* Of translated code, where the CPU is emulated: by default QEMU takes a share of the guest's
 * memory. */
#define TCG_BUFFER_MIB 128

#if defined(__x86_64__)
#define PROGRAM "qemu-system-x86_64"
#define PACKAGE "qemu-system-x86"
#define CONSOLE "ttyS0"
static const char *const machines[] = {"microvm", "q35", NULL};
#else
#define PROGRAM "qemu-system"
#define PACKAGE NULL
#define CONSOLE "ttyS0"
static const char *const machines[] = {NULL};
#endif

/* ---- what a build can do ---- */

static int ask_for(struct loop *l, const char *path, const char *a, const char *b, struct str *out,
                   struct err *err)
{
    const char *argv[] = {path, a, b, NULL};
    return spawn_simple(l, argv, time_deadline(ASK_NS), out, err);
}

/* Is there a line that begins with this word? */
static bool lists(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strncmp(p, word, n) == 0 && strchr(" \r\n", p[n]))
            return true;
    return false;
}

static int pick_machine(const char *text, const char *path, const char *wanted,
                        struct vmm_facts *ret, struct err *err)
{
    for (size_t i = 0; machines[i]; i++) {
        if ((!*wanted || str_eq(wanted, machines[i])) && lists(text, machines[i])) {
            str_copy(ret->machine, sizeof(ret->machine), machines[i]);
            return 0;
        }
    }
    if (!machines[0])
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "no machine of QEMU's is known for this kind of CPU");
    return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%s has no machine %s", path,
                   *wanted ? wanted : "microvm or q35");
}

static int qemu_ask(struct loop *l, const char *path, const char *machine, struct vmm_facts *ret,
                    struct err *err)
{
    _cleanup_(str_release) struct str version = STR_INIT, has = STR_INIT, accels = STR_INIT;
    struct vmm_facts f = {.version = ""};
    int r = ask_for(l, path, "--version", NULL, &version, err);
    if (r == 0)
        r = ask_for(l, path, "-machine", "help", &has, err);
    if (r == 0)
        r = ask_for(l, path, "-accel", "help", &accels, err);
    if (r == 0)
        r = pick_machine(has.buf, path, machine, &f, err);
    if (r < 0)
        return r;
    str_format(f.version, sizeof(f.version), "%.*s", (int)strcspn(version.buf, "\n"), version.buf);
    str_printable(f.version);
    if (!str_starts(f.version, "QEMU emulator"))
        return err_set(err, ERR_ENVIRONMENT, EBADMSG, "%s calls itself \"%.60s\"", path, f.version);
    for (int a = 0; a < VM_ACCEL_COUNT; a++)
        f.accel[a] = lists(accels.buf, vm_accel_name((enum vm_accel)a));
    *ret = f;
    return 0;
}

/* ---- its command line ---- */

static void add_all(struct vm_command *c, const char *const *words)
{
    for (; *words; words++)
        vm_command_add(c, "%s", *words);
}

static bool is_microvm(const struct vm_shape *s)
{
    return str_eq(s->machine, "microvm");
}

/* "device" behind the machine's own bus, "pci" behind PCI. */
static const char *bus(const struct vm_shape *s)
{
    return is_microvm(s) ? "device" : "pci";
}

static void add_machine(struct vm_command *c, const struct vm_shape *s)
{
    static const char *const fixed[] = {"-nodefaults", "-no-user-config", "-nographic",
                                        "-no-reboot", NULL};
    vm_command_add(c, "-name");
    vm_command_add(c, "%s", s->name);
    add_all(c, fixed);
    vm_command_add(c, "-machine");
    vm_command_add(c, "%s,%susb=off,memory-backend=mem", s->machine,
                   is_microvm(s) ? "acpi=on,pcie=off,rtc=on,pit=on,pic=on," : "");
    vm_command_add(c, "-accel");
    if (s->accel == VM_ACCEL_TCG)
        vm_command_add(c, "tcg,tb-size=%d", TCG_BUFFER_MIB);
    else
        vm_command_add(c, "%s", vm_accel_name(s->accel));
    vm_command_add(c, "-cpu");
    vm_command_add(c, "%s", s->accel == VM_ACCEL_TCG ? "max" : "host");
    vm_command_add(c, "-smp");
    vm_command_add(c, "%u", s->cpus);
    vm_command_add(c, "-m");
    vm_command_add(c, "%lluk", (unsigned long long)(s->memory_bytes >> 10));
    vm_command_add(c, "-object");
    vm_command_add(c, "memory-backend-memfd,id=mem,size=%lluk,share=on",
                   (unsigned long long)(s->memory_bytes >> 10));
    if (is_microvm(s)) {
        vm_command_add(c, "-global");
        vm_command_add(c, "virtio-mmio.force-legacy=false");
    }
}

static void add_kernel(struct vm_command *c, const struct vm_shape *s)
{
    char tsc[64] = "";
    if (s->accel == VM_ACCEL_TCG && s->tsc_khz)
        str_format(tsc, sizeof(tsc), " tsc=reliable tsc_early_khz=%u", s->tsc_khz);
    vm_command_add(c, "-kernel");
    vm_command_add(c, "%s", s->kernel);
    vm_command_add(c, "-initrd");
    vm_command_add(c, "%s", s->initrd);
    vm_command_add(c, "-append");
    vm_command_add(c, "quiet panic=-1 no_timer_check console=" CONSOLE "%s %s", tsc, s->words);
}

/* QEMU opens these anew: pipes do not mind. */
static void add_ports(struct vm_command *c, const struct vm_shape *s)
{
    static const char *const fixed[] = {"-chardev", "stdio,id=frames,signal=off",
                                        "-chardev", "file,id=errors,path=/dev/stderr",
                                        "-chardev", "file,id=console,path=" VM_CONSOLE,
                                        "-serial",  "chardev:console",
                                        "-device",  NULL};
    add_all(c, fixed);
    vm_command_add(c, "virtio-serial-%s", bus(s));
    vm_command_add(c, "-device");
    vm_command_add(c, "virtserialport,chardev=frames,name=cupel.frames");
    vm_command_add(c, "-device");
    vm_command_add(c, "virtserialport,chardev=errors,name=cupel.errors");
}

/* tag: what the guest knows it by. */
static void add_share(struct vm_command *c, const struct vm_shape *s, const char *tag,
                      const char *source)
{
    if (s->root == VM_ROOT_VIRTIOFS) {
        vm_command_add(c, "-chardev");
        vm_command_add(c, "socket,id=%s,path=%s", tag, source);
        vm_command_add(c, "-device");
        vm_command_add(c, "vhost-user-fs-%s,chardev=%s,tag=%s", bus(s), tag, tag);
    } else if (s->root == VM_ROOT_9P) {
        vm_command_add(c, "-fsdev");
        vm_command_add(c, "local,id=%s,path=%s,security_model=passthrough,multidevs=remap", tag,
                       source);
        vm_command_add(c, "-device");
        vm_command_add(c, "virtio-9p-%s,fsdev=%s,mount_tag=%s", bus(s), tag, tag);
    } else {
        vm_command_add(c, "-drive");
        vm_command_add(c, "if=none,id=%s,format=raw,file=%s%s", tag, source,
                       str_eq(tag, "root") ? ",readonly=on" : "");
        vm_command_add(c, "-device");
        vm_command_add(c, "virtio-blk-%s,drive=%s,serial=%s", bus(s), tag, tag);
    }
}

static void add_network(struct vm_command *c, const struct vm_shape *s)
{
    vm_command_add(c, "-netdev");
    vm_command_add(c, "tap,id=net,ifname=%s,script=no,downscript=no", s->tap);
    vm_command_add(c, "-device");
    vm_command_add(c, "virtio-net-%s,netdev=net,mac=%s", bus(s), s->mac);
}

static void qemu_command(const struct vm_shape *s, struct vm_command *ret)
{
    vm_command_add(ret, "%s", s->program);
    add_machine(ret, s);
    add_kernel(ret, s);
    add_ports(ret, s);
    add_share(ret, s, "root", s->root_source);
    if (s->data_source)
        add_share(ret, s, "data", s->data_source);
    if (s->tap)
        add_network(ret, s);
}

/* cache=mmap: without it nothing can be mapped writable; what is read is always the host's, as with
 * virtiofsd's cache=auto after a second. */
static const char *qemu_mount_options(enum vm_root root)
{
    return root == VM_ROOT_9P ? "trans=virtio,version=9p2000.L,msize=524288,cache=mmap" : "";
}

const struct vmm vmm_qemu = {
    .name = "qemu",
    .package = PACKAGE,
    .program = PROGRAM,
    .ask = qemu_ask,
    .command = qemu_command,
    .mount_options = qemu_mount_options,
};

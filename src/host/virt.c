#include "host/virt.h"

#include "base/fd.h"
#include "host/proc.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

struct hint {
    const char *text, *name;
};

static const char *match(const char *text, const struct hint *hints, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(text, hints[i].text))
            return hints[i].name;
    return NULL;
}

/* The signature hypervisors put at leaf 0x40000000: works without any file of /sys. */
static const char *from_cpuid(void)
{
#if defined(__x86_64__) || defined(__i386__)
    static const struct hint hints[] = {
        {"KVMKVMKVM", "kvm"},        {"Microsoft Hv", "hyperv"}, {"VMwareVMware", "vmware"},
        {"XenVMMXenVMM", "xen"},     {"TCGTCGTCGTCG", "qemu"},   {"bhyve bhyve ", "bhyve"},
        {"ACRNACRNACRN", "acrn"},    {"QNXQVMBSQG", "qnx"},      {"VBoxVBoxVBox", "virtualbox"},
        {"prl hyperv", "parallels"},
    };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 31)))
        return NULL;
    __cpuid(0x40000000, a, b, c, d);
    const unsigned words[3] = {b, c, d};
    char signature[sizeof(words) + 1] = "";
    memcpy(signature, words, sizeof(words));
    const char *name = match(signature, hints, ARRAY_SIZE(hints));
    return name ? name : "vm";
#else
    return NULL;
#endif
}

static const char *from_firmware(void)
{
    static const struct hint hints[] = {
        {"QEMU", "qemu"},
        {"KVM", "kvm"},
        {"VMware", "vmware"},
        {"VirtualBox", "virtualbox"},
        {"innotek", "virtualbox"},
        {"Xen", "xen"},
        {"Virtual Machine", "hyperv"},
        {"Parallels", "parallels"},
        {"Bochs", "bochs"},
        {"Amazon EC2", "kvm"},
        {"Google Compute", "kvm"},
        {"OpenStack", "kvm"},
        {"linux,kvm", "kvm"},
        {"linux,dummy-virt", "qemu"},
    };
    static const char *const files[] = {
        "/sys/class/dmi/id/product_name",          "/sys/class/dmi/id/sys_vendor",
        "/sys/class/dmi/id/board_vendor",          "/sys/class/dmi/id/bios_vendor",
        "/proc/device-tree/hypervisor/compatible", "/proc/device-tree/compatible",
    };
    char line[256];
    if (file_read_line("/sys/hypervisor/type", line, sizeof(line)) == 0 && str_starts(line, "xen"))
        return "xen";
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        if (file_read_line(files[i], line, sizeof(line)) < 0)
            continue;
        /* Amazon's machines without a hypervisor bear the same vendor. */
        const char *name = strstr(line, ".metal") ? NULL : match(line, hints, ARRAY_SIZE(hints));
        if (name)
            return name;
    }
    return NULL;
}

static bool is_wsl(void)
{
    char line[256];
    return file_read_line("/proc/sys/kernel/osrelease", line, sizeof(line)) == 0 &&
           (strstr(line, "microsoft") || strstr(line, "Microsoft") || strstr(line, "WSL"));
}

/* What calls itself a container: files that engines leave, and names in the path of process 1. */
static const char *container_hint(void)
{
    static const struct hint hints[] = {
        {"kubepods", "kubernetes"},
        {"docker", "docker"},
        {"libpod", "podman"},
        {"lxc", "lxc"},
        {"machine.slice", "systemd-nspawn"},
        {"containerd", "containerd"},
    };
    if (access("/run/.containerenv", F_OK) == 0)
        return "podman";
    if (access("/.dockerenv", F_OK) == 0)
        return "docker";
    char line[256];
    if (file_read_line("/run/systemd/container", line, sizeof(line)) == 0 && line[0])
        return match(line, hints, ARRAY_SIZE(hints)) ? match(line, hints, ARRAY_SIZE(hints))
                                                     : "container";
    _cleanup_(str_release) struct str text = STR_INIT;
    if (file_read("/proc/1/cgroup", 65536, &text, NULL) < 0)
        return NULL;
    return match(text.buf, hints, ARRAY_SIZE(hints));
}

/* Inode numbers that the kernel gives to the first namespaces (include/linux/proc_ns.h). */
static bool has_own_namespaces(void)
{
    static const struct {
        const char *name;
        uint64_t first;
    } known[] = {{"pid", 0xEFFFFFFC}, {"uts", 0xEFFFFFFE}, {"ipc", 0xEFFFFFFF}};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        uint64_t inode = proc_ns_inode(getpid(), known[i].name);
        if (inode != 0 && inode != known[i].first)
            return true;
    }
    return false;
}

void virt_detect(char *dst, size_t size, bool *ret_container)
{
    const char *machine = from_cpuid();
    if (!machine || str_eq(machine, "vm")) {
        const char *better = from_firmware();
        machine = better ? better : machine;
    }
    if (is_wsl())
        machine = "wsl";
    /* Both are asked for: a virtual machine may boot an image that was made as a container's, and a
     * service of systemd may have a namespace or two of its own. */
    const char *engine = container_hint();
    bool container = engine && has_own_namespaces();
    str_copy(dst, size, machine ? machine : container ? engine : "none");
    *ret_container = container;
}

#include "host/machine.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "host/cpus.h"
#include "host/virt.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define CLOCK_BATCHES 101
#define CLOCK_CALLS   64

/* --- small readers: absent is "" or 0 --- */

static void read_text(const char *path, char *dst, size_t size)
{
    char line[4096];
    if (file_read_line(path, line, sizeof(line)) < 0)
        line[0] = '\0';
    str_copy(dst, size, str_strip(line));
    str_printable(dst);
}

/* Text behind "key" and the separator of the first line that begins with key. */
static bool find_line(const char *text, const char *key, char separator, char *dst, size_t size)
{
    size_t n = strlen(key);
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        const char *p = line + n;
        if (len > n && strncmp(line, key, n) == 0) {
            while (*p == ' ' || *p == '\t')
                p++;
            if (*p == separator) {
                _cleanup_free_ char *value = xstrndup(p + 1, (size_t)(line + len - p - 1));
                str_copy(dst, size, str_strip(value));
                str_printable(dst);
                return true;
            }
        }
        line += len + (line[len] == '\n');
    }
    return false;
}

static void read_os(struct machine *m)
{
    static const char *const paths[] = {"/etc/os-release", "/usr/lib/os-release"};
    for (size_t i = 0; i < ARRAY_SIZE(paths) && !m->os[0]; i++) {
        _cleanup_(str_release) struct str text = STR_INIT;
        char value[128];
        if (file_read(paths[i], 65536, &text, NULL) < 0 ||
            !find_line(text.buf, "PRETTY_NAME", '=', value, sizeof(value)))
            continue;
        char *p = value;
        size_t n = strlen(p);
        if (n >= 2 && (p[0] == '"' || p[0] == '\'') && p[n - 1] == p[0]) {
            p[n - 1] = '\0';
            p++;
        }
        str_copy(m->os, sizeof(m->os), p);
    }
}

static void read_kernel(struct machine *m)
{
    struct utsname u;
    if (uname(&u) == 0) {
        str_copy(m->hostname, sizeof(m->hostname), u.nodename);
        str_copy(m->kernel, sizeof(m->kernel), u.release);
        str_copy(m->kernel_version, sizeof(m->kernel_version), u.version);
        str_copy(m->arch, sizeof(m->arch), u.machine);
        str_printable(m->hostname);
        str_printable(m->kernel);
        str_printable(m->kernel_version);
    }
    read_text("/proc/cmdline", m->cmdline, sizeof(m->cmdline));
    struct timespec up;
    if (clock_gettime(CLOCK_BOOTTIME, &up) == 0)
        m->uptime_s = (uint64_t)up.tv_sec;
}

static void read_cpu(struct machine *m)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    /* One processor's part is enough; a file longer than the bound is one of very many processors.
     */
    if (file_read("/proc/cpuinfo", 16 << 20, &text, NULL) == 0) {
        if (!find_line(text.buf, "model name", ':', m->cpu_model, sizeof(m->cpu_model)) &&
            !find_line(text.buf, "cpu model", ':', m->cpu_model, sizeof(m->cpu_model)))
            find_line(text.buf, "Hardware", ':', m->cpu_model, sizeof(m->cpu_model));
        find_line(text.buf, "microcode", ':', m->microcode, sizeof(m->microcode));
    }
    if (!m->cpu_model[0])
        read_text("/proc/device-tree/model", m->cpu_model, sizeof(m->cpu_model));
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    m->cpus_online = online > 0 ? (unsigned)online : 1;
    cpu_set_t usable;
    if (cgroup_usable_cpus(&m->cgroups, &usable, NULL) == 0)
        m->cpus_usable = (unsigned)cpus_count(&usable);
    char siblings[256];
    cpu_set_t set;
    read_text("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", siblings,
              sizeof(siblings));
    if (siblings[0] && cpus_parse(siblings, &set, NULL) == 0)
        m->threads_per_core = (unsigned)cpus_count(&set);
}

static uint64_t meminfo(const char *text, const char *key)
{
    char value[64];
    return find_line(text, key, ':', value, sizeof(value)) ? strtoull(value, NULL, 10) * 1024 : 0;
}

static void read_memory(struct machine *m)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    if (file_read("/proc/meminfo", 65536, &text, NULL) == 0) {
        m->memory_bytes = meminfo(text.buf, "MemTotal");
        m->available_bytes = meminfo(text.buf, "MemAvailable");
        m->swap_bytes = meminfo(text.buf, "SwapTotal");
        m->huge_page_bytes = meminfo(text.buf, "Hugepagesize");
    }
    long page = sysconf(_SC_PAGESIZE);
    m->page_bytes = page > 0 ? (uint64_t)page : 0;
}

static void read_llc(struct machine *m)
{
    uint64_t best_level = 0;
    for (int i = 0; i < 16; i++) {
        char path[96], size[32], type[32];
        uint64_t level, bytes;
        str_format(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
        if (file_read_u64(path, &level) < 0)
            continue;
        str_format(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        read_text(path, type, sizeof(type));
        str_format(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        read_text(path, size, sizeof(size));
        if (level <= best_level || str_eq(type, "Instruction") ||
            parse_size_bytes(size, "cache", &bytes, NULL) < 0)
            continue;
        best_level = level;
        m->llc_bytes = bytes;
    }
    static const int names[] = {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE,
                                _SC_LEVEL2_CACHE_SIZE};
    for (size_t i = 0; i < ARRAY_SIZE(names) && m->llc_bytes == 0; i++) {
        long bytes = sysconf(names[i]);
        m->llc_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    }
}

/* "always [madvise] never" -> "madvise" */
static void read_choice(const char *path, char *dst, size_t size)
{
    char line[256];
    read_text(path, line, sizeof(line));
    char *from = strchr(line, '['), *to = from ? strchr(from, ']') : NULL;
    if (to) {
        *to = '\0';
        str_copy(dst, size, from + 1);
    } else {
        str_copy(dst, size, line);
    }
}

/* How many of the known weaknesses are mitigated, and how many are open: "4 mitigated, 2
 * vulnerable". */
static void read_mitigations(struct machine *m)
{
    static const char path[] = "/sys/devices/system/cpu/vulnerabilities";
    unsigned mitigated = 0, vulnerable = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *d; (d = readdir(dir));) {
        char file[sizeof(path) + 260], line[128];
        str_format(file, sizeof(file), "%s/%s", path, d->d_name);
        if (d->d_name[0] == '.')
            continue;
        read_text(file, line, sizeof(line));
        mitigated += str_starts(line, "Mitigation");
        vulnerable += str_starts(line, "Vulnerable");
    }
    closedir(dir);
    str_format(m->mitigations, sizeof(m->mitigations), "%u mitigated, %u vulnerable%s", mitigated,
               vulnerable, strstr(m->cmdline, "mitigations=off") ? " (mitigations=off)" : "");
}

static void read_knobs(struct machine *m)
{
    read_choice("/sys/kernel/mm/transparent_hugepage/enabled", m->thp, sizeof(m->thp));
    read_text("/sys/kernel/mm/ksm/run", m->ksm, sizeof(m->ksm));
    read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", m->governor,
              sizeof(m->governor));
    read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource", m->clocksource,
              sizeof(m->clocksource));
    read_mitigations(m);
    m->psi = access("/proc/pressure/cpu", R_OK) == 0;
    m->is_root = geteuid() == 0;
    _cleanup_fd_ int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    m->kvm_device = kvm >= 0;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t clock_cost_ns(void)
{
    uint64_t batch[CLOCK_BATCHES];
    struct timespec ts;
    for (size_t i = 0; i < CLOCK_BATCHES; i++) {
        uint64_t start = time_mono_ns();
        for (size_t k = 0; k < CLOCK_CALLS; k++)
            clock_gettime(CLOCK_MONOTONIC, &ts);
        batch[i] = time_mono_ns() - start;
    }
    qsort(batch, CLOCK_BATCHES, sizeof(batch[0]), compare_u64);
    return (batch[CLOCK_BATCHES / 2] + CLOCK_CALLS / 2) / CLOCK_CALLS;
}

/* The machine's own id must not leave it (machine-id(5)), so it is hashed with a salt. */
static void make_id(struct machine *m)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    char id[128];
    str_add(&text, "cupel ");
    read_text("/etc/machine-id", id, sizeof(id));
    if (!id[0])
        read_text("/var/lib/dbus/machine-id", id, sizeof(id));
    if (id[0] && !str_eq(id, "uninitialized")) {
        str_add(&text, id);
    } else {
        char uuid[128], serial[128];
        read_text("/sys/class/dmi/id/product_uuid", uuid, sizeof(uuid));
        read_text("/sys/class/dmi/id/board_serial", serial, sizeof(serial));
        str_addf(&text, "%s|%s|%s|%s|%u|%llu", m->hostname, uuid, serial, m->cpu_model,
                 m->cpus_online, (unsigned long long)m->memory_bytes);
    }
    fs_sha256_bytes(text.buf, text.len, m->id);
}

static void keep_to_limit(struct machine *m)
{
    uint64_t room = cgroup_memory_room(&m->cgroups);

    m->available_bytes = room < m->available_bytes ? room : m->available_bytes;
}

void machine_read(struct machine *m)
{
    *m = (struct machine){0};
    (void)cgroups_detect(&m->cgroups, NULL);
    read_os(m);
    read_kernel(m);
    read_cpu(m);
    read_memory(m);
    keep_to_limit(m);
    read_llc(m);
    read_knobs(m);
    virt_detect(m->virtualisation, sizeof(m->virtualisation), &m->in_container);
    m->clock_ns = clock_cost_ns();
    make_id(m);
}

unsigned machine_patience(const struct machine *m)
{
    return str_eq(m->virtualisation, "qemu") ? 4 : 1;
}

static void put_text(json_t *o, const char *key, const char *value)
{
    json_object_set_new(o, key, json_string(value));
}

static void put_number(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void put_bool(json_t *o, const char *key, bool value)
{
    json_object_set_new(o, key, json_boolean(value));
}

char *machine_json(const struct machine *m)
{
    json_t *o = json_object();
    put_text(o, "id", m->id);
    put_text(o, "hostname", m->hostname);
    put_text(o, "os", m->os);
    put_text(o, "kernel", m->kernel);
    put_text(o, "kernel_version", m->kernel_version);
    put_text(o, "arch", m->arch);
    put_text(o, "cmdline", m->cmdline);
    put_text(o, "cpu_model", m->cpu_model);
    put_text(o, "microcode", m->microcode);
    put_number(o, "cpus_online", m->cpus_online);
    put_number(o, "cpus_usable", m->cpus_usable);
    put_number(o, "threads_per_core", m->threads_per_core);
    put_number(o, "memory_bytes", m->memory_bytes);
    put_number(o, "available_bytes", m->available_bytes);
    put_number(o, "swap_bytes", m->swap_bytes);
    put_number(o, "llc_bytes", m->llc_bytes);
    put_number(o, "page_bytes", m->page_bytes);
    put_number(o, "huge_page_bytes", m->huge_page_bytes);
    put_text(o, "thp", m->thp);
    put_text(o, "ksm", m->ksm);
    put_text(o, "governor", m->governor);
    put_text(o, "clocksource", m->clocksource);
    put_text(o, "mitigations", m->mitigations);
    put_text(o, "virtualisation", m->virtualisation);
    put_bool(o, "in_container", m->in_container);
    put_bool(o, "kvm_device", m->kvm_device);
    put_bool(o, "psi", m->psi);
    put_bool(o, "is_root", m->is_root);
    put_number(o, "clock_ns", m->clock_ns);
    put_number(o, "uptime_s", m->uptime_s);
    put_text(o, "cgroup_mode", cgroup_mode_name(m->cgroups.mode));
    put_bool(o, "cgroup_unified_has_controllers", m->cgroups.unified_has_controllers);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text ? text : xstrdup("{}");
}

#include "host/covariates.h"

#include "base/fd.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct monitor {
    int stat, pressure, vmstat, loadavg, kmsg; /* -1: not here */
    struct cgroup_meter meter;
    uint64_t log_lines;
};

static int open_proc(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

int monitor_open(const struct cgroups *c, const char *path, struct monitor **ret, struct err *err)
{
    struct monitor *m = xcalloc(1, sizeof(*m));
    m->stat = open_proc("/proc/stat");
    m->pressure = open_proc("/proc/pressure/cpu");
    m->vmstat = open_proc("/proc/vmstat");
    m->loadavg = open_proc("/proc/loadavg");
    m->kmsg = open_proc("/dev/kmsg");
    /* Only what is logged from here on counts. */
    if (m->kmsg >= 0 && lseek(m->kmsg, 0, SEEK_END) < 0)
        fd_close(&m->kmsg);
    if (!path || !*path || cgroup_meter_open(c, path, &m->meter, NULL) < 0)
        m->meter.fd = -1;
    *ret = m;
    return 0;
}

void monitor_close(struct monitor *m)
{
    if (!m)
        return;
    fd_close(&m->stat);
    fd_close(&m->pressure);
    fd_close(&m->vmstat);
    fd_close(&m->loadavg);
    fd_close(&m->kmsg);
    cgroup_meter_close(&m->meter);
    free(m);
}

/* From the file's beginning, at most size-1 bytes; what is longer is cut. */
static bool read_again(int fd, char *dst, size_t size)
{
    size_t n = 0;
    while (fd >= 0 && n < size - 1) {
        ssize_t k = pread(fd, dst + n, size - 1 - n, (off_t)n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    dst[n] = '\0';
    return n > 0;
}

/* The number behind key at the beginning of a line, or 0. */
static uint64_t value_of(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = text; *line;) {
        if (strncmp(line, key, n) == 0 && line[n] == ' ')
            return strtoull(line + n, NULL, 10);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; the guests' times are in
 * the first two already. */
static void read_stat(struct monitor *m, struct reading *r)
{
    char text[256];
    if (!read_again(m->stat, text, sizeof(text)) || strncmp(text, "cpu ", 4) != 0)
        return;
    uint64_t ticks[8] = {0};
    char *p = text + 4;
    for (size_t i = 0; i < ARRAY_SIZE(ticks); i++)
        ticks[i] = strtoull(p, &p, 10);
    r->steal_ticks = ticks[7];
    r->busy_ticks = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6];
    r->total_ticks = r->busy_ticks + ticks[3] + ticks[4] + ticks[7];
}

/* "0.20 0.18 0.12 1/80 11206": the fourth counts this process too. */
static void read_loadavg(struct monitor *m, struct reading *r)
{
    char text[128];
    if (!read_again(m->loadavg, text, sizeof(text)))
        return;
    r->loadavg = strtod(text, NULL);
    char *p = text;
    for (int i = 0; i < 3 && p; i++)
        if ((p = strchr(p, ' ')))
            p++;
    if (p)
        r->runnable = strtoull(p, NULL, 10);
}

static void read_pressure(struct monitor *m, struct reading *r)
{
    char text[512];
    char *total = read_again(m->pressure, text, sizeof(text)) ? strstr(text, "total=") : NULL;
    r->psi_cpu_us = total ? strtoull(total + 6, NULL, 10) : UINT64_MAX;
}

static void read_vmstat(struct monitor *m, struct reading *r)
{
    char text[32768];
    if (read_again(m->vmstat, text, sizeof(text)))
        r->swap_pages = value_of(text, "pswpin") + value_of(text, "pswpout");
}

bool kernel_log_is_of_links(const char *record)
{
    static const char *const ends[] = {"entered promiscuous mode", "left promiscuous mode",
                                       "entered allmulticast mode", "left allmulticast mode"};
    const char *text = strchr(record, ';');
    size_t n = text ? strcspn(text, "\n") : 0;
    for (size_t i = 0; n > 0 && i < ARRAY_SIZE(ends); i++) {
        size_t len = strlen(ends[i]);
        if (n > len && strncmp(text + n - len, ends[i], len) == 0)
            return true;
    }
    /* "switch: port 1(p3) entered forwarding state", "eth0: renamed from veth12" */
    const char *port = text ? strstr(text, ": port ") : NULL;
    return n > 0 && ((port && strstr(port, ") entered ") && strstr(port, " state")) ||
                     strstr(text, ": renamed from ") || strstr(text, ": link becomes ready"));
}

/* One read gives one record. Lines that were overwritten before we came count as one: something was
 * logged. The bound is against a kernel that logs faster than we read. */
static void read_kmsg(struct monitor *m, struct reading *r)
{
    char record[8192];
    r->kernel_log_lines = UINT64_MAX;
    if (m->kmsg < 0)
        return;
    for (unsigned i = 0; i < 4096; i++) {
        ssize_t n = read(m->kmsg, record, sizeof(record) - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (n < 0 && errno != EPIPE && errno != EINVAL))
            break;
        record[n > 0 ? n : 0] = '\0';
        m->log_lines += !kernel_log_is_of_links(record);
    }
    r->kernel_log_lines = m->log_lines;
}

void monitor_read(struct monitor *m, struct reading *ret)
{
    struct reading r = {.mono_ns = time_mono_ns()};
    read_stat(m, &r);
    read_loadavg(m, &r);
    read_pressure(m, &r);
    read_vmstat(m, &r);
    read_kmsg(m, &r);
    if (cgroup_meter_read(&m->meter, &r.own_cpu_ns) < 0)
        r.own_cpu_ns = UINT64_MAX;
    *ret = r;
}

/* The guest's init on Debian's own kernel, really booted: by QEMU without KVM, which works on any
 * machine. Its root is a disk; shares and networks are the driver's tests. Kernel and initrds are
 * kept in CUPEL_TEST_GUESTS (a state directory), else fetched for this test alone. */
#include "../unit/unit.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/rand.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/machine.h"
#include "vm/disk.h"
#include "vm/kernel.h"
#include "vm/tsc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#define QEMU "qemu-system-x86_64"
/* One in a hundred got stuck where the init looked at the port, too. */
#define EXCHANGES 2000
#define BOOT_NS   (60 * NS_PER_S)

struct bed {
    struct loop *loop;
    struct ledger *ledger;
    char state[128], work[64];
    char qemu[256];
    struct vm_guests guests;
    struct vm_kernel kernel;
    char root[256], data[256]; /* disks */
};

struct guest {
    pid_t pid;
    int to, from;
    struct str said; /* on the frames' port */
    char errors[96], console[96];
};

static void bed_open(struct bed *b)
{
    const char *kept = getenv("CUPEL_TEST_GUESTS");
    char run[9];
    str_copy(b->work, sizeof(b->work), "/tmp/cupel-guest-XXXXXX");
    assert_non_null(mkdtemp(b->work));
    str_copy(b->state, sizeof(b->state), kept ? kept : b->work);
    assert_ok(fs_mkdirs(b->state, 0700, err));
    assert_ok(loop_new(&b->loop, err));
    str_format(run, sizeof(run), "%08x", (unsigned)rng_entropy());
    assert_ok(ledger_open(b->state, run, &b->ledger, err));
    assert_ok(vm_guests_init(&b->guests, b->loop, b->ledger, b->state, NULL, NULL, err));
}

static void bed_close(struct bed *b)
{
    vm_guests_release(&b->guests);
    assert_int_equal(ledger_open_items(b->ledger), 0);
    assert_ok(ledger_close(b->ledger, err));
    loop_free(b->loop);
    assert_ok(fs_remove_tree(b->work, err));
}

/* What a session's ground has, too. */
static void lay_root(struct bed *b)
{
    static const char *const dirs[] = {"root/dev",  "root/proc", "root/sys", "root/tmp",
                                       "root/data", "root/work", "data"};
    char path[128];
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        str_format(path, sizeof(path), "%s/%s", b->work, dirs[i]);
        assert_ok(fs_mkdirs(path, 0755, err));
    }
    str_format(path, sizeof(path), "%s/data/input", b->work);
    assert_ok(file_replace(path, "an input\n", 9, 0644, err));
    str_format(path, sizeof(path), "%s/root/look", b->work);
    assert_ok(fs_copy_file(CUPEL_LOOK_PATH, path, 0755, err));
}

static int begin(void **state)
{
    static struct bed bed;
    struct bed *b = &bed;
    const struct vm_wanted w = {.root = VM_ROOT_BLOCK, .init = CUPEL_GUEST_PATH};
    bed_open(b);
    assert_int_equal(fs_which(QEMU, b->qemu, sizeof(b->qemu)), 0);
    assert_ok(vm_kernel_get(&b->guests, &w, &b->kernel, err));
    lay_root(b);
    *state = b;
    return 0;
}

static int end(void **state)
{
    bed_close(*state);
    return 0;
}

/* False, and why: without root, QEMU or Debian's archive there is nothing to be booted. */
static bool can_boot(char *why, size_t size)
{
    const struct vm_wanted w = {.root = VM_ROOT_BLOCK, .init = CUPEL_GUEST_PATH};
    struct bed b = {.state = ""};
    struct vm_kernel k;
    struct err err = ERR_INIT;
    char path[256];
    if (geteuid() != 0 || fs_which(QEMU, path, sizeof(path)) < 0) {
        str_copy(why, size, "it needs root and " QEMU);
        return false;
    }
    bed_open(&b);
    int r = vm_kernel_get(&b.guests, &w, &k, &err);
    str_copy(why, size, err.msg);
    bed_close(&b);
    return r == 0;
}

static void make_disks(struct bed *b)
{
    char rootfs[96], data[96], stage[96], sha256[FS_SHA256_HEX];
    str_format(rootfs, sizeof(rootfs), "%s/root", b->work);
    str_format(data, sizeof(data), "%s/data", b->work);
    str_format(stage, sizeof(stage), "%s/stage", b->work);
    str_format(b->data, sizeof(b->data), "%s/data.img", b->work);
    unlink(b->data);
    assert_ok(fs_sha256(CUPEL_LOOK_PATH, sha256, err));
    assert_ok(vm_disk_root(&b->guests, rootfs, NULL, sha256, b->root, err));
    assert_ok(vm_disk_data(&b->guests, data, stage, b->data, 256u << 20, err));
}

/* ---- the machine ---- */

static void boot(struct bed *b, const char *words, struct guest *g)
{
    _cleanup_(str_release) struct str append = STR_INIT, root = STR_INIT, data = STR_INIT,
                                      errors = STR_INIT, console = STR_INIT;
    int in[2], out[2];
    *g = (struct guest){.said = STR_INIT};
    str_format(g->errors, sizeof(g->errors), "%s/errors", b->work);
    str_format(g->console, sizeof(g->console), "%s/console", b->work);
    str_addf(&append,
             "quiet panic=-1 no_timer_check console=ttyS0 tsc=reliable tsc_early_khz=%u %s",
             vm_tsc_khz(), words);
    str_addf(&root, "if=none,id=root,format=raw,readonly=on,file=%s", b->root);
    str_addf(&data, "if=none,id=data,format=raw,file=%s", b->data);
    str_addf(&errors, "file,id=errors,path=%s", g->errors);
    str_addf(&console, "file:%s", g->console);
    const char *const argv[] = {b->qemu,
                                "-M",
                                "microvm,accel=tcg,acpi=on,pcie=off,rtc=on,pit=on,pic=on,usb=off",
                                "-cpu",
                                "max",
                                "-smp",
                                "2",
                                "-m",
                                "256",
                                "-nodefaults",
                                "-no-user-config",
                                "-nographic",
                                "-no-reboot",
                                "-global",
                                "virtio-mmio.force-legacy=false",
                                "-kernel",
                                b->kernel.image,
                                "-initrd",
                                b->kernel.initrd,
                                "-append",
                                append.buf,
                                "-serial",
                                console.buf,
                                "-drive",
                                root.buf,
                                "-device",
                                "virtio-blk-device,drive=root,serial=root",
                                "-drive",
                                data.buf,
                                "-device",
                                "virtio-blk-device,drive=data,serial=data",
                                "-device",
                                "virtio-serial-device",
                                "-chardev",
                                "stdio,id=frames,signal=off",
                                "-device",
                                "virtserialport,chardev=frames,name=cupel.frames",
                                "-chardev",
                                errors.buf,
                                "-device",
                                "virtserialport,chardev=errors,name=cupel.errors",
                                "-netdev",
                                "user,id=net,restrict=on",
                                "-device",
                                "virtio-net-device,netdev=net",
                                NULL};
    assert_ok(fd_pipe(in, err));
    assert_ok(fd_pipe(out, err));
    const struct spawn_spec spec = {.argv = argv,
                                    .fd_in = in[0],
                                    .fd_out = out[1],
                                    .fd_err = STDERR_FILENO,
                                    .die_with_parent = true};
    assert_ok(spawn(&spec, &g->pid, err));
    close(in[0]);
    close(out[1]);
    g->to = in[1];
    g->from = out[0];
}

/* What it says, until text is among it, or to its end (NULL). */
static void hear(struct guest *g, const char *text)
{
    uint64_t deadline_ns = time_deadline(BOOT_NS);
    while (!text || !strstr(g->said.buf, text)) {
        struct pollfd p = {.fd = g->from, .events = POLLIN};
        char part[4096];
        ssize_t n =
            poll(&p, 1, time_left_ms(deadline_ns)) > 0 ? read(g->from, part, sizeof(part)) : -1;
        if (n == 0 && !text)
            return;
        if (n <= 0) {
            kill(g->pid, SIGKILL);
            fail_msg("it did not say \"%s\" but \"%s\"", text ? text : "its end", g->said.buf);
        }
        str_addn(&g->said, part, (size_t)n);
    }
}

struct ending {
    bool ended;
    int status;
};

static void note_end(void *user, pid_t pid, int status, const struct rusage *usage)
{
    *(struct ending *)user = (struct ending){.ended = true, .status = status};
}

/* QEMU ends by itself, without an error, and the console's last word of the init is this. */
static void await_end(struct bed *b, struct guest *g, const char *last)
{
    _cleanup_(str_release) struct str console = STR_INIT;
    struct ending e = {.ended = false};
    hear(g, NULL);
    assert_ok(loop_watch_child(b->loop, g->pid, note_end, &e, NULL, err));
    assert_ok(loop_run_until(b->loop, &e.ended, time_deadline(BOOT_NS), err));
    assert_int_equal(e.status, 0);
    assert_ok(file_read(g->console, 1 << 20, &console, err));
    if (!strstr(console.buf, last))
        fail_msg("the console has no \"%s\": %s", last, console.buf);
    fd_close(&g->to);
    fd_close(&g->from);
}

static void assert_said(const struct guest *g, const char *line)
{
    if (!strstr(g->said.buf, line))
        fail_msg("it did not say \"%s\": %s", line, g->said.buf);
}

/* ---- tests ---- */

#define WORDS "cupel.root=block cupel.tmpfs=67108864 cupel.prog=/look "

/* Both disks, a network, arguments; what is sent arrives, what it answers too, its status is told.
 */
static void test_all_of_it(void **state)
{
    struct bed *b = *state;
    struct guest g;
    _cleanup_(str_release) struct str errors = STR_INIT;
    make_disks(b);
    boot(b,
         WORDS "cupel.data=1 cupel.arg=look cupel.arg=a=b cupel.net=10.231.0.9/16,10.231.0.1,1400",
         &g);
    hear(&g, "end\n");
    assert_ok(fd_write_full(g.to, "hello\n", 6, err));
    await_end(b, &g, "cupel-guest: exit 3\r\n");
    assert_said(&g, "arg 0: /look\narg 1: look\narg 2: a=b\nhost: cupel\n");
    assert_said(&g, "cwd: /\npath: /usr/local/sbin:");
    assert_said(&g, "tmp: 67108864\nresolution: 1\n");
    assert_said(&g, b->kernel.version);
    assert_said(&g, "/proc/mounts: overlay / overlay rw,");
    assert_said(&g, "/data/input: an input\n");
    assert_said(&g, "/sys/class/net/eth0/mtu: 1400\n");
    assert_said(&g, "eth0\t00000000\t0100E70A"); /* a default route by 10.231.0.1 */
    assert_said(
        &g, "write /: yes\nwrite /work: yes\nwrite /tmp: yes\nwrite /data: yes\nwrite /sys: no\n");
    assert_said(&g, "got: hello\n");
    assert_ok(file_read(g.errors, 4096, &errors, err));
    assert_string_equal(errors.buf, "said on standard error\n");
    str_release(&g.said);
}

/* Whoever started it is gone: the port's end of file comes through. */
static void test_end_of_file(void **state)
{
    struct bed *b = *state;
    struct guest g;
    make_disks(b);
    boot(b, WORDS, &g);
    hear(&g, "end\n");
    fd_close(&g.to);
    await_end(b, &g, "cupel-guest: exit 4\r\n");
    str_release(&g.said);
}

/* Line after line, each sent when the last was answered: none is slept on. */
static void test_conversation(void **state)
{
    struct bed *b = *state;
    struct guest g;
    char line[32], answer[40];
    make_disks(b);
    boot(b, WORDS "cupel.arg=echo", &g);
    hear(&g, "end\n");
    for (int i = 0; i < EXCHANGES; i++) {
        str_clear(&g.said);
        str_format(line, sizeof(line), "line %d\n", i);
        str_format(answer, sizeof(answer), "got: %s", line);
        assert_ok(fd_write_full(g.to, line, strlen(line), err));
        hear(&g, answer);
    }
    fd_close(&g.to);
    await_end(b, &g, "cupel-guest: exit 4\r\n");
    str_release(&g.said);
}

static void test_program_dies(void **state)
{
    struct bed *b = *state;
    struct guest g;
    make_disks(b);
    boot(b, WORDS "cupel.arg=die", &g);
    await_end(b, &g, "cupel-guest: signal 11\r\n");
    assert_said(&g, "end\n");
    str_release(&g.said);
}

static void fails(struct bed *b, const char *words, const char *last)
{
    struct guest g;
    boot(b, words, &g);
    await_end(b, &g, last);
    assert_string_equal(g.said.buf, "");
    str_release(&g.said);
}

/* Each is one line on the console, and the machine switched off. */
static void test_failures(void **state)
{
    struct bed *b = *state;
    make_disks(b);
    fails(b, "cupel.root=block cupel.tmpfs=65536 cupel.prog=/absent",
          "cupel-guest: execute /absent: No such file or directory\r\n");
    if (!getenv("CUPEL_FULL"))
        return;
    fails(b, "cupel.root=block cupel.prog=/look",
          "cupel-guest: cupel.tmpfs is not on the kernel's command line\r\n");
    fails(b, "cupel.root=virtiofs cupel.tmpfs=65536 cupel.prog=/look",
          "cupel-guest: mount root (virtiofs) at /root: No such device\r\n");
}

int main(void)
{
    const struct CMUnitTest brief[] = {
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_failures),
    };
    const struct CMUnitTest longer[] = {
        cmocka_unit_test(test_all_of_it),   cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_end_of_file), cmocka_unit_test(test_program_dies),
        cmocka_unit_test(test_failures),
    };
    char why[480];
    if (!can_boot(why, sizeof(why))) {
        printf("1..0 # SKIP a guest cannot be booted: %s\n", why);
        return 0;
    }
    return getenv("CUPEL_FULL") ? cmocka_run_group_tests(longer, begin, end)
                                : cmocka_run_group_tests(brief, begin, end);
}

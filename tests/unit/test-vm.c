/* Kernels for guests: what their files say of themselves, which modules go into an initrd and in
 * which order, what is made once and kept, what is said where there is none to be had. The archive
 * they come from is one of this test's making: a package that dpkg-deb has built, and an apt in
 * front of it that hands it out. Debian's own kernel is booted in tests/runtime/test-guest.c. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "vm/initrd.h"
#include "vm/kernel.h"
#include "vm/kernelfile.h"
#include "vm/module.h"
#include "vm/tsc.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define RELEASE "9.9.0-1-cupel"

struct bed {
    struct loop *loop;
    struct ledger *ledger;
    char state[64], path[4096];
    struct vm_guests guests;
    unsigned said;
};

static void count(void *user, const char *line)
{
    ++*(unsigned *)user;
}

static int begin(void **state)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    str_copy(b->state, sizeof(b->state), "/tmp/cupel-vm-XXXXXX");
    assert_non_null(mkdtemp(b->state));
    str_copy(b->path, sizeof(b->path), getenv("PATH"));
    assert_ok(loop_new(&b->loop, err));
    assert_ok(ledger_open(b->state, "0badcafe", &b->ledger, err));
    assert_ok(vm_guests_init(&b->guests, b->loop, b->ledger, b->state, count, &b->said, err));
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;
    setenv("PATH", b->path, 1);
    vm_guests_release(&b->guests);
    assert_int_equal(ledger_open_items(b->ledger), 0);
    assert_ok(ledger_close(b->ledger, err));
    loop_free(b->loop);
    assert_ok(fs_remove_tree(b->state, err));
    free(b);
    return 0;
}

static const char *in_state(const struct bed *b, const char *name)
{
    static char path[4][256];
    static unsigned at;
    at = (at + 1) % 4;
    str_format(path[at], sizeof(path[at]), "%s/%s", b->state, name);
    return path[at];
}

static void write_file(const char *path, const void *bytes, size_t n, mode_t mode)
{
    _cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_ok(fs_mkdirs(dir, 0755, err));
    assert_ok(file_replace(path, bytes, n, mode, err));
}

static void write_text(const char *path, const char *text, mode_t mode)
{
    write_file(path, text, strlen(text), mode);
}

/* ---- kernels ---- */

/* As much of a bzImage as says what it is. */
static void make_bzimage(unsigned char b[1024], bool of_64_bits, const char *version)
{
    memset(b, 0, 1024);
    memcpy(b + 0x202, "HdrS", 4);
    b[0x20e] = 0x00; /* the version stands at 0x300 */
    b[0x20f] = 0x01;
    b[0x236] = of_64_bits ? 1 : 0;
    assert_true(str_copy((char *)b + 0x300, 1024 - 0x300, version));
}

static void make_arm64(unsigned char b[1024])
{
    memset(b, 0, 1024);
    memcpy(b + 0x38, "ARM\x64", 4);
    str_copy((char *)b + 0x200, 256, "Linux version 6.1.0-57-arm64 (debian@x)");
}

static void test_kernel_bytes(void **state)
{
    unsigned char b[1024];
    struct kernel_file f;
    make_bzimage(b, true, RELEASE " (someone@somewhere) #1");
    assert_int_equal(kernel_bytes_read(b, sizeof(b), &f), 0);
    assert_string_equal(f.machine, "x86_64");
    assert_string_equal(f.release, RELEASE);
    make_bzimage(b, false, "2.6.32 #1");
    assert_int_equal(kernel_bytes_read(b, sizeof(b), &f), 0);
    assert_string_equal(f.machine, "i686");
    make_arm64(b);
    assert_int_equal(kernel_bytes_read(b, sizeof(b), &f), 0);
    assert_string_equal(f.machine, "aarch64");
    assert_string_equal(f.release, "6.1.0-57-arm64");
    memset(b, 0, sizeof(b));
    memcpy(b, ELFMAG, SELFMAG);
    b[offsetof(Elf64_Ehdr, e_machine)] = EM_X86_64;
    str_copy((char *)b + 512, 64, "Linux version 5.10.1");
    assert_int_equal(kernel_bytes_read(b, sizeof(b), &f), 0);
    assert_string_equal(f.machine, "x86_64");
    assert_string_equal(f.release, "5.10.1");
}

/* A version that names a directory elsewhere, one that stands behind the end, none. */
static void test_kernel_bytes_hostile(void **state)
{
    unsigned char b[1024];
    struct kernel_file f;
    static const char *const bad[] = {"../../etc", "a/b", "", ".", " 6.1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        make_bzimage(b, true, bad[i]);
        assert_int_equal(kernel_bytes_read(b, sizeof(b), &f), -EINVAL);
    }
    make_bzimage(b, true, "6.1");
    b[0x20f] = 0xff;
    assert_int_equal(kernel_bytes_read(b, sizeof(b), &f), -EINVAL);
    make_bzimage(b, true, "6.1");
    assert_int_equal(kernel_bytes_read(b, 0x210, &f), -EINVAL);
    assert_int_equal(kernel_bytes_read(b, 0, &f), -EINVAL);
    memset(b + 0x300, 'a', sizeof(b) - 0x300); /* to the very end, and longer than there is room */
    assert_int_equal(kernel_bytes_read(b, sizeof(b), &f), 0);
    assert_int_equal(strlen(f.release), sizeof(f.release) - 1);
}

static void assert_not_had(struct bed *b, const struct vm_wanted *w, enum err_kind kind,
                           const char *why)
{
    struct err err = ERR_INIT;
    struct vm_kernel k;
    assert_true(vm_kernel_get(&b->guests, w, &k, &err) < 0);
    if (err.kind != kind || !strstr(err.msg, why))
        fail_msg("%s: \"%s\" does not say \"%s\"", err_kind_name(err.kind), err.msg, why);
}

/* A kernel that this machine's guests cannot run is refused by name before anything is booted. */
static void test_own_kernel_refused(void **state)
{
    struct bed *b = *state;
    struct utsname u;
    unsigned char bytes[1024];
    assert_int_equal(uname(&u), 0);
    bool x86 = str_eq(u.machine, "x86_64");
    const char *path = in_state(b, "vmlinuz");
    struct vm_wanted w = {.root = VM_ROOT_BLOCK, .path = path, .init = "/bin/true"};
    assert_not_had(b, &w, ERR_ENVIRONMENT, "No such file");
    write_text(path, "no kernel at all", 0644);
    assert_not_had(b, &w, ERR_USAGE, "is no Linux kernel");
    if (x86)
        make_arm64(bytes);
    else
        make_bzimage(bytes, true, "6.1");
    write_file(path, bytes, sizeof(bytes), 0644);
    assert_not_had(b, &w, ERR_USAGE,
                   x86 ? "is a kernel for aarch64, and this machine is x86_64"
                       : "is a kernel for x86_64");
    w.path = b->state;
    assert_not_had(b, &w, ERR_USAGE, "is no Linux kernel");
}

/* ---- modules ---- */

/* An object file with nothing in it but what a module says of itself. */
static void write_module(const char *path, const char *depends)
{
    static const char names[] = "\0.modinfo\0.shstrtab";
    _cleanup_(str_release) struct str words = STR_INIT;
    write_text(path, "", 0644);
    _cleanup_fd_ int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0 && elf_version(EV_CURRENT) != EV_NONE);
    Elf *elf = elf_begin(fd, ELF_C_WRITE, NULL);
    Elf64_Ehdr *head = elf64_newehdr(elf);
    head->e_type = ET_REL;
    head->e_machine = EM_X86_64;
    head->e_shstrndx = 2;
    str_addf(&words, "license=GPL");
    str_addn(&words, "", 1);
    str_addf(&words, "depends=%s", depends);
    str_addn(&words, "", 1);
    struct {
        const char *bytes;
        size_t n;
        Elf64_Word name, type;
    } sections[] = {{words.buf, words.len, 1, SHT_PROGBITS},
                    {names, sizeof(names), 10, SHT_STRTAB}};
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        Elf_Scn *scn = elf_newscn(elf);
        Elf_Data *data = elf_newdata(scn);
        Elf64_Shdr *shdr = elf64_getshdr(scn);
        data->d_buf = (void *)sections[i].bytes;
        data->d_size = sections[i].n;
        data->d_align = 1;
        shdr->sh_name = sections[i].name;
        shdr->sh_type = sections[i].type;
    }
    assert_true(elf_update(elf, ELF_C_WRITE) > 0);
    elf_end(elf);
}

static void add_module(const char *dir, const char *name, const char *depends)
{
    char path[256];
    str_format(path, sizeof(path), "%s/kernel/drivers/%s.ko", dir, name);
    write_module(path, depends);
}

/* What virtiofs and networks need, some of it built in. */
static void make_modules(const char *dir)
{
    char path[256];
    str_format(path, sizeof(path), "%s/modules.builtin", dir);
    write_text(path, "kernel/fs/fuse/fuse.ko\nkernel/net/core/failover.ko\n", 0644);
    add_module(dir, "virtio-ring", "");
    add_module(dir, "virtio", "virtio_ring");
    add_module(dir, "virtio_mmio", "virtio,virtio_ring");
    add_module(dir, "virtio_console", "virtio_ring,virtio");
    add_module(dir, "virtiofs", "virtio,fuse,virtio_ring");
    add_module(dir, "virtio_net", "failover,virtio");
    add_module(dir, "unwanted", "");
}

static void test_modules_in_order(void **state)
{
    struct bed *b = *state;
    const char *dir = in_state(b, "modules");
    _cleanup_(modules_release) struct modules all = VEC_INIT, picked = VEC_INIT;
    static const char *const expected[] = {"virtio_ring", "virtio", "virtio_mmio", "virtio_console",
                                           "virtiofs"};
    make_modules(dir);
    assert_ok(modules_scan(dir, &all, err));
    assert_ok(modules_pick(&all, initrd_modules(VM_ROOT_VIRTIOFS), &picked, err));
    assert_int_equal(picked.n, ARRAY_SIZE(expected));
    for (size_t i = 0; i < picked.n; i++)
        assert_string_equal(picked.v[i].name, expected[i]);
}

static void test_modules_refused(void **state)
{
    struct bed *b = *state;
    const char *dir = in_state(b, "modules");
    _cleanup_(modules_release) struct modules all = VEC_INIT, picked = VEC_INIT;
    static const char *const circle[] = {"one", NULL}, *const text[] = {"text", NULL};
    char path[256];
    make_modules(dir);
    add_module(dir, "one", "other");
    add_module(dir, "other", "one");
    str_format(path, sizeof(path), "%s/kernel/text.ko", dir);
    write_text(path, "no module", 0644);
    assert_ok(modules_scan(dir, &all, err));
    assert_fails(modules_pick(&all, initrd_modules(VM_ROOT_9P), &picked, err), ENOENT,
                 "the kernel has no module 9pnet_virtio");
    assert_fails(modules_pick(&all, circle, &picked, err), ELOOP, "needs too many others");
    assert_fails(modules_pick(&all, text, &picked, err), EINVAL, "is no kernel module");
    assert_fails(modules_scan(in_state(b, "nowhere"), &picked, err), ENOENT, "modules.builtin");
}

/* Debian's later releases and others' compress them. */
static void test_modules_compressed(void **state)
{
    struct bed *b = *state;
    const char *dir = in_state(b, "modules");
    _cleanup_(modules_release) struct modules all = VEC_INIT, picked = VEC_INIT;
    _cleanup_(str_release) struct str plain = STR_INIT, read = STR_INIT;
    static const char *const name[] = {"packed", NULL};
    char path[256];
    make_modules(dir);
    add_module(dir, "packed", "unwanted");
    str_format(path, sizeof(path), "%s/kernel/drivers/packed.ko", dir);
    assert_ok(file_read(path, 65536, &plain, err));
    const char *const argv[] = {"/usr/bin/xz", path, NULL};
    assert_ok(spawn_simple(b->loop, argv, time_deadline(10 * NS_PER_S), NULL, err));
    assert_ok(modules_scan(dir, &all, err));
    assert_ok(modules_pick(&all, name, &picked, err));
    assert_int_equal(picked.n, 2);
    assert_string_equal(picked.v[0].name, "unwanted");
    assert_true(str_ends(picked.v[1].path, "packed.ko.xz"));
    assert_ok(module_read(picked.v[1].path, &read, err));
    assert_int_equal(read.len, plain.len);
    assert_memory_equal(read.buf, plain.buf, plain.len);
}

/* ---- the archive ---- */

/* A package with a kernel and its modules, and in front of everything else on the PATH an apt that
 * has it. */
static void make_archive(struct bed *b)
{
    unsigned char kernel[1024];
    struct utsname u;
    char path[256];
    _cleanup_(str_release) struct str script = STR_INIT;
    assert_int_equal(uname(&u), 0);
    if (str_eq(u.machine, "x86_64")) {
        make_bzimage(kernel, true, RELEASE " (x@y)");
    } else {
        make_arm64(kernel);
    }
    str_format(path, sizeof(path), "%s/deb/boot/vmlinuz-" RELEASE, b->state);
    write_file(path, kernel, sizeof(kernel), 0644);
    str_format(path, sizeof(path), "%s/deb/lib/modules/" RELEASE, b->state);
    make_modules(path);
    write_text(in_state(b, "deb/DEBIAN/control"),
               "Package: linux-image-" RELEASE "\nVersion: 9.9-1\nArchitecture: all\n"
               "Maintainer: nobody\nDescription: a test's\n",
               0644);
    write_text(in_state(b, "bin/apt-cache"),
               "#!/bin/sh\necho 'Package: '$3\n"
               "echo 'Depends: linux-image-" RELEASE " (= 9.9-1)'\n",
               0755);
    str_addf(&script, "#!/bin/sh\nexec dpkg-deb -Znone -b %s/deb . >/dev/null\n", b->state);
    write_text(in_state(b, "bin/apt-get"), script.buf, 0755);
    str_format(path, sizeof(path), "%s/bin:/usr/bin:/bin", b->state);
    setenv("PATH", path, 1);
}

static bool cannot(void)
{
    if (geteuid() != 0)
        print_message("# skipped: control groups need root\n");
    return geteuid() != 0;
}

/* Entry after entry of an initrd: their names, and the contents of those that are lists. */
static void read_initrd(const char *path, struct str *names, struct str *lists)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    archive_read_support_format_cpio(a);
    assert_int_equal(archive_read_open_filename(a, path, 65536), ARCHIVE_OK);
    while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(e);
        char text[4096];
        str_addf(names, "%s ", name);
        if (!str_starts(name, "modules"))
            continue;
        la_ssize_t n = archive_read_data(a, text, sizeof(text));
        assert_true(n >= 0);
        str_addf(lists, "%s:\n", name);
        str_addn(lists, text, (size_t)n);
    }
    assert_int_equal(archive_read_free(a), ARCHIVE_OK);
}

static void test_fetched_once(void **state)
{
    struct bed *b = *state;
    struct vm_kernel k, again;
    const struct vm_wanted w = {.root = VM_ROOT_VIRTIOFS, .init = "/bin/true"};
    _cleanup_(str_release) struct str names = STR_INIT, lists = STR_INIT;
    if (cannot())
        return;
    assert_int_equal(vm_kernel_have(b->state, &w, &k, NULL), -ENOENT);
    make_archive(b);
    assert_ok(vm_kernel_get(&b->guests, &w, &k, err));
    assert_int_equal(b->said, 2); /* a kernel, an initrd */
    assert_string_equal(k.package, "linux-image-" RELEASE " 9.9-1");
    read_initrd(k.initrd, &names, &lists);
    assert_string_equal(names.buf,
                        "dev proc sys root m init m/virtio_ring.ko m/virtio.ko m/virtio_mmio.ko "
                        "m/virtio_console.ko m/virtiofs.ko m/virtio_net.ko modules modules.net ");
    assert_string_equal(lists.buf, "modules:\n/m/virtio_ring.ko\n/m/virtio.ko\n/m/virtio_mmio.ko\n"
                                   "/m/virtio_console.ko\n/m/virtiofs.ko\n"
                                   "modules.net:\n/m/virtio_net.ko\n");
    assert_ok(vm_kernel_get(&b->guests, &w, &again, err));
    assert_int_equal(b->said, 2);
    assert_memory_equal(&k, &again, sizeof(k));
    assert_ok(vm_kernel_have(b->state, &w, &again, err));
    assert_string_equal(again.image, k.image);
    assert_string_equal(again.version, k.version);
}

/* Another init is another initrd on the same kernel. */
static void test_key_of_contents(void **state)
{
    struct bed *b = *state;
    struct vm_kernel k, other;
    struct vm_wanted w = {.root = VM_ROOT_VIRTIOFS, .init = "/bin/true"};
    if (cannot())
        return;
    make_archive(b);
    assert_ok(vm_kernel_get(&b->guests, &w, &k, err));
    w.init = "/bin/false";
    assert_ok(vm_kernel_get(&b->guests, &w, &other, err));
    assert_string_equal(k.image, other.image);
    assert_string_not_equal(k.initrd, other.initrd);
    assert_string_not_equal(k.key, other.key);
}

/* Without lists or a network a run goes on with what is kept. */
static void test_kept_without_apt(void **state)
{
    struct bed *b = *state;
    struct vm_kernel k, again;
    const struct vm_wanted w = {.root = VM_ROOT_VIRTIOFS, .init = "/bin/true"};
    if (cannot())
        return;
    make_archive(b);
    assert_ok(vm_kernel_get(&b->guests, &w, &k, err));
    write_text(in_state(b, "bin/apt-cache"), "#!/bin/sh\nexit 100\n", 0755);
    assert_ok(vm_kernel_get(&b->guests, &w, &again, err));
    assert_memory_equal(&k, &again, sizeof(k));
}

static void test_none_to_be_had(void **state)
{
    struct bed *b = *state;
    const struct vm_wanted w = {.root = VM_ROOT_VIRTIOFS, .init = "/bin/true"};
    if (cannot())
        return;
    make_archive(b);
    write_text(in_state(b, "bin/apt-get"),
               "#!/bin/sh\necho 'E: Failed to fetch: no route to host' >&2\nexit 100\n", 0755);
    assert_not_had(b, &w, ERR_ENVIRONMENT, "could not be fetched (is there a network");
    assert_not_had(b, &w, ERR_ENVIRONMENT, "no route to host");
    write_text(in_state(b, "bin/apt-get"), "#!/bin/sh\nexit 0\n", 0755);
    assert_not_had(b, &w, ERR_ENVIRONMENT, "the package has no linux-image-" RELEASE);
    write_text(in_state(b, "bin/apt-cache"), "#!/bin/sh\necho \"E: No packages found\" >&2\n",
               0755);
    assert_not_had(b, &w, ERR_ENVIRONMENT, "is not to be had here");
    assert_not_had(b, &w, ERR_ENVIRONMENT, "kernel=/boot/");
    setenv("PATH", "/nowhere", 1);
    assert_not_had(b, &w, ERR_ENVIRONMENT, "comes by apt, which is not here");
}

/* The kernel is there, and what this root needs is not in it. */
static void test_module_missing(void **state)
{
    struct bed *b = *state;
    const struct vm_wanted w = {.root = VM_ROOT_9P, .init = "/bin/true"};
    if (cannot())
        return;
    make_archive(b);
    assert_not_had(b, &w, ERR_UNSUPPORTED, "kernel of 9p guests: the kernel has no module 9p");
}

/* Twice the same within a thousandth. */
static void test_tsc(void **state)
{
    unsigned first = vm_tsc_khz(), second = vm_tsc_khz();
#if defined(__x86_64__)
    assert_in_range(first, 100000, 10000000);
    assert_in_range(second, first - first / 1000, first + first / 1000);
#else
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
#endif
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_bytes),
        cmocka_unit_test(test_kernel_bytes_hostile),
        TEST(test_own_kernel_refused),
        TEST(test_modules_in_order),
        TEST(test_modules_refused),
        TEST(test_modules_compressed),
        TEST(test_fetched_once),
        TEST(test_key_of_contents),
        TEST(test_kept_without_apt),
        TEST(test_none_to_be_had),
        TEST(test_module_missing),
        cmocka_unit_test(test_tsc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

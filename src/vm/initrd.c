#include "vm/initrd.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "image/make.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#define INIT_MAX (64u << 20)

/* The busses of QEMU's machines, then what the init itself needs. */
#define COMMON "virtio_mmio", "?virtio_pci", "virtio_console"
static const char *const of_root[VM_ROOT_COUNT][10] = {
    [VM_ROOT_VIRTIOFS] = {COMMON, "virtiofs"},
    [VM_ROOT_9P] = {COMMON, "9pnet_virtio", "9p"},
    /* ext4 asks for crc32c by that name alone, which only modprobe would understand. */
    [VM_ROOT_BLOCK] = {COMMON, "virtio_blk", "squashfs", "?crc32c_generic", "ext4", "overlay"},
};
static const char *const of_net[] = {"virtio_net", NULL};

const char *const *initrd_modules(enum vm_root root)
{
    return of_root[root];
}

const char *const *initrd_net_modules(void)
{
    return of_net;
}

struct initrd {
    const char *init, *what;
    struct modules modules; /* all of them, in the order of loading */
    size_t n_common;        /* the first, which every guest of this root loads */
};

static void initrd_release(struct initrd *in)
{
    modules_release(&in->modules);
}

static int pick(struct initrd *in, enum vm_root root, const char *dir, struct err *err)
{
    _cleanup_(modules_release) struct modules all = VEC_INIT;
    int r = modules_scan(dir, &all, err);
    if (r == 0)
        r = modules_pick(&all, initrd_modules(root), &in->modules, err);
    in->n_common = in->modules.n;
    return r == 0 ? modules_pick(&all, initrd_net_modules(), &in->modules, err) : r;
}

/* Of everything that goes into it, in order. */
static int make_key(const struct initrd *in, char ret[FS_SHA256_HEX], struct err *err)
{
    _cleanup_(str_release) struct str of = STR_INIT;
    char sha256[FS_SHA256_HEX];
    int r = fs_sha256(in->init, sha256, err);
    str_addf(&of, "initrd 1\ninit %s\ncommon %zu\n", sha256, in->n_common);
    for (size_t i = 0; r == 0 && i < in->modules.n; i++) {
        r = fs_sha256(in->modules.v[i].path, sha256, err);
        str_addf(&of, "%s %s\n", in->modules.v[i].name, sha256);
    }
    if (r == 0)
        fs_sha256_bytes(of.buf, of.len, ret);
    return r;
}

/* ---- writing it ---- */

static int put(struct archive *a, const char *name, mode_t type_mode, const char *bytes, size_t n,
               struct err *err)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, type_mode);
    archive_entry_set_size(e, (la_int64_t)n);
    archive_entry_set_nlink(e, 1);
    bool ok = archive_write_header(a, e) == ARCHIVE_OK &&
              (n == 0 || archive_write_data(a, bytes, n) == (la_ssize_t)n);
    archive_entry_free(e);
    const char *why = ok ? "" : archive_error_string(a);
    return ok ? 0 : err_set(err, ERR_ENVIRONMENT, EIO, "write %s: %s", name, why ? why : "cut");
}

static void module_entry(const struct module *m, char dst[96])
{
    str_format(dst, 96, "m/%s.ko", m->name);
}

static int put_list(struct archive *a, const char *name, const struct module *m, size_t n,
                    struct err *err)
{
    _cleanup_(str_release) struct str list = STR_INIT;
    char entry[96];
    for (size_t i = 0; i < n; i++) {
        module_entry(&m[i], entry);
        str_addf(&list, "/%s\n", entry);
    }
    return put(a, name, S_IFREG | 0644, list.buf, list.len, err);
}

static int put_all(struct archive *a, const struct initrd *in, struct err *err)
{
    static const char *const dirs[] = {"dev", "proc", "sys", "root", "m"};
    const struct modules *m = &in->modules;
    _cleanup_(str_release) struct str init = STR_INIT;
    int r = file_read(in->init, INIT_MAX, &init, err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
        r = put(a, dirs[i], S_IFDIR | 0755, NULL, 0, err);
    if (r == 0)
        r = put(a, "init", S_IFREG | 0755, init.buf, init.len, err);
    for (size_t i = 0; r == 0 && i < m->n; i++) {
        _cleanup_(str_release) struct str bytes = STR_INIT;
        char entry[96];
        module_entry(&m->v[i], entry);
        r = module_read(m->v[i].path, &bytes, err);
        if (r == 0)
            r = put(a, entry, S_IFREG | 0644, bytes.buf, bytes.len, err);
    }
    if (r == 0)
        r = put_list(a, "modules", m->v, in->n_common, err);
    if (r == 0)
        r = put_list(a, "modules.net", m->v + in->n_common, m->n - in->n_common, err);
    return r;
}

/* Not compressed: a guest whose CPU is emulated takes longer to unpack it than to be given it. */
static int write_initrd(const char *path, const struct initrd *in, struct err *err)
{
    struct archive *a = archive_write_new();
    if (!a)
        return err_errno(err, ENOMEM, "write %s", path);
    archive_write_set_format_cpio_newc(a);
    archive_write_set_bytes_per_block(a, 65536);
    archive_write_set_bytes_in_last_block(a, 1);
    int r = archive_write_open_filename(a, path) == ARCHIVE_OK
                ? put_all(a, in, err)
                : err_errno(err, EIO, "open %s", path);
    if (archive_write_close(a) != ARCHIVE_OK && r == 0)
        r = err_set(err, ERR_ENVIRONMENT, EIO, "write %s: %s", path, archive_error_string(a));
    archive_write_free(a);
    return r;
}

static int make(struct image_store *s, void *user, const char *dir, struct err *err)
{
    const struct initrd *in = user;
    char path[256];
    str_format(path, sizeof(path), "%s/initrd", dir);
    int r = write_initrd(path, in, err);
    return r == 0 ? make_text(dir, "what", in->what, err) : r;
}

int initrd_get(struct vm_guests *g, enum vm_root root, const char *init, const char *dir,
               const char *what, char ret_path[256], char ret_key[FS_SHA256_HEX], struct err *err)
{
    _cleanup_(initrd_release) struct initrd in = {.init = init, .what = what, .modules = VEC_INIT};
    char kept[224], key[FS_SHA256_HEX];
    int r = pick(&in, root, dir, err);
    if (r == 0)
        r = make_key(&in, key, err);
    if (r < 0)
        return r;
    if (!str_format(kept, sizeof(kept), "%s/%s", g->dir, key))
        return err_errno(err, ENAMETOOLONG, "name an initrd below %s", g->dir);
    r = store_dir(&g->store, kept, what, make, &in, err);
    if (r < 0)
        return r;
    str_format(ret_path, 256, "%s/initrd", kept);
    str_copy(ret_key, FS_SHA256_HEX, key);
    return 0;
}

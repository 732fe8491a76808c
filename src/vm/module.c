#include "vm/module.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fts.h>
#include <gelf.h>
#include <libelf.h>

#define MODULE_MAX  (64u << 20)
#define BUILTIN_MAX (1u << 20)
#define DEPTH_MAX   16

/* "kernel/fs/9p/9p.ko.xz" is "9p", "virtio-rng.ko" is "virtio_rng"; false: no module. */
static bool module_name(const char *path, char *dst, size_t size)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *end = strstr(base, ".ko");
    if (!end || end == base || (end[3] && end[3] != '.'))
        return false;
    if (!str_format(dst, size, "%.*s", (int)(end - base), base))
        return false;
    for (char *c = dst; *c; c++)
        if (*c == '-')
            *c = '_';
    return true;
}

static void add(struct modules *m, const char *name, const char *path)
{
    struct module one = {.path = xstrdup(path)};
    str_copy(one.name, sizeof(one.name), name);
    VEC_PUSH(m, one);
}

static const struct module *find(const struct modules *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->v[i].name, name))
            return &m->v[i];
    return NULL;
}

void modules_release(struct modules *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->v[i].path);
    VEC_RELEASE(m);
}

static int scan_builtin(const char *dir, struct modules *m, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/modules.builtin", dir);
    _cleanup_(str_release) struct str text = STR_INIT;
    char name[64];
    int r = file_read(path, BUILTIN_MAX, &text, err);
    char *rest = text.buf;
    for (char *line; r == 0 && (line = strsep(&rest, "\n"));)
        if (module_name(line, name, sizeof(name)))
            add(m, name, NULL);
    return r;
}

int modules_scan(const char *dir, struct modules *ret, struct err *err)
{
    _cleanup_(modules_release) struct modules m = VEC_INIT;
    char *const roots[] = {(char *)dir, NULL};
    char name[64];
    int r = scan_builtin(dir, &m, err);
    if (r < 0)
        return r;
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!fts)
        return err_errno(err, errno, "read %s", dir);
    for (FTSENT *e; (e = fts_read(fts));)
        if (e->fts_info == FTS_F && module_name(e->fts_path, name, sizeof(name)))
            add(&m, name, e->fts_path);
    fts_close(fts);
    *ret = m;
    m = (struct modules)VEC_INIT;
    return 0;
}

/* ---- a module's own words ---- */

static int read_entry(struct archive *a, struct str *ret)
{
    char part[65536];
    struct archive_entry *entry;
    if (archive_read_next_header(a, &entry) != ARCHIVE_OK)
        return -EIO;
    for (;;) {
        la_ssize_t n = archive_read_data(a, part, sizeof(part));
        if (n <= 0)
            return n < 0 ? -EIO : 0;
        if (ret->len + (size_t)n > MODULE_MAX)
            return -EFBIG;
        str_addn(ret, part, (size_t)n);
    }
}

int module_read(const char *path, struct str *ret, struct err *err)
{
    struct archive *a = archive_read_new();
    if (!a)
        return err_errno(err, ENOMEM, "read module %s", path);
    archive_read_support_filter_all(a);
    archive_read_support_format_raw(a);
    int r = archive_read_open_filename(a, path, 65536) == ARCHIVE_OK ? read_entry(a, ret) : -EIO;
    if (r < 0) {
        const char *why = archive_error_string(a);
        err_set(err, ERR_ENVIRONMENT, -r, "read module %s: %s", path, why ? why : "too large");
    }
    archive_read_free(a);
    return r;
}

/* Section .modinfo: "key=value" after "key=value", each with its NUL. */
static void find_word(const char *bytes, size_t n, const char *key, struct str *ret)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < n;) {
        size_t word = strnlen(bytes + i, n - i);
        if (word > len && memcmp(bytes + i, key, len) == 0)
            str_addn(ret, bytes + i + len, word - len);
        i += word + 1;
    }
}

static bool find_in_section(Elf *elf, const char *section, const char *key, struct str *ret)
{
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return false;
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr head;
        const char *name = gelf_getshdr(scn, &head) ? elf_strptr(elf, names, head.sh_name) : NULL;
        Elf_Data *data = str_eq(name, section) ? elf_rawdata(scn, NULL) : NULL;
        if (data && data->d_buf) {
            find_word(data->d_buf, data->d_size, key, ret);
            return true;
        }
    }
    return false;
}

/* "virtio,virtio_ring"; empty: none. */
static int read_depends(const char *path, struct str *ret, struct err *err)
{
    _cleanup_(str_release) struct str bytes = STR_INIT;
    int r = module_read(path, &bytes, err);
    if (r < 0)
        return r;
    Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_memory(bytes.buf, bytes.len);
    bool found = elf && find_in_section(elf, ".modinfo", "depends=", ret);
    elf_end(elf);
    return found ? 0 : err_set(err, ERR_ENVIRONMENT, EINVAL, "%s is no kernel module", path);
}

/* ---- the order of loading ---- */

static int pick(const struct modules *all, const char *name, bool optional, unsigned depth,
                struct modules *picked, struct err *err)
{
    _cleanup_(str_release) struct str depends = STR_INIT;
    const struct module *m = find(all, name);
    if (m && (!m->path || find(picked, name)))
        return 0;
    if (!m && optional)
        return 0;
    if (!m)
        return err_set(err, ERR_UNSUPPORTED, ENOENT, "the kernel has no module %s", name);
    if (depth > DEPTH_MAX)
        return err_set(err, ERR_ENVIRONMENT, ELOOP, "module %s needs too many others", name);
    int r = read_depends(m->path, &depends, err);
    char *rest = depends.buf;
    for (char *needed; r == 0 && (needed = strsep(&rest, ","));)
        if (*needed)
            r = pick(all, needed, false, depth + 1, picked, err);
    if (r == 0)
        add(picked, m->name, m->path);
    return r;
}

int modules_pick(const struct modules *all, const char *const *names, struct modules *picked,
                 struct err *err)
{
    int r = 0;
    for (; r == 0 && *names; names++)
        r = pick(all, *names + (**names == '?'), **names == '?', 0, picked, err);
    return r;
}

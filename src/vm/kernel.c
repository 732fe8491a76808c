#include "vm/kernel.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "image/make.h"
#include "vm/initrd.h"
#include "vm/kernelfile.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define REMEDY "; or name a kernel of your own: kernel=/boot/vmlinuz-..."
#define WHAT   "kernel %s: " /* of a kept kernel's what, followed by package and version */

const char *vm_root_name(enum vm_root root)
{
    static const char *const names[VM_ROOT_COUNT] = {"virtiofs", "9p", "block"};
    return names[root];
}

int vm_guests_init(struct vm_guests *g, struct loop *l, struct ledger *ledger,
                   const char *state_dir, void (*say)(void *user, const char *line), void *user,
                   struct err *err)
{
    *g = (struct vm_guests){.store = {.loop = l, .ledger = ledger, .say = say, .user = user}};
    if (!str_format(g->dir, sizeof(g->dir), "%s/guests", state_dir))
        return err_errno(err, ENAMETOOLONG, "name guests below %s", state_dir);
    g->store.dir = g->dir;
    return 0;
}

void vm_guests_release(struct vm_guests *g)
{
    image_store_release(&g->store);
}

/* ---- which ---- */

/* Debian's word for the machine. */
static const char *debian_machine(const char *machine)
{
    return str_eq(machine, "x86_64") ? "amd64" : str_eq(machine, "aarch64") ? "arm64" : NULL;
}

/* The kernel for virtual machines boots in half the time; it has no 9p. */
int vm_kernel_package(enum vm_root root, char dst[64], struct err *err)
{
    struct utsname u;
    const char *machine = uname(&u) == 0 ? debian_machine(u.machine) : NULL;
    if (!machine)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "no guest kernel is known for this kind of machine" REMEDY);
    str_format(dst, 64, "linux-image-%s%s", root == VM_ROOT_9P ? "" : "cloud-", machine);
    return 0;
}

static int check_machine(const char *path, const struct kernel_file *f, struct err *err)
{
    struct utsname u;
    if (uname(&u) == 0 && !str_eq(f->machine, u.machine))
        return err_set(err, ERR_USAGE, ENOEXEC, "%s is a kernel for %s, and this machine is %s",
                       path, f->machine, u.machine);
    return 0;
}

/* Everything that ret says of the kernel's own file. */
static int describe(const char *path, struct vm_kernel *ret, struct err *err)
{
    struct kernel_file f;
    int r = kernel_file_read(path, &f, err);
    if (r == 0)
        r = check_machine(path, &f, err);
    if (r == 0 && !str_copy(ret->image, sizeof(ret->image), path))
        r = err_errno(err, ENAMETOOLONG, "use the kernel %s", path);
    if (r == 0)
        r = fs_sha256(path, ret->sha256, err);
    if (r == 0)
        str_copy(ret->version, sizeof(ret->version), f.release);
    return r;
}

/* ---- Debian's ---- */

struct offer {
    char meta[64];                   /* "linux-image-cloud-amd64" */
    char package[100], version[100]; /* what it stands for now */
};

static int no_offer(const struct offer *o, struct err *err)
{
    return err_set(
        err, ERR_ENVIRONMENT, ENOENT,
        "a guest kernel, package %s, is not to be had here (is apt-get update needed?)" REMEDY,
        o->meta);
}

/* Of "Depends: linux-image-6.1.0-57-cloud-amd64 (= 6.1.192-3)" in the newest of its records. */
static int ask_apt(struct vm_guests *g, struct offer *o, struct err *err)
{
    static const char field[] = "\nDepends: linux-image-", equal[] = " (= ";
    _cleanup_(str_release) struct str out = STR_INIT;
    char apt_cache[256];
    if (tool_find("apt-cache", "apt", apt_cache, NULL) < 0)
        return err_set(err, ERR_ENVIRONMENT, ENOENT,
                       "a guest kernel comes by apt, which is not here" REMEDY);
    const char *const argv[] = {apt_cache, "show", "--no-all-versions", o->meta, NULL};
    int r = tool_run(&g->store, argv, &out, NULL);
    const char *at = r == 0 ? strstr(out.buf, field) : NULL;
    if (!at)
        return no_offer(o, err);
    at += strlen("\nDepends: ");
    size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    bool fits = str_format(o->package, sizeof(o->package), "%.*s", (int)n, at);
    at += n;
    if (!fits || !str_starts(at, equal))
        return no_offer(o, err);
    at += strlen(equal);
    n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-~:");
    return str_format(o->version, sizeof(o->version), "%.*s", (int)n, at) && at[n] == ')'
               ? 0
               : no_offer(o, err);
}

static void offer_words(const struct offer *o, char dst[300])
{
    str_format(dst, 300, WHAT "%s %s", o->meta, o->package, o->version);
}

/* The one file of dir whose name begins and ends so. */
static int find_file(const char *dir, const char *start, const char *end, char dst[320],
                     struct err *err)
{
    DIR *d = opendir(dir);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));)
        found = str_starts(e->d_name, start) && str_ends(e->d_name, end) && e->d_name[0] != '.' &&
                str_format(dst, 320, "%s/%s", dir, e->d_name);
    if (d)
        closedir(d);
    return found ? 0
                 : err_set(err, ERR_ENVIRONMENT, ENOENT, "the package has no %s...%s", start, end);
}

static int run_in(struct vm_guests *g, const char *dir, const char *const *argv, struct err *err)
{
    const struct spawn_spec spec = {.argv = argv,
                                    .env = tool_env,
                                    .cwd = dir,
                                    .fd_in = -1,
                                    .fd_out = -1,
                                    .fd_err = -1,
                                    .die_with_parent = true,
                                    .new_session = true};
    return tool_run_alone(&g->store, &spec, err);
}

/* Downloads below dir, and unpacks to dir/files. No script of the package runs. */
static int fetch(struct vm_guests *g, const struct offer *o, const char *dir, struct err *err)
{
    char apt_get[256], dpkg_deb[256], exact[220], package[320], files[240];
    str_format(exact, sizeof(exact), "%s=%s", o->package, o->version);
    str_format(files, sizeof(files), "%s/files", dir);
    int r = tool_find("apt-get", "apt", apt_get, err);
    if (r == 0)
        r = tool_find("dpkg-deb", "dpkg", dpkg_deb, err);
    const char *const download[] = {apt_get,    "-q",  "-o", "APT::Sandbox::User=root",
                                    "download", exact, NULL};
    if (r == 0 && run_in(g, dir, download, err) < 0)
        r = err_wrap(err,
                     "a guest kernel, %s, could not be fetched (is there a network, and is "
                     "apt-get update needed?)" REMEDY,
                     o->package);
    if (r == 0)
        r = find_file(dir, o->package, ".deb", package, err);
    const char *const unpack[] = {dpkg_deb, "-x", package, files, NULL};
    return r == 0 ? run_in(g, dir, unpack, err) : r;
}

/* A module's file, under the same last part. */
static int keep_module(const struct module *m, const char *dir, struct err *err)
{
    char to[320];
    str_format(to, sizeof(to), "%s/%s", dir, strrchr(m->path, '/') + 1);
    return fs_copy_file(m->path, to, 0644, err);
}

/* Those that a guest of any root may load, of which the kernel may lack some; and what is built in.
 * All of them would be hundreds of MiB. */
static int keep_modules(const char *from, const char *to, struct err *err)
{
    _cleanup_(modules_release) struct modules all = VEC_INIT, picked = VEC_INIT;
    _cleanup_free_ char *builtin = xasprintf("%s/modules.builtin", from);
    _cleanup_free_ char *kept = xasprintf("%s/modules.builtin", to);
    int r = modules_scan(from, &all, err);
    for (int root = 0; r == 0 && root < VM_ROOT_COUNT; root++) {
        struct err lacks = ERR_INIT;
        r = modules_pick(&all, initrd_modules((enum vm_root)root), &picked, &lacks);
        if (lacks.kind == ERR_UNSUPPORTED)
            r = 0; /* whoever asks for this root is told */
        else if (r < 0)
            r = err_set(err, lacks.kind, lacks.code, "%s", lacks.msg);
    }
    if (r == 0)
        r = modules_pick(&all, initrd_net_modules(), &picked, err);
    if (r == 0)
        r = fs_mkdirs(to, 0755, err);
    if (r == 0)
        r = fs_copy_file(builtin, kept, 0644, err);
    for (size_t i = 0; r == 0 && i < picked.n; i++)
        r = keep_module(&picked.v[i], to, err);
    return r;
}

struct making {
    struct vm_guests *guests;
    const struct offer *offer;
};

static int make_kernel(struct image_store *s, void *user, const char *dir, struct err *err)
{
    const struct making *m = user;
    char work[240], boot[260], libs[260], from[320], to[260], words[300];
    str_format(work, sizeof(work), "%s/work", dir);
    int r = fs_mkdirs(work, 0700, err);
    if (r == 0)
        r = fetch(m->guests, m->offer, work, err);
    str_format(boot, sizeof(boot), "%s/files/boot", work);
    if (r == 0)
        r = find_file(boot, "vmlinuz-", "", from, err);
    str_format(to, sizeof(to), "%s/vmlinuz", dir);
    if (r == 0)
        r = fs_copy_file(from, to, 0644, err);
    /* Since merged /usr either of the two. */
    str_format(libs, sizeof(libs), "%s/files/lib/modules", work);
    if (r == 0 && !store_has(libs))
        str_format(libs, sizeof(libs), "%s/files/usr/lib/modules", work);
    if (r == 0)
        r = find_file(libs, "", "", from, err);
    str_format(to, sizeof(to), "%s/modules", dir);
    if (r == 0)
        r = keep_modules(from, to, err);
    offer_words(m->offer, words);
    if (r == 0)
        r = make_text(dir, "what", words, err);
    return r == 0 ? fs_remove_tree(work, err) : r;
}

/* ---- what is kept ---- */

static bool kept_words(const char *dir, const char *name, char *dst, size_t size)
{
    char path[320];
    return str_format(path, sizeof(path), "%s/%s/what", dir, name) &&
           file_read_line(path, dst, size) == 0;
}

/* The youngest kernel that is kept of this package; its words into words. -ENOENT quietly. */
static int find_kept(const char *dir, const char *meta, char ret[224], char *words, size_t size)
{
    char start[96], path[224], line[300];
    struct timespec newest = {0};
    struct stat st;
    bool found = false;
    str_format(start, sizeof(start), WHAT, meta);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strlen(e->d_name) != FS_SHA256_HEX - 1 ||
            !kept_words(dir, e->d_name, line, sizeof(line)) || !str_starts(line, start) ||
            !str_format(path, sizeof(path), "%s/%s", dir, e->d_name) || stat(path, &st) < 0 ||
            (found && st.st_mtim.tv_sec <= newest.tv_sec))
            continue;
        found = true;
        newest = st.st_mtim;
        str_copy(ret, 224, path);
        str_copy(words, size, line);
    }
    if (d)
        closedir(d);
    return found ? 0 : -ENOENT;
}

static int describe_kept(const char *kept, const char *words, struct vm_kernel *ret,
                         struct err *err)
{
    char path[240];
    const char *package = strstr(words, ": ");
    str_format(path, sizeof(path), "%s/vmlinuz", kept);
    str_copy(ret->package, sizeof(ret->package), package ? package + 2 : words);
    return describe(path, ret, err);
}

/* Debian's kernel of this package: what apt offers now, made if it is not kept; where apt offers
 * none, what is kept. */
static int get_debian(struct vm_guests *g, const char *meta, char kept[224], struct vm_kernel *ret,
                      struct err *err)
{
    struct offer offer = {.package = ""};
    struct making m = {.guests = g, .offer = &offer};
    char words[300], key[FS_SHA256_HEX], saying[400];
    str_copy(offer.meta, sizeof(offer.meta), meta);
    int r = ask_apt(g, &offer, err);
    if (r < 0 && find_kept(g->dir, meta, kept, words, sizeof(words)) < 0)
        return r;
    if (r == 0) {
        offer_words(&offer, words);
        fs_sha256_bytes(words, strlen(words), key);
        if (!str_format(kept, 224, "%s/%s", g->dir, key))
            return err_errno(err, ENAMETOOLONG, "name a kernel below %s", g->dir);
    }
    str_format(saying, sizeof(saying), "fetching a guest kernel: %s", offer.package);
    r = store_dir(&g->store, kept, saying, make_kernel, &m, err);
    return r == 0 ? describe_kept(kept, words, ret, err) : r;
}

int vm_kernel_get(struct vm_guests *g, const struct vm_wanted *w, struct vm_kernel *ret,
                  struct err *err)
{
    struct vm_kernel k = {.image = ""};
    char meta[64], kept[224], modules[240], what[320], initrd_key[FS_SHA256_HEX], both[140];
    int r;
    if (w->path) {
        r = describe(w->path, &k, err);
        str_format(modules, sizeof(modules), "/lib/modules/%s", k.version);
    } else {
        r = vm_kernel_package(w->root, meta, err);
        if (r == 0)
            r = image_prune(&g->store, err);
        if (r == 0)
            r = get_debian(g, meta, kept, &k, err);
        str_format(modules, sizeof(modules), "%s/modules", kept);
    }
    str_format(what, sizeof(what), "initrd %s for %s", vm_root_name(w->root), k.version);
    if (r == 0)
        r = initrd_get(g, w->root, w->init, modules, what, k.initrd, initrd_key, err);
    if (r < 0)
        return err_wrap(err, "kernel of %s guests", vm_root_name(w->root));
    str_format(both, sizeof(both), "%s %s", k.sha256, initrd_key);
    fs_sha256_bytes(both, strlen(both), k.key);
    *ret = k;
    return 0;
}

int vm_kernel_have(const char *state_dir, const struct vm_wanted *w, struct vm_kernel *ret,
                   struct err *err)
{
    struct vm_kernel k = {.image = ""};
    char meta[64], dir[200], kept[224], words[300];
    int r;
    if (w->path) {
        r = describe(w->path, &k, err);
    } else {
        r = vm_kernel_package(w->root, meta, err);
        if (r == 0 && !str_format(dir, sizeof(dir), "%s/guests", state_dir))
            r = err_errno(err, ENAMETOOLONG, "name guests below %s", state_dir);
        if (r == 0)
            r = find_kept(dir, meta, kept, words, sizeof(words));
        if (r == 0)
            r = describe_kept(kept, words, &k, err);
    }
    if (r == 0)
        *ret = k;
    return r;
}

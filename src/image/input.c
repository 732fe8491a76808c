/* Files that an application needs and that are made once, inside an image: a clip to decode. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/rand.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/mounts.h"

#include <errno.h>
#include <sys/stat.h>

#define MAKE_TIMEOUT_NS (900 * NS_PER_S)
#define WORDS_MAX       96

static int generate(struct image_store *s, const struct image *image, const char *tmp,
                    const char *const *argv, struct err *err)
{
    char upper[256], work[256], root[256];
    str_format(upper, sizeof(upper), "%s/upper", tmp);
    str_format(work, sizeof(work), "%s/layer", tmp);
    str_format(root, sizeof(root), "%s/root", tmp);
    int r = fs_mkdirs(upper, 0755, err);
    if (r == 0)
        r = fs_mkdirs(work, 0755, err);
    if (r == 0)
        r = fs_mkdirs(root, 0755, err);
    if (r == 0)
        r = mount_overlay(image->rootfs, upper, work, root, err);
    if (r == 0)
        r = mount_root_basics(root, err);
    int fd = r == 0 ? root_open_dir(root, "work", err) : -1;
    if (r == 0 && fd < 0)
        r = fd;
    fd_close(&fd);
    if (r < 0)
        return r;
    char program[256];
    const char *words[WORDS_MAX];
    size_t n = 0;
    str_format(program, sizeof(program), argv[0][0] == '/' ? "%s" : "/usr/bin/%s", argv[0]);
    words[n++] = program;
    for (size_t i = 1; argv[i] && n + 1 < WORDS_MAX; i++)
        words[n++] = argv[i];
    words[n] = NULL;
    const struct spawn_spec spec = {.argv = words,
                                    .env = tool_env,
                                    .root = root,
                                    .fd_in = -1,
                                    .fd_out = -1,
                                    .fd_err = -1,
                                    .die_with_parent = true,
                                    .new_session = true};
    struct spawn_result res;
    r = spawn_run(s->loop, &spec, time_deadline(MAKE_TIMEOUT_NS), 4096, &res, err);
    if (r == 0)
        r = spawn_check(&spec, &res, err);
    spawn_result_release(&res);
    return r;
}

/* The output is read from the layer, where it cannot be a link to anything else. */
static int take_output(const char *tmp, const char *output, const char *kept, const char *name,
                       struct err *err)
{
    char from[400], to[400];
    struct stat st;
    str_format(from, sizeof(from), "%s/upper%s", tmp, output);
    str_format(to, sizeof(to), "%s/%s", kept, name);
    if (lstat(from, &st) < 0)
        return err_errno(err, errno, "what it made, %s", output);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return err_set(err, ERR_ENVIRONMENT, EINVAL, "what it made, %s, is empty or no file",
                       output);
    int r = fs_mkdirs(kept, 0755, err);
    return r == 0 ? fs_copy_file(from, to, 0444, err) : r;
}

static int make_input(struct image_store *s, const struct image *image, const char *const *argv,
                      const char *output, const char *kept, const char *name, struct err *err)
{
    char tmp[224], root[256];
    str_format(tmp, sizeof(tmp), "%s/tmp-%016llx", s->dir, (unsigned long long)rng_entropy());
    str_format(root, sizeof(root), "%s/root", tmp);
    const struct ledger_item items[] = {{.kind = LEDGER_DIR, .path = tmp},
                                        {.kind = LEDGER_MOUNT, .path = root}};
    int r = ledger_intend(s->ledger, items, ARRAY_SIZE(items), err);
    if (r < 0)
        return r;
    r = fs_mkdirs(tmp, 0755, err);
    if (r == 0)
        r = generate(s, image, tmp, argv, err);
    if (r == 0)
        r = take_output(tmp, output, kept, name, err);
    if (mount_remove_below(root, NULL) == 0 && fs_remove_tree(tmp, NULL) == 0)
        for (size_t i = 0; i < ARRAY_SIZE(items); i++)
            ledger_done(s->ledger, &items[i], NULL);
    return r;
}

int image_input(struct image_store *s, const char *const *packages, size_t n,
                const char *const *argv, const char *output, const char *name, char ret_path[256],
                char ret_sha256[65], struct err *err)
{
    struct image image;
    _cleanup_(str_release) struct str of = STR_INIT;
    char key[FS_SHA256_HEX], kept[224];
    int r = image_from_packages(s, packages, n, &image, err);
    if (r < 0)
        return err_wrap(err, "input %s", name);
    str_addf(&of, "input %s %s", image.digest, output);
    for (size_t i = 0; argv[i]; i++)
        str_addf(&of, "\n%s", argv[i]);
    fs_sha256_bytes(of.buf, of.len, key);
    if (!str_format(kept, sizeof(kept), "%s/%s", s->dir, key) ||
        !str_format(ret_path, 256, "%s/%s", kept, name))
        return err_errno(err, ENAMETOOLONG, "name input %s", name);
    if (!store_has(ret_path)) {
        int lock = store_lock(s, err);
        if (lock < 0)
            return lock;
        store_say(s, "making the input %s, once", name);
        r = store_has(ret_path) ? 0 : make_input(s, &image, argv, output, kept, name, err);
        fd_close(&lock);
    }
    if (r == 0)
        r = fs_sha256(ret_path, ret_sha256, err);
    return r < 0 ? err_wrap(err, "input %s", name) : 0;
}

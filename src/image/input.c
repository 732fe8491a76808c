/* Files that an application needs and that are made once, inside an image: a clip to decode. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "host/mounts.h"

#include <errno.h>
#include <sys/stat.h>

#define WORDS_MAX 95

struct input {
    const struct image *image;
    const char *const *argv;
    const char *output, *name;
};

static int lay_root(const struct image *image, const char *tmp, const char *root, struct err *err)
{
    char upper[256], work[256];
    str_format(upper, sizeof(upper), "%s/upper", tmp);
    str_format(work, sizeof(work), "%s/layer", tmp);
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
    return r;
}

static int generate(struct image_store *s, const char *root, const char *const *argv,
                    struct err *err)
{
    char program[256];
    const char *words[WORDS_MAX + 1];
    size_t n = 0;
    if (!str_format(program, sizeof(program), argv[0][0] == '/' ? "%s" : "/usr/bin/%s", argv[0]))
        return err_errno(err, ENAMETOOLONG, "run %s", argv[0]);
    words[n++] = program;
    for (size_t i = 1; argv[i]; i++)
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
    return tool_run_alone(s, &spec, err);
}

/* The output is looked for as a process inside would find it, so that no link on the way, the
 * image's or the command's, leads to a file of this machine. */
static int take_output(const char *root, const struct input *in, const char *dir, struct err *err)
{
    char from[64], to[400];
    struct stat st;
    _cleanup_fd_ int fd = inside_open(root, in->output);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, fd < 0 ? -fd : errno, "what it made, %s", in->output);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return err_set(err, ERR_ENVIRONMENT, EINVAL, "what it made, %s, is empty or no file",
                       in->output);
    str_format(from, sizeof(from), "/proc/self/fd/%d", fd);
    str_format(to, sizeof(to), "%s/%s", dir, in->name);
    int r = fs_mkdirs(dir, 0755, err);
    return r == 0 ? fs_copy_file(from, to, 0444, err) : r;
}

/* Copied into a directory of another name, which gets its own when the file is on the disk whole.
 */
static int make_input(struct image_store *s, void *user, const char *kept, struct err *err)
{
    const struct input *in = user;
    char tmp[224], root[256], dir[256];
    store_tmp(s, tmp);
    str_format(root, sizeof(root), "%s/root", tmp);
    str_format(dir, sizeof(dir), "%s/kept", tmp);
    const struct ledger_item items[] = {{.kind = LEDGER_DIR, .path = tmp},
                                        {.kind = LEDGER_MOUNT, .path = root}};
    int r = ledger_intend(s->ledger, items, ARRAY_SIZE(items), err);
    if (r < 0)
        return r;
    r = fs_mkdirs(tmp, 0755, err);
    if (r == 0)
        r = lay_root(in->image, tmp, root, err);
    if (r == 0)
        r = generate(s, root, in->argv, err);
    if (r == 0)
        r = take_output(root, in, dir, err);
    if (r == 0)
        r = store_keep(dir, kept, err);
    if (mount_remove_below(root, NULL) == 0 && fs_remove_tree(tmp, NULL) == 0)
        for (size_t i = 0; i < ARRAY_SIZE(items); i++)
            ledger_done(s->ledger, &items[i], NULL);
    return r;
}

static int check_words(const char *const *argv, struct err *err)
{
    size_t n = 0;
    while (argv[n])
        n++;
    if (n == 0 || n > WORDS_MAX)
        return err_set(err, ERR_USAGE, E2BIG, "its command has %zu words, not 1 to %d", n,
                       WORDS_MAX);
    return 0;
}

int image_input(struct image_store *s, const char *const *packages, size_t n,
                const char *const *argv, const char *output, const char *name, char ret_path[256],
                char ret_sha256[65], struct err *err)
{
    struct image image;
    struct input in = {.image = &image, .argv = argv, .output = output, .name = name};
    _cleanup_(str_release) struct str of = STR_INIT;
    char key[FS_SHA256_HEX], kept[224], saying[200];
    int r = check_words(argv, err);
    if (r == 0)
        r = image_from_packages(s, packages, n, &image, err);
    if (r < 0)
        return err_wrap(err, "input %s", name);
    str_addf(&of, "input 2 %s %s %s", image.digest, name, output);
    for (size_t i = 0; argv[i]; i++)
        str_addf(&of, "\n%s", argv[i]);
    fs_sha256_bytes(of.buf, of.len, key);
    if (!str_format(kept, sizeof(kept), "%s/%s", s->dir, key) ||
        !str_format(ret_path, 256, "%s/%s", kept, name))
        return err_errno(err, ENAMETOOLONG, "name input %s", name);
    str_format(saying, sizeof(saying), "making the input %s, once", name);
    r = store_once(s, kept, saying, make_input, &in, err);
    if (r == 0)
        r = fs_sha256(ret_path, ret_sha256, err);
    return r < 0 ? err_wrap(err, "input %s", name) : 0;
}

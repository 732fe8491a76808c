#include "cli/cli.h"

#include "base/fd.h"
#include "base/fs.h"
#include "ledger/ledger.h"
#include "report/units.h"

#include <errno.h>
#include <langinfo.h>
#include <libgen.h>
#include <limits.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* A run of the quick suite takes well under this; less free space and it might not end. */
#define DB_ROOM_BYTES (8u * 1024 * 1024)
#define WIDTH_PIPED   100
#define WIDTH_MIN     40
#define WIDTH_MAX     1000

static unsigned width_of(int fd)
{
    const char *columns = getenv("COLUMNS");
    struct winsize w;
    uint64_t n;

    if (columns && parse_u64(columns, WIDTH_MIN, WIDTH_MAX, "COLUMNS", &n, NULL) >= 0)
        return (unsigned)n;
    if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col < WIDTH_MIN ? WIDTH_MIN : w.ws_col;
    return WIDTH_PIPED;
}

static void style_detect(int fd, struct style *s, bool *ret_live)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool live = isatty(fd) && term && term[0] && !str_eq(term, "dumb");

    s->colour = live && !(no_color && no_color[0]);
    s->utf8 = str_eq(nl_langinfo(CODESET), "UTF-8");
    s->width = width_of(fd);
    if (ret_live)
        *ret_live = live;
}

void cli_detect(struct cli *cli)
{
    setlocale(LC_CTYPE, ""); /* and nothing else: numbers keep their points */
    style_detect(STDOUT_FILENO, &cli->out, NULL);
    style_detect(STDERR_FILENO, &cli->chatter, &cli->chatter_live);
}

const char *cli_db_hint(const struct options *o)
{
    return options_text(o, "db", NULL);
}

int cli_db_path(const struct options *o, struct str *ret, struct err *err)
{
    const char *db = cli_db_hint(o);
    int r;

    if (db) {
        str_add(ret, db);
        return 0;
    }
    r = ledger_state_dir(ret, err);
    if (r >= 0)
        str_add(ret, "/results.db");
    return r;
}

int cli_open_read(const struct options *o, struct store **ret, struct err *err)
{
    _cleanup_(str_release) struct str path = STR_INIT;
    int r = cli_db_path(o, &path, err);

    if (r < 0)
        return r;
    if (access(path.buf, F_OK) < 0 && errno == ENOENT)
        return err_set(err, ERR_ENVIRONMENT, ENOENT,
                       "there is no %s: nothing was measured yet (cupel run), or it is elsewhere "
                       "(--db FILE)",
                       path.buf);
    return store_open_readonly(path.buf, ret, err);
}

int cli_check_writable(const char *path, struct err *err)
{
    _cleanup_free_ char *copy = xstrdup(path);
    const char *dir = dirname(copy);
    struct stat st;

    if (str_eq(path, "-"))
        return 0;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return err_set(err, ERR_ENVIRONMENT, EISDIR, "%s is a directory", path);
        if (access(path, W_OK) < 0)
            return err_errno(err, errno, "cannot write %s", path);
        return 0;
    }
    if (errno != ENOENT)
        return err_errno(err, errno, "cannot write %s", path);
    if (access(dir, W_OK | X_OK) < 0)
        return err_errno(err, errno, "cannot make %s in %s", path, dir);
    return 0;
}

int cli_open_write(const struct options *o, struct store **ret, struct err *err)
{
    _cleanup_(str_release) struct str path = STR_INIT;
    _cleanup_free_ char *copy = NULL;
    uint64_t room;
    int r = cli_db_path(o, &path, err);

    if (r < 0)
        return r;
    r = cli_check_writable(path.buf, err);
    if (r < 0)
        return err_wrap(err, "results");
    copy = xstrdup(path.buf);
    const char *dir = dirname(copy);
    /* SQLite puts its journal beside the file. */
    if (access(dir, W_OK | X_OK) < 0) {
        err_errno(err, errno, "cannot write in %s", dir);
        return err_wrap(err, "results");
    }
    r = fs_free_bytes(dir, &room, err);
    if (r < 0)
        return err_wrap(err, "results");
    if (room < DB_ROOM_BYTES) {
        char have[UNIT_TEXT];
        unit_bytes(room, have);
        return err_set(err, ERR_ENVIRONMENT, ENOSPC,
                       "results: only %s free at %s, a run may need %u MiB; nothing was measured",
                       have, dir, DB_ROOM_BYTES >> 20);
    }
    return store_open(path.buf, true, ret, err);
}

int cli_self(char *dst, size_t size, struct err *err)
{
    ssize_t n = readlink("/proc/self/exe", dst, size - 1);

    if (n < 0)
        return err_errno(err, errno, "find cupel's own file");
    dst[n] = '\0';
    return 0;
}

char *cli_data_dir(const char *folder, const char *variable)
{
    static const char *const places[] = {"../..", "../share/cupel"};
    const char *named = getenv(variable);
    char self[PATH_MAX];

    if (named && named[0])
        return xstrdup(named);
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    const char *dir = dirname(self);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        char *path = xasprintf("%s/%s/%s", dir, places[i], folder);
        if (access(path, R_OK | X_OK) == 0)
            return path;
        free(path);
    }
    return xasprintf("%s/%s", CUPEL_DATADIR, folder);
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int find_probe(char *dst, size_t size, struct err *err)
{
    /* Relative to the program: a build tree (src/cli/cupel), one folder, an installed prefix. */
    static const char *const places[] = {"../probe/cupel-probe", "cupel-probe",
                                         "../libexec/cupel/cupel-probe"};
    const char *named = getenv("CUPEL_PROBE");
    char self[PATH_MAX];

    if (named && named[0]) {
        _cleanup_free_ char *full = realpath(named, NULL);
        if (!full || !is_program(full))
            return err_set(err, ERR_ENVIRONMENT, ENOENT,
                           "CUPEL_PROBE names %s, which is no program", named);
        str_copy(dst, size, full);
        return 0;
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    _cleanup_free_ char *copy = xstrdup(self);
    const char *dir = dirname(copy);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, places[i]);
        _cleanup_free_ char *full = realpath(path, NULL);
        if (full && is_program(full)) {
            str_copy(dst, size, full);
            return 0;
        }
    }
    if (is_program(CUPEL_LIBEXECDIR "/cupel-probe")) {
        str_copy(dst, size, CUPEL_LIBEXECDIR "/cupel-probe");
        return 0;
    }
    return err_set(err, ERR_ENVIRONMENT, ENOENT,
                   "cupel-probe is neither beside %s nor in " CUPEL_LIBEXECDIR
                   "; CUPEL_PROBE=FILE names it",
                   self);
}

/* In one folder with the probe (installed), or in the folder of the build tree next to its own. */
static void find_payload(const char *probe, const char *name, char *dst, size_t size)
{
    _cleanup_free_ char *copy = xstrdup(probe);
    const char *dir = dirname(copy);

    dst[0] = '\0';
    for (int beside = 1; beside >= 0 && !dst[0]; beside--) {
        _cleanup_free_ char *path = xasprintf("%s/%s%s", dir, beside ? "" : "../payload/", name);
        _cleanup_free_ char *full = realpath(path, NULL);
        if (full && is_program(full))
            str_copy(dst, size, full);
    }
}

int cli_programs(struct programs *ret, struct err *err)
{
    char *probe = ret->path[PROGRAM_PROBE];
    size_t size = sizeof(ret->path[0]);

    memset(ret, 0, sizeof(*ret));
    int r = find_probe(probe, size, err);
    if (r < 0)
        return r;
    find_payload(probe, "cupel-linpack", ret->path[PROGRAM_LINPACK], size);
    find_payload(probe, "cupel-sqlite", ret->path[PROGRAM_SQLITE], size);
    return 0;
}

int cli_print(const struct str *text, struct err *err)
{
    struct err e = ERR_INIT;
    int r = fd_write_full(STDOUT_FILENO, text->buf, text->len, &e);

    if (r == -EPIPE)
        return 0;
    if (r < 0 && err) {
        *err = e;
        return err_wrap(err, "standard output");
    }
    return r;
}

int cli_output(const char *path, const struct str *text, struct err *err)
{
    struct stat st;

    if (!path || str_eq(path, "-"))
        return cli_print(text, err);
    /* A pipe or a device is written to, not replaced. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return file_write(path, text->buf, err);
    return file_replace(path, text->buf, text->len, 0644, err);
}

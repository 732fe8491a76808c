/* sqlite: rows inserted into a database, each in a transaction of its own, by SQLite's library.
 *
 * Layer: payload (sees probe, wire and base). The one slice is what the sqlite3 shell does with the
 * script: open the database, make the table, insert row after row, every statement parsed from its
 * text, close; and, for further scripts, the same without the table. Journal mode DELETE and
 * synchronous FULL, SQLite's defaults, are seen to hold before, and the syncs that were asked of
 * the system are counted. An operation is a row.
 *
 * The database is named by one component, below the current directory: SQLite would make that a
 * path from the root, and every transaction walks it three times; see scratch.h.
 *
 * Parameters: rows of a script; scripts; indexed (no, yes: an index on the counter); dir. */
#include "probe/family.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "payload/sqlite-script.h"
#include "probe/scratch.h"

#include <errno.h>
#include <sqlite3.h>

#define ROWS        2500
#define ROWS_MAX    99999
#define SCRIPTS_MAX 100
#define DATABASE    "pts.db"
#define VFS_NAME    "cupel"

enum tally { TALLY_ROWS, TALLY_SYNCS };

static const char *const indexed_names[] = {"no", "yes", NULL};

/* The system's file layer, with names left as they are and syncs counted. */
struct layer {
    sqlite3_vfs vfs; /* first: what SQLite hands to the functions */
    sqlite3_vfs *plain;
    uint64_t syncs;
};

/* Lies behind the plain layer's part of an open file. */
struct counted {
    sqlite3_io_methods methods; /* first: what the file's pMethods points to */
    int (*sync)(sqlite3_file *, int);
    struct layer *layer;
};

struct db {
    struct scratch_dir dir;
    struct layer layer;
    unsigned rows, scripts, indexed;
    char (*inserts)[SCRIPT_STATEMENT_MAX]; /* [rows] */
    char journal[16];                      /* mode, as the library says */
    int64_t synchronous, page_bytes;
    bool used;
};

/* ---- the file layer ---- */

static int layer_sync(sqlite3_file *file, int flags)
{
    const struct counted *c = (const struct counted *)file->pMethods;
    c->layer->syncs++;
    return c->sync(file, flags);
}

static size_t plain_bytes(const struct layer *l)
{
    size_t to = _Alignof(struct counted);
    return ((size_t)l->plain->szOsFile + to - 1) / to * to;
}

static int layer_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                      int *ret_flags)
{
    struct layer *l = (struct layer *)vfs;
    int r = l->plain->xOpen(l->plain, name, file, flags, ret_flags);
    if (!file->pMethods)
        return r;
    struct counted *c = (struct counted *)((char *)file + plain_bytes(l));
    *c = (struct counted){.methods = *file->pMethods, .sync = file->pMethods->xSync, .layer = l};
    c->methods.xSync = layer_sync;
    file->pMethods = &c->methods;
    return r;
}

static int layer_full_name(sqlite3_vfs *vfs, const char *name, int size, char *dst)
{
    return str_copy(dst, (size_t)size, name) ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* The other functions of the plain layer are its own; they do not look at the structure that they
 * are handed. */
static int layer_register(struct layer *l, struct err *err)
{
    l->plain = sqlite3_vfs_find(NULL);
    if (!l->plain)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "SQLite has no file layer");
    l->vfs = *l->plain;
    l->vfs.zName = VFS_NAME;
    l->vfs.szOsFile = (int)(plain_bytes(l) + sizeof(struct counted));
    l->vfs.xOpen = layer_open;
    l->vfs.xFullPathname = layer_full_name;
    return sqlite3_vfs_register(&l->vfs, 0) == SQLITE_OK
               ? 0
               : err_set(err, ERR_BUG, EINVAL, "SQLite refuses the file layer");
}

/* ---- statements ---- */

static int db_error(sqlite3 *db, const char *what, struct err *err)
{
    return err_set(err, ERR_ENVIRONMENT, EIO, "%s: %s", what, sqlite3_errmsg(db));
}

static int db_open(const char *vfs, sqlite3 **ret, struct err *err)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(DATABASE, &db, flags, vfs) != SQLITE_OK) {
        int r = db_error(db, "open " DATABASE, err);
        sqlite3_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

/* The first column of a query's first row, as text. */
static int db_ask(sqlite3 *db, const char *sql, char *dst, size_t size, struct err *err)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        return db_error(db, sql, err);
    int r = sqlite3_step(s) == SQLITE_ROW ? 0 : db_error(db, sql, err);
    const char *text = r == 0 ? (const char *)sqlite3_column_text(s, 0) : NULL;
    if (r == 0)
        str_copy(dst, size, text ? text : "");
    sqlite3_finalize(s);
    return r;
}

static int db_ask_num(sqlite3 *db, const char *sql, int64_t *ret, struct err *err)
{
    char text[32];
    int r = db_ask(db, sql, text, sizeof(text), err);
    return r < 0 ? r : parse_i64(text, INT64_MIN, INT64_MAX, sql, ret, err);
}

/* ---- preparing ---- */

static int sqlite_params(const struct job *job, struct db *ret, struct err *err)
{
    int64_t rows = 0, scripts = 0;
    int r = job_num(job, "rows", 1, ROWS_MAX, ROWS, &rows, err);
    if (r == 0)
        r = job_num(job, "scripts", 1, SCRIPTS_MAX, 1, &scripts, err);
    if (r == 0)
        r = job_choice(job, "indexed", indexed_names, &ret->indexed, err);
    ret->rows = (unsigned)rows;
    ret->scripts = (unsigned)scripts;
    return r;
}

static int sqlite_prepare(struct job *job, struct err *err)
{
    struct db params = {.rows = 0};
    const char *dir;
    int r = sqlite_params(job, &params, err);
    if (r == 0)
        r = scratch_param(job, &dir, err);
    if (r < 0)
        return r;
    scratch_facts(dir, &job->facts);
    facts_add_text(&job->facts, "sqlite_version", sqlite3_libversion());
    facts_add_text(&job->facts, "indexed", indexed_names[params.indexed]);
    return 0;
}

/* How the library commits, looked at in a database that is removed again. */
static int learn_modes(struct db *s, struct err *err)
{
    sqlite3 *db = NULL;
    int r = db_open(VFS_NAME, &db, err);
    if (r < 0)
        return r;
    r = db_ask(db, "PRAGMA journal_mode", s->journal, sizeof(s->journal), err);
    if (r == 0)
        r = db_ask_num(db, "PRAGMA synchronous", &s->synchronous, err);
    if (r == 0)
        r = db_ask_num(db, "PRAGMA page_size", &s->page_bytes, err);
    sqlite3_close(db);
    unlinkat(s->dir.fd, DATABASE, 0);
    if (r == 0 && (!str_eq(s->journal, "delete") || s->synchronous != 2))
        r = err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                    "this SQLite has journal mode %s, synchronous %lld, not delete and 2 (FULL)",
                    s->journal, (long long)s->synchronous);
    return r;
}

static void sqlite_stop(struct worker *w)
{
    struct db *s = w->state;
    if (!s)
        return;
    if (s->layer.plain)
        sqlite3_vfs_unregister(&s->layer.vfs);
    if (chdir("/") < 0) /* so that the directory can be removed */
        perror("cupel-sqlite: chdir to /");
    scratch_remove(&s->dir);
    free(s->inserts);
    free(s);
    w->state = NULL;
}

static int sqlite_start(struct worker *w, struct err *err)
{
    struct db *s = w->state = xcalloc(1, sizeof(*s));
    int r = sqlite_params(w->job, s, err);
    if (r == 0)
        r = scratch_make(w->job, &s->dir, err);
    if (r < 0)
        return r;
    if (fchdir(s->dir.fd) < 0)
        return err_errno(err, errno, "enter %s", s->dir.path);
    s->inserts = xcalloc(s->rows, sizeof(*s->inserts));
    for (unsigned i = 0; i < s->rows; i++)
        script_insert(i + 1, s->inserts[i]);
    r = layer_register(&s->layer, err);
    if (r == 0)
        r = learn_modes(s, err);
    s->layer.syncs = 0;
    return r;
}

static int sqlite_ready(struct job *job, struct err *err)
{
    const struct db *s = job->workers[0].state;
    facts_add_text(&job->facts, "journal_mode", s->journal);
    facts_add_num(&job->facts, "synchronous", s->synchronous);
    facts_add_num(&job->facts, "page_bytes", s->page_bytes);
    return 0;
}

/* ---- the script ---- */

static bool exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool make_table(const struct db *s, sqlite3 *db)
{
    return exec(db, SCRIPT_TABLE) && (!s->indexed || exec(db, SCRIPT_INDEX));
}

/* Opens, inserts the first n rows, closes. Returns how many were inserted. */
static uint64_t run_script(struct db *s, bool first, uint64_t n)
{
    sqlite3 *db = NULL;
    uint64_t i = 0;
    if (db_open(VFS_NAME, &db, NULL) < 0)
        return 0;
    if (!first || make_table(s, db))
        while (i < n && exec(db, s->inserts[i]))
            i++;
    return sqlite3_close(db) == SQLITE_OK ? i : 0;
}

/* Once: a second slice would find a database that has rows. */
static void run_sqlite(struct worker *w, uint64_t ops)
{
    struct db *s = w->state;
    uint64_t rows = (uint64_t)s->rows * s->scripts;
    if (s->used || (w->job->inject > 0 ? ops < rows : ops != rows)) {
        worker_fail(w, s->used ? EALREADY : EINVAL, "a slice is all scripts, once");
        return;
    }
    s->used = true;
    uint64_t done = 0;
    while (done < ops) {
        uint64_t n = ops - done < s->rows ? ops - done : s->rows;
        uint64_t got = run_script(s, done == 0, n);
        done += got;
        if (got < n) {
            worker_fail(w, EIO, "insert a row");
            break;
        }
    }
    w->tally[TALLY_ROWS] += done;
    w->tally[TALLY_SYNCS] += s->layer.syncs;
}

/* ---- checks ---- */

struct sums {
    int64_t rows, i, f1, f2_left, f2_right, dated;
};

static struct sums sums_expected(const struct db *s, uint64_t rows)
{
    struct sums x = {.rows = (int64_t)rows, .dated = (int64_t)rows};
    for (uint64_t k = 0; k < rows; k++) {
        unsigned i = (unsigned)(k % s->rows) + 1;
        x.i += i;
        x.f1 += script_f1(i);
        x.f2_left += script_f2(i, 0);
        x.f2_right += script_f2(i, 1);
    }
    return x;
}

static int sums_found(sqlite3 *db, struct sums *ret, struct err *err)
{
    const struct {
        const char *sql;
        int64_t *to;
    } asks[] = {
        {"SELECT count(*) FROM pts1", &ret->rows},
        {"SELECT sum(I) FROM pts1", &ret->i},
        {"SELECT sum(CAST(F1 AS INTEGER)) FROM pts1", &ret->f1},
        {"SELECT sum(CAST(substr(F2, 1, 8) AS INTEGER)) FROM pts1", &ret->f2_left},
        {"SELECT sum(CAST(substr(F2, 9) AS INTEGER)) FROM pts1", &ret->f2_right},
        {"SELECT count(*) FROM pts1 WHERE DT LIKE '____-__-__ __:__:__'", &ret->dated},
    };
    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        int r = db_ask_num(db, asks[i].sql, asks[i].to, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_rows(const struct db *s, uint64_t rows, sqlite3 *db, struct err *err)
{
    char text[64];
    int r = db_ask(db, "PRAGMA integrity_check", text, sizeof(text), err);
    if (r == 0 && !str_eq(text, "ok"))
        r = err_set(err, ERR_MEASUREMENT, EIO, "the database is damaged: %s", text);
    struct sums want = sums_expected(s, rows), found = {.rows = 0};
    if (r == 0)
        r = sums_found(db, &found, err);
    if (r == 0 && memcmp(&want, &found, sizeof(want)) != 0)
        r = err_set(err, ERR_MEASUREMENT, EPROTO,
                    "the database has %lld rows, their counters make %lld; %lld and %lld expected",
                    (long long)found.rows, (long long)found.i, (long long)want.rows,
                    (long long)want.i);
    return r;
}

/* What is in the file, read by SQLite's own layer. */
static int sqlite_check(struct worker *w, struct err *err)
{
    const struct db *s = w->state;
    sqlite3 *db = NULL;
    if (!s->used)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "no row was inserted");
    if (w->tally[TALLY_SYNCS] < w->done)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "%llu syncs for %llu transactions",
                       (unsigned long long)w->tally[TALLY_SYNCS], (unsigned long long)w->done);
    int r = db_open(NULL, &db, err);
    if (r < 0)
        return r;
    r = check_rows(s, w->done, db, err);
    sqlite3_close(db);
    return r;
}

static int sqlite_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    int r = job_verify_count(job, 1, fin, err);
    if (r < 0)
        return r;
    facts_add_num(&fin->facts, "syncs", (int64_t)job_tally(job, TALLY_SYNCS));
    str_format(fin->detail, sizeof(fin->detail),
               "%llu rows found and their sums right, integrity_check ok, %llu syncs",
               (unsigned long long)job_done(job), (unsigned long long)job_tally(job, TALLY_SYNCS));
    return 0;
}

static const struct workload list[] = {
    {.name = "sqlite",
     .processes = true,
     .no_hist = true,
     .prepare = sqlite_prepare,
     .start = sqlite_start,
     .ready = sqlite_ready,
     .run = run_sqlite,
     .check = sqlite_check,
     .verify = sqlite_verify,
     .stop = sqlite_stop},
};

const struct family family_sqlite = {
    .name = "sqlite",
    .list = list,
    .n = ARRAY_SIZE(list),
};

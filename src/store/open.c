/* Opening a results file: is it one, is it whole, is it of a format this version knows. Nothing is
 * written before all that is clear. */
#include "store/database.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define STORE_APPLICATION_ID 0x6375706c /* "cupl" */
#define BUSY_TIMEOUT_MS      15000
#define HEADER_BYTES         100

/* What brings a file from format i to i + 1; each runs inside the one transaction of the upgrade.
 * Adding a format: raise STORE_FORMAT, append its statements here, describe it in docs/results.md.
 */
static const char *const upgrades[STORE_FORMAT] = {
    /* 0, an empty file, to 1 */
    "CREATE TABLE run("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE, machine_id TEXT,"
    " machine TEXT, version TEXT, command TEXT, started_real_ns INTEGER NOT NULL,"
    " ended_real_ns INTEGER NOT NULL, status TEXT NOT NULL, base INTEGER NOT NULL, suite TEXT,"
    " base_label TEXT, seed TEXT NOT NULL, theta REAL NOT NULL, precision REAL NOT NULL,"
    " blocks INTEGER NOT NULL, repeats INTEGER NOT NULL, budget_ns INTEGER NOT NULL,"
    " interval_ns INTEGER NOT NULL, settle_ns INTEGER NOT NULL, slice_ns INTEGER NOT NULL,"
    " rounds INTEGER NOT NULL, solo INTEGER NOT NULL, share INTEGER NOT NULL,"
    " limit_cpus REAL NOT NULL, limit_memory_bytes INTEGER NOT NULL, limit_pids INTEGER NOT NULL);"
    "CREATE TABLE target("
    " run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, idx INTEGER NOT NULL,"
    " label TEXT NOT NULL, text TEXT NOT NULL, driver TEXT NOT NULL, runtime TEXT NOT NULL,"
    " platform TEXT NOT NULL, flags TEXT NOT NULL, inject TEXT NOT NULL, usable INTEGER NOT NULL,"
    " info TEXT, PRIMARY KEY(run, idx)) WITHOUT ROWID;"
    "CREATE TABLE cell("
    " run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, idx INTEGER NOT NULL,"
    " name TEXT NOT NULL, workload TEXT NOT NULL, cpus TEXT NOT NULL, workers INTEGER NOT NULL,"
    " place TEXT NOT NULL, grain TEXT NOT NULL, params TEXT NOT NULL, PRIMARY KEY(run, idx)"
    ") WITHOUT ROWID;"
    "CREATE TABLE block("
    " run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, block INTEGER NOT NULL,"
    " start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, complete INTEGER NOT NULL,"
    " PRIMARY KEY(run, block)) WITHOUT ROWID;"
    "CREATE TABLE session("
    " id INTEGER PRIMARY KEY, run INTEGER NOT NULL, block INTEGER NOT NULL,"
    " target INTEGER NOT NULL, outcome TEXT NOT NULL, fail_kind TEXT NOT NULL,"
    " fail_code INTEGER NOT NULL, fail_text TEXT NOT NULL, launch_ns INTEGER NOT NULL,"
    " idle_cpu REAL, proof TEXT, hello TEXT,"
    " FOREIGN KEY(run, target) REFERENCES target(run, idx) ON DELETE CASCADE);"
    "CREATE INDEX session_run ON session(run, block, target);"
    "CREATE TABLE trial("
    " id INTEGER PRIMARY KEY, run INTEGER NOT NULL, block INTEGER NOT NULL,"
    " position INTEGER NOT NULL, cell INTEGER NOT NULL, start_ns INTEGER NOT NULL,"
    " end_ns INTEGER NOT NULL, steal REAL, psi_cpu REAL, loadavg REAL, runnable INTEGER,"
    " swap_pages INTEGER, throttled INTEGER, others_cpu_ns INTEGER, kernel_log_lines INTEGER,"
    " UNIQUE(run, block, cell),"
    " FOREIGN KEY(run, cell) REFERENCES cell(run, idx) ON DELETE CASCADE);"
    "CREATE INDEX trial_cell ON trial(run, cell, block);"
    "CREATE TABLE part("
    " id INTEGER PRIMARY KEY, trial INTEGER NOT NULL REFERENCES trial(id) ON DELETE CASCADE,"
    " run INTEGER NOT NULL, idx INTEGER NOT NULL, role TEXT NOT NULL, target INTEGER NOT NULL,"
    " outcome TEXT NOT NULL, fail_kind TEXT NOT NULL, fail_code INTEGER NOT NULL,"
    " fail_text TEXT NOT NULL, verified INTEGER NOT NULL, detail TEXT NOT NULL, facts TEXT,"
    " hist TEXT, peak_memory_bytes INTEGER NOT NULL, clock_drift REAL, UNIQUE(trial, idx),"
    " FOREIGN KEY(run, target) REFERENCES target(run, idx) ON DELETE CASCADE);"
    "CREATE INDEX part_target ON part(run, target);"
    "CREATE TABLE sample("
    " part INTEGER NOT NULL REFERENCES part(id) ON DELETE CASCADE, idx INTEGER NOT NULL,"
    " round INTEGER NOT NULL, position INTEGER NOT NULL, previous INTEGER,"
    " start_ns INTEGER NOT NULL, ops INTEGER NOT NULL, ns INTEGER NOT NULL,"
    " control_ns INTEGER NOT NULL, cpu_ns INTEGER, PRIMARY KEY(part, idx)) WITHOUT ROWID;"
    "CREATE TABLE warning("
    " id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,"
    " kind TEXT NOT NULL, block INTEGER, target INTEGER, cell INTEGER, value REAL,"
    " text TEXT NOT NULL);"
    "CREATE INDEX warning_run ON warning(run);",
    /* 1 to 2: applications and their units, shortened runs */
    "ALTER TABLE run ADD COLUMN scale REAL NOT NULL DEFAULT 1;"
    "ALTER TABLE run ADD COLUMN drop_caches INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE cell ADD COLUMN unit TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE cell ADD COLUMN better TEXT NOT NULL DEFAULT 'lower';"
    "ALTER TABLE cell ADD COLUMN app TEXT;",
    /* 2 to 3: limits of input and output */
    "ALTER TABLE run ADD COLUMN limit_io_bps INTEGER NOT NULL DEFAULT 0;",
    /* 3 to 4: gates, and targets put in twice */
    ("ALTER TABLE run ADD COLUMN gate REAL NOT NULL DEFAULT 0;"
     "ALTER TABLE run ADD COLUMN aa INTEGER NOT NULL DEFAULT 0;"),
    /* 4 to 5: verdicts of emulated CPUs, which no run of before had */
    "ALTER TABLE run ADD COLUMN emulated_too INTEGER NOT NULL DEFAULT 0;",
};

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int damaged(const char *path, const char *how, struct err *err)
{
    return err_set(err, ERR_ENVIRONMENT, EBADMSG,
                   "%s: %s; nothing was changed, move it away or give another with --db", path,
                   how);
}

static int check_format(const char *path, uint32_t application, int64_t format, struct err *err)
{
    if (application != STORE_APPLICATION_ID)
        return damaged(path, "this is a database of another program", err);
    if (format > STORE_FORMAT)
        return err_set(err, ERR_ENVIRONMENT, EPROTONOSUPPORT,
                       "%s was written by a newer cupel (format %jd, this one knows %d); nothing "
                       "was changed",
                       path, (intmax_t)format, STORE_FORMAT);
    return 0;
}

static off_t wal_bytes(const char *path)
{
    struct stat st;
    _cleanup_free_ char *wal = xasprintf("%s-wal", path);
    return stat(wal, &st) == 0 ? st.st_size : 0;
}

/* Reads the file's own header, without SQLite, which might write: a log beside the file is folded
 * in by whoever opens it. *ret_exists: there is a file with something in it. */
static int peek(const char *path, bool *ret_exists, struct err *err)
{
    unsigned char h[HEADER_BYTES];
    struct stat st;
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *ret_exists = false;
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, errno, "results: open %s", path);
    if (fstat(fd, &st) < 0)
        return err_errno(err, errno, "results: %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_ENVIRONMENT, EISDIR, "results: %s is no regular file", path);
    if (st.st_size == 0)
        return 0;
    *ret_exists = true;
    ssize_t n = pread(fd, h, sizeof(h), 0);
    if (n < 0)
        return err_errno(err, errno, "results: read %s", path);
    if (n < HEADER_BYTES || memcmp(h, "SQLite format 3", 16) != 0)
        return damaged(path, "not a database, or damaged", err);
    /* While a log is pending the header is not the last word: store_open asks again. */
    if (wal_bytes(path) > 0)
        return 0;
    /* Format 0 is a file whose creation was cut short: empty, to be filled again. */
    if (be32(h + 60) == 0 && be32(h + 68) == 0)
        return 0;
    int r = check_format(path, be32(h + 68), be32(h + 60), err);
    if (r < 0)
        return r;
    uint64_t page = (uint64_t)h[16] << 8 | h[17];
    uint64_t want = (page == 1 ? 65536 : page) * be32(h + 28);
    if (be32(h + 24) == be32(h + 92) && (uint64_t)st.st_size < want)
        return damaged(path, "damaged: its end is missing", err);
    return 0;
}

static int store_new(const char *path, struct store **ret)
{
    struct store *s = xcalloc(1, sizeof(*s));
    s->path = xstrdup(path);
    *ret = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < KEPT_COUNT; i++)
        sqlite3_finalize(s->kept[i]);
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

static void store_closep(struct store **s)
{
    store_close(*s);
}

static int connect_to(struct store *s, const char *name, int flags, struct err *err)
{
    flags |= SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(name, &s->db, flags, NULL) != SQLITE_OK)
        return s->db ? db_fail(s, "open", err)
                     : err_set(err, ERR_ENVIRONMENT, ENOMEM, "%s: out of memory", s->path);
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    /* A file from elsewhere must not be able to make us run anything. */
    return db_exec(s,
                   "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON",
                   "open", err);
}

/* What the file says it is, its log included. */
static int read_format(struct store *s, int64_t *ret_format, struct err *err)
{
    int64_t application = 0, format = 0, tables = 0;
    int r = db_number(s, "PRAGMA application_id", &application, err);
    if (r == 0)
        r = db_number(s, "PRAGMA user_version", &format, err);
    if (r == 0)
        r = db_number(s, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (r < 0)
        return r;
    if (application != 0 || format != 0 || tables != 0)
        r = check_format(s->path, (uint32_t)application, format, err);
    if (r == 0)
        *ret_format = format;
    return r;
}

/* Brings the file up to STORE_FORMAT. The format is read again inside the transaction: another
 * process may have been here first. */
static int upgrade(struct store *s, struct err *err)
{
    int64_t format = 0;
    char pragma[120];
    int r = db_begin(s, err);
    if (r < 0)
        return r;
    r = read_format(s, &format, err);
    for (int64_t i = format; r == 0 && i < STORE_FORMAT; i++)
        r = db_exec(s, upgrades[i], "bring up to date", err);
    str_format(pragma, sizeof(pragma), "PRAGMA application_id=%d; PRAGMA user_version=%d",
               STORE_APPLICATION_ID, STORE_FORMAT);
    if (r == 0)
        r = db_exec(s, pragma, "bring up to date", err);
    return db_end(s, r, err);
}

static int make_ready(struct store *s, struct err *err)
{
    int64_t format = 0;
    int r = read_format(s, &format, err);
    if (r == 0 && sqlite3_db_readonly(s->db, "main") == 1)
        r = err_set(err, ERR_ENVIRONMENT, EROFS,
                    "%s: the file cannot be written; give another with --db", s->path);
    if (r == 0 && format < STORE_FORMAT)
        r = upgrade(s, err);
    if (r == 0)
        r = db_exec(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", "open", err);
    return r;
}

int store_open(const char *path, bool create, struct store **ret, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    bool exists = false, memory = str_eq(path, ":memory:");
    int r = memory ? 0 : peek(path, &exists, err);
    if (r < 0)
        return r;
    if (!exists && !create)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "no results at %s", path);
    bool there = memory || access(path, F_OK) == 0;
    store_new(path, &s);
    r = connect_to(s, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (r == 0)
        r = make_ready(s, err);
    if (r < 0) {
        if (!there)
            unlink(path); /* made by this call, and empty */
        return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

/* The path as an URI that SQLite takes for unchangeable: no lock, no log, no shared memory. */
static char *immutable_uri(const char *path)
{
    struct str uri = STR_INIT;
    str_add(&uri, "file:");
    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("?#%", *p))
            str_addf(&uri, "%%%02x", *p);
        else
            str_addc(&uri, (char)*p);
    }
    str_add(&uri, "?immutable=1");
    return str_take(&uri);
}

static int check_readable(struct store *s, struct err *err)
{
    int64_t format = 0;
    int r = read_format(s, &format, err);
    if (r < 0)
        return r;
    if (format == 0)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "no results at %s", s->path);
    if (format < STORE_FORMAT)
        return err_set(err, ERR_ENVIRONMENT, EROFS,
                       "%s is of the older format %jd and cannot be brought up to date here; "
                       "make it writable once",
                       s->path, (intmax_t)format);
    return db_exec(s, "PRAGMA query_only=ON", "open", err);
}

static int open_for_reading(struct store *s, const char *path, struct err *err)
{
    int r = connect_to(s, path, SQLITE_OPEN_READONLY, err);
    return r < 0 ? r : check_readable(s, err);
}

/* A file in a directory that cannot be written has no place for the shared memory of its log.
 * Without a pending log it can be read as it lies. */
static int open_unchangeable(struct store *s, const char *path, struct err *err)
{
    if (wal_bytes(path) > 0)
        return err_set(
            err, ERR_ENVIRONMENT, EACCES,
            "%s: its directory cannot be written, and a log (%s-wal) has to be folded in "
            "first; copy both elsewhere",
            path, path);
    _cleanup_free_ char *uri = immutable_uri(path);
    int r = connect_to(s, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    return r < 0 ? r : check_readable(s, err);
}

/* Whoever has a new cupel wants to see the runs of the old one. */
static int bring_up_to_date(const char *path, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    return store_open(path, false, &s, err);
}

int store_open_readonly(const char *path, struct store **ret, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    bool exists;
    int r = peek(path, &exists, err);
    if (r < 0)
        return r;
    if (!exists)
        return err_set(err, ERR_ENVIRONMENT, ENOENT, "no results at %s", path);
    store_new(path, &s);
    r = open_for_reading(s, path, err);
    if (r == -EROFS && access(path, W_OK) == 0) {
        sqlite3_close(TAKE_PTR(s->db));
        r = bring_up_to_date(path, err);
        if (r == 0)
            r = open_for_reading(s, path, err);
    }
    if (r < 0 && s->db) {
        int rc = sqlite3_errcode(s->db) & 0xff;
        if (rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY) {
            sqlite3_close(TAKE_PTR(s->db));
            r = open_unchangeable(s, path, err);
        }
    }
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

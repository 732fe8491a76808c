#include "store/database.h"

#include <errno.h>
#include <math.h>

static bool is_full(struct store *s, int rc)
{
    int e = sqlite3_system_errno(s->db);
    return rc == SQLITE_FULL || (rc == SQLITE_IOERR && (e == ENOSPC || e == EDQUOT));
}

int db_fail(struct store *s, const char *what, struct err *err)
{
    int code = sqlite3_extended_errcode(s->db), rc = code & 0xff;
    const char *msg = sqlite3_errmsg(s->db);
    const char *p = s->path;
    if (is_full(s, rc))
        return err_set(
            err, ERR_ENVIRONMENT, ENOSPC,
            "%s: %s: the disk is full; free some space, or give another file system with "
            "--db; what was stored before is kept",
            p, what);
    switch (rc) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_ENVIRONMENT, EBADMSG,
                       "%s: %s: the file is damaged or no results file (%s); nothing was changed, "
                       "move it away or give another with --db",
                       p, what, msg);
    case SQLITE_READONLY:
        return err_set(
            err, ERR_ENVIRONMENT, EROFS,
            "%s: %s: the file or its directory cannot be written; give another with --db", p, what);
    case SQLITE_CANTOPEN:
        return err_set(err, ERR_ENVIRONMENT, EACCES,
                       "%s: %s: cannot be opened, or its directory cannot be written", p, what);
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return err_set(err, ERR_ENVIRONMENT, EACCES, "%s: %s: no permission", p, what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_ENVIRONMENT, EBUSY,
                       "%s: %s: another process has been writing for too long", p, what);
    case SQLITE_CONSTRAINT:
        return err_set(err, ERR_BUG, EEXIST, "%s: %s: %s", p, what, msg);
    case SQLITE_NOMEM:
        return err_set(err, ERR_ENVIRONMENT, ENOMEM, "%s: %s: out of memory", p, what);
    case SQLITE_IOERR:
        return err_set(err, ERR_ENVIRONMENT, EIO, "%s: %s: %s (%s)", p, what, msg,
                       strerror(sqlite3_system_errno(s->db)));
    default:
        return err_set(err, ERR_BUG, EINVAL, "%s: %s: %s", p, what, msg);
    }
}

int db_exec(struct store *s, const char *sql, const char *what, struct err *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(s, what, err);
}

int db_prepare(struct store *s, const char *sql, sqlite3_stmt **ret, struct err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
        return db_fail(s, "read", err);
    *ret = st;
    return 0;
}

int db_kept(struct store *s, enum kept which, const char *sql, sqlite3_stmt **ret, struct err *err)
{
    if (!s->kept[which] && sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                              &s->kept[which], NULL) != SQLITE_OK)
        return db_fail(s, "prepare", err);
    *ret = s->kept[which];
    return 0;
}

int db_step(struct store *s, sqlite3_stmt *st, const char *what, struct err *err)
{
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : db_fail(s, what, err);
}

int db_number(struct store *s, const char *sql, int64_t *ret, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = db_prepare(s, sql, &st, err);
    if (r < 0)
        return r;
    r = db_step(s, st, "read", err);
    if (r < 0)
        return r;
    *ret = r ? sqlite3_column_int64(st, 0) : 0;
    return 0;
}

int db_begin(struct store *s, struct err *err)
{
    if (s->depth == 0) {
        s->doomed = false;
        int r = db_exec(s, "BEGIN IMMEDIATE", "begin", err);
        if (r < 0)
            return r;
    }
    s->depth++;
    return 0;
}

int db_end(struct store *s, int r, struct err *err)
{
    s->doomed = s->doomed || r < 0;
    if (--s->depth > 0)
        return r;
    if (!s->doomed)
        r = db_exec(s, "COMMIT", "commit", err);
    /* SQLite has rolled back by itself after some failures; then there is nothing left to do. */
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return s->doomed && r == 0 ? err_set(err, ERR_BUG, EINVAL, "%s: half a transaction", s->path)
                               : r;
}

struct binder bind_start(sqlite3_stmt *st)
{
    sqlite3_reset(st);
    return (struct binder){.st = st, .rc = SQLITE_OK};
}

static void bound(struct binder *b, int rc)
{
    if (b->rc == SQLITE_OK)
        b->rc = rc;
}

void bind_i64(struct binder *b, int64_t v)
{
    bound(b, sqlite3_bind_int64(b->st, ++b->i, v));
}

void bind_u64(struct binder *b, uint64_t v)
{
    b->i++;
    if (v > INT64_MAX)
        bound(b, sqlite3_bind_null(b->st, b->i));
    else
        bound(b, sqlite3_bind_int64(b->st, b->i, (int64_t)v));
}

void bind_double(struct binder *b, double v)
{
    bound(b, sqlite3_bind_double(b->st, ++b->i, v)); /* NAN becomes NULL in there */
}

void bind_text(struct binder *b, const char *v)
{
    bound(b, sqlite3_bind_text(b->st, ++b->i, v, -1, SQLITE_STATIC));
}

void bind_index(struct binder *b, int32_t v)
{
    b->i++;
    bound(b, v < 0 ? sqlite3_bind_null(b->st, b->i) : sqlite3_bind_int(b->st, b->i, v));
}

int db_run(struct store *s, struct binder *b, const char *what, struct err *err)
{
    int r = b->rc == SQLITE_OK ? db_step(s, b->st, what, err) : db_fail(s, what, err);
    sqlite3_reset(b->st);
    sqlite3_clear_bindings(b->st);
    return r > 0 ? 0 : r;
}

int64_t col_i64(struct columns *c)
{
    return sqlite3_column_int64(c->st, c->i++);
}

uint32_t col_u32(struct columns *c)
{
    int64_t v = col_i64(c);
    return v < 0 || v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

uint64_t col_u64(struct columns *c)
{
    bool null = sqlite3_column_type(c->st, c->i) == SQLITE_NULL;
    int64_t v = col_i64(c);
    return null || v < 0 ? UINT64_MAX : (uint64_t)v;
}

uint64_t col_count(struct columns *c)
{
    int64_t v = col_i64(c);
    return v < 0 ? 0 : (uint64_t)v;
}

int32_t col_index(struct columns *c)
{
    bool null = sqlite3_column_type(c->st, c->i) == SQLITE_NULL;
    int64_t v = col_i64(c);
    return null || v < 0 || v > INT32_MAX ? -1 : (int32_t)v;
}

double col_double(struct columns *c)
{
    bool null = sqlite3_column_type(c->st, c->i) == SQLITE_NULL;
    double v = sqlite3_column_double(c->st, c->i++);
    return null ? (double)NAN : v;
}

void col_text(struct columns *c, char *dst, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(c->st, c->i++);
    str_copy(dst, size, text ? text : "");
}

char *col_dup(struct columns *c)
{
    return xstrdup((const char *)sqlite3_column_text(c->st, c->i++));
}

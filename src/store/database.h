/* The part of SQLite that the store uses, with errors people can act on.
 *
 * Layer: store, inside the room only. Ownership: statements of db_prepare belong to the caller
 * (sqlite3_finalize); those of db_kept to the store.
 *
 * Binding and reading are done in the order of the columns, through a cursor each:
 *
 *     struct binder b = bind_start(st);
 *     bind_i64(&b, run);
 *     bind_text(&b, name);
 *     r = db_run(s, &b, "write a block", err);
 *
 *     struct columns c = {.st = st};
 *     x = col_u32(&c);
 *     col_text(&c, dst, sizeof(dst)); */
#ifndef CUPEL_STORE_DATABASE_H
#define CUPEL_STORE_DATABASE_H

#include "store/store.h"

#include <sqlite3.h>

/* The statements of writing, prepared once. */
enum kept {
    KEPT_BLOCK,
    KEPT_SESSION,
    KEPT_SESSION_IDLE,
    KEPT_TRIAL,
    KEPT_PART,
    KEPT_SAMPLE,
    KEPT_WARNING,
    KEPT_HAS_TRIAL,
    KEPT_COUNT
};

struct store {
    sqlite3 *db;
    char *path;
    unsigned depth; /* of transactions: inner ones belong to the outermost */
    bool doomed;    /* an inner one failed: the outermost cannot be committed */
    sqlite3_stmt *kept[KEPT_COUNT];
};

/* Fills err from the connection's last failure: "/x/results.db: what: ..." with a remedy where
 * there is one. Returns the negative errno. */
int db_fail(struct store *s, const char *what, struct err *err);

int db_exec(struct store *s, const char *sql, const char *what, struct err *err);
int db_prepare(struct store *s, const char *sql, sqlite3_stmt **ret, struct err *err);
int db_kept(struct store *s, enum kept which, const char *sql, sqlite3_stmt **ret, struct err *err);
/* 1: a row, 0: done, negative: failed. */
int db_step(struct store *s, sqlite3_stmt *st, const char *what, struct err *err);
/* The one number sql yields; 0 if it yields none. */
int db_number(struct store *s, const char *sql, int64_t *ret, struct err *err);

int db_begin(struct store *s, struct err *err);
/* Commits if r is 0, rolls back otherwise; returns r or the commit's failure. */
int db_end(struct store *s, int r, struct err *err);

static inline void db_finalizep(sqlite3_stmt **st)
{
    sqlite3_finalize(*st);
}
#define _cleanup_stmt_ _cleanup_(db_finalizep)

struct binder {
    sqlite3_stmt *st;
    int i, rc;
};

struct binder bind_start(sqlite3_stmt *st);
void bind_i64(struct binder *b, int64_t v);
void bind_u64(struct binder *b, uint64_t v);     /* UINT64_MAX, "unknown": NULL */
void bind_double(struct binder *b, double v);    /* NAN: NULL */
void bind_text(struct binder *b, const char *v); /* NULL: NULL. v has to live until the step */
void bind_index(struct binder *b, int32_t v);    /* -1: NULL */
/* Runs a statement that yields nothing. */
int db_run(struct store *s, struct binder *b, const char *what, struct err *err);

struct columns {
    sqlite3_stmt *st;
    int i;
};

int64_t col_i64(struct columns *c);
uint32_t col_u32(struct columns *c);                      /* out of range: UINT32_MAX */
uint64_t col_u64(struct columns *c);                      /* NULL or negative: UINT64_MAX */
uint64_t col_count(struct columns *c);                    /* NULL or negative: 0 */
int32_t col_index(struct columns *c);                     /* NULL or out of range: -1 */
double col_double(struct columns *c);                     /* NULL: NAN */
void col_text(struct columns *c, char *dst, size_t size); /* cut to fit; NULL: "" */
char *col_dup(struct columns *c);                         /* malloced; NULL: NULL */

#endif

/* The script of the SQLite workload, statement by statement: the table and the single-row INSERTs
 * of the Phoronix Test Suite's sqlite profile, their values out of a fixed formula. The sqlite3
 * shell reads the same text.
 *
 * Layer: payload. */
#ifndef CUPEL_PAYLOAD_SQLITE_SCRIPT_H
#define CUPEL_PAYLOAD_SQLITE_SCRIPT_H

#include "base/str.h"

#define SCRIPT_TABLE                                                                               \
    "CREATE TABLE pts1 (I SMALLINT NOT NULL, DT TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, "    \
    "F1 VARCHAR(4) NOT NULL, F2 VARCHAR(16) NOT NULL);"
#define SCRIPT_INDEX         "CREATE INDEX pts1_i ON pts1 (I);"
#define SCRIPT_STATEMENT_MAX 128

/* What row `i` holds in F1 and in each half of F2. */
static inline unsigned script_f1(unsigned i)
{
    return i * 7919u % 10000;
}

static inline unsigned script_f2(unsigned i, unsigned half)
{
    return (unsigned)((i + half * UINT64_C(104729)) * 2654435761u % 100000000);
}

/* Row i, counted from 1. */
static inline void script_insert(unsigned i, char dst[SCRIPT_STATEMENT_MAX])
{
    str_format(dst, SCRIPT_STATEMENT_MAX,
               "INSERT INTO pts1 (I, DT, F1, F2) "
               "VALUES ('%05u', CURRENT_TIMESTAMP, '%04u', '%08u%08u');",
               i, script_f1(i), script_f2(i, 0), script_f2(i, 1));
}

#endif

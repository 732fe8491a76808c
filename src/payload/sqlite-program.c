/* cupel-sqlite. Layer: payload. */
#include "probe/program.h"

#define FAMILIES(X) X(sqlite)

PROGRAM("cupel-sqlite", "Inserts rows into a database with SQLite.", FAMILIES)

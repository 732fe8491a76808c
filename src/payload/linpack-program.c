/* cupel-linpack. Layer: payload. */
#include "probe/program.h"

#define FAMILIES(X) X(linpack)

PROGRAM("cupel-linpack", "Solves a dense system of equations with OpenBLAS.", FAMILIES)

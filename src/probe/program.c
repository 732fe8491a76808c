#include "probe/program.h"

const struct workload *program_workload(const char *name, const struct family **ret_family)
{
    for (unsigned f = 0; f < program_info.n_families; f++) {
        const struct family *family = program_info.families[f];
        for (unsigned i = 0; i < family->n; i++)
            if (str_eq(family->list[i].name, name)) {
                *ret_family = family;
                return &family->list[i];
            }
    }
    return NULL;
}

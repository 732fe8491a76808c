/* The list of families. Adding one: its line in FAMILIES and its file in meson.build; see family.h.
 * Layer: probe. */
#include "probe/family.h"

#define FAMILIES(X)                                                                                \
    X(cpu)                                                                                         \
    X(mem)                                                                                         \
    X(sys)                                                                                         \
    X(call_proc)                                                                                   \
    X(call_file)                                                                                   \
    X(call_mem)                                                                                    \
    X(call_event)                                                                                  \
    X(mm)                                                                                          \
    X(ipc)                                                                                         \
    X(fs)                                                                                          \
    X(clock)                                                                                       \
    X(disk)                                                                                        \
    X(ramspeed)                                                                                    \
    X(blogbench)

#define DECLARE(name) extern const struct family family_##name;
#define POINTER(name) &family_##name,

FAMILIES(DECLARE)

static const struct family *const all[] = {FAMILIES(POINTER)};

const struct family *const *families(unsigned *ret_n)
{
    *ret_n = ARRAY_SIZE(all);
    return all;
}

const struct workload *workload_find(const char *name, const struct family **ret_family)
{
    for (unsigned f = 0; f < ARRAY_SIZE(all); f++)
        for (unsigned i = 0; i < all[f]->n; i++)
            if (str_eq(all[f]->list[i].name, name)) {
                *ret_family = all[f];
                return &all[f]->list[i];
            }
    return NULL;
}

#include "fleet/carrier.h"

#include <errno.h>

#define CARRIER_ENTRY(name) &carrier_##name,
static const struct carrier *const carriers[] = {CARRIERS(CARRIER_ENTRY)};
#undef CARRIER_ENTRY

size_t carrier_count(void)
{
    return ARRAY_SIZE(carriers);
}

const struct carrier *carrier_at(size_t i)
{
    return carriers[i];
}

static int unknown(const char *on, size_t n, struct err *err)
{
    const char *names[ARRAY_SIZE(carriers)];
    _cleanup_free_ char *scheme = xstrndup(on, n);

    for (size_t i = 0; i < ARRAY_SIZE(carriers); i++)
        names[i] = carriers[i]->scheme;
    const char *near = str_nearest(scheme, names, ARRAY_SIZE(names));
    const struct carrier *first = carriers[0];
    if (on[n] != ':')
        return err_set(err, ERR_USAGE, EINVAL, "--on: \"%.80s\" names no way there: write %s:%s",
                       on, first->scheme, first->machine);
    return err_set(err, ERR_USAGE, EINVAL, "--on: no way \"%.40s\"; %s%s%s", scheme,
                   near ? "did you mean " : "there is ", near ? near : first->scheme,
                   near ? "?" : "");
}

int carrier_of(const char *on, const struct carrier **ret, const char **ret_spec, struct err *err)
{
    size_t n = strcspn(on, ":");

    for (size_t i = 0; on[n] && i < ARRAY_SIZE(carriers); i++) {
        if (strlen(carriers[i]->scheme) != n || strncmp(carriers[i]->scheme, on, n) != 0)
            continue;
        *ret = carriers[i];
        *ret_spec = on + n + 1;
        return 0;
    }
    return unknown(on, n, err);
}

/* A runtime's configuration, of either form: what may be told of it is bounded, and holds no
 * address with a user in it. */
#include "host/runtimeconf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int json = 0; json <= 1; json++) {
        _cleanup_(str_release) struct str out = STR_INIT;
        runtimeconf_keep((const char *)data, size, json, &out);
        if (out.len > RUNTIMECONF_KEPT_MAX || strlen(out.buf) != out.len)
            abort();
    }
    return 0;
}

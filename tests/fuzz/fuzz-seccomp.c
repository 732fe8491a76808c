/* A sandbox's filter: whatever it is, it is followed to its end. */
#include "host/seccomp.h"

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size / sizeof(struct sock_filter);
    _cleanup_free_ struct sock_filter *program = xcalloc(n + 1, sizeof(*program));
    memcpy(program, data, n * sizeof(*program));
    for (uint32_t number = 0; number < 4; number++)
        if (seccomp_follow(program, n, number) > SECCOMP_ALWAYS)
            abort();
    return 0;
}

/* The list of drivers.
 *
 * To add one:
 *   1. a file src/driver/NAME.c with one `const struct driver driver_NAME`; driver.h says what each
 *      function owes; ground.h has what all drivers share (names, ledger intents, groups, the
 * probe);
 *   2. one line below, and the file in meson.build;
 *   3. evidence for its name in proof.c: a target without any is a column that can lie;
 *   4. a case in tests/runtime/test-drivers.c, and a section in docs/targets.md.
 * Its name must differ from every runtime's, since "docker/runc" and "runc" are told apart by it.
 */
#include "driver/driver.h"

#include "base/cleanup.h"

#define DRIVERS(X)                                                                                 \
    X(host)                                                                                        \
    X(oci)                                                                                         \
    X(bwrap)                                                                                       \
    X(podman)                                                                                      \
    X(containerd)                                                                                  \
    X(docker)                                                                                      \
    X(kata)                                                                                        \
    X(qemu)                                                                                        \
    X(k8s)

#define DECLARE(name) extern const struct driver driver_##name;
DRIVERS(DECLARE)

static const struct driver *const drivers[] = {
#define ENTRY(name) &driver_##name,
    DRIVERS(ENTRY)};

static const char *const names[] = {
#define NAME(name) #name,
    DRIVERS(NAME)};

size_t driver_count(void)
{
    return ARRAY_SIZE(drivers);
}

const struct driver *driver_at(size_t i)
{
    return i < ARRAY_SIZE(drivers) ? drivers[i] : NULL;
}

const struct driver *driver_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
        if (strcmp(names[i], name) == 0)
            return drivers[i];
    return NULL;
}

const char *const *driver_names(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(names);
    return names;
}

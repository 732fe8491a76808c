/* The families of cupel-probe. Adding one: its line in FAMILIES and its file in meson.build; see
 * family.h. Layer: probe. */
#include "probe/program.h"

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
    X(blogbench)                                                                                   \
    X(reach)                                                                                       \
    X(load)                                                                                        \
    X(load_file)                                                                                   \
    X(load_limit)                                                                                  \
    X(net)                                                                                         \
    X(net_stream)                                                                                  \
    X(net_http)                                                                                    \
    X(net_serve)                                                                                   \
    X(app)

PROGRAM("cupel-probe", "The small kernels, system calls and files that cupel measures.", FAMILIES)

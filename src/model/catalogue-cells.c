/* The ways in which what there is is run, each a cell of its own; and the suites made of them. */
#include "base/str.h"
#include "model/catalogue-calls.h"

#define MIB         (UINT64_C(1) << 20)
#define SUITES_BOTH (SUITE_QUICK | SUITE_MICRO)

#define CALL_CELL(tail, in, lat, what)                                                             \
    {"call." tail, "", CPUS_ONE, false, PLACE_##in, "", SUITE_MICRO, 0},

#define MEM_CELLS(verb, plain_suites)                                                              \
    {"mem." verb, "", CPUS_ONE, false, PLACE_NONE, "", plain_suites, 0},                           \
        {"mem." verb, "nt", CPUS_ONE, false, PLACE_NONE, "stores=nt", SUITE_MICRO, 0},             \
        {"mem." verb, "all", CPUS_ALL, true, PLACE_NONE, "", SUITE_MICRO, 0},                      \
    {                                                                                              \
        "mem." verb, "all-nt", CPUS_ALL, true, PLACE_NONE, "stores=nt", SUITE_MICRO, 0             \
    }

#define BESIDE_CELL(name, victim, presets)                                                         \
    {                                                                                              \
        name, victim, CPUS_ALL, false, PLACE_NONE, presets, SUITE_MATRIX, 1                        \
    }

/* A start takes longer than a sample of the others, so do redis's, and memory a while to be filled.
 */
#define BESIDE_CELLS(load, more)                                                                   \
    BESIDE_CELL("beside." load, "prime", "victim=cpu.prime" more),                                 \
        BESIDE_CELL("tail." load, "prime", "victim=cpu.prime" more),                               \
        BESIDE_CELL("beside." load, "triad", "victim=mem.triad" more),                             \
        BESIDE_CELL("beside." load, "create", "victim=fs.create" more),                            \
        BESIDE_CELL("tail." load, "create", "victim=fs.create" more),                              \
        BESIDE_CELL("beside." load, "write", "victim=disk.write" more),                            \
        BESIDE_CELL("beside." load, "start", "victim=life.start,phase=1s,rounds=1"),               \
        BESIDE_CELL("beside." load, "redis", "victim=redis,phase=1s")

#define PAIR_CELLS(name, same_suites, cross_suites)                                                \
    {name, "same", CPUS_ONE, false, PLACE_NONE, "", same_suites, 0},                               \
    {                                                                                              \
        name, "cross", CPUS_TWO, false, PLACE_NONE, "", cross_suites, 0                            \
    }

#define PLACE_CELLS(name, rootfs_suites, tmpfs_suites)                                             \
    {name, "rootfs", CPUS_ONE, false, PLACE_ROOTFS, "", rootfs_suites, 0},                         \
        {name, "tmpfs", CPUS_ONE, false, PLACE_TMPFS, "", tmpfs_suites, 0},                        \
    {                                                                                              \
        name, "bind", CPUS_ONE, false, PLACE_BIND, "", SUITE_MICRO, 0                              \
    }

#define DISK_CELL(verb, variant, place, record, suites)                                            \
    {                                                                                              \
        "disk." verb, variant "-" record, CPUS_ALL, false, place, "record=" record,                \
            SUITE_STORAGE | (suites), 1                                                            \
    }
/* Without records of 4 KiB in the paper suite: half a million calls of each kind take gVisor's
 * ptrace platform some minutes a block. */
#define DISK_RECORDS(verb, variant, place, suites)                                                 \
    DISK_CELL(verb, variant, place, "4k", 0), DISK_CELL(verb, variant, place, "64k", suites),      \
        DISK_CELL(verb, variant, place, "1m", suites)
#define DISK_CELLS(verb)                                                                           \
    DISK_RECORDS(verb, "rootfs", PLACE_ROOTFS, SUITE_PAPER),                                       \
        DISK_RECORDS(verb, "tmpfs", PLACE_TMPFS, SUITE_PAPER),                                     \
        DISK_RECORDS(verb, "bind", PLACE_BIND, 0)

#define RAMSPEED_CELLS(verb)                                                                       \
    {"ramspeed." verb, "int", CPUS_ALL, false, PLACE_NONE, "elements=int", 0, 2},                  \
    {                                                                                              \
        "ramspeed." verb, "float", CPUS_ALL, false, PLACE_NONE, "elements=float", SUITE_PAPER, 2   \
    }

#define BLOGBENCH_CELLS(verb)                                                                      \
    {"blogbench." verb,           "rootfs", CPUS_ALL, false, PLACE_ROOTFS, "",                     \
     SUITE_STORAGE | SUITE_PAPER, 1},                                                              \
        {"blogbench." verb, "tmpfs", CPUS_ALL, false, PLACE_TMPFS, "", SUITE_STORAGE, 1},          \
    {                                                                                              \
        "blogbench." verb, "bind", CPUS_ALL, false, PLACE_BIND, "", SUITE_STORAGE, 1               \
    }

#define UNIXBENCH_CELLS(verb, suites_1, suites_4)                                                  \
    {"unixbench." verb, "1", CPUS_ALL, false, PLACE_NONE, "", SUITE_UNIXBENCH | (suites_1), 1},    \
    {                                                                                              \
        "unixbench." verb, "4", CPUS_ALL, false, PLACE_NONE, "", SUITE_UNIXBENCH | (suites_4), 4   \
    }

#define LIFE_CELLS(verb)                                                                           \
    {"life." verb, "", CPUS_ALL, false, PLACE_NONE, "", SUITE_LIFECYCLE, 1},                       \
    {                                                                                              \
        "life." verb, "cold", CPUS_ALL, false, PLACE_NONE, "cold=yes", SUITE_LIFECYCLE, 1          \
    }

#define DENSITY_CELL(verb)                                                                         \
    {                                                                                              \
        "density." verb, "", CPUS_ALL, false, PLACE_NONE, "", SUITE_DENSITY, 1                     \
    }

#define CROWD_CELLS(n)                                                                             \
    {"crowd.start-" n, "", CPUS_ALL, false, PLACE_NONE, "", SUITE_DENSITY, 1},                     \
    {                                                                                              \
        "crowd.destroy-" n, "", CPUS_ALL, false, PLACE_NONE, "", SUITE_DENSITY, 1                  \
    }

#define PARALLEL_CELL(n, suites)                                                                   \
    {                                                                                              \
        "parallel.start-" n, "", CPUS_ALL, false, PLACE_NONE, "", suites, 1                        \
    }

/* Its client on one CPU and its server on another, or both on one. */
#define NET_CELLS(name, same_suites)                                                               \
    {name, "", CPUS_TWO, false, PLACE_NONE, "", SUITE_NETWORK, 0},                                 \
    {                                                                                              \
        name, "same", CPUS_ONE, false, PLACE_NONE, "", same_suites, 0                              \
    }

/* The quick suite has to fit into four minutes: each cell in it shows a difference of its own. */
static const struct cell_def cell_defs[] = {
    {"cpu.prime", "", CPUS_ONE, false, PLACE_NONE, "", SUITES_BOTH, 0},
    {"cpu.prime", "all", CPUS_ALL, true, PLACE_NONE, "", SUITE_MICRO, 0},

    MEM_CELLS("copy", SUITE_MICRO),
    MEM_CELLS("scale", SUITE_MICRO),
    MEM_CELLS("add", SUITE_MICRO),
    MEM_CELLS("triad", SUITES_BOTH),

    {"sys.mix", "", CPUS_ONE, false, PLACE_NONE, "", SUITES_BOTH, 0},
    {"sys.mix", "wide", CPUS_ALL, false, PLACE_NONE, "", SUITE_MICRO, 0},
    {"sys.mix", "all", CPUS_ALL, true, PLACE_NONE, "", SUITE_MICRO, 0},
    {"sys.close", "", CPUS_ONE, false, PLACE_NONE, "", SUITE_MICRO, 0},
    {"sys.close", "all", CPUS_ALL, true, PLACE_NONE, "", SUITE_MICRO, 0},
    {"sys.getpid", "", CPUS_ONE, false, PLACE_NONE, "", SUITES_BOTH, 0},
    {"sys.getpid", "wide", CPUS_ALL, false, PLACE_NONE, "", SUITES_BOTH, 0},
    {"sys.getpid", "all", CPUS_ALL, true, PLACE_NONE, "", SUITE_MICRO, 0},
    {"sys.exec", "", CPUS_ONE, false, PLACE_NONE, "", SUITES_BOTH, 0},
    {"sys.exec", "all", CPUS_ALL, true, PLACE_NONE, "", SUITE_MICRO, 0},

    {"mm.fault", "", CPUS_ONE, false, PLACE_NONE, "", SUITES_BOTH, 0},
    {"mm.fault", "all", CPUS_ALL, true, PLACE_NONE, "", SUITE_MICRO, 0},
    {"mm.mmap", "", CPUS_ONE, false, PLACE_NONE, "", SUITES_BOTH, 0},

    PAIR_CELLS("ipc.pipe", SUITES_BOTH, SUITE_MICRO),
    PAIR_CELLS("ipc.futex", SUITE_MICRO, SUITE_MICRO),
    PAIR_CELLS("ipc.switch", SUITE_MICRO, SUITES_BOTH),

    PLACE_CELLS("fs.open", SUITES_BOTH, SUITES_BOTH),
    PLACE_CELLS("fs.create", SUITES_BOTH, SUITE_MICRO),

    {"clock.gettime", "", CPUS_ONE, false, PLACE_NONE, "", SUITES_BOTH, 0},

    DISK_CELLS("write"),
    DISK_CELLS("rewrite"),
    DISK_CELLS("read"),
    DISK_CELLS("reread"),

    RAMSPEED_CELLS("copy"),
    RAMSPEED_CELLS("scale"),
    RAMSPEED_CELLS("add"),
    RAMSPEED_CELLS("triad"),

    BLOGBENCH_CELLS("read"),
    BLOGBENCH_CELLS("write"),

    UNIXBENCH_CELLS("mix", SUITE_PAPER, SUITE_PAPER),
    UNIXBENCH_CELLS("close", 0, 0),
    UNIXBENCH_CELLS("getpid", 0, 0),
    UNIXBENCH_CELLS("exec", SUITE_PAPER, 0),

    {"linpack", "", CPUS_ALL, false, PLACE_NONE, "", SUITE_PAPER, 0},
    {"sqlite", "rootfs", CPUS_ONE, false, PLACE_ROOTFS, "", SUITE_PAPER, 0},
    {"sqlite", "tmpfs", CPUS_ONE, false, PLACE_TMPFS, "", SUITE_PAPER, 0},
    {"sqlite", "bind", CPUS_ONE, false, PLACE_BIND, "", 0, 0},
    {"sqlite", "rootfs-indexed", CPUS_ONE, false, PLACE_ROOTFS, "indexed=yes", SUITE_PAPER, 0},

    LIFE_CELLS("start"),
    LIFE_CELLS("create"),
    LIFE_CELLS("run"),
    LIFE_CELLS("exit"),
    LIFE_CELLS("delete"),
    LIFE_CELLS("destroy"),
    DENSITY_CELL("container"),
    DENSITY_CELL("all"),
    CROWD_CELLS("10"),
    CROWD_CELLS("20"),
    CROWD_CELLS("30"),
    CROWD_CELLS("40"),
    CROWD_CELLS("50"),
    PARALLEL_CELL("1", SUITE_DENSITY),
    PARALLEL_CELL("2", SUITE_DENSITY),
    PARALLEL_CELL("4", SUITE_DENSITY),
    PARALLEL_CELL("8", SUITE_DENSITY),
    PARALLEL_CELL("16", 0),
    PARALLEL_CELL("32", 0),
    PARALLEL_CELL("64", 0),
    {"neighbour.slowdown", "", CPUS_ALL, false, PLACE_NONE, "", SUITE_ISOLATION, 1},
    {"neighbour.lasting", "", CPUS_ALL, false, PLACE_NONE, "", SUITE_ISOLATION, 1},
    {"neighbour.slowdown", "same", CPUS_ALL, false, PLACE_NONE, "placement=same", SUITE_ISOLATION,
     1},
    {"neighbour.lasting", "same", CPUS_ALL, false, PLACE_NONE, "placement=same", SUITE_ISOLATION,
     1},
    BESIDE_CELLS("idle", ""),
    BESIDE_CELLS("cpu", ""),
    BESIDE_CELLS("memory", ""),
    BESIDE_CELLS("cache", ""),
    BESIDE_CELLS("pagecache", ""),
    BESIDE_CELLS("fsync", ""),
    BESIDE_CELLS("files", ""),
    BESIDE_CELLS("forks", ""),
    BESIDE_CELLS("oom", ",phase=1s"),
    BESIDE_CELLS("fds", ""),
    BESIDE_CELLS("inodes", ""),
    BESIDE_CELLS("network", ""),
    {"reach.answered", "", CPUS_ONE, false, PLACE_NONE, "", SUITE_REACH, 1},
    {"reach.host", "", CPUS_ALL, false, PLACE_ROOTFS, "", SUITE_REACH, 1},
    {"reach.host-times", "", CPUS_ALL, false, PLACE_ROOTFS, "", SUITE_REACH, 1},

    {"net.tcp_stream", "", CPUS_TWO, false, PLACE_NONE, "", SUITE_NETWORK, 0},
    {"net.tcp_stream", "down", CPUS_TWO, false, PLACE_NONE, "direction=down", SUITE_NETWORK, 0},
    {"net.tcp_stream", "4", CPUS_TWO, false, PLACE_NONE, "streams=4", SUITE_NETWORK, 0},
    {"net.tcp_stream", "1gbit", CPUS_TWO, false, PLACE_NONE, "wire=1gbit", SUITE_NETWORK, 0},
    {"net.tcp_stream", "same", CPUS_ONE, false, PLACE_NONE, "", SUITE_NETWORK, 0},
    NET_CELLS("net.tcp_rr", SUITE_NETWORK),
    NET_CELLS("net.tcp_crr", 0),
    NET_CELLS("net.udp_rr", 0),
    NET_CELLS("net.connect", 0),
    NET_CELLS("net.http_lat", SUITE_NETWORK),
    NET_CELLS("net.http_bw", 0),

    CALLS(CALL_CELL)};

/* 200 MB is the paper's limit for a container of its density test. */
static const struct suite suites[] = {
    {.name = "quick",
     .bit = SUITE_QUICK,
     .title = "a dozen cells that show the differences that matter, in four minutes"},
    {.name = "micro", .bit = SUITE_MICRO, .title = "every small cell there is but the network's"},
    {.name = "paper",
     .bit = SUITE_PAPER,
     .title = "the workloads of the paper that cupel began with, with its parameters",
     .repeats = 10,
     .drop_caches = true,
     .docker = true},
    {.name = "storage",
     .bit = SUITE_STORAGE,
     .title = "IOzone's and Blogbench's tests in every place; hours",
     .drop_caches = true},
    {.name = "unixbench",
     .bit = SUITE_UNIXBENCH,
     .title = "UnixBench's system-call test, each kind, one copy and four"},
    {.name = "lifecycle",
     .bit = SUITE_LIFECYCLE,
     .title = "starts and ends, each of their parts, warm and cold",
     .repeats = 50},
    {.name = "density",
     .bit = SUITE_DENSITY,
     .title = "memory of each of 50, starts and removals beside so many, and starts at once",
     .repeats = 7,
     .memory_bytes = 200 * MIB},
    {.name = "isolation",
     .bit = SUITE_ISOLATION,
     .title = "LINPACK before, with and after a busy neighbour, apart and on the same CPUs",
     .repeats = 7},
    {.name = "matrix",
     .bit = SUITE_MATRIX,
     .title = "six kinds of work, each beside each of a dozen aggressors inside limits",
     .repeats = 7,
     .memory_bytes = 256 * MIB,
     .pids = 256,
     .io_bps = 100 * MIB,
     .half_cpus = true},
    {.name = "network",
     .bit = SUITE_NETWORK,
     .title = "Netperf's and Ethr's tests: TCP, UDP and HTTP, to a server on this machine"},
    {.name = "reach",
     .bit = SUITE_REACH,
     .title = "how much of a kernel is there inside, and how much of the host's it takes",
     .repeats = 6},
};

size_t cell_def_count(void)
{
    return ARRAY_SIZE(cell_defs);
}

const struct cell_def *cell_def_at(size_t i)
{
    return i < ARRAY_SIZE(cell_defs) ? &cell_defs[i] : NULL;
}

size_t suite_count(void)
{
    return ARRAY_SIZE(suites);
}

const struct suite *suite_at(size_t i)
{
    return i < ARRAY_SIZE(suites) ? &suites[i] : NULL;
}

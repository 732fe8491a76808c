/* What there is to be measured, and with which parameters. */
#include "base/str.h"
#include "model/catalogue-calls.h"

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)

static const struct param_def params_prime[] = {
    {"limit", PARAM_COUNT, "20000", 3, 1000000, NULL,
     "primes are sought below this number; 20000 makes an event of about 1 ms", 0},
};

static const struct param_def params_mem[] = {
    {"array_bytes", PARAM_SIZE, "auto", MIB, 4 * GIB, NULL,
     "size of each array, over all workers; auto: twice the last-level cache", 0},
    {"stores", PARAM_CHOICE, "plain", 0, 0, "plain|nt",
     "plain stores, or non-temporal ones that go past the caches", 0},
    {"pages", PARAM_CHOICE, "huge", 0, 0, "huge|base", "ask the kernel for huge pages, or for none",
     0},
};

static const struct param_def params_fault[] = {
    {"region_bytes", PARAM_SIZE, "256k", 4 << 10, GIB, NULL,
     "memory that is touched page by page and given back, over and over", 4 << 10},
};

static const struct param_def params_mmap[] = {
    {"region_bytes", PARAM_SIZE, "64k", 4 << 10, GIB, NULL, "size of the mapping", 4 << 10},
};

static const struct param_def params_switch[] = {
    {"procs", PARAM_COUNT, "8", 2, 64, NULL, "processes in the ring", 0},
    {"work_bytes", PARAM_SIZE, "16k", 0, MIB, NULL,
     "memory of its own that each reads before it passes the token on", 0},
};

static const struct param_def params_open[] = {
    {"files", PARAM_COUNT, "64", 1, 4096, NULL, "files that are opened in turns", 0},
    {"bytes", PARAM_SIZE, "4k", 0, MIB, NULL, "size of each file", 0},
};

static const struct param_def params_create[] = {
    {"bytes", PARAM_SIZE, "4k", 0, MIB, NULL, "size of each file", 0},
};

static const struct param_def params_clock[] = {
    {"clock", PARAM_CHOICE, "monotonic", 0, 0, "monotonic|realtime", "which clock is read", 0},
};

static const struct param_def params_disk[] = {
    {"size", PARAM_SIZE, "auto", MIB, 16384 * GIB, NULL,
     "size of the file; auto: 2 GiB, or a quarter of the memory if that is less", MIB},
    {"record", PARAM_SIZE, "64k", 4 << 10, 16 * MIB, NULL, "bytes of each read or write", 4 << 10},
    {"direct", PARAM_CHOICE, "no", 0, 0, "no|yes", "past the page cache, with O_DIRECT", 0},
    {"sync", PARAM_CHOICE, "in", 0, 0, "in|out", "fsync inside the timed part, or after it", 0},
    {"cold", PARAM_CHOICE, "yes", 0, 0, "yes|no",
     "drop the file from the page cache before it is read the first time", 0},
};

/* Written twice and read twice, the second time from memory. */
static uint64_t disk_expected_ns(const struct cell *cell, const struct pace *pace)
{
    double size = (double)params_num(&cell->params, "size", 0);
    double record = (double)params_num(&cell->params, "record", 64 << 10);
    double disk = cell->place == PLACE_TMPFS ? 0 : 3 * pace->disk_ns;
    if (size <= 0)
        size = 2 * (double)GIB;
    return (uint64_t)(size * (disk + 4 * pace->memory_ns) + 4 * size / record * pace->call_ns);
}

static const struct param_def params_ramspeed[] = {
    {"array_bytes", PARAM_SIZE, "32M", MIB, 4 * GIB, NULL, "size of each array of each process",
     MIB},
    {"pass_bytes", PARAM_SIZE, "8G", MIB, 1024 * GIB, NULL,
     "how much of the arrays each process goes through in all, in whole MiBs", 0},
    {"elements", PARAM_CHOICE, "int", 0, 0, "int|float", "unsigned long or double", 0},
};

static uint64_t ramspeed_ops(const struct params *p)
{
    return (uint64_t)(params_num(p, "pass_bytes", MIB) / MIB);
}

/* Two or three streams, at some 10 GB/s. */
static uint64_t ramspeed_expected_ns(const struct cell *cell, const struct pace *pace)
{
    (void)pace;
    return (uint64_t)params_num(&cell->params, "pass_bytes", 0) / 4;
}

static const struct param_def params_blogbench[] = {
    {"writers", PARAM_COUNT, "3", 1, 256, NULL, "threads that write new blogs", 0},
    {"rewriters", PARAM_COUNT, "1", 1, 256, NULL, "threads that replace single files", 0},
    {"readers", PARAM_COUNT, "10", 1, 256, NULL, "threads that read whole blogs", 0},
    {"commenters", PARAM_COUNT, "5", 1, 256, NULL, "threads that write comments", 0},
    {"iterations", PARAM_COUNT, "30", 1, 100000, NULL, "how often what was done is added up", 0},
    {"interval", PARAM_DURATION, "10s", 1000000, 600000000000, NULL, "time between that", 0},
};

/* And a fifth of it for removing what was written. */
static uint64_t blogbench_expected_ns(const struct cell *cell, const struct pace *pace)
{
    const struct params *p = &cell->params;
    (void)pace;
    return (uint64_t)(params_num(p, "iterations", 0) * params_num(p, "interval", 0)) * 6 / 5;
}

static const struct param_def params_unixbench[] = {
    {"time", PARAM_DURATION, "10s", 1000000, 3600000000000, NULL, "how long it runs", 0},
};

static const struct param_def params_linpack[] = {
    {"n", PARAM_COUNT, "5000", 1, 100000, NULL,
     "order of the system: 5000 takes 0.2 GB of memory, 20000 takes 3.2 GB", 0},
    {"threads", PARAM_COUNT, "0", 0, 1024, NULL,
     "threads that solve it; 0: one for each CPU of the cell", 0},
};

static const struct param_def params_sqlite[] = {
    {"rows", PARAM_COUNT, "2500", 1, 99999, NULL, "rows of a script", 0},
    {"scripts", PARAM_COUNT, "1", 1, 100, NULL, "how often the script is fed to the database", 0},
    {"indexed", PARAM_CHOICE, "no", 0, 0, "no|yes", "whether the table has an index", 0},
};

/* The usual count, 2/3 n^3 + 2 n^2, to the nearest whole one. */
static uint64_t linpack_flops(const struct params *p)
{
    uint64_t n = (uint64_t)params_num(p, "n", 0);
    return (2 * n * n * n + 6 * n * n + 1) / 3;
}

/* And as much again of memory as the matrix takes, to make and to check it. */
static uint64_t linpack_expected_ns(const struct cell *cell, const struct pace *pace)
{
    double n = (double)params_num(&cell->params, "n", 0);
    return (uint64_t)((double)linpack_flops(&cell->params) * pace->flop_ns +
                      4 * 8 * n * n * pace->memory_ns);
}

/* A row's transaction: three syncs (journal, database, the journal's directory), some twelve calls.
 */
static uint64_t sqlite_expected_ns(const struct cell *cell, const struct pace *pace)
{
    const struct params *p = &cell->params;
    double rows = (double)(params_num(p, "rows", 0) * params_num(p, "scripts", 0));
    double syncs = cell->place == PLACE_TMPFS ? 0 : 3 * pace->sync_ns;
    return (uint64_t)(rows * (syncs + 12 * pace->call_ns + 50e3));
}

static uint64_t sqlite_rows(const struct params *p)
{
    return (uint64_t)(params_num(p, "rows", 0) * params_num(p, "scripts", 0));
}

#define CALL_WORKLOAD(tail, in, lat, what)                                                         \
    {.name = "call." tail,                                                                         \
     .family = "call",                                                                             \
     .title = what,                                                                                \
     .op = "call",                                                                                 \
     .latency = lat,                                                                               \
     .processes = true},
static const struct param_def params_cycle[] = {
    {"cold", PARAM_CHOICE, "no", 0, 0, "no|yes", "drop the page cache of this machine before it",
     0},
};

static const struct param_def params_crowd[] = {
    {"max", PARAM_COUNT, "50", CROWD_STEP, 5000, NULL,
     "how many are started at most; fewer where the machine ends", CROWD_STEP},
};

static const struct param_def params_parallel[] = {
    {"at_once", PARAM_COUNT, "8", 1, PARALLEL_MAX, NULL,
     "how many are started at once at most: 1, 2, 4, ... up to it", 0},
};

/* What a start and a stop take is known from the preflight, and the estimate adds it. */
static uint64_t cycle_expected_ns(const struct cell *cell, const struct pace *pace)
{
    (void)cell, (void)pace;
    return 0;
}

static uint64_t crowd_expected_ns(const struct cell *cell, const struct pace *pace)
{
    return (uint64_t)(params_num(&cell->params, "max", 0) * (int64_t)pace->cycle_ns);
}

/* 1 + 2 + 4 + ... */
static uint64_t parallel_expected_ns(const struct cell *cell, const struct pace *pace)
{
    return (uint64_t)(2 * params_num(&cell->params, "at_once", 0) * (int64_t)pace->cycle_ns);
}

/* Where the other end is, what lies between, and what each client takes besides. */
#define PARAMS_NET                                                                                   \
    {NET_PEER,                                                                                       \
     PARAM_CHOICE,                                                                                   \
     NET_PEER_BARE,                                                                                  \
     0,                                                                                              \
     0,                                                                                              \
     "bare|target|host|remote",                                                                      \
     "the server: in a namespace, the same target, the switch, on another machine",                  \
     0},                                                                                             \
        {NET_MACHINE, PARAM_TEXT, "", 0, 0, NULL, "that machine, as ssh takes it: user@machine", 0}, \
        {NET_PORT,                                                                                   \
         PARAM_COUNT,                                                                                \
         "0",                                                                                        \
         0,                                                                                          \
         65000,                                                                                      \
         NULL,                                                                                       \
         "first port bound there, two for each target; 0: the kernel's choice",                      \
         0},                                                                                         \
        {NET_STACK,                                                                                  \
         PARAM_CHOICE,                                                                               \
         "own",                                                                                      \
         0,                                                                                          \
         0,                                                                                          \
         "own|host",                                                                                 \
         "gVisor's own network stack, or the kernel's passed through",                               \
         0},                                                                                         \
        {NET_PATH,                                                                                   \
         PARAM_CHOICE,                                                                               \
         NET_PATH_SWITCH,                                                                            \
         0,                                                                                          \
         0,                                                                                          \
         "switch|engine",                                                                            \
         "by the run's own switch, or by the network that the engine makes",                         \
         0},                                                                                         \
        {NET_WIRE,                                                                                   \
         PARAM_RATE,                                                                                 \
         "0",                                                                                        \
         0,                                                                                          \
         1000000000000,                                                                              \
         NULL,                                                                                       \
         "what the wire carries at most, each way, e.g. 1gbit; 0: as fast as it goes",               \
         0},                                                                                         \
        {NET_DELAY,                                                                                  \
         PARAM_DURATION,                                                                             \
         "0",                                                                                        \
         0,                                                                                          \
         10000000000,                                                                                \
         NULL,                                                                                       \
         "delay of the wire, each way; 0: none",                                                     \
         0},                                                                                         \
        {NET_LOSS, PARAM_SHARE, "0%", 0, 900000, NULL, "packets that get lost, each way", 0},        \
        {NET_MTU,                                                                                    \
         PARAM_COUNT,                                                                                \
         "0",                                                                                        \
         0,                                                                                          \
         65535,                                                                                      \
         NULL,                                                                                       \
         "largest packet of the wire, in bytes; 0: the kernel's own",                                \
         0},                                                                                         \
        {"buffer", PARAM_SIZE, "0", 0, 64 * MIB, NULL, "socket buffers; 0: the kernel's own sizes",  \
         0},                                                                                         \
    {                                                                                                \
        "timeout", PARAM_DURATION, "5s", 1000000, 15000000000, NULL,                                 \
            "longest wait for the other end", 0                                                      \
    }

#define PARAM_NET_RATE                                                                             \
    {                                                                                              \
        "rate", PARAM_COUNT, "0", 0, 10000000, NULL,                                               \
            "begun per second, at times from which latency counts; 0: one after the other", 0      \
    }

#define PARAMS_NET_RR                                                                              \
    {"request", PARAM_SIZE, "1", 1, 65507, NULL, "bytes of a request", 0},                         \
    {                                                                                              \
        "response", PARAM_SIZE, "1", 1, 65507, NULL, "bytes of its response", 0                    \
    }

static const struct param_def params_net_stream[] = {
    {"direction", PARAM_CHOICE, "up", 0, 0, "up|down", "the target sends, or receives", 0},
    {"streams", PARAM_COUNT, "1", 1, 64, NULL, "connections that share the work", 0},
    {"bytes", PARAM_SIZE, "16k", 1, MIB, NULL, "bytes of each send", 0},
    PARAMS_NET,
};

static const struct param_def params_net_rr[] = {PARAMS_NET_RR, PARAM_NET_RATE, PARAMS_NET};

static const struct param_def params_net_udp[] = {
    PARAMS_NET_RR,
    PARAM_NET_RATE,
    {"lost", PARAM_DURATION, "200ms", 1000000, 5000000000, NULL,
     "a datagram without an answer after so long is lost, and the next is sent", 0},
    PARAMS_NET,
};

static const struct param_def params_net_connect[] = {PARAM_NET_RATE, PARAMS_NET};

static const struct param_def params_net_lat[] = {
    {"body", PARAM_SIZE, "1", 0, MIB, NULL, "bytes that are posted", 0},
    PARAM_NET_RATE,
    PARAMS_NET};

static const struct param_def params_net_bw[] = {
    {"body", PARAM_SIZE, "16000", 0, MIB, NULL, "bytes that are posted", 0},
    PARAM_NET_RATE,
    PARAMS_NET,
};

#define PARAMS(table) .params = table, .n_params = ARRAY_SIZE(table)

#define MEM_WORKLOAD(verb, arrays, what)                                                           \
    {                                                                                              \
        .name = "mem." verb, .family = "mem", .title = what, .op = "MiB",                          \
        .bytes_per_op = (arrays)*1048576.0, PARAMS(params_mem)                                     \
    }

#define DISK_WORKLOAD(verb, what)                                                                  \
    {                                                                                              \
        .name = "disk." verb, .family = "disk", .title = what, .op = "MiB", .grain = GRAIN_WHOLE,  \
        .bytes_per_op = 1048576.0, PARAMS(params_disk), .exec = "disk.iozone", .metric = verb,     \
        .expected_ns = disk_expected_ns, .cold_reads = true                                        \
    }

#define RAMSPEED_WORKLOAD(verb, arrays, what)                                                      \
    {                                                                                              \
        .name = "ramspeed." verb, .family = "ramspeed", .title = what, .op = "MiB",                \
        .grain = GRAIN_WHOLE, .processes = true, .bytes_per_op = (arrays)*1048576.0,               \
        PARAMS(params_ramspeed), .whole_ops = ramspeed_ops, .expected_ns = ramspeed_expected_ns,   \
        .scaled = "pass_bytes", .scaled_floor = 64 * MIB                                           \
    }

#define BLOGBENCH_WORKLOAD(verb, what)                                                             \
    {                                                                                              \
        .name = "blogbench." verb, .family = "blogbench", .title = what, .op = "blog",             \
        .grain = GRAIN_WHOLE, PARAMS(params_blogbench), .exec = "blogbench", .metric = verb,       \
        .expected_ns = blogbench_expected_ns, .scaled = "iterations", .scaled_floor = 1            \
    }

/* The work is that of sys.*, done for a time. */
#define LIFE_WORKLOAD(verb, how, what)                                                             \
    {                                                                                              \
        .name = "life." verb, .family = "life", .title = what, .op = verb, .grain = GRAIN_WHOLE,   \
        .experiment = EXPERIMENT_##how, .exec = "life " #how, .metric = verb,                      \
        PARAMS(params_cycle), .expected_ns = cycle_expected_ns                                     \
    }

#define CROWD_WORKLOADS(n)                                                                         \
    {.name = "crowd.start-" #n,                                                                    \
     .family = "crowd",                                                                            \
     .title = "create to first byte, of the ten starts up to " #n " running",                      \
     .op = "start",                                                                                \
     .grain = GRAIN_WHOLE,                                                                         \
     .experiment = EXPERIMENT_CROWD,                                                               \
     .exec = "crowd",                                                                              \
     .metric = "start_" #n,                                                                        \
     PARAMS(params_crowd),                                                                         \
     .expected_ns = crowd_expected_ns},                                                            \
    {                                                                                              \
        .name = "crowd.destroy-" #n, .family = "crowd",                                            \
        .title = "forced removal, of the ten from " #n " running on", .op = "destroy",             \
        .grain = GRAIN_WHOLE, .experiment = EXPERIMENT_CROWD, .exec = "crowd",                     \
        .metric = "destroy_" #n, PARAMS(params_crowd), .expected_ns = crowd_expected_ns            \
    }

#define PARALLEL_WORKLOAD(n)                                                                       \
    {                                                                                              \
        .name = "parallel.start-" #n, .family = "parallel",                                        \
        .title = "containers per second, of " #n " started at once", .op = "start",                \
        .unit = "starts/s", .better = BETTER_HIGHER, .grain = GRAIN_WHOLE,                         \
        .experiment = EXPERIMENT_PARALLEL, .exec = "parallel", .metric = "at_once_" #n,            \
        PARAMS(params_parallel), .expected_ns = parallel_expected_ns                               \
    }

static const struct param_def params_neighbour[] = {
    {"n", PARAM_COUNT, "5000", 100, 100000, NULL, "order of the affected one's systems", 0},
    {"load_n", PARAM_COUNT, "20000", 100, 100000, NULL,
     "order of the neighbour's: 20000 takes 3.2 GB of memory", 0},
    {"samples", PARAM_COUNT, "2", 2, 1000, NULL,
     "systems solved before, with and after the neighbour's work", 0},
    {"placement", PARAM_CHOICE, "apart", 0, 0, "apart|same",
     "each on its own half of the CPUs, or both on the first half", 0},
};

/* Three phases, and what is set apart between them; half of the CPUs, shared in one of them. */
static uint64_t neighbour_expected_ns(const struct cell *cell, const struct pace *pace)
{
    double n = (double)params_num(&cell->params, "n", 0);
    double samples = (double)params_num(&cell->params, "samples", 0);
    return (uint64_t)((3 * samples + 4) * 2 / 3 * n * n * n * pace->flop_ns * 3);
}

#define NEIGHBOUR_WORKLOAD(verb, fact, what)                                                       \
    {                                                                                              \
        .name = "neighbour." verb, .family = "neighbour", .title = what, .op = "system",           \
        .unit = "times", .unit_size = 1e6, .grain = GRAIN_WHOLE,                                   \
        .experiment = EXPERIMENT_NEIGHBOUR, .program = PROGRAM_LINPACK, .exec = "neighbour",       \
        .metric = fact, PARAMS(params_neighbour), .expected_ns = neighbour_expected_ns             \
    }

static const struct param_def params_beside[] = {
    {"victim", PARAM_CHOICE, "cpu.prime", 0, 0,
     "cpu.prime|mem.triad|fs.create|disk.write|life.start|redis", "whose time is taken", 0},
    {"phase", PARAM_DURATION, "300ms", 20000000, 600000000000, NULL,
     "how long samples are taken, each time without and with the aggressor", 0},
    {"rounds", PARAM_COUNT, "2", 1, 100, NULL, "how often a block does that", 0},
    {"placement", PARAM_CHOICE, "apart", 0, 0, "apart|same",
     "each on its own half of the CPUs, or both on the first half", 0},
    {CELL_AGGRESSOR, PARAM_TEXT, CELL_AGGRESSOR_SAME, 0, 0, NULL,
     "the target it runs in, e.g. crun or runsc:ptrace; same: the victim's", 0},
    {"planted", PARAM_COUNT, "0", 0, 1000, NULL,
     "for tests: thousandths of work more than is counted beside the aggressor", 0},
};

static uint64_t beside_expected_ns(const struct cell *cell, const struct pace *pace)
{
    int64_t phases = 2 * params_num(&cell->params, "rounds", 0) + 1;
    return (uint64_t)(phases * params_num(&cell->params, "phase", 0)) * 3 / 2 +
           2 * (uint64_t)pace->cycle_ns;
}

#define BESIDE_WORKLOADS(verb, load, what)                                                         \
    {.name = "beside." verb,                                                                       \
     .family = "beside",                                                                           \
     .title = "time beside " what " / time without",                                               \
     .op = "operation",                                                                            \
     .unit = "times",                                                                              \
     .unit_size = 1e6,                                                                             \
     .grain = GRAIN_WHOLE,                                                                         \
     .experiment = EXPERIMENT_BESIDE,                                                              \
     .exec = "load." load,                                                                         \
     .metric = "slowdown",                                                                         \
     PARAMS(params_beside),                                                                        \
     .expected_ns = beside_expected_ns},                                                           \
    {                                                                                              \
        .name = "tail." verb, .family = "tail",                                                    \
        .title = "99th percentile beside " what " / without", .op = "operation", .unit = "times",  \
        .unit_size = 1e6, .grain = GRAIN_WHOLE, .experiment = EXPERIMENT_BESIDE,                   \
        .exec = "load." load, .metric = "tail", PARAMS(params_beside),                             \
        .expected_ns = beside_expected_ns                                                          \
    }

#define NET_WORKLOAD(verb, what, per, table)                                                       \
    {                                                                                              \
        .name = "net." verb, .family = "net", .title = what, .op = per, .latency = true,           \
        .network = true, PARAMS(table)                                                             \
    }

#define REACH_ROUNDS 20

static uint64_t reach_rounds(const struct params *p)
{
    (void)p;
    return REACH_ROUNDS;
}

#define REACH_WORKLOAD(verb, what, of, fact)                                                       \
    {                                                                                              \
        .name = "reach." verb, .family = "reach", .title = what, .op = "round", .unit = of,        \
        .grain = GRAIN_WHOLE, .exec = "reach.job", .metric = fact, .host_calls = true,             \
        .whole_ops = reach_rounds                                                                  \
    }

#define DENSITY_WORKLOAD(verb, what)                                                               \
    {                                                                                              \
        .name = "density." verb, .family = "density", .title = what, .op = "container",            \
        .unit = "KiB", .unit_size = 1024, .grain = GRAIN_WHOLE, .experiment = EXPERIMENT_CROWD,    \
        .exec = "crowd", .metric = verb, PARAMS(params_crowd), .expected_ns = crowd_expected_ns    \
    }

#define UNIXBENCH_WORKLOAD(verb, per, what)                                                        \
    {                                                                                              \
        .name = "unixbench." verb, .family = "unixbench", .title = what, .op = per,                \
        .grain = GRAIN_WHOLE, .processes = true, PARAMS(params_unixbench), .exec = "sys." verb,    \
        .time_param = "time", .scaled = "time", .scaled_floor = 100000000                          \
    }

static const struct workload workloads[] = {
    {.name = "cpu.prime",
     .family = "cpu",
     .title = "trial division of sysbench's cpu test",
     .op = "event",
     PARAMS(params_prime)},
    MEM_WORKLOAD("copy", 2, "copy an array: b = a"),
    MEM_WORKLOAD("scale", 2, "scale an array: b = m a"),
    MEM_WORKLOAD("add", 3, "add two arrays: c = a + b"),
    MEM_WORKLOAD("triad", 3, "scale and add: c = a + m b"),

    {.name = "sys.mix",
     .family = "sys",
     .title = "UnixBench's system-call mix: dup, close, getpid, getuid, umask",
     .op = "five calls",
     .processes = true},
    {.name = "sys.close",
     .family = "sys",
     .title = "UnixBench: dup and close",
     .op = "two calls",
     .processes = true},
    {.name = "sys.getpid",
     .family = "sys",
     .title = "UnixBench: getpid",
     .op = "call",
     .processes = true},
    {.name = "sys.exec",
     .family = "sys",
     .title = "UnixBench: fork, execve of a program that exits, wait",
     .op = "program",
     .latency = true,
     .processes = true},

    {.name = "mm.fault",
     .family = "mm",
     .title = "page faults: the first touch of a page",
     .op = "page",
     .processes = true,
     PARAMS(params_fault)},
    {.name = "mm.mmap",
     .family = "mm",
     .title = "map memory, touch its first page, unmap it",
     .op = "mapping",
     .latency = true,
     .processes = true,
     PARAMS(params_mmap)},

    {.name = "ipc.pipe",
     .family = "ipc",
     .title = "a byte to another process and its answer, over two pipes",
     .op = "round trip",
     .latency = true,
     .processes = true},
    {.name = "ipc.futex",
     .family = "ipc",
     .title = "wake another thread and be woken by it, over a futex",
     .op = "round trip",
     .latency = true,
     .processes = true},
    {.name = "ipc.switch",
     .family = "ipc",
     .title = "a token round a ring of processes over pipes, as lmbench's lat_ctx",
     .op = "hop",
     .processes = true,
     PARAMS(params_switch)},

    {.name = "fs.open",
     .family = "fs",
     .title = "open, read and close of small files",
     .op = "file",
     .latency = true,
     .processes = true,
     PARAMS(params_open)},
    {.name = "fs.create",
     .family = "fs",
     .title = "create, write, rename and unlink of a small file",
     .op = "file",
     .latency = true,
     .processes = true,
     PARAMS(params_create)},

    {.name = "clock.gettime",
     .family = "clock",
     .title = "clock_gettime as programs call it",
     .op = "call",
     PARAMS(params_clock)},

    DISK_WORKLOAD("write", "IOzone: write a new file, record by record"),
    DISK_WORKLOAD("rewrite", "IOzone: write it again"),
    DISK_WORKLOAD("read", "IOzone: read it"),
    DISK_WORKLOAD("reread", "IOzone: read it again"),

    RAMSPEED_WORKLOAD("copy", 2, "RAMspeed/SMP: copy an array: b = a"),
    RAMSPEED_WORKLOAD("scale", 2, "RAMspeed/SMP: scale an array: b = m a"),
    RAMSPEED_WORKLOAD("add", 3, "RAMspeed/SMP: add two arrays: c = a + b"),
    RAMSPEED_WORKLOAD("triad", 3, "RAMspeed/SMP: scale and add: c = a + m b"),

    BLOGBENCH_WORKLOAD("read", "Blogbench: blogs read whole while others are written"),
    BLOGBENCH_WORKLOAD("write", "Blogbench: blogs written while others are read"),

    UNIXBENCH_WORKLOAD("mix", "five calls", "UnixBench's syscall test, as it is run: mix"),
    UNIXBENCH_WORKLOAD("close", "two calls", "UnixBench's syscall test: dup and close"),
    UNIXBENCH_WORKLOAD("getpid", "call", "UnixBench's syscall test: getpid"),
    UNIXBENCH_WORKLOAD("exec", "program", "UnixBench's syscall test: fork, execve, wait"),

    {.name = "linpack",
     .family = "linpack",
     .title = "LINPACK: a dense system of equations, by OpenBLAS",
     .op = "flop",
     .grain = GRAIN_WHOLE,
     PARAMS(params_linpack),
     .program = PROGRAM_LINPACK,
     .whole_ops = linpack_flops,
     .expected_ns = linpack_expected_ns},
    {.name = "sqlite",
     .family = "sqlite",
     .title = "SQLite: rows inserted one by one, each in a transaction of its own",
     .op = "insert",
     .grain = GRAIN_WHOLE,
     .processes = true,
     PARAMS(params_sqlite),
     .program = PROGRAM_SQLITE,
     .whole_ops = sqlite_rows,
     .expected_ns = sqlite_expected_ns},

    LIFE_WORKLOAD("start", CYCLE, "a container's start: create to its first byte"),
    LIFE_WORKLOAD("create", CYCLE, "the part of a start until `create` is done"),
    LIFE_WORKLOAD("run", CYCLE, "the part of a start from then to the first byte"),
    LIFE_WORKLOAD("exit", CYCLE, "asked to leave, until its end is seen"),
    LIFE_WORKLOAD("delete", CYCLE, "removal of one that has ended"),
    LIFE_WORKLOAD("destroy", DESTROY, "forced removal of one that runs, until nothing is left"),
    DENSITY_WORKLOAD("container", "memory of one container more: PSS, without its shim"),
    DENSITY_WORKLOAD("all", "the same with shim, monitor and command lines"),
    CROWD_WORKLOADS(10),
    CROWD_WORKLOADS(20),
    CROWD_WORKLOADS(30),
    CROWD_WORKLOADS(40),
    CROWD_WORKLOADS(50),
    PARALLEL_WORKLOAD(1),
    PARALLEL_WORKLOAD(2),
    PARALLEL_WORKLOAD(4),
    PARALLEL_WORKLOAD(8),
    PARALLEL_WORKLOAD(16),
    PARALLEL_WORKLOAD(32),
    PARALLEL_WORKLOAD(64),

    NEIGHBOUR_WORKLOAD("slowdown", "slowdown",
                       "LINPACK, time beside a busy neighbour / time before"),
    NEIGHBOUR_WORKLOAD("lasting", "lasting",
                       "LINPACK, time after the neighbour has gone / time before"),

    BESIDE_WORKLOADS("idle", "idle", "one that sleeps"),
    BESIDE_WORKLOADS("cpu", "cpu", "a busy CPU"),
    BESIDE_WORKLOADS("memory", "memory", "one that streams through memory"),
    BESIDE_WORKLOADS("cache", "cache", "one that fills the last-level cache"),
    BESIDE_WORKLOADS("pagecache", "pagecache", "a flood of the page cache"),
    BESIDE_WORKLOADS("fsync", "fsync", "a storm of fsync"),
    BESIDE_WORKLOADS("files", "files", "a storm of small files"),
    BESIDE_WORKLOADS("forks", "forks", "a fork bomb"),
    BESIDE_WORKLOADS("oom", "oom", "one that takes memory beyond its limit"),
    BESIDE_WORKLOADS("fds", "descriptors", "one that opens all descriptors it gets"),
    BESIDE_WORKLOADS("inodes", "inodes", "one that makes files without end"),
    BESIDE_WORKLOADS("network", "network", "a flood of datagrams on its loopback"),

    {.name = "reach.answered",
     .family = "reach",
     .title = "system calls that are answered inside, with something else than ENOSYS",
     .op = "call",
     .unit = "calls",
     .better = BETTER_HIGHER,
     .grain = GRAIN_WHOLE,
     .metric = "answered"},
    REACH_WORKLOAD("host",
                   "different system calls made of the host's kernel for a job of files and pipes",
                   "calls", "host_distinct"),
    REACH_WORKLOAD("host-times", "how many of them, for each round of the job", "calls/round",
                   "host_a_round"),

    {.name = "net.tcp_stream",
     .family = "net",
     .title = "bytes over a TCP connection, counted when they have arrived",
     .op = "send",
     .network = true,
     .bytes_per_op = 16384,
     .bytes_param = "bytes",
     PARAMS(params_net_stream)},
    NET_WORKLOAD("tcp_rr", "a request and its response over an open TCP connection", "transaction",
                 params_net_rr),
    NET_WORKLOAD("tcp_crr", "connect, a request and its response, close: a TCP connection for each",
                 "transaction", params_net_rr),
    NET_WORKLOAD("udp_rr", "a datagram and its answer; a lost one is counted and made good",
                 "transaction", params_net_udp),
    NET_WORKLOAD("connect", "a TCP connection made and dropped", "connection", params_net_connect),
    NET_WORKLOAD("http_lat", "a POST of one byte and its answer, over a kept HTTP connection",
                 "request", params_net_lat),
    {.name = "net.http_bw",
     .family = "net",
     .title = "POSTs of 16,000 bytes over a kept HTTP connection",
     .op = "request",
     .latency = true,
     .network = true,
     .bytes_per_op = 16000,
     .bytes_param = "body",
     PARAMS(params_net_bw)},

    CALLS(CALL_WORKLOAD)};

static const struct workload unknown = {
    .name = "unknown",
    .family = "unknown",
    .title = "not in this version's catalogue",
    .op = "operation",
};

size_t workload_count(void)
{
    return ARRAY_SIZE(workloads);
}

const struct workload *workload_at(size_t i)
{
    return i < ARRAY_SIZE(workloads) ? &workloads[i] : NULL;
}

const struct workload *workload_unknown(void)
{
    return &unknown;
}

#include "base/time.h"
#include "host/proc.h"
#include "ledger/journal.h"

#include <errno.h>
#include <sys/file.h>

#define ORPHAN_WAIT_NS (2 * NS_PER_S)
#define ORPHAN_STEP_NS (5 * NS_PER_MS)

static bool writer_lives(const struct journal *j)
{
    return !j->has_header || (proc_alive(j->pid) && proc_start_ticks(j->pid) == j->start_ticks);
}

bool journal_lock(int fd, int how, const struct journal *j)
{
    const struct timespec step = {.tv_nsec = ORPHAN_STEP_NS};
    uint64_t deadline_ns = time_deadline(ORPHAN_WAIT_NS);

    while (flock(fd, how | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK || writer_lives(j) || time_mono_ns() > deadline_ns)
            return false;
        nanosleep(&step, NULL);
    }
    return true;
}

/* A ledger somebody damaged or wrote: whatever comes out of the parser follows our naming. */
#include "ledger/journal.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct journal j;
    journal_parse((const char *)data, size, "/var/lib/cupel", &j);
    for (size_t i = 0; i < j.items.n; i++) {
        const struct ledger_item *it = &j.items.v[i].item;
        require(journal_check(it, "/var/lib/cupel", NULL) == 0);
        require(!strstr(it->path, "/../") && !str_ends(it->path, "/.."));
        if (it->kind == LEDGER_CGROUP)
            require(str_starts(it->path, "/cupel-"));
        else if (it->kind == LEDGER_TRACING)
            require(str_starts(it->path, "/sys/kernel/") && strstr(it->path, "/instances/cupel-"));
        else if (it->kind == LEDGER_NAMESPACE) /* in a daemon that may be anywhere */
            require(it->path[0] == '/' && it->runtime[0] == '/' && str_starts(it->id, "cupel-"));
        else if (it->kind == LEDGER_KATA)
            require(!it->path[0] && it->runtime[0] == '/' && str_starts(it->id, "cupel-"));
        else if (it->kind == LEDGER_DOCKER_CONTAINER || it->kind == LEDGER_DOCKER_IMAGE)
            require(it->path[0] == '/' && str_starts(it->id, "cupel-"));
        else if (it->kind == LEDGER_SLURM_JOB)
            require(it->path[0] == '/' && it->runtime[0] == '/' && str_starts(it->id, "cupel-"));
        else if (it->kind == LEDGER_BROUGHT || it->kind == LEDGER_SHARED)
            require(ledger_is_brought(it->path));
        else
            require(str_starts(it->path, "/var/lib/cupel/") ||
                    str_starts(it->path, "/run/cupel/") || str_starts(it->path, "/run/cupel-"));
    }
    require(!j.has_header || journal_is_run_id(j.run));
    journal_release(&j);
    return 0;
}

#include "fleet/carrier.h"

#include <errno.h>
#include <stdarg.h>

static const struct {
    const char *name, *words;
} outcomes[FLEET_OUTCOME_COUNT] = {
    [FLEET_MEASURED] = {"measured", "measured"},
    [FLEET_PART] = {"part", "interrupted, and what was measured until then is here"},
    [FLEET_KEPT] = {"kept", "the connection was lost; what is measured is kept there"},
    [FLEET_UNREACHABLE] = {"unreachable", "nobody answers there"},
    [FLEET_REFUSED] = {"refused", "it does not let us in"},
    [FLEET_HOST_KEY] = {"host-key", "its host key is not known, or not the one that was"},
    [FLEET_ARCHITECTURE] = {"architecture", "this cupel does not run on its architecture"},
    [FLEET_NO_ROOT] = {"no-root", "the account there is not root's"},
    [FLEET_NO_RUNTIMES] = {"no-runtimes", "none of the targets works there"},
    [FLEET_DISK_FULL] = {"disk-full", "its disk is full"},
    [FLEET_BUSY] = {"busy", "another cupel measures there"},
    [FLEET_LOST] = {"lost", "the connection was lost before anything was measured"},
    [FLEET_GONE] = {"gone", "what was kept there is there no more"},
    [FLEET_FAILED] = {"failed", "it failed there"},
    [FLEET_NOT_TAKEN] = {"not-taken", "the scheduler did not take the job"},
    [FLEET_QUEUED] = {"queued", "its job did not begin"},
    [FLEET_CANCELLED] = {"cancelled", "its job was cancelled"},
    [FLEET_TIME_LIMIT] = {"time-limit", "its job ran out of time"},
    [FLEET_NODE_FAILED] = {"node-failed", "its node failed"},
    [FLEET_NO_IMAGE] = {"no-image", "its image is not to be had there"},
    [FLEET_NO_SANDBOX] = {"no-sandbox", "its sandbox was not made"},
};

const char *fleet_outcome_name(enum fleet_outcome o)
{
    return (unsigned)o < FLEET_OUTCOME_COUNT ? outcomes[o].name : "?";
}

const char *fleet_outcome_words(enum fleet_outcome o)
{
    return (unsigned)o < FLEET_OUTCOME_COUNT ? outcomes[o].words : "?";
}

int fleet_outcome_parse(const char *name, enum fleet_outcome *ret)
{
    for (unsigned i = 0; name && i < FLEET_OUTCOME_COUNT; i++) {
        if (!str_eq(name, outcomes[i].name))
            continue;
        *ret = (enum fleet_outcome)i;
        return 0;
    }
    return -EINVAL;
}

void machine_ends(struct fleet_machine *m, enum fleet_outcome outcome, const char *fmt, ...)
{
    char why[sizeof(m->why)] = "";
    va_list ap;

    if (fmt) {
        va_start(ap, fmt);
        vsnprintf(why, sizeof(why), fmt, ap);
        va_end(ap);
    }
    str_printable(why);
    str_copy(m->why, sizeof(m->why), why);
    m->outcome = outcome;
    m->ended = outcome != FLEET_KEPT;
}

/* What squeue printed, whoever wrote the reasons: what comes of it is bounded and printable. */
#include "host/slurm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    char *next = text;

    for (struct slurm_job j; slurm_next_job(&next, &j);) {
        if (j.array == 0 || j.task > SLURM_TASKS_MAX || !is_printable(j.state) ||
            !is_printable(j.reason) || !is_printable(j.node))
            abort();
        (void)slurm_is_over(j.state);
    }
    return 0;
}

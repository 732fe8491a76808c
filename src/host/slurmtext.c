/* What squeue prints. */
#include "host/slurm.h"

static bool take_word(char **rest, const char **ret)
{
    *ret = strsep(rest, "|");
    return *ret != NULL;
}

static bool job_of_line(char *line, struct slurm_job *ret)
{
    struct slurm_job j = {.array = 0};
    const char *array, *task, *state, *reason, *node;
    uint64_t number;

    if (!take_word(&line, &array) || !take_word(&line, &task) || !take_word(&line, &state) ||
        !take_word(&line, &reason) || !take_word(&line, &node) || line)
        return false;
    if (parse_u64(array, 1, UINT64_MAX, "", &j.array, NULL) < 0 ||
        parse_u64(task, 0, SLURM_TASKS_MAX, "", &number, NULL) < 0)
        return false;
    j.task = (unsigned)number;
    if (!str_copy(j.state, sizeof(j.state), state))
        return false;
    str_copy(j.reason, sizeof(j.reason), reason);
    str_copy(j.node, sizeof(j.node), node);
    str_printable(j.state);
    str_printable(j.reason);
    str_printable(j.node);
    *ret = j;
    return true;
}

bool slurm_next_job(char **text, struct slurm_job *ret)
{
    char *line;

    while ((line = strsep(text, "\n")))
        if (job_of_line(line, ret))
            return true;
    return false;
}

bool slurm_is_over(const char *state)
{
    static const char *const going[] = {"PENDING",   "CONFIGURING",  "RUNNING",     "COMPLETING",
                                        "REQUEUED",  "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING",
                                        "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT",   "STOPPED",
                                        "SUSPENDED", "RESV_DEL_HOLD"};

    for (size_t i = 0; i < ARRAY_SIZE(going); i++)
        if (str_eq(state, going[i]))
            return false;
    return true;
}

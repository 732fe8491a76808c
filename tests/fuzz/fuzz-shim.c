/* What ctr says of tasks and of a shim's options, and the type of a shim: any text. */
#include "base/str.h"
#include "driver/containerd-words.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char small[24], program[64], status[16];
    long pid;
    struct str text = STR_INIT;
    str_addn(&text, (const char *)data, size);
    shim_option_binary(text.buf, small, sizeof(small));
    check_printable(small);
    if (shim_program(text.buf, program, sizeof(program)) &&
        !str_starts(program, "containerd-shim-"))
        abort();
    if (containerd_find_task(text.buf, "cupel-3fa9c2d1-0001", &pid, status, sizeof(status)))
        check_printable(status);
    str_release(&text);
    return 0;
}

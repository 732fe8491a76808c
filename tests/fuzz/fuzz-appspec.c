/* The description of an application as the probe reads it: any text. */
#include "base/str.h"
#include "wire/appspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct appspec a;
    struct err err = ERR_INIT;
    struct str text = STR_INIT;
    str_addn(&text, (const char *)data, size);
    if (appspec_parse(text.buf ? text.buf : "", &a, &err) < 0) {
        if (err.kind != ERR_USAGE)
            abort();
    } else {
        if (!a.command.argv || !a.command.argv[0] || a.command.timeout_ns == 0)
            abort();
        for (size_t i = 0; i < a.n_files; i++)
            if (a.files[i].path[0] != '/' || a.files[i].mode > 0777)
                abort();
        appspec_release(&a);
    }
    str_release(&text);
    return 0;
}

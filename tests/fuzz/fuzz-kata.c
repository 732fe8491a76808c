/* What kata-env and kata-runtime --version print: any text. */
#include "base/str.h"
#include "driver/kata-words.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
    if (strlen(text) >= size)
        abort();
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kata_config c = {.path = "untouched"};
    struct err err = ERR_INIT;
    char platform[40];
    struct str text = STR_INIT;
    str_addn(&text, (const char *)data, size);
    if (kata_config_parse(text.buf, text.len, &c, &err) < 0) {
        if (!str_eq(c.path, "untouched") || !err.msg[0])
            abort();
    } else {
        check_text(c.path, sizeof(c.path));
        check_text(c.hypervisor, sizeof(c.hypervisor));
        check_text(c.virtiofsd, sizeof(c.virtiofsd));
        check_text(c.kernel, sizeof(c.kernel));
        check_text(c.image, sizeof(c.image));
        kata_platform(&c, platform, sizeof(platform));
        check_text(platform, sizeof(platform));
    }
    if (kata_major_version(text.buf) >= 1000)
        abort();
    const char *type = kata_shim_type(text.buf);
    if (type && !kata_is_shim(type))
        abort();
    str_release(&text);
    return 0;
}

/* Plan files: any bytes. What parses has to survive being written and read again. */
#include "model/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const drivers[] = {"host", "oci", "docker", "podman", "qemu"};

static int parse(const char *text, size_t n, struct plan *ret, struct err *err)
{
    return plan_parse(text, n, "plan.yaml", drivers, ARRAY_SIZE(drivers), NULL, ret, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan p, back;
    struct err err = ERR_INIT;
    if (parse((const char *)data, size, &p, &err) < 0) {
        if (err.kind != ERR_USAGE || !str_starts(err.msg, "plan.yaml:"))
            abort();
        return 0;
    }
    struct str text = STR_INIT;
    if (plan_format(&p, &text, &err) < 0 || parse(text.buf, text.len, &back, &err) < 0 ||
        !plan_equal(&p, &back)) {
        fprintf(stderr, "%s\n%s", err.msg, text.buf);
        abort();
    }
    plan_release(&p);
    plan_release(&back);
    str_release(&text);
    return 0;
}

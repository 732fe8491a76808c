#include "vm/vmm.h"

#include "base/str.h"

#include <stdarg.h>

const char *vm_accel_name(enum vm_accel a)
{
    static const char *const names[VM_ACCEL_COUNT] = {"tcg", "kvm"};
    return names[a];
}

void vm_command_add(struct vm_command *c, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    if (c->n == VM_ARGS_MAX)
        abort(); /* a bug: what is added does not depend on input */
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    c->argv[c->n++] = text;
}

void vm_command_release(struct vm_command *c)
{
    while (c->n > 0)
        free((char *)c->argv[--c->n]);
    *c = (struct vm_command){0};
}

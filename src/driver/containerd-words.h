/* What containerd says of a container, and how its shims are called. Texts of another program:
 * taken apart with care, bounded, no size taken from them.
 *
 * Layer: driver, internal. */
#ifndef CUPEL_DRIVER_CONTAINERD_WORDS_H
#define CUPEL_DRIVER_CONTAINERD_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The name of the program of a shim type: "io.containerd.kata.v2" gives containerd-shim-kata-v2.
 * False: it is no such type. */
bool shim_program(const char *type, char *dst, size_t size);
/* BinaryName out of the options that runc's shim was given (a protobuf message in base64),
 * printable; "" if it is not there. */
void shim_option_binary(const char *base64, char *dst, size_t size);
/* "ID PID STATUS" of a container in the output of `ctr tasks list`; the status in lower case,
 * printable. False: it is not there. */
bool containerd_find_task(const char *text, const char *id, long *ret_pid, char *ret_status,
                          size_t size);

#endif

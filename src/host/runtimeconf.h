/* How the runtimes and engines of this machine are configured, as far as it may be told: docker's
 * daemon.json, containerd's, Kata's, podman's and CRI-O's files. It is stored with a run, and so
 * leaves the machine: what could be a secret (who logs in to registries and proxies, tokens,
 * addresses that name a user) is left out, comments are, and long texts are. What is left out is
 * counted.
 *
 * Layer: host. The files belong to others: bounded in size, and read as text, not believed. */
#ifndef CUPEL_HOST_RUNTIMECONF_H
#define CUPEL_HOST_RUNTIMECONF_H

#include "base/str.h"

#define RUNTIMECONF_KEPT_MAX (8u << 10) /* of one file */

/* What of a file may be told, appended, and how much was left out. json: as docker writes it; else
 * TOML. A text that is none is left out as a whole: 1. */
unsigned runtimeconf_keep(const char *text, size_t n, bool json, struct str *out);

/* The JSON text of an object (a machine's) with the member "runtime_configuration" added: an object
 * of {path: {"text", "sha256" (of that text), "left_out"}} of the files that are here. Takes text,
 * returns another; both malloced. What is no object comes back as it is. */
char *runtimeconf_add(char *text);

#endif

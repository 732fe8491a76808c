/* Reading a ledger back: text to items, each checked against our naming.
 *
 * Layer: ledger, private to this folder. The text may be damaged (a last line cut by SIGKILL is
 * normal) or tampered with: clean-up runs as root and acts on what stands here, so what does not
 * follow our naming is refused, never acted on. Bounded in size, line length and count. */
#ifndef CUPEL_LEDGER_JOURNAL_H
#define CUPEL_LEDGER_JOURNAL_H

#include "base/vec.h"
#include "ledger/ledger.h"

#define JOURNAL_MAX      (64u << 20) /* bytes of a ledger */
#define JOURNAL_LINE_MAX 16384

struct journal_item {
    struct ledger_item item; /* its strings are owned by this */
    bool done;
};

struct journal {
    bool has_header;
    char run[16];
    char boot[40];
    char allocation[1024]; /* what its groups lie below, as host/allocation.h has it; "": the roots
                            */
    pid_t pid;
    uint64_t start_ticks; /* of that pid: with it, who wrote this */
    struct {
        struct journal_item *v;
        size_t n, cap;
    } items;
    unsigned refused;  /* lines that are no line of ours */
    char refusal[240]; /* about the first of them */
};

/* 0 if the item follows our naming; else ERR_BUG saying what does not. Directories and mounts lie
 * below the state directory (but are neither the ledgers nor the results) or below /run/cupel or
 * /run/cupel-…; control groups begin with "/cupel-"; tracing instances are cupel-<8 hex
 * digits>-<digits> in one of the two places where the kernel has them; containers are cupel-<8 hex
 * digits>-<4 or more digits>, their runtime is an absolute path, their state directory one of ours.
 */
int journal_check(const struct ledger_item *item, const char *state_dir, struct err *err);

/* Never fails: what cannot be read is counted in refused. A last line without a newline is ignored.
 */
void journal_parse(const char *text, size_t n, const char *state_dir, struct journal *ret);
void journal_release(struct journal *j);

/* Do the two name the same thing? */
bool journal_same(const struct ledger_item *a, const struct ledger_item *b);
void journal_copy(struct journal_item *dst, const struct ledger_item *src);
void journal_item_release(struct journal_item *it);

/* "3fa9c2d1", eight lower-case hexadecimal digits. */
bool journal_is_run_id(const char *s);
/* cupel-<8 hexadecimal digits>-<digits, at least so many> */
bool journal_is_numbered(const char *s, size_t least);
const char *ledger_kind_name(enum ledger_kind kind);

/* Tries to take the lock of a ledger that is open on fd (how: LOCK_SH or LOCK_EX). A child that a
 * killed run had just started holds the lock too until it executes its program or dies: where the
 * writer named by the header is gone, the lock is waited for, two seconds at most. */
bool journal_lock(int fd, int how, const struct journal *j);

#endif

/* Following a seccomp filter. Classic BPF jumps forward only, so that one pass from the first
 * instruction to the last sees each after all that lead to it; where two ways meet, what they do
 * not agree on is not known from there on. What an instruction does is in the kernel's
 * net/core/filter.c, which of them a seccomp filter may have in kernel/seccomp.c
 * (seccomp_check_filter). */
#include "host/seccomp.h"

#include "base/str.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OWN_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define OWN_ARCH AUDIT_ARCH_S390X
#else
#error "which audit architecture is this?"
#endif

struct word {
    uint32_t v;
    bool known;
};

struct state {
    bool reached;
    struct word a, x, mem[BPF_MEMWORDS];
};

struct walk {
    const struct sock_filter *program;
    size_t n, pc;
    struct state *at; /* before each instruction */
    uint32_t number;
    bool passes, stops; /* some way does */
};

static const struct word unknown = {.known = false};

static struct word number_word(uint32_t v)
{
    return (struct word){.v = v, .known = true};
}

static void meet(struct word *w, struct word other)
{
    if (!w->known || !other.known || w->v != other.v)
        *w = unknown;
}

/* From here to the instruction `ahead` of the next one. */
static void flow(struct walk *w, const struct state *s, uint32_t ahead)
{
    if (ahead >= w->n - w->pc - 1) {
        w->stops = true;
        return;
    }
    struct state *to = &w->at[w->pc + 1 + ahead];
    if (!to->reached) {
        *to = *s;
        return;
    }
    meet(&to->a, s->a);
    meet(&to->x, s->x);
    for (size_t i = 0; i < BPF_MEMWORDS; i++)
        meet(&to->mem[i], s->mem[i]);
}

static bool action_passes(uint32_t action)
{
    switch (action & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_USER_NOTIF:
        return true;
    default:
        return false;
    }
}

static void finish(struct walk *w, struct word action)
{
    bool passes = action_passes(action.v);
    w->passes |= !action.known || passes;
    w->stops |= !action.known || !passes;
}

/* Of the call's data the number and the architecture are known. */
static struct word data_word(const struct walk *w, uint32_t offset)
{
    if (offset == offsetof(struct seccomp_data, nr))
        return number_word(w->number);
    return offset == offsetof(struct seccomp_data, arch) ? number_word(OWN_ARCH) : unknown;
}

/* False: no filter may have such an instruction. */
static bool load(const struct walk *w, const struct sock_filter *f, struct state *s)
{
    struct word *to = BPF_CLASS(f->code) == BPF_LD ? &s->a : &s->x;
    switch (f->code) {
    case BPF_LD | BPF_W | BPF_ABS:
        if (f->k >= sizeof(struct seccomp_data) || f->k % 4)
            return false;
        *to = data_word(w, f->k);
        return true;
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
        *to = number_word(sizeof(struct seccomp_data));
        return true;
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
        *to = number_word(f->k);
        return true;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
        if (f->k >= BPF_MEMWORDS)
            return false;
        *to = s->mem[f->k];
        return true;
    default:
        return false;
    }
}

static bool store(const struct sock_filter *f, struct state *s)
{
    if (f->k >= BPF_MEMWORDS || (f->code != BPF_ST && f->code != BPF_STX))
        return false;
    s->mem[f->k] = f->code == BPF_ST ? s->a : s->x;
    return true;
}

static bool compute(uint16_t op, uint32_t a, uint32_t b, uint32_t *ret)
{
    switch (op) {
    case BPF_ADD:
        *ret = a + b;
        return true;
    case BPF_SUB:
        *ret = a - b;
        return true;
    case BPF_MUL:
        *ret = a * b;
        return true;
    case BPF_DIV:
        *ret = b ? a / b : 0;
        return b != 0;
    case BPF_AND:
        *ret = a & b;
        return true;
    case BPF_OR:
        *ret = a | b;
        return true;
    case BPF_XOR:
        *ret = a ^ b;
        return true;
    case BPF_LSH:
        *ret = a << (b & 31);
        return true;
    case BPF_RSH:
        *ret = a >> (b & 31);
        return true;
    case BPF_NEG:
        *ret = 0 - a;
        return true;
    default:
        return false;
    }
}

/* Dividing by nothing ends a filter as if it had returned 0, which kills. */
static bool alu(struct walk *w, const struct sock_filter *f, struct state *s)
{
    uint16_t op = BPF_OP(f->code);
    struct word b = BPF_SRC(f->code) == BPF_X ? s->x : number_word(f->k);
    uint32_t v;
    if (f->code & ~(BPF_ALU | 0xf0 | BPF_X) || (op == BPF_NEG && BPF_SRC(f->code) == BPF_X))
        return false;
    if (!b.known && op == BPF_DIV)
        w->stops = true;
    bool known = s->a.known && b.known;
    /* An operation that no filter may have, and a constant that is 0 under a division, are refused
     * whatever is computed with. */
    if (!compute(op, s->a.v, b.known ? b.v : 1, &v))
        return false;
    s->a = known ? number_word(v) : unknown;
    return true;
}

static bool jump(struct walk *w, const struct sock_filter *f, const struct state *s)
{
    struct word b = BPF_SRC(f->code) == BPF_X ? s->x : number_word(f->k);
    bool known = s->a.known && b.known, holds;
    if (f->code & ~(BPF_JMP | 0xf0 | BPF_X))
        return false;
    switch (BPF_OP(f->code)) {
    case BPF_JA:
        if (BPF_SRC(f->code) == BPF_X)
            return false;
        flow(w, s, f->k);
        return true;
    case BPF_JEQ:
        holds = s->a.v == b.v;
        break;
    case BPF_JGT:
        holds = s->a.v > b.v;
        break;
    case BPF_JGE:
        holds = s->a.v >= b.v;
        break;
    case BPF_JSET:
        holds = s->a.v & b.v;
        break;
    default:
        return false;
    }
    if (!known || holds)
        flow(w, s, f->jt);
    if (!known || !holds)
        flow(w, s, f->jf);
    return true;
}

static bool transfer(const struct sock_filter *f, struct state *s)
{
    if (f->code == (BPF_MISC | BPF_TAX))
        s->x = s->a;
    else if (f->code == (BPF_MISC | BPF_TXA))
        s->a = s->x;
    else
        return false;
    return true;
}

static bool give_back(struct walk *w, const struct sock_filter *f, const struct state *s)
{
    if (f->code != (BPF_RET | BPF_K) && f->code != (BPF_RET | BPF_A))
        return false;
    finish(w, f->code == (BPF_RET | BPF_A) ? s->a : number_word(f->k));
    return true;
}

static void step(struct walk *w)
{
    const struct sock_filter *f = &w->program[w->pc];
    struct state s = w->at[w->pc];
    bool taken, next = true;
    switch (BPF_CLASS(f->code)) {
    case BPF_LD:
    case BPF_LDX:
        taken = load(w, f, &s);
        break;
    case BPF_ST:
    case BPF_STX:
        taken = store(f, &s);
        break;
    case BPF_ALU:
        taken = alu(w, f, &s);
        break;
    case BPF_JMP:
        taken = jump(w, f, &s);
        next = false;
        break;
    case BPF_RET:
        taken = give_back(w, f, &s);
        next = false;
        break;
    default:
        taken = transfer(f, &s);
        break;
    }
    if (!taken)
        w->stops = true;
    else if (next)
        flow(w, &s, 0);
}

enum seccomp_passage seccomp_follow(const struct sock_filter *program, size_t n, uint32_t number)
{
    if (n == 0 || n > BPF_MAXINSNS)
        return SECCOMP_NEVER;
    _cleanup_free_ struct state *at = xcalloc(n, sizeof(*at));
    struct walk w = {.program = program, .n = n, .at = at, .number = number};
    at[0].reached = at[0].a.known = at[0].x.known = true;
    for (size_t i = 0; i < BPF_MEMWORDS; i++)
        at[0].mem[i].known = true;
    for (; w.pc < n; w.pc++)
        if (at[w.pc].reached)
            step(&w);
    if (!w.passes)
        return SECCOMP_NEVER;
    return w.stops ? SECCOMP_SOMETIMES : SECCOMP_ALWAYS;
}

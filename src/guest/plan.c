/* The words of the kernel's command line that are for the init. */
#include "guest/guest.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>

static const char *const roots[GUEST_ROOT_COUNT] = {"virtiofs", "9p", "block"};

static int bad(const char *word, const char *value, struct err *err)
{
    return err_set(err, ERR_USAGE, EINVAL, "%s: \"%.80s\" cannot be used", word, value);
}

static int read_root(struct guest_plan *p, const char *value, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
        if (str_eq(value, roots[i])) {
            p->root = (enum guest_root)i;
            return 0;
        }
    }
    return bad("cupel.root", value, err);
}

/* ADDRESS/PREFIX[,GATEWAY[,MTU]] */
static int read_net(struct guest_net *net, char *value, struct err *err)
{
    char *rest = value;
    char *address = strsep(&rest, ","), *gateway = strsep(&rest, ","), *mtu = rest;
    char *prefix = strchr(address, '/');
    uint64_t bits = 0, bytes = 0;
    struct err why = ERR_INIT;
    if (!prefix)
        return bad("cupel.net", value, err);
    *prefix++ = '\0';
    int r = parse_u64(prefix, 1, 32, "prefix", &bits, &why);
    if (r == 0 && inet_pton(AF_INET, address, &net->address) != 1)
        r = bad("address", address, &why);
    if (r == 0 && gateway && inet_pton(AF_INET, gateway, &net->gateway) != 1)
        r = bad("gateway", gateway, &why);
    if (r == 0 && mtu)
        r = parse_u64(mtu, 68, 65535, "mtu", &bytes, &why);
    if (r < 0)
        return err_set(err, ERR_USAGE, EINVAL, "cupel.net: %s", why.msg);
    net->mask.s_addr = htonl(UINT32_MAX << (32 - bits));
    net->mtu = (unsigned)bytes;
    net->on = true;
    return 0;
}

struct reading {
    struct guest_plan *plan;
    bool root, tmpfs; /* seen */
    size_t n_args;
};

static int read_arg(struct reading *in, const char *value, struct err *err)
{
    if (in->n_args == GUEST_ARGS_MAX)
        return err_set(err, ERR_USAGE, E2BIG, "cupel.arg: more than %d", GUEST_ARGS_MAX);
    in->plan->argv[1 + in->n_args++] = value;
    return 0;
}

static int read_word(struct reading *in, const char *word, char *value, struct err *err)
{
    struct guest_plan *p = in->plan;
    if (str_eq(word, "cupel.root")) {
        in->root = true;
        return read_root(p, value, err);
    }
    if (str_eq(word, "cupel.tmpfs")) {
        in->tmpfs = true;
        return parse_u64(value, 4096, INT64_MAX, word, &p->tmpfs_bytes, err);
    }
    if (str_eq(word, "cupel.net"))
        return read_net(&p->net, value, err);
    if (str_eq(word, "cupel.arg"))
        return read_arg(in, value, err);
    if (str_eq(word, "cupel.options"))
        p->options = value;
    else if (str_eq(word, "cupel.data"))
        p->data = str_eq(value, "1");
    else if (str_eq(word, "cupel.prog") && *value == '/')
        p->argv[0] = value;
    else
        return bad(word, value, err);
    return 0;
}

int guest_plan_read(char *text, struct guest_plan *ret, struct err *err)
{
    struct guest_plan p = {.options = ""};
    struct reading in = {.plan = &p};
    for (char *word; (word = strsep(&text, " \t\n"));) {
        char *value = strchr(word, '=');
        if (!str_starts(word, "cupel."))
            continue;
        if (!value)
            return bad(word, "", err);
        *value++ = '\0';
        int r = read_word(&in, word, value, err);
        if (r < 0)
            return r;
    }
    const char *missing = !in.root     ? "cupel.root"
                          : !in.tmpfs  ? "cupel.tmpfs"
                          : !p.argv[0] ? "cupel.prog"
                                       : NULL;
    if (missing)
        return err_set(err, ERR_USAGE, EINVAL, "%s is not on the kernel's command line", missing);
    *ret = p;
    return 0;
}

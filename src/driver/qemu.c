/* A virtual machine for each session: QEMU in the foreground, with a kernel out of Debian's archive
 * and an init of ours that starts the probe from the session's own root, which the host shares.
 *
 * QEMU and the file servers lie in the session's group, so that what they use is on its bill; the
 * guest's memory is theirs. The group's memory limit leaves room for what is not the workload's:
 * the guest's kernel and QEMU itself. */
#include "driver/qemu.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/time.h"
#include "driver/plug.h"
#include "driver/proof.h"
#include "vm/tsc.h"

#include <errno.h>

/* How many times as long a start may take where its CPU is emulated: it takes 2 to 5 s on an idle
 * machine, and 12 on a busy one. */
#define EMULATED_START 6

/* Its memory, and those who share it, go before it does. */
#define DEATH_MS 3000

#define MIB (UINT64_C(1) << 20)

/* Of a guest that has no limit: what the suites' largest workloads hold, and room for a cache. */
#define GUEST_MEMORY (2048 * MIB)
/* What a guest's kernel has of its memory for itself, and a description of every page. */
#define KERNEL_MEMORY   (80 * MIB)
#define KERNEL_FRACTION 48
/* What QEMU and the file servers use beside the guest's memory; emulating a CPU takes a buffer for
 * translated code. */
#define VMM_MEMORY      (96 * MIB)
#define EMULATOR_MEMORY (192 * MIB)

static const char *const proposals[] = {"qemu:virtiofs", "qemu:9p", "qemu:block", NULL};

/* ---- once a run ---- */

static void say(void *user, const char *line)
{
    log_notice("%s", line);
}

static void qemu_close(struct site *s, struct engine *e)
{
    struct qemu *q = e ? e->own : NULL;
    if (q)
        vm_guests_release(&q->guests);
    free(q);
    engine_free(e);
}

static int find_server(struct site *s, struct qemu *q, struct err *err)
{
    if (q->options.root != VM_ROOT_VIRTIOFS)
        return 0;
    int r = virtiofsd_find(s->loop, &q->server, err);
    if (r == 0)
        r = fs_sha256(q->server.path, q->server_sha256, err);
    if (r == 0 && stat(q->server.path, &q->server_stat) < 0)
        r = err_errno(err, errno, "read %s", q->server.path);
    str_copy(q->server.cache, sizeof(q->server.cache), q->options.cache);
    return r;
}

static int find_kernel(struct site *s, struct qemu *q, struct err *err)
{
    char init[256];
    int r = qemu_find_init(s, init, sizeof(init), err);
    if (r == 0)
        r = vm_guests_init(&q->guests, s->loop, s->ledger, s->keep, say, NULL, err);
    const struct vm_wanted wanted = {.root = q->options.root,
                                     .path = q->options.kernel[0] ? q->options.kernel : NULL,
                                     .init = init};
    return r == 0 ? vm_kernel_get(&q->guests, &wanted, &q->kernel, err) : r;
}

static int qemu_start(struct site *s, struct engine *e, const struct launch *what,
                      struct session **ret, struct err *err);

/* Whether KVM boots this kernel can only be seen by booting it: nested in another machine it may
 * hang for ever. That it dies or says nothing is an answer, and no failure; all else is one. */
static int try_kvm(struct site *s, struct engine *e, struct err *err)
{
    const struct launch probe = {.program = PROGRAM_PROBE};
    struct qemu *q = e->own;
    struct session *session = NULL;
    struct err why = ERR_INIT;
    q->accel = VM_ACCEL_KVM;
    int r = qemu_start(s, e, &probe, &session, &why);
    if (r == 0)
        r = session_stop(session, ENDING_BYE, NULL, &why);
    bool answered = r == 0 || why.kind == ERR_TIMEOUT || why.code == ECHILD;
    if (!answered)
        return err_set(err, why.kind, why.code, "%s", why.msg);
    qemu_kvm_remember(s, e->info.sha256, q->kernel.sha256, r == 0, why.msg);
    if (r < 0)
        log_notice("%s: KVM does not boot it here (%s): its CPU is emulated", e->info.target.label,
                   why.msg);
    return 0;
}

static int choose_accel(struct site *s, struct engine *e, const struct vmm_facts *facts,
                        struct err *err)
{
    struct qemu *q = e->own;
    enum kvm_says says = KVM_FAILS;
    int r = 0;
    q->accel = q->options.accel;
    if (q->options.accel_given)
        return 0;
    if (facts->accel[VM_ACCEL_KVM] && qemu_kvm_open() == 0)
        says = qemu_kvm_recall(s, e->info.sha256, q->kernel.sha256, NULL, 0);
    if (says == KVM_UNKNOWN) {
        r = try_kvm(s, e, err);
        says = qemu_kvm_recall(s, e->info.sha256, q->kernel.sha256, NULL, 0);
    }
    q->accel = says == KVM_BOOTS ? VM_ACCEL_KVM : VM_ACCEL_TCG;
    return r;
}

static int make_ready(struct site *s, struct engine *e, struct err *err)
{
    struct qemu *q = e->own;
    struct vmm_facts facts;
    int r = qemu_options_read(&e->info.target, &q->options, err);
    if (r == 0)
        r = vmm_qemu.ask(s->loop, e->info.path, q->options.machine, &facts, err);
    if (r < 0)
        return r;
    str_copy(q->machine, sizeof(q->machine), facts.machine);
    r = find_server(s, q, err);
    if (r == 0)
        r = find_kernel(s, q, err);
    if (r == 0)
        r = choose_accel(s, e, &facts, err);
    if (r == 0 && q->accel == VM_ACCEL_TCG)
        q->tsc_khz = vm_tsc_khz();
    return r;
}

static int qemu_open(struct site *s, const struct target_info *info, struct engine **ret,
                     struct err *err)
{
    struct engine *e = NULL;
    int r = engine_new(s, info, &e, err);
    if (r < 0)
        return r;
    e->own = xcalloc(1, sizeof(struct qemu));
    r = make_ready(s, e, err);
    if (r < 0) {
        qemu_close(s, e);
        return err_wrap(err, "open %s", info->target.label);
    }
    e->info.emulated = ((struct qemu *)e->own)->accel == VM_ACCEL_TCG;
    *ret = e;
    return 0;
}

/* ---- start ---- */

/* A limit is the workload's: the guest has as much beside what its kernel takes. */
static uint64_t guest_memory(const struct site *s, const struct qemu *q)
{
    uint64_t limit = s->limits.memory_bytes;
    uint64_t bytes = q->options.memory_bytes ? q->options.memory_bytes : GUEST_MEMORY;
    if (limit)
        bytes = limit + limit / KERNEL_FRACTION + KERNEL_MEMORY;
    else if (!q->options.memory_bytes && bytes > s->machine->available_bytes / 2)
        bytes = s->machine->available_bytes / 2;
    return bytes < GUEST_MEMORY_LEAST ? GUEST_MEMORY_LEAST : bytes & ~(2 * MIB - 1);
}

/* The group's memory limit, which ground_make set to the workload's. */
static int make_room(const struct live *l, struct err *err)
{
    const struct site *s = l->site;
    const struct qemu *q = l->engine->own;
    struct cgroup_limits limits = {.cpus = s->limits.cpus, .pids = s->limits.pids};
    if (!s->limits.memory_bytes)
        return 0;
    limits.memory_bytes = ((const struct guest *)l->own)->memory_bytes + VMM_MEMORY;
    if (q->accel == VM_ACCEL_TCG)
        limits.memory_bytes += EMULATOR_MEMORY;
    return cgroup_set_limits(&s->machine->cgroups, l->ground.group, &limits, err);
}

/* What the console says belongs to the failure, unless it is in there already. */
static int not_up(struct live *l, int r, struct err *err)
{
    char words[300];
    if (r == -EINTR || !err)
        return r;
    /* What ends before it has begun failed to start. */
    enum err_kind kind = err->code == ECHILD ? ERR_ENVIRONMENT : err->kind;
    bool more = *guest_words(l, words, sizeof(words)) && !strstr(err->msg, words);
    return err_set(err, kind, err->code, "%s%s%s", err->msg, more ? "; " : "", more ? words : "");
}

static int launch(struct live *l, struct err *err)
{
    char nonce[WIRE_NONCE_SIZE];
    struct stdio io;
    session_nonce(nonce);
    int r = guest_prepare(l, err);
    if (r == 0)
        r = live_open_session(l, nonce, &io, err);
    if (r < 0)
        return r;
    l->session->death_ms = DEATH_MS;
    struct lifetimes life = {.begin_ns = start_begins(l)};
    uint64_t deadline_ns = life.begin_ns + l->start_timeout_ns;
    r = guest_boot(l, &io, nonce, err);
    stdio_close_child(&io);
    if (r == 0)
        r = start_hello(l, &deadline_ns, err);
    if (r < 0)
        return not_up(l, r, err);
    life.hello_ns = l->session->answered_ns;
    l->session->life = life;
    return proof_make(l, NULL, err);
}

/* What it writes this host sees as one file. */
static void on_disk(struct live *l)
{
    struct session_caps *caps = &l->session->caps;
    caps->host_rootfs[0] = caps->host_bind[0] = '\0';
    str_copy(caps->host_disk, sizeof(caps->host_disk), ((const struct guest *)l->own)->data_disk);
}

static int bring_up(struct live *l, struct err *err)
{
    const struct qemu *q = l->engine->own;
    int r = launch(l, err);
    if (r == 0)
        r = live_describe(l, err);
    if (r < 0)
        return r;
    live_container_dirs(l);
    if (q->options.root == VM_ROOT_BLOCK)
        on_disk(l);
    l->session->caps.own_cache = true;
    l->session->caps.emulated = q->accel == VM_ACCEL_TCG;
    return 0;
}

static void end_guest(struct live *l, struct calm *calm)
{
    const struct guest *g = l->own;
    uint64_t deadline_ns = time_deadline(l->site->stop_timeout_ns);
    ground_kill(l->site, &l->ground, NULL);
    if (l->watch)
        calm_wait(calm, &l->exited, deadline_ns);
    for (size_t i = 0; i < ARRAY_SIZE(g->servers); i++)
        if (g->servers[i].watch)
            calm_wait(calm, &g->servers[i].exited, deadline_ns);
}

/* Ends whatever is there of it and frees l. The processes are all that an engine would have made.
 */
static int take_down(struct live *l, bool by_engine, struct lifetimes *life, struct err *err)
{
    struct calm calm = calm_begin(l->site->loop);
    end_guest(l, &calm);
    life->exited_ns = l->exited_ns;
    int r = guest_forget(l, err);
    life->gone_ns = time_mono_ns();
    int ground_r = ground_remove(l->site, &l->ground, r < 0 ? NULL : err);
    free(l->own);
    live_free(l);
    calm_end(&calm);
    return r < 0 ? r : ground_r;
}

static int check_launch(const struct live *l, const struct launch *what, struct err *err)
{
    if (what->net && what->net_stack == NET_STACK_HOST)
        return plug_unsupported(l, "it has no stack but its kernel's", err);
    return 0;
}

static int qemu_start(struct site *s, struct engine *e, const struct launch *what,
                      struct session **ret, struct err *err)
{
    const struct qemu *q = e->own;
    struct live *l = NULL;
    int r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    r = guest_new(l, guest_memory(s, q), what->image, err);
    if (q->accel == VM_ACCEL_TCG)
        l->start_timeout_ns *= EMULATED_START;
    if (r == 0)
        r = check_launch(l, what, err);
    if (r == 0)
        r = ground_make(s, e, &l->ground, what, false, err);
    if (r == 0)
        r = make_room(l, err);
    if (r == 0)
        r = ground_make_group(s, l->ground.box, err);
    if (r == 0)
        r = bring_up(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    *ret = l->session;
    return 0;
}

/* The same ground, and so the same files: only the machine is another. */
static int qemu_renew(struct site *s, struct engine *e, struct session **inout, struct err *err)
{
    struct live *l = (*inout)->priv;
    live_farewell(l, NS_PER_S);
    struct calm calm = calm_begin(s->loop);
    end_guest(l, &calm);
    int r = guest_forget(l, err);
    calm_end(&calm);
    live_forget(l);
    *inout = NULL;
    if (r == 0)
        r = bring_up(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    *inout = l->session;
    return 0;
}

const struct driver driver_qemu = {
    .name = "qemu",
    /* Not an engine above others; but a kernel is fetched for it, which nobody asked for who named
     * no target. */
    .engine = true,
    .summary =
        "a virtual machine of QEMU's with a kernel of its own, its files by virtiofs, 9p or on "
        "disks: qemu:virtiofs, qemu:9p, qemu:block",
    .proposals = proposals,
    .inspect = qemu_inspect,
    .open = qemu_open,
    .close = qemu_close,
    .start = qemu_start,
    .renew = qemu_renew,
};
